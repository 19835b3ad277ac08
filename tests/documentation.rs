//! What the documentation shows is run: every model of `docs/models.md` is sampled with the data below it, and the page of
//! the language in the README is checked as one file.

use std::fs;
use std::path::Path;

use likelier::{Dataset, Model, Options, Settings};

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a page")
}

/// The blocks of a page that begin with the given fence, with the heading above each.
fn blocks(page: &str, fence: &str) -> Vec<(String, String)> {
    let mut heading = String::new();
    let mut found = Vec::new();
    let mut inside: Option<(String, String)> = None;
    for line in page.lines() {
        if let Some((opening, text)) = &mut inside {
            if line != "```" {
                text.push_str(line);
                text.push('\n');
                continue;
            }
            if opening == fence {
                found.push((heading.clone(), std::mem::take(text)));
            }
            inside = None;
        } else if line.starts_with("```") {
            inside = Some((line.to_string(), String::new()));
        } else if let Some(title) = line.strip_prefix("## ") {
            heading = title.to_string();
        }
    }
    found
}

#[test]
fn models_of_the_page_of_models_run() {
    let page = page("docs/models.md");
    let (models, data) = (blocks(&page, "```ppl"), blocks(&page, "```json"));
    assert_eq!((models.len(), data.len()), (6, 6));
    let settings = Settings {
        warmup: 300,
        draws: 200,
        ..Settings::default()
    };
    for ((title, text), (_, data)) in models.iter().zip(&data) {
        let data = Dataset::from_json("data.json", data).expect(title);
        let model = Model::compile("model.ppl", text, &data, &Options::default())
            .unwrap_or_else(|error| panic!("{title}\n{error}"));
        assert_eq!(model.warnings(false), "", "{title}");
        assert!(model.compiled.unused_keys.is_empty(), "{title}");
        let posterior = model.sample(&settings).expect(title);
        let finite = |row: &likelier::SummaryRow| row.mean.is_finite();
        assert!(posterior.summary.iter().all(finite), "{title}");
        let worst = posterior.health.worst_rhat.expect("an R-hat");
        assert!(
            worst.value < 1.1,
            "{title}: R-hat of {} is {}",
            worst.name,
            worst.value
        );
    }
}

#[test]
fn the_language_in_one_page_is_one_file_without_errors() {
    let page = page("README.md");
    let blocks = blocks(&page, "```ppl");
    let (_, text) = blocks
        .iter()
        .find(|(title, _)| title == "The language in one page")
        .expect("the page");
    if let Err(error) = likelier::check("page.ppl", text, false) {
        panic!("{error}");
    }
}
