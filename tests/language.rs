//! The language by its programs. `language/errors` holds beginners' mistakes beside the message that each must give,
//! `language/warnings` what may be a mistake, `language/stages` small models beside what each stage of the compiler
//! shows, `language/models` programs that must give the log density in their header. Data stand in the header too:
//! `# data: {"y": [1, 2]}`. Adding a test is adding a file; `UPDATE=1 cargo test --test language` writes the golden
//! texts anew.

#[path = "language/programs.rs"]
mod programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use likelier::check::check_report;
use likelier::{CpuLevel, Dataset, Error, Model, Options, PointDensity, Stage};
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/language")
        .join(name)
}

/// A program with its expectations in the header.
struct Program {
    name: String,
    text: String,
    path: PathBuf,
}

impl Program {
    fn all(folder_name: &str) -> Vec<Self> {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder(folder_name))
            .expect("the folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "ppl"))
            .collect();
        paths.sort();
        let read = |path: PathBuf| Self {
            name: path.file_stem().expect("a name").to_string_lossy().into(),
            text: fs::read_to_string(&path).expect("a text"),
            path,
        };
        paths.into_iter().map(read).collect()
    }

    /// What the header says after `# key:`.
    fn header(&self, key: &str) -> Option<&str> {
        let start = format!("# {key}: ");
        let mut comments = self.text.lines().take_while(|line| line.starts_with('#'));
        comments.find_map(|line| line.strip_prefix(&start))
    }

    fn data(&self) -> Dataset {
        let json = self.header("data").unwrap_or("{}");
        Dataset::from_json("data.json", json)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn compile(&self) -> Result<Model, Error> {
        Model::compile(
            &format!("{}.ppl", self.name),
            &self.text,
            &self.data(),
            &options(),
        )
    }

    /// Compares `found` with the golden text `NAME.ending`, or writes it. Says what differs.
    fn golden(&self, ending: &str, found: &str) -> Result<(), String> {
        let path = self.path.with_extension(ending);
        let found = format!("{}\n", found.trim_end());
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, found).expect("a golden text is written");
            return Ok(());
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected == found {
            return Ok(());
        }
        Err(format!(
            "{} differs; `UPDATE=1 cargo test --test language` accepts it\n--- expected\n{expected}--- found\n{found}",
            path.file_name().expect("a name").display()
        ))
    }
}

fn options() -> Options {
    Options {
        cpu: CpuLevel::Portable,
        ..Options::default()
    }
}

fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn mistakes_are_answered_as_written() {
    let programs = Program::all("errors");
    assert!(programs.len() >= 40, "{} programs", programs.len());
    let mut failures = Vec::new();
    for program in &programs {
        let name = &program.name;
        let message = match program.compile() {
            Ok(_) => {
                failures.push(format!("{name} compiles"));
                continue;
            }
            Err(Error::Model(errors)) => errors.to_string(),
            Err(error) => {
                failures.push(format!("{name} fails otherwise: {error}"));
                continue;
            }
        };
        if !message.contains("help:") {
            failures.push(format!("{name} does not say what to do:\n{message}"));
        }
        if message.contains(env!("CARGO_MANIFEST_DIR")) || message.contains("/home/") {
            failures.push(format!("{name} names a path of this machine:\n{message}"));
        }
        failures.extend(program.golden("txt", &message).err());
    }
    assert_none(&failures);
}

#[test]
fn questions_are_asked_where_there_are_any() {
    let programs = Program::all("pedantic");
    assert!(programs.len() >= 7, "{} programs", programs.len());
    let mut failures = Vec::new();
    for program in &programs {
        let name = format!("{}.ppl", program.name);
        let data = program.data();
        let report = check_report(&name, &program.text, Some(&data), &options(), true);
        let found = report.expect("a report");
        let text = found.render(false);
        if !found.is_ok() {
            failures.push(format!("{name} is wrong:\n{text}"));
        }
        failures.extend(program.golden("txt", &text).err());
    }
    assert_none(&failures);
}

/// Each of these functions is called by the next four times: one by one, that would be four thousand million calls.
#[test]
fn functions_of_functions_are_looked_into_once() {
    let mut text = "fn f0(x: real) -> real = floor(x)\n".to_string();
    for (inner, outer) in (0..15).zip(1..) {
        let calls = [format!("f{inner}(x)"), format!("f{inner}(x)")].join(" + ");
        text += &format!("fn f{outer}(x: real) -> real = {calls} + {calls}\n");
    }
    text += "mu ~ normal(0, 1)\nfactor f15(mu)\nfactor f14(1.0)\n";
    let report = check_report("m.ppl", &text, None, &options(), true).expect("a report");
    assert!(report.is_ok());
    let text = report.render(false);
    assert_eq!(text.matches("W0106").count(), 1, "{text}");
    assert!(text.contains("`f15(mu)`"), "{text}");
}

