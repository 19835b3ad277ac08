//! Writes graphs. Simplification happens while writing: a pure operation is folded if its arguments are literals, shared
//! if it stands already in an open block, and placed in the outermost open block where its arguments exist, which takes it
//! out of every loop it does not depend on. Nothing pure is moved out of an `If`, whose point is to save work.

use std::collections::HashMap;
use std::sync::Arc;

use super::graph::{
    Block, Buffer, BufferId, BufferKind, Constant, Equation, Graph, Instruction, Part, Region,
    Type, Value,
};
use super::primitive::{Dense, Draw, Operation};

/// How a value came to be; what simplification and differentiation look at.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    /// A literal.
    Constant(Constant),
    /// A pure operation.
    Scalar(Operation, Vec<Value>),
    /// The weight of a part.
    Weight(Part),
    /// An element of a buffer.
    Load(BufferId, Value),
    /// The index of a loop.
    Index,
    /// A random number.
    Draw,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Real(u64),
    Int(i64),
    Bool(bool),
    Scalar(Operation, Vec<Value>),
    Weight(Part),
    Load(BufferId, Value),
}

enum Ending {
    Root,
    Loop {
        index: Value,
        lower: Value,
        upper: Value,
        max_count: usize,
        reversed: bool,
    },
    Then {
        condition: Value,
    },
    Otherwise {
        condition: Value,
        then: Block,
    },
}

struct Scope {
    block: Block,
    memo: HashMap<Key, Value>,
    ending: Ending,
}

/// A graph being written.
pub struct Builder {
    graph: Graph,
    scopes: Vec<Scope>,
    definitions: Vec<Definition>,
    depths: Vec<u32>,
    /// For each buffer, the depth above which its loads may not be moved.
    floors: Vec<u32>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// An empty program.
    pub fn new() -> Self {
        Self {
            graph: Graph::default(),
            scopes: vec![Scope::new(Ending::Root)],
            definitions: Vec::new(),
            depths: Vec::new(),
            floors: Vec::new(),
        }
    }

    /// The finished program; every loop and branch must be closed.
    pub fn finish(mut self) -> Graph {
        assert_eq!(
            self.scopes.len(),
            1,
            "an open block at the end of the program"
        );
        self.graph.body = self.scopes.pop().expect("the root scope").block;
        self.graph
    }

    /// The program so far, except for its instructions.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Sets the dimension and the number of soft constraints.
    pub fn set_sizes(&mut self, dimension: usize, soft_count: usize) {
        self.graph.dimension = dimension;
        self.graph.soft_count = soft_count;
    }

    /// Says that terms stand inside log-sums.
    pub fn set_log_sums(&mut self, has_log_sums: bool) {
        self.graph.has_log_sums = has_log_sums;
    }

    /// How a value came to be.
    pub fn definition(&self, value: Value) -> &Definition {
        &self.definitions[value.0 as usize]
    }

    /// The number of open loops and branches.
    pub fn depth(&self) -> usize {
        self.scopes.len() - 1
    }

    /// The number of open blocks around the definition of a value: 0 at the top level.
    pub fn depth_of(&self, value: Value) -> usize {
        self.depths[value.0 as usize] as usize
    }

    /// Declares a buffer.
    pub fn buffer(&mut self, name: impl Into<String>, length: usize, kind: BufferKind) -> BufferId {
        self.graph.buffers.push(Buffer {
            name: name.into(),
            length,
            kind,
        });
        self.floors.push(0);
        BufferId(self.graph.buffers.len() as u32 - 1)
    }

    /// A register: a mutable buffer of one element.
    pub fn register(&mut self, name: impl Into<String>) -> BufferId {
        self.buffer(name, 1, BufferKind::Mutable)
    }

    /// The number that `add_part` takes for a statement described so.
    pub fn statement(&mut self, description: impl Into<String>) -> u32 {
        self.graph.statements.push(description.into());
        self.graph.statements.len() as u32 - 1
    }

    /// The number that `Dense::Ode` takes for an equation.
    pub fn equation(&mut self, equation: Arc<Equation>) -> u32 {
        self.graph.equations.push(equation);
        self.graph.equations.len() as u32 - 1
    }

