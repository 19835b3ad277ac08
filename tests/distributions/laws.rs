//! What the tests know of the laws: the reference rows of mpmath, the heads of `stdlib/distributions/*.ppl`, and the
//! texts of models made from them.

use std::path::{Path, PathBuf};

use likelier::{Dataset, Error, Model, Options};
use serde_json::Value;

/// One row of `tests/reference/distributions.json`.
pub struct Row {
    pub x: Value,
    /// −∞ outside the support.
    pub log_density: f64,
    pub cdf: Option<f64>,
}

impl Row {
    /// The point: a scalar as a vector of one, a matrix row by row.
    pub fn numbers(&self) -> Vec<f64> {
        flat(&self.x)
    }

    pub fn scalar(&self) -> f64 {
        self.x.as_f64().expect("a number")
    }
}

/// A parameter as its head declares it.
#[derive(Debug, Clone)]
pub struct Parameter {
    pub name: String,
    /// `positive`, `real[K]`, `int in 0..inf`, …
    pub declared: String,
}

/// One `dist` item of a file.
#[derive(Debug, Clone)]
pub struct Head {
    pub law: String,
    /// Number of parameters before the `;`, which may be positional.
    pub positional: usize,
    pub parameters: Vec<Parameter>,
    /// `positive`, `simplex[K]`, `int in 0..n`, …
    pub support: String,
    /// `log_density`, `cdf`, …
    pub members: Vec<String>,
    /// The law that an item without members is another parametrisation of.
    alias_of: Option<String>,
}

impl Head {
    pub fn has(&self, member: &str) -> bool {
        self.members.iter().any(|known| known == member)
    }

    pub fn has_parameter(&self, name: &str) -> bool {
        self.parameters.iter().any(|p| p.name == name)
    }

    /// A law of whole numbers.
    pub fn is_int(&self) -> bool {
        self.support.starts_with("int") && !self.is_vector()
    }

    /// A law of vectors of whole numbers.
    pub fn is_counts(&self) -> bool {
        self.support.starts_with("int") && self.is_vector()
    }

    pub fn is_vector(&self) -> bool {
        self.support.contains('[')
    }

    /// Whether draws are symmetric matrices or, if not symmetric, lower triangular ones.
    pub fn matrix(&self) -> Option<bool> {
        let name = self.support.split('[').next()?;
        match name {
            "corr" | "cov" => Some(true),
            "cholesky_corr" | "cholesky_cov" => Some(false),
            _ => None,
        }
    }

    /// How a draw named `x` calls its first number.
    pub fn first_of_x(&self) -> &'static str {
        match (self.is_vector(), self.matrix()) {
            (_, Some(_)) => "x[1, 1]",
            (true, None) => "x[1]",
            (false, None) => "x",
        }
    }

    pub fn is_continuous_scalar(&self) -> bool {
        !self.is_int() && !self.is_vector()
    }
}

/// A call with its rows.
pub struct Case {
    pub head: Head,
    /// `gamma(shape=2.5, rate=0.7)`
    pub call: String,
    /// The arguments in the order of the parameters.
    pub arguments: Vec<Value>,
    pub rows: Vec<Row>,
}

/// Where the library's distributions are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib/distributions")
}

/// The heads of all items of all files, and the names of the files.
pub fn heads() -> (Vec<Head>, Vec<String>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the library")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ppl"))
        .collect();
    paths.sort();
    let (mut heads, mut files) = (Vec::new(), Vec::new());
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a file of the library");
        let found = heads_of(&text);
        assert!(!found.is_empty(), "{} defines nothing", path.display());
        heads.extend(found);
        files.push(
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
        );
    }
    // An alias has the members of the first item of the law that it stands for.
    let members = |heads: &[Head], law: &str| -> Vec<String> {
        let mut of_law = heads.iter().filter(|head| head.law == law);
        let item = of_law.find(|head| head.alias_of.is_none());
        item.unwrap_or_else(|| panic!("no item defines {law}"))
            .members
            .clone()
    };
    for i in 0..heads.len() {
        if let Some(law) = heads[i].alias_of.clone() {
            heads[i].members = members(&heads, &law);
        }
    }
    (heads, files)
}

