//! Sums that are known whatever the unknowns are: `w + (1 − w)` is 1. Scalars are read as linear forms over what they
//! are made of.

use std::rc::Rc;

use super::loops::{Node, Scalar};
use crate::math::primitive::Operation;

/// Rounding that does not matter.
const TOLERANCE: f64 = 1e-12;

/// Whether some scalars sum to `total`.
pub fn sum_is(scalars: &[Scalar], total: f64) -> bool {
    let mut form = Form::default();
    scalars.iter().for_each(|scalar| form.add(scalar, 1.0));
    (form.constant - total).abs() <= TOLERANCE
        && form.terms.iter().all(|term| term.1.abs() <= TOLERANCE)
}

#[derive(Default)]
struct Form {
    terms: Vec<(Scalar, f64)>,
    constant: f64,
}

impl Form {
    fn add(&mut self, scalar: &Scalar, factor: f64) {
        if let Some(number) = scalar.as_number() {
            self.constant += factor * number;
            return;
        }
        if let Node::Operation {
            operation,
            arguments,
        } = &*scalar.0
        {
            let number = |i: usize| arguments[i].as_number();
            match operation {
                Operation::Add | Operation::Subtract => {
                    let sign = if *operation == Operation::Add {
                        1.0
                    } else {
                        -1.0
                    };
                    self.add(&arguments[0], factor);
                    return self.add(&arguments[1], sign * factor);
                }
                Operation::Negate => return self.add(&arguments[0], -factor),
                Operation::Multiply if number(0).is_some() => {
                    return self.add(&arguments[1], factor * number(0).unwrap_or(0.0));
                }
                Operation::Multiply if number(1).is_some() => {
                    return self.add(&arguments[0], factor * number(1).unwrap_or(0.0));
                }
                Operation::Divide if number(1).is_some_and(|divisor| divisor != 0.0) => {
                    return self.add(&arguments[0], factor / number(1).unwrap_or(1.0));
                }
                _ => {}
            }
        }
        match self.terms.iter_mut().find(|term| same(&term.0, scalar)) {
            Some(term) => term.1 += factor,
            None => self.terms.push((scalar.clone(), factor)),
        }
    }
}

/// Whether two scalars are certainly equal.
fn same(a: &Scalar, b: &Scalar) -> bool {
    let all =
        |a: &[Scalar], b: &[Scalar]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    if Rc::ptr_eq(&a.0, &b.0) {
        return true;
    }
    match (&*a.0, &*b.0) {
        (Node::Index(a), Node::Index(b)) => a == b,
        (Node::Int(a), Node::Int(b)) => a == b,
        (Node::Real(a), Node::Real(b)) => a == b,
        (
            Node::Element { array, indices, .. },
            Node::Element {
                array: other,
                indices: others,
                ..
            },
        ) => array == other && all(indices, others),
        (
            Node::Operation {
                operation,
                arguments,
            },
            Node::Operation {
                operation: other,
                arguments: others,
            },
        ) => operation == other && all(arguments, others),
        _ => false,
    }
}
