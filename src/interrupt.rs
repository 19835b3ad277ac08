//! Ctrl-C. The system takes one handler for the whole program; what it does is what the work under way asked for last.

use std::sync::{Mutex, Once, PoisonError};

use crate::terminal;

type Action = Box<dyn Fn() + Send>;

static ACTION: Mutex<Option<Action>> = Mutex::new(None);
static INSTALLED: Once = Once::new();

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
