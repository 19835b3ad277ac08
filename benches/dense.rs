//! Dense algebra by our row kernels and by the library, at the sizes between which `math::large` decides. The memory that a
//! call allocates is counted too: it should be none. Run with `cargo bench --bench dense`.
// Only to call functions compiled for instructions that were looked for first.
#![allow(unsafe_code)]

use divan::{AllocProfiler, Bencher, black_box};
use likelier_runtime::math::stack::{MemBuffer, MemStack, StackReq};
use likelier_runtime::math::{decompositions, large, linear};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SIZES: [usize; 9] = [4, 16, 32, 64, 96, 128, 192, 256, 512];

fn main() {
    divan::main();
}

/// Row kernels at the best level of this machine, as native code has them.
macro_rules! row_kernels {
    ($($name:ident($($argument:ident: $type:ty),*) = $function:ident;)*) => {
        mod avx512 {
            use super::linear;
            $(
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
                pub fn $name($($argument: $type),*) { let _ = linear::$function::<true>($($argument),*); }
            )*
        }
        mod avx2 {
            use super::linear;
            $(
                #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
                pub fn $name($($argument: $type),*) { let _ = linear::$function::<true>($($argument),*); }
            )*
        }
        mod rows {
            use super::{avx2, avx512, linear};
            $(
                pub fn $name($($argument: $type),*) {
                    if is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512dq")
                        && is_x86_feature_detected!("avx512vl")
                    {
                        // SAFETY: just looked for.
                        unsafe { avx512::$name($($argument),*) }
                    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                        // SAFETY: just looked for.
                        unsafe { avx2::$name($($argument),*) }
                    } else {
                        let _ = linear::$function::<false>($($argument),*);
                    }
                }
            )*
        }
    };
}

row_kernels! {
    product(inner: usize, columns: usize, a: &[f64], b: &[f64], c: &mut [f64]) = product;
    product_transposed(inner: usize, columns: usize, a: &[f64], b: &[f64], c: &mut [f64])
        = add_product_transposed;
    cholesky(size: usize, a: &[f64], l: &mut [f64]) = cholesky;
    cholesky_adjoint(size: usize, l: &[f64], l_adjoint: &[f64], a_adjoint: &mut [f64], work: &mut [f64])
        = add_cholesky_adjoint;
    solve(size: usize, columns: usize, l: &[f64], x: &mut [f64]) = solve_lower;
    solve_transposed(size: usize, columns: usize, l: &[f64], x: &mut [f64]) = solve_lower_transposed;
    outer(size: usize, columns: usize, s: &[f64], x: &[f64], target: &mut [f64]) = subtract_lower_outer;
    multi_normal(size: usize, residual: &[f64], covariance: &[f64], solved: &mut [f64],
        inverse: &mut [f64], work: &mut [f64]) = multi_normal;
}

/// A symmetric matrix with a heavy diagonal.
fn matrix(size: usize) -> Vec<f64> {
    (0..size * size)
        .map(|k| {
            let (i, j) = (k / size, k % size);
            if i == j {
                size as f64 + 1.0
            } else {
                ((i * j * 7 + i + j) % 13) as f64 / 13.0 - 0.5
            }
        })
        .collect()
}

fn factor(size: usize) -> Vec<f64> {
    let mut l = vec![0.0; size * size];
    linear::cholesky::<false>(size, &matrix(size), &mut l).expect("its diagonal is heavy");
    l
}

/// Times a call with a stack of the size it asks for.
fn timed(bencher: Bencher, scratch: StackReq, mut call: impl FnMut(&mut MemStack)) {
    let mut memory = MemBuffer::new(scratch);
    bencher.bench_local(|| call(MemStack::new(&mut memory)));
}

/// The same operation by rows and by the library.
macro_rules! pairs {
    ($($name:ident($size:ident, $out:ident) inputs { $($setup:tt)* }
        rows $rows:expr; library($scratch:expr, $stack:ident) $library:expr;)*) => {
        $(mod $name {
            use super::*;

            #[divan::bench(args = SIZES)]
            fn rows(bencher: Bencher, $size: usize) {
                let mut $out = vec![0.0; $size * $size];
                $($setup)*
                bencher.bench_local(|| { $rows; black_box(&mut $out); });
            }

            #[divan::bench(args = SIZES)]
            fn library(bencher: Bencher, $size: usize) {
                let mut $out = vec![0.0; $size * $size];
                $($setup)*
                timed(bencher, $scratch, |$stack| { $library; black_box(&mut $out); });
            }
        })*
    };
}

