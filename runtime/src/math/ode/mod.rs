//! Initial value problems dy/dt = f(t, y, p), and exact derivatives of their numerical solution.
//!
//! Both solvers are Runge–Kutta methods with a lower triangular tableau,
//!
//! ```text
//! Yᵢ = y + h Σⱼ aᵢⱼ kⱼ  (j ≤ i),   kᵢ = f(t + cᵢ h, Yᵢ, p),   y⁺ = y + h Σᵢ bᵢ kᵢ,
//! ```
//!
//! explicit (Dormand–Prince 5(4)) or with one value γ on the diagonal (the L-stable SDIRK method of order 4 of Hairer &
//! Wanner, *Solving Ordinary Differential Equations II*, table IV.6.5), whose stages are found by a simplified Newton
//! iteration. The step size follows an embedded estimate of the error of a step (Hairer, Nørsett & Wanner, *Solving
//! Ordinary Differential Equations I*, section II.4); steps end exactly at the requested times.
//!
//! The derivative is that of what was computed, with the accepted steps as they were: from λ, the adjoint of y⁺,
//!
//! ```text
//! k̄ᵢ = h bᵢ λ + h Σⱼ aⱼᵢ Ȳⱼ  (j ≥ i),   Ȳᵢ = (∂f/∂y)ᵀ k̄ᵢ,   p̄ += (∂f/∂p)ᵀ k̄ᵢ,   ȳ = λ + Σᵢ Ȳᵢ,
//! ```
//!
//! from the last stage to the first, where a diagonal γ asks for (I − hγ ∂f/∂y)ᵀ k̄ᵢ = h bᵢ λ + h Σⱼ aⱼᵢ Ȳⱼ  (j > i).
//! Times enter through f alone: a later output moves along f, a later start against it.
//!
//! The accepted stages are kept in a [`Workspace`], which grows to the longest solution seen and then allocates nothing.

mod adjoint;
mod linear;
mod step;

use step::Stepper;

/// The right-hand side. A *point* is (t, y, p) in one slice.
pub trait System {
    /// dy/dt at a point.
    fn derivative(&mut self, point: &[f64], derivative: &mut [f64]);

    /// Adds to `adjoint` the derivative of `weights` · dy/dt with respect to the point.
    fn add_adjoint(&mut self, point: &[f64], weights: &[f64], adjoint: &mut [f64]);
}

/// How to solve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Dormand–Prince 5(4), explicit.
    Explicit,
    /// SDIRK 4(3), for stiff problems.
    Stiff,
}

/// A method and what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How to solve.
    pub method: Method,
    /// The error of a step in units of the solution.
    pub relative_tolerance: f64,
    /// The error of a step where the solution is near zero.
    pub absolute_tolerance: f64,
    /// The most steps of one solution, rejected ones included.
    pub max_steps: usize,
}

/// What to solve.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// Length of y.
    pub states: usize,
    /// The first point: (t₀, y₀, p).
    pub start: &'a [f64],
    /// Where the solution is wanted, not decreasing, none before t₀.
    pub times: &'a [f64],
    /// The method and its tolerances.
    pub settings: Settings,
}

/// Why there is no solution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Failure {
    /// The cap was reached.
    TooManySteps {
        /// The cap.
        steps: usize,
        /// How far it came.
        time: f64,
    },
    /// No step is small enough: a pole, or a right-hand side that is not finite.
    NoStep {
        /// How far it came.
        time: f64,
    },
    /// The right-hand side is not finite at the start.
    BadStart,
    /// The times decrease, lie before the start, or are not finite.
    BadTimes,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Failure::TooManySteps { steps, time } => {
                write!(f, "{steps} steps take it to t = {time} only")
            }
            Failure::NoStep { time } => write!(f, "no step beyond t = {time} is small enough"),
            Failure::BadStart => write!(f, "the right-hand side is not finite at the start"),
            Failure::BadTimes => {
                write!(
                    f,
                    "the times decrease, lie before the start, or are not finite"
                )
            }
        }
    }
}

/// The trajectories of the solutions since [`Workspace::clear`], and room to work in.
#[derive(Default)]
pub struct Workspace {
    /// Accepted steps: time, length and stages of each.
    tape: Vec<f64>,
    /// For each requested time, the steps taken until then.
    marks: Vec<usize>,
    trajectories: Vec<Trajectory>,
    room: Room,
    /// What stopped the last solution that failed since `clear`.
    failure: Option<Failure>,
}

/// Where a solution lies on the tape.
#[derive(Clone, Copy)]
struct Trajectory {
    tape: usize,
    marks: usize,
}

