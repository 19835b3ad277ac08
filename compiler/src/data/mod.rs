//! HIR + DATA → LOOPS: everything that can be known with data. Sizes become numbers, each variable gets a role, calls are
//! inlined, array expressions become loops over scalars, and what depends on data alone is computed once.

mod algebra;
pub mod bind;
mod censoring;
mod collect;
mod conditioned;
mod conditions;
pub mod coordinates;
mod counts;
mod csv;
pub mod dataset;
pub(crate) mod dependence;
mod domain;
mod draw_shapes;
mod draws;
mod elements;
pub mod expand;
mod expression;
pub mod fold;
mod given_elements;
mod indexing;
mod inline;
pub mod interval;
mod inversion;
mod json;
pub(crate) mod labels;
mod laws;
mod linear;
pub mod loops;
mod membership;
mod methods;
mod missing;
mod mixture;
mod normalised;
mod ode;
mod ordered;
mod placement;
mod print;
pub mod pull;
mod random;
mod size_errors;
mod soft;
mod standard;
mod statements;
pub mod subscripts;
mod sum_out;
mod tabulate;
mod tails;
mod verify;
mod whole;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::check::hir::{Element, Hir, Type, VariableId, VariableKind};
use crate::math::graph::Part;
use crate::source::{Diagnostic, Sources};
use bind::{Bound, Purpose};
use coordinates::{Coordinates, Numbers};
pub use counts::Counts;
use dataset::{Dataset, Entry};
use expand::Expander;
use interval::Ranges;
use loops::{ArrayId, ArrayKind, Loops, Scalar, Statement};
pub use missing::Split;
use pull::Value;

pub use print::print;
pub use sum_out::Recovery;

/// A program bound to its data.
pub struct BoundProgram {
    /// What happens.
    pub loops: Loops,
    /// What is known of the ranges of its arrays.
    pub ranges: Ranges,
    /// What the data said of the names.
    pub bound: Bound,
    /// The factors along the index positions of variables and reports.
    pub coordinates: Coordinates,
    /// The array of each model variable that has one.
    pub arrays: HashMap<VariableId, ArrayId>,
    /// Variables whose elements differ in role.
    pub splits: HashMap<VariableId, Split>,
    /// How many elements each statement draws and each constraint has; `None` where data alone do not tell.
    pub counts: Option<Counts>,
    /// What may be a mistake.
    pub warnings: Vec<Diagnostic>,
}

/// Binds a checked program to data.
///
/// # Errors
/// Everything about the data, the sizes and the shapes that does not fit; several at once.
pub fn bind_program(
    hir: &Hir,
    sources: &Sources,
    dataset: &Dataset,
    purpose: Purpose,
) -> Result<BoundProgram, Vec<Diagnostic>> {
    bind_recovering(hir, sources, dataset, purpose, Recovery::Posterior)
}

/// As [`bind_program`], where discrete unknowns are drawn given what `recovery` says.
///
/// # Errors
/// As [`bind_program`].
pub fn bind_recovering(
    hir: &Hir,
    sources: &Sources,
    dataset: &Dataset,
    purpose: Purpose,
    recovery: Recovery,
) -> Result<BoundProgram, Vec<Diagnostic>> {
    let dataset = &*labels::shared(hir, dataset)?;
    let given = given_elements::given_elements(hir, sources, dataset, purpose);
    let (dataset, given) = match &given {
        Some((dataset, given)) => (dataset, given),
        None => (dataset, &HashSet::new()),
    };
    let (mut bound, diagnostics) = bind::bind(hir, dataset, purpose, given);
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    if matches!(purpose, Purpose::Posterior(_)) {
        let diagnostics = soft::observed(hir, &bound);
        if !diagnostics.is_empty() {
            return Err(diagnostics);
        }
    }
    let (coordinates, numbers) = coordinates::coordinates(hir, &labels::factors(hir, dataset))?;
    let inferred = |id: &VariableId| bound.roles.get(id) == Some(&loops::Role::Inferred);
    if matches!(purpose, Purpose::Posterior(_)) && bound.partial.iter().any(inferred) {
        // Which missing elements anything depends on shows once the program is expanded.
        let probe = expand_program(hir, sources, dataset, &bound, &numbers, purpose, true)?;
        bound.elements = dependence::roles(&probe.loops, &probe.splits);
    }
    let Expanded {
        mut loops,
        mut ranges,
        arrays,
        splits,
    } = expand_program(hir, sources, dataset, &bound, &numbers, purpose, false)?;
    let warnings = domain::warnings(&loops, &ranges, sources);
    let counts = counts::counts(&loops);
    if matches!(purpose, Purpose::ConstrainedPrior(_)) {
        drop_likelihood(&mut loops.statements);
    }
    sum_out::sum_out(&mut loops, &mut ranges, recovery).map_err(|diagnostic| vec![diagnostic])?;
    if matches!(purpose, Purpose::Prior) {
        conditioned::condition(&mut loops).map_err(|diagnostic| vec![diagnostic])?;
    }
    tabulate::tabulate(&mut loops);
    Ok(BoundProgram {
        loops,
        ranges,
        bound,
        coordinates,
        arrays,
        splits,
        counts,
        warnings,
    })
}

