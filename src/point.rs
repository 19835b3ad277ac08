//! A point of parameter space given by name, as a data file gives data: nested arrays of constrained values. Everything
//! is checked before anything is computed, and all complaints are made at once, since points are often written by hand.

use std::collections::HashSet;

use likelier_compiler::data::dataset::{Dataset, Entry};
use likelier_compiler::source::suggest::nearest;
use likelier_compiler::{Compiled, InferredVariable, PointDensity, given_count};

use crate::Error;

/// The log density at `point`.
pub(crate) fn density(compiled: &Compiled, point: &Dataset) -> Result<PointDensity, Error> {
    let given = given_values(&compiled.inferred, point)?;
    let density = compiled.density_at(&given);
    let is_outside = |variable: &&InferredVariable| {
        density.unconstrained[variable.unconstrained.clone()]
            .iter()
            .any(|v| !v.is_finite())
    };
    let outside: Vec<String> = compiled
        .inferred
        .iter()
        .filter(is_outside)
        .map(|v| outside_support(v, point))
        .collect();
    if outside.is_empty() {
        Ok(density)
    } else {
        Err(Error::Point(outside))
    }
}

/// The values of all inferred variables at the places the compiler has for them.
fn given_values(inferred: &[InferredVariable], point: &Dataset) -> Result<Vec<f64>, Error> {
    let mut given = vec![f64::NAN; given_count(inferred)];
    let mut complaints = Vec::new();
    for variable in inferred {
        let place = variable.given_offset..variable.given_offset + variable.length();
        match values_of(variable, point) {
            Ok(values) => given[place].copy_from_slice(&values),
            Err(complaint) => complaints.push(complaint),
        }
    }
    let names: Vec<&str> = inferred
        .iter()
        .map(|variable| variable.name.as_str())
        .collect();
    let is_superfluous = |entry: &&Entry| !names.contains(&entry.key.as_str());
    for entry in point.entries().iter().filter(is_superfluous) {
        complaints.push(superfluous(entry, &names));
    }
    if complaints.is_empty() {
        Ok(given)
    } else {
        Err(Error::Point(complaints))
    }
}

fn values_of(variable: &InferredVariable, point: &Dataset) -> Result<Vec<f64>, String> {
    let name = &variable.name;
    let wanted = shape_text(&variable.shape);
    let Some(entry) = point.get(name) else {
        return Err(format!(
            "the point has no value for `{name}`, which is inferred\n  help: give it {wanted}"
        ));
    };
    let complain =
        |what: String, help: &str| Err(format!("{what}\n  --> {}\n  help: {help}", entry.origin));
    if entry.labels.is_some() {
        return complain(
            format!("`{name}` is text, but the model infers numbers"),
            "write numbers without quotes",
        );
    }
    if entry.shape != variable.shape {
        let found = shape_text(&entry.shape);
        return complain(
            format!("`{name}` is {found}, but the model has {wanted}"),
            "give it the model's shape",
        );
    }
    if let Some(elements) = &variable.elements {
        let unknown: HashSet<usize> = elements.iter().copied().collect();
        let observed = |flat: &usize| !unknown.contains(flat) && !entry.is_missing(*flat);
        if let Some(flat) = (0..entry.values.len()).find(observed) {
            return complain(
                format!("`{}` is not unknown", entry.element_name(flat)),
                "write `null` for the elements that the data hold, or that are simulated",
            );
        }
    }
    let all: Vec<usize> = (0..entry.values.len()).collect();
    let unknown = variable.elements.as_ref().unwrap_or(&all);
    for &flat in unknown {
        let value = entry.values[flat];
        if entry.is_missing(flat) || !value.is_finite() {
            let element = entry.element_name(flat);
            let found = if entry.is_missing(flat) {
                "missing"
            } else {
                "infinite"
            };
            return complain(
                format!("`{element}` is {found}"),
                "a point needs a finite number for every element",
            );
        }
    }
    if unknown.len() == entry.values.len()
        && let Some(violation) = variable.violation(&entry.values)
    {
        return complain(
            violation,
            "numbers that are rounded must still be right to eight digits",
        );
    }
    Ok(unknown.iter().map(|&flat| entry.values[flat]).collect())
}

fn superfluous(entry: &Entry, names: &[&str]) -> String {
    let help = match nearest(&entry.key, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.is_empty() => "the model infers nothing: the point is `{}`".to_string(),
        None => format!("the model infers {}", names.join(", ")),
    };
    format!(
        "`{}` is not inferred by the model\n  --> {}\n  help: {help}",
        entry.key, entry.origin
    )
}

fn outside_support(variable: &InferredVariable, point: &Dataset) -> String {
    let name = &variable.name;
    let origin = point
        .get(name)
        .map_or("the point", |entry| entry.origin.as_str());
    format!(
        "the value of `{name}` is not inside its support\n  --> {origin}\n  help: a value on the edge of a support \
         (0 for a positive variable) has no unconstrained coordinate"
    )
}

/// A shape in words: `a single number`, `an array of 3`, `an array of 2 × 3`.
fn shape_text(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "a single number".to_owned();
    }
    let lengths: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("an array of {}", lengths.join(" × "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> String {
        let variable = |name: &str, shape: &[usize], offset, range| InferredVariable {
            name: name.to_owned(),
            shape: shape.to_vec(),
            elements: None,
            given_offset: offset,
            unconstrained: range,
            structure: None,
        };
        let inferred = [
            variable("mu", &[], 0, 0..1),
            variable("theta", &[2], 1, 1..3),
        ];
        let point = Dataset::from_json("at.json", text).unwrap();
        match given_values(&inferred, &point) {
            Ok(values) => format!("{values:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn values_find_their_places() {
        assert_eq!(
            complaints(r#"{"theta": [1, 2], "mu": 3}"#),
            "[3.0, 1.0, 2.0]"
        );
    }

    #[test]
    fn all_complaints_are_made_at_once() {
        let text = complaints(r#"{"theta": [1, 2, 3], "mus": 3}"#);
        assert!(
            text.contains("`theta` is an array of 3, but the model has an array of 2"),
            "{text}"
        );
        assert!(
            text.contains("no value for `mu`") && text.contains("`mus` is not inferred"),
            "{text}"
        );
        assert!(complaints(r#"{"theta": [1, null], "mu": 3}"#).contains("`theta[2]` is missing"));
        assert!(complaints(r#"{"theta": [1, "inf"], "mu": 3}"#).contains("`theta[2]` is infinite"));
        assert!(complaints(r#"{"theta": [1, 2], "mu": "a"}"#).contains("text"));
    }
}
