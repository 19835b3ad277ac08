//! A scalar with the discrete unknowns in it replaced: what it reads of them becomes the value index of a slot, and what it
//! reads of values computed from them is put in place. Reductions over discrete unknowns are written out.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::super::fold::is_data_only;
use super::super::loops::{ArrayId, Binder, IndexId, Node, Scalar};
use super::super::pull::{element, substitute};
use super::factors::{Finder, Resolved, Slot, Stop, new_index};
use crate::check::hir::Reducer;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

/// A reduction over at most so many discrete unknowns is written out.
pub(super) const MOST_TERMS: i64 = 64;

/// The message for more.
pub(super) fn too_many_terms(count: i64) -> Diagnostic {
    Diagnostic::error(
        "E0505",
        format!("this couples {count} discrete unknowns with each other"),
    )
    .help("a sum over all their combinations is too large: let each part of the model depend on a few of them")
}

impl Finder<'_> {
    /// The slot of an element of a discrete unknown.
    pub(super) fn slot(
        &mut self,
        array: ArrayId,
        indices: Vec<Scalar>,
        span: Span,
    ) -> Resolved<usize> {
        for index in &indices {
            let mut bad = None;
            index.walk(&mut |node| {
                if let Node::Index(id) = &*node.0
                    && self.inner.contains(id)
                {
                    bad = Some(*id);
                }
            });
            if let Some(id) = bad {
                return Err(Stop::WriteOut(id));
            }
            let values: HashSet<IndexId> = self.slots.iter().map(|slot| slot.value).collect();
            let mut unknown = !is_data_only(&self.loops.arrays, index);
            index.walk(&mut |node| {
                if let Node::Index(id) = &*node.0 {
                    unknown |= values.contains(id);
                }
            });
            if unknown {
                let name = &self.loops.array(array).name;
                return Err(Diagnostic::error(
                    "E0504",
                    format!("which element of `{name}` this is depends on something unknown"),
                )
                .at(span, "the index is not known when the data are")
                .help("index discrete unknowns by data and loop indices, or use `if` for each case")
                .into());
            }
        }
        let known = self
            .slots
            .iter()
            .position(|slot| slot.array == array && same_all(&slot.indices, &indices));
        if let Some(known) = known {
            return Ok(known);
        }
        let range = self.ranges.of(
            &self.loops.arrays,
            &Scalar(Rc::new(Node::Element {
                array,
                indices: indices.clone(),
                span,
            })),
        );
        let name = self.loops.array(array).name.clone();
        let value = new_index(
            self.loops,
            self.ranges,
            &name,
            range.low as i64,
            range.high as i64,
        );
        self.slots.push(Slot {
            array,
            indices,
            value,
        });
        Ok(self.slots.len() - 1)
    }

    pub(super) fn resolve(&mut self, scalar: &Scalar) -> Resolved<Scalar> {
        let key = Rc::as_ptr(&scalar.0);
        if let Some((_, known)) = self.memo.get(&key) {
            return Ok(known.clone());
        }
        let result = match self.reads(scalar) {
            true => self.rebuild(scalar)?,
            false => scalar.clone(),
        };
        self.memo.insert(key, (scalar.clone(), result.clone()));
        Ok(result)
    }

    /// Whether a scalar reads a discrete unknown, directly or through what is computed from it, or a number of the round; each
    /// node is asked once.
    fn reads(&mut self, scalar: &Scalar) -> bool {
        let key = Rc::as_ptr(&scalar.0);
        if let Some((_, known)) = self.readers.get(&key) {
            return *known;
        }
        let own = match &*scalar.0 {
            Node::Element { array, .. } => {
                self.taint.tainted.contains(array) || self.definitions.contains_key(array)
            }
            _ => false,
        };
        let mut found = own;
        if !found {
            scalar.children(&mut |child| found = found || self.reads(child));
        }
        self.readers.insert(key, (scalar.clone(), found));
        found
    }

    pub(super) fn resolve_all(&mut self, scalars: &[Scalar]) -> Resolved<Vec<Scalar>> {
        scalars.iter().map(|scalar| self.resolve(scalar)).collect()
    }

    pub(super) fn rebuild(&mut self, scalar: &Scalar) -> Resolved<Scalar> {
        Ok(match &*scalar.0 {
            Node::Real(_) | Node::Int(_) | Node::Bool(_) | Node::Index(_) => scalar.clone(),
            Node::Element {
                array,
                indices,
                span,
            } => {
                let indices = self.resolve_all(indices)?;
                if self.taint.discrete.contains(array) {
                    let slot = self.slot(*array, indices, *span)?;
                    Scalar::index(self.slots[slot].value)
                } else if self.taint.tainted.contains(array) || self.definitions.contains_key(array)
                {
                    self.read(*array, indices, *span)?
                } else {
                    element(&self.loops.arrays, *array, indices, *span)
                }
            }
            Node::Operation {
                operation,
                arguments,
            } => Scalar::operation(*operation, self.resolve_all(arguments)?),
            Node::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.resolve(condition)?;
                // A choice that data make says which unknowns are read at all.
                let condition = match self.decided(condition.clone()) {
                    Err(Stop::WriteOut(_)) => condition,
                    decided => decided?,
                };
                match condition.as_bool() {
                    Some(true) => self.resolve(then)?,
                    Some(false) => self.resolve(otherwise)?,
                    None => {
                        let then = self.resolve(then)?;
                        Scalar::choose(condition, then, self.resolve(otherwise)?)
                    }
                }
            }
            Node::Reduce {
                reducer,
                binders,
                body,
            } => self.reduce(*reducer, binders, body)?,
            Node::Draw { .. } => unreachable!("a density draws nothing"),
        })
    }

    /// A reduction; written out when its index picks discrete unknowns.
    pub(super) fn reduce(
        &mut self,
        reducer: Reducer,
        binders: &[Binder],
        body: &Scalar,
    ) -> Resolved<Scalar> {
        let mut resolved = Vec::new();
        for binder in binders {
            resolved.push(Binder {
                index: binder.index,
                lower: self.resolve(&binder.lower)?,
                upper: self.resolve(&binder.upper)?,
            });
        }
        let (slots, depth) = (self.slots.len(), self.inner.len());
        self.inner
            .extend(resolved.iter().map(|binder| binder.index));
        let result = self.resolve(body);
        self.inner.truncate(depth);
        match result {
            Ok(body) => Ok(Scalar(Rc::new(Node::Reduce {
                reducer,
                binders: resolved,
                body,
            }))),
            Err(Stop::WriteOut(index)) if resolved.iter().any(|b| b.index == index) => {
                // What the attempt found belongs to no element.
                self.slots.truncate(slots);
                self.memo.clear();
                self.dense.clear();
                let mut terms = Vec::new();
                self.write_out(&resolved, body, &mut terms)?;
                Ok(combine(reducer, terms))
            }
            Err(stop) => Err(stop),
        }
    }

    pub(super) fn write_out(
        &mut self,
        binders: &[Binder],
        body: &Scalar,
        terms: &mut Vec<Scalar>,
    ) -> Resolved<()> {
        let Some((first, rest)) = binders.split_first() else {
            let term = self.resolve(body)?;
            terms.push(term);
            return Ok(());
        };
        let (Some(lower), Some(upper)) = (first.lower.as_int(), first.upper.as_int()) else {
            return Err(Stop::WriteOut(first.index));
        };
        if upper - lower >= MOST_TERMS || terms.len() as i64 >= MOST_TERMS {
            return Err(too_many_terms(upper - lower + 1).into());
        }
        for i in lower..=upper {
            let map = HashMap::from([(first.index, Scalar::int(i))]);
            let place = |scalar: &Scalar| substitute(&self.loops.arrays, scalar, &map);
            let body = place(body);
            let rest: Vec<Binder> = rest
                .iter()
                .map(|binder| Binder {
                    index: binder.index,
                    lower: place(&binder.lower),
                    upper: place(&binder.upper),
                })
                .collect();
            self.write_out(&rest, &body, terms)?;
        }
        Ok(())
    }

    /// A condition as far as the present case decides it. One that data decide makes cases, unless it is certain.
    pub(super) fn decided(&self, condition: Scalar) -> Resolved<Scalar> {
        if condition.as_bool().is_some() {
            return Ok(condition);
        }
        if let Some((_, holds)) = self.cases.iter().find(|(known, _)| same(known, &condition)) {
            return Ok(Scalar::bool(*holds));
        }
        let mut inner = None;
        let mut is_valued = false;
        condition.walk(&mut |node| {
            if let Node::Index(id) = &*node.0 {
                if self.inner.contains(id) {
                    inner = Some(*id);
                }
                is_valued |= self.slots.iter().any(|slot| slot.value == *id);
            }
        });
        if is_valued || !is_data_only(&self.loops.arrays, &condition) {
            return Ok(condition);
        }
        Err(match inner {
            Some(id) => Stop::WriteOut(id),
            None => Stop::Cases(condition),
        })
    }
}

