//! Modified Bessel functions I_v(x), K_v(x) of real order, their logarithms and derivatives in x. Each is computed as
//! factor · e^exponent, so that the logarithm has no range to run out of. From order 25 on both come from Olver's uniform
//! expansions (DLMF 10.41); below it I from its power series (all terms positive) or, far out, Hankel's expansion, K by
//! Temme (1975): a series for x ≤ 2, a continued fraction above, then upward recurrence in the order, which is stable.

use std::f64::consts::{LN_2, PI};

/// From this order on the uniform expansions have 16 digits.
const UNIFORM_ORDER: f64 = 25.0;

/// A number factor · e^exponent, and the slope of its logarithm.
struct Split {
    factor: f64,
    exponent: f64,
    slope: f64,
}

impl Split {
    fn value(&self) -> f64 {
        // In two steps: e^exponent alone may overflow or vanish where the product does not.
        let half = libm::exp(0.5 * self.exponent);
        half * self.factor * half
    }

    fn log(&self) -> f64 {
        self.exponent + libm::log(self.factor)
    }
}

/// I_v(x) for v ≥ 0; negative x needs a whole order.
pub fn bessel_i(order: f64, x: f64) -> f64 {
    by_parity(order, x, |x| match x {
        0.0 => f64::from(order == 0.0),
        f64::INFINITY => x,
        _ => first_kind(order, x).value(),
    })
}

/// The derivative of [`bessel_i`] in x.
pub fn bessel_i_slope(order: f64, x: f64) -> f64 {
    let slope = by_parity(order, x, |x| match x {
        0.0 if order == 1.0 => 0.5,
        0.0 if order > 0.0 && order < 1.0 => f64::INFINITY,
        0.0 => 0.0,
        f64::INFINITY => x,
        _ => {
            let split = first_kind(order, x);
            split.value() * split.slope
        }
    });
    if x < 0.0 { -slope } else { slope }
}

/// log I_v(x) for v ≥ 0 and x ≥ 0.
pub fn log_bessel_i(order: f64, x: f64) -> f64 {
    if !(order >= 0.0 && x >= 0.0) || order == f64::INFINITY {
        return f64::NAN;
    }
    if x == f64::INFINITY {
        return x;
    }
    if uses_series(order, x) {
        // Without a logarithm of the sum near 1, so that log I₀(x) ≈ x²/4 keeps its digits.
        let rest = libm::log1p(series_rest(order, x));
        return if order == 0.0 {
            rest
        } else {
            order * (libm::log(x) - LN_2) - libm::lgamma(1.0 + order) + rest
        };
    }
    first_kind(order, x).log()
}

/// The derivative of [`log_bessel_i`] in x.
pub fn log_bessel_i_slope(order: f64, x: f64) -> f64 {
    if !(order >= 0.0 && x >= 0.0) || order == f64::INFINITY {
        return f64::NAN;
    }
    match x {
        0.0 if order == 0.0 => 0.0,
        0.0 => f64::INFINITY,
        f64::INFINITY => 1.0,
        _ => first_kind(order, x).slope,
    }
}

/// K_v(x) for x > 0; K₋ᵥ = Kᵥ.
pub fn bessel_k(order: f64, x: f64) -> f64 {
    second_kind(order, x).value()
}

/// The derivative of [`bessel_k`] in x.
pub fn bessel_k_slope(order: f64, x: f64) -> f64 {
    let split = second_kind(order, x);
    split.value() * split.slope
}

/// log K_v(x) for x > 0.
pub fn log_bessel_k(order: f64, x: f64) -> f64 {
    second_kind(order, x).log()
}

/// The derivative of [`log_bessel_k`] in x.
pub fn log_bessel_k_slope(order: f64, x: f64) -> f64 {
    second_kind(order, x).slope
}

/// An even or odd function for whole orders; NaN outside the domain.
pub(super) fn by_parity(order: f64, x: f64, at_positive: impl Fn(f64) -> f64) -> f64 {
    let has_value = (0.0..f64::INFINITY).contains(&order) && (x >= 0.0 || order.fract() == 0.0);
    if !has_value || x.is_nan() {
        return f64::NAN;
    }
    let value = at_positive(x.abs());
    if x < 0.0 && order % 2.0 == 1.0 {
        -value
    } else {
        value
    }
}

fn uses_series(order: f64, x: f64) -> bool {
    order < UNIFORM_ORDER && !is_far(order, x)
}

/// Whether Hankel's expansion has converged to 16 digits before it diverges, and without large terms.
fn is_far(order: f64, x: f64) -> bool {
    x > 30.0 && x > 0.5 * order * order
}

/// I_v(x), v ≥ 0, 0 < x < ∞.
fn first_kind(order: f64, x: f64) -> Split {
    if is_far(order, x) {
        let (sum, next) = (hankel(order, x), hankel(order + 1.0, x));
        return Split {
            factor: sum / (2.0 * PI * x).sqrt(),
            exponent: x,
            slope: order / x + next / sum,
        };
    }
    if order >= UNIFORM_ORDER {
        return uniform(order, x, 1.0);
    }
    let sum = 1.0 + series_rest(order, x);
    let next = 1.0 + series_rest(order + 1.0, x);
    let (power, exponent) = match libm::pow(0.5 * x, order) {
        power if power > 1e-290 => (power, 0.0),
        _ => (1.0, order * (libm::log(x) - LN_2)),
    };
    Split {
        factor: power / libm::tgamma(1.0 + order) * sum,
        exponent,
        slope: order / x + 0.5 * x / (order + 1.0) * next / sum,
    }
}

