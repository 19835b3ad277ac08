//! How many parameters the data determine. Where H = −∇² log likelihood is the curvature of the likelihood at a position and S holds the prior's standard
//! deviations, the eigenvalues h of S H S say by how much, direction by direction, the likelihood exceeds the prior in precision, and Σ h / (1 + h) is the
//! effective number of parameters: a direction that only the data know counts 1, one that only the prior knows counts 0 (MacKay 1992; Maddox, Benton &
//! Wilson 2020). Eigenvectors share it out among coordinates. Curvatures come from differences of gradients.

use crate::math::decompositions::{eigen_symmetric, eigen_symmetric_scratch};
use crate::math::stack::{MemBuffer, MemStack};
use crate::target::{Evaluator, Parts, Target, Weights};

/// Differences are taken over this part of the prior's standard deviation.
const STEP: f64 = 1e-4;

/// The share of each coordinate in the effective number of parameters, the mean over positions; directions in which the likelihood is not
/// concave count zero. Positions at which a gradient is not finite are left out; `None` if none is left. `scales`: the
/// prior's standard deviation of each coordinate, which is taken to be independent of the others.
pub fn effective_shares(
    target: &dyn Target,
    positions: &[&[f64]],
    scales: &[f64],
) -> Option<Vec<f64>> {
    let dimension = target.dimension();
    let mut likelihood = LikelihoodGradient::new(target);
    let mut memory = MemBuffer::new(eigen_symmetric_scratch(dimension));
    let (mut values, mut vectors) = (vec![0.0; dimension], vec![0.0; dimension * dimension]);
    let mut shares = vec![0.0; dimension];
    let mut count = 0.0;
    for position in positions {
        let Some(curvature) = scaled_curvature(&mut likelihood, position, scales) else {
            continue;
        };
        let stack = MemStack::new(&mut memory);
        eigen_symmetric(dimension, &curvature, &mut values, &mut vectors, stack);
        if values.iter().any(|h| h.is_nan()) {
            continue;
        }
        count += 1.0;
        for (column, h) in values.iter().enumerate().filter(|(_, h)| **h > 0.0) {
            for (row, share) in shares.iter_mut().enumerate() {
                let part = vectors[row * dimension + column];
                *share += part * part * h / (1.0 + h);
            }
        }
    }
    (count > 0.0).then(|| shares.iter().map(|share| share / count).collect())
}

/// S H S at a position.
fn scaled_curvature(
    likelihood: &mut LikelihoodGradient<'_>,
    position: &[f64],
    scales: &[f64],
) -> Option<Vec<f64>> {
    let steps: Vec<f64> = scales.iter().map(|scale| STEP * scale).collect();
    let gradient = &mut |at: &[f64], gradient: &mut [f64]| likelihood.at(at, gradient);
    let mut matrix = second_derivatives(position, &steps, gradient)?;
    for (row, own) in matrix.chunks_mut(scales.len()).zip(scales) {
        for (second, other) in row.iter_mut().zip(scales) {
            *second *= -own * other;
        }
    }
    Some(matrix)
}

/// The symmetric matrix of second derivatives at a position, by central differences of a gradient over a step of its own for
/// each coordinate; `None` if they are not finite.
pub fn second_derivatives(
    position: &[f64],
    steps: &[f64],
    gradient: &mut dyn FnMut(&[f64], &mut [f64]),
) -> Option<Vec<f64>> {
    let dimension = position.len();
    let mut moved = position.to_vec();
    let mut matrix = vec![0.0; dimension * dimension];
    let (mut ahead, mut behind) = (vec![0.0; dimension], vec![0.0; dimension]);
    for column in 0..dimension {
        let step = steps[column];
        moved[column] = position[column] + step;
        gradient(&moved, &mut ahead);
        moved[column] = position[column] - step;
        gradient(&moved, &mut behind);
        moved[column] = position[column];
        for row in 0..dimension {
            matrix[row * dimension + column] = (ahead[row] - behind[row]) / (2.0 * step);
        }
    }
    for row in 0..dimension {
        for column in 0..row {
            let (a, b) = (row * dimension + column, column * dimension + row);
            let mean = 0.5 * (matrix[a] + matrix[b]);
            (matrix[a], matrix[b]) = (mean, mean);
        }
    }
    matrix.iter().all(|h| h.is_finite()).then_some(matrix)
}

/// The gradient of the likelihood alone: with it less without it.
struct LikelihoodGradient<'a> {
    evaluator: Box<dyn Evaluator + 'a>,
    with: Weights,
    without: Weights,
    rest: Vec<f64>,
    parts: Parts,
}

impl<'a> LikelihoodGradient<'a> {
    fn new(target: &'a dyn Target) -> Self {
        Self {
            evaluator: target.evaluator(),
            with: Weights::tempered(target.soft_count(), 0.0, 1.0),
            without: Weights::tempered(target.soft_count(), 0.0, 0.0),
            rest: vec![0.0; target.dimension()],
            parts: Parts::default(),
        }
    }

    fn at(&mut self, position: &[f64], gradient: &mut [f64]) {
        let Self {
            evaluator,
            with,
            without,
            rest,
            parts,
        } = self;
        evaluator.log_density_gradient(position, with, gradient, parts);
        evaluator.log_density_gradient(position, without, rest, parts);
        for (gradient, rest) in gradient.iter_mut().zip(rest) {
            *gradient -= *rest;
        }
    }
}
