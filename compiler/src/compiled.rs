//! A compiled model with what its users need to know of it: the columns of a draw, the unknown variables and where they
//! lie, and what became of every variable.

use std::ops::Range;

use likelier_runtime::target::{Parts, Target, Weights};

use crate::Options;
use crate::check::hir::{Hir, StatementKind, VariableId, VariableKind};
use crate::check::walk::all_statements;
use crate::data::BoundProgram;
use crate::data::dataset::Dataset;
use crate::data::loops::{self, ArrayKind, Statement};
use crate::forward::{self, OutputKind};
use crate::jit::{CompiledModel, Programs};
use crate::source::{Diagnostic, Sources};
use crate::{density, gradient};

/// A model compiled for its data.
pub struct Compiled {
    /// Native code: what samplers see.
    pub model: CompiledModel,
    /// What a draw holds, in the order of [`Evaluator::outputs`].
    pub columns: Vec<Column>,
    /// The unknown variables in the order of the model.
    pub inferred: Vec<InferredVariable>,
    /// What became of every variable.
    pub roles: Vec<RoleLine>,
    /// Keys of the data that the model does not use.
    pub unused_keys: Vec<String>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// One number of a draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// `theta[3]` or `X[2, 1]`
    pub name: String,
    /// The variable it is an element of.
    pub variable: String,
    /// Its indices, from 1; empty for a scalar.
    pub index: Vec<usize>,
    /// What the variable is.
    pub kind: ColumnKind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// An unknown variable.
    Inferred,
    /// A derived quantity.
    Report,
    /// A variable that nothing conditions.
    Simulated,
}

/// An unknown variable.
#[derive(Debug, Clone, PartialEq)]
pub struct InferredVariable {
    /// Its name.
    pub name: String,
    /// The length of each index position.
    pub shape: Vec<usize>,
    /// Where its constrained values begin among those of all unknown variables.
    pub given_offset: usize,
    /// Its coordinates of the position.
    pub unconstrained: Range<usize>,
}

/// What became of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// In the data, and conditioned on.
    Observed,
    /// Unknown, and something conditioned depends on it.
    Inferred,
    /// Drawn forward with every draw.
    Simulated,
    /// A covariate.
    Given,
}

/// A variable with its role, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleLine {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Number of elements.
    pub elements: usize,
    /// Its law as written.
    pub distribution: Option<String>,
}

/// The log density at one point and its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct PointDensity {
    /// Of the constrained values, without Jacobian.
    pub log_density: f64,
    /// With the log Jacobian: what samplers see.
    pub log_density_unconstrained: f64,
    /// The prior part.
    pub prior: f64,
    /// The log Jacobian.
    pub jacobian: f64,
    /// The soft constraints.
    pub soft: f64,
    /// The likelihood part.
    pub likelihood: f64,
    /// With respect to the unconstrained coordinates.
    pub gradient: Vec<f64>,
    /// The unconstrained coordinates; not finite outside the support.
    pub unconstrained: Vec<f64>,
}

/// An error of ours, said as one.
pub(crate) fn internal(error: String) -> Diagnostic {
    Diagnostic::error("E0999", format!("this program cannot be compiled: {error}"))
        .help("this is a mistake of the compiler; please report it with the model")
}

/// From a bound program to native code.
pub(crate) fn finish(
    hir: &Hir,
    sources: &Sources,
    dataset: &Dataset,
    program: BoundProgram,
    mut warnings: Vec<Diagnostic>,
    options: &Options,
) -> Result<Compiled, Vec<Diagnostic>> {
    if options.needs_condition && !conditions(&program.loops.statements) {
        return Err(vec![nothing_observed(hir)]);
    }
    let BoundProgram { loops, ranges, .. } = &program;
    let layout = density::layout(loops);
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let graph = density::log_density(loops, ranges, &layout).map_err(one)?;
    let (outputs, output_columns) = forward::outputs(loops, ranges, &layout).map_err(one)?;
    let programs = Programs {
        gradient: gradient::differentiate(&graph),
        density: graph,
        start: forward::start(loops, ranges, &layout).map_err(one)?,
        outputs,
        unconstrain: Some(forward::unconstrain(loops, ranges, &layout).map_err(one)?),
    };
    let model = CompiledModel::compile(programs, options.cpu)
        .map_err(|error| vec![internal(error.to_string())])?;
    let mut columns = Vec::new();
    for column in output_columns {
        let kind = match column.kind {
            OutputKind::Inferred => ColumnKind::Inferred,
            OutputKind::Report => ColumnKind::Report,
            OutputKind::Simulated => ColumnKind::Simulated,
        };
        elements(
            &column.name,
            &loops.array(column.array).shape,
            kind,
            &mut columns,
        );
    }
    let inferred = layout
        .inferred
        .iter()
        .map(|variable| {
            let array = loops.array(variable.array);
            InferredVariable {
                name: array.name.clone(),
                shape: array.shape.clone(),
                given_offset: variable.given_offset,
                unconstrained: variable.unconstrained.clone(),
            }
        })
        .collect();
    warnings.extend(observed_ancestors(hir, &program));
    Ok(Compiled {
        model,
        columns,
        inferred,
        roles: roles(hir, sources, dataset, &program),
        unused_keys: program.bound.unused.clone(),
        warnings,
    })
}

