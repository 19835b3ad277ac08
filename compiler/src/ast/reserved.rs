//! Words of the language where a name is wanted. Data often have a column called `model` or `report`; whoever takes its name
//! for a variable has to hear that the word is taken, and how the column is read under another name.

use super::lines::Word;
use super::token::Token;

/// What the grammar would have taken where it gave up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Expected {
    /// A name and nothing else.
    Name,
    /// A name among others: an expression.
    Value,
    /// No name.
    NoName,
}

impl Expected {
    /// Of the words that the parser names.
    pub fn new(words: &[String]) -> Self {
        match words {
            [word] if word == "NAME" => Expected::Name,
            words if words.iter().any(|word| word == "NAME") => Expected::Value,
            _ => Expected::NoName,
        }
    }
}

/// What to write instead of a word of the language that stands as a name.
pub(super) fn help(
    text: &str,
    words: &[Word],
    position: usize,
    expected: Expected,
) -> Option<String> {
    let source = |at: usize| words.get(at).map_or("", |word| &text[word.0..word.2]);
    let kind = |at: usize| words.get(at).map(|word| &word.1);
    let here = kind(position)?;
    // `report ~ …`: the word began a statement of its own.
    if position == 1
        && is_noun(kind(0)?)
        && matches!(here, Token::Tilde | Token::Assign | Token::BracketOpen)
    {
        return Some(other_name(source(0)));
    }
    // `let` may have a tuple behind it.
    let is_definition =
        expected == Expected::Name || kind(position.checked_sub(1)?) == Some(&Token::Let);
    // Between the words of an expression only what can be no part of one.
    let is_name = is_noun(here) || is_definition && is_connective(here);
    if expected == Expected::NoName || !is_name || begins_line(text, words[position].0) {
        return None;
    }
    let word = source(position);
    if position == 1 && kind(0) == Some(&Token::Given) {
        let rest = words.get(2..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|word| matches!(word.1, Token::From | Token::Assign | Token::End))
            .unwrap_or(rest.len());
        let ty = match &rest[..end] {
            [colon, .., last] if colon.1 == Token::Colon => &text[colon.0..last.2],
            _ => ": real[N]",
        };
        let column = rest.windows(2).find_map(|pair| match pair {
            [(_, Token::From, _), (_, Token::Text(column), _)] => Some(column.as_str()),
            _ => None,
        });
        let column = column.unwrap_or(word);
        return Some(format!(
            "`{word}` is a word of the language; take another name here: `given {word}_{ty} from \"{column}\"`"
        ));
    }
    Some(other_name(word))
}

fn other_name(word: &str) -> String {
    format!(
        "`{word}` is a word of the language and cannot be a name; take another, such as `{word}_`; data that have this name are read by `given {word}_: real[N] from \"{word}\"`"
    )
}

/// Words that begin statements, and that many would give to a variable.
fn is_noun(token: &Token) -> bool {
    token.begins_statement() || *token == Token::Factor
}

/// Words inside statements.
fn is_connective(token: &Token) -> bool {
    use Token::*;
    matches!(token, For | If | Else | In | And | Or | Not | True | False)
}

/// Whether nothing stands before this place on its line: most likely a new statement, after one that is incomplete.
fn begins_line(text: &str, start: usize) -> bool {
    let line = text[..start].rsplit('\n').next().unwrap_or_default();
    line.trim().is_empty()
}
