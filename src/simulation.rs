//! Models run forwards: draws from the prior, and what draws of a posterior predict. [`Simulator`] is the counterpart of
//! [`Model`](crate::Model) for this; the rows that come out have named columns like the draws of a posterior.

mod prior;
mod tempered;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use likelier_compiler::data::dataset::Dataset;
use likelier_compiler::source::{Diagnostic, FileId, Sources};
use likelier_compiler::{
    Column, Compiled, Options, Prediction, Recovery, Role, RoleLine, Simulation,
};
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::Target;

use crate::posterior::{Chain, Posterior, SummaryRow};
pub use crate::simulation::tempered::Tempering;
use crate::{Error, Model, Recipe};

/// A model compiled to run forwards.
pub struct Simulator {
    /// What the compiler made.
    pub simulation: Simulation,
    /// From text and data to native code.
    pub compile_time: Duration,
    sources: Sources,
    /// Of a program that draws from the prior: what it was compiled of.
    recipe: Option<Recipe>,
}

/// How rows were found.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Way {
    /// The program ran forwards; of draws from the prior, constraints rejected some.
    #[default]
    Forward,
    /// The discrete unknowns, which are all that the constraints depend on, were drawn given these.
    Exact,
    /// Constraints that reject nearly every draw were tempered in.
    Tempered(Tempering),
}

/// Rows of named numbers.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// What each number of a row is.
    pub columns: Vec<Column>,
    /// Rows × columns values, row after row.
    pub values: Vec<f64>,
    /// How often the program ran for them: more often than there are rows where constraints reject some.
    pub tried: usize,
    /// How they were found; unless [`Way::Forward`], none of what was tried is among them.
    pub way: Way,
}

/// Draws by the names of their columns, as they are read from files.
#[derive(Debug, Clone, Default)]
pub struct DrawTable {
    /// What messages call it.
    pub name: String,
    /// The names of the columns, `theta.1`.
    pub names: Vec<String>,
    /// Rows × columns values, row after row.
    pub values: Vec<f64>,
}

impl DrawTable {
    /// Number of rows.
    pub fn count(&self) -> usize {
        self.values.len().checked_div(self.names.len()).unwrap_or(0)
    }
}

impl Rows {
    /// Number of rows.
    pub fn count(&self) -> usize {
        self.values
            .len()
            .checked_div(self.columns.len())
            .unwrap_or(0)
    }

    /// Each row.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks(self.columns.len().max(1))
    }

    /// Mean, spread and quantiles of each column. What needs chains is NaN.
    pub fn summary(&self) -> Vec<SummaryRow> {
        let of = |(place, column): (usize, &Column)| {
            let mut values: Vec<f64> = self.rows().map(|row| row[place]).collect();
            summarise(&column.name, &mut values)
        };
        self.columns.iter().enumerate().map(of).collect()
    }

    /// Number of rows that hold something that is no number.
    pub fn failures(&self) -> usize {
        self.rows()
            .filter(|row| row.iter().any(|value| value.is_nan()))
            .count()
    }
}

/// Names in quotes; of many the first.
fn quoted(names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(5)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len().saturating_sub(5) {
        0 => shown.join(", "),
        rest => format!("{} and {rest} more", shown.join(", ")),
    }
}

fn summarise(name: &str, values: &mut [f64]) -> SummaryRow {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let sd = (squares / (count - 1.0)).sqrt();
    let quantile = |p: f64| {
        if values.iter().any(|value| value.is_nan()) || values.is_empty() {
            return f64::NAN;
        }
        let place = p * (count - 1.0);
        let (below, above) = (
            values[place.floor() as usize],
            values[place.ceil() as usize],
        );
        match place.fract() {
            0.0 => below,
            rest => below + rest * (above - below),
        }
    };
    SummaryRow {
        name: name.to_owned(),
        mean,
        sd,
        mcse_mean: sd / count.sqrt(),
        mcse_sd: f64::NAN,
        q5: quantile(0.05),
        q50: quantile(0.5),
        q95: quantile(0.95),
        rhat: f64::NAN,
        ess_bulk: f64::NAN,
        ess_tail: f64::NAN,
    }
}

/// What a compiler function makes of a text.
type Compiler<'a> = dyn FnOnce(&mut Sources, FileId) -> Result<Simulation, Vec<Diagnostic>> + 'a;

