//! `truncated`: the mass that is left becomes one, on either side and on both, with known and unknown parameters.

use crate::draws::Cumulative;
use crate::integrals::{mass_of, probabilities};
use crate::laws::{Case, Complaints, Row, attempt, cases, compile, first_line};
use crate::numeric::{Evaluation, KOLMOGOROV_LIMIT, kolmogorov};

/// Pairs of bounds from a law's points: one-sided, two-sided, far out. Of the two-sided ones every third is taken: each law
/// and each of its sets of parameters still has some in both tails, across the middle and from end to end.
fn bounds(case: &Case) -> Vec<(Option<f64>, Option<f64>)> {
    let is_inside = |row: &&Row| {
        row.log_density.is_finite() && row.cdf.is_some_and(|p| p > 1e-200 && p < 1.0 - 1e-13)
    };
    let mut points: Vec<(f64, f64)> = case
        .rows
        .iter()
        .filter(is_inside)
        .map(|row| (row.scalar(), row.cdf.expect("a cdf")))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut bounds, mut pairs) = (Vec::new(), Vec::new());
    for (x, _) in &points {
        bounds.push((Some(*x), None));
        bounds.push((None, Some(*x)));
    }
    for (i, (low, p)) in points.iter().enumerate() {
        for (high, q) in &points[i + 1..] {
            // The difference of two numbers that are almost 1 is not to be asked of the table.
            if q - p > 0.0 {
                pairs.push((Some(*low), Some(*high)));
            }
        }
    }
    bounds.extend(pairs.into_iter().step_by(3));
    bounds
}

fn shown(bound: Option<f64>, open: &str) -> String {
    bound.map_or(open.to_owned(), |x| format!("{x:?}"))
}

#[test]
fn truncated_continuous_laws_integrate_to_one() {
    let mut complaints = Complaints::default();
    let mut checked = 0;
    for case in cases()
        .iter()
        .filter(|case| case.head.is_continuous_scalar() && case.head.has("cdf"))
    {
        for (low, high) in bounds(case) {
            // A value is its bound and a distance, so that far from the bound its digits are few.
            let scale = case.offset().max(1.0);
            if low
                .into_iter()
                .chain(high)
                .any(|bound| bound.abs() > 1e6 * scale)
            {
                continue;
            }
            let law = format!(
                "{} truncated({}, {})",
                case.call,
                shown(low, "-inf"),
                shown(high, "inf")
            );
            let text = format!("x ~ {law}\nfactor 0.0 * x\n");
            let Some(model) = attempt(&mut complaints, &text, "{}") else {
                continue;
            };
            let mut points: Vec<f64> = case.rows.iter().map(Row::scalar).collect();
            // Points near each bound and between them.
            for x in points.clone().into_iter().chain(low).chain(high) {
                let step = x.abs().max(1e-3);
                points.extend(
                    [1e-12, 1e-8, 1e-4, 0.01, 0.3]
                        .iter()
                        .flat_map(|s| [x - s * step, x + s * step]),
                );
            }
            points.extend(
                low.into_iter()
                    .chain(high)
                    .flat_map(|x| [0.3 * x, 0.9 * x, 1.1 * x]),
            );
            if let (Some(low), Some(high)) = (low, high) {
                points.extend([0.01, 0.25, 0.5, 0.75, 0.99].map(|s| low + s * (high - low)));
            }
            let mass = mass_of(&model, &points, case.kink());
            if !((mass - 1.0).abs() < 1e-6) {
                complaints.say(format!("{law} integrates to {mass}"));
            }
            checked += 1;
        }
    }
    assert!(checked > 300, "{checked}");
}

/// Data: the density without truncation, less the log of the mass between the bounds.
#[test]
fn truncated_discrete_laws_are_shares_of_the_rest() {
    let mut complaints = Complaints::default();
    let mut checked = 0;
    for case in cases()
        .iter()
        .filter(|case| case.head.is_int() && case.head.has("cdf"))
    {
        let Some(masses) = probabilities(&mut complaints, case, false) else {
            continue;
        };
        let live = case.live();
        for (low, high) in bounds(case).into_iter().take(8) {
            let (from, to) = (
                low.map_or(0, |x| x as usize),
                high.map_or(masses.len() - 1, |x| x as usize),
            );
            let left: f64 = masses[from.min(masses.len())..=to.min(masses.len() - 1)]
                .iter()
                .sum();
            if left < 1e-11 {
                continue;
            }
            let modifier = format!("truncated({}, {})", shown(low, "-inf"), shown(high, "inf"));
            for x in [
                from,
                (from + to.min(from + 6)) / 2,
                to.min(masses.len() - 1),
            ] {
                if masses[x] < 1e-14 {
                    continue;
                }
                let expected = (masses[x] / left).ln();
                let data = format!("{{\"x\": {x}}}");
                for (text, values) in [
                    (format!("x ~ {} {modifier}\n", case.call), &[][..]),
                    (
                        format!("{}x ~ {} {modifier}\n", live.declarations, live.call),
                        &live.values[..],
                    ),
                ] {
                    let what = format!("{text}at {x}");
                    match compile(&text, &data) {
                        Ok(model) => {
                            let found = model.compiled.density_at(values).log_density;
                            complaints.close(&what, found, expected, 1e-8);
                            checked += 1;
                        }
                        Err(error) => complaints.say(format!("{what}: {}", first_line(&error))),
                    }
                }
            }
            // Outside nothing is possible.
            let outside = [from.checked_sub(1), high.map(|x| x as usize + 1)];
            for x in outside.into_iter().flatten() {
                let text = format!("x ~ {} {modifier}\n", case.call);
                if let Ok(model) = compile(&text, &format!("{{\"x\": {x}}}")) {
                    complaints.close(
                        &format!("{text}at {x}"),
                        model.compiled.density_at(&[]).log_density,
                        f64::NEG_INFINITY,
                        0.0,
                    );
                }
            }
        }
    }
    assert!(checked > 100, "{checked}");
}

