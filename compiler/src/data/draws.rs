//! The log density of a law at a value, restricted to an interval if it is truncated, and the statements that draw from
//! it: by the law's own sampler, or for a truncated law by inverting its distribution function between the bounds
//! (`inversion.rs`). Censored laws stand in `censoring.rs`.

use super::expand::{BlockKind, Expander, Outcome};
use super::loops::{ArrayId, Condition, Scalar, Statement, Support, Term, indices_of};
use super::pull::Value;
use crate::check::hir::{self, Element, Law};
use crate::math::graph::Part;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

impl<'a> Expander<'a> {
    /// The log density of a law at a value, with what must hold for it to be finite.
    pub(super) fn law_term(
        &mut self,
        entered: &super::laws::Entered<'a>,
        law: &'a Law,
        x: Value,
        what: &str,
        check_value: bool,
        span: Span,
    ) -> Outcome<Term> {
        if let Some(bounds) = &law.censored {
            return self.censored_term(entered, law, bounds, x, what, span);
        }
        let mut domain = entered.conditions.clone();
        if check_value {
            self.conditions(entered.draw, &x, what, span, &mut domain)?;
        }
        let mut value = self.log_density(entered, x.clone(), span)?;
        if let Some((lower, upper)) = &law.truncated {
            let (lower, upper) = self.truncation(lower, upper, entered)?;
            if !entered.is_flat() {
                let mass = self.log_mass(entered, &lower, &upper, law.span)?;
                value = Scalar::operation(Operation::Subtract, vec![value, mass]);
            }
            if check_value && let Value::Scalar(x) = &x {
                let x = as_real(entered, x);
                self.inside(&x, &lower, &upper, what, span, &mut domain)?;
            }
        }
        Ok(self.term(value, domain, Part::Likelihood, span))
    }

    /// Adds that a value lies between the bounds of a truncation.
    pub(super) fn inside(
        &mut self,
        x: &Scalar,
        lower: &Scalar,
        upper: &Scalar,
        what: &str,
        span: Span,
        domain: &mut Vec<Condition>,
    ) -> Outcome<()> {
        for holds in [
            Scalar::operation(Operation::LessEqual, vec![lower.clone(), x.clone()]),
            Scalar::operation(Operation::LessEqual, vec![x.clone(), upper.clone()]),
        ] {
            let holds = self.folded(holds, Element::Bool)?;
            if holds.as_bool() == Some(false) {
                return Err(Diagnostic::error(
                    "E0430",
                    format!("{what} lies outside the truncation"),
                )
                .at(span, "")
                .help("widen `truncated(…)`, or look at the data")
                .into());
            }
            if holds.as_bool().is_none() {
                let rule = format!("{what} must lie within the truncation");
                domain.push(Condition {
                    holds,
                    value: x.clone(),
                    rule,
                    span,
                });
            }
        }
        Ok(())
    }

    /// Where an element of a law may lie, within the bounds of `truncated`.
    pub(super) fn truncated_support(
        &mut self,
        entered: &super::laws::Entered<'a>,
        law: &'a Law,
        at: &[Scalar],
    ) -> Outcome<Support> {
        let mut support = self.support(entered, at, law.span)?;
        if let (
            Some((lower, upper)),
            Support::Interval {
                lower: low,
                upper: high,
                ..
            },
        ) = (&law.truncated, &mut support)
        {
            let (lower, upper) = self.truncation(lower, upper, entered)?;
            narrow(low, lower, f64::NEG_INFINITY, Operation::Maximum);
            narrow(high, upper, f64::INFINITY, Operation::Minimum);
        }
        Ok(support)
    }

    /// The bounds of `truncated`, evaluated where the statement stands.
    pub(super) fn truncation(
        &mut self,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
        entered: &super::laws::Entered<'a>,
    ) -> Outcome<(Scalar, Scalar)> {
        let place = lower.span.to(upper.span);
        self.bounds_of_law((lower, upper), entered, true, place)
    }

    /// The bounds of `censored`: of whole numbers, those at or beyond them.
    pub(super) fn censoring(
        &mut self,
        (lower, upper): &'a (hir::Expression, hir::Expression),
        entered: &super::laws::Entered<'a>,
    ) -> Outcome<(Scalar, Scalar)> {
        let place = lower.span.to(upper.span);
        self.bounds_of_law((lower, upper), entered, false, place)
    }

