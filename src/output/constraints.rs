//! The report on soft constraints as text and as JSON. A constraint is a line of numbers with a bar and a sentence below it.

use serde_json::{Map, Value, json};

use super::digits::p_value;
use super::evidence::{paragraph, with_error, wrap};
use likelier_compiler::ConstraintKind;

use crate::constraints::tilt::Tilt;
use crate::constraints::together::{LEAST_DIMENSION, Suspiciousness, Together};
use crate::constraints::{Behaviour, ConstraintReport, ConstraintsReport, Means, Spread};

/// Nats that fill a half of the bar, one a character.
const REACH: usize = 8;

/// To the right of the line in the middle, a block for each nat by which the data push against the constraint; to the
/// left, for each by which they support it.
fn bar(tension: f64) -> String {
    let nats = (tension.abs().round() as usize).min(REACH);
    let is_beyond = tension.abs() > REACH as f64 + 0.5;
    let (blocks, rest) = ("█".repeat(nats), " ".repeat(REACH - nats));
    match (tension > 0.0, is_beyond) {
        (true, true) => format!(" {}│{blocks}»", " ".repeat(REACH)),
        (true, false) => format!(" {}│{blocks}{rest} ", " ".repeat(REACH)),
        (false, true) => format!("«{blocks}│{} ", " ".repeat(REACH)),
        (false, false) => format!(" {rest}{blocks}│{} ", " ".repeat(REACH)),
    }
}

/// The paragraphs of the screen; empty without constraints.
pub fn constraints_text(report: &ConstraintsReport) -> String {
    if report.each.is_empty() {
        return String::new();
    }
    let width = report.each.iter().map(|one| label(one).chars().count());
    let width = width.max().unwrap_or(0).max(4);
    let title = match report.soft().count() == report.each.len() {
        true => "Soft",
        false => "Tension",
    };
    let mut text = format!(
        "\n{title:<11}{:<width$}  {:<19}  {:<16}{:>22}  {:>8}  {:>8}\n",
        "", "supported│ tension", "nats", "penalty before → after", "pit p", "shift p"
    );
    for one in &report.each {
        let tension = one.tension();
        text.push_str(
            format!(
                "           {:<width$}  {}  {:<16}{:>22}  {:>8}  {:>8}",
                label(one),
                tension.map_or_else(|| " ".repeat(2 * REACH + 3), |t| bar(t.value)),
                tension.map_or_else(String::new, with_error),
                penalties(one),
                probability(one.pit_p),
                probability(one.shift_p)
            )
            .trim_end(),
        );
        for line in wrap(&one.verdict(), 86) {
            text.push_str(&format!("\n             {line}"));
        }
        text.push('\n');
    }
    if let Some(means) = means(report) {
        text.push_str(&paragraph("Left out", &means));
    }
    if let Some(together) = &report.together {
        if report.soft().count() > 1 {
            let factor = with_error(together.log_bayes_factor());
            text.push_str(&paragraph(
                "Together",
                &format!("all soft constraints against none: log Bayes factor {factor} nats"),
            ));
        }
        if let Some(found) = &together.suspiciousness {
            text.push_str(&paragraph("Suspicion", &suspicion(found)));
        }
    }
    for tilt in report.tilts.iter().take(TILTS) {
        text.push_str(&paragraph("Tilt", &tilted(tilt)));
    }
    text
}

/// Of more unknowns, the document alone speaks.
const TILTS: usize = 4;

fn suspicion(found: &Suspiciousness) -> String {
    let log = with_error(found.log);
    match found.p {
        Some(p) => format!(
            "log suspiciousness {log} nats in {:.1} dimensions (p = {}): how far the data and what the soft constraints say are apart, however wide the prior is",
            found.dimension,
            p_value(p)
        ),
        None if found.dimension < LEAST_DIMENSION => format!(
            "log suspiciousness {log} nats: the data and the soft constraints say hardly anything of the same"
        ),
        None => format!(
            "log suspiciousness {log} nats, the less the further the data and the soft constraints are apart, however wide the prior is; so far from normal it has no p-value"
        ),
    }
}

fn tilted(tilt: &Tilt) -> String {
    let shown = |spread: Spread| format!("{:.3} (sd {:.3})", spread.mean, spread.sd);
    format!(
        "`joint` moves `{}` before any data: from {} to {}, KL {} nats",
        tilt.name,
        shown(tilt.prior),
        shown(tilt.constrained),
        with_error(tilt.divergence)
    )
}

/// The longest text of a `require` that is shown whole.
const LONGEST: usize = 24;

/// What the line of a constraint begins with.
fn label(one: &ConstraintReport) -> String {
    let length = one.name.chars().count();
    match one.kind {
        ConstraintKind::Hard if length > LONGEST => {
            one.name.chars().take(LONGEST - 1).chain(['…']).collect()
        }
        _ => one.name.clone(),
    }
}

/// Which constraints were left out without a run; `None` where none was.
fn means(report: &ConstraintsReport) -> Option<String> {
    let weighted = report
        .each
        .iter()
        .filter_map(|one| match one.without?.means {
            Means::Weights { shape } => Some((label(one), shape)),
            Means::Run => None,
        });
    let (names, shapes): (Vec<String>, Vec<f64>) = weighted.unzip();
    if names.is_empty() {
        return None;
    }
    let shape = shapes.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let rest = match names.len() < report.each.len() {
        true => "; the others by a run without each",
        false => "",
    };
    Some(format!(
        "{} by weights of the particles at hand, which needs no run (Pareto k-hat at most {shape:.2}){rest}",
        names.join(", ")
    ))
}

