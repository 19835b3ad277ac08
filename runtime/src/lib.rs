//! Samplers, diagnostics and numerics. Knows nothing of the language: a model is a [`target::Target`].

pub mod target;

pub mod diagnose;
pub mod math;
pub mod methods;
pub mod parallel;
pub mod parts;
pub mod random;
pub mod run;
