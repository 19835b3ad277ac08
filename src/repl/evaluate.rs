//! The value of an expression in a session. What depends on data alone has a value; what depends on unknowns has draws: those
//! of the last run, or, before any run, draws from the prior. A distribution is answered with a draw from it.

use std::collections::BTreeSet;

use likelier::interactive::{self, NameKind, Typed, Value, Wanted};
use likelier::output::digits::Style;
use likelier::output::table;
use likelier::simulation::Rows;
use likelier::{Column, Dataset, Error, Posterior, Role, Simulator, SummaryRow};

use super::program::Program;
use super::session::{Run, Session};
use super::value;
use crate::commands::Print;

/// Draws from the prior, where there was no run.
const PRIOR_DRAWS: usize = 4000;
/// Draws of a distribution, where a picture is wanted of it.
pub const PICTURE_DRAWS: usize = 4000;
/// What is said of draws that are not those of the present program.
pub const STALE: &str = "These draws are of the program before it changed; :run makes new ones.\n";
/// An expression this long is its own label in a table.
const LONGEST_LABEL: usize = 28;

/// What is asked: an expression, or a distribution to draw from.
#[derive(Debug, Clone)]
pub struct Question {
    /// What was typed.
    pub wanted: Wanted,
    /// Whether it is a distribution.
    pub is_draw: bool,
}

/// The answer to a question.
pub enum Found {
    /// A value that is known, or one draw.
    Value(Value, bool),
    /// Draws along a run.
    Posterior {
        /// The value in place of the columns of the run.
        posterior: Box<Posterior>,
        /// Whether it is true or false.
        is_bool: bool,
        /// Whether the program has changed since.
        is_stale: bool,
    },
    /// Draws from the prior.
    Prior(Rows, bool),
}

/// A program for the value of a question.
struct Asked {
    text: String,
    name: String,
    is_bool: bool,
}

impl Session {
    /// Prints the answer to a question.
    pub fn evaluate(
        &mut self,
        wanted: Wanted,
        is_draw: bool,
        print: &mut Print<'_>,
    ) -> Result<(), Error> {
        let question = self.question(wanted, is_draw);
        let label = label(&question);
        let text = match self.find(&question)? {
            Found::Value(found, is_bool) => format!("{}\n", value::text(&found, is_bool)),
            Found::Posterior {
                posterior,
                is_bool,
                is_stale,
            } => {
                let found = match is_bool && posterior.columns.len() == 1 {
                    true => probability(&label, &posterior.summary[0]),
                    false => table::table(&posterior, false),
                };
                found + if is_stale { STALE } else { "" }
            }
            Found::Prior(rows, is_bool) => {
                let (count, summary) = (rows.count(), rows.summary());
                let found = match (is_bool, summary.as_slice()) {
                    (true, [row]) => probability(&label, row),
                    _ => table::simulation_table(&rows.columns, &summary, None, false),
                };
                format!("Prior, {count} draws; :run draws from the posterior\n{found}")
            }
        };
        print(&text)
    }

    /// A call of a distribution asks for a draw of it.
    pub fn question(&self, wanted: Wanted, is_draw: bool) -> Question {
        let names_one = wanted.call.as_ref().is_some_and(|name| {
            let of_library = interactive::library_kind(name) == Some(NameKind::Distribution);
            self.program.is_distribution(name) || (of_library && !self.program.defines(name))
        });
        Question {
            is_draw: is_draw || names_one,
            wanted,
        }
    }

