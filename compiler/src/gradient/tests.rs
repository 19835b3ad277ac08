use likelier_runtime::target::Weights;

use crate::math::builder::Builder;
use crate::math::graph::{BufferKind, Graph, Instruction, Part};
use crate::math::interpret::{Inputs, Outcome, interpret};
use crate::math::primitive::Operation;
use crate::math::print::print;
use crate::math::verify::verify;

use super::differentiate;
use super::samples::{self, Dice};

fn run(graph: &Graph, position: &[f64], weights: &Weights) -> Outcome {
    interpret(graph, Inputs { position, weights, given: &[], stream: None })
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
    pairs.map(|(x, y)| (x - y).abs()).fold(0.0, |m: f64, d| if d.is_nan() { d } else { m.max(d) }) / size
}

#[test]
fn random_programs_agree_with_differences() {
    let mut active = 0;
    for seed in 0..400 {
        let graph = samples::program(seed);
        assert_eq!(verify(&graph), Ok(()), "program {seed}");
        let gradient = differentiate(&graph);
        let mut dice = Dice::new(seed + 1000);
        let mut best = f64::INFINITY;
        // A position within a step of a kink would fail for no fault of the gradient; three such are unlikely.
        for attempt in 0..3 {
            let position: Vec<f64> = (0..graph.dimension).map(|_| 1.5 * dice.real()).collect();
            let likelihood = if attempt == 1 { 0.0 } else { 0.7 };
            let weights = Weights { soft: vec![1.3], likelihood };
            let (before, after) = (run(&graph, &position, &weights), run(&gradient, &position, &weights));
            assert!(
                (before.log_density(&weights) - after.log_density(&weights)).abs()
                    <= 1e-12 * (1.0 + before.log_density(&weights).abs()),
                "program {seed}: the parts changed"
            );
            let expected = differences(&graph, &position, &weights);
            active += usize::from(expected.iter().any(|d| d.abs() > 1e-3));
            best = best.min(distance(&after.gradient, &expected));
        }
        assert!(best < 1e-7, "program {seed} is off by {best:e}\n{}\n{}", print(&graph), print(&gradient));
    }
    assert!(active > 600, "only {active} of the positions have a gradient worth testing");
}
