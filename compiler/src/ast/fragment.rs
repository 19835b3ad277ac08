//! What somebody types at a prompt: statements, an expression, or a distribution to draw from; and whether it is finished.
//! A file holds statements only, so this is the one place where the other two are read.

use lalrpop_util::ParseError;
use logos::Logos;

use super::lines::{self, Word};
use super::token::Token;
use super::tree::{Distribution, Expression, Statement, StatementKind};
use super::{Problem, explain, grammar, parse};
use crate::source::{Diagnostic, FileId};

/// What was typed.
#[derive(Debug, Clone, PartialEq)]
pub enum Fragment {
    /// Statements of a model; none if there are only comments.
    Statements(Vec<Statement>),
    /// An expression. A call of a distribution is one too, because only its name tells.
    Expression(Expression),
    /// A distribution that cannot be an expression: `~ normal(0, 1)`, `normal(0, 1) truncated(0, inf)`.
    Draw(Distribution),
}

/// Reads what was typed.
///
/// # Errors
/// What is wrong with it, as the reading that understood most of it says.
pub fn fragment(file: FileId, text: &str) -> Result<Fragment, Vec<Diagnostic>> {
    let (_, mut chunks, diagnostics) = lines::statements(file, text);
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    if chunks.len() != 1 {
        return statements(file, text);
    }
    let words = std::mem::take(&mut chunks[0].words);
    let as_expression = grammar::ExprParser::new().parse(file, results(&words));
    let expression_error = match as_expression {
        Ok(expression) => return Ok(Fragment::Expression(expression)),
        Err(error) => error,
    };
    if let Some(distribution) = draw(file, &words) {
        return Ok(Fragment::Draw(distribution));
    }
    let as_statement = grammar::StatementParser::new().parse(file, results(&words));
    match as_statement {
        Err(error) if place(&error) < place(&expression_error) => {
            let end = words.last().map_or(0, |word| word.2);
            Err(vec![explain(file, text, &words, end, expression_error)])
        }
        _ => statements(file, text),
    }
}

fn statements(file: FileId, text: &str) -> Result<Fragment, Vec<Diagnostic>> {
    let (tree, diagnostics) = parse(file, text);
    match diagnostics.is_empty() {
        true => Ok(Fragment::Statements(tree.statements)),
        false => Err(diagnostics),
    }
}

fn results(words: &[Word]) -> impl Iterator<Item = Result<Word, Problem>> + '_ {
    words.iter().cloned().map(Ok)
}

/// The distribution that these words are, perhaps after `~`.
fn draw(file: FileId, words: &[Word]) -> Option<Distribution> {
    let start = words.first()?.0;
    let mut whole = vec![(start, Token::Name("drawn".into()), start)];
    if words[0].1 != Token::Tilde {
        whole.push((start, Token::Tilde, start));
    }
    whole.extend(words.iter().cloned());
    let statement = grammar::StatementParser::new().parse(file, results(&whole));
    match statement.ok()?.kind {
        StatementKind::Random { distribution, .. } => Some(distribution),
        _ => None,
    }
}

/// How far a parser came.
fn place(error: &ParseError<usize, Token, Problem>) -> usize {
    match error {
        ParseError::InvalidToken { location } | ParseError::UnrecognizedEof { location, .. } => {
            *location
        }
        ParseError::UnrecognizedToken { token, .. } | ParseError::ExtraToken { token } => token.0,
        ParseError::User { error } => error.span.start as usize,
    }
}

/// What the end of a text leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Nothing: it may be answered.
    Nothing,
    /// A value: a round or square bracket is open, or the last word wants something after it, or there is only documentation.
    Value,
    /// A block of statements in braces.
    Block,
}