/// Takes `observe` and `factor` out of a program.
fn drop_likelihood(statements: &mut Vec<Statement>) {
    statements.retain_mut(|statement| match statement {
        Statement::For { body, .. } => {
            drop_likelihood(body);
            !body.is_empty()
        }
        Statement::If {
            then, otherwise, ..
        } => {
            drop_likelihood(then);
            drop_likelihood(otherwise);
            !then.is_empty() || !otherwise.is_empty()
        }
        Statement::Term(term) => term.part != Part::Likelihood,
        _ => true,
    });
}

/// A program that is expanded and verified.
struct Expanded {
    loops: Loops,
    ranges: Ranges,
    arrays: HashMap<VariableId, ArrayId>,
    splits: HashMap<VariableId, Split>,
}

fn expand_program(
    hir: &Hir,
    sources: &Sources,
    dataset: &Dataset,
    bound: &Bound,
    numbers: &Numbers,
    purpose: Purpose,
    is_probing: bool,
) -> Result<Expanded, Vec<Diagnostic>> {
    let mut expander = Expander::new(hir, sources, bound, dataset);
    expander.labels.clone_from(numbers);
    expander.is_probing = is_probing;
    expander.loops.constraints = soft::constraints(hir, sources);
    if let (Purpose::Posterior(coordinates) | Purpose::ConstrainedPrior(coordinates), false) =
        (purpose, is_probing)
    {
        expander.coordinates = coordinates;
    }
    let rank = |id: VariableId| hir.variables[id.0 as usize].ty.rank();
    expander.frame().uses = crate::check::walk::uses(&hir.statements, hir.variables.len(), &rank);
    load(&mut expander, hir, dataset);
    if expander.diagnostics.is_empty() {
        expander.model();
    }
    let mut diagnostics = std::mem::take(&mut expander.diagnostics);
    let statements = expander.close();
    let (mut loops, ranges) = (expander.loops, expander.ranges);
    loops.statements = statements;
    if diagnostics.is_empty() {
        diagnostics = verify::verify(&loops, &ranges, bound);
    }
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    Ok(Expanded {
        loops,
        ranges,
        arrays: expander.arrays_of,
        splits: expander.splits,
    })
}

/// Puts the data and sizes under the names of the model.
fn load<'a>(expander: &mut Expander<'a>, hir: &'a Hir, dataset: &Dataset) {
    let factors = labels::factors(hir, dataset);
    for (i, variable) in hir.variables.iter().enumerate() {
        let id = VariableId(i as u32);
        if variable.kind == VariableKind::Size {
            if let Some(size) = expander.bound.sizes.get(&id).copied() {
                expander.frame().bind(id, Value::Scalar(Scalar::int(size)));
            }
            continue;
        }
        let Some(entry) = expander
            .bound
            .keys
            .get(&id)
            .and_then(|key| dataset.get(key))
        else {
            continue;
        };
        let factor = factors.get(&id);
        // Nothing has any shape: `[]` stands for no vectors of any length too.
        let shape = if entry.values.is_empty() {
            vec![0; variable.ty.rank()]
        } else {
            entry.shape.clone()
        };
        let is_partial = expander.bound.partial.contains(&id);
        let whole = is_partial.then(|| missing::filled(entry));
        match array_of(
            whole.as_ref().unwrap_or(entry),
            &variable.name,
            &variable.ty,
            variable.span,
            factor.is_some(),
            variable.kind == VariableKind::Given,
        ) {
            Err(diagnostic) => expander.diagnostics.push(diagnostic),
            Ok(kind) if is_partial => match expander.load_partial(id, entry, shape, kind) {
                Ok(array) => {
                    expander.arrays_of.insert(id, array);
                    let value = expander.stored_value(array, variable.ty.element, variable.span);
                    expander.frame().bind(id, value);
                }
                Err(expand::Failure::Said(diagnostic)) => expander.diagnostics.push(*diagnostic),
                Err(expand::Failure::Silent) => {}
            },
            Ok(kind) => {
                let array =
                    expander.array(variable.name.clone(), shape.clone(), kind, variable.span);
                let whole = pull::Pull::stored(variable.ty.element, shape.clone(), array);
                let span = variable.span;
                let range = expander.range(&Scalar(std::rc::Rc::new(loops::Node::Element {
                    array,
                    indices: Vec::new(),
                    span,
                })));
                expander.ranges.arrays.insert(array, range);
                if let Some(factor) = factor {
                    expander.levels.insert(array, factor.levels);
                }
                expander.arrays_of.insert(id, array);
                let value = match shape.is_empty() {
                    true => expander.stored_value(array, variable.ty.element, span),
                    false => Value::Array(whole),
                };
                expander.frame().bind(id, value);
            }
        }
    }
}

