//! What is left of elementary functions and of log Γ and ψ when their leading terms are taken away, without the
//! cancellation of taking them away: building blocks of densities with large parameters.

/// e^s − 1 − s
pub fn exp_rest(s: f64) -> f64 {
    if s.abs() > 0.5 {
        return libm::expm1(s) - s;
    }
    let series = (3..=16)
        .rev()
        .fold(1.0, |sum, k| 1.0 + s * sum / f64::from(k));
    0.5 * s * s * series
}

/// log(1 + x) − x; with t = x / (2 + x) it is −t x + 2 (t³/3 + t⁵/5 + …).
pub fn log1p_rest(x: f64) -> f64 {
    if !(-0.5..=1.0).contains(&x) {
        return libm::log1p(x) - x;
    }
    let t = x / (2.0 + x);
    let square = t * t;
    let series = (1..=17)
        .rev()
        .fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    t * (2.0 * square * series - x)
}

/// log Γ(x) − (x − ½) log x + x − ½ log 2π for x ≥ 10: the Stirling series.
pub fn stirling_rest(x: f64) -> f64 {
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

/// The coefficients B_2k / 2k of log x − ψ(x) − 1/2x in powers of 1/x².
const DIGAMMA_GAP: [f64; 7] = [
    1.0 / 12.0,
    -1.0 / 120.0,
    1.0 / 252.0,
    -1.0 / 240.0,
    1.0 / 132.0,
    -691.0 / 32_760.0,
    1.0 / 12.0,
];

/// log x − ψ(x) for x ≥ 10.
pub fn digamma_gap(x: f64) -> f64 {
    let square = 1.0 / (x * x);
    let series = DIGAMMA_GAP
        .iter()
        .rev()
        .fold(0.0, |sum, term| sum * square + term);
    0.5 / x + square * series
}

/// `digamma_gap(x)` − `digamma_gap(x + step)`, term by term: x^−m − (x + step)^−m = −x^−m (e^(−m log(1 + step/x)) − 1).
pub fn digamma_gap_difference(x: f64, step: f64) -> f64 {
    let log = libm::log1p(step / x);
    let square = 1.0 / (x * x);
    let mut power = square;
    let mut sum = -0.5 / x * libm::expm1(-log);
    for (k, term) in DIGAMMA_GAP.iter().enumerate() {
        sum -= term * power * libm::expm1(-2.0 * (k + 1) as f64 * log);
        power *= square;
    }
    sum
}

/// ψ(x + step) − ψ(x) for positive x and step, without cancellation.
pub fn digamma_difference(x: f64, step: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 10.0 {
        sum += step / (x + step) / x;
        x += 1.0;
    }
    sum + libm::log1p(step / x) + digamma_gap_difference(x, step)
}
