//! Scalar special functions. Elementary ones come from the crate `libm`; the others are here and in the files of their
//! families, each with its method. Arguments outside a function's domain give NaN, never a panic.

mod incomplete_beta;
mod incomplete_gamma;
mod modified_bessel;
mod ordinary_bessel;
mod owens_t;
mod quadrature;
mod stirling;

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

pub use incomplete_beta::{beta_inc, beta_inc_a_slope, beta_inc_b_slope, log_beta};
pub use incomplete_gamma::{gamma_p, gamma_p_shape_slope, gamma_q};
pub use modified_bessel::{
    bessel_i, bessel_i_slope, bessel_k, bessel_k_slope, log_bessel_i, log_bessel_i_slope,
    log_bessel_k, log_bessel_k_slope,
};
pub use ordinary_bessel::{bessel_j, bessel_j_slope, bessel_y, bessel_y_slope};
pub use owens_t::owens_t;

/// x to the power y.
pub fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}

/// e^x
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// e^x − 1
pub fn expm1(x: f64) -> f64 {
    libm::expm1(x)
}

/// The natural logarithm.
pub fn log(x: f64) -> f64 {
    libm::log(x)
}

/// log(1 + x)
pub fn log1p(x: f64) -> f64 {
    libm::log1p(x)
}

/// log(1 + e^x), without overflow.
pub fn log1p_exp(x: f64) -> f64 {
    if x > 0.0 {
        x + libm::log1p(libm::exp(-x))
    } else {
        libm::log1p(libm::exp(x))
    }
}

/// log(1 − e^x) for x < 0; the two forms meet where both are accurate (Mächler 2012).
pub fn log1m_exp(x: f64) -> f64 {
    if x > -LN_2 {
        libm::log(-libm::expm1(x))
    } else {
        libm::log1p(-libm::exp(x))
    }
}

/// log(1 − (1 − e^a)(1 − e^b)) for a, b ≤ 0: the probability that one of two independent events happens, from their log
/// probabilities. The first form keeps the digits near 0, the second those far below.
pub fn log_or(a: f64, b: f64) -> f64 {
    let neither = libm::expm1(a) * libm::expm1(b);
    if neither < 0.5 {
        return libm::log1p(-neither);
    }
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        return high;
    }
    high + libm::log1p(-libm::exp(low - high) * libm::expm1(high))
}

/// 1 / (1 + e^−x)
pub fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + libm::exp(-x))
    } else {
        let e = libm::exp(x);
        e / (1.0 + e)
    }
}

/// log Σ e^x over a slice; −inf for an empty one.
pub fn logsumexp(values: &[f64]) -> f64 {
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !highest.is_finite() {
        return if values.iter().any(|v| v.is_nan()) {
            f64::NAN
        } else {
            highest
        };
    }
    highest + libm::log(values.iter().map(|v| libm::exp(v - highest)).sum())
}

/// The sine.
pub fn sin(x: f64) -> f64 {
    libm::sin(x)
}

/// The cosine.
pub fn cos(x: f64) -> f64 {
    libm::cos(x)
}

/// The tangent.
pub fn tan(x: f64) -> f64 {
    libm::tan(x)
}

/// The inverse sine.
pub fn asin(x: f64) -> f64 {
    libm::asin(x)
}

/// The inverse cosine.
pub fn acos(x: f64) -> f64 {
    libm::acos(x)
}

/// The inverse tangent.
pub fn atan(x: f64) -> f64 {
    libm::atan(x)
}

/// The hyperbolic tangent.
pub fn tanh(x: f64) -> f64 {
    libm::tanh(x)
}

/// The hyperbolic sine.
pub fn sinh(x: f64) -> f64 {
    libm::sinh(x)
}

/// The hyperbolic cosine.
pub fn cosh(x: f64) -> f64 {
    libm::cosh(x)
}

/// log |Γ(x)|
pub fn lgamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// The derivative of [`lgamma`]: recurrence up to x ≥ 10, then the asymptotic series; reflection below 0.
pub fn digamma(x: f64) -> f64 {
    if x.is_nan() || x == f64::NEG_INFINITY || (x <= 0.0 && x.fract() == 0.0) {
        return f64::NAN;
    }
    if x < 0.0 {
        return digamma(1.0 - x) - PI / libm::tan(PI * x.fract());
    }
    let mut y = x;
    let mut below = 0.0;
    while y < 10.0 {
        below += 1.0 / y;
        y += 1.0;
    }
    let z = 1.0 / (y * y);
    // B_2k / (2k): 1/12, −1/120, 1/252, −1/240, 1/132, −691/32760, 1/12
    let series = z
        * (1.0 / 12.0
            - z * (1.0 / 120.0
                - z * (1.0 / 252.0
                    - z * (1.0 / 240.0 - z * (1.0 / 132.0 - z * (691.0 / 32760.0 - z / 12.0))))));
    libm::log(y) - 0.5 / y - series - below
}

