//! Types with symbolic sizes: how they are written, when two sizes certainly differ, and the sizes that expressions are.

use super::hir::{
    Element, Expression, ExpressionKind, Size, Type, Variable, VariableId, VariableKind, Whole,
};
use crate::math::primitive::Operation;

impl Type {
    /// A scalar type.
    pub fn scalar(element: Element) -> Self {
        Type {
            element,
            sizes: Vec::new(),
        }
    }

    /// real
    pub const REAL: Type = Type {
        element: Element::Real,
        sizes: Vec::new(),
    };
    /// int
    pub const INT: Type = Type {
        element: Element::Int,
        sizes: Vec::new(),
    };
    /// bool
    pub const BOOL: Type = Type {
        element: Element::Bool,
        sizes: Vec::new(),
    };

    /// As a message writes it: `real[N, 3]`.
    pub fn show(&self, variables: &[Variable]) -> String {
        let element = match self.element {
            Element::Real => "real",
            Element::Int => "int",
            Element::Bool => "bool",
        };
        if self.sizes.is_empty() {
            return element.to_string();
        }
        let sizes: Vec<String> = self.sizes.iter().map(|size| size.show(variables)).collect();
        format!("{element}[{}]", sizes.join(", "))
    }
}

impl Size {
    /// The size of one name.
    pub fn name(variable: VariableId) -> Self {
        Size::Linear(vec![(variable, 1)], 0)
    }

    /// As a message writes it.
    pub fn show(&self, variables: &[Variable]) -> String {
        match self {
            Size::Known(number) => number.to_string(),
            Size::Unknown => "?".into(),
            Size::Linear(terms, constant) => {
                let mut text = String::new();
                for (variable, coefficient) in terms {
                    let name = &variables[variable.0 as usize].name;
                    let sign = if *coefficient < 0 { " - " } else { " + " };
                    if !text.is_empty() || *coefficient < 0 {
                        text.push_str(if text.is_empty() { "-" } else { sign });
                    }
                    if coefficient.abs() != 1 {
                        text.push_str(&format!("{} * ", coefficient.abs()));
                    }
                    text.push_str(name);
                }
                match constant {
                    0 => text,
                    c if *c < 0 => format!("{text} - {}", -c),
                    c => format!("{text} + {c}"),
                }
            }
        }
    }

    fn parts(&self) -> Option<(Vec<(VariableId, i64)>, i64)> {
        match self {
            Size::Known(number) => Some((Vec::new(), *number)),
            Size::Linear(terms, constant) => Some((terms.clone(), *constant)),
            Size::Unknown => None,
        }
    }

    fn of_parts(mut terms: Vec<(VariableId, i64)>, constant: i64) -> Size {
        terms.retain(|term| term.1 != 0);
        if terms.is_empty() {
            Size::Known(constant)
        } else {
            Size::Linear(terms, constant)
        }
    }

    /// self + factor · other
    pub fn plus(&self, other: &Size, factor: i64) -> Size {
        let (Some((mut terms, constant)), Some((more, addend))) = (self.parts(), other.parts())
        else {
            return Size::Unknown;
        };
        for (variable, coefficient) in more {
            match terms.iter_mut().find(|term| term.0 == variable) {
                Some(term) => term.1 = term.1.saturating_add(factor.saturating_mul(coefficient)),
                None => terms.push((variable, factor.saturating_mul(coefficient))),
            }
        }
        terms.sort();
        Size::of_parts(
            terms,
            constant.saturating_add(factor.saturating_mul(addend)),
        )
    }

    /// Whether the two cannot be equal, whatever the data.
    pub fn differs(&self, other: &Size) -> bool {
        matches!(self.plus(other, -1), Size::Known(difference) if difference != 0)
    }

    /// The size that an int expression is.
    pub fn of(expression: &Expression, variables: &[Variable]) -> Size {
        match &*expression.kind {
            ExpressionKind::Int(number) => Size::Known(*number),
            ExpressionKind::Variable(id) if variables[id.0 as usize].kind == VariableKind::Size => {
                Size::name(*id)
            }
            ExpressionKind::Operation {
                operation,
                arguments,
            } => {
                let of = |i: usize| Size::of(&arguments[i], variables);
                match operation {
                    Operation::IntAdd => of(0).plus(&of(1), 1),
                    Operation::IntSubtract => of(0).plus(&of(1), -1),
                    Operation::IntMultiply => match (of(0), of(1)) {
                        (Size::Known(factor), other) | (other, Size::Known(factor)) => {
                            Size::Known(0).plus(&other, factor)
                        }
                        _ => Size::Unknown,
                    },
                    _ => Size::Unknown,
                }
            }
            ExpressionKind::Whole {
                function: Whole::Length | Whole::Rows,
                arguments,
            } => arguments[0]
                .ty
                .sizes
                .first()
                .cloned()
                .unwrap_or(Size::Unknown),
            _ => Size::Unknown,
        }
    }

    /// The number of values of a range.
    pub fn of_range(lower: &Expression, upper: &Expression, variables: &[Variable]) -> Size {
        let count = Size::of(upper, variables)
            .plus(&Size::of(lower, variables), -1)
            .plus(&Size::Known(1), 1);
        match count {
            Size::Known(number) => Size::Known(number.max(0)),
            other => other,
        }
    }
}

impl Expression {
    /// An int as a real, elementwise; anything else as it is.
    pub fn to_real(self) -> Expression {
        if self.ty.element != Element::Int {
            return self;
        }
        if let ExpressionKind::Int(number) = &*self.kind {
            return Expression {
                span: self.span,
                ty: Type::REAL,
                kind: Box::new(ExpressionKind::Real(*number as f64)),
            };
        }
        Expression {
            span: self.span,
            ty: Type {
                element: Element::Real,
                sizes: self.ty.sizes.clone(),
            },
            kind: Box::new(ExpressionKind::Operation {
                operation: Operation::IntToReal,
                arguments: vec![self],
            }),
        }
    }
}
