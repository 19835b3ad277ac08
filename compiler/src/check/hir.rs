//! The typed form of a program: no name unresolved, every expression with its type, nothing yet known of the data.
//! Sizes are symbolic here and only as good as the text allows; the data stage computes every shape again in numbers.

#![allow(missing_docs)] // Fields of variants are named for what they hold.

mod laws;

use likelier_runtime::math::ode::Method;

use crate::ast::tree::Coupling;
use crate::math::primitive::{Draw, Operation};
use crate::math::structure::Structure;
use crate::source::Span;
pub use laws::{DistributionCall, DistributionRef, Law, Mixture, MixtureKind, Slot};

/// A checked program: the model and every function and distribution it can reach.
#[derive(Debug, Clone, Default)]
pub struct Hir {
    /// The names of the model, by [`VariableId`].
    pub variables: Vec<Variable>,
    /// The statements of the model in order.
    pub statements: Vec<Statement>,
    /// All functions, by [`FunctionId`].
    pub functions: Vec<Function>,
    /// All distributions, by [`DistributionId`].
    pub distributions: Vec<Distribution>,
    /// What the file says of itself.
    pub doc: Option<String>,
}

/// A named thing of the model, of one function or of one distribution; each of them has its own table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariableId(pub u32);

/// A function of [`Hir::functions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub u32);

/// A distribution of [`Hir::distributions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DistributionId(pub u32);

/// A named thing.
#[derive(Debug, Clone)]
pub struct Variable {
    /// As written.
    pub name: String,
    /// Where it is first defined (for a size: first mentioned).
    pub span: Span,
    /// What sort of thing.
    pub kind: VariableKind,
    /// Its type; sizes as far as the text tells.
    pub ty: Type,
    /// The `##` lines above its definition.
    pub doc: Option<String>,
}

/// What sort of thing a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VariableKind {
    /// A covariate or setting.
    Given,
    /// A size bound by the data (model) or by the arguments (functions, distributions).
    Size,
    /// A deterministic value; its elements may be defined one by one.
    Let,
    /// A random variable.
    Random,
    /// The index of a loop, comprehension or `~` over ranges.
    Index,
    /// A parameter of a function, distribution or member.
    Parameter,
    /// A `var`: may be assigned again.
    Var,
}

/// The element type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// A real number.
    Real,
    /// A whole number.
    Int,
    /// true or false
    Bool,
}

/// A type: an element type and one size per index position (none for a scalar).
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    /// Of each element.
    pub element: Element,
    /// The length of each index position.
    pub sizes: Vec<Size>,
}

impl Type {
    /// Number of index positions.
    pub fn rank(&self) -> usize {
        self.sizes.len()
    }
}

/// A length as far as the text tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Size {
    /// A number.
    Known(i64),
    /// `Σ coefficient · size name + constant`, the names being variables of kind `Size` of the same table; sorted.
    Linear(Vec<(VariableId, i64)>, i64),
    /// Known only when the data are.
    Unknown,
}

/// What values a type, parameter or distribution allows, beyond its element type.
#[derive(Debug, Clone, PartialEq)]
pub enum Support {
    /// All of the element type.
    Any,
    /// x > 0
    Positive,
    /// x ≥ 0
    Nonnegative,
    /// 0 ≤ x ≤ 1 (0 < x < 1 for an inferred variable)
    Unit,
    /// lower ≤ x ≤ upper; `inf` and `-inf` are allowed. The bounds are scalars or of the variable's shape.
    Between(Box<Expression>, Box<Expression>),
    /// Vectors (last index position) or matrices (last two) whose elements depend on one another.
    Structured(Structure),
    /// Labelled categories 1..K, K from the data.
    Factor,
}

/// A type as declared, with what is needed to check it against values.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Of each element.
    pub element: Element,
    /// The lengths as written: int expressions over data and sizes; a lone size name is bound by the first value seen.
    /// For `simplex[K]` and its kin the K (or K, K) comes last.
    pub sizes: Vec<Expression>,
    /// What values are allowed.
    pub support: Support,
    /// As written.
    pub span: Span,
}

