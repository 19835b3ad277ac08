//! Programs that run forwards only: draws from the prior, predictions from draws of a posterior, and the log density of
//! each observed value. They share one shape: the values of some variables go in, named numbers come out.

mod summaries;

use std::collections::{HashMap, HashSet};

use crate::check::hir::{Hir, StatementKind, VariableId, VariableKind};
use crate::check::soft::Dependence;
use crate::check::walk::all_statements;
use crate::compiled::{
    Column, ColumnKind, Constraint, InferredVariable, RoleLine, columns, constraints,
    element_column, inferred, internal, roles, summed_out,
};
use crate::data::bind::{Draws, Known, Purpose};
use crate::data::dataset::Dataset;
use crate::data::dependence::{reads_any, spread};
use crate::data::loops::{
    ArrayId, ArrayKind, Loops, Role as LoopsRole, Statement, Term, walk_term,
};
use crate::data::{BoundProgram, Recovery, bind_program, bind_recovering, labels};
use crate::density::Layout;
use crate::jit::ForwardModel;
use crate::math::graph::{Graph, Part};
use crate::source::{Diagnostic, FileId, Sources, Span};
use crate::{Compiled, Coordinates, Options, density, forward, rows};

/// A compiled forward program.
pub struct Simulation {
    /// Native code: given values and random numbers to results.
    pub program: ForwardModel,
    /// What each given value is.
    pub given: Vec<Column>,
    /// What the results are.
    pub columns: Vec<Column>,
    /// Where each of [`Simulation::columns`] stands among the results of the program.
    pub places: Vec<usize>,
    /// What became of every variable.
    pub roles: Vec<RoleLine>,
    /// Keys of the data that the model does not use.
    pub unused_keys: Vec<String>,
    /// Conditions of the model that a draw from its prior does not heed, by their statements.
    pub unheeded: Vec<String>,
    /// The constraints. Of a program that draws from the prior, the last results are the log potentials of these, in this
    /// order; a draw counts with probability exp of their sum.
    pub constraints: Vec<Constraint>,
    /// Random variables on which no other random variable and no soft constraint depends: what one would call data.
    pub leaves: Vec<String>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// What to predict.
#[derive(Debug, Clone, Default)]
pub struct Prediction {
    /// Data that replace some of those of the fit.
    pub new_data: Option<Dataset>,
    /// Observed variables that keep the values of the data instead of being replicated.
    pub held: Vec<String>,
    /// Unknown variables that are drawn from their distribution instead of being taken from the draws.
    pub redrawn: Vec<String>,
}

/// A program that draws all random variables from the prior; of their data only the sizes count.
///
/// # Errors
/// As [`crate::compile`], and for variables that cannot be drawn.
pub fn simulate(
    sources: &mut Sources,
    file: FileId,
    dataset: &Dataset,
    options: &Options,
) -> Result<Simulation, Vec<Diagnostic>> {
    let (hir, warnings) = crate::front(sources, file, &options.adjustments)?;
    let program = bind_program(&hir, sources, dataset, Purpose::Prior)?;
    Context::new(&hir, sources, dataset, &program, options).forward_program(warnings, true)
}

/// The density of the prior with its constraints, for what rejects too many draws of [`simulate`]: `observe` and `factor` are
/// left out as there, and of the data of random variables only the sizes count. The columns are those of [`simulate`] in another
/// order.
///
/// # Errors
/// As [`crate::compile`].
pub fn constrained_prior(
    sources: &mut Sources,
    file: FileId,
    dataset: &Dataset,
    options: &Options,
) -> Result<Compiled, Vec<Diagnostic>> {
    let (hir, warnings) = crate::front(sources, file, &options.adjustments)?;
    let purpose = Purpose::ConstrainedPrior(options.coordinates);
    let program = bind_program(&hir, sources, dataset, purpose)?;
    crate::compiled::finish(&hir, sources, dataset, program, warnings, options)
}

/// Constrained values of draws do not depend on coordinates; programs that take them are bound in the natural ones.
fn bind_natural(
    hir: &Hir,
    sources: &Sources,
    dataset: &Dataset,
) -> Result<BoundProgram, Vec<Diagnostic>> {
    bind_program(
        hir,
        sources,
        dataset,
        Purpose::Posterior(Coordinates::Natural),
    )
}

/// A program that takes a draw of the posterior given `dataset` to replicates of what was observed.
///
/// # Errors
/// As [`simulate`], and when new data do not go together with the draws.
pub fn predict(
    sources: &mut Sources,
    file: FileId,
    dataset: &Dataset,
    prediction: &Prediction,
    options: &Options,
) -> Result<Simulation, Vec<Diagnostic>> {
    let (hir, mut warnings) = crate::front(sources, file, &options.adjustments)?;
    let dataset = &*labels::shared(&hir, dataset)?;
    let fit = bind_natural(&hir, sources, dataset)?;
    let layout = density::layout(&fit.loops);
    let mut unknown = inferred(&fit.loops, &layout);
    unknown.extend(summed_out(&fit.loops));
    check_names(&hir, &fit, &unknown, prediction)?;
    let held: HashSet<String> = prediction.held.iter().cloned().collect();
    let is_known = |variable: &&InferredVariable| match &variable.elements {
        _ if prediction.redrawn.contains(&variable.name) => false,
        // Missing elements of what is replicated are replicated too.
        Some(_) => held.contains(&variable.name) && prediction.new_data.is_none(),
        None => true,
    };
    let known = unknown
        .iter()
        .filter(is_known)
        .map(|variable| (variable.name.clone(), known_elements(variable)));
    let sizes = fit.bound.sizes.iter();
    let draws = Draws {
        known: known.collect(),
        held,
        sizes: sizes
            .map(|(id, &size)| (hir.variables[id.0 as usize].name.clone(), size))
            .collect(),
    };
    let merged = match &prediction.new_data {
        Some(newer) => dataset
            .updated(&*labels::shared(&hir, newer)?, &|key| {
                is_superseded(&hir, &fit, &draws, key)
            })
            .map_err(|error| vec![Diagnostic::error("E0477", error.to_string())])?,
        None => dataset.clone(),
    };
    if let Some(newer) = &prediction.new_data {
        warnings.extend(summaries::warnings(&hir, newer));
    }
    let program = bind_program(&hir, sources, &merged, Purpose::Prediction(&draws))?;
    Context::new(&hir, sources, &merged, &program, options).forward_program(warnings, false)
}

/// A program that takes a draw of the posterior to the log density of each observed value. Values without a log density of
/// their own are left out, of which its warnings tell; they are not those that [`crate::compile`] gives.
///
/// # Errors
/// As [`crate::compile`].
pub fn pointwise(
    sources: &mut Sources,
    file: FileId,
    dataset: &Dataset,
    options: &Options,
) -> Result<Simulation, Vec<Diagnostic>> {
    let (hir, _) = crate::front(sources, file, &options.adjustments)?;
    let program = bind_natural(&hir, sources, dataset)?;
    let loops = &program.loops;
    let layout = density::layout(loops);
    let graph = forward::pointwise(loops, &program.ranges, &layout).map_err(|error| vec![error])?;
    let rows = rows::rows(&hir, &program, dataset);
    let places = rows.iter().map(|row| row.place).collect();
    let columns = rows.into_iter().map(|row| row.column).collect();
    let context = Context::new(&hir, sources, dataset, &program, options);
    Ok(Simulation {
        places,
        warnings: without_log_likelihood(loops),
        ..context.compile("pointwise", &graph, &layout, columns)?
    })
}

/// A program that takes a draw to what a report says of each constraint: its `penalty`, which is minus its log potential with
/// its weight, and of each comparison the mean `residual` over its elements in its own units, `scaled` in those of
/// `within`, and the `largest` of the latter. Columns have the constraint as variable, and the number of the comparison as
/// index if there are several. Discrete unknowns are drawn, given the others and what `recovery` says.
///
/// # Errors
/// As [`crate::compile`].
pub fn constraint_report(
    sources: &mut Sources,
    file: FileId,
    dataset: &Dataset,
    options: &Options,
    recovery: Recovery,
) -> Result<Simulation, Vec<Diagnostic>> {
    let (hir, warnings) = crate::front(sources, file, &options.adjustments)?;
    let natural = Purpose::Posterior(Coordinates::Natural);
    let program = bind_recovering(&hir, sources, dataset, natural, recovery)?;
    Context::new(&hir, sources, dataset, &program, options).report_program(warnings)
}

/// As [`constraint_report`], of draws of [`constrained_prior`].
///
/// # Errors
/// As [`crate::compile`].
pub fn constraint_report_of_prior(
    sources: &mut Sources,
    file: FileId,
    dataset: &Dataset,
    options: &Options,
) -> Result<Simulation, Vec<Diagnostic>> {
    let (hir, warnings) = crate::front(sources, file, &options.adjustments)?;
    let natural = Purpose::ConstrainedPrior(Coordinates::Natural);
    let program = bind_program(&hir, sources, dataset, natural)?;
    Context::new(&hir, sources, dataset, &program, options).report_program(warnings)
}

/// A program that is bound to its data, on the way to native code.
pub(crate) struct Context<'a> {
    hir: &'a Hir,
    sources: &'a Sources,
    dataset: &'a Dataset,
    program: &'a BoundProgram,
    options: &'a Options,
}

