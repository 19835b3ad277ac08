//! Standardised coordinates against natural ones: at one point both parametrisations have the same density, their Jacobians
//! differ by what finite differences say, coordinates and values are each other's inverse, and a draw from the prior has
//! coordinates of one law whatever the parameters of its law are.

use likelier::{ColumnKind, Coordinates, Dataset, Model, Options, Settings};
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Parts, Target, Weights};

/// A model, its data, and which of its coordinates are standard normal under the prior.
struct Case {
    name: &'static str,
    text: &'static str,
    data: &'static str,
    normal: &'static [&'static str],
}

const CASES: [Case; 8] = [
    Case {
        name: "eight schools",
        text: "given sigma: positive[J]
               mu ~ normal(0, 5)
               tau ~ half_cauchy(5)
               theta[1..J] ~ normal(mu, tau)
               y[j in 1..J] ~ normal(theta[j], sigma[j])",
        data: r#"{"y": [28, 8, -3, 7, -1, 1, 18, 12], "sigma": [15, 10, 16, 11, 9, 11, 10, 18]}"#,
        normal: &["mu", "theta"],
    },
    Case {
        name: "a latent autoregression",
        text: "a ~ normal(0.5, 0.2)
               s ~ half_normal(1)
               x[1] ~ normal(0, 2)
               for t in 2..T { x[t] ~ normal(a * x[t - 1], s) }
               y[t in 1..T] ~ normal(x[t], 0.5)",
        data: r#"{"y": [0.3, 0.9, 0.1, -0.4, 0.2, 1.1]}"#,
        normal: &["a", "x"],
    },
    Case {
        name: "a polynomial whose coefficients shrink",
        text: "given x: real[N]
               g ~ exponential(rate=2)
               sigma2 ~ inv_gamma(shape=2, scale=0.2)
               beta[k in 1..5] ~ normal(0, sqrt(100 * sigma2 * exp(-g * (k - 1))))
               y[i in 1..N] ~ normal(sum(beta[k] * x[i]^(k - 1) for k in 1..5), sqrt(sigma2))",
        data: r#"{"x": [-0.9, -0.5, -0.1, 0.2, 0.6, 0.8], "y": [0.3, 0.9, 0.1, -0.4, 0.2, 1.1]}"#,
        normal: &["beta"],
    },
    Case {
        name: "missing elements in a plate and in a sequence",
        text: "m ~ normal(0, 3)
               s ~ lognormal(0, 1)
               z[1..N] ~ normal(m, s)
               w[i in 1..N] ~ normal(z[i], 1)
               y[1] ~ normal(m, 1)
               for t in 2..T { y[t] ~ normal(m + 0.5 * (y[t - 1] - m), s) }",
        data: r#"{"T": 6, "z": [0.2, null, 1.5, null], "w": [0.1, 0.7, 1.1, -0.3], "y": [0.4, null, null, 1.2, null, 0.8]}"#,
        normal: &["m", "s", "z", "y"],
    },
    Case {
        name: "positive and bounded laws",
        text: "s ~ half_normal(1)
               l ~ lognormal(0.5, s)
               h ~ half_student_t(3, l)
               p ~ logit_normal(s, s)
               e ~ exponential(rate=h)
               g ~ gamma(shape=2, rate=h)
               w ~ weibull(shape=1 + s, scale=l)
               q ~ pareto(scale=s, shape=2)
               c ~ cauchy(p, s)
               observe l + h + p + e + g + w + q + c ~ normal(3, 1)",
        data: "{}",
        normal: &["l", "p"],
    },
    Case {
        name: "laws that stay natural",
        text: "s ~ half_normal(1)
               t ~ normal(0, s) truncated(-1, 2)
               b ~ uniform(-s, s)
               o[1..3] ~ normal(0, s) ordered
               v ~ multi_normal([0.0, s], chol=[[1.0, 0.0], [0.3, 1.0]])
               m ~ mixture([0.3, 0.7], [normal(0, s), normal(3, 1)])
               n ~ normal(m + v[1], s)
               observe n + t + b + sum(o) ~ normal(3, 1)",
        data: "{}",
        normal: &["n"],
    },
    Case {
        name: "a mean that a discrete unknown decides",
        text: "m[1..2] ~ normal(0, 2)
               s ~ half_normal(1)
               z[1..N] ~ bernoulli(0.4)
               x[i in 1..N] ~ normal(m[z[i] + 1], s)
               r[i in 1..N] ~ normal(x[i], s)
               y[i in 1..N] ~ normal(r[i], 1)",
        data: r#"{"y": [0.3, 0.9, -2.1]}"#,
        normal: &["r"],
    },
    Case {
        name: "a model item, a choice and a law of the user's",
        text: "model random_walk(N: int; sd: positive) -> real[N] {
                 z[1] ~ normal(0, sd)
                 for t in 2..N { z[t] ~ normal(z[t - 1], sd) }
                 return z
               }
               dist shifted(by: real, sd: positive) on real {
                 log_density(x) = normal(by, sd).log_density(x)
                 centre() = by
                 width() = 2 * sd
               }
               given steep: bool
               sd ~ half_normal(1)
               f ~ random_walk(4, sd=sd)
               if steep { a ~ normal(f[4], 10 * sd) } else { a ~ normal(f[4], sd) }
               u ~ shifted(f[1], sd)
               y[i in 1..4] ~ normal(f[i] + a + u, 1)",
        data: r#"{"steep": true, "y": [0.3, 0.9, -2.1, 0.1]}"#,
        normal: &["f.z", "a"],
    },
];

