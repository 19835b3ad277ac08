//! A session without a terminal: inputs go in, text comes out. It holds the program so far, what is known of it, the states
//! before each change, the last run and the settings.

use std::collections::BTreeSet;
use std::rc::Rc;

use likelier::interactive::{self, Description, Sort, Statement, Typed};
use likelier::{Coordinates, Dataset, Error, Options, Posterior, Role};

use super::input::{self, Input};
use super::program::{Program, first_line};
use super::settings::Settings;
use super::value::wrapped;
use super::{changes, commands};
use crate::commands::Print;
use crate::{files, terminal};

/// What messages call a program that no file holds.
pub const UNNAMED: &str = "session";

/// Everything that a person has said so far.
pub struct Session {
    /// What messages call the program: a path, once it is loaded or saved.
    pub name: String,
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
        interactive::describe(
            &self.name,
            &program.text(),
            &program.data,
            &options,
            self.color,
        )
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
        data.set_at(name, value, &format!("data {name}"))?;
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

    /// Whether the draws of the last run are draws of the present program. Variables that are new and that nothing observed
    /// depends on change nothing: they are predictions.
    pub fn is_current(&self, run: &Run) -> bool {
        let same_data = Rc::ptr_eq(&run.program.data, &self.program.data)
            || run.program.data == self.program.data;
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
        same_data && run.program.essence(&is_free) == self.program.essence(&is_free)
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
