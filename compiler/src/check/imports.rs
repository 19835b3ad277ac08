//! `import "mine.ppl"`, and which statements of a file are the program. The compiler opens no file: the caller gives a
//! [`Loader`](crate::source::Loader), which knows where a path leads from the file that mentions it.

use super::hir::{Statement, Variable};
use super::library::Item;
use super::names::Scope;
use super::{Checked, Checker, models};
use crate::ast::{self, tree};
use crate::source::{Diagnostic, Span, suggest};

/// Imports inside imports.
const DEEPEST: usize = 50;

impl Checker<'_> {
    /// Notes the items of another file.
    pub(super) fn import_file(&mut self, path: &str, span: Span) -> Checked<()> {
        let from = self.sources.name(span.file).to_string();
        let Some(load) = self.sources.loader else {
            return self.say(
                Diagnostic::error("E0280", format!("`{path}` cannot be read here"))
                    .at(
                        span,
                        "files are imported by models that are files themselves",
                    )
                    .help("save the model as a file, or copy what it needs"),
            );
        };
        let (name, text) = match load(&from, path) {
            Ok(loaded) => loaded,
            Err(reason) => {
                return self.say(
                    Diagnostic::error("E0281", format!("`{path}` cannot be read: {reason}"))
                        .at(span, "imported here")
                        .help("the path begins at the folder of this file"),
                );
            }
        };
        if self.importing.is_empty() {
            self.importing.push(from);
        }
        let is_open = self.importing.contains(&name);
        if is_open || self.importing.len() > DEEPEST {
            let chain = self.importing.join("`, `");
            return self.say(
                Diagnostic::error(
                    "E0282",
                    format!("`{name}` imports itself, through `{chain}`"),
                )
                .at(span, "this import leads back")
                .help("put what both need into a third file"),
            );
        }
        if !self.imported.insert(name.clone()) {
            return Ok(());
        }
        let file = self.sources.add(name.clone(), text.clone());
        let (tree, diagnostics) = ast::parse(file, &text);
        self.diagnostics.extend(diagnostics);
        let own = tree.statements.iter().find(|statement| !is_item(statement));
        if let Some(statement) = own {
            return self.say(
                Diagnostic::error(
                    "E0283",
                    format!("`{name}` is a program, and cannot be imported"),
                )
                .at(statement.span, "this statement belongs to no item")
                .at(span, "imported here")
                .help("an imported file holds `fn`, `dist` and `model` items only"),
            );
        }
        self.importing.push(name);
        self.declare_file(&tree);
        self.importing.pop();
        Ok(())
    }

    /// The program of a file: its statements, or the model item that is asked for.
    pub(super) fn program(&mut self, tree: &tree::Tree) -> Option<(Vec<Variable>, Vec<Statement>)> {
        let own = tree.statements.iter().find(|statement| !is_item(statement));
        let models: Vec<&str> = tree
            .statements
            .iter()
            .filter_map(|statement| match &statement.kind {
                tree::StatementKind::Model(item) => Some(item.name.text.as_str()),
                _ => None,
            })
            .collect();
        let file = tree.statements.first().map(|statement| statement.span.file);
        let file = self.sources.name(file.unwrap_or_default()).to_string();
        match (self.sources.entry.clone(), own) {
            (Some(entry), Some(statement)) => {
                self.diagnostics.push(
                    Diagnostic::error(
                        "E0106",
                        format!("`{file}` has statements of its own, so `{entry}` cannot be named"),
                    )
                    .at(statement.span, "this statement belongs to no model")
                    .help(format!(
                        "leave out `:{entry}`, or put all statements into models"
                    )),
                );
                None
            }
            (Some(entry), None) => {
                if !models.contains(&entry.as_str()) {
                    let near = suggest::nearest(&entry, models.iter().copied());
                    let help = match (near, models.is_empty()) {
                        (Some(near), _) => format!("did you mean `{file}:{near}`?"),
                        (None, false) => format!("there is `{}`", models.join("`, `")),
                        (None, true) => "the file holds no `model` items".to_string(),
                    };
                    let diagnostic =
                        Diagnostic::error("E0107", format!("`{file}` has no model `{entry}`"));
                    self.diagnostics.push(diagnostic.help(help));
                    return None;
                }
                self.program_of(&entry)
            }
            (None, None) if !models.is_empty() => {
                self.diagnostics.push(models::unnamed(&models, &file));
                None
            }
            (None, _) => {
                let statements = self.model(&tree.statements);
                let scope = std::mem::replace(&mut self.scope, Scope::model());
                Some((scope.variables, statements))
            }
        }
    }
}

fn is_item(statement: &tree::Statement) -> bool {
    Item::of(statement.clone()).is_some()
        || matches!(
            statement.kind,
            tree::StatementKind::Import { .. } | tree::StatementKind::ImportFile { .. }
        )
}
