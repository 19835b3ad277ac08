//! A compiled model with what its users need to know of it: the columns of a draw, the unknown variables and where they
//! lie, and what became of every variable.

use std::ops::Range;

use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Parts, Target, Weights};

use crate::Options;
use crate::check::hir::{Hir, StatementKind, VariableId, VariableKind};
use crate::check::walk::all_statements;
use crate::data::coordinates::{Coordinate, Coordinates};
use crate::data::dataset::Dataset;
use crate::data::interval::Ranges;
use crate::data::loops::{self, ArrayKind, ConstraintKind, Loops, Statement};
use crate::data::subscripts::subscripts;
use crate::data::{BoundProgram, Split, labels};
use crate::forward::{self, OutputColumn, OutputKind};
use crate::jit::{CompiledModel, Programs};
use crate::math::graph::Graph;
use crate::math::structure::Structure;
use crate::normalisation::Normalisation;
use crate::rows::{self, Row};
use crate::source::{Diagnostic, Sources, Span};
use crate::{density, gradient};

/// A model compiled for its data.
pub struct Compiled {
    /// Native code: what samplers see.
    pub model: CompiledModel,
    /// What its positions hold.
    pub coordinates: crate::Coordinates,
    /// What a draw holds, in the order of [`Evaluator::outputs`].
    pub columns: Vec<Column>,
    /// The unknown variables in the order of the model.
    pub inferred: Vec<InferredVariable>,
    /// What became of every variable.
    pub roles: Vec<RoleLine>,
    /// The constraints, in the order of the target's soft parts.
    pub constraints: Vec<Constraint>,
    /// Unknowns whose laws have a width that depends on other unknowns, unless the coordinates take account of it.
    pub of_unknown_width: Vec<String>,
    /// Keys of the data that the model does not use.
    pub unused_keys: Vec<String>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// What its density lacks to be one that can be integrated.
    pub normalisation: Normalisation,
    /// The observed rows, if they have weights of their own.
    pub rows: Vec<Row>,
    /// Whether the law of one row may depend on the value of another, so that they have an order; known if they have
    /// weights of their own.
    pub is_sequential: bool,
}

/// A constraint of a model: one soft part of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// The name of a soft constraint, the text of a hard one.
    pub name: String,
    /// `soft` or `require`.
    pub kind: ConstraintKind,
    /// What it says, on one line.
    pub text: String,
    /// The statement with its line, as messages name it.
    pub description: String,
    /// How many comparisons it is made of.
    pub comparisons: usize,
    /// Whether it is one equality whose penalty is quadratic.
    pub is_gaussian_equality: bool,
    /// Whether it is divided by its integral.
    pub is_normalised: bool,
    /// The random variables behind each `within … joint` and `weight … joint`, which the constraint moves before any data.
    pub strengths: Vec<String>,
    /// How often it is evaluated: the product over its indices; `None` where data alone do not tell.
    pub elements: Option<usize>,
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
    /// A discrete unknown.
    SummedOut,
}

/// An unknown variable.
#[derive(Debug, Clone, PartialEq)]
pub struct InferredVariable {
    /// Its name.
    pub name: String,
    /// The length of each index position.
    pub shape: Vec<usize>,
    /// The elements that are unknown, by flat index, when the data hold the others.
    pub elements: Option<Vec<usize>>,
    /// Where its constrained values begin among those of all unknown variables.
    pub given_offset: usize,
    /// Its coordinates of the position.
    pub unconstrained: Range<usize>,
    /// What its vectors or matrices must be, and their size.
    pub structure: Option<(Structure, usize)>,
}

/// How many constrained values the unknown variables have together; of what is stored for a draw, these come first.
pub fn given_count(inferred: &[InferredVariable]) -> usize {
    let end = |variable: &InferredVariable| variable.given_offset + variable.length();
    inferred.iter().map(end).max().unwrap_or(0)
}

/// The variable that a coordinate of the position belongs to, and the place of its value among all constrained ones; the place means one
/// value only where each element of the variable has a coordinate.
pub fn owner(
    inferred: &[InferredVariable],
    coordinate: usize,
) -> Option<(&InferredVariable, usize)> {
    let mut all = inferred.iter();
    let owner = all.find(|variable| variable.unconstrained.contains(&coordinate))?;
    let place = owner.given_offset + coordinate - owner.unconstrained.start;
    Some((owner, place))
}

