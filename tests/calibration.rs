//! Calibration of models that are right, and of pairs that are not: what is simulated with one prior and fitted with another
//! must be noticed.

use likelier::calibration::{
    Calibration, CalibrationControl, CalibrationSettings, Method, Program, Shape, calibrate,
};
use likelier::output::calibration::calibration_text;
use likelier::{Dataset, Error, Options};

fn pair(
    truth: &str,
    fit: &str,
    data: &str,
    settings: &CalibrationSettings,
) -> Result<Calibration, Error> {
    let program = |text| Program {
        name: "model.ppl",
        text,
    };
    let data = Dataset::from_json("data.json", data)?;
    let control = CalibrationControl::default();
    calibrate(
        program(truth),
        program(fit),
        &data,
        &Options::default(),
        settings,
        &control,
    )
}

fn quick(method: Method, simulations: usize) -> CalibrationSettings {
    CalibrationSettings {
        simulations,
        ranks: 19,
        method,
        ..CalibrationSettings::default()
    }
}

const NORMAL: &str = "
    mu ~ normal(0, 1)
    s ~ half_normal(1)
    y[i in 1..N] ~ normal(mu, s)
";

#[test]
fn a_right_model_is_calibrated_for_any_number_of_threads() {
    let mut settings = quick(Method::Nuts, 48);
    settings.threads = Some(1);
    let one = pair(NORMAL, NORMAL, r#"{"N": 4}"#, &settings).expect("a calibration");
    assert!(one.is_calibrated(), "{}", calibration_text(&one));
    assert_eq!(one.data, ["y"]);
    let mut names: Vec<&str> = one.quantities.iter().map(|q| q.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["log likelihood", "mu", "s"]);
    settings.threads = Some(3);
    let three = pair(NORMAL, NORMAL, r#"{"N": 4}"#, &settings).expect("a calibration");
    assert_eq!(one.quantities, three.quantities);
}

#[test]
fn another_prior_is_noticed() {
    let shifted = NORMAL.replace("mu ~ normal(0, 1)", "mu ~ normal(1, 1)");
    let settings = quick(Method::Nuts, 60);
    let found = pair(NORMAL, &shifted, r#"{"N": 1}"#, &settings).expect("a calibration");
    assert!(!found.is_calibrated(), "{}", calibration_text(&found));
    let mu = found.quantities.iter().find(|q| q.name == "mu");
    let mu = mu.expect("mu is a quantity");
    assert!(mu.is_outside && mu.shape == Shape::TooHigh, "{mu:?}");
    // An error of spread: the fit believes the data more than it should.
    let sure = NORMAL.replace("normal(mu, s)", "normal(mu, s / 3)");
    let found = pair(NORMAL, &sure, r#"{"N": 4}"#, &settings).expect("a calibration");
    let wrong = found.quantities.iter().filter(|q| q.is_outside);
    assert!(wrong.count() > 0, "{}", calibration_text(&found));
}

#[test]
fn particles_missing_values_constraints_and_discrete_unknowns() {
    let model = "
        a ~ normal(0, 1)
        b ~ normal(0, 1)
        z ~ bernoulli(0.4)
        y[1] ~ normal(a + b + 2 * z, 1)
        y[i in 2..3] ~ normal(a + b + 2 * z + 0.5 * y[i - 1], 1)
        soft rising: a < b within 0.2
    ";
    let data = r#"{"y": [0, null, 0]}"#;
    for method in [Method::Smc, Method::Nuts] {
        let found = pair(model, model, data, &quick(method, 40)).expect("a calibration");
        assert!(found.is_calibrated(), "{}", calibration_text(&found));
        for name in ["a", "b", "z", "y[2]", "log likelihood"] {
            assert!(
                found.quantities.iter().any(|q| q.name == name),
                "{name} is no quantity: {}",
                calibration_text(&found)
            );
        }
    }
}

#[test]
fn what_cannot_be_calibrated_is_refused() {
    let settings = quick(Method::Nuts, 20);
    let refusal = |model: &str, data: &str| {
        let found = pair(model, model, data, &settings);
        found.map(|_| ()).expect_err("a refusal").to_string()
    };
    let text = refusal("mu ~ normal(0, 1)\nobserve 1.5 ~ normal(mu, 1)\n", "{}");
    assert!(text.contains("`observe` or `factor`"), "{text}");
    let text = refusal("y ~ normal(0, 1)\n", r#"{"y": 1}"#);
    assert!(text.contains("nothing is unknown"), "{text}");
    let few = CalibrationSettings {
        simulations: 3,
        ..settings.clone()
    };
    let text = pair(NORMAL, NORMAL, r#"{"N": 4}"#, &few).map(|_| ());
    let text = text.expect_err("a refusal").to_string();
    assert!(text.contains("between 20 and"), "{text}");
}
