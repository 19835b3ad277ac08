//! `likelier calibrate`: whether the sampler finds what the model was simulated with.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use likelier::calibration::{
    Calibration, CalibrationControl, CalibrationSettings, Method, Program, calibrate,
};
use likelier::output::calibration::{calibration_json, calibration_text};
use likelier::output::{RunInfo, roles};
use likelier::{Coordinates, Error, Simulator};

use super::simulate::show_warnings;
use super::{ModelAndData, dry_run};
use crate::configuration::Setting;
use crate::terminal::Printer;
use crate::{files, interrupt, progress};

/// Check with simulated data that the truth is found often enough
///
/// Simulates data from the model many times and fits them: the true values must lie among the draws as often as the draws say.
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  likelier calibrate model.ppl data.json -n 64"
)]
pub struct Options {
    #[command(flatten)]
    input: ModelAndData,
    /// Data sets to simulate and fit
    #[arg(short = 'n', long, default_value_t = 256, value_name = "N")]
    simulations: usize,
    /// What draws from the posteriors
    #[arg(long, value_enum, default_value_t = Sampler::Nuts)]
    method: Sampler,
    /// Draws of each posterior among which a true value has its rank
    #[arg(long, default_value_t = 99, value_name = "L")]
    ranks: usize,
    /// Check also that the errors of evidence cover the difference between SMC and bridge sampling (takes much longer)
    #[arg(long)]
    evidence: bool,
    /// Seed of all random numbers; the same seed gives the same results
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads [default: as many as are useful]; results do not depend on it
    #[arg(long)]
    threads: Option<usize>,
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
    /// Show no progress
    #[arg(long)]
    no_progress: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sampler {
    /// Two chains of NUTS, as long as independent draws need
    Nuts,
    /// The final particles of sequential Monte Carlo
    Smc,
}

impl Options {
    fn settings(&self) -> CalibrationSettings {
        CalibrationSettings {
            seed: self.seed,
            simulations: self.simulations,
            ranks: self.ranks,
            method: match self.method {
                Sampler::Nuts => Method::Nuts,
                Sampler::Smc => Method::Smc,
            },
            evidence: self.evidence,
            threads: self.threads,
        }
    }
}

/// Runs the command: exit code 3 when something is not calibrated.
pub fn execute(options: &Options, origins: &[Setting]) -> Result<ExitCode, Error> {
    let settings = options.settings();
    settings.check()?;
    let _claim = files::claim_beside(&options.input.files(), options.output.as_slice())?;
    let text = files::read_model(&options.input.model)?;
    let data = options.input.read_data()?;
    let name = options.input.model.display().to_string();
    let simulator = Simulator::prior(&name, &text, &data, &options.input.options())?;
    show_warnings(&simulator);
    let info = RunInfo {
        model: name.clone(),
        data: options.input.data_names(),
        cpu: options.input.options().cpu.to_string(),
        coordinates: Coordinates::Natural,
        compile_seconds: simulator.compile_time.as_secs_f64(),
    };
    let mut printer = Printer::new(options.quiet || options.json);
    let head = format!(
        "Model      {name}\nData       {}\nSettings   seed {}, {} simulations, ranks among {} draws\n\n{}\n",
        info.data_text(),
        settings.seed,
        settings.simulations,
        settings.ranks,
        roles::roles_text(
            &simulator.simulation.roles,
            &simulator.simulation.constraints,
            &simulator.simulation.unused_keys
        )
    );
    if options.dry_run {
        return dry_run(&head, origins, options.output.as_slice());
    }
    printer.print(&head)?;
    let program = Program {
        name: &name,
        text: &text,
    };
    let calibration = watched(options, &settings, |control| {
        let compiler = options.input.options();
        calibrate(program, program, &data, &compiler, &settings, control)
    })?;
    let json = calibration_json(&info, &calibration);
    if let Some(path) = &options.output {
        files::write_whole(path, |out| out.write_all(json.as_bytes()))?;
    }
    printer.print(&calibration_text(&calibration))?;
    if let Some(path) = &options.output {
        printer.print(&format!("Written    {}\n", path.display()))?;
    }
    if options.json {
        Printer::new(options.quiet).print(&json)?;
    }
    Ok(match calibration.is_calibrated() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(3),
    })
}

/// Shows progress, and lets Ctrl-C end after the simulations under way.
fn watched(
    options: &Options,
    settings: &CalibrationSettings,
    work: impl FnOnce(&CalibrationControl) -> Result<Calibration, Error>,
) -> Result<Calibration, Error> {
    let control = Arc::new(CalibrationControl::default());
    let _watch = interrupt::stop_or_quit(
        &control,
        CalibrationControl::is_stopping,
        CalibrationControl::stop,
    );
    let lines = || {
        vec![format!(
            "{} of {} simulations",
            control.done(),
            settings.simulations
        )]
    };
    let show_progress = !options.quiet && !options.no_progress;
    progress::with_lines(show_progress, &lines, || work(&control))
}
