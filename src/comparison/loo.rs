//! Leave-one-out prediction: by importance sampling from the draws given all rows (PSIS), and, for the rows whose weights
//! are too heavy for that, by a bridge to chains of the posterior without the row. These begin where the chains given all
//! rows ended, with their metric, so a refit costs little more than its draws. Where a row has decided so much alone that
//! the two posteriors hardly overlap, chains that give the row a part of its weight stand between them.

use likelier_compiler::Coordinates;
use likelier_runtime::diagnose::{effective_size, summarise};
use likelier_runtime::methods::bridge;
use likelier_runtime::methods::loo::{LeftOut, largest_shape, leave_out};
use likelier_runtime::run;
use likelier_runtime::target::Target;

use crate::evidence::LogValue;
use crate::posterior::{Chain, Posterior};
use crate::sampling::{self, Control, Settings};
use crate::simulation::Simulator;
use crate::{Error, Model};

/// Leave-one-out prediction.
#[derive(Debug, Clone)]
pub struct Loo {
    /// Each observation.
    pub observations: Vec<LeftOut>,
    /// What each is called: `log_lik[3]`.
    pub names: Vec<String>,
    /// Their sum.
    pub elpd: LogValue,
    /// Effective number of parameters: by how much the observations are predicted better when they are not left out.
    pub p_loo: f64,
    /// Observations whose term cannot be trusted: their k̂ is too large, and they were not refitted.
    pub untrusted: usize,
    /// Observations whose term comes from chains without them.
    pub refitted: Vec<usize>,
}

/// Warm-up iterations of a refit, which begins where chains have been.
const WARMUP: usize = 300;
/// R-hat above this means that the chains of a refit went to different places.
const LARGEST_RHAT: f64 = 1.05;
/// Rungs of a ladder from the posterior with a row to that without it.
const MOST_RUNGS: usize = 12;
/// Below this overlap of two rungs, another is put between them.
const LEAST_OVERLAP: f64 = 0.1;
/// The same, above this relative variance of the ratio.
const LARGEST_VARIANCE: f64 = 1e-3;

/// Leave-one-out prediction of a model from draws of its posterior. `None` without observations that have a likelihood of
/// their own.
pub fn loo(simulator: &Simulator, posterior: &Posterior) -> Option<Loo> {
    let columns = &simulator.simulation.columns;
    if columns.is_empty() || !simulator.simulation.warnings.is_empty() {
        return None;
    }
    let rows: Vec<_> = posterior
        .chains
        .iter()
        .map(|chain| simulator.along_chain(posterior, chain))
        .collect();
    let observations: Vec<LeftOut> = (0..columns.len())
        .map(|place| {
            let chains: Vec<Vec<f64>> = rows
                .iter()
                .map(|rows| rows.rows().map(|row| row[place]).collect())
                .collect();
            leave_out(&chains)
        })
        .collect();
    let mut found = Loo {
        elpd: LogValue {
            value: 0.0,
            se: 0.0,
        },
        p_loo: 0.0,
        untrusted: 0,
        refitted: Vec::new(),
        names: columns.iter().map(|column| column.name.clone()).collect(),
        observations,
    };
    found.add_up(largest_shape(
        posterior.chains.len() * posterior.draw_count(),
    ));
    Some(found)
}

impl Loo {
    /// Sums over the observations; those above `limit` are not trusted unless refitted.
    fn add_up(&mut self, limit: f64) {
        let elpds: Vec<f64> = self.observations.iter().map(|o| o.elpd).collect();
        self.elpd = sum_of(&elpds);
        self.p_loo = self.observations.iter().map(|o| o.lpd - o.elpd).sum();
        self.untrusted = self.suspects(limit).len();
    }

    /// Observations whose k̂ is above the limit, the worst first, without those refitted.
    fn suspects(&self, limit: f64) -> Vec<usize> {
        let shape = |&place: &usize| self.observations[place].shape;
        let mut found: Vec<usize> = (0..self.observations.len())
            .filter(|place| shape(place) > limit && !self.refitted.contains(place))
            .collect();
        found.sort_by(|a, b| shape(b).total_cmp(&shape(a)));
        found
    }

    /// Replaces the terms of at most `most` observations that importance sampling cannot give by those of chains without
    /// them. `posterior` holds the draws given all observations, in these coordinates. A refit whose chains disagree or
    /// diverge replaces nothing.
    ///
    /// # Errors
    /// As [`Model::by_rows`] and [`Model::sample`].
    pub fn refit(
        &mut self,
        model: &Model,
        posterior: &Posterior,
        coordinates: Coordinates,
        most: usize,
        control: &Control,
    ) -> Result<(), Error> {
        let limit = largest_shape(posterior.chains.len() * posterior.draw_count());
        let mut suspects = self.suspects(limit);
        suspects.truncate(most);
        if suspects.is_empty() {
            return Ok(());
        }
        let compiled = model.by_rows(coordinates)?;
        for observation in suspects {
            if control.is_stopping() {
                break;
            }
            let place = compiled.rows[observation].place;
            let refit = Refit {
                target: &compiled.model,
                posterior,
                place,
                control,
            };
            let Some(elpd) = refit.log_density()? else {
                continue;
            };
            self.observations[observation].elpd = elpd;
            self.refitted.push(observation);
        }
        self.refitted.sort_unstable();
        self.add_up(limit);
        Ok(())
    }
}

