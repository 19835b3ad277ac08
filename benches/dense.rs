//! Gradients whose time is that of dense algebra, at the sizes between which `math::large` decides: at `portable` large matrices stay
//! with our row kernels, at `native` they go to the library. Run with `cargo bench --bench dense`.

use divan::{Bencher, black_box};
use likelier::{CpuLevel, Dataset, Model, Options};
use likelier_runtime::target::{Parts, Target, Weights};

fn main() {
    divan::main();
}

/// A Gaussian process with unknown scales: a covariance, its factor and their adjoints.
const PROCESS: &str = include_str!("../tests/posteriordb/gp_regr.ppl");

#[divan::bench(args = [8, 16, 32, 64, 128, 256])]
fn portable(bencher: Bencher, size: usize) {
    gradient(bencher, size, CpuLevel::Portable);
}

#[divan::bench(args = [8, 16, 32, 64, 128, 256])]
fn native(bencher: Bencher, size: usize) {
    gradient(bencher, size, CpuLevel::Native);
}

fn gradient(bencher: Bencher, size: usize, cpu: CpuLevel) {
    let places: Vec<f64> = (0..size).map(|k| k as f64 / 4.0).collect();
    let values: Vec<f64> = places.iter().map(|x| x.sin()).collect();
    let data = serde_json::json!({"x": places, "y": values}).to_string();
    let data = Dataset::from_json("process.json", &data).expect("data");
    let options = Options {
        cpu,
        ..Options::default()
    };
    let model = Model::compile("process.ppl", PROCESS, &data, &options).expect("a model");
    let target = &model.compiled.model;
    let mut evaluator = target.evaluator();
    let weights = Weights::posterior(target.soft_count());
    let position = vec![0.1; target.dimension()];
    let mut gradient = vec![0.0; target.dimension()];
    let mut parts = Parts::default();
    bencher.bench_local(|| {
        evaluator.log_density_gradient(black_box(&position), &weights, &mut gradient, &mut parts)
    });
}
