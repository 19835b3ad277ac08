//! The largest log density that can be reached from a start, by L-BFGS, and what is found where it ends: a maximum, a
//! density that grows without bound, or neither. A log density may be −∞ and may have no maximum at all, so the end of
//! the iterations says nothing by itself: a maximum is called so only if the gradient vanishes there and the curvature is
//! negative in every direction, and a density is called unbounded only if it rises along a straight line without
//! slowing down.
//!
//! L-BFGS is that of the crate `argmin`. The line search is ours: it bisects for the weak Wolfe conditions (Lewis and
//! Overton, Mathematical Programming 141, 2013), which needs no interpolation between values that may be infinite.

use std::cell::RefCell;

use argmin::core::{
    CostFunction, Error, Executor, Gradient, IterState, LineSearch, Problem, Solver, State,
    TerminationReason, TerminationStatus,
};
use argmin::solver::quasinewton::LBFGS;

use crate::math::linear::{dot, solve_lower, solve_lower_transposed};
use crate::parts::curvature::second_derivatives;
use crate::parts::leapfrog::{Density, PhasePoint};

/// Where a climb ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Summit {
    /// The position.
    pub position: Vec<f64>,
    /// The log density there.
    pub log_density: f64,
    /// Its gradient.
    pub gradient: Vec<f64>,
    /// What it is.
    pub shape: Shape,
    /// Evaluations with gradient.
    pub evaluations: usize,
}

/// What the log density does around the end of a climb.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A maximum: no gradient, negative curvature.
    Maximum,
    /// No gradient, and no curvature to speak of in a direction in which this coordinate takes part: a ridge, or a value that tends to
    /// an end of its range.
    Flat {
        /// The coordinate.
        coordinate: usize,
    },
    /// No gradient, but the curvature is positive in some direction.
    Saddle,
    /// It rises along a coordinate at a rate that does not fall.
    Unbounded {
        /// The coordinate.
        coordinate: usize,
        /// Whether the coordinate rises.
        rises: bool,
        /// Nats gained for each unit of it.
        rate: f64,
    },
    /// None of this: the climb came to no end.
    Unfinished,
}

/// Iterations of one run of L-BFGS; a climb restarts it, without its memory, while that helps.
const ITERATIONS: u64 = 500;
/// Runs of L-BFGS.
const RUNS: usize = 40;
/// Steps that L-BFGS remembers.
const MEMORY: usize = 12;
/// Step of the finite differences of the gradient.
const DIFFERENCE: f64 = 1e-4;
/// A curvature below this, relative to the coordinate's own, is none.
const NO_CURVATURE: f64 = 1e-7;
/// Square root of a second derivative below which it is rounding.
const LEAST_SCALE: f64 = 1e-6;
/// Newton's steps at the end of a climb.
const NEWTON_STEPS: usize = 6;
/// Dimensions up to which curvature is looked at, which takes two gradients for each.
const LARGEST: usize = 1000;
/// Where tests for an unbounded density begin, in units of a coordinate, and how far they go.
const FAR: f64 = 16.0;
const DOUBLINGS: i32 = 6;

/// A log density with its gradient as a problem of minimisation.
struct Climb<'a, 'b> {
    inner: RefCell<(&'a mut Density<'b>, PhasePoint)>,
}

impl Climb<'_, '_> {
    /// Evaluates, unless the latest evaluation was here.
    fn at<R>(&self, position: &[f64], read: impl Fn(&PhasePoint) -> R) -> R {
        let (density, point) = &mut *self.inner.borrow_mut();
        if point.position != position {
            point.position.copy_from_slice(position);
            density.evaluate(point);
        }
        read(point)
    }
}

impl CostFunction for Climb<'_, '_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, position: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.at(position, |point| -point.log_density))
    }
}

impl Gradient for Climb<'_, '_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, position: &Vec<f64>) -> Result<Vec<f64>, Error> {
        Ok(self.at(position, |point| {
            point.gradient.iter().map(|g| -g).collect()
        }))
    }
}

/// A line search by bisection: from where the value does not fall enough, or is infinite, back; from where the slope is still steep, on.
#[derive(Debug, Clone, Default)]
struct Bisection {
    direction: Vec<f64>,
    start: Vec<f64>,
    value: f64,
    slope: f64,
    low: f64,
    high: f64,
    step: f64,
    is_done: bool,
}

