//! Where statements end. The words of a file are cut into statements here, before any grammar sees them, so that an
//! error in one statement never hides the next, and an open bracket at most the rest of its own.

use logos::Logos;

use super::token::Token;
use crate::source::{Diagnostic, FileId, Span};

/// A word with the bytes it covers.
pub type Word = (usize, Token, usize);

/// A statement's words (inner statements end with [`Token::End`]) and the `##` lines above it.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Its words.
    pub words: Vec<Word>,
    /// The documentation above it.
    pub doc: Option<String>,
}

/// Brackets may be nested this deep, and minus signs, powers and the like stand in a row this long.
pub const DEEPEST: usize = 256;
/// So many words may follow one another without a comma or the end of a statement.
const LONGEST: usize = 20_000;

/// All statements of a text, and what the file says of itself.
pub fn statements(file: FileId, text: &str) -> (Option<String>, Vec<Chunk>, Vec<Diagnostic>) {
    let mut cutter = Cutter {
        file,
        text,
        ..Cutter::default()
    };
    for (token, range) in Token::lexer(text).spanned() {
        match token {
            Ok(token) => cutter.word(range.start, token, range.end),
            Err(()) => cutter.unknown(range.start, range.end),
        }
    }
    cutter.finish()
}

#[derive(Default)]
struct Cutter<'a> {
    file: FileId,
    text: &'a str,
    chunks: Vec<Chunk>,
    diagnostics: Vec<Diagnostic>,
    open: Vec<(Token, usize)>,
    current: Chunk,
    doc: Vec<String>,
    file_doc: Option<String>,
    newlines: usize,
    streak: usize,
    chain: usize,
    skipping: bool,
    /// How many brackets are open around the soft constraint that is being read.
    soft: Option<usize>,
}

