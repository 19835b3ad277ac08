//! What a posterior says of discrete unknowns. The mean of a category's code means nothing, so each element is shown
//! with the probabilities of its values: all of them, in order, where the variable took few, else the most likely first.

use std::collections::BTreeSet;

use likelier_compiler::ColumnKind;

use crate::posterior::Posterior;

/// As many values stand in a row.
const MOST_VALUES: usize = 4;
/// Elements of one variable that are not shortened.
const MOST_ROWS: usize = 8;
/// Elements shown at the start of a shortened variable; one more is shown at its end.
const HEAD_ROWS: usize = 4;

/// The probabilities of everything that was summed out, `all` rows or the first and last of each variable. Empty if
/// nothing was.
pub fn probabilities(posterior: &Posterior, all: bool) -> String {
    let discrete: Vec<usize> = (0..posterior.columns.len())
        .filter(|&column| posterior.columns[column].kind == ColumnKind::SummedOut)
        .collect();
    if discrete.is_empty() || posterior.draw_count() == 0 {
        return String::new();
    }
    let mut text = "\nProbabilities of what was summed out\n".to_owned();
    let variable = |column: usize| &posterior.columns[column].variable;
    for group in discrete.chunk_by(|&a, &b| variable(a) == variable(b)) {
        let rows: Vec<Vec<(i64, f64)>> = group
            .iter()
            .map(|&column| posterior.probabilities(column))
            .collect();
        let names = group.iter().map(|&c| posterior.columns[c].name.as_str());
        let width = names.clone().map(|name| name.chars().count()).max();
        let cells = shown(&rows);
        let is_short = all || rows.len() <= MOST_ROWS;
        for (rank, (name, cells)) in names.zip(cells).enumerate() {
            if is_short || rank < HEAD_ROWS || rank + 1 == rows.len() {
                let width = width.unwrap_or(0);
                text.push_str(&format!("  {name:<width$}  {}\n", cells.join("  ")));
            } else if rank == HEAD_ROWS {
                let hidden = rows.len() - HEAD_ROWS - 1;
                text.push_str(&format!("  … {hidden} more\n"));
            }
        }
    }
    text
}

/// The cells of the elements of one variable, equally wide in all of its rows.
fn shown(rows: &[Vec<(i64, f64)>]) -> Vec<Vec<String>> {
    let values: BTreeSet<i64> = rows.iter().flatten().map(|(value, _)| *value).collect();
    let digits = values
        .iter()
        .map(|v| v.to_string().len())
        .max()
        .unwrap_or(0);
    let cell = |value: i64, probability: f64| {
        let name = format!("P({value})");
        format!("{name:>width$} {probability:.3}", width = digits + 3)
    };
    let of_row = |row: &Vec<(i64, f64)>| -> Vec<String> {
        if values.len() <= MOST_VALUES {
            let of = |value: i64| row.iter().find(|(other, _)| *other == value);
            let probability = |value: i64| of(value).map_or(0.0, |(_, probability)| *probability);
            return values.iter().map(|&v| cell(v, probability(v))).collect();
        }
        let mut likely = row.clone();
        likely.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut cells: Vec<String> = likely
            .iter()
            .take(MOST_VALUES)
            .map(|&(value, probability)| cell(value, probability))
            .collect();
        if likely.len() > MOST_VALUES {
            let others: f64 = likely[MOST_VALUES..].iter().map(|(_, p)| p).sum();
            cells.push(format!("others {others:.3}"));
        }
        cells
    };
    rows.iter().map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::posterior;

    fn with_draws(values: [[f64; 3]; 2]) -> Posterior {
        let mut posterior = posterior(&[
            ("mu", ColumnKind::Inferred, 0),
            ("z", ColumnKind::SummedOut, 1),
        ]);
        for (chain, values) in posterior.chains.iter_mut().zip(values) {
            for (draw, value) in values.into_iter().enumerate() {
                chain.values[2 * draw + 1] = value;
            }
        }
        posterior
    }

    #[test]
    fn few_values_stand_in_order() {
        let posterior = with_draws([[2.0, 1.0, 2.0], [2.0, 2.0, 2.0]]);
        assert_eq!(
            probabilities(&posterior, false),
            "\nProbabilities of what was summed out\n  z[1]  P(1) 0.167  P(2) 0.833\n"
        );
    }

    #[test]
    fn of_many_values_the_most_likely_come_first() {
        let posterior = with_draws([[7.0, 10.0, 9.0], [9.0, 3.0, 8.0]]);
        assert_eq!(
            probabilities(&posterior, false),
            "\nProbabilities of what was summed out\n  \
             z[1]   P(9) 0.333   P(3) 0.167   P(7) 0.167   P(8) 0.167  others 0.167\n"
        );
    }

    #[test]
    fn without_discrete_unknowns_nothing_is_said() {
        let posterior = posterior(&[("mu", ColumnKind::Inferred, 2)]);
        assert_eq!(probabilities(&posterior, false), "");
    }
}
