//! The evidence without a constraint. With E over the particles of the runs with all constraints,
//! log p(y | C₋ₖ) − log p(y | C) = log E[1/φ | y, C] − log E[1/φ | C]: what leaving k out does to each normaliser. Where the weights
//! 1/φ have light tails on both sides, the particles at hand tell it, and no run is needed. Else the model is compiled and run without
//! k; so it is for a `require`, whose φ is 0 where particles would be wanted, and for models with discrete unknowns, whose
//! later parts are given the earlier ones.

use likelier_compiler::{Adjustment, Constraint, ConstraintKind, Options, Recovery};
use likelier_runtime::math::special::normal_cdf;
use likelier_runtime::methods::particles::Population;
use likelier_runtime::methods::smc::Replicate;
use likelier_runtime::methods::smc::reweighted::Reweighted;

use super::{
    Columns, ConstraintReport, Estimate, Means, Sample, Spread, Without, difference,
    has_discrete_unknowns, other_seed,
};
use crate::evidence::{Evidence, LogValue};
use crate::simulation::Simulator;
use crate::{Error, Model};

/// Weights with a larger Pareto k̂ are not used: theirs may have no variance, and standard errors mean nothing.
const LARGEST_SHAPE: f64 = 0.5;
/// Nor are those whose mean has a larger standard error, in nats.
const LARGEST_ERROR: f64 = 0.03;
/// A constraint whose `within` is multiplied by this says nothing, and its penalty keeps its digits.
const WIDER: f64 = 1e8;

/// The same model without some constraints. What conditions on nothing then has evidence 1.
pub(super) fn without<'a>(
    model: &Model,
    names: impl Iterator<Item = &'a str>,
) -> Result<Model, Error> {
    let recipe = &model.recipe;
    let mut options = Options {
        needs_condition: false,
        ..recipe.options.clone()
    };
    let dropped = names.map(|name| Adjustment::Without(name.to_owned()));
    options.adjustments.extend(dropped);
    Model::compile(&recipe.name, &recipe.text, &recipe.data, &options)
}

/// Both normalisers without some constraints, by weights.
pub(super) struct FromParticles<'a> {
    runs: &'a [Replicate],
    prior: Reweighted,
    posterior: Reweighted,
}

impl<'a> FromParticles<'a> {
    /// Leaves constraints out of the particles of an estimate; `None` where they cannot tell.
    pub(super) fn of(model: &Model, evidence: &'a Evidence, places: &[usize]) -> Option<Self> {
        let smc = evidence.smc.as_ref()?;
        if !smc.doubts.is_empty() || has_discrete_unknowns(model) {
            return None;
        }
        let side = |population: fn(&Replicate) -> &Population| {
            let runs: Vec<&Population> = smc.replicates.iter().map(population).collect();
            let found = Reweighted::without(places, &runs);
            let is_sound = found.shape <= LARGEST_SHAPE && found.ratio.error <= LARGEST_ERROR;
            is_sound.then_some(found)
        };
        Some(Self {
            runs: &smc.replicates,
            prior: side(|run| &run.constrained_prior)?,
            posterior: side(|run| &run.posterior)?,
        })
    }

    /// `with` is the log evidence with the constraints.
    pub(super) fn without(&self, with: LogValue) -> Without {
        let tension = difference(self.posterior.ratio.into(), self.prior.ratio.into());
        Without {
            log_evidence: LogValue {
                value: with.value + tension.value,
                se: with.se.hypot(tension.se),
            },
            tension,
            means: Means::Weights {
                shape: self.prior.shape.max(self.posterior.shape),
            },
            fit: Some(self.fit()),
        }
    }

    /// The mean of a number of each particle over the posterior without the constraints, and its standard error.
    fn posterior_mean(&self, values: &[f64]) -> (f64, f64) {
        let runs: Vec<&Population> = self.runs.iter().map(|run| &run.posterior).collect();
        self.posterior.mean(&runs, values)
    }

