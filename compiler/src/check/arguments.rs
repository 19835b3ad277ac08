//! Arguments meet parameters: by position or name, with their types, and the sizes that one argument tells of another.

use super::expressions::{common_sizes, make};
use super::hir::{Element, Expression, ExpressionKind, Parameter, Size, Support, Type, Variable};
use super::{Checked, Checker, Said};
use crate::ast::tree;
use crate::source::{Diagnostic, Span};

impl Checker<'_> {
    pub(super) fn function_call(
        &mut self,
        id: super::hir::FunctionId,
        function: &tree::Name,
        arguments: &[tree::Argument],
        span: Span,
    ) -> Checked<Expression> {
        if !self.functions[id.0 as usize].more.is_empty() {
            return self.say(
                Diagnostic::error(
                    "E0252",
                    format!(
                        "`{}` returns several values, and one is needed here",
                        function.text
                    ),
                )
                .at(span, "")
                .help(format!(
                    "give them names first: `let (a, b) = {}(…)`",
                    function.text
                )),
            );
        }
        Ok(self.tuple_call(id, function, arguments, span)?.0)
    }

    /// A call with the types of all values that the function returns.
    pub(super) fn tuple_call(
        &mut self,
        id: super::hir::FunctionId,
        function: &tree::Name,
        arguments: &[tree::Argument],
        span: Span,
    ) -> Checked<(Expression, Vec<Type>)> {
        let item = &self.functions[id.0 as usize];
        let more = item.more.clone();
        let (parameters, variables, result) = (
            item.parameters.clone(),
            item.variables.clone(),
            item.result.clone(),
        );
        let name = function.text.as_str();
        let slots = self.match_arguments(name, &parameters, &variables, arguments, span)?;
        let scalar = parameters.iter().all(|p| p.declared.sizes.is_empty())
            && result.sizes.is_empty()
            && more.is_empty();
        let mut values = Vec::new();
        let mut sizes = Sizes::default();
        for (parameter, argument) in parameters.iter().zip(slots) {
            let ty = &variables[parameter.variable.0 as usize];
            let argument = self.fit(argument, &ty.ty, scalar, &ty.name, name, &variables)?;
            sizes.learn(self, &ty.ty, &argument, &variables)?;
            values.push(argument);
        }
        self.same_shape_if(scalar, &values, span)?;
        let elementwise = scalar && values.iter().any(|value| value.ty.rank() > 0);
        let result_sizes = if elementwise {
            common_sizes(&values)
        } else {
            let declared = result.sizes.iter().map(|size| Size::of(size, &variables));
            declared.map(|size| sizes.apply(&size)).collect()
        };
        let ty = Type {
            element: result.element,
            sizes: result_sizes,
        };
        let mut types = vec![ty.clone()];
        types.extend(more.iter().map(|declared| {
            let own = declared.sizes.iter().map(|size| Size::of(size, &variables));
            Type {
                element: declared.element,
                sizes: own.map(|size| sizes.apply(&size)).collect(),
            }
        }));
        let kind = ExpressionKind::Call {
            function: id,
            arguments: values,
            elementwise,
        };
        Ok((make(span, ty, kind), types))
    }

    pub(super) fn same_shape_if(
        &mut self,
        scalar: bool,
        values: &[Expression],
        span: Span,
    ) -> Checked<()> {
        if scalar {
            self.same_shape(&values.iter().collect::<Vec<_>>(), span, "")
        } else {
            Ok(())
        }
    }

    /// An argument in the type of its parameter; with `lifted`, arrays may stand for scalar parameters.
    pub(super) fn fit(
        &mut self,
        argument: Expression,
        wanted: &Type,
        lifted: bool,
        parameter: &str,
        callee: &str,
        variables: &[Variable],
    ) -> Checked<Expression> {
        let argument = if wanted.element == Element::Real {
            argument.to_real()
        } else {
            argument
        };
        let rank_fits = argument.ty.rank() == wanted.rank() || (lifted && wanted.rank() == 0);
        if argument.ty.element != wanted.element || !rank_fits {
            let expected = wanted.show(variables);
            let help = match (argument.ty.element, wanted.element) {
                (Element::Real, Element::Int) => {
                    "whole numbers are written without a point; `div(a, b)` divides ints"
                        .to_string()
                }
                (Element::Bool, _) => "`indicator(c)` is 1 or 0".to_string(),
                _ => format!("`likelier doc {callee}` shows what it takes"),
            };
            return self.wrong_type(
                &format!("`{parameter}` of `{callee}` must be {expected}"),
                &argument,
                &help,
            );
        }
        Ok(argument)
    }

    /// One expression for each parameter.
    pub(super) fn match_arguments(
        &mut self,
        name: &str,
        parameters: &[Parameter],
        variables: &[Variable],
        arguments: &[tree::Argument],
        span: Span,
    ) -> Checked<Vec<Expression>> {
        let mut slots: Vec<Option<Expression>> = vec![None; parameters.len()];
        let mut next = 0;
        let mut failed = false;
        for argument in arguments {
            let tree::ArgumentValue::Expression(value) = &argument.value else {
                return self.say(
                    Diagnostic::error("E0224", format!("`{name}` does not take a type"))
                        .at(span, "")
                        .help("only `flat` does"),
                );
            };
            let slot = match &argument.name {
                Some(key) => parameters
                    .iter()
                    .position(|p| variables[p.variable.0 as usize].name == key.text),
                None => {
                    next += 1;
                    (next <= parameters.len() && !parameters[next - 1].keyword_only)
                        .then(|| next - 1)
                }
            };
            let wants_int = slot.is_some_and(|slot| {
                let ty = &variables[parameters[slot].variable.0 as usize].ty;
                ty.element == Element::Int && ty.rank() == 0
            });
            let Ok(value) = self.wanting(wants_int, value) else {
                failed = true;
                continue;
            };
            let Some(slot) = slot.filter(|slot| slots[*slot].is_none()) else {
                let signature = signature(name, parameters, variables);
                let what = match &argument.name {
                    Some(key) => {
                        if parameters
                            .iter()
                            .any(|p| variables[p.variable.0 as usize].name == key.text)
                        {
                            format!("`{name}` gets `{}` twice", key.text)
                        } else {
                            format!("`{name}` has no argument `{}`", key.text)
                        }
                    }
                    None if parameters.iter().any(|p| p.keyword_only) => {
                        format!("the arguments of `{name}` after `;` must be named")
                    }
                    None => format!("too many arguments for `{name}`"),
                };
                return self.say(
                    Diagnostic::error("E0228", what)
                        .at(
                            argument.name.as_ref().map_or(value.span, |key| key.span),
                            "",
                        )
                        .note(format!("it is declared as {signature}"))
                        .help("name the arguments as in the declaration"),
                );
            };
            slots[slot] = Some(value);
        }
        if failed {
            return Err(Said);
        }
        let mut values = Vec::new();
        for (parameter, slot) in parameters.iter().zip(slots) {
            match slot.or_else(|| parameter.default.clone()) {
                Some(value) => values.push(value),
                None => {
                    let missing = variables[parameter.variable.0 as usize].name.clone();
                    let signature = signature(name, parameters, variables);
                    return self.say(
                        Diagnostic::error("E0229", format!("`{name}` needs `{missing}`"))
                            .at(span, "")
                            .note(format!("it is declared as {signature}"))
                            .help(format!("add `{missing}=…`")),
                    );
                }
            }
        }
        Ok(values)
    }
}

