//! The one argument of native code. Field offsets are part of the calling convention between Rust and the emitted code.

use std::mem::offset_of;

use likelier_runtime::math::ode::Workspace;
use likelier_runtime::random::Stream;

/// The addresses a native program works on.
#[repr(C)]
pub(super) struct Context {
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

/// Offsets of the fields, in bytes.
pub(super) const POSITION: i32 = offset_of!(Context, position) as i32;
pub(super) const GRADIENT: i32 = offset_of!(Context, gradient) as i32;
pub(super) const GIVEN: i32 = offset_of!(Context, given) as i32;
pub(super) const OUTPUT: i32 = offset_of!(Context, output) as i32;
pub(super) const SCRATCH: i32 = offset_of!(Context, scratch) as i32;
pub(super) const DATA: i32 = offset_of!(Context, data) as i32;
pub(super) const WEIGHTS: i32 = offset_of!(Context, weights) as i32;
pub(super) const PARTS: i32 = offset_of!(Context, parts) as i32;
pub(super) const STREAM: i32 = offset_of!(Context, stream) as i32;

/// Parts before the soft constraints in [`Context::parts`].
pub(super) const FIXED_PARTS: usize = 3;
