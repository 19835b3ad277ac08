//! Bijections for vectors whose elements depend on one another.
//!
//! *Vectors that sum to zero*: x = V u with V the Helmert basis, whose columns are orthonormal, so distances are kept and the
//! log Jacobian is 0. *Simplexes*: the isometric log-ratio transform (Egozcue et al. 2003), x = softmax(V u); it treats
//! all elements alike, where stick breaking shrinks the last ones, and its log Jacobian with respect to x₁ … x_{K−1} is
//! Σ log xₖ + ½ log K. *Unit vectors*: x = u / r with r = |u|. The radius is an extra coordinate, because no smooth
//! map of a plane covers a sphere without a point of trouble; it is given the law it has when u is standard normal,
//! chi with K degrees of freedom, whose density is normalised. So volumes in u are areas on the sphere times
//! probabilities: log Jacobian = log chi_K(r) − (K − 1) log r = −½ r² − (K/2 − 1) log 2 − log Γ(K/2), and evidence stays
//! what it is.

use likelier_runtime::math::special::lgamma;

use super::lower::Lowerer;
use super::unconstrain::Stretch;
use crate::math::graph::{BufferId, BufferKind, Value};
use crate::math::primitive::Operation::*;

impl Lowerer<'_> {
    /// z = V u, from the last element down, with the sum of what is still to come in a register.
    fn helmert_product(&mut self, stretch: Stretch, z: Stretch) {
        let size = stretch.size;
        let scales = self.helmert(size);
        let zero = self.builder.int(0);
        let tail = self.builder.register("tail");
        let nothing = self.builder.real(0.0);
        self.builder.store(tail, zero, nothing);
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
            self.set_element(z, k, value);
            let next = self.op(Add, &[sum, weight]);
            self.builder.store(tail, zero, next);
            self.scopes.pop();
            self.builder.end();
        }
        let sum = self.builder.load(tail, zero);
        self.set_element(z, zero, sum);
    }

    /// u = Vᵀ z, from the first element up, with the sum of what has passed in a register; z of each element by `value`.
    fn helmert_transposed(&mut self, stretch: Stretch, value: fn(&mut Self, Value) -> Value) {
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
        let (z, own) = (value(self, x), value(self, own));
        let so_far = self.builder.load(head, zero);
        let sum = self.op(Add, &[so_far, z]);
        self.builder.store(head, zero, sum);
        let factor = self.op(IntToReal, &[k]);
        let product = self.op(Multiply, &[factor, own]);
        let difference = self.op(Subtract, &[sum, product]);
        let scale = self.builder.load(scales, k);
        let u = self.op(Multiply, &[difference, scale]);
        let u = self.tamed(u);
        self.set_coordinate(stretch, before, u);
        self.builder.end();
    }

    /// Elements that sum to zero from coordinates.
    pub(super) fn constrain_sum_to_zero(&mut self, stretch: Stretch) {
        if stretch.size > 0 {
            self.helmert_product(stretch, stretch);
        }
    }

    /// Coordinates of elements that sum to zero.
    pub(super) fn free_sum_to_zero(&mut self, stretch: Stretch) {
        self.helmert_transposed(stretch, |_, x| x);
    }

    /// Elements of a simplex from coordinates: the softmax of V u.
    pub(super) fn constrain_simplex(&mut self, stretch: Stretch) {
        let size = stretch.size;
        if size == 0 {
            return;
        }
        let total = self.loops.array(stretch.array).length();
        let z = self.builder.buffer("log ratios", total, BufferKind::Local);
        let logs = Stretch {
            buffer: z,
            first: self.vector_start(stretch),
            ..stretch
        };
        self.builder.pin(z);
        self.helmert_product(stretch, logs);
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

    /// Coordinates of a simplex: u = Vᵀ log x.
    pub(super) fn free_simplex(&mut self, stretch: Stretch) {
        self.helmert_transposed(stretch, |lowerer, x| lowerer.log_gap(x));
    }

    /// A unit vector from its direction and radius.
    pub(super) fn constrain_unit_vector(&mut self, stretch: Stretch) {
        let size = stretch.size;
        if size == 0 {
            return;
        }
        let zero = self.builder.int(0);
        let squares = self.builder.register("squares");
        let nothing = self.builder.real(0.0);
        self.builder.store(squares, zero, nothing);
        let k = self.builder.begin_count(size);
        let u = self.coordinate(stretch, k);
        let square = self.op(Multiply, &[u, u]);
        let so_far = self.builder.load(squares, zero);
        let sum = self.op(Add, &[so_far, square]);
        self.builder.store(squares, zero, sum);
        self.builder.end();
        let square = self.builder.load(squares, zero);
        let radius = self.op(SquareRoot, &[square]);
        let k = self.builder.begin_count(size);
        let u = self.coordinate(stretch, k);
        let x = self.op(Divide, &[u, radius]);
        self.set_element(stretch, k, x);
        self.builder.end();
        let half = 0.5 * size as f64;
        let constant = self
            .builder
            .real((1.0 - half) * std::f64::consts::LN_2 - lgamma(half));
        let factor = self.builder.real(-0.5);
        let chi = self.op(Multiply, &[factor, square]);
        let jacobian = self.op(Add, &[constant, chi]);
        self.jacobian(jacobian, stretch.statement);
    }

    /// Coordinates of a unit vector. Any radius gives them; that of most of the mass, about √K, is also where a chain
    /// would be.
    pub(super) fn free_unit_vector(&mut self, stretch: Stretch) {
        if stretch.size == 0 {
            return;
        }
        let radius = self.builder.real((stretch.size as f64).sqrt());
        let k = self.builder.begin_count(stretch.size);
        let x = self.element_at(stretch, k);
        let u = self.op(Multiply, &[radius, x]);
        let u = self.tamed(u);
        self.set_coordinate(stretch, k, u);
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

    /// The first element of the vector in a buffer of the array's own length.
    pub(super) fn vector_start(&mut self, stretch: Stretch) -> Value {
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
}
