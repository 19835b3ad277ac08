//! Where arrays lie in the buffers of a graph: the places of their elements, what is stored there, and dense algebra, which
//! works on stretches of them.

use super::lower::{Lowered, Lowerer};
use crate::data::fold::is_data_only;
use crate::data::loops::{ArrayId, ArrayKind, DenseKind, Place, Scalar};
use crate::math::graph::{BufferId, BufferKind, Region, Value};
use crate::math::primitive::{Dense, Operation};

impl Lowerer<'_> {
    /// The buffer of an array and where the array begins in it.
    pub(crate) fn buffer(&mut self, id: ArrayId) -> (BufferId, usize) {
        if let Some(known) = self.storage.get(&id) {
            return *known;
        }
        let array = self.loops.array(id);
        let length = array.length();
        let buffer = match &array.kind {
            ArrayKind::Real(data) => (
                self.builder
                    .buffer(&array.name, length, BufferKind::RealData(data.clone())),
                0,
            ),
            ArrayKind::Int(data) => (
                self.builder
                    .buffer(&array.name, length, BufferKind::IntData(data.clone())),
                0,
            ),
            ArrayKind::Let => (
                self.builder.buffer(&array.name, length, BufferKind::Local),
                0,
            ),
            ArrayKind::Var => (
                self.builder
                    .buffer(&array.name, length, BufferKind::Mutable),
                0,
            ),
            ArrayKind::Random(_) => self.random_storage(id),
            ArrayKind::Argument => unreachable!("the program of an equation declares its point"),
        };
        self.storage.insert(id, buffer);
        buffer
    }

    /// Flat index from 0 of an element (or of the first element behind a prefix, in units of what follows).
    pub(super) fn flat(&mut self, id: ArrayId, indices: &[Scalar]) -> Lowered<Value> {
        let loops = self.loops;
        self.flat_in(&loops.array(id).shape, indices)
    }

    /// Flat index from 0 of indices in a shape.
    pub(super) fn flat_in(&mut self, shape: &[usize], indices: &[Scalar]) -> Lowered<Value> {
        let mut position = self.builder.int(0);
        let mut shift = 0;
        for (axis, index) in indices.iter().enumerate() {
            let length = shape[axis] as i64;
            let value = self.index(index, length)?;
            if axis > 0 {
                let factor = self.builder.int(length);
                position = self
                    .builder
                    .scalar(Operation::IntMultiply, &[position, factor]);
                shift *= length;
            }
            position = self.builder.scalar(Operation::IntAdd, &[position, value]);
            shift -= 1;
        }
        Ok(self.plus(position, shift))
    }

    /// An index from 1 of an axis of this length. One that unknowns decide has been shown to lie inside, or stands under a
    /// choice that is there for it; it is brought inside all the same, because nothing else protects memory.
    fn index(&mut self, index: &Scalar, length: i64) -> Lowered<Value> {
        let value = self.value(index)?;
        let is_real = self.is_real(value);
        if !is_real {
            let range = self.ranges.of(&self.loops.arrays, index);
            let is_inside = range.low >= 1.0 && range.high <= length as f64;
            if is_inside || is_data_only(&self.loops.arrays, index) {
                return self.int(index);
            }
        }
        let whole = match is_real {
            true => self.builder.scalar(Operation::RealToInt, &[value]),
            false => self.int(index)?,
        };
        let (one, last) = (self.builder.int(1), self.builder.int(length));
        let inside = self.builder.scalar(Operation::IntMaximum, &[whole, one]);
        Ok(self.builder.scalar(Operation::IntMinimum, &[inside, last]))
    }

    pub(super) fn plus(&mut self, value: Value, addend: i64) -> Value {
        let addend = self.builder.int(addend);
        self.builder.scalar(Operation::IntAdd, &[value, addend])
    }

    pub(super) fn times(&mut self, value: Value, factor: usize) -> Value {
        let factor = self.builder.int(factor as i64);
        self.builder
            .scalar(Operation::IntMultiply, &[value, factor])
    }

    /// Stores an element.
    pub(super) fn store(
        &mut self,
        array: ArrayId,
        indices: &[Scalar],
        value: Value,
    ) -> Lowered<()> {
        let declared = self.loops.array(array);
        if declared.shape.is_empty() && !matches!(declared.kind, ArrayKind::Var) {
            self.scopes
                .last_mut()
                .expect("a scope")
                .values
                .insert(array, value);
            return Ok(());
        }
        let element = self.flat(array, indices)?;
        let (buffer, offset) = self.buffer(array);
        let index = self.plus(element, offset as i64);
        self.builder.store(buffer, index, value);
        let scope = self.scopes.last_mut().expect("a scope");
        scope.stored.insert((array, element));
        Ok(())
    }

    fn region(&mut self, place: &Place, length: usize) -> Lowered<Region> {
        let index = self.flat(place.array, &place.prefix)?;
        let index = self.times(index, length);
        let (buffer, offset) = self.buffer(place.array);
        let offset = self.plus(index, offset as i64);
        Ok(Region {
            buffer,
            offset,
            length,
        })
    }

    pub(super) fn dense(
        &mut self,
        operation: DenseKind,
        inputs: &[Place],
        output: &Place,
    ) -> Lowered<()> {
        let mut regions = Vec::new();
        for (place, length) in inputs.iter().zip(operation.input_lengths()) {
            regions.push(self.region(place, length)?);
        }
        let whole = self.region(output, operation.output_length())?;
        if let DenseKind::Ode(ode) = operation {
            return self.ode(ode, regions, whole);
        }
        let (dense, outputs) = match operation {
            DenseKind::Product {
                rows,
                inner,
                columns,
            } => (
                Dense::Product {
                    rows,
                    inner,
                    columns,
                },
                vec![whole],
            ),
            DenseKind::Cholesky { size } => (Dense::Cholesky { size }, vec![whole]),
            DenseKind::SolveLower { size, columns } => {
                (Dense::SolveLower { size, columns }, vec![whole])
            }
            DenseKind::SolveLowerTransposed { size, columns } => {
                (Dense::SolveLowerTransposed { size, columns }, vec![whole])
            }
            DenseKind::MultiNormal { size } => {
                let part = |lowerer: &mut Self, start: usize, length: usize| Region {
                    buffer: whole.buffer,
                    offset: lowerer.plus(whole.offset, start as i64),
                    length,
                };
                let outputs = vec![
                    part(self, 0, 1),
                    part(self, 1, size),
                    part(self, 1 + size, size * size),
                ];
                (Dense::MultiNormal { size }, outputs)
            }
            DenseKind::Packed(dense) => {
                let mut start = 0;
                let mut outputs = Vec::new();
                for length in dense.lengths().1 {
                    outputs.push(Region {
                        buffer: whole.buffer,
                        offset: self.plus(whole.offset, start),
                        length,
                    });
                    start += length as i64;
                }
                (dense, outputs)
            }
            DenseKind::Ode(_) => unreachable!("lowered above"),
        };
        if regions.iter().any(|region| region.length == 0) {
            return self.dense_of_nothing(outputs);
        }
        self.builder.dense(dense, regions, outputs);
        Ok(())
    }

    /// Products over nothing are zero; the log density of no numbers is zero.
    fn dense_of_nothing(&mut self, outputs: Vec<Region>) -> Lowered<()> {
        for region in outputs {
            if region.length == 0 {
                continue;
            }
            let index = self.builder.begin_count(region.length);
            let at = self
                .builder
                .scalar(Operation::IntAdd, &[region.offset, index]);
            let zero = self.builder.real(0.0);
            self.builder.store(region.buffer, at, zero);
            self.builder.end();
        }
        Ok(())
    }
}
