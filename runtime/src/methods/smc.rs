//! Sequential Monte Carlo along a tempering path: prior → prior × constraints (λ from 0 to 1) → posterior (β from 0 to 1).
//!
//! A stage reweights the particles by the power of the potential that leaves an effective half of them, multiplies what
//! has been gained so far by the mean weight, resamples ancestors and moves them with NUTS, in coordinates in which the
//! reweighted particles are uncorrelated, at a step size found for this stage. Where that is small because one unknown
//! scales the others, the coordinates follow the funnel (`parts/conditional.rs`), and stages are short. The product of the mean weights of a leg
//! is an estimate of its ratio of normalising constants: the second leg alone is the evidence p(y | constraints). With a
//! path that was recorded before (`Step`s), the estimate is unbiased; adaptation makes it consistent only (Beskos et al.
//! 2016). Independent replicates tell the error; each also estimates its own from the scatter of the weights between
//! families, the particles that come from one ancestor of the stage before.
//!
//! Few ancestors with long chains make estimates that hold up when a move hardly decorrelates the particles, but can lose a
//! mode that few particles have found; `scout.rs` looks for those.

pub mod reweighted;
pub mod rows;
mod watch;

pub use watch::{Progress, Watch};

use crate::methods::particles::{Kernel, Key, Moves, Population, PriorDraws, prior_draws};
use crate::parallel;
use crate::parts::conditional::Conditional;
use crate::parts::resampling::Resampling;
use crate::parts::step_size::regular;
use crate::parts::tempering::{Reweighting, largest_power};
use crate::parts::whitening::Whitening;
use crate::random::Purpose;
use crate::target::{Parts, Target, Weights};

/// How to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Seed of all random numbers.
    pub seed: u64,
    /// Independent runs.
    pub replicates: usize,
    /// The number of the first of them, so that further runs with the same seed share no random numbers.
    pub first_replicate: usize,
    /// Ancestors M of each stage.
    pub chains: usize,
    /// Moves P of the chain that each begins: M·P particles.
    pub length: usize,
    /// Share of the particles that reweighting leaves effective.
    pub effective_share: f64,
    /// Acceptance probability of moves to aim at.
    pub target_accept: f64,
    /// At most 2^max_depth − 1 steps for a move.
    pub max_depth: u32,
    /// How ancestors are chosen.
    pub resampling: Resampling,
    /// Threads; `None` for as many as the machine has.
    pub threads: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            replicates: 4,
            first_replicate: 0,
            chains: 64,
            length: 32,
            effective_share: 0.5,
            target_accept: 0.8,
            max_depth: 7,
            resampling: Resampling::Ssp,
            threads: None,
        }
    }
}

/// One stage of a path: what has to be known to walk it again without adapting.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Weight λ of the constraints after it.
    pub soft: f64,
    /// Weight β of the likelihood after it.
    pub likelihood: f64,
    /// Coordinates of its moves.
    pub whitening: Whitening,
    /// Step size of its moves.
    pub step_size: f64,
    /// What its moves are.
    pub moves: Moves,
}

/// What happened at one stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Weight λ of the constraints after it.
    pub soft: f64,
    /// Weight β of the likelihood after it.
    pub likelihood: f64,
    /// Effective number of particles after reweighting.
    pub effective: f64,
    /// Log of the mean weight.
    pub log_increment: f64,
    /// Variance of the mean weight over its square, by its scatter between families.
    pub relative_variance: f64,
    /// The largest share that one particle has of all weight.
    pub largest_weight: f64,
    /// Different particles among the ancestors.
    pub ancestors: usize,
    /// Mean acceptance statistic of the moves.
    pub acceptance: f64,
    /// Their mean squared jump, over that of independent draws.
    pub jump: f64,
    /// Their step size in whitened coordinates.
    pub step_size: f64,
}

/// A log ratio of normalising constants.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Estimate {
    /// Its logarithm.
    pub log: f64,
    /// Variance of the ratio over its square.
    pub relative_variance: f64,
}

