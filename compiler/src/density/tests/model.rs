//! Small programs in the loops form, written by hand, and what becomes of them.

use crate::math::graph::Part;
use std::rc::Rc;

use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::Weights;

use crate::data::interval::Ranges;
use crate::data::loops::{
    Array, ArrayId, ArrayKind, Binder, Condition, IndexId, Loops, Node, Random, Report, Role,
    Scalar, Statement, Support, Term,
};
use crate::density::{Layout, layout, log_density};
use crate::forward;
use crate::gradient::differentiate;
use crate::math::graph::Graph;
use crate::math::interpret::{Inputs, Outcome, interpret};
use crate::math::primitive::Operation;
use crate::source::Span;

pub(super) const INFERRED: ArrayKind = ArrayKind::Random(Role::Inferred);
pub(super) const SIMULATED: ArrayKind = ArrayKind::Random(Role::Simulated);
pub(super) const REAL_LINE: Support = Support::Interval {
    lower: None,
    upper: None,
    int: false,
};

/// A program under construction.
#[derive(Default)]
pub(super) struct Model {
    pub(super) loops: Loops,
    pub(super) ranges: Ranges,
}

impl Model {
    pub(super) fn array(&mut self, name: &str, shape: &[usize], kind: ArrayKind) -> ArrayId {
        self.loops.arrays.push(Array {
            name: name.to_string(),
            shape: shape.to_vec(),
            kind,
            span: Span::default(),
        });
        ArrayId(self.loops.arrays.len() as u32 - 1)
    }

    pub(super) fn data(&mut self, name: &str, values: &[f64]) -> ArrayId {
        self.array(name, &[values.len()], ArrayKind::Real(values.into()))
    }

    /// An index from 1 to `upper`, as a scalar and a binder.
    pub(super) fn index(&mut self, upper: i64) -> (Scalar, Binder) {
        self.range(Scalar::int(1), Scalar::int(upper))
    }

    pub(super) fn range(&mut self, lower: Scalar, upper: Scalar) -> (Scalar, Binder) {
        let index = IndexId(self.loops.indices.len() as u32);
        self.loops.indices.push(format!("i{}", index.0));
        self.ranges
            .indices
            .push(Some((lower.clone(), upper.clone())));
        let binder = Binder {
            index,
            lower,
            upper,
        };
        (Scalar::index(index), binder)
    }

    pub(super) fn push(&mut self, statement: Statement) {
        self.loops.statements.push(statement);
    }

    pub(super) fn report(&mut self, name: &str, array: ArrayId) {
        let name = name.to_string();
        self.loops.reports.push(Report { name, array });
    }

    /// A term with a description of its own.
    pub(super) fn term(&mut self, value: Scalar) -> Term {
        let description = self.loops.descriptions.len() as u32;
        self.loops
            .descriptions
            .push(format!("statement {description}"));
        Term {
            statements: Vec::new(),
            domain: Vec::new(),
            value,
            part: Part::Likelihood,
            residuals: Vec::new(),
            observation: None,
            description,
            span: Span::default(),
        }
    }

    pub(super) fn factor(&mut self, value: Scalar) {
        let term = self.term(value);
        self.push(Statement::Term(Box::new(term)));
    }

    pub(super) fn random(
        &mut self,
        variable: ArrayId,
        indices: &[Scalar],
        support: Support,
        density: Scalar,
        sample: Option<Vec<Statement>>,
    ) -> Statement {
        let observed = !matches!(self.loops.array(variable).kind, ArrayKind::Random(_));
        Statement::Random(Box::new(Random {
            variable,
            indices: indices.to_vec(),
            observed,
            support,
            standard: None,
            density: self.term(density),
            sample,
        }))
    }

    /// An unknown number on the real line with a standard normal prior.
    pub(super) fn unknown(&mut self, name: &str) -> Scalar {
        let id = self.array(name, &[], INFERRED);
        let density = normal(get(id, &[]), Scalar::real(0.0), Scalar::real(1.0));
        let statement = self.random(id, &[], REAL_LINE, density, None);
        self.push(statement);
        get(id, &[])
    }

