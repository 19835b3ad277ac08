//! `likelier run`: sample from the posterior, say what it means, and write what was asked for. The order on the screen
//! is the order of trust: what the model made of the data, then the estimates, then whether to believe them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use likelier::contraction::Contraction;
use likelier::output::contraction::contraction_text;
use likelier::output::evidence::{ByProduct, paragraph};
use likelier::output::{RunInfo, digits, probabilities, stan_csv, summary, table};
use likelier::simulation::Rows;
use likelier::tempering::tempering_settings;
use likelier::{
    Control, Coordinates, Error, EvidenceControl, Health, Method, Metric, Model, Posterior,
    Prediction, Schedule, Settings, Simulator,
};

use super::{ModelAndData, Print, SampledCoordinates, dry_run, header, listed, refuse_dry_run};
use crate::configuration::Setting;
use crate::files::{Batch, Claim};
use crate::terminal::{self, Printer};
use crate::{files, interrupt, progress};

/// Draw from the posterior of a model given data
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  likelier run model.ppl data.json -o draws.csv"
)]
pub struct Options {
    #[command(flatten)]
    pub input: ModelAndData,
    /// How draws are made
    #[arg(long, value_enum, default_value_t = DrawMethod::Nuts)]
    method: DrawMethod,
    /// Seed of all random numbers; the same seed gives the same results
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of chains
    #[arg(long, default_value_t = 4)]
    chains: usize,
    /// Draws kept of each chain
    #[arg(long, default_value_t = 1000)]
    draws: usize,
    /// Iterations before them, in which the sampler adapts
    #[arg(long, default_value_t = 600)]
    warmup: usize,
    /// Acceptance probability to aim at; higher means smaller steps and fewer divergences
    #[arg(long, default_value_t = 0.8, value_name = "PROBABILITY")]
    target_accept: f64,
    /// Do not repeat, at acceptance 0.95, a run with divergent draws or chains in different places
    #[arg(long)]
    no_retry: bool,
    /// A draw takes at most 2^DEPTH - 1 steps
    #[arg(long, default_value_t = 10, value_name = "DEPTH")]
    max_depth: u32,
    /// Threads [default: as many as are useful]; results do not depend on it
    #[arg(long)]
    threads: Option<usize>,
    /// How warm-up finds the scales of the parameters
    #[arg(long, value_enum, default_value_t = WarmupSchedule::Fisher, value_name = "SCHEDULE")]
    warmup_schedule: WarmupSchedule,
    /// What the scales of the parameters may be
    #[arg(long, value_enum, default_value_t = MetricKind::Auto, value_name = "METRIC")]
    metric: MetricKind,
    /// The coordinates in which to sample
    #[arg(long, value_enum, default_value_t = SampledCoordinates::Natural, value_name = "COORDINATES")]
    pub coordinates: SampledCoordinates,
    /// Write the draws in CmdStan's CSV layout, one file per chain: FILE draws.csv gives draws_1.csv, …
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write replicates of what was observed with the draws, as `y_rep`
    #[arg(long, requires = "output")]
    replicate: bool,
    /// Write the log likelihood of each observation with the draws, as `log_lik`
    #[arg(long, requires = "output")]
    log_likelihood: bool,
    /// Say how many parameters the data determine, and how much they narrowed each
    #[arg(long)]
    contraction: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Write the summary as JSON
    #[arg(long, value_name = "FILE")]
    summary_json: Option<PathBuf>,
    /// Show every row of the table, however long
    #[arg(long)]
    all: bool,
    /// Exit with code 3 when the draws are not to be trusted
    #[arg(long)]
    strict: bool,
    /// Show what would be used and where each setting comes from, and draw nothing
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
enum DrawMethod {
    /// Markov chains of the no-U-turn sampler
    Nuts,
    /// Particles tempered from the prior to the posterior, which also gives the evidence; a chain is a run
    Smc,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WarmupSchedule {
    /// From draws and gradients, refreshed at every draw
    Fisher,
    /// Stan's windows of draws
    Classical,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MetricKind {
    /// A scale for each, and their correlations where steps would be much shorter without them
    Auto,
    /// A scale for each
    Diagonal,
}

/// Runs the command.
pub fn execute(options: &Options, origins: &[Setting]) -> Result<ExitCode, Error> {
    let settings = options.settings();
    settings.check()?;
    if options.dry_run {
        options.check_distinct()?;
        return show(options, &settings, origins);
    }
    let _claim = options.check_files()?;
    let mut printer = Printer::new(options.is_silent());
    let model = options.input.compile_in(options.coordinates.into())?;
    terminal::warn(&model.warnings(terminal::is_color()));
    let info = options.input.info(&model);
    printer.print(&header(&info, &model, &chosen(&info, &options.settings())))?;
    let posterior = sample_and_report(options, &model, info, &mut |text| printer.print(text))?;
    if options.quiet && !posterior.health.ok {
        terminal::error(&health_text(&posterior.health));
    }
    Ok(if options.strict && !posterior.health.ok {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

/// What comes after compiling: samples, writes what was asked for, and says what was found.
pub fn sample_and_report(
    options: &Options,
    model: &Model,
    info: RunInfo,
    print: &mut Print<'_>,
) -> Result<Posterior, Error> {
    refuse_dry_run(options.dry_run)?;
    let settings = options.settings();
    settings.check()?;
    let simulators = simulators(options, model)?;
    if options.contraction {
        model.check_contraction()?;
    }
    if let Some(warning) = model.improper_warning() {
        terminal::warn(&warning);
    }
    let (posterior, evidence) = sample(options, model, &settings)?;
    let contraction = match options.contraction && !model.compiled.inferred.is_empty() {
        true => Some(model.contraction(&posterior)?),
        false => None,
    };
    let results = Results {
        info,
        posterior,
        evidence,
        contraction,
    };
    let written = write_files(options, &results, &simulators)?;
    print(&report(options, &results, &written))?;
    if options.json {
        Printer::new(options.quiet).print(&results.summary_json())?;
    }
    Ok(results.posterior)
}

/// What would be done, and who said so.
fn show(options: &Options, settings: &Settings, origins: &[Setting]) -> Result<ExitCode, Error> {
    let model = options.input.compile_in(options.coordinates.into())?;
    terminal::warn(&model.warnings(terminal::is_color()));
    let info = options.input.info(&model);
    let head = header(&info, &model, &chosen(&info, settings));
    let chains = options
        .output
        .iter()
        .flat_map(|path| (1..=settings.chains).map(|chain| files::chain_path(path, chain)));
    let written: Vec<PathBuf> = chains.chain(options.summary_json.clone()).collect();
    dry_run(&head, origins, &written)
}

/// What a run found.
struct Results {
    info: RunInfo,
    posterior: Posterior,
    evidence: ByProduct,
    contraction: Option<Contraction>,
}

/// The programs that add columns to the draws.
fn simulators(options: &Options, model: &Model) -> Result<Vec<Simulator>, Error> {
    let mut simulators = Vec::new();
    if options.replicate {
        let mut simulator = model.prediction(&Prediction::default())?;
        simulator.keep_replicates(&model.compiled.roles);
        simulators.push(simulator);
    }
    if options.log_likelihood {
        let simulator = model.pointwise()?;
        terminal::warn(&simulator.warnings(terminal::is_color()));
        simulators.push(simulator);
    }
    Ok(simulators)
}

impl Options {
    /// Whether only files and messages are wanted, or JSON.
    pub fn is_silent(&self) -> bool {
        self.quiet || self.json
    }

    fn settings(&self) -> Settings {
        Settings {
            method: match self.method {
                DrawMethod::Nuts => Method::Nuts,
                DrawMethod::Smc => Method::Smc,
            },
            seed: self.seed,
            chains: self.chains,
            draws: self.draws,
            warmup: self.warmup,
            target_accept: self.target_accept,
            max_depth: self.max_depth,
            threads: self.threads,
            retry: !self.no_retry,
            metric: match self.metric {
                MetricKind::Auto => Metric::Auto,
                MetricKind::Diagonal => Metric::Diagonal,
            },
            warmup_schedule: match self.warmup_schedule {
                WarmupSchedule::Fisher => Schedule::Fisher,
                WarmupSchedule::Classical => Schedule::Classical,
            },
        }
    }

    /// Refuses before the work what could not be written after it.
    pub fn check_files(&self) -> Result<Claim, Error> {
        self.check_distinct()?;
        files::claim(self.output.iter().chain(&self.summary_json))
    }

    fn check_distinct(&self) -> Result<(), Error> {
        let chains = self.output.iter().flat_map(|path| {
            (1..=self.chains.min(4096)).map(|chain| files::chain_path(path, chain))
        });
        let written: Vec<PathBuf> = chains.chain(self.summary_json.clone()).collect();
        files::check_distinct(&self.input.files(), &written)
    }
}

/// Samples with progress bars, until done or Ctrl-C; with the evidence that comes with it.
fn sample(
    options: &Options,
    model: &Model,
    settings: &Settings,
) -> Result<(Posterior, ByProduct), Error> {
    let show_progress = !options.quiet && !options.no_progress;
    // Without unknowns there is nothing to temper.
    if settings.method == Method::Smc && !model.compiled.inferred.is_empty() {
        let smc_settings = tempering_settings(settings);
        let control = Arc::new(EvidenceControl::new(&smc_settings));
        let _watch = interrupt::stop_or_quit(
            &control,
            EvidenceControl::is_stopping,
            EvidenceControl::stop,
        );
        let lines = || progress::evidence_lines(&smc_settings, &control);
        let (posterior, found) = progress::with_lines(show_progress, &lines, || {
            model.sample_tempered(settings, &control)
        })?;
        let evidence = match model.evidence_obstacle() {
            Some(obstacle) => ByProduct::none(format!("it is undefined: {obstacle}")),
            None => ByProduct::smc(&found),
        };
        return Ok((posterior, evidence));
    }
    let control = Arc::new(Control::new(settings.chains));
    let _watch = interrupt::stop_or_quit(&control, Control::is_stopping, Control::stop);
    let posterior = progress::with_progress(settings, &control, show_progress, || {
        model.sample_watched(settings, &control)
    })?;
    let evidence = match model.bridge_by_product(&posterior) {
        Ok(found) => ByProduct::bridge(&found),
        Err(reason) => ByProduct::none(reason),
    };
    Ok((posterior, evidence))
}

/// What the run is of, on the line of settings.
fn chosen(info: &RunInfo, settings: &Settings) -> String {
    let Settings {
        seed,
        chains,
        draws,
        warmup,
        ..
    } = settings;
    let work = match settings.method {
        Method::Nuts => format!("{warmup} warm-up + {draws} draws"),
        Method::Smc => format!("{draws} draws by SMC"),
    };
    let plural = if *chains == 1 { "chain" } else { "chains" };
    let coordinates = match info.coordinates {
        Coordinates::Natural => "",
        Coordinates::Standardised => ", standardised coordinates",
    };
    format!(
        "seed {seed}, {chains} {plural} of {work}, cpu {}{coordinates}",
        info.cpu
    )
}

fn report(options: &Options, results: &Results, written: &[String]) -> String {
    let Results {
        info,
        posterior,
        evidence,
        contraction,
    } = results;
    let mut text = String::new();
    if posterior.interrupted {
        let (chains, draws) = (posterior.chains.len(), posterior.draw_count());
        text.push_str(&format!(
            "Stopped early: {chains} of {} chains with {draws} draws each.\n\n",
            options.chains
        ));
    }
    text.push_str(&table::table(posterior, options.all));
    text.push_str(&probabilities::probabilities(posterior, options.all));
    text.push('\n');
    text.push_str(&health_text(&posterior.health));
    for note in &posterior.notes {
        text.push_str(&paragraph("Note", note));
    }
    text.push_str(&evidence.text());
    if let Some(contraction) = contraction {
        text.push_str(&contraction_text(contraction));
    }
    let (warmup, sampling) = posterior.times();
    text.push_str(&format!(
        "Time       compiling {}, warm-up {}, sampling {}\n",
        digits::seconds(info.compile_seconds),
        digits::seconds(warmup.as_secs_f64()),
        digits::seconds(sampling.as_secs_f64())
    ));
    if !written.is_empty() {
        text.push_str(&format!("Written    {}\n", written.join(", ")));
    }
    text
}

fn health_text(health: &Health) -> String {
    let mut text = String::new();
    let sentences = if health.sentences.is_empty() {
        vec![all_well(health)]
    } else {
        health.sentences.clone()
    };
    for (rank, sentence) in sentences.iter().enumerate() {
        text.push_str(&paragraph(if rank == 0 { "Health" } else { "" }, sentence));
    }
    text
}

fn all_well(health: &Health) -> String {
    let mut facts = vec!["no divergent draws".to_owned()];
    if let Some(worst) = &health.worst_rhat {
        facts.push(format!("R-hat at most {:.3}", worst.value));
    }
    if let Some(lowest) = &health.lowest_ess {
        facts.push(format!(
            "every quantity has {:.0} effective draws or more",
            lowest.value
        ));
    }
    format!("Good: {}.", facts.join(", "))
}

/// Writes the files asked for; their names, for people.
fn write_files(
    options: &Options,
    results: &Results,
    simulators: &[Simulator],
) -> Result<Vec<String>, Error> {
    let Results {
        info, posterior, ..
    } = results;
    let mut batch = Batch::default();
    if let Some(path) = &options.summary_json {
        let text = results.summary_json();
        batch.write(path, |out| out.write_all(text.as_bytes()))?;
    }
    let mut written = Vec::new();
    if let Some(path) = &options.output {
        let mut paths = Vec::new();
        for chain in &posterior.chains {
            let path = files::chain_path(path, chain.number);
            let along = |simulator: &Simulator| simulator.along_chain(posterior, chain);
            let extras: Vec<Rows> = simulators.iter().map(along).collect();
            batch.write(&path, |out| {
                stan_csv::write(out, info, posterior, chain, &extras)
            })?;
            paths.push(path);
        }
        batch.finish()?;
        for strange in files::remove_stale_chains(path, &paths, options.chains) {
            terminal::error(&format!(
                "warning: {} is not of this run; a reader that takes all chains by name would take it too",
                strange.display()
            ));
        }
        written.push(listed(&paths));
    } else {
        batch.finish()?;
    }
    written.extend(
        options
            .summary_json
            .iter()
            .map(|path| path.display().to_string()),
    );
    Ok(written)
}

impl Results {
    fn summary_json(&self) -> String {
        summary::summary_json(
            &self.info,
            &self.posterior,
            &self.evidence,
            self.contraction.as_ref(),
        )
    }
}