#[test]
fn warnings_are_given_as_written() {
    let programs = Program::all("warnings");
    assert!(programs.len() >= 6, "{} programs", programs.len());
    let mut failures = Vec::new();
    for program in &programs {
        match program.compile() {
            Ok(model) => failures.extend(program.golden("txt", &model.warnings(false)).err()),
            Err(error) => failures.push(format!("{}: {error}", program.name)),
        }
    }
    assert_none(&failures);
}

#[test]
fn golden_texts_have_their_programs() {
    for place in ["errors", "stages", "warnings", "pedantic"] {
        for entry in fs::read_dir(folder(place)).expect("the folder") {
            let path = entry.expect("an entry").path();
            let file = path.file_name().expect("a name").to_string_lossy();
            let name = file.split('.').next().expect("a name");
            let program = path.with_file_name(format!("{name}.ppl"));
            assert!(program.exists(), "{} has no program", path.display());
        }
    }
}

#[test]
fn stages_are_shown_as_written() {
    let stages = [
        ("ast", Stage::Ast),
        ("hir", Stage::Hir),
        ("loops", Stage::Loops),
        ("density", Stage::Density),
        ("gradient", Stage::Gradient),
        ("forward", Stage::Forward),
    ];
    let mut failures = Vec::new();
    for program in Program::all("stages") {
        let file = format!("{}.ppl", program.name);
        for (ending, stage) in stages {
            match likelier::show(&file, &program.text, &program.data(), &options(), stage) {
                Ok(shown) => {
                    failures.extend(program.golden(&format!("{ending}.txt"), &shown).err())
                }
                Err(error) => failures.push(format!("{file} at {ending}: {error}")),
            }
        }
    }
    assert_none(&failures);
}

#[test]
fn models_have_the_log_density_of_their_header() {
    let programs = Program::all("models");
    assert!(programs.len() >= 25, "{} programs", programs.len());
    let mut failures = Vec::new();
    for program in &programs {
        let name = &program.name;
        let at = program.header("at").unwrap_or("{}");
        let at = Dataset::from_json("point.json", at).expect("a point");
        let expected: f64 = program
            .header("log_density")
            .and_then(|number| number.trim().parse().ok())
            .unwrap_or_else(|| panic!("{name} states no log density"));
        match program.compile().and_then(|model| model.density_at(&at)) {
            Ok(density) => {
                let found = density.log_density;
                let is_near = (found - expected).abs() <= 1e-9 * expected.abs().max(1.0);
                if !(is_near || found == expected) {
                    failures.push(format!("{name}: {found}, expected {expected}"));
                }
            }
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    assert_none(&failures);
}

#[test]
fn gradients_are_those_of_differences() {
    let mut failures = Vec::new();
    let mut compared = 0;
    for program in Program::all("models") {
        let Some(at) = program.header("at") else {
            continue;
        };
        let Ok(model) = program.compile() else {
            continue;
        };
        let point = serde_json::from_str(at).expect("a point");
        let gradient = density(&model, &point).expect("a density").gradient;
        for path in numbers(&point) {
            let value = point
                .pointer(&path)
                .and_then(Value::as_f64)
                .expect("a number");
            let moved = |step: f64| {
                let mut moved = point.clone();
                *moved.pointer_mut(&path).expect("the number") = (value + step).into();
                density(&model, &moved)
            };
            let step = 1e-5;
            // A simplex cannot be left by one of its numbers.
            let (Ok(below), Ok(above)) = (moved(-step), moved(step)) else {
                continue;
            };
            let expected = above.log_density_unconstrained - below.log_density_unconstrained;
            let change = above.unconstrained.iter().zip(&below.unconstrained);
            let found: f64 = change.zip(&gradient).map(|((a, b), g)| (a - b) * g).sum();
            compared += 1;
            if (expected - found).abs() > 1e-6 * (2.0 * step) * (1e2 + expected.abs() / step) {
                let (expected, found) = (expected / step / 2.0, found / step / 2.0);
                failures.push(format!(
                    "{}{path}: {found}, by differences {expected}",
                    program.name
                ));
            }
        }
    }
    assert!(compared > 80, "{compared} numbers were compared");
    assert_none(&failures);
}

fn density(model: &Model, point: &Value) -> Result<PointDensity, Error> {
    model.density_at(&Dataset::from_json("point.json", &point.to_string())?)
}

/// The JSON pointers to all numbers in `value`.
fn numbers(value: &Value) -> Vec<String> {
    let below = |key: String, inner: &Value| -> Vec<String> {
        numbers(inner)
            .iter()
            .map(|rest| format!("/{key}{rest}"))
            .collect()
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, v)| below(key.clone(), v))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(i, v)| below(i.to_string(), v))
            .collect(),
        Value::Null => Vec::new(),
        _ => vec![String::new()],
    }
}

