//! What tests of dense algebra share: matrices to work on, and storage that is not a number larger than what was asked for.

use super::stack::{MemBuffer, MemStack, StackReq};

/// Numbers without structure between −1 and 1.
pub fn numbers(length: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// Runs on storage of exactly the size asked for.
pub fn with<T>(scratch: StackReq, run: impl FnOnce(&mut MemStack) -> T) -> T {
    run(MemStack::new(&mut MemBuffer::new(scratch)))
}
