//! Problems whose evidence is known exactly (`tests/evidence`, each with its `method` and the bound of its error): the
//! estimates must be right within their errors, and both methods must agree wherever both apply. The quick test runs
//! every kind of problem once; the slow ones (`--ignored`) run all variants with eight seeds, a hundred runs for coverage
//! of the errors, and two hundred frozen runs for unbiasedness.

use std::path::Path;

use likelier::evidence::LogValue;
use likelier::{Dataset, Estimators, Evidence, EvidenceSettings, Model, Options, Verdict};
use likelier_runtime::methods::smc;
use serde_json::{Map, Value, json};

/// One problem with one truth.
struct Case {
    name: String,
    model: &'static str,
    data: Value,
    log_evidence: f64,
    settings: EvidenceSettings,
    /// Whether a sound bridge can be expected.
    bridges: bool,
    /// The largest error that is good enough.
    widest: f64,
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/evidence"))
}

fn problem(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).expect("a problem");
    serde_json::from_str(&text).expect("JSON")
}

fn simple(name: &'static str) -> Case {
    let problem = problem(name);
    Case {
        name: name.to_owned(),
        model: name,
        data: problem["data"].clone(),
        log_evidence: problem["truth"]["log_evidence"].as_f64().expect("a truth"),
        settings: EvidenceSettings::default(),
        bridges: true,
        widest: 0.1,
    }
}

/// The same field of each object of an array.
fn column(rows: &Value, field: &str) -> Value {
    let rows = rows.as_array().expect("rows");
    rows.iter().map(|row| row[field].clone()).collect()
}

/// Two narrow modes of which the narrower holds 0.3 to 1 % of the mass along most of the path, where moves do not cross: how
/// many ancestors stand in it is what the answer is known by, so there are many, and each moves once. A quarter of a million leave an error
/// of 0.2 nats.
fn bimodal() -> Case {
    let mut case = simple("bimodal_20d");
    let components = &case.data["components"];
    case.data = json!({
        "D": 20, "w": column(components, "w"), "c": column(components, "c"), "s": column(components, "s"),
    });
    case.settings.estimators = Estimators::Smc;
    case.settings.replicates = 8;
    case.settings.ancestors = 32_768;
    case.settings.states = 1;
    case.settings.escalations = 0;
    case.bridges = false;
    case.widest = 0.3;
    case
}

fn shells() -> Vec<Case> {
    let problem = problem("gaussian_shells");
    let variants = problem["truth"]["variants"].as_array().expect("variants");
    let case = |variant: &Value| {
        let mut case = simple("gaussian_shells");
        let shells = &variant["shells"];
        case.name = format!("gaussian_shells {}", variant["name"]);
        case.data = json!({
            "D": variant["dim"], "centre": column(shells, "centre_x1"),
            "radius": column(shells, "radius"), "width": column(shells, "width"),
        });
        case.log_evidence = variant["log_evidence"].as_f64().expect("a truth");
        case.settings.estimators = Estimators::Smc;
        case.bridges = false;
        case
    };
    variants.iter().map(case).collect()
}

fn polynomials(file: &'static str) -> Vec<Case> {
    let problem = problem(file);
    let variants = problem["truth"]["variants"].as_array().expect("variants");
    let case = |variant: &Value| {
        let name = variant["name"].as_str().expect("a name");
        let words: Vec<&str> = name.split('_').collect();
        let shrink: f64 = match words[1].strip_prefix('g') {
            Some(base) => base.parse().expect("a base"),
            None => 1.0,
        };
        let degree: usize = words[words.len() - 1].parse().expect("a degree");
        Case {
            name: format!("{file} {name}"),
            model: "polynomial",
            data: json!({
                "x": problem["data"]["x"], "y": problem["data"]["y"], "degree": degree, "shrink": shrink,
            }),
            log_evidence: variant["log_evidence"].as_f64().expect("a truth"),
            settings: EvidenceSettings::default(),
            bridges: true,
            widest: 0.1,
        }
    };
    variants.iter().map(case).collect()
}

