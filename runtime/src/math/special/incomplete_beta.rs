//! The beta function and the regularised incomplete beta function I_x(a, b) with its derivatives in the shapes. The value
//! is a continued fraction (DLMF 8.17.22, by Lentz's method) on the side of the mean where that converges fast; where its
//! number of terms would grow, or 1 − I would lose the digits of I, it is the integral over t = x e^−s. The derivative in a
//! integrates the same density times log t − ψ(a) + ψ(a + b), on the side where that has one sign. x^a y^b / B(a, b) in
//! front is written around its saddle point, with log B by Stirling differences.

use std::f64::consts::PI;

use super::lgamma;
use super::quadrature::integrate_decaying;
use super::stirling::{
    digamma_difference, digamma_gap_difference, exp_rest, log1p_rest, stirling_rest,
};

/// Above this sum of shapes the continued fraction is slower than the integral.
const LARGE_SHAPES: f64 = 2000.0;

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
    if p < 1.0 {
        return log_scaled_beta(p, q) - libm::log(p);
    }
    let share = p / (p + q);
    if p >= 10.0 {
        let rest = stirling_rest(p) + stirling_rest(q) - stirling_rest(p + q);
        let half_log_two_pi = 0.918_938_533_204_672_7;
        return -0.5 * libm::log(q)
            + half_log_two_pi
            + rest
            + (p - 0.5) * libm::log(share)
            + q * libm::log1p(-share);
    }
    lgamma(p) + log_gamma_ratio(p, q)
}

/// log Γ(q) − log Γ(p + q) for p < 10.
fn log_gamma_ratio(p: f64, q: f64) -> f64 {
    if q < 10.0 {
        return lgamma(q) - lgamma(p + q);
    }
    let rest = stirling_rest(q) - stirling_rest(p + q);
    rest + p - p * libm::log(p + q) + (q - 0.5) * libm::log1p(-p / (p + q))
}

/// log(p B(p, q)) for p < 1 and q ≥ p, which is moderate where B is huge.
fn log_scaled_beta(p: f64, q: f64) -> f64 {
    if q < 1.0 {
        libm::log1p(p / q) + lgamma(1.0 + p) + lgamma(1.0 + q) - lgamma(1.0 + p + q)
    } else {
        lgamma(1.0 + p) + log_gamma_ratio(p, q)
    }
}

/// The regularised incomplete beta function I_x(a, b).
pub fn beta_inc(a: f64, b: f64, x: f64) -> f64 {
    let Some(side) = Side::new(a, b, x) else {
        return f64::NAN;
    };
    if x == 0.0 || x == 1.0 {
        return x;
    }
    // Rounding may lead beyond 1.
    if side.converges() {
        return side.value().min(1.0);
    }
    let rest = side.mirrored().value();
    if rest > 0.9 {
        side.integral(|_, _| 1.0).min(1.0)
    } else {
        1.0 - rest
    }
}

/// ∂I/∂a of I_x(a, b).
pub fn beta_inc_a_slope(a: f64, b: f64, x: f64) -> f64 {
    match Side::new(a, b, x) {
        None => f64::NAN,
        Some(_) if x == 0.0 || x == 1.0 => 0.0,
        Some(side) => side.shape_slope(),
    }
}

/// ∂I/∂b of I_x(a, b): I_x(a, b) = 1 − I_y(b, a), y = 1 − x.
pub fn beta_inc_b_slope(a: f64, b: f64, x: f64) -> f64 {
    match Side::new(a, b, x) {
        None => f64::NAN,
        Some(_) if x == 0.0 || x == 1.0 => 0.0,
        Some(side) => -side.mirrored().shape_slope(),
    }
}

/// The part of the distribution below x, with what both sides need: y = 1 − x, logarithms of both, and how far x is from
/// the mean, λ = a − (a + b) x.
#[derive(Clone, Copy)]
struct Side {
    a: f64,
    b: f64,
    x: f64,
    y: f64,
    log_x: f64,
    log_y: f64,
    lambda: f64,
}

