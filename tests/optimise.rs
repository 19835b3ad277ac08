//! Modes against closed forms: where the maximum lies in each of the three objectives, and densities that have none.

mod common;

use common::Place;
use likelier::{Dataset, Mode, ModeVerdict, Model, Objective, OptimiseSettings, Options};
use serde_json::Value;

fn optimise(text: &str, data: &str, objective: Objective) -> Mode {
    let data = Dataset::from_json("data.json", data).expect("data");
    let model = Model::compile("model.ppl", text, &data, &Options::default());
    let model = model.unwrap_or_else(|error| panic!("{error}"));
    let settings = OptimiseSettings {
        objective,
        ..OptimiseSettings::default()
    };
    model.optimise(&settings).expect("a search")
}

fn value(mode: &Mode, name: &str) -> f64 {
    assert_eq!(mode.verdict, ModeVerdict::Maximum, "{:?}", mode.notes);
    let found = mode.values.iter().find(|(column, _)| column.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

const RATE: &str =
    "lambda ~ gamma(shape=3, rate=2)\ny[1..N] ~ poisson(lambda)\nreport twice = 2 * lambda\n";
const COUNTS: &str = r#"{"y": [4, 1, 3, 2, 2]}"#;

/// Gamma and Poisson: (a + Σy − 1) / (b + n) for the rate, (a + Σy) / (b + n) where its logarithm is the coordinate, Σy / n by the likelihood.
#[test]
fn each_objective_has_its_own_maximum() {
    for (objective, truth) in [
        (Objective::Values, 14.0 / 7.0),
        (Objective::Position, 15.0 / 7.0),
        (Objective::Likelihood, 12.0 / 5.0),
    ] {
        let mode = optimise(RATE, COUNTS, objective);
        assert!(
            (value(&mode, "lambda") - truth).abs() < 1e-8,
            "{objective:?}"
        );
        assert!((value(&mode, "twice") - 2.0 * truth).abs() < 2e-8);
        assert!(mode.reached == mode.climbs && mode.others.is_empty());
    }
    // Σ (y log λ − λ − log y!) at λ = 12/5.
    let mode = optimise(RATE, COUNTS, Objective::Likelihood);
    let truth = 12.0 * 2.4f64.ln() - 12.0 - (24.0f64 * 6.0 * 2.0 * 2.0).ln();
    assert!((mode.log_density.expect("a maximum") - truth).abs() < 1e-9);
    assert!((mode.parts.expect("parts").likelihood - truth).abs() < 1e-9);
}

/// A linear regression with known noise: the mode is the solution of the normal equations (here by hand).
#[test]
fn constraints_belong_to_the_posterior_and_not_to_the_likelihood() {
    let text = "a ~ normal(0, 1)\nb ~ normal(0, 1)\nsoft same: a ~= b within 1\nx ~ normal(a, 1)\ny ~ normal(b, 1)\n";
    let data = r#"{"x": 3, "y": 0}"#;
    // 3 a − b = 3, 3 b − a = 0.
    let mode = optimise(text, data, Objective::Values);
    assert!((value(&mode, "a") - 9.0 / 8.0).abs() < 1e-8);
    assert!((value(&mode, "b") - 3.0 / 8.0).abs() < 1e-8);
    let mode = optimise(text, data, Objective::Likelihood);
    assert!((value(&mode, "a") - 3.0).abs() < 1e-8 && value(&mode, "b").abs() < 1e-8);
}

#[test]
fn several_maxima_are_told_apart() {
    let text = "m ~ normal(0, 10)\ny ~ mixture([0.7, 0.3], [normal(m - 5, 1), normal(m + 5, 1)])\n";
    let mode = optimise(text, r#"{"y": 0.0}"#, Objective::Values);
    // The heavier component, centred on y: m near 5, drawn a little towards 0: m (1 + 1/100) = 5.
    assert!((value(&mode, "m") - 5.0 / 1.01).abs() < 1e-6);
    let [(lower, count)] = mode.others[..] else {
        panic!("{:?}", mode.others)
    };
    let apart = mode.log_density.expect("a maximum") - lower;
    assert!(
        (apart - (0.7f64 / 0.3).ln()).abs() < 1e-6 && count > 0,
        "{apart}"
    );
}

#[test]
fn what_has_no_maximum_gets_no_number() {
    let schools = "
        given s: real[J]
        mu ~ normal(0, 5)
        tau ~ half_cauchy(5)
        theta[1..J] ~ normal(mu, tau)
        y[j in 1..J] ~ normal(theta[j], s[j])
    ";
    let data = r#"{"s": [15, 10, 16, 11, 9, 11, 10, 18], "y": [28, 8, -3, 7, -1, 1, 18, 12]}"#;
    let mode = optimise(schools, data, Objective::Values);
    assert_eq!(mode.verdict, ModeVerdict::Unbounded);
    assert!(mode.log_density.is_none() && mode.values.is_empty());
    assert!(
        mode.notes[0].contains("`tau` tends to 0"),
        "{}",
        mode.notes[0]
    );
    // Each of eight effects adds 1 / tau.
    assert!(mode.notes[0].contains("8.000 nats"), "{}", mode.notes[0]);
    // No failure in ten trials: the likelihood is largest at the edge.
    let mode = optimise(
        "p ~ uniform(0, 1)\nk ~ binomial(10, p)\n",
        r#"{"k": 0}"#,
        Objective::Likelihood,
    );
    assert_eq!(mode.verdict, ModeVerdict::Flat);
    assert!(mode.log_density.is_none());
    // Two numbers of which the data know the sum.
    let text = "a ~ normal(0, 1)\nb ~ normal(0, 1)\ny ~ normal(a + b, 1)\n";
    let mode = optimise(text, r#"{"y": 1.0}"#, Objective::Likelihood);
    assert_eq!(mode.verdict, ModeVerdict::Flat);
    let mode = optimise(text, r#"{"y": 1.0}"#, Objective::Values);
    assert!((value(&mode, "a") - 1.0 / 3.0).abs() < 1e-8);
}

#[test]
fn the_command_prints_a_document_and_exits_accordingly() {
    let files = [
        ("rate.ppl", RATE),
        ("counts.json", COUNTS),
        ("edge.ppl", "p ~ uniform(0, 1)\nk ~ binomial(10, p)\n"),
        ("edge.json", r#"{"k": 0}"#),
    ];
    let place = Place::new("document", &files);
    let run = |line: &str| {
        let said = place.run_line(line);
        (said.code, said.out)
    };
    let (code, text) = run("optimise rate.ppl counts.json --json");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (code, &document["verdict"]),
        (Some(0), &Value::from("maximum"))
    );
    let lambda = document["values"]["lambda"]["value"]
        .as_f64()
        .expect("a number");
    assert!((lambda - 2.0).abs() < 1e-8);
    assert_eq!(document["objective"], "density");
    let (code, text) = run("optimise rate.ppl counts.json");
    assert!(
        code == Some(0) && text.contains("without Jacobian") && text.contains("2.00000"),
        "{text}"
    );
    let (code, text) = run("optimise edge.ppl edge.json --likelihood --json");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (code, &document["verdict"]),
        (Some(3), &Value::from("flat"))
    );
    assert!(document["log_density"].is_null());
    let (code, _) = run("optimise rate.ppl counts.json --likelihood --jacobian");
    assert_eq!(code, Some(2));
}
