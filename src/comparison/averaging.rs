//! Predictions of several models together: the mixture of what each predicts, by weights. With posterior probabilities
//! this is Bayesian model averaging, the right answer if one of the models is true; with stacking weights it is the
//! mixture that predicts best where none is.

use crate::simulation::Rows;

/// What is predicted of one quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Predicted {
    /// Mean of the mixture.
    pub mean: f64,
    /// Standard deviation, what the models disagree on included.
    pub sd: f64,
    /// 5 %, 50 % and 95 % quantiles.
    pub quantiles: [f64; 3],
}

/// Predictions of each quantity by each model and by their mixtures.
#[derive(Debug, Clone)]
pub struct Averaged {
    /// The quantities: `y_rep[3]`.
    pub names: Vec<String>,
    /// What predicts: the models by name, then `probability` and `stacking` as far as there are such weights.
    pub predictors: Vec<String>,
    /// How many of them are models.
    pub models: usize,
    /// The share of each model in each predictor.
    pub weights: Vec<Vec<f64>>,
    /// Quantities × predictors.
    pub predicted: Vec<Vec<Predicted>>,
}

impl Averaged {
    /// Of what each model predicts, in the order of `names`. Quantities that not every model predicts are left out.
    pub fn of(
        names: &[String],
        predictions: &[Rows],
        probabilities: Option<&[f64]>,
        stacking: Option<&[f64]>,
    ) -> Self {
        let mut predictors: Vec<String> = names.to_vec();
        let alone = |k: usize| {
            (0..names.len())
                .map(|j| f64::from(u8::from(j == k)))
                .collect()
        };
        let mut weights: Vec<Vec<f64>> = (0..names.len()).map(alone).collect();
        for (name, shares) in [("probability", probabilities), ("stacking", stacking)] {
            if let Some(shares) = shares {
                predictors.push(name.to_owned());
                weights.push(shares.to_vec());
            }
        }
        let mut averaged = Self {
            names: Vec::new(),
            predictors,
            models: names.len(),
            weights,
            predicted: Vec::new(),
        };
        let Some(first) = predictions.first() else {
            return averaged;
        };
        for column in &first.columns {
            let place = |rows: &Rows| rows.columns.iter().position(|c| c.name == column.name);
            let Some(places) = predictions
                .iter()
                .map(place)
                .collect::<Option<Vec<usize>>>()
            else {
                continue;
            };
            let draws: Vec<Vec<f64>> = predictions
                .iter()
                .zip(places)
                .map(|(rows, place)| rows.rows().map(|row| row[place]).collect())
                .collect();
            averaged.names.push(column.name.clone());
            let mixed = averaged
                .weights
                .iter()
                .map(|weights| mixture(&draws, weights));
            averaged.predicted.push(mixed.collect());
        }
        averaged
    }
}

/// The mixture of draws of several models, each model with its weight.
fn mixture(draws: &[Vec<f64>], weights: &[f64]) -> Predicted {
    let mut all: Vec<(f64, f64)> = draws
        .iter()
        .zip(weights)
        .filter(|(_, weight)| **weight > 0.0)
        .flat_map(|(draws, weight)| {
            let share = weight / draws.len() as f64;
            draws.iter().map(move |value| (*value, share))
        })
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = all.iter().map(|(_, share)| share).sum();
    let mean = all.iter().map(|(value, share)| value * share).sum::<f64>() / total;
    let squares = all
        .iter()
        .map(|(value, share)| share * (value - mean) * (value - mean));
    let sd = (squares.sum::<f64>() / total).sqrt();
    let quantile = |p: f64| {
        let mut below = 0.0;
        let found = all.iter().find(|(_, share)| {
            below += share / total;
            below >= p
        });
        found.or(all.last()).map_or(f64::NAN, |(value, _)| *value)
    };
    Predicted {
        mean,
        sd,
        quantiles: [0.05, 0.5, 0.95].map(quantile),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two models of which one says 0 or 2 and the other 10: mean and variance by hand.
    #[test]
    fn a_mixture_has_the_variance_within_and_between() {
        let draws = [vec![0.0, 2.0, 0.0, 2.0], vec![10.0]];
        let found = mixture(&draws, &[0.75, 0.25]);
        assert!((found.mean - (0.75 + 2.5)).abs() < 1e-14);
        let variance = 0.75 * 1.0 + 0.75 * 0.25 * 81.0;
        assert!(
            (found.sd - f64::sqrt(variance)).abs() < 1e-14,
            "{}",
            found.sd
        );
        assert_eq!(found.quantiles, [0.0, 2.0, 10.0]);
        assert_eq!(mixture(&draws, &[0.0, 1.0]).quantiles, [10.0; 3]);
    }
}
