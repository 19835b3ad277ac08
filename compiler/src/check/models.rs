//! `model` items. `b ~ horseshoe(K)` checks the statements of the item once more as statements of the program that uses
//! it: the names inside become `b.tau`, `b.lambda`, …, parameters stand for their arguments, and `b` is what it returns.
//! From there on nothing knows that there was an item: its variables are observed, inferred and simulated like any other.
//!
//! With indices, `b[j in 1..J] ~ m(…)`, the statements stand in a loop, and every variable inside has the indices of `b`
//! in front of its own: `b.tau[j]`. These indices are the *plate* of the [`Instance`].

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::arguments::Sizes;
use super::expressions::make;
use super::hir::{
    Element, Expression, ExpressionKind, Parameter, RandomIndex, Selector, Size, Statement,
    StatementKind, Type, Variable, VariableId, VariableKind, Whole,
};
use super::library::Item;
use super::names::{Ahead, Owner, Scope};
use super::{Checked, Checker, Said};
use crate::ast::tree;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, FileId, Span};

/// The item whose statements are being checked for a program that uses it.
pub(super) struct Instance {
    /// What stands before the names inside: `b.`
    pub prefix: String,
    /// Where the item is written.
    pub file: FileId,
    /// The indices in front of those of every variable inside.
    pub plate: Vec<Expression>,
    /// The variables that have them.
    pub plated: HashSet<VariableId>,
    /// Parameters and sizes that stand for an expression.
    pub values: HashMap<VariableId, Expression>,
}

/// A model item, checked by itself.
pub(super) struct Model {
    item: Rc<tree::ModelItem>,
    parameters: Vec<Parameter>,
    variables: Vec<Variable>,
    /// The item as a program whose parameters are given.
    program: (Vec<Variable>, Vec<Statement>),
}

/// What is known of the model items of a name.
pub(super) enum Known {
    /// It is being checked.
    Open,
    /// It had an error.
    Failed,
    /// It is right.
    Right(Rc<Model>),
}

/// What an item came to where it is used.
struct Expanded {
    /// What its parameters are.
    parameters: Vec<Statement>,
    statements: Vec<Statement>,
    result: Option<Expression>,
}

