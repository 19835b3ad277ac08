//! From model text and data to native code.
//!
//! ```text
//! model text
//!   │  ast::parse            statements cut, errors collected
//! tree
//!   │  check::check          names, types, supports, symbolic sizes
//! HIR
//!   │  data::bind_program    ◄── dataset: sizes are numbers, calls inlined, roles decided
//! loops
//!   ├─ density::log_density  transforms; prior, soft, likelihood kept apart
//!   │  graph
//!   │  gradient::differentiate
//!   │  graph
//!   └─ forward::{start, outputs, unconstrain}
//!   │  jit::compile          Cranelift
//! native functions           implement runtime::Target, or are written to an object file
//! ```

pub mod source;

pub mod ast;
pub mod check;
pub mod data;
pub mod density;
pub mod forward;
pub mod gradient;
pub mod jit;
pub mod math;
pub mod normalisation;

mod compiled;
pub mod docs;
pub mod explain;
mod file;
pub mod interactive;
mod rows;
mod simulation;
mod words;

pub use check::adjust::Adjustment;
pub use compiled::{
    Column, ColumnKind, Compiled, Constraint, InferredVariable, PointDensity, Role, RoleLine,
    given_count, owner,
};
pub use data::Recovery;
pub use data::loops::ConstraintKind;
pub use docs::doc;
pub use explain::explain;
pub use file::{ObjectFile, object_file};
pub use jit::CpuLevel;
pub use rows::Row;
pub use simulation::{
    Prediction, Simulation, constrained_prior, constraint_report, constraint_report_of_prior,
    pointwise, predict, simulate,
};

use check::hir::Hir;
use data::BoundProgram;
use data::bind::Purpose;
use data::dataset::Dataset;
use source::{Diagnostic, FileId, Sources};

/// How to compile.
#[derive(Debug, Clone)]
pub struct Options {
    /// The instructions that native code may use.
    pub cpu: CpuLevel,
    /// Whether a program that conditions on nothing is an error; it is one for whoever samples.
    pub needs_condition: bool,
    /// What a position holds.
    pub coordinates: Coordinates,
    /// Whether each observed row has a weight of its own ([`likelier_runtime::target::Weights::rows`]), which makes
    /// every evaluation slower.
    pub by_rows: bool,
    /// What the log density is that of.
    pub objective: Objective,
    /// How imported files are read; none are without it.
    pub loader: Option<source::Loader>,
    /// Constraints that are changed.
    pub adjustments: Vec<Adjustment>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cpu: CpuLevel::Native,
            needs_condition: true,
            coordinates: Coordinates::Natural,
            by_rows: false,
            objective: Objective::Position,
            loader: None,
            adjustments: Vec::new(),
        }
    }
}

/// Which coordinates a position holds: two parametrisations of the same posterior, with the same columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coordinates {
    /// Of each value its image on the real line: itself, or its logarithm, log odds, ….
    #[default]
    Natural,
    /// The same, with the `centre` of its law subtracted and divided by its `width`: their prior does not change with what
    /// these depend on. What has neither (vectors, truncated laws, mixtures) stays natural.
    Standardised,
}

impl Coordinates {
    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Coordinates::Natural => "natural",
            Coordinates::Standardised => "standardised",
        }
    }
}

/// Which parts the log density is made of. Samplers need that of the position; what maximises a density has to say in which
/// coordinates, because a Jacobian moves the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Objective {
    /// The density of the position: all parts.
    #[default]
    Position,
    /// The density of the constrained values, as formulas on paper have it: no Jacobian.
    Values,
    /// The likelihood alone; constraints have their weights.
    Likelihood,
}

/// A form that a program takes on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The text as parsed.
    Ast,
    /// Names resolved, expressions typed.
    Hir,
    /// With the data.
    Loops,
    /// The log density on unconstrained space.
    Density,
    /// The log density and its gradient.
    Gradient,
    /// Simulation and reports.
    Forward,
    /// The gradient in Cranelift's form.
    Clif,
    /// The gradient as machine code.
    Assembly,
}

/// Compiles a model for its data.
///
/// # Errors
/// Everything that is wrong with the text or its fit to the data.
pub fn compile(
    sources: &mut Sources,
    file: FileId,
    dataset: &Dataset,
    options: &Options,
) -> Result<Compiled, Vec<Diagnostic>> {
    let (hir, warnings) = front(sources, file, &options.adjustments)?;
    let program = data::bind_program(
        &hir,
        sources,
        dataset,
        Purpose::Posterior(options.coordinates),
    )?;
    compiled::finish(&hir, sources, dataset, program, warnings, options)
}

