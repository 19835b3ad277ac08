//! Typing of `let`: of one value, of an element, and of the several values that a function returns.

use super::hir::{Expression, StatementKind, Type, VariableKind};
use super::names::{Ahead, Owner};
use super::{Checked, Checker, Said};
use crate::ast::tree;
use crate::source::Diagnostic;

impl Checker<'_> {
    pub(super) fn let_statement(
        &mut self,
        statement: &tree::Statement,
        name: &tree::Name,
        indices: &[tree::Expression],
        value: &tree::Expression,
    ) -> Checked<StatementKind> {
        if !indices.is_empty() && self.scope.owner != Owner::Model {
            return self.say(
                Diagnostic::error("E0245", "inside a function, elements are set on a `var`")
                    .at(statement.span, "")
                    .help(format!(
                        "write `var {}: real[…]` and then `{}[i] = …`",
                        name.text, name.text
                    )),
            );
        }
        let value = self.expression(value);
        if indices.is_empty() {
            let value = match value {
                Ok(value) => value,
                Err(Said) => {
                    if let Ok(id) =
                        self.define(&name.text, name.span, VariableKind::Let, Type::REAL)
                    {
                        self.scope.poison(id);
                    }
                    return Err(Said);
                }
            };
            let variable =
                self.define(&name.text, name.span, VariableKind::Let, value.ty.clone())?;
            self.scope.variable(variable).doc = statement.doc.clone();
            return Ok(StatementKind::Let {
                variable,
                indices: Vec::new(),
                value,
            });
        }
        let Some(variable) = self.scope.find(&name.text) else {
            return Err(Said);
        };
        let known = self.scope.variables[variable.0 as usize].clone();
        let plate = self.scope.plate().to_vec();
        if known.kind != VariableKind::Let || known.ty.rank() != plate.len() + indices.len() {
            let diagnostic = self.defined_twice(&name.text, name.span, &known);
            return self.say(diagnostic);
        }
        let indices = self
            .element_indices(indices)
            .map(|own| plate.into_iter().chain(own).collect::<Vec<_>>());
        let value = match (value, indices) {
            (Ok(value), Ok(indices)) => self
                .convert(value, &Type::REAL, "an element")
                .map(|value| (value, indices)),
            _ => Err(Said),
        };
        match value {
            Ok((value, indices)) => {
                self.scope.ahead[variable.0 as usize] = Ahead::No;
                Ok(StatementKind::Let {
                    variable,
                    indices,
                    value,
                })
            }
            Err(Said) => {
                self.scope.poison(variable);
                Err(Said)
            }
        }
    }

    /// `return (a, b)`
    pub(super) fn return_several(
        &mut self,
        value: &tree::Expression,
        first: Type,
        others: Vec<Type>,
    ) -> Checked<StatementKind> {
        let wanted = 1 + others.len();
        let parts = match &*value.kind {
            tree::ExpressionKind::Tuple(parts) if parts.len() == wanted => parts,
            _ => {
                return self.say(
                    Diagnostic::error("E0250", format!("this function returns {wanted} values"))
                        .at(value.span, "")
                        .help("write them in parentheses: `return (a, b)`"),
                );
            }
        };
        let mut values = Vec::new();
        for (part, ty) in parts.iter().zip(std::iter::once(first).chain(others)) {
            let part = self.expression(part)?;
            values.push(self.convert(part, &ty, "the result")?);
        }
        let value = values.remove(0);
        Ok(StatementKind::Return {
            value,
            more: values,
        })
    }

    /// `let (a, b) = f(x)`
    pub(super) fn let_tuple(
        &mut self,
        names: &[tree::Name],
        value: &tree::Expression,
    ) -> Checked<StatementKind> {
        let result = self.several(names.len(), value);
        let Ok((call, types)) = result else {
            for name in names {
                if let Ok(id) = self.define(&name.text, name.span, VariableKind::Let, Type::REAL) {
                    self.scope.poison(id);
                }
            }
            return Err(Said);
        };
        let mut variables = Vec::new();
        for (name, ty) in names.iter().zip(types) {
            variables.push(self.define(&name.text, name.span, VariableKind::Let, ty)?);
        }
        Ok(StatementKind::LetTuple { variables, call })
    }

    /// A call of a function that returns so many values, and their types.
    pub(super) fn several(
        &mut self,
        count: usize,
        value: &tree::Expression,
    ) -> Checked<(Expression, Vec<Type>)> {
        if let tree::ExpressionKind::Call {
            function,
            arguments,
        } = &*value.kind
            && let Some(id) = self.function(&function.text)
            && !self.functions[id.0 as usize].more.is_empty()
        {
            let found = 1 + self.functions[id.0 as usize].more.len();
            if found == count {
                return self.tuple_call(id, function, arguments, value.span);
            }
            return self.say(
                Diagnostic::error(
                    "E0251",
                    format!("`{}` returns {found} values, not {count}", function.text),
                )
                .at(value.span, "")
                .help("give each of them a name"),
            );
        }
        self.say(
            Diagnostic::error("E0251", format!("this is not {count} values"))
                .at(value.span, "only a function returns several")
                .help(
                    "write one `let` for each name, or call a function that returns `(real, real)`",
                ),
        )
    }

    pub(super) fn element_indices(
        &mut self,
        indices: &[tree::Expression],
    ) -> Checked<Vec<Expression>> {
        let mut checked = Vec::new();
        for index in indices {
            let index = self.expression(index)?;
            checked.push(self.convert(index, &Type::INT, "the index of an element")?);
        }
        Ok(checked)
    }
}