/// Vectors and matrices of one solution.
#[derive(Default)]
struct Room {
    /// The state y.
    state: Vec<f64>,
    /// A point (t, y, p).
    point: Vec<f64>,
    /// Derivatives of all stages, or their adjoints.
    stages: Vec<f64>,
    /// dy/dt where the next step begins.
    first: Vec<f64>,
    vectors: [Vec<f64>; 3],
    /// ∂f/∂y, a row for each component of f.
    jacobian: Vec<f64>,
    /// I − hγ ∂f/∂y, factored.
    matrix: linear::Factors,
    /// The adjoint of a point.
    adjoint: Vec<f64>,
}

/// What [`solve`] returns for a solution that failed.
pub const FAILED: f64 = -1.0;

impl Workspace {
    /// Forgets all trajectories.
    pub fn clear(&mut self) {
        self.tape.clear();
        self.marks.clear();
        self.trajectories.clear();
        self.failure = None;
    }

    /// What stopped the last solution that failed.
    pub fn failure(&self) -> Option<Failure> {
        self.failure
    }
}

/// Solves a problem: the solution at each time in turn, `states` numbers each. Returns the number under which the
/// workspace keeps the trajectory. A solution that fails is all NaN, and the number is [`FAILED`].
pub fn solve(
    system: &mut dyn System,
    problem: &Problem,
    workspace: &mut Workspace,
    solution: &mut [f64],
) -> f64 {
    let trajectory = Trajectory {
        tape: workspace.tape.len(),
        marks: workspace.marks.len(),
    };
    let result = Stepper::new(system, problem, workspace).run(solution);
    match result {
        Ok(()) => {
            workspace.trajectories.push(trajectory);
            (workspace.trajectories.len() - 1) as f64
        }
        Err(failure) => {
            workspace.tape.truncate(trajectory.tape);
            workspace.marks.truncate(trajectory.marks);
            workspace.failure = Some(failure);
            solution.fill(f64::NAN);
            FAILED
        }
    }
}

/// The adjoints that [`add_adjoint`] reads and adds to.
pub struct Adjoints<'a> {
    /// Of the solution (read).
    pub solution: &'a [f64],
    /// Of the first point (t₀, y₀, p).
    pub start: &'a mut [f64],
    /// Of the requested times, if they matter.
    pub times: Option<&'a mut [f64]>,
}

/// Adds the adjoints of the first point and of the times, from those of the solution. `trajectory` is what [`solve`]
/// returned; after a failure everything is NaN.
pub fn add_adjoint(
    system: &mut dyn System,
    problem: &Problem,
    workspace: &mut Workspace,
    trajectory: f64,
    solution: &[f64],
    adjoints: Adjoints,
) {
    if trajectory < 0.0 {
        adjoints.start.fill(f64::NAN);
        if let Some(times) = adjoints.times {
            times.fill(f64::NAN);
        }
        return;
    }
    let trajectory = workspace.trajectories[trajectory as usize];
    adjoint::add(system, problem, workspace, trajectory, solution, adjoints);
}

/// A Runge–Kutta method. Rows are filled up to the number of stages.
struct Tableau {
    stages: usize,
    /// Times of the stages.
    c: [f64; 6],
    /// Weights of earlier stages.
    a: [[f64; 5]; 6],
    /// The diagonal of `a`: 0 for an explicit method.
    gamma: f64,
    /// Weights of the solution.
    b: [f64; 6],
    /// Weights of the error estimate; the last belongs to dy/dt at the end of the step.
    error: [f64; 7],
    /// The order of the error estimate plus one.
    order: f64,
}

static DORMAND_PRINCE: Tableau = Tableau {
    stages: 6,
    c: [0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0],
    a: [
        [0.0; 5],
        [0.2, 0.0, 0.0, 0.0, 0.0],
        [3.0 / 40.0, 9.0 / 40.0, 0.0, 0.0, 0.0],
        [44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0, 0.0, 0.0],
        [
            19372.0 / 6561.0,
            -25360.0 / 2187.0,
            64448.0 / 6561.0,
            -212.0 / 729.0,
            0.0,
        ],
        [
            9017.0 / 3168.0,
            -355.0 / 33.0,
            46732.0 / 5247.0,
            49.0 / 176.0,
            -5103.0 / 18656.0,
        ],
    ],
    gamma: 0.0,
    b: [
        35.0 / 384.0,
        0.0,
        500.0 / 1113.0,
        125.0 / 192.0,
        -2187.0 / 6784.0,
        11.0 / 84.0,
    ],
    error: [
        71.0 / 57600.0,
        0.0,
        -71.0 / 16695.0,
        71.0 / 1920.0,
        -17253.0 / 339_200.0,
        22.0 / 525.0,
        -1.0 / 40.0,
    ],
    order: 5.0,
};

