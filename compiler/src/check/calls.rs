//! Calls: primitives of the table, primitives on whole arrays, functions, and distributions with their named and
//! keyword-only arguments. Several distributions may share a name when the names of their arguments tell them apart.

use super::expressions::{common_sizes, make, reducer};
use super::hir::{
    Declared, DistributionCall, DistributionId, DistributionRef, Element, Expression,
    ExpressionKind, Law, Parameter, Size, Support, Type, Variable, Whole,
};
use super::names::Owner;
use super::{Checked, Checker, Said};
use crate::ast::tree;
use crate::check::library::Library;
use crate::math::graph;
use crate::math::primitive::{DRAWS, Operation, TABLE};
use crate::source::{Diagnostic, Span, suggest};

/// Primitives on whole arrays: name, function, ranks of the arguments ("1", "2", "a" array, "s" int, "n" number or array).
const WHOLES: [(&str, Whole, &str); 19] = [
    ("cholesky", Whole::Cholesky, "2"),
    ("solve_lower", Whole::SolveLower, "2a"),
    ("solve_lower_transposed", Whole::SolveLowerTransposed, "2a"),
    ("multi_normal_log_density", Whole::MultiNormal, "12"),
    ("length", Whole::Length, "a"),
    ("rows", Whole::Rows, "2"),
    ("columns", Whole::Columns, "2"),
    ("diagonal", Whole::Diagonal, "2"),
    ("diagonal_matrix", Whole::DiagonalMatrix, "1"),
    ("zeros", Whole::Zeros, "s"),
    ("zeros", Whole::Zeros, "ss"),
    ("ones", Whole::Ones, "s"),
    ("ones", Whole::Ones, "ss"),
    ("identity", Whole::Identity, "s"),
    ("concatenate", Whole::Concatenate, "n"),
    ("cumulative_sum", Whole::CumulativeSum, "1"),
    ("levels", Whole::Levels, "1"),
    ("variance", Whole::Variance, "a"),
    ("sd", Whole::StandardDeviation, "a"),
];

