//! The standard library: embedded texts, parsed when a program first uses a name they define. What a file defines is
//! checked and compiled exactly as what the user writes.

use std::collections::HashMap;
use std::rc::Rc;

use crate::ast::{self, tree};
use crate::source::{Sources, Span};

/// A file of the standard library.
pub struct File {
    /// As messages show it: `std/distributions/normal.ppl`.
    pub name: &'static str,
    /// Its folder: what `import std.…` names.
    pub module: &'static str,
    /// The functions and distributions it defines.
    pub names: &'static [&'static str],
    /// Its text.
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

/// Folders whose names are in scope without an import.
pub const ALWAYS: [&str; 3] = ["distributions", "links", "priors"];

/// A function, distribution or model as written, with the `##` lines above it.
#[derive(Debug, Clone)]
pub enum Item {
    /// `fn`
    Function(Rc<tree::Function>, Option<String>),
    /// `dist`
    Distribution(Rc<tree::DistributionItem>, Option<String>),
    /// `model`
    Model(Rc<tree::ModelItem>, Option<String>),
}

/// The parts of the library that have been read.
#[derive(Default)]
pub struct Library {
    read: HashMap<&'static str, Vec<Item>>,
}

impl Library {
    /// The file that defines a name.
    pub fn file_of(name: &str) -> Option<&'static File> {
        FILES.iter().find(|file| file.names.contains(&name))
    }

    /// All names of the modules that are in scope.
    pub fn names(imports: &[String]) -> impl Iterator<Item = &'static str> {
        FILES
            .iter()
            .filter(move |file| {
                ALWAYS.contains(&file.module) || imports.iter().any(|import| import == file.module)
            })
            .flat_map(|file| file.names.iter().copied())
    }

    /// Whether there is a module of this name.
    pub fn has_module(name: &str) -> bool {
        FILES.iter().any(|file| file.module == name)
    }

    /// The names of the modules that programs use; `parts` is what their items are made of.
    pub fn modules() -> Vec<&'static str> {
        let mut modules: Vec<&str> = FILES.iter().map(|file| file.module).collect();
        modules.retain(|module| *module != "parts");
        modules.dedup();
        modules
    }

    /// The items of a file that have this name.
    pub fn items(&mut self, sources: &mut Sources, file: &'static File, name: &str) -> Vec<Item> {
        let items = self.read.entry(file.name).or_insert_with(|| {
            let id = sources.add(file.name, file.text);
            let (tree, diagnostics) = ast::parse(id, file.text);
            assert!(
                diagnostics.is_empty(),
                "the standard library parses: {diagnostics:?}"
            );
            tree.statements.into_iter().filter_map(Item::of).collect()
        });
        items
            .iter()
            .filter(|item| item.name() == name)
            .cloned()
            .collect()
    }
}

impl Item {
    /// The item that a statement is, if it is one.
    pub fn of(statement: tree::Statement) -> Option<Item> {
        match statement.kind {
            tree::StatementKind::Function(function) => {
                Some(Item::Function(Rc::new(function), statement.doc))
            }
            tree::StatementKind::Distribution(item) => {
                Some(Item::Distribution(Rc::new(item), statement.doc))
            }
            tree::StatementKind::Model(item) => Some(Item::Model(Rc::new(item), statement.doc)),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Item::Function(function, _) => &function.name.text,
            Item::Distribution(item, _) => &item.name.text,
            Item::Model(item, _) => &item.name.text,
        }
    }

    /// Where its name stands.
    pub fn span(&self) -> Span {
        match self {
            Item::Function(function, _) => function.name.span,
            Item::Distribution(item, _) => item.name.span,
            Item::Model(item, _) => item.name.span,
        }
    }
}
