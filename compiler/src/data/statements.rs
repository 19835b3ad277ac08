//! The statements of a model, in order: values get names, random variables their storage, their law at each element and
//! the way to draw them, conditions their place in the log density.

use std::collections::{HashMap, HashSet};

use super::expand::{Binding, BlockKind, Expander, Failure, Outcome};
use super::expression::sizes;
use super::interval::Interval;
use super::loops::{
    ArrayId, ArrayKind, Binder, Condition, Random, Report, Role, Scalar, Statement, Support, Term,
};
use super::pull::{Body, Pull, Value};
use crate::check::hir::{
    self, Element, ExpressionKind, Law, RandomIndex, Reducer, StatementKind, VariableId,
    VariableKind,
};
use crate::check::walk::all_statements;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

impl<'a> Expander<'a> {
    /// All statements of the model; errors are collected.
    pub fn model(&mut self) {
        self.statements(&self.hir.statements);
    }

    fn statements(&mut self, statements: &'a [hir::Statement]) {
        for statement in statements {
            if let Err(failure) = self.statement(statement) {
                if let Failure::Said(diagnostic) = failure {
                    self.diagnostics.push(*diagnostic);
                }
                self.poison(statement);
            }
        }
    }

    /// What a failed statement defines is unknown from here on.
    fn poison(&mut self, statement: &hir::Statement) {
        if let StatementKind::Let { variable, .. }
        | StatementKind::Given { variable, .. }
        | StatementKind::Random { variable, .. } = &statement.kind
        {
            let binding = &mut self.frame().bindings[variable.0 as usize];
            if binding.is_none() || !matches!(statement.kind, StatementKind::Random { .. }) {
                *binding = Some(Binding::Poisoned);
            }
        }
    }

