//! Functions are inlined. A `var` that only changes in straight lines is a name for one value after another; one that a
//! loop or branch assigns lives in storage.

use std::collections::HashSet;

use super::expand::{BlockKind, Expander, Frame, Outcome};
use super::expression::sizes;
use super::loops::{ArrayKind, Binder, Scalar, Statement};
use super::pull::{Body, Value};
use crate::check::hir::{
    self, Declared, Element, ExpressionKind, StatementKind, VariableId, VariableKind,
};
use crate::check::walk::{all_statements, uses};
use crate::source::{Diagnostic, Span};

/// Calls inside calls.
const DEEPEST: usize = 60;
/// Bodies written out in one program.
const MOST: usize = 20_000;

impl<'a> Expander<'a> {
    /// The value of a function for given arguments.
    pub fn call(
        &mut self,
        function: &'a hir::Function,
        arguments: Vec<Value>,
        span: Span,
    ) -> Outcome<Value> {
        self.enter_call(&function.name, span)?;
        let result = self.inline(function, arguments, span);
        self.calls -= 1;
        result
    }

    /// Counts calls, so that endless recursion ends with a message.
    pub fn enter_call(&mut self, name: &str, span: Span) -> Outcome<()> {
        self.inlined += 1;
        if self.calls >= DEEPEST || self.inlined > MOST {
            return Err(Diagnostic::error(
                "E0423",
                format!("`{name}` calls itself too deeply or too often"),
            )
            .at(
                span,
                format!("more than {DEEPEST} calls inside one another, or {MOST} in all"),
            )
            .help("recursion must end for the given data; use a loop for long repetitions")
            .into());
        }
        self.calls += 1;
        Ok(())
    }

    fn inline(
        &mut self,
        function: &'a hir::Function,
        arguments: Vec<Value>,
        span: Span,
    ) -> Outcome<Value> {
        let mut frame = Frame::new(&function.variables);
        frame.uses = uses(&function.body, function.variables.len(), &|id| {
            function.variables[id.0 as usize].ty.rank()
        });
        for (parameter, argument) in function.parameters.iter().zip(arguments) {
            let argument = self.argument(argument, parameter.variable, &frame, span)?;
            bind_sizes(
                &mut frame,
                &parameter.declared,
                &argument,
                &function.name,
                span,
            )?;
            frame.bind(parameter.variable, argument);
        }
        self.frames.push(frame);
        self.open(BlockKind::Straight);
        let value = self.run(&function.body);
        let statements = self.close();
        self.frames.pop();
        let settled = self.settle(statements);
        let value = value?;
        settled?;
        value.ok_or(super::expand::Failure::Silent)
    }

    /// An argument as its parameter: computed once.
    pub fn argument(
        &mut self,
        argument: Value,
        variable: VariableId,
        frame: &Frame,
        span: Span,
    ) -> Outcome<Value> {
        let declared = &frame.variables[variable.0 as usize];
        match argument {
            Value::Scalar(scalar) => Ok(Value::Scalar(self.keep(
                &declared.name,
                scalar,
                declared.ty.element,
                span,
            )?)),
            Value::Array(pull) => {
                let cheap = match &pull.body {
                    Body::Stored(_) => true,
                    Body::Lambda(_, body) => super::expand::is_trivial(body),
                };
                if cheap || frame.uses[variable.0 as usize] <= 1 {
                    return Ok(Value::Array(pull));
                }
                let place = self.place(&pull, &declared.name, span)?;
                Ok(Value::Array(super::pull::Pull {
                    body: Body::Stored(place),
                    ..pull
                }))
            }
        }
    }

