//! Diagnostics against ArviZ's own figures for stored draws.

use likelier_runtime::diagnose::{Evidence, e_bfmi, judge, rhat_text, summarise};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("an array")
        .iter()
        .map(|v| v.as_f64().expect("a number"))
        .collect()
}

#[test]
fn figures_are_those_of_arviz() {
    let file: Value = serde_json::from_str(include_str!("arviz_figures.json")).expect("valid JSON");
    let cases = file["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 6);
    for case in cases {
        let chains: Vec<Vec<f64>> = case["draws"]
            .as_array()
            .expect("chains")
            .iter()
            .map(numbers)
            .collect();
        let summary = summarise(&chains);
        let quantiles = numbers(&case["quantiles"]);
        let pairs = [
            ("rhat", summary.rhat, case["rhat"].as_f64()),
            ("ess_bulk", summary.ess_bulk, case["ess_bulk"].as_f64()),
            ("ess_tail", summary.ess_tail, case["ess_tail"].as_f64()),
            ("mcse_mean", summary.mcse_mean, case["mcse_mean"].as_f64()),
            ("q5", summary.q5, Some(quantiles[0])),
            ("q50", summary.q50, Some(quantiles[1])),
            ("q95", summary.q95, Some(quantiles[2])),
        ];
        for (figure, value, truth) in pairs {
            let truth = truth.expect("a number");
            assert!(
                (value - truth).abs() <= 1e-8 * truth.abs(),
                "{}: {figure} {value}, not {truth}",
                case["name"]
            );
        }
        for (chain, truth) in chains.iter().zip(numbers(&case["bfmi"])) {
            // ArviZ divides by n − 1 in the one place and n in the other.
            let n = chain.len() as f64;
            let ratio = e_bfmi(chain) / truth;
            let allowed = [1.0, n / (n - 1.0), (n - 1.0) / n];
            assert!(
                allowed.iter().any(|a| (ratio - a).abs() < 1e-9),
                "{}: E-BFMI ratio {ratio}",
                case["name"]
            );
        }
    }
}

#[test]
fn a_constant_has_no_rhat_but_a_mean() {
    let summary = summarise(&[vec![2.0; 50], vec![2.0; 50]]);
    assert_eq!(
        (summary.mean, summary.sd, summary.mcse_mean),
        (2.0, 0.0, 0.0)
    );
    assert!(summary.rhat.is_nan() && summary.ess_bulk.is_nan());
}

#[test]
fn what_varies_by_rounding_only_is_constant() {
    let rounded = |k: usize| 1.0 + (k % 3) as f64 * f64::EPSILON;
    let chain: Vec<f64> = (0..50).map(rounded).collect();
    let summary = summarise(&[chain.clone(), chain]);
    assert_eq!((summary.sd, summary.mcse_mean), (0.0, 0.0));
    assert!((summary.mean - 1.0).abs() < 1e-15 && summary.rhat.is_nan());
    let varying: Vec<f64> = (0..50).map(|k| 1.0 + (k % 3) as f64 * 1e-13).collect();
    assert!(summarise(&[varying.clone(), varying]).sd > 0.0);
}

#[test]
fn draws_without_end_are_no_constant() {
    for end in [f64::INFINITY, f64::NEG_INFINITY] {
        let mut chain: Vec<f64> = (0..50).map(f64::from).collect();
        chain[7] = end;
        let summary = summarise(&[chain.clone(), chain]);
        assert_eq!(summary.mean, end);
        assert!(summary.sd.is_nan() && summary.mcse_mean.is_nan());
    }
}

#[test]
fn what_cannot_be_judged_is_not_good() {
    let energies = [vec![1.0, 2.0, 1.5]];
    let evidence = Evidence {
        energies: &energies,
        divergences: 0,
        max_depth_hits: 0,
        draws: 3,
        target_accept: 0.8,
        of_unknown_width: None,
        draws_per_chain: 3,
        not_finite: Vec::new(),
        columns: vec![("mu", f64::NAN, f64::NAN)],
    };
    let health = judge(&evidence);
    assert!(!health.ok && health.sentences[0].contains("cannot be judged"));
    let enough = Evidence {
        draws_per_chain: 1000,
        columns: vec![("mu", 1.0, 900.0)],
        ..evidence
    };
    assert!(judge(&enough).ok);
    let undefined = Evidence {
        not_finite: vec!["r", "s"],
        ..enough
    };
    let health = judge(&undefined);
    assert!(!health.ok && health.sentences[0].starts_with("`r` (and 1 more)"));
}

#[test]
fn a_huge_rhat_is_just_huge() {
    let shown = [1.0034, 12.3, 1e15, f64::INFINITY, f64::NAN].map(rhat_text);
    assert_eq!(shown, ["1.003", "12", "> 100", "> 100", "–"]);
}
