//! Generates the parser from its grammar, and a table of the standard library: the text of every `.ppl` file under
//! `stdlib/` and the names that each defines, so that adding a file there is enough and only what a program uses is parsed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    lalrpop::Configuration::new()
        .use_cargo_dir_conventions()
        .emit_rerun_directives(true)
        .process()
        .expect("the grammar is valid");
    let root = Path::new("../stdlib")
        .canonicalize()
        .expect("the folder of the standard library");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    let mut table =
        String::from("/// Every file of the library.\npub static FILES: &[File] = &[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let text = std::fs::read_to_string(&file).expect("a text");
        let relative = file.strip_prefix(&root).expect("below the root");
        let module = relative
            .parent()
            .map(|folder| folder.display().to_string())
            .unwrap_or_default();
        let names: Vec<String> = text.lines().filter_map(defined).collect();
        writeln!(
            table,
            "    File {{ name: {:?}, module: {module:?}, names: &{names:?}, text: include_str!({:?}) }},",
            format!("std/{}", relative.display()),
            file.display().to_string(),
        )
        .expect("writing to a string");
    }
    table.push_str("];\n");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it")).join("stdlib.rs");
    std::fs::write(out, table).expect("writing the table");
}

/// The name that a line defines.
fn defined(line: &str) -> Option<String> {
    let rest = line
        .strip_prefix("dist ")
        .or_else(|| line.strip_prefix("fn "))
        .or_else(|| line.strip_prefix("model "))?;
    Some(rest.split('(').next()?.trim().to_string())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "ppl") {
            files.push(path);
        }
    }
}
