//! A model asked at single positions before anything is drawn from it: what `check` and the warning of an improper posterior
//! know of its density.

use likelier_compiler::Compiled;
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Evaluator, Parts, Target, Weights};

/// The gradient of the prior and of everything, and the parts of everything but the prior.
pub(crate) struct Probe<'a> {
    evaluator: Box<dyn Evaluator + 'a>,
    pub(crate) dimension: usize,
    prior: Weights,
    posterior: Weights,
    parts: Parts,
}

impl<'a> Probe<'a> {
    pub(crate) fn new(compiled: &'a Compiled) -> Self {
        let soft = compiled.model.soft_count();
        Self {
            evaluator: compiled.model.evaluator(),
            dimension: compiled.model.dimension(),
            prior: Weights::tempered(soft, 0.0, 0.0),
            posterior: Weights::posterior(soft),
            parts: Parts {
                soft: vec![0.0; soft],
                ..Parts::default()
            },
        }
    }

    /// A prior draw; uniform from −2 to 2 where the prior cannot be drawn from.
    pub(crate) fn draw(&mut self, number: usize) -> Vec<f64> {
        let mut stream = Stream::new(1, Purpose::Start, number as u32);
        let mut position = vec![0.0; self.dimension];
        self.evaluator.prior_draw(&mut stream, &mut position);
        position
    }

    /// The gradient of the prior, where it is finite.
    pub(crate) fn prior(&mut self, position: &[f64]) -> Option<Vec<f64>> {
        finite(self.evaluate(position, false)).map(|(_, gradient)| gradient)
    }

    /// The log density of the posterior, up to its constant, and the gradient, where they are finite.
    pub(crate) fn posterior(&mut self, position: &[f64]) -> Option<(f64, Vec<f64>)> {
        finite(self.evaluate(position, true))
    }

    /// The log potential of each constraint and the log likelihood.
    pub(crate) fn told(&mut self, position: &[f64]) -> Vec<f64> {
        self.evaluate(position, true);
        let mut told = self.parts.soft.clone();
        told.push(self.parts.likelihood);
        told
    }

    fn evaluate(&mut self, position: &[f64], is_whole: bool) -> (f64, Vec<f64>) {
        let mut gradient = vec![0.0; self.dimension];
        let weights = match is_whole {
            true => &self.posterior,
            false => &self.prior,
        };
        let (evaluator, parts) = (&mut self.evaluator, &mut self.parts);
        let value = evaluator.log_density_gradient(position, weights, &mut gradient, parts);
        (value, gradient)
    }
}

fn finite((value, gradient): (f64, Vec<f64>)) -> Option<(f64, Vec<f64>)> {
    let is_finite = value.is_finite() && gradient.iter().all(|one| one.is_finite());
    is_finite.then_some((value, gradient))
}
