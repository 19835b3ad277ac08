//! What constraints do together and to their own strength, against closed forms and quadrature.

use super::*;

/// Mean and variance of a normal variable after prior, constraint and datum, each a mean and a variance.
fn product(factors: &[(f64, f64)]) -> (f64, f64) {
    let precision: f64 = factors.iter().map(|(_, variance)| 1.0 / variance).sum();
    let weighted: f64 = factors.iter().map(|(mean, variance)| mean / variance).sum();
    (weighted / precision, 1.0 / precision)
}

/// E and Var of −(θ − centre)² / (2 scale²), θ normal.
fn square((mean, variance): (f64, f64), (centre, scale2): (f64, f64)) -> (f64, f64) {
    let distance = (mean - centre).powi(2);
    (
        -(distance + variance) / (2.0 * scale2),
        (variance.powi(2) / 2.0 + variance * distance) / scale2.powi(2),
    )
}

#[test]
fn suspiciousness_is_that_of_normal_laws() {
    let text = "a ~ normal(0, 5)\nsoft near: a ~= 2 within 0.5\ny ~ normal(a, 1)";
    let (prior, constraint, datum) = ((0.0, 25.0), (2.0, 0.25), (4.0, 1.0));
    let (_, report) = reported(&compile("near", text, &json!({ "y": 4.0 }), &[]), 3);
    let both = product(&[prior, constraint, datum]);
    // Both terms of log L φ are parabolas, and so is their sum.
    let (centre, scale2) = product(&[constraint, datum]);
    let gap = (constraint.0 - datum.0).powi(2) / (2.0 * (constraint.1 + datum.1));
    let (of_both, of_data, of_constraint) = (
        square(both, (centre, scale2)),
        square(product(&[prior, datum]), datum),
        square(product(&[prior, constraint]), constraint),
    );
    let log = of_both.0 - gap - of_data.0 - of_constraint.0;
    let dimension = 2.0 * (of_data.1 + of_constraint.1 - of_both.1);
    let found = report.together.and_then(|all| all.suspiciousness);
    let found = found.expect("a suspiciousness");
    let mut complaints = Complaints::about("near".to_owned());
    complaints.check("log S", Some(found.log), &json!(log));
    assert!(
        complaints.texts.is_empty(),
        "{}",
        complaints.texts.join("\n")
    );
    assert!(
        (found.dimension - dimension).abs() < 0.15,
        "{} {dimension}",
        found.dimension
    );
    // A gap of 2 with a standard deviation of √1.25 is as extreme as that of a normal law, but for the prior.
    let p = 2.0 * normal_cdf(-2.0 / 1.25_f64.sqrt());
    assert!(
        found.p.is_some_and(|found| (found - p).abs() < 0.03),
        "{:?} {p}",
        found.p
    );
}

#[test]
fn a_joint_strength_is_tilted_as_its_integral_says() {
    let (name, problem) = ("soft_strength_joint", problem("soft_strength_inferred"));
    let (_, report) = reported(&stored(name, &problem["data"]), 2);
    let [tilt] = report.tilts.as_slice() else {
        panic!("one unknown strength");
    };
    assert_eq!(tilt.name, "log_s");
    // a − b has variance 18, so that the integral of the potential is s / √(s² + 18); log s is normal(−1, 1).
    let grid = (-4000..4000).map(|step| f64::from(step) * 2e-3);
    let weighed: Vec<[f64; 3]> = grid
        .map(|z| {
            let s = (z - 1.0).exp();
            let integral = s / (s * s + 18.0).sqrt();
            [(-0.5 * z * z).exp(), integral, z - 1.0]
        })
        .collect();
    let total: f64 = weighed.iter().map(|[density, ..]| density).sum();
    let mean = |value: &dyn Fn(&[f64; 3]) -> f64| {
        weighed.iter().map(|row| row[0] * value(row)).sum::<f64>() / total
    };
    let normaliser = mean(&|row| row[1]);
    let tilted = |value: &dyn Fn(&[f64; 3]) -> f64| mean(&|row| row[1] * value(row)) / normaliser;
    let divergence = tilted(&|row| (row[1] / normaliser).ln());
    let truth = &problem["truth"]["joint"]["mean_log_s_prior_with_constraint"];
    assert!((tilted(&|row| row[2]) - truth.as_f64().expect("a mean")).abs() < 1e-6);
    let mut complaints = Complaints::about(name.to_owned());
    complaints.mean("before", Some(tilt.prior), &json!(-1.0));
    complaints.mean("with constraints", Some(tilt.constrained), truth);
    complaints.check("KL", Some(tilt.divergence), &json!(divergence));
    assert!(
        complaints.texts.is_empty(),
        "{}",
        complaints.texts.join("\n")
    );
    let normalised = stored("soft_strength_normalised", &problem["data"]);
    assert!(reported(&normalised, 2).1.tilts.is_empty());
}
