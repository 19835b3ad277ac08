//! Particles: positions with the parts of the log density there, how they begin as prior draws, and how they move.
//! Moves are waste-free (Dau & Chopin 2022): each of M ancestors begins a Markov chain of P moves, and all M·P states it comes to
//! are the next particles, so no gradient is spent on a state that is thrown away. The ancestor itself is left out, other
//! than in their paper: a particle of great weight is chosen many times, and copies of it that never moved would be chosen again at the next stage,
//! so that with short chains a single lucky one comes to hold a good part of all weight, unnoticed by estimates of error.

use std::borrow::Cow;

use crate::methods::nuts::Nuts;
use crate::parallel;
use crate::parts::conditional::Local;
use crate::parts::impossible::most_frequent;
use crate::parts::leapfrog::{Density, PhasePoint};
use crate::parts::step_size::{DualAveraging, first_step_size};
use crate::parts::whitening::{Whitened, Whitening};
use crate::random::{Purpose, Stream};
use crate::target::{Parts, Target, Weights};

/// Equally weighted particles, chain after chain.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Population {
    /// Coordinates of a particle.
    pub dimension: usize,
    /// States of each chain; 1 when the particles are independent.
    pub length: usize,
    /// Unconstrained positions, one row per particle.
    pub positions: Vec<f64>,
    /// Parts of the log density of each.
    pub parts: Vec<Parts>,
    /// The particle before the latest moves that each chain began at, in rising order; chains that began at the same one
    /// are a family.
    pub ancestors: Vec<usize>,
    /// The prior draw that each chain descends from.
    pub lines: Vec<u32>,
}

impl Population {
    /// Number of particles.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// The prior draws that some particles descend from.
    pub fn lines_of(&self, particles: &[usize]) -> Vec<u32> {
        let length = self.length.max(1);
        particles.iter().map(|p| self.lines[p / length]).collect()
    }

    /// The relative variance of an estimate from chains that were chosen `stages` times among these particles and their forebears, by
    /// the lines that are left: Lee & Whiteley 2018, for choices with independent draws; other schemes scatter less. It holds
    /// however little moves forget, so it is too large where they forget much. The mean over runs of this times the squared estimate is the
    /// variance of the estimate; of one run it may be negative.
    pub fn variance_of_lines(&self, stages: usize) -> f64 {
        let count = self.lines.len() as f64;
        let mut lines = self.lines.clone();
        lines.sort_unstable();
        let same: f64 = lines
            .chunk_by(|a, b| a == b)
            .map(|line| (line.len() as f64 / count).powi(2))
            .sum();
        let expected = libm::pow(count / (count - 1.0), stages as f64 + 1.0);
        1.0 - expected * (1.0 - same)
    }

    /// The position of a particle.
    pub fn position(&self, particle: usize) -> &[f64] {
        &self.positions[particle * self.dimension..(particle + 1) * self.dimension]
    }

    /// One number of each particle, chain by chain.
    pub fn by_chain(&self, value: impl Fn(&Parts) -> f64) -> Vec<Vec<f64>> {
        let values = |chain: &[Parts]| chain.iter().map(&value).collect();
        self.parts.chunks(self.length.max(1)).map(values).collect()
    }
}

/// What the streams of one replicate are called by: a seed and its number.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Seed of all random numbers.
    pub seed: u64,
    /// The replicate.
    pub replicate: usize,
}

impl Key {
    /// The stream of one piece of work.
    pub fn stream(self, purpose: Purpose, piece: usize) -> Stream {
        Stream::new(self.seed, purpose, ((self.replicate << 20) | piece) as u32)
    }
}

/// Prior draws that satisfy what must hold, and how many were needed.
pub struct PriorDraws {
    /// Those that were wanted.
    pub population: Population,
    /// All draws.
    pub tried: usize,
    /// Draws at which the prior and every constraint are possible.
    pub possible: usize,
    /// What most often made the others impossible.
    pub reason: Option<String>,
}

/// Rounds of as many draws as particles, before it is given up that enough of them are as wanted.
const ROUNDS: usize = 300;
/// Prior draws evaluated by one piece of work.
const BLOCK: usize = 64;

