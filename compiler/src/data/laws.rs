//! Laws at one value: a distribution's members are inlined like functions, with conditions for what their parameters and
//! values must satisfy. An alias binds its own parameters, then those of the law it stands for.

use std::rc::Rc;

use super::expand::{BlockKind, Expander, Failure, Frame, Outcome};
use super::expression::sizes;
use super::inline::bind_sizes;
use super::loops::{Binder, Condition, Node, Scalar, Support, indices_of};
use super::mixture::Parts;
use super::pull::{Pull, Value};
use crate::check::hir::{
    self, Declared, Distribution, DistributionBody, DistributionCall, DistributionRef, Element,
    Reducer,
};
use crate::check::walk::uses;
use crate::math::primitive::Operation;
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

    /// Adds what `value` must satisfy to have the declared support; certain violations are errors.
    pub fn conditions(
        &mut self,
        declared: &'a Declared,
        value: &Value,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let int = declared.element == Element::Int;
        let zero = || {
            if int {
                Scalar::int(0)
            } else {
                Scalar::real(0.0)
            }
        };
        let mut upper: Option<Scalar> = None;
        let lower: Option<(Scalar, bool)>;
        match &declared.support {
            hir::Support::Positive => lower = Some((zero(), true)),
            hir::Support::Nonnegative => lower = Some((zero(), false)),
            hir::Support::Unit => (lower, upper) = (Some((zero(), false)), Some(Scalar::real(1.0))),
            hir::Support::Between(low, high) => {
                let (low, high) = (self.scalar(low)?, self.scalar(high)?);
                lower = Some((self.folded(low, Element::Real)?, false));
                upper = Some(self.folded(high, Element::Real)?);
            }
            hir::Support::Structured(structure) => {
                return self.structure_conditions(*structure, value, what, span, conditions);
            }
            _ => return Ok(()),
        }
        let scalar = match value {
            Value::Scalar(scalar) => scalar.clone(),
            Value::Array(pull) => {
                if pull.length() == 0 {
                    return Ok(());
                }
                return self.array_condition(pull, lower, upper, what, span, conditions);
            }
        };
        let scalar = real(scalar, declared.element);
        self.bounds(scalar, lower, upper, what, span, conditions)
    }

    /// A number that must be a probability.
    pub(super) fn unit_condition(
        &mut self,
        value: Scalar,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let (lower, upper) = ((Scalar::real(0.0), false), Scalar::real(1.0));
        self.bounds(value, Some(lower), Some(upper), what, span, conditions)
    }

    fn bounds(
        &mut self,
        value: Scalar,
        lower: Option<(Scalar, bool)>,
        upper: Option<Scalar>,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let range = self.range(&value);
        if let Some((bound, strict)) = lower {
            let bound = if matches!(*bound.0, Node::Int(_)) {
                Scalar::real(bound.as_number().unwrap_or(0.0))
            } else {
                bound
            };
            let known = bound.as_number();
            let proven = match known {
                Some(b) if strict => range.low > b || (range.low == b && range.above),
                Some(b) => range.low >= b || b == f64::NEG_INFINITY,
                None => false,
            };
            if !proven {
                let operation = if strict {
                    Operation::Less
                } else {
                    Operation::LessEqual
                };
                let holds = Scalar::operation(operation, vec![bound.clone(), value.clone()]);
                let rule = match (known, strict) {
                    (Some(0.0), true) => format!("{what} must be positive"),
                    (Some(0.0), false) => format!("{what} must not be negative"),
                    (Some(b), _) => format!("{what} must be at least {b}"),
                    (None, _) => format!("{what} must not be below its lower bound"),
                };
                self.condition(holds, value.clone(), rule, span, conditions)?;
            }
        }
        if let Some(bound) = upper {
            let known = bound.as_number();
            let proven = known.is_some_and(|b| range.high <= b || b == f64::INFINITY);
            if !proven {
                let holds = Scalar::operation(Operation::LessEqual, vec![value.clone(), bound]);
                let rule = match known {
                    Some(b) => format!("{what} must be at most {b}"),
                    None => format!("{what} must not be above its upper bound"),
                };
                self.condition(holds, value, rule, span, conditions)?;
            }
        }
        Ok(())
    }

    pub(super) fn condition(
        &mut self,
        holds: Scalar,
        value: Scalar,
        rule: String,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let holds = self.folded(holds, Element::Bool)?;
        match holds.as_bool() {
            Some(true) => Ok(()),
            Some(false) => {
                let shown = self.constant(&value)?.unwrap_or(f64::NAN);
                let name = rule
                    .strip_prefix('`')
                    .and_then(|rest| rest.split('`').next());
                let origin = name.and_then(|name| Some((name, self.bound.origin(name)?)));
                let mut diagnostic =
                    Diagnostic::error("E0430", format!("{rule}, and it is {shown}"))
                        .at(span, format!("this is {shown}"));
                if let Some((name, origin)) = origin {
                    diagnostic = diagnostic.note(format!("`{name}` comes from {origin}"));
                }
                Err(diagnostic.help("give it a value that it allows").into())
            }
            None => {
                conditions.push(Condition {
                    holds,
                    value,
                    rule,
                    span,
                });
                Ok(())
            }
        }
    }

    pub(super) fn array_condition(
        &mut self,
        pull: &Pull,
        lower: Option<(Scalar, bool)>,
        upper: Option<Scalar>,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        self.check_elements(pull, &lower, &upper, what, span)?;
        let binders: Vec<Binder> = pull
            .shape
            .iter()
            .map(|&length| self.count_binder(length))
            .collect();
        let at: Vec<Scalar> = binders
            .iter()
            .map(|binder| Scalar::index(binder.index))
            .collect();
        let element = pull.at(&self.loops.arrays, &at, span);
        let range = self.range(&element);
        let is_low = lower.as_ref().is_some_and(|(bound, strict)| {
            bound.as_number().is_none_or(|b| {
                if *strict {
                    !(range.low > b || range.low == b && range.above)
                } else {
                    range.low < b
                }
            })
        });
        if is_low {
            let least = self.reduce_pull(Reducer::Minimum, pull, span)?.scalar()?;
            let least = real(least, pull.element);
            self.bounds(
                least,
                lower,
                None,
                &format!("each element of {what}"),
                span,
                conditions,
            )?;
        }
        let is_high = upper
            .as_ref()
            .is_some_and(|bound| bound.as_number().is_none_or(|b| range.high > b));
        if is_high {
            let most = self.reduce_pull(Reducer::Maximum, pull, span)?.scalar()?;
            let most = real(most, pull.element);
            self.bounds(
                most,
                None,
                upper,
                &format!("each element of {what}"),
                span,
                conditions,
            )?;
        }
        Ok(())
    }

    /// Of numbers that data give, names the first outside its bounds.
    fn check_elements(
        &self,
        pull: &Pull,
        lower: &Option<(Scalar, bool)>,
        upper: &Option<Scalar>,
        what: &str,
        span: Span,
    ) -> Outcome<()> {
        let super::pull::Body::Stored(place) = &pull.body else {
            return Ok(());
        };
        let values: Vec<f64> = match &self.loops.array(place.array).kind {
            _ if !place.prefix.is_empty() => return Ok(()),
            super::loops::ArrayKind::Real(data) => data.to_vec(),
            super::loops::ArrayKind::Int(data) => data.iter().map(|&value| value as f64).collect(),
            _ => return Ok(()),
        };
        let low = lower
            .as_ref()
            .and_then(|(bound, strict)| Some((bound.as_number()?, *strict)));
        let high = upper.as_ref().and_then(Scalar::as_number);
        let bad = values.iter().position(|&value| {
            low.is_some_and(|(low, strict)| if strict { value <= low } else { value < low })
                || high.is_some_and(|high| value > high)
        });
        let Some(flat) = bad else { return Ok(()) };
        let mut indices = Vec::new();
        let mut rest = flat;
        for &length in pull.shape.iter().rev() {
            indices.insert(0, (rest % length + 1).to_string());
            rest /= length;
        }
        let index = indices.join(", ");
        let element = match what
            .strip_prefix('`')
            .and_then(|name| name.strip_suffix('`'))
        {
            Some(name) if !name.contains('`') => format!("`{name}[{index}]`"),
            _ => format!("element {index} of {what}"),
        };
        let value = values[flat];
        let rule = match (low, high) {
            (Some((0.0, true)), _) if value <= 0.0 => "be positive".to_string(),
            (Some((0.0, false)), _) if value < 0.0 => "not be negative".to_string(),
            (Some((low, _)), _) if value < low => format!("be at least {low}"),
            (_, Some(high)) => format!("be at most {high}"),
            _ => "lie within its bounds".to_string(),
        };
        Err(
            Diagnostic::error("E0430", format!("{element} must {rule}, and it is {value}"))
                .at(span, "")
                .help("correct it in the data, or allow it in the model")
                .into(),
        )
    }

    /// Probabilities sum to one, up to rounding.
    pub(super) fn sum_condition(
        &mut self,
        sum: Scalar,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let error = Scalar::operation(Operation::Subtract, vec![sum.clone(), Scalar::real(1.0)]);
        let error = Scalar::operation(Operation::Absolute, vec![error]);
        let holds = Scalar::operation(Operation::LessEqual, vec![error, Scalar::real(1e-8)]);
        self.condition(
            holds,
            sum,
            format!("{what} must sum to 1"),
            span,
            conditions,
        )
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

    /// `normal(0, 1).cdf(x)`, elementwise.
    pub fn method(
        &mut self,
        call: &'a DistributionCall,
        method: &str,
        argument: &'a hir::Expression,
        expression: &'a hir::Expression,
    ) -> Outcome<Value> {
        let span = expression.span;
        let mut values = self.law_arguments(call)?;
        let scalar_law = self.draw_rank(call) == 0;
        let slots = call.slots(&self.hir.distributions);
        values.push(self.value(argument)?);
        if !scalar_law {
            return Ok(Value::Scalar(self.method_at(call, method, values, span)?));
        }
        let is_scalar = |position: usize| slots.get(position).is_none_or(|slot| slot.is_scalar);
        let is_indexed = |position: usize| slots.get(position).is_some_and(|slot| slot.is_indexed);
        let scalars: Vec<Value> = values
            .iter()
            .enumerate()
            .filter(|(i, _)| is_scalar(*i))
            .map(|(i, v)| self.without_component(v, is_indexed(i), span))
            .collect();
        match self.common_shape(&scalars, &[], span)? {
            None => Ok(Value::Scalar(self.method_at(call, method, values, span)?)),
            Some(shape) => self.over(&shape, Element::Real, span, |expander, at| {
                let here = values
                    .iter()
                    .enumerate()
                    .map(|(i, v)| {
                        if is_indexed(i) && is_scalar(i) {
                            expander.component_elements(v, at, span)
                        } else if is_scalar(i) {
                            Value::Scalar(expander.at(v, at, span))
                        } else {
                            v.clone()
                        }
                    })
                    .collect();
                expander.method_at(call, method, here, span)
            }),
        }
    }

    fn method_at(
        &mut self,
        call: &'a DistributionCall,
        method: &str,
        mut values: Vec<Value>,
        span: Span,
    ) -> Outcome<Scalar> {
        let argument = values.pop().expect("the value");
        let entered = self.enter(call, values)?;
        let mut conditions = entered.conditions.clone();
        let is_density = method == "log_density";
        // Outside the support the density is zero; a distribution function has its own answer.
        let inside = if is_density {
            self.conditions(entered.draw, &argument, "the value", span, &mut conditions)
        } else {
            Ok(())
        };
        let outside = Scalar::real(if is_density {
            f64::NEG_INFINITY
        } else {
            f64::NAN
        });
        if inside.is_err() {
            self.leave(&entered);
            return Ok(outside);
        }
        let result = match (method, argument) {
            ("log_cdf" | "log_ccdf", Value::Scalar(x)) => self.log_tail(&entered, method, &x, span),
            ("cdf", Value::Scalar(x)) => self.cumulative(&entered, &x, span),
            (_, argument) => self
                .member(&entered, method, Some(argument), span)
                .and_then(|value| value.ok_or(Failure::Silent)?.scalar()),
        };
        self.leave(&entered);
        let value = result?;
        let holds = conditions
            .into_iter()
            .map(|condition| condition.holds)
            .reduce(Scalar::and);
        Ok(match holds {
            Some(holds) => Scalar::choose(holds, value, outside),
            None => value,
        })
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

    /// log P(lower ≤ X ≤ upper) of the law that is entered; `lower` is −∞ or `upper` ∞ where a side is open.
    pub fn log_mass(
        &mut self,
        entered: &Entered<'a>,
        lower: &Scalar,
        upper: &Scalar,
        span: Span,
    ) -> Outcome<Scalar> {
        let int = entered.draw.element == Element::Int;
        let open_below =
            lower.as_number() == Some(f64::NEG_INFINITY) || self.begins_at(entered, lower);
        let open_above = upper.as_number() == Some(f64::INFINITY);
        // P(X < lower) is P(X ≤ lower − 1) for whole numbers.
        let below = if int {
            Scalar::operation(Operation::Subtract, vec![lower.clone(), Scalar::real(1.0)])
        } else {
            lower.clone()
        };
        match (open_below, open_above) {
            (true, true) => Ok(Scalar::real(0.0)),
            (true, false) => self.log_tail(entered, "log_cdf", upper, span),
            (false, true) => self.log_tail(entered, "log_ccdf", &below, span),
            (false, false) => {
                // Of the two tails the smaller one keeps its digits.
                let low = self.log_tail(entered, "log_cdf", &below, span)?;
                let high = self.log_tail(entered, "log_cdf", upper, span)?;
                let low = self.keep("log_cdf", low, Element::Real, span)?;
                let high = self.keep("log_cdf", high, Element::Real, span)?;
                let left = difference(&high, &low);
                let above_low = self.log_tail(entered, "log_ccdf", &below, span)?;
                let above_high = self.log_tail(entered, "log_ccdf", upper, span)?;
                let above_low = self.keep("log_ccdf", above_low, Element::Real, span)?;
                let above_high = self.keep("log_ccdf", above_high, Element::Real, span)?;
                let right = difference(&above_low, &above_high);
                let half = Scalar::real(-std::f64::consts::LN_2);
                let condition = Scalar::operation(Operation::Less, vec![low, half]);
                Ok(Scalar::choose(condition, left, right))
            }
        }
    }

    /// Whether the support begins at this number anyway.
    pub(super) fn begins_at(&self, entered: &Entered, lower: &Scalar) -> bool {
        let zero = matches!(
            entered.draw.support,
            hir::Support::Positive | hir::Support::Nonnegative | hir::Support::Unit
        );
        zero && lower.as_number().is_some_and(|lower| lower <= 0.0)
    }

    /// log P(X ≤ at) or log P(X > at), by whichever members the law has.
    pub(super) fn log_tail(
        &mut self,
        entered: &Entered<'a>,
        name: &str,
        at: &Scalar,
        span: Span,
    ) -> Outcome<Scalar> {
        let tail = self.log_tail_at(entered, name, at, span)?;
        if entered.draw.element != Element::Int || at.as_number().is_some() {
            return Ok(tail);
        }
        // A bound of counts may be infinite for some elements, which no law of whole numbers has to know of.
        let infinite = Scalar::real(f64::INFINITY);
        let is_infinite = Scalar::operation(Operation::Equal, vec![at.clone(), infinite]);
        let beyond = match name {
            "log_cdf" => 0.0,
            _ => f64::NEG_INFINITY,
        };
        Ok(Scalar::choose(is_infinite, Scalar::real(beyond), tail))
    }

    fn log_tail_at(
        &mut self,
        entered: &Entered<'a>,
        name: &str,
        at: &Scalar,
        span: Span,
    ) -> Outcome<Scalar> {
        let value = |expander: &Self| match entered.draw.element {
            Element::Int => Value::Scalar(expander.whole_number(at)),
            _ => Value::Scalar(at.clone()),
        };
        let argument = value(self);
        if let Some(found) = self.member(entered, name, Some(argument.clone()), span)? {
            return found.scalar();
        }
        let other = if name == "log_cdf" {
            "log_ccdf"
        } else {
            "log_cdf"
        };
        if name == "log_cdf"
            && let Some(cdf) = self.member(entered, "cdf", Some(argument.clone()), span)?
        {
            return Ok(Scalar::operation(Operation::Logarithm, vec![cdf.scalar()?]));
        }
        if let Some(found) = self.member(entered, other, Some(argument.clone()), span)? {
            return Ok(Scalar::operation(
                Operation::LogOneMinusExp,
                vec![found.scalar()?],
            ));
        }
        match self.member(entered, "cdf", Some(argument), span)? {
            Some(cdf) => {
                let negative = Scalar::operation(Operation::Negate, vec![cdf.scalar()?]);
                Ok(Scalar::operation(Operation::LogOnePlus, vec![negative]))
            }
            None => Err(Failure::Silent),
        }
    }

    /// A whole real as an int.
    fn whole_number(&self, scalar: &Scalar) -> Scalar {
        match &*scalar.0 {
            Node::Operation {
                operation: Operation::IntToReal,
                arguments,
            } => arguments[0].clone(),
            Node::Real(value) => Scalar::int(*value as i64),
            Node::Operation {
                operation: Operation::Subtract,
                arguments,
            } => Scalar::operation(
                Operation::IntSubtract,
                vec![
                    self.whole_number(&arguments[0]),
                    self.whole_number(&arguments[1]),
                ],
            ),
            _ => Scalar::operation(Operation::RealToInt, vec![scalar.clone()]),
        }
    }
}

/// An int as a real.
fn real(scalar: Scalar, element: Element) -> Scalar {
    match element {
        Element::Int => Scalar::operation(Operation::IntToReal, vec![scalar]),
        _ => scalar,
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

/// log(exp(a) − exp(b)) for a > b
fn difference(a: &Scalar, b: &Scalar) -> Scalar {
    let gap = Scalar::operation(Operation::Subtract, vec![b.clone(), a.clone()]);
    let rest = Scalar::operation(Operation::LogOneMinusExp, vec![gap]);
    Scalar::operation(Operation::Add, vec![a.clone(), rest])
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
