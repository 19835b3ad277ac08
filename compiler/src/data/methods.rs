//! Members of a law asked for as values, `normal(0, 1).cdf(x)`, elementwise over arrays.

use super::expand::{Expander, Failure, Outcome};
use super::loops::Scalar;
use super::pull::Value;
use crate::check::hir::{self, DistributionCall, Element};
use crate::source::Span;

impl<'a> Expander<'a> {
    /// `normal(0, 1).cdf(x)`, elementwise.
    pub fn method(
        &mut self,
        call: &'a DistributionCall,
        method: &str,
        argument: &'a hir::Expression,
        expression: &'a hir::Expression,
    ) -> Outcome<Value> {
        let span = expression.span;
        let mut values = self.law_arguments(call)?;
        let scalar_law = self.draw_rank(call) == 0;
        let slots = call.slots(&self.hir.distributions);
        values.push(self.value(argument)?);
        if !scalar_law {
            return Ok(Value::Scalar(self.method_at(call, method, values, span)?));
        }
        let is_scalar = |position: usize| slots.get(position).is_none_or(|slot| slot.is_scalar);
        let is_indexed = |position: usize| slots.get(position).is_some_and(|slot| slot.is_indexed);
        let scalars: Vec<Value> = values
            .iter()
            .enumerate()
            .filter(|(i, _)| is_scalar(*i))
            .map(|(i, v)| self.without_component(v, is_indexed(i), span))
            .collect();
        match self.common_shape(&scalars, &[], span)? {
            None => Ok(Value::Scalar(self.method_at(call, method, values, span)?)),
            Some(shape) => self.over(&shape, Element::Real, span, |expander, at| {
                let here = values
                    .iter()
                    .enumerate()
                    .map(|(i, v)| {
                        if is_indexed(i) && is_scalar(i) {
                            expander.component_elements(v, at, span)
                        } else if is_scalar(i) {
                            Value::Scalar(expander.at(v, at, span))
                        } else {
                            v.clone()
                        }
                    })
                    .collect();
                expander.method_at(call, method, here, span)
            }),
        }
    }

    fn method_at(
        &mut self,
        call: &'a DistributionCall,
        method: &str,
        mut values: Vec<Value>,
        span: Span,
    ) -> Outcome<Scalar> {
        let argument = values.pop().expect("the value");
        let entered = self.enter(call, values)?;
        let mut conditions = entered.conditions.clone();
        let is_density = method == "log_density";
        // Outside the support the density is zero; a distribution function has its own answer.
        let inside = if is_density {
            self.conditions(entered.draw, &argument, "the value", span, &mut conditions)
        } else {
            Ok(())
        };
        let outside = Scalar::real(if is_density {
            f64::NEG_INFINITY
        } else {
            f64::NAN
        });
        if inside.is_err() {
            self.leave(&entered);
            return Ok(outside);
        }
        let result = match (method, argument) {
            ("log_cdf" | "log_ccdf", Value::Scalar(x)) => self.log_tail(&entered, method, &x, span),
            ("cdf", Value::Scalar(x)) => self.cumulative(&entered, &x, span),
            (_, argument) => self
                .member(&entered, method, Some(argument), span)
                .and_then(|value| value.ok_or(Failure::Silent)?.scalar()),
        };
        self.leave(&entered);
        let value = result?;
        let holds = conditions
            .into_iter()
            .map(|condition| condition.holds)
            .reduce(Scalar::and);
        Ok(match holds {
            Some(holds) => Scalar::choose(holds, value, outside),
            None => value,
        })
    }
}