/// Draws from the prior until `count` are possible under the weights given (with `likely`, also of positive likelihood), or
/// the patience ends.
pub fn prior_draws(
    target: &dyn Target,
    weights: &Weights,
    key: Key,
    count: usize,
    likely: bool,
    threads: usize,
) -> PriorDraws {
    let dimension = target.dimension();
    let mut draws = PriorDraws {
        population: Population {
            dimension,
            length: 1,
            ..Population::default()
        },
        tried: 0,
        possible: 0,
        reason: None,
    };
    let mut reasons = Vec::new();
    let state = || Density::new(target.evaluator(), weights.clone(), dimension);
    let blocks = count.div_ceil(BLOCK);
    for round in 0..ROUNDS {
        let block = |density: &mut Density, block: usize| -> Vec<PhasePoint> {
            let first = (round * blocks + block) * BLOCK;
            let mut stream = key.stream(Purpose::Particles, 0);
            let one = |number: usize| {
                let mut point = PhasePoint::new(dimension, target.soft_count());
                stream.at(number as u64);
                density
                    .evaluator
                    .prior_draw(&mut stream, &mut point.position);
                density.evaluate(&mut point);
                point
            };
            (first..first + BLOCK).map(one).collect()
        };
        let points = parallel::map(threads, blocks, state, block);
        for point in points.into_iter().flatten() {
            draws.tried += 1;
            let parts = &point.parts;
            let is_possible = parts.prior.is_finite()
                && parts.jacobian.is_finite()
                && parts.soft.iter().all(|part| part.is_finite());
            draws.possible += usize::from(is_possible);
            if is_possible && (!likely || parts.likelihood.is_finite()) {
                draws
                    .population
                    .positions
                    .extend_from_slice(&point.position);
                let number = draws.population.parts.len();
                draws.population.ancestors.push(number);
                draws.population.lines.push(number as u32);
                draws.population.parts.push(point.parts);
                if draws.population.count() == count {
                    draws.reason = most_frequent(reasons);
                    return draws;
                }
            } else if reasons.len() < 50 {
                reasons.extend(target.evaluator().explain(&point.position));
            }
        }
    }
    draws.reason = most_frequent(reasons);
    draws
}

/// How one state of a chain comes from the one before. Near the prior, a fresh prior draw is a good proposal whatever
/// shape the prior has (funnels, heavy tails, several scales), and costs one evaluation; later only gradients lead on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    /// Independent proposals from the prior.
    pub prior: usize,
    /// Whether a NUTS transition follows.
    pub gradient: bool,
}

impl Moves {
    /// The moves for an acceptance rate of prior proposals.
    fn at(acceptance: f64) -> Self {
        match acceptance {
            // As many as make nearly independent states.
            a if a >= 0.3 => Self {
                prior: (2.0 / a).ceil() as usize,
                gradient: false,
            },
            a if a >= 0.03 => Self {
                prior: 1,
                gradient: true,
            },
            _ => Self {
                prior: 0,
                gradient: true,
            },
        }
    }
}

/// How particles move at one stage.
pub struct Kernel<'a> {
    /// The model.
    pub target: &'a dyn Target,
    /// The weights of the target distribution.
    pub weights: Weights,
    /// Coordinates in which particles are uncorrelated.
    pub whitening: &'a Whitening,
    /// Step size there.
    pub step_size: f64,
    /// How each state of a chain comes from the one before.
    pub moves: Moves,
    /// At most 2^`max_depth` − 1 steps for a move.
    pub max_depth: u32,
    /// Names the streams.
    pub key: Key,
    /// Number of the stage, for the streams.
    pub stage: usize,
}

/// What moving gave.
pub struct Moved {
    /// All states.
    pub population: Population,
    /// Mean acceptance statistic.
    pub acceptance: f64,
    /// Mean squared jump in whitened coordinates over that of independent draws.
    pub jump: f64,
    /// Gradients computed.
    pub evaluations: usize,
}

struct Mover<'a> {
    density: Density<'a>,
    nuts: Nuts,
    proposal: PhasePoint,
    local: Local,
}

