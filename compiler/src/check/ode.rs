//! `ode(f, y0, t0, ts, …)`: the one place where a function is an argument. It is named, not computed; what follows the
//! times goes to its parameters after the first two.

use likelier_runtime::math::ode::Method;

use super::arguments::{Sizes, signature};
use super::expressions::make;
use super::hir::{Element, Expression, ExpressionKind, FunctionId, OdeCall, Type};
use super::{Checked, Checker};
use crate::ast::tree;
use crate::source::{Diagnostic, Span};

/// What `ode` takes by name, and what it is when not given.
const SETTINGS: [(&str, f64); 3] = [("rtol", 1e-6), ("atol", 1e-6), ("max_steps", 10_000.0)];

/// The method of a function that solves differential equations.
pub(super) fn method(name: &str) -> Option<Method> {
    match name {
        "ode" => Some(Method::Explicit),
        "ode_stiff" => Some(Method::Stiff),
        _ => None,
    }
}

impl Checker<'_> {
    pub(super) fn ode(
        &mut self,
        name: &tree::Name,
        method: Method,
        arguments: &[tree::Argument],
        span: Span,
    ) -> Checked<Expression> {
        let callee = name.text.as_str();
        let (settings, others): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| {
            let key = argument.name.as_ref().map(|key| key.text.as_str());
            SETTINGS.iter().any(|(setting, _)| key == Some(*setting))
        });
        let [function, initial, start, times, rest @ ..] = &others[..] else {
            let wanted = "a function, its start, the time of the start and the times wanted";
            return self.wrong_count(callee, wanted, others.len(), span);
        };
        let function = self.right_hand_side(callee, function, span)?;
        let item = &self.functions[function.0 as usize];
        let (parameters, variables) = (item.parameters.clone(), item.variables.clone());
        let f = item.name.clone();
        let result = item.result.clone();
        let types: Vec<Type> = parameters
            .iter()
            .map(|parameter| variables[parameter.variable.0 as usize].ty.clone())
            .collect();
        let is_real = |ty: &Type, rank| ty.element == Element::Real && ty.rank() == rank;
        let fits = types.len() >= 2
            && is_real(&types[0], 0)
            && is_real(&types[1], 1)
            && !parameters[..2]
                .iter()
                .any(|parameter| parameter.keyword_only)
            && result.element == Element::Real
            && result.sizes.len() == 1;
        if !fits {
            return self.say(
                Diagnostic::error(
                    "E0254",
                    format!("`{f}` is not the right-hand side of a differential equation"),
                )
                .at(
                    span,
                    format!("`{callee}` needs dy/dt as a function of t and y"),
                )
                .note(format!(
                    "it is declared as {}",
                    signature(&f, &parameters, &variables)
                ))
                .help(format!(
                    "declare it as `fn {f}(t: real, y: real[K], …) -> real[K]`"
                )),
            );
        }
        let mut sizes = Sizes::default();
        let mut value = |checker: &mut Self, argument: &tree::Argument, what: &str, ty: &Type| {
            let value = checker.argument_value(callee, argument)?;
            let value = checker.fit(value, ty, false, what, callee, &variables)?;
            sizes.learn(checker, ty, &value, &variables)?;
            Ok(value)
        };
        let series = Type {
            element: Element::Real,
            sizes: vec![super::hir::Size::Unknown],
        };
        let initial = value(self, initial, "y0", &types[1])?;
        let start = value(self, start, "t0", &types[0])?;
        let times = value(self, times, "ts", &series)?;
        let rest: Vec<tree::Argument> = rest.iter().map(|&argument| argument.clone()).collect();
        let passed = self.match_arguments(&f, &parameters[2..], &variables, &rest, span)?;
        let mut arguments = Vec::new();
        for (argument, parameter) in passed.into_iter().zip(&parameters[2..]) {
            let declared = &variables[parameter.variable.0 as usize];
            let argument = self.fit(
                argument,
                &declared.ty,
                false,
                &declared.name,
                &f,
                &variables,
            )?;
            sizes.learn(self, &declared.ty, &argument, &variables)?;
            arguments.push(argument);
        }
        let settings = self.ode_settings(callee, &settings, span)?;
        let ty = Type {
            element: Element::Real,
            sizes: vec![times.ty.sizes[0].clone(), initial.ty.sizes[0].clone()],
        };
        let call = OdeCall {
            function,
            method,
            initial,
            start,
            times,
            arguments,
            settings,
        };
        Ok(make(span, ty, ExpressionKind::Ode(Box::new(call))))
    }

    /// The function that the first argument names.
    fn right_hand_side(
        &mut self,
        callee: &str,
        argument: &tree::Argument,
        span: Span,
    ) -> Checked<FunctionId> {
        let help =
            format!("write `fn f(t: real, y: real[K], …) -> real[K] = …` and `{callee}(f, …)`");
        let diagnostic = match &argument.value {
            tree::ArgumentValue::Expression(value) => match &*value.kind {
                tree::ExpressionKind::Name(name) if argument.name.is_none() => {
                    if let Some(id) = self.function(name) {
                        return Ok(id);
                    }
                    if self.known_functions.get(name.as_str()) == Some(&None) {
                        return Err(super::Said);
                    }
                    Diagnostic::error("E0255", format!("there is no `fn {name}` to solve")).at(
                        value.span,
                        "the right-hand side of the differential equation",
                    )
                }
                _ => Diagnostic::error(
                    "E0255",
                    format!("`{callee}` takes the name of a function first"),
                )
                .at(value.span, "this is not the name of a function"),
            },
            tree::ArgumentValue::Type(_) => Diagnostic::error(
                "E0255",
                format!("`{callee}` takes the name of a function first"),
            )
            .at(span, ""),
        };
        self.say(diagnostic.help(help))
    }

    fn argument_value(&mut self, callee: &str, argument: &tree::Argument) -> Checked<Expression> {
        if let Some(name) = &argument.name {
            return self.say(
                Diagnostic::error(
                    "E0225",
                    format!("the first arguments of `{callee}` have no names"),
                )
                .at(name.span, "")
                .help(format!(
                    "write `{callee}(f, y0, t0, ts, …)`; `rtol`, `atol` and `max_steps` are named"
                )),
            );
        }
        let values = self.positional(callee, std::slice::from_ref(argument))?;
        values.into_iter().next().ok_or(super::Said)
    }

    /// Relative and absolute tolerance, and the cap of steps.
    fn ode_settings(
        &mut self,
        callee: &str,
        given: &[&tree::Argument],
        span: Span,
    ) -> Checked<[Expression; 3]> {
        let mut settings =
            SETTINGS.map(|(_, value)| make(span, Type::REAL, ExpressionKind::Real(value)));
        settings[2] = make(span, Type::INT, ExpressionKind::Int(SETTINGS[2].1 as i64));
        let mut seen = Vec::new();
        for argument in given {
            let key = argument.name.as_ref().expect("settings are named");
            let slot = SETTINGS
                .iter()
                .position(|(setting, _)| *setting == key.text)
                .expect("it is a setting");
            if seen.contains(&slot) {
                return self.say(
                    Diagnostic::error("E0228", format!("`{callee}` gets `{}` twice", key.text))
                        .at(key.span, "")
                        .help("leave one of them out"),
                );
            }
            seen.push(slot);
            let unnamed = tree::Argument {
                name: None,
                ..(*argument).clone()
            };
            let value = self.argument_value(callee, &unnamed)?;
            let wanted = if slot == 2 { Type::INT } else { Type::REAL };
            settings[slot] = self.fit(value, &wanted, false, &key.text, callee, &[])?;
        }
        Ok(settings)
    }
}
