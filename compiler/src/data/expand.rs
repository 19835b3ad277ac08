//! From the typed program and its data to loops: functions and laws are inlined, array expressions become loops over
//! scalars, sizes become numbers. What depends on data alone is computed at once.
//!
//! The expander writes statements into the innermost open block. A computation that needs a statement of its own (a sum, a
//! product of matrices, a stored array) goes to the *outermost* open block in which everything it reads exists, so that no
//! loop repeats work that does not depend on it; see [`Expander::level_of`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::bind::Bound;
use super::coordinates::Numbers;
use super::dataset::Dataset;
use super::fold::{FoldError, Interpreter, depends_on_data_alone, free_indices, is_data_only};
use super::interval::{Interval, Ranges};
use super::loops::{
    Array, ArrayId, ArrayKind, Binder, IndexId, Loops, Node, Place, Scalar, Statement,
};
use super::pull::Value;
use crate::Coordinates;
use crate::check::hir::{self, Element, Hir, VariableId};
use crate::math::structure::Structure;
use crate::source::{Diagnostic, Sources, Span};

/// The most elements of an array.
pub(super) const LARGEST_ARRAY: i64 = 100_000_000;

/// The name of indices that the text does not name.
pub const UNNAMED: &str = "_";

/// Rounds of loops in words: `t = 3, element 2`.
pub fn rounds_text(rounds: &[(String, i64)]) -> String {
    let one = |(name, value): &(String, i64)| match name.as_str() {
        UNNAMED => format!("element {value}"),
        name => format!("{name} = {value}"),
    };
    rounds.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Why an expansion stopped: something to say, or the consequence of something already said.
pub enum Failure {
    /// To be shown.
    Said(Box<Diagnostic>),
    /// Follows from an error that was reported.
    Silent,
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Failure::Said(Box::new(diagnostic))
    }
}

/// The result of an expansion.
pub type Outcome<T> = Result<T, Failure>;

/// What a name stands for at the moment.
#[derive(Clone)]
pub enum Binding {
    /// A value.
    Value(Value),
    /// Its definition had an error.
    Poisoned,
}

/// The names of the model, of a function or of a distribution while its body is expanded.
pub struct Frame<'a> {
    /// The table of names.
    pub variables: &'a [hir::Variable],
    /// What they stand for.
    pub bindings: Vec<Option<Binding>>,
    /// `var`s that live in storage because a loop or branch assigns them.
    pub stored_vars: HashMap<VariableId, ArrayId>,
    /// How often the body reads each name.
    pub uses: Vec<usize>,
}

impl<'a> Frame<'a> {
    /// A frame without bindings.
    pub fn new(variables: &'a [hir::Variable]) -> Self {
        Frame {
            variables,
            bindings: vec![None; variables.len()],
            stored_vars: HashMap::new(),
            uses: vec![2; variables.len()],
        }
    }

    /// Says what a name stands for.
    pub fn bind(&mut self, variable: VariableId, value: Value) {
        self.bindings[variable.0 as usize] = Some(Binding::Value(value));
    }
}

/// What sort of block is open.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockKind {
    /// The program, or a stretch of it that may turn out to depend on data alone.
    Straight,
    /// A loop, or an array expression over placeholders.
    Over(Vec<IndexId>),
    /// Nothing may leave it: a branch, or a sampler.
    Closed,
}

/// An open block.
pub struct Block {
    /// What sort.
    pub kind: BlockKind,
    /// What it holds so far.
    pub statements: Vec<Statement>,
    /// Arrays of outer blocks whose elements are defined or overwritten inside.
    pub defines: HashSet<ArrayId>,
    /// Its number among all that were ever opened.
    pub(super) serial: u32,
}

