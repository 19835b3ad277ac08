//! The checker on the standard library, on the models of the repository and on small programs.

use super::*;
use crate::ast;
use crate::source::render;

fn checked(name: &str, text: &str) -> (Hir, String) {
    let mut sources = Sources::default();
    let file = sources.add(name, text);
    let (tree, mut diagnostics) = ast::parse(file, text);
    let (hir, more) = check(&mut sources, &tree);
    diagnostics.extend(more);
    let shown = render::render(&sources, &diagnostics, false);
    (hir, shown)
}

#[test]
fn the_standard_library_checks() {
    for file in library::FILES {
        // A file may hold models alone; a statement makes it a program.
        let (_, shown) = checked(file.name, &format!("{}\nlet one = 1\n", file.text));
        assert!(shown.is_empty(), "{shown}");
    }
}

#[test]
fn the_models_of_the_repository_check() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut count = 0;
    for folder in ["tests/posteriordb", "examples"] {
        for entry in std::fs::read_dir(root.join(folder))
            .expect("the folder")
            .flatten()
        {
            if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "ppl")
            {
                let text = std::fs::read_to_string(entry.path()).expect("a text");
                let (_, shown) = checked(&entry.path().display().to_string(), &text);
                assert!(shown.is_empty(), "{shown}");
                count += 1;
            }
        }
    }
    assert!(count >= 12);
}

#[test]
fn one_mistake_is_one_message() {
    let (_, shown) = checked(
        "m.ppl",
        "let a = b + 1\nlet c = a * 2\nx ~ normal(c, 1)\ny ~ normal(x, a)\n",
    );
    assert_eq!(shown.matches("error").count(), 1, "{shown}");
}
