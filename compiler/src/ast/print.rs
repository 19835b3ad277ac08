//! The printed form of a tree: `likelier show ast`. One node a line, indented, with the words it stands for.

use super::tree::*;

/// A tree as text.
pub fn print(tree: &Tree) -> String {
    let mut text = String::new();
    for statement in &tree.statements {
        show(statement, 0, &mut text);
    }
    text
}

fn line(depth: usize, words: &str, text: &mut String) {
    text.push_str(&"  ".repeat(depth));
    text.push_str(words);
    text.push('\n');
}

fn block(statements: &[Statement], depth: usize, text: &mut String) {
    statements
        .iter()
        .for_each(|statement| show(statement, depth, text));
}

fn show(statement: &Statement, depth: usize, text: &mut String) {
    let words = match &statement.kind {
        StatementKind::Given {
            name,
            ty,
            levels,
            column,
            default,
        } => {
            let levels = levels
                .as_ref()
                .map(|factor| format!(" levels {}", factor.text))
                .unwrap_or_default();
            let column = column
                .as_ref()
                .map(|column| format!(" from {column:?}"))
                .unwrap_or_default();
            let default = default
                .as_ref()
                .map(|value| format!(" = {}", expression(value)))
                .unwrap_or_default();
            let ty = type_text(ty);
            format!("given {}: {ty}{levels}{column}{default}", name.text)
        }
        StatementKind::Let {
            name,
            indices,
            value,
        } => {
            format!(
                "let {}{} = {}",
                name.text,
                bracketed(indices),
                expression(value)
            )
        }
        StatementKind::LetTuple { names, value } => {
            let names: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
            format!("let ({}) = {}", names.join(", "), expression(value))
        }
        StatementKind::Random {
            name,
            indices,
            distribution,
        } => {
            let indices: Vec<String> = indices.iter().map(random_index).collect();
            let indices = if indices.is_empty() {
                String::new()
            } else {
                format!("[{}]", indices.join(", "))
            };
            format!("{}{indices} ~ {}", name.text, law(distribution))
        }
        StatementKind::Observe {
            value,
            distribution,
        } => format!("observe {} ~ {}", expression(value), law(distribution)),
        StatementKind::Factor { value } => format!("factor {}", expression(value)),
        StatementKind::Require { condition } => format!("require {}", expression(condition)),
        StatementKind::Soft {
            name,
            formula,
            weight,
            binders,
        } => {
            let weight = weight.as_ref().map_or(String::new(), |weight| {
                let joint = if weight.is_joint { " joint" } else { "" };
                format!(" weight {}{joint}", expression(&weight.value))
            });
            let binders = match binders.is_empty() {
                true => String::new(),
                false => format!(" for {}", binders_text(binders)),
            };
            format!(
                "soft {}: {}{weight}{binders}",
                name.text,
                expression(formula)
            )
        }
        StatementKind::Report { name, value } => {
            let value = value
                .as_ref()
                .map(|value| format!(" = {}", expression(value)))
                .unwrap_or_default();
            format!("report {}{value}", name.text)
        }
        StatementKind::For { binder, body } => {
            line(depth, &format!("for {}", binder_text(binder)), text);
            return block(body, depth + 1, text);
        }
        StatementKind::If {
            condition,
            then,
            otherwise,
        } => {
            line(depth, &format!("if {}", expression(condition)), text);
            block(then, depth + 1, text);
            if !otherwise.is_empty() {
                line(depth, "else", text);
                block(otherwise, depth + 1, text);
            }
            return;
        }
        StatementKind::Var { name, ty, value } => {
            let ty = ty
                .as_ref()
                .map(|ty| format!(": {}", type_text(ty)))
                .unwrap_or_default();
            let value = value
                .as_ref()
                .map(|value| format!(" = {}", expression(value)))
                .unwrap_or_default();
            format!("var {}{ty}{value}", name.text)
        }
        StatementKind::Assign {
            name,
            indices,
            value,
        } => {
            format!(
                "{}{} = {}",
                name.text,
                bracketed(indices),
                expression(value)
            )
        }
        StatementKind::Return { value } => format!("return {}", expression(value)),
        StatementKind::Function(function) => {
            let mut result = type_text(&function.result);
            if !function.more.is_empty() {
                let more: Vec<String> = function.more.iter().map(type_text).collect();
                result = format!("({result}, {})", more.join(", "));
            }
            let head = format!(
                "fn {}({}) -> {result}",
                function.name.text,
                parameters(&function.parameters)
            );
            line(depth, &head, text);
            return block(&function.body, depth + 1, text);
        }
        StatementKind::Distribution(item) => {
            let head = format!(
                "dist {}({}) on {}",
                item.name.text,
                parameters(&item.parameters),
                type_text(&item.support)
            );
            line(depth, &head, text);
            match &item.body {
                DistributionBody::Same(same) => line(depth + 1, &format!("= {}", law(same)), text),
                DistributionBody::Members(members) => {
                    for member in members {
                        let names: Vec<&str> = member
                            .parameters
                            .iter()
                            .map(|name| name.text.as_str())
                            .collect();
                        line(
                            depth + 1,
                            &format!("{}({})", member.name.text, names.join(", ")),
                            text,
                        );
                        block(&member.body, depth + 2, text);
                    }
                }
            }
            return;
        }
        StatementKind::Model(item) => {
            let result = item
                .result
                .as_ref()
                .map(|ty| format!(" -> {}", type_text(ty)))
                .unwrap_or_default();
            let head = format!(
                "model {}({}){result}",
                item.name.text,
                parameters(&item.parameters)
            );
            line(depth, &head, text);
            return block(&item.body, depth + 1, text);
        }
        StatementKind::Import { path } => {
            let path: Vec<&str> = path.iter().map(|name| name.text.as_str()).collect();
            format!("import {}", path.join("."))
        }
        StatementKind::ImportFile { path } => format!("import {path:?}"),
    };
    line(depth, &words, text);
}

