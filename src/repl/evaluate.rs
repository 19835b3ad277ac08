//! The value of an expression in a session. What depends on data alone has a value; what depends on unknowns has draws: those
//! of the last run, or, before any run, draws from the prior. A distribution is answered with a draw from it.

use std::collections::BTreeSet;
use std::rc::Rc;

use likelier::interactive::{self, Described, NameKind, Typed, Value, Wanted};
use likelier::output::digits::Style;
use likelier::output::table;
use likelier::simulation::Rows;
use likelier::{Column, Dataset, Error, Posterior, Role, Simulator, SummaryRow};

use super::places::Collage;
use super::program::Program;
use super::session::{Run, Session};
use super::value;
use crate::commands::Print;

/// Draws from the prior, where there was no run.
const PRIOR_DRAWS: usize = 4000;
/// Draws of a distribution, where a picture is wanted of it.
pub const PICTURE_DRAWS: usize = 4000;
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
        /// What is to be said of draws that are not those of the present program and data.
        stale: Option<String>,
    },
    /// Draws from the prior.
    Prior(Rows, bool),
}

/// A program for the value of a question.
struct Asked {
    collage: Collage,
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
                stale,
            } => {
                let found = match is_bool && posterior.columns.len() == 1 {
                    true => probability(&label, &posterior.summary[0]),
                    false => table::table(&posterior, false),
                };
                found + &stale.unwrap_or_default()
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
            interactive::draws(program, &asked.name, self.settings.seed(), PICTURE_DRAWS)
                .map_err(|error| self.placed(error, &asked.collage, &self.program))?;
        Ok(Some(Rows {
            columns: renamed(columns, &asked.name, question),
            values: rows.concat(),
            tried: PICTURE_DRAWS,
            ..Rows::default()
        }))
    }

    /// The type of what a question asks for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn type_of(&self, question: &Question) -> Result<String, Error> {
        let wanted = &question.wanted;
        if wanted.is_name
            && let Some(known) = self.description.get(&wanted.text)
            && known.ty.starts_with("factor")
        {
            return Ok(known.ty.clone());
        }
        let (name, collage) = self.named(&self.program, question, true);
        let known = self.described(&self.program, &name, &collage)?;
        let ty = known.map_or_else(String::new, |known| known.ty);
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
            .map_err(|error| self.placed(error, &asked.collage, &self.program))
    }

    /// The value of an expression that depends on data alone: text as it may stand behind `data x =`; `None` if it is no
    /// expression.
    pub fn constant(&self, text: &str) -> Option<Result<Value, Error>> {
        let Ok(Typed::Expression(wanted)) = interactive::read("input", text) else {
            return None;
        };
        let question = self.question(wanted, false);
        if question.is_draw {
            return Some(Err(Error::Settings(format!(
                "`{text}` is a distribution, and data are numbers\n  help: `:simulate -n 1 -o FILE.json` draws data, and `:data FILE.json` reads them"
            ))));
        }
        let roots = self.unknown_roots(&self.program, &question.wanted.reads);
        if let Some(name) = roots.first() {
            return Some(Err(Error::Settings(format!(
                "`{name}` is unknown, and data are known numbers\n  help: write what it should be in place of `{name}`"
            ))));
        }
        let asked = self.asked(&self.program, &question, true);
        Some(asked.and_then(|asked| self.compute(&asked, 0)))
    }

    fn to_compile<'a>(&'a self, asked: &'a Asked, data: &'a Dataset) -> interactive::Program<'a> {
        interactive::Program {
            name: &self.name,
            text: &asked.collage.text,
            data,
            options: self.options(),
        }
    }

    /// A program that reports a value: with what it needs of another program, or with all of it. Truth is reported as a number.
    fn asked(&self, program: &Program, question: &Question, is_cut: bool) -> Result<Asked, Error> {
        let (name, collage) = self.named(program, question, is_cut);
        if question.is_draw {
            return Ok(Asked {
                collage,
                name,
                is_bool: false,
            });
        }
        let known = self.described(program, &name, &collage)?;
        let is_bool = known.is_some_and(|known| known.is_bool);
        let (open, close) = match is_bool {
            true => ("indicator(", ")\n"),
            false => ("", "\n"),
        };
        let before = format!("report {name} =\n{open}");
        Ok(Asked {
            collage: self.around(program, question, is_cut, &before, close),
            name,
            is_bool,
        })
    }

    /// What is asked for under a name that nothing else has.
    fn named(&self, program: &Program, question: &Question, is_cut: bool) -> (String, Collage) {
        let name = program.free_name(&question.wanted.reads);
        let before = match question.is_draw {
            true => format!("{name} ~\n"),
            false => format!("let {name} =\n"),
        };
        let collage = self.around(program, question, is_cut, &before, "\n");
        (name, collage)
    }

    /// What is known of a name in a text that was put together around a program.
    fn described(
        &self,
        program: &Program,
        name: &str,
        collage: &Collage,
    ) -> Result<Option<Described>, Error> {
        interactive::describe(&self.name, &collage.text, &program.data, &self.options())
            .map(|(found, _)| found.get(name).cloned())
            .map_err(|error| self.placed(error, collage, program))
    }

    /// What is asked for between two texts, after what it needs of a program, or all of that.
    fn around(
        &self,
        program: &Program,
        question: &Question,
        is_cut: bool,
        before: &str,
        after: &str,
    ) -> Collage {
        let reads = &question.wanted.reads;
        let needed = program.needed(reads);
        let mut collage = Collage::default();
        collage.add(&self.given(reads));
        collage.add_statements(
            program,
            &|place| !is_cut || needed.contains(&place),
            &|_| false,
        );
        collage.add(before);
        collage.add_input(&question.wanted.text);
        collage.add(after);
        collage
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
        let reads = &question.wanted.reads;
        let stale = self.staleness(run, reads);
        let program = match stale {
            Some(_) => &Program {
                data: Rc::new(self.data_of(run)),
                ..run.program.clone()
            },
            None => &self.program,
        };
        let is_newer = |name: &&String| self.program.defines(name) && !program.defines(name);
        if let Some(name) = reads.iter().find(is_newer) {
            return Err(Error::Settings(format!(
                "`{name}` is newer than the draws of the last run, and since then the program has changed\n  help: `:run` makes new draws"
            )));
        }
        let asked = self.asked(program, question, true)?;
        let whole = self.to_compile(&asked, &program.data);
        let mut posterior = interactive::along(whole, &asked.name, &run.posterior)
            .map_err(|error| self.placed(error, &asked.collage, program))?;
        posterior.columns = renamed(posterior.columns, &asked.name, question);
        for (row, column) in posterior.summary.iter_mut().zip(&posterior.columns) {
            row.name.clone_from(&column.name);
        }
        Ok(Found::Posterior {
            posterior: Box::new(posterior),
            is_bool: asked.is_bool,
            stale,
        })
    }

    /// The data of a run, with what has come since under names that the program of the run does not have.
    fn data_of(&self, run: &Run) -> Dataset {
        let old = &run.program.data;
        let mut newer = Dataset::clone(&self.program.data);
        for entry in self.program.data.entries() {
            if old.get(&entry.key).is_some() || run.program.mentions(&entry.key) {
                newer.remove(&entry.key);
            }
        }
        let mut data = Dataset::clone(old);
        data.put_all(newer);
        data
    }

    fn before_any_run(&self, question: &Question) -> Result<Found, Error> {
        let asked = self.asked(&self.program, question, false)?;
        let simulator = Simulator::prior(
            &self.name,
            &asked.collage.text,
            &self.program.data,
            &self.options(),
        )
        .map_err(|error| self.placed(error, &asked.collage, &self.program))?;
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
            way: rows.way,
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
