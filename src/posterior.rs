//! What a run leaves behind: the draws of every chain with their names, what the sampler did at each of them, the
//! summary and the verdict. Chains are kept apart and values row by row (draw after draw), because that is how they are
//! made and how files are written; [`Posterior::draws`] gathers a column.

use std::collections::BTreeMap;
use std::time::Duration;

use likelier_compiler::Column;
pub use likelier_runtime::run::InverseMetric;
use serde::Serialize;

use crate::sampling::Settings;

/// Draws from a posterior, summarised and judged.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// What was asked for.
    pub settings: Settings,
    /// What each value of a draw is.
    pub columns: Vec<Column>,
    /// All chains with the same number of draws.
    pub chains: Vec<Chain>,
    /// One row per column, in the same order.
    pub summary: Vec<SummaryRow>,
    /// Whether the draws can be trusted.
    pub health: Health,
    /// Wall time of warm-up and sampling together.
    pub sampling_time: Duration,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// The other run, where a run with divergences was repeated.
    pub discarded_run: Option<DiscardedRun>,
    /// What else a reader should know, in sentences.
    pub notes: Vec<String>,
}

/// A run that was made and not kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiscardedRun {
    /// The acceptance probability it aimed at.
    pub target_accept: f64,
    /// Its draws whose trajectory diverged.
    pub divergences: usize,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

/// One chain, after its warm-up.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// The chain's number from 1, which also names its stream of random numbers.
    pub number: usize,
    /// Draws × columns values, draw after draw.
    pub values: Vec<f64>,
    /// Draws × coordinates: the unconstrained positions.
    pub positions: Vec<f64>,
    /// The likelihood part of the log density at each draw.
    pub log_likelihoods: Vec<f64>,
    /// What the sampler did, one per draw.
    pub statistics: Vec<DrawStatistics>,
    /// The step size after warm-up; NaN if nothing needed a sampler.
    pub step_size: f64,
    /// The inverse metric after warm-up, on unconstrained coordinates.
    pub inverse_metric: InverseMetric,
    /// Divergences during warm-up, which do no harm.
    pub warmup_divergences: usize,
    /// Steps after it that led to zero density. Each ends its trajectory, which then counts as divergent.
    pub impossible: usize,
    /// Seconds this chain spent in warm-up.
    pub warmup_seconds: f64,
    /// Seconds this chain spent in sampling.
    pub sampling_seconds: f64,
}

/// What the sampler did for one draw.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DrawStatistics {
    /// Log density of the unconstrained position, Jacobian included.
    pub lp: f64,
    /// Mean acceptance probability over the trajectory.
    pub acceptance_rate: f64,
    /// The step size.
    pub step_size: f64,
    /// Doublings of the trajectory.
    pub tree_depth: u32,
    /// Leapfrog steps, each one gradient.
    pub n_steps: u32,
    /// Whether the trajectory diverged.
    pub diverging: bool,
    /// The Hamiltonian at the draw.
    pub energy: f64,
}

/// The summary of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummaryRow {
    /// The column: `theta[1]`.
    #[serde(skip)]
    pub name: String,
    /// Mean over all chains.
    pub mean: f64,
    /// Standard deviation over all chains.
    pub sd: f64,
    /// Monte Carlo standard error of the mean.
    pub mcse_mean: f64,
    /// Monte Carlo standard error of the standard deviation.
    pub mcse_sd: f64,
    /// 5 % quantile.
    pub q5: f64,
    /// Median.
    pub q50: f64,
    /// 95 % quantile.
    pub q95: f64,
    /// Rank-normalised split R-hat; NaN for a constant column.
    pub rhat: f64,
    /// Effective sample size of the bulk.
    pub ess_bulk: f64,
    /// Effective sample size of the tails.
    pub ess_tail: f64,
}

/// The worst of a diagnostic, and the column it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extreme {
    /// The column: `theta[1]`.
    pub name: String,
    /// The diagnostic.
    pub value: f64,
}

/// Whether the draws can be trusted, in figures and in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// Whether nothing is to be worried about.
    pub ok: bool,
    /// Draws whose trajectory diverged.
    pub divergences: usize,
    /// Draws whose trajectory was cut at the maximal depth.
    pub max_depth_hits: usize,
    /// Energy Bayesian fraction of missing information, one per chain.
    pub e_bfmi: Vec<f64>,
    /// The largest R-hat and whose it is.
    pub worst_rhat: Option<Extreme>,
    /// The lowest effective sample size, bulk or tail, and whose it is.
    pub lowest_ess: Option<Extreme>,
    /// Whether the chains agree but for names of components and signs, which the density leaves open.
    pub in_copies: bool,
    /// What it means and what to try.
    pub sentences: Vec<String>,
}

