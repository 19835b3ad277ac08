//! Draws against densities: simulated values, with known and with unknown parameters, and starts. Draws of a model
//! without unknowns are independent, and so are those at one position.

use crate::integrals::probabilities;
use crate::laws::{Case, Complaints, attempt, case_of, cases, model};
use crate::mean_and_factor;
use crate::numeric::{DEVIATE_LIMIT, Evaluation, KOLMOGOROV_LIMIT, chi_square, kolmogorov};
use likelier::{ColumnKind, Model, Settings};

const DRAWS: u64 = 10_000;

/// Columns of draws by name.
pub struct Draws {
    names: Vec<String>,
    rows: Vec<Vec<f64>>,
}

impl Draws {
    pub fn column(&self, name: &str) -> Vec<f64> {
        let position = self
            .names
            .iter()
            .position(|known| known == name)
            .expect(name);
        self.rows.iter().map(|row| row[position]).collect()
    }

    /// Vectors `name[1] … name[size]`, one per draw.
    pub fn vectors(&self, name: &str, size: usize) -> Vec<Vec<f64>> {
        let columns: Vec<Vec<f64>> = (1..=size)
            .map(|k| self.column(&format!("{name}[{k}]")))
            .collect();
        (0..self.rows.len())
            .map(|i| columns.iter().map(|column| column[i]).collect())
            .collect()
    }
}

fn names(model: &Model) -> Vec<String> {
    model
        .compiled
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect()
}

/// `x` with the parameters as numbers, `y` with unknown ones, held at these numbers.
pub fn simulated(complaints: &mut Complaints, case: &Case) -> Option<Draws> {
    let live = case.live();
    let mut text = live.declarations.clone();
    for declaration in live.declarations.lines() {
        let name = declaration.split([' ', '[']).next().expect("a name");
        let first = if declaration.contains('[') { "[1]" } else { "" };
        text += &format!("factor 0.0 * {name}{first}\n");
    }
    if live.values.is_empty() {
        text += "factor 0.0\n";
    }
    text += &format!("x ~ {}\ny ~ {}\n", case.call, live.call);
    let model = attempt(complaints, &text, "{}")?;
    let names = names(&model);
    for name in ["x", "y"].iter().filter(|_| !case.head.is_vector()) {
        if !names.iter().any(|known| known == name) {
            complaints.say(format!("{text}`{name}` is not one number"));
            return None;
        }
    }
    let mut own = model
        .compiled
        .columns
        .iter()
        .filter(|column| ["x", "y"].contains(&column.variable.as_str()));
    assert!(own.all(|column| column.kind == ColumnKind::Simulated));
    let mut evaluation = Evaluation::of(&model);
    Some(Draws {
        names,
        rows: (0..DRAWS)
            .map(|i| evaluation.outputs(&live.values, i).to_vec())
            .collect(),
    })
}

/// Starts of `x ~ CALL`, through their coordinates and back.
pub fn starts(complaints: &mut Complaints, case: &Case) -> Option<Draws> {
    let first = case.head.first_of_x();
    let model = attempt(
        complaints,
        &format!("x ~ {}\nfactor 0.0 * {first}\n", case.call),
        "{}",
    )?;
    let mut evaluation = Evaluation::of(&model);
    let rows = (0..DRAWS).map(|i| {
        let position = evaluation.start(i);
        assert!(
            position.iter().all(|u| u.is_finite()),
            "{}: start {position:?}",
            case.call
        );
        evaluation.outputs(&position, 0).to_vec()
    });
    Some(Draws {
        rows: rows.collect(),
        names: names(&model),
    })
}

/// The law's distribution function.
pub struct Cumulative(Model);

impl Cumulative {
    pub fn of(call: &str) -> Self {
        Self(model(&format!("v ~ flat()\nfactor {call}.cdf(v)\n"), "{}"))
    }

    pub fn of_all(&self, values: &[f64]) -> Vec<f64> {
        let mut evaluation = Evaluation::of(&self.0);
        let mut cdf = |x: &f64| {
            evaluation.density(&[*x]);
            evaluation.parts.likelihood
        };
        values.iter().map(&mut cdf).collect()
    }
}

pub fn check_continuous(complaints: &mut Complaints, what: &str, call: &str, values: &[f64]) {
    let mut uniforms = Cumulative::of(call).of_all(values);
    let distance = kolmogorov(&mut uniforms);
    if !(distance < KOLMOGOROV_LIMIT) {
        complaints.say(format!("{what}: Kolmogorov distance {distance}"));
    }
}

