//! Runs the estimators of evidence: tempering, chains and their bridge, longer ones where they do not agree, and the scout
//! before an answer.

use std::time::Instant;

use likelier_compiler::Compiled;
use likelier_runtime::methods::bridge;
use likelier_runtime::methods::scout::{self, Finding};
use likelier_runtime::methods::smc::{self, Failure};
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::run;
use likelier_runtime::target::{Parts, Target, Weights};

use super::verdict::doubts_of_chains;
use super::{
    BridgeEvidence, Estimators, Evidence, EvidenceControl, EvidenceSettings, LogValue, SmcEvidence,
    Verdict,
};
use crate::posterior::{Chain, Posterior};
use crate::sampling::{self, Control, Settings};
use crate::symmetry::{Domain, Symmetries};
use crate::{Error, Model};

/// Above this dimension the proposal of bridge sampling cannot be fitted.
const BRIDGE_LIMIT: usize = 500;
/// Below this overlap of bridge and density, the tails of the ratios matter.
const LEAST_OVERLAP: f64 = 0.1;
/// What is added to the seed for runs on a frozen path.
const FROZEN: u64 = 0x5851_f42d;

impl Model {
    /// Whether evidence is defined.
    ///
    /// # Errors
    /// [`Error::Model`] with a diagnostic for each statement that makes it undefined.
    pub fn check_evidence(&self) -> Result<(), Error> {
        match self.compiled.normalisation.obstacles.as_slice() {
            [] => Ok(()),
            obstacles => Err(Error::model(self.sources.clone(), obstacles.to_vec())),
        }
    }

    /// Estimates the evidence.
    ///
    /// # Errors
    /// [`Error::Model`] when it is undefined, [`Error::Settings`] for settings that make no sense, [`Error::NoStart`] and
    /// [`Error::NoDraws`] as for sampling, [`Error::Stopped`].
    pub fn evidence(&self, settings: &EvidenceSettings) -> Result<Evidence, Error> {
        self.evidence_watched(settings, &EvidenceControl::new(settings))
    }

    /// As [`Model::evidence`], while another thread watches or asks to stop.
    ///
    /// # Errors
    /// As [`Model::evidence`].
    pub fn evidence_watched(
        &self,
        settings: &EvidenceSettings,
        control: &EvidenceControl,
    ) -> Result<Evidence, Error> {
        settings.check()?;
        self.check_evidence()?;
        let start = Instant::now();
        let mut evidence = match self.compiled.model.dimension() {
            0 => self.exact(settings),
            _ => self.estimate(settings, control)?,
        };
        evidence
            .factors
            .clone_from(&self.compiled.normalisation.factors);
        evidence.time = start.elapsed();
        Ok(evidence)
    }

    /// Nothing is left to integrate: the density is the evidence.
    fn exact(&self, settings: &EvidenceSettings) -> Evidence {
        let target = &self.compiled.model;
        let mut parts = Parts::default();
        let weights = Weights::posterior(target.soft_count());
        target
            .evaluator()
            .log_density_gradient(&[], &weights, &mut [], &mut parts);
        let known = |value| Some(LogValue { value, se: 0.0 });
        let soft = parts.prior + parts.soft_sum();
        let mut evidence = Evidence::empty(settings);
        evidence.verdict = Verdict::Exact;
        evidence.log_evidence = known(parts.likelihood);
        evidence.log_z_soft = known(soft);
        evidence.log_z_joint = known(soft + parts.likelihood);
        evidence
    }

    fn estimate(
        &self,
        settings: &EvidenceSettings,
        control: &EvidenceControl,
    ) -> Result<Evidence, Error> {
        let (mut estimators, mut reason) = self.applicable(settings.estimators)?;
        let mut round = 0;
        loop {
            let longer = settings.of_round(round);
            let smc = match estimators {
                Estimators::Bridge => None,
                _ => Some(self.smc(&longer, round, control)?),
            };
            let bridge = match estimators {
                Estimators::Smc => None,
                _ => match self.bridge(&longer, control) {
                    Err(Error::NoStart(why)) if smc.is_some() => {
                        estimators = Estimators::Smc;
                        reason = Some(format!(
                            "Bridge sampling does not apply: no chain found a possible position to start from. {why}."
                        ));
                        None
                    }
                    found => found?,
                },
            };
            let mut evidence = Evidence::judge(smc, bridge, estimators, &longer);
            evidence.escalations = round;
            evidence.notes.extend(reason.clone());
            let is_hopeless = evidence.is_split() && round > 1;
            let settled = evidence.verdict != Verdict::Unreliable;
            let is_long = evidence
                .smc
                .as_ref()
                .is_some_and(|smc| !smc.remarks.is_empty());
            if settled && !is_long && !control.is_stopping() {
                self.scout(&mut evidence, round, control)?;
            }
            if settled || round >= settings.escalations || is_hopeless || control.is_stopping() {
                return Ok(evidence);
            }
            round += 1;
        }
    }

