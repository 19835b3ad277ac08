//! In which order the discrete unknowns are summed out. Each step removes one element: it adds up everything that still
//! mentions the element, sums over its values, and leaves a *message* to its remaining neighbours. The element with the
//! fewest neighbours goes first (the first of them in a chain, which makes the forward recursion). Steps that do the same
//! with other numbers are run by one loop.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::loops::Loops;
use super::ground::{ElementId, Elements, Family, Values};
use crate::source::Diagnostic;

/// Where a table comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Source {
    /// A family of factors.
    Family(usize),
    /// Messages of one shape.
    Pool(usize),
}

/// A table used in a step: where it comes from, which item of it, and the elements at its positions.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub source: Source,
    pub item: usize,
    pub scope: Vec<ElementId>,
}

/// The removal of one element.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub element: ElementId,
    pub inputs: Vec<Input>,
    pub neighbours: Vec<ElementId>,
    /// The message it leaves: its pool and its number there. None if it ends a component.
    pub message: Option<(usize, usize)>,
    /// The connected set of elements it belongs to.
    pub component: usize,
}

/// Steps in a possible order.
#[derive(Default)]
pub(super) struct Elimination {
    pub steps: Vec<Step>,
    /// The shape of the messages of each pool, and how many there are.
    pub pools: Vec<(Vec<Values>, usize)>,
}

/// The components of the elements, by what couples them.
pub(super) fn components(elements: &Elements, families: &[Family]) -> Vec<usize> {
    let mut parent: Vec<usize> = (0..elements.values.len()).collect();
    fn root(parent: &mut [usize], mut i: usize) -> usize {
        while parent[i] != i {
            parent[i] = parent[parent[i]];
            i = parent[i];
        }
        i
    }
    for item in families.iter().flat_map(|family| &family.items) {
        for pair in item.scope.windows(2) {
            let (a, b) = (
                root(&mut parent, pair[0] as usize),
                root(&mut parent, pair[1] as usize),
            );
            let (low, high) = (a.min(b), a.max(b));
            parent[high] = low;
        }
    }
    (0..parent.len()).map(|i| root(&mut parent, i)).collect()
}

/// Removes all elements of the components that `wanted` names, using the families that `usable` names.
pub(super) fn eliminate(
    loops: &Loops,
    elements: &Elements,
    families: &[Family],
    components: &[usize],
    wanted: &dyn Fn(usize) -> bool,
    usable: &dyn Fn(usize) -> bool,
    span: crate::source::Span,
) -> Result<Elimination, Diagnostic> {
    let mut open: Vec<Vec<Input>> = vec![Vec::new(); elements.values.len()];
    let mut neighbours: Vec<BTreeSet<ElementId>> = vec![BTreeSet::new(); elements.values.len()];
    for (number, family) in families.iter().enumerate() {
        if !usable(number) {
            continue;
        }
        for (item, found) in family.items.iter().enumerate() {
            if !wanted(components[found.scope[0] as usize]) {
                continue;
            }
            // An input waits with the first of its elements; it is found from the others through the neighbours.
            for &element in &found.scope {
                open[element as usize].push(Input {
                    source: Source::Family(number),
                    item,
                    scope: found.scope.clone(),
                });
                for &other in &found.scope {
                    if other != element {
                        neighbours[element as usize].insert(other);
                    }
                }
            }
        }
    }
    let mut members: BTreeMap<usize, Vec<ElementId>> = BTreeMap::new();
    for (element, &component) in components.iter().enumerate() {
        if elements.values[element].is_some() && wanted(component) {
            members
                .entry(component)
                .or_default()
                .push(element as ElementId);
        }
    }
    let mut result = Elimination::default();
    let mut pools: HashMap<Vec<Values>, usize> = HashMap::new();
    let values = |element: ElementId| elements.values[element as usize].expect("it has a law");
    for (component, members) in members {
        let mut queue: BTreeSet<(usize, ElementId)> = members
            .into_iter()
            .map(|element| (neighbours[element as usize].len(), element))
            .collect();
        while let Some((_, element)) = queue.pop_first() {
            let inputs = std::mem::take(&mut open[element as usize]);
            let around: Vec<ElementId> = std::mem::take(&mut neighbours[element as usize])
                .into_iter()
                .collect();
            let size = around.iter().fold(values(element).count, |size, other| {
                size.saturating_mul(values(*other).count)
            });
            if size > super::LARGEST_TABLE {
                let coupled: Vec<ElementId> = [element].iter().chain(&around).copied().collect();
                let names: Vec<String> = coupled
                    .iter()
                    .map(|element| elements.name(loops, *element))
                    .collect();
                let counts: Vec<usize> = coupled
                    .iter()
                    .map(|element| values(*element).count)
                    .collect();
                return Err(super::too_large(&names, &counts, span));
            }
            for input in &inputs {
                for other in input.scope.iter().filter(|other| **other != element) {
                    open[*other as usize]
                        .retain(|kept| kept.source != input.source || kept.item != input.item);
                }
            }
            for &other in &around {
                let set = &mut neighbours[other as usize];
                let before = set.len();
                set.remove(&element);
                set.extend(around.iter().copied().filter(|third| *third != other));
                let after = set.len();
                queue.remove(&(before, other));
                queue.insert((after, other));
            }
            let message = (!around.is_empty()).then(|| {
                let dims: Vec<Values> = around.iter().map(|other| values(*other)).collect();
                let next = result.pools.len();
                let pool = *pools.entry(dims.clone()).or_insert(next);
                if pool == next {
                    result.pools.push((dims, 0));
                }
                let number = result.pools[pool].1;
                result.pools[pool].1 += 1;
                for &other in &around {
                    open[other as usize].push(Input {
                        source: Source::Pool(pool),
                        item: number,
                        scope: around.clone(),
                    });
                }
                (pool, number)
            });
            result.steps.push(Step {
                element,
                inputs,
                neighbours: around,
                message,
                component,
            });
        }
    }
    Ok(result)
}

