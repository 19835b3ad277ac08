//! A program that carries a model: a copy of this one with the texts of the model and its data behind it. Run, it does what
//! `likelier run` does with them.
//!
//! It carries texts, not machine code: they are compiled in milliseconds at each start, for the processor that is there, and
//! messages can point into them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::{Args, FromArgMatches};
use likelier::Error;
use serde::{Deserialize, Serialize};

use crate::commands::run;
use crate::{configuration, files};

/// What ends a program that carries something; before it stands the length of the text, eight bytes.
const MARK: &[u8; 16] = b"likelier carries";

/// A model with its data, as a command line and the files that it names.
#[derive(Serialize, Deserialize)]
pub struct Carried {
    /// Arguments of `run`.
    pub arguments: Vec<String>,
    /// The text of each file by its path.
    pub files: BTreeMap<String, String>,
}

static FILES: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// The content of a file that this program carries.
pub fn file(path: &Path) -> Option<&'static [u8]> {
    let text = FILES.get()?.get(path.to_str()?)?;
    Some(text.as_bytes())
}

impl Carried {
    /// What this program carries, if anything.
    ///
    /// # Errors
    /// If what it carries was damaged.
    pub fn own() -> Result<Option<Carried>, Error> {
        let program = std::env::current_exe();
        // A program that cannot read itself carries nothing that it could run.
        let Some((program, text)) = program.ok().and_then(|path| {
            let text = text_behind(&path)?;
            Some((path, text))
        }) else {
            return Ok(None);
        };
        let carried = text.and_then(|text| serde_json::from_slice(&text).ok());
        carried.map(Some).ok_or_else(|| {
            let reason = "the model that it carries is damaged; copy or compile it again";
            files::failure("run", &program, reason)
        })
    }

    /// Writes a program that carries this: a copy of the running one.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        io::copy(&mut File::open(std::env::current_exe()?)?, out)?;
        let text = serde_json::to_vec(self)?;
        out.write_all(&text)?;
        out.write_all(&(text.len() as u64).to_le_bytes())?;
        out.write_all(MARK)
    }

    /// Does what `likelier run` does with the arguments that are carried and those of this process.
    ///
    /// # Errors
    /// As `run`.
    pub fn run(self) -> Result<ExitCode, Error> {
        let mut given = std::env::args_os();
        let program = given.next().unwrap_or_default();
        let given: Vec<_> = given.collect();
        let name = Path::new(&program).file_name().unwrap_or_default();
        // Names of commands live as long as the process.
        let name: &'static str = name.to_string_lossy().into_owned().leak();
        let is_carried = |path: &&OsString| {
            let path = path.to_str();
            path.is_some_and(|path| self.files.contains_key(path))
        };
        if let Some(path) = given.iter().find(is_carried) {
            let path = path.display();
            return Err(Error::Settings(format!(
                "`{path}` is the name of a file that this program carries; write ./{path} for one in this folder"
            )));
        }
        let command = clap::Command::new(name)
            .version(env!("CARGO_PKG_VERSION"))
            .max_term_width(100)
            .args_override_self(true);
        let command = run::Options::augment_args(command)
            .about(format!(
                "Sample from the posterior of {}, which this program carries with its data (made by `likelier compile`)",
                self.arguments[0]
            ))
            .override_usage(format!("{name} [OPTIONS] [DATA]..."))
            .mut_arg("model", |argument| argument.hide(true))
            .mut_arg("data", |argument| {
                argument.help("More data files, .json or .csv")
            });
        let arguments = std::iter::once(program)
            .chain(self.arguments.iter().map(Into::into))
            .chain(given);
        let command = command.after_help(format!("Example:\n  {name} --draws 2000 -o draws.csv"));
        let matches = command.clone().get_matches_from(arguments);
        let settings = configuration::of_command_line(&command, &matches);
        let options = run::Options::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        // It is set once, here.
        let _ = FILES.set(self.files);
        run::execute(&options, &settings)
    }
}

/// The text behind a program, if there is one: `None` in it if it is cut off.
fn text_behind(path: &Path) -> Option<Option<Vec<u8>>> {
    let mut program = File::open(path).ok()?;
    let mut end = [0; 24];
    let length = program.seek(SeekFrom::End(-24)).ok()?;
    program.read_exact(&mut end).ok()?;
    let (size, mark) = end.split_at(8);
    if mark != MARK {
        return None;
    }
    let read = || {
        let size = u64::from_le_bytes(size.try_into().ok()?);
        program
            .seek(SeekFrom::Start(length.checked_sub(size)?))
            .ok()?;
        let mut text = Vec::new();
        program.take(size).read_to_end(&mut text).ok()?;
        Some(text)
    };
    Some(read())
}
