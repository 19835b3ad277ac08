use likelier_runtime::target::Weights;

use crate::gradient::differentiate;
use crate::gradient::samples::{self, Dice};
use crate::math::graph::Graph;
use crate::math::interpret::{Inputs, Outcome, interpret};
use crate::math::print::print;

use super::blocks::Lowering;
use super::native::{Arguments, Native};
use super::{CpuLevel, symbols};

fn reference(graph: &Graph, position: &[f64], weights: &Weights) -> Outcome {
    interpret(graph, Inputs { position, weights, given: &[], stream: None })
}

struct Result {
    parts: Vec<f64>,
    gradient: Vec<f64>,
}

fn run(native: &Native, graph: &Graph, position: &[f64], weights: &Weights) -> Result {
    let mut scratch = native.scratch();
    let mut parts = vec![0.0; graph.soft_count + 3];
    let mut gradient = vec![0.0; graph.dimension];
    let mut flat = weights.soft.clone();
    flat.push(weights.likelihood);
    let arguments = Arguments {
        position,
        weights: &flat,
        gradient: &mut gradient,
        parts: &mut parts,
        ..Arguments::default()
    };
    native.run(0, &mut scratch, arguments);
    Result { parts, gradient }
}

fn close(a: f64, b: f64, scale: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * scale.max(1.0)
}

#[test]
fn native_code_does_what_the_interpreter_does() {
    for seed in 0..200 {
        let gradient = differentiate(&samples::program(seed));
        let mut dice = Dice::new(seed + 5000);
        let position: Vec<f64> = (0..gradient.dimension).map(|_| 1.5 * dice.real()).collect();
        let weights = Weights { soft: vec![0.6], likelihood: if seed % 3 == 0 { 0.0 } else { 1.1 } };
        let expected = reference(&gradient, &position, &weights);
        let scale = expected.gradient.iter().fold(1.0, |m: f64, g| m.max(g.abs()));
        for (cpu, lowering) in [
            (CpuLevel::Portable, Lowering::Scalar),
            (CpuLevel::Native, Lowering::Scalar),
            (CpuLevel::Native, Lowering::Blocks),
        ] {
            let native = Native::compile_with(&[("gradient", &gradient)], cpu, lowering).unwrap();
            let found = run(&native, &gradient, &position, &weights);
            let parts = &expected.parts;
            let sums = [parts.prior, parts.jacobian, parts.likelihood, parts.soft[0]];
            let pairs = found.gradient.iter().zip(&expected.gradient);
            for (a, b) in pairs.chain(found.parts.iter().zip(&sums)) {
                assert!(close(*a, *b, scale), "program {seed}, {cpu}, {lowering:?}: {a} is not {b}\n{}", print(&gradient));
            }
        }
    }
}

#[test]
fn every_operation_has_code() {
    for entry in crate::math::primitive::TABLE {
        let has_symbol = symbols::elementary(entry.operation).is_some();
        assert!(has_symbol || super::tests::has_instruction(entry.operation), "{}", entry.name);
    }
}

fn has_instruction(operation: crate::math::primitive::Operation) -> bool {
    operation.is_cheap()
}