/// What the end of a text leaves open.
pub fn open(text: &str) -> Open {
    let mut brackets: Vec<Token> = Vec::new();
    let mut last = None;
    for token in Token::lexer(text).flatten() {
        match token {
            Token::Newline => continue,
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                brackets.push(token.clone());
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                brackets.pop();
            }
            _ => {}
        }
        last = Some(token);
    }
    let wants_more = |token: &Token| {
        token.is_infix()
            || matches!(
                token,
                Token::Comma | Token::Else | Token::Not | Token::Doc(_)
            )
    };
    match brackets.last() {
        Some(Token::BraceOpen) => Open::Block,
        Some(_) => Open::Value,
        None if last.as_ref().is_some_and(wants_more) => Open::Value,
        None => Open::Nothing,
    }
}

/// Whether more must follow.
pub fn is_unfinished(text: &str) -> bool {
    open(text) != Open::Nothing
}

/// Whether a line begins with a word that only begins statements, so that no value goes on with it.
pub fn begins_statement(line: &str) -> bool {
    let first = Token::lexer(line).flatten().next();
    first.is_some_and(|token| token.begins_statement())
}

/// Whether a line that begins with this text goes on with the statement of the line before.
pub fn continues(text: &str) -> bool {
    let first = Token::lexer(text).flatten().next();
    first.is_some_and(|token| {
        token.is_infix() || matches!(token, Token::Else | Token::BraceOpen | Token::Comma)
    })
}

/// A statement of a text with what stands before it since the last one: blank lines and comments.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Blank lines and comments, each with its end of line.
    pub leading: String,
    /// The statement and, if a comment follows it on its last line, that.
    pub text: String,
    /// Its tree; spans are those of the whole text.
    pub statement: Statement,
}

/// Cuts a text into its statements so that, put together again, they are the same text but for blanks at the ends of lines.
pub fn pieces(text: &str, statements: Vec<Statement>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut from = 0;
    for statement in statements {
        let start = statement.span.start as usize;
        let end = end_with_comment(text, statement.span.end as usize);
        let leading = text[from..start].trim_start_matches([' ', '\t', ';', '\r']);
        let leading = leading.strip_prefix('\n').unwrap_or(leading);
        let leading = leading.trim_end_matches([' ', '\t']);
        pieces.push(Piece {
            leading: leading.to_string(),
            text: text[start..end].trim_end().to_string(),
            statement,
        });
        from = end;
    }
    let rest = text.get(from..).unwrap_or("").trim();
    if let Some(last) = pieces.last_mut().filter(|_| rest.starts_with('#')) {
        last.text = format!("{}\n\n{rest}", last.text);
    }
    pieces
}

/// The end of a statement, behind a comment on its last line.
fn end_with_comment(text: &str, end: usize) -> usize {
    let rest = &text[end..];
    let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
    match line.trim_start_matches([' ', '\t', ';']).starts_with('#') {
        true => end + line.len(),
        false => end,
    }
}

/// What a word is, for colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordKind {
    /// A word of the language.
    Keyword,
    /// A number, `true` or `false`.
    Number,
    /// A name.
    Name,
    /// A text in quotes.
    Text,
    /// A comment.
    Comment,
    /// An operator, a bracket, or what is no word.
    Sign,
}