/// The numbers of an entry as the type wants them.
fn array_of(
    entry: &Entry,
    name: &str,
    ty: &Type,
    span: crate::source::Span,
    is_factor: bool,
    given: bool,
) -> Result<ArrayKind, Diagnostic> {
    let origin = format!("`{name}` comes from {}", entry.origin);
    if entry.shape.len() != ty.rank() && !(entry.values.is_empty() && ty.rank() > 0) {
        let found = expression::sizes(&entry.shape);
        let wanted = match ty.rank() {
            0 => "one number".to_string(),
            1 => "an array with one index position".to_string(),
            rank => format!("an array with {rank} index positions"),
        };
        return Err(Diagnostic::error(
            "E0443",
            format!("`{name}` is {wanted} in the model, and has {found} in the data"),
        )
        .at(span, wanted)
        .note(origin)
        .help("change the model or the data; `y[1..N] ~ …` is one draw for each element"));
    }
    if let Some(labels) = &entry.labels
        && !is_factor
    {
        let is_number = |label: &&String| label.parse::<f64>().is_ok();
        let numeric = labels.iter().filter(is_number).count();
        let mut texts: Vec<String> = labels
            .iter()
            .filter(|label| label.parse::<f64>().is_err())
            .take(3)
            .map(|label| format!("\"{label}\""))
            .collect();
        if texts.is_empty() {
            texts = labels
                .iter()
                .take(3)
                .map(|label| format!("\"{label}\""))
                .collect();
        }
        return Err(Diagnostic::error(
            "E0445",
            format!("`{name}` holds text in the data: {}", texts.join(", ")),
        )
        .at(span, "numbers are needed")
        .note(origin)
        .help(match (given, entry.missing_count() > 0) {
            _ if numeric == labels.len() => "write the numbers without quotes; if they are names, declare a `factor`".to_string(),
            _ if numeric > 0 => "where a number is missing, write `NA` or leave the cell empty in CSV, and write `null` in JSON".to_string(),
            (true, false) => format!("declare it as categories: `given {name}: factor[N]`"),
            (true, true) => format!("declare it as categories, `given {name}: factor[N]`, after removing the rows without a label or giving them one of their own, such as \"unknown\""),
            (false, _) => format!("a random variable is made of numbers: write 1, 2, … in the data for the labels, `null` where one is missing, as in `{name}[1..N] ~ categorical(p)`; or declare it, `given {name}: factor[N]`"),
        }));
    }
    if let Some(flat) = (0..entry.values.len()).find(|&flat| entry.is_missing(flat)) {
        let count = entry.missing_count();
        return Err(Diagnostic::error(
            "E0444",
            format!(
                "`{}` is missing ({count} missing in all)",
                entry.element_name(flat)
            ),
        )
        .at(span, "every element is needed")
        .note(origin)
        .help(match (is_factor, given) {
            (true, _) => "remove these rows, or give the missing label a value of its own, such as \"unknown\", which is then one level more".to_string(),
            (false, true) => format!("give it a distribution, `{name}[i in 1..…] ~ …` instead of `given`, so that missing values are inferred; or remove these rows"),
            (false, false) => "give a value, or remove the key".to_string(),
        }));
    }
    if ty.element == Element::Real {
        return Ok(ArrayKind::Real(entry.values.clone().into()));
    }
    if ty.element == Element::Int
        && !entry.integral
        && let Some(flat) = entry
            .values
            .iter()
            .position(|value| value.fract() != 0.0 || !value.is_finite())
    {
        return Err(Diagnostic::error(
            "E0446",
            format!(
                "`{}` is {}, not a whole number",
                entry.element_name(flat),
                entry.values[flat]
            ),
        )
        .at(span, "ints are needed")
        .note(origin)
        .help("round it, or use a type or distribution of reals"));
    }
    if is_factor && let Some(flat) = entry.values.iter().position(|value| *value < 1.0) {
        return Err(Diagnostic::error(
            "E0447",
            format!(
                "`{}` is {}: categories are counted from 1",
                entry.element_name(flat),
                entry.values[flat]
            ),
        )
        .at(span, "")
        .note(origin)
        .help("count the categories from 1, or give them as text"));
    }
    let ints: Arc<[i64]> = entry.values.iter().map(|&value| value as i64).collect();
    Ok(ArrayKind::Int(ints))
}