    fn statement(&mut self, statement: &'a hir::Statement) -> Outcome<()> {
        let span = statement.span;
        match &statement.kind {
            StatementKind::Given {
                variable,
                declared,
                default,
                ..
            } => self.given(*variable, declared, default.as_ref(), span),
            StatementKind::Let {
                variable,
                indices,
                value,
            } if indices.is_empty() => {
                let value = self.value(value)?;
                let value = self.named(value, *variable, span)?;
                self.frame().bind(*variable, value);
                Ok(())
            }
            StatementKind::Let {
                variable,
                indices,
                value,
            } => self.let_element(*variable, indices, value, span),
            StatementKind::Random {
                variable,
                indices,
                law,
            } => self.random(*variable, indices, law, span),
            StatementKind::Observe { value, law } => self.observe(value, law, span),
            StatementKind::Factor { value } => {
                let value = self.scalar(value)?;
                let term = self.term(value, Vec::new(), false, span);
                self.emit(Statement::Term(Box::new(term)));
                Ok(())
            }
            StatementKind::Require { condition } => self.require(condition, span),
            StatementKind::Report { name, value } => self.report(name, value, span),
            StatementKind::For {
                index,
                lower,
                upper,
                body,
            } => self.model_loop(*index, lower, upper, body),
            StatementKind::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.scalar(condition)?;
                let condition = self.folded(condition, Element::Bool)?;
                match condition.as_bool() {
                    Some(true) => self.statements(then),
                    Some(false) => self.statements(otherwise),
                    None => {
                        self.open(BlockKind::Closed);
                        self.statements(then);
                        let then = self.close();
                        self.open(BlockKind::Closed);
                        self.statements(otherwise);
                        let otherwise = self.close();
                        self.emit(Statement::If {
                            condition,
                            then,
                            otherwise,
                        });
                    }
                }
                Ok(())
            }
            StatementKind::Var { .. }
            | StatementKind::Assign { .. }
            | StatementKind::Return { .. } => Ok(()),
        }
    }

    fn model_loop(
        &mut self,
        index: VariableId,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
        body: &'a [hir::Statement],
    ) -> Outcome<()> {
        let (lower, upper) = (self.scalar(lower)?, self.scalar(upper)?);
        let (lower, upper) = (
            self.folded(lower, Element::Int)?,
            self.folded(upper, Element::Int)?,
        );
        let name = self.hir.variables[index.0 as usize].name.clone();
        let id = self.index(name, lower.clone(), upper.clone());
        self.frame().bind(index, Value::Scalar(Scalar::index(id)));
        // Storage of everything that the loop defines comes first, so that nothing which reads it leaves the loop.
        let mut defined = Vec::new();
        all_statements(body, 0, &mut |statement, _| match &statement.kind {
            StatementKind::Let {
                variable, indices, ..
            } if !indices.is_empty() => defined.push(*variable),
            StatementKind::Random {
                variable, indices, ..
            } if !indices.is_empty() => defined.push(*variable),
            _ => {}
        });
        let mut arrays = HashSet::new();
        for variable in defined {
            if !self.bound.keys.contains_key(&variable) {
                arrays.insert(self.element_storage(variable)?);
            }
        }
        self.open(BlockKind::Over(vec![id]));
        self.blocks.last_mut().expect("the loop").defines = arrays;
        self.statements(body);
        let statements = self.close();
        self.settle(vec![Statement::For {
            binder: Binder {
                index: id,
                lower,
                upper,
            },
            body: statements,
        }])
    }

    fn let_element(
        &mut self,
        variable: VariableId,
        indices: &'a [hir::Expression],
        value: &'a hir::Expression,
        span: Span,
    ) -> Outcome<()> {
        let array = self.element_storage(variable)?;
        let mut at = Vec::new();
        for index in indices {
            at.push(self.scalar(index)?);
        }
        let value = self.scalar(value)?;
        let value = self.keep(
            &self.hir.variables[variable.0 as usize].name.clone(),
            value,
            Element::Real,
            span,
        )?;
        self.ranges.arrays.insert(array, Interval::ALL);
        let range = self.range(&value);
        let (count, joined) = self.definitions.entry(array).or_insert((0, None));
        *count += 1;
        *joined = Some(joined.map_or(range, |joined: Interval| joined.join(range)));
        let (seen, range) = (*count, joined.unwrap_or(Interval::ALL));
        if seen == self.definition_count(variable) {
            self.ranges.arrays.insert(array, range);
        }
        self.emit(Statement::Store {
            array,
            indices: at,
            value,
        });
        Ok(())
    }

    fn definition_count(&self, wanted: VariableId) -> usize {
        let mut count = 0;
        all_statements(&self.hir.statements, 0, &mut |statement, _| {
            count += usize::from(
                matches!(&statement.kind, StatementKind::Let { variable, .. } if *variable == wanted),
            );
        });
        count
    }

    /// The array of a variable that is defined element by element; its shape is what all definitions need.
    fn element_storage(&mut self, variable: VariableId) -> Outcome<ArrayId> {
        if let Some(array) = self.arrays_of.get(&variable) {
            return Ok(*array);
        }
        let declared = &self.hir.variables[variable.0 as usize];
        let mut shape = self.shape_of_elements(variable)?;
        let kind = match declared.kind {
            VariableKind::Random => ArrayKind::Random(self.role(variable)),
            _ => ArrayKind::Let,
        };
        if shape.len() < declared.ty.rank() {
            let extra = self.vector_length(variable)?;
            shape.push(extra);
        }
        let (name, element) = (declared.name.clone(), declared.ty.element);
        let array = self.array(name, shape, kind, declared.span);
        self.arrays_of.insert(variable, array);
        let value = self.stored_value(array, element, declared.span);
        self.frame().bind(variable, value);
        Ok(array)
    }

    fn role(&self, variable: VariableId) -> Role {
        self.bound
            .roles
            .get(&variable)
            .copied()
            .unwrap_or(Role::Simulated)
    }

    /// The length of the draws of a vector law.
    fn vector_length(&mut self, wanted: VariableId) -> Outcome<usize> {
        let hir = self.hir;
        let mut law = None;
        all_statements(&hir.statements, 0, &mut |statement, _| {
            if let StatementKind::Random {
                variable,
                law: found,
                ..
            } = &statement.kind
                && *variable == wanted
            {
                law = Some(found);
            }
        });
        let Some(law) = law else {
            return Err(Failure::Silent);
        };
        let values = self.values(&law.call.arguments)?;
        let entered = self.enter(&law.call, values)?;
        let support = self.support(&entered, &[], law.span);
        self.leave(&entered);
        Ok(support?.size())
    }

    fn shape_of_elements(&mut self, wanted: VariableId) -> Outcome<Vec<usize>> {
        let mut shape: Vec<i64> = Vec::new();
        let mut environment = HashMap::new();
        self.extents(&self.hir.statements, wanted, &mut environment, &mut shape)?;
        Ok(shape
            .into_iter()
            .map(|length| usize::try_from(length).unwrap_or(0))
            .collect())
    }

    /// Widens `shape` by every definition of an element of `wanted`.
    fn extents(
        &mut self,
        statements: &'a [hir::Statement],
        wanted: VariableId,
        environment: &mut HashMap<VariableId, (i64, i64)>,
        shape: &mut Vec<i64>,
    ) -> Outcome<()> {
        for statement in statements {
            match &statement.kind {
                StatementKind::For {
                    index,
                    lower,
                    upper,
                    body,
                } => {
                    let low = self.int_range(lower, environment);
                    let high = self.int_range(upper, environment);
                    if let (Some(low), Some(high)) = (low, high) {
                        if high.1 < low.0 {
                            continue;
                        }
                        environment.insert(*index, (low.0, high.1));
                    }
                    self.extents(body, wanted, environment, shape)?;
                }
                StatementKind::If {
                    then, otherwise, ..
                } => {
                    self.extents(then, wanted, environment, shape)?;
                    self.extents(otherwise, wanted, environment, shape)?;
                }
                StatementKind::Let {
                    variable, indices, ..
                } if *variable == wanted => {
                    for (axis, index) in indices.iter().enumerate() {
                        self.widen(index, axis, environment, shape)?;
                    }
                }
                StatementKind::Random {
                    variable, indices, ..
                } if *variable == wanted => {
                    for (axis, index) in indices.iter().enumerate() {
                        match index {
                            RandomIndex::At(index) => {
                                self.widen(index, axis, environment, shape)?
                            }
                            RandomIndex::Over { upper, .. } => {
                                self.widen(upper, axis, environment, shape)?
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn widen(
        &mut self,
        index: &'a hir::Expression,
        axis: usize,
        environment: &HashMap<VariableId, (i64, i64)>,
        shape: &mut Vec<i64>,
    ) -> Outcome<()> {
        let Some((_, high)) = self.int_range(index, environment) else {
            return Err(Diagnostic::error(
                "E0433",
                "how many elements this defines cannot be told",
            )
            .at(
                index.span,
                "this index is not made of loop indices, sizes and ints",
            )
            .help("loop over the elements in order")
            .into());
        };
        if shape.len() <= axis {
            shape.resize(axis + 1, 0);
        }
        shape[axis] = shape[axis].max(high);
        Ok(())
    }

    /// The range of an int expression over sizes and loop indices.
    fn int_range(
        &mut self,
        e: &'a hir::Expression,
        environment: &HashMap<VariableId, (i64, i64)>,
    ) -> Option<(i64, i64)> {
        match &*e.kind {
            ExpressionKind::Int(value) => Some((*value, *value)),
            ExpressionKind::Variable(id) => match environment.get(id) {
                Some(range) => Some(*range),
                None => self.known_int(e),
            },
            ExpressionKind::Operation {
                operation,
                arguments,
            } => {
                let a = self.int_range(&arguments[0], environment)?;
                let b = match arguments.get(1) {
                    Some(b) => self.int_range(b, environment)?,
                    None => (0, 0),
                };
                Some(match operation {
                    Operation::IntAdd => (a.0.saturating_add(b.0), a.1.saturating_add(b.1)),
                    Operation::IntSubtract => (a.0.saturating_sub(b.1), a.1.saturating_sub(b.0)),
                    Operation::IntNegate => (-a.1, -a.0),
                    Operation::IntMultiply => {
                        let ends = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
                        (*ends.iter().min()?, *ends.iter().max()?)
                    }
                    _ => return self.known_int(e),
                })
            }
            _ => self.known_int(e),
        }
    }

    fn known_int(&mut self, e: &'a hir::Expression) -> Option<(i64, i64)> {
        let scalar = self.scalar(e).ok()?;
        let value = self.constant(&scalar).ok()?? as i64;
        Some((value, value))
    }

    fn require(&mut self, condition: &'a hir::Expression, span: Span) -> Outcome<()> {
        let holds = self.scalar(condition)?;
        let holds = self.folded(holds, Element::Bool)?;
        if holds.as_bool() == Some(false) {
            return Err(
                Diagnostic::error("E0434", "the data do not satisfy this requirement")
                    .at(span, "this is false for the data")
                    .help("change the data or the requirement")
                    .into(),
            );
        }
        let rule = "the requirement".to_string();
        let domain = vec![Condition {
            holds: holds.clone(),
            value: holds,
            rule,
            span: condition.span,
        }];
        let term = self.term(Scalar::real(0.0), domain, true, span);
        self.emit(Statement::Term(Box::new(term)));
        Ok(())
    }

    fn report(&mut self, name: &str, value: &'a hir::Expression, span: Span) -> Outcome<()> {
        let result = self.value(value)?;
        let array = match &result {
            Value::Array(Pull {
                body: Body::Stored(place),
                element: Element::Real,
                ..
            }) if place.prefix.is_empty() && self.loops.array(place.array).name == name => {
                place.array
            }
            other => {
                let array = self.array(name, other.shape().to_vec(), ArrayKind::Let, span);
                let real = match other {
                    Value::Scalar(scalar) if value.ty.element == Element::Int => Value::Scalar(
                        Scalar::operation(Operation::IntToReal, vec![scalar.clone()]),
                    ),
                    Value::Array(pull) if pull.element == Element::Int => {
                        let shape = pull.shape.clone();
                        self.over(&shape, Element::Real, span, |expander, at| {
                            let element = pull.at(&expander.loops.arrays, at, span);
                            Ok(Scalar::operation(Operation::IntToReal, vec![element]))
                        })?
                    }
                    other => other.clone(),
                };
                self.fill(array, &real, span);
                array
            }
        };
        self.loops.reports.push(Report {
            name: name.to_string(),
            array,
        });
        let defined = self.hir.variables.iter().position(|v| {
            v.name == name
                && v.span.file == span.file
                && v.span.start >= span.start
                && v.span.end <= span.end
        });
        if let Some(id) = defined {
            self.frame().bind(VariableId(id as u32), result);
        }
        Ok(())
    }

    /// A term with the description of its statement.
    pub fn term(
        &mut self,
        value: Scalar,
        domain: Vec<Condition>,
        is_require: bool,
        span: Span,
    ) -> Term {
        let text = self
            .sources
            .excerpt(span)
            .lines()
            .next()
            .unwrap_or("")
            .trim()
            .to_string();
        let description = format!("line {}: `{text}`", self.sources.line(span));
        let known = self
            .loops
            .descriptions
            .iter()
            .position(|other| *other == description);
        let description = known.unwrap_or_else(|| {
            self.loops.descriptions.push(description);
            self.loops.descriptions.len() - 1
        }) as u32;
        Term {
            statements: Vec::new(),
            domain,
            value,
            is_require,
            description,
            span,
        }
    }

    fn observe(&mut self, value: &'a hir::Expression, law: &'a Law, span: Span) -> Outcome<()> {
        let observed = self.value(value)?;
        let arguments = self.values(&law.call.arguments)?;
        let vector = self.draw_rank(&law.call) > 0;
        let shape = if vector {
            Vec::new()
        } else {
            observed.shape().to_vec()
        };
        self.plate(&shape, |expander, at| {
            let here = expander.arguments_at(law, &arguments, at, span)?;
            let x = if vector {
                observed.clone()
            } else {
                Value::Scalar(expander.at(&observed, at, span))
            };
            let entered = expander.enter(&law.call, here)?;
            let term = expander.law_term(&entered, law, x, "the observed value", true, span);
            expander.leave(&entered);
            expander.emit(Statement::Term(Box::new(term?)));
            Ok(())
        })
    }

    /// Runs `body` for every element of a shape: one loop for each index position.
    fn plate(
        &mut self,
        shape: &[usize],
        body: impl FnOnce(&mut Self, &[Scalar]) -> Outcome<()>,
    ) -> Outcome<()> {
        let binders: Vec<Binder> = shape
            .iter()
            .map(|&length| self.count_binder(length))
            .collect();
        self.nest(binders, HashSet::new(), body)
    }

    fn nest(
        &mut self,
        binders: Vec<Binder>,
        defines: HashSet<ArrayId>,
        body: impl FnOnce(&mut Self, &[Scalar]) -> Outcome<()>,
    ) -> Outcome<()> {
        for binder in &binders {
            self.open(BlockKind::Over(vec![binder.index]));
            self.blocks
                .last_mut()
                .expect("the loop")
                .defines
                .clone_from(&defines);
        }
        let at: Vec<Scalar> = binders
            .iter()
            .map(|binder| Scalar::index(binder.index))
            .collect();
        let result = body(self, &at);
        for binder in binders.into_iter().rev() {
            let statements = self.close();
            if result.is_ok() {
                self.settle(vec![Statement::For {
                    binder,
                    body: statements,
                }])?;
            }
        }
        result
    }

    /// The arguments of a law for one element: arrays that stand for scalar parameters are indexed.
    fn arguments_at(
        &mut self,
        law: &'a Law,
        arguments: &[Value],
        at: &[Scalar],
        span: Span,
    ) -> Outcome<Vec<Value>> {
        let item = match law.call.distribution {
            hir::DistributionRef::Item(id) => &self.hir.distributions[id.0 as usize],
            hir::DistributionRef::Flat(_) => return Ok(Vec::new()),
        };
        let mut here = Vec::new();
        for (position, (parameter, argument)) in item.parameters.iter().zip(arguments).enumerate() {
            let scalar = parameter.declared.sizes.is_empty();
            here.push(match argument {
                Value::Array(pull) if scalar => {
                    if pull.rank() != at.len() {
                        let place = law
                            .call
                            .arguments
                            .get(position)
                            .map_or(span, |argument| argument.span);
                        return Err(Diagnostic::error(
                            "E0411",
                            "this argument is an array, and one number is needed",
                        )
                        .at(place, sizes(&pull.shape))
                        .help("index it")
                        .into());
                    }
                    Value::Scalar(pull.at(&self.loops.arrays, at, span))
                }
                other => other.clone(),
            });
        }
        Ok(here)
    }

    /// The log density of a law at a value, with what must hold for it to be finite.
    fn law_term(
        &mut self,
        entered: &super::laws::Entered<'a>,
        law: &'a Law,
        x: Value,
        what: &str,
        check_value: bool,
        span: Span,
    ) -> Outcome<Term> {
        let mut domain = entered.conditions.clone();
        if check_value {
            self.conditions(entered.draw, &x, what, span, &mut domain)?;
        }
        let mut value = self.log_density(entered, x.clone(), span)?;
        if let Some((lower, upper)) = &law.truncated {
            let (lower, upper) = self.truncation(lower, upper, entered)?;
            if entered.item.is_some() {
                let mass = self.log_mass(entered, &lower, &upper, law.span)?;
                value = Scalar::operation(Operation::Subtract, vec![value, mass]);
            }
            if check_value && let Value::Scalar(x) = &x {
                let int = entered.draw.element == Element::Int;
                let x = if int {
                    Scalar::operation(Operation::IntToReal, vec![x.clone()])
                } else {
                    x.clone()
                };
                for holds in [
                    Scalar::operation(Operation::LessEqual, vec![lower.clone(), x.clone()]),
                    Scalar::operation(Operation::LessEqual, vec![x.clone(), upper.clone()]),
                ] {
                    let holds = self.folded(holds, Element::Bool)?;
                    if holds.as_bool() == Some(false) {
                        return Err(Diagnostic::error(
                            "E0430",
                            format!("{what} lies outside the truncation"),
                        )
                        .at(span, "")
                        .help("widen `truncated(…)`, or look at the data")
                        .into());
                    }
                    if holds.as_bool().is_none() {
                        let rule = format!("{what} must lie within the truncation");
                        domain.push(Condition {
                            holds,
                            value: x.clone(),
                            rule,
                            span,
                        });
                    }
                }
            }
        }
        Ok(self.term(value, domain, false, span))
    }

    /// The bounds of `truncated`, evaluated where the statement stands.
    fn truncation(
        &mut self,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
        entered: &super::laws::Entered<'a>,
    ) -> Outcome<(Scalar, Scalar)> {
        let frames = self
            .frames
            .split_off(self.frames.len() - entered.frame_count());
        let bounds = self
            .scalar(lower)
            .and_then(|lower| Ok((lower, self.scalar(upper)?)));
        self.frames.extend(frames);
        let (lower, upper) = bounds?;
        let lower = self.folded(lower, Element::Real)?;
        let upper = self.folded(upper, Element::Real)?;
        if let (Some(a), Some(b)) = (lower.as_number(), upper.as_number())
            && a >= b
        {
            return Err(
                Diagnostic::error("E0431", format!("nothing lies between {a} and {b}"))
                    .at(entered.draw.span, "")
                    .help("the lower bound of `truncated` comes first")
                    .into(),
            );
        }
        Ok((lower, upper))
    }

    fn random(
        &mut self,
        variable: VariableId,
        indices: &'a [RandomIndex],
        law: &'a Law,
        span: Span,
    ) -> Outcome<()> {
        let arguments = if indices
            .iter()
            .any(|index| matches!(index, RandomIndex::Over { .. }))
        {
            None
        } else {
            Some(self.values(&law.call.arguments)?)
        };
        let mut binders = Vec::new();
        let mut at = Vec::new();
        for index in indices {
            match index {
                RandomIndex::At(index) => at.push(self.scalar(index)?),
                RandomIndex::Over {
                    variable,
                    lower,
                    upper,
                } => {
                    let (lower, upper) = (self.scalar(lower)?, self.scalar(upper)?);
                    let (lower, upper) = (
                        self.folded(lower, Element::Int)?,
                        self.folded(upper, Element::Int)?,
                    );
                    let name = match self.hir.variables[variable.0 as usize].name.as_str() {
                        "_" => "i".to_string(),
                        name => name.to_string(),
                    };
                    let id = self.index(name, lower.clone(), upper.clone());
                    self.frame()
                        .bind(*variable, Value::Scalar(Scalar::index(id)));
                    binders.push(Binder {
                        index: id,
                        lower,
                        upper,
                    });
                    at.push(Scalar::index(id));
                }
            }
        }
        let array =
            self.random_storage(variable, indices, law, arguments.as_deref(), &binders, span)?;
        if indices.is_empty() && self.draw_rank(&law.call) == 0 {
            let shape = self.loops.array(array).shape.clone();
            for length in shape {
                let binder = self.count_binder(length);
                at.push(Scalar::index(binder.index));
                binders.push(binder);
            }
        }
        if law.ordered {
            return self.ordered(variable, array, binders, arguments, law, span);
        }
        let defines = if self.observed(variable) {
            HashSet::new()
        } else {
            HashSet::from([array])
        };
        self.nest(binders, defines, |expander, _| {
            let arguments = match arguments {
                Some(arguments) => arguments,
                None => expander.values(&law.call.arguments)?,
            };
            let here = expander.arguments_at(law, &arguments, &at, span)?;
            let entered = expander.enter(&law.call, here)?;
            let random = expander.random_element(variable, array, &at, &entered, law, span);
            expander.leave(&entered);
            expander.emit(Statement::Random(Box::new(random?)));
            Ok(())
        })
    }

    fn observed(&self, variable: VariableId) -> bool {
        self.bound.keys.contains_key(&variable)
    }

    fn random_element(
        &mut self,
        variable: VariableId,
        array: ArrayId,
        at: &[Scalar],
        entered: &super::laws::Entered<'a>,
        law: &'a Law,
        span: Span,
    ) -> Outcome<Random> {
        let observed = self.observed(variable);
        let declared = &self.hir.variables[variable.0 as usize];
        let element = declared.ty.element;
        let mut support = self.support(entered, at, law.span)?;
        let vector = self.draw_rank(&law.call) > 0;
        let x = if vector {
            let shape = vec![support.size()];
            let place = super::loops::Place {
                array,
                prefix: at.to_vec(),
            };
            Value::Array(Pull {
                element,
                shape,
                body: Body::Stored(place),
            })
        } else {
            Value::Scalar(super::pull::element(
                &self.loops.arrays,
                array,
                at.to_vec(),
                span,
            ))
        };
        if let (
            Some((lower, upper)),
            Support::Interval {
                lower: low,
                upper: high,
                ..
            },
        ) = (&law.truncated, &mut support)
        {
            let (lower, upper) = self.truncation(lower, upper, entered)?;
            narrow(low, lower, f64::NEG_INFINITY, Operation::Maximum);
            narrow(high, upper, f64::INFINITY, Operation::Minimum);
        }
        if !observed {
            if let Support::Interval { int: true, .. } = support
                && self.role(variable) == Role::Inferred
            {
                return Err(Diagnostic::error("E0435", format!("`{}` is unknown and whole-numbered", declared.name))
                    .at(declared.span, "something observed depends on it")
                    .help("unknown whole numbers are not part of this version: sum over its values with `logsumexp` in a `factor`")
                    .into());
            }
            self.learn_range(array, &support);
            if matches!(support, Support::Simplex(_)) {
                self.simplexes.insert(array);
            }
        }
        let what = format!("`{}`", declared.name);
        let density = self.law_term(entered, law, x, &what, observed, span)?;
        let sample = if observed {
            None
        } else {
            self.sample(array, at, entered, law, &support, span)?
        };
        if sample.is_none()
            && !observed
            && self.role(variable) == Role::Simulated
            && entered.item.is_none()
        {
            return Err(Diagnostic::error(
                "E0436",
                format!(
                    "`{}` is simulated, and `flat` cannot be drawn from",
                    declared.name
                ),
            )
            .at(law.span, "nothing observed depends on it")
            .help("give it a proper distribution, or remove it")
            .into());
        }
        Ok(Random {
            variable: array,
            indices: at.to_vec(),
            observed,
            support,
            density,
            sample,
        })
    }

    fn learn_range(&mut self, array: ArrayId, support: &Support) {
        let bounds = |lower: &Option<Scalar>, upper: &Option<Scalar>| {
            let low = lower.as_ref().and_then(Scalar::as_number);
            let high = upper.as_ref().and_then(Scalar::as_number);
            Interval {
                low: low.unwrap_or(f64::NEG_INFINITY),
                high: high.unwrap_or(f64::INFINITY),
                above: low.is_some(),
                below: high.is_some(),
            }
        };
        let mut range = match support {
            Support::Interval { lower, upper, .. } => bounds(lower, upper),
            Support::Ordered { lower, upper, .. } => bounds(lower, upper),
            Support::Simplex(_) => Interval {
                low: 0.0,
                high: 1.0,
                above: false,
                below: false,
            },
            Support::Vector(_) => Interval::ALL,
        };
        // A lower bound that is itself an expression is at least as low as its range.
        if let Support::Interval {
            lower: Some(lower), ..
        } = support
            && lower.as_number().is_none()
        {
            let known = self.range(lower);
            (range.low, range.above) = (known.low, true);
        }
        if let Support::Interval {
            upper: Some(upper), ..
        } = support
            && upper.as_number().is_none()
        {
            let known = self.range(upper);
            (range.high, range.below) = (known.high, true);
        }
        // Closed supports of simulated variables include their ends; inferred ones are strictly inside.
        let several = self.ranges.arrays.contains_key(&array);
        let range = if several {
            self.ranges.arrays[&array].join(range)
        } else {
            range
        };
        self.ranges.arrays.insert(array, range);
    }

    /// Statements that draw an element (or vector) and store it.
    fn sample(
        &mut self,
        array: ArrayId,
        at: &[Scalar],
        entered: &super::laws::Entered<'a>,
        law: &'a Law,
        support: &Support,
        span: Span,
    ) -> Outcome<Option<Vec<Statement>>> {
        self.open(BlockKind::Closed);
        let result = match &law.truncated {
            Some((lower, upper)) => self.truncated_draw(entered, lower, upper, span),
            None => self.member(entered, "sample", None, span),
        };
        let stored = result.map(|value| {
            value.map(|value| match value {
                Value::Scalar(value) => self.emit(Statement::Store {
                    array,
                    indices: at.to_vec(),
                    value,
                }),
                Value::Array(pull) => {
                    let binder = self.count_binder(support.size());
                    let index = Scalar::index(binder.index);
                    let value = pull.at(&self.loops.arrays, std::slice::from_ref(&index), span);
                    let mut indices = at.to_vec();
                    indices.push(index);
                    let body = vec![Statement::Store {
                        array,
                        indices,
                        value,
                    }];
                    self.emit(Statement::For { binder, body });
                }
            })
        });
        let statements = self.close();
        Ok(stored?.map(|()| statements))
    }

    /// Inverse of the cumulative distribution between the bounds, where the law has a quantile function.
    fn truncated_draw(
        &mut self,
        entered: &super::laws::Entered<'a>,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
        span: Span,
    ) -> Outcome<Option<Value>> {
        let has = |name: &str| entered.item.is_some_and(|item| item.member(name).is_some());
        if !has("quantile") || !has("cdf") || entered.draw.element == Element::Int {
            return Ok(None);
        }
        let (lower, upper) = self.truncation(lower, upper, entered)?;
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
        let low = probability(self, &lower, f64::NEG_INFINITY, 0.0)?;
        let high = probability(self, &upper, f64::INFINITY, 1.0)?;
        let uniform = Scalar(std::rc::Rc::new(super::loops::Node::Draw {
            draw: crate::math::primitive::Draw::Uniform,
            arguments: Vec::new(),
        }));
        let width = Scalar::operation(Operation::Subtract, vec![high, low.clone()]);
        let inside = Scalar::operation(Operation::Multiply, vec![width, uniform]);
        let p = Scalar::operation(Operation::Add, vec![low, inside]);
        let p = self.keep("p", p, Element::Real, span)?;
        let value = self
            .member(entered, "quantile", Some(Value::Scalar(p)), span)?
            .ok_or(Failure::Silent)?
            .scalar()?;
        // Rounding must not leave the bounds.
        let value = Scalar::operation(Operation::Maximum, vec![value, lower]);
        Ok(Some(Value::Scalar(Scalar::operation(
            Operation::Minimum,
            vec![value, upper],
        ))))
    }

    /// Draws in increasing order: one vector with the density of the unordered draws times K!.
    fn ordered(
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
        let arguments = match arguments {
            Some(arguments) => arguments,
            None => self.values(&law.call.arguments)?,
        };
        let scalars: Vec<Scalar> = arguments
            .iter()
            .filter_map(|value| value.clone().scalar().ok())
            .collect();
        let own: HashSet<_> = binders.iter().map(|binder| binder.index).collect();
        let varies = scalars.iter().any(|s| {
            super::fold::free_indices(s)
                .iter()
                .any(|index| own.contains(index))
        });
        let [binder] = &binders[..] else {
            return Err(Diagnostic::error("E0438", "`ordered` applies to one range")
                .at(law.span, "")
                .help("write `x[1..K] ~ … ordered`")
                .into());
        };
        if scalars.len() != arguments.len() || varies || binder.lower.as_int() != Some(1) {
            return Err(Diagnostic::error("E0438", "`ordered` needs draws that are alike, from index 1 on")
                .at(law.span, "the arguments differ between elements")
                .help("give every element the same arguments; for draws that differ no closed form of the normaliser is known")
                .into());
        }
        let size = self.loops.array(array).shape[0];
        let entered = self.enter(&law.call, arguments)?;
        let result = self.ordered_random(array, size, binder, &entered, law, span);
        self.leave(&entered);
        let random = result?;
        self.emit(Statement::Random(Box::new(random)));
        Ok(())
    }

    fn ordered_random(
        &mut self,
        array: ArrayId,
        size: usize,
        binder: &Binder,
        entered: &super::laws::Entered<'a>,
        law: &'a Law,
        span: Span,
    ) -> Outcome<Random> {
        let at = [Scalar::index(binder.index)];
        let mut support = self.support(entered, &at, law.span)?;
        if let (
            Some((lower, upper)),
            Support::Interval {
                lower: low,
                upper: high,
                ..
            },
        ) = (&law.truncated, &mut support)
        {
            let (lower, upper) = self.truncation(lower, upper, entered)?;
            narrow(low, lower, f64::NEG_INFINITY, Operation::Maximum);
            narrow(high, upper, f64::INFINITY, Operation::Minimum);
        }
        let Support::Interval { lower, upper, .. } = support.clone() else {
            return Err(Failure::Silent);
        };
        self.learn_range(array, &support);
        self.open(BlockKind::Over(vec![binder.index]));
        let x = Value::Scalar(super::pull::element(
            &self.loops.arrays,
            array,
            at.to_vec(),
            span,
        ));
        let term = self.law_term(entered, law, x, "it", false, span);
        let statements = self.close();
        let term = term?;
        let body = if statements.is_empty() {
            term.value.clone()
        } else {
            let place = self.store_over(
                std::slice::from_ref(binder),
                statements,
                term.value.clone(),
                Element::Real,
                "log density",
                span,
            )?;
            super::pull::element(&self.loops.arrays, place.array, at.to_vec(), span)
        };
        let sum = Scalar(std::rc::Rc::new(super::loops::Node::Reduce {
            reducer: Reducer::Sum,
            binders: vec![binder.clone()],
            body,
        }));
        let orders = likelier_runtime::math::special::lgamma(size as f64 + 1.0);
        let value = Scalar::operation(Operation::Add, vec![sum, Scalar::real(orders)]);
        let density = Term { value, ..term };
        let sample = {
            self.open(BlockKind::Closed);
            self.open(BlockKind::Over(vec![binder.index]));
            let drawn = self.sample(array, &at, entered, law, &support, span);
            let mut inner = self.close();
            let drawn = drawn?;
            let outer = self.close();
            drawn.map(|statements| {
                inner.extend(statements);
                let mut all = outer;
                all.push(Statement::For {
                    binder: binder.clone(),
                    body: inner,
                });
                all
            })
        };
        let support = Support::Ordered { size, lower, upper };
        Ok(Random {
            variable: array,
            indices: Vec::new(),
            observed: false,
            support,
            density,
            sample,
        })
    }

    /// The array of a random variable: its data, or storage of the shape that the statement says.
    fn random_storage(
        &mut self,
        variable: VariableId,
        indices: &'a [RandomIndex],
        law: &'a Law,
        arguments: Option<&[Value]>,
        binders: &[Binder],
        span: Span,
    ) -> Outcome<ArrayId> {
        let declared = &self.hir.variables[variable.0 as usize];
        if indices
            .iter()
            .any(|index| matches!(index, RandomIndex::At(_)))
        {
            return match self.arrays_of.get(&variable) {
                Some(array) => Ok(*array),
                None => self.element_storage(variable),
            };
        }
        let mut shape = Vec::new();
        for binder in binders {
            let Some(upper) = binder.upper.as_int() else {
                return Err(Diagnostic::error(
                    "E0410",
                    "the end of this range must be known when the data are",
                )
                .at(span, "")
                .help("draw element by element inside a `for`")
                .into());
            };
            shape.push(upper.max(0) as usize);
        }
        if let (Some(arguments), 0) = (arguments, self.draw_rank(&law.call)) {
            let scalars: Vec<Value> = arguments.to_vec();
            shape = self
                .common_shape(&scalars, &law.call.arguments, law.span)?
                .unwrap_or_default();
        }
        if self.draw_rank(&law.call) > 0 {
            shape.push(self.vector_length_here(law, arguments, binders)?);
        }
        match self.arrays_of.get(&variable).copied() {
            Some(array) if self.observed(variable) => {
                let found = self.loops.array(array).shape.clone();
                if found != shape {
                    let mut diagnostic = Diagnostic::error(
                        "E0440",
                        format!(
                            "`{}` has {} in the data, and the model says {}",
                            declared.name,
                            sizes(&found),
                            sizes(&shape)
                        ),
                    )
                    .at(span, format!("{} here", sizes(&shape)));
                    if let Some(origin) = self.bound.origin(&declared.name) {
                        diagnostic =
                            diagnostic.note(format!("`{}` comes from {origin}", declared.name));
                    }
                    let call_expressions = &law.call.arguments;
                    diagnostic = self.origins_note(diagnostic, call_expressions);
                    let help = if shape.is_empty() {
                        format!(
                            "write `{}[1..{}] ~ …` for one draw for each element",
                            declared.name,
                            found.first().copied().unwrap_or(0)
                        )
                    } else {
                        "make the data and the model agree".to_string()
                    };
                    return Err(diagnostic.help(help).into());
                }
                Ok(array)
            }
            Some(array) => Ok(array),
            None => {
                let (name, element) = (declared.name.clone(), declared.ty.element);
                let kind = ArrayKind::Random(self.role(variable));
                let array = self.array(name, shape, kind, declared.span);
                self.arrays_of.insert(variable, array);
                let value = self.stored_value(array, element, declared.span);
                self.frame().bind(variable, value);
                Ok(array)
            }
        }
    }

    fn vector_length_here(
        &mut self,
        law: &'a Law,
        arguments: Option<&[Value]>,
        binders: &[Binder],
    ) -> Outcome<usize> {
        for binder in binders {
            self.open(BlockKind::Over(vec![binder.index]));
        }
        let mut length = || -> Outcome<usize> {
            let values = match arguments {
                Some(arguments) => arguments.to_vec(),
                None => self.values(&law.call.arguments)?,
            };
            let entered = self.enter(&law.call, values)?;
            let support = self.support(&entered, &[], law.span);
            self.leave(&entered);
            Ok(support?.size())
        };
        let result = length();
        // What this needed is computed again where the law is used.
        for _ in binders {
            self.close();
        }
        result
    }

    fn given(
        &mut self,
        variable: VariableId,
        declared: &'a hir::Declared,
        default: Option<&'a hir::Expression>,
        span: Span,
    ) -> Outcome<()> {
        let name = &self.hir.variables[variable.0 as usize].name;
        let value = match (
            self.arrays_of.get(&variable),
            self.bound.sizes.get(&variable),
            default,
        ) {
            (Some(array), ..) => {
                let array = *array;
                let shape = self.loops.array(array).shape.clone();
                let mut expected = Vec::new();
                for size in &declared.sizes {
                    expected.push(self.int(size, "a size")?.max(0) as usize);
                }
                if shape != expected {
                    let mut diagnostic = Diagnostic::error(
                        "E0441",
                        format!(
                            "`{name}` has {} in the data, and the model says {}",
                            sizes(&shape),
                            sizes(&expected)
                        ),
                    )
                    .at(declared.span, format!("{} here", sizes(&expected)));
                    if let Some(origin) = self.bound.origin(name) {
                        diagnostic = diagnostic.note(format!("`{name}` comes from {origin}"));
                    }
                    for size in &declared.sizes {
                        if let ExpressionKind::Variable(id) = &*size.kind {
                            let size = &self.hir.variables[id.0 as usize].name;
                            if let (Some(value), origin) =
                                (self.bound.sizes.get(id), self.bound.origin(size))
                            {
                                let origin = origin.map_or(
                                    "the first array that mentions it".to_string(),
                                    str::to_string,
                                );
                                diagnostic =
                                    diagnostic.note(format!("`{size}` is {value}, from {origin}"));
                            }
                        }
                    }
                    return Err(diagnostic.help("make the data and the model agree").into());
                }
                self.stored_value(array, declared.element, span)
            }
            (None, Some(size), _) => Value::Scalar(Scalar::int(*size)),
            (None, None, Some(default)) => self.value(default)?,
            (None, None, None) => {
                let keys: Vec<String> = self.data_keys.clone();
                let near = crate::source::suggest::nearest(name, keys.iter().map(String::as_str));
                let help = match near {
                    Some(near) => format!(
                        "is it `{near}` in the data? Write `given {name}: … from \"{near}\"`, or rename one of them"
                    ),
                    None => format!(
                        "add the key `{name}` to the data, or give it a default: `given {name}: … = …`"
                    ),
                };
                let mut diagnostic =
                    Diagnostic::error("E0442", format!("the data have no `{name}`"))
                        .at(span, "given here");
                if !keys.is_empty() {
                    diagnostic = diagnostic.note(format!("the data hold {}", keys.join(", ")));
                }
                return Err(diagnostic.help(help).into());
            }
        };
        self.frame().bind(variable, value.clone());
        let mut conditions = Vec::new();
        self.conditions(
            declared,
            &value,
            &format!("`{name}`"),
            span,
            &mut conditions,
        )
        .map_err(|failure| match failure {
            Failure::Said(diagnostic) => {
                let diagnostic = match self.bound.origin(name) {
                    Some(origin) => diagnostic.note(format!("`{name}` comes from {origin}")),
                    None => *diagnostic,
                };
                Failure::Said(Box::new(diagnostic))
            }
            silent => silent,
        })
    }
}

/// The tighter of two bounds.
fn narrow(bound: &mut Option<Scalar>, other: Scalar, open: f64, tighter: Operation) {
    if other.as_number() == Some(open) {
        return;
    }
    *bound = Some(match bound.take() {
        Some(bound) => Scalar::operation(tighter, vec![bound, other]),
        None => other,
    });
}
