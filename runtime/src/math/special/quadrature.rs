//! Gauss–Legendre quadrature with twenty nodes, for integrals that have no better form. All nodes are inside and all
//! weights positive: an integrand of one sign loses no digits.

/// The positive nodes on (−1, 1) and their weights.
#[allow(clippy::excessive_precision)] // as computed with 40 digits
const NODES: [(f64, f64); 10] = [
    (0.0765265211334973338, 0.152753387130725851),
    (0.227785851141645078, 0.149172986472603747),
    (0.373706088715419561, 0.142096109318382051),
    (0.510867001950827098, 0.131688638449176627),
    (0.636053680726515025, 0.118194531961518417),
    (0.746331906460150793, 0.101930119817240435),
    (0.839116971822218823, 0.0832767415767047487),
    (0.912234428251325906, 0.0626720483341090636),
    (0.963971927277913791, 0.0406014298003869413),
    (0.993128599185094925, 0.0176140071391521183),
];

/// ∫ f from `low` to `high`.
pub fn integrate(low: f64, high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
    let sum: f64 = NODES
        .iter()
        .map(|(node, weight)| weight * (f(middle - half * node) + f(middle + half * node)))
        .sum();
    half * sum
}

/// ∫ weight(s) e^−exponent(s) ds from 0 on, for a weight of one sign and an exponent that grows, at first fast or for ever.
/// The stretches double from `first`, which is about the scale on which the integrand changes at 0, until they add nothing.
pub fn integrate_decaying(
    first: f64,
    exponent: impl Fn(f64) -> f64,
    weight: impl Fn(f64) -> f64,
) -> f64 {
    let integrand = |s: f64| weight(s) * libm::exp(-exponent(s));
    let mut end = first;
    let mut sum = integrate(0.0, end, integrand);
    // From the smallest number to the largest there are 2100 doublings.
    for _ in 0..2100 {
        let stretch = integrate(end, 2.0 * end, integrand);
        sum += stretch;
        end *= 2.0;
        if stretch.is_nan() || stretch.abs() <= 1e-17 * sum.abs() {
            break;
        }
    }
    sum
}
