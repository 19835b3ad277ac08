//! Elimination as statements: tables of log densities, messages, and the terms that are left. Tables have the values first
//! and the rounds last, so that filling one for all rounds runs over consecutive numbers. Where an element has no
//! neighbours its factors go into the sum directly, without a table.

use std::collections::HashMap;
use std::rc::Rc;

use super::super::interval::Ranges;
use super::super::loops::{
    Array, ArrayId, ArrayKind, Binder, IndexId, Loops, Node, Scalar, Statement, Term,
};
use super::super::pull::substitute;
use super::super::subscripts::subscripts;
use super::factors::{Factor, new_index};
use super::ground::{ElementId, Elements, Family, Values};
use super::order::{Elimination, Multiplicity, Run, Source, Step, positions};
use crate::check::hir::Reducer;
use crate::math::graph::Part;
use crate::math::primitive::Operation;
use crate::source::Span;

/// Loops over at most so many combinations of values stand inside the loop over rounds.
const FEW: usize = 8;

/// Writes the statements of eliminations.
pub(super) struct Emitter<'a> {
    pub loops: &'a mut Loops,
    pub ranges: &'a mut Ranges,
    pub factors: &'a [Factor],
    pub families: &'a [Family],
    pub elements: &'a Elements,
    /// Tables and messages.
    pub tables: Vec<Statement>,
    /// Log densities of the entries of a family.
    filled: HashMap<usize, ArrayId>,
    /// The same, added up by item.
    summed: HashMap<usize, ArrayId>,
}

/// Takes the result of a run that ends components, and the loop over its steps if there are several.
type End<'e, E> = dyn FnMut(&mut E, &Frame, Scalar, Option<Binder>) + 'e;

/// A run with what its statements refer to.
pub(super) struct Frame<'r> {
    pub run: &'r Run,
    pub steps: Vec<&'r Step>,
    /// The number of the step, from 1; a literal when there is but one.
    pub number: Scalar,
    /// Stands for the value of the element.
    pub value: Binder,
    /// Stand for the values of its neighbours.
    pub neighbours: Vec<Scalar>,
}

impl<'a> Emitter<'a> {
    pub fn new(
        loops: &'a mut Loops,
        ranges: &'a mut Ranges,
        factors: &'a [Factor],
        families: &'a [Family],
        elements: &'a Elements,
    ) -> Self {
        Emitter {
            loops,
            ranges,
            factors,
            families,
            elements,
            tables: Vec::new(),
            filled: HashMap::new(),
            summed: HashMap::new(),
        }
    }

    pub fn array(&mut self, name: &str, shape: Vec<usize>, span: Span) -> ArrayId {
        self.loops.arrays.push(Array {
            name: name.to_string(),
            shape,
            kind: ArrayKind::Let,
            span,
        });
        ArrayId(self.loops.arrays.len() as u32 - 1)
    }

    /// An index over lower..upper.
    pub fn binder(&mut self, name: &str, lower: i64, upper: i64) -> Binder {
        let index = new_index(self.loops, self.ranges, name, lower, upper);
        Binder {
            index,
            lower: Scalar::int(lower),
            upper: Scalar::int(upper),
        }
    }

    fn over(&mut self, values: Values) -> Binder {
        self.binder(
            "value",
            values.lower,
            values.lower + values.count as i64 - 1,
        )
    }

    /// `numbers[s]`: as arithmetic where it is regular, else from a table. A single number is regular: a literal would
    /// let a load of a message move out of the loop that stores it.
    pub fn pick(&mut self, name: &str, numbers: &[i64], s: &Scalar) -> Scalar {
        let shift = numbers[0] - 1;
        let regular = numbers
            .iter()
            .enumerate()
            .all(|(i, number)| *number == i as i64 + 1 + shift);
        if regular {
            return shifted(s, shift);
        }
        if numbers.iter().all(|number| *number == numbers[0]) {
            return Scalar::int(numbers[0]);
        }
        self.loops.arrays.push(Array {
            name: name.to_string(),
            shape: vec![numbers.len()],
            kind: ArrayKind::Int(numbers.into()),
            span: Span::default(),
        });
        let array = ArrayId(self.loops.arrays.len() as u32 - 1);
        element(array, vec![s.clone()])
    }

