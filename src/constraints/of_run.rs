//! What a run by NUTS tells of its soft constraints.
//!
//! One that its draws keep far from holding is contradicted by something. And one may set the step size: steps are as long as the
//! largest curvature of the density allows, in the coordinates in which the sampler moves; where they are far shorter than
//! usual, that curvature is found at some draws (power iteration on differences of gradients), and the share that
//! each constraint has of it, since the density has its parts apart. A narrow constraint costs steps that another way to
//! write the model would not, so whoever runs it is told.

use likelier_compiler::{Compiled, Constraint};
use likelier_runtime::parts::conditional::Local;
use likelier_runtime::parts::step_size::regular;
use likelier_runtime::parts::whitening::Whitening;
use likelier_runtime::target::{Evaluator, Parts, Target, Weights};

use super::{contradicts, is_soft};
use crate::posterior::Chain;

/// A step size below this part of a regular one is looked into.
const SMALL: f64 = 0.1;
/// A constraint with at least this share of the largest curvature sets the step size.
const DECISIVE: f64 = 0.9;
/// Draws that are looked at.
const DRAWS: usize = 16;
/// Rounds of power iteration.
const ROUNDS: usize = 30;
/// Differences are taken over this part of a step.
const DIFFERENCE: f64 = 1e-3;

/// What to tell of the constraints.
pub(crate) fn notes(compiled: &Compiled, chains: &[Chain]) -> Vec<String> {
    if compiled.model.dimension() == 0 || !compiled.constraints.iter().any(is_soft) {
        return Vec::new();
    }
    let mut notes = of_penalties(compiled, chains);
    notes.extend(of_step_size(compiled, chains));
    notes
}

/// Some draws of a chain, evenly spread.
fn some_draws(chain: &Chain, dimension: usize, count: usize) -> impl Iterator<Item = &[f64]> {
    let draws = chain.positions.len() / dimension;
    let stride = draws.div_ceil(count).max(1);
    chain.positions.chunks(dimension).step_by(stride)
}

fn of_penalties(compiled: &Compiled, chains: &[Chain]) -> Vec<String> {
    let target = &compiled.model;
    let (dimension, count) = (target.dimension(), target.soft_count());
    let mut evaluator = target.evaluator();
    let (mut gradient, mut parts) = (vec![0.0; dimension], Parts::default());
    let weights = Weights::posterior(count);
    let (mut sums, mut draws) = (vec![0.0; count], 0.0);
    for position in chains
        .iter()
        .flat_map(|chain| some_draws(chain, dimension, DRAWS))
    {
        evaluator.log_density_gradient(position, &weights, &mut gradient, &mut parts);
        for (sum, potential) in sums.iter_mut().zip(&parts.soft) {
            *sum -= potential;
        }
        draws += 1.0;
    }
    let means = sums.into_iter().map(|sum| sum / draws);
    let all = compiled.constraints.iter().zip(means);
    let large = all.filter(|(one, mean)| is_soft(one) && contradicts(one, *mean));
    let note = |(one, mean): (&Constraint, f64)| {
        format!(
            "`{}` is far from holding: its mean penalty is {mean:.0} nats. The prior, the data or other constraints contradict it; \
             `likelier evidence` tells how far.",
            one.name
        )
    };
    large.map(note).collect()
}

fn of_step_size(compiled: &Compiled, chains: &[Chain]) -> Vec<String> {
    let steps = chains.iter().map(|chain| chain.step_size);
    let step = steps.sum::<f64>() / chains.len().max(1) as f64;
    let regular = regular(compiled.model.dimension());
    let is_small = step.is_finite() && step <= SMALL * regular;
    if !is_small {
        return Vec::new();
    }
    let shares = shares(compiled, chains, step);
    let constraints = compiled.constraints.iter().zip(shares);
    let decisive = constraints.filter(|(one, share)| is_soft(one) && *share >= DECISIVE);
    let note = |(one, _): (&Constraint, f64)| {
        format!(
            "`{}` is so narrow that it sets the step size, {:.0} times shorter than is usual. Widen its `within`, or draw what it \
             compares as a variable of its own, as in `d ~ normal(0, 0.001)` and `let b = a + d`.",
            one.name,
            regular / step
        )
    };
    decisive.map(note).collect()
}

