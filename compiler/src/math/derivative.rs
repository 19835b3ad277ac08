//! The derivative rule of each primitive: what reaches an argument if `adjoint` reaches the result. Rules are written
//! with the graph builder and ask for argument and result values one by one, because in a backward sweep each value asked for
//! may have to be kept from the forward one. Where the textbook formula loses digits or gives 0 · ∞ at an
//! edge of the domain, a comment says what stands here instead.

use super::builder::Builder;
use super::graph::Value;
use super::primitive::Operation;

/// Where a rule writes, and where it finds the values of the operation it differentiates.
pub trait Primal {
    /// The program being written.
    fn builder(&mut self) -> &mut Builder;
    /// The value of an argument.
    fn argument(&mut self, position: usize) -> Value;
    /// The value of the result.
    fn result(&mut self) -> Value;
}

/// The adjoint that an operation passes to its argument at `position`, given that of its result; `None` where the
/// derivative is zero everywhere (rounding, comparisons, conditions). Derivatives that the table says do not exist
/// (`trigamma` and other slopes, orders of Bessel functions) are NaN: no density is better than a wrong gradient.
pub fn adjoint(
    primal: &mut impl Primal,
    operation: Operation,
    position: usize,
    adjoint: Value,
) -> Option<Value> {
    use Operation::*;
    let mut rule = Rule(primal);
    let value = match operation {
        Negate => rule.negate(adjoint),
        Add => adjoint,
        Subtract if position == 0 => adjoint,
        Subtract => rule.negate(adjoint),
        Multiply => {
            let other = rule.argument(1 - position);
            rule.multiply(adjoint, other)
        }
        Divide => {
            // By the reciprocal, which does not have to wait for the adjoint and may not vary in a loop that this does.
            let (one, divisor) = (rule.real(1.0), rule.argument(1));
            let reciprocal = rule.divide(one, divisor);
            let share = rule.multiply(adjoint, reciprocal);
            if position == 0 {
                share
            } else {
                let result = rule.result();
                let product = rule.multiply(share, result);
                rule.negate(product)
            }
        }
        Power if position == 0 => rule.power_base(adjoint),
        Power => rule.power_exponent(adjoint),
        LogOr => {
            // (1 − e^b) / (1 + e^(b − a) (1 − e^a)): between 0 and 1, whatever a and b are.
            let (own, other) = (rule.argument(position), rule.argument(1 - position));
            let gap = rule.subtract(other, own);
            let ratio = rule.scalar(Exponential, &[gap]);
            let (own, other) = (
                rule.scalar(ExponentialMinusOne, &[own]),
                rule.scalar(ExponentialMinusOne, &[other]),
            );
            let less = rule.multiply(ratio, own);
            let one = rule.real(1.0);
            let divisor = rule.subtract(one, less);
            let slope = rule.divide(other, divisor);
            let share = rule.multiply(adjoint, slope);
            rule.negate(share)
        }
        LogBeta => {
            // ψ(a) − ψ(a + b)
            let (a, b) = (rule.argument(0), rule.argument(1));
            let sum = rule.add(a, b);
            let own = rule.argument(position);
            let (first, second) = (rule.scalar(Digamma, &[own]), rule.scalar(Digamma, &[sum]));
            let slope = rule.subtract(first, second);
            rule.multiply(adjoint, slope)
        }
        Minimum | Maximum | Absolute | Select => return rule.choice(operation, position, adjoint),
        Floor | Ceiling | Round | IntToReal => return None,
        _ if operation.is_slope() => rule.real(f64::NAN),
        BesselI => rule.bessel(BesselISlope, position, adjoint),
        LogBesselI => rule.bessel(LogBesselISlope, position, adjoint),
        BesselK => rule.bessel(BesselKSlope, position, adjoint),
        LogBesselK => rule.bessel(LogBesselKSlope, position, adjoint),
        BesselJ => rule.bessel(BesselJSlope, position, adjoint),
        BesselY => rule.bessel(BesselYSlope, position, adjoint),
        OwensT => rule.owens_t(position, adjoint),
        GammaP | GammaQ | BetaIncomplete => rule.incomplete(operation, position, adjoint),
        _ if operation as usize >= Less as usize => return None,
        _ => rule.elementary(operation, adjoint),
    };
    Some(value)
}

/// Short names for what the rules write.
struct Rule<'a, P>(&'a mut P);

