//! JSON text to named arrays, by Stan's conventions: nested arrays, `"inf"` and `"-inf"` as text, `null` for missing.
//! Values stream from the parser into flat storage without a tree in between: repeated keys are noticed, large files
//! cost no more than their numbers, and each complaint knows the line and column where it arose. Nesting is limited by
//! the parser itself, so hostile input ends in a message.

use std::collections::HashSet;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::error::Category;

use super::dataset::{DataError, Entry, LARGEST_EXACT, categorise, path};

/// All arrays of a file.
pub(super) fn read(file_name: &str, text: &str) -> Result<Vec<Entry>, DataError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        file_name,
        complaint: None,
    };
    let mut parser = Deserializer::from_str(text);
    let result = parser.deserialize_any(FileVisitor {
        reader: &mut reader,
    });
    let result = result.and_then(|entries| parser.end().map(|()| entries));
    result.map_err(|error| reader.explain(text, &error))
}

/// One value of the command line.
pub(super) fn read_value(name: &str, text: &str) -> Result<Entry, DataError> {
    let origin = format!("--set {name}");
    let quoted;
    let text = match infinity(text.trim()) {
        Some(_) => {
            quoted = format!("{:?}", text.trim());
            &quoted
        }
        None => text,
    };
    let mut reader = Reader {
        file_name: &origin,
        complaint: None,
    };
    let mut parser = Deserializer::from_str(text);
    let result = ValueSeed {
        reader: &mut reader,
        key: name,
    }
    .deserialize(&mut parser)
    .and_then(|entry| parser.end().map(|()| entry));
    match result {
        Ok(entry) => Ok(Entry { origin, ..entry }),
        Err(_) if reader.complaint.is_none() => Err(DataError::new(
            format!("`{text}` is neither a number nor a JSON value"),
            &origin,
        )
        .help("write a number, an array like [1, 2, 3], or text in double quotes")),
        Err(error) => Err(reader.explain(text, &error)),
    }
}

struct Reader<'a> {
    file_name: &'a str,
    /// The first complaint of ours; the parser only carries its text, not its parts.
    complaint: Option<Complaint>,
}

struct Complaint {
    message: String,
    path: String,
    help: String,
}

impl Reader<'_> {
    fn complain<E: serde::de::Error>(
        &mut self,
        path: String,
        message: impl Into<String>,
        help: &str,
    ) -> E {
        let message = message.into();
        let error = E::custom(&message);
        let help = help.to_owned();
        self.complaint.get_or_insert(Complaint {
            message,
            path,
            help,
        });
        error
    }

    fn explain(self, text: &str, error: &serde_json::Error) -> DataError {
        let position = format!("{}:{}:{}", self.file_name, error.line(), error.column());
        if let Some(complaint) = self.complaint {
            let at_key = match complaint.path.as_str() {
                "" => position,
                path => format!("{position}, key `{path}`"),
            };
            return DataError::new(complaint.message, &at_key).help(complaint.help);
        }
        if text.trim().is_empty() {
            return DataError::new("the file is empty", self.file_name)
                .help("a data file is a JSON object: {\"y\": [1, 2, 3]}");
        }
        let full = error.to_string();
        let reason = full.split(" at line ").next().unwrap_or(&full);
        let next_word = text
            .lines()
            .nth(error.line().saturating_sub(1))
            .unwrap_or("");
        let next_word = next_word
            .get(error.column().saturating_sub(1)..)
            .unwrap_or("");
        let not_a_number = ["NaN", "nan", "N"]
            .iter()
            .any(|word| next_word.starts_with(word));
        let help = match error.classify() {
            _ if not_a_number => "write null for a missing value; NaN is not a value",
            _ if next_word.starts_with("Inf") || next_word.starts_with('I') => {
                "write \"inf\" or \"-inf\", with the quotes"
            }
            _ if reason.contains("number out of range") => {
                "the largest number is about 1.8e308; write \"inf\" for infinity"
            }
            _ if reason.contains("recursion limit") => {
                "arrays may be nested up to a hundred deep; is the file what you think it is?"
            }
            _ if reason.contains("trailing comma") => "remove the comma before the closing bracket",
            Category::Eof => "the file ends too early: a bracket, brace or quote is not closed",
            _ => "check the file with a JSON validator; names and texts stand in double quotes",
        };
        DataError::new(format!("this is not JSON: {reason}"), &position).help(help)
    }
}

