//! Array literals, comprehensions, reductions and choices: what makes one value of many.

use super::expand::{BlockKind, Expander, Failure, Outcome, has_draw};
use super::expression::sizes;
use super::loops::{ArrayKind, Binder, IndexId, Node, Scalar, Statement};
use super::pull::{Body, Pull, Value};
use crate::check::hir::{self, Element, Reducer};
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

impl<'a> Expander<'a> {
    pub(super) fn array_literal(
        &mut self,
        items: &'a [hir::Expression],
        expression: &'a hir::Expression,
    ) -> Outcome<Value> {
        let span = expression.span;
        let element = expression.ty.element;
        let values = self.values(items)?;
        let inner = self.common_shape(&values, items, span)?.unwrap_or_default();
        let mut shape = vec![items.len()];
        shape.extend(&inner);
        let mut statements = Vec::new();
        let scalars: Vec<Scalar> = values
            .iter()
            .filter_map(|value| value.clone().scalar().ok())
            .collect();
        let mut level = self.level_of(&scalars, &[]);
        if has_draw(&scalars) || !inner.is_empty() {
            level = self.blocks.len() - 1;
        }
        let place = self.local(level, "temporary", &shape, span);
        let array = place.array;
        let indices_of = |own: Vec<Scalar>| place.prefix.iter().cloned().chain(own).collect();
        for (i, value) in values.iter().enumerate() {
            let first = Scalar::int(i as i64 + 1);
            match value {
                Value::Scalar(scalar) => {
                    statements.push(Statement::Store {
                        array,
                        indices: indices_of(vec![first]),
                        value: scalar.clone(),
                    });
                }
                Value::Array(pull) => {
                    let binders = self.count_binders(&inner);
                    let at = super::loops::indices_of(&binders);
                    let store = Statement::Store {
                        array,
                        value: pull.at(&self.loops.arrays, &at, span),
                        indices: indices_of([&[first], &at[..]].concat()),
                    };
                    statements.push(store.over(binders));
                }
            }
        }
        let straight = self.blocks[..=level]
            .iter()
            .all(|block| block.kind == BlockKind::Straight);
        if items.is_empty()
            || straight && super::fold::depends_on_data_alone(&self.loops.arrays, &statements)
        {
            if items.is_empty() {
                self.loops.arrays[array.0 as usize].kind = ArrayKind::Real(Vec::new().into());
            } else {
                self.interpret(&statements)?;
            }
            if element != Element::Real {
                self.make_int(array);
            }
        } else {
            for statement in statements {
                self.emit_at(level, statement);
            }
        }
        Ok(Value::Array(Pull {
            element,
            shape,
            body: Body::Stored(place),
        }))
    }

    pub(super) fn comprehension(
        &mut self,
        binders: &'a [hir::Binder],
        body: &'a hir::Expression,
        expression: &'a hir::Expression,
    ) -> Outcome<Value> {
        let span = expression.span;
        let mut shape = Vec::new();
        let mut firsts = Vec::new();
        for binder in binders {
            let lower = self.int(&binder.lower, "the ends of this range")?;
            let upper = self.int(&binder.upper, "the ends of this range")?;
            shape.push((upper - lower + 1).max(0) as usize);
            firsts.push(lower);
        }
        let lengths = shape
            .iter()
            .map(|&length: &usize| i64::try_from(length).unwrap_or(i64::MAX));
        self.check_size(lengths, span)?;
        // The shape of an array body is that of its first round.
        let own: Vec<Binder> = shape
            .iter()
            .map(|&length| self.count_binder(length))
            .collect();
        let mut placeholders: Vec<IndexId> = own.iter().map(|binder| binder.index).collect();
        self.open(BlockKind::Over(placeholders.clone()));
        for (i, binder) in binders.iter().enumerate() {
            let at = Scalar::operation(
                Operation::IntAdd,
                vec![Scalar::int(firsts[i] - 1), Scalar::index(placeholders[i])],
            );
            let at = if firsts[i] == 1 {
                Scalar::index(placeholders[i])
            } else {
                at
            };
            self.frame().bind(binder.variable, Value::Scalar(at));
        }
        let value = self.value(body);
        let (scalar, inner) = match value {
            Ok(Value::Scalar(scalar)) => (scalar, Vec::new()),
            Ok(Value::Array(pull)) => {
                let inner: Vec<Binder> = pull
                    .shape
                    .iter()
                    .map(|&length| self.count_binder(length))
                    .collect();
                let at: Vec<Scalar> = inner
                    .iter()
                    .map(|binder| Scalar::index(binder.index))
                    .collect();
                (pull.at(&self.loops.arrays, &at, span), inner)
            }
            Err(failure) => {
                self.close();
                return Err(failure);
            }
        };
        let statements = self.close();
        shape.extend(
            inner
                .iter()
                .map(|binder| binder.upper.as_int().unwrap_or(0) as usize),
        );
        placeholders.extend(inner.iter().map(|binder| binder.index));
        let element = expression.ty.element;
        if statements.is_empty() && !has_draw(std::slice::from_ref(&scalar)) {
            return Ok(Value::Array(Pull {
                element,
                shape,
                body: Body::Lambda(placeholders, scalar),
            }));
        }
        if !inner.is_empty() {
            return Err(Diagnostic::error(
                "E0414",
                "the rows of this array need work of their own",
            )
            .at(span, "")
            .help("write each element: `[e for i in …, j in …]`")
            .into());
        }
        let place = self.store_over(&own, statements, scalar, element, "temporary", span)?;
        Ok(Value::Array(Pull {
            element,
            shape,
            body: Body::Stored(place),
        }))
    }