impl Checker<'_> {
    fn model_item(&mut self, name: &str) -> Option<Rc<tree::ModelItem>> {
        self.items(name).into_iter().find_map(|item| match item {
            Item::Model(item, _) => Some(item),
            _ => None,
        })
    }

    /// Whether a statement uses a model item.
    pub(super) fn uses_model(&mut self, law: &tree::Distribution) -> bool {
        matches!(self.scope.owner, Owner::Model) && self.model_item(&law.name.text).is_some()
    }

    /// The element type and rank of what a model item gives, from its text alone.
    pub(super) fn announced_result(
        &mut self,
        law: &tree::Distribution,
    ) -> Option<(Element, usize)> {
        let item = self.model_item(&law.name.text)?;
        let result = item.result.as_ref()?;
        let extra = usize::from(
            ["cov", "corr", "cholesky_cov", "cholesky_corr"].contains(&result.name.text.as_str()),
        );
        Some((Element::Real, result.sizes.len() + extra))
    }

    /// The model item of a name, checked by itself; `None` after an error.
    pub(super) fn model_named(&mut self, name: &str) -> Option<Rc<Model>> {
        match self.known_models.get(name) {
            Some(Known::Right(model)) => return Some(model.clone()),
            Some(Known::Failed) => return None,
            Some(Known::Open) => {
                let span = self.model_item(name)?.name.span;
                let _: Checked<()> = self.say(
                    Diagnostic::error("E0270", format!("the model `{name}` contains itself"))
                        .at(span, "")
                        .help("a model may use others, not itself; recursion belongs to `fn`"),
                );
                return None;
            }
            None => {}
        }
        let item = self.model_item(name)?;
        self.known_models.insert(name.into(), Known::Open);
        let errors = self.diagnostics.len();
        let model = self.model_alone(&item);
        let known = match model {
            Ok(model) if self.diagnostics[errors..].iter().all(|d| !d.is_error()) => {
                Known::Right(Rc::new(model))
            }
            _ => Known::Failed,
        };
        self.known_models.insert(name.into(), known);
        match self.known_models.get(name) {
            Some(Known::Right(model)) => Some(model.clone()),
            _ => None,
        }
    }

    fn model_alone(&mut self, item: &Rc<tree::ModelItem>) -> Checked<Model> {
        let outer = std::mem::replace(&mut self.scope, Scope::new(Owner::Signature));
        let instances = std::mem::take(&mut self.instances);
        let constraints = std::mem::take(&mut self.constraints);
        let reports = std::mem::take(&mut self.late_reports);
        let parameters = self.parameters(&item.parameters);
        let signature = std::mem::replace(&mut self.scope, Scope::model());
        let statements = match parameters {
            Ok(_) => self.alone(item),
            Err(Said) => Err(Said),
        };
        let scope = std::mem::replace(&mut self.scope, outer);
        (self.instances, self.late_reports) = (instances, reports);
        self.constraints = constraints;
        Ok(Model {
            item: item.clone(),
            parameters: parameters?,
            variables: signature.variables,
            program: (scope.variables, statements?),
        })
    }

    /// The statements of an item as a program, its parameters given.
    fn alone(&mut self, item: &tree::ModelItem) -> Checked<Vec<Statement>> {
        let mut statements = Vec::new();
        for parameter in &item.parameters {
            let given = tree::Statement {
                span: parameter.name.span,
                doc: None,
                kind: tree::StatementKind::Given {
                    name: parameter.name.clone(),
                    ty: parameter.ty.clone(),
                    levels: None,
                    column: None,
                    default: parameter.default.clone(),
                },
            };
            statements.extend(self.block_statements(std::slice::from_ref(&given)));
        }
        let expanded = self.item_body(item)?;
        statements.extend(expanded.statements);
        statements.append(&mut self.late_reports);
        if let Some(value) = expanded.result {
            statements.push(Statement {
                span: value.span,
                kind: StatementKind::Report {
                    name: item.name.text.clone(),
                    defines: None,
                    value,
                },
            });
        }
        Ok(statements)
    }

    /// The statements of an item in the scope that is open, and what it returns.
    fn item_body(&mut self, item: &tree::ModelItem) -> Checked<Expanded> {
        let (body, returned) = match item.body.split_last() {
            Some((
                tree::Statement {
                    kind: tree::StatementKind::Return { value },
                    ..
                },
                rest,
            )) => (rest, Some(value)),
            _ => (&item.body[..], None),
        };
        self.announce(body);
        let statements = self.block_statements(body);
        let result = match (&item.result, returned) {
            (Some(ty), Some(value)) => {
                let value = self.expression(value)?;
                let (_, ty) = self.declared(ty)?;
                Some(self.convert(value, &ty, "the result")?)
            }
            (None, None) => None,
            (Some(_), None) => {
                return self.say(
                    Diagnostic::error(
                        "E0213",
                        format!("`{}` may end without a result", item.name.text),
                    )
                    .at(item.name.span, "its last statement is not a `return`")
                    .help("end it with `return …`, or leave out `-> …`"),
                );
            }
            (None, Some(value)) => {
                return self.say(
                    Diagnostic::error(
                        "E0271",
                        format!(
                            "`{}` returns something and does not say what",
                            item.name.text
                        ),
                    )
                    .at(value.span, "")
                    .help("give the type of the result: `model m(…) -> real { … }`"),
                );
            }
        };
        Ok(Expanded {
            parameters: Vec::new(),
            statements,
            result,
        })
    }

    /// The program that a model item is, its parameters being given.
    pub(super) fn program_of(&mut self, name: &str) -> Option<(Vec<Variable>, Vec<Statement>)> {
        self.model_named(name).map(|model| model.program.clone())
    }

    /// `b ~ m(…)` or `b[j in 1..J] ~ m(…)`.
    pub(super) fn instance(
        &mut self,
        statement: &tree::Statement,
        name: &tree::Name,
        indices: &[tree::RandomIndex],
        law: &tree::Distribution,
    ) -> Checked<Vec<Statement>> {
        if let Some(modifier) = law.modifiers.first() {
            let span = match modifier {
                tree::Modifier::Truncated { span, .. }
                | tree::Modifier::Censored { span, .. }
                | tree::Modifier::Ordered { span } => *span,
            };
            return self.say(
                Diagnostic::error(
                    "E0272",
                    format!("`{}` is a model, not a distribution", law.name.text),
                )
                .at(span, "")
                .help("modify the distributions inside it"),
            );
        }
        if indices.is_empty() && self.scope.loops > 0 {
            return self.draw_without_index(name);
        }
        let prefix = match &self.scope.instance {
            Some(outer) => format!("{}{}.", outer.prefix, name.text),
            None => format!("{}.", name.text),
        };
        if !self.instances.insert(prefix.clone()) {
            return self.say(
                Diagnostic::error("E0202", format!("`{}` is defined twice", name.text))
                    .at(name.span, "defined again")
                    .help("a model is used once under one name; for several of them write `b[j in 1..J] ~ …`"),
            );
        }
        let model = self.model_named(&law.name.text).ok_or(Said)?;
        let (statements, result) = self.block(|checker| {
            checker.indexed_instance(statement, name, indices, law, &model, prefix)
        })?;
        let Some(value) = result else {
            return Ok(statements);
        };
        let mut statements = statements;
        let variable = self.define(&name.text, name.span, VariableKind::Let, value.ty.clone())?;
        self.scope.variable(variable).doc = statement.doc.clone();
        self.report_later(variable, name.span);
        statements.push(Statement {
            span: statement.span,
            kind: StatementKind::Let {
                variable,
                indices: Vec::new(),
                value,
            },
        });
        Ok(statements)
    }

    /// What a program's model gives is kept with every draw, as if it were reported at the end.
    fn report_later(&mut self, variable: VariableId, span: Span) {
        if self.scope.instance.is_some() {
            return;
        }
        let known = &self.scope.variables[variable.0 as usize];
        let (name, ty) = (known.name.clone(), known.ty.clone());
        let value = make(span, ty, ExpressionKind::Variable(variable));
        self.late_reports.push(Statement {
            span,
            kind: StatementKind::Report {
                name,
                defines: None,
                value,
            },
        });
    }

    /// The statements of an instance with its loops. Its value is returned if nothing indexes it, else stored.
    fn indexed_instance(
        &mut self,
        statement: &tree::Statement,
        name: &tree::Name,
        indices: &[tree::RandomIndex],
        law: &tree::Distribution,
        model: &Rc<Model>,
        prefix: String,
    ) -> Checked<(Vec<Statement>, Option<Expression>)> {
        let outer_plate = match &self.scope.instance {
            Some(outer) => outer.plate.clone(),
            None => Vec::new(),
        };
        let (own, sizes) = self.random_indices(indices)?;
        let mut plate = outer_plate.clone();
        for index in &own {
            plate.push(match index {
                RandomIndex::At(at) => at.clone(),
                RandomIndex::Over { variable, .. } => {
                    make(name.span, Type::INT, ExpressionKind::Variable(*variable))
                }
            });
        }
        let item_name = law.name.text.as_str();
        let slots = self.match_arguments(
            item_name,
            &model.parameters,
            &model.variables,
            &law.arguments,
            law.span,
        )?;
        let mut learnt = Sizes::default();
        let mut arguments = Vec::new();
        for (parameter, argument) in model.parameters.iter().zip(slots) {
            let declared = &model.variables[parameter.variable.0 as usize];
            let (ty, text) = (&declared.ty, declared.name.as_str());
            let argument = self.fit(argument, ty, false, text, item_name, &model.variables)?;
            learnt.learn(self, ty, &argument, &model.variables)?;
            arguments.push(argument);
        }

        let blocks = std::mem::replace(&mut self.scope.blocks, vec![HashMap::new()]);
        let instance = Instance {
            prefix,
            file: model.item.name.span.file,
            plate: plate.clone(),
            plated: HashSet::new(),
            values: HashMap::new(),
        };
        let outer = self.scope.instance.replace(instance);
        let (loops, branches) = (self.scope.loops, self.scope.branches);
        (self.scope.loops, self.scope.branches) = (0, 0);
        let errors = self.diagnostics.len();
        let expanded = self.instance_body(model, arguments, &learnt, law.span);
        for diagnostic in &mut self.diagnostics[errors..] {
            *diagnostic = diagnostic.clone().at(law.span, "used here");
        }
        (self.scope.loops, self.scope.branches) = (loops, branches);
        let inner = std::mem::replace(&mut self.scope.blocks, blocks);
        let instance = std::mem::replace(&mut self.scope.instance, outer).expect("it was set");
        let expanded = expanded?;
        self.export(name, &inner[0], &instance, !outer_plate.is_empty());

        let span = statement.span;
        // What does not change with the indices is computed before the loop.
        let (inside, before): (Vec<Statement>, Vec<Statement>) =
            expanded.parameters.into_iter().partition(|parameter| {
                let mut mentions = false;
                parameter.expressions(&mut |e| {
                    e.variables(0, &mut |id, _| {
                        mentions |= own.iter().any(
                            |index| matches!(index, RandomIndex::Over { variable, .. } if *variable == id),
                        );
                    });
                });
                mentions
            });
        let mut statements = inside;
        statements.extend(expanded.statements);
        let mut result = expanded.result;
        if !plate.is_empty()
            && let Some(value) = result.take()
        {
            let sizes = vec![Size::Unknown; outer_plate.len()]
                .into_iter()
                .chain(sizes);
            let stored = self.stored_result(statement, name, &plate, sizes.collect(), value)?;
            statements.extend(stored);
        }
        for index in own.into_iter().rev() {
            let RandomIndex::Over {
                variable,
                lower,
                upper,
            } = index
            else {
                continue;
            };
            let kind = StatementKind::For {
                index: variable,
                lower,
                upper,
                body: statements,
            };
            statements = vec![Statement { span, kind }];
        }
        let all = before.into_iter().chain(statements);
        Ok((all.collect(), result))
    }

    /// Binds parameters and sizes, then checks the body.
    fn instance_body(
        &mut self,
        model: &Rc<Model>,
        arguments: Vec<Expression>,
        learnt: &Sizes,
        span: Span,
    ) -> Checked<Expanded> {
        let mut bound: HashMap<VariableId, Expression> = HashMap::new();
        let mut parameters = Vec::new();
        for (parameter, argument) in model.parameters.iter().zip(arguments) {
            let declared = &model.variables[parameter.variable.0 as usize];
            let id = self.scope.add(
                &declared.name,
                declared.span,
                VariableKind::Let,
                argument.ty.clone(),
            );
            if is_simple(&argument) {
                self.stands_for(id, argument.clone());
                bound.insert(parameter.variable, argument);
                continue;
            }
            let value = make(
                argument.span,
                argument.ty.clone(),
                ExpressionKind::Variable(id),
            );
            bound.insert(parameter.variable, value);
            parameters.push(Statement {
                span: argument.span,
                kind: StatementKind::Let {
                    variable: id,
                    indices: Vec::new(),
                    value: argument,
                },
            });
        }
        for (position, size) in model.variables.iter().enumerate() {
            if size.kind != VariableKind::Size {
                continue;
            }
            let wanted = VariableId(position as u32);
            let known = learnt
                .of(wanted)
                .and_then(|size| self.size_value(size, span));
            let value = known.or_else(|| length_of(model, wanted, &bound, span));
            let id = self
                .scope
                .add(&size.name, size.span, VariableKind::Let, Type::INT);
            if let Some(value) = value {
                self.stands_for(id, value);
            }
        }
        let expanded = self.item_body(&model.item)?;
        Ok(Expanded {
            parameters,
            ..expanded
        })
    }

    fn stands_for(&mut self, id: VariableId, value: Expression) {
        if let Some(instance) = &mut self.scope.instance {
            instance.values.insert(id, value);
        }
    }

    /// A symbolic size as an expression.
    pub(super) fn size_value(&self, size: &Size, span: Span) -> Option<Expression> {
        let int = |value: i64| make(span, Type::INT, ExpressionKind::Int(value));
        match size {
            Size::Known(number) => Some(int(*number)),
            Size::Unknown => None,
            Size::Linear(terms, constant) => {
                let mut sum: Option<Expression> = (*constant != 0).then(|| int(*constant));
                for (variable, factor) in terms {
                    let mut term = make(span, Type::INT, ExpressionKind::Variable(*variable));
                    if *factor != 1 {
                        let both = vec![int(*factor), term];
                        term = self.operation(Operation::IntMultiply, both, span);
                    }
                    sum = Some(match sum {
                        Some(sum) => self.operation(Operation::IntAdd, vec![term, sum], span),
                        None => term,
                    });
                }
                sum
            }
        }
    }

    /// Makes the variables of an instance known around it under their full names.
    fn export(
        &mut self,
        name: &tree::Name,
        inner: &HashMap<String, VariableId>,
        instance: &Instance,
        in_plate: bool,
    ) {
        for (own, id) in inner {
            let is_own = !instance.values.contains_key(id);
            let is_whole = instance.plate.is_empty() || instance.plated.contains(id);
            let kind = self.scope.variables[id.0 as usize].kind;
            let is_named = matches!(kind, VariableKind::Random | VariableKind::Let);
            if !(is_own && is_whole && is_named) {
                continue;
            }
            let full = format!("{}.{own}", name.text);
            self.scope.blocks[0].insert(full, *id);
            if let Some(outer) = self.scope.instance.as_mut().filter(|_| in_plate) {
                outer.plated.insert(*id);
            }
        }
    }

    /// Stores what an instance of a plate gives: a number, or a row.
    fn stored_result(
        &mut self,
        statement: &tree::Statement,
        name: &tree::Name,
        plate: &[Expression],
        mut sizes: Vec<Size>,
        value: Expression,
    ) -> Checked<Vec<Statement>> {
        let span = statement.span;
        let value = value.to_real();
        if value.ty.element != Element::Real || plate.len() + value.ty.rank() > 2 {
            return self.say(
                Diagnostic::error(
                    "E0304",
                    "arrays have at most two index positions in this version, and hold numbers",
                )
                .at(
                    name.span,
                    format!("this has {}", plate.len() + value.ty.rank()),
                )
                .help("use one array for each value of the first index"),
            );
        }
        sizes.truncate(plate.len());
        sizes.extend(value.ty.sizes.iter().cloned());
        let ty = Type {
            element: Element::Real,
            sizes,
        };
        let variable = match self.scope.find(&name.text) {
            Some(variable) => variable,
            None => {
                let kind = VariableKind::Let;
                let id = self
                    .scope
                    .add_global(&name.text, name.span, kind, ty.clone());
                self.scope.ahead[id.0 as usize] = Ahead::Typed;
                id
            }
        };
        let known = self.scope.variables[variable.0 as usize].clone();
        if known.kind != VariableKind::Let || self.scope.ahead[variable.0 as usize] == Ahead::No {
            let diagnostic = self.defined_twice(&name.text, name.span, &known);
            return self.say(diagnostic);
        }
        self.scope.ahead[variable.0 as usize] = Ahead::No;
        self.scope.variable(variable).ty = ty;
        self.scope.variable(variable).doc = statement.doc.clone();
        self.report_later(variable, name.span);
        let define = |indices: Vec<Expression>, value: Expression| Statement {
            span,
            kind: StatementKind::Let {
                variable,
                indices,
                value,
            },
        };
        if value.ty.rank() == 0 {
            return Ok(vec![define(plate.to_vec(), value)]);
        }
        let row_type = value.ty.clone();
        let row = self
            .scope
            .add("result", span, VariableKind::Let, row_type.clone());
        let whole = || make(span, row_type.clone(), ExpressionKind::Variable(row));
        let length = self
            .size_value(&row_type.sizes[0], span)
            .unwrap_or_else(|| whole_length(Whole::Length, whole(), span));
        let index = self.scope.add("_", span, VariableKind::Index, Type::INT);
        let at = make(span, Type::INT, ExpressionKind::Variable(index));
        let element = make(
            span,
            Type::REAL,
            ExpressionKind::Index {
                base: whole(),
                selectors: vec![Selector::At(at.clone())],
            },
        );
        let mut indices = plate.to_vec();
        indices.push(at);
        let rows = StatementKind::For {
            index,
            lower: make(span, Type::INT, ExpressionKind::Int(1)),
            upper: length,
            body: vec![define(indices, element)],
        };
        let keep = StatementKind::Let {
            variable: row,
            indices: Vec::new(),
            value,
        };
        Ok([keep, rows].map(|kind| Statement { span, kind }).to_vec())
    }
}