/// How often a step has a one-element input of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Multiplicity {
    /// Once.
    One,
    /// Any number of times.
    Many,
}

/// What steps must have in common to be run by one loop.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Class {
    /// The first element of the array whose elements are removed.
    pub array: ElementId,
    pub values: Values,
    /// Sources of tables over the element alone.
    pub alone: Vec<(Source, Multiplicity)>,
    /// Sources of other tables, with what stands at their positions: 0 is the element, k its k-th neighbour.
    pub coupled: Vec<(Source, Vec<usize>)>,
    /// The values of the neighbours.
    pub neighbours: Vec<Values>,
    /// What becomes of the result of a component.
    pub ending: usize,
}

/// Steps of one class that one loop runs, in order.
pub(super) struct Run {
    pub class: Class,
    pub steps: Vec<usize>,
    /// Whether a step may use a message of an earlier step of the run.
    pub is_sequential: bool,
}

/// Sorts steps into runs. `ending` says what becomes of the result of a component.
pub(super) fn runs(
    elimination: &Elimination,
    elements: &Elements,
    families: &[Family],
    ending: &dyn Fn(usize) -> usize,
) -> Vec<Run> {
    let steps = &elimination.steps;
    let array_of = |element: ElementId| {
        let (array, _) = elements.place(element);
        elements
            .arrays
            .iter()
            .find(|(id, _)| *id == array)
            .map_or(0, |(_, first)| *first)
    };
    // Sources that some element of an array has several times, or whose items add up entries.
    let mut many: BTreeSet<(Source, ElementId)> = BTreeSet::new();
    let alone_counts = |step: &Step| {
        let mut counts: BTreeMap<Source, usize> = BTreeMap::new();
        for input in step.inputs.iter().filter(|input| input.scope.len() == 1) {
            let entries = match input.source {
                Source::Family(family) => families[family].items[input.item].entries.len(),
                Source::Pool(_) => 1,
            };
            *counts.entry(input.source).or_insert(0) += entries;
        }
        counts
    };
    for step in steps {
        for (source, count) in alone_counts(step) {
            if count > 1 {
                many.insert((source, array_of(step.element)));
            }
        }
    }
    let mut classes: BTreeMap<Class, usize> = BTreeMap::new();
    let mut class_of = Vec::new();
    let mut listed: Vec<(Class, Vec<usize>)> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let array = array_of(step.element);
        let counts = alone_counts(step);
        let mut alone: Vec<(Source, Multiplicity)> = counts
            .keys()
            .filter(|source| !many.contains(&(**source, array)))
            .map(|source| (*source, Multiplicity::One))
            .collect();
        alone.extend(
            many.iter()
                .filter(|(_, of)| *of == array)
                .map(|(source, _)| (*source, Multiplicity::Many)),
        );
        alone.sort();
        let mut coupled: Vec<(Source, Vec<usize>)> = step
            .inputs
            .iter()
            .filter(|input| input.scope.len() > 1)
            .map(|input| (input.source, positions(step, &input.scope)))
            .collect();
        coupled.sort();
        let value = |element: ElementId| elements.values[element as usize].expect("it has a law");
        let class = Class {
            array,
            values: value(step.element),
            alone,
            coupled,
            neighbours: step.neighbours.iter().map(|other| value(*other)).collect(),
            ending: if step.message.is_none() {
                ending(step.component)
            } else {
                0
            },
        };
        let next = listed.len();
        let class_number = *classes.entry(class.clone()).or_insert(next);
        if class_number == next {
            listed.push((class, Vec::new()));
        }
        listed[class_number].1.push(number);
        class_of.push(class_number);
    }
    schedule(elimination, listed, &class_of)
}

