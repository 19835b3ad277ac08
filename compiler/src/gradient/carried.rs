//! Whether a round of a loop uses what another round left in storage. If not, each round can run backwards right after
//! it has run forwards. Two cases are recognised as independent: a register that each round sets before using it, and
//! an array in which each round keeps to elements of its own, shown by writing every index as
//! `a · (index of the loop) + rest` with the same `a`, where `rest` moves over fewer than `a` elements.

use std::collections::BTreeMap;

use crate::math::graph::{Block, BufferId, BufferKind, Constant, Instruction, Value};
use crate::math::primitive::Operation;

use super::analysis::{Access, Analysis};

/// Whether rounds of a loop depend on one another through storage that depends on the position.
pub(super) fn depends_across_rounds(
    analysis: &Analysis,
    instruction: &Instruction,
    access: &Access,
) -> bool {
    let Instruction::Loop { index, body, .. } = instruction else {
        return false;
    };
    access.writes.keys().any(|&buffer| {
        let matters = analysis.is_active_buffer(buffer) && access.reads.contains_key(&buffer);
        matters
            && match analysis.graph.buffer(buffer).kind {
                BufferKind::Mutable => !is_set_first(analysis, body, buffer),
                _ => !keeps_to_its_own(analysis, body, buffer, *index),
            }
    })
}

/// Whether the first thing that a block does with a buffer is to set all of it.
fn is_set_first(analysis: &Analysis, body: &Block, buffer: BufferId) -> bool {
    let touches = |instruction: &&Instruction| {
        let access = analysis.access(instruction);
        access.reads.contains_key(&buffer) || access.writes.contains_key(&buffer)
    };
    match body.instructions.iter().find(touches) {
        Some(Instruction::Clear { .. }) => true,
        Some(Instruction::Store { .. }) => analysis.graph.buffer(buffer).length == 1,
        _ => false,
    }
}

/// Whether the elements that a round touches are touched by no other round.
fn keeps_to_its_own(analysis: &Analysis, body: &Block, buffer: BufferId, index: Value) -> bool {
    let mut places = Vec::new();
    collect(body, buffer, &mut places);
    let mut common: Option<(i64, BTreeMap<Value, i64>)> = None;
    let (mut lowest, mut highest) = (i64::MAX, i64::MIN);
    for (place, length) in places {
        let Some(mut linear) = Linear::of(analysis, place) else {
            return false;
        };
        let Some(stride) = linear.terms.remove(&index) else {
            return false;
        };
        let (mut low, mut high) = (linear.constant, linear.constant + length as i64 - 1);
        linear
            .terms
            .retain(|term, &mut factor| match analysis.bounds.get(term) {
                None => true,
                Some(&(lower, upper)) => {
                    low += (factor * lower).min(factor * upper);
                    high += (factor * lower).max(factor * upper);
                    false
                }
            });
        lowest = lowest.min(low);
        highest = highest.max(high);
        match &common {
            None => common = Some((stride, linear.terms)),
            Some(first) if *first == (stride, linear.terms) => {}
            Some(_) => return false,
        }
    }
    // What is left symbolic must be the same in all rounds.
    common.is_some_and(|(stride, symbols)| {
        let outside = symbols
            .keys()
            .all(|&symbol| !is_inside(analysis, symbol, body));
        outside && highest - lowest < stride.abs()
    })
}

fn is_inside(analysis: &Analysis, value: Value, body: &Block) -> bool {
    let body = analysis.id(body);
    let mut block = Some(analysis.home(value));
    while let Some(id) = block {
        if id == body {
            return true;
        }
        block = analysis.parent(id);
    }
    false
}

/// The first elements and lengths of all accesses to a buffer.
fn collect(block: &Block, buffer: BufferId, places: &mut Vec<(Value, usize)>) {
    for instruction in &block.instructions {
        match instruction {
            Instruction::Load {
                buffer: touched,
                index,
                ..
            }
            | Instruction::Store {
                buffer: touched,
                index,
                ..
            }
            | Instruction::Accumulate {
                buffer: touched,
                index,
                ..
            } if *touched == buffer => {
                places.push((*index, 1));
            }
            Instruction::Dense {
                inputs, outputs, ..
            } => {
                let regions = inputs.iter().chain(outputs);
                let touching = regions.filter(|region| region.buffer == buffer);
                places.extend(touching.map(|region| (region.offset, region.length)));
            }
            Instruction::Loop { body, .. } => collect(body, buffer, places),
            Instruction::If {
                then, otherwise, ..
            } => {
                collect(then, buffer, places);
                collect(otherwise, buffer, places);
            }
            _ => {}
        }
    }
}

/// A constant and whole multiples of values.
#[derive(Clone, Default)]
struct Linear {
    constant: i64,
    terms: BTreeMap<Value, i64>,
}

impl Linear {
    /// Index arithmetic is shallow; what is nested deeper than this stays symbolic.
    const DEPTH: usize = 32;

    fn of(analysis: &Analysis, value: Value) -> Option<Linear> {
        Self::within(analysis, value, Self::DEPTH)
    }

    fn within(analysis: &Analysis, value: Value, depth: usize) -> Option<Linear> {
        use Operation::{IntAdd, IntMultiply, IntNegate, IntSubtract};
        let symbol = || Linear {
            constant: 0,
            terms: BTreeMap::from([(value, 1)]),
        };
        let part = |value| {
            if depth == 0 {
                None
            } else {
                Self::within(analysis, value, depth - 1)
            }
        };
        match analysis.definition(value) {
            Some(Instruction::Constant {
                constant: Constant::Int(constant),
                ..
            }) => Some(Linear {
                constant: *constant,
                terms: BTreeMap::new(),
            }),
            Some(Instruction::Scalar {
                operation,
                arguments,
                ..
            }) => match operation {
                IntAdd => part(arguments[0])?.plus(&part(arguments[1])?, 1),
                IntSubtract => part(arguments[0])?.plus(&part(arguments[1])?, -1),
                IntNegate => Linear::default().plus(&part(arguments[0])?, -1),
                IntMultiply => {
                    let (a, b) = (part(arguments[0])?, part(arguments[1])?);
                    if a.terms.is_empty() {
                        Linear::default().plus(&b, a.constant)
                    } else if b.terms.is_empty() {
                        Linear::default().plus(&a, b.constant)
                    } else {
                        Some(symbol())
                    }
                }
                _ => Some(symbol()),
            },
            _ => Some(symbol()),
        }
    }

    fn plus(mut self, other: &Linear, factor: i64) -> Option<Linear> {
        self.constant = self
            .constant
            .checked_add(other.constant.checked_mul(factor)?)?;
        for (&term, &multiple) in &other.terms {
            let sum = self.terms.entry(term).or_insert(0);
            *sum = sum.checked_add(multiple.checked_mul(factor)?)?;
        }
        self.terms.retain(|_, multiple| *multiple != 0);
        Some(self)
    }
}
