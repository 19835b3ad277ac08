//! Systems of equations, determinants, eigenvalues and orthogonal factors, by faer (one thread), and sorting, each with its
//! adjoint, on row-major slices of the caller, with further storage from the caller's stack. What has no solution is filled
//! with NaN, which makes a log density −∞. Signs that a decomposition leaves open are fixed, since a result that may flip
//! its sign has no derivative.

use faer::diag::DiagMut;
use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::linalg::householder;
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::qr::no_pivoting::factor as householder_qr;
use faer::linalg::triangular_solve::solve_upper_triangular_in_place;
use faer::{Accum, Conj, MatMut, MatRef, Par};

use super::large::{
    add_product, add_product_transposed, add_transposed_product, mirror_lower, product,
};
use super::lu;
use super::stack::{self, MemStack, StackReq};

/// What [`solve`] takes from its stack.
pub fn solve_scratch(size: usize, columns: usize) -> StackReq {
    StackReq::all_of(&[
        stack::numbers(size * size),
        StackReq::new::<usize>(2 * size),
        lu::scratch(size, columns),
    ])
}

/// X in place of B: A⁻¹ B, B of size × columns.
pub fn solve((size, columns): (usize, usize), a: &[f64], x: &mut [f64], stack: &mut MemStack) {
    let (mut factors, stack) = stack.make_aligned_with(size * size, 64, |i| a[i]);
    let (mut places, stack) = stack.make_with(2 * size, |_| 0);
    if lu::factor(size, &mut factors, &mut places, stack).is_some() {
        lu::solve((size, columns), &factors, &places, x, stack);
    } else {
        x.fill(f64::NAN);
    }
}

/// What [`add_solve_adjoint`] takes from its stack.
pub fn solve_adjoint_scratch(size: usize, columns: usize) -> StackReq {
    stack::numbers(size * columns).and(solve_scratch(size, columns))
}

/// Adds the adjoints of A and B when `x_adjoint` reaches X = A⁻¹ B: B̄ += G, Ā −= G Xᵀ with G = A⁻ᵀ X̄.
pub fn add_solve_adjoint(
    (size, columns): (usize, usize),
    (a, x, x_adjoint): (&[f64], &[f64], &[f64]),
    a_adjoint: &mut [f64],
    b_adjoint: &mut [f64],
    stack: &mut MemStack,
) {
    let (mut solved, stack) = stack.make_aligned_with(size * columns, 64, |i| x_adjoint[i]);
    let (mut factors, stack) = stack.make_aligned_with(size * size, 64, |i| a[i]);
    let (mut places, stack) = stack.make_with(2 * size, |_| 0);
    if lu::factor(size, &mut factors, &mut places, stack).is_some() {
        lu::solve_transposed((size, columns), &factors, &places, &mut solved, stack);
    } else {
        solved.fill(f64::NAN);
    }
    for (sum, share) in b_adjoint.iter_mut().zip(solved.iter()) {
        *sum += share;
    }
    matmul(
        MatMut::from_row_major_slice_mut(a_adjoint, size, size),
        Accum::Add,
        MatRef::from_row_major_slice(&solved, size, columns),
        MatRef::from_row_major_slice(x, size, columns).transpose(),
        -1.0,
        Par::Seq,
    );
}

/// What [`determinant`] takes from its stack.
pub fn determinant_scratch(size: usize) -> StackReq {
    solve_scratch(size, size)
}

/// log |det A|, the sign of the determinant (0 if singular), and A⁻¹ for the adjoint.
pub fn determinant(
    size: usize,
    a: &[f64],
    inverse: &mut [f64],
    stack: &mut MemStack,
) -> (f64, f64) {
    let (mut factors, stack) = stack.make_aligned_with(size * size, 64, |i| a[i]);
    let (mut places, stack) = stack.make_with(2 * size, |_| 0);
    let Some(sign) = lu::factor(size, &mut factors, &mut places, stack) else {
        inverse.fill(f64::NAN);
        return if a.iter().all(|x| x.is_finite()) {
            (f64::NEG_INFINITY, 0.0)
        } else {
            (f64::NAN, f64::NAN)
        };
    };
    inverse.fill(0.0);
    inverse.iter_mut().step_by(size + 1).for_each(|x| *x = 1.0);
    lu::solve((size, size), &factors, &places, inverse, stack);
    lu::determinant(size, &factors, sign)
}

