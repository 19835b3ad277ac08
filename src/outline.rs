//! The library behind the `likelier` command. The journey from a model file to a posterior (`lib.rs`, `main.rs` and the
//! files around them) is written but waits for the front half of the compiler; until it is joined, this outline is what
//! the package builds.

pub use likelier_compiler as compiler;
pub use likelier_runtime as runtime;
