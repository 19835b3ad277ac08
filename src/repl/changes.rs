//! What a statement or data changed, in a line or two: the names it defines with their types and roles, and whatever else is
//! no longer what it was.

use likelier::Role;
use likelier::interactive::{Described, DescribedKind, Description};

use super::value::wrapped;

/// Names in one line; more are only counted.
const MOST_NAMES: usize = 12;

/// What is to be said of a name: `theta: real[8], inferred`.
pub fn line(known: &Described) -> String {
    format!("{}: {}, {}", known.name, known.ty, what(known))
}

/// What sort of thing a name stands for, in words.
pub fn what(known: &Described) -> String {
    let role = match (known.kind, known.role) {
        (DescribedKind::Given, _) => "given",
        (DescribedKind::Size, _) => "a size",
        (DescribedKind::Random, Some(role)) => return role_text(role, known.is_partial),
        _ => "computed",
    };
    role.to_string()
}

fn role_text(role: Role, is_partial: bool) -> String {
    let role = match role {
        Role::Observed => return "observed".to_owned(),
        Role::Inferred => "inferred",
        Role::SummedOut => "inferred (summed out)",
        Role::Simulated | Role::Given => "simulated",
    };
    match is_partial {
        true => format!("observed, what is missing of it {role}"),
        false => role.to_owned(),
    }
}

/// The lines that tell how a description differs from an earlier one. Names in `own` are told of by themselves, in this order;
/// others only where they changed.
pub fn lines(before: &Description, after: &Description, own: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = own
        .iter()
        .filter_map(|name| after.get(name))
        .map(line)
        .collect();
    let others = || {
        let is_other = |known: &&Described| !own.contains(&known.name);
        after.names.iter().filter(is_other)
    };
    for (name, size) in &after.sizes {
        if !before.sizes.contains(&(name.clone(), *size)) {
            lines.push(format!("{name} = {size}"));
        }
    }
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for known in others().filter(|known| known.kind != DescribedKind::Size) {
        let change = match before.get(&known.name) {
            // Parts of what a model is used for: its unknowns are of interest, not its inner values.
            None if known.kind != DescribedKind::Random => continue,
            None => format!("{}, {}", known.ty, what(known)),
            Some(old) if what(old) != what(known) => format!("now {}", what(known)),
            _ => continue,
        };
        match told.iter_mut().find(|(text, _)| *text == change) {
            Some((_, names)) => names.push(&known.name),
            None => told.push((change, vec![&known.name])),
        }
    }
    for (change, names) in told {
        lines.push(format!("{}: {change}", listed(&names)));
    }
    lines.iter().map(|line| wrapped(line, 2)).collect()
}

/// Names with commas; many are cut short.
pub fn listed(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<&str> = names.iter().take(MOST_NAMES).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown.join(", "),
        rest => format!("{} and {rest} more", shown.join(", ")),
    }
}
