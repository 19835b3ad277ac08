//! An interpreter for whatever depends on data alone: it runs once, when the data are bound, so that the compiled code
//! finds numbers where the model has expressions over covariates. Reductions remember their value for each setting of the
//! indices they depend on, so that centring the columns of a matrix inside a comprehension costs one pass, not N.

#![allow(missing_docs)] // Fields of variants are named for what they hold.

use std::collections::HashMap;
use std::rc::Rc;

use super::loops::{
    Array, ArrayId, ArrayKind, Binder, DenseKind, Equation, IndexId, Loops, Node, Place, Scalar,
    Statement, walk_statements,
};
use crate::check::hir::Reducer;
use crate::math::interpret::dense::evaluate;
use likelier_runtime::math::ode::Failure;

/// Values of the arrays that are being computed, and of the indices of the open loops.
pub struct Interpreter<'a> {
    loops: &'a Loops,
    arrays: &'a [Array],
    computed: HashMap<ArrayId, Vec<f64>>,
    indices: Vec<i64>,
    remembered: HashMap<(*const Node, Vec<i64>), f64>,
    free: HashMap<*const Node, Rc<[IndexId]>>,
    rounds: u64,
}

/// Rounds of loops that are run while the data are bound.
const MOST_ROUNDS: u64 = 10_000_000;

/// Why an expression over data has no value.
#[derive(Debug, Clone, PartialEq)]
pub enum FoldError {
    /// An index (1-based) outside an array; position, length of that position.
    OutOfRange {
        array: ArrayId,
        index: i64,
        length: usize,
        span: crate::source::Span,
    },
    /// A division of ints by zero, or a whole number beyond 2⁵³.
    NoInt,
    /// More rounds than anybody would wait for.
    TooLong,
    /// An element was read before any statement defined it.
    Undefined {
        array: ArrayId,
        span: crate::source::Span,
    },
    /// A differential equation without solution.
    Unsolved { equation: u32, failure: Failure },
}

impl<'a> Interpreter<'a> {
    /// An interpreter over what is known so far.
    pub fn new(loops: &'a Loops) -> Self {
        Self {
            loops,
            arrays: &loops.arrays,
            computed: HashMap::new(),
            indices: vec![0; loops.indices.len()],
            remembered: HashMap::new(),
            free: HashMap::new(),
            rounds: 0,
        }
    }

    /// What the statements computed for each array they store into; elements nobody stored are NaN.
    pub fn into_computed(self) -> HashMap<ArrayId, Vec<f64>> {
        self.computed
    }

    /// Runs the statements of an equation at a point; dy/dt goes to `derivative`.
    pub fn derivative(
        &mut self,
        equation: &Equation,
        point: &[f64],
        derivative: &mut [f64],
    ) -> Result<(), FoldError> {
        self.remembered.clear();
        self.rounds = 0;
        self.computed.clear();
        self.storage(equation.point).copy_from_slice(point);
        self.run(&equation.statements)?;
        derivative.copy_from_slice(self.storage(equation.derivative));
        Ok(())
    }

    /// Elements that follow one another.
    pub fn elements(&mut self, place: &Place, length: usize) -> Result<Vec<f64>, FoldError> {
        self.read(place, length)
    }

