//! Simulation-based calibration (Talts et al. 2018): whether a sampler finds what a model was simulated with. Parameters and data are
//! drawn together from the model, the model is fitted to the data, and the rank of each true value among the draws of
//! its posterior is noted. If simulator, density and sampler agree, these ranks are uniform, whatever the model is; a wrong
//! density, a biased sampler or draws that did not converge bend them. The log likelihood is ranked as well, since it sees the
//! data: a sampler that ignores them has uniform ranks of all parameters (Modrák et al. 2023).

mod fit;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use likelier_runtime::parallel;
use serde::Serialize;

pub use crate::sampling::Method;
use crate::sampling::within;
use crate::simulation::Way;
use crate::uniformity::p_value;
use crate::{Dataset, Error, Options, Simulator};
use fit::{Context, Outcome};

/// How to calibrate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalibrationSettings {
    /// The seed of all random numbers.
    pub seed: u64,
    /// Data sets to simulate and fit.
    pub simulations: usize,
    /// Draws L among which a true value has its rank.
    pub ranks: usize,
    /// What is calibrated.
    pub method: Method,
    /// Whether the errors of evidence are judged too.
    pub evidence: bool,
    /// Threads; `None` means as many as the machine has. Ranks do not depend on it.
    #[serde(skip)]
    pub threads: Option<usize>,
}

impl Default for CalibrationSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            simulations: 256,
            ranks: 99,
            method: Method::Nuts,
            evidence: false,
            threads: None,
        }
    }
}

