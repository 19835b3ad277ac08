//! Native code against the interpreter, at every CPU level and with both ways of running loops.

use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Parts, Target, Weights};

use crate::gradient::differentiate;
use crate::gradient::samples::{self, Dice};
use crate::math::builder::Builder;
use crate::math::graph::{BufferKind, Graph, Part, Region};
use crate::math::interpret::{Inputs, Outcome, interpret};
use crate::math::primitive::{Dense, Draw, Operation, TABLE};
use crate::math::print::print;

use super::blocks::Lowering;
use super::native::{Arguments, Native};
use super::{CompiledModel, CpuLevel, Programs, assembly, clif, symbols};

fn reference(graph: &Graph, position: &[f64], weights: &Weights) -> Outcome {
    interpret(
        graph,
        Inputs {
            position,
            weights,
            given: &[],
            stream: None,
        },
    )
}

/// Parts (prior, Jacobian, likelihood, soft), gradient and output of the first program.
fn run(native: &Native, graph: &Graph, position: &[f64], weights: &Weights) -> [Vec<f64>; 3] {
    let mut scratch = native.scratch();
    let mut parts = vec![0.0; graph.soft_count + 3];
    let mut gradient = vec![f64::NAN; graph.dimension];
    let mut output = vec![0.0; native.output_count(0)];
    let mut flat = weights.soft.clone();
    flat.push(weights.likelihood);
    // Twice, because scratch is not clean the second time.
    for _ in 0..2 {
        let arguments = Arguments {
            position,
            weights: &flat,
            gradient: &mut gradient,
            parts: &mut parts,
            output: &mut output,
            ..Arguments::default()
        };
        native.run(0, &mut scratch, arguments);
    }
    [parts, gradient, output]
}

/// Asserts that two lists agree to 1e−9 of their largest number: recurrences of 500 steps amplify the last bits in which
/// the block primitives differ from the scalar functions, mistakes are far larger.
fn assert_close(found: &[f64], expected: &[f64], context: impl Fn() -> String) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1.0, |m: f64, g| m.max(g.abs()));
    for (a, b) in found.iter().zip(expected) {
        let same = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * scale;
        assert!(same, "{a} is not {b}: {}", context());
    }
}

const VARIANTS: [(CpuLevel, Lowering); 6] = [
    (CpuLevel::Portable, Lowering::Scalar),
    (CpuLevel::Native, Lowering::Scalar),
    (CpuLevel::Native, Lowering::Blocks),
    (CpuLevel::Portable, Lowering::Always),
    (CpuLevel::Avx2, Lowering::Always),
    (CpuLevel::Avx512, Lowering::Always),
];

fn agrees_with_the_interpreter(graph: &Graph, position: &[f64], weights: &Weights, name: &str) {
    let expected = reference(graph, position, weights);
    let parts = &expected.parts;
    let mut sums = vec![parts.prior, parts.jacobian, parts.likelihood];
    sums.extend_from_slice(&parts.soft);
    for (cpu, lowering) in VARIANTS {
        if cpu.resolve().is_err() {
            continue;
        }
        let native = Native::compile_with(&[(name, graph)], cpu, lowering).expect("it compiles");
        let [parts, gradient, output] = run(&native, graph, position, weights);
        let context = || format!("{name}, {cpu}, {lowering:?}\n{}", print(graph));
        assert_close(&parts, &sums, context);
        if !expected.gradient.is_empty() {
            assert_close(&gradient, &expected.gradient, context);
        }
        assert_close(&output, &expected.output, context);
    }
}

#[test]
fn random_programs() {
    for seed in 0..150 {
        let gradient = differentiate(&samples::program(seed));
        let mut dice = Dice::new(seed + 5000);
        let position: Vec<f64> = (0..gradient.dimension).map(|_| 1.5 * dice.real()).collect();
        let likelihood = if seed % 3 == 0 { 0.0 } else { 1.1 };
        let weights = Weights {
            soft: vec![0.6],
            likelihood,
            rows: Vec::new(),
        };
        agrees_with_the_interpreter(&gradient, &position, &weights, &format!("program {seed}"));
    }
}

#[test]
fn random_programs_with_long_loops() {
    let mut calls = 0;
    for seed in 0..60 {
        let gradient = differentiate(&samples::long_program(seed));
        let mut dice = Dice::new(seed + 9000);
        let position: Vec<f64> = (0..gradient.dimension).map(|_| 1.5 * dice.real()).collect();
        let weights = Weights {
            soft: vec![0.6],
            likelihood: 1.1,
            rows: Vec::new(),
        };
        let name = format!("long program {seed}");
        agrees_with_the_interpreter(&gradient, &position, &weights, &name);
        let text = clif(&name, &gradient, CpuLevel::Portable).expect("it compiles");
        calls += usize::from(text.contains("smin"));
    }
    assert!(calls > 15, "only {calls} programs have loops over blocks");
}