    /// Runs the statements of a body; the value it returns, if it has returned.
    pub fn run(&mut self, statements: &'a [hir::Statement]) -> Outcome<Option<Value>> {
        for (position, statement) in statements.iter().enumerate() {
            match &statement.kind {
                StatementKind::Let {
                    variable, value, ..
                } => {
                    let value = self.value(value)?;
                    let value = self.named(value, *variable, statement.span)?;
                    self.frame().bind(*variable, value);
                }
                StatementKind::Var {
                    variable,
                    value,
                    sizes,
                } => {
                    let rest = &statements[position + 1..];
                    self.var(*variable, value.as_ref(), sizes, rest, statement.span)?;
                }
                StatementKind::Assign {
                    variable,
                    indices,
                    value,
                } => {
                    self.assign(*variable, indices, value, statement.span)?;
                }
                StatementKind::For {
                    index,
                    lower,
                    upper,
                    body,
                } => {
                    self.for_loop(*index, lower, upper, body, statement.span)?;
                }
                StatementKind::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    let condition = self.scalar(condition)?;
                    let condition = self.folded(condition, Element::Bool)?;
                    match condition.as_bool() {
                        Some(holds) => {
                            if let Some(value) = self.run(if holds { then } else { otherwise })? {
                                return Ok(Some(value));
                            }
                        }
                        None if may_return(then) || may_return(otherwise) => {
                            let rest = &statements[position + 1..];
                            return self.returning_choice(
                                condition,
                                then,
                                otherwise,
                                rest,
                                statement.span,
                            );
                        }
                        None => {
                            let then = self.closed(then)?;
                            let otherwise = self.closed(otherwise)?;
                            self.emit(Statement::If {
                                condition,
                                then,
                                otherwise,
                            });
                        }
                    }
                }
                StatementKind::LetTuple { variables, call } => {
                    self.let_tuple(variables, call, statement.span)?;
                }
                StatementKind::Return { value, more } => {
                    let value = self.value(value)?;
                    let more = self.values(more)?;
                    self.returned = more;
                    return Ok(Some(value));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// `let (a, b) = f(x)`
    pub(super) fn let_tuple(
        &mut self,
        variables: &[VariableId],
        call: &'a hir::Expression,
        span: Span,
    ) -> Outcome<()> {
        let first = self.value(call)?;
        let more = std::mem::take(&mut self.returned);
        for (variable, value) in variables.iter().zip(std::iter::once(first).chain(more)) {
            let value = self.named(value, *variable, span)?;
            self.frame().bind(*variable, value);
        }
        Ok(())
    }

    fn closed(&mut self, statements: &'a [hir::Statement]) -> Outcome<Vec<Statement>> {
        self.open(BlockKind::Closed);
        let result = self.run(statements);
        let statements = self.close();
        result?;
        Ok(statements)
    }

    fn returning_choice(
        &mut self,
        condition: Scalar,
        then: &'a [hir::Statement],
        otherwise: &'a [hir::Statement],
        rest: &'a [hir::Statement],
        span: Span,
    ) -> Outcome<Option<Value>> {
        let several = |statement: &hir::Statement| matches!(&statement.kind, StatementKind::Return { more, .. } if !more.is_empty());
        let mut returns_several = false;
        for part in [then, otherwise, rest] {
            all_statements(part, 0, &mut |statement, _| {
                returns_several |= several(statement);
            });
        }
        if returns_several {
            return Err(Diagnostic::error(
                "E0426",
                "which of these several values are returned is decided by unknowns",
            )
            .at(span, "")
            .help("choose each value with `if`, and return them once at the end: `return (a, b)`")
            .into());
        }
        self.enter_call("this branch", span)?;
        let value = self.choice(
            condition,
            Element::Real,
            span,
            &mut |expander| expander.returning(then, rest),
            &mut |expander| expander.returning(otherwise, rest),
        );
        self.calls -= 1;
        Ok(Some(value?))
    }

    /// The value that a branch returns, or what comes after it.
    fn returning(
        &mut self,
        branch: &'a [hir::Statement],
        rest: &'a [hir::Statement],
    ) -> Outcome<Value> {
        let bindings = self.frame().bindings.clone();
        let mut value = self.run(branch)?;
        if value.is_none() {
            value = self.run(rest)?;
        }
        self.frame().bindings = bindings;
        value.ok_or(super::expand::Failure::Silent)
    }

    /// A value under a name: scalars are computed once, arrays when they are read more than once.
    pub fn named(&mut self, value: Value, variable: VariableId, span: Span) -> Outcome<Value> {
        let frame = self.frames.last().expect("a frame");
        let declared = &frame.variables[variable.0 as usize];
        let (name, element, count) = (
            declared.name.clone(),
            declared.ty.element,
            frame.uses[variable.0 as usize],
        );
        match value {
            Value::Scalar(scalar) => Ok(Value::Scalar(self.keep(&name, scalar, element, span)?)),
            Value::Array(pull) => {
                let lazy = match &pull.body {
                    Body::Stored(place) => {
                        // A copy, if a `var` lies there that may change.
                        !matches!(self.loops.array(place.array).kind, ArrayKind::Var)
                            || !self.in_var_frame()
                    }
                    Body::Lambda(_, body) => {
                        (count <= 1 || super::expand::is_trivial(body))
                            && !self.reads_var(body)
                            && !self.is_data(body)
                    }
                };
                if lazy {
                    return Ok(Value::Array(pull));
                }
                let copy = match &pull.body {
                    Body::Lambda(..) => pull.clone(),
                    Body::Stored(_) => self.lambda(&pull, span),
                };
                let place = self.place(&copy, &name, span)?;
                Ok(Value::Array(super::pull::Pull {
                    body: Body::Stored(place),
                    ..pull
                }))
            }
        }
    }

    fn in_var_frame(&self) -> bool {
        self.frames
            .iter()
            .any(|frame| !frame.stored_vars.is_empty())
    }

    /// An array as elements over placeholders, whatever it was.
    pub fn lambda(&mut self, pull: &super::pull::Pull, span: Span) -> super::pull::Pull {
        let (binders, body) = self.each_element(pull, span);
        let placeholders = binders.iter().map(|binder| binder.index).collect();
        super::pull::Pull {
            body: Body::Lambda(placeholders, body),
            ..pull.clone()
        }
    }

    fn var(
        &mut self,
        variable: VariableId,
        value: Option<&'a hir::Expression>,
        size_expressions: &'a [hir::Expression],
        rest: &'a [hir::Statement],
        span: Span,
    ) -> Outcome<()> {
        let declared = self.frames.last().expect("a frame").variables[variable.0 as usize].clone();
        let initial = match value {
            Some(value) => self.value(value)?,
            None => {
                let mut shape = Vec::new();
                for size in size_expressions {
                    let length = self.int(size, "a size")?;
                    shape.push(usize::try_from(length).unwrap_or(0));
                }
                let zero = super::expand::literal(0.0, declared.ty.element);
                match shape.as_slice() {
                    [] => Value::Scalar(zero),
                    shape => self.over(shape, declared.ty.element, span, |_, _| Ok(zero))?,
                }
            }
        };
        if !changes_in_storage(rest, variable, 0) {
            let value = self.named(initial, variable, span)?;
            self.frame().bind(variable, value);
            return Ok(());
        }
        let level = self.blocks.len() - 1;
        let array = self.array_at(
            level,
            declared.name.clone(),
            initial.shape().to_vec(),
            ArrayKind::Var,
            span,
        );
        self.fill(array, &initial, span);
        self.frame().stored_vars.insert(variable, array);
        Ok(())
    }

    /// Stores all elements of a value.
    pub fn fill(&mut self, array: super::loops::ArrayId, value: &Value, span: Span) {
        let binders: Vec<Binder> = value
            .shape()
            .to_vec()
            .iter()
            .map(|&length| self.count_binder(length))
            .collect();
        let indices: Vec<Scalar> = binders
            .iter()
            .map(|binder| Scalar::index(binder.index))
            .collect();
        let value = self.at(value, &indices, span);
        let mut nest = Statement::Store {
            array,
            indices,
            value,
        };
        for binder in binders.into_iter().rev() {
            nest = Statement::For {
                binder,
                body: vec![nest],
            };
        }
        self.emit(nest);
    }

    fn assign(
        &mut self,
        variable: VariableId,
        indices: &'a [hir::Expression],
        value: &'a hir::Expression,
        span: Span,
    ) -> Outcome<()> {
        let value = self.value(value)?;
        let stored = self
            .frames
            .last()
            .expect("a frame")
            .stored_vars
            .get(&variable)
            .copied();
        let Some(array) = stored else {
            let value = self.named(value, variable, span)?;
            self.frame().bind(variable, value);
            return Ok(());
        };
        if indices.is_empty() && !value.shape().is_empty() {
            if value.shape() != self.loops.array(array).shape {
                let (old, new) = (sizes(&self.loops.array(array).shape), sizes(value.shape()));
                return Err(Diagnostic::error(
                    "E0411",
                    format!("this `var` has {old}, the new value {new}"),
                )
                .at(span, "")
                .help("an array keeps its shape")
                .into());
            }
            // The new elements may be computed from the old ones.
            let Value::Array(pull) = &value else {
                unreachable!("it has a shape")
            };
            let copy = self.lambda(pull, span);
            let place = self.place(&copy, "new value", span)?;
            let value = Value::Array(super::pull::Pull {
                body: Body::Stored(place),
                ..copy
            });
            self.fill(array, &value, span);
            return Ok(());
        }
        let mut at = Vec::new();
        for index in indices {
            at.push(self.scalar(index)?);
        }
        let value = value.scalar()?;
        self.emit(Statement::Store {
            array,
            indices: at,
            value,
        });
        Ok(())
    }

    fn for_loop(
        &mut self,
        index: VariableId,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
        body: &'a [hir::Statement],
        span: Span,
    ) -> Outcome<()> {
        if may_return(body) {
            return Err(Diagnostic::error(
                "E0424",
                "`return` inside a loop is not part of this version",
            )
            .at(span, "")
            .help("set a `var` in the loop and return it after")
            .into());
        }
        let (lower, upper) = (self.scalar(lower)?, self.scalar(upper)?);
        let (lower, upper) = (
            self.folded(lower, Element::Int)?,
            self.folded(upper, Element::Int)?,
        );
        let name = self.frames.last().expect("a frame").variables[index.0 as usize]
            .name
            .clone();
        let id = self.index(name, lower.clone(), upper.clone());
        self.frame().bind(index, Value::Scalar(Scalar::index(id)));
        self.open(BlockKind::Over(vec![id]));
        let assigned = assigned_in(body);
        let arrays: HashSet<_> = self
            .frames
            .last()
            .expect("a frame")
            .stored_vars
            .iter()
            .filter(|(id, _)| assigned.contains(id))
            .map(|(_, a)| *a)
            .collect();
        self.blocks.last_mut().expect("the loop").defines = arrays;
        let result = self.run(body);
        let statements = self.close();
        result?;
        self.emit(Statement::For {
            binder: Binder {
                index: id,
                lower,
                upper,
            },
            body: statements,
        });
        Ok(())
    }
}

/// Binds the size names of a parameter to the shape of its argument, or compares them.
pub fn bind_sizes(
    frame: &mut Frame,
    declared: &Declared,
    argument: &Value,
    callee: &str,
    span: Span,
) -> Outcome<()> {
    for (size, &length) in declared.sizes.iter().zip(argument.shape()) {
        let ExpressionKind::Variable(id) = &*size.kind else {
            continue;
        };
        if frame.variables[id.0 as usize].kind != VariableKind::Size {
            continue;
        }
        match &frame.bindings[id.0 as usize] {
            Some(super::expand::Binding::Value(Value::Scalar(known)))
                if known.as_int() != Some(length as i64) =>
            {
                let name = &frame.variables[id.0 as usize].name;
                let known = known.as_int().unwrap_or(0);
                return Err(Diagnostic::error(
                    "E0425",
                    format!("the arguments of `{callee}` do not fit together"),
                )
                .at(
                    span,
                    format!("`{name}` is {known} by one argument and {length} by another"),
                )
                .help(format!(
                    "`likelier doc {callee}` shows which sizes must agree"
                ))
                .into());
            }
            _ => frame.bind(*id, Value::Scalar(Scalar::int(length as i64))),
        }
    }
    Ok(())
}

fn may_return(statements: &[hir::Statement]) -> bool {
    let mut found = false;
    all_statements(statements, 0, &mut |statement, _| {
        found |= matches!(statement.kind, StatementKind::Return { .. })
    });
    found
}

fn assigned_in(statements: &[hir::Statement]) -> HashSet<VariableId> {
    let mut assigned = HashSet::new();
    all_statements(statements, 0, &mut |statement, _| {
        if let StatementKind::Assign { variable, .. } = &statement.kind {
            assigned.insert(*variable);
        }
    });
    assigned
}

/// Whether a loop or branch assigns a `var`, or anything one of its elements.
fn changes_in_storage(statements: &[hir::Statement], wanted: VariableId, depth: usize) -> bool {
    statements.iter().any(|statement| match &statement.kind {
        StatementKind::Assign {
            variable, indices, ..
        } => *variable == wanted && (depth > 0 || !indices.is_empty()),
        StatementKind::For { body, .. } => changes_in_storage(body, wanted, depth + 1),
        StatementKind::If {
            then, otherwise, ..
        } => {
            changes_in_storage(then, wanted, depth + 1)
                || changes_in_storage(otherwise, wanted, depth + 1)
        }
        _ => false,
    })
}
