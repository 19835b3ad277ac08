//! Laws of vectors of counts with a known sum: they are asked with data only, so that their masses can be counted up over
//! all vectors, their gradients differenced in their parameters, and their draws compared with the masses.

use crate::draws::simulated;
use crate::laws::{Case, Complaints, attempt, cases};
use crate::numeric::{DEVIATE_LIMIT, Evaluation, chi_square, derivative};

fn of_counts() -> impl Iterator<Item = Case> {
    cases().into_iter().filter(|case| case.head.is_counts())
}

/// All vectors of `size` counts with sum `n`.
fn vectors(n: i64, size: usize) -> Vec<Vec<i64>> {
    match size {
        0 => Vec::new(),
        1 => vec![vec![n]],
        _ => (0..=n)
            .flat_map(|first| {
                vectors(n - first, size - 1).into_iter().map(move |rest| {
                    let mut vector = vec![first];
                    vector.extend(rest);
                    vector
                })
            })
            .collect(),
    }
}

fn support(case: &Case) -> Vec<Vec<i64>> {
    let n = case.arguments[0].as_i64().expect("the number of trials");
    vectors(n, case.rows[0].numbers().len())
}

/// The masses of all vectors, in the order of [`support`].
fn masses(complaints: &mut Complaints, case: &Case, vectors: &[Vec<i64>]) -> Option<Vec<f64>> {
    let live = case.live();
    let mut text = live.declarations.clone();
    for (i, vector) in vectors.iter().enumerate() {
        text += &format!("report m{i} = {}.log_density({vector:?})\n", live.call);
    }
    text += &format!("factor {}.log_density({:?})\n", live.call, vectors[0]);
    let model = attempt(complaints, &text, "{}")?;
    let mut evaluation = Evaluation::of(&model);
    let kept = crate::reports(&model, evaluation.outputs(&live.values, 0));
    Some(kept.iter().map(|l| l.exp()).collect())
}

#[test]
fn masses_of_vectors_sum_to_one() {
    let mut complaints = Complaints::default();
    let mut checked = 0;
    for case in of_counts() {
        let vectors = support(&case);
        if vectors.len() > 200 {
            continue;
        }
        let Some(masses) = masses(&mut complaints, &case, &vectors) else {
            continue;
        };
        let sum: f64 = masses.iter().sum();
        if !((sum - 1.0).abs() < 1e-9) {
            complaints.say(format!("{} sums to {sum}", case.call));
        }
        checked += 1;
    }
    assert!(checked >= 8, "{checked}");
}

#[test]
fn draws_of_vectors_have_their_distribution() {
    let mut complaints = Complaints::default();
    let mut tested = 0;
    for case in of_counts() {
        let vectors = support(&case);
        if vectors.len() > 200 {
            continue;
        }
        let Some(masses) = masses(&mut complaints, &case, &vectors) else {
            continue;
        };
        let Some(draws) = simulated(&mut complaints, &case) else {
            continue;
        };
        for name in ["x", "y"] {
            let mut counts = vec![0.0; vectors.len()];
            for draw in draws.vectors(name, vectors[0].len()) {
                let is_draw =
                    |vector: &Vec<i64>| vector.iter().zip(&draw).all(|(a, b)| *a as f64 == *b);
                match vectors.iter().position(is_draw) {
                    Some(place) => counts[place] += 1.0,
                    None => complaints.say(format!("{}: drew {draw:?}", case.call)),
                }
            }
            let impossible = counts
                .iter()
                .zip(&masses)
                .any(|(n, p)| *n > 0.0 && *p < 1e-12);
            if impossible {
                complaints.say(format!("{} {name}: drew what cannot be", case.call));
            }
            if let Some(deviate) = chi_square(&counts, &masses) {
                tested += 1;
                if !(deviate < DEVIATE_LIMIT) {
                    complaints.say(format!(
                        "{} {name}: chi-square deviate {deviate}",
                        case.call
                    ));
                }
            }
        }
    }
    assert!(tested >= 12, "{tested}");
}

#[test]
fn gradients_in_parameters_are_those_of_differences() {
    let mut complaints = Complaints::default();
    let mut checked = 0;
    for case in of_counts() {
        let live = case.live();
        for row in case.rows.iter().filter(|row| row.log_density.is_finite()) {
            let text = format!("{}x ~ {}\n", live.declarations, live.call);
            let Some(model) = attempt(&mut complaints, &text, &format!("{{\"x\": {}}}", row.x))
            else {
                continue;
            };
            let mut evaluation = Evaluation::of(&model);
            let found = evaluation.density(&live.values);
            complaints.close(
                &format!("{} at {}", case.call, row.x),
                found,
                row.log_density,
                crate::TOLERANCE,
            );
            let gradient = evaluation.gradient.clone();
            for i in 0..live.values.len() {
                let mut moved = live.values.clone();
                let (difference, error) = derivative(live.values[i], 0.0, |p| {
                    moved[i] = p;
                    evaluation.density(&moved)
                });
                // A share is not to be moved without the others: the condition on their sum has no tolerance for steps.
                if difference.is_nan() {
                    continue;
                }
                checked += 1;
                let size = gradient[i].abs().max(difference.abs());
                if !((gradient[i] - difference).abs() <= 1e-6 * size + 10.0 * error + 1e-9) {
                    complaints.say(format!(
                        "{} at {}, parameter {i}: {:e}, not {difference:e} ± {error:e}",
                        case.call, row.x, gradient[i]
                    ));
                }
            }
        }
    }
    assert!(checked >= 40, "{checked}");
}
