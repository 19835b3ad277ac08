//! The names that a statement defines, and those that it reads, told from the tree alone: whoever holds a program as a list of
//! statements learns here what depends on what, also while the program is incomplete.

use std::collections::BTreeSet;

use super::tree::*;

/// The names that a statement defines, those inside its blocks too, in their order.
pub fn defined(statement: &Statement) -> Vec<String> {
    let mut names = Vec::new();
    for leaf in leaves(statement) {
        match &leaf.kind {
            StatementKind::Given { name, .. }
            | StatementKind::Let { name, .. }
            | StatementKind::Random { name, .. }
            | StatementKind::Var { name, .. }
            | StatementKind::Report {
                name,
                value: Some(_),
            } => names.push(name.text.clone()),
            StatementKind::LetTuple { names: parts, .. } => {
                names.extend(parts.iter().map(|name| name.text.clone()));
            }
            StatementKind::Function(function) => names.push(function.name.text.clone()),
            StatementKind::Distribution(item) => names.push(item.name.text.clone()),
            StatementKind::Model(item) => names.push(item.name.text.clone()),
            _ => {}
        }
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// Whether a statement conditions on something by itself, or one inside its blocks does.
pub fn conditions(statement: &Statement) -> bool {
    let is_condition = |leaf: &&Statement| {
        matches!(
            leaf.kind,
            StatementKind::Observe { .. }
                | StatementKind::Factor { .. }
                | StatementKind::Require { .. }
                | StatementKind::Soft { .. }
        )
    };
    leaves(statement).iter().any(is_condition)
}

/// The names that a statement defines by `~`, those inside its blocks too.
pub fn drawn(statement: &Statement) -> Vec<String> {
    let name = |leaf: &Statement| match &leaf.kind {
        StatementKind::Random { name, .. } => Some(name.text.clone()),
        _ => None,
    };
    leaves(statement).into_iter().filter_map(name).collect()
}

/// The statements inside the blocks of a statement, at any depth; of one without blocks, itself.
fn leaves(statement: &Statement) -> Vec<&Statement> {
    match &statement.kind {
        StatementKind::For { body, .. } => body.iter().flat_map(leaves).collect(),
        StatementKind::If {
            then, otherwise, ..
        } => then.iter().chain(otherwise).flat_map(leaves).collect(),
        _ => vec![statement],
    }
}

/// The names that a statement reads: variables, sizes, functions, distributions and models, of the library too.
pub fn read(statement: &Statement) -> BTreeSet<String> {
    let mut reader = Reader::default();
    reader.statement(statement);
    reader.found
}

/// The names that an expression reads.
pub fn read_by_expression(expression: &Expression) -> BTreeSet<String> {
    let mut reader = Reader::default();
    reader.expression(expression);
    reader.found
}

/// The names that a distribution with its modifiers reads, its own among them.
pub fn read_by_distribution(distribution: &Distribution) -> BTreeSet<String> {
    let mut reader = Reader::default();
    reader.distribution(distribution);
    reader.found
}

#[derive(Default)]
struct Reader {
    found: BTreeSet<String>,
    /// Indices and parameters, which hide what is outside.
    local: Vec<String>,
}

impl Reader {
    fn name(&mut self, name: &str) {
        // `b.tau` reads `b`.
        let name = name.split('.').next().unwrap_or(name);
        if !self.local.iter().any(|local| local == name) {
            self.found.insert(name.to_string());
        }
    }

    /// Runs `body` where these names are local.
    fn within(&mut self, names: impl IntoIterator<Item = String>, body: impl FnOnce(&mut Self)) {
        let before = self.local.len();
        self.local.extend(names);
        body(self);
        self.local.truncate(before);
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Given {
                ty,
                levels,
                default,
                ..
            } => {
                self.ty(ty);
                levels.iter().for_each(|name| self.name(&name.text));
                default.iter().for_each(|value| self.expression(value));
            }
            StatementKind::Let { indices, value, .. }
            | StatementKind::Assign { indices, value, .. } => {
                indices.iter().for_each(|index| self.expression(index));
                self.expression(value);
            }
            StatementKind::LetTuple { value, .. }
            | StatementKind::Factor { value }
            | StatementKind::Require { condition: value }
            | StatementKind::Return { value } => self.expression(value),
            StatementKind::Random {
                indices,
                distribution,
                ..
            } => self.random(indices, distribution),
            StatementKind::Observe {
                value,
                distribution,
            } => {
                self.expression(value);
                self.distribution(distribution);
            }
            StatementKind::Soft {
                formula,
                weight,
                binders,
                ..
            } => self.bound(binders, |reader| {
                reader.expression(formula);
                weight.iter().for_each(|w| reader.expression(&w.value));
            }),
            StatementKind::Report { name, value } => match value {
                Some(value) => self.expression(value),
                None => self.name(&name.text),
            },
            StatementKind::For { binder, body } => {
                self.bound(std::slice::from_ref(binder), |reader| reader.block(body));
            }
            StatementKind::If {
                condition,
                then,
                otherwise,
            } => {
                self.expression(condition);
                self.block(then);
                self.block(otherwise);
            }
            StatementKind::Var { ty, value, .. } => {
                ty.iter().for_each(|ty| self.ty(ty));
                value.iter().for_each(|value| self.expression(value));
            }
            StatementKind::Function(function) => {
                self.item(&function.parameters, &function.body, &[&function.result]);
            }
            StatementKind::Model(item) => {
                let results: Vec<&Type> = item.result.iter().collect();
                self.item(&item.parameters, &item.body, &results);
            }
            StatementKind::Distribution(item) => self.distribution_item(item),
            StatementKind::Import { .. } | StatementKind::ImportFile { .. } => {}
        }
    }

    fn block(&mut self, statements: &[Statement]) {
        statements.iter().for_each(|inner| self.statement(inner));
    }

    fn random(&mut self, indices: &[RandomIndex], distribution: &Distribution) {
        let mut names = Vec::new();
        for index in indices {
            match index {
                RandomIndex::Over { name, range } => {
                    self.range(range);
                    names.extend(name.iter().map(|name| name.text.clone()));
                }
                RandomIndex::At(at) => self.expression(at),
            }
        }
        self.within(names, |reader| reader.distribution(distribution));
    }

    /// The body of a function or model: its parameters, the sizes of their types and what it defines are its own.
    fn item(&mut self, parameters: &[Parameter], body: &[Statement], results: &[&Type]) {
        let own = own_names(parameters, body);
        self.within(own, |reader| {
            reader.parameters(parameters);
            results.iter().for_each(|ty| reader.ty(ty));
            reader.block(body);
        });
    }

    fn parameters(&mut self, parameters: &[Parameter]) {
        for parameter in parameters {
            self.ty(&parameter.ty);
            let default = parameter.default.iter();
            default.for_each(|value| self.expression(value));
        }
    }

    fn distribution_item(&mut self, item: &DistributionItem) {
        let own = own_names(&item.parameters, &[]);
        self.within(own, |reader| {
            reader.parameters(&item.parameters);
            reader.ty(&item.support);
            match &item.body {
                DistributionBody::Same(other) => reader.distribution(other),
                DistributionBody::Members(members) => members.iter().for_each(|member| {
                    let mut own: Vec<String> =
                        member.parameters.iter().map(|p| p.text.clone()).collect();
                    own.extend(member.body.iter().flat_map(defined));
                    reader.within(own, |reader| reader.block(&member.body));
                }),
            }
        });
    }

    fn ty(&mut self, ty: &Type) {
        ty.sizes.iter().for_each(|size| self.expression(size));
        if let Some((lower, upper)) = &ty.bounds {
            self.expression(lower);
            self.expression(upper);
        }
    }

    fn range(&mut self, range: &Range) {
        self.expression(&range.lower);
        self.expression(&range.upper);
    }

    /// Runs `body` where the indices of these binders are local.
    fn bound(&mut self, binders: &[Binder], body: impl FnOnce(&mut Self)) {
        let before = self.local.len();
        for binder in binders {
            self.range(&binder.range);
            self.local.push(binder.name.text.clone());
        }
        body(self);
        self.local.truncate(before);
    }

    fn distribution(&mut self, distribution: &Distribution) {
        self.name(&distribution.name.text);
        self.arguments(&distribution.arguments);
        for modifier in &distribution.modifiers {
            if let Modifier::Truncated { lower, upper, .. }
            | Modifier::Censored { lower, upper, .. } = modifier
            {
                self.expression(lower);
                self.expression(upper);
            }
        }
    }

    fn arguments(&mut self, arguments: &[Argument]) {
        for argument in arguments {
            match &argument.value {
                ArgumentValue::Expression(value) => self.expression(value),
                ArgumentValue::Type(ty) => self.ty(ty),
            }
        }
    }

    fn expression(&mut self, expression: &Expression) {
        match &*expression.kind {
            ExpressionKind::Real(_)
            | ExpressionKind::Integer(_)
            | ExpressionKind::Boolean(_)
            | ExpressionKind::Label(_)
            | ExpressionKind::Error => {}
            ExpressionKind::Name(name) => self.name(name),
            ExpressionKind::Unary { operand, .. } | ExpressionKind::Transpose { operand } => {
                self.expression(operand);
            }
            ExpressionKind::Binary { left, right, .. } => {
                self.expression(left);
                self.expression(right);
            }
            ExpressionKind::Call {
                function,
                arguments,
            } => {
                self.name(&function.text);
                self.arguments(arguments);
            }
            ExpressionKind::Method {
                distribution,
                arguments,
                ..
            } => {
                self.distribution(distribution);
                arguments.iter().for_each(|value| self.expression(value));
            }
            ExpressionKind::Index { base, selectors } => {
                self.expression(base);
                for selector in selectors {
                    match selector {
                        Selector::At(at) => self.expression(at),
                        Selector::Range(range) => self.range(range),
                        Selector::All => {}
                    }
                }
            }
            ExpressionKind::Array(items) | ExpressionKind::Tuple(items) => {
                items.iter().for_each(|item| self.expression(item));
            }
            ExpressionKind::Comprehension { body, binders } => {
                self.bound(binders, |reader| reader.expression(body));
            }
            ExpressionKind::Reduction {
                function,
                body,
                binders,
            } => {
                self.name(&function.text);
                self.bound(binders, |reader| reader.expression(body));
            }
            ExpressionKind::If {
                condition,
                then,
                otherwise,
            } => [condition, then, otherwise]
                .into_iter()
                .for_each(|part| self.expression(part)),
            ExpressionKind::Constraint(constraint) => self.constraint(constraint),
        }
    }

    fn constraint(&mut self, constraint: &Constraint) {
        match constraint {
            Constraint::Compare {
                operands, strength, ..
            } => {
                operands.iter().for_each(|operand| self.expression(operand));
                if let Some(strength) = strength {
                    self.expression(&strength.within);
                    let tail = strength.tail.iter().flat_map(|tail| &tail.freedom);
                    tail.for_each(|freedom| self.expression(freedom));
                }
            }
            Constraint::Penalty(value) => self.expression(value),
            Constraint::Implies(left, right) => {
                self.expression(left);
                self.expression(right);
            }
        }
    }
}

/// What belongs to a function, distribution or model itself.
fn own_names(parameters: &[Parameter], body: &[Statement]) -> Vec<String> {
    let mut own: Vec<String> = parameters.iter().map(|p| p.name.text.clone()).collect();
    for size in parameters.iter().flat_map(|p| &p.ty.sizes) {
        if let ExpressionKind::Name(name) = &*size.kind {
            own.push(name.clone());
        }
    }
    own.extend(body.iter().flat_map(defined));
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    /// What the only statement of a text defines and reads.
    fn names(text: &str) -> (String, String) {
        let (tree, diagnostics) = crate::ast::parse(FileId(0), text);
        assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
        let read: Vec<String> = read(&tree.statements[0]).into_iter().collect();
        (defined(&tree.statements[0]).join(" "), read.join(" "))
    }

    #[test]
    fn indices_parameters_and_argument_names_are_not_read() {
        for (text, defined, read) in [
            ("y[i in 1..N] ~ normal(mu[i], s)", "y", "N mu normal s"),
            (
                "r ~ gamma(shape=a, rate=2) truncated(lo, inf)",
                "r",
                "a gamma lo",
            ),
            ("for t in 2..T { let v[t] = w * v[t - 1] }", "v", "T v w"),
            ("let a = sum(x[i] for i in 1..N) + b.tau", "a", "N b sum x"),
            (
                "fn f(x: real[K], s: real) -> real { let a = K * s; return a * c + g(x) }",
                "f",
                "c g",
            ),
            (
                "dist d(s: positive) on positive { log_density(x) = h(x) / s + k }",
                "d",
                "h k",
            ),
            (
                "soft up: x[i] < x[i + 1] within s for i in 1..N - 1",
                "",
                "N s x",
            ),
            ("report theta", "", "theta"),
            (
                "if c > 0 { y ~ normal(0, 1) } else { let z = q }",
                "y z",
                "c normal q",
            ),
            ("given x: real[N, 2] in (0, top)", "x", "N top"),
            (
                "model m(k: int) -> real { z ~ normal(k, s); return z }",
                "m",
                "normal s",
            ),
        ] {
            let inf = |names: &str| names.replace(" inf", "");
            let found = names(text);
            assert_eq!(
                (found.0.as_str(), inf(&found.1).as_str()),
                (defined, read),
                "{text}"
            );
        }
    }
}
