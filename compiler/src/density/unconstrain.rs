//! Bijections between the real line and supports, one for each kind of support, with the log of the absolute Jacobian
//! determinant. Intervals: x = a + eᵘ, b − eᵘ, a + (b − a) logistic(u). Increasing vectors: each element an interval above
//! the one before it. A bound that may turn out to be infinite when the program runs (data with −∞ among the lower bounds)
//! chooses between the cases with and without it. Other vectors and matrices are in `vectors` and `matrices`.

use super::lower::{Lowerer, Mode};
use crate::data::loops::{ArrayId, Scalar, Support};
use crate::math::graph::{BufferId, Part, Value};
use crate::math::primitive::Operation::{self, *};

/// Whether values and coordinates are the same.
pub(super) fn is_identity(support: &Support) -> bool {
    match support {
        Support::Interval { lower, upper, .. } => {
            is_open(lower, f64::NEG_INFINITY) && is_open(upper, f64::INFINITY)
        }
        Support::Array { lower, upper, .. } => {
            is_open(lower, f64::NEG_INFINITY) && is_open(upper, f64::INFINITY)
        }
        _ => false,
    }
}

/// Whether there is no bound, or one at infinity.
fn is_open(bound: &Option<Scalar>, infinity: f64) -> bool {
    bound
        .as_ref()
        .is_none_or(|bound| bound.as_number() == Some(infinity))
}

/// About exp(−700).
const LEAST_GAP: f64 = 1e-304;

/// Bounds as values; `None` is unbounded.
#[derive(Clone, Copy, Default)]
pub(super) struct Bounds {
    pub(super) lower: Option<Bound>,
    pub(super) upper: Option<Bound>,
}

/// One bound.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    /// Where it is.
    pub(super) value: Value,
    /// Whether there is one at all: false when the program finds it to be infinite. `None` if it certainly is one.
    pub(super) is_one: Option<Value>,
}

impl Bound {
    /// A bound that is certainly one.
    pub(super) fn at(value: Value) -> Self {
        Bound {
            value,
            is_one: None,
        }
    }
}

fn value(bound: Bound) -> Value {
    bound.value
}

/// Bounds that hold when a condition does.
struct Case {
    when: Value,
    bounds: Bounds,
}

/// A vector of a random variable: where its elements and its coordinates begin.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    /// The array.
    pub(super) array: ArrayId,
    /// Its number of elements.
    pub(super) size: usize,
    /// The buffer that holds the elements.
    pub(super) buffer: BufferId,
    /// The first element there.
    pub(super) first: Value,
    /// The first coordinate.
    pub(super) coordinate: Value,
    /// The statement, for messages.
    pub(super) statement: u32,
}

