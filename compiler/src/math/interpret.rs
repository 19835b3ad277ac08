//! A slow evaluator of graphs, as plain as possible: the oracle that gradient and native code are tested against, and
//! the witness that `explain` calls to say which statement's term is the first that is not finite. Ints and bools
//! travel as exact reals, as in the table of primitives. What has not been stored yet reads as NaN, so that a use
//! before its time shows.

use likelier_runtime::math::ode::Workspace;
use likelier_runtime::random::Stream;
use likelier_runtime::target::{Parts, Weights};

use super::graph::{
    Block, BufferId, BufferKind, Constant, Graph, Instruction, Part, Region, Value,
};
use super::primitive::{Dense, Draw};

pub(crate) mod dense;
mod ode;

/// What a program starts from.
pub struct Inputs<'a> {
    /// The unconstrained position (length: dimension).
    pub position: &'a [f64],
    /// Weights of the parts.
    pub weights: &'a Weights,
    /// Values of the `Given` buffer; empty if the program has none.
    pub given: &'a [f64],
    /// Randomness for forward programs; without it draws are NaN.
    pub stream: Option<&'a mut Stream>,
}

/// What a program leaves behind.
pub struct Outcome {
    /// The parts, unweighted.
    pub parts: Parts,
    /// The gradient buffer (length: dimension).
    pub gradient: Vec<f64>,
    /// The output buffer.
    pub output: Vec<f64>,
    /// The sum of each statement's terms, unweighted, by statement number.
    pub contributions: Vec<f64>,
    /// The statement whose term was the first that is not finite.
    pub first_not_finite: Option<u32>,
    /// Whether a matrix of finite numbers that must be positive definite was not, before that.
    pub indefinite_matrix: bool,
    /// The differential equation that was the last to have no solution, and why.
    pub unsolved: Option<String>,
}

impl Outcome {
    /// The weighted total. A part with weight zero does not count, whatever it holds.
    pub fn log_density(&self, weights: &Weights) -> f64 {
        let soft = self.parts.soft.iter().zip(&weights.soft);
        let soft: f64 = soft.map(|(&part, &weight)| weighted(weight, part)).sum();
        let likelihood = weighted(weights.likelihood, self.parts.likelihood);
        self.parts.prior + self.parts.jacobian + soft + likelihood
    }
}

fn weighted(weight: f64, part: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { weight * part }
}

/// Runs a program.
pub fn interpret(graph: &Graph, inputs: Inputs) -> Outcome {
    let storage = graph.buffers.iter().map(|buffer| match &buffer.kind {
        BufferKind::Position => inputs.position.to_vec(),
        BufferKind::Given => inputs.given.to_vec(),
        BufferKind::RealData(data) => data.to_vec(),
        BufferKind::IntData(data) => data.iter().map(|&i| i as f64).collect(),
        BufferKind::Gradient => vec![0.0; buffer.length],
        BufferKind::Local | BufferKind::Mutable | BufferKind::Output => {
            vec![f64::NAN; buffer.length]
        }
    });
    let mut interpreter = Interpreter {
        graph,
        storage: storage.collect(),
        values: vec![f64::NAN; graph.types.len()],
        weights: inputs.weights,
        stream: inputs.stream,
        parts: Parts {
            soft: vec![0.0; graph.soft_count],
            ..Parts::default()
        },
        contributions: vec![0.0; graph.statements.len()],
        first_not_finite: None,
        indefinite_matrix: false,
        trajectories: Workspace::default(),
        unsolved: None,
    };
    interpreter.block(&graph.body);
    interpreter.outcome()
}

struct Interpreter<'a> {
    graph: &'a Graph,
    storage: Vec<Vec<f64>>,
    values: Vec<f64>,
    weights: &'a Weights,
    stream: Option<&'a mut Stream>,
    parts: Parts,
    contributions: Vec<f64>,
    first_not_finite: Option<u32>,
    indefinite_matrix: bool,
    trajectories: Workspace,
    unsolved: Option<String>,
}

