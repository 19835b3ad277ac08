//! Why a prediction is uncertain. By the law of total variance, Var(y) = Var E(y | θ) + E Var(y | θ): the first part is
//! *epistemic*, ignorance of θ that more data would reduce, the second *aleatoric*, what remains when θ is known. Each draw
//! of the posterior is run forwards several times with other random numbers; the variance within a draw is aleatoric, and the
//! variance of the draws' means, less what the means owe to being means of few, is epistemic. Both are unbiased for every
//! model, whatever its distributions, as long as the predicted quantity has a variance.

use likelier_runtime::random::{Purpose, Stream};

use crate::Error;
use crate::simulation::{DrawTable, Simulator};

/// Numbers to simulate in all, over draws, repetitions and columns.
const BUDGET: usize = 4_000_000;
/// Repetitions of a draw beyond which the epistemic part gains nothing.
const MOST_REPETITIONS: usize = 200;

/// The two parts of the variance of one predicted quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceParts {
    /// Var E(y | θ); an estimate, which may fall below zero where the truth is near it.
    pub epistemic: f64,
    /// Its standard error.
    pub epistemic_se: f64,
    /// E Var(y | θ).
    pub aleatoric: f64,
    /// Its standard error.
    pub aleatoric_se: f64,
}

/// Mean and central moments of numbers that come one after another (Pébay 2008).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moments {
    count: f64,
    mean: f64,
    second: f64,
    third: f64,
    fourth: f64,
}

impl Moments {
    /// Takes in a number more.
    pub(crate) fn add(&mut self, value: f64) {
        let before = self.count;
        self.count += 1.0;
        let n = self.count;
        let delta = value - self.mean;
        let step = delta / n;
        let term = delta * step * before;
        self.mean += step;
        self.fourth += term * step * step * (n * n - 3.0 * n + 3.0)
            + 6.0 * step * step * self.second
            - 4.0 * step * self.third;
        self.third += term * step * (n - 2.0) - 3.0 * step * self.second;
        self.second += term;
    }

    pub(crate) fn mean(self) -> f64 {
        self.mean
    }

    /// Unbiased.
    pub(crate) fn variance(self) -> f64 {
        self.second / (self.count - 1.0)
    }

    fn error_of_mean(self) -> f64 {
        (self.variance() / self.count).sqrt()
    }

    fn error_of_variance(self) -> f64 {
        let (second, fourth) = (self.second / self.count, self.fourth / self.count);
        ((fourth - second * second) / self.count).sqrt()
    }
}

impl Simulator {
    /// The parts of the variance of each column that [`Simulator::along`] makes of these draws, which are taken to be independent in the
    /// errors.
    ///
    /// # Errors
    /// As [`Simulator::along`].
    pub fn variance_parts(
        &self,
        tables: &[DrawTable],
        seed: u64,
    ) -> Result<Vec<VarianceParts>, Error> {
        let width = self.simulation.columns.len();
        let draws: usize = tables.iter().map(DrawTable::count).sum();
        let repetitions = (BUDGET / (draws * width).max(1)).clamp(2, MOST_REPETITIONS);
        let mut between = vec![Moments::default(); width];
        let mut within = vec![Moments::default(); width];
        let mut one = vec![Moments::default(); width];
        let mut repeat = |number: usize, values: &[f64]| {
            for (moments, value) in one.iter_mut().zip(values) {
                moments.add(*value);
            }
            if number + 1 == repetitions {
                for ((one, between), within) in one.iter_mut().zip(&mut between).zip(&mut within) {
                    between.add(one.mean);
                    within.add(one.variance());
                    *one = Moments::default();
                }
            }
        };
        for (chain, table) in tables.iter().enumerate() {
            let stream = Stream::new(seed, Purpose::Repetition, chain as u32);
            self.repeat(table, repetitions, stream, &mut repeat)?;
        }
        let parts = |(between, within): (&Moments, &Moments)| VarianceParts {
            epistemic: between.variance() - within.mean / repetitions as f64,
            epistemic_se: between.error_of_variance(),
            aleatoric: within.mean,
            aleatoric_se: within.error_of_mean(),
        };
        Ok(between.iter().zip(&within).map(parts).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use likelier_compiler::{Options, Prediction};

    #[test]
    fn moments_are_those_of_the_definition() {
        let values = [1.5, -2.0, 0.25, 7.0, 3.0];
        let mut moments = Moments::default();
        values.iter().for_each(|&value| moments.add(value));
        let mean = values.iter().sum::<f64>() / 5.0;
        let power = |k: i32| values.iter().map(|v| (v - mean).powi(k)).sum::<f64>();
        assert!((moments.mean - mean).abs() < 1e-12);
        assert!((moments.second - power(2)).abs() < 1e-12);
        assert!((moments.third - power(3)).abs() < 1e-11);
        assert!((moments.fourth - power(4)).abs() < 1e-10);
    }

    /// y = θ + e with known spreads of both.
    #[test]
    fn parts_of_a_sum_are_its_terms() {
        let text = "mu ~ normal(0, 1)\ny[1..2] ~ normal(mu, 3)\nz ~ normal(2 * mu, 0.5)\n";
        let data = crate::Dataset::from_json("d", r#"{"y": [1, 2], "z": 0}"#).unwrap();
        let options = Options::default();
        let simulator =
            Simulator::prediction("m", text, &data, &Prediction::default(), &options).unwrap();
        // Equally spaced normal quantiles have the moments of the distribution to three digits.
        let values: Vec<f64> = (0..4000)
            .map(|k| likelier_runtime::math::special::normal_quantile((k as f64 + 0.5) / 4000.0))
            .collect();
        let table = DrawTable {
            name: "draws".to_owned(),
            names: vec!["mu".to_owned()],
            values,
        };
        let parts = simulator.variance_parts(&[table], 1).unwrap();
        let expected = [(1.0, 9.0), (1.0, 9.0), (4.0, 0.25)];
        assert_eq!(parts.len(), expected.len());
        for (parts, (epistemic, aleatoric)) in parts.iter().zip(expected) {
            assert!((parts.epistemic - epistemic).abs() < 4.0 * parts.epistemic_se);
            assert!((parts.aleatoric - aleatoric).abs() < 4.0 * parts.aleatoric_se);
            assert!(parts.epistemic_se < 0.05 * epistemic && parts.aleatoric_se < 0.01 * aleatoric);
        }
    }
}
