//! Statements of the loops form as instructions of a graph. The same walk makes all four graphs of a program; what they
//! do with random variables differs and stands in `random`.

use std::collections::{HashMap, HashSet};

use super::Layout;
use super::live::{self, live, statements_read};
use crate::data::fold::stored_arrays;
use crate::data::interval::Ranges;
use crate::data::loops::{
    ArrayId, ArrayKind, Binder, IndexId, Loops, Node, Scalar, Statement, Term,
};
use crate::math::builder::Builder;
use crate::math::graph::{BufferId, BufferKind, Graph, Part, Type, Value};
use crate::math::primitive::Operation;
use crate::math::verify;
use crate::source::Diagnostic;

/// What a graph is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Position → parts of the log density.
    Density,
    /// Random numbers → a position drawn from the prior.
    Start,
    /// Position and random numbers → what is kept of a draw.
    Outputs,
    /// Constrained values → position.
    Unconstrain,
    /// Constrained values and random numbers → what is simulated from them.
    Predict,
    /// Random numbers → what the prior simulates, and the log potential of each constraint there.
    Simulate,
    /// Constrained values → the log density of each observed value.
    Pointwise,
    /// Position → the log density of each observed value.
    Rows,
    /// Constrained values → how far each constraint is from holding.
    Constraints,
}

impl Mode {
    /// Whether the unknowns are given by their constrained values.
    pub(crate) fn has_given(self) -> bool {
        self.runs_forward() || self == Mode::Unconstrain
    }

    /// Whether it begins at a position.
    pub(super) fn has_position(self) -> bool {
        matches!(self, Mode::Density | Mode::Outputs | Mode::Rows)
    }

    /// Whether the log density of each observed value is written by itself.
    pub(super) fn is_pointwise(self) -> bool {
        matches!(self, Mode::Pointwise | Mode::Rows)
    }

    /// Whether constrained values are all that it needs.
    pub(crate) fn runs_forward(self) -> bool {
        use Mode::*;
        matches!(self, Predict | Simulate | Pointwise | Constraints)
    }
}

/// Loops with constant bounds and at most so many rounds are written out when they stand inside another loop.
pub(super) const UNROLLED: i64 = 8;

/// In a nest of such loops, so many rounds are written out in all; further loops inside stay loops.
const WRITTEN: i64 = 64;

/// The result of lowering.
pub(crate) type Lowered<T> = Result<T, Diagnostic>;

/// A graph while it is written.
pub(crate) struct Lowerer<'a> {
    pub(crate) loops: &'a Loops,
    pub(super) ranges: &'a Ranges,
    pub(super) layout: &'a Layout,
    pub(super) mode: Mode,
    pub(crate) builder: Builder,
    pub(super) position: Option<BufferId>,
    pub(super) given: Option<BufferId>,
    pub(crate) output: Option<BufferId>,
    pub(super) indices: HashMap<IndexId, Value>,
    pub(super) scopes: Vec<Scope>,
    pub(super) volatile: HashMap<*const Node, bool>,
    live: HashSet<ArrayId>,
    pub(super) storage: HashMap<ArrayId, (BufferId, usize)>,
    pub(super) loop_depth: usize,
    /// How often the code that is being written stands in the nest around it.
    pub(super) copies: i64,
    /// The part whose weight is known not to be zero here.
    guarded: Option<Part>,
    /// Arrays that the open outermost loop stores into.
    pub(super) filling: HashSet<ArrayId>,
    /// Statement numbers of descriptions.
    described: HashMap<u32, u32>,
    /// What is known of the constraints so far, where that is what the graph is for.
    pub(super) sums: Option<BufferId>,
    /// Where the draws of each observation begin among all of them.
    pub(super) observation_offsets: Vec<usize>,
    /// The weights of observed values, where these have weights of their own.
    pub(super) row_weights: Option<BufferId>,
    /// The numbers in the graph of the equations lowered so far.
    pub(super) equations: HashMap<u32, u32>,
}

/// What is known in one open block of the graph.
#[derive(Default)]
pub(super) struct Scope {
    /// Arrays of rank 0.
    pub values: HashMap<ArrayId, Value>,
    /// Scalars computed before.
    pub memo: HashMap<*const Node, Value>,
    /// Elements stored, by their flat index.
    pub stored: HashSet<(ArrayId, Value)>,
}

