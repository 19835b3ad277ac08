//! GRAPH → GRAPH: differentiation as a source transformation. The result computes the parts of the log density as
//! before and accumulates, in its gradient buffer, the derivative of the weighted sum of the parts.
//!
//! The adjoint of a term added to a part is the part's weight, known before anything runs. So a statement whose only
//! lasting effect is to add terms (see `analysis::Analysis::is_terminal`) needs nothing from later statements: each
//! round of such a loop runs forwards and at once backwards, nothing is kept, and a pass over the observations touches
//! them once. Every block is therefore written in three sections:
//! 1. the statements that others build on, forwards;
//! 2. the terminal statements, each forwards and backwards in one (*fused*), by the same three sections inside;
//! 3. the statements of section 1 backwards, loops in reversed order.
//!
//! In section 3 a value from inside a loop is computed again where it is needed, unless it is dear or was read from
//! storage that has been overwritten since; then the forward sweep keeps it (`loops`). Which values these are comes out
//! of a first pass whose program is thrown away.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::math::builder::Builder;
use crate::math::derivative::{self, Primal};
use crate::math::graph::{Block, BufferId, BufferKind, Graph, Instruction, Value};
use crate::math::primitive::Operation;
use crate::math::verify;

use analysis::{Analysis, BlockId};

mod analysis;
mod carried;
mod dead;
mod dense;
mod loops;
#[cfg(test)]
pub(crate) mod samples;

/// The program that also accumulates the gradient.
pub fn differentiate(graph: &Graph) -> Graph {
    let analysis = Analysis::new(graph);
    let rehearsal = Differentiator::run(&analysis, BTreeMap::new());
    let kept = rehearsal
        .demanded
        .iter()
        .map(|&value| (value, None))
        .collect();
    let last = Differentiator::run(&analysis, kept);
    debug_assert_eq!(
        last.demanded, rehearsal.demanded,
        "both passes ask for the same values"
    );
    let mut gradient = last.builder.finish();
    dead::eliminate(&mut gradient);
    verify::check(&gradient, "gradient");
    gradient
}

/// Whether a program adds up exponentials and takes the logarithm: with a shift that is held, or for two by `log_or`.
fn has_log_sums(block: &Block) -> bool {
    block
        .instructions
        .iter()
        .any(|instruction| match instruction {
            Instruction::Scalar { operation, .. } => {
                matches!(operation, Operation::Hold | Operation::LogOr)
            }
            Instruction::Loop { body, .. } => has_log_sums(body),
            Instruction::If {
                then, otherwise, ..
            } => has_log_sums(then) || has_log_sums(otherwise),
            _ => false,
        })
}

/// The adjoint of a value while its contributions come in.
#[derive(Default)]
struct Adjoint {
    /// The sum of those from the value's own block.
    plain: Option<Value>,
    /// The register that takes those from loops and branches inside it.
    register: Option<BufferId>,
}

struct Differentiator<'a> {
    analysis: &'a Analysis<'a>,
    builder: Builder,
    /// New values of old ones, one map for each open block.
    values: Vec<HashMap<Value, Value>>,
    /// Open blocks that run forwards and backwards in one, and so still have their values.
    fused: HashSet<BlockId>,
    /// Open blocks of a forward sweep.
    forward: HashSet<BlockId>,
    /// The depth at which an old block is open.
    levels: HashMap<BlockId, usize>,
    adjoints: HashMap<Value, Adjoint>,
    adjoint_buffers: HashMap<BufferId, BufferId>,
    /// The values to keep and, once declared, the buffers they are kept in.
    kept: BTreeMap<Value, Option<BufferId>>,
    /// The values found to need keeping.
    demanded: std::collections::BTreeSet<Value>,
}

impl<'a> Differentiator<'a> {
    fn run(analysis: &'a Analysis<'a>, kept: BTreeMap<Value, Option<BufferId>>) -> Self {
        let mut differentiator = Differentiator {
            analysis,
            builder: Builder::new(),
            values: vec![HashMap::new()],
            fused: HashSet::new(),
            forward: HashSet::new(),
            levels: HashMap::new(),
            adjoints: HashMap::new(),
            adjoint_buffers: HashMap::new(),
            kept,
            demanded: Default::default(),
        };
        differentiator.declare(analysis.graph);
        differentiator.fused_block(&analysis.graph.body);
        differentiator
    }

    /// Declares the old buffers under their old numbers, and the gradient.
    fn declare(&mut self, graph: &Graph) {
        self.builder.set_sizes(graph.dimension, graph.soft_count);
        self.builder.set_log_sums(has_log_sums(&graph.body));
        for statement in &graph.statements {
            self.builder.statement(statement.as_str());
        }
        for equation in &graph.equations {
            self.builder.equation(equation.clone());
        }
        for buffer in &graph.buffers {
            self.builder
                .buffer(buffer.name.as_str(), buffer.length, buffer.kind.clone());
        }
        let gradient = self
            .builder
            .buffer("gradient", graph.dimension, BufferKind::Gradient);
        for (index, buffer) in graph.buffers.iter().enumerate() {
            if matches!(buffer.kind, BufferKind::Position) {
                self.adjoint_buffers
                    .insert(BufferId(index as u32), gradient);
            }
        }
    }

