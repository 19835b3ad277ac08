//! Discrete unknowns are summed out. A latent variable with finitely many values disappears from the density by adding up
//! the densities of all its values (Zhang & Poole 1996: variable elimination); along a chain this is the forward
//! recursion of hidden Markov models. It is drawn afterwards from its law given everything else, which loses nothing.
//!
//! Statements that read discrete unknowns become *factors* (`factors.rs`, `resolve.rs`, `definitions.rs`); with the data their rounds become items that
//! couple elements (`ground.rs`); an order of removal is chosen and cut into runs of equal steps (`order.rs`), which
//! become loops again (`emit.rs`, `recover.rs`). So loops stay loops: a mixture over a million rows is one loop.
//!
//! A connected set of unknowns adds to each part: the log of the sum of prior densities to the prior, what each constraint changes
//! of that log to the constraint, and what the likelihood changes of it then to the likelihood. Weights of parts therefore
//! stand outside the sums (`levels.rs`).

mod definitions;
mod emit;
mod factors;
pub mod ground;
mod levels;
mod order;
mod recover;
mod resolve;
mod rounds;
mod taint;

use std::collections::HashMap;

use super::fold::Interpreter;
use super::interval::Ranges;
use super::loops::{ArrayId, CoupledObservation, Loops, Scalar, SummedOut};
use crate::math::graph::Part;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};
use emit::Emitter;
use factors::{Factor, Factors};
use ground::{Elements, Family};
use levels::{Level, Shares};
use order::Elimination;
use taint::Taint;

/// The largest table of one step, in numbers.
pub(super) const LARGEST_TABLE: usize = 1 << 18;

/// More loops than this are not one model's regular structure.
const MOST_RUNS: usize = 4000;

/// The message for elements that are coupled too much.
fn too_large(names: &[String], counts: &[usize], span: Span) -> Diagnostic {
    let size = counts.iter().map(|count| *count as f64).product::<f64>();
    let shown = match names.len() {
        0..=8 => names.join(", "),
        n => format!("{} and {} more", names[..6].join(", "), n - 6),
    };
    let counts: Vec<String> = counts.iter().take(8).map(usize::to_string).collect();
    Diagnostic::error(
        "E0500",
        format!("summing out {shown} needs a table of {size} numbers"),
    )
    .at(span, "these depend on each other through what is observed")
    .note(format!(
        "the numbers of their values are {}{}",
        counts.join(" × "),
        if names.len() > 8 { " × …" } else { "" }
    ))
    .help("let each observation depend on fewer of them at once, or give them fewer values")
}

/// What the draws of discrete unknowns are conditioned on, besides the other unknowns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Everything: draws of the posterior.
    Posterior,
    /// The constraints alone: draws of the prior with its constraints. The density of such a program lacks what is observed.
    ConstrainedPrior,
}

/// Sums out the discrete unknowns of a program.
///
/// # Errors
/// For unknowns whose sum is infinite, too large, or of no finite structure that the data fix.
pub fn sum_out(
    loops: &mut Loops,
    ranges: &mut Ranges,
    recovery: Recovery,
) -> Result<(), Diagnostic> {
    let taint = Taint::of(loops);
    if taint.discrete.is_empty() {
        return Ok(());
    }
    rounds::keep_rounds(loops, ranges, &taint)?;
    let taint = Taint::of(loops);
    taint.keep_natural(&mut loops.statements);
    let original = loops.statements.clone();
    let Factors {
        mut factors,
        setup,
        rest,
    } = factors::factors(loops, ranges, &taint)?;
    if recovery == Recovery::ConstrainedPrior {
        factors.retain(|factor| factor.part != Part::Likelihood);
    }
    let elements = ground::elements(loops, &factors, &taint.discrete)?;
    let families = ground::families(loops, &factors, &elements)?;
    let components = order::components(&elements, &families);
    let shares = Shares::of(&factors, &families, &components);
    let span = factors.first().map_or(Span::default(), |f| f.span);

    let joint = order::eliminate(
        loops,
        &elements,
        &families,
        &components,
        &|_| true,
        &|_| true,
        span,
    )?;
    let observed = observed(&factors, &families, &components);
    let observation = |component: usize| match observed.get(&component).map(Vec::as_slice) {
        Some(&[(family, entry)]) => Some((family, entry)),
        _ => None,
    };
    loops.coupled_observations = coupled(loops, &factors, &families, &observed);
    // The statement that a term is reported under, and the observation that it is, are part of what makes steps alike.
    let code = |component: usize| {
        let family = observation(component).map_or(0, |(family, _)| family + 1);
        shares.kind(component) + shares.kinds() * family
    };
    let joint_runs = order::runs(&joint, &elements, &families, &code);
    let mut levels = Vec::new();
    for part in shares.inner_parts() {
        let inner = order::eliminate(
            loops,
            &elements,
            &families,
            &components,
            &|component| shares.is_inner(component, part),
            &|family| factors[families[family].factor].part <= part,
            span,
        )?;
        let runs = order::runs(&inner, &elements, &families, &code);
        levels.push(Level::new(part, inner, runs));
    }
    let count = levels.iter().map(|level| level.runs.len()).sum::<usize>();
    if joint_runs.len() + count > MOST_RUNS {
        return Err(irregular(&elements, loops, span));
    }
    let summaries = summaries(&elements, &joint);

    let spans: HashMap<u32, Span> = factors.iter().map(|f| (f.description, f.span)).collect();
    let mut terms = Vec::new();
    let mut emitter = Emitter::new(loops, ranges, &factors, &families, &elements);
    for level in &mut levels {
        level.emit(&mut emitter, &shares, &spans, &mut terms);
    }
    let pools = emitter.eliminate(&joint, &joint_runs, &mut |emitter, frame, value, round| {
        let component = frame.steps[0].component;
        let Some((share, before)) = shares.last(component) else {
            return;
        };
        let value = match levels.iter().find(|level| Some(level.part) == before) {
            None => value,
            Some(level) => {
                let before = level.sum(emitter, &frame.steps, &frame.number);
                Scalar::operation(Operation::Subtract, vec![value, before])
            }
        };
        let found = observation(component).map(|(family, _)| {
            let entries: Vec<usize> = frame
                .steps
                .iter()
                .map(|step| observation(step.component).map_or(0, |(_, entry)| entry))
                .collect();
            emitter.observation_at(family, &frame.number, &entries)
        });
        let named = (share.description, spans[&share.description]);
        terms.push(emit::term(value, share.part, found, named, round));
    });
    let tables_of_density = emitter.tables.len();
    let recovery = recover::recover(&mut emitter, &joint, &joint_runs, &pools);
    let tables = std::mem::take(&mut emitter.tables);

    let (mut outputs, late) = taint.split(&original, loops);
    outputs.extend(setup.iter().cloned());
    outputs.extend(tables.iter().cloned());
    outputs.extend(recovery);
    outputs.extend(late);
    loops.outputs = Some(outputs);
    loops.statements = rest;
    loops.statements.extend(setup);
    loops
        .statements
        .extend(tables.into_iter().take(tables_of_density));
    loops.statements.extend(terms);
    loops.summed_out = summaries;
    Ok(())
}

