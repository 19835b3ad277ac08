//! The table of primitives: what cannot be written in the language. Scalar operations bring their name in the language,
//! types, documentation and the function that computes them; derivatives are in `derivative.rs`, next to this table,
//! because they are written with the graph builder.

use likelier_runtime::math::stack::StackReq;
use likelier_runtime::math::{decompositions, special};

use super::graph::Type;

/// A pure scalar operation on reals, ints and bools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the table below documents them
pub enum Operation {
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Minimum,
    Maximum,
    Absolute,
    Floor,
    Ceiling,
    Round,
    SquareRoot,
    Exponential,
    ExponentialMinusOne,
    Logarithm,
    LogOnePlus,
    LogOnePlusExp,
    LogOneMinusExp,
    LogOr,
    Logistic,
    Sine,
    Cosine,
    Tangent,
    ArcSine,
    ArcCosine,
    ArcTangent,
    HyperbolicTangent,
    HyperbolicSine,
    HyperbolicCosine,
    LogGamma,
    LogBeta,
    Digamma,
    Trigamma,
    ErrorFunction,
    ComplementaryErrorFunction,
    NormalCdf,
    LogNormalCdf,
    NormalQuantile,
    GammaP,
    GammaQ,
    BetaIncomplete,
    GammaShapeSlope,
    BetaFirstSlope,
    BetaSecondSlope,
    BesselI,
    BesselISlope,
    LogBesselI,
    LogBesselISlope,
    BesselK,
    BesselKSlope,
    LogBesselK,
    LogBesselKSlope,
    BesselJ,
    BesselJSlope,
    BesselY,
    BesselYSlope,
    OwensT,
    Less,
    LessEqual,
    Equal,
    And,
    Or,
    Not,
    Select,
    IntNegate,
    IntAdd,
    IntSubtract,
    IntMultiply,
    IntDivide,
    IntRemainder,
    IntMinimum,
    IntMaximum,
    IntLess,
    IntLessEqual,
    IntEqual,
    IntSelect,
    IntToReal,
    Hold,
    RealToInt,
}

/// One row of the table.
pub struct Entry {
    /// Which operation.
    pub operation: Operation,
    /// How the language and printed forms call it.
    pub name: &'static str,
    /// Whether a program may call it by that name (operators and internal helpers are not called).
    pub callable: bool,
    /// Types of the arguments.
    pub arguments: &'static [Type],
    /// Type of the result.
    pub result: Type,
    /// The function; ints and bools travel as exact reals (true is 1).
    pub evaluate: fn(&[f64]) -> f64,
    /// One sentence for `likelier doc`.
    pub doc: &'static str,
}

const R1: &[Type] = &[Type::Real];
const R2: &[Type] = &[Type::Real; 2];
const R3: &[Type] = &[Type::Real; 3];
const I1: &[Type] = &[Type::Int];
const I2: &[Type] = &[Type::Int; 2];
const B1: &[Type] = &[Type::Bool];
const B2: &[Type] = &[Type::Bool; 2];
const BRR: &[Type] = &[Type::Bool, Type::Real, Type::Real];
const BII: &[Type] = &[Type::Bool, Type::Int, Type::Int];

macro_rules! table {
    ($($operation:ident $name:literal $callable:literal $arguments:ident -> $result:ident, $evaluate:expr, $doc:literal;)*) => {
        /// Every scalar operation, in the order of [`Operation`].
        pub static TABLE: &[Entry] = &[$(Entry {
            operation: Operation::$operation, name: $name, callable: $callable, arguments: $arguments,
            result: Type::$result, evaluate: $evaluate, doc: $doc,
        },)*];
    };
}

fn truth(condition: bool) -> f64 {
    if condition { 1.0 } else { 0.0 }
}

