//! What can be made of the estimates: what speaks against each, whether they agree, and which number, if any, is given.

use std::time::Duration;

use likelier_runtime::methods::bridge;
use likelier_runtime::methods::smc::{self, Combined, Replicate};

use super::{
    BridgeEvidence, Estimators, Evidence, EvidenceSettings, FARTHEST, FLOOR, LogValue, SmcEvidence,
    Verdict,
};
use crate::posterior::Posterior;

/// Standard errors above this make no answer.
const LARGEST_ERROR: f64 = 0.5;
/// Below this scaled squared jump, moves do not even cross one of several modes.
const LEAST_JUMP: f64 = 0.02;
/// More stages than this mean a prior very far from the posterior.
const MOST_STAGES: usize = 200;
/// R-hat above this means that chains went to different places.
const LARGEST_RHAT: f64 = 1.05;

/// What speaks against a bridge from these chains.
pub(super) fn doubts_of_chains(posterior: &Posterior, joint: &bridge::Estimate) -> Vec<String> {
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
    // A trajectory that leaves what is possible ends like a divergent one, and that is no sign of draws that miss something.
    let impossible: usize = posterior.chains.iter().map(|c| c.impossible).sum();
    let diverged = health.divergences.saturating_sub(impossible);
    if diverged * 100 > draws {
        doubts.push(format!("{diverged} of {draws} draws diverged"));
    }
    doubts
}

/// What speaks against particles whose smallest scaled squared jump is this.
pub(crate) fn doubt_of_moves(jump: f64) -> Option<String> {
    (jump < LEAST_JUMP).then(|| {
        format!(
            "the particles hardly move at some stage (squared jump {jump:.2} of what independent draws would make, {LEAST_JUMP} is wanted)"
        )
    })
}

/// What speaks against runs that are farther from each other than their own errors say.
pub(crate) fn doubt_of_scatter(found: &Combined) -> Option<String> {
    let scatter = found.error_of_replicates;
    (scatter > 4.0 * found.error_of_runs.max(FLOOR)).then(|| {
        format!(
            "the runs scatter more ({scatter:.2} nats) than each admits ({:.2})",
            found.error_of_runs
        )
    })
}

impl SmcEvidence {
    pub(super) fn of(
        replicates: Vec<Replicate>,
        settings: &EvidenceSettings,
        time: Duration,
    ) -> Self {
        let evidence = smc::combine(replicates.iter().map(|r| r.evidence));
        let soft = smc::combine(replicates.iter().map(|r| r.soft));
        let joint = smc::combine(replicates.iter().map(|r| smc::Estimate {
            log: r.evidence.log + r.soft.log,
            relative_variance: r.evidence.relative_variance + r.soft.relative_variance,
        }));
        let particles = (settings.ancestors * settings.states) as f64;
        let stages = || replicates.iter().flat_map(|r| &r.stages);
        let jump = stages().map(|s| s.jump).fold(f64::INFINITY, f64::min);
        let mut doubts: Vec<String> = doubt_of_moves(jump).into_iter().collect();
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
        doubts.extend(
            doubt_of_scatter(&evidence)
                .map(|doubt| format!("{doubt}: they see different parts of the posterior")),
        );
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
    pub(super) fn empty(settings: &EvidenceSettings) -> Self {
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
    pub(super) fn is_split(&self) -> bool {
        self.bridge
            .as_ref()
            .is_some_and(|bridge| bridge.joint.rhat > 1.3)
    }

    /// The verdict on what the estimators found.
    pub(super) fn judge(
        smc: Option<SmcEvidence>,
        bridge: Option<BridgeEvidence>,
        estimators: Estimators,
        settings: &EvidenceSettings,
    ) -> Self {
        let mut evidence = Evidence::empty(settings);
        let is_precise = |value: LogValue| value.se <= LARGEST_ERROR && value.value.is_finite();
        let sound_smc = smc
            .as_ref()
            .is_some_and(|smc| smc.doubts.is_empty() && is_precise(smc.evidence.into()));
        let sound_bridge = bridge
            .as_ref()
            .is_some_and(|bridge| bridge.doubts.is_empty() && is_precise(bridge.evidence));
        if let (Some(smc), Some(bridge)) = (&smc, &bridge) {
            let (a, b) = (LogValue::from(smc.evidence), bridge.evidence);
            let distance = a.distance(b);
            evidence.distance = Some(distance);
            if sound_smc && sound_bridge && distance <= FARTHEST {
                evidence.verdict = Verdict::Agree;
                evidence.log_evidence = Some(pooled(a, b));
                evidence.log_z_soft = Some(match smc.soft.error {
                    0.0 => smc.soft.into(),
                    _ => pooled(smc.soft.into(), bridge.soft),
                });
                evidence.log_z_joint = Some(pooled(smc.joint.into(), (&bridge.joint).into()));
                evidence.fit = Some(pooled(smc.log_likelihood, bridge.log_likelihood));
            } else {
                evidence.notes.extend(disagreement(smc, bridge, distance));
            }
        } else if estimators == Estimators::Smc && sound_smc {
            let smc = smc.as_ref().expect("it is sound");
            evidence.verdict = Verdict::Single;
            evidence.log_evidence = Some(smc.evidence.into());
            evidence.log_z_soft = Some(smc.soft.into());
            evidence.log_z_joint = Some(smc.joint.into());
            evidence.fit = Some(smc.log_likelihood);
        } else if estimators == Estimators::Bridge && sound_bridge {
            let bridge = bridge.as_ref().expect("it is sound");
            evidence.verdict = Verdict::Single;
            evidence.log_evidence = Some(bridge.evidence);
            evidence.log_z_soft = Some(bridge.soft);
            evidence.log_z_joint = Some((&bridge.joint).into());
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
                    .extend(doubts.chain(wide("SMC", smc.evidence.into())));
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
        let of_smc = smc.iter().flat_map(|smc| smc.remarks.clone());
        let of_bridge = bridge.iter().flat_map(|bridge| bridge.remarks.clone());
        evidence.notes.extend(of_smc.chain(of_bridge));
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
