//! The shape of the draws of a law of vectors or matrices, wanted before the statement with the law is reached: storage of a
//! variable is made where its first definition begins, and that may be several loops further out. The law is therefore
//! expanded once by itself, at the place where it stands: inside blocks for all the loops around it, with the values that these
//! define, and what is written there is thrown away. Outside of its loops an index would be a number that is not there.

use super::expand::{BlockKind, Expander, Outcome};
use crate::check::hir::{
    Element, Expression, Law, RandomIndex, Statement, StatementKind, VariableId, VariableKind,
};
use crate::check::walk::all_statements;

impl<'a> Expander<'a> {
    /// The shape of the draws of the first law of `wanted` in the model; `None` where there is no such law.
    pub(super) fn shape_of_draw(&mut self, wanted: VariableId) -> Outcome<Option<Vec<usize>>> {
        let bindings = self.frame().bindings.clone();
        let shape = self.shape_of_first_law(&self.hir.statements, wanted, 0);
        self.frame().bindings = bindings;
        shape
    }

    /// The same among statements that stand in a number of loops.
    fn shape_of_first_law(
        &mut self,
        statements: &'a [Statement],
        wanted: VariableId,
        loops: usize,
    ) -> Outcome<Option<Vec<usize>>> {
        for statement in statements {
            let found = match &statement.kind {
                StatementKind::For {
                    index,
                    lower,
                    upper,
                    body,
                } if draws(body, wanted) => {
                    self.open_round(*index, lower, upper)?;
                    let found = self.shape_of_first_law(body, wanted, loops + 1);
                    self.close();
                    found?
                }
                StatementKind::If {
                    condition,
                    then,
                    otherwise,
                } if draws(then, wanted) || draws(otherwise, wanted) => {
                    let mut found = None;
                    for branch in self.live_branches(condition, [then, otherwise]) {
                        if found.is_none() {
                            found = self.shape_of_first_law(branch, wanted, loops)?;
                        }
                    }
                    found
                }
                StatementKind::Random {
                    variable,
                    indices,
                    law,
                } if *variable == wanted => Some(self.shape_at(indices, law)?),
                // What the law may read, and only this round defines.
                StatementKind::Let { indices, .. } if loops > 0 && indices.is_empty() => {
                    self.statement(statement)?;
                    None
                }
                StatementKind::LetTuple { .. } if loops > 0 => {
                    self.statement(statement)?;
                    None
                }
                _ => None,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Opens a block for any round of a loop.
    fn open_round(
        &mut self,
        variable: VariableId,
        lower: &'a Expression,
        upper: &'a Expression,
    ) -> Outcome<()> {
        let binder = self.enter_round(variable, lower, upper)?;
        self.open(BlockKind::Over(vec![binder.index]));
        Ok(())
    }

    /// The shape of one draw of a law, under the ranges among its indices.
    fn shape_at(&mut self, indices: &'a [RandomIndex], law: &'a Law) -> Outcome<Vec<usize>> {
        let outside = self.blocks.len();
        let shape = self.shape_in_ranges(indices, law);
        while self.blocks.len() > outside {
            self.close();
        }
        shape
    }

    fn shape_in_ranges(&mut self, indices: &'a [RandomIndex], law: &'a Law) -> Outcome<Vec<usize>> {
        for index in indices {
            if let RandomIndex::Over {
                variable,
                lower,
                upper,
            } = index
            {
                self.open_round(*variable, lower, upper)?;
            }
        }
        let values = self.law_arguments(&law.call)?;
        let entered = self.enter(&law.call, values)?;
        let shape = self.draw_shape(&entered);
        self.leave(&entered);
        shape
    }

    /// The branches that may be taken: one of them, where the data decide.
    pub(super) fn live_branches(
        &mut self,
        condition: &'a Expression,
        [then, otherwise]: [&'a [Statement]; 2],
    ) -> Vec<&'a [Statement]> {
        let variables = self.frames.last().expect("a frame").variables;
        let mut differs_by_round = false;
        condition.variables(0, &mut |id, _| {
            let kind = variables[id.0 as usize].kind;
            differs_by_round |= kind == VariableKind::Index;
        });
        if differs_by_round {
            return vec![then, otherwise];
        }
        self.open(BlockKind::Straight);
        let holds = self
            .scalar(condition)
            .and_then(|holds| self.folded(holds, Element::Bool));
        self.close();
        match holds.ok().and_then(|holds| holds.as_bool()) {
            Some(true) => vec![then],
            Some(false) => vec![otherwise],
            None => vec![then, otherwise],
        }
    }
}

/// Whether a variable is drawn somewhere among these statements.
fn draws(statements: &[Statement], wanted: VariableId) -> bool {
    let mut found = false;
    all_statements(statements, 0, &mut |statement, _| {
        found |= matches!(&statement.kind, StatementKind::Random { variable, .. } if *variable == wanted);
    });
    found
}
