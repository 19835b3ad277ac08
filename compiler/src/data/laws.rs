//! Laws at one value: a distribution's members are inlined like functions. An alias binds its own parameters, then those of the
//! law it stands for.

use std::rc::Rc;

use super::expand::{BlockKind, Expander, Failure, Frame, Outcome};
use super::expression::sizes;
use super::inline::bind_sizes;
use super::loops::{Condition, Scalar, Support, indices_of};
use super::mixture::Parts;
use super::pull::Value;
use crate::check::hir::{
    self, Declared, Distribution, DistributionBody, DistributionCall, DistributionRef, Element,
};
use crate::check::walk::uses;
use crate::source::{Diagnostic, Span};

/// A law with its arguments, ready for its members to be called: the frames of its aliases and its own are open.
pub struct Entered<'a> {
    /// The distribution whose members count; `None` for `flat` and mixtures.
    pub item: Option<&'a Distribution>,
    /// What a draw is.
    pub draw: &'a Declared,
    /// What its parameters must satisfy.
    pub conditions: Vec<Condition>,
    frames: usize,
    mixture: Option<Rc<Parts<'a>>>,
}

impl<'a> Entered<'a> {
    /// A mixture: its components are entered one by one.
    pub fn mixture(parts: Rc<Parts<'a>>, draw: &'a Declared, conditions: Vec<Condition>) -> Self {
        Entered {
            item: None,
            draw,
            conditions,
            frames: 0,
            mixture: Some(parts),
        }
    }

    /// Whether it is `flat`.
    pub fn is_flat(&self) -> bool {
        self.item.is_none() && self.mixture.is_none()
    }

    /// Number of open frames that belong to it.
    pub fn frame_count(&self) -> usize {
        self.frames
    }
}