impl Estimate {
    fn multiply(&mut self, log: f64, relative_variance: f64) {
        self.log += log;
        self.relative_variance += relative_variance;
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicate {
    /// log ∫ prior × constraints.
    pub soft: Estimate,
    /// log of the likelihood's mean under the prior with constraints.
    pub evidence: Estimate,
    /// What happened.
    pub stages: Vec<Stage>,
    /// The path it took.
    pub path: Vec<Step>,
    /// Particles of the prior with its constraints.
    pub constrained_prior: Population,
    /// Particles of the posterior.
    pub posterior: Population,
    /// Prior draws in all, and those that satisfy every hard constraint.
    pub prior_draws: (usize, usize),
    /// What most often made prior draws impossible.
    pub impossible: Option<String>,
    /// Log densities with gradient that were computed.
    pub evaluations: usize,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// It was asked to stop.
    Stopped,
    /// Too few prior draws have a positive density under the model.
    Impossible {
        /// Prior draws tried.
        tried: usize,
        /// What most often stood in the way.
        reason: Option<String>,
    },
    /// The path did not reach its end.
    Stalled {
        /// Weight λ of the constraints when it was given up.
        soft: f64,
        /// Weight β of the likelihood.
        likelihood: f64,
    },
    /// No particle gives an observed row a positive density.
    Row {
        /// The place of the row.
        place: usize,
    },
}

/// Moves that find a step size.
const PILOTS: usize = 32;
/// A step size below this part of a regular one makes a stage look for a funnel.
const SMALL_STEP: f64 = 0.6;
/// The step size in coordinates that follow a funnel has to be at least this part of that in linear ones.
const LEAST_STEP: f64 = 0.3;
/// Acceptance to aim at in those coordinates, since a map of a funnel is rough.
const FUNNEL_ACCEPT: f64 = 0.85;
/// Share of the particles that a stage leaves effective in a funnel: few stand where it narrows, and only short stages lead
/// them on. With half of the particles the evidence of ten coefficients is low by 1.5 nats.
const FUNNEL_SHARE: f64 = 0.9;
/// Stages after which a run is given up.
const LONGEST: usize = 2000;

/// Runs all replicates; with `paths`, each walks the path given for it instead of finding its own.
///
/// # Errors
/// The failure of the first replicate that has one.
pub fn run(
    target: &dyn Target,
    settings: &Settings,
    watch: &Watch,
    paths: Option<&[Vec<Step>]>,
) -> Result<Vec<Replicate>, Failure> {
    replicates(target, settings, watch, paths, &[], |mut run| run.start())
}

/// All replicates, spread over threads; `rows` are the weights of rows that each begins with.
fn replicates<T: Send>(
    target: &dyn Target,
    settings: &Settings,
    watch: &Watch,
    paths: Option<&[Vec<Step>]>,
    rows: &[f64],
    work: impl Fn(Run) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let threads = parallel::thread_count(settings.threads);
    let outer = threads.min(settings.replicates.max(1));
    let replicate = |_: &mut (), number: usize| {
        work(Run {
            target,
            settings,
            watch,
            number,
            key: Key {
                seed: settings.seed,
                replicate: settings.first_replicate + number,
            },
            path: paths.and_then(|paths| paths.get(number)).map(Vec::as_slice),
            rows: rows.to_vec(),
            share: settings.effective_share,
            threads: threads / outer,
        })
    };
    parallel::map(outer, settings.replicates, || (), replicate)
        .into_iter()
        .collect()
}

struct Run<'a> {
    target: &'a dyn Target,
    settings: &'a Settings,
    watch: &'a Watch,
    number: usize,
    key: Key,
    path: Option<&'a [Step]>,
    /// The weights of observed rows; empty where they have none.
    rows: Vec<f64>,
    /// The share of the particles that a stage leaves effective.
    share: f64,
    threads: usize,
}

/// The two legs of the path.
#[derive(Clone, Copy, PartialEq)]
enum Leg {
    Constraints,
    Likelihood,
}

impl Run<'_> {
    /// The whole path. A run that comes upon a funnel begins anew with short stages, since by the time that its narrow end is noticed,
    /// the particles have missed the way to it.
    fn start(&mut self) -> Result<Replicate, Failure> {
        let prior = self.prior()?;
        let first = self.walk_from(prior.clone())?;
        if !self.is_surprised(&first) {
            return Ok(first);
        }
        self.share = FUNNEL_SHARE;
        self.walk_from(Replicate {
            evaluations: first.evaluations,
            ..prior
        })
    }

    /// Whether the latest stage found a funnel for which stages are too long.
    fn is_surprised(&self, replicate: &Replicate) -> bool {
        let last = replicate.path.last().map(|step| &step.whitening);
        let is_funnel = matches!(last, Some(Whitening::Conditional(_)));
        is_funnel && self.path.is_none() && self.share < FUNNEL_SHARE
    }

