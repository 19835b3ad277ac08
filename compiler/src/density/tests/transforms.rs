//! Every bijection: its inverse undoes it, its Jacobian is that of finite differences, and starts have coordinates
//! even where a draw lies on the edge of its support.

use super::model::*;
use crate::data::loops::{Binder, IndexId, Scalar, Statement, Support};
use crate::math::primitive::{Draw, Operation};
use crate::math::structure::Structure;

fn interval(lower: Option<f64>, upper: Option<f64>) -> Support {
    Support::Interval {
        lower: lower.map(Scalar::real),
        upper: upper.map(Scalar::real),
        int: false,
    }
}

fn ordered(size: usize, lower: Option<f64>, upper: Option<f64>) -> Support {
    Support::Ordered {
        size,
        lower: lower.map(Scalar::real),
        upper: upper.map(Scalar::real),
    }
}

/// An array with free elements; its indices are far from those of the models.
fn array(shape: &[usize], lower: Option<f64>, upper: Option<f64>) -> Support {
    let binder = |(axis, &length): (usize, &usize)| Binder {
        index: IndexId(100 + axis as u32),
        lower: Scalar::int(1),
        upper: Scalar::int(length as i64),
    };
    Support::Array {
        binders: shape.iter().enumerate().map(binder).collect(),
        lower: lower.map(Scalar::real),
        upper: upper.map(Scalar::real),
    }
}

const BOUNDS: [(Option<f64>, Option<f64>); 4] = [
    (None, None),
    (Some(-1.5), None),
    (None, Some(2.5)),
    (Some(-1.5), Some(2.5)),
];

fn supports() -> Vec<Support> {
    let mut supports = Vec::new();
    for (lower, upper) in BOUNDS {
        supports.push(interval(lower, upper));
        supports.extend((0..=4).map(|size| ordered(size, lower, upper)));
        for shape in [&[3][..], &[2, 3], &[0], &[12, 1]] {
            supports.push(array(shape, lower, upper));
        }
    }
    supports.push(interval(Some(f64::NEG_INFINITY), Some(f64::INFINITY)));
    supports.push(interval(Some(f64::NEG_INFINITY), Some(2.5)));
    supports.push(interval(Some(-1.5), Some(f64::INFINITY)));
    for structure in Structure::ALL {
        supports.extend((0..=4).map(|size| Support::Structured { structure, size }));
    }
    supports
}

/// What an element is drawn as, given its indices.
type Sampler<'a> = &'a dyn Fn(&[Scalar]) -> Scalar;

/// `rows` draws on a support, behind another unknown, so that no offset is zero.
fn model(support: &Support, rows: usize, sample: Option<Sampler>) -> Model {
    let mut model = Model::default();
    model.unknown("first");
    let is_scalar = matches!(support, Support::Interval { .. });
    let shape = [&[rows][..], &support.shape()].concat();
    let x = model.array("x", &shape, INFERRED);
    let (i, rows) = model.index(rows as i64);
    let (own, binders): (Vec<Scalar>, Vec<Binder>) = support
        .shape()
        .iter()
        .map(|&length| model.index(length as i64))
        .unzip();
    let at = [std::slice::from_ref(&i), &own].concat();
    let over = |statement: Statement| {
        let each_of = |inner, binder: &Binder| each(binder.clone(), vec![inner]);
        binders.iter().rev().fold(statement, each_of)
    };
    let sample = sample.map(|value| {
        let drawn = if is_scalar {
            value(&[i.clone(), i.clone()])
        } else {
            value(&at)
        };
        vec![over(store(x, &at, drawn))]
    });
    let random = model.random(
        x,
        std::slice::from_ref(&i),
        support.clone(),
        Scalar::real(0.0),
        sample,
    );
    // Every element matters, and differently.
    let angle = at.iter().zip([1.3, 0.7, 0.45]).map(|(index, weight)| {
        let index = op(Operation::IntToReal, [index.clone()]);
        op(Operation::Multiply, [index, Scalar::real(weight)])
    });
    let angle = angle.fold(get(x, &at), |sum, part| op(Operation::Add, [sum, part]));
    let term = model.term(op(Operation::Sine, [angle]));
    let term = over(Statement::Term(Box::new(term)));
    model.push(each(rows, vec![random, term]));
    model
}