impl<P: Primal> Rule<'_, P> {
    fn argument(&mut self, position: usize) -> Value {
        self.0.argument(position)
    }

    fn result(&mut self) -> Value {
        self.0.result()
    }

    fn scalar(&mut self, operation: Operation, arguments: &[Value]) -> Value {
        self.0.builder().scalar(operation, arguments)
    }

    fn real(&mut self, value: f64) -> Value {
        self.0.builder().real(value)
    }

    fn negate(&mut self, a: Value) -> Value {
        self.scalar(Operation::Negate, &[a])
    }

    fn add(&mut self, a: Value, b: Value) -> Value {
        self.scalar(Operation::Add, &[a, b])
    }

    fn subtract(&mut self, a: Value, b: Value) -> Value {
        self.scalar(Operation::Subtract, &[a, b])
    }

    fn multiply(&mut self, a: Value, b: Value) -> Value {
        self.scalar(Operation::Multiply, &[a, b])
    }

    fn divide(&mut self, a: Value, b: Value) -> Value {
        self.scalar(Operation::Divide, &[a, b])
    }

    fn less(&mut self, a: Value, b: Value) -> Value {
        self.scalar(Operation::Less, &[a, b])
    }

    fn select(&mut self, condition: Value, a: Value, b: Value) -> Value {
        self.scalar(Operation::Select, &[condition, a, b])
    }

    fn scale(&mut self, factor: f64, a: Value) -> Value {
        let factor = self.real(factor);
        self.multiply(factor, a)
    }

    fn exp(&mut self, a: Value) -> Value {
        self.scalar(Operation::Exponential, &[a])
    }

    /// b a^(b − 1), exact at a = 0 where `result · b / a` is not; 0 for b = 0, where 0 · ∞ threatens.
    fn power_base(&mut self, adjoint: Value) -> Value {
        let (base, exponent) = (self.argument(0), self.argument(1));
        let (zero, one) = (self.real(0.0), self.real(1.0));
        let less = self.subtract(exponent, one);
        let power = self.scalar(Operation::Power, &[base, less]);
        let slope = self.multiply(exponent, power);
        let flat = self.scalar(Operation::Equal, &[exponent, zero]);
        let slope = self.select(flat, zero, slope);
        self.multiply(adjoint, slope)
    }

    /// a^b log a; 0 where the power is 0, in place of 0 · −∞.
    fn power_exponent(&mut self, adjoint: Value) -> Value {
        let (base, result) = (self.argument(0), self.result());
        let zero = self.real(0.0);
        let log = self.scalar(Operation::Logarithm, &[base]);
        let slope = self.multiply(result, log);
        let vanished = self.scalar(Operation::Equal, &[result, zero]);
        let slope = self.select(vanished, zero, slope);
        self.multiply(adjoint, slope)
    }

    /// The adjoint goes to the argument that was chosen, by the same comparison as in `evaluate`.
    fn choice(&mut self, operation: Operation, position: usize, adjoint: Value) -> Option<Value> {
        let zero = self.real(0.0);
        let first = match operation {
            Operation::Select if position == 0 => return None,
            Operation::Select => self.argument(0),
            Operation::Absolute => {
                let x = self.argument(0);
                let (below, above) = (self.less(x, zero), self.less(zero, x));
                let (minus, plus) = (self.negate(adjoint), self.select(above, adjoint, zero));
                return Some(self.select(below, minus, plus));
            }
            _ => {
                let (a, b) = (self.argument(0), self.argument(1));
                if operation == Operation::Minimum {
                    self.less(a, b)
                } else {
                    self.less(b, a)
                }
            }
        };
        let first_position = usize::from(operation == Operation::Select);
        Some(if position == first_position {
            self.select(first, adjoint, zero)
        } else {
            self.select(first, zero, adjoint)
        })
    }

    /// Functions of one real, by slope or by reciprocal slope.
    fn elementary(&mut self, operation: Operation, adjoint: Value) -> Value {
        use Operation::*;
        let one = self.real(1.0);
        let slope = match operation {
            SquareRoot => return self.square_root(adjoint),
            Logarithm => {
                let x = self.argument(0);
                let divisor = self.not_zero(x);
                return self.divide(adjoint, divisor);
            }
            LogOnePlus => {
                let x = self.argument(0);
                let divisor = self.add(one, x);
                let divisor = self.not_zero(divisor);
                return self.divide(adjoint, divisor);
            }
            LogOneMinusExp => {
                // −eˣ / (1 − eˣ) = −1 / (e⁻ˣ − 1), which neither cancels near 0 nor underflows early.
                let x = self.argument(0);
                let minus = self.negate(x);
                let divisor = self.scalar(ExponentialMinusOne, &[minus]);
                let divisor = self.not_zero(divisor);
                let quotient = self.divide(adjoint, divisor);
                return self.negate(quotient);
            }
            ArcTangent => {
                let x = self.argument(0);
                let square = self.multiply(x, x);
                let divisor = self.add(one, square);
                return self.divide(adjoint, divisor);
            }
            ArcSine | ArcCosine => {
                // √((1 − x)(1 + x)): 1 − x² cancels near ±1.
                let x = self.argument(0);
                let (below, above) = (self.subtract(one, x), self.add(one, x));
                let product = self.multiply(below, above);
                let root = self.scalar(SquareRoot, &[product]);
                let quotient = self.divide(adjoint, root);
                return if operation == ArcSine {
                    quotient
                } else {
                    self.negate(quotient)
                };
            }
            Exponential => self.result(),
            // Not result + 1, which cancels for very negative x.
            ExponentialMinusOne => self.on_argument(Exponential),
            LogOnePlusExp => self.on_argument(Logistic),
            Logistic => {
                let result = self.result();
                let rest = self.subtract(one, result);
                self.multiply(result, rest)
            }
            Sine => self.on_argument(Cosine),
            Cosine => {
                let sine = self.on_argument(Sine);
                self.negate(sine)
            }
            Tangent => {
                let result = self.result();
                let square = self.multiply(result, result);
                self.add(one, square)
            }
            HyperbolicTangent => {
                let result = self.result();
                let (below, above) = (self.subtract(one, result), self.add(one, result));
                self.multiply(below, above)
            }
            HyperbolicSine => self.on_argument(HyperbolicCosine),
            HyperbolicCosine => self.on_argument(HyperbolicSine),
            LogGamma => self.on_argument(Digamma),
            Digamma => self.on_argument(Trigamma),
            _ => self.normal_family(operation),
        };
        self.multiply(adjoint, slope)
    }

    /// A divisor, or 1 for 0 where a term of density zero may stand inside a log-sum: the logarithm is −∞ there, so that
    /// either its adjoint is zero or the whole density is.
    fn not_zero(&mut self, divisor: Value) -> Value {
        if !self.0.builder().graph().has_log_sums {
            return divisor;
        }
        let (zero, one) = (self.real(0.0), self.real(1.0));
        let is_zero = self.scalar(Operation::Equal, &[divisor, zero]);
        self.select(is_zero, one, divisor)
    }

    fn on_argument(&mut self, operation: Operation) -> Value {
        let x = self.argument(0);
        self.scalar(operation, &[x])
    }

    /// ½ / √x, and 0 at 0: a distance of identical points then has derivative 0 and not 0 · ∞.
    fn square_root(&mut self, adjoint: Value) -> Value {
        let result = self.result();
        let zero = self.real(0.0);
        let half = self.real(0.5);
        let slope = self.divide(half, result);
        let at_zero = self.scalar(Operation::Equal, &[result, zero]);
        let slope = self.select(at_zero, zero, slope);
        self.multiply(adjoint, slope)
    }

    /// The normal integral and its relatives.
    fn normal_family(&mut self, operation: Operation) -> Value {
        use std::f64::consts::{FRAC_2_SQRT_PI, PI};
        match operation {
            Operation::ErrorFunction => self.bell(FRAC_2_SQRT_PI, -1.0),
            Operation::ComplementaryErrorFunction => self.bell(-FRAC_2_SQRT_PI, -1.0),
            Operation::NormalCdf => self.bell(1.0 / (2.0 * PI).sqrt(), -0.5),
            Operation::NormalQuantile => {
                let quantile = self.result();
                let square = self.multiply(quantile, quantile);
                let half = self.scale(0.5, square);
                let growth = self.exp(half);
                self.scale((2.0 * PI).sqrt(), growth)
            }
            Operation::LogNormalCdf => self.mills(),
            _ => unreachable!("the other operations have their rules above"),
        }
    }

    /// factor · exp(curvature · x²)
    fn bell(&mut self, factor: f64, curvature: f64) -> Value {
        let x = self.argument(0);
        let square = self.multiply(x, x);
        let exponent = self.scale(curvature, square);
        let exp = self.exp(exponent);
        self.scale(factor, exp)
    }

    /// φ(x) / Φ(x). Below −30, −x²/2 − log Φ(x) cancels; there its asymptotic series in 1/x² is exact to 2e−14:
    /// −x (1 + u − 2 u² + 10 u³ − 74 u⁴ + 706 u⁵), u = 1/x².
    fn mills(&mut self) -> Value {
        let (x, result) = (self.argument(0), self.result());
        let one = self.real(1.0);
        let square = self.multiply(x, x);
        let half = self.scale(-0.5, square);
        let constant = self.real(0.5 * (2.0 * std::f64::consts::PI).ln());
        let normalised = self.subtract(half, constant);
        let exponent = self.subtract(normalised, result);
        let direct = self.exp(exponent);
        let u = self.divide(one, square);
        let mut series = self.real(706.0);
        for coefficient in [-74.0, 10.0, -2.0, 1.0, 1.0] {
            let product = self.multiply(series, u);
            let coefficient = self.real(coefficient);
            series = self.add(product, coefficient);
        }
        let tail = self.multiply(x, series);
        let tail = self.negate(tail);
        let far = self.real(-30.0);
        let is_far = self.less(x, far);
        self.select(is_far, tail, direct)
    }

    /// Incomplete gamma and beta functions: their integrands at the upper limit, and the slopes in their shapes.
    fn incomplete(&mut self, operation: Operation, position: usize, adjoint: Value) -> Value {
        use Operation::*;
        let beta = operation == BetaIncomplete;
        let shape_slope = match (operation, position) {
            (GammaP | GammaQ, 0) => Some(GammaShapeSlope),
            (BetaIncomplete, 0) => Some(BetaFirstSlope),
            (BetaIncomplete, 1) => Some(BetaSecondSlope),
            _ => None,
        };
        if let Some(slope) = shape_slope {
            let count = operation.entry().arguments.len();
            let arguments: Vec<Value> = (0..count).map(|i| self.argument(i)).collect();
            let slope = self.scalar(slope, &arguments);
            let product = self.multiply(adjoint, slope);
            return if operation == GammaQ {
                self.negate(product)
            } else {
                product
            };
        }
        let a = self.argument(0);
        let x = self.argument(position);
        let power = self.log_power(a, x, false);
        let exponent = if beta {
            let b = self.argument(1);
            let other = self.log_power(b, x, true);
            let sum = self.add(power, other);
            let normaliser = self.scalar(LogBeta, &[a, b]);
            self.subtract(sum, normaliser)
        } else {
            let normaliser = self.scalar(LogGamma, &[a]);
            let decay = self.subtract(power, x);
            self.subtract(decay, normaliser)
        };
        let density = self.exp(exponent);
        let product = self.multiply(adjoint, density);
        if operation == GammaQ {
            self.negate(product)
        } else {
            product
        }
    }

    /// Bessel functions by their slope in x; there is none in the order.
    fn bessel(&mut self, slope: Operation, position: usize, adjoint: Value) -> Value {
        if position == 0 {
            return self.real(f64::NAN);
        }
        let (order, x) = (self.argument(0), self.argument(1));
        let slope = self.scalar(slope, &[order, x]);
        self.multiply(adjoint, slope)
    }

    /// ∂T/∂h = −exp(−½h²) erf(ah/√2) / √8π, ∂T/∂a = exp(−½h²(1 + a²)) / (2π (1 + a²))
    fn owens_t(&mut self, position: usize, adjoint: Value) -> Value {
        use std::f64::consts::{FRAC_1_SQRT_2, PI};
        let (one, h, a) = (self.real(1.0), self.argument(0), self.argument(1));
        let square = self.multiply(h, h);
        let slope = if position == 0 {
            let product = self.multiply(a, h);
            let scaled = self.scale(FRAC_1_SQRT_2, product);
            let erf = self.scalar(Operation::ErrorFunction, &[scaled]);
            let exponent = self.scale(-0.5, square);
            let bell = self.exp(exponent);
            let share = self.multiply(bell, erf);
            self.scale(-1.0 / (8.0 * PI).sqrt(), share)
        } else {
            let a_square = self.multiply(a, a);
            let sum = self.add(one, a_square);
            let product = self.multiply(square, sum);
            let exponent = self.scale(-0.5, product);
            let bell = self.exp(exponent);
            let quotient = self.divide(bell, sum);
            self.scale(0.5 / PI, quotient)
        };
        self.multiply(adjoint, slope)
    }

    /// (a − 1) log x, or (a − 1) log(1 − x); 0 for a = 1, also where the logarithm is −∞.
    fn log_power(&mut self, a: Value, x: Value, complement: bool) -> Value {
        let (zero, one) = (self.real(0.0), self.real(1.0));
        let log = if complement {
            let minus = self.negate(x);
            self.scalar(Operation::LogOnePlus, &[minus])
        } else {
            self.scalar(Operation::Logarithm, &[x])
        };
        let less = self.subtract(a, one);
        let product = self.multiply(less, log);
        let flat = self.scalar(Operation::Equal, &[a, one]);
        self.select(flat, zero, product)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use likelier_runtime::target::Weights;

    use super::super::builder::Builder;
    use super::super::graph::{BufferKind, Type, Value};
    use super::super::interpret::{Inputs, interpret};
    use super::super::primitive::{Operation, TABLE};
    use super::{Primal, adjoint};

    struct Literal<'a> {
        builder: &'a mut Builder,
        arguments: Vec<Value>,
        result: Value,
    }

    impl Primal for Literal<'_> {
        fn builder(&mut self) -> &mut Builder {
            self.builder
        }

        fn argument(&mut self, position: usize) -> Value {
            self.arguments[position]
        }

        fn result(&mut self) -> Value {
            self.result
        }
    }

    /// The partial derivative by the rule; `None` if the rule says that there is none.
    pub(in super::super) fn rule(
        operation: Operation,
        arguments: &[f64],
        position: usize,
    ) -> Option<f64> {
        let mut builder = Builder::new();
        builder.set_sizes(3, 0);
        let inputs = builder.buffer("position", 3, BufferKind::Position);
        let output = builder.buffer("output", 1, BufferKind::Output);
        let values: Vec<Value> = operation
            .entry()
            .arguments
            .iter()
            .enumerate()
            .map(|(i, ty)| {
                let index = builder.int(i as i64);
                let value = builder.load(inputs, index);
                let zero = builder.real(0.0);
                if *ty == Type::Bool {
                    let equal = builder.scalar(Operation::Equal, &[value, zero]);
                    builder.scalar(Operation::Not, &[equal])
                } else {
                    value
                }
            })
            .collect();
        let result = builder.scalar(operation, &values);
        let seed = builder.real(1.0);
        let mut primal = Literal {
            builder: &mut builder,
            arguments: values,
            result,
        };
        let slope = adjoint(&mut primal, operation, position, seed)?;
        let zero = builder.int(0);
        builder.store(output, zero, slope);
        let mut position = arguments.to_vec();
        position.resize(3, 0.0);
        let weights = Weights::posterior(0);
        let inputs = Inputs {
            position: &position,
            weights: &weights,
            given: &[],
            stream: None,
        };
        Some(interpret(&builder.finish(), inputs).output[0])
    }

    /// A fourth-order central difference of the function in the table.
    fn difference(operation: Operation, arguments: &[f64], position: usize) -> f64 {
        let h = 1e-3;
        let at = |shift: f64| {
            let mut moved = arguments.to_vec();
            moved[position] += shift;
            (operation.entry().evaluate)(&moved)
        };
        (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h)
    }

    /// Points inside the domain and away from kinks.
    fn points(operation: Operation) -> Vec<Vec<f64>> {
        use Operation::*;
        let grid = [-2.3, -0.71, 0.37, 1.9, 4.2];
        match operation {
            ArcSine | ArcCosine => [-0.7, -0.2, 0.5, 0.8].map(|x| vec![x]).to_vec(),
            NormalQuantile => [0.1, 0.3, 0.5, 0.85].map(|x| vec![x]).to_vec(),
            LogOneMinusExp => [-9.0, -1.0, -0.1].map(|x| vec![x]).to_vec(),
            LogOr => vec![vec![-0.1, -0.2], vec![-2.0, -0.3], vec![-9.0, -7.0]],
            SquareRoot | Logarithm | LogOnePlus | LogGamma | Digamma => {
                [0.3, 1.0, 2.0, 7.5].map(|x| vec![x]).to_vec()
            }
            Power => vec![
                vec![0.7, 2.3],
                vec![3.1, -1.2],
                vec![2.0, 0.4],
                vec![1.5, 1.0],
            ],
            LogBeta => vec![
                vec![0.8, 0.5],
                vec![12.0, 2.5],
                vec![30.0, 40.0],
                vec![1.0, 15.0],
            ],
            GammaP | GammaQ => vec![vec![0.8, 0.5], vec![1.0, 2.0], vec![4.5, 3.0]],
            BesselI | LogBesselI | BesselK | LogBesselK | BesselJ | BesselY => {
                vec![
                    vec![0.0, 0.4],
                    vec![1.0, 2.5],
                    vec![7.5, 3.0],
                    vec![30.0, 40.0],
                ]
            }
            BetaIncomplete => vec![
                vec![0.8, 1.7, 0.3],
                vec![1.0, 2.0, 0.6],
                vec![4.0, 1.0, 0.5],
            ],
            Select => vec![vec![0.0, 1.2, -0.4], vec![1.0, 1.2, -0.4]],
            _ => match operation.entry().arguments.len() {
                1 => grid.map(|x| vec![x]).to_vec(),
                _ => grid
                    .iter()
                    .flat_map(|&a| grid.map(|b| vec![a, b + 0.11]))
                    .collect(),
            },
        }
    }

    #[test]
    fn every_rule_agrees_with_differences() {
        use Operation::*;
        for entry in TABLE {
            let operation = entry.operation;
            let real = |position: usize| entry.arguments[position] == Type::Real;
            let skipped = [IntToReal, Hold].contains(&operation) || operation.is_slope();
            if entry.result != Type::Real || skipped {
                continue;
            }
            for (position, point) in (0..entry.arguments.len())
                .flat_map(|i| points(operation).into_iter().map(move |p| (i, p)))
            {
                let undefined = matches!(
                    (operation, position),
                    (
                        BesselI | LogBesselI | BesselK | LogBesselK | BesselJ | BesselY,
                        0
                    )
                );
                let expected = if !real(position) {
                    0.0
                } else {
                    difference(operation, &point, position)
                };
                match rule(operation, &point, position) {
                    Some(found) if undefined => assert!(found.is_nan(), "{operation:?}"),
                    Some(found) => assert!(
                        (found - expected).abs() <= 1e-8 * expected.abs().max(1.0),
                        "{operation:?} at {point:?}, argument {position}: {found} and not {expected}"
                    ),
                    None => assert!(expected.abs() < 1e-12, "{operation:?} at {point:?}"),
                }
            }
        }
    }

    #[test]
    fn edges_give_numbers() {
        assert_eq!(rule(Operation::SquareRoot, &[0.0], 0), Some(0.0));
        assert_eq!(rule(Operation::Absolute, &[0.0], 0), Some(0.0));
        assert_eq!(rule(Operation::Power, &[0.0, 2.5], 0), Some(0.0));
        assert_eq!(rule(Operation::Power, &[0.0, 1.0], 0), Some(1.0));
        assert_eq!(rule(Operation::Power, &[0.0, 0.0], 0), Some(0.0));
        assert_eq!(rule(Operation::Power, &[0.0, 2.5], 1), Some(0.0));
        assert_eq!(rule(Operation::GammaP, &[1.0, 0.0], 1), Some(1.0));
        assert_eq!(rule(Operation::LogOneMinusExp, &[-800.0], 0), Some(0.0));
    }

    /// φ(x) / Φ(x) to 60 digits by its continued fraction, x + 1/(x + 2/(x + …)) at −x.
    #[test]
    fn the_log_normal_cdf_keeps_its_slope_in_the_tail() {
        for (x, expected) in MILLS {
            let found = rule(Operation::LogNormalCdf, &[x], 0).unwrap();
            assert!(
                (found - expected).abs() <= 2e-13 * expected,
                "{x}: {found} and not {expected}"
            );
        }
    }

    #[allow(clippy::excessive_precision)] // as mpmath gave them
    const MILLS: [(f64, f64); 5] = [
        (-5.0, 5.186503967125842),
        (-29.9, 29.933370411296167),
        (-30.1, 30.133149654578453),
        (-40.0, 40.024968847207264),
        (-1000.0, 1000.00099999800001),
    ];
}
