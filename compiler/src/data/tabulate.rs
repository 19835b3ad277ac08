//! Data-only expressions inside loops become tables: what depends on data and loop indices alone is computed once, so
//! that a gradient finds numbers where the model has `log(x[i])` or a count turned into a real. Conditions that data
//! alone decide have been checked and vanish.

use std::collections::HashMap;
use std::rc::Rc;

use super::fold::{Interpreter, free_indices, is_data_only};
use super::loops::{
    Array, ArrayId, ArrayKind, Binder, IndexId, Loops, Node, Scalar, Standard, Statement, Term,
};
use crate::math::graph::Type;
use crate::math::primitive::Operation;

/// A table has at most this many numbers.
const LARGEST: usize = 1 << 22;

/// Replaces data-only expressions by tables and literals.
pub fn tabulate(loops: &mut Loops) {
    let mut statements = std::mem::take(&mut loops.statements);
    let mut outputs = loops.outputs.take();
    let mut tabulator = Tabulator {
        loops,
        open: Vec::new(),
        done: HashMap::new(),
        kept: Vec::new(),
    };
    tabulator.statements(&mut statements);
    if let Some(outputs) = &mut outputs {
        tabulator.statements(outputs);
    }
    loops.statements = statements;
    loops.outputs = outputs;
}

struct Tabulator<'a> {
    loops: &'a mut Loops,
    open: Vec<(IndexId, i64, i64)>,
    done: HashMap<*const Node, Scalar>,
    /// Keeps the nodes alive whose addresses are keys.
    kept: Vec<Scalar>,
}