    fn fit(&self) -> Spread {
        let parts = self.runs.iter().flat_map(|run| &run.posterior.parts);
        let mut values: Vec<f64> = parts.map(|parts| parts.likelihood).collect();
        let (mean, se) = self.posterior_mean(&values);
        values
            .iter_mut()
            .for_each(|value| *value = (*value - mean).powi(2));
        let (variance, _) = self.posterior_mean(&values);
        Spread {
            mean,
            sd: variance.sqrt(),
            se,
        }
    }
}

/// The evidence of a run without constraints.
pub(super) fn by_run(found: &Evidence, with: LogValue) -> Option<Without> {
    let log_evidence = found.log_evidence?;
    let fit = found.smc.as_ref().map(|smc| {
        let runs = smc.replicates.iter().map(|run| &run.posterior);
        Spread::of_particles(runs, |parts| parts.likelihood)
    });
    Some(Without {
        log_evidence,
        tension: difference(log_evidence, with),
        means: Means::Run,
        fit,
    })
}

/// One constraint and what is needed to see what changes without it.
pub(super) struct LeftOut<'a> {
    pub model: &'a Model,
    pub numbers: &'a Simulator,
    pub evidence: &'a Evidence,
    pub posterior: &'a Option<Sample>,
    pub constraint: &'a Constraint,
    pub columns: Columns,
    /// Its number among all.
    pub place: usize,
}

