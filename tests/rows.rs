//! Observed rows by themselves: weights of rows in the log density, on every program of `tests/language/models`, against the
//! pointwise log likelihoods and against differences.

use std::fs;
use std::path::Path;

use likelier::{Coordinates, Dataset, Error, Model, Options, Simulator};
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Evaluator, Parts, Target, Weights};

/// A program with the data of its header.
fn programs() -> Vec<(String, String, Dataset)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language/models");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "ppl"))
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy();
        let text = fs::read_to_string(path).expect("a text");
        let data = text.lines().find_map(|line| line.strip_prefix("# data: "));
        let data = Dataset::from_json("data.json", data.unwrap_or("{}")).expect("data");
        (name.into_owned(), text, data)
    };
    paths.iter().map(read).collect()
}

struct Evaluated {
    total: f64,
    parts: Parts,
    gradient: Vec<f64>,
}

fn evaluate(evaluator: &mut dyn Evaluator, position: &[f64], weights: &Weights) -> Evaluated {
    let mut gradient = vec![0.0; position.len()];
    let mut parts = Parts::default();
    let total = evaluator.log_density_gradient(position, weights, &mut gradient, &mut parts);
    Evaluated {
        total,
        parts,
        gradient,
    }
}

fn is_near(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}

/// Some rows at zero, some at one, the others between.
fn some_weights(stream: &mut Stream, count: usize) -> Vec<f64> {
    let mut weight = |_| match stream.uniform() {
        u if u < 0.25 => 0.0,
        u if u < 0.4 => 1.0,
        _ => stream.uniform(),
    };
    (0..count).map(&mut weight).collect()
}

/// What is wrong with the row weights of a model at positions drawn from its prior; and how many positions counted.
fn complaints(
    model: &Model,
    pointwise: &Simulator,
    coordinates: Coordinates,
    tolerance: f64,
) -> (Vec<String>, usize) {
    let rows = model.by_rows(coordinates).expect("rows");
    let plain = match coordinates {
        Coordinates::Natural => &model.compiled,
        Coordinates::Standardised => model.tempered(),
    };
    let (mut weighted, mut whole) = (rows.model.evaluator(), plain.model.evaluator());
    let soft = rows.model.soft_count();
    let mut stream = Stream::new(3, Purpose::Test, 0);
    let mut position = vec![0.0; rows.model.dimension()];
    let mut values = vec![0.0; rows.model.row_count()];
    let (mut found, mut counted) = (Vec::new(), 0);
    for draw in 0..6 {
        stream.at(draw);
        weighted.prior_draw(&mut stream, &mut position);
        let weights = Weights::of_rows(soft, some_weights(&mut stream, values.len()));
        let all = evaluate(whole.as_mut(), &position, &Weights::posterior(soft));
        if !all.total.is_finite() {
            continue;
        }
        counted += 1;
        weighted.rows(&position, &mut values);
        let alone = pointwise
            .along_positions(plain, std::iter::once(position.as_slice()), 1, 0)
            .expect("every value is there");
        let mut check = |what: &str, a: f64, b: f64, tolerance: f64| {
            if !is_near(a, b, tolerance) {
                found.push(format!("{what}: {a} and not {b}"));
            }
        };
        for (row, alone) in rows.rows.iter().zip(&alone.values) {
            check(&row.name, values[row.place], *alone, 1e-9);
        }
        assert_eq!(rows.rows.len(), alone.columns.len());
        let sum: f64 = rows.rows.iter().map(|row| values[row.place]).sum();
        let weighted_sum: f64 = rows
            .rows
            .iter()
            .map(|row| weights.rows[row.place] * values[row.place])
            .sum();
        let rest = all.parts.likelihood - sum;
        let at = evaluate(weighted.as_mut(), &position, &weights);
        check("likelihood", at.parts.likelihood, rest + weighted_sum, 1e-9);
        check("prior", at.parts.prior, all.parts.prior, 1e-12);
        check("Jacobian", at.parts.jacobian, all.parts.jacobian, 1e-12);
        let ones = evaluate(weighted.as_mut(), &position, &Weights::posterior(soft));
        check("all rows", ones.total, all.total, 1e-11);
        for k in 0..position.len() {
            let h = 1e-4 * (1.0 + position[k].abs());
            let mut moved = position.clone();
            let mut at_shift = |shift: f64| {
                moved[k] = position[k] + shift * h;
                evaluate(weighted.as_mut(), &moved, &weights).total
            };
            let (one, two) = (
                at_shift(1.0) - at_shift(-1.0),
                at_shift(2.0) - at_shift(-2.0),
            );
            let slope = (8.0 * one - two) / (12.0 * h);
            // Near an edge of the support, or a kink, differences say nothing.
            if slope.is_finite() && two.is_finite() && is_near(8.0 * one, 4.0 * two, 1e-2) {
                check(&format!("slope {k}"), at.gradient[k], slope, tolerance);
            }
        }
    }
    (found, counted)
}

