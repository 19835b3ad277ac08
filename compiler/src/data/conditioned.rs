//! Draws from the prior that heed `within s normalised`. Draws that are kept with probability φ would favour the scales that
//! keep many; here s has its own law and what is compared has its law given s and the constraint. That law is normal, and
//! needs no rejection: with r the residual, V its variance and c, σ² the coefficient and variance of an element under the
//! prior, drawn elements x become x − c σ² (r + s ε) / (V + s²), ε standard normal, as in kriging (Matheron's rule).
//!
//! The scale is drawn first: what it is made of moves before what depends on the variables that are compared.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::dependence::spread;
use super::fold::{dense_inputs, stored_arrays};
use super::loops::{
    Array, ArrayId, ArrayKind, Equality, Loops, Node, Normalised, Random, Scalar, Statement,
    walk_statements,
};
use crate::math::graph::Part;
use crate::math::primitive::{Draw, Operation};
use crate::source::{Diagnostic, Span};

/// Makes the draws heed [`Loops::normalised`].
///
/// # Errors
/// Where one loop draws what the scale is made of and what depends on the variables that are compared.
pub(super) fn condition(loops: &mut Loops) -> Result<(), Diagnostic> {
    for normalised in std::mem::take(&mut loops.normalised) {
        let own = normalised.equality.terms.iter().map(|term| term.array);
        let own: HashSet<ArrayId> = own.collect();
        let after = scale_first(loops, &normalised, &own)?;
        let mut inserted = Vec::new();
        let mut free: HashMap<ArrayId, ArrayId> = HashMap::new();
        let mut statements = std::mem::take(&mut loops.statements);
        for statement in &statements[after..] {
            if let Some(variable) = drawn(statement, &own) {
                let copy = Array {
                    name: format!("{} unconstrained", loops.array(variable).name),
                    kind: ArrayKind::Let,
                    ..loops.array(variable).clone()
                };
                free.insert(variable, new(loops, copy));
                inserted.extend(plain_draws(statement, variable, free[&variable]));
            }
        }
        let span = loops.constraints[normalised.constraint as usize].span;
        let pull = array(
            loops,
            "pull of a constraint",
            Vec::new(),
            ArrayKind::Let,
            span,
        );
        inserted.push(Statement::Store {
            array: pull,
            indices: Vec::new(),
            value: pull_of(&normalised.equality, &normalised.within, &free),
        });
        for statement in &mut statements[after..] {
            if let Some(variable) = drawn(statement, &own) {
                let share = share(loops, variable, &normalised.equality, span);
                move_draws(statement, &mut |random| {
                    let at = |array| element(array, random.indices.clone());
                    let moved =
                        operation(Operation::Multiply, at(share), element(pull, Vec::new()));
                    let value = operation(Operation::Subtract, at(free[&variable]), moved);
                    random.sample = Some(vec![Statement::Store {
                        array: variable,
                        indices: random.indices.clone(),
                        value,
                    }]);
                });
            }
        }
        for statement in &mut statements {
            if let Statement::Term(term) = statement
                && term.part == Part::Soft(normalised.constraint)
            {
                // The draw heeds it; what is left to ask is whether its scale is positive.
                term.value = Scalar::real(0.0);
            }
        }
        statements.splice(after..after, inserted);
        loops.statements = statements;
    }
    Ok(())
}

/// Moves what the scale is made of before what depends on the compared variables; returns how many statements come first.
fn scale_first(
    loops: &mut Loops,
    normalised: &Normalised,
    own: &HashSet<ArrayId>,
) -> Result<usize, Diagnostic> {
    let mut scale = HashSet::new();
    normalised.within.walk(&mut |node| {
        if let Node::Element { array, .. } = &*node.0 {
            scale.insert(*array);
        }
    });
    let stores = |statement: &Statement, arrays: &HashSet<ArrayId>| {
        let mut stored = HashSet::new();
        stored_arrays(std::slice::from_ref(statement), &mut stored);
        !stored.is_disjoint(arrays)
    };
    let last = loops.statements.iter().rposition(|s| stores(s, &scale));
    let rest = loops.statements.split_off(last.map_or(0, |last| last + 1));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut dependent = own.clone();
    for statement in std::mem::take(&mut loops.statements) {
        let one = std::slice::from_ref(&statement);
        if !stores(&statement, &dependent) && !reads(&statement, &dependent) {
            before.push(statement);
            continue;
        }
        // A branch or a loop moves as a whole, with everything that it stores.
        spread(one, &mut dependent);
        stored_arrays(one, &mut dependent);
        after.push(statement);
    }
    let count = before.len();
    let is_torn = after.iter().any(|statement| stores(statement, &scale));
    loops.statements = before;
    loops.statements.extend(after);
    loops.statements.extend(rest);
    if is_torn {
        let constraint = &loops.constraints[normalised.constraint as usize];
        return Err(Diagnostic::error(
            "E0484",
            "this constraint cannot be simulated: what its scale is made of cannot be drawn first",
        )
        .at(
            constraint.span,
            "a loop draws it together with what depends on the variables that are compared",
        )
        .help("write two loops: one that draws what the scale is made of, then one for the rest"));
    }
    Ok(count)
}

