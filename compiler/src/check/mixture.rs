//! Laws made of other laws: `mixture(weights, [d, e])`, `mixture(weights, [d(m[k]) for k in 1..K])`, `zero_inflated(p, d)`
//! and `hurdle(p, d)`. Distributions stand here where values stand elsewhere: what was parsed as a call is read as a law.

use super::expressions::make;
use super::hir::{
    Binder, Declared, DistributionCall, DistributionRef, Element, Expression, ExpressionKind,
    Mixture, MixtureKind, Size, Support, Type,
};
use super::{Checked, Checker};
use crate::ast::tree;
use crate::source::{Diagnostic, Span};

/// The components as written: a list, or one for each value of an index.
struct Components {
    calls: Vec<DistributionCall>,
    binder: Option<Binder>,
}

impl Checker<'_> {
    /// Whether a name makes a law of others; what a file defines goes before.
    pub(super) fn mixture_named(&self, name: &str) -> Option<MixtureKind> {
        MixtureKind::by_name(name).filter(|_| !self.own.contains_key(name))
    }

    pub(super) fn mixture(
        &mut self,
        kind: MixtureKind,
        law: &tree::Distribution,
    ) -> Checked<DistributionCall> {
        let Some([first, second]) = parts(kind, law) else {
            return self.mixture_help(kind, law.span);
        };
        let list = match &*second.kind {
            tree::ExpressionKind::Array(items) if kind == MixtureKind::Mixture => Some(items),
            _ => None,
        };
        let components = match (&*second.kind, list) {
            (_, Some(items)) => self.listed(items),
            (tree::ExpressionKind::Comprehension { body, binders }, _)
                if kind == MixtureKind::Mixture =>
            {
                self.indexed(body, binders)
            }
            _ if kind == MixtureKind::Mixture => return self.mixture_help(kind, second.span),
            _ => self.listed(std::slice::from_ref(second)),
        };
        let singles = match (&*first.kind, list) {
            (tree::ExpressionKind::Array(items), Some(_)) => Some(items.as_slice()),
            _ if kind != MixtureKind::Mixture => Some(std::slice::from_ref(first)),
            _ => None,
        };
        let weights = match singles {
            Some(items) => items.iter().map(|item| self.weight(item)).collect(),
            None => self.weights(first).map(|weights| vec![weights]),
        };
        let (components, weights): (Components, Vec<Expression>) = (components?, weights?);
        if components.calls.is_empty() {
            return self.mixture_help(kind, second.span);
        }
        let counted = singles.is_some() && kind == MixtureKind::Mixture;
        if counted && weights.len() != components.calls.len() {
            let (w, d) = (weights.len(), components.calls.len());
            return self.say(
                Diagnostic::error("E0260", format!("{w} weights for {d} distributions"))
                    .at(first.span, format!("{w} weights"))
                    .at(second.span, format!("{d} distributions"))
                    .help("give one weight for each distribution"),
            );
        }
        let draw = self.common_draw(kind, &components.calls, law.span)?;
        let call = DistributionCall {
            distribution: DistributionRef::Mixture(Box::new(Mixture {
                kind,
                has_single_weights: singles.is_some(),
                components: components.calls,
                binder: components.binder,
                draw,
            })),
            arguments: weights,
            span: law.span,
        };
        let scalars = self.scalar_arguments(&call);
        self.same_shape(&scalars.iter().collect::<Vec<_>>(), law.span, "")?;
        Ok(call)
    }

    fn mixture_help<T>(&mut self, kind: MixtureKind, span: Span) -> Checked<T> {
        let (takes, help) = match kind {
            MixtureKind::Mixture => (
                "weights and a list of distributions",
                "write `mixture([w, 1 - w], [normal(0, 1), normal(3, 1)])` or `mixture(w, [normal(m[k], s) for k in 1..K])`",
            ),
            MixtureKind::ZeroInflated => (
                "a probability and a distribution of counts",
                "write `zero_inflated(p, poisson(rate))`",
            ),
            MixtureKind::Hurdle => (
                "a probability and a distribution of counts",
                "write `hurdle(p, poisson(rate))`",
            ),
        };
        self.say(
            Diagnostic::error("E0261", format!("`{}` takes {takes}", kind.name()))
                .at(span, "")
                .help(help),
        )
    }

    /// A weight that is a number (or one for each element of the variable).
    fn weight(&mut self, weight: &tree::Expression) -> Checked<Expression> {
        let value = self.expression(weight)?;
        self.expect_numbers(&value, "a weight")?;
        Ok(value.to_real())
    }

    fn weights(&mut self, weights: &tree::Expression) -> Checked<Expression> {
        let value = self.weight(weights)?;
        if value.ty.rank() != 1 {
            return self.wrong_type(
                "the weights of a mixture are an array with one number for each distribution",
                &value,
                "write `[w, 1 - w]`, or draw them: `w ~ dirichlet([1, 1])`",
            );
        }
        Ok(value)
    }

    fn component(&mut self, component: &tree::Expression) -> Checked<DistributionCall> {
        let Some(law) = as_law(component) else {
            return self.say(
                Diagnostic::error("E0262", "a distribution is expected here")
                    .at(component.span, "")
                    .help("write it with its arguments, as in `normal(0, 1)`"),
            );
        };
        let call = self.distribution_call(&law)?;
        if let DistributionRef::Flat(_) = call.distribution {
            return self.say(
                Diagnostic::error("E0263", "`flat` has no place among other distributions")
                    .at(component.span, "it is no probability distribution")
                    .help("use a proper distribution"),
            );
        }
        Ok(call)
    }

    fn listed(&mut self, items: &[tree::Expression]) -> Checked<Components> {
        let calls: Vec<Checked<DistributionCall>> =
            items.iter().map(|item| self.component(item)).collect();
        Ok(Components {
            calls: calls.into_iter().collect::<Checked<_>>()?,
            binder: None,
        })
    }

    /// `[d(m[k]) for k in 1..K]`
    fn indexed(
        &mut self,
        body: &tree::Expression,
        binders: &[tree::Binder],
    ) -> Checked<Components> {
        self.block(|checker| {
            let own = checker.binders(binders)?;
            let [binder] = &own[..] else {
                return checker.say(
                    Diagnostic::error("E0264", "distributions are counted by one index")
                        .at(body.span, "")
                        .help("write `[normal(m[k], s) for k in 1..K]`"),
                );
            };
            let mut call = checker.component(body)?;
            checker.index_arguments(&mut call, binder)?;
            Ok(Components {
                calls: vec![call],
                binder: Some(binder.clone()),
            })
        })
    }

    /// Gives what mentions the index one index position more.
    fn index_arguments(&mut self, call: &mut DistributionCall, binder: &Binder) -> Checked<()> {
        for argument in &mut call.arguments {
            let mut mentions = false;
            argument.variables(0, &mut |id, _| mentions |= id == binder.variable);
            if !mentions {
                continue;
            }
            let size = Size::of_range(&binder.lower, &binder.upper, &self.scope.variables);
            let mut sizes = vec![size];
            sizes.extend(argument.ty.sizes.iter().cloned());
            let ty = Type {
                element: argument.ty.element,
                sizes,
            };
            let kind = ExpressionKind::Comprehension {
                binders: vec![binder.clone()],
                body: argument.clone(),
            };
            *argument = make(argument.span, ty, kind);
        }
        let DistributionRef::Mixture(mixture) = &mut call.distribution else {
            return Ok(());
        };
        if mixture.binder.is_some() {
            return self.say(
                Diagnostic::error("E0264", "distributions are counted by one index")
                    .at(call.span, "this counts its own, inside another count")
                    .help("write the inner distributions one by one: `mixture(w, [d, e])`"),
            );
        }
        let mut components = mixture.components.iter_mut();
        components.try_for_each(|component| self.index_arguments(component, binder))
    }

    /// What a draw is: all components must agree on what kind of thing they describe.
    fn common_draw(
        &mut self,
        kind: MixtureKind,
        components: &[DistributionCall],
        span: Span,
    ) -> Checked<Declared> {
        let draws: Vec<Declared> = components.iter().map(|call| self.draw_of(call)).collect();
        let first = &draws[0];
        if kind != MixtureKind::Mixture
            && (first.element != Element::Int || !first.sizes.is_empty())
        {
            return self.say(
                Diagnostic::error("E0265", format!("`{}` needs a distribution of counts", kind.name()))
                    .at(components[0].span, "this one gives other values")
                    .help("zeros among reals have a probability of their own: model `y == 0` with `bernoulli` and the others apart"),
            );
        }
        let same = |a: &Declared, b: &Declared| {
            a.element == b.element
                && a.sizes.len() == b.sizes.len()
                && (a.sizes.is_empty() || a.support == b.support)
        };
        if let Some(other) = draws.iter().position(|draw| !same(first, draw)) {
            return self.say(
                Diagnostic::error("E0266", "these distributions describe different things")
                    .at(components[0].span, describe(first))
                    .at(components[other].span, describe(&draws[other]))
                    .help("a mixture is made of distributions of one kind: all of reals, all of whole numbers, or all of vectors"),
            );
        }
        let is_bounded = matches!(first.support, Support::Between(..));
        let mut draw = first.clone();
        draw.span = span;
        if draws.iter().all(|draw| draw.support == first.support) && !is_bounded {
            return Ok(draw);
        }
        draw.support = if draws.iter().all(is_nonnegative) {
            Support::Nonnegative
        } else {
            Support::Any
        };
        Ok(draw)
    }

    /// The members that a mixture has by those of its components.
    pub(super) fn mixture_members(&mut self, mixture: &Mixture) -> Vec<String> {
        let mut members = vec!["log_density".to_string()];
        let components = mixture.components.iter();
        if mixture.draw.sizes.is_empty()
            && components
                .clone()
                .all(|component| self.is_cumulative(component))
        {
            members.extend(["cdf", "log_cdf", "log_ccdf"].map(str::to_string));
        }
        members
    }
}

