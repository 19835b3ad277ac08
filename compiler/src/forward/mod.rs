//! LOOPS → GRAPH: the same loops run forwards. A start draws the unknowns from their prior; outputs are what is kept of a
//! draw: the unknowns, the reports, and simulations of what nothing conditions; the inverse takes given values to a
//! position.

use crate::data::interval::Ranges;
use crate::data::loops::{ArrayId, ArrayKind, Loops, Node, Role, Scalar, Statement};
use crate::density::Layout;
use crate::density::constraints::REPORTED;
use crate::density::lower::{Lowerer, Mode};
use crate::math::graph::Graph;
use crate::source::Diagnostic;

/// What an array of the outputs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// An unknown variable.
    Inferred,
    /// A derived quantity.
    Report,
    /// Drawn forward.
    Simulated,
    /// A discrete unknown, drawn from its law given the data and the other unknowns.
    SummedOut,
}

/// An array of the outputs; its elements follow one another, last index fastest.
#[derive(Debug, Clone)]
pub struct OutputColumn {
    /// The array.
    pub array: ArrayId,
    /// Its name in results.
    pub name: String,
    /// What it is.
    pub kind: OutputKind,
}

/// Random numbers → a position drawn from the prior; coordinates uniform on (−2, 2) where the prior is improper.
///
/// # Errors
/// As [`crate::density::log_density`].
pub fn start(loops: &Loops, ranges: &Ranges, layout: &Layout) -> Result<Graph, Diagnostic> {
    Lowerer::new(loops, ranges, layout, Mode::Start).run("start")
}

/// Constrained values of all unknown variables → their position.
///
/// # Errors
/// As [`crate::density::log_density`].
pub fn unconstrain(loops: &Loops, ranges: &Ranges, layout: &Layout) -> Result<Graph, Diagnostic> {
    Lowerer::new(loops, ranges, layout, Mode::Unconstrain).run("unconstrain")
}

/// Position and random numbers → what is kept of a draw, with what that is.
///
/// # Errors
/// As [`crate::density::log_density`], and for a simulated variable whose law has no sampler.
pub fn outputs(
    loops: &Loops,
    ranges: &Ranges,
    layout: &Layout,
) -> Result<(Graph, Vec<OutputColumn>), Diagnostic> {
    let mut columns = Vec::new();
    for inferred in &layout.inferred {
        let name = loops.array(inferred.array).name.clone();
        columns.push(OutputColumn {
            array: inferred.array,
            name,
            kind: OutputKind::Inferred,
        });
    }
    for summed in &loops.summed_out {
        columns.push(OutputColumn {
            array: summed.array,
            name: loops.array(summed.array).name.clone(),
            kind: OutputKind::SummedOut,
        });
    }
    results(loops, ranges, layout, Mode::Outputs, columns)
}

/// Constrained values of the unknowns and random numbers → reports and what is simulated, with what that is. Without
/// unknowns, this draws from the prior.
///
/// # Errors
/// As [`outputs`].
pub fn predict(
    loops: &Loops,
    ranges: &Ranges,
    layout: &Layout,
) -> Result<(Graph, Vec<OutputColumn>), Diagnostic> {
    results(loops, ranges, layout, Mode::Predict, Vec::new())
}

/// Constrained values of the unknowns → the log density of each draw of each of [`Loops::observations`].
///
/// # Errors
/// As [`crate::density::log_density`].
pub fn pointwise(loops: &Loops, ranges: &Ranges, layout: &Layout) -> Result<Graph, Diagnostic> {
    each_observation(loops, ranges, layout, Mode::Pointwise)
}

/// Position → the log density of each draw of each of [`Loops::observations`].
///
/// # Errors
/// As [`crate::density::log_density`].
pub fn rows(loops: &Loops, ranges: &Ranges, layout: &Layout) -> Result<Graph, Diagnostic> {
    each_observation(loops, ranges, layout, Mode::Rows)
}

fn each_observation(
    loops: &Loops,
    ranges: &Ranges,
    layout: &Layout,
    mode: Mode,
) -> Result<Graph, Diagnostic> {
    let mut lowerer = Lowerer::new(loops, ranges, layout, mode);
    lowerer.declare_pointwise();
    lowerer.program()?;
    Ok(lowerer.finish("pointwise"))
}

