//! Draws diagnostics with the lines they are about.

use codespan_reporting::diagnostic::{Diagnostic as Drawn, Label};
use codespan_reporting::files::SimpleFiles;
use codespan_reporting::term::{self, Config};

use super::diagnostic::{Diagnostic, Severity};
use super::{FileId, Sources};

/// The text of all diagnostics, one after the other; with terminal colours if `color`.
pub fn render(sources: &Sources, diagnostics: &[Diagnostic], color: bool) -> String {
    let mut files = SimpleFiles::new();
    for file in 0..sources.len() {
        let id = FileId(file as u32);
        files.add(sources.name(id), sources.text(id));
    }
    let config = Config {
        tab_width: 4,
        ..Config::default()
    };
    let mut text = String::new();
    for diagnostic in diagnostics {
        let clipped = clipped(sources, diagnostic);
        let drawn = drawn(clipped.as_ref().unwrap_or(diagnostic));
        let written = if color {
            let mut buffer = term::termcolor::Buffer::ansi();
            let result = term::emit_to_write_style(&mut buffer, &config, &files, &drawn);
            text.push_str(&String::from_utf8_lossy(buffer.as_slice()));
            result
        } else {
            term::emit_to_string(&mut text, &config, &files, &drawn)
        };
        if written.is_err() {
            // A span outside its text: the words still reach the user.
            text.push_str(&format!(
                "error[{}]: {}\n",
                diagnostic.code, diagnostic.message
            ));
        }
    }
    text
}

fn drawn(diagnostic: &Diagnostic) -> Drawn<usize> {
    let base = match diagnostic.severity {
        Severity::Error => Drawn::error(),
        Severity::Warning => Drawn::warning(),
    };
    let labels = diagnostic.labels.iter().enumerate().map(|(rank, label)| {
        let file = label.span.file.0 as usize;
        let range = label.span.start as usize..label.span.end as usize;
        let drawn = if rank == 0 {
            Label::primary(file, range)
        } else {
            Label::secondary(file, range)
        };
        drawn.with_message(&label.message)
    });
    let mut notes = diagnostic.notes.clone();
    notes.extend(diagnostic.help.iter().map(|help| format!("help: {help}")));
    base.with_code(diagnostic.code)
        .with_message(&diagnostic.message)
        .with_labels(labels.collect())
        .with_notes(notes)
}

/// A line longer than this is not drawn.
const LONGEST_LINE: usize = 400;

/// The diagnostic with its places in words, when one of them stands on a line too long to be drawn.
fn clipped(sources: &Sources, diagnostic: &Diagnostic) -> Option<Diagnostic> {
    let line_length = |span: super::Span| {
        let text = sources.text(span.file).as_bytes();
        let start = (span.start as usize).min(text.len());
        let end = (span.end as usize).clamp(start, text.len());
        let before = text[..start]
            .iter()
            .rev()
            .take_while(|&&b| b != b'\n')
            .count();
        let after = text[end..].iter().take_while(|&&b| b != b'\n').count();
        before + (end - start) + after
    };
    if diagnostic
        .labels
        .iter()
        .all(|label| line_length(label.span) <= LONGEST_LINE)
    {
        return None;
    }
    let mut clipped = diagnostic.clone();
    let labels = std::mem::take(&mut clipped.labels);
    for label in labels {
        let text = sources.excerpt(label.span);
        let shown: String = text
            .chars()
            .take(40)
            .collect::<String>()
            .escape_debug()
            .to_string();
        let dots = if text.chars().count() > 40 { "…" } else { "" };
        let (name, line) = (sources.name(label.span.file), sources.line(label.span));
        clipped.notes.insert(
            0,
            format!("in {name}, line {line}: `{shown}{dots}` {}", label.message),
        );
    }
    Some(clipped)
}