impl<'a> Lowerer<'a> {
    pub(crate) fn new(
        loops: &'a Loops,
        ranges: &'a Ranges,
        layout: &'a Layout,
        mode: Mode,
    ) -> Self {
        let mut builder = Builder::new();
        let (dimension, constraints) = match mode.runs_forward() {
            true => (0, 0),
            false => (layout.dimension, loops.constraints.len()),
        };
        builder.set_sizes(dimension, constraints);
        let position = mode
            .has_position()
            .then(|| builder.buffer("position", layout.dimension, BufferKind::Position));
        let given = mode
            .has_given()
            .then(|| builder.buffer("given", layout.given_length, BufferKind::Given));
        Lowerer {
            loops,
            ranges,
            layout,
            mode,
            builder,
            position,
            given,
            output: None,
            indices: HashMap::new(),
            scopes: vec![Scope::default()],
            volatile: HashMap::new(),
            live: live(loops, mode),
            storage: HashMap::new(),
            loop_depth: 0,
            copies: 1,
            guarded: None,
            filling: HashSet::new(),
            described: HashMap::new(),
            sums: None,
            observation_offsets: Vec::new(),
            row_weights: None,
            equations: HashMap::new(),
        }
    }

    /// Writes the whole graph.
    pub(crate) fn run(mut self, name: &str) -> Lowered<Graph> {
        if matches!(self.mode, Mode::Start | Mode::Unconstrain) {
            self.output = Some(self.builder.buffer(
                "output",
                self.layout.dimension,
                BufferKind::Output,
            ));
        }
        self.program()?;
        Ok(self.finish(name))
    }

    /// The finished graph.
    pub(crate) fn finish(self, name: &str) -> Graph {
        let graph = self.builder.finish();
        verify::check(&graph, name);
        graph
    }

    /// Declares an output with a place for each draw that is observed.
    pub(crate) fn declare_pointwise(&mut self) {
        let length = self.count_observations();
        self.declare_output(length);
    }

    /// Declares a weight for each draw that is observed.
    pub(super) fn declare_row_weights(&mut self) {
        let length = self.count_observations();
        let kind = BufferKind::Given;
        self.row_weights = Some(self.builder.buffer("row weights", length, kind));
    }

    fn count_observations(&mut self) -> usize {
        let mut length = 0;
        for observation in &self.loops.observations {
            self.observation_offsets.push(length);
            length += observation.shape.iter().product::<usize>();
        }
        length
    }

    /// Declares the output of a given length.
    pub(crate) fn declare_output(&mut self, length: usize) {
        self.output = Some(self.builder.buffer("output", length, BufferKind::Output));
    }

    /// All statements.
    pub(crate) fn program(&mut self) -> Lowered<()> {
        let statements = live::statements_of(self.loops, self.mode);
        for (position, statement) in statements.iter().enumerate() {
            if !self.is_live(statement) {
                continue;
            }
            match self.sole_part(position) {
                Some(part) => self.weighted(part, |lowerer| lowerer.statement(statement))?,
                None => self.statement(statement)?,
            }
        }
        Ok(())
    }

    fn is_live(&self, statement: &Statement) -> bool {
        live::is_live(statement, self.loops, self.mode, &self.live)
    }

    /// The part that a loop of the outermost level serves alone, if that has a weight: it adds terms to that part only, and
    /// what it stores nobody else reads.
    fn sole_part(&self, position: usize) -> Option<Part> {
        let statements = &self.loops.statements;
        if self.mode != Mode::Density || !matches!(statements[position], Statement::For { .. }) {
            return None;
        }
        let (mut parts, mut stored) = (HashSet::new(), HashSet::new());
        parts_of(
            std::slice::from_ref(&statements[position]),
            &mut parts,
            &mut stored,
        );
        let mut parts = parts.into_iter();
        let (Some(part @ (Part::Soft(_) | Part::Likelihood)), None) = (parts.next(), parts.next())
        else {
            return None;
        };
        let mut read = HashSet::new();
        for (other, statement) in statements.iter().enumerate() {
            if other != position && self.is_live(statement) {
                statements_read(std::slice::from_ref(statement), &mut read);
            }
        }
        stored.is_disjoint(&read).then_some(part)
    }

    /// Runs `body` only if a part has any weight.
    fn weighted(&mut self, part: Part, body: impl FnOnce(&mut Self) -> Lowered<()>) -> Lowered<()> {
        if self.guarded == Some(part) {
            return body(self);
        }
        let weight = self.builder.weight(part);
        let zero = self.builder.real(0.0);
        let none = self.builder.scalar(Operation::Equal, &[weight, zero]);
        let some = self.builder.scalar(Operation::Not, &[none]);
        let outer = self.guarded.replace(part);
        self.builder.begin_if(some);
        self.scopes.push(Scope::default());
        let result = body(self);
        self.scopes.pop();
        self.builder.end();
        self.guarded = outer;
        result
    }

