//! Evidence row by row: log p(y) = Σ log p(y_i | y_<i), each row predicted from those before it, by data tempering. The
//! sum is a third estimate of the evidence; its terms tell which rows made the evidence what it is, and its end without its
//! beginning, log p(y_>m | y_≤m), is the evidence when the first m rows have already told where the parameters are:
//! then the width of the prior hardly counts (Lotfi et al. 2022).
//!
//! Where rows are independent given the unknowns, the sum does not depend on their order, but every term does.

use std::time::{Duration, Instant};

use likelier_compiler::{Compiled, Row};
use likelier_runtime::methods::smc::rows::{RowRun, run};
use likelier_runtime::methods::smc::{self, Estimate, Failure, Watch};
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Parts, Target, Weights};

use crate::evidence::{
    Evidence, EvidenceControl, EvidenceSettings, FARTHEST, LogValue, doubt_of_moves,
    doubt_of_scatter, failure,
};
use crate::{Error, Model};

/// Added to the seed, so that these runs share no random numbers with the tempering that they are compared with.
const SEED: u64 = 0x9c5_1d07;

/// The evidence of a model row by row.
#[derive(Debug, Clone)]
pub struct Prequential {
    /// The observed rows, in the order in which they were taken.
    pub rows: Vec<Row>,
    /// What stands in the likelihood and is no row: `factor`s.
    pub before: LogValue,
    /// log p(y_i | y_<i) of each row.
    pub increments: Vec<LogValue>,
    /// log p(y_≤i), `before` included.
    pub cumulative: Vec<LogValue>,
    /// Whether the law of one row may depend on the value of another, so that the rows have an order.
    pub is_sequential: bool,
    /// Every run; none where nothing had to be integrated.
    pub runs: Vec<RowRun>,
    /// What speaks against it; empty when nothing does.
    pub doubts: Vec<String>,
    /// Wall time.
    pub time: Duration,
}

/// One random order of the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Reordered {
    /// Which row, by its number among [`Prequential::rows`], came when.
    pub order: Vec<usize>,
    /// log p of the rows up to each in this order.
    pub cumulative: Vec<LogValue>,
}

impl Reordered {
    /// log p(y), by this order.
    pub fn total(&self) -> LogValue {
        *self.cumulative.last().expect("there are rows")
    }

    /// log p of the rows after the first `m`, which are at least one, given those.
    pub fn conditional(&self, m: usize) -> f64 {
        self.total().value - self.cumulative[m - 1].value
    }
}

impl Prequential {
    /// log p(y).
    pub fn total(&self) -> LogValue {
        self.cumulative.last().copied().unwrap_or(self.before)
    }

    /// log p(y_>m | y_≤m): the rows after the first `m` given those.
    pub fn conditional(&self, m: usize) -> LogValue {
        let from = |value: &[LogValue]| match m {
            0 => self.before,
            m => value[m - 1],
        };
        let value = self.total().value - from(&self.cumulative).value;
        let part = |run: &RowRun| {
            let (end, begin) = (at(run, run.cumulative.len()), at(run, m));
            Estimate {
                log: end.log - begin.log,
                relative_variance: (end.relative_variance - begin.relative_variance).max(0.0),
            }
        };
        let se = match self.runs.as_slice() {
            [] => 0.0,
            runs => smc::combine(runs.iter().map(part)).error,
        };
        LogValue { value, se }
    }

    /// Sets the sum of the rows beside the evidence found in other ways: where they are far apart, that is a doubt.
    pub fn check_against(&mut self, evidence: &Evidence) {
        let Some(value) = evidence.log_evidence.filter(|_| !self.runs.is_empty()) else {
            return;
        };
        let total = self.total();
        let distance = total.distance(value);
        if distance > FARTHEST {
            self.doubts.push(format!(
                "they add up to {:.2}, which is {distance:.1} combined standard errors from the evidence {:.2}; take more ancestors (--ancestors)",
                total.value, value.value
            ));
        }
    }