pub(super) fn same_all(a: &[Scalar], b: &[Scalar]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

/// Whether two scalars are the same expression.
pub(super) fn same(a: &Scalar, b: &Scalar) -> bool {
    if Rc::ptr_eq(&a.0, &b.0) {
        return true;
    }
    match (&*a.0, &*b.0) {
        (Node::Real(a), Node::Real(b)) => a.to_bits() == b.to_bits(),
        (Node::Int(a), Node::Int(b)) => a == b,
        (Node::Bool(a), Node::Bool(b)) => a == b,
        (Node::Index(a), Node::Index(b)) => a == b,
        (
            Node::Element {
                array: a,
                indices: at,
                ..
            },
            Node::Element {
                array: b,
                indices: bt,
                ..
            },
        ) => a == b && same_all(at, bt),
        (
            Node::Operation {
                operation: a,
                arguments: at,
            },
            Node::Operation {
                operation: b,
                arguments: bt,
            },
        ) => a == b && same_all(at, bt),
        _ => false,
    }
}

/// One number of a few.
fn combine(reducer: Reducer, terms: Vec<Scalar>) -> Scalar {
    let count = terms.len();
    let fold = |terms: Vec<Scalar>, operation, empty: f64| {
        terms
            .into_iter()
            .reduce(|a, b| Scalar::operation(operation, vec![a, b]))
            .unwrap_or(Scalar::real(empty))
    };
    match reducer {
        Reducer::Sum => fold(terms, Operation::Add, 0.0),
        Reducer::Product => fold(terms, Operation::Multiply, 1.0),
        Reducer::Maximum => fold(terms, Operation::Maximum, f64::NEG_INFINITY),
        Reducer::Minimum => fold(terms, Operation::Minimum, f64::INFINITY),
        Reducer::Mean => {
            let sum = fold(terms, Operation::Add, 0.0);
            Scalar::operation(Operation::Divide, vec![sum, Scalar::real(count as f64)])
        }
        Reducer::LogSumExp => {
            let largest = fold(terms.clone(), Operation::Maximum, f64::NEG_INFINITY);
            let terms = terms
                .into_iter()
                .map(|term| {
                    let below = Scalar::operation(Operation::Subtract, vec![term, largest.clone()]);
                    Scalar::operation(Operation::Exponential, vec![below])
                })
                .collect();
            let sum = fold(terms, Operation::Add, 0.0);
            let log = Scalar::operation(Operation::Logarithm, vec![sum]);
            Scalar::operation(Operation::Add, vec![largest, log])
        }
    }
}
