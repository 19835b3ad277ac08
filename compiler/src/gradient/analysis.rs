//! What differentiation has to know of a program before it writes the new one: where each value is defined, what
//! depends on the position (is *active*), which statements touch which buffers, and which statements are terminal.

use std::collections::{BTreeMap, HashMap};

use crate::math::graph::{Block, BufferId, BufferKind, Graph, Instruction, Type, Value};
use crate::math::primitive::Operation;

use super::carried;

/// A block of the program, numbered in the order of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BlockId(usize);

/// The loop a block is the body of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub index: Value,
    pub lower: Value,
    pub max_count: usize,
}

/// How often a statement reads and writes each buffer; accumulating is writing.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    pub reads: BTreeMap<BufferId, usize>,
    pub writes: BTreeMap<BufferId, usize>,
}

pub(super) struct Analysis<'a> {
    pub graph: &'a Graph,
    /// Blocks by their address, which is fixed while the graph is borrowed.
    ids: HashMap<*const Block, BlockId>,
    parents: Vec<Option<BlockId>>,
    rounds: Vec<Option<Round>>,
    homes: Vec<BlockId>,
    definitions: Vec<Option<&'a Instruction>>,
    /// Constant bounds of loop indices, by index value.
    pub(super) bounds: HashMap<Value, (i64, i64)>,
    /// Where the program itself stores a value in the round that computes it, for good.
    stored: HashMap<Value, (BufferId, Value)>,
    active: Vec<bool>,
    active_buffers: Vec<bool>,
    /// Of loops and branches, by address.
    accesses: HashMap<*const Instruction, Access>,
    total: Access,
}

impl<'a> Analysis<'a> {
    pub fn new(graph: &'a Graph) -> Self {
        let mut analysis = Analysis {
            graph,
            ids: HashMap::new(),
            parents: Vec::new(),
            rounds: Vec::new(),
            homes: vec![BlockId(0); graph.types.len()],
            definitions: vec![None; graph.types.len()],
            bounds: HashMap::new(),
            stored: HashMap::new(),
            active: vec![false; graph.types.len()],
            active_buffers: vec![false; graph.buffers.len()],
            accesses: HashMap::new(),
            total: Access::default(),
        };
        analysis.total = analysis.survey(&graph.body, None, None);
        for (index, buffer) in graph.buffers.iter().enumerate() {
            analysis.active_buffers[index] = matches!(buffer.kind, BufferKind::Position);
        }
        while analysis.spread(&graph.body) {}
        analysis
    }

    pub fn id(&self, block: &Block) -> BlockId {
        self.ids[&std::ptr::from_ref(block)]
    }

    pub fn parent(&self, block: BlockId) -> Option<BlockId> {
        self.parents[block.0]
    }

    pub fn round(&self, block: BlockId) -> Option<Round> {
        self.rounds[block.0]
    }

    /// The block a value is defined in.
    pub fn home(&self, value: Value) -> BlockId {
        self.homes[value.0 as usize]
    }

