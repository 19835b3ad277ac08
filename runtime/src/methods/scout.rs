//! A second look at a path of SMC, with many ancestors and single moves. A mode that one particle in a thousand has found is easily lost, or left
//! with a fraction of its mass, when 64 ancestors are chosen of two thousand, and runs that all lost it agree with each other. The
//! scouts' own estimate would be rough; it is only asked whether they end where the others did: at the same places, and at
//! the same heights of the likelihood (which modes that differ by the names of their parts share).

use crate::methods::smc::{self, Failure, Replicate, Settings, Watch};
use crate::parts::whitening::moments;
use crate::target::Target;

/// Ancestors of a scout. One with many serves better than several with few: a mode that holds one particle in 300 is
/// lost by two in ten runs of 4096.
const ANCESTORS: usize = 12_288;

/// Moves of each particle at a stage, of the scout and of a second one that has to confirm what it found. Particles that move once may lag
/// behind the path, most of all where an unknown scale makes a funnel; a mode is still there when they move more.
const MOVES: [usize; 2] = [1, 4];
/// A share of its particles above this, where the other runs have none, is a missed mode.
const LARGEST_NEWS: f64 = 0.03;
/// A difference above this between the distributions of log likelihoods is a mode that was given too little mass.
const LARGEST_SHIFT: f64 = 0.15;

/// How a scout's particles differ from those of other runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    /// This share of them is where the others have none: outside the range of some coordinate by more than half its
    /// standard deviation.
    News(f64),
    /// The distribution function of their log likelihood differs by this (Kolmogorov's distance).
    Shift(f64),
}

/// Sends a scout along a path that some runs have walked, and a second one if it finds something. `None` unless both do.
///
/// # Errors
/// As [`smc::run`].
pub fn scout(
    target: &dyn Target,
    settings: &Settings,
    watch: &Watch,
    replicates: &[Replicate],
) -> Result<Option<Finding>, Failure> {
    let known = Known::of(replicates, target.dimension());
    let mut finding = None;
    for (number, length) in MOVES.into_iter().enumerate() {
        let wide = Settings {
            replicates: 1,
            // Numbers of replicates are 12 bits wide; these are out of the way of all others.
            first_replicate: 0xff0_usize.saturating_sub(2 * settings.first_replicate + number),
            chains: ANCESTORS.max(settings.chains),
            length,
            ..settings.clone()
        };
        let found = smc::run(target, &wide, watch, None)?;
        finding = known.finding(&found[0]);
        if finding.is_none() {
            break;
        }
    }
    Ok(finding)
}

/// What the particles of the other runs tell.
struct Known {
    /// The range of each coordinate, widened.
    ranges: Vec<(f64, f64)>,
    /// Log likelihoods in rising order, with weights that sum to one.
    heights: Vec<(f64, f64)>,
}

impl Known {
    fn of(replicates: &[Replicate], dimension: usize) -> Self {
        let populations = || replicates.iter().map(|r| &r.posterior);
        let positions: Vec<f64> = populations()
            .flat_map(|p| p.positions.iter().copied())
            .collect();
        let count = positions.len() / dimension;
        let (_, variance) = moments(&positions, &vec![1.0; count], dimension);
        let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); dimension];
        for row in positions.chunks(dimension) {
            for (range, q) in ranges.iter_mut().zip(row) {
                *range = (range.0.min(*q), range.1.max(*q));
            }
        }
        for (range, variance) in ranges.iter_mut().zip(&variance) {
            let margin = 0.5 * variance.sqrt();
            *range = (range.0 - margin, range.1 + margin);
        }
        let (_, weights) = smc::to_largest(replicates.iter().map(|r| r.evidence.log));
        let weighted = |(replicate, weight): (&Replicate, f64)| -> Vec<(f64, f64)> {
            let heights = replicate.posterior.parts.iter().map(|p| p.likelihood);
            heights.map(|height| (height, weight)).collect()
        };
        let all = replicates.iter().zip(weights);
        let mut heights: Vec<(f64, f64)> = all.flat_map(weighted).collect();
        heights.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = heights.iter().map(|(_, weight)| weight).sum();
        heights.iter_mut().for_each(|(_, weight)| *weight /= total);
        Self { ranges, heights }
    }

    fn finding(&self, scout: &Replicate) -> Option<Finding> {
        let (news, shift) = (self.news(scout), self.shift(scout));
        if news > LARGEST_NEWS {
            return Some(Finding::News(news));
        }
        (shift > LARGEST_SHIFT).then_some(Finding::Shift(shift))
    }

    fn news(&self, scout: &Replicate) -> f64 {
        let is_new = |row: &&[f64]| {
            let mut inside = row.iter().zip(&self.ranges);
            inside.any(|(q, range)| *q < range.0 || *q > range.1)
        };
        let rows = scout.posterior.positions.chunks(self.ranges.len());
        rows.filter(is_new).count() as f64 / scout.posterior.count() as f64
    }

    fn shift(&self, scout: &Replicate) -> f64 {
        let mut heights: Vec<f64> = scout.posterior.parts.iter().map(|p| p.likelihood).collect();
        heights.sort_by(f64::total_cmp);
        distance(&self.heights, &heights)
    }
}

/// Kolmogorov's distance of weighted and of equally weighted numbers, both in rising order.
fn distance(weighted: &[(f64, f64)], plain: &[f64]) -> f64 {
    let (mut below, mut place, mut farthest) = (0.0, 0, 0.0_f64);
    for (rank, value) in plain.iter().enumerate() {
        while place < weighted.len() && weighted[place].0 < *value {
            below += weighted[place].1;
            place += 1;
        }
        let (before, after) = (rank as f64, (rank + 1) as f64);
        let count = plain.len() as f64;
        farthest = farthest.max((below - before / count).abs());
        farthest = farthest.max((below - after / count).abs());
    }
    farthest
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distances_are_those_of_distribution_functions() {
        let even = |values: &[f64]| -> Vec<(f64, f64)> {
            let weight = 1.0 / values.len() as f64;
            values.iter().map(|v| (*v, weight)).collect()
        };
        assert!((distance(&even(&[0.0, 1.0]), &[2.0, 3.0]) - 1.0).abs() < 1e-12);
        assert!((distance(&even(&[2.0, 3.0]), &[0.0, 1.0]) - 1.0).abs() < 1e-12);
        assert!((distance(&[(0.0, 0.9), (5.0, 0.1)], &[-1.0, 4.0]) - 0.5).abs() < 1e-12);
        let many: Vec<f64> = (0..1000).map(|k| k as f64 / 1000.0).collect();
        assert!(distance(&even(&many), &many) < 0.002);
    }
}
