//! The words of a text with the comments and blank lines around them. The cutter of statements leaves both out; here they
//! are found again in the gaps between the words it gives.

use super::super::lines::Chunk;
use super::super::token::Token;

/// A word and what stands around it.
#[derive(Debug, Clone)]
pub struct Word {
    /// Which.
    pub token: Token,
    /// As written.
    pub text: String,
    /// Comments on lines of their own above it.
    pub above: Vec<Comment>,
    /// A comment behind it on its line.
    pub behind: Option<String>,
    /// Whether a blank line stands between it and what is above.
    pub after_blank: bool,
    /// Whether it is the first on its line.
    pub starts_line: bool,
    /// Whether a statement ends with it.
    pub ends: bool,
}

/// A comment on a line of its own.
#[derive(Debug, Clone)]
pub struct Comment {
    /// With its `#`.
    pub text: String,
    /// Whether a blank line stands above it.
    pub after_blank: bool,
}

/// The words of a whole text, and the comments after the last one.
pub fn words(text: &str, chunks: Vec<Chunk>) -> (Vec<Word>, Vec<Comment>) {
    let mut words: Vec<Word> = Vec::new();
    let mut open: Vec<Token> = Vec::new();
    let mut end = 0;
    for chunk in chunks {
        for (rank, (start, token, stop)) in chunk.words.into_iter().enumerate() {
            let is_inside_line = rank > 0 && open.is_empty();
            match token {
                Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                    open.push(token.clone())
                }
                Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                    open.pop();
                }
                Token::End if open.last() != Some(&Token::ParenOpen) => {
                    if let Some(last) = words.last_mut() {
                        last.ends = true;
                    }
                    continue;
                }
                _ => {}
            }
            let mut gap = Gap::read(&text[end..start], words.is_empty());
            end = stop;
            if is_inside_line {
                gap.keep_documentation();
            }
            if let Some(last) = words.last_mut() {
                last.behind = gap.behind;
            }
            words.push(Word {
                token,
                text: text[start..stop].to_string(),
                above: gap.above,
                behind: None,
                after_blank: gap.ends_blank,
                starts_line: gap.has_line_end,
                ends: false,
            });
        }
        if let Some(last) = words.last_mut() {
            last.ends = true;
        }
    }
    let gap = Gap::read(&text[end..], words.is_empty());
    if let Some(last) = words.last_mut() {
        last.behind = gap.behind;
    }
    (words, gap.above)
}

/// What stands between two words: spaces, ends of lines, `;` and comments.
struct Gap {
    behind: Option<String>,
    above: Vec<Comment>,
    ends_blank: bool,
    has_line_end: bool,
}

impl Gap {
    fn read(text: &str, is_first: bool) -> Gap {
        let mut gap = Gap {
            behind: None,
            above: Vec::new(),
            ends_blank: false,
            has_line_end: text.contains('\n'),
        };
        let lines: Vec<&str> = text.split('\n').collect();
        for (number, line) in lines.iter().enumerate() {
            let comment = line.find('#').map(|at| line[at..].trim_end().to_string());
            match comment {
                Some(comment) if number == 0 && !is_first => gap.behind = Some(comment),
                Some(text) => gap.above.push(Comment {
                    text,
                    after_blank: std::mem::take(&mut gap.ends_blank),
                }),
                // The first line is the rest of another one, the last the beginning of the next word's.
                None => {
                    gap.ends_blank |= number > 0 && number + 1 < lines.len();
                }
            }
        }
        gap
    }

    /// A `##` line between the lines of a statement documents it as long as it does not begin a line after a finished one;
    /// behind a word it never does.
    fn keep_documentation(&mut self) {
        let (moved, stay) = std::mem::take(&mut self.above)
            .into_iter()
            .partition::<Vec<_>, _>(|comment| comment.text.starts_with("##"));
        self.above = stay;
        let moved = moved.into_iter().map(|comment| comment.text);
        let all: Vec<String> = self.behind.take().into_iter().chain(moved).collect();
        self.behind = (!all.is_empty()).then(|| all.join("  "));
    }
}
