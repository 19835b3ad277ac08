//! Summaries of the data in a prediction, as in `(x - mean(x)) / sd(x)`: over new data they are others than those of the data
//! that the model was fitted to, to which its draws belong.

use std::collections::HashSet;

use crate::check::hir::{
    Expression, ExpressionKind, Hir, StatementKind, VariableId, VariableKind, Whole,
};
use crate::check::walk::all_statements;
use crate::data::dataset::Dataset;
use crate::source::{Diagnostic, Span};

/// Warns of each summary that is taken over new data.
pub(super) fn warnings(hir: &Hir, newer: &Dataset) -> Vec<Diagnostic> {
    let mut changed: HashSet<VariableId> = HashSet::new();
    let mut warnings = Vec::new();
    all_statements(&hir.statements, 0, &mut |statement, _| {
        if let StatementKind::Given {
            variable, column, ..
        } = &statement.kind
        {
            let name = &hir.variables[variable.0 as usize].name;
            if newer.get(column.as_ref().unwrap_or(name)).is_some() {
                changed.insert(*variable);
            }
        }
        let mut reads_changed = false;
        statement.expressions(&mut |expression| {
            expression.everywhere(&mut |inner| {
                if let ExpressionKind::Variable(id) = &*inner.kind {
                    reads_changed |= changed.contains(id);
                }
                if is_summary(hir, inner) && is_of_new_data(hir, inner, &changed) {
                    warnings.push(warning(inner.span));
                }
            });
        });
        if let StatementKind::Let { variable, .. } = &statement.kind
            && reads_changed
        {
            changed.insert(*variable);
        }
    });
    warnings
}

fn warning(summary: Span) -> Diagnostic {
    Diagnostic::warning("W0005", "this is computed anew, over the new rows")
        .at(summary, "the draws belong to its value for the data of the fit")
        .help("keep that value fixed: give it as data of its own (`given centre: real`), or scale the new rows by hand with the numbers of the fit")
}

/// Whether an expression makes one number, or a scale, of all elements of an array.
fn is_summary(hir: &Hir, expression: &Expression) -> bool {
    match &*expression.kind {
        ExpressionKind::Reduction { .. } => true,
        ExpressionKind::Whole { function, .. } => matches!(
            function,
            Whole::Reduce(_) | Whole::Variance | Whole::StandardDeviation
        ),
        ExpressionKind::Call { function, .. } => {
            hir.functions[function.0 as usize].name == "standardise"
        }
        _ => false,
    }
}

/// Whether it reads new data, and nothing that belongs to one row or is unknown.
fn is_of_new_data(hir: &Hir, summary: &Expression, changed: &HashSet<VariableId>) -> bool {
    let mut own = HashSet::new();
    let mut read = Vec::new();
    summary.everywhere(&mut |inner| match &*inner.kind {
        ExpressionKind::Variable(id) => read.push(*id),
        ExpressionKind::Reduction { binders, .. }
        | ExpressionKind::Comprehension { binders, .. } => {
            own.extend(binders.iter().map(|binder| binder.variable));
        }
        _ => {}
    });
    let is_fixed = |id: &VariableId| {
        let kind = hir.variables[id.0 as usize].kind;
        own.contains(id)
            || matches!(
                kind,
                VariableKind::Given | VariableKind::Let | VariableKind::Size
            )
    };
    read.iter().all(is_fixed) && read.iter().any(|id| changed.contains(id))
}