impl Kernel<'_> {
    fn mover(&self) -> Mover<'_> {
        let dimension = self.target.dimension();
        let evaluator = Whitened::new(
            self.target.evaluator(),
            Cow::Borrowed(self.whitening),
            dimension,
        );
        let start = PhasePoint::new(dimension, self.target.soft_count());
        let mut nuts = Nuts::new(&start, self.max_depth);
        nuts.step_size = self.step_size;
        Mover {
            density: Density::new(Box::new(evaluator), self.weights.clone(), dimension),
            nuts,
            proposal: start,
            local: Local::default(),
        }
    }

    fn at(&self, iteration: usize) -> u64 {
        (self.stage as u64) << 32 | iteration as u64
    }

    /// The moves for this stage, by proposing the prior to some particles.
    pub fn choose_moves(&self, particles: &Population, starts: &[usize]) -> Moves {
        let mut mover = self.mover();
        let mut stream = self.key.stream(Purpose::Pilot, 1);
        let mut accepted = 0;
        for (number, &start) in starts.iter().enumerate() {
            stream.at(self.at(number));
            mover.place(self.whitening, particles.position(start));
            accepted += usize::from(mover.propose_prior(&mut stream));
        }
        Moves::at(accepted as f64 / starts.len().max(1) as f64)
    }

    /// A step size with the acceptance aimed at: dual averaging over single moves from many particles, which are thrown
    /// away, so that it answers to all of them and not to one that stands in a narrow place. `from` is the step size of
    /// the stage before.
    pub fn pilot(
        &self,
        particles: &Population,
        starts: &[usize],
        from: Option<f64>,
        aim: f64,
    ) -> f64 {
        let mut mover = self.mover();
        let mut stream = self.key.stream(Purpose::Pilot, 0);
        stream.at(self.at(0));
        let Some(&first) = starts.first() else {
            return self.step_size;
        };
        mover.place(self.whitening, particles.position(first));
        let step = from.unwrap_or_else(|| {
            let Mover { density, nuts, .. } = &mut mover;
            nuts.refresh_momentum(&mut stream);
            first_step_size(0.5, 0.8, |step| nuts.trial_accept(density, step))
        });
        // The search begins near a known step size, not at ten times as much.
        let mut averaging = DualAveraging::new(0.15 * step, aim);
        let rounds = if from.is_some() { 1 } else { 2 };
        let all = (0..rounds).flat_map(|_| starts);
        for (number, &start) in all.enumerate() {
            mover.place(self.whitening, particles.position(start));
            stream.at(self.at(1 + number));
            mover.nuts.step_size = averaging.step().clamp(1e-8, 1e3);
            let info = mover.nuts.transition(&mut mover.density, &mut stream);
            averaging.update(info.acceptance_rate);
        }
        averaging.average().clamp(1e-8, 1e3)
    }

    /// Chains of `length` states from some particles.
    pub fn run(
        &self,
        particles: &Population,
        ancestors: &[usize],
        length: usize,
        threads: usize,
    ) -> Moved {
        let chain = |mover: &mut Mover, number: usize| {
            self.chain(mover, particles.position(ancestors[number]), number, length)
        };
        let chains = parallel::map(threads, ancestors.len(), || self.mover(), chain);
        let dimension = self.target.dimension();
        let mut moved = Moved {
            population: Population {
                dimension,
                length,
                positions: Vec::with_capacity(ancestors.len() * length * dimension),
                parts: Vec::with_capacity(ancestors.len() * length),
                ancestors: ancestors.to_vec(),
                lines: particles.lines_of(ancestors),
            },
            acceptance: 0.0,
            jump: 0.0,
            evaluations: 0,
        };
        let moves = (ancestors.len() * length).max(1) as f64;
        for chain in chains {
            moved
                .population
                .positions
                .extend(chain.population.positions);
            moved.population.parts.extend(chain.population.parts);
            moved.acceptance += chain.acceptance / moves;
            moved.jump += chain.jump / moves / (2.0 * dimension as f64);
            moved.evaluations += chain.evaluations;
        }
        moved
    }

    fn chain(&self, mover: &mut Mover, start: &[f64], number: usize, length: usize) -> Moved {
        let dimension = self.target.dimension();
        let mut states = Moved {
            population: Population {
                dimension,
                length,
                positions: vec![0.0; length * dimension],
                parts: Vec::with_capacity(length),
                ancestors: Vec::new(),
                lines: Vec::new(),
            },
            acceptance: 0.0,
            jump: 0.0,
            evaluations: 0,
        };
        let mut stream = self.key.stream(Purpose::Moves, number);
        let before = mover.density.evaluations;
        let mut last = vec![0.0; dimension];
        mover.place(self.whitening, start);
        let positions = states.population.positions.chunks_mut(dimension);
        for (state, position) in positions.enumerate() {
            last.copy_from_slice(&mover.nuts.current.position);
            stream.at(self.at(state + 1));
            let mut accepted = 0;
            for _ in 0..self.moves.prior {
                accepted += usize::from(mover.propose_prior(&mut stream));
            }
            states.acceptance += if self.moves.gradient {
                let info = mover.nuts.transition(&mut mover.density, &mut stream);
                info.acceptance_rate
            } else {
                accepted as f64 / self.moves.prior as f64
            };
            states.jump += squared_distance(&last, &mover.nuts.current.position);
            self.whitening
                .color(&mover.nuts.current.position, position, &mut mover.local);
            let parts = &mover.nuts.current.parts;
            states.population.parts.push(parts.clone());
        }
        states.evaluations = mover.density.evaluations - before;
        states
    }
}

