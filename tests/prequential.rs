//! Evidence row by row against problems that know it exactly (`tests/evidence`): the curve where there is one, its end
//! everywhere, and the later half of the data given the earlier one.

use std::path::Path;

use likelier::evidence::LogValue;
use likelier::{Dataset, Error, EvidenceControl, EvidenceSettings, Model, Options, Prequential};
use serde_json::{Value, json};

fn problem(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evidence");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("a problem");
    serde_json::from_str(&text).expect("JSON")
}

fn text(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evidence");
    std::fs::read_to_string(folder.join(format!("{name}.ppl"))).expect("a model")
}

fn compile(text: &str, data: &Value) -> Model {
    let data = Dataset::from_json("data.json", &data.to_string()).expect("data");
    Model::compile("model.ppl", text, &data, &Options::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn by_rows(model: &Model, settings: &EvidenceSettings) -> Prequential {
    let control = EvidenceControl::new(settings);
    model
        .evidence_by_rows(settings, &control)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A value is within four and a half of its errors, or nearly.
fn assert_is(what: &str, found: LogValue, exact: f64) {
    let error = (found.value - exact).abs();
    assert!(
        error < (4.5 * found.se).max(0.02),
        "{what}: {found:?} and not {exact}"
    );
    assert!(found.se < 0.15, "{what}: {found:?}");
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("an array");
    list.iter()
        .map(|one| one.as_f64().expect("a number"))
        .collect()
}

/// Every point of a curve, and every step.
fn check_curve(name: &str) -> Prequential {
    let problem = problem(name);
    let found = by_rows(
        &compile(&text(name), &problem["data"]),
        &EvidenceSettings::default(),
    );
    let exact = numbers(&problem["truth"]["prequential_cumulative"]);
    assert_eq!(found.cumulative.len(), exact.len());
    assert!(found.doubts.is_empty(), "{:?}", found.doubts);
    let mut before = 0.0;
    for (row, (value, exact)) in found.cumulative.iter().zip(&exact).enumerate() {
        assert_is(&format!("{name}, rows to {}", row + 1), *value, *exact);
        let step = format!("{name}, row {}", row + 1);
        assert_is(&step, found.increments[row], exact - before);
        before = *exact;
    }
    found
}

#[test]
fn the_curve_of_a_normal_mean() {
    let found = check_curve("normal_mean");
    let truth = &problem("normal_mean")["truth"];
    assert_eq!(found.half() as u64, truth["clml_conditions_on"]);
    let exact = truth["clml_first_half"].as_f64().expect("a number");
    assert_is("the later half", found.conditional(found.half()), exact);
}

#[test]
#[ignore = "runs for a minute: a state for each row"]
fn the_curve_of_a_series() {
    assert!(!check_curve("lgssm").is_sequential);
}

/// Claimed errors of the end, of the later half and of single rows, over many seeds.
#[test]
#[ignore = "runs for a minute: a hundred seeds"]
fn errors_of_rows_cover() {
    let problem = problem("normal_mean");
    let model = compile(&text("normal_mean"), &problem["data"]);
    let exact = numbers(&problem["truth"]["prequential_cumulative"]);
    let mut inside = [0; 4];
    let mut squares = [0.0; 4];
    for seed in 1..=100 {
        let settings = EvidenceSettings {
            seed,
            ..EvidenceSettings::default()
        };
        let found = by_rows(&model, &settings);
        let scaled = |value: LogValue, exact: f64| (value.value - exact) / value.se;
        let errors = [
            scaled(found.total(), exact[19]),
            scaled(found.conditional(10), exact[19] - exact[9]),
            scaled(found.increments[0], exact[0]),
            scaled(found.increments[11], exact[11] - exact[10]),
        ];
        for (place, z) in errors.into_iter().enumerate() {
            inside[place] += usize::from(z.abs() < 2.0);
            squares[place] += z * z;
        }
    }
    let rms = squares.map(|sum: f64| (sum / 100.0).sqrt());
    eprintln!("within two errors: {inside:?} of 100, root mean square {rms:?}");
    assert!(inside.iter().all(|count| *count >= 88), "{inside:?}");
    assert!(
        rms.iter().all(|rms| *rms > 0.4),
        "errors are too cautious: {rms:?}"
    );
}

#[test]
fn the_end_of_the_curve_is_the_evidence() {
    for name in [
        "beta_binomial",
        "gamma_poisson",
        "eight_schools",
        "gp_hyperparameters",
    ] {
        let problem = problem(name);
        let found = by_rows(
            &compile(&text(name), &problem["data"]),
            &EvidenceSettings::default(),
        );
        let exact = problem["truth"]["log_evidence"].as_f64().expect("a number");
        assert_is(name, found.total(), exact);
        assert_eq!(found.conditional(0).value, found.total().value);
    }
}

fn polynomial(problem: &Value, degree: usize) -> (Model, f64, f64) {
    let data = json!({
        "x": problem["data"]["x"], "y": problem["data"]["y"], "degree": degree, "shrink": 1.0,
    });
    let name = format!("hard_{degree}");
    let variants = problem["truth"]["variants"].as_array().expect("variants");
    let own = variants
        .iter()
        .find(|v| v["name"] == name.as_str())
        .expect("a variant");
    let number = |key: &str| own[key].as_f64().expect("a number");
    (
        compile(&text("polynomial"), &data),
        number("log_evidence"),
        number("clml_first_half"),
    )
}

/// The later half of the data asks for extrapolation here: polynomials are ordered otherwise than by their evidence.
#[test]
fn the_later_half_of_polynomials() {
    let problem = problem("polynomial_order");
    for degree in [1, 3] {
        let (model, evidence, later) = polynomial(&problem, degree);
        let found = by_rows(&model, &EvidenceSettings::default());
        assert_is(&format!("degree {degree}"), found.total(), evidence);
        assert_is(
            &format!("degree {degree}, later"),
            found.conditional(15),
            later,
        );
    }
}

#[test]
#[ignore = "runs for minutes: all degrees with four seeds"]
fn the_later_half_of_all_polynomials() {
    let problem = problem("polynomial_order");
    for degree in 0..=15 {
        for seed in 1..=4 {
            let (model, evidence, later) = polynomial(&problem, degree);
            let settings = EvidenceSettings {
                seed,
                ..EvidenceSettings::default()
            };
            let found = by_rows(&model, &settings);
            let (end, half) = (found.total(), found.conditional(15));
            eprintln!("degree {degree}, seed {seed}: {end:?} ({evidence}), {half:?} ({later})");
            let is_near =
                |v: LogValue, exact: f64| (v.value - exact).abs() < (4.5 * v.se).max(0.02);
            assert!(is_near(end, evidence) && is_near(half, later));
        }
    }
}

/// What is no row comes first: a factor, and constraints, whose own probability is no part of the evidence.
#[test]
fn factors_and_constraints_come_before_the_rows() {
    let settings = EvidenceSettings::default();
    let data = json!({ "y": [1.3, 0.4, 2.2] });
    let plain = compile("m ~ normal(0, 1)\ny[1..3] ~ normal(m, 1)", &data);
    let factor = compile(
        "m ~ normal(0, 1)\ny[1..3] ~ normal(m, 1)\nfactor 2 - 0.5 * m^2",
        &data,
    );
    let found = by_rows(&factor, &settings);
    // ∫ N(m; 0, 1) exp(2 − m²/2) dm = e² / √2, and then m ~ normal(0, √½).
    assert_is("the factor", found.before, 2.0 - 0.5 * 2f64.ln());
    let half = compile("m ~ normal(0, sqrt(0.5))\ny[1..3] ~ normal(m, 1)", &data);
    let of_half = by_rows(&half, &settings);
    let rows = found.total().value - found.before.value;
    assert_is("the rows after it", of_half.total(), rows);
    assert_eq!(by_rows(&plain, &settings).before.value, 0.0);
    let problem = problem("soft_equality");
    let model = compile(&text("soft_equality"), &problem["data"]);
    let exact = problem["truth"]["log_evidence"].as_f64().expect("a number");
    assert_is("soft_equality", by_rows(&model, &settings).total(), exact);
}

#[test]
fn nothing_to_integrate_is_exact() {
    let text = "z ~ bernoulli(0.3)\ny[i in 1..1] ~ normal(2 * z, 1)\nx[i in 1..2] ~ normal(0, 2)";
    let model = compile(text, &json!({ "y": [0.5], "x": [0.5, -1.0] }));
    let found = by_rows(&model, &EvidenceSettings::default());
    let normal = |x: f64, sd: f64| {
        -0.5 * (x / sd).powi(2) - sd.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
    };
    let mixed = (0.7 * normal(0.5, 1.0).exp() + 0.3 * normal(1.5, 1.0).exp()).ln();
    let exact = [mixed, normal(0.5, 2.0), normal(-1.0, 2.0)];
    for (found, exact) in found.increments.iter().zip(exact) {
        assert!((found.value - exact).abs() < 1e-13 && found.se == 0.0);
    }
    let names: Vec<&str> = found.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["y[1]", "x[1]", "x[2]"]);
}

/// In random orders the end stays where it is, and the rows that come early differ.
#[test]
fn random_orders_end_alike() {
    let problem = problem("normal_mean");
    let model = compile(&text("normal_mean"), &problem["data"]);
    let settings = EvidenceSettings::default();
    let orders = model
        .evidence_in_random_orders(&settings, 6, &EvidenceControl::new(&settings))
        .expect("orders");
    let exact = problem["truth"]["log_evidence"].as_f64().expect("a number");
    for order in &orders {
        assert_is("an order", *order.cumulative.last().expect("rows"), exact);
        let mut sorted = order.order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..20));
    }
    let first: Vec<f64> = orders
        .iter()
        .map(|order| order.cumulative[0].value)
        .collect();
    assert!(
        first.iter().any(|value| (value - first[0]).abs() > 0.05),
        "{first:?}"
    );
}