/// Random numbers → reports, what is simulated, and after all of these the log potential of each constraint.
///
/// # Errors
/// As [`outputs`].
pub fn simulate(
    loops: &Loops,
    ranges: &Ranges,
    layout: &Layout,
) -> Result<(Graph, Vec<OutputColumn>), Diagnostic> {
    results(loops, ranges, layout, Mode::Simulate, Vec::new())
}

/// Constrained values of the unknowns → the penalty of each constraint and, of each of its comparisons, [`REPORTED`]
/// numbers.
///
/// # Errors
/// As [`crate::density::log_density`].
pub fn constraints(loops: &Loops, ranges: &Ranges, layout: &Layout) -> Result<Graph, Diagnostic> {
    let mut lowerer = Lowerer::new(loops, ranges, layout, Mode::Constraints);
    let numbers = loops.constraints.iter();
    lowerer.declare_output(numbers.map(|one| 1 + REPORTED * one.comparisons).sum());
    lowerer.begin_constraints();
    lowerer.program()?;
    lowerer.keep_report();
    Ok(lowerer.finish("constraints"))
}

/// The given columns, reports and simulated variables.
fn results(
    loops: &Loops,
    ranges: &Ranges,
    layout: &Layout,
    mode: Mode,
    mut columns: Vec<OutputColumn>,
) -> Result<(Graph, Vec<OutputColumn>), Diagnostic> {
    let column = |array: ArrayId, name: &str, kind| OutputColumn {
        array,
        name: name.to_string(),
        kind,
    };
    let named = |array: ArrayId| loops.array(array).name.clone();
    for report in &loops.reports {
        columns.push(column(report.array, &report.name, OutputKind::Report));
    }
    let mut simulated = Vec::new();
    find_simulated(&loops.statements, loops, &mut simulated);
    for array in simulated {
        columns.push(column(array, &named(array), OutputKind::Simulated));
    }
    let length: usize = columns
        .iter()
        .map(|column| loops.array(column.array).length())
        .sum();
    let potentials = match mode {
        Mode::Simulate => loops.constraints.len(),
        _ => 0,
    };
    let mut lowerer = Lowerer::new(loops, ranges, layout, mode);
    lowerer.declare_output(length + potentials);
    if mode == Mode::Simulate {
        lowerer.begin_constraints();
    }
    lowerer.program()?;
    let mut offset = 0;
    for column in &columns {
        lowerer.keep(column.array, offset)?;
        offset += loops.array(column.array).length();
    }
    if mode == Mode::Simulate {
        lowerer.keep_potentials(offset);
    }
    Ok((lowerer.finish("outputs"), columns))
}

fn find_simulated(statements: &[Statement], loops: &Loops, found: &mut Vec<ArrayId>) {
    for statement in statements {
        match statement {
            Statement::For { body, .. } => find_simulated(body, loops, found),
            Statement::If {
                then, otherwise, ..
            } => {
                find_simulated(then, loops, found);
                find_simulated(otherwise, loops, found);
            }
            Statement::Random(random) => {
                let simulated = matches!(
                    loops.array(random.variable).kind,
                    ArrayKind::Random(Role::Simulated)
                );
                if simulated && !found.contains(&random.variable) {
                    found.push(random.variable);
                }
            }
            _ => {}
        }
    }
}

impl Lowerer<'_> {
    /// Copies an array to the output.
    fn keep(&mut self, array: ArrayId, offset: usize) -> Result<(), Diagnostic> {
        let output = self.output.expect("this graph has an output");
        let declared = self.loops.array(array);
        let target = self.builder.int(offset as i64);
        if declared.shape.is_empty() {
            let node = Node::Element {
                array,
                indices: Vec::new(),
                span: declared.span,
            };
            let value = self.element_of(Scalar(std::rc::Rc::new(node)))?;
            self.builder.store(output, target, value);
            return Ok(());
        }
        let (buffer, first) = self.buffer(array);
        let source = self.builder.int(first as i64);
        self.copy(declared.length(), buffer, source, output, target);
        Ok(())
    }
}
