//! `likelier compare`: several models of the same data, by their evidence and by what they predict.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use likelier::comparison::{Candidate, Comparison, Observed, check_same, loo, observed};
use likelier::output::RunInfo;
use likelier::output::comparison::{comparison_json, comparison_text};
use likelier::{Error, Model, Simulator};

use super::evidence::{Estimation, estimate};
use super::{Cpu, ModelAndData};
use crate::files;
use crate::terminal::{self, Printer};

/// Compare models of the same data: evidences, probabilities, leave-one-out prediction
#[derive(Args)]
pub struct Options {
    /// The models, .ppl files; `FILE:NAME` for one of the `model` items in a file
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,
    /// Data files for all of them: .json or .csv
    #[arg(long, value_name = "DATA", num_args = 1..)]
    data: Vec<PathBuf>,
    /// Set or override one value: a number or a JSON array; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = files::parse_set)]
    sets: Vec<(String, String)>,
    /// Instruction set of the native code
    #[arg(long, value_enum, default_value_t = Cpu::Native)]
    cpu: Cpu,
    #[command(flatten)]
    estimation: Estimation,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write the result as JSON
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with code 3 when the best model is not separated from the second
    #[arg(long)]
    strict: bool,
    /// Print nothing but errors and warnings
    #[arg(short, long)]
    quiet: bool,
    /// Show no progress
    #[arg(long)]
    no_progress: bool,
}

impl Options {
    fn input(&self, model: &Path) -> ModelAndData {
        ModelAndData {
            model: model.to_owned(),
            data: self.data.clone(),
            sets: self.sets.clone(),
            without: Vec::new(),
            scale: Vec::new(),
            harden: Vec::new(),
            cpu: self.cpu,
        }
    }
}

/// Runs the command.
pub fn execute(options: &Options) -> Result<ExitCode, Error> {
    let settings = options.estimation.settings();
    settings.check()?;
    let inputs: Vec<ModelAndData> = options.models.iter().map(|m| options.input(m)).collect();
    if let Some(path) = &options.output {
        files::check_writable(path)?;
        let read: Vec<&Path> = inputs.iter().flat_map(ModelAndData::files).collect();
        files::check_distinct(&read, std::slice::from_ref(path))?;
    }
    let mut printer = Printer::new(options.quiet || options.json);
    let models: Vec<Model> = inputs
        .iter()
        .map(ModelAndData::compile)
        .collect::<Result<_, Error>>()?;
    let names: Vec<String> = options
        .models
        .iter()
        .map(|m| m.display().to_string())
        .collect();
    for model in &models {
        let warnings = model.warnings(terminal::is_color());
        if !warnings.is_empty() {
            terminal::error(&warnings);
        }
        model.check_evidence()?;
    }
    let all: Vec<(String, Observed)> = names
        .iter()
        .cloned()
        .zip(models.iter().map(observed))
        .collect();
    check_same(&all)?;
    let infos: Vec<RunInfo> = inputs
        .iter()
        .zip(&models)
        .map(|(input, model)| input.info(model))
        .collect();
    let listed: Vec<String> = all[0]
        .1
        .iter()
        .map(|(name, count)| format!("{name} ({count})"))
        .collect();
    printer.print(&format!(
        "Data       {}\nObserved   {}\nSettings   seed {}, cpu {}\n\n",
        infos[0].data_text(),
        listed.join(", "),
        settings.seed,
        infos[0].cpu,
    ))?;
    let show_progress = !options.quiet && !options.no_progress;
    let mut candidates = Vec::new();
    for ((name, model), input) in names.iter().zip(&models).zip(&inputs) {
        let evidence = estimate(model, &settings, show_progress)?;
        let text = files::read_model(&input.model)?;
        let pointwise = Simulator::pointwise(name, &text, &input.read_data()?, &input.options())?;
        let loo = match pointwise.simulation.columns.is_empty() {
            true => None,
            false => loo(&pointwise, &model.sample(&settings.nuts)?),
        };
        candidates.push(Candidate {
            name: name.clone(),
            evidence,
            loo,
        });
    }
    let comparison = Comparison::of(candidates, settings.seed);
    let json = comparison_json(&infos, &comparison);
    if let Some(path) = &options.output {
        files::write_whole(path, |out| out.write_all(json.as_bytes()))?;
    }
    printer.print(&comparison_text(&comparison))?;
    if let Some(path) = &options.output {
        printer.print(&format!("Written    {}\n", path.display()))?;
    }
    if options.json {
        Printer::new(options.quiet).print(&json)?;
    }
    let is_refused = options.strict && !comparison.is_separated;
    Ok(if is_refused {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}