    /// Runs statements that only store and loop.
    pub fn run(&mut self, statements: &[Statement]) -> Result<(), FoldError> {
        for statement in statements {
            match statement {
                Statement::For { binder, body } => {
                    let (lower, upper) = self.range(binder)?;
                    self.count(lower, upper)?;
                    for i in lower..=upper {
                        self.indices[binder.index.0 as usize] = i;
                        self.run(body)?;
                    }
                }
                Statement::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    let holds = self.value(condition)? != 0.0;
                    self.run(if holds { then } else { otherwise })?;
                }
                Statement::Store {
                    array,
                    indices,
                    value,
                } => {
                    // Storing may change what a reduction over a `Var` sees.
                    if matches!(self.arrays[array.0 as usize].kind, ArrayKind::Var) {
                        self.remembered.clear();
                    }
                    let value = self.value(value)?;
                    let position = self.position(*array, indices, Default::default())?;
                    self.storage(*array)[position] = value;
                }
                Statement::Dense {
                    operation,
                    inputs,
                    output,
                } => self.dense(*operation, inputs, output)?,
                Statement::Random(_) | Statement::Term(_) => {}
            }
        }
        Ok(())
    }

    /// The value of a scalar; bools are 0 and 1.
    pub fn value(&mut self, scalar: &Scalar) -> Result<f64, FoldError> {
        Ok(match &*scalar.0 {
            Node::Real(v) => *v,
            Node::Int(v) => *v as f64,
            Node::Bool(v) => f64::from(*v),
            Node::Index(index) => self.indices[index.0 as usize] as f64,
            Node::Element {
                array,
                indices,
                span,
            } => {
                let position = self.position(*array, indices, *span)?;
                match &self.arrays[array.0 as usize].kind {
                    ArrayKind::Real(data) => data[position],
                    ArrayKind::Int(data) => data[position] as f64,
                    _ => match self.computed.get(array) {
                        Some(data) if !data[position].is_nan() => data[position],
                        Some(_) => {
                            return Err(FoldError::Undefined {
                                array: *array,
                                span: *span,
                            });
                        }
                        None => {
                            return Err(FoldError::Undefined {
                                array: *array,
                                span: *span,
                            });
                        }
                    },
                }
            }
            Node::Operation {
                operation,
                arguments,
            } => {
                let mut numbers = [0.0; 3];
                for (number, argument) in numbers.iter_mut().zip(arguments) {
                    *number = self.value(argument)?;
                }
                let numbers = &numbers[..arguments.len()];
                if !super::loops::has_value(*operation, numbers) {
                    return Err(FoldError::NoInt);
                }
                (operation.entry().evaluate)(numbers)
            }
            Node::If {
                condition,
                then,
                otherwise,
            } => {
                let holds = self.value(condition)? != 0.0;
                self.value(if holds { then } else { otherwise })?
            }
            Node::Reduce {
                reducer,
                binders,
                body,
            } => {
                let free = self.free_indices(scalar);
                let key: Vec<i64> = free
                    .iter()
                    .map(|index| self.indices[index.0 as usize])
                    .collect();
                let key = (Rc::as_ptr(&scalar.0), key);
                if let Some(&value) = self.remembered.get(&key) {
                    return Ok(value);
                }
                let mut values = Vec::new();
                self.gather(binders, body, &mut values)?;
                let value = reduce(*reducer, &values);
                self.remembered.insert(key, value);
                value
            }
            Node::Draw { .. } => f64::NAN,
        })
    }

    /// Every combination of the binders' values, innermost fastest.
    pub fn for_each(
        &mut self,
        binders: &[Binder],
        visit: &mut dyn FnMut(&mut Self) -> Result<(), FoldError>,
    ) -> Result<(), FoldError> {
        let Some((first, rest)) = binders.split_first() else {
            return visit(self);
        };
        let (lower, upper) = self.range(first)?;
        self.count(lower, upper)?;
        for i in lower..=upper {
            self.indices[first.index.0 as usize] = i;
            self.for_each(rest, visit)?;
        }
        Ok(())
    }

    /// Counts the rounds of a loop before its first, so that an endless one is refused at once.
    fn count(&mut self, lower: i64, upper: i64) -> Result<(), FoldError> {
        self.rounds = self.rounds.saturating_add(rounds(lower, upper));
        if self.rounds > MOST_ROUNDS {
            return Err(FoldError::TooLong);
        }
        Ok(())
    }

    /// The present value of a loop index.
    pub fn index(&self, index: IndexId) -> i64 {
        self.indices[index.0 as usize]
    }

    /// Sets a loop index.
    pub fn set_index(&mut self, index: IndexId, value: i64) {
        self.indices[index.0 as usize] = value;
    }

    fn gather(
        &mut self,
        binders: &[Binder],
        body: &Scalar,
        values: &mut Vec<f64>,
    ) -> Result<(), FoldError> {
        self.for_each(binders, &mut |interpreter| {
            let value = interpreter.value(body)?;
            values.push(value);
            Ok(())
        })
    }

    fn range(&mut self, binder: &Binder) -> Result<(i64, i64), FoldError> {
        Ok((
            self.value(&binder.lower)? as i64,
            self.value(&binder.upper)? as i64,
        ))
    }

    fn storage(&mut self, array: ArrayId) -> &mut Vec<f64> {
        let length = self.arrays[array.0 as usize].length();
        let storage = self.computed.entry(array).or_default();
        if storage.len() < length {
            storage.resize(length, f64::NAN);
        }
        storage
    }

    fn position(
        &mut self,
        array: ArrayId,
        indices: &[Scalar],
        span: crate::source::Span,
    ) -> Result<usize, FoldError> {
        let mut position = 0;
        for (axis, scalar) in indices.iter().enumerate() {
            let index = self.value(scalar)? as i64;
            let length = self.arrays[array.0 as usize]
                .shape
                .get(axis)
                .copied()
                .unwrap_or(0);
            if index < 1 || index as usize > length {
                return Err(FoldError::OutOfRange {
                    array,
                    index,
                    length,
                    span,
                });
            }
            position = position * length + (index as usize - 1);
        }
        Ok(position)
    }

    fn free_indices(&mut self, scalar: &Scalar) -> Rc<[IndexId]> {
        let key = Rc::as_ptr(&scalar.0);
        if let Some(free) = self.free.get(&key) {
            return free.clone();
        }
        let free: Rc<[IndexId]> = free_indices(scalar).into();
        self.free.insert(key, free.clone());
        free
    }

    fn read(&mut self, place: &Place, length: usize) -> Result<Vec<f64>, FoldError> {
        let whole = self.arrays[place.array.0 as usize].length();
        let start = self.position(place.array, &place.prefix, Default::default())? * length;
        let all: Vec<f64> = match &self.arrays[place.array.0 as usize].kind {
            ArrayKind::Real(data) => data.to_vec(),
            ArrayKind::Int(data) => data.iter().map(|&v| v as f64).collect(),
            _ => self
                .computed
                .get(&place.array)
                .cloned()
                .unwrap_or_else(|| vec![f64::NAN; whole]),
        };
        Ok(all[start..start + length].to_vec())
    }

    fn dense(
        &mut self,
        operation: DenseKind,
        inputs: &[Place],
        output: &Place,
    ) -> Result<(), FoldError> {
        let lengths = operation.input_lengths();
        let read: Vec<Vec<f64>> = inputs
            .iter()
            .zip(lengths)
            .map(|(place, length)| self.read(place, length))
            .collect::<Result<_, _>>()?;
        let result = match operation {
            DenseKind::Ode(ode) => super::ode::evaluate(self.loops, ode, &read)?,
            _ => evaluate_dense(operation, &read),
        };
        let start = self.position(output.array, &output.prefix, Default::default())? * result.len();
        self.storage(output.array)[start..start + result.len()].copy_from_slice(&result);
        Ok(())
    }
}

