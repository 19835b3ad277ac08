//! Soft constraints against numbers that were computed elsewhere: log potentials and their slopes by mpmath, near the
//! target and 10⁸ scales away, and integrals whose closed form is known.

use likelier::{
    Adjustment, ConstraintKind, Dataset, Error, Model, Options, PointDensity, Recovery, Settings,
    Simulator,
};
use serde_json::Value;

fn data(text: &str) -> Dataset {
    Dataset::from_json("data.json", text).expect("data")
}

fn adjusted(text: &str, numbers: &str, adjustments: &[Adjustment]) -> Result<Model, Error> {
    let options = Options {
        adjustments: adjustments.to_vec(),
        ..Options::default()
    };
    Model::compile("model.ppl", text, &data(numbers), &options)
}

fn model(text: &str, numbers: &str) -> Model {
    adjusted(text, numbers, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn at(model: &Model, point: &str) -> PointDensity {
    let point = Dataset::from_json("point.json", point).expect("a point");
    model.density_at(&point).expect("a density")
}

#[test]
fn log_potentials_and_slopes_agree_with_mpmath() {
    let rows = include_str!("reference/soft_constraints.json");
    let rows: Value = serde_json::from_str(rows).expect("rows");
    let mut mistakes = Vec::new();
    let mut compiled: Option<(String, Model)> = None;
    for row in rows.as_array().expect("rows") {
        let (formula, number) = (row[0].as_str().expect("a formula"), |i: usize| {
            row[i].as_f64().expect("a number")
        });
        if compiled.as_ref().is_none_or(|(text, _)| text != formula) {
            let text = format!("x ~ flat()\nsoft it: {formula}\ny ~ normal(0, 1)\n");
            compiled = Some((formula.to_string(), model(&text, r#"{"y": 0}"#)));
        }
        let (_, model) = compiled.as_ref().expect("set above");
        let found = at(model, &format!("{{\"x\": {:?}}}", number(1)));
        let close = |found: f64, expected: f64, rounding: f64| {
            (found - expected).abs() <= 1e-13 * expected.abs() + rounding
        };
        // Slopes of the two sides of `or` may cancel.
        let rounding = if formula.contains(" or ") {
            1e-16
        } else {
            1e-300
        };
        if !close(found.potentials[0], number(2), 1e-300)
            || !close(found.gradient[0], number(3), rounding)
        {
            mistakes.push(format!(
                "{row}: found {:e}, {:e}",
                found.potentials[0], found.gradient[0]
            ));
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

/// The logarithm of the integral of a log density over a grid.
fn log_integral(values: impl Iterator<Item = f64>, cell: f64) -> f64 {
    let values: Vec<f64> = values.collect();
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = values.iter().map(|value| (value - most).exp()).sum();
    most + (sum * cell).ln()
}

/// Log integrals of prior · φ and of prior · φ · likelihood over a square or a line.
fn normalisers(model: &Model, dimension: u32, reach: f64, step: f64) -> (f64, f64) {
    let count = (2.0 * reach / step).round() as usize + 1;
    let place = |i: usize| i as f64 * step - reach;
    let densities: Vec<PointDensity> = (0..count.pow(dimension))
        .map(|i| match dimension {
            1 => model.compiled.density_at(&[place(i)]),
            _ => model
                .compiled
                .density_at(&[place(i / count), place(i % count)]),
        })
        .collect();
    let cell = step.powi(dimension as i32);
    (
        log_integral(densities.iter().map(|one| one.prior + one.soft), cell),
        log_integral(densities.iter().map(|one| one.log_density), cell),
    )
}

fn assert_close(found: f64, expected: f64, what: &str) {
    let allowed = 1e-9 * expected.abs().max(1.0);
    assert!(
        (found - expected).abs() < allowed,
        "{what}: {found} is not {expected}"
    );
}

#[test]
fn an_inequality_has_its_normalisers() {
    let model = model(
        "theta ~ normal(0, 2)\nsoft above: theta > 0.5 within 0.1\ny[1..N] ~ normal(theta, 1)\n",
        r#"{"y": [0.399823, -0.124725, -0.539419, 0.344209, -1.969386, 0.842609, -1.672246, -0.030767]}"#,
    );
    let (prior, joint) = normalisers(&model, 1, 20.0, 0.01);
    assert_close(prior, -0.9120799045185158, "prior and constraint");
    assert_close(joint, -16.693589905583334, "all");
}

#[test]
fn logic_has_its_normalisers() {
    let text = |word: &str| {
        format!(
            "a ~ normal(0, 1.5)\nb ~ normal(0, 1.5)\n\
             soft rule: (b > a within 0.2) {word} (a + b ~= 1 within 0.3)\n\
             ya[1..4] ~ normal(a, 1)\nyb[1..4] ~ normal(b, 1)\n"
        )
    };
    let both = model(
        &text("and"),
        r#"{"ya": [0.743908, -0.726959, -0.849611, -0.15013], "yb": [-0.390703, 1.780333, 0.472468, -0.198183]}"#,
    );
    let (prior, joint) = normalisers(&both, 2, 10.0, 0.05);
    assert_close(prior, -2.7679924587956695, "`and`: prior and constraint");
    assert_close(joint, -13.742805237919683, "`and`: all");
    let either = model(
        &text("or"),
        r#"{"ya": [-0.278155, 0.867808, 1.813043, 0.212505], "yb": [0.459156, -1.766289, 1.250845, 1.070977]}"#,
    );
    let (prior, joint) = normalisers(&either, 2, 10.0, 0.05);
    assert_close(prior, -0.5748524044799943, "`or`: prior and constraint");
    assert_close(joint, -14.403191123796578, "`or`: all");
}

const SIX_EACH: &str = r#"{"ya": [0.694614, 1.729713, 1.173767, -0.189508, 1.760141, 1.057909],
    "yb": [0.918963, 3.015197, 0.642138, 1.990409, 1.85164, 1.856627]}"#;

/// Over log s, a and b: the log integral of prior · φ, the mean of log s under that, and the log integral with the data.
fn over_strengths(model: &Model) -> (f64, f64, f64) {
    // Over log s, the mean of a and b around `centre`, and their difference in units of how far it spreads for this s.
    let over = |centre: f64, step: f64, difference: f64, precision: f64| {
        let mut points = Vec::new();
        for i in 0..=125 {
            let log_s = f64::from(i) * 0.12 - 8.0;
            let spread = 1.0 / ((-2.0 * log_s).exp() + 1.0 / 18.0 + precision).sqrt();
            for j in -30..=30 {
                let mean = centre + f64::from(j) * step;
                for k in -24..=24 {
                    let apart = difference * precision * spread * spread;
                    let half = (apart + f64::from(k) * 0.3 * spread) / 2.0;
                    let one = model
                        .compiled
                        .density_at(&[log_s, mean + half, mean - half]);
                    points.push((log_s, spread.ln(), one));
                }
            }
        }
        (points, 0.12 * step * 0.3)
    };
    let (points, cell) = over(0.0, 0.5, 0.0, 0.0);
    let values = points
        .iter()
        .map(|(_, spread, one)| spread + one.prior + one.soft);
    let log_prior = log_integral(values.clone(), cell);
    let weights = values.map(|value| (value - log_prior).exp() * cell);
    let mean: f64 = weights
        .zip(&points)
        .map(|(weight, one)| weight * one.0)
        .sum();
    // The data: six values around each.
    let (points, cell) = over(1.41, 0.1, -0.59, 3.0);
    let values = points
        .iter()
        .map(|(_, spread, one)| spread + one.log_density);
    (log_prior, mean, log_integral(values, cell))
}

#[test]
fn a_joint_strength_is_conditioned_on_the_constraint() {
    let model = model(
        "log_s ~ normal(-1, 1)\na ~ normal(0, 3)\nb ~ normal(0, 3)\n\
         soft same: a ~= b within exp(log_s) joint\nya[1..6] ~ normal(a, 1)\nyb[1..6] ~ normal(b, 1)\n",
        SIX_EACH,
    );
    let (log_prior, mean, log_all) = over_strengths(&model);
    assert_close(log_prior, -2.029221402183402, "prior and constraint");
    assert_close(mean, -0.1116488561010883, "the mean of log s");
    assert_close(log_all, -19.285659563632912, "all");
}

#[test]
fn a_normalised_strength_keeps_its_prior() {
    let model = model(
        "log_s ~ normal(-1, 1)\na ~ normal(0, 3)\nb ~ normal(0, 3)\n\
         soft same: a ~= b within exp(log_s) normalised\nya[1..6] ~ normal(a, 1)\nyb[1..6] ~ normal(b, 1)\n",
        SIX_EACH,
    );
    let (log_prior, mean, log_all) = over_strengths(&model);
    assert_close(log_prior, 0.0, "prior and constraint");
    assert_close(mean, -1.0, "the mean of log s");
    assert_close(log_all, -17.09425822695032, "all");
}

const EQUALITIES: &str = "given B: real[N, 3]
theta[1..3] ~ normal(0, [1, 1, 2])
soft sum: sum(theta) ~= 1 within 0.1
soft close: theta[1] ~= theta[2] within 0.5
let mean = B @ theta
y[1..N] ~ normal(mean, 0.5)
";
const DESIGN: &str = r#""B": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]]"#;
const OBSERVED: &str = r#""y": [0.777476, 0.635952, 0.581018, 0.327947, 0.605914]"#;

/// The log integral of a Gaussian density of three variables, from its value and slopes at four points.
fn gaussian(model: &Model) -> f64 {
    let at = |point: [f64; 3]| model.compiled.density_at(&point);
    let origin = at([0.0; 3]);
    let mut rows = [[0.0; 4]; 3];
    for j in 0..3 {
        let mut point = [0.0; 3];
        point[j] = 1.0;
        let slopes = at(point).gradient;
        for (i, row) in rows.iter_mut().enumerate() {
            row[j] = origin.gradient[i] - slopes[i];
        }
    }
    for (row, slope) in rows.iter_mut().zip(&origin.gradient) {
        row[3] = *slope;
    }
    let mut log_determinant = 0.0;
    for i in 0..3 {
        let pivot = rows[i];
        log_determinant += pivot[i].ln();
        for row in &mut rows[i + 1..] {
            let factor = row[i] / pivot[i];
            for (number, above) in row.iter_mut().zip(pivot) {
                *number -= factor * above;
            }
        }
    }
    let mut mode = [0.0; 3];
    for i in (0..3).rev() {
        let known: f64 = (i + 1..3).map(|j| rows[i][j] * mode[j]).sum();
        mode[i] = (rows[i][3] - known) / rows[i][i];
    }
    at(mode).log_density + 1.5 * (2.0 * std::f64::consts::PI).ln() - 0.5 * log_determinant
}

#[test]
fn equalities_have_their_normalisers_and_adjustments() {
    let without_data = format!("{{{DESIGN}}}");
    let with_data = format!("{{{DESIGN}, {OBSERVED}}}");
    let integral = |numbers: &str, adjustments: &[Adjustment]| {
        gaussian(&adjusted(EQUALITIES, numbers, adjustments).expect("a model"))
    };
    assert_close(
        integral(&without_data, &[]),
        -4.381104431476479,
        "prior and constraints",
    );
    assert_close(integral(&with_data, &[]), -8.079131996478324, "all");
    let without = |name: &str| Adjustment::Without(name.to_string());
    let both = [without("sum"), without("close")];
    assert_close(
        integral(&with_data, &both),
        -6.061864223725786,
        "no constraints",
    );
    // Evidence without one constraint: the two integrals with the other.
    for (name, expected) in [("sum", -5.416174546849345), ("close", -4.388205447868185)] {
        let left = [without(name)];
        let evidence = integral(&with_data, &left) - integral(&without_data, &left);
        assert_close(evidence, expected, name);
        let scale = if name == "sum" {
            "within 0.1"
        } else {
            "within 0.5"
        };
        let weightless = EQUALITIES.replace(scale, &format!("{scale} weight 0"));
        let off = gaussian(&model(&weightless, &with_data));
        assert_close(off, integral(&with_data, &left), "weight 0 is absence");
    }
    let scale = [Adjustment::Scale("close".to_string(), 0.4)];
    let scaled = EQUALITIES.replace("within 0.5", "within 0.2");
    let expected = gaussian(&model(&scaled, &with_data));
    assert_close(integral(&with_data, &scale), expected, "scaled");
    // A potential whose peak is less than 1 changes both integrals alike.
    let lower = EQUALITIES.replace("within 0.5", "within 0.5 and penalty 3");
    let shift = |numbers: &str| gaussian(&model(&lower, numbers)) - integral(numbers, &[]);
    assert_close(shift(&with_data), -3.0, "all, shifted");
    assert_close(shift(&without_data), -3.0, "prior and constraints, shifted");
}

#[test]
fn draws_of_the_posterior_heed_constraints() {
    let model = model(EQUALITIES, &format!("{{{DESIGN}, {OBSERVED}}}"));
    let posterior = model.sample(&Settings::default()).expect("draws");
    let means = [0.3225285835418652, 0.25626100797334445, 0.42349861262434785];
    for (row, mean) in posterior.summary.iter().zip(means) {
        let error = (row.mean - mean) / row.mcse_mean;
        assert!(
            error.abs() < 4.0,
            "{}: {} is not {mean}",
            row.name,
            row.mean
        );
    }
    assert!(posterior.health.ok);
}

#[test]
fn draws_from_the_prior_heed_constraints() {
    let simulator = Simulator::prior(
        "model.ppl",
        EQUALITIES,
        &data(&format!("{{{DESIGN}}}")),
        &Options::default(),
    )
    .expect("a program");
    let rows = simulator.draw(3, 4000).expect("draws");
    let kept = (rows.count() as f64 / rows.tried as f64).ln();
    // The share of draws that are kept is the normaliser of the constraints.
    let error = (1.0 / rows.count() as f64).sqrt();
    assert!((kept + 4.381104431476479).abs() < 4.0 * error, "{kept}");
    let sums: Vec<f64> = rows.rows().map(|row| row[..3].iter().sum()).collect();
    let mean = sums.iter().sum::<f64>() / sums.len() as f64;
    let variance = sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / sums.len() as f64;
    assert!(
        (mean - 0.998336106489185).abs() < 4.0 * (0.00998 * error * error).sqrt(),
        "{mean}"
    );
    assert!(
        (variance / 0.009983361064891848 - 1.0).abs() < 4.0 * 1.5 * error,
        "{variance}"
    );
    assert_eq!(rows.values, simulator.draw(3, 4000).expect("draws").values);
}

#[test]
fn reports_of_constraints_hold_penalties_and_residuals() {
    let text = "given s: real[3]
f[1..3] ~ normal(0, 1)
u ~ normal(0, 1)
soft near: f[i] ~= u within s[i] for i in 1..3
soft between: 0 < u < 1 within 0.5 weight 2
soft small: penalty u^2
require u < 5
y ~ normal(u, 1)
";
    let numbers = data(r#"{"s": [0.5, 0.25, 1], "y": 0.3}"#);
    let options = Options::default();
    let simulator =
        Simulator::constraints("model.ppl", text, &numbers, &options, Recovery::Posterior)
            .expect("a program");
    let simulation = &simulator.simulation;
    let names: Vec<&str> = simulation
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "near.penalty",
            "near.residual",
            "near.scaled",
            "near.largest",
            "between.penalty",
            "between.residual[1]",
            "between.scaled[1]",
            "between.largest[1]",
            "between.residual[2]",
            "between.scaled[2]",
            "between.largest[2]",
            "small.penalty",
            "u < 5.penalty",
        ]
    );
    let given: Vec<&str> = simulation
        .given
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(given, ["f[1]", "f[2]", "f[3]", "u"]);
    let mut found = vec![0.0; simulation.program.output_count()];
    simulation
        .program
        .runner()
        .run(&[0.6, 0.1, 0.9, 0.2], None, &mut found);
    let softplus = |x: f64| x.exp().ln_1p();
    let expected = [
        0.5 * (0.8f64.powi(2) + 0.4f64.powi(2) + 0.7f64.powi(2)),
        (0.4 - 0.1 + 0.7) / 3.0,
        (0.8 - 0.4 + 0.7) / 3.0,
        0.8,
        2.0 * (softplus(-0.4) + softplus(-1.6)),
        -0.2,
        -0.4,
        -0.4,
        -0.8,
        -1.6,
        -1.6,
        0.04,
        0.0,
    ];
    for ((name, found), expected) in names.iter().zip(&found).zip(expected) {
        assert_close(*found, expected, name);
    }
    let model = model(text, r#"{"s": [0.5, 0.25, 1], "y": 0.3}"#);
    let constraints = &model.compiled.constraints;
    let kinds: Vec<_> = constraints
        .iter()
        .map(|one| (one.kind, one.elements))
        .collect();
    let (soft, hard) = (ConstraintKind::Soft, ConstraintKind::Hard);
    assert_eq!(
        kinds,
        [
            (soft, Some(3)),
            (soft, Some(1)),
            (soft, Some(1)),
            (hard, Some(1))
        ]
    );
    let density = at(&model, r#"{"f": [0.6, 0.1, 0.9], "u": 0.2}"#);
    for (potential, penalty) in density.potentials.iter().zip([0, 4, 11, 12]) {
        assert_close(-potential, expected[penalty], "minus the log potential");
    }
}

#[test]
fn a_hardened_constraint_holds() {
    let text = "f[1..3] ~ normal(0, 1)\nsoft rising: f[i] < f[i + 1] within 0.1 for i in 1..2\ny[1..3] ~ normal(f, 1)\n";
    let numbers = r#"{"y": [0.3, 0.1, 0.2]}"#;
    let harden = |name: &str| adjusted(text, numbers, &[Adjustment::Harden(name.to_string())]);
    let model = harden("rising").expect("a model");
    assert_eq!(model.compiled.constraints[0].kind, ConstraintKind::Hard);
    let rising = at(&model, r#"{"f": [0.1, 0.2, 0.3]}"#);
    assert_eq!(rising.soft, 0.0);
    let falling = at(&model, r#"{"f": [0.1, 0.3, 0.2]}"#);
    assert_eq!(falling.soft, f64::NEG_INFINITY);
    let error = harden("risin")
        .err()
        .expect("no such constraint")
        .to_string();
    assert!(error.contains("did you mean `rising`?"), "{error}");
}

/// A circle of width 10⁻⁴ makes steps short, and the run says why; a wide one does not, nor does an observation that is as
/// narrow.
#[test]
fn a_constraint_that_sets_the_step_size_is_named() {
    let notes = |condition: &str| {
        let text = format!("x ~ normal(0, 1)\nz ~ normal(0, 1)\n{condition}\ny ~ normal(x, 0.5)\n");
        let model = model(&text, r#"{"y": 0.4}"#);
        let settings = Settings {
            chains: 2,
            draws: 100,
            warmup: 300,
            retry: false,
            ..Settings::default()
        };
        model.sample(&settings).expect("draws").notes
    };
    let narrow = notes("soft circle: x^2 + z^2 ~= 1 within 1e-4\nsoft wide: x ~= 0 within 1");
    assert!(
        narrow.len() == 1 && narrow[0].contains("`circle` is so narrow"),
        "{narrow:?}"
    );
    let apart = notes("soft up: z ~= 3 within 0.05\nsoft down: z ~= -3 within 0.05");
    assert!(
        apart.len() == 2 && apart[0].contains("`up` is far from holding: its mean penalty is 1"),
        "{apart:?}"
    );
    let wide = notes("soft circle: x^2 + z^2 ~= 1 within 0.5");
    assert!(wide.is_empty(), "{wide:?}");
    let observed = notes("soft wide: x ~= 0 within 1\nobserve x^2 + z^2 - 1 ~ normal(0, 1e-4)");
    assert!(observed.is_empty(), "{observed:?}");
}