/// Unknown parameters: the same as known ones, and the gradient of the normaliser too.
#[test]
fn truncation_with_unknown_parameters() {
    let mut complaints = Complaints::default();
    let mut checked = 0;
    for case in cases()
        .iter()
        .filter(|case| case.head.is_continuous_scalar() && case.head.has("cdf"))
    {
        let live = case.live();
        for (low, high) in bounds(case) {
            let x = match (low, high) {
                (Some(low), Some(high)) => low + 0.3 * (high - low),
                (Some(low), None) => low + 0.1 * low.abs().max(1e-3),
                (None, Some(high)) => high - 0.1 * high.abs().max(1e-3),
                (None, None) => continue,
            };
            let modifier = format!("truncated({}, {})", shown(low, "-inf"), shown(high, "inf"));
            let data = format!("{{\"x\": {x:?}}}");
            let known = compile(&format!("x ~ {} {modifier}\n", case.call), &data);
            // Outside the support of the law itself.
            let Ok(known) = known else { continue };
            let text = format!("{}x ~ {} {modifier}\n", live.declarations, live.call);
            let Some(unknown) = attempt(&mut complaints, &text, &data) else {
                continue;
            };
            let what = format!("{text}at {x}");
            let found = unknown.compiled.density_at(&live.values);
            let expected = known.compiled.density_at(&[]).log_density;
            complaints.close(&what, found.log_density, expected, 1e-9);
            checked += 1;
            // A bound in the kink, which moves with the location.
            let is_kink = |bound: f64| case.kink() == Some(bound);
            if low.into_iter().chain(high).any(is_kink) {
                continue;
            }
            let mut evaluation = Evaluation::of(&unknown);
            // The mass between the bounds is a difference of probabilities, with their rounding.
            let cdf = |bound: f64| {
                case.rows
                    .iter()
                    .find(|row| row.scalar() == bound)
                    .and_then(|row| row.cdf)
                    .expect("a cdf")
            };
            let mass = high.map_or(1.0, cdf) - low.map_or(0.0, cdf);
            let rounding = 1e-15 / mass.min(1.0);
            for i in 0..live.values.len() {
                let mut moved = live.values.clone();
                let (difference, error) =
                    crate::numeric::derivative(live.values[i], rounding, |p| {
                        moved[i] = p;
                        evaluation.density(&moved)
                    });
                let gradient = found.gradient[i];
                // The law's mass between the bounds is a difference, and so is its derivative.
                let size = gradient.abs().max(difference.abs());
                if !((gradient - difference).abs() <= 1e-6 * size.max(1e-3) + 10.0 * error) {
                    complaints.say(format!(
                        "{what}, parameter {i}: {gradient:e}, not {difference:e} ± {error:e}"
                    ));
                }
            }
        }
    }
    assert!(checked > 200, "{checked}");
}

#[test]
fn truncated_draws_have_their_distribution() {
    let mut complaints = Complaints::default();
    let mut checked = 0;
    for case in cases()
        .iter()
        .filter(|case| case.head.is_continuous_scalar() && case.head.has("quantile"))
    {
        let cumulative = Cumulative::of(&case.call);
        for (low, high) in bounds(case) {
            let ends = cumulative.of_all(&[low.unwrap_or(f64::MIN), high.unwrap_or(f64::MAX)]);
            let width = ends[1] - ends[0];
            if width < 1e-3 {
                continue;
            }
            let law = format!(
                "{} truncated({}, {})",
                case.call,
                shown(low, "-inf"),
                shown(high, "inf")
            );
            let text = format!("z ~ normal(0, 1)\nx ~ {law}\n");
            let Some(model) = attempt(&mut complaints, &text, r#"{"z": 0.3}"#) else {
                continue;
            };
            let mut evaluation = Evaluation::of(&model);
            let draws: Vec<f64> = (0..3000).map(|i| evaluation.outputs(&[], i)[0]).collect();
            let is_inside =
                |x: &f64| low.is_none_or(|low| low <= *x) && high.is_none_or(|high| *x <= high);
            if !draws.iter().all(is_inside) {
                complaints.say(format!("{law} drew what lies outside"));
            }
            let mut uniforms: Vec<f64> = cumulative
                .of_all(&draws)
                .iter()
                .map(|p| (p - ends[0]) / width)
                .collect();
            let distance = kolmogorov(&mut uniforms);
            if !(distance < KOLMOGOROV_LIMIT) {
                complaints.say(format!("{law}: Kolmogorov distance {distance}"));
            }
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}
