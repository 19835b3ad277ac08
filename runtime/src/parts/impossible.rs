//! Positions of zero density that a chain ran into. They are counted while it runs, and a few are kept (the first, the
//! second, the fourth, … one), so that the statement responsible can be named afterwards without holding up the sampler.

use crate::target::Evaluator;

/// Positions kept of a chain.
const KEPT: usize = 8;

/// What a chain met.
pub struct Impossible {
    /// Evaluations with zero density.
    pub count: usize,
    positions: Vec<f64>,
    dimension: usize,
}

impl Impossible {
    /// Nothing met yet; space for what will be kept.
    pub fn new(dimension: usize) -> Self {
        Self {
            count: 0,
            positions: Vec::with_capacity(KEPT * dimension),
            dimension,
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.count = 0;
        self.positions.clear();
    }

    /// Counts a position. Allocates nothing.
    pub fn note(&mut self, position: &[f64]) {
        self.count += 1;
        if self.count.is_power_of_two() && self.positions.len() < KEPT * self.dimension {
            self.positions.extend_from_slice(position);
        }
    }

    /// The reason given for most of the kept positions.
    pub fn reason(&self, evaluator: &mut dyn Evaluator) -> Option<String> {
        let reasons = self
            .positions
            .chunks(self.dimension.max(1))
            .filter_map(|position| evaluator.explain(position));
        most_frequent(reasons)
    }
}

/// The text that comes most often; of several, the one that came first.
pub fn most_frequent(texts: impl IntoIterator<Item = String>) -> Option<String> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for text in texts {
        match counts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += 1,
            None => counts.push((text, 1)),
        }
    }
    counts
        .into_iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_positions_of_many_are_kept() {
        let mut met = Impossible::new(2);
        for k in 1..=1000 {
            met.note(&[f64::from(k), 0.0]);
        }
        let firsts: Vec<f64> = met.positions.iter().step_by(2).copied().collect();
        assert_eq!(met.count, 1000);
        assert_eq!(firsts, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]);
    }

    #[test]
    fn the_usual_reason_is_given() {
        let texts = ["a", "b", "c", "b"].map(str::to_owned);
        assert_eq!(most_frequent(texts), Some("b".to_owned()));
        let texts = ["a", "b"].map(str::to_owned);
        assert_eq!(most_frequent(texts), Some("a".to_owned()));
    }
}
