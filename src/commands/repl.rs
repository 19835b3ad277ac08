//! `likelier repl`: a session at a prompt. What it is stands in `repl/`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use likelier::Error;

use super::Cpu;
use crate::{files, repl};

/// Build and question a model at a prompt, as `likelier` alone does
#[derive(Args)]
#[command(after_help = "Example:
  likelier repl model.ppl data.json")]
pub struct Options {
    /// A model to begin with, a .ppl file
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Data files: .json or .csv
    #[arg(value_name = "DATA")]
    data: Vec<PathBuf>,
    /// Set or override one value: a number or a JSON array; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = files::parse_set)]
    sets: Vec<(String, String)>,
    /// Instruction set of the native code
    #[arg(long, value_enum)]
    cpu: Option<Cpu>,
}

/// Runs the command.
pub fn execute(options: &Options) -> Result<ExitCode, Error> {
    let cpu = options.cpu.and_then(|cpu| cpu.to_possible_value());
    let settings = cpu
        .iter()
        .map(|cpu| ("cpu".to_owned(), cpu.get_name().to_owned()));
    repl::run(&repl::Start {
        model: options.model.clone(),
        data: options.data.clone(),
        sets: options.sets.clone(),
        settings: settings.collect(),
    })
}
