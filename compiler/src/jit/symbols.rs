//! The functions that native code calls one number at a time: elementary functions and random numbers. Each is an
//! `extern "C"` wrapper of a function of the runtime, registered under a name of its own (`likelier_…`), so that a
//! missing one can never be picked up from the platform's libraries. None of them unwinds.
#![allow(unsafe_code)]

use likelier_runtime::math::special;
use likelier_runtime::random::Stream;

use crate::math::primitive::{Draw, Operation};

/// A function that native code may call.
pub(super) struct Symbol {
    pub name: &'static str,
    pub address: *const u8,
}

macro_rules! elementary {
    ($($operation:ident $name:ident($($argument:ident),+) = $value:expr;)*) => {
        $(extern "C" fn $name($($argument: f64),+) -> f64 { $value })*

        /// The function that computes an operation which has no instruction.
        pub(super) fn elementary(operation: Operation) -> Option<Symbol> {
            match operation {
                $(Operation::$operation => Some(Symbol {
                    name: stringify!($name),
                    address: $name as *const u8,
                }),)*
                _ => None,
            }
        }
    };
}

elementary! {
    Power likelier_pow(a, b) = special::pow(a, b);
    Floor likelier_floor(x) = x.floor();
    Ceiling likelier_ceil(x) = x.ceil();
    Round likelier_round(x) = x.round_ties_even();
    Exponential likelier_exp(x) = special::exp(x);
    ExponentialMinusOne likelier_expm1(x) = special::expm1(x);
    Logarithm likelier_log(x) = special::log(x);
    LogOnePlus likelier_log1p(x) = special::log1p(x);
    LogOnePlusExp likelier_log1p_exp(x) = special::log1p_exp(x);
    LogOneMinusExp likelier_log1m_exp(x) = special::log1m_exp(x);
    LogOr likelier_log_or(a, b) = special::log_or(a, b);
    Logistic likelier_logistic(x) = special::logistic(x);
    Sine likelier_sin(x) = special::sin(x);
    Cosine likelier_cos(x) = special::cos(x);
    Tangent likelier_tan(x) = special::tan(x);
    ArcSine likelier_asin(x) = special::asin(x);
    ArcCosine likelier_acos(x) = special::acos(x);
    ArcTangent likelier_atan(x) = special::atan(x);
    HyperbolicTangent likelier_tanh(x) = special::tanh(x);
    HyperbolicSine likelier_sinh(x) = special::sinh(x);
    HyperbolicCosine likelier_cosh(x) = special::cosh(x);
    LogGamma likelier_lgamma(x) = special::lgamma(x);
    LogBeta likelier_log_beta(a, b) = special::log_beta(a, b);
    Digamma likelier_digamma(x) = special::digamma(x);
    Trigamma likelier_trigamma(x) = special::trigamma(x);
    ErrorFunction likelier_erf(x) = special::erf(x);
    ComplementaryErrorFunction likelier_erfc(x) = special::erfc(x);
    NormalCdf likelier_normal_cdf(x) = special::normal_cdf(x);
    LogNormalCdf likelier_log_normal_cdf(x) = special::log_normal_cdf(x);
    NormalQuantile likelier_normal_quantile(x) = special::normal_quantile(x);
    GammaP likelier_gamma_p(a, x) = special::gamma_p(a, x);
    GammaQ likelier_gamma_q(a, x) = special::gamma_q(a, x);
    BetaIncomplete likelier_beta_inc(a, b, x) = special::beta_inc(a, b, x);
    GammaShapeSlope likelier_gamma_p_shape_slope(a, x) = special::gamma_p_shape_slope(a, x);
    BetaFirstSlope likelier_beta_inc_a_slope(a, b, x) = special::beta_inc_a_slope(a, b, x);
    BetaSecondSlope likelier_beta_inc_b_slope(a, b, x) = special::beta_inc_b_slope(a, b, x);
    BesselI likelier_bessel_i(v, x) = special::bessel_i(v, x);
    BesselISlope likelier_bessel_i_slope(v, x) = special::bessel_i_slope(v, x);
    LogBesselI likelier_log_bessel_i(v, x) = special::log_bessel_i(v, x);
    LogBesselISlope likelier_log_bessel_i_slope(v, x) = special::log_bessel_i_slope(v, x);
    BesselK likelier_bessel_k(v, x) = special::bessel_k(v, x);
    BesselKSlope likelier_bessel_k_slope(v, x) = special::bessel_k_slope(v, x);
    LogBesselK likelier_log_bessel_k(v, x) = special::log_bessel_k(v, x);
    LogBesselKSlope likelier_log_bessel_k_slope(v, x) = special::log_bessel_k_slope(v, x);
    BesselJ likelier_bessel_j(v, x) = special::bessel_j(v, x);
    BesselJSlope likelier_bessel_j_slope(v, x) = special::bessel_j_slope(v, x);
    BesselY likelier_bessel_y(v, x) = special::bessel_y(v, x);
    BesselYSlope likelier_bessel_y_slope(v, x) = special::bessel_y_slope(v, x);
    OwensT likelier_owens_t(h, a) = special::owens_t(h, a);
}

macro_rules! draws {
    ($($draw:ident $name:ident($($argument:ident),*) = $method:ident;)*) => {
        $(
            /// # Safety
            /// `stream` is null or a stream that nobody else uses during the call.
            unsafe extern "C" fn $name(stream: *mut Stream, $($argument: f64),*) -> f64 {
                // SAFETY: the caller is native code, which hands on the stream of `Native::run`.
                match unsafe { stream.as_mut() } {
                    Some(stream) => stream.$method($($argument),*),
                    None => f64::NAN,
                }
            }
        )*

        /// The function that draws from a law.
        pub(super) fn draw(draw: Draw) -> Symbol {
            match draw {
                $(Draw::$draw => Symbol { name: stringify!($name), address: $name as *const u8 },)*
            }
        }
    };
}

draws! {
    Uniform likelier_draw_uniform() = uniform;
    Normal likelier_draw_normal() = normal;
    Exponential likelier_draw_exponential() = exponential;
    Gamma likelier_draw_gamma(shape) = gamma;
    Poisson likelier_draw_poisson(rate) = poisson;
    Binomial likelier_draw_binomial(trials, probability) = binomial;
}
