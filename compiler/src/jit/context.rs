//! Where the one argument of native code has its fields.

use std::mem::offset_of;

use likelier_kernels::context::Context;

pub(super) use likelier_kernels::context::FIXED_PARTS;

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
