//! Whether ranks are uniform, by the simultaneous band of Säilynoja, Bürkner and Vehtari (2022): the empirical distribution
//! function of the ranks is compared with the binomial law it has at every point, and the most surprising point is judged by
//! how often uniform ranks hold one as surprising. They find this probability by simulation; here it is summed exactly:
//! the counts below successive points form a Markov chain with binomial steps, so the probability of staying inside a
//! band is a recursion over the points.

/// The probability that uniform ranks leave the diagonal somewhere as far as these do: below 0.05 the curve is outside the
/// simultaneous 95 % band. `ranks` lie in 0..=`highest`.
pub fn p_value(ranks: &[usize], highest: usize) -> f64 {
    let count = ranks.len();
    let mut below = vec![0_usize; highest + 1];
    for &rank in ranks {
        below[rank.min(highest)] += 1;
    }
    // `below[j]` becomes the number of ranks under j + 1.
    for point in 1..=highest {
        below[point] += below[point - 1];
    }
    let laws = Laws::new(count, highest);
    let surprise = (1..=highest)
        .map(|point| laws.tail(point, below[point - 1]))
        .fold(1.0, f64::min);
    1.0 - laws.inside(surprise)
}

/// The binomial laws of the counts below each point.
struct Laws {
    count: usize,
    highest: usize,
    log_factorials: Vec<f64>,
    /// For each point from 1, P(count ≤ c) for c from 0.
    cumulative: Vec<Vec<f64>>,
    /// And P(count ≥ c).
    complementary: Vec<Vec<f64>>,
}

impl Laws {
    fn new(count: usize, highest: usize) -> Self {
        let mut laws = Self {
            count,
            highest,
            log_factorials: vec![0.0; count + 1],
            cumulative: Vec::with_capacity(highest),
            complementary: Vec::with_capacity(highest),
        };
        for n in 1..=count {
            laws.log_factorials[n] = laws.log_factorials[n - 1] + (n as f64).ln();
        }
        for point in 1..=highest {
            let share = point as f64 / (highest + 1) as f64;
            let masses: Vec<f64> = (0..=count).map(|c| laws.mass(c, count, share)).collect();
            let sum = |total: &mut f64, mass: &f64| {
                *total += mass;
                Some(*total)
            };
            laws.cumulative.push(masses.iter().scan(0.0, sum).collect());
            let mut upper: Vec<f64> = masses.iter().rev().scan(0.0, sum).collect();
            upper.reverse();
            laws.complementary.push(upper);
        }
        laws
    }

    /// Binomial probability of `successes` in `trials`.
    fn mass(&self, successes: usize, trials: usize, probability: f64) -> f64 {
        if probability >= 1.0 {
            return f64::from(successes == trials);
        }
        let failures = trials - successes;
        let ways = self.log_factorials[trials]
            - self.log_factorials[successes]
            - self.log_factorials[failures];
        (ways + successes as f64 * probability.ln() + failures as f64 * (-probability).ln_1p())
            .exp()
    }

    /// Twice the smaller tail at a point: how surprising a count there is by itself.
    fn tail(&self, point: usize, below: usize) -> f64 {
        let (lower, upper) = (&self.cumulative[point - 1], &self.complementary[point - 1]);
        (2.0 * lower[below].min(upper[below])).min(1.0)
    }

    /// The probability that no point is as surprising as `surprise`.
    fn inside(&self, surprise: f64) -> f64 {
        let mut probabilities = vec![1.0];
        let mut first = 0;
        for point in 1..=self.highest {
            // Rounding must not let through what is exactly as surprising.
            let is_inside = |c: &usize| self.tail(point, *c) > surprise * (1.0 + 1e-9);
            let Some(low) = (0..=self.count).find(is_inside) else {
                return 0.0;
            };
            let high = (low..=self.count).rfind(is_inside).unwrap_or(low);
            let share = 1.0 / (self.highest + 2 - point) as f64;
            let mut next = vec![0.0; high - low + 1];
            for (place, probability) in probabilities.iter().enumerate() {
                let before = first + place;
                for after in low.max(before)..=high {
                    let step = self.mass(after - before, self.count - before, share);
                    next[after - low] += probability * step;
                }
            }
            (probabilities, first) = (next, low);
        }
        probabilities.iter().sum::<f64>().min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use likelier_runtime::random::{Purpose, Stream};

    fn uniform(stream: &mut Stream, count: usize, highest: usize) -> Vec<usize> {
        let rank = |_| (stream.uniform() * (highest + 1) as f64) as usize;
        (0..count).map(rank).collect()
    }

    #[test]
    fn one_rank_of_two_is_never_surprising() {
        assert!((p_value(&[0], 1) - 1.0).abs() < 1e-12);
        // Both tails of two coins: all below or none, each with probability 1/4.
        assert!((p_value(&[0, 0], 1) - 0.5).abs() < 1e-12);
        assert!((p_value(&[0, 1], 1) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn uniform_ranks_are_outside_as_often_as_said() {
        let mut stream = Stream::new(1, Purpose::Test, 0);
        let p: Vec<f64> = (0..400)
            .map(|_| p_value(&uniform(&mut stream, 40, 19), 19))
            .collect();
        for level in [0.05, 0.2, 0.5] {
            let share = p.iter().filter(|&&p| p <= level).count() as f64 / 400.0;
            let spread = (level * (1.0 - level) / 400.0_f64).sqrt();
            // The law is discrete, so that the share may be somewhat smaller.
            assert!(
                share < level + 3.5 * spread && share > 0.6 * level - 3.5 * spread,
                "{level}: {share}"
            );
        }
    }

    #[test]
    fn shapes_are_noticed() {
        let mut stream = Stream::new(2, Purpose::Test, 0);
        let even = uniform(&mut stream, 200, 99);
        assert!(p_value(&even, 99) > 0.05);
        let shifted: Vec<usize> = even.iter().map(|r| r * r / 99).collect();
        assert!(p_value(&shifted, 99) < 1e-6);
        let squeezed: Vec<usize> = even.iter().map(|r| 25 + r / 2).collect();
        assert!(p_value(&squeezed, 99) < 1e-6);
    }
}
