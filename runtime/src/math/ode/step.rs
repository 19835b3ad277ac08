//! The way forward: steps of a length that the error of the last one suggests.

use crate::math::special::pow;

use super::{Failure, Method, Problem, Room, System, Tableau, Workspace, jacobian};

/// A step is this much shorter than the error estimate allows.
const SAFETY: f64 = 0.9;
/// Steps grow and shrink by at most these factors.
const GROWTH: f64 = 10.0;
const SHRINKAGE: f64 = 0.2;
/// Weight of the error before last (Hairer, Nørsett & Wanner, section IV.2): it damps oscillations of the step size.
const DAMPING: f64 = 0.04;
/// Newton's iteration ends this far below the tolerance, so that what is left of it does not show in derivatives.
const NEWTON_TOLERANCE: f64 = 1e-4;
const NEWTON_ITERATIONS: usize = 12;

pub(super) struct Stepper<'a> {
    system: &'a mut dyn System,
    problem: &'a Problem<'a>,
    tableau: &'static Tableau,
    tape: &'a mut Vec<f64>,
    marks: &'a mut Vec<usize>,
    room: &'a mut Room,
    time: f64,
    /// The error of the last accepted step, in units of the tolerance.
    last_error: f64,
    /// Whether `room.jacobian` belongs to the present state.
    has_jacobian: bool,
}

/// What became of a step.
enum Tried {
    /// It was taken, and the next may be so many times as long.
    Taken(f64),
    /// It was not; so many times its length may do.
    Refused(f64),
}

impl<'a> Stepper<'a> {
    pub fn new(
        system: &'a mut dyn System,
        problem: &'a Problem<'a>,
        workspace: &'a mut Workspace,
    ) -> Self {
        let (states, tableau) = (problem.states, problem.settings.method.tableau());
        let room = &mut workspace.room;
        room.state.clear();
        room.state.extend_from_slice(&problem.start[1..=states]);
        room.point.clear();
        room.point.extend_from_slice(problem.start);
        room.first.resize(states, 0.0);
        room.stages.resize((tableau.stages + 1) * states, 0.0);
        room.vectors
            .iter_mut()
            .for_each(|vector| vector.resize(states, 0.0));
        if problem.settings.method == Method::Stiff {
            room.jacobian.resize(states * states, 0.0);
            room.adjoint.resize(problem.start.len(), 0.0);
        }
        Stepper {
            system,
            problem,
            tableau,
            tape: &mut workspace.tape,
            marks: &mut workspace.marks,
            room,
            time: problem.start[0],
            last_error: 1e-4,
            has_jacobian: false,
        }
    }

    pub fn run(mut self, solution: &mut [f64]) -> Result<(), Failure> {
        let states = self.problem.states;
        let (mut taken, mut tried) = (0, 0);
        let mut length = None;
        if !self.time.is_finite() {
            return Err(Failure::BadTimes);
        }
        if !self.room.state.iter().all(|value| value.is_finite()) {
            return Err(Failure::BadStart);
        }
        for (&target, row) in self
            .problem
            .times
            .iter()
            .zip(solution.chunks_exact_mut(states))
        {
            if target < self.time || !target.is_finite() {
                return Err(Failure::BadTimes);
            }
            while self.time < target {
                let step = match length {
                    Some(step) => step,
                    None => self.first_length(target)?,
                };
                if tried == self.problem.settings.max_steps {
                    return Err(Failure::TooManySteps {
                        steps: tried,
                        time: self.time,
                    });
                }
                tried += 1;
                let rest = target - self.time;
                // The end is met exactly, in two halves rather than a long step and a tiny one.
                let lands = step >= 0.99 * rest;
                let cut = match lands {
                    true => rest,
                    false if step > 0.5 * rest => 0.5 * rest,
                    false => step,
                };
                if !lands && self.time + cut == self.time {
                    return Err(Failure::NoStep { time: self.time });
                }
                let end = if lands { target } else { self.time + cut };
                length = Some(match self.attempt(cut, end) {
                    Tried::Taken(factor) => {
                        taken += 1;
                        // A step that was cut says little about how long the next may be.
                        if cut < step {
                            step.max(cut * factor)
                        } else {
                            cut * factor
                        }
                    }
                    Tried::Refused(factor) => cut * factor,
                });
            }
            self.marks.push(taken);
            row.copy_from_slice(&self.room.state);
        }
        Ok(())
    }

