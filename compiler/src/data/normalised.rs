//! `within s normalised`: an equality whose scale is unknown, divided by its integral under the prior for each s, so that only
//! data move s. The integral is known where the residual r is linear in normal variables: r has mean m and variance V
//! under the prior, and ∫ exp(−r² / 2s²) = (1 + V / s²)^−½ exp(−m² / 2(s² + V)).

use std::collections::{HashMap, HashSet};

use super::expand::{Expander, Outcome};
use super::loops::{Equality, NormalTerm, Scalar};
use crate::check::hir::{
    self, Comparison, DistributionRef, ExpressionKind, Law, Selector, StatementKind, Tail,
    VariableId, VariableKind,
};
use crate::check::soft::Dependence;
use crate::check::walk::all_statements;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

/// The file of the library that defines normal variables.
const NORMAL: &str = "std/distributions/normal.ppl";

/// An element of a random variable: its indices, from 1.
type Element = (VariableId, Vec<i64>);

/// Σ coefficient · element + constant
#[derive(Default)]
struct Linear {
    terms: HashMap<Element, f64>,
    constant: f64,
}

impl<'a> Expander<'a> {
    /// Whether a comparison is to be divided by its integral; a scale that is known needs no such thing.
    pub(super) fn is_normalised(&self, comparison: &Comparison) -> bool {
        comparison.coupling == Some(crate::ast::tree::Coupling::Normalised)
            && !Dependence::new(self.hir).of(&comparison.within).is_empty()
    }

    /// What is compared, as a sum of normal variables.
    pub(super) fn equality(
        &mut self,
        statement: &'a hir::Statement,
        comparison: &'a Comparison,
    ) -> Outcome<Equality> {
        if self.blocks.len() > 1 || !comparison.is_equality {
            return Err(unknown(
                comparison.span,
                "only one equality, without an index, has a known integral",
            ));
        }
        if !matches!(comparison.tail, Tail::Gaussian) {
            return Err(unknown(
                comparison.span,
                "only the Gaussian form has a known integral",
            ));
        }
        let dependence = Dependence::new(self.hir);
        let mut linear = Linear::default();
        for (side, sign) in [(&comparison.left, 1.0), (&comparison.right, -1.0)] {
            self.linear(side, sign, &dependence, &mut linear)?;
        }
        let own: HashSet<VariableId> = linear.terms.keys().map(|(id, _)| *id).collect();
        self.stands_alone(statement, comparison, &own, &dependence)?;
        let mut equality = Equality {
            terms: Vec::new(),
            constant: linear.constant,
            mean: linear.constant,
            variance: 0.0,
        };
        let mut terms: Vec<(Element, f64)> = linear.terms.into_iter().collect();
        terms.sort_by(|a, b| a.0.cmp(&b.0));
        for ((variable, indices), coefficient) in terms {
            let (location, sd) = self.normal_law(variable, &indices, comparison.span)?;
            equality.mean += coefficient * location;
            equality.variance += (coefficient * sd).powi(2);
            equality.terms.push(NormalTerm {
                array: self.arrays_of[&variable],
                indices,
                coefficient,
                sd,
            });
        }
        Ok(equality)
    }

    /// Adds `factor` times an expression to a linear form.
    fn linear(
        &mut self,
        expression: &'a hir::Expression,
        factor: f64,
        dependence: &Dependence<'a>,
        into: &mut Linear,
    ) -> Outcome<()> {
        use Operation::{Add, Divide, IntToReal, Multiply, Negate, Subtract};
        let not_linear = || {
            let what =
                "the integral is known where sums and multiples of normal variables are compared";
            Err(unknown(expression.span, what))
        };
        if dependence.of(expression).is_empty() {
            into.constant += factor * self.number(expression)?;
            return Ok(());
        }
        match &*expression.kind {
            ExpressionKind::Operation {
                operation,
                arguments,
            } => match (operation, &arguments[..]) {
                (IntToReal, [inner]) => self.linear(inner, factor, dependence, into),
                (Negate, [inner]) => self.linear(inner, -factor, dependence, into),
                (Add, [left, right]) => {
                    self.linear(left, factor, dependence, into)?;
                    self.linear(right, factor, dependence, into)
                }
                (Subtract, [left, right]) => {
                    self.linear(left, factor, dependence, into)?;
                    self.linear(right, -factor, dependence, into)
                }
                (Multiply, [number, inner]) if dependence.of(number).is_empty() => {
                    let factor = factor * self.number(number)?;
                    self.linear(inner, factor, dependence, into)
                }
                (Multiply, [inner, number]) if dependence.of(number).is_empty() => {
                    let factor = factor * self.number(number)?;
                    self.linear(inner, factor, dependence, into)
                }
                (Divide, [inner, number]) if dependence.of(number).is_empty() => {
                    let factor = factor / self.number(number)?;
                    self.linear(inner, factor, dependence, into)
                }
                _ => not_linear(),
            },
            ExpressionKind::Variable(id) => {
                if self.hir.variables[id.0 as usize].kind == VariableKind::Random {
                    *into.terms.entry((*id, Vec::new())).or_default() += factor;
                    return Ok(());
                }
                let mut definitions = Vec::new();
                all_statements(&self.hir.statements, 0, &mut |statement, _| {
                    if let StatementKind::Let {
                        variable,
                        indices,
                        value,
                    } = &statement.kind
                        && variable == id
                    {
                        definitions.push((indices.is_empty(), value));
                    }
                });
                match definitions[..] {
                    [(true, value)] => self.linear(value, factor, dependence, into),
                    _ => not_linear(),
                }
            }
            ExpressionKind::Index { base, selectors } => {
                let ExpressionKind::Variable(id) = &*base.kind else {
                    return not_linear();
                };
                let mut indices = Vec::new();
                for selector in selectors {
                    let Selector::At(at) = selector else {
                        return not_linear();
                    };
                    indices.push(self.number(at)? as i64);
                }
                if self.hir.variables[id.0 as usize].kind != VariableKind::Random {
                    return not_linear();
                }
                *into.terms.entry((*id, indices)).or_default() += factor;
                Ok(())
            }
            _ => not_linear(),
        }
    }

