//! Compared models as tables and as JSON: first by their evidence, then by what they predict, then along the rows, which
//! shows where one got ahead of the others.

use serde_json::{Value, json};

use super::columns::{INDENT, columns, head};
use super::digits::Style;
use super::evidence::{bits, evidence_value, paragraph, with_error};
use super::rows::{figure, plot, rows_value};
use super::{RunInfo, VERSION, document_text};
use crate::comparison::{Averaged, Comparison, Loo, Predicted, Standing};
use crate::evidence::LogValue;
use crate::prequential::Prequential;

/// Rows and quantities that are listed.
const SHOWN: usize = 5;
/// So many models have columns of their own beside the mixtures.
const NARROW: usize = 2;
/// Models whose curves are drawn beside the best one.
const DRAWN: usize = 6;

/// The tables, the verdict and the remarks.
pub fn comparison_text(comparison: &Comparison) -> String {
    let mut text = columns(&evidences(comparison), INDENT);
    text.push('\n');
    text.push_str(&columns(&predictions(comparison), INDENT));
    text.push('\n');
    let best = name(comparison, &comparison.standings[0]);
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
    text.push_str(&along_rows(comparison));
    text
}

fn name<'c>(comparison: &'c Comparison, standing: &Standing) -> &'c str {
    &comparison.candidates[standing.model].name
}

fn dash() -> String {
    "–".to_owned()
}

/// How far behind the best, which is 0 for the best itself.
fn behind(gap: Option<LogValue>, shown: fn(LogValue) -> String) -> String {
    match gap {
        Some(gap) if gap.value == 0.0 => "0".to_owned(),
        Some(gap) => shown(gap),
        None => dash(),
    }
}

fn share(p: f64) -> String {
    format!("{p:.3}")
}

fn evidences(comparison: &Comparison) -> Vec<Vec<String>> {
    let mut rows = vec![head(&[
        "",
        "log p(y)",
        "behind",
        "in bits",
        "probability",
        "90 %",
    ])];
    rows.extend(comparison.standings.iter().map(|standing| {
        let evidence = &comparison.candidates[standing.model].evidence;
        let interval = |p: [f64; 3]| format!("{}–{}", share(p[1]), share(p[2]));
        vec![
            name(comparison, standing).to_owned(),
            evidence
                .log_evidence
                .map_or_else(|| "unreliable".to_owned(), with_error),
            behind(standing.behind, with_error),
            behind(standing.behind.map(bits), with_error),
            standing.probability.map_or_else(dash, |p| share(p[0])),
            standing.probability.map_or_else(dash, interval),
        ]
    }));
    rows
}

fn predictions(comparison: &Comparison) -> Vec<Vec<String>> {
    let mut rows = vec![head(&[
        "",
        "elpd LOO",
        "behind",
        "p LOO",
        "stacking",
        "later half",
        "behind",
    ])];
    rows.extend(comparison.standings.iter().map(|standing| {
        let loo = comparison.candidates[standing.model].loo.as_ref();
        vec![
            name(comparison, standing).to_owned(),
            loo.map_or_else(dash, |loo| rounded(loo.elpd)),
            behind(standing.elpd_behind, rounded),
            loo.map_or_else(dash, |loo| format!("{:.1}", loo.p_loo)),
            standing.stacking.map_or_else(dash, share),
            standing.conditional.map_or_else(dash, with_error),
            behind(standing.conditional_behind, with_error),
        ]
    }));
    rows
}

/// A sum over observations, whose error is large.
fn rounded(value: LogValue) -> String {
    format!("{:.1} ± {:.1}", value.value, value.se)
}

