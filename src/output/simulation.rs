//! Simulated rows as files: a plain CSV with a header, or JSON. A single row of JSON is a data file again, so that what
//! was simulated can be fitted.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::evidence::with_error;
use super::stan_csv::{stan_name, stan_order, write_number};
use crate::simulation::{DrawTable, Rows, Way};
use crate::uncertainty::VarianceParts;
use likelier_compiler::data::dataset::Dataset;

/// A row for each draw under a header of names.
///
/// # Errors
/// Those of `out`.
pub fn write_csv(out: &mut dyn Write, rows: &Rows) -> io::Result<()> {
    let order = stan_order(&rows.columns);
    let names: Vec<String> = order
        .iter()
        .map(|&column| stan_name(&rows.columns[column]))
        .collect();
    writeln!(out, "{}", names.join(","))?;
    for row in rows.rows() {
        for (rank, &column) in order.iter().enumerate() {
            if rank > 0 {
                out.write_all(b",")?;
            }
            write_number(out, row[column])?;
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// All draws: each variable with an array of its values in each draw.
pub fn draws_json(rows: &Rows) -> String {
    let mut variables = Map::new();
    for row in rows.rows() {
        for (name, value) in nested(rows, row) {
            let draws = variables
                .entry(name)
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(draws) = draws {
                draws.push(value);
            }
        }
    }
    let document = json!({
        "format": "likelier-simulation",
        "format_version": 1,
        "draws": rows.count(),
        "variables": variables,
    });
    text(&document)
}

/// Each predicted number with its mean, spread and quantiles, and the parts of its variance.
pub fn prediction_json(rows: &Rows, parts: &[VarianceParts]) -> String {
    let quantities = rows.summary().into_iter().zip(parts).map(|(row, parts)| {
        let value = json!({
            "mean": row.mean, "sd": row.sd, "q5": row.q5, "q50": row.q50, "q95": row.q95,
            "epistemic_variance": parts.epistemic, "epistemic_variance_se": parts.epistemic_se,
            "aleatoric_variance": parts.aleatoric, "aleatoric_variance_se": parts.aleatoric_se,
        });
        (row.name, value)
    });
    let document = json!({
        "format": "likelier-prediction-summary",
        "format_version": 1,
        "draws": rows.count(),
        "quantities": quantities.collect::<Map<String, Value>>(),
    });
    text(&document)
}

/// Each simulated number with its mean, spread and quantiles.
pub fn simulation_json(rows: &Rows) -> String {
    let quantities = rows.summary().into_iter().map(|row| {
        let value = json!({
            "mean": row.mean, "sd": row.sd, "q5": row.q5, "q50": row.q50, "q95": row.q95,
        });
        (row.name, value)
    });
    text(&json!({
        "format": "likelier-simulation-summary",
        "format_version": 1,
        "draws": rows.count(),
        "tried": rows.tried,
        "method": method(rows.way),
        "smc": tempering_json(rows.way),
        "quantities": quantities.collect::<Map<String, Value>>(),
    }))
}

/// How rows were found, in one word.
pub fn method(way: Way) -> &'static str {
    match way {
        Way::Forward => "forward",
        Way::Exact => "exact",
        Way::Tempered(_) => "smc",
    }
}

/// What SMC did for draws; null if it did not run.
pub fn tempering_json(way: Way) -> Value {
    let Way::Tempered(found) = way else {
        return Value::Null;
    };
    json!({
        "runs": found.runs,
        "stages": found.stages,
        "chains": found.chains,
        "effective": found.effective,
        "different": found.different,
        "log_kept": { "value": found.log_kept.value, "se": found.log_kept.se },
    })
}

/// How draws from the prior heed its constraints; `None` where these reject none.
pub fn way_text(count: usize, tried: usize, way: Way) -> Option<String> {
    let rare = format!("the constraints keep hardly any of {tried} draws from the prior");
    match way {
        Way::Forward if tried <= count => None,
        Way::Forward => Some(format!(
            "{count} of {tried} draws from the prior were kept, each with the probability that its constraints give it."
        )),
        Way::Exact => Some(format!(
            "Drawn exactly: {rare}, and what they depend on is discrete, so it was drawn from its law given them."
        )),
        Way::Tempered(found) => Some(format!(
            "By SMC: {rare}, so they were tempered in, in {} runs of up to {} stages. Each draw is the end of one of {} chains, which are \
             worth {:.0} of equal weight; {} of the {count} draws are different. Draws of one run are not quite independent. Log of the share \
             that rejection would keep: {}.",
            found.runs,
            found.stages,
            found.chains,
            found.effective,
            found.different,
            with_error(found.log_kept)
        )),
    }
}

/// The first draw of the named variables together with the data that went in: a data file.
pub fn data_json(rows: &Rows, data: &Dataset, names: &[String]) -> String {
    text(&Value::Object(document(rows, data, names)))
}

/// As [`data_json`], but what is missing in the data stays missing.
pub fn masked_data_json(rows: &Rows, data: &Dataset, names: &[String]) -> String {
    let mut document = document(rows, data, names);
    for entry in data.entries().iter().filter(|e| e.missing_count() > 0) {
        if let Some(value) = document.get_mut(&entry.key) {
            mask(
                value,
                &mut (0..entry.values.len()).map(|k| entry.is_missing(k)),
            );
        }
    }
    text(&Value::Object(document))
}

fn mask(value: &mut Value, is_missing: &mut dyn Iterator<Item = bool>) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| mask(value, is_missing)),
        value => {
            if is_missing.next() == Some(true) {
                *value = Value::Null;
            }
        }
    }
}

