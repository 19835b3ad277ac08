//! Dense algebra: wrappers of `likelier_runtime::math::linear` that native code calls with sizes, then addresses of
//! inputs, outputs and working memory, all row-major.
#![allow(unsafe_code)]

use likelier_runtime::math::{decompositions, linear};

use super::super::cpu::CpuLevel;
use super::super::symbols::Symbol;
use crate::math::primitive::Dense;

/// (n, out): out[i] = 0
pub(in super::super) const CLEAR: &str = "likelier_dense_clear";

/// The kernel of an operation, the sizes it is called with, and the numbers of working memory it takes as its last
/// argument, if any.
pub(in super::super) fn dense(operation: Dense) -> (&'static str, Vec<usize>, usize) {
    match operation {
        Dense::Product {
            rows,
            inner,
            columns,
        } => ("likelier_dense_product", vec![rows, inner, columns], 0),
        Dense::AddProduct {
            rows,
            inner,
            columns,
        } => ("likelier_dense_add_product", vec![rows, inner, columns], 0),
        Dense::AddTransposedProduct {
            rows,
            inner,
            columns,
        } => (
            "likelier_dense_add_transposed_product",
            vec![rows, inner, columns],
            0,
        ),
        Dense::AddProductTransposed {
            rows,
            inner,
            columns,
        } => (
            "likelier_dense_add_product_transposed",
            vec![rows, inner, columns],
            0,
        ),
        Dense::Cholesky { size } => ("likelier_dense_cholesky", vec![size], 0),
        Dense::AddCholeskyAdjoint { size } => (
            "likelier_dense_add_cholesky_adjoint",
            vec![size],
            size * size,
        ),
        Dense::SolveLower { size, columns } => {
            ("likelier_dense_solve_lower", vec![size, columns], 0)
        }
        Dense::SolveLowerTransposed { size, columns } => (
            "likelier_dense_solve_lower_transposed",
            vec![size, columns],
            0,
        ),
        Dense::SubtractLowerOuter { size, columns } => (
            "likelier_dense_subtract_lower_outer",
            vec![size, columns],
            0,
        ),
        Dense::MultiNormal { size } => ("likelier_dense_multi_normal", vec![size], size * size),
        Dense::AddMultiNormalAdjoint { size } => {
            ("likelier_dense_add_multi_normal_adjoint", vec![size], 0)
        }
        Dense::Solve { size, columns } => {
            ("likelier_dense_solve", vec![size, columns], size * size)
        }
        Dense::AddSolveAdjoint { size, columns } => (
            "likelier_dense_add_solve_adjoint",
            vec![size, columns],
            size * (size + columns),
        ),
        Dense::Determinant { size } => ("likelier_dense_determinant", vec![size], size * size),
        Dense::AddDeterminantAdjoint { size } => {
            ("likelier_dense_add_determinant_adjoint", vec![size], 0)
        }
        Dense::EigenSymmetric { size } => (
            "likelier_dense_eigen_symmetric",
            vec![size],
            2 * size * size,
        ),
        Dense::AddEigenSymmetricAdjoint { size } => (
            "likelier_dense_add_eigen_symmetric_adjoint",
            vec![size],
            2 * size * size,
        ),
        Dense::Qr { rows, columns } => ("likelier_dense_qr", vec![rows, columns], rows * columns),
        Dense::AddQrAdjoint { rows, columns } => (
            "likelier_dense_add_qr_adjoint",
            vec![rows, columns],
            columns * (columns + 1),
        ),
        Dense::Sort { size } => ("likelier_dense_sort", vec![size], 0),
        Dense::AddSortAdjoint { size } => ("likelier_dense_add_sort_adjoint", vec![size], 0),
        Dense::Ode(_) | Dense::AddOdeAdjoint { .. } => {
            unreachable!("differential equations have functions of their own to call")
        }
    }
}

/// A kernel: its sizes, the lengths of the slices it reads, and of those it writes.
macro_rules! dense_kernels {
    ($attributes:tt $($name:ident($($size:ident),*) reads($($a:ident[$a_length:expr]),*)
        writes($($b:ident[$b_length:expr]),*) $body:block)*) => {
        $(dense_kernel! {
            $attributes $name($($size),*) reads($($a[$a_length]),*) writes($($b[$b_length]),*) $body
        })*

        pub(super) fn symbols() -> Vec<Symbol> {
            vec![$(Symbol {
                name: concat!("likelier_dense_", stringify!($name)),
                address: $name as *const u8,
            }),*]
        }
    };
}