fn compile(text: &str, data: &str, coordinates: Coordinates) -> Model {
    let data = Dataset::from_json("data.json", data).expect("data");
    let options = Options {
        coordinates,
        ..Options::default()
    };
    Model::compile("model.ppl", text, &data, &options).unwrap_or_else(|error| panic!("{error}"))
}

fn both(case: &Case) -> (Model, Model) {
    let [natural, standardised] = [Coordinates::Natural, Coordinates::Standardised]
        .map(|coordinates| compile(case.text, case.data, coordinates));
    (natural, standardised)
}

/// The log density, its parts and its gradient.
fn at(model: &Model, position: &[f64]) -> (f64, Parts, Vec<f64>) {
    let model = &model.compiled.model;
    let (mut parts, mut gradient) = (Parts::default(), vec![0.0; model.dimension()]);
    let weights = Weights::posterior(model.soft_count());
    let mut evaluator = model.evaluator();
    let total = evaluator.log_density_gradient(position, &weights, &mut gradient, &mut parts);
    (total, parts, gradient)
}

/// The constrained values of the unknowns.
fn values(model: &Model, position: &[f64]) -> Vec<f64> {
    let compiled = &model.compiled;
    let mut outputs = vec![0.0; compiled.columns.len()];
    let mut stream = Stream::new(1, Purpose::Prediction, 0);
    let mut evaluator = compiled.model.evaluator();
    evaluator.outputs(position, &mut stream, &mut outputs);
    let is_unknown = |kind| kind == ColumnKind::Inferred;
    let count = compiled
        .columns
        .iter()
        .filter(|c| is_unknown(c.kind))
        .count();
    outputs.truncate(count);
    outputs
}

fn unconstrained(model: &Model, values: &[f64]) -> Vec<f64> {
    model
        .compiled
        .model
        .unconstrain(values)
        .expect("a position")
}

fn prior_draws(model: &Model, count: usize) -> Vec<Vec<f64>> {
    let target = &model.compiled.model;
    let mut stream = Stream::new(7, Purpose::Test, 0);
    let mut evaluator = target.evaluator();
    let draw = |_| {
        let mut position = vec![0.0; target.dimension()];
        evaluator.prior_draw(&mut stream, &mut position);
        position
    };
    (0..count).map(draw).collect()
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0)
}

/// The derivative of `f` along one coordinate, by Richardson's extrapolation.
fn difference(position: &[f64], k: usize, f: &dyn Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let slope = |h: f64| -> Vec<f64> {
        let mut moved = position.to_vec();
        moved[k] = position[k] + h;
        let above = f(&moved);
        moved[k] = position[k] - h;
        let below = f(&moved);
        above
            .iter()
            .zip(below)
            .map(|(a, b)| (a - b) / (2.0 * h))
            .collect()
    };
    let (coarse, fine) = (slope(2e-3), slope(1e-3));
    coarse
        .iter()
        .zip(fine)
        .map(|(c, f)| (4.0 * f - c) / 3.0)
        .collect()
}

/// log |det|, by elimination with pivots.
fn log_determinant(mut rows: Vec<Vec<f64>>) -> f64 {
    let mut sum = 0.0;
    for k in 0..rows.len() {
        let pivot = (k..rows.len())
            .max_by(|&i, &j| rows[i][k].abs().total_cmp(&rows[j][k].abs()))
            .expect("rows");
        rows.swap(k, pivot);
        sum += rows[k][k].abs().ln();
        let (done, rest) = rows.split_at_mut(k + 1);
        for row in rest {
            let factor = row[k] / done[k][k];
            for (entry, above) in row.iter_mut().zip(&done[k]).skip(k) {
                *entry -= factor * above;
            }
        }
    }
    sum
}