struct FileVisitor<'r, 'f> {
    reader: &'r mut Reader<'f>,
}

impl<'de> Visitor<'de> for FileVisitor<'_, '_> {
    type Value = Vec<Entry>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "an object whose keys name the arrays, like {{\"y\": [1, 2, 3]}}"
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Entry>, A::Error> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                let message = format!("the key `{key}` occurs twice");
                return Err(self
                    .reader
                    .complain(key, message, "remove or rename one of them"));
            }
            entries.push(map.next_value_seed(ValueSeed {
                reader: self.reader,
                key: &key,
            })?);
        }
        Ok(entries)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Vec<Entry>, A::Error> {
        let message = "the file holds an array, but the arrays of a data file need names";
        Err(self.reader.complain(
            String::new(),
            message,
            "write an object: {\"y\": [1, 2, 3]}",
        ))
    }
}

/// Reads the value of one key.
struct ValueSeed<'r, 'f, 'k> {
    reader: &'r mut Reader<'f>,
    key: &'k str,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_, '_> {
    type Value = Entry;

    fn deserialize<D: serde::Deserializer<'de>>(self, parser: D) -> Result<Entry, D::Error> {
        let origin = format!("{}, key `{}`", self.reader.file_name, self.key);
        let mut array = Array {
            reader: self.reader,
            key: self.key,
            indices: Vec::new(),
            rank: None,
            shape: Vec::new(),
            cells: Cells::default(),
        };
        (&mut array).deserialize(parser)?;
        let shape = array
            .shape
            .iter()
            .map(|length| length.unwrap_or(0))
            .collect();
        Ok(array.cells.finish(self.key.to_owned(), shape, origin))
    }
}

/// One array while it is read.
struct Array<'r, 'f, 'k> {
    reader: &'r mut Reader<'f>,
    key: &'k str,
    /// Where in the array the parser stands, from 1.
    indices: Vec<usize>,
    /// Depth of the scalars, once one was seen.
    rank: Option<usize>,
    /// The length at each depth, once an array of this depth has ended.
    shape: Vec<Option<usize>>,
    cells: Cells,
}

impl Array<'_, '_, '_> {
    fn complain<E: serde::de::Error>(&mut self, message: impl Into<String>, help: &str) -> E {
        self.reader
            .complain(path(self.key, &self.indices), message, help)
    }

    /// Every scalar must stand at the same depth.
    fn scalar<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.indices.len() == self.shape.len() {
            self.rank = Some(self.shape.len());
            return Ok(());
        }
        Err(self.complain(
            "a single value stands here, but its neighbours are arrays",
            "all rows of an array must have the same number of elements; fill up with null if some are missing",
        ))
    }

    fn number<E: serde::de::Error>(&mut self, value: f64, integral: bool) -> Result<(), E> {
        self.scalar()?;
        if self.cells.number(value, integral) {
            return Ok(());
        }
        Err(self.complain(
            "a number stands here, but the elements before it are text",
            ONE_KIND,
        ))
    }
}

const ONE_KIND: &str = "an array holds numbers or texts, not both; numbers stand without quotes, missing values are null";

