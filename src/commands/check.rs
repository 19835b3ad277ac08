//! `likelier check`: what can be said of a model without data.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use likelier::Error;

use crate::files;
use crate::terminal::{self, Printer};

/// Check a model without data: syntax, names, types and sizes
#[derive(Args)]
pub struct Options {
    /// The model, a .ppl file
    #[arg(value_name = "MODEL")]
    model: PathBuf,
}

/// Runs the command.
pub fn execute(options: &Options) -> Result<ExitCode, Error> {
    let name = options.model.display().to_string();
    let warnings = likelier::check_with(
        &name,
        &files::read_model(&options.model)?,
        &likelier::Options {
            loader: Some(files::load_import),
            ..likelier::Options::default()
        },
        terminal::is_color(),
    )?;
    if !warnings.is_empty() {
        terminal::error(&warnings);
    }
    Printer::new(false).print(&format!("{name}: no errors\n"))?;
    Ok(ExitCode::SUCCESS)
}