    /// Particles of the prior.
    fn prior(&self) -> Result<Replicate, Failure> {
        let count = self.settings.chains * self.settings.length;
        let weights = self.weights(1.0, 1.0);
        let draw =
            |likely| prior_draws(self.target, &weights, self.key, count, likely, self.threads);
        let mut draws = draw(false);
        let is_constrained = is_constrained(&draws.population);
        let is_impossible = |parts: &Parts| !parts.likelihood.is_finite();
        let mut evaluations = draws.tried;
        if !is_constrained && draws.population.parts.iter().any(is_impossible) {
            draws = draw(true);
            evaluations += draws.tried;
        }
        let mut replicate = self.begin(draws, count)?;
        replicate.evaluations = evaluations;
        Ok(replicate)
    }

    /// The path from the prior on, which ends early where the run [`Run::is_surprised`].
    fn walk_from(&self, mut replicate: Replicate) -> Result<Replicate, Failure> {
        if is_constrained(&replicate.posterior) {
            self.walk(&mut replicate, Leg::Constraints)?;
            self.evaluate_likelihood(&mut replicate);
        }
        replicate.constrained_prior = replicate.posterior.clone();
        let is_nothing = |parts: &Parts| parts.likelihood == 0.0;
        // Without rows a likelihood is made of factors, and most models have none.
        let has_likelihood =
            self.rows.is_empty() || !replicate.posterior.parts.iter().all(is_nothing);
        if has_likelihood && !self.is_surprised(&replicate) {
            self.walk(&mut replicate, Leg::Likelihood)?;
        }
        Ok(replicate)
    }

    fn weights(&self, soft: f64, likelihood: f64) -> Weights {
        Weights {
            rows: self.rows.clone(),
            ..Weights::tempered(self.target.soft_count(), soft, likelihood)
        }
    }

    /// Equally weighted particles from prior draws, and what their selection says of the normalising constants: the
    /// count that ended the drawing is left out, which makes the shares unbiased (Haldane 1945).
    fn begin(&self, draws: PriorDraws, count: usize) -> Result<Replicate, Failure> {
        let found = draws.population.count();
        if found < self.settings.chains {
            return Err(Failure::Impossible {
                tried: draws.tried,
                reason: draws.reason,
            });
        }
        let share = |part: usize, whole: usize| Estimate {
            log: libm::log((part - 1) as f64 / (whole - 1) as f64),
            relative_variance: (whole - part) as f64 / (whole as f64 * part as f64),
        };
        let mut population = draws.population;
        if found < count {
            let mut stream = self.key.stream(Purpose::Resampling, 0);
            stream.at(u64::from(u32::MAX));
            let weights = vec![1.0; found];
            let chosen = Resampling::Systematic.ancestors(&weights, count, &mut stream);
            population = Population {
                positions: chosen
                    .iter()
                    .flat_map(|&n| population.position(n).to_vec())
                    .collect(),
                parts: chosen
                    .iter()
                    .map(|&n| population.parts[n].clone())
                    .collect(),
                lines: population.lines_of(&chosen),
                ancestors: chosen.clone(),
                ..population
            };
        }
        Ok(Replicate {
            soft: share(draws.possible, draws.tried),
            evidence: share(found, draws.possible),
            stages: Vec::new(),
            path: Vec::new(),
            constrained_prior: Population::default(),
            posterior: population,
            prior_draws: (draws.tried, draws.possible),
            impossible: draws.reason,
            evaluations: 0,
        })
    }

    /// The likelihood of particles that were moved without it.
    fn evaluate_likelihood(&self, replicate: &mut Replicate) {
        let weights = self.weights(1.0, 1.0);
        let mut evaluator = self.target.evaluator();
        let mut gradient = vec![0.0; self.target.dimension()];
        let Population {
            positions, parts, ..
        } = &mut replicate.posterior;
        let rows = positions.chunks(self.target.dimension());
        for (position, parts) in rows.zip(parts.iter_mut()) {
            evaluator.log_density_gradient(position, &weights, &mut gradient, parts);
        }
        replicate.evaluations += parts.len();
    }

    fn walk(&self, replicate: &mut Replicate, leg: Leg) -> Result<(), Failure> {
        let mut reached = 0.0;
        while reached < 1.0 {
            if self.watch.is_stopping() {
                return Err(Failure::Stopped);
            }
            let power = self.stage(replicate, leg, reached)?;
            if self.is_surprised(replicate) {
                break;
            }
            reached = if power >= 1.0 - reached {
                1.0
            } else {
                reached + power
            };
        }
        if self.settings.length == 1 {
            // Families of one say nothing of what a move remembers, such as the mode that a particle stands in.
            let by_lines = replicate
                .posterior
                .variance_of_lines(replicate.stages.len());
            let estimate = match leg {
                Leg::Constraints => &mut replicate.soft,
                Leg::Likelihood => &mut replicate.evidence,
            };
            estimate.relative_variance = estimate.relative_variance.max(by_lines);
        }
        Ok(())
    }

