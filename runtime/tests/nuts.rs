//! The sampler on targets whose answers are known.

use likelier_runtime::diagnose::summarise;
use likelier_runtime::parts::leapfrog::{Density, PhasePoint, leapfrog};
use likelier_runtime::random::Stream;
use likelier_runtime::run::{Chain, Control, InverseMetric, Metric, Schedule, Settings, run};
use likelier_runtime::target::{Evaluator, Parts, Target, Weights};

type Function = fn(&[f64], &mut [f64]) -> f64;

/// A log density written by hand; outputs are the position.
struct ByHand {
    dimension: usize,
    function: Function,
}

impl Target for ByHand {
    fn dimension(&self) -> usize {
        self.dimension
    }
    fn soft_count(&self) -> usize {
        0
    }
    fn output_count(&self) -> usize {
        self.dimension
    }
    fn evaluator(&self) -> Box<dyn Evaluator + '_> {
        Box::new(HandEvaluator(self))
    }
}

struct HandEvaluator<'a>(&'a ByHand);

impl Evaluator for HandEvaluator<'_> {
    fn log_density_gradient(
        &mut self,
        q: &[f64],
        _: &Weights,
        gradient: &mut [f64],
        _: &mut Parts,
    ) -> f64 {
        (self.0.function)(q, gradient)
    }
    fn prior_draw(&mut self, stream: &mut Stream, q: &mut [f64]) {
        q.iter_mut().for_each(|q| *q = stream.normal());
    }
    fn outputs(&mut self, q: &[f64], _: &mut Stream, values: &mut [f64]) {
        values.copy_from_slice(q);
    }
    fn explain(&mut self, _: &[f64]) -> Option<String> {
        Some("the density is zero everywhere".to_string())
    }
}

/// Normal with means 1 and −2, standard deviations 1 and 3, correlation 0.9.
fn correlated(q: &[f64], gradient: &mut [f64]) -> f64 {
    let (a, b, r) = (q[0] - 1.0, (q[1] + 2.0) / 3.0, 0.9);
    let c = 1.0 / (1.0 - r * r);
    gradient[0] = -c * (a - r * b);
    gradient[1] = -c * (b - r * a) / 3.0;
    -0.5 * c * (a * a - 2.0 * r * a * b + b * b)
}

/// Ten independent normals with standard deviations 0.01 … 100.
fn scales(q: &[f64], gradient: &mut [f64]) -> f64 {
    let mut sum = 0.0;
    for (i, (q, g)) in q.iter().zip(gradient).enumerate() {
        let sd = 10f64.powf(i as f64 * 4.0 / 9.0 - 2.0);
        *g = -q / (sd * sd);
        sum -= 0.5 * q * q / (sd * sd);
    }
    sum
}

/// Neal's funnel in ten dimensions.
fn funnel(q: &[f64], gradient: &mut [f64]) -> f64 {
    let v = q[0];
    let squares: f64 = q[1..].iter().map(|x| x * x).sum();
    gradient[0] = -v / 9.0 - 4.5 + 0.5 * squares * (-v).exp();
    for (g, x) in gradient[1..].iter_mut().zip(&q[1..]) {
        *g = -x * (-v).exp();
    }
    -v * v / 18.0 - 4.5 * v - 0.5 * squares * (-v).exp()
}

/// Two sharp exponentials, so that the density has a kink: acceptance is not symmetric there.
fn laplace(q: &[f64], gradient: &mut [f64]) -> f64 {
    gradient[0] = -q[0].signum();
    -q[0].abs()
}

fn draw(dimension: usize, function: Function, settings: &Settings) -> Vec<Chain> {
    run(
        &ByHand {
            dimension,
            function,
        },
        settings,
        &Control::new(settings.chains),
    )
    .expect("a start")
}

fn column(chains: &[Chain], width: usize, index: usize) -> Vec<Vec<f64>> {
    chains
        .iter()
        .map(|chain| {
            chain
                .values
                .iter()
                .skip(index)
                .step_by(width)
                .copied()
                .collect()
        })
        .collect()
}

