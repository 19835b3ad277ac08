//! Solutions against closed forms and published solvers, derivatives against differences of the same steps.

use likelier_runtime::math::ode::{
    Adjoints, FAILED, Failure, Method, Problem, Settings, System, Workspace, add_adjoint, solve,
};

/// f(t, y, p) and its vector–Jacobian product.
struct Given<F, G> {
    derivative: F,
    adjoint: G,
}

impl<F: Fn(&[f64], &mut [f64]), G: Fn(&[f64], &[f64], &mut [f64])> System for Given<F, G> {
    fn derivative(&mut self, point: &[f64], derivative: &mut [f64]) {
        (self.derivative)(point, derivative);
    }

    fn add_adjoint(&mut self, point: &[f64], weights: &[f64], adjoint: &mut [f64]) {
        (self.adjoint)(point, weights, adjoint);
    }
}

const METHODS: [Method; 2] = [Method::Explicit, Method::Stiff];

fn settings(method: Method, tolerance: f64) -> Settings {
    Settings {
        method,
        relative_tolerance: tolerance,
        absolute_tolerance: tolerance,
        max_steps: 1_000_000,
    }
}

fn decay() -> impl System {
    Given {
        derivative: |x: &[f64], d: &mut [f64]| d[0] = -x[2] * x[1],
        adjoint: |x: &[f64], w: &[f64], a: &mut [f64]| {
            a[1] -= w[0] * x[2];
            a[2] -= w[0] * x[1];
        },
    }
}

/// u' = (a − b v) u + sin t, v' = (−c + d u) v
fn forced_predator_prey() -> impl System {
    Given {
        derivative: |x: &[f64], d: &mut [f64]| {
            d[0] = (x[3] - x[4] * x[2]) * x[1] + x[0].sin();
            d[1] = (-x[5] + x[6] * x[1]) * x[2];
        },
        adjoint: |x: &[f64], w: &[f64], a: &mut [f64]| {
            a[0] += w[0] * x[0].cos();
            a[1] += w[0] * (x[3] - x[4] * x[2]) + w[1] * x[6] * x[2];
            a[2] += -w[0] * x[4] * x[1] + w[1] * (-x[5] + x[6] * x[1]);
            a[3] += w[0] * x[1];
            a[4] -= w[0] * x[2] * x[1];
            a[5] -= w[1] * x[2];
            a[6] += w[1] * x[1] * x[2];
        },
    }
}

fn van_der_pol() -> impl System {
    Given {
        derivative: |x: &[f64], d: &mut [f64]| {
            d[0] = x[2];
            d[1] = x[3] * (1.0 - x[1] * x[1]) * x[2] - x[1];
        },
        adjoint: |x: &[f64], w: &[f64], a: &mut [f64]| {
            a[1] += w[1] * (-2.0 * x[3] * x[1] * x[2] - 1.0);
            a[2] += w[0] + w[1] * x[3] * (1.0 - x[1] * x[1]);
            a[3] += w[1] * (1.0 - x[1] * x[1]) * x[2];
        },
    }
}

fn solution(system: &mut dyn System, problem: &Problem) -> Vec<f64> {
    let mut solution = vec![0.0; problem.states * problem.times.len()];
    let mut workspace = Workspace::default();
    let number = solve(system, problem, &mut workspace, &mut solution);
    assert_eq!(number, 0.0, "{:?}", workspace.failure());
    solution
}

/// Gradients of weights · solution: of the first point and of the times.
fn gradient(system: &mut dyn System, problem: &Problem, weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut workspace = Workspace::default();
    // Something before it on the tape.
    let mut first = vec![0.0; weights.len()];
    solve(system, problem, &mut workspace, &mut first);
    let mut solution = vec![0.0; weights.len()];
    let number = solve(system, problem, &mut workspace, &mut solution);
    assert_eq!((number, &first), (1.0, &solution));
    let mut start = vec![0.0; problem.start.len()];
    let mut times = vec![0.0; problem.times.len()];
    let adjoints = Adjoints {
        solution: weights,
        start: &mut start,
        times: Some(&mut times),
    };
    add_adjoint(system, problem, &mut workspace, number, &solution, adjoints);
    (start, times)
}

