//! The whole journey for a Rust caller: model text and data go in, a posterior comes out. [`Model::compile`] takes the
//! text to native code for these data; [`Model::sample`] runs the chains and judges them. Nothing here opens a file or
//! prints: that is left to the command line in `main.rs`, which is one caller among others.
//!
//! ```
//! use likelier::{Dataset, Model, Options, Settings};
//!
//! let text = "
//!     mu ~ normal(0, 10)
//!     y[i in 1..N] ~ normal(mu, 1)
//! ";
//! let data = Dataset::from_json("heights.json", r#"{"y": [1.2, 0.7, 1.9, 1.4]}"#)?;
//! let model = Model::compile("heights.ppl", text, &data, &Options::default())?;
//! let posterior = model.sample(&Settings { draws: 500, ..Settings::default() })?;
//! let mu = posterior.summary_of("mu").expect("mu is inferred");
//! assert!((mu.mean - 1.297).abs() < 0.1); // the posterior mean is 5.2 / 4.01
//! # Ok::<(), likelier::Error>(())
//! ```

pub mod calibration;
pub mod check;
pub mod comparison;
pub mod constraints;
pub mod contraction;
pub mod error;
pub mod evidence;
mod improper;
pub mod interactive;
pub mod optimise;
pub mod output;
pub mod point;
pub mod posterior;
pub mod prequential;
mod probe;
pub mod sampling;
pub mod simulation;
mod symmetry;
pub mod tempering;
pub mod uncertainty;
pub mod uniformity;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub use constraints::{ConstraintReport, ConstraintsReport};
pub use error::Error;
pub use evidence::{Estimators, Evidence, EvidenceControl, EvidenceSettings, Verdict};
pub use likelier_compiler::ObjectFile;
pub use likelier_compiler::data::dataset::{DataError, Dataset};
pub use likelier_compiler::{
    Adjustment, Column, ColumnKind, Compiled, Constraint, ConstraintKind, Coordinates, CpuLevel,
    InferredVariable, Objective, Options, PointDensity, Prediction, Recovery, Role, RoleLine, Row,
    Stage,
};
pub use likelier_runtime::methods::bridge::Proposal;
pub use likelier_runtime::parts::resampling::Resampling;
pub use optimise::{Mode, ModeVerdict, OptimiseSettings};
pub use posterior::{Chain, DrawStatistics, Extreme, Health, Posterior, SummaryRow};
pub use prequential::{Prequential, Reordered};
pub use sampling::{ChainProgress, Control, Method, Metric, Schedule, Settings};
pub use simulation::Simulator;

use likelier_compiler::ast::format::Failure;
use likelier_compiler::source::{Diagnostic, FileId, Loader, Sources, render::render};

/// A model compiled for its data. Immutable: it may be sampled as often as wished, from several threads.
pub struct Model {
    /// What the compiler made: native code, and what it knows of variables and roles.
    pub compiled: Compiled,
    /// From text and data to native code.
    pub compile_time: Duration,
    sources: Sources,
    recipe: Recipe,
    tempered: OnceLock<Option<Box<Compiled>>>,
    by_rows: [OnceLock<Box<Compiled>>; 2],
}

/// What a model was compiled of, for compiling it once more in another way.
struct Recipe {
    name: String,
    text: String,
    data: Dataset,
    options: Options,
}

impl Recipe {
    fn compile(&self, options: &Options) -> Result<Box<Compiled>, Error> {
        let (mut sources, file) = sources(&self.name, &self.text, self.options.loader);
        match likelier_compiler::compile(&mut sources, file, &self.data, options) {
            Ok(compiled) => Ok(Box::new(compiled)),
            Err(diagnostics) => Err(Error::model(sources, diagnostics)),
        }
    }
}

