//! What the data taught: how much narrower each parameter became, and how many of them the data determine.
//!
//! The **contraction** of a coordinate is 1 − Var(posterior) / Var(prior): 0 where nothing was learned, near 1 where all that is known comes
//! from the data. It is measured on the unconstrained scale (values, logarithms of positive ones, log odds of bounded ones), where priors with heavy
//! tails have variances too. The **effective number of parameters** compares curvatures instead (see
//! `likelier_runtime::parts::curvature`), in standardised coordinates, in which parameters are independent before the data. The **Bayesian
//! dimensionality** is 2 Var(log likelihood) over the posterior (Handley & Lemos 2019).

use likelier_compiler::{Compiled, Coordinates, InferredVariable, Options, given_count};
use likelier_runtime::parts::curvature::effective_shares;
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::run;
use likelier_runtime::target::Target;

use crate::posterior::{Chain, Posterior};
use crate::sampling::{self, Control};
use crate::uncertainty::Moments;
use crate::{Error, Model};

/// Prior draws for its variances.
const PRIOR_DRAWS: usize = 4000;
/// Positions at which curvatures are computed, in few dimensions.
const POSITIONS: usize = 64;
/// Work of all eigenvalues: the number of positions times the cube of the dimension stays below.
const WORK: f64 = 2e9;

/// What the data taught about the parameters of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Contraction {
    /// Each inferred variable, in the order of the model.
    pub variables: Vec<VariableContraction>,
    /// 2 Var(log likelihood).
    pub dimensionality: f64,
}

/// What the data taught about one variable.
#[derive(Debug, Clone, PartialEq)]
pub struct VariableContraction {
    /// Its name.
    pub name: String,
    /// How many of its parameters the data determine.
    pub effective: f64,
    /// 1 − Var(posterior) / Var(prior) of each unconstrained coordinate; their number is that of its parameters.
    pub contractions: Vec<f64>,
}

impl Contraction {
    /// How many parameters there are.
    pub fn parameters(&self) -> usize {
        let counts = self.variables.iter().map(|v| v.contractions.len());
        counts.sum()
    }

    /// How many of them the data determine.
    pub fn effective(&self) -> f64 {
        self.variables.iter().map(|v| v.effective).sum()
    }
}

impl Model {
    /// Whether it can be said what the data taught, which is known before anything is drawn.
    ///
    /// # Errors
    /// [`Error::Settings`] when a prior is improper or there are too many parameters.
    pub fn check_contraction(&self) -> Result<(), Error> {
        if let Some(obstacle) = self.evidence_obstacle() {
            return Err(Error::Settings(format!(
                "what the data taught is told by comparing with the prior, and a prior here is improper: {obstacle}\n  help: give every parameter a proper distribution, or leave out --contraction"
            )));
        }
        positions_for(self.tempered().model.dimension()).map(|_| ())
    }

