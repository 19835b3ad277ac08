//! The program with its data: every shape and bound that data can tell is a number, calls are inlined, and array
//! expressions have become loops over scalars. Arrays are only read and written element by element, except by dense
//! algebra, which works on whole stored arrays and so keeps its identity through differentiation.

#![allow(missing_docs)] // Fields of variants are named for what they hold.

mod scalar;

use std::sync::Arc;

use likelier_runtime::math::ode::Settings;

use crate::math::graph::Part;
use crate::math::primitive::{Dense, Ode};
use crate::math::structure::Structure;
use crate::source::Span;
pub use scalar::{Node, Scalar, has_value, is_zero};

/// A bound program.
#[derive(Debug, Clone, Default)]
pub struct Loops {
    /// All stored arrays, data included, by [`ArrayId`].
    pub arrays: Vec<Array>,
    /// The names of loop indices, by [`IndexId`].
    pub indices: Vec<String>,
    /// What happens, in order.
    pub statements: Vec<Statement>,
    /// What is kept with each draw besides the random variables, in the order written.
    pub reports: Vec<Report>,
    /// What statements are called in reports, by [`Term::description`].
    pub descriptions: Vec<String>,
    /// What is observed, as the pointwise log likelihood names it.
    pub observations: Vec<Observation>,
    /// Random arrays that hold some elements of a variable whose elements have different roles.
    pub parts: std::collections::HashMap<ArrayId, PartOf>,
    /// The differential equations that `DenseKind::Ode` solves, by number.
    pub equations: Vec<Equation>,
    /// What happens instead when the outputs of a draw are computed; set where discrete unknowns, which the density sums
    /// over, have to be drawn first.
    pub outputs: Option<Vec<Statement>>,
    /// Unknowns whose laws have a width that depends on other unknowns, where coordinates are natural: standardised ones
    /// would not have the funnels that such widths make.
    pub of_unknown_width: Vec<String>,
    /// Statements whose prior density does not integrate to one, and why: evidence is undefined with them.
    pub unnormalised: Vec<(Span, String)>,
    /// Observed values that depend on each other through discrete unknowns, so that they have no log likelihoods of their
    /// own.
    pub coupled_observations: Vec<CoupledObservation>,
    /// The discrete unknowns.
    pub summed_out: Vec<SummedOut>,
    /// The constraints, soft and hard, by the numbers of their parts.
    pub constraints: Vec<Constraint>,
    /// Those that are divided by their integrals.
    pub normalised: Vec<Normalised>,
}

/// A `soft` or a `require`.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// The name of a soft constraint, the text of a hard one.
    pub name: String,
    /// Which sort.
    pub kind: ConstraintKind,
    /// How many comparisons it is made of.
    pub comparisons: usize,
    /// Whether it is one equality whose penalty is quadratic.
    pub is_gaussian_equality: bool,
    /// Whether it is divided by its integral, so that its potential may be more than 1.
    pub is_normalised: bool,
    /// The random variables behind each `within … joint` and `weight … joint`.
    pub strengths: Vec<String>,
    /// What it says, on one line.
    pub text: String,
    /// Its statement with the line, as [`Loops::descriptions`] have it.
    pub description: String,
    /// Its statement; the first one if several places of a program stand for it.
    pub span: Span,
}

/// An equality of normal variables that is divided by its integral for each value of its scale.
#[derive(Debug, Clone)]
pub struct Normalised {
    /// Its number in [`Loops::constraints`].
    pub constraint: u32,
    /// What is compared.
    pub equality: Equality,
    /// On which scale.
    pub within: Scalar,
}

/// Σ coefficient · element + constant ~= 0, where the elements are independent normal variables.
#[derive(Debug, Clone)]
pub struct Equality {
    /// The elements, each once.
    pub terms: Vec<NormalTerm>,
    /// What is added to them.
    pub constant: f64,
    /// The mean of the sum under the prior.
    pub mean: f64,
    /// Its variance.
    pub variance: f64,
}

/// An element of a random variable in an [`Equality`].
#[derive(Debug, Clone)]
pub struct NormalTerm {
    /// The variable.
    pub array: ArrayId,
    /// Which element, from 1; empty for one number.
    pub indices: Vec<i64>,
    /// What it is multiplied by.
    pub coefficient: f64,
    /// Its standard deviation under the prior.
    pub sd: f64,
}

