//! From text to tree. Words are cut into statements first ([`lines`]); each statement is parsed by itself with the
//! generated parser, so that one mistake is one message and everything else is still understood.

mod foreign;
pub mod format;
pub mod fragment;
pub mod lines;
pub mod names;
pub mod print;
mod reserved;
pub mod token;
pub mod tree;

use lalrpop_util::{ParseError, lalrpop_mod};

use crate::source::{Diagnostic, FileId, Span};
use token::Token;
use tree::*;

lalrpop_mod!(
    #[allow(clippy::all, missing_docs, unused_imports, dead_code)]
    grammar,
    "/ast/grammar.rs"
);

/// At most this many syntax errors are shown.
const MOST_ERRORS: usize = 20;

/// A mistake that the grammar allows and an action finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Parses a file: all that could be understood, and what could not.
pub fn parse(file: FileId, text: &str) -> (Tree, Vec<Diagnostic>) {
    let (doc, chunks, mut diagnostics) = lines::statements(file, text);
    let parser = grammar::StatementParser::new();
    let mut tree = Tree {
        doc,
        statements: Vec::new(),
    };
    for chunk in chunks {
        if diagnostics.len() >= MOST_ERRORS {
            break;
        }
        let end = chunk.words.last().map_or(0, |word| word.2);
        let words: Vec<lines::Word> = chunk.words;
        let result = parser.parse(file, words.iter().cloned().map(Ok::<_, Problem>));
        match result {
            Ok(statement) => tree.statements.push(Statement {
                doc: chunk.doc,
                ..statement
            }),
            Err(error) => diagnostics.push(explain(file, text, &words, end, error)),
        }
    }
    diagnostics.truncate(MOST_ERRORS);
    (tree, diagnostics)
}

