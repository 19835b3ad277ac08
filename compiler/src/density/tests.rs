//! Programs written by hand against the same numbers computed here: which term goes to which part, choices, reductions,
//! recurrences, and what each of the four graphs leaves out.

mod model;
mod transforms;

use crate::check::hir::Reducer;
use crate::data::loops::{ArrayId, ArrayKind, Binder, Node, Scalar, Statement, Support};
use crate::forward::OutputKind;
use crate::gradient::differentiate;
use crate::jit::{CompiledModel, CpuLevel, Programs};
use crate::math::graph::Part;
use crate::math::graph::{Block, Graph, Instruction};
use crate::math::primitive::Operation::{self, *};
use likelier_runtime::target::{Target, Weights};
use model::*;

const Y: [f64; 8] = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0];
const SIGMA: [f64; 8] = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0];

fn reduce(reducer: Reducer, binders: Vec<Binder>, body: Scalar) -> Scalar {
    Scalar(std::rc::Rc::new(Node::Reduce {
        reducer,
        binders,
        body,
    }))
}

fn real(value: f64) -> Scalar {
    Scalar::real(value)
}

fn add(a: Scalar, b: Scalar) -> Scalar {
    op(Add, [a, b])
}

fn times(a: Scalar, b: Scalar) -> Scalar {
    op(Multiply, [a, b])
}

fn previous(i: &Scalar) -> Scalar {
    op(IntSubtract, [i.clone(), Scalar::int(1)])
}

fn after(i: &Scalar, first: i64) -> Scalar {
    op(IntLess, [Scalar::int(first), i.clone()])
}

/// Eight schools: mu ~ normal(0, 5), tau ~ half-Cauchy(5), theta[i] ~ normal(mu, tau), y[i] ~ normal(theta[i], sigma[i]).
fn schools() -> Model {
    let mut model = Model::default();
    let (mu, tau) = (
        model.array("mu", &[], INFERRED),
        model.array("tau", &[], INFERRED),
    );
    let theta = model.array("theta", &[8], INFERRED);
    let (y, sigma) = (model.data("y", &Y), model.data("sigma", &SIGMA));
    let spread = model.array("spread", &[], ArrayKind::Let);
    let future = model.array("future", &[8], SIMULATED);

    let density = normal(get(mu, &[]), real(0.0), real(5.0));
    let first = model.random(mu, &[], REAL_LINE, density, None);
    model.push(first);
    let z = op(Divide, [get(tau, &[]), real(5.0)]);
    let tail = op(Negate, [op(LogOnePlus, [times(z.clone(), z)])]);
    let density = add(real((2.0 / (5.0 * std::f64::consts::PI)).ln()), tail);
    let support = Support::Interval {
        lower: Some(real(0.0)),
        upper: None,
        int: false,
    };
    let second = model.random(tau, &[], support, density, None);
    model.push(second);
    let (i, binder) = model.index(8);
    let density = normal(
        get(theta, std::slice::from_ref(&i)),
        get(mu, &[]),
        get(tau, &[]),
    );
    let third = model.random(theta, &[i], REAL_LINE, density, None);
    model.push(each(binder, vec![third]));
    let (i, binder) = model.index(8);
    let at = [i];
    let density = normal(get(y, &at), get(theta, &at), get(sigma, &at));
    let mut observed = model.random(y, &at, REAL_LINE, density, None);
    if let Statement::Random(random) = &mut observed {
        random.density.domain.push(positive(get(sigma, &at)));
    }
    model.push(each(binder, vec![observed]));
    model.push(store(spread, &[], times(get(tau, &[]), get(tau, &[]))));
    let (i, binder) = model.index(8);
    let at = [i];
    let noise = Scalar(std::rc::Rc::new(Node::Draw {
        draw: crate::math::primitive::Draw::Normal,
        arguments: Vec::new(),
    }));
    let sample = vec![store(
        future,
        &at,
        add(get(theta, &at), times(get(sigma, &at), noise)),
    )];
    let simulated = model.random(future, &at, REAL_LINE, real(0.0), Some(sample));
    model.push(each(binder, vec![simulated]));
    model.report("spread", spread);
    model.report("y", y);
    model
}

