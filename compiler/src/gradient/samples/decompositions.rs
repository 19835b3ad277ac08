//! Terms of random programs that go through decompositions of a positive definite matrix.

use super::Writer;
use crate::math::graph::{BufferId, BufferKind, Region, Value};
use crate::math::primitive::Dense;

impl Writer {
    /// Terms of A⁻¹ v, log |det A|, the eigenvalues of A, its QR factors and v in order, for A (3 × 3) and v (3).
    pub(super) fn decompositions(&mut self, a: BufferId, v: BufferId) {
        let (zero, size) = (self.builder.int(0), 3);
        let square = size * size;
        let (rows, columns) = (size, size);
        let (a, v) = (region(a, zero, square), region(v, zero, size));
        for (operation, inputs, read) in [
            (Dense::Solve { size, columns: 1 }, vec![a, v], vec![0, 2]),
            (Dense::Determinant { size }, vec![a], vec![0]),
            (Dense::EigenSymmetric { size }, vec![a], vec![0, 1, 2]),
            (Dense::Qr { rows, columns }, vec![a], vec![1, 5, 10, 17]),
            (Dense::Sort { size }, vec![v], vec![0, 1, 2]),
        ] {
            let lengths = operation.lengths().1;
            let whole = lengths.iter().sum();
            let buffer = self.builder.buffer("parts", whole, BufferKind::Local);
            let mut start = 0;
            let mut outputs = Vec::new();
            for length in lengths {
                let offset = self.builder.int(start);
                outputs.push(region(buffer, offset, length));
                start += length as i64;
            }
            self.builder.dense(operation, inputs, outputs);
            for place in read {
                let place = self.builder.int(place);
                let value = self.builder.load(buffer, place);
                self.push(value);
                self.term();
            }
        }
    }
}

fn region(buffer: BufferId, offset: Value, length: usize) -> Region {
    Region {
        buffer,
        offset,
        length,
    }
}
