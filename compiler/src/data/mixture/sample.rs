//! Draws from mixtures: a uniform number picks the component.

use std::rc::Rc;

use super::super::expand::{BlockKind, Expander, Failure, Outcome};
use super::super::loops::{Binder, Node, Scalar, Statement};
use super::super::pull::{Body, Pull, Value};
use super::{Parts, Weights, Which};
use crate::check::hir::{Element, MixtureKind, Reducer};
use crate::math::primitive::{Draw, Operation};
use crate::source::Span;

impl<'a> Expander<'a> {
    /// A draw: a uniform number picks the component.
    pub(super) fn mixture_sample(
        &mut self,
        parts: &Rc<Parts<'a>>,
        span: Span,
    ) -> Outcome<Option<Value>> {
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
        let index = self.index(
            super::super::expand::UNNAMED,
            Scalar::int(1),
            before.clone(),
        );
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
}

/// A component without a sampler makes a mixture without one.
fn unless_silent(drawn: Outcome<Value>) -> Outcome<Option<Value>> {
    match drawn {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Silent) => Ok(None),
        Err(said) => Err(said),
    }
}
