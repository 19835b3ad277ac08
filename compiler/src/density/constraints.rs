//! Constraints by themselves, for rejection and for reports: each has a stretch of sums in one buffer, which terms add to in
//! whatever order they come and which is written to the output at the end.

use super::lower::{Lowered, Lowerer, Mode};
use crate::data::loops::{Constraint, Loops, Residual, Term};
use crate::math::graph::{BufferKind, Part, Value};
use crate::math::primitive::Operation;

/// Numbers kept for each comparison: how often it was made, the sums of its residuals in both units, and the largest.
const OF_COMPARISON: usize = 4;

/// What a report says of each comparison: its mean residual in its own units and in those of `within`, and the largest
/// of the latter.
pub(crate) const REPORTED: usize = 3;

fn kept(constraint: &Constraint, mode: Mode) -> usize {
    match mode {
        Mode::Constraints => 1 + OF_COMPARISON * constraint.comparisons,
        _ => 1,
    }
}

/// Where the numbers of a constraint begin.
fn start(loops: &Loops, number: usize, mode: Mode) -> usize {
    let before = loops.constraints[..number].iter();
    before.map(|constraint| kept(constraint, mode)).sum()
}

impl Lowerer<'_> {
    /// Makes the sums, all zero.
    pub(crate) fn begin_constraints(&mut self) {
        let length = start(self.loops, self.loops.constraints.len(), self.mode);
        if length == 0 {
            return;
        }
        let buffer = self
            .builder
            .buffer("constraints", length, BufferKind::Mutable);
        self.builder.clear(buffer);
        self.sums = Some(buffer);
    }

    /// Adds a term of a constraint to the numbers of that.
    pub(super) fn constraint(&mut self, term: &Term) -> Lowered<()> {
        let Part::Soft(number) = term.part else {
            return Ok(());
        };
        let first = start(self.loops, number as usize, self.mode);
        self.all_statements(&term.statements)?;
        let mut condition = self.builder.bool(true);
        for one in &term.domain {
            let holds = self.bool(&one.holds)?;
            condition = self.builder.scalar(Operation::And, &[condition, holds]);
        }
        self.builder.begin_if(condition);
        self.scoped(|lowerer| {
            let value = lowerer.real(&term.value)?;
            lowerer.add_at(first, value);
            if lowerer.mode == Mode::Constraints {
                for residual in &term.residuals {
                    lowerer.residual(first, residual)?;
                }
            }
            Ok(())
        })?;
        self.builder.begin_else();
        let impossible = self.builder.real(f64::NEG_INFINITY);
        self.add_at(first, impossible);
        self.builder.end();
        Ok(())
    }

    fn residual(&mut self, first: usize, residual: &Residual) -> Lowered<()> {
        let at = first + 1 + OF_COMPARISON * residual.comparison as usize;
        let (plain, scaled) = (self.real(&residual.plain)?, self.real(&residual.scaled)?);
        let one = self.builder.real(1.0);
        self.add_at(at, one);
        self.add_at(at + 1, plain);
        self.add_at(at + 2, scaled);
        let largest = self.sum_at(at + 3);
        let sizes = [largest, scaled].map(|v| self.builder.scalar(Operation::Absolute, &[v]));
        let larger = self.builder.scalar(Operation::Less, &sizes);
        let largest = self
            .builder
            .scalar(Operation::Select, &[larger, scaled, largest]);
        self.put(at + 3, largest);
        Ok(())
    }

    /// Writes the log potentials to the output.
    pub(crate) fn keep_potentials(&mut self, offset: usize) {
        for number in 0..self.loops.constraints.len() {
            let value = self.sum_at(start(self.loops, number, self.mode));
            self.write_at(offset + number, value);
        }
    }

    /// Writes what a report says of each constraint to the output: its penalty, then the residuals of its comparisons.
    pub(crate) fn keep_report(&mut self) {
        let mut place = 0;
        for (number, constraint) in self.loops.constraints.iter().enumerate() {
            let first = start(self.loops, number, self.mode);
            let potential = self.sum_at(first);
            let penalty = self.builder.scalar(Operation::Negate, &[potential]);
            self.write_at(place, penalty);
            place += 1;
            for comparison in 0..constraint.comparisons {
                let at = first + 1 + OF_COMPARISON * comparison;
                let count = self.sum_at(at);
                for sum in [at + 1, at + 2] {
                    let sum = self.sum_at(sum);
                    let mean = self.builder.scalar(Operation::Divide, &[sum, count]);
                    self.write_at(place, mean);
                    place += 1;
                }
                let largest = self.sum_at(at + 3);
                self.write_at(place, largest);
                place += 1;
            }
        }
    }

    fn add_at(&mut self, place: usize, value: Value) {
        let before = self.sum_at(place);
        let sum = self.builder.scalar(Operation::Add, &[before, value]);
        self.put(place, sum);
    }

    fn sum_at(&mut self, place: usize) -> Value {
        let sums = self.sums.expect("there are constraints");
        let index = self.builder.int(place as i64);
        self.builder.load(sums, index)
    }

    fn put(&mut self, place: usize, value: Value) {
        let sums = self.sums.expect("there are constraints");
        let index = self.builder.int(place as i64);
        self.builder.store(sums, index, value);
    }

    fn write_at(&mut self, place: usize, value: Value) {
        let output = self.output.expect("this graph has an output");
        let index = self.builder.int(place as i64);
        self.builder.store(output, index, value);
    }
}