/// Whether the language itself has a function of this name.
pub(super) fn is_built_in(name: &str) -> bool {
    name == "indicator"
        || reducer(name).is_some()
        || WHOLES.iter().any(|whole| whole.0 == name)
        || DRAWS.iter().any(|draw| draw.0 == name)
        || Operation::by_name(name).is_some()
}

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        function: &tree::Name,
        arguments: &[tree::Argument],
        span: Span,
    ) -> Checked<Expression> {
        let name = function.text.as_str();
        if let Some(id) = self.function(name) {
            return self.function_call(id, function, arguments, span);
        }
        if self.known_functions.get(name) == Some(&None) {
            return Err(Said);
        }
        if !is_built_in(name) {
            return self.unknown_function(function, arguments, span);
        }
        let arguments = self.positional(name, arguments)?;
        let count = arguments.len();
        if name == "indicator" {
            return self.indicator(arguments, function.span, span);
        }
        if let Some(row) = DRAWS.iter().find(|draw| draw.0 == name) {
            return self.draw(row, arguments, span);
        }
        match (reducer(name), &arguments[..]) {
            (Some(reducer), [value]) if value.ty.rank() > 0 => {
                let value = self.reducible(reducer, value.clone())?;
                let ty = Type::scalar(value.ty.element);
                let kind = ExpressionKind::Whole {
                    function: Whole::Reduce(reducer),
                    arguments: vec![value],
                };
                return Ok(make(span, ty, kind));
            }
            (Some(_), [a, b]) if name == "max" || name == "min" => {
                let ints = a.ty.element == Element::Int && b.ty.element == Element::Int;
                let operation = match (name, ints) {
                    ("max", true) => Operation::IntMaximum,
                    ("max", false) => Operation::Maximum,
                    (_, true) => Operation::IntMinimum,
                    _ => Operation::Minimum,
                };
                return self.elementwise(operation, arguments, span);
            }
            (Some(_), [value]) => {
                return self.wrong_type(
                    &format!("`{name}` reduces an array"),
                    value,
                    &format!("write `{name}(x)` for an array x, or `{name}(e for i in 1..N)`"),
                );
            }
            (Some(_), _) => {
                return self.wrong_count(
                    name,
                    "one array, or an expression with `for`",
                    count,
                    span,
                );
            }
            _ => {}
        }
        match Operation::by_name(name) {
            Some(operation) => {
                let wanted = operation.entry().arguments.len();
                if count != wanted {
                    let wanted = format!("{wanted} argument{}", if wanted == 1 { "" } else { "s" });
                    return self.wrong_count(name, &wanted, count, span);
                }
                self.elementwise(operation, arguments, span)
            }
            None => self.whole(name, arguments, span),
        }
    }

    fn elementwise(
        &mut self,
        operation: Operation,
        arguments: Vec<Expression>,
        span: Span,
    ) -> Checked<Expression> {
        let mut converted = Vec::new();
        for (argument, ty) in arguments.into_iter().zip(operation.entry().arguments) {
            self.expect_numbers(&argument, "the argument")?;
            if *ty == graph::Type::Int && argument.ty.element != Element::Int {
                return self.wrong_type(
                    &format!("`{}` needs ints", operation.entry().name),
                    &argument,
                    "whole numbers are written without a point",
                );
            }
            converted.push(if *ty == graph::Type::Real {
                argument.to_real()
            } else {
                argument
            });
        }
        self.same_shape(&converted.iter().collect::<Vec<_>>(), span, "")?;
        Ok(self.operation(operation, converted, span))
    }

    fn indicator(
        &mut self,
        mut arguments: Vec<Expression>,
        name: Span,
        span: Span,
    ) -> Checked<Expression> {
        match arguments.pop() {
            Some(condition) if arguments.is_empty() && condition.ty.element == Element::Bool => {
                let one = make(name, Type::INT, ExpressionKind::Int(1));
                let zero = make(name, Type::INT, ExpressionKind::Int(0));
                Ok(self.operation(Operation::IntSelect, vec![condition, one, zero], span))
            }
            Some(value) if arguments.is_empty() => self.wrong_type(
                "`indicator` takes a truth",
                &value,
                "compare it, as in `indicator(x > 0)`",
            ),
            _ => self.wrong_count("indicator", "one truth", arguments.len(), span),
        }
    }

    fn draw(
        &mut self,
        row: &(&str, crate::math::primitive::Draw, usize, &str),
        arguments: Vec<Expression>,
        span: Span,
    ) -> Checked<Expression> {
        if !matches!(self.scope.owner, Owner::Member { sample: true, .. }) {
            return self.say(
                Diagnostic::error(
                    "E0222",
                    "random numbers are drawn only in the `sample` of a distribution",
                )
                .at(span, "")
                .help("write `x ~ d(…)` for a random variable"),
            );
        }
        if arguments.len() != row.2 {
            return self.wrong_count(
                row.0,
                &format!("{} arguments", row.2),
                arguments.len(),
                span,
            );
        }
        let mut converted = Vec::new();
        for argument in arguments {
            converted.push(self.convert(
                argument,
                &Type::REAL,
                "a parameter of a random number",
            )?);
        }
        Ok(make(
            span,
            Type::REAL,
            ExpressionKind::Draw {
                draw: row.1,
                arguments: converted,
            },
        ))
    }

    fn whole(&mut self, name: &str, arguments: Vec<Expression>, span: Span) -> Checked<Expression> {
        let candidates: Vec<_> = WHOLES.iter().filter(|whole| whole.0 == name).collect();
        let variadic = name == "concatenate" && !arguments.is_empty();
        let chosen = candidates
            .iter()
            .find(|whole| variadic || whole.2.len() == arguments.len());
        let Some((_, function, ranks)) = chosen.map(|whole| **whole) else {
            let wanted: Vec<String> = candidates
                .iter()
                .map(|whole| whole.2.len().to_string())
                .collect();
            return self.wrong_count(
                name,
                &format!("{} argument(s)", wanted.join(" or ")),
                arguments.len(),
                span,
            );
        };
        let mut checked = Vec::new();
        for (i, argument) in arguments.into_iter().enumerate() {
            self.expect_numbers(&argument, "the argument")?;
            let rank = argument.ty.rank();
            let wanted = ranks.as_bytes()[if variadic { 0 } else { i }];
            let (fits, what) = match wanted {
                b'1' => (rank == 1, "an array of rank 1"),
                b'2' => (rank == 2, "a matrix"),
                b's' => (rank == 0 && argument.ty.element == Element::Int, "an int"),
                b'a' => (rank >= 1, "an array"),
                _ => (rank <= 1, "numbers and arrays of rank 1"),
            };
            if !fits {
                return self.wrong_type(
                    &format!("`{name}` takes {what} here"),
                    &argument,
                    "see `likelier doc` for its arguments",
                );
            }
            let keeps = wanted == b's'
                || matches!(
                    function,
                    Whole::Length | Whole::Rows | Whole::Columns | Whole::Levels
                );
            checked.push(if keeps { argument } else { argument.to_real() });
        }
        let ty = self.whole_type(function, &checked);
        Ok(make(
            span,
            ty,
            ExpressionKind::Whole {
                function,
                arguments: checked,
            },
        ))
    }

    fn whole_type(&self, function: Whole, arguments: &[Expression]) -> Type {
        let size = |i: usize, axis: usize| arguments[i].ty.sizes[axis].clone();
        let number = |i: usize| Size::of(&arguments[i], &self.scope.variables);
        let real = |sizes: Vec<Size>| Type {
            element: Element::Real,
            sizes,
        };
        match function {
            Whole::Cholesky => real(vec![size(0, 0), size(0, 1)]),
            Whole::SolveLower | Whole::SolveLowerTransposed => real(arguments[1].ty.sizes.clone()),
            Whole::Length | Whole::Rows | Whole::Columns | Whole::Levels => Type::INT,
            Whole::Diagonal => real(vec![size(0, 0)]),
            Whole::DiagonalMatrix => real(vec![size(0, 0), size(0, 0)]),
            Whole::Zeros | Whole::Ones => real((0..arguments.len()).map(number).collect()),
            Whole::Identity => real(vec![number(0), number(0)]),
            Whole::Concatenate => {
                let total = arguments.iter().fold(Size::Known(0), |sum, a| {
                    sum.plus(a.ty.sizes.first().unwrap_or(&Size::Known(1)), 1)
                });
                real(vec![total])
            }
            Whole::CumulativeSum => real(vec![size(0, 0)]),
            _ => Type::REAL,
        }
    }

    fn wrong_count<T>(&mut self, name: &str, wanted: &str, found: usize, span: Span) -> Checked<T> {
        self.say(
            Diagnostic::error("E0223", format!("`{name}` takes {wanted}, not {found}"))
                .at(span, format!("{found} given"))
                .help(format!("`likelier doc {name}` shows what it takes")),
        )
    }

    fn positional(&mut self, name: &str, arguments: &[tree::Argument]) -> Checked<Vec<Expression>> {
        let mut checked = Vec::new();
        let mut failed = false;
        for argument in arguments {
            match &argument.value {
                tree::ArgumentValue::Expression(value) => match self.expression(value) {
                    Ok(value) => checked.push(value),
                    Err(Said) => failed = true,
                },
                tree::ArgumentValue::Type(ty) => {
                    return self.say(
                        Diagnostic::error("E0224", format!("`{name}` does not take a type"))
                            .at(ty.span, "")
                            .help("only `flat` does"),
                    );
                }
            }
            if let Some(argument) = &argument.name {
                return self.say(
                    Diagnostic::error("E0225", format!("the arguments of `{name}` have no names"))
                        .at(argument.span, "")
                        .help("give the value alone"),
                );
            }
        }
        if failed { Err(Said) } else { Ok(checked) }
    }

    fn unknown_function(
        &mut self,
        function: &tree::Name,
        arguments: &[tree::Argument],
        span: Span,
    ) -> Checked<Expression> {
        let name = function.text.as_str();
        let diagnostic = Diagnostic::error("E0226", format!("there is no function `{name}`"))
            .at(function.span, "");
        if self.is_distribution(name) {
            return self.say(
                Diagnostic::error(
                    "E0227",
                    format!("`{name}` is a distribution, not a function"),
                )
                .at(span, "a value is expected here")
                .help(format!(
                    "write `x ~ {name}(…)` for a random variable, or `{name}(…).log_density(x)`"
                )),
            );
        }
        if let Some(file) = Library::file_of(name) {
            return self
                .say(diagnostic.help(format!("write `import std.{}` at the top", file.module)));
        }
        let help = match (name, arguments.len()) {
            ("ln", _) => "the natural logarithm is `log`".to_string(),
            ("log10" | "log2", _) => "write `log(x) / log(10)`".to_string(),
            ("square", _) => "write `x^2`".to_string(),
            ("sigmoid" | "expit", _) => "write `logistic(x)`".to_string(),
            ("dot" | "dot_product" | "matmul", _) => "write `a @ b`".to_string(),
            ("len" | "size", _) => "write `length(x)`".to_string(),
            ("std", _) => "write `sd(x)`".to_string(),
            ("log_sum_exp", _) => "write `logsumexp(x)`".to_string(),
            ("transpose", _) => "write `X'`".to_string(),
            ("float", _) => "an int goes where a real is expected".to_string(),
            _ if self.scope.find(name).is_some() => format!(
                "`{name}` is a value: an element is written `{name}[i]`, a product `{name} * (…)`"
            ),
            _ => {
                let known: Vec<String> = TABLE
                    .iter()
                    .filter(|entry| entry.callable)
                    .map(|entry| entry.name)
                    .chain(WHOLES.iter().map(|whole| whole.0))
                    .chain([
                        "sum",
                        "prod",
                        "max",
                        "min",
                        "mean",
                        "logsumexp",
                        "indicator",
                    ])
                    .chain(Library::names(&self.imports))
                    .map(str::to_string)
                    .chain(self.own.keys().cloned())
                    .collect();
                match suggest::nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("define it: `fn {name}(x: real) -> real = …`"),
                }
            }
        };
        self.say(diagnostic.help(help))
    }

    fn function_call(
        &mut self,
        id: super::hir::FunctionId,
        function: &tree::Name,
        arguments: &[tree::Argument],
        span: Span,
    ) -> Checked<Expression> {
        let item = &self.functions[id.0 as usize];
        let (parameters, variables, result) = (
            item.parameters.clone(),
            item.variables.clone(),
            item.result.clone(),
        );
        let name = function.text.as_str();
        let slots = self.match_arguments(name, &parameters, &variables, arguments, span)?;
        let scalar =
            parameters.iter().all(|p| p.declared.sizes.is_empty()) && result.sizes.is_empty();
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
        Ok(make(
            span,
            ty,
            ExpressionKind::Call {
                function: id,
                arguments: values,
                elementwise,
            },
        ))
    }

    fn same_shape_if(&mut self, scalar: bool, values: &[Expression], span: Span) -> Checked<()> {
        if scalar {
            self.same_shape(&values.iter().collect::<Vec<_>>(), span, "")
        } else {
            Ok(())
        }
    }

    /// An argument in the type of its parameter; with `lifted`, arrays may stand for scalar parameters.
    fn fit(
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
    fn match_arguments(
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
            let Ok(value) = self.expression(value) else {
                failed = true;
                next += usize::from(argument.name.is_none());
                continue;
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
            let Some(slot) = slot.filter(|slot| slots[*slot].is_none()) else {
                let signature = signature(name, parameters, variables);
                let what = match &argument.name {
                    Some(key) => format!("`{name}` does not take `{}` (again)", key.text),
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

    /// A distribution with its arguments.
    pub(super) fn distribution_call(
        &mut self,
        law: &tree::Distribution,
    ) -> Checked<DistributionCall> {
        if law.name.text == "flat" && !self.own.contains_key("flat") {
            return self.flat(law);
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
    fn choose(
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
            let help = match (name, near) {
                ("gaussian" | "Gaussian", _) => "did you mean `normal`?".to_string(),
                ("multivariate_normal" | "mvnormal" | "multi_normal_cholesky", _) => {
                    "did you mean `multi_normal`?".to_string()
                }
                ("bernoulli_logit", _) => "write `bernoulli(logit=…)`".to_string(),
                ("poisson_log", _) => "write `poisson(log_rate=…)`".to_string(),
                ("inverse_gamma", _) => "did you mean `inv_gamma`?".to_string(),
                ("t" | "students_t" | "studentt", _) => "did you mean `student_t`?".to_string(),
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
                self.say(
                    diagnostic
                        .help("name the arguments after `;`: systems disagree on what they mean"),
                )
            }
        }
    }

    fn arguments_fit(&self, id: DistributionId, law: &tree::Distribution) -> bool {
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
    fn flat(&mut self, law: &tree::Distribution) -> Checked<DistributionCall> {
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
                    tree::ArgumentValue::Expression(value) => type_of_expression(value),
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
        if matches!(
            declared.support,
            Support::Covariance | Support::CholeskyCovariance
        ) {
            return self.say(
                Diagnostic::error("E0232", "unknown matrices are not part of this version")
                    .at(law.span, "")
                    .help("build the matrix from scalars"),
            );
        }
        Ok(DistributionCall {
            distribution: DistributionRef::Flat(declared),
            arguments: Vec::new(),
            span: law.span,
        })
    }

    fn flat_help<T>(&mut self, law: &tree::Distribution) -> Checked<T> {
        self.say(
            Diagnostic::error("E0233", "`flat` takes nothing or one type of reals")
                .at(law.span, "")
                .help("write `flat()`, `flat(positive)`, `flat(real in (a, b))` or `flat(simplex[K])`"),
        )
    }

    /// A distribution with its modifiers.
    pub(super) fn law(&mut self, law: &tree::Distribution) -> Checked<Law> {
        let call = self.distribution_call(law)?;
        let draw = self.draw_of(&call);
        let mut checked = Law {
            call,
            truncated: None,
            ordered: false,
            span: law.span,
        };
        for modifier in &law.modifiers {
            match modifier {
                tree::Modifier::Truncated { span, lower, upper } => {
                    let lower = self.expression(lower)?;
                    let upper = self.expression(upper)?;
                    for bound in [&lower, &upper] {
                        if bound.ty.element == Element::Bool || bound.ty.rank() > 0 {
                            return self.wrong_type(
                                "the bounds of `truncated` are numbers",
                                bound,
                                "`-inf` and `inf` leave a side open",
                            );
                        }
                    }
                    if !draw.sizes.is_empty() || checked.truncated.is_some() {
                        return self.say(
                            Diagnostic::error(
                                "E0234",
                                "`truncated` applies once, to a distribution of numbers",
                            )
                            .at(*span, "")
                            .help("remove it"),
                        );
                    }
                    if !self.is_cumulative(&checked.call) {
                        return self.say(
                            Diagnostic::error(
                                "E0235",
                                format!(
                                    "`{}` has no `cdf`, which `truncated` needs",
                                    law.name.text
                                ),
                            )
                            .at(*span, "")
                            .help("use a distribution with a `cdf`, or define one"),
                        );
                    }
                    checked.truncated = Some((lower.to_real(), upper.to_real()));
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

    /// The type of a draw, in the terms of its own item.
    pub(super) fn draw_of(&self, call: &DistributionCall) -> Declared {
        match &call.distribution {
            DistributionRef::Item(id) => self.distributions[id.0 as usize].draw.clone(),
            DistributionRef::Flat(declared) => declared.clone(),
        }
    }

    /// Whether a law has a cumulative distribution function. Members are read from the text, because bodies come later.
    fn is_cumulative(&mut self, call: &DistributionCall) -> bool {
        self.members_of(call)
            .iter()
            .any(|member| member == "cdf" || member == "log_cdf")
    }

    fn members_of(&mut self, call: &DistributionCall) -> Vec<String> {
        let DistributionRef::Item(id) = call.distribution else {
            return Vec::new();
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
        let members = self.members_of(&call);
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
            shaped.extend(call.arguments.iter().cloned());
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

/// What the sizes of an item's parameters are in the terms of its caller.
#[derive(Default)]
struct Sizes(std::collections::HashMap<super::hir::VariableId, (Size, Span, String)>);

impl Sizes {
    /// Compares an argument with its parameter's type; sizes seen before must agree.
    fn learn(
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

    fn apply(&self, size: &Size) -> Size {
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

/// `positive` and `simplex[K]` are read as expressions; here they become types again.
fn type_of_expression(value: &tree::Expression) -> Option<tree::Type> {
    let (name, sizes) = match &*value.kind {
        tree::ExpressionKind::Name(name) => (
            tree::Name {
                text: name.clone(),
                span: value.span,
            },
            Vec::new(),
        ),
        tree::ExpressionKind::Index { base, selectors } => {
            let tree::ExpressionKind::Name(name) = &*base.kind else {
                return None;
            };
            let sizes = selectors.iter().map(|selector| match selector {
                tree::Selector::At(size) => Some(size.clone()),
                _ => None,
            });
            (
                tree::Name {
                    text: name.clone(),
                    span: base.span,
                },
                sizes.collect::<Option<Vec<_>>>()?,
            )
        }
        _ => return None,
    };
    Some(tree::Type {
        span: value.span,
        name,
        sizes,
        bounds: None,
    })
}
