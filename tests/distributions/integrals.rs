//! Every density integrates to one over its support, and every probability sums to one: continuous laws on the
//! unconstrained line with their Jacobian, counts one by one, vectors of two coordinates on a grid.

use likelier::Model;

use crate::laws::{Case, Complaints, Row, attempt, cases};
use crate::numeric::{Evaluation, integral, uphill};
use crate::{TOLERANCE, mean_and_factor, reports};

/// The prior part and Jacobian of `x ~ CALL` on the unconstrained line.
fn prior_model(complaints: &mut Complaints, call: &str, is_vector: bool) -> Option<Model> {
    let first = if is_vector { "x[1]" } else { "x" };
    attempt(
        complaints,
        &format!("x ~ {call}\nfactor 0.0 * {first}\n"),
        "{}",
    )
}

/// ∫ density over the unconstrained line; the table's points tell where the mass is. A kink is put in the centre.
pub fn mass_of(model: &Model, points: &[f64], kink: Option<f64>) -> f64 {
    let mut evaluation = Evaluation::of(model);
    let mut best = (f64::NEG_INFINITY, 0.0);
    for x in points {
        let position = model.compiled.density_at(&[*x]).unconstrained;
        if position[0].is_finite() {
            let here = evaluation.prior(&position);
            if here > best.0 {
                best = (here, position[0]);
            }
        }
    }
    if best.0 == f64::NEG_INFINITY {
        return f64::NAN;
    }
    let peak = uphill(best.1, |u| evaluation.prior(&[u]));
    let width = (-evaluation.prior(&[peak]))
        .exp()
        .min(1e3 * (1.0 + peak.abs()));
    let kink = kink.map(|x| model.compiled.density_at(&[x]).unconstrained[0]);
    let centre = kink.filter(|u| u.is_finite()).unwrap_or(peak);
    integral(centre, width, |u| evaluation.prior(&[u]))
}

#[test]
fn continuous_densities_integrate_to_one() {
    let mut complaints = Complaints::default();
    for case in cases()
        .iter()
        .filter(|case| case.head.is_continuous_scalar())
    {
        let Some(model) = prior_model(&mut complaints, &case.call, false) else {
            continue;
        };
        let points: Vec<f64> = case.rows.iter().map(Row::scalar).collect();
        let mass = mass_of(&model, &points, case.kink());
        if !((mass - 1.0).abs() < 1e-6) {
            complaints.say(format!("{} integrates to {mass}", case.call));
        }
    }
}

/// The constrained density of `x ~ CALL` as a prior, without its Jacobian, is that of the table too.
#[test]
fn priors_have_the_density_of_the_table() {
    let mut complaints = Complaints::default();
    let of_reals = |case: &&Case| !case.head.is_int() && !case.head.is_counts();
    for case in cases().iter().filter(of_reals) {
        let first = case.head.first_of_x();
        let text = format!(
            "x ~ {}
factor 0.0 * {first}
",
            case.call
        );
        let Some(model) = attempt(&mut complaints, &text, "{}") else {
            continue;
        };
        for row in &case.rows {
            let density = model.compiled.density_at(&row.numbers());
            let inside = density.unconstrained.iter().all(|u| u.is_finite());
            let sum: f64 = row.numbers().iter().sum();
            let is_simplex = !case.head.support.starts_with("simplex") || (sum - 1.0).abs() < 1e-8;
            if inside && is_simplex {
                let what = format!("{} as a prior at {}", case.call, row.x);
                // A value on the unconstrained line and back loses what its neighbours to the bounds lose.
                complaints.close(&what, density.prior, row.log_density, TOLERANCE);
            } else if row.log_density.is_finite() && !is_on_an_edge(case, row) {
                complaints.say(format!("{} at {}: no coordinates", case.call, row.x));
            }
        }
    }
}

pub fn is_on_an_edge(case: &Case, row: &Row) -> bool {
    let x = row.numbers();
    match case.head.support.as_str() {
        "simplex[K]" => x.contains(&0.0),
        _ => case.edges().contains(&x[0]),
    }
}

#[test]
fn masses_sum_to_one() {
    let mut complaints = Complaints::default();
    for case in cases().iter().filter(|case| case.head.is_int()) {
        for live in [false, true] {
            let Some(masses) = probabilities(&mut complaints, case, live) else {
                continue;
            };
            let sum = masses.iter().sum::<f64>();
            // Of 1e5 masses of 1e-9 each.
            if !((sum - 1.0).abs() < 1e-9) {
                complaints.say(format!(
                    "{} sums to {sum} (unknown parameters: {live})",
                    case.call
                ));
            }
        }
    }
}

