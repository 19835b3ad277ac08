//! What each constraint does and whether the data contradict it. With C all constraints and C₋ₖ all but k, the
//! **tension** is T = log p(y | C₋ₖ) − log p(y | C) (`constraints/left_out.rs`). It is calibrated: if the
//! program with k is right, p(y | C₋ₖ) is a density in y, so E exp(T) = 1 and P(T ≥ t) ≤ exp(−t) by Markov's inequality.
//! With exp(−T) = P(k | y, C₋ₖ) / P(k | C₋ₖ), the same holds for a `require`, whose potential is 0 or 1.
//!
//! Two more looks do not depend on how wide the prior is. The **shift** asks whether the penalty is larger under the
//! posterior than under the prior with constraints: τ = P(penalty after > penalty before), and min(1, 2(1 − τ)) is a p-value,
//! since twice a mean of p-values is one (Vovk & Wang 2020). For one equality, the **PIT** asks where its target lies
//! in what the program without it predicts: F = E Φ(−r/s) over p(θ | y, C₋ₖ), p = 2 min(F, 1 − F).

mod left_out;
pub(crate) mod of_run;
pub mod tilt;
pub mod together;

use likelier_compiler::{ColumnKind, Constraint, ConstraintKind, Recovery};
use likelier_runtime::diagnose;
use likelier_runtime::methods::particles::Population;
use likelier_runtime::methods::smc::Replicate;
use likelier_runtime::target::Parts;

use crate::evidence::{Evidence, EvidenceSettings, LogValue};
use crate::simulation::{Rows, Simulator};
use crate::{Error, Model};
use left_out::LeftOut;
use tilt::Tilt;
use together::Together;

/// The mean and the spread of a number over draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation.
    pub sd: f64,
    /// The standard error of the mean.
    pub se: f64,
}

impl Spread {
    /// Of a number of the particles of several runs.
    fn of_particles<'a>(
        runs: impl ExactSizeIterator<Item = &'a Population>,
        number: impl Fn(&Parts) -> f64,
    ) -> Self {
        let count = runs.len();
        let chains = runs.flat_map(|run| run.by_chain(&number));
        Self::of(&chains.collect::<Vec<_>>(), count)
    }

    /// Of the chains of several runs, each with as many of them.
    fn of(chains: &[Vec<f64>], runs: usize) -> Self {
        let summary = diagnose::summarise(chains);
        let mean = |chains: &[Vec<f64>]| {
            let count: usize = chains.iter().map(Vec::len).sum();
            chains.iter().flatten().sum::<f64>() / count.max(1) as f64
        };
        // Chains of one family are alike, which only the scatter of the runs knows.
        let of_run = chains.len().div_ceil(runs.max(1)).max(1);
        let means: Vec<f64> = chains.chunks(of_run).map(mean).collect();
        let count = means.len() as f64;
        let scatter: f64 = means.iter().map(|m| (m - summary.mean).powi(2)).sum();
        let of_runs = match means.len() {
            0 | 1 => 0.0,
            _ => (scatter / (count * (count - 1.0))).sqrt(),
        };
        // A number that does not vary has no error.
        let of_chains = Some(summary.mcse_mean).filter(|error| error.is_finite());
        Self {
            mean: summary.mean,
            sd: summary.sd,
            se: of_runs.max(of_chains.unwrap_or(0.0)),
        }
    }
}

/// How the numbers of a constraint are distributed over draws.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// −log φ.
    pub penalty: Spread,
    /// Of each comparison, in its own units; the mean over what it is indexed by.
    pub residuals: Vec<Spread>,
    /// Of an equality: how probable it is that all its residuals are at most one `within`, and at most two.
    pub close: Option<[f64; 2]>,
}

/// How the evidence without a constraint was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Means {
    /// The particles at hand, of the prior with all constraints and of the posterior, weighted by 1/φ.
    Weights {
        /// The larger of Pareto's k̂ of both.
        shape: f64,
    },
    /// A run of the model without it.
    Run,
}

/// What is known without some constraints.
#[derive(Debug, Clone, Copy)]
pub struct Without {
    /// log p(y | the others).
    pub log_evidence: LogValue,
    /// That minus log p(y | all).
    pub tension: LogValue,
    /// How it was found.
    pub means: Means,
    /// The log likelihood over the posterior without them, where particles tell it.
    pub fit: Option<Spread>,
}

