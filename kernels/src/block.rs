//! Elementwise kernels: one operation on a block of numbers, with operands that are blocks (`v`) or single numbers
//! (`s`). Truth values are 0 and 1. Sums run in eight lanes that are then added pairwise, at every level, so that levels
//! differ only where one of them fuses a multiplication with an addition.
#![allow(unsafe_code)]

use likelier_runtime::math::{block, special};

use crate::level::Level;
use crate::symbol::{Symbol, symbols};

#[inline(always)]
fn multiply_add_lane<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { b.mul_add(c, a) } else { a + b * c }
}

#[inline(always)]
fn truth(condition: bool) -> f64 {
    if condition { 1.0 } else { 0.0 }
}

/// Eight running sums, added pairwise at the end.
#[inline(always)]
fn sum_lanes(
    terms: impl ExactSizeIterator<Item = [f64; 8]>,
    rest: impl Iterator<Item = f64>,
) -> f64 {
    let mut lanes = [0.0; 8];
    for eight in terms {
        for (lane, term) in lanes.iter_mut().zip(eight) {
            *lane += term;
        }
    }
    for (lane, term) in lanes.iter_mut().zip(rest) {
        *lane += term;
    }
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
        + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}

#[inline(always)]
fn sum_of(a: &[f64]) -> f64 {
    let (eights, rest) = a.as_chunks::<8>();
    sum_lanes(eights.iter().copied(), rest.iter().copied())
}

#[inline(always)]
fn dot_of<const FMA: bool>(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for k in 0..8 {
            lanes[k] = multiply_add_lane::<FMA>(lanes[k], a[k], b[k]);
        }
    }
    for (k, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[k] = multiply_add_lane::<FMA>(lanes[k], *a, *b);
    }
    sum_lanes([].iter().copied(), lanes.into_iter())
}

macro_rules! unary_kernels {
    ($level:literal $attributes:tt $($name:ident $function:expr;)*) => {
        $(unary_kernel! { $level $attributes $name $function })*

        fn unary_symbols() -> Vec<Symbol> {
            symbols!(concat!("likelier_", $level, "_block_"); $($name)*)
        }
    };
}