impl Side {
    fn new(a: f64, b: f64, x: f64) -> Option<Side> {
        if !(a > 0.0
            && b > 0.0
            && a < f64::INFINITY
            && b < f64::INFINITY
            && (0.0..=1.0).contains(&x))
        {
            return None;
        }
        // a − (a + b) x with the rounding errors of the sum and of the product taken back.
        let sum = a + b;
        let (large, small) = if a > b { (a, b) } else { (b, a) };
        let sum_error = small - (sum - large);
        let lambda = (-sum).mul_add(x, a) - sum_error * x;
        Some(Side {
            a,
            b,
            x,
            y: 1.0 - x,
            log_x: libm::log(x),
            log_y: libm::log1p(-x),
            lambda,
        })
    }

    /// The part above x, as a part below y.
    fn mirrored(self) -> Side {
        Side {
            a: self.b,
            b: self.a,
            x: self.y,
            y: self.x,
            log_x: self.log_y,
            log_y: self.log_x,
            lambda: -self.lambda,
        }
    }

    /// Whether the continued fraction converges fast.
    fn converges(self) -> bool {
        self.x < (self.a + 1.0) / (self.a + self.b + 2.0)
    }

    fn value(self) -> f64 {
        if self.a + self.b > LARGE_SHAPES {
            self.integral(|_, _| 1.0)
        } else {
            self.factor() * fraction(self.a, self.b, self.x) / self.a
        }
    }

    /// x^a y^b / B(a, b)
    fn factor(self) -> f64 {
        let Side { a, b, lambda, .. } = self;
        let (p, q) = if a < b { (a, b) } else { (b, a) };
        if p < 1.0 {
            return p * libm::exp(a * self.log_x + b * self.log_y - log_scaled_beta(p, q));
        }
        if p < 10.0 {
            return libm::exp(a * self.log_x + b * self.log_y - log_beta(a, b));
        }
        // a log(x (a + b) / a) + b log(y (a + b) / b); of λ the linear terms cancel.
        let exponent = a * log_share_rest(-lambda / a, self.log_x, a / (a + b))
            + b * log_share_rest(lambda / b, self.log_y, b / (a + b));
        let rest = stirling_rest(a) + stirling_rest(b) - stirling_rest(a + b);
        (a / (a + b) * b / (2.0 * PI)).sqrt() * libm::exp(exponent - rest)
    }

    /// The integral of weight(s, w) times the density from 0 to x, by t = x e^−s. With r = x/y and w = r (1 − e^−s),
    /// 1 − t = y (1 + w), and minus the logarithm of the density relative to s = 0 is a s − (b − 1) log(1 + w)
    /// = (a − (b − 1) r) s + (b − 1) (r (e^−s − 1 + s) + w − log(1 + w)), whose terms do not cancel.
    fn integral(self, weight: impl Fn(f64, f64) -> f64) -> f64 {
        let less = self.b - 1.0;
        let ratio = self.x / self.y;
        let slope = (self.lambda + self.x) / self.y;
        let w = |s: f64| -ratio * libm::expm1(-s);
        let exponent = |s: f64| {
            if less < 0.0 {
                return self.a * s - less * libm::log1p(w(s));
            }
            slope * s + less * (ratio * exp_rest(-s) - log1p_rest(w(s)))
        };
        // The nearest singularity is at s = log x; the exponent changes with its slope and its curvature.
        let curvature = less.abs().sqrt() * ratio.sqrt() * (1.0 + ratio).sqrt();
        let first = (4.0 / (slope.abs() + curvature)).min(-1.5 * self.log_x);
        self.factor() / self.y * integrate_decaying(first, exponent, |s| weight(s, w(s)))
    }

    /// The derivative of the part below x in its shape a.
    fn shape_slope(self) -> f64 {
        let Side { a, b, .. } = self;
        // log x − ψ(a) + ψ(a + b)
        let gap = if a < 10.0 {
            self.log_x + digamma_difference(a, b)
        } else {
            let apart = -self.lambda / a;
            log_share_rest(apart, self.log_x, a / (a + b)) + apart + digamma_gap_difference(a, b)
        };
        if gap <= 0.0 {
            self.integral(|s, _| gap - s)
        } else {
            // The part above: log t = log x + log(1 + w) with t = 1 − y e^−s.
            -self.mirrored().integral(|_, w| gap + libm::log1p(w))
        }
    }
}

/// log(x / share) − apart, where apart = x / share − 1 loses its digits near −1 and the logarithm elsewhere.
fn log_share_rest(apart: f64, log_x: f64, share: f64) -> f64 {
    if apart > -0.9 {
        log1p_rest(apart)
    } else {
        log_x - libm::log(share) - apart
    }
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..10_000 {
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
