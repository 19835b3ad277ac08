//! One text in every role: with missing elements, simulated from its prior, predicting from draws. Where there is a
//! closed form, the figures are compared with it; draws within 4.5 standard errors.

use likelier::simulation::{DrawTable, Rows};
use likelier::{
    ColumnKind, CpuLevel, Dataset, Model, Options, Posterior, Prediction, Role, Settings, Simulator,
};

fn options() -> Options {
    Options {
        cpu: CpuLevel::Portable,
        ..Options::default()
    }
}

fn data(json: &str) -> Dataset {
    Dataset::from_json("data.json", json).expect("data")
}

fn model(text: &str, json: &str) -> Model {
    Model::compile("m.ppl", text, &data(json), &options()).unwrap_or_else(|e| panic!("{e}"))
}

fn sampled(text: &str, json: &str) -> Posterior {
    let settings = Settings {
        draws: 2000,
        threads: Some(1),
        ..Settings::default()
    };
    model(text, json)
        .sample(&settings)
        .unwrap_or_else(|e| panic!("{e}"))
}

/// The mean and standard deviation of a column are these.
fn assert_moments(posterior: &Posterior, name: &str, mean: f64, sd: f64) {
    let row = posterior
        .summary_of(name)
        .unwrap_or_else(|| panic!("no {name}"));
    assert!(
        (row.mean - mean).abs() < 4.5 * row.mcse_mean,
        "{name}: mean {} and not {mean}",
        row.mean
    );
    assert!(
        (row.sd - sd).abs() < 4.5 * row.mcse_sd,
        "{name}: sd {} and not {sd}",
        row.sd
    );
}

fn assert_drawn(rows: &Rows, name: &str, mean: f64, sd: f64) {
    let summary = rows.summary();
    let row = summary
        .iter()
        .find(|row| row.name == name)
        .unwrap_or_else(|| panic!("no {name}"));
    let count = (rows.count() as f64).sqrt();
    assert!(
        (row.mean - mean).abs() < 4.5 * sd / count,
        "{name}: mean {} and not {mean}",
        row.mean
    );
    assert!(
        (row.sd / sd - 1.0).abs() < 4.5 / count,
        "{name}: sd {} and not {sd}",
        row.sd
    );
}

/// The names of the columns of a kind.
fn names(posterior: &Posterior, kind: ColumnKind) -> Vec<&str> {
    let of_kind = posterior.columns.iter().filter(|c| c.kind == kind);
    of_kind.map(|column| column.name.as_str()).collect()
}