fn heads_of(text: &str) -> Vec<Head> {
    let mut chunks: Vec<String> = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        match chunks.last_mut() {
            _ if line.starts_with("dist ") => chunks.push(line.to_owned()),
            Some(chunk) => {
                chunk.push('\n');
                chunk.push_str(line);
            }
            None => {}
        }
    }
    chunks.iter().map(|chunk| head_of(chunk)).collect()
}

fn head_of(chunk: &str) -> Head {
    // A head may go over several lines.
    let words: Vec<&str> = chunk.split_whitespace().collect();
    let text = words.join(" ");
    let text = text.trim_start_matches("dist ");
    let (law, rest) = text.split_once('(').expect("parameters");
    let (inside, rest) = rest.split_once(") on ").expect("a support");
    let (before, after) = inside.split_once(';').unwrap_or((inside, ""));
    let parameters = |list: &str| -> Vec<Parameter> {
        top_level(list)
            .iter()
            .map(|part| {
                let (name, declared) = part.split_once(':').expect("a type");
                let declared = declared.split('=').next().expect("a type");
                Parameter {
                    name: name.trim().to_owned(),
                    declared: declared.trim().to_owned(),
                }
            })
            .collect()
    };
    let mut all = parameters(before);
    let positional = all.len();
    all.extend(parameters(after));
    let end = rest.find(['{', '=']).expect("a definition");
    let (support, definition) = (rest[..end].trim(), &rest[end..]);
    let members = [
        "log_density",
        "cdf",
        "log_cdf",
        "log_ccdf",
        "quantile",
        "sample",
    ];
    let defined = |name: &&str| {
        let head = format!("  {name}(");
        chunk.lines().any(|line| line.starts_with(&head))
    };
    let alias = definition.strip_prefix("= ");
    Head {
        law: law.to_owned(),
        alias_of: alias.and_then(|target| Some(target.split_once('(')?.0.to_owned())),
        positional,
        parameters: all,
        support: support.to_owned(),
        members: members
            .iter()
            .filter(|name| defined(name))
            .map(ToString::to_string)
            .collect(),
    }
}

/// All calls of the reference table with the heads they call.
pub fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/distributions.json");
    let text = std::fs::read_to_string(path).expect("the reference table");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let (heads, _) = heads();
    let mut cases: Vec<Case> = Vec::new();
    for row in rows {
        let call = row["call"].as_str().expect("a call");
        let number = |key: &str| match &row[key] {
            Value::Null => None,
            Value::String(text) if text == "-inf" => Some(f64::NEG_INFINITY),
            value => Some(value.as_f64().expect(key)),
        };
        let entry = Row {
            x: row["x"].clone(),
            log_density: number("log_density").expect("a log density"),
            cdf: number("cdf"),
        };
        match cases.iter_mut().find(|case| case.call == call) {
            Some(case) => case.rows.push(entry),
            None => cases.push(case(&heads, call, entry)),
        }
    }
    cases
}

/// A call written by hand, without rows.
pub fn case_of(call: &str) -> Case {
    let (heads, _) = heads();
    let mut case = case(
        &heads,
        call,
        Row {
            x: Value::Null,
            log_density: 0.0,
            cdf: None,
        },
    );
    case.rows.clear();
    case
}

