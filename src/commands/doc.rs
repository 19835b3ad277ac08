//! `likelier doc`: the documentation that stands beside a definition of the library.

use std::process::ExitCode;

use clap::Args;
use likelier::Error;

use crate::terminal::Printer;

/// Show the documentation of a distribution or function
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  likelier doc normal"
)]
pub struct Options {
    /// Its name, for example normal
    #[arg(value_name = "NAME")]
    name: String,
}

/// Runs the command.
pub fn execute(options: &Options) -> Result<ExitCode, Error> {
    let text = likelier::doc(&options.name)?;
    Printer::new(false).print(&format!("{}\n", text.trim_end()))?;
    Ok(ExitCode::SUCCESS)
}
