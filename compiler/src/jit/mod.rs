//! GRAPH → NATIVE: each graph becomes one function of one argument, a pointer to a [`context::Context`] with the
//! addresses of everything it reads and writes. No absolute data address stands in the code: data lie in one arena
//! behind one pointer, scratch behind another, at offsets fixed here. Code is immutable and shared between threads;
//! scratch belongs to the caller, one for each thread.
//!
//! Arithmetic, comparisons and index computations become Cranelift instructions; elementary functions and dense algebra
//! are calls to functions of `likelier_kernels`, which wrap those of `likelier_runtime::math`, never to the platform's
//! mathematics library, so that a binary gives the same bits on every machine at one CPU level. Loops whose rounds are
//! independent become loops over blocks of elements with one kernel call for each operation (`blocks`), where that pays.
//!
//! The same code goes to memory (`native`) or, with the C interface of a model (`interface`), to a file (`object`).

mod blocks;
mod context;
mod cpu;
mod emit;
mod forward;
mod interface;
mod kernels;
mod layout;
mod model;
mod native;
mod object;
mod ode;
mod operations;
mod symbols;

pub use cpu::CpuLevel;
pub use forward::{ForwardModel, ForwardRunner};
pub use interface::{Interface, Kind};
pub use model::{CompiledModel, Programs};
pub use native::{Arguments, JitError, Native, Scratch, assembly, clif};
pub use object::{COMPILER, object};

#[cfg(test)]
mod tests;