#[test]
fn every_operation_has_code() {
    for entry in TABLE {
        let called = symbols::elementary(entry.operation).is_some();
        assert!(called || entry.operation.is_cheap(), "{}", entry.name);
    }
}

/// One operation on a few rows of arguments, including the special ones.
#[test]
fn every_operation_computes_what_the_table_says() {
    use crate::math::graph::Type;
    let special = [
        -2.5,
        -1.0,
        -0.0,
        0.0,
        0.3,
        1.0,
        2.0,
        7.5,
        f64::INFINITY,
        f64::NAN,
    ];
    for entry in TABLE {
        if entry.arguments.len() > 2 || entry.arguments.iter().any(|ty| *ty != Type::Real) {
            continue;
        }
        if entry.result != Type::Real {
            continue;
        }
        let mut builder = Builder::new();
        builder.set_sizes(0, 0);
        let n = special.len();
        let pairs = (0..n * n).map(|k| [special[k / n], special[k % n]]);
        let (first, second): (Vec<f64>, Vec<f64>) = pairs.map(|[a, b]| (a, b)).unzip();
        let first = builder.buffer("a", n * n, BufferKind::RealData(first.into()));
        let second = builder.buffer("b", n * n, BufferKind::RealData(second.into()));
        let output = builder.buffer("out", n * n, BufferKind::Output);
        let i = builder.begin_count(n * n);
        let arguments = [builder.load(first, i), builder.load(second, i)];
        let value = builder.scalar(entry.operation, &arguments[..entry.arguments.len()]);
        builder.store(output, i, value);
        builder.end();
        let graph = builder.finish();
        agrees_with_the_interpreter(&graph, &[], &Weights::posterior(0), entry.name);
    }
}

#[test]
fn whole_division_rounds_down_and_never_traps() {
    let ints = [i64::MIN, -7, -2, -1, 0, 1, 2, 3, 7, i64::MAX];
    let n = ints.len();
    let mut builder = Builder::new();
    let first: Vec<i64> = (0..n * n).map(|k| ints[k / n]).collect();
    let second: Vec<i64> = (0..n * n).map(|k| ints[k % n]).collect();
    let a = builder.buffer("a", n * n, BufferKind::IntData(first.clone().into()));
    let b = builder.buffer("b", n * n, BufferKind::IntData(second.clone().into()));
    let output = builder.buffer("out", 2 * n * n, BufferKind::Output);
    let i = builder.begin_count(n * n);
    let arguments = [builder.load(a, i), builder.load(b, i)];
    for (k, operation) in [Operation::IntDivide, Operation::IntRemainder]
        .into_iter()
        .enumerate()
    {
        let value = builder.scalar(operation, &arguments);
        let value = builder.scalar(Operation::IntToReal, &[value]);
        let offset = builder.int((k * n * n) as i64);
        let place = builder.scalar(Operation::IntAdd, &[i, offset]);
        builder.store(output, place, value);
    }
    builder.end();
    let graph = builder.finish();
    let native = Native::compile(&[("division", &graph)], CpuLevel::Native).expect("it compiles");
    let [.., output] = run(&native, &graph, &[], &Weights::posterior(0));
    for k in 0..n * n {
        let (a, b) = (i128::from(first[k]), i128::from(second[k]));
        let quotient = if b == 0 {
            0
        } else {
            a.div_euclid(b) + i128::from(b < 0 && a.rem_euclid(b) != 0)
        };
        // Floor division: Euclid's quotient, less one where a negative divisor leaves a remainder.
        let floor = if b < 0 && a.rem_euclid(b) != 0 {
            quotient - 2
        } else {
            quotient
        };
        let expected = if b == 0 { 0 } else { floor };
        let modulus = if b == 0 { 0 } else { a - b * expected };
        assert_eq!(output[k], expected as i64 as f64, "{a} div {b}");
        assert_eq!(output[n * n + k], modulus as f64, "{a} mod {b}");
    }
}

/// Each dense operation on matrices large enough for vector code, against its definition.
#[test]
fn dense_algebra() {
    dense_operations(19, 7, 11);
}

/// Likewise, on matrices that are large enough for the library, except at the portable level.
#[test]
fn large_dense_algebra() {
    let (n, m, k) = (141, 37, 53);
    let names = |cpu| {
        let large = [
            Dense::Product {
                rows: n,
                inner: k,
                columns: m,
            },
            Dense::Cholesky { size: n },
            Dense::AddCholeskyAdjoint { size: n },
            Dense::SolveLower {
                size: n,
                columns: m,
            },
            Dense::MultiNormal { size: n },
        ];
        large.map(|operation| super::kernels::dense(operation, cpu).name.contains("large"))
    };
    let is_only_level = !cfg!(target_arch = "x86_64");
    assert_eq!(names(CpuLevel::Avx2), [true; 5]);
    assert_eq!(names(CpuLevel::Portable), [is_only_level; 5]);
    dense_operations(n, m, k);
}

