//! Linear systems of implicit steps, kept factored between solutions. Storage grows to the largest system and stays.

use super::super::lu;
use super::super::stack::{MemBuffer, MemStack, StackReq};

/// LU factors of a matrix, with the storage they are made and used in.
pub(super) struct Factors {
    size: usize,
    factors: Vec<f64>,
    places: Vec<usize>,
    memory: MemBuffer,
}

impl Default for Factors {
    fn default() -> Self {
        Self {
            size: 0,
            factors: Vec::new(),
            places: Vec::new(),
            memory: MemBuffer::new(StackReq::empty()),
        }
    }
}

impl Factors {
    /// Factors I − scale · A; `false` if that is singular or not finite.
    pub(super) fn factor(&mut self, size: usize, scale: f64, a: &[f64]) -> bool {
        self.size = size;
        self.factors.clear();
        self.factors.extend(a.iter().map(|value| -scale * value));
        for one in self.factors.iter_mut().step_by(size + 1) {
            *one += 1.0;
        }
        self.places.resize(2 * size, 0);
        let scratch = lu::scratch(size, 1);
        if self.memory.len() < scratch.unaligned_bytes_required() {
            self.memory = MemBuffer::new(scratch);
        }
        let stack = MemStack::new(&mut self.memory);
        lu::factor(size, &mut self.factors, &mut self.places, stack).is_some()
    }

    /// x = A⁻¹ x
    pub(super) fn solve(&mut self, x: &mut [f64]) {
        let stack = MemStack::new(&mut self.memory);
        lu::solve((self.size, 1), &self.factors, &self.places, x, stack);
    }

    /// x = A⁻ᵀ x
    pub(super) fn solve_transposed(&mut self, x: &mut [f64]) {
        let stack = MemStack::new(&mut self.memory);
        lu::solve_transposed((self.size, 1), &self.factors, &self.places, x, stack);
    }
}

#[cfg(test)]
mod tests {
    use super::Factors;

    #[test]
    fn systems_and_their_transposes_are_solved() {
        let a = [2.0, -1.5, 0.3, 4.0, 1.0, -2.0, 0.7, 3.0, 1.0];
        let x = [0.4, -1.2, 2.5];
        let scale = 0.5;
        let entry = |i: usize, j: usize| f64::from(u8::from(i == j)) - scale * a[3 * i + j];
        let mut factors = Factors::default();
        assert!(factors.factor(3, scale, &a));
        for transposed in [false, true] {
            let mut b = [0.0; 3];
            for (i, sum) in b.iter_mut().enumerate() {
                for (j, x) in x.iter().enumerate() {
                    let value = if transposed { entry(j, i) } else { entry(i, j) };
                    *sum += value * x;
                }
            }
            if transposed {
                factors.solve_transposed(&mut b);
            } else {
                factors.solve(&mut b);
            }
            for (found, wanted) in b.iter().zip(x) {
                // The matrix has a condition of 1500.
                assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
            }
        }
        assert!(!factors.factor(2, 1.0, &[1.0, 0.0, 0.0, 1.0]), "singular");
        assert!(!factors.factor(1, 1.0, &[f64::NAN]), "not a number");
    }
}
