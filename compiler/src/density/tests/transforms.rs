//! Every bijection: its inverse undoes it, its Jacobian is that of finite differences, and starts have coordinates
//! even where a draw lies on the edge of its support.

use super::model::*;
use crate::data::loops::{Scalar, Statement, Support};
use crate::math::primitive::{Draw, Operation};

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

const BOUNDS: [(Option<f64>, Option<f64>); 4] = [
    (None, None),
    (Some(-1.5), None),
    (None, Some(2.5)),
    (Some(-1.5), Some(2.5)),
];

fn supports() -> Vec<Support> {
    let mut supports = vec![Support::Vector(3)];
    for (lower, upper) in BOUNDS {
        supports.push(interval(lower, upper));
        supports.extend((1..=4).map(|size| ordered(size, lower, upper)));
    }
    supports.extend((1..=4).map(Support::Simplex));
    supports.push(interval(Some(f64::NEG_INFINITY), Some(f64::INFINITY)));
    supports.push(interval(Some(f64::NEG_INFINITY), Some(2.5)));
    supports.push(interval(Some(-1.5), Some(f64::INFINITY)));
    supports
}

/// `rows` vectors (or numbers) on a support, behind another unknown, so that no offset is zero.
/// What an element is drawn as, given its indices.
type Sampler<'a> = &'a dyn Fn(&[Scalar]) -> Scalar;

fn model(support: &Support, rows: usize, sample: Option<Sampler>) -> Model {
    let mut model = Model::default();
    model.unknown("first");
    let size = support.size();
    let is_scalar = matches!(support, Support::Interval { .. });
    let shape = if is_scalar {
        vec![rows]
    } else {
        vec![rows, size]
    };
    let x = model.array("x", &shape, INFERRED);
    let (i, rows) = model.index(rows as i64);
    let (k, elements) = model.index(size as i64);
    let sample = sample.map(|value| {
        if is_scalar {
            vec![store(
                x,
                std::slice::from_ref(&i),
                value(&[i.clone(), i.clone()]),
            )]
        } else {
            let at = [i.clone(), k];
            vec![each(elements, vec![store(x, &at, value(&at))])]
        }
    });
    let random = model.random(x, &[i], support.clone(), Scalar::real(0.0), sample);
    model.push(each(rows, vec![random]));
    model
}

fn position(length: usize) -> Vec<f64> {
    (0..length)
        .map(|k| 1.3 * (1.7 * k as f64 + 0.4).sin())
        .collect()
}

#[test]
fn the_inverse_undoes_every_transform() {
    for support in supports() {
        for rows in [1, 3] {
            let model = model(&support, rows, None);
            let u = position(model.layout().dimension);
            let x = run(&model.outputs().0, &u, &[]).output;
            let back = run(&model.unconstrain(), &[], &x).output;
            assert_eq!(back.len(), u.len());
            for (found, expected) in back.iter().zip(&u) {
                assert!(
                    (found - expected).abs() < 1e-10,
                    "{support:?}: {back:?} is not {u:?}"
                );
            }
        }
    }
}

#[test]
fn jacobians_are_those_of_differences() {
    for support in supports() {
        let model = model(&support, 3, None);
        let u = position(model.layout().dimension);
        let outputs = model.outputs().0;
        let free = |x: Vec<f64>| -> Vec<f64> {
            let is_simplex = matches!(support, Support::Simplex(_));
            let last = support.size();
            let kept = x.into_iter().enumerate();
            kept.filter(|(k, _)| !is_simplex || *k == 0 || !k.is_multiple_of(last))
                .map(|(_, x)| x)
                .collect()
        };
        let h = 1e-3;
        let columns: Vec<Vec<f64>> = (0..u.len())
            .map(|k| {
                let at = |shift: f64| {
                    let mut moved = u.clone();
                    moved[k] += shift;
                    free(run(&outputs, &moved, &[]).output)
                };
                let (a, b, c, d) = (at(h), at(-h), at(2.0 * h), at(-2.0 * h));
                (0..a.len())
                    .map(|i| (8.0 * (a[i] - b[i]) - (c[i] - d[i])) / (12.0 * h))
                    .collect()
            })
            .collect();
        let expected = log_determinant(columns);
        let found = run(&model.density(), &u, &[]).parts.jacobian;
        assert!(
            (found - expected).abs() < 1e-8,
            "{support:?}: {found} is not {expected}"
        );
        model.assert_gradient(&u);
    }
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
        for scale in [1.0, 6.0] {
            let u: Vec<f64> = position(model.layout().dimension)
                .iter()
                .map(|u| u * scale)
                .collect();
            let x = run(&model.outputs().0, &u, &[]).output;
            for vector in x[1..].chunks(size) {
                match &support {
                    Support::Simplex(_) => {
                        assert_near(vector.iter().sum(), 1.0, 1e-12);
                        assert!(vector.iter().all(|&x| x > 0.0));
                    }
                    Support::Ordered { .. } => assert!(vector.is_sorted(), "{vector:?}"),
                    _ => {}
                }
                let (lower, upper) = match &support {
                    Support::Interval { lower, upper, .. }
                    | Support::Ordered { lower, upper, .. } => (lower, upper),
                    _ => continue,
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
    for support in supports() {
        if matches!(support, Support::Simplex(_)) {
            continue;
        }
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
    let model = model(&Support::Simplex(4), 3, Some(&value));
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