    /// The table of a family: its values' positions first, then the entry.
    fn table(&mut self, family: usize) -> ArrayId {
        if let Some(table) = self.filled.get(&family) {
            return *table;
        }
        let found = &self.families[family];
        let factor = &self.factors[found.factor];
        let count = found.entries.len();
        let mut shape: Vec<usize> = found.dims.iter().map(|dim| dim.count).collect();
        shape.push(count);
        let combinations: usize = found.dims.iter().map(|dim| dim.count).product();
        let table = self.array("log_densities", shape, factor.span);
        self.filled.insert(family, table);
        let entry = self.binder("entry", 1, count as i64);
        let s = match count {
            1 => Scalar::int(1),
            _ => Scalar::index(entry.index),
        };
        let value = self.value_at(family, &s, &(0..count).collect::<Vec<_>>(), &HashMap::new());
        let binders: Vec<Binder> = found
            .values
            .iter()
            .zip(&found.dims)
            .map(|(&index, dim)| Binder {
                index,
                lower: Scalar::int(dim.lower),
                upper: Scalar::int(dim.lower + dim.count as i64 - 1),
            })
            .collect();
        let indices = binders
            .iter()
            .zip(&found.dims)
            .map(|(binder, dim)| position(&Scalar::index(binder.index), *dim))
            .chain([s])
            .collect();
        let mut nest = vec![Statement::Store {
            array: table,
            indices,
            value,
        }];
        if combinations <= FEW {
            nest = loops_around(nest, binders);
            nest = rounds_around(nest, entry, count);
        } else {
            nest = rounds_around(nest, entry, count);
            nest = loops_around(nest, binders);
        }
        self.tables.extend(nest);
        table
    }

    /// The log density of a family in the round of an entry; `entries[s]` are the entries.
    fn value_at(
        &mut self,
        family: usize,
        s: &Scalar,
        entries: &[usize],
        values: &HashMap<IndexId, Scalar>,
    ) -> Scalar {
        let mut map = self.round_of(family, s, entries);
        map.extend(values.iter().map(|(index, value)| (*index, value.clone())));
        substitute(&self.loops.arrays, &self.families[family].value, &map)
    }

    /// The loop indices of a factor in the round of an entry.
    fn round_of(
        &mut self,
        family: usize,
        s: &Scalar,
        entries: &[usize],
    ) -> HashMap<IndexId, Scalar> {
        let found = &self.families[family];
        let factor = &self.factors[found.factor];
        let mut map = HashMap::new();
        for (position, &binder) in found.used.iter().enumerate() {
            let numbers: Vec<i64> = entries
                .iter()
                .map(|&entry| found.entries[entry][position])
                .collect();
            let index = factor.binders[binder].index;
            let name = self.loops.indices[index.0 as usize].clone();
            let at = self.pick(&name, &numbers, s);
            map.insert(index, at);
        }
        map
    }

    /// Which observed value an entry of a family is; `entries[s]` are the entries.
    pub fn observation_at(
        &mut self,
        family: usize,
        s: &Scalar,
        entries: &[usize],
    ) -> (u32, Vec<Scalar>) {
        let map = self.round_of(family, s, entries);
        let factor = &self.factors[self.families[family].factor];
        let (number, indices) = factor
            .observation
            .as_ref()
            .expect("an observed factor was looked for");
        let place = |index| substitute(&self.loops.arrays, index, &map);
        (*number, indices.iter().map(place).collect())
    }

