//! Differential equations in native code: the solver is a function of the runtime that native code calls with the addresses
//! of a right-hand side and its adjoint, which are programs like any other.
#![allow(unsafe_code)]
// The functions that native code calls take addresses one by one.
#![allow(clippy::too_many_arguments)]

use likelier_runtime::math::ode::{self, Adjoints, Method, Problem, Settings, System, Workspace};

use crate::context::{Context, Entry, FIXED_PARTS};
use crate::symbol::Symbol;

/// The name of the solver.
pub const SOLVE: &str = "likelier_ode_solve";
/// The name of what adds the adjoints of a solution.
pub const ADD_ADJOINT: &str = "likelier_ode_add_adjoint";

pub(crate) fn symbols() -> [Symbol; 2] {
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
#[unsafe(export_name = "likelier_ode_solve")]
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
#[unsafe(export_name = "likelier_ode_add_adjoint")]
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
