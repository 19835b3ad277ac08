//! The no-U-turn sampler (Hoffman & Gelman 2014) with multinomial sampling along the trajectory (Betancourt 2017).
//!
//! A trajectory is doubled in random directions until it turns back on itself, diverges or is too deep. A subtree is
//! built by halves into buffers allocated once, two per depth. At every merge three U-turn checks are made: over the
//! whole, and over each half extended by the neighbouring end of the other; the last two catch trajectories that
//! resonate with the doubling on nearly independent normals. A subtree that turns or diverges is discarded whole.

use crate::parts::leapfrog::{Density, PhasePoint, leapfrog};
use crate::random::Stream;

/// Energy errors above this are divergences.
const DIVERGENCE: f64 = 1000.0;

/// What happened in one transition; names are ArviZ's.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Transition {
    /// Log density of the draw on the unconstrained scale.
    pub lp: f64,
    /// Mean Metropolis acceptance probability over the trajectory.
    pub acceptance_rate: f64,
    /// The step size used.
    pub step_size: f64,
    /// Hamiltonian of the draw.
    pub energy: f64,
    /// Hamiltonian of the draw minus that of the start.
    pub energy_error: f64,
    /// The energy error largest in size along the trajectory.
    pub max_energy_error: f64,
    /// Number of doublings.
    pub tree_depth: u32,
    /// Number of leapfrog steps.
    pub n_steps: u32,
    /// Position of the draw on the trajectory, in steps from the start.
    pub index_in_trajectory: i32,
    /// Whether the trajectory ended by a divergence.
    pub diverging: bool,
    /// Whether it ended by its depth.
    pub reached_max_treedepth: bool,
}

/// A stretch of trajectory, in the order in which it was integrated.
struct Tree {
    momentum_first: Vec<f64>,
    momentum_last: Vec<f64>,
    momentum_sum: Vec<f64>,
    log_weight: f64,
    proposal: PhasePoint,
    proposal_energy: f64,
    proposal_index: i32,
}

impl Tree {
    fn new(like: &PhasePoint) -> Self {
        let dimension = like.position.len();
        Self {
            momentum_first: vec![0.0; dimension],
            momentum_last: vec![0.0; dimension],
            momentum_sum: vec![0.0; dimension],
            log_weight: f64::NEG_INFINITY,
            proposal: like.clone(),
            proposal_energy: 0.0,
            proposal_index: 0,
        }
    }

    fn set_single(&mut self, point: &PhasePoint, log_weight: f64, energy: f64, index: i32) {
        self.momentum_first.copy_from_slice(&point.momentum);
        self.momentum_last.copy_from_slice(&point.momentum);
        self.momentum_sum.copy_from_slice(&point.momentum);
        self.proposal.copy_from(point);
        self.log_weight = log_weight;
        self.proposal_energy = energy;
        self.proposal_index = index;
    }

    fn take_proposal(&mut self, other: &mut Tree) {
        std::mem::swap(&mut self.proposal, &mut other.proposal);
        self.proposal_energy = other.proposal_energy;
        self.proposal_index = other.proposal_index;
    }
}

/// The sampler's state for one chain.
pub struct Nuts {
    /// Diagonal of the inverse metric.
    pub inverse_metric: Vec<f64>,
    /// Step size.
    pub step_size: f64,
    /// At most 2^max_depth − 1 steps.
    pub max_depth: u32,
    /// The present draw.
    pub current: PhasePoint,
    ends: [PhasePoint; 2],
    whole: Tree,
    fresh: Tree,
    pool: Vec<Tree>,
}

/// What all nodes of one trajectory share.
struct Walk<'a, 'b, 'c> {
    density: &'a mut Density<'b>,
    stream: &'c mut Stream,
    inverse_metric: &'a [f64],
    step: f64,
    start_energy: f64,
    accept_sum: f64,
    max_error: f64,
    steps: u32,
    index: i32,
    diverging: bool,
}

impl Nuts {
    /// A sampler at a position that was evaluated.
    pub fn new(start: &PhasePoint, max_depth: u32) -> Self {
        let dimension = start.position.len();
        Self {
            inverse_metric: vec![1.0; dimension],
            step_size: 0.1,
            max_depth,
            current: start.clone(),
            ends: [start.clone(), start.clone()],
            whole: Tree::new(start),
            fresh: Tree::new(start),
            pool: (0..=max_depth).map(|_| Tree::new(start)).collect(),
        }
    }

