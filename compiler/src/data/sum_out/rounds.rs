//! Numbers that change. What reads a discrete unknown is taken out of its place and runs later, when a `var` that it reads
//! has the value of another round. Therefore each reader gets a copy: an array with an element for each round of the loops
//! around it, stored just before it. What a term computes for itself without any discrete unknown is computed before it.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::super::expand::LARGEST_ARRAY;
use super::super::fold::stored_arrays;
use super::super::interval::Ranges;
use super::super::loops::{
    Array, ArrayId, ArrayKind, Binder, IndexId, Loops, Node, Place, Random, Scalar, Standard,
    Statement, Term, walk_statements,
};
use super::super::pull::element;
use super::factors::new_index;
use super::taint::Taint;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

/// Gives every reader of a number that changes a copy of its own.
///
/// # Errors
/// When the copies are too many to be stored.
pub(super) fn keep_rounds(
    loops: &mut Loops,
    ranges: &mut Ranges,
    taint: &Taint,
) -> Result<(), Diagnostic> {
    let is_var = |array: &Array| matches!(array.kind, ArrayKind::Var);
    if !loops.arrays.iter().any(is_var) {
        return Ok(());
    }
    let statements = std::mem::take(&mut loops.statements);
    let mut keeper = Keeper {
        loops,
        ranges,
        taint,
        open: Vec::new(),
    };
    let statements = keeper.statements(statements)?;
    loops.statements = statements;
    Ok(())
}

struct Keeper<'a> {
    loops: &'a mut Loops,
    ranges: &'a mut Ranges,
    taint: &'a Taint,
    /// The indices of the loops around.
    open: Vec<IndexId>,
}

/// Where the reads of an array go instead.
type Copies = HashMap<ArrayId, Place>;

