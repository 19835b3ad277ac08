//! A session without a terminal: inputs go in, text comes out. It holds the program so far, what is known of it, the states
//! before each change, the last run and the settings.

use std::collections::BTreeSet;
use std::rc::Rc;

use likelier::interactive::{self, Description, Sort, Statement, Typed};
use likelier::{Coordinates, Dataset, Error, Options, Posterior, Role};
use likelier_compiler::data::dataset::Entry;
use likelier_compiler::source::render::render;

use super::input::{self, Input};
use super::places::Collage;
use super::program::{Program, first_line};
use super::settings::Settings;
use super::value::wrapped;
use super::{changes, commands};
use crate::commands::Print;
use crate::configuration::Beside;
use crate::{files, terminal};

/// What messages call a program that no file holds.
pub const UNNAMED: &str = "session";
/// What they call the program of the last run, where it is another one.
pub const LAST_RUN: &str = "last run";

/// Everything that a person has said so far.
pub struct Session {
    /// What the program is called: a path, once it is loaded or saved, beside which imports are looked for.
    pub name: String,
    /// The text that the file of this name holds, if it is known to be the program's.
    pub kept: Option<String>,
    /// The statements and data.
    pub program: Program,
    /// What is known of them.
    pub description: Description,
    /// The states before each change, with what made it.
    past: Vec<Past>,
    /// The last run.
    pub run: Option<Run>,
    /// What commands are given beside their own options.
    pub settings: Settings,
    /// How many draws of distributions were shown: each is another.
    pub drawn: u64,
    /// Whether messages may be coloured.
    pub color: bool,
    warnings: String,
    obstacle: String,
}

/// A state before a change.
struct Past {
    change: String,
    name: String,
    kept: Option<String>,
    beside: Rc<Beside>,
    program: Program,
    description: Description,
}

/// A run that was made in this session.
pub struct Run {
    /// The program that it was a run of.
    pub program: Program,
    /// Its draws.
    pub posterior: Posterior,
}

/// Whether the session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It does.
    GoOn,
    /// It was asked to end.
    Quit,
}

impl Session {
    /// An empty session.
    pub fn new(settings: Settings, color: bool) -> Self {
        Self {
            name: UNNAMED.to_owned(),
            kept: None,
            program: Program::default(),
            description: Description::default(),
            past: Vec::new(),
            run: None,
            settings,
            drawn: 0,
            color,
            warnings: String::new(),
            obstacle: String::new(),
        }
    }

    /// Answers one input. An error changes nothing.
    ///
    /// # Errors
    /// What is wrong with it, or what went wrong.
    pub fn answer(&mut self, text: &str, print: &mut Print<'_>) -> Result<Then, Error> {
        match input::parse(text) {
            Input::Nothing => {}
            Input::Command(name, rest) => return commands::execute(self, name, rest, print),
            Input::Data(name, value) => self.set_data(name, value, print)?,
            Input::Language(text) => match interactive::read("input", text)? {
                Typed::Statements(statements) => self.add(statements, print)?,
                Typed::Expression(wanted) => self.evaluate(wanted, false, print)?,
                Typed::Draw(wanted) => self.evaluate(wanted, true, print)?,
            },
        }
        Ok(Then::GoOn)
    }

    /// How programs are compiled.
    pub fn options(&self) -> Options {
        Options {
            cpu: self.settings.cpu(),
            loader: Some(files::load_import),
            ..Options::default()
        }
    }

    fn describe(&self, program: &Program) -> Result<(Description, String), Error> {
        if program.statements.is_empty() {
            return Ok((Description::default(), String::new()));
        }
        let options = Options {
            coordinates: Coordinates::Natural,
            ..self.options()
        };
        let mut collage = Collage::default();
        let is_old = |one: &Rc<Statement>| {
            let mut own = self.program.statements.iter();
            own.any(|old| Rc::ptr_eq(old, one))
        };
        collage.add_statements(program, &|_| true, &|one| !is_old(one));
        let found = interactive::describe(&self.name, &collage.text, &program.data, &options);
        let (mut description, sources) =
            found.map_err(|error| self.placed(error, &collage, program))?;
        let warnings = std::mem::take(&mut description.warnings);
        let name = self.name_of(program);
        let (seen, warnings) = collage.relocated(&sources, warnings, name, program);
        Ok((description, render(&seen, &warnings, self.color)))
    }

