//! Data as the model sees them: arrays by name, each with its shape, flat values (last index fastest), which elements
//! are missing, and labels if it was text. Where the numbers came from (JSON, CSV, the command line) is forgotten but
//! for `origin`, which messages quote so that a user knows which file and key to mend. Values are `f64` throughout;
//! `integral` remembers that they were written as whole numbers, which is how data fit an `int`.

use std::collections::BTreeSet;
use std::fmt;

use super::subscripts::subscripts;
use super::{csv, json};
use crate::source::Diagnostic;

/// Named arrays, in the order of the files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dataset {
    entries: Vec<Entry>,
}

/// One named array of a [`Dataset`].
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key of a JSON file or the column of a CSV file.
    pub key: String,
    /// The length of each index position; empty for a scalar.
    pub shape: Vec<usize>,
    /// The values, last index fastest; 0 where missing. Never NaN, but perhaps infinite.
    pub values: Vec<f64>,
    /// Whether every present value was written as a whole number (no point, no exponent) of at most 2⁵³ in magnitude,
    /// or is a bool or a label.
    pub integral: bool,
    /// Which elements are missing; empty when none is.
    pub missing: Vec<bool>,
    /// The categories in sorted order, if the values were text: value `k` stands for `labels[k - 1]`.
    pub labels: Option<Vec<String>>,
    /// Where it was read, for messages: ``eight_schools.json, key `y` ``.
    pub origin: String,
}

impl Dataset {
    /// Reads the text of a JSON file: one object whose values are numbers, bools, `null`s, texts, or nested arrays of
    /// one of these. `file_name` is used in messages only.
    ///
    /// # Errors
    /// On malformed JSON, ragged arrays, NaN, repeated keys, objects, and arrays that mix text with numbers.
    pub fn from_json(file_name: &str, text: &str) -> Result<Self, DataError> {
        Ok(Self {
            entries: json::read(file_name, text)?,
        })
    }

    /// Reads the text of a CSV file: a header row, then a row per observation; each column is an array of rank 1.
    /// `file_name` is used in messages only.
    ///
    /// # Errors
    /// On rows of unequal length, repeated columns, NaN and unbalanced quotes.
    pub fn from_csv(file_name: &str, text: &str) -> Result<Self, DataError> {
        Ok(Self {
            entries: csv::read(file_name, text)?,
        })
    }

    /// All arrays, in the order in which they were read.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The array of a name.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Adds to a message what the data hold.
    #[must_use]
    pub fn note(&self, diagnostic: Diagnostic) -> Diagnostic {
        if self.entries.is_empty() {
            return diagnostic.note(
                "no data were given: data files stand after the model, as in `likelier run model.ppl data.json` (of `compare`, after `--data`)",
            );
        }
        let keys: Vec<&str> = self
            .entries
            .iter()
            .map(|entry| entry.key.as_str())
            .collect();
        diagnostic.note(format!("the data hold {}", keys.join(", ")))
    }

    /// Adds the arrays of another file.
    ///
    /// # Errors
    /// When both hold the same key: which one is meant cannot be guessed.
    pub fn merge(&mut self, other: Dataset) -> Result<(), DataError> {
        for entry in other.entries {
            if let Some(first) = self.get(&entry.key) {
                return Err(DataError::new(
                    format!("`{}` is given twice", entry.key),
                    &entry.origin,
                )
                .and_at(&first.origin)
                .help("remove or rename one of them"));
            }
            self.entries.push(entry);
        }
        Ok(())
    }

    /// These data with those of `newer` in place of what they replace, and without the keys that `drop` names and `newer`
    /// does not hold. Labelled categories keep their numbers; labels that are new follow them.
    ///
    /// # Errors
    /// When one holds labels and the other numbers.
    pub fn updated(&self, newer: &Dataset, drop: &dyn Fn(&str) -> bool) -> Result<Self, DataError> {
        let kept = self
            .entries
            .iter()
            .filter(|entry| newer.get(&entry.key).is_none() && !drop(&entry.key));
        let mut entries: Vec<Entry> = kept.cloned().collect();
        for entry in &newer.entries {
            entries.push(match self.get(&entry.key) {
                Some(older) => entry.relabelled(older)?,
                None => entry.clone(),
            });
        }
        Ok(Self { entries })
    }

