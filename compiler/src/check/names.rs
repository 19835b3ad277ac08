//! What each name refers to. A model, a function and a distribution each have a table of names and a stack of blocks;
//! names of random variables and of values defined element by element belong to the whole program wherever they stand.

use std::collections::{HashMap, HashSet};

use super::hir::{Element, Expression, Size, Type, Variable, VariableId, VariableKind};
use super::{Checked, Checker, Said};
use crate::ast::tree;
use crate::source::{Diagnostic, Span, suggest};

/// Whose body is being checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Owner {
    /// The statements of the file.
    Model,
    /// A function with its result type, and those after the first of several.
    Function(Type, Vec<Type>),
    /// A member of a distribution with its result type.
    Member { sample: bool, result: Type },
    /// Parameter lists and supports.
    Signature,
}

/// A table of names and the blocks in which they are visible.
pub(super) struct Scope {
    /// The table.
    pub variables: Vec<Variable>,
    /// Innermost last.
    pub blocks: Vec<HashMap<String, VariableId>>,
    /// Names whose definition had an error.
    pub poisoned: Vec<bool>,
    /// Names announced before their statement was reached.
    pub ahead: Vec<Ahead>,
    /// Names that statements of the outermost level define further down than the text checked so far.
    pub later: HashMap<String, Span>,
    /// Columns of labels, `given f: factor[N]`.
    pub factors: HashSet<VariableId>,
    /// Whose body it is.
    pub owner: Owner,
    /// Whether an unknown name is a size here.
    pub sizes: bool,
    /// Whether a whole number is wanted here.
    pub wants_int: bool,
    /// Number of open loops.
    pub loops: usize,
    /// Number of open branches.
    pub branches: usize,
    /// The model item whose statements are being checked for a program that uses it.
    pub instance: Option<super::models::Instance>,
}

/// What is known of a name whose statement has not been reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ahead {
    /// It has been reached.
    No,
    /// Its type is known.
    Typed,
    /// Not even that.
    Untyped,
}

impl Scope {
    pub fn new(owner: Owner) -> Self {
        Scope {
            variables: Vec::new(),
            blocks: vec![HashMap::new()],
            poisoned: Vec::new(),
            ahead: Vec::new(),
            later: HashMap::new(),
            factors: HashSet::new(),
            owner,
            sizes: false,
            wants_int: false,
            loops: 0,
            branches: 0,
            instance: None,
        }
    }

    pub fn model() -> Self {
        Scope::new(Owner::Model)
    }

    pub fn find(&self, name: &str) -> Option<VariableId> {
        self.blocks
            .iter()
            .rev()
            .find_map(|block| block.get(name).copied())
    }

    /// Adds a name to the innermost block.
    pub fn add(&mut self, name: &str, span: Span, kind: VariableKind, ty: Type) -> VariableId {
        let id = VariableId(self.variables.len() as u32);
        let full = match &self.instance {
            Some(instance) if kind != VariableKind::Index => format!("{}{name}", instance.prefix),
            _ => name.into(),
        };
        self.variables.push(Variable {
            name: full,
            span,
            kind,
            ty,
            doc: None,
        });
        self.poisoned.push(false);
        self.ahead.push(Ahead::No);
        self.blocks
            .last_mut()
            .expect("the outermost block")
            .insert(name.into(), id);
        id
    }

    /// Adds a name to the outermost block.
    pub fn add_global(
        &mut self,
        name: &str,
        span: Span,
        kind: VariableKind,
        ty: Type,
    ) -> VariableId {
        let id = self.add(name, span, kind, ty);
        self.blocks
            .last_mut()
            .expect("the outermost block")
            .remove(name);
        self.blocks[0].insert(name.into(), id);
        id
    }

    /// The indices in front of those of every variable here.
    pub fn plate(&self) -> &[super::hir::Expression] {
        self.instance
            .as_ref()
            .map_or(&[], |instance| &instance.plate)
    }

    /// Notes that a variable has the indices of the plate.
    pub fn plated(&mut self, id: VariableId) {
        if let Some(instance) = self.instance.as_mut().filter(|i| !i.plate.is_empty()) {
            instance.plated.insert(id);
        }
    }

    pub fn variable(&mut self, id: VariableId) -> &mut Variable {
        &mut self.variables[id.0 as usize]
    }

    pub fn poison(&mut self, id: VariableId) {
        self.poisoned[id.0 as usize] = true;
    }
}