fn weighted(system: &mut dyn System, problem: &Problem, weights: &[f64]) -> f64 {
    let solution = solution(system, problem);
    solution.iter().zip(weights).map(|(z, w)| z * w).sum()
}

#[test]
fn exponential_decay_and_all_its_derivatives_have_a_closed_form() {
    let (start, rate) = (0.5, 0.7);
    let times = [0.5, 0.5, 1.0, 2.5, 4.0];
    let weights = [0.3, 1.0, -1.0, 2.0, 0.5];
    for method in METHODS {
        let problem = Problem {
            states: 1,
            start: &[start, 3.0, rate],
            times: &times,
            settings: settings(method, 1e-11),
        };
        let found = solution(&mut decay(), &problem);
        let (of_start, of_times) = gradient(&mut decay(), &problem, &weights);
        let mut wanted = [0.0; 3];
        for (i, &t) in times.iter().enumerate() {
            let fall = (-rate * (t - start)).exp();
            assert!((found[i] - 3.0 * fall).abs() < 1e-9, "{method:?} at {t}");
            wanted[0] += weights[i] * 3.0 * rate * fall;
            wanted[1] += weights[i] * fall;
            wanted[2] += weights[i] * -3.0 * (t - start) * fall;
            let slope = weights[i] * -rate * 3.0 * fall;
            assert!((of_times[i] - slope).abs() < 1e-8, "{method:?} at {t}");
        }
        for (a, b) in of_start.iter().zip(wanted) {
            assert!((a - b).abs() < 1e-8, "{method:?}: {a} {b}");
        }
    }
}

/// A rotation that decays: y' = A y with A = [[−a, −w], [w, −a]] has exp(tA) = e^(−at) [[cos, −sin], [sin, cos]](wt).
#[test]
fn a_linear_system_follows_its_matrix_exponential() {
    for method in METHODS {
        let mut system = Given {
            derivative: |x: &[f64], d: &mut [f64]| {
                d[0] = -x[3] * x[1] - x[4] * x[2];
                d[1] = x[4] * x[1] - x[3] * x[2];
            },
            adjoint: |x: &[f64], w: &[f64], a: &mut [f64]| {
                a[1] += -w[0] * x[3] + w[1] * x[4];
                a[2] += -w[0] * x[4] - w[1] * x[3];
            },
        };
        let times: Vec<f64> = (1..40).map(|i| 0.25 * f64::from(i)).collect();
        let problem = Problem {
            states: 2,
            start: &[0.0, 1.0, 0.5, 0.2, 2.0],
            times: &times,
            settings: settings(method, 1e-10),
        };
        let found = solution(&mut system, &problem);
        for (i, &t) in times.iter().enumerate() {
            let (fall, c, s) = ((-0.2 * t).exp(), (2.0 * t).cos(), (2.0 * t).sin());
            let wanted = [fall * (c - 0.5 * s), fall * (s + 0.5 * c)];
            for k in 0..2 {
                let error = (found[2 * i + k] - wanted[k]).abs();
                assert!(error < 2e-8, "{method:?} at {t}: {error}");
            }
        }
    }
}

