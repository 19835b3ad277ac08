//! Correlations between coordinates, which a diagonal metric cannot see: where a sum is known better than its terms, steps would have
//! to be as short as the sum is narrow. Warm-up looks for them in draws and gradients. The inverse metric Σ that minimises the Fisher divergence
//! to a normal is the geometric mean of the covariance C of draws and the inverse of that of gradients, G (Seyboldt and
//! co-workers): with C = A Aᵀ, Σ = A (Aᵀ G A)^(−1/2) Aᵀ. Of a normal it is the covariance itself, whatever the draws are, since gradients are
//! linear there: a chain need not have seen the length of a ridge to go along it.
//!
//! Gradients with heavy tails feign correlations. So Σ is fitted to the earlier half of some draws and looked at through the later
//! one: it is taken where it leaves a much smaller condition number than the diagonal does.

use crate::math::linear::{add_product_transposed, add_transposed_product, product, solve_lower};
use crate::parts::whitening::{Whitening, lower_factor};

/// The inverse metric of a chain.
#[derive(Debug, Clone, PartialEq)]
pub enum InverseMetric {
    /// Its diagonal.
    Diagonal(Vec<f64>),
    /// The lower factor L of L Lᵀ, row by row.
    Dense(Vec<f64>),
}

impl Default for InverseMetric {
    fn default() -> Self {
        Self::Diagonal(Vec::new())
    }
}

impl InverseMetric {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Diagonal(numbers) | Self::Dense(numbers) => numbers.is_empty(),
        }
    }

    /// The map to the coordinates in which it is the unit matrix.
    pub fn whitening(&self) -> Whitening {
        match self {
            Self::Diagonal(diagonal) => {
                Whitening::Diagonal(diagonal.iter().map(|m| m.sqrt()).collect())
            }
            Self::Dense(lower) => Whitening::Dense(lower.clone()),
        }
    }

    /// Its rows; of a diagonal one the diagonal.
    pub fn rows(&self) -> Vec<Vec<f64>> {
        match self {
            Self::Diagonal(diagonal) => vec![diagonal.clone()],
            Self::Dense(lower) => {
                let size = lower.len().isqrt();
                let mut matrix = vec![0.0; size * size];
                add_product_transposed::<false>(size, size, lower, lower, &mut matrix);
                matrix.chunks(size.max(1)).map(<[f64]>::to_vec).collect()
            }
        }
    }
}

/// For each coordinate so many draws are looked at.
const PER_COORDINATE: usize = 4;
/// And at least this many in all.
const LEAST_DRAWS: usize = 30;
/// The shares of warm-up after which draws are looked at; those before the first tell of the way to where the mass is.
const LOOKS: [f64; 6] = [0.1, 0.15, 0.2, 0.3, 0.5, 0.8];
/// A condition number below this is left to the diagonal: a trajectory is longer by about its square root.
const CONDITION: f64 = 6.0;
/// The same, where a dense metric is in use and can be made better.
const LEFT: f64 = 3.0;
/// A new metric leaves at most this part of the condition number.
const BETTER: f64 = 0.4;
/// And at most this, which shows that the law is nearly normal. In funnels it is 3 to 20.
const NORMAL: f64 = 3.0;
/// The first dense metric before the last look at most this: elsewhere a chain may still be in a minor mode, which it leaves the less the better
/// the metric fits there.
const SURELY_NORMAL: f64 = 2.0;

/// Looks for correlations during a warm-up.
pub struct Correlations {
    dimension: usize,
    /// The iterations of [`LOOKS`].
    looks: [usize; LOOKS.len()],
    /// Draws that a look takes.
    wanted: usize,
    draws: Vec<f64>,
    gradients: Vec<f64>,
    /// Whether a dense metric is in use.
    is_dense: bool,
}

