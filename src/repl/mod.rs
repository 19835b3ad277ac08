//! The session at a prompt: `likelier` alone, or `likelier repl`. Inputs come from a terminal, with a line editor, or from
//! standard input to its end; what answers them is `session.rs`, which knows neither.

mod changes;
mod commands;
mod data;
mod editor;
mod evaluate;
mod help;
mod input;
mod pictures;
mod places;
mod plot;
mod program;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod value;

use std::io::{self, IsTerminal, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use likelier::output::VERSION;
use likelier::{Dataset, Error};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use crate::commands::Print;
use crate::terminal::{self, Printer};
use crate::{files, interrupt};
use editor::Assistant;
use session::{Session, Then};
use settings::Settings;

const PROMPT: &str = "> ";
/// Inputs that are remembered from session to session.
const MOST_HISTORY: usize = 5_000;

/// How a session starts.
#[derive(Default, PartialEq)]
pub struct Start {
    /// The file of a model.
    pub model: Option<PathBuf>,
    /// Its data.
    pub data: Vec<PathBuf>,
    /// Single values, as `--set` gives them.
    pub sets: Vec<(String, String)>,
    /// Settings, as `:set` takes them.
    pub settings: Vec<(String, String)>,
}

/// Runs a session to its end. The exit code is 1 when inputs that came from no terminal held an error.
///
/// # Errors
/// When what it should start with cannot be read, or standard input fails.
pub fn run(start: &Start) -> Result<ExitCode, Error> {
    let mut settings = Settings::default();
    for (name, value) in &start.settings {
        settings.put(name, value)?;
    }
    let is_terminal = io::stdin().is_terminal();
    let is_colored = terminal::is_color() && io::stdout().is_terminal();
    let mut session = Session::new(settings, terminal::is_color());
    let mut printer = Printer::new(false);
    let data = files::read_data(&start.data, &start.sets)?;
    interrupt::rest_in_session();
    if is_terminal {
        printer.print(&format!(
            "Likelier {VERSION}: statements build a model, expressions are answered at once. :help says more.\n"
        ))?;
    }
    let mut print = |text: &str| printer.print(text);
    begin(&mut session, start.model.as_deref(), data, &mut print)?;
    match is_terminal {
        true => at_terminal(&mut session, is_colored, &mut print),
        false => from_input(&mut session, start, &mut print),
    }
}

/// Takes the model and data that a session starts with.
fn begin(
    session: &mut Session,
    model: Option<&Path>,
    data: Dataset,
    print: &mut Print<'_>,
) -> Result<(), Error> {
    match model {
        Some(path) => commands::load_files(session, path, Some(data), print),
        None if data.entries().is_empty() => Ok(()),
        None => {
            let names: Vec<String> = data.entries().iter().map(|e| e.key.clone()).collect();
            let lines = session.with_data("data".to_owned(), data, &names)?;
            session.say(lines, print)
        }
    }
}

/// Answers one input. Whatever goes wrong is said, and the session goes on; whether nothing did, and whether to go on.
fn answer(session: &mut Session, text: &str, print: &mut Print<'_>) -> (bool, Then) {
    // A mistake of ours must not cost what a person has typed for an hour.
    let result = catch_unwind(AssertUnwindSafe(|| session.answer(text, print)));
    interrupt::rest_in_session();
    match result {
        Ok(Ok(then)) => (true, then),
        Ok(Err(error)) => {
            terminal::report(&error);
            (false, Then::GoOn)
        }
        Err(_) => {
            terminal::error(&terminal::heading(
                "error",
                "this is a mistake of Likelier; please report it with what you typed. The session goes on as it was",
            ));
            (false, Then::GoOn)
        }
    }
}

/// Answers standard input, read to its end.
fn from_input(
    session: &mut Session,
    start: &Start,
    print: &mut Print<'_>,
) -> Result<ExitCode, Error> {
    let mut bytes = Vec::new();
    let stdin = Path::new("standard input");
    io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|error| files::failure("read", stdin, &error.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| files::failure("read", stdin, "it is no text in UTF-8"))?;
    if text.trim().is_empty() && *start == Start::default() {
        return Err(Error::Settings(
            "there is nothing to do: no command was given, and standard input is empty\n  help: `likelier --help` lists the commands; on a terminal, `likelier` alone starts a session".to_owned(),
        ));
    }
    let mut is_good = true;
    for input in input::split(&text) {
        let (went_well, then) = answer(session, &input, print);
        is_good &= went_well;
        if then == Then::Quit {
            break;
        }
    }
    Ok(ExitCode::from(u8::from(!is_good)))
}

/// Answers a person, until they have enough.
fn at_terminal(
    session: &mut Session,
    is_colored: bool,
    print: &mut Print<'_>,
) -> Result<ExitCode, Error> {
    let config = Config::builder()
        .max_history_size(MOST_HISTORY)
        .and_then(|config| config.history_ignore_dups(true))
        .map_err(unusable)?
        .completion_type(CompletionType::List)
        .build();
    let mut editor: Editor<Assistant, FileHistory> =
        Editor::with_config(config).map_err(unusable)?;
    editor.set_helper(Some(Assistant::new(is_colored)));
    let history = history_file();
    if let Some(path) = &history {
        // There is none before the first session.
        let _ = editor.load_history(path);
    }
    loop {
        if let Some(helper) = editor.helper_mut() {
            helper.names = session.names();
            helper.signatures = session.signatures();
        }
        let text = match editor.readline(PROMPT) {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(unusable(error)),
        };
        if text.trim().is_empty() {
            continue;
        }
        // A history that cannot be kept is no reason to stop.
        let _ = editor.add_history_entry(text.trim_end());
        if let Some(path) = &history {
            let _ = editor.append_history(path);
        }
        // What is pasted may be several inputs.
        for input in input::split(&text) {
            if answer(session, &input, print).1 == Then::Quit {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unusable(error: ReadlineError) -> Error {
    files::failure("read", Path::new("the terminal"), &error.to_string())
}

/// Where inputs are remembered: the file that `LIKELIER_HISTORY` names, or one in the user's folder for such things.
fn history_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("LIKELIER_HISTORY") {
        return (!path.is_empty()).then(|| PathBuf::from(path));
    }
    let folder = dirs::state_dir()
        .or_else(dirs::data_local_dir)?
        .join("likelier");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}