fn case(heads: &[Head], call: &str, row: Row) -> Case {
    let (law, rest) = call.split_once('(').expect("arguments");
    let inside = rest.strip_suffix(')').expect("a closing parenthesis");
    let parts = top_level(inside);
    let keywords: Vec<Option<&str>> = parts
        .iter()
        .map(|part| part.split_once('=').map(|(name, _)| name))
        .collect();
    let fits =
        |head: &&Head| {
            head.law == law
                && head.parameters.len() == parts.len()
                && head.parameters.iter().zip(&keywords).enumerate().all(
                    |(i, (parameter, keyword))| match keyword {
                        Some(keyword) => *keyword == parameter.name,
                        None => i < head.positional,
                    },
                )
        };
    let head = heads
        .iter()
        .find(fits)
        .unwrap_or_else(|| panic!("no item of the library has the head of {call}"));
    let arguments = parts
        .iter()
        .map(|part| {
            let value = part
                .split_once('=')
                .map_or(part.as_str(), |(_, value)| value);
            serde_json::from_str(value).unwrap_or_else(|_| panic!("{call}: {value}"))
        })
        .collect();
    Case {
        head: head.clone(),
        call: call.to_owned(),
        arguments,
        rows: vec![row],
    }
}

/// `a, [b, c]`, `(d, e)` at its outer commas.
fn top_level(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in text.chars() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("a part").push(c);
    }
    parts
        .iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// A law whose parameters are unknown variables with flat priors: their declarations, the call, and their values here.
pub struct Live {
    pub declarations: String,
    pub call: String,
    pub values: Vec<f64>,
    /// For each parameter of the head, where its values are and how many.
    pub places: Vec<std::ops::Range<usize>>,
}

impl Case {
    /// The finite ends of the support, which may be parameters.
    pub fn edges(&self) -> Vec<f64> {
        let support = self.head.support.as_str();
        let Some((_, ends)) = support.split_once(" in (") else {
            return match support {
                "positive" | "nonnegative" => vec![0.0],
                "unit" => vec![0.0, 1.0],
                _ => vec![],
            };
        };
        let parameters = self.head.parameters.iter().zip(&self.arguments);
        let value = |end: &str| match end.trim() {
            "inf" | "-inf" => None,
            "pi" => Some(std::f64::consts::PI),
            "-pi" => Some(-std::f64::consts::PI),
            end => parameters
                .clone()
                .find(|(parameter, _)| parameter.name == end)
                .map_or_else(|| end.parse().ok(), |(_, argument)| argument.as_f64()),
        };
        ends.trim_end_matches(')')
            .split(',')
            .filter_map(value)
            .collect()
    }

    /// Where the density has no derivative, within its support.
    pub fn kink(&self) -> Option<f64> {
        let place = match self.head.law.as_str() {
            "laplace" => 0,
            "triangular" => 2,
            _ => return None,
        };
        self.arguments[place].as_f64()
    }

    /// All real parameters unknown.
    pub fn live(&self) -> Live {
        let mut live = Live {
            declarations: String::new(),
            call: String::new(),
            values: Vec::new(),
            places: Vec::new(),
        };
        let mut shown = Vec::new();
        for (i, (parameter, argument)) in
            self.head.parameters.iter().zip(&self.arguments).enumerate()
        {
            let start = live.values.len();
            let text = live_argument(parameter, argument, i, &mut live);
            live.places.push(start..live.values.len());
            shown.push(if i < self.head.positional {
                text
            } else {
                format!("{}={text}", parameter.name)
            });
        }
        live.call = format!("{}({})", self.head.law, shown.join(", "));
        live
    }
}

/// The expression that stands for an argument, after declaring what it needs.
fn live_argument(parameter: &Parameter, argument: &Value, i: usize, live: &mut Live) -> String {
    let number = |value: &Value| value.as_f64().expect("a number");
    if parameter.declared.starts_with("int") {
        return argument.to_string();
    }
    let Value::Array(list) = argument else {
        live.declarations += &format!("p{i} ~ flat()\n");
        live.values.push(number(argument));
        return format!("p{i}");
    };
    let mut declare = |values: Vec<f64>| {
        live.declarations += &format!("p{i}[1..{}] ~ flat()\n", values.len());
        live.values.extend(values);
    };
    if list.iter().any(Value::is_array) {
        let symmetric = parameter.declared.starts_with("cov");
        let (values, shown) = triangle(&format!("p{i}"), argument, symmetric);
        declare(values);
        return shown;
    }
    let mut values: Vec<f64> = list.iter().map(number).collect();
    if !parameter.declared.starts_with("simplex") {
        declare(values);
        return format!("p{i}");
    }
    if values.len() == 1 {
        return "[1.0]".to_owned();
    }
    // The last share is what the others leave.
    values.pop();
    let count = values.len();
    declare(values);
    let named: Vec<String> = (1..=count).map(|k| format!("p{i}[{k}]")).collect();
    format!("[{}, 1.0 - {}]", named.join(", "), named.join(" - "))
}

