//! The gradient against central differences of the program it was made from, on random programs and on the shapes
//! that models have.

use likelier_runtime::target::Weights;

use crate::math::builder::Builder;
use crate::math::graph::{Block, BufferId, BufferKind, Graph, Instruction, Part, Value};
use crate::math::interpret::{Inputs, Outcome, interpret};
use crate::math::primitive::Operation;
use crate::math::print::print;
use crate::math::verify::verify;

use super::differentiate;
use super::samples::{self, Dice};

fn run(graph: &Graph, position: &[f64], weights: &Weights) -> Outcome {
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

/// Central differences of fourth order.
fn differences(graph: &Graph, position: &[f64], weights: &Weights) -> Vec<f64> {
    let mut moved = position.to_vec();
    let mut at = |k: usize, shift: f64| {
        moved[k] = position[k] + shift;
        let value = run(graph, &moved, weights).log_density(weights);
        moved[k] = position[k];
        value
    };
    let h = 2e-4;
    (0..position.len())
        .map(|k| {
            let (one, two) = (at(k, h) - at(k, -h), at(k, 2.0 * h) - at(k, -2.0 * h));
            (8.0 * one - two) / (12.0 * h)
        })
        .collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let size = a.iter().chain(b).fold(1.0, |m: f64, x| m.max(x.abs()));
    let pairs = a.iter().zip(b);
    pairs
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, |m: f64, d| if d.is_nan() { d } else { m.max(d) })
        / size
}

#[test]
fn random_programs_agree_with_differences() {
    let (mut active, mut keeping) = (0, 0);
    for seed in 0..400 {
        let graph = samples::program(seed);
        assert_eq!(verify(&graph), Ok(()), "program {seed}");
        let gradient = differentiate(&graph);
        keeping += usize::from(gradient.buffers.iter().any(|buffer| buffer.name == "kept"));
        let mut dice = Dice::new(seed + 1000);
        let mut best = f64::INFINITY;
        // A position within a step of a kink would fail for no fault of the gradient; three such are unlikely.
        for attempt in 0..3 {
            let position: Vec<f64> = (0..graph.dimension).map(|_| 1.5 * dice.real()).collect();
            let likelihood = if attempt == 1 { 0.0 } else { 0.7 };
            let weights = Weights {
                soft: vec![1.3],
                likelihood,
                rows: Vec::new(),
            };
            let (before, after) = (
                run(&graph, &position, &weights),
                run(&gradient, &position, &weights),
            );
            assert!(
                (before.log_density(&weights) - after.log_density(&weights)).abs()
                    <= 1e-12 * (1.0 + before.log_density(&weights).abs()),
                "program {seed}: the parts changed"
            );
            let expected = differences(&graph, &position, &weights);
            active += usize::from(expected.iter().any(|d| d.abs() > 1e-3));
            best = best.min(distance(&after.gradient, &expected));
        }
        assert!(
            best < 1e-7,
            "program {seed} is off by {best:e}\n{}\n{}",
            print(&graph),
            print(&gradient)
        );
    }
    assert!(
        active > 600,
        "only {active} of the positions have a gradient worth testing"
    );
    assert!(keeping > 50, "only {keeping} of the programs keep values");
}

fn loops(block: &Block) -> usize {
    let inner = |instruction: &Instruction| match instruction {
        Instruction::Loop { body, .. } => 1 + loops(body),
        Instruction::If {
            then, otherwise, ..
        } => loops(then) + loops(otherwise),
        _ => 0,
    };
    block.instructions.iter().map(inner).sum()
}

fn kept(graph: &Graph) -> usize {
    graph
        .buffers
        .iter()
        .filter(|buffer| buffer.name == "kept")
        .map(|buffer| buffer.length)
        .sum()
}

