//! What a `joint` strength does to itself. With s unknown, the prior with constraints is p(s | C) ∝ p(s) Z(s), Z(s) the
//! integral of the potential for that s: s is drawn to values that make its constraint easy to satisfy, before any data. How far
//! is the Kullback–Leibler divergence of p(s | C) from p(s).
//!
//! It is measured on a histogram whose cells are equally probable under the prior. What differs within a cell is not seen, so
//! that it is never overstated, and it cannot exceed the logarithm of the number of cells.

use likelier_runtime::methods::particles::{Key, Population, prior_draws};
use likelier_runtime::parallel;
use likelier_runtime::random::Purpose;
use likelier_runtime::target::{Target, Weights};

use super::{Sample, Spread};
use crate::Model;
use crate::evidence::{Evidence, LogValue};
use crate::simulation::Rows;

/// Draws from the prior alone.
const PRIOR_DRAWS: usize = 16_384;
/// Fewer draws that satisfy what is required are not enough.
const LEAST_DRAWS: usize = 1024;
/// Cells of the histogram.
const CELLS: usize = 64;

/// How the constraints move an unknown on which the strength of one of them depends.
#[derive(Debug, Clone, PartialEq)]
pub struct Tilt {
    /// The unknown: `s`, `s[2]`.
    pub name: String,
    /// The variable it is an element of.
    pub variable: String,
    /// Under the prior without soft constraints.
    pub prior: Spread,
    /// Under the prior with all of them.
    pub constrained: Spread,
    /// KL(p(s | C) ‖ p(s)) in nats.
    pub divergence: LogValue,
}

impl Tilt {
    /// Those of all elements behind the strengths of a model.
    pub(super) fn of(model: &Model, evidence: &Evidence) -> Vec<Self> {
        let columns = &model.compiled.columns;
        let constraints = &model.compiled.constraints;
        let is_wanted = |&place: &usize| {
            let variable = &columns[place].variable;
            constraints
                .iter()
                .any(|one| one.strengths.contains(variable))
        };
        let wanted: Vec<usize> = (0..columns.len()).filter(is_wanted).collect();
        let Some(smc) = evidence.smc.as_ref().filter(|_| !wanted.is_empty()) else {
            return Vec::new();
        };
        // Where what is required is impossible for a draw, its weight is none.
        let target = &model.tempered().model;
        let key = Key {
            seed: evidence.settings.seed,
            replicate: smc.replicates.len(),
        };
        let weights = Weights::tempered(target.soft_count(), 1.0, 0.0);
        let threads = parallel::thread_count(evidence.settings.threads);
        let draws = prior_draws(target, &weights, key, PRIOR_DRAWS, false, threads);
        if draws.population.count() < LEAST_DRAWS {
            return Vec::new();
        }
        let mut prior = read(model, &wanted, key, std::iter::once(&draws.population));
        prior.length = draws.population.count();
        let runs = smc.replicates.iter().map(|run| &run.constrained_prior);
        let constrained = read(model, &wanted, key, runs);
        let tilt = |(number, &place): (usize, &usize)| Self {
            name: columns[place].name.clone(),
            variable: columns[place].variable.clone(),
            prior: prior.spread(|row| row[number]),
            constrained: constrained.spread(|row| row[number]),
            divergence: divergence(&constrained, &prior.sorted(number), number),
        };
        wanted.iter().enumerate().map(tilt).collect()
    }
}

/// Some columns of all particles of several runs.
fn read<'a>(
    model: &Model,
    wanted: &[usize],
    key: Key,
    runs: impl Iterator<Item = &'a Population>,
) -> Sample {
    let target = &model.tempered().model;
    let mut evaluator = target.evaluator();
    let mut outputs = vec![0.0; target.output_count()];
    let (mut sample, mut stream) = (Sample::default(), key.stream(Purpose::Output, 0));
    for run in runs {
        let columns = wanted.iter().map(|&place| &model.compiled.columns[place]);
        let mut rows = Rows {
            columns: columns.cloned().collect(),
            ..Rows::default()
        };
        for particle in 0..run.count() {
            stream.at(particle as u64);
            evaluator.outputs(run.position(particle), &mut stream, &mut outputs);
            rows.values
                .extend(wanted.iter().map(|&place| outputs[place]));
        }
        sample.length = run.length.max(1);
        sample.runs.push(rows);
    }
    sample
}

/// The divergence of a number of a sample from its prior, of which there are sorted draws.
fn divergence(sample: &Sample, prior: &[f64], number: usize) -> LogValue {
    // Equal draws belong to one cell.
    let ends = (1..CELLS).map(|cell| prior[cell * prior.len() / CELLS]);
    let mut ends: Vec<f64> = ends.collect();
    ends.dedup();
    let cell = |value: f64| ends.partition_point(|&end| end <= value);
    let shares = |values: &[f64]| {
        let mut counts = vec![0.5; ends.len() + 1];
        values.iter().for_each(|&value| counts[cell(value)] += 1.0);
        let total: f64 = counts.iter().sum();
        counts.into_iter().map(|count| count / total).collect()
    };
    let before: Vec<f64> = shares(prior);
    let after: Vec<f64> = shares(&sample.chains(|row| row[number]).concat());
    let found = sample.spread(|row| {
        let cell = cell(row[number]);
        (after[cell] / before[cell]).ln()
    });
    // Chance makes the shares differ, by half a nat over the number of independent draws for each cell but one (Miller 1955).
    let independent = (found.sd / found.se).powi(2);
    let excess = match independent.is_finite() {
        true => ends.len() as f64 / (2.0 * independent),
        false => 0.0,
    };
    LogValue {
        value: (found.mean - excess).max(0.0),
        se: found.se,
    }
}