/// Adds the adjoint of A when `seed` reaches log |det A|: seed · A⁻ᵀ.
pub fn add_determinant_adjoint(size: usize, seed: f64, inverse: &[f64], a_adjoint: &mut [f64]) {
    for i in 0..size {
        for j in 0..size {
            a_adjoint[i * size + j] += seed * inverse[j * size + i];
        }
    }
}

/// What [`eigen_symmetric`] takes from its stack.
pub fn eigen_symmetric_scratch(size: usize) -> StackReq {
    if size == 0 {
        return StackReq::EMPTY;
    }
    let vectors = ComputeEigenvectors::Yes;
    StackReq::all_of(&[
        stack::numbers(size * size),
        stack::numbers(size * size),
        evd::self_adjoint_evd_scratch::<f64>(size, vectors, Par::Seq, Default::default()),
    ])
}

/// Eigenvalues in increasing order and eigenvectors (columns) of the symmetric matrix whose lower triangle is given. Of
/// each vector the first entry with at least half the largest magnitude is positive.
pub fn eigen_symmetric(
    size: usize,
    a: &[f64],
    values: &mut [f64],
    vectors: &mut [f64],
    stack: &mut MemStack,
) {
    let lower = || (0..size).flat_map(|i| &a[i * size..=i * size + i]);
    let largest = lower().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    let mut is_solved = size > 0 && lower().all(|x| x.is_finite());
    if is_solved {
        // The squares of huge and tiny numbers leave the range of floats; a power of two changes no digit.
        let (_, exponent) = libm::frexp(largest);
        let exponent = exponent.clamp(-1000, 1000);
        let (down, up) = (libm::scalbn(1.0, -exponent), libm::scalbn(1.0, exponent));
        let (matrix, stack) = stack.make_aligned_with(size * size, 64, |i| a[i] * down);
        let (mut columns, stack) = stack.make_aligned_with(size * size, 64, |_| 0.0);
        is_solved = evd::self_adjoint_evd(
            MatRef::from_row_major_slice(&matrix, size, size),
            DiagMut::from_slice_mut(values),
            Some(MatMut::from_column_major_slice_mut(
                &mut columns,
                size,
                size,
            )),
            Par::Seq,
            stack,
            Default::default(),
        )
        .is_ok();
        values.iter_mut().for_each(|value| *value *= up);
        for (k, column) in columns.chunks_exact(size).enumerate() {
            let sign = leading_sign(column);
            for (row, x) in vectors.chunks_exact_mut(size).zip(column) {
                row[k] = sign * x;
            }
        }
    }
    if !is_solved {
        values.fill(f64::NAN);
        vectors.fill(f64::NAN);
    }
}

/// The sign of the first entry with at least half the largest magnitude.
fn leading_sign(vector: &[f64]) -> f64 {
    let largest = vector
        .iter()
        .fold(0.0_f64, |largest, x| largest.max(x.abs()));
    let leading = vector.iter().find(|x| x.abs() >= 0.5 * largest);
    if leading.is_some_and(|x| *x < 0.0) {
        -1.0
    } else {
        1.0
    }
}

/// What [`add_eigen_symmetric_adjoint`] takes from its stack.
pub fn eigen_symmetric_adjoint_scratch(size: usize) -> StackReq {
    stack::numbers(size * size).array(2)
}

/// Adds the adjoint of A, half on each triangle, when adjoints reach its eigenvalues w and eigenvectors V:
/// V (diag(w̄) + F ∘ VᵀV̄) Vᵀ, F_ij = 1 / (w_j − w_i).
pub fn add_eigen_symmetric_adjoint(
    size: usize,
    (values, vectors): (&[f64], &[f64]),
    (values_adjoint, vectors_adjoint): (&[f64], &[f64]),
    a_adjoint: &mut [f64],
    stack: &mut MemStack,
) {
    let (mut middle, stack) = stack.make_aligned_with(size * size, 64, |_| 0.0);
    let (mut left, _) = stack.make_aligned_with(size * size, 64, |_| 0.0);
    let sizes = (size, size, size);
    add_transposed_product(sizes, vectors, vectors_adjoint, &mut middle);
    for i in 0..size {
        for j in 0..size {
            let entry = &mut middle[i * size + j];
            if i == j {
                *entry = values_adjoint[i];
            } else if *entry != 0.0 {
                *entry /= values[j] - values[i];
            }
        }
    }
    product(sizes, vectors, &middle, &mut left);
    middle.fill(0.0);
    add_product_transposed(sizes, &left, vectors, &mut middle);
    for i in 0..size {
        for j in 0..size {
            a_adjoint[i * size + j] += 0.5 * (middle[i * size + j] + middle[j * size + i]);
        }
    }
}