/// The columns of an array, last index fastest.
fn elements(name: &str, shape: &[usize], kind: ColumnKind, columns: &mut Vec<Column>) {
    let count: usize = shape.iter().product();
    for flat in 0..count {
        let mut index = vec![0; shape.len()];
        let mut rest = flat;
        for (index, &length) in index.iter_mut().zip(shape).rev() {
            *index = rest % length + 1;
            rest /= length;
        }
        let shown: Vec<String> = index.iter().map(usize::to_string).collect();
        let full = if shape.is_empty() {
            name.to_string()
        } else {
            format!("{name}[{}]", shown.join(", "))
        };
        columns.push(Column {
            name: full,
            variable: name.to_string(),
            index,
            kind,
        });
    }
}

/// Whether any statement conditions on something.
fn conditions(statements: &[Statement]) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::For { body, .. } => conditions(body),
        Statement::If {
            then, otherwise, ..
        } => conditions(then) || conditions(otherwise),
        Statement::Random(random) => random.observed,
        Statement::Term(_) => true,
        _ => false,
    })
}

fn nothing_observed(hir: &Hir) -> Diagnostic {
    let names: Vec<&str> = hir
        .variables
        .iter()
        .filter(|variable| variable.kind == VariableKind::Random)
        .map(|variable| variable.name.as_str())
        .collect();
    let diagnostic = Diagnostic::error(
        "E0460",
        "nothing in this model is observed, so there is nothing to infer",
    );
    if names.is_empty() {
        return diagnostic
            .help("a model has random variables, `x ~ normal(0, 1)`, and data for some of them");
    }
    diagnostic
        .note(format!("its random variables are {}", names.join(", ")))
        .help("give data for at least one of them, under its name")
}

/// Data that observe something on which other observed variables depend are seldom meant.
fn observed_ancestors(hir: &Hir, program: &BoundProgram) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    let is_observed = |id: &VariableId| {
        program.bound.keys.contains_key(id)
            && hir.variables[id.0 as usize].kind == VariableKind::Random
    };
    let mut said = std::collections::HashSet::new();
    all_statements(&hir.statements, 0, &mut |statement, _| {
        let StatementKind::Random { variable, law, .. } = &statement.kind else {
            return;
        };
        if !is_observed(variable) {
            return;
        }
        law.expressions(&mut |expression| {
            expression.variables(0, &mut |id, _| {
                if id != *variable && is_observed(&id) && said.insert(id) {
                    let (parent, child) = (&hir.variables[id.0 as usize], &hir.variables[variable.0 as usize]);
                    warnings.push(
                        Diagnostic::warning("W0001", format!("`{}` is in the data, and so is `{}`, which depends on it", parent.name, child.name))
                            .at(parent.span, "observed, not inferred")
                            .help(format!("if `{}` in the data is a stored true value, remove it; if it was measured, all is well", parent.name)),
                    );
                }
            });
        });
    });
    warnings
}

fn roles(hir: &Hir, sources: &Sources, dataset: &Dataset, program: &BoundProgram) -> Vec<RoleLine> {
    let mut lines: Vec<RoleLine> = Vec::new();
    let mut said = std::collections::HashSet::new();
    let oneline = |span| {
        sources
            .excerpt(span)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    all_statements(
        &hir.statements,
        0,
        &mut |statement, _| match &statement.kind {
            StatementKind::Random { variable, law, .. } if said.insert(*variable) => {
                let name = hir.variables[variable.0 as usize].name.clone();
                let array = program
                    .arrays
                    .get(variable)
                    .map(|array| program.loops.array(*array));
                let role = match array.map(|array| &array.kind) {
                    Some(ArrayKind::Random(loops::Role::Inferred)) => Role::Inferred,
                    Some(ArrayKind::Random(loops::Role::Simulated)) | None => Role::Simulated,
                    Some(_) => Role::Observed,
                };
                let elements = array.map_or(0, loops::Array::length);
                lines.push(RoleLine {
                    name,
                    role,
                    elements,
                    distribution: Some(oneline(law.span)),
                });
            }
            StatementKind::Observe { value, law } => lines.push(RoleLine {
                name: oneline(value.span),
                role: Role::Observed,
                elements: 1,
                distribution: Some(oneline(law.span)),
            }),
            StatementKind::Given { variable, .. } => {
                let declared = &hir.variables[variable.0 as usize];
                let key = program.bound.keys.get(variable);
                let elements = key
                    .and_then(|key| dataset.get(key))
                    .map_or(1, |entry| entry.values.len());
                lines.push(RoleLine {
                    name: declared.name.clone(),
                    role: Role::Given,
                    elements,
                    distribution: None,
                });
            }
            _ => {}
        },
    );
    lines
}

impl Compiled {
    /// The log density at given constrained values, in the order of [`Compiled::inferred`].
    pub fn density_at(&self, given: &[f64]) -> PointDensity {
        let position = self.model.unconstrain(given).unwrap_or_default();
        let mut evaluator = self.model.evaluator();
        let mut gradient = vec![0.0; position.len()];
        let mut parts = Parts::default();
        let weights = Weights::posterior(self.model.soft_count());
        let total = evaluator.log_density_gradient(&position, &weights, &mut gradient, &mut parts);
        let soft = parts.soft.iter().fold(0.0, |sum, part| sum + part);
        PointDensity {
            log_density: parts.prior + soft + parts.likelihood,
            log_density_unconstrained: total,
            prior: parts.prior,
            jacobian: parts.jacobian,
            soft,
            likelihood: parts.likelihood,
            gradient,
            unconstrained: position,
        }
    }
}