/// With tolerances that nothing reaches, the lengths of steps do not depend on anything, so that differences see the
/// discretised solution alone.
#[test]
fn derivatives_are_those_of_the_discretised_solution() {
    let start = [0.2, 1.2, 0.9, 0.7, 0.6, 0.9, 0.4];
    let times = [0.5, 0.9, 1.7, 1.7, 3.0];
    let weights = [0.3, -1.0, 0.5, 0.2, 1.0, 0.7, -0.4, 0.1, 0.6, 0.9];
    for method in METHODS {
        let mut loose = settings(method, 1e6);
        if method == Method::Stiff {
            // Newton's iteration measures itself by the same tolerance.
            loose = settings(method, 1e-9);
        }
        let problem = |start: &[f64]| -> f64 {
            let problem = Problem {
                states: 2,
                start,
                times: &times,
                settings: loose,
            };
            weighted(&mut forced_predator_prey(), &problem, &weights)
        };
        let whole = Problem {
            states: 2,
            start: &start,
            times: &times,
            settings: loose,
        };
        let (found, _) = gradient(&mut forced_predator_prey(), &whole, &weights);
        let bound = if method == Method::Explicit {
            1e-9
        } else {
            2e-6
        };
        for i in 1..start.len() {
            let difference = |h: f64| {
                let (mut more, mut less) = (start, start);
                more[i] += h;
                less[i] -= h;
                (problem(&more) - problem(&less)) / (2.0 * h)
            };
            // Richardson's extrapolation.
            let wanted = (4.0 * difference(5e-4) - difference(1e-3)) / 3.0;
            let error = (found[i] - wanted).abs() / wanted.abs().max(1.0);
            assert!(error < bound, "{method:?} {i}: {} {wanted}", found[i]);
        }
    }
}

#[test]
fn derivatives_agree_with_differences_of_accurate_solutions() {
    let start = [0.2, 1.2, 0.9, 0.7, 0.6, 0.9, 0.4];
    let times = [0.5, 0.9, 1.7, 1.7, 3.0];
    let weights = [0.3, -1.0, 0.5, 0.2, 1.0, 0.7, -0.4, 0.1, 0.6, 0.9];
    for method in METHODS {
        let of = |start: &[f64], times: &[f64]| {
            let problem = Problem {
                states: 2,
                start,
                times,
                settings: settings(Method::Explicit, 1e-13),
            };
            weighted(&mut forced_predator_prey(), &problem, &weights)
        };
        let problem = Problem {
            states: 2,
            start: &start,
            times: &times,
            settings: settings(method, 1e-10),
        };
        let (of_start, of_times) = gradient(&mut forced_predator_prey(), &problem, &weights);
        for i in 0..start.len() + times.len() {
            let moved = |h: f64| {
                let (mut start, mut times) = (start, times);
                match i.checked_sub(start.len()) {
                    None => start[i] += h,
                    Some(row) => times[row] += h,
                }
                of(&start, &times)
            };
            // One of two equal times cannot move past the other: one-sided differences for it.
            let (wanted, bound) = match i.checked_sub(start.len()) {
                Some(2) => ((of(&start, &times) - moved(-1e-6)) / 1e-6, 1e-5),
                Some(3) => ((moved(1e-6) - of(&start, &times)) / 1e-6, 1e-5),
                _ => ((moved(1e-4) - moved(-1e-4)) / 2e-4, 1e-7),
            };
            let found = of_start
                .iter()
                .chain(&of_times)
                .nth(i)
                .expect("all of them");
            let error = (found - wanted).abs() / wanted.abs().max(1.0);
            assert!(error < bound, "{method:?} {i}: {found} {wanted}");
        }
    }
}

