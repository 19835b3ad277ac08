//! Dense algebra of matrices that are large enough for a library to pay: the operations of `linear`, on faer, with one
//! thread. Matrices are row-major slices of the caller, further storage comes from the caller's stack. faer chooses its
//! instructions by the processor and its blocks by the caches, so the last bits of a result belong to the machine.
//!
//! faer keeps a buffer per thread in which it packs the operands of products; the first product of a thread allocates it.

use std::ops::Range;

use faer::linalg::cholesky::llt::{factor as llt, inverse as llt_inverse};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{Accum, MatMut, MatRef, Par};

use super::linear::{self, NotPositiveDefinite, dot};
use super::special::log;
use super::stack::{self, MemStack, StackReq};

/// Rows of a square matrix from which on its factor and densities are taken from here. Measured with `benches/dense.rs`; at
/// sizes a little below, the two are equally fast, and row kernels give the same bits on every machine.
const LARGE: usize = 48;

/// Whether a factorisation, its adjoint or a normal density belongs here.
pub fn is_large(size: usize) -> bool {
    size >= LARGE
}

/// Whether the solution of a triangular system belongs here. A single right-hand side is bound by memory.
pub fn is_large_solve(size: usize, columns: usize) -> bool {
    size >= 24 && columns >= 8
}

/// Whether a product of (rows × inner) and (inner × columns) belongs here.
pub fn is_large_product(rows: usize, inner: usize, columns: usize) -> bool {
    rows.min(inner).min(columns) >= 4 && rows * inner * columns >= 8192
}

fn view(slice: &[f64], rows: usize, columns: usize) -> MatRef<'_, f64> {
    MatRef::from_row_major_slice(slice, rows, columns)
}

fn view_mut(slice: &mut [f64], rows: usize, columns: usize) -> MatMut<'_, f64> {
    MatMut::from_row_major_slice_mut(slice, rows, columns)
}

/// C (rows × columns) = A (rows × inner) B (inner × columns).
pub fn product((rows, inner, columns): (usize, usize, usize), a: &[f64], b: &[f64], c: &mut [f64]) {
    let (a, b) = (view(a, rows, inner), view(b, inner, columns));
    matmul(
        view_mut(c, rows, columns),
        Accum::Replace,
        a,
        b,
        1.0,
        Par::Seq,
    );
}

/// C (rows × columns) += A (rows × inner) B (inner × columns).
pub fn add_product(
    (rows, inner, columns): (usize, usize, usize),
    a: &[f64],
    b: &[f64],
    c: &mut [f64],
) {
    let (a, b) = (view(a, rows, inner), view(b, inner, columns));
    matmul(view_mut(c, rows, columns), Accum::Add, a, b, 1.0, Par::Seq);
}

/// C (rows × columns) += Aᵀ B, A (inner × rows), B (inner × columns).
pub fn add_transposed_product(
    (rows, inner, columns): (usize, usize, usize),
    a: &[f64],
    b: &[f64],
    c: &mut [f64],
) {
    let (a, b) = (view(a, inner, rows).transpose(), view(b, inner, columns));
    matmul(view_mut(c, rows, columns), Accum::Add, a, b, 1.0, Par::Seq);
}

/// C (rows × columns) += A Bᵀ, A (rows × inner), B (columns × inner).
pub fn add_product_transposed(
    (rows, inner, columns): (usize, usize, usize),
    a: &[f64],
    b: &[f64],
    c: &mut [f64],
) {
    let (a, b) = (view(a, rows, inner), view(b, columns, inner).transpose());
    matmul(view_mut(c, rows, columns), Accum::Add, a, b, 1.0, Par::Seq);
}

/// What [`cholesky`] takes from its stack.
pub fn cholesky_scratch(size: usize) -> StackReq {
    llt::cholesky_in_place_scratch::<f64>(size, Par::Seq, Default::default())
}

/// L with L Lᵀ = A and zeros above the diagonal; the lower triangle of A is read.
pub fn cholesky(
    size: usize,
    a: &[f64],
    l: &mut [f64],
    stack: &mut MemStack,
) -> Result<(), NotPositiveDefinite> {
    factor_by_columns(size, a, l, stack)?;
    for_lower(size, |i, j| {
        l[i * size + j] = l[j * size + i];
        if i > j {
            l[j * size + i] = 0.0;
        }
    });
    Ok(())
}