table! {
    Negate "neg" false R1 -> Real, |a| -a[0], "-a";
    Add "add" false R2 -> Real, |a| a[0] + a[1], "a + b";
    Subtract "sub" false R2 -> Real, |a| a[0] - a[1], "a - b";
    Multiply "mul" false R2 -> Real, |a| a[0] * a[1], "a b";
    Divide "div" false R2 -> Real, |a| a[0] / a[1], "a / b";
    Power "pow" true R2 -> Real, |a| special::pow(a[0], a[1]), "a to the power b; NaN for a negative base and a fractional power.";
    Minimum "fmin" true R2 -> Real, |a| if a[0].is_nan() || a[0] < a[1] { a[0] } else { a[1] }, "The smaller of two reals.";
    Maximum "fmax" true R2 -> Real, |a| if a[0].is_nan() || a[0] > a[1] { a[0] } else { a[1] }, "The larger of two reals.";
    Absolute "abs" true R1 -> Real, |a| a[0].abs(), "The absolute value; its derivative at 0 is taken as 0.";
    Floor "floor" true R1 -> Real, |a| a[0].floor(), "The largest whole number not above x; its derivative is 0.";
    Ceiling "ceil" true R1 -> Real, |a| a[0].ceil(), "The smallest whole number not below x; its derivative is 0.";
    Round "round" true R1 -> Real, |a| a[0].round_ties_even(), "The nearest whole number, ties to even; its derivative is 0.";
    SquareRoot "sqrt" true R1 -> Real, |a| a[0].sqrt(), "The square root; NaN below 0.";
    Exponential "exp" true R1 -> Real, |a| special::exp(a[0]), "e to the power x.";
    ExponentialMinusOne "expm1" true R1 -> Real, |a| special::expm1(a[0]), "exp(x) - 1, accurate near 0.";
    Logarithm "log" true R1 -> Real, |a| special::log(a[0]), "The natural logarithm; -inf at 0, NaN below.";
    LogOnePlus "log1p" true R1 -> Real, |a| special::log1p(a[0]), "log(1 + x), accurate near 0.";
    LogOnePlusExp "log1p_exp" true R1 -> Real, |a| special::log1p_exp(a[0]), "log(1 + exp(x)), the softplus, without overflow.";
    LogOneMinusExp "log1m_exp" true R1 -> Real, |a| special::log1m_exp(a[0]), "log(1 - exp(x)) for x < 0, accurate near 0 and far below.";
    LogOr "log_or" false R2 -> Real, |a| special::log_or(a[0], a[1]), "log(1 - (1 - exp(a)) (1 - exp(b))) for a, b <= 0.";
    Logistic "logistic" true R1 -> Real, |a| special::logistic(a[0]), "1 / (1 + exp(-x)), the inverse of the logit.";
    Sine "sin" true R1 -> Real, |a| special::sin(a[0]), "The sine of an angle in radians.";
    Cosine "cos" true R1 -> Real, |a| special::cos(a[0]), "The cosine of an angle in radians.";
    Tangent "tan" true R1 -> Real, |a| special::tan(a[0]), "The tangent of an angle in radians.";
    ArcSine "asin" true R1 -> Real, |a| special::asin(a[0]), "The angle whose sine is x.";
    ArcCosine "acos" true R1 -> Real, |a| special::acos(a[0]), "The angle whose cosine is x.";
    ArcTangent "atan" true R1 -> Real, |a| special::atan(a[0]), "The angle whose tangent is x.";
    HyperbolicTangent "tanh" true R1 -> Real, |a| special::tanh(a[0]), "The hyperbolic tangent.";
    HyperbolicSine "sinh" true R1 -> Real, |a| special::sinh(a[0]), "The hyperbolic sine.";
    HyperbolicCosine "cosh" true R1 -> Real, |a| special::cosh(a[0]), "The hyperbolic cosine.";
    LogGamma "lgamma" true R1 -> Real, |a| special::lgamma(a[0]), "The logarithm of the absolute value of the gamma function.";
    LogBeta "log_beta" false R2 -> Real, |a| special::log_beta(a[0], a[1]), "log of the beta function.";
    Digamma "digamma" true R1 -> Real, |a| special::digamma(a[0]), "The derivative of lgamma.";
    Trigamma "trigamma" true R1 -> Real, |a| special::trigamma(a[0]), "The derivative of digamma; it has no derivative here.";
    ErrorFunction "erf" true R1 -> Real, |a| special::erf(a[0]), "The error function.";
    ComplementaryErrorFunction "erfc" true R1 -> Real, |a| special::erfc(a[0]), "1 - erf(x), accurate far out.";
    NormalCdf "normal_cdf" true R1 -> Real, |a| special::normal_cdf(a[0]), "P(Z <= x) for a standard normal Z.";
    LogNormalCdf "log_normal_cdf" true R1 -> Real, |a| special::log_normal_cdf(a[0]), "log P(Z <= x) for a standard normal Z, accurate in the far tail.";
    NormalQuantile "normal_quantile" true R1 -> Real, |a| special::normal_quantile(a[0]), "The inverse of normal_cdf.";
    GammaP "gamma_p" true R2 -> Real, |a| special::gamma_p(a[0], a[1]), "The regularised lower incomplete gamma function P(a, x).";
    GammaQ "gamma_q" true R2 -> Real, |a| special::gamma_q(a[0], a[1]), "1 - gamma_p(a, x), accurate far out.";
    BetaIncomplete "beta_inc" true R3 -> Real, |a| special::beta_inc(a[0], a[1], a[2]), "The regularised incomplete beta function I_x(a, b), arguments (a, b, x).";
    GammaShapeSlope "gamma_p_shape_slope" false R2 -> Real, |a| special::gamma_p_shape_slope(a[0], a[1]), "d/da gamma_p(a, x)";
    BetaFirstSlope "beta_inc_a_slope" false R3 -> Real, |a| special::beta_inc_a_slope(a[0], a[1], a[2]), "d/da beta_inc(a, b, x)";
    BetaSecondSlope "beta_inc_b_slope" false R3 -> Real, |a| special::beta_inc_b_slope(a[0], a[1], a[2]), "d/db beta_inc(a, b, x)";
    BesselI "bessel_i" true R2 -> Real, |a| special::bessel_i(a[0], a[1]), "The modified Bessel function of the first kind I_v(x), arguments (v, x), for order v >= 0; negative x needs a whole order. Differentiable in x.";
    BesselISlope "bessel_i_slope" false R2 -> Real, |a| special::bessel_i_slope(a[0], a[1]), "d/dx bessel_i(v, x)";
    LogBesselI "log_bessel_i" true R2 -> Real, |a| special::log_bessel_i(a[0], a[1]), "log I_v(x) for v >= 0 and x >= 0, arguments (v, x), without overflow; absolute accuracy where I_v(x) is near 1. Differentiable in x.";
    LogBesselISlope "log_bessel_i_slope" false R2 -> Real, |a| special::log_bessel_i_slope(a[0], a[1]), "d/dx log_bessel_i(v, x)";
    BesselK "bessel_k" true R2 -> Real, |a| special::bessel_k(a[0], a[1]), "The modified Bessel function of the second kind K_v(x) for x > 0, arguments (v, x). Differentiable in x.";
    BesselKSlope "bessel_k_slope" false R2 -> Real, |a| special::bessel_k_slope(a[0], a[1]), "d/dx bessel_k(v, x)";
    LogBesselK "log_bessel_k" true R2 -> Real, |a| special::log_bessel_k(a[0], a[1]), "log K_v(x) for x > 0, arguments (v, x), without overflow; absolute accuracy where K_v(x) is near 1. Differentiable in x.";
    LogBesselKSlope "log_bessel_k_slope" false R2 -> Real, |a| special::log_bessel_k_slope(a[0], a[1]), "d/dx log_bessel_k(v, x)";
    BesselJ "bessel_j" true R2 -> Real, |a| special::bessel_j(a[0], a[1]), "The Bessel function of the first kind J_v(x), arguments (v, x), for order 0 <= v <= 10^6; negative x needs a whole order. Accurate relative to its amplitude. Differentiable in x.";
    BesselJSlope "bessel_j_slope" false R2 -> Real, |a| special::bessel_j_slope(a[0], a[1]), "d/dx bessel_j(v, x)";
    BesselY "bessel_y" true R2 -> Real, |a| special::bessel_y(a[0], a[1]), "The Bessel function of the second kind Y_v(x), arguments (v, x), for order 0 <= v <= 10^6 and x > 0. Accurate relative to its amplitude. Differentiable in x.";
    BesselYSlope "bessel_y_slope" false R2 -> Real, |a| special::bessel_y_slope(a[0], a[1]), "d/dx bessel_y(v, x)";
    OwensT "owens_t" true R2 -> Real, |a| special::owens_t(a[0], a[1]), "Owen's T(h, a): the probability of X > h and 0 < Y < a X for independent standard normal X and Y.";
    Less "lt" false R2 -> Bool, |a| truth(a[0] < a[1]), "a < b";
    LessEqual "le" false R2 -> Bool, |a| truth(a[0] <= a[1]), "a <= b";
    Equal "eq" false R2 -> Bool, |a| truth(a[0] == a[1]), "a == b";
    And "and" false B2 -> Bool, |a| truth(a[0] != 0.0 && a[1] != 0.0), "a and b";
    Or "or" false B2 -> Bool, |a| truth(a[0] != 0.0 || a[1] != 0.0), "a or b";
    Not "not" false B1 -> Bool, |a| truth(a[0] == 0.0), "not a";
    Select "select" false BRR -> Real, |a| if a[0] != 0.0 { a[1] } else { a[2] }, "a if c, else b";
    IntNegate "ineg" false I1 -> Int, |a| -a[0], "-i";
    IntAdd "iadd" false I2 -> Int, |a| a[0] + a[1], "i + j";
    IntSubtract "isub" false I2 -> Int, |a| a[0] - a[1], "i - j";
    IntMultiply "imul" false I2 -> Int, |a| a[0] * a[1], "i j";
    IntDivide "div" true I2 -> Int, |a| if a[1] == 0.0 { 0.0 } else { (a[0] / a[1]).floor() }, "Whole division, rounded down.";
    IntRemainder "mod" true I2 -> Int, |a| if a[1] == 0.0 { 0.0 } else { a[0] - a[1] * (a[0] / a[1]).floor() }, "The remainder of whole division, with the sign of the divisor.";
    IntMinimum "imin" true I2 -> Int, |a| a[0].min(a[1]), "The smaller of two ints.";
    IntMaximum "imax" true I2 -> Int, |a| a[0].max(a[1]), "The larger of two ints.";
    IntLess "ilt" false I2 -> Bool, |a| truth(a[0] < a[1]), "i < j";
    IntLessEqual "ile" false I2 -> Bool, |a| truth(a[0] <= a[1]), "i <= j";
    IntEqual "ieq" false I2 -> Bool, |a| truth(a[0] == a[1]), "i == j";
    IntSelect "iselect" false BII -> Int, |a| if a[0] != 0.0 { a[1] } else { a[2] }, "i if c, else j";
    IntToReal "real" false I1 -> Real, |a| a[0], "An int as a real.";
    Hold "hold" false R1 -> Real, |a| a[0], "x, taken as a constant by the derivative: for shifts that cancel in exact arithmetic.";
    RealToInt "whole" false R1 -> Int, |a| if a[0].is_nan() { 0.0 } else { a[0].trunc() }, "A whole real as an int; 0 for NaN.";
}

