//! The command line as one surface: scripts, settings in a file, exit codes, what happens to files and pipes when something
//! is in the way, and the pages that describe it all. Everything goes through the program itself.

mod common;
#[path = "surface/pages.rs"]
mod pages;
#[path = "surface/settings.rs"]
mod settings;
#[path = "surface/stopping.rs"]
mod stopping;
#[path = "surface/writing.rs"]
mod writing;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Place, Said};

const MODEL: &str = "mu ~ normal(0, 10)\ny[1..N] ~ normal(mu, 1)\n";
const DATA: &str = r#"{"y": [1.2, 0.7, 1.9]}"#;
/// A run that takes no time.
const SHORT: [&str; 6] = ["--chains", "2", "--draws", "20", "--warmup", "20"];
/// The page on all commands.
const COMMANDS_PAGE: &str = include_str!("../docs/manual/src/commands.md");

/// A folder with a model, its data, and these files.
fn with_model(test: &str, files: &[(&str, &str)]) -> Place {
    let own = [("m.ppl", MODEL), ("d.json", DATA)];
    Place::new(test, &[&own, files].concat())
}

fn with<'a>(first: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    first.iter().chain(rest).copied().collect()
}

#[test]
fn a_model_alone_is_run() {
    let place = with_model("script", &[]);
    let long = place.run(&with(&["run", "m.ppl", "d.json"], &SHORT));
    let short = place.run(&with(&["m.ppl", "d.json"], &SHORT));
    long.succeeds();
    short.succeeds();
    // All but the times, which are the last line.
    let table = |said: &Said| said.out.rsplit_once("Time ").expect("times").0.to_owned();
    assert_eq!(table(&long), table(&short));
    let missing = place.run(&["no/such.ppl"]);
    missing.fails(1, "cannot read no/such.ppl: No such file");
    let data = place.run(&["d.json"]);
    data.fails(1, "the model comes first");
    let typo = place.run(&["runn", "m.ppl"]);
    typo.fails(2, "'run'");
}

#[cfg(unix)]
#[test]
fn a_script_begins_with_the_name_of_the_program() {
    use std::os::unix::fs::PermissionsExt;
    let text = format!("#!/usr/bin/env likelier\n## A script.\n\n{MODEL}");
    let place = with_model("shebang", &[("script", &text)]);
    let script = place.folder.join("script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("permissions");
    let bin = Path::new(env!("CARGO_BIN_EXE_likelier"))
        .parent()
        .expect("a folder");
    let paths = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(&script)
        .args(with(&["d.json"], &SHORT))
        .env("PATH", format!("{}:{paths}", bin.display()))
        .current_dir(&place.folder)
        .output()
        .expect("the script starts");
    let said = Said::of("script d.json", output);
    said.succeeds();
    said.prints("Observed   y   3 values");
}

#[test]
fn exit_codes_mean_what_the_manual_says() {
    let flat = "mu ~ flat(real)\ns ~ half_normal(1)\ny[1..N] ~ normal(mu, s)\n";
    let place = with_model(
        "codes",
        &[
            ("flat.ppl", flat),
            ("wrong.ppl", "mu ~ normal(0, 1\n"),
            ("messy.ppl", "mu~normal(0,1)\n"),
            ("one.json", r#"{"y": [1.0]}"#),
        ],
    );
    for (arguments, code) in [
        ("run m.ppl d.json --chains 2 --draws 300 --warmup 200", 0),
        ("check m.ppl", 0),
        ("--version", 0),
        ("--help", 0),
        ("run --help", 0),
        ("run wrong.ppl d.json", 1),
        ("run m.ppl missing.json", 1),
        ("check wrong.ppl", 1),
        ("doc nothing_of_this_name", 1),
        ("explain E9999", 1),
        ("run m.ppl d.json -o no_such_folder/draws.csv", 1),
        ("evidence flat.ppl d.json", 1),
        ("run", 2),
        ("run m.ppl d.json --draws many", 2),
        ("run m.ppl d.json --chains 0", 2),
        ("nonsense", 2),
        (
            "run m.ppl d.json --chains 2 --draws 4 --warmup 2 --strict",
            3,
        ),
        ("optimise flat.ppl one.json", 3),
        ("fmt --check messy.ppl", 3),
    ] {
        let said = place.run_line(arguments);
        said.ends_with(code);
        let is_silent = said.err.is_empty();
        assert!(
            !matches!(code, 1 | 2) || !is_silent,
            "{arguments} says nothing"
        );
    }
    for code in ["0", "1", "2", "3", "130"] {
        assert!(
            COMMANDS_PAGE.contains(&format!("| {code} |")),
            "{code} is not in the manual"
        );
    }
}
