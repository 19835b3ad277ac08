//! Statements of other systems. What cannot be parsed often is correct Stan, BUGS or PyMC; the statement as a whole then
//! tells more than the word at which the grammar gave up, and the help can say how the same is written here.

use super::lines::Word;
use super::token::Token;
use crate::source::foreign::distribution;

/// What to write instead of a statement that does not parse and looks like one of another system.
pub(super) fn help(text: &str, words: &[Word], position: usize) -> Option<String> {
    let word = |at: usize| words.get(at).map(|word| &word.1);
    let source = |at: usize| words.get(at).map_or("", |word| &text[word.0..word.2]);
    match (word(0)?, word(1)) {
        (Token::Name(name), Some(Token::Assign)) => python_statement(name, text, words),
        (
            Token::Model | Token::Name(_),
            Some(Token::BraceOpen),
        ) => Some("there are no blocks here: write the statements one after the other, without the braces".into()),
        (Token::For, Some(Token::ParenOpen)) => {
            let index = source(2);
            Some(format!("a loop is written `for {index} in 1..N {{ … }}`, without parentheses"))
        }
        _ => around(words, position, &source),
    }
}

/// What the words around the unexpected one tell.
fn around<'a>(
    words: &[Word],
    position: usize,
    source: &dyn Fn(usize) -> &'a str,
) -> Option<String> {
    let at = |index: usize| words.get(index).map(|word| &word.1);
    let before = |back: usize| position.checked_sub(back).and_then(at);
    let here = at(position)?;
    let is_value =
        |token: &Token| matches!(token, Token::Name(_) | Token::Integer(_) | Token::Real(_));
    let is_while = |token: &Token| *token == Token::Name("while".into());
    if is_while(here) || before(1).is_some_and(is_while) {
        return Some(
            "there is no `while`: a loop runs over a range, `for i in 1..n { … }`, and an `if` inside decides what a round does"
                .into(),
        );
    }
    if let Some(help) = loop_without_range(words, position, source) {
        return Some(help);
    }
    match (here, before(1)) {
        (Token::Dot, previous) if !previous.is_some_and(Token::ends_value) => {
            let digits = match at(position + 1) {
                Some(Token::Integer(_) | Token::Real(_)) => source(position + 1),
                _ => "5",
            };
            Some(format!("a number begins with a digit: write `0.{digits}`"))
        }
        (_, Some(Token::Dot)) if matches!(before(2), Some(Token::Integer(_))) => {
            let number = source(position - 2);
            Some(format!("a number ends with a digit: write `{number}.0` or `{number}`"))
        }
        (Token::Star | Token::Slash | Token::Caret, Some(Token::Dot)) => Some(format!(
            "arithmetic is elementwise already: write `{}` without the point; `@` is the matrix product",
            source(position)
        )),
        (Token::Name(name), Some(Token::ParenClose)) if name == "T" => {
            Some("truncation is written `normal(0, 1) truncated(0, inf)`".into())
        }
        (Token::ParenClose, Some(Token::Integer(_) | Token::Real(_) | Token::Name(_)))
            if words[..position]
                .iter()
                .rev()
                .take(4)
                .any(|word| word.1 == Token::Truncated) =>
        {
            Some("`truncated` takes both bounds: `truncated(0, inf)`; `-inf` and `inf` leave a side open".into())
        }
        (token, Some(previous)) if is_value(token) && is_value(previous) && is_inside(words, position) => {
            Some(format!(
                "an operator or a comma is missing between `{}` and `{}`",
                source(position - 1),
                source(position)
            ))
        }
        _ => None,
    }
}

