//! Dense algebra: wrappers of `likelier_runtime::math` that native code calls with sizes, then addresses of inputs, outputs
//! and working memory, all row-major. Small matrices have row kernels, compiled for each CPU level; large ones and
//! decompositions go to the library.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use likelier_runtime::math::stack::MemStack;
use likelier_runtime::math::{decompositions, large, linear};

use crate::level::Level;
use crate::symbol::{Symbol, symbols};

/// A kernel: its sizes, the lengths of the slices it reads, of those it writes, and its working memory, either numbers or a
/// stack of the library's.
macro_rules! dense_kernels {
    ($prefix:expr, $attributes:tt $($name:ident($($size:ident),*) reads($($a:ident[$a_length:expr]),*)
        writes($($b:ident[$b_length:expr]),*) $(work($work:ident))? $(stack($stack:ident))? $body:block)*) => {
        $(dense_kernel! {
            $prefix, $attributes $name($($size),*) reads($($a[$a_length]),*) writes($($b[$b_length]),*)
            $(work($work))? $(stack($stack))? $body
        })*

        pub(super) fn symbols() -> Vec<Symbol> {
            symbols!(concat!("likelier_", $prefix); $($name)*)
        }
    };
}

macro_rules! dense_kernel {
    ($prefix:expr, [$(#[$attribute:meta])*] $name:ident($($size:ident),*) reads($($a:ident[$a_length:expr]),*)
        writes($($b:ident[$b_length:expr]),*) $(work($work:ident))? $(stack($stack:ident))? $body:block) => {
        $(#[$attribute])*
        #[unsafe(export_name = concat!("likelier_", $prefix, stringify!($name)))]
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
    ($module:ident $level:literal $fma:literal $attributes:tt) => {
        mod $module {
            use super::*;

            dense_kernels! { concat!($level, "_dense_"), $attributes
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

level! { portable "portable" false [] }
#[cfg(target_arch = "x86_64")]
level! { avx2 "avx2" true [#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]] }
#[cfg(target_arch = "x86_64")]
level! { avx512 "avx512" true [
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
] }

/// Decompositions and sorting, which have no levels.
mod decomposing {
    use super::*;

    dense_kernels! { "common_", []
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

    dense_kernels! { "common_large_", []
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

pub(crate) fn symbols(level: Level) -> Vec<Symbol> {
    let mut symbols = match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::symbols(),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512::symbols(),
        Level::Portable => portable::symbols(),
    };
    symbols.extend(decomposing::symbols());
    symbols.extend(of_large::symbols());
    symbols
}
