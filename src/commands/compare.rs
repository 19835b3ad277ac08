//! `likelier compare`: several models of the same data, by their evidence and by what they predict.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use likelier::comparison::{
    Averaged, Candidate, Comparison, Loo, Observed, check_same, loo, observed,
};
use likelier::output::RunInfo;
use likelier::output::comparison::{averaged_csv, averaged_text, comparison_json, comparison_text};
use likelier::simulation::Rows;
use likelier::{
    Coordinates, Dataset, Error, Evidence, EvidenceControl, EvidenceSettings, Model, Posterior,
    Prediction, Simulator,
};

use super::evidence::{Estimation, check_orders, estimate, row_by_row, watched};
use super::{Cpu, ModelAndData, Print, dry_run, refuse_dry_run};
use crate::configuration::Setting;
use crate::files::Claim;
use crate::terminal::{self, Printer};
use crate::{files, progress};

/// Compare models of the same data: evidence and prediction
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  likelier compare linear.ppl quadratic.ppl --data data.json"
)]
pub struct Options {
    /// The models, .ppl files; `FILE:NAME` for one of the `model` items in a file
    #[arg(value_name = "MODEL", required = true)]
    pub models: Vec<PathBuf>,
    /// Data files for all of them: .json or .csv
    #[arg(long, value_name = "DATA", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Set or override one value: a number or a JSON array; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = files::parse_set)]
    sets: Vec<(String, String)>,
    /// Instruction set of the native code
    #[arg(long, value_enum, default_value_t = Cpu::Native)]
    cpu: Cpu,
    /// Leave likelier.toml beside the first model unread
    #[arg(long)]
    no_config: bool,
    #[command(flatten)]
    estimation: Estimation,
    /// Leave out what goes row by row: where one model got ahead, and the later half of the data given the earlier one
    #[arg(long)]
    no_rows: bool,
    /// Take the rows in this many random orders too
    #[arg(
        long,
        value_name = "K",
        default_value_t = 0,
        conflicts_with = "no_rows"
    )]
    orders: usize,
    /// Where leave-one-out cannot be had from the draws, refit without the row: for at most this many rows of a model
    #[arg(long, value_name = "N", default_value_t = 20)]
    refits: usize,
    /// Write what the models together predict of what was observed: .csv
    #[arg(long, value_name = "FILE")]
    predict: Option<PathBuf>,
    /// Data that replace those of the fit in these predictions: covariates, groups, sizes
    #[arg(long = "new", value_name = "DATA2", num_args = 1.., requires = "predict")]
    new: Vec<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write the result as JSON
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with code 3 when the best model is not separated from the second
    #[arg(long)]
    strict: bool,
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

impl Options {
    /// Whether only files and messages are wanted, or JSON.
    pub fn is_silent(&self) -> bool {
        self.quiet || self.json
    }

    /// What one of the models would be given to another command as.
    pub fn input(&self, model: &Path) -> ModelAndData {
        ModelAndData {
            model: model.to_owned(),
            data: self.data.clone(),
            sets: self.sets.clone(),
            without: Vec::new(),
            scale: Vec::new(),
            harden: Vec::new(),
            cpu: self.cpu,
            no_config: self.no_config,
        }
    }
}