#[test]
fn what_does_not_come_row_by_row_is_refused() {
    let settings = EvidenceSettings::default();
    let control = EvidenceControl::new(&settings);
    let hidden = compile(&text("hmm3"), &problem("hmm3")["data"]);
    let Err(Error::Model(errors)) = hidden.evidence_by_rows(&settings, &control) else {
        panic!("its rows are coupled");
    };
    assert_eq!(errors.diagnostics[0].code, "E0512");
    let series = compile(
        "rho ~ normal(0, 1)\ny[i in 2..N] ~ normal(rho * y[i - 1], 1)",
        &json!({ "y": [0.1, 0.4, 0.2] }),
    );
    let Err(Error::Settings(message)) = series.evidence_in_random_orders(&settings, 2, &control)
    else {
        panic!("its rows have an order");
    };
    assert!(message.contains("have an order"), "{message}");
    let impossible = compile(
        "m ~ uniform(0, 1)\ny[1..2] ~ uniform(m, m + 1)",
        &json!({"y": [0.5, 9.0]}),
    );
    let Err(Error::NoStart(message)) = impossible.evidence_by_rows(&settings, &control) else {
        panic!("a row is impossible");
    };
    assert!(message.contains("y[2]"), "{message}");
}

#[test]
fn rows_that_do_not_add_up_to_the_evidence_are_doubted() {
    let model = compile(&text("normal_mean"), &problem("normal_mean")["data"]);
    let settings = EvidenceSettings::default();
    let mut found = by_rows(&model, &settings);
    let mut evidence = model.evidence(&settings).expect("an estimate");
    found.check_against(&evidence);
    assert!(found.doubts.is_empty(), "{:?}", found.doubts);
    let value = evidence.log_evidence.as_mut().expect("a number");
    value.value += 1.0;
    found.check_against(&evidence);
    assert_eq!(found.doubts.len(), 1);
}