fn dense_operations(n: usize, m: usize, k: usize) {
    for operation in [
        Dense::Product {
            rows: n,
            inner: k,
            columns: m,
        },
        Dense::Product {
            rows: n,
            inner: k,
            columns: 1,
        },
        Dense::AddProduct {
            rows: n,
            inner: k,
            columns: m,
        },
        Dense::AddTransposedProduct {
            rows: n,
            inner: k,
            columns: m,
        },
        Dense::AddTransposedProduct {
            rows: n,
            inner: k,
            columns: 1,
        },
        Dense::AddProductTransposed {
            rows: n,
            inner: k,
            columns: m,
        },
        Dense::AddProductTransposed {
            rows: n,
            inner: 1,
            columns: m,
        },
        Dense::Cholesky { size: n },
        Dense::AddCholeskyAdjoint { size: n },
        Dense::SolveLower {
            size: n,
            columns: m,
        },
        Dense::SolveLower {
            size: n,
            columns: 1,
        },
        Dense::SolveLowerTransposed {
            size: n,
            columns: m,
        },
        Dense::SolveLowerTransposed {
            size: n,
            columns: 1,
        },
        Dense::SubtractLowerOuter {
            size: n,
            columns: m,
        },
        Dense::SubtractLowerOuter {
            size: n,
            columns: 1,
        },
        Dense::MultiNormal { size: n },
        Dense::AddMultiNormalAdjoint { size: n },
        Dense::Solve {
            size: n,
            columns: m,
        },
        Dense::AddSolveAdjoint {
            size: n,
            columns: m,
        },
        Dense::Determinant { size: n },
        Dense::AddDeterminantAdjoint { size: n },
        Dense::EigenSymmetric { size: n },
        Dense::AddEigenSymmetricAdjoint { size: n },
        Dense::Qr {
            rows: n,
            columns: m,
        },
        Dense::AddQrAdjoint {
            rows: n,
            columns: m,
        },
        Dense::Sort { size: n },
    ] {
        for definite in [true, false] {
            dense_operation(operation, n, definite);
        }
    }
}

fn dense_operation(operation: Dense, n: usize, definite: bool) {
    let mut dice = Dice::new(3);
    let mut builder = Builder::new();
    let zero = builder.int(0);
    let (inputs, outputs) = operation.lengths();
    let total: usize = outputs.iter().sum();
    let result = builder.buffer("out", total, BufferKind::Output);
    let regions = |lengths: &[usize], data: bool, builder: &mut Builder, dice: &mut Dice| {
        let make = |&length: &usize| {
            // Square matrices have a heavy diagonal: positive definite, and good to divide by.
            let entry = |i: usize| {
                let diagonal = length == n * n && i.is_multiple_of(n + 1);
                if diagonal {
                    if definite { 9.0 } else { -1.0 }
                } else {
                    0.3 * dice.real()
                }
            };
            let kind = if data {
                BufferKind::RealData((0..length).map(entry).collect())
            } else {
                BufferKind::Mutable
            };
            Region {
                buffer: builder.buffer("matrix", length, kind),
                offset: zero,
                length,
            }
        };
        lengths.iter().map(make).collect::<Vec<Region>>()
    };
    let inputs = regions(&inputs, true, &mut builder, &mut dice);
    let outputs = regions(&outputs, false, &mut builder, &mut dice);
    for region in &outputs {
        builder.clear(region.buffer);
    }
    builder.dense(operation, inputs, outputs.clone());
    let mut start = 0;
    for region in &outputs {
        let i = builder.begin_count(region.length);
        let value = builder.load(region.buffer, i);
        let offset = builder.int(start);
        let place = builder.scalar(Operation::IntAdd, &[i, offset]);
        builder.store(result, place, value);
        builder.end();
        start += region.length as i64;
    }
    let name = format!("{operation:?}, definite {definite}");
    agrees_with_the_interpreter(&builder.finish(), &[], &Weights::posterior(0), &name);
}