fn explain(
    file: FileId,
    text: &str,
    words: &[lines::Word],
    end: usize,
    error: ParseError<usize, Token, Problem>,
) -> Diagnostic {
    let ((start, token, stop), expected) = match error {
        ParseError::User { error } => {
            return Diagnostic::error("E0110", error.message)
                .at(error.span, "")
                .help(error.help);
        }
        ParseError::UnrecognizedToken { token, expected } => {
            (token, reserved::Expected::new(&expected))
        }
        ParseError::ExtraToken { token } => (token, reserved::Expected::NoName),
        ParseError::InvalidToken { location } | ParseError::UnrecognizedEof { location, .. } => {
            let place = Span::new(file, location.max(1) - 1, end);
            let help = match &words[0].1 {
                Token::Given => "say its type, as in `given x: real[N]`",
                Token::Observe => "say its distribution, as in `observe e ~ normal(0, 1)`",
                Token::Let => "say its value, as in `let a = 2 * b`",
                Token::Soft => SOFT_FORM,
                Token::Name(_) => {
                    "a statement is `x ~ normal(0, 1)` or `let x = …`; `factor e` adds a number to the log density"
                }
                _ => "go on with the statement, or remove it",
            };
            return Diagnostic::error("E0111", "this statement stops too early")
                .at(place, "something is missing after this")
                .help(help);
        }
    };
    let place = Span::new(file, start, stop);
    let found = if token == Token::End {
        "the end of the line".into()
    } else {
        format!("`{}`", &text[start..stop])
    };
    let position = words
        .iter()
        .position(|word| word.0 == start && word.2 == stop)
        .unwrap_or(0);
    let before = |back: usize| position.checked_sub(back).map(|i| &words[i].1);
    if let Some(help) = reserved::help(text, words, position, expected)
        .or_else(|| foreign::help(text, words, position))
    {
        return Diagnostic::error("E0110", format!("{found} is not expected here"))
            .at(place, "")
            .help(help);
    }
    if let Some(help) = drawn_expression(file, text, words, position) {
        return Diagnostic::error("E0110", "only a variable can stand left of `~`")
            .at(place, "this makes it an expression")
            .help(help);
    }
    let help = match (&token, before(1)) {
        _ if constraint_help(words, position).is_some() => {
            constraint_help(words, position).unwrap_or_default()
        }
        (Token::Less, Some(Token::Name(_))) if position == 1 => {
            if words.get(2).is_some_and(|word| word.1 == Token::Minus) {
                "a value is written `let a = 2 * b`, a random variable `x ~ normal(0, 1)`"
            } else {
                "types and supports come from the distribution: write `sigma ~ half_normal(1)` alone"
            }
        }
        (Token::Equal, _) if words[0].1 == Token::Let => {
            "a value is given with one `=`: `let a = 1`"
        }
        (Token::Assign, _) if matches!(words[0].1, Token::Let | Token::If | Token::Require) => {
            "equality is written `==`"
        }
        (Token::Slash, _)
            if words
                .get(position + 1)
                .is_some_and(|word| word.1 == Token::Slash) =>
        {
            "comments begin with `#`"
        }
        (Token::Plus | Token::Minus | Token::Star | Token::Slash, _)
            if words
                .get(position + 1)
                .is_some_and(|word| word.1 == Token::Assign) =>
        {
            "write it out: `s = s + x` for a `var` of a function; `factor e` adds to the log density of a model"
        }
        (Token::Assign, Some(Token::Plus | Token::Minus | Token::Star | Token::Slash)) => {
            "write it out: `s = s + x` for a `var` of a function; `factor e` adds to the log density of a model"
        }
        (Token::ParenClose | Token::Comma, Some(Token::Name(_))) if words[0].1 == Token::Fn => {
            "each parameter has a type: `fn f(x: real) -> real = …`"
        }
        (Token::Name(_), Some(Token::In)) | (Token::ParenOpen, Some(Token::Name(_)))
            if words[0].1 == Token::For =>
        {
            "a loop runs over a range: `for i in 1..N { … }`"
        }
        (Token::BraceOpen, Some(Token::ParenClose)) if words[0].1 == Token::For => {
            "a loop runs over a range: `for i in 1..N { … }`"
        }
        (Token::Text(_), _) => {
            "a text can only be an index, of what has an element for each label: `a[\"Oslo\"]`; elsewhere compare numbers, for the labels of a `given g: factor[N]` are sorted and counted from 1"
        }
        (Token::Name(name), _)
            if name == "then" && words[..position].iter().any(|w| w.1 == Token::If) =>
        {
            "a choice is written `if c { a } else { b }`"
        }
        (Token::Truncated | Token::Censored | Token::Ordered, _)
            if foreign::is_inside(words, position) =>
        {
            "this stands at the end of a statement and applies to all of it, as in `y ~ mixture(…) truncated(0, inf)`; \
             for a part of a mixture take a law with these bounds of its own, such as `half_normal(1)`"
        }
        (Token::If, _) => "a choice is written `if c { a } else { b }`",
        (Token::End | Token::Name(_), Some(Token::ParenClose)) if position + 1 >= words.len() => {
            "a statement is `x ~ normal(0, 1)`, `let x = f(…)`, or `factor f(…)`"
        }
        (Token::ParenOpen, Some(Token::Name(_))) if position == 1 => {
            "a statement is `x ~ normal(0, 1)` or `let x = f(…)`; `factor e` adds a number to the log density"
        }
        (Token::Minus, Some(Token::Less)) => {
            "a random variable is written `x ~ normal(0, 1)`, a value `let a = 1`"
        }
        (Token::Assign, Some(Token::Colon)) => "a value is written `let a = 1`",
        (Token::Star, Some(Token::Star)) => "a power is written `a^b`",
        (Token::Slash, Some(Token::Slash)) => "comments begin with `#`",
        (Token::Colon, _) => "a range is written `1..N`; types belong to `given x: real[N]`",
        (Token::Tilde, Some(Token::Name(_))) if words[0].1 == Token::Let => {
            "leave out `let`: a random variable is written `x ~ normal(0, 1)`"
        }
        (Token::Else, _) => "`else` follows the `}` of an `if`",
        (Token::Name(_), Some(Token::Name(_))) => {
            "two names stand side by side: an operator or a comma is missing, or this is a declaration of another \
             language (here, types follow from distributions, and data are declared by `given x: real[N]`)"
        }
        (Token::BraceOpen, Some(Token::Name(_) | Token::Model)) => {
            "there are no blocks here: write the statements one after the other"
        }
        _ => "something before this is incomplete, or an operator or a comma is missing",
    };
    Diagnostic::error("E0110", format!("{found} is not expected here"))
        .at(place, "")
        .help(help)
}

