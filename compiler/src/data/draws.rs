//! The log density of a law at a value, restricted to an interval if it is truncated, and the statements that draw from
//! it: by the law's own sampler, or for a truncated law by inverting its distribution function between the bounds.

use super::expand::{BlockKind, Expander, Failure, Outcome};
use super::loops::{ArrayId, Condition, Scalar, Statement, Support, Term};
use super::pull::Value;
use crate::check::hir::{self, Element, Law};
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
                let int = entered.draw.element == Element::Int;
                let x = if int {
                    Scalar::operation(Operation::IntToReal, vec![x.clone()])
                } else {
                    x.clone()
                };
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
            }
        }
        Ok(self.term(value, domain, false, span))
    }

    /// The bounds of `truncated`, evaluated where the statement stands.
    pub(super) fn truncation(
        &mut self,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
        entered: &super::laws::Entered<'a>,
    ) -> Outcome<(Scalar, Scalar)> {
        let place = lower.span.to(upper.span);
        let frames = self
            .frames
            .split_off(self.frames.len() - entered.frame_count());
        let bounds = self
            .scalar(lower)
            .and_then(|lower| Ok((lower, self.scalar(upper)?)));
        self.frames.extend(frames);
        let (lower, upper) = bounds?;
        let lower = self.folded(lower, Element::Real)?;
        let upper = self.folded(upper, Element::Real)?;
        if let (Some(a), Some(b)) = (lower.as_number(), upper.as_number())
            && a >= b
        {
            return Err(
                Diagnostic::error("E0431", format!("nothing lies between {a} and {b}"))
                    .at(place, "")
                    .help("the lower bound of `truncated` comes first")
                    .into(),
            );
        }
        Ok((lower, upper))
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
        let stored = result.map(|value| {
            value.map(|value| match value {
                Value::Scalar(value) => self.emit(Statement::Store {
                    array,
                    indices: at.to_vec(),
                    value,
                }),
                Value::Array(pull) => {
                    let binder = self.count_binder(support.size());
                    let index = Scalar::index(binder.index);
                    let value = pull.at(&self.loops.arrays, std::slice::from_ref(&index), span);
                    let mut indices = at.to_vec();
                    indices.push(index);
                    let body = vec![Statement::Store {
                        array,
                        indices,
                        value,
                    }];
                    self.emit(Statement::For { binder, body });
                }
            })
        });
        let statements = self.close();
        Ok(stored?.map(|()| statements))
    }

    /// Inverse of the cumulative distribution between the bounds, where the law has a quantile function.
    pub(super) fn truncated_draw(
        &mut self,
        entered: &super::laws::Entered<'a>,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
        span: Span,
    ) -> Outcome<Option<Value>> {
        let has = |name: &str| entered.item.is_some_and(|item| item.member(name).is_some());
        if !has("quantile") || !has("cdf") || entered.draw.element == Element::Int {
            return Ok(None);
        }
        let (lower, upper) = self.truncation(lower, upper, entered)?;
        let probability =
            |expander: &mut Self, bound: &Scalar, open: f64, value: f64| -> Outcome<Scalar> {
                if bound.as_number() == Some(open) {
                    return Ok(Scalar::real(value));
                }
                let cdf =
                    expander.member(entered, "cdf", Some(Value::Scalar(bound.clone())), span)?;
                let cdf = cdf.ok_or(Failure::Silent)?.scalar()?;
                expander.keep("cdf", cdf, Element::Real, span)
            };
        let low = probability(self, &lower, f64::NEG_INFINITY, 0.0)?;
        let high = probability(self, &upper, f64::INFINITY, 1.0)?;
        let uniform = Scalar(std::rc::Rc::new(super::loops::Node::Draw {
            draw: crate::math::primitive::Draw::Uniform,
            arguments: Vec::new(),
        }));
        let width = Scalar::operation(Operation::Subtract, vec![high, low.clone()]);
        let inside = Scalar::operation(Operation::Multiply, vec![width, uniform]);
        let p = Scalar::operation(Operation::Add, vec![low, inside]);
        let p = self.keep("p", p, Element::Real, span)?;
        let value = self
            .member(entered, "quantile", Some(Value::Scalar(p)), span)?
            .ok_or(Failure::Silent)?
            .scalar()?;
        // Rounding must not leave the bounds.
        let value = Scalar::operation(Operation::Maximum, vec![value, lower]);
        Ok(Some(Value::Scalar(Scalar::operation(
            Operation::Minimum,
            vec![value, upper],
        ))))
    }
}

/// The tighter of two bounds.
pub(super) fn narrow(bound: &mut Option<Scalar>, other: Scalar, open: f64, tighter: Operation) {
    if other.as_number() == Some(open) {
        return;
    }
    *bound = Some(match bound.take() {
        Some(bound) => Scalar::operation(tighter, vec![bound, other]),
        None => other,
    });
}
