//! The log density of each observed value by itself, for leave-one-out validation and its kin: terms are written to an
//! output instead of being summed.

use super::lower::{Lowered, Lowerer};
use crate::data::loops::Term;
use crate::math::graph::Value;
use crate::math::primitive::Operation;

impl Lowerer<'_> {
    /// Writes a term of an observed value to its place; −∞ where one of its conditions fails.
    pub(super) fn pointwise(&mut self, term: &Term) -> Lowered<()> {
        let Some((observation, indices)) = &term.observation else {
            return Ok(());
        };
        self.all_statements(&term.statements)?;
        let loops = self.loops;
        let observation = *observation as usize;
        let place = self.flat_in(&loops.observations[observation].shape, indices)?;
        let place = self.plus(place, self.observation_offsets[observation] as i64);
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

    fn write(&mut self, place: Value, value: Value) {
        let output = self.output.expect("this graph has an output");
        self.builder.store(output, place, value);
    }
}