/// What to write instead of `e ~ …`, where `e` is an expression and no variable: the words before the `~` of the statement in
/// which the unexpected one stands.
fn drawn_expression(
    file: FileId,
    text: &str,
    words: &[lines::Word],
    position: usize,
) -> Option<String> {
    let is_edge = |word: &lines::Word| {
        matches!(
            word.1,
            Token::End | Token::BraceOpen | Token::BraceClose | Token::Tilde
        )
    };
    let start = words[..position].iter().rposition(is_edge);
    let start = start.map_or(0, |edge| edge + 1);
    let tilde = position + words[position..].iter().position(is_edge)?;
    if words[tilde].1 != Token::Tilde || start == tilde {
        return None;
    }
    let left = &words[start..tilde];
    let parser = grammar::ExprParser::new();
    let parsed = parser
        .parse(file, left.iter().cloned().map(Ok::<_, Problem>))
        .ok()?;
    if let ExpressionKind::Index { base, .. } = &*parsed.kind {
        let name = &text[base.span.start as usize..base.span.end as usize];
        return Some(format!(
            "elements are drawn by their numbers, as in `{name}[2] ~ …`; labels are sorted and counted from 1"
        ));
    }
    let shown = &text[left.first()?.0..left.last()?.2];
    let whole = format!(
        "write `observe {shown} ~ …`: that is the density of `{shown}` itself, and adds no Jacobian"
    );
    let follows = |at: usize| words.get(tilde + at).map(|word| &word.1);
    let is_logarithm = left[0].1 == Token::Name("log".into())
        && matches!(left.get(1)?.1, Token::ParenOpen)
        && left.last()?.1 == Token::ParenClose;
    Some(
        match is_logarithm && follows(1) == Some(&Token::Name("normal".into())) {
            true => {
                let inner = &text[left[2].0..left[left.len() - 2].2];
                format!("{whole}; for the density of `{inner}`, write `{inner} ~ lognormal(…)`")
            }
            false => whole,
        },
    )
}

/// How a soft constraint is written.
const SOFT_FORM: &str = "a soft constraint is `soft NAME: a ~= b within s`; `weight w` and then `for i in a..b` may follow";

/// What to say where a soft constraint cannot be understood.
fn constraint_help(words: &[lines::Word], position: usize) -> Option<&'static str> {
    let before = &words[..position.min(words.len())];
    let start = before.iter().rposition(|word| word.1 == Token::Soft)?;
    let inside = &before[start + 1..];
    if inside.iter().any(|word| word.1 == Token::End) {
        return None;
    }
    Some(match &words.get(position)?.1 {
        _ if !inside.iter().any(|word| word.1 == Token::Colon) => {
            "a soft constraint has a name: `soft NAME: a ~= b within s`"
        }
        Token::Tilde => "a soft equality is written `~=`: `a ~= b within s`",
        Token::Within => {
            "`within` belongs to one comparison, inside its parentheses and once: `(a ~= b within s) and (c < d within t)`"
        }
        _ => SOFT_FORM,
    })
}

fn expression(file: FileId, start: usize, end: usize, kind: ExpressionKind) -> Expression {
    Expression {
        span: Span::new(file, start, end),
        kind: Box::new(kind),
    }
}

fn binary(operator: BinaryOperator, left: Expression, right: Expression) -> Expression {
    let span = left.span.to(right.span);
    Expression {
        span,
        kind: Box::new(ExpressionKind::Binary {
            operator,
            left,
            right,
        }),
    }
}

/// Two operands with a plain sign and no `within` are an ordinary comparison.
fn comparison(
    first: Expression,
    rest: Vec<(Relation, Expression)>,
    strength: Option<Strength>,
) -> Expression {
    if let [(relation, right)] = &rest[..]
        && let (RelationKind::Plain(operator), None) = (relation.kind, &strength)
    {
        return binary(operator, first, right.clone());
    }
    let mut span = first.span;
    let (mut operands, mut relations) = (vec![first], Vec::new());
    for (relation, operand) in rest {
        span = span.to(operand.span);
        operands.push(operand);
        relations.push(relation);
    }
    if let Some(strength) = &strength {
        let last = strength.tail.as_ref().map(|tail| tail.name.span);
        span = span.to(last.unwrap_or(strength.within.span));
    }
    let kind = ExpressionKind::Constraint(Constraint::Compare {
        operands,
        relations,
        strength,
    });
    Expression {
        span,
        kind: Box::new(kind),
    }
}

fn constraint(file: FileId, start: usize, end: usize, constraint: Constraint) -> Expression {
    expression(file, start, end, ExpressionKind::Constraint(constraint))
}

fn unary(operator: UnaryOperator, file: FileId, start: usize, operand: Expression) -> Expression {
    let span = Span::new(file, start, operand.span.end as usize);
    Expression {
        span,
        kind: Box::new(ExpressionKind::Unary { operator, operand }),
    }
}

