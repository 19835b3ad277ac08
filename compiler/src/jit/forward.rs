//! Programs that only run forwards: from given values and random numbers to results. They serve simulation, prediction
//! and pointwise log densities, which need neither positions nor gradients.

use likelier_runtime::random::Stream;

use crate::math::graph::Graph;

use super::context::FIXED_PARTS;
use super::cpu::CpuLevel;
use super::native::{Arguments, JitError, Native, Scratch};

/// Native code of a forward program.
pub struct ForwardModel {
    native: Native,
}

impl ForwardModel {
    /// Compiles a program without position.
    ///
    /// # Errors
    /// As [`Native::compile`].
    pub fn compile(name: &str, graph: &Graph, cpu: CpuLevel) -> Result<ForwardModel, JitError> {
        Ok(ForwardModel {
            native: Native::compile(&[(name, graph)], cpu)?,
        })
    }

    /// The CPU level of its code.
    pub fn cpu(&self) -> CpuLevel {
        self.native.cpu()
    }

    /// Number of results.
    pub fn output_count(&self) -> usize {
        self.native.output_count(0)
    }

    /// Working memory for one thread.
    pub fn runner(&self) -> ForwardRunner<'_> {
        ForwardRunner {
            model: self,
            scratch: self.native.scratch(),
        }
    }
}

/// One thread's view of a [`ForwardModel`].
pub struct ForwardRunner<'a> {
    model: &'a ForwardModel,
    scratch: Scratch,
}

impl ForwardRunner<'_> {
    /// Runs the program. Without random numbers, draws are NaN.
    pub fn run(&mut self, given: &[f64], stream: Option<&mut Stream>, output: &mut [f64]) {
        let arguments = Arguments {
            position: &[],
            weights: &[1.0],
            given,
            gradient: &mut [],
            output,
            parts: &mut [0.0; FIXED_PARTS],
            stream,
        };
        self.model.native.run(0, &mut self.scratch, arguments);
    }
}
