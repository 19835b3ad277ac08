//! Draws from truncated laws. Where the law has a quantile function and the interval has some probability, a uniform
//! number between the probabilities of the bounds is taken through it. Otherwise, for any law with a cumulative
//! distribution function, the number is found by bisection, in the logarithm of whichever tail is smaller, so that
//! intervals far out in a tail are drawn from as well as any other. Both take a bounded number of rounds.

use std::rc::Rc;

use super::expand::{BlockKind, Expander, Failure, Outcome};
use super::laws::Entered;
use super::loops::{ArrayId, ArrayKind, Binder, Node, Scalar, Statement};
use super::pull::Value;
use crate::check::hir::{self, Element};
use crate::math::primitive::{Draw, Operation};
use crate::source::Span;

/// Doublings until a bracket reaches from the smallest to the largest number.
const DOUBLINGS: i64 = 1100;
/// Halvings until a bracket is as narrow as numbers are, with some to spare near zero.
const HALVINGS: i64 = 200;
/// An interval of less probability is not left to the quantile function, which works with probabilities near 0 and 1.
const SMALL: f64 = 1e-6;

fn two(operation: Operation, a: &Scalar, b: &Scalar) -> Scalar {
    Scalar::operation(operation, vec![a.clone(), b.clone()])
}

impl<'a> Expander<'a> {
    /// A draw of the law that is entered, between bounds; `None` where the law has no way to it.
    pub(super) fn truncated_draw(
        &mut self,
        entered: &Entered<'a>,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
        span: Span,
    ) -> Outcome<Option<Value>> {
        if entered.is_flat() {
            return Ok(None);
        }
        let (lower, upper) = self.truncation(lower, upper, entered)?;
        self.draw_between(entered, lower, upper, span)
    }

    /// The same with bounds that have been computed; of whole numbers they are whole.
    pub(super) fn draw_between(
        &mut self,
        entered: &Entered<'a>,
        lower: Scalar,
        upper: Scalar,
        span: Span,
    ) -> Outcome<Option<Value>> {
        let open_below = lower.as_number() == Some(f64::NEG_INFINITY);
        let open_above = upper.as_number() == Some(f64::INFINITY);
        if (open_below || self.begins_at(entered, &lower)) && open_above {
            return self.member(entered, "sample", None, span);
        }
        let has = |name: &str| entered.item.is_some_and(|item| item.member(name).is_some());
        let value = if has("quantile") && has("cdf") && entered.draw.element == Element::Real {
            self.by_quantile(entered, &lower, &upper, span)?
        } else {
            self.by_bisection(entered, &lower, &upper, span)?
        };
        // Rounding must not leave the bounds.
        let value = two(Operation::Maximum, &value, &lower);
        Ok(Some(Value::Scalar(two(Operation::Minimum, &value, &upper))))
    }

    fn by_quantile(
        &mut self,
        entered: &Entered<'a>,
        lower: &Scalar,
        upper: &Scalar,
        span: Span,
    ) -> Outcome<Scalar> {
        let probability =
            |expander: &mut Self, bound: &Scalar, open: f64, value: f64| -> Outcome<Scalar> {
                if bound.as_number() == Some(open) {
                    return Ok(Scalar::real(value));
                }
                let cdf =
                    expander.member(entered, "cdf", Some(Value::Scalar(bound.clone())), span)?;
                let cdf = cdf.ok_or(Failure::Silent)?.scalar()?;
                expander.keep("cdf", cdf, Element::Real, span)
            };
        let low = probability(self, lower, f64::NEG_INFINITY, 0.0)?;
        let high = probability(self, upper, f64::INFINITY, 1.0)?;
        let width = two(Operation::Subtract, &high, &low);
        let is_wide = two(Operation::Less, &Scalar::real(SMALL), &width);
        let is_wide = self.folded(is_wide, Element::Bool)?;
        let value = self.choice(
            is_wide,
            Element::Real,
            span,
            &mut |expander| {
                let uniform = uniform();
                let inside = two(Operation::Multiply, &width, &uniform);
                let p = two(Operation::Add, &low, &inside);
                let p = expander.keep("p", p, Element::Real, span)?;
                expander
                    .member(entered, "quantile", Some(Value::Scalar(p)), span)?
                    .ok_or(Failure::Silent)
            },
            &mut |expander| {
                let value = expander.by_bisection(entered, lower, upper, span)?;
                Ok(Value::Scalar(value))
            },
        )?;
        value.scalar()
    }

