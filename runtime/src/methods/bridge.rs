//! Bridge sampling: the normalising constant of a density from draws of it and draws of a proposal near it (Meng & Wong
//! 1996, with the optimal bridge; Gronau et al. 2017).
//!
//! One half of the draws fits the proposal, the other half is used; then the halves change places. The proposal is
//! standard normal after the draws were standardised, z = C⁻¹(θ − m), and the density is made symmetric by averaging
//! z and −z (warp-III, Meng & Schilling 2002), so that it also matches in skewness. Nothing here is shared with tempering but the
//! density itself: two ways to the same number that cannot fail by the same mistake.

use crate::diagnose::{effective_size, summarise};
use crate::math::linear::solve_lower;
use crate::parallel;
use crate::parts::pareto;
use crate::parts::whitening::{lower_factor, moments};
use crate::random::{Purpose, Stream};
use crate::target::{Parts, Target, Weights};

/// How the proposal is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proposal {
    /// Matches mean, covariance and skewness.
    #[default]
    Warp,
    /// Matches mean and covariance: a normal.
    Normal,
}

/// How to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Seed of the proposal's draws.
    pub seed: u64,
    /// The kind of proposal.
    pub proposal: Proposal,
    /// Threads; `None` for as many as the machine has.
    pub threads: Option<usize>,
}

/// An estimate and what it is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The log normalising constant.
    pub log: f64,
    /// Its standard error.
    pub error: f64,
    /// The estimates of the two halves.
    pub halves: [f64; 2],
    /// The larger Pareto shape of the terms of the two means; above 0.7 neither estimate nor error is to be trusted.
    pub shape: f64,
    /// The share of draws of the density that overlaps with the proposal: the mean of their weights in the optimal
    /// bridge, 1 for a perfect proposal.
    pub overlap: f64,
    /// Rank-normalised split R-hat of the log ratios of density and proposal along the chains. It asks what matters here and
    /// nothing else: chains that exchanged the labels of a mixture agree in it.
    pub rhat: f64,
    /// What the draws are worth for the bridge: the bulk effective size of these ratios, of the worse half.
    pub effective: f64,
    /// Log densities that were computed.
    pub evaluations: usize,
}

/// Below this many draws in a half nothing can be fitted.
const FEWEST: usize = 20;

/// The log normalising constant of the density with these weights, from chains of its draws (rows of positions).
/// `None` when there are too few draws, or they have no positive definite covariance.
pub fn bridge(
    target: &dyn Target,
    weights: &Weights,
    chains: &[Vec<f64>],
    settings: &Settings,
) -> Option<Estimate> {
    let dimension = target.dimension();
    let draws = chains.iter().map(|chain| chain.len() / dimension).min()?;
    let half = draws / 2;
    let part = |from: usize| -> Vec<&[f64]> {
        let rows = from * dimension..(from + half) * dimension;
        chains.iter().map(|chain| &chain[rows.clone()]).collect()
    };
    let (first, second) = (part(0), part(draws - half));
    let one = |number: usize, fitted: &[&[f64]], used: &[&[f64]]| {
        let standard = Standardisation::fit(fitted, dimension)?;
        Half {
            target,
            weights,
            standard,
            settings,
            number,
        }
        .estimate(used)
    };
    let estimates = [one(0, &first, &second)?, one(1, &second, &first)?];
    Some(average(estimates))
}

/// The estimate of two halves. Each half has its own draws of both kinds, so their errors are nearly independent; where
/// they differ by more than their errors say, the difference speaks.
fn average([a, b]: [Optimal; 2]) -> Estimate {
    let own = (a.relative_variance + b.relative_variance).sqrt() / 2.0;
    Estimate {
        log: 0.5 * (a.log + b.log),
        error: own.max(0.5 * (a.log - b.log).abs()),
        halves: [a.log, b.log],
        shape: a.shape.max(b.shape),
        overlap: 0.5 * (a.overlap + b.overlap),
        rhat: a.rhat.max(b.rhat),
        effective: a.effective.min(b.effective),
        evaluations: a.evaluations + b.evaluations,
    }
}

