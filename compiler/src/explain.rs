//! `likelier explain`: what a code of a message means. The texts are a page of the manual, which is part of the program, so
//! that each has one home; its sections begin with `## CODE: what is wrong`.

use crate::source::suggest;

/// The page of the manual.
pub const PAGE: &str = include_str!("../../docs/manual/src/errors.md");

/// The section of the page on `code`, with or without its `E`.
///
/// # Errors
/// When there is no such code: a sentence with the nearest one.
pub fn explain(code: &str) -> Result<String, String> {
    let wanted = code.trim().to_uppercase();
    let wanted = match wanted.chars().next() {
        Some(digit) if digit.is_ascii_digit() => format!("E{wanted}"),
        _ => wanted,
    };
    let found = sections().find(|(code, _)| *code == wanted);
    if let Some((_, section)) = found {
        return Ok(section.to_string());
    }
    let help = match suggest::nearest(&wanted, sections().map(|(code, _)| code)) {
        Some(near) => format!("did you mean {near}?"),
        None => "a code stands in brackets at the head of a message, as in `error[E0201]`".into(),
    };
    Err(format!("no message has the code {wanted}\n  help: {help}"))
}

/// Every code with its section.
pub fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.split("\n## ").skip(1).filter_map(|section| {
        let (code, _) = section.split_once(':')?;
        Some((code, section.trim_end()))
    })
}