    /// Where the rows are halved: as many before as after, or one less.
    pub fn half(&self) -> usize {
        self.rows.len() / 2
    }

    /// Of runs through the rows in one order.
    fn of(compiled: &Compiled, runs: Vec<RowRun>, time: Duration) -> Self {
        let value = |estimate: fn(&RowRun, usize) -> Estimate, number: usize| -> LogValue {
            smc::combine(runs.iter().map(|run| estimate(run, number))).into()
        };
        let count = compiled.rows.len();
        let cumulative: Vec<LogValue> = (1..=count).map(|k| value(at, k)).collect();
        let before = value(at, 0);
        let mut last = before.value;
        let increment = |number: usize| {
            let difference = cumulative[number].value - last;
            last = cumulative[number].value;
            LogValue {
                value: difference,
                se: value(|run, number| run.increments[number], number).se,
            }
        };
        Self {
            rows: compiled.rows.clone(),
            before,
            increments: (0..count).map(increment).collect(),
            is_sequential: compiled.is_sequential,
            doubts: doubts(&runs),
            cumulative,
            runs,
            time,
        }
    }
}

/// log p of the first rows of a run.
fn at(run: &RowRun, rows: usize) -> Estimate {
    match rows {
        0 => run.before,
        rows => run.cumulative[rows - 1],
    }
}

fn doubts(runs: &[RowRun]) -> Vec<String> {
    let jump = runs.iter().map(|r| r.jump).fold(f64::INFINITY, f64::min);
    let total = smc::combine(runs.iter().map(|run| at(run, run.cumulative.len())));
    let doubts = doubt_of_moves(jump).into_iter();
    doubts.chain(doubt_of_scatter(&total)).collect()
}

impl Model {
    /// Estimates the evidence row by row, in the order of the model's statements and of their data.
    ///
    /// # Errors
    /// [`Error::Model`] when it is undefined, or rows depend on each other through discrete unknowns that are summed out;
    /// [`Error::Settings`] when the prior cannot be drawn from; [`Error::NoStart`] when a row is impossible;
    /// [`Error::Stopped`].
    pub fn evidence_by_rows(
        &self,
        settings: &EvidenceSettings,
        control: &EvidenceControl,
    ) -> Result<Prequential, Error> {
        let start = Instant::now();
        let compiled = self.checked_by_rows(settings)?;
        if compiled.model.dimension() == 0 {
            return Ok(exact(compiled, start));
        }
        let order: Vec<usize> = compiled.rows.iter().map(|row| row.place).collect();
        let runs = run_orders(compiled, settings, &control.watch, &[order], 0)?;
        Ok(Prequential::of(compiled, runs, start.elapsed()))
    }

    /// The same in random orders, a run for each.
    ///
    /// # Errors
    /// As [`Model::evidence_by_rows`], and [`Error::Settings`] when the rows have an order.
    pub fn evidence_in_random_orders(
        &self,
        settings: &EvidenceSettings,
        orders: usize,
        control: &EvidenceControl,
    ) -> Result<Vec<Reordered>, Error> {
        let compiled = self.checked_by_rows(settings)?;
        if compiled.is_sequential {
            return Err(Error::Settings(
                "the rows of this model have an order: the distribution of one reads the value of another, so the rows cannot be \
                 taken in random orders\n  help: leave out --orders"
                    .to_owned(),
            ));
        }
        let shuffled: Vec<Vec<usize>> = (0..orders)
            .map(|number| shuffle(compiled.rows.len(), settings.seed, number))
            .collect();
        let cumulative: Vec<Vec<LogValue>> = if compiled.model.dimension() == 0 {
            let known = exact(compiled, Instant::now());
            let sums = |order: &Vec<usize>| {
                let mut sum = known.before.value;
                let mut add = |&number: &usize| {
                    sum += known.increments[number].value;
                    LogValue {
                        value: sum,
                        se: 0.0,
                    }
                };
                order.iter().map(&mut add).collect()
            };
            shuffled.iter().map(sums).collect()
        } else {
            let places = |order: &Vec<usize>| -> Vec<usize> {
                order
                    .iter()
                    .map(|&number| compiled.rows[number].place)
                    .collect()
            };
            let all: Vec<Vec<usize>> = shuffled.iter().map(places).collect();
            let one_each = EvidenceSettings {
                replicates: orders,
                ..settings.clone()
            };
            let runs = run_orders(
                compiled,
                &one_each,
                &control.watch,
                &all,
                settings.replicates,
            )?;
            let own = |estimate: &Estimate| smc::combine([*estimate]).into();
            runs.iter()
                .map(|run| run.cumulative.iter().map(own).collect())
                .collect()
        };
        let pairs = shuffled.into_iter().zip(cumulative);
        Ok(pairs
            .map(|(order, cumulative)| Reordered { order, cumulative })
            .collect())
    }