/// Positions with moderate coordinates, deterministic and different in each coordinate.
fn positions(dimension: usize) -> Vec<Vec<f64>> {
    let one = |round: usize| {
        (0..dimension).map(move |k| (1.7 * (k + 1) as f64 * (round + 1) as f64).sin())
    };
    (0..4).map(|round| one(round).collect()).collect()
}

#[test]
fn one_point_has_one_density() {
    for case in &CASES {
        let (natural, standardised) = both(case);
        assert_eq!(
            natural.compiled.columns, standardised.compiled.columns,
            "{}",
            case.name
        );
        assert_eq!(
            natural.compiled.inferred, standardised.compiled.inferred,
            "{}",
            case.name
        );
        for position in positions(standardised.compiled.model.dimension()) {
            let name = case.name;
            let values = values(&standardised, &position);
            let (one, other) = (
                natural.compiled.density_at(&values),
                standardised.compiled.density_at(&values),
            );
            assert!(one.log_density.is_finite(), "{name}: {one:?}");
            let parts = [(one.prior, other.prior), (one.likelihood, other.likelihood)];
            for (a, b) in parts {
                assert!(
                    close(a, b, 1e-11),
                    "{name}: {a} in natural, {b} in standardised coordinates"
                );
            }
            let images = |u: &[f64]| unconstrained(&natural, &self::values(&standardised, u));
            let columns = (0..position.len())
                .map(|k| difference(&position, k, &images))
                .collect();
            let stretch = log_determinant(columns);
            assert!(
                close(other.jacobian - one.jacobian, stretch, 1e-7),
                "{name}: Jacobians {} and {} differ by {stretch}",
                other.jacobian,
                one.jacobian
            );
        }
    }
}

#[test]
fn coordinates_and_values_are_inverse() {
    for case in &CASES {
        let (_, model) = both(case);
        for position in positions(model.compiled.model.dimension()) {
            let back = unconstrained(&model, &values(&model, &position));
            for (a, b) in position.iter().zip(&back) {
                assert!(close(*a, *b, 1e-12), "{}: {a} came back as {b}", case.name);
            }
        }
    }
}

#[test]
fn gradients_agree_with_differences() {
    for case in &CASES {
        let (_, model) = both(case);
        for position in positions(model.compiled.model.dimension()) {
            let (_, _, gradient) = at(&model, &position);
            let total = |u: &[f64]| vec![at(&model, u).0];
            for (k, found) in gradient.iter().enumerate() {
                let wanted = difference(&position, k, &total)[0];
                assert!(
                    close(*found, wanted, 1e-6),
                    "{}: {found} for {wanted}",
                    case.name
                );
            }
        }
    }
}

/// Mean 0, variance 1, fourth moment 3, and no correlation with any other coordinate, its square or its size.
#[test]
fn prior_draws_are_standard_in_their_coordinates() {
    const DRAWS: usize = 4000;
    for case in &CASES {
        let (_, model) = both(case);
        let draws = prior_draws(&model, DRAWS);
        let mean =
            |f: &dyn Fn(&[f64]) -> f64| draws.iter().map(|u| f(u)).sum::<f64>() / DRAWS as f64;
        let chosen = model
            .compiled
            .inferred
            .iter()
            .filter(|v| case.normal.contains(&v.name.as_str()));
        let chosen: Vec<usize> = chosen.flat_map(|v| v.unconstrained.clone()).collect();
        assert!(
            chosen.len() >= case.normal.len(),
            "{}: {:?}",
            case.name,
            model.compiled.inferred
        );
        // Five standard errors of each mean.
        let error = 5.0 / (DRAWS as f64).sqrt();
        for &k in &chosen {
            let moments = [
                (mean(&|u| u[k]), 0.0, 1.0),
                (mean(&|u| u[k] * u[k]), 1.0, 2_f64.sqrt()),
                (mean(&|u| u[k].powi(4)), 3.0, 96_f64.sqrt()),
            ];
            for (found, wanted, sd) in moments {
                assert!(
                    (found - wanted).abs() < error * sd,
                    "{}: {found} for {wanted}",
                    case.name
                );
            }
            for other in (0..draws[0].len()).filter(|other| *other != k) {
                let bounded = |u: &[f64]| u[other].tanh();
                for found in [
                    mean(&|u| u[k] * bounded(u)),
                    mean(&|u| (u[k] * u[k] - 1.0) * bounded(u) / 2_f64.sqrt()),
                ] {
                    assert!(
                        found.abs() < error,
                        "{}: coordinates {k} and {other}: {found}",
                        case.name
                    );
                }
            }
        }
    }
}

