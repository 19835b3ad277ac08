//! Models compared on data whose evidences and leave-one-out predictions are known (`tests/evidence`).

use likelier::comparison::{Candidate, Comparison, check_same, loo, observed};
use likelier::{Dataset, Error, EvidenceSettings, Model, Options, Settings, Simulator};
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
    Candidate {
        name: name.to_owned(),
        evidence: model.evidence(settings).expect("an estimate"),
        loo: loo(&pointwise, &model.sample(&settings.nuts).expect("draws")),
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
    let truth = |degree: usize| {
        let variants = problem["truth"]["variants"].as_array().expect("variants");
        let name = format!("hard_{degree}");
        let found = variants
            .iter()
            .find(|v| v["name"] == name.as_str())
            .expect("a variant");
        found["log_evidence"].as_f64().expect("a number")
    };
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
    // The stated sum of leave-one-out densities of the degrees.
    if let Some(exact) = problem["truth"]["elpd_loo"]["hard_3"].as_f64() {
        let found = comparison.candidates[1]
            .loo
            .as_ref()
            .expect("leave-one-out")
            .elpd
            .value;
        assert!((found - exact).abs() < 0.3, "{found} {exact}");
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
