//! Scalar operations as Cranelift instructions. Nothing here traps: whole division is guarded, and comparisons with NaN
//! are false, as in the table of primitives. Multiplications and additions are never fused, so that scalar code gives
//! the same bits at every CPU level.

use cranelift::codegen::ir::{self, InstBuilder};
use cranelift::prelude::{FloatCC, FunctionBuilder, IntCC, types};

use crate::math::primitive::Operation;

/// The result of an operation that has instructions; `None` for those that are calls.
pub(super) fn emit(
    builder: &mut FunctionBuilder,
    operation: Operation,
    a: &[ir::Value],
) -> Option<ir::Value> {
    use Operation::*;
    let value = match operation {
        Negate => builder.ins().fneg(a[0]),
        Add => builder.ins().fadd(a[0], a[1]),
        Subtract => builder.ins().fsub(a[0], a[1]),
        Multiply => builder.ins().fmul(a[0], a[1]),
        Divide => builder.ins().fdiv(a[0], a[1]),
        Minimum => extreme(builder, FloatCC::LessThan, a),
        Maximum => extreme(builder, FloatCC::GreaterThan, a),
        Absolute => builder.ins().fabs(a[0]),
        SquareRoot => builder.ins().sqrt(a[0]),
        Less => builder.ins().fcmp(FloatCC::LessThan, a[0], a[1]),
        LessEqual => builder.ins().fcmp(FloatCC::LessThanOrEqual, a[0], a[1]),
        Equal => builder.ins().fcmp(FloatCC::Equal, a[0], a[1]),
        And => builder.ins().band(a[0], a[1]),
        Or => builder.ins().bor(a[0], a[1]),
        Not => builder.ins().bxor_imm_u(a[0], 1),
        Select | IntSelect => builder.ins().select(a[0], a[1], a[2]),
        IntNegate => builder.ins().ineg(a[0]),
        IntAdd => builder.ins().iadd(a[0], a[1]),
        IntSubtract => builder.ins().isub(a[0], a[1]),
        IntMultiply => builder.ins().imul(a[0], a[1]),
        IntDivide | IntRemainder => whole_division(builder, operation, a[0], a[1]),
        IntMinimum => builder.ins().smin(a[0], a[1]),
        IntMaximum => builder.ins().smax(a[0], a[1]),
        IntLess => builder.ins().icmp(IntCC::SignedLessThan, a[0], a[1]),
        IntLessEqual => builder.ins().icmp(IntCC::SignedLessThanOrEqual, a[0], a[1]),
        IntEqual => builder.ins().icmp(IntCC::Equal, a[0], a[1]),
        IntToReal => builder.ins().fcvt_from_sint(types::F64, a[0]),
        Hold => a[0],
        RealToInt => builder.ins().fcvt_to_sint_sat(types::I64, a[0]),
        _ => return None,
    };
    Some(value)
}

/// The first argument if it is NaN or compares as wanted, else the second.
fn extreme(builder: &mut FunctionBuilder, condition: FloatCC, a: &[ir::Value]) -> ir::Value {
    let chosen = builder.ins().fcmp(condition, a[0], a[1]);
    let nan = builder.ins().fcmp(FloatCC::Unordered, a[0], a[0]);
    let first = builder.ins().bor(chosen, nan);
    builder.ins().select(first, a[0], a[1])
}

/// Division rounded down and its remainder, which has the divisor's sign; both 0 for the divisor 0. The machine's
/// division traps for the divisors 0 and −1 (the latter with the least int), so it is given 1 in their place.
fn whole_division(
    builder: &mut FunctionBuilder,
    operation: Operation,
    a: ir::Value,
    b: ir::Value,
) -> ir::Value {
    let zero = builder.ins().iconst(types::I64, 0);
    let one = builder.ins().iconst(types::I64, 1);
    let by_zero = builder.ins().icmp(IntCC::Equal, b, zero);
    let minus_one = builder.ins().iconst(types::I64, -1);
    let by_minus_one = builder.ins().icmp(IntCC::Equal, b, minus_one);
    let guarded = builder.ins().bor(by_zero, by_minus_one);
    let divisor = builder.ins().select(guarded, one, b);
    let quotient = builder.ins().sdiv(a, divisor);
    let product = builder.ins().imul(quotient, divisor);
    let remainder = builder.ins().isub(a, product);
    let inexact = builder.ins().icmp(IntCC::NotEqual, remainder, zero);
    let signs = builder.ins().bxor(remainder, divisor);
    let opposite = builder.ins().icmp(IntCC::SignedLessThan, signs, zero);
    let adjust = builder.ins().band(inexact, opposite);
    if operation == Operation::IntDivide {
        let below = builder.ins().isub(quotient, one);
        let floor = builder.ins().select(adjust, below, quotient);
        let negated = builder.ins().ineg(a);
        let by_minus = builder.ins().select(by_minus_one, negated, floor);
        builder.ins().select(by_zero, zero, by_minus)
    } else {
        let shifted = builder.ins().iadd(remainder, divisor);
        let modulus = builder.ins().select(adjust, shifted, remainder);
        builder.ins().select(guarded, zero, modulus)
    }
}