/// The expander's state.
pub struct Expander<'a> {
    /// The program.
    pub hir: &'a Hir,
    /// Its text.
    pub sources: &'a Sources,
    /// What the data say of its names.
    pub bound: &'a Bound,
    /// The data.
    pub dataset: &'a Dataset,
    /// The result.
    pub loops: Loops,
    /// What is known of ranges.
    pub ranges: Ranges,
    /// Open items; the last is the current one.
    pub frames: Vec<Frame<'a>>,
    /// Open blocks; the last is the innermost.
    pub blocks: Vec<Block>,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// Number of categories of factors.
    pub levels: HashMap<ArrayId, usize>,
    /// The numbers of labels that stand as indices, by their places.
    pub labels: Numbers,
    /// Names of model variables that have a statement of their own in the loops.
    pub arrays_of: HashMap<VariableId, ArrayId>,
    /// Variables whose elements differ in role.
    pub splits: HashMap<VariableId, super::missing::Split>,
    /// Whether the roles of missing elements are still being found out.
    pub is_probing: bool,
    /// Which coordinates the unknowns have.
    pub coordinates: Coordinates,
    /// The element that is being drawn or observed, and the shape it is an element of: for bounds given by element.
    pub element: (Vec<Scalar>, Vec<usize>),
    /// Arrays whose last index positions are known to have a structure.
    pub structures: HashMap<ArrayId, Structure>,
    /// The block that each array exists in.
    pub(super) homes: Vec<usize>,
    /// Where the elements of an expression were stored before: the expression, its place, and the block that holds it.
    pub(super) stored: HashMap<*const Node, (Scalar, Place, usize, u32)>,
    serial: u32,
    /// Definitions of elements seen so far, and what is known of their range.
    pub definitions: HashMap<ArrayId, (usize, Option<Interval>)>,
    /// What the function that returned last gave besides its first value.
    pub returned: Vec<Value>,
    /// Depth of inlined calls.
    pub calls: usize,
    /// Number of expansions of function and law bodies so far.
    pub inlined: usize,
    /// Whether the right-hand side of a differential equation is being expanded.
    pub in_equation: bool,
}

impl<'a> Expander<'a> {
    /// An expander for the model of `hir`.
    pub fn new(hir: &'a Hir, sources: &'a Sources, bound: &'a Bound, dataset: &'a Dataset) -> Self {
        let root = Block {
            kind: BlockKind::Straight,
            statements: Vec::new(),
            defines: HashSet::new(),
            serial: 0,
        };
        Expander {
            hir,
            sources,
            bound,
            dataset,
            loops: Loops::default(),
            ranges: Ranges::default(),
            frames: vec![Frame::new(&hir.variables)],
            blocks: vec![root],
            diagnostics: Vec::new(),
            levels: HashMap::new(),
            labels: Numbers::new(),
            arrays_of: HashMap::new(),
            splits: HashMap::new(),
            is_probing: false,
            coordinates: Coordinates::Natural,
            element: (Vec::new(), Vec::new()),
            structures: HashMap::new(),
            homes: Vec::new(),
            stored: HashMap::new(),
            serial: 0,
            definitions: HashMap::new(),
            returned: Vec::new(),
            calls: 0,
            inlined: 0,
            in_equation: false,
        }
    }