impl InferredVariable {
    /// What is wrong with given values, as a sentence; `None` if nothing is that can be told from them alone.
    pub fn violation(&self, values: &[f64]) -> Option<String> {
        let (structure, size) = self.structure?;
        let leading = self.shape.len() - structure.rank();
        let block: usize = self.shape[leading..].iter().product();
        values
            .chunks(block.max(1))
            .enumerate()
            .find_map(|(flat, values)| {
                let violation = structure.violation(size, values)?;
                let (shape, kind) = (&self.shape[..leading], ColumnKind::Inferred);
                let name = element_column(&self.name, shape, flat, kind, &[]).name;
                Some(format!("`{name}` {violation}"))
            })
    }
}

impl InferredVariable {
    /// Number of unknown elements.
    pub fn length(&self) -> usize {
        match &self.elements {
            Some(elements) => elements.len(),
            None => self.shape.iter().product(),
        }
    }
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
    /// Discrete and unknown: the density adds up its values, and it is drawn afterwards.
    SummedOut,
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
    /// All constraints.
    pub soft: f64,
    /// The log potential of each, in the order of [`Compiled::constraints`].
    pub potentials: Vec<f64>,
    /// The likelihood part.
    pub likelihood: f64,
    /// With respect to the unconstrained coordinates.
    pub gradient: Vec<f64>,
    /// The unconstrained coordinates; not finite outside the support.
    pub unconstrained: Vec<f64>,
    /// The constrained values of those coordinates, in the order of the given ones, which they are but for rounding.
    pub constrained: Vec<f64>,
    /// Where the log density is not finite: the statement responsible, and why.
    pub reason: Option<String>,
}

/// An error of ours, said as one.
pub(crate) fn internal(error: String) -> Diagnostic {
    Diagnostic::error("E0999", format!("this program cannot be compiled: {error}"))
        .help("this is a mistake of the compiler; please report it with the model")
}

/// How the log density is written.
type Lower = fn(&Loops, &Ranges, &density::Layout) -> Result<Graph, Diagnostic>;

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
        return Err(vec![nothing_observed(hir, dataset)]);
    }
    let loops = &program.loops;
    let layout = density::layout(loops);
    let (programs, output_columns) = programs(&program, &layout, options)?;
    let model = CompiledModel::compile(programs, options.cpu)
        .map_err(|error| vec![internal(error.to_string())])?;
    let columns = columns(loops, &output_columns, &program.coordinates);
    let inferred = inferred(loops, &layout);
    warnings.extend(observed_ancestors(hir, &program));
    warnings.extend(labels::skipped(hir, dataset));
    warnings.extend(program.warnings.iter().cloned());
    Ok(Compiled {
        model,
        coordinates: options.coordinates,
        columns,
        inferred,
        roles: roles(hir, sources, dataset, &program),
        constraints: constraints(&program),
        of_unknown_width: program.loops.of_unknown_width.clone(),
        unused_keys: program.bound.unused.clone(),
        warnings,
        normalisation: Normalisation::of(hir, sources, &program.loops),
        rows: match options.by_rows {
            true => rows::rows(hir, &program, dataset),
            false => Vec::new(),
        },
        is_sequential: options.by_rows && rows::are_sequential(hir, &program),
    })
}

/// The programs of a model, with what its outputs hold.
pub(crate) fn programs(
    program: &BoundProgram,
    layout: &density::Layout,
    options: &Options,
) -> Result<(Programs, Vec<OutputColumn>), Vec<Diagnostic>> {
    let BoundProgram { loops, ranges, .. } = program;
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let (lower, rows): (Lower, _) = match options.by_rows {
        false => (density::log_density, None),
        true => {
            let inseparable = rows::inseparable(loops);
            if !inseparable.is_empty() {
                return Err(inseparable);
            }
            let rows = forward::rows(loops, ranges, layout).map_err(one)?;
            (density::log_density_by_rows, Some(rows))
        }
    };
    let mut graph = lower(loops, ranges, layout).map_err(one)?;
    density::restrict(&mut graph, options.objective);
    let (outputs, output_columns) = forward::outputs(loops, ranges, layout).map_err(one)?;
    let programs = Programs {
        gradient: gradient::differentiate(&graph),
        density: graph,
        start: forward::start(loops, ranges, layout).map_err(one)?,
        outputs,
        unconstrain: Some(forward::unconstrain(loops, ranges, layout).map_err(one)?),
        rows,
    };
    Ok((programs, output_columns))
}

/// The constraints as users see them.
pub(crate) fn constraints(program: &BoundProgram) -> Vec<Constraint> {
    let loops = &program.loops;
    let one = |(number, constraint): (usize, &loops::Constraint)| Constraint {
        name: constraint.name.clone(),
        kind: constraint.kind,
        text: constraint.text.clone(),
        description: constraint.description.clone(),
        comparisons: constraint.comparisons,
        is_gaussian_equality: constraint.is_gaussian_equality,
        is_normalised: constraint.is_normalised,
        strengths: constraint.strengths.clone(),
        elements: program.counts.as_ref().map(|counts| {
            let number = number as u32;
            counts.constraints.get(&number).copied().unwrap_or(0)
        }),
    };
    loops.constraints.iter().enumerate().map(one).collect()
}

