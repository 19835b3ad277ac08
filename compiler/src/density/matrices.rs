//! Bijections for correlation and covariance matrices and their lower Cholesky factors.
//!
//! *Factors of correlations*: row i is a point of the upper half sphere. With coordinates u below the diagonal,
//! L_ij = tanh(u_ij) Π_{k<j} sech(u_ik) and L_ii = Π_{k<i} sech(u_ik): tanh(u_ij) is the partial correlation of i and j
//! given the variables before j (Lewandowski, Kurowicka & Joe 2009). The product is kept as the sum of logarithms, since
//! 1 − ΣL² would lose all digits near ±1; the inverse sums the squares from the diagonal back for the same reason, and is
//! u_ij = arsinh(L_ij / √Σ_{k>j} L_ik²). dL_ij/du_ij = sech²(u_ij) Π_{k<j} sech(u_ik), so the log Jacobian of row i
//! (from 1) is Σ_k (i − k + 1) log sech(u_ik).
//!
//! *Factors of covariances*: u below the diagonal as it is, L_ii = exp(u_ii); the log Jacobian is Σ u_ii.
//!
//! *Matrices* are L Lᵀ. From L below the diagonal to a correlation below its own: Π L_ii^{K−i}; from L to a covariance, both
//! with their diagonals: 2ᴷ Π L_ii^{K−i+1}.

use super::lower::Lowerer;
use super::unconstrain::Stretch;
use crate::math::graph::{BufferId, BufferKind, Region, Value};
use crate::math::primitive::Dense;
use crate::math::primitive::Operation::*;

