//! What a session at a prompt asks of a model that grows: what was typed, what became of each name, and the values of
//! expressions: at once, along the draws of a posterior, or along draws from the prior.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use likelier_compiler::ast::fragment::{self, Fragment, Piece};
pub use likelier_compiler::ast::fragment::{
    Open, WordKind, begins_statement, continues, is_unfinished, open, words,
};
use likelier_compiler::ast::tree::{Expression, ExpressionKind};
use likelier_compiler::ast::{self, names};
use likelier_compiler::check::hir::Element;
pub use likelier_compiler::docs::{NameKind, signatures};
pub use likelier_compiler::interactive::{Described, DescribedKind, Description};
use likelier_compiler::interactive::{
    Evaluation, describe as describe_program, evaluate as compile_evaluation,
};
use likelier_compiler::source::{Sources, Span};
use likelier_compiler::{Column, Options};
use likelier_runtime::random::{Purpose, Stream};

use crate::posterior::{Chain, Posterior};
use crate::simulation::Simulator;
use crate::{Dataset, Error, sampling, sources};

/// What was typed.
pub enum Typed {
    /// Statements, each with its text and the comments before it.
    Statements(Vec<Statement>),
    /// An expression.
    Expression(Wanted),
    /// A distribution that a draw is wanted of.
    Draw(Wanted),
}

/// An expression or distribution whose value is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// As typed, on one line.
    pub text: String,
    /// The names it reads.
    pub reads: BTreeSet<String>,
    /// The name that it is a plain call of: perhaps a distribution.
    pub call: Option<String>,
    /// Whether it is a name and nothing else.
    pub is_name: bool,
}

/// A statement as a session keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The blank lines and comments before it.
    pub leading: String,
    /// As typed.
    pub text: String,
    /// What sort it is.
    pub sort: Sort,
    /// The names it defines.
    pub defines: Vec<String>,
    /// Those among them that are drawn.
    pub draws: Vec<String>,
    /// Whether it conditions on something by itself.
    pub is_condition: bool,
    /// The names it reads.
    pub reads: BTreeSet<String>,
    /// What it is known by: a statement replaces those that are known by the same, or by [`Statement::replaces`].
    pub key: String,
    /// Whether it defines its name as a whole, so that every statement that defined it before is void.
    pub is_whole: bool,
    /// The words to the right of `~` or `=`, on one line, of a statement that is one definition.
    pub definition: Option<String>,
}

/// The sorts of statements that a session treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// `given`
    Given,
    /// `let`
    Let,
    /// `~`
    Random,
    /// `report`
    Report,
    /// `soft`, by its name
    Soft,
    /// `observe`, `factor`, `require`
    Condition,
    /// `for`, `if`
    Block,
    /// `fn`
    Function,
    /// `dist`
    Distribution,
    /// `model`
    Model,
    /// `import`
    Import,
    /// What models do not have: `var`, assignments, `return`.
    Other,
}

/// Reads what was typed; `name` is what messages call it.
///
/// # Errors
/// [`Error::Model`] with what is wrong.
pub fn read(name: &str, text: &str) -> Result<Typed, Error> {
    let (sources, file) = sources(name, text, None);
    let oneline = |span| sources.one_line(span);
    match fragment::fragment(file, text) {
        Ok(Fragment::Statements(statements)) => Ok(Typed::Statements(kept(text, statements))),
        Ok(Fragment::Expression(expression)) => Ok(Typed::Expression(Wanted::expression(
            &expression,
            tidy(text),
        ))),
        Ok(Fragment::Draw(distribution)) => Ok(Typed::Draw(Wanted {
            text: oneline(distribution.span),
            reads: names::read_by_distribution(&distribution),
            call: Some(distribution.name.text),
            is_name: false,
        })),
        Err(diagnostics) => Err(Error::model(sources, diagnostics)),
    }
}

/// The statements of a file.
///
/// # Errors
/// [`Error::Model`] with everything that is no statement.
pub fn read_file(name: &str, text: &str) -> Result<Vec<Statement>, Error> {
    let (sources, file) = sources(name, text, None);
    let (tree, diagnostics) = ast::parse(file, text);
    match diagnostics.is_empty() {
        true => Ok(kept(text, tree.statements)),
        false => Err(Error::model(sources, diagnostics)),
    }
}

