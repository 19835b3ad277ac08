//! Bessel functions J_v(x), Y_v(x) of real order and their derivatives in x. For x ≥ 25 Hankel's expansion gives both at
//! the fractional part of the order and one above; below, J comes from Miller's backward recurrence and Y from it by
//! Steed's continued fraction, for x < 2 from Temme's series. Upward recurrence, stable for Y always and for J up to
//! order x, leads to the wanted order; beyond it J follows from the ratio J_{v+1} / J_v (a continued fraction) and the
//! Wronskian. Near their zeros the functions are accurate relative to their amplitude √(2 / πx), not to themselves.

use std::f64::consts::PI;

use super::modified_bessel::{Start, by_parity, temme_start};

/// Orders and numbers of steps end here.
const LARGEST_ORDER: f64 = 1e6;

/// J_v(x) for 0 ≤ v ≤ 10⁶; negative x needs a whole order.
pub fn bessel_j(order: f64, x: f64) -> f64 {
    by_parity(order, x, |x| match x {
        0.0 => f64::from(order == 0.0),
        f64::INFINITY => 0.0,
        _ => Pair::at(order, x).first,
    })
}

/// The derivative of [`bessel_j`] in x: v/x J_v − J_{v+1}.
pub fn bessel_j_slope(order: f64, x: f64) -> f64 {
    let slope = by_parity(order, x, |x| match x {
        0.0 if order == 1.0 => 0.5,
        0.0 if order > 0.0 && order < 1.0 => f64::INFINITY,
        0.0 | f64::INFINITY => 0.0,
        _ => order / x * Pair::at(order, x).first - Pair::at(order + 1.0, x).first,
    });
    if x < 0.0 { -slope } else { slope }
}

/// Y_v(x) for 0 ≤ v ≤ 10⁶ and x > 0.
pub fn bessel_y(order: f64, x: f64) -> f64 {
    match x {
        _ if !(order >= 0.0 && x >= 0.0) => f64::NAN,
        0.0 => f64::NEG_INFINITY,
        f64::INFINITY => 0.0,
        _ => Pair::at(order, x).second,
    }
}

/// The derivative of [`bessel_y`] in x: v/x Y_v − Y_{v+1}.
pub fn bessel_y_slope(order: f64, x: f64) -> f64 {
    match x {
        _ if !(order >= 0.0 && x >= 0.0) => f64::NAN,
        0.0 => f64::INFINITY,
        f64::INFINITY => 0.0,
        _ => {
            let pair = Pair::at(order, x);
            order / x * pair.second - pair.second_above
        }
    }
}

/// J_v, Y_v and Y_{v+1}.
struct Pair {
    first: f64,
    second: f64,
    second_above: f64,
}

impl Pair {
    /// For v ≥ 0 and 0 < x < ∞.
    fn at(order: f64, x: f64) -> Pair {
        if order > LARGEST_ORDER {
            return Pair {
                first: f64::NAN,
                second: f64::NAN,
                second_above: f64::NAN,
            };
        }
        if x >= 25.0 {
            return Pair::far(order, x);
        }
        let first = if x * x < 4.0 * (order + 1.0) {
            power_series(order, x)
        } else {
            miller(order, x).0
        };
        let steps = libm::round(order);
        let mu = order - steps;
        let (second, above) = if x < 2.0 {
            temme_series(mu, x)
        } else {
            steed(mu, x)
        };
        let (second, second_above) = upward(mu, steps, x, second, above);
        Pair {
            first,
            second,
            second_above,
        }
    }

    /// For x ≥ 25.
    fn far(order: f64, x: f64) -> Pair {
        let steps = libm::floor(order);
        let mu = order - steps;
        let (first, second) = hankel(mu, x);
        let (first_above, above) = hankel(mu + 1.0, x);
        let (second, second_above) = upward(mu, steps, x, second, above);
        let first = if order <= x {
            upward(mu, steps, x, first, first_above).0
        } else if second == f64::NEG_INFINITY {
            0.0
        } else {
            // J_{v+1} Y_v − J_v Y_{v+1} = 2 / πx
            2.0 / (PI * x) / (ratio_above(order, x) * second - second_above)
        };
        Pair {
            first,
            second,
            second_above,
        }
    }
}

