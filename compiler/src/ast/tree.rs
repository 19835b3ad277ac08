//! The tree: close to what was typed, every node with its span, nothing resolved. Items (`fn`, `dist`, `model`, `import`) and
//! model statements share one list, because a file may mix them in any order.

#![allow(missing_docs)] // Fields of variants are named for what they hold.

use crate::source::Span;

/// A parsed file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tree {
    /// `##` lines that open the file, before a blank line.
    pub doc: Option<String>,
    /// The statements in the order of the text.
    pub statements: Vec<Statement>,
}

/// An identifier where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// Its letters.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A statement or item.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// From its first to its last token.
    pub span: Span,
    /// The `##` lines above it.
    pub doc: Option<String>,
    /// What it is.
    pub kind: StatementKind,
}

/// The kinds of statements and items.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// `given x: real[N] from "column" = default`; `given f: factor[N] levels g` shares the labels of another factor.
    Given {
        name: Name,
        ty: Type,
        levels: Option<Name>,
        column: Option<String>,
        default: Option<Expression>,
    },
    /// `let a = e`, `let a[t] = e`; `indices` is empty for a whole value.
    Let {
        name: Name,
        indices: Vec<Expression>,
        value: Expression,
    },
    /// `let (a, b) = f(x)`
    LetTuple { names: Vec<Name>, value: Expression },
    /// `x ~ d`, `x[1..K] ~ d`, `x[i in 1..N, k in 1..K] ~ d`, `x[t] ~ d`
    Random {
        name: Name,
        indices: Vec<RandomIndex>,
        distribution: Distribution,
    },
    /// `observe e ~ d`
    Observe {
        value: Expression,
        distribution: Distribution,
    },
    /// `factor e`
    Factor { value: Expression },
    /// `require c`
    Require { condition: Expression },
    /// `soft NAME: formula weight w for i in a..b`
    Soft {
        name: Name,
        formula: Expression,
        weight: Option<Weight>,
        binders: Vec<Binder>,
    },
    /// `report r = e`; without a value, an existing `let` is kept.
    Report {
        name: Name,
        value: Option<Expression>,
    },
    /// `for i in a..b { … }`
    For {
        binder: Binder,
        body: Vec<Statement>,
    },
    /// `if c { … } else { … }`; `else if` is an `If` alone in `otherwise`.
    If {
        condition: Expression,
        then: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    /// `var a = e`, `var a: real[N]` (starts at zero); only inside functions.
    Var {
        name: Name,
        ty: Option<Type>,
        value: Option<Expression>,
    },
    /// `a = e`, `a[i] = e`; only for a `var`.
    Assign {
        name: Name,
        indices: Vec<Expression>,
        value: Expression,
    },
    /// `return e`
    Return { value: Expression },
    /// `fn f(x: real, n: int) -> real { … }` or `fn f(x: real) -> real = e`
    Function(Function),
    /// `dist d(…) on SUPPORT { … }`
    Distribution(DistributionItem),
    /// `model m(…) -> T { … return e }`
    Model(ModelItem),
    /// `import std.priors`: path `["std", "priors"]`.
    Import { path: Vec<Name> },
    /// `import "mine.ppl"`
    ImportFile { path: String },
}

/// One index of a random variable's left-hand side.
#[derive(Debug, Clone, PartialEq)]
pub enum RandomIndex {
    /// `1..K` or `i in 1..K`: a draw for each.
    Over { name: Option<Name>, range: Range },
    /// `t`: one element, inside a loop.
    At(Expression),
}

/// `lower..upper`, both ends included.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// First value.
    pub lower: Expression,
    /// Last value.
    pub upper: Expression,
}

/// `i in a..b`
#[derive(Debug, Clone, PartialEq)]
pub struct Binder {
    /// The index variable.
    pub name: Name,
    /// Its values.
    pub range: Range,
}

/// The right-hand side of `~`: a distribution and what modifies it.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// From the name to the last modifier.
    pub span: Span,
    /// Its name.
    pub name: Name,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// `truncated(lo, hi)`, `censored(lo, hi)`, `ordered`, in the order written.
    pub modifiers: Vec<Modifier>,
}

