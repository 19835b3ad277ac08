//! Reports against sums and quadrature, for models that have no closed form: constraints on discrete unknowns, and constraints that
//! are left out by weights.

use likelier::constraints::Means;
use likelier::evidence::LogValue;
use likelier::{Dataset, Options, Settings, Simulator};
use likelier_runtime::math::special::normal_cdf;
use serde_json::json;

use super::{Complaints, compile, reported};

/// A model whose discrete unknowns can be enumerated, and whose other unknown can be integrated on a grid.
const DISCRETE: &str = "z[1..2] ~ bernoulli(0.4)
mu ~ normal(0, 2)
soft near: mu ~= 2 * z[1] within 0.5
soft apart: z[1] < z[2] within 0.4
require z[1] + z[2] > 0
y ~ normal(mu + z[2], 1)
";

/// Sums of `DISCRETE` over both z and a grid of mu: of prior × constraints × what `number` gives, with the likelihood of y = 0.7
/// or without. `kept` says which of near, apart and require are there.
fn enumerated(kept: [bool; 3], has_data: bool, number: &dyn Fn(f64, f64, f64) -> f64) -> f64 {
    let normal = |x: f64, sd: f64| {
        (-0.5 * (x / sd).powi(2)).exp() / (sd * (2.0 * std::f64::consts::PI).sqrt())
    };
    let step = 0.002;
    let mut sum = 0.0;
    for (first, second) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
        let chance = |z: f64| if z == 1.0 { 0.4 } else { 0.6 };
        if kept[2] && first + second == 0.0 {
            continue;
        }
        for k in -7000..=7000 {
            let mu = f64::from(k) * step;
            let [near, apart] = penalties(mu, first, second);
            let penalty = near * f64::from(kept[0]) + apart * f64::from(kept[1]);
            let likelihood = match has_data {
                true => normal(0.7 - mu - second, 1.0),
                false => 1.0,
            };
            let prior = chance(first) * chance(second) * normal(mu, 2.0);
            sum += step * prior * (-penalty).exp() * likelihood * number(mu, first, second);
        }
    }
    sum
}

/// Of near and apart.
fn penalties(mu: f64, first: f64, second: f64) -> [f64; 2] {
    let near = 0.5 * ((mu - 2.0 * first) / 0.5).powi(2);
    [near, ((first - second) / 0.4).exp().ln_1p()]
}

#[test]
fn constraints_on_discrete_unknowns_are_accounted_for() {
    let one = |_: f64, _: f64, _: f64| 1.0;
    let log_z = |kept: [bool; 3], has_data: bool| enumerated(kept, has_data, &one).ln();
    let log_evidence = |kept: [bool; 3]| log_z(kept, true) - log_z(kept, false);
    let all = [true; 3];
    let model = compile("discrete", DISCRETE, &json!({ "y": 0.7 }), &[]);
    let (evidence, report) = reported(&model, 4);
    let mut complaints = Complaints::about("discrete".to_owned());
    complaints.verdict(&evidence);
    complaints.check("P(C)", evidence.log_z_soft, &json!(log_z(all, false)));
    complaints.check("P(y, C)", evidence.log_z_joint, &json!(log_z(all, true)));
    complaints.check("evidence", evidence.log_evidence, &json!(log_evidence(all)));
    let off = log_evidence([false, false, true]);
    complaints.check(
        "all off",
        report.together.map(|all| all.without.log_evidence),
        &json!(off),
    );
    for (place, kept) in [[false, true, true], [true, false, true]]
        .into_iter()
        .enumerate()
    {
        let one_report = &report.each[place];
        let tension = log_evidence(kept) - log_evidence(all);
        complaints.check("tension", one_report.tension(), &json!(tension));
        let sides = [(&one_report.prior, false), (&one_report.posterior, true)];
        for (behaviour, has_data) in sides {
            let penalty = |mu: f64, first: f64, second: f64| penalties(mu, first, second)[place];
            let expected = enumerated(all, has_data, &penalty) / enumerated(all, has_data, &one);
            let found = behaviour.as_ref().map(|b| b.penalty);
            complaints.mean(
                &format!("penalty {place}, {has_data}"),
                found,
                &json!(expected),
            );
            let residual = |mu: f64, first: f64, second: f64| match place {
                0 => mu - 2.0 * first,
                _ => first - second,
            };
            let expected = enumerated(all, has_data, &residual) / enumerated(all, has_data, &one);
            let found = behaviour.as_ref().map(|b| b.residuals[0]);
            complaints.mean(
                &format!("residual {place}, {has_data}"),
                found,
                &json!(expected),
            );
        }
    }
    let free = [true, true, false];
    let required = &report.each[2];
    let tension = log_evidence(free) - log_evidence(all);
    complaints.check("tension of require", required.tension(), &json!(tension));
    let holds = |has_data| (log_z(all, has_data) - log_z(free, has_data)).exp();
    let (before, after) = required.holds.expect("probabilities");
    assert!((before - holds(false)).abs() < 0.02, "{before}");
    assert!((after - holds(true)).abs() < 0.02, "{after}");
    assert!(
        complaints.texts.is_empty(),
        "{}",
        complaints.texts.join("\n")
    );
    // Draws of the posterior and of the prior heed them, too.
    let first = |_: f64, first: f64, _: f64| first;
    let share = |has_data| enumerated(all, has_data, &first) / enumerated(all, has_data, &one);
    let posterior = model.sample(&Settings::default()).expect("draws");
    let row = posterior
        .summary
        .iter()
        .find(|row| row.name == "z[1]")
        .expect("a row");
    assert!(
        (row.mean - share(true)).abs() < 4.0 * row.mcse_mean,
        "{} {}",
        row.mean,
        share(true)
    );
    let data = Dataset::from_json("data.json", "{}").expect("data");
    let simulator = Simulator::prior("discrete", DISCRETE, &data, &Options::default());
    let rows = simulator.expect("a program").draw(1, 4000).expect("draws");
    let place = rows
        .columns
        .iter()
        .position(|column| column.name == "z[1]")
        .expect("a column");
    let found = rows.rows().map(|row| row[place]).sum::<f64>() / 4000.0;
    assert!(
        (found - share(false)).abs() < 4.0 * (0.25f64 / 4000.0).sqrt(),
        "{found}"
    );
}

