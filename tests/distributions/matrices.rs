//! Laws of matrices and of vectors on surfaces: along directions their draws have laws of numbers, and their densities
//! integrate to one over unconstrained space.

use crate::draws::{check_continuous, simulated, starts};
use crate::laws::{Case, Complaints, cases, model};
use crate::mean_and_factor;
use crate::numeric::Evaluation;

/// A direction: its elements differ in size and sign.
fn direction(size: usize) -> Vec<f64> {
    [1.0, -0.5, 0.75][..size].to_vec()
}

fn matrix(value: &serde_json::Value) -> Vec<Vec<f64>> {
    let row = |row: &serde_json::Value| -> Vec<f64> {
        let numbers = row.as_array().expect("a row").iter();
        numbers.map(|v| v.as_f64().expect("a number")).collect()
    };
    value.as_array().expect("rows").iter().map(row).collect()
}

/// c' M c
fn quadratic(c: &[f64], m: impl Fn(usize, usize) -> f64) -> f64 {
    let pairs = (0..c.len()).flat_map(|i| (0..c.len()).map(move |j| (i, j)));
    pairs.map(|(i, j)| c[i] * m(i, j) * c[j]).sum()
}

/// The number that a draw has in a direction, given its elements by index, and the law of that number.
type Along = (Box<dyn Fn(&dyn Fn(usize, usize) -> f64) -> f64>, String);

fn along(case: &Case) -> Option<(usize, Along)> {
    let number = |k: usize| case.arguments[k].as_f64().expect("a number");
    Some(match case.head.law.as_str() {
        // One correlation.
        "lkj_corr" | "lkj_cholesky" => {
            let (size, is_factor) = (number(0) as usize, case.head.law == "lkj_cholesky");
            let b = number(1) + 0.5 * size as f64 - 1.0;
            let own = move |x: &dyn Fn(usize, usize) -> f64| {
                let (i, j) = (size - 1, size - 2);
                let correlation = match is_factor {
                    true => (0..size).map(|k| x(i, k) * x(j, k)).sum(),
                    false => x(i, j),
                };
                0.5 + 0.5 * correlation
            };
            (size, (Box::new(own), format!("beta({b:?}, {b:?})")))
        }
        "wishart" | "inv_wishart" => {
            let scale = matrix(&case.arguments[1]);
            let c = direction(scale.len());
            let (size, spread) = (scale.len(), quadratic(&c, |i, j| scale[i][j]));
            let df = number(0);
            let law = match case.head.law.as_str() {
                "wishart" => format!("gamma(shape={:?}, rate={:?})", 0.5 * df, 0.5 / spread),
                _ => {
                    let shape = 0.5 * (df - size as f64 + 1.0);
                    format!("inv_gamma(shape={shape:?}, scale={:?})", 0.5 * spread)
                }
            };
            (size, (Box::new(move |x| quadratic(&c, x)), law))
        }
        "zero_sum_normal" => {
            let size = number(0) as usize;
            let c = direction(size);
            let mean = c.iter().sum::<f64>() / size as f64;
            let sd = number(1) * c.iter().map(|c| (c - mean).powi(2)).sum::<f64>().sqrt();
            let own =
                move |x: &dyn Fn(usize, usize) -> f64| (0..size).map(|k| c[k] * x(k, 0)).sum();
            (size, (Box::new(own), format!("normal(0, {sd:?})")))
        }
        "multi_student_t" => {
            // As a normal law of this scale matrix.
            let mut head = case.head.clone();
            head.law = "multi_normal".to_owned();
            head.parameters.remove(0);
            let inner = Case {
                head,
                call: String::new(),
                arguments: case.arguments[1..].to_vec(),
                rows: Vec::new(),
            };
            let (loc, factor) = mean_and_factor(&inner)?;
            let (size, c) = (loc.len(), direction(loc.len()));
            let centre: f64 = c.iter().zip(&loc).map(|(c, m)| c * m).sum();
            let column = |k: usize| (0..size).map(|i| c[i] * factor[i][k]).sum::<f64>();
            let scale = (0..size).map(|k| column(k).powi(2)).sum::<f64>().sqrt();
            let law = format!("student_t({:?}, {centre:?}, {scale:?})", number(0));
            let own =
                move |x: &dyn Fn(usize, usize) -> f64| (0..size).map(|k| c[k] * x(k, 0)).sum();
            (size, (Box::new(own), law))
        }
        _ => return None,
    })
}

#[test]
fn draws_have_the_laws_of_their_directions() {
    let mut complaints = Complaints::default();
    let mut checked = 0;
    for case in cases() {
        let Some((size, (number, law))) = along(&case) else {
            continue;
        };
        let (Some(simulated), Some(starts)) = (
            simulated(&mut complaints, &case),
            starts(&mut complaints, &case),
        ) else {
            continue;
        };
        let is_matrix = case.head.matrix().is_some();
        for (what, draws, name) in [
            ("known", &simulated, "x"),
            ("unknown", &simulated, "y"),
            ("start", &starts, "x"),
        ] {
            let columns: Vec<Vec<Vec<f64>>> = (1..=size)
                .map(|i| {
                    let names = (1..=if is_matrix { size } else { 1 }).map(|j| match is_matrix {
                        true => format!("{name}[{i}, {j}]"),
                        false => format!("{name}[{i}]"),
                    });
                    names.map(|name| draws.column(&name)).collect()
                })
                .collect();
            let count = columns[0][0].len();
            let values: Vec<f64> = (0..count)
                .map(|draw| number(&|i, j| columns[i][j][draw]))
                .collect();
            let what = format!("{} {what} as {law}", case.call);
            check_continuous(&mut complaints, &what, &law, &values);
        }
        checked += 1;
    }
    assert!(checked > 15, "{checked}");
}

/// ∫ over unconstrained space by the trapezoidal rule, which is exact for smooth densities that fall off.
#[test]
fn densities_of_matrices_integrate_to_one() {
    for (call, step, half) in [
        ("lkj_corr(2, 1.5)", 0.25, 80),
        ("lkj_cholesky(2, 0.7)", 0.25, 80),
        ("lkj_corr(3, 1.5)", 0.4, 25),
        ("lkj_cholesky(3, 2.0)", 0.4, 25),
        ("wishart(4.5, scale=[[0.5]])", 0.25, 80),
        ("inv_wishart(3.5, scale=[[2.0]])", 0.25, 80),
        (
            "wishart(9.0, scale=[[0.125, 0.0625], [0.0625, 0.25]])",
            0.25,
            32,
        ),
        ("inv_wishart(9.0, scale=[[6.0, 1.0], [1.0, 8.0]])", 0.25, 32),
        ("zero_sum_normal(2, 1.0)", 0.25, 40),
        ("zero_sum_normal(3, 0.5)", 0.125, 40),
    ] {
        let first = if call.starts_with("zero") {
            "x[1]"
        } else {
            "x[1, 1]"
        };
        let model = model(&format!("x ~ {call}\nfactor 0.0 * {first}\n"), "{}");
        let mut evaluation = Evaluation::of(&model);
        let dimension = evaluation.start(0).len();
        let mut steps = vec![-half; dimension];
        let mut sum = 0.0;
        loop {
            let position: Vec<f64> = steps.iter().map(|&k| f64::from(k) * step).collect();
            sum += evaluation.prior(&position).exp();
            let Some(next) = steps.iter().position(|&k| k < half) else {
                break;
            };
            steps[next] += 1;
            steps[..next].fill(-half);
        }
        let mass = sum * f64::powi(step, dimension as i32);
        assert!((mass - 1.0).abs() < 1e-4, "{call}: {mass}");
    }
}
