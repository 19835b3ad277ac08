//! Systems of equations, determinants and decompositions of whole matrices, sorting and sums over segments. For symmetric
//! positive definite matrices they are written with the Cholesky factor; the others are dense operations of their own whose
//! outputs stand in one array. A matrix of data that has no solution is an error; one that depends on unknowns gives NaN,
//! and so a log density of −∞.

use super::expand::{Expander, Outcome};
use super::expression::sizes;
use super::loops::{ArrayKind, Binder, DenseKind, Scalar};
use super::pull::{Body, Pull, Value};
use crate::check::hir::{self, Element, Reducer, Whole};
use crate::math::primitive::{Dense, Operation};
use crate::source::{Diagnostic, Span};

impl<'a> Expander<'a> {
    /// One of the functions of this file.
    pub fn algebra(
        &mut self,
        function: Whole,
        arguments: &'a [hir::Expression],
        span: Span,
    ) -> Outcome<Value> {
        match function {
            Whole::Solve | Whole::SolvePositive => {
                let matrix = self.square(&arguments[0])?;
                let right = self.pull(&arguments[1])?;
                self.same_rows(arguments, &matrix, &right)?;
                self.solution(function == Whole::SolvePositive, &matrix, right, span)
            }
            Whole::Inverse | Whole::InversePositive => {
                let matrix = self.square(&arguments[0])?;
                let identity = self.identity(matrix.shape[0], span)?;
                self.solution(function == Whole::InversePositive, &matrix, identity, span)
            }
            Whole::LogDeterminantPositive => {
                let matrix = self.square(&arguments[0])?;
                self.log_determinant_positive(&matrix, span)
            }
            Whole::LogDeterminant | Whole::Determinant => {
                let matrix = self.square(&arguments[0])?;
                self.determinant(function, &matrix, span)
            }
            Whole::Eigenvalues | Whole::Eigenvectors => {
                let matrix = self.square(&arguments[0])?;
                let size = matrix.shape[0];
                let all = self.packed(Dense::EigenSymmetric { size }, &[&matrix], span)?;
                match function {
                    Whole::Eigenvalues => self.part(&all, 0, &[size], span),
                    _ => self.part(&all, size, &[size, size], span),
                }
            }
            Whole::QrOrthogonal | Whole::QrTriangular => {
                let matrix = self.pull(&arguments[0])?;
                self.qr(function, &arguments[0], &matrix, span)
            }
            Whole::Sort => {
                let x = self.pull(&arguments[0])?;
                let size = x.shape[0];
                let all = self.packed(Dense::Sort { size }, &[&x], span)?;
                self.part(&all, 0, &[size], span)
            }
            Whole::SegmentSum => self.segment_sum(arguments, span),
            other => unreachable!("{other:?} is expanded elsewhere"),
        }
    }

    fn same_rows(
        &mut self,
        arguments: &'a [hir::Expression],
        matrix: &Pull,
        right: &Pull,
    ) -> Outcome<()> {
        if right.shape[0] == matrix.shape[0] {
            return Ok(());
        }
        let diagnostic = Diagnostic::error("E0419", "the sizes of this system differ")
            .at(arguments[0].span, sizes(&matrix.shape))
            .at(arguments[1].span, sizes(&right.shape));
        let diagnostic = self.origins_note(diagnostic, arguments);
        Err(diagnostic
            .help("the right-hand side has as many rows as the matrix")
            .into())
    }

    fn identity(&mut self, size: usize, span: Span) -> Outcome<Pull> {
        let value = self.over(&[size, size], Element::Real, span, |_, at| {
            let equal = Scalar::operation(Operation::IntEqual, at.to_vec());
            Ok(Scalar::choose(equal, Scalar::real(1.0), Scalar::real(0.0)))
        })?;
        Ok(array(value))
    }

    fn solution(
        &mut self,
        positive: bool,
        matrix: &Pull,
        right: Pull,
        span: Span,
    ) -> Outcome<Value> {
        let size = matrix.shape[0];
        let columns = if right.rank() == 2 { right.shape[1] } else { 1 };
        let shape = right.shape.clone();
        if !positive {
            let operation = Dense::Solve { size, columns };
            let all = self.packed(operation, &[matrix, &right], span)?;
            return self.part(&all, 0, &shape, span);
        }
        let factor = self.cholesky(matrix, span)?;
        let factor = self.place(&factor, "factor", span)?;
        let right = self.place(&right, "right", span)?;
        let operation = DenseKind::SolveLower { size, columns };
        let inputs = vec![factor.clone(), right];
        let half = array(self.dense(operation, inputs, shape.clone(), "solution", span)?);
        let half = self.place(&half, "solution", span)?;
        let operation = DenseKind::SolveLowerTransposed { size, columns };
        self.dense(operation, vec![factor, half], shape, "solution", span)
    }

