//! Typing of operators: which primitive an operator is for its operands, and what it makes of their shapes.

use super::expressions::{common_sizes, make};
use super::hir::{Element, Expression, ExpressionKind, Type, Whole};
use super::{Checked, Checker};
use crate::ast::tree::{self, BinaryOperator, UnaryOperator};
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

impl Checker<'_> {
    pub(super) fn unary(
        &mut self,
        operator: UnaryOperator,
        operand: &tree::Expression,
        span: Span,
    ) -> Checked<Expression> {
        let operand = self.expression(operand)?;
        match (operator, operand.ty.element) {
            (UnaryOperator::Not, Element::Bool) => {
                Ok(self.operation(Operation::Not, vec![operand], span))
            }
            (UnaryOperator::Not, _) => self.wrong_type(
                "`not` needs a truth",
                &operand,
                "compare it, as in `not (a < b)`",
            ),
            (UnaryOperator::Negate, Element::Bool) => {
                self.wrong_type("`-` needs a number", &operand, "`indicator(c)` is 1 or 0")
            }
            (UnaryOperator::Negate, element) => match &*operand.kind {
                ExpressionKind::Int(value) => {
                    Ok(make(span, Type::INT, ExpressionKind::Int(-value)))
                }
                ExpressionKind::Real(value) => {
                    Ok(make(span, Type::REAL, ExpressionKind::Real(-value)))
                }
                _ => {
                    let int = element == Element::Int;
                    let operation = if int {
                        Operation::IntNegate
                    } else {
                        Operation::Negate
                    };
                    Ok(self.operation(operation, vec![operand], span))
                }
            },
        }
    }

    /// A scalar operation over arguments of one shape (checked before).
    pub(super) fn operation(
        &self,
        operation: Operation,
        arguments: Vec<Expression>,
        span: Span,
    ) -> Expression {
        use crate::math::graph::Type as Scalar;
        let element = match operation.entry().result {
            Scalar::Real => Element::Real,
            Scalar::Int => Element::Int,
            Scalar::Bool => Element::Bool,
        };
        let sizes = common_sizes(&arguments);
        make(
            span,
            Type { element, sizes },
            ExpressionKind::Operation {
                operation,
                arguments,
            },
        )
    }

    pub(super) fn binary(
        &mut self,
        operator: BinaryOperator,
        left: &tree::Expression,
        right: &tree::Expression,
        span: Span,
    ) -> Checked<Expression> {
        use BinaryOperator::*;
        let left = self.expression(left);
        let right = self.expression(right)?;
        let left = left?;
        if matches!(operator, And | Or) {
            for side in [&left, &right] {
                if side.ty.element != Element::Bool {
                    return self.wrong_type(
                        "`and` and `or` need truths",
                        side,
                        "compare it, as in `a > 0 and b > 0`",
                    );
                }
            }
            self.same_shape(&[&left, &right], span, "")?;
            let operation = if operator == And {
                Operation::And
            } else {
                Operation::Or
            };
            return Ok(self.operation(operation, vec![left, right], span));
        }
        for side in [&left, &right] {
            if side.ty.element == Element::Bool {
                return self.wrong_type(
                    "arithmetic needs numbers",
                    side,
                    "`indicator(c)` is 1 or 0",
                );
            }
        }
        if operator == MatrixMultiply {
            return self.matrix_product(left, right, span);
        }
        self.same_shape(
            &[&left, &right],
            span,
            if operator == Multiply {
                "`@` is the matrix product; "
            } else {
                ""
            },
        )?;
        let ints = left.ty.element == Element::Int && right.ty.element == Element::Int;
        let (real, int, swapped, negated) = match operator {
            Add => (Operation::Add, Some(Operation::IntAdd), false, false),
            Subtract => (
                Operation::Subtract,
                Some(Operation::IntSubtract),
                false,
                false,
            ),
            Multiply => (
                Operation::Multiply,
                Some(Operation::IntMultiply),
                false,
                false,
            ),
            Divide => (Operation::Divide, None, false, false),
            Power => (Operation::Power, None, false, false),
            Less => (Operation::Less, Some(Operation::IntLess), false, false),
            LessEqual => (
                Operation::LessEqual,
                Some(Operation::IntLessEqual),
                false,
                false,
            ),
            Greater => (Operation::Less, Some(Operation::IntLess), true, false),
            GreaterEqual => (
                Operation::LessEqual,
                Some(Operation::IntLessEqual),
                true,
                false,
            ),
            Equal => (Operation::Equal, Some(Operation::IntEqual), false, false),
            NotEqual => (Operation::Equal, Some(Operation::IntEqual), false, true),
            MatrixMultiply | And | Or => unreachable!("handled above"),
        };
        let (left, right) = if swapped {
            (right, left)
        } else {
            (left, right)
        };
        let result = match int {
            Some(int) if ints => self.operation(int, vec![left, right], span),
            _ => self.operation(real, vec![left.to_real(), right.to_real()], span),
        };
        Ok(if negated {
            self.operation(Operation::Not, vec![result], span)
        } else {
            result
        })
    }

    fn matrix_product(
        &mut self,
        left: Expression,
        right: Expression,
        span: Span,
    ) -> Checked<Expression> {
        let (left, right) = (left.to_real(), right.to_real());
        let shown = |checker: &Self, e: &Expression| e.ty.show(&checker.scope.variables);
        for side in [&left, &right] {
            if side.ty.rank() == 0 {
                return self.wrong_type(
                    "`@` is the matrix product of arrays",
                    side,
                    "a number times an array is written `a * x`",
                );
            }
        }
        let inner = (
            left.ty.sizes.last().expect("an array").clone(),
            right.ty.sizes[0].clone(),
        );
        if inner.0.differs(&inner.1) {
            let (a, b) = (shown(self, &left), shown(self, &right));
            return self.say(
                Diagnostic::error("E0311", format!("{a} @ {b}: the inner sizes differ"))
                    .at(left.span, a)
                    .at(right.span, b)
                    .help("the last size on the left must be the first on the right; `X'` is the transpose of a matrix"),
            );
        }
        let mut sizes = left.ty.sizes[..left.ty.rank() - 1].to_vec();
        sizes.extend(right.ty.sizes[1..].iter().cloned());
        let ty = Type {
            element: Element::Real,
            sizes,
        };
        Ok(make(
            span,
            ty,
            ExpressionKind::Whole {
                function: Whole::MatrixMultiply,
                arguments: vec![left, right],
            },
        ))
    }
}