/// θ = m + C z with C lower triangular.
struct Standardisation {
    mean: Vec<f64>,
    factor: Vec<f64>,
    log_determinant: f64,
}

impl Standardisation {
    fn fit(chains: &[&[f64]], dimension: usize) -> Option<Self> {
        let positions = chains.concat();
        let count = positions.len() / dimension;
        if count < FEWEST || count < dimension + 2 {
            return None;
        }
        let (mean, variance) = moments(&positions, &vec![1.0; count], dimension);
        let mut covariance = vec![0.0; dimension * dimension];
        for row in positions.chunks(dimension) {
            for i in 0..dimension {
                let scaled = (row[i] - mean[i]) / count as f64;
                for j in 0..=i {
                    covariance[i * dimension + j] += scaled * (row[j] - mean[j]);
                }
            }
        }
        for i in 0..dimension {
            covariance[i * dimension + i] = covariance[i * dimension + i].max(1e-12 * variance[i]);
            for j in 0..i {
                covariance[j * dimension + i] = covariance[i * dimension + j];
            }
        }
        let mut factor = vec![0.0; dimension * dimension];
        if !lower_factor(dimension, &covariance, &mut factor) {
            return None;
        }
        let diagonal = factor.iter().step_by(dimension + 1);
        let log_determinant = diagonal.map(|c| libm::log(*c)).sum();
        Some(Self {
            mean,
            factor,
            log_determinant,
        })
    }

    fn standardise(&self, position: &[f64], z: &mut [f64]) {
        for ((z, q), m) in z.iter_mut().zip(position).zip(&self.mean) {
            *z = q - m;
        }
        solve_lower::<false>(z.len(), 1, &self.factor, z);
    }

    /// m + sign · C z
    fn position(&self, z: &[f64], sign: f64, position: &mut [f64]) {
        for (i, (q, m)) in position.iter_mut().zip(&self.mean).enumerate() {
            let row = &self.factor[i * z.len()..];
            let product: f64 = row[..=i].iter().zip(z).map(|(c, z)| c * z).sum();
            *q = m + sign * product;
        }
    }
}

/// One half: its fitted proposal, and the draws that are used with it.
struct Half<'a> {
    target: &'a dyn Target,
    weights: &'a Weights,
    standard: Standardisation,
    settings: &'a Settings,
    number: usize,
}

/// Draws handled by one piece of work.
const BLOCK: usize = 64;

