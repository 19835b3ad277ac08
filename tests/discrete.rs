//! Discrete unknowns against brute force: random small models whose density is computed here a second time, by adding up
//! every combination of the values of every discrete unknown. Plates, chains, stars, trees and cliques come from random
//! index data; some latent variables are continuous and depend on discrete ones, so that both parts of the density have a
//! sum of their own.

use likelier::{Dataset, Model, Options, PointDensity};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn real(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64 * 4.0 - 2.0
    }

    fn reals(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| (self.real() * 1e4).round() / 1e4).collect()
    }
}

/// A random model: discrete z[1..n] in a tree, observations of one or two of them each.
struct Case {
    /// Number of values of each.
    values: usize,
    /// Parent of each but the first (from 1); none for a plate.
    parents: Option<Vec<usize>>,
    /// Which one or two elements each observation depends on (from 1).
    first: Vec<usize>,
    second: Option<Vec<usize>>,
    y: Vec<f64>,
    /// Whether a continuous latent variable stands between: theta[i] ~ normal(mu[z[i]], 1), y on theta too.
    continuous: bool,
    /// Whether a factor couples the first few elements.
    coupled: usize,
    /// Which elements of z the data hold (0 where they do not).
    known: Vec<usize>,
}

impl Case {
    fn random(dice: &mut Dice) -> Case {
        let n = 1 + dice.below(6);
        let values = 2 + dice.below(2);
        let shape = dice.below(4);
        let parents = (shape > 0 && n > 1).then(|| {
            (2..=n)
                .map(|i| match shape {
                    1 => i - 1,
                    2 => 1,
                    _ => 1 + dice.below(i - 1),
                })
                .collect()
        });
        let m = 1 + dice.below(8);
        let regular = dice.below(3) == 0;
        let m = if regular { n } else { m };
        let pick = |dice: &mut Dice, i: usize| if regular { i + 1 } else { 1 + dice.below(n) };
        let first = (0..m).map(|i| pick(dice, i)).collect();
        let second = (dice.below(3) == 0).then(|| (0..m).map(|_| 1 + dice.below(n)).collect());
        let is_known = dice.below(3) == 0;
        let known = (0..n)
            .map(|_| match is_known && dice.below(2) == 0 {
                true => 1 + dice.below(values),
                false => 0,
            })
            .collect();
        Case {
            values,
            parents,
            first,
            second,
            y: dice.reals(m),
            continuous: dice.below(4) == 0,
            coupled: if dice.below(6) == 0 { n.min(3) } else { 0 },
            known,
        }
    }

    fn n(&self) -> usize {
        self.known.len()
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "given first: int[M]\nmu[1..K] ~ normal(0, 1)\nw[1..K] ~ normal(0, 1)\na[1..K, 1..K] ~ normal(0, 1)\n",
        );
        match &self.parents {
            None => text += "z[1..N] ~ categorical(logits=w)\n",
            Some(_) => {
                text += "given parent: int[N]\nz[1] ~ categorical(logits=w)\n";
                text += "for i in 2..N { z[i] ~ categorical(logits=a[z[parent[i]]]) }\n";
            }
        }
        let shift = match &self.second {
            Some(_) => {
                text += "given second: int[M]\n";
                " + 0.5 * mu[z[second[j]]] * w[z[first[j]]]"
            }
            None => "",
        };
        let mut theta = "";
        if self.continuous {
            text += "theta[i in 1..N] ~ normal(mu[z[i]], 1)\n";
            theta = " + theta[first[j]]";
        }
        text += &format!(
            "let m = [mu[z[first[j]]]{theta} for j in 1..M]\ny[j in 1..M] ~ normal(m[j]{shift}, 0.7)\n"
        );
        if self.coupled > 0 {
            text += &format!(
                "factor -0.3 * (sum(z[i] for i in 1..{}) - w[1])^2\n",
                self.coupled
            );
        }
        text
    }

    fn data(&self) -> String {
        let mut data = serde_json::json!({
            "K": self.values, "N": self.n(), "M": self.y.len(), "first": self.first, "y": self.y,
        });
        if let Some(parents) = &self.parents {
            let all: Vec<usize> = [1].iter().chain(parents).copied().collect();
            data["parent"] = serde_json::json!(all);
        }
        if self.known.iter().any(|z| *z > 0) {
            let cell = |z: &usize| match z {
                0 => serde_json::Value::Null,
                z => serde_json::json!(z),
            };
            data["z"] = self.known.iter().map(cell).collect();
        }
        if let Some(second) = &self.second {
            data["second"] = serde_json::json!(second);
        }
        data.to_string()
    }

    /// Prior and likelihood part at (mu, w, a, theta).
    fn parts(&self, mu: &[f64], w: &[f64], a: &[f64], theta: &[f64]) -> (f64, f64) {
        let k = self.values;
        let continuous: f64 = mu
            .iter()
            .chain(w)
            .chain(a)
            .map(|x| normal(*x, 0.0, 1.0))
            .sum();
        let (mut priors, mut joints) = (Vec::new(), Vec::new());
        let n = self.n();
        for code in 0..k.pow(n as u32) {
            let z: Vec<usize> = (0..n).map(|i| code / k.pow(i as u32) % k).collect();
            if (0..n).any(|i| self.known[i] > 0 && self.known[i] != z[i] + 1) {
                continue;
            }
            let (mut prior, mut likelihood) = (0.0, 0.0);
            for i in 0..n {
                let logits = match &self.parents {
                    Some(parents) if i > 0 => {
                        let parent = z[parents[i - 1] - 1];
                        &a[parent * k..(parent + 1) * k]
                    }
                    _ => w,
                };
                let own = logits[z[i]] - log_sum_exp(logits);
                match self.known[i] {
                    0 => prior += own,
                    _ => likelihood += own,
                }
                if self.continuous {
                    prior += normal(theta[i], mu[z[i]], 1.0);
                }
            }
            for (j, y) in self.y.iter().enumerate() {
                let one = self.first[j] - 1;
                let mut mean = mu[z[one]];
                if self.continuous {
                    mean += theta[one];
                }
                if let Some(second) = &self.second {
                    mean += 0.5 * mu[z[second[j] - 1]] * w[z[one]];
                }
                likelihood += normal(*y, mean, 0.7);
            }
            if self.coupled > 0 {
                let sum: usize = z[..self.coupled].iter().map(|z| z + 1).sum();
                likelihood -= 0.3 * (sum as f64 - w[0]).powi(2);
            }
            priors.push(prior);
            joints.push(prior + likelihood);
        }
        let prior = log_sum_exp(&priors);
        (continuous + prior, log_sum_exp(&joints) - prior)
    }
}