/// What became of a text: `None` when it compiled, otherwise the message. Panics when it took long.
fn outcome(name: &str, text: &str, data: &str) -> Option<String> {
    let start = Instant::now();
    let data = Dataset::from_json("data.json", data).expect("data");
    let message = Model::compile(&format!("{name}.ppl"), text, &data, &options())
        .err()
        .map(|error| error.to_string());
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{name} took {:?}",
        start.elapsed()
    );
    message
}

/// The message of a text that must not compile.
fn refusal(name: &str, text: &str) -> String {
    let message =
        outcome(name, text, r#"{"y": [1.2, 0.7]}"#).unwrap_or_else(|| panic!("{name} compiles"));
    assert!(!message.contains("E0999"), "{name}: {message}");
    message
}

#[test]
fn an_empty_text_is_refused() {
    for text in ["", "\n\n", "# only a comment", "\u{feff}"] {
        refusal("empty", text);
    }
}

#[test]
fn noise_is_refused() {
    // Xorshift; the seed is arbitrary.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let bytes: Vec<u8> = (0..1 << 17).flat_map(|_| next().to_le_bytes()).collect();
    refusal("noise", &String::from_utf8_lossy(&bytes));
    let printable: String = bytes
        .iter()
        .map(|byte| char::from(32 + byte % 95))
        .collect();
    refusal("printable", &printable);
}

#[test]
fn messages_about_long_lines_are_short() {
    let zeros = vec!["0.5"; 100_000].join(", ");
    for text in [format!("let a = [{zeros}]]\n"), "if true { ".repeat(10_000)] {
        let message = refusal("long_line", &text);
        assert!(message.len() < 10_000, "{} bytes", message.len());
    }
}

#[test]
fn deep_nesting_is_answered() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("let a = {}1.0{}\n", open.repeat(depth), close.repeat(depth))
    };
    for depth in [100, 1_000, 10_000] {
        for (open, close) in [
            ("(", ")"),
            ("[", "]"),
            ("-", ""),
            ("not ", ""),
            ("exp(", ")"),
            ("1 + ", ""),
            ("2^", ""),
        ] {
            let text = format!("{}y[1..N] ~ normal(0, 1)\n", nested(open, close, depth));
            outcome(
                &format!("{depth} times {open}"),
                &text,
                r#"{"y": [1.2, 0.7]}"#,
            );
        }
    }
    refusal("unclosed", &"(".repeat(10_000));
    refusal("unopened", &")".repeat(10_000));
    refusal("braces", &"if true { ".repeat(10_000));
}

