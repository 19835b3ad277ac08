//! The observed rows of a program: every draw that the data hold, with its name, its value and its place among all of
//! them. Programs that keep rows apart (pointwise log densities, row weights) number them by these places.

use std::collections::{HashMap, HashSet};

use crate::check::hir::{Expression, Hir, StatementKind, VariableId, VariableKind};
use crate::check::walk::all_statements;
use crate::compiled::{Column, ColumnKind, element_column};
use crate::data::BoundProgram;
use crate::data::dataset::Dataset;
use crate::data::fold::{FoldError, Interpreter, is_data_only};
use crate::data::loops::{Loops, Observation, Statement, Term};
use crate::source::{Diagnostic, Span};

/// An observed draw: a number, or a vector that is drawn at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it is: `y[3]`; `observe[3]` for an expression.
    pub name: String,
    /// What the data hold; `None` for vectors and expressions.
    pub value: Option<f64>,
    /// Its column among pointwise log likelihoods: `log_lik[3]`.
    pub column: Column,
    /// Its place among the rows of programs that keep them apart.
    pub place: usize,
}

/// The rows that have a log density of their own, in the order of their places.
pub(crate) fn rows(hir: &Hir, program: &BoundProgram, dataset: &Dataset) -> Vec<Row> {
    let loops = &program.loops;
    let coupled: HashSet<(usize, usize)> = loops
        .coupled_observations
        .iter()
        .map(|one| (one.observation as usize, one.unit))
        .collect();
    let drawn = drawn(loops);
    let labels = &program.coordinates;
    let count = loops.observations.len();
    let mut rows = Vec::new();
    let mut first = 0;
    for (number, observation) in loops.observations.iter().enumerate() {
        let (likelihood, own) = names(observation, number, count);
        let values = values(hir, program, dataset, observation);
        let axes = labels.get(&own).map_or(&[][..], Vec::as_slice);
        let length = length(observation);
        let is_row = |unit: &usize| drawn.as_ref().is_none_or(|drawn| drawn[first + unit]);
        let units: Vec<usize> = (0..length).filter(is_row).collect();
        // Observed ones among others are counted through.
        let is_whole = units.len() == length;
        let shape = match is_whole {
            true => observation.shape.clone(),
            false => vec![units.len()],
        };
        let kind = ColumnKind::Simulated;
        for (rank, unit) in units.into_iter().enumerate() {
            if coupled.contains(&(number, unit)) {
                continue;
            }
            let flat = if is_whole { unit } else { rank };
            rows.push(Row {
                name: element_column(&own, &observation.shape, unit, kind, axes).name,
                value: values.map(|values| values[unit]),
                column: element_column(&likelihood, &shape, flat, kind, &[]),
                place: first + unit,
            });
        }
        first += length;
    }
    rows
}

fn length(observation: &Observation) -> usize {
    observation.shape.iter().product()
}

/// What pointwise log likelihoods and the draws themselves are called.
fn names(observation: &Observation, number: usize, count: usize) -> (String, String) {
    match (&observation.name, count) {
        (Some(name), 1) => ("log_lik".to_string(), name.clone()),
        (Some(name), _) => (format!("log_lik_{name}"), name.clone()),
        (None, 1) => ("log_lik".to_string(), "observe".to_string()),
        (None, _) => {
            let own = format!("observe{}", number + 1);
            (format!("log_lik_{own}"), own)
        }
    }
}

/// The data of an observed variable whose draws are single numbers.
fn values<'d>(
    hir: &Hir,
    program: &BoundProgram,
    dataset: &'d Dataset,
    observation: &Observation,
) -> Option<&'d [f64]> {
    let name = observation.name.as_ref()?;
    let is_own = |id: &&VariableId| hir.variables[id.0 as usize].name == *name;
    let id = program.bound.keys.keys().find(is_own)?;
    let entry = dataset.get(&program.bound.keys[id])?;
    (entry.values.len() == length(observation)).then_some(&entry.values)
}

/// Which places anything is drawn at; `None` where that takes too long to find out. An element of an observed variable
/// that no statement draws, such as the first of a series, is no row.
fn drawn(loops: &Loops) -> Option<Vec<bool>> {
    let mut offsets = Vec::new();
    let mut total = 0;
    for observation in &loops.observations {
        offsets.push(total);
        total += length(observation);
    }
    let mut marks = Marks {
        loops,
        offsets,
        drawn: vec![false; total],
    };
    let mut interpreter = Interpreter::new(loops);
    marks.statements(&loops.statements, &mut interpreter).ok()?;
    // What is coupled has no term of its own any more.
    for one in &loops.coupled_observations {
        let place = marks.offsets[one.observation as usize] + one.unit;
        marks.drawn[place] = true;
    }
    Some(marks.drawn)
}

struct Marks<'a> {
    loops: &'a Loops,
    offsets: Vec<usize>,
    drawn: Vec<bool>,
}

