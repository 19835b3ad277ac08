//! A calibration as a verdict with a table of the most suspicious quantities, and as JSON with all ranks.

use serde_json::{Value, json};

use super::columns::{INDENT, columns, head};
use super::digits::{p_value, seconds};
use super::evidence::paragraph;
use super::simulation::way_text;
use super::{RunInfo, VERSION, document_text};
use crate::calibration::{Calibration, LEAST_COVERAGE, Method, Quantity, Shape};
use crate::simulation::Way;

/// Rows of the table.
const SHOWN: usize = 8;
/// Bars of a histogram of ranks.
const BARS: usize = 20;

/// The table, the verdict and the remarks.
pub fn calibration_text(calibration: &Calibration) -> String {
    let shown = calibration.quantities.iter();
    let shown: Vec<&Quantity> = shown
        .enumerate()
        .filter(|(place, quantity)| *place < SHOWN || quantity.is_outside)
        .map(|(_, quantity)| quantity)
        .collect();
    let mut rows = vec![head(&["", "p", "adjusted", &format!("{:<BARS$}", "ranks")])];
    rows.extend(shown.iter().map(|quantity| {
        vec![
            quantity.name.clone(),
            probability(quantity.p),
            probability(quantity.p_adjusted),
            bars(&quantity.ranks, calibration.settings.ranks),
        ]
    }));
    let mut text = String::new();
    let marks = shown.iter().map(|quantity| match quantity.is_outside {
        true => format!("  {}", shape_text(quantity.shape)),
        false => String::new(),
    });
    let marks = std::iter::once(String::new()).chain(marks);
    for (line, mark) in columns(&rows, INDENT).lines().zip(marks) {
        text.push_str(&format!("{line}{mark}\n"));
    }
    let hidden = calibration.quantities.len() - shown.len();
    if hidden > 0 {
        text.push_str(&format!("  and {hidden} less suspicious\n"));
    }
    text.push('\n');
    text.push_str(&paragraph("Verdict", &verdict(calibration)));
    for note in notes(calibration) {
        text.push_str(&paragraph("Note", &note));
    }
    text.push_str(&paragraph("Time", &seconds(calibration.time.as_secs_f64())));
    text
}

fn verdict(calibration: &Calibration) -> String {
    let method = match calibration.settings.method {
        Method::Nuts => "NUTS",
        Method::Smc => "SMC",
    };
    let all = calibration.quantities.len();
    let outside = calibration.quantities.iter().filter(|q| q.is_outside);
    let outside: Vec<&str> = outside.map(|q| q.name.as_str()).collect();
    let simulations = calibration.simulations;
    if calibration.is_calibrated() {
        return format!(
            "calibrated: over {simulations} simulations, the ranks of {all} {} by {method} stay inside their simultaneous 95 % bands",
            quantities_word(all)
        );
    }
    let mut reasons = Vec::new();
    if !outside.is_empty() {
        let listed = outside.iter().take(SHOWN).copied();
        reasons.push(format!(
            "over {simulations} simulations, the ranks of {} of {all} {} by {method} leave their simultaneous 95 % bands: {}{}",
            outside.len(),
            quantities_word(all),
            listed.collect::<Vec<_>>().join(", "),
            if outside.len() > SHOWN { ", …" } else { "" }
        ));
    }
    if calibration.has_many_failures() {
        reasons.push(format!(
            "{} of {} simulations could not be fitted",
            calibration.failures.0,
            simulations + calibration.failures.0
        ));
    }
    if calibration
        .coverage
        .as_ref()
        .is_some_and(|c| !c.is_sufficient)
    {
        reasons.push("the errors of evidence do not cover".to_owned());
    }
    format!("not calibrated: {}", reasons.join("; "))
}

fn quantities_word(count: usize) -> &'static str {
    match count {
        1 => "quantity",
        _ => "quantities",
    }
}

