//! The evidence of a model: the log marginal likelihood by two methods that share neither draws nor arithmetic, tempering
//! (SMC) and bridge sampling, and one verdict on them. A number is given only when both methods are sound by their own
//! diagnostics and agree within their errors; otherwise they run longer, and if that does not settle it, both numbers
//! are shown and none is recommended.

use std::time::{Duration, Instant};

use likelier_compiler::Compiled;
use likelier_compiler::ConstraintKind;
use likelier_runtime::methods::bridge::{self, Proposal};
use likelier_runtime::methods::smc::{self, Combined, Failure, Replicate};
use likelier_runtime::parts::resampling::Resampling;
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::run;
use likelier_runtime::target::{Parts, Target, Weights};
use serde::Serialize;

use crate::posterior::{Chain, Posterior};
use crate::sampling::{self, Control, Settings};
use crate::{Error, Model};

pub use likelier_runtime::methods::smc::{Progress, Watch};

/// Which estimators run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Estimators {
    /// Both, and they must agree.
    Both,
    /// Tempering alone.
    Smc,
    /// Bridge sampling alone.
    Bridge,
}

/// How to estimate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvidenceSettings {
    /// Which estimators run.
    pub estimators: Estimators,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Independent SMC runs.
    pub replicates: usize,
    /// Ancestors of each stage.
    pub ancestors: usize,
    /// States of the chain that each ancestor begins; their product is the number of particles.
    pub states: usize,
    /// How often everything is made longer when the estimators do not agree.
    pub escalations: usize,
    /// How ancestors are chosen.
    #[serde(serialize_with = "lowercase")]
    pub resampling: Resampling,
    /// The proposal of bridge sampling.
    #[serde(serialize_with = "lowercase")]
    pub proposal: Proposal,
    /// The chains that bridge sampling starts from.
    pub nuts: Settings,
    /// Threads; `None` means as many as are useful. Numbers do not depend on it.
    #[serde(skip)]
    pub threads: Option<usize>,
}

fn lowercase<T: std::fmt::Debug, S: serde::Serializer>(
    value: &T,
    out: S,
) -> Result<S::Ok, S::Error> {
    out.serialize_str(&format!("{value:?}").to_lowercase())
}

impl Default for EvidenceSettings {
    fn default() -> Self {
        let smc = smc::Settings::default();
        Self {
            estimators: Estimators::Both,
            seed: 1,
            replicates: smc.replicates,
            ancestors: smc.chains,
            states: smc.length,
            escalations: 3,
            resampling: smc.resampling,
            proposal: Proposal::Warp,
            nuts: Settings::default(),
            threads: None,
        }
    }
}

impl EvidenceSettings {
    /// Whether an estimate with these settings makes sense.
    ///
    /// # Errors
    /// [`Error::Settings`] naming the first setting that does not.
    pub fn check(&self) -> Result<(), Error> {
        self.nuts.check()?;
        let within = |what: &str, value: usize, low: usize, high: usize| match value {
            value if (low..=high).contains(&value) => Ok(()),
            value => Err(Error::Settings(format!(
                "the number of {what} must lie between {low} and {high}, not {value}"
            ))),
        };
        within("replicates", self.replicates, 1, 1000)?;
        within("ancestors", self.ancestors, 4, 100_000)?;
        within("states", self.states, 2, 100_000)?;
        within("escalations", self.escalations, 0, 8)
    }

    /// The settings of a later round: twice as many ancestors and draws each time, on other random numbers.
    fn of_round(&self, round: usize) -> Self {
        let factor = 1 << round;
        Self {
            ancestors: self.ancestors * factor,
            nuts: Settings {
                draws: self.nuts.draws * factor,
                // Seeds are mixed before use; an addition suffices to make other streams.
                seed: self.nuts.seed.wrapping_add(round as u64 * 0x9e37_79b9),
                threads: self.threads,
                ..self.nuts.clone()
            },
            ..self.clone()
        }
    }