impl Checker<'_> {
    /// Runs `body` in an inner block.
    pub(super) fn block<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        self.scope.blocks.push(HashMap::new());
        let result = body(self);
        self.scope.blocks.pop();
        result
    }

    /// Runs `body` where unknown names are sizes (in a model; the sizes of a function are those of its parameters).
    pub(super) fn where_sizes<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.scope.sizes;
        self.scope.sizes = matches!(self.scope.owner, Owner::Model | Owner::Signature);
        let result = body(self);
        self.scope.sizes = before;
        result
    }

    /// An expression where a whole number is wanted, or is not.
    pub(super) fn wanting(
        &mut self,
        int: bool,
        expression: &tree::Expression,
    ) -> Checked<Expression> {
        let before = std::mem::replace(&mut self.scope.wants_int, int);
        let result = self.expression(expression);
        self.scope.wants_int = before;
        result
    }

    /// The variable that a name stands for.
    pub(super) fn resolve(&mut self, name: &str, span: Span) -> Checked<VariableId> {
        if let Some(id) = self.scope.find(name) {
            if self.scope.poisoned[id.0 as usize] {
                return Err(Said);
            }
            if self.scope.ahead[id.0 as usize] == Ahead::Untyped {
                let place = self.scope.variables[id.0 as usize].span;
                return self.say(
                    Diagnostic::error("E0203", format!("`{name}` is used above the statement that defines it"))
                        .at(span, "used here")
                        .at(place, "defined here")
                        .help("move the definition up; if it is in the data, write its shape where it is defined, as in `y[1..N] ~ …`"),
                );
            }
            return Ok(id);
        }
        if self.scope.sizes {
            let id = self
                .scope
                .add_global(name, span, VariableKind::Size, Type::INT);
            return Ok(id);
        }
        let diagnostic = self.unknown(name, span);
        self.say(diagnostic)
    }

    fn unknown(&mut self, name: &str, span: Span) -> Diagnostic {
        if let Some(place) = self.scope.later.get(name) {
            return Diagnostic::error(
                "E0203",
                format!("`{name}` is used above the statement that defines it"),
            )
            .at(span, "used here")
            .at(*place, "defined here")
            .help("move the definition up");
        }
        let mut diagnostic = Diagnostic::error("E0201", format!("nothing is called `{name}` here"))
            .at(span, "this name is not known");
        let visible: Vec<&str> = self
            .scope
            .blocks
            .iter()
            .flat_map(|block| block.keys().map(String::as_str))
            .collect();
        if let Some(near) = suggest::nearest(name, visible) {
            return diagnostic.help(format!("did you mean `{near}`?"));
        }
        if self.is_distribution(name) {
            return diagnostic.help(format!(
                "`{name}` is a distribution: write `x ~ {name}(…)`, or `{name}(…).log_density(x)` for a value"
            ));
        }
        if self.is_function(name) {
            return diagnostic.help(format!("`{name}` is a function: write `{name}(…)`"));
        }
        if let Some((owner, _)) = name.split_once('.') {
            let inside = format!("{owner}.");
            let mut known: Vec<String> = self.scope.blocks[0]
                .keys()
                .filter(|key| key.starts_with(&inside))
                .map(|key| format!("`{key}`"))
                .collect();
            known.sort();
            return diagnostic.help(match known.is_empty() {
                true => format!("`{owner}` is no model; elements are written `{owner}[i]`"),
                false => format!("inside `{owner}` there is {}", known.join(", ")),
            });
        }
        let wanted = match self.scope.wants_int {
            true => "int",
            false => "real[N]",
        };
        let help = match (&self.scope.owner, name) {
            (_, "Inf" | "infinity" | "Infinity") => "infinity is written `inf`".to_string(),
            (_, "True" | "TRUE") => "write `true`".to_string(),
            (_, "False" | "FALSE") => "write `false`".to_string(),
            (Owner::Model, _)
                if self
                    .known_models
                    .values()
                    .any(|known| matches!(known, super::models::Known::Open)) =>
            {
                "a model inside a program sees only its parameters and what it defines itself; pass it as an argument".to_string()
            }
            (Owner::Model, "i" | "j" | "k" | "n" | "t") => format!(
                "an index is named where its range stands: `y[{name} in 1..N] ~ …`, or `for {name} in 1..N {{ … }}`"
            ),
            (Owner::Model, _) => format!(
                "define it above this line: `given {name}: {wanted}` if the data hold it, `let {name} = …` if it is computed, `{name} ~ …` if it is unknown"
            ),
            _ => "a function sees only its parameters and what it defines itself; pass it as an argument".to_string(),
        };
        diagnostic = diagnostic.help(help);
        diagnostic
    }

    /// A new name in the innermost block; an error if it is taken there.
    pub(super) fn define(
        &mut self,
        name: &str,
        span: Span,
        kind: VariableKind,
        ty: Type,
    ) -> Checked<VariableId> {
        let taken = self
            .scope
            .blocks
            .last()
            .expect("a block")
            .get(name)
            .copied();
        if let Some(id) = taken {
            let first = self.scope.variables[id.0 as usize].clone();
            if self.scope.ahead[id.0 as usize] != Ahead::No {
                let variable = self.scope.variable(id);
                (variable.kind, variable.ty, variable.span) = (kind, ty, span);
                self.scope.ahead[id.0 as usize] = Ahead::No;
                return Ok(id);
            }
            let diagnostic = self.defined_twice(name, span, &first);
            return self.say(diagnostic);
        }
        Ok(self.scope.add(name, span, kind, ty))
    }

    /// An index may not take the name of something that is visible: what is meant would be hard to see.
    pub(super) fn unhidden(&mut self, name: &crate::ast::tree::Name) -> Checked<()> {
        let Some(id) = self.scope.find(&name.text) else {
            return Ok(());
        };
        let known = self.scope.variables[id.0 as usize].clone();
        self.say(
            Diagnostic::error(
                "E0204",
                format!("the index `{}` hides another `{}`", name.text, name.text),
            )
            .at(name.span, "this index")
            .at(known.span, "the other one")
            .help("give the index another name"),
        )
    }

    pub(super) fn defined_twice(&self, name: &str, span: Span, first: &Variable) -> Diagnostic {
        let what = match first.kind {
            VariableKind::Size => "a size, because it stands in a size or a range",
            VariableKind::Given => "given",
            VariableKind::Index => "an index",
            VariableKind::Parameter => "a parameter",
            _ => "defined first here",
        };
        Diagnostic::error("E0202", format!("`{name}` is defined twice"))
            .at(span, "defined again")
            .at(first.span, what)
            .help("give one of them another name; each name has one definition (only a `var` inside a function changes)")
    }

    /// A type of unknown sizes.
    pub(super) fn array_type(element: Element, rank: usize) -> Type {
        Type {
            element,
            sizes: vec![Size::Unknown; rank],
        }
    }
}
