//! CPU levels. The level is chosen once, decides both the instructions that Cranelift may use and the instance of each
//! kernel, and is recorded with results: at one level a binary gives the same bits on every machine that has it, but for what
//! the library of dense algebra computes (`likelier_kernels`' `dense.rs`), which looks at the processor by itself.

use std::fmt;
use std::str::FromStr;

use cranelift::prelude::{Configurable, isa, settings};
use likelier_kernels::level::Level;

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
        let best = || match () {
            () if Level::Avx512.is_here() => CpuLevel::Avx512,
            () if Level::Avx2.is_here() => CpuLevel::Avx2,
            () => CpuLevel::Portable,
        };
        match self {
            CpuLevel::Native => Ok(best()),
            other if other.level().is_here() => Ok(other),
            other => Err(JitError::Cpu(other)),
        }
    }

    /// The kernels that go with a resolved level.
    pub(super) fn level(self) -> Level {
        match self {
            CpuLevel::Portable | CpuLevel::Native => Level::Portable,
            CpuLevel::Avx2 => Level::Avx2,
            CpuLevel::Avx512 => Level::Avx512,
        }
    }

    /// The Cranelift target of a resolved level; `for_file` for code that another program will place in its memory.
    pub(super) fn isa(
        self,
        fast_allocation: bool,
        for_file: bool,
    ) -> Result<isa::OwnedTargetIsa, JitError> {
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
            ("is_pic", if for_file { "true" } else { "false" }),
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
            CpuLevel::Native => "native",
            other => other.level().name(),
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
