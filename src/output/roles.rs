//! What a run makes of the model with these data: which variables the data observe, which are inferred, simulated or
//! given, and which keys nobody asked for. Printed before the run, because most surprises in a posterior are surprises
//! about this list.

use likelier_compiler::{Role, RoleLine};

/// The list, one variable a line. Ends in a line break.
pub fn roles_text(roles: &[RoleLine], unused_keys: &[String]) -> String {
    let titles = [
        (Role::Observed, "Observed"),
        (Role::Inferred, "Inferred"),
        (Role::SummedOut, "Summed out"),
        (Role::Simulated, "Simulated"),
        (Role::Given, "Given"),
    ];
    list(roles, unused_keys, &titles)
}

/// The list for a prediction, where what was inferred comes from draws.
pub fn prediction_text(roles: &[RoleLine], unused_keys: &[String]) -> String {
    let titles = [
        (Role::Inferred, "From draws"),
        (Role::Observed, "Held"),
        (Role::Simulated, "Simulated"),
        (Role::Given, "Given"),
    ];
    list(roles, unused_keys, &titles)
}

fn list(roles: &[RoleLine], unused_keys: &[String], titles: &[(Role, &str)]) -> String {
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
    if !unused_keys.is_empty() {
        text.push_str(&format!("Not used   {}\n", unused_keys.join(", ")));
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