fn position(length: usize) -> Vec<f64> {
    (0..length)
        .map(|k| 1.3 * (1.7 * k as f64 + 0.4).sin())
        .collect()
}

/// The values of a position without the first unknown.
fn values(model: &Model, u: &[f64]) -> Vec<f64> {
    let mut graph = model.outputs().0;
    graph.statements.clear();
    run(&graph, u, &[]).output
}

fn is_unit_vector(support: &Support) -> bool {
    matches!(
        support,
        Support::Structured {
            structure: Structure::UnitVector,
            ..
        }
    )
}

#[test]
fn the_inverse_undoes_every_transform() {
    for support in supports() {
        for rows in [1, 3] {
            let model = model(&support, rows, None);
            let u = position(model.layout().dimension);
            let x = values(&model, &u);
            let back = run(&model.unconstrain(), &[], &x).output;
            assert_eq!(back.len(), u.len());
            for (found, expected) in values(&model, &back).iter().zip(&x) {
                assert!((found - expected).abs() < 1e-10, "{support:?}");
            }
            // The radius of a unit vector is not in its elements.
            if is_unit_vector(&support) {
                continue;
            }
            for (found, expected) in back.iter().zip(&u) {
                assert!(
                    (found - expected).abs() < 1e-10,
                    "{support:?}: {back:?} is not {u:?}"
                );
            }
        }
    }
}

/// Which elements the measure of a support is of; all if none are named.
fn measured(support: &Support, element: usize) -> bool {
    use Structure::*;
    let Support::Structured { structure, size } = support else {
        return true;
    };
    let (row, column) = (element / size, element % size);
    match structure {
        Simplex => element != 0,
        Correlation | CholeskyCorrelation => column < row,
        Covariance | CholeskyCovariance => column <= row,
        _ => true,
    }
}

/// Half the log determinant of JᵀJ, which is log |det J| for a square J: of the elements that are measured, and for
/// a unit vector of its radius.
#[test]
fn jacobians_are_those_of_differences() {
    for support in supports() {
        let rows = 3;
        let model = model(&support, rows, None);
        let u = position(model.layout().dimension);
        let outputs = model.outputs().0;
        let (size, free) = (support.size(), support.free());
        let image = |u: &[f64]| -> Vec<f64> {
            let x = run(&outputs, u, &[]).output;
            let kept = x.iter().enumerate();
            let mut image: Vec<f64> = kept
                .filter(|(k, _)| *k == 0 || measured(&support, (k - 1) % size))
                .map(|(_, x)| *x)
                .collect();
            if is_unit_vector(&support) && size > 0 {
                image.extend(u[1..].chunks(size).map(radius));
            }
            image
        };
        let h = 1e-3;
        let columns: Vec<Vec<f64>> = (0..u.len())
            .map(|k| {
                let at = |shift: f64| {
                    let mut moved = u.clone();
                    moved[k] += shift;
                    image(&moved)
                };
                let (a, b, c, d) = (at(h), at(-h), at(2.0 * h), at(-2.0 * h));
                (0..a.len())
                    .map(|i| (8.0 * (a[i] - b[i]) - (c[i] - d[i])) / (12.0 * h))
                    .collect()
            })
            .collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let gram: Vec<Vec<f64>> = columns
            .iter()
            .map(|a| columns.iter().map(|b| dot(a, b)).collect())
            .collect();
        let mut expected = 0.5 * log_determinant(gram);
        if is_unit_vector(&support) && free > 0 {
            expected += u[1..]
                .chunks(size)
                .map(|u| log_chi(radius(u), size))
                .sum::<f64>();
        }
        let found = run(&model.density(), &u, &[]).parts.jacobian;
        assert!(
            (found - expected).abs() < 1e-7,
            "{support:?}: {found} is not {expected}"
        );
        model.assert_gradient(&u);
    }
}

fn radius(u: &[f64]) -> f64 {
    u.iter().map(|u| u * u).sum::<f64>().sqrt()
}