    /// Draws a fresh momentum for the current point.
    pub fn refresh_momentum(&mut self, stream: &mut Stream) {
        for (p, m) in self.current.momentum.iter_mut().zip(&self.inverse_metric) {
            *p = stream.normal() / libm::sqrt(*m);
        }
    }

    /// min(1, exp(−energy error)) of a single step of the given size from the current point.
    pub fn trial_accept(&mut self, density: &mut Density, step: f64) -> f64 {
        let start = self.current.energy(&self.inverse_metric);
        self.ends[0].copy_from(&self.current);
        leapfrog(density, &mut self.ends[0], &self.inverse_metric, step);
        let error = start - self.ends[0].energy(&self.inverse_metric);
        if error.is_nan() {
            0.0
        } else {
            libm::exp(error.min(0.0))
        }
    }

    /// One transition; `current` becomes the new draw.
    pub fn transition(&mut self, density: &mut Density, stream: &mut Stream) -> Transition {
        self.refresh_momentum(stream);
        let start_energy = self.current.energy(&self.inverse_metric);
        self.whole.set_single(&self.current, 0.0, start_energy, 0);
        let Self {
            ends,
            whole,
            fresh,
            pool,
            inverse_metric,
            ..
        } = self;
        for end in ends.iter_mut() {
            end.copy_from(&self.current);
        }
        let mut walk = Walk {
            density,
            stream,
            inverse_metric,
            step: 0.0,
            start_energy,
            accept_sum: 0.0,
            max_error: 0.0,
            steps: 0,
            index: 0,
            diverging: false,
        };
        let mut indices = [0, 0];
        let mut depth = 0;
        let mut turned = false;
        while depth < self.max_depth {
            let forward = walk.stream.uniform() < 0.5;
            let side = usize::from(forward);
            walk.step = if forward {
                self.step_size
            } else {
                -self.step_size
            };
            walk.index = indices[side];
            let complete = walk.build(depth, &mut ends[side], fresh, pool);
            indices[side] = walk.index;
            if !complete {
                turned = !walk.diverging;
                break;
            }
            depth += 1;
            // Biased progressive sampling: favours the new half, which is farther away.
            if libm::log(walk.stream.uniform()) < fresh.log_weight - whole.log_weight {
                whole.take_proposal(fresh);
            }
            whole.log_weight = log_add(whole.log_weight, fresh.log_weight);
            if !forward {
                // `whole` is kept in forward order: reversed, the fresh part precedes it.
                std::mem::swap(&mut whole.momentum_first, &mut whole.momentum_last);
            }
            let goes_on = join(whole, fresh, inverse_metric);
            if !forward {
                std::mem::swap(&mut whole.momentum_first, &mut whole.momentum_last);
            }
            if !goes_on {
                turned = true;
                break;
            }
        }
        let (accept_sum, steps, max_error, diverging) =
            (walk.accept_sum, walk.steps, walk.max_error, walk.diverging);
        std::mem::swap(&mut self.current, &mut self.whole.proposal);
        Transition {
            lp: self.current.log_density,
            acceptance_rate: accept_sum / f64::from(steps.max(1)),
            step_size: self.step_size,
            energy: self.whole.proposal_energy,
            energy_error: self.whole.proposal_energy - start_energy,
            max_energy_error: max_error,
            tree_depth: depth,
            n_steps: steps,
            index_in_trajectory: self.whole.proposal_index,
            diverging,
            reached_max_treedepth: depth == self.max_depth && !turned && !diverging,
        }
    }
}

