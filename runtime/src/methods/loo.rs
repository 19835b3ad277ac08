//! Leave-one-out prediction without refitting: each observation's predictive density given the others, from draws given
//! all, by importance sampling whose largest ratios are smoothed (PSIS-LOO: Vehtari, Gelman & Gabry 2017; Vehtari et al.
//! 2024). Pareto's k̂ tells for which observations this can be trusted.

use crate::diagnose::effective_size;
use crate::math::special::logsumexp;
use crate::parts::pareto;

/// One observation left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeftOut {
    /// log p(y_i | the others).
    pub elpd: f64,
    /// log of the mean density of the observation over all draws: what it would be without leaving it out.
    pub lpd: f64,
    /// Pareto's k̂ of its ratios.
    pub shape: f64,
}

/// From the log likelihood of one observation at each draw, chain by chain.
pub fn leave_out(chains: &[Vec<f64>]) -> LeftOut {
    let all: Vec<f64> = chains.concat();
    let count = all.len() as f64;
    let lpd = logsumexp(&all) - libm::log(count);
    let first = all.first().copied().unwrap_or(f64::NAN);
    if all.iter().all(|l| *l == first) {
        return LeftOut {
            elpd: first,
            lpd,
            shape: f64::NEG_INFINITY,
        };
    }
    let densities: Vec<Vec<f64>> = chains
        .iter()
        .map(|chain| chain.iter().map(|l| libm::exp(l - lpd)).collect())
        .collect();
    let effective = match densities.first() {
        Some(chain) if chain.len() >= 4 => effective_size(&densities).min(count),
        _ => count,
    };
    let mut ratios: Vec<f64> = all.iter().map(|l| -l).collect();
    let shape = pareto::smooth(&mut ratios, pareto::tail_length(all.len(), effective));
    let weighted: Vec<f64> = ratios.iter().zip(&all).map(|(r, l)| r + l).collect();
    LeftOut {
        elpd: logsumexp(&weighted) - logsumexp(&ratios),
        lpd,
        shape,
    }
}

/// k̂ above this is not trusted with so many draws.
pub fn largest_shape(draws: usize) -> f64 {
    (1.0 - 1.0 / (draws.max(2) as f64).log10()).clamp(0.0, 0.7)
}

/// The weights on the simplex that maximise Σ_i log Σ_k w_k p_k(y_i | y_−i): stacking of predictive densities (Yao, Vehtari,
/// Simpson & Gelman 2018). `elpds[k][i]` are the logarithms. The problem is concave; each round of this expectation
/// maximisation raises it.
pub fn stacking(elpds: &[Vec<f64>]) -> Vec<f64> {
    let models = elpds.len();
    let observations = elpds.first().map_or(0, Vec::len);
    let mut weights = vec![1.0 / models as f64; models];
    if observations == 0 {
        return weights;
    }
    // Relative to each observation's best model: only ratios matter.
    let relative: Vec<Vec<f64>> = (0..observations)
        .map(|i| {
            let best = elpds.iter().map(|e| e[i]).fold(f64::NEG_INFINITY, f64::max);
            elpds.iter().map(|e| libm::exp(e[i] - best)).collect()
        })
        .collect();
    for _ in 0..10_000 {
        let mut next = vec![0.0; models];
        for row in &relative {
            let total: f64 = row.iter().zip(&weights).map(|(p, w)| p * w).sum();
            for ((next, p), w) in next.iter_mut().zip(row).zip(&weights) {
                *next += p * w / total / observations as f64;
            }
        }
        let change = next
            .iter()
            .zip(&weights)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        weights = next;
        if change < 1e-8 {
            break;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    /// A normal mean with known variance: leaving one out has a closed form.
    #[test]
    fn a_normal_mean_left_out() {
        let y = [0.3, -1.2, 0.8, 2.1, 0.1, -0.4, 1.0, 0.6];
        let posterior = |rows: &[f64]| {
            let precision = 0.25 + rows.len() as f64;
            (rows.iter().sum::<f64>() / precision, 1.0 / precision)
        };
        let (mean, variance) = posterior(&y);
        let mut stream = Stream::new(5, Purpose::Test, 0);
        let chains: Vec<Vec<f64>> = (0..4)
            .map(|_| {
                (0..5000)
                    .map(|_| mean + variance.sqrt() * stream.normal())
                    .collect()
            })
            .collect();
        let log_normal = |x: f64, mean: f64, variance: f64| {
            -0.5 * (2.0 * std::f64::consts::PI * variance).ln()
                - (x - mean).powi(2) / (2.0 * variance)
        };
        for (i, observed) in y.iter().enumerate() {
            let logs: Vec<Vec<f64>> = chains
                .iter()
                .map(|chain| {
                    chain
                        .iter()
                        .map(|mu| log_normal(*observed, *mu, 1.0))
                        .collect()
                })
                .collect();
            let mut others = y.to_vec();
            others.remove(i);
            let (mean, variance) = posterior(&others);
            let exact = log_normal(*observed, mean, variance + 1.0);
            let found = leave_out(&logs);
            assert!((found.elpd - exact).abs() < 0.01, "{} {exact}", found.elpd);
            assert!(found.shape < 0.5 && found.lpd > found.elpd);
        }
    }

    #[test]
    fn stacking_finds_the_mixture_that_predicts_best() {
        // Two thirds of the observations are likelier under the first model by e, the others under the second by e.
        let first: Vec<f64> = (0..300)
            .map(|i| if i % 3 == 0 { -2.0 } else { -1.0 })
            .collect();
        let second: Vec<f64> = first.iter().map(|e| -3.0 - e).collect();
        let weights = stacking(&[first, second]);
        let a = (-1.0f64).exp();
        // d/dw of 2/3 log(w + a(1 − w)) + 1/3 log(a w + 1 − w) vanishes there.
        let exact = (2.0 - a) / (3.0 * (1.0 - a));
        assert!((weights[0] - exact).abs() < 1e-5, "{} {exact}", weights[0]);
        assert_eq!(stacking(&[vec![-1.0; 5], vec![-9.0; 5]])[0].round(), 1.0);
    }
}
