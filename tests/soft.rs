//! Soft constraints against numbers that were computed elsewhere: log potentials and their slopes by mpmath, near the
//! target and 10⁸ scales away, and integrals whose closed form is known.

use likelier::{Dataset, Model, Options, PointDensity};
use serde_json::Value;

fn model(text: &str, data: &str) -> Model {
    let data = Dataset::from_json("data.json", data).expect("data");
    Model::compile("model.ppl", text, &data, &Options::default())
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn at(model: &Model, point: &str) -> PointDensity {
    let point = Dataset::from_json("point.json", point).expect("a point");
    model.density_at(&point).expect("a density")
}

#[test]
fn log_potentials_and_slopes_agree_with_mpmath() {
    let rows = include_str!("reference/soft_constraints.json");
    let rows: Value = serde_json::from_str(rows).expect("rows");
    let mut mistakes = Vec::new();
    let mut compiled: Option<(String, Model)> = None;
    for row in rows.as_array().expect("rows") {
        let (formula, number) = (row[0].as_str().expect("a formula"), |i: usize| {
            row[i].as_f64().expect("a number")
        });
        if compiled.as_ref().is_none_or(|(text, _)| text != formula) {
            let text = format!("x ~ flat()\nsoft it: {formula}\ny ~ normal(0, 1)\n");
            compiled = Some((formula.to_string(), model(&text, r#"{"y": 0}"#)));
        }
        let (_, model) = compiled.as_ref().expect("set above");
        let found = at(model, &format!("{{\"x\": {:?}}}", number(1)));
        let close = |found: f64, expected: f64, rounding: f64| {
            (found - expected).abs() <= 1e-13 * expected.abs() + rounding
        };
        // Slopes of the two sides of `or` may cancel.
        let rounding = if formula.contains(" or ") {
            1e-16
        } else {
            1e-300
        };
        if !close(found.potentials[0], number(2), 1e-300)
            || !close(found.gradient[0], number(3), rounding)
        {
            mistakes.push(format!(
                "{row}: found {:e}, {:e}",
                found.potentials[0], found.gradient[0]
            ));
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}
