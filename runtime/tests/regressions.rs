//! Regressions whose noise is unknown and turns out to be small: tempered from the prior to the posterior, the noise
//! falls by orders of magnitude, and the coefficients narrow with it. Given the noise the coefficients integrate by hand,
//! so the evidence is an integral over one number.

use likelier_runtime::methods::smc::{self, Settings, Watch, combine};
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Evaluator, Parts, Target, Weights};

/// y ~ normal(X b, exp(s)), b ~ normal(0, widths), s ~ normal(centre, 2).
struct Regression {
    rows: Vec<Vec<f64>>,
    y: Vec<f64>,
    widths: Vec<f64>,
    centre: f64,
}

const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_7;

fn log_normal(x: f64, sd: f64) -> f64 {
    -0.5 * (x / sd).powi(2) - sd.ln() - HALF_LOG_TAU
}

impl Target for Regression {
    fn dimension(&self) -> usize {
        self.widths.len() + 1
    }
    fn soft_count(&self) -> usize {
        0
    }
    fn output_count(&self) -> usize {
        0
    }
    fn evaluator(&self) -> Box<dyn Evaluator + '_> {
        Box::new(At(self))
    }
}

struct At<'a>(&'a Regression);

impl Evaluator for At<'_> {
    /// Coordinates are standardised: s = centre + 2 q0, b_j = width_j q_(j+1).
    fn log_density_gradient(
        &mut self,
        q: &[f64],
        weights: &Weights,
        gradient: &mut [f64],
        parts: &mut Parts,
    ) -> f64 {
        let model = self.0;
        let sd = (model.centre + 2.0 * q[0]).exp();
        parts.prior = q.iter().map(|q| log_normal(*q, 1.0)).sum();
        parts.jacobian = 0.0;
        gradient.iter_mut().zip(q).for_each(|(g, q)| *g = -q);
        parts.likelihood = 0.0;
        for (x, y) in model.rows.iter().zip(&model.y) {
            let terms = x.iter().zip(&model.widths).zip(&q[1..]);
            let residual = y - terms.map(|((x, w), q)| x * w * q).sum::<f64>();
            let scaled = residual / sd;
            parts.likelihood += log_normal(residual, sd);
            gradient[0] += weights.likelihood * 2.0 * (scaled * scaled - 1.0);
            for ((g, x), w) in gradient[1..].iter_mut().zip(x).zip(&model.widths) {
                *g += weights.likelihood * x * w * scaled / sd;
            }
        }
        parts.prior + weights.without_prior(parts)
    }
    fn prior_draw(&mut self, stream: &mut Stream, q: &mut [f64]) {
        q.iter_mut().for_each(|q| *q = stream.normal());
    }
    fn outputs(&mut self, _: &[f64], _: &mut Stream, _: &mut [f64]) {}
    fn explain(&mut self, _: &[f64]) -> Option<String> {
        None
    }
}

impl Regression {
    /// log p(y | s): normal with covariance exp(2s) I + X diag(widths²) Xᵀ, by Gaussian elimination.
    fn log_likelihood_given_noise(&self, s: f64) -> f64 {
        let n = self.y.len();
        let mut a: Vec<Vec<f64>> = (0..n)
            .map(|i| {
                let mut row: Vec<f64> = (0..n)
                    .map(|j| {
                        let shared = (0..self.widths.len())
                            .map(|k| self.rows[i][k] * self.rows[j][k] * self.widths[k].powi(2));
                        shared.sum::<f64>() + if i == j { (2.0 * s).exp() } else { 0.0 }
                    })
                    .collect();
                row.push(self.y[i]);
                row
            })
            .collect();
        let mut log_determinant = 0.0;
        let mut square = 0.0;
        for i in 0..n {
            let pivot = a[i][i];
            // Rounding, where the noise vanishes beside what the coefficients explain.
            if pivot <= 0.0 {
                return f64::NEG_INFINITY;
            }
            log_determinant += pivot.ln();
            square += a[i][n] * a[i][n] / pivot;
            for j in i + 1..n {
                let factor = a[j][i] / pivot;
                let above = a[i].clone();
                for (value, above) in a[j].iter_mut().zip(&above).skip(i) {
                    *value -= factor * above;
                }
            }
        }
        -0.5 * square - 0.5 * log_determinant - n as f64 * HALF_LOG_TAU
    }

