//! Soft constraints as terms of their own parts. Each comparison or penalty is a log potential log φ ≤ 0; `not` moves inwards
//! by De Morgan's rules until it stands before one of them, so that nothing is lost far from where φ is 1 or 0:
//! the opposite of an inequality is one, and `or` is [`Operation::LogOr`] of log potentials.

use super::bind::Bound;
use super::expand::{Expander, Outcome};
use super::loops::{
    Condition, Constraint, ConstraintKind, Normalised, Residual, Scalar, Statement, Term, is_zero,
};
use super::pull::Value;
use super::statements::description;
use crate::ast::tree::Coupling;
use crate::check::hir::{self, Comparison, Formula, Hir, StatementKind, Tail, VariableId};
use crate::check::soft::Dependence;
use crate::check::walk::all_statements;
use crate::math::graph::Part;
use crate::math::primitive::Operation::{self, *};
use crate::source::{Diagnostic, Sources, Span};

/// Where a Laplace tail begins, in units of `within`: nearer to zero the penalty is quadratic, so that it has a gradient.
const LAPLACE_CORE: f64 = 1e-3;

/// The constraints of a program in the order of its text.
pub(super) fn constraints(hir: &Hir, sources: &Sources) -> Vec<Constraint> {
    let mut constraints: Vec<Constraint> = Vec::new();
    let dependence = Dependence::new(hir);
    all_statements(&hir.statements, 0, &mut |statement, _| {
        let (kind, span) = (&statement.kind, statement.span);
        if constraints.iter().any(|known| known.is(kind, span)) {
            return;
        }
        let description = description(sources, span);
        match kind {
            StatementKind::Soft { name, formula, .. } => {
                let text = sources.one_line(span);
                let text = text.split_once(':').map_or(&*text, |(_, rest)| rest.trim());
                let mut comparisons = 0;
                formula.comparisons(&mut |_| comparisons += 1);
                constraints.push(Constraint {
                    name: name.clone(),
                    kind: ConstraintKind::Soft,
                    comparisons,
                    is_gaussian_equality: is_gaussian_equality(formula),
                    is_normalised: false,
                    strengths: strengths(hir, &dependence, &statement.kind),
                    text: text.to_string(),
                    description,
                    span,
                });
            }
            StatementKind::Require { condition, name } => constraints.push(Constraint {
                name: name
                    .clone()
                    .unwrap_or_else(|| sources.one_line(condition.span)),
                kind: ConstraintKind::Hard,
                comparisons: 0,
                is_gaussian_equality: false,
                is_normalised: false,
                strengths: Vec::new(),
                text: sources.one_line(condition.span),
                description,
                span,
            }),
            _ => {}
        }
    });
    constraints
}

/// The random variables behind what is `joint` in a soft constraint.
fn strengths(hir: &Hir, dependence: &Dependence<'_>, kind: &StatementKind) -> Vec<String> {
    let mut joint = Vec::new();
    if let StatementKind::Soft {
        formula, weight, ..
    } = kind
    {
        formula.comparisons(&mut |comparison| {
            if comparison.coupling == Some(Coupling::Joint) {
                joint.extend(dependence.of(&comparison.within));
            }
        });
        if let Some((weight, true)) = weight {
            joint.extend(dependence.of(weight));
        }
    }
    joint.sort();
    joint.dedup();
    let name = |id: VariableId| hir.variables[id.0 as usize].name.clone();
    joint.into_iter().map(name).collect()
}

fn is_gaussian_equality(formula: &Formula) -> bool {
    matches!(formula, Formula::Compare(one) if one.is_equality && matches!(one.tail, Tail::Gaussian))
}

impl Constraint {
    /// Whether it is the constraint of a statement.
    fn is(&self, kind: &StatementKind, span: Span) -> bool {
        match kind {
            StatementKind::Soft { name, .. } => {
                self.kind == ConstraintKind::Soft && self.name == *name
            }
            StatementKind::Require { .. } => self.kind == ConstraintKind::Hard && self.span == span,
            _ => false,
        }
    }
}

