//! Factors with the data: which elements each round of a factor couples. Rounds that couple elements with supports of the
//! same sizes form a *family*, whose log densities make one table; rounds of a family that couple the same elements form
//! one *item*, because their tables add up.

use std::collections::{BTreeSet, HashMap};

use super::super::fold::{FoldError, Interpreter, free_indices};
use super::super::loops::{ArrayId, IndexId, Loops, Scalar};
use super::super::pull::substitute;
use super::super::subscripts::subscripts_text;
use super::factors::{Factor, Own};
use crate::source::Diagnostic;

/// An element of a discrete unknown, counted over all of them.
pub(super) type ElementId = u32;

/// The values of an element: `lower`, `lower + 1`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Values {
    pub lower: i64,
    pub count: usize,
}

/// All elements of the discrete unknowns.
pub(super) struct Elements {
    /// The arrays with the number of their first element.
    pub arrays: Vec<(ArrayId, ElementId)>,
    /// The values of each element; none for elements that have no law.
    pub values: Vec<Option<Values>>,
}

impl Elements {
    /// The array of an element and its position in it.
    pub fn place(&self, element: ElementId) -> (ArrayId, usize) {
        let at = self
            .arrays
            .partition_point(|(_, first)| *first <= element)
            .saturating_sub(1);
        let (array, first) = self.arrays[at];
        (array, (element - first) as usize)
    }

    /// `z[3]`, for people.
    pub fn name(&self, loops: &Loops, element: ElementId) -> String {
        let (array, flat) = self.place(element);
        let array = loops.array(array);
        match array.shape.is_empty() {
            true => array.name.clone(),
            false => format!("{}[{}]", array.name, subscripts_text(flat, &array.shape)),
        }
    }
}

/// Rounds of a factor that couple elements alike.
pub(super) struct Family {
    /// The factor.
    pub factor: usize,
    /// The index that stands for the value at each position.
    pub values: Vec<IndexId>,
    /// The values at each position.
    pub dims: Vec<Values>,
    /// The log density over those indices and the binders of `used`.
    pub value: Scalar,
    /// Positions of the factor's binders on which the log density depends.
    pub used: Vec<usize>,
    /// The settings of those binders; each has a table of its own.
    pub entries: Vec<Vec<i64>>,
    /// What is coupled.
    pub items: Vec<Item>,
}

impl Family {
    /// Which observed value an entry is: the number of its observation, and that of its draw there. None for indices outside
    /// the data, of which another stage tells.
    pub fn observation(
        &self,
        loops: &Loops,
        factor: &Factor,
        entry: usize,
        interpreter: &mut Interpreter,
    ) -> Option<(u32, usize)> {
        for (&position, &value) in self.used.iter().zip(&self.entries[entry]) {
            interpreter.set_index(factor.binders[position].index, value);
        }
        let (number, indices) = factor.observation.as_ref()?;
        let shape = &loops.observations[*number as usize].shape;
        let mut unit = 0;
        for (index, length) in indices.iter().zip(shape) {
            let index = interpreter.value(index).ok()?;
            unit = unit * length + (index as usize).checked_sub(1)?;
        }
        Some((*number, unit))
    }
}

/// Some elements that a family couples.
pub(super) struct Item {
    /// The elements, by position.
    pub scope: Vec<ElementId>,
    /// The entries that add up.
    pub entries: Vec<u32>,
}

