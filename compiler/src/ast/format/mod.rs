//! The one way to write a program: `likelier fmt`. The words of a text stay as they are, with their comments and blank
//! lines; spaces and ends of lines are set anew. Working on words and not on the tree keeps what the tree forgets: how
//! numbers were spelled, and parentheses that nobody needs but a reader.
//!
//! - Two columns for each block or bracket; lines of up to [`WIDTH`] columns where brackets and operators allow.
//! - What does not fit is broken at its outermost brackets, one item a line (numbers fill lines), or before its loosest
//!   operators.
//! - One statement a line. At most one blank line, none at the ends of blocks. Comments are never broken nor aligned.

mod expressions;
mod layout;
mod statements;
mod words;

use super::token::Token;
use super::{lines, parse};
use crate::source::{Diagnostic, FileId};
use expressions::Printer;

/// The columns of a line.
pub const WIDTH: usize = 100;

/// A comment may move to another word of its statement once, and the statement be set differently for it; then it stays.
const MOST_ROUNDS: usize = 4;

/// Why a text is left as it is.
#[derive(Debug)]
pub enum Failure {
    /// Its syntax errors.
    Syntax(Vec<Diagnostic>),
    /// What came out would not mean the same: a mistake of the formatter.
    Defect,
}

/// The text as it is written when nobody has an opinion.
///
/// # Errors
/// All syntax errors of the text; or that it cannot be formatted without changing what it means, which is looked at
/// every time.
pub fn format(file: FileId, text: &str) -> Result<String, Failure> {
    let (_, diagnostics) = parse(file, text);
    if !diagnostics.is_empty() {
        return Err(Failure::Syntax(diagnostics));
    }
    let mut formatted = once(file, text).ok_or(Failure::Defect)?;
    for _ in 1..MOST_ROUNDS {
        let again = once(file, &formatted).ok_or(Failure::Defect)?;
        if again == formatted {
            break;
        }
        formatted = again;
    }
    match meaning(file, text) == meaning(file, &formatted) {
        true => Ok(formatted),
        false => Err(Failure::Defect),
    }
}

fn once(file: FileId, text: &str) -> Option<String> {
    let (_, chunks, _) = lines::statements(file, text);
    let (words, last) = words::words(text, chunks);
    let mut printer = Printer {
        words,
        at: 0,
        waiting: Vec::new(),
        is_confused: false,
    };
    let mut lines = printer.statements(false, false);
    for comment in last {
        lines.push(comment.after_blank, layout::Doc::text(comment.text));
    }
    if printer.is_confused {
        return None;
    }
    let mut text = layout::set(&lines.finish(), WIDTH);
    if !text.is_empty() {
        text.push('\n');
    }
    Some(text)
}

/// What decides about the tree of a text without errors: the words of its statements, less what may end lists
/// and blocks, and the documentation of each.
fn meaning(file: FileId, text: &str) -> Vec<(Option<String>, Vec<Token>)> {
    let (doc, chunks, _) = lines::statements(file, text);
    let chunks = chunks.into_iter().map(|chunk| {
        let words: Vec<Token> = chunk.words.into_iter().map(|word| word.1).collect();
        (chunk.doc, without_last_separators(words))
    });
    std::iter::once((doc, Vec::new())).chain(chunks).collect()
}

/// In indices a comma before the bracket means something: `X[1, ]`.
fn without_last_separators(words: Vec<Token>) -> Vec<Token> {
    use Token::*;
    let mut open = Vec::new();
    let mut kept: Vec<Token> = Vec::new();
    for word in words {
        // `factor` is a type too, and the brackets behind a type hold sizes.
        let follows_value = (kept.last()).is_some_and(|last| last.ends_value() || *last == Factor);
        match word {
            ParenOpen => open.push(true),
            BracketOpen => open.push(!follows_value),
            ParenClose | BracketClose | End if kept.last() == Some(&Comma) => {
                let is_list = match word {
                    End => open.last().copied(),
                    _ => open.pop(),
                };
                if is_list == Some(true) {
                    kept.pop();
                }
            }
            ParenClose | BracketClose => {
                open.pop();
            }
            // The line in the braces of a choice may end or not.
            BraceClose if kept.last() == Some(&End) => {
                kept.pop();
            }
            _ => {}
        }
        kept.push(word);
    }
    kept
}

#[cfg(test)]
mod tests;
