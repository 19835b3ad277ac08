//! Writing to people. A closed pipe (`likelier run … | head`) ends the talking, not the run: files asked for are still
//! written. Colour appears only where a terminal will show it and nobody objected (`NO_COLOR`).

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use likelier::Error;

use crate::files;

/// Standard output that may go away.
pub struct Printer {
    is_silent: bool,
}

impl Printer {
    /// A printer that prints unless `is_silent`.
    pub fn new(is_silent: bool) -> Self {
        Self { is_silent }
    }

    /// Prints a text at once.
    ///
    /// # Errors
    /// When standard output fails otherwise than by being closed: a full disk would swallow results unnoticed.
    pub fn print(&mut self, text: &str) -> Result<(), Error> {
        if self.is_silent {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_silent = true;
                Ok(())
            }
            Err(error) => Err(files::failure(
                "write",
                Path::new("standard output"),
                &error.to_string(),
            )),
        }
    }
}

/// Writes a message to standard error; there is nobody left to tell if that fails.
pub fn error(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

/// Says what went wrong. The compiler's diagnostics come with their own headings; all other errors get one.
pub fn report(failure: &Error) {
    error(&match failure {
        Error::Model(errors) | Error::Configuration(errors) => errors.render(is_color()),
        Error::Point(complaints) => {
            let headed: Vec<String> = complaints
                .iter()
                .map(|text| heading("error", text))
                .collect();
            headed.join("\n")
        }
        other => heading("error", &other.to_string()),
    });
}

/// Shows what a compiler warns of, if anything.
pub fn warn(warnings: &str) {
    if !warnings.is_empty() {
        error(warnings);
    }
}

/// Whether messages on standard error may be coloured.
pub fn is_color() -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    !forbidden && !is_dumb && io::stderr().is_terminal()
}

/// `error: …`, the word in colour where possible.
pub fn heading(word: &str, text: &str) -> String {
    if is_color() {
        format!("\x1b[1;31m{word}\x1b[0m: {text}")
    } else {
        format!("{word}: {text}")
    }
}
