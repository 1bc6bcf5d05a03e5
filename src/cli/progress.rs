//! A progress bar on standard error, if that is a terminal.

use crate::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// Gone without a trace when dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Shown at once, since drivers compile kernels before the first step.
    pub fn new() -> Self {
        let bar = ProgressBar::new(1);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len}  {prefix}{msg}") {
            bar.set_style(style);
        }
        bar.set_message("preparing the GPU");
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// What the next runs are for.
    pub fn name(&self, name: &str) {
        self.0.set_prefix(format!("{name}: "));
    }

    /// Shows where the run is. A test may be several runs of different lengths: each fills the bar anew.
    pub fn show(&self, now: Progress) {
        self.0.set_length(now.steps as u64);
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