/// The derivative of [`digamma`], by the same means.
pub fn trigamma(x: f64) -> f64 {
    if x.is_nan() || x == f64::NEG_INFINITY || (x <= 0.0 && x.fract() == 0.0) {
        return f64::NAN;
    }
    if x < 0.0 {
        let s = PI / libm::sin(PI * x.fract());
        return s * s - trigamma(1.0 - x);
    }
    let mut y = x;
    let mut below = 0.0;
    while y < 12.0 {
        below += 1.0 / (y * y);
        y += 1.0;
    }
    let z = 1.0 / (y * y);
    // Bernoulli numbers: 1/6, −1/30, 1/42, −1/30, 5/66, −691/2730, 7/6
    let series = 1.0 / 6.0
        - z * (1.0 / 30.0
            - z * (1.0 / 42.0
                - z * (1.0 / 30.0 - z * (5.0 / 66.0 - z * (691.0 / 2730.0 - z * 7.0 / 6.0)))));
    1.0 / y + 0.5 * z + series * z / y + below
}

/// The error function.
pub fn erf(x: f64) -> f64 {
    libm::erf(x)
}

/// 1 − erf(x)
pub fn erfc(x: f64) -> f64 {
    libm::erfc(x)
}

/// P(Z ≤ x), Z standard normal.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// log P(Z ≤ x). Far below, the continued fraction of the Mills ratio, which needs few steps there.
pub fn log_normal_cdf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > 0.0 {
        return libm::log1p(-normal_cdf(-x));
    }
    if x > -5.0 {
        return libm::log(normal_cdf(x));
    }
    if x == f64::NEG_INFINITY {
        return x;
    }
    let t = -x;
    // 1 / (t + 1 / (t + 2 / (t + 3 / …))), from the inside; 80 terms give full precision from t = 5 on.
    let mut fraction = t;
    for k in (1..=80).rev() {
        fraction = t + f64::from(k) / fraction;
    }
    -0.5 * t * t - 0.5 * libm::log(2.0 * PI) - libm::log(fraction)
}

/// The inverse of [`normal_cdf`]: a rough start from the tail expansion, then Newton steps on the log scale, where the
/// function is nearly quadratic and the steps converge from any start.
pub fn normal_quantile(p: f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if p == 1.0 {
        return f64::INFINITY;
    }
    if p > 0.5 {
        // 1 − p is exact here.
        return -normal_quantile(1.0 - p);
    }
    let goal = libm::log(p);
    let mut x = if p > 0.02 {
        let u = p - 0.5;
        u * libm::sqrt(2.0 * PI) * (1.0 + u * u * PI / 3.0)
    } else {
        let r = libm::sqrt(-2.0 * goal);
        -(r - libm::log(r * libm::sqrt(2.0 * PI)) / r)
    };
    for _ in 0..30 {
        let value = log_normal_cdf(x);
        let slope = libm::exp(-0.5 * x * x - 0.5 * libm::log(2.0 * PI) - value);
        let step = (value - goal) / slope;
        x -= step;
        if step.abs() <= 1e-15 * x.abs().max(1e-8) {
            break;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantile_inverts_the_cdf() {
        for x in [
            -37.0, -20.0, -8.0, -5.0, -3.0, -1.0, -0.1, 0.0, 0.3, 2.0, 5.0,
        ] {
            let p = normal_cdf(x);
            assert!(
                (normal_quantile(p) - x).abs() < 1e-9 * f64::max(1.0, x.abs()),
                "{x}"
            );
        }
    }

    #[test]
    fn incomplete_functions_agree_with_another_library() {
        use statrs::function::{beta::beta_reg, gamma::gamma_lr};
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-11;
        for a in [0.2, 0.9, 3.0, 17.5, 88.0] {
            for b in [0.3, 1.0, 6.1, 40.0] {
                assert!(close(gamma_p(a, b), gamma_lr(a, b)), "P({a}, {b})");
                for x in [0.01, 0.4, 0.75, 0.99] {
                    assert!(
                        close(beta_inc(a, b, x), beta_reg(a, b, x)),
                        "I_{x}({a}, {b})"
                    );
                }
            }
        }
    }

    #[test]
    fn outside_the_domain_is_nan() {
        assert!(digamma(-2.0).is_nan() && digamma(0.0).is_nan() && trigamma(-1.0).is_nan());
        assert!(
            normal_quantile(1.5).is_nan()
                && gamma_p(-1.0, 2.0).is_nan()
                && beta_inc(1.0, 1.0, 2.0).is_nan()
        );
        assert!(bessel_i(-1.0, 2.0).is_nan() && bessel_i(0.5, -2.0).is_nan());
        assert!(bessel_k(1.0, -2.0).is_nan() && log_bessel_i(0.0, -1.0).is_nan());
        assert!(owens_t(f64::NAN, 1.0).is_nan() && gamma_p_shape_slope(-1.0, 2.0).is_nan());
        assert_eq!(bessel_k(1.0, 0.0), f64::INFINITY);
        assert_eq!((bessel_i(0.0, 0.0), bessel_i(2.0, 0.0)), (1.0, 0.0));
        assert_eq!(owens_t(f64::INFINITY, 2.0), 0.0);
        assert_eq!(owens_t(0.0, f64::INFINITY), 0.25);
        assert_eq!(log1m_exp(0.0), f64::NEG_INFINITY);
        assert_eq!(logsumexp(&[]), f64::NEG_INFINITY);
        assert_eq!(logsumexp(&[f64::NEG_INFINITY; 2]), f64::NEG_INFINITY);
    }
}
