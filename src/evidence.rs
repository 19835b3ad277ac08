//! The evidence of a model: the log marginal likelihood by two methods that share neither draws nor arithmetic, tempering
//! (SMC) and bridge sampling, and one verdict on them. A number is given only when both methods are sound by their own
//! diagnostics and agree within their errors; otherwise they run longer, and if that does not settle it, both numbers
//! are shown and none is recommended.
//!
//! `estimate.rs` runs the methods, `verdict.rs` says what can be made of their results.

mod estimate;
mod verdict;

use std::time::Duration;

use likelier_compiler::Coordinates;
use likelier_runtime::methods::bridge::{self, Proposal};
use likelier_runtime::methods::smc::{self, Combined, Replicate};
use likelier_runtime::parts::resampling::Resampling;
use serde::Serialize;

use crate::Error;
use crate::posterior::Posterior;
use crate::sampling::{Control, Settings, within};

pub(crate) use estimate::failure;
pub use likelier_runtime::methods::smc::{Progress, Watch};
pub(crate) use verdict::{doubt_of_moves, doubt_of_scatter};

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
    /// Whether every SMC run is repeated on the path that it found, which makes its estimate of p(y) unbiased.
    pub freeze: bool,
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
            freeze: false,
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
        within("replicates", self.replicates, 1, 1000)?;
        within("ancestors", self.ancestors, 4, 100_000)?;
        within("states", self.states, 1, 100_000)?;
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

    pub(crate) fn smc(&self, round: usize) -> smc::Settings {
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

/// Standard errors below this are not believed when two estimates of one number are compared.
pub(crate) const FLOOR: f64 = 0.02;
/// Two estimates of one number that are farther apart than this disagree.
pub(crate) const FARTHEST: f64 = 3.0;

impl LogValue {
    /// The difference of two estimates over their combined standard error, each at least [`FLOOR`].
    pub(crate) fn distance(self, other: Self) -> f64 {
        (self.value - other.value).abs() / self.se.max(FLOOR).hypot(other.se.max(FLOOR))
    }
}

impl From<Combined> for LogValue {
    fn from(combined: Combined) -> Self {
        Self {
            value: combined.log,
            se: combined.error,
        }
    }
}

impl From<&bridge::Estimate> for LogValue {
    fn from(estimate: &bridge::Estimate) -> Self {
        Self {
            value: estimate.log,
            se: estimate.error,
        }
    }
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
    /// The draws that it was made of, and the coordinates of their positions, where they were made for it.
    pub draws: Option<(Posterior, Coordinates)>,
    /// What speaks against it; empty when nothing does.
    pub doubts: Vec<String>,
    /// What else is remarkable.
    pub remarks: Vec<String>,
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

impl Evidence {
    /// The draws of the bridge, and the coordinates of their positions; they are gone afterwards.
    pub fn take_draws(&mut self) -> Option<(Posterior, Coordinates)> {
        self.bridge.as_mut()?.draws.take()
    }
}

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