/// Whether an expression may stand wherever its parameter does: names, numbers, and arithmetic of ints.
fn is_simple(e: &Expression) -> bool {
    match &*e.kind {
        ExpressionKind::Real(_)
        | ExpressionKind::Int(_)
        | ExpressionKind::Bool(_)
        | ExpressionKind::Variable(_) => true,
        ExpressionKind::Operation {
            operation,
            arguments,
        } => {
            (e.ty == Type::INT || *operation == Operation::IntToReal)
                && e.ty.rank() == 0
                && arguments.iter().all(is_simple)
        }
        _ => false,
    }
}

/// A size as the length of the argument that tells it.
fn length_of(
    model: &Model,
    size: VariableId,
    bound: &HashMap<VariableId, Expression>,
    span: Span,
) -> Option<Expression> {
    for parameter in &model.parameters {
        let position = parameter
            .declared
            .sizes
            .iter()
            .position(|e| matches!(&*e.kind, ExpressionKind::Variable(id) if *id == size));
        let Some(position) = position else { continue };
        let value = bound.get(&parameter.variable)?.clone();
        let function = if position == 0 {
            Whole::Length
        } else {
            Whole::Columns
        };
        return Some(whole_length(function, value, span));
    }
    None
}

fn whole_length(function: Whole, array: Expression, span: Span) -> Expression {
    let kind = ExpressionKind::Whole {
        function,
        arguments: vec![array],
    };
    make(span, Type::INT, kind)
}

/// What a file without statements of its own says to whoever runs it.
pub(super) fn unnamed(models: &[&str], file: &str) -> Diagnostic {
    let list = models.join("`, `");
    let first = models.first().copied().unwrap_or("m");
    Diagnostic::error(
        "E0105",
        format!("`{file}` holds models and no statements of its own"),
    )
    .note(format!("there is `{list}`"))
    .help(format!("name the one you mean: `{file}:{first}`"))
}
