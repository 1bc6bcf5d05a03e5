//! The range test itself: snapshot, sweep the rate, restore, read the curve.

use super::curve::{Curve, curve};
use super::{Point, Report, Spacing, grid, rules, smith, suggest};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::optim::Optimizer;
use crate::session::{Control, HeldOut, Session, Snapshot, Stop};

/// Which question a range test asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// A new batch each step, and the weights move: Smith's test, and what the other finders do. The curve mixes the
    /// rate's effect with the batch's and with that of learning itself.
    #[default]
    Sweep,
    /// The weights move, the batch stays: no noise from batches is left in the curve.
    SameBatch,
    /// From the same weights for each rate: a few updates on the same batches, then the loss of another batch. What is left
    /// is the rate's own effect, without that of the rates before it.
    Restart,
    /// The weights never move: the loss along one update direction on one batch, by forward passes. See
    /// [`Line`](super::Line).
    Frozen,
    /// Each rate trains its own copy, from the same weights on the same batches, all at once. As [`Mode::Restart`] with more
    /// updates: learning is part of it again, but each rate's own.
    Replicas,
}

impl Mode {
    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::SameBatch => "same-batch",
            Self::Restart => "restart",
            Self::Frozen => "frozen",
            Self::Replicas => "replicas",
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
    /// Batch orders to sweep over at once, with seeds from `seed` on; default 1. The curve is then their mean, with its spread.
    pub seeds: usize,
    /// Updates at each rate before its loss is measured; default 1 in [`Mode::Restart`], 20 in [`Mode::Replicas`].
    pub probe: Option<usize>,
    /// Momentum at the first and at the last rate of a sweep, straight between them; default the optimizer's throughout.
    /// (0.95, 0.85) falls while the rate rises, as in a one-cycle schedule (Smith, arXiv:1803.09820).
    pub momentum: Option<(f64, f64)>,
    /// Measure each parameter's gradient, update and weights at every rate; default false. The sweep then runs on a copy of the
    /// model, with the bits that it has without. For [`Mode::Sweep`] and [`Mode::SameBatch`].
    pub layers: bool,
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
            seeds: 1,
            probe: None,
            momentum: None,
            layers: false,
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
    /// Measures every rate, restores the session bit for bit, and reads the curve.
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
        self.measure(session, data, None, control).await
    }

    /// As [`run_with`](Self::run_with), and on the way the loss over held-out data at every so many rates, in
    /// [`Report::held_out`]: it tells a rate that learns from one that learns its batches by heart. The rest of the report has
    /// the bits that it has without. For the modes whose weights move from rate to rate, [`Mode::Sweep`] and [`Mode::SameBatch`].
    ///
    /// # Errors
    /// As [`run_with`](Self::run_with), another mode, or held-out data that does not fit. The session is restored then too.
    pub async fn run_held_out(
        &self,
        session: &mut Session,
        data: &Dataset,
        held_out: HeldOut<'_>,
        control: Control<'_>,
    ) -> Result<Report> {
        self.measure(session, data, Some(held_out), control).await
    }

    pub(super) async fn measure(
        &self,
        session: &mut Session,
        data: &Dataset,
        held_out: Option<HeldOut<'_>>,
        control: Control<'_>,
    ) -> Result<Report> {
        let rates = self.check(session, held_out)?;
        let before = if self.verify_restore { Some(session.fingerprint().await?) } else { None };
        let snapshot = session.snapshot().await?;
        let restoring = Restoring { session, snapshot };
        let measured = curve(self, &rates, restoring.session, data, held_out, control).await?;
        drop(restoring);
        let after = if self.verify_restore { Some(session.fingerprint().await?) } else { None };
        let optimizer = *session.optimizer();
        Ok(self.report(&rates, measured, (session, &optimizer), before.zip(after)))
    }

    /// Reads a curve that was measured on this session, or a copy of it, with this optimizer.
    pub(super) fn report(
        &self,
        rates: &[f64],
        measured: Curve,
        (session, optimizer): (&Session, &Optimizer),
        fingerprints: Option<(u64, u64)>,
    ) -> Report {
        let column = |f: fn(&Point) -> f64| measured.points.iter().map(f).collect::<Vec<f64>>();
        let (loss, smoothed) = (column(|p| p.loss), column(|p| p.smoothed));
        let accuracy: Option<Vec<f64>> = measured.points.iter().map(|p| p.accuracy).collect();
        // A last loss that ended the run is no point.
        let finite = loss.iter().take_while(|l| l.is_finite()).count();
        // What is known of optimizers was measured on sweeps.
        let sweeps = matches!(self.mode, Mode::Sweep | Mode::SameBatch);
        // The rules see the whole grid: a curve shorter than it ended by divergence.
        Report {
            mode: self.mode,
            suggestion: suggest(rates, &loss, sweeps.then_some(optimizer)),
            rules: rules(rates, &loss, &smoothed),
            smith: smith(rates, accuracy.as_deref(), &loss),
            points: measured.points.into_iter().take(finite).collect(),
            spread: measured.spread.into_iter().take(finite).collect(),
            held_out: measured.held_out.into_iter().take_while(|p| p.step < finite).collect(),
            line: measured.line,
            layers: measured.layers,
            stopped: measured.stopped,
            fingerprints,
            epochs: measured.epochs,
            adapter: session.gpu().adapter().clone(),
            cost: measured.cost,
        }
    }

    /// The rates, where nothing is wrong with the settings.
    pub(super) fn check(&self, session: &Session, held_out: Option<HeldOut<'_>>) -> Result<Vec<f64>> {
        let rates = grid(self.from, self.to, self.steps, self.spacing)?;
        if held_out.is_some() && !matches!(self.mode, Mode::Sweep | Mode::SameBatch) {
            let detail = format!(
                "{} starts each rate from the same weights, and has no loss to follow; use sweep or same-batch",
                self.mode.name()
            );
            return Err(Error::argument("held out every", detail));
        }
        if session.options().replicas != 1 {
            let detail = format!(
                "a session of {}; a range test makes its own copies of one",
                session.options().replicas
            );
            return Err(Error::argument("replicas", detail));
        }
        if self.seeds == 0 || self.seeds > session.most_replicas() {
            let most = session.most_replicas();
            return Err(Error::argument("seeds", format!("{} is not from 1 to {most}", self.seeds)));
        }
        if self.layers && !matches!(self.mode, Mode::Sweep | Mode::SameBatch) {
            let detail =
                format!("{} has no updates one after the other; use sweep or same-batch", self.mode.name());
            return Err(Error::argument("layers", detail));
        }
        if self.probe == Some(0) {
            return Err(Error::argument("probe", "0 updates show nothing of a rate; it must be at least 1"));
        }
        match self.momentum {
            Some((a, b)) if !((0.0..1.0).contains(&a) && (0.0..1.0).contains(&b)) => {
                Err(Error::argument("momentum", format!("from {a} to {b}; both must be from 0 to below 1")))
            }
            _ => Ok(rates),
        }
    }

    /// Seed of the first batch order.
    pub(super) fn seed(&self, session: &Session) -> u64 {
        self.seed.unwrap_or(session.options().seed)
    }

    /// Updates at each rate before its loss is measured.
    pub(super) fn updates(&self) -> usize {
        self.probe.unwrap_or(if self.mode == Mode::Replicas { 20 } else { 1 })
    }
}
