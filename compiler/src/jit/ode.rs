//! Differential equations in native code: the right-hand side and its adjoint are functions of their own, called like any
//! program with a context; the solver is a function of the runtime that native code calls with their addresses.
#![allow(unsafe_code)]
// The functions that native code calls take addresses one by one.
#![allow(clippy::too_many_arguments)]

use cranelift::codegen::ir::InstBuilder;
use cranelift::prelude::types;
use cranelift_module::FuncId;

use likelier_runtime::math::ode::{self, Adjoints, Method, Problem, Settings, System, Workspace};

use super::context::{self, Context, FIXED_PARTS};
use super::emit::Emitter;
use super::layout;
use super::native::JitError;
use super::symbols::Symbol;
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

/// A compiled program.
pub(super) type Entry = unsafe extern "C" fn(*const Context);

const SOLVE: &str = "likelier_ode_solve";
const ADD_ADJOINT: &str = "likelier_ode_add_adjoint";

pub(super) fn symbols() -> [Symbol; 2] {
    [
        Symbol {
            name: SOLVE,
            address: solve as *const u8,
        },
        Symbol {
            name: ADD_ADJOINT,
            address: add_adjoint as *const u8,
        },
    ]
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

/// A right-hand side in native code.
struct NativeSystem {
    context: Context,
    derivative: Entry,
    adjoint: Option<Entry>,
    weights: [f64; 1],
    parts: [f64; FIXED_PARTS],
}

impl NativeSystem {
    /// # Safety
    /// `outer` is the context of the running program; `scratch` is enough for both functions.
    unsafe fn new(
        outer: *const Context,
        derivative: Entry,
        adjoint: Option<Entry>,
        scratch: *mut u8,
    ) -> Self {
        // SAFETY: the caller says so.
        let data = unsafe { (*outer).data };
        NativeSystem {
            context: Context {
                position: std::ptr::null(),
                gradient: std::ptr::null_mut(),
                given: std::ptr::null(),
                output: std::ptr::null_mut(),
                scratch,
                data,
                weights: std::ptr::null(),
                parts: std::ptr::null_mut(),
                stream: std::ptr::null_mut(),
                trajectories: std::ptr::null_mut(),
            },
            derivative,
            adjoint,
            weights: [1.0],
            parts: [0.0; FIXED_PARTS],
        }
    }

    fn run(&mut self, entry: Entry) {
        self.context.weights = self.weights.as_ptr();
        self.context.parts = self.parts.as_mut_ptr();
        // SAFETY: the solver hands slices of the lengths that the functions were compiled for, and scratch and data are
        // those of the running program.
        unsafe { entry(&self.context) }
    }
}

impl System for NativeSystem {
    fn derivative(&mut self, point: &[f64], derivative: &mut [f64]) {
        self.context.position = point.as_ptr();
        self.context.output = derivative.as_mut_ptr();
        self.run(self.derivative);
    }

    fn add_adjoint(&mut self, point: &[f64], weights: &[f64], adjoint: &mut [f64]) {
        let Some(entry) = self.adjoint else {
            return adjoint.fill(f64::NAN);
        };
        self.context.position = point.as_ptr();
        self.context.given = weights.as_ptr();
        self.context.gradient = adjoint.as_mut_ptr();
        self.run(entry);
    }
}

fn settings(is_stiff: u64, relative: f64, absolute: f64, max_steps: usize) -> Settings {
    Settings {
        method: match is_stiff {
            0 => Method::Explicit,
            _ => Method::Stiff,
        },
        relative_tolerance: relative,
        absolute_tolerance: absolute,
        max_steps,
    }
}

/// # Safety
/// Called by native code with the addresses of regions whose lengths go with the sizes, of which those that are written
/// overlap nothing.
unsafe extern "C" fn solve(
    context: *const Context,
    derivative: Entry,
    adjoint: Option<Entry>,
    scratch: *mut u8,
    states: usize,
    point: usize,
    times_count: usize,
    is_stiff: u64,
    relative: f64,
    absolute: f64,
    max_steps: usize,
    start: *const f64,
    times: *const f64,
    solution: *mut f64,
    trajectory: *mut f64,
) {
    // SAFETY: see above; the trajectories belong to the scratch that the program's caller has borrowed.
    unsafe {
        let mut system = NativeSystem::new(context, derivative, adjoint, scratch);
        let problem = Problem {
            states,
            start: std::slice::from_raw_parts(start, point),
            times: std::slice::from_raw_parts(times, times_count),
            settings: settings(is_stiff, relative, absolute, max_steps),
        };
        let workspace: &mut Workspace = &mut *(*context).trajectories;
        let solution = std::slice::from_raw_parts_mut(solution, times_count * states);
        *trajectory = ode::solve(&mut system, &problem, workspace, solution);
    }
}

/// # Safety
/// As for `solve`; `of_times` may be null.
unsafe extern "C" fn add_adjoint(
    context: *const Context,
    derivative: Entry,
    adjoint: Option<Entry>,
    scratch: *mut u8,
    states: usize,
    point: usize,
    times_count: usize,
    is_stiff: u64,
    relative: f64,
    absolute: f64,
    max_steps: usize,
    start: *const f64,
    times: *const f64,
    solution: *const f64,
    trajectory: *const f64,
    of_solution: *const f64,
    of_start: *mut f64,
    of_times: *mut f64,
) {
    // SAFETY: see above.
    unsafe {
        let mut system = NativeSystem::new(context, derivative, adjoint, scratch);
        let problem = Problem {
            states,
            start: std::slice::from_raw_parts(start, point),
            times: std::slice::from_raw_parts(times, times_count),
            settings: settings(is_stiff, relative, absolute, max_steps),
        };
        let length = times_count * states;
        let adjoints = Adjoints {
            solution: std::slice::from_raw_parts(of_solution, length),
            start: std::slice::from_raw_parts_mut(of_start, point),
            times: match of_times.is_null() {
                true => None,
                false => Some(std::slice::from_raw_parts_mut(of_times, times_count)),
            },
        };
        let workspace: &mut Workspace = &mut *(*context).trajectories;
        let solution = std::slice::from_raw_parts(solution, length);
        ode::add_adjoint(
            &mut system,
            &problem,
            workspace,
            *trajectory,
            solution,
            adjoints,
        );
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