fn schools_position() -> Vec<f64> {
    (0..10)
        .map(|k| (0.7 * k as f64 - 1.0).sin() * 2.0)
        .collect()
}

#[test]
fn eight_schools_has_the_parts_computed_by_hand() {
    let model = schools();
    let layout = model.layout();
    assert_eq!((layout.dimension, layout.given_length), (10, 10));
    assert_eq!(layout.inferred[2].unconstrained, 2..10);
    let u = schools_position();
    let (mu, tau) = (u[0], u[1].exp());
    let cauchy = (2.0 / (5.0 * std::f64::consts::PI)).ln() - (tau / 5.0).powi(2).ln_1p();
    let thetas: f64 = u[2..].iter().map(|&x| normal_number(x, mu, tau)).sum();
    let prior = normal_number(mu, 0.0, 5.0) + cauchy + thetas;
    let likelihood: f64 = (0..8)
        .map(|i| normal_number(Y[i], u[2 + i], SIGMA[i]))
        .sum();

    let outcome = run(&model.density(), &u, &[]);
    assert_near(outcome.parts.prior, prior, 1e-13);
    assert_near(outcome.parts.jacobian, u[1], 1e-13);
    assert_near(outcome.parts.likelihood, likelihood, 1e-13);
    assert_eq!(outcome.first_not_finite, None);
    model.assert_gradient(&u);
    let untempered = run_at(&model.density(), &u, &[], 0.0, 0);
    assert_eq!(untempered.parts.likelihood, 0.0);
    assert_near(untempered.parts.prior, prior, 1e-13);
}

#[test]
fn eight_schools_keeps_unknowns_reports_and_simulations() {
    let model = schools();
    let (graph, columns) = model.outputs();
    let kinds: Vec<_> = columns.iter().map(|c| (c.name.as_str(), c.kind)).collect();
    let (inferred, report) = (OutputKind::Inferred, OutputKind::Report);
    assert_eq!(
        kinds,
        [
            ("mu", inferred),
            ("tau", inferred),
            ("theta", inferred),
            ("spread", report),
            ("y", report),
            ("future", OutputKind::Simulated)
        ]
    );
    let u = schools_position();
    let outcome = run(&graph, &u, &[]);
    let x = outcome.output;
    assert_eq!(x.len(), 10 + 1 + 8 + 8);
    assert_eq!(x[0], u[0]);
    assert_near(x[1], u[1].exp(), 1e-15);
    assert_eq!(x[2..10], u[2..10]);
    assert_near(x[10], x[1] * x[1], 1e-15);
    assert_eq!(x[11..19], Y);
    for i in 0..8 {
        let z = (x[19 + i] - x[2 + i]) / SIGMA[i];
        assert!(z != 0.0 && z.abs() < 6.0);
    }
    assert_eq!(outcome.parts.prior, 0.0);
}

/// Native code of all four graphs does what the interpreter does.
#[test]
fn eight_schools_runs_natively() {
    let model = schools();
    let u = schools_position();
    let weights = Weights::posterior(0);
    let density = model.density();
    let expected = run(&density, &u, &[]).log_density(&weights);
    let gradient = differentiate(&density);
    let slopes = run(&gradient, &u, &[]).gradient;
    let programs = Programs {
        density,
        gradient,
        start: model.start(),
        outputs: model.outputs().0,
        unconstrain: Some(model.unconstrain()),
        rows: None,
    };
    let compiled = CompiledModel::compile(programs, CpuLevel::Native).expect("native code");
    assert_eq!(compiled.output_count(), 27);
    let given: Vec<f64> = u
        .iter()
        .enumerate()
        .map(|(k, &u)| if k == 1 { u.exp() } else { u })
        .collect();
    let back = compiled.unconstrain(&given).expect("an inverse");
    for (found, expected) in back.iter().zip(&u) {
        assert_near(*found, *expected, 1e-12);
    }
    let mut evaluator = compiled.evaluator();
    let mut found = vec![0.0; 10];
    let mut parts = likelier_runtime::target::Parts::default();
    let total = evaluator.log_density_gradient(&u, &weights, &mut found, &mut parts);
    assert_near(total, expected, 1e-12);
    for (found, expected) in found.iter().zip(&slopes) {
        assert_near(*found, *expected, 1e-10);
    }
}

