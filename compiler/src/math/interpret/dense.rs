//! Dense algebra by definition, without blocking or other cleverness, as the oracle for the native kernels. Decompositions
//! are those of the runtime, whose own tests check what defines them.

use likelier_runtime::math::decompositions;
use likelier_runtime::math::stack::{MemBuffer, MemStack};

use super::super::primitive::Dense;

/// Computes the outputs, or adds to them, as the operation says.
pub fn evaluate(operation: Dense, inputs: &[Vec<f64>], outputs: &mut [Vec<f64>]) {
    match operation {
        Dense::Product {
            rows,
            inner,
            columns,
        } => {
            outputs[0].fill(0.0);
            let strides = ([inner, 1], [columns, 1]);
            add_product(rows, inner, columns, strides, inputs, &mut outputs[0]);
        }
        Dense::AddProduct {
            rows,
            inner,
            columns,
        } => {
            let strides = ([inner, 1], [columns, 1]);
            add_product(rows, inner, columns, strides, inputs, &mut outputs[0]);
        }
        Dense::AddTransposedProduct {
            rows,
            inner,
            columns,
        } => {
            let strides = ([1, rows], [columns, 1]);
            add_product(rows, inner, columns, strides, inputs, &mut outputs[0]);
        }
        Dense::AddProductTransposed {
            rows,
            inner,
            columns,
        } => {
            let strides = ([inner, 1], [1, inner]);
            add_product(rows, inner, columns, strides, inputs, &mut outputs[0]);
        }
        Dense::Cholesky { size } => outputs[0] = cholesky(size, &inputs[0]),
        Dense::AddCholeskyAdjoint { size } => {
            add_cholesky_adjoint(size, &inputs[0], &inputs[1], &mut outputs[0]);
        }
        Dense::SolveLower { size, columns } => {
            outputs[0].copy_from_slice(&inputs[1]);
            solve_lower(size, columns, &inputs[0], &mut outputs[0]);
        }
        Dense::SolveLowerTransposed { size, columns } => {
            outputs[0].copy_from_slice(&inputs[1]);
            solve_lower_transposed(size, columns, &inputs[0], &mut outputs[0]);
        }
        Dense::SubtractLowerOuter { size, columns } => {
            for i in 0..size {
                for j in 0..=i {
                    let (s, x) = (&inputs[0][i * columns..], &inputs[1][j * columns..]);
                    let sum: f64 = (0..columns).map(|k| s[k] * x[k]).sum();
                    outputs[0][i * size + j] -= sum;
                }
            }
        }
        Dense::MultiNormal { size } => multi_normal(size, inputs, outputs),
        Dense::AddMultiNormalAdjoint { size } => {
            let (seed, alpha, inverse) = (inputs[0][0], &inputs[1], &inputs[2]);
            for i in 0..size {
                outputs[0][i] -= seed * alpha[i];
                for j in 0..size {
                    let k = i * size + j;
                    outputs[1][k] += seed * 0.5 * (alpha[i] * alpha[j] - inverse[k]);
                }
            }
        }
        _ => decomposition(operation, inputs, outputs),
    }
}

fn decomposition(operation: Dense, inputs: &[Vec<f64>], outputs: &mut [Vec<f64>]) {
    let mut memory = MemBuffer::new(operation.decomposition_scratch());
    let stack = MemStack::new(&mut memory);
    let (first, rest) = outputs.split_first_mut().expect("at least one output");
    match operation {
        Dense::Solve { size, columns } => {
            first.copy_from_slice(&inputs[1]);
            decompositions::solve((size, columns), &inputs[0], first, stack);
        }
        Dense::AddSolveAdjoint { size, columns } => {
            let read = (&inputs[0][..], &inputs[1][..], &inputs[2][..]);
            decompositions::add_solve_adjoint((size, columns), read, first, &mut rest[0], stack);
        }
        Dense::Determinant { size } => {
            let (log, sign) = decompositions::determinant(size, &inputs[0], &mut rest[1], stack);
            first[0] = log;
            rest[0][0] = sign;
        }
        Dense::AddDeterminantAdjoint { size } => {
            decompositions::add_determinant_adjoint(size, inputs[0][0], &inputs[1], first);
        }
        Dense::EigenSymmetric { size } => {
            decompositions::eigen_symmetric(size, &inputs[0], first, &mut rest[0], stack);
        }
        Dense::AddEigenSymmetricAdjoint { size } => {
            let (found, adjoints) = (
                (&inputs[0][..], &inputs[1][..]),
                (&inputs[2][..], &inputs[3][..]),
            );
            decompositions::add_eigen_symmetric_adjoint(size, found, adjoints, first, stack);
        }
        Dense::Qr { rows, columns } => {
            decompositions::qr((rows, columns), &inputs[0], first, &mut rest[0], stack);
        }
        Dense::AddQrAdjoint { rows, columns } => {
            let (found, adjoints) = (
                (&inputs[0][..], &inputs[1][..]),
                (&inputs[2][..], &inputs[3][..]),
            );
            decompositions::add_qr_adjoint((rows, columns), found, adjoints, first, stack);
        }
        Dense::Sort { .. } => decompositions::sort(&inputs[0], first, &mut rest[0]),
        Dense::AddSortAdjoint { .. } => {
            decompositions::add_sort_adjoint(&inputs[0], &inputs[1], first);
        }
        other => unreachable!("{other:?} is evaluated above"),
    }
}

