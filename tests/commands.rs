//! What the commands print, through the program itself.

mod common;

use common::Place;
use serde_json::Value;

#[test]
fn check_with_data_says_what_they_make_of_the_model() {
    let model = "given x: real[N]\na ~ normal(0, 1)\ny[i in 1..N] ~ poisson(a * x[i])\n";
    let files = [
        ("m.ppl", model),
        ("d.json", r#"{"x": [1, 2], "y": [1, 2]}"#),
    ];
    let place = Place::new("check", &files);
    let alone = place.run(&["check", "m.ppl"]);
    alone.succeeds();
    assert_eq!(alone.out, "m.ppl: no errors\n");
    let with_data = place.run(&["check", "m.ppl", "d.json"]);
    with_data.succeeds();
    with_data.complains("W0002");
    with_data.prints("no errors with d.json");
    with_data.prints("Observed   y  2 values");
    let settings = ["check", "m.ppl", "--set", "x=[1, 2]"];
    place.run(&settings).succeeds();
    let other = place.run(&["check", "m.ppl", "d.json", "--set", "x=[1]"]);
    other.fails(1, "E0440");
}

#[test]
fn density_shows_the_point_by_its_constrained_values() {
    let model = "
        L ~ lkj_corr(2, shape=2)
        y[1..N] ~ gamma(shape=2, rate=1)
        observe y[2] + L[1, 2] ~ normal(0, 1)
    ";
    let point = r#"{"L": [[1, 0.25], [0.25, 1]], "y": [null, 0.7, null]}"#;
    let data = r#"{"y": [0.5, null, 2.0]}"#;
    let files = [("m.ppl", model), ("d.json", data), ("p.json", point)];
    let place = Place::new("density", &files);
    let output = place.run(&["density", "m.ppl", "d.json", "--at", "p.json"]);
    let found = output.json();
    let constrained = &found["constrained"];
    assert!(constrained["y"][0].is_null() && constrained["y"][2].is_null());
    for (value, expected) in [
        (&constrained["y"][1], 0.7),
        (&constrained["L"][0][0], 1.0),
        (&constrained["L"][1][0], 0.25),
        (&constrained["L"][0][1], 0.25),
    ] {
        let value = value.as_f64().expect("a number");
        assert!((value - expected).abs() < 1e-14, "{value} and {expected}");
    }
}

#[test]
fn a_simulated_data_file_keeps_what_is_given() {
    let model = "y[t in 2..T] ~ normal(y[t - 1], 1)\n";
    let files = [("m.ppl", model), ("d.json", r#"{"y": [3.5, 1.0, 2.0]}"#)];
    let place = Place::new("given", &files);
    let arguments = ["simulate", "m.ppl", "d.json", "-n", "1", "-o", "s.json"];
    let output = place.run(&arguments);
    output.succeeds();
    let written = place.read_json("s.json");
    let y = written["y"].as_array().expect("an array");
    assert_eq!(y[0].as_f64(), Some(3.5));
    assert!(y.len() == 3 && y[1..].iter().all(Value::is_number), "{y:?}");
}

#[test]
fn a_run_keeps_its_draws_where_pointwise_terms_are_missing() {
    let model = "
        m ~ normal(0, 1)
        z[1] ~ bernoulli(0.5)
        for t in 2..T { z[t] ~ bernoulli(if z[t - 1] == 1 { 0.9 } else { 0.2 }) }
        y[t in 1..T] ~ normal(if z[t] == 1 { m } else { 0 }, 1)
        u ~ normal(m, 1)
    ";
    let files = [
        ("m.ppl", model),
        ("d.json", r#"{"y": [0.5, 1.5], "u": 0.0}"#),
    ];
    let place = Place::new("pointwise", &files);
    let arguments = "run m.ppl d.json --log-likelihood --draws 10 --chains 1 -o out.csv";
    let output = place.run_line(arguments);
    output.succeeds();
    output.complains("W0003");
    let draws = place.read("out_1.csv");
    assert!(
        draws.contains("log_lik") && !draws.contains("log_lik_y"),
        "{draws}"
    );
}

#[test]
fn a_model_of_no_observations_draws_from_its_prior() {
    let model = "
        given x: real[N]
        mu ~ normal(2, 1)
        s ~ exponential(rate=1)
        y[i in 1..N] ~ normal(mu + x[i], s)
        report twice = 2 * mu
    ";
    let files = [
        ("m.ppl", model),
        ("d.json", r#"{"N": 0, "x": [], "y": []}"#),
    ];
    let place = Place::new("nothing", &files);
    let arguments =
        "run m.ppl d.json --log-likelihood --replicate -o out.csv --summary-json s.json";
    let output = place.run_line(arguments);
    output.succeeds();
    assert_eq!(output.err, "");
    output.prints("Observed   y   empty");
    let summary = place.read_json("s.json");
    let mean = |name: &str| {
        summary["parameters"][name]["mean"]
            .as_f64()
            .expect("a mean")
    };
    assert!((mean("mu") - 2.0).abs() < 0.15 && (mean("twice") - 4.0).abs() < 0.3);
    assert!((mean("s") - 1.0).abs() < 0.15);
}

#[test]
fn run_samples_in_the_coordinates_asked_for_and_says_so() {
    let model =
        "tau ~ half_normal(1)\ntheta[1..N] ~ normal(0, tau)\ny[i in 1..N] ~ normal(theta[i], 1)\n";
    let files = [("m.ppl", model), ("d.json", r#"{"y": [0.3, -0.1, 0.4]}"#)];
    let place = Place::new("coordinates", &files);
    let words = "run m.ppl d.json --coordinates standardised --draws 50 --warmup 50 --no-progress --summary-json s.json -o out.csv";
    let arguments: Vec<&str> = words.split(' ').collect();
    let output = place.run(&arguments);
    output.succeeds();
    output.prints(", standardised coordinates");
    let summary = place.read_json("s.json");
    assert_eq!(summary["settings"]["coordinates"], "standardised");
    let draws = place.read("out_1.csv");
    assert!(draws.contains("# coordinates = standardised\n"));
}

#[test]
fn constraints_are_changed_and_shown_by_name() {
    let model = "
        x ~ normal(0, 1)
        soft low: x < 0 within 0.5
        soft near: x ~= 1 within 0.25
        require x < 9
        y ~ normal(x, 1)
    ";
    let files = [
        ("m.ppl", model),
        ("d.json", r#"{"y": 0.5}"#),
        ("p.json", r#"{"x": 0.5}"#),
    ];
    let place = Place::new("constraints", &files);
    let density = |more: &[&str]| {
        let mut arguments = vec!["density", "m.ppl", "d.json", "--at", "p.json"];
        arguments.extend(more);
        let output = place.run(&arguments);
        output.succeeds();
        output.json()["soft"].clone()
    };
    let plain = density(&[]);
    assert_eq!(plain["near"], -2.0);
    assert_eq!(plain["x < 9"], 0.0);
    assert!((plain["low"].as_f64().expect("a number") + 1.0f64.exp().ln_1p()).abs() < 1e-15);
    let without = density(&["--without", "low", "--scale", "near=2"]);
    assert_eq!(without, serde_json::json!({"near": -0.5, "x < 9": 0.0}));
    let hard = density(&["--harden", "low", "--without", "x < 9"]);
    assert_eq!(hard["low"], "-inf");
    let check = place.run(&["check", "m.ppl", "d.json", "--scale", "near=2"]);
    let shown = check.out;
    assert!(
        shown.contains(
            "Soft       low     x < 0 within 0.5\n           near    x ~= 1 within 0.25\n"
        ),
        "{shown}"
    );
    assert!(shown.contains("Required   x < 9\n"), "{shown}");
    assert!(
        shown.contains("no errors with d.json, scale near=2"),
        "{shown}"
    );
    for (arguments, message) in [
        (["--without", "nearr"], "did you mean `near`?"),
        (["--scale", "low=-1"], "cannot be multiplied by -1"),
        (["--harden", "near"], "E0483"),
        (["--scale", "low"], "rising=0.5"),
    ] {
        let mut all = vec!["run", "m.ppl", "d.json"];
        all.extend(arguments);
        let said = place.run(&all);
        assert_ne!(said.code, Some(0));
        said.complains(message);
    }
    let simulated = place.run(&["simulate", "m.ppl", "-n", "50"]);
    simulated.prints("draws from the prior were kept");
}

/// Evidence row by row, and models compared along their rows, in small: the parts of the documents fit together.
#[test]
fn rows_are_in_the_documents() {
    let files = [
        (
            "narrow.ppl",
            "m ~ normal(0, 1)\ny[i in 1..N] ~ normal(m, 1)\n",
        ),
        (
            "wide.ppl",
            "m ~ normal(0, 9)\ny[i in 1..N] ~ normal(m, 1)\n",
        ),
        ("d.json", r#"{"y": [0.4, -0.3, 1.1, 0.2]}"#),
        ("new.json", r#"{"N": 2}"#),
    ];
    let place = Place::new("rows", &files);
    let small = [
        "--ancestors",
        "32",
        "--states",
        "8",
        "--draws",
        "300",
        "--no-progress",
    ];
    let evidence = [
        "evidence",
        "narrow.ppl",
        "d.json",
        "--by-rows",
        "--orders",
        "2",
        "--json",
    ];
    let found = place.run(&[&evidence[..], &small].concat());
    found.succeeds();
    let document = found.json();
    let by_rows = &document["by_rows"];
    let number = |value: &Value| value.as_f64().expect("a number");
    let rows = by_rows["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 4);
    assert_eq!(
        (&rows[2]["name"], &rows[2]["value"]),
        (&"y[3]".into(), &1.1.into())
    );
    let sum: f64 = rows.iter().map(|row| number(&row["log_density"])).sum();
    assert!((sum - number(&by_rows["log_evidence"])).abs() < 1e-9);
    assert!((sum - number(&document["log_evidence"])).abs() < 0.1);
    let later = sum - number(&rows[1]["cumulative"]);
    assert!((later - number(&by_rows["conditional"]["log_density"])).abs() < 1e-9);
    assert_eq!(by_rows["orders"].as_array().map(Vec::len), Some(2));
    let compare = ["compare", "narrow.ppl", "wide.ppl", "--data", "d.json"];
    let predict = ["--predict", "p.csv", "--new", "new.json"];
    let found = place.run(&[&compare[..], &predict, &small].concat());
    found.succeeds();
    let screen = found.out;
    assert!(
        screen.contains("Rows that decided most against wide.ppl"),
        "{screen}"
    );
    assert!(
        screen.contains("does not depend on their order"),
        "{screen}"
    );
    assert!(
        screen.lines().all(|line| line.chars().count() <= 100),
        "{screen}"
    );
    let csv = place.read("p.csv");
    // Two quantities of new data by two models and two mixtures.
    assert_eq!(csv.lines().count(), 1 + 2 * 4, "{csv}");
    let hidden = "z[1..2] ~ bernoulli(0.5)\ny[i in 1..N] ~ normal(z[1] + z[2], 1)\n";
    place.write("hidden.ppl", hidden);
    let found = place.run(&["evidence", "hidden.ppl", "d.json", "--by-rows"]);
    found.fails(1, "E0512");
}

#[test]
fn check_gives_what_it_finds_to_machines() {
    let model =
        "given x: real[N]\nb[1..2] ~ normal(0, 1e4)\nlet β = 2 * b[1]\ny ~ normal(b[1] * x, 1)\n";
    let files = [
        ("m.ppl", model),
        ("d.json", r#"{"x": [1, 2], "y": [1, 2]}"#),
        ("w.ppl", "a ~ norml(0, 1)\n"),
    ];
    let place = Place::new("check-json", &files);
    let output = place.run(&["check", "m.ppl", "d.json", "--pedantic", "--json"]);
    output.succeeds();
    assert_eq!(output.err, "");
    let found = output.json();
    assert_eq!(found["format"], "likelier-check");
    assert_eq!(found["ok"], true);
    let codes = |found: &Value| -> Vec<String> {
        let all = found["diagnostics"].as_array().expect("a list").iter();
        all.map(|one| one["code"].as_str().unwrap_or("none").to_owned())
            .collect()
    };
    assert_eq!(codes(&found), ["W0102", "W0103", "W0105"]);
    let first = &found["diagnostics"][1]["places"][0];
    assert_eq!(first["file"], "m.ppl");
    let at = ["line", "column", "end_line", "end_column"].map(|key| first[key].as_u64());
    assert_eq!(at, [Some(3), Some(5), Some(3), Some(6)]);
    assert!(
        found["diagnostics"][2]["message"]
            .as_str()
            .expect("text")
            .contains("`b[2]`")
    );
    assert_eq!(found["variables"][0]["role"], "given");
    let strict = place.run(&["check", "m.ppl", "d.json", "--pedantic", "--strict", "-q"]);
    strict.ends_with(3);
    let wrong = place.run(&["check", "w.ppl", "--json"]);
    wrong.ends_with(1);
    assert_eq!(wrong.err, "");
    let found = wrong.json();
    assert_eq!(found["ok"], false);
    assert_eq!(codes(&found).len(), 1);
    let missing = place.run(&["check", "m.ppl", "no.json", "--json"]);
    missing.ends_with(1);
    let found = missing.json();
    assert!(
        found["diagnostics"][0]["message"]
            .as_str()
            .expect("text")
            .contains("no.json")
    );
}

#[test]
fn summaries_are_printed_for_machines() {
    let model = "m ~ normal(0, 1)\ny[1..N] ~ normal(m, 1)\n";
    let files = [("m.ppl", model), ("d.json", r#"{"y": [1, 2]}"#)];
    let place = Place::new("json", &files);
    let arguments = [
        "run", "m.ppl", "d.json", "--draws", "50", "--warmup", "50", "-o", "o.csv", "--json",
    ];
    let output = place.run(&arguments);
    output.succeeds();
    let found = output.json();
    assert!(found["parameters"]["m"]["mean"].is_number(), "{found}");
    let arguments = [
        "predict", "m.ppl", "d.json", "--from", "o_1.csv", "o_2.csv", "--json",
    ];
    let output = place.run(&arguments);
    output.succeeds();
    let found = output.json();
    assert_eq!(found["draws"], 100);
    let output = place.run(&["simulate", "m.ppl", "d.json", "-n", "400", "--json"]);
    let found = output.json();
    assert_eq!(found["draws"], 400);
    // The prior predictive sd of y is sqrt(2); of 400 draws it is known to about 4 %.
    let sd = found["quantities"]["y[1]"]["sd"]
        .as_f64()
        .expect("a number");
    assert!((sd - 2f64.sqrt()).abs() < 0.2, "{sd}");
    // The name that this option had first.
    let arguments = ["predict", "m.ppl", "d.json", "--draws", "o_1.csv", "-q"];
    place.run(&arguments).succeeds();
}

/// A run that takes no time.
const SHORT: &str = "--draws 40 --warmup 40 --chains 2";

#[test]
fn a_run_says_why_there_is_no_evidence() {
    let files = [
        ("flat.ppl", "m ~ flat()\ny[1..N] ~ normal(m, 1)\n"),
        (
            "soft.ppl",
            "m ~ normal(0, 1)\ny[1..N] ~ normal(m, 1)\nsoft low: m <= 0 within 1\n",
        ),
        (
            "many.ppl",
            "m[1..501] ~ normal(0, 1)\ny[1..N] ~ normal(m[1], 1)\n",
        ),
        ("d.json", r#"{"y": [1, 2]}"#),
    ];
    let place = Place::new("no_evidence", &files);
    for (model, reason) in [
        ("flat", "does not integrate to one (flat.ppl, line 1)"),
        ("soft", "the model has constraints"),
        ("many", "at most 500 parameters"),
    ] {
        let run = format!("run {model}.ppl d.json {SHORT} --no-progress");
        let said = place.run_line(&run);
        said.succeeds();
        let words: Vec<&str> = said.out.split_whitespace().collect();
        let text = words.join(" ");
        assert!(text.contains("Evidence not estimated: "), "{text}");
        assert!(text.contains(reason), "{text}");
        let evidence = &place.run_line(&format!("{run} --json")).json()["evidence"];
        assert_eq!(evidence["verdict"], "none");
        assert!(evidence["log_evidence"].is_null() && evidence["se"].is_null());
        let told = evidence["reason"].as_str().expect("a text");
        assert!(told.contains(reason), "{told}");
    }
    let said = place.run_line(&format!("run flat.ppl d.json {SHORT} --contraction"));
    said.fails(2, "a prior here is improper: the density of `flat`");
    // Refused before anything was drawn.
    assert!(!said.out.contains("ESS"), "{}", said.out);
}

#[test]
fn a_posterior_that_nothing_holds_is_named_before_it_is_drawn_from() {
    let ridge = "a ~ flat()\nb ~ flat()\ny[1..N] ~ normal(a + b, 1)\n";
    let files = [("m.ppl", ridge), ("d.json", r#"{"y": [1, 2]}"#)];
    let place = Place::new("improper", &files);
    let said = place.run_line(&format!("run m.ppl d.json {SHORT} --max-depth 3"));
    said.succeeds();
    said.complains("the posterior is improper: nothing keeps `a`, `b` together");
}

#[test]
fn predictions_say_what_does_not_belong_to_the_model() {
    let own = "given x: real[N]\ngiven width: real = 1\nslope ~ normal(0, 1)\ny ~ normal(slope * x, width)\nreport twice = 2 * slope\n";
    let other = "given x: real[N]\nlevel ~ normal(0, 1)\ngain[1..2] ~ normal(0, 1)\ny ~ normal(level + gain[1] * gain[2] * x, 1)\n";
    let wider = "given x: real[N]\nslope ~ normal(0, 1)\nlift ~ normal(0, 1)\ny ~ normal(lift + slope * x, 1)\n";
    let files = [
        ("own.ppl", own),
        ("other.ppl", other),
        ("wider.ppl", wider),
        ("d.json", r#"{"x": [1, 2, 3], "y": [1, 2, 3]}"#),
        ("new.json", r#"{"x": [4, 5, 6], "widht": 3}"#),
    ];
    let place = Place::new("strangers", &files);
    for model in ["own", "wider"] {
        let run = format!(
            "run {model}.ppl d.json {SHORT} -q --replicate --log-likelihood -o {model}.csv"
        );
        place.run_line(&run);
    }
    let fits = place.run_line("predict own.ppl d.json --from own_1.csv own_2.csv -q");
    fits.succeeds();
    assert_eq!(fits.err, "");
    let said = place.run_line("predict own.ppl d.json --from own_1.csv --new new.json -q");
    said.succeeds();
    said.complains("nothing in the model is called `widht`");
    said.complains("did you mean `width`?");
    let said = place.run_line("predict other.ppl d.json --from own_1.csv");
    said.fails(
        2,
        "has no columns `level`, `gain.1`, `gain.2`, which the model infers",
    );
    said.complains("it has `slope`, `twice`, which the model does not have");
    let said = place.run_line("predict own.ppl d.json --from wider_1.csv -q");
    said.succeeds();
    said.complains("has `lift` too");
}

#[test]
fn one_draw_has_no_spread() {
    let model = "m ~ normal(0, 1)\ny[1..N] ~ normal(m, 1)\n";
    let files = [("m.ppl", model), ("d.json", r#"{"y": [1, 2]}"#)];
    let place = Place::new("one_draw", &files);
    let said = place.run_line("run m.ppl d.json --draws 1 --chains 1 --json");
    said.succeeds();
    let row = &said.json()["parameters"]["m"];
    assert!(row["mean"].is_number() && row["sd"].is_null() && row["mcse_mean"].is_null());
}

#[test]
fn a_model_is_not_compared_with_itself() {
    let model = "m ~ normal(0, 1)\ny[1..N] ~ normal(m, 1)\n";
    let files = [
        ("a.ppl", model),
        ("b.ppl", model),
        ("d.json", r#"{"y": [1, 2]}"#),
    ];
    let place = Place::new("twins", &files);
    let said = place.run_line("compare a.ppl b.ppl --data d.json");
    said.fails(2, "a.ppl and b.ppl are the same model of the same data");
}

#[test]
fn levels_without_rows_are_found_among_thousands() {
    let (rows, levels) = (2500, 2600);
    let groups: Vec<usize> = (1..=rows).collect();
    let data = serde_json::json!({ "K": levels, "g": groups, "y": vec![0.5; rows] }).to_string();
    let alone = "given g: int[N]\na[1..K] ~ normal(0, 1)\ny ~ normal(a[g], 1)\n";
    let tied = "given g: int[N]\nm ~ normal(0, 1)\na[1..K] ~ normal(m, 1)\ny ~ normal(a[g], 1)\n";
    let files = [
        ("alone.ppl", alone),
        ("tied.ppl", tied),
        ("d.json", data.as_str()),
    ];
    let place = Place::new("thousands", &files);
    let said = place.run_line("check alone.ppl d.json --pedantic");
    said.complains("warning[W0105]: neither data nor constraints inform `a[2501]`, `a[2502]`");
    // The prior ties them to levels that have rows.
    let said = place.run_line("check tied.ppl d.json --pedantic");
    assert!(!said.err.contains("W0105"), "{}", said.err);
}

#[test]
fn options_of_other_programs_are_translated() {
    let place = Place::new("options", &[("m.ppl", "m ~ normal(0, 1)\n")]);
    let said = place.run_line("run m.ppl --iter 2000");
    said.fails(2, "tip: '--draws' sets the draws kept of each chain");
    assert!(!said.err.contains("as a value"), "{}", said.err);
    let said = place.run_line("run m.ppl --frobnicate");
    said.ends_with(2);
    assert!(!said.err.contains("tip"), "{}", said.err);
}