    /// Evaluates the right-hand side at the start and guesses the length of the first step (Hairer, Nørsett & Wanner,
    /// section II.4): an Euler step tells the second derivative.
    fn first_length(&mut self, target: f64) -> Result<f64, Failure> {
        let room = &mut *self.room;
        room.point[0] = self.time;
        self.system.derivative(&room.point, &mut room.first);
        if !room.first.iter().all(|value| value.is_finite()) {
            return Err(Failure::BadStart);
        }
        let order = self.tableau.order;
        let (size, speed) = (
            self.norm(&self.room.state, &self.room.state),
            self.norm(&self.room.first, &self.room.state),
        );
        let guess = if size < 1e-5 || speed < 1e-5 {
            1e-6
        } else {
            0.01 * size / speed
        };
        let guess = guess.min(target - self.time);
        let [probe, change, _] = &mut self.room.vectors;
        let states = self.problem.states;
        for k in 0..states {
            self.room.point[1 + k] = self.room.state[k] + guess * self.room.first[k];
        }
        self.room.point[0] = self.time + guess;
        self.system.derivative(&self.room.point, probe);
        for k in 0..states {
            change[k] = probe[k] - self.room.first[k];
        }
        let bend = self.norm(&self.room.vectors[1], &self.room.state) / guess;
        let fastest = speed.max(bend);
        let other = if fastest <= 1e-15 {
            (guess * 1e-3).max(1e-6)
        } else if fastest.is_finite() {
            pow(0.01 / fastest, 1.0 / order)
        } else {
            guess * 0.01
        };
        Ok((100.0 * guess).min(other).min(target - self.time))
    }

    /// The root mean square of a vector in units of the tolerance at a state.
    fn norm(&self, vector: &[f64], state: &[f64]) -> f64 {
        let settings = &self.problem.settings;
        let sum: f64 = vector
            .iter()
            .zip(state)
            .map(|(value, state)| {
                let unit = settings.absolute_tolerance + settings.relative_tolerance * state.abs();
                (value / unit) * (value / unit)
            })
            .sum();
        (sum / vector.len() as f64).sqrt()
    }

    /// Tries a step of length `h` that ends at `end`.
    fn attempt(&mut self, h: f64, end: f64) -> Tried {
        let states = self.problem.states;
        let begin = self.tape.len();
        self.tape.extend([self.time, h]);
        let implicit = self.tableau.gamma > 0.0;
        if implicit && !self.prepare(h) {
            self.tape.truncate(begin);
            return Tried::Refused(0.5);
        }
        for stage in 0..self.tableau.stages {
            self.combine(stage, h);
            let done = if implicit {
                self.implicit_stage(stage, h)
            } else {
                self.explicit_stage(stage)
            };
            if !done {
                self.tape.truncate(begin);
                return Tried::Refused(if implicit { 0.5 } else { SHRINKAGE });
            }
            self.tape.extend_from_slice(&self.room.point[1..=states]);
        }
        let error = self.error(h, end);
        if error.is_nan() || error > 1.0 {
            self.tape.truncate(begin);
            let factor = SAFETY / pow(error, 1.0 / self.tableau.order);
            return Tried::Refused(if factor.is_finite() {
                factor.clamp(SHRINKAGE, SAFETY)
            } else {
                SHRINKAGE
            });
        }
        let exponent = 1.0 / self.tableau.order - 0.75 * DAMPING;
        let factor = SAFETY * pow(self.last_error, DAMPING) / pow(error.max(1e-10), exponent);
        self.last_error = error.max(1e-4);
        self.time = end;
        let room = &mut *self.room;
        room.state.copy_from_slice(&room.vectors[0]);
        room.first
            .copy_from_slice(&room.stages[self.tableau.stages * states..]);
        self.has_jacobian = false;
        Tried::Taken(factor.clamp(SHRINKAGE, GROWTH))
    }

    /// Puts y + h Σ aᵢⱼ kⱼ (j < i) into the point.
    fn combine(&mut self, stage: usize, h: f64) {
        let states = self.problem.states;
        let Room {
            point,
            state,
            stages,
            ..
        } = &mut *self.room;
        point[0] = self.time + self.tableau.c[stage] * h;
        let target = &mut point[1..=states];
        target.copy_from_slice(state);
        for (j, derivative) in stages.chunks_exact(states).take(stage).enumerate() {
            let factor = h * self.tableau.a[stage][j];
            for (value, slope) in target.iter_mut().zip(derivative) {
                *value += factor * slope;
            }
        }
    }

    fn explicit_stage(&mut self, stage: usize) -> bool {
        let states = self.problem.states;
        let Room {
            point,
            stages,
            first,
            ..
        } = &mut *self.room;
        let derivative = &mut stages[stage * states..(stage + 1) * states];
        if stage == 0 {
            derivative.copy_from_slice(first);
            return true;
        }
        self.system.derivative(point, derivative);
        derivative.iter().all(|value| value.is_finite())
    }

