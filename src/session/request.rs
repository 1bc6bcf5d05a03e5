//! What is asked of a run: which rates, over which batches, until when.

use super::{Measured, Session};
use crate::data::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::ops::{Loss, dims_text};
use crate::schedule::Schedule;
use std::sync::atomic::AtomicBool;

/// Rows that the evaluations inside a run may read in all: their order is made ahead, as the run's own.
const MOST_ROWS: usize = 1 << 28;

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps in the schedule.
    pub steps: usize,
    /// Latest loss, not smoothed, of the first replica.
    pub loss: f64,
    /// Latest rate of the first replica.
    pub lr: f64,
    /// What is new since the last call, for each replica; the norm of the very last gradient is still missing. A range test
    /// tells the new points of its curve, as if it were one replica, and counts rates as steps.
    pub new: Vec<Vec<Measured>>,
}

/// How the caller follows a run, and ends it.
#[derive(Default)]
pub struct Control<'a> {
    /// Called now and then while the run goes on.
    pub progress: Option<&'a mut dyn FnMut(Progress)>,
    /// Set it to true, from any thread, to end the run with [`Error::Cancelled`].
    pub cancel: Option<&'a AtomicBool>,
}

/// A run: which rates, over which batches, until when.
pub struct Run<'a> {
    /// One schedule for all replicas, or one for each, of one length.
    pub schedules: &'a [Schedule],
    /// Rows of the dataset, [`effective_batch`](crate::Options::effective_batch) for each step: see [`crate::data::order`]. For
    /// all replicas, or one order after the other for each.
    pub order: &'a [u32],
    /// Coefficient of the smoothed loss; fastai's is 0.98.
    pub beta: f64,
    /// When to end early.
    pub stop: Stop,
}

/// Data that a run does not train on, and how often its loss is measured there.
///
/// Batch normalisation uses its running statistics, and dropout is off, as in [`Session::evaluate`]: the loss is what the model
/// would be worth if training ended there, and does not depend on how the data is cut into batches. In a model that has not been
/// trained yet, the first measurements also show the statistics settle.
#[derive(Clone, Copy, Debug)]
pub struct HeldOut<'a> {
    /// All of it is measured each time: a few hundred samples are enough.
    pub data: &'a Dataset,
    /// Before every so many steps, the first included.
    pub every: usize,
}

/// When a run ends before its schedule does. A loss or gradient that is not finite always ends it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop {
    /// Only then.
    NotFinite,
    /// The smoothed loss exceeds this multiple of its lowest value: fastai's rule, with 4. Only for positive losses.
    Best(f64),
    /// The median of the last five losses has given back this share of the largest fall so far (or has risen by that
    /// share of eight times the noise between batches, where nothing fell). The same for a loss of any scale, sign and
    /// offset.
    Rise(f64),
}

impl Stop {
    pub(crate) fn check(self) -> Result<()> {
        let (rule, factor, above) = match self {
            Self::NotFinite => return Ok(()),
            Self::Best(factor) => ("best", factor, 1.0),
            Self::Rise(share) => ("rise", share, 0.0),
        };
        if factor > above && factor.is_finite() {
            return Ok(());
        }
        Err(Error::argument("stop", format!("{rule} takes a number above {above}, not {factor}")))
    }
}

pub(crate) fn check_beta(beta: f64) -> Result<()> {
    if (0.0..1.0).contains(&beta) {
        return Ok(());
    }
    let detail = format!("{beta} is not a smoothing coefficient; it must be from 0 to below 1");
    Err(Error::argument("beta", detail))
}

/// Steps between two measurements of held-out data.
pub(crate) fn check_every(every: usize) -> Result<()> {
    match every {
        0 => Err(Error::argument("held out every", "0 steps; it must be at least 1")),
        _ => Ok(()),
    }
}

impl Session {
    pub(super) fn check_data(&self, data: &Dataset) -> Result<()> {
        let plan = &self.program.plan;
        if data.features() != plan.features {
            let (has, wants) = (dims_text(data.shape()), dims_text(self.model.shape(self.model.input())));
            return Err(Error::data(data.name(), format!("samples are {has}, the model takes {wants}")));
        }
        match (data.targets(), self.loss) {
            (Targets::Classes { classes, .. }, Loss::CrossEntropy) if *classes > plan.outputs => {
                let detail = format!(
                    "has {classes} classes, the model {} outputs: give it at least as many",
                    plan.outputs
                );
                Err(Error::data(data.name(), detail))
            }
            (Targets::Values { width, .. }, Loss::MeanSquaredError) if *width != plan.outputs => {
                let detail = format!("has {width} values a sample, the model {} outputs", plan.outputs);
                Err(Error::data(data.name(), detail))
            }
            (Targets::Classes { .. }, Loss::CrossEntropy)
            | (Targets::Values { .. }, Loss::MeanSquaredError) => Ok(()),
            (Targets::Classes { .. }, _) => {
                Err(Error::data(data.name(), "has class labels; train it with cross-entropy"))
            }
            (Targets::Values { .. }, _) => {
                Err(Error::data(data.name(), "has values to predict; train it with the mean squared error"))
            }
        }
    }

    pub(super) fn check_run(&self, data: &Dataset, run: &Run<'_>) -> Result<usize> {
        self.check_data(data)?;
        let (replicas, batch) = (self.options.replicas, self.options.effective_batch());
        if run.schedules.len() != 1 && run.schedules.len() != replicas {
            let detail =
                format!("{} for {replicas} replicas; give one, or one for each", run.schedules.len());
            return Err(Error::argument("schedules", detail));
        }
        let steps = run.schedules[0].steps();
        for schedule in run.schedules {
            schedule.check()?;
            if schedule.steps() != steps {
                let detail = format!("one has {} steps, another {steps}", schedule.steps());
                return Err(Error::argument("schedules", detail));
            }
        }
        if run.order.len() != steps * batch && run.order.len() != replicas * steps * batch {
            let detail = format!("{} rows for {steps} steps of {batch}", run.order.len());
            return Err(Error::argument("order", detail));
        }
        if let Some(row) = run.order.iter().find(|&&r| r as usize >= data.len()) {
            let detail = format!("row {row} of a dataset of {} samples", data.len());
            return Err(Error::argument("order", detail));
        }
        check_beta(run.beta)?;
        run.stop.check()?;
        Ok(steps)
    }

    /// How often the held-out data is measured in so many steps.
    pub(super) fn check_held_out(&self, held_out: HeldOut<'_>, steps: usize) -> Result<usize> {
        let HeldOut { data, every } = held_out;
        self.check_data(data)?;
        check_every(every)?;
        let times = steps.div_ceil(every);
        let rows = times.saturating_mul(data.len().next_multiple_of(self.options.batch));
        if rows.saturating_mul(self.options.replicas) > MOST_ROWS {
            let detail = format!(
                "{times} times {} samples are too many to order ahead; measure less often, or hold out fewer",
                data.len()
            );
            return Err(Error::argument("held out every", detail));
        }
        Ok(times)
    }

    pub(super) fn check_replica(&self, replica: usize) -> Result<()> {
        if replica < self.options.replicas {
            return Ok(());
        }
        Err(Error::argument("replica", format!("{replica} of {}, counted from 0", self.options.replicas)))
    }
}
