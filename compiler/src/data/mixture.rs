//! Laws made of other laws, see [`hir::Mixture`]. With weights wₖ and densities fₖ the log density is
//! log Σ exp(log wₖ + log fₖ(x)), the distribution function Σ wₖ Fₖ(x), and a draw is one of the component that a uniform
//! number picks. Components that are listed are written out; components counted by an index are a loop over it.

use std::rc::Rc;

use super::expand::{BlockKind, Expander, Failure, Outcome};
use super::laws::Entered;
use super::loops::{Binder, Condition, Node, Place, Scalar, Statement, Support};
use super::pull::{Body, Pull, Value};
use crate::check::hir::{DistributionCall, Element, Mixture, MixtureKind, Reducer};
use crate::math::primitive::{Draw, Operation};
use crate::math::structure::Structure;
use crate::source::{Diagnostic, Span};

/// So many numbers are reduced at once; more are reduced in groups.
const GROUP: usize = 8;

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

    fn over_indexed(
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
            value = super::pull::element(&self.loops.arrays, place.array, indices, span);
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

    fn mixture_weight(&self, parts: &Parts, which: &Which, span: Span) -> Scalar {
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
    pub(super) fn mixture_member(
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

    /// A draw: a uniform number picks the component.
    fn mixture_sample(&mut self, parts: &Rc<Parts<'a>>, span: Span) -> Outcome<Option<Value>> {
        let uniform = Scalar(Rc::new(Node::Draw {
            draw: Draw::Uniform,
            arguments: Vec::new(),
        }));
        let uniform = self.keep("draw", uniform, Element::Real, span)?;
        if parts.mixture.binder.is_some() {
            return self.indexed_sample(parts, &uniform, span);
        }
        if let (MixtureKind::ZeroInflated | MixtureKind::Hurdle, Weights::Single(weights)) =
            (parts.mixture.kind, &parts.weights)
        {
            let is_hurdle = parts.mixture.kind == MixtureKind::Hurdle;
            let is_zero = Scalar::operation(Operation::Less, vec![uniform, weights[0].clone()]);
            let drawn = self.choice(
                is_zero,
                Element::Real,
                span,
                &mut |_| Ok(Value::Scalar(Scalar::real(0.0))),
                &mut |expander| match is_hurdle {
                    true => expander.positive_draw(parts, span),
                    false => expander.component_draw(parts, &Which::Listed(0), span),
                },
            );
            return unless_silent(drawn);
        }
        let drawn = self.listed_sample(parts, 0, Scalar::real(0.0), &uniform, span);
        unless_silent(drawn)
    }

    /// A draw of the only component, given that it is not 0.
    fn positive_draw(&mut self, parts: &Parts<'a>, span: Span) -> Outcome<Value> {
        let drawn =
            self.with_component(parts, &Which::Listed(0), span, |expander, component| {
                let (one, open) = (Scalar::real(1.0), Scalar::real(f64::INFINITY));
                expander.draw_between(component, one, open, span)
            })?;
        drawn.ok_or(Failure::Silent)
    }

    fn component_draw(&mut self, parts: &Parts<'a>, which: &Which, span: Span) -> Outcome<Value> {
        let drawn = self.with_component(parts, which, span, |expander, component| {
            expander.member(component, "sample", None, span)
        })?;
        drawn.ok_or(Failure::Silent)
    }

    fn listed_sample(
        &mut self,
        parts: &Rc<Parts<'a>>,
        position: usize,
        below: Scalar,
        uniform: &Scalar,
        span: Span,
    ) -> Outcome<Value> {
        let which = Which::Listed(position);
        if position + 1 == parts.count {
            return self.component_draw(parts, &which, span);
        }
        let weight = self.mixture_weight(parts, &which, span);
        let reached = Scalar::operation(Operation::Add, vec![below, weight]);
        let is_it = Scalar::operation(Operation::Less, vec![uniform.clone(), reached.clone()]);
        self.choice(
            is_it,
            Element::Real,
            span,
            &mut |expander| expander.component_draw(parts, &which, span),
            &mut |expander| {
                expander.listed_sample(parts, position + 1, reached.clone(), uniform, span)
            },
        )
    }

    /// All components are drawn, and the one that the uniform number picks is kept: an index has to be known before.
    fn indexed_sample(
        &mut self,
        parts: &Rc<Parts<'a>>,
        uniform: &Scalar,
        span: Span,
    ) -> Outcome<Option<Value>> {
        let Weights::Array(weights) = &parts.weights else {
            return Err(Failure::Silent);
        };
        let binder = self.count_binder(parts.count);
        let at = Scalar::index(binder.index);
        self.open(BlockKind::Over(vec![binder.index]));
        let drawn = self.component_draw(parts, &Which::Indexed(at.clone()), span);
        let mut statements = self.close();
        let drawn = match unless_silent(drawn)? {
            Some(drawn) => drawn,
            None => return Ok(None),
        };
        let mut shape = vec![parts.count];
        shape.extend(drawn.shape());
        let place = self.local(self.blocks.len() - 1, "drawn", &shape, span);
        let inner: Vec<Binder> = drawn
            .shape()
            .to_vec()
            .iter()
            .map(|&n| self.count_binder(n))
            .collect();
        let own: Vec<Scalar> = inner.iter().map(|b| Scalar::index(b.index)).collect();
        let value = self.at(&drawn, &own, span);
        let mut indices = place.prefix.clone();
        indices.push(at);
        indices.extend(own.iter().cloned());
        let store = Statement::Store {
            array: place.array,
            indices,
            value,
        };
        statements.push(
            inner
                .iter()
                .rev()
                .fold(store, |body, binder| Statement::For {
                    binder: binder.clone(),
                    body: vec![body],
                }),
        );
        self.emit(Statement::For {
            binder,
            body: statements,
        });
        let pull = Pull {
            element: Element::Real,
            shape,
            body: Body::Stored(place),
        };
        let weights = weights.clone();
        let pick = |expander: &mut Self, own: &[Scalar]| {
            let binder = expander.count_binder(parts.count);
            let at = Scalar::index(binder.index);
            let is_it = expander.is_picked(&weights, &binder, parts.count, uniform, span);
            let mut indices = vec![at];
            indices.extend(own.iter().cloned());
            let value = pull.at(&expander.loops.arrays, &indices, span);
            Scalar(Rc::new(Node::Reduce {
                reducer: Reducer::Sum,
                binders: vec![binder],
                body: Scalar::choose(is_it, value, Scalar::real(0.0)),
            }))
        };
        if drawn.shape().is_empty() {
            return Ok(Some(Value::Scalar(pick(self, &[]))));
        }
        let shape = drawn.shape().to_vec();
        let value = self.over(&shape, Element::Real, span, |expander, own| {
            Ok(pick(expander, own))
        })?;
        Ok(Some(value))
    }

    /// Whether the weights before an index reach below the uniform number, and with its own above it.
    fn is_picked(
        &mut self,
        weights: &Pull,
        binder: &Binder,
        count: usize,
        uniform: &Scalar,
        span: Span,
    ) -> Scalar {
        let at = Scalar::index(binder.index);
        let before = Scalar::operation(Operation::IntSubtract, vec![at.clone(), Scalar::int(1)]);
        let index = self.index(super::expand::UNNAMED, Scalar::int(1), before.clone());
        let weight = weights.at(&self.loops.arrays, &[Scalar::index(index)], span);
        let reached = Scalar(Rc::new(Node::Reduce {
            reducer: Reducer::Sum,
            binders: vec![Binder {
                index,
                lower: Scalar::int(1),
                upper: before,
            }],
            body: weight,
        }));
        let own = weights.at(&self.loops.arrays, std::slice::from_ref(&at), span);
        let beyond = Scalar::operation(Operation::Add, vec![reached.clone(), own]);
        let is_low = Scalar::operation(Operation::LessEqual, vec![reached, uniform.clone()]);
        let is_high = Scalar::operation(Operation::Less, vec![uniform.clone(), beyond]);
        let last = Scalar::int(count as i64);
        let is_last = Scalar::operation(Operation::IntEqual, vec![at, last]);
        is_low.and(Scalar::operation(Operation::Or, vec![is_high, is_last]))
    }

    /// The support around those of all components.
    pub(super) fn mixture_support(
        &mut self,
        entered: &Entered<'a>,
        parts: &Rc<Parts<'a>>,
        at: &[Scalar],
        span: Span,
    ) -> Outcome<Support> {
        let of = |expander: &mut Self, which: &Which| {
            expander.with_component(parts, which, span, |expander, component| {
                expander.support(component, at, span)
            })
        };
        if !entered.draw.sizes.is_empty() {
            let which = match parts.mixture.binder {
                Some(_) => Which::Indexed(Scalar::int(1)),
                None => Which::Listed(0),
            };
            return of(self, &which);
        }
        let mut ends: [Option<Vec<Scalar>>; 2] = [Some(Vec::new()), Some(Vec::new())];
        let count = if parts.mixture.binder.is_some() {
            1
        } else {
            parts.count
        };
        for position in 0..count {
            let (lower, upper) = match parts.mixture.binder {
                None => bounds(of(self, &Which::Listed(position))?),
                Some(_) => self.indexed_bounds(parts, at, span)?,
            };
            for (end, bound) in ends.iter_mut().zip([lower, upper]) {
                match (&mut *end, bound) {
                    (Some(bounds), Some(bound)) => bounds.push(bound),
                    _ => *end = None,
                }
            }
        }
        let mut hull = ends
            .into_iter()
            .zip([Operation::Minimum, Operation::Maximum]);
        let mut end = || {
            let (bounds, operation) = hull.next()?;
            bounds?
                .into_iter()
                .reduce(|a, b| Scalar::operation(operation, vec![a, b]))
        };
        let (lower, upper) = (end(), end());
        let mut lower = lower;
        if parts.mixture.kind != MixtureKind::Mixture {
            lower = Some(Scalar::real(0.0));
        }
        Ok(Support::Interval {
            lower,
            upper,
            int: entered.draw.element == Element::Int,
        })
    }

    fn indexed_bounds(
        &mut self,
        parts: &Rc<Parts<'a>>,
        at: &[Scalar],
        span: Span,
    ) -> Outcome<(Option<Scalar>, Option<Scalar>)> {
        let mut found = [None, None];
        for (end, reducer) in [(0, Reducer::Minimum), (1, Reducer::Maximum)] {
            let mut is_open = false;
            let bound = self.over_indexed(parts, reducer, span, &mut |expander, which| {
                let support = expander.with_component(parts, which, span, |e, component| {
                    e.support(component, at, span)
                })?;
                let (lower, upper) = bounds(support);
                let bound = if end == 0 { lower } else { upper };
                is_open = bound.is_none();
                Ok(bound.unwrap_or(Scalar::real(0.0)))
            })?;
            found[end] = (!is_open).then_some(bound);
        }
        let [lower, upper] = found;
        Ok((lower, upper))
    }
}

fn bounds(support: Support) -> (Option<Scalar>, Option<Scalar>) {
    match support {
        Support::Interval { lower, upper, .. } => (lower, upper),
        _ => (None, None),
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

fn sum_of(scalars: Vec<Scalar>) -> Scalar {
    let sum = scalars
        .into_iter()
        .reduce(|a, b| Scalar::operation(Operation::Add, vec![a, b]));
    sum.unwrap_or(Scalar::real(0.0))
}

/// A component without a sampler makes a mixture without one.
fn unless_silent(drawn: Outcome<Value>) -> Outcome<Option<Value>> {
    match drawn {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Silent) => Ok(None),
        Err(said) => Err(said),
    }
}