    /// The estimators that can run here, and why not both.
    fn applicable(&self, wanted: Estimators) -> Result<(Estimators, Option<String>), Error> {
        let undrawable = &self.compiled.normalisation.undrawable;
        let smc = match undrawable.first() {
            None => Ok(()),
            Some(name) => Err(format!(
                "Tempering does not apply: the distribution of `{name}` has no sampler, so it cannot start from the prior."
            )),
        };
        let dimension = self.compiled.model.dimension();
        let bridge = match dimension {
            0..=BRIDGE_LIMIT => Ok(()),
            _ => Err(format!(
                "Bridge sampling does not apply: its proposal cannot be fitted in {dimension} dimensions (at most {BRIDGE_LIMIT})."
            )),
        };
        let alone = |result: Result<(), String>| result.map_err(Error::Settings);
        match (wanted, smc, bridge) {
            (Estimators::Both, Ok(()), Ok(())) => Ok((Estimators::Both, None)),
            (Estimators::Both, Ok(()), Err(why)) => Ok((Estimators::Smc, Some(why))),
            (Estimators::Both, Err(why), Ok(())) => Ok((Estimators::Bridge, Some(why))),
            (Estimators::Both, Err(one), Err(other)) => {
                Err(Error::Settings(format!("{one}\n  {other}")))
            }
            (Estimators::Smc, smc, _) => alone(smc).map(|()| (Estimators::Smc, None)),
            (Estimators::Bridge, _, bridge) => alone(bridge).map(|()| (Estimators::Bridge, None)),
        }
    }

    pub(crate) fn smc(
        &self,
        settings: &EvidenceSettings,
        round: usize,
        control: &EvidenceControl,
    ) -> Result<SmcEvidence, Error> {
        let start = Instant::now();
        let target = &self.tempered().model;
        let runs = settings.smc(round);
        let mut replicates = smc::run(target, &runs, &control.watch, None).map_err(failure)?;
        if settings.freeze && !control.is_stopping() {
            let adaptive = replicates.into_iter().map(|r| (r.path, r.evaluations));
            let (paths, evaluations): (Vec<_>, Vec<_>) = adaptive.unzip();
            let frozen = smc::Settings {
                // Seeds are mixed before use; an addition suffices to make other streams.
                seed: runs.seed.wrapping_add(FROZEN),
                ..runs
            };
            replicates =
                smc::run(target, &frozen, &control.watch, Some(&paths)).map_err(failure)?;
            for (replicate, before) in replicates.iter_mut().zip(evaluations) {
                replicate.evaluations += before;
            }
        }
        Ok(SmcEvidence::of(replicates, settings, start.elapsed()))
    }

    /// Takes an answer back when a run with many more ancestors ends where SMC's runs were not.
    fn scout(
        &self,
        evidence: &mut Evidence,
        round: usize,
        control: &EvidenceControl,
    ) -> Result<(), Error> {
        let Some(smc) = &evidence.smc else {
            return Ok(());
        };
        let settings = evidence.settings.smc(round);
        let target = &self.tempered().model;
        let found = match scout::scout(target, &settings, &control.watch, &smc.replicates) {
            // Where possible prior draws are rare, there are too few for scouts.
            Err(Failure::Impossible { .. }) => return Ok(()),
            found => found.map_err(failure)?,
        };
        let finding = match found {
            None => return Ok(()),
            Some(Finding::News(share)) => format!(
                "has {:.0} % of its particles where the estimates saw nothing",
                100.0 * share
            ),
            Some(Finding::Shift(distance)) => format!(
                "finds other log likelihoods (their distribution functions differ by {:.0} %)",
                100.0 * distance
            ),
        };
        evidence.verdict = Verdict::Unreliable;
        evidence.log_evidence = None;
        evidence.log_z_joint = None;
        evidence.fit = None;
        evidence.notes.insert(0, format!(
            "A run with many more ancestors {finding}: a mode was missed, or given too little mass. Take more ancestors and, since chains \
             cannot cross between modes, SMC alone: --method smc --ancestors 32768 --states 1 --replicates 8."
        ));
        Ok(())
    }

    fn bridge(
        &self,
        settings: &EvidenceSettings,
        control: &EvidenceControl,
    ) -> Result<Option<BridgeEvidence>, Error> {
        let start = Instant::now();
        control.chains.restart();
        let once = Settings {
            retry: false,
            ..settings.nuts.clone()
        };
        let natural = sampling::sample(&self.compiled, &once, &control.chains)?;
        let divergences = natural.health.divergences;
        if divergences > 0 && !control.is_stopping() {
            // A funnel, most often, which other coordinates do not have; draws that avoid a narrow place bias the bridge.
            control.chains.restart();
            let compiled = self.tempered();
            let standardised = sampling::sample(compiled, &settings.nuts, &control.chains)?;
            if standardised.health.divergences < divergences {
                return Ok(self.bridge_with(compiled, standardised, settings, start));
            }
        }
        Ok(self.bridge_with(&self.compiled, natural, settings, start))
    }