/// A text without its comments, on one line.
fn tidy(text: &str) -> String {
    let is_comment = |kind: &WordKind| *kind == WordKind::Comment;
    let mut plain = text.to_string();
    let comments = words(text).into_iter().filter(|(_, kind)| is_comment(kind));
    for (range, _) in comments.collect::<Vec<_>>().into_iter().rev() {
        plain.replace_range(range, "");
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").trim_end_matches(';').trim_end().to_string()
}

impl Wanted {
    fn expression(expression: &Expression, text: String) -> Self {
        let call = match &*expression.kind {
            ExpressionKind::Call { function, .. } => Some(function.text.clone()),
            _ => None,
        };
        Self {
            text,
            reads: names::read_by_expression(expression),
            call,
            is_name: matches!(&*expression.kind, ExpressionKind::Name(_)),
        }
    }
}

fn kept(text: &str, statements: Vec<ast::tree::Statement>) -> Vec<Statement> {
    fragment::pieces(text, statements)
        .into_iter()
        .map(|piece| statement(text, piece))
        .collect()
}

fn statement(text: &str, piece: Piece) -> Statement {
    use ast::tree::{RandomIndex, StatementKind as Tree};
    let tree = &piece.statement;
    let excerpt = |span: Span| tidy(&text[span.start as usize..span.end as usize]);
    let defines = names::defined(tree);
    let own = defines.first().cloned().unwrap_or_default();
    let whole = |sort, definition: Option<String>| (sort, own.clone(), true, definition);
    let begins_at_one = |index: &RandomIndex| match index {
        RandomIndex::Over { range, .. } => excerpt(range.lower.span) == "1",
        RandomIndex::At(_) => false,
    };
    let left = |stop: char| piece.text.split(stop).next().map(tidy).unwrap_or_default();
    let (sort, key, is_whole, definition) = match &tree.kind {
        Tree::Given { ty, .. } => whole(Sort::Given, Some(excerpt(ty.span))),
        Tree::Let { indices, value, .. } if indices.is_empty() => {
            whole(Sort::Let, Some(excerpt(value.span)))
        }
        Tree::Let { .. } => (Sort::Let, left('='), false, None),
        Tree::LetTuple { .. } => whole(Sort::Let, None),
        Tree::Random {
            indices,
            distribution,
            ..
        } => {
            let right = Some(excerpt(distribution.span));
            match indices.iter().all(begins_at_one) {
                true => whole(Sort::Random, right),
                false => (Sort::Random, left('~'), false, right),
            }
        }
        Tree::Report { name, value } => (
            Sort::Report,
            format!("report {}", name.text),
            value.is_some(),
            value.as_ref().map(|value| excerpt(value.span)),
        ),
        Tree::Soft { name, .. } => (Sort::Soft, format!("soft {}", name.text), false, None),
        Tree::Observe { .. } | Tree::Factor { .. } | Tree::Require { .. } => {
            (Sort::Condition, String::new(), false, None)
        }
        Tree::For { .. } | Tree::If { .. } => (
            Sort::Block,
            format!("block {}", defines.join(" ")),
            false,
            None,
        ),
        Tree::Function(_) => whole(Sort::Function, None),
        Tree::Distribution(item) => {
            let named = item.parameters.iter().filter(|p| p.keyword_only);
            let named: Vec<&str> = named.map(|p| p.name.text.as_str()).collect();
            let key = format!("dist {}({})", item.name.text, named.join(", "));
            (Sort::Distribution, key, false, None)
        }
        Tree::Model(_) => whole(Sort::Model, None),
        Tree::Import { .. } | Tree::ImportFile { .. } => {
            (Sort::Import, tidy(&piece.text), false, None)
        }
        Tree::Var { .. } | Tree::Assign { .. } | Tree::Return { .. } => {
            (Sort::Other, String::new(), false, None)
        }
    };
    Statement {
        reads: names::read(tree),
        draws: names::drawn(tree),
        is_condition: names::conditions(tree),
        leading: piece.leading,
        text: piece.text,
        sort,
        defines,
        key,
        is_whole,
        definition,
    }
}

impl Statement {
    /// Whether this statement makes an earlier one void.
    pub fn replaces(&self, earlier: &Statement) -> bool {
        if !self.key.is_empty() && self.key == earlier.key {
            return true;
        }
        let is_item = |sort| matches!(sort, Sort::Distribution | Sort::Function | Sort::Model);
        let same_sort = is_item(self.sort) == is_item(earlier.sort);
        self.is_whole
            && same_sort
            && self
                .defines
                .iter()
                .any(|name| earlier.defines.contains(name))
    }
}

/// What is known of a program, with as many of its data as there are; and the texts that its diagnostics point into.
///
/// # Errors
/// [`Error::Model`] with what is wrong with the text.
pub fn describe(
    name: &str,
    text: &str,
    data: &Dataset,
    options: &Options,
) -> Result<(Description, Sources), Error> {
    let (mut sources, file) = sources(name, text, options.loader);
    match describe_program(&mut sources, file, data, options) {
        Ok(description) => Ok((description, sources)),
        Err(diagnostics) => Err(Error::model(sources, diagnostics)),
    }
}

/// The value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Whether its elements are whole numbers.
    pub is_int: bool,
    /// The length of each index position.
    pub shape: Vec<usize>,
    /// Its elements, last index fastest.
    pub values: Vec<f64>,
}

