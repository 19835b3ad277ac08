//! Evidence as text and as JSON. The number comes first, then how it was found, then what it is made of, then what to do
//! if there is none.

use serde_json::{Map, Value, json};

use super::columns::{INDENT, columns, head};
use super::constraints::{constraints_value, together_value};
use super::digits::{Style, seconds};
use super::rows::rows_value;
use super::{RunInfo, VERSION, document_text};
use crate::constraints::ConstraintsReport;
use crate::evidence::{BridgeEvidence, Evidence, LogValue, SmcEvidence, Verdict};
use crate::prequential::{Prequential, Reordered};

/// Breaks a sentence at spaces into lines of at most `width` characters.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

/// A titled paragraph, eleven columns in.
pub fn paragraph(title: &str, text: &str) -> String {
    format!("{title:<11}{}\n", wrap(text, 88).join("\n           "))
}

/// `-31.31 ± 0.02`
pub fn with_error(value: LogValue) -> String {
    let style = Style::new(value.se, value.value.abs());
    match value.se {
        0.0 => format!("{:.4}", value.value),
        se => format!(
            "{} ± {}",
            style.format(value.value),
            style.finer(1).format(se)
        ),
    }
}

/// A value in nats, in bits.
pub fn bits(value: LogValue) -> LogValue {
    LogValue {
        value: value.value / std::f64::consts::LN_2,
        se: value.se / std::f64::consts::LN_2,
    }
}

/// The paragraphs of the screen.
pub fn evidence_text(evidence: &Evidence, show_stages: bool) -> String {
    let mut text = String::new();
    match evidence.log_evidence {
        Some(value) => text.push_str(&paragraph(
            "Evidence",
            &format!(
                "log p(y) = {} nats, {} bits",
                with_error(value),
                with_error(bits(value))
            ),
        )),
        None => text.push_str(&paragraph(
            "Evidence",
            "unreliable: no number can be vouched for; both estimates are below, and what speaks against them",
        )),
    }
    text.push_str(&estimators(evidence));
    text.push_str(&paragraph("Verdict", &verdict(evidence)));
    if let Some(soft) = evidence
        .log_z_soft
        .filter(|soft| soft.value != 0.0 || soft.se != 0.0)
    {
        let joint = evidence.log_z_joint.unwrap_or(LogValue {
            value: f64::NAN,
            se: f64::NAN,
        });
        text.push_str(&paragraph(
            "Given C",
            &format!(
                "log P(C) = {}, log P(y, C) = {}, where C is that all constraints hold; the evidence log p(y | C) is their difference",
                with_error(soft),
                with_error(joint)
            ),
        ));
    }
    if let (Some(value), Some(fit)) = (evidence.log_evidence, evidence.fit) {
        let complexity = LogValue {
            value: fit.value - value.value,
            se: fit.se.hypot(value.se),
        };
        text.push_str(&paragraph(
            "Account",
            &format!(
                "fit {} (mean log likelihood over the posterior) minus complexity {} (divergence of the posterior from the prior)",
                with_error(fit),
                with_error(complexity)
            ),
        ));
    }
    if !evidence.factors.is_empty() {
        text.push_str(&paragraph(
            "Relative",
            &format!(
                "the model has a `factor`, which need not be a density of the data; the evidence counts relative to it ({})",
                evidence.factors.join("; ")
            ),
        ));
    }
    for (rank, note) in evidence.notes.iter().enumerate() {
        text.push_str(&paragraph(if rank == 0 { "Note" } else { "" }, note));
    }
    if show_stages && let Some(smc) = &evidence.smc {
        text.push_str(&stages(smc));
    }
    text
}

fn estimators(evidence: &Evidence) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: LogValue, how: String| {
        text.push_str(&format!(
            "           {name:<8}{:<17} {how}\n",
            with_error(value)
        ));
    };
    if let Some(smc) = &evidence.smc {
        let value = LogValue {
            value: smc.evidence.log,
            se: smc.evidence.error,
        };
        let stages = smc
            .replicates
            .iter()
            .map(|r| r.stages.len())
            .max()
            .unwrap_or(0);
        let settings = &evidence.settings;
        line(
            "SMC",
            value,
            format!(
                "{} runs of {} particles, {stages} stages, {}",
                smc.replicates.len(),
                settings.ancestors * settings.states,
                seconds(smc.time.as_secs_f64())
            ),
        );
    }
    if let Some(bridge) = &evidence.bridge {
        let settings = &evidence.settings.nuts;
        line(
            "Bridge",
            bridge.evidence,
            format!(
                "from {} chains of {} draws, {}",
                settings.chains,
                settings.draws,
                seconds(bridge.time.as_secs_f64())
            ),
        );
    }
    text
}

