//! Values in a backward sweep: what is computed again and what was kept. Arithmetic and loads of storage that does not
//! change are written again (the builder shares what stands already). Dear operations and loads of registers are kept
//! by the forward sweep in a buffer with a place for each round: in the mixed-radix system of the loops around the
//! value, counted from the innermost block that is still running. What the program stores anyway is read from there.

use crate::math::graph::{BufferId, BufferKind, Instruction, Region, Value};
use crate::math::primitive::Operation;

use super::Differentiator;
use super::analysis::Round;

impl Differentiator<'_> {
    /// The new value of an old one, written here if it is not at hand. Chains of arithmetic can be as long as the
    /// program, so this keeps its own stack.
    pub(super) fn value(&mut self, old: Value) -> Value {
        if let Some(new) = self.known(old) {
            return new;
        }
        let mut stack = vec![old];
        while let Some(&top) = stack.last() {
            if self.known(top).is_some() {
                stack.pop();
                continue;
            }
            let waiting = stack.len();
            for operand in self.operands(top) {
                if self.known(operand).is_none() {
                    stack.push(operand);
                }
            }
            if stack.len() == waiting {
                let new = self.write(top);
                self.values
                    .last_mut()
                    .expect("an open block")
                    .insert(top, new);
                stack.pop();
            }
        }
        self.known(old).expect("the value was just written")
    }

    pub(super) fn regions(&mut self, regions: &[Region]) -> Vec<Region> {
        let mut new = regions.to_vec();
        new.iter_mut()
            .for_each(|region| region.offset = self.value(region.offset));
        new
    }

    /// Keeps a value of the forward sweep if the backward sweep asks for it.
    pub(super) fn keep(&mut self, old: Value, new: Value) {
        if self.kept.contains_key(&old) {
            let (buffer, index) = self.place(old);
            self.builder.store(buffer, index, new);
        }
    }

    fn known(&self, old: Value) -> Option<Value> {
        self.values
            .iter()
            .rev()
            .find_map(|map| map.get(&old))
            .copied()
    }

    /// Whether the block of a value still runs, so that its values are there or can be written in place.
    fn is_running(&self, old: Value) -> bool {
        let home = self.analysis.home(old);
        self.fused.contains(&home) || self.forward.contains(&home)
    }

    /// The element of the program's own storage that a value of a past round can be read from.
    fn stored(&self, old: Value) -> Option<(BufferId, Value)> {
        if self.is_running(old) {
            None
        } else {
            self.analysis.stored(old)
        }
    }

    /// Whether a value has to come from where the forward sweep kept it.
    fn is_gone(&self, old: Value) -> bool {
        if self.is_running(old) || self.analysis.stored(old).is_some() {
            return false;
        }
        match self.analysis.definition(old) {
            Some(Instruction::Scalar { operation, .. }) => !operation.is_cheap(),
            Some(Instruction::Load { buffer, .. }) => {
                !self.analysis.graph.buffer(*buffer).kind.is_stable()
            }
            _ => false,
        }
    }

    fn operands(&self, old: Value) -> Vec<Value> {
        if self.is_gone(old) {
            return self
                .rounds(old)
                .iter()
                .flat_map(|round| [round.index, round.lower])
                .collect();
        }
        match self.analysis.definition(old) {
            Some(Instruction::Scalar { arguments, .. }) => arguments.clone(),
            Some(Instruction::Load { index, .. }) => vec![*index],
            _ => Vec::new(),
        }
    }

    /// Writes a value whose operands are known.
    fn write(&mut self, old: Value) -> Value {
        if self.is_gone(old) {
            self.demanded.insert(old);
            let (buffer, index) = self.place(old);
            return self.builder.load(buffer, index);
        }
        if let Some((buffer, index)) = self.stored(old) {
            let index = self.value(index);
            return self.builder.load(buffer, index);
        }
        match self.analysis.definition(old) {
            Some(Instruction::Constant { constant, .. }) => self.builder.constant(*constant),
            Some(Instruction::Weight { part, .. }) => self.builder.weight(*part),
            Some(Instruction::Scalar {
                operation,
                arguments,
                ..
            }) => {
                let arguments: Vec<Value> = arguments.iter().map(|&a| self.value(a)).collect();
                self.builder.scalar(*operation, &arguments)
            }
            Some(Instruction::Load { buffer, index, .. }) => {
                let index = self.value(*index);
                self.builder.load(*buffer, index)
            }
            _ => unreachable!("indices of open loops are known, and densities draw nothing"),
        }
    }

    /// The loops around a value, outermost first, inside the innermost block that runs forwards and backwards in one.
    fn rounds(&self, old: Value) -> Vec<Round> {
        let mut rounds = Vec::new();
        let mut block = Some(self.analysis.home(old));
        while let Some(id) = block.filter(|id| !self.fused.contains(id)) {
            rounds.extend(self.analysis.round(id));
            block = self.analysis.parent(id);
        }
        rounds.reverse();
        rounds
    }

    /// Where a value of the present round is kept.
    fn place(&mut self, old: Value) -> (BufferId, Value) {
        let rounds = self.rounds(old);
        let buffer = match self.kept.get(&old) {
            Some(Some(buffer)) => *buffer,
            _ => {
                let length = rounds.iter().map(|round| round.max_count).product();
                let buffer = self.builder.buffer("kept", length, BufferKind::Local);
                self.kept.insert(old, Some(buffer));
                buffer
            }
        };
        let mut place = self.builder.int(0);
        for round in rounds {
            let radix = self.builder.int(round.max_count as i64);
            let (index, lower) = (self.value(round.index), self.value(round.lower));
            let digit = self.builder.scalar(Operation::IntSubtract, &[index, lower]);
            let shifted = self.builder.scalar(Operation::IntMultiply, &[place, radix]);
            place = self.builder.scalar(Operation::IntAdd, &[shifted, digit]);
        }
        (buffer, place)
    }
}
