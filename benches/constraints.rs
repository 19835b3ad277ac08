//! What a gradient costs when 10 000 comparisons are constraints, and when the same expressions are a likelihood. The two
//! should cost the same. Run with `cargo bench --bench constraints`.

use likelier::{Dataset, Model, Options};
use likelier_runtime::target::{Parts, Target, Weights};

const PAIRS: [(&str, &str); 4] = [
    (
        "equality, constraint",
        "soft near: f[i + 1] ~= f[i] within 0.1 for i in 1..9999",
    ),
    (
        "equality, likelihood",
        "for i in 1..9999 { observe f[i + 1] - f[i] ~ normal(0, 0.1) }",
    ),
    (
        "inequality, constraint",
        "soft rising: f[i] < f[i + 1] within 0.1 for i in 1..9999",
    ),
    (
        "inequality, likelihood",
        "for i in 1..9999 { factor -log1p_exp((f[i] - f[i + 1]) / 0.1) }",
    ),
];

fn main() {
    divan::main();
}

#[divan::bench(args = PAIRS.map(|pair| pair.0))]
fn gradient(bencher: divan::Bencher, name: &str) {
    let statement = PAIRS.iter().find(|pair| pair.0 == name).expect("a name").1;
    let text = format!("f[1..10000] ~ normal(0, 1)\n{statement}\ny ~ normal(f[1], 1)\n");
    let data = Dataset::from_json("data.json", r#"{"y": 0.5}"#).expect("data");
    let model = Model::compile(name, &text, &data, &Options::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let target = &model.compiled.model;
    let mut evaluator = target.evaluator();
    let position: Vec<f64> = (0..target.dimension()).map(|k| 1e-3 * k as f64).collect();
    let mut gradient = vec![0.0; target.dimension()];
    let weights = Weights::posterior(target.soft_count());
    let mut parts = Parts::default();
    bencher.bench_local(|| {
        evaluator.log_density_gradient(
            divan::black_box(&position),
            &weights,
            &mut gradient,
            &mut parts,
        )
    });
}