/// The unknown variables as users see them.
pub(crate) fn inferred(loops: &Loops, layout: &density::Layout) -> Vec<InferredVariable> {
    let one = |variable: &density::InferredArray| {
        let array = loops.array(variable.array);
        let part = loops.parts.get(&variable.array);
        InferredVariable {
            name: array.name.clone(),
            shape: part.map_or(&array.shape, |part| &part.shape).clone(),
            elements: part.map(|part| part.elements.clone()),
            given_offset: variable.given_offset,
            unconstrained: variable.unconstrained.clone(),
            structure: variable.structure,
        }
    };
    layout.inferred.iter().map(one).collect()
}

/// The discrete unknowns, as variables whose values draws hold.
pub(crate) fn summed_out(loops: &Loops) -> Vec<InferredVariable> {
    let one = |summed: &loops::SummedOut| {
        let array = loops.array(summed.array);
        let part = loops.parts.get(&summed.array);
        InferredVariable {
            name: array.name.clone(),
            shape: part.map_or(&array.shape, |part| &part.shape).clone(),
            elements: part.map(|part| part.elements.clone()),
            structure: None,
            given_offset: 0,
            unconstrained: 0..0,
        }
    };
    loops.summed_out.iter().map(one).collect()
}

/// The numbers of a draw with their names.
pub(crate) fn columns(
    loops: &Loops,
    outputs: &[OutputColumn],
    coordinates: &Coordinates,
) -> Vec<Column> {
    let mut columns = Vec::new();
    for output in outputs {
        let kind = match output.kind {
            OutputKind::Inferred => ColumnKind::Inferred,
            OutputKind::Report => ColumnKind::Report,
            OutputKind::Simulated => ColumnKind::Simulated,
            OutputKind::SummedOut => ColumnKind::SummedOut,
        };
        let array = loops.array(output.array);
        let part = loops.parts.get(&output.array);
        let shape = part.map_or(&array.shape, |part| &part.shape);
        let axes = coordinates.get(&output.name).map_or(&[][..], Vec::as_slice);
        let mut add = |flat| columns.push(element_column(&output.name, shape, flat, kind, axes));
        match part {
            Some(part) => part.elements.iter().copied().for_each(&mut add),
            None => (0..array.length()).for_each(&mut add),
        }
    }
    columns
}

