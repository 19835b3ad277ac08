//! Posterior draws by SMC: the particles of all runs, weighted by the evidence that each run found, made equal draws by
//! resampling, and laid out as chains so that every reader of draws reads them. A run becomes about one chain where the
//! runs agree, so R-hat compares runs.

use std::time::Instant;

use likelier_runtime::methods::smc::to_largest;
use likelier_runtime::parts::resampling::Resampling;
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Parts, Target, Weights};

use crate::evidence::{EvidenceControl, EvidenceSettings, SmcEvidence};
use crate::posterior::{Chain, DrawStatistics, Posterior};
use crate::sampling::{self, Method, Settings};
use crate::{Error, Model};

impl Model {
    /// Draws from the posterior by tempering, with the evidence that this gives. Of the settings, `chains` is the number of
    /// runs, `draws` and `threads` are what they say, and those of NUTS do not count.
    ///
    /// # Errors
    /// [`Error::Settings`] when the prior cannot be drawn from, else as [`Model::sample`].
    pub fn sample_tempered(
        &self,
        settings: &Settings,
        control: &EvidenceControl,
    ) -> Result<(Posterior, SmcEvidence), Error> {
        settings.check()?;
        if let Some(name) = self.compiled.normalisation.undrawable.first() {
            return Err(Error::Settings(format!(
                "tempering starts from the prior, and the distribution of `{name}` cannot be drawn from\n  help: use --method nuts, or a proper distribution with a `sample` member"
            )));
        }
        let start = Instant::now();
        let smc_settings = tempering_settings(settings);
        let found = self.smc(&smc_settings, 0, control)?;
        let sampling_time = start.elapsed();
        let chains = self.equal_draws(&found, settings);
        let summary = sampling::summarise(&self.compiled.columns, &chains);
        let mut health = sampling::judge(&self.compiled, &chains, &summary, settings);
        for doubt in &found.doubts {
            health.ok = false;
            health.sentences.push(format!("SMC: {doubt}."));
        }
        let posterior = Posterior {
            settings: Settings {
                method: Method::Smc,
                ..settings.clone()
            },
            columns: self.compiled.columns.clone(),
            chains,
            summary,
            health,
            sampling_time,
            interrupted: false,
            discarded_run: None,
            notes: Vec::new(),
        };
        Ok((posterior, found))
    }

    /// Resamples the particles of all runs by their weights; in the order of the runs.
    fn equal_draws(&self, found: &SmcEvidence, settings: &Settings) -> Vec<Chain> {
        let target = &self.tempered().model;
        let (_, of_runs) = to_largest(found.replicates.iter().map(|r| r.evidence.log));
        let particles: Vec<(usize, usize)> = found
            .replicates
            .iter()
            .enumerate()
            .flat_map(|(run, r)| (0..r.posterior.count()).map(move |n| (run, n)))
            .collect();
        let weights: Vec<f64> = particles.iter().map(|(run, _)| of_runs[*run]).collect();
        let mut stream = Stream::new(settings.seed, Purpose::Resampling, u32::MAX);
        let count = settings.chains * settings.draws;
        let chosen = Resampling::Systematic.ancestors(&weights, count, &mut stream);
        let mut evaluator = target.evaluator();
        let posterior = Weights::posterior(target.soft_count());
        let mut gradient = vec![0.0; target.dimension()];
        let mut parts = Parts::default();
        let mut row = vec![0.0; target.output_count()];
        let mut chain = |(number, members): (usize, &[usize])| {
            let mut chain = Chain {
                number: number + 1,
                step_size: f64::NAN,
                ..Chain::default()
            };
            let mut outputs = Stream::new(settings.seed, Purpose::Output, number as u32);
            for (draw, &member) in members.iter().enumerate() {
                let (run, particle) = particles[member];
                let position = found.replicates[run].posterior.position(particle);
                let lp =
                    evaluator.log_density_gradient(position, &posterior, &mut gradient, &mut parts);
                outputs.at(draw as u64);
                evaluator.outputs(position, &mut outputs, &mut row);
                chain.values.extend_from_slice(&row);
                chain.positions.extend_from_slice(position);
                chain.log_likelihoods.push(parts.likelihood);
                chain.statistics.push(DrawStatistics {
                    lp,
                    acceptance_rate: f64::NAN,
                    step_size: f64::NAN,
                    energy: f64::NAN,
                    ..DrawStatistics::default()
                });
            }
            chain.sampling_seconds = found.time.as_secs_f64() / settings.chains as f64;
            chain
        };
        chosen
            .chunks(settings.draws)
            .enumerate()
            .map(&mut chain)
            .collect()
    }
}

/// The settings of the runs for as many draws as are wanted: at least one particle for each.
pub fn tempering_settings(settings: &Settings) -> EvidenceSettings {
    let default = EvidenceSettings::default();
    let states = settings
        .draws
        .div_ceil(default.ancestors)
        .max(default.states);
    EvidenceSettings {
        seed: settings.seed,
        replicates: settings.chains,
        states,
        threads: settings.threads,
        nuts: settings.clone(),
        ..default
    }
}
