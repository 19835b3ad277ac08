//! Data tempering (IBIS: Chopin 2002): particles of the prior become those of the posterior one observed row after the
//! other, and each row's mean weight estimates what the rows before it predict of it, p(y_i | y_<i). Their product is the
//! evidence, by a path that has nothing but its end in common with the tempering of the likelihood.
//!
//! Rows are taken as they are while half of the particles remain effective, so a row that surprises nobody costs its
//! density and no moves; then the particles are resampled and moved with the rows so far. A row that alone leaves fewer is
//! taken in by powers between 0 and 1, which is why rows have weights and not only a number up to which they count.

use super::{
    Estimate, FUNNEL_SHARE, Failure, Progress, Replicate, Run, Settings, Watch, replicates, scatter,
};
use crate::methods::particles::Population;
use crate::parallel;
use crate::parts::tempering::{Reweighting, largest_power};
use crate::target::{Evaluator, Target};

/// One run through all rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RowRun {
    /// log of what stands in the likelihood and is no row: `factor`s, and the share of prior draws they allow.
    pub before: Estimate,
    /// log p of each row given those before it.
    pub increments: Vec<Estimate>,
    /// log p of the rows up to each, `before` included.
    pub cumulative: Vec<Estimate>,
    /// Resamplings.
    pub stages: usize,
    /// The fewest effective particles before a resampling.
    pub effective: f64,
    /// The smallest mean squared jump of a stage's moves, over that of independent draws.
    pub jump: f64,
    /// Log densities with gradient that were computed.
    pub evaluations: usize,
}

/// Runs through the rows, each replicate in one of the orders (in turn). An order holds places of rows.
///
/// # Errors
/// The failure of the first replicate that has one.
pub fn run(
    target: &dyn Target,
    settings: &Settings,
    watch: &Watch,
    orders: &[Vec<usize>],
) -> Result<Vec<RowRun>, Failure> {
    let weights = vec![0.0; target.row_count()];
    replicates(target, settings, watch, None, &weights, |mut run| {
        let order = &orders[run.number % orders.len()];
        let replicate = run.start()?;
        run.take_rows(replicate, order)
    })
}

/// Values of a window of rows at the particles, at most this many in all.
const LARGEST_WINDOW: usize = 1 << 22;
/// Particles evaluated by one piece of work.
const BLOCK: usize = 64;

/// The log densities of some rows of an order at all particles, row by row.
struct Window {
    first: usize,
    rows: Vec<Vec<f64>>,
}

impl Window {
    fn row(&self, number: usize) -> Option<&[f64]> {
        let place = number.checked_sub(self.first)?;
        self.rows.get(place).map(Vec::as_slice)
    }
}

/// What has been taken since the particles were last resampled.
struct Pending {
    /// Log weights.
    logs: Vec<f64>,
    /// What they come to.
    reweighting: Reweighting,
    /// The relative variance of their mean.
    relative_variance: f64,
}

impl Pending {
    fn nothing(count: usize) -> Self {
        let logs = vec![0.0; count];
        Self {
            reweighting: Reweighting::new(&logs, 1.0),
            logs,
            relative_variance: 0.0,
        }
    }

    /// With a power of a row more.
    fn with(&self, row: &[f64], power: f64) -> (Vec<f64>, Reweighting) {
        let add = |(log, value): (&f64, &f64)| match *value {
            f64::NEG_INFINITY => f64::NEG_INFINITY,
            value => log + power * value,
        };
        let logs: Vec<f64> = self.logs.iter().zip(row).map(add).collect();
        let reweighting = Reweighting::new(&logs, 1.0);
        (logs, reweighting)
    }

    /// Takes that in; what the piece is worth.
    fn take(&mut self, logs: Vec<f64>, found: Reweighting, particles: &Population) -> Estimate {
        let (before, weights) = (over_mean(&self.reweighting), over_mean(&found));
        let differences: Vec<f64> = weights.iter().zip(&before).map(|(a, b)| a - b).collect();
        let piece = Estimate {
            log: found.log_mean - self.reweighting.log_mean,
            relative_variance: scatter(&differences, particles),
        };
        let excess: Vec<f64> = weights.iter().map(|w| w - 1.0).collect();
        *self = Self {
            relative_variance: scatter(&excess, particles),
            reweighting: found,
            logs,
        };
        piece
    }
}