/// A statement.
#[derive(Debug, Clone)]
pub struct Statement {
    /// From its first to its last token.
    pub span: Span,
    /// What it is.
    pub kind: StatementKind,
}

/// The kinds of statements.
#[derive(Debug, Clone)]
pub enum StatementKind {
    /// A covariate or setting. `column` is its key in the data when not its name; a factor may share its labels with
    /// another one, `levels`.
    Given {
        variable: VariableId,
        declared: Declared,
        levels: Option<VariableId>,
        column: Option<String>,
        default: Option<Expression>,
    },
    /// A value (no indices) or one element.
    Let {
        variable: VariableId,
        indices: Vec<Expression>,
        value: Expression,
    },
    /// The values of a function that returns several.
    LetTuple {
        variables: Vec<VariableId>,
        call: Expression,
    },
    /// A random variable, a range of it, or one element.
    Random {
        variable: VariableId,
        indices: Vec<RandomIndex>,
        law: Law,
    },
    /// Conditions on a value.
    Observe { value: Expression, law: Law },
    /// Adds to the log density.
    Factor { value: Expression },
    /// A hard constraint; one that was soft as written keeps its name.
    Require {
        condition: Expression,
        name: Option<String>,
    },
    /// A soft constraint: its name and, `joint` or not, the weight of its log potential.
    Soft {
        name: String,
        formula: Formula,
        weight: Option<(Expression, bool)>,
    },
    /// A derived quantity kept with every draw, under a name.
    Report {
        name: String,
        /// The name that `report r = …` defines; `report a` defines none.
        defines: Option<VariableId>,
        value: Expression,
    },
    /// A loop, both ends included.
    For {
        index: VariableId,
        lower: Expression,
        upper: Expression,
        body: Vec<Statement>,
    },
    /// A choice.
    If {
        condition: Expression,
        then: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    /// A new `var` of a function: its first value, or the sizes of an array of zeros.
    Var {
        variable: VariableId,
        value: Option<Expression>,
        sizes: Vec<Expression>,
    },
    /// A `var` changes, wholly or in one element.
    Assign {
        variable: VariableId,
        indices: Vec<Expression>,
        value: Expression,
    },
    /// The value of a function or member, and those after the first of a function that returns several.
    Return {
        value: Expression,
        more: Vec<Expression>,
    },
}

/// What a soft constraint says: a potential φ between 0 and 1.
#[derive(Debug, Clone)]
pub enum Formula {
    /// `a ~= b within s`, `a < b within s`
    Compare(Box<Comparison>),
    /// `penalty e`: exp(−e)
    Penalty(Expression),
    /// 1 − φ
    Not(Box<Formula>),
    /// φ₁ φ₂
    And(Box<(Formula, Formula)>),
    /// 1 − (1 − φ₁)(1 − φ₂)
    Or(Box<(Formula, Formula)>),
}

/// A comparison of a soft constraint; `a > b` is `b < a`.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// `left ~= right`, not `left < right`.
    pub is_equality: bool,
    pub left: Expression,
    pub right: Expression,
    /// The scale, in the units of what is compared.
    pub within: Expression,
    /// What an unknown scale means.
    pub coupling: Option<Coupling>,
    pub tail: Tail,
    /// The whole chain that it stands in.
    pub span: Span,
}

/// How the penalty of an equality grows with the residual.
#[derive(Debug, Clone)]
pub enum Tail {
    /// With its square.
    Gaussian,
    /// With its logarithm: the degrees of freedom.
    Student(Expression),
    /// Linearly.
    Laplace,
}

/// One index position on the left of `~`.
#[derive(Debug, Clone)]
pub enum RandomIndex {
    /// A draw for each index; `variable` stands for it on the right (a nameless range has one nobody refers to).
    Over {
        variable: VariableId,
        lower: Expression,
        upper: Expression,
    },
    /// One element.
    At(Expression),
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// Where it stands.
    pub span: Span,
    /// Its type.
    pub ty: Type,
    /// What it is.
    pub kind: Box<ExpressionKind>,
}

