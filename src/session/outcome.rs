//! What a run measured, and what it cost.

use crate::device::Finished;
use crate::layout::Record;
use std::time::Duration;

/// What a step measured. `loss` is that of the step's batch before its update, `lr` what the update then used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Rate of the step's update.
    pub lr: f64,
    /// Mean loss over the batch; NaN or infinite only on a last step that ended the run.
    pub loss: f64,
    /// Bias-corrected exponentially weighted average of the losses.
    pub smoothed: f64,
    /// Share of the batch classified rightly; `None` for a regression.
    pub accuracy: Option<f64>,
    /// Norm of the whole gradient; `None` on a step that made no update.
    pub grad_norm: Option<f64>,
    /// Momentum or beta1 of the step's update.
    pub momentum: f64,
}

/// What one replica's run measured.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// Every step that ran, in order.
    pub steps: Vec<Measured>,
    /// The step at which the run ended early, and why. The update of that step was not made.
    pub stopped: Option<(usize, StopReason)>,
    /// Loss and accuracy over the held-out data, each with the step before whose update they were measured: at the weights that
    /// the step's own loss is of. Up to the first that is not finite. Empty without [`HeldOut`](super::HeldOut).
    pub held_out: Vec<(usize, Evaluation)>,
    /// For every step the norms of each parameter, in the model's order; empty unless asked for
    /// ([`Options::layers`](crate::Options::layers)).
    pub layers: Vec<Vec<Norms>>,
}

/// Euclidean norms of a parameter tensor at a step; beyond f32 infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norms {
    /// Of its gradient, before clipping and decay.
    pub gradient: f64,
    /// Of what the step's update takes off it, decay included; `None` on a step that made none.
    pub update: Option<f64>,
    /// Of the tensor itself before the update.
    pub weights: f64,
}

impl Norms {
    /// Update to weights; `None` without an update, and for weights that are zero.
    pub fn ratio(&self) -> Option<f64> {
        self.update.filter(|_| self.weights > 0.0).map(|update| update / self.weights)
    }
}

/// What a run cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Kernel launches in one step.
    pub dispatches_per_step: usize,
    /// Command buffers handed to the device.
    pub submits: usize,
    /// Times the host stood still for a device with nothing queued behind what it waited for: at most 1, the final read-back.
    pub waits: usize,
    /// Times the host stood still for a submit to land while others kept the device busy: what holds the number of submits in
    /// flight down, so that a cancel or a stop is felt. Costs the device nothing.
    pub paced: usize,
    /// Time of a step, the first few left out: drivers compile kernels on first use.
    pub step: Duration,
    /// Host time to record one dispatch.
    pub encode_per_dispatch: Duration,
    /// The whole run.
    pub wall: Duration,
}

/// A run's histories, one for each replica, and its cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// One for each replica.
    pub histories: Vec<History>,
    /// Of all of them together.
    pub cost: Cost,
}

/// Device time of one of a step's dispatches.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelTime {
    /// The entry point.
    pub kernel: &'static str,
    /// The layer, its shapes, what was fused.
    pub layer: String,
    /// Median over the steps.
    pub time: Duration,
    /// Arithmetic: a multiply-add counts as two.
    pub flops: u64,
    /// Bytes that it must at least read and write.
    pub bytes: u64,
}

/// Loss and accuracy over a whole dataset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean over all rows.
    pub loss: f64,
    /// Share classified rightly; `None` for a regression.
    pub accuracy: Option<f64>,
}

/// Why a run ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The loss was NaN or infinite.
    LossNotFinite,
    /// The gradient was NaN or infinite.
    GradientNotFinite,
    /// The loss met the rule of [`Stop`](super::Stop).
    Diverged,
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LossNotFinite => "the loss is not finite",
            Self::GradientNotFinite => "the gradient is not finite",
            Self::Diverged => "the loss diverged",
        })
    }
}

pub(super) fn history(finished: &Finished, replica: usize, steps: usize, tensors: usize) -> History {
    let records = &finished.history[replica * steps..][..steps];
    let state = &finished.states[replica];
    let reason = match state.stop_reason {
        0 => None,
        1 => Some(StopReason::LossNotFinite),
        2 => Some(StopReason::GradientNotFinite),
        _ => Some(StopReason::Diverged),
    };
    let steps_ran = measured(records);
    // Behind all records, four numbers a tensor.
    let words: &[[f32; 4]] = bytemuck::cast_slice(&finished.history[finished.states.len() * steps..]);
    let norms = |n: &[f32; 4]| Norms {
        gradient: f64::from(n[0]),
        update: (n[1] != -1.0).then_some(f64::from(n[1])),
        weights: f64::from(n[2]),
    };
    let row =
        |step: usize| words[(replica * steps + step) * tensors..][..tensors].iter().map(norms).collect();
    let layers = (0..steps_ran.len()).filter(|_| tensors > 0).map(row).collect();
    History {
        steps: steps_ran,
        stopped: reason.map(|r| (state.stop_step as usize, r)),
        held_out: Vec::new(),
        layers,
    }
}

/// What the steps that ran measured.
pub(super) fn measured(records: &[Record]) -> Vec<Measured> {
    let some = |v: f32| (v >= 0.0).then_some(f64::from(v));
    let measured = |r: &Record| Measured {
        lr: f64::from(r.lr),
        loss: f64::from(r.loss),
        smoothed: f64::from(r.smoothed),
        accuracy: some(r.accuracy),
        grad_norm: some(r.grad_norm),
        momentum: f64::from(r.momentum),
    };
    records.iter().take_while(|r| r.flags & Record::RAN != 0).map(measured).collect()
}

/// The evaluations of one replica inside a run of which `ran` steps ran, one before every `period`-th.
pub(super) fn evaluations(
    records: &[Record],
    batches: usize,
    period: usize,
    ran: usize,
) -> Vec<(usize, Evaluation)> {
    let all = (0..ran).step_by(period).zip(records.chunks(batches).map(evaluation));
    all.take_while(|(_, e)| e.loss.is_finite()).collect()
}

pub(super) fn evaluation(records: &[Record]) -> Evaluation {
    let rows: f64 = records.iter().map(|r| f64::from(r.count)).sum();
    let mean = |f: fn(&Record) -> f32| {
        records.iter().map(|r| f64::from(f(r)) * f64::from(r.count)).sum::<f64>() / rows
    };
    let classifies = records.iter().all(|r| r.accuracy >= 0.0);
    Evaluation { loss: mean(|r| r.loss), accuracy: classifies.then(|| mean(|r| r.accuracy)) }
}