    fn checked_by_rows(&self, settings: &EvidenceSettings) -> Result<&Compiled, Error> {
        settings.check()?;
        self.check_evidence()?;
        if let Some(name) = self.compiled.normalisation.undrawable.first() {
            return Err(Error::Settings(format!(
                "evidence by rows starts from the prior, and the distribution of `{name}` cannot be drawn from\n  help: use a proper distribution with a `sample` member"
            )));
        }
        let compiled = self.tempered_by_rows()?;
        if compiled.rows.is_empty() {
            return Err(Error::Settings(
                "there are no observed rows: the model conditions on nothing but `factor`, `soft` or `require`".to_owned(),
            ));
        }
        Ok(compiled)
    }
}

/// A random order of so many rows.
fn shuffle(count: usize, seed: u64, number: usize) -> Vec<usize> {
    let mut stream = Stream::new(seed, Purpose::Comparison, 1 + number as u32);
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let other = (stream.uniform() * (last + 1) as f64) as usize;
        order.swap(last, other);
    }
    order
}

fn run_orders(
    compiled: &Compiled,
    settings: &EvidenceSettings,
    watch: &Watch,
    orders: &[Vec<usize>],
    first: usize,
) -> Result<Vec<RowRun>, Error> {
    let settings = smc::Settings {
        seed: settings.seed.wrapping_add(SEED),
        first_replicate: first,
        ..settings.smc(0)
    };
    run(&compiled.model, &settings, watch, orders).map_err(|found| match found {
        Failure::Row { place } => {
            let row = compiled.rows.iter().find(|row| row.place == place);
            let name = row.map_or("an observed row", |row| row.name.as_str());
            Error::NoStart(format!(
                "of {} particles given the rows before it, none gives {name} a positive density",
                settings.chains * settings.length
            ))
        }
        other => failure(other),
    })
}

/// Nothing is left to integrate: each row's density is what it is.
fn exact(compiled: &Compiled, start: Instant) -> Prequential {
    let target = &compiled.model;
    let mut evaluator = target.evaluator();
    let mut values = vec![0.0; target.row_count()];
    evaluator.rows(&[], &mut values);
    let mut parts = Parts::default();
    let none = Weights::of_rows(target.soft_count(), vec![0.0; values.len()]);
    evaluator.log_density_gradient(&[], &none, &mut [], &mut parts);
    let known = |value| LogValue { value, se: 0.0 };
    let mut sum = parts.likelihood;
    let increments: Vec<LogValue> = compiled
        .rows
        .iter()
        .map(|r| known(values[r.place]))
        .collect();
    let mut add = |increment: &LogValue| {
        sum += increment.value;
        known(sum)
    };
    Prequential {
        rows: compiled.rows.clone(),
        before: known(parts.likelihood),
        cumulative: increments.iter().map(&mut add).collect(),
        increments,
        is_sequential: compiled.is_sequential,
        runs: Vec::new(),
        doubts: Vec::new(),
        time: start.elapsed(),
    }
}
