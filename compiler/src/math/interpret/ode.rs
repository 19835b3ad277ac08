//! Differential equations whose right-hand sides are interpreted: the solver of the runtime over the slow evaluator.

use likelier_runtime::math::ode::{self, Adjoints, Problem, System};
use likelier_runtime::target::Weights;

use super::super::graph::{Equation, Graph};
use super::super::primitive::Dense;
use super::{Inputs, Interpreter, Outcome, interpret};

struct Interpreted<'a>(&'a Equation);

fn run(graph: &Graph, point: &[f64], given: &[f64]) -> Outcome {
    let inputs = Inputs {
        position: point,
        weights: &Weights::posterior(0),
        given,
        stream: None,
    };
    interpret(graph, inputs)
}

impl System for Interpreted<'_> {
    fn derivative(&mut self, point: &[f64], derivative: &mut [f64]) {
        derivative.copy_from_slice(&run(&self.0.derivative, point, &[]).output);
    }

    fn add_adjoint(&mut self, point: &[f64], weights: &[f64], adjoint: &mut [f64]) {
        let program = self.0.adjoint.as_ref().expect("verified: it has one");
        let shares = run(program, point, weights).gradient;
        for (sum, share) in adjoint.iter_mut().zip(shares) {
            *sum += share;
        }
    }
}

impl Interpreter<'_> {
    pub(super) fn ode(&mut self, operation: Dense, inputs: &[Vec<f64>], outputs: &mut [Vec<f64>]) {
        let (Dense::Ode(ode) | Dense::AddOdeAdjoint { ode, .. }) = operation else {
            unreachable!("called for differential equations only")
        };
        let equation = &self.graph.equations[ode.equation as usize];
        let problem = Problem {
            states: ode.states,
            start: &inputs[0],
            times: &inputs[1],
            settings: equation.settings,
        };
        let system = &mut Interpreted(equation);
        let trajectories = &mut self.trajectories;
        let [first, rest @ ..] = outputs else {
            unreachable!("there is an output")
        };
        if let Dense::Ode(_) = operation {
            rest[0][0] = ode::solve(system, &problem, trajectories, first);
            if let Some(failure) = trajectories.failure() {
                self.unsolved = Some(format!("`{}` has no solution: {failure}", equation.name));
            }
            return;
        }
        let adjoints = Adjoints {
            solution: &inputs[4],
            start: first,
            times: rest.first_mut().map(Vec::as_mut_slice),
        };
        let (solution, number) = (&inputs[2], inputs[3][0]);
        ode::add_adjoint(system, &problem, trajectories, number, solution, adjoints);
    }
}