/// `for x in xs` and `y[x in xs]`: what stands behind `in` is no range.
fn loop_without_range<'a>(
    words: &[Word],
    position: usize,
    source: &dyn Fn(usize) -> &'a str,
) -> Option<String> {
    let before = &words[..position];
    let start = before.iter().rposition(|word| word.1 == Token::In)?;
    let [
        ..,
        (_, Token::For | Token::BracketOpen | Token::Comma, _),
        (_, Token::Name(name), _),
    ] = &before[..start]
    else {
        return None;
    };
    let over = &before[start + 1..];
    let goes_on = |word: &Word| {
        matches!(
            word.1,
            Token::DotDot | Token::End | Token::BraceOpen | Token::Colon
        )
    };
    if over.iter().any(goes_on) || words[position].1 == Token::Colon {
        return None;
    }
    Some(match over {
        [(_, Token::Name(_), _)] => {
            let array = source(start + 1);
            format!(
                "`{name}` runs over a range `a..b`: write `{name} in 1..length({array})`, and `{array}[{name}]` for the element"
            )
        }
        _ => format!("`{name}` runs over a range `a..b`, as in `{name} in 1..N`"),
    })
}

pub(super) fn is_inside(words: &[Word], position: usize) -> bool {
    let depth = words[..position]
        .iter()
        .fold(0i32, |depth, word| match word.1 {
            Token::ParenOpen | Token::BracketOpen => depth + 1,
            Token::ParenClose | Token::BracketClose => depth - 1,
            _ => depth,
        });
    depth > 0
}

/// `mu = pm.Normal("mu", 0, 1)` and `mu = numpyro.sample("mu", dist.Normal(0, 1))`: the last name before a bracket that is
/// reached through a point is the distribution; texts and the names of other systems' options are left out.
fn python_statement(name: &str, text: &str, words: &[Word]) -> Option<String> {
    let is_call = |at: &usize| {
        let kinds: Vec<_> = words[*at..].iter().take(3).map(|word| &word.1).collect();
        matches!(kinds[..], [Token::Dot, Token::Name(_), Token::ParenOpen])
    };
    let call = (0..words.len()).rev().find(is_call)?;
    let Token::Name(foreign) = &words[call + 1].1 else {
        return None;
    };
    let mut size = None;
    let mut is_observed = false;
    let mut arguments = Vec::new();
    for argument in arguments_from(text, words, call + 3) {
        match argument.split_once('=') {
            Some((key, value)) if key.trim() == "shape" => size = Some(value.trim().to_string()),
            Some((key, _)) if key.trim() == "observed" => is_observed = true,
            Some((key, _)) if key.trim() == "dims" => size = Some("K".to_string()),
            Some((_, value)) => arguments.push(value.trim().to_string()),
            None if argument.starts_with('"') => {}
            None => arguments.push(argument),
        }
    }
    let indices = match size {
        Some(size) => format!("[1..{size}]"),
        None if is_observed => "[1..N]".to_string(),
        None => String::new(),
    };
    let law = match distribution(foreign) {
        Some(ours) if ours.contains('=') => ours.to_string(),
        Some(ours) => format!("{}({})", ours.split('(').next()?, arguments.join(", ")),
        None => format!("{}({})", foreign.to_lowercase(), arguments.join(", ")),
    };
    Some(format!(
        "a random variable is written `{name}{indices} ~ {law}`"
    ))
}

/// The arguments of a call whose first word stands at `start`, as written.
fn arguments_from(text: &str, words: &[Word], start: usize) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut depth = 0;
    let mut from = words.get(start).map_or(0, |word| word.0);
    for word in words.iter().skip(start) {
        let ends = match word.1 {
            Token::ParenOpen | Token::BracketOpen => {
                depth += 1;
                false
            }
            Token::ParenClose | Token::BracketClose => {
                depth -= 1;
                depth < 0
            }
            Token::Comma => depth == 0,
            _ => false,
        };
        if ends {
            let argument = text[from..word.0].trim();
            if !argument.is_empty() {
                arguments.push(argument.to_string());
            }
            from = word.2;
        }
        if depth < 0 {
            break;
        }
    }
    arguments
}
