//! `likelier explain`: what a code of a message means. The texts are a page of the manual, which is part of the program, so
//! that each has one home; its sections begin with `## CODE: what is wrong`.

use crate::source::suggest;

/// The page of the manual.
pub const PAGE: &str = include_str!("../../docs/manual/src/errors.md");

/// The section of the page on `code`, with or without its `E` and the zeros after it.
///
/// # Errors
/// When there is no such code: a sentence with the nearest one.
pub fn explain(code: &str) -> Result<String, String> {
    let wanted = code.trim().to_uppercase();
    let digits = wanted.trim_start_matches(['E', 'W']);
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit());
    let wanted = match (is_number, wanted.starts_with('W')) {
        (true, true) => format!("W{digits:0>4}"),
        (true, false) => format!("E{digits:0>4}"),
        _ => wanted,
    };
    let found = sections().find(|(code, _)| *code == wanted);
    if let Some((_, section)) = found {
        return Ok(section.to_string());
    }
    // The first two digits are the stage: codes of other stages say something else, however much they look alike.
    let stage = wanted.get(..3).unwrap_or(&wanted);
    let alike = sections().map(|(code, _)| code);
    let alike = alike.filter(|code| code.starts_with(stage));
    let help = match suggest::nearest(&wanted, alike) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_may_be_cut_short_and_only_near_ones_are_suggested() {
        for code in ["E0201", "e0201", "0201", "201", "e201"] {
            assert!(explain(code).is_ok_and(|text| text.starts_with("E0201")));
        }
        let refused = |code| explain(code).expect_err("no such code");
        assert!(refused("299").contains("did you mean E02"));
        assert!(refused("9999").contains("stands in brackets"));
        assert!(refused("x").contains("stands in brackets"));
    }
}
