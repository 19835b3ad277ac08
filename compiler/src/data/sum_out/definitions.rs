//! Values computed from discrete unknowns, at the place where they are read: the statement that defines the element is found
//! by its index pattern, and its value put in place. Dense algebra on such values is run for every combination beforehand.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::super::loops::{
    Array, ArrayId, ArrayKind, Binder, DenseKind, IndexId, Loops, Node, Place, Scalar, Statement,
};
use super::super::pull::{element, substitute};
use super::factors::{Finder, Resolved, Stop, new_index};
use super::resolve::{MOST_TERMS, same, same_all, too_many_terms};
use super::taint::Taint;
use crate::check::hir::Reducer;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

/// Where an array's elements are defined.
#[derive(Clone)]
pub(super) struct Definition {
    pub(super) binders: Vec<Binder>,
    pub(super) guards: Vec<Scalar>,
    pub(super) indices: Vec<Scalar>,
    pub(super) value: Defined,
}

#[derive(Clone)]
pub(super) enum Defined {
    Scalar(Scalar),
    Dense(DenseKind, Vec<Place>),
}

/// Collects where tainted arrays are defined, and numbers that have another value in each round of a loop, or live in one
/// statement only: what reads them is taken out of its round, and needs their values in place.
pub(super) fn define(
    statements: &[Statement],
    loops: &Loops,
    taint: &Taint,
) -> HashMap<ArrayId, Vec<Definition>> {
    let mut collector = Collector {
        loops,
        taint,
        binders: Vec::new(),
        guards: Vec::new(),
        found: HashMap::new(),
    };
    collector.statements(statements, false);
    let mut found = collector.found;
    found.retain(|array, definitions| {
        taint.tainted.contains(array)
            || !matches!(loops.array(*array).kind, ArrayKind::Var)
            || is_choice(definitions)
    });
    found
}

struct Collector<'a> {
    loops: &'a Loops,
    taint: &'a Taint,
    binders: Vec<Binder>,
    guards: Vec<Scalar>,
    found: HashMap<ArrayId, Vec<Definition>>,
}

impl Collector<'_> {
    fn wanted(&self, array: ArrayId, in_term: bool) -> bool {
        let declared = self.loops.array(array);
        let is_local = matches!(declared.kind, ArrayKind::Let | ArrayKind::Var)
            && declared.shape.is_empty()
            && (in_term || !self.binders.is_empty());
        is_local || self.taint.tainted.contains(&array)
    }

    fn statements(&mut self, statements: &[Statement], in_term: bool) {
        for statement in statements {
            match statement {
                Statement::For { binder, body } => {
                    self.binders.push(binder.clone());
                    self.statements(body, in_term);
                    self.binders.pop();
                }
                Statement::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    self.guards.push(condition.clone());
                    self.statements(then, in_term);
                    self.guards.pop();
                    let not = Scalar::operation(Operation::Not, vec![condition.clone()]);
                    self.guards.push(not);
                    self.statements(otherwise, in_term);
                    self.guards.pop();
                }
                Statement::Store {
                    array,
                    indices,
                    value,
                } if self.wanted(*array, in_term) => {
                    self.add(*array, indices, Defined::Scalar(value.clone()));
                }
                Statement::Dense {
                    operation,
                    inputs,
                    output,
                } if self.taint.tainted.contains(&output.array) => {
                    let value = Defined::Dense(*operation, inputs.clone());
                    self.add(output.array, &output.prefix, value);
                }
                Statement::Random(random) => self.statements(&random.density.statements, true),
                Statement::Term(term) => self.statements(&term.statements, true),
                Statement::Store { .. } | Statement::Dense { .. } => {}
            }
        }
    }

    fn add(&mut self, array: ArrayId, indices: &[Scalar], value: Defined) {
        self.found.entry(array).or_default().push(Definition {
            binders: self.binders.clone(),
            guards: self.guards.clone(),
            indices: indices.to_vec(),
            value,
        });
    }
}

