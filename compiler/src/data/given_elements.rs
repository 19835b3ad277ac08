//! Elements of data that no statement draws, such as y[1] beside `for t in 2..T { y[t] ~ normal(a * y[t - 1], s) }`: they are
//! given, also where the others are drawn anew. Which they are shows once the program is expanded with all of the data; the
//! others are then taken for missing.

use std::collections::{BTreeSet, HashSet};

use super::bind::{Purpose, bind};
use super::dataset::{Dataset, Entry};
use super::fold::{FoldError, Interpreter, is_data_only};
use super::loops::{ArrayId, Loops, Statement};
use super::missing::filled;
use crate::Coordinates;
use crate::check::hir::{ExpressionKind, Hir, RandomIndex, StatementKind, VariableId};
use crate::check::walk::all_statements;
use crate::source::Sources;

/// The data without the elements that statements draw, of the variables that have others too; `None` if there are none.
pub(super) fn given_elements(
    hir: &Hir,
    sources: &Sources,
    dataset: &Dataset,
    purpose: Purpose,
) -> Option<(Dataset, HashSet<VariableId>)> {
    let held = match purpose {
        Purpose::Posterior(_) => return None,
        Purpose::Prior | Purpose::ConstrainedPrior(_) => HashSet::new(),
        Purpose::Prediction(draws) => draws.held.iter().map(String::as_str).collect(),
    };
    let candidates: Vec<(VariableId, &Entry)> = perhaps_not_all_drawn(hir)
        .into_iter()
        .map(|id| (id, hir.variables[id.0 as usize].name.as_str()))
        .filter(|(_, name)| !held.contains(name))
        .filter_map(|(id, name)| Some((id, dataset.get(name)?)))
        .filter(|(_, entry)| entry.missing_count() < entry.values.len())
        .collect();
    if candidates.is_empty() {
        return None;
    }
    let fill = |data: Dataset, entry: &Entry| data.with(filled(entry));
    let whole = candidates
        .iter()
        .fold(dataset.clone(), |data, (_, entry)| fill(data, entry));
    let as_posterior = Purpose::Posterior(Coordinates::Natural);
    let (bound, diagnostics) = bind(hir, &whole, as_posterior, &HashSet::new());
    if !diagnostics.is_empty() {
        return None;
    }
    let factors = super::labels::factors(hir, &whole);
    let (_, numbers) = super::coordinates::coordinates(hir, &factors).ok()?;
    let program =
        super::expand_program(hir, sources, &whole, &bound, &numbers, as_posterior, true).ok()?;
    let mut interpreter = Interpreter::new(&program.loops);
    let mut found = HashSet::new();
    let mut data = dataset.clone();
    for (id, entry) in candidates {
        let mut missing = vec![false; entry.values.len()];
        let array = *program.arrays.get(&id)?;
        let statements = &program.loops.statements;
        drawn(
            &program.loops,
            statements,
            array,
            &mut interpreter,
            &mut missing,
        )
        .ok()?;
        for (flat, missing) in missing.iter_mut().enumerate() {
            *missing |= entry.is_missing(flat);
        }
        if missing.contains(&false) {
            found.insert(id);
            data = data.with(Entry {
                missing,
                ..entry.clone()
            });
        }
    }
    (!found.is_empty()).then_some((data, found))
}

/// The variables with a statement that draws single elements, or a range that begins after 1.
fn perhaps_not_all_drawn(hir: &Hir) -> BTreeSet<VariableId> {
    let mut found = BTreeSet::new();
    all_statements(&hir.statements, 0, &mut |statement, _| {
        if let StatementKind::Random {
            variable, indices, ..
        } = &statement.kind
        {
            let begins_later = |index: &RandomIndex| match index {
                RandomIndex::At(_) => true,
                RandomIndex::Over { lower, .. } => !matches!(*lower.kind, ExpressionKind::Int(1)),
            };
            if indices.iter().any(begins_later) {
                found.insert(*variable);
            }
        }
    });
    found
}

/// Marks the elements of an array that the statements draw.
fn drawn(
    loops: &Loops,
    statements: &[Statement],
    array: ArrayId,
    interpreter: &mut Interpreter,
    marks: &mut [bool],
) -> Result<(), FoldError> {
    for statement in statements {
        match statement {
            Statement::For { binder, body } if draws(body, array) => {
                interpreter.for_each(std::slice::from_ref(binder), &mut |interpreter| {
                    drawn(loops, body, array, interpreter, marks)
                })?;
            }
            Statement::If {
                condition,
                then,
                otherwise,
            } if draws(then, array) || draws(otherwise, array) => {
                let is_known = is_data_only(&loops.arrays, condition);
                let holds = !is_known || interpreter.value(condition)? != 0.0;
                if holds {
                    drawn(loops, then, array, interpreter, marks)?;
                }
                if !holds || !is_known {
                    drawn(loops, otherwise, array, interpreter, marks)?;
                }
            }
            Statement::Random(random) if random.variable == array => {
                let shape = &loops.array(array).shape;
                let mut unit = 0;
                for (index, length) in random.indices.iter().zip(shape) {
                    let index = interpreter.value(index)? as usize;
                    unit = unit * length + index.saturating_sub(1);
                }
                let size: usize = shape[random.indices.len()..].iter().product();
                marks
                    .iter_mut()
                    .skip(unit * size)
                    .take(size)
                    .for_each(|mark| *mark = true);
            }
            _ => {}
        }
    }
    Ok(())
}

fn draws(statements: &[Statement], array: ArrayId) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::For { body, .. } => draws(body, array),
        Statement::If {
            then, otherwise, ..
        } => draws(then, array) || draws(otherwise, array),
        Statement::Random(random) => random.variable == array,
        _ => false,
    })
}
