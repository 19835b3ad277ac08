//! Methods that draw from a target.

pub mod nuts;
