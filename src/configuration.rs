//! Settings that live in a file: `likelier.toml` beside the model. Its keys are the long options of the commands, and clap
//! judges their values as it does those of the command line, so that an option has one name, one meaning and one check.
//! What the command line says wins. Names of files are no settings.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use likelier::Error;
use likelier::error::ModelErrors;
use likelier_compiler::source::{Diagnostic, FileId, Sources, Span, suggest::nearest};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::{files, mistyped};

/// The name of the file.
pub const NAME: &str = "likelier.toml";

/// What `--no-config` is called inside.
const NO_CONFIG: &str = "no_config";

/// The arguments of the program, and where each setting of the command comes from.
pub struct Read {
    /// What clap made of both.
    pub matches: ArgMatches,
    /// The options of the command in the order of its help.
    pub settings: Vec<Setting>,
}

/// An option with what it is set to.
pub struct Setting {
    /// Its long name.
    pub name: String,
    /// As it was written.
    pub value: String,
    /// By whom.
    pub origin: Origin,
}

/// Who set it.
pub enum Origin {
    /// The command line.
    CommandLine,
    /// A line of the file.
    File(String),
    /// A line of the file, which nothing came of: the command line says something that excludes it, or nothing that it needs.
    Unused(String),
    /// Nobody.
    Default,
}

/// Reads the arguments, and the file beside the model if the command has a model and there is one. Mistakes of the
/// arguments end the program, as clap does it.
///
/// # Errors
/// [`Error::Configuration`] for mistakes in the file, [`Error::File`] if it cannot be read.
pub fn read(command: &Command, arguments: Vec<OsString>) -> Result<Read, Error> {
    let parse = |arguments: &[OsString]| command.clone().try_get_matches_from(arguments);
    let matches = parse(&arguments).unwrap_or_else(|error| {
        let mut words = arguments.iter().skip(1);
        let of = words.find_map(|word| command.find_subcommand(word));
        mistyped::advised(error, of.unwrap_or(command)).exit()
    });
    let Some((name, found)) = matches.subcommand() else {
        return Ok(Read {
            matches,
            settings: Vec::new(),
        });
    };
    let subcommand = command.find_subcommand(name).unwrap_or(command);
    let Some(path) = beside_model(subcommand, found) else {
        let settings = of_command_line(subcommand, found);
        return Ok(Read { matches, settings });
    };
    let page = Page::new(&path, files::read_text(&path)?);
    let entries = page.entries(command, subcommand)?;
    let at = arguments
        .iter()
        .position(|word| word == OsStr::new(name))
        .map_or(1, |at| at + 1);
    let with = |entries: &[&Entry]| {
        let mut all = arguments.clone();
        let words = entries.iter().flat_map(|entry| entry.words.iter().cloned());
        all.splice(at..at, words);
        parse(&all)
    };
    let (taken, waiting) = page.fitting(&entries, found, &with)?;
    let matches = with(&taken).unwrap_or_else(|error| error.exit());
    let found = matches.subcommand().map_or(&matches, |(_, found)| found);
    let settings = settings(subcommand, found, Some(&page), &taken, &waiting);
    Ok(Read { matches, settings })
}

/// The settings of the file beside a model for some commands, for a session, which gives them their words one after the other.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    page: Option<Page>,
    /// By the names of the commands.
    entries: Vec<(String, Vec<Entry>)>,
}

