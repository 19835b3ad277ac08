//! A live line per chain on standard error: phase, iteration, step size, divergences, time left. A thread of its own
//! looks at the counters a dozen times a second, so the chains never wait for the terminal; it is woken at the end, so
//! a short run is not held up. Where standard error is no terminal there is nothing to draw on and no thread.

use std::io::IsTerminal;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use likelier::output::digits::seconds;
use likelier::{ChainProgress, Control, Settings};

const INTERVAL: Duration = Duration::from_millis(80);

/// Runs `work` with a progress display beside it if `wanted` and possible.
pub fn with_progress<T>(
    settings: &Settings,
    control: &Control,
    wanted: bool,
    work: impl FnOnce() -> T,
) -> T {
    if !wanted || !std::io::stderr().is_terminal() {
        return work();
    }
    let finished = Finished::default();
    std::thread::scope(|scope| {
        scope.spawn(|| show(settings, control, &finished));
        // Also when `work` panics: else the display would be waited for without end.
        let _announce = Announce(&finished);
        work()
    })
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
    fn wait(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state {
            return true;
        }
        let waited = self.changed.wait_timeout(state, INTERVAL);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn show(settings: &Settings, control: &Control, finished: &Finished) {
    let start = Instant::now();
    // A run that ends within the first interval shows nothing.
    if finished.wait() {
        return;
    }
    let display = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let total = (settings.warmup + settings.draws) as u64;
    let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos:>6}/{len}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bars: Vec<ProgressBar> = (1..=settings.chains)
        .map(|chain| {
            let bar = ProgressBar::new(total).with_style(style.clone());
            bar.set_prefix(format!("chain {chain}"));
            display.add(bar)
        })
        .collect();
    loop {
        for (chain, bar) in bars.iter().enumerate() {
            let progress = control.progress(chain);
            bar.set_position(progress.iteration as u64);
            bar.set_message(status(settings, &progress, start.elapsed()));
        }
        if finished.wait() {
            break;
        }
    }
    for bar in bars {
        bar.finish_and_clear();
    }
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
    let left = elapsed.as_secs_f64() / progress.iteration as f64
        * (total - progress.iteration.min(total)) as f64;
    format!(
        "{phase:<8}  step size {:<8.3}  {divergences:>14}  {} left",
        progress.step_size,
        seconds(left)
    )
}