/// The log density of the length of `size` standard normal numbers, Γ by its recursion.
fn log_chi(r: f64, size: usize) -> f64 {
    let half = size as f64 / 2.0;
    let first = if size.is_multiple_of(2) { 1.0 } else { 0.5 };
    let mut log_gamma = if size.is_multiple_of(2) {
        0.0
    } else {
        0.5 * std::f64::consts::PI.ln()
    };
    let mut at = first;
    while at < half {
        log_gamma += at.ln();
        at += 1.0;
    }
    (size as f64 - 1.0) * r.ln() - 0.5 * r * r - (half - 1.0) * 2f64.ln() - log_gamma
}

/// log |det| by elimination with pivots.
fn log_determinant(mut rows: Vec<Vec<f64>>) -> f64 {
    let mut total = 0.0;
    while let Some(width) = rows.first().map(Vec::len) {
        assert_eq!(width, rows.len(), "a square matrix");
        let pivot = (0..rows.len())
            .max_by(|&a, &b| rows[a][0].abs().total_cmp(&rows[b][0].abs()))
            .expect("a row");
        let pivot = rows.swap_remove(pivot);
        total += pivot[0].abs().ln();
        for row in &mut rows {
            let factor = row[0] / pivot[0];
            *row = (1..width).map(|j| row[j] - factor * pivot[j]).collect();
        }
    }
    total
}

#[test]
fn values_lie_in_their_support() {
    for support in supports() {
        let model = model(&support, 3, None);
        let size = support.size();
        for scale in [1.0, 3.0] {
            let u: Vec<f64> = position(model.layout().dimension)
                .iter()
                .map(|u| u * scale)
                .collect();
            let x = run(&model.outputs().0, &u, &[]).output;
            for vector in x[1..].chunks(size.max(1)) {
                match &support {
                    Support::Structured { structure, size } => {
                        assert_eq!(structure.violation(*size, vector), None, "{vector:?}");
                    }
                    Support::Ordered { .. } => assert!(vector.is_sorted(), "{vector:?}"),
                    _ => {}
                }
                let (lower, upper) = match &support {
                    Support::Interval { lower, upper, .. }
                    | Support::Ordered { lower, upper, .. }
                    | Support::Array { lower, upper, .. } => (lower, upper),
                    Support::Structured { .. } => continue,
                };
                let low = lower.as_ref().and_then(Scalar::as_number);
                let high = upper.as_ref().and_then(Scalar::as_number);
                assert!(
                    vector
                        .iter()
                        .all(|&x| x >= low.unwrap_or(f64::NEG_INFINITY))
                );
                assert!(vector.iter().all(|&x| x <= high.unwrap_or(f64::INFINITY)));
            }
        }
    }
}

/// At the ends of the range nothing is NaN, and gradients are finite where the density is.
#[test]
fn extreme_coordinates_give_numbers() {
    use Structure::*;
    for support in supports() {
        let model = model(&support, 2, None);
        let (density, outputs) = (model.density(), model.outputs().0);
        let gradient = crate::gradient::differentiate(&density);
        let furthest = match support {
            // Squares of exponentials.
            Support::Structured {
                structure: Covariance,
                ..
            } => 300.0,
            _ => 700.0,
        };
        let dimension = model.layout().dimension;
        for size in [furthest, 100.0, 18.0, 1e-300] {
            for signs in 0..4 {
                let sign = |k: usize| {
                    if ((k >> (signs / 2)) + signs).is_multiple_of(2) {
                        1.0
                    } else {
                        -1.0
                    }
                };
                let u: Vec<f64> = (0..dimension).map(|k| size * sign(k)).collect();
                let what = format!("{support:?} at {u:?}");
                let x = run(&outputs, &u, &[]).output;
                let jacobian = run(&density, &u, &[]).parts.jacobian;
                assert!(!jacobian.is_nan(), "{what}");
                let tiny = is_unit_vector(&support) && size == 1e-300;
                assert!(tiny || x.iter().all(|x| !x.is_nan()), "{what}: {x:?}");
                let slope = run(&gradient, &u, &[]).gradient;
                let is_finite = x.iter().all(|x| x.is_finite()) && jacobian.is_finite();
                assert!(
                    tiny || !is_finite || slope.iter().all(|g| g.is_finite()),
                    "{what}: {slope:?}"
                );
            }
        }
    }
}