#[test]
fn weights_of_rows_multiply_their_terms_and_gradients() {
    let options = Options::default();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (name, text, data) in programs() {
        let Ok(model) = Model::compile(&name, &text, &data, &options) else {
            continue;
        };
        let pointwise = Simulator::pointwise(&name, &text, &data, &options).expect("a program");
        match model.by_rows(Coordinates::Natural) {
            Ok(rows) if rows.rows.is_empty() => continue,
            Ok(_) => {}
            Err(Error::Model(errors)) => {
                let codes: Vec<&str> = errors.diagnostics.iter().map(|d| d.code).collect();
                assert!(
                    codes.iter().all(|code| *code == "E0512"),
                    "{name}: {codes:?}"
                );
                assert!(!pointwise.simulation.warnings.is_empty(), "{name}");
                continue;
            }
            Err(error) => panic!("{name}: {error}"),
        }
        for coordinates in [Coordinates::Natural, model.tempered().coordinates] {
            // Differences of a solution hold the error of its solver.
            let tolerance = if text.contains("ode(") { 0.05 } else { 2e-5 };
            let (found, counted) = complaints(&model, &pointwise, coordinates, tolerance);
            checked += usize::from(counted > 0);
            wrong.extend(found.iter().map(|one| format!("{name}: {one}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 100, "only {checked} programs were checked");
}

/// A row of weight zero does not count even where it is impossible.
#[test]
fn a_row_of_weight_zero_may_be_impossible() {
    let text = "m ~ normal(0, 1)\ny[i in 1..N] ~ uniform(m, m + 1)";
    let data = Dataset::from_json("data.json", r#"{"y": [0.2, 7, 0.4]}"#).expect("data");
    let model = Model::compile("m", text, &data, &Options::default()).expect("a model");
    let rows = model.by_rows(Coordinates::Natural).expect("rows");
    let mut evaluator = rows.model.evaluator();
    let mut values = [0.0; 3];
    evaluator.rows(&[0.1], &mut values);
    assert_eq!(values, [0.0, f64::NEG_INFINITY, 0.0]);
    let without = evaluate(
        evaluator.as_mut(),
        &[0.1],
        &Weights::of_rows(0, vec![1.0, 0.0, 0.5]),
    );
    let normal = -0.5 * (2.0 * std::f64::consts::PI).ln() - 0.005;
    assert!(is_near(without.total, normal, 1e-14), "{}", without.total);
    assert!(is_near(without.gradient[0], -0.1, 1e-14));
    let with = evaluate(
        evaluator.as_mut(),
        &[0.1],
        &Weights::of_rows(0, vec![1.0, 0.1, 0.5]),
    );
    assert_eq!(with.total, f64::NEG_INFINITY);
}

/// Rows are called by their elements and know their values; what no statement draws is no row.
#[test]
fn rows_have_names_and_values() {
    let text = "rho ~ normal(0, 1)\ny[i in 2..N] ~ normal(rho * y[i - 1], 1)\nobserve 2 * rho ~ normal(0, 3)";
    let data = Dataset::from_json("data.json", r#"{"y": [1, 2.5, null, 4]}"#).expect("data");
    let model = Model::compile("m", text, &data, &Options::default()).expect("a model");
    let rows = model.by_rows(Coordinates::Natural).expect("rows");
    let found: Vec<(&str, Option<f64>)> = rows
        .rows
        .iter()
        .map(|row| (row.name.as_str(), row.value))
        .collect();
    assert_eq!(
        found,
        [("y[2]", Some(2.5)), ("y[4]", Some(4.0)), ("observe2", None)]
    );
    assert!(rows.is_sequential);
    let independent = "mu ~ normal(0, 1)\ny[1..N] ~ normal(mu, 1)";
    let data = Dataset::from_json("data.json", r#"{"y": [1, 2.5]}"#).expect("data");
    let model = Model::compile("m", independent, &data, &Options::default()).expect("a model");
    assert!(
        !model
            .by_rows(Coordinates::Natural)
            .expect("rows")
            .is_sequential
    );
}
