//! Which arrays depend on the discrete unknowns, and where the others stop: what the density has to sum over, and what
//! can only be computed once the discrete unknowns have been drawn.

use std::collections::HashSet;

use super::super::fold::{dense_inputs, stored_arrays};
use super::super::loops::{
    ArrayId, ArrayKind, Loops, Node, Random, Role, Scalar, Standard, Statement, Term,
    walk_statements, walk_support,
};
use crate::math::graph::Part;

/// Arrays that depend on discrete unknowns.
pub(super) struct Taint {
    /// The discrete unknowns themselves.
    pub discrete: HashSet<ArrayId>,
    /// They and what is computed from them.
    pub tainted: HashSet<ArrayId>,
    /// They, what is computed from them, and what is simulated with them.
    pub late: HashSet<ArrayId>,
}

impl Taint {
    /// Follows the discrete unknowns through the program.
    pub fn of(loops: &Loops) -> Taint {
        let discrete: HashSet<ArrayId> = (0..loops.arrays.len())
            .map(|i| ArrayId(i as u32))
            .filter(|id| matches!(loops.array(*id).kind, ArrayKind::Random(Role::SummedOut)))
            .collect();
        let close = |simulated: bool| {
            let mut set = discrete.clone();
            loop {
                let before = set.len();
                spread(&loops.statements, loops, simulated, &mut set);
                if set.len() == before {
                    return set;
                }
            }
        };
        Taint {
            tainted: close(false),
            late: close(true),
            discrete,
        }
    }

    /// Whether a scalar reads a discrete unknown, directly or through others.
    pub fn reads(&self, scalar: &Scalar) -> bool {
        reads(scalar, &self.tainted)
    }

    /// Whether a term does.
    pub fn term_reads(&self, term: &Term) -> bool {
        let mut found = false;
        super::super::loops::walk_term(term, &mut |scalar| found |= self.reads(scalar));
        dense_inputs(&term.statements, &mut |place| {
            found |= self.tainted.contains(&place.array)
        });
        found
    }

    /// Whether the support of a random variable does.
    pub fn support_reads(&self, random: &Random) -> bool {
        let mut found = false;
        walk_support(&random.support, &mut |bound| found |= self.reads(bound));
        found
    }

    /// Coordinates that discrete unknowns would shift or stretch stay as they are: a position is read before those are known.
    pub fn keep_natural(&self, statements: &mut [Statement]) {
        for statement in statements {
            match statement {
                Statement::For { body, .. } => self.keep_natural(body),
                Statement::If {
                    then, otherwise, ..
                } => {
                    self.keep_natural(then);
                    self.keep_natural(otherwise);
                }
                Statement::Random(random) => {
                    let reads = |standard: &Standard| {
                        self.reads(&standard.centre) || self.reads(&standard.width)
                    };
                    random.standard = random.standard.take().filter(|found| !reads(found));
                }
                _ => {}
            }
        }
    }

    /// Splits statements into those that can run before the discrete unknowns are known and those that cannot, constraints
    /// among them, which reports ask for. Other terms, what is observed and the laws of the discrete unknowns are in neither.
    pub fn split(
        &self,
        statements: &[Statement],
        loops: &Loops,
    ) -> (Vec<Statement>, Vec<Statement>) {
        let (mut early, mut late) = (Vec::new(), Vec::new());
        for statement in statements {
            match statement {
                Statement::For { binder, body } => {
                    let (first, second) = self.split(body, loops);
                    for (part, into) in [(first, &mut early), (second, &mut late)] {
                        if !part.is_empty() {
                            into.push(Statement::For {
                                binder: binder.clone(),
                                body: part,
                            });
                        }
                    }
                }
                Statement::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    if reads(condition, &self.late) {
                        late.push(statement.clone());
                        continue;
                    }
                    let (then_early, then_late) = self.split(then, loops);
                    let (else_early, else_late) = self.split(otherwise, loops);
                    for (then, otherwise, into) in [
                        (then_early, else_early, &mut early),
                        (then_late, else_late, &mut late),
                    ] {
                        if !then.is_empty() || !otherwise.is_empty() {
                            into.push(Statement::If {
                                condition: condition.clone(),
                                then,
                                otherwise,
                            });
                        }
                    }
                }
                Statement::Term(term) => {
                    if matches!(term.part, Part::Soft(_)) {
                        late.push(statement.clone());
                    }
                }
                Statement::Random(random)
                    if random.observed || self.discrete.contains(&random.variable) => {}
                Statement::Random(random) => match loops.array(random.variable).kind {
                    ArrayKind::Random(Role::Simulated) if self.late.contains(&random.variable) => {
                        late.push(statement.clone());
                    }
                    _ => early.push(statement.clone()),
                },
                Statement::Store { array, .. } if self.late.contains(array) => {
                    late.push(statement.clone());
                }
                Statement::Dense { output, .. } if self.late.contains(&output.array) => {
                    late.push(statement.clone());
                }
                Statement::Store { .. } | Statement::Dense { .. } => early.push(statement.clone()),
            }
        }
        (early, late)
    }
}