impl Correlations {
    /// For a warm-up of so many iterations; `None` where these cannot tell of so many coordinates, or there are none to be correlated.
    pub fn new(dimension: usize, warmup: usize) -> Option<Self> {
        let looks = LOOKS.map(|share| (share * warmup as f64) as usize);
        let [first, .., last] = looks;
        let wanted = (PER_COORDINATE * dimension).max(LEAST_DRAWS);
        let can_tell = dimension >= 2 && wanted <= last - first + 1;
        can_tell.then(|| Self {
            dimension,
            looks,
            wanted,
            draws: Vec::new(),
            gradients: Vec::new(),
            is_dense: false,
        })
    }

    /// Takes in the draw of an iteration. Returned is now and then the lower factor of a metric, whose coordinates later draws are to
    /// have.
    pub fn add(&mut self, iteration: usize, draw: &[f64], gradient: &[f64]) -> Option<Vec<f64>> {
        let [first, .., last] = self.looks;
        let is_told = (first..=last).contains(&iteration)
            && draw.iter().chain(gradient).all(|x| x.is_finite());
        if !is_told {
            return None;
        }
        self.draws.extend_from_slice(draw);
        self.gradients.extend_from_slice(gradient);
        let count = self.draws.len() / self.dimension;
        if count < self.wanted || !self.looks.contains(&iteration) {
            return None;
        }
        let most_left = match iteration == last || self.is_dense {
            true => NORMAL,
            false => SURELY_NORMAL,
        };
        let found = self.judge(count, most_left);
        self.draws.clear();
        self.gradients.clear();
        self.is_dense |= found.is_some();
        found
    }

    fn judge(&self, count: usize, most_left: f64) -> Option<Vec<f64>> {
        let size = self.dimension;
        let half = count / 2 * size;
        let fit = |rows: std::ops::Range<usize>| {
            Fit::of(&self.draws[rows.clone()], &self.gradients[rows], size)
        };
        let (earlier, later) = (fit(0..half)?, fit(half..count * size)?);
        let mut through_diagonal = later.lower.clone();
        for (row, scale) in through_diagonal.chunks_mut(size).zip(&earlier.scales) {
            row.iter_mut().for_each(|x| *x /= scale);
        }
        let of_diagonal = condition(size, &through_diagonal);
        let least = if self.is_dense { LEFT } else { CONDITION };
        if of_diagonal < least {
            return None;
        }
        let mut through_dense = later.lower;
        solve_lower::<false>(size, size, &earlier.lower, &mut through_dense);
        if condition(size, &through_dense) > most_left.min(BETTER * of_diagonal) {
            return None;
        }
        fit(0..count * size).map(|all| all.lower)
    }
}

/// The best metrics for some draws and their gradients.
struct Fit {
    /// √ of the best diagonal inverse metric.
    scales: Vec<f64>,
    /// Lower factor of the best dense one.
    lower: Vec<f64>,
}

impl Fit {
    /// `None` where there is none, as when a coordinate does not move.
    fn of(draws: &[f64], gradients: &[f64], size: usize) -> Option<Self> {
        let (mut draws, mut gradients) = (centred(draws, size), centred(gradients, size));
        let (of_draws, of_gradients) = (squares(&draws, size), squares(&gradients, size));
        let scales = of_draws.iter().zip(&of_gradients);
        let scales: Vec<f64> = scales.map(|(c, g)| (c / g).sqrt().sqrt()).collect();
        if !scales.iter().all(|s| s.is_finite() && *s > 0.0) {
            return None;
        }
        for (draw, gradient) in draws.chunks_mut(size).zip(gradients.chunks_mut(size)) {
            for ((q, g), scale) in draw.iter_mut().zip(gradient).zip(&scales) {
                *q /= scale;
                *g *= scale;
            }
        }
        let square = || vec![0.0; size * size];
        let (mut covariance, mut factor) = (square(), square());
        add_transposed_product::<false>(size, size, &draws, &draws, &mut covariance);
        if !lower_factor(size, &covariance, &mut factor) {
            return None;
        }
        // Aᵀ G A, as the square of gradients times A.
        let mut seen = vec![0.0; gradients.len()];
        product::<false>(size, size, &gradients, &factor, &mut seen);
        let mut inner = square();
        add_transposed_product::<false>(size, size, &seen, &seen, &mut inner);
        let (values, vectors) = eigen(size, inner);
        let largest = values.iter().copied().fold(0.0, f64::max);
        let mut turned = square();
        product::<false>(size, size, &factor, &vectors, &mut turned);
        for row in turned.chunks_mut(size) {
            for (x, value) in row.iter_mut().zip(&values) {
                *x /= value.max(1e-14 * largest).sqrt().sqrt();
            }
        }
        let (mut inverse_metric, mut lower) = (square(), square());
        add_product_transposed::<false>(size, size, &turned, &turned, &mut inverse_metric);
        if !lower_factor(size, &inverse_metric, &mut lower) {
            return None;
        }
        for (row, scale) in lower.chunks_mut(size).zip(&scales) {
            row.iter_mut().for_each(|x| *x *= scale);
        }
        Some(Self { scales, lower })
    }
}

