//! The data of a session as a list, and how they are written to a file.

use likelier::Dataset;
use likelier::output::simulation::data_json;
use likelier::simulation::Rows;
use likelier_compiler::data::dataset::Entry;

use super::value::{self, WIDTH};

/// What an array is: `y: 8 whole numbers, 28 8 -3 7 …`
pub fn line(entry: &Entry) -> String {
    let what = match (&entry.labels, entry.integral) {
        (Some(labels), _) => format!("labels ({} different)", labels.len()),
        (None, true) => "whole numbers".to_owned(),
        (None, false) => "numbers".to_owned(),
    };
    let sizes: Vec<String> = entry.shape.iter().map(ToString::to_string).collect();
    match (sizes.as_slice(), entry.missing_count()) {
        ([], _) => format!("{}: {}", entry.key, element(entry, 0)),
        (_, 0) => format!("{}: {} {what}", entry.key, sizes.join(" by ")),
        (_, missing) => format!(
            "{}: {} {what}, {missing} missing",
            entry.key,
            sizes.join(" by ")
        ),
    }
}

/// The list of all arrays, with their first elements and where they come from.
pub fn list(data: &Dataset) -> String {
    let mut text = String::new();
    for entry in data.entries() {
        let mut line = line(entry);
        if !entry.shape.is_empty() {
            line.push_str(": ");
            for flat in 0..entry.values.len() {
                let next = element(entry, flat);
                if line.chars().count() + next.chars().count() + 4 > WIDTH {
                    line.push('…');
                    break;
                }
                let comma = if flat + 1 < entry.values.len() {
                    ", "
                } else {
                    ""
                };
                line.push_str(&format!("{next}{comma}"));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn element(entry: &Entry, flat: usize) -> String {
    let number = entry.values.get(flat).copied().unwrap_or(f64::NAN);
    match &entry.labels {
        _ if entry.is_missing(flat) => "missing".to_owned(),
        Some(labels) => labels
            .get((number as usize).wrapping_sub(1))
            .cloned()
            .unwrap_or_default(),
        None => value::number(number, 6, entry.integral),
    }
}

/// The data as the text of a JSON file.
pub fn json(data: &Dataset) -> String {
    data_json(&Rows::default(), data, &[])
}
