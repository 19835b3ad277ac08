//! Every model of the repository is written as `likelier fmt` writes it: the files, and those that pages show.
//! `UPDATE=1 cargo test --test formatting` formats them. And the command itself, through the program.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Place, Said};
use likelier::format;

/// What is about odd layout keeps its own.
const ODD: [&str; 1] = ["tests/language/models/semicolons_and_long_lines.ppl"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder whose names end so.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            found.push(path);
        }
    }
}

/// Compares, or writes anew.
fn hold(path: &Path, found: &str, wanted: &str, wrong: &mut Vec<String>) {
    if found == wanted {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, wanted).expect("a file is written");
    } else {
        wrong.push(path.display().to_string());
    }
}

#[test]
fn every_model_is_formatted() {
    let mut models = Vec::new();
    for folder in ["examples", "stdlib", "tests"] {
        files(&root().join(folder), "ppl", &mut models);
    }
    let (mut wrong, mut formatted) = (Vec::new(), 0);
    for path in models {
        let text = fs::read_to_string(&path).expect("a text");
        let is_odd = ODD.iter().any(|odd| path.ends_with(odd));
        match format("model.ppl", &text) {
            Ok(wanted) if !is_odd => {
                formatted += 1;
                hold(&path, &text, &wanted, &mut wrong);
            }
            Ok(wanted) => assert_ne!(text, wanted, "{} is not odd", path.display()),
            Err(_) => assert!(
                path.starts_with(root().join("tests/language/errors")),
                "{}",
                path.display()
            ),
        }
    }
    assert!(formatted > 400, "{formatted}");
    assert!(wrong.is_empty(), "`likelier fmt` changes {wrong:#?}");
}

#[test]
fn every_model_of_the_documentation_is_formatted() {
    let mut pages = vec![root().join("README.md")];
    files(&root().join("docs"), "md", &mut pages);
    files(&root().join("examples"), "md", &mut pages);
    let (mut wrong, mut formatted) = (Vec::new(), 0);
    for path in pages {
        let text = fs::read_to_string(&path).expect("a page");
        let mut wanted = String::new();
        let mut parts = text.split("```ppl");
        wanted.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (fence, rest) = part.split_once('\n').expect("a block");
            let (block, after) = rest.split_once("```").expect("an end");
            let block = match format("model.ppl", block) {
                Ok(text) => {
                    formatted += 1;
                    text
                }
                Err(_) => block.to_string(),
            };
            wanted.push_str(&format!("```ppl{fence}\n{block}```{after}"));
        }
        hold(&path, &text, &wanted, &mut wrong);
    }
    assert!(formatted > 100, "{formatted}");
    assert!(
        wrong.is_empty(),
        "`likelier fmt` changes models on {wrong:#?}"
    );
}

/// What the program says of these files in a folder of their own.
fn fmt(test: &str, files: &[(&str, &str)], arguments: &[&str], input: &str) -> (Said, Place) {
    let place = Place::new(test, files);
    let said = place.run_with_input(&[&["fmt"], arguments].concat(), input);
    (said, place)
}

#[test]
fn files_and_folders_are_formatted_and_errors_left_alone() {
    let bad = "mu ~ normal(0,\nlet a = 1\n";
    let files = [
        ("good.ppl", "mu ~ normal(0, 1)\n"),
        ("deep/messy.ppl", "mu~normal(0,1)\n"),
        ("deep/bad.ppl", bad),
        (".hidden/messy.ppl", "mu~normal(0,1)\n"),
        ("data.json", "{}"),
    ];
    let (said, place) = fmt("folders", &files, &["."], "");
    said.ends_with(1);
    assert_eq!(
        said.out,
        "formatted: ./deep/messy.ppl\n1 formatted, 1 as they should be, 1 left alone because of errors\n"
    );
    said.complains("error[E0104]");
    assert_eq!(place.read("deep/messy.ppl"), "mu ~ normal(0, 1)\n");
    assert_eq!(place.read("deep/bad.ppl"), bad);
    assert_eq!(place.read(".hidden/messy.ppl"), "mu~normal(0,1)\n");
}

#[test]
fn check_changes_nothing_and_says_so_by_its_code() {
    let messy = [("m.ppl", "mu~normal(0,1)\n")];
    let (said, place) = fmt("check", &messy, &["--check", "m.ppl"], "");
    said.ends_with(3);
    assert_eq!(
        said.out,
        "not formatted: m.ppl\n1 not formatted, 0 as they should be\n"
    );
    assert_eq!(place.read("m.ppl"), messy[0].1);
    let tidy = [("m.ppl", "mu ~ normal(0, 1)\n")];
    let (said, _) = fmt("tidy", &tidy, &["--check", "--quiet", "m.ppl"], "");
    said.succeeds();
    assert_eq!(said.out, "");
}

#[test]
fn editors_use_standard_input() {
    let (said, _) = fmt("stdin", &[], &["--stdin"], "mu~normal(0,1) # c");
    said.succeeds();
    assert_eq!(said.out, "mu ~ normal(0, 1)  # c\n");
    let (said, _) = fmt("stdin-bad", &[], &["--stdin"], "mu ~");
    said.ends_with(1);
    assert_eq!(said.out, "");
    said.complains("standard input:1:4");
}

#[test]
fn arguments_that_name_nothing_are_refused() {
    let (said, _) = fmt("nothing", &[], &[], "");
    said.ends_with(2);
    let (said, _) = fmt("missing", &[], &["no.ppl"], "");
    said.fails(1, "cannot read no.ppl");
}

#[cfg(unix)]
#[test]
fn a_script_stays_one() {
    use std::os::unix::fs::PermissionsExt;
    let files = [
        ("m.ppl", "#!/usr/bin/env likelier\nmu~normal(0,1)\n"),
        ("n.ppl", ""),
    ];
    let (_, place) = fmt("script", &files, &["n.ppl"], "");
    let path = place.folder.join("m.ppl");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).expect("permissions");
    std::os::unix::fs::symlink("m.ppl", place.folder.join("link.ppl")).expect("a link");
    place.run(&["fmt", "link.ppl"]).succeeds();
    assert_eq!(
        place.read("m.ppl"),
        "#!/usr/bin/env likelier\nmu ~ normal(0, 1)\n"
    );
    assert_eq!(
        path.metadata().expect("a file").permissions().mode() & 0o777,
        0o750
    );
    assert!(place.folder.join("link.ppl").is_symlink());
}