    fn smc(&self, round: usize) -> smc::Settings {
        smc::Settings {
            seed: self.seed,
            replicates: self.replicates,
            first_replicate: round * self.replicates,
            chains: self.ancestors,
            length: self.states,
            resampling: self.resampling,
            threads: self.threads,
            ..smc::Settings::default()
        }
    }
}

/// What is known of the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Two sound estimates agree.
    Agree,
    /// One sound estimate, and no other.
    Single,
    /// No number can be vouched for.
    Unreliable,
    /// No sampling was needed.
    Exact,
}

/// A logarithm with its standard error, in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LogValue {
    /// The logarithm.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
}

/// What tempering found.
#[derive(Debug, Clone)]
pub struct SmcEvidence {
    /// log p(y | constraints).
    pub evidence: Combined,
    /// log ∫ prior × constraints; zero without constraints.
    pub soft: Combined,
    /// log ∫ prior × constraints × likelihood.
    pub joint: Combined,
    /// Mean log likelihood over the posterior.
    pub log_likelihood: LogValue,
    /// The runs; positions are in the coordinates of [`Model::tempered`].
    pub replicates: Vec<Replicate>,
    /// What speaks against it; empty when nothing does.
    pub doubts: Vec<String>,
    /// What else is remarkable.
    pub remarks: Vec<String>,
    /// Wall time.
    pub time: Duration,
}

/// What bridge sampling found.
#[derive(Debug, Clone)]
pub struct BridgeEvidence {
    /// log p(y | constraints).
    pub evidence: LogValue,
    /// log ∫ prior × constraints, when there are constraints.
    pub soft: LogValue,
    /// log ∫ prior × constraints × likelihood.
    pub joint: bridge::Estimate,
    /// Mean log likelihood over the posterior.
    pub log_likelihood: LogValue,
    /// What speaks against it; empty when nothing does.
    pub doubts: Vec<String>,
    /// Log densities with gradient that were computed, the chains' among them.
    pub evaluations: usize,
    /// Wall time, the chains' included.
    pub time: Duration,
}

/// The evidence with all that tells how far to trust it.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What is known.
    pub verdict: Verdict,
    /// log p(y | constraints) in nats; `None` when no number can be vouched for.
    pub log_evidence: Option<LogValue>,
    /// log ∫ prior × constraints.
    pub log_z_soft: Option<LogValue>,
    /// log ∫ prior × constraints × likelihood.
    pub log_z_joint: Option<LogValue>,
    /// Tempering.
    pub smc: Option<SmcEvidence>,
    /// Bridge sampling.
    pub bridge: Option<BridgeEvidence>,
    /// Mean log likelihood over the posterior: how well the model fits. It exceeds the log evidence by the Kullback–Leibler divergence of the
    /// posterior from the prior, the price of its complexity.
    pub fit: Option<LogValue>,
    /// |difference| of the two estimates over their combined standard error.
    pub distance: Option<f64>,
    /// How often everything was made longer.
    pub escalations: usize,
    /// What a reader should know, in sentences.
    pub notes: Vec<String>,
    /// `factor` statements, to which the evidence is relative.
    pub factors: Vec<String>,
    /// The settings of the last round.
    pub settings: EvidenceSettings,
    /// Wall time of everything.
    pub time: Duration,
}

/// Standard errors below this are not believed when two estimates are compared.
const FLOOR: f64 = 0.02;
/// Distances above this are disagreement.
const FARTHEST: f64 = 3.0;
/// Standard errors above this make no answer.
const LARGEST_ERROR: f64 = 0.5;
/// A share of a scout's particles above this, where the other runs have none, is a missed mode.
const LARGEST_NEWS: f64 = 0.03;
/// Above this dimension the proposal of bridge sampling cannot be fitted.
const BRIDGE_LIMIT: usize = 500;
/// Below this overlap of bridge and density, the tails of the ratios matter.
const LEAST_OVERLAP: f64 = 0.1;
/// Below this scaled squared jump, moves do not even cross one of several modes.
const LEAST_JUMP: f64 = 0.02;
/// More stages than this mean a prior very far from the posterior.
const MOST_STAGES: usize = 200;
/// R-hat above this means that chains went to different places.
const LARGEST_RHAT: f64 = 1.05;

