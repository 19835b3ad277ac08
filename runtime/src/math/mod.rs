//! Shelf: numerical functions. Everything is compiled in, nothing is taken from the platform's mathematics library, so
//! that one binary gives the same bits everywhere; only decompositions and large matrices, which `faer` works on, follow the
//! processor.

pub mod block;
pub mod decompositions;
#[cfg(test)]
mod examples;
pub mod large;
pub mod linear;
mod lu;
pub mod ode;
pub mod special;
pub mod stack;