impl Model {
    /// Compiles the text of a model for `data`. `name` is what messages call the text, usually the path of its file; a
    /// colon and the name of a `model` item after it mean that item: `shapes.ppl:linear`.
    ///
    /// # Errors
    /// [`Error::Model`] with everything the compiler has to say about the text or its fit to the data.
    pub fn compile(
        name: &str,
        text: &str,
        data: &Dataset,
        options: &Options,
    ) -> Result<Self, Error> {
        let start = Instant::now();
        let (mut sources, file) = sources(name, text, options.loader);
        match likelier_compiler::compile(&mut sources, file, data, options) {
            Ok(compiled) => Ok(Self {
                compiled,
                compile_time: start.elapsed(),
                sources,
                recipe: Recipe {
                    name: name.to_owned(),
                    text: text.to_owned(),
                    data: data.clone(),
                    options: options.clone(),
                },
                tempered: OnceLock::new(),
                by_rows: [OnceLock::new(), OnceLock::new()],
            }),
            Err(diagnostics) => Err(Error::model(sources, diagnostics)),
        }
    }

    /// The same model in standardised coordinates, in which SMC runs: near the prior, where its path begins, hierarchies are
    /// funnels in natural ones. Positions of SMC's particles are in these.
    pub fn tempered(&self) -> &Compiled {
        let standardised = self.tempered.get_or_init(|| {
            let options = Options {
                coordinates: Coordinates::Standardised,
                ..self.recipe.options.clone()
            };
            self.recipe.compile(&options).ok()
        });
        standardised.as_deref().unwrap_or(&self.compiled)
    }

    /// The same model with a weight for each observed row, in the given coordinates.
    ///
    /// # Errors
    /// [`Error::Model`] where rows depend on each other through discrete unknowns that are summed out.
    pub fn by_rows(&self, coordinates: Coordinates) -> Result<&Compiled, Error> {
        let known = &self.by_rows[usize::from(coordinates == Coordinates::Standardised)];
        if let Some(compiled) = known.get() {
            return Ok(compiled);
        }
        let options = Options {
            coordinates,
            by_rows: true,
            ..self.recipe.options.clone()
        };
        let compiled = self.recipe.compile(&options)?;
        Ok(known.get_or_init(|| compiled))
    }

    /// As [`Model::tempered`], with a weight for each observed row.
    ///
    /// # Errors
    /// As [`Model::by_rows`].
    pub fn tempered_by_rows(&self) -> Result<&Compiled, Error> {
        self.by_rows(self.tempered().coordinates)
    }

    /// The same model as an object file, whose functions begin with `prefix`: the same code, for a linker.
    ///
    /// # Errors
    /// None but mistakes of ours, since the model was compiled before.
    pub fn object_file(&self, prefix: &str) -> Result<ObjectFile, Error> {
        let recipe = &self.recipe;
        let (mut sources, file) = sources(&recipe.name, &recipe.text, recipe.options.loader);
        likelier_compiler::object_file(
            &mut sources,
            file,
            &recipe.data,
            &recipe.options,
            &self.compiled,
            prefix,
        )
        .map_err(|diagnostics| Error::model(sources, diagnostics))
    }

    /// Whether another model was compiled of the same text, data and options, whatever it is called.
    pub fn is_same_as(&self, other: &Model) -> bool {
        let (own, others) = (&self.recipe, &other.recipe);
        own.text == others.text
            && split_entry(&own.name).1 == split_entry(&others.name).1
            && own.data == others.data
            && own.options.adjustments == others.options.adjustments
    }

    /// Draws from the posterior by NUTS.
    ///
    /// # Errors
    /// [`Error::Settings`] for settings that make no sense, [`Error::NoStart`] when no position with a finite log
    /// density was found, [`Error::NoDraws`] when it was stopped at once.
    pub fn sample(&self, settings: &Settings) -> Result<Posterior, Error> {
        self.sample_watched(settings, &Control::new(settings.chains))
    }

    /// As [`Model::sample`], while another thread reads the progress from `control` or asks through it to stop. A run
    /// that is stopped returns what was drawn until then.
    ///
    /// # Errors
    /// As [`Model::sample`].
    pub fn sample_watched(
        &self,
        settings: &Settings,
        control: &Control,
    ) -> Result<Posterior, Error> {
        sampling::sample(&self.compiled, settings, control)
    }

