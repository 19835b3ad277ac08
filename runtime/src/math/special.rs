//! Scalar special functions. Elementary ones come from the crate `libm`, incomplete gamma and beta functions from
//! `statrs`; what neither has in full accuracy is here, each with its method. Arguments outside a function's domain give
//! NaN, never a panic.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

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

/// The regularised lower incomplete gamma function P(a, x).
pub fn gamma_p(a: f64, x: f64) -> f64 {
    if x == f64::INFINITY && a > 0.0 {
        return 1.0;
    }
    if x == 0.0 && a > 0.0 {
        return 0.0;
    }
    statrs::function::gamma::checked_gamma_lr(a, x).unwrap_or(f64::NAN)
}

/// The regularised upper incomplete gamma function Q(a, x).
pub fn gamma_q(a: f64, x: f64) -> f64 {
    if x == f64::INFINITY && a > 0.0 {
        return 0.0;
    }
    if x == 0.0 && a > 0.0 {
        return 1.0;
    }
    statrs::function::gamma::checked_gamma_ur(a, x).unwrap_or(f64::NAN)
}

/// log B(a, b) = log Γ(a) + log Γ(b) − log Γ(a + b), without the cancellation of large terms: above 10 the Stirling series
/// of the three functions are subtracted term by term (Didonato & Morris 1992).
pub fn log_beta(a: f64, b: f64) -> f64 {
    let (p, q) = if a < b { (a, b) } else { (b, a) };
    if p.is_nan() || q.is_nan() || p < 0.0 {
        return f64::NAN;
    }
    if p == 0.0 {
        return f64::INFINITY;
    }
    if q == f64::INFINITY {
        return f64::NEG_INFINITY;
    }
    let share = p / (p + q);
    if p >= 10.0 {
        let rest = stirling_rest(p) + stirling_rest(q) - stirling_rest(p + q);
        let half_log_two_pi = 0.918_938_533_204_672_7;
        return -0.5 * log(q) + half_log_two_pi + rest + (p - 0.5) * log(share) + q * log1p(-share);
    }
    if q >= 10.0 {
        let rest = stirling_rest(q) - stirling_rest(p + q);
        return lgamma(p) + rest + p - p * log(p + q) + (q - 0.5) * log1p(-share);
    }
    lgamma(p) + (lgamma(q) - lgamma(p + q))
}

/// log Γ(x) − (x − ½) log x + x − ½ log 2π for x ≥ 10: the Stirling series.
fn stirling_rest(x: f64) -> f64 {
    let square = 1.0 / (x * x);
    let series = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
        -3617.0 / 122_400.0,
    ];
    series
        .iter()
        .rev()
        .fold(0.0, |sum, term| sum * square + term)
        / x
}

/// The regularised incomplete beta function I_x(a, b): the continued fraction (DLMF 8.17.22) by Lentz's method on the
/// side of the mean where it converges fast, behind a factor made with [`log_beta`].
pub fn beta_inc(a: f64, b: f64, x: f64) -> f64 {
    if !(a > 0.0 && b > 0.0 && (0.0..=1.0).contains(&x)) {
        return f64::NAN;
    }
    if x == 0.0 || x == 1.0 {
        return x;
    }
    let factor = exp(a * log(x) + b * log1p(-x) - log_beta(a, b));
    if x < (a + 1.0) / (a + b + 2.0) {
        factor * beta_fraction(a, b, x) / a
    } else {
        1.0 - factor * beta_fraction(b, a, 1.0 - x) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..1_000_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        fraction *= d * c;
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        let step = d * c;
        fraction *= step;
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values by mpmath with 30 digits (`mp.psi`, `mp.loggamma`, `mp.ncdf`, `mp.gammainc`, `mp.betainc`).
    #[test]
    #[allow(clippy::excessive_precision, clippy::approx_constant)] // the table has all digits that mpmath gave
    fn known_values() {
        let close = |name: &str, value: f64, truth: f64| {
            assert!(
                (value - truth).abs() <= 1e-13 * truth.abs().max(1e-300),
                "{name}: {value} is not {truth}"
            );
        };
        include!("special_values.rs");
    }

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
    fn outside_the_domain_is_nan() {
        assert!(digamma(-2.0).is_nan() && digamma(0.0).is_nan() && trigamma(-1.0).is_nan());
        assert!(
            normal_quantile(1.5).is_nan()
                && gamma_p(-1.0, 2.0).is_nan()
                && beta_inc(1.0, 1.0, 2.0).is_nan()
        );
        assert_eq!(log1m_exp(0.0), f64::NEG_INFINITY);
        assert_eq!(logsumexp(&[]), f64::NEG_INFINITY);
        assert_eq!(logsumexp(&[f64::NEG_INFINITY; 2]), f64::NEG_INFINITY);
    }
}
