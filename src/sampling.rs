//! From a compiled model to a posterior: the runtime runs the chains and judges them, this file checks the settings,
//! hands them over, and puts names on what comes back. It is the only place that knows how the runtime wants to be
//! asked.

use std::time::Instant;

use likelier_compiler::{Compiled, given_count};
use likelier_runtime::diagnose;
use likelier_runtime::parts::impossible::most_frequent;
use likelier_runtime::run;
pub use likelier_runtime::run::{ChainProgress, Control};
use likelier_runtime::target::{Target, Weights};
use serde::Serialize;

use crate::Error;
use crate::constraints::of_run;
use crate::posterior::{
    Chain, DiscardedRun, DrawStatistics, Extreme, Health, Posterior, SummaryRow, column_of,
    equalise,
};
use crate::symmetry::Symmetries;

/// How to sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// How posterior draws are made.
    pub method: Method,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Number of chains.
    pub chains: usize,
    /// Draws kept of each chain.
    pub draws: usize,
    /// Iterations before them, in which step size and metric are found.
    pub warmup: usize,
    /// The acceptance probability the step size aims at.
    pub target_accept: f64,
    /// At most 2^`max_depth` − 1 leapfrog steps are taken for a draw.
    pub max_depth: u32,
    /// How warm-up finds the metric.
    pub warmup_schedule: Schedule,
    /// What the metric may be.
    pub metric: Metric,
    /// Whether a run with divergences is repeated once with smaller steps ([`RETRY_TARGET`]).
    #[serde(skip)]
    pub retry: bool,
    /// Threads to spread the chains over; `None` means as many as are useful. Draws do not depend on it.
    #[serde(skip)]
    pub threads: Option<usize>,
}

/// How posterior draws are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Markov chains of the no-U-turn sampler.
    Nuts,
    /// Particles tempered from the prior to the posterior.
    Smc,
}

/// How warm-up finds the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// From draws and their gradients, by minimising a Fisher divergence, refreshed at every draw.
    Fisher,
    /// From the variance of draws in doubling windows, as Stan does.
    Classical,
}

/// What the metric of a chain may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Diagonal, and dense where warm-up finds correlations that it pays to follow.
    Auto,
    /// Diagonal.
    Diagonal,
}

/// Whether a number among the settings of anything lies where it makes sense.
///
/// # Errors
/// [`Error::Settings`] naming it.
pub(crate) fn within(what: &str, value: usize, low: usize, high: usize) -> Result<(), Error> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::Settings(format!(
        "the number of {what} must lie between {low} and {high}, not {value}"
    )))
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            method: Method::Nuts,
            seed: 1,
            chains: 4,
            draws: 1000,
            warmup: 600,
            target_accept: 0.8,
            max_depth: 10,
            warmup_schedule: Schedule::Fisher,
            metric: Metric::Auto,
            retry: true,
            threads: None,
        }
    }
}

/// Draws of a chain beyond this are a slip of the keyboard.
const MOST_DRAWS: usize = 10_000_000;

impl Settings {
    /// Whether a run with these settings makes sense.
    ///
    /// # Errors
    /// [`Error::Settings`] naming the first setting that does not.
    pub fn check(&self) -> Result<(), Error> {
        let complain = |text: String| Err(Error::Settings(text));
        if self.chains == 0 || self.chains > 4096 {
            return complain(format!(
                "the number of chains must lie between 1 and 4096, not {}",
                self.chains
            ));
        }
        within("draws", self.draws, 1, MOST_DRAWS)?;
        within("warmup", self.warmup, 0, MOST_DRAWS)?;
        if !(self.target_accept > 0.0 && self.target_accept < 1.0) {
            return complain(format!(
                "the target acceptance must lie between 0 and 1, not {}",
                self.target_accept
            ));
        }
        if self.max_depth == 0 || self.max_depth > 20 {
            return complain(format!(
                "the maximal depth must lie between 1 and 20, not {}",
                self.max_depth
            ));
        }
        if self.threads == Some(0) {
            return complain("the number of threads must be at least 1".to_owned());
        }
        Ok(())
    }
}