/// What is known of one constraint.
#[derive(Debug, Clone)]
pub struct ConstraintReport {
    /// Its name; of a `require`, its text.
    pub name: String,
    /// `soft` or `require`.
    pub kind: ConstraintKind,
    /// What it says.
    pub text: String,
    /// Whether its weight is zero.
    pub is_off: bool,
    /// Under the prior with all constraints.
    pub prior: Option<Behaviour>,
    /// The penalty before any data, where it is so large that the prior or the other constraints contradict this one.
    pub contradicted: Option<f64>,
    /// Under the posterior.
    pub posterior: Option<Behaviour>,
    /// The random variables behind its strength, where that is `joint`.
    pub strengths: Vec<String>,
    /// What changes without it.
    pub without: Option<Without>,
    /// Of a `require`: how probable it is that it holds in the program without it, before the data and after.
    pub holds: Option<(f64, f64)>,
    /// Why there is no tension.
    pub obstacle: Option<String>,
    /// How extreme its target is in what the program without it predicts, for one equality with a Gaussian tail.
    pub pit_p: Option<f64>,
    /// The standard error of that.
    pub pit_se: Option<f64>,
    /// Whether its penalty is larger after the data than before them.
    pub shift_p: Option<f64>,
}

/// What is known of the constraints of a model.
#[derive(Debug, Clone, Default)]
pub struct ConstraintsReport {
    /// Each, in the order of the model.
    pub each: Vec<ConstraintReport>,
    /// What they do to unknowns on which the strength of one of them depends.
    pub tilts: Vec<Tilt>,
    /// What is known without any of the soft ones.
    pub together: Option<Together>,
}

/// From here on T is tension: P(T ≥ 3) ≤ 0.05 under the program.
pub const TENSION: f64 = 3.0;
/// From here on it is strong: P(T ≥ 6.9) ≤ 0.001.
pub const STRONG: f64 = 6.9;
/// Less than this says nothing.
const NEGLIGIBLE: f64 = 0.1;
/// A mean penalty under the prior with all constraints above this for each comparison that is made; where nothing stands
/// against an equality it is at most a half.
const CONTRADICTION: f64 = 5.0;

/// Estimates the evidence of a model.
pub type Estimate<'a> = &'a mut dyn FnMut(&Model, &EvidenceSettings) -> Result<Evidence, Error>;

impl ConstraintsReport {
    /// Reports on the constraints of a model with this evidence. Each is left out once, unless `runs` is false.
    ///
    /// # Errors
    /// As [`Model::compile`]; what stands against leaving out one constraint is reported instead.
    pub fn new(
        model: &Model,
        evidence: &Evidence,
        mut runs: bool,
        estimate: Estimate<'_>,
    ) -> Result<Self, Error> {
        let constraints = &model.compiled.constraints;
        // A `require` that data alone decide says nothing of the model.
        let is_void = |one: &Constraint| !is_soft(one) && one.elements == Some(0);
        if constraints.iter().all(is_void) {
            return Ok(Self::default());
        }
        let recipe = &model.recipe;
        let (name, text) = (&recipe.name, &recipe.text);
        let numbers_of =
            |recovery| Simulator::constraints(name, text, &recipe.data, &recipe.options, recovery);
        let numbers = numbers_of(Recovery::Posterior)?;
        let before = match has_discrete_unknowns(model) {
            true => Some(numbers_of(Recovery::ConstrainedPrior)?),
            false => None,
        };
        let before = before.as_ref().unwrap_or(&numbers);
        let (prior, posterior) = (
            Sample::of(model, before, evidence, |r| &r.constrained_prior),
            Sample::of(model, &numbers, evidence, |r| &r.posterior),
        );
        let mut report = Self {
            tilts: Tilt::of(model, evidence),
            ..Self::default()
        };
        let all = constraints.iter().zip(Columns::of(constraints));
        for (place, (constraint, columns)) in all.enumerate() {
            if is_void(constraint) {
                continue;
            }
            let each = ConstraintReport::of_draws(constraint, columns, &prior, &posterior);
            report.each.push(each);
            if runs && constraint.elements != Some(0) {
                let one = LeftOut {
                    model,
                    numbers: &numbers,
                    evidence,
                    posterior: &posterior,
                    constraint,
                    columns,
                    place,
                };
                let number = report.each.len();
                runs = one.report(&mut report.each[number - 1], number, estimate);
            }
        }
        if runs {
            report.together = Together::of(&report, model, evidence, estimate);
        }
        Ok(report)
    }

    /// The soft ones.
    pub fn soft(&self) -> impl Iterator<Item = &ConstraintReport> {
        self.each
            .iter()
            .filter(|one| one.kind == ConstraintKind::Soft)
    }
}

fn is_soft(constraint: &Constraint) -> bool {
    constraint.kind == ConstraintKind::Soft
}