/// How far one comparison of a soft constraint is from what it says: left − right, for an inequality `left < right` the
/// amount by which it is violated, negative where it holds.
#[derive(Debug, Clone)]
pub struct Residual {
    /// Which comparison of the constraint.
    pub comparison: u32,
    /// In its own units.
    pub plain: Scalar,
    /// In units of `within`.
    pub scaled: Scalar,
}

/// The sorts of constraints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// A potential between 0 and 1.
    Soft,
    /// Holds or does not.
    Hard,
}

/// A discrete unknown that the density sums over.
#[derive(Debug, Clone)]
pub struct SummedOut {
    /// Its array.
    pub array: ArrayId,
    /// How it is summed out, in words.
    pub how: String,
}

/// An observed value that shares a sum over discrete unknowns with others.
#[derive(Debug, Clone)]
pub struct CoupledObservation {
    /// Its number in [`Loops::observations`].
    pub observation: u32,
    /// Which of its draws, counted from 0.
    pub unit: usize,
    /// The statement.
    pub span: Span,
}

/// An observed variable, or an `observe` statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The variable; `None` for a statement.
    pub name: Option<String>,
    /// The lengths of the index positions that number its draws.
    pub shape: Vec<usize>,
}

/// Which elements of a variable a random array holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartOf {
    /// The shape of the variable.
    pub shape: Vec<usize>,
    /// The elements, by their flat index from 0, in the order in which the array holds them.
    pub elements: Vec<usize>,
}

/// A differential equation dy/dt = f(t, y, p): a program of its own, which reads data and the point (t, y, p) alone.
#[derive(Debug, Clone)]
pub struct Equation {
    /// The model's name of f.
    pub name: String,
    /// How it is solved.
    pub settings: Settings,
    /// The point, in one array of kind `Argument`.
    pub point: ArrayId,
    /// What computes dy/dt.
    pub statements: Vec<Statement>,
    /// dy/dt, a `Let` array.
    pub derivative: ArrayId,
    /// Where it starts, for messages.
    pub start_time: Scalar,
    /// The times, for messages.
    pub times_span: Span,
}

/// An array of [`Loops`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArrayId(pub u32);

/// The index of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexId(pub u32);

/// A stored array; rank 0 is a scalar.
#[derive(Debug, Clone)]
pub struct Array {
    /// Its name in the model, or what it holds.
    pub name: String,
    /// The length of each index position.
    pub shape: Vec<usize>,
    /// What it is.
    pub kind: ArrayKind,
    /// Where the model defines it.
    pub span: Span,
}

impl Array {
    /// Number of elements.
    pub fn length(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What an array is.
#[derive(Debug, Clone)]
pub enum ArrayKind {
    /// Known numbers.
    Real(Arc<[f64]>),
    /// Known whole numbers.
    Int(Arc<[i64]>),
    /// Each element is computed once.
    Let,
    /// May be overwritten.
    Var,
    /// A random variable that is not in the data.
    Random(Role),
    /// What the program of a differential equation is called with.
    Argument,
}

/// What is done about a random variable that is not in the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Something observed or conditioned depends on it.
    Inferred,
    /// Nothing does: it is drawn forward, given the inferred ones.
    Simulated,
    /// Something observed depends on it, and it has finitely many values: the density adds them up.
    SummedOut,
}

/// An index and its values, both ends included.
#[derive(Debug, Clone)]
pub struct Binder {
    /// The index.
    pub index: IndexId,
    /// First value.
    pub lower: Scalar,
    /// Last value.
    pub upper: Scalar,
}

/// A whole array, or the sub-array behind its first indices.
#[derive(Debug, Clone)]
pub struct Place {
    /// The array.
    pub array: ArrayId,
    /// Indices of the first positions, from 1.
    pub prefix: Vec<Scalar>,
}

/// Dense algebra of the loops form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DenseKind {
    /// A (rows × inner) times B (inner × columns).
    Product {
        rows: usize,
        inner: usize,
        columns: usize,
    },
    /// The lower factor.
    Cholesky { size: usize },
    /// L⁻¹ B
    SolveLower { size: usize, columns: usize },
    /// L⁻ᵀ B
    SolveLowerTransposed { size: usize, columns: usize },
    /// log density of a vector under normal(0, K): output has 1 + size + size² elements, the first is the result.
    MultiNormal { size: usize },
    /// Any other operation that stores; its outputs stand one after the other in one array.
    Packed(Dense),
    /// The solution of an equation from the first point (t₀, y₀, p) at some times: a row of the output for each time,
    /// then one whose first element is for the gradient.
    Ode(Ode),
}