impl Half<'_> {
    fn estimate(&self, chains: &[&[f64]]) -> Option<Optimal> {
        let dimension = self.target.dimension();
        let length = chains.first()?.len() / dimension;
        let positions = chains.concat();
        let count = positions.len() / dimension;
        let rows: Vec<&[f64]> = positions.chunks(dimension).collect();
        let drawn = self.ratios(count, |number, z| {
            self.standard.standardise(rows[number], z);
        });
        let seed = self.settings.seed;
        let proposed = self.ratios(count, |number, z| {
            let mut stream = Stream::new(seed, Purpose::Bridge, self.number as u32);
            stream.at(number as u64);
            z.iter_mut().for_each(|z| *z = stream.normal());
        });
        let drawn: Vec<Vec<f64>> = drawn.chunks(length).map(<[f64]>::to_vec).collect();
        let evaluations = 2 * count * self.calls();
        let effective = median_effective(chains, dimension);
        let estimate = optimal(&drawn, &proposed, effective)?;
        Some(Optimal {
            evaluations,
            ..estimate
        })
    }

    fn calls(&self) -> usize {
        match self.settings.proposal {
            Proposal::Warp => 2,
            Proposal::Normal => 1,
        }
    }

    /// log of the density over the proposal at standardised points.
    fn ratios(&self, count: usize, point: impl Fn(usize, &mut [f64]) + Sync) -> Vec<f64> {
        let dimension = self.target.dimension();
        let threads = parallel::thread_count(self.settings.threads);
        let state = || {
            let vector = || vec![0.0; dimension];
            (self.target.evaluator(), vector(), vector(), vector())
        };
        let constant = self.standard.log_determinant
            + 0.5 * dimension as f64 * libm::log(2.0 * std::f64::consts::PI);
        let blocks = parallel::map(threads, count.div_ceil(BLOCK), state, |state, block| {
            let (evaluator, z, position, gradient) = state;
            let mut parts = Parts::default();
            let mut ratio = |number: usize| {
                point(number, z);
                let mut log_density = |sign: f64| {
                    self.standard.position(z, sign, position);
                    evaluator.log_density_gradient(position, self.weights, gradient, &mut parts)
                };
                let log_density = match self.settings.proposal {
                    Proposal::Normal => log_density(1.0),
                    Proposal::Warp => {
                        let (a, b) = (log_density(1.0), log_density(-1.0));
                        let (high, low) = (a.max(b), a.min(b));
                        match high {
                            f64::NEG_INFINITY => high,
                            _ => high + libm::log1p(libm::exp(low - high)) - std::f64::consts::LN_2,
                        }
                    }
                };
                log_density + 0.5 * z.iter().map(|z| z * z).sum::<f64>() + constant
            };
            let numbers = block * BLOCK..((block + 1) * BLOCK).min(count);
            numbers.map(&mut ratio).collect::<Vec<f64>>()
        });
        blocks.concat()
    }
}

/// Median over the coordinates of the effective number of draws.
fn median_effective(chains: &[&[f64]], dimension: usize) -> f64 {
    let count = chains.iter().map(|chain| chain.len()).sum::<usize>() / dimension;
    let one = |coordinate: usize| {
        let column = |chain: &&[f64]| {
            chain
                .iter()
                .skip(coordinate)
                .step_by(dimension)
                .copied()
                .collect()
        };
        let columns: Vec<Vec<f64>> = chains.iter().map(column).collect();
        effective_size(&columns)
    };
    let mut sizes: Vec<f64> = (0..dimension).map(one).collect();
    sizes.sort_by(f64::total_cmp);
    sizes[dimension / 2].clamp(1.0, count as f64)
}

/// What the optimal bridge gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optimal {
    /// Log of the ratio of normalising constants.
    pub log: f64,
    /// Variance of the ratio over its square.
    pub relative_variance: f64,
    /// The larger Pareto shape of the terms of its two means.
    pub shape: f64,
    /// The mean bridge weight of draws of the density.
    pub overlap: f64,
    /// R-hat of the log ratios along the chains.
    pub rhat: f64,
    /// Their bulk effective size.
    pub effective: f64,
    /// Log densities that were computed.
    pub evaluations: usize,
}

