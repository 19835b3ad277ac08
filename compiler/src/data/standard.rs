//! Coordinates of scalar unknowns relative to their law: less its centre, divided by its width. Where a width is unknown and
//! the coordinates are natural, its variable is remembered, because such widths are what makes funnels.

use super::expand::{Binding, Expander, Outcome};
use super::fold::is_data_only;
use super::laws::Entered;
use super::loops::{Scalar, Standard, Support};
use super::pull::Value;
use crate::Coordinates;
use crate::check::hir::{Element, Law};
use crate::check::walk::all_statements;
use crate::source::Span;

impl<'a> Expander<'a> {
    /// Centre and width of the law that is entered, where its coordinates are to be standardised and it has them. They
    /// describe the law as it is without truncation.
    pub(super) fn standard(
        &mut self,
        entered: &Entered<'a>,
        law: &Law,
        support: &Support,
        name: &str,
        span: Span,
    ) -> Outcome<Option<Standard>> {
        let is_scalar = matches!(support, Support::Interval { int: false, .. });
        let is_whole = law.truncated.is_none() && entered.item.is_some();
        if !is_scalar || !is_whole {
            return Ok(None);
        }
        if self.coordinates == Coordinates::Natural {
            if self.has_unknown_width(entered)
                && !self
                    .loops
                    .of_unknown_width
                    .iter()
                    .any(|known| known == name)
            {
                self.loops.of_unknown_width.push(name.to_string());
            }
            return Ok(None);
        }
        let mut member =
            |name: &str, otherwise: f64| match self.member(entered, name, None, span)? {
                Some(value) => self.keep(name, value.scalar()?, Element::Real, span),
                None => Ok(Scalar::real(otherwise)),
            };
        let (centre, width) = (member("centre", 0.0)?, member("width", 1.0)?);
        let is_standard = centre.as_number() == Some(0.0) && width.as_number() == Some(1.0);
        Ok((!is_standard).then_some(Standard { centre, width }))
    }

    /// Whether the `width` of the law that is entered reads a parameter that unknowns decide.
    fn has_unknown_width(&mut self, entered: &Entered<'a>) -> bool {
        let Some(width) = entered.item.and_then(|item| item.member("width")) else {
            return false;
        };
        let mut reads = Vec::new();
        all_statements(&width.body, 0, &mut |statement, _| {
            statement.expressions(&mut |expression| {
                expression.variables(0, &mut |id, _| reads.push(id));
            });
        });
        let bindings = &self.frames.last().expect("the law's frame").bindings;
        let bound = reads.iter().map(|id| &bindings[id.0 as usize]);
        let mut scalars = bound.filter_map(|binding| match binding {
            Some(Binding::Value(Value::Scalar(scalar))) => Some(scalar),
            _ => None,
        });
        scalars.any(|scalar| !is_data_only(&self.loops.arrays, scalar))
    }
}
