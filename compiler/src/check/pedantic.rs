//! What a careful reader would ask about a program that is not wrong: `likelier check --pedantic`. Everything here is read off
//! the typed program; that some of it is meant, nobody but its author can know, and so none of it is said without being asked.

use std::collections::HashSet;

use super::hir::{
    DistributionRef, Element, Expression, ExpressionKind, Function, FunctionId, Hir, Law, Size,
    Statement, StatementKind, Support, Variable, VariableId, VariableKind,
};
use super::walk::all_statements;
use crate::math::primitive::Operation;
use crate::math::structure::Structure;
use crate::source::{Diagnostic, FileId, Sources, Span};

/// A scale beyond this is wide for numbers that anybody measures in units of his choice.
const WIDE_SCALE: f64 = 1000.0;
/// The same for the logarithm of a number.
const WIDE_LOG_SCALE: f64 = 10.0;
/// And for the distance of two bounds.
const WIDE_RANGE: f64 = 10_000.0;
/// Gamma laws of a smaller shape have most of their mass next to zero.
const SMALL_SHAPE: f64 = 0.01;
/// Functions that call functions are looked into so deep.
const DEEPEST_CALL: usize = 16;

/// All questions about the statements of one file. `unknown` tells which random variables are unknown, by name; without data all
/// may be.
pub fn questions(
    hir: &Hir,
    sources: &Sources,
    file: FileId,
    unknown: &dyn Fn(&str) -> bool,
) -> Vec<Diagnostic> {
    let mut reader = Reader {
        hir,
        sources,
        file,
        unknown: HashSet::new(),
        relevant: HashSet::new(),
        found: Vec::new(),
    };
    reader.find_unknown(unknown);
    reader.find_relevant();
    let mut statements = Vec::new();
    all_statements(&hir.statements, 0, &mut |statement, _| {
        statements.push(statement)
    });
    for statement in statements {
        if statement.span.file == file {
            reader.statement(statement);
        }
    }
    reader.unused();
    let mut found = reader.found;
    found.sort_by_key(|question| question.labels.first().map(|label| label.span.start));
    found
}

struct Reader<'a> {
    hir: &'a Hir,
    sources: &'a Sources,
    file: FileId,
    /// Variables whose values are unknown reals, or depend on some.
    unknown: HashSet<VariableId>,
    /// Variables on which the density depends.
    relevant: HashSet<VariableId>,
    found: Vec<Diagnostic>,
}

/// A function that is looked into, which of its arguments move, and how many calls lead to it.
type Visit = (FunctionId, Vec<bool>, usize);
/// What was looked into for one question, and need not be once more: where it jumps, the answer is known already.
type Visits = HashSet<Visit>;

/// The variables to which a statement gives values.
fn defined(statement: &Statement) -> Vec<VariableId> {
    match &statement.kind {
        StatementKind::Let { variable, .. }
        | StatementKind::Var { variable, .. }
        | StatementKind::Assign { variable, .. } => vec![*variable],
        StatementKind::LetTuple { variables, .. } => variables.clone(),
        StatementKind::Report { defines, .. } => defines.iter().copied().collect(),
        _ => Vec::new(),
    }
}

/// Whether a statement is a factor of the density, or decides about some.
fn is_density(kind: &StatementKind) -> bool {
    matches!(
        kind,
        StatementKind::Random { .. }
            | StatementKind::Observe { .. }
            | StatementKind::Factor { .. }
            | StatementKind::Require { .. }
            | StatementKind::Soft { .. }
            | StatementKind::If { .. }
            | StatementKind::For { .. }
    )
}

fn reads(statement: &Statement, visit: &mut dyn FnMut(VariableId)) {
    statement.expressions(&mut |expression| expression.variables(0, &mut |id, _| visit(id)));
}

/// Whether an expression reads one of these variables.
fn depends(expression: &Expression, set: &HashSet<VariableId>) -> bool {
    let mut found = false;
    expression.variables(0, &mut |id, _| found |= set.contains(&id));
    found
}

/// Adds to some variables all that get their values from them. A loop may use what a later statement of it defines.
fn spread(statements: &[Statement], set: &mut HashSet<VariableId>) {
    let mut before = None;
    while before != Some(set.len()) {
        before = Some(set.len());
        all_statements(statements, 0, &mut |statement, _| {
            let mut is_moved = false;
            reads(statement, &mut |id| is_moved |= set.contains(&id));
            if is_moved {
                set.extend(defined(statement));
            }
        });
    }
}