/// The ratio Z of the normalising constants of two densities from log ratios l = q/g at draws of q (chain by chain) and
/// at independent draws of g: the fixed point of Z = mean_g[l / (s₁ l + s₂ Z)] / mean_q[1 / (s₁ l + s₂ Z)]. `effective`
/// is what the draws of q are worth. `None` when there is no overlap at all.
pub fn optimal(drawn: &[Vec<f64>], proposed: &[f64], effective: f64) -> Option<Optimal> {
    let all: Vec<f64> = drawn.iter().flatten().copied().collect();
    let mut sorted = all.clone();
    sorted.sort_by(f64::total_cmp);
    let center = *sorted.get(sorted.len() / 2)?;
    if !center.is_finite() || proposed.iter().any(|l| l.is_nan() || *l == f64::INFINITY) {
        return None;
    }
    let proposals = proposed.len() as f64;
    let (s1, s2) = (
        effective / (effective + proposals),
        proposals / (effective + proposals),
    );
    // Terms of the two means, the first over Z: both in forms that do not overflow.
    let of_proposed = |l: f64, log: f64| 1.0 / (s1 + s2 * libm::exp(log - (l - center)));
    let of_drawn = |l: f64, log: f64| 1.0 / (s1 * libm::exp(l - center - log) + s2);
    let mut log = 0.0;
    for _ in 0..1000 {
        let above: f64 = proposed.iter().map(|l| of_proposed(*l, log)).sum();
        let below: f64 = all.iter().map(|l| of_drawn(*l, log)).sum();
        let next = log + libm::log(above / proposals) - libm::log(below / all.len() as f64);
        let change = next - log;
        log = next;
        if !log.is_finite() {
            return None;
        }
        if change.abs() < 1e-10 {
            break;
        }
    }
    let above: Vec<f64> = proposed.iter().map(|l| of_proposed(*l, log)).collect();
    let below: Vec<Vec<f64>> = drawn
        .iter()
        .map(|chain| chain.iter().map(|l| of_drawn(*l, log)).collect())
        .collect();
    let (mean, variance) = mean_and_variance(&above);
    let flat = below.concat();
    let (own_mean, own_variance) = mean_and_variance(&flat);
    let own_effective = effective_size(&below).min(flat.len() as f64);
    let along_chains = summarise(drawn);
    let logs = |values: &[f64]| values.iter().map(|v| libm::log(*v)).collect::<Vec<f64>>();
    let shape = |values: &[f64], effective: f64| {
        pareto::shape(&logs(values), pareto::tail_length(values.len(), effective))
    };
    Some(Optimal {
        log: log + center,
        relative_variance: variance / (proposals * mean * mean)
            + own_variance / (own_effective * own_mean * own_mean),
        shape: shape(&above, proposals).max(shape(&flat, own_effective)),
        overlap: own_mean,
        rhat: along_chains.rhat,
        effective: along_chains.ess_bulk,
        evaluations: 0,
    })
}

fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, squares / (count - 1.0))
}

#[cfg(test)]
mod tests {
    use super::optimal;
    use crate::random::{Purpose, Stream};

    /// A density with a known constant and a proposal that is shifted and wider: the estimate is right within its error, for
    /// as many draws of both, for fewer of one, and for draws that are worth less than they are.
    #[test]
    fn the_ratio_of_normal_densities_is_found_within_its_error() {
        const CONSTANT: f64 = -7.25;
        let (shift, width) = (0.8, 1.6);
        let log_ratio = |x: f64| {
            let z = (x - shift) / width;
            CONSTANT - 0.5 * x * x + 0.5 * z * z + width.ln()
        };
        for (drawn, proposed, share) in [(1000, 1000, 1.0), (1000, 200, 1.0), (400, 1600, 0.3)] {
            let runs = 300;
            let mut scores = Vec::new();
            for run in 0..runs {
                let mut stream = Stream::new(11, Purpose::Test, run);
                let chain = |stream: &mut Stream| -> Vec<f64> {
                    (0..drawn / 2).map(|_| log_ratio(stream.normal())).collect()
                };
                let chains = [chain(&mut stream), chain(&mut stream)];
                let mut proposal = || log_ratio(shift + width * stream.normal());
                let proposals: Vec<f64> = (0..proposed).map(|_| proposal()).collect();
                let worth = share * f64::from(drawn);
                let found = optimal(&chains, &proposals, worth).expect("an estimate");
                scores.push((found.log - CONSTANT) / found.relative_variance.sqrt());
            }
            let count = f64::from(runs);
            let mean = scores.iter().sum::<f64>() / count;
            let square = scores.iter().map(|z| z * z).sum::<f64>() / count;
            assert!(
                mean.abs() < 4.0 / count.sqrt(),
                "{drawn}, {proposed}: {mean}"
            );
            assert!(
                (0.75..1.3).contains(&square),
                "{drawn}, {proposed}: {square}"
            );
        }
    }
}
