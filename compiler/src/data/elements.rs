//! Values that are defined element by element: their storage has the shape that all definitions together need, found
//! from the ranges of their indices before anything is expanded.

use std::collections::HashMap;

use super::expand::{Expander, Failure, Outcome};
use super::interval::Interval;
use super::loops::{ArrayId, ArrayKind, Statement};
use crate::check::hir::{
    self, Element, ExpressionKind, RandomIndex, StatementKind, VariableId, VariableKind,
};
use crate::check::walk::all_statements;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

impl<'a> Expander<'a> {
    pub(super) fn let_element(
        &mut self,
        variable: VariableId,
        indices: &'a [hir::Expression],
        value: &'a hir::Expression,
        span: Span,
    ) -> Outcome<()> {
        let array = self.element_storage(variable)?;
        let mut at = Vec::new();
        for index in indices {
            at.push(self.scalar(index)?);
        }
        let value = self.scalar(value)?;
        let value = self.keep(
            &self.hir.variables[variable.0 as usize].name.clone(),
            value,
            Element::Real,
            span,
        )?;
        self.ranges.arrays.insert(array, Interval::ALL);
        let range = self.range(&value);
        let (count, joined) = self.definitions.entry(array).or_insert((0, None));
        *count += 1;
        *joined = Some(joined.map_or(range, |joined: Interval| joined.join(range)));
        let (seen, range) = (*count, joined.unwrap_or(Interval::ALL));
        if seen == self.definition_count(variable) {
            self.ranges.arrays.insert(array, range);
        }
        self.emit(Statement::Store {
            array,
            indices: at,
            value,
        });
        Ok(())
    }

    pub(super) fn definition_count(&self, wanted: VariableId) -> usize {
        let mut count = 0;
        all_statements(&self.hir.statements, 0, &mut |statement, _| {
            count += usize::from(
                matches!(&statement.kind, StatementKind::Let { variable, .. } if *variable == wanted),
            );
        });
        count
    }

    /// Whether several statements draw elements of a variable.
    pub(super) fn is_drawn_in_pieces(&self, wanted: VariableId) -> bool {
        let mut count = 0;
        all_statements(&self.hir.statements, 0, &mut |statement, _| {
            count += usize::from(
                matches!(&statement.kind, StatementKind::Random { variable, .. } if *variable == wanted),
            );
        });
        count > 1
    }

    /// The array of a variable that is defined element by element; its shape is what all definitions need.
    pub(super) fn element_storage(&mut self, variable: VariableId) -> Outcome<ArrayId> {
        if let Some(array) = self.arrays_of.get(&variable) {
            return Ok(*array);
        }
        let declared = &self.hir.variables[variable.0 as usize];
        let mut shape = self.shape_of_elements(variable)?;
        let lengths = shape
            .iter()
            .map(|&length| i64::try_from(length).unwrap_or(i64::MAX));
        self.check_size(lengths, declared.span)?;
        if shape.len() < declared.ty.rank() {
            shape.extend(self.shape_of_draw(variable)?.ok_or(Failure::Silent)?);
        }
        let element = declared.ty.element;
        let array = match declared.kind {
            VariableKind::Random => self.unknown_storage(variable, shape)?,
            _ => self.array(declared.name.clone(), shape, ArrayKind::Let, declared.span),
        };
        self.arrays_of.insert(variable, array);
        let value = self.stored_value(array, element, declared.span);
        self.frame().bind(variable, value);
        Ok(array)
    }

    pub(super) fn shape_of_elements(&mut self, wanted: VariableId) -> Outcome<Vec<usize>> {
        let mut shape: Vec<i64> = Vec::new();
        let mut environment = HashMap::new();
        self.extents(&self.hir.statements, wanted, &mut environment, &mut shape)?;
        Ok(shape
            .into_iter()
            .map(|length| usize::try_from(length).unwrap_or(0))
            .collect())
    }

