//! What must hold of a graph, checked after every graph → graph step in debug builds, so that a bug is found in the
//! stage that made it and not in machine code. Checked are:
//! - every value is defined once, before its uses, in a block around them, with the type its definition gives it;
//! - arguments, indices, conditions and terms have the types they need;
//! - buffers are written only if their kind allows it, and the position has the length of the program's dimension;
//! - literal indices, regions of dense algebra and the lengths that go with each dense operation are in range.

use super::graph::{
    Block, BufferId, BufferKind, Constant, Graph, Instruction, Part, Region, Type, Value,
};
use super::primitive::{DRAWS, Dense, Ode};
use likelier_runtime::math::ode::Method;

/// Checks a graph; the error says which rule an instruction breaks.
pub fn verify(graph: &Graph) -> Result<(), String> {
    let mut verifier = Verifier {
        graph,
        state: vec![State::Undefined; graph.types.len()],
        literals: vec![None; graph.types.len()],
    };
    for buffer in &graph.buffers {
        let expected = match &buffer.kind {
            BufferKind::Position | BufferKind::Gradient => graph.dimension,
            BufferKind::RealData(data) => data.len(),
            BufferKind::IntData(data) => data.len(),
            _ => buffer.length,
        };
        if buffer.length != expected {
            return Err(format!(
                "{} has length {}, not {expected}",
                buffer.name, buffer.length
            ));
        }
    }
    verifier.block(&graph.body)?;
    graph.programs().try_for_each(verify)
}

/// Panics if a graph that a stage made is malformed; costs nothing in release builds.
pub fn check(graph: &Graph, stage: &str) {
    if cfg!(debug_assertions)
        && let Err(error) = verify(graph)
    {
        panic!(
            "the {stage} stage made a malformed graph: {error}\n{}",
            super::print::print(graph)
        );
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Undefined,
    Open,
    Closed,
}

struct Verifier<'a> {
    graph: &'a Graph,
    state: Vec<State>,
    literals: Vec<Option<i64>>,
}