/// The first of a mixture's distributions, as far as the text tells.
pub(super) fn first_component(law: &tree::Distribution) -> Option<tree::Distribution> {
    let kind = MixtureKind::by_name(&law.name.text)?;
    let [_, second] = parts(kind, law)?;
    match &*second.kind {
        tree::ExpressionKind::Array(items) => as_law(items.first()?),
        tree::ExpressionKind::Comprehension { body, .. } => as_law(body),
        _ => as_law(second),
    }
}

/// The two arguments, by position or name.
fn parts(kind: MixtureKind, law: &tree::Distribution) -> Option<[&tree::Expression; 2]> {
    let names = match kind {
        MixtureKind::Mixture => ["weights", "components"],
        _ => ["p", "counts"],
    };
    let mut found: [Option<&tree::Expression>; 2] = [None, None];
    for (position, argument) in law.arguments.iter().enumerate() {
        let tree::ArgumentValue::Expression(value) = &argument.value else {
            return None;
        };
        let place = match &argument.name {
            Some(name) => names.iter().position(|known| *known == name.text)?,
            None => position,
        };
        let slot = found.get_mut(place)?;
        if slot.replace(value).is_some() {
            return None;
        }
    }
    Some([found[0]?, found[1]?])
}

fn as_law(expression: &tree::Expression) -> Option<tree::Distribution> {
    let tree::ExpressionKind::Call {
        function,
        arguments,
    } = &*expression.kind
    else {
        return None;
    };
    Some(tree::Distribution {
        span: expression.span,
        name: function.clone(),
        arguments: arguments.clone(),
        modifiers: Vec::new(),
    })
}

fn describe(draw: &Declared) -> &'static str {
    match (draw.element, draw.sizes.len(), &draw.support) {
        (Element::Int, ..) => "whole numbers",
        (_, 0, _) => "reals",
        (_, _, Support::Structured(structure)) => structure.plural(),
        (_, 1, _) => "vectors",
        _ => "matrices",
    }
}

fn is_nonnegative(draw: &Declared) -> bool {
    match &draw.support {
        Support::Positive | Support::Nonnegative | Support::Unit => true,
        Support::Between(lower, _) => match &*lower.kind {
            ExpressionKind::Real(lower) => *lower >= 0.0,
            ExpressionKind::Int(lower) => *lower >= 0,
            _ => false,
        },
        _ => false,
    }
}