/// The median share of each constraint in the largest curvature.
fn shares(compiled: &Compiled, chains: &[Chain], step: f64) -> Vec<f64> {
    let dimension = compiled.model.dimension();
    let count = compiled.model.soft_count();
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); count];
    let each = DRAWS.div_ceil(chains.len());
    for chain in chains {
        let whitening = chain.inverse_metric.whitening();
        let mut curvature = Curvature::new(compiled, whitening, DIFFERENCE * step);
        for position in some_draws(chain, dimension, each) {
            curvature.position.copy_from_slice(position);
            let Some(largest) = curvature.turn_to_largest() else {
                continue;
            };
            for (constraint, shares) in found.iter_mut().enumerate() {
                let mut weights = Weights::posterior(count);
                weights.soft[constraint] = 0.0;
                let rest = curvature.along(&weights);
                shares.push(1.0 - rest / largest);
            }
        }
    }
    found.into_iter().map(median).collect()
}

/// NaN of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Curvature of minus the log density at a position, in the coordinates of the sampler.
struct Curvature<'a> {
    evaluator: Box<dyn Evaluator + 'a>,
    /// To the coordinates in which the inverse metric is the unit matrix.
    whitening: Whitening,
    difference: f64,
    position: Vec<f64>,
    /// Of length 1.
    direction: Vec<f64>,
    all: Weights,
}

impl<'a> Curvature<'a> {
    fn new(compiled: &'a Compiled, whitening: Whitening, difference: f64) -> Self {
        let dimension = compiled.model.dimension();
        Self {
            evaluator: compiled.model.evaluator(),
            whitening,
            difference,
            position: vec![0.0; dimension],
            direction: vec![1.0 / (dimension as f64).sqrt(); dimension],
            all: Weights::posterior(compiled.model.soft_count()),
        }
    }

    /// The second derivatives times the direction.
    fn product(&mut self, weights: &Weights) -> Vec<f64> {
        let mut local = Local::default();
        let mut step = vec![0.0; self.position.len()];
        self.whitening.color(&self.direction, &mut step, &mut local);
        let [above, below] = [1.0, -1.0].map(|sign| {
            let mut gradient = vec![0.0; self.position.len()];
            let moved: Vec<f64> = self
                .position
                .iter()
                .zip(&step)
                .map(|(q, step)| q + sign * self.difference * step)
                .collect();
            let mut parts = Parts::default();
            self.evaluator
                .log_density_gradient(&moved, weights, &mut gradient, &mut parts);
            gradient
        });
        let pairs = above.iter().zip(&below);
        let slope: Vec<f64> = pairs
            .map(|(above, below)| (below - above) / (2.0 * self.difference))
            .collect();
        let mut product = vec![0.0; slope.len()];
        self.whitening
            .pull(&self.direction, &slope, &mut product, &local);
        product
    }

    /// The curvature along the direction.
    fn along(&mut self, weights: &Weights) -> f64 {
        let product = self.product(weights);
        product
            .iter()
            .zip(&self.direction)
            .map(|(p, v)| p * v)
            .sum()
    }

    /// Turns the direction to that of the largest curvature, which is returned; `None` where it is none.
    fn turn_to_largest(&mut self) -> Option<f64> {
        let weights = self.all.clone();
        for _ in 0..ROUNDS {
            let product = self.product(&weights);
            let length = product.iter().map(|p| p * p).sum::<f64>().sqrt();
            if !(length.is_finite() && length > 0.0) {
                return None;
            }
            self.direction = product.iter().map(|p| p / length).collect();
        }
        let largest = self.along(&weights);
        (largest.is_finite() && largest > 0.0).then_some(largest)
    }
}
