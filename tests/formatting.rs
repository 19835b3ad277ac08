//! Every model of the repository is written as `likelier fmt` writes it: the files, and those that pages show.
//! `UPDATE=1 cargo test --test formatting` formats them. And the command itself, through the program.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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

/// A folder of its own with these files, and what the program says there.
fn fmt(test: &str, files: &[(&str, &str)], arguments: &[&str], input: &str) -> (Output, PathBuf) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fmt-{test}"));
    let _ = fs::remove_dir_all(&folder);
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    fs::create_dir_all(&folder).expect("a folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_likelier"))
        .arg("fmt")
        .args(arguments)
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("an input");
    stdin.write_all(input.as_bytes()).expect("it is read");
    drop(stdin);
    (child.wait_with_output().expect("it ends"), folder)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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
    let (output, folder) = fmt("folders", &files, &["."], "");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert_eq!(
        said,
        "formatted: ./deep/messy.ppl\n1 formatted, 1 as they should be, 1 left alone because of errors\n"
    );
    assert!(
        text(&output.stderr).contains("error[E0104]"),
        "{}",
        text(&output.stderr)
    );
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a file");
    assert_eq!(read("deep/messy.ppl"), "mu ~ normal(0, 1)\n");
    assert_eq!(read("deep/bad.ppl"), bad);
    assert_eq!(read(".hidden/messy.ppl"), "mu~normal(0,1)\n");
}

#[test]
fn check_changes_nothing_and_says_so_by_its_code() {
    let messy = [("m.ppl", "mu~normal(0,1)\n")];
    let (output, folder) = fmt("check", &messy, &["--check", "m.ppl"], "");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        text(&output.stdout),
        "not formatted: m.ppl\n1 not formatted, 0 as they should be\n"
    );
    assert_eq!(
        fs::read_to_string(folder.join("m.ppl")).expect("a file"),
        messy[0].1
    );
    let tidy = [("m.ppl", "mu ~ normal(0, 1)\n")];
    let (output, _) = fmt("tidy", &tidy, &["--check", "--quiet", "m.ppl"], "");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn editors_use_standard_input() {
    let (output, _) = fmt("stdin", &[], &["--stdin"], "mu~normal(0,1) # c");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "mu ~ normal(0, 1)  # c\n");
    let (output, _) = fmt("stdin-bad", &[], &["--stdin"], "mu ~");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    assert!(
        text(&output.stderr).contains("standard input:1:4"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn arguments_that_name_nothing_are_refused() {
    let (output, _) = fmt("nothing", &[], &[], "");
    assert_eq!(output.status.code(), Some(2));
    let (output, _) = fmt("missing", &[], &["no.ppl"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("cannot read no.ppl"),
        "{}",
        text(&output.stderr)
    );
}

#[cfg(unix)]
#[test]
fn a_script_stays_one() {
    use std::os::unix::fs::PermissionsExt;
    let files = [
        ("m.ppl", "#!/usr/bin/env likelier\nmu~normal(0,1)\n"),
        ("n.ppl", ""),
    ];
    let (_, folder) = fmt("script", &files, &["n.ppl"], "");
    let path = folder.join("m.ppl");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).expect("permissions");
    std::os::unix::fs::symlink("m.ppl", folder.join("link.ppl")).expect("a link");
    let output = Command::new(env!("CARGO_BIN_EXE_likelier"))
        .args(["fmt", "link.ppl"])
        .current_dir(&folder)
        .output()
        .expect("the program runs");
    assert!(output.status.success());
    let text = fs::read_to_string(&path).expect("a file");
    assert_eq!(text, "#!/usr/bin/env likelier\nmu ~ normal(0, 1)\n");
    assert_eq!(
        path.metadata().expect("a file").permissions().mode() & 0o777,
        0o750
    );
    assert!(folder.join("link.ppl").is_symlink());
}
