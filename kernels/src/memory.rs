//! Memory that starts on a cache line, as native code expects of its data and scratch.

/// A stretch of memory.
pub struct Aligned(Vec<Line>);

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u64; 8]);

impl Aligned {
    /// So many bytes, all zero.
    pub fn zeroed(bytes: usize) -> Self {
        // One line more, so that a program without scratch or data still has an address to look at.
        Aligned(vec![Line([0; 8]); bytes.div_ceil(64) + 1])
    }

    /// A copy of words.
    pub fn of_words(words: &[u64]) -> Self {
        let mut memory = Self::zeroed(8 * words.len());
        for (line, words) in memory.0.iter_mut().zip(words.chunks(8)) {
            line.0[..words.len()].copy_from_slice(words);
        }
        memory
    }

    /// Its length.
    pub fn bytes(&self) -> usize {
        64 * self.0.len()
    }

    /// Where it starts.
    pub fn start(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }
}
