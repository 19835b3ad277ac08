//! Constraints taken away from particles that heed them, by weights 1/φ, φ their potential: E[1/φ] is the ratio of the
//! normalising constants without and with them. The largest weights are smoothed (PSIS, `parts/pareto.rs`). For a Gaussian
//! equality the tail index of 1/φ is Var(r)/s², r its residual and s its scale, so that only constraints that say little
//! beside the rest can be taken away so.

use super::{Combined, Estimate, combine, relative_variance, scatter};
use crate::diagnose::effective_size;
use crate::methods::particles::Population;
use crate::parts::pareto;
use crate::parts::tempering::Reweighting;
use crate::target::Parts;

/// Particles of several runs with weights 1/φ.
#[derive(Debug, Clone)]
pub struct Reweighted {
    /// log E[1/φ].
    pub ratio: Combined,
    /// Pareto's k̂ of the weights.
    pub shape: f64,
    /// log 1/φ of each particle, the largest smoothed; run after run.
    log_weights: Vec<f64>,
}

impl Reweighted {
    /// Takes constraints away from particles of densities with all of them, whose `parts` hold their potentials.
    pub fn without(constraints: &[usize], runs: &[&Population]) -> Self {
        let penalty = |parts: &Parts| -constraints.iter().map(|&k| parts.soft[k]).sum::<f64>();
        let chains = runs.iter().flat_map(|run| run.by_chain(penalty));
        let chains: Vec<Vec<f64>> = chains.collect();
        let mut log_weights = chains.concat();
        let count = log_weights.len();
        let effective = match chains.first() {
            Some(chain) if chain.len() >= 4 => effective_size(&chains).min(count as f64),
            _ => count as f64,
        };
        let shape = pareto::smooth(&mut log_weights, pareto::tail_length(count, effective));
        let mut first = 0;
        let estimates = runs.iter().map(|run| {
            let own = Reweighting::new(&log_weights[first..first + run.count()], 1.0);
            first += run.count();
            Estimate {
                log: own.log_mean,
                relative_variance: relative_variance(&own.weights, run),
            }
        });
        Self {
            ratio: combine(estimates),
            shape,
            log_weights,
        }
    }

    /// The mean of a number without the constraints, and its standard error; `values` has one for each particle.
    pub fn mean(&self, runs: &[&Population], values: &[f64]) -> (f64, f64) {
        let weights = Reweighting::new(&self.log_weights, 1.0).weights;
        let total: f64 = weights.iter().sum();
        let weighted = weights.iter().zip(values).map(|(w, v)| w * v);
        let mean = weighted.sum::<f64>() / total;
        let excess = weights.iter().zip(values).map(|(w, v)| w * (v - mean));
        let excess: Vec<f64> = excess.collect();
        let (mut first, mut variance) = (0, 0.0);
        for run in runs {
            let own = &excess[first..first + run.count()];
            first += own.len();
            variance += scatter(own, run) * (run.count() as f64).powi(2);
        }
        (mean, variance.sqrt() / total)
    }
}
