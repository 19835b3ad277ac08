//! Probabilities of intervals: log P(X ≤ x), log P(X > x) and log P(a ≤ X ≤ b) by whichever members a law has, each taken from
//! the side on which it keeps its digits.

use super::expand::{Expander, Failure, Outcome};
use super::laws::Entered;
use super::loops::{Node, Scalar};
use super::pull::Value;
use crate::check::hir::{self, Element};
use crate::math::primitive::Operation;
use crate::source::Span;

impl<'a> Expander<'a> {
    /// log P(lower ≤ X ≤ upper) of the law that is entered; `lower` is −∞ or `upper` ∞ where a side is open.
    pub fn log_mass(
        &mut self,
        entered: &Entered<'a>,
        lower: &Scalar,
        upper: &Scalar,
        span: Span,
    ) -> Outcome<Scalar> {
        let int = entered.draw.element == Element::Int;
        let open_below =
            lower.as_number() == Some(f64::NEG_INFINITY) || self.begins_at(entered, lower);
        let open_above = upper.as_number() == Some(f64::INFINITY);
        // P(X < lower) is P(X ≤ lower − 1) for whole numbers.
        let below = if int {
            Scalar::operation(Operation::Subtract, vec![lower.clone(), Scalar::real(1.0)])
        } else {
            lower.clone()
        };
        match (open_below, open_above) {
            (true, true) => Ok(Scalar::real(0.0)),
            (true, false) => self.log_tail(entered, "log_cdf", upper, span),
            (false, true) => self.log_tail(entered, "log_ccdf", &below, span),
            (false, false) => {
                // Of the two tails the smaller one keeps its digits.
                let low = self.log_tail(entered, "log_cdf", &below, span)?;
                let high = self.log_tail(entered, "log_cdf", upper, span)?;
                let low = self.keep("log_cdf", low, Element::Real, span)?;
                let high = self.keep("log_cdf", high, Element::Real, span)?;
                let left = difference(&high, &low);
                let above_low = self.log_tail(entered, "log_ccdf", &below, span)?;
                let above_high = self.log_tail(entered, "log_ccdf", upper, span)?;
                let above_low = self.keep("log_ccdf", above_low, Element::Real, span)?;
                let above_high = self.keep("log_ccdf", above_high, Element::Real, span)?;
                let right = difference(&above_low, &above_high);
                let half = Scalar::real(-std::f64::consts::LN_2);
                let condition = Scalar::operation(Operation::Less, vec![low, half]);
                Ok(Scalar::choose(condition, left, right))
            }
        }
    }

    /// Whether the support begins at this number anyway.
    pub(super) fn begins_at(&self, entered: &Entered, lower: &Scalar) -> bool {
        let zero = matches!(
            entered.draw.support,
            hir::Support::Positive | hir::Support::Nonnegative | hir::Support::Unit
        );
        zero && lower.as_number().is_some_and(|lower| lower <= 0.0)
    }

    /// F(x) of the law that is entered.
    pub(super) fn cumulative(
        &mut self,
        entered: &Entered<'a>,
        x: &Scalar,
        span: Span,
    ) -> Outcome<Scalar> {
        if let Some(found) = self.member(entered, "cdf", Some(Value::Scalar(x.clone())), span)? {
            return found.scalar();
        }
        let log = self.log_tail(entered, "log_cdf", x, span)?;
        Ok(Scalar::operation(Operation::Exponential, vec![log]))
    }

    /// log P(X ≤ at) or log P(X > at), by whichever members the law has.
    pub(super) fn log_tail(
        &mut self,
        entered: &Entered<'a>,
        name: &str,
        at: &Scalar,
        span: Span,
    ) -> Outcome<Scalar> {
        let tail = self.log_tail_at(entered, name, at, span)?;
        if entered.draw.element != Element::Int || at.as_number().is_some() {
            return Ok(tail);
        }
        // A bound of counts may be infinite for some elements, which no law of whole numbers has to know of.
        let infinite = Scalar::real(f64::INFINITY);
        let is_infinite = Scalar::operation(Operation::Equal, vec![at.clone(), infinite]);
        let beyond = match name {
            "log_cdf" => 0.0,
            _ => f64::NEG_INFINITY,
        };
        Ok(Scalar::choose(is_infinite, Scalar::real(beyond), tail))
    }

    fn log_tail_at(
        &mut self,
        entered: &Entered<'a>,
        name: &str,
        at: &Scalar,
        span: Span,
    ) -> Outcome<Scalar> {
        let value = |expander: &Self| match entered.draw.element {
            Element::Int => Value::Scalar(expander.whole_number(at)),
            _ => Value::Scalar(at.clone()),
        };
        let argument = value(self);
        if let Some(found) = self.member(entered, name, Some(argument.clone()), span)? {
            return found.scalar();
        }
        let other = if name == "log_cdf" {
            "log_ccdf"
        } else {
            "log_cdf"
        };
        if name == "log_cdf"
            && let Some(cdf) = self.member(entered, "cdf", Some(argument.clone()), span)?
        {
            return Ok(Scalar::operation(Operation::Logarithm, vec![cdf.scalar()?]));
        }
        if let Some(found) = self.member(entered, other, Some(argument.clone()), span)? {
            return Ok(Scalar::operation(
                Operation::LogOneMinusExp,
                vec![found.scalar()?],
            ));
        }
        match self.member(entered, "cdf", Some(argument), span)? {
            Some(cdf) => {
                let negative = Scalar::operation(Operation::Negate, vec![cdf.scalar()?]);
                Ok(Scalar::operation(Operation::LogOnePlus, vec![negative]))
            }
            None => Err(Failure::Silent),
        }
    }

    /// A whole real as an int.
    fn whole_number(&self, scalar: &Scalar) -> Scalar {
        match &*scalar.0 {
            Node::Operation {
                operation: Operation::IntToReal,
                arguments,
            } => arguments[0].clone(),
            Node::Real(value) => Scalar::int(*value as i64),
            Node::Operation {
                operation: Operation::Subtract,
                arguments,
            } => Scalar::operation(
                Operation::IntSubtract,
                vec![
                    self.whole_number(&arguments[0]),
                    self.whole_number(&arguments[1]),
                ],
            ),
            _ => Scalar::operation(Operation::RealToInt, vec![scalar.clone()]),
        }
    }
}

/// log(exp(a) − exp(b)) for a > b
pub(super) fn difference(a: &Scalar, b: &Scalar) -> Scalar {
    let gap = Scalar::operation(Operation::Subtract, vec![b.clone(), a.clone()]);
    let rest = Scalar::operation(Operation::LogOneMinusExp, vec![gap]);
    Scalar::operation(Operation::Add, vec![a.clone(), rest])
}
