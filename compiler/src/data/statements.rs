//! The statements of a model, in order: values get names, random variables their storage, their law at each element and
//! the way to draw them, conditions their place in the log density.

use std::collections::HashSet;

use super::expand::{Binding, BlockKind, Expander, Failure, Outcome};
use super::expression::sizes;
use super::loops::{
    ArrayKind, Binder, Condition, IndexId, Observation, Report, Scalar, Statement, Term,
};
use super::pull::{Body, Pull, Value};
use super::size_errors::missing_covariate;
use super::subscripts::subscripts_text;
use crate::check::hir::{self, Element, ExpressionKind, Law, StatementKind, VariableId};
use crate::check::walk::all_statements;
use crate::math::graph::Part;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Sources, Span};

impl<'a> Expander<'a> {
    /// All statements of the model; errors are collected.
    pub fn model(&mut self) {
        self.statements(&self.hir.statements);
    }

    pub(super) fn statements(&mut self, statements: &'a [hir::Statement]) {
        for statement in statements {
            if let Err(failure) = self.statement(statement) {
                if let Failure::Said(mut diagnostic) = failure {
                    if diagnostic.labels.is_empty() {
                        *diagnostic = diagnostic.at(statement.span, "");
                    }
                    self.diagnostics.push(*diagnostic);
                }
                self.poison(statement);
            }
        }
    }

    /// What a failed statement defines is unknown from here on.
    pub(super) fn poison(&mut self, statement: &hir::Statement) {
        if let StatementKind::LetTuple { variables, .. } = &statement.kind {
            for variable in variables {
                self.frame().bindings[variable.0 as usize] = Some(Binding::Poisoned);
            }
        }
        if let StatementKind::Let { variable, .. }
        | StatementKind::Given { variable, .. }
        | StatementKind::Report {
            defines: Some(variable),
            ..
        }
        | StatementKind::Random { variable, .. } = &statement.kind
        {
            let binding = &mut self.frame().bindings[variable.0 as usize];
            if binding.is_none() || !matches!(statement.kind, StatementKind::Random { .. }) {
                *binding = Some(Binding::Poisoned);
            }
        }
    }

    pub(super) fn statement(&mut self, statement: &'a hir::Statement) -> Outcome<()> {
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
                if self.in_model() {
                    self.check_number(&value, *variable, span)?;
                }
                self.frame().bind(*variable, value);
                Ok(())
            }
            StatementKind::Let {
                variable,
                indices,
                value,
            } => self.let_element(*variable, indices, value, span),
            StatementKind::LetTuple { variables, call } => self.let_tuple(variables, call, span),
            StatementKind::Random {
                variable,
                indices,
                law,
            } => self.random(*variable, indices, law, span),
            StatementKind::Observe { value, law } => self.observe(value, law, span),
            StatementKind::Factor { value } => {
                let value = self.scalar(value)?;
                let term = self.term(value, Vec::new(), Part::Likelihood, span);
                self.emit(Statement::Term(Box::new(term)));
                Ok(())
            }
            StatementKind::Require { condition, .. } => self.require(statement, condition),
            StatementKind::Soft {
                formula, weight, ..
            } => self.soft(
                statement,
                formula,
                weight.as_ref().map(|(weight, _)| weight),
            ),
            StatementKind::Report {
                name,
                defines,
                value,
            } => self.report(name, *defines, value, span),
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

    /// What data alone decide and is no number is a mistake here, not where it is used.
    fn check_number(&mut self, value: &Value, variable: VariableId, span: Span) -> Outcome<()> {
        let element = match value {
            Value::Scalar(scalar) => self
                .constant(scalar)?
                .filter(|number| number.is_nan())
                .map(|_| String::new()),
            Value::Array(Pull {
                body: Body::Stored(place),
                shape,
                ..
            }) if place.prefix.is_empty() => match &self.loops.array(place.array).kind {
                ArrayKind::Real(numbers) => numbers
                    .iter()
                    .position(|number| number.is_nan())
                    .map(|flat| element_index(flat, shape)),
                _ => None,
            },
            Value::Array(_) => None,
        };
        let Some(element) = element else {
            return Ok(());
        };
        let name = &self.hir.variables[variable.0 as usize].name;
        Err(
            Diagnostic::error("E0407", format!("`{name}{element}` is not a number"))
                .at(span, "computed from the data alone")
                .help("look for a logarithm or a root of a negative number, or 0 / 0")
                .into(),
        )
    }

