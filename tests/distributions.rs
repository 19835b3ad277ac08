//! Every distribution of the library against mpmath and against itself. The list is what lies in
//! `stdlib/distributions`: a law without rows in `tests/reference/distributions.json` is a failure. Each law is asked in
//! the ways a program can ask: with data, with a value that is unknown, with unknown parameters, as a prior, truncated,
//! simulated, and as a start.

// `!(error < limit)` also catches an error that is not a number.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

#[path = "distributions/counts.rs"]
mod counts;
#[path = "distributions/draws.rs"]
mod draws;
#[path = "distributions/edges.rs"]
mod edges;
#[path = "distributions/integrals.rs"]
mod integrals;
#[path = "distributions/laws.rs"]
mod laws;
#[path = "distributions/matrices.rs"]
mod matrices;
#[path = "distributions/numeric.rs"]
mod numeric;
#[path = "distributions/truncation.rs"]
mod truncation;

use integrals::is_on_an_edge;
use laws::{Case, Complaints, Live, attempt, cases, chosen, compile, first_line, heads, model};
use likelier::{ColumnKind, Error, Model};
use numeric::{Evaluation, derivative};

/// Relative to the number above 1, absolute below.
const TOLERANCE: f64 = 1e-9;

#[test]
fn every_item_of_the_library_has_rows() {
    let (heads, files) = heads();
    let cases = cases();
    let mut complaints = Complaints::default();
    for file in files {
        if !heads.iter().any(|head| head.law == file) {
            complaints.say(format!("{file}.ppl defines no law of its name"));
        }
    }
    for head in heads {
        let same = |case: &&Case| {
            let names = |h: &laws::Head| -> Vec<String> {
                h.parameters.iter().map(|p| p.name.clone()).collect()
            };
            case.head.law == head.law && names(&case.head) == names(&head)
        };
        if cases
            .iter()
            .filter(same)
            .map(|case| case.rows.len())
            .sum::<usize>()
            < 5
        {
            let names: Vec<&str> = head.parameters.iter().map(|p| p.name.as_str()).collect();
            complaints.say(format!(
                "{}({}) has no reference",
                head.law,
                names.join(", ")
            ));
        }
    }
}

/// `x ~ CALL` with x in the data: everything is known when the model is compiled.
#[test]
fn log_densities_of_data() {
    let mut complaints = Complaints::default();
    for case in cases() {
        for row in &case.rows {
            let text = format!("x ~ {}\n", case.call);
            let data = format!("{{\"x\": {}}}", row.x);
            let what = format!("{} at {}", case.call, row.x);
            match compile(&text, &data) {
                Ok(model) => {
                    let found = model.compiled.density_at(&[]);
                    complaints.close(&what, found.log_density, row.log_density, TOLERANCE);
                    complaints.close(&what, found.likelihood, row.log_density, TOLERANCE);
                }
                Err(Error::Model(error)) if row.log_density == f64::NEG_INFINITY => {
                    let is_clear = error
                        .diagnostics
                        .iter()
                        .all(|diagnostic| diagnostic.code == "E0430");
                    if !is_clear {
                        complaints.say(format!("{what}: {error}"));
                    }
                }
                Err(error) => complaints.say(format!("{what}: {}", first_line(&error))),
            }
        }
    }
}

/// A law at an unknown point with unknown parameters.
struct Asked {
    live: Live,
    /// Declares the parameters and the point.
    declarations: String,
    /// The expression of the point.
    point: String,
    /// For each row: parameters, then what stands for the point.
    positions: Vec<Vec<f64>>,
}

fn asked(case: &Case) -> Asked {
    asked_with(case, case.live())
}