impl LeftOut<'_> {
    /// Adds what leaving the constraint out tells; `false` when it was stopped.
    pub fn report(
        &self,
        report: &mut ConstraintReport,
        number: usize,
        estimate: Estimate<'_>,
    ) -> bool {
        let Some(with) = self.evidence.log_evidence else {
            report.obstacle = Some("the evidence itself is unreliable".to_owned());
            return true;
        };
        match self.leave_out(report, with, number, estimate) {
            Ok(()) => true,
            Err(Error::NoDraws(_) | Error::Stopped(_)) => {
                report.obstacle = Some("it was stopped".to_owned());
                false
            }
            Err(error) => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                report.obstacle = Some(format!("there is no evidence without it: {first}"));
                true
            }
        }
    }

    fn leave_out(
        &self,
        report: &mut ConstraintReport,
        with: LogValue,
        number: usize,
        estimate: Estimate<'_>,
    ) -> Result<(), Error> {
        let is_soft = self.constraint.kind == ConstraintKind::Soft;
        let from_particles = match is_soft {
            true => FromParticles::of(self.model, self.evidence, &[self.place]),
            false => None,
        };
        if let Some(found) = from_particles {
            report.without = Some(found.without(with));
            (report.pit_p, report.pit_se) = self.pit_by_weights(&found).unzip();
            return Ok(());
        }
        let name = self.constraint.name.as_str();
        let model = without(self.model, std::iter::once(name))?;
        let found = estimate(&model, &other_seed(&self.evidence.settings, number))?;
        report.without = by_run(&found, with);
        match is_soft {
            true => (report.pit_p, report.pit_se) = self.pit_of_run(&model, &found).unzip(),
            false => report.holds = self.holds(&found),
        }
        if report.without.is_none() {
            report.obstacle = Some(format!(
                "the evidence without it is unreliable; look into it by --without {name}"
            ));
        }
        Ok(())
    }

    /// P(k | C₋ₖ) and P(k | y, C₋ₖ): ratios of the normalisers with and without it.
    fn holds(&self, without: &Evidence) -> Option<(f64, f64)> {
        let ratio = |with: Option<LogValue>, without: Option<LogValue>| {
            Some((with?.value - without?.value).exp().min(1.0))
        };
        let before = ratio(self.evidence.log_z_soft, without.log_z_soft)?;
        Some((
            before,
            ratio(self.evidence.log_z_joint, without.log_z_joint)?,
        ))
    }

    fn has_pit(&self) -> bool {
        // The normaliser of a widened constraint is another.
        let can_widen = !self.constraint.is_normalised || !has_discrete_unknowns(self.model);
        self.constraint.is_gaussian_equality && self.constraint.elements == Some(1) && can_widen
    }

    /// p = 2 min(F, 1 − F), F = E Φ(−r/s) over p(θ | y, C₋ₖ), and its standard error.
    fn pit_by_weights(&self, found: &FromParticles<'_>) -> Option<(f64, f64)> {
        let here = self.posterior.as_ref().filter(|_| self.has_pit())?;
        two_sided(&|side| {
            let tails = here.chains(|row| normal_cdf(side * self.scaled(row, 1.0)));
            found.posterior_mean(&tails.concat())
        })
    }

    /// The same, where a run was made without the constraint.
    ///
    /// Where the target lies in the tail, hardly any particle of that run is near it, while those of the run with k
    /// are. Both are used as draws of their mixture (deterministic mixture weights; Veach & Guibas 1995): with
    /// R = p(y, C) / p(y, C₋ₖ), the two densities differ by the factor φ / R.
    fn pit_of_run(&self, model: &Model, without: &Evidence) -> Option<(f64, f64)> {
        let here = self.posterior.as_ref().filter(|_| self.has_pit())?;
        let (widened, factor) = match has_discrete_unknowns(self.model) {
            true => (Some(self.widened()?), WIDER * WIDER),
            false => (None, 1.0),
        };
        let numbers = widened.as_ref().unwrap_or(self.numbers);
        let there = Sample::of(model, numbers, without, |run| &run.posterior)?;
        let ratio = difference(self.evidence.log_z_joint?, without.log_z_joint?);
        let (here_count, there_count) = (here.count() as f64, there.count() as f64);
        let share = here_count / (here_count + there_count);
        two_sided(&|side| {
            let term = |row: &[f64], factor: f64| {
                let relative = (-factor * row[self.columns.penalty] - ratio.value).exp();
                normal_cdf(side * self.scaled(row, factor)) / (1.0 - share + share * relative)
            };
            let a = here.spread(|row| term(row, 1.0));
            let b = there.spread(|row| term(row, factor));
            let mean = share * a.mean + (1.0 - share) * b.mean;
            let se = (share * a.se).hypot((1.0 - share) * b.se);
            (mean, se.hypot(mean * ratio.se))
        })
    }

    /// The numbers of all constraints where this one is so wide that discrete unknowns, which are drawn for them, do not heed it. Its penalty
    /// is then too small by the square of [`WIDER`].
    fn widened(&self) -> Option<Simulator> {
        let recipe = &self.model.recipe;
        let mut options = recipe.options.clone();
        let wider = Adjustment::Scale(self.constraint.name.clone(), WIDER);
        options.adjustments.push(wider);
        let (name, text) = (&recipe.name, &recipe.text);
        Simulator::constraints(name, text, &recipe.data, &options, Recovery::Posterior).ok()
    }

    /// The residual in standard deviations; a weight w makes them s/√w, so that r/s is ±√(2 penalty). The penalty in the row is too small by a factor.
    fn scaled(&self, row: &[f64], factor: f64) -> f64 {
        if self.constraint.is_normalised {
            return row[self.columns.residual(0) + 1];
        }
        let size = (2.0 * factor * row[self.columns.penalty]).sqrt();
        size.copysign(row[self.columns.residual(0)])
    }
}

/// Twice the smaller of both tails, with its standard error.
fn two_sided(tail: &dyn Fn(f64) -> (f64, f64)) -> Option<(f64, f64)> {
    let (below, above) = (tail(-1.0), tail(1.0));
    let (p, se) = if below.0 < above.0 { below } else { above };
    let p = 2.0 * p;
    p.is_finite().then_some((p.min(1.0), 2.0 * se))
}
