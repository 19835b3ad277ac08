//! `likelier check`: what can be said of a model without running it; with data, what they make of it too.

use std::process::ExitCode;

use clap::Args;
use likelier::output::roles::roles_text;
use likelier::{Error, Model};

use super::ModelAndData;
use crate::files;
use crate::terminal::{self, Printer};

/// Check a model without running it: syntax, names, types and sizes; with data, also whether they fit
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    input: ModelAndData,
}

/// Runs the command.
pub fn execute(options: &Options) -> Result<ExitCode, Error> {
    let input = &options.input;
    let name = input.model.display().to_string();
    let text = files::read_model(&input.model)?;
    let (warnings, found) = match input.data.is_empty() && input.sets.is_empty() {
        true => {
            let color = terminal::is_color();
            let warnings = likelier::check_with(&name, &text, &input.options(), color)?;
            (warnings, format!("{name}: no errors\n"))
        }
        false => {
            // Settings alone need not make a posterior.
            let options = likelier::Options {
                needs_condition: !input.data.is_empty(),
                ..input.options()
            };
            let model = Model::compile(&name, &text, &input.read_data()?, &options)?;
            let roles = roles_text(
                &model.compiled.roles,
                &model.compiled.constraints,
                &model.compiled.unused_keys,
            );
            let data = input.data_names().join(", ");
            let found = format!("{name}: no errors with {data}\n\n{roles}");
            (model.warnings(terminal::is_color()), found)
        }
    };
    terminal::warn(&warnings);
    Printer::new(false).print(&found)?;
    Ok(ExitCode::SUCCESS)
}