    /// The instruction that defines a value; none for the index of a loop.
    pub fn definition(&self, value: Value) -> Option<&'a Instruction> {
        self.definitions[value.0 as usize]
    }

    /// The element that holds a computed value ever after, if the program stores it.
    pub fn stored(&self, value: Value) -> Option<(BufferId, Value)> {
        self.stored.get(&value).copied()
    }

    /// Whether a value depends on the position.
    pub fn is_active(&self, value: Value) -> bool {
        self.active[value.0 as usize]
    }

    pub fn is_active_buffer(&self, buffer: BufferId) -> bool {
        self.active_buffers[buffer.0 as usize]
    }

    /// Whether a statement computes or stores anything that depends on the position.
    pub fn contains_active(&self, instruction: &Instruction) -> bool {
        let touches = |access: &Access| {
            let mut written = access.writes.keys();
            written.any(|&buffer| self.is_active_buffer(buffer))
        };
        match instruction {
            Instruction::Loop { body, .. } => {
                touches(&self.access(instruction)) || self.any_active(body)
            }
            Instruction::If {
                then, otherwise, ..
            } => {
                touches(&self.access(instruction))
                    || self.any_active(then)
                    || self.any_active(otherwise)
            }
            Instruction::AddPart { value, .. } => self.is_active(*value),
            _ => instruction
                .result()
                .is_some_and(|value| self.is_active(value)),
        }
    }

    fn any_active(&self, block: &Block) -> bool {
        block
            .instructions
            .iter()
            .any(|instruction| self.contains_active(instruction))
    }

    /// Whether a statement of a block is a loop or branch on which nothing else depends, and whose rounds, backwards,
    /// do not depend on one another: it may run after its siblings and forwards and backwards in one.
    pub fn is_terminal(&self, block: &Block, position: usize) -> bool {
        let instruction = &block.instructions[position];
        if !matches!(
            instruction,
            Instruction::Loop { .. } | Instruction::If { .. }
        ) {
            return false;
        }
        let access = self.access(instruction);
        let count =
            |counts: &BTreeMap<BufferId, usize>, buffer| counts.get(&buffer).copied().unwrap_or(0);
        for &buffer in access.reads.keys().chain(access.writes.keys()) {
            let writes = count(&access.writes, buffer);
            let reads_all = count(&access.reads, buffer) == count(&self.total.reads, buffer);
            let writes_all = writes == count(&self.total.writes, buffer);
            let fine = match self.graph.buffer(buffer).kind {
                BufferKind::Mutable if reads_all && writes_all => true,
                BufferKind::Mutable => {
                    let later = &block.instructions[position + 1..];
                    let overwritten = || {
                        later
                            .iter()
                            .any(|other| self.access(other).writes.contains_key(&buffer))
                    };
                    writes == 0 && !overwritten()
                }
                _ => writes == 0 || reads_all,
            };
            if !fine {
                return false;
            }
        }
        !carried::depends_across_rounds(self, instruction, &access)
    }

    /// What a statement reads and writes.
    pub fn access(&self, instruction: &Instruction) -> Access {
        match self.accesses.get(&std::ptr::from_ref(instruction)) {
            Some(access) => access.clone(),
            None => Access::of(instruction),
        }
    }

    fn survey(
        &mut self,
        block: &'a Block,
        parent: Option<BlockId>,
        round: Option<Round>,
    ) -> Access {
        let id = BlockId(self.parents.len());
        self.ids.insert(std::ptr::from_ref(block), id);
        self.parents.push(parent);
        self.rounds.push(round);
        let mut total = Access::default();
        for instruction in &block.instructions {
            if let Some(value) = instruction.result() {
                self.homes[value.0 as usize] = id;
                self.definitions[value.0 as usize] = Some(instruction);
            }
            if let Instruction::Store {
                buffer,
                index,
                value,
            } = instruction
                && matches!(self.graph.buffer(*buffer).kind, BufferKind::Local)
                && self.home(*value) == id
                && matches!(self.definition(*value), Some(Instruction::Scalar { .. }))
            {
                self.stored.insert(*value, (*buffer, *index));
            }
            let access = match instruction {
                Instruction::Loop {
                    index,
                    lower,
                    upper,
                    max_count,
                    body,
                    ..
                } => {
                    self.homes[index.0 as usize] = BlockId(self.parents.len());
                    if let (Some(lower), Some(upper)) = (self.literal(*lower), self.literal(*upper))
                    {
                        self.bounds.insert(*index, (lower, upper));
                    }
                    let round = Round {
                        index: *index,
                        lower: *lower,
                        max_count: *max_count,
                    };
                    self.survey(body, Some(id), Some(round))
                }
                Instruction::If {
                    then, otherwise, ..
                } => {
                    let mut access = self.survey(then, Some(id), None);
                    access.add(&self.survey(otherwise, Some(id), None));
                    access
                }
                _ => Access::of(instruction),
            };
            total.add(&access);
            if matches!(
                instruction,
                Instruction::Loop { .. } | Instruction::If { .. }
            ) {
                self.accesses
                    .insert(std::ptr::from_ref(instruction), access);
            }
        }
        total
    }

    /// The literal int a value is, if it is one.
    pub fn literal(&self, value: Value) -> Option<i64> {
        match self.definition(value) {
            Some(Instruction::Constant {
                constant: crate::math::graph::Constant::Int(value),
                ..
            }) => Some(*value),
            _ => None,
        }
    }

    /// Lets activity flow through a block once; whether anything became active.
    fn spread(&mut self, block: &Block) -> bool {
        let mut changed = false;
        for instruction in &block.instructions {
            match instruction {
                Instruction::Scalar {
                    result,
                    operation,
                    arguments,
                } => {
                    let active = self.graph.type_of(*result) == Type::Real
                        && is_differentiable(*operation)
                        && arguments.iter().any(|&argument| self.is_active(argument));
                    changed |= raise(&mut self.active[result.0 as usize], active);
                }
                Instruction::Load { result, buffer, .. } => {
                    let active = self.is_active_buffer(*buffer);
                    changed |= raise(&mut self.active[result.0 as usize], active);
                }
                Instruction::Store { buffer, value, .. }
                | Instruction::Accumulate { buffer, value, .. } => {
                    let active = self.is_active(*value);
                    changed |= raise(&mut self.active_buffers[buffer.0 as usize], active);
                }
                Instruction::Dense {
                    inputs, outputs, ..
                } => {
                    let active = inputs
                        .iter()
                        .any(|region| self.is_active_buffer(region.buffer));
                    for output in outputs {
                        let flag = &mut self.active_buffers[output.buffer.0 as usize];
                        changed |= raise(flag, active);
                    }
                }
                Instruction::Loop { body, .. } => changed |= self.spread(body),
                Instruction::If {
                    then, otherwise, ..
                } => {
                    changed |= self.spread(then);
                    changed |= self.spread(otherwise);
                }
                _ => {}
            }
        }
        changed
    }
}

fn raise(flag: &mut bool, active: bool) -> bool {
    let changed = active && !*flag;
    *flag |= active;
    changed
}

/// Rounding has derivative zero, whatever it rounds.
fn is_differentiable(operation: Operation) -> bool {
    !matches!(
        operation,
        Operation::Floor | Operation::Ceiling | Operation::Round
    )
}

impl Access {
    /// Of an instruction without blocks.
    fn of(instruction: &Instruction) -> Access {
        let mut access = Access::default();
        match instruction {
            Instruction::Load { buffer, .. } => access.read(*buffer),
            Instruction::Store { buffer, .. }
            | Instruction::Accumulate { buffer, .. }
            | Instruction::Clear { buffer } => access.write(*buffer),
            Instruction::Dense {
                inputs, outputs, ..
            } => {
                inputs.iter().for_each(|region| access.read(region.buffer));
                outputs
                    .iter()
                    .for_each(|region| access.write(region.buffer));
            }
            _ => {}
        }
        access
    }

    fn read(&mut self, buffer: BufferId) {
        *self.reads.entry(buffer).or_insert(0) += 1;
    }

    fn write(&mut self, buffer: BufferId) {
        *self.writes.entry(buffer).or_insert(0) += 1;
    }

    fn add(&mut self, other: &Access) {
        for (&buffer, &count) in &other.reads {
            *self.reads.entry(buffer).or_insert(0) += count;
        }
        for (&buffer, &count) in &other.writes {
            *self.writes.entry(buffer).or_insert(0) += count;
        }
    }
}