impl Simulator {
    /// A program that is compiled.
    pub(crate) fn of(simulation: Simulation, sources: Sources) -> Self {
        Self {
            simulation,
            compile_time: Duration::ZERO,
            sources,
            recipe: None,
        }
    }

    fn compile(
        name: &str,
        text: &str,
        options: &Options,
        compiler: Box<Compiler<'_>>,
    ) -> Result<Self, Error> {
        let start = Instant::now();
        let (mut sources, file) = crate::sources(name, text, options.loader);
        match compiler(&mut sources, file) {
            Ok(simulation) => Ok(Self {
                simulation,
                compile_time: start.elapsed(),
                sources,
                recipe: None,
            }),
            Err(diagnostics) => Err(Error::model(sources, diagnostics)),
        }
    }

    /// A program that draws from the prior. Of the data of random variables only the sizes count.
    ///
    /// # Errors
    /// [`Error::Model`] with everything the compiler has to say.
    pub fn prior(name: &str, text: &str, data: &Dataset, options: &Options) -> Result<Self, Error> {
        let simulator = Self::compile(
            name,
            text,
            options,
            Box::new(|sources, file| likelier_compiler::simulate(sources, file, data, options)),
        )?;
        let recipe = Recipe {
            name: name.to_owned(),
            text: text.to_owned(),
            data: data.clone(),
            options: options.clone(),
        };
        Ok(Self {
            recipe: Some(recipe),
            ..simulator
        })
    }

    /// A program that takes draws of the posterior given `data` to replicates of what was observed.
    ///
    /// # Errors
    /// As [`Simulator::prior`].
    pub fn prediction(
        name: &str,
        text: &str,
        data: &Dataset,
        prediction: &Prediction,
        options: &Options,
    ) -> Result<Self, Error> {
        Self::compile(
            name,
            text,
            options,
            Box::new(|sources, file| {
                likelier_compiler::predict(sources, file, data, prediction, options)
            }),
        )
    }

    /// A program that takes draws of the posterior to the log density of each observed value.
    ///
    /// # Errors
    /// As [`Simulator::prior`].
    pub fn pointwise(
        name: &str,
        text: &str,
        data: &Dataset,
        options: &Options,
    ) -> Result<Self, Error> {
        Self::compile(
            name,
            text,
            options,
            Box::new(|sources, file| likelier_compiler::pointwise(sources, file, data, options)),
        )
    }

    /// A program that takes draws to the penalty and the residuals of each constraint. Discrete unknowns are drawn again, given what
    /// `recovery` says.
    ///
    /// # Errors
    /// As [`Simulator::prior`].
    pub fn constraints(
        name: &str,
        text: &str,
        data: &Dataset,
        options: &Options,
        recovery: Recovery,
    ) -> Result<Self, Error> {
        Self::compile(
            name,
            text,
            options,
            Box::new(|sources, file| {
                likelier_compiler::constraint_report(sources, file, data, options, recovery)
            }),
        )
    }

    /// Restricts the results to what was observed in a run with these roles, under the names `y_rep`.
    pub fn keep_replicates(&mut self, roles: &[RoleLine]) {
        let simulation = &mut self.simulation;
        let was_observed = |column: &Column| {
            let is_own = |line: &&RoleLine| line.name == column.variable;
            roles
                .iter()
                .filter(is_own)
                .any(|line| line.role == Role::Observed)
        };
        let columns = std::mem::take(&mut simulation.columns);
        let places = std::mem::take(&mut simulation.places);
        for (mut column, place) in columns.into_iter().zip(places) {
            if was_observed(&column) {
                let variable = format!("{}_rep", column.variable);
                column.name = column.name.replacen(&column.variable, &variable, 1);
                column.variable = variable;
                simulation.columns.push(column);
                simulation.places.push(place);
            }
        }
    }

    /// What the compiler warns of, drawn as text.
    pub fn warnings(&self, color: bool) -> String {
        crate::draw(&self.sources, &self.simulation.warnings, color)
    }