/// How many whole numbers lie from `lower` to `upper`, both included.
pub fn rounds(lower: i64, upper: i64) -> u64 {
    match lower <= upper {
        true => upper.abs_diff(lower).saturating_add(1),
        false => 0,
    }
}

impl DenseKind {
    /// Number of elements of each input.
    pub fn input_lengths(self) -> Vec<usize> {
        match self {
            DenseKind::Product {
                rows,
                inner,
                columns,
            } => vec![rows * inner, inner * columns],
            DenseKind::Cholesky { size } => vec![size * size],
            DenseKind::SolveLower { size, columns }
            | DenseKind::SolveLowerTransposed { size, columns } => {
                vec![size * size, size * columns]
            }
            DenseKind::MultiNormal { size } => vec![size, size * size],
            DenseKind::Packed(operation) => operation.lengths().0,
            DenseKind::Ode(ode) => vec![ode.point, ode.times],
        }
    }

    /// Number of elements of the output.
    pub fn output_length(self) -> usize {
        match self {
            DenseKind::Product { rows, columns, .. } => rows * columns,
            DenseKind::Cholesky { size } => size * size,
            DenseKind::SolveLower { size, columns }
            | DenseKind::SolveLowerTransposed { size, columns } => size * columns,
            DenseKind::MultiNormal { size } => 1 + size + size * size,
            DenseKind::Packed(operation) => operation.lengths().1.iter().sum(),
            DenseKind::Ode(ode) => (ode.times + 1) * ode.states,
        }
    }
}