/// Whether a scalar reads one of the arrays.
fn reads(scalar: &Scalar, set: &HashSet<ArrayId>) -> bool {
    let mut found = false;
    scalar.walk(&mut |node| {
        if let Node::Element { array, .. } = &*node.0 {
            found |= set.contains(array);
        }
    });
    found
}

/// One pass: what is stored from arrays of the set, or under a condition on them, joins it.
fn spread(statements: &[Statement], loops: &Loops, simulated: bool, set: &mut HashSet<ArrayId>) {
    for statement in statements {
        match statement {
            Statement::For { body, .. } => spread(body, loops, simulated, set),
            Statement::If {
                condition,
                then,
                otherwise,
            } => {
                if reads(condition, set) {
                    branch_arrays(then, loops, simulated, set);
                    branch_arrays(otherwise, loops, simulated, set);
                }
                spread(then, loops, simulated, set);
                spread(otherwise, loops, simulated, set);
            }
            Statement::Store {
                array,
                indices,
                value,
            } => {
                if reads(value, set) || indices.iter().any(|index| reads(index, set)) {
                    set.insert(*array);
                }
            }
            Statement::Dense { inputs, output, .. } => {
                if inputs.iter().any(|place| {
                    set.contains(&place.array) || place.prefix.iter().any(|index| reads(index, set))
                }) {
                    set.insert(output.array);
                }
            }
            Statement::Random(random) => {
                spread(&random.density.statements, loops, simulated, set);
                let is_simulated = matches!(
                    loops.array(random.variable).kind,
                    ArrayKind::Random(Role::Simulated)
                );
                if let (true, true, Some(sample)) = (simulated, is_simulated, &random.sample) {
                    let mut found = false;
                    walk_statements(sample, &mut |scalar| found |= reads(scalar, set));
                    dense_inputs(sample, &mut |place| found |= set.contains(&place.array));
                    if found {
                        set.insert(random.variable);
                    }
                }
            }
            Statement::Term(term) => spread(&term.statements, loops, simulated, set),
        }
    }
}

/// What the statements of a branch store, and what they simulate.
fn branch_arrays(
    statements: &[Statement],
    loops: &Loops,
    simulated: bool,
    set: &mut HashSet<ArrayId>,
) {
    for statement in statements {
        match statement {
            Statement::For { body, .. } => branch_arrays(body, loops, simulated, set),
            Statement::If {
                then, otherwise, ..
            } => {
                branch_arrays(then, loops, simulated, set);
                branch_arrays(otherwise, loops, simulated, set);
            }
            Statement::Random(random) => {
                let is_simulated = matches!(
                    loops.array(random.variable).kind,
                    ArrayKind::Random(Role::Simulated)
                );
                if simulated && is_simulated {
                    set.insert(random.variable);
                }
                stored_arrays(&random.density.statements, set);
            }
            other => stored_arrays(std::slice::from_ref(other), set),
        }
    }
}
