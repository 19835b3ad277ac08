//! Models whose density stays the same when components change places or signs change: chains stand in some of the copies of a
//! mode, and the bridge must count them all. The truth is summed over all assignments of observations to components, each a
//! closed form, or integrated on a grid.

use likelier::evidence::LogValue;
use likelier::{
    Dataset, Estimators, Evidence, EvidenceSettings, Model, Options, Settings, Verdict,
};
use serde_json::{Value, json};

const THREE: [f64; 10] = [-5.1, -6.4, -7.2, 0.3, -0.9, 1.1, 6.6, 7.9, 6.1, 7.4];

fn compile(text: &str, data: &Value) -> Model {
    let data = Dataset::from_json("data.json", &data.to_string()).expect("data");
    match Model::compile("model.ppl", text, &data, &Options::default()) {
        Ok(model) => model,
        Err(error) => panic!("{error}"),
    }
}

/// By the bridge alone, which is what symmetries mislead.
fn bridged(model: &Model, seed: u64) -> Evidence {
    let settings = EvidenceSettings {
        estimators: Estimators::Bridge,
        escalations: 0,
        seed,
        nuts: Settings {
            seed,
            ..Settings::default()
        },
        ..EvidenceSettings::default()
    };
    model.evidence(&settings).expect("an estimate")
}

fn assert_right(found: Option<LogValue>, truth: f64, what: &str) {
    let found = found.unwrap_or_else(|| panic!("{what}: no number"));
    let error = (found.value - truth).abs();
    assert!(
        error < (4.0 * found.se).max(0.01) && found.se < 0.03,
        "{what}: {found:?}, not {truth}"
    );
}

fn notes_with<'a>(evidence: &'a Evidence, text: &str) -> Vec<&'a String> {
    let notes = evidence.notes.iter();
    notes.filter(|note| note.contains(text)).collect()
}

/// log p(y) of a mixture of normal laws with scale 1, weights ~ dirichlet(ones) and means ~ normal(0, widths): the sum
/// over all assignments.
fn mixture(y: &[f64], widths: &[f64]) -> f64 {
    let (count, size) = (y.len(), widths.len());
    let tau = std::f64::consts::TAU;
    // Of the observations of one component: its mean is integrated out.
    let marginal = |n: f64, sum: f64, squares: f64, width: f64| {
        let variance = width * width;
        let determinant = 1.0 + n * variance;
        -0.5 * (n * tau.ln() + determinant.ln() + squares - variance * sum * sum / determinant)
    };
    // Of whole numbers.
    let log_gamma = |n: f64| -> f64 { (1..n as usize).map(|k| (k as f64).ln()).sum() };
    let mut total: f64 = 0.0;
    let mut assignment = vec![0; count];
    loop {
        let mut log = log_gamma(size as f64) - log_gamma((size + count) as f64);
        for (k, width) in widths.iter().enumerate() {
            let own = y.iter().zip(&assignment).filter(|(_, z)| **z == k);
            let (n, sum, squares) = own.fold((0.0, 0.0, 0.0), |(n, s, q), (y, _)| {
                (n + 1.0, s + y, q + y * y)
            });
            log += log_gamma(1.0 + n) + marginal(n, sum, squares, *width);
        }
        total += log.exp();
        let Some(place) = assignment.iter().position(|z| z + 1 < size) else {
            return total.ln();
        };
        assignment[place] += 1;
        assignment[..place].fill(0);
    }
}

/// Three components far apart: six copies of one mode, and four chains that stand in four of them at most.
#[test]
fn separated_components_are_counted_in_all_orders() {
    let truth = mixture(&THREE, &[3.0; 3]);
    let summed = "w ~ dirichlet([1, 1, 1])\nmu[1..3] ~ normal(0, 3)\n\
                  y[i in 1..N] ~ mixture(w, [normal(mu[k], 1) for k in 1..3])\n";
    let discrete = "w ~ dirichlet([1, 1, 1])\nfor k in 1..3 { mu[k] ~ normal(0, 3) }\n\
                    for i in 1..10 {\n  z[i] ~ categorical(w)\n  y[i] ~ normal(mu[z[i]], 1)\n}\n";
    for text in [summed, discrete] {
        let model = compile(text, &json!({"y": THREE}));
        for seed in 1..=4 {
            let evidence = bridged(&model, seed);
            assert_right(evidence.log_evidence, truth, &format!("seed {seed}"));
            let notes = notes_with(&evidence, "the 3 components of `w` and `mu` change places");
            assert_eq!(notes.len(), 1, "{:?}", evidence.notes);
            assert!(notes[0].contains("`mu[1]` < `mu[2]` < `mu[3]`, 6 times"));
        }
    }
}

