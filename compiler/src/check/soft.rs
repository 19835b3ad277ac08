//! Typing of soft constraints. A formula is read as an expression and sorted here into what it may be made of: comparisons
//! with their scale, penalties, and the logical words between them. A chain `a < b < c within s` is two comparisons.

use std::collections::{HashMap, HashSet};

use super::hir::{
    Comparison, Formula, Hir, Statement, StatementKind, Tail, Type, VariableId, VariableKind,
};
use super::walk::all_statements;
use super::{Checked, Checker};
use crate::ast::tree::{
    self, BinaryOperator, Constraint, ExpressionKind as Tree, RelationKind, UnaryOperator,
};
use crate::source::{Diagnostic, Span};

impl Checker<'_> {
    /// `soft NAME: formula weight w for i in a..b`: the statement in a loop for each index.
    pub(super) fn soft(
        &mut self,
        statement: &tree::Statement,
        name: &tree::Name,
        formula: &tree::Expression,
        weight: &Option<tree::Weight>,
        binders: &[tree::Binder],
    ) -> Checked<StatementKind> {
        let Some((first, rest)) = binders.split_first() else {
            return self.plain_soft(name, formula, weight);
        };
        self.one_loop(first, |checker| {
            let kind = checker.soft(statement, name, formula, weight, rest)?;
            Ok(vec![Statement {
                span: statement.span,
                kind,
            }])
        })
    }

    fn plain_soft(
        &mut self,
        name: &tree::Name,
        formula: &tree::Expression,
        weight: &Option<tree::Weight>,
    ) -> Checked<StatementKind> {
        let full = match &self.scope.instance {
            Some(instance) => format!("{}{}", instance.prefix, name.text),
            None => name.text.clone(),
        };
        if let Some(first) = self.constraints.insert(full.clone(), name.span) {
            return self.say(
                Diagnostic::error(
                    "E0291",
                    format!("two constraints have the name `{}`", name.text),
                )
                .at(name.span, "used again")
                .at(first, "used first here")
                .help("give one of them another name; one statement with `for i in a..b` is one constraint"),
            );
        }
        let formula = self.formula(formula)?;
        let weight = match weight {
            Some(weight) => {
                let value = self.expression(&weight.value)?;
                Some((
                    self.convert(value, &Type::REAL, "a weight")?,
                    weight.is_joint,
                ))
            }
            None => None,
        };
        Ok(StatementKind::Soft {
            name: full,
            formula,
            weight,
        })
    }

    fn formula(&mut self, expression: &tree::Expression) -> Checked<Formula> {
        let span = expression.span;
        match &*expression.kind {
            Tree::Unary {
                operator: UnaryOperator::Not,
                operand,
            } => Ok(Formula::Not(Box::new(self.formula(operand)?))),
            Tree::Binary {
                operator: operator @ (BinaryOperator::And | BinaryOperator::Or),
                left,
                right,
            } => {
                let left = self.formula(left);
                let both = Box::new((left?, self.formula(right)?));
                Ok(match operator {
                    BinaryOperator::And => Formula::And(both),
                    _ => Formula::Or(both),
                })
            }
            Tree::Constraint(Constraint::Implies(left, right)) => {
                let left = self.formula(left);
                let right = self.formula(right)?;
                let not = Formula::Not(Box::new(left?));
                Ok(Formula::Or(Box::new((not, right))))
            }
            Tree::Constraint(Constraint::Penalty(value)) => {
                let value = self.expression(value)?;
                if value.ty.rank() > 0 {
                    return self.wrong_type(
                        "a penalty is one number",
                        &value,
                        "add up its elements with `sum`, or write one penalty for each with `for i in a..b`",
                    );
                }
                Ok(Formula::Penalty(self.convert(
                    value,
                    &Type::REAL,
                    "a penalty",
                )?))
            }
            Tree::Constraint(Constraint::Compare {
                operands,
                relations,
                strength: Some(strength),
            }) => self.chain(operands, relations, strength, span),
            Tree::Constraint(Constraint::Compare { .. })
            | Tree::Binary {
                operator:
                    BinaryOperator::Less
                    | BinaryOperator::LessEqual
                    | BinaryOperator::Greater
                    | BinaryOperator::GreaterEqual
                    | BinaryOperator::Equal
                    | BinaryOperator::NotEqual,
                ..
            } => self.say(
                Diagnostic::error("E0290", "this comparison does not say how strictly it is meant")
                    .at(span, "`within` is missing")
                    .help("add the scale on which it may be violated, in its own units, as in `a ~= b within 0.1`; for a condition that must hold, write `require`"),
            ),
            _ => self.say(
                Diagnostic::error("E0293", "this is no constraint")
                    .at(span, "")
                    .help("a soft constraint compares, `a ~= b within s` or `a < b within s`, or is a `penalty e`; `and`, `or`, `not` and `implies` combine them"),
            ),
        }
    }

    fn chain(
        &mut self,
        operands: &[tree::Expression],
        relations: &[tree::Relation],
        strength: &tree::Strength,
        span: Span,
    ) -> Checked<Formula> {
        for relation in relations {
            if let RelationKind::Plain(
                operator @ (BinaryOperator::Equal | BinaryOperator::NotEqual),
            ) = relation.kind
            {
                let help = match operator {
                    BinaryOperator::Equal => "write `a ~= b within s`",
                    _ => "write `not (a ~= b within s)`",
                };
                return self.say(
                    Diagnostic::error("E0293", "a soft equality is written `~=`")
                        .at(relation.span, "")
                        .help(help),
                );
            }
        }
        let direction = |kind: RelationKind| match kind {
            RelationKind::Near => 0,
            RelationKind::Plain(BinaryOperator::Less | BinaryOperator::LessEqual) => -1,
            RelationKind::Plain(_) => 1,
        };
        let first = direction(relations[0].kind);
        if let Some(other) = relations.iter().find(|r| direction(r.kind) != first) {
            return self.say(
                Diagnostic::error("E0293", "a chain has one direction")
                    .at(other.span, "this sign differs from the ones before")
                    .help("write two comparisons joined by `and`"),
            );
        }
        let mut values = Vec::new();
        for operand in operands {
            let value = self.expression(operand)?;
            self.expect_numbers(&value, "what a constraint compares")?;
            values.push(value.to_real());
        }
        let within = self.expression(&strength.within)?;
        self.expect_numbers(&within, "`within`")?;
        let within = within.to_real();
        let tail = self.tail(&strength.tail, first == 0)?;
        let mut chain: Option<Formula> = None;
        for pair in values.windows(2) {
            self.same_shape(&[&pair[0], &pair[1], &within], span, "")?;
            let (mut left, mut right) = (pair[0].clone(), pair[1].clone());
            if first > 0 {
                std::mem::swap(&mut left, &mut right);
            }
            let comparison = Formula::Compare(Box::new(Comparison {
                is_equality: first == 0,
                left,
                right,
                within: within.clone(),
                coupling: strength.coupling,
                tail: tail.clone(),
                span,
            }));
            chain = Some(match chain {
                Some(before) => Formula::And(Box::new((before, comparison))),
                None => comparison,
            });
        }
        Ok(chain.expect("a chain has a sign"))
    }

    fn tail(&mut self, tail: &Option<tree::Tail>, is_equality: bool) -> Checked<Tail> {
        let Some(tail) = tail else {
            return Ok(Tail::Gaussian);
        };
        if !is_equality {
            return self.say(
                Diagnostic::error("E0294", "`tail` belongs to `~=`")
                    .at(tail.name.span, "")
                    .help("an inequality is logistic, whose tail grows no faster than the distance; leave `tail` out"),
            );
        }
        match (tail.name.text.as_str(), &tail.freedom) {
            ("laplace", None) => Ok(Tail::Laplace),
            ("student", Some(freedom)) => {
                let value = self.expression(freedom)?;
                let what = "the degrees of freedom of `student`";
                Ok(Tail::Student(self.convert(value, &Type::REAL, what)?))
            }
            _ => self.say(
                Diagnostic::error("E0294", "this tail is not known")
                    .at(tail.name.span, "")
                    .help("write `tail student(4)` with its degrees of freedom, or `tail laplace`; without `tail` it is Gaussian"),
            ),
        }
    }

    /// A part of a soft constraint in the place of a value.
    pub(super) fn misplaced_constraint<T>(
        &mut self,
        constraint: &Constraint,
        span: Span,
    ) -> Checked<T> {
        if let Constraint::Compare {
            relations,
            strength: None,
            ..
        } = constraint
            && let [first, second, ..] = &relations[..]
            && first.kind != RelationKind::Near
            && second.kind != RelationKind::Near
        {
            let sign = self.sources.excerpt(second.span).to_string();
            return self.say(
                Diagnostic::error("E0110", format!("`{sign}` is not expected here"))
                    .at(second.span, "")
                    .help("comparisons do not chain: write `a < b and b < c`"),
            );
        }
        self.say(
            Diagnostic::error("E0295", "this belongs to a soft constraint")
                .at(span, "")
                .help("write `soft NAME: a ~= b within s`; equality of values is `==`, a distribution follows `~`"),
        )
    }
}

