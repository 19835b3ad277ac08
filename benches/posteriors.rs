//! Compile time (text and data to native code) and one log density with gradient, for the thirteen posteriors of
//! `tests/posteriordb` and the examples. Run with `cargo bench`; compare figures taken in one run. Models whose data are
//! not beside the project are skipped.

use std::path::{Path, PathBuf};

use likelier::{Dataset, Model, Options};
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Parts, Target, Weights};

const MODELS: [(&str, &str); 16] = [
    (
        "eight_schools_noncentered",
        "eight_schools-eight_schools_noncentered",
    ),
    ("kidscore_interaction", "kidiq-kidscore_interaction"),
    ("logearn_interaction", "earnings-logearn_interaction"),
    ("nes1980", "nes1980-nes"),
    ("arK", "arK-arK"),
    ("arma11", "arma-arma11"),
    ("garch11", "garch-garch11"),
    ("gp_regr", "gp_pois_regr-gp_regr"),
    ("gp_pois_regr", "gp_pois_regr-gp_pois_regr"),
    ("diamonds", "diamonds-diamonds"),
    ("logmesquite_logvash", "mesquite-logmesquite_logvash"),
    ("blr", "sblri-blr"),
    ("lotka_volterra", "hudson_lynx_hare-lotka_volterra"),
    ("low_dim_gauss_mix", "low_dim_gauss_mix-low_dim_gauss_mix"),
    ("hmm_example", "hmm_example-hmm_example"),
    ("hmm_drive_0", "bball_drive_event_0-hmm_drive_0"),
];

fn main() {
    divan::main();
}

/// Names of the models whose data are there.
fn names() -> Vec<&'static str> {
    MODELS
        .iter()
        .filter(|(_, folder)| data_path(folder).is_file())
        .map(|(name, _)| *name)
        .collect()
}

fn data_path(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/posteriordb")
        .join(folder)
        .join("data.json")
}

fn texts(name: &str) -> (String, String) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/posteriordb/{name}.ppl"));
    let folder = MODELS
        .iter()
        .find(|row| row.0 == name)
        .expect("a known model")
        .1;
    let read = |path: PathBuf| std::fs::read_to_string(path).expect("a text");
    (read(model), read(data_path(folder)))
}

fn compile(name: &str, model: &str, data: &str) -> Model {
    let data = Dataset::from_json("data.json", data).expect("data");
    match Model::compile(name, model, &data, &Options::default()) {
        Ok(model) => model,
        Err(error) => panic!("{error}"),
    }
}

#[divan::bench(args = names(), sample_count = 20)]
fn from_text_and_data_to_native_code(bencher: divan::Bencher, name: &str) {
    let (model, data) = texts(name);
    bencher.bench(|| compile(name, &model, &data));
}

#[divan::bench(args = names())]
fn log_density_and_gradient(bencher: divan::Bencher, name: &str) {
    let (model, data) = texts(name);
    let model = compile(name, &model, &data);
    let target = &model.compiled.model;
    let mut evaluator = target.evaluator();
    let mut position = vec![0.1; target.dimension()];
    let mut stream = Stream::new(1, Purpose::Start, 0);
    for (k, q) in position.iter_mut().enumerate() {
        *q = 0.1 * stream.normal() + 0.01 * k as f64;
    }
    let mut gradient = vec![0.0; target.dimension()];
    let (weights, mut parts) = (Weights::posterior(target.soft_count()), Parts::default());
    bencher.bench_local(|| {
        evaluator.log_density_gradient(
            divan::black_box(&position),
            &weights,
            &mut gradient,
            &mut parts,
        )
    });
}