    fn number(&mut self, expression: &'a hir::Expression) -> Outcome<f64> {
        let scalar = self.scalar(expression)?;
        let what = "this is not one number";
        self.constant(&scalar)?
            .ok_or_else(|| unknown(expression.span, what))
    }

    /// The mean and the sd of a variable that is normal whatever the other unknowns are.
    fn normal_law(&mut self, id: VariableId, at: &[i64], span: Span) -> Outcome<(f64, f64)> {
        let name = &self.hir.variables[id.0 as usize].name;
        let mut laws: Vec<(&'a Law, usize)> = Vec::new();
        all_statements(&self.hir.statements, 0, &mut |statement, loops| {
            if let StatementKind::Random { variable, law, .. } = &statement.kind
                && *variable == id
            {
                laws.push((law, loops));
            }
        });
        let other = format!("`{name}` is not simply normal with known mean and sd");
        let [(law, 0)] = laws[..] else {
            return Err(unknown(span, &other));
        };
        // A file may define another `normal`.
        let is_normal = matches!(law.call.distribution, DistributionRef::Item(item)
            if self.sources.name(self.hir.distributions[item.0 as usize].span.file) == NORMAL);
        if !is_normal || law.truncated.is_some() || law.ordered {
            return Err(unknown(span, &other));
        }
        let mut numbers = Vec::new();
        for argument in &law.call.arguments {
            let value = self.value(argument)?;
            let at: Vec<Scalar> = at.iter().map(|&index| Scalar::int(index)).collect();
            let scalar = self.at(&value, &at, argument.span);
            match self.constant(&scalar)? {
                Some(number) => numbers.push(number),
                None => return Err(unknown(span, &other)),
            }
        }
        match numbers[..] {
            [mean, sd] => Ok((mean, sd)),
            _ => Err(unknown(span, &other)),
        }
    }

    /// Neither the scale nor another constraint may have to do with what is compared: the integral is of this one alone.
    fn stands_alone(
        &self,
        statement: &hir::Statement,
        comparison: &Comparison,
        own: &HashSet<VariableId>,
        dependence: &Dependence<'a>,
    ) -> Outcome<()> {
        let shares = |expression: &hir::Expression| {
            let all = ancestors(self.hir, dependence, dependence.of(expression));
            own.iter().find(|id| all.contains(id)).copied()
        };
        let name = |id: VariableId| self.hir.variables[id.0 as usize].name.clone();
        if let Some(id) = shares(&comparison.within) {
            let what = format!("the scale depends on `{}`, which is compared", name(id));
            return Err(unknown(comparison.within.span, &what));
        }
        let mut shared = None;
        all_statements(&self.hir.statements, 0, &mut |other, _| {
            let is_constraint = matches!(
                other.kind,
                StatementKind::Soft { .. } | StatementKind::Require { .. }
            );
            if is_constraint && !std::ptr::eq(other, statement) {
                other.expressions(&mut |expression| {
                    if let Some(id) = shares(expression) {
                        shared.get_or_insert((other.span, id));
                    }
                });
            }
        });
        match shared {
            Some((span, id)) => {
                let what = format!("another constraint concerns `{}`, too", name(id));
                Err(unknown(span, &what))
            }
            None => Ok(()),
        }
    }
}

/// Random variables and all those that their distributions depend on.
fn ancestors(hir: &hir::Hir, dependence: &Dependence, of: Vec<VariableId>) -> HashSet<VariableId> {
    let mut found: HashSet<VariableId> = HashSet::new();
    let mut waiting = of;
    while let Some(id) = waiting.pop() {
        if !found.insert(id) {
            continue;
        }
        all_statements(&hir.statements, 0, &mut |statement, _| {
            if let StatementKind::Random { variable, .. } = &statement.kind
                && *variable == id
            {
                statement.expressions(&mut |expression| waiting.extend(dependence.of(expression)));
            }
        });
    }
    found
}

impl Equality {
    /// Minus the logarithm of the integral of the potential under the prior, given its scale.
    pub(super) fn normaliser(&self, within: &Scalar) -> Scalar {
        let square = Scalar::operation(Operation::Multiply, vec![within.clone(), within.clone()]);
        let ratio = Scalar::operation(
            Operation::Divide,
            vec![Scalar::real(self.variance), square.clone()],
        );
        let spread = Scalar::operation(Operation::LogOnePlus, vec![ratio]);
        let total = Scalar::operation(Operation::Add, vec![square, Scalar::real(self.variance)]);
        let above = Scalar::real(self.mean * self.mean);
        let shift = Scalar::operation(Operation::Divide, vec![above, total]);
        let sum = Scalar::operation(Operation::Add, vec![spread, shift]);
        Scalar::operation(Operation::Multiply, vec![Scalar::real(0.5), sum])
    }
}

fn unknown(span: Span, what: &str) -> super::expand::Failure {
    Diagnostic::error("E0296", "this constraint has no known normaliser")
        .at(span, what)
        .help("write the preference as a hierarchical prior, `b ~ normal(a, s)`, which is normalised for each `s`; or `joint`, which conditions the scale on the constraint too")
        .into()
}
