//! The printed form of bound programs: `likelier show loops`.

use super::loops::{
    ArrayKind, Binder, DenseKind, Loops, Node, Place, Role, Scalar, Standard, Statement, Support,
    Term,
};
use crate::math::graph::Part;

/// A program as text.
pub fn print(loops: &Loops) -> String {
    let mut printer = Printer {
        names: names(loops),
        loops,
        text: String::new(),
        depth: 0,
    };
    for (id, array) in loops.arrays.iter().enumerate() {
        let kind = match &array.kind {
            ArrayKind::Real(_) => "data",
            ArrayKind::Int(_) => "int data",
            ArrayKind::Let => "let",
            ArrayKind::Var => "var",
            ArrayKind::Random(Role::Inferred) => "inferred",
            ArrayKind::Random(Role::Simulated) => "simulated",
            ArrayKind::Argument => "argument",
            ArrayKind::Random(Role::SummedOut) => "summed out",
        };
        let line = format!("{kind} {}{}", printer.names[id], shape(&array.shape));
        printer.line(&line);
    }
    for equation in &loops.equations {
        let (point, derivative) = (equation.point.0 as usize, equation.derivative.0 as usize);
        let line = format!(
            "equation {} of {} for {}",
            equation.name, printer.names[point], printer.names[derivative]
        );
        printer.line(&line);
        printer.inner(&equation.statements);
    }
    for summed in &loops.summed_out {
        let name = &printer.names[summed.array.0 as usize];
        let line = format!("# {name} is summed out {}", summed.how);
        printer.line(&line);
    }
    printer.statements(&loops.statements);
    if let Some(outputs) = &loops.outputs {
        printer.line("outputs of a draw");
        printer.inner(outputs);
    }
    for report in &loops.reports {
        printer.line(&format!("report {}", report.name));
    }
    printer.text
}

fn shape(shape: &[usize]) -> String {
    if shape.is_empty() {
        String::new()
    } else {
        format!("{shape:?}")
    }
}

/// The names of all arrays; helpers that share one are numbered.
fn names(loops: &Loops) -> Vec<String> {
    let mut seen = std::collections::HashMap::new();
    let mut names = Vec::new();
    for array in &loops.arrays {
        let count = seen.entry(&array.name).or_insert(0);
        *count += 1;
        names.push(match count {
            1 => array.name.clone(),
            n => format!("{}.{n}", array.name),
        });
    }
    names
}

fn index_name(loops: &Loops, index: super::loops::IndexId) -> &str {
    match loops.indices[index.0 as usize].as_str() {
        super::expand::UNNAMED => "i",
        name => name,
    }
}

struct Printer<'a> {
    names: Vec<String>,
    loops: &'a Loops,
    text: String,
    depth: usize,
}