/// y[i] ~ normal(mean[i], exp(p1)), up to a constant, where `mean` says what the mean of a row is.
fn regression(rows: usize, mean: impl FnOnce(&mut Builder, BufferId, Value) -> Value) -> Graph {
    let mut builder = Builder::new();
    builder.set_sizes(2, 0);
    let position = builder.buffer("position", 2, BufferKind::Position);
    let y: Vec<f64> = (0..rows).map(|i| (i as f64).sin()).collect();
    let y = builder.buffer("y", rows, BufferKind::RealData(y.into()));
    let statement = builder.statement("y ~ normal");
    let one = builder.int(1);
    let log_scale = builder.load(position, one);
    let scale = builder.scalar(Operation::Exponential, &[log_scale]);
    let weight = builder.weight(Part::Likelihood);
    let zero = builder.real(0.0);
    let off = builder.scalar(Operation::Equal, &[weight, zero]);
    let on = builder.scalar(Operation::Not, &[off]);
    builder.begin_if(on);
    let i = builder.begin_count(rows);
    let mean = mean(&mut builder, position, i);
    let yi = builder.load(y, i);
    let difference = builder.scalar(Operation::Subtract, &[yi, mean]);
    let z = builder.scalar(Operation::Divide, &[difference, scale]);
    let square = builder.scalar(Operation::Multiply, &[z, z]);
    let half = builder.real(-0.5);
    let square = builder.scalar(Operation::Multiply, &[half, square]);
    let term = builder.scalar(Operation::Subtract, &[square, log_scale]);
    builder.add_part(Part::Likelihood, term, statement);
    builder.end();
    builder.end();
    builder.finish()
}

#[test]
fn a_loop_over_observations_runs_once_and_keeps_nothing() {
    let graph = regression(50, |builder, position, _| {
        let zero = builder.int(0);
        builder.load(position, zero)
    });
    let gradient = differentiate(&graph);
    assert_eq!(
        (loops(&gradient.body), kept(&gradient)),
        (1, 0),
        "{}",
        print(&gradient)
    );
    // Closed form: d/dmu = Σ (y − mu) / s², d/dlog s = Σ ((y − mu)² / s² − 1).
    let (mu, log_scale) = (0.3, -0.2_f64);
    let weights = Weights {
        soft: vec![],
        likelihood: 0.5,
        rows: Vec::new(),
    };
    let outcome = run(&gradient, &[mu, log_scale], &weights);
    let residuals = (0..50).map(|i| (i as f64).sin() - mu);
    let precision = (-2.0 * log_scale).exp();
    let sum: f64 = residuals.clone().map(|r| r * precision).sum();
    let squares: f64 = residuals.map(|r| r * r * precision - 1.0).sum();
    assert!(distance(&outcome.gradient, &[0.5 * sum, 0.5 * squares]) < 1e-14);
}

#[test]
fn a_sum_in_each_round_keeps_nothing_either() {
    let graph = regression(20, |builder, position, i| {
        let (sum, zero) = (builder.register("sum"), builder.int(0));
        let slope = builder.load(position, zero);
        let row = builder.scalar(Operation::IntToReal, &[i]);
        builder.clear(sum);
        let k = builder.begin_count(7);
        let column = builder.scalar(Operation::IntToReal, &[k]);
        let product = builder.scalar(Operation::Multiply, &[row, column]);
        let x = builder.scalar(Operation::Sine, &[product]);
        let term = builder.scalar(Operation::Multiply, &[x, slope]);
        builder.accumulate(sum, zero, term);
        builder.end();
        builder.load(sum, zero)
    });
    let gradient = differentiate(&graph);
    assert_eq!(loops(&gradient.body), 3, "{}", print(&gradient));
    // The sines are dear and needed for the slope's adjoint: one for each round of the inner loop, none for outer ones.
    assert_eq!(kept(&gradient), 7);
    let weights = Weights::posterior(0);
    let outcome = run(&gradient, &[0.4, 0.1], &weights);
    assert!(
        distance(
            &outcome.gradient,
            &differences(&graph, &[0.4, 0.1], &weights)
        ) < 1e-8
    );
}

#[test]
fn a_part_of_weight_zero_is_skipped_both_ways() {
    let graph = regression(5, |builder, position, _| {
        let zero = builder.int(0);
        let mu = builder.load(position, zero);
        builder.scalar(Operation::Logarithm, &[mu])
    });
    let gradient = differentiate(&graph);
    let off = Weights {
        soft: vec![],
        likelihood: 0.0,
        rows: Vec::new(),
    };
    let outcome = run(&gradient, &[0.0, 0.0], &off);
    assert_eq!(
        (outcome.log_density(&off), outcome.gradient),
        (0.0, vec![0.0, 0.0])
    );
    let on = Weights::posterior(0);
    let outcome = run(&gradient, &[0.0, 0.0], &on);
    assert_eq!(outcome.log_density(&on), f64::NEG_INFINITY);
    assert_eq!(outcome.first_not_finite, Some(0));
}
