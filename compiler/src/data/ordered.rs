//! Draws in increasing order: one vector, with the density of the unordered draws times K!.

use super::draws::narrow;
use std::collections::HashSet;

use super::expand::{BlockKind, Expander, Failure, Outcome};
use super::loops::{ArrayId, Binder, Random, Scalar, Statement, Support, Term};
use super::pull::Value;
use crate::check::hir::{Element, Law, Reducer, VariableId};
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

impl<'a> Expander<'a> {
    /// Draws in increasing order: one vector with the density of the unordered draws times K!.
    pub(super) fn ordered(
        &mut self,
        variable: VariableId,
        array: ArrayId,
        binders: Vec<Binder>,
        arguments: Option<Vec<Value>>,
        law: &'a Law,
        span: Span,
    ) -> Outcome<()> {
        if self.observed(variable) {
            return Err(
                Diagnostic::error("E0437", "`ordered` is for unknown variables")
                    .at(law.span, "this one is in the data")
                    .help("remove `ordered`")
                    .into(),
            );
        }
        let arguments = match arguments {
            Some(arguments) => arguments,
            None => self.law_arguments(&law.call)?,
        };
        let scalars: Vec<Scalar> = arguments
            .iter()
            .filter_map(|value| value.clone().scalar().ok())
            .collect();
        let own: HashSet<_> = binders.iter().map(|binder| binder.index).collect();
        let varies = scalars.iter().any(|s| {
            super::fold::free_indices(s)
                .iter()
                .any(|index| own.contains(index))
        });
        let [binder] = &binders[..] else {
            return Err(Diagnostic::error("E0438", "`ordered` applies to one range")
                .at(law.span, "")
                .help("write `x[1..K] ~ … ordered`")
                .into());
        };
        if scalars.len() != arguments.len() || varies || binder.lower.as_int() != Some(1) {
            return Err(Diagnostic::error("E0438", "`ordered` needs draws that are alike, from index 1 on")
                .at(law.span, "the arguments differ between elements")
                .help("give every element the same arguments; for draws that differ no closed form of the normaliser is known")
                .into());
        }
        let size = self.loops.array(array).shape[0];
        self.element = (Vec::new(), Vec::new());
        let entered = self.enter(&law.call, arguments)?;
        let result = self.ordered_random(array, size, binder, &entered, law, span);
        self.leave(&entered);
        let random = result?;
        self.emit(Statement::Random(Box::new(random)));
        Ok(())
    }

    pub(super) fn ordered_random(
        &mut self,
        array: ArrayId,
        size: usize,
        binder: &Binder,
        entered: &super::laws::Entered<'a>,
        law: &'a Law,
        span: Span,
    ) -> Outcome<Random> {
        let at = [Scalar::index(binder.index)];
        let mut support = self.support(entered, &at, law.span)?;
        if let (
            Some((lower, upper)),
            Support::Interval {
                lower: low,
                upper: high,
                ..
            },
        ) = (&law.truncated, &mut support)
        {
            let (lower, upper) = self.truncation(lower, upper, entered)?;
            narrow(low, lower, f64::NEG_INFINITY, Operation::Maximum);
            narrow(high, upper, f64::INFINITY, Operation::Minimum);
        }
        let Support::Interval { lower, upper, .. } = support.clone() else {
            return Err(Failure::Silent);
        };
        self.learn_range(array, &support);
        self.open(BlockKind::Straight);
        self.blocks
            .last_mut()
            .expect("just opened")
            .defines
            .insert(array);
        self.open(BlockKind::Over(vec![binder.index]));
        let x = Value::Scalar(super::pull::element(
            &self.loops.arrays,
            array,
            at.to_vec(),
            span,
        ));
        let term = self.law_term(entered, law, x, "it", false, span);
        let statements = self.close();
        let term = term?;
        let body = if statements.is_empty() {
            term.value.clone()
        } else {
            let place = self.store_over(
                std::slice::from_ref(binder),
                statements,
                term.value.clone(),
                Element::Real,
                "log density",
                span,
            )?;
            super::pull::element(&self.loops.arrays, place.array, at.to_vec(), span)
        };
        let statements = self.close();
        let sum = Scalar(std::rc::Rc::new(super::loops::Node::Reduce {
            reducer: Reducer::Sum,
            binders: vec![binder.clone()],
            body,
        }));
        let orders = likelier_runtime::math::special::lgamma(size as f64 + 1.0);
        let value = Scalar::operation(Operation::Add, vec![sum, Scalar::real(orders)]);
        let density = Term {
            value,
            statements,
            ..term
        };
        let sample = {
            self.open(BlockKind::Closed);
            self.open(BlockKind::Over(vec![binder.index]));
            let drawn = self.sample(array, &at, entered, law, &support, span);
            let mut inner = self.close();
            let drawn = drawn?;
            let outer = self.close();
            drawn.map(|statements| {
                inner.extend(statements);
                let mut all = outer;
                all.push(Statement::For {
                    binder: binder.clone(),
                    body: inner,
                });
                all
            })
        };
        let support = Support::Ordered { size, lower, upper };
        Ok(Random {
            variable: array,
            indices: Vec::new(),
            observed: false,
            support,
            density,
            sample,
        })
    }
}