/// Constraints that depend on observed values.
pub(super) fn observed(hir: &Hir, bound: &Bound) -> Vec<Diagnostic> {
    let dependence = Dependence::new(hir);
    let mut diagnostics = Vec::new();
    all_statements(&hir.statements, 0, &mut |statement, _| {
        if !matches!(statement.kind, StatementKind::Soft { .. }) {
            return;
        }
        let mut found = None;
        statement.expressions(&mut |expression| {
            let mut random = dependence.of(expression).into_iter();
            if let Some(id) = random.find(|id| bound.keys.contains_key(id)) {
                found.get_or_insert((id, expression.span));
            }
        });
        let Some((id, span)) = found else { return };
        let name = &hir.variables[id.0 as usize].name;
        let mut diagnostic = Diagnostic::error(
            "E0480",
            format!("this constraint depends on `{name}`, which is observed"),
        )
        .at(span, "a constraint is an assumption, not a measurement");
        if let Some(origin) = bound.origin(name) {
            diagnostic = diagnostic.note(format!("`{name}` comes from {origin}"));
        }
        diagnostics.push(diagnostic.help(
            "what the data say of the unknowns is their distribution: `y[i in 1..N] ~ …`, or `observe e ~ normal(0, s)`",
        ));
    });
    diagnostics
}

/// What is found beside a log potential.
#[derive(Default)]
struct Found {
    domain: Vec<Condition>,
    residuals: Vec<Residual>,
}

impl<'a> Expander<'a> {
    /// The part of a constraint.
    pub(super) fn constraint_part(&self, kind: &StatementKind, span: Span) -> Part {
        let constraints = &self.loops.constraints;
        let number = constraints.iter().position(|known| known.is(kind, span));
        Part::Soft(number.expect("all constraints are listed") as u32)
    }

    /// A soft constraint: one term for what is scalar in it, one for each element of what compares arrays.
    pub(super) fn soft(
        &mut self,
        statement: &'a hir::Statement,
        formula: &'a Formula,
        weight: Option<&'a hir::Expression>,
    ) -> Outcome<()> {
        let part = self.constraint_part(&statement.kind, statement.span);
        let mut found = Found::default();
        let weight = match weight {
            Some(expression) => {
                let weight = self.scalar(expression)?;
                let weight = self.keep("weight", weight, hir::Element::Real, expression.span)?;
                self.at_least_zero(&weight, "`weight`", expression.span, &mut found)?;
                weight
            }
            None => Scalar::real(1.0),
        };
        if let Some(normalised) = self.normalised_in(formula) {
            let Formula::Compare(comparison) = formula else {
                return Err(
                    Diagnostic::error("E0296", "this constraint has no known normaliser")
                        .at(normalised, "only one comparison by itself has one")
                        .help("write each as a constraint of its own")
                        .into(),
                );
            };
            if weight.as_number() != Some(1.0) {
                return Err(
                    Diagnostic::error("E0296", "this constraint has no known normaliser")
                        .at(statement.span, "it has a weight")
                        .help("a smaller `within` says the same as a larger weight")
                        .into(),
                );
            }
            let value = self.potential(formula, false, &mut 0, &mut found)?;
            let within = self.scalar(&comparison.within)?;
            let within = self.keep("within", within, hir::Element::Real, comparison.within.span)?;
            let equality = self.equality(statement, comparison)?;
            let value = Scalar::operation(Add, vec![value, equality.normaliser(&within)]);
            if let Part::Soft(number) = part {
                self.loops.constraints[number as usize].is_normalised = true;
                self.loops.normalised.push(Normalised {
                    constraint: number,
                    equality,
                    within,
                });
            }
            self.emit_potential(value, found, &weight, part, statement.span);
            return Ok(());
        }
        let mut conjuncts = Vec::new();
        flatten(formula, &mut conjuncts);
        let mut comparison = 0u32;
        let mut sum: Option<Scalar> = None;
        for conjunct in conjuncts {
            let first = comparison;
            conjunct.comparisons(&mut |_| comparison += 1);
            if let Formula::Compare(compared) = conjunct
                && let Some(operands) = self.arrays(compared)?
            {
                self.elementwise(statement.span, compared, operands, first, &weight, part)?;
                continue;
            }
            let mut next = first;
            let value = self.potential(conjunct, false, &mut next, &mut found)?;
            sum = Some(match sum {
                Some(sum) => Scalar::operation(Add, vec![sum, value]),
                None => value,
            });
        }
        if let Some(value) = sum {
            self.emit_potential(value, found, &weight, part, statement.span);
        }
        Ok(())
    }