fn parameters(parameters: &[Parameter]) -> String {
    let mut text = String::new();
    for (i, parameter) in parameters.iter().enumerate() {
        let starts_keywords = parameter.keyword_only && (i == 0 || !parameters[i - 1].keyword_only);
        text.push_str(if starts_keywords {
            "; "
        } else if i > 0 {
            ", "
        } else {
            ""
        });
        text.push_str(&format!(
            "{}: {}",
            parameter.name.text,
            type_text(&parameter.ty)
        ));
        if let Some(default) = &parameter.default {
            text.push_str(&format!(" = {}", expression(default)));
        }
    }
    text
}

fn type_text(ty: &Type) -> String {
    let bounds = ty
        .bounds
        .as_ref()
        .map(|(a, b)| format!(" in ({}, {})", expression(a), expression(b)))
        .unwrap_or_default();
    format!("{}{}{bounds}", ty.name.text, bracketed(&ty.sizes))
}

fn bracketed(items: &[Expression]) -> String {
    if items.is_empty() {
        String::new()
    } else {
        format!("[{}]", list(items))
    }
}

fn list(items: &[Expression]) -> String {
    items.iter().map(expression).collect::<Vec<_>>().join(", ")
}

fn random_index(index: &RandomIndex) -> String {
    match index {
        RandomIndex::Over {
            name: Some(name),
            range,
        } => format!("{} in {}", name.text, range_text(range)),
        RandomIndex::Over { name: None, range } => range_text(range),
        RandomIndex::At(at) => expression(at),
    }
}

fn range_text(range: &Range) -> String {
    format!("{}..{}", expression(&range.lower), expression(&range.upper))
}

fn binder_text(binder: &Binder) -> String {
    format!("{} in {}", binder.name.text, range_text(&binder.range))
}

fn binders_text(binders: &[Binder]) -> String {
    binders
        .iter()
        .map(binder_text)
        .collect::<Vec<_>>()
        .join(", ")
}

fn law(law: &Distribution) -> String {
    let mut text = format!("{}({})", law.name.text, arguments(&law.arguments));
    for modifier in &law.modifiers {
        match modifier {
            Modifier::Truncated { lower, upper, .. } => {
                text.push_str(&format!(
                    " truncated({}, {})",
                    expression(lower),
                    expression(upper)
                ));
            }
            Modifier::Censored { lower, upper, .. } => {
                text.push_str(&format!(
                    " censored({}, {})",
                    expression(lower),
                    expression(upper)
                ));
            }
            Modifier::Ordered { .. } => text.push_str(" ordered"),
        }
    }
    text
}

