//! Evidence row by row as text and as JSON, and the text plot of curves along rows.

use serde_json::{Value, json};

use super::columns::{INDENT, columns, head};
use super::digits::seconds;
use super::evidence::{bits, paragraph, with_error};
use crate::evidence::{Evidence, LogValue};
use crate::prequential::{Prequential, Reordered};

/// Rows that are shown.
const SHOWN: usize = 5;

/// The paragraphs of the screen; `evidence` is what the number is compared with.
pub fn rows_text(found: &Prequential, evidence: &Evidence, orders: &[Reordered]) -> String {
    let mut text = String::from("\n");
    let total = found.total();
    let resamplings = found.runs.iter().map(|run| run.stages).max().unwrap_or(0);
    let how = match found.runs.len() {
        0 => "exactly".to_owned(),
        runs => format!(
            "{runs} runs, {resamplings} resamplings, {}",
            seconds(found.time.as_secs_f64())
        ),
    };
    text.push_str(&paragraph(
        "By rows",
        &format!(
            "log p(y) = {} nats, {} bits, row after row: {how}",
            with_error(total),
            with_error(bits(total))
        ),
    ));
    for doubt in &found.doubts {
        text.push_str(&paragraph("", &format!("Not to be trusted: {doubt}.")));
    }
    if !found.doubts.is_empty() {
        return text;
    }
    if let Some(value) = evidence.log_evidence.filter(|_| !found.runs.is_empty()) {
        text.push_str(&paragraph(
            "",
            &format!(
                "{:.1} combined standard errors from the evidence above",
                total.distance(value)
            ),
        ));
    }
    if found.before.value != 0.0 {
        text.push_str(&paragraph(
            "",
            &format!(
                "of which {} belong to what is no row (`factor`)",
                with_error(found.before)
            ),
        ));
    }
    let (half, count) = (found.half(), found.rows.len());
    if half > 0 {
        text.push_str(&paragraph(
            "Later half",
            &format!(
                "log p = {} nats for the last {} rows given the first {half}",
                with_error(found.conditional(half)),
                count - half
            ),
        ));
    }
    text.push_str(&orders_text(orders, half));
    text.push_str(&least_expected(found));
    text
}

fn orders_text(orders: &[Reordered], half: usize) -> String {
    if orders.is_empty() || half == 0 {
        return String::new();
    }
    let range = |values: &[f64]| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("from {low:.2} to {high:.2}")
    };
    let ends: Vec<f64> = orders.iter().map(|o| o.total().value).collect();
    let halves: Vec<f64> = orders.iter().map(|o| o.conditional(half)).collect();
    let mean = halves.iter().sum::<f64>() / halves.len() as f64;
    paragraph(
        "Orders",
        &format!(
            "in {} random orders log p(y) is {}, the later half given the earlier {} (mean {mean:.2})",
            orders.len(),
            range(&ends),
            range(&halves)
        ),
    )
}

/// The rows that cost most bits.
fn least_expected(found: &Prequential) -> String {
    let mut order: Vec<usize> = (0..found.rows.len()).collect();
    let cost = |&row: &usize| -found.increments[row].value;
    order.sort_by(|a, b| cost(b).total_cmp(&cost(a)));
    order.truncate(SHOWN);
    let mut rows = vec![head(&["row", "value", "bits"])];
    rows.extend(order.into_iter().map(|row| {
        let value = found.increments[row];
        let cost = bits(LogValue {
            value: -value.value,
            se: value.se,
        });
        vec![
            found.rows[row].name.clone(),
            found.rows[row].value.map_or_else(|| "–".to_owned(), figure),
            with_error(cost),
        ]
    }));
    format!(
        "\nRows least expected, in bits (−log2 p of the row given those before it)\n{}",
        columns(&rows, INDENT)
    )
}

/// A number with six significant digits at most.
pub(super) fn figure(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    rounded.to_string()
}