fn shrunk_polynomials() -> Vec<Case> {
    let problem = problem("polynomial_soft_inferred");
    let variants = problem["truth"]["variants"].as_array().expect("variants");
    let case = |variant: &Value| Case {
        name: format!("polynomial_soft_inferred {}", variant["name"]),
        model: "polynomial_soft_inferred",
        data: variant["data"].clone(),
        log_evidence: variant["log_evidence"].as_f64().expect("a truth"),
        settings: EvidenceSettings::default(),
        bridges: true,
        widest: 0.1,
    };
    variants.iter().map(case).collect()
}

/// One case of each kind.
fn kinds() -> Vec<Case> {
    let names = [
        "beta_binomial",
        "eight_schools",
        "finite_mixture_2",
        "gamma_poisson",
        "gp_fixed",
        "gp_hyperparameters",
        "hmm3",
        "lgssm",
        "lgssm_unknown_a",
        "normal_mean",
    ];
    let mut cases: Vec<Case> = names.into_iter().map(simple).collect();
    let mut dirichlet = simple("dirichlet_multinomial");
    dirichlet.data["alpha"] = json!([1, 1, 1, 2, 0.5, 0.5]);
    cases.push(dirichlet);
    cases.extend(shells());
    cases
}

fn compile(case: &Case) -> Model {
    let path = folder().join(format!("{}.ppl", case.model));
    let text = std::fs::read_to_string(path).expect("a model");
    // Keys that no model names say what the problem is, not what was measured.
    let data: Map<String, Value> = case.data.as_object().expect("an object").clone();
    let data = Dataset::from_json("data.json", &Value::Object(data).to_string()).expect("data");
    match Model::compile(case.model, &text, &data, &Options::default()) {
        Ok(model) => model,
        Err(error) => panic!("{}: {error}", case.name),
    }
}

/// Runs a case with a seed; what is wrong with the answer.
fn complaint(case: &Case, model: &Model, seed: u64) -> Option<String> {
    let mut settings = case.settings.clone();
    (settings.seed, settings.nuts.seed) = (seed, seed);
    let evidence = model.evidence(&settings).expect("an estimate");
    let off = |name: &str, value: LogValue| {
        let error = value.value - case.log_evidence;
        (error.abs() > (4.0 * value.se).max(0.02)).then(|| {
            format!(
                "{}, seed {seed}: {name} is off by {error:.3} ± {:.3}",
                case.name, value.se
            )
        })
    };
    let smc = evidence.smc.as_ref().map(|smc| LogValue {
        value: smc.evidence.log,
        se: smc.evidence.error,
    });
    let bridge = evidence
        .bridge
        .as_ref()
        .filter(|_| case.bridges)
        .map(|bridge| bridge.evidence);
    let verdict = verdict(case, &evidence);
    let wide = |value: LogValue| {
        (value.se > case.widest)
            .then(|| format!("{}, seed {seed}: the error is {:.3}", case.name, value.se))
    };
    verdict
        .map(|text| format!("{}, seed {seed}: {text}", case.name))
        .or_else(|| smc.and_then(|value| off("SMC", value)))
        .or_else(|| bridge.and_then(|value| off("bridge", value)))
        .or_else(|| {
            evidence
                .log_evidence
                .and_then(|value| off("the answer", value))
        })
        .or_else(|| evidence.log_evidence.and_then(wide))
}

fn verdict(case: &Case, evidence: &Evidence) -> Option<String> {
    let right = match evidence.verdict {
        Verdict::Exact => true,
        Verdict::Agree => case.bridges,
        Verdict::Single => case.settings.estimators != Estimators::Both,
        Verdict::Unreliable => false,
    };
    (!right).then(|| format!("{:?}: {}", evidence.verdict, evidence.notes.join(" ")))
}

