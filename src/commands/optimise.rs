//! `likelier optimise`: the mode of the posterior density or of the likelihood, where there is one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use likelier::output::optimise::{mode_json, mode_text};
use likelier::{Error, ModeVerdict, Objective, OptimiseSettings};

use super::{ModelAndData, dry_run, header};
use crate::configuration::Setting;
use crate::files;
use crate::terminal::{self, Printer};

/// Find the mode of the posterior, or the maximum of the likelihood
///
/// Says whether there is one: many posteriors have none.
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  likelier optimise model.ppl data.json"
)]
pub struct Options {
    #[command(flatten)]
    input: ModelAndData,
    /// Maximise the density of the unconstrained coordinates, with the Jacobian, instead of that of the values
    #[arg(long, conflicts_with = "likelihood")]
    jacobian: bool,
    /// Maximise the likelihood alone, without priors and constraints
    #[arg(long)]
    likelihood: bool,
    /// Prior draws from which climbs begin
    #[arg(long, default_value_t = 20)]
    starts: usize,
    /// Seed of all random numbers; the same seed gives the same results
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads [default: as many as are useful]; results do not depend on it
    #[arg(long)]
    threads: Option<usize>,
    /// Show every element of every variable
    #[arg(long)]
    all: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write the result as JSON
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show what would be used and where each setting comes from, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print nothing but errors and warnings
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the command.
pub fn execute(options: &Options, origins: &[Setting]) -> Result<ExitCode, Error> {
    let settings = OptimiseSettings {
        objective: match (options.jacobian, options.likelihood) {
            (true, _) => Objective::Position,
            (_, true) => Objective::Likelihood,
            _ => Objective::Values,
        },
        starts: options.starts,
        seed: options.seed,
        threads: options.threads,
    };
    let _claim = files::claim_beside(&options.input.files(), options.output.as_slice())?;
    let mut printer = Printer::new(options.quiet || options.json);
    let model = options.input.compile()?;
    terminal::warn(&model.warnings(terminal::is_color()));
    let info = options.input.info(&model);
    let chosen = format!(
        "seed {}, {} starts, cpu {}",
        settings.seed, settings.starts, info.cpu
    );
    let head = header(&info, &model, &chosen);
    if options.dry_run {
        return dry_run(&head, origins, options.output.as_slice());
    }
    printer.print(&head)?;
    let mode = model.optimise(&settings)?;
    let json = mode_json(&info, &mode);
    if let Some(path) = &options.output {
        files::write_whole(path, |out| out.write_all(json.as_bytes()))?;
    }
    printer.print(&mode_text(&mode, options.all))?;
    if let Some(path) = &options.output {
        printer.print(&format!("Written    {}\n", path.display()))?;
    }
    if options.json {
        Printer::new(options.quiet).print(&json)?;
    }
    Ok(match mode.verdict {
        ModeVerdict::Maximum => ExitCode::SUCCESS,
        _ => ExitCode::from(3),
    })
}
