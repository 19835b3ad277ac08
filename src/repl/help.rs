//! What the commands of a session are, and what `:help` says of them.

use likelier::Error;

use super::settings;
use super::value::wrapped;
use crate::commands::show;

/// A command.
#[derive(Debug)]
pub struct Command {
    /// Without its colon.
    pub name: &'static str,
    /// What may follow.
    pub arguments: &'static str,
    /// What it does, in a few words.
    pub brief: &'static str,
    /// The rest.
    pub more: &'static str,
}

/// All commands.
pub const COMMANDS: [Command; 16] = [
    Command {
        name: "run",
        arguments: "[OPTIONS]",
        brief: "draw from the posterior, and judge the draws",
        more: "Options are those of `likelier run`. Ctrl-C stops it and keeps what was drawn.",
    },
    Command {
        name: "evidence",
        arguments: "[OPTIONS]",
        brief: "the log marginal likelihood, by two methods",
        more: "Options are those of `likelier evidence`.",
    },
    Command {
        name: "compare",
        arguments: "[FILE…] [OPTIONS]",
        brief: "this model against others, or against that of the last run",
        more: "All get the data of the session. Without files, the model as it is now is compared with the model as it was at the\nlast `:run`. Options are those of `likelier compare`.",
    },
    Command {
        name: "simulate",
        arguments: "[OPTIONS]",
        brief: "draws from the prior",
        more: "Options are those of `likelier simulate`: `-n 20`, `-o FILE`.",
    },
    Command {
        name: "summary",
        arguments: "[NAME…] [--all]",
        brief: "the table of the last run, or some rows of it",
        more: "",
    },
    Command {
        name: "plot",
        arguments: "E or E, F",
        brief: "a histogram and trace; intervals; one against another",
        more: "One number has a histogram and a trace of its chains, an array has an interval for each element, and two numbers with a\ncomma between are drawn against each other. Before a run the draws are from the prior. A distribution is drawn too:\n`:plot normal(0, 1)`.",
    },
    Command {
        name: "type",
        arguments: "E",
        brief: "the type of an expression",
        more: "",
    },
    Command {
        name: "show",
        arguments: "[STAGE]",
        brief: "the statements so far, or a form they take in the compiler",
        more: "",
    },
    Command {
        name: "doc",
        arguments: "[NAME]",
        brief: "documentation of a distribution, function or word",
        more: "Of a name of the session, its definition.",
    },
    Command {
        name: "data",
        arguments: "[FILE…] or remove NAME…",
        brief: "list the data, read more of them, remove some",
        more: "`data y = [28, 8, -3]` without a colon gives data by hand.",
    },
    Command {
        name: "load",
        arguments: "FILE [DATA…]",
        brief: "take the model of a file, and its data",
        more: "It takes the place of the statements so far; without data files, the data stay.",
    },
    Command {
        name: "save",
        arguments: "[FILE] [--force]",
        brief: "write the statements to a .ppl file, and the data beside it",
        more: "Without a name, to the file that was loaded or saved last.",
    },
    Command {
        name: "set",
        arguments: "[NAME VALUE]",
        brief: "set an option of :run, :evidence, … from now on",
        more: "Names are those of the options, as in `:set draws 2000`, `:set seed 7`, `:set no-retry on`; `:set draws default` takes it\nback, `:set` lists what is set.",
    },
    Command {
        name: "undo",
        arguments: "",
        brief: "take back the last statement, data, or load",
        more: "",
    },
    Command {
        name: "help",
        arguments: "[COMMAND]",
        brief: "this list, or more on one command",
        more: "",
    },
    Command {
        name: "quit",
        arguments: "",
        brief: "end the session; so does Ctrl-D",
        more: "",
    },
];

const ABOVE: &str = "\
Statements of the language build a model: mu ~ normal(0, 5)
Data come by hand or from files:          data y = [28, 8, -3]
Expressions are answered at once:         mean([1, 2, 3])
Distributions are answered with a draw:   normal(0, 1)
After :run, expressions are answered with their posterior: max(theta) > 10

";

const BELOW: &str = "
A command may be cut short while it is clear which is meant. `:help COMMAND` says more.
";

/// The list, or what is said of one command.
///
/// # Errors
/// When there is no such command.
pub fn text(name: &str) -> Result<String, Error> {
    let name = name.trim_start_matches(':');
    if name.is_empty() {
        return Ok(list());
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(Error::Unknown(format!(
            "there is no command `:{name}`\n  help: `:help` lists them; `:doc {name}` looks in the library"
        )));
    };
    let mut text = format!(":{} {}\n\n", command.name, command.arguments);
    text.push_str(&capital(command.brief));
    text.push_str(".\n");
    if !command.more.is_empty() {
        text.push_str(&format!("{}\n", command.more));
    }
    if command.name == "show" {
        text.push_str(&format!("Stages are {}.\n", show::stages().join(", ")));
    }
    let mut settable = settings::commands().into_iter();
    if let Some((_, settable)) = settable.find(|(name, _)| *name == command.name) {
        let names = settings::option_names(&settable);
        let names: Vec<String> = names.map(|name| format!("--{name}")).collect();
        let options = format!("Options: {}; --help describes them.", names.join(" "));
        text.push_str(&format!("{}\n", wrapped(&options, 2)));
    }
    Ok(text)
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), chars.as_str())
}

fn list() -> String {
    let mut text = ABOVE.to_owned();
    let head = |command: &Command| format!(":{} {}", command.name, command.arguments);
    for command in &COMMANDS {
        text.push_str(&format!(
            "  {:<32} {}\n",
            head(command).trim_end(),
            command.brief
        ));
    }
    text.push_str(BELOW);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_fits_a_screen() {
        let list = list();
        assert!(
            list.lines().all(|line| line.chars().count() <= 98),
            "{list}"
        );
        assert!(list.lines().count() <= 26);
        for command in &COMMANDS {
            assert!(text(command.name).is_ok_and(|said| said.contains(command.name)));
        }
        assert!(text("nothing").is_err());
    }
}
