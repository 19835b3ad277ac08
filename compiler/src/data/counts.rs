//! How many elements each statement draws or constrains, for the list of roles. Loops whose ranges are plain numbers are multiplied,
//! not run.

use std::collections::HashMap;

use super::fold::{FoldError, Interpreter, is_data_only, rounds};
use super::loops::{ArrayId, Loops, Statement};
use crate::math::graph::Part;
use crate::source::Span;

/// What is counted.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Elements drawn by the statement at a place, of each variable.
    pub draws: HashMap<(ArrayId, Span), usize>,
    /// Terms of each constraint.
    pub constraints: HashMap<u32, usize>,
}

/// Counts; `None` where data alone do not tell.
pub fn counts(loops: &Loops) -> Option<Counts> {
    let mut counts = Counts::default();
    let mut interpreter = Interpreter::new(loops);
    count(loops, &loops.statements, 1, &mut interpreter, &mut counts).ok()?;
    Some(counts)
}

fn count(
    loops: &Loops,
    statements: &[Statement],
    times: usize,
    interpreter: &mut Interpreter,
    counts: &mut Counts,
) -> Result<(), FoldError> {
    for statement in statements {
        match statement {
            Statement::For { binder, body } => {
                let ends = (binder.lower.as_int(), binder.upper.as_int());
                match ends {
                    (Some(lower), Some(upper)) if is_even(body) => {
                        let times = times * rounds(lower, upper) as usize;
                        count(loops, body, times, interpreter, counts)?;
                    }
                    _ if counts_anything(body) => {
                        interpreter.for_each(std::slice::from_ref(binder), &mut |interpreter| {
                            count(loops, body, times, interpreter, counts)
                        })?;
                    }
                    _ => {}
                }
            }
            Statement::If {
                condition,
                then,
                otherwise,
            } => {
                let is_known = is_data_only(&loops.arrays, condition);
                let holds = !is_known || interpreter.value(condition)? != 0.0;
                if holds {
                    count(loops, then, times, interpreter, counts)?;
                }
                if !holds || !is_known {
                    count(loops, otherwise, times, interpreter, counts)?;
                }
            }
            Statement::Random(random) => {
                let place = (random.variable, random.density.span);
                *counts.draws.entry(place).or_default() += times * random.support.size();
            }
            Statement::Term(term) => {
                // What data alone decide has been checked.
                let is_void = term.value.as_number() == Some(0.0)
                    && (term.domain.iter()).all(|one| is_data_only(&loops.arrays, &one.holds));
                if let Part::Soft(number) = term.part
                    && !is_void
                {
                    *counts.constraints.entry(number).or_default() += times;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether every round draws as much: no choices, and inner loops over plain ranges.
fn is_even(statements: &[Statement]) -> bool {
    statements.iter().all(|statement| match statement {
        Statement::For { binder, body } => {
            binder.lower.as_int().is_some() && binder.upper.as_int().is_some() && is_even(body)
        }
        Statement::If { .. } => false,
        _ => true,
    })
}

fn counts_anything(statements: &[Statement]) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::For { body, .. } => counts_anything(body),
        Statement::If {
            then, otherwise, ..
        } => counts_anything(then) || counts_anything(otherwise),
        Statement::Random(_) => true,
        Statement::Term(term) => matches!(term.part, Part::Soft(_)),
        _ => false,
    })
}