fn normal(x: f64, mean: f64, sd: f64) -> f64 {
    let z = (x - mean) / sd;
    -0.5 * z * z - sd.ln() - 0.918_938_533_204_672_7
}

fn log_sum_exp(x: &[f64]) -> f64 {
    let m = x.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    m + x.iter().map(|x| (x - m).exp()).sum::<f64>().ln()
}

fn at(model: &Model, case: &Case, flat: &[f64]) -> PointDensity {
    let k = case.values;
    let (mu, rest) = flat.split_at(k);
    let (w, rest) = rest.split_at(k);
    let (a, theta) = rest.split_at(k * k);
    let rows: Vec<&[f64]> = a.chunks(k).collect();
    let mut point = serde_json::json!({"mu": mu});
    let names: Vec<&str> = model
        .compiled
        .inferred
        .iter()
        .map(|v| v.name.as_str())
        .collect();
    for (name, value) in [
        ("w", serde_json::json!(w)),
        ("a", serde_json::json!(rows)),
        ("theta", serde_json::json!(theta)),
    ] {
        if names.contains(&name) {
            point[name] = value;
        }
    }
    let point = Dataset::from_json("point", &point.to_string()).expect("a point");
    model.density_at(&point).expect("a density")
}

#[test]
fn random_models_agree_with_enumeration() {
    let mut dice = Dice(7);
    let mut kinds = std::collections::BTreeMap::new();
    for number in 0..220 {
        let case = Case::random(&mut dice);
        let (text, data) = (case.text(), case.data());
        let dataset = Dataset::from_json("data.json", &data).expect("data");
        let model = Model::compile("case.ppl", &text, &dataset, &Options::default())
            .unwrap_or_else(|error| panic!("case {number}: {error}\n{text}{data}"));
        let k = case.values;
        let simulated = |name: &str| !model.compiled.inferred.iter().any(|v| v.name == name);
        let count = 2 * k + k * k + if case.continuous { case.n() } else { 0 };
        let point = dice.reals(count);
        let density = at(&model, &case, &point);
        let parts = |point: &[f64]| {
            let (mu, rest) = point.split_at(k);
            let (w, rest) = rest.split_at(k);
            let (a, theta) = rest.split_at(k * k);
            let (mut prior, likelihood) = case.parts(mu, w, a, theta);
            // What nothing depends on is simulated and has no density.
            for (name, values) in [("w", w), ("a", a)] {
                if simulated(name) {
                    prior -= values.iter().map(|x| normal(*x, 0.0, 1.0)).sum::<f64>();
                }
            }
            (prior, likelihood)
        };
        let (prior, likelihood) = parts(&point);
        let near =
            |found: f64, expected: f64| (found - expected).abs() <= 1e-10 * (1.0 + expected.abs());
        assert!(
            near(density.prior, prior) && near(density.likelihood, likelihood),
            "case {number}: prior {} for {prior}, likelihood {} for {likelihood}\n{text}{data}",
            density.prior,
            density.likelihood
        );
        // All unknowns are on the real line, so the gradient is that of the same numbers.
        let mut moved = point.clone();
        let mut coordinates = Vec::new();
        for i in 0..count {
            let name = if i < k {
                "mu"
            } else if i < 2 * k {
                "w"
            } else if i < 2 * k + k * k {
                "a"
            } else {
                "theta"
            };
            if !simulated(name) {
                coordinates.push(i);
            }
        }
        for (i, &slope) in coordinates.iter().zip(&density.gradient) {
            let h = 2e-4;
            let mut total = |shift: f64| {
                moved[*i] = point[*i] + shift;
                let (prior, likelihood) = parts(&moved);
                moved[*i] = point[*i];
                prior + likelihood
            };
            let expected =
                (8.0 * (total(h) - total(-h)) - (total(2.0 * h) - total(-2.0 * h))) / (12.0 * h);
            assert!(
                (slope - expected).abs() <= 2e-8 * (1.0 + expected.abs()),
                "case {number}, coordinate {i}: {slope} for {expected}\n{text}{data}"
            );
        }
        let kind = (
            case.parents.is_some(),
            case.second.is_some(),
            case.continuous,
            case.coupled > 0,
            case.known.iter().any(|z| *z > 0),
        );
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert!(kinds.len() >= 20, "{kinds:?}");
}

/// With constraints, each part has what it changes of the log of the sum over the values; here the eight combinations are
/// added up one by one.
#[test]
fn constraints_on_discrete_unknowns_weigh_their_values() {
    let text = "p ~ beta(2, 2)
z[1..3] ~ bernoulli(p)
mu ~ normal(0, 2)
soft near: mu ~= z[1] + z[2] within 0.7
soft few: penalty 1.5 * (z[1] * z[2] + z[2] * z[3])
require z[1] + z[2] + z[3] > 0
soft plain: mu < 1 within 0.5
y[i in 1..3] ~ normal(mu + z[i], 1)
";
    let y = [0.4, 1.9, -0.3];
    let data = Dataset::from_json("data.json", r#"{"y": [0.4, 1.9, -0.3]}"#).expect("data");
    let model = Model::compile("model.ppl", text, &data, &Options::default());
    let model = model.unwrap_or_else(|error| panic!("{error}"));
    // log Σ with the parts up to one of: laws, near, few, require, likelihood.
    let sum = |p: f64, mu: f64, parts: usize| -> f64 {
        let mut total = 0.0;
        for value in 0..8 {
            let z = [value & 1, value >> 1 & 1, value >> 2].map(f64::from);
            let mut log: f64 = z
                .iter()
                .map(|z| z * p.ln() + (1.0 - z) * (1.0 - p).ln())
                .sum();
            if parts > 0 {
                log -= 0.5 * ((mu - z[0] - z[1]) / 0.7).powi(2);
            }
            if parts > 1 {
                log -= 1.5 * (z[0] * z[1] + z[1] * z[2]);
            }
            if parts > 2 && value == 0 {
                log = f64::NEG_INFINITY;
            }
            if parts > 3 {
                for (y, z) in y.iter().zip(z) {
                    log -= 0.5 * (y - mu - z).powi(2) + 0.5 * std::f64::consts::TAU.ln();
                }
            }
            total += log.exp();
        }
        total.ln()
    };
    for (p, mu) in [(0.3, 0.2), (0.8, -1.5), (0.05, 3.0)] {
        let point = format!("{{\"p\": {p}, \"mu\": {mu}}}");
        let found = model
            .density_at(&Dataset::from_json("point.json", &point).expect("a point"))
            .expect("a density");
        let plain = -f64::exp((mu - 1.0) / 0.5).ln_1p();
        let part = |parts: usize| sum(p, mu, parts) - sum(p, mu, parts - 1);
        let expected = [part(1), part(2), part(3), plain, part(4)];
        let all = found.potentials.iter().chain([&found.likelihood]);
        for (found, expected) in all.zip(expected) {
            assert!(
                (found - expected).abs() < 1e-12 * expected.abs() + 1e-13,
                "{found} {expected}"
            );
        }
        // The gradient is that of the whole.
        let moved = |step: f64| {
            let one = model.compiled.density_at(&[p, mu + step]);
            one.prior + one.jacobian + one.soft + one.likelihood
        };
        let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!(
            (slope - found.gradient[1]).abs() < 1e-7,
            "{slope} {:?}",
            found.gradient
        );
    }
}
