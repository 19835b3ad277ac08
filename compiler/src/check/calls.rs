//! Calls: primitives of the table, primitives on whole arrays, functions, and distributions with their named and
//! keyword-only arguments. Several distributions may share a name when the names of their arguments tell them apart.

use super::expressions::{make, reducer};
use super::hir::{Element, Expression, ExpressionKind, Size, Type, Whole};
use super::names::Owner;
use super::{Checked, Checker, Said};
use crate::ast::tree;
use crate::check::library::Library;
use crate::math::graph;
use crate::math::primitive::{DRAWS, Operation, TABLE};
use crate::source::{Diagnostic, Span, suggest};

/// Primitives on whole arrays: name, function, ranks of the arguments ("1", "2", "a" array, "s" int, "n" number or array, "i" int array).
const WHOLES: &[(&str, Whole, &str)] = &[
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
    ("solve", Whole::Solve, "2a"),
    ("solve_spd", Whole::SolvePositive, "2a"),
    ("inverse", Whole::Inverse, "2"),
    ("inverse_spd", Whole::InversePositive, "2"),
    ("log_det", Whole::LogDeterminant, "2"),
    ("log_det_spd", Whole::LogDeterminantPositive, "2"),
    ("determinant", Whole::Determinant, "2"),
    ("eigenvalues_sym", Whole::Eigenvalues, "2"),
    ("eigenvectors_sym", Whole::Eigenvectors, "2"),
    ("qr_q", Whole::QrOrthogonal, "2"),
    ("qr_r", Whole::QrTriangular, "2"),
    ("sort", Whole::Sort, "1"),
    ("segment_sum", Whole::SegmentSum, "1is"),
];

/// Whether the language itself has a function of this name.
pub(super) fn is_built_in(name: &str) -> bool {
    name == "indicator"
        || super::ode::method(name).is_some()
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
        if let Some(method) = super::ode::method(name) {
            return self.ode(function, method, arguments, span);
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

    pub(super) fn elementwise(
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

    pub(super) fn indicator(
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

    pub(super) fn draw(
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

    pub(super) fn whole(
        &mut self,
        name: &str,
        arguments: Vec<Expression>,
        span: Span,
    ) -> Checked<Expression> {
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
                b'i' => (
                    rank == 1 && argument.ty.element == Element::Int,
                    "an int array of rank 1",
                ),
                _ => (rank <= 1, "numbers and arrays of rank 1"),
            };
            if !fits {
                return self.wrong_type(
                    &format!("`{name}` takes {what} here"),
                    &argument,
                    "see `likelier doc` for its arguments",
                );
            }
            let keeps = matches!(wanted, b's' | b'i')
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

    pub(super) fn whole_type(&self, function: Whole, arguments: &[Expression]) -> Type {
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
            Whole::CumulativeSum | Whole::Sort | Whole::Eigenvalues => real(vec![size(0, 0)]),
            Whole::Solve | Whole::SolvePositive => real(arguments[1].ty.sizes.clone()),
            Whole::Inverse | Whole::InversePositive | Whole::Eigenvectors | Whole::QrOrthogonal => {
                real(vec![size(0, 0), size(0, 1)])
            }
            Whole::QrTriangular => real(vec![size(0, 1), size(0, 1)]),
            Whole::SegmentSum => real(vec![number(2)]),
            _ => Type::REAL,
        }
    }

    pub(super) fn wrong_count<T>(
        &mut self,
        name: &str,
        wanted: &str,
        found: usize,
        span: Span,
    ) -> Checked<T> {
        self.say(
            Diagnostic::error("E0223", format!("`{name}` takes {wanted}, not {found}"))
                .at(span, format!("{found} given"))
                .help(format!("`likelier doc {name}` shows what it takes")),
        )
    }

    pub(super) fn positional(
        &mut self,
        name: &str,
        arguments: &[tree::Argument],
    ) -> Checked<Vec<Expression>> {
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

    pub(super) fn unknown_function(
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
            ("ode_rk45" | "integrate_ode_rk45" | "ode_adams" | "solve_ivp" | "odeint", _) => {
                "write `ode(f, y0, t0, ts, …)`".to_string()
            }
            ("ode_bdf" | "integrate_ode_bdf", _) => {
                "write `ode_stiff(f, y0, t0, ts, …)`".to_string()
            }
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
                        "ode",
                        "ode_stiff",
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
}