/// By how many bits the best model is ahead of others along the rows, and the rows that made most of it.
fn along_rows(comparison: &Comparison) -> String {
    let Some(curves) = comparison.curves() else {
        return String::new();
    };
    let [first, others @ ..] = comparison.standings.as_slice() else {
        return String::new();
    };
    let Some(second) = others.first() else {
        return String::new();
    };
    let rows = &curves[0].rows;
    let (Some(begin), Some(end)) = (rows.first(), rows.last()) else {
        return String::new();
    };
    let best = curves[first.model];
    let drawn = &others[..others.len().min(DRAWN)];
    let sign = |rank: usize| match drawn.len() {
        1 => '*',
        _ => char::from(b'a' + rank as u8),
    };
    // The nearest rival is drawn last, over the others.
    let lines: Vec<(char, Vec<f64>)> = drawn
        .iter()
        .enumerate()
        .rev()
        .map(|(rank, standing)| (sign(rank), ahead(best, curves[standing.model])))
        .collect();
    let picture = plot(&lines, &begin.name, &end.name);
    if picture.is_empty() {
        return String::new();
    }
    let title = name(comparison, first);
    let mut text = format!("\nBits by which {title} is ahead, row after row\n{picture}");
    for (rank, standing) in drawn.iter().enumerate() {
        let other = name(comparison, standing);
        text.push_str(&format!("  {} of {other}\n", sign(rank)));
    }
    text.push_str(&decisive(comparison, best, curves[second.model], second));
    text.push('\n');
    text.push_str(&paragraph("Order", &order_statement(comparison, &curves)));
    text
}

/// What the order of the rows has to do with all this.
fn order_statement(comparison: &Comparison, curves: &[&Prequential]) -> String {
    if curves.iter().any(|curve| curve.is_sequential) {
        return "the distribution of a row may read other rows, so they are taken as the data have them".to_owned();
    }
    let free = "the rows are independent given the unknowns, so log p(y) does not depend on their order, but the curve and the \
                later half do";
    let half = curves[0].half();
    let orders = comparison.candidates[0].orders.len();
    if orders == 0 || half == 0 {
        return format!("{free}; --orders 10 takes other orders");
    }
    let later = |standing: &Standing| -> Vec<f64> {
        let orders = &comparison.candidates[standing.model].orders;
        orders.iter().map(|order| order.conditional(half)).collect()
    };
    let best = later(&comparison.standings[0]);
    let mut text = format!(
        "{free}. In {orders} random orders the later half given the earlier one is on average"
    );
    for (rank, standing) in comparison.standings.iter().enumerate() {
        let own = later(standing);
        let mean = own.iter().sum::<f64>() / orders as f64;
        let name = name(comparison, standing);
        text.push_str(&format!(
            "{} {mean:.2} for {name}",
            if rank == 0 { "" } else { "," }
        ));
        if rank > 0 {
            let behind = own
                .iter()
                .zip(&best)
                .filter(|(own, best)| own < best)
                .count();
            text.push_str(&format!(" (behind in {behind})"));
        }
    }
    text
}

/// log2 of what one model makes of the rows so far over what another does.
fn ahead(best: &Prequential, other: &Prequential) -> Vec<f64> {
    let pairs = best.cumulative.iter().zip(&other.cumulative);
    let ratio = |(a, b): (&LogValue, &LogValue)| (a.value - b.value) / std::f64::consts::LN_2;
    pairs.map(ratio).collect()
}

fn decisive(
    comparison: &Comparison,
    best: &Prequential,
    other: &Prequential,
    standing: &Standing,
) -> String {
    let gap = |row: usize| LogValue {
        value: best.increments[row].value - other.increments[row].value,
        se: best.increments[row].se.hypot(other.increments[row].se),
    };
    let mut order: Vec<usize> = (0..best.rows.len()).collect();
    order.sort_by(|&a, &b| gap(b).value.abs().total_cmp(&gap(a).value.abs()));
    order.truncate(SHOWN);
    let mut rows = vec![head(&["row", "value", "bits"])];
    rows.extend(order.into_iter().map(|row| {
        vec![
            best.rows[row].name.clone(),
            best.rows[row].value.map_or_else(dash, figure),
            with_error(bits(gap(row))),
        ]
    }));
    format!(
        "\nRows that decided most against {}, in bits (below 0: for it)\n{}",
        name(comparison, standing),
        columns(&rows, INDENT)
    )
}