#[test]
fn draws_of_continuous_laws_have_their_distribution() {
    let mut complaints = Complaints::default();
    for case in cases()
        .iter()
        .filter(|case| case.head.is_continuous_scalar() && case.head.has("cdf"))
    {
        let Some(draws) = simulated(&mut complaints, case) else {
            continue;
        };
        let Some(starts) = starts(&mut complaints, case) else {
            continue;
        };
        check_continuous(
            &mut complaints,
            &format!("{} known", case.call),
            &case.call,
            &draws.column("x"),
        );
        check_continuous(
            &mut complaints,
            &format!("{} unknown", case.call),
            &case.call,
            &draws.column("y"),
        );
        check_continuous(
            &mut complaints,
            &format!("{} start", case.call),
            &case.call,
            &starts.column("x"),
        );
    }
}

/// A law of angles has no distribution function of its own: its density is summed along the circle.
#[test]
fn draws_of_angles_have_their_distribution() {
    const STEPS: usize = 20_000;
    let mut complaints = Complaints::default();
    let place = |i: usize| std::f64::consts::PI * (2.0 * i as f64 / STEPS as f64 - 1.0);
    for case in cases().iter().filter(|case| case.head.law == "von_mises") {
        let density = model(
            &format!("v ~ flat()\nfactor {}.log_density(v)\n", case.call),
            "{}",
        );
        let mut evaluation = Evaluation::of(&density);
        let mut reached = vec![0.0];
        let mut before = evaluation.density(&[place(0)]).exp();
        for i in 1..=STEPS {
            let here = evaluation.density(&[place(i)]).exp();
            reached.push(reached[i - 1] + 0.5 * (before + here) * (place(i) - place(i - 1)));
            before = here;
        }
        if !((reached[STEPS] - 1.0).abs() < 1e-6) {
            complaints.say(format!("{} sums to {}", case.call, reached[STEPS]));
        }
        let Some(draws) = simulated(&mut complaints, case) else {
            continue;
        };
        let Some(starts) = starts(&mut complaints, case) else {
            continue;
        };
        for (what, values) in [
            ("known", draws.column("x")),
            ("unknown", draws.column("y")),
            ("start", starts.column("x")),
        ] {
            let uniform = |x: &f64| {
                let steps = (x / std::f64::consts::PI + 1.0) * 0.5 * STEPS as f64;
                let i = (steps as usize).min(STEPS - 1);
                reached[i] + (steps - i as f64) * (reached[i + 1] - reached[i])
            };
            let mut uniforms: Vec<f64> = values.iter().map(uniform).collect();
            let distance = kolmogorov(&mut uniforms);
            if !(distance < KOLMOGOROV_LIMIT) {
                complaints.say(format!(
                    "{} {what}: Kolmogorov distance {distance}",
                    case.call
                ));
            }
        }
    }
}