impl Beside {
    /// Reads the file beside a model, if there is one; `command` is the whole command line.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(model: &Path, command: &Command, names: &[&str]) -> Result<Self, Error> {
        let path = model.with_file_name(NAME);
        if !path.exists() {
            return Ok(Self::default());
        }
        let page = Page::new(&path, files::read_text(&path)?);
        let of = |name: &&str| {
            let subcommand = command.find_subcommand(name).unwrap_or(command);
            Ok(((*name).to_owned(), page.entries(command, subcommand)?))
        };
        let entries = names.iter().map(of).collect::<Result<_, Error>>()?;
        Ok(Self {
            page: Some(page),
            entries,
        })
    }

    /// The words for a command whose other words `found` was made of; `parse` reads both together.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a value that does not fit.
    pub fn words(
        &self,
        name: &str,
        found: &ArgMatches,
        parse: &dyn Fn(&[OsString]) -> Result<ArgMatches, clap::Error>,
    ) -> Result<Vec<OsString>, Error> {
        let entries = self.entries.iter().find(|(own, _)| own == name);
        let (Some(page), Some((_, entries)), false) = (&self.page, entries, is_unwanted(found))
        else {
            return Ok(Vec::new());
        };
        let words = |entries: &[&Entry]| -> Vec<OsString> {
            let words = entries.iter().flat_map(|entry| entry.words.clone());
            words.collect()
        };
        let (taken, _) = page.fitting(entries, found, &|some| parse(&words(some)))?;
        Ok(words(&taken))
    }

    /// The value of an option of a command, if the file has it.
    pub fn value(&self, name: &str, option: &str) -> Option<String> {
        let (_, entries) = self.entries.iter().find(|(own, _)| own == name)?;
        let entry = entries.iter().find(|entry| entry.id == option)?;
        let word = entry.words.first()?.to_string_lossy().into_owned();
        Some(word.split_once('=')?.1.to_owned())
    }

    /// Each setting as a line, with its place.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let Some(page) = &self.page else { return lines };
        for entry in self.entries.iter().flat_map(|(_, entries)| entries) {
            let words = entry.words.iter().map(|word| word.to_string_lossy());
            let words: Vec<String> = words
                .map(|word| word.trim_start_matches('-').replacen('=', " ", 1))
                .collect();
            let line = format!("{} ({})", words.join(", "), page.line(&entry.place));
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }
}

/// Errors of a value that others exclude, or that needs others.
fn is_about_others(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ArgumentConflict | ErrorKind::MissingRequiredArgument
    )
}

/// Whether no file is to be read; commands without this option have none.
fn is_unwanted(found: &ArgMatches) -> bool {
    matches!(found.try_get_one(NO_CONFIG), Ok(Some(true)))
}

/// The file beside the (first) model, if there is one and nobody objects.
fn beside_model(subcommand: &Command, found: &ArgMatches) -> Option<PathBuf> {
    let id = model_argument(subcommand)?;
    if is_unwanted(found) {
        return None;
    }
    let model = found.try_get_many::<PathBuf>(id).ok()??.next()?;
    let name = model.display().to_string();
    let path = Path::new(likelier::split_entry(&name).0).with_file_name(NAME);
    path.exists().then_some(path)
}

/// A setting of the file that this command has.
#[derive(Debug, Clone)]
struct Entry {
    /// What the option is called inside.
    id: String,
    /// As words of the command line.
    words: Vec<OsString>,
    /// Where its value stands.
    place: Range<usize>,
}

/// The file with its name.
#[derive(Debug, Clone)]
struct Page {
    name: String,
    text: String,
}

impl Page {
    fn new(path: &Path, text: String) -> Self {
        let name = path.display().to_string();
        Self { name, text }
    }

    fn line(&self, place: &Range<usize>) -> String {
        let line = 1 + self.text[..place.start].matches('\n').count();
        format!("{}:{line}", self.name)
    }

    fn error(&self, place: Range<usize>, message: String, help: String) -> Error {
        let mut sources = Sources::default();
        sources.add(&self.name, &self.text);
        let place = Span::new(FileId(0), place.start, place.end);
        Error::Configuration(ModelErrors {
            sources,
            diagnostics: vec![Diagnostic::error("", message).at(place, "").help(help)],
        })
    }