fn check(cases: &[Case], seeds: std::ops::RangeInclusive<u64>) {
    let mut complaints = Vec::new();
    let mut count = 0;
    for case in cases {
        let model = compile(case);
        for seed in seeds.clone() {
            count += 1;
            let found = complaint(case, &model, seed);
            found.iter().for_each(|text| eprintln!("{text}"));
            complaints.extend(found);
        }
        eprintln!("{}: done", case.name);
    }
    assert!(
        complaints.is_empty(),
        "{} of {count}:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

#[test]
fn every_kind_of_problem_is_right_once() {
    check(&kinds(), 1..=1);
}

#[test]
#[ignore = "runs for minutes: eight seeds"]
fn every_kind_of_problem_is_right_with_eight_seeds() {
    check(&kinds(), 1..=8);
}

#[test]
#[ignore = "runs for minutes: all polynomials with eight seeds"]
fn polynomials_are_right_with_eight_seeds() {
    let mut cases = polynomials("polynomial_order");
    cases.extend(polynomials("polynomial_smooth_nonpoly"));
    cases.extend(shrunk_polynomials());
    check(&cases, 1..=8);
}

#[test]
#[ignore = "runs for half an hour: eight seeds of a quarter of a million particles each"]
fn two_modes_are_right_with_eight_seeds() {
    check(&[bimodal()], 1..=8);
}

/// The same with four times as many particles, which is what the masses of its modes need.
#[test]
#[ignore = "runs for minutes: a million particles"]
fn both_modes_have_their_mass() {
    let mut case = bimodal();
    case.settings.replicates = 32;
    case.widest = 0.12;
    let evidence = compile(&case)
        .evidence(&case.settings)
        .expect("an estimate");
    let smc = evidence.smc.expect("SMC");
    let (mut narrow, mut all) = (0.0, 0.0);
    for replicate in &smc.replicates {
        let weight = (replicate.evidence.log - smc.evidence.log).exp();
        let rows = replicate.posterior.positions.chunks(20);
        let count = rows.filter(|row| row.iter().sum::<f64>() > 0.0).count();
        narrow += weight * count as f64;
        all += weight * replicate.posterior.count() as f64;
    }
    eprintln!("the narrow mode has a mass of {:.3}", narrow / all);
    // The mass is known as well as the evidence: its logarithm's error times the mass of the other mode.
    let error = smc.evidence.error * 0.7 * 0.3;
    assert!((narrow / all - 0.7).abs() < 4.0 * error && smc.evidence.error < case.widest);
    assert_eq!(evidence.verdict, Verdict::Single);
}

/// With the defaults, a problem that is built to mislead gets the right answer or none.
#[test]
#[ignore = "runs for minutes: twelve seeds"]
fn no_seed_is_misled() {
    let mut case = bimodal();
    case.settings = EvidenceSettings::default();
    let model = compile(&case);
    for seed in 1..=12 {
        (case.settings.seed, case.settings.nuts.seed) = (seed, seed);
        let evidence = model.evidence(&case.settings).expect("an estimate");
        eprintln!(
            "seed {seed}: {:?} {:?}",
            evidence.verdict, evidence.log_evidence
        );
        let far = |value: LogValue| (value.value - case.log_evidence).abs() > 4.0 * value.se;
        assert!(!evidence.log_evidence.is_some_and(far), "seed {seed}");
    }
}

/// As above, once.
#[test]
fn what_cannot_be_told_is_not_told() {
    let mut case = bimodal();
    case.settings = EvidenceSettings {
        escalations: 0,
        ..EvidenceSettings::default()
    };
    let evidence = compile(&case)
        .evidence(&case.settings)
        .expect("an estimate");
    match evidence.log_evidence {
        None => assert_eq!(evidence.verdict, Verdict::Unreliable),
        Some(value) => assert!((value.value - case.log_evidence).abs() < 4.0 * value.se),
    }
}

#[test]
fn a_program_without_unknowns_is_exact() {
    let case = simple("hmm3");
    let evidence = compile(&case)
        .evidence(&case.settings)
        .expect("an estimate");
    assert_eq!(evidence.verdict, Verdict::Exact);
    let value = evidence.log_evidence.expect("a number").value;
    assert!((value - case.log_evidence).abs() < 1e-9, "{value}");
}

#[test]
fn numbers_do_not_depend_on_threads() {
    let case = simple("eight_schools");
    let model = compile(&case);
    let run = |threads| {
        let mut settings = case.settings.clone();
        settings.threads = Some(threads);
        settings.nuts.draws = 200;
        settings.escalations = 0;
        let evidence = model.evidence(&settings).expect("an estimate");
        let (smc, bridge) = (
            evidence.smc.expect("SMC"),
            evidence.bridge.expect("a bridge"),
        );
        (smc.evidence.log.to_bits(), bridge.evidence.value.to_bits())
    };
    assert!(run(1) == run(2) && run(2) == run(8));
}

/// Over a hundred runs the claimed error covers: |error| < 2 se in 85 to 100 of them.
#[test]
#[ignore = "runs for minutes: a hundred runs of three problems"]
fn errors_cover() {
    for name in ["normal_mean", "eight_schools", "gamma_poisson"] {
        let case = simple(name);
        let model = compile(&case);
        let (mut by_smc, mut by_bridge, mut by_both) = (0, 0, 0);
        for seed in 1..=100 {
            let mut settings = case.settings.clone();
            (settings.seed, settings.nuts.seed) = (seed, seed);
            let evidence = model.evidence(&settings).expect("an estimate");
            let covers = |value: LogValue| {
                usize::from((value.value - case.log_evidence).abs() < 2.0 * value.se)
            };
            let smc = evidence.smc.as_ref().expect("SMC").evidence;
            by_smc += covers(LogValue {
                value: smc.log,
                se: smc.error,
            });
            by_bridge += covers(evidence.bridge.as_ref().expect("a bridge").evidence);
            by_both += evidence.log_evidence.map_or(0, covers);
        }
        eprintln!(
            "{name}: SMC covers in {by_smc}, bridge in {by_bridge}, both together in {by_both} of 100"
        );
        assert!(by_smc >= 85 && by_bridge >= 85 && by_both >= 85, "{name}");
    }
}

/// With a schedule and kernels fixed in advance, E[Ẑ/Z] = 1: checked within three standard errors.
#[test]
#[ignore = "runs for minutes: two hundred frozen runs of three problems"]
fn frozen_runs_are_unbiased() {
    for name in ["normal_mean", "gamma_poisson", "eight_schools"] {
        frozen(name, 200);
    }
}

#[test]
fn a_few_frozen_runs_are_unbiased() {
    frozen("normal_mean", 60);
}

fn frozen(name: &'static str, runs: usize) {
    let case = simple(name);
    let model = compile(&case);
    let settings = smc::Settings {
        replicates: 1,
        ..smc::Settings::default()
    };
    let target = &model.compiled.model;
    let found = smc::run(target, &settings, &smc::Watch::new(1), None).expect("a path");
    let frozen = smc::Settings {
        replicates: runs,
        first_replicate: 1,
        // Few particles, so that a bias of adaptation would show.
        chains: 8,
        length: 8,
        ..settings
    };
    let paths = vec![found[0].path.clone(); runs];
    let results = smc::run(target, &frozen, &smc::Watch::new(runs), Some(&paths)).expect("runs");
    let logs = results.iter().map(|r| r.evidence.log - case.log_evidence);
    check_mean(name, logs);
}

/// With sixteen particles, whose adaptation knows next to nothing.
#[test]
fn freezing_makes_small_runs_unbiased() {
    let case = simple("gamma_poisson");
    let model = compile(&case);
    let runs = |freeze| {
        let settings = EvidenceSettings {
            estimators: Estimators::Smc,
            replicates: 1000,
            ancestors: 4,
            states: 4,
            escalations: 0,
            freeze,
            ..EvidenceSettings::default()
        };
        let found = model.evidence(&settings).expect("an estimate").smc;
        found.expect("SMC").replicates
    };
    let (adaptive, frozen) = (runs(false), runs(true));
    check_mean(
        "gamma_poisson",
        frozen.iter().map(|r| r.evidence.log - case.log_evidence),
    );
    let powers = |run: &smc::Replicate| run.path.iter().map(|s| s.likelihood).collect::<Vec<_>>();
    for (adaptive, frozen) in adaptive.iter().zip(&frozen) {
        assert!(frozen.evaluations > adaptive.evaluations);
        assert_ne!(frozen.evidence.log, adaptive.evidence.log);
        assert_eq!(powers(frozen), powers(adaptive));
    }
}

/// Whether the mean of ratios is 1, within three of its standard errors, from their logarithms.
fn check_mean(name: &str, logs: impl Iterator<Item = f64>) {
    let ratios: Vec<f64> = logs.map(f64::exp).collect();
    let count = ratios.len() as f64;
    let mean = ratios.iter().sum::<f64>() / count;
    let variance = ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let error = (variance / count).sqrt();
    eprintln!("{name}: mean of Z/truth {mean:.3} ± {error:.3}");
    assert!((mean - 1.0).abs() < 3.0 * error, "{name}: {mean} ± {error}");
}

fn estimate(text: &str, data: Value) -> Evidence {
    let data = Dataset::from_json("data.json", &data.to_string()).expect("data");
    let model = match Model::compile("model.ppl", text, &data, &Options::default()) {
        Ok(model) => model,
        Err(error) => panic!("{error}"),
    };
    model
        .evidence(&EvidenceSettings::default())
        .expect("an estimate")
}

fn is_right(evidence: &Evidence, truth: f64) {
    let value = evidence.log_evidence.expect("a number");
    let error = (value.value - truth).abs();
    assert!(error < (4.0 * value.se).max(0.02), "{value:?}, not {truth}");
}

/// Half of the prior makes the likelihood no number; chains that step there are stopped, which is no divergence.
#[test]
fn a_border_inside_the_prior_does_no_harm() {
    let text = "a ~ normal(0, 1)\ny[1..3] ~ normal(sqrt(a), 1)\n";
    let y = [0.5, 1.2, 0.9];
    let evidence = estimate(text, json!({"y": y}));
    // By the midpoint rule over a = t², which leaves no root.
    let (steps, width) = (40_000, 3.0 / 40_000.0);
    let density = |t: f64| {
        let squares: f64 = y.iter().map(|y| (y - t).powi(2)).sum();
        2.0 * t * (-0.5 * (t.powi(4) + squares)).exp() / std::f64::consts::TAU.powi(2)
    };
    let integral: f64 = (0..steps)
        .map(|k| width * density((k as f64 + 0.5) * width))
        .sum();
    assert_eq!(evidence.verdict, Verdict::Agree, "{:?}", evidence.notes);
    is_right(&evidence, integral.ln());
}

/// A likelihood that is zero for all but one prior draw in a thousand: chains find no start, particles do.
#[test]
fn a_likelihood_that_is_nearly_everywhere_zero_is_integrated_by_particles() {
    let text = "a ~ normal(0, 10)\ny ~ uniform(a - 0.01, a + 0.01)\n";
    let evidence = estimate(text, json!({"y": 3}));
    assert_eq!(evidence.verdict, Verdict::Single, "{:?}", evidence.notes);
    let density: f64 = (-0.5 * 0.09_f64).exp() / (10.0 * std::f64::consts::TAU.sqrt());
    is_right(&evidence, density.ln());
}

/// Scales beyond what variances are kept within.
#[test]
fn enormous_scales_are_only_numbers() {
    let evidence = estimate(
        "mu ~ normal(0, 1e40)\ny ~ normal(mu, 1e35)\n",
        json!({"y": 1.5}),
    );
    assert_eq!(evidence.verdict, Verdict::Agree, "{:?}", evidence.notes);
    is_right(&evidence, -(1e40 * std::f64::consts::TAU.sqrt()).ln());
}