impl Lowerer<'_> {
    /// A factor of a correlation matrix from coordinates.
    pub(super) fn constrain_correlation_factor(&mut self, stretch: Stretch, size: usize) {
        self.correlation_rows(stretch, stretch, size, None);
    }

    /// A correlation matrix from coordinates.
    pub(super) fn constrain_correlation(&mut self, stretch: Stretch, size: usize) {
        let (factor, transposed) = (
            self.copy_of(stretch, "factor"),
            self.copy_of(stretch, "transposed factor"),
        );
        self.correlation_rows(stretch, factor, size, Some(transposed));
        self.symmetric(stretch, factor, transposed, size, true);
    }

    /// A factor of a covariance matrix from coordinates.
    pub(super) fn constrain_covariance_factor(&mut self, stretch: Stretch, size: usize) {
        self.covariance_rows(stretch, stretch, size, None);
    }

    /// A covariance matrix from coordinates.
    pub(super) fn constrain_covariance(&mut self, stretch: Stretch, size: usize) {
        let (factor, transposed) = (
            self.copy_of(stretch, "factor"),
            self.copy_of(stretch, "transposed factor"),
        );
        self.covariance_rows(stretch, factor, size, Some(transposed));
        let twos = self.builder.real(size as f64 * std::f64::consts::LN_2);
        self.jacobian(twos, stretch.statement);
        self.symmetric(stretch, factor, transposed, size, false);
    }

    /// Coordinates of a factor of a correlation matrix.
    pub(super) fn free_correlation_factor(&mut self, stretch: Stretch, size: usize) {
        if size < 2 {
            return;
        }
        let zero = self.builder.int(0);
        let squares = self.builder.register("squares");
        let (one, last) = (self.builder.int(1), self.builder.int(size as i64 - 1));
        let i = self.builder.begin_loop(one, last, size - 1, false);
        let at = self.row(i, size);
        let diagonal = self.op(IntAdd, &[at, i]);
        let x = self.element_at(stretch, diagonal);
        let square = self.op(Multiply, &[x, x]);
        self.builder.store(squares, zero, square);
        let before = self.plus(i, -1);
        let k = self.builder.begin_loop(zero, before, size - 1, true);
        let element = self.op(IntAdd, &[at, k]);
        let x = self.element_at(stretch, element);
        let rest = self.builder.load(squares, zero);
        let length = self.op(SquareRoot, &[rest]);
        let ratio = self.op(Divide, &[x, length]);
        let u = self.arsinh(ratio);
        let u = self.tamed(u);
        let own = self.strictly_below(i, k);
        self.set_coordinate(stretch, own, u);
        let square = self.op(Multiply, &[x, x]);
        let sum = self.op(Add, &[rest, square]);
        self.builder.store(squares, zero, sum);
        self.builder.end();
        self.builder.end();
    }

    /// Coordinates of a correlation matrix.
    pub(super) fn free_correlation(&mut self, stretch: Stretch, size: usize) {
        let factor = self.factorised(stretch, size);
        self.free_correlation_factor(factor, size);
    }

    /// Coordinates of a factor of a covariance matrix.
    pub(super) fn free_covariance_factor(&mut self, stretch: Stretch, size: usize) {
        if size == 0 {
            return;
        }
        let i = self.builder.begin_count(size);
        let at = self.row(i, size);
        let zero = self.builder.int(0);
        let before = self.plus(i, -1);
        let k = self.builder.begin_loop(zero, before, size, false);
        let element = self.op(IntAdd, &[at, k]);
        let u = self.element_at(stretch, element);
        let u = self.tamed(u);
        let own = self.below(i, k);
        self.set_coordinate(stretch, own, u);
        self.builder.end();
        let diagonal = self.op(IntAdd, &[at, i]);
        let x = self.element_at(stretch, diagonal);
        let u = self.log_gap(x);
        let u = self.tamed(u);
        let own = self.below(i, i);
        self.set_coordinate(stretch, own, u);
        self.builder.end();
    }

    /// Coordinates of a covariance matrix.
    pub(super) fn free_covariance(&mut self, stretch: Stretch, size: usize) {
        let factor = self.factorised(stretch, size);
        self.free_covariance_factor(factor, size);
    }

    /// The rows of the factor of a correlation matrix, and its transpose if the matrix itself is wanted. Each coordinate is
    /// weighed in the log Jacobian by the number of elements that it shortens.
    fn correlation_rows(
        &mut self,
        stretch: Stretch,
        factor: Stretch,
        size: usize,
        transposed: Option<Stretch>,
    ) {
        if size == 0 {
            return;
        }
        let zero = self.builder.int(0);
        let left = self.builder.register("log of what is left");
        self.pin_both(factor, transposed);
        let i = self.builder.begin_count(size);
        self.scopes.push(Default::default());
        let at = self.row(i, size);
        let nothing = self.builder.real(0.0);
        self.builder.store(left, zero, nothing);
        let before = self.plus(i, -1);
        let k = self.builder.begin_loop(zero, before, size, false);
        self.scopes.push(Default::default());
        let own = self.strictly_below(i, k);
        let u = self.coordinate(stretch, own);
        let so_far = self.builder.load(left, zero);
        let (part, rest) = (
            self.op(HyperbolicTangent, &[u]),
            self.op(Exponential, &[so_far]),
        );
        let x = self.op(Multiply, &[part, rest]);
        self.set_both(factor, transposed, (i, at), k, size, x);
        let shrink = self.log_sech(u);
        let next = self.op(Add, &[so_far, shrink]);
        self.builder.store(left, zero, next);
        let count = if transposed.is_some() {
            let size = self.builder.int(size as i64);
            self.op(IntSubtract, &[size, k])
        } else {
            let difference = self.op(IntSubtract, &[i, k]);
            self.plus(difference, 1)
        };
        let count = self.op(IntToReal, &[count]);
        let jacobian = self.op(Multiply, &[count, shrink]);
        self.jacobian(jacobian, stretch.statement);
        self.scopes.pop();
        self.builder.end();
        let rest = self.builder.load(left, zero);
        let x = self.op(Exponential, &[rest]);
        self.set_both(factor, transposed, (i, at), i, size, x);
        self.zeros_above(factor, transposed, i, at, size);
        self.scopes.pop();
        self.builder.end();
    }

    /// The rows of the factor of a covariance matrix, as [`Self::correlation_rows`].
    fn covariance_rows(
        &mut self,
        stretch: Stretch,
        factor: Stretch,
        size: usize,
        transposed: Option<Stretch>,
    ) {
        if size == 0 {
            return;
        }
        let zero = self.builder.int(0);
        let i = self.builder.begin_count(size);
        self.scopes.push(Default::default());
        let at = self.row(i, size);
        let before = self.plus(i, -1);
        let k = self.builder.begin_loop(zero, before, size, false);
        self.scopes.push(Default::default());
        let own = self.below(i, k);
        let u = self.coordinate(stretch, own);
        self.set_both(factor, transposed, (i, at), k, size, u);
        self.scopes.pop();
        self.builder.end();
        let own = self.below(i, i);
        let u = self.coordinate(stretch, own);
        let x = self.op(Exponential, &[u]);
        self.set_both(factor, transposed, (i, at), i, size, x);
        self.zeros_above(factor, transposed, i, at, size);
        let jacobian = if transposed.is_some() {
            let last = self.builder.int(size as i64 + 1);
            let count = self.op(IntSubtract, &[last, i]);
            let count = self.op(IntToReal, &[count]);
            self.op(Multiply, &[count, u])
        } else {
            u
        };
        self.jacobian(jacobian, stretch.statement);
        self.scopes.pop();
        self.builder.end();
    }

    /// L Lᵀ, the same above and below the diagonal to the last bit; the diagonal of a correlation matrix is one.
    fn symmetric(
        &mut self,
        stretch: Stretch,
        factor: Stretch,
        transposed: Stretch,
        size: usize,
        is_correlation: bool,
    ) {
        if size == 0 {
            return;
        }
        let product = self.copy_of(stretch, "product");
        let region = |stretch: Stretch| Region {
            buffer: stretch.buffer,
            offset: stretch.first,
            length: stretch.size,
        };
        self.builder.dense(
            Dense::Product {
                rows: size,
                inner: size,
                columns: size,
            },
            vec![region(factor), region(transposed)],
            vec![region(product)],
        );
        let zero = self.builder.int(0);
        let i = self.builder.begin_count(size);
        self.scopes.push(Default::default());
        let at = self.row(i, size);
        let before = self.plus(i, -1);
        let k = self.builder.begin_loop(zero, before, size, false);
        self.scopes.push(Default::default());
        let below = self.op(IntAdd, &[at, k]);
        let x = self.element_at(product, below);
        self.set_both(stretch, Some(stretch), (i, at), k, size, x);
        self.scopes.pop();
        self.builder.end();
        let diagonal = self.op(IntAdd, &[at, i]);
        let x = if is_correlation {
            self.builder.real(1.0)
        } else {
            self.element_at(product, diagonal)
        };
        self.set_element(stretch, diagonal, x);
        self.scopes.pop();
        self.builder.end();
    }

    /// Element (i, k) of a matrix, and (k, i) of another.
    fn set_both(
        &mut self,
        matrix: Stretch,
        transposed: Option<Stretch>,
        (i, at): (Value, Value),
        k: Value,
        size: usize,
        value: Value,
    ) {
        let own = self.op(IntAdd, &[at, k]);
        self.set_element(matrix, own, value);
        if let Some(transposed) = transposed {
            let across = self.row(k, size);
            let across = self.op(IntAdd, &[across, i]);
            self.set_element(transposed, across, value);
        }
    }

    fn zeros_above(
        &mut self,
        factor: Stretch,
        transposed: Option<Stretch>,
        i: Value,
        at: Value,
        size: usize,
    ) {
        let (next, last) = (self.plus(i, 1), self.builder.int(size as i64 - 1));
        let k = self.builder.begin_loop(next, last, size, false);
        let nothing = self.builder.real(0.0);
        self.set_both(factor, transposed, (i, at), k, size, nothing);
        self.builder.end();
    }

    fn pin_both(&mut self, factor: Stretch, transposed: Option<Stretch>) {
        self.builder.pin(factor.buffer);
        if let Some(transposed) = transposed {
            self.builder.pin(transposed.buffer);
        }
    }

    /// A local array as long as the variable, and the place in it of the stretch.
    fn copy_of(&mut self, stretch: Stretch, name: &str) -> Stretch {
        let total = self.loops.array(stretch.array).length();
        let buffer: BufferId = self.builder.buffer(name, total, BufferKind::Local);
        Stretch {
            buffer,
            first: self.vector_start(stretch),
            ..stretch
        }
    }

    /// The Cholesky factor of given elements; not a number where there is none.
    fn factorised(&mut self, stretch: Stretch, size: usize) -> Stretch {
        let factor = self.copy_of(stretch, "factor");
        if size > 0 {
            let region = |stretch: Stretch| Region {
                buffer: stretch.buffer,
                offset: stretch.first,
                length: stretch.size,
            };
            self.builder.dense(
                Dense::Cholesky { size },
                vec![region(stretch)],
                vec![region(factor)],
            );
        }
        factor
    }

    /// Where row i of a matrix begins.
    fn row(&mut self, i: Value, size: usize) -> Value {
        self.times(i, size)
    }

    /// The position of (i, k) among the elements strictly below the diagonal, row by row: i (i − 1) / 2 + k.
    fn strictly_below(&mut self, i: Value, k: Value) -> Value {
        let before = self.plus(i, -1);
        self.triangle(i, before, k)
    }

    /// The position of (i, k) among the elements on and below the diagonal, row by row: i (i + 1) / 2 + k.
    fn below(&mut self, i: Value, k: Value) -> Value {
        let after = self.plus(i, 1);
        self.triangle(i, after, k)
    }

    fn triangle(&mut self, i: Value, neighbour: Value, k: Value) -> Value {
        let twice = self.op(IntMultiply, &[i, neighbour]);
        let two = self.builder.int(2);
        let start = self.op(IntDivide, &[twice, two]);
        self.op(IntAdd, &[start, k])
    }

    /// log sech(u) = log 2 − u − log(1 + e^{−2u})
    fn log_sech(&mut self, u: Value) -> Value {
        let (minus_two, log_two) = (
            self.builder.real(-2.0),
            self.builder.real(std::f64::consts::LN_2),
        );
        let twice = self.op(Multiply, &[minus_two, u]);
        let soft = self.op(LogOnePlusExp, &[twice]);
        let sum = self.op(Add, &[u, soft]);
        self.op(Subtract, &[log_two, sum])
    }

    /// arsinh(t) with the sign of t: log(1 + |t| + t²/(1 + √(1 + t²))), its last term written so that no square overflows.
    fn arsinh(&mut self, t: Value) -> Value {
        let one = self.builder.real(1.0);
        let size = self.op(Absolute, &[t]);
        let inverse = self.op(Divide, &[one, size]);
        let square = self.op(Multiply, &[inverse, inverse]);
        let sum = self.op(Add, &[one, square]);
        let root = self.op(SquareRoot, &[sum]);
        let divisor = self.op(Add, &[inverse, root]);
        let bend = self.op(Divide, &[size, divisor]);
        let total = self.op(Add, &[size, bend]);
        let value = self.op(LogOnePlus, &[total]);
        let zero = self.builder.real(0.0);
        let is_negative = self.op(Less, &[t, zero]);
        let minus = self.op(Negate, &[value]);
        self.op(Select, &[is_negative, minus, value])
    }
}