impl Operation {
    /// Its row of the table.
    pub fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }

    /// The operation that programs call by this name.
    pub fn by_name(name: &str) -> Option<Operation> {
        TABLE
            .iter()
            .find(|entry| entry.callable && entry.name == name)
            .map(|entry| entry.operation)
    }

    /// Whether it is a derivative of another operation that has no derivative itself.
    pub fn is_slope(self) -> bool {
        use Operation::*;
        matches!(
            self,
            Trigamma
                | GammaShapeSlope
                | BetaFirstSlope
                | BetaSecondSlope
                | BesselISlope
                | LogBesselISlope
                | BesselKSlope
                | LogBesselKSlope
                | BesselJSlope
                | BesselYSlope
        )
    }

    /// Whether a call costs about as much as a division or less: such operations are recomputed, not kept.
    pub fn is_cheap(self) -> bool {
        use Operation::*;
        matches!(
            self,
            Negate
                | Add
                | Subtract
                | Multiply
                | Divide
                | Minimum
                | Maximum
                | Absolute
                | Floor
                | Ceiling
                | Round
                | SquareRoot
        ) || self as usize >= Less as usize
    }
}

/// Dense algebra on row-major stretches of buffers. Sizes are known numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // sizes are explained by the matrices they belong to
pub enum Dense {
    /// inputs A (rows × inner), B (inner × columns); output A B (rows × columns), stored. Vectors are columns = 1.
    Product {
        rows: usize,
        inner: usize,
        columns: usize,
    },
    /// The same product, added to the output.
    AddProduct {
        rows: usize,
        inner: usize,
        columns: usize,
    },
    /// inputs A (inner × rows), B (inner × columns); adds Aᵀ B to the output (rows × columns).
    AddTransposedProduct {
        rows: usize,
        inner: usize,
        columns: usize,
    },
    /// inputs A (rows × inner), B (columns × inner); adds A Bᵀ to the output (rows × columns).
    AddProductTransposed {
        rows: usize,
        inner: usize,
        columns: usize,
    },
    /// input symmetric positive definite A (size × size; the lower triangle is read); output L with L Lᵀ = A, zeros above.
    /// Not positive definite: L is filled with NaN, so that the log density becomes −inf.
    Cholesky { size: usize },
    /// inputs L and its adjoint; adds the adjoint of A to the output, symmetric halves on both triangles.
    AddCholeskyAdjoint { size: usize },
    /// inputs L (size × size, lower), B (size × columns); output L⁻¹ B.
    SolveLower { size: usize, columns: usize },
    /// inputs L (size × size, lower), B (size × columns); output L⁻ᵀ B.
    SolveLowerTransposed { size: usize, columns: usize },
    /// inputs S (size × columns), X (size × columns); subtracts the lower triangle of S Xᵀ from the output (size × size).
    SubtractLowerOuter { size: usize, columns: usize },
    /// inputs residual r (size), covariance K (size × size): outputs one number, the log density of r under
    /// normal(0, K) with all constants, then (kept for the adjoint) K⁻¹ r (size), then K⁻¹ (size × size).
    /// Not positive definite: −inf and zeros.
    MultiNormal { size: usize },
    /// inputs the one adjoint of the log density, K⁻¹ r, K⁻¹; adds the adjoint of r (first output) and of K (second).
    AddMultiNormalAdjoint { size: usize },
    /// inputs A (size × size), B (size × columns); output A⁻¹ B, or NaN throughout.
    Solve { size: usize, columns: usize },
    /// inputs A, X = A⁻¹ B and the adjoint of X; adds the adjoints of A and of B.
    AddSolveAdjoint { size: usize, columns: usize },
    /// input A; outputs log |det A|, the sign of the determinant (0 if singular), A⁻¹ (kept for the adjoint).
    Determinant { size: usize },
    /// inputs the adjoint of log |det A|, A⁻¹; adds the adjoint of A.
    AddDeterminantAdjoint { size: usize },
    /// input symmetric A (the lower triangle is read); outputs its eigenvalues in increasing order, and its eigenvectors as
    /// columns.
    EigenSymmetric { size: usize },
    /// inputs eigenvalues, eigenvectors, the adjoints of both; adds the adjoint of A, symmetric halves on both triangles.
    AddEigenSymmetricAdjoint { size: usize },
    /// input A (rows × columns, rows ≥ columns); outputs Q (rows × columns), R (columns × columns, positive diagonal).
    Qr { rows: usize, columns: usize },
    /// inputs Q, R, the adjoints of both; adds the adjoint of A.
    AddQrAdjoint { rows: usize, columns: usize },
    /// input a vector; outputs it in increasing order, and the place (from 0) each number came from.
    Sort { size: usize },
    /// inputs the places, the adjoint of the sorted numbers; adds the adjoint of the vector.
    AddSortAdjoint { size: usize },
    /// inputs the first point (t₀, y₀, p) and the times; outputs the solution of an equation of the graph at these times
    /// (times × states), and one number under which the adjoint finds the trajectory. NaN where there is no solution.
    Ode(Ode),
    /// inputs those of `Ode`, its outputs and the adjoint of the solution; adds the adjoint of the first point (first
    /// output), and of the times if there is a second output.
    AddOdeAdjoint { ode: Ode, with_times: bool },
}

