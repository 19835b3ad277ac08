//! Whether values have the structure that a type asks for. What data decide is checked here, once, and an error names the
//! vector or matrix; what unknowns decide becomes conditions of the density; what a variable is by its own law needs
//! no check. Matrices that unknowns decide have no conditions: where one is not positive definite its Cholesky factor is not
//! a number, and the density is zero.

use super::expand::{Expander, Outcome};
use super::fold::free_indices;
use super::loops::{Array, ArrayKind, Binder, Condition, Node, Place, Scalar, indices_of};
use super::pull::{Body, Pull, Value};
use super::subscripts::subscripts;
use crate::check::hir::{Element, Reducer};
use crate::math::primitive::Operation::{self, *};
use crate::math::structure::Structure;
use crate::source::{Diagnostic, Span};

/// How far from its value a sum that unknowns decide may be.
const TOLERANCE: f64 = 1e-8;

impl<'a> Expander<'a> {
    /// Adds what `value` must satisfy to have a structure; certain violations are errors.
    pub(super) fn structure_conditions(
        &mut self,
        structure: Structure,
        value: &Value,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let Value::Array(pull) = value else {
            return Ok(());
        };
        if pull.length() == 0 || pull.rank() < structure.rank() {
            return Ok(());
        }
        let place = match &pull.body {
            Body::Stored(place) => Some(place.clone()),
            Body::Lambda(placeholders, body) => {
                let own = |index| placeholders.contains(index);
                let known = self.is_data(body) && free_indices(body).iter().all(own);
                match known {
                    true => Some(self.place(pull, structure.name(), span)?),
                    false => None,
                }
            }
        };
        if let Some(place) = place {
            if self.has_structure(&place, structure) {
                return Ok(());
            }
            if let Some(data) = numbers(self.loops.array(place.array)) {
                return self.known_structure(structure, pull, &place, &data, what, span);
            }
        }
        self.unknown_structure(structure, pull, what, span, conditions)
    }

    /// Whether a variable's own law, or an earlier check, says so.
    fn has_structure(&self, place: &Place, wanted: Structure) -> bool {
        let known = self.structures.get(&place.array).copied();
        known == Some(wanted)
            || matches!(
                (known, wanted),
                (Some(Structure::PositiveOrdered), Structure::Ordered)
                    | (Some(Structure::Correlation), Structure::Covariance)
                    | (
                        Some(Structure::CholeskyCorrelation),
                        Structure::CholeskyCovariance
                    )
            )
    }

    /// Checks every vector or matrix of `pull` that the round of the loops around can mean.
    fn known_structure(
        &mut self,
        structure: Structure,
        pull: &Pull,
        place: &Place,
        data: &[f64],
        what: &str,
        span: Span,
    ) -> Outcome<()> {
        let leading = pull.rank() - structure.rank();
        let size = pull.shape[leading];
        let block = size.pow(structure.rank() as u32);
        let array = self.loops.array(place.array);
        let lead_shape: Vec<usize> = array.shape[..place.prefix.len() + leading].to_vec();
        let meant: Vec<(f64, f64)> = place
            .prefix
            .iter()
            .map(|index| self.range(index))
            .map(|range| (range.low, range.high))
            .chain(std::iter::repeat_n((1.0, f64::INFINITY), leading))
            .collect();
        for (flat, values) in data.chunks(block).enumerate() {
            let indices = subscripts(flat, &lead_shape);
            let outside = |(&index, &(low, high)): (&usize, &(f64, f64))| {
                (index as f64) < low || index as f64 > high
            };
            if indices.iter().zip(&meant).any(outside) {
                continue;
            }
            let Some(violation) = structure.violation(size, values) else {
                continue;
            };
            let shown: Vec<String> = indices.iter().map(usize::to_string).collect();
            let name = what.trim_matches('`');
            let element = match shown.is_empty() {
                true => what.to_string(),
                false if what == format!("`{name}`") => format!("`{name}[{}]`", shown.join(", ")),
                false => format!("element [{}] of {what}", shown.join(", ")),
            };
            let name = &self.loops.array(place.array).name;
            let mut diagnostic =
                Diagnostic::error("E0430", format!("{element} {violation}")).at(span, "");
            if let Some(origin) = self.bound.origin(name) {
                diagnostic = diagnostic.note(format!("`{name}` comes from {origin}"));
            }
            let name = structure.name();
            let article = match structure {
                Structure::Ordered => "an",
                _ => "a",
            };
            let help = format!("{article} `{name}` is {}", definition(structure));
            return Err(diagnostic.help(help).into());
        }
        if place.prefix.is_empty() {
            self.structures.insert(place.array, structure);
        }
        Ok(())
    }

