//! Densities and distribution functions of mixtures: sums over the components, of which few are written out and those that
//! an index counts are a loop. Zero inflation and hurdles say what happens at 0 apart.

use std::rc::Rc;

use super::super::expand::{BlockKind, Expander, Failure, Outcome};
use super::super::laws::Entered;
use super::super::loops::{Node, Scalar};
use super::super::pull::{Body, Pull, Value};
use super::{Parts, Weights, Which};
use crate::check::hir::{Element, MixtureKind, Reducer};
use crate::math::primitive::Operation;
use crate::source::Span;

/// So many numbers are reduced at once; more are reduced in groups.
const GROUP: usize = 8;

impl<'a> Expander<'a> {
    /// One number of those that `body` gives for the components.
    fn over_components(
        &mut self,
        parts: &Rc<Parts<'a>>,
        reducer: Reducer,
        span: Span,
        body: &mut dyn FnMut(&mut Self, &Which) -> Outcome<Scalar>,
    ) -> Outcome<Scalar> {
        if parts.mixture.binder.is_some() {
            return self.over_indexed(parts, reducer, span, body);
        }
        let mut scalars = Vec::new();
        for position in 0..parts.count {
            scalars.push(body(self, &Which::Listed(position))?);
        }
        Ok(self.reduce_listed(reducer, scalars))
    }

    pub(super) fn over_indexed(
        &mut self,
        parts: &Rc<Parts<'a>>,
        reducer: Reducer,
        span: Span,
        body: &mut dyn FnMut(&mut Self, &Which) -> Outcome<Scalar>,
    ) -> Outcome<Scalar> {
        let binder = self.count_binder(parts.count);
        let at = Scalar::index(binder.index);
        self.open(BlockKind::Over(vec![binder.index]));
        let value = body(self, &Which::Indexed(at.clone()));
        let statements = self.close();
        let mut value = value?;
        if !statements.is_empty() {
            let own = std::slice::from_ref(&binder);
            let place =
                self.store_over(own, statements, value, Element::Real, "component", span)?;
            let mut indices = place.prefix;
            indices.push(at);
            value = super::super::pull::element(&self.loops.arrays, place.array, indices, span);
        }
        self.reduce(reducer, vec![binder], value, Element::Real, span)?
            .scalar()
    }

    /// One number of a few.
    fn reduce_listed(&mut self, reducer: Reducer, mut scalars: Vec<Scalar>) -> Scalar {
        while scalars.len() > 1 {
            let groups = scalars.chunks(GROUP);
            scalars = groups
                .map(|group| self.reduce_group(reducer, group))
                .collect();
        }
        scalars.pop().unwrap_or(Scalar::real(f64::NEG_INFINITY))
    }

    /// A reduction over an index that picks: few rounds are written out, and each round knows its pick.
    fn reduce_group(&mut self, reducer: Reducer, group: &[Scalar]) -> Scalar {
        let [others @ .., last] = group else {
            return Scalar::real(f64::NEG_INFINITY);
        };
        if others.is_empty() {
            return last.clone();
        }
        let binder = self.count_binder(group.len());
        let at = Scalar::index(binder.index);
        let picks = others.iter().enumerate().rev();
        let body = picks.fold(last.clone(), |rest, (position, scalar)| {
            let number = Scalar::int(position as i64 + 1);
            let is_it = Scalar::operation(Operation::IntEqual, vec![at.clone(), number]);
            Scalar::choose(is_it, scalar.clone(), rest)
        });
        Scalar(Rc::new(Node::Reduce {
            reducer,
            binders: vec![binder],
            body,
        }))
    }

    pub(super) fn mixture_weight(&self, parts: &Parts, which: &Which, span: Span) -> Scalar {
        match (&parts.weights, which) {
            (Weights::Single(weights), Which::Listed(position)) => weights[*position].clone(),
            (Weights::Array(pull), which) => pull.at(&self.loops.arrays, &[which.scalar()], span),
            (Weights::Single(_), Which::Indexed(_)) => {
                unreachable!("distributions that an index counts have an array of weights")
            }
        }
    }

    /// The logarithms of the weights, each computed once.
    fn log_weights(&mut self, parts: &Parts, span: Span) -> Outcome<Vec<Scalar>> {
        let mut logs = Vec::new();
        for position in 0..parts.count {
            let weight = self.mixture_weight(parts, &Which::Listed(position), span);
            logs.push(self.keep("log weight", log_of(&weight), Element::Real, span)?);
        }
        Ok(logs)
    }