/// The words of a text with the bytes they cover, comments among them; blanks lie between.
pub fn words(text: &str) -> Vec<(std::ops::Range<usize>, WordKind)> {
    let mut found = Vec::new();
    let mut last = 0;
    let comment = |from: usize, to: usize| {
        let start = from + text[from..to].find('#')?;
        Some((start..to, WordKind::Comment))
    };
    for (token, range) in Token::lexer(text).spanned() {
        found.extend(comment(last, range.start));
        last = range.end;
        let kind = match token {
            Ok(Token::Newline) => continue,
            Ok(Token::Doc(_)) => WordKind::Comment,
            Ok(Token::Real(_) | Token::Integer(_) | Token::True | Token::False) => WordKind::Number,
            Ok(Token::Text(_)) => WordKind::Text,
            Ok(Token::Name(_)) => WordKind::Name,
            _ if text[range.clone()].starts_with(char::is_alphabetic) => WordKind::Keyword,
            _ => WordKind::Sign,
        };
        found.push((range, kind));
    }
    found.extend(comment(last, text.len()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_expressions_and_draws_are_told_apart() {
        let kind = |text: &str| match fragment(FileId(0), text) {
            Ok(Fragment::Statements(statements)) => format!("{} statements", statements.len()),
            Ok(Fragment::Expression(_)) => "expression".to_string(),
            Ok(Fragment::Draw(_)) => "draw".to_string(),
            Err(errors) => errors[0].code.to_string(),
        };
        for (text, expected) in [
            ("mean([1, 2, 3])", "expression"),
            ("normal(0, 1).log_density(0.3)", "expression"),
            ("normal(0, 1)", "expression"),
            ("~ normal(0, 1)", "draw"),
            ("normal(0, 1) truncated(0, inf)", "draw"),
            ("if a > 0 { 1 } else { 2 }", "expression"),
            ("x ~ normal(0, 1)", "1 statements"),
            ("let a = 1; let b = 2", "2 statements"),
            ("report theta", "1 statements"),
            ("# nothing", "0 statements"),
            ("1 + * 2", "E0110"),
            ("let = 2", "E0110"),
            ("mean([1, 2)", "E0104"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn the_reading_that_came_further_complains() {
        let errors = fragment(FileId(0), "1 + * 2").expect_err("no expression");
        assert_eq!(errors[0].labels[0].span.start, 4);
    }

    #[test]
    fn open_brackets_and_operators_want_more() {
        for text in [
            "mean([1,",
            "for t in 1..3 {",
            "let a =",
            "a +",
            "x ~",
            "f(a)\n+",
            "a,",
            "## about",
            "not",
            "if a { 1 } else",
        ] {
            assert!(is_unfinished(text), "{text}");
        }
        for text in [
            "a",
            "mean([1])",
            "for t in 1..3 { }",
            "a # (",
            "\"(\"",
            ")",
            "",
            "X'",
        ] {
            assert!(!is_unfinished(text), "{text}");
        }
    }

    #[test]
    fn blocks_and_values_are_left_open_differently() {
        for (text, expected) in [
            ("for t in 1..3 {\n let a = 3 +", Open::Block),
            ("for t in 1..3 {\n let a = f(3", Open::Value),
            ("let a = [1, {", Open::Block),
            ("let a = 3 +", Open::Value),
            ("for t in 1..3 { }", Open::Nothing),
        ] {
            assert_eq!(open(text), expected, "{text}");
        }
        assert!(begins_statement("  let a = 1") && !begins_statement("for t in x]"));
    }

    #[test]
    fn a_text_is_its_pieces() {
        let text = "## About.\n\n# first\na ~ normal(0, 1)  # the mean\n\nlet b = a; let c = b\n# the end\n";
        let (tree, _) = parse(FileId(0), text);
        let pieces = pieces(text, tree.statements);
        let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "a ~ normal(0, 1)  # the mean",
                "let b = a",
                "let c = b\n\n# the end"
            ]
        );
        assert_eq!(pieces[0].leading, "## About.\n\n# first\n");
        assert_eq!(pieces[1].leading, "\n");
        assert_eq!(pieces[2].leading, "");
    }

    #[test]
    fn words_have_kinds() {
        let text = "let a = 1.5 # one\nnormal";
        let kinds: Vec<(&str, WordKind)> = words(text)
            .into_iter()
            .map(|(range, kind)| (&text[range], kind))
            .collect();
        let expected = [
            ("let", WordKind::Keyword),
            ("a", WordKind::Name),
            ("=", WordKind::Sign),
            ("1.5", WordKind::Number),
            ("# one", WordKind::Comment),
            ("normal", WordKind::Name),
        ];
        assert_eq!(kinds, expected);
    }
}
