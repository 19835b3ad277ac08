//! From the tree to the typed form of a program.

pub mod hir;