pairs! {
    product(n, c)
        inputs { let (a, b) = (matrix(n), matrix(n)); }
        rows rows::product(n, n, &a, &b, &mut c);
        library(StackReq::EMPTY, _stack) large::product((n, n, n), &a, &b, &mut c);
    product_of_four_columns(n, c)
        inputs { let (a, b) = (matrix(n), vec![0.5; n * 4]); }
        rows rows::product(n, 4, &a, &b, &mut c[..n * 4]);
        library(StackReq::EMPTY, _stack) large::product((n, n, 4), &a, &b, &mut c[..n * 4]);
    product_of_four(n, c)
        inputs { let (a, b) = (vec![0.5; n * 4], vec![0.5; n * 4]); }
        rows rows::product(4, n, &a, &b, &mut c);
        library(StackReq::EMPTY, _stack) large::product((n, 4, n), &a, &b, &mut c);
    product_transposed(n, c)
        inputs { let (a, b) = (matrix(n), matrix(n)); }
        rows rows::product_transposed(n, n, &a, &b, &mut c);
        library(StackReq::EMPTY, _stack) large::add_product_transposed((n, n, n), &a, &b, &mut c);
    cholesky(n, l)
        inputs { let a = matrix(n); }
        rows rows::cholesky(n, &a, &mut l);
        library(large::cholesky_scratch(n), stack) large::cholesky(n, &a, &mut l, stack).is_ok();
    cholesky_adjoint(n, a_adjoint)
        inputs { let (l, l_adjoint, mut work) = (factor(n), matrix(n), vec![0.0; n * n]); let _ = &mut work; }
        rows rows::cholesky_adjoint(n, &l, &l_adjoint, &mut a_adjoint, &mut work);
        library(large::cholesky_adjoint_scratch(n), stack)
            large::add_cholesky_adjoint(n, &l, &l_adjoint, &mut a_adjoint, stack);
    solve(n, x)
        inputs { let (l, b) = (factor(n), matrix(n)); }
        rows { x.copy_from_slice(&b); rows::solve(n, n, &l, &mut x) };
        library(StackReq::EMPTY, _stack) { x.copy_from_slice(&b); large::solve_lower((n, n), &l, &mut x) };
    solve_one(n, x)
        inputs { let (l, b) = (factor(n), matrix(n)); }
        rows { x[..n].copy_from_slice(&b[..n]); rows::solve(n, 1, &l, &mut x[..n]) };
        library(StackReq::EMPTY, _stack) {
            x[..n].copy_from_slice(&b[..n]);
            large::solve_lower((n, 1), &l, &mut x[..n])
        };
    solve_transposed(n, x)
        inputs { let (l, b) = (factor(n), matrix(n)); }
        rows { x.copy_from_slice(&b); rows::solve_transposed(n, n, &l, &mut x) };
        library(StackReq::EMPTY, _stack) {
            x.copy_from_slice(&b);
            large::solve_lower_transposed((n, n), &l, &mut x)
        };
    outer(n, target)
        inputs { let (s, x) = (matrix(n), matrix(n)); }
        rows rows::outer(n, n, &s, &x, &mut target);
        library(StackReq::EMPTY, _stack) large::subtract_lower_outer((n, n), &s, &x, &mut target);
    multi_normal(n, inverse)
        inputs {
            let (k, residual, mut solved) = (matrix(n), vec![0.5; n], vec![0.0; n]);
            let mut work = vec![0.0; n * n];
            let _ = &mut work;
        }
        rows rows::multi_normal(n, &residual, &k, &mut solved, &mut inverse, &mut work);
        library(large::multi_normal_scratch(n), stack)
            large::multi_normal(n, &residual, &k, &mut solved, &mut inverse, stack);
}

mod decompose {
    use super::*;

    #[divan::bench(args = [2, 4, 16, 64, 128, 256])]
    fn solve(bencher: Bencher, n: usize) {
        let (a, mut x) = (matrix(n), vec![1.0; n]);
        timed(bencher, decompositions::solve_scratch(n, 1), |stack| {
            decompositions::solve((n, 1), &a, &mut x, stack);
        });
    }

    #[divan::bench(args = [2, 4, 16, 64, 128, 256])]
    fn eigen_symmetric(bencher: Bencher, n: usize) {
        let (a, mut w, mut v) = (matrix(n), vec![0.0; n], vec![0.0; n * n]);
        timed(
            bencher,
            decompositions::eigen_symmetric_scratch(n),
            |stack| {
                decompositions::eigen_symmetric(n, &a, &mut w, &mut v, stack);
            },
        );
    }

    #[divan::bench(args = [2, 4, 16, 64, 128, 256])]
    fn qr(bencher: Bencher, n: usize) {
        let (a, mut q, mut r) = (matrix(n), vec![0.0; n * n], vec![0.0; n * n]);
        timed(bencher, decompositions::qr_scratch(n, n), |stack| {
            decompositions::qr((n, n), &a, &mut q, &mut r, stack);
        });
    }
}