    /// Sets or replaces one value from the command line: a number, or any JSON value such as `[1, 2, 3]`.
    ///
    /// # Errors
    /// When `text` is not such a value.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), DataError> {
        self.put(json::read_value(name, text)?);
        Ok(())
    }

    /// As [`Dataset::set`], with the place that messages name.
    ///
    /// # Errors
    /// When `text` is not a value.
    pub fn set_at(&mut self, name: &str, text: &str, origin: &str) -> Result<(), DataError> {
        let mut entry = json::read_value(name, text).map_err(|mut error| {
            error.places = vec![origin.to_owned()];
            error
        })?;
        origin.clone_into(&mut entry.origin);
        self.put(entry);
        Ok(())
    }

    /// Sets or replaces an array by its values, last index fastest; `is_integral` says that they are whole numbers. Messages name
    /// `origin` as its place.
    ///
    /// # Errors
    /// When a value is no number.
    pub fn set_values(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        values: Vec<f64>,
        is_integral: bool,
        origin: &str,
    ) -> Result<(), DataError> {
        let is_exact = |value: &f64| value.abs() <= LARGEST_EXACT;
        let entry = Entry {
            key: name.to_owned(),
            shape,
            integral: is_integral && values.iter().all(is_exact),
            values,
            missing: Vec::new(),
            labels: None,
            origin: origin.to_owned(),
        };
        if let Some(flat) = entry.values.iter().position(|value| value.is_nan()) {
            let message = format!("`{}` would be no number (NaN)", entry.element_name(flat));
            return Err(DataError::new(message, origin)
                .help("look for 0/0, or a root or logarithm of a negative number"));
        }
        self.put(entry);
        Ok(())
    }

    /// Adds arrays, each in place of that of the same key.
    pub fn put_all(&mut self, newer: Dataset) {
        newer.entries.into_iter().for_each(|entry| self.put(entry));
    }

    /// Removes the array of a name; whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.key != key);
        self.entries.len() < before
    }

    fn put(&mut self, entry: Entry) {
        let mut others = self.entries.iter_mut();
        match others.find(|existing| existing.key == entry.key) {
            Some(existing) => *existing = entry,
            None => self.entries.push(entry),
        }
    }

    /// The same with another entry in the place of that of its key.
    pub(super) fn with(mut self, entry: Entry) -> Self {
        let place = self.entries.iter().position(|other| other.key == entry.key);
        if let Some(place) = place {
            self.entries[place] = entry;
        }
        self
    }
}

impl Entry {
    /// Whether another entry means the same, wherever it was read.
    pub fn holds_the_same(&self, other: &Entry) -> bool {
        self.shape == other.shape
            && self.values == other.values
            && self.integral == other.integral
            && self.missing == other.missing
            && self.labels == other.labels
    }

    /// The same values with the categories of an older entry first.
    fn relabelled(&self, older: &Entry) -> Result<Entry, DataError> {
        let (own, before) = match (&self.labels, &older.labels) {
            (Some(own), Some(before)) => (own, before),
            (None, None) => return Ok(self.clone()),
            _ if self.values.is_empty() || self.missing_count() == self.values.len() => {
                return Ok(self.clone());
            }
            _ => {
                return Err(DataError::new(
                    format!(
                        "`{}` holds labels in one file and numbers in the other",
                        self.key
                    ),
                    &self.origin,
                )
                .and_at(&older.origin)
                .help("write it alike in both"));
            }
        };
        let mut labels = before.clone();
        for label in own {
            if !labels.contains(label) {
                labels.push(label.clone());
            }
        }
        let number = |label: &String| labels.iter().position(|other| other == label);
        let numbers: Vec<f64> = own
            .iter()
            .map(|label| number(label).map_or(0.0, |position| position as f64 + 1.0))
            .collect();
        let renumbered = |(flat, &value): (usize, &f64)| match self.is_missing(flat) {
            true => value,
            false => numbers[value as usize - 1],
        };
        let values = self.values.iter().enumerate().map(renumbered).collect();
        Ok(Entry {
            values,
            labels: Some(labels),
            ..self.clone()
        })
    }

    /// Whether the element of this flat index is missing.
    pub fn is_missing(&self, flat: usize) -> bool {
        self.missing.get(flat).copied().unwrap_or(false)
    }

    /// Number of missing elements.
    pub fn missing_count(&self) -> usize {
        self.missing.iter().filter(|&&missing| missing).count()
    }

    /// The name of an element as messages write it: `y[3][2]`.
    pub fn element_name(&self, flat: usize) -> String {
        path(&self.key, &subscripts(flat, &self.shape))
    }
}

/// Why data cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataError {
    /// What is wrong, without a final full stop.
    pub message: String,
    /// Where: file, line and column, key. The first is the place to look at.
    pub places: Vec<String>,
    /// What to do next.
    pub help: Option<String>,
}

impl std::error::Error for DataError {}

