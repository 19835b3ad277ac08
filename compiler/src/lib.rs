//! From model text and data to native code.

pub mod source;

pub mod ast;
pub mod check;
pub mod data;
pub mod gradient;
pub mod jit;
pub mod math;
