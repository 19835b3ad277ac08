//! Methods that draw from a target or integrate it.

pub mod bridge;
pub mod loo;
pub mod nuts;
pub mod optimise;
pub mod particles;
pub mod scout;
pub mod smc;