fn asked_with(case: &Case, live: Live) -> Asked {
    let (own, point) = if case.head.is_int() {
        let points: Vec<i64> = case.rows.iter().map(|row| row.scalar() as i64).collect();
        (chosen(&points), "k".to_owned())
    } else if let Some(symmetric) = case.head.matrix() {
        let (values, matrix) = laws::triangle("v", &case.rows[0].x, symmetric);
        (format!("v[1..{}] ~ flat()\n", values.len()), matrix)
    } else if case.head.is_vector() {
        (
            format!("v[1..{}] ~ flat()\n", case.rows[0].numbers().len()),
            "v".to_owned(),
        )
    } else {
        ("v ~ flat()\n".to_owned(), "v".to_owned())
    };
    let position = |(i, row): (usize, &laws::Row)| {
        let mut position = live.values.clone();
        if case.head.is_int() {
            position.push(i as f64);
        } else if let Some(symmetric) = case.head.matrix() {
            position.extend(laws::triangle("v", &row.x, symmetric).0);
        } else {
            position.extend(row.numbers());
        }
        position
    };
    Asked {
        declarations: format!("{}{own}", live.declarations),
        positions: case.rows.iter().enumerate().map(position).collect(),
        live,
        point,
    }
}

impl Asked {
    /// The law's method at the point, as a term of the density and as a report.
    fn model(&self, complaints: &mut Complaints, methods: &[&str]) -> Option<Model> {
        let asked = |method: &str| format!("{}.{method}({})", self.live.call, self.point);
        let mut text = format!("{}factor {}\n", self.declarations, asked(methods[0]));
        for method in methods {
            text += &format!("report {method} = {}\n", asked(method));
        }
        attempt(complaints, &text, "{}")
    }

    /// As [`Asked::model`], at a whole number of the text; every parameter and `u` are unknown.
    fn at_number(
        &self,
        complaints: &mut Complaints,
        call: &str,
        row: &laws::Row,
        methods: &[&str],
    ) -> Option<Model> {
        let asked = |method: &str| format!("{call}.{method}({})", row.x);
        let mut text = self.live.declarations.clone();
        for declaration in self.live.declarations.lines() {
            let name = declaration.split([' ', '[']).next().expect("a name");
            let first = if declaration.contains('[') { "[1]" } else { "" };
            text += &format!("factor 0.0 * {name}{first}\n");
        }
        text += &format!("u ~ flat()\nfactor 0.0 * u\nfactor {}\n", asked(methods[0]));
        for method in methods {
            text += &format!("report {method} = {}\n", asked(method));
        }
        attempt(complaints, &text, "{}")
    }

    fn with_u(&self) -> Vec<f64> {
        self.live.values.iter().copied().chain([0.0]).collect()
    }

    /// As [`Asked::model`], with the parameters as the numbers they are.
    fn with_constants(
        &self,
        complaints: &mut Complaints,
        case: &Case,
        methods: &[&str],
    ) -> Option<Model> {
        let own = &self.declarations[self.live.declarations.len()..];
        let asked = |method: &str| format!("{}.{method}({})", case.call, self.point);
        let mut text = format!("{own}factor {}\n", asked(methods[0]));
        for method in methods {
            text += &format!("report {method} = {}\n", asked(method));
        }
        attempt(complaints, &text, "{}")
    }
}

/// The reports of a draw in their order.
fn reports(model: &Model, outputs: &[f64]) -> Vec<f64> {
    let columns = model.compiled.columns.iter().zip(outputs);
    columns
        .filter(|(column, _)| column.kind == ColumnKind::Report)
        .map(|(_, value)| *value)
        .collect()
}

#[test]
fn log_densities_of_unknown_values_and_parameters() {
    let mut complaints = Complaints::default();
    for case in cases().iter().filter(|case| !case.head.is_counts()) {
        let asked = asked(case);
        let constants = case.live().values.len();
        let models = [
            (asked.model(&mut complaints, &["log_density"]), 0),
            (
                asked.with_constants(&mut complaints, case, &["log_density"]),
                constants,
            ),
        ];
        for (model, skipped) in &models {
            let Some(model) = model else { continue };
            let mut evaluation = Evaluation::of(model);
            for (row, position) in case.rows.iter().zip(&asked.positions) {
                let what = format!("{} at unknown {} (skipping {skipped})", case.call, row.x);
                let total = evaluation.density(&position[*skipped..]);
                complaints.close(&what, total, row.log_density, TOLERANCE);
                complaints.close(
                    &what,
                    evaluation.parts.likelihood,
                    row.log_density,
                    TOLERANCE,
                );
                let kept = reports(model, evaluation.outputs(&position[*skipped..], 0));
                complaints.close(&what, kept[0], row.log_density, TOLERANCE);
            }
        }
    }
}

