//! What native code needs beside itself: the functions that it calls (elementary functions and random numbers one at a time
//! in `scalar.rs`, blocks of numbers in `block.rs`, dense algebra, differential equations), the layout of its one argument,
//! and the C interface of models that are compiled to files (`interface.rs`).
//!
//! The crate knows neither the language nor the code generator, so that it can be two things: a library that the compiler
//! gives to code in memory, and a static archive that is linked to code in a file. Both are made of the same object files,
//! which is why both give the same bits.

pub mod context;
pub mod interface;
pub mod level;
pub mod memory;
pub mod ode;
pub mod parts;
pub mod symbol;

mod block;
mod dense;
mod scalar;

use level::Level;
use symbol::Symbol;

/// All functions that code of a level may call, by the names of [`Level::linked_name`].
pub fn symbols(level: Level) -> Vec<Symbol> {
    let mut symbols = scalar::symbols();
    symbols.extend(block::symbols(level));
    symbols.extend(dense::symbols(level));
    symbols.extend(ode::symbols());
    symbols
}