/// Whether a mean penalty is larger than that of a constraint which nothing contradicts. A `penalty` has a scale of its own.
pub(crate) fn contradicts(constraint: &Constraint, mean: f64) -> bool {
    let comparisons = constraint.elements.unwrap_or(1).max(1) * constraint.comparisons;
    comparisons > 0 && mean > CONTRADICTION * comparisons as f64
}

fn has_discrete_unknowns(model: &Model) -> bool {
    let mut columns = model.compiled.columns.iter();
    columns.any(|column| column.kind == ColumnKind::SummedOut)
}

fn difference(a: LogValue, b: LogValue) -> LogValue {
    LogValue {
        value: a.value - b.value,
        se: a.se.hypot(b.se),
    }
}

/// Other random numbers, so that errors are independent; seeds are mixed before use. Runs begin as the first one did.
fn other_seed(settings: &EvidenceSettings, number: usize) -> EvidenceSettings {
    let mut settings = settings.clone();
    let seed = |seed: u64| seed.wrapping_add((number as u64 + 1) * 0x5851_f42d);
    settings.seed = seed(settings.seed);
    settings.nuts.seed = seed(settings.nuts.seed);
    settings
}

/// Where the numbers of a constraint stand in a row of [`Simulator::constraints`]: the penalty, then of each
/// comparison the residual, the scaled residual and the largest scaled one.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    pub penalty: usize,
    comparisons: usize,
}

impl Columns {
    /// Those of each of all constraints, which stand one behind the other.
    pub fn of(constraints: &[Constraint]) -> impl Iterator<Item = Self> {
        constraints.iter().scan(0, |next, constraint| {
            let (penalty, comparisons) = (*next, constraint.comparisons);
            *next += 1 + 3 * comparisons;
            Some(Self {
                penalty,
                comparisons,
            })
        })
    }

    fn residual(self, comparison: usize) -> usize {
        self.penalty + 1 + 3 * comparison
    }
}

/// Numbers of the particles of several runs: of all constraints, or of some unknowns.
#[derive(Default)]
struct Sample {
    runs: Vec<Rows>,
    /// Particles of one Markov chain.
    length: usize,
}

impl Sample {
    fn of(
        model: &Model,
        numbers: &Simulator,
        evidence: &Evidence,
        population: impl Fn(&Replicate) -> &Population,
    ) -> Option<Self> {
        let replicates = &evidence.smc.as_ref()?.replicates;
        let seed = evidence.settings.seed;
        let run = |(number, replicate)| {
            let population: &Population = population(replicate);
            let positions = (0..population.count()).map(|particle| population.position(particle));
            numbers.along_positions(model.tempered(), positions, seed, number)
        };
        let runs = replicates.iter().enumerate().map(run);
        Some(Self {
            runs: runs.collect::<Option<_>>()?,
            length: population(replicates.first()?).length.max(1),
        })
    }

    fn count(&self) -> usize {
        self.runs.iter().map(Rows::count).sum()
    }

    /// One number, chain by chain.
    fn chains(&self, number: impl Fn(&[f64]) -> f64) -> Vec<Vec<f64>> {
        let of_run = |rows: &Rows| -> Vec<f64> { rows.rows().map(&number).collect() };
        let values = self.runs.iter().map(of_run);
        values
            .flat_map(|values| {
                let chains: Vec<Vec<f64>> =
                    values.chunks(self.length).map(<[f64]>::to_vec).collect();
                chains
            })
            .collect()
    }

    fn spread(&self, number: impl Fn(&[f64]) -> f64) -> Spread {
        Spread::of(&self.chains(number), self.runs.len())
    }

    /// How often a number is at most 1, and at most 2, in size.
    fn close(&self, place: usize) -> [f64; 2] {
        let values = self.chains(|row| row[place].abs()).concat();
        let share = |limit: f64| {
            values.iter().filter(|value| **value <= limit).count() as f64 / values.len() as f64
        };
        [share(1.0), share(2.0)]
    }

    fn behaviour(&self, constraint: &Constraint, columns: Columns) -> Behaviour {
        let close = constraint
            .is_gaussian_equality
            .then(|| self.close(columns.residual(0) + 2));
        let residual = |comparison| self.spread(|row| row[columns.residual(comparison)]);
        Behaviour {
            penalty: self.spread(|row| row[columns.penalty]),
            residuals: (0..columns.comparisons).map(residual).collect(),
            close,
        }
    }

    fn sorted(&self, place: usize) -> Vec<f64> {
        let mut values = self.chains(|row| row[place]).concat();
        values.sort_by(f64::total_cmp);
        values
    }
}