/// A statement.
#[derive(Debug, Clone)]
pub enum Statement {
    /// A loop, both ends included.
    For {
        binder: Binder,
        body: Vec<Statement>,
    },
    /// A choice.
    If {
        condition: Scalar,
        then: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    /// Defines one element of a `Let` array, or overwrites one of a `Var`.
    Store {
        array: ArrayId,
        indices: Vec<Scalar>,
        value: Scalar,
    },
    /// Dense algebra: output = operation(inputs).
    Dense {
        operation: DenseKind,
        inputs: Vec<Place>,
        output: Place,
    },
    /// One draw of a law (an element, or a vector of a vector law).
    Random(Box<Random>),
    /// A value conditioned on, a factor, or a constraint: adds to its part of the log density.
    Term(Box<Term>),
}

/// One element (or vector) of a random variable and its law.
#[derive(Debug, Clone)]
pub struct Random {
    /// The variable; an array of kind `Random`, or data when observed.
    pub variable: ArrayId,
    /// Which element, or the first indices of a vector.
    pub indices: Vec<Scalar>,
    /// Whether the data hold it.
    pub observed: bool,
    /// The bijection from unconstrained space and its bounds.
    pub support: Support,
    /// Where its coordinate lies and how far it spreads, in standardised coordinates.
    pub standard: Option<Standard>,
    /// The log density at the element(s).
    pub density: Term,
    /// How to draw: statements that store into the variable. `None` when the law has no sampler or is improper.
    pub sample: Option<Vec<Statement>>,
}

/// The coordinate of a scalar law as centre + width × a standardised one; both can be computed before the element is known.
#[derive(Debug, Clone)]
pub struct Standard {
    /// The law's `centre`.
    pub centre: Scalar,
    /// The law's `width`.
    pub width: Scalar,
}

/// Adds `value` to a part of the log density after running `statements`.
#[derive(Debug, Clone)]
pub struct Term {
    /// What the value needs; arrays defined here are used nowhere else.
    pub statements: Vec<Statement>,
    /// Where one of these is false, the term is −inf instead of `value`: parameters or values outside their domain.
    pub domain: Vec<Condition>,
    /// The term.
    pub value: Scalar,
    /// The part that it belongs to.
    pub part: Part,
    /// Of an observed value: an index of [`Loops::observations`], and which of its draws.
    pub observation: Option<(u32, Vec<Scalar>)>,
    /// Of a soft constraint: what its comparisons compare.
    pub residuals: Vec<Residual>,
    /// An index of [`Loops::descriptions`].
    pub description: u32,
    /// The statement of the model.
    pub span: Span,
}

/// Something that must hold for a term to be finite.
#[derive(Debug, Clone)]
pub struct Condition {
    /// A bool.
    pub holds: Scalar,
    /// What is tested; for messages.
    pub value: Scalar,
    /// What must hold, as a sentence: ``the `sd` of `normal` must be positive``.
    pub rule: String,
    /// The expression that is tested.
    pub span: Span,
}

/// Where the elements of a law live, and so how they are mapped to unconstrained space.
#[derive(Debug, Clone)]
pub enum Support {
    /// Each scalar between bounds; `None` is unbounded. With `int`, a discrete law.
    Interval {
        lower: Option<Scalar>,
        upper: Option<Scalar>,
        int: bool,
    },
    /// Increasing vectors of this length, within bounds if given: draws of scalars put in order.
    Ordered {
        size: usize,
        lower: Option<Scalar>,
        upper: Option<Scalar>,
    },
    /// Arrays whose elements are free between bounds. The binders run over the elements; their indices may occur in the
    /// bounds.
    Array {
        binders: Vec<Binder>,
        lower: Option<Scalar>,
        upper: Option<Scalar>,
    },
    /// Vectors or matrices whose elements depend on one another.
    Structured { structure: Structure, size: usize },
}

impl Support {
    /// The shape of one draw: empty for a scalar law.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Support::Interval { .. } => Vec::new(),
            Support::Ordered { size, .. } => vec![*size],
            Support::Array { binders, .. } => binders
                .iter()
                .map(|binder| binder.upper.as_int().unwrap_or(0).max(0) as usize)
                .collect(),
            Support::Structured { structure, size } => vec![*size; structure.rank()],
        }
    }

    /// The number of constrained elements that belong together (1 for a scalar law).
    pub fn size(&self) -> usize {
        self.shape().iter().product()
    }

    /// The number of unconstrained coordinates for them.
    pub fn free(&self) -> usize {
        match self {
            Support::Structured { structure, size } => structure.coordinates(*size),
            other => other.size(),
        }
    }

    /// What its elements have to do with one another, and the size of that.
    pub fn structure(&self) -> Option<(Structure, usize)> {
        match self {
            Support::Structured { structure, size } => Some((*structure, *size)),
            _ => None,
        }
    }

    /// Its bounds, where it has them.
    pub fn bounds_mut(&mut self) -> Option<(&mut Option<Scalar>, &mut Option<Scalar>)> {
        match self {
            Support::Interval { lower, upper, .. }
            | Support::Ordered { lower, upper, .. }
            | Support::Array { lower, upper, .. } => Some((lower, upper)),
            Support::Structured { .. } => None,
        }
    }

    /// What its bounds run over.
    pub fn binders(&self) -> &[Binder] {
        match self {
            Support::Array {
                binders,
                lower,
                upper,
            } if lower.is_some() || upper.is_some() => binders,
            _ => &[],
        }
    }
}