fn count(block: &Block, wanted: &dyn Fn(&Instruction) -> bool) -> usize {
    let inner = |instruction: &Instruction| {
        usize::from(wanted(instruction))
            + match instruction {
                Instruction::Loop { body, .. } => count(body, wanted),
                Instruction::If {
                    then, otherwise, ..
                } => count(then, wanted) + count(otherwise, wanted),
                _ => 0,
            }
    };
    block.instructions.iter().map(inner).sum()
}

fn has_buffer(graph: &Graph, name: &str) -> bool {
    graph.buffers.iter().any(|buffer| buffer.name == name)
}

#[test]
fn graphs_leave_out_what_they_do_not_need() {
    let model = schools();
    let density = model.density();
    assert!(!has_buffer(&density, "future") && !has_buffer(&density, "spread"));
    let draws = |graph: &Graph| count(&graph.body, &|i| matches!(i, Instruction::Draw { .. }));
    assert_eq!(draws(&density), 0);
    let (outputs, inverse) = (model.outputs().0, model.unconstrain());
    let terms = |i: &Instruction| matches!(i, Instruction::AddPart { .. });
    assert_eq!(count(&outputs.body, &terms), 0);
    assert_eq!(count(&inverse.body, &terms), 0);
    assert!(!has_buffer(&inverse, "y") && !has_buffer(&model.start(), "y"));
    // The loop over the observations is guarded as a whole; in it are only the tests of the domain.
    let guarded = density.body.instructions.iter().any(|instruction| {
        let Instruction::If { then, .. } = instruction else {
            return false;
        };
        let is_loop = |i: &Instruction| matches!(i, Instruction::Loop { .. });
        then.instructions.iter().any(is_loop)
    });
    assert!(guarded, "{}", crate::math::print::print(&density));
}

#[test]
fn a_statement_is_described_once() {
    let mut model = Model::default();
    let mu = model.unknown("mu");
    let (_, outer) = model.index(20);
    let (j, inner) = model.index(4);
    let real_j = op(IntToReal, [j]);
    let term = model.term(times(mu, real_j));
    model.push(each(
        outer,
        vec![each(inner, vec![Statement::Term(Box::new(term))])],
    ));
    let graph = model.density();
    assert_eq!(graph.statements.len(), 2);
    let outcome = run(&graph, &[0.5], &[]);
    assert_near(outcome.contributions[1], 20.0 * 10.0 * 0.5, 1e-12);
    // Four rounds within a loop are written out.
    assert_eq!(
        count(&graph.body, &|i| matches!(i, Instruction::Loop { .. })),
        1
    );
}

#[test]
fn outside_the_domain_a_term_is_impossible() {
    let mut model = Model::default();
    let mu = model.unknown("mu");
    let mut term = model.term(op(Logarithm, [mu.clone()]));
    term.domain.push(positive(mu.clone()));
    model.push(Statement::Term(Box::new(term)));
    let mut require = model.term(real(0.0));
    require.domain.push(positive(add(mu, real(3.0))));
    require.part = Part::Prior;
    model.push(Statement::Term(Box::new(require)));
    let graph = model.density();
    let inside = run(&graph, &[2.0], &[]).parts;
    assert_near(inside.likelihood, 2f64.ln(), 1e-15);
    assert_near(inside.prior, normal_number(2.0, 0.0, 1.0), 1e-15);
    let outside = run(&graph, &[-2.0], &[]);
    assert_eq!(outside.parts.likelihood, f64::NEG_INFINITY);
    assert!(outside.parts.prior.is_finite());
    assert_eq!(outside.first_not_finite, Some(1));
    let beyond = run(&graph, &[-4.0], &[]).parts;
    assert_eq!(beyond.prior, f64::NEG_INFINITY);
}

fn log_sum_exp_of(values: &[f64], mu: f64) -> (f64, Model) {
    let mut model = Model::default();
    let unknown = model.unknown("mu");
    let y = model.data("y", values);
    let (i, binder) = model.index(values.len() as i64);
    let body = add(get(y, &[i]), unknown);
    model.factor(reduce(Reducer::LogSumExp, vec![binder], body));
    (run(&model.density(), &[mu], &[]).parts.likelihood, model)
}

