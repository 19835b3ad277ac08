//! Chains: starts, warm-up and sampling over threads. Each chain's random numbers are its own, so draws do not depend on
//! how chains are spread over threads. Progress is left in atomic counters for whoever wants to look.

mod adaptation;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crate::methods::nuts::{Nuts, Transition};
use crate::parallel;
use crate::parts::impossible::most_frequent;
use crate::parts::leapfrog::{Density, PhasePoint};
pub use crate::parts::metric::InverseMetric;
pub use crate::parts::warmup::Schedule;
use crate::random::{Purpose, Stream};
use crate::target::{StartFailure, Target, Weights};
use adaptation::{Mover, warm_up};

/// What is kept of each transition.
pub type DrawInfo = Transition;

/// How to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Seed of all random numbers.
    pub seed: u64,
    /// Number of chains.
    pub chains: usize,
    /// Draws kept of each.
    pub draws: usize,
    /// Adaptive iterations before them.
    pub warmup: usize,
    /// Acceptance probability to aim at.
    pub target_accept: f64,
    /// At most 2^max_depth − 1 steps for a draw.
    pub max_depth: u32,
    /// How the metric is found.
    pub schedule: Schedule,
    /// What it may be.
    pub metric: Metric,
    /// Weight of the likelihood: 1 for the posterior, 0 for the prior with its constraints.
    pub likelihood_weight: f64,
    /// Weights of observed rows, of a target that keeps them apart; empty stands for ones.
    pub rows: Vec<f64>,
    /// Where each chain begins; chains beyond these look for a start among prior draws.
    pub starts: Vec<Start>,
    /// Threads; `None` for as many as the machine has.
    pub threads: Option<usize>,
}

/// What the metric of a chain may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Diagonal, and dense where correlations are found that it pays to follow (`parts/metric.rs`).
    Auto,
    /// Diagonal.
    Diagonal,
}

/// Where a chain begins that is known to be near the posterior.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The position.
    pub position: Vec<f64>,
    /// The inverse metric to begin with; empty for the one that the gradient gives.
    pub inverse_metric: InverseMetric,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            chains: 4,
            draws: 1000,
            warmup: 600,
            target_accept: 0.8,
            max_depth: 10,
            schedule: Schedule::Fisher,
            metric: Metric::Auto,
            likelihood_weight: 1.0,
            rows: Vec::new(),
            starts: Vec::new(),
            threads: None,
        }
    }
}

/// What a chain drew.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Outputs, one row of [`Target::output_count`] values per draw.
    pub values: Vec<f64>,
    /// Unconstrained positions, one row of [`Target::dimension`] values per draw.
    pub positions: Vec<f64>,
    /// The likelihood part of the log density at each draw.
    pub log_likelihoods: Vec<f64>,
    /// What happened in each transition.
    pub draws: Vec<DrawInfo>,
    /// Step size after warm-up.
    pub step_size: f64,
    /// The inverse metric after warm-up.
    pub inverse_metric: InverseMetric,
    /// Divergences during warm-up.
    pub warmup_divergences: usize,
    /// Gradient evaluations in all.
    pub evaluations: usize,
    /// Evaluations after warm-up that had zero density.
    pub impossible: usize,
    /// The statement responsible for most of them, as the model describes it.
    pub impossible_reason: Option<String>,
    /// Wall time of warm-up.
    pub warmup_seconds: f64,
    /// Wall time of sampling.
    pub sampling_seconds: f64,
}

/// Where a chain is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChainProgress {
    /// Iterations done, of warm-up and draws together.
    pub iteration: usize,
    /// The latest step size.
    pub step_size: f64,
    /// Divergences so far: of warm-up while it lasts, then of the draws.
    pub divergences: usize,
}

#[derive(Default)]
struct Counters {
    iteration: AtomicUsize,
    step_size: AtomicU64,
    divergences: AtomicUsize,
}

/// Lets another thread watch a run and stop it.
pub struct Control {
    stopping: AtomicBool,
    restarts: AtomicUsize,
    chains: Vec<Counters>,
}

impl Control {
    /// For a run of this many chains.
    pub fn new(chains: usize) -> Self {
        Self {
            stopping: AtomicBool::new(false),
            restarts: AtomicUsize::new(0),
            chains: (0..chains).map(|_| Counters::default()).collect(),
        }
    }