/// The observed values that each component sums over, as families and their entries. If it is one, the component's sum is
/// its log likelihood; if there are several, none has a log likelihood of its own.
fn observed(
    factors: &[Factor],
    families: &[Family],
    components: &[usize],
) -> HashMap<usize, Vec<(usize, usize)>> {
    let mut found: HashMap<usize, Vec<(usize, usize)>> = HashMap::new();
    for (family, grounded) in families.iter().enumerate() {
        if factors[grounded.factor].observation.is_none() {
            continue;
        }
        for item in &grounded.items {
            let entries = item.entries.iter().map(|&entry| (family, entry as usize));
            let component = components[item.scope[0] as usize];
            found.entry(component).or_default().extend(entries);
        }
    }
    found
}

/// The observed values that share their component with others.
fn coupled(
    loops: &Loops,
    factors: &[Factor],
    families: &[Family],
    observed: &HashMap<usize, Vec<(usize, usize)>>,
) -> Vec<CoupledObservation> {
    let mut interpreter = Interpreter::new(loops);
    let mut coupled = Vec::new();
    let several = observed.values().filter(|entries| entries.len() > 1);
    for &(family, entry) in several.flatten() {
        let factor = &factors[families[family].factor];
        let found = families[family].observation(loops, factor, entry, &mut interpreter);
        if let Some((observation, unit)) = found {
            coupled.push(CoupledObservation {
                observation,
                unit,
                span: factor.span,
            });
        }
    }
    coupled.sort_by_key(|one| (one.observation, one.unit));
    coupled
}

fn irregular(elements: &Elements, loops: &Loops, span: Span) -> Diagnostic {
    let names: Vec<&str> = elements
        .arrays
        .iter()
        .map(|(array, _)| loops.array(*array).name.as_str())
        .collect();
    Diagnostic::error(
        "E0509",
        format!("the dependencies of {} have no regular structure", names.join(", ")),
    )
    .at(span, "")
    .help("thousands of differently connected discrete unknowns cannot be summed out; chains, trees and plates of any size can")
}

/// How each variable was summed out, in words.
fn summaries(elements: &Elements, joint: &Elimination) -> Vec<SummedOut> {
    let mut all = Vec::new();
    for &(array, _) in &elements.arrays {
        let mine = |element| elements.place(element).0 == array;
        let (mut most_neighbours, mut largest, mut most_values) = (0, 0, 0);
        for step in joint.steps.iter().filter(|step| mine(step.element)) {
            let count = |element: u32| elements.values[element as usize].map_or(1, |v| v.count);
            most_neighbours = most_neighbours.max(step.neighbours.len());
            most_values = most_values.max(count(step.element));
            let table = step
                .neighbours
                .iter()
                .fold(count(step.element), |size, other| size * count(*other));
            largest = largest.max(table);
        }
        let how = match most_neighbours {
            0 => format!("element by element over {most_values} values"),
            1 => format!("by recursion over {most_values} values"),
            _ => format!("by elimination, tables of up to {largest} numbers"),
        };
        all.push(SummedOut {
            array: ArrayId(array.0),
            how,
        });
    }
    all
}