    /// A prediction for each draw of the tables, in their order.
    ///
    /// # Errors
    /// [`Error::Settings`] when a table lacks a column.
    pub fn along(&self, tables: &[DrawTable], seed: u64) -> Result<Rows, Error> {
        let mut runner = self.runner();
        for (chain, table) in tables.iter().enumerate() {
            let places = self.places(table)?;
            let mut stream = Stream::new(seed, Purpose::Prediction, chain as u32);
            let rows = table.values.chunks(table.names.len().max(1));
            runner.follow(rows, &places, &mut stream);
        }
        Ok(runner.finish())
    }

    /// Runs several times for each draw of a table; `visit` gets the number of the repetition and its results.
    pub(crate) fn repeat(
        &self,
        table: &DrawTable,
        repetitions: usize,
        mut stream: Stream,
        visit: &mut dyn FnMut(usize, &[f64]),
    ) -> Result<(), Error> {
        let places = self.places(table)?;
        let mut runner = self.runner();
        let mut given = vec![0.0; places.len()];
        let mut values = vec![0.0; self.simulation.places.len()];
        for (draw, row) in table.values.chunks(table.names.len().max(1)).enumerate() {
            for (value, &place) in given.iter_mut().zip(&places) {
                *value = row[place];
            }
            for repetition in 0..repetitions {
                stream.at((draw * repetitions + repetition) as u64);
                runner.evaluate(&given, &mut stream);
                for (value, &place) in values.iter_mut().zip(&self.simulation.places) {
                    *value = runner.row[place];
                }
                visit(repetition, &values);
            }
        }
        Ok(())
    }

    /// What this program makes of the draws of one chain.
    pub fn along_chain(&self, posterior: &Posterior, chain: &Chain) -> Rows {
        let by_name = places_by_name(&posterior.columns);
        let given = self.simulation.given.iter();
        let places: Vec<usize> = given.map(|column| by_name[&key(column)]).collect();
        let mut runner = self.runner();
        let number = chain.number as u32 - 1;
        let mut stream = Stream::new(posterior.settings.seed, Purpose::Prediction, number);
        let rows = chain.values.chunks(posterior.columns.len().max(1));
        runner.follow(rows, &places, &mut stream);
        runner.finish()
    }

    /// What this program makes of the draws of all chains, chain after chain.
    pub fn along_chains(&self, posterior: &Posterior) -> Rows {
        let mut all = Rows::default();
        for chain in &posterior.chains {
            let rows = self.along_chain(posterior, chain);
            all.columns = rows.columns;
            all.values.extend(rows.values);
            all.tried += rows.tried;
        }
        all
    }

    /// What this program makes of unconstrained positions of a model; `None` if that lacks a value that is needed.
    /// `run` names the stream of what has to be drawn.
    pub fn along_positions<'p>(
        &self,
        compiled: &Compiled,
        positions: impl Iterator<Item = &'p [f64]>,
        seed: u64,
        run: usize,
    ) -> Option<Rows> {
        let by_name = places_by_name(&compiled.columns);
        let given = self.simulation.given.iter();
        let places: Vec<usize> = given
            .map(|column| by_name.get(&key(column)).copied())
            .collect::<Option<_>>()?;
        let mut evaluator = compiled.model.evaluator();
        let mut stream = Stream::new(seed, Purpose::Output, run as u32);
        let mut values = vec![0.0; compiled.model.output_count()];
        let mut given = vec![0.0; places.len()];
        let mut runner = self.runner();
        for (draw, position) in positions.enumerate() {
            stream.at(draw as u64);
            evaluator.outputs(position, &mut stream, &mut values);
            for (value, &place) in given.iter_mut().zip(&places) {
                *value = values[place];
            }
            runner.run(&given, &mut stream);
        }
        Some(runner.finish())
    }

    /// The columns of a table that hold the given values.
    fn places(&self, table: &DrawTable) -> Result<Vec<usize>, Error> {
        let by_name: HashMap<&str, usize> = table
            .names
            .iter()
            .enumerate()
            .map(|(place, name)| (name.as_str(), place))
            .collect();
        let mut missing = Vec::new();
        let mut places = Vec::new();
        for column in &self.simulation.given {
            let name = crate::output::stan_csv::stan_name(column);
            match by_name.get(name.as_str()) {
                Some(place) => places.push(*place),
                None => missing.push(name),
            }
        }
        if missing.is_empty() {
            return Ok(places);
        }
        let noun = if missing.len() == 1 {
            "column"
        } else {
            "columns"
        };
        let strangers = self.strangers(table);
        let note = match strangers.as_slice() {
            [] => String::new(),
            names => format!(
                "\n  note: it has {}, which the model does not have",
                quoted(names)
            ),
        };
        Err(Error::Settings(format!(
            "{} has no {noun} {}, which the model infers{note}\n  help: give the draws that `run -o` wrote for this model and these data",
            table.name,
            quoted(&missing)
        )))
    }

    /// The variables of a table of draws that this program does not know: the draws of another model have some.
    pub fn strangers(&self, table: &DrawTable) -> Vec<String> {
        let simulation = &self.simulation;
        let roles = simulation.roles.iter().map(|line| line.name.as_str());
        let columns = simulation.given.iter().chain(&simulation.columns);
        let own: HashSet<&str> = roles
            .chain(columns.map(|one| one.variable.as_str()))
            .collect();
        let mut found: Vec<String> = Vec::new();
        for name in &table.names {
            // `theta.1`, and of a part of a model `s.z.1`.
            let is_index = |part: &&str| part.parse::<usize>().is_ok();
            let parts: Vec<&str> = name.split('.').collect();
            let indices = parts.iter().rev().take_while(|part| is_index(part)).count();
            let variable = parts[..parts.len() - indices].join(".");
            let is_ours = variable.ends_with("__")
                || variable.ends_with("_rep")
                || variable == "log_lik"
                || own.contains(variable.as_str());
            if !is_ours && !found.contains(&variable) {
                found.push(variable);
            }
        }
        found
    }

    fn runner(&self) -> Runner<'_> {
        Runner {
            simulation: &self.simulation,
            native: self.simulation.program.runner(),
            row: vec![0.0; self.simulation.program.output_count()],
            values: Vec::new(),
            tried: 0,
        }
    }
}