/// Share of the slope's promise that a step must keep, and of the slope that may remain after it.
const DECREASE: f64 = 1e-4;
const REMAINING: f64 = 0.9;
/// Bisections of a line search.
const BISECTIONS: u64 = 100;
/// A line search that has come so far ends: where a density grows without bound, a single one would lead to where numbers end.
const FARTHEST: f64 = 100.0;
/// The first step of a line search moves no coordinate by more than this.
const LONGEST_STEP: f64 = 5.0;

impl LineSearch<Vec<f64>, f64> for Bisection {
    fn search_direction(&mut self, direction: Vec<f64>) {
        self.direction = direction;
    }

    fn initial_step_length(&mut self, step: f64) -> Result<(), Error> {
        self.step = step;
        Ok(())
    }
}

type Searched = IterState<Vec<f64>, Vec<f64>, (), (), (), f64>;

fn largest(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(0.0, |largest, v| f64::max(largest, v.abs()))
}

impl<O> Solver<O, Searched> for Bisection
where
    O: CostFunction<Param = Vec<f64>, Output = f64>
        + Gradient<Param = Vec<f64>, Gradient = Vec<f64>>,
{
    fn name(&self) -> &str {
        "bisection for the weak Wolfe conditions"
    }

    fn init(
        &mut self,
        problem: &mut Problem<O>,
        mut state: Searched,
    ) -> Result<(Searched, Option<argmin::core::KV>), Error> {
        self.start = state.take_param().unwrap_or_default();
        self.value = match state.get_cost() {
            value if value.is_finite() => value,
            _ => problem.cost(&self.start)?,
        };
        let gradient = match state.take_gradient() {
            Some(gradient) => gradient,
            None => problem.gradient(&self.start)?,
        };
        self.slope = dot::<false>(&gradient, &self.direction);
        if self.slope >= 0.0 || self.slope.is_nan() {
            return Err(Error::msg("the direction does not lead down"));
        }
        (self.low, self.high) = (0.0, f64::INFINITY);
        self.step = (LONGEST_STEP / largest(&self.direction)).min(1.0);
        self.is_done = false;
        Ok((state.param(self.start.clone()).cost(self.value), None))
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<O>,
        state: Searched,
    ) -> Result<(Searched, Option<argmin::core::KV>), Error> {
        let moved = self.start.iter().zip(&self.direction);
        let position: Vec<f64> = moved.map(|(q, d)| q + self.step * d).collect();
        let value = problem.cost(&position)?;
        let falls = value <= self.value + DECREASE * self.step * self.slope;
        if !falls {
            self.high = self.step;
        } else {
            let gradient = problem.gradient(&position)?;
            if dot::<false>(&gradient, &self.direction) >= REMAINING * self.slope {
                self.is_done = true;
                return Ok((state.param(position).cost(value), None));
            }
            self.low = self.step;
        }
        self.step = match self.high {
            high if high.is_finite() => 0.5 * (self.low + high),
            _ => 2.0 * self.low,
        };
        // The best step so far is kept in case the search ends here.
        Ok((
            if falls {
                state.param(position).cost(value)
            } else {
                state
            },
            None,
        ))
    }

    fn terminate(&mut self, state: &Searched) -> TerminationStatus {
        let is_narrow = self.high.is_finite() && self.high - self.low <= 1e-15 * self.high;
        let is_far = self.low * largest(&self.direction) > FARTHEST;
        if self.is_done || is_narrow || is_far || state.get_iter() >= BISECTIONS {
            return TerminationStatus::Terminated(TerminationReason::SolverConverged);
        }
        TerminationStatus::NotTerminated
    }
}

/// Climbs from a start with a finite log density.
pub fn climb(density: &mut Density<'_>, start: &[f64], soft_count: usize) -> Summit {
    let before = density.evaluations;
    let mut point = PhasePoint::new(start.len(), soft_count);
    point.position.copy_from_slice(start);
    density.evaluate(&mut point);
    let mut shape = Shape::Unfinished;
    for _ in 0..RUNS {
        let last = point.log_density;
        ascend(density, &mut point, soft_count);
        shape = shape_at(density, &mut point, soft_count);
        let gained = point.log_density - last;
        if shape != Shape::Unfinished || gained <= 1e-9 * (1.0 + last.abs()) {
            break;
        }
    }
    Summit {
        log_density: point.log_density,
        gradient: point.gradient,
        position: point.position,
        shape,
        evaluations: density.evaluations - before,
    }
}