    /// A literal real.
    pub fn real(&mut self, value: f64) -> Value {
        self.constant(Constant::Real(value))
    }

    /// A literal int.
    pub fn int(&mut self, value: i64) -> Value {
        self.constant(Constant::Int(value))
    }

    /// A literal bool.
    pub fn bool(&mut self, value: bool) -> Value {
        self.constant(Constant::Bool(value))
    }

    /// A literal.
    pub fn constant(&mut self, constant: Constant) -> Value {
        let (key, ty) = match constant {
            Constant::Real(v) => (Key::Real(v.to_bits()), Type::Real),
            Constant::Int(v) => (Key::Int(v), Type::Int),
            Constant::Bool(v) => (Key::Bool(v), Type::Bool),
        };
        self.place(0, key, ty, Definition::Constant(constant), |result| {
            Instruction::Constant { result, constant }
        })
    }

    /// The literal a value is, if it is one.
    pub fn as_constant(&self, value: Value) -> Option<Constant> {
        match self.definition(value) {
            Definition::Constant(constant) => Some(*constant),
            _ => None,
        }
    }

    /// The literal real a value is, if it is one.
    pub fn as_real(&self, value: Value) -> Option<f64> {
        match self.as_constant(value) {
            Some(Constant::Real(v)) => Some(v),
            _ => None,
        }
    }

    /// The literal int a value is, if it is one.
    pub fn as_int(&self, value: Value) -> Option<i64> {
        match self.as_constant(value) {
            Some(Constant::Int(v)) => Some(v),
            _ => None,
        }
    }

    /// The literal bool a value is, if it is one.
    pub fn as_bool(&self, value: Value) -> Option<bool> {
        match self.as_constant(value) {
            Some(Constant::Bool(v)) => Some(v),
            _ => None,
        }
    }

    /// The weight of a part; 1 for prior and Jacobian.
    pub fn weight(&mut self, part: Part) -> Value {
        if matches!(part, Part::Prior | Part::Jacobian) {
            return self.real(1.0);
        }
        self.place(
            0,
            Key::Weight(part),
            Type::Real,
            Definition::Weight(part),
            |result| Instruction::Weight { result, part },
        )
    }

    /// A pure operation, simplified.
    pub fn scalar(&mut self, operation: Operation, arguments: &[Value]) -> Value {
        debug_assert_eq!(
            arguments.len(),
            operation.entry().arguments.len(),
            "{operation:?}"
        );
        debug_assert!(
            arguments
                .iter()
                .zip(operation.entry().arguments)
                .all(|(&a, &ty)| self.graph.type_of(a) == ty),
            "argument types of {operation:?}"
        );
        if let Some(value) = self.fold(operation, arguments) {
            return value;
        }
        if let Some(value) = self.simplify(operation, arguments) {
            return value;
        }
        let mut arguments = arguments.to_vec();
        if is_commutative(operation) && arguments[0] > arguments[1] {
            arguments.swap(0, 1);
        }
        let depth = self.hoisted(
            arguments
                .iter()
                .map(|&a| self.depths[a.0 as usize])
                .max()
                .unwrap_or(0),
        );
        let key = Key::Scalar(operation, arguments.clone());
        let definition = Definition::Scalar(operation, arguments.clone());
        self.place(depth, key, operation.entry().result, definition, |result| {
            Instruction::Scalar {
                result,
                operation,
                arguments,
            }
        })
    }

    /// An element of a buffer, index from 0 and known to be in range.
    pub fn load(&mut self, buffer: BufferId, index: Value) -> Value {
        let ty = if self.graph.buffer(buffer).kind.is_int() {
            Type::Int
        } else {
            Type::Real
        };
        if let Some(i) = self.as_int(index) {
            match &self.graph.buffer(buffer).kind {
                BufferKind::RealData(data) => {
                    let value = data[i as usize];
                    return self.real(value);
                }
                BufferKind::IntData(data) => {
                    let value = data[i as usize];
                    return self.int(value);
                }
                _ => {}
            }
        }
        if !self.graph.buffer(buffer).kind.is_stable() {
            let result = self.define(ty, Definition::Load(buffer, index), self.depth() as u32);
            self.push(Instruction::Load {
                result,
                buffer,
                index,
            });
            return result;
        }
        let floor = self.floors[buffer.0 as usize].max(self.depths[index.0 as usize]);
        let depth = self.hoisted(floor);
        self.place(
            depth,
            Key::Load(buffer, index),
            ty,
            Definition::Load(buffer, index),
            |result| Instruction::Load {
                result,
                buffer,
                index,
            },
        )
    }

