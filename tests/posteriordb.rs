//! Real data with reference densities and posteriors, when the folder `../shared/posteriordb` is beside the project: each
//! model of `tests/posteriordb` must give the reference log density and gradient at every point, and, in the slow test,
//! the reference means and standard deviations. Half-distributions are normalised here and not there; how many factors 2
//! that makes is read off the reference's own description.

use std::path::{Path, PathBuf};

use likelier::{Dataset, InferredVariable, Model, Options, PointDensity, Settings};
use serde_json::Value;

/// Model files and the folders of their posteriors.
const POSTERIORS: [(&str, &str); 16] = [
    (
        "eight_schools_noncentered",
        "eight_schools-eight_schools_noncentered",
    ),
    ("kidscore_interaction", "kidiq-kidscore_interaction"),
    ("logearn_interaction", "earnings-logearn_interaction"),
    ("nes1980", "nes1980-nes"),
    ("arK", "arK-arK"),
    ("arma11", "arma-arma11"),
    ("garch11", "garch-garch11"),
    ("gp_regr", "gp_pois_regr-gp_regr"),
    ("gp_pois_regr", "gp_pois_regr-gp_pois_regr"),
    ("diamonds", "diamonds-diamonds"),
    ("logmesquite_logvash", "mesquite-logmesquite_logvash"),
    ("blr", "sblri-blr"),
    ("lotka_volterra", "hudson_lynx_hare-lotka_volterra"),
    ("low_dim_gauss_mix", "low_dim_gauss_mix-low_dim_gauss_mix"),
    ("hmm_example", "hmm_example-hmm_example"),
    ("hmm_drive_0", "bball_drive_event_0-hmm_drive_0"),
];

fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/posteriordb");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there", folder.display());
    None
}

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/posteriordb/{name}.ppl"));
    std::fs::read_to_string(&path).expect("the model")
}

/// The tolerance of differential equations at which densities are compared.
const TIGHT: f64 = 1e-12;

/// A model with its data, and with a tolerance if it takes one.
fn model(name: &str, folder: &Path, tolerance: Option<f64>) -> Model {
    let text = text(name);
    let mut data = json(folder.join("data.json"));
    if let Some(tolerance) = tolerance.filter(|_| text.contains("given tolerance")) {
        data["tolerance"] = tolerance.into();
    }
    let data = Dataset::from_json("data.json", &data.to_string()).expect("data");
    match Model::compile(name, &text, &data, &Options::default()) {
        Ok(model) => model,
        Err(error) => panic!("{name} does not compile: {error}"),
    }
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(&path).expect("a file")).expect("JSON")
}

/// By how much our normalised distributions exceed the reference's: what the model's own text says in nats, else the
/// factors 2 of half-distributions.
fn constants(name: &str, folder: &Path) -> f64 {
    let own = text(name);
    let stated = own
        .split_once(" nats")
        .and_then(|(before, _)| before.rsplit_once("larger by "))
        .and_then(|(_, number)| number.parse().ok());
    if let Some(stated) = stated {
        return stated;
    }
    let text = std::fs::read_to_string(folder.join("model.md")).expect("a description");
    let count = text
        .split("larger by ")
        .nth(1)
        .and_then(|rest| rest.split('·').next())
        .and_then(|n| n.parse::<f64>().ok());
    count.unwrap_or(0.0) * std::f64::consts::LN_2
}

