//! Values as a person reads them: ten digits of one number, six of each of many, matrices in columns, and no more than fits
//! on a screen.

use likelier::interactive::Value;

/// The width of a page.
pub const WIDTH: usize = 80;
/// Elements of a vector beyond this are shortened.
const MOST_ELEMENTS: usize = 60;
/// Elements shown of a shortened vector, at its start and at its end.
const ENDS: (usize, usize) = (20, 3);
/// Rows and columns of a matrix beyond these are not shown.
const MOST_ROWS: usize = 20;

/// A value as text, without a line break at its end.
pub fn text(value: &Value, is_bool: bool) -> String {
    let digits = if value.shape.is_empty() { 10 } else { 6 };
    let element = |number: f64| match is_bool {
        true => (number != 0.0).to_string(),
        false => self::number(number, digits, value.is_int),
    };
    let elements: Vec<String> = value.values.iter().map(|&number| element(number)).collect();
    match value.shape.as_slice() {
        [] => elements.concat(),
        [_] => vector(&elements),
        [rows, columns] if *rows > 0 && *columns > 0 => matrix(&elements, *columns),
        shape => {
            let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
            format!(
                "{} numbers [{}]: {}",
                elements.len(),
                sizes.join(", "),
                vector(&elements)
            )
        }
    }
}

/// A number with at most so many significant digits.
pub fn number(value: f64, digits: usize, is_int: bool) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if is_int {
        return format!("{value:.0}");
    }
    let rounded: f64 = format!("{value:.*e}", digits - 1).parse().unwrap_or(value);
    match rounded.abs() {
        0.0 => "0".to_owned(),
        size if (1e-5..1e15).contains(&size) => rounded.to_string(),
        _ => format!("{rounded:e}"),
    }
}

fn vector(elements: &[String]) -> String {
    let (head, tail) = ENDS;
    let shown: Vec<String> = match elements.len() > MOST_ELEMENTS {
        false => elements.to_vec(),
        true => {
            let hidden = elements.len() - head - tail;
            let mut shown = elements[..head].to_vec();
            shown.push(format!("… {hidden} more …"));
            shown.extend_from_slice(&elements[elements.len() - tail..]);
            shown
        }
    };
    wrapped(&format!("[{}]", shown.join(", ")), 1)
}

/// A text in lines of at most [`WIDTH`] characters, those after the first indented.
pub fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("a line");
        let is_first = line.trim().is_empty();
        if !is_first && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{}{word}", " ".repeat(indent)));
        } else {
            if !is_first {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

fn matrix(elements: &[String], columns: usize) -> String {
    let width = elements.iter().map(|text| text.chars().count()).max();
    let width = width.unwrap_or(0);
    let fitting = ((WIDTH - 6) / (width + 2)).max(1).min(columns);
    let rows = elements.len() / columns;
    let mut lines = Vec::new();
    for (rank, row) in elements.chunks(columns).take(MOST_ROWS).enumerate() {
        let cells: Vec<String> = row[..fitting]
            .iter()
            .map(|cell| format!("{cell:>width$}"))
            .collect();
        let rest = if fitting < columns { ", …" } else { "" };
        let open = if rank == 0 { "[" } else { " " };
        let close = if rank + 1 == rows { "]" } else { "," };
        lines.push(format!("{open}[{}{rest}]{close}", cells.join(", ")));
    }
    if rows > MOST_ROWS || fitting < columns {
        lines.push(format!(" … {rows} rows, {columns} columns in all"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(shape: &[usize], values: &[f64]) -> String {
        text(
            &Value {
                is_int: false,
                shape: shape.to_vec(),
                values: values.to_vec(),
            },
            false,
        )
    }

    #[test]
    fn numbers_have_as_many_digits_as_are_read() {
        assert_eq!(shown(&[], &[2.0 / 3.0]), "0.6666666667");
        assert_eq!(shown(&[], &[2.0]), "2");
        assert_eq!(shown(&[], &[-1e-300]), "-1e-300");
        assert_eq!(shown(&[], &[f64::NEG_INFINITY]), "-inf");
        assert_eq!(shown(&[3], &[1.0 / 3.0, 1e20, -0.0]), "[0.333333, 1e20, 0]");
        assert_eq!(number(3.0, 10, true), "3");
        assert_eq!(number(12345678.9, 6, false), "12345700");
    }

    #[test]
    fn arrays_fit_a_page() {
        assert_eq!(
            shown(&[2, 2], &[1.0, 2.5, -3.0, 4.0]),
            "[[  1, 2.5],\n [ -3,   4]]"
        );
        let long: Vec<f64> = (0..1000).map(f64::from).collect();
        let text = shown(&[1000], &long);
        let on_one_line = text.replace("\n ", " ");
        assert!(
            on_one_line.contains("19, … 977 more …, 997, 998, 999]"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        let wide = shown(&[10, 100], &long);
        assert!(
            wide.lines().all(|line| line.chars().count() <= WIDTH),
            "{wide}"
        );
        assert!(wide.ends_with("10 rows, 100 columns in all"));
        assert_eq!(shown(&[0], &[]), "[]");
    }
}
