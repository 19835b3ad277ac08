//! What the documentation shows is run: the README and every page under `docs/`.
//!
//! A ```` ```ppl ```` block is a model. With ```` ```csv ```` and ```` ```json ```` blocks below it, it is compiled with these data and
//! sampled, and its chains must agree; without, it is checked. A ```` ```ppl error E0435 ```` block must fail with this code, and where a
//! ```` ```text ```` block follows, with exactly this message. A ```` ```ppl laws.ppl ```` block is a file, which the models of the
//! page may import.
//!
//! A block that begins with `$ likelier` shows a command and what it prints: see `documentation/printed.rs`.
//!
//! The pages that list the library are made of it: `UPDATE=1 cargo test --test documentation` writes them anew.

#[path = "documentation/printed.rs"]
mod printed;

use std::fs;
use std::path::{Path, PathBuf};

use likelier::{Dataset, Error, Model, Options, Settings};
use likelier_compiler::docs::reference;

struct Block {
    /// What stands behind the opening backticks.
    fence: String,
    text: String,
    /// Where it begins, for messages.
    place: String,
}

fn blocks(page: &Path) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for (number, line) in fs::read_to_string(page)
        .expect("a page")
        .lines()
        .enumerate()
    {
        match (inside, line.strip_prefix("```")) {
            (false, None) => {}
            (false, Some(fence)) => {
                inside = true;
                found.push(Block {
                    fence: fence.to_string(),
                    text: String::new(),
                    place: format!("{}:{}", page.display(), number + 1),
                });
            }
            (true, Some("")) => inside = false,
            (true, _) => {
                let block = found.last_mut().expect("an open block");
                block.text.push_str(line);
                block.text.push('\n');
            }
        }
    }
    assert!(!inside, "{}: a block is not closed", page.display());
    found
}

/// Without spaces at the ends of lines, which pages do not have.
fn tidy(message: &str) -> String {
    let lines: Vec<&str> = message.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Every Markdown page below a folder.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Imports of pages are read from the folder into which their blocks are written.
fn load(_: &str, name: &str) -> Result<(String, String), String> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok((name.to_string(), text))
}

fn options() -> Options {
    Options {
        loader: Some(load),
        ..Options::default()
    }
}

fn read(blocks: &[&Block]) -> Dataset {
    let mut all = Dataset::default();
    for block in blocks {
        let data = match block.fence.as_str() {
            "csv" => Dataset::from_csv("data.csv", &block.text),
            _ => Dataset::from_json("data.json", &block.text),
        };
        all.merge(data.expect(&block.place)).expect(&block.place);
    }
    all
}

fn fails(text: &str, data: &[&Block]) -> Option<Error> {
    if data.is_empty() {
        return likelier::check_with("model.ppl", text, &options(), false).err();
    }
    Model::compile("model.ppl", text, &read(data), &options()).err()
}

fn samples(model: &Block, data: &[&Block]) {
    let place = &model.place;
    let settings = Settings {
        warmup: 300,
        draws: 200,
        ..Settings::default()
    };
    let data = read(data);
    let model = Model::compile("model.ppl", &model.text, &data, &options())
        .unwrap_or_else(|error| panic!("{place}\n{error}"));
    assert_eq!(model.warnings(false), "", "{place}");
    assert!(model.compiled.unused_keys.is_empty(), "{place}");
    let posterior = model.sample(&settings).expect(place);
    for row in &posterior.summary {
        assert!(row.mean.is_finite(), "{place}: {}", row.name);
    }
    if let Some(worst) = posterior
        .health
        .worst_rhat
        .filter(|_| !posterior.health.in_copies)
    {
        let (name, value) = (worst.name, worst.value);
        assert!(value < 1.1, "{place}: R-hat of {name} is {value}");
    }
}

#[test]
fn every_model_of_the_documentation_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    pages(&root.join("docs"), &mut found);
    for page in found {
        let blocks = blocks(&page);
        for (at, block) in blocks.iter().enumerate() {
            let words: Vec<&str> = block.fence.split(' ').collect();
            let [language, kind @ ..] = &words[..] else {
                continue;
            };
            if *language != "ppl" {
                continue;
            }
            let mut rest = &blocks[at + 1..];
            let mut next = |fence: &str| match rest {
                [first, others @ ..] if first.fence == fence => {
                    rest = others;
                    Some(first)
                }
                _ => None,
            };
            let mut data = Vec::new();
            while let Some(more) = next("json").or_else(|| next("csv")) {
                data.push(more);
            }
            let place = &block.place;
            match (kind, &data[..]) {
                ([], []) => {
                    if let Some(error) = fails(&block.text, &[]) {
                        panic!("{place}\n{error}");
                    }
                }
                ([], data) => samples(block, data),
                (["error", code], data) => {
                    let error =
                        fails(&block.text, data).unwrap_or_else(|| panic!("{place}: works"));
                    let error = error.to_string();
                    assert!(error.contains(&format!("[{code}]")), "{place}\n{error}");
                    if let Some(message) = next("text") {
                        assert_eq!(tidy(&error), tidy(&message.text), "{place}");
                    }
                }
                ([file], []) if file.ends_with(".ppl") => {
                    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
                    fs::write(path, &block.text).expect("a folder for files");
                }
                _ => panic!("{place}: what is `{}`?", block.fence),
            }
        }
    }
}

#[test]
fn the_models_to_compare_with_are_the_same_on_every_page() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manual/src/coming_from");
    let models = |page: &Path| -> Vec<String> {
        let shown = blocks(page).into_iter();
        shown
            .filter(|block| block.fence == "ppl")
            .map(|block| block.text)
            .collect()
    };
    let expected = models(&folder.join("models.md"));
    assert_eq!(expected.len(), 5);
    let mut found = Vec::new();
    pages(&folder, &mut found);
    assert!(found.len() > 4);
    for page in found {
        assert!(models(&page) == expected, "{}", page.display());
    }
}

/// Where the links of a page lead, as far as they lead to files.
fn links(page: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(page).expect("a page");
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.starts_with('#') && !target.contains("://"))
        .filter_map(|target| target.split('#').next())
        .filter(|target| target.contains(".md"))
        .map(|target| page.parent().expect("a folder").join(target))
        .collect()
}

#[test]
fn links_lead_to_pages_and_the_summary_lists_them_all() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manual = root.join("docs/manual/src");
    let mut found = vec![root.join("README.md")];
    pages(&root.join("docs"), &mut found);
    for page in &found {
        for link in links(page) {
            assert!(link.exists(), "{}: {}", page.display(), link.display());
        }
    }
    let summary = manual.join("SUMMARY.md");
    let listed = links(&summary);
    for page in found.iter().filter(|page| page.starts_with(&manual)) {
        assert!(
            *page == summary || listed.contains(page),
            "{} is not in SUMMARY.md",
            page.display()
        );
    }
}

#[test]
fn the_lists_of_the_library_are_what_it_says() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manual/src");
    for (name, page) in [
        ("distributions.md", reference::distributions()),
        ("functions.md", reference::functions()),
    ] {
        let path = manual.join(name);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &page).expect("a page");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == page,
            "{name} differs from the library: `UPDATE=1 cargo test --test documentation` writes it anew"
        );
    }
}