/// x ~ normal(0, 1); y ~ normal(log x, 1), as a model with all its programs.
fn model(cpu: CpuLevel) -> CompiledModel {
    let mut builder = Builder::new();
    builder.set_sizes(1, 1);
    let position = builder.buffer("position", 1, BufferKind::Position);
    let (prior, likelihood) = (
        builder.statement("line 1: x"),
        builder.statement("line 2: y"),
    );
    let soft = builder.statement("line 3: soft x > 0");
    let (zero, half) = (builder.int(0), builder.real(-0.5));
    let x = builder.load(position, zero);
    let square = builder.scalar(Operation::Multiply, &[x, x]);
    let term = builder.scalar(Operation::Multiply, &[half, square]);
    builder.add_part(Part::Prior, term, prior);
    for (part, statement) in [(Part::Likelihood, likelihood), (Part::Soft(0), soft)] {
        let (weight, none) = (builder.weight(part), builder.real(0.0));
        let off = builder.scalar(Operation::Equal, &[weight, none]);
        let on = builder.scalar(Operation::Not, &[off]);
        builder.begin_if(on);
        let log = builder.scalar(Operation::Logarithm, &[x]);
        builder.add_part(part, log, statement);
        builder.end();
    }
    let density = builder.finish();
    let forward = |kind: BufferKind, draw: bool| {
        let mut builder = Builder::new();
        builder.set_sizes(1, 1);
        let source = builder.buffer("source", 1, kind);
        let output = builder.buffer("output", 1, BufferKind::Output);
        let zero = builder.int(0);
        let x = builder.load(source, zero);
        let noise = if draw {
            builder.draw(Draw::Normal, vec![])
        } else {
            builder.real(1.0)
        };
        let value = builder.scalar(Operation::Add, &[x, noise]);
        builder.store(output, zero, value);
        builder.finish()
    };
    let gradient = differentiate(&density);
    let programs = Programs {
        density,
        gradient,
        start: forward(BufferKind::Position, true),
        outputs: forward(BufferKind::Position, true),
        unconstrain: Some(forward(BufferKind::Given, false)),
        rows: None,
    };
    CompiledModel::compile(programs, cpu).expect("it compiles")
}

#[test]
fn a_model_evaluates_explains_and_draws() {
    let model = model(CpuLevel::Native);
    assert_eq!(
        (model.dimension(), model.soft_count(), model.output_count()),
        (1, 1, 1)
    );
    let mut evaluator = model.evaluator();
    let mut parts = Parts::default();
    let mut gradient = [f64::NAN];
    let weights = Weights {
        soft: vec![0.25],
        likelihood: 2.0,
        rows: Vec::new(),
    };
    let x = 1.7_f64;
    let value = evaluator.log_density_gradient(&[x], &weights, &mut gradient, &mut parts);
    assert!((value - (-0.5 * x * x + 2.25 * x.ln())).abs() < 1e-14);
    assert!((gradient[0] - (-x + 2.25 / x)).abs() < 1e-14);
    assert!((parts.likelihood - x.ln()).abs() < 1e-15 && (parts.soft[0] - x.ln()).abs() < 1e-15);
    assert_eq!(evaluator.explain(&[x]), None);

    for outside in [0.0, -1.0, f64::NAN] {
        let value = evaluator.log_density_gradient(&[outside], &weights, &mut gradient, &mut parts);
        assert_eq!(value, f64::NEG_INFINITY);
        assert!(!parts.likelihood.is_nan());
    }
    assert!(
        evaluator
            .explain(&[0.0])
            .expect("a reason")
            .starts_with("line 2: y")
    );

    let off = Weights {
        soft: vec![0.0],
        likelihood: 0.0,
        rows: Vec::new(),
    };
    let value = evaluator.log_density_gradient(&[-1.0], &off, &mut gradient, &mut parts);
    assert_eq!(
        (value, gradient[0], parts.likelihood, parts.soft[0]),
        (-0.5, 1.0, 0.0, 0.0)
    );

    let mut stream = Stream::new(1, Purpose::Test, 0);
    let (mut start, mut again) = ([0.0], [0.0]);
    evaluator.prior_draw(&mut stream, &mut start);
    evaluator.outputs(&[10.0], &mut stream, &mut again);
    assert!(start[0] != 0.0 && (again[0] - 10.0).abs() < 8.0 && again[0] - 10.0 != start[0]);
    assert_eq!(model.unconstrain(&[4.0]), Some(vec![5.0]));
}

#[test]
fn a_model_is_shared_between_threads() {
    let model = model(CpuLevel::Portable);
    let evaluate = || {
        let (mut parts, mut gradient) = (Parts::default(), [0.0]);
        let mut evaluator = model.evaluator();
        let weights = Weights::posterior(1);
        let mut at =
            |x: f64| evaluator.log_density_gradient(&[x], &weights, &mut gradient, &mut parts);
        (1..500)
            .map(|k| at(f64::from(k) / 100.0))
            .collect::<Vec<f64>>()
    };
    let expected = evaluate();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(evaluate)).collect();
        for thread in threads {
            assert_eq!(thread.join().expect("no panic"), expected);
        }
    });
}

#[test]
fn code_can_be_shown() {
    let graph = differentiate(&samples::program(1));
    assert!(
        clif("g", &graph, CpuLevel::Native)
            .expect("it compiles")
            .contains("block0")
    );
    assert!(
        assembly("g", &graph, CpuLevel::Portable)
            .expect("it compiles")
            .contains("ret")
    );
}
