//! `likelier evidence`: the log marginal likelihood of a model, with an error that was checked.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use likelier::output::RunInfo;
use likelier::output::constraints::constraints_text;
use likelier::output::evidence::{evidence_json, evidence_text};
use likelier::output::rows::rows_text;
use likelier::{
    ConstraintsReport, Error, Estimators, EvidenceControl, EvidenceSettings, Model, Prequential,
    Proposal, Reordered, Resampling, Settings, Verdict,
};

use super::{ModelAndData, Print, dry_run, header, refuse_dry_run};
use crate::configuration::Setting;
use crate::files::Claim;
use crate::terminal::{self, Printer};
use crate::{files, interrupt, progress};

/// Estimate the log marginal likelihood by two methods
///
/// They must agree, or no number is given.
#[derive(Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  likelier evidence model.ppl data.json"
)]
pub struct Options {
    #[command(flatten)]
    pub input: ModelAndData,
    #[command(flatten)]
    estimation: Estimation,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write the result as JSON
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show the stages of SMC
    #[arg(long)]
    stages: bool,
    /// Do not estimate the evidence without each constraint, which takes a run for most
    #[arg(long)]
    no_tension: bool,
    /// Estimate it row by row too: what the rows before each predict of it
    #[arg(long)]
    by_rows: bool,
    /// With --by-rows, take the rows in this many random orders as well
    #[arg(long, value_name = "K", default_value_t = 0, requires = "by_rows")]
    orders: usize,
    /// Exit with code 3 when no number can be vouched for
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

/// How evidence is estimated, wherever it is.
#[derive(Args, Clone)]
pub struct Estimation {
    /// Seed of all random numbers; the same seed gives the same results
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which estimators run
    #[arg(long, value_enum, default_value_t = Method::Both)]
    method: Method,
    /// Independent SMC runs
    #[arg(long, default_value_t = 4)]
    replicates: usize,
    /// Ancestors of each stage of SMC
    #[arg(long, default_value_t = 64)]
    ancestors: usize,
    /// Moves of the chain that each ancestor begins; ancestors times states are the particles
    #[arg(long, default_value_t = 32)]
    states: usize,
    /// How SMC chooses ancestors
    #[arg(long, value_enum, default_value_t = Scheme::Ssp)]
    resampling: Scheme,
    /// The proposal of bridge sampling
    #[arg(long, value_enum, default_value_t = BridgeProposal::Warp)]
    proposal: BridgeProposal,
    /// Chains for bridge sampling
    #[arg(long, default_value_t = 4)]
    chains: usize,
    /// Draws of each chain
    #[arg(long, default_value_t = 1000)]
    draws: usize,
    /// Iterations before them, in which the sampler adapts
    #[arg(long, default_value_t = 600)]
    warmup: usize,
    /// How often everything may be made longer until the estimators agree
    #[arg(long, default_value_t = 3)]
    escalations: usize,
    /// Repeat every SMC run on the path that it found: p(y) is unbiased then, in twice the time
    #[arg(long)]
    freeze: bool,
    /// Threads [default: as many as are useful]; results do not depend on it
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// SMC and bridge sampling, which must agree
    Both,
    /// Sequential Monte Carlo along a tempering path
    Smc,
    /// Bridge sampling from NUTS draws
    Bridge,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scheme {
    /// Pairwise pivotal sampling: low variance, consistent
    Ssp,
    /// One comb of equal teeth
    Systematic,
    /// One number for each tooth
    Stratified,
    /// Whole parts first
    Residual,
    /// Independent choices
    Multinomial,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BridgeProposal {
    /// Warp-III: matches skewness too
    Warp,
    /// A normal
    Normal,
}

impl Estimation {
    /// The settings these options mean.
    pub fn settings(&self) -> EvidenceSettings {
        EvidenceSettings {
            estimators: match self.method {
                Method::Both => Estimators::Both,
                Method::Smc => Estimators::Smc,
                Method::Bridge => Estimators::Bridge,
            },
            seed: self.seed,
            replicates: self.replicates,
            ancestors: self.ancestors,
            states: self.states,
            escalations: self.escalations,
            freeze: self.freeze,
            resampling: match self.resampling {
                Scheme::Ssp => Resampling::Ssp,
                Scheme::Systematic => Resampling::Systematic,
                Scheme::Stratified => Resampling::Stratified,
                Scheme::Residual => Resampling::Residual,
                Scheme::Multinomial => Resampling::Multinomial,
            },
            proposal: match self.proposal {
                BridgeProposal::Warp => Proposal::Warp,
                BridgeProposal::Normal => Proposal::Normal,
            },
            nuts: Settings {
                seed: self.seed,
                chains: self.chains,
                draws: self.draws,
                warmup: self.warmup,
                threads: self.threads,
                ..Settings::default()
            },
            threads: self.threads,
        }
    }
}

/// Runs the command.
pub fn execute(options: &Options, origins: &[Setting]) -> Result<ExitCode, Error> {
    let _claim = options.check()?;
    let mut printer = Printer::new(options.is_silent());
    let model = options.input.compile()?;
    terminal::warn(&model.warnings(terminal::is_color()));
    model.check_evidence()?;
    if options.by_rows {
        model.tempered_by_rows()?;
    }
    let info = options.input.info(&model);
    let chosen = format!("seed {}, cpu {}", options.estimation.seed, info.cpu);
    let head = header(&info, &model, &chosen);
    if options.dry_run {
        return dry_run(&head, origins, options.output.as_slice());
    }
    printer.print(&head)?;
    let is_reliable = estimate_and_report(options, &model, &info, &mut |text| printer.print(text))?;
    Ok(if options.strict && !is_reliable {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

impl Options {
    /// Whether only files and messages are wanted, or JSON.
    pub fn is_silent(&self) -> bool {
        self.quiet || self.json
    }

    /// Refuses what makes no sense, and what could not be written after the work.
    pub fn check(&self) -> Result<Claim, Error> {
        self.estimation.settings().check()?;
        check_orders(self.orders)?;
        files::claim_beside(&self.input.files(), self.output.as_slice())
    }
}

/// What comes after compiling: estimates, writes what was asked for, and says what was found. Whether the number can be vouched
/// for.
pub fn estimate_and_report(
    options: &Options,
    model: &Model,
    info: &RunInfo,
    print: &mut Print<'_>,
) -> Result<bool, Error> {
    refuse_dry_run(options.dry_run)?;
    let settings = options.estimation.settings();
    model.check_evidence()?;
    let show_progress = !options.quiet && !options.no_progress;
    let evidence = estimate(model, &settings, show_progress)?;
    let mut left_out =
        |model: &Model, settings: &EvidenceSettings| estimate(model, settings, show_progress);
    let runs = !options.no_tension;
    let report = ConstraintsReport::new(model, &evidence, runs, &mut left_out)?;
    let by_rows = match options.by_rows {
        true => Some(row_by_row(model, &settings, options.orders, show_progress)?),
        false => None,
    };
    let by_rows = by_rows.map(|(mut rows, orders)| {
        rows.check_against(&evidence);
        (rows, orders)
    });
    let found = by_rows
        .as_ref()
        .map(|(rows, orders)| (rows, orders.as_slice()));
    let json = evidence_json(info, &evidence, &report, found);
    if let Some(path) = &options.output {
        files::write_whole(path, |out| out.write_all(json.as_bytes()))?;
    }
    print(&evidence_text(&evidence, options.stages))?;
    print(&constraints_text(&report))?;
    if let Some((rows, orders)) = found {
        print(&rows_text(rows, &evidence, orders))?;
    }
    if let Some(path) = &options.output {
        print(&format!("Written    {}\n", path.display()))?;
    }
    if options.json {
        Printer::new(options.quiet).print(&json)?;
    }
    let is_doubtful = found.is_some_and(|(rows, _)| !rows.doubts.is_empty());
    Ok(evidence.verdict != Verdict::Unreliable && !is_doubtful)
}

/// Estimates with a progress display, until done or Ctrl-C.
pub fn estimate(
    model: &Model,
    settings: &EvidenceSettings,
    show_progress: bool,
) -> Result<likelier::Evidence, Error> {
    let lines = |control: &EvidenceControl| progress::evidence_lines(settings, control);
    watched(settings, show_progress, &lines, |control| {
        model.evidence_watched(settings, control)
    })
}

/// Estimates row by row, and in so many random orders.
pub fn row_by_row(
    model: &Model,
    settings: &EvidenceSettings,
    orders: usize,
    show_progress: bool,
) -> Result<(Prequential, Vec<Reordered>), Error> {
    let lines = |control: &EvidenceControl| progress::row_lines(settings.replicates, control);
    let found = watched(settings, show_progress, &lines, |control| {
        model.evidence_by_rows(settings, control)
    })?;
    if orders == 0 {
        return Ok((found, Vec::new()));
    }
    let reordered = watched(settings, show_progress, &lines, |control| {
        model.evidence_in_random_orders(settings, orders, control)
    })?;
    Ok((found, reordered))
}

/// Whether so many random orders make sense.
pub fn check_orders(orders: usize) -> Result<(), Error> {
    match orders {
        0..=1000 => Ok(()),
        _ => Err(Error::Settings(format!(
            "the number of random orders must lie between 0 and 1000, not {orders}"
        ))),
    }
}

/// Runs `work` with a progress display beside it, until done or Ctrl-C.
pub fn watched<T>(
    settings: &EvidenceSettings,
    show_progress: bool,
    lines: &(dyn Fn(&EvidenceControl) -> Vec<String> + Sync),
    work: impl FnOnce(&EvidenceControl) -> Result<T, Error>,
) -> Result<T, Error> {
    let control = Arc::new(EvidenceControl::new(settings));
    let _watch = interrupt::stop_or_quit(
        &control,
        EvidenceControl::is_stopping,
        EvidenceControl::stop,
    );
    progress::with_lines(show_progress, &|| lines(&control), || work(&control))
}