    /// Evaluates the log density at one point, given by constrained values by name.
    ///
    /// # Errors
    /// [`Error::Point`] when a value is missing, superfluous, of the wrong shape or outside its support.
    pub fn density_at(&self, point: &Dataset) -> Result<PointDensity, Error> {
        point::density(&self.compiled, point)
    }

    /// What the compiler warns of, drawn as text. Empty when there is nothing.
    pub fn warnings(&self, color: bool) -> String {
        draw(&self.sources, &self.compiled.warnings, color)
    }

    /// The instruction set that the native code was made for.
    pub fn cpu(&self) -> CpuLevel {
        self.compiled.model.cpu()
    }
}

/// Checks a model without data: syntax, names, types and sizes. Returns the warnings, drawn as text.
///
/// # Errors
/// [`Error::Model`] with all that is wrong.
pub fn check(name: &str, text: &str, color: bool) -> Result<String, Error> {
    check_with(name, text, &Options::default(), color)
}

/// As [`check`], for a model that may import files.
///
/// # Errors
/// [`Error::Model`] with all that is wrong.
pub fn check_with(name: &str, text: &str, options: &Options, color: bool) -> Result<String, Error> {
    let (mut sources, file) = sources(name, text, options.loader);
    let diagnostics = likelier_compiler::check(&mut sources, file);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(Error::model(sources, diagnostics));
    }
    Ok(draw(&sources, &diagnostics, color))
}

/// The model as one of the compiler's stages sees it. The first two stages need no data.
///
/// # Errors
/// [`Error::Model`] with all that is wrong up to that stage.
pub fn show(
    name: &str,
    text: &str,
    data: &Dataset,
    options: &Options,
    stage: Stage,
) -> Result<String, Error> {
    let (mut sources, file) = sources(name, text, options.loader);
    likelier_compiler::show(&mut sources, file, data, options, stage)
        .map_err(|diagnostics| Error::model(sources, diagnostics))
}

/// The text of a model as `likelier fmt` writes it: the same words, comments and blank lines, in one layout.
///
/// # Errors
/// [`Error::Model`] with all syntax errors; [`Error::Format`] if what came out would not mean the same.
pub fn format(name: &str, text: &str) -> Result<String, Error> {
    let (sources, file) = sources(name, text, None);
    likelier_compiler::ast::format::format(file, text).map_err(|failure| match failure {
        Failure::Syntax(diagnostics) => Error::model(sources, diagnostics),
        Failure::Defect => Error::Format(name.to_owned()),
    })
}

/// The documentation of a distribution or function of the library.
///
/// # Errors
/// [`Error::Unknown`] when there is no such thing, with the nearest name.
pub fn doc(name: &str) -> Result<String, Error> {
    likelier_compiler::doc(name).map_err(Error::Unknown)
}

/// What the message with this code means, with a wrong and a corrected example.
///
/// # Errors
/// [`Error::Unknown`] when no message has this code, with the nearest one.
pub fn explain(code: &str) -> Result<String, Error> {
    likelier_compiler::explain(code).map_err(Error::Unknown)
}

/// A text by its name, after which a colon and a `model` item may stand.
fn sources(name: &str, text: &str, loader: Option<Loader>) -> (Sources, FileId) {
    let mut sources = Sources::default();
    let (name, entry) = split_entry(name);
    sources.loader = loader;
    sources.entry = entry.map(str::to_string);
    let file = sources.add(name, text);
    (sources, file)
}

/// The path of a file, and the `model` item named after it: `shapes.ppl:linear`.
pub fn split_entry(name: &str) -> (&str, Option<&str>) {
    let is_item = |item: &str| {
        let letters = |c: char| c.is_alphanumeric() || c == '_';
        item.chars().all(letters) && item.chars().next().is_some_and(char::is_alphabetic)
    };
    match name.rsplit_once(".ppl:") {
        Some((file, item)) if is_item(item) => (&name[..file.len() + 4], Some(item)),
        _ => (name, None),
    }
}

fn draw(sources: &Sources, diagnostics: &[Diagnostic], color: bool) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    render(sources, diagnostics, color)
}