    fn bounds_of_law(
        &mut self,
        (lower, upper): (&'a hir::Expression, &'a hir::Expression),
        entered: &super::laws::Entered<'a>,
        is_inside: bool,
        place: Span,
    ) -> Outcome<(Scalar, Scalar)> {
        let frames = self
            .frames
            .split_off(self.frames.len() - entered.frame_count());
        let bounds = self
            .bound(lower)
            .and_then(|lower| Ok((lower, self.bound(upper)?)));
        self.frames.extend(frames);
        let (mut lower, mut upper) = bounds?;
        let int = entered.draw.element == Element::Int;
        if int {
            lower = whole_bound(&lower, is_inside);
            upper = whole_bound(&upper, !is_inside);
        }
        let lower = self.folded(lower, Element::Real)?;
        let upper = self.folded(upper, Element::Real)?;
        if let (Some(a), Some(b)) = (lower.as_number(), upper.as_number())
            && (a > b || a == b && !int)
        {
            return Err(
                Diagnostic::error("E0431", format!("nothing lies between {a} and {b}"))
                    .at(place, "")
                    .help("the lower bound comes first")
                    .into(),
            );
        }
        Ok((lower, upper))
    }

    /// A bound of the present element.
    fn bound(&mut self, bound: &'a hir::Expression) -> Outcome<Scalar> {
        match self.value(bound)? {
            Value::Scalar(scalar) => Ok(scalar),
            Value::Array(pull) => {
                let (at, shape) = self.element.clone();
                if pull.shape != shape {
                    let own = super::expression::sizes(&pull.shape);
                    return Err(Diagnostic::error(
                        "E0411",
                        format!("this bound has {own}, and the variable another shape"),
                    )
                    .at(bound.span, own)
                    .help("give one bound for all, or one for each element of the variable")
                    .into());
                }
                Ok(pull.at(&self.loops.arrays, &at, bound.span))
            }
        }
    }

    /// Statements that draw an element (or vector) and store it.
    pub(super) fn sample(
        &mut self,
        array: ArrayId,
        at: &[Scalar],
        entered: &super::laws::Entered<'a>,
        law: &'a Law,
        support: &Support,
        span: Span,
    ) -> Outcome<Option<Vec<Statement>>> {
        self.open(BlockKind::Closed);
        let result = match &law.truncated {
            Some((lower, upper)) => self.truncated_draw(entered, lower, upper, span),
            None => self.member(entered, "sample", None, span),
        };
        let result = match (result, &law.censored) {
            (Ok(Some(Value::Scalar(value))), Some(bounds)) => self
                .clamped(value, bounds, entered)
                .map(|value| Some(Value::Scalar(value))),
            (result, _) => result,
        };
        let stored = result.map(|value| {
            value.map(|value| match value {
                Value::Scalar(value) => self.emit(Statement::Store {
                    array,
                    indices: at.to_vec(),
                    value,
                }),
                Value::Array(pull) => {
                    let binders = self.count_binders(&support.shape());
                    let own = indices_of(&binders);
                    let store = Statement::Store {
                        array,
                        value: pull.at(&self.loops.arrays, &own, span),
                        indices: [at, &own[..]].concat(),
                    };
                    self.emit(store.over(binders));
                }
            })
        });
        let statements = self.close();
        Ok(stored?.map(|()| statements))
    }
}

/// A value of a law as a real.
pub(super) fn as_real(entered: &super::laws::Entered, x: &Scalar) -> Scalar {
    match entered.draw.element {
        Element::Int => Scalar::operation(Operation::IntToReal, vec![x.clone()]),
        _ => x.clone(),
    }
}

/// A bound of whole numbers that need not be whole itself: the next whole number above or below.
pub(super) fn whole_bound(bound: &Scalar, is_up: bool) -> Scalar {
    use super::loops::Node;
    match &*bound.0 {
        Node::Real(value) if !value.is_finite() => bound.clone(),
        Node::Real(value) if is_up => Scalar::real(value.ceil()),
        Node::Real(value) => Scalar::real(value.floor()),
        Node::Operation {
            operation: Operation::IntToReal,
            ..
        } => bound.clone(),
        _ if is_up => {
            let negative = Scalar::operation(Operation::Negate, vec![bound.clone()]);
            let floor = Scalar::operation(Operation::Floor, vec![negative]);
            Scalar::operation(Operation::Negate, vec![floor])
        }
        _ => Scalar::operation(Operation::Floor, vec![bound.clone()]),
    }
}

/// The tighter of two bounds.
fn narrow(bound: &mut Option<Scalar>, other: Scalar, open: f64, tighter: Operation) {
    if other.as_number() == Some(open) {
        return;
    }
    *bound = Some(match bound.take() {
        Some(bound) => Scalar::operation(tighter, vec![bound, other]),
        None => other,
    });
}