    /// One stage from weight `reached` of a leg; by how much it went on.
    fn stage(&self, replicate: &mut Replicate, leg: Leg, reached: f64) -> Result<f64, Failure> {
        let number = replicate.stages.len();
        let particles = &replicate.posterior;
        let value = |parts: &Parts| match leg {
            Leg::Constraints => parts.soft_sum(),
            Leg::Likelihood => parts.likelihood,
        };
        let potentials: Vec<f64> = particles.parts.iter().map(value).collect();
        let recorded = self.path.and_then(|path| path.get(number));
        let power = match recorded {
            Some(step) if leg == Leg::Constraints => step.soft - reached,
            Some(step) => step.likelihood - reached,
            None => largest_power(&potentials, 1.0 - reached, self.share),
        };
        let reweighting = Reweighting::new(&potentials, power);
        let end = if power >= 1.0 - reached {
            1.0
        } else {
            reached + power
        };
        let (soft, likelihood) = match leg {
            Leg::Constraints => (end, 0.0),
            Leg::Likelihood => (1.0, end),
        };
        if reweighting.effective == 0.0 || !reweighting.log_mean.is_finite() {
            return Err(Failure::Stalled { soft, likelihood });
        }
        let relative_variance = relative_variance(&reweighting.weights, particles);
        match leg {
            Leg::Constraints => &mut replicate.soft,
            Leg::Likelihood => &mut replicate.evidence,
        }
        .multiply(reweighting.log_mean, relative_variance);
        self.resample_and_move(
            replicate,
            &reweighting,
            relative_variance,
            (soft, likelihood),
        )?;
        self.watch.report(
            self.number,
            Progress {
                stage: replicate.stages.len(),
                soft,
                likelihood,
                effective: reweighting.effective,
                log_evidence: replicate.evidence.log,
            },
        );
        Ok(power)
    }

    /// Resamples reweighted particles and moves them under the weights of constraints and likelihood given.
    fn resample_and_move(
        &self,
        replicate: &mut Replicate,
        reweighting: &Reweighting,
        relative_variance: f64,
        (soft, likelihood): (f64, f64),
    ) -> Result<(), Failure> {
        let number = replicate.stages.len();
        if number >= LONGEST {
            return Err(Failure::Stalled { soft, likelihood });
        }
        let recorded = self.path.and_then(|path| path.get(number));
        let settings = self.settings;
        let mut stream = self.key.stream(Purpose::Resampling, 0);
        stream.at(number as u64);
        let ancestors =
            settings
                .resampling
                .ancestors(&reweighting.weights, settings.chains, &mut stream);
        let step = match recorded {
            Some(step) => step.clone(),
            None => self.adapt(replicate, reweighting, &ancestors, number, soft, likelihood),
        };
        let kernel = self.kernel(&step, number);
        let moved = kernel.run(
            &replicate.posterior,
            &ancestors,
            settings.length,
            self.threads,
        );
        let total: f64 = reweighting.weights.iter().sum();
        let mut different = ancestors;
        different.dedup();
        replicate.stages.push(Stage {
            soft,
            likelihood,
            effective: reweighting.effective,
            log_increment: reweighting.log_mean,
            relative_variance,
            // Weights are relative to the largest.
            largest_weight: 1.0 / total,
            ancestors: different.len(),
            acceptance: moved.acceptance,
            jump: moved.jump,
            step_size: step.step_size,
        });
        replicate.evaluations += moved.evaluations;
        replicate.path.push(step);
        replicate.posterior = moved.population;
        Ok(())
    }

    fn kernel<'a>(&'a self, step: &'a Step, stage: usize) -> Kernel<'a> {
        Kernel {
            target: self.target,
            weights: self.weights(step.soft, step.likelihood),
            whitening: &step.whitening,
            step_size: step.step_size,
            moves: step.moves,
            max_depth: self.settings.max_depth,
            key: self.key,
            stage,
        }
    }