    /// What messages call a program: the file that holds it, or the session, whose lines are those of `:show`.
    fn name_of(&self, program: &Program) -> &str {
        let text = program.text();
        match &self.kept {
            Some(kept) if *kept == text => &self.name,
            _ if text == self.program.text() => UNNAMED,
            _ => match &self.run {
                Some(run) if run.program.text() == text => LAST_RUN,
                _ => UNNAMED,
            },
        }
    }

    /// An error of a text that was put together for the compiler, as one of what a person can see.
    pub fn placed(&self, error: Error, collage: &Collage, program: &Program) -> Error {
        collage.placed(error, self.name_of(program), program)
    }

    /// An error of the text of a program.
    pub fn placed_in(&self, error: Error, program: &Program) -> Error {
        let mut collage = Collage::default();
        collage.add_statements(program, &|_| true, &|_| false);
        self.placed(error, &collage, program)
    }

    fn add(&mut self, statements: Vec<Statement>, print: &mut Print<'_>) -> Result<(), Error> {
        let mut program = self.program.clone();
        let mut found = (self.description.clone(), self.warnings.clone());
        let mut replaced: Vec<Rc<Statement>> = Vec::new();
        for statement in &statements {
            replaced.extend(program.replaced(statement));
            (program, found) = self.first_that_fits(program.with(statement))?;
        }
        let own: Vec<String> = statements
            .iter()
            .flat_map(|one| one.defines.clone())
            .collect();
        let texts: Vec<String> = statements.iter().map(|one| first_line(&one.text)).collect();
        let before = self.change(texts.join("; "), program, found);
        let mut lines = self.told(&before, &statements, &own);
        lines.extend(self.voided(&replaced, &own));
        self.say(lines, print)
    }

