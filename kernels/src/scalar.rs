//! The functions that native code calls one number at a time: elementary functions and random numbers. Each is an
//! `extern "C"` wrapper of a function of the runtime, registered under a name of its own (`likelier_…`), so that a
//! missing one can never be picked up from the platform's libraries. None of them unwinds.
#![allow(unsafe_code)]

use likelier_runtime::math::special;
use likelier_runtime::random::Stream;

use crate::symbol::{Symbol, symbols};

macro_rules! elementary {
    ($($name:ident($($argument:ident),+) = $value:expr;)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($($argument: f64),+) -> f64 { $value }
        )*

        fn elementary() -> Vec<Symbol> {
            symbols!(""; $($name)*)
        }
    };
}

elementary! {
    likelier_pow(a, b) = special::pow(a, b);
    likelier_floor(x) = x.floor();
    likelier_ceil(x) = x.ceil();
    likelier_round(x) = x.round_ties_even();
    likelier_exp(x) = special::exp(x);
    likelier_expm1(x) = special::expm1(x);
    likelier_log(x) = special::log(x);
    likelier_log1p(x) = special::log1p(x);
    likelier_log1p_exp(x) = special::log1p_exp(x);
    likelier_log1m_exp(x) = special::log1m_exp(x);
    likelier_log_or(a, b) = special::log_or(a, b);
    likelier_logistic(x) = special::logistic(x);
    likelier_sin(x) = special::sin(x);
    likelier_cos(x) = special::cos(x);
    likelier_tan(x) = special::tan(x);
    likelier_asin(x) = special::asin(x);
    likelier_acos(x) = special::acos(x);
    likelier_atan(x) = special::atan(x);
    likelier_tanh(x) = special::tanh(x);
    likelier_sinh(x) = special::sinh(x);
    likelier_cosh(x) = special::cosh(x);
    likelier_lgamma(x) = special::lgamma(x);
    likelier_log_beta(a, b) = special::log_beta(a, b);
    likelier_digamma(x) = special::digamma(x);
    likelier_trigamma(x) = special::trigamma(x);
    likelier_erf(x) = special::erf(x);
    likelier_erfc(x) = special::erfc(x);
    likelier_normal_cdf(x) = special::normal_cdf(x);
    likelier_log_normal_cdf(x) = special::log_normal_cdf(x);
    likelier_normal_quantile(x) = special::normal_quantile(x);
    likelier_gamma_p(a, x) = special::gamma_p(a, x);
    likelier_gamma_q(a, x) = special::gamma_q(a, x);
    likelier_beta_inc(a, b, x) = special::beta_inc(a, b, x);
    likelier_gamma_p_shape_slope(a, x) = special::gamma_p_shape_slope(a, x);
    likelier_beta_inc_a_slope(a, b, x) = special::beta_inc_a_slope(a, b, x);
    likelier_beta_inc_b_slope(a, b, x) = special::beta_inc_b_slope(a, b, x);
    likelier_bessel_i(v, x) = special::bessel_i(v, x);
    likelier_bessel_i_slope(v, x) = special::bessel_i_slope(v, x);
    likelier_log_bessel_i(v, x) = special::log_bessel_i(v, x);
    likelier_log_bessel_i_slope(v, x) = special::log_bessel_i_slope(v, x);
    likelier_bessel_k(v, x) = special::bessel_k(v, x);
    likelier_bessel_k_slope(v, x) = special::bessel_k_slope(v, x);
    likelier_log_bessel_k(v, x) = special::log_bessel_k(v, x);
    likelier_log_bessel_k_slope(v, x) = special::log_bessel_k_slope(v, x);
    likelier_bessel_j(v, x) = special::bessel_j(v, x);
    likelier_bessel_j_slope(v, x) = special::bessel_j_slope(v, x);
    likelier_bessel_y(v, x) = special::bessel_y(v, x);
    likelier_bessel_y_slope(v, x) = special::bessel_y_slope(v, x);
    likelier_owens_t(h, a) = special::owens_t(h, a);
}

macro_rules! draws {
    ($($name:ident($($argument:ident),*) = $method:ident;)*) => {
        $(
            /// # Safety
            /// `stream` is null or a stream that nobody else uses during the call.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name(stream: *mut Stream, $($argument: f64),*) -> f64 {
                // SAFETY: the caller is native code, which hands on the stream of `Native::run`.
                match unsafe { stream.as_mut() } {
                    Some(stream) => stream.$method($($argument),*),
                    None => f64::NAN,
                }
            }
        )*

        fn draws() -> Vec<Symbol> {
            symbols!(""; $($name)*)
        }
    };
}

draws! {
    likelier_draw_uniform() = uniform;
    likelier_draw_normal() = normal;
    likelier_draw_exponential() = exponential;
    likelier_draw_gamma(shape) = gamma;
    likelier_draw_poisson(rate) = poisson;
    likelier_draw_binomial(trials, probability) = binomial;
}

pub(crate) fn symbols() -> Vec<Symbol> {
    let mut symbols = elementary();
    symbols.extend(draws());
    symbols
}
