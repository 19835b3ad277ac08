//! CPU levels. The level is chosen once, decides both the instructions that Cranelift may use and the instance of each
//! kernel, and is recorded with results: at one level a binary gives the same bits on every machine that has it, but for what
//! the library of dense algebra computes (`kernels/dense.rs`), which looks at the processor by itself.

use std::fmt;
use std::str::FromStr;

use cranelift::prelude::{Configurable, isa, settings};

use super::native::JitError;

/// Which instructions native code may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CpuLevel {
    /// Only what every processor of the architecture has.
    Portable,
    /// AVX2 and FMA (x86-64).
    Avx2,
    /// AVX-512 F, DQ and VL (x86-64).
    Avx512,
    /// The best of the above that this machine has.
    #[default]
    Native,
}

impl CpuLevel {
    /// The level itself, with `Native` replaced by what it stands for here; an error if this machine does not have it.
    pub fn resolve(self) -> Result<CpuLevel, JitError> {
        match self {
            CpuLevel::Portable => Ok(self),
            CpuLevel::Avx2 if has_avx2() => Ok(self),
            CpuLevel::Avx512 if has_avx512() => Ok(self),
            CpuLevel::Native if has_avx512() => Ok(CpuLevel::Avx512),
            CpuLevel::Native if has_avx2() => Ok(CpuLevel::Avx2),
            CpuLevel::Native => Ok(CpuLevel::Portable),
            _ => Err(JitError::Cpu(self)),
        }
    }

    /// The Cranelift target of a resolved level.
    pub(super) fn isa(self, fast_allocation: bool) -> Result<isa::OwnedTargetIsa, JitError> {
        let failed = |error: &dyn fmt::Display| JitError::Compilation(error.to_string());
        let mut flags = settings::builder();
        let allocator = if fast_allocation {
            "single_pass"
        } else {
            "backtracking"
        };
        let verifier = if cfg!(debug_assertions) {
            "true"
        } else {
            "false"
        };
        for (name, value) in [
            ("opt_level", "speed"),
            ("regalloc_algorithm", allocator),
            ("enable_verifier", verifier),
            ("use_colocated_libcalls", "false"),
            ("is_pic", "false"),
        ] {
            flags.set(name, value).map_err(|error| failed(&error))?;
        }
        let mut builder =
            cranelift_native::builder_with_options(false).map_err(|error| failed(&error))?;
        if self != CpuLevel::Portable {
            for flag in [
                "has_sse3",
                "has_ssse3",
                "has_sse41",
                "has_sse42",
                "has_popcnt",
                "has_avx",
                "has_avx2",
                "has_fma",
                "has_bmi1",
                "has_bmi2",
                "has_lzcnt",
            ] {
                builder.enable(flag).map_err(|error| failed(&error))?;
            }
        }
        builder
            .finish(settings::Flags::new(flags))
            .map_err(|error| failed(&error))
    }
}

impl fmt::Display for CpuLevel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            CpuLevel::Portable => "portable",
            CpuLevel::Avx2 => "avx2",
            CpuLevel::Avx512 => "avx512",
            CpuLevel::Native => "native",
        })
    }
}

impl FromStr for CpuLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "portable" => Ok(CpuLevel::Portable),
            "avx2" => Ok(CpuLevel::Avx2),
            "avx512" => Ok(CpuLevel::Avx512),
            "native" => Ok(CpuLevel::Native),
            _ => Err(format!("`{text}` is not portable, avx2, avx512 or native")),
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
