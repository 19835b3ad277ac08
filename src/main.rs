//! The command line: arguments in, one command run, an exit code out. 0 is success, 1 a mistake in model, data or
//! files, 2 a mistake in the arguments, 3 a result that `--strict` or
//! `calibrate` refuses, or no mode.

mod carried;
mod commands;
mod files;
mod interrupt;
mod linking;
mod progress;
mod repl;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use likelier::Error;

/// A probabilistic programming language: a model and data in, posterior draws out.
#[derive(Parser)]
#[command(name = "likelier", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Repl(commands::repl::Options),
    Run(commands::run::Options),
    Evidence(commands::evidence::Options),
    Compare(commands::compare::Options),
    Optimise(commands::optimise::Options),
    Calibrate(commands::calibrate::Options),
    Compile(commands::compile::Options),
    Simulate(commands::simulate::Options),
    Predict(commands::predict::Options),
    Density(commands::density::Options),
    Check(commands::check::Options),
    Fmt(commands::fmt::Options),
    Show(commands::show::Options),
    Doc(commands::doc::Options),
    Explain(commands::explain::Options),
}

fn main() -> ExitCode {
    let result = match carried::Carried::own() {
        Ok(Some(carried)) => carried.run(),
        Ok(None) => match Arguments::parse().command {
            Some(command) => execute(command),
            None => repl::run(&repl::Start::default()),
        },
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| {
        terminal::report(&error);
        ExitCode::from(match error {
            Error::Settings(_) => 2,
            _ => 1,
        })
    })
}

fn execute(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Repl(options) => commands::repl::execute(&options),
        Command::Run(options) => commands::run::execute(&options),
        Command::Evidence(options) => commands::evidence::execute(&options),
        Command::Compare(options) => commands::compare::execute(&options),
        Command::Optimise(options) => commands::optimise::execute(&options),
        Command::Calibrate(options) => commands::calibrate::execute(&options),
        Command::Compile(options) => commands::compile::execute(&options),
        Command::Simulate(options) => commands::simulate::execute(&options),
        Command::Predict(options) => commands::predict::execute(&options),
        Command::Density(options) => commands::density::execute(&options),
        Command::Check(options) => commands::check::execute(&options),
        Command::Fmt(options) => commands::fmt::execute(&options),
        Command::Show(options) => commands::show::execute(&options),
        Command::Doc(options) => commands::doc::execute(&options),
        Command::Explain(options) => commands::explain::execute(&options),
    }
}