#[test]
fn draws_of_discrete_laws_have_their_distribution() {
    let mut complaints = Complaints::default();
    let mut tested = 0;
    for case in cases().iter().filter(|case| case.head.is_int()) {
        let Some(probabilities) = probabilities(&mut complaints, case, false) else {
            continue;
        };
        let Some(draws) = simulated(&mut complaints, case) else {
            continue;
        };
        for name in ["x", "y"] {
            let mut counts = vec![0.0; probabilities.len()];
            for x in draws.column(name) {
                let place = (x >= 0.0 && x == x.floor())
                    .then(|| counts.get_mut(x as usize))
                    .flatten();
                match place {
                    Some(count) => *count += 1.0,
                    None => complaints.say(format!("{}: drew {x}", case.call)),
                }
            }
            let impossible = counts
                .iter()
                .zip(&probabilities)
                .any(|(n, p)| *n > 0.0 && *p < 1e-12);
            if impossible {
                complaints.say(format!("{} {name}: drew what cannot be", case.call));
            }
            if let Some(deviate) = chi_square(&counts, &probabilities) {
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
    assert!(tested > 15, "{tested}");
}

/// Each share alone is beta distributed, and so are sums of shares.
#[test]
fn draws_of_shares_have_their_distribution() {
    let mut complaints = Complaints::default();
    let extra = [
        case_of("dirichlet([0.02, 0.03, 0.01])"),
        case_of("dirichlet([5.0])"),
    ];
    for case in cases()
        .iter()
        .chain(&extra)
        .filter(|case| case.head.law == "dirichlet")
    {
        let concentration: Vec<f64> = case.arguments[0]
            .as_array()
            .expect("a list")
            .iter()
            .map(|v| v.as_f64().expect("a number"))
            .collect();
        let (size, total) = (concentration.len(), concentration.iter().sum::<f64>());
        let Some(simulated) = simulated(&mut complaints, case) else {
            continue;
        };
        let Some(starts) = starts(&mut complaints, case) else {
            continue;
        };
        for (what, vectors) in [
            ("known", simulated.vectors("x", size)),
            ("unknown", simulated.vectors("y", size)),
            ("start", starts.vectors("x", size)),
        ] {
            let what = format!("{} {what}", case.call);
            if vectors
                .iter()
                .any(|x| (x.iter().sum::<f64>() - 1.0).abs() > 1e-12 || x.iter().any(|v| *v < 0.0))
            {
                complaints.say(format!("{what}: shares do not sum to 1"));
            }
            if size == 1 {
                continue;
            }
            for k in 0..size {
                let share: Vec<f64> = vectors.iter().map(|x| x[k]).collect();
                // A share that is 1 but for less than rounding falls on a jump of the doubles' distribution.
                if concentration[k].min(total - concentration[k]) < 0.09 {
                    let mean = share.iter().sum::<f64>() / share.len() as f64;
                    let p = concentration[k] / total;
                    let error = (p * (1.0 - p) / share.len() as f64).sqrt();
                    if (mean - p).abs() > DEVIATE_LIMIT * error {
                        complaints.say(format!("{what}: mean of share {k} is {mean}, not {p}"));
                    }
                    continue;
                }
                let call = format!(
                    "beta({:?}, {:?})",
                    concentration[k],
                    total - concentration[k]
                );
                check_continuous(&mut complaints, &format!("{what} share {k}"), &call, &share);
            }
        }
    }
}

/// Along any direction a normal vector is normal; three directions of two elements tell the covariance.
#[test]
fn draws_of_normal_vectors_have_their_distribution() {
    let mut complaints = Complaints::default();
    for case in cases() {
        let Some((mean, factor)) = mean_and_factor(&case) else {
            continue;
        };
        let size = mean.len();
        let Some(simulated) = simulated(&mut complaints, &case) else {
            continue;
        };
        let Some(starts) = starts(&mut complaints, &case) else {
            continue;
        };
        // Directions in which the vector is white.
        let directions = [
            [1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0],
            [1.0, 1.0, 0.0],
            [1.0, -1.0, 0.0],
            [1.0, 1.0, 1.0],
        ];
        for (what, vectors) in [
            ("known", simulated.vectors("x", size)),
            ("unknown", simulated.vectors("y", size)),
            ("start", starts.vectors("x", size)),
        ] {
            let white: Vec<Vec<f64>> = vectors.iter().map(|x| solved(&factor, &mean, x)).collect();
            for direction in &directions {
                let length = direction[..size].iter().map(|d| d * d).sum::<f64>().sqrt();
                if length == 0.0 {
                    continue;
                }
                let along: Vec<f64> = white
                    .iter()
                    .map(|z| z.iter().zip(direction).map(|(z, d)| z * d).sum::<f64>() / length)
                    .collect();
                let what = format!("{} {what} along {direction:?}", case.call);
                check_continuous(&mut complaints, &what, "normal(0, 1)", &along);
            }
        }
    }
}

/// factor⁻¹ (x − mean)
fn solved(factor: &[Vec<f64>], mean: &[f64], x: &[f64]) -> Vec<f64> {
    let mut z: Vec<f64> = Vec::new();
    for (r, row) in factor.iter().enumerate() {
        let rest = x[r] - mean[r] - z.iter().zip(row).map(|(z, l)| z * l).sum::<f64>();
        z.push(rest / row[r]);
    }
    z
}

/// The whole way through `sample`: chains differ, draws are independent.
#[test]
fn sampled_columns_of_simulated_values() {
    let text = "z ~ normal(0, 1)\nx ~ gamma(shape=2.5, rate=0.7)\ny[1..3] ~ normal(x, 2)\n";
    let model = model(text, r#"{"z": 0.3}"#);
    let posterior = model
        .sample(&Settings {
            draws: 2500,
            warmup: 100,
            ..Settings::default()
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let kind = |name: &str| {
        posterior
            .columns
            .iter()
            .find(|column| column.name == name)
            .map(|column| column.kind)
    };
    assert_eq!(kind("x"), Some(ColumnKind::Simulated));
    let x: Vec<f64> = posterior.draws("x").expect("x").concat();
    let y: Vec<f64> = posterior.draws("y[2]").expect("y[2]").concat();
    let mut complaints = Complaints::default();
    check_continuous(&mut complaints, "x", "gamma(shape=2.5, rate=0.7)", &x);
    let noise: Vec<f64> = x.iter().zip(&y).map(|(x, y)| y - x).collect();
    check_continuous(&mut complaints, "y - x", "normal(0, 2)", &noise);
    let mut uniforms = Cumulative::of("gamma(shape=2.5, rate=0.7)").of_all(&x);
    let mean = 0.5;
    let product: f64 = uniforms
        .windows(2)
        .map(|pair| (pair[0] - mean) * (pair[1] - mean))
        .sum();
    let deviate = product * 12.0 / (uniforms.len() as f64).sqrt();
    assert!(deviate.abs() < 5.0, "draws follow one another: {deviate}");
    uniforms.sort_by(f64::total_cmp);
    uniforms.dedup();
    assert_eq!(uniforms.len(), 10_000);
}
