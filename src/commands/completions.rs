//! `likelier completions`: what a shell needs to complete commands and options.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;
use likelier::Error;

use crate::terminal::Printer;

/// Print completions for a shell
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "\
Example:
  likelier completions bash > ~/.local/share/bash-completion/completions/likelier"
)]
pub struct Options {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Runs the command on the command line of the whole program.
pub fn execute(options: &Options, mut command: Command) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, "likelier", &mut script);
    Printer::new(false).print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
