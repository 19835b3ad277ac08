//! The home of `unsafe`: machine code behind a safe call. [`Native`] owns the code and the data it reads, checks the
//! lengths of what it is handed, and frees the memory when it goes. The code writes to nothing but what one call hands
//! it, so any number of threads may run it at once, each with its own [`Scratch`].
#![allow(unsafe_code)]

use cranelift::codegen::Context as CodeContext;
use cranelift::frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift::prelude::{AbiParam, types};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, default_libcall_names};
use likelier_kernels::context::{Context, Entry, FIXED_PARTS};
use likelier_kernels::memory::Aligned;
use likelier_runtime::math::ode::Workspace;
use likelier_runtime::random::Stream;
use thiserror::Error;

use crate::math::graph::{BufferKind, Equation, Graph};

use super::blocks::Lowering;
use super::cpu::CpuLevel;
use super::layout::{Arena, Layout};
use super::{emit, ode};

/// Graphs beyond this many instructions in one model are compiled with the quick register allocator: the good one is
/// superlinear in blocks (about 1 s for 100 000 instructions of loops, 60 ms with the quick one).
pub(super) const MANY_INSTRUCTIONS: usize = 20_000;

/// Why there is no native code.
#[derive(Debug, Error)]
pub enum JitError {
    /// This machine lacks the instructions of a level.
    #[error("this machine does not have the CPU level `{0}`")]
    Cpu(CpuLevel),
    /// The code generator refused: a limit of the host or a mistake of ours.
    #[error("no native code: {0}")]
    Compilation(String),
}

/// Compiled programs and their data.
pub struct Native {
    /// Taken only when dropped.
    module: Option<JITModule>,
    programs: Vec<Program>,
    data: Aligned,
    cpu: CpuLevel,
}

// SAFETY: code and data are never written after `compile`; the module is not touched until it is dropped.
unsafe impl Sync for Native {}
// SAFETY: nothing in it is tied to the thread that made it.
unsafe impl Send for Native {}

struct Program {
    entry: Entry,
    scratch: usize,
    dimension: usize,
    soft_count: usize,
    given: usize,
    output: usize,
    has_gradient: bool,
}

/// What one call of a program reads and writes. Slices that the program does not use may be empty.
#[derive(Default)]
pub struct Arguments<'a> {
    /// The position (length: dimension).
    pub position: &'a [f64],
    /// Weights of the soft constraints, then of the likelihood.
    pub weights: &'a [f64],
    /// Given values.
    pub given: &'a [f64],
    /// The gradient (length: dimension); set by the call.
    pub gradient: &'a mut [f64],
    /// Results of forward programs.
    pub output: &'a mut [f64],
    /// Prior, Jacobian, likelihood, then the soft constraints; set by the call.
    pub parts: &'a mut [f64],
    /// Random numbers; without them draws are NaN.
    pub stream: Option<&'a mut Stream>,
}

/// Working memory of one thread.
pub struct Scratch {
    memory: Aligned,
    trajectories: Workspace,
}

impl Native {
    /// Compiles programs, with the names that appear in profiles and listings.
    pub fn compile(graphs: &[(&str, &Graph)], cpu: CpuLevel) -> Result<Native, JitError> {
        Self::compile_with(graphs, cpu, Lowering::Blocks)
    }

    pub(super) fn compile_with(
        graphs: &[(&str, &Graph)],
        cpu: CpuLevel,
        lowering: Lowering,
    ) -> Result<Native, JitError> {
        let cpu = cpu.resolve()?;
        let mut module = new_module(cpu, size(graphs))?;
        let mut arena = Arena::default();
        let compiled = define(&mut module, graphs, &mut arena, (cpu, lowering))?;
        module.finalize_definitions().map_err(failed)?;
        let programs = graphs
            .iter()
            .zip(compiled)
            .map(|((_, graph), (function, scratch))| {
                let address = module.get_finalized_function(function);
                Program {
                    // SAFETY: the function was just compiled with this signature.
                    entry: unsafe { std::mem::transmute::<*const u8, Entry>(address) },
                    scratch,
                    dimension: graph.dimension,
                    soft_count: graph.soft_count,
                    given: length(graph, |kind| matches!(kind, BufferKind::Given)),
                    output: length(graph, |kind| matches!(kind, BufferKind::Output)),
                    has_gradient: graph
                        .buffers
                        .iter()
                        .any(|buffer| matches!(buffer.kind, BufferKind::Gradient)),
                }
            });
        let programs = programs.collect();
        Ok(Native {
            module: Some(module),
            programs,
            data: Aligned::of_words(&arena.words()),
            cpu,
        })
    }