#[test]
fn missing_observations_are_predicted_from_the_others() {
    let text = "mu ~ normal(0, 10)\ny[1..N] ~ normal(mu, 1)\n";
    let posterior = sampled(text, r#"{"y": [1.2, null, 0.7, 1.9, 1.4]}"#);
    // Precision 4 + 1/100, mean 5.2 / 4.01.
    let (mean, variance) = (5.2 / 4.01, 1.0 / 4.01f64);
    assert_moments(&posterior, "mu", mean, variance.sqrt());
    assert_moments(&posterior, "y[2]", mean, (1.0 + variance).sqrt());
    assert_eq!(names(&posterior, ColumnKind::Simulated), ["y[2]"]);
}

#[test]
fn a_missing_covariate_is_inferred_from_what_depends_on_it() {
    let text = "x[1..N] ~ normal(0, 1)\ny[i in 1..N] ~ normal(x[i], 1)\n";
    let posterior = sampled(text, r#"{"x": [0.5, null, null], "y": [1, 3, null]}"#);
    // x[2] given y[2] = 3 is normal(3/2, √½); x[3] is left to its prior.
    assert_moments(&posterior, "x[2]", 1.5, 0.5f64.sqrt());
    assert_moments(&posterior, "x[3]", 0.0, 1.0);
    assert_moments(&posterior, "y[3]", 0.0, 2f64.sqrt());
    assert_eq!(names(&posterior, ColumnKind::Inferred), ["x[2]"]);
    assert_eq!(names(&posterior, ColumnKind::Simulated), ["x[3]", "y[3]"]);
}

#[test]
fn a_gap_in_a_sequence_is_bridged_and_its_end_forecast() {
    let text = "given T: int\ny[1] ~ normal(0, 1)\nfor t in 2..T { y[t] ~ normal(y[t - 1], 1) }\n";
    let posterior = sampled(text, r#"{"T": 5, "y": [1, null, 4, null, null]}"#);
    // A random walk: the middle of 1 and 4 with variance ½; then steps of variance 1.
    assert_moments(&posterior, "y[2]", 2.5, 0.5f64.sqrt());
    assert_moments(&posterior, "y[4]", 4.0, 1.0);
    assert_moments(&posterior, "y[5]", 4.0, 2f64.sqrt());
    assert_eq!(names(&posterior, ColumnKind::Inferred), ["y[2]"]);
}

#[test]
fn roles_are_counted() {
    let text = "mu ~ normal(0, 1)\nx[1..N] ~ normal(mu, 1)\ny[i in 1..N] ~ normal(x[i], 1)\n";
    let model = model(text, r#"{"x": [0.5, null, 2, null], "y": [1, 3, 4, null]}"#);
    let lines = &model.compiled.roles;
    let count = |name: &str, role: Role| {
        let mut of = lines.iter().filter(|l| l.name == name && l.role == role);
        of.next().map_or(0, |line| line.elements)
    };
    assert_eq!(count("x", Role::Observed), 2);
    assert_eq!(count("x", Role::Inferred), 1);
    assert_eq!(count("x", Role::Simulated), 1);
    assert_eq!(count("y", Role::Observed), 3);
    assert_eq!(count("y", Role::Simulated), 1);
    assert_eq!(model.warnings(false), "");
}

#[test]
fn each_statement_is_counted_for_itself() {
    let text = "given T: int\nmu ~ normal(0, 1)\nx[1] ~ normal(0, 9)\nfor t in 2..T { x[t] ~ normal(x[t - 1], 1) }\n\
                for t in 3..T { for k in 1..t { y[t, k] ~ normal(mu + x[t], 1) } }\n";
    let y: Vec<Vec<f64>> = (0..4).map(|t| vec![f64::from(t); 4]).collect();
    let model = model(text, &serde_json::json!({ "T": 4, "y": y }).to_string());
    let shown = likelier::output::roles::roles_text(&model.compiled.roles, &[], &[]);
    assert_eq!(
        shown,
        "Observed   y   7 values  normal(mu + x[t], 1)\n\
         Inferred   mu            normal(0, 1)\n           \
         x             normal(0, 9)\n           \
         x   3 values  normal(x[t - 1], 1)\n\
         Given      T\n           \
         y   9 values\n"
    );
}

#[test]
fn nothing_everything_and_one_of_a_column_is_missing() {
    let text = "mu ~ normal(1, 2)\nx[1..N] ~ normal(mu, 1)\nz[1..N] ~ normal(mu, 3)\n";
    let all = sampled(text, r#"{"x": [2.0], "z": [null]}"#);
    // Prior precision ¼, one observation of precision 1.
    let (mean, variance) = ((0.25 + 2.0) / 1.25, 1.0 / 1.25f64);
    assert_moments(&all, "mu", mean, variance.sqrt());
    assert_moments(&all, "z[1]", mean, (variance + 9.0).sqrt());
    let none = sampled(text, r#"{"x": [2.0], "z": [5.0]}"#);
    let precision: f64 = 0.25 + 1.0 + 1.0 / 9.0;
    let mean = (0.25 + 2.0 + 5.0 / 9.0) / precision;
    assert_moments(&none, "mu", mean, (1.0 / precision).sqrt());
    assert!(names(&none, ColumnKind::Simulated).is_empty());
    let empty = sampled(text, r#"{"x": [], "z": []}"#);
    assert_moments(&empty, "mu", 1.0, 2.0);
}

#[test]
fn without_unknowns_nothing_is_sampled() {
    let text = "m ~ normal(1, 2)\ny[1..N] ~ normal(m, 3)\n";
    let posterior = sampled(text, r#"{"m": 2, "y": [4, null, null]}"#);
    assert!(posterior.health.ok);
    assert!(posterior.health.sentences[0].starts_with("Nothing is unknown"));
    assert_moments(&posterior, "y[2]", 2.0, 3.0);
    assert_moments(&posterior, "y[3]", 2.0, 3.0);
    // log normal(2 | 1, 2) + log normal(4 | 2, 3)
    let expected = -0.125 - 2f64.ln() - 2.0 / 9.0 - 3f64.ln() - (2.0 * std::f64::consts::PI).ln();
    let found = posterior.chains[0].statistics[7].lp;
    assert!(
        (found - expected).abs() < 1e-12,
        "{found} and not {expected}"
    );
    let known = sampled(text, r#"{"m": 2, "y": [4]}"#);
    assert!(known.columns.is_empty() && known.health.ok);
}

#[test]
fn groups_without_rows_keep_their_prior() {
    let text = "given g: int[N]\ngiven J: int\na[1..J] ~ normal(0, 2)\ny[i in 1..N] ~ normal(a[g[i]], 1)\n";
    let posterior = sampled(text, r#"{"J": 3, "g": [1, 1, 3], "y": [1.0, 2.0, -1.0]}"#);
    assert_moments(&posterior, "a[1]", 3.0 / 2.25, (1.0 / 2.25f64).sqrt());
    assert_moments(&posterior, "a[2]", 0.0, 2.0);
    assert_moments(&posterior, "a[3]", -1.0 / 1.25, (1.0 / 1.25f64).sqrt());
}

const REGRESSION: &str = "
    given x: real[N]
    b ~ normal(1, 2)
    y[i in 1..N] ~ normal(b * x[i], 1)
";

#[test]
fn the_prior_is_drawn_whatever_the_data_say() {
    let json = r#"{"x": [1, 3], "y": [100, 100]}"#;
    let simulator = Simulator::prior("m.ppl", REGRESSION, &data(json), &options()).unwrap();
    assert_eq!(simulator.simulation.leaves, ["y"]);
    let rows = simulator.draw(1, 20_000).expect("no constraints");
    assert_drawn(&rows, "b", 1.0, 2.0);
    assert_drawn(&rows, "y[1]", 1.0, 5f64.sqrt());
    assert_drawn(&rows, "y[2]", 3.0, 37f64.sqrt());
    assert_eq!(
        rows.values,
        simulator.draw(1, 20_000).expect("no constraints").values
    );
    assert_ne!(
        rows.values,
        simulator.draw(2, 20_000).expect("no constraints").values
    );
}

/// Elements that no statement draws are given, whatever the others are drawn for.
#[test]
fn what_no_statement_draws_is_kept_from_the_data() {
    let text = "
        a ~ normal(1, 2)
        for t in 2..T { y[t] ~ normal(a * y[t - 1], 1) }
    ";
    let json = r#"{"T": 3, "y": [2.0, null, 100]}"#;
    let prior = Simulator::prior("m.ppl", text, &data(json), &options()).unwrap();
    let rows = prior.draw(1, 20_000).unwrap();
    let names: Vec<&str> = rows.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["a", "y[2]", "y[3]"]);
    // y2 = 2 a + e and y3 = a y2 + e, of which the mean is 2 E(a²).
    assert_drawn(&rows, "y[2]", 2.0, 17f64.sqrt());
    let mean = rows.values.chunks(3).map(|row| row[2]).sum::<f64>() / 20_000.0;
    assert!((mean - 10.0).abs() < 0.5, "{mean}");

    let prediction = Prediction::default();
    let predictor =
        Simulator::prediction("m.ppl", text, &data(json), &prediction, &options()).unwrap();
    let draws = [0.5; 20_000];
    let rows = predictor.along(&[table(&["a"], &draws)], 1).unwrap();
    assert_drawn(&rows, "y[2]", 1.0, 1.0);
    assert_drawn(&rows, "y[3]", 0.5, 1.25f64.sqrt());
}

/// Draws of named columns.
fn table(names: &[&str], values: &[f64]) -> DrawTable {
    DrawTable {
        name: "draws.csv".into(),
        names: names.iter().map(|name| (*name).to_string()).collect(),
        values: values.to_vec(),
    }
}

#[test]
fn predictions_follow_the_draws() {
    let json = r#"{"x": [1, 3], "y": [100, 100]}"#;
    let prediction = Prediction::default();
    let simulator =
        Simulator::prediction("m.ppl", REGRESSION, &data(json), &prediction, &options()).unwrap();
    let draws = table(&["lp__", "b"], &[0.0, 2.0].repeat(20_000));
    let rows = simulator.along(&[draws], 1).unwrap();
    assert_drawn(&rows, "y[1]", 2.0, 1.0);
    assert_drawn(&rows, "y[2]", 6.0, 1.0);
    let without = simulator.along(&[table(&["c"], &[0.0])], 1).unwrap_err();
    assert!(without.to_string().contains("`b`"), "{without}");
}

#[test]
fn new_rows_and_new_groups_are_predicted() {
    let text = "
        given g: factor[N]
        m ~ normal(0, 1)
        a[1..levels(g)] ~ normal(m, 2)
        y[i in 1..N] ~ normal(a[g[i]], 1)
    ";
    let old = data(r#"{"N": 2, "g": ["north", "south"], "y": [1, 2]}"#);
    let new = data(r#"{"g": ["south", "east", "north"]}"#);
    let prediction = Prediction {
        new_data: Some(new),
        ..Prediction::default()
    };
    let simulator = Simulator::prediction("m.ppl", text, &old, &prediction, &options()).unwrap();
    // Labels, not numbers, say which group is which: `east` would be the first of the new ones.
    let draws = table(&["m", "a.1", "a.2"], &[5.0, 10.0, 20.0].repeat(20_000));
    let rows = simulator.along(&[draws], 1).unwrap();
    assert_drawn(&rows, "y[1]", 20.0, 1.0);
    assert_drawn(&rows, "y[3]", 10.0, 1.0);
    assert_drawn(&rows, "a[g=east]", 5.0, 2.0);
    assert_drawn(&rows, "y[2]", 5.0, 5f64.sqrt());
    assert!(!rows.columns.iter().any(|c| c.name == "a[g=north]"));
}

#[test]
fn a_normal_vector_written_by_its_elements_conditions_on_what_is_there() {
    let text = "
        given L: cholesky_cov[3]
        given m: real[3]
        for i in 1..N {
          for k in 1..3 {
            let mean[i, k] = m[k] + sum(L[k, j] * z[i, j] for j in 1..k - 1)
            x[i, k] ~ normal(mean[i, k], L[k, k])
            let z[i, k] = (x[i, k] - mean[i, k]) / L[k, k]
          }
        }
    ";
    let posterior = sampled(
        text,
        r#"{"N": 3, "L": [[1.2, 0, 0], [0.5, 0.8, 0], [-0.4, 0.3, 0.6]], "m": [0.5, 1, -1],
            "x": [[null, 1.9, 0.1], [null, null, -0.5], [0.3, 0.2, null]]}"#,
    );
    // Of N(m, L L') given the other elements, by the formula of the conditional normal law.
    assert_moments(&posterior, "x[1, 1]", 0.223_554_41, 0.782_894_91);
    assert_moments(&posterior, "x[2, 1]", 0.106_557_38, 1.030_677_0);
    assert_moments(&posterior, "x[2, 2]", 1.032_786_89, 0.942_006_93);
    assert_moments(&posterior, "x[3, 3]", -1.202_083_33, 0.6);
}

/// What each game's home side is expected to win by, one game a line, whatever numbers the labels have.
const GAMES: &str = "
    given home: factor[N]
    given away: factor[N] levels home
    skill[1..levels(away)] ~ normal(0, 10)
    margin[i in 1..N] ~ normal(skill[home[i]] - skill[away[i]], 0.001)
";

#[test]
fn columns_that_share_labels_have_one_numbering() {
    // Neither column holds all labels, and in both `b` comes at another place.
    let json = r#"{"home": ["c", "b"], "away": ["b", "a"], "margin": [1, 2]}"#;
    let found = model(GAMES, json);
    let names: Vec<&str> = found
        .compiled
        .columns
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["skill[away=a]", "skill[away=b]", "skill[away=c]"]);
    let point = data(r#"{"skill": [3, 5, 6]}"#);
    let at_truth = found.density_at(&point).unwrap().log_density;
    let normal = |x: f64, sd: f64| {
        -0.5 * (x / sd).powi(2) - sd.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
    };
    let prior: f64 = [3.0, 5.0, 6.0].iter().map(|&x| normal(x, 10.0)).sum();
    // c beats b by 6 - 5 and b beats a by 5 - 3: both residuals are 0.
    let expected = prior + 2.0 * normal(0.0, 0.001);
    assert!(
        (at_truth - expected).abs() < 1e-9,
        "{at_truth} and {expected}"
    );
}

#[test]
fn new_labels_of_columns_that_share_them_follow_the_old_ones() {
    let old = data(r#"{"home": ["c", "b"], "away": ["b", "d"], "margin": [1, 2]}"#);
    for (new, expected) in [
        (
            r#"{"home": ["c", "d"], "away": ["b", "c"]}"#,
            [30.0 - 10.0, 70.0 - 30.0],
        ),
        // Only one of the columns is new.
        (r#"{"home": ["d", "b"]}"#, [70.0 - 10.0, 10.0 - 70.0]),
    ] {
        let prediction = Prediction {
            new_data: Some(data(new)),
            ..Prediction::default()
        };
        let simulator =
            Simulator::prediction("m.ppl", GAMES, &old, &prediction, &options()).unwrap();
        let draws = table(
            &["skill.1", "skill.2", "skill.3"],
            &[10.0, 30.0, 70.0].repeat(100),
        );
        let rows = simulator.along(&[draws], 1).unwrap();
        assert_drawn(&rows, "margin[1]", expected[0], 0.001);
        assert_drawn(&rows, "margin[2]", expected[1], 0.001);
    }
    // `a` comes first in the alphabet, and last in the numbers that the draws know.
    let prediction = Prediction {
        new_data: Some(data(r#"{"home": ["a", "c"], "away": ["d", "aa"]}"#)),
        ..Prediction::default()
    };
    let simulator = Simulator::prediction("m.ppl", GAMES, &old, &prediction, &options()).unwrap();
    let draws = table(
        &["skill.1", "skill.2", "skill.3"],
        &[10.0, 30.0, 70.0].repeat(20_000),
    );
    let rows = simulator.along(&[draws], 1).unwrap();
    assert_drawn(&rows, "skill[away=a]", 0.0, 10.0);
    assert_drawn(&rows, "skill[away=aa]", 0.0, 10.0);
    assert_drawn(&rows, "margin[1]", -70.0, 10.0);
    assert_drawn(&rows, "margin[2]", 30.0, 10.0);
}

#[test]
fn columns_whose_labels_are_numbered_alike_may_index_one_array() {
    let text = "
        given a: factor[N]
        given b: factor[N]
        level[1..levels(a)] ~ normal(0, 1)
        y[i in 1..N] ~ normal(level[a[i]] + level[b[i]], 1)
    ";
    // The labels of b are the first ones of a; those of numbers are the numbers.
    model(
        text,
        r#"{"a": ["p", "q", "r"], "b": ["q", "p", "q"], "y": [1, 2, 3]}"#,
    );
    model(text, r#"{"a": [1, 2, 3], "b": [2, 2, 2], "y": [1, 2, 3]}"#);
    let differing = data(r#"{"a": ["p", "q", "r"], "b": ["q", "q", "q"], "y": [1, 2, 3]}"#);
    let error = Model::compile("m.ppl", text, &differing, &options()).err();
    let message = error.expect("a wrong element").to_string();
    assert!(
        message.contains("[E0452]") && message.contains("\"q\" is 2 in `a` and 1 in `b`"),
        "{message}"
    );
}

#[test]
fn what_no_statement_draws_is_listed_as_given() {
    let text = "given T: int\na ~ normal(0, 1)\nfor t in 2..T { y[t] ~ normal(a * y[t - 1], 1) }\n";
    let series = data(r#"{"T": 3, "y": [4, 2, 3]}"#);
    let lines = |simulator: &Simulator| -> Vec<(String, Role, usize)> {
        let roles = simulator.simulation.roles.iter();
        roles
            .filter(|line| line.name == "y")
            .map(|line| (line.name.clone(), line.role, line.elements))
            .collect()
    };
    let expected = [
        ("y".to_string(), Role::Given, 1),
        ("y".to_string(), Role::Simulated, 2),
    ];
    let simulator = Simulator::prior("m.ppl", text, &series, &options()).unwrap();
    assert_eq!(lines(&simulator), expected);
    let prediction = Prediction::default();
    let simulator = Simulator::prediction("m.ppl", text, &series, &prediction, &options()).unwrap();
    assert_eq!(lines(&simulator), expected);
}

#[test]
fn a_held_series_is_forecast_from_its_values() {
    let text = "given T: int\na ~ normal(0, 1)\ny[1] ~ normal(0, 1)\nfor t in 2..T { y[t] ~ normal(a * y[t - 1], 1) }\n";
    let old = data(r#"{"T": 3, "y": [1, 2, 3]}"#);
    let prediction = Prediction {
        new_data: Some(data(r#"{"T": 5, "y": [1, 2, 10, null, null]}"#)),
        held: vec!["y".into()],
        ..Prediction::default()
    };
    let simulator = Simulator::prediction("m.ppl", text, &old, &prediction, &options()).unwrap();
    let draws = table(&["a"], &[0.5].repeat(20_000));
    let rows = simulator.along(&[draws], 3).unwrap();
    assert_drawn(&rows, "y[4]", 5.0, 1.0);
    assert_drawn(&rows, "y[5]", 2.5, 1.25f64.sqrt());
    assert_eq!(rows.columns.len(), 2);
}

#[test]
fn values_coupled_by_what_is_summed_out_have_no_pointwise_terms() {
    let text = "
        m ~ normal(0, 1)
        z[1] ~ bernoulli(0.5)
        for t in 2..T { z[t] ~ bernoulli(if z[t - 1] == 1 { 0.9 } else { 0.2 }) }
        y[t in 1..T] ~ normal(if z[t] == 1 { m } else { 0 }, 1)
        k[1..2] ~ bernoulli(0.3)
        w[i in 1..2] ~ normal(if k[i] == 1 { m } else { 0 }, 1)
        u ~ normal(m, 1)
    ";
    let json = r#"{"y": [0.5, 1.5, -1.0], "w": [0.5, 1.5], "u": 0.0}"#;
    let simulator = Simulator::pointwise("m.ppl", text, &data(json), &options()).unwrap();
    let columns = simulator.simulation.columns.iter();
    let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["log_lik_w[1]", "log_lik_w[2]", "log_lik_u"]);
    let rows = simulator.along(&[table(&["m"], &[0.7])], 1).unwrap();
    let normal =
        |x: f64, mean: f64| (-0.5 * (x - mean).powi(2)).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let of = |x: f64| 0.3 * normal(x, 0.7) + 0.7 * normal(x, 0.0);
    let expected = [of(0.5), of(1.5), normal(0.0, 0.7)].map(f64::ln);
    for (found, expected) in rows.values.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found} and {expected}");
    }
    let warnings = simulator.warnings(false);
    assert!(warnings.contains("W0003") && warnings.contains("`y`"));
    assert_eq!(warnings.matches("warning").count(), 1, "{warnings}");
}

#[test]
fn pointwise_terms_add_up_to_the_likelihood() {
    let text = "
        given x: real[N]
        b ~ normal(1, 2)
        y[i in 1..N] ~ normal(b * x[i], 1)
        observe b * 2 ~ normal(1, 3)
        w[1..2, 1..2] ~ poisson(2.0 + b)
    ";
    let json = r#"{"x": [1, 3, 2], "y": [0.5, null, 4], "w": [[1, 2], [3, null]]}"#;
    let simulator = Simulator::pointwise("m.ppl", text, &data(json), &options()).unwrap();
    let names: Vec<String> = simulator
        .simulation
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect();
    assert_eq!(
        names,
        [
            "log_lik_y[1]",
            "log_lik_y[2]",
            "log_lik_observe2",
            "log_lik_w[1]",
            "log_lik_w[2]",
            "log_lik_w[3]"
        ]
    );
    let rows = simulator.along(&[table(&["b"], &[0.7])], 1).unwrap();
    let normal = |x: f64, mean: f64, sd: f64| {
        -0.5 * ((x - mean) / sd).powi(2) - sd.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
    };
    let expected = [
        normal(0.5, 0.7, 1.0),
        normal(4.0, 1.4, 1.0),
        normal(1.4, 1.0, 3.0),
    ];
    for (found, expected) in rows.values.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-12,
            "{found} and not {expected}"
        );
    }
    let density = model(text, json)
        .density_at(&data(r#"{"b": 0.7}"#))
        .unwrap();
    let sum: f64 = rows.values.iter().sum();
    assert!((sum - density.likelihood).abs() < 1e-10 * sum.abs());
}

#[test]
fn names_that_are_of_another_sort_are_refused() {
    let json = data(r#"{"x": [1, 3], "y": [100, 100]}"#);
    for (held, redrawn, expected) in [
        ("b", "b", "`b` is not observed"),
        ("y", "y", "`y` is not inferred"),
    ] {
        let prediction = Prediction {
            held: vec![held.into()],
            redrawn: vec![redrawn.into()],
            ..Prediction::default()
        };
        let error = Simulator::prediction("m.ppl", REGRESSION, &json, &prediction, &options());
        let text = error.err().expect("refused").to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn vectors_that_change_their_length_are_refused_or_drawn_anew() {
    let text = "given K: int\nw ~ dirichlet([1.0 for k in 1..K])\ny[1..N] ~ categorical(w)\n";
    let old = data(r#"{"K": 2, "y": [1, 2]}"#);
    let mut prediction = Prediction {
        new_data: Some(data(r#"{"K": 3}"#)),
        ..Prediction::default()
    };
    let error = Simulator::prediction("m.ppl", text, &old, &prediction, &options());
    let message = error.err().expect("refused").to_string();
    assert!(message.contains("--redraw w"), "{message}");
    prediction.redrawn = vec!["w".into()];
    let simulator = Simulator::prediction("m.ppl", text, &old, &prediction, &options()).unwrap();
    let rows = simulator.along(&[table(&["w.1", "w.2"], &[0.5, 0.5].repeat(5000))], 1);
    assert_drawn(&rows.unwrap(), "w[3]", 1.0 / 3.0, (1.0f64 / 18.0).sqrt());
}

/// Draws of `x` from a law.
fn drawn(law: &str) -> Vec<f64> {
    let text = format!("x[1..20000] ~ {law}\n");
    let simulator = Simulator::prior("m.ppl", &text, &data("{}"), &options());
    let simulator = simulator.unwrap_or_else(|e| panic!("{law}: {e}"));
    simulator.draw(5, 1).expect("no constraints").values
}

#[test]
fn truncated_laws_are_drawn_from() {
    // Mean and standard deviation between the bounds, by quadrature or summation with SciPy.
    for (law, low, high, mean, sd) in [
        (
            "normal(0, 1) truncated(10, inf)",
            10.0,
            1e9,
            10.0980932339625,
            0.0963216,
        ),
        (
            "normal(0, 1) truncated(-inf, -10)",
            -1e9,
            -10.0,
            -10.0980932339625,
            0.0963216,
        ),
        (
            "normal(0, 1) truncated(8, 8.5)",
            8.0,
            8.5,
            8.113_736,
            0.102_595,
        ),
        (
            "normal(1, 2) truncated(0, 3)",
            0.0,
            3.0,
            1.413_262,
            0.831_320,
        ),
        (
            "gamma(shape=2, rate=1) truncated(1, 3)",
            1.0,
            3.0,
            1.8467,
            0.5607,
        ),
        (
            "gamma(shape=2, rate=1) truncated(20, inf)",
            20.0,
            1e9,
            21.04762,
            1.04651,
        ),
        ("beta(2, 3) truncated(0.5, 1)", 0.5, 1.0, 0.64, 0.101_980),
        (
            "student_t(3, 0, 1) truncated(2, inf)",
            2.0,
            1e9,
            f64::NAN,
            f64::NAN,
        ),
        (
            "poisson(3.0) truncated(2, 5)",
            2.0,
            5.0,
            3.203_125,
            1.033_497,
        ),
        (
            "poisson(3.0) truncated(1, inf)",
            1.0,
            1e9,
            3.157_187,
            1.631_232,
        ),
        (
            "poisson(0.1) truncated(8, inf)",
            8.0,
            1e9,
            8.011_211,
            0.106_352,
        ),
        (
            "binomial(10, 0.3) truncated(-inf, 2)",
            0.0,
            2.0,
            1.5351,
            0.6404,
        ),
        ("hurdle(0.3, poisson(0.5))", 0.0, 1e9, 0.889523, 0.736908),
        (
            "hurdle(0.3, poisson(0.5)) truncated(1, 3)",
            1.0,
            3.0,
            1.258065,
            0.505948,
        ),
        ("hurdle(0.4, poisson(1e-9))", 0.0, 1.0, 0.6, 0.489898),
    ] {
        let values = drawn(law);
        let count = values.len() as f64;
        assert!(
            values.iter().all(|v| (low..=high).contains(v)),
            "{law} leaves its bounds"
        );
        let found = values.iter().sum::<f64>() / count;
        let spread = (values.iter().map(|v| (v - found).powi(2)).sum::<f64>() / count).sqrt();
        if mean.is_nan() {
            continue;
        }
        assert!(
            (found - mean).abs() < 5.0 * sd / count.sqrt() + 1e-4,
            "{law}: mean {found} and not {mean}"
        );
        assert!(
            (spread / sd - 1.0).abs() < 0.06,
            "{law}: sd {spread} and not {sd}"
        );
    }
}

#[test]
fn censored_draws_are_recorded_at_the_bounds() {
    let values = drawn("normal(0, 1) censored(-1, 0.5)");
    let share = |at: f64| values.iter().filter(|v| **v == at).count() as f64 / values.len() as f64;
    assert!((share(-1.0) - 0.158_655).abs() < 0.012);
    assert!((share(0.5) - 0.308_538).abs() < 0.015);
    assert!(values.iter().all(|v| (-1.0..=0.5).contains(v)));
    let counts = drawn("poisson(2.0) censored(1, 3)");
    assert!(counts.iter().all(|v| [1.0, 2.0, 3.0].contains(v)));
}
