//! Systems of equations, determinants, eigenvalues, orthogonal factors and sorting, each with its adjoint, on row-major
//! slices of the caller and without allocation, in the manner of `linear`. What has no solution is filled with NaN, which
//! makes a log density −∞. The methods are the plain ones (elimination with partial pivoting, cyclic Jacobi rotations,
//! Gram–Schmidt done twice), chosen for accuracy and for giving the same result everywhere, at the sizes of models.

use super::linear::{add_scaled, dot};
use super::special::log;

/// X in place of B: A⁻¹ B, B of size × columns. `work` holds size² numbers.
#[inline(always)]
pub fn solve<const FMA: bool>(
    size: usize,
    columns: usize,
    a: &[f64],
    x: &mut [f64],
    work: &mut [f64],
) {
    work.copy_from_slice(a);
    if eliminate::<FMA>(size, columns, work, x).is_none() {
        x.fill(f64::NAN);
    }
}

/// Gauss elimination of the rows of `matrix` and of X, then back substitution: X becomes matrix⁻¹ X. Returns log |det| and
/// the sign of the determinant; `None` if a pivot is zero or not a number.
#[inline(always)]
fn eliminate<const FMA: bool>(
    size: usize,
    columns: usize,
    matrix: &mut [f64],
    x: &mut [f64],
) -> Option<(f64, f64)> {
    let (mut log_determinant, mut sign) = (0.0, 1.0);
    for k in 0..size {
        let mut best = k;
        for i in k + 1..size {
            if matrix[i * size + k].abs() > matrix[best * size + k].abs() {
                best = i;
            }
        }
        let pivot = matrix[best * size + k];
        if !(pivot.abs() > 0.0 && pivot.is_finite()) {
            return None;
        }
        if best != k {
            swap_rows(matrix, size, k, best);
            swap_rows(x, columns, k, best);
            sign = -sign;
        }
        if pivot < 0.0 {
            sign = -sign;
        }
        log_determinant += log(pivot.abs());
        let (above, below) = matrix.split_at_mut((k + 1) * size);
        let row = &above[k * size..];
        let (x_above, x_below) = x.split_at_mut((k + 1) * columns);
        let x_row = &x_above[k * columns..];
        for (i, other) in below.chunks_exact_mut(size).enumerate() {
            let factor = -other[k] / pivot;
            if factor != 0.0 {
                add_scaled::<FMA>(factor, &row[k + 1..], &mut other[k + 1..]);
                add_scaled::<FMA>(factor, x_row, &mut x_below[i * columns..(i + 1) * columns]);
            }
        }
    }
    for k in (0..size).rev() {
        let (above, row) = x.split_at_mut(k * columns);
        let row = &mut row[..columns];
        let pivot = matrix[k * size + k];
        row.iter_mut().for_each(|x| *x /= pivot);
        for i in 0..k {
            let factor = -matrix[i * size + k];
            add_scaled::<FMA>(factor, row, &mut above[i * columns..(i + 1) * columns]);
        }
    }
    Some((log_determinant, sign))
}

#[inline(always)]
fn swap_rows(matrix: &mut [f64], columns: usize, first: usize, second: usize) {
    let (above, below) = matrix.split_at_mut(second * columns);
    above[first * columns..(first + 1) * columns].swap_with_slice(&mut below[..columns]);
}

/// Adds the adjoints of A and B when `x_adjoint` reaches X = A⁻¹ B: B̄ += G, Ā −= G Xᵀ with G = A⁻ᵀ X̄. `work` holds
/// size² + size × columns numbers.
#[inline(always)]
pub fn add_solve_adjoint<const FMA: bool>(
    (size, columns): (usize, usize),
    (a, x, x_adjoint): (&[f64], &[f64], &[f64]),
    a_adjoint: &mut [f64],
    b_adjoint: &mut [f64],
    work: &mut [f64],
) {
    let (transposed, solved) = work.split_at_mut(size * size);
    for i in 0..size {
        for j in 0..size {
            transposed[j * size + i] = a[i * size + j];
        }
    }
    solved.copy_from_slice(x_adjoint);
    if eliminate::<FMA>(size, columns, transposed, solved).is_none() {
        solved.fill(f64::NAN);
    }
    add_scaled::<FMA>(1.0, solved, b_adjoint);
    for i in 0..size {
        for j in 0..size {
            let product = dot::<FMA>(
                &solved[i * columns..(i + 1) * columns],
                &x[j * columns..(j + 1) * columns],
            );
            a_adjoint[i * size + j] -= product;
        }
    }
}

