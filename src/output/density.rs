//! The log density at one point as JSON, for comparing with other systems. `log_density` has no Jacobian, as formulas
//! on paper have none; `log_density_unconstrained` and the gradient are what the sampler sees.

use likelier_compiler::{Constraint, InferredVariable, PointDensity};
use serde_json::{Map, Value, json};

use super::document_text;
use super::simulation::array;

/// The text of a density evaluation, with a final line break.
pub fn density_json(
    inferred: &[InferredVariable],
    constraints: &[Constraint],
    density: &PointDensity,
) -> String {
    let mut document = json!({
        "format": "likelier-density",
        "format_version": 1,
        "log_density": number(density.log_density),
        "log_density_unconstrained": number(density.log_density_unconstrained),
        "parts": {
            "prior": number(density.prior),
            "soft": number(density.soft),
            "likelihood": number(density.likelihood),
        },
        "jacobian": number(density.jacobian),
        "gradient": by_variable(inferred, &density.gradient),
        "unconstrained": by_variable(inferred, &density.unconstrained),
        "constrained": constrained(inferred, &density.constrained),
    });
    if !constraints.is_empty() {
        let each = constraints.iter().zip(&density.potentials);
        let soft: Map<String, Value> = each
            .map(|(constraint, &potential)| (constraint.name.clone(), number(potential)))
            .collect();
        document["soft"] = soft.into();
    }
    if let Some(reason) = &density.reason {
        document["reason"] = reason.as_str().into();
    }
    document_text(&document)
}

/// Values in the shapes of their variables; null for the elements that are not unknown.
fn constrained(inferred: &[InferredVariable], values: &[f64]) -> Map<String, Value> {
    let of = |variable: &InferredVariable| {
        let place = |flat: usize| match &variable.elements {
            Some(elements) => elements.iter().position(|element| *element == flat),
            None => Some(flat),
        };
        let value = |flat: usize| {
            place(flat).map_or(Value::Null, |at| number(values[variable.given_offset + at]))
        };
        (variable.name.clone(), array(&variable.shape, &value))
    };
    inferred.iter().map(of).collect()
}

/// A number for a scalar, a flat array for everything else.
fn by_variable(inferred: &[InferredVariable], coordinates: &[f64]) -> Map<String, Value> {
    let of = |variable: &InferredVariable| {
        let range = variable.unconstrained.clone();
        let values = &coordinates[range];
        let value = match (variable.shape.as_slice(), values) {
            ([], [single]) => number(*single),
            _ => values.iter().copied().map(number).collect(),
        };
        (variable.name.clone(), value)
    };
    inferred.iter().map(of).collect()
}

/// JSON has no infinities; they are written as data files write them.
fn number(value: f64) -> Value {
    match value {
        v if v == f64::INFINITY => "inf".into(),
        v if v == f64::NEG_INFINITY => "-inf".into(),
        v => json!(v),
    }
}