impl<'a> Reader<'a> {
    fn variable(&self, id: VariableId) -> &'a Variable {
        &self.hir.variables[id.0 as usize]
    }

    fn find_unknown(&mut self, unknown: &dyn Fn(&str) -> bool) {
        for (index, variable) in self.hir.variables.iter().enumerate() {
            let is_real = variable.ty.element == Element::Real;
            if variable.kind == VariableKind::Random && is_real && unknown(&variable.name) {
                self.unknown.insert(VariableId(index as u32));
            }
        }
        spread(&self.hir.statements, &mut self.unknown);
    }

    fn find_relevant(&mut self) {
        loop {
            let before = self.relevant.len();
            let set = &mut self.relevant;
            all_statements(&self.hir.statements, 0, &mut |statement, _| {
                let is_report = matches!(statement.kind, StatementKind::Report { .. });
                let counts = is_density(&statement.kind)
                    || (!is_report && defined(statement).iter().any(|id| set.contains(id)));
                if counts {
                    reads(statement, &mut |id| {
                        set.insert(id);
                    });
                }
            });
            if set.len() == before {
                return;
            }
        }
    }

    fn is_unknown(&self, expression: &Expression) -> bool {
        depends(expression, &self.unknown)
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Random { variable, law, .. } if self.unknown.contains(variable) => {
                self.prior(&self.variable(*variable).name, law);
            }
            StatementKind::Require { condition, .. } => self.hard(condition),
            _ => {}
        }
        let matters = is_density(&statement.kind)
            || defined(statement)
                .iter()
                .any(|id| self.relevant.contains(id));
        if !matters || matches!(statement.kind, StatementKind::Report { .. }) {
            return;
        }
        if let StatementKind::If { condition, .. } = &statement.kind
            && self.is_unknown(condition)
        {
            self.jump(condition.span);
        }
        let mut places = Vec::new();
        statement.expressions(&mut |expression| {
            expression.everywhere(&mut |part| {
                places.extend(self.place_of_jump(part, &self.unknown, &mut Visits::new(), 0));
            });
        });
        places.into_iter().for_each(|place| self.jump(place));
    }

    /// Where a value may jump while these variables move.
    fn place_of_jump(
        &self,
        part: &Expression,
        moving: &HashSet<VariableId>,
        visits: &mut Visits,
        depth: usize,
    ) -> Option<Span> {
        match &*part.kind {
            ExpressionKind::Call {
                function,
                arguments,
                ..
            } => {
                let moves = arguments.iter().map(|one| depends(one, moving)).collect();
                self.jumps_in((*function, moves, depth), visits)
                    .then_some(part.span)
            }
            _ => deciding(part)
                .filter(|it| depends(it, moving))
                .map(|it| it.span),
        }
    }

    /// Whether a function of the program jumps where these of its arguments move. Those of the library are trusted.
    fn jumps_in(&self, visit: Visit, visits: &mut Visits) -> bool {
        let (id, ref moves, depth) = visit;
        let function: &Function = &self.hir.functions[id.0 as usize];
        if function.span.file != self.file || depth > DEEPEST_CALL || visits.contains(&visit) {
            return false;
        }
        let parameters = function.parameters.iter().zip(moves);
        let mut moving: HashSet<VariableId> = parameters
            .filter(|(_, moves)| **moves)
            .map(|(parameter, _)| parameter.variable)
            .collect();
        spread(&function.body, &mut moving);
        visits.insert(visit);
        let mut jumps = false;
        all_statements(&function.body, 0, &mut |statement, _| {
            if let StatementKind::If { condition, .. } = &statement.kind {
                jumps |= depends(condition, &moving);
            }
            statement.expressions(&mut |expression| {
                expression.everywhere(&mut |part| {
                    jumps = jumps
                        || self
                            .place_of_jump(part, &moving, visits, depth + 1)
                            .is_some();
                });
            });
        });
        jumps
    }

    fn jump(&mut self, place: Span) {
        if place.file != self.file || self.found.iter().any(|one| one.labels[0].span == place) {
            return;
        }
        let text = self.sources.one_line(place);
        self.found.push(
            Diagnostic::warning("W0106", format!("the density may jump where `{text}` changes"))
                .at(place, "this depends on an unknown that is sampled")
                .help("if both sides agree at the border, all is well; else write a smooth step, such as `inv_logit(x / width)`, or make the choice a discrete unknown, which is summed out"),
        );
    }

    fn prior(&mut self, name: &str, law: &Law) {
        if law.truncated.is_some() {
            return;
        }
        match &law.call.distribution {
            DistributionRef::Flat(declared) => {
                if is_improper(&declared.support) {
                    self.found.push(
                        Diagnostic::warning("W0101", format!("the prior of `{name}` is improper: it has no integral"))
                            .at(law.span, "")
                            .help("the posterior may have none either, and there is no evidence; say how large it may be, for instance by `normal(0, 10)` or `half_normal(10)`"),
                    );
                }
            }
            DistributionRef::Item(id) => {
                let item = &self.hir.distributions[id.0 as usize];
                let argument = |wanted: &str| {
                    let names = item.parameters.iter().map(|parameter| {
                        item.variables[parameter.variable.0 as usize].name.as_str()
                    });
                    let (_, value) = names
                        .zip(&law.call.arguments)
                        .find(|(name, _)| *name == wanted)?;
                    number(value)
                };
                if let Some(how) = width(&item.name, &argument) {
                    self.found.push(
                        Diagnostic::warning("W0102", format!("the prior of `{name}` is very wide: {how}"))
                            .at(law.span, "")
                            .help("if no such values are possible, say so: a narrower prior costs nothing where data are many, and helps where they are few; evidence pays for width"),
                    );
                }
            }
            DistributionRef::Mixture(_) => {}
        }
    }

    fn hard(&mut self, condition: &Expression) {
        if !self.is_unknown(condition) || condition.span.file != self.file {
            return;
        }
        let mut is_equality = false;
        condition.everywhere(&mut |part| {
            is_equality |= matches!(&*part.kind, ExpressionKind::Operation { operation: Operation::Equal, arguments }
                if arguments.iter().any(|one| self.is_unknown(one)));
        });
        let text = self.sources.one_line(condition.span);
        let (message, help) = match is_equality {
            true => (
                format!("`{text}` holds with probability zero"),
                "an equality of unknowns is written `soft NAME: a ~= b within s`",
            ),
            false => (
                format!("`{text}` is a hard border for a sampler"),
                "if it is a law of nature, prefer a distribution that keeps it, such as `truncated(0, inf)` or `ordered`; if it is an expectation, `soft NAME: a < b within s` lets data push against it",
            ),
        };
        self.found.push(
            Diagnostic::warning("W0104", message)
                .at(condition.span, "every step across it is thrown away")
                .help(help),
        );
    }

    fn unused(&mut self) {
        let used = self.used();
        for (index, variable) in self.hir.variables.iter().enumerate() {
            let id = VariableId(index as u32);
            let is_asked = matches!(variable.kind, VariableKind::Given | VariableKind::Let)
                && variable.span.file == self.file
                && !variable.name.contains('.');
            if !is_asked || used.contains(&id) || self.gives_a_size(id, &used) {
                continue;
            }
            let help = match variable.kind {
                VariableKind::Given => "remove its `given`, or use it",
                _ => "remove it, or keep it with every draw: `report` and its name",
            };
            self.found.push(
                Diagnostic::warning("W0103", format!("nothing uses `{}`", variable.name))
                    .at(variable.span, "")
                    .help(help),
            );
        }
    }

    /// The variables that something reads, or that are kept with every draw.
    fn used(&self) -> HashSet<VariableId> {
        let mut used = HashSet::new();
        all_statements(&self.hir.statements, 0, &mut |statement, _| {
            reads(statement, &mut |id| {
                used.insert(id);
            });
            match &statement.kind {
                StatementKind::Given {
                    levels: Some(levels),
                    ..
                } => {
                    used.insert(*levels);
                }
                StatementKind::Report { .. } => used.extend(defined(statement)),
                _ => {}
            }
        });
        used
    }

    /// Whether a size that something reads can be read off no other variable than this one.
    fn gives_a_size(&self, id: VariableId, used: &HashSet<VariableId>) -> bool {
        let sizes = |id: VariableId| {
            let terms = self
                .variable(id)
                .ty
                .sizes
                .iter()
                .flat_map(|size| match size {
                    Size::Linear(terms, _) => terms.as_slice(),
                    _ => &[],
                });
            let is_size = |id: &VariableId| self.variable(*id).kind == VariableKind::Size;
            terms.map(|term| term.0).filter(is_size).collect::<Vec<_>>()
        };
        let others = (0..self.hir.variables.len() as u32)
            .map(VariableId)
            .filter(|other| {
                let kind = self.variable(*other).kind;
                let is_data = kind == VariableKind::Random
                    || (kind == VariableKind::Given && used.contains(other));
                *other != id && is_data
            });
        let known: HashSet<VariableId> = others.flat_map(sizes).collect();
        sizes(id)
            .iter()
            .any(|size| used.contains(size) && !known.contains(size))
    }
}

