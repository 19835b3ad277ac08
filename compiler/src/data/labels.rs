//! The labels of factors. Each column numbers its own labels, sorted, from 1. Columns that name the same things share one
//! numbering, that of all their labels together, if the program says so: `given away: factor[N] levels home`. Data are
//! renumbered before anything else looks at them, so that all later stages see one numbering only.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::dataset::{Dataset, Entry};
use crate::check::hir::{Hir, StatementKind, Support, VariableId};
use crate::source::{Diagnostic, Span};

/// A column of labels of which the data hold something.
pub(super) struct Factor {
    /// Its name in the program.
    pub name: String,
    /// The number of its categories.
    pub levels: usize,
    /// What the numbers stand for, if the column holds text.
    pub labels: Option<Vec<String>>,
}

impl Factor {
    /// Whether equal numbers stand for equal categories in both, as far as both have them. A column without rows
    /// numbers nothing.
    pub fn agrees_with(&self, other: &Factor) -> bool {
        match (&self.labels, &other.labels) {
            (None, None) => true,
            (Some(own), Some(others)) => own.iter().zip(others).all(|(a, b)| a == b),
            _ => self.levels == 0 || other.levels == 0,
        }
    }
}

/// A factor as the program declares it.
struct Column<'a> {
    variable: VariableId,
    name: &'a str,
    key: &'a str,
    shares: Option<VariableId>,
    span: Span,
}

fn columns(hir: &Hir) -> Vec<Column<'_>> {
    let of = |statement| match statement {
        &StatementKind::Given {
            variable,
            ref declared,
            levels,
            ref column,
            ..
        } if declared.support == Support::Factor => {
            let declaration = &hir.variables[variable.0 as usize];
            Some(Column {
                variable,
                name: &declaration.name,
                key: column.as_ref().unwrap_or(&declaration.name),
                shares: levels,
                span: declaration.span,
            })
        }
        _ => None,
    };
    hir.statements.iter().filter_map(|s| of(&s.kind)).collect()
}

/// The columns that share their labels, in the order of the program.
fn groups<'a, 'h>(columns: &'a [Column<'h>]) -> Vec<Vec<&'a Column<'h>>> {
    let mut groups: Vec<Vec<&Column>> = Vec::new();
    for column in columns {
        let of_group = |group: &&mut Vec<&Column>| {
            group
                .iter()
                .any(|other| Some(other.variable) == column.shares)
        };
        match groups.iter_mut().find(of_group) {
            Some(group) => group.push(column),
            None => groups.push(vec![column]),
        }
    }
    groups
}

/// The factors of a program by their variables, of data that [`shared`] gave.
pub(super) fn factors(hir: &Hir, dataset: &Dataset) -> HashMap<VariableId, Factor> {
    let mut factors = HashMap::new();
    for group in groups(&columns(hir)) {
        let largest = |entry: &Entry| entry.values.iter().fold(0.0, |a: f64, b| a.max(*b)) as usize;
        let levels = |entry: &Entry| entry.labels.as_ref().map_or(largest(entry), Vec::len);
        let entries = group.iter().filter_map(|column| dataset.get(column.key));
        let all = entries.map(levels).max().unwrap_or(0);
        for column in group {
            if let Some(entry) = dataset.get(column.key) {
                let factor = Factor {
                    name: column.name.to_string(),
                    levels: all,
                    labels: entry.labels.clone(),
                };
                factors.insert(column.variable, factor);
            }
        }
    }
    factors
}