    /// The current item's names.
    pub fn frame(&mut self) -> &mut Frame<'a> {
        self.frames.last_mut().expect("the model's frame")
    }

    /// Whether the current item is the model.
    pub fn in_model(&self) -> bool {
        self.frames.len() == 1
    }

    /// Declares an array whose statements will stand in the innermost block of `level`.
    pub fn array_at(
        &mut self,
        level: usize,
        name: impl Into<String>,
        shape: Vec<usize>,
        kind: ArrayKind,
        span: Span,
    ) -> ArrayId {
        self.loops.arrays.push(Array {
            name: name.into(),
            shape,
            kind,
            span,
        });
        self.homes.push(level);
        ArrayId(self.loops.arrays.len() as u32 - 1)
    }

    /// An array that nobody could hold is an error before it is made.
    pub fn check_size(&self, lengths: impl Iterator<Item = i64>, span: Span) -> Outcome<()> {
        let mut total: i64 = 1;
        for length in lengths {
            total = total.saturating_mul(length.max(0));
        }
        if total > LARGEST_ARRAY {
            return Err(Diagnostic::error(
                "E0468",
                format!("this array would have {total} elements"),
            )
            .at(span, "")
            .help("look at the sizes; arrays have at most 100 million elements")
            .into());
        }
        Ok(())
    }

    /// Storage for what the innermost block of `level` computes: a copy for each round of the loops up to there, because an
    /// element of a `Let` is stored once.
    pub fn local(&mut self, level: usize, name: &str, shape: &[usize], span: Span) -> Place {
        let mut prefix = Vec::new();
        let mut whole = Vec::new();
        for block in &self.blocks[..=level] {
            let BlockKind::Over(indices) = &block.kind else {
                continue;
            };
            for index in indices {
                let range = self.ranges.of_index(&self.loops.arrays, *index);
                if range.low >= 1.0 && range.high.is_finite() {
                    prefix.push(Scalar::index(*index));
                    whole.push(range.high as usize);
                }
            }
        }
        whole.extend(shape);
        let array = self.array_at(level, name, whole, ArrayKind::Let, span);
        Place { array, prefix }
    }

    /// Declares an array of the program's outermost block.
    pub fn array(
        &mut self,
        name: impl Into<String>,
        shape: Vec<usize>,
        kind: ArrayKind,
        span: Span,
    ) -> ArrayId {
        self.array_at(0, name, shape, kind, span)
    }

    /// A new index with its range.
    pub fn index(&mut self, name: impl Into<String>, lower: Scalar, upper: Scalar) -> IndexId {
        self.loops.indices.push(name.into());
        self.ranges.indices.push(Some((lower, upper)));
        IndexId(self.loops.indices.len() as u32 - 1)
    }

    /// A binder over 1..length.
    pub fn count_binder(&mut self, length: usize) -> Binder {
        let (lower, upper) = (Scalar::int(1), Scalar::int(length as i64));
        let index = self.index(UNNAMED, lower.clone(), upper.clone());
        Binder {
            index,
            lower,
            upper,
        }
    }

    /// Binders over all elements of a shape.
    pub fn count_binders(&mut self, shape: &[usize]) -> Vec<Binder> {
        shape
            .iter()
            .map(|&length| self.count_binder(length))
            .collect()
    }

    /// Opens a block.
    pub fn open(&mut self, kind: BlockKind) {
        self.serial += 1;
        let serial = self.serial;
        self.blocks.push(Block {
            kind,
            statements: Vec::new(),
            defines: HashSet::new(),
            serial,
        });
    }

    /// Closes the innermost block.
    pub fn close(&mut self) -> Vec<Statement> {
        self.blocks.pop().expect("an open block").statements
    }

    /// Adds a statement to the innermost block.
    pub fn emit(&mut self, statement: Statement) {
        let level = self.blocks.len() - 1;
        self.emit_at(level, statement);
    }

    /// Adds a statement to an open block.
    pub fn emit_at(&mut self, level: usize, statement: Statement) {
        self.blocks[level].statements.push(statement);
    }

    /// Whether a scalar is made of data and open indices alone.
    pub fn is_data(&self, scalar: &Scalar) -> bool {
        is_data_only(&self.loops.arrays, scalar)
    }

    /// The number a scalar is, when data alone decide it.
    pub fn constant(&mut self, scalar: &Scalar) -> Outcome<Option<f64>> {
        if let Some(number) = scalar.as_number() {
            return Ok(Some(number));
        }
        if !self.is_data(scalar) || !free_indices(scalar).is_empty() {
            return Ok(None);
        }
        let mut interpreter = Interpreter::new(&self.loops);
        match interpreter.value(scalar) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(self.fold_error(error).into()),
        }
    }

    /// The same scalar, as a literal when data alone decide it.
    pub fn folded(&mut self, scalar: Scalar, element: Element) -> Outcome<Scalar> {
        if scalar.as_number().is_some() {
            return Ok(scalar);
        }
        Ok(match self.constant(&scalar)? {
            Some(value) => literal(value, element),
            None => scalar,
        })
    }

    /// Runs statements that depend on data alone; the arrays they store into become data.
    pub fn interpret(&mut self, statements: &[Statement]) -> Outcome<()> {
        let mut interpreter = Interpreter::new(&self.loops);
        if let Err(error) = interpreter.run(statements) {
            return Err(self.fold_error(error).into());
        }
        let computed = interpreter.into_computed();
        let mut stored = HashSet::new();
        super::fold::stored_arrays(statements, &mut stored);
        for id in stored {
            let length = self.loops.array(id).length();
            let values = computed
                .get(&id)
                .cloned()
                .unwrap_or_else(|| vec![f64::NAN; length]);
            self.loops.arrays[id.0 as usize].kind = ArrayKind::Real(values.into());
            self.homes[id.0 as usize] = 0;
        }
        Ok(())
    }

    /// Turns a data array of whole numbers (or truths) into ints.
    pub fn make_int(&mut self, array: ArrayId) {
        let entry = &mut self.loops.arrays[array.0 as usize];
        if let ArrayKind::Real(values) = &entry.kind {
            let ints: Arc<[i64]> = values.iter().map(|&v| v as i64).collect();
            entry.kind = ArrayKind::Int(ints);
        }
    }

    /// Finishes a stretch of statements: computed now if data alone decide them, else part of the block around it.
    pub fn settle(&mut self, statements: Vec<Statement>) -> Outcome<()> {
        let straight = self
            .blocks
            .iter()
            .all(|block| block.kind == BlockKind::Straight);
        if straight
            && !statements.is_empty()
            && depends_on_data_alone(&self.loops.arrays, &statements)
            && !self.defines_in_part(&statements)
        {
            return self.interpret(&statements);
        }
        for statement in statements {
            self.emit(statement);
        }
        Ok(())
    }

    /// Whether statements define some elements of an array of the model that other statements define too: as data it would
    /// have no others.
    fn defines_in_part(&self, statements: &[Statement]) -> bool {
        let mut stored = HashSet::new();
        super::fold::stored_arrays(statements, &mut stored);
        self.arrays_of
            .iter()
            .any(|(variable, array)| stored.contains(array) && self.definition_count(*variable) > 1)
    }

    /// The message for an expression over data that has no value.
    pub fn fold_error(&self, error: FoldError) -> Diagnostic {
        match error {
            FoldError::OutOfRange {
                array,
                index,
                length,
                span,
            } => out_of_range(&self.loops, self.bound, array, index, length, span, &[]),
            FoldError::NoInt | FoldError::TooLong => without_place(error),
            FoldError::Unsolved { equation, failure } => {
                super::ode::unsolved(&self.loops, equation, failure)
            }
            FoldError::Undefined { array, span } => Diagnostic::error(
                "E0421",
                format!(
                    "an element of `{}` is used before it is defined",
                    self.loops.array(array).name
                ),
            )
            .at(span, "used here")
            .help("define every element that is used, from the first on, above this place"),
        }
    }

    /// The range of a scalar.
    pub fn range(&self, scalar: &Scalar) -> Interval {
        self.ranges.of(&self.loops.arrays, scalar)
    }
}

