//! Removes what nothing depends on. Differentiation writes every forward value whether or not the backward sweep asks
//! for it; native code would keep at least the calls among them. A store counts only if its buffer is read by something
//! that counts, so the search repeats until no further buffer turns out to be read.

use std::collections::HashSet;

use crate::math::graph::{Block, BufferId, BufferKind, Graph, Instruction, Value};

/// Removes instructions and loops without consequence.
pub(super) fn eliminate(graph: &mut Graph) {
    let mut search = Search::default();
    for (index, buffer) in graph.buffers.iter().enumerate() {
        if matches!(buffer.kind, BufferKind::Gradient | BufferKind::Output) {
            search.buffers.insert(BufferId(index as u32));
        }
    }
    let mut found = usize::MAX;
    while found != search.buffers.len() {
        found = search.buffers.len();
        search.block(&graph.body);
    }
    search.prune(&mut graph.body);
}

#[derive(Default)]
struct Search {
    values: HashSet<Value>,
    buffers: HashSet<BufferId>,
}

impl Search {
    /// Marks, from the end to the start, what the block's effects need; whether it has any.
    fn block(&mut self, block: &Block) -> bool {
        let mut effective = false;
        for instruction in block.instructions.iter().rev() {
            effective |= self.instruction(instruction);
        }
        effective
    }

    fn instruction(&mut self, instruction: &Instruction) -> bool {
        if let Some(result) = instruction.result() {
            if self.values.contains(&result) || matches!(instruction, Instruction::Draw { .. }) {
                self.operands(instruction);
            }
            return matches!(instruction, Instruction::Draw { .. });
        }
        match instruction {
            Instruction::Loop {
                lower, upper, body, ..
            } => {
                let effective = self.block(body);
                if effective {
                    self.values.extend([*lower, *upper]);
                }
                effective
            }
            Instruction::If {
                condition,
                then,
                otherwise,
            } => {
                let effective = self.block(then) | self.block(otherwise);
                if effective {
                    self.values.insert(*condition);
                }
                effective
            }
            _ => {
                let effective = self.is_effective(instruction);
                if effective {
                    self.operands(instruction);
                }
                effective
            }
        }
    }

    fn is_effective(&self, instruction: &Instruction) -> bool {
        match instruction {
            Instruction::Store { buffer, .. }
            | Instruction::Accumulate { buffer, .. }
            | Instruction::Clear { buffer } => self.buffers.contains(buffer),
            Instruction::Dense { outputs, .. } => outputs
                .iter()
                .any(|region| self.buffers.contains(&region.buffer)),
            Instruction::AddPart { .. } | Instruction::Draw { .. } => true,
            _ => instruction
                .result()
                .is_some_and(|result| self.values.contains(&result)),
        }
    }

    fn operands(&mut self, instruction: &Instruction) {
        match instruction {
            Instruction::Scalar { arguments, .. } | Instruction::Draw { arguments, .. } => {
                self.values.extend(arguments);
            }
            Instruction::Load { buffer, index, .. } => {
                self.values.insert(*index);
                self.buffers.insert(*buffer);
            }
            Instruction::Store { index, value, .. }
            | Instruction::Accumulate { index, value, .. } => {
                self.values.extend([*index, *value]);
            }
            Instruction::AddPart { value, .. } => {
                self.values.insert(*value);
            }
            Instruction::Dense {
                operation,
                inputs,
                outputs,
            } => {
                self.values
                    .extend(inputs.iter().chain(outputs).map(|region| region.offset));
                self.buffers
                    .extend(inputs.iter().map(|region| region.buffer));
                if operation.accumulates() {
                    self.buffers
                        .extend(outputs.iter().map(|region| region.buffer));
                }
            }
            _ => {}
        }
    }

    fn prune(&self, block: &mut Block) {
        block
            .instructions
            .retain_mut(|instruction| match instruction {
                Instruction::Loop { body, .. } => {
                    self.prune(body);
                    !body.instructions.is_empty()
                }
                Instruction::If {
                    then, otherwise, ..
                } => {
                    self.prune(then);
                    self.prune(otherwise);
                    !then.instructions.is_empty() || !otherwise.instructions.is_empty()
                }
                _ => self.is_effective(instruction),
            });
    }
}