    /// By the trapezoidal rule over twelve standard deviations of the prior of s.
    fn log_evidence(&self) -> f64 {
        let step = 0.002;
        let logs: Vec<f64> = (-6000..=6000)
            .map(|k| {
                let q = f64::from(k) * step;
                self.log_likelihood_given_noise(self.centre + 2.0 * q) + log_normal(q, 1.0)
            })
            .collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.iter().map(|l| (l - largest).exp()).sum();
        largest + (sum * step).ln()
    }
}

/// The planets' years, and powers of the distance's logarithm up to `degree`.
fn planets(degree: i32) -> Regression {
    let a = [
        0.38709893_f64,
        0.72333199,
        1.00000011,
        1.52366231,
        5.20336301,
        9.53707032,
        19.19126393,
        30.06896348,
    ];
    let years = [
        0.2408467_f64,
        0.61519726,
        1.0000174,
        1.8808476,
        11.862615,
        29.447498,
        84.016846,
        164.79132,
    ];
    Regression {
        rows: a
            .iter()
            .map(|a| (0..=degree).map(|k| a.ln().powi(k)).collect())
            .collect(),
        y: years.iter().map(|t| t.ln()).collect(),
        widths: [1.0, 2.0, 1.0][..=degree as usize].to_vec(),
        centre: 0.01_f64.ln(),
    }
}

/// A quintic on twelve points.
fn quintic(noise: f64) -> Regression {
    let x: Vec<f64> = (0..12).map(|i| -1.0 + 2.0 * f64::from(i) / 11.0).collect();
    let mut stream = Stream::new(3, Purpose::Test, 0);
    let y = x
        .iter()
        .map(|x| (2.0 * x).sin() + noise * stream.normal())
        .collect();
    Regression {
        rows: x
            .iter()
            .map(|x| (0..6).map(|k| x.powi(k)).collect())
            .collect(),
        y,
        widths: vec![1.0; 6],
        centre: -2.0,
    }
}

/// Random columns.
fn columns(count: usize, rows: usize, noise: f64) -> Regression {
    let mut stream = Stream::new(5, Purpose::Test, 0);
    let truth: Vec<f64> = (0..count).map(|_| stream.normal()).collect();
    let x: Vec<Vec<f64>> = (0..rows)
        .map(|_| (0..count).map(|_| stream.normal()).collect())
        .collect();
    let y = x
        .iter()
        .map(|x| x.iter().zip(&truth).map(|(a, b)| a * b).sum::<f64>() + noise * stream.normal())
        .collect();
    Regression {
        rows: x,
        y,
        widths: vec![1.0; count],
        centre: -2.0,
    }
}

/// Without the map of the funnel the first is 4 to 20 nats too low.
#[test]
fn noise_that_falls_by_orders_of_magnitude_is_followed() {
    for (name, problem) in [("planets", planets(1)), ("quintic", quintic(0.01))] {
        is_right(name, &problem);
    }
}

#[test]
#[ignore = "takes minutes: cargo test -p likelier-runtime --test regressions -- --ignored"]
fn many_coefficients_are_followed_too() {
    let problems = [
        ("planets, squared", planets(2)),
        ("quintic without noise", quintic(1e-4)),
        ("ten columns", columns(10, 40, 0.01)),
        ("fourteen columns", columns(14, 60, 0.001)),
        ("noise as large as the rest", columns(5, 40, 1.0)),
    ];
    for (name, problem) in problems {
        is_right(name, &problem);
    }
}

fn is_right(name: &str, problem: &Regression) {
    let truth = problem.log_evidence();
    let runs = smc::run(problem, &Settings::default(), &Watch::new(4), None).unwrap();
    let found = combine(runs.iter().map(|run| run.evidence));
    println!(
        "{name}: {:.3} ± {:.3}, truth {truth:.3}, {} stages, {} evaluations",
        found.log,
        found.error,
        runs[0].stages.len(),
        runs[0].evaluations
    );
    assert!(found.error < 0.2, "{name}: {found:?}");
    let distance = (found.log - truth).abs();
    assert!(distance < 4.0 * found.error, "{name}: {found:?}, {truth}");
}
