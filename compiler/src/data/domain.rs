//! Warnings for parameters that can leave their domain: `y ~ normal(mu, sigma)` with a `sigma` that may be negative
//! has density zero on half of its range, where a sampler does nothing but bounce. A condition that stands at run time
//! is not yet a mistake, since most of them are only unproven. So the range computed here is one that is reached, not
//! one that merely encloses: an expression counts if it is linear or a product in unknowns and data, and no array
//! occurs in it twice; of everything else nothing is said.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::interval::{Interval, Ranges};
use super::loops::{
    ArrayId, ArrayKind, Condition, Loops, Node, Random, Scalar, Statement, Support, Term,
};
use crate::check::hir::Reducer;
use crate::math::primitive::Operation;
use crate::math::structure::Structure;
use crate::source::{Diagnostic, Sources};

/// A warning for each argument of a distribution that can leave its domain.
pub fn warnings(loops: &Loops, ranges: &Ranges, sources: &Sources) -> Vec<Diagnostic> {
    let mut reach = Reach {
        loops,
        ranges,
        laws: HashMap::new(),
        stores: HashMap::new(),
    };
    reach.definitions(&loops.statements);
    let mut terms = Vec::new();
    unconditional(&loops.statements, &mut terms);
    let mut said = HashSet::new();
    let mut warnings = Vec::new();
    for term in terms {
        for condition in &term.domain {
            // Conditions inside distributions of the library are not about what the user wrote.
            let is_own = condition.span.file == term.span.file;
            if !is_own || said.contains(&condition.span) {
                continue;
            }
            if let Some(leaves) = reach.leaves(condition) {
                said.insert(condition.span);
                warnings.push(warning(condition, &leaves, term, sources));
            }
        }
    }
    warnings
}

/// How an argument leaves its domain.
struct Leaves {
    /// As in "it may be …".
    how: String,
    /// Whether the argument is a variable by itself.
    is_bare: bool,
}

fn warning(condition: &Condition, leaves: &Leaves, term: &Term, sources: &Sources) -> Diagnostic {
    let text = sources.excerpt(condition.span);
    let mut others = term
        .domain
        .iter()
        .filter(|other| other.span == condition.span);
    let is_probability = others.any(|other| bounds(other).1 == Some(1.0));
    let help = match (is_probability, leaves.is_bare) {
        (true, true) => format!(
            "draw `{text}` from a distribution between 0 and 1, such as `beta(1, 1)`; or pass `inv_logit({text})`"
        ),
        (true, false) => format!(
            "`inv_logit({text})` lies between 0 and 1; distributions with a probability also take its log odds, `logit={text}`"
        ),
        (false, true) if bounds(condition) == (Some(0.0), None) => format!(
            "draw `{text}` from a distribution of positive numbers, such as `half_normal(5)`, or add `truncated(0, inf)` to its own"
        ),
        (false, false) if bounds(condition) == (Some(0.0), None) => {
            format!("`exp({text})` is always positive")
        }
        _ => "bound what it is made of, for instance by `truncated`".to_string(),
    };
    Diagnostic::warning(
        "W0002",
        format!("{}, but `{text}` {}", condition.rule, leaves.how),
    )
    .at(condition.span, "the density is zero there")
    .help(help)
}

/// The numbers between which a condition keeps its value.
fn bounds(condition: &Condition) -> (Option<f64>, Option<f64>) {
    match &*condition.holds.0 {
        Node::Operation {
            operation: Operation::Less | Operation::LessEqual,
            arguments,
        } => (arguments[0].as_number(), arguments[1].as_number()),
        _ => (None, None),
    }
}

/// The terms that hold whatever the unknowns are.
fn unconditional<'a>(statements: &'a [Statement], terms: &mut Vec<&'a Term>) {
    for statement in statements {
        match statement {
            Statement::For { body, .. } => unconditional(body, terms),
            Statement::Random(random) => terms.push(&random.density),
            Statement::Term(term) => terms.push(term),
            // A condition may be there to keep the argument inside.
            Statement::If { .. } | Statement::Store { .. } | Statement::Dense { .. } => {}
        }
    }
}

struct Reach<'a> {
    loops: &'a Loops,
    ranges: &'a Ranges,
    /// The statements that draw each random variable.
    laws: HashMap<ArrayId, Vec<&'a Random>>,
    /// The values that are stored in each array.
    stores: HashMap<ArrayId, Vec<&'a Scalar>>,
}

impl<'a> Reach<'a> {
    fn definitions(&mut self, statements: &'a [Statement]) {
        for statement in statements {
            match statement {
                Statement::For { body, .. } => self.definitions(body),
                Statement::If {
                    then, otherwise, ..
                } => {
                    self.definitions(then);
                    self.definitions(otherwise);
                }
                Statement::Store { array, value, .. } => {
                    self.stores.entry(*array).or_default().push(value);
                }
                Statement::Random(random) => {
                    self.laws.entry(random.variable).or_default().push(random);
                    self.definitions(&random.density.statements);
                }
                Statement::Term(term) => self.definitions(&term.statements),
                Statement::Dense { .. } => {}
            }
        }
    }