fn arguments(arguments: &[Argument]) -> String {
    let one = |argument: &Argument| {
        let name = argument
            .name
            .as_ref()
            .map(|name| format!("{}=", name.text))
            .unwrap_or_default();
        match &argument.value {
            ArgumentValue::Expression(value) => format!("{name}{}", expression(value)),
            ArgumentValue::Type(ty) => format!("{name}{}", type_text(ty)),
        }
    };
    arguments.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// An expression with all its parentheses, so that precedence can be seen.
fn expression(e: &Expression) -> String {
    match &*e.kind {
        ExpressionKind::Real(value) => format!("{value:?}"),
        ExpressionKind::Integer(value) => value.to_string(),
        ExpressionKind::Boolean(value) => value.to_string(),
        ExpressionKind::Name(name) => name.clone(),
        ExpressionKind::Label(label) => format!("{label:?}"),
        ExpressionKind::Unary {
            operator: UnaryOperator::Negate,
            operand,
        } => format!("(-{})", expression(operand)),
        ExpressionKind::Unary {
            operator: UnaryOperator::Not,
            operand,
        } => format!("(not {})", expression(operand)),
        ExpressionKind::Binary {
            operator,
            left,
            right,
        } => {
            format!(
                "({} {} {})",
                expression(left),
                sign(*operator),
                expression(right)
            )
        }
        ExpressionKind::Call {
            function,
            arguments: items,
        } => format!("{}({})", function.text, arguments(items)),
        ExpressionKind::Method {
            distribution,
            method,
            arguments,
        } => {
            format!("{}.{}({})", law(distribution), method.text, list(arguments))
        }
        ExpressionKind::Index { base, selectors } => {
            let one = |selector: &Selector| match selector {
                Selector::At(at) => expression(at),
                Selector::Range(range) => range_text(range),
                Selector::All => String::new(),
            };
            let selectors: Vec<String> = selectors.iter().map(one).collect();
            format!("{}[{}]", expression(base), selectors.join(", "))
        }
        ExpressionKind::Transpose { operand } => format!("{}'", expression(operand)),
        ExpressionKind::Array(items) => format!("[{}]", list(items)),
        ExpressionKind::Comprehension { body, binders } => {
            format!("[{} for {}]", expression(body), binders_text(binders))
        }
        ExpressionKind::Reduction {
            function,
            body,
            binders,
        } => {
            format!(
                "{}({} for {})",
                function.text,
                expression(body),
                binders_text(binders)
            )
        }
        ExpressionKind::If {
            condition,
            then,
            otherwise,
        } => {
            format!(
                "if {} {{ {} }} else {{ {} }}",
                expression(condition),
                expression(then),
                expression(otherwise)
            )
        }
        ExpressionKind::Tuple(items) => format!("({})", list(items)),
        ExpressionKind::Constraint(constraint) => constraint_text(constraint),
        ExpressionKind::Error => "?".into(),
    }
}

fn constraint_text(constraint: &Constraint) -> String {
    match constraint {
        Constraint::Compare {
            operands,
            relations,
            strength,
        } => {
            let mut text = format!("({}", expression(&operands[0]));
            for (relation, operand) in relations.iter().zip(&operands[1..]) {
                let sign = match relation.kind {
                    RelationKind::Near => "~=",
                    RelationKind::Plain(operator) => sign(operator),
                };
                text.push_str(&format!(" {sign} {}", expression(operand)));
            }
            if let Some(strength) = strength {
                text.push_str(&format!(" within {}", expression(&strength.within)));
                text.push_str(match strength.coupling {
                    Some(Coupling::Joint) => " joint",
                    Some(Coupling::Normalised) => " normalised",
                    None => "",
                });
                if let Some(tail) = &strength.tail {
                    text.push_str(&format!(" tail {}", tail.name.text));
                    if let Some(freedom) = &tail.freedom {
                        text.push_str(&format!("({})", expression(freedom)));
                    }
                }
            }
            text + ")"
        }
        Constraint::Penalty(value) => format!("penalty {}", expression(value)),
        Constraint::Implies(left, right) => {
            format!("({} implies {})", expression(left), expression(right))
        }
    }
}

fn sign(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Add => "+",
        BinaryOperator::Subtract => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Power => "^",
        BinaryOperator::MatrixMultiply => "@",
        BinaryOperator::Less => "<",
        BinaryOperator::LessEqual => "<=",
        BinaryOperator::Greater => ">",
        BinaryOperator::GreaterEqual => ">=",
        BinaryOperator::Equal => "==",
        BinaryOperator::NotEqual => "!=",
        BinaryOperator::And => "and",
        BinaryOperator::Or => "or",
    }
}
