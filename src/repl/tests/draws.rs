//! What is answered from draws: of a run, of the prior, and of a run whose program or data are no longer those of the session.

use super::{SCHOOLS, Talk, number};

#[test]
fn a_run_answers_expressions_with_its_draws() {
    let mut talk = Talk::new();
    talk.script(SCHOOLS);
    let said = talk.say(":run");
    assert!(
        said.contains("Health") && said.contains("Evidence"),
        "{said}"
    );
    let run = talk.session.run.as_ref().expect("a run").posterior.clone();
    let draws = |name: &str| run.draws(name).expect("a column").concat();
    let (mu, tau, z) = (draws("mu"), draws("tau"), draws("z[1]"));
    let theta: Vec<f64> = (0..mu.len()).map(|n| mu[n] + tau[n] * z[n]).collect();
    let mean = theta.iter().sum::<f64>() / theta.len() as f64;
    let row = talk.say("theta[1]");
    let shown: Vec<&str> = row
        .lines()
        .nth(1)
        .expect("a row")
        .split_whitespace()
        .collect();
    assert_eq!(shown[0], "theta[1]");
    assert!((number(shown[1]) - mean).abs() < 0.051, "{row}\n{mean}");
    let positive = theta.iter().filter(|&&x| x > 5.0).count() as f64 / theta.len() as f64;
    let said = talk.say("theta[1] > 5");
    let shown = said
        .strip_prefix("P(theta[1] > 5) = ")
        .expect("a probability");
    assert!(
        (number(shown.split(' ').next().expect("a number")) - positive).abs() < 0.006,
        "{said}"
    );
    // Data are known, whatever was drawn.
    assert_eq!(talk.say("mean(y)"), "8.75");
    assert_eq!(talk.say("y[1] - sigma[1]"), "13");
    // A value that is new does not make the draws old, a prior does.
    assert_eq!(
        talk.say("let gap = theta[1] - theta[2]"),
        "gap: real, computed"
    );
    assert!(!talk.say("gap").contains("before it changed"));
    // Nor does a variable that nothing observed depends on: it is predicted.
    assert_eq!(
        talk.say("fresh ~ normal(theta[1], 0.001)"),
        "fresh: real, simulated"
    );
    talk.say("model shift(m: real) -> real { w ~ normal(m, 0.001); return w + 1 }");
    talk.say("s ~ shift(mu)");
    assert_eq!(
        talk.say("abs(s - mu - 1) < 0.1"),
        "P(abs(s - mu - 1) < 0.1) = 1"
    );
    let close = talk.say("abs(fresh - theta[1]) < 0.1");
    assert_eq!(close, "P(abs(fresh - theta[1]) < 0.1) = 1");
    talk.say("mu ~ normal(0, 10)");
    let said = talk.say("fresh");
    assert!(said.starts_with("error: `fresh` is newer"), "{said}");
    assert!(talk.say("theta[1]").contains("before it changed"));
    assert!(talk.say(":summary mu").contains("before it changed"));
    talk.say(":undo");
    assert!(!talk.say("theta[1]").contains("before it changed"));
    // A predictive draw for each draw of the posterior.
    let row = talk.say("~ normal(theta[1], 0.001)");
    assert!(row.contains("normal(theta[1], 0.001)"), "{row}");
}

#[test]
fn before_a_run_expressions_are_answered_from_the_prior() {
    let mut talk = Talk::new();
    talk.script("mu ~ normal(3, 2)\nlet a = 2 * mu");
    let said = talk.say("a");
    let row: Vec<&str> = said
        .lines()
        .nth(2)
        .expect("a row")
        .split_whitespace()
        .collect();
    assert!(said.starts_with("Prior, 4000 draws"), "{said}");
    assert!(
        (number(row[1]) - 6.0).abs() < 4.0 * 4.0 / 4000_f64.sqrt() + 0.1,
        "{said}"
    );
}

