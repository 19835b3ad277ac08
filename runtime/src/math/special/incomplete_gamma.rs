//! The regularised incomplete gamma functions P(a, x) and Q(a, x) = 1 − P, and their derivative in the shape a. Below
//! x = a + ½, P comes from its power series or, for large a, from the integral over t = x e^−s; above, Q from the integral
//! over t = x e^s. The derivative integrates the same density times log t − ψ(a), which has one sign on the side that is
//! chosen, so that no digits are lost in either tail. x^a e⁻ˣ / Γ(a + 1) in front is written around its saddle point.

use std::f64::consts::PI;

use super::quadrature::integrate_decaying;
use super::stirling::{digamma_gap, exp_rest, log1p_rest, stirling_rest};

/// From this shape on integrals replace the series, whose number of terms grows.
const LARGE_SHAPE: f64 = 60.0;

/// The regularised lower incomplete gamma function P(a, x).
pub fn gamma_p(a: f64, x: f64) -> f64 {
    match (edge(a, x), is_lower(a, x)) {
        (Some(p), _) => p,
        (None, true) => lower(a, x),
        (None, false) => 1.0 - upper(a, x),
    }
}

/// The regularised upper incomplete gamma function Q(a, x).
pub fn gamma_q(a: f64, x: f64) -> f64 {
    match (edge(a, x), is_lower(a, x)) {
        (Some(p), _) => 1.0 - p,
        (None, true) if a < 0.5 => small_shape_upper(a, x),
        (None, true) => 1.0 - lower(a, x),
        (None, false) => upper(a, x),
    }
}

/// ∂P/∂a, which is −∂Q/∂a.
pub fn gamma_p_shape_slope(a: f64, x: f64) -> f64 {
    match edge(a, x) {
        Some(p) if p.is_nan() => p,
        Some(_) => 0.0,
        None if !is_lower(a, x) => {
            let gap = log_gap(a, x);
            -a * factor(a, x)
                * integrate_decaying(scale(a, x), |s| upper_exponent(a, x, s), |s| gap + s)
        }
        None if a < LARGE_SHAPE => {
            // Σ t_n (log x − ψ(a + n + 1)), t_n the terms of the series.
            let (log, mut psi) = (libm::log(x), super::digamma(a + 1.0));
            let (mut term, mut n) = (1.0, 0.0);
            let mut sum = log - psi;
            while term * psi.abs().max(1.0) > 1e-18 * sum.abs() {
                n += 1.0;
                term *= x / (a + n);
                psi += 1.0 / (a + n);
                sum += term * (log - psi);
            }
            factor(a, x) * sum
        }
        None => {
            let gap = log_gap(a, x);
            a * factor(a, x)
                * integrate_decaying(scale(a, x), |s| lower_exponent(a, x, s), |s| gap - s)
        }
    }
}

/// P where it needs no computation: outside the domain and at its ends.
fn edge(a: f64, x: f64) -> Option<f64> {
    if !(a > 0.0 && x >= 0.0) || a == f64::INFINITY {
        Some(f64::NAN)
    } else if x == 0.0 || x == f64::INFINITY {
        Some(f64::from(x > 0.0))
    } else {
        None
    }
}

fn is_lower(a: f64, x: f64) -> bool {
    x <= a + 0.5
}

fn lower(a: f64, x: f64) -> f64 {
    if a >= LARGE_SHAPE {
        return a
            * factor(a, x)
            * integrate_decaying(scale(a, x), |s| lower_exponent(a, x, s), |_| 1.0);
    }
    let (mut term, mut sum, mut n) = (1.0, 1.0, 0.0);
    while term > 1e-17 * sum {
        n += 1.0;
        term *= x / (a + n);
        sum += term;
    }
    // Rounding may lead beyond 1.
    (factor(a, x) * sum).min(1.0)
}

fn upper(a: f64, x: f64) -> f64 {
    a * factor(a, x) * integrate_decaying(scale(a, x), |s| upper_exponent(a, x, s), |_| 1.0)
}

