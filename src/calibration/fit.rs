//! One simulation of a calibration: its data are made, the model is compiled for them and fitted, and the true values get
//! their ranks among draws that are about independent.

use std::collections::{HashMap, HashSet};

use likelier_compiler::{Column, ColumnKind};
use likelier_runtime::methods::smc;
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::Target;

use super::{CalibrationSettings, LOG_LIKELIHOOD, Method, Program};
use crate::output::simulation::{data_json, masked_data_json};
use crate::simulation::Rows;
use crate::{Dataset, Error, EvidenceSettings, Model, Options, Posterior, Settings, evidence};

/// Chains of a fit: two, so that chains which went to different places are noticed.
const CHAINS: usize = 2;
/// Effective draws there should be for each draw that is kept, which leaves a correlation of 0.02 between neighbours.
const INDEPENDENCE: f64 = 2.0;
/// How often a run is made longer for that.
const PATIENCE: usize = 3;
/// And how much, at most.
const LARGEST_FACTOR: f64 = 8.0;
/// Values that differ by less than this share of themselves are the same: constants, and discrete values.
const TIE: f64 = 1e-10;

/// One simulation's fit.
struct Fit {
    columns: Vec<Column>,
    /// L draws × (columns and log likelihood).
    draws: Vec<f64>,
    is_divergent: bool,
    is_short: bool,
}

/// What a simulation tells.
pub(super) struct Outcome {
    /// Name, rank and whether every draw equals the truth.
    pub(super) ranks: Vec<(String, usize, bool)>,
    pub(super) is_divergent: bool,
    pub(super) is_short: bool,
    /// The difference of two estimates over its standard error.
    pub(super) distance: Option<f64>,
}

/// All that the simulations share.
pub(super) struct Context<'a> {
    pub(super) fit: Program<'a>,
    pub(super) data: &'a Dataset,
    pub(super) options: &'a Options,
    pub(super) settings: &'a CalibrationSettings,
    pub(super) names: &'a [String],
    pub(super) columns: &'a [Column],
}