impl Walk<'_, '_, '_> {
    /// Builds 2^depth points beyond `end` into `out`; false if it turned or diverged.
    fn build(
        &mut self,
        depth: u32,
        end: &mut PhasePoint,
        out: &mut Tree,
        pool: &mut [Tree],
    ) -> bool {
        if depth == 0 {
            return self.extend(end, out);
        }
        let Some((second, pool)) = pool.split_first_mut() else {
            return false;
        };
        if !self.build(depth - 1, end, out, pool) || !self.build(depth - 1, end, second, pool) {
            return false;
        }
        let both = log_add(out.log_weight, second.log_weight);
        if libm::log(self.stream.uniform()) < second.log_weight - both {
            out.take_proposal(second);
        }
        out.log_weight = both;
        join(out, second, self.inverse_metric)
    }

    fn extend(&mut self, end: &mut PhasePoint, out: &mut Tree) -> bool {
        leapfrog(self.density, end, self.inverse_metric, self.step);
        self.steps += 1;
        self.index += if self.step > 0.0 { 1 } else { -1 };
        let energy = end.energy(self.inverse_metric);
        let error = energy - self.start_energy;
        let diverges = error.is_nan() || error > DIVERGENCE;
        if error.abs() > self.max_error.abs() {
            self.max_error = error;
        }
        if diverges {
            self.diverging = true;
            return false;
        }
        self.accept_sum += libm::exp(f64::min(0.0, -error));
        out.set_single(end, -error, energy, self.index);
        true
    }
}

/// Appends `second` to `first` (momenta only); whether the joined stretch has not turned.
fn join(first: &mut Tree, second: &mut Tree, inverse_metric: &[f64]) -> bool {
    let mut dots = [0.0; 6];
    for (i, m) in inverse_metric.iter().enumerate() {
        let (a, b) = (first.momentum_sum[i], second.momentum_sum[i]);
        let (whole, left, right) = (
            a + b,
            a + second.momentum_first[i],
            first.momentum_last[i] + b,
        );
        dots[0] += m * first.momentum_first[i] * whole;
        dots[1] += m * second.momentum_last[i] * whole;
        dots[2] += m * first.momentum_first[i] * left;
        dots[3] += m * second.momentum_first[i] * left;
        dots[4] += m * first.momentum_last[i] * right;
        dots[5] += m * second.momentum_last[i] * right;
        first.momentum_sum[i] = whole;
    }
    std::mem::swap(&mut first.momentum_last, &mut second.momentum_last);
    dots.iter().all(|&dot| dot > 0.0)
}

fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY {
        high
    } else {
        high + libm::log1p(libm::exp(low - high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// Products of the momenta at both ends of a stretch with the sum of its momenta, which is the way it went.
    fn progress(momenta: &[Vec<f64>]) -> [f64; 2] {
        let way: Vec<f64> = (0..momenta[0].len())
            .map(|i| momenta.iter().map(|p| p[i]).sum())
            .collect();
        let ends = [&momenta[0], &momenta[momenta.len() - 1]];
        ends.map(|end| dot(end, &way))
    }

    fn tree(momenta: &[Vec<f64>]) -> Tree {
        let mut point = PhasePoint::new(momenta[0].len(), 0);
        point.momentum.clone_from(&momenta[0]);
        let mut tree = Tree::new(&point);
        tree.set_single(&point, 0.0, 0.0, 0);
        for momentum in &momenta[1..] {
            let mut next = Tree::new(&point);
            point.momentum.clone_from(momentum);
            next.set_single(&point, 0.0, 0.0, 0);
            join(&mut tree, &mut next, &vec![1.0; momentum.len()]);
        }
        tree
    }

    #[test]
    fn each_stretch_of_a_trajectory_may_end_it() {
        let mut stream = Stream::new(3, Purpose::Test, 0);
        // How often each of the six products alone tells of a turn.
        let mut alone = [0; 6];
        for _ in 0..20_000 {
            let momenta: Vec<Vec<f64>> = (0..8)
                .map(|_| {
                    (0..3)
                        .map(|i| f64::from(i == 0) + stream.normal())
                        .collect()
                })
                .collect();
            let stretches = [&momenta[..], &momenta[..5], &momenta[3..]];
            let products: Vec<f64> = stretches.into_iter().flat_map(progress).collect();
            let turned: Vec<usize> = (0..6).filter(|&i| products[i] <= 0.0).collect();
            if let [one] = turned[..] {
                alone[one] += 1;
            }
            let goes_on = join(
                &mut tree(&momenta[..4]),
                &mut tree(&momenta[4..]),
                &[1.0; 3],
            );
            assert_eq!(goes_on, turned.is_empty(), "{products:?}");
        }
        assert!(alone.iter().all(|&count| count > 50), "{alone:?}");
    }
}