/// Weights over their mean.
fn over_mean(reweighting: &Reweighting) -> Vec<f64> {
    let weights = &reweighting.weights;
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    weights.iter().map(|w| w / mean).collect()
}

/// How far a run has come.
struct Walk<'r, 'a> {
    run: &'r mut Run<'a>,
    order: &'r [usize],
    replicate: Replicate,
    found: RowRun,
    /// The row that comes next, by its number in the order.
    next: usize,
    /// The power of it that has been taken.
    fraction: f64,
    /// What that was worth.
    increment: Estimate,
}

impl Run<'_> {
    fn take_rows(&mut self, replicate: Replicate, order: &[usize]) -> Result<RowRun, Failure> {
        let found = RowRun {
            before: replicate.evidence,
            increments: Vec::with_capacity(order.len()),
            cumulative: Vec::with_capacity(order.len()),
            stages: 0,
            effective: f64::INFINITY,
            jump: f64::INFINITY,
            evaluations: 0,
        };
        let mut walk = Walk {
            run: self,
            order,
            replicate,
            found,
            next: 0,
            fraction: 0.0,
            increment: Estimate::default(),
        };
        while walk.next < order.len() {
            walk.stage()?;
        }
        walk.found.evaluations = walk.replicate.evaluations;
        walk.found.stages = walk.replicate.stages.len();
        Ok(walk.found)
    }
}

impl Walk<'_, '_> {
    /// Takes rows until too few particles are effective, then moves these, unless there are no more rows.
    fn stage(&mut self) -> Result<(), Failure> {
        if self.run.watch.is_stopping() {
            return Err(Failure::Stopped);
        }
        let mut pending = Pending::nothing(self.replicate.posterior.count());
        let mut window = self.window();
        let first = self.next;
        self.take_whole_rows(&mut pending, &mut window);
        if self.next == first {
            self.take_part_of_row(&mut pending, &window)?;
        }
        self.replicate
            .evidence
            .multiply(pending.reweighting.log_mean, pending.relative_variance);
        if self.fraction == 1.0 {
            self.finish_row(self.replicate.evidence);
        }
        for &place in &self.order[first..self.next] {
            self.run.rows[place] = 1.0;
        }
        if let Some(&place) = self.order.get(self.next) {
            self.run.rows[place] = self.fraction;
            self.move_on(&pending)?;
        }
        self.run.watch.report(
            self.run.number,
            Progress {
                stage: self.replicate.stages.len(),
                soft: 1.0,
                likelihood: (self.next as f64 + self.fraction) / self.order.len() as f64,
                effective: self.found.effective,
                log_evidence: self.replicate.evidence.log,
            },
        );
        Ok(())
    }

    /// Takes rows, or what is left of the first, while enough particles remain effective.
    fn take_whole_rows(&mut self, pending: &mut Pending, window: &mut Window) {
        let count = self.replicate.posterior.count();
        let wanted = self.run.share * count as f64;
        let base = self.replicate.evidence;
        while self.next < self.order.len() {
            if window.row(self.next).is_none() {
                *window = self.window();
            }
            let row = window.row(self.next).expect("it was just computed");
            let (logs, candidate) = pending.with(row, 1.0 - self.fraction);
            if candidate.effective < wanted {
                break;
            }
            self.take(pending, logs, candidate);
            self.finish_row(Estimate {
                log: base.log + pending.reweighting.log_mean,
                relative_variance: base.relative_variance + pending.relative_variance,
            });
        }
    }

