//! The edges: bounds of supports, parameters at and beyond their limits, very large and very small numbers, arrays of
//! no and of one element.

use crate::laws::{Case, Complaints, attempt, cases, compile, first_line, model};
use crate::numeric::Evaluation;
use crate::{asked, asked_with, reports};
use likelier::{Dataset, Error};

/// The first two calls of each head, which is enough for what does not depend on the numbers.
fn few() -> Vec<Case> {
    let mut seen: Vec<(String, usize)> = Vec::new();
    cases()
        .into_iter()
        .filter(|case| {
            let key = format!(
                "{} {:?}",
                case.head.law,
                case.head
                    .parameters
                    .iter()
                    .map(|p| &p.name)
                    .collect::<Vec<_>>()
            );
            match seen.iter_mut().find(|(known, _)| *known == key) {
                Some((_, count)) => {
                    *count += 1;
                    *count <= 2
                }
                None => {
                    seen.push((key, 1));
                    true
                }
            }
        })
        .collect()
}

/// Values that a type does not allow, and those it just does.
fn limits(declared: &str) -> (&'static [f64], &'static [f64]) {
    match declared.split('[').next().expect("a type") {
        "positive" => (&[0.0, -1.0, -1e-300, -1e300], &[1e-300, 1e-8, 1e8, 1e300]),
        "nonnegative" => (&[-1.0, -1e-300], &[0.0, 1e-300, 1e300]),
        "unit" => (
            &[-1e-10, 1.0 + 1e-10, 2.0, -5.0],
            &[0.0, 1.0, 1e-300, 1.0 - 1e-16],
        ),
        "real" => (&[], &[0.0, 1e-300, 1e300, -1e300]),
        "simplex" => (&[-0.1, 1.1], &[]),
        _ => (&[], &[]),
    }
}

/// A parameter outside its type has no density: −∞ while it is unknown, an error that says so when it is a number.
#[test]
fn parameters_outside_their_types() {
    let mut complaints = Complaints::default();
    let mut checked = 0;
    for case in few().iter().filter(|case| !case.head.is_counts()) {
        let asked = asked(case);
        let Some(model) = asked.model(&mut complaints, &["log_density"]) else {
            continue;
        };
        let mut evaluation = Evaluation::of(&model);
        for (parameter, place) in case.head.parameters.iter().zip(&asked.live.places) {
            let (outside, _) = limits(&parameter.declared);
            for value in outside {
                for (row, position) in case.rows.iter().zip(&asked.positions) {
                    if place.is_empty() {
                        continue;
                    }
                    let mut position = position.clone();
                    position[place.start] = *value;
                    evaluation.density(&position);
                    let found = evaluation.parts.likelihood;
                    let kept = reports(&model, evaluation.outputs(&position, 0));
                    checked += 1;
                    if found != f64::NEG_INFINITY || kept[0] != f64::NEG_INFINITY {
                        let what =
                            format!("{} with {} {value} at {}", case.call, parameter.name, row.x);
                        complaints.say(format!("{what}: {found}, report {}", kept[0]));
                    }
                }
            }
        }
    }
    assert!(checked > 500, "{checked}");
}