/// A constraint that says little beside the rest is left out by weights of the particles, without a run, and as exactly.
/// Without `near`, z heeds the prior alone, and mu is normal(1.6, √0.8).
#[test]
fn the_pit_draws_discrete_unknowns_without_its_constraint() {
    let text = "z ~ bernoulli(0.4)\nmu ~ normal(0, 2)\nsoft near: mu ~= 4 * z within 0.5\ny ~ normal(mu, 1)\n";
    let (_, report) = reported(&compile("pit", text, &json!({ "y": 2.0 }), &[]), 5);
    let below = |target: f64| normal_cdf((target - 1.6) / (0.8_f64 + 0.25).sqrt());
    let share = 0.6 * below(0.0) + 0.4 * below(4.0);
    let near = &report.each[0];
    let found = near.pit_p.zip(near.pit_se);
    let found = found.map(|(value, se)| LogValue { value, se });
    let mut complaints = Complaints::about("pit".to_owned());
    complaints.check("PIT", found, &json!(2.0 * share.min(1.0 - share)));
    assert!(
        complaints.texts.is_empty(),
        "{}",
        complaints.texts.join("\n")
    );
}

#[test]
fn weights_leave_out_what_says_little() {
    let text = "mu ~ normal(0, 1)
soft near: mu ~= 0.5 within 2
soft low: mu < 3 within 1
y ~ normal(mu, 0.5)
";
    let y = 1.3;
    let log_normal =
        |x: f64, variance: f64| -0.5 * (x * x / variance + (std::f64::consts::TAU * variance).ln());
    // log p(y, C) and log p(C) by quadrature.
    let sum = |near: bool, low: bool, data: bool| {
        let term = |k: i32| {
            let mu = f64::from(k) * 1e-3;
            let mut log = log_normal(mu, 1.0);
            if near {
                log -= 0.5 * ((mu - 0.5) / 2.0).powi(2);
            }
            if low {
                log -= (mu - 3.0).exp().ln_1p();
            }
            if data {
                log += log_normal(y - mu, 0.25);
            }
            1e-3 * log.exp()
        };
        (-12_000..=12_000).map(term).sum::<f64>().ln()
    };
    let log_evidence = |near, low| sum(near, low, true) - sum(near, low, false);
    let with = log_evidence(true, true);
    let model = compile("weak", text, &json!({ "y": y }), &[]);
    let mut distances = Vec::new();
    for seed in 1..=6 {
        let (_, report) = reported(&model, seed);
        let mut complaints = Complaints::about(format!("weak, seed {seed}"));
        for (one, kept) in report.each.iter().zip([(false, true), (true, false)]) {
            assert!(
                matches!(one.without.map(|w| w.means), Some(Means::Weights { shape }) if shape < 0.5)
            );
            let truth = log_evidence(kept.0, kept.1) - with;
            complaints.check(&one.name, one.tension(), &json!(truth));
            let tension = one.tension().expect("a number");
            assert!(tension.se < 0.03, "{tension:?}");
            distances.push((tension.value - truth) / tension.se);
        }
        let together = with - log_evidence(false, false);
        complaints.check(
            "all",
            report.together.map(|all| all.log_bayes_factor()),
            &json!(together),
        );
        // In the program without it, mu has mean m and variance v given y and the other constraint, and the target is at 0.5 ± 2.
        let weight = |k: i32| {
            let mu = f64::from(k) * 1e-3;
            let log = log_normal(mu, 1.0) - (mu - 3.0).exp().ln_1p() + log_normal(y - mu, 0.25);
            (log.exp(), normal_cdf((0.5 - mu) / 2.0))
        };
        let points = (-12_000..=12_000).map(weight);
        let (total, below) = points.fold((0.0, 0.0), |(a, b), (w, f)| (a + w, b + w * f));
        let share: f64 = below / total;
        let one = &report.each[0];
        let pit = LogValue {
            value: one.pit_p.expect("a p-value"),
            se: one.pit_se.expect("an error"),
        };
        complaints.check("PIT", Some(pit), &json!(2.0 * share.min(1.0 - share)));
        assert!(
            complaints.texts.is_empty(),
            "{}",
            complaints.texts.join("\n")
        );
    }
    let square = distances.iter().map(|d| d * d).sum::<f64>() / distances.len() as f64;
    assert!(
        square < 3.0,
        "errors are larger than claimed: {distances:?}"
    );
}
