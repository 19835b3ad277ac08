//! The demonstrations of `examples/`, through the program itself: what each claims in numbers must come out. The truths and
//! orderings of a demonstration stand in `tests/demonstrations/NAME.json`; they are exact (closed forms or quadrature, as
//! `source` says) and were not made with this program. The quick tests run what is representative, the slow ones
//! (`--ignored`) everything. What a README shows is compared with what its commands print, apart from digits.
//!
//! A file of truths holds `runs`, each with a `name`, a `command` and what is expected of it:
//! - `log_evidence`: the truth, from which the answer and each estimate may differ by four standard errors (at least 0.05
//!   nats, below which nobody cares); `verdict` is `agree`, or what the file says;
//! - `means`: posterior means by the names of the summary, within four Monte Carlo errors;
//! - `probabilities`: of the values of what was summed out, within four standard errors;
//! - `values`: numbers of the JSON document by their pointer, with `is`, and either `within` or the pointer of their `se`;
//! - `texts`: what the output must contain, for commands that print no JSON.
//!
//! `order` lists names of runs from the largest evidence to the smallest: each must exceed the next by more than two
//! combined standard errors.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a run printed as JSON, or, of other commands, as text.
struct Outcome {
    document: Value,
    text: String,
}

/// Runs a command of a demonstration in its folder.
fn run(folder: &str, number: usize, command: &str) -> Outcome {
    let mut words: Vec<&str> = command.split(' ').collect();
    let summary =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{folder}_{number}.json"));
    let summary_text = summary.display().to_string();
    let is_run = words[0] == "run";
    match words[0] {
        "run" => words.extend(["--quiet", "--summary-json", &summary_text]),
        "evidence" | "compare" => words.extend(["--json", "--no-progress"]),
        "optimise" => words.push("--json"),
        _ => {}
    }
    let output = Command::new(env!("CARGO_BIN_EXE_likelier"))
        .args(&words)
        .current_dir(root().join("examples").join(folder))
        .output()
        .expect("the program runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = match is_run {
        true => {
            std::fs::read_to_string(&summary).unwrap_or_else(|_| panic!("{command}: {complaint}"))
        }
        false => String::from_utf8_lossy(&output.stdout).into_owned(),
    };
    let document = serde_json::from_str(&text).unwrap_or(Value::Null);
    Outcome {
        document,
        text: text + &complaint,
    }
}

/// Collects what is wrong with one run.
struct Complaints<'a> {
    about: String,
    texts: &'a mut Vec<String>,
}