#[test]
fn logsumexp_of_nothing_is_minus_infinity_with_a_gradient() {
    for length in [0, 1, 3, 20] {
        let (value, model) = log_sum_exp_of(&vec![f64::NEG_INFINITY; length], 0.3);
        assert_eq!(value, f64::NEG_INFINITY);
        let gradient = run(&differentiate(&model.density()), &[0.3], &[]).gradient;
        assert!(gradient[0].is_finite(), "{length}: {gradient:?}");
    }
    for length in [1, 3, 20] {
        let mut values: Vec<f64> = (0..length).map(|k| 700.0 * (k as f64).cos()).collect();
        values.push(f64::NEG_INFINITY);
        let (value, model) = log_sum_exp_of(&values, 0.3);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = values.iter().map(|v| (v - most).exp()).sum();
        assert_near(value, most + sum.ln() + 0.3, 1e-14);
        model.assert_gradient(&[0.3]);
    }
}

#[test]
fn reductions_agree_short_and_long() {
    for (rows, columns) in [(2, 3), (5, 7)] {
        let mut model = Model::default();
        let mu = model.unknown("mu");
        let ((i, first), (j, second)) = (model.index(rows), model.index(columns));
        let number = op(IntToReal, [op(IntMultiply, [i, j])]);
        let body = add(op(Sine, [number]), times(mu.clone(), real(0.1)));
        let binders = vec![first, second];
        let reducers = [
            Reducer::Sum,
            Reducer::Product,
            Reducer::Maximum,
            Reducer::Minimum,
            Reducer::Mean,
        ];
        for reducer in reducers {
            model.factor(reduce(reducer, binders.clone(), body.clone()));
        }
        let values: Vec<f64> = (1..=rows)
            .flat_map(|i| (1..=columns).map(move |j| ((i * j) as f64).sin() + 0.04))
            .collect();
        let sum: f64 = values.iter().sum();
        let expected = [
            sum,
            values.iter().product(),
            values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            values.iter().copied().fold(f64::INFINITY, f64::min),
            sum / values.len() as f64,
        ];
        let outcome = run(&model.density(), &[0.4], &[]);
        for (found, expected) in outcome.contributions[1..].iter().zip(expected) {
            assert_near(*found, expected, 1e-13);
        }
        model.assert_gradient(&[0.4]);
    }
}

/// Σ over t of what `value` makes of t and a data array with the elements 1, 2, …, `rounds`.
fn sum_over(rounds: i64, value: impl Fn(&Scalar, ArrayId, &Scalar) -> Scalar) -> Model {
    let mut model = Model::default();
    let mu = model.unknown("mu");
    let numbers: Vec<f64> = (1..=rounds).map(|t| t as f64).collect();
    let x = model.data("x", &numbers);
    let (t, binder) = model.index(rounds);
    let term = model.term(value(&t, x, &mu));
    model.push(each(binder, vec![Statement::Term(Box::new(term))]));
    model
}

#[test]
fn a_guarded_element_is_not_read_elsewhere() {
    for rounds in [1, 3, 30] {
        let model = sum_over(rounds, |t, x, mu| {
            let before = times(get(x, &[previous(t)]), mu.clone());
            Scalar::choose(after(t, 1), before, real(0.0))
        });
        let expected: i64 = (1..rounds).sum();
        let found = run(&model.density(), &[0.5], &[]).parts.likelihood;
        assert_near(found, 0.5 * expected as f64, 1e-13);
        model.assert_gradient(&[0.5]);
    }
}

#[test]
fn a_guarded_truth_is_a_truth() {
    let model = sum_over(30, |t, x, mu| {
        let large = op(Less, [mu.clone(), get(x, &[previous(t)])]);
        let holds = Scalar::choose(after(t, 1), large, Scalar::bool(false));
        let both = op(And, [holds.clone(), after(t, 5)]);
        Scalar::choose(
            both,
            mu.clone(),
            Scalar::choose(holds, real(1.0), real(0.0)),
        )
    });
    // t > 1 and x[t − 1] > 10.5: from t = 12 on, 19 rounds.
    let found = run(&model.density(), &[10.5], &[]).parts.likelihood;
    assert_near(found, 19.0 * 10.5, 1e-13);
}

