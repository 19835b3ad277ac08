//! Differential equations from text to posterior: what happens where there is no solution, and that the solver in native
//! code is the one that tests in `runtime/tests/ode.rs` compare with closed forms.

use likelier::{Dataset, Model, Options, Settings};

fn compile(text: &str, data: &str) -> Model {
    let data = Dataset::from_json("data.json", data).expect("data");
    match Model::compile("ode.ppl", text, &data, &Options::default()) {
        Ok(model) => model,
        Err(error) => panic!("{error}"),
    }
}

fn log_density(model: &Model, point: &str) -> f64 {
    let point = Dataset::from_json("point.json", point).expect("a point");
    model.density_at(&point).expect("a density").log_density
}

/// y' = −1000 r (y − cos t): stiff for large r.
const RELAXATION: &str = "
fn relaxation(t: real, y: real[K], r: real) -> real[K] = -1000 * r * (y - cos(t))
r ~ half_normal(1)
let z = METHOD(relaxation, [1], 0, [0.5, 1, 1], r, max_steps=CAP)
y ~ normal(z[, 1], 0.1)
";

#[test]
fn a_point_beyond_the_cap_of_steps_is_impossible_and_ends() {
    let data = r#"{"y": [0.9, 0.6, 0.5]}"#;
    let text = RELAXATION.replace("METHOD", "ode").replace("CAP", "400");
    let model = compile(&text, data);
    assert!(log_density(&model, r#"{"r": 0.1}"#).is_finite());
    assert_eq!(log_density(&model, r#"{"r": 100}"#), f64::NEG_INFINITY);

    let text = RELAXATION
        .replace("METHOD", "ode_stiff")
        .replace("CAP", "400");
    let stiff = compile(&text, data);
    // y is within 1/(1000 r) of cos t.
    for r in [1.0, 100.0, 1e6] {
        let found = log_density(&stiff, &format!(r#"{{"r": {r}}}"#));
        let residuals = [0.9 - 0.5f64.cos(), 0.6 - 1f64.cos(), 0.5 - 1f64.cos()];
        let likelihood: f64 = residuals
            .iter()
            .map(|e| -0.5 * (e / 0.1).powi(2) - 0.1f64.ln() - 0.918_938_533_204_672_7)
            .sum();
        let wanted = likelihood - 0.5 * r * r - 0.225_791_352_644_727_4;
        let error = (found - wanted).abs() / wanted.abs();
        assert!(error < 2e-2 / r, "{r}: {found} {wanted}");
    }
}

#[test]
fn a_right_hand_side_without_a_value_makes_a_point_impossible() {
    // y reaches zero at t = 2 √y0, where sqrt(y) stops having a value for a solution that goes on.
    let text = "
fn drain(t: real, y: real[K], r: real) -> real[K] = -r - sqrt(y)
r ~ normal(0, 1)
let z = ode(drain, [1], 0, [1.0], r)
y ~ normal(z[1, 1], 0.1)
";
    let model = compile(text, r#"{"y": 0.2}"#);
    assert!(log_density(&model, r#"{"r": 0.0}"#).is_finite());
    assert_eq!(log_density(&model, r#"{"r": 5.0}"#), f64::NEG_INFINITY);
}

/// Half of the prior is beyond the cap or without a value; the posterior lies in the other half and is found.
#[test]
fn a_posterior_is_sampled_where_part_of_the_space_has_no_solution() {
    let text = "
fn drain(t: real, y: real[K], r: real) -> real[K] = -r - sqrt(y)
r ~ normal(0, 1)
let z = ode(drain, [1], 0, [0.2, 0.4], r)
y ~ normal(z[, 1], 0.05)
";
    let model = compile(text, r#"{"y": [0.75, 0.45]}"#);
    let settings = Settings {
        chains: 2,
        ..Settings::default()
    };
    let posterior = model.sample(&settings).expect("a posterior");
    let row = posterior.summary_of("r").expect("a row");
    // By quadrature over r, with SciPy's solution.
    let (mean, sd) = (0.479493, 0.123811);
    let error = (row.mean - mean).abs() / row.mcse_mean;
    assert!(error < 5.0, "{} is {error} errors from {mean}", row.mean);
    assert!((row.sd / sd - 1.0).abs() < 0.15, "{} {sd}", row.sd);
}
