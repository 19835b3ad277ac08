//! The two pages of the manual that list the library: all distributions, and all functions. They are made of what stands beside
//! the definitions, so that the manual says what the library does; a test compares the pages with what is made here.

use super::{DRAWS, Documented, FORMS, TABLE, WHOLES, documented};
use crate::ast::tree::{self, DistributionBody, DistributionItem, ExpressionKind};
use crate::check::library::{ALWAYS, FILES, Item, Library};

const DISTRIBUTIONS: &str = "\
# Distributions

Made from the comments in `stdlib/distributions`; `likelier doc NAME` shows the same. Arguments after `;` must be named. A
signature `= other(…)` is another parametrisation of that distribution. What a distribution can do:

- One with a **cdf** can be [truncated and censored](language/distributions.md).
- One with a **sampler** can be simulated, predicted and replicated.
- Any distribution can be asked: `normal(0, 1).log_density(x)`, and likewise for the other members that its section lists.
- *Summed out* are unknowns with finitely many values: see [discrete unknowns](language/discrete.md).

Densities keep every constant. Those of vectors and matrices say with respect to what they are one.
";

const FUNCTIONS: &str = "\
# Functions

Made from the comments in `stdlib` and the table of primitives; `likelier doc NAME` shows the same. Arguments after `;` must be
named. A function of numbers, applied to an array, applies to each element.