impl Finder<'_> {
    /// An element of an array that is computed from discrete unknowns: its definition, put in place.
    pub(super) fn read(
        &mut self,
        array: ArrayId,
        indices: Vec<Scalar>,
        span: Span,
    ) -> Resolved<Scalar> {
        let name = self.loops.array(array).name.clone();
        if self.reading.contains(&array) {
            return Err(Diagnostic::error(
                "E0506",
                format!("`{name}` depends on a discrete unknown through its own earlier elements, so each element depends on all unknowns before it"),
            )
            .at(span, "read here")
            .help("the sum over all their values would have more terms than anybody can add: let the discrete unknowns act on each element directly")
            .into());
        }
        let definitions = self.definitions.get(&array).cloned().unwrap_or_default();
        let is_var = matches!(self.loops.array(array).kind, ArrayKind::Var);
        if is_var && !is_choice(&definitions) {
            return Err(Diagnostic::error(
                "E0507",
                format!("`{name}` is a `var` that a discrete unknown changes"),
            )
            .at(span, "read here")
            .help("write it without `var`, for instance with a sum or `if`")
            .into());
        }
        let is_single = definitions.len() == 1;
        let mut cases: Vec<(Scalar, Scalar)> = Vec::new();
        for definition in &definitions {
            let Some((mut map, condition)) =
                self.matches(definition, &indices, is_single, &name, span)?
            else {
                continue;
            };
            // A value that has no index of its own belongs to the round of whatever reads it.
            for binder in &definition.binders {
                let context = self.contexts.iter().rev();
                if let (None, Some(value)) = (
                    map.get(&binder.index),
                    context
                        .filter_map(|context| context.get(&binder.index))
                        .next(),
                ) {
                    map.insert(binder.index, value.clone());
                }
            }
            let is_certain = condition.as_bool() == Some(true);
            self.reading.push(array);
            self.contexts.push(map.clone());
            // The same node stands for other values in another round.
            let memo = std::mem::take(&mut self.memo);
            let value = match &definition.value {
                Defined::Scalar(value) => {
                    let value = substitute(&self.loops.arrays, value, &map);
                    self.resolve(&value)
                }
                Defined::Dense(
                    DenseKind::Product {
                        rows,
                        inner,
                        columns,
                    },
                    inputs,
                ) => {
                    let own = &indices[definition.indices.len()..];
                    let sizes = [*rows, *inner, *columns];
                    let product = self.product(sizes, inputs, own, &map, span);
                    self.resolve(&product)
                }
                Defined::Dense(operation, inputs) => {
                    let own = &indices[definition.indices.len()..];
                    self.dense_element(array, *operation, inputs, &indices, own, &map, span)
                }
            };
            self.memo = memo;
            self.contexts.pop();
            self.reading.pop();
            cases.push((condition, value?));
            if is_certain {
                break;
            }
        }
        let Some((_, last)) = cases.pop() else {
            if !self.cases.is_empty() {
                return Err(Stop::NoRound);
            }
            return Err(Diagnostic::error(
                "E0421",
                format!("an element of `{name}` is used before it is defined"),
            )
            .at(span, "used here")
            .help("define every element that is used, from the first on, above this place")
            .into());
        };
        Ok(cases
            .into_iter()
            .rev()
            .fold(last, |rest, (condition, value)| {
                Scalar::choose(condition, value, rest)
            }))
    }

    /// How the indices of a definition have to be set to define the element that is read, and the condition under which
    /// they do; `None` if they never do.
    #[allow(clippy::type_complexity)] // a map and a condition
    fn matches(
        &mut self,
        definition: &Definition,
        indices: &[Scalar],
        is_single: bool,
        name: &str,
        span: Span,
    ) -> Resolved<Option<(HashMap<IndexId, Scalar>, Scalar)>> {
        let mut map: HashMap<IndexId, Scalar> = HashMap::new();
        let mut condition = Scalar::bool(true);
        let equal = |a: Scalar, b: Scalar| Scalar::operation(Operation::IntEqual, vec![a, b]);
        for (pattern, index) in definition.indices.iter().zip(indices) {
            let own = |id: &IndexId| definition.binders.iter().any(|b| b.index == *id);
            if let Some((id, row)) = self.row(pattern, index, &own) {
                let is_row =
                    Scalar::operation(Operation::IntLess, vec![Scalar::int(0), row.clone()]);
                condition = condition.and(is_row);
                match map.get(&id) {
                    Some(known) => condition = condition.and(equal(known.clone(), row)),
                    None => drop(map.insert(id, row)),
                }
                continue;
            }
            let (id, shift) = match shifted_index(pattern) {
                Some((id, shift)) if own(&id) => (id, shift),
                _ if same(pattern, index) => continue,
                _ if pattern.as_int().is_some() => {
                    condition = condition.and(equal(index.clone(), pattern.clone()));
                    continue;
                }
                _ => {
                    return Err(Diagnostic::error(
                        "E0508",
                        format!("it cannot be told which discrete unknowns this element of `{name}` depends on"),
                    )
                    .at(span, "read here")
                    .help("define its elements by loop indices, `a[i] = …`")
                    .into());
                }
            };
            let value = super::emit::shifted(index, -shift);
            match map.get(&id) {
                Some(known) if same(known, &value) => {}
                Some(known) => condition = condition.and(equal(known.clone(), value)),
                None => {
                    map.insert(id, value);
                }
            }
        }
        if !is_single {
            for binder in &definition.binders {
                let Some(value) = map.get(&binder.index) else {
                    continue;
                };
                let bound = |scalar: &Scalar| substitute(&self.loops.arrays, scalar, &map);
                let (lower, upper) = (bound(&binder.lower), bound(&binder.upper));
                let at_least =
                    Scalar::operation(Operation::IntLessEqual, vec![lower, value.clone()]);
                let at_most =
                    Scalar::operation(Operation::IntLessEqual, vec![value.clone(), upper]);
                condition = condition.and(at_least).and(at_most);
            }
            for guard in &definition.guards {
                let guard = substitute(&self.loops.arrays, guard, &map);
                condition = condition.and(self.resolve(&guard)?);
            }
        }
        let condition = self.decided(condition)?;
        Ok((condition.as_bool() != Some(false)).then_some((map, condition)))
    }

    /// An element of a matrix product, as a sum.
    fn product(
        &mut self,
        [rows, inner, columns]: [usize; 3],
        inputs: &[Place],
        own: &[Scalar],
        map: &HashMap<IndexId, Scalar>,
        span: Span,
    ) -> Scalar {
        let (row, column) = match own {
            [row, column] => (row.clone(), column.clone()),
            [row] if columns == 1 => (row.clone(), Scalar::int(1)),
            [column] => (Scalar::int(1), column.clone()),
            _ => (Scalar::int(1), Scalar::int(1)),
        };
        let index = new_index(self.loops, self.ranges, "k", 1, inner as i64);
        let k = Scalar::index(index);
        let entry = |place: &Place, first: &Scalar, second: &Scalar, is_row: bool| {
            let rank = self.loops.array(place.array).shape.len() - place.prefix.len();
            let own = match (rank, is_row) {
                (2, _) => vec![first.clone(), second.clone()],
                (1, true) => vec![second.clone()],
                (1, false) => vec![first.clone()],
                _ => Vec::new(),
            };
            let prefix = place
                .prefix
                .iter()
                .map(|index| substitute(&self.loops.arrays, index, map));
            let at = prefix.chain(own).collect();
            element(&self.loops.arrays, place.array, at, span)
        };
        let a = entry(&inputs[0], &row, &k, rows == 1);
        let b = entry(&inputs[1], &k, &column, columns > 1);
        Scalar(Rc::new(Node::Reduce {
            reducer: Reducer::Sum,
            binders: vec![Binder {
                index,
                lower: Scalar::int(1),
                upper: Scalar::int(inner as i64),
            }],
            body: Scalar::operation(Operation::Multiply, vec![a, b]),
        }))
    }

    /// The row of a table of numbers, `table[i]`, that holds the number `index`; 0 if none does.
    fn row(
        &mut self,
        pattern: &Scalar,
        index: &Scalar,
        own: &dyn Fn(&IndexId) -> bool,
    ) -> Option<(IndexId, Scalar)> {
        let Node::Element { array, indices, .. } = &*pattern.0 else {
            return None;
        };
        let [at] = &indices[..] else { return None };
        let Some((id, 0)) = shifted_index(at).filter(|(id, _)| own(id)) else {
            return None;
        };
        let inverse = match self.inverses.get(array) {
            Some(known) => *known,
            None => {
                let made = self.inverse(*array);
                self.inverses.insert(*array, made);
                made
            }
        }?;
        let largest = self.loops.array(inverse).length() as i64;
        // Numbers beyond the table are no row of it.
        let inside = Scalar::operation(
            Operation::IntMinimum,
            vec![index.clone(), Scalar::int(largest)],
        );
        let row = element(&self.loops.arrays, inverse, vec![inside], Span::default());
        Some((id, row))
    }

    /// The row of each number up to one more than the largest; none if the table holds a number twice.
    fn inverse(&mut self, table: ArrayId) -> Option<ArrayId> {
        let ArrayKind::Int(numbers) = &self.loops.array(table).kind else {
            return None;
        };
        let largest = numbers.iter().copied().max().unwrap_or(0).max(0);
        let mut rows = vec![0; largest as usize + 1];
        for (row, &number) in numbers.iter().enumerate() {
            let entry = rows.get_mut(usize::try_from(number - 1).ok()?)?;
            if *entry != 0 {
                return None;
            }
            *entry = row as i64 + 1;
        }
        self.loops.arrays.push(Array {
            name: "row".to_string(),
            shape: vec![rows.len()],
            kind: ArrayKind::Int(rows.into()),
            span: Span::default(),
        });
        Some(ArrayId(self.loops.arrays.len() as u32 - 1))
    }

    /// An element of the result of dense algebra: the operation runs for every combination of the loop indices and
    /// discrete values that its inputs depend on, before anything reads it.
    #[allow(clippy::too_many_arguments)] // one call site, which has just taken the statement apart
    fn dense_element(
        &mut self,
        array: ArrayId,
        operation: DenseKind,
        inputs: &[Place],
        indices: &[Scalar],
        own: &[Scalar],
        map: &HashMap<IndexId, Scalar>,
        span: Span,
    ) -> Resolved<Scalar> {
        let prefix = &indices[..indices.len() - own.len()];
        let known = self
            .dense
            .iter()
            .find(|(other, at, _)| *other == array && same_all(at, prefix))
            .map(|(_, _, place)| place.clone());
        let place = match known {
            Some(place) => place,
            None => {
                let place = self.dense_result(array, operation, inputs, own.len(), map, span)?;
                self.dense.push((array, prefix.to_vec(), place.clone()));
                place
            }
        };
        let at = place.prefix.iter().chain(own).cloned().collect();
        Ok(element(&self.loops.arrays, place.array, at, span))
    }

    /// The elements of an input that is computed from discrete unknowns, as scalars over new indices. Where they differ in
    /// which unknowns they read, or in where they are defined, they are written out.
    fn fills(
        &mut self,
        input: (ArrayId, &[Scalar]),
        binders: &[Binder],
        at: Vec<Scalar>,
        span: Span,
        into: &mut Vec<Fill>,
    ) -> Resolved<()> {
        let slots = self.slots.len();
        self.inner.extend(binders.iter().map(|binder| binder.index));
        let element = input.1.iter().chain(&at).cloned().collect();
        let value = self.read(input.0, element, span);
        self.inner.truncate(self.inner.len() - binders.len());
        let index = match value {
            Ok(value) => {
                into.push(Fill {
                    binders: binders.to_vec(),
                    at,
                    value,
                });
                return Ok(());
            }
            Err(Stop::WriteOut(index)) if binders.iter().any(|b| b.index == index) => index,
            Err(stop) => return Err(stop),
        };
        // What the attempt found belongs to no element.
        self.slots.truncate(slots);
        self.memo.clear();
        self.dense.clear();
        let (out, rest): (Vec<Binder>, Vec<Binder>) =
            binders.iter().cloned().partition(|b| b.index == index);
        let length = out[0].upper.as_int().unwrap_or(0);
        if length > MOST_TERMS {
            return Err(too_many_terms(length).into());
        }
        for element in 1..=length {
            let map = HashMap::from([(index, Scalar::int(element))]);
            let here = at.iter().map(|at| substitute(&self.loops.arrays, at, &map));
            let here = here.collect();
            self.fills(input, &rest, here, span, into)?;
        }
        Ok(())
    }

    fn dense_result(
        &mut self,
        array: ArrayId,
        operation: DenseKind,
        inputs: &[Place],
        own_rank: usize,
        map: &HashMap<IndexId, Scalar>,
        span: Span,
    ) -> Resolved<Place> {
        let mut fills: Vec<Vec<Fill>> = Vec::new();
        let mut places: Vec<Option<Place>> = Vec::new();
        for input in inputs {
            let mut prefix = Vec::new();
            for index in &input.prefix {
                let index = substitute(&self.loops.arrays, index, map);
                prefix.push(self.resolve(&index)?);
            }
            if !self.taint.tainted.contains(&input.array) {
                places.push(Some(Place {
                    array: input.array,
                    prefix,
                }));
                continue;
            }
            let shape = self.loops.array(input.array).shape[prefix.len()..].to_vec();
            let mut binders = Vec::new();
            for length in shape {
                let (lower, upper) = (Scalar::int(1), Scalar::int(length as i64));
                let index = new_index(self.loops, self.ranges, "_", 1, length as i64);
                binders.push(Binder {
                    index,
                    lower,
                    upper,
                });
            }
            let own = binders.iter().map(|b| Scalar::index(b.index)).collect();
            let mut stores = Vec::new();
            self.fills((input.array, &prefix), &binders, own, span, &mut stores)?;
            fills.push(stores);
            places.push(None);
        }
        // What they depend on decides how many results there are.
        let mut used: HashSet<IndexId> = HashSet::new();
        for fill in fills.iter().flatten() {
            used.extend(super::super::fold::free_indices(&fill.value));
        }
        for place in places.iter().flatten() {
            for index in &place.prefix {
                used.extend(super::super::fold::free_indices(index));
            }
        }
        let around: Vec<Binder> = self
            .binders
            .iter()
            .filter(|binder| used.contains(&binder.index))
            .cloned()
            .chain(
                self.slots
                    .iter()
                    .filter(|slot| used.contains(&slot.value))
                    .map(|slot| {
                        let (lower, upper) = self.ranges.indices[slot.value.0 as usize]
                            .clone()
                            .expect("a value index has a range");
                        Binder {
                            index: slot.value,
                            lower,
                            upper,
                        }
                    }),
            )
            .collect();
        let (mut prefix, mut shape) = (Vec::new(), Vec::new());
        for binder in &around {
            let range = self.ranges.of_index(&self.loops.arrays, binder.index);
            let low = range.low as i64;
            let shift = Scalar::int(low - 1);
            prefix.push(Scalar::operation(
                Operation::IntSubtract,
                vec![Scalar::index(binder.index), shift],
            ));
            shape.push((range.high as i64 - low + 1).max(0) as usize);
        }
        let new_array = |loops: &mut Loops, own: &[usize]| {
            loops.arrays.push(Array {
                name: "combination".to_string(),
                shape: shape.iter().chain(own).copied().collect(),
                kind: ArrayKind::Let,
                span,
            });
            ArrayId(loops.arrays.len() as u32 - 1)
        };
        let mut body = Vec::new();
        let mut fills = fills.into_iter();
        let mut sources = Vec::new();
        for (place, input) in places.into_iter().zip(inputs) {
            sources.push(match place {
                Some(place) => place,
                None => {
                    let own = self.loops.array(input.array).shape[input.prefix.len()..].to_vec();
                    let array = new_array(self.loops, &own);
                    for fill in fills.next().expect("one for each tainted input") {
                        let store = Statement::Store {
                            array,
                            indices: prefix.iter().cloned().chain(fill.at).collect(),
                            value: fill.value,
                        };
                        body.extend(super::emit::loops_around(vec![store], fill.binders));
                    }
                    Place {
                        array,
                        prefix: prefix.clone(),
                    }
                }
            });
        }
        let declared = self.loops.array(array);
        let own = declared.shape[declared.shape.len() - own_rank..].to_vec();
        let output = Place {
            array: new_array(self.loops, &own),
            prefix,
        };
        body.push(Statement::Dense {
            operation,
            inputs: sources,
            output: output.clone(),
        });
        for binder in around.into_iter().rev() {
            body = vec![Statement::For { binder, body }];
        }
        self.setup.extend(body);
        Ok(output)
    }
}

