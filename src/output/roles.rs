//! What a run makes of the model with these data: which variables the data observe, which are inferred, simulated or
//! given, and which keys nobody asked for. Printed before the run, because most surprises in a posterior are surprises
//! about this list.

use likelier_compiler::{Constraint, ConstraintKind, Role, RoleLine};

/// The list, one variable a line. Ends in a line break.
pub fn roles_text(
    roles: &[RoleLine],
    constraints: &[Constraint],
    unused_keys: &[String],
) -> String {
    let titles = [
        (Role::Observed, "Observed"),
        (Role::Inferred, "Inferred"),
        (Role::SummedOut, "Summed out"),
        (Role::Simulated, "Simulated"),
        (Role::Given, "Given"),
    ];
    list(roles, &titles) + &constraints_text(constraints) + &unused(unused_keys)
}

/// The list for a prediction, where what was inferred comes from draws.
pub fn prediction_text(roles: &[RoleLine], unused_keys: &[String]) -> String {
    let titles = [
        (Role::Inferred, "From draws"),
        (Role::Observed, "Held"),
        (Role::Simulated, "Simulated"),
        (Role::Given, "Given"),
    ];
    list(roles, &titles) + &unused(unused_keys)
}

/// The constraints, one a line.
fn constraints_text(constraints: &[Constraint]) -> String {
    let of = |kind| {
        constraints
            .iter()
            .filter(move |constraint| constraint.kind == kind)
    };
    let names = of(ConstraintKind::Soft).map(|constraint| constraint.name.chars().count());
    let width = names.max().unwrap_or(0);
    let elements = |constraint: &Constraint| match constraint.elements {
        Some(0) => "off".to_owned(),
        Some(elements) => count(elements),
        None => String::new(),
    };
    let counts = of(ConstraintKind::Soft).map(|constraint| elements(constraint).chars().count());
    let count_width = counts.max().unwrap_or(0);
    let mut text = String::new();
    let mut title = "Soft";
    for constraint in of(ConstraintKind::Soft) {
        let (name, count) = (&constraint.name, elements(constraint));
        text.push_str(&format!(
            "{title:<11}{name:<width$}  {count:>count_width$}  {}\n",
            constraint.text
        ));
        title = "";
    }
    title = "Required";
    for constraint in of(ConstraintKind::Hard) {
        text.push_str(&format!("{title:<11}{}\n", constraint.text));
        title = "";
    }
    text
}

fn unused(keys: &[String]) -> String {
    match keys {
        [] => String::new(),
        keys => format!("Not used   {}\n", keys.join(", ")),
    }
}

fn list(roles: &[RoleLine], titles: &[(Role, &str)]) -> String {
    let width = roles
        .iter()
        .map(|line| line.name.chars().count())
        .max()
        .unwrap_or(0);
    let counts: Vec<String> = roles.iter().map(|line| count(line.elements)).collect();
    let count_width = counts
        .iter()
        .map(|text| text.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for &(role, title) in titles {
        let mut title = title;
        for (line, count) in roles
            .iter()
            .zip(&counts)
            .filter(|(line, _)| line.role == role)
        {
            let row = format!(
                "{title:<11}{:<width$}  {count:>count_width$}  {}",
                line.name,
                line.distribution.as_deref().unwrap_or("")
            );
            text.push_str(row.trim_end());
            text.push('\n');
            title = "";
        }
    }
    text
}

fn count(elements: usize) -> String {
    match elements {
        1 => String::new(),
        0 => "empty".to_owned(),
        n => format!("{n} values"),
    }
}
