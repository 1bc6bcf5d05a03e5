//! The range test itself: snapshot, sweep the rate, restore, read the curve.

use super::curve::{Curve, curve};
use super::{MAX_STEPS, Point, Report, Spacing, grid, rules, smith, suggest};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::optim::Optimizer;
use crate::session::{Control, HeldOut, Session, Snapshot, Stop, check_beta, check_every};

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
    /// Every mode.
    pub const ALL: [Self; 5] = [Self::Sweep, Self::SameBatch, Self::Restart, Self::Frozen, Self::Replicas];

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

    /// Do the weights move from rate to rate?
    pub fn moves(self) -> bool {
        matches!(self, Self::Sweep | Self::SameBatch)
    }

    /// Is each rate probed from the same weights, by updates before its loss is measured?
    pub fn probes(self) -> bool {
        matches!(self, Self::Restart | Self::Replicas)
    }
}

/// A learning-rate range test (Smith, arXiv:1506.01186), by default with the settings of fastai's `lr_find`: 100 rates
/// from 1e-7 to 10, smoothed with 0.98. Unlike there, the last rate is exactly `to`.
///
/// A setting that the mode has no use for is refused ([`check`](Self::check)), not ignored.
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
    /// When to end early; default [`Stop::Rise`] with 0.9. Modes whose weights do not move from rate to rate end only where a number
    /// is not finite.
    pub stop: Stop,
    /// Seed of the batch order; default the session's.
    pub seed: Option<u64>,
    /// Batch orders to sweep over at once, with seeds from `seed` on; default 1. The curve is then their mean, with its spread. More
    /// than one for [`Mode::Sweep`] and [`Mode::SameBatch`].
    pub seeds: usize,
    /// Updates at each rate before its loss is measured; default 1 in [`Mode::Restart`], 20 in [`Mode::Replicas`].
    pub probe: Option<usize>,
    /// Momentum at the first and at the last rate of a sweep, straight between them; default the optimizer's throughout.
    /// (0.95, 0.85) falls while the rate rises, as in a one-cycle schedule (Smith, arXiv:1803.09820). For [`Mode::Sweep`] and
    /// [`Mode::SameBatch`].
    pub cyclical_momentum: Option<(f64, f64)>,
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
            cyclical_momentum: None,
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
        let rates = self.fits(session, held_out)?;
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
        // What is known of single optimizers was measured on sweeps.
        // The rules see the whole grid: a curve shorter than it ended by divergence.
        Report {
            mode: self.mode,
            suggestion: suggest(rates, &loss, self.mode.moves().then_some(optimizer)),
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

    /// Can there be such a test, whatever the session? `held_out_every` is that of [`run_held_out`](Self::run_held_out).
    ///
    /// # Errors
    /// A setting outside what it can be, or one that the mode has no use for.
    pub fn check(&self, held_out_every: Option<usize>) -> Result<()> {
        self.rates()?;
        self.check_ends()?;
        check_beta(self.beta)?;
        self.stop.check()?;
        held_out_every.map_or(Ok(()), check_every)?;
        let refused = |setting: &str, detail: String| Err(Error::argument(setting, detail));
        let mode = self.mode.name();
        if self.seeds == 0 {
            return refused("seeds", "0 batch orders give no curve; it must be at least 1".into());
        }
        let of_moving_weights = [
            (self.seeds > 1, "seeds", "has one batch order"),
            (self.cyclical_momentum.is_some(), "cyclical momentum", "has one momentum for all rates"),
            (held_out_every.is_some(), "held out every", "starts each rate from the same weights"),
            (self.layers, "layers", "has no updates one after the other"),
        ];
        let ignored = of_moving_weights.iter().find(|(set, ..)| *set && !self.mode.moves());
        if let Some((_, setting, why)) = ignored {
            return refused(setting, format!("{mode} {why}; use sweep or same-batch"));
        }
        if let Some((a, b)) = self.cyclical_momentum
            && ![a, b].iter().all(|m| (0.0..1.0).contains(m))
        {
            return refused("cyclical momentum", format!("from {a} to {b}; both must be from 0 to below 1"));
        }
        let Some(probe) = self.probe else { return Ok(()) };
        if probe == 0 {
            return refused("probe", "0 updates show nothing of a rate; it must be at least 1".into());
        }
        if !self.mode.probes() {
            return refused("probe", format!("{mode} has no probes; use restart or replicas"));
        }
        if probe.saturating_add(1).saturating_mul(self.steps) > MAX_STEPS {
            let steps = self.steps;
            let detail = format!("{probe} updates at {steps} rates are too many; {MAX_STEPS} steps at most");
            return refused("probe", detail);
        }
        Ok(())
    }

    /// Can there be such a test with this optimizer?
    ///
    /// # Errors
    /// A momentum that is to fall, and an optimizer without one.
    pub fn check_optimizer(&self, optimizer: &Optimizer) -> Result<()> {
        match self.cyclical_momentum {
            Some(_) if optimizer.momentum() == 0.0 => Err(Error::argument(
                "cyclical momentum",
                format!("{optimizer} has no momentum; take one that has"),
            )),
            _ => Ok(()),
        }
    }

    /// The device counts in f32.
    fn check_ends(&self) -> Result<()> {
        for (name, rate) in [("from", self.from), ("to", self.to)] {
            let (least, most) = (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
            if rate > most || rate > 0.0 && rate < least {
                let detail =
                    format!("{rate:e} is no rate of a device, which knows {least:.1e} to {most:.1e}");
                return Err(Error::argument(name, detail));
            }
        }
        Ok(())
    }

    /// The rates, where nothing is wrong with the settings and they fit the session.
    pub(super) fn fits(&self, session: &Session, held_out: Option<HeldOut<'_>>) -> Result<Vec<f64>> {
        self.check(held_out.map(|held_out| held_out.every))?;
        self.check_optimizer(session.optimizer())?;
        let replicas = session.options().replicas;
        if replicas != 1 {
            let detail = format!("a session of {replicas}; a range test makes its own copies of one");
            return Err(Error::argument("replicas", detail));
        }
        let most = session.most_replicas();
        if self.seeds > most {
            let detail = format!("{} copies side by side; the device has room for {most}", self.seeds);
            return Err(Error::argument("seeds", detail));
        }
        self.rates()
    }

    /// The rates of the test, in order.
    ///
    /// # Errors
    /// As [`grid`](super::grid).
    pub fn rates(&self) -> Result<Vec<f64>> {
        grid(self.from, self.to, self.steps, self.spacing)
    }

    /// Seed of the first batch order.
    pub(super) fn seed(&self, session: &Session) -> u64 {
        self.seed.unwrap_or(session.options().seed)
    }

    /// Updates at each rate before its loss is measured; 0 in the modes that have no probes.
    pub fn updates(&self) -> usize {
        match self.mode {
            Mode::Restart => self.probe.unwrap_or(1),
            Mode::Replicas => self.probe.unwrap_or(20),
            Mode::Sweep | Mode::SameBatch | Mode::Frozen => 0,
        }
    }
}
