//! Several models of the same observations: log evidences, Bayes factors and posterior probabilities with their errors,
//! leave-one-out prediction and the later half of the data given the earlier one beside them, and what it means when
//! they disagree. Models whose evidences the errors do not separate are not ranked.
//!
//! `loo.rs` predicts each observation from the others, `averaging.rs` mixes what the models predict.

mod averaging;
mod loo;

use likelier_compiler::Role;
use likelier_runtime::methods::loo::stacking;
use likelier_runtime::random::{Purpose, Stream};

use crate::evidence::{Evidence, LogValue, Verdict};
use crate::prequential::{Prequential, Reordered};
use crate::{Error, Model};

pub use averaging::{Averaged, Predicted};
use loo::sum_of;
pub use loo::{Loo, loo};

/// What is observed: names of variables or expressions, with the number of their elements.
pub type Observed = Vec<(String, usize)>;

/// One model with what was found of it.
pub struct Candidate {
    /// What it is called.
    pub name: String,
    /// Its evidence.
    pub evidence: Evidence,
    /// Its predictions of each observation from the others; `None` when they depend on each other through discrete
    /// unknowns.
    pub loo: Option<Loo>,
    /// Its evidence row by row; `None` where rows do not come apart, or it was not asked for.
    pub by_rows: Option<Prequential>,
    /// The same in random orders; those of all candidates are the same orders.
    pub orders: Vec<Reordered>,
}

/// A model beside the others.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The model, by its position among the candidates.
    pub model: usize,
    /// log of the Bayes factor of the best model against it.
    pub behind: Option<LogValue>,
    /// Posterior probability with equal prior probabilities: mean and 90 % interval over the errors of the evidences.
    pub probability: Option<[f64; 3]>,
    /// By how much its leave-one-out prediction is worse than the best one's.
    pub elpd_behind: Option<LogValue>,
    /// Its weight in the mixture that predicts best.
    pub stacking: Option<f64>,
    /// log p of the later half of the rows given the earlier one.
    pub conditional: Option<LogValue>,
    /// By how much that is behind the best one's.
    pub conditional_behind: Option<LogValue>,
}

/// Models compared.
pub struct Comparison {
    /// The models as given.
    pub candidates: Vec<Candidate>,
    /// From the largest evidence to the smallest; those without a number last.
    pub standings: Vec<Standing>,
    /// Whether the evidences separate the best model from the second.
    pub is_separated: bool,
    /// What a reader should know, in sentences.
    pub notes: Vec<String>,
}

/// What a model observes.
pub fn observed(model: &Model) -> Observed {
    let lines = model.compiled.roles.iter();
    let mut observed: Observed = Vec::new();
    for line in lines.filter(|line| line.role == Role::Observed) {
        match observed.iter_mut().find(|(name, _)| *name == line.name) {
            Some((_, elements)) => *elements += line.elements,
            None => observed.push((line.name.clone(), line.elements)),
        }
    }
    observed.sort();
    observed
}

/// Whether models observe the same; evidences of different data cannot be compared.
///
/// # Errors
/// [`Error::Settings`] naming the first difference.
pub fn check_same(models: &[(String, Observed)]) -> Result<(), Error> {
    let Some(((first, expected), others)) = models.split_first() else {
        return Ok(());
    };
    for (name, observed) in others {
        let missing = |one: &Observed, other: &Observed| {
            one.iter().find(|entry| !other.contains(entry)).cloned()
        };
        let difference = match (missing(expected, observed), missing(observed, expected)) {
            (None, None) => continue,
            (Some((a, n)), Some((b, m))) if a == b => {
                format!("{first} observes {n} elements of `{a}`, {name} observes {m}")
            }
            (Some((a, n)), Some((b, m))) => {
                format!("{first} observes `{a}` ({n}), {name} observes `{b}` ({m})")
            }
            (Some((a, n)), None) => format!("{first} observes `{a}` ({n}), {name} does not"),
            (None, Some((b, m))) => format!("{name} observes `{b}` ({m}), {first} does not"),
        };
        return Err(Error::Settings(format!(
            "these models do not describe the same observations: {difference}\n  help: evidence is the density of the data, so all models \
             must condition on the same elements of the same expressions: not one on `y` and another on `log(y)` (write \
             `lognormal` for `y`), and not one from row 2 on and another from row 1"
        )));
    }
    Ok(())
}

/// Draws of evidences by which their errors reach probabilities.
const DRAWS: usize = 4000;