impl<'a> Context<'a> {
    pub fn new(
        hir: &'a Hir,
        sources: &'a Sources,
        dataset: &'a Dataset,
        program: &'a BoundProgram,
        options: &'a Options,
    ) -> Self {
        Self {
            hir,
            sources,
            dataset,
            program,
            options,
        }
    }

    /// What programs that run forwards have in common; each result has a column.
    fn compile(
        &self,
        name: &str,
        graph: &Graph,
        layout: &Layout,
        columns: Vec<Column>,
    ) -> Result<Simulation, Vec<Diagnostic>> {
        let program = self.program;
        let code = ForwardModel::compile(name, graph, self.options.cpu)
            .map_err(|error| vec![internal(error.to_string())])?;
        Ok(Simulation {
            program: code,
            given: given_columns(&inferred(&program.loops, layout)),
            places: (0..columns.len()).collect(),
            columns,
            roles: roles(self.hir, self.sources, self.dataset, program),
            unused_keys: program.bound.unused.clone(),
            unheeded: Vec::new(),
            constraints: constraints(program),
            leaves: Vec::new(),
            warnings: Vec::new(),
        })
    }

    fn report_program(&self, warnings: Vec<Diagnostic>) -> Result<Simulation, Vec<Diagnostic>> {
        let (loops, ranges) = (&self.program.loops, &self.program.ranges);
        let layout = density::layout(loops);
        let graph = forward::constraints(loops, ranges, &layout).map_err(|error| vec![error])?;
        let mut columns = Vec::new();
        for constraint in &constraints(self.program) {
            let mut add = |what: &str, index: Option<usize>| {
                let at = index.map_or(String::new(), |index| format!("[{index}]"));
                columns.push(Column {
                    name: format!("{}.{what}{at}", constraint.name),
                    variable: constraint.name.clone(),
                    index: index.into_iter().collect(),
                    kind: ColumnKind::Report,
                });
            };
            add("penalty", None);
            for comparison in 1..=constraint.comparisons {
                let index = (constraint.comparisons > 1).then_some(comparison);
                for what in ["residual", "scaled", "largest"] {
                    add(what, index);
                }
            }
        }
        Ok(Simulation {
            warnings,
            ..self.compile("constraints", &graph, &layout, columns)?
        })
    }