impl Lowerer<'_> {
    pub(super) fn op(&mut self, operation: Operation, arguments: &[Value]) -> Value {
        self.builder.scalar(operation, arguments)
    }

    /// The value of a coordinate and its log Jacobian.
    pub(super) fn constrain(&mut self, u: Value, bounds: Bounds) -> (Value, Option<Value>) {
        if let Some((with, without)) = self.split(bounds) {
            let zero = self.builder.real(0.0);
            let (x, jacobian) = {
                let u = self.op(Select, &[with.when, u, zero]);
                self.constrain(u, with.bounds)
            };
            let (other, other_jacobian) = {
                let u = self.op(Select, &[with.when, zero, u]);
                self.constrain(u, without)
            };
            let x = self.op(Select, &[with.when, x, other]);
            let (a, b) = (jacobian.unwrap_or(zero), other_jacobian.unwrap_or(zero));
            return (x, Some(self.op(Select, &[with.when, a, b])));
        }
        match (bounds.lower.map(value), bounds.upper.map(value)) {
            (None, None) => (u, None),
            (Some(lower), None) => {
                let e = self.op(Exponential, &[u]);
                (self.op(Add, &[lower, e]), Some(u))
            }
            (None, Some(upper)) => {
                let e = self.op(Exponential, &[u]);
                (self.op(Subtract, &[upper, e]), Some(u))
            }
            (Some(lower), Some(upper)) => {
                let width = self.op(Subtract, &[upper, lower]);
                let part = self.op(Logistic, &[u]);
                let inside = self.op(Multiply, &[width, part]);
                let x = self.op(Add, &[lower, inside]);
                let log_width = self.op(Logarithm, &[width]);
                // log p (1 − p) = −softplus(u) − softplus(−u) = −u − 2 softplus(−u)
                let minus = self.op(Negate, &[u]);
                let soft = self.op(LogOnePlusExp, &[minus]);
                let two = self.builder.real(2.0);
                let twice = self.op(Multiply, &[two, soft]);
                let rest = self.op(Add, &[u, twice]);
                (x, Some(self.op(Subtract, &[log_width, rest])))
            }
        }
    }

    /// The two cases of a bound that may be infinite. The derivatives of both are computed, so each case gets numbers with
    /// which nothing overflows when it is not the one.
    fn split(&mut self, bounds: Bounds) -> Option<(Case, Bounds)> {
        let (zero, one) = (self.builder.real(0.0), self.builder.real(1.0));
        let instead = |lowerer: &mut Self, bound: Bound, when: Value, other: Value| Bound {
            value: lowerer.op(Select, &[when, bound.value, other]),
            ..bound
        };
        if let Some(bound) = bounds.lower
            && let Some(when) = bound.is_one
        {
            let lower = Bound::at(self.op(Select, &[when, bound.value, zero]));
            let upper = bounds.upper.map(|upper| instead(self, upper, when, one));
            let inside = Bounds {
                lower: Some(lower),
                upper,
            };
            let without = Bounds {
                lower: None,
                ..bounds
            };
            return Some((
                Case {
                    when,
                    bounds: inside,
                },
                without,
            ));
        }
        let bound = bounds.upper?;
        let when = bound.is_one?;
        let upper = Bound::at(self.op(Select, &[when, bound.value, one]));
        let lower = bounds.lower.map(|lower| instead(self, lower, when, zero));
        let inside = Bounds {
            lower,
            upper: Some(upper),
        };
        let without = Bounds {
            upper: None,
            ..bounds
        };
        Some((
            Case {
                when,
                bounds: inside,
            },
            without,
        ))
    }

    /// The coordinate of a value; not finite outside the bounds, except for a start, which must have one.
    pub(super) fn free(&mut self, x: Value, bounds: Bounds) -> Value {
        if let Some((with, without)) = self.split(bounds) {
            let (a, b) = (self.free(x, with.bounds), self.free(x, without));
            return self.op(Select, &[with.when, a, b]);
        }
        let u = match (bounds.lower.map(value), bounds.upper.map(value)) {
            (None, None) => return x,
            (Some(lower), None) => {
                let above = self.op(Subtract, &[x, lower]);
                self.log_gap(above)
            }
            (None, Some(upper)) => {
                let below = self.op(Subtract, &[upper, x]);
                self.log_gap(below)
            }
            (Some(lower), Some(upper)) => {
                let above = self.op(Subtract, &[x, lower]);
                let below = self.op(Subtract, &[upper, x]);
                let (a, b) = (self.log_gap(above), self.log_gap(below));
                self.op(Subtract, &[a, b])
            }
        };
        self.tamed(u)
    }

    /// The logarithm of what should be positive. In a start it is finite where rounding has left nothing or less.
    pub(super) fn log_gap(&mut self, gap: Value) -> Value {
        if self.mode != Mode::Start {
            return self.op(Logarithm, &[gap]);
        }
        let least = self.builder.real(LEAST_GAP);
        let gap = self.op(Maximum, &[gap, least]);
        self.op(Logarithm, &[gap])
    }

    /// A draw on the very edge of its support gets a coordinate far out.
    pub(super) fn tamed(&mut self, u: Value) -> Value {
        if self.mode != Mode::Start {
            return u;
        }
        let (low, high) = (self.builder.real(-700.0), self.builder.real(700.0));
        let above = self.op(Maximum, &[u, low]);
        let within = self.op(Minimum, &[above, high]);
        // Not a number is what rounding may make of the factor of a matrix that is all but singular.
        let is_number = self.op(Equal, &[within, within]);
        let zero = self.builder.real(0.0);
        self.op(Select, &[is_number, within, zero])
    }

    pub(super) fn jacobian(&mut self, value: Value, statement: u32) {
        if self.mode == Mode::Density {
            self.builder.add_part(Part::Jacobian, value, statement);
        }
    }

    pub(super) fn coordinate(&mut self, stretch: Stretch, k: Value) -> Value {
        let index = self.op(IntAdd, &[stretch.coordinate, k]);
        let position = self
            .position
            .expect("graphs that transform have a position");
        self.builder.load(position, index)
    }

    pub(super) fn element_at(&mut self, stretch: Stretch, k: Value) -> Value {
        let index = self.op(IntAdd, &[stretch.first, k]);
        self.builder.load(stretch.buffer, index)
    }

    pub(super) fn set_element(&mut self, stretch: Stretch, k: Value, value: Value) {
        let index = self.op(IntAdd, &[stretch.first, k]);
        self.builder.store(stretch.buffer, index, value);
    }

    pub(super) fn set_coordinate(&mut self, stretch: Stretch, k: Value, value: Value) {
        let index = self.op(IntAdd, &[stretch.coordinate, k]);
        let output = self.output.expect("graphs that invert have an output");
        self.builder.store(output, index, value);
    }

    /// For each k after the first, in rising order, or falling if the vector hangs from an upper bound alone.
    fn chain(
        &mut self,
        stretch: Stretch,
        bounds: Bounds,
        body: &mut dyn FnMut(&mut Self, Value, Option<Value>),
    ) {
        let falls = bounds.lower.is_none() && bounds.upper.is_some();
        if stretch.size == 0 {
            return;
        }
        let first = self
            .builder
            .int(if falls { stretch.size as i64 - 1 } else { 0 });
        body(self, first, None);
        if stretch.size == 1 {
            return;
        }
        self.builder.pin(stretch.buffer);
        let (low, high) = if falls {
            (0, stretch.size as i64 - 2)
        } else {
            (1, stretch.size as i64 - 1)
        };
        let (lower, upper) = (self.builder.int(low), self.builder.int(high));
        let k = self
            .builder
            .begin_loop(lower, upper, stretch.size - 1, falls);
        self.scopes.push(Default::default());
        let before = self.plus(k, if falls { 1 } else { -1 });
        body(self, k, Some(before));
        self.scopes.pop();
        self.builder.end();
    }

    /// Increasing elements from coordinates.
    pub(super) fn constrain_ordered(&mut self, stretch: Stretch, bounds: Bounds) {
        self.chain(stretch, bounds, &mut |lowerer, k, before| {
            let u = lowerer.coordinate(stretch, k);
            let bounds = lowerer.link(stretch, bounds, before);
            let (x, jacobian) = lowerer.constrain(u, bounds);
            lowerer.set_element(stretch, k, x);
            if let Some(jacobian) = jacobian {
                lowerer.jacobian(jacobian, stretch.statement);
            }
        });
    }

    /// The interval of an element given its neighbour.
    fn link(&mut self, stretch: Stretch, bounds: Bounds, before: Option<Value>) -> Bounds {
        let Some(before) = before else { return bounds };
        let neighbour = Bound::at(self.element_at(stretch, before));
        if bounds.lower.is_none() && bounds.upper.is_some() {
            Bounds {
                lower: None,
                upper: Some(neighbour),
            }
        } else {
            Bounds {
                lower: Some(neighbour),
                upper: bounds.upper,
            }
        }
    }

    /// Coordinates from increasing elements.
    pub(super) fn free_ordered(&mut self, stretch: Stretch, bounds: Bounds) {
        self.chain(stretch, bounds, &mut |lowerer, k, before| {
            let x = lowerer.element_at(stretch, k);
            let bounds = lowerer.link(stretch, bounds, before);
            let u = lowerer.free(x, bounds);
            lowerer.set_coordinate(stretch, k, u);
        });
    }

    /// Sorts drawn elements: exchanges of neighbours, as many passes as elements.
    pub(super) fn sort(&mut self, stretch: Stretch) {
        if stretch.size < 2 {
            return;
        }
        self.builder.begin_count(stretch.size);
        let k = self.builder.begin_count(stretch.size - 1);
        let next = self.plus(k, 1);
        let (a, b) = (self.element_at(stretch, k), self.element_at(stretch, next));
        let (low, high) = (self.op(Minimum, &[a, b]), self.op(Maximum, &[a, b]));
        self.set_element(stretch, k, low);
        self.set_element(stretch, next, high);
        self.builder.end();
        self.builder.end();
    }
}