impl<'a> Expander<'a> {
    /// Opens the frames of a law; `arguments` are the values for its parameters.
    pub fn enter(
        &mut self,
        call: &'a DistributionCall,
        arguments: Vec<Value>,
    ) -> Outcome<Entered<'a>> {
        match &call.distribution {
            DistributionRef::Flat(draw) => Ok(Entered {
                item: None,
                draw,
                conditions: Vec::new(),
                frames: 0,
                mixture: None,
            }),
            DistributionRef::Mixture(mixture) => {
                self.enter_call(mixture.kind.name(), call.span)?;
                let entered = self.enter_mixture(call, mixture, arguments);
                self.calls -= 1;
                entered
            }
            DistributionRef::Item(id) => {
                let item = &self.hir.distributions[id.0 as usize];
                self.enter_call(&item.name, call.span)?;
                let entered = self.enter_item(item, call, arguments);
                self.calls -= 1;
                entered
            }
        }
    }

    fn enter_item(
        &mut self,
        item: &'a Distribution,
        call: &'a DistributionCall,
        arguments: Vec<Value>,
    ) -> Outcome<Entered<'a>> {
        let mut frame = Frame::new(&item.variables);
        frame.uses = member_uses(item);
        let mut bound = Vec::new();
        for (position, (parameter, argument)) in item.parameters.iter().zip(arguments).enumerate() {
            let span = call
                .arguments
                .get(position)
                .map_or(call.span, |argument| argument.span);
            let argument = self.argument(argument, parameter.variable, &frame, span)?;
            bind_sizes(
                &mut frame,
                &parameter.declared,
                &argument,
                &item.name,
                call.span,
            )?;
            frame.bind(parameter.variable, argument.clone());
            bound.push((parameter, argument, span));
        }
        self.frames.push(frame);
        let mut conditions = Vec::new();
        for (parameter, argument, span) in bound {
            let name = &item.variables[parameter.variable.0 as usize].name;
            let what = format!("the `{name}` of `{}`", item.name);
            let result =
                self.conditions(&parameter.declared, &argument, &what, span, &mut conditions);
            if let Err(failure) = result {
                self.frames.pop();
                return Err(failure);
            }
        }
        match &item.body {
            DistributionBody::Members(_) => Ok(Entered {
                item: Some(item),
                draw: &item.draw,
                conditions,
                frames: 1,
                mixture: None,
            }),
            DistributionBody::Same(same) => {
                let entered = self
                    .law_arguments(same)
                    .and_then(|values| self.enter(same, values));
                match entered {
                    Ok(mut entered) => {
                        conditions.append(&mut entered.conditions);
                        entered.conditions = conditions;
                        entered.frames += 1;
                        Ok(entered)
                    }
                    Err(failure) => {
                        self.frames.pop();
                        Err(failure)
                    }
                }
            }
        }
    }

    /// Closes the frames of a law.
    pub fn leave(&mut self, entered: &Entered) {
        self.frames.truncate(self.frames.len() - entered.frames);
    }

    /// The value of a member of the law that is entered.
    pub fn member(
        &mut self,
        entered: &Entered<'a>,
        name: &str,
        argument: Option<Value>,
        span: Span,
    ) -> Outcome<Option<Value>> {
        if let Some(parts) = &entered.mixture {
            return self.mixture_member(entered, parts, name, argument, span);
        }
        let Some(member) = entered.item.and_then(|item| item.member(name)) else {
            return Ok(None);
        };
        self.enter_call(name, span)?;
        if let (Some(variable), Some(argument)) = (member.parameters.first(), argument) {
            let frame = self.frames.pop().expect("the law's frame");
            let argument = self.argument(argument, *variable, &frame, span);
            self.frames.push(frame);
            let argument = argument?;
            self.frame().bind(*variable, argument);
        }
        self.open(BlockKind::Straight);
        let value = self.run(&member.body);
        let statements = self.close();
        self.calls -= 1;
        let settled = self.settle(statements);
        let value = value?;
        settled?;
        Ok(value)
    }

    /// The log density of the law that is entered; zero for `flat`.
    pub fn log_density(
        &mut self,
        entered: &Entered<'a>,
        value: Value,
        span: Span,
    ) -> Outcome<Scalar> {
        if entered.is_flat() {
            return Ok(Scalar::real(0.0));
        }
        match self.member(entered, "log_density", Some(value), span)? {
            Some(value) => value.scalar(),
            None => Err(Failure::Silent),
        }
    }

    /// Where the draws of the law that is entered live.
    pub fn support(
        &mut self,
        entered: &Entered<'a>,
        at: &[Scalar],
        span: Span,
    ) -> Outcome<Support> {
        if let Some(parts) = &entered.mixture {
            return self.mixture_support(entered, parts, at, span);
        }
        let declared = entered.draw;
        let int = declared.element == Element::Int;
        let shape = self.draw_shape(entered)?;
        if let hir::Support::Structured(structure) = declared.support {
            let size = shape.last().copied().unwrap_or(0);
            return Ok(Support::Structured { structure, size });
        }
        let binders = self.count_binders(&shape);
        let (lower, upper) = match &declared.support {
            hir::Support::Positive | hir::Support::Nonnegative => (Some(Scalar::real(0.0)), None),
            hir::Support::Unit => (Some(Scalar::real(0.0)), Some(Scalar::real(1.0))),
            hir::Support::Between(low, high) => {
                let at = [at, &indices_of(&binders)].concat();
                self.between(low, high, &at, int, span)?
            }
            _ => (None, None),
        };
        Ok(if shape.is_empty() {
            Support::Interval { lower, upper, int }
        } else {
            Support::Array {
                binders,
                lower,
                upper,
            }
        })
    }

    /// The shape of one draw of the law that is entered.
    pub fn draw_shape(&mut self, entered: &Entered<'a>) -> Outcome<Vec<usize>> {
        if let (Some(parts), false) = (&entered.mixture, entered.draw.sizes.is_empty()) {
            let support = self.mixture_support(entered, parts, &[], entered.draw.span)?;
            return Ok(support.shape());
        }
        let mut shape = Vec::new();
        for size in &entered.draw.sizes {
            shape.push(usize::try_from(self.int(size, "a size")?).unwrap_or(0));
        }
        Ok(shape)
    }

    /// The bounds of `real in (low, high)` for one element; `None` where they are infinite.
    fn between(
        &mut self,
        low: &'a hir::Expression,
        high: &'a hir::Expression,
        at: &[Scalar],
        int: bool,
        span: Span,
    ) -> Outcome<(Option<Scalar>, Option<Scalar>)> {
        let mut element = |bound: &'a hir::Expression| {
            let value = self.value(bound)?;
            let shape = value.shape();
            // A bound of the shape of one draw serves all draws.
            let Some(first) = at.len().checked_sub(shape.len()) else {
                return Err(bound_shape(shape, bound.span).into());
            };
            let at = &at[first..];
            let last = |index: &Scalar| self.range(index).high;
            let is_other = |(index, &length): (&Scalar, &usize)| {
                last(index).is_finite() && last(index) != length as f64
            };
            if at.iter().zip(shape).any(is_other) {
                return Err(bound_shape(shape, bound.span).into());
            }
            let scalar = self.at(&value, at, span);
            self.folded(scalar, Element::Real)
        };
        let (low, high) = (element(low)?, element(high)?);
        if let (Some(low), Some(high)) = (low.as_number(), high.as_number())
            && (low > high || low == high && !int)
        {
            return Err(nothing_between(low, high, span).into());
        }
        let finite =
            |bound: Scalar, infinity: f64| (bound.as_number() != Some(infinity)).then_some(bound);
        Ok((finite(low, f64::NEG_INFINITY), finite(high, f64::INFINITY)))
    }

    /// The rank of one draw.
    pub fn draw_rank(&self, call: &DistributionCall) -> usize {
        match &call.distribution {
            DistributionRef::Item(id) => self.hir.distributions[id.0 as usize].draw.sizes.len(),
            DistributionRef::Flat(declared) => declared.sizes.len(),
            DistributionRef::Mixture(mixture) => mixture.draw.sizes.len(),
        }
    }

    /// The values of all arguments of a law, those of its components too.
    pub fn law_arguments(&mut self, call: &'a DistributionCall) -> Outcome<Vec<Value>> {
        let slots = call.slots(&self.hir.distributions);
        slots
            .iter()
            .map(|slot| self.value(slot.expression))
            .collect()
    }
}

fn bound_shape(shape: &[usize], span: Span) -> Diagnostic {
    Diagnostic::error(
        "E0411",
        format!("this bound has {}, unlike the variable", sizes(shape)),
    )
    .at(span, sizes(shape))
    .help("a bound is a number, or has one for each element")
}

/// The message for bounds that leave no room.
pub(super) fn nothing_between(low: f64, high: f64, span: Span) -> Diagnostic {
    Diagnostic::error("E0431", format!("nothing lies between {low} and {high}"))
        .at(span, "")
        .help("the lower bound comes first")
}

/// How often the members of a distribution read each of its names: the most of any member.
fn member_uses(item: &Distribution) -> Vec<usize> {
    let rank = |id: hir::VariableId| item.variables[id.0 as usize].ty.rank();
    let mut most = vec![0; item.variables.len()];
    match &item.body {
        DistributionBody::Members(members) => {
            for member in members {
                for (most, uses) in
                    most.iter_mut()
                        .zip(uses(&member.body, item.variables.len(), &rank))
                {
                    *most = (*most).max(uses);
                }
            }
        }
        DistributionBody::Same(call) => {
            call.expressions(&mut |expression| {
                expression.variables(0, &mut |id, _| most[id.0 as usize] += 1)
            });
        }
    }
    most
}
