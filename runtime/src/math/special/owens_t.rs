//! Owen's T(h, a) = 1/2π ∫₀ᵃ exp(−½h²(1 + x²)) / (1 + x²) dx: the probability of X > h, 0 < Y < aX for independent
//! standard normals, which skew normal distribution functions need. Symmetries lead to h ≥ 0 and 0 ≤ a ≤ 1 (Owen 1956),
//! without cancellation; there the integral is computed where its bell has not vanished, in two stretches.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::quadrature::integrate;

/// Owen's T function.
pub fn owens_t(h: f64, a: f64) -> f64 {
    if h.is_nan() || a.is_nan() {
        return f64::NAN;
    }
    let (height, slope) = (h.abs(), a.abs());
    let value = if slope <= 1.0 {
        wedge(height, slope)
    } else {
        // T(h, a) = ½Q(h) + ½Q(ah) − Q(h) Q(ah) − T(ah, 1/a) with Q the upper tail. The middle terms together are at
        // most half of the first.
        let far = if height == 0.0 { 0.0 } else { height * slope };
        let (near_tail, far_tail) = (upper_tail(height), upper_tail(far));
        0.5 * near_tail + far_tail * (0.5 - near_tail) - wedge(far, 1.0 / slope)
    };
    value.copysign(if a < 0.0 { -value } else { value })
}

fn upper_tail(x: f64) -> f64 {
    0.5 * libm::erfc(x * FRAC_1_SQRT_2)
}

/// T for h ≥ 0 and 0 ≤ a ≤ 1.
fn wedge(h: f64, a: f64) -> f64 {
    let outside = libm::exp(-0.5 * h * h) / (2.0 * PI);
    if outside == 0.0 {
        return 0.0;
    }
    let end = a.min(9.0 / h);
    let integrand = |x: f64| libm::exp(-0.5 * (h * x) * (h * x)) / (1.0 + x * x);
    outside * (integrate(0.0, 0.5 * end, integrand) + integrate(0.5 * end, end, integrand))
}