    /// Where a comparison stands that is to be divided by its integral.
    fn normalised_in(&self, formula: &Formula) -> Option<Span> {
        let mut found = None;
        formula.comparisons(&mut |comparison| {
            if self.is_normalised(comparison) {
                found.get_or_insert(comparison.span);
            }
        });
        found
    }

    fn emit_potential(
        &mut self,
        value: Scalar,
        found: Found,
        weight: &Scalar,
        part: Part,
        span: Span,
    ) {
        // A weight of zero switches a constraint off, even where its log potential is −∞.
        if is_zero(weight) {
            return;
        }
        let value = match weight.as_number() {
            Some(1.0) => value,
            _ => Scalar::operation(Multiply, vec![weight.clone(), value]),
        };
        let term = Term {
            residuals: found.residuals,
            ..self.term(value, found.domain, part, span)
        };
        self.emit(Statement::Term(Box::new(term)));
    }

    /// The sides and the scale of a comparison of arrays; `None` if all are numbers.
    fn arrays(&mut self, comparison: &'a Comparison) -> Outcome<Option<[Value; 3]>> {
        let sides = [&comparison.left, &comparison.right, &comparison.within];
        if sides.iter().all(|side| side.ty.rank() == 0) {
            return Ok(None);
        }
        let [left, right, within] = sides;
        Ok(Some([
            self.value(left)?,
            self.value(right)?,
            self.value(within)?,
        ]))
    }

    fn elementwise(
        &mut self,
        span: Span,
        comparison: &'a Comparison,
        operands: [Value; 3],
        number: u32,
        weight: &Scalar,
        part: Part,
    ) -> Outcome<()> {
        let expressions = [
            comparison.left.clone(),
            comparison.right.clone(),
            comparison.within.clone(),
        ];
        let shape = self
            .common_shape(&operands, &expressions, comparison.span)?
            .unwrap_or_default();
        self.plate(&shape, |expander, at| {
            let operands = operands
                .each_ref()
                .map(|operand| expander.at(operand, at, comparison.span));
            let mut found = Found::default();
            let value = expander.comparison(comparison, operands, false, number, &mut found)?;
            expander.emit_potential(value, found, weight, part, span);
            Ok(())
        })
    }

    /// The log potential of a formula, or of its opposite; `next` is the number of its next comparison.
    fn potential(
        &mut self,
        formula: &'a Formula,
        opposite: bool,
        next: &mut u32,
        found: &mut Found,
    ) -> Outcome<Scalar> {
        match formula {
            Formula::Compare(comparison) => {
                if self.arrays(comparison)?.is_some() {
                    return Err(Diagnostic::error(
                        "E0297",
                        "arrays are compared here inside `or` or `not`",
                    )
                    .at(
                        comparison.span,
                        "does it mean each element, or all together?",
                    )
                    .help("compare one element, and write `for i in a..b` after the constraint")
                    .into());
                }
                let number = *next;
                *next += 1;
                let operands = [
                    self.scalar(&comparison.left)?,
                    self.scalar(&comparison.right)?,
                    self.scalar(&comparison.within)?,
                ];
                self.comparison(comparison, operands, opposite, number, found)
            }
            Formula::Penalty(expression) => {
                let penalty = self.scalar(expression)?;
                let penalty = self.keep("penalty", penalty, hir::Element::Real, expression.span)?;
                self.at_least_zero(&penalty, "`penalty`", expression.span, found)?;
                let value = Scalar::operation(Negate, vec![penalty]);
                Ok(opposed(value, opposite))
            }
            Formula::Not(inner) => self.potential(inner, !opposite, next, found),
            Formula::And(both) | Formula::Or(both) => {
                let left = self.potential(&both.0, opposite, next, found)?;
                let right = self.potential(&both.1, opposite, next, found)?;
                let is_and = matches!(formula, Formula::And(_)) != opposite;
                let operation = if is_and { Add } else { LogOr };
                Ok(Scalar::operation(operation, vec![left, right]))
            }
        }
    }

