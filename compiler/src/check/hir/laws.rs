//! What stands behind `~`: a distribution with its arguments, or a law made of others.

use super::{Binder, Declared, Distribution, DistributionId, Expression, ExpressionKind, Size};
use crate::source::Span;

/// The right-hand side of `~`.
#[derive(Debug, Clone)]
pub struct Law {
    /// Its distribution.
    pub call: DistributionCall,
    /// `truncated(lower, upper)`
    pub truncated: Option<(Expression, Expression)>,
    /// `censored(lower, upper)`
    pub censored: Option<(Expression, Expression)>,
    /// `ordered`
    pub ordered: bool,
    /// All of it, modifiers included.
    pub span: Span,
}

/// A distribution with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct DistributionCall {
    /// Which.
    pub distribution: DistributionRef,
    /// One argument per parameter, defaults filled in. Each is a scalar where the parameter is a scalar, or an array of
    /// the shape of the variable (elementwise); for array parameters it has the parameter's rank.
    pub arguments: Vec<Expression>,
    /// As written.
    pub span: Span,
}

/// What a distribution call refers to.
#[derive(Debug, Clone, PartialEq)]
pub enum DistributionRef {
    /// A `dist` item.
    Item(DistributionId),
    /// `flat(…)`: log density 0 on a support (improper unless bounded).
    Flat(Declared),
    /// A law made of other laws.
    Mixture(Box<Mixture>),
}

/// A law made of others. The arguments of its call are its weights; those of its components stand with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// How it is made.
    pub kind: MixtureKind,
    /// Whether the weights were written one by one (numbers), not as one array.
    pub has_single_weights: bool,
    /// Its components.
    pub components: Vec<DistributionCall>,
    /// With `[d(…) for k in a..b]` there is one component; its arguments that mention the index are comprehensions over
    /// this binder, so that they have one index position more, in front.
    pub binder: Option<Binder>,
    /// What a draw is: the support that all components have, or one around all of them.
    pub draw: Declared,
}

/// How a law is made of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MixtureKind {
    /// `mixture(weights, [d, e, …])`
    Mixture,
    /// `zero_inflated(p, d)`: 0 with probability p, else a draw of d.
    ZeroInflated,
    /// `hurdle(p, d)`: 0 with probability p, else a draw of d that is not 0.
    Hurdle,
}

impl MixtureKind {
    /// As the language calls it.
    pub fn name(self) -> &'static str {
        match self {
            MixtureKind::Mixture => "mixture",
            MixtureKind::ZeroInflated => "zero_inflated",
            MixtureKind::Hurdle => "hurdle",
        }
    }

    /// By its name.
    pub fn by_name(name: &str) -> Option<Self> {
        [
            MixtureKind::Mixture,
            MixtureKind::ZeroInflated,
            MixtureKind::Hurdle,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// One argument of a law or of a law inside it.
pub struct Slot<'a> {
    /// The argument.
    pub expression: &'a Expression,
    /// Whether it stands for a number, and an array for one number for each element of the variable.
    pub is_scalar: bool,
    /// Whether it has an index position in front for the components of a mixture.
    pub is_indexed: bool,
}

impl Slot<'_> {
    /// The shape that the variable takes from it.
    pub fn sizes(&self) -> &[Size] {
        &self.expression.ty.sizes[usize::from(self.is_indexed)..]
    }
}

impl DistributionCall {
    /// All arguments, those of components after the law's own.
    pub fn slots<'a>(&'a self, distributions: &[Distribution]) -> Vec<Slot<'a>> {
        let slot = |expression, is_scalar| Slot {
            expression,
            is_scalar,
            is_indexed: false,
        };
        match &self.distribution {
            DistributionRef::Flat(_) => Vec::new(),
            DistributionRef::Item(id) => {
                let parameters = &distributions[id.0 as usize].parameters;
                let pairs = parameters.iter().zip(&self.arguments);
                pairs
                    .map(|(parameter, argument)| {
                        slot(argument, parameter.declared.sizes.is_empty())
                    })
                    .collect()
            }
            DistributionRef::Mixture(mixture) => {
                let own = self.arguments.iter();
                let mut slots: Vec<Slot> = own
                    .map(|weight| slot(weight, mixture.has_single_weights))
                    .collect();
                for component in &mixture.components {
                    for slot in component.slots(distributions) {
                        let is_indexed = mixture.is_indexed(slot.expression);
                        slots.push(Slot { is_indexed, ..slot });
                    }
                }
                slots
            }
        }
    }
}

impl Mixture {
    fn is_indexed(&self, argument: &Expression) -> bool {
        matches!((&self.binder, &*argument.kind), (Some(own), ExpressionKind::Comprehension { binders, .. })
            if binders[0].variable == own.variable)
    }
}