    /// Takes as large a power of the next row as leaves enough particles effective.
    fn take_part_of_row(&mut self, pending: &mut Pending, window: &Window) -> Result<(), Failure> {
        let row = window.row(self.next).expect("it was looked at");
        let rest = 1.0 - self.fraction;
        let power = largest_power(row, rest, self.run.share);
        let (logs, candidate) = pending.with(row, power);
        if candidate.effective == 0.0 || !candidate.log_mean.is_finite() {
            return Err(Failure::Row {
                place: self.order[self.next],
            });
        }
        self.take(pending, logs, candidate);
        self.fraction = match power >= rest {
            true => 1.0,
            false => self.fraction + power,
        };
        Ok(())
    }

    fn take(&mut self, pending: &mut Pending, logs: Vec<f64>, found: Reweighting) {
        let piece = pending.take(logs, found, &self.replicate.posterior);
        self.increment.multiply(piece.log, piece.relative_variance);
    }

    /// Writes down what the next row was worth, and all rows up to it, and goes on to the one after it.
    fn finish_row(&mut self, cumulative: Estimate) {
        self.found
            .increments
            .push(std::mem::take(&mut self.increment));
        self.found.cumulative.push(cumulative);
        (self.next, self.fraction) = (self.next + 1, 0.0);
    }

    /// Resamples by the pending weights and moves.
    fn move_on(&mut self, pending: &Pending) -> Result<(), Failure> {
        let found = &mut self.found;
        found.effective = found.effective.min(pending.reweighting.effective);
        self.run.resample_and_move(
            &mut self.replicate,
            &pending.reweighting,
            pending.relative_variance,
            (1.0, 1.0),
        )?;
        if self.run.is_surprised(&self.replicate) {
            self.run.share = FUNNEL_SHARE;
        }
        let jump = self.replicate.stages.last().map_or(1.0, |stage| stage.jump);
        found.jump = found.jump.min(jump);
        Ok(())
    }

    /// The log densities of the next rows at all particles.
    fn window(&self) -> Window {
        let (particles, first) = (&self.replicate.posterior, self.next);
        let count = particles.count();
        let width = (LARGEST_WINDOW / count.max(1)).clamp(1, self.order.len() - first);
        let places = &self.order[first..first + width];
        let target = self.run.target;
        let state = || (target.evaluator(), vec![0.0; target.row_count()]);
        let block = |state: &mut (Box<dyn Evaluator + '_>, Vec<f64>), block: usize| {
            let (evaluator, values) = state;
            let members = block * BLOCK..((block + 1) * BLOCK).min(count);
            let mut found = Vec::with_capacity(members.len() * width);
            for member in members {
                evaluator.rows(particles.position(member), values);
                found.extend(places.iter().map(|&place| values[place]));
            }
            found
        };
        let blocks: Vec<Vec<f64>> =
            parallel::map(self.run.threads, count.div_ceil(BLOCK), state, block);
        let mut rows = vec![Vec::with_capacity(count); width];
        for values in blocks.iter().flat_map(|block| block.chunks(width)) {
            for (row, value) in rows.iter_mut().zip(values) {
                row.push(*value);
            }
        }
        Window { first, rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::target::{Parts, Weights};

    /// A normal mean with a normal prior: rows y_i ~ normal(mu, 1), mu ~ normal(0, 2).
    struct NormalMean {
        y: Vec<f64>,
    }

    const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_7;

    fn log_normal(x: f64, mean: f64, variance: f64) -> f64 {
        -0.5 * (x - mean).powi(2) / variance - 0.5 * variance.ln() - HALF_LOG_TAU
    }

    impl Target for NormalMean {
        fn dimension(&self) -> usize {
            1
        }
        fn soft_count(&self) -> usize {
            0
        }
        fn row_count(&self) -> usize {
            self.y.len()
        }
        fn output_count(&self) -> usize {
            1
        }
        fn evaluator(&self) -> Box<dyn Evaluator + '_> {
            Box::new(Eye(self))
        }
    }

    struct Eye<'a>(&'a NormalMean);

