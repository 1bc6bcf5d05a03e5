//! Ctrl-C: the run ends at its next submit and the model is restored. A second one ends the program at once.

use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};

static CANCELLED: AtomicBool = AtomicBool::new(false);

/// From here on Ctrl-C only sets the flag, which is returned.
pub(super) fn on_interrupt() -> Result<&'static AtomicBool> {
    let interrupted = || {
        if CANCELLED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    let refused = |e: ctrlc::Error| Error::io("Ctrl-C handler", std::io::Error::other(e));
    ctrlc::set_handler(interrupted).map_err(refused)?;
    Ok(&CANCELLED)
}

/// Between the parts of the work that do not look at the flag themselves.
pub(super) fn check() -> Result<()> {
    if CANCELLED.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
}