    /// The number at which the distribution function between the bounds reaches a uniform number.
    fn by_bisection(
        &mut self,
        entered: &Entered<'a>,
        lower: &Scalar,
        upper: &Scalar,
        span: Span,
    ) -> Outcome<Scalar> {
        let int = entered.draw.element == Element::Int;
        let one = Scalar::real(1.0);
        // The number below the first that counts.
        let before = match int {
            true => two(Operation::Subtract, lower, &one),
            false => lower.clone(),
        };
        let open_below = lower.as_number() == Some(f64::NEG_INFINITY);
        let open_above = upper.as_number() == Some(f64::INFINITY);
        let uniform = self.keep("uniform", uniform(), Element::Real, span)?;
        let tail = |expander: &mut Self, name: &str, at: &Scalar| -> Outcome<Scalar> {
            let value = expander.log_tail(entered, name, at, span)?;
            expander.keep(name, value, Element::Real, span)
        };
        let log_uniform = Scalar::operation(Operation::Logarithm, vec![uniform.clone()]);
        // The target in each tail that may be used, and which one is.
        let (is_left, left, right) = if open_below {
            let high = tail(self, "log_cdf", upper)?;
            let target = two(Operation::Add, &high, &log_uniform);
            (Scalar::bool(true), target, Scalar::real(0.0))
        } else if open_above {
            let low = tail(self, "log_ccdf", &before)?;
            let target = two(Operation::Add, &low, &log_uniform);
            (Scalar::bool(false), Scalar::real(0.0), target)
        } else {
            let low = tail(self, "log_cdf", &before)?;
            let high = tail(self, "log_cdf", upper)?;
            let left = share(&high, &low, &uniform);
            let above_low = tail(self, "log_ccdf", &before)?;
            let above_high = tail(self, "log_ccdf", upper)?;
            let right = share(&above_low, &above_high, &uniform);
            let half = Scalar::real(-std::f64::consts::LN_2);
            (two(Operation::Less, &low, &half), left, right)
        };
        let left = self.keep("target", left, Element::Real, span)?;
        let right = self.keep("target", right, Element::Real, span)?;
        // Whether a number is at the sought one or beyond it.
        let is_beyond = |expander: &mut Self, at: &Scalar| -> Outcome<Scalar> {
            let value = expander.choice(
                is_left.clone(),
                Element::Real,
                span,
                &mut |expander| {
                    let value = expander.log_tail(entered, "log_cdf", at, span)?;
                    Ok(Value::Scalar(two(Operation::Subtract, &value, &left)))
                },
                &mut |expander| {
                    let value = expander.log_tail(entered, "log_ccdf", at, span)?;
                    Ok(Value::Scalar(two(Operation::Subtract, &right, &value)))
                },
            )?;
            Ok(two(
                Operation::LessEqual,
                &Scalar::real(0.0),
                &value.scalar()?,
            ))
        };
        let low = self.changing("low", span);
        let high = self.changing("high", span);
        let (from, to) = (self.read(low, span), self.read(high, span));
        let first_low = match open_below {
            true => two(Operation::Subtract, upper, &one),
            false => before.clone(),
        };
        let first_high = match open_above {
            true => two(Operation::Add, &before, &one),
            false => upper.clone(),
        };
        self.set(low, first_low);
        self.set(high, first_high);
        if open_below || open_above {
            // The far end doubles its distance until it is beyond; the near end follows.
            let (near, far) = if open_above { (low, high) } else { (high, low) };
            let end = self.read(far, span);
            let origin = if open_above { &before } else { upper };
            let searching = self.changing("searching", span);
            self.set(searching, Scalar::real(1.0));
            let goes = two(
                Operation::Less,
                &Scalar::real(0.0),
                &self.read(searching, span),
            );
            self.repeat(DOUBLINGS, &[low, high, searching], &mut |expander| {
                expander.guarded(goes.clone(), &mut |expander| {
                    let beyond = is_beyond(expander, &end)?;
                    let goes_on = match open_above {
                        true => Scalar::operation(Operation::Not, vec![beyond]),
                        false => beyond,
                    };
                    let distance = two(Operation::Subtract, &end, origin);
                    let double = two(Operation::Add, &end, &distance);
                    expander.when(
                        goes_on,
                        &[(near, end.clone()), (far, double)],
                        &[(searching, Scalar::real(0.0))],
                    );
                    Ok(())
                })
            })?;
        }
        let half = Scalar::real(0.5);
        let middle_of = {
            let width = two(Operation::Subtract, &to, &from);
            let middle = two(
                Operation::Add,
                &from,
                &two(Operation::Multiply, &half, &width),
            );
            match int {
                true => Scalar::operation(Operation::Floor, vec![middle]),
                false => middle,
            }
        };
        let middle = self.changing("middle", span);
        let at = self.read(middle, span);
        let is_between = two(Operation::Less, &from, &at).and(two(Operation::Less, &at, &to));
        self.repeat(HALVINGS, &[low, high, middle], &mut |expander| {
            expander.set(middle, middle_of.clone());
            expander.guarded(is_between.clone(), &mut |expander| {
                let beyond = is_beyond(expander, &at)?;
                expander.when(beyond, &[(high, at.clone())], &[(low, at.clone())]);
                Ok(())
            })
        })?;
        Ok(to)
    }