macro_rules! dense_kernel {
    ([$(#[$attribute:meta])*] $name:ident($($size:ident),*) reads($($a:ident[$a_length:expr]),*)
        writes($($b:ident[$b_length:expr]),*) $body:block) => {
        $(#[$attribute])*
        unsafe extern "C" fn $name($($size: usize,)* $($a: *const f64,)* $($b: *mut f64),*) {
            $(
                // SAFETY: native code hands stretches of these lengths, and what is written overlaps nothing.
                let $a = unsafe { std::slice::from_raw_parts($a, $a_length) };
            )*
            $(
                // SAFETY: likewise.
                let $b = unsafe { std::slice::from_raw_parts_mut($b, $b_length) };
            )*
            $body
        }
    };
}

macro_rules! level {
    ($level:ident $fma:literal $attributes:tt) => {
        mod $level {
            use super::*;

            dense_kernels! { $attributes
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
                    writes(a_adjoint[size * size], work[size * size]) {
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
                    writes(log[1], solved[size], inverse[size * size], work[size * size]) {
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
                solve(size, columns)
                    reads(a[size * size], b[size * columns])
                    writes(x[size * columns], work[size * size]) {
                    x.copy_from_slice(b);
                    decompositions::solve::<$fma>(size, columns, a, x, work);
                }
                add_solve_adjoint(size, columns)
                    reads(a[size * size], x[size * columns], x_adjoint[size * columns])
                    writes(a_adjoint[size * size], b_adjoint[size * columns],
                        work[size * (size + columns)]) {
                    decompositions::add_solve_adjoint::<$fma>(
                        (size, columns), (a, x, x_adjoint), a_adjoint, b_adjoint, work,
                    );
                }
                determinant(size) reads(a[size * size])
                    writes(log[1], sign[1], inverse[size * size], work[size * size]) {
                    (log[0], sign[0]) =
                        decompositions::determinant::<$fma>(size, a, inverse, work);
                }
                add_determinant_adjoint(size) reads(seed[1], inverse[size * size])
                    writes(a_adjoint[size * size]) {
                    decompositions::add_determinant_adjoint(size, seed[0], inverse, a_adjoint);
                }
                eigen_symmetric(size) reads(a[size * size])
                    writes(values[size], vectors[size * size], work[2 * size * size]) {
                    decompositions::eigen_symmetric::<$fma>(size, a, values, vectors, work);
                }
                add_eigen_symmetric_adjoint(size)
                    reads(values[size], vectors[size * size], values_adjoint[size],
                        vectors_adjoint[size * size])
                    writes(a_adjoint[size * size], work[2 * size * size]) {
                    decompositions::add_eigen_symmetric_adjoint::<$fma>(
                        size, (values, vectors), (values_adjoint, vectors_adjoint), a_adjoint, work,
                    );
                }
                qr(rows, columns) reads(a[rows * columns])
                    writes(q[rows * columns], r[columns * columns], work[rows * columns]) {
                    decompositions::qr::<$fma>(rows, columns, a, q, r, work);
                }
                add_qr_adjoint(rows, columns)
                    reads(q[rows * columns], r[columns * columns], q_adjoint[rows * columns],
                        r_adjoint[columns * columns])
                    writes(a_adjoint[rows * columns], work[columns * (columns + 1)]) {
                    decompositions::add_qr_adjoint::<$fma>(
                        columns, (q, r), (q_adjoint, r_adjoint), a_adjoint, work,
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
    };
}

level! { portable false [] }
#[cfg(target_arch = "x86_64")]
level! { avx2 true [#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]] }
#[cfg(target_arch = "x86_64")]
level! { avx512 true [
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
] }

pub(super) fn symbols(cpu: CpuLevel) -> Vec<Symbol> {
    match cpu {
        #[cfg(target_arch = "x86_64")]
        CpuLevel::Avx2 => avx2::symbols(),
        #[cfg(target_arch = "x86_64")]
        CpuLevel::Avx512 => avx512::symbols(),
        _ => portable::symbols(),
    }
}
