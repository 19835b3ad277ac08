//! CPU levels: which instructions the kernels of a set use.

/// One set of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Only what every processor of the architecture has.
    Portable,
    /// AVX2 and FMA (x86-64).
    Avx2,
    /// AVX-512 F, DQ and VL (x86-64).
    Avx512,
}

impl Level {
    /// All levels.
    pub const ALL: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    /// As users write it, and as it stands in the names of kernels.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// Whether this machine has its instructions.
    pub fn is_here(self) -> bool {
        match self {
            Level::Portable => true,
            Level::Avx2 => has_avx2(),
            Level::Avx512 => has_avx512(),
        }
    }

    /// The name under which a function is linked. Names of functions that are compiled for each level (`likelier_block_…`,
    /// `likelier_dense_…`) get the level in them; all others exist once.
    pub fn linked_name(self, name: &str) -> String {
        let rest = name.strip_prefix("likelier_");
        match rest.filter(|rest| rest.starts_with("block_") || rest.starts_with("dense_")) {
            Some(rest) => format!("likelier_{}_{rest}", self.name()),
            None => name.to_owned(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}