fn check_moments(chains: &[Chain], width: usize, truth: &[(f64, f64)]) {
    for (i, (mean, sd)) in truth.iter().enumerate() {
        let summary = summarise(&column(chains, width, i));
        assert!(
            (summary.mean - mean).abs() < 4.0 * summary.mcse_mean,
            "mean {i}: {summary:?}"
        );
        assert!(
            (summary.sd - sd).abs() < 4.0 * summary.mcse_sd,
            "sd {i}: {summary:?}"
        );
        assert!(summary.rhat < 1.01, "{summary:?}");
    }
}

#[test]
fn moments_of_a_correlated_normal() {
    for (seed, schedule) in [
        (1, Schedule::Fisher),
        (2, Schedule::Classical),
        (3, Schedule::Fisher),
    ] {
        let settings = Settings {
            seed,
            schedule,
            draws: 4000,
            warmup: 1000,
            ..Settings::default()
        };
        check_moments(
            &draw(2, correlated, &settings),
            2,
            &[(1.0, 1.0), (-2.0, 3.0)],
        );
    }
}

/// Long runs of a law with a kink: sensitive to any bias in how proposals are weighted.
#[test]
fn moments_of_a_laplace_law() {
    let settings = Settings {
        draws: 20_000,
        ..Settings::default()
    };
    let chains = draw(1, laplace, &settings);
    check_moments(&chains, 1, &[(0.0, 2f64.sqrt())]);
    let inside: Vec<Vec<f64>> = column(&chains, 1, 0)
        .iter()
        .map(|c| c.iter().map(|x| f64::from(x.abs() < 0.5)).collect())
        .collect();
    let summary = summarise(&inside);
    assert!(
        (summary.mean - (1.0 - (-0.5f64).exp())).abs() < 4.0 * summary.mcse_mean,
        "{summary:?}"
    );
}

#[test]
fn scales_are_learned_and_acceptance_meets_its_target() {
    let settings = Settings::default();
    let chains = draw(10, scales, &settings);
    for chain in &chains {
        let InverseMetric::Diagonal(metric) = &chain.inverse_metric else {
            panic!("nothing is correlated");
        };
        let smallest = metric[0];
        assert!(
            (smallest / 1e-4).ln().abs() < 0.1,
            "the Fisher metric is exact here, not {smallest}"
        );
        let mean =
            chain.draws.iter().map(|d| d.acceptance_rate).sum::<f64>() / chain.draws.len() as f64;
        assert!((0.7..0.95).contains(&mean), "acceptance {mean}");
        assert!(
            chain.draws.iter().all(|d| d.tree_depth <= 4),
            "no trajectory is needlessly long"
        );
    }
}

/// Eight normals whose sum is known to 0.0001; the prior draws they start at are far from that.
fn narrow_sum(q: &[f64], gradient: &mut [f64]) -> f64 {
    let sum: f64 = q.iter().sum();
    let squares: f64 = q.iter().map(|x| x * x).sum();
    for (g, x) in gradient.iter_mut().zip(q) {
        *g = -x - 1e8 * sum;
    }
    -0.5 * squares - 0.5e8 * sum * sum
}

#[test]
fn ridges_are_gone_along() {
    let settings = Settings::default();
    let chains = draw(8, narrow_sum, &settings);
    // The inverse of I + 10⁸ 1 1ᵀ has 7/8 on its diagonal.
    check_moments(&chains, 8, &[(0.0, (7.0_f64 / 8.0).sqrt()); 8]);
    for chain in &chains {
        assert!(matches!(chain.inverse_metric, InverseMetric::Dense(_)));
        assert!(chain.draws.iter().all(|d| d.tree_depth <= 4));
    }
    let diagonal = Settings {
        metric: Metric::Diagonal,
        ..settings
    };
    let chains = draw(8, narrow_sum, &diagonal);
    let deepest = chains.iter().flat_map(|chain| &chain.draws);
    assert!(deepest.map(|d| d.tree_depth).max() == Some(10));
}

