//! What the data taught (contraction, effective number of parameters) and why predictions are uncertain (epistemic and
//! aleatoric variance), against closed forms and the exact figures of `tests/evidence`.

use likelier::contraction::Contraction;
use likelier::simulation::DrawTable;
use likelier::{Dataset, Model, Options, Posterior, Prediction, Settings, Simulator};
use serde_json::{Value, json};

fn fit(text: &str, data: &Value, draws: usize) -> (Model, Posterior) {
    let data = Dataset::from_json("data.json", &data.to_string()).expect("data");
    let model = match Model::compile("model.ppl", text, &data, &Options::default()) {
        Ok(model) => model,
        Err(error) => panic!("{error}"),
    };
    let settings = Settings {
        draws,
        ..Settings::default()
    };
    let posterior = model.sample(&settings).expect("draws");
    (model, posterior)
}

fn contraction(text: &str, data: &Value) -> Contraction {
    let (model, posterior) = fit(text, data, 1000);
    model.contraction(&posterior).expect("a contraction")
}

/// One mean: the data's precision is 10 / 4, the prior's 1 / 100.
#[test]
fn a_conjugate_mean_is_learned_by_the_ratio_of_precisions() {
    let y = [1.0, 2.5, 0.3, 4.0, 1.1, -0.7, 2.2, 3.0, 1.8, 0.9];
    let found = contraction(
        "mu ~ normal(0, 10)\nnu ~ normal(0, 1)\ny[1..10] ~ normal(mu + 0 * nu, 2)\n",
        &json!({"y": y}),
    );
    let h: f64 = 100.0 * 10.0 / 4.0;
    let (mu, nu) = (&found.variables[0], &found.variables[1]);
    assert!((mu.effective - h / (1.0 + h)).abs() < 1e-3, "{mu:?}");
    assert!((mu.contractions[0] - h / (1.0 + h)).abs() < 1e-3, "{mu:?}");
    assert!(
        nu.effective.abs() < 1e-6 && nu.contractions[0].abs() < 0.15,
        "{nu:?}"
    );
    assert!((found.dimensionality - 1.0).abs() < 0.2, "{found:?}");
}

/// The eigenvalues of a polynomial's design are known, and do not depend on the noise.
#[test]
fn coefficients_of_a_polynomial_count_as_their_eigenvalues_say() {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/evidence"));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");
    let problem: Value = serde_json::from_str(&read("polynomial_order.json")).expect("JSON");
    let variants = problem["truth"]["variants"].as_array().expect("variants");
    for (name, shrink, degree) in [("hard_3", 1.0, 3), ("soft_g1.5_15", 1.5, 15)] {
        let variant = variants.iter().find(|v| v["name"] == name).expect(name);
        let data = json!({
            "x": problem["data"]["x"], "y": problem["data"]["y"], "degree": degree, "shrink": shrink,
        });
        let found = contraction(&read("polynomial.ppl"), &data);
        let beta = found
            .variables
            .iter()
            .find(|v| v.contractions.len() == degree + 1);
        let effective = beta.expect("coefficients").effective;
        let exact = variant["n_eff"].as_f64().expect("a number");
        assert!(
            (effective - exact).abs() < 0.1,
            "{name}: {effective}, not {exact}"
        );
    }
}

#[test]
fn an_improper_prior_has_nothing_to_compare_with() {
    let (model, posterior) = fit(
        "mu ~ flat()\ny[1..N] ~ normal(mu, 1)\n",
        &json!({"y": [1, 2]}),
        100,
    );
    let message = model.contraction(&posterior).unwrap_err().to_string();
    assert!(message.contains("improper"), "{message}");
}

/// A decision about a failure rate: of what is uncertain about the next trial, ignorance of the rate is the smaller part, and shrinks
/// with the number of trials; chance does not.
#[test]
fn ignorance_shrinks_and_chance_does_not() {
    let text = "given n: int\np ~ uniform(0, 1)\nk ~ binomial(n, p)\nnext ~ bernoulli(p)\n";
    let exact = [
        (10, 0, 0.005876068, 0.070512821),
        (1000, 10, 1.0825051e-5, 0.010846701),
    ];
    for (n, k, epistemic, aleatoric) in exact {
        let data = json!({"n": n, "k": k});
        let (_, posterior) = fit(text, &data, 4000);
        let data = Dataset::from_json("data.json", &data.to_string()).expect("data");
        let simulator = Simulator::prediction(
            "model.ppl",
            text,
            &data,
            &Prediction::default(),
            &Options::default(),
        )
        .expect("a program");
        let place = simulator
            .simulation
            .columns
            .iter()
            .position(|c| c.name == "next");
        let table = DrawTable {
            name: "draws".to_owned(),
            names: vec!["p".to_owned()],
            values: posterior.draws("p").expect("draws").concat(),
        };
        let parts = simulator.variance_parts(&[table], 1).expect("parts");
        let parts = parts[place.expect("a column")];
        // Draws are worth about a third of as many independent ones.
        let (wide, narrow) = (8.0 * parts.epistemic_se, 8.0 * parts.aleatoric_se);
        assert!((parts.epistemic - epistemic).abs() < wide, "{n}: {parts:?}");
        assert!(
            (parts.aleatoric - aleatoric).abs() < narrow,
            "{n}: {parts:?}"
        );
        assert!(
            wide < 1.5 * epistemic && narrow < 0.2 * aleatoric,
            "{n}: {parts:?}"
        );
    }
}