impl Interpreter<'_> {
    fn outcome(mut self) -> Outcome {
        let mut take = |wanted: fn(&BufferKind) -> bool| {
            let index = self
                .graph
                .buffers
                .iter()
                .position(|buffer| wanted(&buffer.kind));
            index.map_or(Vec::new(), |index| std::mem::take(&mut self.storage[index]))
        };
        Outcome {
            gradient: take(|kind| matches!(kind, BufferKind::Gradient)),
            output: take(|kind| matches!(kind, BufferKind::Output)),
            parts: self.parts,
            contributions: self.contributions,
            first_not_finite: self.first_not_finite,
            indefinite_matrix: self.indefinite_matrix,
            unsolved: self.unsolved,
        }
    }

    fn value(&self, value: Value) -> f64 {
        self.values[value.0 as usize]
    }

    fn set(&mut self, value: Value, number: f64) {
        self.values[value.0 as usize] = number;
    }

    fn element(&mut self, buffer: BufferId, index: Value) -> &mut f64 {
        let index = self.value(index) as usize;
        &mut self.storage[buffer.0 as usize][index]
    }

    fn block(&mut self, block: &Block) {
        block
            .instructions
            .iter()
            .for_each(|instruction| self.instruction(instruction));
    }

    fn instruction(&mut self, instruction: &Instruction) {
        match instruction {
            Instruction::Constant { result, constant } => self.set(*result, number(*constant)),
            Instruction::Scalar {
                result,
                operation,
                arguments,
            } => {
                let mut numbers = [0.0; 3];
                for (number, &argument) in numbers.iter_mut().zip(arguments) {
                    *number = self.value(argument);
                }
                let value = (operation.entry().evaluate)(&numbers[..arguments.len()]);
                self.set(*result, value);
            }
            Instruction::Weight { result, part } => {
                let weight = match part {
                    Part::Prior | Part::Jacobian => 1.0,
                    Part::Soft(k) => self.weights.soft[*k as usize],
                    Part::Likelihood => self.weights.likelihood,
                };
                self.set(*result, weight);
            }
            Instruction::Load {
                result,
                buffer,
                index,
            } => {
                // A load taken out of a loop without rounds may have an index that no round has.
                let index = self.value(*index);
                let storage = &self.storage[buffer.0 as usize];
                let value = if index < 0.0 {
                    None
                } else {
                    storage.get(index as usize)
                };
                let value = value.copied().unwrap_or(f64::NAN);
                self.set(*result, value);
            }
            Instruction::Store {
                buffer,
                index,
                value,
            } => {
                *self.element(*buffer, *index) = self.value(*value);
            }
            Instruction::Accumulate {
                buffer,
                index,
                value,
            } => {
                *self.element(*buffer, *index) += self.value(*value);
            }
            Instruction::Clear { buffer } => self.storage[buffer.0 as usize].fill(0.0),
            Instruction::AddPart {
                part,
                value,
                statement,
            } => {
                self.add_part(*part, self.value(*value), *statement);
            }
            Instruction::Loop {
                index,
                lower,
                upper,
                reversed,
                body,
                ..
            } => {
                let (lower, upper) = (self.value(*lower) as i64, self.value(*upper) as i64);
                for round in 0..=(upper - lower) {
                    let i = if *reversed {
                        upper - round
                    } else {
                        lower + round
                    };
                    self.set(*index, i as f64);
                    self.block(body);
                }
            }
            Instruction::If {
                condition,
                then,
                otherwise,
            } => {
                self.block(if self.value(*condition) != 0.0 {
                    then
                } else {
                    otherwise
                });
            }
            Instruction::Dense {
                operation,
                inputs,
                outputs,
            } => {
                let inputs: Vec<_> = inputs.iter().map(|region| self.region(region)).collect();
                let mut results: Vec<_> =
                    outputs.iter().map(|region| self.region(region)).collect();
                match operation {
                    Dense::Ode(_) | Dense::AddOdeAdjoint { .. } => {
                        self.ode(*operation, &inputs, &mut results);
                    }
                    _ => dense::evaluate(*operation, &inputs, &mut results),
                }
                if self.first_not_finite.is_none() && dense::is_indefinite(*operation, &inputs) {
                    self.indefinite_matrix = true;
                }
                for (region, result) in outputs.iter().zip(results) {
                    let offset = self.value(region.offset) as usize;
                    self.storage[region.buffer.0 as usize][offset..offset + region.length]
                        .copy_from_slice(&result);
                }
            }
            Instruction::Draw {
                result,
                draw,
                arguments,
            } => {
                let numbers: Vec<f64> = arguments.iter().map(|&value| self.value(value)).collect();
                let number = self
                    .stream
                    .as_mut()
                    .map_or(f64::NAN, |s| sample(s, *draw, &numbers));
                self.set(*result, number);
            }
        }
    }

    fn add_part(&mut self, part: Part, term: f64, statement: u32) {
        *match part {
            Part::Prior => &mut self.parts.prior,
            Part::Jacobian => &mut self.parts.jacobian,
            Part::Soft(k) => &mut self.parts.soft[k as usize],
            Part::Likelihood => &mut self.parts.likelihood,
        } += term;
        if let Some(sum) = self.contributions.get_mut(statement as usize) {
            *sum += term;
        }
        if !term.is_finite() && self.first_not_finite.is_none() {
            self.first_not_finite = Some(statement);
        }
    }

    fn region(&self, region: &Region) -> Vec<f64> {
        let offset = self.value(region.offset) as usize;
        self.storage[region.buffer.0 as usize][offset..offset + region.length].to_vec()
    }
}

fn number(constant: Constant) -> f64 {
    match constant {
        Constant::Real(value) => value,
        Constant::Int(value) => value as f64,
        Constant::Bool(value) => f64::from(value),
    }
}

/// One random number of a law.
fn sample(stream: &mut Stream, draw: Draw, arguments: &[f64]) -> f64 {
    match draw {
        Draw::Uniform => stream.uniform(),
        Draw::Normal => stream.normal(),
        Draw::Exponential => stream.exponential(),
        Draw::Gamma => stream.gamma(arguments[0]),
        Draw::Poisson => stream.poisson(arguments[0]),
        Draw::Binomial => stream.binomial(arguments[0], arguments[1]),
    }
}