/// log |det A|, the sign of the determinant (0 if singular), and A⁻¹ for the adjoint. `work` holds size² numbers.
#[inline(always)]
pub fn determinant<const FMA: bool>(
    size: usize,
    a: &[f64],
    inverse: &mut [f64],
    work: &mut [f64],
) -> (f64, f64) {
    work.copy_from_slice(a);
    inverse.fill(0.0);
    for i in 0..size {
        inverse[i * size + i] = 1.0;
    }
    eliminate::<FMA>(size, size, work, inverse).unwrap_or_else(|| {
        inverse.fill(f64::NAN);
        if a.iter().all(|x| x.is_finite()) {
            (f64::NEG_INFINITY, 0.0)
        } else {
            (f64::NAN, f64::NAN)
        }
    })
}

/// Adds the adjoint of A when `seed` reaches log |det A|: seed · A⁻ᵀ.
#[inline(always)]
pub fn add_determinant_adjoint(size: usize, seed: f64, inverse: &[f64], a_adjoint: &mut [f64]) {
    for i in 0..size {
        for j in 0..size {
            a_adjoint[i * size + j] += seed * inverse[j * size + i];
        }
    }
}

/// Eigenvalues in increasing order and eigenvectors (columns) of the symmetric matrix whose lower triangle is given. Of
/// each vector the first entry with at least half the largest magnitude is positive. `work` holds 2 size² numbers.
#[inline(always)]
pub fn eigen_symmetric<const FMA: bool>(
    size: usize,
    a: &[f64],
    values: &mut [f64],
    vectors: &mut [f64],
    work: &mut [f64],
) {
    let (matrix, rows) = work.split_at_mut(size * size);
    rows.fill(0.0);
    for i in 0..size {
        rows[i * size + i] = 1.0;
        for j in 0..=i {
            matrix[i * size + j] = a[i * size + j];
            matrix[j * size + i] = a[i * size + j];
        }
    }
    if !diagonalise(size, matrix, rows) {
        values.fill(f64::NAN);
        vectors.fill(f64::NAN);
        return;
    }
    for (i, value) in values.iter_mut().enumerate() {
        *value = matrix[i * size + i];
    }
    for k in 0..size {
        let least = (k..size).fold(
            k,
            |least, i| if values[i] < values[least] { i } else { least },
        );
        if least != k {
            values.swap(k, least);
            swap_rows(rows, size, k, least);
        }
        let row = &rows[k * size..(k + 1) * size];
        let largest = row.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        let leading = row.iter().find(|x| x.abs() >= 0.5 * largest);
        let sign = if leading.is_some_and(|x| *x < 0.0) {
            -1.0
        } else {
            1.0
        };
        for (i, x) in row.iter().enumerate() {
            vectors[i * size + k] = sign * x;
        }
    }
}

/// Cyclic Jacobi rotations until what is off the diagonal has vanished; the rows of `rows` become the eigenvectors.
/// What is below 10⁻¹⁸ of the largest
/// entry counts as nothing. False if that does not happen, as with NaN.
#[inline(always)]
fn diagonalise(size: usize, matrix: &mut [f64], rows: &mut [f64]) -> bool {
    let largest = matrix
        .iter()
        .fold(0.0_f64, |largest, x| largest.max(x.abs()));
    if matrix.iter().any(|x| !x.is_finite()) {
        return false;
    }
    for _ in 0..60 {
        let mut rotated = false;
        for p in 0..size {
            for q in p + 1..size {
                let off = matrix[p * size + q];
                if off.abs() <= 1e-18 * largest {
                    continue;
                }
                rotated = true;
                let theta = 0.5 * (matrix[q * size + q] - matrix[p * size + p]) / off;
                let tangent = 1.0f64.copysign(theta) / (theta.abs() + libm::hypot(theta, 1.0));
                let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
                let sine = tangent * cosine;
                for k in 0..size {
                    let (x, y) = (matrix[k * size + p], matrix[k * size + q]);
                    matrix[k * size + p] = cosine * x - sine * y;
                    matrix[k * size + q] = sine * x + cosine * y;
                }
                rotate_rows(matrix, size, p, q, cosine, sine);
                rotate_rows(rows, size, p, q, cosine, sine);
                matrix[p * size + q] = 0.0;
                matrix[q * size + p] = 0.0;
            }
        }
        if !rotated {
            return true;
        }
    }
    false
}

