//! `likelier density`: the log density at one point, for checking a model against another system or against paper.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use likelier::output::density::density_json;
use likelier::{Dataset, Error};

use super::{ModelAndData, SampledCoordinates};
use crate::files;
use crate::terminal::Printer;

/// Evaluate the log density and its gradient at one point
///
/// They are printed as JSON.
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  likelier density model.ppl data.json --at point.json"
)]
pub struct Options {
    #[command(flatten)]
    input: ModelAndData,
    /// The point: a JSON object with the constrained values of all inferred variables by name
    #[arg(long, value_name = "POINT")]
    at: PathBuf,
    /// The coordinates to which the Jacobian and the gradient belong
    #[arg(long, value_enum, default_value_t = SampledCoordinates::Natural, value_name = "COORDINATES")]
    coordinates: SampledCoordinates,
}

/// Runs the command.
pub fn execute(options: &Options) -> Result<ExitCode, Error> {
    let model = options.input.compile_in(options.coordinates.into())?;
    let point = Dataset::from_json(
        &options.at.display().to_string(),
        &files::read_text(&options.at)?,
    )?;
    let density = model.density_at(&point)?;
    Printer::new(false).print(&density_json(
        &model.compiled.inferred,
        &model.compiled.constraints,
        &density,
    ))?;
    Ok(ExitCode::SUCCESS)
}