impl Tabulator<'_> {
    fn statements(&mut self, statements: &mut [Statement]) {
        for statement in statements {
            match statement {
                Statement::For { binder, body } => {
                    let binders = [binder.clone()];
                    self.inside(&binders, |tabulator| tabulator.statements(body));
                }
                Statement::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    self.scalar(condition);
                    self.statements(then);
                    self.statements(otherwise);
                }
                Statement::Store { value, .. } => self.scalar(value),
                Statement::Dense { .. } => {}
                Statement::Random(random) => {
                    let binders = random.support.binders().to_vec();
                    if let Some((lower, upper)) = random.support.bounds_mut() {
                        self.inside(&binders, |tabulator| {
                            lower
                                .iter_mut()
                                .chain(upper)
                                .for_each(|bound| tabulator.scalar(bound));
                        });
                    }
                    if let Some(Standard { centre, width }) = &mut random.standard {
                        self.scalar(centre);
                        self.scalar(width);
                    }
                    self.term(&mut random.density);
                    if let Some(sample) = &mut random.sample {
                        self.statements(sample);
                    }
                }
                Statement::Term(term) => self.term(term),
            }
        }
    }

    fn term(&mut self, term: &mut Term) {
        self.statements(&mut term.statements);
        let arrays = &self.loops.arrays;
        term.domain
            .retain(|condition| !is_data_only(arrays, &condition.holds));
        for condition in &mut term.domain {
            self.scalar(&mut condition.holds);
        }
        self.scalar(&mut term.value);
    }

    fn inside(&mut self, binders: &[Binder], body: impl FnOnce(&mut Self)) {
        let before = self.open.len();
        for binder in binders {
            if let (Some(lower), Some(upper)) = (binder.lower.as_int(), binder.upper.as_int())
                && lower >= 1
                && upper >= lower
            {
                self.open.push((binder.index, lower, upper));
            }
        }
        let outer = std::mem::take(&mut self.done);
        body(self);
        self.done = outer;
        self.open.truncate(before);
    }

    fn scalar(&mut self, scalar: &mut Scalar) {
        *scalar = self.rewritten(scalar);
    }

    fn rewritten(&mut self, scalar: &Scalar) -> Scalar {
        let key = Rc::as_ptr(&scalar.0);
        if let Some(done) = self.done.get(&key) {
            return done.clone();
        }
        let result = self.tabulated(scalar).unwrap_or_else(|| self.parts(scalar));
        self.done.insert(key, result.clone());
        self.kept.push(scalar.clone());
        result
    }

    fn parts(&mut self, scalar: &Scalar) -> Scalar {
        match &*scalar.0 {
            Node::Operation {
                operation,
                arguments,
            } => {
                let new: Vec<Scalar> = arguments
                    .iter()
                    .map(|argument| self.rewritten(argument))
                    .collect();
                if new
                    .iter()
                    .zip(arguments)
                    .all(|(a, b)| Rc::ptr_eq(&a.0, &b.0))
                {
                    scalar.clone()
                } else {
                    Scalar::operation(*operation, new)
                }
            }
            Node::If {
                condition,
                then,
                otherwise,
            } => {
                // A branch that is not taken may read outside its array: only the condition is looked into.
                let new = self.rewritten(condition);
                Scalar(Rc::new(Node::If {
                    condition: new,
                    then: then.clone(),
                    otherwise: otherwise.clone(),
                }))
            }
            Node::Reduce {
                reducer,
                binders,
                body,
            } => {
                let (reducer, binders) = (*reducer, binders.clone());
                let mut new = body.clone();
                self.inside(&binders, |tabulator| new = tabulator.rewritten(body));
                Scalar(Rc::new(Node::Reduce {
                    reducer,
                    binders,
                    body: new,
                }))
            }
            Node::Draw { draw, arguments } => {
                let arguments = arguments
                    .iter()
                    .map(|argument| self.rewritten(argument))
                    .collect();
                Scalar(Rc::new(Node::Draw {
                    draw: *draw,
                    arguments,
                }))
            }
            _ => scalar.clone(),
        }
    }

    /// The element of a table, or a literal, that this scalar is.
    fn tabulated(&mut self, scalar: &Scalar) -> Option<Scalar> {
        if !self.is_worthwhile(scalar) || !is_data_only(&self.loops.arrays, scalar) {
            return None;
        }
        let free = free_indices(scalar);
        let mut binders = Vec::new();
        let mut shape = Vec::new();
        for index in &free {
            let (_, lower, upper) = *self.open.iter().find(|open| open.0 == *index)?;
            binders.push(Binder {
                index: *index,
                lower: Scalar::int(lower),
                upper: Scalar::int(upper),
            });
            shape.push(upper as usize);
        }
        let length = shape
            .iter()
            .try_fold(1usize, |product, &length| product.checked_mul(length))?;
        if length > LARGEST {
            return None;
        }
        let mut values = vec![0.0; length];
        let mut interpreter = Interpreter::new(self.loops);
        let filled = interpreter.for_each(&binders, &mut |interpreter| {
            let position = free
                .iter()
                .zip(&shape)
                .fold(0, |position, (index, length)| {
                    position * length + (interpreter.index(*index) as usize - 1)
                });
            values[position] = interpreter.value(scalar)?;
            Ok(())
        });
        filled.ok()?;
        if free.is_empty() {
            return Some(Scalar::real(values[0]));
        }
        let id = ArrayId(self.loops.arrays.len() as u32);
        let name = format!("table{}", id.0);
        self.loops.arrays.push(Array {
            name,
            shape,
            kind: ArrayKind::Real(values.into()),
            span: Default::default(),
        });
        let indices = free.into_iter().map(Scalar::index).collect();
        Some(Scalar(Rc::new(Node::Element {
            array: id,
            indices,
            span: Default::default(),
        })))
    }

    /// Whether reading a table costs less than the scalar.
    fn is_worthwhile(&self, scalar: &Scalar) -> bool {
        match &*scalar.0 {
            Node::Operation {
                operation: Operation::IntToReal,
                arguments,
            } => !matches!(&*arguments[0].0, Node::Index(_) | Node::Int(_)),
            Node::Operation { operation, .. } => operation.entry().result == Type::Real,
            Node::If { .. } | Node::Reduce { .. } => self.is_real(scalar),
            Node::Element { .. } => false,
            _ => false,
        }
    }

    fn is_real(&self, scalar: &Scalar) -> bool {
        match &*scalar.0 {
            Node::Real(_) => true,
            Node::Operation { operation, .. } => operation.entry().result == Type::Real,
            Node::Element { array, .. } => {
                matches!(self.loops.array(*array).kind, ArrayKind::Real(_))
            }
            Node::If { then, .. } => self.is_real(then),
            Node::Reduce { body, .. } => self.is_real(body),
            _ => false,
        }
    }
}
