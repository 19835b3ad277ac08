//! A map that makes particles uncorrelated with unit variances, and a density seen through it. A sampler with a unit metric
//! on z, where θ = L z, is one with the dense metric L Lᵀ on θ; the constant log |L| plays no part in moves. A map that is
//! not linear (`conditional.rs`) adds the gradient of its log determinant.

use std::borrow::Cow;

use crate::math::linear::{cholesky, solve_lower};
use crate::parts::conditional::{Conditional, Local};
use crate::parts::tempering::effective;
use crate::random::Stream;
use crate::target::{Evaluator, Parts, Weights};

/// Correlations are seen where this many effective particles tell about each coordinate. With fewer, the map follows the
/// very particles that it moves, and the evidence comes out too high (at 100 coordinates and 1000 effective particles,
/// by 1.5 nats when each particle is moved once).
const PER_COORDINATE: f64 = 12.0;

/// θ = L z, or a map that is not linear.
#[derive(Debug, Clone, PartialEq)]
pub enum Whitening {
    /// Standard deviations.
    Diagonal(Vec<f64>),
    /// The lower factor, row by row.
    Dense(Vec<f64>),
    /// A map that follows a funnel, which is not linear.
    Conditional(Box<Conditional>),
}

impl Whitening {
    /// From weighted positions (rows of `dimension` values). The covariance is drawn towards its diagonal as far as the
    /// effective number of particles is small against the dimension.
    pub fn of(positions: &[f64], weights: &[f64], dimension: usize) -> Self {
        let (mean, variance) = moments(positions, weights, dimension);
        let deviations: Vec<f64> = variance.iter().map(|v| v.sqrt()).collect();
        let effective = effective(weights);
        if dimension < 2 || effective < PER_COORDINATE * dimension as f64 {
            return Self::Diagonal(deviations);
        }
        let kept = effective / (effective + dimension as f64);
        let covariance = covariance(positions, weights, &mean);
        match factor_towards_diagonal(covariance, &variance, kept) {
            Some(lower) => Self::Dense(lower),
            None => Self::Diagonal(deviations),
        }
    }

    /// θ = L z
    pub fn color(&self, z: &[f64], position: &mut [f64], local: &mut Local) {
        match self {
            Self::Diagonal(deviations) => {
                for ((q, z), s) in position.iter_mut().zip(z).zip(deviations) {
                    *q = z * s;
                }
            }
            Self::Dense(lower) => {
                color_lower(lower, z, position);
            }
            Self::Conditional(map) => map.color(z, position, local),
        }
    }

    /// z = L⁻¹ θ
    pub fn whiten(&self, position: &[f64], z: &mut [f64], local: &mut Local) {
        match self {
            Self::Diagonal(deviations) => {
                for ((z, q), s) in z.iter_mut().zip(position).zip(deviations) {
                    *z = q / s;
                }
            }
            Self::Dense(lower) => {
                z.copy_from_slice(position);
                solve_lower::<false>(z.len(), 1, lower, z);
            }
            Self::Conditional(map) => map.whiten(position, z, local),
        }
    }

    /// The gradient at z of a log density seen through the map, from its gradient in θ; and what the map adds to the log
    /// density, up to a constant.
    pub fn pull(&self, z: &[f64], gradient: &[f64], out: &mut [f64], local: &Local) -> f64 {
        match self {
            Self::Diagonal(deviations) => {
                for ((out, g), s) in out.iter_mut().zip(gradient).zip(deviations) {
                    *out = g * s;
                }
                0.0
            }
            Self::Dense(lower) => {
                out.fill(0.0);
                for (i, g) in gradient.iter().enumerate() {
                    let row = &lower[i * gradient.len()..];
                    for (out, l) in out.iter_mut().zip(&row[..=i]) {
                        *out += g * l;
                    }
                }
                0.0
            }
            Self::Conditional(map) => map.pull(z, gradient, out, local),
        }
    }
}

/// θ = L z, L lower triangular and row by row.
pub fn color_lower(lower: &[f64], z: &[f64], position: &mut [f64]) {
    for (i, q) in position.iter_mut().enumerate() {
        let row = &lower[i * z.len()..];
        *q = row[..=i].iter().zip(z).map(|(l, z)| l * z).sum();
    }
}

/// Mean and variance of each coordinate; a coordinate that does not vary gets a variance that lets it move a little.
pub fn moments(positions: &[f64], weights: &[f64], dimension: usize) -> (Vec<f64>, Vec<f64>) {
    let total: f64 = weights.iter().sum();
    let (mut mean, mut variance) = (vec![0.0; dimension], vec![0.0; dimension]);
    for (row, weight) in positions.chunks(dimension.max(1)).zip(weights) {
        for (mean, q) in mean.iter_mut().zip(row) {
            *mean += weight / total * q;
        }
    }
    for (row, weight) in positions.chunks(dimension.max(1)).zip(weights) {
        for ((variance, mean), q) in variance.iter_mut().zip(&mean).zip(row) {
            *variance += weight / total * (q - mean) * (q - mean);
        }
    }
    for (variance, mean) in variance.iter_mut().zip(&mean) {
        let least = 1e-16 * mean * mean + 1e-30;
        // Coordinates of enormous scales are left as they are.
        *variance = match variance.is_finite() && least.is_finite() {
            true => variance.max(least),
            false => 1.0,
        };
    }
    (mean, variance)
}

