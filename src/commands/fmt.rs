//! `likelier fmt`: programs in the one layout. A file is written only if it changes, and only as a whole; what has a syntax
//! error stays as it is.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use likelier::Error;

use crate::files;
use crate::terminal::{self, Printer};

/// Format models: the same words and comments in one layout
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "\
Example:
  likelier fmt model.ppl          formats a file in place
  likelier fmt --check .          exits with code 3 if a file below this folder is not formatted"
)]
pub struct Options {
    /// Models, or folders: all .ppl files in them
    #[arg(
        value_name = "FILE",
        required_unless_present = "stdin",
        conflicts_with = "stdin"
    )]
    files: Vec<PathBuf>,
    /// Change nothing; say which files are not formatted, and exit with code 3 if there are any
    #[arg(long)]
    check: bool,
    /// Read a model from standard input and print it formatted: for editors
    #[arg(long)]
    stdin: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// What became of the files.
#[derive(Default)]
struct Count {
    changed: usize,
    unchanged: usize,
    failed: usize,
}

/// Runs the command.
pub fn execute(options: &Options) -> Result<ExitCode, Error> {
    let mut printer = Printer::new(options.quiet);
    if options.stdin {
        return format_input(options, &mut printer);
    }
    let mut count = Count::default();
    for file in models(&options.files)? {
        match format_file(&file, options.check) {
            Ok(false) => count.unchanged += 1,
            Ok(true) => {
                count.changed += 1;
                let verb = if options.check {
                    "not formatted"
                } else {
                    "formatted"
                };
                printer.print(&format!("{verb}: {}\n", file.display()))?;
            }
            Err(error) => {
                count.failed += 1;
                terminal::report(&error);
            }
        }
    }
    printer.print(&summary(&count, options.check))?;
    Ok(ExitCode::from(match count {
        Count { failed: 1.., .. } => 1,
        Count { changed: 1.., .. } if options.check => 3,
        _ => 0,
    }))
}

fn format_input(options: &Options, printer: &mut Printer) -> Result<ExitCode, Error> {
    const NAME: &str = "standard input";
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| files::failure("read", Path::new(NAME), &error.to_string()))?;
    let text = files::text_of(Path::new(NAME), bytes)?;
    let formatted = likelier::format(NAME, &text)?;
    if options.check {
        return Ok(ExitCode::from(if text == formatted { 0 } else { 3 }));
    }
    printer.print(&formatted)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether the file is, or has to be, changed.
fn format_file(path: &Path, check: bool) -> Result<bool, Error> {
    let text = files::read_text(path)?;
    let formatted = likelier::format(&path.display().to_string(), &text)?;
    if text == formatted {
        return Ok(false);
    }
    if !check {
        files::write_whole(path, |out| out.write_all(formatted.as_bytes()))?;
    }
    Ok(true)
}

fn summary(count: &Count, check: bool) -> String {
    let Count {
        changed,
        unchanged,
        failed,
    } = count;
    let verb = if check { "not formatted" } else { "formatted" };
    let mut text = format!("{changed} {verb}, {unchanged} as they should be");
    if *failed > 0 {
        text.push_str(&format!(", {failed} left alone because of errors"));
    }
    text + "\n"
}

/// The files named, and the models in the folders named, in the order of their names. Hidden folders are left out.
fn models(named: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for path in named {
        if path.is_dir() {
            let before = found.len();
            walk(path, &mut found)?;
            if found.len() == before {
                let reason = "there is no .ppl file in this folder";
                return Err(files::failure("format", path, reason));
            }
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failure = |error: io::Error| files::failure("read", folder, &error.to_string());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failure)? {
        let entry = entry.map_err(failure)?;
        // A link to a folder may lead back to where it stands.
        let is_folder = entry.file_type().map_err(failure)?.is_dir();
        entries.push((entry.path(), is_folder));
    }
    entries.sort();
    for (path, is_folder) in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_hidden = name.starts_with('.');
        if is_folder && !is_hidden {
            walk(&path, found)?;
        } else if !is_folder && path.extension().is_some_and(|extension| extension == "ppl") {
            found.push(path);
        }
    }
    Ok(())
}