/// The indices a scalar depends on, in rising order; those bound inside it are not among them.
pub fn free_indices(scalar: &Scalar) -> Vec<IndexId> {
    let mut bound = Vec::new();
    let mut seen = Vec::new();
    let mut visited = std::collections::HashSet::new();
    collect_indices(scalar, &mut seen, &mut bound, &mut visited);
    seen.retain(|index| !bound.contains(index));
    seen.sort();
    seen.dedup();
    seen
}

fn collect_indices(
    scalar: &Scalar,
    seen: &mut Vec<IndexId>,
    bound: &mut Vec<IndexId>,
    visited: &mut std::collections::HashSet<*const Node>,
) {
    if !visited.insert(Rc::as_ptr(&scalar.0)) {
        return;
    }
    if let Node::Index(index) = &*scalar.0 {
        seen.push(*index);
    }
    if let Node::Reduce { binders, .. } = &*scalar.0 {
        bound.extend(binders.iter().map(|binder| binder.index));
    }
    scalar.children(&mut |child| collect_indices(child, seen, bound, visited));
}

/// Whether every array that is read is known or among those the statements themselves compute, and nothing is random.
pub fn depends_on_data_alone(arrays: &[Array], statements: &[Statement]) -> bool {
    let mut computed = std::collections::HashSet::new();
    stored_arrays(statements, &mut computed);
    if !only_stores(statements) {
        return false;
    }
    let mut known = true;
    walk_statements(statements, &mut |scalar| {
        known = known && is_known(arrays, scalar, &computed)
    });
    let mut places = true;
    dense_inputs(statements, &mut |place| {
        places = places && is_known_array(arrays, place.array, &computed)
    });
    known && places
}

/// Whether a scalar depends on data (and loop indices) alone.
pub fn is_data_only(arrays: &[Array], scalar: &Scalar) -> bool {
    is_known(arrays, scalar, &Default::default())
}

fn is_known(
    arrays: &[Array],
    scalar: &Scalar,
    computed: &std::collections::HashSet<ArrayId>,
) -> bool {
    let mut visited = std::collections::HashSet::new();
    let mut stack = vec![scalar.clone()];
    while let Some(scalar) = stack.pop() {
        if !visited.insert(Rc::as_ptr(&scalar.0)) {
            continue;
        }
        match &*scalar.0 {
            Node::Element { array, .. } if !is_known_array(arrays, *array, computed) => {
                return false;
            }
            Node::Draw { .. } => return false,
            _ => scalar.children(&mut |child| stack.push(child.clone())),
        }
    }
    true
}

/// Whether an array is data, or among those that are `computed`.
pub fn is_known_array(
    arrays: &[Array],
    array: ArrayId,
    computed: &std::collections::HashSet<ArrayId>,
) -> bool {
    computed.contains(&array)
        || matches!(
            arrays[array.0 as usize].kind,
            ArrayKind::Real(_) | ArrayKind::Int(_)
        )
}

fn only_stores(statements: &[Statement]) -> bool {
    statements.iter().all(|statement| match statement {
        Statement::For { body, .. } => only_stores(body),
        Statement::If {
            then, otherwise, ..
        } => only_stores(then) && only_stores(otherwise),
        Statement::Store { .. } | Statement::Dense { .. } => true,
        Statement::Random(_) | Statement::Term(_) => false,
    })
}

/// The arrays that statements store into.
pub fn stored_arrays(statements: &[Statement], into: &mut std::collections::HashSet<ArrayId>) {
    for statement in statements {
        match statement {
            Statement::For { body, .. } => stored_arrays(body, into),
            Statement::If {
                then, otherwise, ..
            } => {
                stored_arrays(then, into);
                stored_arrays(otherwise, into);
            }
            Statement::Store { array, .. } => {
                into.insert(*array);
            }
            Statement::Dense { output, .. } => {
                into.insert(output.array);
            }
            Statement::Random(random) => {
                into.insert(random.variable);
                stored_arrays(&random.density.statements, into);
                if let Some(sample) = &random.sample {
                    stored_arrays(sample, into);
                }
            }
            Statement::Term(term) => stored_arrays(&term.statements, into),
        }
    }
}