/// Rows of the factors of Householder's reflections.
fn qr_block(rows: usize, columns: usize) -> usize {
    householder_qr::recommended_block_size::<f64>(rows, columns)
}

/// What [`qr`] takes from its stack.
pub fn qr_scratch(rows: usize, columns: usize) -> StackReq {
    let block = qr_block(rows, columns);
    let settings = Default::default();
    StackReq::all_of(&[
        stack::numbers(rows * columns).array(2),
        stack::numbers(block * columns),
        householder_qr::qr_in_place_scratch::<f64>(rows, columns, block, Par::Seq, settings).or(
            householder::apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(
                rows, block, columns,
            ),
        ),
    ])
}

/// Q (rows × columns) with orthonormal columns and upper triangular R with a positive diagonal, Q R = A, for
/// rows ≥ columns.
pub fn qr(
    (rows, columns): (usize, usize),
    a: &[f64],
    q: &mut [f64],
    r: &mut [f64],
    stack: &mut MemStack,
) {
    // faer's kernels run down the columns.
    let (mut factors, stack) =
        stack.make_aligned_with(rows * columns, 64, |i| a[i % rows * columns + i / rows]);
    let (mut orthonormal, stack) = stack.make_aligned_with(rows * columns, 64, |i| {
        f64::from(u8::from(i % rows == i / rows))
    });
    let block = qr_block(rows, columns);
    let (mut coefficients, stack) = stack.make_aligned_with(block * columns, 64, |_| 0.0);
    let mut coefficients = MatMut::from_column_major_slice_mut(&mut coefficients, block, columns);
    let mut rank = 0;
    if factors.iter().all(|x| x.is_finite()) {
        let matrix = MatMut::from_column_major_slice_mut(&mut factors, rows, columns);
        let (reflections, settings) = (coefficients.as_mut(), Default::default());
        rank = householder_qr::qr_in_place(matrix, reflections, Par::Seq, stack, settings).rank;
    }
    let pivot = |k: usize| factors[k * rows + k];
    if rank < columns || (0..columns).any(|k| pivot(k) == 0.0 || !pivot(k).is_finite()) {
        q.fill(f64::NAN);
        r.fill(f64::NAN);
        return;
    }
    householder::apply_block_householder_sequence_on_the_left_in_place_with_conj(
        MatRef::from_column_major_slice(&factors, rows, columns),
        coefficients.as_ref(),
        Conj::No,
        MatMut::from_column_major_slice_mut(&mut orthonormal, rows, columns),
        Par::Seq,
        stack,
    );
    for k in 0..columns {
        let sign = pivot(k).signum();
        for j in 0..columns {
            r[k * columns + j] = if j < k {
                0.0
            } else {
                sign * factors[j * rows + k]
            };
        }
        for i in 0..rows {
            q[i * columns + k] = sign * orthonormal[k * rows + i];
        }
    }
}

/// What [`add_qr_adjoint`] takes from its stack.
pub fn qr_adjoint_scratch(rows: usize, columns: usize) -> StackReq {
    stack::numbers(columns * columns).and(stack::numbers(rows * columns))
}

