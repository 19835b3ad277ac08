//! Models compared on data whose evidences and leave-one-out predictions are known (`tests/evidence`).

use likelier::comparison::{Candidate, Comparison, check_same, loo, observed};
use likelier::{
    Dataset, Error, EvidenceControl, EvidenceSettings, Model, Options, Settings, Simulator,
};
use serde_json::Value;

const PRIORS: &str = "sigma2 ~ inv_gamma(shape=2, scale=0.2)\n";

fn data() -> (Dataset, Value) {
    let text = include_str!("evidence/polynomial_order.json");
    let problem: Value = serde_json::from_str(text).expect("JSON");
    let data = serde_json::json!({ "x": problem["data"]["x"], "y": problem["data"]["y"] });
    let data = Dataset::from_json("data.json", &data.to_string()).expect("data");
    (data, problem)
}

fn candidate(name: &str, text: &str, data: &Dataset, settings: &EvidenceSettings) -> Candidate {
    let options = Options::default();
    let model = Model::compile(name, text, data, &options).expect("a model");
    let pointwise = Simulator::pointwise(name, text, data, &options).expect("a model");
    let mut evidence = model.evidence(settings).expect("an estimate");
    let (posterior, coordinates) = match evidence.take_draws() {
        Some(draws) => draws,
        None => {
            let posterior = model.sample(&settings.nuts).expect("draws");
            (posterior, model.compiled.coordinates)
        }
    };
    let mut left_out = loo(&pointwise, &posterior).expect("leave-one-out");
    let control = EvidenceControl::new(settings);
    left_out
        .refit(&model, &posterior, coordinates, 20, &control.chains)
        .expect("refits");
    let by_rows = model.evidence_by_rows(settings, &control).expect("rows");
    Candidate {
        name: name.to_owned(),
        evidence,
        loo: Some(left_out),
        by_rows: Some(by_rows),
        orders: Vec::new(),
    }
}

/// Polynomials of degree 1 and 3: Bayes factor and probabilities against the closed form.
#[test]
fn polynomials_are_ranked_as_they_should() {
    let (data, problem) = data();
    let text = |degree: usize| {
        format!(
            "given x: real[N]\n{PRIORS}beta[1..{n}] ~ normal(0, sqrt(100 * sigma2))\n\
             let f = [sum(beta[k] * x[i]^(k - 1) for k in 1..{n}) for i in 1..N]\n\
             y[i in 1..N] ~ normal(f[i], sqrt(sigma2))\n",
            n = degree + 1
        )
    };
    let number = |degree: usize, key: &str| {
        let variants = problem["truth"]["variants"].as_array().expect("variants");
        let name = format!("hard_{degree}");
        let found = variants
            .iter()
            .find(|v| v["name"] == name.as_str())
            .expect("a variant");
        found[key].as_f64().expect("a number")
    };
    let truth = |degree: usize| number(degree, "log_evidence");
    let later = |degree: usize| number(degree, "clml_first_half");
    let settings = EvidenceSettings::default();
    let candidates = [1, 3, 4]
        .map(|degree| candidate(&format!("degree {degree}"), &text(degree), &data, &settings))
        .into();
    let comparison = Comparison::of(candidates, 1);
    let order: Vec<usize> = comparison.standings.iter().map(|s| s.model).collect();
    assert_eq!(order, [1, 2, 0]);
    assert!(comparison.is_separated, "{:?}", comparison.notes);
    let gap = comparison.standings[2].behind.expect("a gap");
    let exact = truth(3) - truth(1);
    assert!(
        (gap.value - exact).abs() < (4.0 * gap.se).max(0.02),
        "{gap:?} {exact}"
    );
    let odds = (truth(4) - truth(3)).exp();
    let probability = comparison.standings[0].probability.expect("a probability");
    let exact = 1.0 / (1.0 + odds);
    assert!(
        probability[1] - 0.01 < exact && exact < probability[2] + 0.01,
        "{probability:?} {exact}"
    );
    let weights: f64 = comparison.standings.iter().filter_map(|s| s.stacking).sum();
    assert!((weights - 1.0).abs() < 1e-6);
    // What is known of leave-one-out and of the later half.
    let found = comparison.candidates[1]
        .loo
        .as_ref()
        .expect("leave-one-out");
    let exact = problem["truth"]["elpd_loo"]["hard_3"]
        .as_f64()
        .expect("a number");
    assert_eq!(found.untrusted, 0, "{:?}", comparison.notes);
    // With Pareto k-hats up to 0.6, runs of 4000 draws differ by 0.13.
    assert!(
        (found.elpd.value - exact).abs() < 0.4,
        "{:?} {exact}",
        found.elpd
    );
    for standing in &comparison.standings {
        let exact = later([1, 3, 4][standing.model]);
        let found = standing.conditional.expect("the later half");
        let error = (found.value - exact).abs();
        assert!(error < (4.5 * found.se).max(0.02), "{found:?} {exact}");
    }
    assert_eq!(
        comparison.standings[0]
            .conditional_behind
            .expect("a gap")
            .value,
        0.0
    );
}