/// The messages for work with whole numbers that has no result or no end; whoever runs the statement adds its place.
pub fn without_place(error: FoldError) -> Diagnostic {
    match error {
        FoldError::TooLong => Diagnostic::error("E0466", "this takes too many rounds to prepare")
            .help("ranges of more than 10 million rounds are not supported; look at the sizes in the data"),
        _ => Diagnostic::error("E0467", "this whole number has no value: it divides by zero or is too large")
            .help("look at the ints here; `/` divides reals, and whole numbers go up to 2^53"),
    }
}

/// The message for an index outside an array. `rounds` are loop indices with their values at the time.
pub fn out_of_range(
    loops: &Loops,
    bound: &Bound,
    array: ArrayId,
    index: i64,
    length: usize,
    span: Span,
    rounds: &[(String, i64)],
) -> Diagnostic {
    let array = loops.array(array);
    let allowed = if length == 0 {
        "it is empty".to_string()
    } else {
        format!("indices go from 1 to {length}")
    };
    let mut diagnostic = Diagnostic::error(
        "E0420",
        format!("index {index} is outside `{}`: {allowed}", array.name),
    )
    .at(span, format!("reads element {index} of {length}"));
    if !rounds.is_empty() {
        diagnostic = diagnostic.note(format!("this happens first at {}", rounds_text(rounds)));
    }
    if let Some(origin) = bound.origin(&array.name) {
        diagnostic = diagnostic.note(format!("`{}` comes from {origin}", array.name));
    }
    if index == 0 {
        return diagnostic
            .help("indices begin at 1; let the range begin at 1, or add 1 to the index");
    }
    diagnostic.help("change the range of the loop, or the index")
}

/// A literal of the given element type.
pub fn literal(value: f64, element: Element) -> Scalar {
    match element {
        Element::Real => Scalar::real(value),
        Element::Int => Scalar::int(value as i64),
        Element::Bool => Scalar::bool(value != 0.0),
    }
}

/// Whether computing it again costs no more than reading it.
pub fn is_trivial(scalar: &Scalar) -> bool {
    match &*scalar.0 {
        Node::Real(_) | Node::Int(_) | Node::Bool(_) | Node::Index(_) => true,
        Node::Element { indices, .. } => indices.iter().all(is_trivial_index),
        Node::Operation {
            operation,
            arguments,
        } => {
            matches!(
                operation,
                crate::math::primitive::Operation::IntToReal
                    | crate::math::primitive::Operation::Negate
            ) && is_trivial(&arguments[0])
        }
        _ => false,
    }
}

fn is_trivial_index(scalar: &Scalar) -> bool {
    match &*scalar.0 {
        Node::Int(_) | Node::Index(_) => true,
        Node::Operation { arguments, .. } => arguments.iter().all(is_trivial_index),
        Node::Element { indices, .. } => indices.iter().all(is_trivial_index),
        _ => false,
    }
}

/// Whether a random number is drawn in one of the scalars.
pub fn has_draw(scalars: &[Scalar]) -> bool {
    let mut found = false;
    for scalar in scalars {
        scalar.walk(&mut |node| found |= matches!(&*node.0, Node::Draw { .. }));
    }
    found
}
