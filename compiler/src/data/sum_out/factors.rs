//! What each statement contributes to the sum: a factor, which is a scalar over the indices of the loops around the
//! statement and one *value index* for each discrete unknown that it reads. What it reads through values computed from
//! discrete unknowns is put in place; dense algebra on such values is computed for every combination beforehand.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::super::fold::is_data_only;
use super::super::interval::Ranges;
use super::super::loops::{
    Array, ArrayId, ArrayKind, Binder, DenseKind, IndexId, Loops, Node, Place, Scalar, Statement,
    Support, Term,
};
use super::super::pull::{element, substitute};
use super::taint::Taint;
use crate::check::hir::Reducer;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

/// A discrete unknown that a factor reads.
#[derive(Clone)]
pub(super) struct Slot {
    /// Its array.
    pub array: ArrayId,
    /// Which element, over the indices of the loops around.
    pub indices: Vec<Scalar>,
    /// Stands for its value.
    pub value: IndexId,
}

/// The law of a discrete unknown: the ends of its support.
pub(super) struct Own {
    /// Which slot it is the law of.
    pub slot: usize,
    pub lower: Scalar,
    pub upper: Scalar,
}

/// What one statement contributes, in every round of the loops around it.
pub(super) struct Factor {
    /// The loops around it.
    pub binders: Vec<Binder>,
    /// Conditions on data under which a round counts.
    pub guards: Vec<Scalar>,
    /// The discrete unknowns it reads.
    pub slots: Vec<Slot>,
    /// The log density, over the indices of the loops and the values of the slots.
    pub value: Scalar,
    /// Whether it belongs to the prior.
    pub is_prior: bool,
    /// Set if it is the law of a discrete unknown.
    pub own: Option<Own>,
    /// Of an observed value: as [`Term::observation`].
    pub observation: Option<(u32, Vec<Scalar>)>,
    /// An index of [`Loops::descriptions`].
    pub description: u32,
    /// The statement of the model.
    pub span: Span,
}

/// All factors, with what they need beforehand and what is left of the statements.
pub(super) struct Factors {
    pub factors: Vec<Factor>,
    /// Dense algebra for every combination of values.
    pub setup: Vec<Statement>,
    /// The program without the terms that became factors.
    pub rest: Vec<Statement>,
}

/// Why a scalar could not be resolved.
enum Stop {
    /// A discrete unknown is indexed by this inner index: the reduction has to be written out.
    WriteOut(IndexId),
    /// No round is of the present case: every element that is read has a definition, which was checked before.
    NoRound,
    /// What is read depends on this condition, which data decide round by round: each case is a factor of its own.
    Cases(Scalar),
    /// To be said.
    Said(Box<Diagnostic>),
}

impl From<Diagnostic> for Stop {
    fn from(diagnostic: Diagnostic) -> Self {
        Stop::Said(Box::new(diagnostic))
    }
}

type Resolved<T> = Result<T, Stop>;

/// The law of a discrete unknown in the program: its array, indices and bounds.
type Law<'s> = Option<(ArrayId, &'s [Scalar], &'s Scalar, &'s Scalar)>;

/// A statement is taken apart into at most so many cases.
const MOST_CASES: usize = 256;

/// A reduction over at most so many discrete unknowns is written out.
const MOST_TERMS: i64 = 64;

/// Where an array's elements are defined.
#[derive(Clone)]
struct Definition {
    binders: Vec<Binder>,
    guards: Vec<Scalar>,
    indices: Vec<Scalar>,
    value: Defined,
}

#[derive(Clone)]
enum Defined {
    Scalar(Scalar),
    Dense(DenseKind, Vec<Place>),
}

/// Finds the factors of a program.
pub(super) fn factors(
    loops: &mut Loops,
    ranges: &mut Ranges,
    taint: &Taint,
) -> Result<Factors, Diagnostic> {
    let statements = std::mem::take(&mut loops.statements);
    let mut definitions = HashMap::new();
    define(
        &statements,
        taint,
        &mut Vec::new(),
        &mut Vec::new(),
        &mut definitions,
    );
    let mut finder = Finder {
        loops,
        ranges,
        taint,
        definitions,
        binders: Vec::new(),
        guards: Vec::new(),
        factors: Vec::new(),
        setup: Vec::new(),
        slots: Vec::new(),
        inner: Vec::new(),
        reading: Vec::new(),
        memo: HashMap::new(),
        dense: Vec::new(),
        contexts: Vec::new(),
        cases: Vec::new(),
        inverses: HashMap::new(),
    };
    let rest = finder.statements(&statements)?;
    let (factors, setup) = (finder.factors, finder.setup);
    Ok(Factors {
        factors,
        setup,
        rest,
    })
}