    /// Reads a question.
    ///
    /// # Errors
    /// When it is none.
    pub fn read_question(&self, text: &str) -> Result<Question, Error> {
        match interactive::read("input", text)? {
            Typed::Expression(wanted) => Ok(self.question(wanted, false)),
            Typed::Draw(wanted) => Ok(self.question(wanted, true)),
            Typed::Statements(_) => Err(Error::Settings(format!(
                "`{text}` is no expression\n  help: name what is meant, as in `theta[1]` or `max(theta) - min(theta)`"
            ))),
        }
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn find(&mut self, question: &Question) -> Result<Found, Error> {
        let reads = &question.wanted.reads;
        let mut roots = self.unknown_roots(&self.program, reads);
        if let Some(run) = &self.run {
            // A name may be gone from the program and still have draws.
            let old = run.program.roots(reads);
            roots.extend(old.into_iter().filter(|name| !self.program.defines(name)));
        }
        if roots.is_empty() {
            let asked = self.asked(&self.program, question, true)?;
            let found = self.compute(&asked, self.drawn)?;
            if question.is_draw {
                self.drawn += 1;
            }
            return Ok(Found::Value(found, asked.is_bool));
        }
        match &self.run {
            Some(run) => self.along(run, question),
            None => self.before_any_run(question),
        }
    }

    /// Many draws of a distribution whose arguments are known; `None` if they are not, or if it is none.
    pub fn many(&mut self, question: &Question) -> Result<Option<Rows>, Error> {
        let roots = self.unknown_roots(&self.program, &question.wanted.reads);
        if !question.is_draw || !roots.is_empty() {
            return Ok(None);
        }
        let asked = self.asked(&self.program, question, true)?;
        let program = self.to_compile(&asked, &self.program.data);
        let (columns, rows) =
            interactive::draws(program, &asked.name, self.settings.seed(), PICTURE_DRAWS)?;
        Ok(Some(Rows {
            columns: renamed(columns, &asked.name, question),
            values: rows.concat(),
            tried: PICTURE_DRAWS,
        }))
    }

    /// The type of what a question asks for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn type_of(&self, question: &Question) -> Result<String, Error> {
        let reads = &question.wanted.reads;
        let name = self.program.free_name(reads);
        let sign = if question.is_draw { "~" } else { "=" };
        let word = if question.is_draw { "" } else { "let " };
        let text = format!(
            "{}{}{word}{name} {sign}\n{}\n",
            self.given(reads),
            self.program.needed(reads),
            question.wanted.text
        );
        let data = &self.program.data;
        let (described, _) =
            interactive::describe(&self.name, &text, data, &self.options(), self.color)?;
        let ty = described
            .get(&name)
            .map_or_else(String::new, |known| known.ty.clone());
        // Sizes of what is defined element by element show once the program is bound.
        let ty = match ty.split_once('[') {
            Some((element, sizes)) if sizes.contains('?') => match self.shape_of(question) {
                Some(shape) => format!("{element}[{}]", shape.join(", ")),
                None => ty,
            },
            _ => ty,
        };
        Ok(match question.is_draw {
            true => format!("a distribution; a draw is {ty}"),
            false => ty,
        })
    }

    /// The lengths of the index positions of a value; `None` if they cannot be had yet.
    fn shape_of(&self, question: &Question) -> Option<Vec<String>> {
        let asked = self.asked(&self.program, question, true).ok()?;
        let found = self.compute(&asked, 0).ok()?;
        Some(found.shape.iter().map(ToString::to_string).collect())
    }

    /// The random variables that a value depends on and that the data do not hold wholly.
    pub fn unknown_roots(&self, program: &Program, reads: &BTreeSet<String>) -> BTreeSet<String> {
        let is_known = |name: &String| {
            let known = self.description.get(name);
            known.is_some_and(|one| one.role == Some(Role::Observed) && !one.is_partial)
        };
        let mut roots = program.roots(reads);
        roots.retain(|name| !is_known(name));
        roots
    }

    /// The value of a name that is known, as text; `None` if it cannot be had.
    pub fn known(&self, name: &str, reads: &BTreeSet<String>) -> Option<String> {
        let question = Question {
            wanted: Wanted {
                text: name.to_owned(),
                reads: reads.clone(),
                call: None,
                is_name: true,
            },
            is_draw: false,
        };
        let asked = self.asked(&self.program, &question, true).ok()?;
        let found = self.compute(&asked, 0).ok()?;
        Some(value::text(&found, asked.is_bool))
    }

    fn compute(&self, asked: &Asked, number: u64) -> Result<Value, Error> {
        let program = self.to_compile(asked, &self.program.data);
        interactive::value(program, &asked.name, self.settings.seed(), number)
    }