/// What stands at the positions of an input: 0 is the element of the step, k its k-th neighbour.
pub(super) fn positions(step: &Step, scope: &[ElementId]) -> Vec<usize> {
    scope
        .iter()
        .map(|element| match *element == step.element {
            true => 0,
            false => {
                let at = step.neighbours.iter().position(|other| other == element);
                at.expect("what an input mentions is a neighbour") + 1
            }
        })
        .collect()
}

/// Runs as long as possible, each after the messages it needs.
fn schedule(
    elimination: &Elimination,
    listed: Vec<(Class, Vec<usize>)>,
    class_of: &[usize],
) -> Vec<Run> {
    let steps = &elimination.steps;
    let mut producer: HashMap<(usize, usize), usize> = HashMap::new();
    for (number, step) in steps.iter().enumerate() {
        if let Some(message) = step.message {
            producer.insert(message, number);
        }
    }
    let needs: Vec<Vec<usize>> = steps
        .iter()
        .map(|step| {
            step.inputs
                .iter()
                .filter_map(|input| match input.source {
                    Source::Pool(pool) => producer.get(&(pool, input.item)).copied(),
                    Source::Family(_) => None,
                })
                .collect()
        })
        .collect();
    let mut done = vec![false; steps.len()];
    let mut waiting: Vec<Vec<usize>> = listed.iter().map(|(_, steps)| steps.clone()).collect();
    let mut runs = Vec::new();
    while waiting.iter().any(|steps| !steps.is_empty()) {
        let mut best: Option<(usize, Vec<usize>)> = None;
        for (class, candidates) in waiting.iter().enumerate() {
            if best
                .as_ref()
                .is_some_and(|(_, run)| run.len() >= candidates.len())
            {
                continue;
            }
            let mut taken: BTreeSet<usize> = BTreeSet::new();
            for &candidate in candidates {
                let is_ready = needs[candidate]
                    .iter()
                    .all(|need| done[*need] || class_of[*need] == class && taken.contains(need));
                if is_ready {
                    taken.insert(candidate);
                }
            }
            if best.as_ref().is_none_or(|(_, run)| taken.len() > run.len()) {
                best = Some((class, taken.into_iter().collect()));
            }
        }
        let (class, run) = best.expect("the first step that waits is ready");
        let is_sequential = run
            .iter()
            .any(|step| needs[*step].iter().any(|need| !done[*need]));
        for step in &run {
            done[*step] = true;
        }
        waiting[class].retain(|step| !done[*step]);
        runs.push(Run {
            class: listed[class].0.clone(),
            steps: run,
            is_sequential,
        });
    }
    runs
}