/// Parameters that are allowed, however extreme, never give NaN, nor do points, and probabilities stay in [0, 1].
#[test]
fn extreme_numbers_are_never_nan() {
    let mut complaints = Complaints::default();
    for case in few().iter().filter(|case| !case.head.is_counts()) {
        let asked = if case.head.is_int() {
            asked(case)
        } else {
            asked_with(case, case.live())
        };
        let known = ["log_density", "cdf", "log_cdf", "log_ccdf"];
        let methods: Vec<&str> = known
            .into_iter()
            .filter(|method| {
                case.head.has(method) && (!case.head.is_int() || *method == "log_density")
            })
            .collect();
        let Some(model) = asked.model(&mut complaints, &methods) else {
            continue;
        };
        let mut evaluation = Evaluation::of(&model);
        let mut check = |what: &dyn Fn() -> String, position: &[f64]| {
            let kept = reports(&model, evaluation.outputs(position, 0));
            for (method, value) in methods.iter().zip(&kept) {
                let is_right = match *method {
                    "cdf" => (0.0..=1.0).contains(value),
                    "log_density" => !value.is_nan(),
                    _ => *value <= 0.0,
                };
                if !is_right {
                    complaints.say(format!("{} {method}: {value}", what()));
                }
            }
        };
        for (row, position) in case.rows.iter().zip(&asked.positions) {
            for (parameter, place) in case.head.parameters.iter().zip(&asked.live.places) {
                for value in limits(&parameter.declared).1 {
                    // A uniform law without width is none, nor a triangular one whose mode lies outside.
                    let no_width = case.head.law == "uniform"
                        && case.arguments.iter().any(|v| v.as_f64() == Some(*value))
                        || case.head.law == "triangular";
                    if place.is_empty() || no_width {
                        continue;
                    }
                    let mut position = position.clone();
                    position[place.start] = *value;
                    check(
                        &|| {
                            format!(
                                "{} with {} {value:e} at {}",
                                case.call, parameter.name, row.x
                            )
                        },
                        &position,
                    );
                }
            }
            if case.head.is_continuous_scalar() {
                for x in [0.0, 1e-300, -1e-300, 1e300, -1e300, 1.0, -1.0, 1e16] {
                    let mut position = position.clone();
                    *position.last_mut().expect("the point") = x;
                    check(&|| format!("{} at {x:e}", case.call), &position);
                }
            }
        }
    }
}

