//! The summary as a statistician reads it: one row per quantity, every figure cut where its Monte Carlo error begins
//! (see [`digits`](super::digits)). Long vectors are shortened to a few rows, but what is hidden is still vouched for
//! by its worst R-hat and its lowest effective sample size, so that no bad row hides in the middle.

use std::collections::HashMap;

use likelier_compiler::{Column, ColumnKind};
use likelier_runtime::diagnose::rhat_text;

use super::digits::Style;
use super::{kind_name, rows};
use crate::posterior::{Posterior, SummaryRow};
use crate::uncertainty::VarianceParts;

/// Rows of a table that is not asked to show all.
const ROW_LIMIT: usize = 30;
/// Rows shown at the start of a shortened vector; one more is shown at its end.
const HEAD_ROWS: usize = 3;

const HEADINGS: [&str; 9] = [
    "mean", "sd", "MCSE", "5 %", "50 %", "95 %", "R-hat", "ESS bulk", "ESS tail",
];

/// The figures of a posterior, as positions among [`HEADINGS`].
const POSTERIOR: [usize; 9] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
/// Those of simulated rows, which are independent.
const FORWARD: [usize; 5] = [0, 1, 3, 4, 5];

/// The summary table, with `all` rows or at most about thirty. Ends in a line break unless empty.
pub fn table(posterior: &Posterior, all: bool) -> String {
    let rows: Vec<(&Column, &SummaryRow)> = rows(posterior).collect();
    if rows.is_empty() {
        return String::new();
    }
    let limit = if all { usize::MAX } else { ROW_LIMIT };
    let (lines, shortened) = select(&rows, limit);
    let mut text = draw(&lines, &POSTERIOR, &Extra::none());
    if shortened {
        text.push_str("\nShortened to the first and last elements; --all shows every row.\n");
    }
    text
}

/// The table of simulated rows: their means, spread and quantiles, and with `parts` where the spread comes from, as
/// standard deviations whose squares add up to that of `sd`.
pub fn simulation_table(
    columns: &[Column],
    summary: &[SummaryRow],
    parts: Option<&[VarianceParts]>,
    all: bool,
) -> String {
    let rows: Vec<(&Column, &SummaryRow)> = columns.iter().zip(summary).collect();
    if rows.is_empty() {
        return String::new();
    }
    let limit = if all { usize::MAX } else { ROW_LIMIT };
    let (lines, shortened) = select(&rows, limit);
    let mut text = match parts {
        None => draw(&lines, &FORWARD, &Extra::none()),
        Some(parts) => {
            let names = columns.iter().map(|column| column.name.as_str());
            let parts: HashMap<&str, &VarianceParts> = names.zip(parts).collect();
            draw(&lines, &FORWARD, &Extra::variance(&parts))
        }
    };
    if shortened {
        text.push_str("\nShortened to the first and last elements; --all shows every row.\n");
    }
    text
}

/// One line of the table.
enum Line<'a> {
    Heading(&'static str),
    Row(&'a SummaryRow),
    /// Stands for rows that are not shown.
    Hidden(String),
}

fn select<'a>(rows: &[(&'a Column, &'a SummaryRow)], limit: usize) -> (Vec<Line<'a>>, bool) {
    let several_kinds = rows.iter().any(|(column, _)| column.kind != rows[0].0.kind);
    let is_short = rows.len() <= limit;
    let alike = |a: &Column, b: &Column| a.variable == b.variable && a.kind == b.kind;
    let groups: Vec<_> = rows.chunk_by(|a, b| alike(a.0, b.0)).collect();
    let mut lines = Vec::new();
    let mut kind: Option<ColumnKind> = None;
    for (rank, group) in groups.iter().enumerate() {
        if lines.len() >= limit {
            lines.push(Line::Hidden(hidden_variables(&groups[rank..])));
            break;
        }
        let group_kind = group[0].0.kind;
        if several_kinds && kind != Some(group_kind) {
            lines.push(Line::Heading(kind_name(group_kind)));
            kind = Some(group_kind);
        }
        if is_short || group.len() <= HEAD_ROWS + 2 {
            lines.extend(group.iter().map(|(_, row)| Line::Row(row)));
            continue;
        }
        let (head, rest) = group.split_at(HEAD_ROWS);
        let (last, hidden) = rest
            .split_last()
            .expect("a shortened group has more rows than its head");
        lines.extend(head.iter().map(|(_, row)| Line::Row(row)));
        lines.push(Line::Hidden(format!(
            "{} more{}",
            hidden.len(),
            verdict(hidden)
        )));
        lines.push(Line::Row(last.1));
    }
    (lines, !is_short)
}

