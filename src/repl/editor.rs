//! What the line editor asks while somebody types: whether the input is complete, how it is coloured, what may complete a word,
//! and which arguments are still to come.

use std::borrow::Cow;

use likelier::interactive::{self, NameKind, WordKind};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::help::COMMANDS;
use super::input;
use super::settings::Settings;
use crate::commands::show;

/// What can be asked of a distribution.
const MEMBERS: [&str; 8] = [
    "log_density",
    "cdf",
    "log_cdf",
    "log_ccdf",
    "quantile",
    "mean",
    "variance",
    "centre",
];

/// The helper of the line editor.
pub struct Assistant {
    /// The names of the session.
    pub names: Vec<String>,
    /// What of the session is called, by name, and its definition from its name on.
    pub signatures: Vec<(String, String)>,
    files: FilenameCompleter,
    is_colored: bool,
}

impl Assistant {
    /// A helper that knows the library and nothing of a session yet.
    pub fn new(is_colored: bool) -> Self {
        Self {
            names: Vec::new(),
            signatures: Vec::new(),
            files: FilenameCompleter::new(),
            is_colored,
        }
    }

    /// What may stand for the word that ends at the cursor, and where that begins.
    pub fn candidates(&self, line: &str) -> (usize, Vec<String>) {
        if let Some(found) = line.strip_prefix(':').and_then(words_of_command) {
            let (length, found) = found;
            return (line.len() - length, found);
        }
        let start = last_name(line);
        let word = &line[start..];
        if line[..start].ends_with(").") {
            let members = MEMBERS.iter().map(|member| format!("{member}("));
            return (start, beginning(members, word));
        }
        if word.is_empty() {
            return (start, Vec::new());
        }
        let is_doc = line.starts_with(":doc ");
        let names = interactive::library_names().iter();
        let library = names.map(|(name, kind)| match kind {
            NameKind::Word => (*name).to_owned(),
            _ if is_doc => (*name).to_owned(),
            _ => format!("{name}("),
        });
        let own = self.names.iter().cloned();
        let mut found = beginning(own.chain(library), word);
        found.sort();
        found.dedup();
        (start, found)
    }

    /// What may follow the line: the arguments that a call still wants, or those of a command.
    pub fn hint_for(&self, line: &str) -> Option<String> {
        if let Some(command) = line.strip_prefix(':') {
            let name = command.trim_end();
            let command = COMMANDS.iter().find(|one| one.name == name)?;
            let gap = if line.ends_with(' ') { "" } else { " " };
            return (!command.arguments.is_empty()).then(|| format!("{gap}{}", command.arguments));
        }
        let (name, typed) = open_call(line)?;
        if self.names.iter().any(|own| own == name) {
            let mut own = self.signatures.iter().filter(|(own, _)| own == name);
            return own.find_map(|(_, signature)| rest_of(signature, typed));
        }
        let signatures = interactive::signatures(name);
        signatures.iter().find_map(|one| rest_of(one, typed))
    }
}

/// What may stand for the last word of a command, without its colon, and the length of that word; `None` where words of the
/// language follow.
fn words_of_command(text: &str) -> Option<(usize, Vec<String>)> {
    let names = || COMMANDS.iter().map(|command| command.name.to_owned());
    let Some((command, rest)) = text.split_once(' ') else {
        return Some((text.len(), beginning(names(), text)));
    };
    let word = rest.split(' ').next_back().unwrap_or("");
    let settings = || Settings::names().into_iter();
    let found = match command {
        "set" => beginning(settings(), word),
        "show" => beginning(show::stages().into_iter(), word),
        "help" => beginning(names(), word),
        _ if word.starts_with("--") => beginning(settings().map(|name| format!("--{name}")), word),
        _ => return None,
    };
    Some((word.len(), found))
}

/// Where the name begins with which a text ends; its length if it ends with none.
fn last_name(text: &str) -> usize {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    text.trim_end_matches(is_letter).len()
}

fn beginning(names: impl Iterator<Item = String>, word: &str) -> Vec<String> {
    names.filter(|name| name.starts_with(word)).collect()
}