/// Laws whose coordinates should have one law, whatever is written for their location and scale.
const ALIKE: [[&str; 2]; 19] = [
    ["normal(1, 2)", "normal(-30, 0.1)"],
    ["student_t(3, 1, 2)", "student_t(3, -30, 0.1)"],
    ["cauchy(1, 2)", "cauchy(-30, 0.1)"],
    ["laplace(1, 2)", "laplace(-30, 0.1)"],
    ["logistic(1, 2)", "logistic(-30, 0.1)"],
    ["gumbel(1, 2)", "gumbel(-30, 0.1)"],
    ["skew_normal(1, 2, 3)", "skew_normal(-30, 0.1, 3)"],
    [
        "exp_mod_normal(1, 2, rate=3)",
        "exp_mod_normal(-30, 0.1, rate=60)",
    ],
    ["lognormal(1, 2)", "lognormal(-3, 0.1)"],
    ["logit_normal(1, 2)", "logit_normal(-3, 0.1)"],
    ["half_normal(2)", "half_normal(0.1)"],
    ["half_cauchy(2)", "half_cauchy(0.1)"],
    ["half_student_t(3, 2)", "half_student_t(3, 0.1)"],
    ["exponential(rate=2)", "exponential(mean=30)"],
    ["gamma(shape=3, rate=2)", "gamma(shape=3, scale=30)"],
    [
        "inv_gamma(shape=3, scale=2)",
        "inv_gamma(shape=3, scale=0.1)",
    ],
    ["weibull(shape=3, scale=2)", "weibull(shape=0.5, scale=30)"],
    ["rayleigh(2)", "rayleigh(0.1)"],
    [
        "scaled_inv_chi_squared(3, 2)",
        "scaled_inv_chi_squared(3, 0.1)",
    ],
];

#[test]
fn location_and_scale_do_not_change_the_law_of_a_coordinate() {
    let prior = |law: &str, u: f64| {
        let text = format!("x ~ {law}\nobserve x ~ normal(0, 100)");
        let (_, parts, _) = at(&compile(&text, "{}", Coordinates::Standardised), &[u]);
        parts.prior + parts.jacobian
    };
    for [one, other] in ALIKE
        .iter()
        .chain(&[["pareto(scale=2, shape=3)", "pareto(scale=0.1, shape=3)"]])
    {
        for u in [-1.3, 0.4, 1.1] {
            let (a, b) = (prior(one, u), prior(other, u));
            assert!(
                a.is_finite() && close(a, b, 1e-10),
                "{one} has {a} at {u}, {other} has {b}"
            );
        }
    }
}

/// Everything in the library that has a `centre` is in the list above.
#[test]
fn every_law_with_a_centre_is_tested() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/stdlib/distributions");
    for file in std::fs::read_dir(folder).expect("the library") {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        let is_listed = ALIKE
            .iter()
            .any(|[one, _]| one.starts_with(&format!("{name}(")))
            || name == "pareto";
        assert_eq!(text.contains("centre() ="), is_listed, "{name}");
    }
}

#[test]
fn a_width_that_is_not_positive_is_impossible() {
    let text = "s ~ normal(0, 1)
                x ~ normal(0, s)
                y ~ normal(x, 1)";
    let model = compile(text, r#"{"y": 1}"#, Coordinates::Standardised);
    assert!(at(&model, &[0.5, 0.3]).0.is_finite());
    for s in [0.0, -0.5] {
        assert_eq!(at(&model, &[s, 0.3]).0, f64::NEG_INFINITY);
        let reason = model.compiled.model.evaluator().explain(&[s, 0.3]);
        assert!(
            reason
                .as_ref()
                .is_some_and(|reason| reason.contains("zero density")),
            "{reason:?}"
        );
    }
}

#[test]
fn both_coordinates_have_one_posterior() {
    let (natural, standardised) = both(&CASES[0]);
    let settings = Settings {
        target_accept: 0.9,
        draws: 2000,
        ..Settings::default()
    };
    let run = |model: &Model| {
        model
            .sample(&settings)
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let (one, other) = (run(&natural), run(&standardised));
    assert_eq!(other.health.divergences, 0, "{:?}", other.health);
    for (a, b) in one.summary.iter().zip(&other.summary) {
        // The natural draws hardly reach the neck of the funnel: their own error does not tell.
        let error = a.mcse_mean.hypot(b.mcse_mean).max(0.03 * b.sd);
        assert!(
            (a.mean - b.mean).abs() < 5.0 * error,
            "{}: {} and {}",
            a.name,
            a.mean,
            b.mean
        );
    }
}