    /// Conditions on what is known only when the program runs.
    fn unknown_structure(
        &mut self,
        structure: Structure,
        pull: &Pull,
        what: &str,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let vector = pull.rank() - 1;
        match structure {
            Structure::Simplex => {
                let zero = Some((Scalar::real(0.0), false));
                self.array_condition(pull, zero, None, what, span, conditions)?;
                let error = self.worst(pull, span, vector, |expander, at| {
                    let sum = expander.sum_along(pull, at, span, |x| x);
                    distance(sum, 1.0)
                })?;
                self.at_most(error, format!("{what} must sum to 1"), span, conditions)
            }
            Structure::SumToZero => {
                let error = self.worst(pull, span, vector, |expander, at| {
                    let sum = expander.sum_along(pull, at, span, |x| x);
                    let scale = expander.sum_along(pull, at, span, |x| unary(Absolute, x));
                    let scale = binary(Maximum, scale, Scalar::real(1.0));
                    binary(Divide, unary(Absolute, sum), scale)
                })?;
                self.at_most(error, format!("{what} must sum to 0"), span, conditions)
            }
            Structure::UnitVector => {
                let error = self.worst(pull, span, vector, |expander, at| {
                    let squares =
                        expander.sum_along(pull, at, span, |x| binary(Multiply, x.clone(), x));
                    distance(squares, 1.0)
                })?;
                self.at_most(
                    error,
                    format!("{what} must have length 1"),
                    span,
                    conditions,
                )
            }
            Structure::Ordered | Structure::PositiveOrdered => {
                if structure == Structure::PositiveOrdered {
                    let zero = Some((Scalar::real(0.0), true));
                    self.array_condition(pull, zero, None, what, span, conditions)?;
                }
                let size = pull.shape[vector];
                if size < 2 {
                    return Ok(());
                }
                let step = self.worst(pull, span, vector, |expander, at| {
                    let binder = expander.count_binder(size - 1);
                    let here = Scalar::index(binder.index);
                    let next = binary(IntAdd, here.clone(), Scalar::int(1));
                    let arrays = &expander.loops.arrays;
                    let along = |k: Scalar| pull.at(arrays, &[at, &[k]].concat(), span);
                    let fall = binary(Subtract, along(here), along(next));
                    reduced(Reducer::Maximum, vec![binder], fall)
                })?;
                let holds = binary(Less, step.clone(), Scalar::real(0.0));
                self.condition(
                    holds,
                    step,
                    format!("{what} must increase"),
                    span,
                    conditions,
                )
            }
            Structure::Correlation
            | Structure::CholeskyCorrelation
            | Structure::Covariance
            | Structure::CholeskyCovariance => Ok(()),
        }
    }

    /// The largest of a number that belongs to each index of the first `leading` positions.
    fn worst(
        &mut self,
        pull: &Pull,
        span: Span,
        leading: usize,
        number: impl FnOnce(&mut Self, &[Scalar]) -> Scalar,
    ) -> Outcome<Scalar> {
        let binders = self.count_binders(&pull.shape[..leading]);
        let at = indices_of(&binders);
        let number = number(self, &at);
        if binders.is_empty() {
            return self.folded(number, Element::Real);
        }
        self.reduce(Reducer::Maximum, binders, number, Element::Real, span)?
            .scalar()
    }

    fn sum_along(
        &mut self,
        pull: &Pull,
        at: &[Scalar],
        span: Span,
        term: impl Fn(Scalar) -> Scalar,
    ) -> Scalar {
        let binder = self.count_binder(*pull.shape.last().expect("an array"));
        let at = [at, &[Scalar::index(binder.index)]].concat();
        let element = pull.at(&self.loops.arrays, &at, span);
        reduced(Reducer::Sum, vec![binder], term(element))
    }

    fn at_most(
        &mut self,
        error: Scalar,
        rule: String,
        span: Span,
        conditions: &mut Vec<Condition>,
    ) -> Outcome<()> {
        let holds = binary(LessEqual, error.clone(), Scalar::real(TOLERANCE));
        self.condition(holds, error, rule, span, conditions)
    }
}

/// What a type means, for whoever has to mend data.
fn definition(structure: Structure) -> &'static str {
    match structure {
        Structure::Simplex => "a vector of probabilities",
        Structure::Ordered => "a vector in strictly increasing order",
        Structure::PositiveOrdered => "a vector of positive numbers in strictly increasing order",
        Structure::UnitVector => "a vector whose squares sum to 1",
        Structure::SumToZero => "a vector whose elements sum to 0",
        Structure::Correlation => {
            "a symmetric matrix with ones on its diagonal that has a Cholesky factor"
        }
        Structure::CholeskyCorrelation => "the lower Cholesky factor of a correlation matrix",
        Structure::Covariance => "a symmetric matrix that has a Cholesky factor",
        Structure::CholeskyCovariance => {
            "a lower triangular matrix whose diagonal is positive (`cholesky(S)` of a covariance S)"
        }
    }
}

/// The numbers of an array that data give.
fn numbers(array: &Array) -> Option<Vec<f64>> {
    match &array.kind {
        ArrayKind::Real(data) => Some(data.to_vec()),
        ArrayKind::Int(data) => Some(data.iter().map(|&value| value as f64).collect()),
        _ => None,
    }
}

fn unary(operation: Operation, a: Scalar) -> Scalar {
    Scalar::operation(operation, vec![a])
}

fn binary(operation: Operation, a: Scalar, b: Scalar) -> Scalar {
    Scalar::operation(operation, vec![a, b])
}

fn distance(value: Scalar, wanted: f64) -> Scalar {
    unary(Absolute, binary(Subtract, value, Scalar::real(wanted)))
}

fn reduced(reducer: Reducer, binders: Vec<Binder>, body: Scalar) -> Scalar {
    Scalar(std::rc::Rc::new(Node::Reduce {
        reducer,
        binders,
        body,
    }))
}