/// One run of L-BFGS.
fn ascend(density: &mut Density<'_>, point: &mut PhasePoint, soft_count: usize) {
    let start = point.position.clone();
    let problem = Climb {
        inner: RefCell::new((&mut *density, point.clone())),
    };
    let solver = LBFGS::new(Bisection::default(), MEMORY).with_tolerance_grad(1e-10);
    let Ok(solver) = solver else { return };
    let result = Executor::new(problem, solver)
        .configure(|state| state.param(start).max_iters(ITERATIONS))
        .ctrlc(false)
        .timer(false)
        .run();
    // An error of the solver leaves the point where it was.
    let best = result.ok().and_then(|result| result.state.best_param);
    let Some(best) = best else { return };
    let mut reached = PhasePoint::new(best.len(), soft_count);
    reached.position = best;
    density.evaluate(&mut reached);
    if reached.log_density >= point.log_density {
        *point = reached;
    }
}

/// Whether the gradient is nothing but rounding and what iterations leave.
fn is_level(point: &PhasePoint) -> bool {
    // Where a density grows without bound its value says nothing of the rounding of its gradient.
    largest(&point.gradient) <= 1e-6 * (1.0 + point.log_density.abs().min(1e6)).sqrt()
}

fn shape_at(density: &mut Density<'_>, point: &mut PhasePoint, soft_count: usize) -> Shape {
    if !is_level(point) {
        return unbounded(density, point, soft_count).unwrap_or(Shape::Unfinished);
    }
    if point.position.len() > LARGEST {
        return Shape::Maximum;
    }
    curvature(density, point, soft_count)
}

/// Whether the log density rises along a coordinate with a rate that does not fall: over distances that double, from a moderate
/// value of it, and on to where the climb ended if that is farther. (From where the climb ended there may be nowhere to go: exponentials
/// of the coordinate under- and overflow.)
fn unbounded(density: &mut Density<'_>, point: &PhasePoint, soft_count: usize) -> Option<Shape> {
    let mut trial = PhasePoint::new(point.position.len(), soft_count);
    let mut order: Vec<usize> = (0..point.position.len()).collect();
    order.sort_by(|&a, &b| point.gradient[b].abs().total_cmp(&point.gradient[a].abs()));
    for coordinate in order {
        let slope = point.gradient[coordinate];
        if slope.abs() <= 1e-3 {
            return None;
        }
        let sign = slope.signum();
        trial.position.copy_from_slice(&point.position);
        let end = point.position[coordinate];
        let base = end.clamp(-FAR, FAR);
        let mut value = |distance: f64| {
            trial.position[coordinate] = base + sign * distance;
            density.evaluate(&mut trial);
            trial.log_density
        };
        let mut distances: Vec<f64> = (0..=DOUBLINGS).map(|k| f64::from(1 << k)).collect();
        let mut values: Vec<f64> = distances.iter().map(|&distance| value(distance)).collect();
        let farthest = distances[distances.len() - 1];
        let ended = sign * (end - base);
        if ended > farthest {
            distances.push(ended);
            values.push(point.log_density);
        } else if values[values.len() - 1] <= point.log_density {
            continue;
        }
        let rates: Vec<f64> = distances
            .windows(2)
            .zip(values.windows(2))
            .map(|(distance, value)| (value[1] - value[0]) / (distance[1] - distance[0]))
            .collect();
        if rates
            .iter()
            .all(|rate| rate.is_finite() && *rate > 1e-3 && *rate > 0.9 * rates[0])
        {
            return Some(Shape::Unbounded {
                coordinate,
                rises: sign > 0.0,
                rate: rates[rates.len() - 1],
            });
        }
    }
    None
}

