//! Small dense linear systems by Gaussian elimination with partial pivoting.

/// P A = L U, row-major; L below the diagonal, its unit diagonal not stored.
#[derive(Default)]
pub(super) struct Factors {
    size: usize,
    factors: Vec<f64>,
    pivots: Vec<usize>,
}

impl Factors {
    /// Factors I − scale · A; `false` if that is singular or not finite.
    pub(super) fn factor(&mut self, size: usize, scale: f64, a: &[f64]) -> bool {
        self.size = size;
        self.factors.clear();
        self.factors.extend(a.iter().map(|value| -scale * value));
        self.pivots.clear();
        let m = &mut self.factors;
        for i in 0..size {
            m[i * size + i] += 1.0;
        }
        for column in 0..size {
            let largest = (column..size)
                .max_by(|&i, &j| {
                    let magnitude = |i: usize| m[i * size + column].abs();
                    magnitude(i).total_cmp(&magnitude(j))
                })
                .unwrap_or(column);
            let pivot = m[largest * size + column];
            if pivot == 0.0 || !pivot.is_finite() {
                return false;
            }
            self.pivots.push(largest);
            if largest != column {
                for k in 0..size {
                    m.swap(column * size + k, largest * size + k);
                }
            }
            for i in column + 1..size {
                let factor = m[i * size + column] / pivot;
                m[i * size + column] = factor;
                for k in column + 1..size {
                    m[i * size + k] -= factor * m[column * size + k];
                }
            }
        }
        true
    }

    /// x = A⁻¹ x
    pub(super) fn solve(&self, x: &mut [f64]) {
        let (size, m) = (self.size, &self.factors);
        for (i, &pivot) in self.pivots.iter().enumerate() {
            x.swap(i, pivot);
        }
        for i in 0..size {
            let sum: f64 = (0..i).map(|k| m[i * size + k] * x[k]).sum();
            x[i] -= sum;
        }
        for i in (0..size).rev() {
            let sum: f64 = (i + 1..size).map(|k| m[i * size + k] * x[k]).sum();
            x[i] = (x[i] - sum) / m[i * size + i];
        }
    }

    /// x = A⁻ᵀ x
    pub(super) fn solve_transposed(&self, x: &mut [f64]) {
        let (size, m) = (self.size, &self.factors);
        for i in 0..size {
            let sum: f64 = (0..i).map(|k| m[k * size + i] * x[k]).sum();
            x[i] = (x[i] - sum) / m[i * size + i];
        }
        for i in (0..size).rev() {
            let sum: f64 = (i + 1..size).map(|k| m[k * size + i] * x[k]).sum();
            x[i] -= sum;
        }
        for (i, &pivot) in self.pivots.iter().enumerate().rev() {
            x.swap(i, pivot);
        }
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
                assert!((found - wanted).abs() < 1e-13, "{found} {wanted}");
            }
        }
        assert!(!factors.factor(2, 1.0, &[1.0, 0.0, 0.0, 1.0]), "singular");
        assert!(!factors.factor(1, 1.0, &[f64::NAN]), "not a number");
    }
}
