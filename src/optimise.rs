//! The mode of a model: the values at which the posterior density, or the likelihood, is largest. Where a density is largest depends
//! on the coordinates in which it is one, so the objective is named, and a posterior often has no mode at all, or one that says
//! little: what is found is judged before it is shown, and of an unbounded density no number is given.
//!
//! Climbs begin at prior draws. For the density of the values they are done in both sets of coordinates, which do not move its
//! maxima, but change how they are reached: where a scale tends to zero, natural coordinates narrow to a valley that cannot be followed.

use std::time::{Duration, Instant};

use likelier_compiler::{Column, ColumnKind, Compiled, Coordinates, Objective, owner};
use likelier_runtime::methods::optimise::{Shape, Summit, climb};
use likelier_runtime::parallel;
use likelier_runtime::parts::leapfrog::Density;
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::run;
use likelier_runtime::target::{Parts, Target, Weights};

use crate::sampling::within;
use crate::{Error, Model, Options};

/// How to look for a mode.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimiseSettings {
    /// What is to be as large as possible.
    pub objective: Objective,
    /// Prior draws from which climbs begin.
    pub starts: usize,
    /// The seed of those draws.
    pub seed: u64,
    /// Threads; `None` means as many as are useful. Numbers do not depend on it.
    pub threads: Option<usize>,
}

impl Default for OptimiseSettings {
    fn default() -> Self {
        Self {
            objective: Objective::Values,
            starts: 20,
            seed: 1,
            threads: None,
        }
    }
}

/// What became of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModeVerdict {
    /// A maximum, the largest that was found.
    Maximum,
    /// The objective grows without bound; there is no mode.
    Unbounded,
    /// The largest value is not attained at a single point: a ridge, or an end of a range.
    Flat,
    /// The climbs came to no end.
    Unfinished,
}

/// A mode with what tells how far to trust it.
#[derive(Debug, Clone)]
pub struct Mode {
    /// What was looked for.
    pub settings: OptimiseSettings,
    /// What was found.
    pub verdict: ModeVerdict,
    /// The objective at the mode; `None` unless the verdict is a maximum.
    pub log_density: Option<f64>,
    /// The parts of the log density there, whatever the objective.
    pub parts: Option<Parts>,
    /// The values of the unknowns and of the reports there.
    pub values: Vec<(Column, f64)>,
    /// Climbs.
    pub climbs: usize,
    /// Climbs that ended there.
    pub reached: usize,
    /// Other maxima from the largest down, each with the number of climbs that ended at it.
    pub others: Vec<(f64, usize)>,
    /// Climbs that ended at no maximum.
    pub lost: usize,
    /// What a reader should know, in sentences.
    pub notes: Vec<String>,
    /// Log densities with gradient that were computed.
    pub evaluations: usize,
    /// Wall time.
    pub time: Duration,
}

/// The end of one climb with the program it was made in.
struct End<'a> {
    program: &'a Compiled,
    summit: Summit,
}

impl Model {
    /// Looks for the values at which the objective is largest.
    ///
    /// # Errors
    /// [`Error::Settings`] for settings that make no sense, [`Error::NoStart`] when the density is nowhere finite.
    pub fn optimise(&self, settings: &OptimiseSettings) -> Result<Mode, Error> {
        within("starts", settings.starts, 1, 100_000)?;
        let begin = Instant::now();
        let coordinates = match settings.objective {
            Objective::Values => vec![Coordinates::Natural, Coordinates::Standardised],
            Objective::Position | Objective::Likelihood => vec![Coordinates::Natural],
        };
        let programs: Vec<Box<Compiled>> = coordinates
            .into_iter()
            .map(|coordinates| {
                self.recipe.compile(&Options {
                    coordinates,
                    objective: settings.objective,
                    ..self.recipe.options.clone()
                })
            })
            .collect::<Result<_, Error>>()?;
        let mut ends = Vec::new();
        for program in &programs {
            let found = climbs(program, settings)?;
            ends.extend(found.into_iter().map(|summit| End { program, summit }));
        }
        let mut mode = judge(settings, &ends);
        if let Some(end) = mode_end(&mode, &ends) {
            mode.parts = Some(self.parts_at(end)?);
        }
        mode.time = begin.elapsed();
        Ok(mode)
    }

    /// All parts of the log density where a climb ended.
    fn parts_at(&self, end: &End) -> Result<Parts, Error> {
        let target = self.recipe.compile(&Options {
            coordinates: end.program.coordinates,
            ..self.recipe.options.clone()
        })?;
        let mut parts = Parts::default();
        let mut gradient = vec![0.0; end.summit.position.len()];
        let weights = Weights::posterior(target.model.soft_count());
        let mut evaluator = target.model.evaluator();
        evaluator.log_density_gradient(&end.summit.position, &weights, &mut gradient, &mut parts);
        Ok(parts)
    }
}

fn climbs(program: &Compiled, settings: &OptimiseSettings) -> Result<Vec<Summit>, Error> {
    let target = &program.model;
    let soft = target.soft_count();
    let weights = match settings.objective {
        Objective::Likelihood => Weights::tempered(soft, 0.0, 1.0),
        Objective::Values | Objective::Position => Weights::posterior(soft),
    };
    let start_settings = run::Settings {
        seed: settings.seed,
        ..run::Settings::default()
    };
    let one = |_: &mut (), number: usize| {
        let mut density = Density::new(target.evaluator(), weights.clone(), target.dimension());
        let start = run::find_start(target, &mut density, &start_settings, number)?;
        Ok(climb(&mut density, &start.position, soft))
    };
    let starts = if target.dimension() == 0 {
        1
    } else {
        settings.starts
    };
    let threads = parallel::thread_count(settings.threads);
    parallel::map(threads, starts, || (), one)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|failure: likelier_runtime::target::StartFailure| Error::NoStart(failure.reason))
}