    /// Why a value is refused, in the words of clap.
    fn refused(&self, entry: &Entry, error: &clap::Error) -> Error {
        let said = error.to_string();
        let first = said.lines().next().unwrap_or_default();
        let first = first.strip_prefix("error: ").unwrap_or(first);
        let mut help = String::from("`likelier COMMAND --help` describes the option of this name");
        if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) {
            help = format!("it is one of {}", values.join(", "));
        }
        self.error(entry.place.clone(), first.to_owned(), help)
    }

    /// The settings of the file that this command has: those on top, and over them those in its table.
    fn entries(&self, command: &Command, subcommand: &Command) -> Result<Vec<Entry>, Error> {
        let document = DeTable::parse(&self.text).map_err(|error| {
            let end = self.text.len();
            let place = error.span().unwrap_or(0..end);
            let help = "settings are written `draws = 2000`; for one command below a line `[run]`";
            self.error(place, error.message().to_owned(), help.to_owned())
        })?;
        let mut entries = Vec::new();
        let mut own = Vec::new();
        for (key, value) in document.get_ref() {
            if let DeValue::Table(table) = value.get_ref() {
                let of = self.command(command, key)?;
                for (key, value) in table {
                    let entry = self.entry(&[of], key, value)?;
                    let is_own = of.get_name() == subcommand.get_name();
                    own.extend(entry.filter(|_| is_own));
                }
            } else {
                let others = command.get_subcommands();
                let all: Vec<&Command> = std::iter::once(subcommand).chain(others).collect();
                let entry = self.entry(&all, key, value)?;
                entries.extend(entry.filter(|entry| option(subcommand, &entry.id).is_some()));
            }
        }
        entries.retain(|entry: &Entry| own.iter().all(|other: &Entry| other.id != entry.id));
        entries.extend(own);
        Ok(entries)
    }

    /// The command after which a table is named.
    fn command<'a>(
        &self,
        command: &'a Command,
        key: &Spanned<DeString>,
    ) -> Result<&'a Command, Error> {
        let name = key.get_ref().as_ref();
        let takes_model = |it: &&Command| model_argument(it).is_some();
        let found = command.find_subcommand(name).filter(takes_model);
        found.ok_or_else(|| {
            let others = command.get_subcommands().filter(takes_model);
            let names: Vec<&str> = others.map(Command::get_name).collect();
            let help = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `[{near}]`?"),
                None => format!("tables are named after commands: {}", names.join(", ")),
            };
            let message = format!("no command that takes a model is called `{name}`");
            self.error(key.span(), message, help)
        })
    }

    /// Of some settings those that are taken beside what was `found` on the command line, and those that others exclude or that
    /// need others. `with` reads both together.
    fn fitting<'e>(
        &self,
        entries: &'e [Entry],
        found: &ArgMatches,
        with: &dyn Fn(&[&Entry]) -> Result<ArgMatches, clap::Error>,
    ) -> Result<(Vec<&'e Entry>, Vec<&'e Entry>), Error> {
        let is_open =
            |entry: &&Entry| found.value_source(&entry.id) != Some(ValueSource::CommandLine);
        let mut waiting: Vec<&Entry> = entries.iter().filter(is_open).collect();
        // A value is judged where it stands alone, so that what is said of it is about nothing else.
        for entry in &waiting {
            if let Err(error) = with(&[entry])
                && !is_about_others(&error)
            {
                return Err(self.refused(entry, &error));
            }
        }
        // What needs another setting is taken once that has been.
        let mut taken: Vec<&Entry> = Vec::new();
        while let Some(next) = waiting.iter().position(|entry| {
            let all: Vec<&Entry> = taken.iter().copied().chain([*entry]).collect();
            with(&all).is_ok()
        }) {
            taken.push(waiting.remove(next));
        }
        Ok((taken, waiting))
    }

    /// A key with its value, which the first of these commands that has such an option judges.
    fn entry(
        &self,
        of: &[&Command],
        key: &Spanned<DeString>,
        value: &Spanned<DeValue>,
    ) -> Result<Option<Entry>, Error> {
        let name = key.get_ref().as_ref();
        let Some(arg) = of.iter().find_map(|command| option(command, name)) else {
            let known: Vec<&str> = of
                .iter()
                .flat_map(|it| options(it))
                .filter_map(Arg::get_long)
                .collect();
            let help = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "keys are the long options of commands, without `--`; names of files stay on the command line".to_owned(),
            };
            let message = match of {
                [one] => format!("`{}` has no setting `{name}`", one.get_name()),
                _ => format!("no command has a setting `{name}`"),
            };
            return Err(self.error(key.span(), message, help));
        };
        if matches!(value.get_ref(), DeValue::Table(_)) {
            let help = format!("write `{name} = …`");
            return Err(self.error(
                key.span(),
                format!("`{name}` is a setting, not a table"),
                help,
            ));
        }
        let place = value.span();
        let words = self.words(arg, name, value.get_ref(), &place)?;
        let id = arg.get_id().to_string();
        Ok((!words.is_empty()).then_some(Entry { id, words, place }))
    }

    /// The setting as words of the command line.
    fn words(
        &self,
        arg: &Arg,
        name: &str,
        value: &DeValue,
        place: &Range<usize>,
    ) -> Result<Vec<OsString>, Error> {
        let long = arg.get_long().unwrap_or(name);
        let wrong =
            |message: String, help: &str| Err(self.error(place.clone(), message, help.to_owned()));
        match (value, arg.get_action()) {
            (DeValue::Boolean(true), ArgAction::SetTrue) => Ok(vec![format!("--{long}").into()]),
            (DeValue::Boolean(false), ArgAction::SetTrue) => Ok(Vec::new()),
            (_, ArgAction::SetTrue) => {
                wrong(format!("`{name}` is on or off"), "write `true` or `false`")
            }
            (DeValue::Array(items), ArgAction::Append) => {
                let word = |item: &Spanned<DeValue>| {
                    Some(format!("--{long}={}", plain(item.get_ref())?).into())
                };
                match items.iter().map(word).collect::<Option<_>>() {
                    Some(words) => Ok(words),
                    None => wrong(
                        format!("`{name}` is a list of texts"),
                        "write `[\"a\", \"b\"]`",
                    ),
                }
            }
            _ => match plain(value) {
                Some(text) => Ok(vec![format!("--{long}={text}").into()]),
                None => wrong(
                    format!("`{name}` is one value"),
                    "write a number, or a text in quotes",
                ),
            },
        }
    }
}