/// What the sizes of an item's parameters are in the terms of its caller.
#[derive(Default)]
pub(super) struct Sizes(std::collections::HashMap<super::hir::VariableId, (Size, Span, String)>);

/// A signature as its declaration shows it.
pub(super) fn signature(name: &str, parameters: &[Parameter], variables: &[Variable]) -> String {
    let mut text = format!("{name}(");
    let mut keyword = false;
    for (i, parameter) in parameters.iter().enumerate() {
        if parameter.keyword_only && !keyword {
            text.push_str("; ");
            keyword = true;
        } else if i > 0 {
            text.push_str(", ");
        }
        let variable = &variables[parameter.variable.0 as usize];
        let ty = match &parameter.declared.support {
            Support::Positive => variable.ty.show(variables).replacen("real", "positive", 1),
            Support::Nonnegative => variable
                .ty
                .show(variables)
                .replacen("real", "nonnegative", 1),
            Support::Unit => variable.ty.show(variables).replacen("real", "unit", 1),
            Support::Structured(structure) => {
                let mut once = variable.ty.clone();
                once.sizes.truncate(once.sizes.len() + 1 - structure.rank());
                once.show(variables).replacen("real", structure.name(), 1)
            }
            _ => variable.ty.show(variables),
        };
        text.push_str(&format!("{}: {ty}", variable.name));
        if parameter.default.is_some() {
            text.push_str(" = …");
        }
    }
    text.push(')');
    text
}

impl Sizes {
    /// Compares an argument with its parameter's type; sizes seen before must agree.
    pub(super) fn learn(
        &mut self,
        checker: &mut Checker,
        declared: &Type,
        argument: &Expression,
        variables: &[Variable],
    ) -> Checked<()> {
        for (wanted, found) in declared.sizes.iter().zip(&argument.ty.sizes) {
            let Size::Linear(terms, 0) = wanted else {
                continue;
            };
            let [(name, 1)] = terms[..] else { continue };
            let shown = argument.ty.show(&checker.scope.variables);
            match self.0.get(&name) {
                Some((before, span, other)) if before.differs(found) => {
                    let size = &variables[name.0 as usize].name;
                    return checker.say(
                        Diagnostic::error(
                            "E0316",
                            format!("the sizes of these arguments differ; both should be {size}"),
                        )
                        .at(argument.span, shown)
                        .at(*span, other.clone())
                        .help("give them the same size"),
                    );
                }
                Some((Size::Unknown, ..)) | None => {
                    self.0.insert(name, (found.clone(), argument.span, shown));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// What one size is.
    pub(super) fn of(&self, name: super::hir::VariableId) -> Option<&Size> {
        self.0.get(&name).map(|known| &known.0)
    }

    pub(super) fn apply(&self, size: &Size) -> Size {
        match size {
            Size::Linear(terms, constant) => {
                terms
                    .iter()
                    .fold(Size::Known(*constant), |sum, (name, factor)| {
                        match self.0.get(name) {
                            Some((size, ..)) => sum.plus(size, *factor),
                            None => Size::Unknown,
                        }
                    })
            }
            other => other.clone(),
        }
    }
}
