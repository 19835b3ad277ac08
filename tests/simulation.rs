//! Draws from the prior under constraints: normalised ones, which reject nothing, and those that rejection cannot reach; against
//! closed forms, against rejection where both are possible, and the errors where neither is.

use likelier::calibration::{CalibrationControl, CalibrationSettings, Program, calibrate};
use likelier::output::calibration::calibration_text;
use likelier::simulation::{Rows, Way};
use likelier::{Dataset, Options, Simulator};
use likelier_runtime::math::special::normal_cdf;

fn simulator(text: &str, data: &str) -> Simulator {
    let data = Dataset::from_json("data.json", data).expect("data");
    let simulator = Simulator::prior("model.ppl", text, &data, &Options::default());
    simulator.unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refusal(text: &str) -> String {
    let rows = simulator(text, "{}").draw(1, 100);
    rows.expect_err("no draws").to_string()
}

fn column(rows: &Rows, name: &str) -> Vec<f64> {
    let place = rows.columns.iter().position(|column| column.name == name);
    let place = place.unwrap_or_else(|| panic!("{name}"));
    rows.rows().map(|row| row[place]).collect()
}

/// The largest distance between the distribution functions of two sorted samples, in units in which it exceeds 2.2 once in
/// 10⁴ where both are of one law (Smirnov).
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let share = |sample: &[f64], value: f64| {
        sample.partition_point(|&other| other <= value) as f64 / sample.len() as f64
    };
    let gaps = a
        .iter()
        .chain(b)
        .map(|&value| share(a, value) - share(b, value));
    let largest = gaps.map(f64::abs).fold(0.0, f64::max);
    largest * (a.len() as f64 * b.len() as f64 / (a.len() + b.len()) as f64).sqrt()
}

/// The same for one sample and the standard normal law.
fn distance_from_normal(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let gap = |(place, z): (usize, &f64)| {
        let expected = normal_cdf(*z);
        let (before, after) = (place as f64 / count, (place + 1) as f64 / count);
        (expected - before).abs().max((expected - after).abs())
    };
    count.sqrt() * values.iter().enumerate().map(gap).fold(0.0, f64::max)
}

/// Mean, variance and largest distance of the distribution function from the normal one, for numbers that should be
/// standard normal.
fn assert_standard_normal(what: &str, values: Vec<f64>) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|z| z * z).sum::<f64>() / count;
    assert!(mean.abs() < 4.0 / count.sqrt(), "{what}: mean {mean}");
    assert!(
        (variance - 1.0).abs() < 4.0 * (2.0 / count).sqrt(),
        "{what}: variance {variance}"
    );
    // Exceeded once in 10⁶ (Kolmogorov).
    let distance = distance_from_normal(values);
    assert!(distance < 2.7, "{what}: {distance}");
}

/// Given s, the residual r of mean m and variance V under the prior is normal with mean m s² / (V + s²) and variance
/// V s² / (V + s²), whatever the law of s; what is independent of r keeps its law. The datum reads both before s is drawn.
#[test]
fn draws_from_the_prior_heed_what_is_normalised() {
    let text = "a ~ normal(1, 3)
b[1..2] ~ normal(0, [2, 1])
let d = a - 2 * b[2]
y ~ normal(d + b[1], 0.5)
log_s ~ normal(-1, 1)
soft same: d ~= 0.5 within exp(log_s) normalised
";
    let rows = simulator(text, "{}").draw(7, 20_000).expect("draws");
    assert_eq!(rows.tried, 20_000, "nothing is rejected");
    let column = |name| column(&rows, name);
    let (a, b1, b2) = (column("a"), column("b[1]"), column("b[2]"));
    let (y, log_s) = (column("y"), column("log_s"));
    let each = |number: &dyn Fn(usize) -> f64| (0..rows.count()).map(number).collect::<Vec<f64>>();
    let scale = each(&|i| log_s[i] + 1.0);
    let residual = each(&|i| {
        let square = (2.0 * log_s[i]).exp();
        let r = a[i] - 2.0 * b2[i] - 0.5;
        (r - 0.5 * square / (13.0 + square)) / (13.0 * square / (13.0 + square)).sqrt()
    });
    let across = each(&|i| (2.0 * a[i] + 9.0 * b2[i] - 2.0) / 117f64.sqrt());
    let other = each(&|i| b1[i] / 2.0);
    let noise = each(&|i| (y[i] - a[i] + 2.0 * b2[i] - b1[i]) / 0.5);
    let all = [scale, residual, across, other, noise];
    for (i, one) in all.iter().enumerate() {
        assert_standard_normal(&format!("{i}"), one.clone());
        for (j, another) in all[..i].iter().enumerate() {
            let both = one.iter().zip(another);
            let correlation = both.map(|(x, y)| x * y).sum::<f64>() / rows.count() as f64;
            let least = 4.0 / (rows.count() as f64).sqrt();
            assert!(correlation.abs() < least, "{i}, {j}: {correlation}");
        }
    }
}

