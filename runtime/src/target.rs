//! What a sampler knows of a model, and nothing more: a dimension, a log density in separately weighted parts with
//! its gradient, a way to draw a start, and the values to store for a draw. Weights are data of each call, so that
//! tempering, constraint peeling and plain sampling share one compiled function.

use crate::random::Stream;

/// Weights of the parts of a log density; the prior (with its Jacobian) always has weight one.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// One weight per soft constraint, in the order of the model.
    pub soft: Vec<f64>,
    /// The weight of the likelihood, the inverse temperature β.
    pub likelihood: f64,
    /// The weight of each observed row within the likelihood, of a target whose rows have weights
    /// ([`Target::row_count`]); empty stands for ones.
    pub rows: Vec<f64>,
}

impl Weights {
    /// The prior with its constraints at one weight, and the likelihood at another.
    pub fn tempered(soft_count: usize, soft: f64, likelihood: f64) -> Self {
        Self {
            soft: vec![soft; soft_count],
            likelihood,
            rows: Vec::new(),
        }
    }

    /// The weighted sum of the parts but the prior.
    pub fn without_prior(&self, parts: &Parts) -> f64 {
        let weighted = |weight: f64, part: f64| if weight == 0.0 { 0.0 } else { weight * part };
        let soft = self.soft.iter().zip(&parts.soft);
        soft.fold(
            weighted(self.likelihood, parts.likelihood),
            |sum, (w, p)| sum + weighted(*w, *p),
        )
    }

    /// Every part at full weight: the posterior.
    pub fn posterior(soft_count: usize) -> Self {
        Self {
            soft: vec![1.0; soft_count],
            likelihood: 1.0,
            rows: Vec::new(),
        }
    }

    /// The posterior of some rows: each at its weight, everything else at full weight.
    pub fn of_rows(soft_count: usize, rows: Vec<f64>) -> Self {
        Self {
            rows,
            ..Self::posterior(soft_count)
        }
    }
}

/// The parts of one log-density evaluation, each unweighted. A part whose weight is zero is not computed and is zero.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parts {
    /// Log density of the inferred variables at their constrained values.
    pub prior: f64,
    /// Log absolute Jacobian determinant of the map from unconstrained to constrained values.
    pub jacobian: f64,
    /// Log potential of each soft constraint.
    pub soft: Vec<f64>,
    /// Log density of what was observed, rows at their weights, and all `factor`s.
    pub likelihood: f64,
}

impl Parts {
    /// Becomes a copy of the parts of the same model, without allocating.
    pub fn copy_from(&mut self, other: &Parts) {
        self.prior = other.prior;
        self.jacobian = other.jacobian;
        self.soft.clone_from(&other.soft);
        self.likelihood = other.likelihood;
    }

    /// The log potential of all soft constraints together.
    pub fn soft_sum(&self) -> f64 {
        self.soft.iter().fold(0.0, |sum, part| sum + part)
    }
}

/// Why no starting position with a finite log density and gradient was found.
#[derive(Debug, Clone, PartialEq)]
pub struct StartFailure {
    /// The statement most often responsible, as the model describes it (with its line), when known.
    pub reason: String,
}

/// A compiled model. Immutable and shared between threads; all mutable state lives in its [`Evaluator`]s.
pub trait Target: Sync {
    /// Number of unconstrained coordinates.
    fn dimension(&self) -> usize;
    /// Number of soft constraints, the length of [`Weights::soft`] and [`Parts::soft`].
    fn soft_count(&self) -> usize;
    /// Number of observed rows that have weights of their own; zero for a target that does not keep them apart.
    fn row_count(&self) -> usize {
        0
    }
    /// Number of values that [`Evaluator::outputs`] writes for each draw.
    fn output_count(&self) -> usize;
    /// Scratch space for one thread.
    fn evaluator(&self) -> Box<dyn Evaluator + '_>;
}

/// One thread's view of a [`Target`]. No method allocates.
pub trait Evaluator {
    /// The weighted log density at `position` (length: dimension), writing its gradient (same length) and its parts.
    /// Outside the support the result is −inf (never NaN) and the gradient unspecified.
    fn log_density_gradient(
        &mut self,
        position: &[f64],
        weights: &Weights,
        gradient: &mut [f64],
        parts: &mut Parts,
    ) -> f64;
    /// Writes an unconstrained prior draw to `position`. Variables with improper priors start uniform(−2, 2).
    fn prior_draw(&mut self, stream: &mut Stream, position: &mut [f64]);
    /// Writes what is stored for a draw at `position`: constrained values, reports and simulated values.
    fn outputs(&mut self, position: &[f64], stream: &mut Stream, values: &mut [f64]);
    /// Writes the log density of each observed row at `position` (length: [`Target::row_count`]): −inf where it is no
    /// number. Rows that stand for missing values are left as they were.
    fn rows(&mut self, position: &[f64], values: &mut [f64]) {
        let _ = position;
        debug_assert!(values.is_empty(), "this target does not keep rows apart");
    }
    /// A sentence on why the log density at `position` is not finite (which statement, which line), if it is not.
    fn explain(&mut self, position: &[f64]) -> Option<String>;
}
