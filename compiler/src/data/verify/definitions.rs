//! Each element defined once, and before it is read: which elements of the arrays that loops define are there so far.

use std::collections::{HashMap, HashSet};

use super::super::fold::{FoldError, Interpreter};
use super::super::loops::{ArrayId, ArrayKind, Loops, Node, Scalar, Statement};
use super::super::subscripts::subscripts_text;
use super::Verifier;
use crate::source::{Diagnostic, Span};

/// Arrays whose elements are defined in loops of the model, in an order that has to be followed.
pub(super) fn sequential(
    statements: &[Statement],
    loops: &Loops,
    inside: bool,
    tracked: &mut HashMap<ArrayId, Vec<bool>>,
) {
    for statement in statements {
        let array = match statement {
            Statement::For { body, .. } => {
                sequential(body, loops, true, tracked);
                continue;
            }
            Statement::If {
                then, otherwise, ..
            } => {
                sequential(then, loops, true, tracked);
                sequential(otherwise, loops, true, tracked);
                continue;
            }
            Statement::Store { array, indices, .. } if !indices.is_empty() => *array,
            Statement::Random(random) if !random.observed => random.variable,
            _ => continue,
        };
        let entry = loops.array(array);
        let plain = match statement {
            Statement::Store { indices, .. } => indices
                .iter()
                .all(|index| matches!(&*index.0, Node::Index(_))),
            Statement::Random(random) => random
                .indices
                .iter()
                .all(|index| matches!(&*index.0, Node::Index(_))),
            _ => true,
        };
        let defined_before = tracked.contains_key(&array);
        if (!plain || defined_before || matches!(entry.kind, ArrayKind::Random(_)) || inside)
            && !matches!(entry.kind, ArrayKind::Var)
        {
            tracked.insert(array, vec![false; entry.length()]);
        }
    }
}

impl Verifier<'_> {
    /// What only one branch of a choice draws, where an unknown chooses, would have no value in the other. `then` is what
    /// is defined after the first branch, [`Self::tracked`] what is after the second.
    pub(super) fn drawn_in_one(
        &mut self,
        then: &HashMap<ArrayId, Vec<bool>>,
        branches: [&[Statement]; 2],
    ) {
        let mut arrays: Vec<ArrayId> = then.keys().copied().collect();
        arrays.sort();
        for array in arrays {
            let entry = self.loops.array(array);
            if !matches!(entry.kind, ArrayKind::Random(_)) || then[&array] == self.tracked[&array] {
                continue;
            }
            let drawn = branches.iter().find_map(|branch| draw_of(branch, array));
            let span = drawn.unwrap_or(entry.span);
            if self.said.insert(span) {
                self.diagnostics.push(
                    Diagnostic::error(
                        "E0501",
                        format!("whether `{}` exists depends on an unknown", entry.name),
                    )
                    .at(span, "drawn in one branch of an `if` on an unknown")
                    .help("draw it in any case, above the `if`, and use it inside"),
                );
            }
        }
    }

    pub(super) fn define(
        &mut self,
        array: ArrayId,
        indices: &[Scalar],
        interpreter: &mut Interpreter,
    ) -> Result<(), FoldError> {
        for index in indices {
            self.scalar(index, interpreter)?;
        }
        let entry = self.loops.array(array);
        let Some(position) = self.position(array, indices, entry.span, interpreter)? else {
            return Ok(());
        };
        let block: usize = entry.shape[indices.len()..].iter().product();
        let Some(defined) = self.tracked.get_mut(&array) else {
            return Ok(());
        };
        let elements = &mut defined[position * block..(position + 1) * block];
        if elements.iter().any(|defined| *defined) && self.said.insert(entry.span) {
            let element = self.element_name(array, indices, interpreter);
            let diagnostic = Diagnostic::error("E0450", format!("`{element}` is defined twice"))
                .at(entry.span, "each element has one definition");
            let diagnostic = self.rounds_note(diagnostic, interpreter);
            self.diagnostics
                .push(diagnostic.help("let the ranges of the definitions not overlap"));
            return Ok(());
        }
        elements.fill(true);
        Ok(())
    }

    /// Random variables must be drawn whole.
    pub(super) fn complete(&mut self) {
        if !self.diagnostics.is_empty() {
            return;
        }
        let mut incomplete: Vec<(ArrayId, usize)> = self
            .tracked
            .iter()
            .filter(|(array, _)| matches!(self.loops.array(**array).kind, ArrayKind::Random(_)))
            .filter_map(|(array, defined)| {
                defined
                    .iter()
                    .position(|defined| !defined)
                    .map(|flat| (*array, flat))
            })
            .collect();
        incomplete.sort();
        for (array, flat) in incomplete {
            let entry = self.loops.array(array);
            let part = self.loops.parts.get(&array);
            let shape = part.map_or(&entry.shape, |part| &part.shape);
            let flat = part.map_or(flat, |part| part.elements[flat]);
            let indices = subscripts_text(flat, shape);
            self.diagnostics.push(
                Diagnostic::error(
                    "E0451",
                    format!("`{}[{indices}]` is never drawn", entry.name),
                )
                .at(entry.span, "some elements have no `~`")
                .help("give every element from 1 on a distribution, or a value in the data"),
            );
        }
    }
}

/// The arrays that statements define elements of.
pub(super) fn defined_arrays(statements: &[Statement], into: &mut HashSet<ArrayId>) {
    for statement in statements {
        match statement {
            Statement::For { body, .. } => defined_arrays(body, into),
            Statement::If {
                then, otherwise, ..
            } => {
                defined_arrays(then, into);
                defined_arrays(otherwise, into);
            }
            Statement::Store { array, .. } => drop(into.insert(*array)),
            Statement::Random(random) if !random.observed => drop(into.insert(random.variable)),
            _ => {}
        }
    }
}

/// The statement that draws elements of an array.
fn draw_of(statements: &[Statement], array: ArrayId) -> Option<Span> {
    statements.iter().find_map(|statement| match statement {
        Statement::For { body, .. } => draw_of(body, array),
        Statement::If {
            then, otherwise, ..
        } => draw_of(then, array).or_else(|| draw_of(otherwise, array)),
        Statement::Random(random) => {
            (!random.observed && random.variable == array).then_some(random.density.span)
        }
        _ => None,
    })
}
