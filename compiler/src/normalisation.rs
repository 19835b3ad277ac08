//! What stands between a program and its evidence, known before anything runs: densities that do not integrate to one,
//! unknowns that cannot be drawn from their prior, and `factor`s, which make the evidence relative to them.

use std::collections::HashSet;

use crate::check::hir::{Hir, StatementKind};
use crate::check::walk::all_statements;
use crate::data::loops::{ArrayKind, Loops, Role, Statement};
use crate::source::{Diagnostic, Sources};

/// What a density lacks to be one that can be integrated.
#[derive(Debug, Clone, Default)]
pub struct Normalisation {
    /// Why evidence is undefined: an error for each statement that makes it so.
    pub obstacles: Vec<Diagnostic>,
    /// Unknown variables whose distribution has no sampler, so that the prior cannot be drawn from.
    pub undrawable: Vec<String>,
    /// `factor` statements as written, with their lines.
    pub factors: Vec<String>,
}

impl Normalisation {
    pub(crate) fn of(hir: &Hir, sources: &Sources, loops: &Loops) -> Self {
        let mut found = Self::default();
        let mut seen = HashSet::new();
        for (span, reason) in &loops.unnormalised {
            if seen.insert(*span) {
                let message = format!("evidence is undefined: {reason}");
                found.obstacles.push(
                    Diagnostic::error("E0600", message)
                        .at(*span, "its constant is part of the evidence, and it has none")
                        .help("give it a proper distribution, for example `normal(0, 10)` or `half_normal(10)`"),
                );
            }
        }
        found.walk(&loops.statements, loops);
        all_statements(&hir.statements, 0, &mut |statement, _| {
            if let StatementKind::Factor { .. } = statement.kind {
                let line = sources.line(statement.span);
                let text: Vec<&str> = sources.excerpt(statement.span).split_whitespace().collect();
                found
                    .factors
                    .push(format!("line {line}: {}", text.join(" ")));
            }
        });
        found
    }

    fn walk(&mut self, statements: &[Statement], loops: &Loops) {
        for statement in statements {
            match statement {
                Statement::For { body, .. } => self.walk(body, loops),
                Statement::If {
                    then, otherwise, ..
                } => {
                    self.walk(then, loops);
                    self.walk(otherwise, loops);
                }
                Statement::Random(random) => {
                    let array = loops.array(random.variable);
                    let is_inferred = matches!(array.kind, ArrayKind::Random(Role::Inferred));
                    let is_new = !self.undrawable.contains(&array.name);
                    if is_inferred && random.sample.is_none() && is_new {
                        self.undrawable.push(array.name.clone());
                    }
                }
                _ => {}
            }
        }
    }
}
