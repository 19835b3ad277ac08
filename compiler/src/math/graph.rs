//! The arithmetic of a model with every size known: pure scalar values, flat arrays, loops that stay loops, and dense
//! algebra on whole arrays. Density, forward and gradient programs are all written in this one form.
//!
//! Two kinds of storage keep differentiation simple. A *local* array has each element stored once (the language
//! guarantees it), so its elements can be loaded again at any later time. A *mutable* array (length 1: a register) may be
//! overwritten; whoever needs an old value must keep it. What the program is for are its *parts*: `AddPart` adds a term
//! to one of the sums whose weighted total is the log density. Terms are effects, not results, which lets a loop over
//! observations run forwards and backwards in one pass, because the adjoint of a term is its part's weight.

use std::sync::Arc;

use likelier_runtime::math::ode::Settings;

use super::primitive::{Dense, Draw, Operation};

/// A program: its arrays and one block of instructions.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// All arrays, by [`BufferId`].
    pub buffers: Vec<Buffer>,
    /// The type of every value, by [`Value`].
    pub types: Vec<Type>,
    /// What happens.
    pub body: Block,
    /// Number of soft constraints.
    pub soft_count: usize,
    /// Length of the position and the gradient.
    pub dimension: usize,
    /// What the statement numbers of `AddPart` stand for, such as `line 7: y ~ normal(mu, sigma)`.
    pub statements: Vec<String>,
    /// In a program that is being differentiated: whether terms stand inside log-sums. One of density zero has weight zero there, and the slope of its logarithm is
    /// infinite: derivatives then have to see to it that their product is zero.
    pub has_log_sums: bool,
    /// The differential equations that `Dense::Ode` solves, by number.
    pub equations: Vec<Arc<Equation>>,
}

/// A differential equation dy/dt = f(t, y, p): programs of their own, whose position is the point (t, y, p).
#[derive(Debug)]
pub struct Equation {
    /// The model's name of f.
    pub name: String,
    /// Length of y.
    pub states: usize,
    /// How it is solved.
    pub settings: Settings,
    /// dy/dt, in its output.
    pub derivative: Graph,
    /// The gradient of w · dy/dt, for given weights w; for adjoints and implicit methods.
    pub adjoint: Option<Graph>,
}

/// A scalar computed once per execution of the block that defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

/// An array of a [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

/// The type of a [`Value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// f64
    Real,
    /// i64
    Int,
    /// true or false
    Bool,
}

/// A flat array (row-major where it stands for a matrix).
#[derive(Debug, Clone)]
pub struct Buffer {
    /// For people: the model's name of it, or what it holds.
    pub name: String,
    /// Number of elements.
    pub length: usize,
    /// Where it lives and who writes it.
    pub kind: BufferKind,
}

/// Where a buffer lives.
#[derive(Debug, Clone)]
pub enum BufferKind {
    /// The unconstrained position, read only; length is the dimension.
    Position,
    /// Real data, read only.
    RealData(Arc<[f64]>),
    /// Integer data, read only.
    IntData(Arc<[i64]>),
    /// Constrained values given from outside (to be mapped to a position), read only.
    Given,
    /// Scratch of reals; each element is stored once before it is loaded.
    Local,
    /// Scratch of reals that may be overwritten; holds anything at the start.
    Mutable,
    /// Where the gradient goes: `Accumulate`d into; zero at the start (the caller of the program clears it).
    Gradient,
    /// Where a forward program stores its results.
    Output,
}

impl BufferKind {
    /// Whether loads give integers.
    pub fn is_int(&self) -> bool {
        matches!(self, BufferKind::IntData(_))
    }

    /// Whether an element, once there, never changes.
    pub fn is_stable(&self) -> bool {
        !matches!(self, BufferKind::Mutable | BufferKind::Gradient)
    }
}

/// Instructions in order.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// The instructions.
    pub instructions: Vec<Instruction>,
}

/// One of the sums that make up the log density.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Inferred variables; weight one.
    Prior,
    /// Log Jacobian of the transforms; weight one.
    Jacobian,
    /// A soft constraint.
    Soft(u32),
    /// What was observed, and factors.
    Likelihood,
}

/// A stretch of a buffer for dense algebra.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region {
    /// The buffer.
    pub buffer: BufferId,
    /// Its first element, an int value.
    pub offset: Value,
    /// Number of elements.
    pub length: usize,
}