/// One element of an array; its flat index has the last index fastest.
pub(crate) fn element_column(
    name: &str,
    shape: &[usize],
    flat: usize,
    kind: ColumnKind,
    axes: &[Option<Coordinate>],
) -> Column {
    let index = subscripts(flat, shape);
    let shown = |(axis, &index): (usize, &usize)| {
        let coordinate = axes.get(axis).and_then(Option::as_ref);
        let fits = coordinate.filter(|coordinate| coordinate.labels.len() == shape[axis]);
        match fits {
            Some(coordinate) => format!("{}={}", coordinate.name, coordinate.labels[index - 1]),
            None => index.to_string(),
        }
    };
    let shown: Vec<String> = index.iter().enumerate().map(shown).collect();
    let full = if shape.is_empty() {
        name.to_string()
    } else {
        format!("{name}[{}]", shown.join(", "))
    };
    Column {
        name: full,
        variable: name.to_string(),
        index,
        kind,
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

fn nothing_observed(hir: &Hir, dataset: &Dataset) -> Diagnostic {
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
    dataset
        .note(diagnostic.note(format!("its random variables are {}", names.join(", "))))
        .help("give data for at least one of them, under its name; `likelier simulate` draws from the model without data")
}

/// Data that observe something on which other observed variables depend are seldom meant.
fn observed_ancestors(hir: &Hir, program: &BoundProgram) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    let is_observed = |id: &VariableId| {
        program.bound.keys.contains_key(id)
            && !program.bound.partial.contains(id)
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

pub(crate) fn roles(
    hir: &Hir,
    sources: &Sources,
    dataset: &Dataset,
    program: &BoundProgram,
) -> Vec<RoleLine> {
    let mut lines: Vec<RoleLine> = Vec::new();
    let mut said = std::collections::HashSet::new();
    let oneline = |span| sources.one_line(span);
    all_statements(
        &hir.statements,
        0,
        &mut |statement, _| match &statement.kind {
            StatementKind::Random { variable, law, .. } => {
                let is_first = said.insert(*variable);
                let name = hir.variables[variable.0 as usize].name.clone();
                if let Some(split) = program.splits.get(variable) {
                    if !is_first {
                        return;
                    }
                    let distribution = oneline(law.span);
                    let whole = program.loops.array(split.whole).length();
                    let mut parts = split_lines(&name, split, whole, &distribution);
                    // Where variables are drawn anew, what is known of one is what no statement draws.
                    if program.bound.given.contains(variable) {
                        let known = parts.iter_mut().find(|line| line.role == Role::Observed);
                        known.into_iter().for_each(|line| {
                            (line.role, line.distribution) = (Role::Given, None);
                        });
                    }
                    let summed = &program.loops.summed_out;
                    let is_summed = |array| program.loops.array(array).name == name;
                    if summed.iter().any(|summed| is_summed(summed.array)) {
                        let inferred = parts.iter_mut().find(|line| line.role == Role::Inferred);
                        inferred
                            .into_iter()
                            .for_each(|line| line.role = Role::SummedOut);
                    }
                    lines.extend(parts);
                    return;
                }
                let array = program
                    .arrays
                    .get(variable)
                    .map(|array| program.loops.array(*array));
                let role = match array.map(|array| &array.kind) {
                    Some(ArrayKind::Random(loops::Role::Inferred)) => Role::Inferred,
                    Some(ArrayKind::Random(loops::Role::Simulated)) | None => Role::Simulated,
                    Some(ArrayKind::Random(loops::Role::SummedOut)) => Role::SummedOut,
                    Some(_) => Role::Observed,
                };
                let length = array.map_or(0, loops::Array::length);
                let drawn = program.draws_of(*variable);
                let all: usize = drawn.iter().map(|(_, count)| count).sum();
                if is_first && role == Role::Observed && (1..length).contains(&all) {
                    lines.push(RoleLine {
                        name: name.clone(),
                        role: Role::Given,
                        elements: length - all,
                        distribution: None,
                    });
                }
                let own = drawn.iter().find(|(span, _)| *span == statement.span);
                let elements = match own {
                    Some((_, count)) if *count > 0 => *count,
                    _ if all == 0 && is_first => length,
                    _ => return,
                };
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

impl BoundProgram {
    /// The statements that draw a variable, and how many elements each draws; empty where that is not known.
    fn draws_of(&self, variable: VariableId) -> Vec<(Span, usize)> {
        let Some((array, counts)) = self.arrays.get(&variable).zip(self.counts.as_ref()) else {
            return Vec::new();
        };
        let own = counts.draws.iter().filter(|((id, _), _)| id == array);
        own.map(|((_, span), count)| (*span, *count)).collect()
    }
}

/// A line for each role that some elements of a variable have.
fn split_lines(name: &str, split: &Split, length: usize, distribution: &str) -> Vec<RoleLine> {
    let unit = length / split.roles.len().max(1);
    let roles = [
        (Role::Observed, None),
        (Role::Inferred, Some(loops::Role::Inferred)),
        (Role::Simulated, Some(loops::Role::Simulated)),
    ];
    let line = |(role, wanted): (Role, Option<loops::Role>)| {
        let units = split.roles.iter().filter(|role| **role == wanted).count();
        (units > 0).then(|| RoleLine {
            name: name.to_string(),
            role,
            elements: units * unit,
            distribution: Some(distribution.to_string()),
        })
    };
    roles.into_iter().filter_map(line).collect()
}

impl Compiled {
    /// The log density at given constrained values, in the order of [`Compiled::inferred`], which is that of the first
    /// [`Compiled::columns`].
    pub fn density_at(&self, given: &[f64]) -> PointDensity {
        let position = self.model.unconstrain(given).unwrap_or_default();
        let mut evaluator = self.model.evaluator();
        let mut gradient = vec![0.0; position.len()];
        let mut parts = Parts::default();
        let weights = Weights::posterior(self.model.soft_count());
        let total = evaluator.log_density_gradient(&position, &weights, &mut gradient, &mut parts);
        let soft = parts.soft.iter().fold(0.0, |sum, part| sum + part);
        let reason = if total.is_finite() {
            None
        } else {
            evaluator.explain(&position)
        };
        let mut outputs = vec![0.0; self.columns.len()];
        let mut stream = Stream::new(1, Purpose::Prediction, 0);
        evaluator.outputs(&position, &mut stream, &mut outputs);
        outputs.truncate(given.len());
        PointDensity {
            log_density: parts.prior + soft + parts.likelihood,
            log_density_unconstrained: total,
            prior: parts.prior,
            jacobian: parts.jacobian,
            soft,
            potentials: parts.soft.clone(),
            likelihood: parts.likelihood,
            gradient,
            constrained: outputs,
            unconstrained: position,
            reason,
        }
    }
}