/// Covariances of weighted positions below the diagonal, row by row; the rest is zero.
pub fn covariance(positions: &[f64], weights: &[f64], mean: &[f64]) -> Vec<f64> {
    let dimension = mean.len();
    let total: f64 = weights.iter().sum();
    let mut covariance = vec![0.0; dimension * dimension];
    for (row, weight) in positions.chunks(dimension).zip(weights) {
        if *weight == 0.0 {
            continue;
        }
        for i in 0..dimension {
            let scaled = weight / total * (row[i] - mean[i]);
            for j in 0..i {
                covariance[i * dimension + j] += scaled * (row[j] - mean[j]);
            }
        }
    }
    covariance
}

/// The lower factor of a covariance given below its diagonal, of which only the part `kept` counts, and by its variances.
pub fn factor_towards_diagonal(
    mut covariance: Vec<f64>,
    variance: &[f64],
    kept: f64,
) -> Option<Vec<f64>> {
    let dimension = variance.len();
    for i in 0..dimension {
        for j in 0..i {
            let value = kept * covariance[i * dimension + j];
            covariance[i * dimension + j] = value;
            covariance[j * dimension + i] = value;
        }
        covariance[i * dimension + i] = variance[i] * (1.0 + 1e-9);
    }
    let mut lower = vec![0.0; dimension * dimension];
    lower_factor(dimension, &covariance, &mut lower).then_some(lower)
}

/// The lower factor of a covariance, if it is positive definite.
pub fn lower_factor(size: usize, covariance: &[f64], lower: &mut [f64]) -> bool {
    cholesky::<false>(size, covariance, lower).is_ok() && lower.iter().all(|l| l.is_finite())
}

/// A density seen through a whitening: positions and gradients are those of z.
pub struct Whitened<'a> {
    inner: Box<dyn Evaluator + 'a>,
    whitening: Cow<'a, Whitening>,
    position: Vec<f64>,
    gradient: Vec<f64>,
    local: Local,
}

impl<'a> Whitened<'a> {
    /// Through this map.
    pub fn new(
        inner: Box<dyn Evaluator + 'a>,
        whitening: Cow<'a, Whitening>,
        dimension: usize,
    ) -> Self {
        Self {
            inner,
            whitening,
            position: vec![0.0; dimension],
            gradient: vec![0.0; dimension],
            local: Local::default(),
        }
    }

    fn color(&mut self, z: &[f64]) {
        self.whitening.color(z, &mut self.position, &mut self.local);
    }
}

impl Evaluator for Whitened<'_> {
    fn log_density_gradient(
        &mut self,
        position: &[f64],
        weights: &Weights,
        gradient: &mut [f64],
        parts: &mut Parts,
    ) -> f64 {
        self.color(position);
        let value =
            self.inner
                .log_density_gradient(&self.position, weights, &mut self.gradient, parts);
        value
            + self
                .whitening
                .pull(position, &self.gradient, gradient, &self.local)
    }

    fn prior_draw(&mut self, stream: &mut Stream, position: &mut [f64]) {
        self.inner.prior_draw(stream, &mut self.position);
        self.whitening
            .whiten(&self.position, position, &mut self.local);
    }

    fn outputs(&mut self, position: &[f64], stream: &mut Stream, values: &mut [f64]) {
        self.color(position);
        self.inner.outputs(&self.position, stream, values);
    }

    fn rows(&mut self, position: &[f64], values: &mut [f64]) {
        self.color(position);
        self.inner.rows(&self.position, values);
    }

    fn explain(&mut self, position: &[f64]) -> Option<String> {
        self.color(position);
        self.inner.explain(&self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn particles_become_uncorrelated_and_the_map_inverts() {
        let mut stream = Stream::new(1, Purpose::Test, 0);
        let mut positions = Vec::new();
        for _ in 0..20_000 {
            let (a, b) = (stream.normal(), stream.normal());
            positions.extend([3.0 + 2.0 * a, 5.0 * a + 0.5 * b]);
        }
        let weights = vec![1.0; 20_000];
        let (whitening, mut local) = (Whitening::of(&positions, &weights, 2), Local::default());
        let (mut z, mut back) = (vec![0.0; 2], vec![0.0; 2]);
        let (mut cross, mut whitened) = (0.0, Vec::new());
        for row in positions.chunks(2) {
            whitening.whiten(row, &mut z, &mut local);
            whitening.color(&z, &mut back, &mut local);
            assert!((back[0] - row[0]).abs() < 1e-9 && (back[1] - row[1]).abs() < 1e-9);
            whitened.extend_from_slice(&z);
        }
        let (mean, variance) = moments(&whitened, &weights, 2);
        for row in whitened.chunks(2) {
            cross += (row[0] - mean[0]) * (row[1] - mean[1]) / 20_000.0;
        }
        assert!((variance[0] - 1.0).abs() < 1e-3 && (variance[1] - 1.0).abs() < 0.02);
        assert!(cross.abs() < 0.01, "{cross}");
    }
}
