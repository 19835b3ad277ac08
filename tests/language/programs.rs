//! Programs of several files, and files of several programs: through the library with a loader of the test's own, and
//! through the command line, which reads the files themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

use likelier::{Dataset, Error, Model, Options};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/language/programs");

/// Reads what stands beside a file of the folder; `parts/../parts/a.ppl` is `parts/a.ppl`.
fn load(from: &str, path: &str) -> Result<(String, String), String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let name = parts.join("/");
    let text = fs::read_to_string(Path::new(FOLDER).join(&name));
    text.map(|text| (name, text))
        .map_err(|_| "there is no such file".to_string())
}

fn compile(name: &str, data: &str) -> Result<Model, Error> {
    let file = likelier::split_entry(name).0;
    let text = fs::read_to_string(Path::new(FOLDER).join(file)).expect("a text");
    let data = Dataset::from_json("data.json", data)?;
    let options = Options {
        loader: Some(load),
        ..Options::default()
    };
    Model::compile(name, &text, &data, &options)
}

fn log_density(name: &str, data: &str, at: &str) -> f64 {
    let at = Dataset::from_json("point.json", at).expect("a point");
    let model = compile(name, data).unwrap_or_else(|error| panic!("{error}"));
    model.density_at(&at).expect("a density").log_density
}

fn message(name: &str) -> String {
    match compile(name, r#"{"y": [1, 2], "x": [1, 2]}"#) {
        Ok(_) => panic!("{name} compiles"),
        Err(error) => error.to_string(),
    }
}

fn normal(x: f64, mean: f64, sd: f64) -> f64 {
    -0.5 * ((x - mean) / sd).powi(2) - sd.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
}

#[test]
fn files_bring_functions_distributions_and_models() {
    let found = log_density(
        "growth.ppl",
        r#"{"y": [1.0, 2.0, 2.5]}"#,
        r#"{"a": 0.3, "b.s": 0.4}"#,
    );
    let lines = [(1.0, 1.1), (2.0, 1.9), (2.5, 2.7)];
    let likelihood: f64 = lines.iter().map(|&(y, line)| normal(y, line, 0.5)).sum();
    let expected = normal(0.3, 0.0, 1.0) + normal(0.4, 0.0, 1.0) + 2f64.ln() + likelihood;
    assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
}

#[test]
fn mistakes_with_files_are_answered() {
    for (name, code, words) in [
        ("circle.ppl", "E0282", "imports itself"),
        ("missing.ppl", "E0281", "there is no such file"),
        ("program.ppl", "E0283", "belongs to no item"),
        ("twice.ppl", "E0202", "defined first here"),
        ("shapes.ppl", "E0105", "shapes.ppl:linear"),
        (
            "shapes.ppl:linaer",
            "E0107",
            "did you mean `shapes.ppl:linear`?",
        ),
        ("growth.ppl:slope", "E0106", "leave out `:slope`"),
    ] {
        let message = message(name);
        assert!(message.contains(code), "{name}: {message}");
        assert!(message.contains(words), "{name}: {message}");
        assert!(message.contains("help:"), "{name}: {message}");
    }
}

#[test]
fn a_model_item_is_a_program() {
    let data = r#"{"y": [1.0, 2.0], "x": [0.5, 1.5]}"#;
    let found = log_density("shapes.ppl:linear", data, r#"{"a": 0.3, "b": 0.4}"#);
    let prior = normal(0.3, 0.0, 1.0) + normal(0.4, 0.0, 1.0);
    let expected = prior + normal(1.0, 0.5, 1.0) + normal(2.0, 0.9, 1.0);
    assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
    let found = log_density("shapes.ppl:constant", r#"{"y": [1.0]}"#, r#"{"a": 0.3}"#);
    let expected = normal(0.3, 0.0, 2.0) + normal(1.0, 0.8, 1.0);
    assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
}

#[test]
fn the_command_line_reads_what_is_imported() {
    let check = |name: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_likelier"))
            .args(["check", &format!("{FOLDER}/{name}")])
            .output()
            .expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), text)
    };
    assert!(check("growth.ppl").0);
    assert!(check("shapes.ppl:linear").0);
    let (success, text) = check("missing.ppl");
    assert!(!success && text.contains("E0281"), "{text}");
    let (success, text) = check("circle.ppl");
    assert!(!success && text.contains("E0282"), "{text}");
}