    /// The CPU level it was compiled for.
    pub fn cpu(&self) -> CpuLevel {
        self.cpu
    }

    /// Working memory that is enough for every program.
    pub fn scratch(&self) -> Scratch {
        let bytes = self
            .programs
            .iter()
            .map(|program| program.scratch)
            .max()
            .unwrap_or(0);
        Scratch {
            memory: Aligned::zeroed(bytes),
            trajectories: Workspace::default(),
        }
    }

    /// Number of values a program writes to its output.
    pub fn output_count(&self, program: usize) -> usize {
        self.programs[program].output
    }

    /// Runs a program.
    ///
    /// # Panics
    /// If a slice or the scratch is shorter than the program needs: a mistake of the caller.
    pub fn run(&self, program: usize, scratch: &mut Scratch, arguments: Arguments) {
        let program = &self.programs[program];
        assert!(
            scratch.memory.bytes() >= program.scratch,
            "scratch of another model"
        );
        assert_eq!(
            arguments.position.len(),
            program.dimension,
            "length of the position"
        );
        assert_eq!(
            arguments.weights.len(),
            program.soft_count + 1,
            "number of weights"
        );
        assert_eq!(
            arguments.parts.len(),
            program.soft_count + FIXED_PARTS,
            "number of parts"
        );
        assert_eq!(
            arguments.given.len(),
            program.given,
            "number of given values"
        );
        assert_eq!(arguments.output.len(), program.output, "number of outputs");
        if program.has_gradient {
            assert_eq!(
                arguments.gradient.len(),
                program.dimension,
                "length of the gradient"
            );
            arguments.gradient.fill(0.0);
        }
        scratch.trajectories.clear();
        let context = Context {
            position: arguments.position.as_ptr(),
            gradient: arguments.gradient.as_mut_ptr(),
            given: arguments.given.as_ptr(),
            output: arguments.output.as_mut_ptr(),
            scratch: scratch.memory.start().cast_mut(),
            data: self.data.start(),
            weights: arguments.weights.as_ptr(),
            parts: arguments.parts.as_mut_ptr(),
            stream: arguments
                .stream
                .map_or(std::ptr::null_mut(), std::ptr::from_mut),
            trajectories: &raw mut scratch.trajectories,
        };
        // SAFETY: the code reads and writes within the lengths checked above and within its data and scratch, whose
        // sizes it was compiled for; mutable slices and scratch are borrowed for the whole call; it does not unwind.
        unsafe { (program.entry)(&context) }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: function pointers into the code are private to `self`, which nobody can use any more.
            unsafe { module.free_memory() }
        }
    }
}

/// A program's code in Cranelift's intermediate form.
pub fn clif(name: &str, graph: &Graph, cpu: CpuLevel) -> Result<String, JitError> {
    let cpu = cpu.resolve()?;
    let mut module = new_module(cpu, graph.size())?;
    let (code, ..) = build(
        &mut module,
        name,
        graph,
        &mut Arena::default(),
        (cpu, Lowering::Blocks),
    )?;
    let text = code.func.display().to_string();
    // SAFETY: nothing in the module was ever made callable.
    unsafe { module.free_memory() }
    Ok(text)
}