/// The kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpressionKind {
    /// A real literal.
    Real(f64),
    /// An int literal.
    Int(i64),
    /// A bool literal.
    Bool(bool),
    /// A label as an index: the number that the factor of the index position gives it, once there are data.
    Label(String),
    /// A name.
    Variable(VariableId),
    /// A scalar primitive, elementwise over arguments that are scalars or arrays of one shape. Implicit conversions of
    /// ints to reals are written out (`IntToReal`).
    Operation {
        operation: Operation,
        arguments: Vec<Expression>,
    },
    /// A primitive on whole arrays.
    Whole {
        function: Whole,
        arguments: Vec<Expression>,
    },
    /// A function. If `elementwise`, its parameters are scalars and some arguments are arrays of one shape.
    Call {
        function: FunctionId,
        arguments: Vec<Expression>,
        elementwise: bool,
    },
    /// `normal(0, 1).log_density(x)`, `.cdf(x)` …
    Method {
        call: DistributionCall,
        method: String,
        arguments: Vec<Expression>,
    },
    /// Some of an array.
    Index {
        base: Expression,
        selectors: Vec<Selector>,
    },
    /// An array of elements (scalars, or arrays of one shape) along a new first index position.
    Array(Vec<Expression>),
    /// `[e for i in a..b, …]`: one index position per binder, then those of the body.
    Comprehension {
        binders: Vec<Binder>,
        body: Expression,
    },
    /// `sum(e for i in a..b, …)`
    Reduction {
        reducer: Reducer,
        binders: Vec<Binder>,
        body: Expression,
    },
    /// A choice between values of one type.
    If {
        condition: Expression,
        then: Expression,
        otherwise: Expression,
    },
    /// The solution of a differential equation.
    Ode(Box<OdeCall>),
    /// A random number (only in `sample` members).
    Draw {
        draw: Draw,
        arguments: Vec<Expression>,
    },
}

/// `ode(f, y0, t0, ts, …)`: dy/dt = f(t, y, …) from y0 at t0, at the times ts.
#[derive(Debug, Clone, PartialEq)]
pub struct OdeCall {
    /// f
    pub function: FunctionId,
    /// How it is solved.
    pub method: Method,
    /// y0, of rank 1.
    pub initial: Expression,
    /// t0
    pub start: Expression,
    /// ts, of rank 1.
    pub times: Expression,
    /// One for each parameter of f after t and y.
    pub arguments: Vec<Expression>,
    /// Relative tolerance, absolute tolerance (reals) and the most steps (an int).
    pub settings: [Expression; 3],
}

/// An index and its values, both ends included.
#[derive(Debug, Clone, PartialEq)]
pub struct Binder {
    /// The index.
    pub variable: VariableId,
    /// First value.
    pub lower: Expression,
    /// Last value.
    pub upper: Expression,
}

/// One index position of `x[…]`.
#[derive(Debug, Clone, PartialEq)]
pub enum Selector {
    /// An int (the position vanishes) or an int array of rank 1 (it takes that length).
    At(Expression),
    /// Both ends included.
    Range(Expression, Expression),
    /// All of it.
    All,
}

/// Ways to make one number of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Reducer {
    Sum,
    Product,
    Maximum,
    Minimum,
    LogSumExp,
    Mean,
}

impl Reducer {
    /// As the language calls it.
    pub fn name(self) -> &'static str {
        match self {
            Reducer::Sum => "sum",
            Reducer::Product => "prod",
            Reducer::Maximum => "max",
            Reducer::Minimum => "min",
            Reducer::LogSumExp => "logsumexp",
            Reducer::Mean => "mean",
        }
    }
}