/// P(a > b) + P(a = b) / 2 for a and b drawn from two sorted samples.
fn share_above(a: &[f64], b: &[f64]) -> f64 {
    let count = |&value: &f64| {
        let below = b.partition_point(|&other| other < value);
        let up_to = b.partition_point(|&other| other <= value);
        (below + up_to) as f64 / 2.0
    };
    a.iter().map(count).sum::<f64>() / (a.len() as f64 * b.len() as f64)
}

impl ConstraintReport {
    fn of_draws(
        constraint: &Constraint,
        columns: Columns,
        prior: &Option<Sample>,
        posterior: &Option<Sample>,
    ) -> Self {
        let is_off = constraint.elements == Some(0);
        // A `require` has no penalty where it holds, which is everywhere.
        let has_behaviour = !is_off && is_soft(constraint);
        let behaviour = |sample: &Option<Sample>| {
            let sample = sample.as_ref().filter(|_| has_behaviour)?;
            Some(sample.behaviour(constraint, columns))
        };
        let shift = prior
            .as_ref()
            .zip(posterior.as_ref())
            .map(|(before, after)| {
                let after = after.sorted(columns.penalty);
                let above = share_above(&after, &before.sorted(columns.penalty));
                (2.0 * (1.0 - above)).min(1.0)
            });
        let before = behaviour(prior);
        let penalty = before.as_ref().map(|before| before.penalty.mean);
        Self {
            name: constraint.name.clone(),
            kind: constraint.kind,
            text: constraint.text.clone(),
            is_off,
            contradicted: penalty.filter(|&mean| contradicts(constraint, mean)),
            prior: before,
            posterior: behaviour(posterior),
            strengths: constraint.strengths.clone(),
            without: None,
            holds: None,
            obstacle: None,
            pit_p: None,
            pit_se: None,
            shift_p: shift.filter(|_| has_behaviour),
        }
    }

    /// T: positive where the data prefer the program without it.
    pub fn tension(&self) -> Option<LogValue> {
        self.without.map(|without| without.tension)
    }

    /// What the numbers mean, in a sentence.
    pub fn verdict(&self) -> String {
        if self.is_off {
            return "switched off: its weight is zero".to_owned();
        }
        let Some(tension) = self.tension() else {
            let why = self.obstacle.as_deref().unwrap_or("it was not left out");
            return format!("no verdict: {why}");
        };
        let (name, bits) = (&self.name, tension.value.abs() / std::f64::consts::LN_2);
        let factor = factor(tension.value.abs());
        let (least, most) = (
            tension.value - 2.0 * tension.se,
            tension.value + 2.0 * tension.se,
        );
        let against = |strength: &str| {
            format!(
                "{strength}: the data push against `{name}` ({bits:.1} bits); without it the evidence grows {factor}"
            )
        };
        let mut verdict = if let Some(penalty) = self.contradicted {
            format!(
                "contradicted: the prior and the other constraints leave `{name}` a mean penalty of {penalty:.0} nats, before any data"
            )
        } else if least > STRONG {
            against("strong tension")
        } else if least > TENSION {
            against("tension")
        } else if tension.value.abs() < NEGLIGIBLE {
            format!("neutral: the data are as likely with `{name}` as without it")
        } else if least > 0.0 {
            format!(
                "no tension: the data would rather be without `{name}` ({bits:.1} bits), but so much is often chance"
            )
        } else if most < 0.0 {
            format!(
                "supported: the data agree with `{name}` ({bits:.1} bits); with it the evidence grows {factor}"
            )
        } else {
            format!("neutral: the data do not tell whether to keep `{name}`")
        };
        if least <= TENSION
            && self.contradicted.is_none()
            && let Some(p) = self.pit_p.filter(|&p| p < 0.001)
        {
            verdict.push_str(&format!(
                "; yet what it says is far from where the data alone would put it (p = {p:.1e}), a conflict that a wide prior hides"
            ));
        }
        verdict
    }
}

fn factor(nats: f64) -> String {
    match nats {
        nats if nats < 20.0 => {
            let factor = nats.exp();
            let digits = if factor < 10.0 { 1 } else { 0 };
            format!("{factor:.digits$}-fold")
        }
        nats => format!("10^{:.0}-fold", nats / std::f64::consts::LN_10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half() {
        assert_eq!(share_above(&[1.0, 2.0], &[1.0, 2.0]), 0.5);
        assert_eq!(share_above(&[3.0], &[1.0, 3.0]), 0.75);
    }
}