/// The acceptance probability that a repeated run aims at.
pub const RETRY_TARGET: f64 = 0.95;

impl Settings {
    /// The settings of the first run, or of its repetition.
    pub fn of_run(&self, restarts: usize) -> Settings {
        if restarts == 0 {
            return self.clone();
        }
        Settings {
            target_accept: RETRY_TARGET,
            warmup: self.warmup.saturating_mul(2),
            ..self.clone()
        }
    }
}

/// Chains that disagree by this R-hat or more are in different places.
const APART: f64 = 1.1;

/// Runs the chains, then summarises and judges what they drew. If draws diverged or chains are in different places, it does
/// so once more with smaller steps and twice the warm-up, and keeps the better run, because most such faults of a well-built
/// model vanish that way: some come from steps that are too large, some from chains that had not left a minor mode when
/// their step size was settled.
pub(crate) fn sample(
    compiled: &Compiled,
    settings: &Settings,
    control: &Control,
) -> Result<Posterior, Error> {
    settings.check()?;
    let first = run_once(compiled, settings, control)?;
    let again = settings.retry
        && first.faults() > (false, 0)
        && settings.target_accept < RETRY_TARGET
        && !first.posterior.interrupted;
    if !again {
        return Ok(first.posterior);
    }
    control.restart();
    let second = run_once(compiled, &settings.of_run(control.restarts()), control)?;
    Ok(better(first, second))
}

/// A run, judged.
struct Run {
    posterior: Posterior,
    /// The largest R-hat, if the chains are in different places: copies of one mode are none.
    apart: Option<f64>,
}

impl Run {
    /// How bad it is: whether its chains are in different places, then how many draws diverged.
    fn faults(&self) -> (bool, usize) {
        (self.apart.is_some(), self.posterior.health.divergences)
    }

    /// What is wrong with it, in the past tense.
    fn fault(&self) -> String {
        let divergences = match self.posterior.health.divergences {
            1 => "1 draw diverged".to_owned(),
            count => format!("{count} draws diverged"),
        };
        match (self.apart, self.posterior.health.divergences) {
            (None, _) => divergences,
            (Some(rhat), 0) => {
                format!("the chains were in different places (R-hat {rhat:.2})")
            }
            (Some(rhat), _) => {
                format!("{divergences} and the chains were in different places (R-hat {rhat:.2})")
            }
        }
    }
}

fn worst_rhat(summary: &[SummaryRow]) -> f64 {
    summary.iter().map(|row| row.rhat).fold(0.0, f64::max)
}

/// The largest R-hat of chains that are in different places.
fn apart(summary: &[SummaryRow]) -> Option<f64> {
    Some(worst_rhat(summary)).filter(|worst| *worst >= APART)
}

/// The better of a faulty run and its repetition, which says what became of the other.
fn better(first: Run, second: Run) -> Posterior {
    let sampling_time = first.posterior.sampling_time + second.posterior.sampling_time;
    let (kept, dropped, note) = if second.faults() < first.faults() && !second.posterior.interrupted
    {
        let note = format!(
            "In a first run, at acceptance {}, {}; this is a second run, at {RETRY_TARGET}.",
            first.posterior.settings.target_accept,
            first.fault()
        );
        (second.posterior, first.posterior, note)
    } else {
        let outcome = if second.posterior.interrupted {
            "was stopped".to_owned()
        } else {
            format!("was no better: {}", second.fault())
        };
        let note =
            format!("A second run, at acceptance {RETRY_TARGET}, {outcome}; this is the first.");
        (first.posterior, second.posterior, note)
    };
    let mut notes = kept.notes;
    notes.push(note);
    Posterior {
        sampling_time,
        notes,
        discarded_run: Some(DiscardedRun {
            target_accept: dropped.settings.target_accept,
            divergences: dropped.health.divergences,
            interrupted: dropped.interrupted,
        }),
        ..kept
    }
}

