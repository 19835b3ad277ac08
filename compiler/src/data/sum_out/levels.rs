//! What the sum over a connected set of unknowns adds to each part of the density. With P the laws, C₁, C₂ the constraints
//! and L the likelihood, the parts get log Σ P, log Σ P C₁ − log Σ P, log Σ P C₁ C₂ − log Σ P C₁ and log Σ P C₁ C₂ L −
//! log Σ P C₁ C₂: with all weights one they add up to the log of the sum, and without the likelihood to that of the prior with
//! its constraints. Each sum but the last is an elimination of its own, of what has a part up to a *level*; without the
//! rest a connected set may fall apart, and each of its pieces has a sum.

use std::collections::{BTreeSet, HashMap};

use super::super::loops::{ArrayId, Scalar, Statement};
use super::emit::{self, Emitter};
use super::factors::Factor;
use super::ground::Family;
use super::order::{Elimination, Run, Step};
use crate::math::graph::Part;
use crate::math::primitive::Operation;
use crate::source::Span;

/// A part that a connected set adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub part: Part,
    /// The statement that it is reported under.
    pub description: u32,
}

/// The parts that each connected set adds to, in their order. Laws of discrete unknowns sum to one, so that alone they add to none.
pub(super) struct Shares {
    kinds: Vec<Vec<Share>>,
    kind_of: HashMap<usize, usize>,
}

impl Shares {
    pub fn of(factors: &[Factor], families: &[Family], components: &[usize]) -> Self {
        let mut found: HashMap<usize, Vec<Share>> = HashMap::new();
        for family in families {
            let factor = &factors[family.factor];
            for item in &family.items {
                let shares = found.entry(components[item.scope[0] as usize]).or_default();
                let is_known = shares.iter().any(|share| share.part == factor.part);
                if !is_known && (factor.part != Part::Prior || factor.own.is_none()) {
                    shares.push(Share {
                        part: factor.part,
                        description: factor.description,
                    });
                }
            }
        }
        let mut shares = Shares {
            kinds: vec![Vec::new()],
            kind_of: HashMap::new(),
        };
        let mut components: Vec<usize> = found.keys().copied().collect();
        components.sort_unstable();
        for component in components {
            let mut own = found.remove(&component).unwrap_or_default();
            own.sort_by_key(|share| share.part);
            let known = shares.kinds.iter().position(|kind| *kind == own);
            let kind = known.unwrap_or_else(|| {
                shares.kinds.push(own);
                shares.kinds.len() - 1
            });
            shares.kind_of.insert(component, kind);
        }
        shares
    }

    /// Connected sets of one kind add to the same parts.
    pub fn kind(&self, component: usize) -> usize {
        self.kind_of.get(&component).copied().unwrap_or(0)
    }

    pub fn kinds(&self) -> usize {
        self.kinds.len()
    }

    fn shares(&self, component: usize) -> &[Share] {
        &self.kinds[self.kind(component)]
    }

    /// The parts that are not the last of some connected set.
    pub fn inner_parts(&self) -> BTreeSet<Part> {
        let inner = |kind: &Vec<Share>| kind.split_last().map(|(_, inner)| inner.to_vec());
        let all = self.kinds.iter().filter_map(inner).flatten();
        all.map(|share| share.part).collect()
    }

    /// Whether a part is one of a connected set, and not the last.
    pub fn is_inner(&self, component: usize, part: Part) -> bool {
        let inner = self.shares(component).split_last();
        inner.is_some_and(|(_, inner)| inner.iter().any(|share| share.part == part))
    }

    /// The last part of a connected set, and the part before it.
    pub fn last(&self, component: usize) -> Option<(Share, Option<Part>)> {
        let (last, inner) = self.shares(component).split_last()?;
        Some((*last, inner.last().map(|share| share.part)))
    }
}

/// The sums over what has a part up to this one, of the connected sets that have a later part.
pub(super) struct Level {
    pub part: Part,
    elimination: Elimination,
    pub runs: Vec<Run>,
    /// The sums, once they are computed.
    sums: ArrayId,
    /// The numbers of the pieces of each connected set, from 0.
    pieces: HashMap<usize, Vec<usize>>,
}

impl Level {
    pub fn new(part: Part, elimination: Elimination, runs: Vec<Run>) -> Self {
        Level {
            part,
            elimination,
            runs,
            sums: ArrayId(0),
            pieces: HashMap::new(),
        }
    }

    /// Computes the sums, adds them to their part and takes them from the next.
    pub fn emit(
        &mut self,
        emitter: &mut Emitter,
        shares: &Shares,
        spans: &HashMap<u32, Span>,
        terms: &mut Vec<Statement>,
    ) {
        let mut number_of: HashMap<u32, i64> = HashMap::new();
        let steps = self.elimination.steps.iter();
        for step in steps.filter(|step| step.message.is_none()) {
            let number = number_of.len();
            number_of.insert(step.element, number as i64 + 1);
            self.pieces.entry(step.component).or_default().push(number);
        }
        let span = emitter.factors.first().map_or(Span::default(), |f| f.span);
        let name = match self.part {
            Part::Prior => "prior_sums",
            _ => "constraint_sums",
        };
        let sums = emitter.array(name, vec![number_of.len()], span);
        self.sums = sums;
        emitter.eliminate(
            &self.elimination,
            &self.runs,
            &mut |emitter, frame, value, round| {
                let numbers: Vec<i64> = frame
                    .steps
                    .iter()
                    .map(|step| number_of[&step.element])
                    .collect();
                let at = emitter.pick("piece", &numbers, &frame.number);
                let store = Statement::Store {
                    array: sums,
                    indices: vec![at.clone()],
                    value,
                };
                let binders = round.iter().cloned().collect();
                emitter
                    .tables
                    .extend(emit::loops_around(vec![store], binders));
                let value = emit::element(sums, vec![at]);
                let own = shares.shares(frame.steps[0].component);
                let place = own.iter().position(|share| share.part == self.part);
                let place = place.expect("the sets of this level have this part");
                let mut add = |share: &Share, value: Scalar| {
                    let named = (share.description, spans[&share.description]);
                    terms.push(emit::term(value, share.part, None, named, round.clone()));
                };
                add(&own[place], value.clone());
                // The last part takes the sum of all pieces, so that an observed value keeps a term of its own.
                if place + 2 < own.len() {
                    add(
                        &own[place + 1],
                        Scalar::operation(Operation::Negate, vec![value]),
                    );
                }
            },
        );
    }

    /// The sum of the pieces of the connected set of each step.
    pub fn sum(&self, emitter: &mut Emitter, steps: &[&Step], number: &Scalar) -> Scalar {
        let pieces = |step: &&Step| self.pieces[&step.component].clone();
        let lists: Vec<Vec<usize>> = steps.iter().map(pieces).collect();
        emitter.sum_over(&lists, number, &mut |piece| {
            emit::element(self.sums, vec![piece])
        })
    }
}
