//! Dense algebra: wrappers of `likelier_runtime::math` that native code calls with sizes, then addresses of inputs, outputs
//! and working memory, all row-major. Small matrices have row kernels, compiled for each CPU level; large ones and
//! decompositions go to the library.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use likelier_runtime::math::stack::{MemStack, StackReq};
use likelier_runtime::math::{decompositions, large, linear};

use super::super::cpu::CpuLevel;
use super::super::symbols::Symbol;
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
        Dense::Solve { size, columns } => with_stack("likelier_dense_solve", vec![size, columns]),
        Dense::AddSolveAdjoint { size, columns } => {
            with_stack("likelier_dense_add_solve_adjoint", vec![size, columns])
        }
        Dense::Determinant { size } => with_stack("likelier_dense_determinant", vec![size]),
        Dense::AddDeterminantAdjoint { size } => {
            plain("likelier_dense_add_determinant_adjoint", vec![size])
        }
        Dense::EigenSymmetric { size } => with_stack("likelier_dense_eigen_symmetric", vec![size]),
        Dense::AddEigenSymmetricAdjoint { size } => {
            with_stack("likelier_dense_add_eigen_symmetric_adjoint", vec![size])
        }
        Dense::Qr { rows, columns } => with_stack("likelier_dense_qr", vec![rows, columns]),
        Dense::AddQrAdjoint { rows, columns } => {
            with_stack("likelier_dense_add_qr_adjoint", vec![rows, columns])
        }
        Dense::Sort { size } => plain("likelier_dense_sort", vec![size]),
        Dense::AddSortAdjoint { size } => plain("likelier_dense_add_sort_adjoint", vec![size]),
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
            "likelier_dense_large_product",
            vec![rows, inner, columns],
            StackReq::EMPTY,
        ),
        Dense::AddProduct {
            rows,
            inner,
            columns,
        } if large::is_large_product(rows, inner, columns) => (
            "likelier_dense_large_add_product",
            vec![rows, inner, columns],
            StackReq::EMPTY,
        ),
        Dense::AddTransposedProduct {
            rows,
            inner,
            columns,
        } if large::is_large_product(rows, inner, columns) => (
            "likelier_dense_large_add_transposed_product",
            vec![rows, inner, columns],
            StackReq::EMPTY,
        ),
        Dense::AddProductTransposed {
            rows,
            inner,
            columns,
        } if large::is_large_product(rows, inner, columns) => (
            "likelier_dense_large_add_product_transposed",
            vec![rows, inner, columns],
            StackReq::EMPTY,
        ),
        Dense::Cholesky { size } if large::is_large(size) => (
            "likelier_dense_large_cholesky",
            vec![size],
            large::cholesky_scratch(size),
        ),
        Dense::AddCholeskyAdjoint { size } if large::is_large(size) => (
            "likelier_dense_large_add_cholesky_adjoint",
            vec![size],
            large::cholesky_adjoint_scratch(size),
        ),
        Dense::SolveLower { size, columns } if large::is_large_solve(size, columns) => (
            "likelier_dense_large_solve_lower",
            vec![size, columns],
            StackReq::EMPTY,
        ),
        Dense::SolveLowerTransposed { size, columns } if large::is_large_solve(size, columns) => (
            "likelier_dense_large_solve_lower_transposed",
            vec![size, columns],
            StackReq::EMPTY,
        ),
        Dense::SubtractLowerOuter { size, columns }
            if large::is_large_product(size, columns, size) =>
        {
            (
                "likelier_dense_large_subtract_lower_outer",
                vec![size, columns],
                StackReq::EMPTY,
            )
        }
        Dense::MultiNormal { size } if large::is_large(size) => (
            "likelier_dense_large_multi_normal",
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

/// A kernel: its sizes, the lengths of the slices it reads, of those it writes, and its working memory, either numbers or a
/// stack of the library's.
macro_rules! dense_kernels {
    ($prefix:literal $attributes:tt $($name:ident($($size:ident),*) reads($($a:ident[$a_length:expr]),*)
        writes($($b:ident[$b_length:expr]),*) $(work($work:ident))? $(stack($stack:ident))? $body:block)*) => {
        $(dense_kernel! {
            $attributes $name($($size),*) reads($($a[$a_length]),*) writes($($b[$b_length]),*)
            $(work($work))? $(stack($stack))? $body
        })*

        pub(super) fn symbols() -> Vec<Symbol> {
            vec![$(Symbol {
                name: concat!("likelier_dense_", $prefix, stringify!($name)),
                address: $name as *const u8,
            }),*]
        }
    };
}

macro_rules! dense_kernel {
    ([$(#[$attribute:meta])*] $name:ident($($size:ident),*) reads($($a:ident[$a_length:expr]),*)
        writes($($b:ident[$b_length:expr]),*) $(work($work:ident))? $(stack($stack:ident))? $body:block) => {
        $(#[$attribute])*
        unsafe extern "C" fn $name($($size: usize,)* $($a: *const f64,)* $($b: *mut f64,)*
            $($work: *mut f64, length: usize,)? $($stack: *mut MaybeUninit<f64>, length: usize,)?) {
            $(
                // SAFETY: native code hands stretches of these lengths, and what is written overlaps nothing.
                let $a = unsafe { std::slice::from_raw_parts($a, $a_length) };
            )*
            $(
                // SAFETY: likewise.
                let $b = unsafe { std::slice::from_raw_parts_mut($b, $b_length) };
            )*
            $(
                // SAFETY: likewise.
                let $work = unsafe { std::slice::from_raw_parts_mut($work, length) };
            )?
            $(
                // SAFETY: likewise.
                let $stack = unsafe { std::slice::from_raw_parts_mut($stack, length) };
                let $stack = MemStack::new_any($stack);
            )?
            $body
        }
    };
}

macro_rules! level {
    ($level:ident $fma:literal $attributes:tt) => {
        mod $level {
            use super::*;

            dense_kernels! { "" $attributes
                clear(n) reads() writes(out[n]) { out.fill(0.0) }
                product(rows, inner, columns)
                    reads(a[rows * inner], b[inner * columns]) writes(c[rows * columns]) {
                    linear::product::<$fma>(inner, columns, a, b, c);
                }
                add_product(rows, inner, columns)
                    reads(a[rows * inner], b[inner * columns]) writes(c[rows * columns]) {
                    linear::add_product::<$fma>(inner, columns, a, b, c);
                }
                add_transposed_product(rows, inner, columns)
                    reads(a[rows * inner], b[inner * columns]) writes(c[rows * columns]) {
                    linear::add_transposed_product::<$fma>(rows, columns, a, b, c);
                }
                add_product_transposed(rows, inner, columns)
                    reads(a[rows * inner], b[inner * columns]) writes(c[rows * columns]) {
                    linear::add_product_transposed::<$fma>(inner, columns, a, b, c);
                }
                cholesky(size) reads(a[size * size]) writes(l[size * size]) {
                    if linear::cholesky::<$fma>(size, a, l).is_err() {
                        l.fill(f64::NAN);
                    }
                }
                add_cholesky_adjoint(size) reads(l[size * size], l_adjoint[size * size])
                    writes(a_adjoint[size * size]) work(work) {
                    linear::add_cholesky_adjoint::<$fma>(size, l, l_adjoint, a_adjoint, work);
                }
                solve_lower(size, columns)
                    reads(l[size * size], b[size * columns]) writes(x[size * columns]) {
                    x.copy_from_slice(b);
                    linear::solve_lower::<$fma>(size, columns, l, x);
                }
                solve_lower_transposed(size, columns)
                    reads(l[size * size], b[size * columns]) writes(x[size * columns]) {
                    x.copy_from_slice(b);
                    linear::solve_lower_transposed::<$fma>(size, columns, l, x);
                }
                subtract_lower_outer(size, columns)
                    reads(s[size * columns], x[size * columns]) writes(target[size * size]) {
                    linear::subtract_lower_outer::<$fma>(size, columns, s, x, target);
                }
                multi_normal(size) reads(residual[size], covariance[size * size])
                    writes(log[1], solved[size], inverse[size * size]) work(work) {
                    log[0] = linear::multi_normal::<$fma>(
                        size, residual, covariance, solved, inverse, work,
                    );
                }
                add_multi_normal_adjoint(size)
                    reads(seed[1], solved[size], inverse[size * size])
                    writes(residual_adjoint[size], covariance_adjoint[size * size]) {
                    linear::add_multi_normal_adjoint::<$fma>(
                        size, seed[0], solved, inverse, residual_adjoint, covariance_adjoint,
                    );
                }
            }
        }
    };
}

level! { portable false [] }
#[cfg(target_arch = "x86_64")]
level! { avx2 true [#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]] }
#[cfg(target_arch = "x86_64")]
level! { avx512 true [
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
] }

/// Decompositions and sorting, which have no levels.
mod decomposing {
    use super::*;

    dense_kernels! { "" []
        solve(size, columns) reads(a[size * size], b[size * columns])
            writes(x[size * columns]) stack(stack) {
            x.copy_from_slice(b);
            decompositions::solve((size, columns), a, x, stack);
        }
        add_solve_adjoint(size, columns)
            reads(a[size * size], x[size * columns], x_adjoint[size * columns])
            writes(a_adjoint[size * size], b_adjoint[size * columns]) stack(stack) {
            decompositions::add_solve_adjoint(
                (size, columns), (a, x, x_adjoint), a_adjoint, b_adjoint, stack,
            );
        }
        determinant(size) reads(a[size * size])
            writes(log[1], sign[1], inverse[size * size]) stack(stack) {
            (log[0], sign[0]) = decompositions::determinant(size, a, inverse, stack);
        }
        add_determinant_adjoint(size) reads(seed[1], inverse[size * size])
            writes(a_adjoint[size * size]) {
            decompositions::add_determinant_adjoint(size, seed[0], inverse, a_adjoint);
        }
        eigen_symmetric(size) reads(a[size * size])
            writes(values[size], vectors[size * size]) stack(stack) {
            decompositions::eigen_symmetric(size, a, values, vectors, stack);
        }
        add_eigen_symmetric_adjoint(size)
            reads(values[size], vectors[size * size], values_adjoint[size],
                vectors_adjoint[size * size])
            writes(a_adjoint[size * size]) stack(stack) {
            decompositions::add_eigen_symmetric_adjoint(
                size, (values, vectors), (values_adjoint, vectors_adjoint), a_adjoint, stack,
            );
        }
        qr(rows, columns) reads(a[rows * columns])
            writes(q[rows * columns], r[columns * columns]) stack(stack) {
            decompositions::qr((rows, columns), a, q, r, stack);
        }
        add_qr_adjoint(rows, columns)
            reads(q[rows * columns], r[columns * columns], q_adjoint[rows * columns],
                r_adjoint[columns * columns])
            writes(a_adjoint[rows * columns]) stack(stack) {
            decompositions::add_qr_adjoint(
                (rows, columns), (q, r), (q_adjoint, r_adjoint), a_adjoint, stack,
            );
        }
        sort(size) reads(x[size]) writes(sorted[size], places[size]) {
            decompositions::sort(x, sorted, places);
        }
        add_sort_adjoint(size) reads(places[size], sorted_adjoint[size])
            writes(x_adjoint[size]) {
            decompositions::add_sort_adjoint(places, sorted_adjoint, x_adjoint);
        }
    }
}

/// What the row kernels do, for large matrices.
mod of_large {
    use super::*;

    dense_kernels! { "large_" []
        product(rows, inner, columns) reads(a[rows * inner], b[inner * columns])
            writes(c[rows * columns]) {
            large::product((rows, inner, columns), a, b, c);
        }
        add_product(rows, inner, columns) reads(a[rows * inner], b[inner * columns])
            writes(c[rows * columns]) {
            large::add_product((rows, inner, columns), a, b, c);
        }
        add_transposed_product(rows, inner, columns) reads(a[rows * inner], b[inner * columns])
            writes(c[rows * columns]) {
            large::add_transposed_product((rows, inner, columns), a, b, c);
        }
        add_product_transposed(rows, inner, columns) reads(a[rows * inner], b[inner * columns])
            writes(c[rows * columns]) {
            large::add_product_transposed((rows, inner, columns), a, b, c);
        }
        cholesky(size) reads(a[size * size]) writes(l[size * size]) stack(stack) {
            if large::cholesky(size, a, l, stack).is_err() {
                l.fill(f64::NAN);
            }
        }
        add_cholesky_adjoint(size) reads(l[size * size], l_adjoint[size * size])
            writes(a_adjoint[size * size]) stack(stack) {
            large::add_cholesky_adjoint(size, l, l_adjoint, a_adjoint, stack);
        }
        solve_lower(size, columns) reads(l[size * size], b[size * columns])
            writes(x[size * columns]) {
            x.copy_from_slice(b);
            large::solve_lower((size, columns), l, x);
        }
        solve_lower_transposed(size, columns) reads(l[size * size], b[size * columns])
            writes(x[size * columns]) {
            x.copy_from_slice(b);
            large::solve_lower_transposed((size, columns), l, x);
        }
        subtract_lower_outer(size, columns) reads(s[size * columns], x[size * columns])
            writes(target[size * size]) {
            large::subtract_lower_outer((size, columns), s, x, target);
        }
        multi_normal(size) reads(residual[size], covariance[size * size])
            writes(log[1], solved[size], inverse[size * size]) stack(stack) {
            log[0] = large::multi_normal(size, residual, covariance, solved, inverse, stack);
        }
    }
}

pub(super) fn symbols(cpu: CpuLevel) -> Vec<Symbol> {
    let mut symbols = match cpu {
        #[cfg(target_arch = "x86_64")]
        CpuLevel::Avx2 => avx2::symbols(),
        #[cfg(target_arch = "x86_64")]
        CpuLevel::Avx512 => avx512::symbols(),
        _ => portable::symbols(),
    };
    symbols.extend(decomposing::symbols());
    symbols.extend(of_large::symbols());
    symbols
}
