//! Loops whose rounds are independent, run operation by operation on blocks of 256 rounds: one kernel call for each
//! operation and block. Kernels use the whole width of the machine, which Cranelift does not, and 256 numbers are few
//! enough that all intermediate results stay in the first-level cache and many enough that the calls do not count.
//! Data are read in place, what does not vary stays a number, sums go to registers, products into the sums that use
//! them. The scalar loop remains for few rounds, and where only a little cheap arithmetic is done.

use std::collections::HashMap;

use cranelift::codegen::ir::{self, BlockArg, InstBuilder};
use cranelift::prelude::{IntCC, types};

use crate::math::graph::{Block, BufferId, Instruction, Type, Value};
use crate::math::primitive::Operation;

use super::emit::Emitter;
use super::kernels::{self, Operands};
use super::layout;
use super::native::JitError;
use plan::{Form, Kind, Plan};

mod plan;

/// Whether loops may become loops over blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lowering {
    /// Every loop round by round.
    #[cfg(test)]
    Scalar,
    /// Blocks where they pay.
    Blocks,
    /// Blocks wherever they are possible.
    #[cfg(test)]
    Always,
}

/// Rounds in a block. Anything from 64 to 512 is within 15 % in measurements of regressions.
const BLOCK: i64 = 256;

/// Fewer rounds than this run one by one.
const FEW: i64 = 16;

/// A body without calls has to have this many cheap operations.
const CHEAP_OPERATIONS: usize = 4;

/// Writes a loop as a loop over blocks, with the scalar loop beside it where the number of rounds is not known; false
/// if it has to be written round by round.
pub(super) fn emit(emitter: &mut Emitter, instruction: &Instruction) -> Result<bool, JitError> {
    let Instruction::Loop {
        index,
        lower,
        upper,
        max_count,
        body,
        ..
    } = instruction
    else {
        return Ok(false);
    };
    let few = match emitter.lowering {
        #[cfg(test)]
        Lowering::Scalar => return Ok(false),
        Lowering::Blocks => FEW,
        #[cfg(test)]
        Lowering::Always => 1,
    };
    if (*max_count as i64) < few {
        return Ok(false);
    }
    let plan = Plan::new(emitter.graph, *index, body, &|value| emitter.literal(value));
    let Some(plan) = plan else { return Ok(false) };
    let pays = plan.expensive > 0 || plan.cheap >= CHEAP_OPERATIONS || few == 1;
    let literal_count = match (emitter.literal(*lower), emitter.literal(*upper)) {
        (Some(lower), Some(upper)) => Some(upper - lower + 1),
        _ => None,
    };
    if !pays || literal_count.is_some_and(|count| count < few) {
        return Ok(false);
    }
    let (lower, upper) = (emitter.value(*lower), emitter.value(*upper));
    let difference = emitter.builder.ins().isub(upper, lower);
    let count = emitter.builder.ins().iadd_imm_s(difference, 1);
    let mut writer = Writer {
        emitter,
        plan,
        body,
        lower,
        count,
        free: Vec::new(),
        held: HashMap::new(),
        broadcasts: HashMap::new(),
    };
    if literal_count.is_some() {
        writer.block_loop()?;
        return Ok(true);
    }
    let builder = &mut writer.emitter.builder;
    let (many, one_by_one, after) = (
        builder.create_block(),
        builder.create_block(),
        builder.create_block(),
    );
    let enough = builder
        .ins()
        .icmp_imm_s(IntCC::SignedGreaterThanOrEqual, count, few);
    builder.ins().brif(enough, many, &[], one_by_one, &[]);
    builder.switch_to_block(many);
    builder.seal_block(many);
    writer.block_loop()?;
    let emitter = writer.emitter;
    emitter.builder.ins().jump(after, &[]);
    emitter.builder.switch_to_block(one_by_one);
    emitter.builder.seal_block(one_by_one);
    emitter.scalar_loop(instruction)?;
    emitter.builder.ins().jump(after, &[]);
    emitter.builder.switch_to_block(after);
    emitter.builder.seal_block(after);
    Ok(true)
}