    /// Sets all progress back to zero, before another run.
    pub fn restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        for counters in &self.chains {
            counters.iteration.store(0, Ordering::Relaxed);
            counters.divergences.store(0, Ordering::Relaxed);
        }
    }

    /// How often [`Control::restart`] was called.
    pub fn restarts(&self) -> usize {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Asks the chains to stop after their present draw.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was asked for.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Where a chain is; zeros for a chain that does not exist.
    pub fn progress(&self, chain: usize) -> ChainProgress {
        let counters = self.chains.get(chain);
        ChainProgress {
            iteration: counters.map_or(0, |c| c.iteration.load(Ordering::Relaxed)),
            step_size: counters
                .map_or(0.0, |c| f64::from_bits(c.step_size.load(Ordering::Relaxed))),
            divergences: counters.map_or(0, |c| c.divergences.load(Ordering::Relaxed)),
        }
    }

    /// Those of warm-up teach the step size and say nothing of the draws.
    fn forget_divergences(&self, chain: usize) {
        if let Some(counters) = self.chains.get(chain) {
            counters.divergences.store(0, Ordering::Relaxed);
        }
    }

    fn report(&self, chain: usize, iteration: usize, transition: &Transition) {
        if let Some(counters) = self.chains.get(chain) {
            counters.iteration.store(iteration, Ordering::Relaxed);
            counters
                .step_size
                .store(transition.step_size.to_bits(), Ordering::Relaxed);
            if transition.diverging {
                counters.divergences.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Runs all chains.
///
/// # Errors
/// When a chain finds no position with finite log density and gradient.
pub fn run(
    target: &dyn Target,
    settings: &Settings,
    control: &Control,
) -> Result<Vec<Chain>, StartFailure> {
    let threads = parallel::thread_count(settings.threads);
    let chain = |_: &mut (), number| run_chain(target, settings, control, number);
    parallel::map(threads, settings.chains, || (), chain)
        .into_iter()
        .collect()
}

fn run_chain(
    target: &dyn Target,
    settings: &Settings,
    control: &Control,
    number: usize,
) -> Result<Chain, StartFailure> {
    let begin = Instant::now();
    let weights = Weights {
        rows: settings.rows.clone(),
        ..Weights::tempered(target.soft_count(), 1.0, settings.likelihood_weight)
    };
    let mut density = Density::new(target.evaluator(), weights, target.dimension());
    let known = settings.starts.get(number);
    let start = match known.and_then(|known| known_start(target, &mut density, known)) {
        Some(start) => start,
        None => find_start(target, &mut density, settings, number)?,
    };
    let mut mover = Mover {
        target,
        nuts: Nuts::new(&start, settings.max_depth),
        density,
        lower: None,
    };
    let mut stream = Stream::new(settings.seed, Purpose::Sampler, number as u32);
    let mut chain = Chain {
        values: Vec::with_capacity(settings.draws * target.output_count()),
        positions: Vec::with_capacity(settings.draws * target.dimension()),
        log_likelihoods: Vec::with_capacity(settings.draws),
        draws: Vec::with_capacity(settings.draws),
        step_size: 0.0,
        inverse_metric: InverseMetric::default(),
        warmup_divergences: 0,
        evaluations: 0,
        impossible: 0,
        impossible_reason: None,
        warmup_seconds: 0.0,
        sampling_seconds: 0.0,
    };
    let moves = target.dimension() > 0;
    if moves {
        chain.warmup_divergences = warm_up(&mut mover, &mut stream, settings, control, number);
        control.forget_divergences(number);
    }
    chain.warmup_seconds = begin.elapsed().as_secs_f64();
    chain.step_size = mover.nuts.step_size;
    chain.inverse_metric = mover.inverse_metric();
    mover.density.impossible.clear();
    let sampling = Instant::now();
    let mut outputs = Stream::new(settings.seed, Purpose::Output, number as u32);
    let mut row = vec![0.0; target.output_count()];
    let mut position = vec![0.0; target.dimension()];
    for draw in 0..settings.draws {
        if control.is_stopping() {
            break;
        }
        let iteration = settings.warmup + draw;
        stream.at(iteration as u64);
        let info = if moves {
            mover.nuts.transition(&mut mover.density, &mut stream)
        } else {
            Transition {
                lp: mover.nuts.current.log_density,
                ..Transition::default()
            }
        };
        outputs.at(draw as u64);
        let current = &mover.nuts.current;
        let evaluator = &mut mover.density.evaluator;
        evaluator.outputs(&current.position, &mut outputs, &mut row);
        mover.position(&mut position);
        chain.values.extend_from_slice(&row);
        chain.positions.extend_from_slice(&position);
        chain.log_likelihoods.push(current.parts.likelihood);
        chain.draws.push(info);
        control.report(number, iteration + 1, &info);
    }
    chain.sampling_seconds = sampling.elapsed().as_secs_f64();
    let density = &mut mover.density;
    chain.evaluations = density.evaluations;
    chain.impossible = density.impossible.count;
    chain.impossible_reason = density.impossible.reason(density.evaluator.as_mut());
    Ok(chain)
}

/// A start is the likeliest of so many prior draws: chains still begin apart, but none in a region the data rule out.
const START_CANDIDATES: usize = 10;
/// Attempts at a start by draws of the prior, and by uniform ones. They number the streams.
const PRIOR_ATTEMPTS: Range<u64> = 0..100;
const UNIFORM_ATTEMPTS: Range<u64> = 100..200;
/// An unconstrained coordinate beyond this makes a prior draw doubtful as a start.
const FAR: f64 = 100.0;
/// Prior draws whose largest coordinates differ by more than this factor know no scale: `inv_gamma(0.001, 0.001)` is 1e±300, and chains do not
/// come back from where group effects are 1e+60.
const NO_SCALE: f64 = 1e6;

/// A start that is given, if the density is finite there.
fn known_start(target: &dyn Target, density: &mut Density, known: &Start) -> Option<PhasePoint> {
    let mut point = PhasePoint::new(target.dimension(), target.soft_count());
    if known.position.len() != point.position.len() {
        return None;
    }
    point.position.copy_from_slice(&known.position);
    density.evaluate(&mut point);
    point.is_possible().then_some(point)
}

/// Prior draws first. Where none is possible or the likeliest is far out, uniform(−2, 2) too, and then alone if the prior knows no scale. The
/// statement that most often stands in the way is the reason given.
pub fn find_start(
    target: &dyn Target,
    density: &mut Density,
    settings: &Settings,
    number: usize,
) -> Result<PhasePoint, StartFailure> {
    let mut stream = Stream::new(settings.seed, Purpose::Start, number as u32);
    let mut candidates = Candidates {
        best: None,
        sizes: Vec::new(),
        reasons: Vec::new(),
    };
    let mut point = PhasePoint::new(target.dimension(), target.soft_count());
    for attempt in PRIOR_ATTEMPTS {
        stream.at(attempt);
        let evaluator = &mut density.evaluator;
        evaluator.prior_draw(&mut stream, &mut point.position);
        if candidates.add(density, &mut point) == START_CANDIDATES {
            break;
        }
    }
    if candidates.best.as_ref().is_none_or(|best| size(best) > FAR) {
        let knows_scale = candidates.know_scale();
        let of_prior = candidates.best.take_if(|_| !knows_scale);
        candidates.sizes.clear();
        for attempt in UNIFORM_ATTEMPTS {
            stream.at(attempt);
            point.position.fill_with(|| 4.0 * stream.uniform() - 2.0);
            if candidates.add(density, &mut point) == START_CANDIDATES {
                break;
            }
        }
        candidates.best = candidates.best.or(of_prior);
    }
    candidates.best.ok_or_else(|| StartFailure {
        reason: most_frequent(candidates.reasons).unwrap_or_default(),
    })
}

/// Positions that were tried.
struct Candidates {
    /// The likeliest.
    best: Option<PhasePoint>,
    /// The largest coordinate of each that is possible.
    sizes: Vec<f64>,
    /// What made the others impossible.
    reasons: Vec<String>,
}

impl Candidates {
    /// Evaluates a position; returns how many were possible.
    fn add(&mut self, density: &mut Density, point: &mut PhasePoint) -> usize {
        density.evaluate(point);
        if point.is_possible() {
            self.sizes.push(size(point));
            let best = self.best.as_ref();
            if best.is_none_or(|best| point.log_density > best.log_density) {
                self.best = Some(point.clone());
            }
        } else {
            let reason = density.evaluator.explain(&point.position);
            let no_gradient = || "the log density is finite but its gradient is not".to_string();
            self.reasons.push(reason.unwrap_or_else(no_gradient));
        }
        self.sizes.len()
    }

    fn know_scale(&self) -> bool {
        let largest = self.sizes.iter().copied().fold(0.0, f64::max);
        let least = self.sizes.iter().copied().fold(f64::INFINITY, f64::min);
        largest <= NO_SCALE * least
    }
}

/// The largest coordinate.
fn size(point: &PhasePoint) -> f64 {
    point.position.iter().fold(0.0, |most, q| q.abs().max(most))
}