/// The table of averaged predictions: the first quantities, as mean ± standard deviation; by each model too, where these
/// are few.
pub fn averaged_text(averaged: &Averaged) -> String {
    let has_mixtures = averaged.predictors.len() > averaged.models;
    let first = match averaged.models > NARROW && has_mixtures {
        true => averaged.models,
        false => 0,
    };
    let mut head = vec![String::new()];
    head.extend_from_slice(&averaged.predictors[first..]);
    let mut rows = vec![head];
    let shown = |one: &Predicted| {
        let style = Style::new(one.sd, one.mean.abs()).finer(1);
        format!("{} ± {}", style.format(one.mean), style.format(one.sd))
    };
    let quantities = averaged.names.iter().zip(&averaged.predicted);
    rows.extend(quantities.take(2 * SHOWN).map(|(name, predicted)| {
        let mut row = vec![name.clone()];
        row.extend(predicted[first..].iter().map(shown));
        row
    }));
    let rest = match averaged.names.len().saturating_sub(2 * SHOWN) {
        0 => String::new(),
        more => format!("  … and {more} more\n"),
    };
    format!(
        "\nPredictions, mean ± standard deviation\n{}{rest}\n",
        columns(&rows, INDENT)
    )
}

/// Averaged predictions as CSV: a line for each quantity and predictor.
pub fn averaged_csv(averaged: &Averaged) -> String {
    let mut text = "name,predictor,mean,sd,q5,q50,q95\n".to_owned();
    for (name, predicted) in averaged.names.iter().zip(&averaged.predicted) {
        for (predictor, one) in averaged.predictors.iter().zip(predicted) {
            let [q5, q50, q95] = one.quantiles;
            text.push_str(&format!(
                "{},{},{},{},{q5},{q50},{q95}\n",
                quoted(name),
                quoted(predictor),
                one.mean,
                one.sd
            ));
        }
    }
    text
}

/// A field of CSV, in quotes where it needs them.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// The document of `--json`, with a final line break. `infos` describe the models as given.
pub fn comparison_json(infos: &[RunInfo], comparison: &Comparison) -> String {
    let models: Vec<Value> = comparison
        .standings
        .iter()
        .map(|standing| {
            let candidate = &comparison.candidates[standing.model];
            json!({
                "name": candidate.name,
                "log_evidence": candidate.evidence.log_evidence.map(|v| v.value),
                "se": candidate.evidence.log_evidence.map(|v| v.se),
                "log_bf_best": standing.behind,
                "probability": standing.probability.map(|p| p[0]),
                "probability_90": standing.probability.map(|p| [p[1], p[2]]),
                "loo": candidate.loo.as_ref().map(loo_value),
                "elpd_behind_best": standing.elpd_behind,
                "stacking_weight": standing.stacking,
                "conditional": standing.conditional,
                "conditional_behind_best": standing.conditional_behind,
                "by_rows": candidate.by_rows.as_ref().map(|found| rows_value(found, &candidate.orders)),
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
    document_text(&document)
}

fn loo_value(loo: &Loo) -> Value {
    let finite = |value: f64| value.is_finite().then_some(value);
    let pointwise = loo.observations.iter().zip(&loo.names).enumerate();
    json!({
        "elpd": loo.elpd.value,
        "se": loo.elpd.se,
        "p_loo": loo.p_loo,
        "untrusted": loo.untrusted,
        "refitted": loo.refitted.len(),
        "pointwise": pointwise.map(|(place, (o, name))| json!({
            "name": name, "elpd": o.elpd, "k_hat": finite(o.shape),
            "refitted": loo.refitted.contains(&place),
        })).collect::<Vec<Value>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averaged_predictions_are_written_as_csv() {
        let one = |mean| Predicted {
            mean,
            sd: 0.5,
            quantiles: [mean - 1.0, mean, mean + 1.0],
        };
        let averaged = Averaged {
            names: vec!["y_rep[1, 2]".to_owned()],
            predictors: vec!["a.ppl".to_owned(), "stacking".to_owned()],
            models: 1,
            weights: vec![vec![1.0], vec![1.0]],
            predicted: vec![vec![one(1.0), one(2.5)]],
        };
        assert_eq!(
            averaged_csv(&averaged),
            "name,predictor,mean,sd,q5,q50,q95\n\"y_rep[1, 2]\",a.ppl,1,0.5,0,1,2\n\"y_rep[1, 2]\",stacking,2.5,0.5,1.5,2.5,3.5\n"
        );
    }
}