impl Model {
    /// A program that takes draws of this model's posterior to replicates of what was observed.
    ///
    /// # Errors
    /// As [`Simulator::prior`].
    pub fn prediction(&self, prediction: &Prediction) -> Result<Simulator, Error> {
        let recipe = &self.recipe;
        let (name, text) = (&recipe.name, &recipe.text);
        Simulator::prediction(name, text, &recipe.data, prediction, &recipe.options)
    }

    /// A program that takes draws of this model's posterior to the log density of each observed value.
    ///
    /// # Errors
    /// As [`Simulator::prior`].
    pub fn pointwise(&self) -> Result<Simulator, Error> {
        let recipe = &self.recipe;
        Simulator::pointwise(&recipe.name, &recipe.text, &recipe.data, &recipe.options)
    }
}

/// What tells elements of variables apart, whatever their names show.
type Key<'a> = (&'a str, &'a [usize]);

fn key(column: &Column) -> Key<'_> {
    (&column.variable, &column.index)
}

fn places_by_name(columns: &[Column]) -> HashMap<Key<'_>, usize> {
    let places = columns.iter().enumerate();
    places
        .map(|(place, column)| (key(column), place))
        .rev()
        .collect()
}

struct Runner<'a> {
    simulation: &'a Simulation,
    native: likelier_compiler::jit::ForwardRunner<'a>,
    row: Vec<f64>,
    values: Vec<f64>,
    tried: usize,
}

impl Runner<'_> {
    /// Runs along rows whose values at `places` are the given ones.
    fn follow<'r>(
        &mut self,
        rows: impl Iterator<Item = &'r [f64]>,
        places: &[usize],
        stream: &mut Stream,
    ) {
        let mut given = vec![0.0; places.len()];
        for (draw, row) in rows.enumerate() {
            for (value, &place) in given.iter_mut().zip(places) {
                *value = row[place];
            }
            stream.at(draw as u64);
            self.run(&given, stream);
        }
    }

    fn run(&mut self, given: &[f64], stream: &mut Stream) {
        self.evaluate(given, stream);
        self.keep();
    }

    fn evaluate(&mut self, given: &[f64], stream: &mut Stream) {
        self.native.run(given, Some(stream), &mut self.row);
        self.tried += 1;
    }

    fn keep(&mut self) {
        let places = self.simulation.places.iter();
        self.values.extend(places.map(|&place| self.row[place]));
    }

    fn finish(self) -> Rows {
        Rows {
            columns: self.simulation.columns.clone(),
            values: self.values,
            tried: self.tried,
            way: Way::Forward,
        }
    }
}