    /// The first of several programs that is one, or what is wrong with the first.
    fn first_that_fits(
        &self,
        candidates: Vec<Program>,
    ) -> Result<(Program, (Description, String)), Error> {
        let mut failure = None;
        for program in candidates {
            match self.describe(&program) {
                Ok(found) => return Ok((program, found)),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.expect("at least one candidate"))
    }

    /// Makes a program the present one; what was known of the last one.
    pub fn change(
        &mut self,
        what: String,
        program: Program,
        found: (Description, String),
    ) -> Description {
        let description = std::mem::replace(&mut self.description, found.0);
        self.past.push(Past {
            change: what,
            name: self.name.clone(),
            kept: self.kept.clone(),
            beside: Rc::clone(&self.settings.beside),
            program: std::mem::replace(&mut self.program, program),
            description: description.clone(),
        });
        self.tell_warnings(found.1);
        description
    }

    /// Notes what the compiler warns of, for the next answer to say if it is new.
    fn tell_warnings(&mut self, warnings: String) {
        if warnings != self.warnings && !warnings.is_empty() {
            terminal::warn(&warnings);
        }
        self.warnings = warnings;
    }

    /// What new statements are, each by its names or by itself, and what else they changed.
    fn told(&self, before: &Description, statements: &[Statement], own: &[String]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut listed = Vec::new();
        for statement in statements {
            let what = match statement.sort {
                Sort::Condition => "conditions on it",
                Sort::Soft => "a soft constraint",
                Sort::Import => "imported",
                Sort::Function => "a function",
                Sort::Distribution => "a distribution",
                Sort::Model => "a model",
                Sort::Report if statement.defines.is_empty() => "reported with every draw",
                _ => {
                    listed.extend(statement.defines.clone());
                    continue;
                }
            };
            let text = match statement.defines.first() {
                Some(name) => name.clone(),
                None => first_line(&statement.text),
            };
            lines.push(format!("{text}: {what}"));
        }
        let hidden: Vec<String> = own
            .iter()
            .filter(|name| !listed.contains(name))
            .cloned()
            .collect();
        let mut told = changes::lines(before, &self.description, &listed);
        told.retain(|line| {
            !hidden
                .iter()
                .any(|name| line.starts_with(&format!("{name}: ")))
        });
        for line in &mut told {
            if let Some(value) = self.known_value(line, statements) {
                *line = value;
            }
        }
        lines.extend(told);
        lines
    }

    /// `a = 6` in place of `a: int, computed`, where a new `let` depends on nothing random.
    fn known_value(&self, line: &str, statements: &[Statement]) -> Option<String> {
        let name = line.strip_suffix(", computed")?.split(':').next()?;
        let is_let = |one: &&Statement| one.sort == Sort::Let && one.defines == [name];
        statements.iter().find(is_let)?;
        let reads = BTreeSet::from([name.to_owned()]);
        if !self.unknown_roots(&self.program, &reads).is_empty() {
            return None;
        }
        let value = self.known(name, &reads)?;
        Some(format!("{name} = {value}"))
    }

    /// What was said before of names that are defined anew, and what depends on them.
    fn voided(&self, replaced: &[Rc<Statement>], own: &[String]) -> Vec<String> {
        let mut lines = Vec::new();
        for old in replaced {
            lines.push(wrapped(
                &format!("in place of {}", first_line(&old.text)),
                2,
            ));
        }
        let anew: Vec<String> = replaced
            .iter()
            .flat_map(|old| old.defines.clone())
            .collect();
        let mut dependents = self.program.dependents(&anew);
        dependents.retain(|name| !own.contains(name));
        if !dependents.is_empty() {
            let verb = if dependents.len() == 1 {
                "depends"
            } else {
                "depend"
            };
            let names = changes::listed(&dependents);
            lines.push(wrapped(&format!("{names} {verb} on it"), 2));
        }
        lines
    }

    fn set_data(&mut self, name: &str, value: &str, print: &mut Print<'_>) -> Result<(), Error> {
        let mut data = Dataset::clone(&self.program.data);
        let is_new = data.get(name).is_none();
        let origin = format!("data {name}");
        if let Err(mut error) = data.set_at(name, value, &origin) {
            error.help = Some("write a number, an array like [1, 2, 3], texts in double quotes, or an expression such as [i / 10 for i in 1..5]".to_owned());
            let found = self.constant(value).ok_or(error)??;
            data.set_values(name, found.shape, found.values, found.is_int, &origin)?;
        }
        let change = format!("data {name} = …");
        let lines = self.with_data(change, data, &[name.to_owned()])?;
        let lines = match is_new {
            true => lines,
            false => [lines, vec!["in place of the data it had".to_owned()]].concat(),
        };
        self.say(lines, print)
    }

    /// Takes other data; what that changed. `names` are told of in any case.
    pub fn with_data(
        &mut self,
        change: String,
        data: Dataset,
        names: &[String],
    ) -> Result<Vec<String>, Error> {
        let program = Program {
            data: Rc::new(data),
            ..self.program.clone()
        };
        let found = self.describe(&program)?;
        let before = self.change(change, program, found);
        let described = |name: &&String| self.description.get(name).is_some();
        let (used, unused): (Vec<&String>, Vec<&String>) = names.iter().partition(described);
        let used: Vec<String> = used.into_iter().cloned().collect();
        let mut lines: Vec<String> = Vec::new();
        for name in unused {
            if let Some(entry) = self.program.data.get(name) {
                lines.push(format!(
                    "{}; no statement names it yet",
                    super::data::line(entry)
                ));
            }
        }
        lines.extend(changes::lines(&before, &self.description, &used));
        Ok(lines)
    }

    /// Takes the last change back.
    pub fn undo(&mut self) -> Option<String> {
        let past = self.past.pop()?;
        let before = std::mem::replace(&mut self.description, past.description);
        self.program = past.program;
        self.name = past.name;
        self.kept = past.kept;
        self.settings.beside = past.beside;
        self.warnings.clear();
        self.obstacle.clear();
        let mut lines = vec![format!("taken back: {}", past.change)];
        lines.extend(changes::lines(&before, &self.description, &[]));
        Some(lines.join("\n"))
    }

    /// Prints lines, and why the program cannot run if the reason is a new one.
    pub fn say(&mut self, mut lines: Vec<String>, print: &mut Print<'_>) -> Result<(), Error> {
        let obstacle = self.description.obstacles.first();
        let obstacle = obstacle.map_or_else(String::new, |one| one.message.clone());
        if obstacle != self.obstacle && !obstacle.is_empty() {
            lines.push(wrapped(&format!("cannot run yet: {obstacle}"), 2));
        }
        self.obstacle = obstacle;
        match lines.is_empty() {
            true => Ok(()),
            false => print(&format!("{}\n", lines.join("\n"))),
        }
    }

    /// What is to be said of a value that reads these names along the draws of a run, if those are not of the present program and
    /// data.
    pub fn staleness(&self, run: &Run, reads: &BTreeSet<String>) -> Option<String> {
        if !self.has_essence_of(run) {
            return Some(
                "These draws are of the program before it changed; :run makes new ones.\n"
                    .to_owned(),
            );
        }
        let changed = self.changed_data(run);
        if changed.is_empty() {
            return None;
        }
        let quoted = |keys: &[&str]| {
            let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            changes::listed(&quoted)
        };
        let sources = run.program.sources(reads);
        let keys = changed.iter().copied();
        let read: Vec<&str> = keys.filter(|key| sources.contains(*key)).collect();
        let too = match read.as_slice() {
            [] => String::new(),
            keys => format!(", and {} in this value too", quoted(keys)),
        };
        let text = format!(
            "These draws are of the data before {} changed{too}; :run makes new ones.",
            quoted(&changed)
        );
        Some(format!("{}\n", wrapped(&text, 0)))
    }

    /// The keys of data that differ from those of a run and that its program or the present one names.
    fn changed_data<'a>(&'a self, run: &'a Run) -> Vec<&'a str> {
        let (old, new) = (&run.program.data, &self.program.data);
        if Rc::ptr_eq(old, new) {
            return Vec::new();
        }
        let is_named = |key: &&str| run.program.mentions(key) || self.program.mentions(key);
        let gone = old.entries().iter();
        let gone = gone.filter(|entry| new.get(&entry.key).is_none());
        let is_same = |entry: &Entry| {
            let before = old.get(&entry.key);
            before.is_some_and(|before| before.holds_the_same(entry))
        };
        let newer = new.entries().iter().filter(|entry| !is_same(entry));
        let keys = gone.chain(newer).map(|entry| entry.key.as_str());
        keys.filter(is_named).collect()
    }

    /// Whether a run was one of the present program, whatever its data were. Variables that are new and that nothing observed
    /// depends on change nothing: they are predictions.
    pub fn has_essence_of(&self, run: &Run) -> bool {
        let is_drawn = |name: &str| {
            let mut columns = run.posterior.columns.iter();
            columns.any(|column| column.variable.split('.').next() == Some(name))
        };
        let is_free = |name: &str| {
            // What a `model` is used for is drawn by its parts, `s.z`.
            let own = self.description.names.iter();
            let own = own.filter(|one| one.name.split('.').next() == Some(name));
            let mut roles = own.filter_map(|one| one.role).peekable();
            let is_random = roles.peek().is_some();
            is_random && !is_drawn(name) && roles.all(|role| role == Role::Simulated)
        };
        run.program.essence(&is_free) == self.program.essence(&is_free)
    }

    /// How the functions, distributions and models of the program are called.
    pub fn signatures(&self) -> Vec<(String, String)> {
        let is_called = |one: &&Rc<Statement>| {
            matches!(one.sort, Sort::Function | Sort::Distribution | Sort::Model)
        };
        let signature = |one: &Rc<Statement>| {
            let name = one.defines.first()?;
            let from = one.text.find(name.as_str())?;
            Some((name.clone(), one.text[from..].to_owned()))
        };
        let statements = self.program.statements.iter();
        statements.filter(is_called).filter_map(signature).collect()
    }

    /// The names that can be completed: those of the program, and of its data.
    pub fn names(&self) -> Vec<String> {
        let described = self
            .description
            .names
            .iter()
            .map(|known| known.name.clone());
        let defined = self
            .program
            .statements
            .iter()
            .flat_map(|one| one.defines.clone());
        let keys = self
            .program
            .data
            .entries()
            .iter()
            .map(|entry| entry.key.clone());
        let mut names: Vec<String> = described.chain(defined).chain(keys).collect();
        names.sort();
        names.dedup();
        names
    }
}