    /// A table of a family with one column for each item, and whether that is the table of entries itself.
    fn item_table(&mut self, family: usize) -> (ArrayId, bool) {
        let items = &self.families[family].items;
        if items.iter().all(|item| item.entries.len() == 1) {
            return (self.table(family), true);
        }
        if let Some(table) = self.summed.get(&family) {
            return (*table, false);
        }
        let entries = self.table(family);
        let found = &self.families[family];
        let mut shape: Vec<usize> = found.dims.iter().map(|dim| dim.count).collect();
        shape.push(found.items.len());
        let span = self.factors[found.factor].span;
        let count = found.items.len();
        let lists: Vec<Vec<usize>> = found
            .items
            .iter()
            .map(|item| item.entries.iter().map(|entry| *entry as usize).collect())
            .collect();
        let dims = found.dims.clone();
        let table = self.array("log_densities", shape, span);
        self.summed.insert(family, table);
        let item = self.binder("item", 1, count as i64);
        let s = match count {
            1 => Scalar::int(1),
            _ => Scalar::index(item.index),
        };
        let binders: Vec<Binder> = dims.iter().map(|dim| self.over(*dim)).collect();
        let at: Vec<Scalar> = binders
            .iter()
            .zip(&dims)
            .map(|(binder, dim)| position(&Scalar::index(binder.index), *dim))
            .collect();
        let sum = self.sum_over(&lists, &s, &mut |column| {
            element(entries, at.iter().cloned().chain([column]).collect())
        });
        let nest = vec![Statement::Store {
            array: table,
            indices: at.iter().cloned().chain([s]).collect(),
            value: sum,
        }];
        let nest = loops_around(nest, binders);
        let nest = rounds_around(nest, item, count);
        self.tables.extend(nest);
        (table, false)
    }

