//! `likelier explain`: what a message means, with a model that gives it and one that does not.

use std::process::ExitCode;

use clap::Args;
use likelier::Error;

use crate::terminal::Printer;

/// Explain a message by its code
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  likelier explain E0201"
)]
pub struct Options {
    /// The code in the brackets of the message, for example E0201
    #[arg(value_name = "CODE")]
    code: String,
}

/// Runs the command.
pub fn execute(options: &Options) -> Result<ExitCode, Error> {
    let text = likelier::explain(&options.code)?;
    Printer::new(false).print(&format!("{}\n", text.trim_end()))?;
    Ok(ExitCode::SUCCESS)
}