/// Warns of columns whose whole numbers leave some out: of names that look like numbers, the largest is no count of levels.
pub(crate) fn skipped(hir: &Hir, dataset: &Dataset) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    let columns = columns(hir);
    for group in groups(&columns) {
        let entries = group.iter().filter_map(|column| dataset.get(column.key));
        let occurring: BTreeSet<u64> = entries
            .filter(|entry| entry.labels.is_none())
            .flat_map(|entry| &entry.values)
            .filter(|value| value.is_finite())
            .map(|value| *value as u64)
            .collect();
        let (Some(&largest), Some(column)) = (occurring.last(), group.first()) else {
            continue;
        };
        let empty = largest.saturating_sub(occurring.len() as u64);
        if empty == 0 {
            continue;
        }
        let name = column.name;
        warnings.push(
            Diagnostic::warning(
                "W0004",
                format!("{empty} of the {largest} levels of `{name}` occur in no row"),
            )
            .at(column.span, "whole numbers count levels from 1, so the largest is their number")
            .help("if they are names, as years and codes are, let them be texts: \"2007\" in JSON, `y2007` in a CSV file; if some levels just have no rows, all is well"),
        );
    }
    warnings
}

/// The data with one numbering for each group of columns that share their labels.
///
/// # Errors
/// When some of them hold text and others numbers.
pub(crate) fn shared<'d>(
    hir: &Hir,
    dataset: &'d Dataset,
) -> Result<Cow<'d, Dataset>, Vec<Diagnostic>> {
    let mut data = Cow::Borrowed(dataset);
    let columns = columns(hir);
    for group in groups(&columns).into_iter().filter(|g| g.len() > 1) {
        let entries: Vec<(&Column, &Entry)> = group
            .iter()
            .filter_map(|&column| Some((column, dataset.get(column.key)?)))
            .collect();
        let labelled = |(_, entry): &&(&Column, &Entry)| entry.labels.is_some();
        let numbers = |(_, entry): &&(&Column, &Entry)| {
            entry.labels.is_none() && entry.missing_count() < entry.values.len()
        };
        let Some(text) = entries.iter().find(labelled) else {
            continue;
        };
        if let Some(number) = entries.iter().find(numbers) {
            return Err(vec![mixed(text, number)]);
        }
        let lists: Vec<&[String]> = entries
            .iter()
            .filter_map(|(_, entry)| entry.labels.as_deref())
            .collect();
        let union = union(&lists);
        for (_, entry) in entries {
            let renumbered = renumbered(entry, &union);
            data = Cow::Owned(data.into_owned().with(renumbered));
        }
    }
    Ok(data)
}

/// All labels of some lists. Lists of which each continues the others are numbered alike already, which data that follow
/// older data (a prediction's) rely on; others are sorted anew.
fn union(lists: &[&[String]]) -> Vec<String> {
    let longest = lists.iter().max_by_key(|list| list.len());
    match longest {
        Some(longest) if lists.iter().all(|list| longest.starts_with(list)) => longest.to_vec(),
        _ => {
            let all: BTreeSet<&String> = lists.iter().copied().flatten().collect();
            all.into_iter().cloned().collect()
        }
    }
}

fn renumbered(entry: &Entry, labels: &[String]) -> Entry {
    let own = entry.labels.as_deref().unwrap_or_default();
    let numbers: HashMap<&String, usize> = labels.iter().zip(1..).collect();
    let value = |(flat, &value): (usize, &f64)| match entry.is_missing(flat) {
        true => value,
        false => numbers[&own[value as usize - 1]] as f64,
    };
    Entry {
        values: entry.values.iter().enumerate().map(value).collect(),
        labels: Some(labels.to_vec()),
        ..entry.clone()
    }
}

fn mixed(text: &(&Column, &Entry), number: &(&Column, &Entry)) -> Diagnostic {
    Diagnostic::error(
        "E0453",
        format!(
            "`{}` and `{}` share their labels, but only `{}` holds text",
            text.0.name, number.0.name, text.0.name
        ),
    )
    .at(number.0.span, "a column of numbers in the data")
    .at(text.0.span, "a column of text")
    .note(format!(
        "`{}` comes from {}",
        number.0.name, number.1.origin
    ))
    .note(format!("`{}` comes from {}", text.0.name, text.1.origin))
    .help("write the same things alike in both columns")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn labels_of_lists_that_continue_each_other_keep_their_numbers() {
        let (old, new) = (list("b c"), list("b c a"));
        assert_eq!(union(&[&old, &new]), new);
        assert_eq!(union(&[&list("b c"), &list("a c")]), list("a b c"));
    }
}
