//! Training with a rate that was found.

use crate::data::Dataset;
use crate::data::order::batch_order;
use crate::error::{Error, Result};
use crate::schedule::Schedule;
use crate::session::{Control, Outcome, Run, Session, Stop};

/// Epochs under the one-cycle policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// Passes over the dataset.
    pub epochs: usize,
    /// Peak of the rate: what the finder suggests.
    pub max_lr: f64,
    /// Seed of the batch order; default the session's.
    pub seed: Option<u64>,
}

impl Training {
    /// `epochs` passes with a peak rate of `max_lr`.
    pub fn one_cycle(epochs: usize, max_lr: f64) -> Self {
        Self { epochs, max_lr, seed: None }
    }

    /// Trains. An incomplete last batch of an epoch is left out.
    ///
    /// # Errors
    /// No epoch, a batch larger than the dataset, a run that does not fit the session, a failing device, or a cancel.
    pub async fn run(&self, session: &mut Session, data: &Dataset, control: Control<'_>) -> Result<Outcome> {
        let batch = session.options().effective_batch();
        let steps = self.epochs * (data.len() / batch);
        if self.epochs == 0 {
            return Err(Error::argument("epochs", "0 trains nothing; it must be at least 1"));
        }
        let seed = self.seed.unwrap_or(session.options().seed);
        let order = batch_order(data.len(), batch, steps.max(1), seed)?;
        let schedule = [Schedule::one_cycle(self.max_lr, steps, session.optimizer())];
        let run = Run { schedules: &schedule, order: &order, beta: 0.98, stop: Stop::NotFinite };
        session.run(data, &run, control).await
    }
}
