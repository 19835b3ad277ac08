//! Primitives on whole arrays. Dense algebra works on stored places and goes to the outermost block where its inputs
//! exist; the rest is written with elements and reductions.

use super::expand::{BlockKind, Expander, Outcome};
use super::expression::sizes;
use super::loops::{Binder, DenseKind, Place, Scalar, Statement};
use super::pull::{Body, Pull, Value};
use crate::check::hir::{self, Element, Reducer, Whole};
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

impl<'a> Expander<'a> {
    /// A primitive on whole arrays.
    pub fn whole(
        &mut self,
        function: Whole,
        arguments: &'a [hir::Expression],
        expression: &'a hir::Expression,
    ) -> Outcome<Value> {
        let span = expression.span;
        match function {
            Whole::Reduce(reducer) => self.reduce_whole(reducer, arguments, span),
            Whole::MatrixMultiply => self.product(arguments, span),
            Whole::Transpose => {
                let pull = self.pull(&arguments[0])?;
                let shape = vec![pull.shape[1], pull.shape[0]];
                self.over(&shape, Element::Real, span, |expander, at| {
                    Ok(pull.at(
                        &expander.loops.arrays,
                        &[at[1].clone(), at[0].clone()],
                        span,
                    ))
                })
            }
            Whole::Cholesky => {
                let pull = self.square(&arguments[0])?;
                let size = pull.shape[0];
                let input = self.place(&pull, "covariance", span)?;
                self.dense(
                    DenseKind::Cholesky { size },
                    vec![input],
                    vec![size, size],
                    "cholesky",
                    span,
                )
            }
            Whole::SolveLower | Whole::SolveLowerTransposed => {
                self.solve(function, arguments, span)
            }
            Whole::MultiNormal => self.multi_normal(arguments, span),
            Whole::Length | Whole::Rows => {
                let pull = self.pull(&arguments[0])?;
                Ok(Value::Scalar(Scalar::int(pull.shape[0] as i64)))
            }
            Whole::Columns => {
                let pull = self.pull(&arguments[0])?;
                Ok(Value::Scalar(Scalar::int(pull.shape[1] as i64)))
            }
            Whole::Diagonal => {
                let pull = self.square(&arguments[0])?;
                self.over(&[pull.shape[0]], Element::Real, span, |expander, at| {
                    Ok(pull.at(
                        &expander.loops.arrays,
                        &[at[0].clone(), at[0].clone()],
                        span,
                    ))
                })
            }
            Whole::DiagonalMatrix => {
                let pull = self.pull(&arguments[0])?;
                let size = pull.shape[0];
                self.over(&[size, size], Element::Real, span, |expander, at| {
                    let value = pull.at(&expander.loops.arrays, &at[..1], span);
                    Ok(Scalar::choose(equal(at), value, Scalar::real(0.0)))
                })
            }
            Whole::Identity => {
                let size = self.size(&arguments[0])?;
                self.over(&[size, size], Element::Real, span, |_, at| {
                    Ok(Scalar::choose(
                        equal(at),
                        Scalar::real(1.0),
                        Scalar::real(0.0),
                    ))
                })
            }
            Whole::Zeros | Whole::Ones => {
                let mut shape = Vec::new();
                for argument in arguments {
                    shape.push(self.size(argument)?);
                }
                let value = if function == Whole::Zeros { 0.0 } else { 1.0 };
                self.over(&shape, Element::Real, span, |_, _| Ok(Scalar::real(value)))
            }
            Whole::Concatenate => self.concatenate(arguments, span),
            Whole::CumulativeSum => self.cumulative_sum(arguments, span),
            Whole::Levels => self.levels_of(&arguments[0]),
            Whole::Variance | Whole::StandardDeviation => self.variance(function, arguments, span),
            _ => self.algebra(function, arguments, span),
        }
    }