fn verdict(evidence: &Evidence) -> String {
    let rounds = match evidence.escalations {
        0 => String::new(),
        1 => ", after everything was made longer once".to_owned(),
        n => format!(", after everything was made longer {n} times"),
    };
    match evidence.verdict {
        Verdict::Agree => format!(
            "agree: two independent methods, {:.1} combined standard errors apart{rounds}",
            evidence.distance.unwrap_or(0.0)
        ),
        Verdict::Single => format!("single: one method, sound by its own diagnostics{rounds}"),
        Verdict::Unreliable => format!("unreliable{rounds}"),
        Verdict::Exact => "exact: nothing is left to integrate numerically".to_owned(),
    }
}

/// The stages of the first run.
fn stages(smc: &SmcEvidence) -> String {
    let Some(first) = smc.replicates.first() else {
        return String::new();
    };
    let is_constrained = first.stages.iter().any(|s| s.likelihood == 0.0);
    let mut text = "\nStages of the first run\n".to_owned();
    let mut rows = vec![head(&[
        "",
        "constraints",
        "likelihood",
        "ESS",
        "log mean weight",
        "ancestors",
        "accept",
        "jump",
        "step size",
    ])];
    rows.extend(first.stages.iter().enumerate().map(|(number, stage)| {
        vec![
            (number + 1).to_string(),
            format!("{:.3e}", stage.soft),
            format!("{:.3e}", stage.likelihood),
            format!("{:.0}", stage.effective),
            format!("{:.3}", stage.log_increment),
            stage.ancestors.to_string(),
            format!("{:.2}", stage.acceptance),
            format!("{:.2}", stage.jump),
            format!("{:.3}", stage.step_size),
        ]
    }));
    if !is_constrained {
        rows.iter_mut().for_each(|row| drop(row.remove(1)));
    }
    text.push_str(&columns(&rows, INDENT));
    text
}

/// The evidence that the draws of a run give for nothing: one estimate, of one method, or why there is none.
pub struct ByProduct(Result<Estimate, String>);

struct Estimate {
    method: &'static str,
    value: LogValue,
    doubts: Vec<String>,
    estimator: Value,
}

impl ByProduct {
    /// From draws of chains.
    pub fn bridge(bridge: &BridgeEvidence) -> Self {
        Self(Ok(Estimate {
            method: "bridge",
            value: bridge.evidence,
            doubts: bridge.doubts.clone(),
            estimator: bridge_value(bridge),
        }))
    }

    /// From tempering.
    pub fn smc(smc: &SmcEvidence) -> Self {
        Self(Ok(Estimate {
            method: "smc",
            value: LogValue {
                value: smc.evidence.log,
                se: smc.evidence.error,
            },
            doubts: smc.doubts.clone(),
            estimator: smc_value(smc),
        }))
    }

    /// None, for a reason.
    pub fn none(reason: String) -> Self {
        Self(Err(reason))
    }

    /// The paragraph of the screen.
    pub fn text(&self) -> String {
        let text = match &self.0 {
            Ok(found) if found.doubts.is_empty() => format!(
                "log p(y) = {} nats, {} bits; a single estimate ({}), `likelier evidence` checks it by another",
                with_error(found.value),
                with_error(bits(found.value)),
                found.method
            ),
            Ok(_) => {
                "the draws give no reliable estimate; `likelier evidence` tries harder".to_owned()
            }
            Err(reason) => format!("not estimated: {reason}"),
        };
        paragraph("Evidence", &text)
    }

    /// Its entry of the summary; `log_evidence` is null where something speaks against it, and `reason` says what.
    pub fn value(&self) -> Value {
        let mut estimators = Map::new();
        let (verdict, sound, reason) = match &self.0 {
            Ok(found) => {
                estimators.insert(found.method.to_owned(), found.estimator.clone());
                let sound = found.doubts.is_empty().then_some(found.value);
                match sound {
                    Some(_) => ("single", sound, None),
                    None => ("unreliable", None, Some(found.doubts.join("; "))),
                }
            }
            Err(reason) => ("none", None, Some(reason.clone())),
        };
        json!({
            "verdict": verdict,
            "log_evidence": sound.map(|found| found.value),
            "se": sound.map(|found| found.se),
            "reason": reason,
            "estimators": estimators,
        })
    }
}

/// The document of `--json`, with a final line break.
pub fn evidence_json(
    info: &RunInfo,
    evidence: &Evidence,
    report: &ConstraintsReport,
    by_rows: Option<(&Prequential, &[Reordered])>,
) -> String {
    let mut value = evidence_value(info, evidence);
    if let Some((found, orders)) = by_rows {
        value["by_rows"] = rows_value(found, orders);
    }
    if !report.each.is_empty() {
        value["constraints"] = constraints_value(report);
        value["constraints_together"] = together_value(report);
    }
    document_text(&value)
}