/// Where the block of a varying value is.
#[derive(Debug, Clone, Copy)]
enum Held {
    /// In scratch at this offset, to be reused after its last use.
    Temporary(usize),
    /// At an address that is not ours to reuse.
    InPlace(ir::Value),
}

/// An operand of a kernel.
#[derive(Debug, Clone, Copy)]
enum Operand {
    Block(ir::Value),
    Number(ir::Value),
}

struct Writer<'w, 'e> {
    emitter: &'w mut Emitter<'e>,
    plan: Plan,
    body: &'w Block,
    lower: ir::Value,
    count: ir::Value,
    /// Blocks of scratch that are free.
    free: Vec<usize>,
    held: HashMap<Value, Held>,
    /// Blocks filled with a uniform value before the loop.
    broadcasts: HashMap<Value, usize>,
}

/// The rounds of a block: its first index and their number.
#[derive(Debug, Clone, Copy)]
struct Rounds {
    first: ir::Value,
    number: ir::Value,
}

impl<'w> Writer<'w, '_> {
    fn block_loop(&mut self) -> Result<(), JitError> {
        let body = self.body;
        for instruction in &body.instructions {
            if instruction
                .result()
                .is_some_and(|result| self.plan.is_uniform(result))
            {
                self.emitter.instruction(instruction)?;
            }
        }
        self.broadcast_operands()?;
        let builder = &mut self.emitter.builder;
        let (round, after) = (builder.create_block(), builder.create_block());
        let start = builder.append_block_param(round, types::I64);
        let zero = builder.ins().iconst(types::I64, 0);
        builder.ins().jump(round, &[BlockArg::Value(zero)]);
        builder.switch_to_block(round);
        let remaining = builder.ins().isub(self.count, start);
        let whole = builder.ins().iconst(types::I64, BLOCK);
        let number = builder.ins().smin(remaining, whole);
        let first = builder.ins().iadd(self.lower, start);
        let rounds = Rounds { first, number };
        for (position, instruction) in body.instructions.iter().enumerate() {
            self.instruction(instruction, rounds)?;
            self.release(position);
        }
        let builder = &mut self.emitter.builder;
        let next = builder.ins().iadd_imm_s(start, BLOCK);
        let more = builder.ins().icmp(IntCC::SignedLessThan, next, self.count);
        builder
            .ins()
            .brif(more, round, &[BlockArg::Value(next)], after, &[]);
        builder.seal_block(round);
        builder.switch_to_block(after);
        builder.seal_block(after);
        Ok(())
    }

    /// Fills blocks with uniform operands of kernels that have no form for single numbers.
    fn broadcast_operands(&mut self) -> Result<(), JitError> {
        let mut wanted = Vec::new();
        for instruction in &self.body.instructions {
            match instruction {
                Instruction::Scalar {
                    result,
                    operation: Operation::Select,
                    arguments,
                } if !self.plan.is_uniform(*result) => {
                    wanted.extend_from_slice(&arguments[1..]);
                }
                Instruction::Accumulate { index, value, .. } if !self.plan.is_uniform(*index) => {
                    wanted.push(*value);
                }
                _ => {}
            }
        }
        for value in wanted {
            if !self.plan.is_uniform(value) || self.broadcasts.contains_key(&value) {
                continue;
            }
            let offset = self.reserve();
            self.broadcasts.insert(value, offset);
            let number = self.number(value);
            let (out, n) = (self.scratch(offset), self.integer(BLOCK));
            self.emitter.call(kernels::FILL, &[out, n, number], None)?;
        }
        Ok(())
    }

    #[allow(clippy::collapsible_match)] // what is not varying must not fall through to the last arm
    fn instruction(&mut self, instruction: &Instruction, rounds: Rounds) -> Result<(), JitError> {
        match instruction {
            Instruction::Scalar {
                result,
                operation,
                arguments,
            } => {
                if *self.plan.kind(*result) == Kind::Varying && !self.plan.deferred.contains(result)
                {
                    self.scalar(*result, *operation, arguments, rounds)?;
                }
            }
            Instruction::Load {
                result,
                buffer,
                index,
            } => {
                if *self.plan.kind(*result) == Kind::Varying {
                    self.load(*result, *buffer, *index, rounds)?;
                }
            }
            Instruction::Store {
                buffer,
                index,
                value,
            } => {
                self.store(*buffer, *index, *value, rounds)?;
            }
            Instruction::Accumulate {
                buffer,
                index,
                value,
            } => {
                self.accumulate(*buffer, *index, *value, rounds)?;
            }
            Instruction::AddPart { part, value, .. } => {
                let sum = self.sum(*value, rounds)?;
                self.emitter.add_part(*part, sum);
            }
            _ => {}
        }
        Ok(())
    }

    fn integer(&mut self, value: i64) -> ir::Value {
        self.emitter.builder.ins().iconst(types::I64, value)
    }

    fn scratch(&mut self, offset: usize) -> ir::Value {
        let base = self.emitter.base(super::context::SCRATCH);
        let address = self.emitter.displaced(base, offset as i64);
        self.emitter.pointer(address)
    }

    fn reserve(&mut self) -> usize {
        match self.free.pop() {
            Some(offset) => offset,
            None => layout::reserve(&mut self.emitter.layout.scratch, BLOCK as usize),
        }
    }

    /// Frees the blocks of values that are not used after a position.
    fn release(&mut self, position: usize) {
        let last_use = &self.plan.last_use;
        let done = |value: &Value| last_use.get(value).is_none_or(|&last| last <= position);
        let mut freed: Vec<usize> = Vec::new();
        self.held.retain(|value, held| match held {
            Held::Temporary(offset) if done(value) => {
                freed.push(*offset);
                false
            }
            _ => true,
        });
        // In a fixed order, so that the same program always gives the same code.
        freed.sort_unstable();
        self.free.extend(freed);
    }

    /// A uniform value as a real: truth values become 0 and 1.
    fn number(&mut self, value: Value) -> ir::Value {
        let number = self.emitter.value(value);
        if self.emitter.graph.type_of(value) != Type::Bool {
            return number;
        }
        let builder = &mut self.emitter.builder;
        let (one, zero) = (builder.ins().f64const(1.0), builder.ins().f64const(0.0));
        builder.ins().select(number, one, zero)
    }

    fn operand(&mut self, value: Value) -> Operand {
        if self.plan.is_uniform(value) {
            return Operand::Number(self.number(value));
        }
        match self.held[&value] {
            Held::InPlace(pointer) => Operand::Block(pointer),
            Held::Temporary(offset) => Operand::Block(self.scratch(offset)),
        }
    }

    /// An operand as a block in any case.
    fn block(&mut self, value: Value) -> ir::Value {
        match self.operand(value) {
            Operand::Block(pointer) => pointer,
            Operand::Number(_) => {
                let offset = self.broadcasts[&value];
                self.scratch(offset)
            }
        }
    }

    /// Where the block of a new value is to be written.
    fn destination(&mut self, result: Value, rounds: Rounds) -> ir::Value {
        if let Some(&position) = self.plan.direct.get(&result)
            && let Instruction::Store { buffer, index, .. } = &self.body.instructions[position]
        {
            let pointer = self.element(*buffer, *index, rounds);
            self.held.insert(result, Held::InPlace(pointer));
            return pointer;
        }
        let offset = self.reserve();
        self.held.insert(result, Held::Temporary(offset));
        self.scratch(offset)
    }

    fn form(&self, index: Value) -> Form {
        match self.plan.kind(index) {
            Kind::Index(form) => form.clone(),
            _ => unreachable!("planned: the index of a varying element has a form"),
        }
    }

    /// constant + Σ multiple · uniform
    fn shift(&mut self, form: &Form) -> ir::Value {
        let mut sum = self.integer(form.constant);
        for (&uniform, &multiple) in &form.uniforms {
            let value = self.emitter.value(uniform);
            let builder = &mut self.emitter.builder;
            let term = builder.ins().imul_imm_s(value, multiple);
            sum = builder.ins().iadd(sum, term);
        }
        sum
    }

    /// The address of element `place` of a buffer.
    fn at(&mut self, buffer: BufferId, place: ir::Value) -> ir::Value {
        let (base, offset) = self.emitter.origin(buffer);
        let bytes = self.emitter.builder.ins().ishl_imm_u(place, 3);
        let base = self.emitter.builder.ins().iadd(base, bytes);
        let address = self.emitter.displaced(base, offset as i64);
        self.emitter.pointer(address)
    }

    /// The address of the first round's element, for indices that follow the loop's index.
    fn element(&mut self, buffer: BufferId, index: Value, rounds: Rounds) -> ir::Value {
        let form = self.form(index);
        let shift = self.shift(&form);
        let scaled = self
            .emitter
            .builder
            .ins()
            .imul_imm_s(rounds.first, form.scale);
        let place = self.emitter.builder.ins().iadd(scaled, shift);
        self.at(buffer, place)
    }

    /// The address of the table's element for the first round.
    fn table(&mut self, buffer: BufferId, form: &Form, rounds: Rounds) -> ir::Value {
        let shift = self.shift(form);
        let place = self.emitter.builder.ins().iadd(rounds.first, shift);
        self.at(buffer, place)
    }

    fn load(
        &mut self,
        result: Value,
        buffer: BufferId,
        index: Value,
        rounds: Rounds,
    ) -> Result<(), JitError> {
        let form = self.form(index);
        let n = rounds.number;
        if form.is_contiguous() {
            let source = self.element(buffer, index, rounds);
            if self.plan.written.contains(&buffer) {
                let out = self.destination(result, rounds);
                self.emitter.call(kernels::COPY, &[out, source, n], None)?;
            } else {
                self.held.insert(result, Held::InPlace(source));
            }
            return Ok(());
        }
        let out = self.destination(result, rounds);
        let scale = self.integer(form.scale);
        match &form.table {
            None => {
                let source = self.element(buffer, index, rounds);
                self.emitter
                    .call(kernels::GATHER, &[out, source, scale, n], None)?;
            }
            Some((table, inner)) => {
                let shift = self.shift(&form);
                let source = self.at(buffer, shift);
                let table = self.table(*table, inner, rounds);
                self.emitter
                    .call(kernels::GATHER_TABLE, &[out, source, table, scale, n], None)?;
            }
        }
        Ok(())
    }

    fn store(
        &mut self,
        buffer: BufferId,
        index: Value,
        value: Value,
        rounds: Rounds,
    ) -> Result<(), JitError> {
        if self.plan.direct.contains_key(&value) {
            return Ok(());
        }
        let out = self.element(buffer, index, rounds);
        match self.operand(value) {
            Operand::Block(a) => {
                self.emitter
                    .call(kernels::COPY, &[out, a, rounds.number], None)?
            }
            Operand::Number(a) => {
                self.emitter
                    .call(kernels::FILL, &[out, rounds.number, a], None)?
            }
        };
        Ok(())
    }

    fn accumulate(
        &mut self,
        buffer: BufferId,
        index: Value,
        value: Value,
        rounds: Rounds,
    ) -> Result<(), JitError> {
        if self.plan.is_uniform(index) {
            let sum = self.sum(value, rounds)?;
            let old = self.emitter.load(buffer, index);
            let new = self.emitter.builder.ins().fadd(old, sum);
            self.emitter.store(buffer, index, new);
            return Ok(());
        }
        let form = self.form(index);
        let (a, n) = (self.block(value), rounds.number);
        match &form.table {
            None if form.scale == 1 => {
                let out = self.element(buffer, index, rounds);
                self.emitter.call(kernels::ADD_TO, &[out, a, n], None)?;
            }
            None => {
                let out = self.element(buffer, index, rounds);
                let scale = self.integer(form.scale);
                self.emitter
                    .call(kernels::SCATTER_ADD, &[out, scale, a, n], None)?;
            }
            Some((table, inner)) => {
                let shift = self.shift(&form);
                let out = self.at(buffer, shift);
                let table = self.table(*table, inner, rounds);
                let scale = self.integer(form.scale);
                let arguments = [out, table, scale, a, n];
                self.emitter
                    .call(kernels::SCATTER_ADD_TABLE, &arguments, None)?;
            }
        }
        Ok(())
    }

    /// The factors of a product that was left to its user: a block, and a block or a number.
    fn factors(&mut self, product: Value) -> Option<(ir::Value, Operand)> {
        if !self.plan.deferred.contains(&product) {
            return None;
        }
        let arguments =
            self.body
                .instructions
                .iter()
                .find_map(|instruction| match instruction {
                    Instruction::Scalar {
                        result, arguments, ..
                    } if *result == product => Some(arguments),
                    _ => None,
                })?;
        let (a, b) = (self.operand(arguments[0]), self.operand(arguments[1]));
        match (a, b) {
            (Operand::Block(a), b) => Some((a, b)),
            (number, Operand::Block(b)) => Some((b, number)),
            _ => None,
        }
    }

    /// The sum of a value over the rounds of the block.
    fn sum(&mut self, value: Value, rounds: Rounds) -> Result<ir::Value, JitError> {
        let n = rounds.number;
        let real = Some(types::F64);
        let expect = |sum: Option<ir::Value>| sum.expect("sums return a number");
        if let Some((a, b)) = self.factors(value) {
            return Ok(match b {
                Operand::Block(b) => expect(self.emitter.call(kernels::DOT, &[a, b, n], real)?),
                Operand::Number(b) => {
                    let sum = expect(self.emitter.call(kernels::SUM, &[a, n], real)?);
                    self.emitter.builder.ins().fmul(sum, b)
                }
            });
        }
        Ok(match self.operand(value) {
            Operand::Block(a) => expect(self.emitter.call(kernels::SUM, &[a, n], real)?),
            Operand::Number(a) => {
                let rounds = self.emitter.builder.ins().fcvt_from_sint(types::F64, n);
                self.emitter.builder.ins().fmul(a, rounds)
            }
        })
    }

    fn scalar(
        &mut self,
        result: Value,
        operation: Operation,
        arguments: &[Value],
        rounds: Rounds,
    ) -> Result<(), JitError> {
        let n = rounds.number;
        match operation {
            Operation::IntToReal => {
                let out = self.destination(result, rounds);
                return self.index_as_real(out, arguments[0], rounds);
            }
            Operation::IntEqual => {
                return self.compare_ints(result, Operation::Equal, arguments, rounds);
            }
            Operation::IntLess => {
                return self.compare_ints(result, Operation::Less, arguments, rounds);
            }
            Operation::IntLessEqual => {
                return self.compare_ints(result, Operation::LessEqual, arguments, rounds);
            }
            Operation::Add if arguments.iter().any(|a| self.plan.deferred.contains(a)) => {
                return self.multiply_add(result, arguments, rounds);
            }
            Operation::Select => {
                let mask = self.block(arguments[0]);
                let (a, b) = (self.block(arguments[1]), self.block(arguments[2]));
                let out = self.destination(result, rounds);
                self.emitter
                    .call(kernels::SELECT, &[out, mask, a, b, n], None)?;
                return Ok(());
            }
            _ => {}
        }
        let operands: Vec<Operand> = arguments.iter().map(|&a| self.operand(a)).collect();
        self.kernel(result, operation, &operands, rounds)
    }

    /// Calls the kernel of an operation for its kinds of operands.
    fn kernel(
        &mut self,
        result: Value,
        operation: Operation,
        operands: &[Operand],
        rounds: Rounds,
    ) -> Result<(), JitError> {
        let n = rounds.number;
        let out = self.destination(result, rounds);
        let (name, first, second) = match *operands {
            [Operand::Block(a)] => {
                let name = kernels::unary(operation).expect("planned: it has a kernel");
                self.emitter.call(name, &[out, a, n], None)?;
                return Ok(());
            }
            [Operand::Block(a), Operand::Block(b)] => (Operands::BothBlocks, a, b),
            [Operand::Block(a), Operand::Number(b)] => (Operands::FirstBlock, a, b),
            [Operand::Number(a), Operand::Block(b)] => (Operands::SecondBlock, a, b),
            _ => unreachable!("planned: a varying value has a varying operand"),
        };
        let name = kernels::binary(operation, name).expect("planned: it has a kernel");
        self.emitter.call(name, &[out, first, second, n], None)?;
        Ok(())
    }

    /// a + b c
    fn multiply_add(
        &mut self,
        result: Value,
        arguments: &[Value],
        rounds: Rounds,
    ) -> Result<(), JitError> {
        let second = self.plan.deferred.contains(&arguments[1]);
        let (sum, product) = if second {
            (arguments[0], arguments[1])
        } else {
            (arguments[1], arguments[0])
        };
        let (b, c) = self
            .factors(product)
            .expect("planned: the product is deferred");
        let a = self.operand(sum);
        let out = self.destination(result, rounds);
        let is_block = |operand: Operand| matches!(operand, Operand::Block(_));
        let name = kernels::multiply_add(is_block(a), is_block(c));
        let inner = |operand| match operand {
            Operand::Block(value) | Operand::Number(value) => value,
        };
        self.emitter
            .call(name, &[out, inner(a), b, inner(c), rounds.number], None)?;
        Ok(())
    }

    /// Compares ints as reals, which they are exactly: indices and table entries are far below 2⁵³.
    fn compare_ints(
        &mut self,
        result: Value,
        operation: Operation,
        arguments: &[Value],
        rounds: Rounds,
    ) -> Result<(), JitError> {
        let (mut operands, mut used) = (Vec::with_capacity(2), Vec::with_capacity(2));
        for &argument in arguments {
            operands.push(if self.plan.is_uniform(argument) {
                let number = self.emitter.value(argument);
                let number = self
                    .emitter
                    .builder
                    .ins()
                    .fcvt_from_sint(types::F64, number);
                Operand::Number(number)
            } else {
                let offset = self.reserve();
                used.push(offset);
                let out = self.scratch(offset);
                self.index_as_real(out, argument, rounds)?;
                Operand::Block(out)
            });
        }
        self.kernel(result, operation, &operands, rounds)?;
        self.free.extend(used);
        Ok(())
    }

    fn index_as_real(
        &mut self,
        out: ir::Value,
        index: Value,
        rounds: Rounds,
    ) -> Result<(), JitError> {
        let form = self.form(index);
        let shift = self.shift(&form);
        let (scale, n) = (self.integer(form.scale), rounds.number);
        match &form.table {
            None => {
                let scaled = self.emitter.builder.ins().imul(rounds.first, scale);
                let start = self.emitter.builder.ins().iadd(scaled, shift);
                self.emitter
                    .call(kernels::IOTA, &[out, start, scale, n], None)?;
            }
            Some((table, inner)) => {
                let table = self.table(*table, inner, rounds);
                self.emitter
                    .call(kernels::IOTA_TABLE, &[out, table, shift, scale, n], None)?;
            }
        }
        Ok(())
    }
}