fn run_once(compiled: &Compiled, settings: &Settings, control: &Control) -> Result<Run, Error> {
    let start = Instant::now();
    let drawn = run::run(&compiled.model, &runtime_settings(settings), control)
        .map_err(|failure| Error::NoStart(failure.reason))?;
    let sampling_time = start.elapsed();
    let width = compiled.columns.len();
    let impossible = impossible_text(&drawn);
    let chains: Vec<Chain> = drawn
        .into_iter()
        .enumerate()
        .map(|(rank, chain)| named(rank + 1, chain))
        .collect();
    let complete = chains
        .iter()
        .all(|chain| chain.statistics.len() == settings.draws);
    let chains = equalise(chains, width);
    if chains.iter().all(|chain| chain.statistics.is_empty()) {
        return Err(Error::NoDraws(whereabouts(settings, control)));
    }
    let summary = summarise(&compiled.columns, &chains);
    let mut health = match compiled.inferred.is_empty() {
        true => nothing_unknown(),
        false => judge(compiled, &chains, &summary, settings),
    };
    health.sentences.extend(impossible.clone());
    let notes = of_run::notes(compiled, &chains);
    let mut posterior = Posterior {
        settings: settings.clone(),
        columns: compiled.columns.clone(),
        chains,
        summary,
        health,
        sampling_time,
        interrupted: !complete,
        discarded_run: None,
        notes,
    };
    let apart = apart(&posterior.summary);
    let weights = Weights::posterior(compiled.model.soft_count());
    let chosen = apart.and_then(|_| {
        Symmetries::with_one_copy(compiled, &weights, &posterior.chains, settings.seed)
    });
    let Some((symmetries, chosen)) = chosen else {
        return Ok(Run { posterior, apart });
    };
    // What was computed of the draws before they were moved says nothing of them now.
    let summary = summarise(&compiled.columns, &chosen);
    let moved = &summary[..given_count(&compiled.inferred)];
    let apart = self::apart(moved);
    if apart.is_none() {
        let health = judge(compiled, &chosen, moved, settings);
        let names = symmetries.of_chains(compiled, worst_rhat(moved));
        let other = health.sentences.into_iter().filter(|_| !health.ok);
        posterior.health.in_copies = true;
        posterior.health.sentences = std::iter::once(names)
            .chain(other)
            .chain(impossible)
            .collect();
    }
    Ok(Run { posterior, apart })
}

/// Where the chains were when they were stopped.
fn whereabouts(settings: &Settings, control: &Control) -> String {
    let chains: Vec<String> = (0..settings.chains)
        .map(|chain| (chain + 1, control.progress(chain)))
        .filter(|(_, progress)| progress.iteration > 0)
        .map(|(number, progress)| {
            format!(
                "chain {number} had done {} of {} warm-up iterations, with step size {:.1e} and {} divergences",
                progress.iteration, settings.warmup, progress.step_size, progress.divergences
            )
        })
        .collect();
    match chains.as_slice() {
        [] => "no chain had finished an iteration".to_owned(),
        chains => chains.join("\n  "),
    }
}

/// Which statement made steps impossible after warm-up. Every such step ends a trajectory as a divergence.
fn impossible_text(chains: &[run::Chain]) -> Option<String> {
    let count: usize = chains.iter().map(|chain| chain.impossible).sum();
    let reasons = chains
        .iter()
        .filter_map(|chain| chain.impossible_reason.clone());
    let reason = most_frequent(reasons)?;
    let steps = if count == 1 { "step" } else { "steps" };
    Some(format!("{count} {steps} led to zero density. {reason}."))
}

pub(crate) fn runtime_settings(settings: &Settings) -> run::Settings {
    run::Settings {
        seed: settings.seed,
        chains: settings.chains,
        draws: settings.draws,
        warmup: settings.warmup,
        target_accept: settings.target_accept,
        max_depth: settings.max_depth,
        schedule: match settings.warmup_schedule {
            Schedule::Fisher => run::Schedule::Fisher,
            Schedule::Classical => run::Schedule::Classical,
        },
        metric: match settings.metric {
            Metric::Auto => run::Metric::Auto,
            Metric::Diagonal => run::Metric::Diagonal,
        },
        likelihood_weight: 1.0,
        rows: Vec::new(),
        starts: Vec::new(),
        threads: settings.threads,
    }
}