impl Formula {
    /// Calls `visit` with each comparison, in the order of the text.
    pub fn comparisons<'a>(&'a self, visit: &mut dyn FnMut(&'a Comparison)) {
        match self {
            Formula::Compare(comparison) => visit(comparison),
            Formula::Penalty(_) => {}
            Formula::Not(inner) => inner.comparisons(visit),
            Formula::And(both) | Formula::Or(both) => {
                both.0.comparisons(visit);
                both.1.comparisons(visit);
            }
        }
    }

    /// Calls `visit` with each expression: what is compared or penalised, then what the strength is made of.
    pub fn expressions<'a>(&'a self, visit: &mut dyn FnMut(&'a super::hir::Expression)) {
        match self {
            Formula::Compare(comparison) => {
                visit(&comparison.left);
                visit(&comparison.right);
                visit(&comparison.within);
                if let Tail::Student(freedom) = &comparison.tail {
                    visit(freedom);
                }
            }
            Formula::Penalty(value) => visit(value),
            Formula::Not(inner) => inner.expressions(visit),
            Formula::And(both) | Formula::Or(both) => {
                both.0.expressions(visit);
                both.1.expressions(visit);
            }
        }
    }
}

/// The random variables that an expression depends on, through definitions.
pub struct Dependence<'a> {
    hir: &'a Hir,
    reads: HashMap<VariableId, HashSet<VariableId>>,
}

