//! The one argument of native code. Field offsets are part of the calling convention between Rust and
//! the emitted code.

use likelier_runtime::math::ode::Workspace;
use likelier_runtime::random::Stream;

/// The addresses a native program works on.
#[repr(C)]
pub struct Context {
    /// The position, `dimension` reals.
    pub position: *const f64,
    /// The gradient, `dimension` reals, zero at the start.
    pub gradient: *mut f64,
    /// Given values.
    pub given: *const f64,
    /// Results of forward programs.
    pub output: *mut f64,
    /// This thread's scratch, 64-byte aligned.
    pub scratch: *mut u8,
    /// The arena of data, 64-byte aligned.
    pub data: *const u8,
    /// The weights of the soft constraints, then of the likelihood.
    pub weights: *const f64,
    /// Prior, Jacobian, likelihood, then the soft constraints.
    pub parts: *mut f64,
    /// Random numbers of forward programs.
    pub stream: *mut Stream,
    /// This thread's solutions of differential equations.
    pub trajectories: *mut Workspace,
}

/// Parts before the soft constraints in [`Context::parts`].
pub const FIXED_PARTS: usize = 3;

/// A compiled program.
pub type Entry = unsafe extern "C" fn(*const Context);