pub(crate) fn named(number: usize, chain: run::Chain) -> Chain {
    let statistics = |info: &run::DrawInfo| DrawStatistics {
        lp: info.lp,
        acceptance_rate: info.acceptance_rate,
        step_size: info.step_size,
        tree_depth: info.tree_depth,
        n_steps: info.n_steps,
        diverging: info.diverging,
        energy: info.energy,
    };
    Chain {
        number,
        statistics: chain.draws.iter().map(statistics).collect(),
        values: chain.values,
        positions: chain.positions,
        log_likelihoods: chain.log_likelihoods,
        step_size: chain.step_size,
        inverse_metric: chain.inverse_metric,
        warmup_divergences: chain.warmup_divergences,
        impossible: chain.impossible,
        warmup_seconds: chain.warmup_seconds,
        sampling_seconds: chain.sampling_seconds,
    }
}

pub(crate) fn summarise(
    columns: &[likelier_compiler::Column],
    chains: &[Chain],
) -> Vec<SummaryRow> {
    let width = columns.len();
    let row = |(index, column): (usize, &likelier_compiler::Column)| {
        let summary = diagnose::summarise(&column_of(chains, width, index));
        SummaryRow {
            name: column.name.clone(),
            mean: summary.mean,
            sd: summary.sd,
            mcse_mean: summary.mcse_mean,
            mcse_sd: summary.mcse_sd,
            q5: summary.q5,
            q50: summary.q50,
            q95: summary.q95,
            rhat: summary.rhat,
            ess_bulk: summary.ess_bulk,
            ess_tail: summary.ess_tail,
        }
    };
    columns.iter().enumerate().map(row).collect()
}

pub(crate) fn judge(
    compiled: &Compiled,
    chains: &[Chain],
    summary: &[SummaryRow],
    settings: &Settings,
) -> Health {
    let energies: Vec<Vec<f64>> = chains
        .iter()
        .map(|chain| chain.statistics.iter().map(|s| s.energy).collect())
        .collect();
    let statistics = || chains.iter().flat_map(|chain| &chain.statistics);
    let evidence = diagnose::Evidence {
        energies: &energies,
        divergences: statistics().filter(|s| s.diverging).count(),
        max_depth_hits: statistics()
            .filter(|s| s.tree_depth >= settings.max_depth)
            .count(),
        draws: statistics().count(),
        target_accept: settings.target_accept,
        of_unknown_width: compiled.of_unknown_width.first().map(String::as_str),
        draws_per_chain: chains.first().map_or(0, |chain| chain.statistics.len()),
        not_finite: summary
            .iter()
            .filter(|row| !row.mean.is_finite())
            .map(|row| row.name.as_str())
            .collect(),
        columns: summary
            .iter()
            .map(|row| (row.name.as_str(), row.rhat, row.ess_bulk.min(row.ess_tail)))
            .collect(),
    };
    let health = diagnose::judge(&evidence);
    Health {
        ok: health.ok,
        divergences: health.divergences,
        max_depth_hits: health.max_depth_hits,
        e_bfmi: health.e_bfmi,
        worst_rhat: health.worst_rhat.map(extreme),
        lowest_ess: health.lowest_ess.map(extreme),
        in_copies: false,
        sentences: health.sentences,
    }
}

/// The verdict when there was nothing to sample.
fn nothing_unknown() -> Health {
    Health {
        ok: true,
        divergences: 0,
        max_depth_hits: 0,
        e_bfmi: Vec::new(),
        worst_rhat: None,
        lowest_ess: None,
        in_copies: false,
        sentences: vec![
            "Nothing is unknown: no sampler ran, and what is simulated was drawn independently."
                .to_owned(),
        ],
    }
}

fn extreme((name, value): (String, f64)) -> Extreme {
    Extreme { name, value }
}
