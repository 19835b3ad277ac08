//! Draws from the prior with constraints that reject nearly all of it, by SMC: the density of what the constraints depend on is
//! tempered from the prior to the prior with its constraints, and everything else is drawn given the particles.
//!
//! Draws of one run are not independent, so each draw is the end of a chain of its own, and there are at least twice as many chains as
//! draws. The chains of all runs, weighted by what each run found for the normaliser of the constraints, are resampled to equal
//! draws; of those of a run with at most twice the mean weight, none is taken twice.

use likelier_compiler::Compiled;
use likelier_compiler::source::Diagnostic;
use likelier_compiler::{Coordinates, Options};
use likelier_runtime::methods::smc::{self, Estimate, Failure, Replicate, Watch};
use likelier_runtime::parts::resampling::Resampling;
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Parts, Target, Weights};

use super::{Rows, Simulator, Way, key, places_by_name};
use crate::constraints::{Columns, contradicts};
use crate::evidence::LogValue;
use crate::evidence::{doubt_of_moves, doubt_of_scatter};
use crate::{Recipe, sources};

/// Moves of each chain.
const MOVES: usize = 8;
/// Chains of a run, at least.
const CHAINS: usize = 512;
/// Runs at once; their particles are in memory together.
const BATCH: usize = 4;
/// More draws take more chains in each run instead of more runs.
const MOST_RUNS: usize = 64;
/// Chains for each draw.
const CHAINS_PER_DRAW: usize = 2;
/// A stage that leaves fewer of the particles effective is not trusted.
const LEAST_EFFECTIVE: f64 = 0.1;
/// Prior draws that tell whether runs can begin.
const PROBED: usize = 2000;
/// The share of them that has to be possible: particles have to satisfy every `require` from the first.
const LEAST_POSSIBLE: f64 = 0.01;
/// Draws at which it is looked whether the constraints hold.
const INSPECTED: usize = 400;

/// What SMC did for draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tempering {
    /// Independent runs.
    pub runs: usize,
    /// Stages of the longest of them.
    pub stages: usize,
    /// Chains of all runs, each of whose ends may be a draw.
    pub chains: usize,
    /// The number of equally weighted chains that are worth as much, (Σ w)² / Σ w².
    pub effective: f64,
    /// Different chains among the draws.
    pub different: usize,
    /// The log of the mean over the prior of what the constraints keep.
    pub log_kept: LogValue,
}

/// The ends of the chains of all runs.
#[derive(Default)]
struct Ends {
    positions: Vec<f64>,
    /// For each the number of its run.
    runs: Vec<usize>,
    estimates: Vec<Estimate>,
    stages: usize,
    least_jump: Option<f64>,
    least_effective: Option<f64>,
}

impl Ends {
    fn add(&mut self, replicate: &Replicate) {
        let particles = &replicate.posterior;
        let length = particles.length.max(1);
        for particle in (length - 1..particles.count()).step_by(length) {
            self.positions.extend(particles.position(particle));
            self.runs.push(self.estimates.len());
        }
        self.estimates.push(replicate.soft);
        let of_constraints = replicate.stages.iter().filter(|s| s.likelihood == 0.0);
        self.stages = self.stages.max(of_constraints.count());
        for stage in &replicate.stages {
            let effective = stage.effective / particles.count() as f64;
            let least = |old: Option<f64>, new: f64| Some(old.map_or(new, |old| new.min(old)));
            self.least_jump = least(self.least_jump, stage.jump);
            self.least_effective = least(self.least_effective, effective);
        }
    }

    /// What speaks against the runs.
    fn doubt(&self) -> Option<String> {
        let few = self.least_effective.filter(|few| *few < LEAST_EFFECTIVE);
        let few = few.map(|_| "at some stage fewer than a tenth of the particles count".to_owned());
        let combined = smc::combine(self.estimates.iter().copied());
        let doubt = self.least_jump.and_then(doubt_of_moves);
        doubt
            .or(few)
            .or_else(|| doubt_of_scatter(&combined))
            .map(|doubt| format!("draws by SMC are not to be trusted: {doubt}"))
    }

    /// Equal draws among the ends, in their order.
    fn chosen(&self, seed: u64, count: usize) -> (Vec<usize>, f64) {
        let (_, of_runs) = smc::to_largest(self.estimates.iter().map(|estimate| estimate.log));
        let weights: Vec<f64> = self.runs.iter().map(|&run| of_runs[run]).collect();
        let total: f64 = weights.iter().sum();
        let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
        let mut stream = Stream::new(seed, Purpose::Resampling, u32::MAX);
        let chosen = Resampling::Systematic.ancestors(&weights, count, &mut stream);
        (chosen, total * total / squares)
    }
}

