//! The parts a sampler is made of.

pub mod conditional;
pub mod curvature;
pub mod impossible;
pub mod leapfrog;
pub mod metric;
pub mod pareto;
pub mod resampling;
pub mod step_size;
pub mod tempering;
pub mod warmup;
pub mod whitening;
