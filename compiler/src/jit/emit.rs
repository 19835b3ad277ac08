//! One graph as one Cranelift function. Values of the graph are values of the function, loops are rotated (one test at
//! the end of each round), registers and the sums of parts are variables that live in machine registers, everything
//! else is memory at a base and an offset. The graph's structure guarantees what the loads and stores assume: indices
//! in range, eight-byte alignment, no overlap of buffers.

use std::collections::HashMap;

use cranelift::codegen::ir::{self, BlockArg, FuncRef, InstBuilder, MemFlagsData};
use cranelift::frontend::{FunctionBuilder, Variable};
use cranelift::prelude::{AbiParam, IntCC, types};
use cranelift_module::{FuncId, Linkage, Module};

use crate::math::graph::{
    Block, BufferId, BufferKind, Constant, Graph, Instruction, Part, Region, Value,
};
use crate::math::primitive::{Dense, Operation};

use super::cpu::CpuLevel;
use super::layout::{Layout, Place};
use super::native::JitError;
use super::{blocks, context, kernels, layout, ode, operations, symbols};

/// Writes a graph's code into an empty function of one pointer argument.
pub(super) fn emit(
    graph: &Graph,
    layout: &mut Layout,
    builder: FunctionBuilder,
    module: &mut dyn Module,
    (cpu, lowering): (CpuLevel, blocks::Lowering),
    equations: &[ode::Functions],
) -> Result<(), JitError> {
    let mut emitter = Emitter {
        graph,
        layout,
        builder,
        module,
        cpu,
        lowering,
        equations,
        context: ir::Value::from_u32(0),
        bases: HashMap::new(),
        values: vec![None; graph.types.len()],
        literals: HashMap::new(),
        variables: HashMap::new(),
        parts: HashMap::new(),
        functions: HashMap::new(),
    };
    emitter.prologue();
    emitter.block(&graph.body)?;
    emitter.epilogue();
    Ok(())
}

pub(super) struct Emitter<'a> {
    pub graph: &'a Graph,
    pub layout: &'a mut Layout,
    pub builder: FunctionBuilder<'a>,
    module: &'a mut dyn Module,
    cpu: CpuLevel,
    pub lowering: blocks::Lowering,
    /// The functions of the graph's equations.
    pub equations: &'a [ode::Functions],
    pub context: ir::Value,
    /// The pointers of the context that the program uses.
    bases: HashMap<i32, ir::Value>,
    values: Vec<Option<ir::Value>>,
    literals: HashMap<Value, i64>,
    variables: HashMap<BufferId, Variable>,
    parts: HashMap<Part, Variable>,
    functions: HashMap<&'static str, FuncRef>,
}

/// A memory operand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address {
    pub base: ir::Value,
    pub offset: i32,
}