/// Lets another thread watch an estimate and stop it.
pub struct EvidenceControl {
    /// Of the SMC runs.
    pub watch: Watch,
    /// Of the chains.
    pub chains: Control,
}

impl EvidenceControl {
    /// For these settings.
    pub fn new(settings: &EvidenceSettings) -> Self {
        Self {
            watch: Watch::new(settings.replicates),
            chains: Control::new(settings.nuts.chains),
        }
    }

    /// Asks everything to stop.
    pub fn stop(&self) {
        self.watch.stop();
        self.chains.stop();
    }

    /// Whether a stop was asked for.
    pub fn is_stopping(&self) -> bool {
        self.watch.is_stopping()
    }
}

impl Model {
    /// Whether evidence is defined.
    ///
    /// # Errors
    /// [`Error::Model`] with a diagnostic for each statement that makes it undefined.
    pub fn check_evidence(&self) -> Result<(), Error> {
        match self.compiled.normalisation.obstacles.as_slice() {
            [] => Ok(()),
            obstacles => Err(Error::Model(crate::error::ModelErrors {
                sources: self.sources.clone(),
                diagnostics: obstacles.to_vec(),
            })),
        }
    }

    /// Estimates the evidence.
    ///
    /// # Errors
    /// [`Error::Model`] when it is undefined, [`Error::Settings`] for settings that make no sense, [`Error::NoStart`] and
    /// [`Error::NoDraws`] as for sampling.
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
        let (estimators, reason) = self.applicable(settings.estimators)?;
        let mut round = 0;
        loop {
            let longer = settings.of_round(round);
            let smc = match estimators {
                Estimators::Bridge => None,
                _ => Some(self.smc(&longer, round, control)?),
            };
            let bridge = match estimators {
                Estimators::Smc => None,
                _ => self.bridge(&longer, control)?,
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
        let replicates = smc::run(
            &self.tempered().model,
            &settings.smc(round),
            &control.watch,
            None,
        )
        .map_err(failure)?;
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
        let new =
            smc::scout(target, &settings, &control.watch, &smc.replicates).map_err(failure)?;
        if new > LARGEST_NEWS {
            evidence.verdict = Verdict::Unreliable;
            evidence.log_evidence = None;
            evidence.log_z_joint = None;
            evidence.fit = None;
            evidence.notes.insert(0, format!(
                "A run with many more ancestors has {:.0} % of its particles where the estimates saw nothing: a mode was \
                 missed. Take more ancestors and, since chains cannot cross between modes, SMC alone: --method smc \
                 --ancestors 4096 --states 8.",
                100.0 * new
            ));
        }
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
                return Ok(self.bridge_of(compiled, &standardised, settings, start));
            }
        }
        Ok(self.bridge_of(&self.compiled, &natural, settings, start))
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
        let positions: Vec<Vec<f64>> = posterior
            .chains
            .iter()
            .map(|c| c.positions.clone())
            .collect();
        let weights = Weights::posterior(target.soft_count());
        let joint = bridge::bridge(target, &weights, &positions, &bridge_settings)?;
        let (soft, soft_doubt) = self.constraint_bridge(settings, &bridge_settings)?;
        let mut doubts = doubts_of_chains(posterior, &joint, self.is_cut_off());
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
            doubts,
            evaluations: joint.evaluations + posterior.chains.iter().map(steps).sum::<usize>(),
            joint,
            time: start.elapsed(),
        })
    }

    /// Whether there are positions that a hard constraint forbids.
    fn is_cut_off(&self) -> bool {
        let mut constraints = self.compiled.constraints.iter();
        constraints.any(|constraint| constraint.kind == ConstraintKind::Hard)
    }

    /// The bridge estimate that the draws of a run give as a by-product, if evidence is defined and they can give one.
    pub fn bridge_by_product(&self, posterior: &Posterior) -> Option<BridgeEvidence> {
        let is_defined = self.compiled.normalisation.obstacles.is_empty();
        let dimension = self.compiled.model.dimension();
        // Constraints would need another run, of the prior with them.
        let is_constrained = self.compiled.model.soft_count() > 0;
        if !is_defined || is_constrained || !(1..=BRIDGE_LIMIT).contains(&dimension) {
            return None;
        }
        let settings = EvidenceSettings {
            seed: posterior.settings.seed,
            nuts: posterior.settings.clone(),
            threads: posterior.settings.threads,
            ..EvidenceSettings::default()
        };
        let mut found = self.bridge_of(&self.compiled, posterior, &settings, Instant::now())?;
        if posterior.health.divergences > 0 && found.doubts.is_empty() {
            found.doubts.push("some draws diverged".to_owned());
        }
        Some(found)
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
        let positions: Vec<Vec<f64>> = chains.into_iter().map(|chain| chain.positions).collect();
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
        let drawn: Vec<Vec<f64>> = positions
            .iter()
            .map(|chain| chain.chunks(width).map(&mut potential).collect())
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
        let fitted = bridge::bridge(target, &weights, &positions, bridge_settings)?;
        let doubt = (fitted.shape > 0.7 && fitted.overlap < LEAST_OVERLAP).then(|| {
            format!(
                "the bridge and the prior with its constraints overlap too little (Pareto k-hat {:.2})",
                fitted.shape
            )
        });
        Some((
            LogValue {
                value: fitted.log,
                se: fitted.error,
            },
            doubt,
        ))
    }
}