/// C_{n+1} = 2n/x C_n − C_{n−1}, from orders μ and μ + 1 so many steps up.
fn upward(mu: f64, steps: f64, x: f64, mut value: f64, mut above: f64) -> (f64, f64) {
    let mut at = 0.0;
    while at < steps && value.is_finite() {
        at += 1.0;
        (value, above) = (above, 2.0 * (mu + at) / x * above - value);
    }
    if value == f64::NEG_INFINITY {
        above = value;
    }
    (value, above)
}

/// J_{v+1} / J_v for v > x by Lentz's method: 1 / (2(v+1)/x − 1 / (2(v+2)/x − …)).
fn ratio_above(order: f64, x: f64) -> f64 {
    let term = |k: f64| 2.0 * (order + k) / x;
    let mut fraction = term(1.0);
    let (mut c, mut d) = (fraction, 0.0);
    for k in 2..1_000_000 {
        let b = term(f64::from(k));
        d = 1.0 / (b - d);
        c = b - 1.0 / c;
        let step = c * d;
        fraction *= step;
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    1.0 / fraction
}

/// J_v and Y_v for v < 2 and x ≥ 25 (DLMF 10.17.3): amplitude √(2/πx), phase x − (v/2 + 1/4) π, whose parts are reduced
/// apart.
fn hankel(order: f64, x: f64) -> (f64, f64) {
    let square = 4.0 * order * order;
    let (mut p, mut q, mut term) = (1.0, 0.0, 1.0_f64);
    for k in 1..60 {
        let odd = f64::from(2 * k - 1);
        term *= (square - odd * odd) / (8.0 * f64::from(k) * x);
        match k % 4 {
            1 => q += term,
            2 => p -= term,
            3 => q -= term,
            _ => p += term,
        }
        if term.abs() < 1e-17 {
            break;
        }
    }
    let shift = (0.5 * order + 0.25) * PI;
    let (sine, cosine) = (libm::sin(x), libm::cos(x));
    let (shift_sine, shift_cosine) = (libm::sin(shift), libm::cos(shift));
    let cosine_phase = cosine * shift_cosine + sine * shift_sine;
    let sine_phase = sine * shift_cosine - cosine * shift_sine;
    let amplitude = (2.0 / (PI * x)).sqrt();
    (
        amplitude * (p * cosine_phase - q * sine_phase),
        amplitude * (p * sine_phase + q * cosine_phase),
    )
}

/// J_v(x) for x² < 4 (v + 1), where the terms of the series only fall.
fn power_series(order: f64, x: f64) -> f64 {
    let square = 0.25 * x * x;
    let (mut term, mut sum, mut k) = (1.0_f64, 1.0, 0.0);
    while term.abs() > 1e-17 {
        k += 1.0;
        term *= -square / (k * (order + k));
        sum += term;
    }
    if order < 150.0 {
        let half = libm::pow(0.5 * x, 0.5 * order);
        return half * (sum / libm::tgamma(1.0 + order)) * half;
    }
    // (x/2)^v / Γ(v + 1) by Stirling's formula.
    let exponent =
        order * (1.0 + libm::log(0.5 * x / order)) - super::stirling::stirling_rest(order);
    libm::exp(exponent) / (2.0 * PI * order).sqrt() * sum
}

/// J_v and J_{v+1} for x < 25 by Miller's recurrence from far above down to the fractional part μ of the order, scaled by
/// Σ (μ + 2k) Γ(μ + k) / k! J_{μ+2k} = (x/2)^μ.
fn miller(order: f64, x: f64) -> (f64, f64) {
    let steps = libm::floor(order);
    let mu = order - steps;
    let top = 2.0 * libm::ceil(0.5 * steps.max(x) + 25.0);
    let (mut above, mut value) = (0.0_f64, 1e-30_f64);
    let (mut wanted, mut wanted_above, mut sum) = (0.0, 0.0, 0.0);
    let mut n = top;
    // Γ(μ + k) / k! for k = n/2, from its value at the top down to k = 1.
    let mut weight = libm::exp(libm::lgamma(mu + 0.5 * top) - libm::lgamma(0.5 * top + 1.0));
    loop {
        if n == steps {
            (wanted, wanted_above) = (value, above);
        }
        if n == 0.0 {
            // μ Γ(μ) = Γ(μ + 1)
            sum += libm::tgamma(mu + 1.0) * value;
            break;
        }
        if n % 2.0 == 0.0 {
            let k = 0.5 * n;
            sum += (mu + n) * weight * value;
            if k > 1.0 {
                weight *= k / (mu + k - 1.0);
            }
        }
        (above, value) = (value, 2.0 * (mu + n) / x * value - above);
        if value.abs() > 1e250 {
            for number in [
                &mut above,
                &mut value,
                &mut wanted,
                &mut wanted_above,
                &mut sum,
            ] {
                *number *= 1e-250;
            }
        }
        n -= 1.0;
    }
    let scale = libm::pow(0.5 * x, mu) / sum;
    (wanted * scale, wanted_above * scale)
}

/// Y_μ and Y_{μ+1} for |μ| ≤ ½ and x < 2.
fn temme_series(mu: f64, x: f64) -> (f64, f64) {
    let Start { f, p, q } = temme_start(mu, x);
    let (mut f, mut p, mut q) = (2.0 / PI * f, 2.0 / PI * p, 2.0 / PI * q);
    let half = 0.5 * PI * mu;
    // 2/μ sin²(πμ/2)
    let lift = if mu.abs() < 1e-8 {
        0.5 * PI * PI * mu
    } else {
        2.0 * libm::sin(half) * libm::sin(half) / mu
    };
    let square = 0.25 * x * x;
    let (mut c, mut k) = (1.0_f64, 0.0);
    let mut sum = f + lift * q;
    let mut next = p;
    loop {
        k += 1.0;
        f = (k * f + p + q) / (k * k - mu * mu);
        p /= k - mu;
        q /= k + mu;
        c *= -square / k;
        let g = f + lift * q;
        sum += c * g;
        next += c * (p - k * g);
        if c.abs() * (1.0 + g.abs() + p.abs()) <= 1e-17 * (sum.abs() + next.abs()) {
            return (-sum, -2.0 / x * next);
        }
    }
}

/// Y_μ and Y_{μ+1} for |μ| ≤ ½ and 2 ≤ x < 25, from J and (J' + iY') / (J + iY) = p + iq by Steed's continued fraction:
/// p + iq = −1/2x + i + i/x ((½)² − μ²) / (2(x + i) + ((3/2)² − μ²) / (2(x + 2i) + …)).
fn steed(mu: f64, x: f64) -> (f64, f64) {
    let (j, j_slope) = if mu >= 0.0 {
        let (value, above) = miller(mu, x);
        (value, mu / x * value - above)
    } else {
        // From orders μ + 1 and μ + 2 down.
        let (next, above) = miller(mu + 1.0, x);
        let value = 2.0 * (mu + 1.0) / x * next - above;
        (value, mu / x * value - next)
    };
    // The fraction from the inside; 120 terms are enough at x = 2.
    let (mut real, mut imaginary) = (0.0, 0.0);
    for k in (1..=120).rev() {
        let k = f64::from(k);
        let half = k - 0.5;
        let numerator = half * half - mu * mu;
        let (re, im) = (2.0 * x + real, 2.0 * k + imaginary);
        let norm = re * re + im * im;
        real = numerator * re / norm;
        imaginary = -numerator * im / norm;
    }
    let p = -0.5 / x - imaginary / x;
    let q = 1.0 + real / x;
    let y = (p * j - j_slope) / q;
    let y_slope = p * y + q * j;
    (y, mu / x * y - y_slope)
}