/// The lower factor, column-major, since faer's kernels run down the columns; zeros elsewhere.
fn factor_by_columns(
    size: usize,
    a: &[f64],
    l: &mut [f64],
    stack: &mut MemStack,
) -> Result<(), NotPositiveDefinite> {
    l.fill(0.0);
    for_lower(size, |i, j| l[j * size + i] = a[i * size + j]);
    let matrix = MatMut::from_column_major_slice_mut(l, size, size);
    let (plain, settings) = (Default::default(), Default::default());
    match llt::cholesky_in_place(matrix, plain, Par::Seq, stack, settings) {
        Ok(_) => Ok(()),
        Err(llt::LltError::NonPositivePivot { index }) => Err(NotPositiveDefinite(index)),
    }
}

/// Calls `visit(i, j)` for all j ≤ i < size, in blocks of a cache line, so that what is read by rows and written by columns
/// stays in the nearest cache.
fn for_lower(size: usize, mut visit: impl FnMut(usize, usize)) {
    const LINE: usize = 8;
    for top in (0..size).step_by(LINE) {
        for left in (0..=top).step_by(LINE) {
            for i in top..(top + LINE).min(size) {
                for j in left..(left + LINE).min(i + 1) {
                    visit(i, j);
                }
            }
        }
    }
}

/// Rows and columns that the adjoint of a factor goes back at a time.
const BLOCK: usize = 32;

/// What [`add_cholesky_adjoint`] takes from its stack.
pub fn cholesky_adjoint_scratch(size: usize) -> StackReq {
    stack::numbers(size * size).and(stack::numbers(4 * BLOCK * BLOCK))
}

/// Adds to `a_adjoint` what reaches A when `l_adjoint` (its lower triangle) reaches the Cholesky factor L, half on each
/// triangle, block by block from the last (Murray 2016, arXiv:1602.07527, section 3.4).
pub fn add_cholesky_adjoint(
    size: usize,
    l: &[f64],
    l_adjoint: &[f64],
    a_adjoint: &mut [f64],
    stack: &mut MemStack,
) {
    let (mut adjoint, stack) = stack.make_aligned_with(size * size, 64, |i| l_adjoint[i]);
    let (mut square, _) = stack.make_aligned_with(4 * BLOCK * BLOCK, 64, |_| 0.0);
    let mut end = size;
    while end > 0 {
        let start = (end - 1) / BLOCK * BLOCK;
        let matrix = view_mut(&mut adjoint, size, size);
        block_adjoint(start..end, view(l, size, size), matrix, &mut square);
        end = start;
    }
    for_lower(size, |i, j| {
        // On the diagonal once in all, elsewhere half on each triangle.
        let share = 0.5 * adjoint[i * size + j];
        a_adjoint[i * size + j] += share;
        a_adjoint[j * size + i] += share;
    });
}

/// One step back. With L = [·; R D; B C] around the block's rows and columns, of which D = chol(A_D − R Rᵀ) and
/// C = (A_C − B Rᵀ) D⁻ᵀ, the adjoints of D and C become those of A there, and those of R and B are completed.
fn block_adjoint(
    block: Range<usize>,
    l: MatRef<'_, f64>,
    adjoint: MatMut<'_, f64>,
    square: &mut [f64],
) {
    let Range { start, end } = block;
    let (count, below) = (end - start, l.nrows() - end);
    let (d, r) = (
        l.submatrix(start, start, count, count),
        l.submatrix(start, 0, count, start),
    );
    let (c, b) = (
        l.submatrix(end, start, below, count),
        l.submatrix(end, 0, below, start),
    );
    let (above, beneath) = adjoint.split_at_row_mut(end);
    let (mut b_adjoint, c_adjoint) = beneath.split_at_col_mut(start);
    let mut c_adjoint = c_adjoint.subcols_mut(0, count);
    let (_, rows) = above.split_at_row_mut(start);
    let (mut r_adjoint, d_adjoint) = rows.split_at_col_mut(start);
    let mut d_adjoint = d_adjoint.subcols_mut(0, count);

    solve_upper_triangular_in_place(d.transpose(), c_adjoint.as_mut().transpose_mut(), Par::Seq);
    let minus = -1.0;
    matmul(
        b_adjoint.as_mut(),
        Accum::Add,
        c_adjoint.as_ref(),
        r,
        minus,
        Par::Seq,
    );
    matmul(
        r_adjoint.as_mut(),
        Accum::Add,
        c_adjoint.as_ref().transpose(),
        b,
        minus,
        Par::Seq,
    );
    triangular::matmul(
        d_adjoint.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Add,
        c_adjoint.as_ref().transpose(),
        BlockStructure::Rectangular,
        c,
        BlockStructure::Rectangular,
        minus,
        Par::Seq,
    );
    // The row kernel wants its matrices without gaps.
    let mut parts = square
        .chunks_exact_mut(BLOCK * BLOCK)
        .map(|part| &mut part[..count * count]);
    let [factor, of_factor, found, work] = std::array::from_fn(|_| parts.next().expect("four"));
    view_mut(factor, count, count).copy_from(d);
    view_mut(of_factor, count, count).copy_from(d_adjoint.as_ref());
    found.fill(0.0);
    linear::add_cholesky_adjoint::<false>(count, factor, of_factor, found, work);
    let found = view(found, count, count);
    matmul(r_adjoint, Accum::Add, found, r, -2.0, Par::Seq);
    for i in 0..count {
        for j in 0..=i {
            let both = if i == j { 1.0 } else { 2.0 };
            d_adjoint[(i, j)] = both * found[(i, j)];
        }
    }
}

