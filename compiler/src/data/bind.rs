//! What the data say of the names of a model, before anything is expanded: the sizes, which random variables are
//! observed, and which of the others something conditioned depends on.

use std::collections::{HashMap, HashSet};

use super::dataset::Dataset;
use super::loops::Role;
use super::size_errors::missing_covariate;
use crate::Coordinates;
use crate::check::hir::{
    Declared, Expression, ExpressionKind, Hir, RandomIndex, Statement, StatementKind, VariableId,
    VariableKind,
};
use crate::check::walk::all_statements;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, suggest};

/// What the data say of the names of a model.
#[derive(Debug, Default)]
pub struct Bound {
    /// The values of size names and of given scalar ints.
    pub sizes: HashMap<VariableId, i64>,
    /// For each name of the model that the data hold, its key.
    pub keys: HashMap<VariableId, String>,
    /// Where each name's data come from, for messages.
    pub origins: HashMap<String, String>,
    /// Of random variables that the data do not hold, and of the missing elements of the others.
    pub roles: HashMap<VariableId, Role>,
    /// Random variables of which the data hold some elements and miss others.
    pub partial: HashSet<VariableId>,
    /// Of partially missing variables, the role of each element (`None`: observed), once it is known.
    pub elements: HashMap<VariableId, Vec<Option<Role>>>,
    /// What a draw holds, when draws are given: by name.
    pub known: HashMap<String, Known>,
    /// Random variables some of whose elements no statement draws: these keep the values of the data whatever the purpose.
    pub given: HashSet<VariableId>,
    /// Keys that the model does not use.
    pub unused: Vec<String>,
}

/// What a program is bound for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// To condition on the data.
    Posterior(Coordinates),
    /// To draw every random variable forward; data of random variables tell sizes only.
    Prior,
    /// The density of the prior with its constraints, and nothing else; data of random variables tell sizes only.
    ConstrainedPrior(Coordinates),
    /// To draw forward whatever the given draws do not hold.
    Prediction(&'a Draws),
}

/// What draws hold of the variables of a model.
#[derive(Debug, Clone, Default)]
pub struct Draws {
    /// By the name of a variable.
    pub known: HashMap<String, Known>,
    /// Observed variables that keep the values of the data.
    pub held: HashSet<String>,
    /// The sizes that held for them, where the data at hand tell no others.
    pub sizes: HashMap<String, i64>,
}

/// The elements of a variable that draws hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its shape in the program that made the draws.
    pub shape: Vec<usize>,
    /// Whether draws hold an element, by flat index.
    pub present: Vec<bool>,
}

impl Known {
    /// Whether draws hold the element of these indices (from 0).
    pub fn holds(&self, indices: &[usize]) -> bool {
        let mut flat = 0;
        for (&index, &length) in indices.iter().zip(&self.shape) {
            if index >= length {
                return false;
            }
            flat = flat * length + index;
        }
        indices.len() == self.shape.len() && self.present[flat]
    }
}

impl Bound {
    /// Where the data of a name come from: ``eight_schools.json, key `y` ``.
    pub fn origin(&self, name: &str) -> Option<&str> {
        self.origins.get(name).map(String::as_str)
    }
}

/// Binds the names of a model. Of the `given` variables, elements that the data hold are known whatever the purpose.
pub fn bind(
    hir: &Hir,
    dataset: &Dataset,
    purpose: Purpose,
    given: &HashSet<VariableId>,
) -> (Bound, Vec<Diagnostic>) {
    let mut binder = Binder {
        hir,
        dataset,
        bound: Bound {
            given: given.clone(),
            ..Bound::default()
        },
        diagnostics: Vec::new(),
        misshapen: HashSet::new(),
        has_likelihood: !matches!(purpose, Purpose::ConstrainedPrior(_)),
    };
    binder.keys();
    binder.sizes(purpose);
    let used: HashSet<String> = binder.bound.keys.values().cloned().collect();
    binder.unobserved(purpose, given);
    binder.roles(purpose);
    binder.unused(&used);
    (binder.bound, binder.diagnostics)
}

pub(super) struct Binder<'a> {
    pub(super) hir: &'a Hir,
    pub(super) dataset: &'a Dataset,
    pub(super) bound: Bound,
    pub(super) diagnostics: Vec<Diagnostic>,
    misshapen: HashSet<VariableId>,
    /// Whether anything but constraints conditions.
    has_likelihood: bool,
}