impl Context<'_> {
    fn single(&self, row: &[f64]) -> Rows {
        Rows {
            columns: self.columns.to_vec(),
            values: row.to_vec(),
            tried: 1,
            ..Rows::default()
        }
    }

    fn model(&self, row: &[f64]) -> Result<Model, Error> {
        let text = masked_data_json(&self.single(row), self.data, self.names);
        let data = Dataset::from_json("simulated data", &text)?;
        Model::compile(self.fit.name, self.fit.text, &data, self.options)
    }

    /// What would fail for every simulation is said before them.
    pub(super) fn check(&self, row: &[f64]) -> Result<(), Error> {
        let model = self.model(row)?;
        if self.settings.method == Method::Smc || self.settings.evidence {
            model.check_evidence()?;
        }
        if !model.compiled.columns.iter().any(is_unknown) {
            return Err(Error::Settings(format!(
                "nothing is unknown when {} are data, so there is nothing to calibrate\n  help: the data should hold only what will be observed",
                self.names.join(", ")
            )));
        }
        Ok(())
    }

    pub(super) fn outcome(&self, row: &[f64], number: usize) -> Result<Outcome, Error> {
        if row.iter().any(|value| value.is_nan()) {
            return Err(Error::NoStart(
                "a simulated value is no number: a parameter of a distribution left its domain"
                    .to_owned(),
            ));
        }
        let model = self.model(row)?;
        let seed = self.settings.seed_of(number);
        let fit = match self.settings.method {
            Method::Smc if model.compiled.model.dimension() > 0 => self.by_smc(&model, seed)?,
            _ => self.by_nuts(&model, seed)?,
        };
        let distance = match self.settings.evidence {
            true => distance(&model, seed)?,
            false => None,
        };
        Ok(Outcome {
            ranks: self.ranks(row, &model, &fit, seed)?,
            is_divergent: fit.is_divergent,
            is_short: fit.is_short,
            distance,
        })
    }

    fn by_nuts(&self, model: &Model, seed: u64) -> Result<Fit, Error> {
        let wanted = self.settings.ranks;
        let mut run = Settings {
            seed,
            chains: CHAINS,
            draws: (5 * wanted).div_ceil(CHAINS).max(250),
            warmup: 500,
            threads: Some(1),
            ..Settings::default()
        };
        let needed = INDEPENDENCE * wanted as f64;
        let mut posterior = model.sample(&run)?;
        let effective = |posterior: &Posterior| {
            let rows = posterior.columns.iter().zip(&posterior.summary);
            let sizes = rows.filter(|(column, _)| is_unknown(column));
            let least = sizes
                .map(|(_, row)| row.ess_bulk)
                .filter(|size| !size.is_nan());
            least.fold(f64::INFINITY, f64::min)
        };
        for _ in 0..PATIENCE {
            let share = effective(&posterior) / needed;
            if share >= 1.0 {
                break;
            }
            // Somewhat more than would do, for the size is an estimate and each further run begins anew.
            let factor = (1.25 / share).clamp(1.5, LARGEST_FACTOR);
            run.draws = (run.draws as f64 * factor) as usize;
            posterior = model.sample(&run)?;
        }
        let width = posterior.columns.len();
        let rows: Vec<(&[f64], f64)> = posterior
            .chains
            .iter()
            .flat_map(|chain| {
                let rows = chain.values.chunks(width.max(1));
                rows.zip(chain.log_likelihoods.iter().copied())
            })
            .collect();
        let mut draws = Vec::with_capacity(wanted * (width + 1));
        for place in spread(rows.len(), wanted) {
            draws.extend_from_slice(rows[place].0);
            draws.push(rows[place].1);
        }
        Ok(Fit {
            draws,
            is_divergent: posterior.health.divergences > 0,
            is_short: effective(&posterior) < needed,
            columns: posterior.columns,
        })
    }

    fn by_smc(&self, model: &Model, seed: u64) -> Result<Fit, Error> {
        let compiled = model.tempered();
        let settings = smc::Settings {
            seed,
            replicates: 1,
            threads: Some(1),
            ..smc::Settings::default()
        };
        let replicates = smc::run(&compiled.model, &settings, &smc::Watch::new(1), None)
            .map_err(evidence::failure)?;
        let particles = &replicates[0].posterior;
        let mut evaluator = compiled.model.evaluator();
        let mut stream = Stream::new(seed, Purpose::Output, 0);
        let width = compiled.columns.len();
        let mut values = vec![0.0; width];
        let mut draws = Vec::with_capacity(self.settings.ranks * (width + 1));
        for place in spread(particles.count(), self.settings.ranks) {
            stream.at(place as u64);
            evaluator.outputs(particles.position(place), &mut stream, &mut values);
            draws.extend_from_slice(&values);
            draws.push(particles.parts[place].likelihood);
        }
        Ok(Fit {
            columns: compiled.columns.clone(),
            draws,
            is_divergent: false,
            is_short: false,
        })
    }

    /// The log likelihood of the truth.
    fn true_likelihood(&self, row: &[f64], model: &Model) -> Result<f64, Error> {
        let unknown: HashSet<(&str, &[usize])> = model
            .compiled
            .columns
            .iter()
            .filter(|column| column.kind == ColumnKind::Inferred)
            .map(key)
            .collect();
        let mut rows = self.single(row);
        for (value, column) in rows.values.iter_mut().zip(self.columns) {
            if !unknown.contains(&key(column)) {
                *value = f64::NAN;
            }
        }
        let inferred = model.compiled.inferred.iter();
        let names: Vec<String> = inferred.map(|variable| variable.name.clone()).collect();
        let point = data_json(&rows, &Dataset::default(), &names);
        let point = Dataset::from_json("simulated parameters", &point)?;
        Ok(model.density_at(&point)?.likelihood)
    }

    /// The rank of each true value, equal draws in random order.
    fn ranks(
        &self,
        row: &[f64],
        model: &Model,
        fit: &Fit,
        seed: u64,
    ) -> Result<Vec<(String, usize, bool)>, Error> {
        let truths: HashMap<(&str, &[usize]), f64> = self
            .columns
            .iter()
            .map(key)
            .zip(row.iter().copied())
            .collect();
        let width = fit.columns.len() + 1;
        let mut coins = Stream::new(seed, Purpose::Calibration, 0);
        let mut rank = |name: &str, place: usize, truth: f64| {
            let draws = fit.draws.iter().skip(place).step_by(width);
            let is_tied = |draw: f64| {
                draw == truth || (draw - truth).abs() <= TIE * draw.abs().max(truth.abs())
            };
            let ties = draws.clone().filter(|&&draw| is_tied(draw)).count();
            let below = draws
                .clone()
                .filter(|&&draw| draw < truth && !is_tied(draw));
            let among = (coins.uniform() * (ties + 1) as f64) as usize;
            (
                name.to_owned(),
                below.count() + among,
                ties == draws.count(),
            )
        };
        let mut ranks = Vec::new();
        for (place, column) in fit.columns.iter().enumerate() {
            match truths.get(&key(column)) {
                Some(&truth) if column.kind != ColumnKind::Simulated => {
                    ranks.push(rank(&column.name, place, truth));
                }
                _ => (),
            }
        }
        if !model.compiled.inferred.is_empty() {
            let truth = self.true_likelihood(row, model)?;
            ranks.push(rank(LOG_LIKELIHOOD, width - 1, truth));
        }
        Ok(ranks)
    }
}

fn key(column: &Column) -> (&str, &[usize]) {
    (&column.variable, &column.index)
}

fn is_unknown(column: &Column) -> bool {
    matches!(column.kind, ColumnKind::Inferred | ColumnKind::SummedOut)
}

/// `wanted` places spread evenly over `count`.
fn spread(count: usize, wanted: usize) -> impl Iterator<Item = usize> {
    (0..wanted).map(move |k| (2 * k + 1) * count / (2 * wanted))
}

/// The difference of both estimates of evidence over its standard error; `None` where one is missing or doubtful.
fn distance(model: &Model, seed: u64) -> Result<Option<f64>, Error> {
    let settings = EvidenceSettings {
        seed,
        escalations: 0,
        threads: Some(1),
        nuts: Settings {
            seed,
            threads: Some(1),
            ..Settings::default()
        },
        ..EvidenceSettings::default()
    };
    let evidence = model.evidence(&settings)?;
    let (Some(smc), Some(bridge)) = (&evidence.smc, &evidence.bridge) else {
        return Ok(None);
    };
    if !smc.doubts.is_empty() || !bridge.doubts.is_empty() {
        return Ok(None);
    }
    let gap = smc.evidence.log - bridge.evidence.value;
    Ok(Some(gap / smc.evidence.error.hypot(bridge.evidence.se)))
}