/// The number of runs, and of the chains of each.
fn layout(count: usize) -> (usize, usize) {
    let wanted = CHAINS_PER_DRAW * count;
    let runs = wanted.div_ceil(CHAINS).clamp(BATCH, MOST_RUNS);
    let runs = runs.next_multiple_of(BATCH);
    (runs, wanted.div_ceil(runs).max(CHAINS))
}

impl Simulator {
    /// Draws by SMC; or why there are none.
    pub(super) fn tempered(
        &self,
        seed: u64,
        count: usize,
        threads: Option<usize>,
    ) -> Result<Rows, String> {
        let recipe = self.recipe.as_ref();
        let recipe = recipe.ok_or("this program does not draw from a prior")?;
        let compiled = recipe.constrained_prior();
        let compiled = compiled.map_err(because("they cannot be tempered in by SMC"))?;
        let target = &compiled.model;
        let (positions, way) = match target.dimension() {
            0 => (Vec::new(), exact(target)?),
            _ => {
                probe(target, seed)?;
                let ends = ends(target, seed, count, threads)?;
                if let Some(doubt) = ends.doubt() {
                    return Err(doubt);
                }
                let (chosen, effective) = ends.chosen(seed, count);
                let of = |&end: &usize| {
                    let first = end * target.dimension();
                    ends.positions[first..first + target.dimension()].to_vec()
                };
                let positions: Vec<Vec<f64>> = chosen.iter().map(of).collect();
                let combined = smc::combine(ends.estimates.iter().copied());
                let mut different = chosen;
                different.dedup();
                let tempering = Tempering {
                    runs: ends.estimates.len(),
                    stages: ends.stages,
                    chains: ends.runs.len(),
                    effective,
                    different: different.len(),
                    log_kept: LogValue {
                        value: combined.log,
                        se: combined.error,
                    },
                };
                (positions, Way::Tempered(tempering))
            }
        };
        let position = |draw: usize| positions.get(draw).map_or(&[][..], Vec::as_slice);
        self.contradiction(recipe, &compiled, &position, count, seed)?;
        self.rows(&compiled, &position, count, seed, way)
    }

    /// Everything else that the program draws, given positions.
    fn rows<'p>(
        &self,
        compiled: &Compiled,
        position: &impl Fn(usize) -> &'p [f64],
        count: usize,
        seed: u64,
        way: Way,
    ) -> Result<Rows, String> {
        let columns = &self.simulation.columns;
        let by_name = places_by_name(&compiled.columns);
        let place = |column| by_name.get(&key(column)).copied();
        let places: Option<Vec<usize>> = columns.iter().map(place).collect();
        let places = places.ok_or("their density lacks a variable that is drawn")?;
        let target = &compiled.model;
        let mut evaluator = target.evaluator();
        let mut stream = Stream::new(seed, Purpose::Output, u32::MAX);
        let mut row = vec![0.0; target.output_count()];
        let mut values = Vec::with_capacity(count * places.len());
        for draw in 0..count {
            stream.at(draw as u64);
            evaluator.outputs(position(draw), &mut stream, &mut row);
            values.extend(places.iter().map(|&place| row[place]));
        }
        Ok(Rows {
            columns: columns.clone(),
            values,
            tried: 0,
            way,
        })
    }

    /// Fails where draws leave a constraint unsatisfied, because the others or the prior contradict it: they would be draws of no
    /// model that anybody meant.
    fn contradiction<'p>(
        &self,
        recipe: &Recipe,
        compiled: &Compiled,
        position: &impl Fn(usize) -> &'p [f64],
        count: usize,
        seed: u64,
    ) -> Result<(), String> {
        let numbers = recipe.penalties();
        let numbers = numbers.map_err(because("their penalties cannot be computed"))?;
        let shown = count.min(INSPECTED);
        let inspected = (0..shown).map(|number| position(number * count / shown));
        let rows = numbers.along_positions(compiled, inspected, seed, 0);
        let rows = rows.ok_or("their density lacks a variable that they depend on")?;
        let constraints = &numbers.simulation.constraints;
        for (constraint, columns) in constraints.iter().zip(Columns::of(constraints)) {
            let sum: f64 = rows.rows().map(|row| row[columns.penalty]).sum();
            let mean = sum / shown as f64;
            if contradicts(constraint, mean) {
                return Err(format!(
                    "drawn by SMC, {} keeps a mean penalty of {mean:.1}: the prior or the other constraints contradict it",
                    constraint.description
                ));
            }
        }
        Ok(())
    }
}

