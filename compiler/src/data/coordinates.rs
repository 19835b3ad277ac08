//! Which index positions of a variable run over the categories of a factor, so that results can name elements by their
//! labels: `alpha[county=AITKIN]`. The text tells it: a range `1..levels(county)`, or an index `alpha[county]`.
//! Elementwise expressions pass the coordinates of their arrays on.

use std::collections::HashMap;

use super::bind::Bound;
use super::dataset::Dataset;
use crate::check::hir::{
    Expression, ExpressionKind, Hir, RandomIndex, Selector, StatementKind, Support, VariableId,
    Whole,
};
use crate::check::walk::all_statements;

/// A factor with its labels, in the order of its categories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinate {
    /// The name of the factor.
    pub name: String,
    /// Its labels.
    pub labels: Vec<String>,
}

/// The coordinates of variables and reports: by name, one for each index position that has any.
pub type Coordinates = HashMap<String, Vec<Option<Coordinate>>>;

/// The coordinates that the text of a program and the labels of its data give.
pub fn coordinates(hir: &Hir, bound: &Bound, dataset: &Dataset) -> Coordinates {
    let mut finder = Finder {
        factors: HashMap::new(),
        found: HashMap::new(),
    };
    for statement in &hir.statements {
        let StatementKind::Given {
            variable, declared, ..
        } = &statement.kind
        else {
            continue;
        };
        let labels = bound
            .keys
            .get(variable)
            .and_then(|key| dataset.get(key)?.labels.clone());
        if let (Support::Factor, Some(labels)) = (&declared.support, labels) {
            let name = hir.variables[variable.0 as usize].name.clone();
            finder
                .factors
                .insert(*variable, Coordinate { name, labels });
        }
    }
    let mut named = Coordinates::new();
    if finder.factors.is_empty() {
        return named;
    }
    all_statements(&hir.statements, 0, &mut |statement, _| {
        statement.expressions(&mut |expression| finder.uses(expression));
    });
    all_statements(&hir.statements, 0, &mut |statement, _| {
        match &statement.kind {
            StatementKind::Random {
                variable, indices, ..
            } => {
                for (axis, index) in indices.iter().enumerate() {
                    if let RandomIndex::Over { upper, .. } = index {
                        finder.note(*variable, axis, finder.counted(upper));
                    }
                }
            }
            StatementKind::Let {
                variable,
                indices,
                value,
            } if indices.is_empty() => {
                for (axis, factor) in finder.of(value).into_iter().enumerate() {
                    finder.note(*variable, axis, factor);
                }
            }
            StatementKind::Report { name, value, .. } => {
                let axes = finder.of(value);
                named.insert(name.clone(), finder.named(&axes));
            }
            _ => {}
        };
    });
    for (variable, axes) in &finder.found {
        let name = &hir.variables[variable.0 as usize].name;
        named.insert(name.clone(), finder.named(axes));
    }
    named
}

struct Finder {
    /// Factors that have labels.
    factors: HashMap<VariableId, Coordinate>,
    /// The factor of each index position of a variable.
    found: HashMap<VariableId, Vec<Option<VariableId>>>,
}

impl Finder {
    fn named(&self, axes: &[Option<VariableId>]) -> Vec<Option<Coordinate>> {
        let one = |axis: &Option<VariableId>| axis.map(|factor| self.factors[&factor].clone());
        axes.iter().map(one).collect()
    }

    fn note(&mut self, variable: VariableId, axis: usize, factor: Option<VariableId>) {
        if let Some(factor) = factor {
            let axes = self.found.entry(variable).or_default();
            if axes.len() <= axis {
                axes.resize(axis + 1, None);
            }
            axes[axis].get_or_insert(factor);
        }
    }

    /// The factor of `levels(f)`.
    fn counted(&self, expression: &Expression) -> Option<VariableId> {
        match &*expression.kind {
            ExpressionKind::Whole {
                function: Whole::Levels,
                arguments,
            } => self.factor(&arguments[0]),
            _ => None,
        }
    }

    /// The factor that `f` or `f[i]` is.
    fn factor(&self, expression: &Expression) -> Option<VariableId> {
        match &*expression.kind {
            ExpressionKind::Variable(id) if self.factors.contains_key(id) => Some(*id),
            ExpressionKind::Index { base, .. } => self.factor(base),
            _ => None,
        }
    }

    /// Notes the variables that factors index.
    fn uses(&mut self, expression: &Expression) {
        if let ExpressionKind::Index { base, selectors } = &*expression.kind
            && let ExpressionKind::Variable(variable) = &*base.kind
        {
            for (axis, selector) in selectors.iter().enumerate() {
                if let Selector::At(index) = selector {
                    self.note(*variable, axis, self.factor(index));
                }
            }
        }
        expression.children(&mut |child| self.uses(child));
    }

    /// The factors along the index positions of a value.
    fn of(&self, expression: &Expression) -> Vec<Option<VariableId>> {
        match &*expression.kind {
            ExpressionKind::Variable(id) => self.found.get(id).cloned().unwrap_or_default(),
            ExpressionKind::Operation { arguments, .. } => arguments
                .iter()
                .filter(|argument| argument.ty.rank() == expression.ty.rank())
                .map(|argument| self.of(argument))
                .find(|axes| !axes.is_empty())
                .unwrap_or_default(),
            ExpressionKind::Comprehension { binders, .. } => {
                binders.iter().map(|b| self.counted(&b.upper)).collect()
            }
            _ => Vec::new(),
        }
    }
}