    /// Compiles the program to draw what it draws; constraints are left aside unless it heeds them.
    pub fn forward_program(
        &self,
        mut warnings: Vec<Diagnostic>,
        heeds_constraints: bool,
    ) -> Result<Simulation, Vec<Diagnostic>> {
        let program = self.program;
        let loops = &program.loops;
        let layout = density::layout(loops);
        let lower = match heeds_constraints {
            true => forward::simulate,
            false => forward::predict,
        };
        let (graph, outputs) =
            lower(loops, &program.ranges, &layout).map_err(|error| vec![error])?;
        let columns = columns(loops, &outputs, &program.coordinates);
        let mut unheeded = Vec::new();
        let drawn = computed_from_draws(loops);
        conditions(&loops.statements, &mut |term| {
            // What comes from draws has heeded its constraints.
            let is_constraint = matches!(term.part, Part::Soft(_));
            if is_constraint && (heeds_constraints || !reads(term, &drawn)) {
                return;
            }
            let text = &loops.descriptions[term.description as usize];
            if !unheeded.contains(text) {
                unheeded.push(text.clone());
            }
        });
        warnings.extend(program.warnings.iter().cloned());
        Ok(Simulation {
            unheeded,
            leaves: leaves(self.hir),
            warnings,
            ..self.compile("predict", &graph, &layout, columns)?
        })
    }
}