#[test]
fn distribution_functions() {
    let mut complaints = Complaints::default();
    for case in cases().iter().filter(|case| case.head.has("cdf")) {
        let known = ["cdf", "log_cdf", "log_ccdf"];
        let methods: Vec<&str> = known
            .into_iter()
            .filter(|method| case.head.has(method))
            .collect();
        let asked = asked_with(case, case.live());
        let constants = asked.live.values.len();
        if case.head.is_int() {
            for (row, cdf) in case.rows.iter().filter_map(|row| Some((row, row.cdf?))) {
                let models = [
                    asked.at_number(&mut complaints, &asked.live.call, row, &methods),
                    asked.at_number(&mut complaints, &case.call, row, &methods),
                ];
                for model in models.into_iter().flatten() {
                    let what = format!("{} at {}", case.call, row.x);
                    check_methods(
                        &mut complaints,
                        &what,
                        &model,
                        &asked.with_u(),
                        &methods,
                        cdf,
                    );
                }
            }
            continue;
        }
        let models = [
            (asked.model(&mut complaints, &methods), 0),
            (
                asked.with_constants(&mut complaints, case, &methods),
                constants,
            ),
        ];
        for (model, skipped) in &models {
            let Some(model) = model else { continue };
            for (row, position) in case.rows.iter().zip(&asked.positions) {
                let Some(cdf) = row.cdf else { continue };
                let what = format!("{} at {} (skipping {skipped})", case.call, row.x);
                check_methods(
                    &mut complaints,
                    &what,
                    model,
                    &position[*skipped..],
                    &methods,
                    cdf,
                );
            }
        }
    }
}

fn check_methods(
    complaints: &mut Complaints,
    what: &str,
    model: &Model,
    position: &[f64],
    methods: &[&str],
    cdf: f64,
) {
    let mut evaluation = Evaluation::of(model);
    evaluation.density(position);
    let term = evaluation.parts.likelihood;
    let kept = reports(model, evaluation.outputs(position, 0));
    check_cdf(complaints, &format!("{what}: cdf term"), term, cdf);
    for (method, value) in methods.iter().zip(&kept) {
        let what = format!("{what}: {method}");
        match *method {
            "cdf" => check_cdf(complaints, &what, *value, cdf),
            "log_cdf" => check_logarithm(complaints, &what, *value, cdf.ln(), 0.0),
            // The table's cdf has lost what the other tail has.
            _ => check_logarithm(
                complaints,
                &what,
                *value,
                (-cdf).ln_1p(),
                2e-16 / (1.0 - cdf),
            ),
        }
    }
}

/// Small probabilities too are relatively right.
fn check_cdf(complaints: &mut Complaints, what: &str, found: f64, expected: f64) {
    if (found - expected).abs() > TOLERANCE * expected.max(1e-300) {
        complaints.say(format!("{what}: {found:e}, not {expected:e}"));
    }
}

fn check_logarithm(complaints: &mut Complaints, what: &str, found: f64, expected: f64, lost: f64) {
    // Beyond the smallest number the table knows only that it is small.
    let is_right = if expected == f64::NEG_INFINITY {
        found < -36.0
    } else {
        (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0) + lost
            || expected < -700.0 && found < -700.0
    };
    if !is_right || found > 0.0 {
        complaints.say(format!("{what}: {found:e}, not {expected:e}"));
    }
}