/// Maximum, ridge or saddle: a Cholesky factorisation of the negative matrix of second derivatives, each coordinate
/// scaled by its own; the first pivot that is not positive tells. At a maximum Newton's steps, which are taken, vanish; where a value tends to
/// an end of its range they do not, however small the gradient is.
fn curvature(density: &mut Density<'_>, point: &mut PhasePoint, soft_count: usize) -> Shape {
    let n = point.position.len();
    let mut worst = 0;
    for _ in 0..NEWTON_STEPS {
        let Some(second) = curvatures(density, point, soft_count) else {
            return Shape::Unfinished;
        };
        let step = match newton_step(&second, &point.gradient) {
            Ok(step) => step,
            Err(shape) => return shape,
        };
        let relative: Vec<f64> = step
            .iter()
            .zip(&point.position)
            .map(|(s, q)| s.abs() / (1.0 + q.abs()))
            .collect();
        let is_small = largest(&relative) <= 1e-6;
        worst = (0..n)
            .max_by(|&a, &b| relative[a].total_cmp(&relative[b]))
            .unwrap_or(0);
        let mut trial = PhasePoint::new(n, soft_count);
        let moved = point.position.iter().zip(&step).map(|(q, s)| q + s);
        trial.position = moved.collect();
        density.evaluate(&mut trial);
        let slack = 1e-12 * point.log_density.abs();
        if trial.log_density >= point.log_density - slack {
            *point = trial;
        } else if !is_small {
            return Shape::Unfinished;
        }
        if is_small {
            return Shape::Maximum;
        }
    }
    Shape::Flat { coordinate: worst }
}

/// The matrix of second derivatives; `None` if they are not finite.
fn curvatures(
    density: &mut Density<'_>,
    point: &PhasePoint,
    soft_count: usize,
) -> Option<Vec<f64>> {
    let mut trial = PhasePoint::new(point.position.len(), soft_count);
    let step = |q: &f64| DIFFERENCE * (1.0 + q.abs()).min(10.0);
    let steps: Vec<f64> = point.position.iter().map(step).collect();
    second_derivatives(&point.position, &steps, &mut |position, gradient| {
        trial.position.copy_from_slice(position);
        density.evaluate(&mut trial);
        gradient.copy_from_slice(&trial.gradient);
    })
}