pub(crate) fn failure(failure: Failure) -> Error {
    match failure {
        Failure::Stopped => {
            Error::NoDraws("the particles had not reached the posterior".to_owned())
        }
        Failure::Impossible { tried, reason } => Error::NoStart(format!(
            "of {tried} prior draws hardly any has a positive density. {}",
            reason.unwrap_or_default()
        )),
        Failure::Stalled { soft, likelihood } => Error::NoStart(format!(
            "tempering came no further than constraints at weight {soft:.3e} and likelihood at {likelihood:.3e}: the density jumps there"
        )),
    }
}

/// What speaks against a bridge from these chains.
fn doubts_of_chains(
    posterior: &Posterior,
    joint: &bridge::Estimate,
    is_cut_off: bool,
) -> Vec<String> {
    let health = &posterior.health;
    let mut doubts = Vec::new();
    // A ratio that does not vary has no R-hat, and needs none.
    if joint.rhat > LARGEST_RHAT {
        doubts.push(format!(
            "the chains disagree (R-hat of the bridge's ratios is {})",
            likelier_runtime::diagnose::rhat_text(joint.rhat)
        ));
    }
    if joint.effective < 100.0 {
        doubts.push(format!(
            "its draws are worth only {:.0} independent ones",
            joint.effective
        ));
    }
    let draws = posterior.chains.len() * posterior.draw_count();
    // A trajectory that leaves what is allowed ends like a divergent one, and that is no sign of a wrong density.
    if !is_cut_off && health.divergences * 100 > draws {
        doubts.push(format!("{} of {draws} draws diverged", health.divergences));
    }
    doubts
}