[Arrays](#arrays) · [differential equations](#differential-equations) · [numbers](#numbers) · [links](#links) ·
[priors](#priors) · [bases](#bases) · [kernels](#kernels) · [series](#series)
";

/// The groups of distributions, by what their draws are.
const GROUPS: [&str; 5] = [
    "Real numbers",
    "Numbers above a bound",
    "Numbers between bounds",
    "Whole numbers",
    "Vectors and matrices",
];

const COLUMNS: &str =
    "| distribution | draws | cdf | quantile | sampler |\n| --- | --- | --- | --- | --- |\n";

/// What is said of a module above its items.
fn module_sentence(module: &str) -> &'static str {
    match module {
        "links" => "Link functions, stable logarithms, and helpers that many models share.",
        "priors" => {
            "Priors that are made of several variables: `b ~ horseshoe(K)` draws a vector, and its parts are called `b.tau`, …"
        }
        "bases" => "Matrices of basis functions, and columns of data.",
        "kernels" => "Covariance functions of Gaussian processes.",
        "series" => "Autoregressions, hidden Markov models, the Kalman filter.",
        _ => "",
    }
}

/// The page of distributions.
pub fn distributions() -> String {
    let all: Vec<Documented> = FILES.iter().flat_map(documented).collect();
    let laws: Vec<(&Documented, Law)> = all
        .iter()
        .filter_map(|entry| match &entry.item {
            Item::Distribution(item, _) => Some((entry, Law::of(item, &all))),
            _ => None,
        })
        .collect();
    let mut page = DISTRIBUTIONS.to_string();
    for (group, title) in GROUPS.iter().enumerate() {
        page += &format!("\n**{title}**\n\n{COLUMNS}");
        let mut last = "";
        for (entry, law) in laws.iter().filter(|(_, law)| law.group == group) {
            let name = entry.item.name();
            if name != std::mem::replace(&mut last, name) {
                page += &law.row(name);
            }
        }
    }
    for (group, title) in GROUPS.iter().enumerate() {
        page += &format!("\n## {title}\n");
        let mut last = "";
        for (entry, law) in laws.iter().filter(|(_, law)| law.group == group) {
            let name = entry.item.name();
            if name != std::mem::replace(&mut last, name) {
                page += &format!("\n### {name}\n");
            }
            let head = entry.head.trim_start_matches("dist ");
            page += &format!("\n```text\n{head}\n```\n\n");
            page += &body(&entry.doc, &law.abilities());
        }
    }
    page += "\n## Forms\n\nThese stand where a distribution does. They are described on the page on\n\
        [distributions that are made of others](language/distributions.md).\n";
    for (name, doc) in FORMS {
        page += &section(name, doc, "ppl");
    }
    page
}

/// The page of functions.
pub fn functions() -> String {
    FUNCTIONS.to_string() + &arrays() + &numbers() + &modules()
}

fn arrays() -> String {
    let mut part =
        "\n## Arrays\n\nFunctions of the language itself that take whole arrays.\n\n".to_string();
    let (short, long): (Vec<_>, Vec<_>) = WHOLES
        .iter()
        .partition(|(name, _)| !name.starts_with("ode"));
    for (_, doc) in short {
        let (call, text) = doc.split_once(": ").unwrap_or((doc, ""));
        part += &format!("- `{call}`: {}\n", text.replace('\n', "\n  "));
    }
    part += "\n## Differential equations\n";
    for (name, doc) in long {
        part += &section(name, doc, "text");
    }
    part
}

fn numbers() -> String {
    let mut part = "\n## Numbers\n\n".to_string();
    for entry in TABLE.iter().filter(|entry| entry.callable) {
        let arguments: Vec<String> = entry
            .arguments
            .iter()
            .map(|ty| format!("{ty:?}").to_lowercase())
            .collect();
        part += &format!(
            "- `{}({})`: {}\n",
            entry.name,
            arguments.join(", "),
            entry.doc
        );
    }
    part += "\nRandom numbers, only in the `sample` of a distribution:\n\n";
    for (name, _, parameters, doc) in DRAWS {
        let places = ["", "…", "…, …"][*parameters];
        part += &format!("- `{name}({places})`: {doc}\n");
    }
    part
}

fn modules() -> String {
    let mut part = String::new();
    for module in Library::modules() {
        if module == "distributions" {
            continue;
        }
        let scope = match ALWAYS.contains(&module) {
            true => "Always in scope.".to_string(),
            false => format!("In scope after `import std.{module}`."),
        };
        part += &format!("\n## {module}\n\n{} {scope}\n", module_sentence(module));
        let files = FILES.iter().filter(|file| file.module == module);
        for entry in files.flat_map(documented) {
            let head = entry.head.trim_start_matches("fn ");
            part += &format!("\n### {}\n\n```text\n{head}\n```\n\n", entry.item.name());
            part += &body(&entry.doc, "");
        }
    }
    part
}

/// A `##` comment as Markdown: its first paragraph is prose, and so is what is added to it; formulas stay as they were typed;
/// the example is a program.
fn body(doc: &str, added: &str) -> String {
    let (example, lines): (Vec<&str>, Vec<&str>) =
        doc.lines().partition(|line| line.starts_with("    "));
    let text = lines.join("\n");
    let (prose, formula) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut body = format!("{}\n", prose.trim());
    if !added.is_empty() {
        body += &format!("\n{added}\n");
    }
    if !formula.trim().is_empty() {
        body += &format!("\n```text\n{}\n```\n", formula.trim());
    }
    body + &block(&example, "ppl")
}

/// What is said of a form or function in sentences: `call: text`, paragraphs, an example.
fn section(name: &str, doc: &str, language: &str) -> String {
    let (call, text) = doc.split_once(": ").unwrap_or((name, doc));
    let mut section = format!("\n### {name}\n\n```text\n{call}\n```\n");
    for paragraph in text.split("\n\n") {
        let lines: Vec<&str> = paragraph.lines().collect();
        section += &if paragraph.starts_with("    ") {
            block(&lines, language)
        } else {
            format!("\n{}\n", capital(paragraph))
        };
    }
    section
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|letter| letter.to_uppercase());
    first.into_iter().flatten().chain(letters).collect()
}

fn block(lines: &[&str], language: &str) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| &line[4..]).collect();
    format!("\n```{language}\n{}\n```\n", lines.join("\n"))
}