impl Posterior {
    /// Draws per chain.
    pub fn draw_count(&self) -> usize {
        self.chains
            .first()
            .map_or(0, |chain| chain.statistics.len())
    }

    /// The draws of one column, chain by chain. `None` if there is no such column.
    pub fn draws(&self, name: &str) -> Option<Vec<Vec<f64>>> {
        let column = self.columns.iter().position(|column| column.name == name)?;
        Some(column_of(&self.chains, self.columns.len(), column))
    }

    /// The values of a discrete column, by its position, in rising order, each with the share of draws that have it.
    pub fn probabilities(&self, column: usize) -> Vec<(i64, f64)> {
        let mut counts = BTreeMap::new();
        for value in column_of(&self.chains, self.columns.len(), column).concat() {
            *counts.entry(value as i64).or_insert(0_usize) += 1;
        }
        let total: usize = counts.values().sum();
        let share = |(value, count)| (value, count as f64 / total as f64);
        counts.into_iter().map(share).collect()
    }

    /// The summary of one column.
    pub fn summary_of(&self, name: &str) -> Option<&SummaryRow> {
        self.summary.iter().find(|row| row.name == name)
    }

    /// Wall time of warm-up and of sampling: the whole in the ratio of what the chains spent in each, since chains
    /// that share a thread pass through both at different times.
    pub fn times(&self) -> (Duration, Duration) {
        let warmup: f64 = self.chains.iter().map(|chain| chain.warmup_seconds).sum();
        let sampling: f64 = self.chains.iter().map(|chain| chain.sampling_seconds).sum();
        let share = if warmup + sampling > 0.0 {
            warmup / (warmup + sampling)
        } else {
            0.0
        };
        (
            self.sampling_time.mul_f64(share),
            self.sampling_time.mul_f64(1.0 - share),
        )
    }
}

/// One column of every chain.
pub(crate) fn column_of(chains: &[Chain], width: usize, column: usize) -> Vec<Vec<f64>> {
    let of_chain = |chain: &Chain| {
        chain
            .values
            .iter()
            .skip(column)
            .step_by(width)
            .copied()
            .collect()
    };
    chains.iter().map(of_chain).collect()
}

/// Makes chains of an interrupted run equally long, as diagnostics and every reader of draws expect: of all ways to
/// drop chains and cut the others to one length, the one that keeps most draws.
pub(crate) fn equalise(chains: Vec<Chain>, width: usize) -> Vec<Chain> {
    let mut lengths: Vec<usize> = chains.iter().map(|chain| chain.statistics.len()).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let kept = |rank: usize| (rank + 1) * lengths[rank];
    let best = (0..lengths.len())
        .max_by_key(|&rank| kept(rank))
        .unwrap_or(0);
    let length = lengths.get(best).copied().unwrap_or(0);
    let long_enough = chains
        .into_iter()
        .filter(|chain| chain.statistics.len() >= length);
    long_enough
        .map(|mut chain| {
            let coordinates = chain.positions.len() / chain.statistics.len().max(1);
            chain.positions.truncate(length * coordinates);
            chain.log_likelihoods.truncate(length);
            chain.statistics.truncate(length);
            chain.values.truncate(length * width);
            chain
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(number: usize, draws: usize) -> Chain {
        Chain {
            number,
            values: (0..2 * draws).map(|index| index as f64).collect(),
            statistics: vec![DrawStatistics::default(); draws],
            ..Chain::default()
        }
    }

    #[test]
    fn unequal_chains_keep_as_many_draws_as_possible() {
        let kept = equalise(
            vec![chain(1, 1000), chain(2, 990), chain(3, 10), chain(4, 0)],
            2,
        );
        let shape: Vec<_> = kept
            .iter()
            .map(|c| (c.number, c.statistics.len()))
            .collect();
        assert_eq!(shape, [(1, 990), (2, 990)]);
        assert_eq!(kept[0].values.len(), 1980);
        let kept = equalise(vec![chain(1, 7), chain(2, 7)], 2);
        assert_eq!(kept.len(), 2);
        assert_eq!(
            equalise(vec![chain(1, 0), chain(2, 0)], 2)[0]
                .statistics
                .len(),
            0
        );
    }

    #[test]
    fn columns_are_gathered_chain_by_chain() {
        let columns = column_of(&[chain(1, 2), chain(2, 3)], 2, 1);
        assert_eq!(columns, [vec![1.0, 3.0], vec![1.0, 3.0, 5.0]]);
    }
}
