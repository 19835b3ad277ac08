//! What range a scalar can take, from the ranges of loop indices, the values of data and the supports of random
//! variables. It proves indices in range and parameters inside their domain, so that neither needs a test at run time;
//! where it proves nothing, the caller checks the values one by one or keeps the test.

use std::collections::HashMap;
use std::rc::Rc;

use super::loops::{Array, ArrayId, ArrayKind, IndexId, Node, Scalar};
use crate::check::hir::Reducer;
use crate::math::primitive::Operation;

/// All numbers between two ends; a strict end is itself excluded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Whether the lower end is excluded.
    pub above: bool,
    /// Whether the upper end is excluded.
    pub below: bool,
}

impl Interval {
    /// Every number, NaN included.
    pub const ALL: Interval = Interval {
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
        above: false,
        below: false,
    };
    /// Numbers above zero.
    pub const POSITIVE: Interval = Interval {
        low: 0.0,
        high: f64::INFINITY,
        above: true,
        below: false,
    };

    /// Both ends included.
    pub fn closed(low: f64, high: f64) -> Self {
        Interval {
            low,
            high,
            above: false,
            below: false,
        }
    }

    /// Whether all of it is above zero.
    pub fn is_positive(self) -> bool {
        self.low > 0.0 || (self.low == 0.0 && self.above)
    }

    /// Whether none of it is below zero.
    pub fn is_nonnegative(self) -> bool {
        self.low >= 0.0
    }

    pub(super) fn negate(self) -> Self {
        Interval {
            low: -self.high,
            high: -self.low,
            above: self.below,
            below: self.above,
        }
    }

    pub(super) fn add(self, other: Self) -> Self {
        Interval {
            low: self.low + other.low,
            high: self.high + other.high,
            above: self.above || other.above,
            below: self.below || other.below,
        }
        .sane()
    }

    pub(super) fn multiply(self, other: Self) -> Self {
        let is_zero = |interval: Self| interval.low == 0.0 && interval.high == 0.0;
        if is_zero(self) || is_zero(other) {
            return Interval::closed(0.0, 0.0);
        }
        if self.is_nonnegative() && other.is_nonnegative() {
            let product = |a: f64, b: f64| if a == 0.0 || b == 0.0 { 0.0 } else { a * b };
            return Interval {
                low: product(self.low, other.low),
                high: if self.high.is_infinite() || other.high.is_infinite() {
                    f64::INFINITY
                } else {
                    self.high * other.high
                },
                above: self.is_positive() && other.is_positive(),
                below: false,
            };
        }
        if self.high <= 0.0 {
            return self.negate().multiply(other).negate();
        }
        if other.high <= 0.0 {
            return self.multiply(other.negate()).negate();
        }
        let ends = [
            self.low * other.low,
            self.low * other.high,
            self.high * other.low,
            self.high * other.high,
        ];
        if ends.iter().any(|end| end.is_nan()) {
            return Interval::ALL;
        }
        Interval::closed(
            ends.iter().copied().fold(f64::INFINITY, f64::min),
            ends.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        )
    }

    /// The smallest range that holds both.
    pub fn join(self, other: Self) -> Self {
        let (low, above) = match self.low.partial_cmp(&other.low) {
            Some(std::cmp::Ordering::Less) => (self.low, self.above),
            Some(std::cmp::Ordering::Greater) => (other.low, other.above),
            _ => (self.low, self.above && other.above),
        };
        let (high, below) = match self.high.partial_cmp(&other.high) {
            Some(std::cmp::Ordering::Greater) => (self.high, self.below),
            Some(std::cmp::Ordering::Less) => (other.high, other.below),
            _ => (self.high, self.below && other.below),
        };
        Interval {
            low,
            high,
            above,
            below,
        }
    }

    fn sane(self) -> Self {
        if self.low.is_nan() || self.high.is_nan() {
            Interval::ALL
        } else {
            self
        }
    }

    fn monotone(self, f: fn(f64) -> f64) -> Self {
        Interval {
            low: f(self.low),
            high: f(self.high),
            ..self
        }
        .sane()
    }
}

/// What is known of the ranges of names.
#[derive(Debug, Clone, Default)]
pub struct Ranges {
    /// The bounds of each loop index, by its number.
    pub indices: Vec<Option<(Scalar, Scalar)>>,
    /// The range of the elements of an array.
    pub arrays: HashMap<ArrayId, Interval>,
}

impl Ranges {
    /// The range of a scalar.
    pub fn of(&self, arrays: &[Array], scalar: &Scalar) -> Interval {
        Analysis {
            ranges: self,
            arrays,
            known: HashMap::new(),
        }
        .of(scalar)
    }

    /// The range of a loop index.
    pub fn of_index(&self, arrays: &[Array], index: IndexId) -> Interval {
        self.of(arrays, &Scalar::index(index))
    }
}

struct Analysis<'a> {
    ranges: &'a Ranges,
    arrays: &'a [Array],
    known: HashMap<*const Node, Interval>,
}

