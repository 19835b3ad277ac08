//! The printed form of a typed program: `likelier show hir`. Every statement with its types, conversions written out.

use super::hir::*;

/// A program as text: its names with their types, then its statements.
pub fn print(hir: &Hir) -> String {
    let mut printer = Printer {
        hir,
        variables: &hir.variables,
        text: String::new(),
        depth: 0,
    };
    for variable in &hir.variables {
        let kind = match variable.kind {
            VariableKind::Given => "given",
            VariableKind::Size => "size",
            VariableKind::Let => "let",
            VariableKind::Random => "random",
            _ => continue,
        };
        let line = format!(
            "{kind} {}: {}",
            variable.name,
            variable.ty.show(&hir.variables)
        );
        printer.line(&line);
    }
    printer.line("");
    printer.statements(&hir.statements);
    printer.text
}

struct Printer<'a> {
    hir: &'a Hir,
    variables: &'a [Variable],
    text: String,
    depth: usize,
}

impl Printer<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(&"  ".repeat(self.depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn inner(&mut self, statements: &[Statement]) {
        self.depth += 1;
        self.statements(statements);
        self.depth -= 1;
    }

    fn name(&self, id: VariableId) -> &str {
        &self.variables[id.0 as usize].name
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            let line = match &statement.kind {
                StatementKind::Given {
                    variable, levels, ..
                } => {
                    let ty = self.variables[variable.0 as usize].ty.show(self.variables);
                    let levels = levels.map(|factor| format!(" levels {}", self.name(factor)));
                    let levels = levels.unwrap_or_default();
                    format!("given {}: {ty}{levels}", self.name(*variable))
                }
                StatementKind::Let {
                    variable,
                    indices,
                    value,
                } => {
                    format!(
                        "let {}{} = {}",
                        self.name(*variable),
                        self.bracketed(indices),
                        self.expression(value)
                    )
                }
                StatementKind::Random {
                    variable,
                    indices,
                    law,
                } => {
                    let indices: Vec<String> = indices
                        .iter()
                        .map(|index| self.random_index(index))
                        .collect();
                    let indices = if indices.is_empty() {
                        String::new()
                    } else {
                        format!("[{}]", indices.join(", "))
                    };
                    format!("{}{indices} ~ {}", self.name(*variable), self.law(law))
                }
                StatementKind::Observe { value, law } => {
                    format!("observe {} ~ {}", self.expression(value), self.law(law))
                }
                StatementKind::Factor { value } => format!("factor {}", self.expression(value)),
                StatementKind::Require { condition, .. } => {
                    format!("require {}", self.expression(condition))
                }
                StatementKind::Soft {
                    name,
                    formula,
                    weight,
                } => {
                    let weight = weight.as_ref().map_or(String::new(), |(weight, _)| {
                        format!(" weight {}", self.expression(weight))
                    });
                    format!("soft {name}: {}{weight}", self.formula(formula))
                }
                StatementKind::Report { name, value, .. } => {
                    format!("report {name} = {}", self.expression(value))
                }
                StatementKind::For {
                    index,
                    lower,
                    upper,
                    body,
                } => {
                    let head = format!(
                        "for {} in {}..{}",
                        self.name(*index),
                        self.expression(lower),
                        self.expression(upper)
                    );
                    self.line(&head);
                    self.inner(body);
                    continue;
                }
                StatementKind::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    let head = format!("if {}", self.expression(condition));
                    self.line(&head);
                    self.inner(then);
                    if !otherwise.is_empty() {
                        self.line("else");
                        self.inner(otherwise);
                    }
                    continue;
                }
                StatementKind::Var {
                    variable,
                    value,
                    sizes,
                } => {
                    let value = value
                        .as_ref()
                        .map(|value| format!(" = {}", self.expression(value)))
                        .unwrap_or_default();
                    format!(
                        "var {}{}{value}",
                        self.name(*variable),
                        self.bracketed(sizes)
                    )
                }
                StatementKind::Assign {
                    variable,
                    indices,
                    value,
                } => {
                    format!(
                        "{}{} = {}",
                        self.name(*variable),
                        self.bracketed(indices),
                        self.expression(value)
                    )
                }
                StatementKind::LetTuple { variables, call } => {
                    let names: Vec<&str> = variables.iter().map(|id| self.name(*id)).collect();
                    format!("let ({}) = {}", names.join(", "), self.expression(call))
                }
                StatementKind::Return { value, more } if more.is_empty() => {
                    format!("return {}", self.expression(value))
                }
                StatementKind::Return { value, more } => {
                    format!("return ({}, {})", self.expression(value), self.list(more))
                }
            };
            self.line(&line);
        }
    }

    fn random_index(&self, index: &RandomIndex) -> String {
        match index {
            RandomIndex::Over {
                variable,
                lower,
                upper,
            } => {
                format!(
                    "{} in {}..{}",
                    self.name(*variable),
                    self.expression(lower),
                    self.expression(upper)
                )
            }
            RandomIndex::At(at) => self.expression(at),
        }
    }

    fn formula(&self, formula: &Formula) -> String {
        match formula {
            Formula::Compare(comparison) => {
                let sign = if comparison.is_equality { "~=" } else { "<" };
                let tail = match &comparison.tail {
                    Tail::Gaussian => String::new(),
                    Tail::Student(freedom) => {
                        format!(" tail student({})", self.expression(freedom))
                    }
                    Tail::Laplace => " tail laplace".to_string(),
                };
                format!(
                    "({} {sign} {} within {}{tail})",
                    self.expression(&comparison.left),
                    self.expression(&comparison.right),
                    self.expression(&comparison.within)
                )
            }
            Formula::Penalty(value) => format!("penalty {}", self.expression(value)),
            Formula::Not(inner) => format!("not {}", self.formula(inner)),
            Formula::And(both) => {
                format!("({} and {})", self.formula(&both.0), self.formula(&both.1))
            }
            Formula::Or(both) => {
                format!("({} or {})", self.formula(&both.0), self.formula(&both.1))
            }
        }
    }

    fn law(&self, law: &Law) -> String {
        let mut text = self.call(&law.call);
        for (word, bounds) in [("truncated", &law.truncated), ("censored", &law.censored)] {
            if let Some((lower, upper)) = bounds {
                let (lower, upper) = (self.expression(lower), self.expression(upper));
                text.push_str(&format!(" {word}({lower}, {upper})"));
            }
        }
        if law.ordered {
            text.push_str(" ordered");
        }
        text
    }

    fn call(&self, call: &DistributionCall) -> String {
        match &call.distribution {
            DistributionRef::Item(id) => {
                let item = &self.hir.distributions[id.0 as usize];
                let arguments: Vec<String> = item
                    .parameters
                    .iter()
                    .zip(&call.arguments)
                    .map(|(p, argument)| {
                        format!(
                            "{}={}",
                            item.variables[p.variable.0 as usize].name,
                            self.expression(argument)
                        )
                    })
                    .collect();
                format!("{}({})", item.name, arguments.join(", "))
            }
            DistributionRef::Flat(declared) => {
                format!("flat({:?})", declared.element).to_lowercase()
            }
            DistributionRef::Mixture(mixture) => {
                let components = mixture.components.iter().map(|call| self.call(call));
                let components = components.collect::<Vec<_>>().join(", ");
                let range = mixture
                    .binder
                    .iter()
                    .map(|binder| format!(" for {}", self.binders(std::slice::from_ref(binder))));
                let weights = self.list(&call.arguments);
                let range: String = range.collect();
                format!(
                    "{}([{weights}], [{components}{range}])",
                    mixture.kind.name()
                )
            }
        }
    }

    fn bracketed(&self, items: &[Expression]) -> String {
        if items.is_empty() {
            String::new()
        } else {
            format!("[{}]", self.list(items))
        }
    }

    fn list(&self, items: &[Expression]) -> String {
        items
            .iter()
            .map(|item| self.expression(item))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn binders(&self, binders: &[Binder]) -> String {
        let one = |b: &Binder| {
            format!(
                "{} in {}..{}",
                self.name(b.variable),
                self.expression(&b.lower),
                self.expression(&b.upper)
            )
        };
        binders.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn expression(&self, e: &Expression) -> String {
        match &*e.kind {
            ExpressionKind::Real(value) => format!("{value:?}"),
            ExpressionKind::Int(value) => value.to_string(),
            ExpressionKind::Bool(value) => value.to_string(),
            ExpressionKind::Label(label) => format!("{label:?}"),
            ExpressionKind::Variable(id) => self.name(*id).to_string(),
            ExpressionKind::Operation {
                operation,
                arguments,
            } => format!("{}({})", operation.entry().name, self.list(arguments)),
            ExpressionKind::Whole {
                function,
                arguments,
            } => format!("{function:?}({})", self.list(arguments)),
            ExpressionKind::Call {
                function,
                arguments,
                ..
            } => {
                format!(
                    "{}({})",
                    self.hir.functions[function.0 as usize].name,
                    self.list(arguments)
                )
            }
            ExpressionKind::Method {
                call,
                method,
                arguments,
            } => {
                format!("{}.{method}({})", self.call(call), self.list(arguments))
            }
            ExpressionKind::Index { base, selectors } => {
                let one = |selector: &Selector| match selector {
                    Selector::At(at) => self.expression(at),
                    Selector::Range(lower, upper) => {
                        format!("{}..{}", self.expression(lower), self.expression(upper))
                    }
                    Selector::All => String::new(),
                };
                let selectors: Vec<String> = selectors.iter().map(one).collect();
                format!("{}[{}]", self.expression(base), selectors.join(", "))
            }
            ExpressionKind::Array(items) => format!("[{}]", self.list(items)),
            ExpressionKind::Comprehension { binders, body } => {
                format!("[{} for {}]", self.expression(body), self.binders(binders))
            }
            ExpressionKind::Reduction {
                reducer,
                binders,
                body,
            } => {
                format!(
                    "{reducer:?}({} for {})",
                    self.expression(body),
                    self.binders(binders)
                )
            }
            ExpressionKind::If {
                condition,
                then,
                otherwise,
            } => {
                format!(
                    "if {} {{ {} }} else {{ {} }}",
                    self.expression(condition),
                    self.expression(then),
                    self.expression(otherwise)
                )
            }
            ExpressionKind::Ode(call) => {
                let name = &self.hir.functions[call.function.0 as usize].name;
                let first = [&call.initial, &call.start, &call.times];
                let shown: Vec<String> = first
                    .into_iter()
                    .chain(&call.arguments)
                    .chain(&call.settings)
                    .map(|argument| self.expression(argument))
                    .collect();
                format!("ode {:?} {name}({})", call.method, shown.join(", "))
            }
            ExpressionKind::Draw { draw, arguments } => {
                format!("draw {draw:?}({})", self.list(arguments))
            }
        }
    }
}