/// Of three components two have the same prior.
#[test]
fn only_components_that_are_alike_change_places() {
    let widths = [3.0, 5.0, 3.0];
    let text = "given s: real[3]\nw ~ dirichlet([1, 1, 1])\nfor k in 1..3 { mu[k] ~ normal(0, s[k]) }\n\
                y[i in 1..N] ~ mixture(w, [normal(mu[k], 1) for k in 1..3])\n";
    let model = compile(text, &json!({"y": THREE, "s": widths}));
    let evidence = bridged(&model, 1);
    assert_eq!(
        notes_with(
            &evidence,
            "components 1 and 3 of `w` and `mu` change places"
        )
        .len(),
        1,
        "{:?}",
        evidence.notes
    );
    // The remaining modes, of different mass, are no copies; chains that stand in several of them are told apart.
    let truth = mixture(&THREE, &widths);
    match evidence.verdict {
        Verdict::Single => assert_right(evidence.log_evidence, truth, "two alike"),
        _ => assert!(evidence.log_evidence.is_none()),
    }
}

/// Priors that hardly differ do differ: nothing can change places.
#[test]
fn components_that_differ_do_not_change_places() {
    let text = "given s: real[2]\nw ~ dirichlet([1, 1])\nfor k in 1..2 { mu[k] ~ normal(0, s[k]) }\n\
                y[i in 1..N] ~ mixture(w, [normal(mu[k], 1) for k in 1..2])\n";
    let model = compile(text, &json!({"y": &THREE[..6], "s": [3.0, 3.001]}));
    let evidence = bridged(&model, 1);
    assert!(notes_with(&evidence, "stays the same").is_empty());
}

/// b ↦ −b: two modes.
#[test]
fn both_signs_are_counted() {
    let model = compile("b ~ normal(0, 2)\ny ~ normal(b^2, 0.3)\n", &json!({"y": 6}));
    let (cells, width) = (200_000, 20.0 / 200_000.0);
    let density = |b: f64| {
        let prior = -0.5 * (b / 2.0).powi(2) - 2.0_f64.ln();
        let likelihood = -0.5 * ((6.0 - b * b) / 0.3).powi(2) - 0.3_f64.ln();
        (prior + likelihood).exp() / std::f64::consts::TAU
    };
    let integral: f64 = (0..cells)
        .map(|cell| width * density(-10.0 + (cell as f64 + 0.5) * width))
        .sum();
    for seed in 1..=8 {
        let evidence = bridged(&model, seed);
        assert_right(
            evidence.log_evidence,
            integral.ln(),
            &format!("seed {seed}"),
        );
        assert_eq!(notes_with(&evidence, "`b` changes its sign").len(), 1);
    }
}

/// Data that lie symmetrically about zero: means may change places, or change their signs, and after either the other is a copy.
/// Both at once have no common choice of one copy in four, and each alone counts all.
#[test]
fn moves_that_do_the_same_are_counted_once() {
    let model = compile(
        "mu[1..2] ~ normal(0, 3)\ny[i in 1..N] ~ mixture([0.5, 0.5], [normal(mu[k], 1) for k in 1..2])\n",
        &json!({"y": [-4, 4]}),
    );
    // log p(y): both from one component (two ways), or from different ones (two ways).
    let tau = std::f64::consts::TAU;
    let together = -tau.ln() - 0.5 * 19.0_f64.ln() - 16.0;
    let apart = -tau.ln() - 10.0_f64.ln() - 16.0 / 10.0;
    let truth = (0.5 * (together.exp() + apart.exp())).ln();
    for seed in 1..=4 {
        let evidence = bridged(&model, seed);
        assert_right(evidence.log_evidence, truth, &format!("seed {seed}"));
        assert_eq!(notes_with(&evidence, "stays the same").len(), 1);
    }
}