/// The document's part.
pub fn rows_value(found: &Prequential, orders: &[Reordered]) -> Value {
    let rows = found.rows.iter().enumerate().map(|(number, row)| {
        let (own, whole) = (found.increments[number], found.cumulative[number]);
        json!({
            "name": row.name, "value": row.value,
            "log_density": own.value, "se": own.se, "bits": bits(own).value,
            "cumulative": whole.value, "cumulative_se": whole.se, "cumulative_bits": bits(whole).value,
        })
    });
    let total = found.total();
    let mut value = json!({
        "log_evidence": total.value,
        "se": total.se,
        "bits": bits(total).value,
        "before": found.before,
        "conditional": conditional_value(found),
        "sequential": found.is_sequential,
        "doubts": found.doubts,
        "runs": found.runs.len(),
        "evaluations": found.runs.iter().map(|run| run.evaluations).sum::<usize>(),
        "seconds": found.time.as_secs_f64(),
        "rows": rows.collect::<Vec<Value>>(),
    });
    if !orders.is_empty() {
        value["orders"] = orders
            .iter()
            .map(|order| order_value(order, found))
            .collect();
    }
    value
}

fn conditional_value(found: &Prequential) -> Value {
    let value = found.conditional(found.half());
    json!({ "given_rows": found.half(), "log_density": value.value, "se": value.se })
}

fn order_value(order: &Reordered, found: &Prequential) -> Value {
    json!({
        "order": order.order.iter().map(|number| number + 1).collect::<Vec<usize>>(),
        "cumulative": order.cumulative.iter().map(|value| value.value).collect::<Vec<f64>>(),
        "conditional": (found.half() > 0).then(|| order.conditional(found.half())),
    })
}

/// Columns of a plot, and its lines.
const PLOT: (usize, usize) = (64, 10);

/// Curves over the same rows as text, at most 80 columns wide: each is drawn with its sign, later ones over earlier ones.
/// `first` and `last` stand below the ends.
pub(super) fn plot(curves: &[(char, Vec<f64>)], first: &str, last: &str) -> String {
    let (width, height) = PLOT;
    let finite = || {
        curves
            .iter()
            .flat_map(|(_, curve)| curve)
            .filter(|y| y.is_finite())
    };
    let low = finite().copied().fold(0.0, f64::min);
    let high = finite().copied().fold(0.0, f64::max);
    if high <= low {
        return String::new();
    }
    let line_of = |y: f64| ((high - y) / (high - low) * (height - 1) as f64).round() as usize;
    let mut cells = vec![vec![' '; width]; height];
    cells[line_of(0.0)].fill('·');
    for (sign, curve) in curves {
        for (column, y) in resampled(curve, width).into_iter().enumerate() {
            if y.is_finite() {
                cells[line_of(y)][column] = *sign;
            }
        }
    }
    let mut text = String::new();
    for (number, line) in cells.iter().enumerate() {
        let label = match number {
            0 => figure_of_axis(high),
            n if n == height - 1 => figure_of_axis(low),
            n if n == line_of(0.0) => "0".to_owned(),
            _ => String::new(),
        };
        let line: String = line.iter().collect();
        text.push_str(&format!("  {label:>9} │{}\n", line.trim_end()));
    }
    let gap = width.saturating_sub(first.chars().count() + last.chars().count());
    text.push_str(&format!("  {:>9} └{}\n", "", "─".repeat(width)));
    text.push_str(&format!("  {:>9}  {first}{}{last}\n", "", " ".repeat(gap)));
    text
}

/// The values of a curve at the columns of a plot: the row that stands nearest.
fn resampled(curve: &[f64], width: usize) -> Vec<f64> {
    let last = curve.len().saturating_sub(1);
    let at = |column: usize| {
        let place = column as f64 / (width - 1) as f64 * last as f64;
        curve
            .get(place.round() as usize)
            .copied()
            .unwrap_or(f64::NAN)
    };
    (0..width).map(at).collect()
}

fn figure_of_axis(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        a if a < 10.0 => format!("{value:.2}"),
        a if a < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_stays_within_eighty_columns() {
        let curve: Vec<f64> = (0..200).map(|k| f64::from(k) / 10.0 - 3.0).collect();
        let text = plot(&[('*', curve)], "y[1]", "y[200]");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 12);
        assert!(
            lines[0].contains("16.9 │") && lines[0].ends_with('*'),
            "{text}"
        );
        assert!(lines[9].contains("-3.00 │*"), "{text}");
        assert!(lines[11].trim_start().starts_with("y[1]") && lines[11].ends_with("y[200]"));
        assert_eq!(plot(&[('*', vec![0.0, 0.0])], "a", "b"), "");
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(figure(3.396516), "3.39652");
        assert_eq!(figure(12.0), "12");
        assert_eq!(figure(-0.000123456789), "-0.000123457");
    }
}
