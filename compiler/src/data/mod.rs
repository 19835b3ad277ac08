//! Data files, and the program bound to them.

mod csv;
pub mod dataset;
pub mod fold;
pub mod interval;
mod json;
pub mod loops;
pub mod pull;
