//! Draws of what was summed out, from their joint law given all else: elements are drawn in the opposite of the order in
//! which they were removed, each from its conditional law given its neighbours of that moment, which are drawn already.
//! Along a chain this is forward filtering and backward sampling.

use super::super::loops::{Binder, Node, Scalar, Statement};
use super::emit::{Emitter, element, loops_around, position, reduce, shifted};
use super::order::{Elimination, Run};
use crate::check::hir::Reducer;
use crate::math::primitive::{Draw, Operation};
use std::rc::Rc;

/// The statements that draw the elements of an elimination, whose messages are `pools`.
pub(super) fn recover(
    emitter: &mut Emitter,
    elimination: &Elimination,
    runs: &[Run],
    pools: &[super::super::loops::ArrayId],
) -> Vec<Statement> {
    let mut statements = Vec::new();
    for run in runs.iter().rev() {
        let count = run.steps.len();
        let round = (count > 1).then(|| emitter.binder("step", 1, count as i64));
        // From the last step to the first: each may need what a later one drew.
        let number = match &round {
            Some(round) => Scalar::operation(
                Operation::IntSubtract,
                vec![Scalar::int(count as i64 + 1), Scalar::index(round.index)],
            ),
            None => Scalar::int(1),
        };
        let steps: Vec<_> = run
            .steps
            .iter()
            .map(|step| &elimination.steps[*step])
            .collect();
        let mut neighbours = Vec::new();
        for k in 0..run.class.neighbours.len() {
            let others: Vec<_> = steps.iter().map(|step| step.neighbours[k]).collect();
            neighbours.push(drawn(emitter, &others, &number));
        }
        let own: Vec<_> = steps.iter().map(|step| step.element).collect();
        let (array, indices) = emitter.indices_of(&own, &number);
        let body = match run.class.values.count {
            1 => vec![Statement::Store {
                array,
                indices,
                value: Scalar::int(run.class.values.lower),
            }],
            _ => {
                let frame = emitter.frame(run, elimination, number, neighbours);
                let total = emitter.total(&frame, pools);
                let (mut body, value) = categorical(
                    emitter,
                    &frame.value,
                    run.class.values,
                    &frame.number,
                    count,
                    total,
                );
                body.push(Statement::Store {
                    array,
                    indices,
                    value,
                });
                body
            }
        };
        statements.extend(loops_around(body, round.into_iter().collect()));
    }
    statements
}

/// The drawn values of elements, which may lie in several arrays.
fn drawn(emitter: &mut Emitter, elements: &[super::ground::ElementId], number: &Scalar) -> Scalar {
    let array_of = |emitter: &Emitter, element| emitter.elements.place(element).0;
    let first = array_of(emitter, elements[0]);
    if elements
        .iter()
        .all(|element| array_of(emitter, *element) == first)
    {
        let (array, indices) = emitter.indices_of(elements, number);
        return element(array, indices);
    }
    // Steps of one class can have neighbours in different arrays: a choice for each.
    let mut arrays: Vec<_> = elements
        .iter()
        .map(|element| array_of(emitter, *element))
        .collect();
    let which: Vec<i64> = arrays.iter().map(|array| i64::from(array.0)).collect();
    arrays.sort();
    arrays.dedup();
    let chosen = emitter.pick("array", &which, number);
    let mut value: Option<Scalar> = None;
    for array in arrays {
        let inside = *elements
            .iter()
            .find(|element| array_of(emitter, **element) == array)
            .expect("the array was taken from them");
        let stand_in: Vec<_> = elements
            .iter()
            .map(|element| match array_of(emitter, *element) == array {
                true => *element,
                false => inside,
            })
            .collect();
        let (_, indices) = emitter.indices_of(&stand_in, number);
        let here = element(array, indices);
        value = Some(match value {
            None => here,
            Some(other) => {
                let is_here = Scalar::operation(
                    Operation::IntEqual,
                    vec![chosen.clone(), Scalar::int(i64::from(array.0))],
                );
                Scalar::choose(is_here, here, other)
            }
        });
    }
    value.expect("there is at least one array")
}

/// A draw from probabilities proportional to exp(total): the first value whose cumulated probability reaches a uniform
/// number.
fn categorical(
    emitter: &mut Emitter,
    over: &Binder,
    values: super::ground::Values,
    number: &Scalar,
    count: usize,
    total: Scalar,
) -> (Vec<Statement>, Scalar) {
    let span = Default::default();
    let logits = emitter.array("logits", vec![values.count, count], span);
    let reached = emitter.array("cumulated", vec![values.count, count], span);
    let uniform = emitter.array("uniform", vec![count], span);
    let last = values.lower + values.count as i64 - 1;
    let at = |array, value: &Scalar| element(array, vec![position(value, values), number.clone()]);
    let value = Scalar::index(over.index);
    let store = |array, value: &Scalar, number: &Scalar, what| Statement::Store {
        array,
        indices: vec![position(value, values), number.clone()],
        value: what,
    };
    let mut body = vec![Statement::For {
        binder: over.clone(),
        body: vec![store(logits, &value, number, total)],
    }];
    let other = emitter.binder("value", values.lower, last);
    let largest = reduce(
        Reducer::Maximum,
        other.clone(),
        at(logits, &Scalar::index(other.index)),
    );
    let weight = |value: &Scalar| {
        let below = Scalar::operation(
            Operation::Subtract,
            vec![at(logits, value), largest.clone()],
        );
        Scalar::operation(Operation::Exponential, vec![below])
    };
    let first = Scalar::int(values.lower);
    body.push(store(reached, &first, number, weight(&first)));
    let next = emitter.binder("value", values.lower + 1, last);
    let value = Scalar::index(next.index);
    let before = shifted(&value, -1);
    let so_far = Scalar::operation(Operation::Add, vec![at(reached, &before), weight(&value)]);
    body.push(Statement::For {
        binder: next,
        body: vec![store(reached, &value, number, so_far)],
    });
    body.push(Statement::Store {
        array: uniform,
        indices: vec![number.clone()],
        value: Scalar(Rc::new(Node::Draw {
            draw: Draw::Uniform,
            arguments: Vec::new(),
        })),
    });
    let threshold = Scalar::operation(
        Operation::Multiply,
        vec![
            element(uniform, vec![number.clone()]),
            at(reached, &Scalar::int(last)),
        ],
    );
    let passed = emitter.binder("value", values.lower, last - 1);
    let is_below = Scalar::operation(
        Operation::Less,
        vec![at(reached, &Scalar::index(passed.index)), threshold],
    );
    let one = Scalar::choose(is_below, Scalar::real(1.0), Scalar::real(0.0));
    let above = reduce(Reducer::Sum, passed, one);
    let drawn = Scalar::operation(
        Operation::Add,
        vec![Scalar::real(values.lower as f64), above],
    );
    (body, drawn)
}