/// The elements of all discrete unknowns.
pub(super) fn elements(
    loops: &Loops,
    factors: &[Factor],
    discrete: &std::collections::HashSet<ArrayId>,
) -> Result<Elements, Diagnostic> {
    let mut arrays: Vec<ArrayId> = discrete.iter().copied().collect();
    arrays.sort();
    let mut first = 0;
    let mut numbered = Vec::new();
    for array in arrays {
        numbered.push((array, first as ElementId));
        first += loops.array(array).length();
    }
    let mut elements = Elements {
        arrays: numbered,
        values: vec![None; first],
    };
    for factor in factors {
        let Some(Own { slot, lower, upper }) = &factor.own else {
            continue;
        };
        let (slot, mut outcome) = (&factor.slots[*slot], Ok(()));
        let mut interpreter = Interpreter::new(loops);
        let walked = rounds(factor, &mut interpreter, &mut |interpreter| {
            let element = element_of(loops, &elements, slot.array, &slot.indices, interpreter)?;
            let (lower, upper) = (interpreter.value(lower)?, interpreter.value(upper)?);
            let (lower, upper) = (lower.ceil(), upper.floor());
            if !(lower.is_finite() && upper.is_finite()) || upper < lower {
                let name = elements.name(loops, element);
                outcome = Err(if upper < lower {
                    Diagnostic::error("E0431", format!("`{name}` has no possible value: nothing lies between {lower} and {upper}"))
                        .at(factor.span, "")
                        .help("look at the bounds of its law")
                } else {
                    infinite(&name, factor.span)
                });
                return Ok(());
            }
            let count = (upper - lower) as usize + 1;
            if count > super::LARGEST_TABLE {
                let name = elements.name(loops, element);
                outcome = Err(super::too_large(&[name], &[count], factor.span));
                return Ok(());
            }
            elements.values[element as usize] = Some(Values {
                lower: lower as i64,
                count,
            });
            Ok(())
        });
        walked.map_err(|error| failed(error, factor))?;
        outcome?;
    }
    Ok(elements)
}

/// The message for an unknown with infinitely many values.
pub fn infinite(name: &str, span: crate::source::Span) -> Diagnostic {
    Diagnostic::error(
        "E0435",
        format!("`{name}` is unknown and whole-numbered, and has infinitely many possible values"),
    )
    .at(span, "something observed depends on it")
    .help("the sum over its values must be finite: bound them, for instance by `truncated(0, 100)`")
}

fn failed(error: FoldError, factor: &Factor) -> Diagnostic {
    let diagnostic = match error {
        FoldError::OutOfRange { index, length, .. } => Diagnostic::error(
            "E0420",
            format!("index {index} is outside an array of length {length}"),
        )
        .help("change the range of the loop, or the index"),
        other => super::super::expand::without_place(other),
    };
    diagnostic.at(factor.span, "")
}

/// Runs through the rounds of a factor that count.
fn rounds(
    factor: &Factor,
    interpreter: &mut Interpreter,
    visit: &mut dyn FnMut(&mut Interpreter) -> Result<(), FoldError>,
) -> Result<(), FoldError> {
    interpreter.for_each(&factor.binders, &mut |interpreter| {
        for guard in &factor.guards {
            if interpreter.value(guard)? == 0.0 {
                return Ok(());
            }
        }
        visit(interpreter)
    })
}

fn element_of(
    loops: &Loops,
    elements: &Elements,
    array: ArrayId,
    indices: &[Scalar],
    interpreter: &mut Interpreter,
) -> Result<ElementId, FoldError> {
    let shape = &loops.array(array).shape;
    let mut flat = 0;
    for (index, &length) in indices.iter().zip(shape) {
        let index = interpreter.value(index)? as i64;
        if index < 1 || index as usize > length {
            return Err(FoldError::OutOfRange {
                array,
                index,
                length,
                span: Default::default(),
            });
        }
        flat = flat * length + (index as usize - 1);
    }
    let first = elements
        .arrays
        .iter()
        .find(|(id, _)| *id == array)
        .map_or(0, |(_, first)| *first);
    Ok(first + flat as ElementId)
}

/// The families of all factors.
pub(super) fn families(
    loops: &Loops,
    factors: &[Factor],
    elements: &Elements,
) -> Result<Vec<Family>, Diagnostic> {
    let mut families = Vec::new();
    for (number, factor) in factors.iter().enumerate() {
        let mut here = Grounding::default();
        let mut outcome = Ok(());
        let used = used_binders(factor);
        let mut interpreter = Interpreter::new(loops);
        let walked = rounds(factor, &mut interpreter, &mut |interpreter| {
            let mut scope = Vec::new();
            for slot in &factor.slots {
                let element = element_of(loops, elements, slot.array, &slot.indices, interpreter)?;
                if elements.values[element as usize].is_none() {
                    let name = elements.name(loops, element);
                    outcome = Err(Diagnostic::error(
                        "E0421",
                        format!("`{name}` is used before it is defined"),
                    )
                    .at(factor.span, "used here")
                    .help("define every element that is used, above this place"));
                    return Ok(());
                }
                scope.push(element);
            }
            let entry: Vec<i64> = used
                .iter()
                .map(|&position| interpreter.index(factor.binders[position].index))
                .collect();
            here.add(scope, entry, elements);
            Ok(())
        });
        walked.map_err(|error| failed(error, factor))?;
        outcome?;
        families.extend(here.finish(loops, number, factor, &used));
    }
    Ok(families)
}