    /// Σ over the columns of `lists[s]` (counted from 0).
    pub fn sum_over(
        &mut self,
        lists: &[Vec<usize>],
        s: &Scalar,
        term: &mut dyn FnMut(Scalar) -> Scalar,
    ) -> Scalar {
        let (mut first, mut last, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        for list in lists {
            first.push(columns.len() as i64 + 1);
            columns.extend(list.iter().map(|column| *column as i64 + 1));
            last.push(columns.len() as i64);
        }
        if columns.is_empty() {
            return Scalar::real(0.0);
        }
        if lists.iter().all(|list| list.len() == 1) {
            let column = self.pick("column", &columns, s);
            return term(column);
        }
        let lower = self.pick("first", &first, s);
        let upper = self.pick("last", &last, s);
        let index = new_index(self.loops, self.ranges, "part", 1, columns.len() as i64);
        let column = self.pick("column", &columns, &Scalar::index(index));
        Scalar(Rc::new(Node::Reduce {
            reducer: Reducer::Sum,
            binders: vec![Binder {
                index,
                lower,
                upper,
            }],
            body: term(column),
        }))
    }

    /// Opens a run.
    pub fn frame<'r>(
        &mut self,
        run: &'r Run,
        elimination: &'r Elimination,
        number: Scalar,
        neighbours: Vec<Scalar>,
    ) -> Frame<'r> {
        let steps = run
            .steps
            .iter()
            .map(|step| &elimination.steps[*step])
            .collect();
        Frame {
            value: self.over(run.class.values),
            run,
            steps,
            number,
            neighbours,
        }
    }

    /// What a step adds up for a value of its element and values of its neighbours.
    pub fn total(&mut self, frame: &Frame, pools: &[ArrayId]) -> Scalar {
        let class = &frame.run.class;
        let value = match class.values.count {
            1 => Scalar::int(class.values.lower),
            _ => Scalar::index(frame.value.index),
        };
        let own = position(&value, class.values);
        let mut total: Option<Scalar> = None;
        let mut add = |term: Scalar| {
            total = Some(match total.take() {
                Some(so_far) => Scalar::operation(Operation::Add, vec![so_far, term]),
                None => term,
            });
        };
        for &(source, multiplicity) in &class.alone {
            let of_step = |step: &&Step| -> Vec<usize> {
                step.inputs
                    .iter()
                    .filter(|input| input.source == source && input.scope.len() == 1)
                    .flat_map(|input| match source {
                        Source::Pool(_) => vec![input.item],
                        Source::Family(family) => self.families[family].items[input.item]
                            .entries
                            .iter()
                            .map(|entry| *entry as usize)
                            .collect(),
                    })
                    .collect()
            };
            let columns: Vec<Vec<usize>> = frame.steps.iter().map(of_step).collect();
            let in_place = multiplicity == Multiplicity::One
                && class.neighbours.is_empty()
                && !frame.run.is_sequential
                && class.values.count <= FEW;
            let term = match source {
                Source::Family(family) if in_place && self.families[family].entries.len() > 1 => {
                    let entries: Vec<usize> = columns.iter().map(|list| list[0]).collect();
                    let map = HashMap::from([(self.families[family].values[0], value.clone())]);
                    self.value_at(family, &frame.number, &entries, &map)
                }
                _ => {
                    let table = match source {
                        Source::Family(family) => self.table(family),
                        Source::Pool(pool) => pools[pool],
                    };
                    match multiplicity {
                        Multiplicity::One => {
                            let numbers: Vec<i64> =
                                columns.iter().map(|list| list[0] as i64 + 1).collect();
                            let column = self.pick("column", &numbers, &frame.number);
                            element(table, vec![own.clone(), column])
                        }
                        Multiplicity::Many => {
                            self.sum_over(&columns, &frame.number, &mut |column| {
                                element(table, vec![own.clone(), column])
                            })
                        }
                    }
                }
            };
            add(term);
        }
        let mut used: Vec<Vec<bool>> = frame
            .steps
            .iter()
            .map(|step| vec![false; step.inputs.len()])
            .collect();
        for (source, at) in &class.coupled {
            // The same source may stand in a class more than once: each step has an input for each time.
            let mut items = Vec::new();
            for (step, used) in frame.steps.iter().zip(&mut used) {
                let found = (0..step.inputs.len()).find(|&i| {
                    let input = &step.inputs[i];
                    !used[i]
                        && input.source == *source
                        && input.scope.len() > 1
                        && positions(step, &input.scope) == *at
                });
                let found = found.expect("steps of a class have the same inputs");
                used[found] = true;
                items.push(step.inputs[found].item);
            }
            let (table, numbers): (ArrayId, Vec<i64>) = match *source {
                Source::Pool(pool) => (pools[pool], items.iter().map(|i| *i as i64 + 1).collect()),
                Source::Family(family) => {
                    let (table, is_entries) = self.item_table(family);
                    let numbers = items
                        .iter()
                        .map(|&item| match is_entries {
                            true => self.families[family].items[item].entries[0] as i64 + 1,
                            false => item as i64 + 1,
                        })
                        .collect();
                    (table, numbers)
                }
            };
            let column = self.pick("column", &numbers, &frame.number);
            let mut indices: Vec<Scalar> = at
                .iter()
                .map(|&at| match at {
                    0 => own.clone(),
                    k => position(&frame.neighbours[k - 1], class.neighbours[k - 1]),
                })
                .collect();
            indices.push(column);
            add(element(table, indices));
        }
        total.unwrap_or(Scalar::real(0.0))
    }

    /// Messages of an elimination; `end` is given the result of each run that ends components.
    pub fn eliminate(
        &mut self,
        elimination: &Elimination,
        runs: &[Run],
        end: &mut End<Self>,
    ) -> Vec<ArrayId> {
        let span = self.factors.first().map_or(Span::default(), |f| f.span);
        let pools: Vec<ArrayId> = elimination
            .pools
            .iter()
            .map(|(dims, count)| {
                let shape = dims.iter().map(|dim| dim.count).chain([*count]).collect();
                self.array("messages", shape, span)
            })
            .collect();
        for run in runs {
            let count = run.steps.len();
            let round = (count > 1).then(|| self.binder("step", 1, count as i64));
            let number = match &round {
                Some(round) => Scalar::index(round.index),
                None => Scalar::int(1),
            };
            let around: Vec<Binder> = run
                .class
                .neighbours
                .iter()
                .map(|values| self.over(*values))
                .collect();
            let neighbours = around
                .iter()
                .zip(&run.class.neighbours)
                .map(|(binder, values)| match values.count {
                    1 => Scalar::int(values.lower),
                    _ => Scalar::index(binder.index),
                })
                .collect();
            let frame = self.frame(run, elimination, number, neighbours);
            let total = self.total(&frame, &pools);
            let result = match run.class.values.count {
                1 => total,
                _ => reduce(Reducer::LogSumExp, frame.value.clone(), total),
            };
            let Some((pool, _)) = frame.steps[0].message else {
                end(self, &frame, result, round);
                continue;
            };
            let numbers: Vec<i64> = frame
                .steps
                .iter()
                .map(|step| step.message.map_or(0, |(_, number)| number as i64 + 1))
                .collect();
            let column = self.pick("column", &numbers, &frame.number);
            let indices = frame
                .neighbours
                .iter()
                .zip(&run.class.neighbours)
                .map(|(value, values)| position(value, *values))
                .chain([column])
                .collect();
            let nest = vec![Statement::Store {
                array: pools[pool],
                indices,
                value: result,
            }];
            let nest = loops_around(nest, around);
            let nest = match round {
                Some(binder) => vec![Statement::For { binder, body: nest }],
                None => nest,
            };
            self.tables.extend(nest);
        }
        pools
    }

    /// The indices of the elements of a run, or of the k-th neighbours.
    pub fn indices_of(&mut self, elements: &[ElementId], s: &Scalar) -> (ArrayId, Vec<Scalar>) {
        let (array, _) = self.elements.place(elements[0]);
        let shape = self.loops.array(array).shape.clone();
        let places: Vec<Vec<usize>> = elements
            .iter()
            .map(|element| subscripts(self.elements.place(*element).1, &shape))
            .collect();
        let indices = (0..shape.len())
            .map(|axis| {
                let numbers: Vec<i64> = places.iter().map(|place| place[axis] as i64).collect();
                self.pick("element", &numbers, s)
            })
            .collect();
        (array, indices)
    }
}