/// Q for a < ½ and x ≤ a + ½, where it may be of the size of a: 1 − x^a / Γ(a + 1) (1 + a Σ (−x)^n / ((a + n) n!)).
fn small_shape_upper(a: f64, x: f64) -> f64 {
    let (mut power, mut sum, mut n) = (1.0_f64, 0.0, 0.0);
    while power.abs() > 1e-18 {
        n += 1.0;
        power *= -x / n;
        sum += power / (a + n);
    }
    let exponent = a * libm::log(x) - log_gamma_one_plus(a);
    -libm::expm1(exponent) - libm::exp(exponent) * a * sum
}

/// log Γ(1 + a) for 0 ≤ a ≤ ½: −log(1 + a) + (1 − γ) a + Σ (ζ(k) − 1) (−a)^k / k.
#[allow(clippy::excessive_precision)] // as computed with 40 digits
fn log_gamma_one_plus(a: f64) -> f64 {
    const ZETA_LESS_ONE: [f64; 26] = [
        0.644934066848226436,
        0.202056903159594285,
        0.0823232337111381915,
        0.0369277551433699263,
        0.0173430619844491397,
        0.00834927738192282684,
        0.00407735619794433938,
        0.00200839282608221442,
        0.000994575127818085337,
        0.000494188604119464559,
        0.000246086553308048299,
        0.000122713347578489147,
        0.0000612481350587048293,
        0.0000305882363070204936,
        0.0000152822594086518717,
        7.63719763789976227e-6,
        3.81729326499983986e-6,
        1.90821271655393893e-6,
        9.53962033872796113e-7,
        4.76932986787806463e-7,
        2.3845050272773299e-7,
        1.19219925965311073e-7,
        5.96081890512594796e-8,
        2.98035035146522802e-8,
        1.49015548283650412e-8,
        7.45071178983542949e-9,
    ];
    let series = ZETA_LESS_ONE
        .iter()
        .enumerate()
        .rev()
        .fold(0.0, |sum, (k, zeta)| zeta / (k + 2) as f64 - a * sum);
    let one_less_euler = 0.422784335098467139;
    a * (one_less_euler + a * series) - libm::log1p(a)
}

/// log x − ψ(a)
fn log_gap(a: f64, x: f64) -> f64 {
    if a < LARGE_SHAPE {
        libm::log(x) - super::digamma(a)
    } else {
        libm::log1p((x - a) / a) + digamma_gap(a)
    }
}

/// x^a e⁻ˣ / Γ(a + 1)
fn factor(a: f64, x: f64) -> f64 {
    if a >= 10.0 {
        let apart = (x - a) / a;
        let saddle = if (-0.5..=1.0).contains(&apart) {
            a * log1p_rest(apart)
        } else {
            a * libm::log(x / a) - (x - a)
        };
        let exponent = saddle - stirling_rest(a);
        return libm::exp(exponent) / (2.0 * PI * a).sqrt();
    }
    if x > 1500.0 {
        return 0.0;
    }
    // In two halves: e⁻ˣ alone may vanish where the product does not.
    let half = libm::exp(-0.5 * x);
    half * libm::pow(x, a) / libm::tgamma(1.0 + a) * half
}

/// The scale on which the densities of both tails change at x, as functions of s.
fn scale(a: f64, x: f64) -> f64 {
    4.0 / ((x - a).abs() + x.sqrt()).max(1.0)
}

/// −log of the density of s under t = x e^−s, relative to s = 0: (a − x) s + x (e^−s − 1 + s)
fn lower_exponent(a: f64, x: f64, s: f64) -> f64 {
    (a - x) * s + x * exp_rest(-s)
}

/// The same under t = x e^s: (x − a) s + x (e^s − 1 − s)
fn upper_exponent(a: f64, x: f64, s: f64) -> f64 {
    (x - a) * s + x * exp_rest(s)
}