/// A prior has no coordinate for a value on the edge of its support, and says so.
#[test]
fn points_on_the_edge_of_a_prior_are_refused() {
    let mut checked = 0;
    for case in few().iter().filter(|case| case.head.is_continuous_scalar()) {
        let mut edges = case.edges();
        if let [lower, rest @ ..] = &case.edges()[..] {
            edges.push(lower - 1.0);
            edges.extend(rest.iter().map(|upper| upper + 0.5));
        }
        let mut complaints = Complaints::default();
        let Some(model) = attempt(
            &mut complaints,
            &format!("x ~ {}\nfactor 0.0 * x\n", case.call),
            "{}",
        ) else {
            continue;
        };
        for edge in edges {
            let point =
                Dataset::from_json("at.json", &format!("{{\"x\": {edge:?}}}")).expect("a point");
            match model.density_at(&point) {
                Err(Error::Point(complaints)) => {
                    assert!(complaints[0].contains("not inside its support"))
                }
                Err(error) => panic!("{} at {edge}: {error}", case.call),
                Ok(density) => panic!("{} at {edge}: {density:?}", case.call),
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn arrays_of_no_elements() {
    let mut complaints = Complaints::default();
    let alone = model("m ~ normal(0, 1)\nz ~ normal(m, 1)\n", r#"{"z": 0.5}"#)
        .compiled
        .density_at(&[0.2]);
    for case in few() {
        let live = case.live();
        let mut check = |text: &str, data: &str, values: &[f64]| match compile(text, data) {
            Ok(model) => {
                let mut position = values.to_vec();
                position.push(0.2);
                let found = model.compiled.density_at(&position);
                if found.prior != alone.prior || found.likelihood != alone.likelihood {
                    complaints.say(format!("{text}{data}: {found:?}"));
                }
                let mut evaluation = Evaluation::of(&model);
                evaluation.outputs(&found.unconstrained, 0);
                evaluation.start(0);
            }
            Err(error) => complaints.say(format!("{text}{data}: {}", first_line(&error))),
        };
        let rest = "m ~ normal(0, 1)\nz ~ normal(m, 1)\n";
        // In the data, with known and unknown parameters.
        let empty = r#"{"x": [], "z": 0.5}"#;
        check(&format!("x[1..N] ~ {}\n{rest}", case.call), empty, &[]);
        check(
            &format!("{}x[1..N] ~ {}\n{rest}", live.declarations, live.call),
            empty,
            &live.values,
        );
        check(&format!("x[i in 1..N] ~ {}\n{rest}", case.call), empty, &[]);
        // Simulated, and unknown.
        let size = r#"{"N": 0, "z": 0.5}"#;
        check(
            &format!("given N: int\nx[1..N] ~ {}\n{rest}", case.call),
            size,
            &[],
        );
        if case.head.is_continuous_scalar() {
            check(
                &format!(
                    "given N: int\nx[1..N] ~ {}\n{rest}factor sum(x)\n",
                    case.call
                ),
                size,
                &[],
            );
            check(
                &format!(
                    "given N: int\nx[1..N] ~ {} ordered\n{rest}factor sum(x)\n",
                    case.call
                ),
                size,
                &[],
            );
        }
    }
}

#[test]
fn arrays_of_one_element() {
    let mut complaints = Complaints::default();
    for case in few() {
        let live = case.live();
        for row in case
            .rows
            .iter()
            .filter(|row| row.log_density.is_finite())
            .take(2)
        {
            let data = format!("{{\"x\": [{}]}}", row.x);
            for (text, values) in [
                (format!("x[1..N] ~ {}\n", case.call), &[][..]),
                (format!("x[i in 1..N] ~ {}\n", case.call), &[][..]),
                (
                    format!("{}x[1..N] ~ {}\n", live.declarations, live.call),
                    &live.values[..],
                ),
            ] {
                match compile(&text, &data) {
                    Ok(model) => {
                        let found = model.compiled.density_at(values).log_density;
                        complaints.close(&format!("{text}{data}"), found, row.log_density, 1e-9);
                    }
                    Err(error) => complaints.say(format!("{text}{data}: {}", first_line(&error))),
                }
            }
            if case.head.is_continuous_scalar() {
                for ordered in ["", " ordered"] {
                    let text = format!("x[1..1] ~ {}{ordered}\nfactor 0.0 * x[1]\n", case.call);
                    let Some(model) = attempt(&mut complaints, &text, "{}") else {
                        continue;
                    };
                    let density = model.compiled.density_at(&row.numbers());
                    if density.unconstrained[0].is_finite() {
                        complaints.close(&text, density.prior, row.log_density, 1e-9);
                    }
                }
            }
        }
    }
}

/// Several elements are the sum of each, in loops too long to be written out.
#[test]
fn arrays_of_many_elements_are_sums() {
    let mut complaints = Complaints::default();
    for case in cases() {
        let live = case.live();
        let rows: Vec<_> = case
            .rows
            .iter()
            .filter(|row| row.log_density.is_finite())
            .collect();
        if rows.is_empty() {
            continue;
        }
        let count = 23;
        let points: Vec<String> = (0..count)
            .map(|i| rows[i % rows.len()].x.to_string())
            .collect();
        let expected: f64 = (0..count).map(|i| rows[i % rows.len()].log_density).sum();
        let size: f64 = (0..count)
            .map(|i| rows[i % rows.len()].log_density.abs())
            .sum();
        let data = format!("{{\"x\": [{}]}}", points.join(", "));
        for (text, values) in [
            (format!("x[1..N] ~ {}\n", case.call), &[][..]),
            (
                format!("{}x[1..N] ~ {}\n", live.declarations, live.call),
                &live.values[..],
            ),
        ] {
            match compile(&text, &data) {
                Ok(model) => {
                    let found = model.compiled.density_at(values).log_density;
                    if !((found - expected).abs() <= 1e-9 * size.max(1.0)) {
                        complaints.say(format!("{text}{data}: {found}, not {expected}"));
                    }
                }
                Err(error) => complaints.say(format!("{text}{data}: {}", first_line(&error))),
            }
        }
    }
}