    /// Coordinates and step size from the reweighted particles.
    fn adapt(
        &self,
        replicate: &Replicate,
        reweighting: &Reweighting,
        ancestors: &[usize],
        number: usize,
        soft: f64,
        likelihood: f64,
    ) -> Step {
        let particles = &replicate.posterior;
        let walked = replicate.path.iter().rev().find(|step| step.moves.gradient);
        let before = walked.map(|step| step.step_size);
        let mut step = Step {
            soft,
            likelihood,
            whitening: Whitening::of(
                &particles.positions,
                &reweighting.weights,
                particles.dimension,
            ),
            step_size: before.unwrap_or(1.0),
            moves: Moves {
                prior: 0,
                gradient: true,
            },
        };
        let stride = ancestors.len().div_ceil(PILOTS);
        let starts: Vec<usize> = ancestors.iter().copied().step_by(stride).collect();
        let kernel = self.kernel(&step, number);
        let moves = kernel.choose_moves(particles, &starts);
        if moves.gradient {
            let aim = self.settings.target_accept;
            step.step_size = kernel.pilot(particles, &starts, before, aim);
        }
        step.moves = moves;
        match moves.gradient {
            true => self.straightened(step, replicate, reweighting, &starts, number),
            false => step,
        }
    }

    /// The same step in coordinates that follow a funnel, where a small step size tells of one and a map of it is found.
    fn straightened(
        &self,
        step: Step,
        replicate: &Replicate,
        reweighting: &Reweighting,
        starts: &[usize],
        number: usize,
    ) -> Step {
        let particles = &replicate.posterior;
        if step.step_size > SMALL_STEP * regular(particles.dimension) {
            return step;
        }
        let weights = &reweighting.weights;
        let Some(map) = Conditional::find(&particles.positions, weights, particles.dimension)
        else {
            return step;
        };
        let mut other = Step {
            whitening: Whitening::Conditional(Box::new(map)),
            ..step.clone()
        };
        let kernel = self.kernel(&other, number);
        let aim = self.settings.target_accept.max(FUNNEL_ACCEPT);
        other.step_size = kernel.pilot(particles, starts, None, aim);
        // It is for the particles that a single step size leaves out, so those that it serves may lose a little.
        match other.step_size > LEAST_STEP * step.step_size {
            true => other,
            false => step,
        }
    }
}

fn is_constrained(particles: &Population) -> bool {
    let mut parts = particles.parts.iter();
    parts.any(|parts| parts.soft_sum() != 0.0)
}

/// Variance of the mean weight over its square.
fn relative_variance(weights: &[f64], particles: &Population) -> f64 {
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    let excess: Vec<f64> = weights.iter().map(|w| w / mean - 1.0).collect();
    scatter(&excess, particles)
}

/// Variance of the mean of values whose mean is zero: families of particles are taken to be independent of each other,
/// and nothing is assumed within them.
fn scatter(values: &[f64], particles: &Population) -> f64 {
    let count = values.len() as f64;
    let length = particles.length.max(1);
    let mut squares = 0.0;
    let mut families = 0.0;
    let mut first = 0;
    for family in particles.ancestors.chunk_by(|a, b| a == b) {
        let members = &values[first..first + family.len() * length];
        let sum = members.iter().sum::<f64>();
        squares += sum * sum;
        families += 1.0;
        first += members.len();
    }
    if families < 2.0 {
        return f64::INFINITY;
    }
    squares / (count * count) * families / (families - 1.0)
}

/// Replicates together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Combined {
    /// log of the mean of the ratios.
    pub log: f64,
    /// Its standard error: the larger of what the replicates' scatter and their own estimates say.
    pub error: f64,
    /// From the scatter of the replicates alone; NaN for one replicate.
    pub error_of_replicates: f64,
    /// From the replicates' own estimates alone.
    pub error_of_runs: f64,
}

/// The largest of logarithms, and each number over the largest: how much the particles of each run count, if these are what the runs
/// found.
pub fn to_largest(logs: impl Iterator<Item = f64> + Clone) -> (f64, Vec<f64>) {
    let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    (largest, logs.map(|log| libm::exp(log - largest)).collect())
}

/// The mean of the ratios, not of their logarithms, which would be too low by half the relative variance.
pub fn combine(estimates: impl IntoIterator<Item = Estimate>) -> Combined {
    let estimates: Vec<Estimate> = estimates.into_iter().collect();
    let count = estimates.len() as f64;
    let (largest, ratios) = to_largest(estimates.iter().map(|e| e.log));
    let mean = ratios.iter().sum::<f64>() / count;
    let squares: f64 = ratios.iter().map(|z| (z - mean) * (z - mean)).sum();
    let error_of_replicates = (squares / (count - 1.0) / count).sqrt() / mean;
    let own: f64 = estimates
        .iter()
        .zip(&ratios)
        .map(|(e, z)| e.relative_variance * z * z)
        .sum();
    let error_of_runs = own.sqrt() / count / mean;
    Combined {
        log: largest + libm::log(mean),
        error: error_of_runs.max(if count > 1.0 {
            error_of_replicates
        } else {
            0.0
        }),
        error_of_replicates,
        error_of_runs,
    }
}