impl<'de> DeserializeSeed<'de> for &mut Array<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Array<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a number, null, text or an array")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.number(f64::from(value), true)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.number(value as f64, (value as f64).abs() <= LARGEST_EXACT)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.number(value as f64, value as f64 <= LARGEST_EXACT)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.number(value, false)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar()?;
        self.cells.missing();
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if let Some(value) = infinity(text) {
            return self.number(value, false);
        }
        if text.eq_ignore_ascii_case("nan") {
            return Err(self.complain("NaN is not a value", "write null for a missing value"));
        }
        self.scalar()?;
        if self.cells.text(text) {
            return Ok(());
        }
        Err(self.complain(
            format!("the text {text:?} stands here, but the elements before it are numbers"),
            ONE_KIND,
        ))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.complain(
            "an object stands here, but data are numbers, texts and arrays of them",
            "give each array a key of its own at the top of the file",
        ))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let depth = self.indices.len();
        if self.rank.is_some_and(|rank| depth >= rank) {
            return Err(self.complain(
                "an array stands here, but its neighbours are single values",
                "all elements of an array must have the same shape",
            ));
        }
        if self.shape.len() == depth {
            self.shape.push(None);
        }
        self.indices.push(1);
        while elements.next_element_seed(&mut *self)?.is_some() {
            self.indices[depth] += 1;
        }
        let length = self.indices[depth] - 1;
        self.indices.pop();
        let expected = *self.shape[depth].get_or_insert(length);
        if length == expected {
            return Ok(());
        }
        Err(self.complain(
            format!("this row has {}, but the rows before it have {expected}", elements_text(length)),
            "all rows of an array must have the same number of elements; fill up with null if some are missing",
        ))
    }
}

fn elements_text(count: usize) -> String {
    format!("{count} element{}", if count == 1 { "" } else { "s" })
}

/// The flat elements of an array: numbers or texts, not both.
#[derive(Default)]
struct Cells {
    values: Vec<f64>,
    texts: Vec<Option<String>>,
    missing: Vec<bool>,
    has_missing: bool,
    has_numbers: bool,
    has_fractions: bool,
}

impl Cells {
    fn number(&mut self, value: f64, integral: bool) -> bool {
        self.has_numbers = true;
        self.has_fractions |= !integral;
        self.values.push(value);
        self.missing.push(false);
        self.texts.is_empty()
    }

    fn text(&mut self, text: &str) -> bool {
        self.texts.resize(self.missing.len(), None);
        self.texts.push(Some(text.to_owned()));
        self.missing.push(false);
        !self.has_numbers
    }

    fn missing(&mut self) {
        self.has_missing = true;
        self.values.push(0.0);
        self.missing.push(true);
    }

    fn finish(mut self, key: String, shape: Vec<usize>, origin: String) -> Entry {
        let mut labels = None;
        if !self.texts.is_empty() {
            self.texts.resize(self.missing.len(), None);
            let (values, categories) = categorise(&self.texts);
            self.values = values;
            labels = Some(categories);
        }
        let missing = if self.has_missing {
            self.missing
        } else {
            Vec::new()
        };
        Entry {
            key,
            shape,
            values: self.values,
            integral: !self.has_fractions,
            missing,
            labels,
            origin,
        }
    }
}

