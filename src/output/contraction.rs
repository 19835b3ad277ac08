//! What the data taught, as text and as JSON.

use serde_json::{Map, Value, json};

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
    let rows: Vec<[String; 4]> = contraction.variables.iter().map(row).collect();
    let heading = ["", "parameters", "effective", "contraction"].map(str::to_owned);
    let all = || std::iter::once(&heading).chain(&rows);
    let width = |column: usize| {
        let widths = all().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths = [0, 1, 2, 3].map(width);
    for [name, parameters, effective, contraction] in all() {
        text.push_str(&format!(
            "           {name:<0$}  {parameters:>1$}  {effective:>2$}  {contraction:>3$}\n",
            widths[0], widths[1], widths[2], widths[3]
        ));
    }
    text
}

fn row(variable: &VariableContraction) -> [String; 4] {
    let finite = variable.contractions.iter().copied();
    let least = finite.clone().fold(f64::INFINITY, f64::min);
    let most = finite.fold(f64::NEG_INFINITY, f64::max);
    let contraction = match variable.contractions.len() {
        0 => "–".to_owned(),
        1 => format!("{least:.2}"),
        _ => format!("{least:.2} … {most:.2}"),
    };
    [
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