/// One step.
#[derive(Debug, Clone)]
pub enum Instruction {
    /// A literal.
    Constant {
        /// The value it defines.
        result: Value,
        /// What it is.
        constant: Constant,
    },
    /// A pure scalar operation.
    Scalar {
        /// The value it defines.
        result: Value,
        /// From the table of primitives.
        operation: Operation,
        /// Its arguments.
        arguments: Vec<Value>,
    },
    /// The weight of a part (a real).
    Weight {
        /// The value it defines.
        result: Value,
        /// Whose weight.
        part: Part,
    },
    /// An element of a buffer; the index is in range by construction.
    Load {
        /// The value it defines.
        result: Value,
        /// From where.
        buffer: BufferId,
        /// Which element, from 0.
        index: Value,
    },
    /// buffer[index] = value
    Store {
        /// To where.
        buffer: BufferId,
        /// Which element, from 0.
        index: Value,
        /// What.
        value: Value,
    },
    /// buffer[index] += value
    Accumulate {
        /// To where.
        buffer: BufferId,
        /// Which element, from 0.
        index: Value,
        /// What.
        value: Value,
    },
    /// Sets a whole buffer to zero.
    Clear {
        /// Which.
        buffer: BufferId,
    },
    /// Adds a term to a part.
    AddPart {
        /// Which sum.
        part: Part,
        /// The term.
        value: Value,
        /// Which statement of the model it comes from: an index of [`Graph::statements`].
        statement: u32,
    },
    /// `index` runs from `lower` to `upper`, both included (in falling order if `reversed`); empty when upper < lower.
    Loop {
        /// The loop's index, defined in the body.
        index: Value,
        /// First index.
        lower: Value,
        /// Last index.
        upper: Value,
        /// At most this many rounds, known when the program is made.
        max_count: usize,
        /// From upper to lower.
        reversed: bool,
        /// The body.
        body: Block,
    },
    /// One of two blocks.
    If {
        /// A bool.
        condition: Value,
        /// When true.
        then: Block,
        /// When false.
        otherwise: Block,
    },
    /// Dense algebra on stretches of buffers. Outputs do not overlap inputs.
    Dense {
        /// From the table.
        operation: Dense,
        /// Read.
        inputs: Vec<Region>,
        /// Written, or added to, as the operation says.
        outputs: Vec<Region>,
    },
    /// A random number (forward programs only).
    Draw {
        /// The value it defines.
        result: Value,
        /// Its law.
        draw: Draw,
        /// Parameters of the law.
        arguments: Vec<Value>,
    },
}

/// A literal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Constant {
    /// f64
    Real(f64),
    /// i64
    Int(i64),
    /// true or false
    Bool(bool),
}

impl Constant {
    /// Its type.
    pub fn ty(self) -> Type {
        match self {
            Constant::Real(_) => Type::Real,
            Constant::Int(_) => Type::Int,
            Constant::Bool(_) => Type::Bool,
        }
    }
}

impl Graph {
    /// A buffer by its number.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        &self.buffers[id.0 as usize]
    }

    /// The type of a value.
    pub fn type_of(&self, value: Value) -> Type {
        self.types[value.0 as usize]
    }

    /// Number of instructions, nested ones included: what compile time depends on.
    pub fn size(&self) -> usize {
        self.body.size() + self.programs().map(Graph::size).sum::<usize>()
    }

    /// The programs of its equations.
    pub fn programs(&self) -> impl Iterator<Item = &Graph> {
        self.equations
            .iter()
            .flat_map(|equation| [&equation.derivative].into_iter().chain(&equation.adjoint))
    }
}

impl Block {
    /// Number of instructions, nested ones included.
    pub fn size(&self) -> usize {
        self.instructions
            .iter()
            .map(|instruction| match instruction {
                Instruction::Loop { body, .. } => 1 + body.size(),
                Instruction::If {
                    then, otherwise, ..
                } => 1 + then.size() + otherwise.size(),
                _ => 1,
            })
            .sum()
    }
}

impl Instruction {
    /// The value this instruction defines in its block.
    pub fn result(&self) -> Option<Value> {
        match self {
            Instruction::Constant { result, .. }
            | Instruction::Scalar { result, .. }
            | Instruction::Weight { result, .. }
            | Instruction::Load { result, .. }
            | Instruction::Draw { result, .. } => Some(*result),
            _ => None,
        }
    }
}
