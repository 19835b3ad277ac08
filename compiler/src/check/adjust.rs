//! Constraints changed from outside: left out, widened or made hard by their names. The program is changed before it meets
//! the data, so that everything after it, roles included, is as if it had been written so.

use super::expressions::make;
use super::hir::{Expression, ExpressionKind, Formula, Hir, Statement, StatementKind, Type};
use super::walk::all_statements;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Sources, Span, suggest};

/// A change of the constraint of a name; a hard constraint goes by its text.
#[derive(Debug, Clone, PartialEq)]
pub enum Adjustment {
    /// It is not there.
    Without(String),
    /// Its `within` is multiplied.
    Scale(String, f64),
    /// It must hold.
    Harden(String),
}

impl Adjustment {
    fn name(&self) -> &str {
        match self {
            Adjustment::Without(name) | Adjustment::Scale(name, _) | Adjustment::Harden(name) => {
                name
            }
        }
    }
}

/// Applies changes in their order; what cannot be done is an error.
pub(crate) fn adjust(
    hir: &mut Hir,
    sources: &Sources,
    adjustments: &[Adjustment],
) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for adjustment in adjustments {
        let name = adjustment.name();
        let mut known = Vec::new();
        all_statements(&hir.statements, 0, &mut |statement, _| {
            known.extend(name_of(statement, sources));
        });
        if !known.iter().any(|known| known == name) {
            diagnostics.push(unknown(name, &known));
            continue;
        }
        let result = match adjustment {
            Adjustment::Without(name) => {
                remove(&mut hir.statements, sources, name);
                Ok(())
            }
            Adjustment::Scale(_, factor) if !(*factor > 0.0 && factor.is_finite()) => {
                Err(Diagnostic::error(
                    "E0482",
                    format!("the scale of `{name}` cannot be multiplied by {factor}"),
                )
                .help("a factor is a positive number; `--without` leaves the constraint out"))
            }
            Adjustment::Scale(_, factor) => {
                each(&mut hir.statements, sources, name, &mut |statement| {
                    scale(statement, *factor)
                })
            }
            Adjustment::Harden(_) => each(&mut hir.statements, sources, name, &mut harden),
        };
        diagnostics.extend(result.err());
    }
    diagnostics
}

/// What a constraint is called.
fn name_of(statement: &Statement, sources: &Sources) -> Option<String> {
    match &statement.kind {
        StatementKind::Soft { name, .. } => Some(name.clone()),
        StatementKind::Require { condition, name } => Some(
            name.clone()
                .unwrap_or_else(|| sources.one_line(condition.span)),
        ),
        _ => None,
    }
}

fn unknown(name: &str, known: &[String]) -> Diagnostic {
    let diagnostic = Diagnostic::error("E0481", format!("this model has no constraint `{name}`"));
    let help = match (
        suggest::nearest(name, known.iter().map(String::as_str)),
        known,
    ) {
        (_, []) => "it has no constraints at all".to_string(),
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, known) => format!("its constraints are {}", known.join(", ")),
    };
    diagnostic.help(help)
}

fn remove(statements: &mut Vec<Statement>, sources: &Sources, name: &str) {
    statements.retain(|statement| name_of(statement, sources).as_deref() != Some(name));
    for statement in statements {
        match &mut statement.kind {
            StatementKind::For { body, .. } => remove(body, sources, name),
            StatementKind::If {
                then, otherwise, ..
            } => {
                remove(then, sources, name);
                remove(otherwise, sources, name);
            }
            _ => {}
        }
    }
}

/// Changes the statements of a constraint.
fn each(
    statements: &mut [Statement],
    sources: &Sources,
    name: &str,
    change: &mut dyn FnMut(&mut Statement) -> Result<(), Diagnostic>,
) -> Result<(), Diagnostic> {
    for statement in statements {
        if name_of(statement, sources).as_deref() == Some(name) {
            change(statement)?;
        }
        match &mut statement.kind {
            StatementKind::For { body, .. } => each(body, sources, name, change)?,
            StatementKind::If {
                then, otherwise, ..
            } => {
                each(then, sources, name, change)?;
                each(otherwise, sources, name, change)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn scale(statement: &mut Statement, factor: f64) -> Result<(), Diagnostic> {
    let mut count = 0;
    if let StatementKind::Soft { formula, .. } = &mut statement.kind {
        widen(formula, factor, &mut count);
    }
    match count {
        0 => Err(Diagnostic::error(
            "E0482",
            "this constraint has no `within` that could be scaled",
        )
        .at(statement.span, "")
        .help("only comparisons have a scale; a penalty is multiplied by its `weight`")),
        _ => Ok(()),
    }
}

fn widen(formula: &mut Formula, factor: f64, count: &mut usize) {
    match formula {
        Formula::Compare(comparison) => {
            *count += 1;
            let within = comparison.within.clone();
            let (span, ty) = (within.span, within.ty.clone());
            let factor = make(span, Type::REAL, ExpressionKind::Real(factor));
            let kind = ExpressionKind::Operation {
                operation: Operation::Multiply,
                arguments: vec![factor, within],
            };
            comparison.within = make(span, ty, kind);
        }
        Formula::Penalty(_) => {}
        Formula::Not(inner) => widen(inner, factor, count),
        Formula::And(both) | Formula::Or(both) => {
            widen(&mut both.0, factor, count);
            widen(&mut both.1, factor, count);
        }
    }
}

fn harden(statement: &mut Statement) -> Result<(), Diagnostic> {
    let StatementKind::Soft { name, formula, .. } = &statement.kind else {
        return Ok(());
    };
    let condition = condition(formula, statement.span)?;
    statement.kind = StatementKind::Require {
        condition,
        name: Some(name.clone()),
    };
    Ok(())
}

/// The truth that a formula comes to when its inequalities hold or do not.
fn condition(formula: &Formula, span: Span) -> Result<Expression, Diagnostic> {
    let truth = |operation, arguments| {
        let kind = ExpressionKind::Operation {
            operation,
            arguments,
        };
        make(span, Type::BOOL, kind)
    };
    match formula {
        Formula::Compare(comparison) if !comparison.is_equality => {
            let sides = vec![comparison.left.clone(), comparison.right.clone()];
            if sides.iter().any(|side| side.ty.rank() > 0) {
                return Err(Diagnostic::error("E0483", "this constraint cannot be made hard")
                    .at(comparison.span, "it compares whole arrays")
                    .help("compare one element, and write `for i in a..b` after the constraint"));
            }
            Ok(truth(Operation::LessEqual, sides))
        }
        Formula::Compare(_) | Formula::Penalty(_) => {
            Err(Diagnostic::error("E0483", "this constraint cannot be made hard")
                .at(span, "only inequalities hold or do not")
                .help("what is equal exactly is one variable, not two; `--scale NAME=0.1` makes an equality stricter"))
        }
        Formula::Not(inner) => Ok(truth(Operation::Not, vec![condition(inner, span)?])),
        Formula::And(both) | Formula::Or(both) => {
            let operation = match formula {
                Formula::And(_) => Operation::And,
                _ => Operation::Or,
            };
            let sides = vec![condition(&both.0, span)?, condition(&both.1, span)?];
            Ok(truth(operation, sides))
        }
    }
}