impl Mover<'_> {
    fn place(&mut self, whitening: &Whitening, position: &[f64]) {
        whitening.whiten(position, &mut self.nuts.current.position, &mut self.local);
        self.density.evaluate(&mut self.nuts.current);
    }

    /// Proposes a prior draw (Metropolis–Hastings): the prior cancels, the weighted rest decides. Whether it was accepted.
    fn propose_prior(&mut self, stream: &mut Stream) -> bool {
        let Self {
            density,
            nuts,
            proposal,
            ..
        } = self;
        density.evaluator.prior_draw(stream, &mut proposal.position);
        density.evaluate(proposal);
        let rest = |point: &PhasePoint| density.weights.without_prior(&point.parts);
        let (new, old) = (rest(proposal), rest(&nuts.current));
        let accepted = libm::log(stream.uniform()) < new - old && proposal.is_possible();
        if accepted {
            std::mem::swap(&mut nuts.current, proposal);
        }
        accepted
    }
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::resampling::Resampling;

    /// One particle in ten is of a kind that weighs twice as much at each stage, and no move leads from one kind to the other: the mean
    /// of Z²V is the variance of Z.
    #[test]
    fn lines_tell_the_variance_of_what_no_move_forgets() {
        const COUNT: usize = 60;
        const STAGES: usize = 4;
        let runs = 4000;
        let truth = 0.1 * 16.0 + 0.9;
        let (mut claimed, mut squares, mut mean) = (0.0, 0.0, 0.0);
        for run in 0..runs {
            let mut stream = Stream::new(3, Purpose::Test, run);
            let mut heavy: Vec<bool> = (0..COUNT).map(|_| stream.uniform() < 0.1).collect();
            let mut population = Population {
                length: 1,
                lines: (0..COUNT as u32).collect(),
                ..Population::default()
            };
            let mut ratio = 1.0 / truth;
            for _ in 0..STAGES {
                let weight = |is_heavy: &bool| if *is_heavy { 2.0 } else { 1.0 };
                let weights: Vec<f64> = heavy.iter().map(weight).collect();
                ratio *= weights.iter().sum::<f64>() / COUNT as f64;
                let chosen = Resampling::Multinomial.ancestors(&weights, COUNT, &mut stream);
                heavy = chosen.iter().map(|k| heavy[*k]).collect();
                population.lines = population.lines_of(&chosen);
            }
            claimed += ratio * ratio * population.variance_of_lines(STAGES);
            squares += (ratio - 1.0) * (ratio - 1.0);
            mean += ratio;
        }
        let runs = f64::from(runs);
        let (claimed, variance, mean) = (claimed / runs, squares / runs, mean / runs);
        assert!(
            (mean - 1.0).abs() < 4.0 * (variance / runs).sqrt(),
            "{mean}"
        );
        assert!(
            (claimed / variance - 1.0).abs() < 0.1,
            "{claimed} and {variance}"
        );
    }
}