#[test]
fn quantiles_invert_distribution_functions() {
    let mut complaints = Complaints::default();
    let mut checked = 0;
    for case in cases().iter().filter(|case| case.head.has("quantile")) {
        let live = case.live();
        let text = format!(
            "{0}q ~ flat()\nfactor {1}.quantile(q)\nreport x = {1}.quantile(q)\nreport p = {1}.cdf({1}.quantile(q))\n",
            live.declarations, live.call
        );
        let Some(model) = attempt(&mut complaints, &text, "{}") else {
            continue;
        };
        let mut evaluation = Evaluation::of(&model);
        for p in [
            1e-12, 1e-5, 0.01, 0.25, 0.4999, 0.5, 0.6, 0.75, 0.95, 0.999999,
        ] {
            let mut position = live.values.clone();
            position.push(p);
            let kept = reports(&model, evaluation.outputs(&position, 0));
            // What rounding of x to a double makes of p.
            let density = case.log_density_here(&model, &live, kept[0]);
            let rounding = 4.0 * f64::EPSILON * kept[0].abs().max(case.offset()) * density.exp();
            if (kept[1] - p).abs() > 1e-12 * p + rounding {
                complaints.say(format!("{} cdf(quantile({p})) is {:e}", case.call, kept[1]));
            }
            checked += 1;
        }
    }
    assert!(checked > 100);
}

impl Case {
    fn log_density_here(&self, _: &Model, live: &Live, x: f64) -> f64 {
        let text = format!(
            "{}v ~ flat()\nfactor {}.log_density(v)\n",
            live.declarations, live.call
        );
        let model = model(&text, "{}");
        let mut position = live.values.clone();
        position.push(x);
        Evaluation::of(&model).density(&position)
    }

    /// The largest number that a location adds.
    fn offset(&self) -> f64 {
        self.arguments
            .iter()
            .filter_map(serde_json::Value::as_f64)
            .fold(0.0, |m, v| m.max(v.abs()))
    }
}

/// Gradients of densities and distribution functions with respect to the point and all parameters.
#[test]
fn gradients_are_those_of_differences() {
    let mut complaints = Complaints::default();
    let (mut checked, mut vague) = (0, Vec::new());
    for case in cases().iter().filter(|case| !case.head.is_counts()) {
        for method in ["log_density", "cdf", "log_cdf", "log_ccdf"] {
            let is_density = method == "log_density";
            // Distribution functions of counts are asked below.
            if !case.head.has(method) || case.head.is_int() && !is_density {
                continue;
            }
            // So many degrees of freedom leave their quotient with the square of the point no digits to difference.
            if !is_density && case.call.contains("1000000") {
                continue;
            }
            let asked = if is_density {
                asked(case)
            } else {
                asked_with(case, case.live())
            };
            let Some(model) = asked.model(&mut complaints, &[method]) else {
                continue;
            };
            let mut evaluation = Evaluation::of(&model);
            let mut other = Evaluation::of(&model);
            for (row, position) in case.rows.iter().zip(&asked.positions) {
                let value = evaluation.density(position);
                // Where the density vanishes or has an edge there is nothing to differentiate.
                if !value.is_finite()
                    || row.log_density == f64::NEG_INFINITY
                    || !is_density && is_on_an_edge(case, row)
                {
                    continue;
                }
                let gradient = evaluation.gradient.clone();
                // Tails may be one less something; the point less the location is rounded too.
                let rounding = if is_density { 0.0 } else { 1e-15 };
                for i in 0..position.len() {
                    if asked.is_kink(case, row, i) {
                        continue;
                    }
                    let mut moved = position.clone();
                    let (difference, error) = derivative(position[i], rounding, |x| {
                        moved[i] = x;
                        other.density(&moved)
                    });
                    let what = format!("{} {method} at {}, coordinate {i}", case.call, row.x);
                    if !gradient[i].is_finite() {
                        complaints.say(format!(
                            "{what}: gradient {}, difference {difference:e}",
                            gradient[i]
                        ));
                        continue;
                    }
                    if difference.is_nan() {
                        vague.push(what);
                        continue;
                    }
                    checked += 1;
                    let size = gradient[i].abs().max(difference.abs());
                    if (gradient[i] - difference).abs() > 1e-6 * size + 10.0 * error + 1e-300 {
                        complaints.say(format!(
                            "{what}: {:e}, not {difference:e} ± {error:e}",
                            gradient[i]
                        ));
                    } else if error > 1e-6 * size.max(1e-3) {
                        vague.push(format!(
                            "{what}: {:e}, {difference:e} ± {error:e}",
                            gradient[i]
                        ));
                    }
                }
            }
        }
    }
    println!("{checked} derivatives, {} of them vague", vague.len());
    assert!(vague.len() * 10 < checked, "{}", vague.join("\n"));
}