/// A term in a loop over the steps of a run.
pub(super) fn term(
    value: Scalar,
    part: Part,
    observation: Option<(u32, Vec<Scalar>)>,
    (description, span): (u32, Span),
    round: Option<Binder>,
) -> Statement {
    let term = Statement::Term(Box::new(Term {
        statements: Vec::new(),
        domain: Vec::new(),
        value,
        part,
        observation,
        residuals: Vec::new(),
        description,
        span,
    }));
    match round {
        Some(binder) => Statement::For {
            binder,
            body: vec![term],
        },
        None => term,
    }
}

/// An element of an array that is made here.
pub(super) fn element(array: ArrayId, indices: Vec<Scalar>) -> Scalar {
    Scalar(Rc::new(Node::Element {
        array,
        indices,
        span: Span::default(),
    }))
}

/// Where a value stands in a table.
pub(super) fn position(value: &Scalar, values: Values) -> Scalar {
    shifted(value, 1 - values.lower)
}

/// scalar + shift
pub(super) fn shifted(scalar: &Scalar, shift: i64) -> Scalar {
    match shift {
        0 => scalar.clone(),
        _ => Scalar::operation(Operation::IntAdd, vec![scalar.clone(), Scalar::int(shift)]),
    }
}

/// One number of many.
pub(super) fn reduce(reducer: Reducer, binder: Binder, body: Scalar) -> Scalar {
    Scalar(Rc::new(Node::Reduce {
        reducer,
        binders: vec![binder],
        body,
    }))
}

/// Statements inside loops, the first binder outermost.
pub(super) fn loops_around(mut nest: Vec<Statement>, binders: Vec<Binder>) -> Vec<Statement> {
    for binder in binders.into_iter().rev() {
        nest = vec![Statement::For { binder, body: nest }];
    }
    nest
}

fn rounds_around(nest: Vec<Statement>, binder: Binder, count: usize) -> Vec<Statement> {
    match count {
        1 => nest,
        _ => vec![Statement::For { binder, body: nest }],
    }
}