    fn leaves(&self, condition: &Condition) -> Option<Leaves> {
        let (lower, upper) = bounds(condition);
        let reached = self.of(&condition.value, &mut Vec::new())?;
        let how = match (lower, upper) {
            (Some(0.0), None) if reached.low < 0.0 => "may be negative".to_string(),
            (Some(bound), None) if reached.low < bound => format!("may be less than {bound}"),
            (None, Some(bound)) if reached.high > bound => format!("may be more than {bound}"),
            _ => return None,
        };
        let is_bare = matches!(&*condition.value.0, Node::Element { array, .. }
            if matches!(self.loops.array(*array).kind, ArrayKind::Random(_)));
        Some(Leaves { how, is_bare })
    }

    /// A range of which the scalar comes as near to both ends as one likes; `used` are the arrays that it reads.
    fn of(&self, scalar: &Scalar, used: &mut Vec<ArrayId>) -> Option<Interval> {
        if let Some(number) = scalar.as_number() {
            return Some(Interval::closed(number, number));
        }
        match &*scalar.0 {
            Node::Element { array, .. } => self.array(*array, used),
            Node::Operation {
                operation,
                arguments,
            } => {
                use Operation::*;
                let first = self.of(arguments.first()?, used)?;
                match operation {
                    IntToReal => Some(first),
                    Negate => Some(first.negate()),
                    Divide => {
                        let divisor = arguments[1].as_number().filter(|v| *v != 0.0)?;
                        Some(first.multiply(Interval::closed(1.0 / divisor, 1.0 / divisor)))
                    }
                    Add => Some(first.add(self.of(&arguments[1], used)?)),
                    Subtract => Some(first.add(self.of(&arguments[1], used)?.negate())),
                    Multiply => Some(first.multiply(self.of(&arguments[1], used)?)),
                    _ => None,
                }
            }
            // The condition on an array is one on its least or largest element.
            Node::Reduce {
                reducer: Reducer::Minimum | Reducer::Maximum,
                body,
                ..
            } => self.of(body, used),
            _ => None,
        }
    }

    fn array(&self, array: ArrayId, used: &mut Vec<ArrayId>) -> Option<Interval> {
        if used.contains(&array) {
            return None;
        }
        let entry = self.loops.array(array);
        match &entry.kind {
            ArrayKind::Real(_) | ArrayKind::Int(_) => {
                // Two columns of data need not have their extremes in the same row.
                let is_long = |id: ArrayId| {
                    let other = self.loops.array(id);
                    other.length() > 1
                        && matches!(other.kind, ArrayKind::Real(_) | ArrayKind::Int(_))
                };
                if is_long(array) && used.iter().any(|id| is_long(*id)) {
                    return None;
                }
                used.push(array);
                let element = Scalar(Rc::new(Node::Element {
                    array,
                    indices: Vec::new(),
                    span: entry.span,
                }));
                let range = self.ranges.of(&self.loops.arrays, &element);
                (range.low.is_finite() && range.high.is_finite()).then_some(range)
            }
            ArrayKind::Random(_) => {
                used.push(array);
                let laws = self.laws.get(&array)?.iter();
                join(laws.map(|random| support(&random.support)))
            }
            ArrayKind::Let => {
                let before = used.clone();
                let stores = self.stores.get(&array)?.iter();
                join(stores.map(|value| {
                    let mut own = before.clone();
                    // It may be made of its own elements.
                    own.push(array);
                    let reached = self.of(value, &mut own);
                    own.retain(|id| *id != array);
                    used.extend(own);
                    reached
                }))
            }
            ArrayKind::Var | ArrayKind::Argument => None,
        }
    }
}

fn join(ranges: impl Iterator<Item = Option<Interval>>) -> Option<Interval> {
    ranges.reduce(|a, b| Some(a?.join(b?))).flatten()
}

/// The range of what is drawn, unless bounds that are not numbers decide it.
fn support(support: &Support) -> Option<Interval> {
    let end = |bound: &Option<Scalar>, open: f64| match bound {
        None => Some(open),
        Some(bound) => bound.as_number(),
    };
    match support {
        Support::Interval { lower, upper, .. }
        | Support::Ordered { lower, upper, .. }
        | Support::Array { lower, upper, .. } => Some(Interval::closed(
            end(lower, f64::NEG_INFINITY)?,
            end(upper, f64::INFINITY)?,
        )),
        Support::Structured {
            structure: Structure::Simplex,
            ..
        } => Some(Interval::closed(0.0, 1.0)),
        Support::Structured { .. } => None,
    }
}