/// The probabilities of 0, 1, 2, … as far as there are any.
pub fn probabilities(complaints: &mut Complaints, case: &Case, live: bool) -> Option<Vec<f64>> {
    let (declarations, call, values) = if live {
        let live = case.live();
        (live.declarations, live.call, live.values)
    } else {
        ("u ~ flat()\n".to_owned(), case.call.clone(), vec![0.0])
    };
    let dummy = if live { "" } else { "factor 0.0 * u\n" };
    let first = match case.head.law.as_str() {
        "categorical" | "ordered_logistic" | "ordered_probit" => 1,
        // Masses are numbered from 0.
        "discrete_uniform" => usize::try_from(case.arguments[0].as_i64()?).ok()?,
        _ => 0,
    };
    let end = end_of(case);
    let text = format!(
        "{declarations}{dummy}let d = [{call}.log_density(i - 1 + {first}) for i in 1..{}]\nreport d\nfactor logsumexp(d)\n",
        end - first
    );
    let model = attempt(complaints, &text, "{}")?;
    let mut evaluation = Evaluation::of(&model);
    let total = evaluation.density(&values);
    let kept = reports(&model, evaluation.outputs(&values, 0));
    let masses: Vec<f64> = std::iter::repeat_n(0.0, first)
        .chain(kept.iter().map(|d| d.exp()))
        .collect();
    let sum: f64 = masses.iter().sum();
    assert!(
        (sum - total.exp()).abs() < 1e-9,
        "{}: {sum} and {}",
        case.call,
        total.exp()
    );
    Some(masses)
}

/// One more than the largest count that matters.
fn end_of(case: &Case) -> usize {
    let number = |i: usize| case.arguments[i].as_f64().expect("a number");
    let last = match (
        case.head.law.as_str(),
        case.head.parameters[0].name.as_str(),
    ) {
        ("bernoulli", _) => 1.0,
        ("binomial", name) => {
            let n = number(0);
            let p = if case.head.parameters[1].name == "p" {
                number(1)
            } else {
                1.0 / (1.0 + (-number(1)).exp())
            };
            debug_assert_eq!(name, "n");
            n.min(n * p + 12.0 * (n * p).sqrt() + 40.0).ceil()
        }
        ("categorical", _) => case.arguments[0].as_array().expect("a list").len() as f64,
        ("poisson", "rate") => number(0) + 12.0 * number(0).sqrt() + 40.0,
        ("poisson", _) => number(0).exp() + 12.0 * (0.5 * number(0)).exp() + 40.0,
        // A geometric tail with ratio mean / (mean + concentration).
        ("neg_binomial", name) => {
            let mean = if name == "mean" {
                number(0)
            } else {
                number(0).exp()
            };
            let concentration = number(1);
            mean + 12.0 * (mean + mean * mean / concentration).sqrt()
                + 40.0
                + 30.0 * (1.0 + mean / concentration)
        }
        ("geometric", _) => 40.0 / number(0) + 40.0,
        ("beta_binomial", _) => number(0),
        ("hypergeometric", _) => number(2).min(number(if case.head.has_parameter("failures") {
            0
        } else {
            1
        })),
        ("discrete_uniform", _) => number(1),
        ("ordered_logistic" | "ordered_probit", _) => {
            case.arguments[1].as_array().expect("a list").len() as f64 + 1.0
        }
        (other, _) => panic!("how far do the masses of {other} go?"),
    };
    last as usize + 1
}

/// Over the two coordinates of three shares.
#[test]
fn dirichlet_densities_integrate_to_one() {
    for concentration in [
        "[1.0, 2.0, 0.5]",
        "[30.0, 4.0, 12.5]",
        "[1.0, 1.0, 1.0]",
        "[0.3, 0.4, 6.0]",
    ] {
        let call = format!("dirichlet({concentration})");
        let model = prior_model(&mut Complaints::default(), &call, true).expect(&call);
        let mut evaluation = Evaluation::of(&model);
        let (step, half) = (0.25, 480);
        let mut sum = 0.0;
        for i in -half..=half {
            for j in -half..=half {
                sum += evaluation
                    .prior(&[f64::from(i) * step, f64::from(j) * step])
                    .exp();
            }
        }
        let mass = sum * step * step;
        assert!((mass - 1.0).abs() < 1e-6, "{concentration}: {mass}");
    }
}

/// In coordinates that a factor of the covariance makes round.
#[test]
fn normal_densities_in_two_dimensions_integrate_to_one() {
    let mut checked = 0;
    for case in cases() {
        let Some((mean, factor)) = mean_and_factor(&case) else {
            continue;
        };
        if mean.len() != 2 {
            continue;
        }
        let model = prior_model(&mut Complaints::default(), &case.call, true).expect(&case.call);
        let mut evaluation = Evaluation::of(&model);
        let (step, half) = (0.25, 40);
        let mut sum = 0.0;
        for i in -half..=half {
            for j in -half..=half {
                let z = [f64::from(i) * step, f64::from(j) * step];
                let x = [
                    mean[0] + factor[0][0] * z[0],
                    mean[1] + factor[1][0] * z[0] + factor[1][1] * z[1],
                ];
                sum += evaluation.prior(&x).exp();
            }
        }
        let mass = sum * step * step * factor[0][0] * factor[1][1];
        assert!((mass - 1.0).abs() < 1e-6, "{}: {mass}", case.call);
        checked += 1;
    }
    assert!(checked >= 12);
}