impl fmt::Display for DataError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.message)?;
        for (rank, place) in self.places.iter().enumerate() {
            write!(out, "\n  {} {place}", if rank == 0 { "-->" } else { "and" })?;
        }
        match &self.help {
            Some(help) => write!(out, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl DataError {
    pub(super) fn new(message: impl Into<String>, place: &str) -> Self {
        Self {
            message: message.into(),
            places: vec![place.to_owned()],
            help: None,
        }
    }

    pub(super) fn and_at(mut self, place: &str) -> Self {
        self.places.push(place.to_owned());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// `y[3][2]`, indices from 1.
pub(super) fn path(key: &str, indices: &[usize]) -> String {
    let mut name = key.to_owned();
    for index in indices {
        name.push_str(&format!("[{index}]"));
    }
    name
}

/// Text cells as categories: their numbers 1..K (0 where missing) in the sorted order of the distinct texts, and these.
pub(super) fn categorise(cells: &[Option<String>]) -> (Vec<f64>, Vec<String>) {
    let labels: Vec<String> = cells
        .iter()
        .flatten()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .cloned()
        .collect();
    let number = |cell: &String| labels.partition_point(|label| label < cell) as f64 + 1.0;
    (
        cells
            .iter()
            .map(|cell| cell.as_ref().map_or(0.0, number))
            .collect(),
        labels,
    )
}

/// The largest magnitude below which every whole number is an `f64`: 2⁵³.
pub(super) const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_in_two_files_is_an_error_that_names_both() {
        let mut data = Dataset::from_json("a.json", r#"{"y": [1, 2]}"#).unwrap();
        let error = data
            .merge(Dataset::from_csv("b.csv", "x,y\n1,2\n").unwrap())
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("b.csv, column `y`"), "{text}");
        assert!(text.contains("a.json, key `y`"), "{text}");
    }

    #[test]
    fn set_overrides_and_adds() {
        let mut data = Dataset::from_json("a.json", r#"{"s": 1.5, "y": [1]}"#).unwrap();
        data.set("s", "2").unwrap();
        data.set("k", "[[1, 2], [3, 4.5]]").unwrap();
        data.set("limit", "inf").unwrap();
        let s = data.get("s").unwrap();
        assert_eq!(
            (s.values[0], s.integral, s.origin.as_str()),
            (2.0, true, "--set s")
        );
        let k = data.get("k").unwrap();
        assert_eq!((k.shape.as_slice(), k.integral), (&[2, 2][..], false));
        assert_eq!(data.get("limit").unwrap().values, [f64::INFINITY]);
        assert_eq!(data.entries().len(), 4);
        assert!(
            data.set("s", "1,2,3")
                .unwrap_err()
                .to_string()
                .contains("[1, 2, 3]")
        );
    }

    #[test]
    fn computed_values_are_data_unless_they_are_no_numbers() {
        let mut data = Dataset::default();
        data.set_values("k", vec![2], vec![1.0, -2.0], true, "data k")
            .unwrap();
        let k = data.get("k").unwrap();
        assert_eq!((k.values.as_slice(), k.integral), (&[1.0, -2.0][..], true));
        let error = data.set_values("k", vec![2], vec![1.0, f64::NAN], false, "data k");
        assert!(error.unwrap_err().message.contains("`k[2]`"));
        assert_eq!(data.get("k").unwrap().values, [1.0, -2.0]);
    }

    #[test]
    fn elements_are_named_with_their_indices() {
        let data =
            Dataset::from_json("a.json", r#"{"y": [[1, 2, 3], [4, 5, 6]], "s": 1}"#).unwrap();
        assert_eq!(data.get("y").unwrap().element_name(3), "y[2][1]");
        assert_eq!(data.get("s").unwrap().element_name(0), "s");
    }

    #[test]
    fn damaged_text_is_an_error_or_data_but_never_a_panic() {
        let json = r#"{"y": [[1, null], ["inf", -2.5e3]], "f": ["a", "é"], "n": 3}"#;
        let csv = "x,\"a \"\"b\"\"\",f\r\n1,NA,é\r\n,2.5,-inf\r\n";
        let noise = [
            "\"", "[", "]", "{", "}", ",", "\n", "\0", "é", "-", "1e999", "null", "\\u12",
        ];
        for at in (0..json.len().max(csv.len())).rev() {
            for piece in noise {
                for (text, is_json) in [(json, true), (csv, false)] {
                    let Some((head, tail)) = text.split_at_checked(at) else {
                        continue;
                    };
                    for damaged in [head.to_owned(), [head, piece, tail].concat()] {
                        let read = if is_json {
                            Dataset::from_json
                        } else {
                            Dataset::from_csv
                        };
                        if let Ok(data) = read("d", &damaged) {
                            let is_whole = |entry: &Entry| {
                                let size: usize = entry.shape.iter().product();
                                entry.values.len() == size
                                    && (entry.missing.is_empty() || entry.missing.len() == size)
                                    && entry.values.iter().all(|value| !value.is_nan())
                            };
                            assert!(data.entries().iter().all(is_whole), "{damaged}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn labels_are_sorted_and_counted_from_one() {
        let cells = ["b", "a", "c", "a"].map(|cell| Some(cell.to_owned()));
        assert_eq!(
            categorise(&cells),
            (
                vec![2.0, 1.0, 3.0, 1.0],
                vec!["a".into(), "b".into(), "c".into()]
            )
        );
    }
}
