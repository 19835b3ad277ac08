//! A mode as text and as JSON. First what was maximised, because a mode depends on it; then the values; then how many climbs
//! ended there.

use likelier_compiler::{ColumnKind, Objective};
use serde_json::{Map, Value, json};

use super::digits::seconds;
use super::evidence::paragraph;
use super::{RunInfo, VERSION, document_text, kind_name};
use crate::optimise::{Mode, ModeVerdict};

/// What an objective is called in files.
fn objective_name(objective: Objective) -> &'static str {
    match objective {
        Objective::Values => "density",
        Objective::Position => "density_with_jacobian",
        Objective::Likelihood => "likelihood",
    }
}

/// What an objective is, in words.
fn objective_text(objective: Objective) -> &'static str {
    match objective {
        Objective::Values => "the posterior density of the values, without Jacobian",
        Objective::Position => {
            "the posterior density of the coordinates that are sampled, with the Jacobian"
        }
        Objective::Likelihood => "the likelihood; priors and constraints do not count",
    }
}

fn verdict_name(verdict: ModeVerdict) -> &'static str {
    match verdict {
        ModeVerdict::Maximum => "maximum",
        ModeVerdict::Unbounded => "unbounded",
        ModeVerdict::Flat => "flat",
        ModeVerdict::Unfinished => "unfinished",
    }
}

/// The paragraphs of the screen; `all` rows, or the first of each variable.
pub fn mode_text(mode: &Mode, all: bool) -> String {
    let mut text = paragraph("Objective", objective_text(mode.settings.objective));
    match (mode.log_density, &mode.parts) {
        (Some(value), Some(parts)) => {
            let soft = match parts.soft.is_empty() {
                true => String::new(),
                false => format!(", constraints {:.4}", parts.soft_sum()),
            };
            text.push_str(&paragraph(
                "Maximum",
                &format!(
                    "{value:.6} (prior {:.4}{soft}, likelihood {:.4}, Jacobian {:.4})",
                    parts.prior, parts.likelihood, parts.jacobian
                ),
            ));
        }
        _ => text.push_str(&paragraph(
            "Maximum",
            match mode.verdict {
                ModeVerdict::Unbounded => "none: the density is unbounded",
                ModeVerdict::Flat => "none at a single point",
                _ => "not found",
            },
        )),
    }
    text.push_str(&paragraph("Climbs", &climbs_text(mode)));
    for (rank, note) in mode.notes.iter().enumerate() {
        text.push_str(&paragraph(if rank == 0 { "Note" } else { "" }, note));
    }
    text + &table(mode, all)
}

fn climbs_text(mode: &Mode) -> String {
    let mut parts = Vec::new();
    if mode.log_density.is_some() {
        parts.push(format!("{} of {} ended there", mode.reached, mode.climbs));
    } else {
        parts.push(format!("{} from prior draws", mode.climbs));
    }
    for (value, count) in mode.others.iter().take(3) {
        parts.push(format!("{count} at a maximum of {value:.4}"));
    }
    if mode.others.len() > 3 {
        let rest: usize = mode.others[3..].iter().map(|other| other.1).sum();
        parts.push(format!("{rest} at lower ones"));
    }
    if mode.lost > 0 {
        parts.push(format!("{} at no maximum", mode.lost));
    }
    format!(
        "{}; {} gradients, {}",
        parts.join(", "),
        mode.evaluations,
        seconds(mode.time.as_secs_f64())
    )
}

/// Elements of a variable that are shown.
const MOST_ROWS: usize = 12;

fn table(mode: &Mode, all: bool) -> String {
    let Some(width) = mode
        .values
        .iter()
        .map(|(column, _)| column.name.chars().count())
        .max()
    else {
        return String::new();
    };
    let mut text = "\n".to_owned();
    let mut kind = None;
    let has_reports = mode
        .values
        .iter()
        .any(|(column, _)| column.kind == ColumnKind::Report);
    for group in mode
        .values
        .chunk_by(|a, b| a.0.variable == b.0.variable && a.0.kind == b.0.kind)
    {
        if has_reports && kind != Some(group[0].0.kind) {
            kind = Some(group[0].0.kind);
            text.push_str(&format!("{}\n", kind_name(group[0].0.kind)));
        }
        let shown = if all || group.len() <= MOST_ROWS {
            group.len()
        } else {
            MOST_ROWS - 1
        };
        for (column, value) in &group[..shown] {
            text.push_str(&format!("  {:<width$}  {}\n", column.name, figure(*value)));
        }
        if shown < group.len() {
            text.push_str(&format!(
                "  … {} more (--all shows them)\n",
                group.len() - shown
            ));
        }
    }
    text
}

/// Six digits.
fn figure(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size == 0.0 => "0".to_owned(),
        _ if !(1e-4..1e7).contains(&size) => format!("{value:.5e}"),
        _ => {
            let digits = (5 - size.log10().floor() as i32).clamp(0, 9) as usize;
            format!("{value:.digits$}")
        }
    }
}

/// The document of `optimise --json`, with a final line break.
pub fn mode_json(info: &RunInfo, mode: &Mode) -> String {
    let values: Map<String, Value> = mode
        .values
        .iter()
        .map(|(column, value)| {
            let entry = json!({ "value": value, "kind": kind_name(column.kind) });
            (column.name.clone(), entry)
        })
        .collect();
    let parts = mode.parts.as_ref().map(|parts| {
        json!({
            "prior": parts.prior,
            "soft": parts.soft_sum(),
            "likelihood": parts.likelihood,
            "jacobian": parts.jacobian,
        })
    });
    let others: Vec<Value> = mode
        .others
        .iter()
        .map(|(value, climbs)| json!({ "log_density": value, "climbs": climbs }))
        .collect();
    let document = json!({
        "format": "likelier-mode",
        "format_version": 1,
        "version": VERSION,
        "model": info.model,
        "data": info.data,
        "objective": objective_name(mode.settings.objective),
        "verdict": verdict_name(mode.verdict),
        "log_density": mode.log_density,
        "parts": parts,
        "values": values,
        "climbs": mode.climbs,
        "reached": mode.reached,
        "other_maxima": others,
        "without_maximum": mode.lost,
        "notes": mode.notes,
        "settings": { "seed": mode.settings.seed, "starts": mode.settings.starts },
        "evaluations": mode.evaluations,
        "seconds": mode.time.as_secs_f64(),
    });
    document_text(&document)
}
