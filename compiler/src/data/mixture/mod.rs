//! Laws made of other laws, see [`hir::Mixture`]. With weights wₖ and densities fₖ the log density is
//! log Σ exp(log wₖ + log fₖ(x)), the distribution function Σ wₖ Fₖ(x), and a draw is one of the component that a uniform
//! number picks. Components that are listed are written out; components counted by an index are a loop over it.

mod members;
mod sample;
mod support;

use std::rc::Rc;

use super::expand::{Expander, Failure, Outcome};
use super::laws::Entered;
use super::loops::{Condition, Place, Scalar};
use super::pull::{Body, Pull, Value};
use crate::check::hir::{DistributionCall, Mixture, MixtureKind, Reducer};
use crate::math::primitive::Operation;
use crate::math::structure::Structure;
use crate::source::{Diagnostic, Span};

/// A mixture with the values of its arguments.
pub struct Parts<'a> {
    mixture: &'a Mixture,
    weights: Weights,
    components: Vec<Component<'a>>,
    /// Number of components.
    count: usize,
}

enum Weights {
    Single(Vec<Scalar>),
    Array(Pull),
}

struct Component<'a> {
    call: &'a DistributionCall,
    /// The values of its arguments, and whether their first index position counts the components.
    values: Vec<(Value, bool)>,
}

/// Which component: one of a list, or the one that a loop index stands for.
enum Which {
    Listed(usize),
    Indexed(Scalar),
}

impl Which {
    fn scalar(&self) -> Scalar {
        match self {
            Which::Listed(position) => Scalar::int(*position as i64 + 1),
            Which::Indexed(index) => index.clone(),
        }
    }
}