/// Loadings and scores of a factor change their signs together; the same law with the scores integrated out has the same
/// evidence, and only the loadings to change.
#[test]
fn a_factor_has_two_signs() {
    let y = [
        [1.31, -0.92, 0.61],
        [-0.42, 0.61, -0.44],
        [2.15, -1.21, 0.95],
        [-1.62, 1.27, -0.61],
        [0.35, 0.12, 0.43],
        [-1.11, 0.55, -0.94],
        [0.94, -0.77, 0.18],
        [1.85, -1.42, 1.21],
    ];
    let data = json!({"y": y, "N": 8});
    let with_scores = "loading[1..3] ~ normal(0, 1)\nscore[1..N] ~ normal(0, 1)\nsigma ~ exponential(rate=2)\n\
                       for n in 1..N { for p in 1..3 { y[n, p] ~ normal(loading[p] * score[n], sigma) } }\n";
    let without = "loading[1..3] ~ normal(0, 1)\nsigma ~ exponential(rate=2)\n\
                   let cov = [[loading[p] * loading[q] + (if p == q { sigma^2 } else { 0 }) for q in 1..3] for p in 1..3]\n\
                   for n in 1..N { y[n] ~ multi_normal([0, 0, 0], cov=cov) }\n";
    let [one, other] = [with_scores, without].map(|text| bridged(&compile(text, &data), 1));
    assert_eq!(
        notes_with(&one, "`loading` and `score` change their signs").len(),
        1,
        "{:?}",
        one.notes
    );
    assert_eq!(notes_with(&other, "`loading` changes its sign").len(), 1);
    let truth = other.log_evidence.expect("a number");
    assert!(truth.se < 0.01);
    assert_right(one.log_evidence, truth.value, "with scores");
}

/// The states of a hidden Markov chain: rows and columns of its transitions change places with what each state emits.
#[test]
fn states_of_a_hidden_chain_change_places() {
    let y = [-3.1, -2.4, -2.9, 3.2, 2.6, 3.3, 2.8, -2.7, -3.4, 3.1];
    let text = "for k in 1..2 { move[k] ~ dirichlet([1, 1]) }\nmu[1..2] ~ normal(0, 3)\n\
                z[1] ~ categorical([0.5, 0.5])\nfor t in 2..10 { z[t] ~ categorical(move[z[t - 1]]) }\n\
                for t in 1..10 { y[t] ~ normal(mu[z[t]], 0.5) }\n";
    let model = compile(text, &json!({"y": y}));
    let evidence = model
        .evidence(&EvidenceSettings::default())
        .expect("an estimate");
    assert_eq!(evidence.verdict, Verdict::Agree, "{:?}", evidence.notes);
    let notes = notes_with(
        &evidence,
        "the 2 components of `move` and `mu` change places",
    );
    assert_eq!(notes.len(), 1, "{:?}", evidence.notes);
}

/// Chains that differ in names alone are not run again, and the verdict says what they differ in.
#[test]
fn chains_that_differ_in_names_are_told_so() {
    let text = "w ~ dirichlet([1, 1, 1])\nmu[1..3] ~ normal(0, 3)\n\
                y[i in 1..N] ~ mixture(w, [normal(mu[k], 1) for k in 1..3])\n";
    let model = compile(text, &json!({"y": THREE}));
    let posterior = model.sample(&Settings::default()).expect("draws");
    assert!(!posterior.health.ok && posterior.health.in_copies);
    assert!(posterior.discarded_run.is_none());
    let sentences = &posterior.health.sentences;
    assert_eq!(sentences.len(), 1, "{sentences:?}");
    assert!(
        sentences[0]
            .contains("With `mu[1]` < `mu[2]` < `mu[3]` in all draws R-hat is at most 1.00")
    );
}

