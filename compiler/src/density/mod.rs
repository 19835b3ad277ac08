//! LOOPS → GRAPH: the log density on unconstrained space, in separate sums. Unknown variables are read from the position
//! through one bijection per support, whose log Jacobian is a part of its own; what is observed adds to the likelihood,
//! what is unknown to the prior.

pub(crate) mod constraints;
mod live;
pub(crate) mod lower;
mod matrices;
mod ode;
mod pointwise;
mod random;
mod scalars;
mod storage;
mod unconstrain;
mod vectors;

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::Objective;
use crate::data::interval::Ranges;
use crate::data::loops::{ArrayId, ArrayKind, Loops, Role, Statement};
use crate::math::graph::{Block, Graph, Instruction, Part};
use crate::math::structure::Structure;
use crate::source::Diagnostic;
use lower::{Lowerer, Mode};

/// Where the unknown variables lie.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Length of the position.
    pub dimension: usize,
    /// The unknown variables in the order of their statements.
    pub inferred: Vec<InferredArray>,
    /// Number of constrained values of all unknown variables.
    pub given_length: usize,
}

/// An unknown variable.
#[derive(Debug, Clone)]
pub struct InferredArray {
    /// Its array.
    pub array: ArrayId,
    /// Where its constrained values begin.
    pub given_offset: usize,
    /// Its coordinates of the position.
    pub unconstrained: Range<usize>,
    /// Whether its constrained values are its coordinates.
    pub is_identity: bool,
    /// What its vectors or matrices have in common, and their size.
    pub structure: Option<(Structure, usize)>,
}

impl Layout {
    /// The unknown variable of an array.
    pub fn of(&self, array: ArrayId) -> Option<&InferredArray> {
        self.inferred
            .iter()
            .find(|inferred| inferred.array == array)
    }
}

/// The layout of a program's unknown variables.
pub fn layout(loops: &Loops) -> Layout {
    let mut layout = Layout::default();
    collect(&loops.statements, loops, &mut layout);
    layout
}

fn collect(statements: &[Statement], loops: &Loops, layout: &mut Layout) {
    for statement in statements {
        match statement {
            Statement::For { body, .. } => collect(body, loops, layout),
            Statement::If {
                then, otherwise, ..
            } => {
                collect(then, loops, layout);
                collect(otherwise, loops, layout);
            }
            Statement::Random(random) => {
                let array = loops.array(random.variable);
                if !matches!(array.kind, ArrayKind::Random(Role::Inferred)) {
                    continue;
                }
                let is_identity =
                    unconstrain::is_identity(&random.support) && random.standard.is_none();
                if let Some(known) = layout
                    .inferred
                    .iter_mut()
                    .find(|known| known.array == random.variable)
                {
                    known.is_identity &= is_identity;
                    continue;
                }
                let vectors = array.length() / random.support.size().max(1);
                let free = vectors * random.support.free();
                let given_offset = layout.given_length;
                let unconstrained = layout.dimension..layout.dimension + free;
                layout.given_length += array.length();
                layout.dimension += free;
                layout.inferred.push(InferredArray {
                    array: random.variable,
                    given_offset,
                    unconstrained,
                    is_identity,
                    structure: random.support.structure(),
                });
            }
            _ => {}
        }
    }
}

/// The parts of the log density at a position.
///
/// # Errors
/// For the few programs that have no such graph, such as an index that an unknown decides.
pub fn log_density(loops: &Loops, ranges: &Ranges, layout: &Layout) -> Result<Graph, Diagnostic> {
    Lowerer::new(loops, ranges, layout, Mode::Density).run("density")
}

/// The same with a weight for each observed value, given by its place among [`Loops::observations`]; a term that is no
/// observed value, a `factor`, has none.
///
/// # Errors
/// As [`log_density`].
pub fn log_density_by_rows(
    loops: &Loops,
    ranges: &Ranges,
    layout: &Layout,
) -> Result<Graph, Diagnostic> {
    let mut lowerer = Lowerer::new(loops, ranges, layout, Mode::Density);
    lowerer.declare_row_weights();
    lowerer.run("density by rows")
}

/// Leaves only the parts of an objective in a log density. What only the others needed is removed with the gradient.
pub fn restrict(graph: &mut Graph, objective: Objective) {
    let is_kept = |part: Part| match objective {
        Objective::Position => true,
        Objective::Values => part != Part::Jacobian,
        Objective::Likelihood => !matches!(part, Part::Prior | Part::Jacobian),
    };
    if objective != Objective::Position {
        retain_parts(&mut graph.body, &is_kept);
    }
}

fn retain_parts(block: &mut Block, is_kept: &dyn Fn(Part) -> bool) {
    block.instructions.retain_mut(|instruction| {
        match instruction {
            Instruction::AddPart { part, .. } => return is_kept(*part),
            Instruction::Loop { body, .. } => retain_parts(body, is_kept),
            Instruction::If {
                then, otherwise, ..
            } => {
                retain_parts(then, is_kept);
                retain_parts(otherwise, is_kept);
            }
            _ => {}
        }
        true
    });
}