    /// A block whose terms' adjoints are all known: the three sections.
    fn fused_block(&mut self, block: &'a Block) {
        let id = self.analysis.id(block);
        self.fused.insert(id);
        self.levels.insert(id, self.builder.depth());
        let terminal: Vec<bool> = (0..block.instructions.len())
            .map(|i| self.analysis.is_terminal(block, i))
            .collect();
        let instructions = || block.instructions.iter().zip(&terminal);
        for (instruction, _) in instructions().filter(|(_, terminal)| !**terminal) {
            self.forward(instruction);
        }
        for (instruction, _) in instructions().filter(|(_, terminal)| **terminal) {
            self.enter(instruction, false, &mut Self::fused_block);
        }
        for (instruction, _) in instructions().rev().filter(|(_, terminal)| !**terminal) {
            self.backward(instruction);
        }
        self.fused.remove(&id);
        self.levels.remove(&id);
    }

    /// Opens a loop or branch, writes its blocks by `write`, and closes it.
    fn enter(
        &mut self,
        instruction: &'a Instruction,
        turned: bool,
        write: &mut dyn FnMut(&mut Self, &'a Block),
    ) {
        match instruction {
            Instruction::Loop {
                index,
                lower,
                upper,
                max_count,
                reversed,
                body,
            } => {
                let (lower, upper) = (self.value(*lower), self.value(*upper));
                let new = self
                    .builder
                    .begin_loop(lower, upper, *max_count, reversed ^ turned);
                self.values.push(HashMap::from([(*index, new)]));
                write(self, body);
            }
            Instruction::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.value(*condition);
                self.builder.begin_if(condition);
                self.values.push(HashMap::new());
                write(self, then);
                self.values.pop();
                self.builder.begin_else();
                self.values.push(HashMap::new());
                write(self, otherwise);
            }
            _ => unreachable!("only loops and branches have blocks"),
        }
        self.values.pop();
        self.builder.end();
    }

    fn forward_block(&mut self, block: &'a Block) {
        let id = self.analysis.id(block);
        self.forward.insert(id);
        for instruction in &block.instructions {
            self.forward(instruction);
        }
        self.forward.remove(&id);
    }

    /// The instruction as it was, keeping what the backward sweep will ask for.
    fn forward(&mut self, instruction: &'a Instruction) {
        match instruction {
            Instruction::Constant { .. } | Instruction::Weight { .. } => {}
            Instruction::Scalar { result, .. } | Instruction::Load { result, .. } => {
                let new = self.value(*result);
                self.keep(*result, new);
            }
            Instruction::Store {
                buffer,
                index,
                value,
            } => {
                let (index, value) = (self.value(*index), self.value(*value));
                self.builder.store(*buffer, index, value);
            }
            Instruction::Accumulate {
                buffer,
                index,
                value,
            } => {
                let (index, value) = (self.value(*index), self.value(*value));
                self.builder.accumulate(*buffer, index, value);
            }
            Instruction::Clear { buffer } => self.builder.clear(*buffer),
            Instruction::AddPart {
                part,
                value,
                statement,
            } => {
                let value = self.value(*value);
                self.builder.add_part(*part, value, *statement);
            }
            Instruction::Dense {
                operation,
                inputs,
                outputs,
            } => {
                let inputs = self.regions(inputs);
                let outputs = self.regions(outputs);
                self.builder.dense(*operation, inputs, outputs);
            }
            Instruction::Draw { .. } => panic!("a log density draws no random numbers"),
            Instruction::Loop { .. } | Instruction::If { .. } => {
                self.enter(instruction, false, &mut Self::forward_block);
            }
        }
    }

    fn backward_block(&mut self, block: &'a Block) {
        let id = self.analysis.id(block);
        self.levels.insert(id, self.builder.depth());
        for instruction in block.instructions.iter().rev() {
            self.backward(instruction);
        }
        self.levels.remove(&id);
    }

