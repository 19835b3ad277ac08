//! How many elements each statement draws, for the list of roles. Loops whose ranges are plain numbers are multiplied,
//! not run.

use std::collections::HashMap;

use super::fold::{FoldError, Interpreter, is_data_only, rounds};
use super::loops::{ArrayId, Loops, Statement};
use crate::source::Span;

/// Elements drawn by the statement at a place, of each variable. `None` where data alone do not tell.
pub fn draws(loops: &Loops) -> Option<HashMap<(ArrayId, Span), usize>> {
    let mut counts = HashMap::new();
    let mut interpreter = Interpreter::new(loops);
    count(loops, &loops.statements, 1, &mut interpreter, &mut counts).ok()?;
    Some(counts)
}

fn count(
    loops: &Loops,
    statements: &[Statement],
    times: usize,
    interpreter: &mut Interpreter,
    counts: &mut HashMap<(ArrayId, Span), usize>,
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
                    _ if draws_anything(body) => {
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
                *counts
                    .entry((random.variable, random.density.span))
                    .or_default() += times * random.support.size();
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

fn draws_anything(statements: &[Statement]) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::For { body, .. } => draws_anything(body),
        Statement::If {
            then, otherwise, ..
        } => draws_anything(then) || draws_anything(otherwise),
        Statement::Random(_) => true,
        _ => false,
    })
}