/// Draws of the posterior in which a row has some weight.
struct Rung {
    weight: f64,
    /// The log density of the row at each draw, chain by chain.
    logs: Vec<Vec<f64>>,
}

/// What refits of one row share.
struct Refit<'a> {
    target: &'a dyn Target,
    posterior: &'a Posterior,
    place: usize,
    control: &'a Control,
}

impl Refit<'_> {
    /// log p(y_i | the others): a bridge from the posterior without the row to that with it, over posteriors with a part of it
    /// where these hardly overlap. `None` when it cannot be trusted.
    fn log_density(&self) -> Result<Option<f64>, Error> {
        let Some(without) = self.rung(0.0, 0)? else {
            return Ok(None);
        };
        let chains = self.posterior.chains.iter();
        let with = Rung {
            weight: 1.0,
            logs: self.logs(chains.map(|chain| chain.positions.as_slice())),
        };
        let mut rungs = vec![with, without];
        let (mut log, mut at) = (0.0, 0);
        while at + 1 < rungs.len() {
            if let Some(piece) = step(&rungs[at], &rungs[at + 1]) {
                log += piece;
                at += 1;
                continue;
            }
            let middle = match rungs[at + 1].weight {
                0.0 => rungs[at].weight / 4.0,
                lower => (rungs[at].weight * lower).sqrt(),
            };
            let rung = match rungs.len() < MOST_RUNGS && !self.control.is_stopping() {
                true => self.rung(middle, rungs.len())?,
                false => None,
            };
            match rung {
                Some(rung) => rungs.insert(at + 1, rung),
                None => return Ok(None),
            }
        }
        Ok(Some(log))
    }

    /// Chains with the row at a weight; `None` when they disagree or diverge.
    fn rung(&self, weight: f64, number: usize) -> Result<Option<Rung>, Error> {
        let mut rows = vec![1.0; self.target.row_count()];
        rows[self.place] = weight;
        let settings = &self.posterior.settings;
        let chains = self.posterior.chains.iter();
        let warmed = Settings {
            warmup: settings.warmup.min(WARMUP),
            ..settings.clone()
        };
        let run_settings = run::Settings {
            // Seeds are mixed before use; an addition suffices to make other streams.
            seed: settings
                .seed
                .wrapping_add(0x100_0193 * (16 * self.place as u64 + number as u64 + 1)),
            starts: chains.map(|chain| self.start(chain)).collect(),
            rows,
            ..sampling::runtime_settings(&warmed)
        };
        self.control.restart();
        let chains = run::run(self.target, &run_settings, self.control)
            .map_err(|found| Error::NoStart(found.reason))?;
        let draws = || chains.iter().flat_map(|chain| &chain.draws);
        let divergences = draws().filter(|draw| draw.diverging).count();
        let logs = self.logs(chains.iter().map(|chain| chain.positions.as_slice()));
        let rhat = summarise(&logs).rhat;
        let is_sound = (rhat.is_nan() || rhat <= LARGEST_RHAT)
            && divergences * 100 <= draws().count()
            && logs.iter().all(|chain| chain.len() == settings.draws);
        Ok(is_sound.then_some(Rung { weight, logs }))
    }

    /// The log density of the row along chains of positions.
    fn logs<'p>(&self, chains: impl Iterator<Item = &'p [f64]>) -> Vec<Vec<f64>> {
        let mut evaluator = self.target.evaluator();
        let mut values = vec![0.0; self.target.row_count()];
        let width = self.target.dimension().max(1);
        let mut of = |position: &[f64]| {
            evaluator.rows(position, &mut values);
            values[self.place]
        };
        chains
            .map(|chain| chain.chunks(width).map(&mut of).collect())
            .collect()
    }

    /// Where a chain begins: where that given all rows ended.
    fn start(&self, chain: &Chain) -> run::Start {
        let first = chain
            .positions
            .len()
            .saturating_sub(self.target.dimension());
        run::Start {
            position: chain.positions[first..].to_vec(),
            inverse_metric: chain.inverse_metric.clone(),
        }
    }
}

/// log of the ratio of normalising constants of two rungs, the upper over the lower; `None` where they overlap too little.
fn step(upper: &Rung, lower: &Rung) -> Option<f64> {
    let weight = upper.weight - lower.weight;
    let ratios = |rung: &Rung| -> Vec<Vec<f64>> {
        let of = |chain: &Vec<f64>| chain.iter().map(|log| weight * log).collect();
        rung.logs.iter().map(of).collect()
    };
    let (drawn, proposed) = (ratios(upper), ratios(lower).concat());
    let count: usize = drawn.iter().map(Vec::len).sum();
    let effective = effective_size(&drawn).min(count as f64);
    let found = bridge::optimal(&drawn, &proposed, effective)?;
    let is_sound = found.overlap >= LEAST_OVERLAP && found.relative_variance <= LARGEST_VARIANCE;
    is_sound.then_some(found.log)
}

/// A sum of terms that are taken as a sample: its standard error is √(n Var).
pub(super) fn sum_of(terms: &[f64]) -> LogValue {
    let count = terms.len() as f64;
    let mean = terms.iter().sum::<f64>() / count;
    let squares: f64 = terms.iter().map(|t| (t - mean) * (t - mean)).sum();
    LogValue {
        value: mean * count,
        se: (count * squares / (count - 1.0).max(1.0)).sqrt(),
    }
}
