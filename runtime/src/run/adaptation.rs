//! The warm-up of a chain: step size, metric, and the coordinates in which it moves. A dense metric is a change of coordinates, θ = L z, in which
//! the diagonal is adapted on: so there is one kernel, and one schedule of warm-up, whatever the metric.

use std::borrow::Cow;

use super::{Control, InverseMetric, Metric, Schedule, Settings};
use crate::math::linear::product;
use crate::methods::nuts::Nuts;
use crate::parts::conditional::Local;
use crate::parts::leapfrog::Density;
use crate::parts::metric::Correlations;
use crate::parts::step_size::{DualAveraging, first_step_size};
use crate::parts::warmup::{Change, Warmup};
use crate::parts::whitening::{Whitened, Whitening, color_lower};
use crate::random::Stream;
use crate::target::Target;

/// A chain in the coordinates in which it moves.
pub(super) struct Mover<'a> {
    pub target: &'a dyn Target,
    pub nuts: Nuts,
    pub density: Density<'a>,
    /// L of θ = L z, where the chain moves in z; else it moves in θ.
    pub lower: Option<Vec<f64>>,
}

impl Mover<'_> {
    /// Goes over to coordinates z of which the present ones are L z. Returns whether it could: rounding may put a position that lies at
    /// the edge of what is possible beyond it.
    fn turn(&mut self, lower: Vec<f64>) -> bool {
        let size = self.target.dimension();
        let mut position = vec![0.0; size];
        self.position(&mut position);
        let lower = match &self.lower {
            Some(before) => {
                let mut both = vec![0.0; size * size];
                product::<false>(size, size, before, &lower, &mut both);
                both
            }
            None => lower,
        };
        let whitening = Whitening::Dense(lower.clone());
        let mut point = self.nuts.current.clone();
        whitening.whiten(&position, &mut point.position, &mut Local::default());
        let seen = Whitened::new(self.target.evaluator(), Cow::Owned(whitening), size);
        let mut density = Density::new(Box::new(seen), self.density.weights.clone(), size);
        density.evaluations = self.density.evaluations;
        density.evaluate(&mut point);
        let is_possible = point.is_possible();
        if is_possible {
            self.density = density;
            self.nuts = Nuts::new(&point, self.nuts.max_depth);
            self.lower = Some(lower);
        }
        is_possible
    }

    /// Where the chain is, in θ.
    pub fn position(&self, position: &mut [f64]) {
        let here = &self.nuts.current.position;
        match &self.lower {
            Some(lower) => color_lower(lower, here, position),
            None => position.copy_from_slice(here),
        }
    }

    /// That of θ, whatever the coordinates.
    pub fn inverse_metric(&self) -> InverseMetric {
        let own = &self.nuts.inverse_metric;
        let Some(mut lower) = self.lower.clone() else {
            return InverseMetric::Diagonal(own.clone());
        };
        for row in lower.chunks_mut(own.len()) {
            row.iter_mut().zip(own).for_each(|(x, m)| *x *= m.sqrt());
        }
        InverseMetric::Dense(lower)
    }
}

/// Where the search of a step size begins.
const FIRST_STEP: f64 = 0.1;

/// Adapts step size and metric; the number of divergences on the way.
pub(super) fn warm_up(
    mover: &mut Mover,
    stream: &mut Stream,
    settings: &Settings,
    control: &Control,
    number: usize,
) -> usize {
    let dimension = mover.target.dimension();
    let of_length = |length| Warmup::new(settings.schedule, length, dimension);
    let (mut warmup, mut begun) = (of_length(settings.warmup), 0);
    let may_be_dense = settings.metric == Metric::Auto && settings.schedule == Schedule::Fisher;
    let correlations = may_be_dense.then(|| Correlations::new(dimension, settings.warmup));
    let mut correlations = correlations.flatten();
    let nuts = &mut mover.nuts;
    warmup.first_metric(&nuts.current.gradient, &mut nuts.inverse_metric);
    // A metric of another length is that of another model, or of none.
    match settings
        .starts
        .get(number)
        .map(|start| &start.inverse_metric)
    {
        Some(InverseMetric::Diagonal(known)) if known.len() == dimension => {
            nuts.inverse_metric.copy_from_slice(known);
        }
        Some(InverseMetric::Dense(lower)) if lower.len() == dimension * dimension => {
            mover.turn(lower.clone());
        }
        _ => {}
    }
    let target = settings.target_accept;
    let search = |mover: &mut Mover, stream: &mut Stream, from: f64| {
        mover.nuts.refresh_momentum(stream);
        let Mover { nuts, density, .. } = mover;
        first_step_size(from, 0.8, |step| nuts.trial_accept(density, step))
    };
    mover.nuts.step_size = search(mover, stream, FIRST_STEP);
    let mut averaging = DualAveraging::new(mover.nuts.step_size, target);
    let mut divergences = 0;
    for iteration in 0..settings.warmup {
        if control.is_stopping() {
            break;
        }
        stream.at(iteration as u64);
        let info = mover.nuts.transition(&mut mover.density, stream);
        divergences += usize::from(info.diverging);
        averaging.update(info.acceptance_rate);
        let informative = info.index_in_trajectory != 0 && !(info.diverging && info.n_steps < 4);
        let Nuts {
            current,
            inverse_metric,
            ..
        } = &mut mover.nuts;
        let mut change = warmup.update(
            iteration - begun,
            informative,
            &current.position,
            &current.gradient,
            inverse_metric,
        );
        let found = correlations
            .as_mut()
            .filter(|_| informative)
            .and_then(|c| c.add(iteration, &current.position, &current.gradient));
        let mut from = averaging.step().clamp(1e-10, 1e3);
        if found.is_some_and(|lower| mover.turn(lower)) {
            begun = iteration + 1;
            warmup = of_length(settings.warmup - begun);
            (change, from) = (Change::NewMetric, FIRST_STEP);
        }
        if change == Change::NewMetric {
            mover.nuts.step_size = search(mover, stream, from);
            averaging = DualAveraging::new(mover.nuts.step_size, target);
        }
        mover.nuts.step_size = averaging.step();
        control.report(number, iteration + 1, &info);
    }
    mover.nuts.step_size = averaging.average();
    divergences
}
