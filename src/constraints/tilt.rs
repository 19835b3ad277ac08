//! What a `joint` strength does to itself. With s unknown, the prior with constraints is p(s | C) ∝ p(s) Z(s), Z(s) the
//! integral of the potential for that s: s is drawn to values that make its constraint easy to satisfy, before any data. How far
//! is the Kullback–Leibler divergence of p(s | C) from p(s).
//!
//! It is measured on a histogram whose cells are equally probable under the prior. What differs within a cell is not seen, so
//! that it is never overstated, and it cannot exceed the logarithm of the number of cells.

use likelier_runtime::methods::smc::Replicate;
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Evaluator, Parts, Target, Weights};

use super::{Sample, Spread, is_soft};
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
    /// Under the prior without soft constraints.
    pub prior: Spread,
    /// Under the prior with all of them.
    pub constrained: Spread,
    /// KL(p(s | C) ‖ p(s)) in nats.
    pub divergence: LogValue,
}

impl Tilt {
    /// Those of all elements of the named variables.
    pub(super) fn of(model: &Model, evidence: &Evidence, names: &[String]) -> Vec<Self> {
        let columns = &model.compiled.columns;
        let is_wanted = |&place: &usize| names.contains(&columns[place].variable);
        let wanted: Vec<usize> = (0..columns.len()).filter(is_wanted).collect();
        let Some(smc) = evidence.smc.as_ref().filter(|_| !wanted.is_empty()) else {
            return Vec::new();
        };
        let mut reader = Reader::new(model, &wanted, evidence.settings.seed);
        let prior = reader.prior();
        if prior.count() < LEAST_DRAWS {
            return Vec::new();
        }
        let constrained = reader.constrained(&smc.replicates);
        let tilt = |(number, &place): (usize, &usize)| Self {
            name: columns[place].name.clone(),
            prior: prior.spread(|row| row[number]),
            constrained: constrained.spread(|row| row[number]),
            divergence: divergence(&constrained, &prior.sorted(number), number),
        };
        wanted.iter().enumerate().map(tilt).collect()
    }
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

/// Reads some numbers of draws.
struct Reader<'a> {
    model: &'a Model,
    evaluator: Box<dyn Evaluator + 'a>,
    wanted: &'a [usize],
    seed: u64,
    outputs: Vec<f64>,
}

impl<'a> Reader<'a> {
    fn new(model: &'a Model, wanted: &'a [usize], seed: u64) -> Self {
        let target = &model.tempered().model;
        Self {
            model,
            evaluator: target.evaluator(),
            wanted,
            seed,
            outputs: vec![0.0; target.output_count()],
        }
    }

    fn read(&mut self, position: &[f64], stream: &mut Stream, rows: &mut Rows) {
        self.evaluator.outputs(position, stream, &mut self.outputs);
        let numbers = self.wanted.iter().map(|&place| self.outputs[place]);
        rows.values.extend(numbers);
    }

    fn no_rows(&self) -> Rows {
        let columns = &self.model.compiled.columns;
        Rows {
            columns: self
                .wanted
                .iter()
                .map(|&place| columns[place].clone())
                .collect(),
            ..Rows::default()
        }
    }

    /// Independent draws of the prior, of which those are kept that satisfy what is required.
    fn prior(&mut self) -> Sample {
        let target = &self.model.tempered().model;
        let constraints = self.model.compiled.constraints.iter();
        let hard: Vec<bool> = constraints.map(|one| !is_soft(one)).collect();
        let mut stream = Stream::new(self.seed, Purpose::Prior, u32::MAX);
        let mut position = vec![0.0; target.dimension()];
        let mut gradient = position.clone();
        let weights = Weights::tempered(target.soft_count(), 1.0, 0.0);
        let mut parts = Parts::default();
        let mut rows = self.no_rows();
        for draw in 0..PRIOR_DRAWS {
            stream.at(draw as u64);
            self.evaluator.prior_draw(&mut stream, &mut position);
            self.evaluator
                .log_density_gradient(&position, &weights, &mut gradient, &mut parts);
            let mut potentials = hard.iter().zip(&parts.soft);
            if potentials.all(|(&hard, &potential)| !hard || potential == 0.0) {
                self.read(&position, &mut stream, &mut rows);
            }
        }
        Sample {
            length: rows.count(),
            runs: vec![rows],
        }
    }

    /// The particles of several runs.
    fn constrained(&mut self, runs: &[Replicate]) -> Sample {
        let mut read = |(number, run): (usize, &Replicate)| {
            let population = &run.constrained_prior;
            let mut stream = Stream::new(self.seed, Purpose::Output, number as u32);
            let mut rows = self.no_rows();
            for particle in 0..population.count() {
                stream.at(particle as u64);
                self.read(population.position(particle), &mut stream, &mut rows);
            }
            rows
        };
        Sample {
            length: runs
                .first()
                .map_or(1, |run| run.constrained_prior.length.max(1)),
            runs: runs.iter().enumerate().map(&mut read).collect(),
        }
    }
}