impl<'a> Dependence<'a> {
    /// Of a program.
    pub fn new(hir: &'a Hir) -> Self {
        let mut reads: HashMap<VariableId, HashSet<VariableId>> = HashMap::new();
        all_statements(&hir.statements, 0, &mut |statement, _| {
            let defined = match &statement.kind {
                StatementKind::Let { variable, .. }
                | StatementKind::Report {
                    defines: Some(variable),
                    ..
                } => std::slice::from_ref(variable),
                StatementKind::LetTuple { variables, .. } => variables,
                _ => return,
            };
            let mut found = HashSet::new();
            statement.expressions(&mut |expression| {
                expression.variables(0, &mut |id, _| {
                    found.insert(id);
                });
            });
            for variable in defined {
                reads.entry(*variable).or_default().extend(&found);
            }
        });
        Self { hir, reads }
    }

    /// The random variables behind an expression, in the order of the model.
    pub fn of(&self, expression: &super::hir::Expression) -> Vec<VariableId> {
        let mut waiting = Vec::new();
        expression.variables(0, &mut |id, _| waiting.push(id));
        let mut seen = HashSet::new();
        let mut random = Vec::new();
        while let Some(id) = waiting.pop() {
            if !seen.insert(id) {
                continue;
            }
            if self.hir.variables[id.0 as usize].kind == VariableKind::Random {
                random.push(id);
            } else {
                waiting.extend(self.reads.get(&id).into_iter().flatten());
            }
        }
        random.sort();
        random
    }
}

/// Constraints on nothing unknown, and scales and weights that are unknown themselves without a word which program is meant.
pub(super) fn verify(hir: &Hir) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let dependence = Dependence::new(hir);
    let random = |expression| dependence.of(expression).first().copied();
    all_statements(&hir.statements, 0, &mut |statement, _| {
        let StatementKind::Soft {
            formula, weight, ..
        } = &statement.kind
        else {
            return;
        };
        let mut concerned = false;
        formula.expressions(&mut |expression| concerned |= random(expression).is_some());
        if !concerned {
            diagnostics.push(
                Diagnostic::error("E0298", "this constraint concerns no random variable")
                    .at(
                        statement.span,
                        "data alone decide it, so it changes nothing",
                    )
                    .help("constrain what is unknown; to check data, write `require`"),
            );
            return;
        }
        let mut say = |word: &str, id: VariableId, span: Span, coupling: Option<tree::Coupling>| {
            if coupling.is_some() {
                return;
            }
            let name = &hir.variables[id.0 as usize].name;
            diagnostics.push(
                Diagnostic::error("E0292", format!("this `{word}` depends on the random variable `{name}`"))
                    .at(span, "how strictly the constraint holds is itself unknown")
                    .note(format!("`joint` conditions `{name}` on the constraint too: it then prefers values that make the constraint easy to satisfy"))
                    .note(format!("a prior that is normalised for each `{name}` leaves `{name}` to the data: as a hierarchical prior, `b ~ normal(a, s)` in place of `soft …: b ~= a within s`"))
                    .help(format!("write `{word} … joint`, or the preference as a hierarchical prior")),
            );
        };
        formula.comparisons(&mut |comparison| {
            if let Some(id) = random(&comparison.within) {
                say("within", id, comparison.within.span, comparison.coupling);
            }
        });
        if let Some((value, is_joint)) = weight
            && let Some(id) = random(value)
        {
            say(
                "weight",
                id,
                value.span,
                is_joint.then_some(tree::Coupling::Joint),
            );
        }
    });
    diagnostics
}