impl<'a> Expander<'a> {
    pub(super) fn enter_mixture(
        &mut self,
        call: &'a DistributionCall,
        mixture: &'a Mixture,
        arguments: Vec<Value>,
    ) -> Outcome<Entered<'a>> {
        let slots = call.slots(&self.hir.distributions);
        let mut values = Vec::new();
        for (position, (slot, argument)) in slots.iter().zip(arguments).enumerate() {
            let value = match argument {
                // Weights stay as they are written, so that it can be seen that `w` and `1 - w` sum to one.
                Value::Scalar(scalar) if position >= call.arguments.len() => {
                    let element = slot.expression.ty.element;
                    Value::Scalar(self.keep("argument", scalar, element, slot.expression.span)?)
                }
                other => other,
            };
            values.push((value, slot.is_indexed));
        }
        let rest = values.split_off(call.arguments.len());
        let count = match &mixture.binder {
            None => mixture.components.len(),
            Some(binder) => {
                let lower = self.int(&binder.lower, "the number of distributions")?;
                let upper = self.int(&binder.upper, "the number of distributions")?;
                usize::try_from(upper - lower + 1).unwrap_or(0)
            }
        };
        let weights = self.mixture_weights(call, mixture, values, count)?;
        let mut rest = rest.into_iter();
        let distributions = &self.hir.distributions;
        let components = mixture.components.iter().map(|call| Component {
            call,
            values: rest
                .by_ref()
                .take(call.slots(distributions).len())
                .collect(),
        });
        let parts = Rc::new(Parts {
            mixture,
            weights,
            components: components.collect(),
            count,
        });
        let mut conditions = self.weight_conditions(&parts, call)?;
        self.component_conditions(&parts, call.span, &mut conditions)?;
        Ok(Entered::mixture(parts, &mixture.draw, conditions))
    }

    fn mixture_weights(
        &mut self,
        call: &DistributionCall,
        mixture: &Mixture,
        values: Vec<(Value, bool)>,
        count: usize,
    ) -> Outcome<Weights> {
        if mixture.has_single_weights {
            let scalars = values.into_iter().map(|(value, _)| value.scalar());
            return Ok(Weights::Single(scalars.collect::<Outcome<_>>()?));
        }
        let Some((Value::Array(pull), _)) = values.into_iter().next() else {
            return Err(Failure::Silent);
        };
        if pull.shape[0] != count || count == 0 {
            let found = pull.shape[0];
            let diagnostic = Diagnostic::error(
                "E0260",
                format!("{found} weights for {count} distributions"),
            )
            .at(call.arguments[0].span, format!("{found} weights"));
            return Err(diagnostic
                .help("give one weight for each distribution, and at least one of them")
                .into());
        }
        Ok(Weights::Array(pull))
    }

    /// Weights are probabilities that sum to one.
    fn weight_conditions(
        &mut self,
        parts: &Parts<'a>,
        call: &'a DistributionCall,
    ) -> Outcome<Vec<Condition>> {
        let mut conditions = Vec::new();
        let name = parts.mixture.kind.name();
        let span = call.arguments[0].span;
        match &parts.weights {
            Weights::Array(pull) => {
                let what = format!("the weights of `{name}`");
                let value = Value::Array(pull.clone());
                let simplex = Structure::Simplex;
                self.structure_conditions(simplex, &value, &what, span, &mut conditions)?;
            }
            Weights::Single(weights) => {
                let what = match parts.mixture.kind {
                    MixtureKind::Mixture => "each weight of `mixture`".to_string(),
                    _ => format!("the probability of `{name}`"),
                };
                for (weight, argument) in weights.iter().zip(&call.arguments) {
                    self.unit_condition(weight.clone(), &what, argument.span, &mut conditions)?;
                }
                let is_certain = parts.mixture.kind != MixtureKind::Mixture
                    || super::linear::sum_is(weights, 1.0);
                if !is_certain {
                    let what = format!("the weights of `{name}`");
                    let sum = sum_of(weights.clone());
                    self.sum_condition(sum, &what, span, &mut conditions)?;
                }
            }
        }
        Ok(conditions)
    }

    /// What the parameters of the components must satisfy.
    fn component_conditions(
        &mut self,
        parts: &Rc<Parts<'a>>,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        if parts.mixture.binder.is_none() {
            for position in 0..parts.count {
                let which = Which::Listed(position);
                let more = self.with_component(parts, &which, span, |_, entered| {
                    Ok(entered.conditions.clone())
                })?;
                conditions.extend(more);
            }
            return Ok(());
        }
        let mut rules = Vec::new();
        let holds = self.over_indexed(parts, Reducer::Minimum, span, &mut |expander, which| {
            let own = expander.with_component(parts, which, span, |_, entered| {
                Ok(entered.conditions.clone())
            })?;
            let holds = own.iter().map(|condition| condition.holds.clone());
            let all = holds.reduce(Scalar::and).unwrap_or(Scalar::bool(true));
            rules.extend(own.into_iter().next());
            Ok(Scalar::choose(all, Scalar::real(1.0), Scalar::real(0.0)))
        })?;
        let Some(first) = rules.into_iter().next() else {
            return Ok(());
        };
        let holds = Scalar::operation(Operation::Less, vec![Scalar::real(0.5), holds]);
        self.condition(
            holds.clone(),
            holds,
            format!("{}, in each component", first.rule),
            first.span,
            conditions,
        )
    }

    /// Runs `body` with one component entered.
    fn with_component<T>(
        &mut self,
        parts: &Parts<'a>,
        which: &Which,
        span: Span,
        body: impl FnOnce(&mut Self, &Entered<'a>) -> Outcome<T>,
    ) -> Outcome<T> {
        let component = match which {
            Which::Listed(position) => &parts.components[*position],
            Which::Indexed(_) => &parts.components[0],
        };
        let at = which.scalar();
        let values = component
            .values
            .iter()
            .map(|(value, is_indexed)| match value {
                Value::Array(pull) if *is_indexed => self.row(pull, &at, span),
                other => other.clone(),
            });
        let values = values.collect();
        let entered = self.enter(component.call, values)?;
        let result = body(self, &entered);
        self.leave(&entered);
        result
    }

    /// An argument without the index position that counts components, for its shape.
    pub(super) fn without_component(&self, value: &Value, is_indexed: bool, span: Span) -> Value {
        match value {
            Value::Array(pull) if is_indexed => self.row(pull, &Scalar::int(1), span),
            other => other.clone(),
        }
    }

    /// An argument that counts components in front, at one element of the variable.
    pub(super) fn component_elements(&mut self, value: &Value, at: &[Scalar], span: Span) -> Value {
        let Value::Array(pull) = value else {
            return value.clone();
        };
        if pull.rank() == 1 {
            return value.clone();
        }
        let binder = self.count_binder(pull.shape[0]);
        let mut indices = vec![Scalar::index(binder.index)];
        indices.extend(at.iter().cloned());
        let body = pull.at(&self.loops.arrays, &indices, span);
        Value::Array(Pull {
            element: pull.element,
            shape: vec![pull.shape[0]],
            body: Body::Lambda(vec![binder.index], body),
        })
    }

    /// What stands behind the first index of an array.
    pub(super) fn row(&self, pull: &Pull, at: &Scalar, span: Span) -> Value {
        if pull.rank() == 1 {
            return Value::Scalar(pull.at(&self.loops.arrays, std::slice::from_ref(at), span));
        }
        let body = match &pull.body {
            Body::Stored(place) => {
                let mut prefix = place.prefix.clone();
                prefix.push(at.clone());
                Body::Stored(Place {
                    array: place.array,
                    prefix,
                })
            }
            Body::Lambda(placeholders, body) => {
                let map = [(placeholders[0], at.clone())].into_iter().collect();
                let body = super::pull::substitute(&self.loops.arrays, body, &map);
                Body::Lambda(placeholders[1..].to_vec(), body)
            }
        };
        Value::Array(Pull {
            element: pull.element,
            shape: pull.shape[1..].to_vec(),
            body,
        })
    }
}

fn sum_of(scalars: Vec<Scalar>) -> Scalar {
    let sum = scalars
        .into_iter()
        .reduce(|a, b| Scalar::operation(Operation::Add, vec![a, b]));
    sum.unwrap_or(Scalar::real(0.0))
}
