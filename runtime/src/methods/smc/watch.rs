//! Progress of SMC runs, left in atomic counters for whoever wants to look, and the wish that they stop.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Where a replicate is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Stages done.
    pub stage: usize,
    /// Weight of the constraints.
    pub soft: f64,
    /// Weight of the likelihood; where rows come one by one, the share of them that is in.
    pub likelihood: f64,
    /// Effective particles of the latest reweighting.
    pub effective: f64,
    /// log evidence of the stages done.
    pub log_evidence: f64,
}

#[derive(Default)]
struct Counters {
    stage: AtomicUsize,
    numbers: [AtomicU64; 4],
}

/// Lets another thread watch the replicates and stop them.
pub struct Watch {
    stopping: AtomicBool,
    replicates: Vec<Counters>,
}

impl Watch {
    /// For a run of this many replicates.
    pub fn new(replicates: usize) -> Self {
        Self {
            stopping: AtomicBool::new(false),
            replicates: (0..replicates).map(|_| Counters::default()).collect(),
        }
    }

    /// Asks all replicates to stop.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was asked for.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Where a replicate is; zeros for one that does not exist.
    pub fn progress(&self, replicate: usize) -> Progress {
        let Some(counters) = self.replicates.get(replicate) else {
            return Progress::default();
        };
        let [soft, likelihood, effective, log_evidence] =
            [0, 1, 2, 3].map(|k| f64::from_bits(counters.numbers[k].load(Ordering::Relaxed)));
        Progress {
            stage: counters.stage.load(Ordering::Relaxed),
            soft,
            likelihood,
            effective,
            log_evidence,
        }
    }

    pub(super) fn report(&self, replicate: usize, progress: Progress) {
        if let Some(counters) = self.replicates.get(replicate) {
            counters.stage.store(progress.stage, Ordering::Relaxed);
            let numbers = [
                progress.soft,
                progress.likelihood,
                progress.effective,
                progress.log_evidence,
            ];
            for (place, number) in counters.numbers.iter().zip(numbers) {
                place.store(number.to_bits(), Ordering::Relaxed);
            }
        }
    }
}