impl CalibrationSettings {
    /// Whether these settings make sense.
    ///
    /// # Errors
    /// [`Error::Settings`] naming the first setting that does not.
    pub fn check(&self) -> Result<(), Error> {
        within("simulations", self.simulations, 20, 100_000)?;
        within("draws to rank among", self.ranks, 9, 1999)?;
        match self.threads {
            Some(0) => Err(Error::Settings(
                "the number of threads must be at least 1".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// The seed of one simulation's fit. Seeds are mixed before use; any other number makes other streams.
    fn seed_of(&self, simulation: usize) -> u64 {
        let step = (simulation as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.seed.wrapping_add(step)
    }
}

/// A model's text with the name that messages call it.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Usually the path of its file.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
}

/// Lets another thread watch a calibration and stop it between simulations.
#[derive(Debug, Default)]
pub struct CalibrationControl {
    done: AtomicUsize,
    stopping: AtomicBool,
}

impl CalibrationControl {
    /// Simulations that have ended.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Asks it to stop.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// How the ranks of a quantity deviate from uniform ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// True values lie below most draws.
    TooHigh,
    /// True values lie above most draws.
    TooLow,
    /// True values lie outside the draws too often.
    TooNarrow,
    /// True values lie in the middle of the draws too often.
    TooWide,
}

/// The ranks of one quantity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quantity {
    /// The column, or `log likelihood`.
    pub name: String,
    /// How probable it is that uniform ranks leave the diagonal this far.
    pub p: f64,
    /// The same with regard to the number of quantities (Bonferroni).
    pub p_adjusted: f64,
    /// Whether the ranks leave the band.
    pub is_outside: bool,
    /// The deviation that is largest, whether or not it is significant.
    pub shape: Shape,
    /// The rank of the truth in each simulation.
    pub ranks: Vec<usize>,
}

/// How the claimed errors of two estimates of evidence cover their difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    /// Simulations where both estimates exist and nothing speaks against them.
    pub pairs: usize,
    /// Those among them whose difference is less than two combined standard errors.
    pub covered: usize,
    /// Simulations where one of them is missing or doubtful.
    pub without: usize,
    /// Whether the share lies above [`LEAST_COVERAGE`].
    pub is_sufficient: bool,
}

/// The result.
#[derive(Debug, Clone)]
pub struct Calibration {
    /// What was asked for.
    pub settings: CalibrationSettings,
    /// Variables that were simulated as data.
    pub data: Vec<String>,
    /// How often the program ran forwards for the true values, and how they were found.
    pub drawn: (usize, Way),
    /// Simulations whose ranks count.
    pub simulations: usize,
    /// Simulations that could not be fitted, with the reason of the first.
    pub failures: (usize, Option<String>),
    /// Simulations whose fit had divergent draws.
    pub divergent: usize,
    /// Simulations whose draws were fewer than independent ones would be, however long the run.
    pub short: usize,
    /// All quantities, the most suspicious first.
    pub quantities: Vec<Quantity>,
    /// Of evidence, if asked for.
    pub coverage: Option<Coverage>,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Wall time.
    pub time: Duration,
}

/// Simultaneous bands have this level, over all points and all quantities.
pub const LEVEL: f64 = 0.05;
/// A larger share of simulations that cannot be fitted is a defect of its own: those that remain are a selection.
const MOST_FAILURES: f64 = 0.02;
/// Two standard errors must cover this share of differences.
pub const LEAST_COVERAGE: f64 = 0.85;
/// What is called the quantity that is no column.
pub const LOG_LIKELIHOOD: &str = "log likelihood";
impl Calibration {
    /// Whether nothing speaks against the model and its sampler.
    pub fn is_calibrated(&self) -> bool {
        self.quantities.iter().all(|quantity| !quantity.is_outside)
            && !self.has_many_failures()
            && self.coverage.as_ref().is_none_or(|c| c.is_sufficient)
    }

    /// Whether too many simulations could not be fitted.
    pub fn has_many_failures(&self) -> bool {
        let all = self.simulations + self.failures.0;
        self.failures.0 as f64 > MOST_FAILURES * all as f64
    }
}

/// Simulates from `truth` and fits with `fit`, which are the same but where a deliberate mistake is to be noticed. Of `data`, covariates
/// and sizes count; the random variables that they hold are simulated as data (those elements that are missing stay so),
/// or, if they hold none, those on which no other depends.
///
/// # Errors
/// [`Error::Settings`] for settings that make no sense and models that cannot be calibrated, [`Error::Model`] for wrong models,
/// [`Error::Rejected`] when constraints keep hardly any prior draw, [`Error::Stopped`] before the first fit.
pub fn calibrate(
    truth: Program<'_>,
    fit: Program<'_>,
    data: &Dataset,
    options: &Options,
    settings: &CalibrationSettings,
    control: &CalibrationControl,
) -> Result<Calibration, Error> {
    settings.check()?;
    let start = Instant::now();
    let simulator = Simulator::prior(truth.name, truth.text, data, options)?;
    let simulation = &simulator.simulation;
    if !simulation.unheeded.is_empty() {
        return Err(Error::Settings(format!(
            "a model that conditions by `observe` or `factor` cannot be simulated, and so not be calibrated: {}\n  help: make what is observed a random variable: y ~ …",
            simulation.unheeded.join("; ")
        )));
    }
    let names = data_names(&simulator, data);
    let rows = simulator.draw_on(settings.threads, settings.seed, settings.simulations)?;
    let context = Context {
        fit,
        data,
        options,
        settings,
        names: &names,
        columns: &rows.columns,
    };
    let row = |number: usize| -> Vec<f64> {
        rows.rows()
            .nth(number)
            .map(<[f64]>::to_vec)
            .unwrap_or_default()
    };
    context.check(&row(0))?;
    let threads = parallel::thread_count(settings.threads);
    let outcomes = parallel::map(
        threads,
        settings.simulations,
        || (),
        |(), number| {
            if control.is_stopping() {
                return None;
            }
            let outcome = context.outcome(&row(number), number);
            control.done.fetch_add(1, Ordering::Relaxed);
            Some(outcome)
        },
    );
    let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    if outcomes.is_empty() {
        return Err(Error::Stopped("no simulation was fitted".to_owned()));
    }
    let interrupted = outcomes.len() < settings.simulations;
    let (fitted, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    let fitted: Vec<Outcome> = fitted.into_iter().flatten().collect();
    let reason = failed.iter().find_map(|failure| failure.as_ref().err());
    if fitted.is_empty() {
        return Err(Error::Settings(format!(
            "no simulation could be fitted. The first failed because: {}",
            reason.map(ToString::to_string).unwrap_or_default()
        )));
    }
    Ok(Calibration {
        settings: settings.clone(),
        simulations: fitted.len(),
        failures: (failed.len(), reason.map(ToString::to_string)),
        divergent: fitted.iter().filter(|fit| fit.is_divergent).count(),
        short: fitted.iter().filter(|fit| fit.is_short).count(),
        quantities: quantities(&fitted, settings),
        coverage: settings.evidence.then(|| coverage(&fitted)),
        data: names,
        drawn: (rows.tried, rows.way),
        interrupted,
        time: start.elapsed(),
    })
}

/// The variables that are data of the simulations.
fn data_names(simulator: &Simulator, data: &Dataset) -> Vec<String> {
    let columns = &simulator.simulation.columns;
    let is_random = |name: &String| columns.iter().any(|column| column.variable == *name);
    let keys = data.entries().iter().map(|entry| entry.key.clone());
    let held: Vec<String> = keys.filter(is_random).collect();
    match held.is_empty() {
        true => simulator.simulation.leaves.clone(),
        false => held,
    }
}

fn coverage(fitted: &[Outcome]) -> Coverage {
    let distances: Vec<f64> = fitted.iter().filter_map(|fit| fit.distance).collect();
    let covered = distances.iter().filter(|gap| gap.abs() < 2.0).count();
    Coverage {
        pairs: distances.len(),
        covered,
        without: fitted.len() - distances.len(),
        is_sufficient: covered as f64 >= LEAST_COVERAGE * distances.len() as f64
            && !distances.is_empty(),
    }
}

/// The ranks by quantity, judged together. What is constant tells nothing and is left out; so is what is not unknown in every
/// simulation.
fn quantities(fitted: &[Outcome], settings: &CalibrationSettings) -> Vec<Quantity> {
    let mut by_name: Vec<(&str, Vec<usize>, bool)> = fitted[0]
        .ranks
        .iter()
        .map(|(name, ..)| (name.as_str(), Vec::new(), true))
        .collect();
    let places: HashMap<String, usize> = by_name
        .iter()
        .enumerate()
        .map(|(place, (name, ..))| ((*name).to_owned(), place))
        .collect();
    for (name, rank, is_constant) in fitted.iter().flat_map(|fit| &fit.ranks) {
        if let Some(&place) = places.get(name) {
            by_name[place].1.push(*rank);
            by_name[place].2 &= is_constant;
        }
    }
    by_name.retain(|(_, ranks, is_constant)| !is_constant && ranks.len() == fitted.len());
    let count = by_name.len() as f64;
    let judged = by_name.into_iter().map(|(name, ranks, _)| {
        let p = p_value(&ranks, settings.ranks);
        let p_adjusted = (p * count).min(1.0);
        Quantity {
            name: name.to_owned(),
            p,
            p_adjusted,
            is_outside: p_adjusted < LEVEL,
            shape: shape(&ranks, settings.ranks),
            ranks,
        }
    });
    let mut quantities: Vec<Quantity> = judged.collect();
    quantities.sort_by(|a, b| a.p.total_cmp(&b.p));
    quantities
}

/// Location or spread, whichever is farther from that of uniform ranks in standard errors.
fn shape(ranks: &[usize], highest: usize) -> Shape {
    let count = ranks.len() as f64;
    let places: Vec<f64> = ranks
        .iter()
        .map(|&rank| (rank as f64 + 0.5) / (highest + 1) as f64 - 0.5)
        .collect();
    let location = places.iter().sum::<f64>() / count / (1.0 / 12.0 / count).sqrt();
    let square = places.iter().map(|place| place * place).sum::<f64>() / count;
    // The variance of the square of a number that is uniform on (-1/2, 1/2) is 1/180.
    let spread = (square - 1.0 / 12.0) / (1.0 / 180.0 / count).sqrt();
    match (location.abs() >= spread.abs(), location > 0.0, spread > 0.0) {
        (true, true, _) => Shape::TooLow,
        (true, false, _) => Shape::TooHigh,
        (false, _, true) => Shape::TooNarrow,
        (false, _, false) => Shape::TooWide,
    }
}