    impl Evaluator for Eye<'_> {
        fn log_density_gradient(
            &mut self,
            position: &[f64],
            weights: &Weights,
            gradient: &mut [f64],
            parts: &mut Parts,
        ) -> f64 {
            let mu = position[0];
            parts.prior = log_normal(mu, 0.0, 4.0);
            gradient[0] = -mu / 4.0;
            parts.likelihood = 0.0;
            for (i, y) in self.0.y.iter().enumerate() {
                let weight = weights.rows.get(i).copied().unwrap_or(1.0);
                parts.likelihood += weight * log_normal(*y, mu, 1.0);
                gradient[0] += weights.likelihood * weight * (y - mu);
            }
            parts.prior + weights.likelihood * parts.likelihood
        }
        fn prior_draw(&mut self, stream: &mut Stream, position: &mut [f64]) {
            position[0] = 2.0 * stream.normal();
        }
        fn outputs(&mut self, position: &[f64], _: &mut Stream, values: &mut [f64]) {
            values[0] = position[0];
        }
        fn rows(&mut self, position: &[f64], values: &mut [f64]) {
            for (value, y) in values.iter_mut().zip(&self.0.y) {
                *value = log_normal(*y, position[0], 1.0);
            }
        }
        fn explain(&mut self, _: &[f64]) -> Option<String> {
            None
        }
    }

    /// log p(y_i | y_<i) in the order.
    fn exact(y: &[f64], order: &[usize]) -> Vec<f64> {
        let (mut precision, mut weighted) = (0.25, 0.0);
        let mut next = |&place: &usize| {
            let value = log_normal(y[place], weighted / precision, 1.0 + 1.0 / precision);
            precision += 1.0;
            weighted += y[place];
            value
        };
        order.iter().map(&mut next).collect()
    }

    fn errors(y: Vec<f64>, order: Vec<usize>, settings: &Settings) -> Vec<(f64, f64)> {
        let target = NormalMean { y };
        let runs = run(
            &target,
            settings,
            &Watch::new(0),
            std::slice::from_ref(&order),
        )
        .expect("runs");
        let exact = exact(&target.y, &order);
        let mut all = Vec::new();
        for run in &runs {
            let mut sum = 0.0;
            for ((found, whole), exact) in run.increments.iter().zip(&run.cumulative).zip(&exact) {
                sum += exact;
                all.push((found.log - exact, found.relative_variance.sqrt()));
                all.push((whole.log - sum, whole.relative_variance.sqrt()));
            }
            assert_eq!(run.increments.len(), order.len());
        }
        all
    }

    #[test]
    fn every_row_is_predicted_as_the_closed_form_says() {
        let y: Vec<f64> = (0..40).map(|i| 1.0 + f64::from(i * 7 % 11) / 5.0).collect();
        let order: Vec<usize> = (0..40).map(|i| i * 9 % 40).collect();
        let settings = Settings {
            threads: Some(2),
            ..Settings::default()
        };
        for (error, se) in errors(y, order, &settings) {
            assert!(error.abs() < (4.5 * se).max(1e-3), "{error} ± {se}");
            assert!(se < 0.1, "{se}");
        }
    }

    /// A row far out leaves hardly any particle: it has to come in by powers.
    #[test]
    fn a_row_far_out_comes_in_by_powers() {
        let settings = Settings {
            threads: Some(2),
            ..Settings::default()
        };
        for (error, se) in errors(vec![0.1, 14.0, 0.3], vec![0, 1, 2], &settings) {
            assert!(error.abs() < (4.5 * se).max(1e-3), "{error} ± {se}");
            assert!(se < 0.3, "{se}");
        }
    }

    #[test]
    fn numbers_do_not_depend_on_threads() {
        let target = NormalMean {
            y: vec![0.5, 2.0, -1.0, 3.0, 0.0, 1.0],
        };
        let at = |threads| {
            let settings = Settings {
                threads: Some(threads),
                replicates: 2,
                ..Settings::default()
            };
            run(
                &target,
                &settings,
                &Watch::new(2),
                &[vec![0, 1, 2, 3, 4, 5]],
            )
            .expect("runs")
        };
        assert_eq!(at(1), at(3));
    }
}
