//! Positions of a model and all that the code in memory finds there, as `check.c` reads and `check.c` and `check.py` print it.

use std::fmt::Write as _;

use likelier::{ColumnKind, Dataset, Model, Options};
use likelier_compiler::given_count;
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Parts, Target, Weights};

pub fn compile_in_memory((model, data): (&str, &str), cpu: &str) -> Model {
    let data = Dataset::from_json("model.json", data).expect("data");
    let options = Options {
        cpu: cpu.parse().expect("a level"),
        ..Options::default()
    };
    Model::compile("model.ppl", model, &data, &options).expect("a model")
}

/// A position with the random numbers of a draw.
pub struct Point {
    seed: u64,
    chain: u32,
    draw: u64,
    position: Vec<f64>,
}

/// Positions near the origin and one far out, with random numbers.
pub fn points(model: &Model) -> Vec<Point> {
    let dimension = model.compiled.model.dimension();
    let mut stream = Stream::new(11, Purpose::Test, 0);
    let mut points: Vec<Point> = (0..4)
        .map(|draw| Point {
            seed: 5,
            chain: 1,
            draw,
            position: (0..dimension).map(|_| 0.7 * stream.normal()).collect(),
        })
        .collect();
    points.push(Point {
        seed: u64::MAX,
        chain: u32::MAX,
        draw: u64::MAX,
        position: vec![-900.0; dimension],
    });
    points
}

fn weights(model: &Model) -> Vec<f64> {
    let count = model.compiled.model.soft_count();
    let mut weights: Vec<f64> = (0..count).map(|k| 0.25 * k as f64).collect();
    weights.push(0.5);
    weights
}

pub fn input(model: &Model, points: &[Point]) -> String {
    let mut text = String::new();
    let mut put = |word: u64| writeln!(text, "{word:x}").expect("a string grows");
    weights(model)
        .iter()
        .for_each(|weight| put(weight.to_bits()));
    put(points.len() as u64);
    for point in points {
        let numbers = [point.seed, u64::from(point.chain), point.draw];
        numbers.into_iter().for_each(&mut put);
        point.position.iter().for_each(|value| put(value.to_bits()));
    }
    text
}

/// What check.c and check.py print, by the code in memory.
pub fn expected(model: &Model, points: &[Point]) -> String {
    let compiled = &model.compiled;
    let native = &compiled.model;
    let mut text = format!(
        "model.ppl {} {}\n",
        model.cpu(),
        compiled.coordinates.name()
    );
    for column in &compiled.columns {
        let kind = match column.kind {
            ColumnKind::Inferred => 0,
            ColumnKind::Report => 1,
            ColumnKind::Simulated => 2,
            ColumnKind::SummedOut => 3,
        };
        writeln!(text, "output {} {kind}", column.name).expect("a string grows");
    }
    for constraint in &compiled.constraints {
        writeln!(text, "constraint {}", constraint.name).expect("a string grows");
    }
    let mut put = |what: &str, values: &[f64]| {
        text.push_str(what);
        for value in values {
            match value.is_nan() {
                true => text.push_str(" nan"),
                false => write!(text, " {:016x}", value.to_bits()).expect("a string grows"),
            }
        }
        text.push('\n');
    };
    let mut evaluator = native.evaluator();
    let some = weights(model);
    let (likelihood, soft) = some.split_last().expect("a weight of the likelihood");
    let some = Weights {
        soft: soft.to_vec(),
        likelihood: *likelihood,
        rows: Vec::new(),
    };
    let mut gradient = vec![0.0; native.dimension()];
    let mut parts = Parts::default();
    let mut outputs = vec![0.0; native.output_count()];
    let parameters = given_count(&compiled.inferred);
    for point in points {
        for (what, weights) in [
            ("density", &Weights::posterior(native.soft_count())),
            ("weighted", &some),
        ] {
            let position = &point.position;
            let density =
                evaluator.log_density_gradient(position, weights, &mut gradient, &mut parts);
            put(what, &[density]);
            put("gradient", &gradient);
            let mut all = vec![parts.prior, parts.jacobian, parts.likelihood];
            all.extend(&parts.soft);
            put("parts", &all);
        }
        let mut stream = Stream::new(point.seed, Purpose::Output, point.chain);
        stream.at(point.draw);
        evaluator.outputs(&point.position, &mut stream, &mut outputs);
        put("draw", &outputs);
        let values = &outputs[..parameters];
        put("values", values);
        let back = native.unconstrain(values).expect("a position");
        let is_inside = back.iter().all(|coordinate| coordinate.is_finite());
        put(&format!("inside {}", i32::from(is_inside)), &[]);
        put("position", &back);
        let mut stream = Stream::new(point.seed, Purpose::Start, 0);
        stream.at(point.draw);
        let mut start = vec![0.0; native.dimension()];
        evaluator.prior_draw(&mut stream, &mut start);
        put("prior", &start);
    }
    text
}
