//! Compared models as a table and as JSON.

use serde_json::{Value, json};

use super::evidence::{bits, evidence_value, paragraph, with_error};
use super::{RunInfo, VERSION};
use crate::comparison::{Comparison, Loo};
use crate::evidence::LogValue;

/// The table, the verdict and the remarks.
pub fn comparison_text(comparison: &Comparison) -> String {
    let headings = [
        "",
        "log p(y)",
        "behind",
        "in bits",
        "probability",
        "90 %",
        "elpd LOO",
        "behind",
        "p LOO",
        "stacking",
    ];
    let mut rows: Vec<Vec<String>> = vec![headings.map(str::to_owned).to_vec()];
    let dash = || "–".to_owned();
    let shown = |value: Option<LogValue>| value.map_or_else(dash, with_error);
    for (rank, standing) in comparison.standings.iter().enumerate() {
        let candidate = &comparison.candidates[standing.model];
        let loo = candidate.loo.as_ref();
        let behind = |value: Option<LogValue>| match value {
            Some(gap) if gap.value == 0.0 && gap.se == 0.0 => "0".to_owned(),
            other => shown(other),
        };
        let share = |p: f64| format!("{p:.3}");
        rows.push(vec![
            candidate.name.clone(),
            match candidate.evidence.log_evidence {
                Some(value) => with_error(value),
                None => "unreliable".to_owned(),
            },
            behind(
                standing
                    .behind
                    .filter(|_| rank > 0 || standing.behind.is_some()),
            ),
            behind(standing.behind.map(bits)),
            standing.probability.map_or_else(dash, |p| share(p[0])),
            standing
                .probability
                .map_or_else(dash, |p| format!("{}–{}", share(p[1]), share(p[2]))),
            loo.map_or_else(dash, |loo| rounded(loo.elpd)),
            standing
                .elpd_behind
                .map_or_else(dash, |gap| match gap.value {
                    0.0 => "0".to_owned(),
                    _ => rounded(gap),
                }),
            loo.map_or_else(dash, |loo| format!("{:.1}", loo.p_loo)),
            standing.stacking.map_or_else(dash, share),
        ]);
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        text.push_str(&format!("  {:<width$}", row[0], width = widths[0]));
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            text.push_str(&format!("  {cell:>width$}"));
        }
        text.push('\n');
    }
    text.push('\n');
    let best = &comparison.candidates[comparison.standings[0].model].name;
    let verdict = match (comparison.is_separated, comparison.standings.len()) {
        (_, 1) => "one model: nothing to compare".to_owned(),
        (true, _) => {
            format!("these data make {best} likeliest of these models, given their priors")
        }
        (false, _) => "no ranking".to_owned(),
    };
    text.push_str(&paragraph("Verdict", &verdict));
    for (rank, note) in comparison.notes.iter().enumerate() {
        text.push_str(&paragraph(if rank == 0 { "Note" } else { "" }, note));
    }
    text
}

/// A sum over observations, whose error is large.
fn rounded(value: LogValue) -> String {
    format!("{:.1} ± {:.1}", value.value, value.se)
}

/// The document of `--json`, with a final line break. `infos` describe the models as given.
pub fn comparison_json(infos: &[RunInfo], comparison: &Comparison) -> String {
    let log_value = |value: Option<LogValue>| json!(value);
    let models: Vec<Value> = comparison
        .standings
        .iter()
        .map(|standing| {
            let candidate = &comparison.candidates[standing.model];
            json!({
                "name": candidate.name,
                "log_evidence": candidate.evidence.log_evidence.map(|v| v.value),
                "se": candidate.evidence.log_evidence.map(|v| v.se),
                "log_bf_best": log_value(standing.behind),
                "probability": standing.probability.map(|p| p[0]),
                "probability_90": standing.probability.map(|p| [p[1], p[2]]),
                "loo": candidate.loo.as_ref().map(loo_value),
                "elpd_behind_best": log_value(standing.elpd_behind),
                "stacking_weight": standing.stacking,
                "evidence": evidence_value(&infos[standing.model], &candidate.evidence),
            })
        })
        .collect();
    let document = json!({
        "format": "likelier-comparison",
        "format_version": 1,
        "version": VERSION,
        "separated": comparison.is_separated,
        "notes": comparison.notes,
        "models": models,
    });
    let mut text =
        serde_json::to_string_pretty(&document).expect("numbers and texts are always JSON");
    text.push('\n');
    text
}

fn loo_value(loo: &Loo) -> Value {
    let finite = |value: f64| value.is_finite().then_some(value);
    json!({
        "elpd": loo.elpd.value,
        "se": loo.elpd.se,
        "p_loo": loo.p_loo,
        "untrusted": loo.untrusted,
        "pointwise": loo.observations.iter().zip(&loo.names).map(|(o, name)| json!({
            "name": name, "elpd": o.elpd, "k_hat": finite(o.shape),
        })).collect::<Vec<Value>>(),
    })
}