/// A differential equation to be solved, with its sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ode {
    /// A number of [`Graph::equations`](super::graph::Graph::equations).
    pub equation: u32,
    /// Length of y.
    pub states: usize,
    /// Length of a point (t, y, p).
    pub point: usize,
    /// Number of times.
    pub times: usize,
}

impl Dense {
    /// The working memory of a decomposition.
    pub fn decomposition_scratch(self) -> StackReq {
        match self {
            Dense::Solve { size, columns } => decompositions::solve_scratch(size, columns),
            Dense::AddSolveAdjoint { size, columns } => {
                decompositions::solve_adjoint_scratch(size, columns)
            }
            Dense::Determinant { size } => decompositions::determinant_scratch(size),
            Dense::EigenSymmetric { size } => decompositions::eigen_symmetric_scratch(size),
            Dense::AddEigenSymmetricAdjoint { size } => {
                decompositions::eigen_symmetric_adjoint_scratch(size)
            }
            Dense::Qr { rows, columns } => decompositions::qr_scratch(rows, columns),
            Dense::AddQrAdjoint { rows, columns } => {
                decompositions::qr_adjoint_scratch(rows, columns)
            }
            _ => StackReq::EMPTY,
        }
    }

    /// The lengths of its inputs and outputs.
    pub fn lengths(self) -> (Vec<usize>, Vec<usize>) {
        match self {
            Dense::Product {
                rows,
                inner,
                columns,
            }
            | Dense::AddProduct {
                rows,
                inner,
                columns,
            }
            | Dense::AddTransposedProduct {
                rows,
                inner,
                columns,
            }
            | Dense::AddProductTransposed {
                rows,
                inner,
                columns,
            } => (vec![rows * inner, inner * columns], vec![rows * columns]),
            Dense::Cholesky { size } => (vec![size * size], vec![size * size]),
            Dense::AddCholeskyAdjoint { size } => (vec![size * size; 2], vec![size * size]),
            Dense::SolveLower { size, columns } | Dense::SolveLowerTransposed { size, columns } => {
                (vec![size * size, size * columns], vec![size * columns])
            }
            Dense::SubtractLowerOuter { size, columns } => {
                (vec![size * columns; 2], vec![size * size])
            }
            Dense::MultiNormal { size } => (vec![size, size * size], vec![1, size, size * size]),
            Dense::AddMultiNormalAdjoint { size } => {
                (vec![1, size, size * size], vec![size, size * size])
            }
            Dense::Solve { size, columns } => {
                (vec![size * size, size * columns], vec![size * columns])
            }
            Dense::AddSolveAdjoint { size, columns } => (
                vec![size * size, size * columns, size * columns],
                vec![size * size, size * columns],
            ),
            Dense::Determinant { size } => (vec![size * size], vec![1, 1, size * size]),
            Dense::AddDeterminantAdjoint { size } => (vec![1, size * size], vec![size * size]),
            Dense::EigenSymmetric { size } => (vec![size * size], vec![size, size * size]),
            Dense::AddEigenSymmetricAdjoint { size } => (
                vec![size, size * size, size, size * size],
                vec![size * size],
            ),
            Dense::Qr { rows, columns } => (
                vec![rows * columns],
                vec![rows * columns, columns * columns],
            ),
            Dense::AddQrAdjoint { rows, columns } => {
                let pair = [rows * columns, columns * columns];
                ([pair, pair].concat(), vec![rows * columns])
            }
            Dense::Sort { size } => (vec![size], vec![size; 2]),
            Dense::AddSortAdjoint { size } => (vec![size; 2], vec![size]),
            Dense::Ode(ode) => (vec![ode.point, ode.times], vec![ode.times * ode.states, 1]),
            Dense::AddOdeAdjoint { ode, with_times } => {
                let solution = ode.times * ode.states;
                let mut outputs = vec![ode.point];
                outputs.extend(with_times.then_some(ode.times));
                (vec![ode.point, ode.times, solution, 1, solution], outputs)
            }
        }
    }

