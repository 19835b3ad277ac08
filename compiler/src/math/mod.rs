//! Shelf: arithmetic as a graph, and the primitives it is made of.

pub mod builder;
pub mod derivative;
pub mod graph;
pub mod interpret;
pub mod primitive;
pub mod print;
pub mod structure;
pub mod verify;

#[cfg(test)]
mod reference;