impl Marks<'_> {
    fn statements(
        &mut self,
        statements: &[Statement],
        interpreter: &mut Interpreter,
    ) -> Result<(), FoldError> {
        for statement in statements {
            match statement {
                Statement::For { binder, body } if observes(body) => {
                    interpreter.for_each(std::slice::from_ref(binder), &mut |interpreter| {
                        self.statements(body, interpreter)
                    })?;
                }
                Statement::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    let is_known = is_data_only(&self.loops.arrays, condition);
                    let holds = !is_known || interpreter.value(condition)? != 0.0;
                    if holds {
                        self.statements(then, interpreter)?;
                    }
                    if !holds || !is_known {
                        self.statements(otherwise, interpreter)?;
                    }
                }
                Statement::Random(random) => self.term(&random.density, interpreter)?,
                Statement::Term(term) => self.term(term, interpreter)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn term(&mut self, term: &Term, interpreter: &mut Interpreter) -> Result<(), FoldError> {
        let Some((number, indices)) = &term.observation else {
            return Ok(());
        };
        let number = *number as usize;
        let shape = &self.loops.observations[number].shape;
        let mut unit = 0;
        for (index, length) in indices.iter().zip(shape) {
            // Indices have been shown to lie inside; whatever else would be a mistake marks nothing.
            let index = interpreter.value(index)? as usize;
            unit = unit * length + index.saturating_sub(1);
        }
        if let Some(drawn) = self.drawn.get_mut(self.offsets[number] + unit) {
            *drawn = true;
        }
        Ok(())
    }
}

fn observes(statements: &[Statement]) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::For { body, .. } => observes(body),
        Statement::If {
            then, otherwise, ..
        } => observes(then) || observes(otherwise),
        Statement::Random(random) => random.density.observation.is_some(),
        Statement::Term(term) => term.observation.is_some(),
        _ => false,
    })
}

/// Whether the law of anything, or a choice between statements, reads an observed value: then rows are independent given
/// the unknowns only in their order, as those of a series are.
pub(crate) fn are_sequential(hir: &Hir, program: &BoundProgram) -> bool {
    let is_observed = |id: &VariableId| {
        hir.variables[id.0 as usize].kind == VariableKind::Random
            && program.bound.keys.contains_key(id)
    };
    let mut known: HashMap<VariableId, bool> = HashMap::new();
    let reads = |expression: &Expression, known: &HashMap<VariableId, bool>| {
        let mut found = false;
        expression.variables(0, &mut |id, _| {
            found |= is_observed(&id) || known.get(&id).copied().unwrap_or(false);
        });
        found
    };
    let mut sequential = false;
    // Definitions stand before their use, so one pass finds what is computed from observed values.
    all_statements(&hir.statements, 0, &mut |statement, _| {
        let any = |known: &HashMap<VariableId, bool>| {
            let mut found = false;
            statement.expressions(&mut |expression| found |= reads(expression, known));
            found
        };
        match &statement.kind {
            StatementKind::Let { variable, .. }
            | StatementKind::Var { variable, .. }
            | StatementKind::Assign { variable, .. } => {
                let found = any(&known);
                *known.entry(*variable).or_default() |= found;
            }
            StatementKind::LetTuple { variables, .. } => {
                let found = any(&known);
                for variable in variables {
                    *known.entry(*variable).or_default() |= found;
                }
            }
            StatementKind::Random { law, .. } | StatementKind::Observe { law, .. } => {
                law.expressions(&mut |expression| sequential |= reads(expression, &known));
            }
            StatementKind::If { .. } | StatementKind::For { .. } => sequential |= any(&known),
            _ => {}
        }
    });
    sequential
}

/// The statements whose observed values have no log densities of their own, and what they are about.
pub(crate) fn coupled(loops: &Loops) -> Vec<(Span, String)> {
    let mut found: Vec<(Span, String)> = Vec::new();
    for one in &loops.coupled_observations {
        if found.iter().any(|(span, _)| *span == one.span) {
            continue;
        }
        let what = match &loops.observations[one.observation as usize].name {
            Some(name) => format!("the values of `{name}`"),
            None => "these values".to_string(),
        };
        found.push((one.span, what));
    }
    found
}

/// Why rows cannot be taken one by one: an error for each statement that couples them.
pub(crate) fn inseparable(loops: &Loops) -> Vec<Diagnostic> {
    let error = |(span, what): (Span, String)| {
        Diagnostic::error(
            "E0512",
            format!("{what} have no log likelihoods of their own, and cannot be taken one by one"),
        )
        .at(span, COUPLED)
        .help("the evidence of all of them is there; what comes row by row needs a term for each")
    };
    coupled(loops).into_iter().map(error).collect()
}

/// Why there are no terms.
pub(crate) const COUPLED: &str =
    "they depend on each other through discrete unknowns that are summed out";
