//! What the data taught, as text and as JSON.

use serde_json::{Map, Value, json};

use super::columns::{BELOW_TITLE, columns, head};
use super::evidence::paragraph;
use crate::contraction::{Contraction, VariableContraction};

/// The paragraph and the table of the screen.
pub fn contraction_text(contraction: &Contraction) -> String {
    let parameters = contraction.parameters();
    let mut text = paragraph(
        "Learned",
        &format!(
            "the data determine {:.1} of {parameters} parameter{} (effective number; twice the variance of the log likelihood is {:.1}); contraction is the share of \
             the prior's variance that they took away",
            contraction.effective(),
            if parameters == 1 { "" } else { "s" },
            contraction.dimensionality
        ),
    );
    let mut rows = vec![head(&["", "parameters", "effective", "contraction"])];
    rows.extend(contraction.variables.iter().map(row));
    text.push_str(&columns(&rows, BELOW_TITLE));
    text
}

fn row(variable: &VariableContraction) -> Vec<String> {
    let finite = variable.contractions.iter().copied();
    let least = finite.clone().fold(f64::INFINITY, f64::min);
    let most = finite.fold(f64::NEG_INFINITY, f64::max);
    let contraction = match variable.contractions.len() {
        0 => "–".to_owned(),
        1 => format!("{least:.2}"),
        _ => format!("{least:.2} … {most:.2}"),
    };
    vec![
        variable.name.clone(),
        variable.contractions.len().to_string(),
        format!("{:.2}", variable.effective),
        contraction,
    ]
}

/// The `contraction` of a summary file.
pub fn contraction_value(contraction: &Contraction) -> Value {
    let variable = |variable: &VariableContraction| {
        let value = json!({
            "parameters": variable.contractions.len(),
            "effective_parameters": variable.effective,
            "contraction": variable.contractions,
        });
        (variable.name.clone(), value)
    };
    let variables: Map<String, Value> = contraction.variables.iter().map(variable).collect();
    json!({
        "parameters": contraction.parameters(),
        "effective_parameters": contraction.effective(),
        "bayesian_dimensionality": contraction.dimensionality,
        "variables": variables,
    })
}