    /// Its name in printed forms.
    pub fn name(self) -> &'static str {
        use Dense::*;
        match self {
            Product { .. } => "product",
            AddProduct { .. } => "add_product",
            AddTransposedProduct { .. } => "add_transposed_product",
            AddProductTransposed { .. } => "add_product_transposed",
            Cholesky { .. } => "cholesky",
            AddCholeskyAdjoint { .. } => "add_cholesky_adjoint",
            SolveLower { .. } => "solve_lower",
            SolveLowerTransposed { .. } => "solve_lower_transposed",
            SubtractLowerOuter { .. } => "subtract_lower_outer",
            MultiNormal { .. } => "multi_normal",
            AddMultiNormalAdjoint { .. } => "add_multi_normal_adjoint",
            Solve { .. } => "solve",
            AddSolveAdjoint { .. } => "add_solve_adjoint",
            Determinant { .. } => "determinant",
            AddDeterminantAdjoint { .. } => "add_determinant_adjoint",
            EigenSymmetric { .. } => "eigen_symmetric",
            AddEigenSymmetricAdjoint { .. } => "add_eigen_symmetric_adjoint",
            Qr { .. } => "qr",
            AddQrAdjoint { .. } => "add_qr_adjoint",
            Sort { .. } => "sort",
            AddSortAdjoint { .. } => "add_sort_adjoint",
            Ode(_) => "ode",
            AddOdeAdjoint { .. } => "add_ode_adjoint",
        }
    }

    /// Whether it adds to its outputs (and so reads them), rather than storing them.
    pub fn accumulates(self) -> bool {
        use Dense::*;
        matches!(
            self,
            AddProduct { .. }
                | AddTransposedProduct { .. }
                | AddProductTransposed { .. }
                | AddCholeskyAdjoint { .. }
                | SubtractLowerOuter { .. }
                | AddMultiNormalAdjoint { .. }
                | AddSolveAdjoint { .. }
                | AddDeterminantAdjoint { .. }
                | AddEigenSymmetricAdjoint { .. }
                | AddQrAdjoint { .. }
                | AddSortAdjoint { .. }
                | AddOdeAdjoint { .. }
        )
    }
}

