//! Dense algebra: which kernel (`likelier_kernels`' `dense.rs`) computes an operation, and how it is called: with sizes, then
//! the addresses of inputs, outputs and working memory, all row-major. Small matrices have row kernels, compiled for each
//! CPU level; large ones and decompositions go to the library.

use likelier_runtime::math::large;
use likelier_runtime::math::stack::StackReq;

use super::super::cpu::CpuLevel;
use crate::math::primitive::Dense;

/// (n, out): out[i] = 0
pub(in super::super) const CLEAR: &str = "likelier_dense_clear";

/// How an operation is called.
pub(in super::super) struct Call {
    pub name: &'static str,
    /// What comes first.
    pub sizes: Vec<usize>,
    /// Numbers of working memory; if there is any, its address and this number come last.
    pub work: usize,
}

/// The one place where it is decided which kernel computes an operation at a level.
pub(in super::super) fn dense(operation: Dense, cpu: CpuLevel) -> Call {
    let with_work = |name, sizes, work| Call { name, sizes, work };
    let plain = |name, sizes| with_work(name, sizes, 0);
    let with_stack =
        |name, sizes| with_work(name, sizes, numbers(operation.decomposition_scratch()));
    if let Some(call) = large_call(operation, cpu) {
        return call;
    }
    match operation {
        Dense::Product {
            rows,
            inner,
            columns,
        } => plain("likelier_dense_product", vec![rows, inner, columns]),
        Dense::AddProduct {
            rows,
            inner,
            columns,
        } => plain("likelier_dense_add_product", vec![rows, inner, columns]),
        Dense::AddTransposedProduct {
            rows,
            inner,
            columns,
        } => plain(
            "likelier_dense_add_transposed_product",
            vec![rows, inner, columns],
        ),
        Dense::AddProductTransposed {
            rows,
            inner,
            columns,
        } => plain(
            "likelier_dense_add_product_transposed",
            vec![rows, inner, columns],
        ),
        Dense::Cholesky { size } => plain("likelier_dense_cholesky", vec![size]),
        Dense::AddCholeskyAdjoint { size } => with_work(
            "likelier_dense_add_cholesky_adjoint",
            vec![size],
            size * size,
        ),
        Dense::SolveLower { size, columns } => {
            plain("likelier_dense_solve_lower", vec![size, columns])
        }
        Dense::SolveLowerTransposed { size, columns } => {
            plain("likelier_dense_solve_lower_transposed", vec![size, columns])
        }
        Dense::SubtractLowerOuter { size, columns } => {
            plain("likelier_dense_subtract_lower_outer", vec![size, columns])
        }
        Dense::MultiNormal { size } => {
            with_work("likelier_dense_multi_normal", vec![size], size * size)
        }
        Dense::AddMultiNormalAdjoint { size } => {
            plain("likelier_dense_add_multi_normal_adjoint", vec![size])
        }
        Dense::Solve { size, columns } => with_stack("likelier_common_solve", vec![size, columns]),
        Dense::AddSolveAdjoint { size, columns } => {
            with_stack("likelier_common_add_solve_adjoint", vec![size, columns])
        }
        Dense::Determinant { size } => with_stack("likelier_common_determinant", vec![size]),
        Dense::AddDeterminantAdjoint { size } => {
            plain("likelier_common_add_determinant_adjoint", vec![size])
        }
        Dense::EigenSymmetric { size } => with_stack("likelier_common_eigen_symmetric", vec![size]),
        Dense::AddEigenSymmetricAdjoint { size } => {
            with_stack("likelier_common_add_eigen_symmetric_adjoint", vec![size])
        }
        Dense::Qr { rows, columns } => with_stack("likelier_common_qr", vec![rows, columns]),
        Dense::AddQrAdjoint { rows, columns } => {
            with_stack("likelier_common_add_qr_adjoint", vec![rows, columns])
        }
        Dense::Sort { size } => plain("likelier_common_sort", vec![size]),
        Dense::AddSortAdjoint { size } => plain("likelier_common_add_sort_adjoint", vec![size]),
        Dense::Ode(_) | Dense::AddOdeAdjoint { .. } => {
            unreachable!("differential equations have functions of their own to call")
        }
    }
}

/// The kernel for large matrices, where there is one and the matrices are large. At the portable level of x86-64 there is
/// none, so that it gives the same bits on every such machine.
fn large_call(operation: Dense, cpu: CpuLevel) -> Option<Call> {
    if cfg!(target_arch = "x86_64") && cpu == CpuLevel::Portable {
        return None;
    }
    let (name, sizes, stack) = match operation {
        Dense::Product {
            rows,
            inner,
            columns,
        } if large::is_large_product(rows, inner, columns) => (
            "likelier_common_large_product",
            vec![rows, inner, columns],
            StackReq::EMPTY,
        ),
        Dense::AddProduct {
            rows,
            inner,
            columns,
        } if large::is_large_product(rows, inner, columns) => (
            "likelier_common_large_add_product",
            vec![rows, inner, columns],
            StackReq::EMPTY,
        ),
        Dense::AddTransposedProduct {
            rows,
            inner,
            columns,
        } if large::is_large_product(rows, inner, columns) => (
            "likelier_common_large_add_transposed_product",
            vec![rows, inner, columns],
            StackReq::EMPTY,
        ),
        Dense::AddProductTransposed {
            rows,
            inner,
            columns,
        } if large::is_large_product(rows, inner, columns) => (
            "likelier_common_large_add_product_transposed",
            vec![rows, inner, columns],
            StackReq::EMPTY,
        ),
        Dense::Cholesky { size } if large::is_large(size) => (
            "likelier_common_large_cholesky",
            vec![size],
            large::cholesky_scratch(size),
        ),
        Dense::AddCholeskyAdjoint { size } if large::is_large(size) => (
            "likelier_common_large_add_cholesky_adjoint",
            vec![size],
            large::cholesky_adjoint_scratch(size),
        ),
        Dense::SolveLower { size, columns } if large::is_large_solve(size, columns) => (
            "likelier_common_large_solve_lower",
            vec![size, columns],
            StackReq::EMPTY,
        ),
        Dense::SolveLowerTransposed { size, columns } if large::is_large_solve(size, columns) => (
            "likelier_common_large_solve_lower_transposed",
            vec![size, columns],
            StackReq::EMPTY,
        ),
        Dense::SubtractLowerOuter { size, columns }
            if large::is_large_product(size, columns, size) =>
        {
            (
                "likelier_common_large_subtract_lower_outer",
                vec![size, columns],
                StackReq::EMPTY,
            )
        }
        Dense::MultiNormal { size } if large::is_large(size) => (
            "likelier_common_large_multi_normal",
            vec![size],
            large::multi_normal_scratch(size),
        ),
        _ => return None,
    };
    let work = numbers(stack);
    Some(Call { name, sizes, work })
}

/// How many numbers hold what a stack must hold, wherever they begin.
fn numbers(stack: StackReq) -> usize {
    stack.unaligned_bytes_required().div_ceil(8)
}
