//! A live line per chain on standard error: phase, iteration, step size, divergences, time left. A thread of its own
//! looks at the counters a dozen times a second, so the chains never wait for the terminal; it is woken at the end, so
//! a short run is not held up. Where standard error is no terminal, a plain line every ten seconds says that the run is
//! alive and where it is.

use std::io::IsTerminal;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use likelier::output::digits::seconds;
use likelier::{ChainProgress, Control, EvidenceControl, EvidenceSettings, Settings};

use crate::terminal;

const INTERVAL: Duration = Duration::from_millis(80);
/// Between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Runs `work` with a progress display beside it if `wanted` and possible.
pub fn with_progress<T>(
    settings: &Settings,
    control: &Control,
    wanted: bool,
    work: impl FnOnce() -> T,
) -> T {
    if !wanted {
        return work();
    }
    let finished = Finished::default();
    let display = if std::io::stderr().is_terminal() {
        show
    } else {
        print_lines
    };
    std::thread::scope(|scope| {
        scope.spawn(|| display(settings, control, &finished));
        // Also when `work` panics: else the display would be waited for without end.
        let _announce = Announce(&finished);
        work()
    })
}

/// Runs `work` and shows what `lines` says beside it, if `wanted`: on a terminal as lines that change, elsewhere as one plain
/// line now and then.
pub fn with_lines<T>(
    wanted: bool,
    lines: &(dyn Fn() -> Vec<String> + Sync),
    work: impl FnOnce() -> T,
) -> T {
    if !wanted {
        return work();
    }
    let finished = Finished::default();
    std::thread::scope(|scope| {
        scope.spawn(|| match std::io::stderr().is_terminal() {
            true => show_lines(lines, &finished),
            false => {
                let start = Instant::now();
                while !finished.wait(LINE_INTERVAL) {
                    let elapsed = start.elapsed().as_secs_f64();
                    terminal::error(&format!("progress: {elapsed:.0} s, {}", lines().join(", ")));
                }
            }
        });
        let _announce = Announce(&finished);
        work()
    })
}

fn show_lines(lines: &dyn Fn() -> Vec<String>, finished: &Finished) {
    if finished.wait(INTERVAL) {
        return;
    }
    let display = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let style =
        ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let mut bars: Vec<ProgressBar> = Vec::new();
    loop {
        for (place, line) in lines().into_iter().enumerate() {
            if place == bars.len() {
                bars.push(display.add(ProgressBar::new_spinner().with_style(style.clone())));
            }
            bars[place].set_message(line);
            bars[place].tick();
        }
        if finished.wait(INTERVAL) {
            break;
        }
    }
    bars.iter().for_each(ProgressBar::finish_and_clear);
    // A terminal that cannot be cleared keeps its lines.
    let _ = display.clear();
}

/// Where an estimate of evidence is: a line for each SMC run, then one for each chain that has begun.
pub fn evidence_lines(settings: &EvidenceSettings, control: &EvidenceControl) -> Vec<String> {
    let mut lines = Vec::new();
    for run in 0..settings.replicates {
        let at = control.watch.progress(run);
        let place = match at.stage {
            0 => "prior".to_owned(),
            _ if at.likelihood >= 1.0 => format!("done, log Z {:.2}", at.log_evidence),
            stage if at.likelihood == 0.0 => {
                format!(
                    "stage {stage}, constraints at {:.2e}, ESS {:.0}",
                    at.soft, at.effective
                )
            }
            stage => format!(
                "stage {stage}, likelihood at {:.2e}, ESS {:.0}, log Z {:.2}",
                at.likelihood, at.effective, at.log_evidence
            ),
        };
        lines.push(format!("SMC {} {place}", run + 1));
    }
    lines.extend(chain_lines(settings.nuts.chains, control));
    lines
}

/// A line for each chain that has begun.
pub fn chain_lines(chains: usize, control: &EvidenceControl) -> Vec<String> {
    let at = |chain: usize| (chain, control.chains.progress(chain).iteration);
    (0..chains)
        .map(at)
        .filter(|(_, iteration)| *iteration > 0)
        .map(|(chain, iteration)| format!("chain {} iteration {iteration}", chain + 1))
        .collect()
}

/// Where an estimate row by row is: a line for each run.
pub fn row_lines(runs: usize, control: &EvidenceControl) -> Vec<String> {
    let line = |run: usize| {
        let at = control.watch.progress(run);
        let share = 100.0 * at.likelihood;
        format!(
            "run {} {share:.0} % of the rows, log Z {:.2}",
            run + 1,
            at.log_evidence
        )
    };
    (0..runs).map(line).collect()
}

