//! The generalised Pareto distribution of the largest of a set of ratios: its shape k̂ tells how far their mean can be
//! trusted (above 0.7 hardly), and smoothing the largest by its quantiles makes importance sampling stable (Vehtari,
//! Simpson, Gelman, Yao & Gabry 2024). The fit is the quick Bayesian estimate of Zhang & Stephens (2009).

/// A fitted tail: P(x > t) = (1 + k t / σ)^(−1/k) for exceedances t.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tail {
    /// The shape; positive means a heavy tail.
    pub shape: f64,
    /// The scale σ.
    pub scale: f64,
}

/// Fits exceedances, which must be sorted, positive, and at least five.
pub fn fit(exceedances: &[f64]) -> Tail {
    let count = exceedances.len();
    let (n, largest) = (count as f64, exceedances[count - 1]);
    let quartile = exceedances[(n / 4.0 + 0.5).floor().max(1.0) as usize - 1];
    let grid = 30 + (n.sqrt().floor() as usize);
    let theta = |j: usize| {
        let rank = (grid as f64 / (j as f64 + 0.5)).sqrt();
        1.0 / largest + (1.0 - rank) / 3.0 / quartile
    };
    let shape_of = |theta: f64| {
        exceedances
            .iter()
            .map(|x| libm::log1p(-theta * x))
            .sum::<f64>()
            / n
    };
    let profile: Vec<(f64, f64)> = (0..grid)
        .map(|j| {
            let theta = theta(j);
            let shape = shape_of(theta);
            (theta, n * (libm::log(-theta / shape) - shape - 1.0))
        })
        .collect();
    let highest = profile
        .iter()
        .map(|p| p.1)
        .fold(f64::NEG_INFINITY, f64::max);
    let (mut total, mut mean) = (0.0, 0.0);
    for (theta, height) in profile {
        let weight = libm::exp(height - highest);
        if weight.is_finite() {
            total += weight;
            mean += weight * theta;
        }
    }
    let theta = mean / total;
    let raw = shape_of(theta);
    // Drawn a little towards 1/2, as ten further observations would.
    Tail {
        shape: raw * n / (n + 10.0) + 5.0 / (n + 10.0),
        scale: -raw / theta,
    }
}

impl Tail {
    /// The exceedance that a share `p` of exceedances stays below.
    pub fn quantile(self, p: f64) -> f64 {
        if self.shape.abs() < 1e-30 {
            return -self.scale * libm::log1p(-p);
        }
        self.scale * libm::expm1(-self.shape * libm::log1p(-p)) / self.shape
    }
}

/// How many of `count` ratios make the tail, when these are worth `effective` independent ones.
pub fn tail_length(count: usize, effective: f64) -> usize {
    let count = count as f64;
    let relative = (effective / count).clamp(1e-6, 1.0);
    (count / 5.0).min(3.0 * (count / relative).sqrt()).ceil() as usize
}

/// The shape k̂ of the largest `tail` of the ratios exp(`logs`). −∞ when they do not vary; +∞ when too few are left to
/// tell.
pub fn shape(logs: &[f64], tail: usize) -> f64 {
    smooth(&mut logs.to_vec(), tail)
}

/// Replaces the largest `tail` of the ratios exp(`logs`) by quantiles of the law fitted to them, never above the largest
/// of all; returns k̂ as [`shape`].
pub fn smooth(logs: &mut [f64], tail: usize) -> f64 {
    let count = logs.len();
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if tail < 5 || tail >= count || !largest.is_finite() {
        return f64::INFINITY;
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| logs[a].total_cmp(&logs[b]));
    let border = logs[order[count - tail - 1]].max(largest - 700.0);
    if largest - border < 1e-12 {
        return f64::NEG_INFINITY;
    }
    let base = libm::exp(border - largest);
    let members = &order[count - tail..];
    let exceedances: Vec<f64> = members
        .iter()
        .map(|&n| libm::exp(logs[n] - largest) - base)
        .collect();
    let positive: Vec<f64> = exceedances.iter().copied().filter(|&x| x > 0.0).collect();
    if positive.len() < 5 {
        return f64::INFINITY;
    }
    let fitted = fit(&positive);
    if !fitted.shape.is_finite() {
        return f64::INFINITY;
    }
    for (rank, &n) in members.iter().enumerate() {
        let quantile = fitted.quantile((rank as f64 + 0.5) / tail as f64);
        logs[n] = (largest + libm::log(base + quantile)).min(largest);
    }
    fitted.shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    /// Draws of a generalised Pareto law by its quantiles have the shape that they were drawn with.
    #[test]
    fn known_shapes_are_found() {
        for k in [-0.3, 0.0, 0.3, 0.7, 1.2] {
            let mut stream = Stream::new(11, Purpose::Test, 0);
            let law = Tail {
                shape: k,
                scale: 2.0,
            };
            let mut draws: Vec<f64> = (0..4000).map(|_| law.quantile(stream.uniform())).collect();
            draws.sort_by(f64::total_cmp);
            let fitted = fit(&draws);
            assert!((fitted.shape - k).abs() < 0.07, "{} for {k}", fitted.shape);
            assert!((fitted.scale - 2.0).abs() < 0.25, "{}", fitted.scale);
        }
    }

    /// Ratios exp(a x²) of a standard normal x have a tail of shape 2a.
    #[test]
    fn the_shape_of_ratios() {
        for a in [0.15, 0.25, 0.45] {
            let mut stream = Stream::new(12, Purpose::Test, 0);
            let logs: Vec<f64> = (0..100_000)
                .map(|_| {
                    let x = stream.normal();
                    a * x * x
                })
                .collect();
            let shape = shape(&logs, tail_length(logs.len(), 1e5));
            assert!((shape - 2.0 * a).abs() < 0.15, "{shape} for {a}");
        }
    }

    #[test]
    fn smoothing_keeps_order_and_bounds() {
        let mut stream = Stream::new(13, Purpose::Test, 0);
        let raw: Vec<f64> = (0..1000).map(|_| 2.0 * stream.exponential()).collect();
        let mut smoothed = raw.clone();
        let shape = smooth(&mut smoothed, 60);
        assert!(shape > 0.7, "{shape}");
        let largest = raw.iter().copied().fold(0.0, f64::max);
        for (a, b) in raw.iter().zip(&smoothed) {
            assert!(b <= &largest);
            for (c, d) in raw.iter().zip(&smoothed) {
                assert!((a < c) <= (b <= d));
            }
        }
        assert_eq!(super::shape(&[0.0; 100], 20), f64::NEG_INFINITY);
        assert_eq!(super::shape(&[f64::NEG_INFINITY; 100], 20), f64::INFINITY);
    }
}