    /// buffer[index] = value
    pub fn store(&mut self, buffer: BufferId, index: Value, value: Value) {
        self.floors[buffer.0 as usize] = self.depth() as u32;
        self.push(Instruction::Store {
            buffer,
            index,
            value,
        });
    }

    /// buffer[index] += value
    pub fn accumulate(&mut self, buffer: BufferId, index: Value, value: Value) {
        self.push(Instruction::Accumulate {
            buffer,
            index,
            value,
        });
    }

    /// Sets a buffer to zero.
    pub fn clear(&mut self, buffer: BufferId) {
        self.push(Instruction::Clear { buffer });
    }

    /// Sets a buffer to zero in the block open at `depth`, before the loop or branch that is being written in it.
    pub fn clear_at(&mut self, depth: usize, buffer: BufferId) {
        self.scopes[depth]
            .block
            .instructions
            .push(Instruction::Clear { buffer });
    }

    /// Adds a term to a part.
    pub fn add_part(&mut self, part: Part, value: Value, statement: u32) {
        self.push(Instruction::AddPart {
            part,
            value,
            statement,
        });
    }

    /// Dense algebra.
    pub fn dense(&mut self, operation: Dense, inputs: Vec<Region>, outputs: Vec<Region>) {
        for output in &outputs {
            self.floors[output.buffer.0 as usize] = self.depth() as u32;
        }
        self.push(Instruction::Dense {
            operation,
            inputs,
            outputs,
        });
    }

    /// A random number.
    pub fn draw(&mut self, draw: Draw, arguments: Vec<Value>) -> Value {
        let result = self.define(Type::Real, Definition::Draw, self.depth() as u32);
        self.push(Instruction::Draw {
            result,
            draw,
            arguments,
        });
        result
    }

    /// Says that the open block will store into `buffer` in an order the builder cannot see, so that its loads stay in it.
    pub fn pin(&mut self, buffer: BufferId) {
        self.floors[buffer.0 as usize] = self.depth() as u32;
    }

    /// Opens a loop and gives its index.
    pub fn begin_loop(
        &mut self,
        lower: Value,
        upper: Value,
        max_count: usize,
        reversed: bool,
    ) -> Value {
        let index = self.define(Type::Int, Definition::Index, self.scopes.len() as u32);
        self.scopes.push(Scope::new(Ending::Loop {
            index,
            lower,
            upper,
            max_count,
            reversed,
        }));
        index
    }

    /// Opens a loop over 0..count (count excluded) and gives its index.
    pub fn begin_count(&mut self, count: usize) -> Value {
        let (lower, upper) = (self.int(0), self.int(count as i64 - 1));
        self.begin_loop(lower, upper, count, false)
    }

    /// Opens the block for when the condition holds.
    pub fn begin_if(&mut self, condition: Value) {
        self.scopes.push(Scope::new(Ending::Then { condition }));
    }

    /// Goes on with the block for when it does not.
    pub fn begin_else(&mut self) {
        let scope = self.close();
        let Ending::Then { condition } = scope.ending else {
            panic!("else without if")
        };
        self.scopes.push(Scope::new(Ending::Otherwise {
            condition,
            then: scope.block,
        }));
    }

