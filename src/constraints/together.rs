//! All soft constraints against none. The log Bayes factor log R = log p(y | C) − log p(y) depends on how wide the prior is: the
//! wider, the more of a miracle is it that constraints and data agree at all. The **suspiciousness** takes that out (Handley
//! & Lemos 2019): log S = log R − (D(y) + D(C) − D(y, C)), D the Kullback–Leibler divergence from the prior that each
//! conditioning makes. With D = E log(density) − log(its normaliser), the normalisers fall out:
//!
//! log S = E[log L φ | y, C] − E[log L | y] − E[log φ | C].
//!
//! Where all is normal, d − 2 log S is a draw of χ² with d degrees of freedom, d the number of dimensions in which both say something:
//! that of y and that of C less that of both together, each 2 Var(log density) (Handley & Lemos 2019).

use likelier_runtime::math::special::gamma_q;
use likelier_runtime::methods::smc::Replicate;
use likelier_runtime::target::{Parts, Target};

use super::left_out::{self, FromParticles};
use super::{ConstraintReport, ConstraintsReport, Estimate, Spread, Without, is_soft, other_seed};
use crate::Model;
use crate::evidence::{Evidence, LogValue, SmcEvidence};

/// With fewer dimensions in common, there is nothing to test.
pub const LEAST_DIMENSION: f64 = 0.2;

/// What leaving out all soft constraints changes.
#[derive(Debug, Clone, Copy)]
pub struct Together {
    /// The evidence without any of them.
    pub without: Without,
    /// How well constraints and data go together, where particles tell it.
    pub suspiciousness: Option<Suspiciousness>,
}

/// How well constraints and data go together, however wide the prior is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspiciousness {
    /// log S in nats: negative where they are apart.
    pub log: LogValue,
    /// In how many dimensions both say something.
    pub dimension: f64,
    /// How probable so small a suspiciousness is where they agree; `None` where they say nothing of the same, and where the
    /// dimension exceeds that of the model, so that nothing is near normal.
    pub p: Option<f64>,
}

impl Together {
    /// Of a report on each, which may have found it already.
    pub(super) fn of(
        report: &ConstraintsReport,
        model: &Model,
        evidence: &Evidence,
        estimate: Estimate<'_>,
    ) -> Option<Self> {
        let soft: Vec<&ConstraintReport> = report.soft().collect();
        let without = match soft.as_slice() {
            [] => None,
            [only] => only.without,
            _ => all_off(model, evidence, &soft, estimate),
        }?;
        let parameters = model.compiled.model.dimension();
        let particles = evidence.smc.as_ref().zip(without.fit);
        let suspiciousness = |(smc, fit): (&SmcEvidence, Spread)| {
            Suspiciousness::of(&smc.replicates, fit, parameters)
        };
        Some(Self {
            without,
            suspiciousness: particles.map(suspiciousness),
        })
    }

    /// log R, of all against none.
    pub fn log_bayes_factor(&self) -> LogValue {
        let LogValue { value, se } = self.without.tension;
        LogValue { value: -value, se }
    }
}

fn all_off(
    model: &Model,
    evidence: &Evidence,
    soft: &[&ConstraintReport],
    estimate: Estimate<'_>,
) -> Option<Without> {
    let with = evidence.log_evidence?;
    let constraints = model.compiled.constraints.iter().enumerate();
    let places: Vec<usize> = constraints
        .filter(|(_, one)| is_soft(one))
        .map(|(place, _)| place)
        .collect();
    if let Some(found) = FromParticles::of(model, evidence, &places) {
        return Some(found.without(with));
    }
    let names = soft.iter().map(|one| one.name.as_str());
    let without = left_out::without(model, names).ok()?;
    let found = estimate(&without, &other_seed(&evidence.settings, 0)).ok()?;
    left_out::by_run(&found, with)
}

impl Suspiciousness {
    /// Of the runs with all constraints and the log likelihood without any.
    fn of(runs: &[Replicate], of_data: Spread, parameters: usize) -> Self {
        let before = runs.iter().map(|run| &run.constrained_prior);
        let after = runs.iter().map(|run| &run.posterior);
        let of_constraints = Spread::of_particles(before, Parts::soft_sum);
        let of_both = Spread::of_particles(after, |parts| parts.likelihood + parts.soft_sum());
        let log = LogValue {
            value: of_both.mean - of_data.mean - of_constraints.mean,
            se: of_both.se.hypot(of_data.se).hypot(of_constraints.se),
        };
        let variances = of_data.sd.powi(2) + of_constraints.sd.powi(2) - of_both.sd.powi(2);
        let dimension = 2.0 * variances;
        let tested = LEAST_DIMENSION..=parameters as f64 + LEAST_DIMENSION;
        let squares = (dimension - 2.0 * log.value).max(0.0);
        let p = || gamma_q(dimension / 2.0, squares / 2.0);
        Self {
            log,
            dimension,
            p: tested.contains(&dimension).then(p),
        }
    }
}
