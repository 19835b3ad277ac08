//! Names that statements further down define: the elements of one variable may be drawn by several statements, and data may
//! be read anywhere, so that rank and type of such names are told before their statements are reached.

use super::Checker;
use super::hir::{Element, Size, Type, VariableKind};
use super::names::Ahead;
use crate::ast::tree;

impl Checker<'_> {
    /// Notes the random variables and the values defined element by element, wherever they stand.
    pub(super) fn announce(&mut self, statements: &[tree::Statement]) {
        for statement in statements {
            match &statement.kind {
                tree::StatementKind::Random {
                    name,
                    indices,
                    distribution,
                } if self.uses_model(distribution) => {
                    let plate = self.scope.plate().len();
                    let result = self.announced_result(distribution);
                    if let Some((element, rank)) = result.filter(|_| plate + indices.len() > 0)
                        && self.scope.find(&name.text).is_none()
                    {
                        let ty = Self::array_type(element, plate + indices.len() + rank);
                        let id =
                            self.scope
                                .add_global(&name.text, name.span, VariableKind::Let, ty);
                        self.scope.ahead[id.0 as usize] = Ahead::Typed;
                        self.scope.plated(id);
                    }
                }
                tree::StatementKind::Random {
                    name,
                    indices,
                    distribution,
                } => {
                    let known = self.scope.find(&name.text);
                    let ty = self.announced_type(distribution, indices);
                    match (known, ty) {
                        (Some(id), Some(ty))
                            if self.scope.ahead[id.0 as usize] == Ahead::Untyped =>
                        {
                            self.scope.variable(id).ty = ty;
                            self.scope.ahead[id.0 as usize] = Ahead::Typed;
                        }
                        (Some(_), _) => {}
                        (None, ty) => {
                            let ahead = if ty.is_some() {
                                Ahead::Typed
                            } else {
                                Ahead::Untyped
                            };
                            let id = self.scope.add_global(
                                &name.text,
                                name.span,
                                VariableKind::Random,
                                ty.unwrap_or(Type::REAL),
                            );
                            self.scope.ahead[id.0 as usize] = ahead;
                            self.scope.plated(id);
                            self.scope.variable(id).doc = statement.doc.clone();
                        }
                    }
                }
                tree::StatementKind::Let { name, indices, .. }
                    if !indices.is_empty() && self.scope.find(&name.text).is_none() =>
                {
                    let rank = self.scope.plate().len() + indices.len();
                    let ty = Self::array_type(Element::Real, rank);
                    let id = self
                        .scope
                        .add_global(&name.text, name.span, VariableKind::Let, ty);
                    self.scope.plated(id);
                    self.scope.ahead[id.0 as usize] = Ahead::Typed;
                    self.scope.variable(id).doc = statement.doc.clone();
                }
                tree::StatementKind::For { body, .. } => self.announce(body),
                tree::StatementKind::If {
                    then, otherwise, ..
                } => {
                    self.announce(then);
                    self.announce(otherwise);
                }
                _ => {}
            }
        }
    }

    fn announced_type(
        &mut self,
        law: &tree::Distribution,
        indices: &[tree::RandomIndex],
    ) -> Option<Type> {
        if indices.is_empty() {
            return None;
        }
        let (element, rank) = self.announced_draw(law)?;
        let own = indices.iter().map(|index| match index {
            tree::RandomIndex::Over { range, .. } => self.announced_size(range),
            tree::RandomIndex::At(_) => Size::Unknown,
        });
        let sizes = vec![Size::Unknown; self.scope.plate().len()]
            .into_iter()
            .chain(own)
            .chain(vec![Size::Unknown; rank])
            .collect();
        Some(Type { element, sizes })
    }

    /// The element type and the rank of a draw, from the names alone.
    fn announced_draw(&mut self, law: &tree::Distribution) -> Option<(Element, usize)> {
        let name = law.name.text.as_str();
        if name == "flat" {
            let vector = format!("{:?}", law.arguments).contains("\"simplex\"")
                || format!("{:?}", law.arguments).contains("\"ordered\"");
            return Some((Element::Real, usize::from(vector)));
        }
        if self.mixture_named(name).is_some() {
            let component = super::mixture::first_component(law)?;
            return self.announced_draw(&component);
        }
        let id = *self.distributions_named(name).first()?;
        let draw = &self.distributions[id.0 as usize].draw;
        Some((draw.element, draw.sizes.len()))
    }

    /// The length that `1..K` says, when K is a number or a size met before; else it is left open.
    fn announced_size(&self, range: &tree::Range) -> Size {
        let one = matches!(*range.lower.kind, tree::ExpressionKind::Integer(1));
        match &*range.upper.kind {
            tree::ExpressionKind::Integer(upper) if one => Size::Known(*upper),
            _ => Size::Unknown,
        }
    }
}