#[test]
fn whole_numbers_that_vary_are_reals() {
    let mut model = Model::default();
    let mu = model.unknown("mu");
    let count = model.array("count", &[20], ArrayKind::Let);
    let (i, binder) = model.index(20);
    let large = op(Less, [mu, real(0.0)]);
    let whole = Scalar::choose(
        large,
        i.clone(),
        op(IntMultiply, [i.clone(), Scalar::int(-2)]),
    );
    model.push(each(binder, vec![store(count, &[i], whole)]));
    let (j, binder) = model.index(20);
    let n = get(count, std::slice::from_ref(&j));
    let remainder = op(IntRemainder, [n.clone(), Scalar::int(7)]);
    let quotient = op(IntDivide, [n.clone(), Scalar::int(7)]);
    let sum = op(
        IntAdd,
        [remainder, op(IntMultiply, [quotient, Scalar::int(100)])],
    );
    let least = op(IntLess, [n, op(IntNegate, [j])]);
    let chosen = Scalar::choose(least, sum, Scalar::int(5));
    let term = model.term(op(IntToReal, [chosen]));
    model.push(each(binder, vec![Statement::Term(Box::new(term))]));
    let expected: i64 = (1..=20i64)
        .map(|j| (-2 * j).rem_euclid(7) + 100 * (-2 * j).div_euclid(7))
        .sum();
    let graph = model.density();
    assert_near(
        run(&graph, &[0.5], &[]).parts.likelihood,
        expected as f64,
        0.0,
    );
    assert_near(run(&graph, &[-0.5], &[]).parts.likelihood, 100.0, 0.0);
}

#[test]
fn a_truth_can_be_kept() {
    for shape in [vec![], vec![9]] {
        let mut model = Model::default();
        let mu = model.unknown("mu");
        let flag = model.array("flag", &shape, ArrayKind::Let);
        let (i, binder) = model.index(9);
        let at: Vec<Scalar> = shape.iter().map(|_| i.clone()).collect();
        let truth = op(Less, [mu.clone(), op(IntToReal, [i])]);
        let kept = op(And, [get(flag, &at), op(Less, [mu.clone(), real(100.0)])]);
        let term = model.term(Scalar::choose(kept, mu, real(0.0)));
        let body = vec![store(flag, &at, truth), Statement::Term(Box::new(term))];
        model.push(each(binder, body));
        let found = run(&model.density(), &[3.5], &[]).parts.likelihood;
        assert_near(found, 6.0 * 3.5, 1e-13);
    }
}

#[test]
fn an_index_that_an_unknown_decides_stays_inside() {
    let mut model = Model::default();
    let mu = model.unknown("mu");
    let (x, n) = (
        model.data("x", &[1.0, 2.0]),
        model.array("n", &[2], ArrayKind::Let),
    );
    let large = op(Less, [mu.clone(), real(0.0)]);
    let whole = Scalar::choose(large, Scalar::int(1), Scalar::int(5));
    model.push(store(n, &[Scalar::int(1)], whole.clone()));
    model.factor(get(x, &[get(n, &[Scalar::int(1)])]));
    model.factor(get(x, &[whole]));
    let at = |mu: f64| run(&model.density(), &[mu], &[]).parts.likelihood;
    assert_eq!((at(-1.0), at(1.0)), (2.0, 4.0));
}

#[test]
fn a_range_that_an_unknown_decides_is_an_error() {
    let mut model = Model::default();
    let mu = model.unknown("mu");
    let n = model.array("n", &[1], ArrayKind::Let);
    let large = op(Less, [mu, real(0.0)]);
    let whole = Scalar::choose(large, Scalar::int(1), Scalar::int(2));
    model.push(store(n, &[Scalar::int(1)], whole));
    let (_, binder) = model.range(Scalar::int(1), get(n, &[Scalar::int(1)]));
    let term = model.term(real(1.0));
    model.push(each(binder, vec![Statement::Term(Box::new(term))]));
    let layout = model.layout();
    let error = super::log_density(&model.loops, &model.ranges, &layout).unwrap_err();
    assert_eq!(error.code, "E0462");
}