/// Checks a model without data; the list holds errors and warnings.
pub fn check(sources: &mut Sources, file: FileId) -> Vec<Diagnostic> {
    match front(sources, file, &[]) {
        Ok((_, warnings)) => warnings,
        Err(diagnostics) => diagnostics,
    }
}

/// What a careful reader would ask about a model that has no errors: see [`check::pedantic`]. `unknown` tells by name which
/// random variables are unknown; without data all may be.
pub fn questions(
    sources: &mut Sources,
    file: FileId,
    adjustments: &[Adjustment],
    unknown: &dyn Fn(&str) -> bool,
) -> Vec<Diagnostic> {
    match front(sources, file, adjustments) {
        Ok((hir, _)) => check::pedantic::questions(&hir, sources, file, unknown),
        Err(_) => Vec::new(),
    }
}

/// Where each random variable of a model without errors is first defined.
pub fn definitions(
    sources: &mut Sources,
    file: FileId,
    adjustments: &[Adjustment],
) -> Vec<(String, source::Span)> {
    let Ok((hir, _)) = front(sources, file, adjustments) else {
        return Vec::new();
    };
    let random = hir.variables.into_iter();
    let random = random.filter(|variable| variable.kind == check::hir::VariableKind::Random);
    random
        .map(|variable| (variable.name, variable.span))
        .collect()
}

/// The text to the typed program, with warnings.
fn front(
    sources: &mut Sources,
    file: FileId,
    adjustments: &[Adjustment],
) -> Result<(Hir, Vec<Diagnostic>), Vec<Diagnostic>> {
    let text = sources.text(file).to_string();
    let (tree, mut diagnostics) = ast::parse(file, &text);
    if tree.statements.is_empty() && diagnostics.is_empty() {
        return Err(vec![
            Diagnostic::error("E0100", format!("`{}` holds no model", sources.name(file)))
                .help("a model is a list of statements such as `mu ~ normal(0, 1)`"),
        ]);
    }
    let (mut hir, mut more) = check::check(sources, &tree);
    if !more.iter().any(Diagnostic::is_error) {
        more.extend(check::adjust::adjust(&mut hir, sources, adjustments));
    }
    // What failed to parse defines nothing, so complaints about unknown names would only repeat it.
    if diagnostics.is_empty() {
        diagnostics = more;
    }
    if diagnostics.iter().any(Diagnostic::is_error) {
        Err(diagnostics)
    } else {
        Ok((hir, diagnostics))
    }
}

/// A program as one of its forms; the first two need no data.
///
/// # Errors
/// As [`compile`], as far as the stage needs.
pub fn show(
    sources: &mut Sources,
    file: FileId,
    dataset: &Dataset,
    options: &Options,
    stage: Stage,
) -> Result<String, Vec<Diagnostic>> {
    if stage == Stage::Ast {
        let text = sources.text(file).to_string();
        let (tree, diagnostics) = ast::parse(file, &text);
        return if diagnostics.is_empty() {
            Ok(ast::print::print(&tree))
        } else {
            Err(diagnostics)
        };
    }
    let (hir, _) = front(sources, file, &options.adjustments)?;
    if stage == Stage::Hir {
        return Ok(check::print::print(&hir));
    }
    let BoundProgram { loops, ranges, .. } = data::bind_program(
        &hir,
        sources,
        dataset,
        Purpose::Posterior(options.coordinates),
    )?;
    if stage == Stage::Loops {
        return Ok(data::print(&loops));
    }
    let layout = density::layout(&loops);
    let internal = |error: String| vec![compiled::internal(error)];
    if stage == Stage::Forward {
        let (outputs, _) =
            forward::outputs(&loops, &ranges, &layout).map_err(|error| vec![error])?;
        return Ok(math::print::print(&outputs));
    }
    let graph = density::log_density(&loops, &ranges, &layout).map_err(|error| vec![error])?;
    if stage == Stage::Density {
        return Ok(math::print::print(&graph));
    }
    let gradient = gradient::differentiate(&graph);
    match stage {
        Stage::Clif => jit::clif("gradient", &gradient, options.cpu)
            .map_err(|error| internal(error.to_string())),
        Stage::Assembly => jit::assembly("gradient", &gradient, options.cpu)
            .map_err(|error| internal(error.to_string())),
        _ => Ok(math::print::print(&gradient)),
    }
}