    /// A number that changes.
    fn changing(&mut self, name: &str, span: Span) -> ArrayId {
        let level = self.blocks.len() - 1;
        self.array_at(level, name, Vec::new(), ArrayKind::Var, span)
    }

    fn read(&self, variable: ArrayId, span: Span) -> Scalar {
        super::pull::element(&self.loops.arrays, variable, Vec::new(), span)
    }

    fn set(&mut self, variable: ArrayId, value: Scalar) {
        self.emit(Statement::Store {
            array: variable,
            indices: Vec::new(),
            value,
        });
    }

    /// Assigns by a condition.
    fn when(
        &mut self,
        condition: Scalar,
        then: &[(ArrayId, Scalar)],
        otherwise: &[(ArrayId, Scalar)],
    ) {
        let stores = |pairs: &[(ArrayId, Scalar)]| {
            let store = |(array, value): &(ArrayId, Scalar)| Statement::Store {
                array: *array,
                indices: Vec::new(),
                value: value.clone(),
            };
            pairs.iter().map(store).collect()
        };
        self.emit(Statement::If {
            condition,
            then: stores(then),
            otherwise: stores(otherwise),
        });
    }

    /// Statements that run where a condition holds.
    fn guarded(
        &mut self,
        condition: Scalar,
        body: &mut dyn FnMut(&mut Self) -> Outcome<()>,
    ) -> Outcome<()> {
        self.open(BlockKind::Closed);
        let result = body(self);
        let then = self.close();
        self.emit(Statement::If {
            condition,
            then,
            otherwise: Vec::new(),
        });
        result
    }

    /// A loop that changes variables.
    fn repeat(
        &mut self,
        rounds: i64,
        changes: &[ArrayId],
        body: &mut dyn FnMut(&mut Self) -> Outcome<()>,
    ) -> Outcome<()> {
        let (lower, upper) = (Scalar::int(1), Scalar::int(rounds));
        let index = self.index(super::expand::UNNAMED, lower.clone(), upper.clone());
        self.open(BlockKind::Over(vec![index]));
        let block = self.blocks.last_mut().expect("the loop");
        block.defines = changes.iter().copied().collect();
        let result = body(self);
        let body = self.close();
        let binder = Binder {
            index,
            lower,
            upper,
        };
        self.emit(Statement::For { binder, body });
        result
    }
}

fn uniform() -> Scalar {
    Scalar(Rc::new(Node::Draw {
        draw: Draw::Uniform,
        arguments: Vec::new(),
    }))
}

/// The logarithm of a point between exp(small) and exp(large), at a share u of the way from the small one.
fn share(large: &Scalar, small: &Scalar, uniform: &Scalar) -> Scalar {
    let gap = two(Operation::Subtract, small, large);
    let ratio = Scalar::operation(Operation::Exponential, vec![gap]);
    let rest = two(Operation::Subtract, &Scalar::real(1.0), uniform);
    let mixed = two(
        Operation::Add,
        uniform,
        &two(Operation::Multiply, &rest, &ratio),
    );
    let log = Scalar::operation(Operation::Logarithm, vec![mixed]);
    two(Operation::Add, large, &log)
}
