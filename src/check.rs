//! What can be said of a program without running it, as one report for people and machines: errors, warnings, and, if asked
//! for, the questions of a careful reader.

use likelier_compiler::source::{Diagnostic, Sources};
use likelier_compiler::{Compiled, InferredVariable, Options};
use likelier_runtime::target::Target;

use crate::probe::Probe;
use crate::{Dataset, Error, Model, Role, draw, error::ModelErrors, sources};

/// What was found.
pub struct CheckReport {
    /// The texts that the diagnostics point into.
    pub sources: Sources,
    /// Errors, warnings and questions.
    pub diagnostics: Vec<Diagnostic>,
    /// The model compiled for its data, if there are any and they fit.
    pub model: Option<Model>,
}

impl CheckReport {
    /// Whether nothing is wrong; warnings are allowed.
    pub fn is_ok(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The diagnostics drawn with excerpts of the texts.
    pub fn render(&self, color: bool) -> String {
        draw(&self.sources, &self.diagnostics, color)
    }
}

/// Checks a model, with data also whether they fit. `pedantic` asks for questions too.
///
/// # Errors
/// None about the model: they are in the report.
pub fn check_report(
    name: &str,
    text: &str,
    data: Option<&Dataset>,
    options: &Options,
    pedantic: bool,
) -> Result<CheckReport, Error> {
    let Some(data) = data else {
        return Ok(check_without_data(name, text, options, pedantic));
    };
    match Model::compile(name, text, data, options) {
        Ok(model) => {
            let mut diagnostics = model.compiled.warnings.clone();
            if pedantic {
                diagnostics.extend(model.questions());
            }
            Ok(CheckReport {
                sources: model.sources.clone(),
                diagnostics,
                model: Some(model),
            })
        }
        Err(Error::Model(ModelErrors {
            sources,
            diagnostics,
        })) => Ok(CheckReport {
            sources,
            diagnostics,
            model: None,
        }),
        Err(other) => Err(other),
    }
}

fn check_without_data(name: &str, text: &str, options: &Options, pedantic: bool) -> CheckReport {
    let (mut sources, file) = sources(name, text, options.loader);
    let mut report = CheckReport {
        diagnostics: likelier_compiler::check(&mut sources, file),
        sources,
        model: None,
    };
    if pedantic && report.is_ok() {
        let (sources, adjustments) = (&mut report.sources, &options.adjustments);
        let asked = likelier_compiler::questions(sources, file, adjustments, &|_| true);
        report.diagnostics.extend(asked);
    }
    report
}

impl Model {
    /// What a careful reader would ask of the model with these data.
    pub fn questions(&self) -> Vec<Diagnostic> {
        let recipe = &self.recipe;
        let (mut sources, file) = sources(&recipe.name, &recipe.text, recipe.options.loader);
        let roles = &self.compiled.roles;
        let is_unknown = |name: &str| {
            roles
                .iter()
                .any(|line| line.name == name && line.role == Role::Inferred)
        };
        let adjustments = &recipe.options.adjustments;
        let mut found = likelier_compiler::questions(&mut sources, file, adjustments, &is_unknown);
        let places = likelier_compiler::definitions(&mut sources, file, adjustments);
        let place = |name: &str| places.iter().find(|place| place.0 == name).map(|it| it.1);
        for (name, message) in uninformed(&self.compiled) {
            let question = Diagnostic::warning("W0105", message)
                .note("what is found of it is its prior")
                .help("look whether an index, a level of a factor or a statement is missing; what is not wanted can be removed");
            found.push(match place(&name) {
                Some(place) => question.at(place, ""),
                None => question,
            });
        }
        found
    }
}

/// Prior draws that are compared with each other.
const POSITIONS: usize = 12;
/// Models of more coordinates are not looked at.
const MOST_COORDINATES: usize = 20_000;
/// Coordinates that are moved one by one, times all coordinates, times the comparisons made of each, stay below.
const WORK: usize = 50_000_000;
/// So many elements are named.
const MOST_NAMES: usize = 5;
/// Numbers that differ by less, relative to their size, are equal.
const TOLERANCE: f64 = 1e-12;

/// Unknowns about which neither data nor constraints say anything, and a sentence on each: their part of the posterior is their prior. A coordinate
/// is informed if likelihood or constraints have a slope in its direction or change when it moves from one prior draw to another, or if the prior
/// ties it to one that is: the gradient of the prior in its direction then changes with the other, and the other way round.
fn uninformed(compiled: &Compiled) -> Vec<(String, String)> {
    let dimension = compiled.model.dimension();
    if dimension == 0 || dimension > MOST_COORDINATES {
        return Vec::new();
    }
    let mut probe = Probe::new(compiled);
    let all: Vec<Vec<f64>> = (0..POSITIONS).map(|number| probe.draw(number)).collect();
    let Some(mut is_told) = told_directly(&mut probe, &all) else {
        return Vec::new();
    };
    told_by_prior(&mut probe, &all, &mut is_told);
    let silent = |coordinate: &usize| !is_told[*coordinate];
    let variables = compiled.inferred.iter();
    variables
        .filter_map(|variable| {
            let missing: Vec<usize> = variable.unconstrained.clone().filter(silent).collect();
            let what = sentence_part(compiled, variable, &missing)?;
            let message = format!("neither data nor constraints inform {what}");
            Some((variable.name.clone(), message))
        })
        .collect()
}

/// Which coordinates likelihood and constraints depend on; `None` if they are nowhere finite.
fn told_directly(probe: &mut Probe<'_>, all: &[Vec<f64>]) -> Option<Vec<bool>> {
    let dimension = probe.dimension;
    let mut informed = vec![false; dimension];
    let is_usable = |told: &[f64]| told.iter().all(|part| part.is_finite());
    let base: Vec<(&Vec<f64>, Vec<f64>)> = all
        .iter()
        .map(|here| (here, probe.told(here)))
        .filter(|(_, told)| is_usable(told))
        .collect();
    if base.is_empty() {
        return None;
    }
    // Slopes answer for all coordinates at once, and for nearly all of them finally.
    for (here, _) in &base {
        if let (Some(alone), Some((_, whole))) = (probe.prior(here), probe.posterior(here)) {
            for (flag, (alone, whole)) in informed.iter_mut().zip(alone.iter().zip(&whole)) {
                *flag |= differs(*alone, *whole);
            }
        }
    }
    let silent: Vec<usize> = (0..dimension).filter(|moved| !informed[*moved]).collect();
    let pairs = base
        .iter()
        .flat_map(|one| all.iter().map(move |there| (one, there)));
    let affordable = (WORK / (silent.len().max(1) * dimension)).max(2);
    for ((here, told), there) in pairs.take(affordable + 1) {
        for &moved in &silent {
            if !informed[moved] && there[moved] != here[moved] {
                let parts = probe.told(&replaced(here, there, moved));
                informed[moved] = told.iter().zip(&parts).any(|(a, b)| differs(*a, *b));
            }
        }
    }
    Some(informed)
}

/// Adds the coordinates that the prior ties to some that are told of, directly or through others.
fn told_by_prior(probe: &mut Probe<'_>, all: &[Vec<f64>], is_told: &mut [bool]) {
    let dimension = probe.dimension;
    let silent: Vec<usize> = (0..dimension).filter(|moved| !is_told[*moved]).collect();
    if silent.is_empty() {
        return;
    }
    let affordable = (WORK / (silent.len() * dimension)).max(1);
    let mut groups: Vec<usize> = (0..dimension).collect();
    let mut is_tied = vec![false; dimension];
    for (rank, here) in all.iter().enumerate().take(affordable) {
        let there = &all[(rank + 1) % all.len()];
        let Some(prior) = probe.prior(here) else {
            continue;
        };
        for &moved in silent.iter().filter(|moved| !is_told[**moved]) {
            if is_tied[moved] {
                continue;
            }
            let Some(changed) = probe.prior(&replaced(here, there, moved)) else {
                continue;
            };
            for other in (0..dimension).filter(|other| *other != moved) {
                if differs(prior[other], changed[other]) {
                    match is_told[other] {
                        true => is_tied[moved] = true,
                        false => join(&mut groups, moved, other),
                    }
                }
            }
        }
    }
    let mut is_group_told = vec![false; dimension];
    for &coordinate in &silent {
        is_group_told[root(&groups, coordinate)] |= is_tied[coordinate];
    }
    for coordinate in silent {
        is_told[coordinate] = is_group_told[root(&groups, coordinate)];
    }
}

/// The variable, or those of its elements whose coordinates these are.
fn sentence_part(
    compiled: &Compiled,
    variable: &InferredVariable,
    missing: &[usize],
) -> Option<String> {
    let coordinates = variable.unconstrained.len();
    if missing.is_empty() {
        return None;
    }
    if missing.len() == coordinates {
        return Some(format!("`{}`", variable.name));
    }
    if variable.length() != coordinates {
        let count = missing.len();
        return Some(format!(
            "{count} of the {coordinates} coordinates of `{}`",
            variable.name
        ));
    }
    let first = variable.given_offset;
    let name = |at: &usize| {
        let column = &compiled.columns[first + at - variable.unconstrained.start];
        format!("`{}`", column.name)
    };
    let names: Vec<String> = missing.iter().take(MOST_NAMES).map(name).collect();
    let dots = if missing.len() > MOST_NAMES {
        ", …"
    } else {
        ""
    };
    Some(format!("{}{dots}", names.join(", ")))
}

/// A position with one coordinate of another.
fn replaced(here: &[f64], there: &[f64], moved: usize) -> Vec<f64> {
    let mut position = here.to_vec();
    position[moved] = there[moved];
    position
}

fn differs(a: f64, b: f64) -> bool {
    match a.is_finite() && b.is_finite() {
        true => (a - b).abs() > TOLERANCE * (a.abs() + b.abs()),
        false => a != b,
    }
}

fn root(groups: &[usize], mut member: usize) -> usize {
    while groups[member] != member {
        member = groups[member];
    }
    member
}

fn join(groups: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(groups, a), root(groups, b));
    groups[a.max(b)] = a.min(b);
}
