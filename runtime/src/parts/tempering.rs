//! How far a tempering path may go in one step, and what the step adds to the log normalising constant.

/// What reweighting by exp(δ u_n) gives, for equally weighted particles.
#[derive(Debug, Clone, PartialEq)]
pub struct Reweighting {
    /// exp(δ u_n) over its largest value; zero where u_n is −inf.
    pub weights: Vec<f64>,
    /// log of the mean of exp(δ u_n).
    pub log_mean: f64,
    /// (Σ w)² / Σ w²
    pub effective: f64,
}

impl Reweighting {
    /// Of potentials u_n, by the power δ.
    pub fn new(potentials: &[f64], power: f64) -> Self {
        let largest = potentials.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY || potentials.is_empty() {
            return Self {
                weights: vec![0.0; potentials.len()],
                log_mean: f64::NEG_INFINITY,
                effective: 0.0,
            };
        }
        let weight = |u: &f64| match *u {
            f64::NEG_INFINITY => 0.0,
            u => libm::exp(power * (u - largest)),
        };
        let weights: Vec<f64> = potentials.iter().map(weight).collect();
        let sum: f64 = weights.iter().sum();
        Self {
            log_mean: power * largest + libm::log(sum / potentials.len() as f64),
            effective: effective(&weights),
            weights,
        }
    }
}

/// The effective number of weighted particles, (Σ w)² / Σ w².
pub fn effective(weights: &[f64]) -> f64 {
    let sum: f64 = weights.iter().sum();
    let squares: f64 = weights.iter().map(|w| w * w).sum();
    sum * sum / squares
}

/// The largest power up to `limit` that leaves an effective number of `share` of the particles with a finite potential;
/// found by halving the interval of its logarithm 60 times.
pub fn largest_power(potentials: &[f64], limit: f64, share: f64) -> f64 {
    let finite = potentials.iter().filter(|u| u.is_finite()).count();
    let wanted = share * finite as f64;
    let enough = |power: f64| Reweighting::new(potentials, power).effective >= wanted;
    if enough(limit) {
        return limit;
    }
    let (mut low, mut high) = (limit * 1e-18, limit);
    for _ in 0..60 {
        let middle = (low * high).sqrt();
        if enough(middle) {
            low = middle;
        } else {
            high = middle;
        }
        if high / low < 1.0 + 1e-9 {
            break;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_leaves_the_wanted_share() {
        let potentials: Vec<f64> = (0..1000).map(|n| -0.5 * f64::from(n)).collect();
        let power = largest_power(&potentials, 1.0, 0.5);
        let effective = Reweighting::new(&potentials, power).effective;
        assert!((effective - 500.0).abs() < 1e-3, "{effective}");
        assert_eq!(largest_power(&[-1.0, -1.1, -0.9], 1.0, 0.5), 1.0);
    }

    #[test]
    fn impossible_particles_count_in_the_mean_only() {
        let potentials = [0.0, f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0];
        assert_eq!(largest_power(&potentials, 1.0, 0.5), 1.0);
        let reweighting = Reweighting::new(&potentials, 1.0);
        assert_eq!(reweighting.log_mean, 0.5f64.ln());
        assert_eq!(reweighting.effective, 2.0);
        assert_eq!(
            Reweighting::new(&[f64::NEG_INFINITY], 1.0).log_mean,
            f64::NEG_INFINITY
        );
    }
}