impl Keeper<'_> {
    fn statements(&mut self, statements: Vec<Statement>) -> Result<Vec<Statement>, Diagnostic> {
        let mut all = Vec::new();
        for mut statement in statements {
            match &mut statement {
                Statement::For { binder, body } => {
                    self.open.push(binder.index);
                    *body = self.statements(std::mem::take(body))?;
                    self.open.pop();
                }
                Statement::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    let mut changing = HashSet::new();
                    self.reads(condition, &mut changing);
                    let copies = self.copies(changing, &mut all)?;
                    replace(condition, &copies);
                    *then = self.statements(std::mem::take(then))?;
                    *otherwise = self.statements(std::mem::take(otherwise))?;
                }
                // It runs where it stands.
                Statement::Store { array, .. } if self.changes(*array) => {}
                Statement::Random(random) => {
                    let own = (!random.observed).then_some(random.variable);
                    self.compute_before(&mut random.density, own, &mut all)?;
                    self.copy_for(&mut statement, &mut all)?;
                }
                Statement::Term(term) => {
                    self.compute_before(term, None, &mut all)?;
                    self.copy_for(&mut statement, &mut all)?;
                }
                Statement::Store { .. } | Statement::Dense { .. } => {
                    self.copy_for(&mut statement, &mut all)?;
                }
            }
            all.push(statement);
        }
        Ok(all)
    }

    /// Moves what a term computes without discrete unknowns in front of it, if a number changes there. What reads the
    /// unknown that the term is about can only run after it has its value, and stays.
    fn compute_before(
        &mut self,
        term: &mut Term,
        own: Option<ArrayId>,
        all: &mut Vec<Statement>,
    ) -> Result<(), Diagnostic> {
        let mut stored = HashSet::new();
        stored_arrays(&term.statements, &mut stored);
        if !self.taint.term_reads(term) || !stored.iter().any(|array| self.changes(*array)) {
            return Ok(());
        }
        let is_tainted = |statement: &Statement| {
            let one = std::slice::from_ref(statement);
            let mut stored = HashSet::new();
            stored_arrays(one, &mut stored);
            let mut found = stored
                .iter()
                .any(|array| self.taint.tainted.contains(array));
            walk_statements(one, &mut |scalar| found |= self.taint.reads(scalar));
            found
        };
        let reads_own = |statement: &Statement| {
            let mut found = false;
            walk_statements(std::slice::from_ref(statement), &mut |scalar| {
                found |= own.is_some_and(|own| reads_array(scalar, own));
            });
            found
        };
        let mut untainted = term.statements.iter().filter(|one| !is_tainted(one));
        if untainted.any(reads_own) {
            return Ok(());
        }
        let statements = std::mem::take(&mut term.statements).into_iter();
        let (rest, early): (Vec<_>, Vec<_>) = statements.partition(is_tainted);
        term.statements = rest;
        all.extend(self.statements(early)?);
        Ok(())
    }

    /// Lets a statement read copies.
    fn copy_for(
        &mut self,
        statement: &mut Statement,
        all: &mut Vec<Statement>,
    ) -> Result<(), Diagnostic> {
        let mut changing = HashSet::new();
        visit_statement(
            statement,
            &mut |scalar| self.reads(scalar, &mut changing),
            &mut |_| {},
        );
        let mut inputs = HashSet::new();
        visit_statement(statement, &mut |_| {}, &mut |place| {
            inputs.insert(place.array);
        });
        changing.extend(inputs.into_iter().filter(|array| self.changes(*array)));
        let mut own = HashSet::new();
        stored_arrays(std::slice::from_ref(statement), &mut own);
        changing.retain(|array| !own.contains(array));
        let copies = self.copies(changing, all)?;
        if !copies.is_empty() {
            visit_statement(
                statement,
                &mut |scalar| replace(scalar, &copies),
                &mut |place| {
                    if let Some(copy) = copies.get(&place.array) {
                        let prefix = copy.prefix.iter().chain(&place.prefix);
                        *place = Place {
                            array: copy.array,
                            prefix: prefix.cloned().collect(),
                        };
                    }
                },
            );
        }
        Ok(())
    }

    /// Whether an array changes, and no discrete unknown decides how.
    fn changes(&self, array: ArrayId) -> bool {
        matches!(self.loops.array(array).kind, ArrayKind::Var)
            && !self.taint.tainted.contains(&array)
    }

    fn reads(&self, scalar: &Scalar, found: &mut HashSet<ArrayId>) {
        scalar.walk(&mut |node| {
            if let Node::Element { array, .. } = &*node.0
                && self.changes(*array)
            {
                found.insert(*array);
            }
        });
    }

    /// Copies of arrays as they are now, in the order of their numbers.
    fn copies(
        &mut self,
        arrays: HashSet<ArrayId>,
        all: &mut Vec<Statement>,
    ) -> Result<Copies, Diagnostic> {
        let mut arrays: Vec<ArrayId> = arrays.into_iter().collect();
        arrays.sort_unstable_by_key(|array| array.0);
        let mut copies = Copies::new();
        for array in arrays {
            let place = self.copy(array, all)?;
            copies.insert(array, place);
        }
        Ok(copies)
    }

    fn copy(&mut self, array: ArrayId, all: &mut Vec<Statement>) -> Result<Place, Diagnostic> {
        let Array {
            name, shape, span, ..
        } = self.loops.array(array).clone();
        let (mut prefix, mut whole) = (Vec::new(), Vec::new());
        for &index in &self.open {
            let range = self.ranges.of_index(&self.loops.arrays, index);
            let (low, high) = (range.low as i64, range.high as i64);
            let own = Scalar::index(index);
            let shifted =
                |by| Scalar::operation(Operation::IntAdd, vec![own.clone(), Scalar::int(by)]);
            let (at, length) = match low {
                1.. => (own.clone(), high),
                _ => (shifted(1 - low), high.saturating_sub(low).saturating_add(1)),
            };
            prefix.push(at);
            whole.push(usize::try_from(length).unwrap_or(0));
        }
        whole.extend(&shape);
        let total = whole
            .iter()
            .try_fold(1usize, |all, &one| all.checked_mul(one));
        if total.is_none_or(|total| total as i64 > LARGEST_ARRAY) {
            return Err(too_many(&name, span));
        }
        let copy = ArrayId(self.loops.arrays.len() as u32);
        self.loops.arrays.push(Array {
            name,
            shape: whole,
            kind: ArrayKind::Let,
            span,
        });
        if let Some(range) = self.ranges.arrays.get(&array).copied() {
            self.ranges.arrays.insert(copy, range);
        }
        let binders: Vec<Binder> = shape
            .iter()
            .map(|&length| Binder {
                index: new_index(self.loops, self.ranges, "k", 1, length as i64),
                lower: Scalar::int(1),
                upper: Scalar::int(length as i64),
            })
            .collect();
        let inner: Vec<Scalar> = binders.iter().map(|b| Scalar::index(b.index)).collect();
        let store = Statement::Store {
            array: copy,
            indices: prefix.iter().chain(&inner).cloned().collect(),
            value: element(&self.loops.arrays, array, inner, span),
        };
        all.push(store.over(binders));
        Ok(Place {
            array: copy,
            prefix,
        })
    }
}

fn too_many(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        "E0468",
        format!("`{name}` changes in more rounds than can be kept"),
    )
    .at(span, "")
    .help("look at the sizes; arrays have at most 100 million elements")
}

fn reads_array(scalar: &Scalar, wanted: ArrayId) -> bool {
    let mut found = false;
    scalar.walk(&mut |node| {
        found |= matches!(&*node.0, Node::Element { array, .. } if *array == wanted);
    });
    found
}

