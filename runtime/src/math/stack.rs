//! Storage of the caller from which dense algebra takes its temporary matrices, so that none of it allocates: who asks says
//! how much (`…_scratch`), who owns the memory hands it over as a stack. The types are those of faer.

pub use faer::dyn_stack::{MemBuffer, MemStack, StackReq};

/// Room for so many numbers, on cache lines of their own.
pub(super) fn numbers(length: usize) -> StackReq {
    StackReq::new_aligned::<f64>(length.next_multiple_of(8), 64)
}
