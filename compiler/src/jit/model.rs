//! A compiled model as samplers see it. The gradient program serves every evaluation: one native entry for any weights.
//! The density graph is kept for `explain`, which interprets it to find the statement responsible.

use likelier_kernels::parts::{not_nan, settle};
use likelier_runtime::random::Stream;
use likelier_runtime::target::{Evaluator, Parts, Target, Weights};

use crate::math::graph::Graph;
use crate::math::interpret::{Inputs, interpret};

use super::context::FIXED_PARTS;
use super::cpu::CpuLevel;
use super::native::{Arguments, JitError, Native, Scratch};

/// The programs of a model. All have the model's dimension and number of soft constraints.
pub struct Programs {
    /// The parts of the log density; interpreted when something is to be explained.
    pub density: Graph,
    /// The parts and the gradient. If `rows` is there, both have a weight for each observed row in their given buffer.
    pub gradient: Graph,
    /// A prior draw: random numbers to a position, in its output buffer.
    pub start: Graph,
    /// What is stored for a draw: position and random numbers to values, in its output buffer.
    pub outputs: Graph,
    /// Given constrained values to a position, in its output buffer.
    pub unconstrain: Option<Graph>,
    /// A position to the log density of each observed row, in its output buffer.
    pub rows: Option<Graph>,
}

/// Native code for a model.
pub struct CompiledModel {
    native: Native,
    density: Graph,
    unconstrain: Option<usize>,
    rows: Option<usize>,
}

const GRADIENT: usize = 0;
const START: usize = 1;
const OUTPUTS: usize = 2;

impl CompiledModel {
    /// Compiles a model's programs.
    pub fn compile(programs: Programs, cpu: CpuLevel) -> Result<CompiledModel, JitError> {
        let mut graphs = vec![
            ("gradient", &programs.gradient),
            ("start", &programs.start),
            ("outputs", &programs.outputs),
        ];
        let mut add = |name, graph| {
            graphs.push((name, graph));
            graphs.len() - 1
        };
        let unconstrain = programs.unconstrain.as_ref();
        let unconstrain = unconstrain.map(|graph| add("unconstrain", graph));
        let rows = programs.rows.as_ref().map(|graph| add("rows", graph));
        Ok(CompiledModel {
            native: Native::compile(&graphs, cpu)?,
            density: programs.density,
            unconstrain,
            rows,
        })
    }

    /// The CPU level of its code.
    pub fn cpu(&self) -> CpuLevel {
        self.native.cpu()
    }

    /// The position of given constrained values (in the model's order); `None` if the model has no such program.
    pub fn unconstrain(&self, given: &[f64]) -> Option<Vec<f64>> {
        let program = self.unconstrain?;
        let mut position = vec![0.0; self.dimension()];
        let mut evaluator = NativeEvaluator::new(self);
        let start = vec![0.0; self.dimension()];
        evaluator.forward(program, &start, given, None, &mut position);
        Some(position)
    }
}

impl Target for CompiledModel {
    fn dimension(&self) -> usize {
        self.density.dimension
    }

    fn soft_count(&self) -> usize {
        self.density.soft_count
    }

    fn row_count(&self) -> usize {
        self.rows.map_or(0, |rows| self.native.output_count(rows))
    }

    fn output_count(&self) -> usize {
        self.native.output_count(OUTPUTS)
    }

    fn evaluator(&self) -> Box<dyn Evaluator + '_> {
        Box::new(NativeEvaluator::new(self))
    }
}

struct NativeEvaluator<'a> {
    model: &'a CompiledModel,
    scratch: Scratch,
    weights: Vec<f64>,
    parts: Vec<f64>,
    origin: Vec<f64>,
    /// A weight of one for each row.
    ones: Vec<f64>,
}

impl<'a> NativeEvaluator<'a> {
    fn new(model: &'a CompiledModel) -> Self {
        let soft = model.soft_count();
        NativeEvaluator {
            model,
            scratch: model.native.scratch(),
            weights: vec![1.0; soft + 1],
            parts: vec![0.0; soft + FIXED_PARTS],
            origin: vec![0.0; model.dimension()],
            ones: vec![1.0; model.row_count()],
        }
    }

    /// Runs a program that writes to its output.
    fn forward(
        &mut self,
        program: usize,
        position: &[f64],
        given: &[f64],
        stream: Option<&mut Stream>,
        output: &mut [f64],
    ) {
        self.weights.fill(1.0);
        let arguments = Arguments {
            position,
            weights: &self.weights,
            given,
            gradient: &mut [],
            output,
            parts: &mut self.parts,
            stream,
        };
        self.model.native.run(program, &mut self.scratch, arguments);
    }
}

impl Evaluator for NativeEvaluator<'_> {
    fn log_density_gradient(
        &mut self,
        position: &[f64],
        weights: &Weights,
        gradient: &mut [f64],
        parts: &mut Parts,
    ) -> f64 {
        let soft = weights.soft.len();
        self.weights[..soft].copy_from_slice(&weights.soft);
        self.weights[soft] = weights.likelihood;
        let arguments = Arguments {
            position,
            weights: &self.weights,
            given: match weights.rows.is_empty() {
                true => &self.ones,
                false => &weights.rows,
            },
            gradient,
            output: &mut [],
            parts: &mut self.parts,
            stream: None,
        };
        self.model
            .native
            .run(GRADIENT, &mut self.scratch, arguments);
        let total = settle(&self.weights, &mut self.parts);
        [parts.prior, parts.jacobian, parts.likelihood] = [0, 1, 2].map(|part| self.parts[part]);
        parts.soft.resize(soft, 0.0);
        parts.soft.copy_from_slice(&self.parts[FIXED_PARTS..]);
        total
    }

    fn prior_draw(&mut self, stream: &mut Stream, position: &mut [f64]) {
        let origin = std::mem::take(&mut self.origin);
        self.forward(START, &origin, &[], Some(stream), position);
        self.origin = origin;
    }

    fn outputs(&mut self, position: &[f64], stream: &mut Stream, values: &mut [f64]) {
        self.forward(OUTPUTS, position, &[], Some(stream), values);
    }

    fn rows(&mut self, position: &[f64], values: &mut [f64]) {
        let Some(program) = self.model.rows else {
            return;
        };
        self.forward(program, position, &[], None, values);
        values.iter_mut().for_each(|value| *value = not_nan(*value));
    }

    fn explain(&mut self, position: &[f64]) -> Option<String> {
        let density = &self.model.density;
        let weights = Weights::posterior(density.soft_count);
        let inputs = Inputs {
            position,
            weights: &weights,
            given: &self.ones,
            stream: None,
        };
        let outcome = interpret(density, inputs);
        let statement = outcome.first_not_finite?;
        let description = density.statements.get(statement as usize)?;
        let sum = outcome.contributions[statement as usize];
        if outcome.indefinite_matrix {
            return Some(format!(
                "{description} needs a positive definite matrix, and this one is not (nearly singular, or not a covariance): \
                 add a little to its diagonal, as in `add_diagonal(K, 1e-6)` of `import std.kernels`"
            ));
        }
        let value = if sum == f64::NEG_INFINITY {
            "zero density (its logarithm is −inf)".to_string()
        } else if sum.is_nan() {
            "no number (NaN)".to_string()
        } else {
            format!("a log density of {sum}")
        };
        let cause = outcome
            .unsolved
            .map_or(String::new(), |unsolved| format!(", because {unsolved}"));
        Some(format!("{description} has {value}{cause}"))
    }
}