/// The step to the maximum of the quadratic function with this gradient and these second derivatives.
fn newton_step(second: &[f64], gradient: &[f64]) -> Result<Vec<f64>, Shape> {
    let n = gradient.len();
    let scale: Vec<f64> = (0..n).map(|k| second[k * n + k].abs().sqrt()).collect();
    if let Some(coordinate) = (0..n).find(|&k| scale[k] < LEAST_SCALE) {
        return Err(Shape::Flat { coordinate });
    }
    let at = |i: usize, j: usize| -second[i * n + j] / (scale[i] * scale[j]);
    // A Cholesky factorisation of our own, because every pivot says what the summit is.
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let rest =
                at(i, j) - dot::<false>(&factor[i * n..i * n + j], &factor[j * n..j * n + j]);
            factor[i * n + j] = match i == j {
                false => rest / factor[j * n + j],
                true if rest < -1e-4 => return Err(Shape::Saddle),
                true if rest < NO_CURVATURE => return Err(Shape::Flat { coordinate: i }),
                true => rest.sqrt(),
            };
        }
    }
    let mut step: Vec<f64> = gradient.iter().zip(&scale).map(|(g, s)| g / s).collect();
    solve_lower::<false>(n, 1, &factor, &mut step);
    solve_lower_transposed::<false>(n, 1, &factor, &mut step);
    step.iter_mut()
        .zip(&scale)
        .for_each(|(step, scale)| *step /= scale);
    Ok(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::target::{Evaluator, Parts, Weights};

    /// A log density by its formula: value, and gradient into what is given.
    struct Formula(fn(&[f64], &mut [f64]) -> f64);

    impl Evaluator for Formula {
        fn log_density_gradient(
            &mut self,
            position: &[f64],
            _: &Weights,
            gradient: &mut [f64],
            parts: &mut Parts,
        ) -> f64 {
            parts.prior = (self.0)(position, gradient);
            parts.prior
        }

        fn prior_draw(&mut self, _: &mut Stream, position: &mut [f64]) {
            position.fill(0.0);
        }

        fn outputs(&mut self, _: &[f64], _: &mut Stream, _: &mut [f64]) {}

        fn explain(&mut self, _: &[f64]) -> Option<String> {
            None
        }
    }

    fn summit(formula: fn(&[f64], &mut [f64]) -> f64, start: &[f64]) -> Summit {
        let weights = Weights::posterior(0);
        let mut density = Density::new(Box::new(Formula(formula)), weights, start.len());
        climb(&mut density, start, 0)
    }

    /// −100 (y − x²)² − (1 − x)², Rosenbrock's valley.
    fn valley(q: &[f64], gradient: &mut [f64]) -> f64 {
        let rest = q[1] - q[0] * q[0];
        gradient[0] = 400.0 * rest * q[0] + 2.0 * (1.0 - q[0]);
        gradient[1] = -200.0 * rest;
        -100.0 * rest * rest - (1.0 - q[0]).powi(2)
    }

    #[test]
    fn a_curved_valley_leads_to_its_maximum() {
        let found = summit(valley, &[-1.2, 1.0]);
        assert_eq!(found.shape, Shape::Maximum);
        assert!((found.position[0] - 1.0).abs() < 1e-6 && (found.position[1] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_wall_of_zero_density_is_no_obstacle() {
        // log x − x with −∞ below 0: its maximum is at 1, and the first step from 40 leads across the wall.
        let found = summit(
            |q, gradient| {
                gradient[0] = 1.0 / q[0] - 1.0;
                if q[0] > 0.0 {
                    q[0].ln() - q[0]
                } else {
                    f64::NEG_INFINITY
                }
            },
            &[4.0],
        );
        assert_eq!(found.shape, Shape::Maximum);
        assert!(
            (found.position[0] - 1.0).abs() < 1e-6,
            "{:?}",
            found.position
        );
    }

    #[test]
    fn what_rises_for_ever_is_unbounded() {
        // A normal density whose logarithmic scale falls where its data agree.
        let found = summit(
            |q, gradient| {
                gradient[0] = -q[0];
                gradient[1] = -8.0;
                -0.5 * q[0] * q[0] - 8.0 * q[1]
            },
            &[1.0, 0.0],
        );
        let Shape::Unbounded {
            coordinate,
            rises,
            rate,
        } = found.shape
        else {
            panic!("{:?}", found.shape);
        };
        assert!(coordinate == 1 && !rises && (rate - 8.0).abs() < 1e-9);
    }

    #[test]
    fn a_long_way_is_not_an_endless_one() {
        // A maximum a million units away, of a density that is narrow for its distance, and whose scale vanishes there.
        let found = summit(
            |q, gradient| {
                let rest = q[0] + 1e6;
                let precision = (-2.0 * q[1]).exp();
                gradient[0] = -rest * precision;
                gradient[1] = rest * rest * precision - 1.0;
                -0.5 * rest * rest * precision - q[1]
            },
            &[0.0, 0.0],
        );
        assert!(
            !matches!(
                found.shape,
                Shape::Unbounded { coordinate: 0, .. } | Shape::Maximum
            ),
            "{:?}",
            found.shape
        );
    }

    #[test]
    fn ridges_and_limits_are_no_maxima() {
        let ridge = summit(
            |q, gradient| {
                let sum = q[0] + q[1];
                gradient.fill(-sum);
                -0.5 * sum * sum
            },
            &[1.0, 2.0],
        );
        assert!(
            matches!(ridge.shape, Shape::Flat { .. }),
            "{:?}",
            ridge.shape
        );
        // −exp(u) rises to 0 as u falls: the value exp(u) tends to 0.
        let limit = summit(
            |q, gradient| {
                gradient[0] = -q[0].exp();
                -q[0].exp()
            },
            &[0.5],
        );
        assert_eq!(limit.shape, Shape::Flat { coordinate: 0 });
    }

    #[test]
    fn a_saddle_is_no_maximum() {
        let found = summit(
            |q, gradient| {
                gradient[0] = -q[0];
                gradient[1] = q[1] - q[1].powi(3);
                -0.5 * q[0] * q[0] + 0.5 * q[1] * q[1] - 0.25 * q[1].powi(4)
            },
            &[1.0, 0.0],
        );
        assert_eq!(found.shape, Shape::Saddle);
    }
}