/// Runs the command.
pub fn execute(options: &Options, origins: &[Setting]) -> Result<ExitCode, Error> {
    let _claim = options.check()?;
    let inputs: Vec<ModelAndData> = options.models.iter().map(|m| options.input(m)).collect();
    let models: Vec<Model> = inputs
        .iter()
        .map(ModelAndData::compile)
        .collect::<Result<_, Error>>()?;
    let infos: Vec<RunInfo> = inputs
        .iter()
        .zip(&models)
        .map(|(input, model)| input.info(model))
        .collect();
    if options.dry_run {
        let head = head(options, &models, &infos)?;
        return dry_run(&head, origins, &options.written());
    }
    let mut printer = Printer::new(options.is_silent());
    let is_separated =
        compare_and_report(options, &models, &infos, &mut |text| printer.print(text))?;
    Ok(if options.strict && !is_separated {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

impl Options {
    /// The files that are written.
    fn written(&self) -> Vec<PathBuf> {
        self.output.iter().chain(&self.predict).cloned().collect()
    }

    /// Refuses what makes no sense, and what could not be written after the work.
    pub fn check(&self) -> Result<Claim, Error> {
        self.estimation.settings().check()?;
        check_orders(self.orders)?;
        let read = self.models.iter().chain(&self.data).chain(&self.new);
        let read: Vec<&Path> = read.map(PathBuf::as_path).collect();
        files::claim_beside(&read, &self.written())
    }
}

/// What comes after compiling: compares, writes what was asked for, and says what was found. Whether the best model is separated
/// from the second.
pub fn compare_and_report(
    options: &Options,
    models: &[Model],
    infos: &[RunInfo],
    print: &mut Print<'_>,
) -> Result<bool, Error> {
    refuse_dry_run(options.dry_run)?;
    let settings = options.estimation.settings();
    let new_data = match options.new.is_empty() {
        true => None,
        false => Some(files::read_data(&options.new, &[])?),
    };
    print(&head(options, models, infos)?)?;
    let work = Work {
        settings: &settings,
        refits: options.refits,
        with_rows: !options.no_rows,
        orders: options.orders,
        new_data: options.predict.as_ref().map(|_| new_data),
        show_progress: !options.quiet && !options.no_progress,
    };
    let (mut candidates, mut predictions) = (Vec::new(), Vec::new());
    for (info, model) in infos.iter().zip(models) {
        let (candidate, predicted) = work.candidate(&info.model, model)?;
        candidates.push(candidate);
        predictions.extend(predicted);
    }
    let comparison = Comparison::of(candidates, settings.seed);
    let json = comparison_json(infos, &comparison);
    if let Some(path) = &options.output {
        files::write_whole(path, |out| out.write_all(json.as_bytes()))?;
    }
    print(&comparison_text(&comparison))?;
    if let Some(path) = &options.predict {
        let averaged = averaged(&comparison, &predictions)?;
        let csv = averaged_csv(&averaged);
        files::write_whole(path, |out| out.write_all(csv.as_bytes()))?;
        print(&averaged_text(&averaged))?;
    }
    for path in options.written() {
        print(&format!("Written    {}\n", path.display()))?;
    }
    if options.json {
        Printer::new(options.quiet).print(&json)?;
    }
    Ok(comparison.is_separated)
}

/// What stands above a comparison, once it is clear that it can be made.
fn head(options: &Options, models: &[Model], infos: &[RunInfo]) -> Result<String, Error> {
    for model in models {
        terminal::warn(&model.warnings(terminal::is_color()));
        model.check_evidence()?;
    }
    let names = infos.iter().map(|info| info.model.clone());
    let all: Vec<(String, Observed)> = names.zip(models.iter().map(observed)).collect();
    check_same(&all)?;
    check_different(models, infos)?;
    let listed: Vec<String> = all[0]
        .1
        .iter()
        .map(|(name, count)| format!("{name} ({count})"))
        .collect();
    Ok(format!(
        "Data       {}\nObserved   {}\nSettings   seed {}, cpu {}\n\n",
        infos[0].data_text(),
        listed.join(", "),
        options.estimation.settings().seed,
        infos[0].cpu,
    ))
}

/// Whether no model is given twice: only the noise of two estimates would be compared.
fn check_different(models: &[Model], infos: &[RunInfo]) -> Result<(), Error> {
    for (place, model) in models.iter().enumerate() {
        if let Some(twin) = models[..place].iter().position(|one| one.is_same_as(model)) {
            let (one, other) = (&infos[twin].model, &infos[place].model);
            return Err(Error::Settings(format!(
                "{one} and {other} are the same model of the same data, so there is nothing to compare\n  help: name models that differ; `likelier evidence` is for one"
            )));
        }
    }
    Ok(())
}

/// Runs through the rows of a model: curves and halves need no more, and this then costs about as much as the evidence.
const RUNS_BY_ROWS: usize = 2;

/// What is done with each model.
struct Work<'a> {
    settings: &'a EvidenceSettings,
    refits: usize,
    with_rows: bool,
    orders: usize,
    /// The new data of predictions; `None` without predictions.
    new_data: Option<Option<Dataset>>,
    show_progress: bool,
}

impl Work<'_> {
    /// What is found of a model, and what it predicts.
    fn candidate(&self, name: &str, model: &Model) -> Result<(Candidate, Option<Rows>), Error> {
        let mut evidence = estimate(model, self.settings, self.show_progress)?;
        let pointwise = model.pointwise()?;
        let is_separable =
            !pointwise.simulation.columns.is_empty() && pointwise.simulation.warnings.is_empty();
        let mut found = None;
        let mut predicted = None;
        if is_separable || self.new_data.is_some() {
            let (posterior, coordinates) = self.draws(model, &mut evidence)?;
            found = self.left_out(model, &pointwise, &posterior, coordinates)?;
            if let Some(new_data) = &self.new_data {
                let prediction = Prediction {
                    new_data: new_data.clone(),
                    ..Prediction::default()
                };
                let mut simulator = model.prediction(&prediction)?;
                simulator.keep_replicates(&model.compiled.roles);
                predicted = Some(simulator.along_chains(&posterior));
            }
        }
        let is_drawable = model.compiled.normalisation.undrawable.is_empty();
        let (by_rows, orders) = match self.with_rows && is_separable && is_drawable {
            true => {
                let fewer = EvidenceSettings {
                    replicates: self.settings.replicates.min(RUNS_BY_ROWS),
                    ..self.settings.clone()
                };
                let (found, orders) = row_by_row(model, &fewer, self.orders, self.show_progress)?;
                (Some(found), orders)
            }
            false => (None, Vec::new()),
        };
        let candidate = Candidate {
            name: name.to_owned(),
            evidence,
            loo: found,
            by_rows,
            orders,
        };
        Ok((candidate, predicted))
    }

    /// Draws of the posterior: those of the evidence, if its chains made any.
    fn draws(
        &self,
        model: &Model,
        evidence: &mut Evidence,
    ) -> Result<(Posterior, Coordinates), Error> {
        if let Some(draws) = evidence.take_draws() {
            return Ok(draws);
        }
        let nuts = &self.settings.nuts;
        let sample = |control: &EvidenceControl| model.sample_watched(nuts, &control.chains);
        let posterior = watched(
            self.settings,
            self.show_progress,
            &|control| self.lines(control),
            sample,
        )?;
        Ok((posterior, model.compiled.coordinates))
    }

    fn left_out(
        &self,
        model: &Model,
        pointwise: &Simulator,
        posterior: &Posterior,
        coordinates: Coordinates,
    ) -> Result<Option<Loo>, Error> {
        let Some(mut found) = loo(pointwise, posterior) else {
            return Ok(None);
        };
        let refit = |control: &EvidenceControl| {
            found.refit(model, posterior, coordinates, self.refits, &control.chains)
        };
        watched(
            self.settings,
            self.show_progress,
            &|control| self.lines(control),
            refit,
        )?;
        Ok(Some(found))
    }

    fn lines(&self, control: &EvidenceControl) -> Vec<String> {
        progress::chain_lines(self.settings.nuts.chains, control)
    }
}

/// The predictions of all models together.
fn averaged(comparison: &Comparison, predictions: &[Rows]) -> Result<Averaged, Error> {
    let names: Vec<String> = comparison
        .candidates
        .iter()
        .map(|c| c.name.clone())
        .collect();
    let of_models = |share: fn(&likelier::comparison::Standing) -> Option<f64>| {
        let mut shares = vec![0.0; names.len()];
        for standing in &comparison.standings {
            shares[standing.model] = share(standing)?;
        }
        Some(shares)
    };
    let probabilities = of_models(|standing| standing.probability.map(|p| p[0]));
    let stacking = of_models(|standing| standing.stacking);
    let averaged = Averaged::of(
        &names,
        predictions,
        probabilities.as_deref(),
        stacking.as_deref(),
    );
    match averaged.names.is_empty() {
        true => Err(Error::Settings(
            "there is nothing that all models predict: they observe expressions, not variables\n  help: leave out --predict"
                .to_owned(),
        )),
        false => Ok(averaged),
    }
}