    fn positive(
        &mut self,
        value: &Scalar,
        what: &str,
        span: Span,
        found: &mut Found,
    ) -> Outcome<()> {
        if self.range(value).is_positive() {
            return Ok(());
        }
        let holds = Scalar::operation(Less, vec![Scalar::real(0.0), value.clone()]);
        let rule = format!("{what} must be positive");
        self.condition(holds, value.clone(), rule, span, &mut found.domain)
    }

    fn at_least_zero(
        &mut self,
        value: &Scalar,
        what: &str,
        span: Span,
        found: &mut Found,
    ) -> Outcome<()> {
        if self.range(value).is_nonnegative() {
            return Ok(());
        }
        let holds = Scalar::operation(LessEqual, vec![Scalar::real(0.0), value.clone()]);
        let rule = format!("{what} must not be negative");
        self.condition(holds, value.clone(), rule, span, &mut found.domain)
    }

    /// The log potential of one comparison of numbers, or of its opposite.
    fn comparison(
        &mut self,
        comparison: &'a Comparison,
        [left, right, within]: [Scalar; 3],
        opposite: bool,
        number: u32,
        found: &mut Found,
    ) -> Outcome<Scalar> {
        let real = hir::Element::Real;
        let span = comparison.within.span;
        let within = self.keep("within", within, real, span)?;
        self.positive(&within, "`within`", span, found)?;
        let left = self.keep("left side", left, real, comparison.left.span)?;
        let right = self.keep("right side", right, real, comparison.right.span)?;
        let residual = match is_zero(&right) {
            true => left,
            false => Scalar::operation(Subtract, vec![left, right]),
        };
        let scaled = Scalar::operation(Divide, vec![residual.clone(), within]);
        found.residuals.push(Residual {
            comparison: number,
            plain: residual,
            scaled: scaled.clone(),
        });
        if !comparison.is_equality {
            let excess = match opposite {
                true => Scalar::operation(Negate, vec![scaled]),
                false => scaled,
            };
            let penalty = Scalar::operation(LogOnePlusExp, vec![excess]);
            return Ok(Scalar::operation(Negate, vec![penalty]));
        }
        let square = Scalar::operation(Multiply, vec![scaled.clone(), scaled]);
        let value = match &comparison.tail {
            Tail::Gaussian => Scalar::operation(Multiply, vec![Scalar::real(-0.5), square]),
            Tail::Student(freedom) => {
                let nu = self.scalar(freedom)?;
                let nu = self.keep("degrees of freedom", nu, real, freedom.span)?;
                let what = "the degrees of freedom of `tail student`";
                self.positive(&nu, what, freedom.span, found)?;
                let ratio = Scalar::operation(Divide, vec![square, nu.clone()]);
                let log = Scalar::operation(LogOnePlus, vec![ratio]);
                let more = Scalar::operation(Add, vec![nu, Scalar::real(1.0)]);
                let half = Scalar::operation(Multiply, vec![Scalar::real(-0.5), more]);
                Scalar::operation(Multiply, vec![half, log])
            }
            Tail::Laplace => {
                // √(z² + δ²) − δ, without the difference.
                let core = Scalar::real(LAPLACE_CORE);
                let inner = vec![square.clone(), Scalar::real(LAPLACE_CORE * LAPLACE_CORE)];
                let root = Scalar::operation(SquareRoot, vec![Scalar::operation(Add, inner)]);
                let divisor = Scalar::operation(Add, vec![root, core]);
                let ratio = Scalar::operation(Divide, vec![square, divisor]);
                Scalar::operation(Negate, vec![ratio])
            }
        };
        Ok(opposed(value, opposite))
    }
}

/// log(1 − φ) where the opposite is meant.
fn opposed(value: Scalar, opposite: bool) -> Scalar {
    match opposite {
        true => Scalar::operation(Operation::LogOneMinusExp, vec![value]),
        false => value,
    }
}

/// The formulas that `and` joins.
fn flatten<'f>(formula: &'f Formula, into: &mut Vec<&'f Formula>) {
    match formula {
        Formula::And(both) => {
            flatten(&both.0, into);
            flatten(&both.1, into);
        }
        other => into.push(other),
    }
}
