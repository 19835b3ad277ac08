//! `likelier simulate`: draws of the whole model before any data are looked at. Whether the prior says sensible things
//! shows here, and a single draw is a data set with a known truth.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use likelier::output::evidence::paragraph;
use likelier::output::{roles, simulation, table};
use likelier::simulation::Rows;
use likelier::uncertainty::VarianceParts;
use likelier::{Dataset, Error, Simulator};

use super::{ModelAndData, Print, dry_run, refuse_dry_run};
use crate::configuration::Setting;
use crate::files::{self, Claim, extension};
use crate::terminal::{self, Printer};

/// Draw from the prior: every random variable, whatever the data say
///
/// Of the data only covariates and sizes count. Constraints reject draws; those that reject nearly all are tempered in by SMC. The
/// report says which.
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  likelier simulate model.ppl --set N=20 -n 1 -o fake.json"
)]
pub struct Options {
    #[command(flatten)]
    pub input: ModelAndData,
    /// Number of draws
    #[arg(short = 'n', long, default_value_t = 1000, value_name = "K")]
    draws: usize,
    /// Seed of all random numbers; the same seed gives the same results
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the draws: a .csv file, or a .json file, which is a data file when K is 1
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Which variables a data file gets; may be repeated [default: those that the data hold, else those on which no
    /// other and no soft constraint depends]
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<String>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Show every row of the table, however long
    #[arg(long)]
    all: bool,
    /// Show what would be used and where each setting comes from, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print nothing but errors and warnings
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the command.
pub fn execute(options: &Options, origins: &[Setting]) -> Result<ExitCode, Error> {
    let _claim = options.check()?;
    let text = files::read_model(&options.input.model)?;
    let data = options.input.read_data()?;
    if options.dry_run {
        let simulator = prior(options, &text, &data)?;
        let head = head(options, &simulator);
        return dry_run(&head, origins, options.output.as_slice());
    }
    let mut printer = Printer::new(options.is_silent());
    simulate_and_report(options, &text, &data, &mut |text| printer.print(text))?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    /// Whether only files and messages are wanted, or JSON.
    pub fn is_silent(&self) -> bool {
        self.quiet || self.json
    }

    /// Refuses what makes no sense, and what could not be written after the work.
    pub fn check(&self) -> Result<Claim, Error> {
        if self.draws == 0 {
            return Err(Error::Settings(
                "the number of draws must be at least 1".to_owned(),
            ));
        }
        self.output.iter().try_for_each(|path| check_output(path))?;
        files::claim_beside(&self.input.files(), self.output.as_slice())
    }
}

/// Draws from a model's text, writes what was asked for, and says what was drawn.
pub fn simulate_and_report(
    options: &Options,
    text: &str,
    data: &Dataset,
    print: &mut Print<'_>,
) -> Result<(), Error> {
    refuse_dry_run(options.dry_run)?;
    let simulator = prior(options, text, data)?;
    print(&head(options, &simulator))?;
    let rows = simulator.draw(options.seed, options.draws)?;
    let written = match &options.output {
        Some(path) => {
            write(path, &rows, data, &names(options, &simulator, data)?)?;
            format!("Written    {}\n", path.display())
        }
        None => String::new(),
    };
    print(&report(&simulator, &rows, None, options.all))?;
    print(&written)?;
    if options.json {
        Printer::new(options.quiet).print(&simulation::simulation_json(&rows))?;
    }
    Ok(())
}

/// The program that draws, after its warnings.
fn prior(options: &Options, text: &str, data: &Dataset) -> Result<Simulator, Error> {
    let name = options.input.model.display().to_string();
    let simulator = Simulator::prior(&name, text, data, &options.input.options())?;
    show_warnings(&simulator);
    Ok(simulator)
}

/// What stands above the draws.
fn head(options: &Options, simulator: &Simulator) -> String {
    let simulation = &simulator.simulation;
    format!(
        "Model      {}\nDraws      {} from the prior, seed {}\n\n{}\n",
        options.input.model.display(),
        options.draws,
        options.seed,
        roles::roles_text(
            &simulation.roles,
            &simulation.constraints,
            &simulation.unused_keys
        )
    )
}

/// Refuses before the work what could not be written after it.
pub(super) fn check_output(path: &Path) -> Result<(), Error> {
    match extension(path).as_str() {
        "csv" | "json" => Ok(()),
        _ => Err(files::failure(
            "write",
            path,
            "files of simulations end in .csv or .json",
        )),
    }
}

pub(super) fn show_warnings(simulator: &Simulator) {
    terminal::warn(&simulator.warnings(terminal::is_color()));
}

/// The table, and what a reader must know beside it.
pub(super) fn report(
    simulator: &Simulator,
    rows: &Rows,
    parts: Option<&[VarianceParts]>,
    all: bool,
) -> String {
    let mut text = table::simulation_table(&rows.columns, &rows.summary(), parts, all);
    let mut notes = Vec::new();
    for condition in &simulator.simulation.unheeded {
        notes.push(format!("Not heeded, for it conditions: {condition}"));
    }
    notes.extend(simulation::way_text(rows.count(), rows.tried, rows.way));
    if rows.failures() > 0 {
        notes.push(format!(
            "{} of {} draws hold something that is no number: a parameter of a distribution left its domain.",
            rows.failures(),
            rows.count()
        ));
    }
    for note in notes {
        text.push_str(&format!("\n{}", paragraph("Note", &note)));
    }
    text
}

/// The variables that a data file gets.
fn names(options: &Options, simulator: &Simulator, data: &Dataset) -> Result<Vec<String>, Error> {
    let columns = &simulator.simulation.columns;
    let is_random = |name: &str| columns.iter().any(|column| column.variable == name);
    if let Some(unknown) = options.only.iter().find(|name| !is_random(name)) {
        return Err(Error::Settings(format!(
            "`{unknown}` is no random variable of this model\n  help: `--only` takes {}",
            simulator.simulation.leaves.join(", ")
        )));
    }
    if !options.only.is_empty() {
        return Ok(options.only.clone());
    }
    let keys = data.entries().iter().map(|entry| entry.key.clone());
    let held: Vec<String> = keys.filter(|key| is_random(key)).collect();
    Ok(match held.is_empty() {
        true => simulator.simulation.leaves.clone(),
        false => held,
    })
}

fn write(path: &Path, rows: &Rows, data: &Dataset, names: &[String]) -> Result<(), Error> {
    if extension(path) == "json" && rows.count() == 1 {
        return files::write_whole(path, |out| {
            out.write_all(simulation::data_json(rows, data, names).as_bytes())
        });
    }
    write_rows(path, rows)
}

/// Writes all draws.
pub(super) fn write_rows(path: &Path, rows: &Rows) -> Result<(), Error> {
    files::write_whole(path, |out| match extension(path).as_str() {
        "json" => out.write_all(simulation::draws_json(rows).as_bytes()),
        _ => simulation::write_csv(out, rows),
    })
}
