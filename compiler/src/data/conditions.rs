//! What the parameters and values of laws must satisfy. What is certain needs no condition, what is certainly violated is an
//! error; the rest is checked round by round, when the data are bound or when the program runs.

use super::expand::{Expander, Outcome};
use super::loops::{Condition, Node, Scalar};
use super::pull::{Pull, Value};
use super::subscripts::subscripts_text;
use crate::check::hir::{self, Declared, Element, Reducer};
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

impl<'a> Expander<'a> {
    /// Adds what `value` must satisfy to have the declared support; certain violations are errors.
    pub fn conditions(
        &mut self,
        declared: &'a Declared,
        value: &Value,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let int = declared.element == Element::Int;
        let zero = || {
            if int {
                Scalar::int(0)
            } else {
                Scalar::real(0.0)
            }
        };
        let mut upper: Option<Scalar> = None;
        let lower: Option<(Scalar, bool)>;
        match &declared.support {
            hir::Support::Positive => lower = Some((zero(), true)),
            hir::Support::Nonnegative => lower = Some((zero(), false)),
            hir::Support::Unit => (lower, upper) = (Some((zero(), false)), Some(Scalar::real(1.0))),
            hir::Support::Between(low, high) => {
                let (low, high) = (self.scalar(low)?, self.scalar(high)?);
                lower = Some((self.folded(low, Element::Real)?, false));
                upper = Some(self.folded(high, Element::Real)?);
            }
            hir::Support::Structured(structure) => {
                return self.structure_conditions(*structure, value, what, span, conditions);
            }
            _ => return Ok(()),
        }
        let scalar = match value {
            Value::Scalar(scalar) => scalar.clone(),
            Value::Array(pull) => {
                if pull.length() == 0 {
                    return Ok(());
                }
                return self.array_condition(pull, lower, upper, what, span, conditions);
            }
        };
        let scalar = real(scalar, declared.element);
        self.bounds(scalar, lower, upper, what, span, conditions)
    }

    /// A number that must be a probability.
    pub(super) fn unit_condition(
        &mut self,
        value: Scalar,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let (lower, upper) = ((Scalar::real(0.0), false), Scalar::real(1.0));
        self.bounds(value, Some(lower), Some(upper), what, span, conditions)
    }

    pub(super) fn bounds(
        &mut self,
        value: Scalar,
        lower: Option<(Scalar, bool)>,
        upper: Option<Scalar>,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let range = self.range(&value);
        if let Some((bound, strict)) = lower {
            let bound = if matches!(*bound.0, Node::Int(_)) {
                Scalar::real(bound.as_number().unwrap_or(0.0))
            } else {
                bound
            };
            let known = bound.as_number();
            let proven = match known {
                Some(b) if strict => range.low > b || (range.low == b && range.above),
                Some(b) => range.low >= b || b == f64::NEG_INFINITY,
                None => false,
            };
            if !proven {
                let operation = if strict {
                    Operation::Less
                } else {
                    Operation::LessEqual
                };
                let holds = Scalar::operation(operation, vec![bound.clone(), value.clone()]);
                let rule = match (known, strict) {
                    (Some(0.0), true) => format!("{what} must be positive"),
                    (Some(0.0), false) => format!("{what} must not be negative"),
                    (Some(b), _) => format!("{what} must be at least {b}"),
                    (None, _) => format!("{what} must not be below its lower bound"),
                };
                self.condition(holds, value.clone(), rule, span, conditions)?;
            }
        }
        if let Some(bound) = upper {
            let known = bound.as_number();
            let proven = known.is_some_and(|b| range.high <= b || b == f64::INFINITY);
            if !proven {
                let holds = Scalar::operation(Operation::LessEqual, vec![value.clone(), bound]);
                let rule = match known {
                    Some(b) => format!("{what} must be at most {b}"),
                    None => format!("{what} must not be above its upper bound"),
                };
                self.condition(holds, value, rule, span, conditions)?;
            }
        }
        Ok(())
    }

    pub(super) fn condition(
        &mut self,
        holds: Scalar,
        value: Scalar,
        rule: String,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let holds = self.folded(holds, Element::Bool)?;
        match holds.as_bool() {
            Some(true) => Ok(()),
            Some(false) => {
                let shown = self.constant(&value)?.unwrap_or(f64::NAN);
                let name = rule
                    .strip_prefix('`')
                    .and_then(|rest| rest.split('`').next());
                let origin = name.and_then(|name| Some((name, self.bound.origin(name)?)));
                let mut diagnostic =
                    Diagnostic::error("E0430", format!("{rule}, and it is {shown}"))
                        .at(span, format!("this is {shown}"));
                if let Some((name, origin)) = origin {
                    diagnostic = diagnostic.note(format!("`{name}` comes from {origin}"));
                }
                Err(diagnostic.help("give it a value that it allows").into())
            }
            None => {
                conditions.push(Condition {
                    holds,
                    value,
                    rule,
                    span,
                });
                Ok(())
            }
        }
    }