/// Two log densities are those of one maximum.
fn is_same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + a.abs())
}

/// The climb whose end is shown.
fn mode_end<'a, 'b>(mode: &Mode, ends: &'a [End<'b>]) -> Option<&'a End<'b>> {
    let value = mode.log_density?;
    ends.iter()
        .find(|end| end.summit.shape == Shape::Maximum && end.summit.log_density == value)
}

fn judge(settings: &OptimiseSettings, ends: &[End]) -> Mode {
    let mut mode = Mode {
        settings: settings.clone(),
        verdict: ModeVerdict::Unfinished,
        log_density: None,
        parts: None,
        values: Vec::new(),
        climbs: ends.len(),
        reached: 0,
        others: Vec::new(),
        lost: 0,
        notes: Vec::new(),
        evaluations: ends.iter().map(|end| end.summit.evaluations).sum(),
        time: Duration::ZERO,
    };
    let is_maximum = |end: &&End| end.summit.shape == Shape::Maximum;
    let mut maxima: Vec<f64> = ends
        .iter()
        .filter(is_maximum)
        .map(|end| end.summit.log_density)
        .collect();
    maxima.sort_by(|a, b| b.total_cmp(a));
    let groups: Vec<(f64, usize)> = maxima
        .chunk_by(|a, b| is_same(*a, *b))
        .map(|group| (group[0], group.len()))
        .collect();
    mode.lost = ends.len() - maxima.len();
    mode.others = groups.clone();
    if let Some(note) = ends.iter().find_map(growth) {
        mode.verdict = ModeVerdict::Unbounded;
        mode.notes.push(note);
        return mode;
    }
    let best = ends
        .iter()
        .max_by(|a, b| a.summit.log_density.total_cmp(&b.summit.log_density));
    let Some(best) = best else { return mode };
    let highest = groups.first().map(|group| group.0);
    if let Some(value) = highest.filter(|value| is_same(*value, best.summit.log_density)) {
        mode.verdict = ModeVerdict::Maximum;
        mode.log_density = Some(value);
        mode.reached = groups[0].1;
        mode.others.remove(0);
        if let Some(end) = mode_end(&mode, ends) {
            mode.values = values(end.program, &end.summit.position);
        }
        return mode;
    }
    match best.summit.shape {
        Shape::Flat { coordinate } => {
            mode.verdict = ModeVerdict::Flat;
            mode.notes.push(flatness(best, coordinate));
        }
        _ => mode.notes.push(
            "The highest climb ended where the gradient is not zero: the objective may be unbounded, or its maximum lies in a valley too \
             narrow to follow. Another form of the model may help, or more --starts."
                .to_owned(),
        ),
    }
    mode
}

/// The unknowns and the reports at a position.
fn values(program: &Compiled, position: &[f64]) -> Vec<(Column, f64)> {
    let mut row = vec![0.0; program.columns.len()];
    let mut stream = Stream::new(1, Purpose::Output, 0);
    program
        .model
        .evaluator()
        .outputs(position, &mut stream, &mut row);
    let is_determined = |kind| matches!(kind, ColumnKind::Inferred | ColumnKind::Report);
    let columns = program.columns.iter().cloned().zip(row);
    columns
        .filter(|(column, _)| is_determined(column.kind))
        .collect()
}

/// The element that has a coordinate of its own, or the variable whose vector or matrix takes part in it; and its value at a position, if it
/// is one number.
fn element(program: &Compiled, coordinate: usize, position: &[f64]) -> (String, Option<f64>) {
    let Some((owner, place)) = owner(&program.inferred, coordinate) else {
        return (String::new(), None);
    };
    match (owner.structure, program.columns.get(place)) {
        (None, Some(column)) => {
            let found = values(program, position);
            let value = found.iter().find(|(other, _)| other.name == column.name);
            (column.name.clone(), value.map(|(_, value)| *value))
        }
        _ => (owner.name.clone(), None),
    }
}

/// What grows without bound, as a sentence.
fn growth(end: &End) -> Option<String> {
    let Shape::Unbounded {
        coordinate,
        rises,
        rate,
    } = end.summit.shape
    else {
        return None;
    };
    let mut far = end.summit.position.clone();
    far[coordinate] = if rises { 100.0 } else { -100.0 };
    let (name, value) = element(end.program, coordinate, &far);
    let limit = match value {
        Some(value) if value.abs() < 1e-9 => "tends to 0".to_owned(),
        Some(value) if value.abs() < 50.0 => format!("tends to {value}"),
        Some(value) if value > 0.0 => "grows".to_owned(),
        Some(_) => "falls".to_owned(),
        None => "tends to the edge of its support".to_owned(),
    };
    Some(format!(
        "As `{name}` {limit}, the log density grows by {rate:.3} nats for each unit of its coordinate, without end: there is no mode. \
         A scale that may vanish, of values that are free to agree, makes such a density; its posterior may be proper all the same, \
         and `likelier run` averages over it."
    ))
}

/// What is flat, as a sentence.
fn flatness(end: &End, coordinate: usize) -> String {
    let (name, value) = element(end.program, coordinate, &end.summit.position);
    let shown = value.map_or(String::new(), |value| format!(" (here {value:.6})"));
    format!(
        "The largest value found, {:.4}, is not the density of one point: `{name}`{shown} can change without changing it, alone or together with others, \
         or tends to the edge of its support.",
        end.summit.log_density
    )
}