impl SmcEvidence {
    fn of(replicates: Vec<Replicate>, settings: &EvidenceSettings, time: Duration) -> Self {
        let evidence = smc::combine(replicates.iter().map(|r| r.evidence));
        let soft = smc::combine(replicates.iter().map(|r| r.soft));
        let joint = smc::combine(replicates.iter().map(|r| smc::Estimate {
            log: r.evidence.log + r.soft.log,
            relative_variance: r.evidence.relative_variance + r.soft.relative_variance,
        }));
        let particles = (settings.ancestors * settings.states) as f64;
        let stages = || replicates.iter().flat_map(|r| &r.stages);
        let mut doubts = Vec::new();
        let jump = stages().map(|s| s.jump).fold(f64::INFINITY, f64::min);
        if jump < LEAST_JUMP {
            doubts.push(format!(
                "the particles hardly move at some stage (squared jump {jump:.2} of what independent draws would make, {LEAST_JUMP} is wanted)"
            ));
        }
        let mut remarks = Vec::new();
        let longest = replicates.iter().map(|r| r.stages.len()).max().unwrap_or(0);
        if longest > MOST_STAGES {
            remarks.push(format!(
                "The path from prior to posterior took {longest} stages: the prior is very far from the posterior."
            ));
        }
        if stages().any(|s| s.effective < 0.1 * particles) {
            doubts.push("at some stage fewer than a tenth of the particles count".to_owned());
        }
        let fewest = replicates
            .iter()
            .map(|r| r.prior_draws.1 as f64 / r.prior_draws.0.max(1) as f64)
            .fold(1.0, f64::min);
        if fewest < 1e-3 {
            doubts.push(format!(
                "only {:.2} % of prior draws satisfy the hard constraints",
                100.0 * fewest
            ));
        }
        let scatter = evidence.error_of_replicates;
        if scatter > 4.0 * evidence.error_of_runs.max(FLOOR) {
            doubts.push(format!(
                "the runs scatter more ({scatter:.2} nats) than each admits ({:.2}): they see different parts of the posterior",
                evidence.error_of_runs
            ));
        }
        let means: Vec<f64> = replicates
            .iter()
            .map(|r| {
                let sum: f64 = r.posterior.parts.iter().map(|p| p.likelihood).sum();
                sum / r.posterior.count() as f64
            })
            .collect();
        let by_chain: Vec<Vec<f64>> = replicates
            .iter()
            .flat_map(|r| r.posterior.by_chain(|parts| parts.likelihood))
            .collect();
        let summary = likelier_runtime::diagnose::summarise(&by_chain);
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        Self {
            evidence,
            soft,
            joint,
            log_likelihood: LogValue {
                value: mean,
                se: summary.mcse_mean,
            },
            replicates,
            doubts,
            remarks,
            time,
        }
    }

    /// Log densities with gradient that were computed.
    pub fn evaluations(&self) -> usize {
        self.replicates.iter().map(|r| r.evaluations).sum()
    }

    fn value(&self) -> LogValue {
        LogValue {
            value: self.evidence.log,
            se: self.evidence.error,
        }
    }
}

/// The mean of two values by their precisions.
fn pooled(a: LogValue, b: LogValue) -> LogValue {
    let floor = |se: f64| se.max(1e-6);
    let (u, v) = (1.0 / floor(a.se).powi(2), 1.0 / floor(b.se).powi(2));
    LogValue {
        value: (u * a.value + v * b.value) / (u + v),
        se: (1.0 / (u + v)).sqrt(),
    }
}

impl Evidence {
    fn empty(settings: &EvidenceSettings) -> Self {
        Self {
            verdict: Verdict::Unreliable,
            log_evidence: None,
            log_z_soft: None,
            log_z_joint: None,
            smc: None,
            bridge: None,
            fit: None,
            distance: None,
            escalations: 0,
            notes: Vec::new(),
            factors: Vec::new(),
            settings: settings.clone(),
            time: Duration::ZERO,
        }
    }

    /// Whether the chains of the bridge clearly found different modes, which longer chains will not mend.
    fn is_split(&self) -> bool {
        self.bridge
            .as_ref()
            .is_some_and(|bridge| bridge.joint.rhat > 1.3)
    }