/// A sentence that begins so and ends in what the compiler says first.
fn because(what: &str) -> impl Fn(Vec<Diagnostic>) -> String {
    move |diagnostics| {
        let first = diagnostics.first().map(|one| one.message.as_str());
        format!("{what}: {}", first.unwrap_or_default())
    }
}

/// Nothing continuous is left: discrete unknowns are drawn from their law given the constraints, if that exists.
fn exact(target: &dyn Target) -> Result<Way, String> {
    let mut parts = Parts::default();
    let weights = Weights::posterior(target.soft_count());
    target
        .evaluator()
        .log_density_gradient(&[], &weights, &mut [], &mut parts);
    match (parts.prior + parts.soft_sum()).is_finite() {
        true => Ok(Way::Exact),
        false => Err("no values of the discrete unknowns satisfy them".to_owned()),
    }
}

/// Fails where too few prior draws satisfy what must hold, before runs look for them with much more patience.
fn probe(target: &dyn Target, seed: u64) -> Result<(), String> {
    let weights = Weights::posterior(target.soft_count());
    let mut evaluator = target.evaluator();
    let mut parts = Parts::default();
    let mut position = vec![0.0; target.dimension()];
    let mut gradient = vec![0.0; target.dimension()];
    let mut stream = Stream::new(seed, Purpose::Start, u32::MAX);
    let mut possible = 0;
    for number in 0..PROBED {
        stream.at(number as u64);
        evaluator.prior_draw(&mut stream, &mut position);
        evaluator.log_density_gradient(&position, &weights, &mut gradient, &mut parts);
        possible += usize::from((parts.prior + parts.jacobian + parts.soft_sum()).is_finite());
    }
    match possible as f64 >= LEAST_POSSIBLE * PROBED as f64 {
        true => Ok(()),
        false => Err(format!(
            "SMC cannot begin, since only {possible} of {PROBED} draws satisfy what is required"
        )),
    }
}

fn ends(
    target: &dyn Target,
    seed: u64,
    count: usize,
    threads: Option<usize>,
) -> Result<Ends, String> {
    let (runs, chains) = layout(count);
    let mut ends = Ends::default();
    for first_replicate in (0..runs).step_by(BATCH) {
        let settings = smc::Settings {
            seed,
            replicates: BATCH,
            first_replicate,
            chains,
            length: MOVES,
            threads,
            ..smc::Settings::default()
        };
        let found = smc::run(target, &settings, &Watch::new(BATCH), None).map_err(failure)?;
        found.iter().for_each(|replicate| ends.add(replicate));
    }
    Ok(ends)
}

fn failure(failure: Failure) -> String {
    match failure {
        Failure::Impossible { tried, reason } => format!(
            "SMC cannot begin, since of {tried} prior draws too few are possible. {}",
            reason.unwrap_or_default()
        ),
        Failure::Stalled { soft, .. } => format!(
            "SMC came no further than constraints at weight {soft:.1e}: their potential jumps there"
        ),
        Failure::Stopped | Failure::Row { .. } => "SMC was stopped".to_owned(),
    }
}

impl Recipe {
    /// The density of the prior with its constraints, in the coordinates in which SMC runs.
    fn constrained_prior(&self) -> Result<Compiled, Vec<Diagnostic>> {
        let compile = |coordinates| {
            let options = Options {
                coordinates,
                needs_condition: false,
                ..self.options.clone()
            };
            let (mut sources, file) = sources(&self.name, &self.text, self.options.loader);
            likelier_compiler::constrained_prior(&mut sources, file, &self.data, &options)
        };
        compile(Coordinates::Standardised).or_else(|_| compile(Coordinates::Natural))
    }

    /// What takes draws of that to the penalties of the constraints.
    fn penalties(&self) -> Result<Simulator, Vec<Diagnostic>> {
        let (mut sources, file) = sources(&self.name, &self.text, self.options.loader);
        let (data, options) = (&self.data, &self.options);
        let simulation =
            likelier_compiler::constraint_report_of_prior(&mut sources, file, data, options)?;
        Ok(Simulator::of(simulation, sources))
    }
}
