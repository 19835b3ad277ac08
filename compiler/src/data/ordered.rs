//! Draws in increasing order: one vector, with the density of the unordered draws times K!. For draws that are not alike
//! the probability of the order has no closed form: their density is left unnormalised, which evidence has to know.

use super::expand::{BlockKind, Expander, Failure, Outcome};
use super::fold::free_indices;
use super::loops::{ArrayId, Binder, Random, Scalar, Statement, Support, Term};
use super::pull::Value;
use crate::check::hir::{self, Law, Reducer, VariableId};
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
        let [binder] = &binders[..] else {
            return Err(Diagnostic::error("E0438", "`ordered` applies to one range")
                .at(law.span, "")
                .help("write `x[1..K] ~ … ordered`")
                .into());
        };
        if binder.lower.as_int() != Some(1) {
            return Err(
                Diagnostic::error("E0438", "`ordered` needs all draws, from index 1 on")
                    .at(law.span, "the range begins later")
                    .help("write `x[1..K] ~ … ordered`")
                    .into(),
            );
        }
        let length = self.loops.array(array).shape.first().copied();
        if let (Some(upper), Some(length)) = (binder.upper.as_int(), length)
            && upper < length as i64
        {
            let message = format!("`ordered` needs all {length} draws, and here are {upper}");
            return Err(Diagnostic::error("E0438", message)
                .at(
                    law.span,
                    "other statements draw elements of the same variable",
                )
                .help("give the draws that are in order a name of their own")
                .into());
        }
        let random =
            self.ordered_random(variable, array, binder, arguments.as_deref(), law, span)?;
        self.emit(Statement::Random(Box::new(random)));
        Ok(())
    }

    /// Opens the law of one element, inside the loop over them.
    fn enter_element(
        &mut self,
        arguments: Option<&[Value]>,
        at: &[Scalar],
        size: usize,
        law: &'a Law,
        span: Span,
    ) -> Outcome<(super::laws::Entered<'a>, bool)> {
        let arguments = match arguments {
            Some(arguments) => arguments.to_vec(),
            None => self.law_arguments(&law.call)?,
        };
        self.element = (at.to_vec(), vec![size]);
        let here = self.arguments_at(law, &arguments, at, &[size], span)?;
        let own = free_indices(&at[0]);
        let differs = |value: &Value| match value {
            Value::Scalar(scalar) => free_indices(scalar).iter().any(|i| own.contains(i)),
            Value::Array(_) => true,
        };
        let differ = here.iter().any(differs);
        Ok((self.enter(&law.call, here)?, differ))
    }

    /// The log density of one element, and where it may lie: what stands inside the loop over the elements.
    fn ordered_element(
        &mut self,
        array: ArrayId,
        at: &[Scalar],
        arguments: Option<&[Value]>,
        law: &'a Law,
        span: Span,
    ) -> Outcome<Element> {
        let size = self.loops.array(array).shape[0];
        let (entered, differ) = self.enter_element(arguments, at, size, law, span)?;
        let support = self.truncated_support(&entered, law, at)?;
        let Support::Interval { lower, upper, .. } = &support else {
            return Err(Failure::Silent);
        };
        let own = free_indices(&at[0]);
        let varies = |bound: &Scalar| free_indices(bound).iter().any(|index| own.contains(index));
        if lower.iter().chain(upper).any(varies) {
            return Err(Diagnostic::error(
                "E0438",
                "`ordered` needs the same bounds for all draws",
            )
            .at(law.span, "these differ between elements")
            .help("give every element the same bounds")
            .into());
        }
        self.learn_range(array, &support);
        let x = super::pull::element(&self.loops.arrays, array, at.to_vec(), span);
        let term = self.law_term(&entered, law, Value::Scalar(x), "it", false, span)?;
        self.leave(&entered);
        Ok(Element {
            support,
            term,
            differ,
        })
    }

    fn ordered_random(
        &mut self,
        variable: VariableId,
        array: ArrayId,
        binder: &Binder,
        arguments: Option<&[Value]>,
        law: &'a Law,
        span: Span,
    ) -> Outcome<Random> {
        let size = self.loops.array(array).shape[0];
        let at = [Scalar::index(binder.index)];
        let frames = self.frames.len();
        self.open(BlockKind::Straight);
        self.blocks
            .last_mut()
            .expect("just opened")
            .defines
            .insert(array);
        self.open(BlockKind::Over(vec![binder.index]));
        let element = self.ordered_element(array, &at, arguments, law, span);
        self.frames.truncate(frames);
        let inner = self.close();
        let summed = element.and_then(|element| {
            let sum = self.ordered_sum(binder, &element, inner, span)?;
            Ok((element, sum))
        });
        let statements = self.close();
        let (element, sum) = summed?;
        let Element {
            support,
            mut term,
            differ,
        } = element;
        let (Support::Interval { lower, upper, .. }, role) = (&support, self.role(variable)) else {
            return Err(Failure::Silent);
        };
        let (lower, upper) = (lower.clone(), upper.clone());
        let mut value = sum;
        if differ {
            if role == super::loops::Role::Simulated {
                return Err(Diagnostic::error(
                    "E0438",
                    "draws that are not alike cannot be drawn in order",
                )
                .at(
                    law.span,
                    "nothing observed depends on it, and the arguments differ between elements",
                )
                .help("give every element the same arguments, or remove `ordered`")
                .into());
            }
            // The conditions stand inside the sum.
            term.domain.clear();
            self.loops.unnormalised.push((
                law.span,
                "`ordered` draws that differ have no known normaliser".to_string(),
            ));
        } else {
            let orders = likelier_runtime::math::special::lgamma(size as f64 + 1.0);
            value = Scalar::operation(Operation::Add, vec![value, Scalar::real(orders)]);
        }
        let density = Term {
            value,
            statements,
            ..term
        };
        let sample = self.ordered_sample(array, binder, arguments, &support, law, span)?;
        Ok(Random {
            variable: array,
            indices: Vec::new(),
            observed: false,
            support: Support::Ordered { size, lower, upper },
            standard: None,
            density,
            sample,
        })
    }

    /// The sum of the log densities of all elements; `inner` is what each of them needs.
    fn ordered_sum(
        &mut self,
        binder: &Binder,
        element: &Element,
        inner: Vec<Statement>,
        span: Span,
    ) -> Outcome<Scalar> {
        let at = [Scalar::index(binder.index)];
        let mut value = element.term.value.clone();
        if element.differ {
            for condition in &element.term.domain {
                let impossible = Scalar::real(f64::NEG_INFINITY);
                value = Scalar::choose(condition.holds.clone(), value, impossible);
            }
        }
        let body = if inner.is_empty() {
            value
        } else {
            let binders = std::slice::from_ref(binder);
            let place = self.store_over(
                binders,
                inner,
                value,
                hir::Element::Real,
                "log density",
                span,
            )?;
            super::pull::element(&self.loops.arrays, place.array, at.to_vec(), span)
        };
        Ok(Scalar(std::rc::Rc::new(super::loops::Node::Reduce {
            reducer: Reducer::Sum,
            binders: vec![binder.clone()],
            body,
        })))
    }

    /// Independent draws, which whoever runs them puts in order: exact if they are alike, a place to start if not.
    fn ordered_sample(
        &mut self,
        array: ArrayId,
        binder: &Binder,
        arguments: Option<&[Value]>,
        support: &Support,
        law: &'a Law,
        span: Span,
    ) -> Outcome<Option<Vec<Statement>>> {
        let size = self.loops.array(array).shape[0];
        let at = [Scalar::index(binder.index)];
        let frames = self.frames.len();
        self.open(BlockKind::Closed);
        self.open(BlockKind::Over(vec![binder.index]));
        let drawn = self
            .enter_element(arguments, &at, size, law, span)
            .and_then(|(entered, _)| self.sample(array, &at, &entered, law, support, span));
        self.frames.truncate(frames);
        let mut inner = self.close();
        let mut outer = self.close();
        Ok(drawn?.map(|statements| {
            inner.extend(statements);
            outer.push(Statement::For {
                binder: binder.clone(),
                body: inner,
            });
            outer
        }))
    }
}

/// One of the draws.
struct Element {
    support: Support,
    term: Term,
    /// Whether its law differs from that of the others.
    differ: bool,
}
