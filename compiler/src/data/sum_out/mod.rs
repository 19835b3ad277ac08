//! Discrete unknowns are summed out. A latent variable with finitely many values disappears from the density by adding up
//! the densities of all its values (Zhang & Poole 1996: variable elimination); along a chain this is the forward
//! recursion of hidden Markov models. It is drawn afterwards from its law given everything else, which loses nothing.
//!
//! Statements that read discrete unknowns become *factors* (`factors.rs`, `resolve.rs`, `definitions.rs`); with the data their rounds become items that
//! couple elements (`ground.rs`); an order of removal is chosen and cut into runs of equal steps (`order.rs`), which
//! become loops again (`emit.rs`, `recover.rs`). So loops stay loops: a mixture over a million rows is one loop.
//!
//! A connected set of unknowns adds to both parts: the log of the sum of prior densities to the prior, and what the
//! likelihood changes of that log to the likelihood. A weight of the likelihood therefore stands outside the sum.

mod definitions;
mod emit;
mod factors;
pub mod ground;
mod order;
mod recover;
mod resolve;
mod rounds;
mod taint;

use std::collections::HashMap;

use super::fold::Interpreter;
use super::interval::Ranges;
use super::loops::{ArrayId, CoupledObservation, Loops, Scalar, Statement, SummedOut};
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};
use emit::Emitter;
use factors::{Factor, Factors};
use ground::{Elements, Family};
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

/// What becomes of the sum over a connected set of unknowns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Its factors are laws that sum to one.
    Nothing,
    /// It adds to the likelihood.
    Likelihood,
    /// It adds to the prior: nothing observed is part of it.
    Prior,
    /// Both: the prior's share is a sum of its own.
    Both,
}

/// Sums out the discrete unknowns of a program.
///
/// # Errors
/// For unknowns whose sum is infinite, too large, or of no finite structure that the data fix.
pub fn sum_out(loops: &mut Loops, ranges: &mut Ranges) -> Result<(), Diagnostic> {
    let taint = Taint::of(loops);
    if taint.discrete.is_empty() {
        return Ok(());
    }
    rounds::keep_rounds(loops, ranges, &taint)?;
    let taint = Taint::of(loops);
    taint.keep_natural(&mut loops.statements);
    let original = loops.statements.clone();
    let Factors {
        factors,
        setup,
        rest,
    } = factors::factors(loops, ranges, &taint)?;
    let elements = ground::elements(loops, &factors, &taint.discrete)?;
    let families = ground::families(loops, &factors, &elements)?;
    let components = order::components(&elements, &families);
    let endings = endings(&factors, &families, &components);
    let span = factors.first().map_or(Span::default(), |f| f.span);
    let ending = |component: usize| endings.get(&component).map_or(Ending::Nothing, |e| e.0);
    let described = |component: usize| endings.get(&component).map_or(0, |e| e.1);

    let joint = order::eliminate(
        loops,
        &elements,
        &families,
        &components,
        &|_| true,
        &|_| true,
        span,
    )?;
    let prior = order::eliminate(
        loops,
        &elements,
        &families,
        &components,
        &|component| ending(component) == Ending::Both,
        &|family| factors[families[family].factor].is_prior,
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
        ending(component) as usize
            + 4 * (described(component) as usize + loops.descriptions.len() * family)
    };
    let joint_runs = order::runs(&joint, &elements, &families, &code);
    let prior_runs = order::runs(&prior, &elements, &families, &code);
    if joint_runs.len() + prior_runs.len() > MOST_RUNS {
        return Err(irregular(&elements, loops, span));
    }
    let summaries = summaries(&elements, &joint);

    let spans: HashMap<u32, Span> = factors.iter().map(|f| (f.description, f.span)).collect();
    let mut terms = Vec::new();
    let mut emitter = Emitter::new(loops, ranges, &factors, &families, &elements);
    // Without the likelihood a connected set may fall apart: each of its pieces has a sum.
    let mut pieces: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut number_of: HashMap<u32, i64> = HashMap::new();
    for step in prior.steps.iter().filter(|step| step.message.is_none()) {
        let number = number_of.len();
        number_of.insert(step.element, number as i64 + 1);
        pieces.entry(step.component).or_default().push(number);
    }
    let sums = emitter.array("prior_sums", vec![number_of.len()], span);
    emitter.eliminate(&prior, &prior_runs, &mut |emitter, frame, value, round| {
        let description = described(frame.steps[0].component);
        let numbers: Vec<i64> = frame
            .steps
            .iter()
            .map(|step| number_of[&step.element])
            .collect();
        let at = emitter.pick("piece", &numbers, &frame.number);
        let store = Statement::Store {
            array: sums,
            indices: vec![at.clone()],
            value,
        };
        let binders = round.iter().cloned().collect();
        emitter
            .tables
            .extend(emit::loops_around(vec![store], binders));
        let value = emit::element(sums, vec![at]);
        let span = spans[&description];
        terms.push(emit::term(value, true, None, (description, span), round));
    });
    let pools = emitter.eliminate(&joint, &joint_runs, &mut |emitter, frame, value, round| {
        let component = frame.steps[0].component;
        let description = described(component);
        let (value, is_prior) = match ending(component) {
            Ending::Nothing => return,
            Ending::Likelihood => (value, false),
            Ending::Prior => (value, true),
            Ending::Both => {
                let lists: Vec<Vec<usize>> = frame
                    .steps
                    .iter()
                    .map(|step| pieces[&step.component].clone())
                    .collect();
                let prior = emitter.sum_over(&lists, &frame.number, &mut |piece| {
                    emit::element(sums, vec![piece])
                });
                let change = Scalar::operation(Operation::Subtract, vec![value, prior]);
                (change, false)
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
        let named = (description, spans[&description]);
        terms.push(emit::term(value, is_prior, found, named, round));
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

/// What becomes of each component, and the statement it is reported under.
fn endings(
    factors: &[Factor],
    families: &[Family],
    components: &[usize],
) -> HashMap<usize, (Ending, u32)> {
    let mut endings: HashMap<usize, (Ending, u32)> = HashMap::new();
    for family in families {
        let factor = &factors[family.factor];
        for item in &family.items {
            let entry = endings
                .entry(components[item.scope[0] as usize])
                .or_insert((Ending::Nothing, factor.description));
            let after = match (entry.0, factor.is_prior, factor.own.is_some()) {
                (before, true, true) => before,
                (Ending::Nothing | Ending::Prior, true, false) => Ending::Prior,
                (_, true, false) => Ending::Both,
                (Ending::Nothing | Ending::Likelihood, false, _) => Ending::Likelihood,
                (_, false, _) => Ending::Both,
            };
            if after != entry.0 && (entry.0 == Ending::Nothing || !factor.is_prior) {
                entry.1 = factor.description;
            }
            entry.0 = after;
        }
    }
    endings
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
