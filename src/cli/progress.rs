//! A progress bar on standard error, if that is a terminal.

use crate::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// Gone without a trace when dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar for so many steps; shown at once, since drivers compile kernels before the first step.
    pub fn new(steps: usize) -> Self {
        let bar = ProgressBar::new(steps as u64);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len}  {msg}") {
            bar.set_style(style);
        }
        bar.set_message("preparing the GPU");
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Shows where the run is.
    pub fn show(&self, now: Progress) {
        self.0.set_position(now.step as u64);
        if now.step > 0 {
            self.0.set_message(format!("rate {:.1e}, loss {:.3}", now.lr, now.loss));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
