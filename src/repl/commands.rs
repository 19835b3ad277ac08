//! The commands of a session. Those that the command line has too are the same: their options are parsed by the same
//! definitions, and what follows the compiling is the same function.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::{Args, CommandFactory, FromArgMatches};
use likelier::interactive::{self, DescribedKind};
use likelier::output::RunInfo;
use likelier::output::{probabilities, table};
use likelier::{Column, Dataset, Error, Model};
use likelier_compiler::source::{render::render, suggest};

use super::help::{COMMANDS, Command};
use super::program::Program;
use super::session::{Run, Session, Then, UNNAMED};
use super::settings::{self, Settings};
use super::{data, help, pictures};
use crate::commands::{ModelAndData, Print, compare, evidence, run, show, simulate};
use crate::configuration::Beside;
use crate::files;

/// Answers a command.
///
/// # Errors
/// When there is none of this name, and whatever it says.
pub fn execute(
    session: &mut Session,
    name: &str,
    rest: &str,
    print: &mut Print<'_>,
) -> Result<Then, Error> {
    let command = find(name)?;
    match command.name {
        "run" => run_posterior(session, rest, print)?,
        "evidence" => estimate(session, rest, print)?,
        "compare" => compare_models(session, rest, print)?,
        "simulate" => draw_prior(session, rest, print)?,
        "summary" => summary(session, rest, print)?,
        "plot" => print(&pictures::picture(session, rest)?)?,
        "type" => {
            let question = session.read_question(rest)?;
            print(&format!("{}\n", session.type_of(&question)?))?;
        }
        "show" => show_stage(session, rest, print)?,
        "doc" => print(&documentation(session, rest)?)?,
        "data" => list_or_add_data(session, rest, print)?,
        "load" => load(session, rest, print)?,
        "save" => save(session, rest, print)?,
        "set" => set(session, rest, print)?,
        "undo" => match session.undo() {
            Some(said) => session.say(vec![said], print)?,
            None => print("there is nothing to take back\n")?,
        },
        "help" => print(&help::text(rest)?)?,
        _ => return Ok(Then::Quit),
    }
    Ok(Then::GoOn)
}

/// The command of a name, or of its only beginning.
fn find(name: &str) -> Result<&'static Command, Error> {
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return Ok(command);
    }
    let begins = |command: &&Command| command.name.starts_with(name) && !name.is_empty();
    let candidates: Vec<&Command> = COMMANDS.iter().filter(begins).collect();
    match candidates.as_slice() {
        [one] => Ok(one),
        [] => {
            let names = COMMANDS.iter().map(|command| command.name);
            let help = match suggest::nearest(name, names) {
                Some(near) => format!("did you mean `:{near}`?"),
                None => "`:help` lists the commands".to_owned(),
            };
            Err(Error::Unknown(format!(
                "there is no command `:{name}`\n  help: {help}"
            )))
        }
        several => {
            let names: Vec<String> = several.iter().map(|c| format!("`:{}`", c.name)).collect();
            Err(Error::Unknown(format!(
                "`:{name}` may be {}\n  help: write a letter more",
                names.join(", ")
            )))
        }
    }
}

/// The options of a command that takes a model, which here is the session's; its help page, if that is asked for.
fn options<T: Args + FromArgMatches>(
    session: &Session,
    command: &str,
    rest: &str,
    print: &mut Print<'_>,
) -> Result<Option<T>, Error> {
    if settings::split(rest)?
        .iter()
        .any(|word| word == "--help" || word == "-h")
    {
        print(&settings::help::<T>(command))?;
        return Ok(None);
    }
    let model = [session.name.as_str()];
    session
        .settings
        .options(command, &model, rest, &[])
        .map(Some)
}

/// The program's data with what the options set, and how to compile.
fn inputs(session: &Session, input: &ModelAndData) -> Result<(Dataset, likelier::Options), Error> {
    if let Some(path) = input.data.first() {
        return Err(Error::Settings(format!(
            "a session has its data already; `{}` is one word too many\n  help: `:data FILE` reads a file",
            path.display()
        )));
    }
    let mut data = Dataset::clone(&session.program.data);
    for (name, value) in &input.sets {
        data.set(name, value)?;
    }
    Ok((data, input.options()))
}

fn compile(
    session: &Session,
    program: &Program,
    input: &ModelAndData,
    coordinates: likelier::Coordinates,
) -> Result<(Model, RunInfo), Error> {
    if program.statements.is_empty() {
        return Err(Error::Settings(
            "there is no model yet\n  help: type a statement such as `mu ~ normal(0, 1)`, or `:load FILE`".to_owned(),
        ));
    }
    let (data, options) = inputs(session, input)?;
    let options = likelier::Options {
        coordinates,
        ..options
    };
    let model = Model::compile(&session.name, &program.text(), &data, &options)
        .map_err(|error| session.placed_in(error, program))?;
    let keys = data.entries().iter().map(|entry| entry.key.clone());
    let info = RunInfo {
        data: keys.chain(input.data_names()).collect(),
        ..input.info(&model)
    };
    Ok((model, info))
}