    pub(super) fn array_condition(
        &mut self,
        pull: &Pull,
        lower: Option<(Scalar, bool)>,
        upper: Option<Scalar>,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        self.check_elements(pull, &lower, &upper, what, span)?;
        let (_, element) = self.each_element(pull, span);
        let range = self.range(&element);
        let is_low = lower.as_ref().is_some_and(|(bound, strict)| {
            bound.as_number().is_none_or(|b| {
                if *strict {
                    !(range.low > b || range.low == b && range.above)
                } else {
                    range.low < b
                }
            })
        });
        if is_low {
            let least = self.reduce_pull(Reducer::Minimum, pull, span)?.scalar()?;
            let least = real(least, pull.element);
            self.bounds(
                least,
                lower,
                None,
                &format!("each element of {what}"),
                span,
                conditions,
            )?;
        }
        let is_high = upper
            .as_ref()
            .is_some_and(|bound| bound.as_number().is_none_or(|b| range.high > b));
        if is_high {
            let most = self.reduce_pull(Reducer::Maximum, pull, span)?.scalar()?;
            let most = real(most, pull.element);
            self.bounds(
                most,
                None,
                upper,
                &format!("each element of {what}"),
                span,
                conditions,
            )?;
        }
        Ok(())
    }

    /// Of numbers that data give, names the first outside its bounds.
    fn check_elements(
        &self,
        pull: &Pull,
        lower: &Option<(Scalar, bool)>,
        upper: &Option<Scalar>,
        what: &str,
        span: Span,
    ) -> Outcome<()> {
        let super::pull::Body::Stored(place) = &pull.body else {
            return Ok(());
        };
        let values: Vec<f64> = match &self.loops.array(place.array).kind {
            _ if !place.prefix.is_empty() => return Ok(()),
            super::loops::ArrayKind::Real(data) => data.to_vec(),
            super::loops::ArrayKind::Int(data) => data.iter().map(|&value| value as f64).collect(),
            _ => return Ok(()),
        };
        let low = lower
            .as_ref()
            .and_then(|(bound, strict)| Some((bound.as_number()?, *strict)));
        let high = upper.as_ref().and_then(Scalar::as_number);
        let bad = values.iter().position(|&value| {
            low.is_some_and(|(low, strict)| if strict { value <= low } else { value < low })
                || high.is_some_and(|high| value > high)
        });
        let Some(flat) = bad else { return Ok(()) };
        let index = subscripts_text(flat, &pull.shape);
        let element = match what
            .strip_prefix('`')
            .and_then(|name| name.strip_suffix('`'))
        {
            Some(name) if !name.contains('`') => format!("`{name}[{index}]`"),
            _ => format!("element {index} of {what}"),
        };
        let value = values[flat];
        let rule = match (low, high) {
            (Some((0.0, true)), _) if value <= 0.0 => "be positive".to_string(),
            (Some((0.0, false)), _) if value < 0.0 => "not be negative".to_string(),
            (Some((low, _)), _) if value < low => format!("be at least {low}"),
            (_, Some(high)) => format!("be at most {high}"),
            _ => "lie within its bounds".to_string(),
        };
        Err(
            Diagnostic::error("E0430", format!("{element} must {rule}, and it is {value}"))
                .at(span, "")
                .help("correct it in the data, or allow it in the model")
                .into(),
        )
    }

    /// Probabilities sum to one, up to rounding.
    pub(super) fn sum_condition(
        &mut self,
        sum: Scalar,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let error = Scalar::operation(Operation::Subtract, vec![sum.clone(), Scalar::real(1.0)]);
        let error = Scalar::operation(Operation::Absolute, vec![error]);
        let holds = Scalar::operation(Operation::LessEqual, vec![error, Scalar::real(1e-8)]);
        self.condition(
            holds,
            sum,
            format!("{what} must sum to 1"),
            span,
            conditions,
        )
    }
}

/// An int as a real.
pub(super) fn real(scalar: Scalar, element: Element) -> Scalar {
    match element {
        Element::Int => Scalar::operation(Operation::IntToReal, vec![scalar]),
        _ => scalar,
    }
}