    /// Closes the innermost loop or branch; an empty one leaves no trace.
    pub fn end(&mut self) {
        let Scope { block, ending, .. } = self.close();
        let instruction = match ending {
            Ending::Root => panic!("no open block to close"),
            Ending::Loop {
                index,
                lower,
                upper,
                max_count,
                reversed,
            } => Instruction::Loop {
                index,
                lower,
                upper,
                max_count,
                reversed,
                body: block,
            },
            Ending::Then { condition } => Instruction::If {
                condition,
                then: block,
                otherwise: Block::default(),
            },
            Ending::Otherwise { condition, then } => Instruction::If {
                condition,
                then,
                otherwise: block,
            },
        };
        let empty = match &instruction {
            Instruction::Loop { body, .. } => body.instructions.is_empty(),
            Instruction::If {
                then, otherwise, ..
            } => then.instructions.is_empty() && otherwise.instructions.is_empty(),
            _ => false,
        };
        if !empty {
            self.push(instruction);
        }
    }

    fn close(&mut self) -> Scope {
        let scope = self.scopes.pop().expect("an open block");
        let depth = self.depth() as u32;
        for floor in &mut self.floors {
            *floor = (*floor).min(depth);
        }
        scope
    }

    fn push(&mut self, instruction: Instruction) {
        self.scopes
            .last_mut()
            .expect("an open block")
            .block
            .instructions
            .push(instruction);
    }

    fn define(&mut self, ty: Type, definition: Definition, depth: u32) -> Value {
        self.graph.types.push(ty);
        self.definitions.push(definition);
        self.depths.push(depth);
        Value(self.graph.types.len() as u32 - 1)
    }

    /// The outermost depth ≥ `depth` that a pure instruction may be moved to: not out of the innermost branch.
    fn hoisted(&self, depth: u32) -> u32 {
        let branch = self
            .scopes
            .iter()
            .rposition(|scope| !matches!(scope.ending, Ending::Root | Ending::Loop { .. }));
        depth.max(branch.unwrap_or(0) as u32)
    }

    fn place(
        &mut self,
        depth: u32,
        key: Key,
        ty: Type,
        definition: Definition,
        instruction: impl FnOnce(Value) -> Instruction,
    ) -> Value {
        if let Some(&value) = self.scopes.iter().find_map(|scope| scope.memo.get(&key)) {
            return value;
        }
        let value = self.define(ty, definition, depth);
        let scope = &mut self.scopes[depth as usize];
        scope.memo.insert(key, value);
        scope.block.instructions.push(instruction(value));
        value
    }

    fn fold(&mut self, operation: Operation, arguments: &[Value]) -> Option<Value> {
        let mut numbers = [0.0; 3];
        for (number, &argument) in numbers.iter_mut().zip(arguments) {
            *number = match self.as_constant(argument)? {
                Constant::Real(v) => v,
                Constant::Int(v) => v as f64,
                Constant::Bool(v) => f64::from(v),
            };
        }
        let entry = operation.entry();
        let result = (entry.evaluate)(&numbers[..arguments.len()]);
        Some(match entry.result {
            Type::Real => self.real(result),
            Type::Int => self.int(result as i64),
            Type::Bool => self.bool(result != 0.0),
        })
    }

