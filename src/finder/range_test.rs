//! The range test itself: snapshot, sweep the rate, restore, read the curve.

use super::{Point, Report, Spacing, grid, rules, smith, suggest};
use crate::data::Dataset;
use crate::data::order::{batch_order, epochs, same_batch_order};
use crate::error::Result;
use crate::schedule::Schedule;
use crate::session::{Control, History, Measured, Run, Session, Snapshot, Stop};

/// Which question a range test asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// A new batch each step, and the weights move: Smith's test, and what the other finders do. The curve mixes the
    /// rate's effect with the batch's and with that of learning itself.
    #[default]
    Sweep,
    /// The weights move, the batch stays: no noise from batches is left in the curve.
    SameBatch,
}

impl Mode {
    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::SameBatch => "same-batch",
        }
    }
}

/// A learning-rate range test (Smith, arXiv:1506.01186), by default with the settings of fastai's `lr_find`: 100 rates
/// from 1e-7 to 10, smoothed with 0.98. Unlike there, the last rate is exactly `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RangeTest {
    /// First rate; default 1e-7.
    pub from: f64,
    /// Last rate; default 10.
    pub to: f64,
    /// Rates, one a step; default 100.
    pub steps: usize,
    /// How they are spaced; default exponential.
    pub spacing: Spacing,
    /// Which question is asked; default [`Mode::Sweep`].
    pub mode: Mode,
    /// Coefficient of the smoothed loss in the history; default 0.98. The suggestion does not use it.
    pub beta: f64,
    /// When to end early; default [`Stop::Rise`] with 0.9.
    pub stop: Stop,
    /// Seed of the batch order; default the session's.
    pub seed: Option<u64>,
    /// Hash the model before the sweep and after the restore; default true. Costs two read-backs of the weights.
    pub verify_restore: bool,
}

impl Default for RangeTest {
    fn default() -> Self {
        Self {
            from: 1e-7,
            to: 10.0,
            steps: 100,
            spacing: Spacing::Exponential,
            mode: Mode::Sweep,
            beta: 0.98,
            stop: Stop::Rise(0.9),
            seed: None,
            verify_restore: true,
        }
    }
}

/// Puts the session back when it goes out of scope, however that happens: an error, a cancel, a panic, a dropped future.
struct Restoring<'a> {
    session: &'a mut Session,
    snapshot: Snapshot,
}

impl Drop for Restoring<'_> {
    fn drop(&mut self) {
        self.session.restore(&self.snapshot);
    }
}

impl RangeTest {
    /// Sweeps the rate, restores the session bit for bit, and reads the curve.
    ///
    /// # Errors
    /// The settings or the dataset do not fit, or the device failed. The session is restored then too.
    pub async fn run(&self, session: &mut Session, data: &Dataset) -> Result<Report> {
        self.run_with(session, data, Control::default()).await
    }

    /// As [`run`](Self::run), with a progress callback and a way to cancel.
    ///
    /// # Errors
    /// As [`run`](Self::run), or [`Error::Cancelled`](crate::Error::Cancelled). The session is restored then too.
    pub async fn run_with(
        &self,
        session: &mut Session,
        data: &Dataset,
        control: Control<'_>,
    ) -> Result<Report> {
        let rates = grid(self.from, self.to, self.steps, self.spacing)?;
        let batch = session.options().batch;
        let seed = self.seed.unwrap_or(session.options().seed);
        let order = match self.mode {
            Mode::Sweep => batch_order(data.len(), batch, self.steps, seed)?,
            Mode::SameBatch => same_batch_order(data.len(), batch, self.steps, seed)?,
        };
        let before = if self.verify_restore { Some(session.fingerprint().await?) } else { None };

        let snapshot = session.snapshot().await?;
        let restoring = Restoring { session, snapshot };
        let schedule = [Schedule::rates(rates.clone(), restoring.session.optimizer())];
        let run = Run { schedules: &schedule, order: &order, beta: self.beta, stop: self.stop };
        let outcome = restoring.session.run(data, &run, control).await?;
        drop(restoring);

        let after = if self.verify_restore { Some(session.fingerprint().await?) } else { None };
        let history = &outcome.histories[0];
        let epochs = match self.mode {
            Mode::Sweep => epochs(data.len(), batch, history.steps.len()),
            Mode::SameBatch => 0.0,
        };
        let (loss, smoothed) = (column(history, |m| m.loss), column(history, |m| m.smoothed));
        let accuracy: Option<Vec<f64>> = history.steps.iter().map(|m| m.accuracy).collect();
        // The rules see the whole grid: a curve shorter than it ended by divergence.
        Ok(Report {
            mode: self.mode,
            points: points(&schedule[0], history),
            suggestion: suggest(&rates, &loss),
            rules: rules(&rates, &loss, &smoothed),
            smith: smith(&rates, accuracy.as_deref(), &loss),
            stopped: history.stopped,
            fingerprints: before.zip(after),
            epochs,
            adapter: session.gpu().adapter().clone(),
            cost: outcome.cost,
        })
    }
}

fn column(history: &History, f: fn(&Measured) -> f64) -> Vec<f64> {
    history.steps.iter().map(f).collect()
}

/// The steps with a finite loss, at the rates and momenta as the host computed them: the device's are those, rounded to
/// f32.
fn points(schedule: &Schedule, history: &History) -> Vec<Point> {
    let planned = schedule.lr.iter().zip(&schedule.momentum);
    let point = |(step, ((&lr, &momentum), m)): (usize, ((&f64, &f64), &Measured))| Point {
        step,
        lr,
        loss: m.loss,
        smoothed: m.smoothed,
        accuracy: m.accuracy,
        grad_norm: m.grad_norm.filter(|g| g.is_finite()),
        momentum,
    };
    planned.zip(&history.steps).enumerate().map(point).filter(|p| p.loss.is_finite()).collect()
}