    fn cholesky(&mut self, matrix: &Pull, span: Span) -> Outcome<Pull> {
        let size = matrix.shape[0];
        let input = self.place(matrix, "covariance", span)?;
        let operation = DenseKind::Cholesky { size };
        let value = self.dense(operation, vec![input], vec![size; 2], "cholesky", span)?;
        let factor = array(value);
        self.refuse_nan(&factor, span, "this matrix is not positive definite")?;
        Ok(factor)
    }

    /// 2 Σ log L_ii
    fn log_determinant_positive(&mut self, matrix: &Pull, span: Span) -> Outcome<Value> {
        let factor = self.cholesky(matrix, span)?;
        let binder = self.count_binder(matrix.shape[0]);
        let at = Scalar::index(binder.index);
        let entry = factor.at(&self.loops.arrays, &[at.clone(), at], span);
        let log = Scalar::operation(Operation::Logarithm, vec![entry]);
        let twice = Scalar::operation(Operation::Multiply, vec![Scalar::real(2.0), log]);
        self.reduce(Reducer::Sum, vec![binder], twice, Element::Real, span)
    }

    fn determinant(&mut self, function: Whole, matrix: &Pull, span: Span) -> Outcome<Value> {
        let size = matrix.shape[0];
        let logarithmic = function == Whole::LogDeterminant;
        if size == 0 {
            let value = if logarithmic { 0.0 } else { 1.0 };
            return Ok(Value::Scalar(Scalar::real(value)));
        }
        let all = self.packed(Dense::Determinant { size }, &[matrix], span)?;
        let log = all.at(&self.loops.arrays, &[Scalar::int(1)], span);
        if logarithmic {
            return Ok(Value::Scalar(log));
        }
        let sign = all.at(&self.loops.arrays, &[Scalar::int(2)], span);
        let size = Scalar::operation(Operation::Exponential, vec![log]);
        Ok(Value::Scalar(Scalar::operation(
            Operation::Multiply,
            vec![sign, size],
        )))
    }

    fn qr(
        &mut self,
        function: Whole,
        argument: &'a hir::Expression,
        matrix: &Pull,
        span: Span,
    ) -> Outcome<Value> {
        let (rows, columns) = (matrix.shape[0], matrix.shape[1]);
        if rows < columns {
            let diagnostic = Diagnostic::error(
                "E0418",
                "this matrix has fewer rows than columns, and no thin QR decomposition",
            )
            .at(argument.span, sizes(&matrix.shape));
            let diagnostic = self.origins_note(diagnostic, std::slice::from_ref(argument));
            return Err(diagnostic.help("decompose its transpose").into());
        }
        let all = self.packed(Dense::Qr { rows, columns }, &[matrix], span)?;
        match function {
            Whole::QrOrthogonal => self.part(&all, 0, &[rows, columns], span),
            _ => self.part(&all, rows * columns, &[columns, columns], span),
        }
    }

    /// An operation whose outputs stand one after the other in one array.
    fn packed(&mut self, operation: Dense, inputs: &[&Pull], span: Span) -> Outcome<Pull> {
        let mut places = Vec::new();
        for input in inputs {
            places.push(self.place(input, "matrix", span)?);
        }
        let kind = DenseKind::Packed(operation);
        let shape = vec![kind.output_length()];
        let all = array(self.dense(kind, places, shape, operation.name(), span)?);
        // A determinant may be zero.
        if !matches!(operation, Dense::Determinant { .. } | Dense::Sort { .. }) {
            self.refuse_nan(&all, span, "this matrix is singular")?;
        }
        Ok(all)
    }