fn document(rows: &Rows, data: &Dataset, names: &[String]) -> Map<String, Value> {
    let mut document = Map::new();
    for entry in data.entries() {
        let value = |flat: usize| match (&entry.labels, entry.values[flat]) {
            _ if entry.is_missing(flat) => Value::Null,
            (Some(labels), value) => labels[value as usize - 1].clone().into(),
            (None, value) if entry.integral => json!(value as i64),
            (None, value) => number(value),
        };
        document.insert(entry.key.clone(), array(&entry.shape, &value));
    }
    let simulated: Vec<&str> = rows.columns.iter().map(|c| c.variable.as_str()).collect();
    document.retain(|key, _| !simulated.contains(&key.as_str()) || names.contains(key));
    if let Some(row) = rows.rows().next() {
        for (name, value) in nested(rows, row) {
            if names.contains(&name) {
                let given = document.remove(&name).unwrap_or(Value::Null);
                document.insert(name, filled(value, given));
            }
        }
    }
    document
}

/// A value with what is missing in it taken from the data, where no statement draws those elements.
fn filled(value: Value, given: Value) -> Value {
    match (value, given) {
        (Value::Null, given) => given,
        (Value::Array(values), Value::Array(given)) if values.len() == given.len() => {
            let pairs = values.into_iter().zip(given);
            pairs.map(|(value, given)| filled(value, given)).collect()
        }
        (value, _) => value,
    }
}

/// The variables of a row as nested arrays.
fn nested(rows: &Rows, row: &[f64]) -> Vec<(String, Value)> {
    let mut places: Vec<usize> = (0..rows.columns.len()).collect();
    let mut variables: Vec<(String, Value)> = Vec::new();
    // The parts of a variable that is partly simulated lie apart.
    let rank = |place: &usize| {
        let name = &rows.columns[*place].variable;
        rows.columns
            .iter()
            .position(|other| other.variable == *name)
    };
    places.sort_by_cached_key(|place| (rank(place), rows.columns[*place].index.clone()));
    let name = |place: usize| &rows.columns[place].variable;
    for group in places.chunk_by(|&a, &b| name(a) == name(b)) {
        let column = &rows.columns[group[0]];
        let rank = column.index.len();
        let length = |axis: usize| {
            let indices = group.iter().map(|&place| rows.columns[place].index[axis]);
            indices.max().unwrap_or(0)
        };
        let shape: Vec<usize> = (0..rank).map(length).collect();
        let mut values = vec![Value::Null; shape.iter().product()];
        for &place in group {
            let index = rows.columns[place].index.iter().zip(&shape);
            let flat = index.fold(0, |flat, (&index, &length)| flat * length + index - 1);
            values[flat] = number(row[place]);
        }
        let value = |flat: usize| values[flat].clone();
        variables.push((column.variable.clone(), array(&shape, &value)));
    }
    variables
}

/// Nested arrays of a shape.
pub(super) fn array(shape: &[usize], value: &dyn Fn(usize) -> Value) -> Value {
    fn level(shape: &[usize], first: usize, value: &dyn Fn(usize) -> Value) -> Value {
        let Some((&length, inner)) = shape.split_first() else {
            return value(first);
        };
        let block: usize = inner.iter().product();
        (0..length)
            .map(|i| level(inner, first + i * block, value))
            .collect()
    }
    level(shape, 0, value)
}

