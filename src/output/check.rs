//! `check --json`: diagnostics for editors and other machines.

use likelier_compiler::source::diagnostic::Severity;
use likelier_compiler::source::{Diagnostic, Sources, Span};
use serde_json::{Value, json};

use super::{VERSION, document_text};
use crate::check::CheckReport;
use crate::{Compiled, Error, Role, RoleLine};

/// The document of a report, with a final line break.
pub fn check_json(model: &str, data: &[String], report: &CheckReport) -> String {
    let diagnostics = report.diagnostics.iter();
    let diagnostics = diagnostics.map(|one| diagnostic_json(&report.sources, one));
    let compiled = report.model.as_ref().map(|model| &model.compiled);
    document(model, data, report.is_ok(), diagnostics.collect(), compiled)
}

/// The document of what kept a check from being made: a file that cannot be read, or data that are none.
pub fn failed_json(model: &str, data: &[String], error: &Error) -> String {
    let said = json!({
        "severity": "error",
        "code": null,
        "message": error.to_string(),
        "places": [],
        "notes": [],
        "help": null,
    });
    document(model, data, false, vec![said], None)
}

fn document(
    model: &str,
    data: &[String],
    is_ok: bool,
    diagnostics: Vec<Value>,
    compiled: Option<&Compiled>,
) -> String {
    let variables = compiled.map(|compiled| {
        let lines = compiled.roles.iter();
        lines.map(variable_json).collect::<Vec<Value>>()
    });
    document_text(&json!({
        "format": "likelier-check",
        "format_version": 1,
        "version": VERSION,
        "model": model,
        "data": data,
        "ok": is_ok,
        "diagnostics": diagnostics,
        "variables": variables,
        "unused_keys": compiled.map(|compiled| &compiled.unused_keys),
    }))
}

fn diagnostic_json(sources: &Sources, diagnostic: &Diagnostic) -> Value {
    let places: Vec<Value> = diagnostic
        .labels
        .iter()
        .map(|label| {
            let mut place = place_json(sources, label.span);
            place["message"] = match label.message.as_str() {
                "" => Value::Null,
                message => message.into(),
            };
            place
        })
        .collect();
    json!({
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "code": diagnostic.code,
        "message": diagnostic.message,
        "places": places,
        "notes": diagnostic.notes,
        "help": diagnostic.help,
    })
}

/// Lines and columns from 1; columns count characters, and the end is the first one behind.
fn place_json(sources: &Sources, span: Span) -> Value {
    let text = sources.text(span.file);
    let position = |byte: u32| {
        let before = text.get(..byte as usize).unwrap_or(text);
        let line = 1 + before.matches('\n').count();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (line, 1 + before[start..].chars().count())
    };
    let (line, column) = position(span.start);
    let (end_line, end_column) = position(span.end);
    json!({
        "file": sources.name(span.file),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    })
}

fn variable_json(line: &RoleLine) -> Value {
    json!({
        "name": line.name,
        "role": match line.role {
            Role::Observed => "observed",
            Role::Inferred => "inferred",
            Role::Simulated => "simulated",
            Role::SummedOut => "summed_out",
            Role::Given => "given",
        },
        "elements": line.elements,
        "distribution": line.distribution,
    })
}
