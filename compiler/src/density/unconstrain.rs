//! Bijections between the real line and supports, one for each kind of support, with the log of the absolute Jacobian
//! determinant. Intervals: x = a + eᵘ, b − eᵘ, a + (b − a) logistic(u). Increasing vectors: each element an interval above
//! the one before it. Simplexes: the isometric log-ratio transform (Egozcue et al. 2003), x = softmax(V u) with V the
//! Helmert basis of the vectors that sum to zero; it treats all elements alike, where stick breaking shrinks the last ones,
//! and its log Jacobian with respect to x₁ … x_{K−1} is Σ log xₖ + ½ log K.

use super::lower::{Lowerer, Mode};
use crate::data::loops::{ArrayId, Scalar, Support};
use crate::math::graph::{BufferId, BufferKind, Part, Value};
use crate::math::primitive::Operation::{self, *};

/// Whether values and coordinates are the same.
pub(super) fn is_identity(support: &Support) -> bool {
    match support {
        Support::Interval { lower, upper, .. } => {
            is_open(lower, f64::NEG_INFINITY) && is_open(upper, f64::INFINITY)
        }
        Support::Vector(_) => true,
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
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) lower: Option<Value>,
    pub(super) upper: Option<Value>,
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
    fn op(&mut self, operation: Operation, arguments: &[Value]) -> Value {
        self.builder.scalar(operation, arguments)
    }

    /// The value of a coordinate and its log Jacobian.
    pub(super) fn constrain(&mut self, u: Value, bounds: Bounds) -> (Value, Option<Value>) {
        match (bounds.lower, bounds.upper) {
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

    /// The coordinate of a value; not finite outside the bounds, except for a start, which must have one.
    pub(super) fn free(&mut self, x: Value, bounds: Bounds) -> Value {
        let u = match (bounds.lower, bounds.upper) {
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
    fn log_gap(&mut self, gap: Value) -> Value {
        if self.mode != Mode::Start {
            return self.op(Logarithm, &[gap]);
        }
        let least = self.builder.real(LEAST_GAP);
        let gap = self.op(Maximum, &[gap, least]);
        self.op(Logarithm, &[gap])
    }

    /// A draw on the very edge of its support gets a coordinate far out.
    fn tamed(&mut self, u: Value) -> Value {
        if self.mode != Mode::Start {
            return u;
        }
        let (low, high) = (self.builder.real(-700.0), self.builder.real(700.0));
        let above = self.op(Maximum, &[u, low]);
        self.op(Minimum, &[above, high])
    }

    fn jacobian(&mut self, value: Value, statement: u32) {
        if self.mode == Mode::Density {
            self.builder.add_part(Part::Jacobian, value, statement);
        }
    }

    fn coordinate(&mut self, stretch: Stretch, k: Value) -> Value {
        let index = self.op(IntAdd, &[stretch.coordinate, k]);
        let position = self
            .position
            .expect("graphs that transform have a position");
        self.builder.load(position, index)
    }

    fn element_at(&mut self, stretch: Stretch, k: Value) -> Value {
        let index = self.op(IntAdd, &[stretch.first, k]);
        self.builder.load(stretch.buffer, index)
    }

    fn set_element(&mut self, stretch: Stretch, k: Value, value: Value) {
        let index = self.op(IntAdd, &[stretch.first, k]);
        self.builder.store(stretch.buffer, index, value);
    }

    fn set_coordinate(&mut self, stretch: Stretch, k: Value, value: Value) {
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
        let neighbour = self.element_at(stretch, before);
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

    /// 1 / √(j (j + 1)) for j = 0, 1, …: the scales of the Helmert basis.
    fn helmert(&mut self, size: usize) -> BufferId {
        let scales: Vec<f64> = (0..size)
            .map(|j| {
                if j == 0 {
                    0.0
                } else {
                    1.0 / ((j * (j + 1)) as f64).sqrt()
                }
            })
            .collect();
        self.builder
            .buffer("helmert", size, BufferKind::RealData(scales.into()))
    }

    /// Elements of a simplex from coordinates: z = V u from the last element down, with the sum of what is still to come in
    /// a register, then the softmax.
    pub(super) fn constrain_simplex(&mut self, stretch: Stretch) {
        let size = stretch.size;
        if size == 0 {
            return;
        }
        let scales = self.helmert(size);
        let zero = self.builder.int(0);
        let total = self.loops.array(stretch.array).length();
        let z = self.builder.buffer("log ratios", total, BufferKind::Local);
        let logs = Stretch {
            buffer: z,
            first: self.vector_start(stretch),
            ..stretch
        };
        let tail = self.builder.register("tail");
        let nothing = self.builder.real(0.0);
        self.builder.store(tail, zero, nothing);
        self.builder.pin(z);
        if size > 1 {
            let (one, last) = (self.builder.int(1), self.builder.int(size as i64 - 1));
            let k = self.builder.begin_loop(one, last, size - 1, true);
            self.scopes.push(Default::default());
            let before = self.plus(k, -1);
            let u = self.coordinate(stretch, before);
            let scale = self.builder.load(scales, k);
            let weight = self.op(Multiply, &[u, scale]);
            let sum = self.builder.load(tail, zero);
            let factor = self.op(IntToReal, &[k]);
            let own = self.op(Multiply, &[factor, weight]);
            let value = self.op(Subtract, &[sum, own]);
            self.set_element(logs, k, value);
            let next = self.op(Add, &[sum, weight]);
            self.builder.store(tail, zero, next);
            self.scopes.pop();
            self.builder.end();
        }
        let sum = self.builder.load(tail, zero);
        self.set_element(logs, zero, sum);
        let normaliser = self.log_normaliser(logs, size);
        let k = self.builder.begin_count(size);
        let value = self.element_at(logs, k);
        let log = self.op(Subtract, &[value, normaliser]);
        let x = self.op(Exponential, &[log]);
        self.set_element(stretch, k, x);
        self.builder.end();
        // Σ z = 0, so Σ log x = −K log Σ eᶻ.
        let count = self.builder.real(-(size as f64));
        let logs = self.op(Multiply, &[count, normaliser]);
        let constant = self.builder.real(0.5 * (size as f64).ln());
        let jacobian = self.op(Add, &[logs, constant]);
        if size > 1 {
            self.jacobian(jacobian, stretch.statement);
        }
    }

    /// The first element of the vector in a buffer of the array's own length.
    fn vector_start(&mut self, stretch: Stretch) -> Value {
        let (_, offset) = self.buffer(stretch.array);
        self.plus(stretch.first, -(offset as i64))
    }

    fn log_normaliser(&mut self, logs: Stretch, size: usize) -> Value {
        let zero = self.builder.int(0);
        let largest = self.builder.register("largest");
        let lowest = self.builder.real(f64::NEG_INFINITY);
        self.builder.store(largest, zero, lowest);
        let k = self.builder.begin_count(size);
        let value = self.element_at(logs, k);
        let so_far = self.builder.load(largest, zero);
        let next = self.op(Maximum, &[so_far, value]);
        self.builder.store(largest, zero, next);
        self.builder.end();
        let most = self.builder.load(largest, zero);
        let sum = self.builder.register("sum");
        let nothing = self.builder.real(0.0);
        self.builder.store(sum, zero, nothing);
        let k = self.builder.begin_count(size);
        let value = self.element_at(logs, k);
        let below = self.op(Subtract, &[value, most]);
        let term = self.op(Exponential, &[below]);
        let so_far = self.builder.load(sum, zero);
        let next = self.op(Add, &[so_far, term]);
        self.builder.store(sum, zero, next);
        self.builder.end();
        let total = self.builder.load(sum, zero);
        let log = self.op(Logarithm, &[total]);
        self.op(Add, &[most, log])
    }

    /// Coordinates of a simplex: u = Vᵀ log x.
    pub(super) fn free_simplex(&mut self, stretch: Stretch) {
        if stretch.size < 2 {
            return;
        }
        let scales = self.helmert(stretch.size);
        let zero = self.builder.int(0);
        let head = self.builder.register("head");
        let nothing = self.builder.real(0.0);
        self.builder.store(head, zero, nothing);
        let (one, last) = (
            self.builder.int(1),
            self.builder.int(stretch.size as i64 - 1),
        );
        let k = self.builder.begin_loop(one, last, stretch.size - 1, false);
        let before = self.plus(k, -1);
        let (x, own) = (
            self.element_at(stretch, before),
            self.element_at(stretch, k),
        );
        let (log_x, log_own) = (self.log_gap(x), self.log_gap(own));
        let so_far = self.builder.load(head, zero);
        let sum = self.op(Add, &[so_far, log_x]);
        self.builder.store(head, zero, sum);
        let factor = self.op(IntToReal, &[k]);
        let product = self.op(Multiply, &[factor, log_own]);
        let difference = self.op(Subtract, &[sum, product]);
        let scale = self.builder.load(scales, k);
        let u = self.op(Multiply, &[difference, scale]);
        let u = self.tamed(u);
        self.set_coordinate(stretch, before, u);
        self.builder.end();
    }
}