/// Less the mean of each coordinate.
fn centred(rows: &[f64], size: usize) -> Vec<f64> {
    let mut mean = vec![0.0; size];
    let count = (rows.len() / size) as f64;
    for row in rows.chunks(size) {
        mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / count);
    }
    let less_mean =
        |row: &[f64]| -> Vec<f64> { row.iter().zip(&mean).map(|(x, m)| x - m).collect() };
    rows.chunks(size).flat_map(less_mean).collect()
}

/// The sum of squares of each coordinate.
fn squares(rows: &[f64], size: usize) -> Vec<f64> {
    let mut sums = vec![0.0; size];
    for row in rows.chunks(size) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
    }
    sums
}

/// The condition number of X Xᵀ.
fn condition(size: usize, x: &[f64]) -> f64 {
    let mut matrix = vec![0.0; size * size];
    add_product_transposed::<false>(size, size, x, x, &mut matrix);
    let (values, _) = eigen(size, matrix);
    let largest = values.iter().copied().fold(0.0, f64::max);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    match least > 0.0 && largest.is_finite() {
        true => largest / least,
        false => f64::INFINITY,
    }
}

/// Sweeps of Jacobi's method after which nothing changes any more; six or seven are usual.
const SWEEPS: usize = 30;

/// Eigenvalues and, in columns, eigenvectors of a symmetric matrix, by cyclic Jacobi rotations (Golub & Van Loan, section 8.5): the library of dense algebra adapts to the
/// processor, and so would all draws that follow.
fn eigen(size: usize, mut matrix: Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; size * size];
    (0..size).for_each(|i| vectors[i * size + i] = 1.0);
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..size {
            for q in p + 1..size {
                let (a, b) = (matrix[p * size + p], matrix[q * size + q]);
                let beside = matrix[p * size + q];
                if beside.abs() <= f64::EPSILON * (a * b).abs().sqrt() {
                    continue;
                }
                rotated = true;
                let ratio = (b - a) / (2.0 * beside);
                let tangent = ratio.signum() / (ratio.abs() + (1.0 + ratio * ratio).sqrt());
                let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
                let turn = |x: &mut f64, y: &mut f64| {
                    let (u, v) = (*x, *y);
                    *x = cosine * (u - tangent * v);
                    *y = cosine * (v + tangent * u);
                };
                for both in [&mut matrix, &mut vectors] {
                    for row in both.chunks_mut(size) {
                        let (head, tail) = row.split_at_mut(q);
                        turn(&mut head[p], &mut tail[0]);
                    }
                }
                let (head, tail) = matrix.split_at_mut(q * size);
                let rows = head[p * size..][..size].iter_mut();
                rows.zip(&mut tail[..size]).for_each(|(x, y)| turn(x, y));
            }
        }
        if !rotated {
            break;
        }
    }
    let values = (0..size).map(|i| matrix[i * size + i]).collect();
    (values, vectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    const SIZE: usize = 4;

    /// Draws of which `gradient` gives the gradients.
    fn told(
        count: usize,
        draw: impl Fn(&mut Stream) -> Vec<f64>,
        gradient: impl Fn(&[f64]) -> Vec<f64>,
    ) -> Option<Vec<f64>> {
        let mut stream = Stream::new(1, Purpose::Test, 0);
        let mut correlations = Correlations::new(SIZE, 10 * count).expect("draws enough");
        (count..10 * count).find_map(|iteration| {
            let draw = draw(&mut stream);
            correlations.add(iteration, &draw, &gradient(&draw))
        })
    }

    /// Independent but for their sum, whose standard deviation is 0.001.
    fn sum_is_known(draw: &[f64]) -> Vec<f64> {
        let sum: f64 = draw.iter().sum();
        draw.iter().map(|q| -q - 1e6 * sum).collect()
    }

    #[test]
    fn eigenvectors_make_a_matrix_diagonal() {
        let (mut stream, size) = (Stream::new(2, Purpose::Test, 0), 7);
        let half: Vec<f64> = (0..size * size).map(|_| stream.normal()).collect();
        let mut matrix = vec![0.0; size * size];
        add_product_transposed::<false>(size, size, &half, &half, &mut matrix);
        let (values, vectors) = eigen(size, matrix.clone());
        let mut image = vec![0.0; size * size];
        product::<false>(size, size, &matrix, &vectors, &mut image);
        for (image, vector) in image.chunks(size).zip(vectors.chunks(size)) {
            for ((image, x), value) in image.iter().zip(vector).zip(&values) {
                assert!((image - value * x).abs() < 1e-13, "{image} {value} {x}");
            }
        }
        let trace: f64 = (0..size).map(|i| matrix[i * size + i]).sum();
        assert!((values.iter().sum::<f64>() - trace).abs() < 1e-12);
    }

    #[test]
    fn the_covariance_of_a_normal_is_found_in_draws_that_did_not_see_it() {
        // A quarter of the ridge, and twice its width.
        let draw = |stream: &mut Stream| {
            let mut draw: Vec<f64> = (0..SIZE).map(|_| 0.25 * stream.normal()).collect();
            let sum: f64 = draw.iter().sum();
            let wanted = 0.002 * stream.normal();
            draw.iter_mut()
                .for_each(|q| *q -= (sum - wanted) / SIZE as f64);
            draw
        };
        let lower = told(60, draw, sum_is_known).expect("correlations");
        for (i, row) in InverseMetric::Dense(lower).rows().iter().enumerate() {
            for (j, found) in row.iter().enumerate() {
                // The inverse of I + 10⁶ 1 1ᵀ.
                let truth = f64::from(u8::from(i == j)) - 1e6 / (1.0 + 4e6);
                assert!((found - truth).abs() < 1e-6, "{i} {j}: {found} {truth}");
            }
        }
    }

    #[test]
    fn what_is_independent_keeps_its_diagonal() {
        let normal = |stream: &mut Stream| (0..SIZE).map(|_| stream.normal()).collect();
        assert_eq!(
            told(200, normal, |draw| draw.iter().map(|q| -q).collect()),
            None
        );
        // A funnel: few gradients are larger than all others.
        let funnel = |stream: &mut Stream| {
            let v = 3.0 * stream.normal();
            let rest = (1..SIZE).map(|_| (v / 2.0).exp() * stream.normal());
            std::iter::once(v).chain(rest.collect::<Vec<_>>()).collect()
        };
        let slope = |draw: &[f64]| {
            let (v, rest) = (draw[0], &draw[1..]);
            let squares: f64 = rest.iter().map(|x| x * x).sum();
            let first = -v / 9.0 - 1.5 + 0.5 * squares * (-v).exp();
            let rest = rest.iter().map(|x| -x * (-v).exp());
            std::iter::once(first)
                .chain(rest.collect::<Vec<_>>())
                .collect()
        };
        assert_eq!(told(200, funnel, slope), None);
    }
}
