//! Typing of statements: those of a model, and the plainer ones of functions.

use super::hir::{
    Element, Expression, ExpressionKind, RandomIndex, Size, Statement, StatementKind, Type,
    VariableId, VariableKind,
};
use super::names::{Ahead, Owner};
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

    /// Notes the random variables and the values defined element by element, wherever they stand.
    pub(super) fn announce(&mut self, statements: &[tree::Statement]) {
        for statement in statements {
            match &statement.kind {
                tree::StatementKind::Random {
                    name,
                    indices,
                    distribution,
                } if self.uses_model(distribution) => {
                    let plate = self.scope.plate().len();
                    let result = self.announced_result(distribution);
                    if let Some((element, rank)) = result.filter(|_| plate + indices.len() > 0)
                        && self.scope.find(&name.text).is_none()
                    {
                        let ty = Self::array_type(element, plate + indices.len() + rank);
                        let id =
                            self.scope
                                .add_global(&name.text, name.span, VariableKind::Let, ty);
                        self.scope.ahead[id.0 as usize] = Ahead::Typed;
                        self.scope.plated(id);
                    }
                }
                tree::StatementKind::Random {
                    name,
                    indices,
                    distribution,
                } => {
                    let known = self.scope.find(&name.text);
                    let ty = self.announced_type(distribution, indices);
                    match (known, ty) {
                        (Some(id), Some(ty))
                            if self.scope.ahead[id.0 as usize] == Ahead::Untyped =>
                        {
                            self.scope.variable(id).ty = ty;
                            self.scope.ahead[id.0 as usize] = Ahead::Typed;
                        }
                        (Some(_), _) => {}
                        (None, ty) => {
                            let ahead = if ty.is_some() {
                                Ahead::Typed
                            } else {
                                Ahead::Untyped
                            };
                            let id = self.scope.add_global(
                                &name.text,
                                name.span,
                                VariableKind::Random,
                                ty.unwrap_or(Type::REAL),
                            );
                            self.scope.ahead[id.0 as usize] = ahead;
                            self.scope.plated(id);
                            self.scope.variable(id).doc = statement.doc.clone();
                        }
                    }
                }
                tree::StatementKind::Let { name, indices, .. }
                    if !indices.is_empty() && self.scope.find(&name.text).is_none() =>
                {
                    let rank = self.scope.plate().len() + indices.len();
                    let ty = Self::array_type(Element::Real, rank);
                    let id = self
                        .scope
                        .add_global(&name.text, name.span, VariableKind::Let, ty);
                    self.scope.plated(id);
                    self.scope.ahead[id.0 as usize] = Ahead::Typed;
                    self.scope.variable(id).doc = statement.doc.clone();
                }
                tree::StatementKind::For { body, .. } => self.announce(body),
                tree::StatementKind::If {
                    then, otherwise, ..
                } => {
                    self.announce(then);
                    self.announce(otherwise);
                }
                _ => {}
            }
        }
    }

    fn announced_type(
        &mut self,
        law: &tree::Distribution,
        indices: &[tree::RandomIndex],
    ) -> Option<Type> {
        if indices.is_empty() {
            return None;
        }
        let (element, rank) = self.announced_draw(law)?;
        let own = indices.iter().map(|index| match index {
            tree::RandomIndex::Over { range, .. } => self.announced_size(range),
            tree::RandomIndex::At(_) => Size::Unknown,
        });
        let sizes = vec![Size::Unknown; self.scope.plate().len()]
            .into_iter()
            .chain(own)
            .chain(vec![Size::Unknown; rank])
            .collect();
        Some(Type { element, sizes })
    }

    /// The element type and the rank of a draw, from the names alone.
    fn announced_draw(&mut self, law: &tree::Distribution) -> Option<(Element, usize)> {
        let name = law.name.text.as_str();
        if name == "flat" {
            let vector = format!("{:?}", law.arguments).contains("\"simplex\"")
                || format!("{:?}", law.arguments).contains("\"ordered\"");
            return Some((Element::Real, usize::from(vector)));
        }
        if self.mixture_named(name).is_some() {
            let component = super::mixture::first_component(law)?;
            return self.announced_draw(&component);
        }
        let id = *self.distributions_named(name).first()?;
        let draw = &self.distributions[id.0 as usize].draw;
        Some((draw.element, draw.sizes.len()))
    }

    /// The length that `1..K` says, when K is a number or a size met before; else it is left open.
    fn announced_size(&self, range: &tree::Range) -> Size {
        let one = matches!(*range.lower.kind, tree::ExpressionKind::Integer(1));
        match &*range.upper.kind {
            tree::ExpressionKind::Integer(upper) if one => Size::Known(*upper),
            _ => Size::Unknown,
        }
    }

    fn statement(&mut self, statement: &tree::Statement) -> Checked<Option<StatementKind>> {
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
                column,
                default,
            } => self.given(statement, name, ty, column, default)?,
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

    fn given(
        &mut self,
        statement: &tree::Statement,
        name: &tree::Name,
        ty: &tree::Type,
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
        Ok(StatementKind::Given {
            variable,
            declared,
            column: column.clone(),
            default,
        })
    }

    fn let_statement(
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
    fn return_several(
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
    fn let_tuple(
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
    fn several(
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

    fn element_indices(&mut self, indices: &[tree::Expression]) -> Checked<Vec<Expression>> {
        let mut checked = Vec::new();
        for index in indices {
            let index = self.expression(index)?;
            checked.push(self.convert(index, &Type::INT, "the index of an element")?);
        }
        Ok(checked)
    }

    fn random(
        &mut self,
        statement: &tree::Statement,
        name: &tree::Name,
        indices: &[tree::RandomIndex],
        distribution: &tree::Distribution,
    ) -> Checked<StatementKind> {
        if indices.is_empty() && self.scope.loops > 0 {
            return self.draw_without_index(name);
        }
        let Some(variable) = self.scope.find(&name.text) else {
            return Err(Said);
        };
        let known = self.scope.variables[variable.0 as usize].clone();
        let repeated = self.scope.branches == 0
            && self.scope.ahead[variable.0 as usize] == Ahead::No
            && (indices.is_empty()
                || known.ty.rank() < self.scope.plate().len() + indices.len()
                || indices
                    .iter()
                    .all(|i| matches!(i, tree::RandomIndex::Over { .. }))
                    && known.span == name.span);
        if known.kind != VariableKind::Random || repeated {
            if known.kind == VariableKind::Given {
                let diagnostic = self
                    .defined_twice(&name.text, name.span, &known)
                    .help(format!(
                        "what is random and observed needs no `given`: remove `given {}`",
                        name.text
                    ));
                return self.say(diagnostic);
            }
            let diagnostic = self.defined_twice(&name.text, name.span, &known);
            return self.say(diagnostic);
        }
        self.block(|checker| {
            let (checked, sizes) = checker.random_indices(indices)?;
            let law = checker.law(distribution)?;
            checker.finish_random(variable, statement, name, checked, sizes, law)
        })
    }

    pub(super) fn draw_without_index<T>(&mut self, name: &tree::Name) -> Checked<T> {
        self.say(
            Diagnostic::error(
                "E0246",
                format!(
                    "inside a loop, say which element of `{}` is drawn",
                    name.text
                ),
            )
            .at(name.span, "")
            .help(format!("write `{}[i] ~ …`", name.text)),
        )
    }

    /// The indices on the left of `~`, and the length that each tells.
    pub(super) fn random_indices(
        &mut self,
        indices: &[tree::RandomIndex],
    ) -> Checked<(Vec<RandomIndex>, Vec<Size>)> {
        let mut checked = Vec::new();
        let mut sizes = Vec::new();
        for index in indices {
            match index {
                tree::RandomIndex::Over { name, range } => {
                    let (lower, upper) = self.range(range)?;
                    let size = match &*lower.kind {
                        ExpressionKind::Int(low) if *low < 1 => {
                            return self.say(
                                Diagnostic::error(
                                    "E0247",
                                    format!("indices begin at 1, and this range begins at {low}"),
                                )
                                .at(lower.span, "")
                                .help("let the range begin at 1"),
                            );
                        }
                        // The elements before the range are there too.
                        _ => Size::of(&upper, &self.scope.variables),
                    };
                    sizes.push(size);
                    if let Some(name) = name {
                        self.unhidden(name)?;
                    }
                    let (text, span) = match name {
                        Some(name) => (name.text.as_str(), name.span),
                        None => ("_", range.lower.span),
                    };
                    let variable = self.scope.add(text, span, VariableKind::Index, Type::INT);
                    checked.push(RandomIndex::Over {
                        variable,
                        lower,
                        upper,
                    });
                }
                tree::RandomIndex::At(at) => {
                    let at = self.expression(at)?;
                    let at = self.convert(at, &Type::INT, "the index of an element")?;
                    sizes.push(Size::Unknown);
                    checked.push(RandomIndex::At(at));
                }
            }
        }
        Ok((checked, sizes))
    }

    fn finish_random(
        &mut self,
        variable: VariableId,
        statement: &tree::Statement,
        name: &tree::Name,
        indices: Vec<RandomIndex>,
        sizes: Vec<Size>,
        law: super::hir::Law,
    ) -> Checked<StatementKind> {
        let draw = self.draw_of(&law.call);
        let scalars: Vec<Expression> = self.scalar_arguments(&law.call);
        let shape = super::expressions::common_sizes(&scalars);
        let ranges = indices
            .iter()
            .filter(|index| matches!(index, RandomIndex::Over { .. }))
            .count();
        if !shape.is_empty()
            && !indices.is_empty()
            && (shape.len() != indices.len() || ranges != indices.len())
        {
            let array = scalars
                .iter()
                .find(|argument| argument.ty.rank() > 0)
                .expect("an array");
            let found = array.ty.show(&self.scope.variables);
            return self.say(
                Diagnostic::error("E0317", format!("`{}` gets one number for each index, and this argument is {found}", name.text))
                    .at(array.span, found)
                    .help("index it, as in `y[i in 1..N] ~ normal(mu[i], sigma)`; without indices on the left, `y ~ normal(mu, sigma)`, the shapes go together"),
            );
        }
        if law.ordered && (indices.is_empty() && shape.is_empty()) {
            return self.say(
                Diagnostic::error("E0318", "`ordered` needs several draws")
                    .at(law.span, "")
                    .help(format!("write `{}[1..K] ~ …`", name.text)),
            );
        }
        let plate = self.scope.plate().to_vec();
        if !plate.is_empty() && (law.ordered || indices.is_empty() && !shape.is_empty()) {
            return self.say(
                Diagnostic::error(
                    "E0319",
                    format!(
                        "several models hold `{}`, so its own elements need an index",
                        name.text
                    ),
                )
                .at(law.span, "this describes several numbers at once")
                .help(format!(
                    "write `{}[k in 1..K] ~ …`, without `ordered`",
                    name.text
                )),
            );
        }
        let ranged = ranges == indices.len();
        let own = if indices.is_empty() { shape } else { sizes };
        let mut all = vec![Size::Unknown; plate.len()];
        all.extend(own);
        let indices: Vec<RandomIndex> = plate
            .into_iter()
            .map(RandomIndex::At)
            .chain(indices)
            .collect();
        let own = self.distribution_sizes(&law.call, &draw);
        all.extend(own);
        let ahead = self.scope.ahead[variable.0 as usize];
        let entry = self.scope.variable(variable);
        if ahead == Ahead::Untyped || (ahead == Ahead::Typed && ranged) {
            entry.ty = Type {
                element: draw.element,
                sizes: all,
            };
        }
        entry.doc = statement.doc.clone();
        self.scope.ahead[variable.0 as usize] = Ahead::No;
        Ok(StatementKind::Random {
            variable,
            indices,
            law,
        })
    }

    /// The arguments that stand for scalar parameters, with the shape that they give the variable.
    pub(super) fn scalar_arguments(&self, call: &super::hir::DistributionCall) -> Vec<Expression> {
        let slots = call.slots(&self.distributions);
        let scalars = slots.iter().filter(|slot| slot.is_scalar);
        scalars
            .map(|slot| {
                let mut argument = slot.expression.clone();
                argument.ty.sizes = slot.sizes().to_vec();
                argument
            })
            .collect()
    }

    /// The sizes of a draw in the terms of the model, where an argument tells them.
    fn distribution_sizes(
        &self,
        call: &super::hir::DistributionCall,
        draw: &super::hir::Declared,
    ) -> Vec<Size> {
        match &call.distribution {
            super::hir::DistributionRef::Flat(declared) => declared
                .sizes
                .iter()
                .map(|size| Size::of(size, &self.scope.variables))
                .collect(),
            super::hir::DistributionRef::Mixture(mixture) if mixture.binder.is_some() => {
                vec![Size::Unknown; draw.sizes.len()]
            }
            super::hir::DistributionRef::Mixture(mixture) => {
                self.distribution_sizes(&mixture.components[0], draw)
            }
            super::hir::DistributionRef::Item(id) => {
                let item = &self.distributions[id.0 as usize];
                let find = |wanted: &Size| {
                    for (parameter, argument) in item.parameters.iter().zip(&call.arguments) {
                        let declared = &item.variables[parameter.variable.0 as usize].ty;
                        let position = declared.sizes.iter().position(|size| size == wanted);
                        if let Some(position) = position {
                            return argument.ty.sizes[position].clone();
                        }
                    }
                    Size::Unknown
                };
                draw.sizes
                    .iter()
                    .map(|size| find(&Size::of(size, &item.variables)))
                    .collect()
            }
        }
    }

    fn observe(
        &mut self,
        value: &tree::Expression,
        distribution: &tree::Distribution,
    ) -> Checked<StatementKind> {
        let value = self.expression(value);
        let law = self.law(distribution)?;
        let value = value?;
        let draw = self.draw_of(&law.call);
        if law.ordered {
            return self.say(
                Diagnostic::error("E0236", "`ordered` applies to `~` on a random variable")
                    .at(law.span, "")
                    .help("remove it"),
            );
        }
        let value = if draw.element == Element::Real {
            value.to_real()
        } else {
            value
        };
        if value.ty.element != draw.element {
            let help = "this distribution gives whole numbers: observe an int";
            return self.wrong_type(
                "the observed value does not fit the distribution",
                &value,
                help,
            );
        }
        let mut shaped = self.scalar_arguments(&law.call);
        if draw.sizes.is_empty() {
            shaped.push(value.clone());
            self.same_shape(&shaped.iter().collect::<Vec<_>>(), law.span, "")?;
            if value.ty.rank() == 0
                && let Some(array) = shaped.iter().find(|argument| argument.ty.rank() > 0)
            {
                let array = array.clone();
                return self.wrong_type(
                    "one number is observed, and this argument is an array",
                    &array,
                    "observe each element: `observe a[i] ~ …` inside `for`",
                );
            }
        } else if value.ty.rank() != draw.sizes.len() {
            return self.wrong_type(
                "the observed value does not fit the distribution",
                &value,
                "this distribution gives vectors",
            );
        }
        Ok(StatementKind::Observe { value, law })
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

    fn var(
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