impl Comparison {
    /// Compares models that observe the same.
    pub fn of(mut candidates: Vec<Candidate>, seed: u64) -> Self {
        let doubtful = set_aside(&mut candidates);
        let value = |k: usize| candidates[k].evidence.log_evidence;
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        let key = |k: usize| value(k).map_or(f64::NEG_INFINITY, |v| v.value);
        order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
        let are_known = candidates.iter().all(|c| c.evidence.log_evidence.is_some());
        let probabilities = are_known.then(|| probabilities(&candidates, seed));
        let best = order.first().and_then(|&k| value(k));
        let elpds: Option<Vec<Vec<f64>>> = candidates
            .iter()
            .map(|c| {
                c.loo
                    .as_ref()
                    .map(|loo| loo.observations.iter().map(|o| o.elpd).collect())
            })
            .collect();
        // Observations that are numbered differently cannot be set side by side.
        let elpds = elpds.filter(|all| all.iter().all(|one| one.len() == all[0].len()));
        let weights = elpds.as_ref().map(|elpds| stacking(elpds));
        let best_loo = elpds.as_ref().and_then(|elpds| {
            let sums = elpds.iter().map(|terms| terms.iter().sum::<f64>());
            let sums: Vec<(usize, f64)> = sums.enumerate().collect();
            sums.into_iter()
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .map(|(k, _)| k)
        });
        let conditionals = conditionals(&candidates);
        let best_conditional = conditionals.as_ref().map(|all| largest(all));
        let standings: Vec<Standing> = order
            .iter()
            .map(|&model| Standing {
                model,
                behind: best.zip(value(model)).map(|(best, own)| LogValue {
                    value: best.value - own.value,
                    se: if model == order[0] {
                        0.0
                    } else {
                        best.se.hypot(own.se)
                    },
                }),
                probability: probabilities.as_ref().map(|all| all[model]),
                elpd_behind: elpds.as_ref().zip(best_loo).map(|(elpds, best)| {
                    let differences = elpds[best].iter().zip(&elpds[model]).map(|(a, b)| a - b);
                    sum_of(&differences.collect::<Vec<f64>>())
                }),
                stacking: weights.as_ref().map(|weights| weights[model]),
                conditional: conditionals.as_ref().map(|all| all[model]),
                conditional_behind: conditionals.as_ref().zip(best_conditional).map(
                    |(all, best)| match best == model {
                        true => LogValue {
                            value: 0.0,
                            se: 0.0,
                        },
                        false => LogValue {
                            value: all[best].value - all[model].value,
                            se: all[best].se.hypot(all[model].se),
                        },
                    },
                ),
            })
            .collect();
        let second = standings.get(1).and_then(|standing| standing.behind);
        let is_separated = are_known && second.is_none_or(|gap| gap.value > 2.0 * gap.se);
        let mut comparison = Self {
            candidates,
            standings,
            is_separated,
            notes: Vec::new(),
        };
        comparison.notes = comparison.remarks(best_loo, best_conditional);
        comparison.notes.extend(doubtful);
        comparison
    }

    fn name(&self, model: usize) -> &str {
        &self.candidates[model].name
    }

    fn remarks(&self, best_loo: Option<usize>, best_conditional: Option<usize>) -> Vec<String> {
        let mut notes = Vec::new();
        let is_lost = |c: &&Candidate| c.evidence.verdict == Verdict::Unreliable;
        for candidate in self.candidates.iter().filter(is_lost) {
            notes.push(format!(
                "The evidence of {} is unreliable, so there are no probabilities: {}",
                candidate.name,
                candidate.evidence.notes.first().map_or("", String::as_str)
            ));
        }
        if !self.is_separated && notes.is_empty() && self.standings.len() > 1 {
            notes.push(format!(
                "The errors do not separate {} from {}: take more replicates (--replicates) or more draws before ranking them.",
                self.name(self.standings[0].model),
                self.name(self.standings[1].model)
            ));
        }
        let factors: Vec<&str> = self
            .candidates
            .iter()
            .filter(|c| !c.evidence.factors.is_empty())
            .map(|c| c.name.as_str())
            .collect();
        if !factors.is_empty() {
            notes.push(format!(
                "{} has a `factor`: its evidence is relative to it, and comparable only if the factor is a density of the same data.",
                factors.join(", ")
            ));
        }
        for candidate in self.candidates.iter().filter(|c| c.loo.is_none()) {
            notes.push(format!(
                "The observations of {} have no likelihoods of their own, as they depend on each other through discrete unknowns: \
                 there is no leave-one-out prediction of it, and nothing row by row.",
                candidate.name
            ));
        }
        for candidate in &self.candidates {
            if let Some(loo) = candidate.loo.as_ref().filter(|loo| loo.untrusted > 0) {
                notes.push(format!(
                    "Leave-one-out of {} is not to be trusted: of {} observations, {} cannot be left out by importance sampling (Pareto \
                     k-hat too large) nor had a refit that was sound (or one at all: --refits). Take more draws (--draws).",
                    candidate.name,
                    loo.observations.len(),
                    loo.untrusted
                ));
            }
        }
        notes.extend(self.disagreement(best_loo));
        notes.extend(self.later_disagreement(best_conditional));
        notes
    }