/// Σ (x²/4)^k / (k! (v + 1)_k) from k = 1.
fn series_rest(order: f64, x: f64) -> f64 {
    let square = 0.25 * x * x;
    let (mut term, mut sum, mut k) = (1.0, 0.0, 1.0);
    loop {
        term *= square / (k * (order + k));
        sum += term;
        if term <= 1e-17 * sum {
            return sum;
        }
        k += 1.0;
    }
}

/// Hankel's expansion of √(2πx) e⁻ˣ I_v(x) (DLMF 10.40.1).
fn hankel(order: f64, x: f64) -> f64 {
    let square = 4.0 * order * order;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..60 {
        let k = f64::from(k);
        let odd = 2.0 * k - 1.0;
        term *= (odd * odd - square) / (8.0 * k * x);
        sum += term;
        if term.abs() <= 1e-17 * sum {
            break;
        }
    }
    sum
}

/// K_v(x); NaN outside x > 0.
fn second_kind(order: f64, x: f64) -> Split {
    let order = order.abs();
    if x.is_nan() || x <= 0.0 || !order.is_finite() {
        return Split {
            factor: if x == 0.0 { f64::INFINITY } else { f64::NAN },
            exponent: 0.0,
            slope: f64::NAN,
        };
    }
    if x == f64::INFINITY {
        return Split {
            factor: 1.0,
            exponent: f64::NEG_INFINITY,
            slope: -1.0,
        };
    }
    if order >= UNIFORM_ORDER {
        return uniform(order, x, -1.0);
    }
    let steps = libm::round(order);
    let mu = order - steps;
    let (start, mut ratio) = if x <= 2.0 {
        temme_series(mu, x)
    } else {
        temme_fraction(mu, x)
    };
    // K_{v+1} / K_v = 2v / x + K_{v−1} / K_v. What would overflow goes to the exponent.
    let (mut factor, mut exponent) = (start, if x <= 2.0 { 0.0 } else { -x });
    let mut at = mu;
    while at < order - 0.5 {
        if ratio > 1e150 {
            exponent += libm::log(ratio);
        } else {
            factor *= ratio;
        }
        if factor > 1e150 {
            exponent += libm::log(factor);
            factor = 1.0;
        }
        at += 1.0;
        ratio = 2.0 * at / x + 1.0 / ratio;
    }
    // K' = v/x K_v − K_{v+1}, and the last is at least twice the first.
    Split {
        factor,
        exponent,
        slope: order / x - ratio,
    }
}

/// K_μ(x) and K_{μ+1} / K_μ for |μ| ≤ ½ and 0 < x ≤ 2.
fn temme_series(mu: f64, x: f64) -> (f64, f64) {
    let Start { f, p, q } = temme_start(mu, x);
    let square = 0.25 * x * x;
    let (mut f, mut p, mut q) = (f, p, q);
    let (mut c, mut k, mut sum, mut next) = (1.0, 0.0, f, p);
    loop {
        k += 1.0;
        f = (k * f + p + q) / (k * k - mu * mu);
        p /= k - mu;
        q /= k + mu;
        c *= square / k;
        sum += c * f;
        next += c * (p - k * f);
        if (c * f).abs() <= 1e-17 * sum.abs() {
            return (sum, 2.0 / x * next / sum);
        }
    }
}

/// The first terms of Temme's series, also for the ordinary functions.
pub(super) struct Start {
    pub f: f64,
    pub p: f64,
    pub q: f64,
}

/// f₀, p₀ and q₀ for |μ| ≤ ½; for the ordinary functions they are to be multiplied by 2/π.
pub(super) fn temme_start(mu: f64, x: f64) -> Start {
    let (even, odd) = reciprocal_gamma(mu);
    let log = libm::log(2.0 / x);
    let sigma = mu * log;
    let angle = PI * mu;
    let reflection = if angle.abs() < 1e-8 {
        1.0
    } else {
        angle / libm::sin(angle)
    };
    let sinc = if sigma.abs() < 1e-8 {
        1.0
    } else {
        libm::sinh(sigma) / sigma
    };
    let growth = libm::exp(sigma);
    Start {
        f: reflection * (sinc * log * even - libm::cosh(sigma) * odd),
        // Γ(1 ± μ) from the two halves of its reciprocal.
        p: 0.5 * growth / (even + mu * odd),
        q: 0.5 / (growth * (even - mu * odd)),
    }
}