/// Adds the adjoint of A when adjoints reach Q and R: (Q̄ + Q C) R⁻ᵀ, where C is the lower triangle of R R̄ᵀ − Q̄ᵀQ made
/// symmetric (Walter & Lehmann 2010). Below the diagonal R stands for constants, whose adjoints are not read.
pub fn add_qr_adjoint(
    (rows, columns): (usize, usize),
    (q, r): (&[f64], &[f64]),
    (q_adjoint, r_adjoint): (&[f64], &[f64]),
    a_adjoint: &mut [f64],
    stack: &mut MemStack,
) {
    let (mut symmetric, stack) = stack.make_aligned_with(columns * columns, 64, |_| 0.0);
    let (mut share, _) = stack.make_aligned_with(rows * columns, 64, |i| q_adjoint[i]);
    let q_matrix = MatRef::from_row_major_slice(q, rows, columns);
    let r_matrix = MatRef::from_row_major_slice(r, columns, columns);
    let mut target = MatMut::from_row_major_slice_mut(&mut symmetric, columns, columns);
    triangular::matmul(
        target.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        r_matrix,
        BlockStructure::TriangularUpper,
        MatRef::from_row_major_slice(r_adjoint, columns, columns).transpose(),
        BlockStructure::TriangularLower,
        1.0,
        Par::Seq,
    );
    triangular::matmul(
        target,
        BlockStructure::TriangularLower,
        Accum::Add,
        MatRef::from_row_major_slice(q_adjoint, rows, columns).transpose(),
        BlockStructure::Rectangular,
        q_matrix,
        BlockStructure::Rectangular,
        -1.0,
        Par::Seq,
    );
    mirror_lower(columns, &mut symmetric);
    add_product((rows, columns, columns), q, &symmetric, &mut share);
    // X Rᵀ = W is R Xᵀ = Wᵀ.
    let transposed = MatMut::from_column_major_slice_mut(&mut share, columns, rows);
    solve_upper_triangular_in_place(r_matrix, transposed, Par::Seq);
    for (sum, share) in a_adjoint.iter_mut().zip(share.iter()) {
        *sum += share;
    }
}

/// The numbers in increasing order, and from which place each came.
pub fn sort(x: &[f64], sorted: &mut [f64], places: &mut [f64]) {
    for (i, place) in places.iter_mut().enumerate() {
        *place = i as f64;
    }
    places.sort_unstable_by(|a, b| {
        let (first, second) = (x[*a as usize], x[*b as usize]);
        first.total_cmp(&second).then(a.total_cmp(b))
    });
    for (sorted, place) in sorted.iter_mut().zip(places) {
        *sorted = x[*place as usize];
    }
}

