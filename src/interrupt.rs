//! Ctrl-C. The system takes one handler for the whole program; what it does is what the work under way asked for. Where no
//! work did, it ends the program at once, and no half-written file stays behind; a session wants to be asked three times.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{files, terminal};

/// The exit code of what a user stopped: 128 and the number of the signal, as shells have it.
pub const STOPPED: u8 = 130;

type Action = Box<dyn Fn() + Send>;

static ACTION: Mutex<Option<Action>> = Mutex::new(None);

fn action() -> MutexGuard<'static, Option<Action>> {
    ACTION.lock().unwrap_or_else(PoisonError::into_inner)
}

static WAS_ASKED: AtomicBool = AtomicBool::new(false);
static IN_SESSION: AtomicBool = AtomicBool::new(false);

/// How many more times a Ctrl-C must be repeated for [`insist`] to end the program.
static PATIENCE: AtomicUsize = AtomicUsize::new(1);

/// Ends the program when a Ctrl-C is repeated that work under way has been told of: at once, in a session at the third repetition.
fn insist() {
    if PATIENCE.fetch_sub(1, Ordering::SeqCst) <= 1 {
        quit();
    }
}

/// Between the works of a session that can be stopped: a Ctrl-C is not heeded until it is repeated, and impatience begins anew.
pub fn rest_in_session() {
    IN_SESSION.store(true, Ordering::SeqCst);
    WAS_ASKED.store(false, Ordering::SeqCst);
    PATIENCE.store(3, Ordering::SeqCst);
    *action() = None;
}

/// Takes Ctrl-C from the system.
pub fn install() {
    let installed = ctrlc::set_handler(|| {
        WAS_ASKED.store(true, Ordering::SeqCst);
        match &*action() {
            Some(action) => action(),
            None if IN_SESSION.load(Ordering::SeqCst) => insist(),
            None => quit(),
        }
    });
    if let Err(error) = installed {
        terminal::error(&format!("warning: Ctrl-C will lose the results: {error}"));
    }
}

/// As long as it lives, its action answers Ctrl-C.
#[must_use = "Ctrl-C ends the program again when this is dropped"]
pub struct Watch;

impl Drop for Watch {
    fn drop(&mut self) {
        *action() = None;
    }
}

/// Calls `action` at each Ctrl-C while the result lives, instead of what was called before.
pub fn on_interrupt(action: impl Fn() + Send + 'static) -> Watch {
    *self::action() = Some(Box::new(action));
    Watch
}

/// While the result lives, the first Ctrl-C asks the work to stop, the second insists.
pub fn stop_or_quit<T: Send + Sync + 'static>(
    control: &Arc<T>,
    is_stopping: fn(&T) -> bool,
    stop: fn(&T),
) -> Watch {
    let control = Arc::clone(control);
    on_interrupt(move || {
        if is_stopping(&control) {
            return insist();
        }
        stop(&control);
        if !IN_SESSION.load(Ordering::SeqCst) {
            terminal::error(
                "stopping: what was found until now is kept; Ctrl-C once more ends at once",
            );
        }
    })
}

/// Whether somebody pressed Ctrl-C.
pub fn was_asked() -> bool {
    WAS_ASKED.load(Ordering::SeqCst)
}

/// Ends the program.
pub fn quit() -> ! {
    files::remove_unfinished();
    std::process::exit(STOPPED.into());
}