/// `inf` and `pi` are numbers.
fn name(name: Name) -> Expression {
    let kind = match name.text.as_str() {
        "inf" => ExpressionKind::Real(f64::INFINITY),
        "pi" => ExpressionKind::Real(std::f64::consts::PI),
        _ => ExpressionKind::Name(name.text),
    };
    Expression {
        span: name.span,
        kind: Box::new(kind),
    }
}

fn returning(value: Expression) -> Vec<Statement> {
    vec![Statement {
        span: value.span,
        doc: None,
        kind: StatementKind::Return { value },
    }]
}

/// The factor whose labels a column shares: `levels home`.
fn levels_of(
    words: Option<(Name, Name)>,
) -> Result<Option<Name>, ParseError<usize, Token, Problem>> {
    match words {
        None => Ok(None),
        Some((word, factor)) if word.text == "levels" => Ok(Some(factor)),
        Some((word, _)) => Err(ParseError::User {
            error: Problem {
                span: word.span,
                message: format!("`{}` has no meaning after a type", word.text),
                help: "a statement ends with its line; after a type stand `from \"column\"`, `= default` or, for a factor, `levels other` only".into(),
            },
        }),
    }
}

fn plain_indices(
    indices: Vec<RandomIndex>,
) -> Result<Vec<Expression>, ParseError<usize, Token, Problem>> {
    indices
        .into_iter()
        .map(|index| match index {
            RandomIndex::At(at) => Ok(at),
            RandomIndex::Over { range, .. } => Err(ParseError::User {
                error: Problem {
                    span: range.lower.span.to(range.upper.span),
                    message: "an assignment changes one element, not a range".into(),
                    help: "assign inside `for i in a..b { … }`".into(),
                },
            }),
        })
        .collect()
}

/// The type `real[N] in (a, b)`, whose first part has been read as an expression.
fn bounded(
    span: Span,
    ty: &Expression,
    bounds: (Expression, Expression),
) -> Result<Type, ParseError<usize, Token, Problem>> {
    match ty.as_type() {
        Some(ty) => Ok(Type {
            span,
            bounds: Some(bounds),
            ..ty
        }),
        None => Err(ParseError::User {
            error: Problem {
                span: ty.span,
                message: "bounds follow a type".into(),
                help: "write `real in (a, b)` or `real[N] in (a, b)`".into(),
            },
        }),
    }
}

/// The two bounds in `real in (a, b)`.
fn pair(pair: Expression) -> Result<(Expression, Expression), ParseError<usize, Token, Problem>> {
    let span = pair.span;
    match *pair.kind {
        ExpressionKind::Tuple(parts) if parts.len() == 2 => {
            let mut parts = parts.into_iter();
            Ok((
                parts.next().expect("two parts"),
                parts.next().expect("two parts"),
            ))
        }
        _ => Err(ParseError::User {
            error: Problem {
                span,
                message: "bounds are a pair or a range".into(),
                help: "write `real in (0, 1)` or `int in 1..K`".into(),
            },
        }),
    }
}

fn method(
    file: FileId,
    start: usize,
    end: usize,
    base: Expression,
    method: Name,
    arguments: Vec<Expression>,
) -> Result<Expression, ParseError<usize, Token, Problem>> {
    match *base.kind {
        ExpressionKind::Call {
            function,
            arguments: parameters,
        } => {
            let distribution = Distribution {
                span: base.span,
                name: function,
                arguments: parameters,
                modifiers: Vec::new(),
            };
            Ok(expression(
                file,
                start,
                end,
                ExpressionKind::Method {
                    distribution,
                    method,
                    arguments,
                },
            ))
        }
        _ => Err(ParseError::User {
            error: Problem {
                span: method.span,
                message: format!("`.{}(…)` follows a distribution only", method.text),
                help: "write it as `normal(0, 1).log_density(x)`".into(),
            },
        }),
    }
}

/// `b.tau`: a variable inside the model that `b` stands for.
fn field(
    file: FileId,
    start: usize,
    end: usize,
    base: Expression,
    field: Name,
) -> Result<Expression, ParseError<usize, Token, Problem>> {
    match *base.kind {
        ExpressionKind::Name(name) => {
            let name = ExpressionKind::Name(format!("{name}.{}", field.text));
            Ok(expression(file, start, end, name))
        }
        _ => Err(ParseError::User {
            error: Problem {
                span: field.span,
                message: format!("`.{}` follows a name only", field.text),
                help: "a variable inside a model is written `b.tau`, its elements `b.tau[j]`"
                    .into(),
            },
        }),
    }
}

#[cfg(test)]
mod tests;