    /// What the data taught, from draws of the posterior.
    ///
    /// # Errors
    /// As [`Model::check_contraction`], and [`Error::NoStart`] as for sampling.
    pub fn contraction(&self, posterior: &Posterior) -> Result<Contraction, Error> {
        self.check_contraction()?;
        let own;
        let natural = match self.compiled.coordinates {
            Coordinates::Natural => &self.compiled,
            Coordinates::Standardised => {
                let options = Options {
                    coordinates: Coordinates::Natural,
                    ..self.recipe.options.clone()
                };
                own = self.recipe.compile(&options);
                own.as_deref().unwrap_or(&self.compiled)
            }
        };
        let standardised = self.tempered();
        let dimension = standardised.model.dimension();
        let count = positions_for(dimension)?;
        let after: Vec<Vec<f64>> = rows(&posterior.chains, self.compiled.columns.len())
            .map(|row| self.inferred_values(row))
            .collect();
        let before = self.prior_values(posterior)?;
        let spread = |compiled: &Compiled, values: &[Vec<f64>]| {
            let positions = values
                .iter()
                .filter_map(|given| compiled.model.unconstrain(given));
            variances(positions, compiled.model.dimension())
        };
        let (narrow, wide) = (spread(natural, &after), spread(natural, &before));
        let scales: Vec<f64> = spread(standardised, &before)
            .iter()
            .map(|variance| variance.sqrt())
            .collect();
        let stride = after.len().div_ceil(count).max(1);
        let chosen: Vec<Vec<f64>> = after
            .iter()
            .step_by(stride)
            .filter_map(|given| standardised.model.unconstrain(given))
            .collect();
        let chosen: Vec<&[f64]> = chosen.iter().map(Vec::as_slice).collect();
        let shares = effective_shares(&standardised.model, &chosen, &scales).ok_or_else(|| {
            Error::Settings(
                "the likelihood has no finite curvature at the draws of the posterior".to_owned(),
            )
        })?;
        let variable = |(own, other): (&InferredVariable, &InferredVariable)| VariableContraction {
            name: own.name.clone(),
            effective: shares[other.unconstrained.clone()].iter().sum(),
            contractions: own
                .unconstrained
                .clone()
                .map(|k| 1.0 - narrow[k] / wide[k])
                .collect(),
        };
        let pairs = natural.inferred.iter().zip(&standardised.inferred);
        let likelihoods = posterior.chains.iter().flat_map(|c| &c.log_likelihoods);
        Ok(Contraction {
            variables: pairs.map(variable).collect(),
            dimensionality: 2.0 * variances(likelihoods.map(|&l| vec![l]), 1)[0],
        })
    }

    /// Of the values of a draw, those that determine its position: they come first.
    fn inferred_values(&self, row: &[f64]) -> Vec<f64> {
        row[..given_count(&self.compiled.inferred)].to_vec()
    }

    /// Constrained values of the inferred variables under the prior with its constraints.
    fn prior_values(&self, posterior: &Posterior) -> Result<Vec<Vec<f64>>, Error> {
        let target = &self.compiled.model;
        let width = target.output_count();
        let is_simple =
            target.soft_count() == 0 && self.compiled.normalisation.undrawable.is_empty();
        if is_simple {
            let mut stream = Stream::new(posterior.settings.seed, Purpose::Prior, u32::MAX);
            let mut evaluator = target.evaluator();
            let mut position = vec![0.0; target.dimension()];
            let mut values = vec![0.0; width];
            let draw = |number: usize| {
                stream.at(number as u64);
                evaluator.prior_draw(&mut stream, &mut position);
                evaluator.outputs(&position, &mut stream, &mut values);
                self.inferred_values(&values)
            };
            return Ok((0..PRIOR_DRAWS).map(draw).collect());
        }
        let settings = run::Settings {
            likelihood_weight: 0.0,
            ..sampling::runtime_settings(&posterior.settings)
        };
        let chains = run::run(target, &settings, &Control::new(settings.chains))
            .map_err(|failure| Error::NoStart(failure.reason))?;
        let rows = chains.iter().flat_map(|chain| chain.values.chunks(width));
        Ok(rows.map(|row| self.inferred_values(row)).collect())
    }
}

/// At how many positions curvatures are computed in so many dimensions.
fn positions_for(dimension: usize) -> Result<usize, Error> {
    match ((WORK / (dimension as f64).powi(3)) as usize).min(POSITIONS) {
        0 => Err(Error::Settings(format!(
            "the effective number of parameters is not computed for {dimension} of them (at most {:.0})",
            WORK.cbrt()
        ))),
        count => Ok(count),
    }
}

fn rows(chains: &[Chain], width: usize) -> impl Iterator<Item = &[f64]> {
    chains
        .iter()
        .flat_map(move |chain| chain.values.chunks(width.max(1)))
}

/// The variance of each coordinate, leaving out what is not finite.
fn variances(positions: impl Iterator<Item = Vec<f64>>, dimension: usize) -> Vec<f64> {
    let mut moments = vec![Moments::default(); dimension];
    for position in positions.filter(|p| p.iter().all(|q| q.is_finite())) {
        for (moments, q) in moments.iter_mut().zip(position) {
            moments.add(q);
        }
    }
    moments.into_iter().map(Moments::variance).collect()
}