    pub(super) fn size(&mut self, argument: &'a hir::Expression) -> Outcome<usize> {
        let size = self.int(argument, "a size")?;
        usize::try_from(size)
            .ok()
            .filter(|&size| size <= 1 << 28)
            .ok_or_else(|| {
                Diagnostic::error("E0417", format!("{size} is not a size"))
                    .at(argument.span, "")
                    .help("sizes are 0 or more")
                    .into()
            })
    }

    pub(super) fn square(&mut self, argument: &'a hir::Expression) -> Outcome<Pull> {
        let pull = self.pull(argument)?;
        if pull.shape[0] != pull.shape[1] {
            let diagnostic = Diagnostic::error("E0418", "this matrix must be square")
                .at(argument.span, sizes(&pull.shape));
            let diagnostic = self.origins_note(diagnostic, std::slice::from_ref(argument));
            return Err(diagnostic.help("give it as many rows as columns").into());
        }
        Ok(pull)
    }

    fn reduce_whole(
        &mut self,
        reducer: Reducer,
        arguments: &'a [hir::Expression],
        span: Span,
    ) -> Outcome<Value> {
        let argument = self.pull(&arguments[0])?;
        self.reduce_pull(reducer, &argument, span)
    }

    /// Binders over the elements of an array, and the element they point to.
    pub fn each_element(&mut self, pull: &Pull, span: Span) -> (Vec<Binder>, Scalar) {
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
        (binders, element)
    }

    /// One number of all elements of an array.
    pub fn reduce_pull(&mut self, reducer: Reducer, pull: &Pull, span: Span) -> Outcome<Value> {
        let (binders, body) = self.each_element(pull, span);
        self.reduce(reducer, binders, body, pull.element, span)
    }

    /// Dense algebra into a new array.
    pub(super) fn dense(
        &mut self,
        operation: DenseKind,
        inputs: Vec<Place>,
        shape: Vec<usize>,
        name: &str,
        span: Span,
    ) -> Outcome<Value> {
        let level = self.level_of(&[], &inputs);
        let place = self.local(level, name, &shape, span);
        let statement = Statement::Dense {
            operation,
            inputs,
            output: place.clone(),
        };
        let straight = self.blocks[..=level]
            .iter()
            .all(|block| block.kind == BlockKind::Straight);
        if straight
            && super::fold::depends_on_data_alone(
                &self.loops.arrays,
                std::slice::from_ref(&statement),
            )
        {
            self.interpret(std::slice::from_ref(&statement))?;
        } else {
            self.emit_at(level, statement);
        }
        Ok(Value::Array(Pull {
            element: Element::Real,
            shape,
            body: Body::Stored(place),
        }))
    }

    fn product(&mut self, arguments: &'a [hir::Expression], span: Span) -> Outcome<Value> {
        let (a, b) = (self.pull(&arguments[0])?, self.pull(&arguments[1])?);
        let inner = *a.shape.last().expect("an array");
        if inner != b.shape[0] {
            let diagnostic = Diagnostic::error("E0419", "the inner sizes of this product differ")
                .at(arguments[0].span, sizes(&a.shape))
                .at(arguments[1].span, sizes(&b.shape));
            let diagnostic = self.origins_note(diagnostic, arguments);
            return Err(diagnostic
                .help("the last size on the left must be the first on the right")
                .into());
        }
        if a.rank() == 1 && b.rank() == 1 {
            let binder = self.count_binder(inner);
            let at = [Scalar::index(binder.index)];
            let left = a.at(&self.loops.arrays, &at, span);
            let right = b.at(&self.loops.arrays, &at, span);
            let body = Scalar::operation(Operation::Multiply, vec![left, right]);
            return self.reduce(Reducer::Sum, vec![binder], body, Element::Real, span);
        }
        let rows = if a.rank() == 2 { a.shape[0] } else { 1 };
        let columns = if b.rank() == 2 { b.shape[1] } else { 1 };
        let mut shape = a.shape[..a.rank() - 1].to_vec();
        shape.extend(&b.shape[1..]);
        let left = self.real_place(&a, "left", span)?;
        let right = self.real_place(&b, "right", span)?;
        self.dense(
            DenseKind::Product {
                rows,
                inner,
                columns,
            },
            vec![left, right],
            shape,
            "product",
            span,
        )
    }