/// The same as a value.
pub fn evidence_value(info: &RunInfo, evidence: &Evidence) -> Value {
    let mut estimators = Map::new();
    if let Some(smc) = &evidence.smc {
        estimators.insert("smc".to_owned(), smc_value(smc));
    }
    if let Some(bridge) = &evidence.bridge {
        estimators.insert("bridge".to_owned(), bridge_value(bridge));
    }
    let mut settings = json!(evidence.settings);
    settings["cpu"] = info.cpu.clone().into();
    let value = |value: Option<LogValue>| value.map_or(Value::Null, |v| json!(v.value));
    let complexity = evidence.fit.zip(evidence.log_evidence).map(
        |(fit, value)| json!({ "value": fit.value - value.value, "se": fit.se.hypot(value.se) }),
    );
    json!({
        "format": "likelier-evidence",
        "format_version": 1,
        "version": VERSION,
        "model": info.model,
        "data": info.data,
        "log_evidence": value(evidence.log_evidence),
        "se": evidence.log_evidence.map(|v| v.se),
        "bits": evidence.log_evidence.map(|v| bits(v).value),
        "verdict": evidence.verdict,
        "estimators": estimators,
        "distance": evidence.distance,
        "log_z_soft": value(evidence.log_z_soft),
        "log_z_soft_se": evidence.log_z_soft.map(|v| v.se),
        "log_z_joint": value(evidence.log_z_joint),
        "log_z_joint_se": evidence.log_z_joint.map(|v| v.se),
        "fit": evidence.fit,
        "complexity": complexity,
        "relative_to": evidence.factors,
        "escalations": evidence.escalations,
        "notes": evidence.notes,
        "settings": settings,
        "timings": { "compile_seconds": info.compile_seconds, "total_seconds": info.compile_seconds + evidence.time.as_secs_f64() },
    })
}

fn smc_value(smc: &SmcEvidence) -> Value {
    let replicates: Vec<Value> = smc
        .replicates
        .iter()
        .map(|r| {
            json!({
                "log_evidence": r.evidence.log,
                "se": r.evidence.relative_variance.sqrt(),
                "log_z_soft": r.soft.log,
                "prior_draws": r.prior_draws.0,
                "stages": r.stages.iter().map(|s| json!({
                    "soft": s.soft, "likelihood": s.likelihood, "ess": s.effective,
                    "log_increment": s.log_increment, "relative_variance": s.relative_variance,
                    "largest_weight": s.largest_weight, "ancestors": s.ancestors,
                    "acceptance_rate": s.acceptance, "jump": s.jump, "step_size": s.step_size,
                })).collect::<Vec<Value>>(),
            })
        })
        .collect();
    json!({
        "log_evidence": smc.evidence.log,
        "se": smc.evidence.error,
        "se_of_replicates": smc.evidence.error_of_replicates,
        "se_of_runs": smc.evidence.error_of_runs,
        "log_z_soft": smc.soft.log,
        "log_z_soft_se": smc.soft.error,
        "log_z_joint": smc.joint.log,
        "log_z_joint_se": smc.joint.error,
        "doubts": smc.doubts,
        "evaluations": smc.evaluations(),
        "seconds": smc.time.as_secs_f64(),
        "replicates": replicates,
    })
}

fn bridge_value(bridge: &BridgeEvidence) -> Value {
    json!({
        "log_evidence": bridge.evidence.value,
        "se": bridge.evidence.se,
        "log_z_soft": bridge.soft.value,
        "log_z_soft_se": bridge.soft.se,
        "log_z_joint": bridge.joint.log,
        "log_z_joint_se": bridge.joint.error,
        "halves": bridge.joint.halves,
        "k_hat": bridge.joint.shape,
        "overlap": bridge.joint.overlap,
        "rhat": bridge.joint.rhat,
        "doubts": bridge.doubts,
        "evaluations": bridge.evaluations,
        "seconds": bridge.time.as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_estimated_has_a_reason() {
        let none = ByProduct::none("the model has constraints".to_owned());
        assert_eq!(
            none.text(),
            "Evidence   not estimated: the model has constraints\n"
        );
        let value = none.value();
        assert_eq!(value["verdict"], "none");
        assert_eq!(value["reason"], "the model has constraints");
        assert!(value["log_evidence"].is_null() && value["se"].is_null());
    }

    #[test]
    fn sentences_are_broken_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), [""]);
        assert_eq!(wrap("extraordinarily long", 5), ["extraordinarily", "long"]);
    }

    #[test]
    fn errors_end_the_figure() {
        let value = LogValue {
            value: -31.31134,
            se: 0.021,
        };
        assert_eq!(with_error(value), "-31.31 ± 0.021");
        assert_eq!(with_error(bits(value)), "-45.17 ± 0.030");
    }
}
