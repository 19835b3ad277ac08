//! Everything that can go wrong between a text and a posterior, as values. Each message says what, where and what to do
//! next; only the command line turns them into exit codes.

use std::fmt;
use std::path::PathBuf;

use likelier_compiler::data::dataset::DataError;
use likelier_compiler::source::{Diagnostic, Sources, render::render};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A data file or a `--set` cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model is wrong, or does not fit the data.
    #[error("{0}")]
    Model(ModelErrors),
    /// Settings of the sampler that make no sense.
    #[error("{0}")]
    Settings(String),
    /// The log density is nowhere finite where chains could start.
    #[error(
        "no chain found a position with a finite log density to start from\n  {0}\n  help: look whether the priors, bounds and requirements there allow these data; `likelier simulate` says what share of the prior each constraint keeps, `likelier density` evaluates one point, and `run --method smc` searches more of the prior"
    )]
    NoStart(String),
    /// The run was stopped before there was anything to keep.
    #[error(
        "stopped before the first draw; there is nothing to show\n  {0}\n  help: a tiny step size means a density too steep or too narrow to follow: look at the scales and at nearly singular matrices; `--warmup` sets the number of warm-up iterations"
    )]
    NoDraws(String),
    /// The work was stopped before there was anything to keep, and not because of what it was about.
    #[error("stopped before there was anything to show: {0}")]
    Stopped(String),
    /// The constraints of a model leave hardly any draw of its prior.
    #[error("{0}")]
    Rejected(String),
    /// The point of a density evaluation does not fit the model.
    #[error("{}", .0.join("\n"))]
    Point(Vec<String>),
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {reason}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says, or why the content is no text.
        reason: String,
    },
    /// A model that the formatter would change.
    #[error(
        "{0} cannot be formatted without changing what it means; it is left as it is\n  help: this is a mistake of the formatter, probably about a comment inside a statement: move that, and please report the file"
    )]
    Format(String),
    /// A file of settings that cannot be used.
    #[error("{0}")]
    Configuration(ModelErrors),
    /// Something asked for by name does not exist.
    #[error("{0}")]
    Unknown(String),
}

impl Error {
    /// What the compiler has to say of a model.
    pub(crate) fn model(sources: Sources, diagnostics: Vec<Diagnostic>) -> Self {
        Self::Model(ModelErrors {
            sources,
            diagnostics,
        })
    }
}

/// What the compiler has to say, with the texts it says it of.
pub struct ModelErrors {
    /// The texts that the diagnostics point into.
    pub sources: Sources,
    /// At least one error, and perhaps warnings.
    pub diagnostics: Vec<Diagnostic>,
}

impl ModelErrors {
    /// The diagnostics drawn with excerpts of the texts.
    pub fn render(&self, color: bool) -> String {
        render(&self.sources, &self.diagnostics, color)
    }
}

impl fmt::Display for ModelErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.render(false).trim_end())
    }
}

impl fmt::Debug for ModelErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
