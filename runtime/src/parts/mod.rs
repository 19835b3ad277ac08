//! The parts a sampler is made of.

pub mod impossible;
pub mod leapfrog;
pub mod step_size;
pub mod warmup;