#[test]
fn draws_do_not_depend_on_threads() {
    let with = |threads| {
        let settings = Settings {
            threads: Some(threads),
            draws: 200,
            ..Settings::default()
        };
        draw(2, correlated, &settings)
            .into_iter()
            .map(|chain| (chain.values, chain.draws))
            .collect::<Vec<_>>()
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(4));
    assert_ne!(one[0], one[1]);
}

#[test]
fn a_funnel_diverges() {
    let chains = draw(10, funnel, &Settings::default());
    assert!(
        chains
            .iter()
            .flat_map(|chain| &chain.draws)
            .any(|d| d.diverging)
    );
}

#[test]
fn a_density_that_is_zero_gives_its_reason() {
    let target = ByHand {
        dimension: 1,
        function: |_, _| f64::NEG_INFINITY,
    };
    let failure = run(&target, &Settings::default(), &Control::new(4)).expect_err("no start");
    assert_eq!(failure.reason, "the density is zero everywhere");
}

#[test]
fn a_stopped_run_keeps_what_it_has() {
    let control = Control::new(4);
    control.stop();
    let chains = run(
        &ByHand {
            dimension: 2,
            function: correlated,
        },
        &Settings::default(),
        &control,
    )
    .expect("a start");
    assert!(chains.iter().all(|chain| chain.draws.is_empty()));
}

fn density(target: &ByHand) -> Density<'_> {
    Density::new(target.evaluator(), Weights::posterior(0), target.dimension)
}

#[test]
fn leapfrog_is_reversible_and_second_order() {
    let target = ByHand {
        dimension: 2,
        function: correlated,
    };
    let mut density = density(&target);
    let metric = [1.3, 4.0];
    let error = |density: &mut Density, steps: usize| {
        let mut point = PhasePoint::new(2, 0);
        point.position.copy_from_slice(&[0.3, 1.0]);
        point.momentum.copy_from_slice(&[-0.7, 0.2]);
        density.evaluate(&mut point);
        let start = point.clone();
        let step = 0.5 / steps as f64;
        (0..steps).for_each(|_| leapfrog(density, &mut point, &metric, step));
        let error = (point.energy(&metric) - start.energy(&metric)).abs();
        (0..steps).for_each(|_| leapfrog(density, &mut point, &metric, -step));
        for (a, b) in point.position.iter().zip(&start.position) {
            assert!((a - b).abs() < 1e-12);
        }
        error
    };
    let (coarse, fine) = (error(&mut density, 20), error(&mut density, 40));
    assert!((coarse / fine - 4.0).abs() < 0.3, "{coarse} {fine}");
}

/// The determinant of the map's derivative, by differences, is one.
#[test]
fn leapfrog_preserves_volume() {
    let target = ByHand {
        dimension: 1,
        function: |q, g| {
            g[0] = -q[0].powi(3);
            -0.25 * q[0].powi(4)
        },
    };
    let mut density = density(&target);
    let mut step = |q: f64, p: f64| {
        let mut point = PhasePoint::new(1, 0);
        (point.position[0], point.momentum[0]) = (q, p);
        density.evaluate(&mut point);
        leapfrog(&mut density, &mut point, &[1.0], 0.4);
        (point.position[0], point.momentum[0])
    };
    let h = 1e-6;
    let (right, left, up, down) = (
        step(1.0 + h, 0.5),
        step(1.0 - h, 0.5),
        step(1.0, 0.5 + h),
        step(1.0, 0.5 - h),
    );
    let jacobian = [
        (right.0 - left.0),
        (up.0 - down.0),
        (right.1 - left.1),
        (up.1 - down.1),
    ]
    .map(|d| d / (2.0 * h));
    assert!((jacobian[0] * jacobian[3] - jacobian[1] * jacobian[2] - 1.0).abs() < 1e-8);
}