    /// Bridge sampling that keeps its draws.
    fn bridge_with(
        &self,
        compiled: &Compiled,
        posterior: Posterior,
        settings: &EvidenceSettings,
        start: Instant,
    ) -> Option<BridgeEvidence> {
        let found = self.bridge_of(compiled, &posterior, settings, start)?;
        Some(BridgeEvidence {
            draws: Some((posterior, compiled.coordinates)),
            ..found
        })
    }

    /// Bridge sampling from draws that are at hand; `None` when it cannot be made of them.
    fn bridge_of(
        &self,
        compiled: &Compiled,
        posterior: &Posterior,
        settings: &EvidenceSettings,
        start: Instant,
    ) -> Option<BridgeEvidence> {
        let target = &compiled.model;
        let bridge_settings = bridge::Settings {
            seed: settings.nuts.seed,
            proposal: settings.proposal,
            threads: settings.threads,
        };
        let weights = Weights::posterior(target.soft_count());
        let (joint, remarks) = bridged(compiled, &weights, &posterior.chains, &bridge_settings)?;
        let (soft, soft_doubt) = self.constraint_bridge(settings, &bridge_settings)?;
        let mut doubts = doubts_of_chains(posterior, &joint);
        // Terms of the bridge are bounded, so a heavy tail harms only where most of them are far below the bound.
        if joint.shape > 0.7 && joint.overlap < LEAST_OVERLAP {
            doubts.push(format!(
                "the bridge and the posterior overlap too little (Pareto k-hat {:.2}, 0.7 or less is wanted)",
                joint.shape
            ));
        }
        doubts.extend(soft_doubt);
        let likelihoods: Vec<Vec<f64>> = posterior
            .chains
            .iter()
            .map(|c| c.log_likelihoods.clone())
            .collect();
        let summary = likelier_runtime::diagnose::summarise(&likelihoods);
        let steps = |chain: &Chain| {
            chain
                .statistics
                .iter()
                .map(|s| s.n_steps as usize)
                .sum::<usize>()
        };
        Some(BridgeEvidence {
            evidence: LogValue {
                value: joint.log - soft.value,
                se: joint.error.hypot(soft.se),
            },
            soft,
            log_likelihood: LogValue {
                value: summary.mean,
                se: summary.mcse_mean,
            },
            draws: None,
            doubts,
            remarks,
            evaluations: joint.evaluations + posterior.chains.iter().map(steps).sum::<usize>(),
            joint,
            time: start.elapsed(),
        })
    }

    /// What makes evidence undefined, with the line that does; `None` if it is defined.
    pub fn evidence_obstacle(&self) -> Option<String> {
        let obstacle = self.compiled.normalisation.obstacles.first()?;
        let message = obstacle
            .message
            .trim_start_matches("evidence is undefined: ");
        Some(match obstacle.labels.first() {
            Some(label) => {
                let (file, line) = (label.span.file, self.sources.line(label.span));
                format!("{message} ({}, line {line})", self.sources.name(file))
            }
            None => message.to_owned(),
        })
    }

    /// The bridge estimate that the draws of a run give as a by-product.
    ///
    /// # Errors
    /// Why there is none: evidence is undefined, or these draws alone cannot give it.
    pub fn bridge_by_product(&self, posterior: &Posterior) -> Result<BridgeEvidence, String> {
        if let Some(obstacle) = self.evidence_obstacle() {
            return Err(format!("it is undefined: {obstacle}"));
        }
        if self.compiled.model.soft_count() > 0 {
            return Err("the model has constraints, which need a run of the prior with them as well; `likelier evidence` makes it".to_owned());
        }
        match self.compiled.model.dimension() {
            0 => {
                return Err(
                    "nothing is left to integrate; `likelier evidence` gives it exactly".to_owned(),
                );
            }
            1..=BRIDGE_LIMIT => {}
            dimension => {
                return Err(format!(
                    "draws alone give it for at most {BRIDGE_LIMIT} parameters, and here are {dimension}; `likelier evidence` takes another way"
                ));
            }
        }
        let settings = EvidenceSettings {
            seed: posterior.settings.seed,
            nuts: posterior.settings.clone(),
            threads: posterior.settings.threads,
            ..EvidenceSettings::default()
        };
        let found = self.bridge_of(&self.compiled, posterior, &settings, Instant::now());
        let mut found = found.ok_or(
            "there are too few draws, or all of them are the same; take more draws (--draws)",
        )?;
        if posterior.health.divergences > 0 && found.doubts.is_empty() {
            found.doubts.push("some draws diverged".to_owned());
        }
        Ok(found)
    }

