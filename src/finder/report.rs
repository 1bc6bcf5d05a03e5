//! What a range test found: every step, where it stopped, and what each rule makes of it.

use super::{Layers, Line, Mode};
use crate::device::Adapter;
use crate::session::{Cost, StopReason};

/// The result of a [`RangeTest`](super::RangeTest).
#[derive(Clone, Debug)]
pub struct Report {
    /// Which question was asked.
    pub mode: Mode,
    /// Every step with a finite loss, in order.
    pub points: Vec<Point>,
    /// Lowest and highest loss of each point over the seeds; empty for one seed.
    pub spread: Vec<(f64, f64)>,
    /// Loss over held-out data at some of the points, in order, the first among them; empty if there was none. Ends before the
    /// first that is not finite. The suggestion does not use it.
    pub held_out: Vec<HeldOutPoint>,
    /// What the frozen mode reads off its line; `None` in other modes.
    pub line: Option<Line>,
    /// What the updates did to each parameter, where it was asked for.
    pub layers: Option<Layers>,
    /// Our rule's answer.
    pub suggestion: Result<Suggestion, Refusal>,
    /// The answers of other finders' rules.
    pub rules: Rules,
    /// The bounds of a cyclical schedule, where the curve shows them.
    pub smith: Option<Smith>,
    /// The step at which the sweep ended early, and why.
    pub stopped: Option<(usize, StopReason)>,
    /// Hashes of all that the sweep changes, before it and after the restore; `None` if they were not asked for.
    pub fingerprints: Option<(u64, u64)>,
    /// How often the sweep went through the dataset; above 1 it saw samples again, in a new order.
    pub epochs: f64,
    /// The device that it ran on.
    pub adapter: Adapter,
    /// What it cost.
    pub cost: Cost,
}

impl Report {
    /// Is the model as it was, bit for bit? Without hashes: was everything copied back?
    pub fn restored(&self) -> bool {
        self.fingerprints.is_none_or(|(before, after)| before == after)
    }
}

/// One rate. In a sweep, `loss` is measured on the batch of this step *before* its update; `lr` and `momentum` are what that
/// update then uses (so `loss` shows the effect of the rates up to the step before). In the other modes `loss` is measured
/// *after* the updates at this rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Index of the step, from 0.
    pub step: usize,
    /// Learning rate of the step's update.
    pub lr: f64,
    /// Mean loss over the batch, as computed: never smoothed.
    pub loss: f64,
    /// Exponentially weighted average of `loss` with bias correction.
    pub smoothed: f64,
    /// Share of the batch classified rightly, 0 to 1; `None` for a regression.
    pub accuracy: Option<f64>,
    /// Euclidean norm of the whole gradient; `None` where the step's backward pass did not count.
    pub grad_norm: Option<f64>,
    /// Momentum (SGD) or beta1 (Adam) of the step's update.
    pub momentum: f64,
}

/// What the model was worth on held-out data at a step of a sweep, *before* its update: at the weights that the step's own
/// loss is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldOutPoint {
    /// Index of the step.
    pub step: usize,
    /// Learning rate of the step's update.
    pub lr: f64,
    /// Mean loss over all held-out samples; over several seeds, their mean.
    pub loss: f64,
    /// Share of them classified rightly, 0 to 1; `None` for a regression.
    pub accuracy: Option<f64>,
}

/// A rate, an interval around it, and why it was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// The learning rate to train with.
    pub lr: f64,
    /// Lower end of the interval: 0.55 decades below `lr`; the best rate often lies within.
    pub low: f64,
    /// Upper end of the interval: 0.55 decades above `lr`.
    pub high: f64,
    /// By how many standard errors some stretch of the curve lies below all before it.
    pub score: f64,
    /// Name of the rule that answered.
    pub rule: &'static str,
    /// One sentence for a person.
    pub reason: String,
}

impl Suggestion {
    /// The peak of a one-cycle schedule: three times `lr`. Such a schedule spends little time at its peak, and the best peak was 3.1
    /// to 4.3 times the best constant rate on the sets of tasks that it was measured on (`docs/suggestion.md`).
    pub fn one_cycle_peak(&self) -> f64 {
        3.0 * self.lr
    }
}

/// Why there is no suggestion, and what to change.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// One sentence for a person: what the curve shows, and what to change.
    pub reason: String,
    /// Where short runs may look all the same ([`Report::verify`]): what the curve's other readings say, or, where it still
    /// falls at its end, all of them. No suggestion.
    pub guess: Option<f64>,
}

/// What the rules of other finders answer on the same curve; `None` where a rule has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rules {
    /// fastai `valley`, its default.
    pub fastai_valley: Option<f64>,
    /// fastai `steep`.
    pub fastai_steep: Option<f64>,
    /// fastai `slide`.
    pub fastai_slide: Option<f64>,
    /// fastai `minimum`: a tenth of the rate at the lowest loss.
    pub fastai_minimum: Option<f64>,
    /// The steepest central difference (fastai v1, pytorch-lr-finder).
    pub min_gradient: Option<f64>,
}

/// Smith's pair (arXiv:1506.01186, section 3.3): the bounds of a cyclical schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smith {
    /// Where accuracy starts to rise (or, without accuracy, the loss to fall).
    pub base_lr: f64,
    /// Where it slows, becomes ragged or falls.
    pub max_lr: f64,
}