impl Complaints<'_> {
    fn add(&mut self, text: &str) {
        self.texts.push(format!("{}: {text}", self.about));
    }

    /// Within four standard errors, at least `least`.
    fn near(&mut self, what: &str, found: Option<f64>, se: Option<f64>, truth: f64, least: f64) {
        let allowed = (4.0 * se.unwrap_or(0.0)).max(least);
        match found {
            Some(found) if (found - truth).abs() <= allowed => {}
            Some(found) => self.add(&format!("{what} is {found}, not {truth} ± {allowed}")),
            None => self.add(&format!("there is no {what}")),
        }
    }

    fn evidence(&mut self, document: &Value, run: &Value) {
        let truth = run["log_evidence"].as_f64().expect("a truth");
        let wanted = run["verdict"].as_str().unwrap_or("agree");
        if document["verdict"] != wanted {
            let (verdict, notes) = (&document["verdict"], &document["notes"]);
            self.add(&format!("the verdict is {verdict}, not {wanted}: {notes}"));
        }
        let estimators = document["estimators"].as_object().into_iter().flatten();
        let all = estimators.map(|(name, value)| (name.as_str(), value));
        for (name, value) in all.chain([("answer", document)]) {
            let (found, se) = (value["log_evidence"].as_f64(), value["se"].as_f64());
            self.near(name, found, se, truth, 0.05);
        }
    }

    fn summary(&mut self, document: &Value, run: &Value) {
        let rows = &document["parameters"];
        for (name, truth) in run["means"].as_object().into_iter().flatten() {
            let row = &rows[name.as_str()];
            let (found, se) = (row["mean"].as_f64(), row["mcse_mean"].as_f64());
            self.near(name, found, se, truth.as_f64().expect("a truth"), 0.0);
        }
        for (name, values) in run["probabilities"].as_object().into_iter().flatten() {
            let row = &rows[name.as_str()];
            let draws = row["ess_bulk"].as_f64().unwrap_or(1.0);
            for (value, truth) in values.as_object().into_iter().flatten() {
                let truth = truth.as_f64().expect("a truth");
                // A value that never came up is not listed.
                let found = row["probabilities"]
                    .get(value)
                    .map_or(Some(0.0), Value::as_f64);
                let se = (truth * (1.0 - truth) / draws).sqrt();
                let found = found.filter(|_| row["probabilities"].is_object());
                self.near(
                    &format!("P({name} = {value})"),
                    found,
                    Some(se),
                    truth,
                    1.0 / draws,
                );
            }
        }
    }

    fn values(&mut self, document: &Value, run: &Value) {
        for (pointer, expected) in run["values"].as_object().into_iter().flatten() {
            let found = document.pointer(pointer).and_then(Value::as_f64);
            let se = expected["se"]
                .as_str()
                .and_then(|se| document.pointer(se)?.as_f64());
            let least = expected["within"].as_f64().unwrap_or(0.0);
            let truth = expected["is"].as_f64().expect("a truth");
            self.near(pointer, found, se, truth, least);
        }
    }

    fn texts(&mut self, text: &str, run: &Value) {
        for wanted in run["texts"].as_array().into_iter().flatten() {
            let wanted = wanted.as_str().expect("a text");
            let flat: Vec<&str> = text.split_whitespace().collect();
            if !flat.join(" ").contains(wanted) {
                self.add(&format!("does not say `{wanted}`:\n{text}"));
            }
        }
    }
}