/// The innermost call whose bracket is open at the end of a line, and what of its arguments stands there.
fn open_call(line: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (place, c) in line.char_indices().rev() {
        match c {
            ')' | ']' | '}' => depth += 1,
            '(' | '[' | '{' if depth > 0 => depth -= 1,
            '(' => {
                let name = &line[last_name(&line[..place])..place];
                return (!name.is_empty()).then_some((name, &line[place + 1..]));
            }
            '[' | '{' | '#' => return None,
            _ => {}
        }
    }
    None
}

/// What is left of the arguments of a signature behind those that were typed.
fn rest_of(signature: &str, typed: &str) -> Option<String> {
    let open = signature.find('(')?;
    let mut depth = 0_usize;
    let close = signature[open..].char_indices().find_map(|(place, c)| {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(open + place)
    })?;
    let arguments = &signature[open + 1..close];
    let done = input::commas(typed);
    let wanted = input::commas(arguments);
    let last = typed.rsplit(',').next().unwrap_or("");
    let is_begun = !last.trim().is_empty();
    let from = match done.len() + usize::from(is_begun) {
        0 => 0,
        count if count <= wanted.len() => wanted[count - 1],
        _ if is_begun && done.len() <= wanted.len() => return Some(")".to_owned()),
        _ => return None,
    };
    let rest = &arguments[from..];
    let rest = match is_begun {
        true => rest.to_owned(),
        false => {
            let rest = rest.trim_start_matches([',', ' ']);
            let gap = !typed.is_empty() && !typed.ends_with(' ');
            format!("{}{rest}", if gap { " " } else { "" })
        }
    };
    Some(format!("{rest})"))
}

/// A hint that cannot be taken over, because it is no text to run.
pub struct Shown(String);

impl Hint for Shown {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Assistant {
    type Hint = Shown;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Shown> {
        let is_last = pos == line.len() && !line.is_empty();
        is_last.then(|| self.hint_for(line)).flatten().map(Shown)
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..pos];
        let takes_files = [":load ", ":save ", ":data ", ":compare "];
        if takes_files
            .iter()
            .any(|command| before.starts_with(command))
        {
            return self.files.complete_path(line, pos);
        }
        let (start, found) = self.candidates(before);
        let pair = |text: String| Pair {
            display: text.clone(),
            replacement: text,
        };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match input::is_unfinished(context.input()) {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

/// Colours, as the numbers that terminals know them by.
mod colors {
    pub const KEYWORD: &str = "35";
    pub const NUMBER: &str = "36";
    pub const CALL: &str = "34";
    pub const TEXT: &str = "32";
    pub const FAINT: &str = "2";
    pub const COMMAND: &str = "33";
    pub const MATCH: &str = "1;4";
}

fn painted(color: &str, text: &str) -> String {
    format!("\x1b[{color}m{text}\x1b[0m")
}

impl Assistant {
    /// A line in colours.
    pub fn painted(&self, line: &str, pos: usize) -> String {
        if line.starts_with(':') {
            let end = line.find(' ').unwrap_or(line.len());
            return format!("{}{}", painted(colors::COMMAND, &line[..end]), &line[end..]);
        }
        let partner = matching(line, pos);
        let mut text = String::new();
        let mut last = 0;
        for (range, kind) in interactive::words(line) {
            text.push_str(&line[last..range.start]);
            let word = &line[range.clone()];
            let color = match kind {
                WordKind::Keyword => colors::KEYWORD,
                WordKind::Number => colors::NUMBER,
                WordKind::Text => colors::TEXT,
                WordKind::Comment => colors::FAINT,
                WordKind::Sign if partner.contains(&range.start) => colors::MATCH,
                WordKind::Name if self.names.iter().any(|own| own == word) => "",
                WordKind::Name => match interactive::library_kind(word) {
                    Some(NameKind::Word) => colors::KEYWORD,
                    Some(_) => colors::CALL,
                    None if word == "data" && range.start == 0 => colors::KEYWORD,
                    None => "",
                },
                WordKind::Sign => "",
            };
            match color {
                "" => text.push_str(word),
                color => text.push_str(&painted(color, word)),
            }
            last = range.end;
        }
        text.push_str(&line[last..]);
        text
    }
}

/// The bracket before or at the cursor and the one that belongs to it; none if there is no pair.
fn matching(line: &str, pos: usize) -> Vec<usize> {
    let is_bracket = |place: usize| {
        line.as_bytes()
            .get(place)
            .is_some_and(|b| b"()[]{}".contains(b))
    };
    let place = match pos.checked_sub(1) {
        Some(before) if is_bracket(before) => before,
        _ if is_bracket(pos) => pos,
        _ => return Vec::new(),
    };
    let mut open = Vec::new();
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => open.push(at),
            b')' | b']' | b'}' => match open.pop() {
                Some(first) if first == place || at == place => return vec![first, at],
                _ => {}
            },
            _ => {}
        }
    }
    Vec::new()
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, pos: usize) -> Cow<'l, str> {
        match self.is_colored {
            true => Cow::Owned(self.painted(line, pos)),
            false => Cow::Borrowed(line),
        }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        match self.is_colored {
            true => Cow::Owned(painted(colors::FAINT, hint)),
            false => Cow::Borrowed(hint),
        }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.is_colored
    }
}

