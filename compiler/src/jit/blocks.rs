//! Loops over blocks.

use crate::math::graph::Instruction;

use super::emit::Emitter;
use super::native::JitError;

/// Whether loops may become loops over blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lowering {
    /// Every loop round by round.
    #[allow(dead_code)]
    Scalar,
    /// Blocks where they pay.
    Blocks,
}

/// Writes a loop as a loop over blocks; false if it has to be written round by round.
pub(super) fn emit(_emitter: &mut Emitter, _instruction: &Instruction) -> Result<bool, JitError> {
    Ok(false)
}