/// Calls `visit` on every scalar that a statement holds, and `place` on the arrays that dense algebra reads.
fn visit_statement(
    statement: &mut Statement,
    visit: &mut dyn FnMut(&mut Scalar),
    place: &mut dyn FnMut(&mut Place),
) {
    match statement {
        Statement::For { binder, body } => {
            visit(&mut binder.lower);
            visit(&mut binder.upper);
            visit_all(body, visit, place);
        }
        Statement::If {
            condition,
            then,
            otherwise,
        } => {
            visit(condition);
            visit_all(then, visit, place);
            visit_all(otherwise, visit, place);
        }
        Statement::Store { indices, value, .. } => {
            indices.iter_mut().for_each(&mut *visit);
            visit(value);
        }
        Statement::Dense { inputs, output, .. } => {
            let prefixes = inputs.iter_mut().chain([&mut *output]);
            prefixes
                .flat_map(|one| &mut one.prefix)
                .for_each(&mut *visit);
            inputs.iter_mut().for_each(place);
        }
        Statement::Random(random) => visit_random(random, visit, place),
        Statement::Term(term) => visit_term(term, visit, place),
    }
}

fn visit_all(
    statements: &mut [Statement],
    visit: &mut dyn FnMut(&mut Scalar),
    place: &mut dyn FnMut(&mut Place),
) {
    for statement in statements {
        visit_statement(statement, visit, place);
    }
}

fn visit_random(
    random: &mut Random,
    visit: &mut dyn FnMut(&mut Scalar),
    place: &mut dyn FnMut(&mut Place),
) {
    random.indices.iter_mut().for_each(&mut *visit);
    if let Some((lower, upper)) = random.support.bounds_mut() {
        lower.iter_mut().chain(upper).for_each(&mut *visit);
    }
    if let Some(Standard { centre, width }) = &mut random.standard {
        visit(centre);
        visit(width);
    }
    visit_term(&mut random.density, visit, place);
    if let Some(sample) = &mut random.sample {
        visit_all(sample, visit, place);
    }
}

fn visit_term(
    term: &mut Term,
    visit: &mut dyn FnMut(&mut Scalar),
    place: &mut dyn FnMut(&mut Place),
) {
    visit_all(&mut term.statements, visit, place);
    for condition in &mut term.domain {
        visit(&mut condition.holds);
        visit(&mut condition.value);
    }
    if let Some((_, indices)) = &mut term.observation {
        indices.iter_mut().for_each(&mut *visit);
    }
    for residual in &mut term.residuals {
        visit(&mut residual.plain);
        visit(&mut residual.scaled);
    }
    visit(&mut term.value);
}

/// Lets a scalar read copies; nodes that are shared stay shared.
fn replace(scalar: &mut Scalar, copies: &Copies) {
    *scalar = replaced(scalar, copies, &mut HashMap::new());
}

fn replaced(scalar: &Scalar, copies: &Copies, done: &mut HashMap<*const Node, Scalar>) -> Scalar {
    if let Some(done) = done.get(&Rc::as_ptr(&scalar.0)) {
        return done.clone();
    }
    let node = match &*scalar.0 {
        Node::Element {
            array,
            indices,
            span,
        } => {
            let indices = all_replaced(indices, copies, done);
            match copies.get(array) {
                Some(copy) => Node::Element {
                    array: copy.array,
                    indices: copy.prefix.iter().cloned().chain(indices).collect(),
                    span: *span,
                },
                None => Node::Element {
                    array: *array,
                    indices,
                    span: *span,
                },
            }
        }
        Node::Operation {
            operation,
            arguments,
        } => Node::Operation {
            operation: *operation,
            arguments: all_replaced(arguments, copies, done),
        },
        Node::Draw { draw, arguments } => Node::Draw {
            draw: *draw,
            arguments: all_replaced(arguments, copies, done),
        },
        Node::If {
            condition,
            then,
            otherwise,
        } => Node::If {
            condition: replaced(condition, copies, done),
            then: replaced(then, copies, done),
            otherwise: replaced(otherwise, copies, done),
        },
        Node::Reduce {
            reducer,
            binders,
            body,
        } => Node::Reduce {
            reducer: *reducer,
            binders: binders
                .iter()
                .map(|binder| Binder {
                    index: binder.index,
                    lower: replaced(&binder.lower, copies, done),
                    upper: replaced(&binder.upper, copies, done),
                })
                .collect(),
            body: replaced(body, copies, done),
        },
        Node::Real(_) | Node::Int(_) | Node::Bool(_) | Node::Index(_) => return scalar.clone(),
    };
    let new = Scalar(Rc::new(node));
    done.insert(Rc::as_ptr(&scalar.0), new.clone());
    new
}

fn all_replaced(
    scalars: &[Scalar],
    copies: &Copies,
    done: &mut HashMap<*const Node, Scalar>,
) -> Vec<Scalar> {
    let one = |scalar| replaced(scalar, copies, done);
    scalars.iter().map(one).collect()
}
