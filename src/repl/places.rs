//! Where messages point. To answer a question, the compiler is given a text that nobody has typed as it stands: statements of the
//! program, declarations of data, the question, a report around it. What it then says must point into what a person can
//! see: the program as `:show` prints it, or as its file holds it, and the last input.

use std::ops::Range;
use std::rc::Rc;

use likelier::Error;
use likelier::error::ModelErrors;
use likelier::interactive::Statement;
use likelier_compiler::source::{Diagnostic, FileId, Label, Sources, Span};

use super::program::Program;

/// What messages call the last input.
const INPUT: &str = "input";

/// A text put together of pieces that each know where they are from.
#[derive(Debug, Default)]
pub struct Collage {
    /// The text that is compiled.
    pub text: String,
    /// What was typed.
    input: String,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    /// Bytes of the text.
    range: Range<usize>,
    home: Home,
    /// The place of its first byte there.
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    Program,
    Input,
}

impl Collage {
    /// Adds words that nobody typed.
    pub fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds something that was typed.
    pub fn add_input(&mut self, text: &str) {
        if !self.input.is_empty() {
            self.input.push('\n');
        }
        let at = self.input.len();
        self.input.push_str(text);
        self.add_piece(text, Home::Input, at);
    }

    /// Adds some statements of a program; some of them were just typed.
    pub fn add_statements(
        &mut self,
        program: &Program,
        is_wanted: &dyn Fn(usize) -> bool,
        is_input: &dyn Fn(&Rc<Statement>) -> bool,
    ) {
        let mut at = 0;
        for (place, statement) in program.statements.iter().enumerate() {
            let (before, own) = (statement.leading.len(), statement.text.len());
            if is_wanted(place) {
                self.add(&statement.leading);
                match is_input(statement) {
                    true => self.add_input(&statement.text),
                    false => self.add_piece(&statement.text, Home::Program, at + before),
                }
                self.add("\n");
            }
            at += before + own + 1;
        }
    }

    fn add_piece(&mut self, text: &str, home: Home, at: usize) {
        let start = self.text.len();
        self.text.push_str(text);
        let range = start..self.text.len();
        self.pieces.push(Piece { range, home, at });
    }

    /// An error of the text as one of the program, which messages know by a name, and of the input.
    pub fn placed(&self, error: Error, name: &str, program: &Program) -> Error {
        match error {
            Error::Model(errors) => {
                let (sources, diagnostics) =
                    self.relocated(&errors.sources, errors.diagnostics, name, program);
                Error::Model(ModelErrors {
                    sources,
                    diagnostics,
                })
            }
            other => other,
        }
    }

    /// Diagnostics of the text as such of the program and the input, with the texts that they then point into.
    pub fn relocated(
        &self,
        sources: &Sources,
        mut diagnostics: Vec<Diagnostic>,
        name: &str,
        program: &Program,
    ) -> (Sources, Vec<Diagnostic>) {
        let mut seen = Sources::default();
        let own = seen.add(name, program.text());
        for file in (1..sources.len()).map(|file| FileId(file as u32)) {
            seen.add(sources.name(file), sources.text(file));
        }
        let input = seen.add(INPUT, self.input.as_str());
        for diagnostic in &mut diagnostics {
            let labels = std::mem::take(&mut diagnostic.labels);
            let had_labels = !labels.is_empty();
            let place = |label: Label| {
                Some(Label {
                    span: match label.span.file {
                        FileId(0) => self.place(label.span, own, input)?,
                        _ => label.span,
                    },
                    ..label
                })
            };
            diagnostic.labels = labels.into_iter().filter_map(place).collect();
            // What is wrong with words that nobody typed comes of those that were.
            if had_labels && diagnostic.labels.is_empty() && !self.input.is_empty() {
                diagnostic.labels.push(Label {
                    span: Span::new(input, 0, self.input.len()),
                    message: String::new(),
                });
            }
        }
        (seen, diagnostics)
    }

    fn place(&self, span: Span, program: FileId, input: FileId) -> Option<Span> {
        let (start, end) = (span.start as usize, span.end as usize);
        let holds = |piece: &&Piece| piece.range.start <= start && start <= piece.range.end;
        let piece = self.pieces.iter().find(holds)?;
        let file = match piece.home {
            Home::Program => program,
            Home::Input => input,
        };
        let shifted = |place: usize| place.min(piece.range.end) - piece.range.start + piece.at;
        Some(Span::new(file, shifted(start), shifted(end.max(start))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use likelier::interactive::{Typed, read};

    #[test]
    fn places_are_those_of_what_can_be_seen() {
        let text = "# the mean\nmu ~ normal(0, 1)\nlet a = 2 * mu\nlet b = a";
        let Ok(Typed::Statements(statements)) = read("input", text) else {
            panic!("statements");
        };
        let program = Program {
            statements: statements.into_iter().map(Rc::new).collect(),
            data: Rc::default(),
        };
        let mut collage = Collage::default();
        collage.add("given x: real\n");
        collage.add_statements(&program, &|place| place != 1, &|_| false);
        collage.add("report value =\n");
        collage.add_input("b + x");
        let excerpt = |wanted: &str| {
            let start = collage.text.rfind(wanted).expect("in the text");
            let error = Diagnostic::error("E0201", "wrong")
                .at(Span::new(FileId(0), start, start + wanted.len()), "");
            let (seen, placed) =
                collage.relocated(&Sources::default(), vec![error], "session", &program);
            let span = placed[0].labels[0].span;
            format!(
                "{}:{} {}",
                seen.name(span.file),
                seen.line(span),
                seen.excerpt(span)
            )
        };
        assert_eq!(excerpt("normal(0, 1)"), "session:2 normal(0, 1)");
        assert_eq!(excerpt("let b"), "session:4 let b");
        assert_eq!(excerpt("+ x"), "input:1 + x");
        assert_eq!(excerpt("value"), "input:1 b + x");
    }
}