/// A program's machine code as assembly text.
pub fn assembly(name: &str, graph: &Graph, cpu: CpuLevel) -> Result<String, JitError> {
    let cpu = cpu.resolve()?;
    let mut module = new_module(cpu, graph.size())?;
    let (mut code, ..) = build(
        &mut module,
        name,
        graph,
        &mut Arena::default(),
        (cpu, Lowering::Blocks),
    )?;
    code.set_disasm(true);
    let compiled = code
        .compile(module.isa(), &mut Default::default())
        .map_err(|error| JitError::Compilation(format!("{:?}", error.inner)))?;
    let text = compiled.vcode.clone().unwrap_or_default();
    // SAFETY: nothing in the module was ever made callable.
    unsafe { module.free_memory() }
    Ok(text)
}

pub(super) fn failed(error: impl std::fmt::Debug) -> JitError {
    JitError::Compilation(format!("{error:?}"))
}

fn length(graph: &Graph, wanted: fn(&BufferKind) -> bool) -> usize {
    graph
        .buffers
        .iter()
        .find(|buffer| wanted(&buffer.kind))
        .map_or(0, |buffer| buffer.length)
}

fn new_module(cpu: CpuLevel, size: usize) -> Result<JITModule, JitError> {
    let isa = cpu.isa(size > MANY_INSTRUCTIONS, false)?;
    let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
    for symbol in likelier_kernels::symbols(cpu.level()) {
        builder.symbol(symbol.name, symbol.address);
    }
    Ok(JITModule::new(builder))
}

/// How many instructions there are.
pub(super) fn size(graphs: &[(&str, &Graph)]) -> usize {
    graphs.iter().map(|(_, graph)| graph.size()).sum()
}

/// Defines a function for each program; with the bytes of scratch it needs.
pub(super) fn define(
    module: &mut dyn Module,
    graphs: &[(&str, &Graph)],
    arena: &mut Arena,
    target: (CpuLevel, Lowering),
) -> Result<Vec<(FuncId, usize)>, JitError> {
    let graphs = graphs.iter();
    graphs
        .map(|(name, graph)| define_one(module, name, graph, arena, target))
        .collect()
}

fn define_one(
    module: &mut dyn Module,
    name: &str,
    graph: &Graph,
    arena: &mut Arena,
    target: (CpuLevel, Lowering),
) -> Result<(FuncId, usize), JitError> {
    let (mut code, function, scratch) = build(module, name, graph, arena, target)?;
    module
        .define_function(function, &mut code)
        .map_err(failed)?;
    Ok((function, scratch))
}

/// Declares a function and writes its code.
fn build(
    module: &mut dyn Module,
    name: &str,
    graph: &Graph,
    arena: &mut Arena,
    target: (CpuLevel, Lowering),
) -> Result<(CodeContext, FuncId, usize), JitError> {
    crate::math::verify::check(graph, name);
    let mut code = module.make_context();
    code.func.signature.params.push(AbiParam::new(types::I64));
    let function = module
        .declare_function(
            &format!("likelier program {name}"),
            Linkage::Local,
            &code.func.signature,
        )
        .map_err(failed)?;
    let mut equations = Vec::new();
    for (number, equation) in graph.equations.iter().enumerate() {
        let name = format!("{name}, equation {number}");
        equations.push(functions(module, &name, equation, arena, target)?);
    }
    let mut layout = Layout::new(graph, arena);
    let mut context = FunctionBuilderContext::new();
    let builder = FunctionBuilder::new(&mut code.func, &mut context);
    emit::emit(graph, &mut layout, builder, module, target, &equations)?;
    Ok((code, function, layout.scratch))
}

/// Defines the functions of an equation.
fn functions(
    module: &mut dyn Module,
    name: &str,
    equation: &Equation,
    arena: &mut Arena,
    target: (CpuLevel, Lowering),
) -> Result<ode::Functions, JitError> {
    let mut define =
        |part, graph| define_one(module, &format!("{name}, {part}"), graph, arena, target);
    let (derivative, mut most) = define("derivative", &equation.derivative)?;
    let mut adjoint = None;
    if let Some(graph) = &equation.adjoint {
        let (function, scratch) = define("adjoint", graph)?;
        adjoint = Some(function);
        most = most.max(scratch);
    }
    Ok(ode::Functions {
        derivative,
        adjoint,
        scratch: most,
    })
}
