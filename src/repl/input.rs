//! What a text at the prompt is: a command that begins with a colon, data, or something in the language; and how a longer
//! text is cut into such inputs.

use likelier::interactive::{self, Open};

/// One thing to answer.
#[derive(Debug, PartialEq)]
pub enum Input<'a> {
    /// Blanks and comments.
    Nothing,
    /// `:name rest`
    Command(&'a str, &'a str),
    /// `data name = value`
    Data(&'a str, &'a str),
    /// Statements, an expression or a distribution.
    Language(&'a str),
}

/// What a text is.
pub fn parse(text: &str) -> Input<'_> {
    let text = text.trim();
    if let Some(command) = text.strip_prefix(':') {
        let end = command.find(char::is_whitespace);
        let (name, rest) = command.split_at(end.unwrap_or(command.len()));
        return Input::Command(name, rest.trim());
    }
    if let Some((name, value)) = data(text) {
        return Input::Data(name, value);
    }
    let is_comment = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    match text.lines().all(is_comment) {
        true => Input::Nothing,
        false => Input::Language(text),
    }
}

/// The name and value of `data name = value`.
fn data(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("data")?;
    let (name, value) = rest.split_once('=')?;
    let is_name = |name: &str| {
        name.chars().all(|c| c.is_alphanumeric() || c == '_')
            && name.starts_with(|c: char| c.is_alphabetic() || c == '_')
    };
    let begins = rest.starts_with(char::is_whitespace) && is_name(name.trim());
    (begins && !value.starts_with('=')).then(|| (name.trim(), value.trim()))
}

/// Whether a line must follow before the text can be answered; an empty line ends it in any case.
pub fn is_unfinished(text: &str) -> bool {
    !is_command(text) && !text.ends_with('\n') && interactive::is_unfinished(text)
}

/// Whether a line is a command: a colon with a letter behind it.
fn is_command(line: &str) -> bool {
    let name = line.trim_start().strip_prefix(':');
    name.is_some_and(|name| name.starts_with(char::is_alphabetic))
}

/// The inputs of a text of several lines. As in a file, a line goes on where the one before is unfinished, or where it begins
/// with an operator; a command stands by itself, and a line that begins with `~` asks for a draw unless it is indented. An
/// empty line ends what is unfinished, as at a terminal, and so does a word that only begins statements, so that one
/// open bracket does not swallow the rest. Only blocks hold empty lines, if they are closed further down.
pub fn split(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut inputs: Vec<String> = Vec::new();
    let mut open = Open::Nothing;
    for (place, line) in lines.iter().enumerate() {
        let last = inputs.last_mut();
        match last.filter(|input| belongs(line, input, open, &lines[place..])) {
            Some(input) => {
                input.push('\n');
                input.push_str(line);
            }
            None => inputs.push((*line).to_string()),
        }
        let last = inputs.last().expect("a line");
        open = match is_command(last) {
            true => Open::Nothing,
            false => interactive::open(last),
        };
    }
    inputs.retain(|input| parse(input) != Input::Nothing);
    inputs
}

/// Whether a line belongs to the input before it, which left so much open; `rest` begins with the line.
fn belongs(line: &str, input: &str, open: Open, rest: &[&str]) -> bool {
    if is_command(line) {
        return false;
    }
    let is_empty = line.trim().is_empty();
    match open {
        Open::Value => !is_empty && !interactive::begins_statement(line) && data(line).is_none(),
        Open::Block => !is_empty || closes(input, rest),
        Open::Nothing => {
            let is_language = matches!(parse(input), Input::Language(_));
            is_language && interactive::continues(line) && !line.starts_with('~')
        }
    }
}

/// Whether some of the lines close what an input left open.
fn closes(input: &str, rest: &[&str]) -> bool {
    let mut text = input.to_owned();
    rest.iter()
        .take_while(|line| !is_command(line))
        .any(|line| {
            text.push('\n');
            text.push_str(line);
            line.contains('}') && interactive::open(&text) == Open::Nothing
        })
}

/// The commas of a text that are in no bracket.
pub fn commas(text: &str) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for (place, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => found.push(place),
            _ => {}
        }
    }
    found
}

/// The parts of a text between the commas that are in no bracket.
pub fn at_commas(text: &str) -> Vec<&str> {
    let mut from = 0;
    let ends = commas(text).into_iter().chain([text.len()]);
    let part = |end| {
        let part = text[from..end].trim();
        from = end + 1;
        part
    };
    ends.map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_brackets_part_nothing() {
        assert_eq!(at_commas("f(a, b), x[1, 2]"), ["f(a, b)", "x[1, 2]"]);
        assert_eq!(at_commas("a"), ["a"]);
    }

    #[test]
    fn inputs_are_told_apart() {
        for (text, expected) in [
            ("  # nothing\n", Input::Nothing),
            (
                ":plot theta[1], tau",
                Input::Command("plot", "theta[1], tau"),
            ),
            (":q", Input::Command("q", "")),
            ("data y = [1, 2]", Input::Data("y", "[1, 2]")),
            (
                "data ~ normal(0, 1)",
                Input::Language("data ~ normal(0, 1)"),
            ),
            ("data == 1", Input::Language("data == 1")),
            ("database = 1", Input::Language("database = 1")),
            ("mu ~ normal(0, 1)", Input::Language("mu ~ normal(0, 1)")),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_script_is_cut_where_its_statements_end() {
        let script = "# a script\nmu ~ normal(0,\n  1)\nlet a = mu\n  + 1\n\ndata y = [1,\n 2]\n:run --draws 10\n-1\nfor t in 1..2 {\n\n  x[t] ~ normal(a, 1)\n}\n";
        let inputs = split(script);
        let expected = [
            "mu ~ normal(0,\n  1)",
            "let a = mu\n  + 1",
            "data y = [1,\n 2]",
            ":run --draws 10",
            "-1",
            "for t in 1..2 {\n\n  x[t] ~ normal(a, 1)\n}",
        ];
        assert_eq!(inputs, expected);
    }

    #[test]
    fn a_command_ends_what_was_left_open() {
        assert_eq!(split("sqrt(2\n:run\n1"), ["sqrt(2", ":run", "1"]);
    }

    #[test]
    fn what_is_never_closed_ends_at_an_empty_line_or_the_next_statement() {
        for (script, expected) in [
            (
                "let a = (1 +\n2\n\nlet b = 2",
                vec!["let a = (1 +\n2", "let b = 2"],
            ),
            ("let q = 3 +\n\nq", vec!["let q = 3 +", "q"]),
            (
                "let a = [1,\nlet b = 2\ndata y = [1,\ndata z = 2",
                vec!["let a = [1,", "let b = 2", "data y = [1,", "data z = 2"],
            ),
            (
                "for t in 1..2 {\n\nlet b = 2\n:run",
                vec!["for t in 1..2 {", "let b = 2", ":run"],
            ),
            (
                "~ normal(0, 1)\n~ normal(0, 2)\ny\n  ~ normal(0, 3)",
                vec!["~ normal(0, 1)", "~ normal(0, 2)", "y\n  ~ normal(0, 3)"],
            ),
        ] {
            assert_eq!(split(script), expected, "{script}");
        }
    }

    #[test]
    fn an_empty_line_ends_what_is_unfinished() {
        assert!(is_unfinished("mean([1,"));
        assert!(!is_unfinished("mean([1,\n"));
        assert!(!is_unfinished(":plot (x"));
    }
}