/// 1/Γ(1 + μ) = even + μ odd, with even and odd functions of μ²: its Taylor series.
#[allow(clippy::excessive_precision)] // as computed with 40 digits
fn reciprocal_gamma(mu: f64) -> (f64, f64) {
    const EVEN: [f64; 12] = [
        1.0,
        -0.655878071520253881,
        0.16653861138229149,
        -0.00962197152787697356,
        -0.00116516759185906511,
        0.000128050282388116186,
        -1.25049348214267066e-6,
        -2.0563384169776071e-7,
        5.00200764446922293e-9,
        1.04342671169110051e-10,
        -3.69680561864220571e-12,
        -2.05832605356650678e-14,
    ];
    const ODD: [f64; 12] = [
        0.577215664901532861,
        -0.0420026350340952355,
        -0.0421977345555443367,
        0.00721894324666309954,
        -0.000215241674114950973,
        -0.0000201348547807882387,
        1.13302723198169588e-6,
        6.11609510448141582e-9,
        -1.18127457048702014e-9,
        7.78226343990507125e-12,
        5.10037028745447598e-13,
        -5.34812253942301798e-15,
    ];
    let square = mu * mu;
    let at = |terms: [f64; 12]| {
        terms
            .iter()
            .rev()
            .fold(0.0, |sum, term| sum * square + term)
    };
    (at(EVEN), at(ODD))
}

/// eˣ K_μ(x) and K_{μ+1} / K_μ for |μ| ≤ ½ and x > 2: Temme's continued fraction by Steed's method.
fn temme_fraction(mu: f64, x: f64) -> (f64, f64) {
    let quarter = 0.25 - mu * mu;
    let mut b = 2.0 * (1.0 + x);
    let mut d = 1.0 / b;
    let (mut h, mut step) = (d, d);
    let (mut before, mut last) = (0.0, 1.0);
    let (mut q, mut c, mut a) = (quarter, quarter, -quarter);
    let mut s = 1.0 + q * step;
    for i in 2..10_000 {
        let i = f64::from(i);
        a -= 2.0 * (i - 1.0);
        c = -a * c / i;
        let next = (before - b * last) / a;
        before = last;
        last = next;
        q += c * next;
        b += 2.0;
        d = 1.0 / (b + a * d);
        step *= b * d - 1.0;
        h += step;
        let change = q * step;
        s += change;
        if change.abs() <= 1e-17 * s.abs() && step.abs() <= 1e-17 * h.abs() {
            break;
        }
    }
    let value = (PI / (2.0 * x)).sqrt() / s;
    (value, (mu + x + 0.5 - quarter * h) / x)
}

/// Terms of the uniform expansions.
const TERMS: usize = 13;

/// The polynomials u_k and v_k of the uniform expansions, as coefficients of p^k (p²)^j.
const POLYNOMIALS: ([[f64; TERMS]; TERMS], [[f64; TERMS]; TERMS]) = {
    let (mut u, mut v) = ([[0.0; TERMS]; TERMS], [[0.0; TERMS]; TERMS]);
    u[0][0] = 1.0;
    v[0][0] = 1.0;
    let mut k = 0;
    while k + 1 < TERMS {
        let mut j = 0;
        while j <= k {
            // u_{k+1} = ½p²(1 − p²) u_k' + ⅛ ∫ (1 − 5t²) u_k dt; v_{k+1} = u_{k+1} − p(1 − p²)(½u_k + p u_k').
            let (power, c) = ((k + 2 * j) as f64, u[k][j]);
            u[k + 1][j] += c * (0.5 * power + 0.125 / (power + 1.0));
            u[k + 1][j + 1] -= c * (0.5 * power + 0.625 / (power + 3.0));
            v[k + 1][j] -= c * (0.5 + power);
            v[k + 1][j + 1] += c * (0.5 + power);
            j += 1;
        }
        let mut j = 0;
        while j <= k + 1 {
            v[k + 1][j] += u[k + 1][j];
            j += 1;
        }
        k += 1;
    }
    (u, v)
};

/// I (sign 1) or K (sign −1) of an order of at least [`UNIFORM_ORDER`], with p = v / √(v² + x²):
/// I_v ~ e^{vη} / √(2π √(v² + x²)) Σ u_k(p)/v^k, vη = √(v² + x²) − v asinh(v/x), and likewise K with alternating signs.
fn uniform(order: f64, x: f64, sign: f64) -> Split {
    let root = libm::hypot(order, x);
    let asinh = if order < x {
        libm::asinh(order / x)
    } else {
        libm::log(order + root) - libm::log(x)
    };
    let p = order / root;
    let square = p * p;
    let (mut sum, mut derivative, mut power) = (0.0, 0.0, 1.0);
    for (u, v) in POLYNOMIALS.0.iter().zip(&POLYNOMIALS.1) {
        let at = |terms: &[f64; TERMS]| {
            terms
                .iter()
                .rev()
                .fold(0.0, |sum, term| sum * square + term)
        };
        sum += power * at(u);
        derivative += power * at(v);
        // (p / v)^k = 1 / root^k
        power *= sign / root;
    }
    let base = if sign > 0.0 { 0.5 / PI } else { 0.5 * PI };
    Split {
        factor: (base / root).sqrt() * sum,
        exponent: sign * (root - order * asinh),
        slope: sign * root / x * derivative / sum,
    }
}