    /// The instruction backwards: adjoints of what it wrote become adjoints of what it read.
    fn backward(&mut self, instruction: &'a Instruction) {
        match instruction {
            Instruction::Constant { .. } | Instruction::Weight { .. } => {}
            Instruction::Scalar {
                result,
                operation,
                arguments,
            } => {
                if let Some(adjoint) = self.take_adjoint(*result) {
                    self.scalar_backward(*operation, arguments, *result, adjoint);
                }
            }
            Instruction::Load {
                result,
                buffer,
                index,
            } => {
                if let Some(adjoint) = self.take_adjoint(*result) {
                    let index = self.value(*index);
                    let adjoints = self.adjoint_buffer(*buffer);
                    self.builder.accumulate(adjoints, index, adjoint);
                }
            }
            Instruction::Store {
                buffer,
                index,
                value,
            } => {
                if !self.analysis.is_active_buffer(*buffer) {
                    return;
                }
                self.element_backward(*buffer, *index, *value);
                if matches!(
                    self.builder.graph().buffer(*buffer).kind,
                    BufferKind::Mutable
                ) {
                    let (index, zero) = (self.value(*index), self.builder.real(0.0));
                    let adjoints = self.adjoint_buffer(*buffer);
                    self.builder.store(adjoints, index, zero);
                }
            }
            Instruction::Accumulate {
                buffer,
                index,
                value,
            } => {
                self.element_backward(*buffer, *index, *value);
            }
            Instruction::Clear { buffer } => {
                if self.analysis.is_active_buffer(*buffer) {
                    let adjoints = self.adjoint_buffer(*buffer);
                    self.builder.clear(adjoints);
                }
            }
            Instruction::AddPart { part, value, .. } => {
                if self.analysis.is_active(*value) {
                    let weight = self.builder.weight(*part);
                    self.add_adjoint(*value, weight);
                }
            }
            Instruction::Dense {
                operation,
                inputs,
                outputs,
            } => {
                self.dense_backward(*operation, inputs, outputs);
            }
            Instruction::Draw { .. } => panic!("a log density draws no random numbers"),
            Instruction::Loop { .. } | Instruction::If { .. } => {
                if self.analysis.contains_active(instruction) {
                    self.enter(instruction, true, &mut Self::backward_block);
                }
            }
        }
    }

    /// What a stored element's adjoint gives to the value stored.
    fn element_backward(&mut self, buffer: BufferId, index: Value, value: Value) {
        if self.analysis.is_active(value) {
            let index = self.value(index);
            let adjoints = self.adjoint_buffer(buffer);
            let adjoint = self.builder.load(adjoints, index);
            self.add_adjoint(value, adjoint);
        }
    }

    fn scalar_backward(
        &mut self,
        operation: Operation,
        arguments: &[Value],
        result: Value,
        adjoint: Value,
    ) {
        for (position, &argument) in arguments.iter().enumerate() {
            if !self.analysis.is_active(argument) {
                continue;
            }
            let mut primal = Old {
                differentiator: self,
                arguments,
                result,
            };
            let share = derivative::adjoint(&mut primal, operation, position, adjoint);
            if let Some(share) = share {
                self.add_adjoint(argument, share);
            }
        }
    }

    /// Adds to the adjoint of a value whose block is open; from an inner block by way of a register.
    fn add_adjoint(&mut self, value: Value, contribution: Value) {
        let level = self.levels[&self.analysis.home(value)];
        let adjoint = self.adjoints.entry(value).or_default();
        if level == self.builder.depth() {
            adjoint.plain = Some(match adjoint.plain {
                None => contribution,
                Some(sum) => self.builder.scalar(Operation::Add, &[sum, contribution]),
            });
            return;
        }
        let register = *adjoint.register.get_or_insert_with(|| {
            let register = self.builder.register("adjoint");
            self.builder.clear_at(level, register);
            register
        });
        let zero = self.builder.int(0);
        self.builder.accumulate(register, zero, contribution);
    }

    /// The whole adjoint of a value, once all its uses have been passed; `None` if nothing depends on it.
    fn take_adjoint(&mut self, value: Value) -> Option<Value> {
        let Adjoint { plain, register } = self.adjoints.remove(&value)?;
        let Some(register) = register else {
            return plain;
        };
        let zero = self.builder.int(0);
        let inner = self.builder.load(register, zero);
        Some(match plain {
            None => inner,
            Some(sum) => self.builder.scalar(Operation::Add, &[sum, inner]),
        })
    }

    /// The buffer of adjoints of an active buffer, zero when the program starts.
    fn adjoint_buffer(&mut self, buffer: BufferId) -> BufferId {
        if let Some(&adjoints) = self.adjoint_buffers.get(&buffer) {
            return adjoints;
        }
        let old = self.analysis.graph.buffer(buffer);
        let name = format!("adjoint of {}", old.name);
        let adjoints = self.builder.buffer(name, old.length, BufferKind::Mutable);
        self.builder.clear_at(0, adjoints);
        self.adjoint_buffers.insert(buffer, adjoints);
        adjoints
    }
}

/// An operation of the old program, as its derivative rule sees it.
struct Old<'d, 'a, 'v> {
    differentiator: &'d mut Differentiator<'a>,
    arguments: &'v [Value],
    result: Value,
}

impl Primal for Old<'_, '_, '_> {
    fn builder(&mut self) -> &mut Builder {
        &mut self.differentiator.builder
    }

    fn argument(&mut self, position: usize) -> Value {
        self.differentiator.value(self.arguments[position])
    }

    fn result(&mut self) -> Value {
        self.differentiator.value(self.result)
    }
}

#[cfg(test)]
mod tests;