/// Which binders the log density depends on, with those that their ranges and the conditions of the rounds depend on.
fn used_binders(factor: &Factor) -> Vec<usize> {
    let mut wanted: BTreeSet<IndexId> = free_indices(&factor.value).into_iter().collect();
    for index in factor.observation.iter().flat_map(|(_, indices)| indices) {
        wanted.extend(free_indices(index));
    }
    if !wanted.is_empty() {
        for guard in &factor.guards {
            wanted.extend(free_indices(guard));
        }
    }
    for binder in factor.binders.iter().rev() {
        if wanted.contains(&binder.index) {
            wanted.extend(free_indices(&binder.lower));
            wanted.extend(free_indices(&binder.upper));
        }
    }
    (0..factor.binders.len())
        .filter(|&position| wanted.contains(&factor.binders[position].index))
        .collect()
}

/// Which position stands for each slot (slots that are the same element share one), and the values at each position.
type Pattern = (Vec<usize>, Vec<Values>);

/// The rounds of a factor while they are sorted.
#[derive(Default)]
struct Grounding {
    patterns: Vec<Pattern>,
    numbers: HashMap<Pattern, usize>,
    families: Vec<Sorted>,
}

#[derive(Default)]
struct Sorted {
    entries: Vec<Vec<i64>>,
    entry_numbers: HashMap<Vec<i64>, u32>,
    items: Vec<Item>,
    item_numbers: HashMap<Vec<ElementId>, usize>,
}

impl Grounding {
    fn add(&mut self, scope: Vec<ElementId>, entry: Vec<i64>, elements: &Elements) {
        let mut distinct: Vec<ElementId> = Vec::new();
        let mut positions = Vec::new();
        for element in scope {
            let known = distinct.iter().position(|other| *other == element);
            positions.push(known.unwrap_or(distinct.len()));
            if known.is_none() {
                distinct.push(element);
            }
        }
        let dims = distinct
            .iter()
            .map(|&element| elements.values[element as usize].expect("checked above"))
            .collect();
        let pattern = (positions, dims);
        let number = match self.numbers.get(&pattern) {
            Some(number) => *number,
            None => {
                self.numbers.insert(pattern.clone(), self.patterns.len());
                self.patterns.push(pattern);
                self.families.push(Sorted::default());
                self.patterns.len() - 1
            }
        };
        let family = &mut self.families[number];
        let entry = match family.entry_numbers.get(&entry) {
            Some(number) => *number,
            None => {
                let number = family.entries.len() as u32;
                family.entry_numbers.insert(entry.clone(), number);
                family.entries.push(entry);
                number
            }
        };
        match family.item_numbers.get(&distinct) {
            Some(&item) => family.items[item].entries.push(entry),
            None => {
                family
                    .item_numbers
                    .insert(distinct.clone(), family.items.len());
                family.items.push(Item {
                    scope: distinct,
                    entries: vec![entry],
                });
            }
        }
    }

    fn finish(self, loops: &Loops, number: usize, factor: &Factor, used: &[usize]) -> Vec<Family> {
        self.patterns
            .into_iter()
            .zip(self.families)
            .map(|((positions, dims), sorted)| {
                let mut values: Vec<IndexId> = Vec::new();
                let mut map = HashMap::new();
                for (slot, &position) in factor.slots.iter().zip(&positions) {
                    if position == values.len() {
                        values.push(slot.value);
                    } else {
                        map.insert(slot.value, Scalar::index(values[position]));
                    }
                }
                // A support of one value needs no index.
                for (value, dim) in values.iter().zip(&dims) {
                    if dim.count == 1 {
                        map.insert(*value, Scalar::int(dim.lower));
                    }
                }
                let value = match map.is_empty() {
                    true => factor.value.clone(),
                    false => substitute(&loops.arrays, &factor.value, &map),
                };
                Family {
                    factor: number,
                    values,
                    dims,
                    value,
                    used: used.to_vec(),
                    entries: sorted.entries,
                    items: sorted.items,
                }
            })
            .collect()
    }
}