#[inline(always)]
fn rotate_rows(matrix: &mut [f64], size: usize, p: usize, q: usize, cosine: f64, sine: f64) {
    let (above, below) = matrix.split_at_mut(q * size);
    let (first, second) = (&mut above[p * size..(p + 1) * size], &mut below[..size]);
    for (x, y) in first.iter_mut().zip(second) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
}

/// Adds the adjoint of A, half on each triangle, when adjoints reach its eigenvalues w and eigenvectors V:
/// V (diag(w̄) + F ∘ VᵀV̄) Vᵀ, F_ij = 1 / (w_j − w_i). `work` holds 2 size² numbers.
#[inline(always)]
pub fn add_eigen_symmetric_adjoint<const FMA: bool>(
    size: usize,
    (values, vectors): (&[f64], &[f64]),
    (values_adjoint, vectors_adjoint): (&[f64], &[f64]),
    a_adjoint: &mut [f64],
    work: &mut [f64],
) {
    let (middle, left) = work.split_at_mut(size * size);
    middle.fill(0.0);
    for (row, adjoint) in vectors
        .chunks_exact(size)
        .zip(vectors_adjoint.chunks_exact(size))
    {
        for (i, x) in row.iter().enumerate() {
            add_scaled::<FMA>(*x, adjoint, &mut middle[i * size..(i + 1) * size]);
        }
    }
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
    left.fill(0.0);
    for (row, left) in vectors.chunks_exact(size).zip(left.chunks_exact_mut(size)) {
        for (x, middle) in row.iter().zip(middle.chunks_exact(size)) {
            add_scaled::<FMA>(*x, middle, left);
        }
    }
    for i in 0..size {
        for j in 0..size {
            let entry = 0.5
                * dot::<FMA>(
                    &left[i * size..(i + 1) * size],
                    &vectors[j * size..(j + 1) * size],
                );
            a_adjoint[i * size + j] += entry;
            a_adjoint[j * size + i] += entry;
        }
    }
}

/// Q (rows × columns) with orthonormal columns and upper triangular R with a positive diagonal, Q R = A, for
/// rows ≥ columns. `work` holds rows × columns numbers.
#[inline(always)]
pub fn qr<const FMA: bool>(
    rows: usize,
    columns: usize,
    a: &[f64],
    q: &mut [f64],
    r: &mut [f64],
    work: &mut [f64],
) {
    r.fill(0.0);
    for k in 0..columns {
        let (done, rest) = work.split_at_mut(k * rows);
        let column = &mut rest[..rows];
        for (i, x) in column.iter_mut().enumerate() {
            *x = a[i * columns + k];
        }
        // Once more, because the first pass leaves rounding errors of the size of what it takes away.
        for _ in 0..2 {
            for (j, other) in done.chunks_exact(rows).enumerate() {
                let share = dot::<FMA>(other, column);
                add_scaled::<FMA>(-share, other, column);
                r[j * columns + k] += share;
            }
        }
        let norm = dot::<FMA>(column, column).sqrt();
        if !(norm > 0.0 && norm.is_finite()) {
            q.fill(f64::NAN);
            r.fill(f64::NAN);
            return;
        }
        column.iter_mut().for_each(|x| *x /= norm);
        r[k * columns + k] = norm;
        for (i, x) in column.iter().enumerate() {
            q[i * columns + k] = *x;
        }
    }
}

