//! The log density of each observed value by itself, for leave-one-out validation and its kin: terms are written to an
//! output instead of being summed, or summed with a weight each. A row of weight zero is skipped, not multiplied by zero:
//! it costs nothing and may be impossible.

use super::lower::{Lowered, Lowerer};
use crate::data::loops::{Scalar, Term};
use crate::math::graph::{Part, Value};
use crate::math::primitive::Operation;

impl Lowerer<'_> {
    /// Writes a term of an observed value to its place; −∞ where one of its conditions fails.
    pub(super) fn pointwise(&mut self, term: &Term) -> Lowered<()> {
        let Some((observation, indices)) = &term.observation else {
            return Ok(());
        };
        self.all_statements(&term.statements)?;
        let place = self.observed_place(*observation, indices)?;
        let mut condition = self.builder.bool(true);
        for one in &term.domain {
            let holds = self.bool(&one.holds)?;
            condition = self.builder.scalar(Operation::And, &[condition, holds]);
        }
        if self.builder.as_bool(condition) == Some(true) {
            let value = self.real(&term.value)?;
            self.write(place, value);
            return Ok(());
        }
        self.builder.begin_if(condition);
        self.scoped(|lowerer| {
            let value = lowerer.real(&term.value)?;
            lowerer.write(place, value);
            Ok(())
        })?;
        self.builder.begin_else();
        let impossible = self.builder.real(f64::NEG_INFINITY);
        self.write(place, impossible);
        self.builder.end();
        Ok(())
    }

    /// Adds a term of an observed value, multiplied by its weight, to a part.
    pub(super) fn weighted_row(&mut self, term: &Term, part: Part) -> Lowered<()> {
        let (observation, indices) = term.observation.as_ref().expect("it is observed");
        let place = self.observed_place(*observation, indices)?;
        let weights = self.row_weights.expect("rows have weights");
        let weight = self.builder.load(weights, place);
        let zero = self.builder.real(0.0);
        let none = self.builder.scalar(Operation::Equal, &[weight, zero]);
        let some = self.builder.scalar(Operation::Not, &[none]);
        self.builder.begin_if(some);
        let result = self.scoped(|lowerer| lowerer.scaled_term(term, part, Some(weight)));
        self.builder.end();
        result
    }

    /// Where an observed value stands among all of them.
    fn observed_place(&mut self, observation: u32, indices: &[Scalar]) -> Lowered<Value> {
        let loops = self.loops;
        let observation = observation as usize;
        let place = self.flat_in(&loops.observations[observation].shape, indices)?;
        Ok(self.plus(place, self.observation_offsets[observation] as i64))
    }

    fn write(&mut self, place: Value, value: Value) {
        let output = self.output.expect("this graph has an output");
        self.builder.store(output, place, value);
    }
}