/// Warns of observed values whose log likelihoods are not there: once for each statement.
fn without_log_likelihood(loops: &Loops) -> Vec<Diagnostic> {
    let warning = |(span, what): (Span, String)| {
        Diagnostic::warning(
            "W0003",
            format!("{what} have no log likelihoods of their own, and get no columns"),
        )
        .at(span, rows::COUPLED)
        .help("leave-one-out validation needs a term for each value: validate such a model by predicting values that were left out of the data")
    };
    rows::coupled(loops).into_iter().map(warning).collect()
}

/// The names of given values, in their order.
fn given_columns(unknown: &[InferredVariable]) -> Vec<Column> {
    let of = |variable: &InferredVariable| {
        let elements = match &variable.elements {
            Some(elements) => elements.clone(),
            None => (0..variable.length()).collect(),
        };
        let (name, shape) = (variable.name.clone(), variable.shape.clone());
        let column = move |flat| element_column(&name, &shape, flat, ColumnKind::Inferred, &[]);
        elements.into_iter().map(column).collect::<Vec<_>>()
    };
    unknown.iter().flat_map(of).collect()
}

fn known_elements(variable: &InferredVariable) -> Known {
    let length = variable.shape.iter().product();
    let mut present = vec![variable.elements.is_none(); length];
    for &flat in variable.elements.iter().flatten() {
        present[flat] = true;
    }
    Known {
        shape: variable.shape.clone(),
        present,
    }
}

/// Whether new data make a key of the old ones void: sizes, and what is predicted.
fn is_superseded(hir: &Hir, fit: &BoundProgram, draws: &Draws, key: &str) -> bool {
    let is_given = |id: VariableId| {
        hir.statements
            .iter()
            .any(|s| matches!(&s.kind, StatementKind::Given { variable, .. } if *variable == id))
    };
    hir.variables.iter().enumerate().any(|(i, variable)| {
        let id = VariableId(i as u32);
        let is_key = fit.bound.keys.get(&id).is_some_and(|own| own == key) || variable.name == key;
        is_key
            && match variable.kind {
                VariableKind::Size => !is_given(id),
                VariableKind::Random => !draws.held.contains(&variable.name),
                _ => false,
            }
    })
}

/// Names that the command line gives must be of the sort that it means.
fn check_names(
    hir: &Hir,
    fit: &BoundProgram,
    unknown: &[InferredVariable],
    prediction: &Prediction,
) -> Result<(), Vec<Diagnostic>> {
    let observed: Vec<&str> = hir
        .variables
        .iter()
        .enumerate()
        .filter(|(i, variable)| {
            variable.kind == VariableKind::Random
                && fit.bound.keys.contains_key(&VariableId(*i as u32))
        })
        .map(|(_, variable)| variable.name.as_str())
        .collect();
    let inferred: Vec<&str> = unknown.iter().map(|v| v.name.as_str()).collect();
    let complain = |name: &str, what: &str, names: &[&str]| {
        let help = match names {
            [] => format!("nothing in this model is {what}"),
            names => format!("{what} are {}", names.join(", ")),
        };
        vec![Diagnostic::error("E0478", format!("`{name}` is not {what} in this model")).help(help)]
    };
    for name in &prediction.held {
        if !observed.contains(&name.as_str()) {
            return Err(complain(name, "observed", &observed));
        }
    }
    for name in &prediction.redrawn {
        if !inferred.contains(&name.as_str()) {
            return Err(complain(name, "inferred", &inferred));
        }
    }
    Ok(())
}