fn reads(statement: &Statement, arrays: &HashSet<ArrayId>) -> bool {
    let mut found = false;
    walk_statements(std::slice::from_ref(statement), &mut |scalar| {
        found = found || super::dependence::reads_any(scalar, arrays);
    });
    dense_inputs(std::slice::from_ref(statement), &mut |place| {
        found = found || arrays.contains(&place.array);
    });
    found
}

/// The variable among `own` that a statement draws.
fn drawn(statement: &Statement, own: &HashSet<ArrayId>) -> Option<ArrayId> {
    match statement {
        Statement::For { body, .. } => body.iter().find_map(|inner| drawn(inner, own)),
        Statement::Random(random) => Some(random.variable).filter(|id| own.contains(id)),
        _ => None,
    }
}

/// The draws of a variable as they would be without the constraint, kept in another array.
fn plain_draws(statement: &Statement, variable: ArrayId, into: ArrayId) -> Vec<Statement> {
    match statement {
        Statement::For { binder, body } => vec![Statement::For {
            binder: binder.clone(),
            body: body
                .iter()
                .flat_map(|inner| plain_draws(inner, variable, into))
                .collect(),
        }],
        Statement::Random(random) if random.variable == variable => {
            let mut sample = random.sample.clone().unwrap_or_default();
            for statement in &mut sample {
                if let Statement::Store { array, .. } = statement
                    && *array == variable
                {
                    *array = into;
                }
            }
            sample
        }
        other => vec![other.clone()],
    }
}

fn move_draws(statement: &mut Statement, change: &mut dyn FnMut(&mut Random)) {
    match statement {
        Statement::For { body, .. } => body.retain_mut(|inner| {
            move_draws(inner, change);
            // What the draws needed stands before them, with those.
            matches!(inner, Statement::For { .. } | Statement::Random(_))
        }),
        Statement::Random(random) => change(random),
        _ => {}
    }
}

/// (r + s ε) / (V + s²) at the draws without the constraint.
fn pull_of(equality: &Equality, within: &Scalar, free: &HashMap<ArrayId, ArrayId>) -> Scalar {
    let noise = Scalar(Rc::new(Node::Draw {
        draw: Draw::Normal,
        arguments: Vec::new(),
    }));
    let mut residual = Scalar::real(equality.constant);
    for term in &equality.terms {
        let indices = term.indices.iter().map(|&index| Scalar::int(index));
        let value = element(free[&term.array], indices.collect());
        let value = operation(Operation::Multiply, Scalar::real(term.coefficient), value);
        residual = operation(Operation::Add, residual, value);
    }
    let noise = operation(Operation::Multiply, within.clone(), noise);
    let square = operation(Operation::Multiply, within.clone(), within.clone());
    let total = operation(Operation::Add, Scalar::real(equality.variance), square);
    operation(
        Operation::Divide,
        operation(Operation::Add, residual, noise),
        total,
    )
}

/// c σ² of each element of a variable, as data.
fn share(loops: &mut Loops, variable: ArrayId, equality: &Equality, span: Span) -> ArrayId {
    let shape = loops.array(variable).shape.clone();
    let mut values = vec![0.0; shape.iter().product()];
    for term in equality.terms.iter().filter(|term| term.array == variable) {
        let places = term.indices.iter().zip(&shape);
        let flat = places.fold(0, |flat, (&index, length)| {
            flat * length + index as usize - 1
        });
        values[flat] = term.coefficient * term.sd * term.sd;
    }
    array(
        loops,
        "share of a constraint",
        shape,
        ArrayKind::Real(values.into()),
        span,
    )
}

fn array(loops: &mut Loops, name: &str, shape: Vec<usize>, kind: ArrayKind, span: Span) -> ArrayId {
    let name = name.to_owned();
    new(
        loops,
        Array {
            name,
            shape,
            kind,
            span,
        },
    )
}

fn new(loops: &mut Loops, array: Array) -> ArrayId {
    loops.arrays.push(array);
    ArrayId(loops.arrays.len() as u32 - 1)
}

fn element(array: ArrayId, indices: Vec<Scalar>) -> Scalar {
    let span = Span::default();
    Scalar(Rc::new(Node::Element {
        array,
        indices,
        span,
    }))
}

fn operation(operation: Operation, left: Scalar, right: Scalar) -> Scalar {
    Scalar::operation(operation, vec![left, right])
}