/// Calls `visit` on the inputs of all dense algebra among the statements.
pub fn dense_inputs(statements: &[Statement], visit: &mut dyn FnMut(&Place)) {
    for statement in statements {
        match statement {
            Statement::For { body, .. } => dense_inputs(body, visit),
            Statement::If {
                then, otherwise, ..
            } => {
                dense_inputs(then, visit);
                dense_inputs(otherwise, visit);
            }
            Statement::Dense { inputs, .. } => inputs.iter().for_each(&mut *visit),
            Statement::Random(random) => {
                dense_inputs(&random.density.statements, visit);
                if let Some(sample) = &random.sample {
                    dense_inputs(sample, visit);
                }
            }
            Statement::Term(term) => dense_inputs(&term.statements, visit),
            Statement::Store { .. } => {}
        }
    }
}

fn reduce(reducer: Reducer, values: &[f64]) -> f64 {
    match reducer {
        Reducer::Sum => values.iter().sum(),
        Reducer::Product => values.iter().product(),
        Reducer::Maximum => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Reducer::Minimum => values.iter().copied().fold(f64::INFINITY, f64::min),
        Reducer::LogSumExp => likelier_runtime::math::special::logsumexp(values),
        Reducer::Mean => values.iter().sum::<f64>() / values.len() as f64,
    }
}

/// Dense algebra on known numbers.
pub fn evaluate_dense(operation: DenseKind, inputs: &[Vec<f64>]) -> Vec<f64> {
    let mut output = vec![0.0; operation.output_length()];
    match operation {
        DenseKind::Product {
            rows,
            inner,
            columns,
        } => {
            for i in 0..rows {
                for j in 0..columns {
                    output[i * columns + j] = (0..inner)
                        .map(|k| inputs[0][i * inner + k] * inputs[1][k * columns + j])
                        .sum();
                }
            }
        }
        DenseKind::Cholesky { size } => output = cholesky(&inputs[0], size),
        DenseKind::SolveLower { size, columns } => {
            output.copy_from_slice(&inputs[1]);
            for i in 0..size {
                for c in 0..columns {
                    let sum: f64 = (0..i)
                        .map(|k| inputs[0][i * size + k] * output[k * columns + c])
                        .sum();
                    output[i * columns + c] =
                        (output[i * columns + c] - sum) / inputs[0][i * size + i];
                }
            }
        }
        DenseKind::SolveLowerTransposed { size, columns } => {
            output.copy_from_slice(&inputs[1]);
            for i in (0..size).rev() {
                for c in 0..columns {
                    let sum: f64 = (i + 1..size)
                        .map(|k| inputs[0][k * size + i] * output[k * columns + c])
                        .sum();
                    output[i * columns + c] =
                        (output[i * columns + c] - sum) / inputs[0][i * size + i];
                }
            }
        }
        DenseKind::MultiNormal { size } => {
            let factor = cholesky(&inputs[1], size);
            let mut z = inputs[0].clone();
            let mut result = -0.5 * size as f64 * (2.0 * std::f64::consts::PI).ln();
            for i in 0..size {
                let sum: f64 = (0..i).map(|k| factor[i * size + k] * z[k]).sum();
                z[i] = (z[i] - sum) / factor[i * size + i];
                result -= 0.5 * z[i] * z[i] + factor[i * size + i].ln();
            }
            output[0] = result;
        }
        DenseKind::Packed(operation) => {
            let lengths = operation.lengths().1;
            let mut outputs: Vec<Vec<f64>> = lengths.iter().map(|&n| vec![0.0; n]).collect();
            evaluate(operation, inputs, &mut outputs);
            output = outputs.concat();
        }
        DenseKind::Ode(_) => unreachable!("solved where its equation is known"),
    }
    output
}

fn cholesky(matrix: &[f64], size: usize) -> Vec<f64> {
    let mut factor = vec![0.0; size * size];
    for i in 0..size {
        for j in 0..=i {
            let sum: f64 = (0..j)
                .map(|k| factor[i * size + k] * factor[j * size + k])
                .sum();
            let rest = matrix[i * size + j] - sum;
            factor[i * size + j] = if i == j {
                rest.sqrt()
            } else {
                rest / factor[j * size + j]
            };
        }
    }
    factor
}
