//! Visits what statements and expressions are made of.

use super::hir::{
    DistributionCall, DistributionRef, Expression, ExpressionKind, Law, RandomIndex, Selector,
    Statement, StatementKind, Support, VariableId,
};

impl Expression {
    /// Calls `visit` on the expressions one level below.
    pub fn children<'a>(&'a self, visit: &mut dyn FnMut(&'a Expression)) {
        match &*self.kind {
            ExpressionKind::Real(_)
            | ExpressionKind::Int(_)
            | ExpressionKind::Bool(_)
            | ExpressionKind::Label(_)
            | ExpressionKind::Variable(_) => {}
            ExpressionKind::Operation { arguments, .. }
            | ExpressionKind::Whole { arguments, .. }
            | ExpressionKind::Call { arguments, .. }
            | ExpressionKind::Draw { arguments, .. }
            | ExpressionKind::Array(arguments) => arguments.iter().for_each(visit),
            ExpressionKind::Ode(call) => {
                [&call.initial, &call.start, &call.times]
                    .into_iter()
                    .chain(&call.arguments)
                    .chain(&call.settings)
                    .for_each(visit);
            }
            ExpressionKind::Method {
                call, arguments, ..
            } => {
                call.expressions(visit);
                arguments.iter().for_each(visit);
            }
            ExpressionKind::Index { base, selectors } => {
                visit(base);
                for selector in selectors {
                    match selector {
                        Selector::At(at) => visit(at),
                        Selector::Range(lower, upper) => {
                            visit(lower);
                            visit(upper);
                        }
                        Selector::All => {}
                    }
                }
            }
            ExpressionKind::Comprehension { binders, body }
            | ExpressionKind::Reduction { binders, body, .. } => {
                for binder in binders {
                    visit(&binder.lower);
                    visit(&binder.upper);
                }
                visit(body);
            }
            ExpressionKind::If {
                condition,
                then,
                otherwise,
            } => {
                visit(condition);
                visit(then);
                visit(otherwise);
            }
        }
    }

    /// Calls `visit` on this expression and on all below it.
    pub fn everywhere<'a>(&'a self, visit: &mut dyn FnMut(&'a Expression)) {
        visit(self);
        self.children(&mut |child| child.everywhere(visit));
    }

    /// Calls `visit` with every variable that is read, and the number of comprehensions and reductions around it.
    pub fn variables(&self, depth: usize, visit: &mut dyn FnMut(VariableId, usize)) {
        if let ExpressionKind::Variable(id) = &*self.kind {
            visit(*id, depth);
        }
        let inner = match &*self.kind {
            ExpressionKind::Comprehension { .. } | ExpressionKind::Reduction { .. } => depth + 1,
            _ => depth,
        };
        self.children(&mut |child| child.variables(inner, visit));
    }
}

impl DistributionCall {
    /// Calls `visit` on its arguments, the bounds and sizes of a flat law, and what the components of a mixture hold.
    pub fn expressions<'a>(&'a self, visit: &mut dyn FnMut(&'a Expression)) {
        self.arguments.iter().for_each(&mut *visit);
        match &self.distribution {
            DistributionRef::Item(_) => {}
            DistributionRef::Flat(declared) => {
                declared.sizes.iter().for_each(&mut *visit);
                if let Support::Between(lower, upper) = &declared.support {
                    visit(lower);
                    visit(upper);
                }
            }
            DistributionRef::Mixture(mixture) => {
                if let Some(binder) = &mixture.binder {
                    visit(&binder.lower);
                    visit(&binder.upper);
                }
                for component in &mixture.components {
                    component.expressions(visit);
                }
            }
        }
    }
}

impl Law {
    /// Calls `visit` on all its expressions.
    pub fn expressions<'a>(&'a self, visit: &mut dyn FnMut(&'a Expression)) {
        self.call.expressions(visit);
        for (lower, upper) in self.truncated.iter().chain(&self.censored) {
            visit(lower);
            visit(upper);
        }
    }
}

impl Statement {
    /// Calls `visit` on the expressions that this statement holds itself, not those of statements inside it.
    pub fn expressions<'a>(&'a self, visit: &mut dyn FnMut(&'a Expression)) {
        match &self.kind {
            StatementKind::Given {
                declared, default, ..
            } => {
                declared.sizes.iter().for_each(&mut *visit);
                default.iter().for_each(visit);
            }
            StatementKind::Let { indices, value, .. }
            | StatementKind::Assign { indices, value, .. } => {
                indices.iter().for_each(&mut *visit);
                visit(value);
            }
            StatementKind::Random { indices, law, .. } => {
                for index in indices {
                    match index {
                        RandomIndex::Over { lower, upper, .. } => {
                            visit(lower);
                            visit(upper);
                        }
                        RandomIndex::At(at) => visit(at),
                    }
                }
                law.expressions(visit);
            }
            StatementKind::Observe { value, law } => {
                visit(value);
                law.expressions(visit);
            }
            StatementKind::Factor { value }
            | StatementKind::Require {
                condition: value, ..
            }
            | StatementKind::Report { value, .. }
            | StatementKind::LetTuple { call: value, .. } => visit(value),
            StatementKind::Soft {
                formula, weight, ..
            } => {
                formula.expressions(visit);
                weight.iter().for_each(|(weight, _)| visit(weight));
            }
            StatementKind::Return { value, more } => {
                visit(value);
                more.iter().for_each(visit);
            }
            StatementKind::For { lower, upper, .. } => {
                visit(lower);
                visit(upper);
            }
            StatementKind::If { condition, .. } => visit(condition),
            StatementKind::Var { value, sizes, .. } => {
                value.iter().for_each(&mut *visit);
                sizes.iter().for_each(visit);
            }
        }
    }

    /// The statements inside it.
    pub fn inner(&self) -> impl Iterator<Item = &Statement> {
        let (first, second): (&[Statement], &[Statement]) = match &self.kind {
            StatementKind::For { body, .. } => (body, &[]),
            StatementKind::If {
                then, otherwise, ..
            } => (then, otherwise),
            _ => (&[], &[]),
        };
        first.iter().chain(second)
    }
}

/// Calls `visit` with every statement, those inside loops and branches too, and the number of loops around it.
pub fn all_statements<'a>(
    statements: &'a [Statement],
    loops: usize,
    visit: &mut dyn FnMut(&'a Statement, usize),
) {
    for statement in statements {
        visit(statement, loops);
        match &statement.kind {
            StatementKind::For { body, .. } => all_statements(body, loops + 1, visit),
            StatementKind::If {
                then, otherwise, ..
            } => {
                all_statements(then, loops, visit);
                all_statements(otherwise, loops, visit);
            }
            _ => {}
        }
    }
}

/// How often each of `count` names is read by statements other than reports: reads deeper in loops than an array has
/// index positions count twice, because each of them would repeat the work.
pub fn uses(
    statements: &[Statement],
    count: usize,
    rank: &dyn Fn(VariableId) -> usize,
) -> Vec<usize> {
    let mut uses = vec![0; count];
    all_statements(statements, 0, &mut |statement, loops| {
        if matches!(statement.kind, StatementKind::Report { .. }) {
            return;
        }
        let own = match &statement.kind {
            StatementKind::Random { indices, .. } => indices.len(),
            _ => 0,
        };
        statement.expressions(&mut |expression| {
            expression.variables(loops + own, &mut |id, depth| {
                uses[id.0 as usize] += if depth > rank(id).max(1) { 2 } else { 1 };
            });
        });
    });
    uses
}
