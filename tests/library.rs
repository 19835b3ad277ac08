//! The library explains itself by examples: every indented block of a `##` comment under `stdlib/` is a program that
//! compiles, and every item has one.

use std::path::{Path, PathBuf};

use likelier::{Dataset, Model, Options};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the library") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "ppl") {
            found.push(path);
        }
    }
}

/// The items of a file, each with the lines of its example.
fn examples(text: &str) -> Vec<(String, String)> {
    let mut items = Vec::new();
    let mut example = String::new();
    for line in text.lines() {
        if let Some(program) = line.strip_prefix("##     ") {
            example += &format!("{program}\n");
        } else if line.starts_with("fn ") || line.starts_with("dist ") {
            let head = line.split('(').next().expect("a name").to_owned();
            items.push((head, std::mem::take(&mut example)));
        }
    }
    items
}

#[test]
fn examples_compile() {
    let mut paths = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib"),
        &mut paths,
    );
    let data = Dataset::from_json("data.json", r#"{"observed": 0.5}"#).expect("data");
    let mut failures = Vec::new();
    let mut compiled = 0;
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a file of the library");
        for (item, example) in examples(&text) {
            if example.is_empty() {
                failures.push(format!("{}: {item} has no example", path.display()));
                continue;
            }
            let program = format!("{example}observed ~ normal(0, 1)\n");
            if let Err(error) = Model::compile("example.ppl", &program, &data, &Options::default())
            {
                failures.push(format!("{item}: {error}"));
            }
            compiled += 1;
        }
    }
    assert!(compiled > 90, "{compiled}");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