    /// A place of reals.
    fn real_place(&mut self, pull: &Pull, name: &str, span: Span) -> Outcome<Place> {
        let place = self.place(pull, name, span)?;
        debug_assert!(pull.element == Element::Real);
        Ok(place)
    }

    fn solve(
        &mut self,
        function: Whole,
        arguments: &'a [hir::Expression],
        span: Span,
    ) -> Outcome<Value> {
        let factor = self.square(&arguments[0])?;
        let right = self.pull(&arguments[1])?;
        let size = factor.shape[0];
        if right.shape[0] != size {
            return Err(
                Diagnostic::error("E0419", "the sizes of this system differ")
                    .at(arguments[0].span, sizes(&factor.shape))
                    .at(arguments[1].span, sizes(&right.shape))
                    .help("the right-hand side has as many rows as the matrix")
                    .into(),
            );
        }
        let columns = if right.rank() == 2 { right.shape[1] } else { 1 };
        let inputs = vec![
            self.real_place(&factor, "factor", span)?,
            self.real_place(&right, "right", span)?,
        ];
        let operation = match function {
            Whole::SolveLower => DenseKind::SolveLower { size, columns },
            _ => DenseKind::SolveLowerTransposed { size, columns },
        };
        self.dense(operation, inputs, right.shape.clone(), "solution", span)
    }

    fn multi_normal(&mut self, arguments: &'a [hir::Expression], span: Span) -> Outcome<Value> {
        let residual = self.pull(&arguments[0])?;
        let covariance = self.square(&arguments[1])?;
        let size = residual.shape[0];
        if covariance.shape[0] != size {
            return Err(Diagnostic::error(
                "E0419",
                "the vector and its covariance have different sizes",
            )
            .at(arguments[0].span, sizes(&residual.shape))
            .at(arguments[1].span, sizes(&covariance.shape))
            .help("the covariance of K numbers is a K × K matrix")
            .into());
        }
        let inputs = vec![
            self.real_place(&residual, "residual", span)?,
            self.real_place(&covariance, "covariance", span)?,
        ];
        let value = self.dense(
            DenseKind::MultiNormal { size },
            inputs,
            vec![1 + size + size * size],
            "multi_normal",
            span,
        )?;
        let Value::Array(pull) = value else {
            unreachable!("dense gives an array")
        };
        Ok(Value::Scalar(pull.at(
            &self.loops.arrays,
            &[Scalar::int(1)],
            span,
        )))
    }

    fn concatenate(&mut self, arguments: &'a [hir::Expression], span: Span) -> Outcome<Value> {
        let values = self.values(arguments)?;
        let length: usize = values
            .iter()
            .map(|value| value.shape().first().copied().unwrap_or(1))
            .sum();
        let level = self.blocks.len() - 1;
        let place = self.local(level, "concatenated", &[length], span);
        let array = place.array;
        let indices_of = |own: Scalar| place.prefix.iter().cloned().chain([own]).collect();
        let mut statements = Vec::new();
        let mut before = 0;
        for value in &values {
            match value {
                Value::Scalar(scalar) => {
                    let indices = indices_of(Scalar::int(before + 1));
                    statements.push(Statement::Store {
                        array,
                        indices,
                        value: scalar.clone(),
                    });
                    before += 1;
                }
                Value::Array(pull) => {
                    let binder = self.count_binder(pull.shape[0]);
                    let at = Scalar::index(binder.index);
                    let value = pull.at(&self.loops.arrays, std::slice::from_ref(&at), span);
                    let indices = indices_of(Scalar::operation(
                        Operation::IntAdd,
                        vec![Scalar::int(before), at],
                    ));
                    statements.push(Statement::For {
                        binder,
                        body: vec![Statement::Store {
                            array,
                            indices,
                            value,
                        }],
                    });
                    before += pull.shape[0] as i64;
                }
            }
        }
        self.settle(statements)?;
        Ok(Value::Array(Pull {
            element: Element::Real,
            shape: vec![length],
            body: Body::Stored(place),
        }))
    }

