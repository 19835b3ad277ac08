//! The leapfrog integrator with a diagonal inverse metric: half a momentum step, a position step, half a momentum step.
//! Reversible and volume preserving, which is what makes its use in a Markov chain exact.

use super::impossible::Impossible;
use crate::target::{Evaluator, Parts, Weights};

/// A point of phase space with what was evaluated there.
#[derive(Debug, Clone)]
pub struct PhasePoint {
    /// Unconstrained position.
    pub position: Vec<f64>,
    /// Momentum.
    pub momentum: Vec<f64>,
    /// Gradient of the log density at the position.
    pub gradient: Vec<f64>,
    /// Log density at the position.
    pub log_density: f64,
    /// Its parts.
    pub parts: Parts,
}

impl PhasePoint {
    /// A point at zero, for a model with this many coordinates and soft constraints.
    pub fn new(dimension: usize, soft_count: usize) -> Self {
        Self {
            position: vec![0.0; dimension],
            momentum: vec![0.0; dimension],
            gradient: vec![0.0; dimension],
            log_density: f64::NEG_INFINITY,
            parts: Parts {
                soft: vec![0.0; soft_count],
                ..Parts::default()
            },
        }
    }

    /// Becomes a copy of another point without allocating.
    pub fn copy_from(&mut self, other: &PhasePoint) {
        self.position.copy_from_slice(&other.position);
        self.momentum.copy_from_slice(&other.momentum);
        self.gradient.copy_from_slice(&other.gradient);
        self.log_density = other.log_density;
        self.parts.copy_from(&other.parts);
    }

    /// Whether a chain can stand here: log density and gradient are finite.
    pub fn is_possible(&self) -> bool {
        self.log_density.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }

    /// Potential plus kinetic energy.
    pub fn energy(&self, inverse_metric: &[f64]) -> f64 {
        let twice: f64 = self
            .momentum
            .iter()
            .zip(inverse_metric)
            .map(|(p, m)| p * p * m)
            .sum();
        0.5 * twice - self.log_density
    }
}

/// Evaluates log densities with fixed weights.
pub struct Density<'a> {
    /// The model's code and scratch space.
    pub evaluator: Box<dyn Evaluator + 'a>,
    /// Weights of the parts.
    pub weights: Weights,
    /// Number of evaluations so far.
    pub evaluations: usize,
    /// Evaluations with zero density.
    pub impossible: Impossible,
}

impl<'a> Density<'a> {
    /// A density that was not evaluated yet.
    pub fn new(evaluator: Box<dyn Evaluator + 'a>, weights: Weights, dimension: usize) -> Self {
        Self {
            evaluator,
            weights,
            evaluations: 0,
            impossible: Impossible::new(dimension),
        }
    }

    /// Fills in log density, its parts and its gradient at the point's position.
    pub fn evaluate(&mut self, point: &mut PhasePoint) {
        self.evaluations += 1;
        point.log_density = self.evaluator.log_density_gradient(
            &point.position,
            &self.weights,
            &mut point.gradient,
            &mut point.parts,
        );
        if point.log_density == f64::NEG_INFINITY {
            self.impossible.note(&point.position);
        }
    }
}

/// One step of (signed) size `step`.
pub fn leapfrog(density: &mut Density, point: &mut PhasePoint, inverse_metric: &[f64], step: f64) {
    let half = 0.5 * step;
    for (((q, p), g), m) in point
        .position
        .iter_mut()
        .zip(&mut point.momentum)
        .zip(&point.gradient)
        .zip(inverse_metric)
    {
        *p += half * g;
        *q += step * m * *p;
    }
    density.evaluate(point);
    for (p, g) in point.momentum.iter_mut().zip(&point.gradient) {
        *p += half * g;
    }
}
