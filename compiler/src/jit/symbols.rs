//! Names of the functions that native code calls one number at a time (`likelier_kernels`' `scalar.rs`).

use crate::math::primitive::{Draw, Operation};

/// The function that computes an operation which has no instruction.
pub(super) fn elementary(operation: Operation) -> Option<&'static str> {
    Some(match operation {
        Operation::Power => "likelier_pow",
        Operation::Floor => "likelier_floor",
        Operation::Ceiling => "likelier_ceil",
        Operation::Round => "likelier_round",
        Operation::Exponential => "likelier_exp",
        Operation::ExponentialMinusOne => "likelier_expm1",
        Operation::Logarithm => "likelier_log",
        Operation::LogOnePlus => "likelier_log1p",
        Operation::LogOnePlusExp => "likelier_log1p_exp",
        Operation::LogOneMinusExp => "likelier_log1m_exp",
        Operation::LogOr => "likelier_log_or",
        Operation::Logistic => "likelier_logistic",
        Operation::Sine => "likelier_sin",
        Operation::Cosine => "likelier_cos",
        Operation::Tangent => "likelier_tan",
        Operation::ArcSine => "likelier_asin",
        Operation::ArcCosine => "likelier_acos",
        Operation::ArcTangent => "likelier_atan",
        Operation::HyperbolicTangent => "likelier_tanh",
        Operation::HyperbolicSine => "likelier_sinh",
        Operation::HyperbolicCosine => "likelier_cosh",
        Operation::LogGamma => "likelier_lgamma",
        Operation::LogBeta => "likelier_log_beta",
        Operation::Digamma => "likelier_digamma",
        Operation::Trigamma => "likelier_trigamma",
        Operation::ErrorFunction => "likelier_erf",
        Operation::ComplementaryErrorFunction => "likelier_erfc",
        Operation::NormalCdf => "likelier_normal_cdf",
        Operation::LogNormalCdf => "likelier_log_normal_cdf",
        Operation::NormalQuantile => "likelier_normal_quantile",
        Operation::GammaP => "likelier_gamma_p",
        Operation::GammaQ => "likelier_gamma_q",
        Operation::BetaIncomplete => "likelier_beta_inc",
        Operation::GammaShapeSlope => "likelier_gamma_p_shape_slope",
        Operation::BetaFirstSlope => "likelier_beta_inc_a_slope",
        Operation::BetaSecondSlope => "likelier_beta_inc_b_slope",
        Operation::BesselI => "likelier_bessel_i",
        Operation::BesselISlope => "likelier_bessel_i_slope",
        Operation::LogBesselI => "likelier_log_bessel_i",
        Operation::LogBesselISlope => "likelier_log_bessel_i_slope",
        Operation::BesselK => "likelier_bessel_k",
        Operation::BesselKSlope => "likelier_bessel_k_slope",
        Operation::LogBesselK => "likelier_log_bessel_k",
        Operation::LogBesselKSlope => "likelier_log_bessel_k_slope",
        Operation::BesselJ => "likelier_bessel_j",
        Operation::BesselJSlope => "likelier_bessel_j_slope",
        Operation::BesselY => "likelier_bessel_y",
        Operation::BesselYSlope => "likelier_bessel_y_slope",
        Operation::OwensT => "likelier_owens_t",
        _ => return None,
    })
}

/// The function that draws from a law.
pub(super) fn draw(draw: Draw) -> &'static str {
    match draw {
        Draw::Uniform => "likelier_draw_uniform",
        Draw::Normal => "likelier_draw_normal",
        Draw::Exponential => "likelier_draw_exponential",
        Draw::Gamma => "likelier_draw_gamma",
        Draw::Poisson => "likelier_draw_poisson",
        Draw::Binomial => "likelier_draw_binomial",
    }
}
