//! CSV text to named arrays: a header row, then one row per observation. Each column decides for itself what it is:
//! numbers if every cell is one, true and false likewise, else labels of categories. An empty cell or `NA` is missing.
//! A short row is an error with its line, since shifting cells would put numbers under the wrong name unnoticed.

use std::collections::HashSet;

use super::dataset::{DataError, Entry, LARGEST_EXACT, categorise};

/// All columns of a file.
pub(super) fn read(file_name: &str, text: &str) -> Result<Vec<Entry>, DataError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers = headers(file_name, &mut reader)?;
    check_blank_lines(file_name, text, headers.len())?;
    let mut columns: Vec<Column> = headers.iter().map(|_| Column::default()).collect();
    let mut record = csv::StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| malformed(file_name, &error))?
    {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != headers.len() {
            return Err(ragged(file_name, text, line, record.len(), headers.len()));
        }
        for (column, cell) in columns.iter_mut().zip(&record) {
            column.cells.push(cell_text(cell));
            column.lines.push(line);
        }
    }
    headers
        .into_iter()
        .zip(columns)
        .map(|(name, column)| column.finish(file_name, name))
        .collect()
}

type TextReader<'a> = csv::Reader<&'a [u8]>;

/// The names of the columns; a nameless one (R writes its row names so) is called by its number.
fn headers(file_name: &str, reader: &mut TextReader<'_>) -> Result<Vec<String>, DataError> {
    let record = reader
        .headers()
        .map_err(|error| malformed(file_name, &error))?;
    if record.is_empty() || record.iter().all(str::is_empty) {
        return Err(DataError::new("the file is empty", file_name)
            .help("the first row of a CSV file names the columns"));
    }
    let mut names = Vec::with_capacity(record.len());
    let mut seen = HashSet::new();
    for (index, cell) in record.iter().enumerate() {
        let name = if cell.is_empty() {
            format!("column {}", index + 1)
        } else {
            cell.to_owned()
        };
        if !seen.insert(name.clone()) {
            let place = format!("{file_name}:1, column {}", index + 1);
            return Err(
                DataError::new(format!("the column `{name}` occurs twice"), &place)
                    .help("remove or rename one of them"),
            );
        }
        names.push(name);
    }
    if names.len() == 1 && names[0].contains([';', '\t']) {
        return Err(DataError::new(
            "the columns are not separated by commas",
            &format!("{file_name}:1"),
        )
        .help("write the file with commas between the cells and a point in numbers (1.5)"));
    }
    Ok(names)
}

/// In a file of one column an empty line could be a missing value or nothing at all.
fn check_blank_lines(file_name: &str, text: &str, columns: usize) -> Result<(), DataError> {
    if columns != 1 {
        return Ok(());
    }
    match text
        .trim_end()
        .lines()
        .skip_while(|line| line.trim().is_empty())
        .position(|line| line.trim().is_empty())
    {
        Some(index) => Err(DataError::new(
            "an empty line in a file of one column may be a missing value or not",
            &format!("{file_name}:{}", index + 1),
        )
        .help("write NA for a missing value, or remove the line")),
        None => Ok(()),
    }
}

fn malformed(file_name: &str, error: &csv::Error) -> DataError {
    let place = match error.position() {
        Some(position) => format!("{file_name}:{}", position.line()),
        None => file_name.to_owned(),
    };
    DataError::new(format!("this is not CSV: {error}"), &place)
        .help("save the table as comma-separated values in UTF-8")
}

fn ragged(file_name: &str, text: &str, line: u64, found: usize, expected: usize) -> DataError {
    // The reader reports where it began to look; empty lines in between are not part of the row.
    let skipped = text
        .lines()
        .skip(line as usize - 1)
        .take_while(|line| line.trim().is_empty())
        .count();
    let line = line + skipped as u64;
    let cells = if found == 1 { "cell" } else { "cells" };
    DataError::new(
        format!("this row has {found} {cells}, but the header names {expected} columns"),
        &format!("{file_name}:{line}"),
    )
    .help("put cells that contain a comma in double quotes; leave the cell of a missing value empty or write NA")
}

fn cell_text(cell: &str) -> Option<String> {
    (!cell.is_empty() && cell != "NA").then(|| cell.to_owned())
}

#[derive(Default)]
struct Column {
    cells: Vec<Option<String>>,
    lines: Vec<u64>,
}