fn notes(calibration: &Calibration) -> Vec<String> {
    let mut notes = Vec::new();
    let simulations = calibration.simulations;
    let (tried, way) = calibration.drawn;
    if way != Way::Forward {
        notes.extend(way_text(calibration.settings.simulations, tried, way));
    }
    if let (count @ 1.., Some(reason)) = &calibration.failures {
        notes.push(format!(
            "{count} simulations could not be fitted and are left out. The first: {}",
            reason.replace('\n', " ")
        ));
    }
    if calibration.divergent > 0 {
        notes.push(format!(
            "{} of {simulations} fits had divergent draws.",
            calibration.divergent
        ));
    }
    if calibration.short > 0 {
        notes.push(format!(
            "In {} of {simulations} fits the draws are correlated however long the chains: ranks may look too extreme there.",
            calibration.short
        ));
    }
    if let Some(coverage) = &calibration.coverage {
        let share = 100.0 * coverage.covered as f64 / coverage.pairs.max(1) as f64;
        notes.push(format!(
            "Evidence: SMC and bridge sampling differ by less than two standard errors in {} of {} simulations ({share:.0} %, at least {:.0} % wanted){}.",
            coverage.covered,
            coverage.pairs,
            100.0 * LEAST_COVERAGE,
            match coverage.without {
                0 => String::new(),
                count => format!("; in {count} more, one of them is missing or doubts itself"),
            }
        ));
    }
    if calibration.interrupted {
        notes.push("Stopped before all simulations were fitted.".to_owned());
    }
    notes
}

fn shape_text(shape: Shape) -> &'static str {
    match shape {
        Shape::TooHigh => "draws too high",
        Shape::TooLow => "draws too low",
        Shape::TooNarrow => "draws too narrow",
        Shape::TooWide => "draws too wide",
    }
}

fn shape_name(shape: Shape) -> Value {
    serde_json::to_value(shape).unwrap_or(Value::Null)
}

/// One less a sum near one: what is much smaller than this is rounding.
fn probability(p: f64) -> String {
    match p < 0.001 {
        true => "< 0.001".to_owned(),
        false => p_value(p),
    }
}

/// A histogram of ranks, as high as twice the expected count.
fn bars(ranks: &[usize], highest: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let count = BARS.min(highest + 1);
    let mut heights = vec![0_usize; count];
    // The number of ranks that a bar stands for may differ by one.
    let mut widths = vec![0_usize; count];
    let bar = |rank: usize| rank * count / (highest + 1);
    (0..=highest).for_each(|rank| widths[bar(rank)] += 1);
    ranks.iter().for_each(|&rank| heights[bar(rank)] += 1);
    let level = |(&height, &width): (&usize, &usize)| {
        let expected = ranks.len() as f64 * width as f64 / (highest + 1) as f64;
        let level = (height as f64 / expected * 4.0) as usize;
        LEVELS[level.min(LEVELS.len() - 1)]
    };
    heights.iter().zip(&widths).map(level).collect()
}

/// Everything, with all ranks.
pub fn calibration_json(info: &RunInfo, calibration: &Calibration) -> String {
    let quantity = |quantity: &Quantity| {
        json!({
            "name": quantity.name,
            "p": quantity.p,
            "p_adjusted": quantity.p_adjusted,
            "outside": quantity.is_outside,
            "shape": shape_name(quantity.shape),
            "ranks": quantity.ranks,
        })
    };
    let coverage = calibration.coverage.as_ref().map(|coverage| {
        json!({
            "pairs": coverage.pairs,
            "covered": coverage.covered,
            "without": coverage.without,
            "sufficient": coverage.is_sufficient,
        })
    });
    let document = json!({
        "format": "likelier-calibration",
        "format_version": 1,
        "version": VERSION,
        "model": info.model,
        "data": info.data,
        "cpu": info.cpu,
        "settings": calibration.settings,
        "simulated_data": calibration.data,
        "calibrated": calibration.is_calibrated(),
        "verdict": verdict(calibration),
        "simulations": calibration.simulations,
        "failures": { "count": calibration.failures.0, "first": calibration.failures.1 },
        "divergent": calibration.divergent,
        "short": calibration.short,
        "interrupted": calibration.interrupted,
        "quantities": calibration.quantities.iter().map(quantity).collect::<Vec<_>>(),
        "evidence": coverage,
        "notes": notes(calibration),
        "seconds": calibration.time.as_secs_f64(),
    });
    document_text(&document)
}
