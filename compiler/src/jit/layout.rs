//! Where buffers lie: data at offsets in one arena that all programs of a model share (the same array is stored once),
//! scratch at offsets in one allocation, registers in no memory at all. Everything starts on a cache line.

use std::collections::HashMap;
use std::sync::Arc;

use crate::math::graph::{Block, BufferId, BufferKind, Graph, Instruction};

/// Alignment of every buffer, in bytes: a cache line, and the widest vector.
pub(super) const ALIGNMENT: usize = 64;

/// Where a buffer lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Position,
    Gradient,
    Given,
    Output,
    /// Byte offset in the arena of data.
    Data(usize),
    /// Byte offset in scratch.
    Scratch(usize),
    /// One element, in a machine register.
    Register,
}

/// The arena of data while it grows.
#[derive(Default)]
pub(super) struct Arena {
    contents: Vec<Contents>,
    known: HashMap<usize, usize>,
    length: usize,
}

enum Contents {
    Real(Arc<[f64]>),
    Int(Arc<[i64]>),
}

/// The places of one program's buffers.
pub(super) struct Layout {
    pub places: Vec<Place>,
    /// Bytes of scratch.
    pub scratch: usize,
}

impl Layout {
    pub fn new(graph: &Graph, arena: &mut Arena) -> Layout {
        let mut in_dense = vec![false; graph.buffers.len()];
        find_dense(&graph.body, &mut in_dense);
        let mut scratch = 0;
        let mut places = Vec::with_capacity(graph.buffers.len());
        for (index, buffer) in graph.buffers.iter().enumerate() {
            places.push(match &buffer.kind {
                BufferKind::Position => Place::Position,
                BufferKind::Gradient => Place::Gradient,
                BufferKind::Given => Place::Given,
                BufferKind::Output => Place::Output,
                BufferKind::RealData(data) => Place::Data(arena.real(data)),
                BufferKind::IntData(data) => Place::Data(arena.int(data)),
                BufferKind::Local | BufferKind::Mutable => {
                    if buffer.length == 1 && !in_dense[index] {
                        Place::Register
                    } else {
                        Place::Scratch(reserve(&mut scratch, buffer.length))
                    }
                }
            });
        }
        Layout { places, scratch }
    }

    pub fn place(&self, buffer: BufferId) -> Place {
        self.places[buffer.0 as usize]
    }
}

/// Reserves room for so many eight-byte elements and one more: a load that was taken out of a loop which turns out to
/// have no rounds may look one element too far.
pub(super) fn reserve(total: &mut usize, elements: usize) -> usize {
    let offset = *total;
    *total = (offset + 8 * (elements + 1)).next_multiple_of(ALIGNMENT);
    offset
}

fn find_dense(block: &Block, found: &mut [bool]) {
    for instruction in &block.instructions {
        match instruction {
            Instruction::Dense {
                inputs, outputs, ..
            } => {
                for region in inputs.iter().chain(outputs) {
                    found[region.buffer.0 as usize] = true;
                }
            }
            Instruction::Loop { body, .. } => find_dense(body, found),
            Instruction::If {
                then, otherwise, ..
            } => {
                find_dense(then, found);
                find_dense(otherwise, found);
            }
            _ => {}
        }
    }
}

impl Arena {
    fn real(&mut self, data: &Arc<[f64]>) -> usize {
        self.add(data.as_ptr().addr(), data.len(), || {
            Contents::Real(data.clone())
        })
    }

    fn int(&mut self, data: &Arc<[i64]>) -> usize {
        self.add(data.as_ptr().addr(), data.len(), || {
            Contents::Int(data.clone())
        })
    }

    /// The offset of an array, known by its address; arrays stay alive in `contents`, so addresses are not reused.
    fn add(&mut self, address: usize, length: usize, contents: impl FnOnce() -> Contents) -> usize {
        if length > 0
            && let Some(&offset) = self.known.get(&address)
        {
            return offset;
        }
        let offset = reserve(&mut self.length, length);
        self.known.insert(address, offset);
        self.contents.push(contents());
        offset
    }

    /// The arena's words, reals and ints by their bits.
    pub fn words(&self) -> Vec<u64> {
        let mut words = vec![0; self.length / 8];
        let mut offset = 0;
        for contents in &self.contents {
            let data: Box<dyn ExactSizeIterator<Item = u64>> = match contents {
                Contents::Real(data) => Box::new(data.iter().map(|value| value.to_bits())),
                Contents::Int(data) => Box::new(data.iter().map(|&value| value as u64)),
            };
            let start = reserve(&mut offset, data.len()) / 8;
            words[start..]
                .iter_mut()
                .zip(data)
                .for_each(|(word, bits)| *word = bits);
        }
        words
    }
}
