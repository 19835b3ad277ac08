//! Ctrl-C. The system takes one handler for the whole program; what it does is what the work under way asked for last.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use crate::{files, terminal};

type Action = Box<dyn Fn() + Send>;

static ACTION: Mutex<Option<Action>> = Mutex::new(None);
static INSTALLED: Once = Once::new();

/// How many more times a Ctrl-C must be repeated for [`insist`] to end the program.
static PATIENCE: AtomicUsize = AtomicUsize::new(1);

/// Ends the program when a Ctrl-C is repeated that work under way has been told of: at once, in a session at the third repetition.
pub fn insist() {
    if PATIENCE.fetch_sub(1, Ordering::SeqCst) <= 1 {
        files::remove_unfinished();
        std::process::exit(130);
    }
}

/// Between the works of a session that can be stopped: a Ctrl-C is not heeded until it is repeated, and impatience begins anew.
pub fn rest_in_session() {
    PATIENCE.store(3, Ordering::SeqCst);
    on_interrupt(insist);
}

/// Calls `action` at each Ctrl-C from now on, instead of what was called before.
pub fn on_interrupt(action: impl Fn() + Send + 'static) {
    *ACTION.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(action));
    INSTALLED.call_once(|| {
        let installed = ctrlc::set_handler(|| {
            if let Some(action) = &*ACTION.lock().unwrap_or_else(PoisonError::into_inner) {
                action();
            }
        });
        if let Err(error) = installed {
            terminal::error(&format!("warning: Ctrl-C will lose the results: {error}"));
        }
    });
}