/// Infinity as text, the way Stan, R and Python write it.
fn infinity(text: &str) -> Option<f64> {
    let (sign, word) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let known = ["inf", "Inf", "INF", "infinity", "Infinity"].contains(&word);
    known.then_some(sign * f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::Dataset;

    fn entry(text: &str) -> Entry {
        read("d.json", text).unwrap().remove(0)
    }

    fn error(text: &str) -> String {
        Dataset::from_json("d.json", text).unwrap_err().to_string()
    }

    #[test]
    fn shapes_values_and_kinds() {
        let y = entry(r#"{"y": [[1, 2, 3], [4, 5, 6]]}"#);
        assert_eq!((y.shape, y.integral), (vec![2, 3], true));
        assert_eq!(y.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(!entry(r#"{"y": [1, 2.0]}"#).integral);
        assert!(!entry(r#"{"y": [1, 2e3]}"#).integral);
        assert_eq!(entry(r#"{"y": 7}"#).shape.len(), 0);
        assert_eq!(entry(r#"{"y": []}"#).shape, [0]);
        assert_eq!(entry(r#"{"y": [[], []]}"#).shape, [2, 0]);
        assert_eq!(entry(r#"{"y": [true, false]}"#).values, [1.0, 0.0]);
        assert_eq!(
            entry(r#"{"y": ["inf", "-inf", "+Infinity", 0]}"#).values,
            [f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, 0.0]
        );
    }

    #[test]
    fn numbers_are_read_to_the_last_bit() {
        let y = entry(
            r#"{"y": [0.1, 2.2250738585072011e-308, 1.7976931348623157e308, 9007199254740993]}"#,
        );
        assert_eq!(
            y.values,
            [
                0.1,
                2.225_073_858_507_201e-308,
                f64::MAX,
                9_007_199_254_740_992.0
            ]
        );
        assert!(entry(r#"{"y": 9007199254740992}"#).integral);
        assert!(!entry(r#"{"y": 9007199254740994}"#).integral);
        assert!(!entry(r#"{"y": [123456789012345678901234567890]}"#).integral);
        assert!(error(r#"{"y": 1e999}"#).contains("inf"));
    }

    #[test]
    fn missing_and_labels() {
        let y = entry(r#"{"y": [null, 2, null]}"#);
        assert_eq!(
            (y.missing.clone(), y.missing_count(), y.integral),
            (vec![true, false, true], 2, true)
        );
        assert_eq!(entry(r#"{"y": null}"#).missing, [true]);
        let f = entry(r#"{"f": [null, "b", "a", "b"]}"#);
        assert_eq!(f.values, [0.0, 2.0, 1.0, 2.0]);
        assert_eq!(f.labels.unwrap(), ["a", "b"]);
        assert_eq!(f.missing, [true, false, false, false]);
    }

    #[test]
    fn complaints_say_where() {
        for (text, place, what) in [
            (r#"{"y": [[1, 2], [3]]}"#, "key `y[2]`", "1 element"),
            (r#"{"y": [[1, 2], 3]}"#, "key `y[2]`", "single value"),
            (
                r#"{"y": [1, [2, 3]]}"#,
                "key `y[2]`",
                "an array stands here",
            ),
            (r#"{"y": [[[]], [1]]}"#, "key `y[2][1]`", "single value"),
            (
                r#"{"y": [[1, 2], [3, "NaN"]]}"#,
                "key `y[2][2]`",
                "NaN is not a value",
            ),
            (r#"{"y": [1, "two"]}"#, "key `y[2]`", "two"),
            (r#"{"y": ["one", 2]}"#, "key `y[2]`", "text"),
            (r#"{"y": [1, {"a": 2}]}"#, "key `y[2]`", "object"),
            (r#"{"y": 1, "x": 2, "y": 3}"#, "key `y`", "twice"),
            (r#"[1, 2]"#, "d.json:1:", "names"),
        ] {
            let error = error(text);
            assert!(
                error.contains(place) && error.contains(what),
                "{text}
{error}"
            );
        }
        assert!(error("{\"x\": 1,\n \"y\": [1, \"nan\"]}").contains("d.json:2:"));
    }

    #[test]
    fn malformed_text_is_an_error() {
        for (text, what) in [
            ("", "empty"),
            ("  \n", "empty"),
            (r#"{"y": [1, 2"#, "not closed"),
            (r#"{"y": [1, 2,]}"#, "comma"),
            (r#"{"y": NaN}"#, "null for a missing"),
            (r#"{"y": [1, Infinity]}"#, "\"inf\""),
            (r#"{"y": 1} trailing"#, "not JSON"),
            ("7", "object"),
            ("y = 7", "not JSON"),
        ] {
            let error = error(text);
            assert!(error.contains(what), "{text}\n{error}");
        }
        let deep = format!("{{\"y\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(error(&deep).contains("nested"));
        assert!(!error(&"[".repeat(100_000)).is_empty());
    }
}