fn hidden_variables(groups: &[&[(&Column, &SummaryRow)]]) -> String {
    let rows: Vec<_> = groups
        .iter()
        .flat_map(|group| group.iter().copied())
        .collect();
    let variables = if groups.len() == 1 {
        "variable"
    } else {
        "variables"
    };
    format!(
        "{} more {variables} ({} rows){}",
        groups.len(),
        rows.len(),
        verdict(&rows)
    )
}

fn verdict(hidden: &[(&Column, &SummaryRow)]) -> String {
    let worst = hidden
        .iter()
        .map(|(_, row)| row.rhat)
        .fold(f64::NAN, f64::max);
    let ess = hidden
        .iter()
        .map(|(_, row)| row.ess_bulk.min(row.ess_tail))
        .fold(f64::NAN, f64::min);
    if worst.is_nan() {
        // Simulated rows, and constants.
        return String::new();
    }
    format!(
        ": R-hat at most {}, ESS at least {}",
        rhat_text(worst),
        count(ess)
    )
}

/// Columns that stand after the standard deviation.
struct Extra<'a> {
    headings: &'static [&'static str],
    cells: Box<Cells<'a>>,
}

/// The cells of a row.
type Cells<'a> = dyn Fn(&SummaryRow) -> Vec<String> + 'a;

impl<'a> Extra<'a> {
    fn none() -> Self {
        Self {
            headings: &[],
            cells: Box::new(|_| Vec::new()),
        }
    }

    fn variance(parts: &'a HashMap<&str, &VarianceParts>) -> Self {
        Self {
            headings: &["epistemic", "aleatoric"],
            cells: Box::new(|row| match parts.get(row.name.as_str()) {
                Some(parts) => vec![
                    deviation(parts.epistemic, parts.epistemic_se),
                    deviation(parts.aleatoric, parts.aleatoric_se),
                ],
                None => vec![String::new(); 2],
            }),
        }
    }
}

/// The standard deviation of a variance with an error; a bound where that is not told from zero.
fn deviation(variance: f64, se: f64) -> String {
    if variance == 0.0 && se == 0.0 {
        return "0".to_owned();
    }
    if !variance.is_finite() || !se.is_finite() {
        return "–".to_owned();
    }
    let below = variance < 2.0 * se;
    let sd = if below {
        variance.max(0.0) + 2.0 * se
    } else {
        variance
    }
    .sqrt();
    let text = Style::new(if below { sd } else { se / (2.0 * sd) }, sd).format(sd);
    if below { format!("< {text}") } else { text }
}