    fn cumulative_sum(&mut self, arguments: &'a [hir::Expression], span: Span) -> Outcome<Value> {
        let pull = self.pull(&arguments[0])?;
        let length = pull.shape[0];
        let place = self.local(self.blocks.len() - 1, "cumulated", &[length], span);
        let array = place.array;
        let indices_of =
            |own: Scalar| -> Vec<Scalar> { place.prefix.iter().cloned().chain([own]).collect() };
        let mut statements = Vec::new();
        if length > 0 {
            let one = Scalar::int(1);
            let value = pull.at(&self.loops.arrays, std::slice::from_ref(&one), span);
            statements.push(Statement::Store {
                array,
                indices: indices_of(one),
                value,
            });
        }
        let index = self.index("i", Scalar::int(2), Scalar::int(length as i64));
        let binder = Binder {
            index,
            lower: Scalar::int(2),
            upper: Scalar::int(length as i64),
        };
        let at = Scalar::index(index);
        let before = Scalar::operation(Operation::IntSubtract, vec![at.clone(), Scalar::int(1)]);
        let sum = super::pull::element(&self.loops.arrays, array, indices_of(before), span);
        let value = Scalar::operation(
            Operation::Add,
            vec![
                sum,
                pull.at(&self.loops.arrays, std::slice::from_ref(&at), span),
            ],
        );
        statements.push(Statement::For {
            binder,
            body: vec![Statement::Store {
                array,
                indices: indices_of(at),
                value,
            }],
        });
        self.settle(statements)?;
        Ok(Value::Array(Pull {
            element: Element::Real,
            shape: vec![length],
            body: Body::Stored(place),
        }))
    }

    fn levels_of(&mut self, argument: &'a hir::Expression) -> Outcome<Value> {
        let pull = self.pull(argument)?;
        let levels = match &pull.body {
            Body::Stored(place) => self.levels.get(&place.array).copied(),
            Body::Lambda(..) => None,
        };
        match levels {
            Some(levels) => Ok(Value::Scalar(Scalar::int(levels as i64))),
            None => Err(
                Diagnostic::error("E0422", "`levels` counts the categories of a `factor`")
                    .at(argument.span, "this is none")
                    .help("declare it as `given f: factor[N]`")
                    .into(),
            ),
        }
    }

    fn variance(
        &mut self,
        function: Whole,
        arguments: &'a [hir::Expression],
        span: Span,
    ) -> Outcome<Value> {
        let pull = self.pull(&arguments[0])?;
        let mean = self.reduce_pull(Reducer::Mean, &pull, span)?.scalar()?;
        let binders: Vec<Binder> = pull
            .shape
            .iter()
            .map(|&length| self.count_binder(length))
            .collect();
        let at: Vec<Scalar> = binders
            .iter()
            .map(|binder| Scalar::index(binder.index))
            .collect();
        let value = pull.at(&self.loops.arrays, &at, span);
        let difference = Scalar::operation(Operation::Subtract, vec![value, mean]);
        let square = Scalar::operation(Operation::Multiply, vec![difference.clone(), difference]);
        let sum = self
            .reduce(Reducer::Sum, binders, square, Element::Real, span)?
            .scalar()?;
        let count = Scalar::real(pull.length() as f64 - 1.0);
        let mut result = Scalar::operation(Operation::Divide, vec![sum, count]);
        if function == Whole::StandardDeviation {
            result = Scalar::operation(Operation::SquareRoot, vec![result]);
        }
        Ok(Value::Scalar(self.keep(
            "variance",
            result,
            Element::Real,
            span,
        )?))
    }
}

fn equal(at: &[Scalar]) -> Scalar {
    Scalar::operation(Operation::IntEqual, vec![at[0].clone(), at[1].clone()])
}