impl Emitter<'_> {
    /// Loads the pointers and sets all variables to zero.
    fn prologue(&mut self) {
        let entry = self.builder.create_block();
        self.builder.append_block_params_for_function_params(entry);
        self.builder.switch_to_block(entry);
        self.builder.seal_block(entry);
        self.context = self.builder.block_params(entry)[0];
        for field in [
            context::POSITION,
            context::GRADIENT,
            context::GIVEN,
            context::OUTPUT,
            context::SCRATCH,
            context::DATA,
            context::WEIGHTS,
        ] {
            let flags = MemFlagsData::trusted().with_readonly().with_can_move();
            let pointer = self
                .builder
                .ins()
                .load(types::I64, flags, self.context, field);
            self.bases.insert(field, pointer);
        }
        let zero = self.builder.ins().f64const(0.0);
        let parts = [Part::Prior, Part::Jacobian, Part::Likelihood].into_iter();
        for part in parts.chain((0..self.graph.soft_count as u32).map(Part::Soft)) {
            let variable = self.builder.declare_var(types::F64);
            self.builder.def_var(variable, zero);
            self.parts.insert(part, variable);
        }
        for index in 0..self.graph.buffers.len() as u32 {
            if self.layout.place(BufferId(index)) == Place::Register {
                let variable = self.builder.declare_var(types::F64);
                self.builder.def_var(variable, zero);
                self.variables.insert(BufferId(index), variable);
            }
        }
    }

    /// Stores the sums of the parts.
    fn epilogue(&mut self) {
        let flags = MemFlagsData::trusted();
        let sums = self
            .builder
            .ins()
            .load(types::I64, flags, self.context, context::PARTS);
        let mut parts: Vec<(Part, Variable)> = self.parts.iter().map(|(&p, &v)| (p, v)).collect();
        parts.sort_by_key(|&(part, _)| part);
        for (part, variable) in parts {
            let slot = match part {
                Part::Prior => 0,
                Part::Jacobian => 1,
                Part::Likelihood => 2,
                Part::Soft(k) => context::FIXED_PARTS + k as usize,
            };
            let sum = self.builder.use_var(variable);
            self.builder.ins().store(flags, sum, sums, 8 * slot as i32);
        }
        self.builder.ins().return_(&[]);
    }

    pub fn base(&self, field: i32) -> ir::Value {
        self.bases[&field]
    }

    pub fn value(&self, value: Value) -> ir::Value {
        self.values[value.0 as usize].expect("verified: values are defined before they are used")
    }

    pub fn set(&mut self, value: Value, emitted: ir::Value) {
        self.values[value.0 as usize] = Some(emitted);
    }

    pub fn literal(&self, value: Value) -> Option<i64> {
        self.literals.get(&value).copied()
    }

    fn block(&mut self, block: &Block) -> Result<(), JitError> {
        block
            .instructions
            .iter()
            .try_for_each(|instruction| self.instruction(instruction))
    }

    pub fn instruction(&mut self, instruction: &Instruction) -> Result<(), JitError> {
        match instruction {
            Instruction::Constant { result, constant } => {
                let value = match *constant {
                    Constant::Real(value) => self.builder.ins().f64const(value),
                    Constant::Int(value) => {
                        self.literals.insert(*result, value);
                        self.builder.ins().iconst(types::I64, value)
                    }
                    Constant::Bool(value) => self.builder.ins().iconst(types::I8, i64::from(value)),
                };
                self.set(*result, value);
            }
            Instruction::Scalar {
                result,
                operation,
                arguments,
            } => {
                let value = self.scalar(*operation, arguments)?;
                self.set(*result, value);
            }
            Instruction::Weight { result, part } => {
                let slot = match part {
                    Part::Soft(k) => *k as usize,
                    Part::Likelihood => self.graph.soft_count,
                    Part::Prior | Part::Jacobian => {
                        let one = self.builder.ins().f64const(1.0);
                        self.set(*result, one);
                        return Ok(());
                    }
                };
                let flags = MemFlagsData::trusted().with_readonly().with_can_move();
                let base = self.base(context::WEIGHTS);
                let weight = self
                    .builder
                    .ins()
                    .load(types::F64, flags, base, 8 * slot as i32);
                self.set(*result, weight);
            }
            Instruction::Load {
                result,
                buffer,
                index,
            } => {
                let value = self.load(*buffer, *index);
                self.set(*result, value);
            }
            Instruction::Store {
                buffer,
                index,
                value,
            } => {
                let value = self.value(*value);
                self.store(*buffer, *index, value);
            }
            Instruction::Accumulate {
                buffer,
                index,
                value,
            } => {
                let value = self.value(*value);
                let old = self.load(*buffer, *index);
                let sum = self.builder.ins().fadd(old, value);
                self.store(*buffer, *index, sum);
            }
            Instruction::Clear { buffer } => self.clear(*buffer)?,
            Instruction::AddPart { part, value, .. } => {
                let value = self.value(*value);
                self.add_part(*part, value);
            }
            Instruction::Loop { .. } => {
                if !blocks::emit(self, instruction)? {
                    self.scalar_loop(instruction)?;
                }
            }
            Instruction::If {
                condition,
                then,
                otherwise,
            } => {
                self.branch(*condition, then, otherwise)?;
            }
            Instruction::Dense {
                operation,
                inputs,
                outputs,
            } => {
                self.dense(*operation, inputs, outputs)?;
            }
            Instruction::Draw {
                result,
                draw,
                arguments,
            } => {
                let function = symbols::draw(*draw);
                let flags = MemFlagsData::trusted();
                let stream =
                    self.builder
                        .ins()
                        .load(types::I64, flags, self.context, context::STREAM);
                let mut values = vec![stream];
                values.extend(arguments.iter().map(|&argument| self.value(argument)));
                let value = self.call(function, &values, Some(types::F64))?;
                self.set(*result, value.expect("a draw returns a number"));
            }
        }
        Ok(())
    }

    fn scalar(&mut self, operation: Operation, arguments: &[Value]) -> Result<ir::Value, JitError> {
        let mut values = [self.context; 3];
        for (value, &argument) in values.iter_mut().zip(arguments) {
            *value = self.value(argument);
        }
        let values = &values[..arguments.len()];
        if let Some(value) = operations::emit(&mut self.builder, operation, values) {
            return Ok(value);
        }
        let function = symbols::elementary(operation)
            .expect("what has no instruction has a function: tested over the table");
        let value = self.call(function, values, Some(types::F64))?;
        Ok(value.expect("an elementary function returns a number"))
    }

    /// Calls a function of `likelier_kernels`.
    pub fn call(
        &mut self,
        name: &'static str,
        arguments: &[ir::Value],
        result: Option<ir::Type>,
    ) -> Result<Option<ir::Value>, JitError> {
        let function = match self.functions.get(name) {
            Some(&function) => function,
            None => {
                let mut signature = self.module.make_signature();
                let types = arguments
                    .iter()
                    .map(|&a| self.builder.func.dfg.value_type(a));
                signature.params.extend(types.map(AbiParam::new));
                signature.returns.extend(result.map(AbiParam::new));
                let id = self
                    .module
                    .declare_function(
                        &self.cpu.level().linked_name(name),
                        Linkage::Import,
                        &signature,
                    )
                    .map_err(|error| JitError::Compilation(error.to_string()))?;
                let function = self.module.declare_func_in_func(id, self.builder.func);
                self.functions.insert(name, function);
                function
            }
        };
        let call = self.builder.ins().call(function, arguments);
        Ok(self.builder.inst_results(call).first().copied())
    }

    /// The address of a function of this module.
    pub fn function_address(&mut self, function: FuncId) -> ir::Value {
        let function = self
            .module
            .declare_func_in_func(function, self.builder.func);
        self.builder.ins().func_addr(types::I64, function)
    }

    /// The base of a buffer in memory, and the byte offset of its first element.
    pub fn origin(&self, buffer: BufferId) -> (ir::Value, usize) {
        match self.layout.place(buffer) {
            Place::Position => (self.base(context::POSITION), 0),
            Place::Gradient => (self.base(context::GRADIENT), 0),
            Place::Given => (self.base(context::GIVEN), 0),
            Place::Output => (self.base(context::OUTPUT), 0),
            Place::Data(offset) => (self.base(context::DATA), offset),
            Place::Scratch(offset) => (self.base(context::SCRATCH), offset),
            Place::Register => unreachable!("registers have no address"),
        }
    }

    /// Where an element lies.
    pub fn address(&mut self, buffer: BufferId, index: Value) -> Address {
        let (base, offset) = self.origin(buffer);
        match self.literal(index) {
            Some(index) => self.displaced(base, offset as i64 + 8 * index),
            None => {
                let index = self.value(index);
                let bytes = self.builder.ins().ishl_imm_u(index, 3);
                let base = self.builder.ins().iadd(base, bytes);
                self.displaced(base, offset as i64)
            }
        }
    }

    pub fn displaced(&mut self, base: ir::Value, offset: i64) -> Address {
        match i32::try_from(offset) {
            Ok(offset) => Address { base, offset },
            Err(_) => {
                let base = self.builder.ins().iadd_imm_s(base, offset);
                Address { base, offset: 0 }
            }
        }
    }

    /// The address itself as a value, for calls.
    pub fn pointer(&mut self, address: Address) -> ir::Value {
        match address.offset {
            0 => address.base,
            offset => self
                .builder
                .ins()
                .iadd_imm_s(address.base, i64::from(offset)),
        }
    }

    fn flags(&self, buffer: BufferId) -> MemFlagsData {
        let flags = MemFlagsData::trusted();
        match self.graph.buffer(buffer).kind {
            BufferKind::Position
            | BufferKind::Given
            | BufferKind::RealData(_)
            | BufferKind::IntData(_) => flags.with_readonly(),
            _ => flags,
        }
    }

    pub fn load(&mut self, buffer: BufferId, index: Value) -> ir::Value {
        if let Some(&variable) = self.variables.get(&buffer) {
            return self.builder.use_var(variable);
        }
        let ty = if self.graph.buffer(buffer).kind.is_int() {
            types::I64
        } else {
            types::F64
        };
        let address = self.address(buffer, index);
        let flags = self.flags(buffer);
        self.builder
            .ins()
            .load(ty, flags, address.base, address.offset)
    }

    pub fn store(&mut self, buffer: BufferId, index: Value, value: ir::Value) {
        if let Some(&variable) = self.variables.get(&buffer) {
            self.builder.def_var(variable, value);
            return;
        }
        let address = self.address(buffer, index);
        let flags = MemFlagsData::trusted();
        self.builder
            .ins()
            .store(flags, value, address.base, address.offset);
    }

    pub fn add_part(&mut self, part: Part, value: ir::Value) {
        let variable = self.parts[&part];
        let sum = self.builder.use_var(variable);
        let sum = self.builder.ins().fadd(sum, value);
        self.builder.def_var(variable, sum);
    }

    fn clear(&mut self, buffer: BufferId) -> Result<(), JitError> {
        let zero = self.builder.ins().f64const(0.0);
        if let Some(&variable) = self.variables.get(&buffer) {
            self.builder.def_var(variable, zero);
            return Ok(());
        }
        let length = self.graph.buffer(buffer).length;
        let (base, offset) = self.origin(buffer);
        if length <= 8 {
            for i in 0..length {
                let address = self.displaced(base, (offset + 8 * i) as i64);
                let flags = MemFlagsData::trusted();
                self.builder
                    .ins()
                    .store(flags, zero, address.base, address.offset);
            }
            return Ok(());
        }
        let address = self.displaced(base, offset as i64);
        let pointer = self.pointer(address);
        let length = self.builder.ins().iconst(types::I64, length as i64);
        self.call(kernels::CLEAR, &[length, pointer], None)?;
        Ok(())
    }

    fn branch(
        &mut self,
        condition: Value,
        then: &Block,
        otherwise: &Block,
    ) -> Result<(), JitError> {
        let condition = self.value(condition);
        let then_block = self.builder.create_block();
        let after = self.builder.create_block();
        let has_else = !otherwise.instructions.is_empty();
        let else_block = if has_else {
            self.builder.create_block()
        } else {
            after
        };
        self.builder
            .ins()
            .brif(condition, then_block, &[], else_block, &[]);
        let blocks = [(then_block, then), (else_block, otherwise)];
        for (target, block) in blocks.into_iter().take(1 + usize::from(has_else)) {
            self.builder.switch_to_block(target);
            self.builder.seal_block(target);
            self.block(block)?;
            self.builder.ins().jump(after, &[]);
        }
        self.builder.switch_to_block(after);
        self.builder.seal_block(after);
        Ok(())
    }

    /// if first ≤ last { i = first; do { body } while i ≠ last, i ± 1 }
    pub fn scalar_loop(&mut self, instruction: &Instruction) -> Result<(), JitError> {
        let Instruction::Loop {
            index,
            lower,
            upper,
            reversed,
            body,
            ..
        } = instruction
        else {
            unreachable!("called for loops only")
        };
        let (lower_value, upper_value) = (self.value(*lower), self.value(*upper));
        let round = self.builder.create_block();
        let after = self.builder.create_block();
        let i = self.builder.append_block_param(round, types::I64);
        let (first, last, step) = if *reversed {
            (upper_value, lower_value, -1)
        } else {
            (lower_value, upper_value, 1)
        };
        match (self.literal(*lower), self.literal(*upper)) {
            (Some(lower), Some(upper)) if lower <= upper => {
                self.builder.ins().jump(round, &[BlockArg::Value(first)]);
            }
            _ => {
                let some =
                    self.builder
                        .ins()
                        .icmp(IntCC::SignedLessThanOrEqual, lower_value, upper_value);
                self.builder
                    .ins()
                    .brif(some, round, &[BlockArg::Value(first)], after, &[]);
            }
        }
        self.builder.switch_to_block(round);
        self.set(*index, i);
        self.block(body)?;
        let done = self.builder.ins().icmp(IntCC::Equal, i, last);
        let next = self.builder.ins().iadd_imm_s(i, step);
        self.builder
            .ins()
            .brif(done, after, &[], round, &[BlockArg::Value(next)]);
        self.builder.seal_block(round);
        self.builder.switch_to_block(after);
        self.builder.seal_block(after);
        Ok(())
    }

    /// Sizes, inputs, outputs, working memory and its length.
    fn dense(
        &mut self,
        operation: Dense,
        inputs: &[Region],
        outputs: &[Region],
    ) -> Result<(), JitError> {
        if let Dense::Ode(ode) | Dense::AddOdeAdjoint { ode, .. } = operation {
            return self.ode(operation, ode, inputs, outputs);
        }
        let call = kernels::dense(operation, self.cpu);
        let mut arguments = Vec::with_capacity(8);
        for size in call.sizes {
            arguments.push(self.builder.ins().iconst(types::I64, size as i64));
        }
        for region in inputs.iter().chain(outputs) {
            let address = self.address(region.buffer, region.offset);
            arguments.push(self.pointer(address));
        }
        if call.work > 0 {
            let offset = layout::reserve(&mut self.layout.scratch, call.work);
            let address = self.displaced(self.base(context::SCRATCH), offset as i64);
            arguments.push(self.pointer(address));
            let length = self.builder.ins().iconst(types::I64, call.work as i64);
            arguments.push(length);
        }
        self.call(call.name, &arguments, None)?;
        Ok(())
    }
}
