//! What `:set` sets: options of the commands, under the names that they have on the command line. A command of a session is
//! given those that it knows, and after them what stands behind it, which wins.

use std::ffi::OsString;
use std::rc::Rc;

use clap::{Args, FromArgMatches, ValueEnum};
use likelier::{CpuLevel, Error};

use crate::commands::{Cpu, compare, evidence, run, simulate};
use crate::configuration::Beside;
use crate::mistyped;

/// Options by their names.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    set: Vec<(String, String)>,
    /// Those of the file beside a model that was loaded: what is set by hand wins.
    pub beside: Rc<Beside>,
}

/// The command line of `T` as a session has it: no program's name in front, later options win.
fn parser<T: Args>(command: &str) -> clap::Command {
    let own = clap::Command::new("session")
        .no_binary_name(true)
        .args_override_self(true)
        .disable_version_flag(true)
        .override_usage(format!(":{command} [OPTIONS]"));
    // The model is the session's.
    T::augment_args(own).mut_args(|argument| match argument.is_positional() {
        true => argument.hide(true),
        false => argument,
    })
}

/// The commands whose options can be set, by name.
pub fn commands() -> [(&'static str, clap::Command); 4] {
    [
        ("run", parser::<run::Options>("run")),
        ("evidence", parser::<evidence::Options>("evidence")),
        ("simulate", parser::<simulate::Options>("simulate")),
        ("compare", parser::<compare::Options>("compare")),
    ]
}

/// What clap says, without the heading that every error gets here and without its general advice.
fn refused(error: &clap::Error) -> Error {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let parts = text.split("\n\n").filter(|part| {
        !part.starts_with("Usage:") && !part.trim_start().starts_with("For more information")
    });
    let kept: Vec<&str> = parts.map(str::trim_end).collect();
    Error::Settings(kept.join("\n\n"))
}

/// Whether a command has an option, and whether it takes a value.
fn option_of(command: &clap::Command, name: &str) -> Option<bool> {
    let mut arguments = command.get_arguments();
    let argument = arguments.find(|argument| argument.get_long() == Some(name))?;
    Some(argument.get_action().takes_values())
}

/// The options of a command, by their long names.
pub fn option_names(command: &clap::Command) -> impl Iterator<Item = &str> {
    command.get_arguments().filter_map(clap::Arg::get_long)
}

/// The help page of a command.
pub fn help<T: Args>(command: &str) -> String {
    parser::<T>(command).render_long_help().to_string()
}

impl Settings {
    /// The words for a command: settings, `before`, what was typed, `after`.
    ///
    /// # Errors
    /// As clap says it.
    pub fn options<T: Args + FromArgMatches>(
        &self,
        command: &str,
        before: &[&str],
        typed: &str,
        after: &[&str],
    ) -> Result<T, Error> {
        let parser = parser::<T>(command);
        let mut words = self.words(&parser);
        words.extend(before.iter().map(ToString::to_string));
        words.extend(split(typed)?);
        words.extend(after.iter().map(ToString::to_string));
        let parse = |first: &[OsString]| {
            let own = words.iter().map(OsString::from);
            let all = first.iter().cloned().chain(own);
            parser.clone().try_get_matches_from(all)
        };
        let said = |error| refused(&mistyped::advised(error, &parser));
        let alone = parse(&[]).map_err(said)?;
        let first = self.beside.words(command, &alone, &parse)?;
        let matches = parse(&first).map_err(said)?;
        T::from_arg_matches(&matches).map_err(said)
    }

    fn words(&self, command: &clap::Command) -> Vec<String> {
        let word = |(name, value): &(String, String)| match option_of(command, name)? {
            true => Some(format!("--{name}={value}")),
            false => (value == "on").then(|| format!("--{name}")),
        };
        self.set.iter().filter_map(word).collect()
    }

    /// Sets an option.
    ///
    /// # Errors
    /// When no command has it, or its value is none.
    pub fn put(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let name = name.trim_start_matches('-');
        let commands = commands();
        let mut known = commands.iter().filter_map(|one| option_of(&one.1, name));
        let Some(takes_value) = known.next() else {
            let names = Self::names();
            let near =
                likelier_compiler::source::suggest::nearest(name, names.iter().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`:run --help` and `:evidence --help` list what there is".to_owned(),
            };
            return Err(Error::Settings(format!(
                "no command has the option `{name}`\n  help: {help}"
            )));
        };
        if !takes_value && !matches!(value, "on" | "off") {
            return Err(Error::Settings(format!(
                "`{name}` is on or off\n  help: write `:set {name} on`"
            )));
        }
        let mut changed = self.clone();
        changed.set.retain(|(own, _)| own != name);
        if value != "off" || takes_value {
            changed.set.push((name.to_owned(), value.to_owned()));
        }
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// Whether all commands can be given these settings.
    fn check(&self) -> Result<(), Error> {
        for (_, command) in commands() {
            let mut words = self.words(&command);
            words.push("model".to_owned());
            let matches = command.try_get_matches_from(words);
            matches.map_err(|error| refused(&error))?;
        }
        Ok(())
    }

    /// Takes a setting back; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.set.len();
        self.set.retain(|(own, _)| own != name);
        self.set.len() < before
    }

    /// All names that can be set.
    pub fn names() -> Vec<String> {
        let commands = commands();
        let names = commands.iter().flat_map(|one| option_names(&one.1));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }

    /// What is set, one a line.
    pub fn list(&self) -> String {
        let beside = self.beside.lines();
        if self.set.is_empty() && beside.is_empty() {
            return "nothing is set; `:set draws 2000` sets an option of `:run` and its kin\n"
                .to_owned();
        }
        let line = |(name, value): &(String, String)| format!("{name} {value}\n");
        let beside = beside.iter().map(|line| format!("{line}\n"));
        self.set.iter().map(line).chain(beside).collect()
    }

    fn get(&self, name: &str) -> Option<String> {
        let own = self.set.iter().find(|(own, _)| own == name);
        let own = own.map(|(_, value)| value.clone());
        own.or_else(|| self.beside.value("run", name))
    }

    /// The seed of what has no command.
    pub fn seed(&self) -> u64 {
        self.get("seed")
            .and_then(|seed| seed.parse().ok())
            .unwrap_or(1)
    }

    /// The instructions that native code may use.
    pub fn cpu(&self) -> CpuLevel {
        let named = self
            .get("cpu")
            .and_then(|name| Cpu::from_str(&name, true).ok());
        named.unwrap_or(Cpu::Native).level()
    }
}

/// The words of a line: blanks part them, except inside double quotes and brackets.
///
/// # Errors
/// When a quote is not closed.
pub fn split(line: &str) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut is_quoted, mut depth, mut is_open) = (false, 0_usize, false);
    for c in line.chars() {
        match c {
            '"' if depth == 0 => {
                is_quoted = !is_quoted;
                is_open = true;
                continue;
            }
            '[' | '{' if !is_quoted => depth += 1,
            ']' | '}' if !is_quoted => depth = depth.saturating_sub(1),
            c if c.is_whitespace() && !is_quoted && depth == 0 => {
                if is_open {
                    words.push(std::mem::take(&mut word));
                }
                is_open = false;
                continue;
            }
            _ => {}
        }
        word.push(c);
        is_open = true;
    }
    if is_quoted {
        return Err(Error::Settings("a quote is not closed".to_owned()));
    }
    if is_open {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_hold_blanks_in_quotes_and_brackets() {
        let words = split("a \"b c\"  --set x=[1, 2] \"\"").unwrap();
        assert_eq!(words, ["a", "b c", "--set", "x=[1, 2]", ""]);
        assert!(split("\"a").is_err());
    }

    #[test]
    fn settings_are_options_of_commands_and_what_is_typed_wins() {
        let mut settings = Settings::default();
        settings.put("draws", "50").unwrap();
        settings.put("no-retry", "on").unwrap();
        settings.put("replicates", "2").unwrap();
        assert_eq!(
            settings.words(&parser::<run::Options>("run")),
            ["--draws=50", "--no-retry"]
        );
        assert!(
            settings
                .options::<run::Options>("run", &["m"], "--draws 70", &[])
                .is_ok()
        );
        settings.put("no-retry", "off").unwrap();
        assert_eq!(
            settings.words(&parser::<run::Options>("run")),
            ["--draws=50"]
        );
        for (name, value, message) in [
            ("drws", "1", "did you mean `draws`?"),
            ("draws", "many", "invalid value 'many'"),
            ("no-retry", "maybe", "on or off"),
        ] {
            let error = settings.put(name, value).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        assert_eq!(settings.get("draws").as_deref(), Some("50"));
    }
}