impl Analysis<'_> {
    fn of(&mut self, scalar: &Scalar) -> Interval {
        let key = Rc::as_ptr(&scalar.0);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        let interval = self.compute(scalar);
        self.known.insert(key, interval);
        interval
    }

    fn compute(&mut self, scalar: &Scalar) -> Interval {
        match &*scalar.0 {
            Node::Real(v) if v.is_nan() => Interval::ALL,
            Node::Real(v) => Interval::closed(*v, *v),
            Node::Int(v) => Interval::closed(*v as f64, *v as f64),
            Node::Bool(v) => Interval::closed(f64::from(*v), f64::from(*v)),
            Node::Index(index) => match self.ranges.indices.get(index.0 as usize) {
                Some(Some((lower, upper))) => {
                    let (lower, upper) = (self.of(lower), self.of(upper));
                    // An empty range is never entered; turned round it would be no interval.
                    Interval::closed(lower.low, upper.high.max(lower.low))
                }
                _ => Interval::ALL,
            },
            Node::Element { array, .. } => self.array(*array),
            Node::Operation {
                operation,
                arguments,
            } => {
                let arguments: Vec<Interval> = arguments.iter().map(|a| self.of(a)).collect();
                operation_range(*operation, &arguments, scalar)
            }
            Node::If {
                then, otherwise, ..
            } => self.of(then).join(self.of(otherwise)),
            Node::Reduce { reducer, body, .. } => {
                let body = self.of(body);
                match reducer {
                    Reducer::Maximum | Reducer::Minimum | Reducer::Mean => body,
                    Reducer::Sum | Reducer::Product if body.is_nonnegative() => Interval {
                        low: 0.0,
                        high: f64::INFINITY,
                        above: false,
                        below: false,
                    },
                    _ => Interval::ALL,
                }
            }
            Node::Draw { .. } => Interval::ALL,
        }
    }

    fn array(&self, array: ArrayId) -> Interval {
        if let Some(interval) = self.ranges.arrays.get(&array) {
            return *interval;
        }
        match &self.arrays[array.0 as usize].kind {
            ArrayKind::Real(data) if !data.is_empty() => data
                .iter()
                .map(|&v| {
                    if v.is_nan() {
                        Interval::ALL
                    } else {
                        Interval::closed(v, v)
                    }
                })
                .reduce(Interval::join)
                .unwrap_or(Interval::ALL),
            ArrayKind::Int(data) if !data.is_empty() => {
                let low = data.iter().copied().min().unwrap_or(0);
                let high = data.iter().copied().max().unwrap_or(0);
                Interval::closed(low as f64, high as f64)
            }
            _ => Interval::ALL,
        }
    }
}

fn operation_range(operation: Operation, a: &[Interval], scalar: &Scalar) -> Interval {
    use Operation::*;
    let nonnegative = Interval {
        low: 0.0,
        high: f64::INFINITY,
        above: false,
        below: false,
    };
    match operation {
        IntToReal => a[0],
        Negate | IntNegate => a[0].negate(),
        Add | IntAdd => a[0].add(a[1]),
        Subtract | IntSubtract => a[0].add(a[1].negate()),
        Multiply | IntMultiply => {
            if let Node::Operation { arguments, .. } = &*scalar.0
                && Rc::ptr_eq(&arguments[0].0, &arguments[1].0)
            {
                return nonnegative;
            }
            a[0].multiply(a[1])
        }
        Divide if a[1].is_positive() => {
            if a[0].is_positive() {
                Interval::POSITIVE
            } else if a[0].is_nonnegative() {
                nonnegative
            } else {
                Interval::ALL
            }
        }
        Exponential => Interval {
            low: 0.0,
            high: f64::INFINITY,
            above: true,
            below: false,
        },
        LogOnePlusExp => Interval::POSITIVE,
        Logistic | NormalCdf => Interval {
            low: 0.0,
            high: 1.0,
            above: true,
            below: true,
        },
        HyperbolicCosine => Interval::closed(1.0, f64::INFINITY),
        Absolute => nonnegative,
        SquareRoot if a[0].is_positive() => Interval::POSITIVE,
        SquareRoot if a[0].is_nonnegative() => nonnegative,
        Power if a[0].is_positive() => Interval::POSITIVE,
        Power if a[0].is_nonnegative() => nonnegative,
        Power if even_exponent(scalar) => nonnegative,
        Logarithm if a[0].is_positive() => a[0].monotone(likelier_runtime::math::special::log),
        LogOnePlus if a[0].is_positive() => Interval::POSITIVE,
        Floor => a[0].monotone(f64::floor),
        Ceiling => a[0].monotone(f64::ceil),
        Minimum | IntMinimum => Interval {
            low: a[0].low.min(a[1].low),
            high: a[0].high.min(a[1].high),
            above: a[0].above && a[1].above,
            below: false,
        },
        Maximum | IntMaximum => Interval {
            low: a[0].low.max(a[1].low),
            high: a[0].high.max(a[1].high),
            above: a[0].is_positive() && a[0].low == a[0].low.max(a[1].low) && a[0].above,
            below: false,
        },
        Select | IntSelect => a[1].join(a[2]),
        IntRemainder if a[1].low >= 1.0 => Interval::closed(0.0, a[1].high - 1.0),
        IntDivide if a[1].low >= 1.0 && a[1].low == a[1].high => Interval::closed(
            (a[0].low / a[1].low).floor(),
            (a[0].high / a[1].low).floor(),
        ),
        Less | LessEqual | Equal | And | Or | Not | IntLess | IntLessEqual | IntEqual => {
            Interval::closed(0.0, 1.0)
        }
        _ => Interval::ALL,
    }
}

fn even_exponent(scalar: &Scalar) -> bool {
    match &*scalar.0 {
        Node::Operation { arguments, .. } => arguments[1]
            .as_number()
            .is_some_and(|exponent| exponent % 2.0 == 0.0),
        _ => false,
    }
}