/// A derived quantity kept with every draw.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// The array that holds it.
    pub array: ArrayId,
}

impl Loops {
    /// What happens when the outputs of a draw are computed.
    pub fn output_statements(&self) -> &[Statement] {
        self.outputs.as_ref().unwrap_or(&self.statements)
    }

    /// An array by its number.
    pub fn array(&self, id: ArrayId) -> &Array {
        &self.arrays[id.0 as usize]
    }
}

impl Statement {
    /// This statement in a loop for each binder, the first outermost.
    pub fn over(self, binders: Vec<Binder>) -> Statement {
        binders
            .into_iter()
            .rev()
            .fold(self, |inner, binder| Statement::For {
                binder,
                body: vec![inner],
            })
    }
}

/// The indices of binders.
pub fn indices_of(binders: &[Binder]) -> Vec<Scalar> {
    binders
        .iter()
        .map(|binder| Scalar::index(binder.index))
        .collect()
}

/// Calls `visit` on every scalar that the statements hold directly (not below the top node of each).
pub fn walk_statements(statements: &[Statement], visit: &mut dyn FnMut(&Scalar)) {
    for statement in statements {
        match statement {
            Statement::For { binder, body } => {
                visit(&binder.lower);
                visit(&binder.upper);
                walk_statements(body, visit);
            }
            Statement::If {
                condition,
                then,
                otherwise,
            } => {
                visit(condition);
                walk_statements(then, visit);
                walk_statements(otherwise, visit);
            }
            Statement::Store { indices, value, .. } => {
                indices.iter().for_each(&mut *visit);
                visit(value);
            }
            Statement::Dense { inputs, output, .. } => {
                inputs
                    .iter()
                    .chain([output])
                    .flat_map(|place| &place.prefix)
                    .for_each(&mut *visit);
            }
            Statement::Random(random) => {
                random.indices.iter().for_each(&mut *visit);
                walk_bijection(random, visit);
                walk_term(&random.density, visit);
                if let Some(sample) = &random.sample {
                    walk_statements(sample, visit);
                }
            }
            Statement::Term(term) => walk_term(term, visit),
        }
    }
}

/// Calls `visit` on the bounds of a support.
pub fn walk_support(support: &Support, visit: &mut dyn FnMut(&Scalar)) {
    if let Support::Interval { lower, upper, .. }
    | Support::Ordered { lower, upper, .. }
    | Support::Array { lower, upper, .. } = support
    {
        lower.iter().chain(upper).for_each(visit);
    }
}

/// Calls `visit` on what maps a random variable's coordinates to its values.
pub fn walk_bijection(random: &Random, visit: &mut dyn FnMut(&Scalar)) {
    walk_support(&random.support, visit);
    if let Some(Standard { centre, width }) = &random.standard {
        visit(centre);
        visit(width);
    }
}

/// Calls `visit` on what a term holds.
pub fn walk_term(term: &Term, visit: &mut dyn FnMut(&Scalar)) {
    walk_statements(&term.statements, visit);
    for condition in &term.domain {
        visit(&condition.holds);
    }
    if let Some((_, indices)) = &term.observation {
        indices.iter().for_each(&mut *visit);
    }
    visit(&term.value);
}