/// A number or a text as the command line has it.
fn plain(value: &DeValue) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(
            match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => number.to_string(),
                Err(_) => number.as_str().to_owned(),
            },
        ),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

fn has(command: &Command, id: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_id() == id)
}

/// What the model, or the models, of a command are called inside.
fn model_argument(command: &Command) -> Option<&'static str> {
    ["model", "models"].into_iter().find(|id| has(command, id))
}

/// The options of a command that may be kept in a file: no names of files, and nothing that only makes sense for one call.
fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| {
        let is_path = arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        let once = ["help", "version", "dry_run", NO_CONFIG];
        arg.get_long().is_some() && !is_path && !once.contains(&arg.get_id().as_str())
    })
}

fn option<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    options(command).find(|arg| arg.get_long() == Some(name) || arg.get_id() == name)
}

/// The options of a command with their values, where no file is read.
pub fn of_command_line(command: &Command, found: &ArgMatches) -> Vec<Setting> {
    settings(command, found, None, &[], &[])
}

/// The options of the command with their values; of those in the file, some were taken and others are not used.
fn settings(
    subcommand: &Command,
    found: &ArgMatches,
    page: Option<&Page>,
    taken: &[&Entry],
    unused: &[&Entry],
) -> Vec<Setting> {
    let from = |entries: &[&Entry], id: &str| {
        let entry = entries.iter().find(|entry| entry.id == id)?;
        page.map(|page| page.line(&entry.place))
    };
    let mut settings = Vec::new();
    for arg in options(subcommand) {
        let id = arg.get_id().as_str();
        let origin = match (from(taken, id), found.value_source(id), from(unused, id)) {
            (Some(place), ..) => Origin::File(place),
            (None, Some(ValueSource::CommandLine), _) => Origin::CommandLine,
            (None, _, Some(place)) => Origin::Unused(place),
            (None, _, None) => Origin::Default,
        };
        let value = match arg.get_action() {
            ArgAction::SetTrue => if found.get_flag(id) { "yes" } else { "no" }.to_owned(),
            _ => {
                let words = found.get_raw(id).into_iter().flatten();
                let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
                words.join(" ")
            }
        };
        settings.push(Setting {
            name: arg.get_long().unwrap_or(id).to_owned(),
            value,
            origin,
        });
    }
    settings
}

/// The settings as a table.
pub fn table(settings: &[Setting]) -> String {
    let width = |of: &dyn Fn(&Setting) -> usize, least: usize| {
        settings.iter().map(of).max().unwrap_or(0).max(least)
    };
    let names = width(&|one| one.name.chars().count(), "Setting".len());
    let values = width(&|one| shown(one).chars().count(), "value".len());
    let mut text = format!("{:names$}  {:values$}  from\n", "Setting", "value");
    for setting in settings {
        let origin = match &setting.origin {
            Origin::CommandLine => "the command line".to_owned(),
            Origin::File(place) => place.clone(),
            Origin::Unused(place) => format!("default; {place} is not used with these arguments"),
            Origin::Default => "default".to_owned(),
        };
        let value = shown(setting);
        text.push_str(&format!(
            "{:names$}  {value:values$}  {origin}\n",
            setting.name
        ));
    }
    text
}

fn shown(setting: &Setting) -> &str {
    match setting.value.as_str() {
        "" => "–",
        value => value,
    }
}