/// Whole numbers are written as such, so that they fit an `int` again.
fn number(value: f64) -> Value {
    match value {
        v if v == f64::INFINITY => "inf".into(),
        v if v == f64::NEG_INFINITY => "-inf".into(),
        v if v == v.trunc() && v.abs() < 1e15 => json!(v as i64),
        v => json!(v),
    }
}

fn text(document: &Value) -> String {
    let mut text = serde_json::to_string(document).expect("numbers and texts are always JSON");
    text.push('\n');
    text
}

/// Reads draws in CmdStan's layout or any CSV of numbers with a header; comment lines begin with `#`.
///
/// # Errors
/// A sentence on what is wrong and where.
pub fn read_draws(name: &str, text: &str) -> Result<DrawTable, String> {
    let mut table = DrawTable {
        name: name.to_owned(),
        ..DrawTable::default()
    };
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if table.names.is_empty() {
            let names = line.split(',').map(|name| name.trim().trim_matches('"'));
            table.names = names.map(str::to_owned).collect();
            continue;
        }
        let before = table.values.len();
        for cell in line.split(',') {
            let value: f64 = cell.trim().parse().map_err(|_| {
                format!(
                    "{name}, line {}: `{}` is no number",
                    number + 1,
                    cell.trim()
                )
            })?;
            table.values.push(value);
        }
        let found = table.values.len() - before;
        if found != table.names.len() {
            return Err(format!(
                "{name}, line {}: {found} numbers under {} names\n  help: the file may be cut off; write the draws again",
                number + 1,
                table.names.len()
            ));
        }
    }
    if table.values.is_empty() {
        return Err(format!(
            "{name} holds no draws\n  help: give the files that `run -o` wrote"
        ));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use likelier_compiler::{Column, ColumnKind};

    fn rows() -> Rows {
        let column = |variable: &str, index: &[usize]| Column {
            name: variable.to_owned(),
            variable: variable.to_owned(),
            index: index.to_vec(),
            kind: ColumnKind::Simulated,
        };
        Rows {
            columns: vec![
                column("mu", &[]),
                column("y", &[1, 1]),
                column("y", &[1, 2]),
                column("y", &[2, 1]),
                column("y", &[2, 2]),
            ],
            values: vec![0.5, 1.0, 2.0, 3.0, 4.25, 1.5, 5.0, 6.0, 7.0, 8.0],
            tried: 2,
            ..Rows::default()
        }
    }

    #[test]
    fn draws_are_nested_arrays_and_columns_run_as_in_stan() {
        let mut csv = Vec::new();
        write_csv(&mut csv, &rows()).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        assert_eq!(
            csv,
            "mu,y.1.1,y.2.1,y.1.2,y.2.2\n0.5,1,3,2,4.25\n1.5,5,7,6,8\n"
        );
        let json: Value = serde_json::from_str(&draws_json(&rows())).unwrap();
        assert_eq!(json["variables"]["y"][0], json!([[1, 2], [3, 4.25]]));
        assert_eq!(json["variables"]["mu"], json!([0.5, 1.5]));
    }

    #[test]
    fn one_draw_is_a_data_file() {
        let data = Dataset::from_json("d", r#"{"N": 2, "f": ["b", "a"], "y": [[0, 0], [0, 0]]}"#);
        let text = data_json(&rows(), &data.unwrap(), &["y".to_owned()]);
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            json,
            json!({"N": 2, "f": ["b", "a"], "y": [[1, 2], [3, 4.25]]})
        );
    }

    #[test]
    fn draws_are_read_as_they_were_written() {
        let mut csv = Vec::new();
        write_csv(&mut csv, &rows()).unwrap();
        let text = format!("# a comment\n{}# 1, 2\n", String::from_utf8(csv).unwrap());
        let table = read_draws("d.csv", &text).unwrap();
        assert_eq!(table.names[2], "y.2.1");
        assert_eq!(table.values[..5], [0.5, 1.0, 3.0, 2.0, 4.25]);
        assert!(
            read_draws("d.csv", "a,b\n1\n")
                .unwrap_err()
                .contains("line 2")
        );
        assert!(read_draws("d.csv", "a\nx\n").unwrap_err().contains("`x`"));
        assert!(
            read_draws("d.csv", "a,b\n")
                .unwrap_err()
                .contains("no draws")
        );
    }
}