fn draw(lines: &[Line<'_>], shown: &[usize], extra: &Extra<'_>) -> String {
    let select = |name: String, figures: &[String], extra: Vec<String>| -> Vec<String> {
        let mut row: Vec<String> = shown
            .iter()
            .map(|&figure| figures[figure].clone())
            .collect();
        row.splice(2..2, extra);
        row.insert(0, name);
        row
    };
    let headings = HEADINGS.map(str::to_owned);
    let extra_headings = extra.headings.iter().map(ToString::to_string).collect();
    let mut cells: Vec<Vec<String>> = vec![select(String::new(), &headings, extra_headings)];
    for line in lines {
        if let Line::Row(row) = line {
            cells.push(select(row.name.clone(), &figures(row), (extra.cells)(row)));
        }
    }
    let width = |column: usize| {
        cells
            .iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..=shown.len() + extra.headings.len())
        .map(width)
        .collect();
    let mut drawn = cells.iter().map(|row| align(row, &widths));
    let mut text = drawn.next().unwrap_or_default();
    for line in lines {
        match line {
            Line::Row(_) => text.push_str(&drawn.next().unwrap_or_default()),
            Line::Heading(name) => text.push_str(&format!("{name}\n")),
            Line::Hidden(what) => text.push_str(&format!("  … {what}\n")),
        }
    }
    text
}

/// The name to the left, figures to the right, at least two spaces between.
fn align(row: &[String], widths: &[usize]) -> String {
    let mut text = format!("  {:<width$}", row[0], width = widths[0]);
    for (cell, width) in row.iter().zip(widths).skip(1) {
        text.push_str(&format!("  {cell:>width$}"));
    }
    text.push('\n');
    text
}

fn figures(row: &SummaryRow) -> Vec<String> {
    let finite = [row.mean, row.sd, row.q5, row.q50, row.q95]
        .into_iter()
        .filter(|v| v.is_finite());
    let style = Style::new(row.mcse_mean, finite.map(f64::abs).fold(0.0, f64::max));
    vec![
        style.format(row.mean),
        style.format(row.sd),
        style.finer(1).format(row.mcse_mean),
        style.format(row.q5),
        style.format(row.q50),
        style.format(row.q95),
        rhat_text(row.rhat),
        count(row.ess_bulk),
        count(row.ess_tail),
    ]
}

fn count(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.0}")
    } else {
        "–".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::posterior;

    #[test]
    fn a_short_table_shows_every_row() {
        let text = table(
            &posterior(&[
                ("mu", ColumnKind::Inferred, 0),
                ("theta", ColumnKind::Inferred, 3),
            ]),
            false,
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[4].trim_start().starts_with("theta[3]"));
        let end = lines[0].chars().count();
        assert!(
            lines.iter().all(|line| line.chars().count() == end),
            "{text}"
        );
        assert!(!text.contains("--all"));
    }

    #[test]
    fn a_long_vector_is_shortened_and_vouched_for() {
        let mut posterior = posterior(&[
            ("mu", ColumnKind::Inferred, 0),
            ("theta", ColumnKind::Inferred, 500),
        ]);
        posterior.summary[77].rhat = 1.5;
        posterior.summary[78].ess_tail = 12.0;
        let text = table(&posterior, false);
        assert_eq!(text.lines().count(), 1 + 1 + 3 + 1 + 1 + 2);
        assert!(
            text.contains("496 more: R-hat at most 1.500, ESS at least 12"),
            "{text}"
        );
        assert!(text.contains("theta[500]") && text.contains("--all"));
        assert_eq!(table(&posterior, true).lines().count(), 502);
    }

    #[test]
    fn many_variables_end_in_a_count() {
        let names: Vec<String> = (0..60).map(|index| format!("b{index}")).collect();
        let variables: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), ColumnKind::Inferred, 0))
            .collect();
        let text = table(&posterior(&variables), false);
        assert!(
            text.contains("… 30 more variables (30 rows): R-hat at most"),
            "{text}"
        );
    }

    #[test]
    fn kinds_have_headings_when_there_are_several() {
        let text = table(
            &posterior(&[
                ("mu", ColumnKind::Inferred, 0),
                ("y_new", ColumnKind::Simulated, 2),
            ]),
            false,
        );
        assert!(
            text.contains("\ninferred\n") && text.contains("\nsimulated\n"),
            "{text}"
        );
        // Elements of one variable that differ in role.
        let parts = [
            ("y", ColumnKind::Inferred, 1),
            ("y", ColumnKind::Simulated, 2),
        ];
        let text = table(&posterior(&parts), false);
        assert_eq!(text.matches("simulated\n").count(), 1, "{text}");
    }
}