impl Cutter<'_> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    fn unknown(&mut self, start: usize, end: usize) {
        let what = &self.text[start..end];
        if self.skipping {
            return;
        }
        let help = match what.chars().next() {
            Some('&') => "write `and`",
            Some('|') => "write `or`",
            Some('!') => "write `not`",
            Some('%') => "write `mod(a, b)` for the remainder; comments begin with `#`",
            Some('"') => "close the text with `\"` on the same line",
            Some(c) if c.is_ascii_digit() => "this number is too large",
            _ => "remove it",
        };
        let shown: String = what
            .chars()
            .take(20)
            .collect::<String>()
            .escape_debug()
            .to_string();
        let place = self.span(start, end);
        self.diagnostics.push(
            Diagnostic::error("E0101", format!("`{shown}` is not part of the language"))
                .at(place, "")
                .help(help),
        );
        self.skipping = true;
    }

    fn in_block(&self) -> bool {
        self.open
            .last()
            .is_none_or(|(token, _)| *token == Token::BraceOpen)
    }

    fn last(&self) -> Option<&Token> {
        self.current.words.last().map(|word| &word.1)
    }

    fn word(&mut self, start: usize, token: Token, end: usize) {
        match token {
            Token::Newline => return self.newlines += 1,
            Token::Doc(line) => return self.documentation(line),
            _ => {}
        }
        if token == Token::End && self.open.is_empty() {
            self.newlines = 0;
            return self.flush();
        }
        if self.newlines > 1
            && !self.doc.is_empty()
            && self.open.is_empty()
            && self.chunks.is_empty()
            && self.current.words.is_empty()
        {
            self.file_doc = Some(std::mem::take(&mut self.doc).join("\n"));
        }
        self.separate(&token);
        if self.skipping && !self.open.is_empty() && self.current.words.is_empty() {
            return;
        }
        let starts_line = self.newlines > 0;
        self.newlines = 0;
        self.nesting(start, &token, end);
        let token = self.contextual(token, starts_line);
        let repeats = matches!(
            token,
            Token::Minus | Token::Not | Token::Caret | Token::If | Token::Else
        );
        self.streak = match (&token, repeats) {
            (_, true) => self.streak + 1,
            (Token::Comma | Token::End | Token::Assign | Token::Tilde, _) => 0,
            _ => self.streak,
        };
        self.chain = match token {
            Token::Comma | Token::End | Token::BraceOpen | Token::BraceClose => 0,
            _ => self.chain + 1,
        };
        if (self.streak > DEEPEST || self.open.len() > DEEPEST || self.chain > LONGEST)
            && !self.skipping
        {
            let place = self.span(start, end);
            self.diagnostics.push(
                Diagnostic::error("E0102", "this expression is nested too deeply or too long")
                    .at(
                        place,
                        format!("more than {DEEPEST} levels, or {LONGEST} words"),
                    )
                    .help("give parts of it names with `let`"),
            );
            self.skipping = true;
        }
        self.current.words.push((start, token, end));
    }

    /// Ends a statement before `next` where a line or a block ends.
    fn separate(&mut self, next: &Token) {
        let Some(last) = self.last().cloned() else {
            return;
        };
        let resumes = self.newlines > 0 && next.begins_statement() && !self.in_block();
        if resumes {
            if let Some((_, at)) = self
                .open
                .iter()
                .rev()
                .find(|(token, _)| *token != Token::BraceOpen)
                .cloned()
            {
                self.unclosed(at);
            }
            self.open.retain(|(token, _)| *token == Token::BraceOpen);
        }
        if !self.in_block() {
            return;
        }
        let continues = last.is_infix()
            || matches!(last, Token::Comma | Token::BraceOpen | Token::End)
            || next.is_infix()
            || matches!(
                next,
                Token::Else | Token::BraceOpen | Token::Comma | Token::End
            );
        let line_ends = self.newlines > 0 && !continues;
        let block_ends = last == Token::BraceClose
            && (next.begins_statement()
                || matches!(
                    next,
                    Token::Name(_) | Token::For | Token::If | Token::Factor
                ))
            && !continues;
        if resumes || line_ends || block_ends {
            self.end();
        }
    }

    fn end(&mut self) {
        // The braces of a choice inside a constraint hold lines of their own.
        if self.soft.is_some_and(|depth| self.open.len() <= depth) {
            self.soft = None;
        }
        let at = self.current.words.last().map_or(0, |word| word.2);
        if self.open.is_empty() {
            self.flush();
        } else {
            self.current.words.push((at, Token::End, at));
        }
        self.streak = 0;
    }

    fn flush(&mut self) {
        self.soft = None;
        let mut chunk = std::mem::take(&mut self.current);
        if !self.skipping && !chunk.words.is_empty() {
            chunk.doc = (!self.doc.is_empty()).then(|| self.doc.join("\n"));
            self.chunks.push(chunk);
        }
        self.doc.clear();
        self.chain = 0;
        self.skipping = false;
    }

    fn nesting(&mut self, start: usize, token: &Token, end: usize) {
        let wanted = match token {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                return self.open.push((token.clone(), start));
            }
            Token::ParenClose => Token::ParenOpen,
            Token::BracketClose => Token::BracketOpen,
            Token::BraceClose => Token::BraceOpen,
            Token::End if self.open.is_empty() => return,
            _ => return,
        };
        match self.open.last().cloned() {
            Some((open, _)) if open == wanted => {
                self.open.pop();
            }
            Some((_, at)) if self.open.iter().any(|(open, _)| *open == wanted) => {
                self.unclosed(at);
                while self.open.pop().is_some_and(|(open, _)| open != wanted) {}
            }
            _ => {
                if !self.skipping {
                    let place = self.span(start, end);
                    self.diagnostics.push(
                        Diagnostic::error("E0103", "this bracket closes nothing")
                            .at(place, "")
                            .help("remove it"),
                    );
                }
                self.skipping = true;
            }
        }
    }

    fn unclosed(&mut self, at: usize) {
        if !self.skipping {
            let place = self.span(at, at + 1);
            self.diagnostics.push(
                Diagnostic::error("E0104", "this bracket is never closed")
                    .at(place, "opened here")
                    .help("close it"),
            );
        }
        self.skipping = true;
    }

    fn contextual(&mut self, token: Token, starts_line: bool) -> Token {
        let follows = matches!(self.last(), Some(Token::ParenClose | Token::Ordered));
        if matches!(token, Token::Text(_))
            && let Some(word) = self.current.words.last_mut()
            && word.1 == Token::Name("from".into())
        {
            word.1 = Token::From;
        }
        match token {
            Token::Soft => self.soft = Some(self.open.len()),
            Token::End if self.soft == Some(self.open.len()) => self.soft = None,
            Token::BraceClose if self.soft > Some(self.open.len()) => self.soft = None,
            _ => {}
        }
        if self.soft.is_some_and(|depth| depth <= self.open.len()) {
            return self.of_constraint(token, starts_line);
        }
        match &token {
            Token::Name(name) if follows => match name.as_str() {
                "on" => Token::On,
                "truncated" => Token::Truncated,
                "censored" => Token::Censored,
                "ordered" => Token::Ordered,
                _ => token,
            },
            _ => token,
        }
    }

    /// Words of soft constraints stand where no name can: after a value, or, `penalty`, before one.
    fn of_constraint(&mut self, token: Token, starts_line: bool) -> Token {
        let begins_value = matches!(
            token,
            Token::Name(_)
                | Token::Integer(_)
                | Token::Real(_)
                | Token::Minus
                | Token::If
                | Token::ParenOpen
                | Token::BracketOpen
        );
        if begins_value
            && let [.., before, (_, last, _)] = &mut self.current.words[..]
            && *last == Token::Name("penalty".into())
            && matches!(
                before.1,
                Token::Colon
                    | Token::ParenOpen
                    | Token::And
                    | Token::Or
                    | Token::Not
                    | Token::Implies
            )
        {
            *last = Token::Penalty;
        }
        let follows_value = self.last().is_some_and(|last| {
            last.ends_value() || matches!(last, Token::Joint | Token::Normalised)
        });
        match &token {
            Token::Name(name) if follows_value && !(starts_line && self.in_block()) => {
                match name.as_str() {
                    "within" => Token::Within,
                    "tail" => Token::Tail,
                    "weight" => Token::Weight,
                    "implies" => Token::Implies,
                    "joint" => Token::Joint,
                    "normalised" => Token::Normalised,
                    _ => token,
                }
            }
            _ => token,
        }
    }

    fn documentation(&mut self, line: String) {
        if self.open.is_empty()
            && self.newlines > 0
            && self.last().is_some_and(|last| !last.is_infix())
        {
            self.flush();
        }
        if self.newlines > 1
            && !self.doc.is_empty()
            && self.open.is_empty()
            && self.chunks.is_empty()
        {
            self.file_doc = Some(std::mem::take(&mut self.doc).join("\n"));
        }
        self.newlines = 0;
        if self.open.is_empty() {
            self.doc.push(line);
        }
    }

    fn finish(mut self) -> (Option<String>, Vec<Chunk>, Vec<Diagnostic>) {
        if let Some((_, at)) = self.open.last().cloned() {
            self.unclosed(at);
        }
        self.open.clear();
        self.flush();
        // A trailing `;` leaves an empty rest.
        for chunk in &mut self.chunks {
            while chunk.words.last().is_some_and(|word| word.1 == Token::End) {
                chunk.words.pop();
            }
        }
        self.chunks.retain(|chunk| !chunk.words.is_empty());
        (self.file_doc, self.chunks, self.diagnostics)
    }
}