#[test]
fn discrete_unknowns_and_missing_values_are_known_along_draws() {
    let mut talk = Talk::new();
    talk.script(
        "a[1..2] ~ normal(0, 5) ordered\nlate[1..N] ~ bernoulli(0.4)\ny[i in 1..N] ~ normal(a[late[i] + 1], 1)\nm[1..3] ~ normal(a[1], 1)\nfresh ~ normal(a[2], 1)\ndata y = [2.9, 3.1, 7.4, 2.4, 6.9]\ndata m = [1, null, 2]\nobserve m[2] ~ normal(0, 1)",
    );
    let said = talk.say(":run");
    assert!(said.contains("late[1]"), "{said}");
    let run = talk.session.run.as_ref().expect("a run").posterior.clone();
    let mean = |name: &str| {
        run.summary_of(name)
            .unwrap_or_else(|| panic!("{name}"))
            .mean
    };
    for (input, expected) in [
        ("1.0 * late[3]", mean("late[3]")),
        ("2 * m[2]", 2.0 * mean("m[2]")),
        ("fresh + a[1]", mean("fresh") + mean("a[1]")),
        ("y[1] - a[1]", 2.9 - mean("a[1]")),
    ] {
        let said = talk.say(input);
        let last = said.lines().next_back().expect("a row");
        let figures: Vec<&str> = last.strip_prefix("  ").unwrap_or(last)[input.len()..]
            .split_whitespace()
            .collect();
        assert!(
            (number(figures[0]) - expected).abs() < 0.051,
            "{said}\n{expected}"
        );
    }
    assert_eq!(talk.say("m[1] + y[3]"), talk.say("m[1] + y[3]"));
}

#[test]
fn labels_are_indices_of_what_is_counted_by_them() {
    let mut talk = Talk::new();
    talk.script("given g: factor[N]\ngiven h: factor[N]\na[1..levels(g)] ~ normal(0, 1)\nb[1..levels(h), 1..levels(g)] ~ normal(0, 1)\ny ~ normal(a[g] + b[h, 1], 1)\nlet s = 2 * a\nlet d = a[\"x y\"] - s[\"b\"]");
    talk.script(
        "data g = [\"x y\", \"b\", \"x y\"]\ndata h = [\"n\", \"m\", \"o\"]\ndata y = [1, 2, 3]",
    );
    talk.say(":run");
    for (input, by_number) in [
        ("a[\"b\"]", "a[1]"),
        ("a[\"x y\"]", "a[2]"),
        ("b[\"o\", \"b\"]", "b[3, 1]"),
        ("b[ , \"x y\"][2]", "b[2, 2]"),
        ("b[\"m\"][\"x y\"]", "b[1, 2]"),
        ("s[\"b\"]", "2 * a[1]"),
        ("d", "a[2] - 2 * a[1]"),
        ("(a + s)[\"b\"]", "3 * a[1]"),
    ] {
        let same = format!("abs({input} - ({by_number})) < 1e-12");
        let label = match same.chars().count() <= 28 {
            true => &same,
            false => "value",
        };
        assert_eq!(talk.say(&same), format!("P({label}) = 1"), "{input}");
    }
    let said = talk.say("a[\"B\"]");
    assert!(
        said.contains("`g` has no label \"B\"") && said.contains("did you mean \"b\"?"),
        "{said}"
    );
}

#[test]
fn draws_of_older_data_are_told_of_wherever_they_are_shown() {
    let mut talk = Talk::new();
    talk.script("given x: real[N]\nmu ~ normal(0, 1)\ny ~ normal(mu * x, 1)\ndata x = [1, 2, 3]\ndata y = [1, 2, 3]");
    talk.say(":run");
    let before = talk.say("mu * x[1]");
    // What no statement names changes nothing.
    talk.say("data w = 3");
    assert_eq!(talk.say("mu * x[1]"), before);
    talk.say("data x = [4, 5, 6]");
    let old = "These draws are of the data before `x` changed";
    assert_eq!(talk.say("x[1]"), "4");
    assert_eq!(
        talk.say("mu * x[1]"),
        format!("{before}\n{old}, and `x` in this value too; :run\nmakes new ones.")
    );
    for input in [
        "mu",
        "mu > 0",
        ":summary",
        ":plot mu",
        "~ normal(mu, 1)",
        "mu * w",
    ] {
        let said = talk.say(input);
        assert!(
            said.ends_with(&format!("{old}; :run makes new ones.")),
            "{input}\n{said}"
        );
    }
    assert!(talk.say(":plot mu, mu * x[1]").contains(old));
    // Both would be the present program with the present data.
    assert!(talk.say(":compare").contains("nothing to compare"));
    talk.say("data x = [1, 2, 3]");
    assert_eq!(talk.say("mu * x[1]"), before);
    talk.say(":data remove x");
    assert!(talk.say("mu").contains(old));
}

#[test]
fn pictures_fit_a_page() {
    let mut talk = Talk::new();
    talk.script(SCHOOLS);
    talk.say(":run");
    for input in [
        ":plot tau",
        ":plot theta",
        ":plot mu, tau",
        ":plot normal(0, 1)",
        ":plot poisson(3)",
    ] {
        let said = talk.say(input);
        assert!(!said.starts_with("error"), "{said}");
        assert!(
            said.lines().all(|line| line.chars().count() <= 80),
            "{said}"
        );
        assert!(said.lines().count() >= 9, "{said}");
    }
}
