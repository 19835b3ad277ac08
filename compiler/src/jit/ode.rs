//! Differential equations in native code: the right-hand side and its adjoint are functions of their own, called like any
//! program with a context; the solver is a function of the runtime that native code calls with their addresses.

use cranelift::codegen::ir::InstBuilder;
use cranelift::prelude::types;
use cranelift_module::FuncId;

use likelier_kernels::ode::{ADD_ADJOINT, SOLVE};
use likelier_runtime::math::ode::Method;

use super::context;
use super::emit::Emitter;
use super::layout;
use super::native::JitError;
use crate::math::graph::Region;
use crate::math::primitive::{Dense, Ode};

/// The functions of an equation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Functions {
    pub derivative: FuncId,
    pub adjoint: Option<FuncId>,
    /// Bytes of scratch that they need.
    pub scratch: usize,
}

impl Emitter<'_> {
    /// Calls the solver: the context, the functions and their scratch, the sizes, the settings, the regions.
    pub(super) fn ode(
        &mut self,
        operation: Dense,
        ode: Ode,
        inputs: &[Region],
        outputs: &[Region],
    ) -> Result<(), JitError> {
        let functions = self.equations[ode.equation as usize];
        let settings = self.graph.equations[ode.equation as usize].settings;
        let derivative = self.function_address(functions.derivative);
        let null = self.builder.ins().iconst(types::I64, 0);
        let adjoint = match functions.adjoint {
            Some(function) => self.function_address(function),
            None => null,
        };
        let offset = layout::reserve(&mut self.layout.scratch, functions.scratch / 8);
        let scratch = self.displaced(self.base(context::SCRATCH), offset as i64);
        let scratch = self.pointer(scratch);
        let mut arguments = vec![self.context, derivative, adjoint, scratch];
        for size in [ode.states, ode.point, ode.times] {
            arguments.push(self.builder.ins().iconst(types::I64, size as i64));
        }
        let is_stiff = i64::from(settings.method == Method::Stiff);
        arguments.push(self.builder.ins().iconst(types::I64, is_stiff));
        for tolerance in [settings.relative_tolerance, settings.absolute_tolerance] {
            arguments.push(self.builder.ins().f64const(tolerance));
        }
        let steps = settings.max_steps as i64;
        arguments.push(self.builder.ins().iconst(types::I64, steps));
        for region in inputs.iter().chain(outputs) {
            let address = self.address(region.buffer, region.offset);
            arguments.push(self.pointer(address));
        }
        let name = match operation {
            Dense::Ode(_) => SOLVE,
            _ => {
                if outputs.len() == 1 {
                    arguments.push(null);
                }
                ADD_ADJOINT
            }
        };
        self.call(name, &arguments, None)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use likelier_runtime::math::ode::{Method, Settings};
    use likelier_runtime::target::Weights;

    use crate::gradient::differentiate;
    use crate::jit::CpuLevel;
    use crate::jit::native::{Arguments, Native};
    use crate::math::builder::Builder;
    use crate::math::graph::{BufferKind, Equation, Graph, Part, Region};
    use crate::math::interpret::{Inputs, Outcome, interpret};
    use crate::math::primitive::{Dense, Ode, Operation};

    /// u' = v, v' = −p sin u − u t at (t, u, v, p): dy/dt in the output, or weighted by given numbers.
    fn pendulum(weighted: bool) -> Graph {
        let mut builder = Builder::new();
        builder.set_sizes(4, 0);
        let position = builder.buffer("position", 4, BufferKind::Position);
        let [t, u, v, p] = [0, 1, 2, 3].map(|i| {
            let index = builder.int(i);
            builder.load(position, index)
        });
        let sine = builder.scalar(Operation::Sine, &[u]);
        let pull = builder.scalar(Operation::Multiply, &[p, sine]);
        let drift = builder.scalar(Operation::Multiply, &[u, t]);
        let sum = builder.scalar(Operation::Add, &[pull, drift]);
        let slope = builder.scalar(Operation::Negate, &[sum]);
        let kind = match weighted {
            true => BufferKind::Given,
            false => BufferKind::Output,
        };
        let buffer = builder.buffer("buffer", 2, kind);
        let statement = builder.statement("pendulum");
        for (i, value) in [v, slope].into_iter().enumerate() {
            let index = builder.int(i as i64);
            if weighted {
                let weight = builder.load(buffer, index);
                let term = builder.scalar(Operation::Multiply, &[weight, value]);
                builder.add_part(Part::Prior, term, statement);
            } else {
                builder.store(buffer, index, value);
            }
        }
        builder.finish()
    }

    /// Three pendulums, each with its own start and length from the position, their squares as terms. With
    /// `terminal`, terms stand in the loop of the solutions, which then runs forwards and backwards in one.
    fn program(method: Method, terminal: bool, unknown_times: bool) -> Graph {
        let (rounds, times) = (3, 4);
        let mut builder = Builder::new();
        builder.set_sizes(4, 0);
        let equation = Equation {
            name: "pendulum".into(),
            states: 2,
            settings: Settings {
                method,
                relative_tolerance: 1e-10,
                absolute_tolerance: 1e-10,
                max_steps: 100_000,
            },
            derivative: pendulum(false),
            adjoint: Some(differentiate(&pendulum(true))),
        };
        let equation = builder.equation(Arc::new(equation));
        let position = builder.buffer("position", 4, BufferKind::Position);
        let data: Arc<[f64]> = vec![0.2, 0.5, 0.5, 1.5].into();
        let local =
            |builder: &mut Builder, name, length| builder.buffer(name, length, BufferKind::Local);
        let ts = match unknown_times {
            true => local(&mut builder, "times", times),
            false => builder.buffer("times", times, BufferKind::RealData(data)),
        };
        if unknown_times {
            let mut time = builder.real(0.1);
            for i in 0..times as i64 {
                let index = builder.int(i);
                let x = builder.load(position, index);
                let step = builder.scalar(Operation::Logistic, &[x]);
                time = builder.scalar(Operation::Add, &[time, step]);
                builder.store(ts, index, time);
            }
        }
        let start = local(&mut builder, "start", 4 * rounds);
        let solution = local(&mut builder, "solution", (times * 2 + 1) * rounds);
        let statement = builder.statement("squares");
        let zero = builder.int(0);
        let terms = |builder: &mut Builder, j| {
            let stride = builder.int(times as i64 * 2 + 1);
            let first = builder.scalar(Operation::IntMultiply, &[j, stride]);
            for k in 0..times as i64 * 2 {
                let k = builder.int(k);
                let at = builder.scalar(Operation::IntAdd, &[first, k]);
                let value = builder.load(solution, at);
                let square = builder.scalar(Operation::Multiply, &[value, value]);
                builder.add_part(Part::Likelihood, square, statement);
            }
        };
        let j = builder.begin_count(rounds);
        let four = builder.int(4);
        let base = builder.scalar(Operation::IntMultiply, &[j, four]);
        for k in 0..4 {
            let offset = builder.int(k);
            let at = builder.scalar(Operation::IntAdd, &[base, offset]);
            let value = if k == 0 {
                builder.real(0.1)
            } else {
                let index = builder.int(k);
                let x = builder.load(position, index);
                let round = builder.scalar(Operation::IntToReal, &[j]);
                builder.scalar(Operation::Add, &[x, round])
            };
            builder.store(start, at, value);
        }
        let stride = builder.int(times as i64 * 2 + 1);
        let first = builder.scalar(Operation::IntMultiply, &[j, stride]);
        let length = builder.int(times as i64 * 2);
        let last = builder.scalar(Operation::IntAdd, &[first, length]);
        let region = |buffer, offset, length| Region {
            buffer,
            offset,
            length,
        };
        let ode = Ode {
            equation,
            states: 2,
            point: 4,
            times,
        };
        builder.dense(
            Dense::Ode(ode),
            vec![region(start, base, 4), region(ts, zero, times)],
            vec![
                region(solution, first, times * 2),
                region(solution, last, 1),
            ],
        );
        if terminal {
            terms(&mut builder, j);
        }
        builder.end();
        if !terminal {
            let j = builder.begin_count(rounds);
            terms(&mut builder, j);
            builder.end();
        }
        builder.finish()
    }

    fn run(graph: &Graph, position: &[f64]) -> Outcome {
        let inputs = Inputs {
            position,
            weights: &Weights::posterior(0),
            given: &[],
            stream: None,
        };
        interpret(graph, inputs)
    }

    #[test]
    fn native_code_agrees_with_the_interpreter_and_that_with_differences() {
        let position = [0.3, 0.7, -0.4, 1.9];
        for method in [Method::Explicit, Method::Stiff] {
            for (terminal, unknown_times) in [(true, false), (false, false), (false, true)] {
                let density = program(method, terminal, unknown_times);
                let graph = differentiate(&density);
                let expected = run(&graph, &position);
                for k in 0..4 {
                    let value = |h: f64| {
                        let mut moved = position;
                        moved[k] += h;
                        run(&density, &moved).parts.likelihood
                    };
                    let wanted = (value(1e-4) - value(-1e-4)) / 2e-4;
                    let error = (expected.gradient[k] - wanted).abs() / wanted.abs().max(1.0);
                    assert!(
                        error < 1e-6,
                        "{method:?} {k}: {} {wanted}",
                        expected.gradient[k]
                    );
                }
                for cpu in [CpuLevel::Portable, CpuLevel::Native] {
                    let native = Native::compile(&[("gradient", &graph)], cpu).expect("code");
                    let mut scratch = native.scratch();
                    let (mut parts, mut gradient) = ([0.0; 3], [0.0; 4]);
                    // Twice: trajectories of the first call are forgotten.
                    for _ in 0..2 {
                        let arguments = Arguments {
                            position: &position,
                            weights: &[1.0],
                            gradient: &mut gradient,
                            parts: &mut parts,
                            ..Arguments::default()
                        };
                        native.run(0, &mut scratch, arguments);
                    }
                    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
                    assert!(near(parts[2], expected.parts.likelihood));
                    for (a, b) in gradient.iter().zip(&expected.gradient) {
                        assert!(near(*a, *b), "{method:?} {cpu:?}: {a} {b}");
                    }
                }
            }
        }
    }
}