impl Asked {
    /// Whether a law has a kink at its centre here, or an edge.
    fn is_kink(&self, case: &Case, row: &laws::Row, coordinate: usize) -> bool {
        if case.head.is_int() {
            return coordinate == self.live.values.len();
        }
        case.kink().is_some_and(|kink| kink == row.scalar())
    }
}

/// Many degrees of freedom: the normal limit.
#[test]
fn student_tails_tend_to_normal_ones() {
    let text = "d ~ flat()\nv ~ flat()\nfactor 0.0 * (d + v)\nreport a = student_t(1e10, 0, 1).cdf(v)\nreport b = student_t(1e7, 0, 1).cdf(v)\nreport n = normal(0, 1).cdf(v)\n";
    let model = model(text, "{}");
    let mut evaluation = Evaluation::of(&model);
    let mut complaints = Complaints::default();
    for v in [-5.0, -1.0, -0.3, 0.5, 3.0] {
        let kept = reports(&model, evaluation.outputs(&[0.0, v], 0));
        complaints.close(&format!("df 1e10 at {v}"), kept[0], kept[2], 1e-9);
        complaints.close(&format!("df 1e7 at {v}"), kept[1], kept[2], 1e-6);
    }
}

/// The mean and the lower Cholesky factor of the covariance of a law of vectors that is normal.
pub fn mean_and_factor(case: &Case) -> Option<(Vec<f64>, Vec<Vec<f64>>)> {
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value
            .as_array()
            .expect("a list")
            .iter()
            .map(number)
            .collect()
    };
    let square = |size: usize, entry: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
        let row = |r| (0..size).map(|c| entry(r, c)).collect();
        (0..size).map(row).collect()
    };
    let arguments = &case.arguments;
    let (mean, covariance) = match case.head.law.as_str() {
        "multi_normal" => {
            let matrix: Vec<Vec<f64>> = arguments[1].as_array()?.iter().map(numbers).collect();
            if case.head.parameters[1].name == "chol" {
                return Some((numbers(&arguments[0]), matrix));
            }
            (numbers(&arguments[0]), matrix)
        }
        "gaussian_random_walk" => {
            let size = arguments[0].as_u64()? as usize;
            let (sd, start, drift) = (
                number(&arguments[1]),
                number(&arguments[2]),
                number(&arguments[3]),
            );
            let mean = (1..=size).map(|t| start + t as f64 * drift).collect();
            (mean, square(size, &|r, c| sd * sd * (r.min(c) + 1) as f64))
        }
        "ar" => {
            let size = arguments[0].as_u64()? as usize;
            let coefficients = numbers(&arguments[1]);
            let (sd, mean) = (number(&arguments[2]), number(&arguments[3]));
            // The process as a moving average: what is left of a unit of noise after k steps.
            let mut left = vec![1.0];
            for k in 1..5000 {
                let before =
                    |(j, phi): (usize, &f64)| if j < k { phi * left[k - 1 - j] } else { 0.0 };
                left.push(coefficients.iter().enumerate().map(before).sum());
            }
            let covariance =
                |lag: usize| -> f64 { left.iter().zip(&left[lag..]).map(|(a, b)| a * b).sum() };
            (
                vec![mean; size],
                square(size, &|r, c| sd * sd * covariance(r.abs_diff(c))),
            )
        }
        _ => return None,
    };
    let size = mean.len();
    let mut factor = vec![vec![0.0; size]; size];
    for r in 0..size {
        for c in 0..=r {
            let rest: f64 =
                covariance[r][c] - (0..c).map(|k| factor[r][k] * factor[c][k]).sum::<f64>();
            factor[r][c] = if r == c {
                rest.sqrt()
            } else {
                rest / factor[c][c]
            };
        }
    }
    Some((mean, factor))
}