    /// Where evidence and the later half of the data prefer different models, and both do so clearly.
    fn later_disagreement(&self, best: Option<usize>) -> Option<String> {
        let (first, best) = (self.standings.first()?, best?);
        let behind = first.conditional_behind?;
        if first.model == best || !self.is_separated || behind.value <= 2.0 * behind.se {
            return None;
        }
        Some(format!(
            "Evidence prefers {}, but once the earlier half of the rows is known, {} predicts the later half better. So the \
             evidence was decided early, by what the priors said before there were data; with more rows like these the \
             preference would turn. Trust {} for predicting, and look at its prior before calling it less likely.",
            self.name(first.model),
            self.name(best),
            self.name(best)
        ))
    }

    /// The candidates whose rows are the same, which all of them must be for curves along the rows to be set side by side.
    pub fn curves(&self) -> Option<Vec<&Prequential>> {
        curves(&self.candidates)
    }

    /// Where evidence and leave-one-out prefer different models, and both do so clearly.
    fn disagreement(&self, best_loo: Option<usize>) -> Option<String> {
        let (first, best) = (self.standings.first()?, best_loo?);
        if first.model == best || !self.is_separated {
            return None;
        }
        let behind = first.elpd_behind?;
        (behind.value > 2.0 * behind.se).then(|| {
            format!(
                "Evidence prefers {}, leave-one-out prediction {}. Evidence asks which prior, with its width, made these data likely; \
                 leave-one-out asks which fitted model predicts the next observation. A vague prior costs evidence and \
                 hardly any prediction: look at the priors of {} before choosing.",
                self.name(first.model),
                self.name(best),
                self.name(best)
            )
        })
    }
}

/// The evidences row by row, if all models have the same rows in the same order.
fn curves(candidates: &[Candidate]) -> Option<Vec<&Prequential>> {
    let all: Option<Vec<&Prequential>> = candidates.iter().map(|c| c.by_rows.as_ref()).collect();
    let names = |found: &Prequential| -> Vec<String> {
        found.rows.iter().map(|row| row.name.clone()).collect()
    };
    all.filter(|all| all.iter().all(|one| names(one) == names(all[0])))
}

/// The later half of the rows given the earlier one, by each model.
/// Takes away what was found row by row where something speaks against it; what, in sentences.
fn set_aside(candidates: &mut [Candidate]) -> Vec<String> {
    let mut notes = Vec::new();
    for candidate in candidates {
        let Some(found) = &mut candidate.by_rows else {
            continue;
        };
        found.check_against(&candidate.evidence);
        if !found.doubts.is_empty() {
            notes.push(format!(
                "The rows of {} are not to be trusted, so there is no later half and no curve: {}.",
                candidate.name,
                found.doubts.join("; ")
            ));
            candidate.by_rows = None;
            candidate.orders.clear();
        }
    }
    notes
}

fn conditionals(candidates: &[Candidate]) -> Option<Vec<LogValue>> {
    let curves = curves(candidates)?;
    let half = curves.first()?.half();
    (half > 0).then(|| curves.iter().map(|curve| curve.conditional(half)).collect())
}

fn largest(values: &[LogValue]) -> usize {
    let better = |best: usize, k: usize| match values[k].value > values[best].value {
        true => k,
        false => best,
    };
    (0..values.len()).fold(0, better)
}

/// Posterior probabilities with equal prior ones: mean, 5 % and 95 % over draws of the evidences.
fn probabilities(candidates: &[Candidate], seed: u64) -> Vec<[f64; 3]> {
    let values: Vec<LogValue> = candidates
        .iter()
        .filter_map(|c| c.evidence.log_evidence)
        .collect();
    let mut stream = Stream::new(seed, Purpose::Comparison, 0);
    let mut draws: Vec<Vec<f64>> = vec![Vec::with_capacity(DRAWS); values.len()];
    for _ in 0..DRAWS {
        let logs: Vec<f64> = values
            .iter()
            .map(|v| v.value + v.se * stream.normal())
            .collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = logs.iter().map(|l| (l - largest).exp()).collect();
        let total: f64 = shares.iter().sum();
        draws
            .iter_mut()
            .zip(&shares)
            .for_each(|(draws, share)| draws.push(share / total));
    }
    draws
        .into_iter()
        .map(|mut draws| {
            draws.sort_by(f64::total_cmp);
            let mean = draws.iter().sum::<f64>() / DRAWS as f64;
            [mean, draws[DRAWS / 20], draws[DRAWS - 1 - DRAWS / 20]]
        })
        .collect()
}
