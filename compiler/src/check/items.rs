//! `fn` and `dist` items: found by name when first used, first their signatures, their bodies after the model, so that
//! functions may call each other in any order.

use std::rc::Rc;

use super::hir::{
    Declared, Distribution, DistributionBody, DistributionId, Element, Expression, ExpressionKind,
    Function, FunctionId, Member, Parameter, Size, Support, Type, VariableId, VariableKind,
};
use super::library::{ALWAYS, Item, Library};
use super::names::{Owner, Scope};
use super::statements::returns;
use super::{Checked, Checker, Pending};
use crate::ast::tree;
use crate::math::structure::Structure;
use crate::source::{Diagnostic, suggest};

/// The members that a distribution may have, with the number of their parameters.
const MEMBERS: [(&str, usize); 9] = [
    ("log_density", 1),
    ("sample", 0),
    ("cdf", 1),
    ("log_cdf", 1),
    ("log_ccdf", 1),
    ("quantile", 1),
    ("mean", 0),
    ("centre", 0),
    ("width", 0),
];

/// What a function returns, as declared and as a type.
type Results = Vec<(Declared, Type)>;

impl Checker<'_> {
    /// Notes the items and imports of the file.
    pub(super) fn declare_items(&mut self, tree: &tree::Tree) {
        self.declare_file(tree);
        // Items nobody uses are checked as well.
        let mut own: Vec<Item> = self.own.values().flatten().cloned().collect();
        own.sort_by_key(|item| (item.span().file, item.span().start));
        for item in own {
            match &item {
                Item::Function(..) => drop(self.function(item.name())),
                Item::Distribution(..) => drop(self.distributions_named(item.name())),
                Item::Model(..) => drop(self.model_named(item.name())),
            }
        }
    }

    /// Notes the items of one file, those of the files it imports first.
    pub(super) fn declare_file(&mut self, tree: &tree::Tree) {
        for statement in &tree.statements {
            match &statement.kind {
                tree::StatementKind::Import { path } => {
                    let _ = self.import(path);
                }
                tree::StatementKind::ImportFile { path } => {
                    let _ = self.import_file(path, statement.span);
                }
                _ => {}
            }
        }
        for statement in &tree.statements {
            if let Some(item) = Item::of(statement.clone()) {
                let _ = self.declare(item);
            }
        }
    }

    /// Notes an item. Distributions of one file may share a name; nothing else may.
    fn declare(&mut self, item: Item) -> Checked<()> {
        let is_law = |item: &Item| matches!(item, Item::Distribution(..));
        let others = self.own.get(item.name()).map_or(&[][..], Vec::as_slice);
        let taken = others
            .iter()
            .find(|other| match (is_law(other), is_law(&item)) {
                (true, true) => other.span().file != item.span().file,
                (false, false) => true,
                (true, false) => matches!(item, Item::Model(..)),
                (false, true) => matches!(other, Item::Model(..)),
            });
        if let Some(other) = taken {
            let first = other.span();
            let what = match &item {
                Item::Function(..) => "function",
                Item::Distribution(..) => "distribution",
                Item::Model(..) => "model",
            };
            return self.say(
                Diagnostic::error(
                    "E0202",
                    format!("the {what} `{}` is defined twice", item.name()),
                )
                .at(item.span(), "defined again")
                .at(first, "defined first here")
                .help("give one of them another name"),
            );
        }
        let name = item.name().to_string();
        self.own.entry(name).or_default().push(item);
        Ok(())
    }

    fn import(&mut self, path: &[tree::Name]) -> Checked<()> {
        let [root, module] = path else {
            return self.say(
                Diagnostic::error(
                    "E0211",
                    "an import names one module of the standard library",
                )
                .at(path[0].span.to(path[path.len() - 1].span), "")
                .help(format!(
                    "write `import std.NAME`; there are {}",
                    Library::modules().join(", ")
                )),
            );
        };
        if root.text != "std" || !Library::has_module(&module.text) {
            return self.say(
                Diagnostic::error(
                    "E0211",
                    format!("there is no module `{}.{}`", root.text, module.text),
                )
                .at(root.span.to(module.span), "")
                .help(format!(
                    "write `import std.NAME`; there are {}",
                    Library::modules().join(", ")
                )),
            );
        }
        self.imports.push(module.text.clone());
        Ok(())
    }

    /// All items of a name that are in scope; what a file defines hides the library.
    pub(super) fn items(&mut self, name: &str) -> Vec<Item> {
        if let Some(own) = self.own.get(name) {
            return own.clone();
        }
        match Library::file_of(name) {
            Some(file)
                if ALWAYS.contains(&file.module)
                    || self.imports.iter().any(|import| import == file.module)
                    || self.in_library() =>
            {
                let Self {
                    library, sources, ..
                } = self;
                library.items(sources, file, name)
            }
            _ => Vec::new(),
        }
    }

    fn in_library(&self) -> bool {
        if let Some(instance) = &self.scope.instance {
            return self.sources.name(instance.file).starts_with("std/");
        }
        self.scope
            .variables
            .first()
            .is_some_and(|variable| self.sources.name(variable.span.file).starts_with("std/"))
    }

    pub(super) fn is_distribution(&mut self, name: &str) -> bool {
        name == "flat"
            || super::hir::MixtureKind::by_name(name).is_some()
            || self
                .items(name)
                .iter()
                .any(|item| matches!(item, Item::Distribution(..)))
    }

    pub(super) fn is_function(&mut self, name: &str) -> bool {
        self.items(name)
            .iter()
            .any(|item| matches!(item, Item::Function(..)))
            || super::calls::is_built_in(name)
    }

    /// The function of a name, its signature checked.
    pub(super) fn function(&mut self, name: &str) -> Option<FunctionId> {
        if let Some(known) = self.known_functions.get(name) {
            return *known;
        }
        let item = self.items(name).into_iter().find_map(|item| match item {
            Item::Function(function, doc) => Some((function, doc)),
            Item::Distribution(..) | Item::Model(..) => None,
        });
        let (item, doc) = item?;
        self.known_functions.insert(name.into(), None);
        let outer = std::mem::replace(&mut self.scope, Scope::new(Owner::Signature));
        let signature = self.function_signature(&item);
        let mut scope = std::mem::replace(&mut self.scope, outer);
        let (parameters, results) = signature.ok()?;
        let mut types: Vec<Type> = results.iter().map(|result| result.1.clone()).collect();
        let mut results: Vec<Declared> = results.into_iter().map(|result| result.0).collect();
        let (result, ty) = (results.remove(0), types.remove(0));
        scope.owner = Owner::Function(ty, types);
        let id = FunctionId(self.functions.len() as u32);
        self.functions.push(Function {
            name: name.into(),
            doc,
            span: item.name.span,
            variables: scope.variables.clone(),
            parameters,
            result,
            more: results,
            body: Vec::new(),
        });
        self.known_functions.insert(name.into(), Some(id));
        self.pending.push_back(Pending::Function(id, item, scope));
        Some(id)
    }

    fn function_signature(&mut self, item: &tree::Function) -> Checked<(Vec<Parameter>, Results)> {
        let parameters = self.parameters(&item.parameters)?;
        let mut results = Vec::new();
        for result in std::iter::once(&item.result).chain(&item.more) {
            results.push(self.declared(result)?);
        }
        Ok((parameters, results))
    }

    pub(super) fn parameters(&mut self, parameters: &[tree::Parameter]) -> Checked<Vec<Parameter>> {
        let mut checked = Vec::new();
        for parameter in parameters {
            let (declared, ty) = self.declared(&parameter.ty)?;
            let default = match &parameter.default {
                Some(default) => {
                    let value = self.expression(default)?;
                    Some(self.convert(value, &ty, "the default")?)
                }
                None => None,
            };
            let variable = self.define(
                &parameter.name.text,
                parameter.name.span,
                VariableKind::Parameter,
                ty,
            )?;
            checked.push(Parameter {
                variable,
                declared,
                keyword_only: parameter.keyword_only,
                default,
            });
        }
        Ok(checked)
    }

    /// The distributions of a name, signatures checked.
    pub(super) fn distributions_named(&mut self, name: &str) -> Vec<DistributionId> {
        if let Some(known) = self.known_distributions.get(name) {
            return known.clone();
        }
        self.known_distributions.insert(name.into(), Vec::new());
        let mut aliases = Vec::new();
        for item in self.items(name) {
            let Item::Distribution(item, doc) = item else {
                continue;
            };
            let outer = std::mem::replace(&mut self.scope, Scope::new(Owner::Signature));
            let signature = self
                .parameters(&item.parameters)
                .and_then(|p| Ok((p, self.declared(&item.support)?)))
                .and_then(|signature| self.one_of_a_kind(&signature.1.0).map(|()| signature));
            let scope = std::mem::replace(&mut self.scope, outer);
            let Ok((parameters, (draw, _))) = signature else {
                continue;
            };
            let id = DistributionId(self.distributions.len() as u32);
            self.distributions.push(Distribution {
                name: name.into(),
                doc,
                span: item.name.span,
                variables: scope.variables.clone(),
                parameters,
                draw,
                body: DistributionBody::Members(Vec::new()),
            });
            self.known_distributions
                .entry(name.into())
                .or_default()
                .push(id);
            if matches!(item.body, tree::DistributionBody::Same(_)) {
                aliases.push((id, item, scope));
            } else {
                self.pending
                    .push_back(Pending::Distribution(id, item, scope));
            }
        }
        for (id, item, scope) in aliases {
            self.alias(id, &item, scope);
        }
        self.known_distributions[name].clone()
    }

    fn alias(&mut self, id: DistributionId, item: &tree::DistributionItem, scope: Scope) {
        let tree::DistributionBody::Same(law) = &item.body else {
            return;
        };
        let outer = std::mem::replace(&mut self.scope, scope);
        if let Ok(call) = self.distribution_call(law) {
            let same = match &call.distribution {
                super::hir::DistributionRef::Item(other) if self.reaches(*other, id) => None,
                _ => Some(call),
            };
            match same {
                Some(call) => {
                    self.distributions[id.0 as usize].body = DistributionBody::Same(Box::new(call));
                }
                None => {
                    let _: Checked<()> = self.say(
                        Diagnostic::error(
                            "E0212",
                            format!("`{}` is defined by itself", item.name.text),
                        )
                        .at(law.span, "this leads back here")
                        .help("give it a `log_density`"),
                    );
                }
            }
        }
        let scope = std::mem::replace(&mut self.scope, outer);
        self.distributions[id.0 as usize].variables = scope.variables;
    }

    fn reaches(&self, from: DistributionId, to: DistributionId) -> bool {
        let mut at = from;
        loop {
            if at == to {
                return true;
            }
            match &self.distributions[at.0 as usize].body {
                DistributionBody::Same(call) => match call.distribution {
                    super::hir::DistributionRef::Item(next) => at = next,
                    _ => return false,
                },
                DistributionBody::Members(_) => return false,
            }
        }
    }

    /// Checks the bodies of all items that were used, and of those they use.
    pub(super) fn bodies(&mut self) {
        while let Some(pending) = self.pending.pop_front() {
            match pending {
                Pending::Function(id, item, scope) => self.function_body(id, item, scope),
                Pending::Distribution(id, item, scope) => self.members(id, item, scope),
            }
        }
    }

    fn function_body(&mut self, id: FunctionId, item: Rc<tree::Function>, scope: Scope) {
        let outer = std::mem::replace(&mut self.scope, scope);
        let body = self.body(&item.body, item.name.span, &item.name.text);
        let scope = std::mem::replace(&mut self.scope, outer);
        let function = &mut self.functions[id.0 as usize];
        (function.body, function.variables) = (body, scope.variables);
    }

    fn body(
        &mut self,
        statements: &[tree::Statement],
        span: crate::source::Span,
        name: &str,
    ) -> Vec<super::hir::Statement> {
        let body = self.block_statements(statements);
        if !returns(statements) {
            let _: Checked<()> = self.say(
                Diagnostic::error("E0213", format!("`{name}` may end without a result"))
                    .at(span, "not every way through it ends with `return`")
                    .help("end it with `return …`"),
            );
        }
        body
    }

    fn members(&mut self, id: DistributionId, item: Rc<tree::DistributionItem>, scope: Scope) {
        let tree::DistributionBody::Members(members) = &item.body else {
            return;
        };
        let outer = std::mem::replace(&mut self.scope, scope);
        let draw = self.distributions[id.0 as usize].draw.clone();
        let mut checked: Vec<Member> = Vec::new();
        for member in members {
            let name = member.name.text.as_str();
            let Some((_, count)) = MEMBERS.iter().find(|known| known.0 == name) else {
                let names: Vec<&str> = MEMBERS.iter().map(|known| known.0).collect();
                let help = match suggest::nearest(name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the members of a distribution are {}", names.join(", ")),
                };
                let _: Checked<()> = self.say(
                    Diagnostic::error("E0214", format!("a distribution has no member `{name}`"))
                        .at(member.name.span, "")
                        .help(help),
                );
                continue;
            };
            if checked.iter().any(|other| other.name == name) || member.parameters.len() != *count {
                let shape = if *count == 1 {
                    "one parameter"
                } else {
                    "no parameters"
                };
                let _: Checked<()> = self.say(
                    Diagnostic::error("E0215", format!("`{name}` has {shape} and is written once"))
                        .at(member.name.span, "")
                        .help(format!(
                            "write `{name}({}) = …`",
                            if *count == 1 { "x" } else { "" }
                        )),
                );
                continue;
            }
            checked.push(self.member(member, &draw));
        }
        if !checked.iter().any(|member| member.name == "log_density") {
            let _: Checked<()> = self.say(
                Diagnostic::error(
                    "E0216",
                    format!("the distribution `{}` has no `log_density`", item.name.text),
                )
                .at(item.name.span, "")
                .help("add `log_density(x) = …`, with every constant"),
            );
        }
        let scope = std::mem::replace(&mut self.scope, outer);
        let distribution = &mut self.distributions[id.0 as usize];
        (distribution.body, distribution.variables) =
            (DistributionBody::Members(checked), scope.variables);
    }

    fn member(&mut self, member: &tree::Member, draw: &Declared) -> Member {
        let name = member.name.text.clone();
        let mut draw_type = self.type_of_declared(draw);
        if name == "sample" || name == "quantile" || name == "mean" {
            // Random numbers are reals; those of an int law are whole.
            draw_type.element = Element::Real;
        }
        let (argument, result) = match name.as_str() {
            "quantile" => (Type::REAL, draw_type),
            "sample" | "mean" => (Type::REAL, draw_type),
            _ => (draw_type, Type::REAL),
        };
        self.scope.owner = Owner::Member {
            sample: name == "sample",
            result,
        };
        self.block(|checker| {
            let parameters: Vec<VariableId> = member
                .parameters
                .iter()
                .map(|p| {
                    checker
                        .scope
                        .add(&p.text, p.span, VariableKind::Parameter, argument.clone())
                })
                .collect();
            let body = checker.body(&member.body, member.name.span, &name);
            Member {
                name: name.clone(),
                parameters,
                body,
            }
        })
    }

    /// A type as declared.
    pub(super) fn declared(&mut self, ty: &tree::Type) -> Checked<(Declared, Type)> {
        let mut sizes = Vec::new();
        for size in &ty.sizes {
            sizes.push(self.size_expression(size)?);
        }
        let name = ty.name.text.as_str();
        let (element, support) = match name {
            "real" => (Element::Real, Support::Any),
            "int" => (Element::Int, Support::Any),
            "bool" => (Element::Bool, Support::Any),
            "positive" => (Element::Real, Support::Positive),
            "nonnegative" => (Element::Real, Support::Nonnegative),
            "unit" => (Element::Real, Support::Unit),
            "factor" => (Element::Int, Support::Factor),
            _ => match Structure::by_name(name) {
                Some(structure) => (Element::Real, Support::Structured(structure)),
                None => return self.unknown_type(ty),
            },
        };
        if let Support::Structured(structure) = support {
            if sizes.is_empty() {
                return self.say(
                    Diagnostic::error("E0301", format!("`{name}` needs its size"))
                        .at(ty.span, "")
                        .help(format!("write `{name}[K]`, K being the number of elements")),
                );
            }
            if structure.rank() == 2 {
                sizes.push(sizes[sizes.len() - 1].clone());
            }
        }
        let support = match &ty.bounds {
            None => support,
            Some((lower, upper)) => {
                if !matches!(name, "real" | "int") {
                    return self.say(
                        Diagnostic::error("E0302", format!("`{name}` has its bounds already"))
                            .at(ty.span, "")
                            .help("write `real in (a, b)` or `int in a..b`"),
                    );
                }
                let lower = self.bound(lower)?;
                let upper = self.bound(upper)?;
                Support::Between(Box::new(lower), Box::new(upper))
            }
        };
        let declared = Declared {
            element,
            sizes,
            support,
            span: ty.span,
        };
        let checked = self.type_of_declared(&declared);
        Ok((declared, checked))
    }

    fn bound(&mut self, bound: &tree::Expression) -> Checked<Expression> {
        let value = self.where_sizes(|checker| checker.expression(bound))?;
        let value = value.to_real();
        self.expect_numbers(&value, "a bound")?;
        Ok(value)
    }

    pub(super) fn type_of_declared(&self, declared: &Declared) -> Type {
        let sizes = declared
            .sizes
            .iter()
            .map(|size| Size::of(size, &self.scope.variables))
            .collect();
        Type {
            element: declared.element,
            sizes,
        }
    }

    fn unknown_type<T>(&mut self, ty: &tree::Type) -> Checked<T> {
        let name = ty.name.text.as_str();
        const PLAIN: [&str; 7] = [
            "real",
            "int",
            "bool",
            "positive",
            "nonnegative",
            "unit",
            "factor",
        ];
        let types: Vec<&str> = PLAIN
            .into_iter()
            .chain(Structure::ALL.map(Structure::name))
            .collect();
        let help = match name {
            "vector" | "row_vector" | "array" => {
                "an array of reals is written `real[N]`".to_string()
            }
            "matrix" => "a matrix is written `real[N, K]`".to_string(),
            "float" | "double" | "number" => "write `real`".to_string(),
            "integer" => "write `int`".to_string(),
            "cov_matrix" => "did you mean `cov`?".to_string(),
            "corr_matrix" => "did you mean `corr`?".to_string(),
            "cholesky_factor_corr" => "did you mean `cholesky_corr`?".to_string(),
            "cholesky_factor_cov" => "did you mean `cholesky_cov`?".to_string(),
            "sum_to_zero_vector" => "did you mean `sum_to_zero`?".to_string(),
            _ => match suggest::nearest(name, types.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the types are {}", types.join(", ")),
            },
        };
        self.say(
            Diagnostic::error("E0300", format!("there is no type `{name}`"))
                .at(ty.name.span, "")
                .help(help),
        )
    }

    /// An int expression in a size, where unknown names are sizes.
    pub(super) fn size_expression(&mut self, size: &tree::Expression) -> Checked<Expression> {
        let value = self.where_sizes(|checker| checker.expression(size))?;
        if value.ty != Type::INT {
            let found = value.ty.show(&self.scope.variables);
            let help = match &*value.kind {
                ExpressionKind::Real(number) if number.fract() == 0.0 => {
                    format!("write `{number:.0}`")
                }
                _ => {
                    "sizes and range bounds are whole numbers; `div(a, b)` divides ints".to_string()
                }
            };
            return self.say(
                Diagnostic::error(
                    "E0303",
                    format!("a size must be an int, and this is {found}"),
                )
                .at(value.span, found.to_string())
                .help(help),
            );
        }
        Ok(value)
    }
}
