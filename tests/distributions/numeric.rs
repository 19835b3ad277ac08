//! Numbers that judge numbers: derivatives by extrapolation, integrals by double exponential substitution, tests of draws.

use likelier::Model;
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Evaluator, Parts, Target, Weights};

/// A model being evaluated at positions.
pub struct Evaluation<'a> {
    model: &'a Model,
    evaluator: Box<dyn Evaluator + 'a>,
    pub gradient: Vec<f64>,
    pub parts: Parts,
    values: Vec<f64>,
}

impl<'a> Evaluation<'a> {
    pub fn of(model: &'a Model) -> Self {
        let target = &model.compiled.model;
        Self {
            model,
            evaluator: target.evaluator(),
            gradient: vec![0.0; target.dimension()],
            parts: Parts::default(),
            values: vec![0.0; target.output_count()],
        }
    }

    /// The log density at a position; its parts and gradient are left behind.
    pub fn density(&mut self, position: &[f64]) -> f64 {
        let weights = Weights::posterior(self.model.compiled.model.soft_count());
        self.evaluator
            .log_density_gradient(position, &weights, &mut self.gradient, &mut self.parts)
    }

    /// Prior and Jacobian at a position; nothing where a value of the support has left the range of doubles.
    pub fn prior(&mut self, position: &[f64]) -> f64 {
        self.density(position);
        let sum = self.parts.prior + self.parts.jacobian;
        if sum.is_finite() {
            sum
        } else {
            f64::NEG_INFINITY
        }
    }

    /// What is kept of a draw at a position, from the random numbers of iteration `iteration`.
    pub fn outputs(&mut self, position: &[f64], iteration: u64) -> &[f64] {
        let mut stream = Stream::new(20, Purpose::Test, 7);
        stream.at(iteration);
        self.evaluator
            .outputs(position, &mut stream, &mut self.values);
        &self.values
    }

    /// A start.
    pub fn start(&mut self, iteration: u64) -> Vec<f64> {
        let mut stream = Stream::new(20, Purpose::Test, 8);
        stream.at(iteration);
        let mut position = vec![0.0; self.gradient.len()];
        self.evaluator.prior_draw(&mut stream, &mut position);
        position
    }
}

/// The derivative of `f` at `x` and a bound of its error (Ridders 1982): central differences at halved steps,
/// extrapolated; the best entry of the tableau, judged by its neighbours and by the rounding of `f`.
///
/// `rounding` is the absolute rounding error of `f` on top of a relative one.
pub fn derivative(x: f64, rounding: f64, mut f: impl FnMut(f64) -> f64) -> (f64, f64) {
    const STEPS: usize = 60;
    let mut h = if x == 0.0 { 1.0 } else { 0.25 * x.abs() };
    let mut before: Vec<f64> = Vec::new();
    let (mut best, mut error) = (f64::NAN, f64::INFINITY);
    for _ in 0..STEPS {
        let (above, below) = (x + h, x - h);
        let (high, low) = (f(above), f(below));
        let width = above - below;
        h *= 0.5;
        if !(high.is_finite() && low.is_finite()) || width == 0.0 {
            before.clear();
            continue;
        }
        let rounding = (rounding + 1e-16 + 1e-15 * high.abs().max(low.abs())) / width;
        let mut row = vec![(high - low) / width];
        let mut factor = 4.0;
        for (k, earlier) in before.iter().take(8).enumerate() {
            let next = (row[k] * factor - earlier) / (factor - 1.0);
            let gap = (next - row[k]).abs().max((next - earlier).abs()) + rounding;
            if gap < error {
                (best, error) = (next, gap);
            }
            row.push(next);
            factor *= 4.0;
        }
        before = row;
    }
    (best, error)
}

/// ∫ exp(log_f) over the line, by Simpson's rule in t with x = centre + width sinh(t); exact to many digits for
/// analytic functions and to h⁴ for those with a kink in the centre.
pub fn integral(centre: f64, width: f64, mut log_f: impl FnMut(f64) -> f64) -> f64 {
    const H: f64 = 0.005;
    let mut sum = 0.0;
    for side in [-1.0, 1.0] {
        let mut k = 0;
        loop {
            let t = side * f64::from(k) * H;
            let value = log_f(centre + width * t.sinh()) + t.cosh().ln();
            let weight = match k {
                0 => 1.0,
                k if k % 2 == 1 => 4.0,
                _ => 2.0,
            };
            sum += weight * value.exp();
            k += 1;
            // Wide enough for tails like |x|^-1.3 and narrow enough that x² stays finite.
            if t.abs() > 150.0 {
                break;
            }
        }
    }
    sum * H / 3.0 * width
}

/// A higher point of `f`, uphill from `x` by steps that shrink when neither side is higher.
pub fn uphill(mut x: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    let mut here = f(x);
    let mut step = 1.0;
    for _ in 0..400 {
        let better = [x - step, x + step]
            .map(|x| (f(x), x))
            .into_iter()
            .find(|(value, _)| *value > here);
        match better {
            Some((value, place)) => (here, x, step) = (value, place, step * 1.5),
            None => step *= 0.5,
        }
    }
    x
}

/// The probability that fits 1e-6 of all draws: Kolmogorov's distance of draws that have become uniform numbers
/// through their distribution function, times √n, against 2.7.
pub fn kolmogorov(uniforms: &mut [f64]) -> f64 {
    uniforms.sort_by(f64::total_cmp);
    let n = uniforms.len() as f64;
    let gap = |(i, u): (usize, &f64)| (u - i as f64 / n).max((i + 1) as f64 / n - u);
    uniforms.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
}

/// √(−ln(p/2)/2) for p = 1e-6.
pub const KOLMOGOROV_LIMIT: f64 = 2.6936;

/// Pearson's statistic for counts with known probabilities, neighbouring cells put together until each expects ten,
/// as a normal deviate by the cube root of Wilson and Hilferty. None if one cell is left.
pub fn chi_square(counts: &[f64], probabilities: &[f64]) -> Option<f64> {
    let n: f64 = counts.iter().sum();
    let mut cells: Vec<(f64, f64)> = Vec::new();
    let mut open = (0.0, 0.0);
    for (count, probability) in counts.iter().zip(probabilities) {
        open = (open.0 + count, open.1 + n * probability);
        if open.1 >= 10.0 {
            cells.push(open);
            open = (0.0, 0.0);
        }
    }
    if let Some(last) = cells.last_mut() {
        *last = (last.0 + open.0, last.1 + open.1);
    }
    if cells.len() < 2 {
        return None;
    }
    let statistic: f64 = cells.iter().map(|(o, e)| (o - e).powi(2) / e).sum();
    let freedom = (cells.len() - 1) as f64;
    let spread = 2.0 / (9.0 * freedom);
    Some(((statistic / freedom).cbrt() - (1.0 - spread)) / spread.sqrt())
}

/// The normal deviate with an upper tail of 1e-6.
pub const DEVIATE_LIMIT: f64 = 4.7534;