/// Collects where tainted arrays are defined.
fn define(
    statements: &[Statement],
    taint: &Taint,
    binders: &mut Vec<Binder>,
    guards: &mut Vec<Scalar>,
    into: &mut HashMap<ArrayId, Vec<Definition>>,
) {
    for statement in statements {
        match statement {
            Statement::For { binder, body } => {
                binders.push(binder.clone());
                define(body, taint, binders, guards, into);
                binders.pop();
            }
            Statement::If {
                condition,
                then,
                otherwise,
            } => {
                guards.push(condition.clone());
                define(then, taint, binders, guards, into);
                guards.pop();
                guards.push(Scalar::operation(Operation::Not, vec![condition.clone()]));
                define(otherwise, taint, binders, guards, into);
                guards.pop();
            }
            Statement::Store {
                array,
                indices,
                value,
            } if taint.tainted.contains(array) => {
                into.entry(*array).or_default().push(Definition {
                    binders: binders.clone(),
                    guards: guards.clone(),
                    indices: indices.clone(),
                    value: Defined::Scalar(value.clone()),
                });
            }
            Statement::Dense {
                operation,
                inputs,
                output,
            } if taint.tainted.contains(&output.array) => {
                into.entry(output.array).or_default().push(Definition {
                    binders: binders.clone(),
                    guards: guards.clone(),
                    indices: output.prefix.clone(),
                    value: Defined::Dense(*operation, inputs.clone()),
                });
            }
            Statement::Random(random) => {
                define(&random.density.statements, taint, binders, guards, into);
            }
            Statement::Term(term) => define(&term.statements, taint, binders, guards, into),
            Statement::Store { .. } | Statement::Dense { .. } => {}
        }
    }
}

struct Finder<'a> {
    loops: &'a mut Loops,
    ranges: &'a mut Ranges,
    taint: &'a Taint,
    definitions: HashMap<ArrayId, Vec<Definition>>,
    binders: Vec<Binder>,
    guards: Vec<Scalar>,
    factors: Vec<Factor>,
    setup: Vec<Statement>,
    /// Of the factor that is being found.
    slots: Vec<Slot>,
    /// Indices of reductions around the scalar that is being resolved.
    inner: Vec<IndexId>,
    /// Arrays whose definitions are being put in place.
    reading: Vec<ArrayId>,
    /// Scalars resolved for this factor; the first of each pair keeps its address alive.
    memo: HashMap<*const Node, (Scalar, Scalar)>,
    /// Dense results computed for this factor: of which array, at which indices, and where.
    dense: Vec<(ArrayId, Vec<Scalar>, Place)>,
    /// What the loop indices around the definitions that are being put in place stand for.
    contexts: Vec<HashMap<IndexId, Scalar>>,
    /// Conditions on data, and how they are in the case that is being resolved.
    cases: Vec<(Scalar, bool)>,
    /// For an int array that numbers rows: the row of each number, 0 where there is none.
    inverses: HashMap<ArrayId, Option<ArrayId>>,
}

