//! Where draws of mixtures lie: the smallest interval around the supports of all components.

use std::rc::Rc;

use super::super::expand::{Expander, Outcome};
use super::super::laws::Entered;
use super::super::loops::{Scalar, Support};
use super::{Parts, Which};
use crate::check::hir::{Element, MixtureKind, Reducer};
use crate::math::primitive::Operation;
use crate::source::Span;

impl<'a> Expander<'a> {
    /// The support around those of all components.
    pub(in crate::data) fn mixture_support(
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
