//! Where a computation that needs a statement of its own goes: to the outermost open block in which everything it reads
//! exists, once, or at once if data alone decide it.

use std::collections::HashSet;
use std::rc::Rc;

use super::expand::{BlockKind, Expander, Outcome, has_draw, is_trivial};
use super::fold::{dense_inputs, depends_on_data_alone, stored_arrays};
use super::loops::{
    ArrayId, ArrayKind, Binder, IndexId, Node, Place, Scalar, Statement, walk_statements,
};
use super::pull::{self, Body, Pull};
use crate::check::hir::Element;
use crate::source::Span;

impl Expander<'_> {
    /// The outermost open block in which everything that the scalars read exists; never outside a branch.
    pub fn level_of(&self, scalars: &[Scalar], places: &[Place]) -> usize {
        let mut level = self
            .blocks
            .iter()
            .rposition(|block| block.kind == BlockKind::Closed)
            .unwrap_or(0);
        let mut arrays: HashSet<ArrayId> = places.iter().map(|place| place.array).collect();
        let mut indices: HashSet<IndexId> = HashSet::new();
        let mut draws = false;
        for scalar in scalars
            .iter()
            .chain(places.iter().flat_map(|place| &place.prefix))
        {
            scalar.walk(&mut |node| match &*node.0 {
                Node::Element { array, .. } => {
                    arrays.insert(*array);
                }
                Node::Index(index) => {
                    indices.insert(*index);
                }
                Node::Draw { .. } => draws = true,
                _ => {}
            });
        }
        if draws {
            return self.blocks.len() - 1;
        }
        for (depth, block) in self.blocks.iter().enumerate() {
            let binds = matches!(&block.kind, BlockKind::Over(bound) if bound.iter().any(|i| indices.contains(i)));
            let defines = block.defines.iter().any(|array| arrays.contains(array));
            if binds || defines {
                level = level.max(depth);
            }
        }
        for array in arrays {
            level = level.max(self.homes[array.0 as usize].min(self.blocks.len() - 1));
        }
        level
    }

    /// Keeps a scalar: computed once, where everything it needs exists. Literals and plain elements stay as they are.
    pub fn keep(
        &mut self,
        name: &str,
        scalar: Scalar,
        element: Element,
        span: Span,
    ) -> Outcome<Scalar> {
        let scalar = self.folded(scalar, element)?;
        if element != Element::Real
            || is_trivial(&scalar) && !self.reads_var(&scalar)
            || self.is_data(&scalar)
        {
            return Ok(scalar);
        }
        let level = self.level_of(std::slice::from_ref(&scalar), &[]);
        let array = self.array_at(level, name, Vec::new(), ArrayKind::Let, span);
        let interval = self.ranges.of(&self.loops.arrays, &scalar);
        self.ranges.arrays.insert(array, interval);
        self.emit_at(
            level,
            Statement::Store {
                array,
                indices: Vec::new(),
                value: scalar,
            },
        );
        Ok(pull::element(&self.loops.arrays, array, Vec::new(), span))
    }

    /// Whether a scalar reads a `var`, which may change after it.
    pub fn reads_var(&self, scalar: &Scalar) -> bool {
        if self.frames.iter().all(|frame| frame.stored_vars.is_empty()) {
            return false;
        }
        let mut found = false;
        scalar.walk(&mut |node| {
            if let Node::Element { array, .. } = &*node.0 {
                found |= matches!(self.loops.array(*array).kind, ArrayKind::Var);
            }
        });
        found
    }

    /// The place of an array's elements, storing them first if they are expressions.
    pub fn place(&mut self, pull: &Pull, name: &str, span: Span) -> Outcome<Place> {
        let (placeholders, body) = match &pull.body {
            Body::Stored(place)
                if !matches!(self.loops.array(place.array).kind, ArrayKind::Var) =>
            {
                return Ok(place.clone());
            }
            // A `var` may change: dense algebra gets a copy.
            Body::Stored(_) => {
                let copy = self.lambda(pull, span);
                return self.place(&copy, name, span);
            }
            Body::Lambda(placeholders, body) => (placeholders.clone(), body.clone()),
        };
        if let Some((_, place, level, serial)) = self.stored.get(&Rc::as_ptr(&body.0))
            && self
                .blocks
                .get(*level)
                .is_some_and(|block| block.serial == *serial)
            && !self.reads_var(&body)
        {
            return Ok(place.clone());
        }
        let binders: Vec<Binder> = placeholders
            .iter()
            .zip(&pull.shape)
            .map(|(&index, &length)| Binder {
                index,
                lower: Scalar::int(1),
                upper: Scalar::int(length as i64),
            })
            .collect();
        let place =
            self.store_over(&binders, Vec::new(), body.clone(), pull.element, name, span)?;
        let level = self.homes[place.array.0 as usize];
        let serial = self.blocks[level].serial;
        self.stored
            .insert(Rc::as_ptr(&body.0), (body, place.clone(), level, serial));
        Ok(place)
    }

    /// Stores `value` for every round of the binders, after `statements` of each round, in a new array.
    pub fn store_over(
        &mut self,
        binders: &[Binder],
        statements: Vec<Statement>,
        value: Scalar,
        element: Element,
        name: &str,
        span: Span,
    ) -> Outcome<Place> {
        self.check_size(binders.iter().map(|b| b.upper.as_int().unwrap_or(0)), span)?;
        let shape: Vec<usize> = binders
            .iter()
            .map(|b| b.upper.as_int().unwrap_or(0).max(0) as usize)
            .collect();
        let level = {
            let mut scalars = vec![value.clone()];
            let mut places = Vec::new();
            walk_statements(&statements, &mut |scalar| scalars.push(scalar.clone()));
            dense_inputs(&statements, &mut |place| places.push(place.clone()));
            let mut inner = HashSet::new();
            stored_arrays(&statements, &mut inner);
            let level = self.level_of_excluding(&scalars, &places, &inner);
            let drawn = has_draw(&scalars);
            if drawn { self.blocks.len() - 1 } else { level }
        };
        let place = self.local(level, name, &shape, span);
        let array = place.array;
        let interval = self.ranges.of(&self.loops.arrays, &value);
        let own = binders.iter().map(|b| Scalar::index(b.index));
        let indices: Vec<Scalar> = place.prefix.iter().cloned().chain(own).collect();
        let mut nest = statements;
        nest.push(Statement::Store {
            array,
            indices,
            value,
        });
        for binder in binders.iter().rev() {
            nest = vec![Statement::For {
                binder: binder.clone(),
                body: nest,
            }];
        }
        if (level == 0
            || self.blocks[..=level]
                .iter()
                .all(|b| b.kind == BlockKind::Straight))
            && depends_on_data_alone(&self.loops.arrays, &nest)
        {
            self.interpret(&nest)?;
            if element != Element::Real {
                self.make_int(array);
            }
            return Ok(place);
        }
        self.ranges.arrays.insert(array, interval);
        for statement in nest {
            self.emit_at(level, statement);
        }
        Ok(place)
    }

    fn level_of_excluding(
        &self,
        scalars: &[Scalar],
        places: &[Place],
        inner: &HashSet<ArrayId>,
    ) -> usize {
        if inner.is_empty() {
            return self.level_of(scalars, places);
        }
        // Arrays made inside the statements move with them.
        let mut outer = Vec::new();
        for scalar in scalars {
            scalar.walk(&mut |node| match &*node.0 {
                Node::Element { array, .. } if !inner.contains(array) => outer.push(Place {
                    array: *array,
                    prefix: Vec::new(),
                }),
                _ => {}
            });
        }
        let indices: Vec<Scalar> = {
            let mut found = HashSet::new();
            for scalar in scalars {
                scalar.walk(&mut |node| {
                    if let Node::Index(index) = &*node.0 {
                        found.insert(*index);
                    }
                });
            }
            found.into_iter().map(Scalar::index).collect()
        };
        outer.extend(
            places
                .iter()
                .filter(|place| !inner.contains(&place.array))
                .cloned(),
        );

        self.level_of(&indices, &outer)
    }
}