/// Van der Pol's oscillator with μ = 1000; the table is SciPy's Radau at 1e-13, which its LSODA confirms to ten digits.
#[test]
fn a_stiff_oscillator_matches_a_published_solver() {
    let table = [
        (1.0, 1.999333370506313, -0.0006670371231732521),
        (100.0, 1.931361320527273, -0.0007074176282296552),
        (500.0, 1.5967689510526497, -0.001030391187839398),
        (800.0, 1.0839233646425817, -0.0061952338650219435),
        (806.0, 1.0296054541536201, -0.016979641382828703),
        (807.0, 0.993438675720641, -0.19245609555879026),
        (810.0, -1.9981324778075629, 0.0006677058663133595),
        (1000.0, -1.8636462548081645, 0.0007535430865435388),
        (1500.0, -1.3547459194866165, 0.001621788727597372),
        (2000.0, 1.706167732170533, -0.0008928097010247436),
    ];
    let times: Vec<f64> = table.iter().map(|row| row.0).collect();
    for (tolerance, bound) in [(1e-6, 3e-3), (1e-9, 5e-6)] {
        let mut stiff = settings(Method::Stiff, tolerance);
        stiff.max_steps = 30_000;
        let problem = Problem {
            states: 2,
            start: &[0.0, 2.0, 0.0, 1000.0],
            times: &times,
            settings: stiff,
        };
        let found = solution(&mut van_der_pol(), &problem);
        for (i, &(t, y, slope)) in table.iter().enumerate() {
            let error = (found[2 * i] - y)
                .abs()
                .max((found[2 * i + 1] - slope).abs());
            assert!(error < bound, "{tolerance} at {t}: {error}");
        }
    }
}

fn failure(system: &mut dyn System, problem: &Problem) -> Option<Failure> {
    let mut workspace = Workspace::default();
    let mut solution = vec![0.0; problem.states * problem.times.len()];
    let number = solve(system, problem, &mut workspace, &mut solution);
    if number == FAILED {
        assert!(solution.iter().all(|value| value.is_nan()));
        let mut start = vec![0.0; problem.start.len()];
        let adjoints = Adjoints {
            solution: &solution,
            start: &mut start,
            times: None,
        };
        add_adjoint(system, problem, &mut workspace, number, &solution, adjoints);
        assert!(start.iter().all(|value| value.is_nan()));
    }
    workspace.failure()
}

#[test]
fn what_cannot_be_solved_fails_and_ends() {
    for method in METHODS {
        let mut capped = settings(method, 1e-8);
        capped.max_steps = 50;
        let problem = Problem {
            states: 2,
            start: &[0.0, 2.0, 0.0, 1000.0],
            times: &[2000.0],
            settings: capped,
        };
        let found = failure(&mut van_der_pol(), &problem);
        assert!(
            matches!(found, Some(Failure::TooManySteps { steps: 50, .. })),
            "{found:?}"
        );

        // y' = y² from 1 has a pole at t = 1.
        let mut square = Given {
            derivative: |x: &[f64], d: &mut [f64]| d[0] = x[1] * x[1],
            adjoint: |x: &[f64], w: &[f64], a: &mut [f64]| a[1] += 2.0 * w[0] * x[1],
        };
        let pole = Problem {
            states: 1,
            start: &[0.0, 1.0],
            times: &[0.5, 2.0],
            settings: settings(method, 1e-8),
        };
        let found = failure(&mut square, &pole);
        assert!(matches!(found, Some(Failure::NoStep { .. })), "{found:?}");

        // log(1 − t) is not a number beyond 1.
        let mut log = Given {
            derivative: |x: &[f64], d: &mut [f64]| d[0] = (1.0 - x[0]).ln(),
            adjoint: |_: &[f64], _: &[f64], _: &mut [f64]| {},
        };
        let found = failure(&mut log, &pole);
        assert!(matches!(found, Some(Failure::NoStep { .. })), "{found:?}");
        let late = Problem {
            start: &[3.0, 1.0],
            times: &[4.0],
            ..pole
        };
        assert_eq!(failure(&mut log, &late), Some(Failure::BadStart));
        for times in [
            [0.5, 0.4],
            [-1.0, 1.0],
            [0.5, f64::INFINITY],
            [f64::NAN, 1.0],
        ] {
            let problem = Problem {
                times: &times,
                ..pole
            };
            assert_eq!(
                failure(&mut log, &problem),
                Some(Failure::BadTimes),
                "{times:?}"
            );
        }
        let none = Problem { times: &[], ..pole };
        assert_eq!(failure(&mut log, &none), None);
    }
}