impl Printer<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(&"  ".repeat(self.depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn inner(&mut self, statements: &[Statement]) {
        self.depth += 1;
        self.statements(statements);
        self.depth -= 1;
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::For { binder, body } => {
                    let line = format!("for {}", self.binder(binder));
                    self.line(&line);
                    self.inner(body);
                }
                Statement::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    let line = format!("if {}", self.scalar(condition));
                    self.line(&line);
                    self.inner(then);
                    if !otherwise.is_empty() {
                        self.line("else");
                        self.inner(otherwise);
                    }
                }
                Statement::Store {
                    array,
                    indices,
                    value,
                } => {
                    let line = format!(
                        "{}{} = {}",
                        self.names[array.0 as usize],
                        self.indices(indices),
                        self.scalar(value)
                    );
                    self.line(&line);
                }
                Statement::Dense {
                    operation,
                    inputs,
                    output,
                } => {
                    let inputs: Vec<String> =
                        inputs.iter().map(|place| self.place(place)).collect();
                    let name = match operation {
                        DenseKind::Product { .. } => "product",
                        DenseKind::Cholesky { .. } => "cholesky",
                        DenseKind::SolveLower { .. } => "solve_lower",
                        DenseKind::SolveLowerTransposed { .. } => "solve_lower_transposed",
                        DenseKind::MultiNormal { .. } => "multi_normal",
                        DenseKind::Packed(operation) => operation.name(),
                        DenseKind::Ode(_) => "ode",
                    };
                    let mut arguments = inputs;
                    if let DenseKind::Ode(ode) = operation {
                        let equation = &self.loops.equations[ode.equation as usize];
                        arguments.insert(0, equation.name.clone());
                    }
                    let line = format!("{} = {name}({})", self.place(output), arguments.join(", "));
                    self.line(&line);
                }
                Statement::Random(random) => {
                    let what = if random.observed { "observe" } else { "draw" };
                    let name = &self.names[random.variable.0 as usize];
                    let line = format!(
                        "{what} {name}{} on {}",
                        self.indices(&random.indices),
                        self.support(&random.support)
                    );
                    self.line(&line);
                    self.depth += 1;
                    if let Some(Standard { centre, width }) = &random.standard {
                        let (centre, width) = (self.scalar(centre), self.scalar(width));
                        self.line(&format!("coordinate {centre} + {width} * standard"));
                    }
                    self.term(&random.density);
                    if let Some(sample) = &random.sample {
                        self.line("sample");
                        self.inner(sample);
                    }
                    self.depth -= 1;
                }
                Statement::Term(term) => {
                    let line = match term.part {
                        Part::Soft(k) => format!("constraint {}", k + 1),
                        Part::Likelihood => "condition".to_string(),
                        Part::Prior | Part::Jacobian => "prior".to_string(),
                    };
                    self.line(&line);
                    self.depth += 1;
                    self.term(term);
                    self.depth -= 1;
                }
            }
        }
    }

    fn term(&mut self, term: &Term) {
        self.statements(&term.statements);
        for condition in &term.domain {
            let line = format!("where {}", self.scalar(&condition.holds));
            self.line(&line);
        }
        let line = format!("log density {}", self.scalar(&term.value));
        self.line(&line);
    }

    fn support(&self, support: &Support) -> String {
        let bound = |bound: &Option<Scalar>, open: &str| {
            bound
                .as_ref()
                .map_or(open.to_string(), |bound| self.scalar(bound))
        };
        match support {
            Support::Interval { lower, upper, int } => {
                let kind = if *int { "int" } else { "real" };
                format!(
                    "{kind} in ({}, {})",
                    bound(lower, "-inf"),
                    bound(upper, "inf")
                )
            }
            Support::Ordered { size, lower, upper } => format!(
                "ordered[{size}] in ({}, {})",
                bound(lower, "-inf"),
                bound(upper, "inf")
            ),
            Support::Array {
                binders,
                lower,
                upper,
            } => {
                let sizes: Vec<String> = binders
                    .iter()
                    .map(|binder| self.scalar(&binder.upper))
                    .collect();
                let bounds = match (lower, upper) {
                    (None, None) => String::new(),
                    _ => format!(" in ({}, {})", bound(lower, "-inf"), bound(upper, "inf")),
                };
                format!("real[{}]{bounds}", sizes.join(", "))
            }
            Support::Structured { structure, size } => format!("{}[{size}]", structure.name()),
        }
    }

    fn place(&self, place: &Place) -> String {
        format!(
            "{}{}",
            self.names[place.array.0 as usize],
            self.indices(&place.prefix)
        )
    }

    fn indices(&self, indices: &[Scalar]) -> String {
        if indices.is_empty() {
            return String::new();
        }
        let shown: Vec<String> = indices.iter().map(|index| self.scalar(index)).collect();
        format!("[{}]", shown.join(", "))
    }

    fn binder(&self, binder: &Binder) -> String {
        let name = index_name(self.loops, binder.index);
        format!(
            "{name}{} in {}..{}",
            binder.index.0,
            self.scalar(&binder.lower),
            self.scalar(&binder.upper)
        )
    }

    fn scalar(&self, scalar: &Scalar) -> String {
        match &*scalar.0 {
            Node::Real(value) => format!("{value:?}"),
            Node::Int(value) => value.to_string(),
            Node::Bool(value) => value.to_string(),
            Node::Index(index) => format!("{}{}", index_name(self.loops, *index), index.0),
            Node::Element { array, indices, .. } => {
                format!("{}{}", self.names[array.0 as usize], self.indices(indices))
            }
            Node::Operation {
                operation,
                arguments,
            } => {
                let shown: Vec<String> = arguments
                    .iter()
                    .map(|argument| self.scalar(argument))
                    .collect();
                format!("{}({})", operation.entry().name, shown.join(", "))
            }
            Node::Reduce {
                reducer,
                binders,
                body,
            } => {
                let name = reducer.name();
                let binders: Vec<String> =
                    binders.iter().map(|binder| self.binder(binder)).collect();
                format!("{name}({} for {})", self.scalar(body), binders.join(", "))
            }
            Node::If {
                condition,
                then,
                otherwise,
            } => {
                format!(
                    "(if {} then {} else {})",
                    self.scalar(condition),
                    self.scalar(then),
                    self.scalar(otherwise)
                )
            }
            Node::Draw { draw, arguments } => {
                let shown: Vec<String> = arguments
                    .iter()
                    .map(|argument| self.scalar(argument))
                    .collect();
                format!("draw {draw:?}({})", shown.join(", "))
            }
        }
    }
}