fn run_posterior(session: &mut Session, rest: &str, print: &mut Print<'_>) -> Result<(), Error> {
    let Some(options) = options::<run::Options>(session, "run", rest, print)? else {
        return Ok(());
    };
    let _claim = options.check_files()?;
    let program = session.program.clone();
    let (model, info) = compile(
        session,
        &program,
        &options.input,
        options.coordinates.into(),
    )?;
    // What a report tells to type is typed differently here.
    let mut print = |text: &str| print(&text.replace("`likelier evidence`", "`:evidence`"));
    let mut print = heard(options.is_silent(), &mut print);
    let posterior = run::sample_and_report(&options, &model, info, &mut print)?;
    session.run = Some(Run { program, posterior });
    Ok(())
}

fn estimate(session: &mut Session, rest: &str, print: &mut Print<'_>) -> Result<(), Error> {
    let Some(options) = options::<evidence::Options>(session, "evidence", rest, print)? else {
        return Ok(());
    };
    let _claim = options.check()?;
    let natural = likelier::Coordinates::Natural;
    let (model, info) = compile(session, &session.program, &options.input, natural)?;
    let mut print = heard(options.is_silent(), print);
    evidence::estimate_and_report(&options, &model, &info, &mut print)?;
    Ok(())
}

fn draw_prior(session: &mut Session, rest: &str, print: &mut Print<'_>) -> Result<(), Error> {
    let Some(options) = options::<simulate::Options>(session, "simulate", rest, print)? else {
        return Ok(());
    };
    let _claim = options.check()?;
    let (data, _) = inputs(session, &options.input)?;
    let mut print = heard(options.is_silent(), print);
    simulate::simulate_and_report(&options, &session.program.text(), &data, &mut print)
        .map_err(|error| session.placed_in(error, &session.program))
}

/// The session's program against files, or against the program of the last run.
fn compare_models(session: &mut Session, rest: &str, print: &mut Print<'_>) -> Result<(), Error> {
    let Some(mut options) = options::<compare::Options>(session, "compare", rest, print)? else {
        return Ok(());
    };
    let _claim = options.check()?;
    let natural = likelier::Coordinates::Natural;
    let own = options.input(Path::new(&session.name));
    let (model, info) = compile(session, &session.program, &own, natural)?;
    let (mut models, mut infos) = (vec![model], vec![info]);
    for path in options.models.iter().skip(1) {
        let input = options.input(path);
        let (data, compile_options) = inputs(session, &input)?;
        let text = files::read_model(path)?;
        let model = Model::compile(&path.display().to_string(), &text, &data, &compile_options)?;
        infos.push(input.info(&model));
        models.push(model);
    }
    if models.len() == 1 {
        let changed = session
            .run
            .as_ref()
            .filter(|run| !session.has_essence_of(run));
        let Some(run) = changed else {
            return Err(Error::Settings(
                "there is nothing to compare with\n  help: name files of other models, or `:run`, change a statement, and `:compare` with the program as it ran".to_owned(),
            ));
        };
        let (model, info) = compile(session, &run.program, &own, natural)?;
        models.push(model);
        infos.push(RunInfo {
            model: "last run".to_owned(),
            ..info
        });
        options.models.push(PathBuf::from("last run"));
    }
    let mut print = heard(options.is_silent(), print);
    compare::compare_and_report(&options, &models, &infos, &mut print)?;
    Ok(())
}

/// `print`, or silence, as `--quiet` and `--json` want it.
fn heard<'a>(
    is_silent: bool,
    print: &'a mut Print<'_>,
) -> impl FnMut(&str) -> Result<(), Error> + 'a {
    move |text| match is_silent {
        true => Ok(()),
        false => print(text),
    }
}

/// The last run, or that there is none.
fn last_run(session: &Session) -> Result<&Run, Error> {
    session.run.as_ref().ok_or_else(|| {
        Error::Settings("nothing has run yet\n  help: `:run` draws from the posterior".to_owned())
    })
}