impl Helper for Assistant {}

#[cfg(test)]
mod tests {
    use super::*;

    fn assistant() -> Assistant {
        Assistant {
            names: ["theta", "tau", "mine"].map(str::to_owned).to_vec(),
            signatures: vec![(
                "mine".to_owned(),
                "mine(x: real, n: int) -> real = x".to_owned(),
            )],
            ..Assistant::new(true)
        }
    }

    #[test]
    fn words_are_completed_by_what_they_may_be() {
        let assistant = assistant();
        let found = |line: &str| assistant.candidates(line);
        assert_eq!(found("let a = the"), (8, vec!["theta".to_owned()]));
        assert!(found("x ~ half_n").1.contains(&"half_normal(".to_owned()));
        assert_eq!(found(":su"), (1, vec!["summary".to_owned()]));
        assert_eq!(found(":set dra"), (5, vec!["draws".to_owned()]));
        assert_eq!(found(":show grad"), (6, vec!["gradient".to_owned()]));
        assert!(
            found(":run --targ")
                .1
                .contains(&"--target-accept".to_owned())
        );
        assert_eq!(found("normal(0, 1).log_d").1, ["log_density("]);
        assert!(
            found(":doc half_norm")
                .1
                .contains(&"half_normal".to_owned())
        );
        assert_eq!(found("1 + "), (4, vec![]));
    }

    #[test]
    fn hints_show_the_arguments_that_are_to_come() {
        let assistant = assistant();
        let hint = |line: &str| assistant.hint_for(line).unwrap_or_default();
        let all = hint("x ~ normal(");
        assert!(all.starts_with("mean: real") && all.ends_with(')'), "{all}");
        let rest = hint("x ~ normal(0,");
        assert!(rest.starts_with(" sd: positive"), "{rest}");
        assert_eq!(hint("x ~ normal(0"), format!(", {}", rest.trim_start()));
        assert_eq!(hint("x ~ normal(0, 1"), ")");
        assert_eq!(hint("x ~ normal(0, 1)"), "");
        assert_eq!(hint("x ~ normal(exp("), "real)");
        assert_eq!(hint("theta("), "");
        assert_eq!(hint("mine(1, "), "n: int)");
        assert_eq!(hint(":plot"), " E or E, F");
        assert!(
            hint("g ~ gamma(").starts_with("; shape"),
            "{}",
            hint("g ~ gamma(")
        );
    }

    #[test]
    fn colours_change_no_letter() {
        let assistant = assistant();
        for line in [
            "let a = normal(1.5, tau) # é",
            ":plot tau",
            "\"open",
            "x[1",
            "data y = [1]",
        ] {
            let painted = assistant.painted(line, line.len());
            let mut plain = String::new();
            let mut parts = painted.split('\x1b');
            plain.push_str(parts.next().unwrap_or(""));
            for part in parts {
                plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
            }
            assert_eq!(plain, line);
        }
        assert_eq!(matching("f(a[1])", 7), [1, 6]);
        assert!(matching("f(a", 2).is_empty());
    }
}