impl Column {
    fn finish(self, file_name: &str, key: String) -> Result<Entry, DataError> {
        let (values, labels, integral) = match self.numbers() {
            Some((values, integral)) => {
                if let Some(row) = values.iter().position(|value| value.is_nan()) {
                    let place = format!("{file_name}:{}, column `{key}`", self.lines[row]);
                    return Err(DataError::new("NaN is not a value", &place)
                        .help("leave the cell of a missing value empty or write NA"));
                }
                (values, None, integral)
            }
            None => {
                let (values, labels) = categorise(&self.cells);
                (values, Some(labels), true)
            }
        };
        let mut missing: Vec<bool> = self.cells.iter().map(Option::is_none).collect();
        if !missing.contains(&true) {
            missing.clear();
        }
        let origin = format!("{file_name}, column `{key}`");
        Ok(Entry {
            shape: vec![values.len()],
            key,
            values,
            integral,
            missing,
            labels,
            origin,
        })
    }

    /// The cells as numbers, and whether all are whole as written; `None` if some are neither numbers nor bools.
    fn numbers(&self) -> Option<(Vec<f64>, bool)> {
        let present = || self.cells.iter().flatten();
        let all_bools = present().next().is_some() && present().all(|cell| truth(cell).is_some());
        let number = |cell: &Option<String>| match cell {
            None => Some(0.0),
            Some(cell) if all_bools => truth(cell),
            Some(cell) => cell.parse::<f64>().ok(),
        };
        let values: Vec<f64> = self.cells.iter().map(number).collect::<Option<_>>()?;
        Some((values, all_bools || present().all(|cell| is_whole(cell))))
    }
}

fn truth(cell: &str) -> Option<f64> {
    match cell {
        "true" | "TRUE" | "True" => Some(1.0),
        "false" | "FALSE" | "False" => Some(0.0),
        _ => None,
    }
}

fn is_whole(cell: &str) -> bool {
    let digits = cell.strip_prefix(['+', '-']).unwrap_or(cell);
    let magnitude: f64 = digits.parse().unwrap_or(f64::INFINITY);
    digits.bytes().all(|byte| byte.is_ascii_digit()) && magnitude <= LARGEST_EXACT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(text: &str) -> Vec<Entry> {
        read("d.csv", text).unwrap()
    }

    fn error(text: &str) -> String {
        read("d.csv", text).unwrap_err().to_string()
    }

    #[test]
    fn columns_decide_what_they_are() {
        let c = columns(
            "\u{feff}n,x,treated,county,\"odd, name\"\r\n1,1.5,TRUE,b,0\r\n2,-2e3,FALSE,a,1\r\n",
        );
        assert_eq!(
            c.iter().map(|e| e.key.as_str()).collect::<Vec<_>>(),
            ["n", "x", "treated", "county", "odd, name"]
        );
        assert_eq!(
            (c[0].values.clone(), c[0].integral, c[0].shape.clone()),
            (vec![1.0, 2.0], true, vec![2])
        );
        assert_eq!(
            (c[1].values.clone(), c[1].integral),
            (vec![1.5, -2000.0], false)
        );
        assert_eq!(
            (c[2].values.clone(), c[2].integral, c[2].labels.is_none()),
            (vec![1.0, 0.0], true, true)
        );
        assert_eq!(c[3].values, [2.0, 1.0]);
        assert_eq!(c[3].labels.as_deref().unwrap(), ["a", "b"]);
        assert_eq!(c[4].origin, "d.csv, column `odd, name`");
    }

    #[test]
    fn missing_cells() {
        let c = columns("x,g\n1,\nNA,b\n3,NA\n");
        assert_eq!(
            (c[0].missing.clone(), c[0].values.clone()),
            (vec![false, true, false], vec![1.0, 0.0, 3.0])
        );
        assert!(c[0].integral);
        assert_eq!(
            (c[1].missing.clone(), c[1].values.clone()),
            (vec![true, false, true], vec![0.0, 1.0, 0.0])
        );
        let none = columns("x,g\n");
        assert_eq!((none[0].shape.clone(), none[0].missing.len()), (vec![0], 0));
        assert_eq!(columns("\"\",x\n\"1\",5\n")[0].key, "column 1");
    }

    #[test]
    fn complaints_say_where() {
        for (text, what) in [
            ("", "empty"),
            ("x,x\n1,2\n", "`x` occurs twice"),
            ("x,y\n1,2\n3\n", "d.csv:3"),
            ("x,y\n1,2\n\n\n3,4,5\n", "d.csv:5"),
            ("x\n1\n\n3\n", "d.csv:3"),
            ("x;y\n1,5;2\n", "commas"),
            ("x,y\n1,2\nnan,3\n", "d.csv:3, column `x`"),
        ] {
            let error = error(text);
            assert!(error.contains(what), "{text:?}\n{error}");
        }
    }

    #[test]
    fn infinity_and_quotes() {
        let c = columns("x,s\ninf,\"a \"\"b\"\"\nc\"\n-inf,d\n");
        assert_eq!(c[0].values, [f64::INFINITY, f64::NEG_INFINITY]);
        assert!(!c[0].integral);
        assert_eq!(c[1].labels.as_deref().unwrap()[0], "a \"b\"\nc");
    }
}
