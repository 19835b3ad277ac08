//! What each statement contributes to the sum: a factor, which is a scalar over the indices of the loops around the
//! statement and one *value index* for each discrete unknown that it reads. What it reads through values computed from
//! discrete unknowns is put in place; dense algebra on such values is computed for every combination beforehand.

use std::collections::HashMap;

use super::super::fold::is_data_only;
use super::super::interval::Ranges;
use super::super::loops::{
    ArrayId, ArrayKind, Binder, IndexId, Loops, Node, Place, Scalar, Statement, Support, Term,
};
use super::definitions::{Definition, define};
use super::taint::Taint;
use crate::math::graph::Part;
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
    /// What it belongs to: the prior, a constraint or the likelihood.
    pub part: Part,
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
pub(super) enum Stop {
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

pub(super) type Resolved<T> = Result<T, Stop>;

/// The law of a discrete unknown in the program: its array, indices and bounds.
type Law<'s> = Option<(ArrayId, &'s [Scalar], &'s Scalar, &'s Scalar)>;

/// A statement is taken apart into at most so many cases.
const MOST_CASES: usize = 256;

/// Finds the factors of a program.
pub(super) fn factors(
    loops: &mut Loops,
    ranges: &mut Ranges,
    taint: &Taint,
) -> Result<Factors, Diagnostic> {
    let statements = std::mem::take(&mut loops.statements);
    let definitions = define(&statements, loops, taint);
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
        readers: HashMap::new(),
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

pub(super) struct Finder<'a> {
    pub(super) loops: &'a mut Loops,
    pub(super) ranges: &'a mut Ranges,
    pub(super) taint: &'a Taint,
    pub(super) definitions: HashMap<ArrayId, Vec<Definition>>,
    pub(super) binders: Vec<Binder>,
    pub(super) guards: Vec<Scalar>,
    pub(super) factors: Vec<Factor>,
    pub(super) setup: Vec<Statement>,
    /// Of the factor that is being found.
    pub(super) slots: Vec<Slot>,
    /// Indices of reductions around the scalar that is being resolved.
    pub(super) inner: Vec<IndexId>,
    /// Arrays whose definitions are being put in place.
    pub(super) reading: Vec<ArrayId>,
    /// Scalars resolved for this factor; the first of each pair keeps its address alive.
    pub(super) memo: HashMap<*const Node, (Scalar, Scalar)>,
    /// Whether scalars of this factor read discrete unknowns, kept alive likewise.
    pub(super) readers: HashMap<*const Node, (Scalar, bool)>,
    /// Dense results computed for this factor: of which array, at which indices, and where.
    pub(super) dense: Vec<(ArrayId, Vec<Scalar>, Place)>,
    /// What the loop indices around the definitions that are being put in place stand for.
    pub(super) contexts: Vec<HashMap<IndexId, Scalar>>,
    /// Conditions on data, and how they are in the case that is being resolved.
    pub(super) cases: Vec<(Scalar, bool)>,
    /// For an int array that numbers rows: the row of each number, 0 where there is none.
    pub(super) inverses: HashMap<ArrayId, Option<ArrayId>>,
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
                    let conditions = self.factor(&random.density, part_of(random.observed), own)?;
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
                        let conditions = self.factor(term, term.part, None)?;
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
    fn factor(&mut self, term: &Term, part: Part, own: Law) -> Result<Vec<Statement>, Diagnostic> {
        let mut waiting: Vec<Vec<(Scalar, bool)>> = vec![Vec::new()];
        let (mut count, mut conditions, mut plain) = (0, None, Vec::new());
        while let Some(cases) = waiting.pop() {
            count += 1;
            self.slots.clear();
            self.memo.clear();
            self.readers.clear();
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
                        true => plain.push(self.plain_term(term, part, value, guards)),
                        false => self.push(term, part, value, guards, own),
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
                part,
                observation: None,
                residuals: Vec::new(),
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
    fn plain_term(&self, term: &Term, part: Part, value: Scalar, guards: Vec<Scalar>) -> Statement {
        let statement = Statement::Term(Box::new(Term {
            statements: Vec::new(),
            domain: Vec::new(),
            value,
            part,
            observation: term.observation.clone(),
            residuals: Vec::new(),
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
        part: Part,
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
            part,
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
}

/// The part of a law.
fn part_of(observed: bool) -> Part {
    match observed {
        true => Part::Likelihood,
        false => Part::Prior,
    }
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
