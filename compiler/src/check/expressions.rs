//! Typing of expressions. Arithmetic is elementwise between equal shapes and between a scalar and an array; ints become
//! reals where a real is needed, and the conversion is written out.

use super::hir::{
    Binder, Element, Expression, ExpressionKind, Reducer, Selector, Size, Type, VariableKind, Whole,
};
use super::{Checked, Checker};
use crate::ast::tree;
use crate::source::{Diagnostic, Span};

pub(super) fn make(span: Span, ty: Type, kind: ExpressionKind) -> Expression {
    Expression {
        span,
        ty,
        kind: Box::new(kind),
    }
}

impl Checker<'_> {
    /// Types an expression.
    pub(super) fn expression(&mut self, expression: &tree::Expression) -> Checked<Expression> {
        use tree::ExpressionKind as Tree;
        let span = expression.span;
        match &*expression.kind {
            Tree::Real(value) => Ok(make(span, Type::REAL, ExpressionKind::Real(*value))),
            Tree::Integer(value) => Ok(make(span, Type::INT, ExpressionKind::Int(*value))),
            Tree::Boolean(value) => Ok(make(span, Type::BOOL, ExpressionKind::Bool(*value))),
            Tree::Label(label) => Ok(make(span, Type::INT, ExpressionKind::Label(label.clone()))),
            Tree::Name(name) => self.name(name, span),
            Tree::Unary { operator, operand } => self.unary(*operator, operand, span),
            Tree::Binary {
                operator,
                left,
                right,
            } => self.binary(*operator, left, right, span),
            Tree::Call {
                function,
                arguments,
            } => self.call(function, arguments, span),
            Tree::Method {
                distribution,
                method,
                arguments,
            } => self.method(distribution, method, arguments, span),
            Tree::Index { base, selectors } => self.index(base, selectors, span),
            Tree::Transpose { operand } => {
                let operand = self.expression(operand)?;
                if operand.ty.rank() != 2 {
                    let help = if operand.ty.rank() == 1 {
                        "an array of rank 1 serves as row and column; `a @ b` is the dot product"
                    } else {
                        "only a matrix has a transpose"
                    };
                    return self.wrong_type("`'` transposes a matrix", &operand, help);
                }
                let mut ty = operand.ty.clone();
                ty.sizes.reverse();
                Ok(make(
                    span,
                    ty,
                    ExpressionKind::Whole {
                        function: Whole::Transpose,
                        arguments: vec![operand],
                    },
                ))
            }
            Tree::Array(items) => self.array(items, span),
            Tree::Comprehension { body, binders } => self.block(|checker| {
                let binders = checker.binders(binders)?;
                let body = checker.expression(body)?;
                let mut sizes = checker.binder_sizes(&binders);
                sizes.extend(body.ty.sizes.iter().cloned());
                let ty = Type {
                    element: body.ty.element,
                    sizes,
                };
                Ok(make(
                    span,
                    ty,
                    ExpressionKind::Comprehension { binders, body },
                ))
            }),
            Tree::Reduction {
                function,
                body,
                binders,
            } => {
                let Some(reducer) = reducer(&function.text) else {
                    return self.say(
                        Diagnostic::error("E0220", format!("`{}` does not take `for`", function.text))
                            .at(function.span, "")
                            .help("`sum`, `prod`, `max`, `min`, `mean` and `logsumexp` do, as in `sum(e for i in 1..N)`; `[e for i in 1..N]` is an array"),
                    );
                };
                self.block(|checker| {
                    let binders = checker.binders(binders)?;
                    let body = checker.expression(body)?;
                    let body = checker.reducible(reducer, body)?;
                    if body.ty.rank() > 0 {
                        return checker.wrong_type(
                            "a reduction with `for` takes one number for each index",
                            &body,
                            "index it further, or reduce it first, as in `sum(sum(X[i]) for i in 1..N)`",
                        );
                    }
                    let ty = Type::scalar(body.ty.element);
                    Ok(make(span, ty, ExpressionKind::Reduction { reducer, binders, body }))
                })
            }
            Tree::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.condition(condition)?;
                let then = self.expression(then);
                let otherwise = self.expression(otherwise)?;
                let mut branches = self.unify(vec![then?, otherwise], "the branches of `if`")?;
                let (otherwise, then) =
                    (branches.pop().expect("two"), branches.pop().expect("two"));
                let ty = then.ty.clone();
                Ok(make(
                    span,
                    ty,
                    ExpressionKind::If {
                        condition,
                        then,
                        otherwise,
                    },
                ))
            }
            Tree::Tuple(_) => self.say(
                Diagnostic::error(
                    "E0221",
                    "several values in parentheses are what a function returns",
                )
                .at(span, "one value is needed here")
                .help("write an array `[a, b]`"),
            ),
            Tree::Constraint(constraint) => self.misplaced_constraint(constraint, span),
            Tree::Error => Err(super::Said),
        }
    }

    fn name(&mut self, name: &str, span: Span) -> Checked<Expression> {
        if self.scope.find(name).is_none() {
            match name {
                "inf" => return Ok(make(span, Type::REAL, ExpressionKind::Real(f64::INFINITY))),
                "pi" => {
                    return Ok(make(
                        span,
                        Type::REAL,
                        ExpressionKind::Real(std::f64::consts::PI),
                    ));
                }
                _ => {}
            }
        }
        let id = self.resolve(name, span)?;
        let ty = self.scope.variables[id.0 as usize].ty.clone();
        let whole = make(span, ty, ExpressionKind::Variable(id));
        let Some(instance) = &self.scope.instance else {
            return Ok(whole);
        };
        if let Some(value) = instance.values.get(&id) {
            return Ok(Expression {
                span,
                ..value.clone()
            });
        }
        if !instance.plated.contains(&id) {
            return Ok(whole);
        }
        let selectors = instance.plate.iter().cloned().map(Selector::At).collect();
        let ty = Type {
            element: whole.ty.element,
            sizes: whole.ty.sizes[instance.plate.len()..].to_vec(),
        };
        Ok(make(
            span,
            ty,
            ExpressionKind::Index {
                base: whole,
                selectors,
            },
        ))
    }

    fn array(&mut self, items: &[tree::Expression], span: Span) -> Checked<Expression> {
        let mut checked = Vec::new();
        let mut failed = false;
        for item in items {
            match self.expression(item) {
                Ok(item) => checked.push(item),
                Err(_) => failed = true,
            }
        }
        if failed {
            return Err(super::Said);
        }
        let checked = self.unify(checked, "the elements of an array")?;
        let (element, inner) = match checked.first() {
            Some(first) => (first.ty.element, first.ty.sizes.clone()),
            None => (Element::Real, Vec::new()),
        };
        let mut sizes = vec![Size::Known(checked.len() as i64)];
        sizes.extend(inner);
        Ok(make(
            span,
            Type { element, sizes },
            ExpressionKind::Array(checked),
        ))
    }

    /// Brings expressions to one element type and shape.
    fn unify(&mut self, items: Vec<Expression>, what: &str) -> Checked<Vec<Expression>> {
        let Some(first) = items.first().cloned() else {
            return Ok(items);
        };
        let any_real = items.iter().any(|item| item.ty.element == Element::Real);
        let items: Vec<Expression> = if any_real {
            items.into_iter().map(Expression::to_real).collect()
        } else {
            items
        };
        for item in &items {
            let shape_differs = item.ty.rank() != first.ty.rank()
                || item
                    .ty
                    .sizes
                    .iter()
                    .zip(&first.ty.sizes)
                    .any(|(a, b)| a.differs(b));
            if item.ty.element != items[0].ty.element || shape_differs {
                let (a, b) = (
                    first.ty.show(&self.scope.variables),
                    item.ty.show(&self.scope.variables),
                );
                return self.say(
                    Diagnostic::error("E0312", format!("{what} must be of one type"))
                        .at(item.span, b)
                        .at(first.span, a)
                        .help("give all of them the same shape"),
                );
            }
        }
        Ok(items)
    }

    /// Checks binders and opens their names in the current block.
    pub(super) fn binders(&mut self, binders: &[tree::Binder]) -> Checked<Vec<Binder>> {
        let mut checked = Vec::new();
        for binder in binders {
            let (lower, upper) = self.range(&binder.range)?;
            self.unhidden(&binder.name)?;
            let variable = self.scope.add(
                &binder.name.text,
                binder.name.span,
                VariableKind::Index,
                Type::INT,
            );
            checked.push(Binder {
                variable,
                lower,
                upper,
            });
        }
        Ok(checked)
    }

    fn binder_sizes(&self, binders: &[Binder]) -> Vec<Size> {
        binders
            .iter()
            .map(|b| Size::of_range(&b.lower, &b.upper, &self.scope.variables))
            .collect()
    }

    /// Both ends of a range.
    pub(super) fn range(&mut self, range: &tree::Range) -> Checked<(Expression, Expression)> {
        let lower = self.size_expression(&range.lower);
        let upper = self.size_expression(&range.upper)?;
        Ok((lower?, upper))
    }

    pub(super) fn condition(&mut self, condition: &tree::Expression) -> Checked<Expression> {
        let value = self.expression(condition)?;
        if value.ty != Type::BOOL {
            return self.wrong_type(
                "a condition is one truth",
                &value,
                "compare it, as in `x > 0`",
            );
        }
        Ok(value)
    }

    fn index(
        &mut self,
        base: &tree::Expression,
        selectors: &[tree::Selector],
        span: Span,
    ) -> Checked<Expression> {
        let base = self.expression(base)?;
        if selectors.len() > base.ty.rank() {
            if base.ty.rank() == 0 {
                return self.say(
                    Diagnostic::error("E0313", "one number has no elements")
                        .at(span, "this is indexed")
                        .at(base.span, base.ty.show(&self.scope.variables))
                        .help("leave out the index, or define an array: `x[1..N] ~ …`"),
                );
            }
            let what = match base.ty.rank() {
                0 => "this is one number and has no elements".to_string(),
                rank => format!(
                    "this has {rank} index position{}",
                    if rank == 1 { "" } else { "s" }
                ),
            };
            return self.say(
                Diagnostic::error(
                    "E0313",
                    format!("{} indices are too many here", selectors.len()),
                )
                .at(span, what)
                .at(base.span, base.ty.show(&self.scope.variables))
                .help("give one index for each position, or fewer for a row"),
            );
        }
        let mut sizes = Vec::new();
        let mut checked = Vec::new();
        for (position, selector) in selectors.iter().enumerate() {
            let size = base.ty.sizes[position].clone();
            match selector {
                tree::Selector::All => {
                    sizes.push(size);
                    checked.push(Selector::All);
                }
                tree::Selector::Range(range) => {
                    let (lower, upper) = self.range(range)?;
                    sizes.push(Size::of_range(&lower, &upper, &self.scope.variables));
                    checked.push(Selector::Range(lower, upper));
                }
                tree::Selector::At(at) => {
                    let at = self.wanting(true, at)?;
                    if at.ty.element != Element::Int || at.ty.rank() > 1 {
                        return self.wrong_type(
                            "an index is an int or an int array of rank 1",
                            &at,
                            "indices count from 1",
                        );
                    }
                    if let (Size::Known(length), ExpressionKind::Int(index)) = (&size, &*at.kind)
                        && (*index < 1 || index > length)
                    {
                        return self.say(
                            Diagnostic::error(
                                "E0314",
                                format!("index {index} is outside 1..{length}"),
                            )
                            .at(at.span, "")
                            .help("indices begin at 1 and end at the length"),
                        );
                    }
                    sizes.extend(at.ty.sizes.first().cloned());
                    checked.push(Selector::At(at));
                }
            }
        }
        sizes.extend(base.ty.sizes[selectors.len()..].iter().cloned());
        let ty = Type {
            element: base.ty.element,
            sizes,
        };
        Ok(make(
            span,
            ty,
            ExpressionKind::Index {
                base,
                selectors: checked,
            },
        ))
    }

    /// An operand of a reduction: a number, for means and log sums a real.
    pub(super) fn reducible(&mut self, reducer: Reducer, value: Expression) -> Checked<Expression> {
        if value.ty.element == Element::Bool {
            return self.wrong_type(
                "a reduction needs numbers",
                &value,
                "`indicator(c)` is 1 or 0: `sum(indicator(c) for …)` counts",
            );
        }
        Ok(if matches!(reducer, Reducer::Mean | Reducer::LogSumExp) {
            value.to_real()
        } else {
            value
        })
    }

    /// An error about the type of a value.
    pub(super) fn wrong_type<T>(
        &mut self,
        what: &str,
        value: &Expression,
        help: &str,
    ) -> Checked<T> {
        let found = value.ty.show(&self.scope.variables);
        self.say(
            Diagnostic::error("E0310", what)
                .at(value.span, format!("this is {found}"))
                .help(help),
        )
    }

    pub(super) fn expect_numbers(&mut self, value: &Expression, what: &str) -> Checked<()> {
        if value.ty.element == Element::Bool {
            return self.wrong_type(
                &format!("{what} must be a number"),
                value,
                "`indicator(c)` is 1 or 0",
            );
        }
        Ok(())
    }

    /// Scalars go with any shape; arrays must have one shape.
    pub(super) fn same_shape(
        &mut self,
        values: &[&Expression],
        span: Span,
        hint: &str,
    ) -> Checked<()> {
        let Some(first) = values.iter().find(|value| value.ty.rank() > 0) else {
            return Ok(());
        };
        for value in values {
            if value.ty.rank() == 0 {
                continue;
            }
            let differs = value.ty.rank() != first.ty.rank()
                || value
                    .ty
                    .sizes
                    .iter()
                    .zip(&first.ty.sizes)
                    .any(|(a, b)| a.differs(b));
            if differs {
                let (a, b) = (
                    first.ty.show(&self.scope.variables),
                    value.ty.show(&self.scope.variables),
                );
                let mut diagnostic =
                    Diagnostic::error("E0315", format!("the shapes differ: {a} and {b}"))
                        .at(span, "")
                        .at(first.span, a)
                        .at(value.span, b);
                diagnostic = diagnostic.help(format!(
                    "{hint}elementwise arithmetic needs equal shapes, or a scalar and an array; nothing else is broadcast"
                ));
                return self.say(diagnostic);
            }
        }
        Ok(())
    }

    /// Brings a value to a wanted type: ints become reals.
    pub(super) fn convert(
        &mut self,
        value: Expression,
        wanted: &Type,
        what: &str,
    ) -> Checked<Expression> {
        let value = if wanted.element == Element::Real {
            value.to_real()
        } else {
            value
        };
        if value.ty.element != wanted.element || value.ty.rank() != wanted.rank() {
            let expected = wanted.show(&self.scope.variables);
            let help = match (value.ty.element, wanted.element) {
                (Element::Real, Element::Int) => {
                    "a real is not an int; whole numbers are written without a point, `div(a, b)` divides ints"
                }
                (Element::Bool, _) => "`indicator(c)` is 1 or 0",
                _ => "index, reduce or repeat it to the wanted shape",
            };
            return self.wrong_type(&format!("{what} must be {expected}"), &value, help);
        }
        Ok(value)
    }
}

/// The shape of elementwise arguments: that of the arrays among them.
pub(super) fn common_sizes(arguments: &[Expression]) -> Vec<Size> {
    let arrays = || arguments.iter().filter(|argument| argument.ty.rank() > 0);
    let Some(first) = arrays().next() else {
        return Vec::new();
    };
    let mut sizes = first.ty.sizes.clone();
    for argument in arrays() {
        for (size, other) in sizes.iter_mut().zip(&argument.ty.sizes) {
            if *size == Size::Unknown {
                *size = other.clone();
            }
        }
    }
    sizes
}

/// The reductions by their names.
pub(super) fn reducer(name: &str) -> Option<Reducer> {
    Some(match name {
        "sum" => Reducer::Sum,
        "prod" => Reducer::Product,
        "max" => Reducer::Maximum,
        "min" => Reducer::Minimum,
        "logsumexp" => Reducer::LogSumExp,
        "mean" => Reducer::Mean,
        _ => return None,
    })
}