    /// Σ or log Σ over the components of the weight times what `body` gives; both as logarithms for the latter.
    fn weighted(
        &mut self,
        parts: &Rc<Parts<'a>>,
        reducer: Reducer,
        span: Span,
        body: &mut dyn FnMut(&mut Self, &Entered<'a>) -> Outcome<Scalar>,
    ) -> Outcome<Scalar> {
        let is_log = reducer == Reducer::LogSumExp;
        let listed = parts.mixture.binder.is_none();
        let logs = if is_log && listed {
            self.log_weights(parts, span)?
        } else {
            Vec::new()
        };
        // Counted by an index, the logarithms are an array that is computed once.
        let stored = match &parts.weights {
            Weights::Array(pull) if is_log && !listed => {
                let logs = self.over(&pull.shape, Element::Real, span, |expander, at| {
                    Ok(log_of(&pull.at(&expander.loops.arrays, at, span)))
                })?;
                let Value::Array(logs) = logs else {
                    return Err(Failure::Silent);
                };
                let place = self.place(&logs, "log weights", span)?;
                Some(Pull {
                    body: Body::Stored(place),
                    ..logs
                })
            }
            _ => None,
        };
        self.over_components(parts, reducer, span, &mut |expander, which| {
            let weight = match (&stored, which) {
                (Some(stored), _) => stored.at(&expander.loops.arrays, &[which.scalar()], span),
                (None, Which::Listed(position)) if is_log => logs[*position].clone(),
                _ => expander.mixture_weight(parts, which, span),
            };
            let value =
                expander.with_component(parts, which, span, |e, entered| body(e, entered))?;
            let operation = if is_log {
                Operation::Add
            } else {
                Operation::Multiply
            };
            Ok(Scalar::operation(operation, vec![weight, value]))
        })
    }

    /// A member of a mixture.
    pub(in crate::data) fn mixture_member(
        &mut self,
        entered: &Entered<'a>,
        parts: &Rc<Parts<'a>>,
        name: &str,
        argument: Option<Value>,
        span: Span,
    ) -> Outcome<Option<Value>> {
        let argument = match argument {
            Some(Value::Scalar(scalar)) => {
                let element = entered.draw.element;
                Some(Value::Scalar(self.keep("x", scalar, element, span)?))
            }
            other => other,
        };
        let scalar = match (parts.mixture.kind, name, argument) {
            (_, "sample", _) => return self.mixture_sample(parts, span),
            (MixtureKind::Mixture, "log_density", Some(x)) => self.weighted(
                parts,
                Reducer::LogSumExp,
                span,
                &mut |expander, component| expander.component_density(entered, component, &x, span),
            )?,
            (MixtureKind::Mixture, "cdf", Some(Value::Scalar(x))) => {
                self.weighted(parts, Reducer::Sum, span, &mut |expander, component| {
                    expander.cumulative(component, &x, span)
                })?
            }
            (MixtureKind::Mixture, "log_cdf" | "log_ccdf", Some(Value::Scalar(x))) => self
                .weighted(
                    parts,
                    Reducer::LogSumExp,
                    span,
                    &mut |expander, component| expander.log_tail(component, name, &x, span),
                )?,
            (_, _, Some(Value::Scalar(x))) => {
                match self.zero_member(entered, parts, name, &x, span)? {
                    Some(scalar) => scalar,
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(Value::Scalar(scalar)))
    }

    /// The log density of a component at a value that may lie outside its own support.
    fn component_density(
        &mut self,
        entered: &Entered<'a>,
        component: &Entered<'a>,
        x: &Value,
        span: Span,
    ) -> Outcome<Scalar> {
        let mut conditions = Vec::new();
        if component.draw.support != entered.draw.support {
            let inside = self.conditions(component.draw, x, "the value", span, &mut conditions);
            match inside {
                Ok(()) => {}
                Err(Failure::Said(diagnostic)) if diagnostic.code == "E0430" => {
                    return Ok(Scalar::real(f64::NEG_INFINITY));
                }
                Err(failure) => return Err(failure),
            }
        }
        let value = self.log_density(component, x.clone(), span)?;
        let holds = conditions.into_iter().map(|condition| condition.holds);
        Ok(match holds.reduce(Scalar::and) {
            Some(holds) => Scalar::choose(holds, value, Scalar::real(f64::NEG_INFINITY)),
            None => value,
        })
    }

    /// A member of `zero_inflated` or `hurdle`.
    fn zero_member(
        &mut self,
        entered: &Entered<'a>,
        parts: &Rc<Parts<'a>>,
        name: &str,
        x: &Scalar,
        span: Span,
    ) -> Outcome<Option<Scalar>> {
        let is_hurdle = parts.mixture.kind == MixtureKind::Hurdle;
        let Weights::Single(weights) = &parts.weights else {
            return Err(Failure::Silent);
        };
        let p = weights[0].clone();
        let other = Scalar::operation(Operation::Subtract, vec![Scalar::real(1.0), p.clone()]);
        let log_p = self.keep("log p", log_of(&p), Element::Real, span)?;
        let log_other = self.keep("log(1 - p)", log_of(&other), Element::Real, span)?;
        let zero = Scalar::int(0);
        let is_below = Scalar::operation(Operation::IntLess, vec![x.clone(), zero.clone()]);
        let nothing = Scalar::real(f64::NEG_INFINITY);
        let add = |a: &Scalar, b: Scalar| Scalar::operation(Operation::Add, vec![a.clone(), b]);
        let which = Which::Listed(0);
        let result = match name {
            "log_density" => {
                let is_zero = Scalar::operation(Operation::IntEqual, vec![x.clone(), zero]);
                let density = self.with_component(parts, &which, span, |expander, component| {
                    let value = Value::Scalar(x.clone());
                    let density = expander.component_density(entered, component, &value, span)?;
                    if !is_hurdle {
                        return Ok(density);
                    }
                    let mass = expander.log_tail(component, "log_ccdf", &Scalar::int(0), span)?;
                    let mass = expander.keep("log P(X > 0)", mass, Element::Real, span)?;
                    Ok(Scalar::operation(Operation::Subtract, vec![density, mass]))
                })?;
                let density = add(&log_other, density);
                if is_hurdle {
                    let density = self.keep("log density", density, Element::Real, span)?;
                    Scalar::choose(is_zero, log_p, density)
                } else {
                    let inflated = Scalar::choose(is_zero, log_p, nothing);
                    self.reduce_listed(Reducer::LogSumExp, vec![inflated, density])
                }
            }
            "cdf" if !is_hurdle => {
                let cdf = self.with_component(parts, &which, span, |expander, component| {
                    expander.cumulative(component, x, span)
                })?;
                let rest = Scalar::operation(Operation::Multiply, vec![other, cdf]);
                Scalar::choose(is_below, Scalar::real(0.0), add(&p, rest))
            }
            "log_cdf" if !is_hurdle => {
                let log = self.with_component(parts, &which, span, |expander, component| {
                    expander.log_tail(component, "log_cdf", x, span)
                })?;
                let both = vec![log_p, add(&log_other, log)];
                let inside = self.reduce_listed(Reducer::LogSumExp, both);
                Scalar::choose(is_below, nothing, inside)
            }
            "log_ccdf" => {
                let log = self.with_component(parts, &which, span, |expander, component| {
                    let log = expander.log_tail(component, "log_ccdf", x, span)?;
                    if !is_hurdle {
                        return Ok(log);
                    }
                    let mass = expander.log_tail(component, "log_ccdf", &Scalar::int(0), span)?;
                    Ok(Scalar::operation(Operation::Subtract, vec![log, mass]))
                })?;
                Scalar::choose(is_below, Scalar::real(0.0), add(&log_other, log))
            }
            _ => return Ok(None),
        };
        Ok(Some(result))
    }
}

/// log w, and log1p(−p) for w = 1 − p.
fn log_of(weight: &Scalar) -> Scalar {
    if let Node::Operation {
        operation: Operation::Subtract,
        arguments,
    } = &*weight.0
        && arguments[0].as_number() == Some(1.0)
    {
        let negative = Scalar::operation(Operation::Negate, vec![arguments[1].clone()]);
        return Scalar::operation(Operation::LogOnePlus, vec![negative]);
    }
    Scalar::operation(Operation::Logarithm, vec![weight.clone()])
}