/// Some elements of an input of dense algebra.
struct Fill {
    binders: Vec<Binder>,
    /// Which elements, over those indices.
    at: Vec<Scalar>,
    value: Scalar,
}

/// Whether a `var` is given one of two values by the branches of one `if`: what an `if` inside a function becomes.
fn is_choice(definitions: &[Definition]) -> bool {
    let [first, second] = definitions else {
        return false;
    };
    let (Some((a, outer)), Some((b, other))) =
        (first.guards.split_last(), second.guards.split_last())
    else {
        return false;
    };
    let is_not = matches!(
        &*b.0,
        Node::Operation {
            operation: Operation::Not,
            arguments,
        } if same(&arguments[0], a)
    );
    is_not && same_all(outer, other)
}

/// i, i + c or i − c
fn shifted_index(scalar: &Scalar) -> Option<(IndexId, i64)> {
    match &*scalar.0 {
        Node::Index(id) => Some((*id, 0)),
        Node::Operation {
            operation: Operation::IntAdd,
            arguments,
        } => match (&*arguments[0].0, &*arguments[1].0) {
            (Node::Index(id), Node::Int(c)) | (Node::Int(c), Node::Index(id)) => Some((*id, *c)),
            _ => None,
        },
        Node::Operation {
            operation: Operation::IntSubtract,
            arguments,
        } => match (&*arguments[0].0, &*arguments[1].0) {
            (Node::Index(id), Node::Int(c)) => Some((*id, -c)),
            _ => None,
        },
        _ => None,
    }
}
