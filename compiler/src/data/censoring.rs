//! Censored observations. A recorded value at the lower bound, or below it, says that the draw was there or below, and
//! counts as P(X ≤ lower); at the upper bound or above it likewise as P(X ≥ upper); between them it is itself and counts
//! with its density. Whole numbers are treated the same, so `censored(0, 10)` of counts lumps 10 and more. Under a
//! truncation all three are divided by the probability of the interval that is left. Bounds may differ by element; an
//! infinite one censors nothing.

use super::draws::as_real;
use super::expand::{Expander, Outcome};
use super::laws::Entered;
use super::loops::{Scalar, Term};
use super::pull::Value;
use crate::check::hir::{Element, Expression, Law};
use crate::math::graph::Part;
use crate::math::primitive::Operation;
use crate::source::Span;

impl<'a> Expander<'a> {
    /// The term of an observation under a censored law.
    pub(super) fn censored_term(
        &mut self,
        entered: &Entered<'a>,
        law: &'a Law,
        bounds: &'a (Expression, Expression),
        x: Value,
        what: &str,
        span: Span,
    ) -> Outcome<Term> {
        let (lower, upper) = self.censoring(bounds, entered)?;
        let recorded = as_real(entered, &x.scalar()?);
        let mut domain = entered.conditions.clone();
        // What was recorded beyond a bound stands for the bound.
        let x = match entered.draw.element {
            Element::Int => x_of(&recorded),
            _ => between(&recorded, &lower, &upper),
        };
        self.conditions(
            entered.draw,
            &Value::Scalar(x.clone()),
            what,
            span,
            &mut domain,
        )?;
        let open = (Scalar::real(f64::NEG_INFINITY), Scalar::real(f64::INFINITY));
        let (least, most) = match &law.truncated {
            Some((least, most)) => self.truncation(least, most, entered)?,
            None => open,
        };
        if law.truncated.is_some() {
            let real = as_real(entered, &x);
            self.inside(&real, &least, &most, what, span, &mut domain)?;
        }
        let at_lower =
            Scalar::operation(Operation::LessEqual, vec![recorded.clone(), lower.clone()]);
        let at_upper = Scalar::operation(Operation::LessEqual, vec![upper.clone(), recorded]);
        let at_lower = self.folded(at_lower, Element::Bool)?;
        let at_upper = self.folded(at_upper, Element::Bool)?;
        let value = self.choice(
            at_lower,
            Element::Real,
            span,
            &mut |expander| {
                Ok(Value::Scalar(
                    expander.log_mass(entered, &least, &lower, span)?,
                ))
            },
            &mut |expander| {
                expander.choice(
                    at_upper.clone(),
                    Element::Real,
                    span,
                    &mut |expander| {
                        Ok(Value::Scalar(
                            expander.log_mass(entered, &upper, &most, span)?,
                        ))
                    },
                    &mut |expander| {
                        let x = Value::Scalar(x.clone());
                        Ok(Value::Scalar(expander.log_density(entered, x, span)?))
                    },
                )
            },
        )?;
        let mut value = value.scalar()?;
        if law.truncated.is_some() {
            let mass = self.log_mass(entered, &least, &most, law.span)?;
            value = Scalar::operation(Operation::Subtract, vec![value, mass]);
        }
        Ok(self.term(value, domain, Part::Likelihood, span))
    }

    /// A draw as it would be recorded.
    pub(super) fn clamped(
        &mut self,
        value: Scalar,
        bounds: &'a (Expression, Expression),
        entered: &Entered<'a>,
    ) -> Outcome<Scalar> {
        let (lower, upper) = self.censoring(bounds, entered)?;
        Ok(between(&as_real(entered, &value), &lower, &upper))
    }
}

/// A whole number as the int that it is.
fn x_of(real: &Scalar) -> Scalar {
    match &*real.0 {
        super::loops::Node::Operation {
            operation: Operation::IntToReal,
            arguments,
        } => arguments[0].clone(),
        super::loops::Node::Real(value) => Scalar::int(*value as i64),
        _ => real.clone(),
    }
}

/// The nearest number between two bounds.
fn between(x: &Scalar, lower: &Scalar, upper: &Scalar) -> Scalar {
    let mut x = x.clone();
    if lower.as_number() != Some(f64::NEG_INFINITY) {
        x = Scalar::operation(Operation::Maximum, vec![x, lower.clone()]);
    }
    if upper.as_number() != Some(f64::INFINITY) {
        x = Scalar::operation(Operation::Minimum, vec![x, upper.clone()]);
    }
    x
}