/// What the definition of a distribution tells of it.
struct Law {
    /// Of [`GROUPS`].
    group: usize,
    support: String,
    /// What it defines beside the density.
    members: Vec<String>,
    /// Whether its draws are numbers, and not vectors or matrices.
    scalar: bool,
    /// Whether it has finitely many values, if these are whole numbers.
    finite: Option<bool>,
}

impl Law {
    fn of(item: &DistributionItem, all: &[Documented]) -> Law {
        let support = &item.support;
        let scalar = support.sizes.is_empty();
        let finite = (support.name.text == "int").then(|| {
            let bounds = support.bounds.as_ref();
            bounds.is_some_and(|(_, upper)| !is_infinite(upper))
        });
        let group = match (scalar, support.name.text.as_str()) {
            (false, _) => 4,
            (_, "int") => 3,
            (_, "unit") => 2,
            (_, "positive" | "nonnegative") => 1,
            _ => match &support.bounds {
                None => 0,
                Some((_, upper)) if is_infinite(upper) => 1,
                Some(_) => 2,
            },
        };
        Law {
            group,
            support: support_text(item, all),
            members: members(item, all),
            scalar,
            finite,
        }
    }

    fn has(&self, member: &str) -> bool {
        self.members.iter().any(|name| name == member)
    }

    /// Whether it can be truncated and censored.
    fn cumulative(&self) -> bool {
        self.scalar && (self.has("cdf") || self.has("log_cdf"))
    }

    fn row(&self, name: &str) -> String {
        let mark = |can: bool| if can { "yes" } else { "–" };
        format!(
            "| [{name}](#{name}) | `{}` | {} | {} | {} |\n",
            self.support,
            mark(self.cumulative()),
            mark(self.has("quantile")),
            mark(self.has("sample")),
        )
    }

    fn abilities(&self) -> String {
        let cut = match self.cumulative() {
            true => "can be truncated and censored",
            false => "cannot be truncated or censored",
        };
        let drawn = match self.has("sample") {
            true => "can be simulated",
            false => "cannot be simulated",
        };
        let unknown = match (self.finite, self.scalar) {
            (None, _) => "",
            (Some(_), false) => "; is observed or simulated, never inferred",
            (Some(true), true) => "; an unknown of it is summed out",
            (Some(false), true) => "; an unknown of it must be truncated, and is then summed out",
        };
        let asked: Vec<String> = self
            .members
            .iter()
            .filter(|name| !["sample", "centre", "width"].contains(&name.as_str()))
            .map(|name| format!("`{name}`"))
            .collect();
        format!(
            "On `{}`; {cut}; {drawn}{unknown}. Members: {}.",
            self.support,
            asked.join(", ")
        )
    }
}

fn is_infinite(expression: &tree::Expression) -> bool {
    matches!(&*expression.kind, ExpressionKind::Real(value) if value.is_infinite())
}

/// The support as its definition has it: what stands behind `on`, up to the body.
fn support_text(item: &DistributionItem, all: &[Documented]) -> String {
    let head = all
        .iter()
        .find(|entry| matches!(&entry.item, Item::Distribution(other, _) if **other == *item))
        .map_or("", |entry| &entry.head);
    let support = head.rsplit_once(") on ").map_or("", |(_, support)| support);
    let support = support
        .split_once(" = ")
        .map_or(support, |(first, _)| first);
    support.trim().to_string()
}

/// The members of a distribution, or of the one that it stands for.
fn members(item: &DistributionItem, all: &[Documented]) -> Vec<String> {
    match &item.body {
        DistributionBody::Members(members) => members
            .iter()
            .map(|member| member.name.text.clone())
            .collect(),
        DistributionBody::Same(other) => all
            .iter()
            .filter_map(|entry| match &entry.item {
                Item::Distribution(law, _) if law.name.text == other.name.text => Some(law),
                _ => None,
            })
            .find(|law| matches!(law.body, DistributionBody::Members(_)))
            .map(|law| members(law, all))
            .unwrap_or_default(),
    }
}