/// The value of the report or random variable `wanted` of a program that needs no draws. Of random variables, those in the
/// data keep them, others are drawn with the random numbers of (`seed`, `number`).
///
/// # Errors
/// [`Error::Model`] with what is wrong.
pub fn value(program: Program<'_>, wanted: &str, seed: u64, number: u64) -> Result<Value, Error> {
    let (evaluation, _) = program.compile(&[], wanted)?;
    let mut stream = Stream::new(seed, Purpose::Prediction, u32::MAX);
    stream.at(number);
    Ok(Value {
        is_int: evaluation.element == Element::Int,
        values: evaluation.value(&mut stream),
        shape: evaluation.shape,
    })
}

/// Draws of the report or random variable `wanted`, one after another.
///
/// # Errors
/// [`Error::Model`] with what is wrong.
pub fn draws(
    program: Program<'_>,
    wanted: &str,
    seed: u64,
    count: usize,
) -> Result<(Vec<Column>, Vec<Vec<f64>>), Error> {
    let (evaluation, _) = program.compile(&[], wanted)?;
    let mut stream = Stream::new(seed, Purpose::Prediction, u32::MAX);
    let mut draw = |number| {
        stream.at(number as u64);
        evaluation.value(&mut stream)
    };
    let rows = (0..count).map(&mut draw).collect();
    Ok((evaluation.simulation.columns, rows))
}

/// The report or random variable `wanted` along all draws of a posterior, which takes the place of the columns of the run.
///
/// # Errors
/// [`Error::Model`] with what is wrong.
pub fn along(
    program: Program<'_>,
    wanted: &str,
    posterior: &Posterior,
) -> Result<Posterior, Error> {
    let (evaluation, sources) = program.compile(&posterior.columns, wanted)?;
    let columns = evaluation.simulation.columns.clone();
    let simulator = Simulator::of(evaluation.simulation, sources);
    let chain = |chain: &Chain| Chain {
        values: simulator.along_chain(posterior, chain).values,
        ..chain.clone()
    };
    let chains: Vec<Chain> = posterior.chains.iter().map(chain).collect();
    Ok(Posterior {
        summary: sampling::summarise(&columns, &chains),
        columns,
        chains,
        ..posterior.clone()
    })
}