macro_rules! unary_kernel {
    ($level:literal [$(#[$attribute:meta])*] $name:ident $function:expr) => {
        $(#[$attribute])*
        #[unsafe(export_name = concat!("likelier_", $level, "_block_", stringify!($name)))]
        unsafe extern "C" fn $name(out: *mut f64, a: *const f64, n: usize) {
            // SAFETY: native code hands blocks of n numbers that do not overlap.
            let (out, a) = unsafe { (slice_mut(out, n), slice(a, n)) };
            for (out, &a) in out.iter_mut().zip(a) {
                *out = $function(a);
            }
        }
    };
}

macro_rules! binary_kernels {
    ($level:literal $attributes:tt $($vv:ident $vs:ident $sv:ident $function:expr;)*) => {
        $(binary_kernel! { $level $attributes $vv $vs $sv $function })*

        fn binary_symbols() -> Vec<Symbol> {
            symbols!(concat!("likelier_", $level, "_block_"); $($vv $vs $sv)*)
        }
    };
}

macro_rules! binary_kernel {
    ($level:literal [$(#[$attribute:meta])*] $vv:ident $vs:ident $sv:ident $function:expr) => {
        $(#[$attribute])*
        #[unsafe(export_name = concat!("likelier_", $level, "_block_", stringify!($vv)))]
        unsafe extern "C" fn $vv(out: *mut f64, a: *const f64, b: *const f64, n: usize) {
            // SAFETY: as for all kernels of this file.
            let (out, a, b) = unsafe { (slice_mut(out, n), slice(a, n), slice(b, n)) };
            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *out = $function(a, b);
            }
        }

        $(#[$attribute])*
        #[unsafe(export_name = concat!("likelier_", $level, "_block_", stringify!($vs)))]
        unsafe extern "C" fn $vs(out: *mut f64, a: *const f64, b: f64, n: usize) {
            // SAFETY: as for all kernels of this file.
            let (out, a) = unsafe { (slice_mut(out, n), slice(a, n)) };
            for (out, &a) in out.iter_mut().zip(a) {
                *out = $function(a, b);
            }
        }

        $(#[$attribute])*
        #[unsafe(export_name = concat!("likelier_", $level, "_block_", stringify!($sv)))]
        unsafe extern "C" fn $sv(out: *mut f64, a: f64, b: *const f64, n: usize) {
            // SAFETY: as for all kernels of this file.
            let (out, b) = unsafe { (slice_mut(out, n), slice(b, n)) };
            for (out, &b) in out.iter_mut().zip(b) {
                *out = $function(a, b);
            }
        }
    };
}

/// Kernels of other shapes: a name, its arguments, and its body.
macro_rules! other_kernels {
    ($level:literal $attributes:tt $($name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {
        $(other_kernel! { $level $attributes $name($($argument: $type),*) $(-> $result)? $body })*

        fn other_symbols() -> Vec<Symbol> {
            symbols!(concat!("likelier_", $level, "_block_"); $($name)*)
        }
    };
}

macro_rules! other_kernel {
    ($level:literal [$(#[$attribute:meta])*] $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        $(#[$attribute])*
        #[unsafe(export_name = concat!("likelier_", $level, "_block_", stringify!($name)))]
        unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? $body
    };
}

/// # Safety
/// `start` points to `n` numbers that nobody writes to while the slice is in use.
#[inline(always)]
unsafe fn slice<'a, T>(start: *const T, n: usize) -> &'a [T] {
    unsafe { std::slice::from_raw_parts(start, n) }
}

/// # Safety
/// `start` points to `n` numbers that nobody else uses while the slice is in use.
#[inline(always)]
unsafe fn slice_mut<'a>(start: *mut f64, n: usize) -> &'a mut [f64] {
    unsafe { std::slice::from_raw_parts_mut(start, n) }
}

macro_rules! level {
    ($module:ident $level:literal $fma:literal $attributes:tt) => {
        mod $module {
            use super::*;

            pub(super) fn symbols() -> Vec<Symbol> {
                let mut symbols = unary_symbols();
                symbols.extend(binary_symbols());
                symbols.extend(other_symbols());
                symbols
            }

            unary_kernels! { $level $attributes
                negate |a: f64| -a;
                absolute |a: f64| a.abs();
                square_root |a: f64| a.sqrt();
                floor |a: f64| a.floor();
                ceiling |a: f64| a.ceil();
                round |a: f64| a.round_ties_even();
                not |a: f64| truth(a == 0.0);
                exp block::exp_lane::<$fma>;
                expm1 block::expm1_lane::<$fma>;
                log block::log_lane::<$fma>;
                log1p block::log1p_lane::<$fma>;
                log1p_exp block::log1p_exp_lane::<$fma>;
                log1m_exp special::log1m_exp;
                logistic block::logistic_lane::<$fma>;
                sin block::sin_lane::<$fma>;
                cos block::cos_lane::<$fma>;
                tan special::tan;
                asin special::asin;
                acos special::acos;
                atan special::atan;
                tanh special::tanh;
                sinh special::sinh;
                cosh special::cosh;
                lgamma block::lgamma_lane::<$fma>;
                digamma block::digamma_lane::<$fma>;
                trigamma special::trigamma;
                erf special::erf;
                erfc special::erfc;
                normal_cdf special::normal_cdf;
                log_normal_cdf special::log_normal_cdf;
                normal_quantile special::normal_quantile;
            }

            binary_kernels! { $level $attributes
                add_vv add_vs add_sv |a: f64, b: f64| a + b;
                subtract_vv subtract_vs subtract_sv |a: f64, b: f64| a - b;
                multiply_vv multiply_vs multiply_sv |a: f64, b: f64| a * b;
                divide_vv divide_vs divide_sv |a: f64, b: f64| a / b;
                power_vv power_vs power_sv special::pow;
                minimum_vv minimum_vs minimum_sv
                    |a: f64, b: f64| if a.is_nan() || a < b { a } else { b };
                maximum_vv maximum_vs maximum_sv
                    |a: f64, b: f64| if a.is_nan() || a > b { a } else { b };
                less_vv less_vs less_sv |a: f64, b: f64| truth(a < b);
                less_equal_vv less_equal_vs less_equal_sv |a: f64, b: f64| truth(a <= b);
                equal_vv equal_vs equal_sv |a: f64, b: f64| truth(a == b);
                and_vv and_vs and_sv |a: f64, b: f64| a * b;
                or_vv or_vs or_sv |a: f64, b: f64| truth(a + b != 0.0);
                log_or_vv log_or_vs log_or_sv special::log_or;
                gamma_p_vv gamma_p_vs gamma_p_sv special::gamma_p;
                gamma_q_vv gamma_q_vs gamma_q_sv special::gamma_q;
            }

            other_kernels! { $level $attributes
                add_to(out: *mut f64, a: *const f64, n: usize) {
                    // SAFETY: as for all kernels of this file.
                    let (out, a) = unsafe { (slice_mut(out, n), slice(a, n)) };
                    out.iter_mut().zip(a).for_each(|(out, a)| *out += a);
                }
                copy(out: *mut f64, a: *const f64, n: usize) {
                    // SAFETY: as for all kernels of this file.
                    let (out, a) = unsafe { (slice_mut(out, n), slice(a, n)) };
                    out.copy_from_slice(a);
                }
                fill(out: *mut f64, n: usize, number: f64) {
                    // SAFETY: as for all kernels of this file.
                    unsafe { slice_mut(out, n) }.fill(number);
                }
                select(out: *mut f64, mask: *const f64, a: *const f64, b: *const f64, n: usize) {
                    // SAFETY: as for all kernels of this file.
                    let (out, mask) = unsafe { (slice_mut(out, n), slice(mask, n)) };
                    // SAFETY: likewise.
                    let (a, b) = unsafe { (slice(a, n), slice(b, n)) };
                    for (((out, &mask), &a), &b) in out.iter_mut().zip(mask).zip(a).zip(b) {
                        *out = if mask != 0.0 { a } else { b };
                    }
                }
                gather(out: *mut f64, a: *const f64, stride: isize, n: usize) {
                    // SAFETY: as for all kernels of this file.
                    for (i, out) in unsafe { slice_mut(out, n) }.iter_mut().enumerate() {
                        // SAFETY: the elements are in the buffer, as in the loop this stands for.
                        *out = unsafe { *a.offset(stride * i as isize) };
                    }
                }
                gather_table(out: *mut f64, a: *const f64, table: *const i64, scale: i64, n: usize) {
                    // SAFETY: as for all kernels of this file.
                    let (out, table) = unsafe { (slice_mut(out, n), slice(table, n)) };
                    for (out, &place) in out.iter_mut().zip(table) {
                        // SAFETY: the elements are in the buffer, as in the loop this stands for.
                        *out = unsafe { *a.offset((scale * place) as isize) };
                    }
                }
                scatter_add(out: *mut f64, stride: isize, a: *const f64, n: usize) {
                    // SAFETY: as for all kernels of this file.
                    for (i, a) in unsafe { slice(a, n) }.iter().enumerate() {
                        // SAFETY: the elements are in the buffer, as in the loop this stands for.
                        unsafe { *out.offset(stride * i as isize) += a };
                    }
                }
                scatter_add_table(
                    out: *mut f64, table: *const i64, scale: i64, a: *const f64, n: usize
                ) {
                    // SAFETY: as for all kernels of this file.
                    let (table, a) = unsafe { (slice(table, n), slice(a, n)) };
                    for (&place, a) in table.iter().zip(a) {
                        // SAFETY: the elements are in the buffer, as in the loop this stands for.
                        unsafe { *out.offset((scale * place) as isize) += a };
                    }
                }
                iota(out: *mut f64, start: i64, stride: i64, n: usize) {
                    // SAFETY: as for all kernels of this file.
                    for (i, out) in unsafe { slice_mut(out, n) }.iter_mut().enumerate() {
                        *out = (start + stride * i as i64) as f64;
                    }
                }
                iota_table(out: *mut f64, table: *const i64, start: i64, scale: i64, n: usize) {
                    // SAFETY: as for all kernels of this file.
                    let (out, table) = unsafe { (slice_mut(out, n), slice(table, n)) };
                    for (out, place) in out.iter_mut().zip(table) {
                        *out = (start + scale * place) as f64;
                    }
                }
                sum(a: *const f64, n: usize) -> f64 {
                    // SAFETY: as for all kernels of this file.
                    sum_of(unsafe { slice(a, n) })
                }
                dot(a: *const f64, b: *const f64, n: usize) -> f64 {
                    // SAFETY: as for all kernels of this file.
                    let (a, b) = unsafe { (slice(a, n), slice(b, n)) };
                    dot_of::<$fma>(a, b)
                }
                multiply_add_vvv(
                    out: *mut f64, a: *const f64, b: *const f64, c: *const f64, n: usize
                ) {
                    // SAFETY: as for all kernels of this file.
                    let (out, a) = unsafe { (slice_mut(out, n), slice(a, n)) };
                    // SAFETY: likewise.
                    let (b, c) = unsafe { (slice(b, n), slice(c, n)) };
                    for (((out, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
                        *out = multiply_add_lane::<$fma>(a, b, c);
                    }
                }
                multiply_add_vvs(out: *mut f64, a: *const f64, b: *const f64, c: f64, n: usize) {
                    // SAFETY: as for all kernels of this file.
                    let (out, a, b) = unsafe { (slice_mut(out, n), slice(a, n), slice(b, n)) };
                    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                        *out = multiply_add_lane::<$fma>(a, b, c);
                    }
                }
                multiply_add_svv(out: *mut f64, a: f64, b: *const f64, c: *const f64, n: usize) {
                    // SAFETY: as for all kernels of this file.
                    let (out, b, c) = unsafe { (slice_mut(out, n), slice(b, n), slice(c, n)) };
                    for ((out, &b), &c) in out.iter_mut().zip(b).zip(c) {
                        *out = multiply_add_lane::<$fma>(a, b, c);
                    }
                }
                multiply_add_svs(out: *mut f64, a: f64, b: *const f64, c: f64, n: usize) {
                    // SAFETY: as for all kernels of this file.
                    let (out, b) = unsafe { (slice_mut(out, n), slice(b, n)) };
                    for (out, &b) in out.iter_mut().zip(b) {
                        *out = multiply_add_lane::<$fma>(a, b, c);
                    }
                }
            }
        }
    };
}

level! { portable "portable" false [] }
#[cfg(target_arch = "x86_64")]
level! { avx2 "avx2" true [#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]] }
#[cfg(target_arch = "x86_64")]
level! { avx512 "avx512" true [#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt")]] }

pub(crate) fn symbols(level: Level) -> Vec<Symbol> {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::symbols(),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512::symbols(),
        Level::Portable => portable::symbols(),
    }
}