#[test]
fn densities_and_gradients_are_those_of_the_reference() {
    let Some(shared) = shared() else { return };
    for (name, folder) in POSTERIORS {
        let folder = shared.join(folder);
        let model = model(name, &folder, Some(TIGHT));
        let constant = constants(name, &folder);
        let reference = json(folder.join("density.json"));
        let points = reference["points"].as_array().expect("points");
        assert!(!points.is_empty());
        for point in points {
            let given = Dataset::from_json("point", &nested(&point["constrained"]).to_string())
                .expect("a point");
            let density = model
                .density_at(&given)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let close = |found: f64, expected: f64, what: &str| {
                let error = (found - expected).abs() / expected.abs().max(1.0);
                assert!(error < 1e-9, "{name}: {what} is {found}, not {expected}");
            };
            close(
                density.log_density,
                point["lp"].as_f64().expect("lp") + constant,
                "log density",
            );
            let numbers = |key: &str| -> Vec<f64> {
                point[key]
                    .as_array()
                    .expect(key)
                    .iter()
                    .map(|v| v.as_f64().expect("a number"))
                    .collect()
            };
            let names: Vec<&str> = reference["unconstrained_names"]
                .as_array()
                .expect("names")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let (expected, scale) = {
                let gradient = numbers("gradient");
                let scale = gradient.iter().fold(1.0f64, |m, g| m.max(g.abs()));
                (ordered_as(&model, &names, &gradient), scale)
            };
            // The same coordinates have the same log Jacobian; simplexes have others here.
            let simplexes: Vec<&InferredVariable> = model
                .compiled
                .inferred
                .iter()
                .filter(|variable| variable.unconstrained.len() < variable.shape.iter().product())
                .collect();
            let coordinates = ordered_as(&model, &names, &numbers("unconstrained"));
            let with_jacobian = point["lp_jacobian"].as_f64().expect("lp_jacobian") + constant;
            if simplexes.is_empty() {
                close(
                    density.log_density_unconstrained,
                    with_jacobian,
                    "log density with Jacobian",
                );
            }
            let is_simplex = |i: usize| simplexes.iter().any(|v| v.unconstrained.contains(&i));
            let mut gradient = density.gradient.clone();
            for variable in &simplexes {
                stick_breaking_gradient(
                    &model,
                    &given,
                    variable,
                    &coordinates,
                    &density,
                    &mut gradient,
                );
            }
            for (i, (found, expected)) in gradient.iter().zip(&expected).enumerate() {
                assert!(
                    (found - expected).abs() <= 1e-7 * scale,
                    "{name}: gradient[{i}] is {found}, not {expected}"
                );
            }
            for (i, (found, expected)) in density.unconstrained.iter().zip(&coordinates).enumerate()
            {
                assert!(
                    is_simplex(i) || (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                    "{name}: {found} is not {expected}"
                );
            }
        }
    }
}

/// A simplex by the reference's stick breaking, and the log Jacobian.
fn stick_breaking(u: &[f64]) -> (Vec<f64>, f64) {
    let (mut rest, mut jacobian) = (1.0, 0.0);
    let mut x = Vec::new();
    for (k, coordinate) in u.iter().enumerate() {
        let shifted = coordinate - ((u.len() - k) as f64).ln();
        let share = 1.0 / (1.0 + (-shifted).exp());
        x.push(rest * share);
        jacobian += (share * (1.0 - share) * rest).ln();
        rest *= 1.0 - share;
    }
    x.push(rest);
    (x, jacobian)
}

/// Turns the gradient for our coordinates of a simplex into that for the reference's by the chain rule: our coordinates
/// and log Jacobian as functions of the reference's are differentiated numerically.
fn stick_breaking_gradient(
    model: &Model,
    given: &Dataset,
    variable: &InferredVariable,
    coordinates: &[f64],
    density: &PointDensity,
    gradient: &mut [f64],
) {
    let own = variable.unconstrained.clone();
    let mut u = coordinates[own.clone()].to_vec();
    let h = 1e-3;
    for k in 0..u.len() {
        let mut at = |shift: f64| {
            let before = u[k];
            u[k] += shift;
            let (x, jacobian) = stick_breaking(&u);
            u[k] = before;
            let mut moved = given.clone();
            moved
                .set(&variable.name, &serde_json::to_string(&x).expect("numbers"))
                .expect("a simplex");
            let there = model.density_at(&moved).expect("a density");
            let ours = there.log_density_unconstrained - there.log_density;
            let mut values = there.unconstrained[own.clone()].to_vec();
            values.push(jacobian - ours);
            values
        };
        let (a, b, c, d) = (at(h), at(-h), at(2.0 * h), at(-2.0 * h));
        let slope = |i: usize| (8.0 * (a[i] - b[i]) - (c[i] - d[i])) / (12.0 * h);
        let count = own.len();
        gradient[own.start + k] = (0..count)
            .map(|i| density.gradient[own.start + i] * slope(i))
            .sum::<f64>()
            + slope(count);
    }
}

/// `{"x[1]": 1, "x[2]": 2}` as `{"x": [1, 2]}`
fn nested(flat: &Value) -> Value {
    let mut nested = serde_json::Map::new();
    for (name, value) in flat.as_object().expect("names") {
        match name.split_once('[') {
            None => drop(nested.insert(name.clone(), value.clone())),
            Some((base, _)) => {
                let list = nested
                    .entry(base)
                    .or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut().expect("an array").push(value.clone());
            }
        }
    }
    Value::Object(nested)
}

/// Numbers listed under the reference's names of coordinates, in the order of the model's.
fn ordered_as(model: &Model, names: &[&str], numbers: &[f64]) -> Vec<f64> {
    let base = |name: &str| name.split(['[', '.']).next().unwrap_or(name).to_string();
    let mut ordered = Vec::new();
    for variable in &model.compiled.inferred {
        let own = names
            .iter()
            .zip(numbers)
            .filter(|(name, _)| base(name) == variable.name)
            .map(|(_, number)| *number);
        ordered.extend(own);
    }
    assert_eq!(ordered.len(), numbers.len(), "{names:?}");
    ordered
}

#[test]
#[ignore = "samples all sixteen posteriors: half a minute in a release build"]
fn posteriors_are_those_of_the_reference() {
    let Some(shared) = shared() else { return };
    let mut failures = Vec::new();
    for (name, folder) in POSTERIORS {
        let folder = shared.join(folder);
        let model = model(name, &folder, None);
        let posterior = model
            .sample(&Settings::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let reference = json(folder.join("reference.json"));
        let parameters = reference
            .get("parameters")
            .unwrap_or(&reference)
            .as_object()
            .expect("parameters")
            .clone();
        let (mut worst_mean, mut worst_sd, mut compared) = (0.0f64, 0.0f64, 0);
        for (parameter, expected) in &parameters {
            let Some(row) = posterior
                .summary_of(parameter)
                .or_else(|| posterior.summary_of(&parameter.replace(',', ", ")))
            else {
                failures.push(format!("{name}: {parameter} is not among the results"));
                continue;
            };
            let number = |key: &str| expected[key].as_f64().expect(key);
            let combined = row.mcse_mean.hypot(number("mcse_mean"));
            let mean = (row.mean - number("mean")).abs() / combined;
            // The reference's own error of the sd: as for a normal, sd / √(2 ess).
            let ess = expected
                .get("ess_bulk")
                .or_else(|| expected.get("ess"))
                .and_then(Value::as_f64)
                .unwrap_or(1e4);
            let combined_sd = row.mcse_sd.hypot(number("sd") / (2.0 * ess).sqrt());
            let sd = (row.sd - number("sd")).abs() / combined_sd;
            (worst_mean, worst_sd) = (worst_mean.max(mean), worst_sd.max(sd));
            compared += 1;
            if mean > 4.0 || sd > 4.0 {
                failures.push(format!(
                    "{name}: {parameter} has mean {} (reference {}, {mean:.1} MCSE) and sd {} (reference {}, {sd:.1} MCSE)",
                    row.mean, number("mean"), row.sd, number("sd")
                ));
            }
        }
        println!(
            "{name}: {compared} parameters, worst mean {worst_mean:.1} and sd {worst_sd:.1} combined MCSE, {} divergences, sampling {:.2?}",
            posterior.health.divergences, posterior.sampling_time
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