#[test]
fn a_normalised_scale_that_is_not_positive_is_rejected() {
    let text = "s ~ normal(0, 1)\na ~ normal(0, 2)\nsoft near: a ~= 1 within s normalised\n";
    let rows = simulator(text, "{}").draw(3, 10_000).expect("draws");
    assert!(
        (rows.tried as f64 / 20_000.0 - 1.0).abs() < 0.05,
        "{}",
        rows.tried
    );
    let (s, a) = (column(&rows, "s"), column(&rows, "a"));
    assert!(s.iter().all(|s| *s > 0.0));
    let mean = s.iter().sum::<f64>() / 1e4;
    let expected = (2.0 / std::f64::consts::PI).sqrt();
    assert!((mean - expected).abs() < 4.0 * 0.603 / 100.0, "{mean}");
    // a given s has mean 4 / (4 + s²) and variance 4 s² / (4 + s²).
    let scaled = |(s, a): (&f64, &f64)| {
        let square = s * s;
        (a - 4.0 / (4.0 + square)) / (4.0 * square / (4.0 + square)).sqrt()
    };
    assert_standard_normal("a", s.iter().zip(&a).map(scaled).collect());
}

#[test]
fn a_scale_that_cannot_be_drawn_first_is_an_error() {
    let text = "a ~ normal(0, 1)
for i in 1..2 {
  s[i] ~ half_normal(1)
  z[i] ~ normal(a, s[i])
}
soft near: a ~= 0 within s[1] normalised
";
    let error = Simulator::prior("model.ppl", text, &Dataset::default(), &Options::default());
    let message = error.err().expect("an error").to_string();
    assert!(
        message.contains("E0484") && message.contains("two loops"),
        "{message}"
    );
    let apart = text.replace("  z[i]", "}\nfor i in 1..2 {\n  z[i]");
    simulator(&apart, "{}");
}

const APART: &str = "a ~ normal(0, 1)
b ~ normal(0, 1)
soft apart: a ~= b + 6 within 0.01
y ~ normal(a, 1)
report gap = a - b
";