static SDIRK: Tableau = Tableau {
    stages: 5,
    c: [0.25, 0.75, 11.0 / 20.0, 0.5, 1.0, 0.0],
    a: [
        [0.0; 5],
        [0.5, 0.0, 0.0, 0.0, 0.0],
        [17.0 / 50.0, -1.0 / 25.0, 0.0, 0.0, 0.0],
        [371.0 / 1360.0, -137.0 / 2720.0, 15.0 / 544.0, 0.0, 0.0],
        [25.0 / 24.0, -49.0 / 48.0, 125.0 / 16.0, -85.0 / 12.0, 0.0],
        [0.0; 5],
    ],
    gamma: 0.25,
    b: [
        25.0 / 24.0,
        -49.0 / 48.0,
        125.0 / 16.0,
        -85.0 / 12.0,
        0.25,
        0.0,
    ],
    error: [
        25.0 / 24.0 - 59.0 / 48.0,
        -49.0 / 48.0 + 17.0 / 96.0,
        125.0 / 16.0 - 225.0 / 32.0,
        0.0,
        0.25,
        0.0,
        0.0,
    ],
    order: 4.0,
};

impl Method {
    fn tableau(self) -> &'static Tableau {
        match self {
            Method::Explicit => &DORMAND_PRINCE,
            Method::Stiff => &SDIRK,
        }
    }
}

impl Trajectory {
    /// Numbers on the tape for one step.
    fn stride(tableau: &Tableau, states: usize) -> usize {
        2 + tableau.stages * states
    }
}

/// The rows of ∂f/∂y at a point, by one adjoint for each component of f. `adjoint` has room for a point.
fn jacobian(
    system: &mut dyn System,
    point: &[f64],
    states: usize,
    unit: &mut [f64],
    adjoint: &mut [f64],
    jacobian: &mut [f64],
) {
    unit.fill(0.0);
    for (row, target) in jacobian.chunks_exact_mut(states).enumerate() {
        unit[row] = 1.0;
        adjoint.fill(0.0);
        system.add_adjoint(point, unit, adjoint);
        target.copy_from_slice(&adjoint[1..=states]);
        unit[row] = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, Tableau};

    /// Σᵢ bᵢ cᵢ^n = 1/(n+1), Σ bᵢ aᵢⱼ cⱼ^n, and so on: the order conditions up to order four.
    fn order_conditions(tableau: &Tableau, b: &[f64]) -> Vec<f64> {
        let n = tableau.stages;
        let a = |i: usize, j: usize| match i.cmp(&j) {
            std::cmp::Ordering::Greater => tableau.a[i][j],
            std::cmp::Ordering::Equal => tableau.gamma,
            std::cmp::Ordering::Less => 0.0,
        };
        let c = &tableau.c;
        let sum = |f: &dyn Fn(usize) -> f64| (0..n).map(|i| b[i] * f(i)).sum::<f64>();
        let inner =
            |i: usize, f: &dyn Fn(usize) -> f64| (0..n).map(|j| a(i, j) * f(j)).sum::<f64>();
        vec![
            sum(&|_| 1.0) - 1.0,
            sum(&|i| c[i]) - 1.0 / 2.0,
            sum(&|i| c[i].powi(2)) - 1.0 / 3.0,
            sum(&|i| inner(i, &|j| c[j])) - 1.0 / 6.0,
            sum(&|i| c[i].powi(3)) - 1.0 / 4.0,
            sum(&|i| c[i] * inner(i, &|j| c[j])) - 1.0 / 8.0,
            sum(&|i| inner(i, &|j| c[j].powi(2))) - 1.0 / 12.0,
            sum(&|i| inner(i, &|j| inner(j, &|k| c[k]))) - 1.0 / 24.0,
        ]
    }

    #[test]
    fn tableaus_satisfy_the_order_conditions() {
        for method in [Method::Explicit, Method::Stiff] {
            let tableau = method.tableau();
            for i in 0..tableau.stages {
                let row: f64 = tableau.a[i].iter().sum::<f64>() + tableau.gamma;
                assert!((row - tableau.c[i]).abs() < 1e-14, "{method:?}: row {i}");
            }
            for (i, value) in order_conditions(tableau, &tableau.b).iter().enumerate() {
                assert!(value.abs() < 1e-14, "{method:?}: condition {i}: {value}");
            }
            // The embedded solution of the stiff method has order three; that of the explicit one needs the last stage.
            if method == Method::Stiff {
                let b: Vec<f64> = (0..5).map(|i| tableau.b[i] - tableau.error[i]).collect();
                for value in &order_conditions(tableau, &b)[..4] {
                    assert!(value.abs() < 1e-13, "embedded: {value}");
                }
            }
            assert!(tableau.error.iter().sum::<f64>().abs() < 1e-15);
        }
    }
}