    pub(super) fn statements(&mut self, statements: &[Statement]) -> Lowered<()> {
        for statement in statements {
            if self.is_live(statement) {
                self.statement(statement)?;
            }
        }
        Ok(())
    }

    /// Statements that are needed whatever they store.
    pub(super) fn all_statements(&mut self, statements: &[Statement]) -> Lowered<()> {
        statements
            .iter()
            .try_for_each(|statement| self.any_statement(statement, true))
    }

    fn statement(&mut self, statement: &Statement) -> Lowered<()> {
        self.any_statement(statement, false)
    }

    fn inner(&mut self, statements: &[Statement], all: bool) -> Lowered<()> {
        if all {
            self.all_statements(statements)
        } else {
            self.statements(statements)
        }
    }

    fn any_statement(&mut self, statement: &Statement, all: bool) -> Lowered<()> {
        match statement {
            Statement::For { binder, body } => {
                let outermost = self.filling.is_empty();
                if outermost {
                    stored_arrays(body, &mut self.filling);
                }
                let result = self.rounds(binder, false, &mut |lowerer| lowerer.inner(body, all));
                if outermost {
                    self.filling.clear();
                }
                result
            }
            Statement::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.bool(condition)?;
                match self.builder.as_bool(condition) {
                    Some(true) => self.inner(then, all),
                    Some(false) => self.inner(otherwise, all),
                    None => {
                        self.builder.begin_if(condition);
                        self.scoped(|lowerer| lowerer.inner(then, all))?;
                        self.builder.begin_else();
                        self.scoped(|lowerer| lowerer.inner(otherwise, all))?;
                        self.builder.end();
                        Ok(())
                    }
                }
            }
            Statement::Store {
                array,
                indices,
                value,
            } => {
                // A whole number or a truth that is not kept in memory stays what it is.
                let value = if self.is_plain_value(*array) {
                    self.value(value)?
                } else {
                    self.real(value)?
                };
                self.store(*array, indices, value)
            }
            Statement::Dense {
                operation,
                inputs,
                output,
            } => self.dense(*operation, inputs, output),
            Statement::Random(random) => self.random(random),
            Statement::Term(term) => match self.mode {
                mode if mode.is_pointwise() => self.pointwise(term),
                Mode::Simulate | Mode::Constraints => self.constraint(term),
                _ => self.term(term, term.part),
            },
        }
    }

    fn is_plain_value(&self, array: ArrayId) -> bool {
        let declared = self.loops.array(array);
        declared.shape.is_empty() && matches!(declared.kind, ArrayKind::Let)
    }

    /// Runs `body` in an inner scope.
    pub(super) fn scoped<T>(&mut self, body: impl FnOnce(&mut Self) -> Lowered<T>) -> Lowered<T> {
        self.scopes.push(Scope::default());
        let result = body(self);
        self.scopes.pop();
        result
    }

    /// Number of rounds, if both bounds are known here.
    pub(super) fn known_rounds(&mut self, binder: &Binder) -> Lowered<Option<(i64, i64)>> {
        let (lower, upper) = (self.int(&binder.lower)?, self.int(&binder.upper)?);
        Ok(self.builder.as_int(lower).zip(self.builder.as_int(upper)))
    }

    /// Runs `body` for every value of an index.
    pub(super) fn rounds(
        &mut self,
        binder: &Binder,
        unroll: bool,
        body: &mut dyn FnMut(&mut Self) -> Lowered<()>,
    ) -> Lowered<()> {
        let outer = self.indices.get(&binder.index).copied();
        if let Some((lower, upper)) = self.known_rounds(binder)? {
            let count = upper.saturating_sub(lower).saturating_add(1);
            if count <= 0 {
                return Ok(());
            }
            let is_short = self.is_short(count) && (unroll || self.loop_depth > 0);
            if count == 1 || is_short {
                self.copies *= count;
                for i in lower..=upper {
                    let index = self.builder.int(i);
                    self.indices.insert(binder.index, index);
                    self.scoped(&mut *body)?;
                }
                self.copies /= count;
                self.restore(binder.index, outer);
                return Ok(());
            }
        }
        let (lower, upper) = (self.int(&binder.lower)?, self.int(&binder.upper)?);
        let span = Scalar::operation(
            Operation::IntSubtract,
            vec![binder.upper.clone(), binder.lower.clone()],
        );
        let most = self.ranges.of(&self.loops.arrays, &span).high;
        let most = match self.known_rounds(binder)? {
            Some((lower, upper)) => (upper - lower) as f64,
            None => most,
        };
        let count = if most.is_finite() {
            (most + 1.0).max(0.0) as usize
        } else {
            return Err(unbounded());
        };
        let index = self.builder.begin_loop(lower, upper, count, false);
        self.indices.insert(binder.index, index);
        self.loop_depth += 1;
        let result = self.scoped(body);
        self.loop_depth -= 1;
        self.builder.end();
        self.restore(binder.index, outer);
        result
    }

    /// Whether so many rounds are written out here.
    pub(super) fn is_short(&self, count: i64) -> bool {
        count <= UNROLLED && self.copies * count <= WRITTEN
    }

    fn restore(&mut self, index: IndexId, outer: Option<Value>) {
        match outer {
            Some(value) => self.indices.insert(index, value),
            None => self.indices.remove(&index),
        };
    }

    /// Adds a term to a part; −∞ where one of its conditions fails.
    pub(super) fn term(&mut self, term: &Term, part: Part) -> Lowered<()> {
        match part {
            Part::Prior | Part::Jacobian => self.plain_term(term, part),
            _ => self.weighted(part, |lowerer| {
                match (lowerer.row_weights, &term.observation) {
                    (Some(_), Some(_)) => lowerer.weighted_row(term, part),
                    _ => lowerer.plain_term(term, part),
                }
            }),
        }
    }

    fn plain_term(&mut self, term: &Term, part: Part) -> Lowered<()> {
        self.scaled_term(term, part, None)
    }

    /// As a plain term, but multiplied by a positive number.
    pub(super) fn scaled_term(
        &mut self,
        term: &Term,
        part: Part,
        factor: Option<Value>,
    ) -> Lowered<()> {
        self.all_statements(&term.statements)?;
        let statement = self.described(term.description);
        let mut condition = self.builder.bool(true);
        for one in &term.domain {
            let holds = self.bool(&one.holds)?;
            condition = self.builder.scalar(Operation::And, &[condition, holds]);
        }
        if self.builder.as_bool(condition) == Some(true) {
            let value = self.scaled(&term.value, factor)?;
            self.builder.add_part(part, value, statement);
            return Ok(());
        }
        self.builder.begin_if(condition);
        self.scoped(|lowerer| {
            let value = lowerer.scaled(&term.value, factor)?;
            lowerer.builder.add_part(part, value, statement);
            Ok(())
        })?;
        self.builder.begin_else();
        let impossible = self.builder.real(f64::NEG_INFINITY);
        self.builder.add_part(part, impossible, statement);
        self.builder.end();
        Ok(())
    }

    fn scaled(&mut self, value: &Scalar, factor: Option<Value>) -> Lowered<Value> {
        let value = self.real(value)?;
        Ok(match factor {
            Some(factor) => self.builder.scalar(Operation::Multiply, &[factor, value]),
            None => value,
        })
    }

    /// The statement number of a description.
    pub(super) fn described(&mut self, description: u32) -> u32 {
        if let Some(&known) = self.described.get(&description) {
            return known;
        }
        let text = self.loops.descriptions[description as usize].clone();
        let statement = self.builder.statement(text);
        self.described.insert(description, statement);
        statement
    }

    /// Whether values of this type can be stored.
    pub(super) fn is_real(&self, value: Value) -> bool {
        self.builder.graph().type_of(value) == Type::Real
    }
}

/// The parts that statements add to, and what they store.
fn parts_of(statements: &[Statement], parts: &mut HashSet<Part>, stored: &mut HashSet<ArrayId>) {
    for statement in statements {
        match statement {
            Statement::For { body, .. } => parts_of(body, parts, stored),
            Statement::If {
                then, otherwise, ..
            } => {
                parts_of(then, parts, stored);
                parts_of(otherwise, parts, stored);
            }
            Statement::Store { array, .. } => {
                stored.insert(*array);
            }
            Statement::Dense { output, .. } => {
                stored.insert(output.array);
            }
            Statement::Random(random) => {
                parts.insert(match random.observed {
                    true => Part::Likelihood,
                    false => Part::Prior,
                });
            }
            Statement::Term(term) => {
                parts.insert(term.part);
            }
        }
    }
}

fn unbounded() -> Diagnostic {
    Diagnostic::error(
        "E0461",
        "the number of rounds of a loop cannot be told from the data",
    )
    .help("let the ends of the range depend on data and loop indices only")
}