    /// Identities that hold for every argument, NaN and infinities included (0 x is not among them).
    fn simplify(&mut self, operation: Operation, a: &[Value]) -> Option<Value> {
        use Operation::*;
        let real = |builder: &Self, i: usize| builder.as_real(a[i]);
        let int = |builder: &Self, i: usize| builder.as_int(a[i]);
        match operation {
            Add if real(self, 0) == Some(0.0) => Some(a[1]),
            Add | Subtract if real(self, 1) == Some(0.0) => Some(a[0]),
            Subtract if real(self, 0) == Some(0.0) => Some(self.scalar(Negate, &[a[1]])),
            Multiply if real(self, 0) == Some(1.0) => Some(a[1]),
            Multiply | Divide | Power if real(self, 1) == Some(1.0) => Some(a[0]),
            Multiply if real(self, 0) == Some(-1.0) => Some(self.scalar(Negate, &[a[1]])),
            Multiply if real(self, 1) == Some(-1.0) => Some(self.scalar(Negate, &[a[0]])),
            Negate => match self.definition(a[0]).clone() {
                Definition::Scalar(Negate, inner) => Some(inner[0]),
                Definition::Scalar(Subtract, inner) => {
                    Some(self.scalar(Subtract, &[inner[1], inner[0]]))
                }
                _ => None,
            },
            Add => match self.definition(a[1]).clone() {
                Definition::Scalar(Negate, inner) => Some(self.scalar(Subtract, &[a[0], inner[0]])),
                _ => None,
            },
            Subtract => match self.definition(a[1]).clone() {
                Definition::Scalar(Negate, inner) => Some(self.scalar(Add, &[a[0], inner[0]])),
                _ => None,
            },
            Power => self.power(a[0], real(self, 1)?),
            Select | IntSelect if a[1] == a[2] => Some(a[1]),
            Select | IntSelect => match self.as_bool(a[0])? {
                true => Some(a[1]),
                false => Some(a[2]),
            },
            And if self.as_bool(a[0]) == Some(true) => Some(a[1]),
            And if self.as_bool(a[1]) == Some(true) => Some(a[0]),
            And if self.as_bool(a[0]) == Some(false) => Some(a[0]),
            And if self.as_bool(a[1]) == Some(false) => Some(a[1]),
            Or if self.as_bool(a[0]) == Some(false) => Some(a[1]),
            Or if self.as_bool(a[1]) == Some(false) => Some(a[0]),
            Or if self.as_bool(a[0]) == Some(true) => Some(a[0]),
            Or if self.as_bool(a[1]) == Some(true) => Some(a[1]),
            IntAdd if int(self, 0) == Some(0) => Some(a[1]),
            IntAdd | IntSubtract if int(self, 1) == Some(0) => Some(a[0]),
            IntMultiply if int(self, 0) == Some(1) => Some(a[1]),
            IntMultiply if int(self, 1) == Some(1) => Some(a[0]),
            IntMultiply if int(self, 0) == Some(0) => Some(a[0]),
            IntMultiply if int(self, 1) == Some(0) => Some(a[1]),
            IntSubtract => {
                let amount = int(self, 1)?;
                let negative = self.int(-amount);
                Some(self.scalar(IntAdd, &[a[0], negative]))
            }
            IntAdd => self.int_sum(a[0], a[1]),
            _ => None,
        }
    }

    /// (x + c) + d = x + (c + d), with the literal last.
    fn int_sum(&mut self, a: Value, b: Value) -> Option<Value> {
        use Operation::IntAdd;
        let (x, d) = match (self.as_int(a), self.as_int(b)) {
            (None, Some(d)) => (a, d),
            (Some(d), None) => (b, d),
            _ => return None,
        };
        let Definition::Scalar(IntAdd, inner) = self.definition(x).clone() else {
            return None;
        };
        let (y, c) = match (self.as_int(inner[0]), self.as_int(inner[1])) {
            (None, Some(c)) => (inner[0], c),
            (Some(c), None) => (inner[1], c),
            _ => return None,
        };
        let sum = self.int(c + d);
        Some(self.scalar(IntAdd, &[y, sum]))
    }

    /// Small whole powers as products, one half as a root.
    fn power(&mut self, base: Value, exponent: f64) -> Option<Value> {
        use Operation::{Divide, Multiply, SquareRoot};
        if exponent == 0.0 {
            return Some(self.real(1.0));
        }
        if exponent == 0.5 {
            return Some(self.scalar(SquareRoot, &[base]));
        }
        if exponent.fract() != 0.0 || exponent.abs() > 16.0 {
            return None;
        }
        let mut power = None;
        let mut square = base;
        let mut rest = exponent.abs() as u32;
        while rest > 0 {
            if rest & 1 == 1 {
                power = Some(match power {
                    None => square,
                    Some(value) => self.scalar(Multiply, &[value, square]),
                });
            }
            rest >>= 1;
            if rest > 0 {
                square = self.scalar(Multiply, &[square, square]);
            }
        }
        let power = power?;
        if exponent > 0.0 {
            return Some(power);
        }
        let one = self.real(1.0);
        Some(self.scalar(Divide, &[one, power]))
    }
}

impl Scope {
    fn new(ending: Ending) -> Self {
        Self {
            block: Block::default(),
            memo: HashMap::new(),
            ending,
        }
    }
}

fn is_commutative(operation: Operation) -> bool {
    use Operation::*;
    matches!(
        operation,
        Add | Multiply | Equal | And | Or | IntAdd | IntMultiply | IntEqual
    )
}