/// Rows of a square that change their signs together are columns that do: together they make eight copies, not sixteen, and no
/// number may come of a count that is wrong.
#[test]
fn moves_that_meet_are_not_multiplied() {
    let model = compile(
        "x[1..2, 1..2] ~ normal(0, 1)\ny ~ normal(x^2, 0.2)\np ~ normal(x[1,1] * x[1,2] * x[2,1] * x[2,2], 0.5)\n",
        &json!({"y": [[1.0, 1.5], [1.2, 0.9]], "p": 1.2}),
    );
    // Each x is near ±√y, and its density is of x²: a grid over sizes, with the signs summed over.
    let normal =
        |x: f64, sd: f64| (-0.5 * (x / sd) * (x / sd)).exp() / (sd * std::f64::consts::TAU.sqrt());
    let (cells, width) = (60, 2.0 / 60.0);
    let column = |y: f64| -> Vec<(f64, f64)> {
        let of_cell = |cell: usize| {
            let x = (cell as f64 + 0.5) * width;
            (x, width * normal(x, 1.0) * normal(y - x * x, 0.2))
        };
        (0..cells).map(of_cell).collect()
    };
    let product = |a: &[(f64, f64)], b: &[(f64, f64)]| -> Vec<(f64, f64)> {
        let with = |(x, v): &(f64, f64)| b.iter().map(|(z, w)| (x * z, v * w)).collect::<Vec<_>>();
        a.iter().flat_map(with).collect()
    };
    let top = product(&column(1.0), &column(1.5));
    let bottom = product(&column(1.2), &column(0.9));
    let total: f64 = top
        .iter()
        .flat_map(|(a, v)| bottom.iter().map(move |(b, w)| (a * b, v * w)))
        .map(|(p, weight)| 8.0 * weight * (normal(1.2 - p, 0.5) + normal(1.2 + p, 0.5)))
        .sum();
    for seed in 1..=3 {
        if let Some(found) = bridged(&model, seed).log_evidence {
            let error = (found.value - total.ln()).abs();
            assert!(
                error < 4.0 * found.se,
                "seed {seed}: {found:?}, not {}",
                total.ln()
            );
        }
    }
}

/// The prior with its constraints has the copies that the posterior has.
#[test]
fn constraints_are_normalised_over_all_copies() {
    let text = "x ~ normal(0, 5)\nz[1..3] ~ normal(0, 5)\nsoft sq: x^2 ~= 9 within 0.05\n\
                soft zz: z[i] ~= 2 within 0.1 for i in 1..3\ny ~ normal(x^2 + z[1] + z[2] + z[3], 1)\n";
    let model = compile(text, &json!({"y": 15.5}));
    let normal = |x: f64, variance: f64| {
        (-0.5 * x * x / variance).exp() / (variance * std::f64::consts::TAU).sqrt()
    };
    // Of one z under its constraint: a normal law, whose mean and variance are those of two laws multiplied.
    let variance = 1.0 / (1.0 / 25.0 + 1.0 / 0.01);
    let mean = variance * 2.0 / 0.01;
    let width = 1e-5;
    let (mut constrained, mut joint) = (0.0, 0.0);
    for cell in 0..200_000 {
        let x = 2.0 + (f64::from(cell) + 0.5) * width;
        let weight = normal(x, 25.0) * (-0.5 * ((x * x - 9.0) / 0.05).powi(2)).exp();
        constrained += weight;
        joint += weight * normal(15.5 - x * x - 3.0 * mean, 1.0 + 3.0 * variance);
    }
    for seed in [1, 5] {
        let evidence = bridged(&model, seed);
        let truth = (joint / constrained).ln();
        assert_right(evidence.log_evidence, truth, &format!("seed {seed}"));
    }
}

/// What looks the same nearly everywhere is not: a tenth of the posterior knows which of two means is the first.
#[test]
fn a_symmetry_that_breaks_in_a_part_is_none() {
    let text = "mu[1..2] ~ uniform(-40, 3.3)\ny[1..N] ~ mixture([0.5, 0.5], [normal(mu[k], 1) for k in 1..2])\n\
                dose ~ normal(max(mu[1] - 3, 0), 0.05)\n";
    let data = json!({"y": [-2.87, -3.13, -2.36, -2.9, -3.54, -2.64, -1.7, -2.05, -3.7, -4.27, -3.62, -2.96, 0.57, 2.68, 1.65, 2.17, 2.36, 2.58, 3.31, 3.94, 2.77, 4.27, 2.23, 3.25], "dose": 0.0});
    for seed in 1..=4 {
        let evidence = bridged(&compile(text, &data), seed);
        assert!(
            notes_with(&evidence, "stays the same").is_empty(),
            "seed {seed}"
        );
    }
}