/// Primitives on whole arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whole {
    /// `sum(x)`, `max(x)`, … over all elements of an array.
    Reduce(Reducer),
    /// `a @ b`: matrix–matrix, matrix–vector, vector–matrix or vector–vector (a scalar).
    MatrixMultiply,
    /// `A'`
    Transpose,
    /// `cholesky(A)`
    Cholesky,
    /// `solve_lower(L, b)`: L⁻¹ b for lower triangular L and a vector or matrix b.
    SolveLower,
    /// `solve_lower_transposed(L, b)`: L⁻ᵀ b.
    SolveLowerTransposed,
    /// `multi_normal_log_density(residual, covariance)`: the log density of a vector under a centred normal.
    MultiNormal,
    /// `length(x)`: elements of the first index position.
    Length,
    /// `rows(X)`
    Rows,
    /// `columns(X)`
    Columns,
    /// `diagonal(A)`: the diagonal of a matrix.
    Diagonal,
    /// `diagonal_matrix(x)`
    DiagonalMatrix,
    /// `zeros(n)`, `zeros(n, m)`: sizes as arguments.
    Zeros,
    /// `ones(n)`, `ones(n, m)`
    Ones,
    /// `identity(n)`
    Identity,
    /// `concatenate(a, b, …)`: rank-1 arrays end to end (scalars count as length 1).
    Concatenate,
    /// `cumulative_sum(x)` of a rank-1 array.
    CumulativeSum,
    /// `levels(f)`: the number of categories of a factor (as `1..levels(f)` in ranges).
    Levels,
    /// `variance(x)`: sample variance, divisor n − 1.
    Variance,
    /// `sd(x)`: its root.
    StandardDeviation,
    /// `solve(A, b)`: A⁻¹ b for a vector or matrix b.
    Solve,
    /// `solve_spd(A, b)`: the same for symmetric positive definite A.
    SolvePositive,
    /// `inverse(A)`
    Inverse,
    /// `inverse_spd(A)`
    InversePositive,
    /// `log_det(A)`: log |det A|.
    LogDeterminant,
    /// `log_det_spd(A)`
    LogDeterminantPositive,
    /// `determinant(A)`
    Determinant,
    /// `eigenvalues_sym(A)`
    Eigenvalues,
    /// `eigenvectors_sym(A)`: as columns.
    Eigenvectors,
    /// `qr_q(A)`
    QrOrthogonal,
    /// `qr_r(A)`
    QrTriangular,
    /// `sort(x)`
    Sort,
    /// `segment_sum(x, group, K)`: sums by group.
    SegmentSum,
}

/// A function of the language.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// `##` lines.
    pub doc: Option<String>,
    /// Where it is defined.
    pub span: Span,
    /// Its names, by [`VariableId`].
    pub variables: Vec<Variable>,
    /// Its parameters in order.
    pub parameters: Vec<Parameter>,
    /// What it returns, or the first of several values.
    pub result: Declared,
    /// The other values.
    pub more: Vec<Declared>,
    /// Its statements.
    pub body: Vec<Statement>,
}

/// A parameter of a function or distribution.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name in the item's table.
    pub variable: VariableId,
    /// Its type.
    pub declared: Declared,
    /// Whether calls must name it.
    pub keyword_only: bool,
    /// What it is when not given (already filled into calls).
    pub default: Option<Expression>,
}

/// A distribution of the language.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// Its name.
    pub name: String,
    /// `##` lines.
    pub doc: Option<String>,
    /// Where it is defined.
    pub span: Span,
    /// Its names, those of its members included, by [`VariableId`].
    pub variables: Vec<Variable>,
    /// Its parameters in order.
    pub parameters: Vec<Parameter>,
    /// What a draw is: rank 0 for a law of scalars; else sizes in terms of its parameters.
    pub draw: Declared,
    /// What it consists of.
    pub body: DistributionBody,
}

/// How a distribution is defined.
#[derive(Debug, Clone)]
pub enum DistributionBody {
    /// `log_density`, `sample`, `cdf`, `quantile`, … by name.
    Members(Vec<Member>),
    /// Another law, its arguments written in this one's parameters.
    Same(Box<DistributionCall>),
}

/// A member of a distribution.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its parameters (`x` of `log_density(x)`).
    pub parameters: Vec<VariableId>,
    /// Its statements.
    pub body: Vec<Statement>,
}

impl Distribution {
    /// A member by name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        match &self.body {
            DistributionBody::Members(members) => members.iter().find(|member| member.name == name),
            DistributionBody::Same(_) => None,
        }
    }
}
