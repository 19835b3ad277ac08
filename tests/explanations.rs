//! Every code of a message is explained, and by the page that says so: `docs/manual/src/errors.md` has a section for each code
//! in the source, its examples marked `error` give that code, and the corrected ones beside them compile.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use likelier::{CpuLevel, Dataset, Error, Model, Options};
use likelier_compiler::explain::sections;

/// The data of examples that show none, as the head of the page says.
const DATA: &str = r#"{"x": [1, 2, 3], "y": [1.2, 0.7, 1.9]}"#;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The codes that stand in a text as `"E0123"` or `"W0001"`.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|word| {
        word.len() == 5
            && word.starts_with(['E', 'W'])
            && word[1..].bytes().all(|b| b.is_ascii_digit())
    })
}

#[test]
fn every_code_has_its_explanation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["compiler/src", "src"] {
        sources(&root.join(folder), &mut paths);
    }
    let texts: Vec<String> = paths
        .iter()
        .map(|path| fs::read_to_string(path).expect("a source"))
        .collect();
    let used: BTreeSet<&str> = texts.iter().flat_map(|text| codes(text)).collect();
    let explained: BTreeSet<&str> = sections().map(|(code, _)| code).collect();
    assert!(used.len() > 150, "{}", used.len());
    assert_eq!(
        explained.len(),
        sections().count(),
        "a code has two sections"
    );
    let missing: Vec<_> = used.difference(&explained).collect();
    assert!(missing.is_empty(), "not in errors.md: {missing:?}");
    let gone: Vec<_> = explained.difference(&used).collect();
    assert!(gone.is_empty(), "in errors.md, and nowhere else: {gone:?}");
}

/// The blocks of a section: what stands behind the backticks, and the text.
fn blocks(section: &str) -> Vec<(&str, &str)> {
    section
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.split_once('\n'))
        .collect()
}

#[test]
fn examples_give_the_message_or_none() {
    let options = Options {
        cpu: CpuLevel::Portable,
        ..Options::default()
    };
    let mut failures = Vec::new();
    let mut compiled = 0;
    for (code, section) in sections() {
        let blocks = blocks(section);
        for (at, (fence, text)) in blocks.iter().enumerate() {
            if *fence == "json" {
                continue;
            }
            let data = match blocks.get(at + 1) {
                Some(("json", data)) => data,
                _ => DATA,
            };
            let data = Dataset::from_json("data.json", data).expect(code);
            let result = Model::compile("model.ppl", text, &data, &options);
            compiled += 1;
            match (*fence, result) {
                ("ppl", Ok(_)) => {}
                (wrong, Err(Error::Model(errors))) if wrong == format!("ppl error {code}") => {
                    if !errors.to_string().contains(&format!("[{code}]")) {
                        failures.push(format!("{code} gives another message:\n{errors}"));
                    }
                }
                (fence, Ok(_)) => failures.push(format!("{code}: `{fence}` compiles")),
                (fence, Err(error)) => failures.push(format!("{code}: `{fence}` fails: {error}")),
            }
        }
    }
    assert!(compiled > 230, "{compiled} examples");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn a_code_is_explained_however_it_is_written() {
    let text = likelier::explain("E0201").expect("an explanation");
    assert!(text.starts_with("E0201: ") && text.contains("given x: real[N]"));
    assert_eq!(likelier::explain("e0201").expect("the same"), text);
    assert_eq!(likelier::explain("0201").expect("the same"), text);
    let error = likelier::explain("E0301x").expect_err("no such code");
    assert!(error.to_string().contains("E030"), "{error}");
}