/// Copies the lower triangle to the upper one.
pub(super) fn mirror_lower(size: usize, matrix: &mut [f64]) {
    for_lower(size, |i, j| matrix[j * size + i] = matrix[i * size + j]);
}

/// X (size × columns) in place of B: L⁻¹ B.
pub fn solve_lower((size, columns): (usize, usize), l: &[f64], x: &mut [f64]) {
    solve_lower_triangular_in_place(view(l, size, size), view_mut(x, size, columns), Par::Seq);
}

/// X (size × columns) in place of B: L⁻ᵀ B.
pub fn solve_lower_transposed((size, columns): (usize, usize), l: &[f64], x: &mut [f64]) {
    let l = view(l, size, size).transpose();
    solve_upper_triangular_in_place(l, view_mut(x, size, columns), Par::Seq);
}

/// Subtracts the lower triangle of S Xᵀ (both size × columns) from `target` (size × size).
pub fn subtract_lower_outer(
    (size, columns): (usize, usize),
    s: &[f64],
    x: &[f64],
    target: &mut [f64],
) {
    triangular::matmul(
        view_mut(target, size, size),
        BlockStructure::TriangularLower,
        Accum::Add,
        view(s, size, columns),
        BlockStructure::Rectangular,
        view(x, size, columns).transpose(),
        BlockStructure::Rectangular,
        -1.0,
        Par::Seq,
    );
}

/// What [`multi_normal`] takes from its stack.
pub fn multi_normal_scratch(size: usize) -> StackReq {
    let inverse = llt_inverse::inverse_scratch::<f64>(size, Par::Seq);
    stack::numbers(size * size).and(cholesky_scratch(size).or(inverse))
}

/// The log density of a residual r under normal(0, K), all constants included, with K⁻¹ r and K⁻¹ for the adjoint.
/// If K is not positive definite the result is −∞ and the other outputs are zero.
pub fn multi_normal(
    size: usize,
    residual: &[f64],
    covariance: &[f64],
    solved: &mut [f64],
    inverse: &mut [f64],
    stack: &mut MemStack,
) -> f64 {
    let (mut factor, stack) = stack.make_aligned_with(size * size, 64, |_| 0.0);
    if factor_by_columns(size, covariance, &mut factor, stack).is_err() {
        solved.fill(0.0);
        inverse.fill(0.0);
        return f64::NEG_INFINITY;
    }
    let log_determinant: f64 = factor.iter().step_by(size + 1).map(|l| log(*l)).sum();
    let l = MatRef::from_column_major_slice(&factor, size, size);
    solved.copy_from_slice(residual);
    solve_lower_triangular_in_place(l, view_mut(solved, size, 1), Par::Seq);
    let square = dot::<false>(solved, solved);
    solve_upper_triangular_in_place(l.transpose(), view_mut(solved, size, 1), Par::Seq);
    let columns = MatMut::from_column_major_slice_mut(&mut *inverse, size, size);
    llt_inverse::inverse(columns, l, Par::Seq, stack);
    for_lower(size, |i, j| inverse[i * size + j] = inverse[j * size + i]);
    let constant = 0.5 * size as f64 * log(2.0 * std::f64::consts::PI);
    -0.5 * square - log_determinant - constant
}

#[cfg(test)]
mod tests;
