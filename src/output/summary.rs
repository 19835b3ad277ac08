//! The summary of a run as JSON: estimates with their errors, settings, timings and health, for programs that read
//! results instead of people. The format is described in `docs/formats.md`; figures that do not exist are `null`.

use likelier_compiler::ColumnKind;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::contraction::contraction_value;
use super::evidence::ByProduct;
use super::{RunInfo, VERSION, document_text, rows};
use crate::contraction::Contraction;
use crate::posterior::{Chain, DiscardedRun, Health, InverseMetric, Posterior};
use crate::sampling::Settings;

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    format_version: u32,
    version: &'static str,
    model: &'a str,
    data: &'a [String],
    settings: Value,
    interrupted: bool,
    discarded_run: &'a Option<DiscardedRun>,
    notes: &'a [String],
    timings: Timings,
    health: &'a Health,
    evidence: Value,
    contraction: Value,
    chains: Vec<Value>,
    parameters: Map<String, Value>,
}

#[derive(Serialize)]
struct Timings {
    compile_seconds: f64,
    warmup_seconds: f64,
    sampling_seconds: f64,
    total_seconds: f64,
}

/// The text of a summary file, with a final line break.
pub fn summary_json(
    info: &RunInfo,
    posterior: &Posterior,
    evidence: &ByProduct,
    contraction: Option<&Contraction>,
) -> String {
    let (warmup, sampling) = posterior.times();
    let document = Document {
        format: "likelier-summary",
        format_version: 1,
        version: VERSION,
        model: &info.model,
        data: &info.data,
        settings: settings(info, &posterior.settings),
        interrupted: posterior.interrupted,
        discarded_run: &posterior.discarded_run,
        notes: &posterior.notes,
        timings: Timings {
            compile_seconds: info.compile_seconds,
            warmup_seconds: warmup.as_secs_f64(),
            sampling_seconds: sampling.as_secs_f64(),
            total_seconds: info.compile_seconds + posterior.sampling_time.as_secs_f64(),
        },
        health: &posterior.health,
        evidence: evidence.value(),
        contraction: contraction.map_or(Value::Null, contraction_value),
        chains: posterior.chains.iter().map(chain).collect(),
        parameters: rows(posterior)
            .enumerate()
            .map(|(position, (column, row))| {
                let mut value = json!(row);
                value["kind"] = super::kind_name(column.kind).into();
                if column.kind == ColumnKind::SummedOut {
                    let probabilities = posterior.probabilities(position).into_iter();
                    let named =
                        probabilities.map(|(value, share)| (value.to_string(), share.into()));
                    value["probabilities"] = Value::Object(named.collect());
                }
                (column.name.clone(), value)
            })
            .collect(),
    };
    document_text(&document)
}

fn settings(info: &RunInfo, settings: &Settings) -> Value {
    let mut value = json!(settings);
    value["coordinates"] = info.coordinates.name().into();
    value["cpu"] = info.cpu.clone().into();
    value
}

fn chain(chain: &Chain) -> Value {
    let count = chain.statistics.len().max(1) as f64;
    let mean_acceptance = chain
        .statistics
        .iter()
        .map(|s| s.acceptance_rate)
        .sum::<f64>()
        / count;
    json!({
        "chain": chain.number,
        "draws": chain.statistics.len(),
        "step_size": chain.step_size,
        "metric": match &chain.inverse_metric {
            InverseMetric::Diagonal(_) => "diagonal",
            InverseMetric::Dense(_) => "dense",
        },
        "mean_acceptance_rate": mean_acceptance,
        "divergences": chain.statistics.iter().filter(|s| s.diverging).count(),
        "warmup_divergences": chain.warmup_divergences,
        "leapfrog_steps": chain.statistics.iter().map(|s| u64::from(s.n_steps)).sum::<u64>(),
        "warmup_seconds": chain.warmup_seconds,
        "sampling_seconds": chain.sampling_seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::{info, posterior};

    fn none() -> ByProduct {
        ByProduct::none("nobody asked".to_owned())
    }

    #[test]
    fn the_promised_keys_are_there_and_nan_is_null() {
        let mut posterior = posterior(&[("theta", ColumnKind::Inferred, 2)]);
        posterior.summary[1].rhat = f64::NAN;
        posterior.discarded_run = Some(DiscardedRun {
            target_accept: 0.8,
            divergences: 3,
            interrupted: false,
        });
        let value: Value =
            serde_json::from_str(&summary_json(&info(), &posterior, &none(), None)).unwrap();
        let row = &value["parameters"]["theta[1]"];
        for key in [
            "mean",
            "sd",
            "mcse_mean",
            "mcse_sd",
            "q5",
            "q50",
            "q95",
            "rhat",
            "ess_bulk",
            "ess_tail",
        ] {
            assert!(row[key].is_f64(), "{key}");
        }
        assert_eq!(row["mean"], 4.3968);
        assert!(value["parameters"]["theta[2]"]["rhat"].is_null());
        assert_eq!(value["settings"]["warmup_schedule"], "fisher");
        assert_eq!(value["settings"]["coordinates"], "natural");
        assert_eq!(value["settings"]["cpu"], "portable");
        assert_eq!(value["timings"]["total_seconds"], 0.754);
        assert_eq!(value["health"]["worst_rhat"]["name"], "mu");
        assert_eq!(value["discarded_run"]["divergences"], 3);
        assert_eq!(value["evidence"]["reason"], "nobody asked");
    }

    #[test]
    fn discrete_unknowns_have_the_probabilities_of_their_values() {
        let mut posterior = posterior(&[("z", ColumnKind::SummedOut, 0)]);
        posterior.chains[0].values = vec![1.0, 2.0, 1.0];
        posterior.chains[1].values = vec![1.0, 1.0, 1.0];
        let value: Value =
            serde_json::from_str(&summary_json(&info(), &posterior, &none(), None)).unwrap();
        let expected = json!({ "1": 5.0 / 6.0, "2": 1.0 / 6.0 });
        assert_eq!(value["parameters"]["z"]["probabilities"], expected);
    }
}