    /// What data decide must have a solution.
    fn refuse_nan(&self, pull: &Pull, span: Span, message: &str) -> Outcome<()> {
        let Body::Stored(place) = &pull.body else {
            return Ok(());
        };
        match &self.loops.array(place.array).kind {
            ArrayKind::Real(values) if values.iter().any(|value| value.is_nan()) => {
                Err(Diagnostic::error("E0427", message)
                    .at(span, "")
                    .help("look for columns that repeat or add up to others in the data it is made of")
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// A matrix or vector from the elements of a packed array behind the first `before`.
    fn part(&mut self, all: &Pull, before: usize, shape: &[usize], span: Span) -> Outcome<Value> {
        self.over(shape, Element::Real, span, |expander, at| {
            let mut place = at[0].clone();
            for (length, index) in shape.iter().zip(at).skip(1) {
                let rows = Scalar::operation(Operation::IntSubtract, vec![place, Scalar::int(1)]);
                let ahead = Scalar::int(*length as i64);
                let offset = Scalar::operation(Operation::IntMultiply, vec![rows, ahead]);
                place = Scalar::operation(Operation::IntAdd, vec![offset, index.clone()]);
            }
            let place =
                Scalar::operation(Operation::IntAdd, vec![place, Scalar::int(before as i64)]);
            Ok(all.at(&expander.loops.arrays, &[place], span))
        })
    }

    /// Sums of the elements with the same group. The groups are data: rows are sorted by group when the data are bound, so
    /// that each sum runs over its own.
    fn segment_sum(&mut self, arguments: &'a [hir::Expression], span: Span) -> Outcome<Value> {
        let x = self.pull(&arguments[0])?;
        let groups = self.pull(&arguments[1])?;
        let count = self.size(&arguments[2])?;
        if x.shape != groups.shape {
            let diagnostic = Diagnostic::error("E0419", "each number needs its group")
                .at(arguments[0].span, sizes(&x.shape))
                .at(arguments[1].span, sizes(&groups.shape));
            let diagnostic = self.origins_note(diagnostic, arguments);
            return Err(diagnostic.help("give both the same length").into());
        }
        let mut members: Vec<Vec<i64>> = vec![Vec::new(); count];
        for i in 1..=x.shape[0] as i64 {
            let group = groups.at(&self.loops.arrays, &[Scalar::int(i)], span);
            let group = match self.constant(&group)? {
                Some(group) => group,
                None => {
                    return Err(Diagnostic::error("E0428", "groups must be known")
                        .at(arguments[1].span, "this depends on what is random")
                        .help("take them from the data")
                        .into());
                }
            };
            if !(group >= 1.0 && group <= count as f64) {
                return Err(Diagnostic::error(
                    "E0429",
                    format!("element {i} is in group {group}, outside 1..{count}"),
                )
                .at(arguments[1].span, "")
                .help("groups are counted from 1; the third argument is how many there are")
                .into());
            }
            members[group as usize - 1].push(i);
        }
        let mut ends = vec![0_i64];
        for group in &members {
            ends.push(ends[ends.len() - 1] + group.len() as i64);
        }
        let ends = self.known_ints("segment ends", ends, span);
        let order = self.known_ints("segments", members.concat(), span);
        self.over(&[count], Element::Real, span, |expander, at| {
            let arrays = &expander.loops.arrays;
            let one = Scalar::int(1);
            let next = Scalar::operation(Operation::IntAdd, vec![at[0].clone(), one.clone()]);
            let before = ends.at(arrays, &at[..1], span);
            let lower = Scalar::operation(Operation::IntAdd, vec![before, one]);
            let upper = ends.at(arrays, &[next], span);
            let index = expander.index("i", lower.clone(), upper.clone());
            let arrays = &expander.loops.arrays;
            let row = order.at(arrays, &[Scalar::index(index)], span);
            let element = x.at(arrays, &[row], span);
            let binder = Binder {
                index,
                lower,
                upper,
            };
            expander
                .reduce(Reducer::Sum, vec![binder], element, Element::Real, span)?
                .scalar()
        })
    }

    fn known_ints(&mut self, name: &str, values: Vec<i64>, span: Span) -> Pull {
        let shape = vec![values.len()];
        let place = self.local(0, name, &shape, span);
        self.loops.arrays[place.array.0 as usize].kind = ArrayKind::Int(values.into());
        Pull {
            element: Element::Int,
            shape,
            body: Body::Stored(place),
        }
    }
}

fn array(value: Value) -> Pull {
    match value {
        Value::Array(pull) => pull,
        Value::Scalar(_) => unreachable!("dense algebra gives arrays"),
    }
}