/// What decides about an expression whose value may jump.
fn deciding(expression: &Expression) -> Option<&Expression> {
    match &*expression.kind {
        ExpressionKind::If { condition, .. } => Some(condition),
        ExpressionKind::Operation {
            operation:
                Operation::Floor
                | Operation::Ceiling
                | Operation::Round
                | Operation::Select
                | Operation::IntSelect,
            arguments,
        } => arguments.first(),
        _ => None,
    }
}

fn is_improper(support: &Support) -> bool {
    match support {
        Support::Any | Support::Positive | Support::Nonnegative => true,
        Support::Unit | Support::Factor => false,
        Support::Between(lower, upper) => [lower, upper]
            .into_iter()
            .any(|bound| number(bound).is_some_and(f64::is_infinite)),
        Support::Structured(structure) => matches!(
            structure,
            Structure::Ordered
                | Structure::PositiveOrdered
                | Structure::SumToZero
                | Structure::Covariance
                | Structure::CholeskyCovariance
        ),
    }
}

/// How wide a prior of constants is, if it is very wide.
fn width(law: &str, argument: &dyn Fn(&str) -> Option<f64>) -> Option<String> {
    let scale = argument("sd")
        .or_else(|| argument("scale"))
        .or_else(|| argument("width"));
    match law {
        "normal" | "cauchy" | "student_t" | "logistic" | "laplace" | "gumbel" | "skew_normal"
        | "half_normal" | "half_cauchy" | "half_student_t" => {
            let scale = scale.filter(|scale| *scale >= WIDE_SCALE)?;
            Some(format!(
                "half of it lies beyond about {}",
                shown(0.67 * scale)
            ))
        }
        "lognormal" => {
            let scale = scale.filter(|scale| *scale >= WIDE_LOG_SCALE)?;
            Some(format!(
                "it spans {} powers of ten either way",
                shown((scale / 10f64.ln()).round())
            ))
        }
        "uniform" => {
            let range = argument("upper")? - argument("lower")?;
            (range >= WIDE_RANGE).then(|| format!("its bounds are {} apart", shown(range)))
        }
        "exponential" => {
            let mean = argument("mean").or_else(|| argument("rate").map(f64::recip))?;
            (mean >= WIDE_SCALE).then(|| format!("its mean is {}", shown(mean)))
        }
        "gamma" | "inv_gamma" => {
            let shape = argument("shape").filter(|shape| *shape <= SMALL_SHAPE)?;
            Some(format!(
                "of shape {shape} it is nearly improper, and nearly all of it lies at one end"
            ))
        }
        _ => None,
    }
}

fn shown(value: f64) -> String {
    if value.abs() < 1e6 {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

/// The value of an expression of constants.
fn number(expression: &Expression) -> Option<f64> {
    match &*expression.kind {
        ExpressionKind::Real(value) => Some(*value),
        ExpressionKind::Int(value) => Some(*value as f64),
        ExpressionKind::Operation {
            operation,
            arguments,
        } => {
            let values: Vec<f64> = arguments.iter().map(number).collect::<Option<_>>()?;
            match (operation, values[..].first()?, values.get(1)) {
                (Operation::Negate | Operation::IntNegate, a, _) => Some(-a),
                (Operation::IntToReal, a, _) => Some(*a),
                (Operation::Add | Operation::IntAdd, a, Some(b)) => Some(a + b),
                (Operation::Subtract | Operation::IntSubtract, a, Some(b)) => Some(a - b),
                (Operation::Multiply | Operation::IntMultiply, a, Some(b)) => Some(a * b),
                (Operation::Divide, a, Some(b)) => Some(a / b),
                (Operation::Power, a, Some(b)) => Some(a.powf(*b)),
                _ => None,
            }
        }
        _ => None,
    }
}