/// What follows a distribution.
#[derive(Debug, Clone, PartialEq)]
pub enum Modifier {
    /// `truncated(lo, hi)`: restricted to lo..hi and renormalised; `-inf` and `inf` are allowed.
    Truncated {
        span: Span,
        lower: Expression,
        upper: Expression,
    },
    /// `censored(lo, hi)`: values at a bound or beyond it mean that the draw is there or beyond.
    Censored {
        span: Span,
        lower: Expression,
        upper: Expression,
    },
    /// `ordered`: in increasing order.
    Ordered { span: Span },
}

/// An argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// The name in `name=value`.
    pub name: Option<Name>,
    /// The value.
    pub value: ArgumentValue,
}

/// What stands in an argument place.
#[derive(Debug, Clone, PartialEq)]
pub enum ArgumentValue {
    /// An expression; `positive` and `simplex[K]` in `flat(positive)` are still expressions here.
    Expression(Expression),
    /// `real in (a, b)` or `int in a..b`, an argument of `flat`.
    Type(Type),
}

/// A type as written: `real`, `positive[N]`, `real[N] in (a, b)`, `int in 1..K`, `simplex[K]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    /// All of it.
    pub span: Span,
    /// `real`, `int`, `bool`, `positive`, `nonnegative`, `unit`, `simplex`, `factor`, …
    pub name: Name,
    /// The sizes in brackets.
    pub sizes: Vec<Expression>,
    /// `in (a, b)` or `in a..b`.
    pub bounds: Option<(Expression, Expression)>,
}

/// A parameter of a function or distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// What it is when not given.
    pub default: Option<Expression>,
    /// After `;` in the list: it must be named in calls.
    pub keyword_only: bool,
}

/// `fn`; `fn f(…) -> T = e` is a body of one `return`.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// What it returns, or the first of several values.
    pub result: Type,
    /// The types of the other values: `-> (real, real[K])`.
    pub more: Vec<Type>,
    /// Its statements.
    pub body: Vec<Statement>,
}

/// `model`: statements that a program or another model may use as one random piece, or that are a program themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelItem {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// What it gives, if anything.
    pub result: Option<Type>,
    /// Its statements; the last one may be a `return`.
    pub body: Vec<Statement>,
}

/// `dist`
#[derive(Debug, Clone, PartialEq)]
pub struct DistributionItem {
    /// Its name; several items may share it when their keyword-only parameters differ.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// `on SUPPORT`: the type of a draw.
    pub support: Type,
    /// Its members, or another distribution that it stands for.
    pub body: DistributionBody,
}

/// How a `dist` is defined.
#[derive(Debug, Clone, PartialEq)]
pub enum DistributionBody {
    /// `{ log_density(x) = …  sample() = … }`
    Members(Vec<Member>),
    /// `= other(…)`: the same law with other arguments.
    Same(Distribution),
}

/// `log_density(x) = e` or `log_density(x) { … return e }` inside a `dist`.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// `log_density`, `sample`, `cdf`, `log_cdf`, `quantile`, `mean`, …
    pub name: Name,
    /// The names of its parameters.
    pub parameters: Vec<Name>,
    /// Its statements; `= e` is a body of one `return`.
    pub body: Vec<Statement>,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// From its first to its last token, without surrounding parentheses.
    pub span: Span,
    /// What it is.
    pub kind: Box<ExpressionKind>,
}

impl Expression {
    /// The type it is if it stands where a type may: `positive` and `simplex[K]` are read as expressions.
    pub fn as_type(&self) -> Option<Type> {
        let (base, selectors) = match &*self.kind {
            ExpressionKind::Index { base, selectors } => (base, selectors.as_slice()),
            _ => (self, &[][..]),
        };
        let ExpressionKind::Name(name) = &*base.kind else {
            return None;
        };
        let sizes = selectors.iter().map(|selector| match selector {
            Selector::At(size) => Some(size.clone()),
            _ => None,
        });
        Some(Type {
            span: self.span,
            name: Name {
                text: name.clone(),
                span: base.span,
            },
            sizes: sizes.collect::<Option<_>>()?,
            bounds: None,
        })
    }
}