    fn to_compile<'a>(&'a self, asked: &'a Asked, data: &'a Dataset) -> interactive::Program<'a> {
        interactive::Program {
            name: &self.name,
            text: &asked.text,
            data,
            options: self.options(),
        }
    }

    /// A program that reports a value: with what it needs of another program, or with all of it. Truth is reported as a number.
    fn asked(&self, program: &Program, question: &Question, is_cut: bool) -> Result<Asked, Error> {
        let reads = &question.wanted.reads;
        let name = program.free_name(reads);
        let around = match is_cut {
            true => program.needed(reads),
            false => program.text(),
        };
        let around = format!("{}{around}", self.given(reads));
        let wanted = &question.wanted.text;
        if question.is_draw {
            return Ok(Asked {
                text: format!("{around}{name} ~\n{wanted}\n"),
                name,
                is_bool: false,
            });
        }
        let text = format!("{around}let {name} =\n{wanted}\n");
        let options = self.options();
        let described =
            interactive::describe(&self.name, &text, &program.data, &options, self.color)?.0;
        let is_bool = described.get(&name).is_some_and(|known| known.is_bool);
        let value = match is_bool {
            true => format!("indicator({wanted})"),
            false => wanted.clone(),
        };
        Ok(Asked {
            text: format!("{around}report {name} =\n{value}\n"),
            name,
            is_bool,
        })
    }

    /// Declarations of what the data hold under names that no statement has.
    fn given(&self, reads: &BTreeSet<String>) -> String {
        let is_new =
            |name: &&String| self.description.get(name).is_none() && !self.program.defines(name);
        let mut text = String::new();
        for name in reads.iter().filter(is_new) {
            let Some(entry) = self.program.data.get(name) else {
                continue;
            };
            let sizes: Vec<String> = entry.shape.iter().map(ToString::to_string).collect();
            let element = match (&entry.labels, entry.integral) {
                (Some(_), _) => "factor",
                (None, true) => "int",
                (None, false) => "real",
            };
            let sizes = match sizes.is_empty() {
                true => String::new(),
                false => format!("[{}]", sizes.join(", ")),
            };
            text.push_str(&format!("given {name}: {element}{sizes}\n"));
        }
        text
    }

    fn along(&self, run: &Run, question: &Question) -> Result<Found, Error> {
        let is_stale = !self.is_current(run);
        let program = if is_stale {
            &run.program
        } else {
            &self.program
        };
        let reads = &question.wanted.reads;
        let is_newer = |name: &&String| self.program.defines(name) && !program.defines(name);
        if let Some(name) = reads.iter().find(is_newer) {
            return Err(Error::Settings(format!(
                "`{name}` is newer than the draws of the last run, and since then the program has changed\n  help: `:run` makes new draws"
            )));
        }
        let asked = self.asked(program, question, true)?;
        let whole = self.to_compile(&asked, &program.data);
        let mut posterior = interactive::along(whole, &asked.name, &run.posterior)?;
        posterior.columns = renamed(posterior.columns, &asked.name, question);
        for (row, column) in posterior.summary.iter_mut().zip(&posterior.columns) {
            row.name.clone_from(&column.name);
        }
        Ok(Found::Posterior {
            posterior: Box::new(posterior),
            is_bool: asked.is_bool,
            is_stale,
        })
    }

    fn before_any_run(&self, question: &Question) -> Result<Found, Error> {
        let asked = self.asked(&self.program, question, false)?;
        let simulator =
            Simulator::prior(&self.name, &asked.text, &self.program.data, &self.options())?;
        let rows = simulator.draw(self.settings.seed(), PRIOR_DRAWS)?;
        let own = rows.columns.iter().enumerate();
        let places: Vec<usize> = own
            .filter(|(_, column)| column.variable == asked.name)
            .map(|(place, _)| place)
            .collect();
        let columns = places.iter().map(|&place| rows.columns[place].clone());
        let columns = renamed(columns.collect(), &asked.name, question);
        let values = rows
            .rows()
            .flat_map(|row| places.iter().map(|&place| row[place]));
        let kept = Rows {
            values: values.collect(),
            columns,
            tried: rows.tried,
        };
        Ok(Found::Prior(kept, asked.is_bool))
    }
}

/// What a table calls a value.
pub fn label(question: &Question) -> String {
    let text = &question.wanted.text;
    match text.chars().count() <= LONGEST_LABEL {
        true => text.clone(),
        false => "value".to_owned(),
    }
}

/// Columns of `name` under the label of a question.
fn renamed(mut columns: Vec<Column>, name: &str, question: &Question) -> Vec<Column> {
    let label = label(question);
    let wanted = &question.wanted;
    let is_simple = wanted.is_name || wanted.call.is_some() || label != wanted.text;
    for column in &mut columns {
        let indices = column.name.strip_prefix(name).unwrap_or("");
        column.name = match indices.is_empty() || is_simple {
            true => format!("{label}{indices}"),
            false => format!("({label}){indices}"),
        };
        label.clone_into(&mut column.variable);
    }
    columns
}

/// The probability that something is true, with its Monte Carlo error.
fn probability(label: &str, row: &SummaryRow) -> String {
    let style = Style::new(row.mcse_mean, row.mean);
    let error = match row.mcse_mean.is_finite() && row.mcse_mean > 0.0 {
        true => format!(" ± {}", style.finer(1).format(row.mcse_mean)),
        false => String::new(),
    };
    format!("P({label}) = {}{error}\n", style.finer(1).format(row.mean))
}
