//! `likelier check`: what can be said of a model without running it; with data, what they make of it too.

use std::process::ExitCode;

use clap::Args;
use likelier::Error;
use likelier::check::{CheckReport, check_report};
use likelier::output::check::{check_json, failed_json};
use likelier::output::roles::roles_text;

use super::ModelAndData;
use crate::files;
use crate::terminal::{self, Printer};

/// Find mistakes without running: names, types, sizes, data
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:
  likelier check model.ppl data.json --pedantic"
)]
pub struct Options {
    #[command(flatten)]
    input: ModelAndData,
    /// Ask what a careful reader would: about wide priors, unused names, hard borders, jumps, and unknowns that nothing informs
    #[arg(long)]
    pedantic: bool,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
    /// Exit with code 3 when there are warnings
    #[arg(long)]
    strict: bool,
    /// Print nothing but errors and warnings
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the command.
pub fn execute(options: &Options) -> Result<ExitCode, Error> {
    let name = options.input.model.display().to_string();
    let data = options.input.data_names();
    let report = match report(options) {
        Ok(report) => report,
        Err(error) if options.json => {
            Printer::new(options.quiet).print(&failed_json(&name, &data, &error))?;
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error),
    };
    let mut printer = Printer::new(options.quiet);
    if options.json {
        printer.print(&check_json(&name, &data, &report))?;
    } else {
        terminal::warn(&report.render(terminal::is_color()));
        if report.is_ok() {
            printer.print(&found(&name, &data, &report))?;
        }
    }
    Ok(ExitCode::from(match report.is_ok() {
        false => 1,
        true if options.strict && !report.diagnostics.is_empty() => 3,
        true => 0,
    }))
}

fn report(options: &Options) -> Result<CheckReport, Error> {
    let input = &options.input;
    let name = input.model.display().to_string();
    let text = files::read_model(&input.model)?;
    let has_data = !input.data.is_empty() || !input.sets.is_empty();
    let data = match has_data {
        true => Some(input.read_data()?),
        false => None,
    };
    // Settings alone need not make a posterior.
    let compiler = likelier::Options {
        needs_condition: !input.data.is_empty(),
        ..input.options()
    };
    check_report(&name, &text, data.as_ref(), &compiler, options.pedantic)
}

fn found(name: &str, data: &[String], report: &CheckReport) -> String {
    match &report.model {
        None => format!("{name}: no errors\n"),
        Some(model) => {
            let roles = roles_text(
                &model.compiled.roles,
                &model.compiled.constraints,
                &model.compiled.unused_keys,
            );
            format!("{name}: no errors with {}\n\n{roles}", data.join(", "))
        }
    }
}