/// Bounds in data, some of them infinite: each element is as if its own bounds were numbers of the program.
#[test]
fn bounds_may_be_infinite_when_the_program_runs() {
    let infinity = f64::INFINITY;
    let lower = [-infinity, -infinity, -1.5, -1.5, -infinity, 0.5];
    let upper = [infinity, 2.5, infinity, 2.5, infinity, infinity];
    let build = |support: &dyn Fn(&mut Model, &Scalar) -> Support| {
        let mut model = Model::default();
        let x = model.array("x", &[6], INFERRED);
        let (i, rows) = model.index(6);
        let support = support(&mut model, &i);
        let random = model.random(
            x,
            std::slice::from_ref(&i),
            support,
            Scalar::real(0.0),
            None,
        );
        let value = op(Operation::Sine, [get(x, &[i])]);
        let term = Statement::Term(Box::new(model.term(value)));
        model.push(each(rows, vec![random, term]));
        model
    };
    let found = build(&|model, i| {
        let (low, high) = (model.data("low", &lower), model.data("high", &upper));
        Support::Interval {
            lower: Some(get(low, std::slice::from_ref(i))),
            upper: Some(get(high, std::slice::from_ref(i))),
            int: false,
        }
    });
    let density = found.density();
    for u in [
        [0.3, -0.2, 0.9, -1.1, 0.4, 0.7],
        [900.0, -300.0, -700.0, 30.0, -1e300, -650.0],
    ] {
        let x = run(&found.outputs().0, &u, &[]).output;
        let outcome = run(&density, &u, &[]);
        let mut jacobian = 0.0;
        for k in 0..6 {
            let bound = |bound: f64| Some(bound).filter(|bound| bound.is_finite());
            let one = model(&interval(bound(lower[k]), bound(upper[k])), 1, None);
            let alone = run(&one.outputs().0, &[0.0, u[k]], &[]).output[1];
            assert_eq!(x[k], alone, "element {k}");
            jacobian += run(&one.density(), &[0.0, u[k]], &[]).parts.jacobian;
        }
        assert_near(outcome.parts.jacobian, jacobian, 1e-14);
        let gradient = run(&crate::gradient::differentiate(&density), &u, &[]).gradient;
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    }
    let u = [0.3, -0.2, 0.9, -1.1, 0.4, 0.7];
    found.assert_gradient(&u);
    let x = run(&found.outputs().0, &u, &[]).output;
    let back = run(&found.unconstrain(), &[], &x).output;
    back.iter()
        .zip(&u)
        .for_each(|(&found, &expected)| assert_near(found, expected, 1e-12));
}

#[test]
fn a_bound_may_be_unknown() {
    use Operation::*;
    let mut model = Model::default();
    let (a, b) = (model.unknown("a"), model.unknown("b"));
    let x = model.array("x", &[12], INFERRED);
    let (i, rows) = model.index(12);
    let support = Support::Interval {
        lower: Some(a.clone()),
        upper: Some(op(Add, [a.clone(), op(Exponential, [b.clone()])])),
        int: false,
    };
    let density = op(Negate, [b]);
    let random = model.random(x, &[i], support, density, None);
    model.push(each(rows, vec![random]));
    let u = position(14);
    model.assert_gradient(&u);
    let x = run(&model.outputs().0, &u, &[]).output;
    let back = run(&model.unconstrain(), &[], &x).output;
    back.iter()
        .zip(&u)
        .for_each(|(&found, &expected)| assert_near(found, expected, 1e-10));
}

fn draw(draw: Draw) -> Scalar {
    Scalar(std::rc::Rc::new(crate::data::loops::Node::Draw {
        draw,
        arguments: Vec::new(),
    }))
}

#[test]
fn starts_without_a_sampler_are_within_two_of_zero() {
    for support in supports() {
        let model = model(&support, 3, None);
        for seed in 0..5 {
            let u = run_at(&model.start(), &[], &[], 1.0, seed).output;
            assert_eq!(u.len(), model.layout().dimension);
            assert!(u.iter().all(|u| u.abs() <= 2.0), "{support:?}: {u:?}");
        }
    }
}