/// The arrays that are drawn, or computed from such.
fn computed_from_draws(loops: &Loops) -> HashSet<ArrayId> {
    let is_drawn = |id: &ArrayId| {
        matches!(
            loops.array(*id).kind,
            ArrayKind::Random(LoopsRole::Simulated)
        )
    };
    let ids = (0..loops.arrays.len() as u32).map(ArrayId);
    let mut drawn: HashSet<ArrayId> = ids.filter(is_drawn).collect();
    loop {
        let before = drawn.len();
        spread(&loops.statements, &mut drawn);
        if drawn.len() == before {
            return drawn;
        }
    }
}

/// Whether a term reads any of these arrays.
fn reads(term: &Term, arrays: &HashSet<ArrayId>) -> bool {
    let mut found = false;
    walk_term(term, &mut |scalar| {
        found = found || reads_any(scalar, arrays)
    });
    found
}

/// Calls `visit` with every condition that is no random variable.
fn conditions(statements: &[Statement], visit: &mut dyn FnMut(&Term)) {
    for statement in statements {
        match statement {
            Statement::For { body, .. } => conditions(body, visit),
            Statement::If {
                then, otherwise, ..
            } => {
                conditions(then, visit);
                conditions(otherwise, visit);
            }
            Statement::Term(term) => visit(term),
            _ => {}
        }
    }
}

/// The random variables that no other random variable's distribution reads, nor any soft constraint, which may not depend on data; if
/// constraints read all of the former, these.
fn leaves(hir: &Hir) -> Vec<String> {
    let is_random = |id: &VariableId| hir.variables[id.0 as usize].kind == VariableKind::Random;
    let mut reads: HashMap<VariableId, HashSet<VariableId>> = HashMap::new();
    all_statements(&hir.statements, 0, &mut |statement, _| {
        if let StatementKind::Let { variable, .. } | StatementKind::Random { variable, .. } =
            &statement.kind
        {
            let own = reads.entry(*variable).or_default();
            statement.expressions(&mut |expression| {
                expression.variables(0, &mut |id, _| {
                    own.insert(id);
                });
            });
        }
    });
    let mut parents: HashSet<VariableId> = HashSet::new();
    for (&child, direct) in reads.iter().filter(|(id, _)| is_random(id)) {
        let mut wanted: Vec<VariableId> = direct.iter().copied().collect();
        let mut seen = HashSet::new();
        while let Some(id) = wanted.pop() {
            if !seen.insert(id) || id == child {
                continue;
            }
            if is_random(&id) {
                parents.insert(id);
            } else {
                wanted.extend(reads.get(&id).into_iter().flatten());
            }
        }
    }
    let ids = (0..hir.variables.len()).map(|i| VariableId(i as u32));
    let all: Vec<VariableId> = ids
        .filter(|id| is_random(id) && !parents.contains(id))
        .collect();
    let constrained = constrained(hir);
    let free: Vec<VariableId> = all
        .iter()
        .copied()
        .filter(|id| !constrained.contains(id))
        .collect();
    let chosen = if free.is_empty() { all } else { free };
    let name = |id: VariableId| hir.variables[id.0 as usize].name.clone();
    chosen.into_iter().map(name).collect()
}

/// The random variables that soft constraints depend on.
fn constrained(hir: &Hir) -> HashSet<VariableId> {
    let dependence = Dependence::new(hir);
    let mut found = HashSet::new();
    all_statements(&hir.statements, 0, &mut |statement, _| {
        if matches!(statement.kind, StatementKind::Soft { .. }) {
            statement.expressions(&mut |expression| found.extend(dependence.of(expression)));
        }
    });
    found
}