impl Binder<'_> {
    fn keys(&mut self) {
        let mut columns: HashMap<VariableId, &str> = HashMap::new();
        for statement in &self.hir.statements {
            if let StatementKind::Given {
                variable,
                column: Some(column),
                ..
            } = &statement.kind
            {
                columns.insert(*variable, column);
            }
        }
        for (i, variable) in self.hir.variables.iter().enumerate() {
            let id = VariableId(i as u32);
            if !matches!(
                variable.kind,
                VariableKind::Given | VariableKind::Random | VariableKind::Size
            ) {
                continue;
            }
            let key = columns.get(&id).copied().unwrap_or(&variable.name);
            if let Some(entry) = self.dataset.get(key) {
                self.bound.keys.insert(id, key.to_string());
                self.bound
                    .origins
                    .insert(variable.name.clone(), entry.origin.clone());
            }
        }
    }

    /// Sizes: a key of that name, else the first array that mentions it, else a default.
    fn sizes(&mut self, purpose: Purpose) {
        for (i, variable) in self.hir.variables.iter().enumerate() {
            let id = VariableId(i as u32);
            let (VariableKind::Size, Some(key)) = (variable.kind, self.bound.keys.get(&id)) else {
                continue;
            };
            let entry = self.dataset.get(key).expect("keys holds present ones");
            let is_size_name = !self.hir.statements.iter().any(
                |s| matches!(&s.kind, StatementKind::Given { variable, .. } if *variable == id),
            );
            if entry.shape.is_empty()
                && entry.integral
                && entry.missing_count() == 0
                && !(is_size_name && entry.values[0] < 0.0)
            {
                self.bound.sizes.insert(id, entry.values[0] as i64);
            } else {
                self.diagnostics.push(
                    Diagnostic::error(
                        "E0401",
                        format!(
                            "`{}` must be one int{}",
                            variable.name,
                            if is_size_name { ", 0 or more" } else { "" }
                        ),
                    )
                    .at(variable.span, "used as a size here")
                    .note(format!("it comes from {}", entry.origin))
                    .help("give one whole number, written without a point"),
                );
                self.bound.sizes.insert(id, 0);
            }
        }
        let hir = self.hir;
        let mut learn = |givens: bool, randoms: bool| {
            all_statements(
                &hir.statements,
                0,
                &mut |statement, _| match &statement.kind {
                    StatementKind::Given {
                        variable,
                        declared,
                        default,
                        ..
                    } if givens => {
                        self.size_of_given(*variable, declared, default.as_ref());
                    }
                    StatementKind::Random {
                        variable, indices, ..
                    } if randoms => self.sizes_of_random(*variable, indices),
                    _ => {}
                },
            );
        };
        // What is to be predicted follows the covariates.
        if let Purpose::Prediction(draws) = purpose {
            learn(true, false);
            learn(false, true);
            for (i, variable) in hir.variables.iter().enumerate() {
                if let (VariableKind::Size, Some(&size)) =
                    (variable.kind, draws.sizes.get(&variable.name))
                {
                    let id = VariableId(i as u32);
                    self.bound.sizes.entry(id).or_insert(size);
                }
            }
        } else {
            learn(true, true);
        }
        self.negative_sizes();
        for (i, variable) in hir.variables.iter().enumerate() {
            let id = VariableId(i as u32);
            if variable.kind == VariableKind::Size && !self.bound.sizes.contains_key(&id) {
                if self.misshapen.contains(&id) {
                    self.bound.sizes.insert(id, 0);
                    continue;
                }
                let given = hir.statements.iter().any(
                    |s| matches!(&s.kind, StatementKind::Given { variable, .. } if *variable == id),
                );
                let diagnostic = if given {
                    let diagnostic =
                        Diagnostic::error("E0442", format!("the data have no `{}`", variable.name))
                            .at(variable.span, "given here");
                    self.keys_note(diagnostic, &variable.name, None)
                } else if let Some((name, span)) = self.covariate_of_size(id) {
                    missing_covariate(name, span, self.dataset, &self.bound)
                } else {
                    let diagnostic = Diagnostic::error(
                        "E0403",
                        format!("the size `{}` is not known", variable.name),
                    )
                    .at(variable.span, "nothing in the data tells it");
                    self.keys_note(diagnostic, &variable.name, self.told_by(id))
                };
                let said = |other: &Diagnostic| other.message == diagnostic.message;
                if !self.diagnostics.iter().any(said) {
                    self.diagnostics.push(diagnostic);
                }
                self.bound.sizes.insert(id, 0);
            }
        }
    }

    /// An array of another rank tells no sizes; its own error comes when it is loaded.
    fn give_up(&mut self, size: &Expression) {
        if let ExpressionKind::Variable(id) = &*size.kind {
            self.misshapen.insert(*id);
        }
    }

    fn learn(&mut self, size: &Expression, length: usize) {
        if let ExpressionKind::Variable(id) = &*size.kind
            && self.hir.variables[id.0 as usize].kind == VariableKind::Size
        {
            self.bound.sizes.entry(*id).or_insert(length as i64);
        }
    }

    fn size_of_given(
        &mut self,
        variable: VariableId,
        declared: &Declared,
        default: Option<&Expression>,
    ) {
        match self.bound.keys.get(&variable) {
            Some(key) => {
                let shape = self
                    .dataset
                    .get(key)
                    .expect("keys holds present ones")
                    .shape
                    .clone();
                if shape.len() != declared.sizes.len() {
                    declared.sizes.iter().for_each(|size| self.give_up(size));
                    return;
                }
                for (size, length) in declared.sizes.iter().zip(shape) {
                    self.learn(size, length);
                }
            }
            None => {
                if let Some(default) = default
                    && self.hir.variables[variable.0 as usize].kind == VariableKind::Size
                    && let Some(value) = self.int(default)
                {
                    self.bound.sizes.insert(variable, value);
                }
            }
        }
    }

    fn sizes_of_random(&mut self, variable: VariableId, indices: &[RandomIndex]) {
        let Some(key) = self.bound.keys.get(&variable) else {
            return;
        };
        let shape = self
            .dataset
            .get(key)
            .expect("keys holds present ones")
            .shape
            .clone();
        if shape.len() < indices.len() {
            for index in indices {
                if let RandomIndex::Over { upper, .. } = index {
                    self.give_up(upper);
                }
            }
            return;
        }
        for (index, length) in indices.iter().zip(shape) {
            if let RandomIndex::Over { upper, .. } = index {
                self.learn(upper, length);
            }
        }
    }

    /// An int over sizes.
    pub(super) fn int(&self, expression: &Expression) -> Option<i64> {
        match &*expression.kind {
            ExpressionKind::Int(value) => Some(*value),
            ExpressionKind::Variable(id) => self.bound.sizes.get(id).copied(),
            ExpressionKind::Operation {
                operation,
                arguments,
            } => {
                let of = |i: usize| self.int(&arguments[i]);
                match operation {
                    Operation::IntAdd => of(0)?.checked_add(of(1)?),
                    Operation::IntSubtract => of(0)?.checked_sub(of(1)?),
                    Operation::IntMultiply => of(0)?.checked_mul(of(1)?),
                    Operation::IntNegate => of(0)?.checked_neg(),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Of random variables that the data name, those that are missing, or not to be conditioned on, are unobserved all
    /// the same: their data have told the sizes.
    fn unobserved(&mut self, purpose: Purpose, given: &HashSet<VariableId>) {
        for (i, variable) in self.hir.variables.iter().enumerate() {
            let id = VariableId(i as u32);
            if variable.kind != VariableKind::Random {
                continue;
            }
            let Some(entry) = self
                .bound
                .keys
                .get(&id)
                .and_then(|key| self.dataset.get(key))
            else {
                continue;
            };
            let is_conditioned = given.contains(&id)
                || match purpose {
                    Purpose::Posterior(_) => true,
                    Purpose::Prior | Purpose::ConstrainedPrior(_) => false,
                    Purpose::Prediction(draws) => draws.held.contains(&variable.name),
                };
            let missing = entry.missing_count();
            if !is_conditioned || missing > 0 && missing == entry.values.len() {
                self.bound.keys.remove(&id);
            } else if missing > 0 {
                self.bound.partial.insert(id);
            }
        }
        if let Purpose::Prediction(draws) = purpose {
            self.bound.known.clone_from(&draws.known);
        }
    }

    /// Inferred is what a conditioned statement depends on, through any number of definitions; without conditions,
    /// what the draws hold.
    fn roles(&mut self, purpose: Purpose) {
        let mut reads: HashMap<VariableId, HashSet<VariableId>> = HashMap::new();
        let mut wanted: Vec<VariableId> = Vec::new();
        self.gather(&self.hir.statements, &[], &mut reads, &mut wanted);
        let mut reached: HashSet<VariableId> = HashSet::new();
        while let Some(id) = wanted.pop() {
            if reached.insert(id)
                && let Some(more) = reads.get(&id)
            {
                wanted.extend(more.iter().copied());
            }
        }
        for (i, variable) in self.hir.variables.iter().enumerate() {
            let id = VariableId(i as u32);
            let is_unknown = !self.bound.keys.contains_key(&id) || self.bound.partial.contains(&id);
            if variable.kind == VariableKind::Random && is_unknown {
                let is_inferred = match purpose {
                    Purpose::Posterior(_) | Purpose::ConstrainedPrior(_) => reached.contains(&id),
                    Purpose::Prior => false,
                    Purpose::Prediction(draws) => draws.known.contains_key(&variable.name),
                };
                let role = if is_inferred {
                    Role::Inferred
                } else {
                    Role::Simulated
                };
                self.bound.roles.insert(id, role);
            }
        }
    }

    /// What each name's definition reads, and what conditioned statements read. `around` are the names that the loops and
    /// branches around the statements read.
    fn gather(
        &self,
        statements: &[Statement],
        around: &[VariableId],
        reads: &mut HashMap<VariableId, HashSet<VariableId>>,
        wanted: &mut Vec<VariableId>,
    ) {
        for statement in statements {
            let mut names: Vec<VariableId> = around.to_vec();
            statement.expressions(&mut |expression| {
                expression.variables(0, &mut |id, _| names.push(id))
            });
            match &statement.kind {
                StatementKind::Let { variable, .. }
                | StatementKind::Report {
                    defines: Some(variable),
                    ..
                } => reads.entry(*variable).or_default().extend(names),
                StatementKind::LetTuple { variables, .. } => {
                    for variable in variables {
                        reads
                            .entry(*variable)
                            .or_default()
                            .extend(names.iter().copied());
                    }
                }
                StatementKind::Random { variable, .. }
                    if !self.bound.keys.contains_key(variable) =>
                {
                    reads.entry(*variable).or_default().extend(names);
                }
                StatementKind::Random { variable, .. } if self.bound.partial.contains(variable) => {
                    reads
                        .entry(*variable)
                        .or_default()
                        .extend(names.iter().copied());
                    if self.has_likelihood {
                        wanted.extend(names);
                    }
                }
                StatementKind::Random { .. }
                | StatementKind::Observe { .. }
                | StatementKind::Factor { .. }
                    if !self.has_likelihood => {}
                StatementKind::Random { .. }
                | StatementKind::Observe { .. }
                | StatementKind::Factor { .. }
                | StatementKind::Require { .. }
                | StatementKind::Soft { .. } => wanted.extend(names),
                StatementKind::For { .. } | StatementKind::If { .. } => {
                    let inner = names;
                    let body: Vec<&Statement> = statement.inner().collect();
                    for statement in body {
                        self.gather(std::slice::from_ref(statement), &inner, reads, wanted);
                    }
                }
                _ => {}
            }
        }
    }

    /// Lists unused keys; one that is nearly the name of an unobserved variable is an error.
    fn unused(&mut self, used: &HashSet<String>) {
        let unused: Vec<String> = self
            .dataset
            .entries()
            .iter()
            .map(|entry| entry.key.clone())
            .filter(|key| !used.contains(key))
            .collect();
        let unobserved: Vec<&str> = self
            .bound
            .roles
            .keys()
            .map(|id| self.hir.variables[id.0 as usize].name.as_str())
            .filter(|name| !used.contains(*name))
            .collect();
        for key in &unused {
            let same_letters = unobserved
                .iter()
                .find(|name| name.eq_ignore_ascii_case(key))
                .copied();
            let near = if key.chars().count() >= 3 {
                suggest::nearest(
                    key,
                    unobserved
                        .iter()
                        .copied()
                        .filter(|name| name.chars().count() >= 3),
                )
            } else {
                None
            };
            let Some(name) = same_letters.or(near) else {
                continue;
            };
            let known = self
                .hir
                .variables
                .iter()
                .any(|variable| variable.name == *key);
            if known {
                continue;
            }
            let variable = self
                .hir
                .variables
                .iter()
                .find(|variable| variable.name == name)
                .expect("an unobserved name");
            let origin = &self.dataset.get(key).expect("an unused key").origin;
            self.diagnostics.push(
                Diagnostic::error("E0404", format!("the data hold `{key}`, which the model does not use, and not `{name}`"))
                    .at(variable.span, format!("`{name}` would be unknown"))
                    .note(format!("`{key}` comes from {origin}"))
                    .help(format!("if the data are meant for `{name}`, rename the key; if not, remove it or give it another name")),
            );
        }
        self.bound.unused = unused;
    }
}
