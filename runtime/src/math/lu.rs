//! LU factors with partial pivoting, by faer: what systems of equations, determinants and implicit steps of differential
//! equations share. A row-major matrix is a column-major one transposed, so the factors are those of Aᵀ, P Aᵀ = L U, and
//! solving with A and with Aᵀ change places; nothing is copied for it.

use faer::linalg::lu::partial_pivoting::{factor as library, solve as library_solve};
use faer::perm::PermRef;
use faer::{MatMut, MatRef, Par};

use super::special::log;
use super::stack::{MemStack, StackReq};

/// The storage that the functions here take from their stack, for right-hand sides of so many columns.
pub fn scratch(size: usize, columns: usize) -> StackReq {
    let factor =
        library::lu_in_place_scratch::<usize, f64>(size, size, Par::Seq, Default::default());
    factor.or(library_solve::solve_in_place_scratch::<usize, f64>(
        size,
        columns,
        Par::Seq,
    ))
}

/// Replaces a row-major matrix by its factors; `places` (2 size numbers) becomes the permutation and its inverse. Returns
/// the sign of the permutation, or `None` if the matrix is singular or not finite, and then holds nothing of use.
pub fn factor(
    size: usize,
    matrix: &mut [f64],
    places: &mut [usize],
    stack: &mut MemStack,
) -> Option<f64> {
    if matrix.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let (forward, inverse) = places.split_at_mut(size);
    let columns = MatMut::from_column_major_slice_mut(&mut *matrix, size, size);
    let settings = Default::default();
    let (info, _) = library::lu_in_place(columns, forward, inverse, Par::Seq, stack, settings);
    // A pivot of zero leaves infinities or NaN in those after it, if there are any.
    let is_regular = diagonal(size, matrix).all(|pivot| pivot != 0.0 && pivot.is_finite());
    let is_odd = info.transposition_count % 2 == 1;
    is_regular.then_some(if is_odd { -1.0 } else { 1.0 })
}

fn diagonal(size: usize, matrix: &[f64]) -> impl Iterator<Item = f64> {
    matrix.iter().copied().step_by(size + 1)
}

/// log |det A| and the sign of the determinant, given the factors and the sign of the permutation.
pub fn determinant(size: usize, factors: &[f64], sign: f64) -> (f64, f64) {
    diagonal(size, factors).fold((0.0, sign), |(sum, sign), pivot| {
        (sum + log(pivot.abs()), sign * pivot.signum())
    })
}

/// X (size × columns, row-major) in place of B: A⁻¹ B.
pub fn solve(
    (size, columns): (usize, usize),
    factors: &[f64],
    places: &[usize],
    x: &mut [f64],
    stack: &mut MemStack,
) {
    let (factors, permutation) = parts(size, factors, places);
    let x = MatMut::from_row_major_slice_mut(x, size, columns);
    library_solve::solve_transpose_in_place(factors, factors, permutation, x, Par::Seq, stack);
}

/// X (size × columns, row-major) in place of B: A⁻ᵀ B.
pub fn solve_transposed(
    (size, columns): (usize, usize),
    factors: &[f64],
    places: &[usize],
    x: &mut [f64],
    stack: &mut MemStack,
) {
    let (factors, permutation) = parts(size, factors, places);
    let x = MatMut::from_row_major_slice_mut(x, size, columns);
    library_solve::solve_in_place(factors, factors, permutation, x, Par::Seq, stack);
}

fn parts<'a>(
    size: usize,
    factors: &'a [f64],
    places: &'a [usize],
) -> (MatRef<'a, f64>, PermRef<'a, usize>) {
    let (forward, inverse) = places.split_at(size);
    (
        MatRef::from_column_major_slice(factors, size, size),
        PermRef::new_checked(forward, inverse, size),
    )
}