/// The elements of a matrix on and below the diagonal, row by row, and the matrix made of unknowns `name[1]`, `name[2]`, … for
/// them: above the diagonal the same numbers if it is symmetric, else zeros.
pub fn triangle(name: &str, matrix: &Value, symmetric: bool) -> (Vec<f64>, String) {
    let rows = matrix.as_array().expect("rows");
    let size = rows.len();
    let below = (0..size).flat_map(|r| (0..=r).map(move |c| (r, c)));
    let values = below.map(|(r, c)| rows[r][c].as_f64().expect("a number"));
    let place = |r: usize, c: usize| format!("{name}[{}]", r * (r + 1) / 2 + c + 1);
    let shown = |r: usize, c: usize| match (c <= r, symmetric) {
        (true, _) => place(r, c),
        (false, true) => place(c, r),
        (false, false) => "0.0".to_owned(),
    };
    let row = |r: usize| {
        let elements: Vec<String> = (0..size).map(|c| shown(r, c)).collect();
        format!("[{}]", elements.join(", "))
    };
    let rows: Vec<String> = (0..size).map(row).collect();
    (values.collect(), format!("[{}]", rows.join(", ")))
}

/// All numbers of nested lists.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().expect("a number")],
    }
}

/// `let k = if s < 0.5 { x₀ } else if s < 1.5 { x₁ } …`: whole numbers chosen by a real unknown `s`.
pub fn chosen(points: &[i64]) -> String {
    let mut text = "s ~ flat()\nlet k = ".to_owned();
    for (i, x) in points.iter().enumerate() {
        if i + 1 < points.len() {
            text += &format!("if s < {i}.5 {{ {x} }} else ");
        } else if i == 0 {
            text += &format!("if s < 0.5 {{ {x} }} else {{ {x} }}\n");
        } else {
            text += &format!("{{ {x} }}\n");
        }
    }
    text
}

pub fn compile(text: &str, data: &str) -> Result<Model, Error> {
    let data =
        Dataset::from_json("data.json", data).unwrap_or_else(|error| panic!("{data}: {error}"));
    Model::compile("model.ppl", text, &data, &Options::default())
}

/// A model that must compile.
pub fn model(text: &str, data: &str) -> Model {
    compile(text, data).unwrap_or_else(|error| panic!("{text}with {data}: {error}"))
}

/// A model that should compile; a complaint if it does not.
pub fn attempt(complaints: &mut Complaints, text: &str, data: &str) -> Option<Model> {
    match compile(text, data) {
        Ok(model) => Some(model),
        Err(error) => {
            complaints.say(format!("{text}with {data}: {}", first_line(&error)));
            None
        }
    }
}

/// What an error says first, for complaints of many.
pub fn first_line(error: &Error) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Complaints of one test, all said at once.
#[derive(Default)]
pub struct Complaints(Vec<String>);

impl Complaints {
    pub fn say(&mut self, text: impl Into<String>) {
        self.0.push(text.into());
    }

    /// `found` within `tolerance` of `expected`, relative above 1.
    pub fn close(&mut self, what: &str, found: f64, expected: f64, tolerance: f64) {
        let is_close =
            found == expected || (found - expected).abs() <= tolerance * expected.abs().max(1.0);
        if !is_close {
            self.say(format!("{what}: {found:e}, not {expected:e}"));
        }
    }
}

impl Drop for Complaints {
    fn drop(&mut self) {
        if !self.0.is_empty() && !std::thread::panicking() {
            panic!("{} complaints:\n{}", self.0.len(), self.0.join("\n"));
        }
    }
}