/// The elementary laws random numbers come from; everything else is written in the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Draw {
    /// On (0, 1).
    Uniform,
    /// Mean 0, standard deviation 1.
    Normal,
    /// Rate 1.
    Exponential,
    /// Given shape, rate 1.
    Gamma,
    /// Given rate; a whole number as a real.
    Poisson,
    /// Given number of trials and probability; a whole number as a real.
    Binomial,
}

/// The draws by their names in `sample()` members, with the number of their parameters.
pub static DRAWS: &[(&str, Draw, usize, &str)] = &[
    (
        "random_uniform",
        Draw::Uniform,
        0,
        "A random number, uniform on (0, 1).",
    ),
    (
        "random_normal",
        Draw::Normal,
        0,
        "A standard normal random number.",
    ),
    (
        "random_exponential",
        Draw::Exponential,
        0,
        "A random number, exponential with rate 1.",
    ),
    (
        "random_gamma",
        Draw::Gamma,
        1,
        "A random number, gamma with the given shape and rate 1.",
    ),
    (
        "random_poisson",
        Draw::Poisson,
        1,
        "A random count, Poisson with the given rate.",
    ),
    (
        "random_binomial",
        Draw::Binomial,
        2,
        "A random count, binomial with the given trials and probability.",
    ),
];