#[test]
fn nested_branches_are_answered() {
    for depth in [30, 300] {
        let text = format!(
            "mu ~ normal(0, 1)\n{}observe mu ~ normal(0, 1)\n{}y[1..N] ~ normal(mu, 1)\n",
            "if true {\n".repeat(depth),
            "}\n".repeat(depth)
        );
        let message = outcome("branches", &text, r#"{"y": [1.2, 0.7]}"#);
        assert!(depth > 30 || message.is_none(), "{message:?}");
    }
}

#[test]
fn a_long_literal_is_answered() {
    let elements = vec!["0.5"; 100_000].join(", ");
    let text =
        format!("let a = [{elements}]\nmu ~ normal(0, 1)\ny[1..N] ~ normal(mu * mean(a), 1)\n");
    outcome("literal", &text, r#"{"y": [1.2, 0.7]}"#);
}

#[test]
fn many_statements_are_no_trouble() {
    let mut text: String = (1..=1_000)
        .map(|k| format!("a{k} ~ normal(0, 1)\n"))
        .collect();
    text.push_str("y[1..N] ~ normal(a1 + a1000, 1)\n");
    assert_eq!(outcome("statements", &text, r#"{"y": [1.2, 0.7]}"#), None);
}

#[test]
fn huge_numbers_are_answered() {
    for text in [
        "mu ~ normal(0, 1e308)\ny[1..N] ~ normal(mu, 1)",
        "mu ~ normal(0, 1e999)\ny[1..N] ~ normal(mu, 1)",
        "mu ~ normal(0, 1)\ny[1..N] ~ normal(mu + 99999999999999999999999999, 1)",
        "mu ~ normal(0, 1)\ny[1..N] ~ normal(mu * 9223372036854775807, 1)",
        "let big = 9223372036854775807 + 1\nmu ~ normal(0, 1)\ny[1..N] ~ normal(mu * big, 1)",
        "let big = 9223372036854775807 * 9223372036854775807\nmu ~ normal(0, 1)\ny[1..N] ~ normal(mu * big, 1)",
        "let small = -9223372036854775807 - 2\nmu ~ normal(0, 1)\ny[1..N] ~ normal(mu * small, 1)",
        "let none = 1 / 0\nmu ~ normal(0, 1)\ny[1..N] ~ normal(mu * none, 1)",
    ] {
        outcome("huge", text, r#"{"y": [1.2, 0.7]}"#);
    }
}

#[test]
fn whole_numbers_without_a_value_are_refused() {
    for value in [
        "div(1, 0)",
        "mod(1, 0)",
        "3000000000 * 3000000000 * 3000000000",
    ] {
        refusal(
            value,
            &format!("let a = {value}\nmu ~ normal(0, 1)\ny[1..N] ~ normal(mu * a, 1)\n"),
        );
    }
}

#[test]
fn huge_sizes_are_answered() {
    for text in [
        "let x = zeros(1000000000)\nmu ~ normal(0, 1)\ny[1..N] ~ normal(mu + x[1], 1)",
        "fn f(n: int) -> int = if n <= 1 { 1 } else { f(n - 1) + f(n - 2) }\nmu ~ normal(0, 1)\ny[1..N] ~ normal(mu * f(50), 1)",
    ] {
        refusal(text.lines().next().expect("a line"), text);
    }
}

#[test]
fn huge_ranges_are_answered() {
    for text in [
        "x[1..1000000000] ~ normal(0, 1)\ny[1..N] ~ normal(sum(x), 1)",
        "x[1..9223372036854775807] ~ normal(0, 1)\ny[1..N] ~ normal(sum(x), 1)",
        "x[1..100000, 1..100000] ~ normal(0, 1)\ny[1..N] ~ normal(x[1, 1], 1)",
        "let x = [1.0 * i for i in 1..1000000000]\nmu ~ normal(0, 1)\ny[1..N] ~ normal(mu + x[1], 1)",
        "let x = sum(1 / i for i in 1..1000000000)\nmu ~ normal(0, 1)\ny[1..N] ~ normal(mu + x, 1)",
        "mu ~ normal(0, 1)\nfor i in 1..1000000000 { observe mu ~ normal(i, 1) }\ny[1..N] ~ normal(mu, 1)",
    ] {
        refusal(text.lines().next().expect("a line"), text);
    }
}

#[test]
fn bad_data_are_refused() {
    for (json, word) in [
        (r#"{"y": [1.0, NaN]}"#, ""),
        (r#"{"y": [1.0, "NaN"]}"#, "y"),
        (r#"{"y": [1.0, 1e999]}"#, ""),
        (r#"{"y": [[1.0, 2.0], [3.0]]}"#, "y"),
        (r#"{"y": [1.0, [2.0]]}"#, "y"),
        (r#"{"y": {"a": 1}}"#, "y"),
        (r#"{"y": [1.0], "y": [2.0]}"#, "y"),
        (r#"{"y": [1.0"#, ""),
        ("[1, 2]", ""),
        ("", ""),
    ] {
        let text = "mu ~ normal(0, 1)\ny[1..N] ~ normal(mu, 1)\n";
        let answer = Dataset::from_json("data.json", json)
            .map_err(Error::from)
            .and_then(|data| Model::compile("bad_data.ppl", text, &data, &options()));
        let message = match answer {
            Ok(_) => panic!("{json} is accepted"),
            Err(error) => error.to_string(),
        };
        assert!(message.contains(word), "{json}: {message}");
    }
    let nested = format!("{{\"y\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(Dataset::from_json("data.json", &nested).is_err());
}

#[test]
fn a_negative_scale_is_refused() {
    let message = refusal("scale", "mu ~ normal(0, -1)\ny[1..N] ~ normal(mu, 1)\n");
    assert!(message.contains("must be positive"), "{message}");
}

#[test]
fn nests_of_short_loops_stay_loops() {
    let nest = |depth: usize| {
        let mut text = String::from("a ~ normal(0, 1)\n");
        let names = ["i", "j", "k", "l", "m", "n"];
        for name in &names[..depth] {
            text.push_str(&format!("for {name} in 1..8 {{\n"));
        }
        text.push_str(&format!(
            "factor sin(a * ({}))\n",
            names[..depth].join(" + ")
        ));
        text.push_str(&"}\n".repeat(depth));
        let data = Dataset::default();
        let shown = likelier::show("nest.ppl", &text, &data, &options(), Stage::Gradient);
        shown.expect("a gradient").lines().count()
    };
    let (three, six) = (nest(3), nest(6));
    assert!(six < 3 * three, "{three} lines, then {six}");
    assert!(six < 20_000, "{six} lines");
}
