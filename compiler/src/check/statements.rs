//! Typing of statements: those of a model, and the plainer ones of functions.

use super::hir::{
    Declared, Expression, ExpressionKind, Statement, StatementKind, Support, Type, VariableId,
    VariableKind,
};
use super::names::Owner;
use super::{Checked, Checker, Said};
use crate::ast::tree;
use crate::source::{Diagnostic, Span};

impl Checker<'_> {
    /// The statements of a program.
    pub(super) fn model(&mut self, statements: &[tree::Statement]) -> Vec<Statement> {
        self.announce(statements);
        for statement in statements {
            if let tree::StatementKind::Given { name, .. }
            | tree::StatementKind::Let { name, .. }
            | tree::StatementKind::Report {
                name,
                value: Some(_),
            } = &statement.kind
            {
                self.scope
                    .later
                    .entry(name.text.clone())
                    .or_insert(name.span);
            }
        }
        let mut checked = self.block_statements(statements);
        checked.append(&mut self.late_reports);
        checked
    }

    pub(super) fn block_statements(&mut self, statements: &[tree::Statement]) -> Vec<Statement> {
        let mut checked = Vec::new();
        for statement in statements {
            if let tree::StatementKind::Random {
                name,
                indices,
                distribution,
            } = &statement.kind
                && self.uses_model(distribution)
            {
                match self.instance(statement, name, indices, distribution) {
                    Ok(mut expanded) => checked.append(&mut expanded),
                    Err(Said) => self.poison_name(name),
                }
                continue;
            }
            if let Ok(Some(kind)) = self.statement(statement) {
                checked.push(Statement {
                    span: statement.span,
                    kind,
                });
            }
        }
        checked
    }

    /// After an error: whatever uses the name is silent.
    fn poison_name(&mut self, name: &tree::Name) {
        let id = match self.scope.find(&name.text) {
            Some(id) => id,
            None => self
                .scope
                .add_global(&name.text, name.span, VariableKind::Let, Type::REAL),
        };
        self.scope.poison(id);
    }

    pub(super) fn statement(
        &mut self,
        statement: &tree::Statement,
    ) -> Checked<Option<StatementKind>> {
        use tree::StatementKind as Tree;
        let model = self.scope.owner == Owner::Model;
        if model
            && matches!(
                statement.kind,
                Tree::Var { .. } | Tree::Assign { .. } | Tree::Return { .. }
            )
        {
            return self.only_in_functions(statement);
        }
        if !model {
            let allowed = matches!(
                statement.kind,
                Tree::Let { .. }
                    | Tree::LetTuple { .. }
                    | Tree::For { .. }
                    | Tree::If { .. }
                    | Tree::Var { .. }
                    | Tree::Assign { .. }
                    | Tree::Return { .. }
            );
            if !allowed {
                if let Tree::Random { name, .. } = &statement.kind {
                    let id = self
                        .scope
                        .add(&name.text, name.span, VariableKind::Let, Type::REAL);
                    self.scope.poison(id);
                }
                return self.say(
                    Diagnostic::error(
                        "E0240",
                        "this statement belongs to a model, not to a function",
                    )
                    .at(statement.span, "")
                    .help("a function has `let`, `var`, assignments, `for`, `if` and `return`"),
                );
            }
        }
        let kind = match &statement.kind {
            Tree::Given {
                name,
                ty,
                levels,
                column,
                default,
            } => self.given(statement, name, (ty, levels), column, default)?,
            Tree::Let {
                name,
                indices,
                value,
            } => self.let_statement(statement, name, indices, value)?,
            Tree::LetTuple { names, value } => self.let_tuple(names, value)?,
            Tree::Random {
                name,
                indices,
                distribution,
            } => {
                let result = self.random(statement, name, indices, distribution);
                if result.is_err()
                    && let Some(id) = self.scope.find(&name.text)
                {
                    self.scope.poison(id);
                }
                result?
            }
            Tree::Observe {
                value,
                distribution,
            } => self.observe(value, distribution)?,
            Tree::Factor { value } => {
                let value = self.expression(value)?;
                let value = self.convert(value, &Type::REAL, "a factor")?;
                StatementKind::Factor { value }
            }
            Tree::Require { condition } => StatementKind::Require {
                condition: self.condition(condition)?,
                name: None,
            },
            Tree::Report { name, value } => self.report(statement, name, value)?,
            Tree::Soft {
                name,
                formula,
                weight,
                binders,
            } => self.soft(statement, name, formula, weight, binders)?,
            Tree::For { binder, body } => {
                self.one_loop(binder, |checker| Ok(checker.block_statements(body)))?
            }
            Tree::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.condition(condition);
                self.scope.branches += 1;
                let then = self.block(|checker| checker.block_statements(then));
                let otherwise = self.block(|checker| checker.block_statements(otherwise));
                self.scope.branches -= 1;
                StatementKind::If {
                    condition: condition?,
                    then,
                    otherwise,
                }
            }
            Tree::Var { name, ty, value } => self.var(name, ty, value)?,
            Tree::Assign {
                name,
                indices,
                value,
            } => self.assign(name, indices, value)?,
            Tree::Return { value } => {
                let (wanted, others) = match &self.scope.owner {
                    Owner::Function(ty, more) => (ty.clone(), more.clone()),
                    Owner::Member { result: ty, .. } => (ty.clone(), Vec::new()),
                    _ => (Type::REAL, Vec::new()),
                };
                if !others.is_empty() {
                    return self.return_several(value, wanted, others).map(Some);
                }
                let value = self.expression(value)?;
                StatementKind::Return {
                    value: self.convert(value, &wanted, "the result")?,
                    more: Vec::new(),
                }
            }
            Tree::Function(_)
            | Tree::Distribution(_)
            | Tree::Model(_)
            | Tree::Import { .. }
            | Tree::ImportFile { .. } => {
                if self.scope.blocks.len() > 1 || !model || self.scope.instance.is_some() {
                    return self.say(
                        Diagnostic::error(
                            "E0241",
                            "functions, distributions, models and imports stand outside loops, branches and other items",
                        )
                        .at(statement.span, "")
                        .help("move it to the outermost level"),
                    );
                }
                return Ok(None);
            }
        };
        Ok(Some(kind))
    }

    /// `for i in a..b` around what `body` gives.
    pub(super) fn one_loop(
        &mut self,
        binder: &tree::Binder,
        body: impl FnOnce(&mut Self) -> Checked<Vec<Statement>>,
    ) -> Checked<StatementKind> {
        let (lower, upper) = self.range(&binder.range)?;
        self.unhidden(&binder.name)?;
        self.scope.loops += 1;
        let (index, body) = self.block(|checker| {
            let index = checker.scope.add(
                &binder.name.text,
                binder.name.span,
                VariableKind::Index,
                Type::INT,
            );
            (index, body(checker))
        });
        self.scope.loops -= 1;
        Ok(StatementKind::For {
            index,
            lower,
            upper,
            body: body?,
        })
    }

    fn only_in_functions<T>(&mut self, statement: &tree::Statement) -> Checked<T> {
        let (what, help) = match &statement.kind {
            tree::StatementKind::Return { .. } => ("`return` belongs to a function", "remove it, or keep the value with `report r = …`".to_string()),
            tree::StatementKind::Assign { name, .. } if self.scope.find(&name.text).is_none() => {
                ("a value is defined with `let`", format!("write `let {} = …`, or `{} ~ …` for a random variable", name.text, name.text))
            }
            _ => (
                "a model has no variables that change",
                "define a value with `let`, one element with `let a[t] = …` inside a loop; `var` belongs to functions".to_string(),
            ),
        };
        if let tree::StatementKind::Assign { name, .. } | tree::StatementKind::Var { name, .. } =
            &statement.kind
            && self.scope.find(&name.text).is_none()
        {
            let id = self
                .scope
                .add(&name.text, name.span, VariableKind::Let, Type::REAL);
            self.scope.poison(id);
        }
        self.say(
            Diagnostic::error("E0242", what)
                .at(statement.span, "")
                .help(help),
        )
    }

    fn at_top_level(&mut self, span: Span, what: &str) -> Checked<()> {
        if let Some(instance) = &self.scope.instance
            && (what == "given" || !instance.plate.is_empty())
        {
            let help = if what == "given" {
                "make it a parameter: `model m(x: real[N]) { … }`"
            } else {
                "report it from outside, as in `report r = b.tau`"
            };
            return self.say(
                Diagnostic::error(
                    "E0273",
                    format!("`{what}` belongs to a program, not to a model inside one"),
                )
                .at(span, "")
                .help(help),
            );
        }
        if self.scope.blocks.len() > 1 {
            return self.say(
                Diagnostic::error(
                    "E0243",
                    format!("`{what}` stands outside loops and branches"),
                )
                .at(span, "")
                .help("move it to the outermost level"),
            );
        }
        Ok(())
    }

    pub(super) fn given(
        &mut self,
        statement: &tree::Statement,
        name: &tree::Name,
        (ty, levels): (&tree::Type, &Option<tree::Name>),
        column: &Option<String>,
        default: &Option<tree::Expression>,
    ) -> Checked<StatementKind> {
        if self.at_top_level(statement.span, "given").is_err() {
            self.poison_name(name);
            return Err(Said);
        }
        // `given N: int` after a size N was seen says of it what the data say anyway.
        if let Some(id) = self.scope.find(&name.text)
            && self.scope.variables[id.0 as usize].kind == VariableKind::Size
            && ty.name.text == "int"
            && ty.sizes.is_empty()
        {
            let span = self.scope.variables[id.0 as usize].span;
            return self.say(
                Diagnostic::error("E0244", format!("`{}` is a size already", name.text))
                    .at(name.span, "given here")
                    .at(span, "used as a size here")
                    .help(format!("move `given {}: int` above its first use, or remove it: sizes are read off the data", name.text)),
            );
        }
        let poison = |checker: &mut Self| {
            let id = checker
                .scope
                .add(&name.text, name.span, VariableKind::Given, Type::REAL);
            checker.scope.poison(id);
            Said
        };
        let (declared, checked) = match self.declared(ty) {
            Ok(declared) => declared,
            Err(_) => return Err(poison(self)),
        };
        let levels = match levels {
            None => None,
            Some(factor) => match self.shared_levels(&declared, factor) {
                Ok(factor) => Some(factor),
                Err(_) => return Err(poison(self)),
            },
        };
        let default = match default {
            None => None,
            Some(default) => {
                let value = self
                    .expression(default)
                    .and_then(|value| self.convert(value, &checked, "the default"));
                match value {
                    Ok(value) => Some(value),
                    Err(_) => return Err(poison(self)),
                }
            }
        };
        // A scalar int is a size wherever sizes are meant.
        let kind = if checked == Type::INT {
            VariableKind::Size
        } else {
            VariableKind::Given
        };
        let variable = self.define(&name.text, name.span, kind, checked)?;
        self.scope.variable(variable).doc = statement.doc.clone();
        if declared.support == Support::Factor {
            self.scope.factors.insert(variable);
        }
        Ok(StatementKind::Given {
            variable,
            declared,
            levels,
            column: column.clone(),
            default,
        })
    }

    /// The factor that `levels NAME` behind a declared type names.
    fn shared_levels(&mut self, declared: &Declared, factor: &tree::Name) -> Checked<VariableId> {
        let found = self.scope.find(&factor.text);
        let found = found.filter(|id| self.scope.factors.contains(id));
        match (found, &declared.support) {
            (Some(id), Support::Factor) => Ok(id),
            (_, Support::Factor) => self.say(
                Diagnostic::error(
                    "E0256",
                    format!("`{}` is no factor that is given above", factor.text),
                )
                .at(factor.span, "the labels of this column are to be shared")
                .help("name a column that a statement further up declares: `given home: factor[N]`, then `given away: factor[N] levels home`"),
            ),
            _ => self.say(
                Diagnostic::error("E0256", "only a factor can share its labels")
                    .at(declared.span, "this is no `factor`")
                    .at(factor.span, "")
                    .help("write `given away: factor[N] levels home`"),
            ),
        }
    }

    fn report(
        &mut self,
        statement: &tree::Statement,
        name: &tree::Name,
        value: &Option<tree::Expression>,
    ) -> Checked<StatementKind> {
        self.at_top_level(statement.span, "report")?;
        let (defines, value) = match value {
            Some(value) => {
                let value = self.expression(value)?;
                let variable =
                    self.define(&name.text, name.span, VariableKind::Let, value.ty.clone())?;
                self.scope.variable(variable).doc = statement.doc.clone();
                (Some(variable), value)
            }
            None => {
                let variable = self.resolve(&name.text, name.span)?;
                let ty = self.scope.variables[variable.0 as usize].ty.clone();
                let value = Expression {
                    span: name.span,
                    ty,
                    kind: Box::new(ExpressionKind::Variable(variable)),
                };
                (None, value)
            }
        };
        self.expect_numbers(&value, "a report")?;
        let prefix = self.scope.instance.as_ref().map(|i| i.prefix.as_str());
        Ok(StatementKind::Report {
            name: format!("{}{}", prefix.unwrap_or_default(), name.text),
            defines,
            value,
        })
    }

    pub(super) fn var(
        &mut self,
        name: &tree::Name,
        ty: &Option<tree::Type>,
        value: &Option<tree::Expression>,
    ) -> Checked<StatementKind> {
        let declared = match ty {
            Some(ty) => Some(self.declared(ty)?),
            None => None,
        };
        let (checked, value, sizes) = match (declared, value) {
            (None, None) => {
                return self.say(
                    Diagnostic::error(
                        "E0248",
                        format!("`var {}` needs a type or a value", name.text),
                    )
                    .at(name.span, "")
                    .help(format!(
                        "write `var {} = 0.0` or `var {}: real[N]`",
                        name.text, name.text
                    )),
                );
            }
            (Some((declared, ty)), None) => (ty, None, declared.sizes),
            (declared, Some(value)) => {
                let value = self.expression(value)?;
                let value = match &declared {
                    Some((_, ty)) => self.convert(value, ty, "the value")?,
                    None => value,
                };
                (value.ty.clone(), Some(value), Vec::new())
            }
        };
        let variable = self.define(&name.text, name.span, VariableKind::Var, checked)?;
        Ok(StatementKind::Var {
            variable,
            value,
            sizes,
        })
    }

    fn assign(
        &mut self,
        name: &tree::Name,
        indices: &[tree::Expression],
        value: &tree::Expression,
    ) -> Checked<StatementKind> {
        let variable = self.resolve(&name.text, name.span)?;
        let known = self.scope.variables[variable.0 as usize].clone();
        if known.kind != VariableKind::Var {
            return self.say(
                Diagnostic::error("E0249", format!("`{}` does not change", name.text))
                    .at(name.span, "assigned here")
                    .at(known.span, "defined here")
                    .help(format!("only a `var` changes: `var {} = …`", name.text)),
            );
        }
        if !indices.is_empty() && indices.len() != known.ty.rank() {
            return self.say(
                Diagnostic::error(
                    "E0313",
                    format!(
                        "`{}` is {}",
                        name.text,
                        known.ty.show(&self.scope.variables)
                    ),
                )
                .at(name.span, "")
                .help("give one index for each position"),
            );
        }
        let indices = self.element_indices(indices)?;
        let value = self.expression(value)?;
        let wanted = if indices.is_empty() {
            known.ty.clone()
        } else {
            Type::scalar(known.ty.element)
        };
        let value = self.convert(value, &wanted, &format!("what `{}` becomes", name.text))?;
        Ok(StatementKind::Assign {
            variable,
            indices,
            value,
        })
    }
}

/// Whether every way through the statements ends with `return`.
pub(super) fn returns(statements: &[tree::Statement]) -> bool {
    statements.iter().any(|statement| match &statement.kind {
        tree::StatementKind::Return { .. } => true,
        tree::StatementKind::If {
            then, otherwise, ..
        } => returns(then) && returns(otherwise),
        _ => false,
    })
}