/// x[t] = phi x[t − 1] + u[t] from x[1] = u[1], where the element before is `back(t)`.
fn recurrence(kind: ArrayKind, back: impl Fn(&Scalar) -> Scalar) -> Model {
    let mut model = Model::default();
    let phi = model.unknown("phi");
    let (u, x) = (
        model.array("u", &[12], INFERRED),
        model.array("x", &[12], kind),
    );
    let (t, binder) = model.index(12);
    let density = normal(get(u, std::slice::from_ref(&t)), real(0.0), real(1.0));
    let random = model.random(u, std::slice::from_ref(&t), REAL_LINE, density, None);
    model.push(each(binder, vec![random]));
    let (t, binder) = model.index(12);
    let linked = times(phi, get(x, &[back(&t)]));
    let before = Scalar::choose(after(&t, 1), linked, real(0.0));
    let value = add(before, get(u, std::slice::from_ref(&t)));
    model.push(each(binder, vec![store(x, &[t], value)]));
    model.factor(op(Sine, [get(x, &[Scalar::int(12)])]));
    model
}

#[test]
fn a_recurrence_reads_only_what_was_stored() {
    let u = schools_position();
    let mut position = vec![0.7];
    position.extend(&u);
    position.extend([0.3, -0.8]);
    let expected = position[1..].iter().fold(0.0, |x, u| 0.7 * x + u).sin();
    // The third index is in range always, but x[1] is not there when it is read first.
    let clamped = |t: &Scalar| op(IntMaximum, [previous(t), Scalar::int(1)]);
    for model in [
        recurrence(ArrayKind::Let, previous),
        recurrence(ArrayKind::Var, previous),
        recurrence(ArrayKind::Let, clamped),
    ] {
        let found = run(&model.density(), &position, &[]).parts.likelihood;
        assert_near(found, expected, 1e-13);
        model.assert_gradient(&position);
    }
}

#[test]
fn an_element_stored_in_an_earlier_round_is_read_there() {
    let mut model = Model::default();
    let mu = model.unknown("mu");
    let x = model.array("x", &[12], ArrayKind::Let);
    let (t, binder) = model.index(12);
    let first = times(get(x, &[Scalar::int(1)]), op(IntToReal, [t.clone()]));
    let value = Scalar::choose(after(&t, 1), first, mu);
    model.push(each(binder, vec![store(x, &[t], value)]));
    let (t, binder) = model.index(12);
    model.factor(reduce(Reducer::Sum, vec![binder], get(x, &[t])));
    let found = run(&model.density(), &[0.5], &[]).parts.likelihood;
    assert_near(found, 0.5 * 78.0, 1e-13);
    model.assert_gradient(&[0.5]);
}

#[test]
fn a_variable_may_be_overwritten() {
    let mut model = Model::default();
    let mu = model.unknown("mu");
    let (s, y) = (model.array("s", &[], ArrayKind::Var), model.data("y", &Y));
    model.push(store(s, &[], mu.clone()));
    let (t, binder) = model.index(8);
    let next = op(Sine, [add(times(get(s, &[]), mu), get(y, &[t]))]);
    let term = model.term(times(get(s, &[]), get(s, &[])));
    let body = vec![Statement::Term(Box::new(term)), store(s, &[], next)];
    model.push(each(binder, body));
    model.factor(get(s, &[]));
    let (mut state, mut expected) = (0.6f64, 0.0);
    for y in Y {
        expected += state * state;
        state = (state * 0.6 + y).sin();
    }
    let found = run(&model.density(), &[0.6], &[]).parts.likelihood;
    assert_near(found, expected + state, 1e-13);
    model.assert_gradient(&[0.6]);
}

#[test]
fn a_choice_of_many_shared_nodes_stays_small() {
    let mut model = Model::default();
    let mu = model.unknown("mu");
    let mut value = mu.clone();
    for step in 0..60 {
        let condition = op(Operation::Less, [value.clone(), real(f64::from(step))]);
        let low = times(add(value.clone(), value.clone()), real(0.5));
        value = Scalar::choose(condition, low, value);
    }
    model.factor(value);
    let graph = model.density();
    assert!(graph.size() < 2000, "{} instructions", graph.size());
    assert_near(run(&graph, &[0.5], &[]).parts.likelihood, 0.5, 1e-12);
}
