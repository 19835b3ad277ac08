//! `likelier predict`: what the draws of a run say of data that could be observed: the same observations once more, or,
//! with new data, other rows and other groups.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use likelier::output::{roles, simulation};
use likelier::simulation::DrawTable;
use likelier::{Dataset, Error, Prediction, Simulator};
use likelier_compiler::source::suggest::nearest;

use super::simulate::{check_output, report, show_warnings, write_rows};
use super::{ModelAndData, dry_run};
use crate::configuration::Setting;
use crate::files;
use crate::terminal::{self, Printer};

/// Predict from draws: replicates, or new rows and groups
///
/// The draws are those that `run -o` wrote. Says how much of the spread is ignorance and how much is chance.
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  likelier predict model.ppl data.json --from draws_*.csv"
)]
pub struct Options {
    #[command(flatten)]
    input: ModelAndData,
    /// The files of draws that `run -o` wrote; may be repeated
    #[arg(long = "from", alias = "draws", value_name = "FILE", num_args = 1.., required = true)]
    draws: Vec<PathBuf>,
    /// Data that replace those of the run: covariates, groups, sizes
    #[arg(long = "new", value_name = "DATA2", num_args = 1..)]
    new: Vec<PathBuf>,
    /// Keep this observed variable at the values of the data; what is missing of it is simulated from them
    #[arg(long, value_name = "NAME")]
    hold: Vec<String>,
    /// Draw this inferred variable from its distribution instead of taking it from the draws
    #[arg(long, value_name = "NAME")]
    redraw: Vec<String>,
    /// Seed of all random numbers; the same seed gives the same results
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the predictions: .csv or .json
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Write the summary as JSON
    #[arg(long, value_name = "FILE")]
    summary_json: Option<PathBuf>,
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
    options
        .output
        .iter()
        .try_for_each(|path| check_output(path))?;
    let mut read = options.input.files();
    read.extend(
        options
            .draws
            .iter()
            .chain(&options.new)
            .map(PathBuf::as_path),
    );
    let written: Vec<PathBuf> = options
        .output
        .iter()
        .chain(&options.summary_json)
        .cloned()
        .collect();
    let _claim = files::claim_beside(&read, &written)?;
    let text = files::read_model(&options.input.model)?;
    let data = options.input.read_data()?;
    let new_data = match options.new.is_empty() {
        true => None,
        false => Some(files::read_data(&options.new, &[])?),
    };
    let new_keys: Vec<String> = new_data.iter().flat_map(keys).collect();
    let prediction = Prediction {
        new_data,
        held: options.hold.clone(),
        redrawn: options.redraw.clone(),
    };
    let name = options.input.model.display().to_string();
    let simulator =
        Simulator::prediction(&name, &text, &data, &prediction, &options.input.options())?;
    show_warnings(&simulator);
    let tables = options
        .draws
        .iter()
        .map(|path| {
            simulation::read_draws(&path.display().to_string(), &files::read_text(path)?)
                .map_err(Error::Settings)
        })
        .collect::<Result<Vec<DrawTable>, Error>>()?;
    warn_of_unused(&simulator, &new_keys);
    warn_of_strangers(&simulator, &tables);
    let mut printer = Printer::new(options.quiet || options.json);
    let files: Vec<String> = options
        .draws
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let head = format!(
        "Model      {name}\nDraws      {} of {}, seed {}\n\n{}\n",
        tables.iter().map(DrawTable::count).sum::<usize>(),
        files.join(", "),
        options.seed,
        roles::prediction_text(
            &simulator.simulation.roles,
            &simulator.simulation.unused_keys
        )
    );
    if options.dry_run {
        return dry_run(&head, origins, &written);
    }
    let rows = simulator.along(&tables, options.seed)?;
    let is_shown = !options.quiet || options.json || options.summary_json.is_some();
    let parts = match is_shown {
        true => simulator.variance_parts(&tables, options.seed)?,
        false => Vec::new(),
    };
    printer.print(&head)?;
    if let Some(path) = &options.output {
        write_rows(path, &rows)?;
    }
    if let Some(path) = &options.summary_json {
        let text = simulation::prediction_json(&rows, &parts);
        files::write_whole(path, |out| out.write_all(text.as_bytes()))?;
    }
    printer.print(&report(&simulator, &rows, Some(&parts), options.all))?;
    for path in written {
        printer.print(&format!("Written    {}\n", path.display()))?;
    }
    if options.json {
        Printer::new(options.quiet).print(&simulation::prediction_json(&rows, &parts))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn keys(data: &Dataset) -> Vec<String> {
    data.entries()
        .iter()
        .map(|entry| entry.key.clone())
        .collect()
}

/// Names in quotes; of many the first.
fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.dedup();
    match names.len() > 8 {
        true => format!("{}, …", names[..8].join(", ")),
        false => names.join(", "),
    }
}

/// New data under a name that the model does not have change nothing, which is hardly meant.
fn warn_of_unused(simulator: &Simulator, new_keys: &[String]) {
    let simulation = &simulator.simulation;
    let names = || simulation.roles.iter().map(|line| line.name.as_str());
    for key in new_keys {
        if !simulation.unused_keys.contains(key) {
            continue;
        }
        let open = names().filter(|name| new_keys.iter().all(|other| other != name));
        let help = match nearest(key, open) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the model has {}", quoted(names())),
        };
        terminal::error(&format!(
            "warning: nothing in the model is called `{key}`, so these new data change nothing\n  help: {help}"
        ));
    }
}

/// Draws of another model may have all the columns that are needed, by chance.
fn warn_of_strangers(simulator: &Simulator, tables: &[DrawTable]) {
    let Some(table) = tables.first() else { return };
    let strangers = simulator.strangers(table);
    if !strangers.is_empty() {
        terminal::error(&format!(
            "warning: {} has {} too, which the model does not have: are these draws of this model and these data?",
            table.name,
            quoted(strangers.iter().map(String::as_str))
        ));
    }
}
