//! Which arrays a graph needs: found backward from what the graph is for, so that reports cost the density nothing.

use std::collections::HashSet;

use super::lower::Mode;
use crate::data::fold::dense_inputs;
use crate::data::loops::{
    ArrayId, ArrayKind, Loops, Node, Random, Role, Scalar, Statement, walk_bijection,
    walk_statements, walk_term,
};
use crate::math::graph::Part;

/// What is needed of a random variable's statement.
pub(super) struct Wanted {
    pub(super) density: bool,
    pub(super) sample: bool,
    pub(super) support: bool,
}

/// What a graph needs of a random variable's statement; `None` if nothing.
pub(super) fn wanted(loops: &Loops, random: &Random, mode: Mode) -> Option<Wanted> {
    let inferred = matches!(
        loops.array(random.variable).kind,
        ArrayKind::Random(Role::Inferred)
    );
    match mode {
        Mode::Density | Mode::Pointwise | Mode::Rows if random.observed => Some(Wanted {
            density: true,
            sample: false,
            support: false,
        }),
        Mode::Density if inferred => Some(Wanted {
            density: true,
            sample: false,
            support: true,
        }),
        Mode::Start if inferred => Some(Wanted {
            density: false,
            sample: true,
            support: true,
        }),
        Mode::Outputs | Mode::Rows if inferred => Some(Wanted {
            density: false,
            sample: false,
            support: true,
        }),
        Mode::Outputs | Mode::Predict | Mode::Simulate if !random.observed && !inferred => {
            Some(Wanted {
                density: false,
                sample: true,
                support: false,
            })
        }
        Mode::Unconstrain if inferred => Some(Wanted {
            density: false,
            sample: false,
            support: true,
        }),
        Mode::Start if is_summed_out(loops, random) => Some(Wanted {
            density: false,
            sample: true,
            support: false,
        }),
        _ => None,
    }
}

/// Whether a variable is a discrete unknown.
pub(super) fn is_summed_out(loops: &Loops, random: &Random) -> bool {
    matches!(
        loops.array(random.variable).kind,
        ArrayKind::Random(Role::SummedOut)
    )
}

/// The statements that a graph is made of.
pub(super) fn statements_of(loops: &Loops, mode: Mode) -> &[Statement] {
    match mode {
        Mode::Outputs | Mode::Constraints => loops.output_statements(),
        _ => &loops.statements,
    }
}

/// The arrays that a graph reads, directly or through others.
pub(super) fn live(loops: &Loops, mode: Mode) -> HashSet<ArrayId> {
    let mut live = HashSet::new();
    if matches!(mode, Mode::Outputs | Mode::Predict | Mode::Simulate) {
        live.extend(loops.reports.iter().map(|report| report.array));
        live.extend(loops.summed_out.iter().map(|summed| summed.array));
    }
    loop {
        let before = live.len();
        mark(statements_of(loops, mode), loops, mode, &mut live);
        if live.len() == before {
            return live;
        }
    }
}

/// Whether a statement is needed.
pub(super) fn is_live(
    statement: &Statement,
    loops: &Loops,
    mode: Mode,
    live: &HashSet<ArrayId>,
) -> bool {
    match statement {
        Statement::For { body, .. } => body.iter().any(|inner| is_live(inner, loops, mode, live)),
        Statement::If {
            then, otherwise, ..
        } => then
            .iter()
            .chain(otherwise)
            .any(|inner| is_live(inner, loops, mode, live)),
        Statement::Store { array, .. } => live.contains(array),
        Statement::Dense { output, .. } => live.contains(&output.array),
        // A discrete unknown is drawn for a start only if the prior of another unknown needs it.
        Statement::Random(random) if is_summed_out(loops, random) => {
            mode == Mode::Start && live.contains(&random.variable)
        }
        Statement::Random(random) => wanted(loops, random, mode).is_some(),
        Statement::Term(term) => match mode {
            Mode::Density => true,
            Mode::Pointwise | Mode::Rows => term.observation.is_some(),
            Mode::Simulate | Mode::Constraints => matches!(term.part, Part::Soft(_)),
            _ => false,
        },
    }
}

fn mark(statements: &[Statement], loops: &Loops, mode: Mode, live: &mut HashSet<ArrayId>) {
    for statement in statements.iter().rev() {
        if !is_live(statement, loops, mode, live) {
            continue;
        }
        match statement {
            Statement::For { binder, body } => {
                reads(&binder.lower, live);
                reads(&binder.upper, live);
                mark(body, loops, mode, live);
            }
            Statement::If {
                condition,
                then,
                otherwise,
            } => {
                reads(condition, live);
                mark(then, loops, mode, live);
                mark(otherwise, loops, mode, live);
            }
            Statement::Random(random) => {
                let Some(wanted) = wanted(loops, random, mode) else {
                    continue;
                };
                random.indices.iter().for_each(|index| reads(index, live));
                if wanted.support {
                    walk_bijection(random, &mut |scalar| reads(scalar, live));
                }
                if wanted.density {
                    walk_term(&random.density, &mut |scalar| reads(scalar, live));
                    statements_read(&random.density.statements, live);
                }
                if let (true, Some(sample)) = (wanted.sample, &random.sample) {
                    statements_read(sample, live);
                }
            }
            Statement::Term(term) => {
                walk_term(term, &mut |scalar| reads(scalar, live));
                statements_read(&term.statements, live);
            }
            other => statements_read(std::slice::from_ref(other), live),
        }
    }
}

/// All arrays that statements read, whatever is needed of them.
pub(super) fn statements_read(statements: &[Statement], live: &mut HashSet<ArrayId>) {
    walk_statements(statements, &mut |scalar| reads(scalar, live));
    dense_inputs(statements, &mut |place| {
        live.insert(place.array);
    });
}

fn reads(scalar: &Scalar, live: &mut HashSet<ArrayId>) {
    scalar.walk(&mut |node| {
        if let Node::Element { array, .. } = &*node.0 {
            live.insert(*array);
        }
    });
}