fn summary(session: &mut Session, rest: &str, print: &mut Print<'_>) -> Result<(), Error> {
    let run = last_run(session)?;
    let (flags, names): (Vec<String>, Vec<String>) = settings::split(&rest.replace(',', " "))?
        .into_iter()
        .partition(|word| word.starts_with('-'));
    let is_all = match flags.as_slice() {
        [] => !names.is_empty(),
        [flag] if flag == "--all" => true,
        _ => {
            return Err(Error::Settings(
                "`:summary` takes names and `--all`".to_owned(),
            ));
        }
    };
    let columns = &run.posterior.columns;
    let is_of = |column: &Column, name: &str| column.variable == name || column.name == name;
    for name in &names {
        if !columns.iter().any(|column| is_of(column, name)) {
            let variables = columns.iter().map(|column| column.variable.as_str());
            let help = match suggest::nearest(name, variables) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "an expression is answered without `:summary`".to_owned(),
            };
            return Err(Error::Unknown(format!(
                "the last run has no `{name}`\n  help: {help}"
            )));
        }
    }
    let chosen = run
        .posterior
        .only(&|column| names.is_empty() || names.iter().any(|name| is_of(column, name)));
    let mut text = table::table(&chosen, is_all);
    text.push_str(&probabilities::probabilities(&chosen, is_all));
    text.extend(session.staleness(run, &BTreeSet::new()));
    print(&text)
}

fn show_stage(session: &mut Session, rest: &str, print: &mut Print<'_>) -> Result<(), Error> {
    if rest.is_empty() {
        let text = session.program.text();
        return match text.is_empty() {
            true => print("there are no statements yet\n"),
            false => print(&text),
        };
    }
    if rest.contains("--help") {
        return print(&settings::help::<show::Options>("show"));
    }
    let model = [session.name.as_str()];
    let options: show::Options = session.settings.options("show", &[], rest, &model)?;
    let (data, _) = inputs(session, &options.input)?;
    let shown = show::shown(&options, &session.program.text(), &data);
    print(&shown.map_err(|error| session.placed_in(error, &session.program))?)
}

/// What stands beside a definition of the session, or of the library.
fn documentation(session: &Session, name: &str) -> Result<String, Error> {
    let statements = session.program.statements.iter();
    let own: Vec<String> = statements
        .filter(|one| one.defines.iter().any(|own| own == name))
        .map(|one| format!("{}{}\n", one.leading.trim_start(), one.text))
        .collect();
    if !own.is_empty() {
        return Ok(own.concat());
    }
    let name = if name.is_empty() { "library" } else { name };
    Ok(format!("{}\n", likelier::doc(name)?.trim_end()))
}

fn list_or_add_data(session: &mut Session, rest: &str, print: &mut Print<'_>) -> Result<(), Error> {
    let words = settings::split(rest)?;
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let text = data::list(&session.program.data);
            return match text.is_empty() {
                true => print("there are no data yet; `data y = [1, 2]` or `:data FILE`\n"),
                false => print(&text),
            };
        }
        ["remove", ref names @ ..] if !names.is_empty() => {
            let mut data = Dataset::clone(&session.program.data);
            if let Some(unknown) = names.iter().find(|name| !data.remove(name)) {
                return Err(Error::Unknown(format!("the data hold no `{unknown}`")));
            }
            let change = format!(":data remove {}", names.join(" "));
            let mut lines = session.with_data(change, data, &[])?;
            lines.insert(0, format!("removed {}", names.join(", ")));
            return session.say(lines, print);
        }
        _ => {}
    }
    let paths: Vec<PathBuf> = words.iter().map(PathBuf::from).collect();
    let newer = files::read_data(&paths, &[])?;
    let names: Vec<String> = newer
        .entries()
        .iter()
        .map(|entry| entry.key.clone())
        .collect();
    let mut data = Dataset::clone(&session.program.data);
    data.put_all(newer);
    let lines = session.with_data(format!(":data {rest}"), data, &names)?;
    session.say(lines, print)
}

fn load(session: &mut Session, rest: &str, print: &mut Print<'_>) -> Result<(), Error> {
    let words = settings::split(rest)?;
    let [model, data @ ..] = words.as_slice() else {
        return Err(Error::Settings(
            "`:load` takes the file of a model, and perhaps data after it".to_owned(),
        ));
    };
    let paths: Vec<PathBuf> = data.iter().map(PathBuf::from).collect();
    let data = match paths.is_empty() {
        true => None,
        false => Some(files::read_data(&paths, &[])?),
    };
    load_files(session, Path::new(model), data, print)
}