    pub(super) fn layout(&self) -> Layout {
        layout(&self.loops)
    }

    pub(super) fn density(&self) -> Graph {
        log_density(&self.loops, &self.ranges, &self.layout()).expect("a density")
    }

    pub(super) fn outputs(&self) -> (Graph, Vec<forward::OutputColumn>) {
        forward::outputs(&self.loops, &self.ranges, &self.layout()).expect("outputs")
    }

    pub(super) fn start(&self) -> Graph {
        forward::start(&self.loops, &self.ranges, &self.layout()).expect("a start")
    }

    pub(super) fn unconstrain(&self) -> Graph {
        forward::unconstrain(&self.loops, &self.ranges, &self.layout()).expect("an inverse")
    }

    /// Asserts that the gradient at a position agrees with central differences of fourth order.
    pub(super) fn assert_gradient(&self, position: &[f64]) {
        let graph = self.density();
        let weights = Weights::posterior(0);
        let found = run(&differentiate(&graph), position, &[]).gradient;
        let mut moved = position.to_vec();
        let h = 1e-3;
        for k in 0..position.len() {
            let mut at = |shift: f64| {
                moved[k] = position[k] + shift;
                run(&graph, &moved, &[]).log_density(&weights)
            };
            let expected = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            moved[k] = position[k];
            assert_near(found[k], expected, 1e-8);
        }
    }
}

/// Runs a program with the random numbers of one stream.
pub(super) fn run(graph: &Graph, position: &[f64], given: &[f64]) -> Outcome {
    run_at(graph, position, given, 1.0, 0)
}

pub(super) fn run_at(
    graph: &Graph,
    position: &[f64],
    given: &[f64],
    likelihood: f64,
    seed: u64,
) -> Outcome {
    let mut stream = Stream::new(seed, Purpose::Test, 0);
    let weights = Weights {
        soft: Vec::new(),
        likelihood,
        rows: Vec::new(),
    };
    let inputs = Inputs {
        position,
        weights: &weights,
        given,
        stream: Some(&mut stream),
    };
    interpret(graph, inputs)
}

pub(super) fn assert_near(found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs();
    let near = found == expected || error <= tolerance * (1.0 + expected.abs());
    assert!(near, "{found} is not {expected}");
}

pub(super) fn get(array: ArrayId, indices: &[Scalar]) -> Scalar {
    Scalar(Rc::new(Node::Element {
        array,
        indices: indices.to_vec(),
        span: Span::default(),
    }))
}

pub(super) fn op<const N: usize>(operation: Operation, arguments: [Scalar; N]) -> Scalar {
    Scalar::operation(operation, arguments.to_vec())
}

pub(super) fn store(array: ArrayId, indices: &[Scalar], value: Scalar) -> Statement {
    Statement::Store {
        array,
        indices: indices.to_vec(),
        value,
    }
}

pub(super) fn each(binder: Binder, body: Vec<Statement>) -> Statement {
    Statement::For { binder, body }
}

pub(super) fn positive(value: Scalar) -> Condition {
    Condition {
        holds: op(Operation::Less, [Scalar::real(0.0), value.clone()]),
        value,
        rule: "it must be positive".to_string(),
        span: Span::default(),
    }
}

/// log density of normal(mean, sd) at x
pub(super) fn normal(x: Scalar, mean: Scalar, sd: Scalar) -> Scalar {
    use Operation::*;
    let z = op(Divide, [op(Subtract, [x, mean]), sd.clone()]);
    let square = op(Multiply, [op(Multiply, [z.clone(), z]), Scalar::real(-0.5)]);
    let scale = op(Add, [op(Logarithm, [sd]), Scalar::real(HALF_LOG_TAU)]);
    op(Subtract, [square, scale])
}

/// ½ log 2π
pub(super) const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_7;

/// The same in Rust.
pub(super) fn normal_number(x: f64, mean: f64, sd: f64) -> f64 {
    let z = (x - mean) / sd;
    -0.5 * z * z - sd.ln() - HALF_LOG_TAU
}
