//! Distributions with their arguments and modifiers. Several may share a name when the names of their arguments tell them
//! apart.

use super::arguments::{Sizes, signature};
use super::expressions::{common_sizes, make};
use super::hir::{
    Declared, DistributionCall, DistributionId, DistributionRef, Element, Expression,
    ExpressionKind, Law, Parameter, Size, Support, Type,
};
use super::{Checked, Checker, Said};
use crate::ast::tree;
use crate::check::library::Library;
use crate::source::{Diagnostic, Span, foreign, suggest};

impl Checker<'_> {
    /// A distribution with its arguments.
    pub(super) fn distribution_call(
        &mut self,
        law: &tree::Distribution,
    ) -> Checked<DistributionCall> {
        if law.name.text == "flat" && !self.own.contains_key("flat") {
            return self.flat(law);
        }
        if let Some(kind) = self.mixture_named(&law.name.text) {
            return self.mixture(kind, law);
        }
        let candidates = self.distributions_named(&law.name.text);
        let id = self.choose(law, &candidates)?;
        let item = &self.distributions[id.0 as usize];
        let (parameters, variables) = (item.parameters.clone(), item.variables.clone());
        let name = law.name.text.as_str();
        let slots =
            self.match_arguments(name, &parameters, &variables, &law.arguments, law.span)?;
        let mut values = Vec::new();
        let mut sizes = Sizes::default();
        for (parameter, argument) in parameters.iter().zip(slots) {
            let declared = &variables[parameter.variable.0 as usize];
            let argument = self.fit(
                argument,
                &declared.ty,
                true,
                &declared.name,
                name,
                &variables,
            )?;
            if declared.ty.rank() > 0 {
                sizes.learn(self, &declared.ty, &argument, &variables)?;
            }
            values.push(argument);
        }
        let scalars: Vec<&Expression> = parameters
            .iter()
            .zip(&values)
            .filter(|(p, _)| p.declared.sizes.is_empty())
            .map(|(_, value)| value)
            .collect();
        self.same_shape(&scalars, law.span, "")?;
        Ok(DistributionCall {
            distribution: DistributionRef::Item(id),
            arguments: values,
            span: law.span,
        })
    }

    /// Which of the distributions of one name the arguments mean.
    pub(super) fn choose(
        &mut self,
        law: &tree::Distribution,
        candidates: &[DistributionId],
    ) -> Checked<DistributionId> {
        let name = law.name.text.as_str();
        if candidates.is_empty() {
            if self.own.contains_key(name) && self.is_distribution(name) {
                return Err(Said); // its signature had an error
            }
            let names: Vec<String> = Library::names(&self.imports)
                .filter(|known| {
                    Library::file_of(known).is_some_and(|file| file.module == "distributions")
                })
                .map(str::to_string)
                .chain(self.own.keys().cloned())
                .collect();
            let near = suggest::nearest(name, names.iter().map(String::as_str));
            let help = match (foreign::distribution(name), near) {
                (Some(ours), _) => format!("here it is `{ours}`"),
                (_, Some(near)) => format!("did you mean `{near}`?"),
                _ if self.is_function(name) => format!(
                    "`{name}` is a function; for a computed value write `let x = {name}(…)`"
                ),
                _ => "`likelier doc distributions` lists them".to_string(),
            };
            return self.say(
                Diagnostic::error("E0230", format!("there is no distribution `{name}`"))
                    .at(law.name.span, "")
                    .help(help),
            );
        }
        let fits: Vec<DistributionId> = candidates
            .iter()
            .copied()
            .filter(|id| self.arguments_fit(*id, law))
            .collect();
        match fits[..] {
            [id] => Ok(id),
            _ if candidates.len() == 1 => Ok(candidates[0]), // matching the arguments says what is wrong
            _ => {
                let mut diagnostic =
                    Diagnostic::error("E0231", format!("`{name}` cannot take these arguments"))
                        .at(law.span, "");
                for id in candidates {
                    let item = &self.distributions[id.0 as usize];
                    diagnostic = diagnostic.note(format!(
                        "there is {}",
                        signature(name, &item.parameters, &item.variables)
                    ));
                }
                let corrected = candidates
                    .iter()
                    .filter_map(|id| self.corrected(*id, law))
                    .map(|call| format!("`{call}`"))
                    .collect::<Vec<_>>();
                let help = match corrected.is_empty() {
                    true => "arguments after `;` must be named, because systems disagree on what they mean".to_string(),
                    false => format!(
                        "write {}: arguments after `;` must be named, because systems disagree on what they mean",
                        corrected.join(" or ")
                    ),
                };
                self.say(diagnostic.help(help))
            }
        }
    }

    /// The call with the names that its positional arguments lack, if there is one for each parameter.
    fn corrected(&self, id: DistributionId, law: &tree::Distribution) -> Option<String> {
        let item = &self.distributions[id.0 as usize];
        if law.arguments.len() != item.parameters.len()
            || law.arguments.iter().any(|argument| argument.name.is_some())
        {
            return None;
        }
        let written = item.parameters.iter().zip(&law.arguments);
        let arguments: Option<Vec<String>> = written
            .map(|(parameter, argument)| {
                let tree::ArgumentValue::Expression(value) = &argument.value else {
                    return None;
                };
                let value = self.sources.excerpt(value.span);
                Some(match parameter.keyword_only {
                    true => {
                        let name = &item.variables[parameter.variable.0 as usize].name;
                        format!("{name}={value}")
                    }
                    false => value.to_string(),
                })
            })
            .collect();
        Some(format!("{}({})", law.name.text, arguments?.join(", ")))
    }

    pub(super) fn arguments_fit(&self, id: DistributionId, law: &tree::Distribution) -> bool {
        let item = &self.distributions[id.0 as usize];
        let positional = law
            .arguments
            .iter()
            .filter(|argument| argument.name.is_none())
            .count();
        let name_of = |p: &Parameter| item.variables[p.variable.0 as usize].name.as_str();
        let given = |p: &Parameter| {
            law.arguments.iter().any(|argument| {
                argument
                    .name
                    .as_ref()
                    .is_some_and(|key| key.text == name_of(p))
            })
        };
        let known = law
            .arguments
            .iter()
            .filter_map(|argument| argument.name.as_ref());
        let all_known = known
            .into_iter()
            .all(|key| item.parameters.iter().any(|p| name_of(p) == key.text));
        let allowed = item.parameters.iter().filter(|p| !p.keyword_only).count();
        let complete =
            item.parameters.iter().enumerate().all(|(i, p)| {
                given(p) || p.default.is_some() || (!p.keyword_only && i < positional)
            });
        all_known && positional <= allowed && complete
    }

    /// `flat()`, `flat(positive)`, `flat(real in (a, b))`, `flat(simplex[K])`
    pub(super) fn flat(&mut self, law: &tree::Distribution) -> Checked<DistributionCall> {
        let declared = match law.arguments.as_slice() {
            [] => Declared {
                element: Element::Real,
                sizes: Vec::new(),
                support: Support::Any,
                span: law.span,
            },
            [tree::Argument { name: None, value }] => {
                let ty = match value {
                    tree::ArgumentValue::Type(ty) => Some(ty.clone()),
                    tree::ArgumentValue::Expression(value) => value.as_type(),
                };
                let Some(ty) = ty else {
                    return self.flat_help(law);
                };
                self.declared(&ty)?.0
            }
            _ => return self.flat_help(law),
        };
        if declared.element != Element::Real {
            return self.flat_help(law);
        }
        self.one_of_a_kind(&declared)?;
        Ok(DistributionCall {
            distribution: DistributionRef::Flat(declared),
            arguments: Vec::new(),
            span: law.span,
        })
    }

    /// A draw is one vector or matrix of a structure; several are drawn with an index.
    pub(super) fn one_of_a_kind(&mut self, draw: &Declared) -> Checked<()> {
        let Support::Structured(structure) = draw.support else {
            return Ok(());
        };
        if draw.sizes.len() == structure.rank() {
            return Ok(());
        }
        let name = structure.name();
        self.say(
            Diagnostic::error(
                "E0232",
                format!("a draw is one `{name}`, and this says several"),
            )
            .at(draw.span, "")
            .help(format!(
                "write `{name}[K]` here, and `x[1..J] ~ …` for J of them"
            )),
        )
    }

    pub(super) fn flat_help<T>(&mut self, law: &tree::Distribution) -> Checked<T> {
        self.say(
            Diagnostic::error("E0233", "`flat` takes nothing or one type of reals")
                .at(law.span, "")
                .help("write `flat()`, `flat(positive)`, `flat(real in (a, b))`, `flat(simplex[K])` or another type"),
        )
    }

    /// A distribution with its modifiers.
    pub(super) fn law(&mut self, law: &tree::Distribution) -> Checked<Law> {
        let call = self.distribution_call(law)?;
        let draw = self.draw_of(&call);
        let mut checked = Law {
            call,
            truncated: None,
            censored: None,
            ordered: false,
            span: law.span,
        };
        for modifier in &law.modifiers {
            match modifier {
                tree::Modifier::Truncated { span, lower, upper } => {
                    let is_first = checked.truncated.is_none();
                    let bounds =
                        self.modifier("truncated", (*span, lower, upper), is_first, &checked, law)?;
                    checked.truncated = Some(bounds);
                }
                tree::Modifier::Censored { span, lower, upper } => {
                    let is_first = checked.censored.is_none();
                    let bounds =
                        self.modifier("censored", (*span, lower, upper), is_first, &checked, law)?;
                    checked.censored = Some(bounds);
                }
                tree::Modifier::Ordered { span } => {
                    if !draw.sizes.is_empty() || draw.element != Element::Real {
                        return self.say(
                            Diagnostic::error(
                                "E0236",
                                "`ordered` applies to a distribution of reals",
                            )
                            .at(*span, "")
                            .help("remove it"),
                        );
                    }
                    checked.ordered = true;
                }
            }
        }
        Ok(checked)
    }

    /// The bounds of `truncated` or `censored`.
    fn modifier(
        &mut self,
        word: &str,
        (span, lower, upper): (Span, &tree::Expression, &tree::Expression),
        is_first: bool,
        checked: &Law,
        law: &tree::Distribution,
    ) -> Checked<(Expression, Expression)> {
        let lower = self.expression(lower)?;
        let upper = self.expression(upper)?;
        for bound in [&lower, &upper] {
            if bound.ty.element == Element::Bool {
                return self.wrong_type(
                    &format!("the bounds of `{word}` are numbers"),
                    bound,
                    "`-inf` and `inf` leave a side open",
                );
            }
        }
        if !self.draw_of(&checked.call).sizes.is_empty() || !is_first {
            return self.say(
                Diagnostic::error(
                    "E0234",
                    format!("`{word}` applies once, to a distribution of numbers"),
                )
                .at(span, "")
                .help("remove it"),
            );
        }
        if !self.is_cumulative(&checked.call) {
            return self.say(
                Diagnostic::error(
                    "E0235",
                    format!("`{}` has no `cdf`, which `{word}` needs", law.name.text),
                )
                .at(span, "")
                .help("use a distribution with a `cdf`, or define one"),
            );
        }
        Ok((lower.to_real(), upper.to_real()))
    }

    /// The type of a draw, in the terms of its own item.
    pub(super) fn draw_of(&self, call: &DistributionCall) -> Declared {
        match &call.distribution {
            DistributionRef::Item(id) => self.distributions[id.0 as usize].draw.clone(),
            DistributionRef::Flat(declared) => declared.clone(),
            DistributionRef::Mixture(mixture) => mixture.draw.clone(),
        }
    }

    /// Whether a law has a cumulative distribution function. Members are read from the text, because bodies come later.
    pub(super) fn is_cumulative(&mut self, call: &DistributionCall) -> bool {
        self.members_of(call)
            .iter()
            .any(|member| member == "cdf" || member == "log_cdf")
    }

    pub(super) fn members_of(&mut self, call: &DistributionCall) -> Vec<String> {
        let id = match &call.distribution {
            DistributionRef::Item(id) => *id,
            DistributionRef::Flat(_) => return Vec::new(),
            DistributionRef::Mixture(mixture) => return self.mixture_members(mixture),
        };
        if let super::hir::DistributionBody::Same(same) = &self.distributions[id.0 as usize].body {
            let same = same.clone();
            return self.members_of(&same);
        }
        let pending = self.pending.iter().find_map(|pending| match pending {
            super::Pending::Distribution(other, item, _) if *other == id => Some(item.clone()),
            _ => None,
        });
        match pending.as_deref() {
            Some(tree::DistributionItem {
                body: tree::DistributionBody::Members(members),
                ..
            }) => members
                .iter()
                .map(|member| member.name.text.clone())
                .collect(),
            _ => match &self.distributions[id.0 as usize].body {
                super::hir::DistributionBody::Members(members) => {
                    members.iter().map(|m| m.name.clone()).collect()
                }
                super::hir::DistributionBody::Same(_) => Vec::new(),
            },
        }
    }

    /// `normal(0, 1).log_density(x)`
    pub(super) fn method(
        &mut self,
        law: &tree::Distribution,
        method: &tree::Name,
        arguments: &[tree::Expression],
        span: Span,
    ) -> Checked<Expression> {
        let call = self.distribution_call(law)?;
        let draw = self.draw_of(&call);
        const METHODS: [&str; 5] = ["log_density", "cdf", "log_cdf", "log_ccdf", "quantile"];
        let mut members = self.members_of(&call);
        if draw.sizes.is_empty() && self.is_cumulative(&call) {
            members.extend(["cdf", "log_cdf", "log_ccdf"].map(str::to_string));
        }
        if !METHODS.contains(&method.text.as_str()) || !members.contains(&method.text) {
            let has: Vec<&str> = METHODS
                .into_iter()
                .filter(|known| members.iter().any(|member| member == known))
                .collect();
            return self.say(
                Diagnostic::error(
                    "E0237",
                    format!("`{}` has no `{}`", law.name.text, method.text),
                )
                .at(method.span, "")
                .help(format!("it has {}", has.join(", "))),
            );
        }
        let [argument] = arguments else {
            return self.wrong_count(&method.text, "one value", arguments.len(), span);
        };
        let argument = self.expression(argument)?;
        let wanted = Type {
            element: if method.text == "quantile" {
                Element::Real
            } else {
                draw.element
            },
            sizes: vec![Size::Unknown; draw.sizes.len()],
        };
        let argument = self.fit(
            argument,
            &wanted,
            draw.sizes.is_empty(),
            "x",
            &law.name.text,
            &[],
        )?;
        let mut shaped: Vec<Expression> = vec![argument.clone()];
        if draw.sizes.is_empty() {
            shaped.extend(self.scalar_arguments(&call));
            self.same_shape(&shaped.iter().collect::<Vec<_>>(), span, "")?;
        } else {
            shaped.clear();
        }
        let ty = Type {
            element: Element::Real,
            sizes: common_sizes(&shaped),
        };
        let kind = ExpressionKind::Method {
            call,
            method: method.text.clone(),
            arguments: vec![argument],
        };
        Ok(make(span, ty, kind))
    }
}