/// The kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpressionKind {
    /// `2.5`, `1e-3`, `inf`, `pi`
    Real(f64),
    /// `1_000`
    Integer(i64),
    /// `true`
    Boolean(bool),
    /// A variable, `x`, or one inside a model, `b.x`.
    Name(String),
    /// A label as an index: `a["Oslo"]`.
    Label(String),
    /// `-a`, `not a`
    Unary {
        operator: UnaryOperator,
        operand: Expression,
    },
    /// `a + b`, `a and b`, `a <= b`
    Binary {
        operator: BinaryOperator,
        left: Expression,
        right: Expression,
    },
    /// `f(a, k=b)`
    Call {
        function: Name,
        arguments: Vec<Argument>,
    },
    /// `normal(0, 1).log_density(x)`
    Method {
        distribution: Distribution,
        method: Name,
        arguments: Vec<Expression>,
    },
    /// `x[i, , 2..N]`
    Index {
        base: Expression,
        selectors: Vec<Selector>,
    },
    /// `X'`
    Transpose { operand: Expression },
    /// `[a, b, c]`
    Array(Vec<Expression>),
    /// `[e for i in 1..N, j in 1..M]`
    Comprehension {
        body: Expression,
        binders: Vec<Binder>,
    },
    /// `sum(e for i in 1..N)` and its kin
    Reduction {
        function: Name,
        body: Expression,
        binders: Vec<Binder>,
    },
    /// `if c { a } else { b }` as a value
    If {
        condition: Expression,
        then: Expression,
        otherwise: Expression,
    },
    /// `(a, b)`
    Tuple(Vec<Expression>),
    /// A part of a soft constraint.
    Constraint(Constraint),
    /// What stands where nothing could be parsed; the error has been reported.
    Error,
}

/// What only a soft constraint is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// `a ~= b within s`, `a < b < c within s`; two operands compared plainly without `within` are a
    /// [`ExpressionKind::Binary`].
    Compare {
        operands: Vec<Expression>,
        relations: Vec<Relation>,
        strength: Option<Strength>,
    },
    /// `penalty e`
    Penalty(Expression),
    /// `p implies q`
    Implies(Expression, Expression),
}

/// A sign between two operands, where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relation {
    /// Which.
    pub kind: RelationKind,
    /// Where.
    pub span: Span,
}

/// The signs of comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// `~=`
    Near,
    /// `<`, `<=`, `>`, `>=`, `==`, `!=`
    Plain(BinaryOperator),
}

/// `within s joint tail student(4)`
#[derive(Debug, Clone, PartialEq)]
pub struct Strength {
    /// The scale.
    pub within: Expression,
    /// Which of two programs an unknown scale means.
    pub coupling: Option<Coupling>,
    /// How the penalty grows far away.
    pub tail: Option<Tail>,
}

/// What a scale that is itself unknown means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coupling {
    /// Scale and quantities are conditioned on the constraint together.
    Joint,
    /// The scale keeps its prior.
    Normalised,
}

/// `tail student(4)`, `tail laplace`
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// Which.
    pub name: Name,
    /// What stands in brackets.
    pub freedom: Option<Expression>,
}

/// `weight 2`
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// The factor of the log potential.
    pub value: Expression,
    /// Whether `joint` follows.
    pub is_joint: bool,
}

/// One index position of `x[…]`.
#[derive(Debug, Clone, PartialEq)]
pub enum Selector {
    /// An int, or an int array.
    At(Expression),
    /// `a..b`
    Range(Range),
    /// Nothing: all of that position.
    All,
}

/// `-a`, `not a`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOperator {
    /// `-`
    Negate,
    /// `not`
    Not,
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    /// `@`
    MatrixMultiply,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
}