    pub(super) fn reduction(
        &mut self,
        reducer: Reducer,
        binders: &'a [hir::Binder],
        body: &'a hir::Expression,
        span: Span,
    ) -> Outcome<Value> {
        let mut own = Vec::new();
        for binder in binders {
            let (lower, upper) = (self.scalar(&binder.lower)?, self.scalar(&binder.upper)?);
            let (lower, upper) = (
                self.folded(lower, Element::Int)?,
                self.folded(upper, Element::Int)?,
            );
            let name = self.frames.last().expect("a frame").variables[binder.variable.0 as usize]
                .name
                .clone();
            let index = self.index(name, lower.clone(), upper.clone());
            self.frame()
                .bind(binder.variable, Value::Scalar(Scalar::index(index)));
            own.push(Binder {
                index,
                lower,
                upper,
            });
        }
        self.open(BlockKind::Over(
            own.iter().map(|binder| binder.index).collect(),
        ));
        let value = self.scalar(body);
        let statements = self.close();
        let value = value?;
        let element = body.ty.element;
        if statements.is_empty() && !has_draw(std::slice::from_ref(&value)) {
            return self.reduce(reducer, own, value, element, span);
        }
        // What each round needs is kept in an array, which is then reduced.
        let known = own.iter().all(|b| {
            b.lower.as_int().is_some_and(|lower| lower >= 1) && b.upper.as_int().is_some()
        });
        if !known {
            return Err(Diagnostic::error(
                "E0415",
                "this reduction needs ends known with the data",
            )
            .at(span, "")
            .help("write it as a function with `var` and `for`")
            .into());
        }
        let indices: Vec<Scalar> = own
            .iter()
            .map(|binder| Scalar::index(binder.index))
            .collect();
        let place = self.store_over(&own, statements, value, element, "temporary", span)?;
        let element_at = super::pull::element(&self.loops.arrays, place.array, indices, span);
        self.reduce(reducer, own, element_at, element, span)
    }

    /// A reduction as a scalar: a number when data alone decide it, else computed once where all it needs exists.
    pub fn reduce(
        &mut self,
        reducer: Reducer,
        binders: Vec<Binder>,
        body: Scalar,
        element: Element,
        span: Span,
    ) -> Outcome<Value> {
        let empty = binders
            .iter()
            .any(|b| matches!((b.lower.as_int(), b.upper.as_int()), (Some(l), Some(u)) if u < l));
        if empty
            && matches!(reducer, Reducer::Maximum | Reducer::Minimum | Reducer::Mean)
            && self.blocks.len() == 1
        {
            return Err(Diagnostic::error(
                "E0416",
                "nothing has no largest, smallest or mean element",
            )
            .at(span, "this is empty")
            .help("check the length with `if`")
            .into());
        }
        let scalar = Scalar(std::rc::Rc::new(Node::Reduce {
            reducer,
            binders,
            body,
        }));
        Ok(Value::Scalar(self.keep(
            reducer.name(),
            scalar,
            element,
            span,
        )?))
    }

    /// A choice between two values; the statements that a branch needs run only when it is taken.
    pub fn choice(
        &mut self,
        condition: Scalar,
        element: Element,
        span: Span,
        then: &mut dyn FnMut(&mut Self) -> Outcome<Value>,
        otherwise: &mut dyn FnMut(&mut Self) -> Outcome<Value>,
    ) -> Outcome<Value> {
        match condition.as_bool() {
            Some(true) => return then(self),
            Some(false) => return otherwise(self),
            None => {}
        }
        let branch = |expander: &mut Self, run: &mut dyn FnMut(&mut Self) -> Outcome<Value>| {
            expander.open(BlockKind::Closed);
            let value = run(expander);
            let statements = expander.close();
            Ok::<_, Failure>((value?, statements))
        };
        let (first, before_first) = branch(self, then)?;
        let (second, before_second) = branch(self, otherwise)?;
        let shape = first.shape().to_vec();
        if shape != second.shape() {
            return Err(
                Diagnostic::error("E0411", "the branches have different shapes")
                    .at(
                        span,
                        format!("{} and {}", sizes(&shape), sizes(second.shape())),
                    )
                    .help("both branches must have one shape")
                    .into(),
            );
        }
        if before_first.is_empty() && before_second.is_empty() {
            if shape.is_empty() {
                return Ok(Value::Scalar(Scalar::choose(
                    condition,
                    first.scalar()?,
                    second.scalar()?,
                )));
            }
            return self.over(&shape, element, span, |expander, indices| {
                let (a, b) = (
                    expander.at(&first, indices, span),
                    expander.at(&second, indices, span),
                );
                Ok(Scalar::choose(condition, a, b))
            });
        }
        let array = self.array_at(
            self.blocks.len() - 1,
            "choice",
            shape.clone(),
            ArrayKind::Var,
            span,
        );
        let store = |expander: &mut Self, value: Value, mut statements: Vec<Statement>| {
            let binders: Vec<Binder> = shape
                .iter()
                .map(|&length| expander.count_binder(length))
                .collect();
            let indices: Vec<Scalar> = binders
                .iter()
                .map(|binder| Scalar::index(binder.index))
                .collect();
            let value = expander.at(&value, &indices, span);
            let mut nest = vec![Statement::Store {
                array,
                indices,
                value,
            }];
            for binder in binders.into_iter().rev() {
                nest = vec![Statement::For { binder, body: nest }];
            }
            statements.extend(nest);
            statements
        };
        let then = store(self, first, before_first);
        let otherwise = store(self, second, before_second);
        self.settle(vec![Statement::If {
            condition,
            then,
            otherwise,
        }])?;
        Ok(self.stored_value(array, element, span))
    }
}