    pub(super) fn model_loop(
        &mut self,
        index: VariableId,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
        body: &'a [hir::Statement],
    ) -> Outcome<()> {
        let binder = self.enter_round(index, lower, upper)?;
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
            if let Some(split) = self.splits.get(&variable) {
                arrays.extend(split.defined());
            }
        }
        self.open(BlockKind::Over(vec![binder.index]));
        self.blocks.last_mut().expect("the loop").defines = arrays;
        self.statements(body);
        let statements = self.close();
        self.settle(vec![Statement::For {
            binder,
            body: statements,
        }])
    }

    /// Makes the index of a loop and binds its variable to it.
    pub(super) fn enter_round(
        &mut self,
        variable: VariableId,
        lower: &'a hir::Expression,
        upper: &'a hir::Expression,
    ) -> Outcome<Binder> {
        let (lower, upper) = (self.scalar(lower)?, self.scalar(upper)?);
        let (lower, upper) = (
            self.folded(lower, Element::Int)?,
            self.folded(upper, Element::Int)?,
        );
        let name = self.hir.variables[variable.0 as usize].name.clone();
        let index = self.index(name, lower.clone(), upper.clone());
        let value = Value::Scalar(Scalar::index(index));
        self.frame().bind(variable, value);
        Ok(Binder {
            index,
            lower,
            upper,
        })
    }

    pub(super) fn require(
        &mut self,
        statement: &'a hir::Statement,
        condition: &'a hir::Expression,
    ) -> Outcome<()> {
        let span = statement.span;
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
        let term = {
            let part = self.constraint_part(&statement.kind, span);
            self.term(Scalar::real(0.0), domain, part, span)
        };
        self.emit(Statement::Term(Box::new(term)));
        Ok(())
    }

    pub(super) fn report(
        &mut self,
        name: &str,
        defines: Option<VariableId>,
        value: &'a hir::Expression,
        span: Span,
    ) -> Outcome<()> {
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
        if let Some(variable) = defines {
            self.frame().bind(variable, result);
        }
        Ok(())
    }

    /// A term with the description of its statement.
    pub fn term(&mut self, value: Scalar, domain: Vec<Condition>, part: Part, span: Span) -> Term {
        let description = description(self.sources, span);
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
            part,
            observation: None,
            residuals: Vec::new(),
            description,
            span,
        }
    }

    pub(super) fn observe(
        &mut self,
        value: &'a hir::Expression,
        law: &'a Law,
        span: Span,
    ) -> Outcome<()> {
        let observed = self.value(value)?;
        let arguments = self.law_arguments(&law.call)?;
        let vector = self.draw_rank(&law.call) > 0;
        let shape = if vector {
            Vec::new()
        } else {
            observed.shape().to_vec()
        };
        // In a `for`, every round observes once more.
        let (mut all, rounds) = self.rounds_around();
        all.extend(&shape);
        let observation = self.observation(None, &all);
        self.plate(&shape, |expander, at| {
            let here = expander.arguments_at(law, &arguments, at, &shape, span)?;
            expander.element = (at.to_vec(), shape.clone());
            let x = if vector {
                observed.clone()
            } else {
                Value::Scalar(expander.at(&observed, at, span))
            };
            let entered = expander.enter(&law.call, here)?;
            let term = expander.law_term(&entered, law, x, "the observed value", true, span);
            expander.leave(&entered);
            let term = Term {
                observation: Some((observation, [&rounds, at].concat())),
                ..term?
            };
            expander.emit(Statement::Term(Box::new(term)));
            Ok(())
        })
    }

    /// The loops that are open: how many rounds each has at most, and the number of the present one, from 1.
    fn rounds_around(&self) -> (Vec<usize>, Vec<Scalar>) {
        let open = self.blocks.iter().filter_map(|block| match &block.kind {
            BlockKind::Over(indices) => Some(indices),
            BlockKind::Straight | BlockKind::Closed => None,
        });
        let one = |&index: &IndexId| {
            let range = self.ranges.of_index(&self.loops.arrays, index);
            let shift = Scalar::int(1 - range.low as i64);
            let number = Scalar::operation(Operation::IntAdd, vec![Scalar::index(index), shift]);
            let most = (range.high - range.low + 1.0).max(0.0) as usize;
            range.high.is_finite().then_some((most, number))
        };
        open.flatten().filter_map(one).unzip()
    }

    /// The number of an observation.
    pub(super) fn observation(&mut self, name: Option<&str>, shape: &[usize]) -> u32 {
        let observations = &mut self.loops.observations;
        let known = observations
            .iter()
            .position(|other| name.is_some() && other.name.as_deref() == name);
        known.unwrap_or_else(|| {
            observations.push(Observation {
                name: name.map(str::to_string),
                shape: shape.to_vec(),
            });
            observations.len() - 1
        }) as u32
    }

    pub(super) fn given(
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
                if shape.first() == Some(&0) && expected.first() == Some(&0) {
                    self.loops.arrays[array.0 as usize].shape = expected.clone();
                } else if shape != expected {
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
                return Err(missing_covariate(name, span, self.dataset, self.bound).into());
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
                let origin = self.bound.origin(name);
                let note = origin.map(|origin| format!("`{name}` comes from {origin}"));
                match note {
                    Some(note) if !diagnostic.notes.contains(&note) => {
                        Failure::Said(Box::new(diagnostic.note(note)))
                    }
                    _ => Failure::Said(diagnostic),
                }
            }
            silent => silent,
        })
    }
}

/// What a statement is called in reports: its line and the first line of its text.
pub(super) fn description(sources: &Sources, span: Span) -> String {
    let text = sources.excerpt(span).lines().next().unwrap_or("").trim();
    format!("line {}: `{text}`", sources.line(span))
}

/// `[2, 3]` of a flat position.
fn element_index(flat: usize, shape: &[usize]) -> String {
    format!("[{}]", subscripts_text(flat, shape))
}
