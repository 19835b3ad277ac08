//! Arrays that are computed when read. An array expression is a scalar expression over placeholder indices; reading an
//! element substitutes the indices. So `a + b * x` over N elements costs no storage and no loop of its own: the loop of
//! whoever reads it does the work once. What is stored already is described by its place, so that dense algebra can use
//! it without a copy.

use std::collections::HashMap;
use std::rc::Rc;

use super::loops::{Array, ArrayId, ArrayKind, Binder, IndexId, Node, Place, Scalar};
use crate::check::hir::Element;
use crate::math::primitive::Operation;
use crate::source::Span;

/// A value of the language while it is expanded.
#[derive(Debug, Clone)]
pub enum Value {
    /// One number.
    Scalar(Scalar),
    /// Many.
    Array(Pull),
}

/// An array whose elements are expressions.
#[derive(Debug, Clone)]
pub struct Pull {
    /// The element type.
    pub element: Element,
    /// The length of each index position.
    pub shape: Vec<usize>,
    /// Where the elements come from.
    pub body: Body,
}

/// Where the elements of a [`Pull`] come from.
#[derive(Debug, Clone)]
pub enum Body {
    /// They are stored.
    Stored(Place),
    /// A scalar over one placeholder per index position; the placeholders take values from 1.
    Lambda(Vec<IndexId>, Scalar),
}

impl Pull {
    /// A stored array, whole.
    pub fn stored(element: Element, shape: Vec<usize>, array: ArrayId) -> Self {
        Pull {
            element,
            shape,
            body: Body::Stored(Place {
                array,
                prefix: Vec::new(),
            }),
        }
    }

    /// The element at `indices`, one scalar (from 1) per index position.
    pub fn at(&self, arrays: &[Array], indices: &[Scalar], span: Span) -> Scalar {
        debug_assert_eq!(indices.len(), self.shape.len());
        match &self.body {
            Body::Stored(place) => {
                let indices = place.prefix.iter().chain(indices).cloned().collect();
                let value = element(arrays, place.array, indices, span);
                if self.element == Element::Bool {
                    truth(value)
                } else {
                    value
                }
            }
            Body::Lambda(placeholders, body) => {
                let map = placeholders
                    .iter()
                    .copied()
                    .zip(indices.iter().cloned())
                    .collect();
                substitute(arrays, body, &map)
            }
        }
    }

    /// Number of elements.
    pub fn length(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of index positions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }
}

impl Value {
    /// The shape: empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        match self {
            Value::Scalar(_) => &[],
            Value::Array(pull) => &pull.shape,
        }
    }
}

/// A truth that is stored as 1 or 0.
pub fn truth(stored: Scalar) -> Scalar {
    let is_real = matches!(&*stored.0, Node::Real(_));
    let (operation, one) = if is_real {
        (Operation::Equal, Scalar::real(1.0))
    } else {
        (Operation::IntEqual, Scalar::int(1))
    };
    Scalar::operation(operation, vec![stored, one])
}

/// An element of an array; of known numbers at a known index, the number. Indices out of range are left for the check of
/// the finished loops, which can say which round of which loop they belong to.
pub fn element(arrays: &[Array], array: ArrayId, indices: Vec<Scalar>, span: Span) -> Scalar {
    let known = || {
        let entry = &arrays[array.0 as usize];
        let mut position = 0;
        for (scalar, &length) in indices.iter().zip(&entry.shape) {
            let index = usize::try_from(scalar.as_int()?).ok()?.checked_sub(1)?;
            if index >= length {
                return None;
            }
            position = position * length + index;
        }
        match &entry.kind {
            ArrayKind::Real(data) => Some(Scalar::real(data[position])),
            ArrayKind::Int(data) => Some(Scalar::int(data[position])),
            _ => None,
        }
    };
    known().unwrap_or_else(|| {
        Scalar(Rc::new(Node::Element {
            array,
            indices,
            span,
        }))
    })
}

/// Replaces indices by scalars. Binders inside are never captured, because every binder has an index of its own.
pub fn substitute(arrays: &[Array], scalar: &Scalar, map: &HashMap<IndexId, Scalar>) -> Scalar {
    Substitution {
        arrays,
        map,
        done: HashMap::new(),
    }
    .apply(scalar)
}

struct Substitution<'a> {
    arrays: &'a [Array],
    map: &'a HashMap<IndexId, Scalar>,
    done: HashMap<*const Node, Scalar>,
}

impl Substitution<'_> {
    fn apply(&mut self, scalar: &Scalar) -> Scalar {
        let key = Rc::as_ptr(&scalar.0);
        if let Some(done) = self.done.get(&key) {
            return done.clone();
        }
        let result = self.rebuild(scalar);
        self.done.insert(key, result.clone());
        result
    }

    fn all(&mut self, scalars: &[Scalar]) -> Option<Vec<Scalar>> {
        let new: Vec<Scalar> = scalars.iter().map(|scalar| self.apply(scalar)).collect();
        let changed = new
            .iter()
            .zip(scalars)
            .any(|(a, b)| !Rc::ptr_eq(&a.0, &b.0));
        changed.then_some(new)
    }

    /// Unchanged parts stay shared, which keeps common subexpressions common.
    fn rebuild(&mut self, scalar: &Scalar) -> Scalar {
        let new = match &*scalar.0 {
            Node::Real(_) | Node::Int(_) | Node::Bool(_) => None,
            Node::Index(index) => self.map.get(index).cloned(),
            Node::Element {
                array,
                indices,
                span,
            } => self
                .all(indices)
                .map(|indices| element(self.arrays, *array, indices, *span)),
            Node::Operation {
                operation,
                arguments,
            } => self
                .all(arguments)
                .map(|arguments| Scalar::operation(*operation, arguments)),
            Node::Draw { draw, arguments } => self.all(arguments).map(|arguments| {
                Scalar(Rc::new(Node::Draw {
                    draw: *draw,
                    arguments,
                }))
            }),
            Node::If {
                condition,
                then,
                otherwise,
            } => self
                .all(&[condition.clone(), then.clone(), otherwise.clone()])
                .map(|parts| Scalar::choose(parts[0].clone(), parts[1].clone(), parts[2].clone())),
            Node::Reduce {
                reducer,
                binders,
                body,
            } => {
                let mut parts: Vec<Scalar> = binders
                    .iter()
                    .flat_map(|b| [b.lower.clone(), b.upper.clone()])
                    .collect();
                parts.push(body.clone());
                self.all(&parts).map(|parts| {
                    let binders = binders
                        .iter()
                        .enumerate()
                        .map(|(i, b)| Binder {
                            index: b.index,
                            lower: parts[2 * i].clone(),
                            upper: parts[2 * i + 1].clone(),
                        })
                        .collect();
                    let body = parts[parts.len() - 1].clone();
                    Scalar(Rc::new(Node::Reduce {
                        reducer: *reducer,
                        binders,
                        body,
                    }))
                })
            }
        };
        new.unwrap_or_else(|| scalar.clone())
    }
}