    /// log ∫ prior × constraints, by bridging prior draws and draws of the prior with its constraints: their density ratio is φ.
    /// Where they hardly overlap, by a proposal fitted to the latter. Also what speaks against it.
    fn constraint_bridge(
        &self,
        settings: &EvidenceSettings,
        bridge_settings: &bridge::Settings,
    ) -> Option<(LogValue, Option<String>)> {
        let target = &self.compiled.model;
        if target.soft_count() == 0 {
            return Some((
                LogValue {
                    value: 0.0,
                    se: 0.0,
                },
                None,
            ));
        }
        let seed = settings.nuts.seed.wrapping_add(0x51_7cc1);
        let chain_settings = run::Settings {
            seed,
            likelihood_weight: 0.0,
            ..sampling::runtime_settings(&settings.nuts)
        };
        let chains = run::run(
            target,
            &chain_settings,
            &Control::new(chain_settings.chains),
        )
        .ok()?;
        let chains = chains.into_iter().enumerate();
        let chains: Vec<Chain> = chains
            .map(|(rank, chain)| sampling::named(rank + 1, chain))
            .collect();
        let weights = Weights::tempered(target.soft_count(), 1.0, 0.0);
        let mut evaluator = target.evaluator();
        let mut gradient = vec![0.0; target.dimension()];
        let mut parts = Parts::default();
        let mut potential = |position: &[f64]| {
            evaluator.log_density_gradient(position, &weights, &mut gradient, &mut parts);
            match parts.prior.is_finite() && parts.jacobian.is_finite() {
                true => parts.soft_sum(),
                false => f64::NEG_INFINITY,
            }
        };
        let width = target.dimension();
        let drawn: Vec<Vec<f64>> = chains
            .iter()
            .map(|chain| chain.positions.chunks(width).map(&mut potential).collect())
            .collect();
        let count: usize = drawn.iter().map(Vec::len).sum();
        let mut stream = Stream::new(seed, Purpose::Prior, 0);
        let mut start = target.evaluator();
        let mut position = vec![0.0; width];
        let proposed: Vec<f64> = (0..count)
            .map(|number| {
                stream.at(number as u64);
                start.prior_draw(&mut stream, &mut position);
                potential(&position)
            })
            .collect();
        let effective = likelier_runtime::diagnose::effective_size(&drawn).min(count as f64);
        let direct = bridge::optimal(&drawn, &proposed, effective);
        if let Some(direct) = direct.filter(|direct| direct.overlap > LEAST_OVERLAP) {
            let se = direct.relative_variance.sqrt();
            return Some((
                LogValue {
                    value: direct.log,
                    se,
                },
                None,
            ));
        }
        let (fitted, _) = bridged(&self.compiled, &weights, &chains, bridge_settings)?;
        let doubt = (fitted.shape > 0.7 && fitted.overlap < LEAST_OVERLAP).then(|| {
            format!(
                "the bridge and the prior with its constraints overlap too little (Pareto k-hat {:.2})",
                fitted.shape
            )
        });
        Some(((&fitted).into(), doubt))
    }
}

/// The bridge from chains, with one copy of each mode where the density has several, and what is remarkable about them.
fn bridged(
    compiled: &Compiled,
    weights: &Weights,
    chains: &[Chain],
    settings: &bridge::Settings,
) -> Option<(bridge::Estimate, Vec<String>)> {
    let target = &compiled.model;
    let positions = |chains: &[Chain]| -> Vec<Vec<f64>> {
        chains.iter().map(|c| c.positions.clone()).collect()
    };
    if let Some((symmetries, chosen)) =
        Symmetries::with_one_copy(compiled, weights, chains, settings.seed)
    {
        let domain = Domain {
            target,
            symmetries: &symmetries,
        };
        let found = bridge::bridge(&domain, weights, &positions(&chosen), settings)?;
        return Some((found, symmetries.remarks(compiled)));
    }
    let found = bridge::bridge(target, weights, &positions(chains), settings)?;
    Some((found, Vec::new()))
}

pub(crate) fn failure(failure: Failure) -> Error {
    match failure {
        Failure::Stopped => {
            Error::Stopped("the particles had not reached the posterior".to_owned())
        }
        Failure::Impossible { tried, reason } => Error::NoStart(format!(
            "of {tried} prior draws hardly any has a positive density. {}",
            reason.unwrap_or_default()
        )),
        Failure::Row { place } => Error::NoStart(format!(
            "none of the particles gives the observed row at place {place} a positive density"
        )),
        Failure::Stalled { soft, likelihood } => Error::NoStart(format!(
            "tempering came no further than constraints at weight {soft:.3e} and likelihood at {likelihood:.3e}: the density jumps there"
        )),
    }
}
