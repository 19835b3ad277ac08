//! Shelf: source texts and talk about them. A span carries the file it belongs to, because a diagnostic may point into
//! the model, the standard library and the data at once; everything else (line numbers, excerpts) is derived from the
//! texts when a message is drawn.

pub mod diagnostic;
pub mod foreign;
pub mod render;
pub mod suggest;

pub use diagnostic::{Diagnostic, Label};

/// One of the texts held by [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FileId(pub u32);

/// A range of bytes in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The file the bytes belong to.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes `start..end` of `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        Self {
            file,
            start: start as u32,
            end: end as u32,
        }
    }

    /// The smallest span that covers both; they must be of one file.
    pub fn to(self, other: Span) -> Span {
        Span {
            file: self.file,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// Finds the text that a file imports: by the name of the file and the path it mentions, the name that messages show and
/// the text, or why there is none.
pub type Loader = fn(from: &str, path: &str) -> Result<(String, String), String>;

/// All texts of one compilation, by [`FileId`].
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<(String, String)>,
    /// How imported files are read, if they may be.
    pub loader: Option<Loader>,
    /// The model item that is the program, when a file holds several.
    pub entry: Option<String>,
}

impl Sources {
    /// Adds a text under the name that messages show.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        self.files.push((name.into(), text.into()));
        FileId(self.files.len() as u32 - 1)
    }

    /// The name that messages show for a file.
    pub fn name(&self, file: FileId) -> &str {
        &self.files[file.0 as usize].0
    }

    /// The text of a file.
    pub fn text(&self, file: FileId) -> &str {
        &self.files[file.0 as usize].1
    }

    /// The text under a span.
    pub fn excerpt(&self, span: Span) -> &str {
        self.text(span.file)
            .get(span.start as usize..span.end as usize)
            .unwrap_or("")
    }

    /// The text under a span with single spaces in place of breaks.
    pub fn one_line(&self, span: Span) -> String {
        let words: Vec<&str> = self.excerpt(span).split_whitespace().collect();
        words.join(" ")
    }

    /// The 1-based line on which a span begins.
    pub fn line(&self, span: Span) -> usize {
        let text = self.text(span.file).as_bytes();
        1 + text[..(span.start as usize).min(text.len())]
            .iter()
            .filter(|&&b| b == b'\n')
            .count()
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether no text was added.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}
