//! Scalar expressions: the values that statements of the loops form compute. What is known is computed as it is built.

use std::collections::HashSet;
use std::rc::Rc;

use super::{ArrayId, Binder, IndexId};
use crate::check::hir::Reducer;
use crate::math::primitive::{Draw, Operation};
use crate::source::Span;

/// A scalar expression; cheap to clone, shared where it occurs more than once.
#[derive(Debug, Clone)]
pub struct Scalar(pub Rc<Node>);

/// What a [`Scalar`] is.
#[derive(Debug)]
pub enum Node {
    /// A known real.
    Real(f64),
    /// A known int.
    Int(i64),
    /// A known bool.
    Bool(bool),
    /// The index of an enclosing loop.
    Index(IndexId),
    /// An element of an array; indices from 1.
    Element {
        array: ArrayId,
        indices: Vec<Scalar>,
        span: Span,
    },
    /// A primitive.
    Operation {
        operation: Operation,
        arguments: Vec<Scalar>,
    },
    /// One number of many.
    Reduce {
        reducer: Reducer,
        binders: Vec<Binder>,
        body: Scalar,
    },
    /// A choice.
    If {
        condition: Scalar,
        then: Scalar,
        otherwise: Scalar,
    },
    /// A random number.
    Draw { draw: Draw, arguments: Vec<Scalar> },
}

/// The largest magnitude below which every whole number is exact: 2⁵³.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Whether an operation on ints has a result: no division by zero, nothing too large to be exact.
pub fn has_value(operation: Operation, arguments: &[f64]) -> bool {
    use crate::math::graph::Type;
    if operation.entry().result != Type::Int {
        return true;
    }
    let divides = matches!(operation, Operation::IntDivide | Operation::IntRemainder);
    !(divides && arguments[1] == 0.0)
        && (operation.entry().evaluate)(arguments).abs() <= LARGEST_EXACT
}

impl Scalar {
    /// A known real.
    pub fn real(value: f64) -> Self {
        Scalar(Rc::new(Node::Real(value)))
    }

    /// A known int.
    pub fn int(value: i64) -> Self {
        Scalar(Rc::new(Node::Int(value)))
    }

    /// A known bool.
    pub fn bool(value: bool) -> Self {
        Scalar(Rc::new(Node::Bool(value)))
    }

    /// The index of a loop.
    pub fn index(index: IndexId) -> Self {
        Scalar(Rc::new(Node::Index(index)))
    }

    /// An operation, computed at once when all arguments are known.
    pub fn operation(operation: Operation, arguments: Vec<Scalar>) -> Self {
        use crate::math::graph::Type;
        let numbers: Option<Vec<f64>> = arguments.iter().map(Scalar::as_number).collect();
        match numbers {
            Some(numbers) if has_value(operation, &numbers) => {
                let value = (operation.entry().evaluate)(&numbers);
                match operation.entry().result {
                    Type::Real => Scalar::real(value),
                    Type::Int => Scalar::int(value as i64),
                    Type::Bool => Scalar::bool(value != 0.0),
                }
            }
            _ => Scalar(Rc::new(Node::Operation {
                operation,
                arguments,
            })),
        }
    }

    /// a and b
    pub fn and(self, other: Scalar) -> Self {
        match (&*self.0, &*other.0) {
            (Node::Bool(true), _) => other,
            (_, Node::Bool(true)) => self,
            _ => Scalar::operation(Operation::And, vec![self, other]),
        }
    }

    /// A choice, made at once when the condition is known.
    pub fn choose(condition: Scalar, then: Scalar, otherwise: Scalar) -> Self {
        match &*condition.0 {
            Node::Bool(true) => then,
            Node::Bool(false) => otherwise,
            _ => Scalar(Rc::new(Node::If {
                condition,
                then,
                otherwise,
            })),
        }
    }

    /// The number it is, if known; bools are 0 and 1.
    pub fn as_number(&self) -> Option<f64> {
        match &*self.0 {
            Node::Real(value) => Some(*value),
            Node::Int(value) => Some(*value as f64),
            Node::Bool(value) => Some(f64::from(*value)),
            _ => None,
        }
    }

    /// The int it is, if known.
    pub fn as_int(&self) -> Option<i64> {
        match &*self.0 {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The bool it is, if known.
    pub fn as_bool(&self) -> Option<bool> {
        match &*self.0 {
            Node::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Calls `visit` on the scalars one level below.
    pub fn children(&self, visit: &mut dyn FnMut(&Scalar)) {
        match &*self.0 {
            Node::Real(_) | Node::Int(_) | Node::Bool(_) | Node::Index(_) => {}
            Node::Element { indices, .. } => indices.iter().for_each(visit),
            Node::Operation { arguments, .. } | Node::Draw { arguments, .. } => {
                arguments.iter().for_each(visit)
            }
            Node::Reduce { binders, body, .. } => {
                for binder in binders {
                    visit(&binder.lower);
                    visit(&binder.upper);
                }
                visit(body);
            }
            Node::If {
                condition,
                then,
                otherwise,
            } => {
                visit(condition);
                visit(then);
                visit(otherwise);
            }
        }
    }

    /// Calls `visit` once on this node and every node below it.
    pub fn walk(&self, visit: &mut dyn FnMut(&Scalar)) {
        let mut visited = HashSet::new();
        let mut stack = vec![self.clone()];
        while let Some(scalar) = stack.pop() {
            if visited.insert(Rc::as_ptr(&scalar.0)) {
                visit(&scalar);
                scalar.children(&mut |child| stack.push(child.clone()));
            }
        }
    }
}

/// Whether a scalar is the number zero.
pub fn is_zero(scalar: &Scalar) -> bool {
    scalar.as_number() == Some(0.0)
}