    /// Makes the matrix of Newton's iteration.
    fn prepare(&mut self, h: f64) -> bool {
        let states = self.problem.states;
        if !self.has_jacobian {
            let room = &mut *self.room;
            room.point[0] = self.time;
            room.point[1..=states].copy_from_slice(&room.state);
            jacobian(
                self.system,
                &room.point,
                states,
                &mut room.vectors[0],
                &mut room.adjoint,
                &mut room.jacobian,
            );
            self.has_jacobian = true;
        }
        let Room {
            matrix, jacobian, ..
        } = &mut *self.room;
        matrix.factor(states, h * self.tableau.gamma, jacobian)
    }

    /// Solves Y = ψ + hγ f(Y) for the stage, ψ being in the point; leaves Y there and (Y − ψ)/(hγ) as its derivative.
    fn implicit_stage(&mut self, stage: usize, h: f64) -> bool {
        let states = self.problem.states;
        let scale = h * self.tableau.gamma;
        let settings = &self.problem.settings;
        let enough = NEWTON_TOLERANCE.max(10.0 * f64::EPSILON / settings.relative_tolerance);
        let [psi, slope, change] = &mut self.room.vectors;
        psi.copy_from_slice(&self.room.point[1..=states]);
        // The last derivative known is the first guess.
        let guess = match stage {
            0 => &self.room.first[..],
            _ => &self.room.stages[(stage - 1) * states..stage * states],
        };
        for (value, slope) in self.room.point[1..=states].iter_mut().zip(guess) {
            *value += scale * slope;
        }
        let mut before = f64::INFINITY;
        for iteration in 0..NEWTON_ITERATIONS {
            self.system.derivative(&self.room.point, slope);
            let current = &mut self.room.point[1..=states];
            for k in 0..states {
                change[k] = psi[k] + scale * slope[k] - current[k];
            }
            self.room.matrix.solve(change);
            let mut sum = 0.0;
            for k in 0..states {
                current[k] += change[k];
                let unit = settings.absolute_tolerance
                    + settings.relative_tolerance * self.room.state[k].abs().max(current[k].abs());
                sum += (change[k] / unit).powi(2);
            }
            let size = (sum / states as f64).sqrt();
            let rate = size / before;
            if !size.is_finite() || (iteration > 0 && rate >= 2.0) {
                return false;
            }
            // What is left to go is about size · rate / (1 − rate).
            let left = if iteration > 0 && rate < 1.0 {
                size * rate / (1.0 - rate)
            } else {
                size
            };
            if left <= enough {
                let derivative = &mut self.room.stages[stage * states..(stage + 1) * states];
                for k in 0..states {
                    derivative[k] = (current[k] - psi[k]) / scale;
                }
                return true;
            }
            before = size;
        }
        false
    }

    /// The new state, in the first vector, the derivative there, behind the stages, and the error of the step in units
    /// of the tolerance.
    fn error(&mut self, h: f64, end: f64) -> f64 {
        let (states, tableau) = (self.problem.states, self.tableau);
        let Room {
            point,
            state,
            stages,
            vectors: [new, estimate, _],
            matrix,
            ..
        } = &mut *self.room;
        new.copy_from_slice(state);
        estimate.fill(0.0);
        if tableau.gamma > 0.0 {
            // The last stage is the solution.
            new.copy_from_slice(&point[1..=states]);
        } else {
            for (stage, derivative) in stages.chunks_exact(states).take(tableau.stages).enumerate()
            {
                for k in 0..states {
                    new[k] += h * tableau.b[stage] * derivative[k];
                }
            }
        }
        point[0] = end;
        point[1..=states].copy_from_slice(new);
        let last = &mut stages[tableau.stages * states..];
        self.system.derivative(point, last);
        if !last.iter().all(|value| value.is_finite()) {
            return f64::NAN;
        }
        for (stage, derivative) in stages.chunks_exact(states).enumerate() {
            let weight = tableau.error.get(stage).copied().unwrap_or(0.0);
            for k in 0..states {
                estimate[k] += h * weight * derivative[k];
            }
        }
        if tableau.gamma > 0.0 {
            // Damps the components that are too fast to matter.
            matrix.solve(estimate);
        }
        let settings = &self.problem.settings;
        let sum: f64 = (0..states)
            .map(|k| {
                let size = state[k].abs().max(new[k].abs());
                let unit = settings.absolute_tolerance + settings.relative_tolerance * size;
                (estimate[k] / unit).powi(2)
            })
            .sum();
        (sum / states as f64).sqrt()
    }
}