impl Verifier<'_> {
    fn block(&mut self, block: &Block) -> Result<(), String> {
        let mut defined = Vec::new();
        for instruction in &block.instructions {
            self.instruction(instruction)?;
            if let Some(result) = instruction.result() {
                self.define(result)?;
                defined.push(result);
            }
        }
        for value in defined {
            self.state[value.0 as usize] = State::Closed;
        }
        Ok(())
    }

    fn define(&mut self, value: Value) -> Result<(), String> {
        match self.state.get(value.0 as usize) {
            None => Err(format!("{value:?} has no type")),
            Some(State::Undefined) => {
                self.state[value.0 as usize] = State::Open;
                Ok(())
            }
            Some(_) => Err(format!("{value:?} is defined twice")),
        }
    }

    fn uses(&self, value: Value, ty: Type) -> Result<(), String> {
        match self.state.get(value.0 as usize) {
            Some(State::Open) => {}
            Some(State::Closed) => return Err(format!("{value:?} is used outside its block")),
            _ => return Err(format!("{value:?} is used before it is defined")),
        }
        self.has_type(value, ty)
    }

    fn has_type(&self, value: Value, ty: Type) -> Result<(), String> {
        match self.graph.type_of(value) {
            found if found == ty => Ok(()),
            found => Err(format!("{value:?} is {found:?}, not {ty:?}")),
        }
    }

    fn buffer(&self, buffer: BufferId, index: Value) -> Result<(), String> {
        self.uses(index, Type::Int)?;
        let Some(declared) = self.graph.buffers.get(buffer.0 as usize) else {
            return Err(format!("{buffer:?} is not declared"));
        };
        match self.literals[index.0 as usize] {
            Some(i) if i < 0 || i as usize >= declared.length => Err(format!(
                "{}[{i}] is out of range 0..{}",
                declared.name, declared.length
            )),
            _ => Ok(()),
        }
    }

    fn writable(&self, buffer: BufferId, accumulate: bool) -> Result<(), String> {
        let declared = self.graph.buffer(buffer);
        match declared.kind {
            BufferKind::Local | BufferKind::Mutable | BufferKind::Output => Ok(()),
            BufferKind::Gradient if accumulate => Ok(()),
            _ => Err(format!("{} cannot be written so", declared.name)),
        }
    }

    fn part(&self, part: Part) -> Result<(), String> {
        match part {
            Part::Soft(k) if k as usize >= self.graph.soft_count => {
                Err(format!("there is no soft constraint {k}"))
            }
            _ => Ok(()),
        }
    }

    fn instruction(&mut self, instruction: &Instruction) -> Result<(), String> {
        match instruction {
            Instruction::Constant { result, constant } => {
                self.literals[result.0 as usize] = match constant {
                    Constant::Int(value) => Some(*value),
                    _ => None,
                };
                self.has_type(*result, constant.ty())
            }
            Instruction::Scalar {
                result,
                operation,
                arguments,
            } => {
                let entry = operation.entry();
                if arguments.len() != entry.arguments.len() {
                    return Err(format!("{operation:?} has {} arguments", arguments.len()));
                }
                for (&argument, &ty) in arguments.iter().zip(entry.arguments) {
                    self.uses(argument, ty)?;
                }
                self.has_type(*result, entry.result)
            }
            Instruction::Weight { result, part } => {
                self.part(*part)?;
                self.has_type(*result, Type::Real)
            }
            Instruction::Load {
                result,
                buffer,
                index,
            } => {
                self.buffer(*buffer, *index)?;
                let is_int = self.graph.buffer(*buffer).kind.is_int();
                self.has_type(*result, if is_int { Type::Int } else { Type::Real })
            }
            Instruction::Store {
                buffer,
                index,
                value,
            } => {
                self.buffer(*buffer, *index)?;
                self.writable(*buffer, false)?;
                self.uses(*value, Type::Real)
            }
            Instruction::Accumulate {
                buffer,
                index,
                value,
            } => {
                self.buffer(*buffer, *index)?;
                self.writable(*buffer, true)?;
                self.uses(*value, Type::Real)
            }
            Instruction::Clear { buffer } => self.writable(*buffer, false),
            Instruction::AddPart { part, value, .. } => {
                self.part(*part)?;
                self.uses(*value, Type::Real)
            }
            Instruction::Draw {
                result,
                draw,
                arguments,
            } => {
                let expected = DRAWS
                    .iter()
                    .find(|row| row.1 == *draw)
                    .map_or(0, |row| row.2);
                if arguments.len() != expected {
                    return Err(format!("{draw:?} has {} arguments", arguments.len()));
                }
                arguments
                    .iter()
                    .try_for_each(|&value| self.uses(value, Type::Real))?;
                self.has_type(*result, Type::Real)
            }
            Instruction::Dense {
                operation,
                inputs,
                outputs,
            } => self.dense(*operation, inputs, outputs),
            Instruction::Loop { .. } | Instruction::If { .. } => self.compound(instruction),
        }
    }

    fn compound(&mut self, instruction: &Instruction) -> Result<(), String> {
        match instruction {
            Instruction::Loop {
                index,
                lower,
                upper,
                body,
                ..
            } => {
                self.uses(*lower, Type::Int)?;
                self.uses(*upper, Type::Int)?;
                self.has_type(*index, Type::Int)?;
                self.define(*index)?;
                self.block(body)?;
                self.state[index.0 as usize] = State::Closed;
                Ok(())
            }
            Instruction::If {
                condition,
                then,
                otherwise,
            } => {
                self.uses(*condition, Type::Bool)?;
                self.block(then)?;
                self.block(otherwise)
            }
            _ => Ok(()),
        }
    }

    fn ode(&self, op: Dense, ode: Ode) -> Result<(), String> {
        let Some(equation) = self.graph.equations.get(ode.equation as usize) else {
            return Err(format!("there is no equation {}", ode.equation));
        };
        let needs_adjoint =
            matches!(op, Dense::AddOdeAdjoint { .. }) || equation.settings.method == Method::Stiff;
        let dimensions = [&equation.derivative].into_iter().chain(&equation.adjoint);
        if equation.states != ode.states
            || dimensions
                .map(|program| program.dimension)
                .any(|size| size != ode.point)
            || (needs_adjoint && equation.adjoint.is_none())
        {
            return Err(format!("{op:?} does not fit its equation"));
        }
        Ok(())
    }

    fn dense(&self, op: Dense, inputs: &[Region], outputs: &[Region]) -> Result<(), String> {
        let (expected_inputs, expected_outputs) = op.lengths();
        for (regions, expected) in [(inputs, expected_inputs), (outputs, expected_outputs)] {
            let found: Vec<usize> = regions.iter().map(|region| region.length).collect();
            if found != expected {
                return Err(format!("{op:?} has regions of {found:?}, not {expected:?}"));
            }
        }
        if let Dense::Ode(ode) | Dense::AddOdeAdjoint { ode, .. } = op {
            self.ode(op, ode)?;
        }
        for region in inputs.iter().chain(outputs) {
            self.buffer(region.buffer, region.offset)?;
            let declared = self.graph.buffer(region.buffer);
            let offset = self.literals[region.offset.0 as usize].unwrap_or(0) as usize;
            if offset + region.length > declared.length || declared.kind.is_int() {
                return Err(format!(
                    "{op:?} reaches beyond {} or reads ints",
                    declared.name
                ));
            }
        }
        outputs
            .iter()
            .try_for_each(|region| self.writable(region.buffer, op.accumulates()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::builder::Builder;
    use super::super::graph::{BufferKind, Graph, Instruction, Part, Value};
    use super::super::primitive::Operation;
    use super::verify;

    fn sound() -> Graph {
        let mut builder = Builder::new();
        builder.set_sizes(2, 0);
        let position = builder.buffer("position", 2, BufferKind::Position);
        let statement = builder.statement("line 1");
        let i = builder.begin_count(2);
        let x = builder.load(position, i);
        let y = builder.scalar(Operation::Exponential, &[x]);
        builder.add_part(Part::Prior, y, statement);
        builder.end();
        builder.finish()
    }

    #[test]
    fn a_sound_graph_passes_and_broken_ones_do_not() {
        assert_eq!(verify(&sound()), Ok(()));
        let mut early = sound();
        let Some(Instruction::Loop { body, .. }) = early.body.instructions.last_mut() else {
            panic!("the loop comes last")
        };
        body.instructions.swap(0, 1);
        assert!(verify(&early).unwrap_err().contains("before it is defined"));

        let mut escaped = sound();
        let Some(Instruction::Loop { body, .. }) = escaped.body.instructions.last_mut() else {
            panic!("the loop comes last")
        };
        let term = body.instructions.pop().expect("the term");
        escaped.body.instructions.push(term);
        assert!(verify(&escaped).unwrap_err().contains("outside its block"));

        let mut data = sound();
        data.buffers[0].kind = BufferKind::RealData(vec![0.0; 2].into());
        let zero = data.body.instructions[0].result().expect("a literal");
        let store = Instruction::Store {
            buffer: super::BufferId(0),
            index: zero,
            value: Value(3),
        };
        data.body.instructions.push(store);
        assert!(verify(&data).unwrap_err().contains("cannot be written"));
    }
}