/// One row is so precise that it decides alone where the posterior is: weights cannot take it out again, chains can.
#[test]
fn a_row_that_decides_alone_is_refitted() {
    let (y, sd) = ([2.0, 0.3, -0.5, 0.1, 0.6], [0.05, 1.0, 1.0, 1.0, 1.0]);
    let data = serde_json::json!({ "y": y, "sd": sd });
    let data = Dataset::from_json("data.json", &data.to_string()).expect("data");
    let text = "given sd: positive[N]\nmu ~ normal(0, 2)\ny[i in 1..N] ~ normal(mu, sd[i])";
    let settings = EvidenceSettings::default();
    let model = Model::compile("m", text, &data, &Options::default()).expect("a model");
    let pointwise = Simulator::pointwise("m", text, &data, &Options::default()).expect("a model");
    let posterior = model.sample(&settings.nuts).expect("draws");
    let mut found = loo(&pointwise, &posterior).expect("leave-one-out");
    assert_eq!(found.untrusted, 1, "{:?}", found.observations);
    let control = EvidenceControl::new(&settings);
    let coordinates = model.compiled.coordinates;
    let mut none = found.clone();
    none.refit(&model, &posterior, coordinates, 0, &control.chains)
        .expect("nothing to do");
    assert_eq!((none.untrusted, none.refitted.len()), (1, 0));
    found
        .refit(&model, &posterior, coordinates, 20, &control.chains)
        .expect("refits");
    assert_eq!((found.untrusted, found.refitted.as_slice()), (0, &[0][..]));
    for (place, one) in found.observations.iter().enumerate() {
        let others = (0..y.len()).filter(|other| *other != place);
        let (mut precision, mut weighted) = (0.25, 0.0);
        for other in others {
            precision += 1.0 / (sd[other] * sd[other]);
            weighted += y[other] / (sd[other] * sd[other]);
        }
        let (mean, variance) = (
            weighted / precision,
            sd[place] * sd[place] + 1.0 / precision,
        );
        let z: f64 = y[place] - mean;
        let exact = -0.5 * (2.0 * std::f64::consts::PI * variance).ln() - z * z / (2.0 * variance);
        assert!(
            (one.elpd - exact).abs() < 0.15,
            "{place}: {} {exact}",
            one.elpd
        );
    }
}

/// Every observation left out of a normal mean, against the closed form.
#[test]
fn leave_one_out_is_exact_for_a_normal_mean() {
    let problem: Value =
        serde_json::from_str(include_str!("evidence/normal_mean.json")).expect("JSON");
    let data = Dataset::from_json("data.json", &problem["data"].to_string()).expect("data");
    let text = include_str!("evidence/normal_mean.ppl");
    let settings = EvidenceSettings {
        nuts: Settings {
            draws: 4000,
            ..Settings::default()
        },
        ..EvidenceSettings::default()
    };
    let candidate = candidate("normal mean", text, &data, &settings);
    let found = candidate.loo.expect("leave-one-out");
    let exact = problem["truth"]["loo_pointwise"]
        .as_array()
        .expect("numbers");
    for (one, exact) in found.observations.iter().zip(exact) {
        let exact = exact.as_f64().expect("a number");
        assert!((one.elpd - exact).abs() < 0.02, "{} {exact}", one.elpd);
    }
    assert_eq!(found.untrusted, 0);
}

#[test]
fn different_observations_are_refused() {
    let (data, _) = data();
    let of = |text: &str| {
        let model = Model::compile("m", text, &data, &Options::default()).expect("a model");
        (text.to_owned(), observed(&model))
    };
    let plain = of("sigma2 ~ inv_gamma(shape=2, scale=0.2)\ny[1..N] ~ normal(0, sqrt(sigma2))");
    let later =
        of("sigma2 ~ inv_gamma(shape=2, scale=0.2)\ny[i in 2..N] ~ normal(y[i-1], sqrt(sigma2))");
    let other = of("sigma2 ~ inv_gamma(shape=2, scale=0.2)\nx[1..N] ~ normal(0, sqrt(sigma2))");
    check_same(&[plain.clone(), plain.clone()]).expect("the same");
    for different in [later, other] {
        let Err(Error::Settings(message)) = check_same(&[plain.clone(), different]) else {
            panic!("it should be refused");
        };
        assert!(
            message.contains("do not describe the same observations"),
            "{message}"
        );
    }
}

/// Evidences whose errors are large against their difference make no ranking.
#[test]
fn what_is_not_separated_is_not_ranked() {
    let (data, _) = data();
    let text =
        |sd: f64| format!("{PRIORS}mu ~ normal(0, {sd})\ny[1..N] ~ normal(mu, sqrt(sigma2))");
    let settings = EvidenceSettings {
        estimators: likelier::Estimators::Smc,
        replicates: 2,
        ..EvidenceSettings::default()
    };
    let candidates = vec![
        candidate("a", &text(1.0), &data, &settings),
        candidate("b", &text(1.001), &data, &settings),
    ];
    let comparison = Comparison::of(candidates, 1);
    assert!(!comparison.is_separated);
    assert!(
        comparison
            .notes
            .iter()
            .any(|n| n.contains("do not separate")),
        "{:?}",
        comparison.notes
    );
}
