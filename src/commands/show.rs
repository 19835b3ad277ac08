//! `likelier show`: the model as one of the compiler's stages sees it.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use likelier::{Dataset, Error};

use super::{ModelAndData, SampledCoordinates};
use crate::files;
use crate::terminal::Printer;

/// Show a model as a stage of the compiler sees it
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  likelier show density model.ppl data.json"
)]
pub struct Options {
    /// Which stage
    #[arg(value_enum, value_name = "STAGE")]
    stage: Stage,
    #[command(flatten)]
    pub input: ModelAndData,
    /// The coordinates in which an unknown is shown from the stage `loops` on
    #[arg(long, value_enum, default_value_t = SampledCoordinates::Natural, value_name = "COORDINATES")]
    coordinates: SampledCoordinates,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The text as parsed
    Ast,
    /// Names resolved, expressions typed
    Hir,
    /// With the data: sizes known, calls inlined
    Loops,
    /// The log density on unconstrained space
    Density,
    /// The log density and its gradient
    Gradient,
    /// Simulation and reports
    Forward,
    /// The gradient as Cranelift's intermediate code
    Clif,
    /// The gradient as machine code
    Assembly,
}

/// The names of all stages.
pub fn stages() -> Vec<String> {
    let values = Stage::value_variants().iter();
    let values = values.filter_map(ValueEnum::to_possible_value);
    values.map(|value| value.get_name().to_owned()).collect()
}

/// Runs the command.
pub fn execute(options: &Options) -> Result<ExitCode, Error> {
    let text = files::read_model(&options.input.model)?;
    let shown = shown(options, &text, &options.input.read_data()?)?;
    Printer::new(false).print(&shown)?;
    Ok(ExitCode::SUCCESS)
}

/// A text as a stage sees it.
pub fn shown(options: &Options, text: &str, data: &Dataset) -> Result<String, Error> {
    let stage = match options.stage {
        Stage::Ast => likelier::Stage::Ast,
        Stage::Hir => likelier::Stage::Hir,
        Stage::Loops => likelier::Stage::Loops,
        Stage::Density => likelier::Stage::Density,
        Stage::Gradient => likelier::Stage::Gradient,
        Stage::Forward => likelier::Stage::Forward,
        Stage::Clif => likelier::Stage::Clif,
        Stage::Assembly => likelier::Stage::Assembly,
    };
    let name = options.input.model.display().to_string();
    let compile_options = likelier::Options {
        coordinates: options.coordinates.into(),
        ..options.input.options()
    };
    let shown = likelier::show(&name, text, data, &compile_options, stage)?;
    Ok(format!("{}\n", shown.trim_end()))
}