/// Tells the display to end, at once.
#[derive(Default)]
struct Finished {
    state: Mutex<bool>,
    changed: Condvar,
}

struct Announce<'a>(&'a Finished);

impl Drop for Announce<'_> {
    fn drop(&mut self) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

impl Finished {
    /// Waits for the end, but not longer than an interval; whether it came.
    fn wait(&self, interval: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state {
            return true;
        }
        let waited = self.changed.wait_timeout(state, interval);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn show(settings: &Settings, control: &Control, finished: &Finished) {
    let start = Instant::now();
    // A run that ends within the first interval shows nothing.
    if finished.wait(INTERVAL) {
        return;
    }
    let display = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let total = (settings.warmup + settings.draws) as u64;
    let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos:>6}/{len}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bars: Vec<ProgressBar> = (1..=settings.chains)
        .map(|chain| {
            // What is set before it is added would be drawn by itself, and stay.
            let bar = display.add(ProgressBar::new(total).with_style(style.clone()));
            bar.set_prefix(format!("chain {chain}"));
            bar
        })
        .collect();
    loop {
        let settings = settings.of_run(control.restarts());
        for (chain, bar) in bars.iter().enumerate() {
            let progress = control.progress(chain);
            bar.set_length((settings.warmup + settings.draws) as u64);
            bar.set_position(progress.iteration as u64);
            bar.set_message(status(&settings, &progress, start.elapsed()));
        }
        if finished.wait(INTERVAL) {
            break;
        }
    }
    bars.iter().for_each(ProgressBar::finish_and_clear);
    // A terminal that cannot be cleared keeps its lines.
    let _ = display.clear();
}

fn print_lines(settings: &Settings, control: &Control, finished: &Finished) {
    let start = Instant::now();
    while !finished.wait(LINE_INTERVAL) {
        let chains: Vec<ChainProgress> = (0..settings.chains)
            .map(|chain| control.progress(chain))
            .collect();
        let settings = settings.of_run(control.restarts());
        terminal::error(&line(&settings, &chains, start.elapsed()));
    }
}

/// `progress: 20 s, chain 1 warm-up 35/600, chain 2 waiting`
fn line(settings: &Settings, chains: &[ChainProgress], elapsed: Duration) -> String {
    let mut parts = vec![format!("{:.0} s", elapsed.as_secs_f64())];
    for (rank, progress) in chains.iter().enumerate() {
        let (done, total) = (progress.iteration, settings.warmup + settings.draws);
        let place = match done {
            0 => "waiting".to_owned(),
            _ if done >= total => "done".to_owned(),
            _ if done <= settings.warmup => format!(
                "warm-up {done}/{} (step size {:.1e})",
                settings.warmup, progress.step_size
            ),
            _ => format!("sampling {}/{}", done - settings.warmup, settings.draws),
        };
        parts.push(format!("chain {} {place}", rank + 1));
    }
    format!("progress: {}", parts.join(", "))
}

fn status(settings: &Settings, progress: &ChainProgress, elapsed: Duration) -> String {
    let total = settings.warmup + settings.draws;
    let phase = match progress.iteration {
        0 => return "waiting".to_owned(),
        n if n >= total => "done",
        n if n <= settings.warmup => "warm-up",
        _ => "sampling",
    };
    let divergences = match progress.divergences {
        1 => "1 divergence".to_owned(),
        count => format!("{count} divergences"),
    };
    let left = match total.saturating_sub(progress.iteration) {
        0 => String::new(),
        rest => {
            let each = elapsed.as_secs_f64() / progress.iteration as f64;
            format!("  {} left", seconds(each * rest as f64))
        }
    };
    format!(
        "{phase:<8}  step size {:<8.3}  {divergences:>14}{left}",
        progress.step_size
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_has_no_time_left() {
        let settings = Settings::default();
        let at = |iteration| {
            let progress = ChainProgress {
                iteration,
                step_size: 0.25,
                divergences: 1,
            };
            status(&settings, &progress, Duration::from_secs(8))
        };
        assert!(
            at(800).ends_with("1 divergence  8.00 s left"),
            "{}",
            at(800)
        );
        assert!(at(1600).ends_with("1 divergence"), "{}", at(1600));
    }

    #[test]
    fn a_plain_line_says_where_every_chain_is() {
        let at = |iteration| ChainProgress {
            iteration,
            step_size: 0.25,
            divergences: 0,
        };
        let settings = Settings::default();
        let chains = [at(0), at(35), at(700), at(1600)];
        assert_eq!(
            line(&settings, &chains, Duration::from_secs(20)),
            "progress: 20 s, chain 1 waiting, chain 2 warm-up 35/600 (step size 2.5e-1), chain 3 sampling 100/1000, chain 4 done"
        );
    }
}