/// a − b is normal with variance 2 before the constraint, which measures it with variance s²; a + b is independent of it.
#[test]
fn a_constraint_far_from_the_prior_is_tempered_in() {
    let simulator = simulator(APART, r#"{"y": 7.5}"#);
    let rows = simulator.draw(3, 4000).expect("draws");
    let Way::Tempered(found) = rows.way else {
        panic!("{:?}", rows.way);
    };
    assert_eq!(found.different, 4000, "no chain is taken twice");
    let square: f64 = 1e-4;
    let log_kept = 0.5 * (square / (2.0 + square)).ln() - 18.0 / (2.0 + square);
    let error = found.log_kept.value - log_kept;
    assert!(
        error.abs() < 4.0 * found.log_kept.se && found.log_kept.se < 0.05,
        "{:?} is not {log_kept}",
        found.log_kept
    );
    let (a, b) = (column(&rows, "a"), column(&rows, "b"));
    let (y, gap) = (column(&rows, "y"), column(&rows, "gap"));
    let each = |number: &dyn Fn(usize) -> f64| (0..rows.count()).map(number).collect::<Vec<f64>>();
    let (mean, variance) = (12.0 / (2.0 + square), 2.0 * square / (2.0 + square));
    for (name, values) in [
        ("gap", each(&|i| (gap[i] - mean) / variance.sqrt())),
        ("sum", each(&|i| (a[i] + b[i]) / 2f64.sqrt())),
        ("y", each(&|i| y[i] - a[i])),
    ] {
        // Draws of one run are not quite independent.
        let distance = distance_from_normal(values);
        assert!(distance < 2.7, "{name}: {distance}");
    }
    assert!(
        each(&|i| gap[i] - (a[i] - b[i]))
            .iter()
            .all(|d| d.abs() < 1e-12)
    );
}

#[test]
fn tempered_draws_do_not_depend_on_the_number_of_threads() {
    let simulator = simulator(APART, "{}");
    let on = |threads| simulator.draw_on(Some(threads), 5, 300).expect("draws");
    let (one, three) = (on(1), on(3));
    assert!(matches!(one.way, Way::Tempered(_)));
    assert_eq!(one.values, three.values);
    let other = simulator.draw(6, 300).expect("draws");
    assert_ne!(one.values, other.values);
}

/// Everything that a model may hold beside constraints: what is observed and `observe` count for nothing, elements that no statement draws
/// keep the values of the data, discrete unknowns under a constraint and beside one, and a scale that is normalised.
#[test]
fn tempering_and_rejection_draw_alike() {
    let text = "mu ~ normal(0, 1)
s ~ half_normal(1)
z[1..3] ~ bernoulli(0.4)
theta[1..N] ~ normal(mu, s)
p ~ dirichlet([1, 2, 3])
soft large: mu + 0.5 * sum(z) > 1 within 0.3
soft near: theta[1] ~= theta[2] within 0.5
require s < 1.5
w ~ normal(1, 2)
v ~ normal(-1, 0.5)
soft loose: w ~= 0.5 within exp(v) normalised
observe 9 ~ normal(mu, 0.1)
for t in 2..N { walk[t] ~ normal(walk[t - 1] + mu, s) }
soft end: walk[3] < 3 within 0.5
y[i in 1..N] ~ normal(theta[i] + z[1], 0.5)
n ~ poisson(exp(mu))
report total = sum(theta) + n + p[1]
";
    let simulator = simulator(
        text,
        r#"{"N": 3, "y": [50, 60, 70], "walk": [0.5, 8, 9], "mu": 4}"#,
    );
    let rejected = simulator.draw(1, 2000).expect("draws");
    assert_eq!(rejected.way, Way::Forward);
    let tempered = simulator.draw_tempered(None, 2, 2000).expect("draws");
    assert!(matches!(tempered.way, Way::Tempered(_)));
    assert_eq!(tempered.columns, rejected.columns);
    for place in 0..rejected.columns.len() {
        let sorted = |rows: &Rows| {
            let mut values: Vec<f64> = rows.rows().map(|row| row[place]).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let distance = distance(&sorted(&rejected), &sorted(&tempered));
        let name = &rejected.columns[place].name;
        assert!(distance < 2.2, "{name}: {distance}");
    }
    let Way::Tempered(found) = tempered.way else {
        unreachable!("it was asserted")
    };
    let kept = (rejected.count() as f64 / rejected.tried as f64).ln();
    let error = found.log_kept.se.hypot(1.0 / 2000f64.sqrt());
    // The normalised constraint rejects nothing, and its density integrates to one.
    assert!(
        (found.log_kept.value - kept).abs() < 4.0 * error,
        "{:?} is not {kept}",
        found.log_kept
    );
}

/// At least 11 of 12 coins: of (12 · 0.7 · 0.3¹¹ + 0.3¹²), all fall on one side with probability 0.3 / (12 · 0.7 + 0.3).
#[test]
fn what_only_discrete_unknowns_decide_is_drawn_exactly() {
    let text = "z[1..12] ~ bernoulli(0.3)\nrequire sum(z) > 10\ny ~ normal(z[1], 1)\n";
    let rows = simulator(text, "{}").draw(1, 8000).expect("draws");
    assert_eq!(rows.way, Way::Exact);
    let sums = rows.rows().map(|row| row[..12].iter().sum::<f64>());
    let all = sums.filter(|sum| *sum == 12.0).count() as f64 / 8000.0;
    let expected: f64 = 0.3 / 8.7;
    let error = (expected * (1.0 - expected) / 8000.0).sqrt();
    assert!((all - expected).abs() < 4.0 * error, "{all} {expected}");
    let (y, z) = (column(&rows, "y"), column(&rows, "z[1]"));
    let rest = y.iter().zip(&z).map(|(y, z)| y - z).collect();
    assert!(distance_from_normal(rest) < 2.7);
}

#[test]
fn what_cannot_be_tempered_in_is_said() {
    let cases = [
        (
            "a ~ normal(0, 1)\nrequire a > 6\ny ~ normal(a, 1)\n",
            [
                "only 0 of 2000 draws satisfy what is required",
                "make it `soft`",
            ],
        ),
        (
            "a ~ normal(0, 1)\nsoft one: a ~= 1 within 0.001\nsoft two: a ~= 0 within 0.001\n",
            ["keeps a mean penalty of", "contradict"],
        ),
        (
            "n ~ poisson(3)\nsoft many: n ~= 40 within 0.1\n",
            ["`n` is unknown and whole-numbered", "soft many"],
        ),
        // Narrow modes, one for each sum, between which no particle moves.
        (
            "a ~ normal(0, 1)\nz[1..3] ~ bernoulli(0.2)\nsoft near: a + sum(z) ~= 6 within 0.01\n",
            ["not to be trusted", "hardly move"],
        ),
    ];
    for (text, wanted) in cases {
        let message = refusal(text);
        assert!(message.contains("kept 0"), "{message}");
        for words in wanted {
            assert!(message.contains(words), "{message}");
        }
    }
}

#[test]
fn constraints_that_no_draw_satisfies_are_named() {
    let text = "a ~ normal(0, 1)\nsoft wide: a > 0 within 1\nsoft far: a > 20 within 0.1\ny ~ normal(a, 1)\n";
    let message = refusal(text);
    assert!(
        message.contains("kept 0")
            && message.contains("soft far")
            && message.contains("the prior or the other constraints contradict it"),
        "{message}"
    );
}

#[test]
fn constraints_that_contradict_each_other_are_all_named() {
    let text = "a ~ normal(0, 1)\nrequire a > 1\nrequire a < 0\ny ~ normal(a, 1)\n";
    let message = refusal(text);
    assert!(
        message.contains("`require a > 1` alone would keep 15.")
            && message.contains("`require a < 0` alone would keep 50.")
            && message.contains("contradict each other"),
        "{message}"
    );
}

/// The truths of a calibration come from the same simulator.
#[test]
fn a_model_with_rare_constraints_is_calibrated() {
    let text =
        "a ~ normal(0, 1)\nb ~ normal(0, 1)\nsoft apart: a ~= b + 6 within 0.1\ny ~ normal(a, 1)\n";
    let program = Program {
        name: "model.ppl",
        text,
    };
    let settings = CalibrationSettings {
        simulations: 60,
        ranks: 19,
        ..CalibrationSettings::default()
    };
    let data = Dataset::from_json("data.json", "{}").expect("data");
    let control = CalibrationControl::default();
    let options = Options::default();
    let found = calibrate(program, program, &data, &options, &settings, &control);
    let found = found.expect("a calibration");
    let shown = calibration_text(&found);
    assert!(found.is_calibrated(), "{shown}");
    assert!(shown.contains("By SMC"), "{shown}");
    // `b` is no data, though no other variable depends on it.
    assert_eq!(found.data, ["y"]);
}
