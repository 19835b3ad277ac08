//! The primitives and their derivatives against tables of mpmath: every line of `tests/reference/special_functions.txt`.

use super::derivative::tests::rule;
use super::primitive::TABLE;

#[test]
fn special_functions_agree_with_mpmath() {
    let mut mistakes = Vec::new();
    let mut count = 0;
    for line in include_str!("../../../tests/reference/special_functions.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let name = words.next().expect("a name");
        let numbers: Vec<f64> = words.map(|word| word.parse().expect(line)).collect();
        let (arguments, expected) = numbers.split_at(numbers.len() - 2);
        let (function, position) = match name.split_once('\'') {
            Some((function, position)) => (function, Some(position.parse().expect(line))),
            None => (name, None),
        };
        let entry = TABLE
            .iter()
            .find(|entry| entry.name == function && entry.arguments.len() == arguments.len())
            .unwrap_or_else(|| panic!("no primitive for the line {line}"));
        let found = match position {
            None => (entry.evaluate)(arguments),
            Some(position) => rule(entry.operation, arguments, position).unwrap_or(0.0),
        };
        // An exponential of hundreds has the rounding of its exponent.
        let remote = expected[0].abs().ln().abs() > 230.0;
        let allowed = if remote { 2e-13 } else { 1e-13 } * expected[1];
        // A NaN is a mistake too.
        if (found - expected[0]).abs() <= allowed {
            count += 1;
        } else {
            mistakes.push(format!("{line}, found {found:e}"));
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    assert!(count > 100, "only {count} rows");
}
