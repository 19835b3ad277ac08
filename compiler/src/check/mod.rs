//! TREE → HIR: everything that can be known without data. Names are resolved (those of the standard library by reading
//! its files when they are first used), every expression gets a type, distributions their arguments in order. A mistake
//! makes its statement vanish and its name *poisoned*: whatever uses the name is silent, so that one mistake is one message.

pub mod adjust;
mod announce;
mod arguments;
mod calls;
mod expressions;
pub mod hir;
mod imports;
mod items;
mod laws;
pub mod library;
mod mixture;
mod models;
mod names;
mod ode;
mod operators;
pub mod pedantic;
pub mod print;
mod random;
pub mod soft;
mod statements;
#[cfg(test)]
mod tests;
mod types;
mod values;
pub mod walk;

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use crate::ast::tree;
use crate::source::{Diagnostic, Sources, Span};
use hir::{Distribution, DistributionId, Function, FunctionId, Hir};
use library::{Item, Library};
use names::Scope;

/// At most this many messages.
const MOST_ERRORS: usize = 30;

/// An error that has been reported.
#[derive(Debug)]
pub(crate) struct Said;

/// The result of checking something.
pub(crate) type Checked<T> = Result<T, Said>;

/// Checks a program: the statements of a file, or those of the model item that the sources say is meant. The form is
/// complete only if no diagnostic is an error.
pub fn check(sources: &mut Sources, tree: &tree::Tree) -> (Hir, Vec<Diagnostic>) {
    let mut checker = Checker::new(sources);
    checker.declare_items(tree);
    checker.scope = Scope::model();
    let program = checker.program(tree);
    checker.bodies();
    let mut diagnostics = checker.diagnostics;
    diagnostics.truncate(MOST_ERRORS);
    let (variables, statements) = program.unwrap_or_default();
    let hir = Hir {
        variables,
        statements,
        functions: checker.functions,
        distributions: checker.distributions,
        doc: tree.doc.clone(),
    };
    if !diagnostics.iter().any(Diagnostic::is_error) {
        diagnostics.extend(soft::verify(&hir));
    }
    (hir, diagnostics)
}

/// An item whose body is still to be checked.
enum Pending {
    Function(FunctionId, Rc<tree::Function>, Scope),
    Distribution(DistributionId, Rc<tree::DistributionItem>, Scope),
}

pub(crate) struct Checker<'a> {
    sources: &'a mut Sources,
    library: Library,
    diagnostics: Vec<Diagnostic>,
    functions: Vec<Function>,
    distributions: Vec<Distribution>,
    own: HashMap<String, Vec<Item>>,
    known_functions: HashMap<String, Option<FunctionId>>,
    known_distributions: HashMap<String, Vec<DistributionId>>,
    pending: VecDeque<Pending>,
    imports: Vec<String>,
    known_models: HashMap<String, models::Known>,
    /// The prefixes of the model items used so far.
    instances: HashSet<String>,
    /// The names of the soft constraints so far.
    constraints: HashMap<String, Span>,
    /// Reports that come after everything else.
    late_reports: Vec<hir::Statement>,
    /// The files that are being imported, and those that have been.
    importing: Vec<String>,
    imported: HashSet<String>,
    scope: Scope,
}

impl<'a> Checker<'a> {
    fn new(sources: &'a mut Sources) -> Self {
        Checker {
            sources,
            library: Library::default(),
            diagnostics: Vec::new(),
            functions: Vec::new(),
            distributions: Vec::new(),
            own: HashMap::new(),
            known_functions: HashMap::new(),
            known_distributions: HashMap::new(),
            pending: VecDeque::new(),
            imports: Vec::new(),
            known_models: HashMap::new(),
            instances: HashSet::new(),
            constraints: HashMap::new(),
            late_reports: Vec::new(),
            importing: Vec::new(),
            imported: HashSet::new(),
            scope: Scope::model(),
        }
    }

    /// Reports an error.
    fn say<T>(&mut self, diagnostic: Diagnostic) -> Checked<T> {
        self.diagnostics.push(diagnostic);
        Err(Said)
    }
}
