//! What is said when the data do not tell a size, or tell one that cannot be. The cause is named where it can be seen: a
//! covariate that is missing, a factor whose categories are counted, an array whose length is meant.

use std::collections::HashSet;

use super::bind::{Binder, Bound};
use super::dataset::Dataset;
use crate::check::hir::{
    Expression, ExpressionKind, RandomIndex, Selector, StatementKind, Support, VariableId,
};
use crate::check::walk::all_statements;
use crate::source::{Diagnostic, Span, suggest};

/// The message for a covariate that the data do not hold.
pub fn missing_covariate(name: &str, span: Span, dataset: &Dataset, bound: &Bound) -> Diagnostic {
    let used: HashSet<&str> = bound.keys.values().map(String::as_str).collect();
    let keys = dataset.entries().iter().map(|entry| entry.key.as_str());
    let help = match suggest::nearest(name, keys.filter(|key| !used.contains(key))) {
        Some(near) => format!(
            "is it `{near}` in the data? Write `given {name}: … from \"{near}\"`, or rename one of them"
        ),
        None => {
            format!("add the key `{name}` to the data, or give it a default: `given {name}: … = …`")
        }
    };
    let diagnostic =
        Diagnostic::error("E0442", format!("the data have no `{name}`")).at(span, "given here");
    dataset.note(diagnostic).help(help)
}

impl Binder<'_> {
    /// A given int that is the length of an array may not be negative.
    pub(super) fn negative_sizes(&mut self) {
        let mut lengths: Vec<&Expression> = Vec::new();
        let hir = self.hir;
        all_statements(&hir.statements, 0, &mut |statement, _| {
            match &statement.kind {
                StatementKind::Given { declared, .. } => lengths.extend(&declared.sizes),
                StatementKind::Random { indices, .. } => {
                    lengths.extend(indices.iter().filter_map(|index| match index {
                        // A computed bound may lie below its range: that range is empty.
                        RandomIndex::Over { upper, .. }
                            if matches!(&*upper.kind, ExpressionKind::Variable(_)) =>
                        {
                            Some(upper)
                        }
                        _ => None,
                    }));
                }
                _ => {}
            }
        });
        let mut said = HashSet::new();
        for length in lengths {
            let Some(value) = self.int(length).filter(|value| *value < 0) else {
                continue;
            };
            if !said.insert(length.span) {
                continue;
            }
            let mut diagnostic =
                Diagnostic::error("E0406", format!("an array cannot have length {value}"))
                    .at(length.span, format!("this is {value}"));
            length.variables(0, &mut |id, _| {
                let name = &hir.variables[id.0 as usize].name;
                if let Some(origin) = self.bound.origin(name) {
                    diagnostic
                        .notes
                        .push(format!("`{name}` comes from {origin}"));
                }
            });
            self.diagnostics
                .push(diagnostic.help("give a length of 0 or more"));
        }
    }

    /// The covariate without data whose length would tell a size.
    pub(super) fn covariate_of_size(&self, size: VariableId) -> Option<(&str, Span)> {
        self.hir.statements.iter().find_map(|statement| {
            let StatementKind::Given {
                variable,
                declared,
                default: None,
                ..
            } = &statement.kind
            else {
                return None;
            };
            let mentions = declared
                .sizes
                .iter()
                .any(|length| matches!(&*length.kind, ExpressionKind::Variable(id) if *id == size));
            let name = &self.hir.variables[variable.0 as usize].name;
            (mentions && !self.bound.keys.contains_key(variable))
                .then_some((name.as_str(), statement.span))
        })
    }

    /// What else could stand where a size is unknown: the length of data, or the categories of a factor.
    pub(super) fn told_by(&self, size: VariableId) -> Option<String> {
        let is_size = |upper: &Expression| matches!(&*upper.kind, ExpressionKind::Variable(id) if *id == size);
        let mut found = None;
        all_statements(&self.hir.statements, 0, &mut |statement, _| {
            if found.is_some() {
                return;
            }
            match &statement.kind {
                StatementKind::Random {
                    variable, indices, ..
                } => {
                    let over = indices.iter().position(
                        |index| matches!(index, RandomIndex::Over { upper, .. } if is_size(upper)),
                    );
                    if let Some(position) = over
                        && let Some(factor) = self.factor_indexing(*variable, position)
                    {
                        let name = &self.hir.variables[variable.0 as usize].name;
                        found = Some(format!(
                            "`{name}` is indexed by the categories of `{factor}`: write `1..levels({factor})`"
                        ));
                    }
                }
                StatementKind::For { upper, .. } if is_size(upper) => {
                    let array = self
                        .bound
                        .keys
                        .keys()
                        .find(|id| self.hir.variables[id.0 as usize].ty.rank() == 1);
                    if let Some(array) = array {
                        let array = &self.hir.variables[array.0 as usize].name;
                        found = Some(format!(
                            "write the length of an array, as in `2..length({array})`"
                        ));
                    }
                }
                _ => {}
            }
        });
        found
    }

    /// The factor by which the model indexes a position of a variable.
    fn factor_indexing(&self, variable: VariableId, position: usize) -> Option<&str> {
        let is_factor = |wanted: VariableId| {
            self.hir.statements.iter().any(|statement| {
                matches!(&statement.kind, StatementKind::Given { variable, declared, .. }
                    if *variable == wanted && declared.support == Support::Factor)
            })
        };
        let mut found = None;
        let mut look = |expression: &Expression| {
            expression.everywhere(&mut |inner| {
                let ExpressionKind::Index { base, selectors } = &*inner.kind else {
                    return;
                };
                let Some(Selector::At(index)) = selectors.get(position) else {
                    return;
                };
                if !matches!(&*base.kind, ExpressionKind::Variable(id) if *id == variable) {
                    return;
                }
                index.variables(0, &mut |id, _| {
                    if is_factor(id) {
                        found = Some(id);
                    }
                });
            });
        };
        all_statements(&self.hir.statements, 0, &mut |statement, _| {
            statement.expressions(&mut look);
        });
        found.map(|id| self.hir.variables[id.0 as usize].name.as_str())
    }

    pub(super) fn keys_note(
        &self,
        diagnostic: Diagnostic,
        name: &str,
        instead: Option<String>,
    ) -> Diagnostic {
        let diagnostic = self.dataset.note(diagnostic);
        let used: HashSet<&str> = self.bound.keys.values().map(String::as_str).collect();
        let free = self
            .dataset
            .entries()
            .iter()
            .map(|entry| entry.key.as_str())
            .filter(|key| !used.contains(key));
        let or = instead.map_or(String::new(), |instead| format!("; or {instead}"));
        match suggest::nearest(name, free) {
            Some(near) => diagnostic.help(format!(
                "is it `{near}` in the data? Rename one of them, or add the key `{name}`{or}"
            )),
            None => diagnostic.help(format!(
                "add the key `{name}` to the data, or `--set {name}=…`{or}"
            )),
        }
    }
}