/// Checks a demonstration: everything, or what is marked as quick.
fn check(folder: &str, everything: bool) {
    let path = root()
        .join("tests/demonstrations")
        .join(format!("{folder}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let truths: Value = serde_json::from_str(&text).expect("JSON");
    let runs = truths["runs"].as_array().expect("runs");
    let mut complaints = Vec::new();
    let mut evidences = HashMap::new();
    let mut count = 0;
    for (number, run_of) in runs.iter().enumerate() {
        if !everything && run_of["quick"] != true {
            continue;
        }
        count += 1;
        let command = run_of["command"].as_str().expect("a command");
        let name = run_of["name"].as_str().expect("a name");
        let outcome = run(folder, number, command);
        let document = &outcome.document;
        let mut of_run = Complaints {
            about: format!("{name} ({command})"),
            texts: &mut complaints,
        };
        if run_of["log_evidence"].is_number() {
            of_run.evidence(document, run_of);
            let value = (document["log_evidence"].as_f64(), document["se"].as_f64());
            evidences.insert(name, value);
        }
        of_run.summary(document, run_of);
        of_run.values(document, run_of);
        of_run.texts(&outcome.text, run_of);
    }
    assert!(count > 0, "{folder}: nothing is checked");
    for names in truths["order"].as_array().into_iter().flatten() {
        let names = names.as_array().expect("names").iter();
        let names: Vec<&str> = names.map(|name| name.as_str().expect("a name")).collect();
        for pair in names.windows(2) {
            let known = |name: &str| match evidences.get(name) {
                Some((Some(value), Some(se))) => Some((*value, *se)),
                _ => None,
            };
            match (known(pair[0]), known(pair[1])) {
                (Some((high, a)), Some((low, b))) if high - low > 2.0 * a.hypot(b) => {}
                (Some(_), Some(_)) => {
                    complaints.push(format!("{} is not above {}", pair[0], pair[1]));
                }
                _ if everything => complaints.push(format!("{pair:?} cannot be ordered")),
                _ => {}
            }
        }
    }
    assert!(
        complaints.is_empty(),
        "{folder}:\n{}",
        complaints.join("\n")
    );
}

/// Tests of each demonstration, by the name of its folder.
macro_rules! demonstrations {
    ($($name:ident: $folder:literal,)*) => {
        $(mod $name {
            #[test]
            fn shows_what_it_claims() {
                super::check($folder, false);
            }

            #[test]
            #[ignore = "runs for minutes: all variants"]
            fn shows_all_that_it_claims() {
                super::check($folder, true);
            }

            #[test]
            #[ignore = "runs for minutes: all commands of the README"]
            fn prints_what_its_readme_shows() {
                super::readme::check($folder);
            }
        })*

        const FOLDERS: &[&str] = &[$($folder),*];
    };
}

demonstrations! {
    soft_order: "01_soft_order",
    occam: "02_occam",
    parameter_count: "03_parameter_count",
    benign_overfitting: "04_benign_overfitting",
    double_descent: "05_double_descent",
    decision: "06_decision",
    marginalise: "07_marginalise",
    kepler: "08_kepler",
    laws: "09_laws",
    conservation: "10_conservation",
    scaling: "11_scaling",
    soft_equivariance: "12_soft_equivariance",
    constraints: "13_constraints",
}

#[test]
fn every_demonstration_is_tested_and_listed() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    let folders = std::fs::read_dir(root().join("examples")).expect("examples");
    for folder in folders.map(|entry| entry.expect("an entry").path()) {
        if folder.is_dir() {
            let name = folder.file_name().expect("a name").to_string_lossy();
            assert!(FOLDERS.contains(&&*name), "{name} has no test");
            assert!(
                readme.contains(&format!("examples/{name}")),
                "{name} is not in the README"
            );
            assert!(
                folder.join("README.md").exists(),
                "{name} does not explain itself"
            );
        }
    }
}

/// The blocks of a README that begin with `$ likelier …`: the command, run by a shell in the folder, prints the rest.
mod readme {
    use super::{Command, Path, root};

    /// Runs the command of a block.
    fn print(folder: &Path, command: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_likelier"));
        let folders = program.parent().expect("a folder").display();
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .args(["-c", command])
            .env("PATH", format!("{folders}:{path}"))
            .env("COLUMNS", "100")
            .current_dir(folder)
            .output()
            .expect("a shell");
        let error = String::from_utf8_lossy(&output.stderr);
        let is_progress = |line: &&str| !line.starts_with("progress: ");
        let errors: Vec<&str> = error.lines().filter(is_progress).collect();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &errors.join("\n");
        text.trim_end().to_owned()
    }

    /// A text without what differs between machines: digits and the spaces and dashes that align them.
    fn words(text: &str) -> String {
        let is_letter = |c: &char| c.is_alphabetic() || "[]()=".contains(*c);
        let is_unit = |word: &&str| ["ms", "s", "min", "e"].contains(word);
        let plain = ["avx512", "avx2", "portable"]
            .iter()
            .fold(text.to_owned(), |text, level| text.replace(level, ""));
        let words = plain.split_whitespace().filter(|word| !is_unit(word));
        words.flat_map(str::chars).filter(is_letter).collect()
    }

    /// Compares, or with `UPDATE=1` writes what is printed.
    pub fn check(folder: &str) {
        let folder = root().join("examples").join(folder);
        let page = folder.join("README.md");
        let text = std::fs::read_to_string(&page).expect("a README");
        let mut written = String::new();
        let mut complaints = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            written += &format!("{line}\n");
            let Some(command) = line.strip_prefix("$ ") else {
                continue;
            };
            let shown: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let shown = shown.join("\n");
            let printed = print(&folder, command);
            if words(&shown) != words(&printed) {
                complaints.push(format!("$ {command}\nshown:\n{shown}\nprinted:\n{printed}"));
            }
            written += &format!("{printed}\n```\n");
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&page, written).expect("a README");
        } else {
            assert!(
                complaints.is_empty(),
                "{}\n{}",
                page.display(),
                complaints.join("\n")
            );
        }
    }
}