impl Posterior {
    /// The same run with some of its columns only.
    #[must_use]
    pub fn only(&self, is_wanted: &dyn Fn(&Column) -> bool) -> Posterior {
        let width = self.columns.len();
        let kept: Vec<usize> = (0..width)
            .filter(|&c| is_wanted(&self.columns[c]))
            .collect();
        let chain = |chain: &Chain| {
            let rows = chain.values.chunks(width.max(1));
            Chain {
                values: rows.flat_map(|row| kept.iter().map(|&c| row[c])).collect(),
                ..chain.clone()
            }
        };
        Posterior {
            columns: kept.iter().map(|&c| self.columns[c].clone()).collect(),
            summary: kept.iter().map(|&c| self.summary[c].clone()).collect(),
            chains: self.chains.iter().map(chain).collect(),
            ..self.clone()
        }
    }
}

/// A program to evaluate: its text and data.
pub struct Program<'a> {
    /// What messages call it; files it imports are looked for beside it.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Its data.
    pub data: &'a Dataset,
    /// How to compile.
    pub options: Options,
}

impl Program<'_> {
    fn compile(&self, columns: &[Column], wanted: &str) -> Result<(Evaluation, Sources), Error> {
        let options = &self.options;
        let (mut sources, file) = sources(self.name, self.text, options.loader);
        match compile_evaluation(&mut sources, file, self.data, columns, wanted, options) {
            Ok(evaluation) => Ok((evaluation, sources)),
            Err(diagnostics) => Err(Error::model(sources, diagnostics)),
        }
    }
}

/// All names of the library and the words of the language, sorted.
pub fn library_names() -> &'static [(&'static str, NameKind)] {
    static NAMES: LazyLock<Vec<(&str, NameKind)>> = LazyLock::new(likelier_compiler::docs::names);
    &NAMES
}

/// What the library means by a name, if it has it.
pub fn library_kind(name: &str) -> Option<NameKind> {
    let names = library_names();
    let found = names.binary_search_by_key(&name, |(own, _)| own);
    found.ok().map(|place| names[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Statement {
        match read("input", text) {
            Ok(Typed::Statements(mut statements)) => statements.remove(0),
            _ => panic!("{text} is a statement"),
        }
    }

    #[test]
    fn a_whole_definition_replaces_all_parts_and_a_part_its_own() {
        for (newer, older, replaces) in [
            ("x ~ normal(0, 2)", "x ~ normal(0, 1)", true),
            ("let x = 2", "x ~ normal(0, 1)", true),
            (
                "x[1..4] ~ normal(0, 2)",
                "x[i in 1..8] ~ normal(0, i)",
                true,
            ),
            ("x[5..8] ~ normal(0, 2)", "x[1..4] ~ normal(0, 1)", false),
            ("x[5..8] ~ normal(0, 2)", "x[5..8] ~ normal(0, 1)", true),
            ("let v[1] = 1", "let v[1] = 0", true),
            (
                "let v[1] = 1",
                "for t in 2..3 { let v[t] = v[t - 1] }",
                false,
            ),
            (
                "for t in 2..9 { let v[t] = 1 }",
                "for t in 2..3 { let v[t] = v[t - 1] }",
                true,
            ),
            (
                "let v = [1, 2]",
                "for t in 2..3 { let v[t] = v[t - 1] }",
                true,
            ),
            (
                "observe a ~ normal(0, 1)",
                "observe a ~ normal(0, 1)",
                false,
            ),
            ("soft s: a ~= 1 within 2", "soft s: a ~= 1 within 1", true),
            ("report r = a", "report r = b", true),
            ("report a", "let a = 1", false),
            (
                "fn f(x: real) -> real = x",
                "fn f(x: real) -> real = 2 * x",
                true,
            ),
            (
                "dist d(; a: real) on real = normal(a, 1)",
                "dist d(; b: real) on real = normal(b, 1)",
                false,
            ),
            ("import std.kernels", "import std.kernels", true),
        ] {
            assert_eq!(
                one(newer).replaces(&one(older)),
                replaces,
                "{newer} after {older}"
            );
        }
    }

    #[test]
    fn comments_are_no_part_of_what_is_wanted() {
        let Ok(Typed::Expression(wanted)) = read("input", "theta[1] -  # the first\n theta[2]")
        else {
            panic!("an expression");
        };
        assert_eq!(wanted.text, "theta[1] - theta[2]");
    }
}
