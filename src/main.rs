//! The command line: arguments in, one command run, an exit code out. 0 is success, 1 a mistake in model, data or
//! files, 2 a mistake in the arguments or in `likelier.toml`, 3 a result that `--strict` or `calibrate` refuses, no mode, or files that are not
//! formatted, 130 what was stopped by Ctrl-C.

mod carried;
mod commands;
mod configuration;
mod files;
mod interrupt;
mod linking;
mod mistyped;
mod progress;
mod repl;
mod terminal;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use likelier::Error;

use configuration::Setting;

/// A probabilistic programming language: a model and data in, posterior draws out.
#[derive(Parser)]
#[command(
    name = "likelier",
    version,
    max_term_width = 100,
    help_template = "\
{about}

Begin with  likelier run model.ppl data.json  or  likelier model.ppl data.json
{usage-heading}      {usage}

{subcommands}{after-help}",
    disable_help_subcommand = true,
    after_help = "`likelier COMMAND --help` describes a command; --version prints the version."
)]
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
    Completions(commands::completions::Options),
    Man(commands::man::Options),
}

fn main() -> ExitCode {
    interrupt::install();
    let code = begin().unwrap_or_else(|error| {
        terminal::report(&error);
        ExitCode::from(match error {
            Error::Settings(_) | Error::Configuration(_) => 2,
            _ => 1,
        })
    });
    match interrupt::was_asked() {
        true => ExitCode::from(interrupt::STOPPED),
        false => code,
    }
}

fn begin() -> Result<ExitCode, Error> {
    if let Some(carried) = carried::Carried::own()? {
        return carried.run();
    }
    let command = Arguments::command();
    let arguments = script(&command, std::env::args_os().collect());
    let read = configuration::read(&command, arguments)?;
    let arguments = Arguments::from_arg_matches(&read.matches).unwrap_or_else(|error| error.exit());
    match arguments.command {
        Some(command) => execute(command, &read.settings),
        None => repl::run(&repl::Start::default()),
    }
}

fn execute(command: Command, settings: &[Setting]) -> Result<ExitCode, Error> {
    match command {
        Command::Repl(options) => commands::repl::execute(&options),
        Command::Run(options) => commands::run::execute(&options, settings),
        Command::Evidence(options) => commands::evidence::execute(&options, settings),
        Command::Compare(options) => commands::compare::execute(&options, settings),
        Command::Optimise(options) => commands::optimise::execute(&options, settings),
        Command::Calibrate(options) => commands::calibrate::execute(&options, settings),
        Command::Compile(options) => commands::compile::execute(&options),
        Command::Simulate(options) => commands::simulate::execute(&options, settings),
        Command::Predict(options) => commands::predict::execute(&options, settings),
        Command::Density(options) => commands::density::execute(&options),
        Command::Check(options) => commands::check::execute(&options),
        Command::Fmt(options) => commands::fmt::execute(&options),
        Command::Show(options) => commands::show::execute(&options),
        Command::Doc(options) => commands::doc::execute(&options),
        Command::Explain(options) => commands::explain::execute(&options),
        Command::Completions(options) => {
            commands::completions::execute(&options, Arguments::command())
        }
        Command::Man(options) => commands::man::execute(&options, Arguments::command()),
    }
}

/// `likelier model.ppl data.json` is `likelier run model.ppl data.json`: so does a system start a file that begins with
/// `#!/usr/bin/env likelier`. A word that can only be a path is taken for one, so that what is said of it is about files.
fn script(command: &clap::Command, mut arguments: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = arguments
        .get(1)
        .map(|word| word.to_string_lossy().into_owned())
    else {
        return arguments;
    };
    let is_known = command.find_subcommand(&first).is_some();
    let is_path = first.contains(['/', '.']) || Path::new(&first).is_file();
    if !is_known && !first.starts_with('-') && is_path {
        arguments.insert(1, "run".into());
    }
    arguments
}
