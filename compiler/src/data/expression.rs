//! Expressions become scalars over loop indices, or arrays that are computed when read (see [`super::pull`]).

use super::expand::{Binding, BlockKind, Expander, Failure, Outcome, has_draw};
use super::loops::{Binder, IndexId, Node, Scalar};
use super::pull::{Body, Pull, Value};
use crate::check::hir::{self, Element, ExpressionKind};
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

impl<'a> Expander<'a> {
    /// The value of an expression.
    pub fn value(&mut self, expression: &'a hir::Expression) -> Outcome<Value> {
        let span = expression.span;
        match &*expression.kind {
            ExpressionKind::Real(value) => Ok(Value::Scalar(Scalar::real(*value))),
            ExpressionKind::Int(value) => Ok(Value::Scalar(Scalar::int(*value))),
            ExpressionKind::Bool(value) => Ok(Value::Scalar(Scalar::bool(*value))),
            ExpressionKind::Label(label) => self.label(label, span),
            ExpressionKind::Variable(id) => self.variable(*id, span),
            ExpressionKind::Operation {
                operation,
                arguments,
            } => {
                let values = self.values(arguments)?;
                let operation = *operation;
                self.lift(
                    &values,
                    arguments,
                    expression.ty.element,
                    span,
                    |expander, scalars| Ok(expander.simplified(operation, scalars)),
                )
            }
            ExpressionKind::Whole {
                function,
                arguments,
            } => self.whole(*function, arguments, expression),
            ExpressionKind::Call {
                function,
                arguments,
                elementwise,
            } => {
                let values = self.values(arguments)?;
                let item = &self.hir.functions[function.0 as usize];
                if !elementwise {
                    return self.call(item, values, span);
                }
                self.lift(
                    &values,
                    arguments,
                    expression.ty.element,
                    span,
                    |expander, scalars| {
                        let values = scalars.into_iter().map(Value::Scalar).collect();
                        expander.call(item, values, span)?.scalar()
                    },
                )
            }
            ExpressionKind::Method {
                call,
                method,
                arguments,
            } => self.method(call, method, &arguments[0], expression),
            ExpressionKind::Index { base, selectors } => self.index_value(base, selectors, span),
            ExpressionKind::Array(items) => self.array_literal(items, expression),
            ExpressionKind::Comprehension { binders, body } => {
                self.comprehension(binders, body, expression)
            }
            ExpressionKind::Reduction {
                reducer,
                binders,
                body,
            } => self.reduction(*reducer, binders, body, span),
            ExpressionKind::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.scalar(condition)?;
                let condition = self.folded(condition, Element::Bool)?;
                self.choice(
                    condition,
                    expression.ty.element,
                    span,
                    &mut |e| e.value(then),
                    &mut |e| e.value(otherwise),
                )
            }
            ExpressionKind::Ode(call) => self.ode(call, span),
            ExpressionKind::Draw { draw, arguments } => {
                let mut scalars = Vec::new();
                for argument in arguments {
                    scalars.push(self.scalar(argument)?);
                }
                let drawn = Scalar(std::rc::Rc::new(Node::Draw {
                    draw: *draw,
                    arguments: scalars,
                }));
                // Kept at once: whoever reads it twice reads one number.
                Ok(Value::Scalar(self.keep(
                    "draw",
                    drawn,
                    Element::Real,
                    span,
                )?))
            }
        }
    }

    /// The values of several expressions.
    pub fn values(&mut self, expressions: &'a [hir::Expression]) -> Outcome<Vec<Value>> {
        expressions
            .iter()
            .map(|expression| self.value(expression))
            .collect()
    }

    /// The value of an expression of rank 0.
    pub fn scalar(&mut self, expression: &'a hir::Expression) -> Outcome<Scalar> {
        self.value(expression)?.scalar()
    }

    /// The value of an array expression.
    pub fn pull(&mut self, expression: &'a hir::Expression) -> Outcome<Pull> {
        match self.value(expression)? {
            Value::Array(pull) => Ok(pull),
            Value::Scalar(_) => Err(Failure::Silent),
        }
    }

    /// An int that data alone decide.
    pub fn int(&mut self, expression: &'a hir::Expression, what: &str) -> Outcome<i64> {
        let scalar = self.scalar(expression)?;
        match self.constant(&scalar)? {
            Some(value) => Ok(value as i64),
            None => Err(Diagnostic::error(
                "E0410",
                format!("{what} must be known when the data are"),
            )
            .at(
                expression.span,
                "this depends on a loop index or on something unknown",
            )
            .help("lengths are fixed once the data are known; use a loop over the elements instead")
            .into()),
        }
    }

    pub(super) fn variable(&mut self, id: hir::VariableId, span: Span) -> Outcome<Value> {
        let frame = self.frames.last().expect("a frame");
        if let Some(array) = frame.stored_vars.get(&id) {
            let array = *array;
            let element = frame.variables[id.0 as usize].ty.element;
            return Ok(self.stored_value(array, element, span));
        }
        match &frame.bindings[id.0 as usize] {
            Some(Binding::Value(value)) => Ok(value.clone()),
            Some(Binding::Poisoned) => Err(Failure::Silent),
            None => {
                let variable = &frame.variables[id.0 as usize];
                Err(Diagnostic::error(
                    "E0405",
                    format!("`{}` is used before it is defined", variable.name),
                )
                .at(span, "used here")
                .at(variable.span, "defined here")
                .help("a model is read top to bottom: move the definition up")
                .into())
            }
        }
    }

    /// A stored array as a value.
    pub fn stored_value(
        &self,
        array: super::loops::ArrayId,
        element: Element,
        span: Span,
    ) -> Value {
        let shape = self.loops.array(array).shape.clone();
        if shape.is_empty() {
            let value = super::pull::element(&self.loops.arrays, array, Vec::new(), span);
            Value::Scalar(if element == Element::Bool {
                super::pull::truth(value)
            } else {
                value
            })
        } else {
            Value::Array(Pull::stored(element, shape, array))
        }
    }

    /// A primitive, with small powers written out.
    pub fn simplified(&self, operation: Operation, arguments: Vec<Scalar>) -> Scalar {
        if operation == Operation::Power
            && let Some(exponent) = arguments[1].as_number()
            && arguments[0].as_number().is_none()
        {
            let base = arguments[0].clone();
            let times = |a: &Scalar, b: &Scalar| {
                Scalar::operation(Operation::Multiply, vec![a.clone(), b.clone()])
            };
            match exponent {
                1.0 => return base,
                2.0 => return times(&base, &base),
                3.0 => return times(&times(&base, &base), &base),
                4.0 => {
                    let square = times(&base, &base);
                    return times(&square, &square);
                }
                0.5 if self.range(&base).is_nonnegative() => {
                    return Scalar::operation(Operation::SquareRoot, vec![base]);
                }
                -1.0 => return Scalar::operation(Operation::Divide, vec![Scalar::real(1.0), base]),
                _ => {}
            }
        }
        Scalar::operation(operation, arguments)
    }

    /// Applies a scalar function over scalars and arrays of one shape.
    pub fn lift(
        &mut self,
        values: &[Value],
        expressions: &'a [hir::Expression],
        element: Element,
        span: Span,
        function: impl FnOnce(&mut Self, Vec<Scalar>) -> Outcome<Scalar>,
    ) -> Outcome<Value> {
        let Some(shape) = self.common_shape(values, expressions, span)? else {
            let scalars = values
                .iter()
                .map(|value| value.clone().scalar())
                .collect::<Outcome<Vec<_>>>()?;
            return Ok(Value::Scalar(function(self, scalars)?));
        };
        self.over(&shape, element, span, |expander, indices| {
            let scalars = values
                .iter()
                .map(|value| expander.at(value, indices, span))
                .collect();
            function(expander, scalars)
        })
    }

    /// An array whose element at placeholder indices is what `body` gives.
    pub fn over(
        &mut self,
        shape: &[usize],
        element: Element,
        span: Span,
        body: impl FnOnce(&mut Self, &[Scalar]) -> Outcome<Scalar>,
    ) -> Outcome<Value> {
        let binders: Vec<Binder> = shape
            .iter()
            .map(|&length| self.count_binder(length))
            .collect();
        let placeholders: Vec<IndexId> = binders.iter().map(|binder| binder.index).collect();
        let indices: Vec<Scalar> = placeholders
            .iter()
            .map(|&index| Scalar::index(index))
            .collect();
        self.open(BlockKind::Over(placeholders.clone()));
        let result = body(self, &indices);
        let statements = self.close();
        let value = result?;
        if statements.is_empty() && !has_draw(std::slice::from_ref(&value)) {
            return Ok(Value::Array(Pull {
                element,
                shape: shape.to_vec(),
                body: Body::Lambda(placeholders, value),
            }));
        }
        let place = self.store_over(&binders, statements, value, element, "temporary", span)?;
        Ok(Value::Array(Pull {
            element,
            shape: shape.to_vec(),
            body: Body::Stored(place),
        }))
    }

    /// A scalar as it is, an array at the given indices.
    pub fn at(&self, value: &Value, indices: &[Scalar], span: Span) -> Scalar {
        match value {
            Value::Scalar(scalar) => scalar.clone(),
            Value::Array(pull) => pull.at(&self.loops.arrays, indices, span),
        }
    }

    /// The shape of the arrays among some values.
    pub fn common_shape(
        &self,
        values: &[Value],
        expressions: &[hir::Expression],
        span: Span,
    ) -> Outcome<Option<Vec<usize>>> {
        let mut first: Option<(usize, &[usize])> = None;
        for (i, value) in values.iter().enumerate() {
            let Value::Array(pull) = value else { continue };
            match first {
                None => first = Some((i, &pull.shape)),
                Some((_, shape)) if shape == pull.shape => {}
                Some((j, shape)) => {
                    let place = |i: usize| {
                        expressions
                            .get(i)
                            .map_or(span, |expression| expression.span)
                    };
                    let mut diagnostic = Diagnostic::error(
                        "E0411",
                        format!(
                            "the shapes differ: {} and {}",
                            sizes(shape),
                            sizes(&pull.shape)
                        ),
                    )
                    .at(place(i), format!("has {}", sizes(&pull.shape)))
                    .at(place(j), format!("has {}", sizes(shape)));
                    diagnostic = self.origins_note(diagnostic, expressions);
                    return Err(diagnostic.help("elementwise arithmetic needs arrays of equal shape; compare the lengths in the data").into());
                }
            }
        }
        Ok(first.map(|(_, shape)| shape.to_vec()))
    }

    /// Says where the data that expressions mention come from.
    pub fn origins_note(
        &self,
        mut diagnostic: Diagnostic,
        expressions: &[hir::Expression],
    ) -> Diagnostic {
        let frame = self.frames.last().expect("a frame");
        let mut said = std::collections::HashSet::new();
        for expression in expressions {
            expression.variables(0, &mut |id, _| {
                let name = &frame.variables[id.0 as usize].name;
                if let Some(origin) = self.bound.origin(name)
                    && said.insert(name.clone())
                {
                    let shape = self
                        .arrays_of
                        .get(&id)
                        .map(|array| sizes(&self.loops.array(*array).shape));
                    let length = shape
                        .map(|shape| format!(" with {shape}"))
                        .unwrap_or_default();
                    diagnostic = diagnostic
                        .clone()
                        .note(format!("`{name}` comes from {origin}{length}"));
                }
            });
        }
        diagnostic
    }
}

impl Value {
    /// The scalar that it is.
    pub fn scalar(self) -> Outcome<Scalar> {
        match self {
            Value::Scalar(scalar) => Ok(scalar),
            Value::Array(_) => Err(Failure::Silent),
        }
    }
}

/// A shape in words.
pub fn sizes(shape: &[usize]) -> String {
    match shape {
        [] => "one number".into(),
        [1] => "1 element".into(),
        [n] => format!("{n} elements"),
        [rows, columns] => format!("{rows} × {columns} elements"),
        more => format!("{more:?} elements"),
    }
}