#[test]
fn starts_are_the_coordinates_of_what_was_drawn() {
    // Distinct in every row, not in order, and inside all the bounds.
    let value = |at: &[Scalar]| {
        let (i, k) = (at[0].clone(), at[1].clone());
        let real = |x| op(Operation::IntToReal, [x]);
        let angle = op(
            Operation::Add,
            [
                op(Operation::Multiply, [real(i), Scalar::real(1.9)]),
                op(Operation::Multiply, [real(k), Scalar::real(2.3)]),
            ],
        );
        op(Operation::Sine, [angle])
    };
    let is_plain = |support: &Support| {
        !matches!(support, Support::Structured { .. }) && support.shape().len() < 2
    };
    for support in supports().into_iter().filter(is_plain) {
        let model = model(&support, 3, Some(&value));
        let u = run(&model.start(), &[], &[]).output;
        let x = run(&model.outputs().0, &u, &[]).output;
        let size = support.size();
        let is_scalar = matches!(support, Support::Interval { .. });
        let mut expected = Vec::new();
        for i in 1..=3 {
            let mut row: Vec<f64> = (1..=size)
                .map(|k| {
                    (1.9 * f64::from(i) + 2.3 * if is_scalar { f64::from(i) } else { k as f64 })
                        .sin()
                })
                .collect();
            if matches!(support, Support::Ordered { .. }) {
                row.sort_by(f64::total_cmp);
            }
            expected.extend(row);
        }
        for (&found, expected) in x[1..].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-10, "{support:?}: {x:?}");
        }
    }
}

#[test]
fn a_drawn_simplex_comes_back() {
    let value = |at: &[Scalar]| {
        let k = op(Operation::IntToReal, [at[1].clone()]);
        op(Operation::Divide, [k, Scalar::real(10.0)])
    };
    let support = Support::Structured {
        structure: Structure::Simplex,
        size: 4,
    };
    let model = model(&support, 3, Some(&value));
    let u = run(&model.start(), &[], &[]).output;
    let x = run(&model.outputs().0, &u, &[]).output;
    for vector in x[1..].chunks(4) {
        for (k, &x) in vector.iter().enumerate() {
            assert_near(x, (k as f64 + 1.0) / 10.0, 1e-12);
        }
    }
}

#[test]
fn starts_on_the_edge_are_finite() {
    // The bounds themselves, ties, zeros, and a draw that rounding has put outside.
    for edge in [-1.5, 2.5, 0.0, 2.5 + 1e-15, -1.5 - 1e-15] {
        for support in supports() {
            let model = model(&support, 3, Some(&|_: &[Scalar]| Scalar::real(edge)));
            let u = run(&model.start(), &[], &[]).output;
            assert!(u.iter().all(|u| u.is_finite()), "{support:?} {edge}: {u:?}");
        }
    }
}

#[test]
fn random_starts_are_finite() {
    for support in supports() {
        let value = |_: &[Scalar]| draw(Draw::Uniform);
        let model = model(&support, 9, Some(&value));
        for seed in 0..5 {
            let u = run_at(&model.start(), &[], &[], 1.0, seed).output;
            assert!(u.iter().all(|u| u.is_finite()), "{support:?}: {u:?}");
        }
    }
}

#[test]
fn simulated_ordered_vectors_are_increasing() {
    let mut model = Model::default();
    model.unknown("mu");
    let x = model.array("x", &[2, 5], SIMULATED);
    let (i, rows) = model.index(2);
    let (k, elements) = model.index(5);
    let sample = vec![each(
        elements,
        vec![store(x, &[i.clone(), k], draw(Draw::Normal))],
    )];
    let support = ordered(5, None, None);
    let random: Statement = model.random(x, &[i], support, Scalar::real(0.0), Some(sample));
    model.push(each(rows, vec![random]));
    let output = run(&model.outputs().0, &[0.0], &[]).output;
    for vector in output[1..].chunks(5) {
        assert!(vector.is_sorted(), "{vector:?}");
    }
}