    /// The verdict on what the estimators found.
    fn judge(
        smc: Option<SmcEvidence>,
        bridge: Option<BridgeEvidence>,
        estimators: Estimators,
        settings: &EvidenceSettings,
    ) -> Self {
        let mut evidence = Evidence::empty(settings);
        let is_precise = |value: LogValue| value.se <= LARGEST_ERROR && value.value.is_finite();
        let sound_smc = smc
            .as_ref()
            .is_some_and(|smc| smc.doubts.is_empty() && is_precise(smc.value()));
        let sound_bridge = bridge
            .as_ref()
            .is_some_and(|bridge| bridge.doubts.is_empty() && is_precise(bridge.evidence));
        if let (Some(smc), Some(bridge)) = (&smc, &bridge) {
            let (a, b) = (smc.value(), bridge.evidence);
            let distance = (a.value - b.value).abs() / a.se.max(FLOOR).hypot(b.se.max(FLOOR));
            evidence.distance = Some(distance);
            if sound_smc && sound_bridge && distance <= FARTHEST {
                let soft = LogValue {
                    value: smc.soft.log,
                    se: smc.soft.error,
                };
                let joint = LogValue {
                    value: smc.joint.log,
                    se: smc.joint.error,
                };
                let joint_bridge = LogValue {
                    value: bridge.joint.log,
                    se: bridge.joint.error,
                };
                evidence.verdict = Verdict::Agree;
                evidence.log_evidence = Some(pooled(a, b));
                evidence.log_z_soft = Some(match smc.soft.error {
                    0.0 => soft,
                    _ => pooled(soft, bridge.soft),
                });
                evidence.log_z_joint = Some(pooled(joint, joint_bridge));
                evidence.fit = Some(pooled(smc.log_likelihood, bridge.log_likelihood));
            } else {
                evidence.notes.extend(disagreement(smc, bridge, distance));
            }
        } else if estimators == Estimators::Smc && sound_smc {
            let smc = smc.as_ref().expect("it is sound");
            evidence.verdict = Verdict::Single;
            evidence.log_evidence = Some(smc.value());
            evidence.log_z_soft = Some(LogValue {
                value: smc.soft.log,
                se: smc.soft.error,
            });
            evidence.log_z_joint = Some(LogValue {
                value: smc.joint.log,
                se: smc.joint.error,
            });
            evidence.fit = Some(smc.log_likelihood);
        } else if estimators == Estimators::Bridge && sound_bridge {
            let bridge = bridge.as_ref().expect("it is sound");
            evidence.verdict = Verdict::Single;
            evidence.log_evidence = Some(bridge.evidence);
            evidence.log_z_soft = Some(bridge.soft);
            evidence.log_z_joint = Some(LogValue {
                value: bridge.joint.log,
                se: bridge.joint.error,
            });
            evidence.fit = Some(bridge.log_likelihood);
        }
        if evidence.verdict == Verdict::Unreliable {
            let wide = |name: &str, value: LogValue| {
                (!is_precise(value)).then(|| {
                    format!(
                        "{name}: the standard error is {:.2} nats, more than {LARGEST_ERROR}.",
                        value.se
                    )
                })
            };
            if let Some(smc) = &smc {
                let doubts = smc.doubts.iter().map(|doubt| format!("SMC: {doubt}."));
                evidence
                    .notes
                    .extend(doubts.chain(wide("SMC", smc.value())));
            }
            match &bridge {
                Some(bridge) => {
                    let doubts = bridge
                        .doubts
                        .iter()
                        .map(|doubt| format!("Bridge: {doubt}."));
                    evidence
                        .notes
                        .extend(doubts.chain(wide("Bridge", bridge.evidence)));
                }
                None if estimators != Estimators::Smc => {
                    evidence.notes.push(
                        "Bridge: no proposal could be fitted to the draws; take more (--draws)."
                            .to_owned(),
                    );
                }
                None => {}
            }
        }
        evidence
            .notes
            .extend(smc.iter().flat_map(|smc| smc.remarks.clone()));
        evidence.smc = smc;
        evidence.bridge = bridge;
        evidence
    }
}

/// What two estimates that do not go together mean.
fn disagreement(smc: &SmcEvidence, bridge: &BridgeEvidence, distance: f64) -> Vec<String> {
    let mut notes = Vec::new();
    if distance > FARTHEST {
        notes.push(format!(
            "The two estimates differ by {:.2} nats, {distance:.1} times their combined error.",
            (smc.evidence.log - bridge.evidence.value).abs()
        ));
    }
    let split = bridge.joint.rhat > LARGEST_RHAT;
    if split && bridge.evidence.value < smc.evidence.log {
        notes.push(
            "Chains that disagree and a bridge below SMC mean that chains missed a part of the posterior: it has several \
             modes. If SMC's runs agree with each other, `--method smc` with more ancestors is the estimate to look at."
                .to_owned(),
        );
    } else if split {
        notes.push(
            "The chains disagree: the posterior has several modes, or they are too short. Try `--method smc` with more \
             ancestors (--ancestors)."
                .to_owned(),
        );
    }
    notes
}