impl Finder<'_> {
    /// The statements without the terms that become factors.
    fn statements(&mut self, statements: &[Statement]) -> Result<Vec<Statement>, Diagnostic> {
        let mut rest = Vec::new();
        for statement in statements {
            match statement {
                Statement::For { binder, body } => {
                    self.binders.push(binder.clone());
                    let body = self.statements(body)?;
                    self.binders.pop();
                    if !body.is_empty() {
                        rest.push(Statement::For {
                            binder: binder.clone(),
                            body,
                        });
                    }
                }
                Statement::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    self.guards.push(condition.clone());
                    let then = self.statements(then)?;
                    self.guards.pop();
                    let not = Scalar::operation(Operation::Not, vec![condition.clone()]);
                    self.guards.push(not);
                    let otherwise = self.statements(otherwise)?;
                    self.guards.pop();
                    if !then.is_empty() || !otherwise.is_empty() {
                        rest.push(Statement::If {
                            condition: condition.clone(),
                            then,
                            otherwise,
                        });
                    }
                }
                Statement::Random(random) => {
                    let is_discrete = self.taint.discrete.contains(&random.variable);
                    let kind = &self.loops.array(random.variable).kind;
                    let is_unknown = matches!(kind, ArrayKind::Random(_));
                    let is_simulated = matches!(
                        kind,
                        ArrayKind::Random(super::super::loops::Role::Simulated)
                    );
                    let branched = self.guards.iter().any(|guard| self.taint.reads(guard));
                    if is_simulated {
                        rest.push(statement.clone());
                        continue;
                    }
                    if is_unknown && branched {
                        return Err(self.unknown_in_branch(random.variable, random.density.span));
                    }
                    if is_unknown && self.taint.support_reads(random) {
                        return Err(self.unknown_support(random.variable, random.density.span));
                    }
                    if !is_discrete && !branched && !self.taint.term_reads(&random.density) {
                        rest.push(statement.clone());
                        continue;
                    }
                    let own = match (&random.support, is_discrete) {
                        (
                            Support::Interval {
                                lower: Some(lower),
                                upper: Some(upper),
                                ..
                            },
                            true,
                        ) => Some((random.variable, &random.indices[..], lower, upper)),
                        _ => None,
                    };
                    let conditions = self.factor(&random.density, !random.observed, own)?;
                    rest.extend(conditions);
                    if is_unknown {
                        let mut random = random.clone();
                        random.density = Term {
                            statements: Vec::new(),
                            domain: Vec::new(),
                            value: Scalar::real(0.0),
                            ..random.density
                        };
                        rest.push(Statement::Random(random));
                    }
                }
                Statement::Term(term) => {
                    let branched = self.guards.iter().any(|guard| self.taint.reads(guard));
                    if branched || self.taint.term_reads(term) {
                        let conditions = self.factor(term, term.is_prior, None)?;
                        rest.extend(conditions);
                    } else {
                        rest.push(statement.clone());
                    }
                }
                Statement::Store { .. } | Statement::Dense { .. } => rest.push(statement.clone()),
            }
        }
        Ok(rest)
    }

    fn unknown_in_branch(&self, variable: ArrayId, span: Span) -> Diagnostic {
        let name = &self.loops.array(variable).name;
        Diagnostic::error(
            "E0501",
            format!("whether `{name}` exists depends on an unknown whole number"),
        )
        .at(span, "inside an `if` on a discrete unknown")
        .help("draw it in any case, above the `if`, and use it inside")
    }

    fn unknown_support(&self, variable: ArrayId, span: Span) -> Diagnostic {
        let name = &self.loops.array(variable).name;
        Diagnostic::error(
            "E0502",
            format!("the values that `{name}` can take depend on an unknown whole number"),
        )
        .at(span, "its bounds read a discrete unknown")
        .help("give it bounds that are known, and say with its probabilities which values are impossible")
    }

    /// Makes factors of a term, one for each case. Returns what no discrete unknown decides: conditions, and cases in which
    /// all is known.
    fn factor(
        &mut self,
        term: &Term,
        is_prior: bool,
        own: Law,
    ) -> Result<Vec<Statement>, Diagnostic> {
        let mut waiting: Vec<Vec<(Scalar, bool)>> = vec![Vec::new()];
        let (mut count, mut conditions, mut plain) = (0, None, Vec::new());
        while let Some(cases) = waiting.pop() {
            count += 1;
            self.slots.clear();
            self.memo.clear();
            self.dense.clear();
            self.inner.clear();
            self.contexts.clear();
            self.reading.clear();
            self.cases.clone_from(&cases);
            let setup = self.setup.len();
            match self.resolve_term(term, own) {
                Ok((value, guards, domain, own)) => {
                    match self.slots.is_empty() {
                        // All that it reads is known in this case.
                        true => plain.push(self.plain_term(term, is_prior, value, guards)),
                        false => self.push(term, is_prior, value, guards, own),
                    }
                    conditions = (!domain.is_empty()).then_some(domain);
                }
                Err(Stop::Cases(condition)) if count + waiting.len() < MOST_CASES => {
                    self.setup.truncate(setup);
                    for holds in [false, true] {
                        let mut more = cases.clone();
                        more.push((condition.clone(), holds));
                        waiting.push(more);
                    }
                }
                Err(Stop::NoRound) => self.setup.truncate(setup),
                Err(Stop::Said(diagnostic)) => {
                    return Err(match diagnostic.labels.is_empty() {
                        true => diagnostic.at(term.span, ""),
                        false => *diagnostic,
                    });
                }
                Err(Stop::WriteOut(_) | Stop::Cases(_)) => {
                    return Err(Diagnostic::error(
                        "E0503",
                        "this couples a number of discrete unknowns that differs from round to round",
                    )
                    .at(term.span, "")
                    .help("let ranges over discrete unknowns begin and end at fixed numbers"));
                }
            }
        }
        plain.extend(conditions.map(|domain| {
            Statement::Term(Box::new(Term {
                statements: Vec::new(),
                domain,
                value: Scalar::real(0.0),
                is_prior,
                observation: None,
                description: term.description,
                span: term.span,
            }))
        }));
        Ok(plain)
    }

    /// The conditions of the present case.
    fn case_guards(&self) -> impl Iterator<Item = Scalar> {
        self.cases.iter().map(|(condition, holds)| match holds {
            true => condition.clone(),
            false => Scalar::operation(Operation::Not, vec![condition.clone()]),
        })
    }

    /// A term of a case in which no discrete unknown is read. The conditions around its statement stand around it still.
    fn plain_term(
        &self,
        term: &Term,
        is_prior: bool,
        value: Scalar,
        guards: Vec<Scalar>,
    ) -> Statement {
        let statement = Statement::Term(Box::new(Term {
            statements: Vec::new(),
            domain: Vec::new(),
            value,
            is_prior,
            observation: term.observation.clone(),
            description: term.description,
            span: term.span,
        }));
        guards
            .into_iter()
            .chain(self.case_guards())
            .fold(statement, |inner, condition| Statement::If {
                condition,
                then: vec![inner],
                otherwise: Vec::new(),
            })
    }

    /// Keeps the factor of the present case.
    fn push(
        &mut self,
        term: &Term,
        is_prior: bool,
        value: Scalar,
        mut guards: Vec<Scalar>,
        own: Option<Own>,
    ) {
        guards.extend(self.case_guards());
        self.factors.push(Factor {
            binders: self.binders.clone(),
            guards,
            slots: std::mem::take(&mut self.slots),
            value,
            is_prior,
            own,
            observation: term.observation.clone(),
            description: term.description,
            span: term.span,
        });
    }

    #[allow(clippy::type_complexity)] // the parts of one factor, taken apart at once
    fn resolve_term(
        &mut self,
        term: &Term,
        own: Law,
    ) -> Resolved<(
        Scalar,
        Vec<Scalar>,
        Vec<super::super::loops::Condition>,
        Option<Own>,
    )> {
        let own = match own {
            Some((array, indices, lower, upper)) => {
                let slot = self.slot(array, indices.to_vec(), term.span)?;
                Some(Own {
                    slot,
                    lower: lower.clone(),
                    upper: upper.clone(),
                })
            }
            None => None,
        };
        let mut value = self.resolve(&term.value)?;
        let mut domain = Vec::new();
        for condition in &term.domain {
            if !self.taint.reads(&condition.holds) {
                domain.push(condition.clone());
                continue;
            }
            let holds = self.resolve(&condition.holds)?;
            value = Scalar::choose(holds, value, Scalar::real(f64::NEG_INFINITY));
        }
        let mut guards = Vec::new();
        for guard in self.guards.clone() {
            if is_data_only(&self.loops.arrays, &guard) {
                guards.push(guard);
                continue;
            }
            let holds = self.resolve(&guard)?;
            value = Scalar::choose(holds, value, Scalar::real(0.0));
        }
        Ok((value, guards, domain, own))
    }

    /// The slot of an element of a discrete unknown.
    fn slot(&mut self, array: ArrayId, indices: Vec<Scalar>, span: Span) -> Resolved<usize> {
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

    fn resolve(&mut self, scalar: &Scalar) -> Resolved<Scalar> {
        if !self.taint.reads(scalar) {
            return Ok(scalar.clone());
        }
        let key = Rc::as_ptr(&scalar.0);
        if let Some((_, known)) = self.memo.get(&key) {
            return Ok(known.clone());
        }
        let result = self.rebuild(scalar)?;
        self.memo.insert(key, (scalar.clone(), result.clone()));
        Ok(result)
    }

    fn resolve_all(&mut self, scalars: &[Scalar]) -> Resolved<Vec<Scalar>> {
        scalars.iter().map(|scalar| self.resolve(scalar)).collect()
    }

    fn rebuild(&mut self, scalar: &Scalar) -> Resolved<Scalar> {
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
                } else if self.taint.tainted.contains(array) {
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
    fn reduce(&mut self, reducer: Reducer, binders: &[Binder], body: &Scalar) -> Resolved<Scalar> {
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

    fn write_out(
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
            return Err(Diagnostic::error(
                "E0505",
                format!("this couples {} discrete unknowns with each other", upper - lower + 1),
            )
            .help("a sum over all their combinations is too large: let each part of the model depend on a few of them")
            .into());
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

    /// An element of an array that is computed from discrete unknowns: its definition, put in place.
    fn read(&mut self, array: ArrayId, indices: Vec<Scalar>, span: Span) -> Resolved<Scalar> {
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
            let (id, shift) = match shifted_index(pattern) {
                Some((id, shift)) if own(&id) => (id, shift),
                _ if self.row(pattern, index, &own).is_some() => {
                    let (id, row) = self.row(pattern, index, &own).expect("just found");
                    let is_row =
                        Scalar::operation(Operation::IntLess, vec![Scalar::int(0), row.clone()]);
                    condition = condition.and(is_row);
                    match map.get(&id) {
                        Some(known) => condition = condition.and(equal(known.clone(), row)),
                        None => drop(map.insert(id, row)),
                    }
                    continue;
                }
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

    /// A condition as far as the present case decides it. One that data decide makes cases, unless it is certain.
    fn decided(&self, condition: Scalar) -> Resolved<Scalar> {
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

    fn dense_result(
        &mut self,
        array: ArrayId,
        operation: DenseKind,
        inputs: &[Place],
        own_rank: usize,
        map: &HashMap<IndexId, Scalar>,
        span: Span,
    ) -> Resolved<Place> {
        // The elements of tainted inputs, as scalars over new indices.
        let mut fills: Vec<(Vec<Binder>, Scalar)> = Vec::new();
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
            let at: Vec<Scalar> = prefix
                .into_iter()
                .chain(binders.iter().map(|binder| Scalar::index(binder.index)))
                .collect();
            self.inner.extend(binders.iter().map(|binder| binder.index));
            let value = self.read(input.array, at, span);
            self.inner.truncate(self.inner.len() - binders.len());
            fills.push((binders, value?));
            places.push(None);
        }
        // What they depend on decides how many results there are.
        let mut used: HashSet<IndexId> = HashSet::new();
        for (_, value) in &fills {
            used.extend(super::super::fold::free_indices(value));
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
        for place in places {
            sources.push(match place {
                Some(place) => place,
                None => {
                    let (binders, value) = fills.next().expect("one for each tainted input");
                    let own: Vec<usize> = binders
                        .iter()
                        .map(|binder| binder.upper.as_int().unwrap_or(0) as usize)
                        .collect();
                    let array = new_array(self.loops, &own);
                    let at = binders.iter().map(|binder| Scalar::index(binder.index));
                    let mut nest = vec![Statement::Store {
                        array,
                        indices: prefix.iter().cloned().chain(at).collect(),
                        value,
                    }];
                    for binder in binders.into_iter().rev() {
                        nest = vec![Statement::For { binder, body: nest }];
                    }
                    body.extend(nest);
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

/// A new index with a known range.
pub(super) fn new_index(
    loops: &mut Loops,
    ranges: &mut Ranges,
    name: &str,
    lower: i64,
    upper: i64,
) -> IndexId {
    loops.indices.push(name.to_string());
    ranges
        .indices
        .push(Some((Scalar::int(lower), Scalar::int(upper))));
    IndexId(loops.indices.len() as u32 - 1)
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

fn same_all(a: &[Scalar], b: &[Scalar]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

/// Whether two scalars are the same expression.
fn same(a: &Scalar, b: &Scalar) -> bool {
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