    /// Widens `shape` by every definition of an element of `wanted`.
    pub(super) fn extents(
        &mut self,
        statements: &'a [hir::Statement],
        wanted: VariableId,
        environment: &mut HashMap<VariableId, (i64, i64)>,
        shape: &mut Vec<i64>,
    ) -> Outcome<()> {
        for statement in statements {
            match &statement.kind {
                StatementKind::For {
                    index,
                    lower,
                    upper,
                    body,
                } => {
                    let low = self.int_range(lower, environment);
                    let high = self.int_range(upper, environment);
                    if let (Some(low), Some(high)) = (low, high) {
                        if high.1 < low.0 {
                            continue;
                        }
                        environment.insert(*index, (low.0, high.1));
                    }
                    self.extents(body, wanted, environment, shape)?;
                }
                StatementKind::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    for branch in self.live_branches(condition, [then, otherwise]) {
                        self.extents(branch, wanted, environment, shape)?;
                    }
                }
                StatementKind::Let {
                    variable, indices, ..
                } if *variable == wanted => {
                    for (axis, index) in indices.iter().enumerate() {
                        self.widen(index, axis, environment, shape)?;
                    }
                }
                StatementKind::Random {
                    variable, indices, ..
                } if *variable == wanted => {
                    for (axis, index) in indices.iter().enumerate() {
                        match index {
                            RandomIndex::At(index) => {
                                self.widen(index, axis, environment, shape)?
                            }
                            RandomIndex::Over { upper, .. } => {
                                self.widen(upper, axis, environment, shape)?
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn widen(
        &mut self,
        index: &'a hir::Expression,
        axis: usize,
        environment: &HashMap<VariableId, (i64, i64)>,
        shape: &mut Vec<i64>,
    ) -> Outcome<()> {
        let Some((_, high)) = self.int_range(index, environment) else {
            return Err(Diagnostic::error(
                "E0433",
                "how many elements this defines cannot be told",
            )
            .at(
                index.span,
                "the largest value of this index is not known before the model runs",
            )
            .help("an index on the left of `~` or of `let` is made of sizes, loop indices and ints of the data: loop over the elements, `for i in 1..N { x[i] ~ … }`")
            .into());
        };
        if shape.len() <= axis {
            shape.resize(axis + 1, 0);
        }
        shape[axis] = shape[axis].max(high);
        Ok(())
    }

    /// The range of an int expression over sizes and loop indices.
    pub(super) fn int_range(
        &mut self,
        e: &'a hir::Expression,
        environment: &HashMap<VariableId, (i64, i64)>,
    ) -> Option<(i64, i64)> {
        match &*e.kind {
            ExpressionKind::Int(value) => Some((*value, *value)),
            ExpressionKind::Variable(id) => match environment.get(id) {
                Some(range) => Some(*range),
                None => self.known_int(e),
            },
            ExpressionKind::Operation {
                operation,
                arguments,
            } => {
                let a = self.int_range(&arguments[0], environment)?;
                let b = match arguments.get(1) {
                    Some(b) => self.int_range(b, environment)?,
                    None => (0, 0),
                };
                Some(match operation {
                    Operation::IntAdd => (a.0.saturating_add(b.0), a.1.saturating_add(b.1)),
                    Operation::IntSubtract => (a.0.saturating_sub(b.1), a.1.saturating_sub(b.0)),
                    Operation::IntNegate => (-a.1, -a.0),
                    Operation::IntMinimum => (a.0.min(b.0), a.1.min(b.1)),
                    Operation::IntMaximum => (a.0.max(b.0), a.1.max(b.1)),
                    Operation::IntMultiply => {
                        let ends = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
                        (*ends.iter().min()?, *ends.iter().max()?)
                    }
                    _ => return self.known_int(e),
                })
            }
            ExpressionKind::Index { base, .. } => {
                self.known_int(e).or_else(|| self.range_of_data(base))
            }
            _ => self.known_int(e),
        }
    }

    /// The range of the ints of a data array.
    fn range_of_data(&self, base: &hir::Expression) -> Option<(i64, i64)> {
        let ExpressionKind::Variable(id) = &*base.kind else {
            return None;
        };
        let ArrayKind::Int(numbers) = &self.loops.array(*self.arrays_of.get(id)?).kind else {
            return None;
        };
        Some((*numbers.iter().min()?, *numbers.iter().max()?))
    }

    pub(super) fn known_int(&mut self, e: &'a hir::Expression) -> Option<(i64, i64)> {
        let scalar = self.scalar(e).ok()?;
        let value = self.constant(&scalar).ok()?? as i64;
        Some((value, value))
    }
}