fn penalties(one: &ConstraintReport) -> String {
    if let Some((before, after)) = one.holds {
        return format!(
            "holds {} → {}",
            probability(Some(before)),
            probability(Some(after))
        );
    }
    match (&one.prior, &one.posterior) {
        (Some(before), Some(after)) => {
            format!("{:.2} → {:.2}", before.penalty.mean, after.penalty.mean)
        }
        _ => String::new(),
    }
}

fn probability(p: Option<f64>) -> String {
    p.map_or_else(|| "–".to_owned(), p_value)
}

/// The object under `"constraints"`, by name.
pub fn constraints_value(report: &ConstraintsReport) -> Value {
    let value = |one: &ConstraintReport| (one.name.clone(), value(one, &report.tilts));
    let each = report.each.iter().map(value);
    Value::Object(each.collect::<Map<_, _>>())
}

/// What leaving all of them out does.
pub fn together_value(report: &ConstraintsReport) -> Value {
    let together = report.together.as_ref();
    let without = together.map(|t| t.without.log_evidence);
    let factor = together.map(Together::log_bayes_factor);
    let suspicion = together.and_then(|t| t.suspiciousness);
    json!({
        "log_evidence_off": without.map(|v| v.value),
        "log_evidence_off_se": without.map(|v| v.se),
        "log_bf_on_vs_off": factor.map(|v| v.value),
        "log_bf_on_vs_off_se": factor.map(|v| v.se),
        "suspiciousness": suspicion.map(|found| json!({
            "log": found.log.value,
            "se": found.log.se,
            "dimension": found.dimension,
            "p": found.p,
        })),
    })
}

fn tilt_value(tilt: &Tilt) -> Value {
    let moments = |spread: Spread| json!({ "mean": spread.mean, "sd": spread.sd, "se": spread.se });
    json!({
        "name": tilt.name,
        "prior": moments(tilt.prior),
        "constrained": moments(tilt.constrained),
        "kl": tilt.divergence.value,
        "kl_se": tilt.divergence.se,
    })
}

fn value(one: &ConstraintReport, tilts: &[Tilt]) -> Value {
    let tilts = tilts
        .iter()
        .filter(|tilt| one.strengths.contains(&tilt.variable));
    let tension = one.tension();
    let without = one.without.map(|without| without.log_evidence);
    let means = one.without.map(|without| without.means);
    let penalty = |behaviour: &Option<Behaviour>| behaviour.as_ref().map(|b| b.penalty.mean);
    let penalty_se = |behaviour: &Option<Behaviour>| behaviour.as_ref().map(|b| b.penalty.se);
    let residual = |behaviour: &Option<Behaviour>| behaviour.as_ref().map(residuals);
    json!({
        "kind": match one.kind {
            ConstraintKind::Soft => "soft",
            ConstraintKind::Hard => "require",
        },
        "text": one.text,
        "tension_nats": tension.map(|t| t.value),
        "tension_se": tension.map(|t| t.se),
        "tension_bits": tension.map(|t| t.value / std::f64::consts::LN_2),
        "log_bf_on_vs_off": tension.map(|t| -t.value),
        "log_evidence_without": without.map(|v| v.value),
        "log_evidence_without_se": without.map(|v| v.se),
        "penalty_prior": penalty(&one.prior),
        "penalty_prior_se": penalty_se(&one.prior),
        "penalty_posterior": penalty(&one.posterior),
        "penalty_posterior_se": penalty_se(&one.posterior),
        "residual_prior": residual(&one.prior),
        "residual_posterior": residual(&one.posterior),
        "left_out_by": means.map(|means| match means {
            Means::Weights { .. } => "weights",
            Means::Run => "run",
        }),
        "pareto_k": match means {
            Some(Means::Weights { shape }) => json!(shape),
            _ => Value::Null,
        },
        "within_one_scale_prior": close(&one.prior, 0),
        "within_one_scale_posterior": close(&one.posterior, 0),
        "within_two_scales_prior": close(&one.prior, 1),
        "within_two_scales_posterior": close(&one.posterior, 1),
        "holds_prior": one.holds.map(|holds| holds.0),
        "holds_posterior": one.holds.map(|holds| holds.1),
        "pit_p": one.pit_p,
        "pit_p_se": one.pit_se,
        "shift_p": one.shift_p,
        "tilts": tilts.map(tilt_value).collect::<Vec<_>>(),
        "verdict": one.verdict(),
    })
}

fn close(behaviour: &Option<Behaviour>, place: usize) -> Option<f64> {
    Some(behaviour.as_ref()?.close?[place])
}

/// One comparison has numbers, several have lists of them, none has nothing.
fn residuals(behaviour: &Behaviour) -> Value {
    match behaviour.residuals.as_slice() {
        [] => Value::Null,
        [one] => json!({ "mean": one.mean, "sd": one.sd, "se": one.se }),
        several => {
            let list = |of: fn(&Spread) -> f64| several.iter().map(of).collect::<Vec<f64>>();
            json!({ "mean": list(|s| s.mean), "sd": list(|s| s.sd), "se": list(|s| s.se) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_equally_wide() {
        for tension in [-20.0, -8.4, -1.7, 0.0, 0.4, 3.2, 8.0, 30.0] {
            assert_eq!(bar(tension).chars().count(), 2 * REACH + 3, "{tension}");
            assert_eq!(bar(tension).chars().nth(REACH + 1), Some('│'), "{tension}");
        }
    }
}
