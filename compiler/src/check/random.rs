//! Typing of what is drawn or observed: which elements `~` draws, and the shape that the variable has by its law.

use super::hir::{
    Element, Expression, ExpressionKind, RandomIndex, Size, StatementKind, Type, VariableId,
    VariableKind,
};
use super::names::Ahead;
use super::{Checked, Checker, Said};
use crate::ast::tree;
use crate::source::Diagnostic;

impl Checker<'_> {
    pub(super) fn random(
        &mut self,
        statement: &tree::Statement,
        name: &tree::Name,
        indices: &[tree::RandomIndex],
        distribution: &tree::Distribution,
    ) -> Checked<StatementKind> {
        if indices.is_empty() && self.scope.loops > 0 {
            return self.draw_without_index(name);
        }
        let Some(variable) = self.scope.find(&name.text) else {
            return Err(Said);
        };
        let known = self.scope.variables[variable.0 as usize].clone();
        let repeated = self.scope.branches == 0
            && self.scope.ahead[variable.0 as usize] == Ahead::No
            && (indices.is_empty()
                || known.ty.rank() < self.scope.plate().len() + indices.len()
                || indices
                    .iter()
                    .all(|i| matches!(i, tree::RandomIndex::Over { .. }))
                    && known.span == name.span);
        if known.kind != VariableKind::Random || repeated {
            if known.kind == VariableKind::Given {
                let diagnostic = self
                    .defined_twice(&name.text, name.span, &known)
                    .help(format!(
                        "what is random and observed needs no `given`: remove `given {}`",
                        name.text
                    ));
                return self.say(diagnostic);
            }
            let diagnostic = self.defined_twice(&name.text, name.span, &known);
            return self.say(diagnostic);
        }
        self.block(|checker| {
            let (checked, sizes) = checker.random_indices(indices)?;
            let law = checker.law(distribution)?;
            checker.finish_random(variable, statement, name, checked, sizes, law)
        })
    }

    pub(super) fn draw_without_index<T>(&mut self, name: &tree::Name) -> Checked<T> {
        self.say(
            Diagnostic::error(
                "E0246",
                format!(
                    "inside a loop, say which element of `{}` is drawn",
                    name.text
                ),
            )
            .at(name.span, "")
            .help(format!("write `{}[i] ~ …`", name.text)),
        )
    }

    /// The indices on the left of `~`, and the length that each tells.
    pub(super) fn random_indices(
        &mut self,
        indices: &[tree::RandomIndex],
    ) -> Checked<(Vec<RandomIndex>, Vec<Size>)> {
        let mut checked = Vec::new();
        let mut sizes = Vec::new();
        for index in indices {
            match index {
                tree::RandomIndex::Over { name, range } => {
                    let (lower, upper) = self.range(range)?;
                    let size = match &*lower.kind {
                        ExpressionKind::Int(low) if *low < 1 => {
                            return self.say(
                                Diagnostic::error(
                                    "E0247",
                                    format!("indices begin at 1, and this range begins at {low}"),
                                )
                                .at(lower.span, "")
                                .help("let the range begin at 1"),
                            );
                        }
                        // The elements before the range are there too.
                        _ => Size::of(&upper, &self.scope.variables),
                    };
                    sizes.push(size);
                    if let Some(name) = name {
                        self.unhidden(name)?;
                    }
                    let (text, span) = match name {
                        Some(name) => (name.text.as_str(), name.span),
                        None => ("_", range.lower.span),
                    };
                    let variable = self.scope.add(text, span, VariableKind::Index, Type::INT);
                    checked.push(RandomIndex::Over {
                        variable,
                        lower,
                        upper,
                    });
                }
                tree::RandomIndex::At(at) => {
                    let at = self.expression(at)?;
                    let at = self.convert(at, &Type::INT, "the index of an element")?;
                    sizes.push(Size::Unknown);
                    checked.push(RandomIndex::At(at));
                }
            }
        }
        Ok((checked, sizes))
    }

    fn finish_random(
        &mut self,
        variable: VariableId,
        statement: &tree::Statement,
        name: &tree::Name,
        indices: Vec<RandomIndex>,
        sizes: Vec<Size>,
        law: super::hir::Law,
    ) -> Checked<StatementKind> {
        let draw = self.draw_of(&law.call);
        let scalars: Vec<Expression> = self.scalar_arguments(&law.call);
        let shape = super::expressions::common_sizes(&scalars);
        let ranges = indices
            .iter()
            .filter(|index| matches!(index, RandomIndex::Over { .. }))
            .count();
        if !shape.is_empty()
            && !indices.is_empty()
            && (shape.len() != indices.len() || ranges != indices.len())
        {
            let array = scalars
                .iter()
                .find(|argument| argument.ty.rank() > 0)
                .expect("an array");
            let found = array.ty.show(&self.scope.variables);
            return self.say(
                Diagnostic::error("E0317", format!("`{}` gets one number for each index, and this argument is {found}", name.text))
                    .at(array.span, found)
                    .help("index it, as in `y[i in 1..N] ~ normal(mu[i], sigma)`; without indices on the left, `y ~ normal(mu, sigma)`, the shapes go together"),
            );
        }
        if law.ordered && (indices.is_empty() && shape.is_empty()) {
            return self.say(
                Diagnostic::error("E0318", "`ordered` needs several draws")
                    .at(law.span, "")
                    .help(format!("write `{}[1..K] ~ …`", name.text)),
            );
        }
        let plate = self.scope.plate().to_vec();
        if !plate.is_empty() && (law.ordered || indices.is_empty() && !shape.is_empty()) {
            return self.say(
                Diagnostic::error(
                    "E0319",
                    format!(
                        "several models hold `{}`, so its own elements need an index",
                        name.text
                    ),
                )
                .at(law.span, "this describes several numbers at once")
                .help(format!(
                    "write `{}[k in 1..K] ~ …`, without `ordered`",
                    name.text
                )),
            );
        }
        let ranged = ranges == indices.len();
        let own = if indices.is_empty() { shape } else { sizes };
        let mut all = vec![Size::Unknown; plate.len()];
        all.extend(own);
        let indices: Vec<RandomIndex> = plate
            .into_iter()
            .map(RandomIndex::At)
            .chain(indices)
            .collect();
        let own = self.distribution_sizes(&law.call, &draw);
        all.extend(own);
        let ahead = self.scope.ahead[variable.0 as usize];
        let entry = self.scope.variable(variable);
        if ahead == Ahead::Untyped || (ahead == Ahead::Typed && ranged) {
            entry.ty = Type {
                element: draw.element,
                sizes: all,
            };
        } else if ahead == Ahead::No {
            // Where several statements draw the elements, none of them says how many there are.
            let lengths = entry.ty.sizes.iter_mut().zip(all);
            for (length, here) in lengths.take(indices.len()) {
                if *length != here {
                    *length = Size::Unknown;
                }
            }
        }
        entry.doc = statement.doc.clone();
        self.scope.ahead[variable.0 as usize] = Ahead::No;
        Ok(StatementKind::Random {
            variable,
            indices,
            law,
        })
    }

    /// The arguments that stand for scalar parameters, with the shape that they give the variable.
    pub(super) fn scalar_arguments(&self, call: &super::hir::DistributionCall) -> Vec<Expression> {
        let slots = call.slots(&self.distributions);
        let scalars = slots.iter().filter(|slot| slot.is_scalar);
        scalars
            .map(|slot| {
                let mut argument = slot.expression.clone();
                argument.ty.sizes = slot.sizes().to_vec();
                argument
            })
            .collect()
    }

    /// The sizes of a draw in the terms of the model, where an argument tells them.
    fn distribution_sizes(
        &self,
        call: &super::hir::DistributionCall,
        draw: &super::hir::Declared,
    ) -> Vec<Size> {
        match &call.distribution {
            super::hir::DistributionRef::Flat(declared) => declared
                .sizes
                .iter()
                .map(|size| Size::of(size, &self.scope.variables))
                .collect(),
            super::hir::DistributionRef::Mixture(mixture) if mixture.binder.is_some() => {
                vec![Size::Unknown; draw.sizes.len()]
            }
            super::hir::DistributionRef::Mixture(mixture) => {
                self.distribution_sizes(&mixture.components[0], draw)
            }
            super::hir::DistributionRef::Item(id) => {
                let item = &self.distributions[id.0 as usize];
                let find = |wanted: &Size| {
                    for (parameter, argument) in item.parameters.iter().zip(&call.arguments) {
                        let declared = &item.variables[parameter.variable.0 as usize].ty;
                        let position = declared.sizes.iter().position(|size| size == wanted);
                        if let Some(position) = position {
                            return argument.ty.sizes[position].clone();
                        }
                    }
                    Size::Unknown
                };
                draw.sizes
                    .iter()
                    .map(|size| find(&Size::of(size, &item.variables)))
                    .collect()
            }
        }
    }

    pub(super) fn observe(
        &mut self,
        value: &tree::Expression,
        distribution: &tree::Distribution,
    ) -> Checked<StatementKind> {
        let value = self.expression(value);
        let law = self.law(distribution)?;
        let value = value?;
        let draw = self.draw_of(&law.call);
        if law.ordered {
            return self.say(
                Diagnostic::error("E0236", "`ordered` applies to `~` on a random variable")
                    .at(law.span, "")
                    .help("remove it"),
            );
        }
        let value = if draw.element == Element::Real {
            value.to_real()
        } else {
            value
        };
        if value.ty.element != draw.element {
            let help = "this distribution gives whole numbers: observe an int";
            return self.wrong_type(
                "the observed value does not fit the distribution",
                &value,
                help,
            );
        }
        let mut shaped = self.scalar_arguments(&law.call);
        if draw.sizes.is_empty() {
            shaped.push(value.clone());
            self.same_shape(&shaped.iter().collect::<Vec<_>>(), law.span, "")?;
            if value.ty.rank() == 0
                && let Some(array) = shaped.iter().find(|argument| argument.ty.rank() > 0)
            {
                let array = array.clone();
                return self.wrong_type(
                    "one number is observed, and this argument is an array",
                    &array,
                    "observe each element: `observe a[i] ~ …` inside `for`",
                );
            }
        } else if value.ty.rank() != draw.sizes.len() {
            return self.wrong_type(
                "the observed value does not fit the distribution",
                &value,
                "this distribution gives vectors",
            );
        }
        Ok(StatementKind::Observe { value, law })
    }
}
