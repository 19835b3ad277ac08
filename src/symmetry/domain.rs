//! A density on the chosen copy alone, times the number of copies: its integral is that of the whole density.

use likelier_runtime::random::Stream;
use likelier_runtime::target::{Evaluator, Parts, Target, Weights};

use super::Symmetries;

/// A density on the chosen copy, times the number of copies; zero elsewhere.
pub(crate) struct Domain<'a> {
    /// The density.
    pub target: &'a dyn Target,
    /// Its symmetries.
    pub symmetries: &'a Symmetries,
}

struct DomainEvaluator<'a> {
    inner: Box<dyn Evaluator + 'a>,
    symmetries: &'a Symmetries,
    log_copies: f64,
}

impl Target for Domain<'_> {
    fn dimension(&self) -> usize {
        self.target.dimension()
    }

    fn soft_count(&self) -> usize {
        self.target.soft_count()
    }

    fn output_count(&self) -> usize {
        self.target.output_count()
    }

    fn evaluator(&self) -> Box<dyn Evaluator + '_> {
        Box::new(DomainEvaluator {
            inner: self.target.evaluator(),
            symmetries: self.symmetries,
            log_copies: self.symmetries.log_copies(),
        })
    }
}

impl Evaluator for DomainEvaluator<'_> {
    fn log_density_gradient(
        &mut self,
        position: &[f64],
        weights: &Weights,
        gradient: &mut [f64],
        parts: &mut Parts,
    ) -> f64 {
        if !self.symmetries.holds(position) {
            return f64::NEG_INFINITY;
        }
        let inner = &mut self.inner;
        self.log_copies + inner.log_density_gradient(position, weights, gradient, parts)
    }

    fn prior_draw(&mut self, stream: &mut Stream, position: &mut [f64]) {
        self.inner.prior_draw(stream, position);
    }

    fn outputs(&mut self, position: &[f64], stream: &mut Stream, values: &mut [f64]) {
        self.inner.outputs(position, stream, values);
    }

    fn explain(&mut self, position: &[f64]) -> Option<String> {
        self.inner.explain(position)
    }
}