/// Adds the adjoint of A when adjoints reach Q and R: (Q̄ + Q C) R⁻ᵀ, where C is the lower triangle of R R̄ᵀ − Q̄ᵀQ made
/// symmetric (Walter & Lehmann 2010). `work` holds columns² + columns numbers.
#[inline(always)]
pub fn add_qr_adjoint<const FMA: bool>(
    columns: usize,
    (q, r): (&[f64], &[f64]),
    (q_adjoint, r_adjoint): (&[f64], &[f64]),
    a_adjoint: &mut [f64],
    work: &mut [f64],
) {
    let (symmetric, row) = work.split_at_mut(columns * columns);
    symmetric.fill(0.0);
    for (q, adjoint) in q.chunks_exact(columns).zip(q_adjoint.chunks_exact(columns)) {
        for i in 0..columns {
            add_scaled::<FMA>(
                -adjoint[i],
                &q[..i + 1],
                &mut symmetric[i * columns..i * columns + i + 1],
            );
        }
    }
    for i in 0..columns {
        for j in 0..=i {
            // Both rows begin at their diagonals; below stand constant zeros.
            let product = dot::<FMA>(
                &r[i * columns + i..(i + 1) * columns],
                &r_adjoint[j * columns + i..(j + 1) * columns],
            );
            symmetric[i * columns + j] += product;
            symmetric[j * columns + i] = symmetric[i * columns + j];
        }
    }
    for ((q, adjoint), target) in q
        .chunks_exact(columns)
        .zip(q_adjoint.chunks_exact(columns))
        .zip(a_adjoint.chunks_exact_mut(columns))
    {
        row.copy_from_slice(adjoint);
        for (x, symmetric) in q.iter().zip(symmetric.chunks_exact(columns)) {
            add_scaled::<FMA>(*x, symmetric, row);
        }
        for i in (0..columns).rev() {
            let r = &r[i * columns..(i + 1) * columns];
            row[i] = (row[i] - dot::<FMA>(&r[i + 1..], &row[i + 1..])) / r[i];
        }
        add_scaled::<FMA>(1.0, row, target);
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
    use super::super::linear::product;
    use super::*;

    const N: usize = 9;

    /// Numbers without structure between −1 and 1.
    fn numbers(length: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        (0..length)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
            })
            .collect()
    }

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
        let (mut x, mut work) = (b.clone(), vec![0.0; N * N]);
        solve::<false>(N, 2, &a, &mut x, &mut work);
        assert_close(&times(&a, &x, N, 2), &b);
        let mut x = vec![1.0, 2.0];
        solve::<false>(2, 1, &[1.0, 2.0, 2.0, 4.0], &mut x, &mut work[..4]);
        assert!(x.iter().all(|x| x.is_nan()));
    }

    #[test]
    fn determinants_have_their_sign() {
        // Rows exchanged: det = −2 · 3 · 5.
        let a = [0.0, 3.0, 0.0, 2.0, 1.0, 0.0, 4.0, 7.0, 5.0];
        let (mut inverse, mut work) = (vec![0.0; 9], vec![0.0; 9]);
        let (log, sign) = determinant::<false>(3, &a, &mut inverse, &mut work);
        assert!((log - 30.0f64.ln()).abs() < 1e-14 && sign == -1.0);
        assert_close(&times(&a, &inverse, 3, 3), &identity(3));
        let found = determinant::<false>(2, &[1.0; 4], &mut inverse[..4], &mut work[..4]);
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
        let (mut w, mut v, mut work) = (vec![0.0; N], vec![0.0; N * N], vec![0.0; 2 * N * N]);
        eigen_symmetric::<false>(N, &a, &mut w, &mut v, &mut work);
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
            eigen_symmetric::<false>(3, &a, &mut w[..3], &mut v[..9], &mut work[..18]);
            assert_close(&times(&transposed(&v[..9], 3), &v[..9], 3, 3), &identity(3));
        }
        eigen_symmetric::<false>(2, &[f64::NAN; 4], &mut w[..2], &mut v[..4], &mut work[..8]);
        assert!(w[0].is_nan());
    }

    #[test]
    fn orthogonal_factors_multiply_to_the_matrix() {
        let a = numbers(N * 4, 4);
        let (mut q, mut r, mut work) = (vec![0.0; N * 4], vec![0.0; 16], vec![0.0; N * 4]);
        qr::<false>(N, 4, &a, &mut q, &mut r, &mut work);
        assert_close(&times(&q, &r, 4, 4), &a);
        assert_close(&times(&transposed(&q, 4), &q, N, 4), &identity(4));
        for i in 0..4 {
            assert!(r[i * 4 + i] > 0.0 && (0..i).all(|j| r[i * 4 + j] == 0.0));
        }
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
