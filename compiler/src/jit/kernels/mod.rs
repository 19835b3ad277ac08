//! The functions that native code calls on many numbers at a time, instantiated for each CPU level: the loops are
//! written once, over slices, and compiled three times with the instructions of the level, so that the compiler's
//! vectoriser finds its width. Everything with an address in it stays in this folder.

mod block;
mod dense;

use super::cpu::CpuLevel;
use super::symbols::Symbol;

pub(super) use block::{
    ADD_TO, COPY, DOT, FILL, GATHER, GATHER_TABLE, IOTA, IOTA_TABLE, Operands, SCATTER_ADD,
    SCATTER_ADD_TABLE, SELECT, SUM, binary, multiply_add, unary,
};
pub(super) use dense::{CLEAR, dense};

/// All functions at one level, under the same names at every level.
pub(super) fn symbols(cpu: CpuLevel) -> Vec<Symbol> {
    let mut symbols = block::symbols(cpu);
    symbols.extend(dense::symbols(cpu));
    symbols
}
