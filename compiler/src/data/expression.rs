//! Expressions become scalars over loop indices, or arrays that are computed when read (see [`super::pull`]).

use super::expand::{Binding, BlockKind, Expander, Failure, Outcome, has_draw};
use super::loops::{ArrayKind, Binder, IndexId, Node, Scalar, Statement};
use super::pull::{Body, Pull, Value};
use crate::check::hir::{self, Element, ExpressionKind, Reducer, Selector};
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
            ExpressionKind::Draw { draw, arguments } => {
                let mut scalars = Vec::new();
                for argument in arguments {
                    scalars.push(self.scalar(argument)?);
                }
                Ok(Value::Scalar(Scalar(std::rc::Rc::new(Node::Draw {
                    draw: *draw,
                    arguments: scalars,
                }))))
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

    fn variable(&mut self, id: hir::VariableId, span: Span) -> Outcome<Value> {
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
            Value::Scalar(super::pull::element(
                &self.loops.arrays,
                array,
                Vec::new(),
                span,
            ))
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

    fn index_value(
        &mut self,
        base: &'a hir::Expression,
        selectors: &'a [Selector],
        span: Span,
    ) -> Outcome<Value> {
        let mut pull = self.pull(base)?;
        let mut shape = Vec::new();
        let mut places: Vec<Result<Scalar, (IndexId, Scalar)>> = Vec::new();
        for position in 0..pull.rank() {
            let length = pull.shape[position];
            match selectors.get(position).unwrap_or(&Selector::All) {
                Selector::All => {
                    let binder = self.count_binder(length);
                    shape.push(length);
                    places.push(Err((binder.index, Scalar::index(binder.index))));
                }
                Selector::Range(lower, upper) => {
                    let (low, high) = (self.scalar(lower)?, self.scalar(upper)?);
                    let (low, count) = self.slice(low, high, lower, upper, length)?;
                    let binder = self.count_binder(count);
                    shape.push(count);
                    let before =
                        Scalar::operation(Operation::IntSubtract, vec![low, Scalar::int(1)]);
                    let at = Scalar::operation(
                        Operation::IntAdd,
                        vec![before, Scalar::index(binder.index)],
                    );
                    places.push(Err((binder.index, at)));
                }
                Selector::At(at) => match self.value(at)? {
                    Value::Scalar(index) => {
                        self.check_index(&index, length, base, at.span)?;
                        places.push(Ok(index));
                    }
                    Value::Array(indices) => {
                        let binder = self.count_binder(indices.length());
                        shape.push(indices.length());
                        let index =
                            indices.at(&self.loops.arrays, &[Scalar::index(binder.index)], at.span);
                        places.push(Err((binder.index, index)));
                    }
                },
            }
        }
        // An index that is not certainly in range is checked on stored elements.
        if matches!(pull.body, Body::Lambda(..)) {
            for (place, &length) in places.iter().zip(&pull.shape) {
                let (Ok(index) | Err((_, index))) = place;
                let range = self.range(index);
                if range.low < 1.0 || range.high > length as f64 {
                    let place = self.place(&pull, "temporary", span)?;
                    pull.body = Body::Stored(place);
                    break;
                }
            }
        }
        let indices: Vec<Scalar> = places
            .iter()
            .map(|(Ok(i) | Err((_, i)))| i.clone())
            .collect();
        if shape.is_empty() {
            return Ok(Value::Scalar(pull.at(&self.loops.arrays, &indices, span)));
        }
        if let Body::Stored(place) = &pull.body {
            let lead = places.iter().take_while(|place| place.is_ok()).count();
            let rest_whole = places[lead..].iter().enumerate().all(|(k, place)| {
                matches!(place, Err((index, at)) if matches!(&*at.0, Node::Index(other) if other == index) && shape[k] == pull.shape[lead + k])
            });
            if rest_whole
                && selectors
                    .iter()
                    .all(|selector| !matches!(selector, Selector::Range(..)))
            {
                let mut place = place.clone();
                place.prefix.extend(indices[..lead].iter().cloned());
                return Ok(Value::Array(Pull {
                    element: pull.element,
                    shape,
                    body: Body::Stored(place),
                }));
            }
        }
        let placeholders = places
            .iter()
            .filter_map(|place| place.as_ref().err().map(|(index, _)| *index))
            .collect();
        let body = pull.at(&self.loops.arrays, &indices, span);
        Ok(Value::Array(Pull {
            element: pull.element,
            shape,
            body: Body::Lambda(placeholders, body),
        }))
    }

    /// First index and length of a slice.
    fn slice(
        &mut self,
        low: Scalar,
        high: Scalar,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
        length: usize,
    ) -> Outcome<(Scalar, usize)> {
        let difference = Scalar::operation(Operation::IntSubtract, vec![high.clone(), low.clone()]);
        let count = match self.constant(&difference)? {
            Some(difference) => Some(difference),
            // `x[i..i + 2]`: the ends move together.
            None => offset(&high, &low).map(|offset| offset as f64),
        };
        let Some(count) = count else {
            return Err(Diagnostic::error(
                "E0412",
                "the length of this slice is not the same in every round",
            )
            .at(lower.span.to(upper.span), "")
            .help("use a sum or a comprehension over the range instead")
            .into());
        };
        let count = (count + 1.0).max(0.0) as usize;
        if let (Some(low), Some(high)) = (self.constant(&low)?, self.constant(&high)?)
            && count > 0
            && (low < 1.0 || high > length as f64)
        {
            return Err(Diagnostic::error(
                "E0413",
                format!("the slice {low}..{high} is outside 1..{length}"),
            )
            .at(
                lower.span.to(upper.span),
                format!("the array has {length} elements here"),
            )
            .help("let the slice end at the length of the array")
            .into());
        }
        Ok((low, count))
    }

    fn check_index(
        &mut self,
        index: &Scalar,
        length: usize,
        base: &hir::Expression,
        span: Span,
    ) -> Outcome<()> {
        let Some(value) = self.constant(index)? else {
            return Ok(());
        };
        if value >= 1.0 && value <= length as f64 {
            return Ok(());
        }
        let allowed = if length == 0 {
            "it is empty".to_string()
        } else {
            format!("indices go from 1 to {length}")
        };
        let name = self.sources.excerpt(base.span).to_string();
        let diagnostic = Diagnostic::error(
            "E0420",
            format!("index {value} is outside `{name}`: {allowed}"),
        )
        .at(span, "");
        let diagnostic = self.origins_note(diagnostic, std::slice::from_ref(base));
        Err(diagnostic
            .help("change the index; indices begin at 1")
            .into())
    }

    fn array_literal(
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
        let array = self.array_at(level, "temporary", shape.clone(), ArrayKind::Let, span);
        for (i, value) in values.iter().enumerate() {
            let first = Scalar::int(i as i64 + 1);
            match value {
                Value::Scalar(scalar) => {
                    statements.push(Statement::Store {
                        array,
                        indices: vec![first],
                        value: scalar.clone(),
                    });
                }
                Value::Array(pull) => {
                    let binder = self.count_binder(inner[0]);
                    let at = Scalar::index(binder.index);
                    let value = pull.at(&self.loops.arrays, std::slice::from_ref(&at), span);
                    let store = Statement::Store {
                        array,
                        indices: vec![first, at],
                        value,
                    };
                    statements.push(Statement::For {
                        binder,
                        body: vec![store],
                    });
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
        Ok(Value::Array(Pull::stored(element, shape, array)))
    }

    fn comprehension(
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

    fn reduction(
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
        Ok(Value::Scalar(self.keep("sum", scalar, element, span)?))
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

/// `high − low` when both are the same expression plus ints.
fn offset(high: &Scalar, low: &Scalar) -> Option<i64> {
    let (base_high, plus_high) = split(high);
    let (base_low, plus_low) = split(low);
    same(&base_high, &base_low).then_some(plus_high - plus_low)
}

fn split(scalar: &Scalar) -> (Scalar, i64) {
    if let Node::Operation {
        operation,
        arguments,
    } = &*scalar.0
    {
        match (
            operation,
            arguments[0].as_int(),
            arguments.get(1).and_then(Scalar::as_int),
        ) {
            (Operation::IntAdd, _, Some(n)) => return (arguments[0].clone(), n),
            (Operation::IntAdd, Some(n), _) => return (arguments[1].clone(), n),
            (Operation::IntSubtract, _, Some(n)) => return (arguments[0].clone(), -n),
            _ => {}
        }
    }
    (scalar.clone(), 0)
}

fn same(a: &Scalar, b: &Scalar) -> bool {
    std::rc::Rc::ptr_eq(&a.0, &b.0)
        || matches!((&*a.0, &*b.0), (Node::Index(i), Node::Index(j)) if i == j)
}