/// Whether the operation factorises a matrix of finite numbers that has no Cholesky factor.
pub fn is_indefinite(operation: Dense, inputs: &[Vec<f64>]) -> bool {
    let (size, matrix) = match operation {
        Dense::Cholesky { size } => (size, &inputs[0]),
        Dense::MultiNormal { size } => (size, &inputs[1]),
        _ => return false,
    };
    let is_finite = matrix.iter().all(|x| x.is_finite());
    is_finite && cholesky(size, matrix).iter().any(|x| x.is_nan())
}

fn add_product(
    rows: usize,
    inner: usize,
    columns: usize,
    strides: ([usize; 2], [usize; 2]),
    inputs: &[Vec<f64>],
    output: &mut [f64],
) {
    let (a, b) = strides;
    for i in 0..rows {
        for j in 0..columns {
            let sum: f64 = (0..inner)
                .map(|k| inputs[0][i * a[0] + k * a[1]] * inputs[1][k * b[0] + j * b[1]])
                .sum();
            output[i * columns + j] += sum;
        }
    }
}

/// L with L Lᵀ = A, or NaN throughout.
fn cholesky(size: usize, a: &[f64]) -> Vec<f64> {
    let mut l = vec![0.0; size * size];
    for i in 0..size {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| l[i * size + k] * l[j * size + k]).sum();
            let rest = a[i * size + j] - sum;
            if i > j {
                l[i * size + j] = rest / l[j * size + j];
            } else if rest > 0.0 {
                l[i * size + i] = rest.sqrt();
            } else {
                return vec![f64::NAN; size * size];
            }
        }
    }
    l
}

/// The loops of `cholesky` backwards. What reaches the lower triangle of A is split between both triangles.
fn add_cholesky_adjoint(size: usize, l: &[f64], adjoint: &[f64], output: &mut [f64]) {
    let mut l_adjoint = adjoint.to_vec();
    for i in (0..size).rev() {
        for j in (0..=i).rev() {
            let (ij, jj) = (i * size + j, j * size + j);
            let rest = if i > j {
                let rest = l_adjoint[ij] / l[jj];
                l_adjoint[jj] -= rest * l[ij];
                rest
            } else {
                0.5 * l_adjoint[ij] / l[ij]
            };
            for k in 0..j {
                l_adjoint[i * size + k] -= rest * l[j * size + k];
                l_adjoint[j * size + k] -= rest * l[i * size + k];
            }
            output[ij] += 0.5 * rest;
            output[j * size + i] += 0.5 * rest;
        }
    }
}

fn solve_lower(size: usize, columns: usize, l: &[f64], x: &mut [f64]) {
    for c in 0..columns {
        for i in 0..size {
            let sum: f64 = (0..i).map(|k| l[i * size + k] * x[k * columns + c]).sum();
            x[i * columns + c] = (x[i * columns + c] - sum) / l[i * size + i];
        }
    }
}

fn solve_lower_transposed(size: usize, columns: usize, l: &[f64], x: &mut [f64]) {
    for c in 0..columns {
        for i in (0..size).rev() {
            let sum: f64 = (i + 1..size)
                .map(|k| l[k * size + i] * x[k * columns + c])
                .sum();
            x[i * columns + c] = (x[i * columns + c] - sum) / l[i * size + i];
        }
    }
}

/// −½ rᵀ K⁻¹ r − Σ log L_ii − ½ n log 2π, with K⁻¹ r and K⁻¹.
fn multi_normal(size: usize, inputs: &[Vec<f64>], outputs: &mut [Vec<f64>]) {
    let l = cholesky(size, &inputs[1]);
    if size > 0 && l[0].is_nan() {
        outputs.iter_mut().for_each(|output| output.fill(0.0));
        outputs[0][0] = f64::NEG_INFINITY;
        return;
    }
    let residual = &inputs[0];
    outputs[1].copy_from_slice(residual);
    solve_lower(size, 1, &l, &mut outputs[1]);
    solve_lower_transposed(size, 1, &l, &mut outputs[1]);
    outputs[2].fill(0.0);
    (0..size).for_each(|i| outputs[2][i * size + i] = 1.0);
    solve_lower(size, size, &l, &mut outputs[2]);
    solve_lower_transposed(size, size, &l, &mut outputs[2]);
    let square: f64 = residual.iter().zip(&outputs[1]).map(|(r, a)| r * a).sum();
    let logs: f64 = (0..size).map(|i| l[i * size + i].ln()).sum();
    let constant = 0.5 * size as f64 * (2.0 * std::f64::consts::PI).ln();
    outputs[0][0] = -0.5 * square - logs - constant;
}