/// Takes the model of a file, and data if there are any, in place of those of the session.
///
/// # Errors
/// When the file cannot be read, or holds no model.
pub fn load_files(
    session: &mut Session,
    path: &Path,
    data: Option<Dataset>,
    print: &mut Print<'_>,
) -> Result<(), Error> {
    let name = path.display().to_string();
    if likelier::split_entry(&name).1.is_some() {
        return Err(Error::Settings(
            "a session takes whole files, not one of the `model` items in a file\n  help: load the file, and write the statements that use it".to_owned(),
        ));
    }
    let held = files::read_model(path)?;
    let statements = interactive::read_file(&name, &held)?;
    let program = Program {
        statements: statements.into_iter().map(Rc::new).collect(),
        data: data.map_or_else(|| Rc::clone(&session.program.data), Rc::new),
    };
    let options = session.options();
    let text = program.text();
    let (description, sources) = interactive::describe(&name, &text, &program.data, &options)?;
    let warnings = render(&sources, &description.warnings, session.color);
    let names = settings::commands().map(|(name, _)| name);
    let beside = Beside::read(path, &crate::Arguments::command(), &names)?;
    session.change(format!(":load {name}"), program, (description, warnings));
    session.settings.beside = Rc::new(beside);
    session.name = name;
    // Lines are those of the file unless it holds blanks or semicolons that a session does not keep.
    session.kept = (held.trim_end() == text.trim_end()).then_some(text);
    let statements = session.program.statements.iter();
    let mut names: Vec<&String> = statements.flat_map(|one| &one.defines).collect();
    let known = session.description.names.iter();
    names.extend(
        known
            .filter(|one| one.kind != DescribedKind::Size)
            .map(|one| &one.name),
    );
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    let described = names
        .into_iter()
        .filter_map(|name| session.description.get(name));
    let lines: Vec<String> = described.map(super::changes::line).collect();
    session.say(lines, print)
}

fn save(session: &mut Session, rest: &str, print: &mut Print<'_>) -> Result<(), Error> {
    let words = settings::split(rest)?;
    let (flags, names): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| word.starts_with("--"));
    let is_forced = flags.iter().any(|flag| *flag == "--force");
    let path = match names.as_slice() {
        [] if session.name != UNNAMED => PathBuf::from(&session.name),
        [name] => PathBuf::from(name),
        _ => {
            return Err(Error::Settings(
                "`:save` takes one file name, as in `:save model.ppl`; the data go beside it, to `model.json`".to_owned(),
            ));
        }
    };
    if session.program.statements.is_empty() {
        return Err(Error::Settings(
            "there are no statements to save yet".to_owned(),
        ));
    }
    let path = match path.extension() {
        Some(extension) if extension == "ppl" => path,
        _ => PathBuf::from(format!("{}.ppl", path.display())),
    };
    let has_data = !session.program.data.entries().is_empty();
    let data_path = path.with_extension("json");
    let is_own = Path::new(&session.name) == path;
    let taken = [(&path, !is_own), (&data_path, has_data && !is_own)];
    for (path, is_other) in taken {
        if is_other && path.exists() && !is_forced {
            let reason = "it exists already; `:save NAME --force` writes over it";
            return Err(files::failure("write", path, reason));
        }
    }
    let text = session.program.text();
    files::write_whole(&path, |out| out.write_all(text.as_bytes()))?;
    let mut lines = vec![format!("written: {}", path.display())];
    let mut command = format!("likelier run {}", path.display());
    if has_data {
        let json = data::json(&session.program.data);
        files::write_whole(&data_path, |out| out.write_all(json.as_bytes()))?;
        lines[0].push_str(&format!(", {}", data_path.display()));
        command.push_str(&format!(" {}", data_path.display()));
    }
    session.name = path.display().to_string();
    session.kept = Some(text);
    lines.push(format!("`{command}` runs it"));
    session.say(lines, print)
}

fn set(session: &mut Session, rest: &str, print: &mut Print<'_>) -> Result<(), Error> {
    let (name, value) = match rest.split_once(['=', ' ']) {
        Some((name, value)) => (name.trim(), value.trim()),
        None => (rest.trim(), ""),
    };
    match (name, value) {
        ("", _) => print(&session.settings.list()),
        (name, "default") => {
            session.settings.remove(name);
            print(&session.settings.list())
        }
        (name, "") => match Settings::names().iter().any(|own| own == name) {
            true => Err(Error::Settings(format!(
                "say to what `{name}` is set\n  help: `:set {name} VALUE`, or `:set {name} default`"
            ))),
            false => session.settings.put(name, ""),
        },
        (name, value) => {
            session.settings.put(name, value)?;
            print(&session.settings.list())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_short_forms() {
        assert_eq!(find("q").unwrap().name, "quit");
        assert_eq!(find("run").unwrap().name, "run");
        assert!(find("s").unwrap_err().to_string().contains("`:save`"));
        assert!(find("rnu").unwrap_err().to_string().contains("`:run`"));
        assert!(find("").is_err());
    }
}