/// Adds the adjoint of what was sorted.
pub fn add_sort_adjoint(places: &[f64], sorted_adjoint: &[f64], x_adjoint: &mut [f64]) {
    for (place, adjoint) in places.iter().zip(sorted_adjoint) {
        x_adjoint[*place as usize] += adjoint;
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{numbers, with};
    use super::super::linear::product;
    use super::*;

    const N: usize = 9;

    fn times(a: &[f64], b: &[f64], inner: usize, columns: usize) -> Vec<f64> {
        let mut c = vec![0.0; a.len() / inner * columns];
        product::<false>(inner, columns, a, b, &mut c);
        c
    }

    fn transposed(a: &[f64], columns: usize) -> Vec<f64> {
        let rows = a.len() / columns;
        (0..a.len())
            .map(|i| a[i % rows * columns + i / rows])
            .collect()
    }

    fn assert_close(a: &[f64], b: &[f64]) {
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 1e-13, "{a} and {b}");
        }
    }

    fn identity(n: usize) -> Vec<f64> {
        (0..n * n).map(|i| f64::from(i % (n + 1) == 0)).collect()
    }

    #[test]
    fn a_solution_solves_and_a_singular_matrix_has_none() {
        let (a, b) = (numbers(N * N, 1), numbers(N * 2, 2));
        let mut x = b.clone();
        with(solve_scratch(N, 2), |stack| {
            solve((N, 2), &a, &mut x, stack)
        });
        assert_close(&times(&a, &x, N, 2), &b);
        for singular in [
            [1.0, 2.0, 2.0, 4.0],
            [0.0, 0.0, 0.0, 4.0],
            [0.0; 4],
            [f64::INFINITY, 0.0, 0.0, 1.0],
            [1.0, f64::NAN, 0.0, 1.0],
        ] {
            let mut x = vec![1.0, 2.0];
            with(solve_scratch(2, 1), |stack| {
                solve((2, 1), &singular, &mut x, stack);
            });
            assert!(x.iter().all(|x| x.is_nan()), "{singular:?}");
        }
    }

    #[test]
    fn determinants_have_their_sign() {
        // Rows exchanged: det = −2 · 3 · 5.
        let a = [0.0, 3.0, 0.0, 2.0, 1.0, 0.0, 4.0, 7.0, 5.0];
        let mut inverse = vec![0.0; 9];
        let (log, sign) = with(determinant_scratch(3), |stack| {
            determinant(3, &a, &mut inverse, stack)
        });
        assert!((log - 30.0f64.ln()).abs() < 1e-14 && sign == -1.0);
        assert_close(&times(&a, &inverse, 3, 3), &identity(3));
        let found = with(determinant_scratch(2), |stack| {
            determinant(2, &[1.0; 4], &mut inverse[..4], stack)
        });
        assert_eq!(found, (f64::NEG_INFINITY, 0.0));
    }

    #[test]
    fn eigenvectors_diagonalise() {
        let a = numbers(N * N, 3);
        let a: Vec<f64> = a
            .iter()
            .zip(transposed(&a, N))
            .map(|(a, b)| a + b)
            .collect();
        let (mut w, mut v) = (vec![0.0; N], vec![0.0; N * N]);
        with(eigen_symmetric_scratch(N), |stack| {
            eigen_symmetric(N, &a, &mut w, &mut v, stack);
        });
        assert!(w.is_sorted());
        assert_close(&times(&transposed(&v, N), &v, N, N), &identity(N));
        let scaled: Vec<f64> = v.iter().enumerate().map(|(i, v)| v * w[i % N]).collect();
        assert_close(&times(&scaled, &transposed(&v, N), N, N), &a);
        // Tiny and huge eigenvalues, a zero one, and equal ones.
        for a in [
            [1e-200, 3e-201, 0.0, 3e-201, 2e-200, 0.0, 0.0, 0.0, 0.0],
            [1e150, 1e140, 1.0, 1e140, 1e-100, 0.0, 1.0, 0.0, 4.0],
            [2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0],
        ] {
            with(eigen_symmetric_scratch(3), |stack| {
                eigen_symmetric(3, &a, &mut w[..3], &mut v[..9], stack);
            });
            assert_close(&times(&transposed(&v[..9], 3), &v[..9], 3, 3), &identity(3));
            let largest = a.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
            let (scaled, a): (Vec<f64>, Vec<f64>) = (0..9)
                .map(|i| (v[i] * (w[i % 3] / largest), a[i] / largest))
                .unzip();
            assert_close(&times(&scaled, &transposed(&v[..9], 3), 3, 3), &a);
        }
        with(eigen_symmetric_scratch(0), |stack| {
            eigen_symmetric(0, &[], &mut [], &mut [], stack);
        });
        for a in [f64::NAN, f64::INFINITY] {
            with(eigen_symmetric_scratch(2), |stack| {
                eigen_symmetric(2, &[a; 4], &mut w[..2], &mut v[..4], stack);
            });
            assert!(w[0].is_nan() && v[0].is_nan());
        }
        with(eigen_symmetric_scratch(2), |stack| {
            eigen_symmetric(2, &[0.0; 4], &mut w[..2], &mut v[..4], stack);
        });
        assert_eq!(w[..2], [0.0; 2]);
    }

    #[test]
    fn orthogonal_factors_multiply_to_the_matrix() {
        let a = numbers(N * 4, 4);
        let (mut q, mut r) = (vec![0.0; N * 4], vec![0.0; 16]);
        let decompose = |a: &[f64], q: &mut [f64], r: &mut [f64]| {
            with(qr_scratch(N, 4), |stack| qr((N, 4), a, q, r, stack));
        };
        decompose(&a, &mut q, &mut r);
        assert_close(&times(&q, &r, 4, 4), &a);
        assert_close(&times(&transposed(&q, 4), &q, N, 4), &identity(4));
        for i in 0..4 {
            assert!(r[i * 4 + i] > 0.0 && (0..i).all(|j| r[i * 4 + j] == 0.0));
        }
        for wrong in [f64::NAN, f64::INFINITY] {
            let mut a = a.clone();
            a[5] = wrong;
            decompose(&a, &mut q, &mut r);
            assert!(q.iter().chain(&r).all(|x| x.is_nan()));
        }
        let without: Vec<f64> = (0..a.len())
            .map(|i| if i % 4 == 2 { 0.0 } else { a[i] })
            .collect();
        decompose(&without, &mut q, &mut r);
        assert!(q.iter().chain(&r).all(|x| x.is_nan()), "a column of zeros");
    }

    #[test]
    fn sorting_remembers_places() {
        let x = [3.0, -1.0, 3.0, 0.5];
        let (mut sorted, mut places) = ([0.0; 4], [0.0; 4]);
        sort(&x, &mut sorted, &mut places);
        assert_eq!(
            (sorted, places),
            ([-1.0, 0.5, 3.0, 3.0], [1.0, 3.0, 0.0, 2.0])
        );
    }
}
