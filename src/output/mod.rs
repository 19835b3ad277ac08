//! Results as text: the table on the screen, the CSV files of draws, and the JSON of summaries and densities. Functions
//! here return strings or write to what they are given; the formats of files are described in `docs/formats.md`, and
//! that page is a promise.

pub mod calibration;
pub mod check;
mod columns;
pub mod comparison;
pub mod constraints;
pub mod contraction;
pub mod density;
pub mod digits;
pub mod evidence;
pub mod optimise;
pub mod probabilities;
pub mod roles;
pub mod rows;
pub mod simulation;
pub mod stan_csv;
pub mod summary;
pub mod table;

use likelier_compiler::{Column, ColumnKind};

use crate::Coordinates;
use crate::posterior::{Posterior, SummaryRow};

/// What describes a run beside its draws.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// The model's file.
    pub model: String,
    /// The data files and `--set`s, as given.
    pub data: Vec<String>,
    /// The instruction set the native code was made for.
    pub cpu: String,
    /// The coordinates that were sampled in.
    pub coordinates: Coordinates,
    /// Seconds from text and data to native code.
    pub compile_seconds: f64,
}

impl RunInfo {
    /// The data for people.
    pub fn data_text(&self) -> String {
        match self.data.as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        }
    }
}

/// The version of Likelier that wrote a file.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A document as the text of a file.
pub(crate) fn document_text(document: &impl serde::Serialize) -> String {
    let mut text =
        serde_json::to_string_pretty(document).expect("numbers and texts are always JSON");
    text.push('\n');
    text
}

/// The rows of a posterior with the columns they summarise.
pub(crate) fn rows(posterior: &Posterior) -> impl Iterator<Item = (&Column, &SummaryRow)> {
    posterior.columns.iter().zip(&posterior.summary)
}

/// What a group of columns is called.
pub(crate) fn kind_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Inferred => "inferred",
        ColumnKind::SummedOut => "summed out",
        ColumnKind::Report => "reported",
        ColumnKind::Simulated => "simulated",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! A made-up posterior for the tests of the formats.

    use std::time::Duration;

    use super::*;
    use crate::posterior::{Chain, DrawStatistics, Extreme, Health, InverseMetric};
    use crate::sampling::Settings;

    /// Two chains of three draws of the named variables (length 0: a scalar); draw d of column c is 10 c + d + 0.5.
    pub(crate) fn posterior(variables: &[(&str, ColumnKind, usize)]) -> Posterior {
        let mut columns = Vec::new();
        for &(variable, kind, length) in variables {
            let indices = if length == 0 {
                vec![vec![]]
            } else {
                (1..=length).map(|i| vec![i]).collect()
            };
            for index in indices {
                let suffix: String = index.iter().map(|i| format!("[{i}]")).collect();
                columns.push(Column {
                    name: format!("{variable}{suffix}"),
                    variable: variable.to_owned(),
                    index,
                    kind,
                });
            }
        }
        let row = |column: &Column| SummaryRow {
            name: column.name.clone(),
            mean: 4.3968,
            sd: 3.2,
            mcse_mean: 0.062,
            mcse_sd: 0.05,
            q5: -0.9,
            q50: 4.4,
            q95: 9.7,
            rhat: 1.0012,
            ess_bulk: 2710.4,
            ess_tail: 1990.0,
        };
        let statistics = DrawStatistics {
            lp: -12.25,
            acceptance_rate: 0.875,
            step_size: 0.5,
            tree_depth: 3,
            n_steps: 7,
            diverging: false,
            energy: 17.5,
        };
        let chain = |number: usize| Chain {
            number,
            values: (0..3)
                .flat_map(|draw| {
                    (0..columns.len()).map(move |c| 10.0 * c as f64 + draw as f64 + 0.5)
                })
                .collect(),
            positions: Vec::new(),
            log_likelihoods: vec![-12.0; 3],
            statistics: vec![statistics; 3],
            step_size: 0.5,
            inverse_metric: InverseMetric::Diagonal(vec![1.0, 0.25]),
            warmup_divergences: 1,
            impossible: 0,
            warmup_seconds: 0.25,
            sampling_seconds: 0.5,
        };
        Posterior {
            settings: Settings {
                chains: 2,
                draws: 3,
                ..Settings::default()
            },
            summary: columns.iter().map(row).collect(),
            chains: vec![chain(1), chain(2)],
            columns,
            health: Health {
                ok: true,
                divergences: 0,
                max_depth_hits: 0,
                e_bfmi: vec![0.9, 1.0],
                worst_rhat: Some(Extreme {
                    name: "mu".to_owned(),
                    value: 1.0012,
                }),
                lowest_ess: Some(Extreme {
                    name: "mu".to_owned(),
                    value: 1990.0,
                }),
                in_copies: false,
                sentences: vec!["No divergences.".to_owned()],
            },
            sampling_time: Duration::from_millis(750),
            interrupted: false,
            discarded_run: None,
            notes: Vec::new(),
        }
    }

    /// A description of that run.
    pub(crate) fn info() -> RunInfo {
        RunInfo {
            model: "schools.ppl".to_owned(),
            data: vec!["schools.json".to_owned()],
            cpu: "portable".to_owned(),
            coordinates: Coordinates::Natural,
            compile_seconds: 0.004,
        }
    }
}
