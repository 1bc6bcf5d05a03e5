//! The curves of the modes: which batches and which weights each rate is measured on.

use super::line::{Line, line};
use super::told::Told;
use super::{HeldOutPoint, Layers, Mode, Point, RangeTest};
use crate::data::Dataset;
use crate::data::order::{batch_order, epochs, same_batch_order};
use crate::error::Result;
use crate::optim::Optimizer;
use crate::schedule::Schedule;
use crate::session::{
    Control, Cost, Evaluation, HeldOut, History, Measured, Outcome, Run, Session, Stop, StopReason,
};
use std::time::Duration;

/// What a mode measured.
pub(super) struct Curve {
    /// One point a rate, in order; the last may have a loss that is not finite.
    pub points: Vec<Point>,
    pub stopped: Option<(usize, StopReason)>,
    pub cost: Cost,
    /// Passes through the dataset.
    pub epochs: f64,
    /// Lowest and highest loss of each point over the seeds, if there were several.
    pub spread: Vec<(f64, f64)>,
    pub held_out: Vec<HeldOutPoint>,
    pub line: Option<Line>,
    pub layers: Option<Layers>,
}

impl Curve {
    pub fn new(points: Vec<Point>, stopped: Option<(usize, StopReason)>, cost: Cost) -> Self {
        Self {
            points,
            stopped,
            cost,
            epochs: 0.0,
            spread: Vec::new(),
            held_out: Vec::new(),
            line: None,
            layers: None,
        }
    }
}

/// Runs a mode. The session may be left changed: the caller restores it.
pub(super) async fn curve(
    test: &RangeTest,
    rates: &[f64],
    session: &mut Session,
    data: &Dataset,
    held_out: Option<HeldOut<'_>>,
    control: Control<'_>,
) -> Result<Curve> {
    let told = Told::new(test, rates, control);
    match test.mode {
        Mode::Sweep | Mode::SameBatch if test.seeds > 1 => {
            seeds(test, rates, session, data, held_out, told).await
        }
        Mode::Sweep | Mode::SameBatch => sweep(test, rates, session, data, held_out, told).await,
        Mode::Restart => restart(test, rates, session, data, told).await,
        Mode::Replicas => replicas(test, rates, session, data, told).await,
        Mode::Frozen => line(test, rates, session, data, told).await,
    }
}

/// A point from a step's measurement, at the rate as the host has it: the device's is that, rounded to f32.
pub(super) fn point(step: usize, lr: f64, momentum: f64, m: &Measured) -> Point {
    Point {
        step,
        lr,
        loss: m.loss,
        smoothed: m.smoothed,
        accuracy: m.accuracy,
        grad_norm: m.grad_norm.filter(|g| g.is_finite()),
        momentum,
    }
}

fn held_out_points(schedule: &Schedule, history: &History) -> Vec<HeldOutPoint> {
    let point = |&(step, e): &(usize, Evaluation)| HeldOutPoint {
        step,
        lr: schedule.lr[step],
        loss: e.loss,
        accuracy: e.accuracy,
    };
    history.held_out.iter().map(point).collect()
}

/// A point as progress tells it.
pub(super) fn measured(p: &Point) -> Measured {
    let Point { lr, loss, smoothed, accuracy, grad_norm, momentum, .. } = *p;
    Measured { lr, loss, smoothed, accuracy, grad_norm, momentum }
}

fn points(schedule: &Schedule, history: &History) -> Vec<Point> {
    let rows = schedule.lr.iter().zip(&schedule.momentum).zip(&history.steps).enumerate();
    rows.map(|(step, ((&lr, &momentum), m))| point(step, lr, momentum, m)).collect()
}

/// The curve of a sweep, or of one of several side by side.
pub(super) fn swept(
    test: &RangeTest,
    session: &Session,
    data: &Dataset,
    schedule: &Schedule,
    history: &History,
    cost: Cost,
) -> Curve {
    let batch = session.options().effective_batch();
    Curve {
        epochs: passes(test, data, batch, history.steps.len()),
        layers: test.layers.then(|| Layers::new(session.names(), std::slice::from_ref(history))),
        held_out: held_out_points(schedule, history),
        ..Curve::new(points(schedule, history), history.stopped, cost)
    }
}

/// The batches of a sweep, and how often it goes through the dataset in `steps` steps.
pub(super) fn order(test: &RangeTest, data: &Dataset, batch: usize, seed: u64) -> Result<Vec<u32>> {
    match test.mode {
        Mode::SameBatch => same_batch_order(data.len(), batch, test.steps, seed),
        _ => batch_order(data.len(), batch, test.steps, seed),
    }
}

fn passes(test: &RangeTest, data: &Dataset, batch: usize, steps: usize) -> f64 {
    if test.mode == Mode::Sweep { epochs(data.len(), batch, steps) } else { 0.0 }
}

/// The rates, and the momentum that goes with each: falling while the rate rises, where the test asks for it.
pub(super) fn schedule(test: &RangeTest, rates: &[f64], optimizer: &Optimizer) -> Schedule {
    let mut schedule = Schedule::rates(rates.to_vec(), optimizer);
    if let Some((from, to)) = test.cyclical_momentum {
        let last = (rates.len() - 1).max(1) as f64;
        for (i, momentum) in schedule.momentum.iter_mut().enumerate() {
            *momentum = from + (to - from) * i as f64 / last;
        }
    }
    schedule
}

/// Copies of a session for a sweep.
pub(super) async fn copies(test: &RangeTest, session: &Session, count: usize) -> Result<Session> {
    if test.layers { session.watched(count).await } else { session.replicate(count).await }
}

async fn sweep(
    test: &RangeTest,
    rates: &[f64],
    session: &mut Session,
    data: &Dataset,
    held_out: Option<HeldOut<'_>>,
    mut told: Told<'_>,
) -> Result<Curve> {
    let batch = session.options().effective_batch();
    let order = order(test, data, batch, test.seed(session))?;
    let schedules = [schedule(test, rates, session.optimizer())];
    let run = Run { schedules: &schedules, order: &order, beta: test.beta, stop: test.stop };
    let mut copy;
    let run_on = if test.layers {
        copy = session.watched(1).await?;
        &mut copy
    } else {
        &mut *session
    };
    let cancel = told.cancel;
    let mut tell = told.during(|now| (now.step, now.new[0].clone()));
    let control = Control { progress: tell.as_mut().map(|t| t as _), cancel };
    let Outcome { histories, cost } = run_on.run_watching(data, &run, held_out, control).await?;
    Ok(swept(test, session, data, &schedules[0], &histories[0], cost))
}

/// The sweep over several batch orders at once, each on its own copy of the model: the mean curve and its spread. It
/// ends where the first copy ends.
async fn seeds(
    test: &RangeTest,
    rates: &[f64],
    session: &Session,
    data: &Dataset,
    held_out: Option<HeldOut<'_>>,
    mut told: Told<'_>,
) -> Result<Curve> {
    let batch = session.options().effective_batch();
    let mut orders = Vec::new();
    for i in 0..test.seeds as u64 {
        orders.extend(order(test, data, batch, test.seed(session).wrapping_add(i))?);
    }
    let mut copies = copies(test, session, test.seeds).await?;
    let schedules = [schedule(test, rates, session.optimizer())];
    let run = Run { schedules: &schedules, order: &orders, beta: test.beta, stop: test.stop };
    let cancel = told.cancel;
    let mut whole = true;
    let mut tell = told.during(|now| {
        let new = now.new.iter().map(Vec::len);
        let (fewest, most) = (new.clone().min().unwrap_or(0), new.max().unwrap_or(0));
        let means = (0..if whole { fewest } else { 0 }).map(|step| {
            let at = |rows: &Vec<Measured>| point(step, rows[step].lr, rows[step].momentum, &rows[step]);
            measured(&mean(&now.new.iter().map(at).collect::<Vec<_>>()))
        });
        let means = means.collect();
        whole &= fewest == most; // behind the first copy that ended there is no mean
        (now.step, means)
    });
    let control = Control { progress: tell.as_mut().map(|t| t as _), cancel };
    let Outcome { histories, cost } = copies.run_watching(data, &run, held_out, control).await?;
    let Some(first) = histories.iter().min_by_key(|h| h.steps.len()) else { unreachable!("a seed at least") };
    let each: Vec<Vec<Point>> = histories.iter().map(|h| points(&schedules[0], h)).collect();
    let steps = first.steps.len();
    let column = |step: usize| each.iter().map(move |points| points[step]);
    let losses = |step: usize| column(step).map(|p| p.loss);
    let points = (0..steps).map(|step| mean(&column(step).collect::<Vec<_>>())).collect();
    let held_out: Vec<_> = histories.iter().map(|h| held_out_points(&schedules[0], h)).collect();
    Ok(Curve {
        epochs: passes(test, data, batch, steps),
        spread: (0..steps)
            .map(|s| (losses(s).fold(f64::INFINITY, f64::min), losses(s).fold(f64::NEG_INFINITY, f64::max)))
            .collect(),
        held_out: mean_held_out(&held_out, steps),
        layers: test.layers.then(|| Layers::new(session.names(), &histories)),
        ..Curve::new(points, first.stopped, cost)
    })
}

/// Before the first `steps` steps, as far as all copies have them.
fn mean_held_out(copies: &[Vec<HeldOutPoint>], steps: usize) -> Vec<HeldOutPoint> {
    let n = copies.len() as f64;
    let count = copies.iter().map(Vec::len).min().unwrap_or(0);
    let mean = |i: usize| HeldOutPoint {
        loss: copies.iter().map(|c| c[i].loss).sum::<f64>() / n,
        accuracy: copies.iter().map(|c| c[i].accuracy).sum::<Option<f64>>().map(|sum| sum / n),
        ..copies[0][i]
    };
    (0..count).map(mean).take_while(|p| p.step < steps).collect()
}

fn mean(points: &[Point]) -> Point {
    let n = points.len() as f64;
    let of = |f: fn(&Point) -> f64| points.iter().map(f).sum::<f64>() / n;
    let some = |f: fn(&Point) -> Option<f64>| Some(points.iter().map(f).sum::<Option<f64>>()? / n);
    Point {
        loss: of(|p| p.loss),
        smoothed: of(|p| p.smoothed),
        accuracy: some(|p| p.accuracy),
        grad_norm: some(|p| p.grad_norm),
        ..points[0]
    }
}

/// The batches of one probe: `updates` to train on and one to measure the loss.
fn probe_order(test: &RangeTest, session: &Session, data: &Dataset, updates: usize) -> Result<Vec<u32>> {
    batch_order(data.len(), session.options().effective_batch(), updates + 1, test.seed(session))
}

/// From the same weights for each rate, `probe` updates and then the loss: nothing that an earlier rate did is left.
async fn restart(
    test: &RangeTest,
    rates: &[f64],
    session: &mut Session,
    data: &Dataset,
    mut told: Told<'_>,
) -> Result<Curve> {
    let updates = test.updates();
    let period = updates + 1;
    let order = probe_order(test, session, data, updates)?.repeat(rates.len());
    let repeated: Vec<f64> = rates.iter().flat_map(|&lr| std::iter::repeat_n(lr, period)).collect();
    let schedules = [Schedule::rates(repeated, session.optimizer())];
    let run = Run { schedules: &schedules, order: &order, beta: test.beta, stop: Stop::NotFinite };
    let cancel = told.cancel;
    let mut step = 0;
    let mut tell = told.during(|now| {
        let last = |_: &&Measured| {
            step += 1;
            step % period == 0
        };
        (now.step / period, now.new[0].iter().filter(last).copied().collect())
    });
    let control = Control { progress: tell.as_mut().map(|t| t as _), cancel };
    let Outcome { histories, cost } = session.probe(data, &run, period, control).await?;
    let history = &histories[0];
    let momentum = session.optimizer().momentum();
    let measured = history.steps.iter().skip(updates).step_by(period);
    let mut points: Vec<Point> =
        rates.iter().zip(measured).enumerate().map(|(i, (&lr, m))| point(i, lr, momentum, m)).collect();
    if let Some((step, StopReason::GradientNotFinite)) = history.stopped {
        points.truncate(step / period); // an update at this rate blew up, though the loss behind it may be finite
    }
    smooth(&mut points, test.beta);
    Ok(Curve::new(points, history.stopped.map(|(step, reason)| (step / period, reason)), cost))
}

/// Each rate trains its own copy on the same batches, all at once, as far as memory goes.
async fn replicas(
    test: &RangeTest,
    rates: &[f64],
    session: &Session,
    data: &Dataset,
    mut told: Told<'_>,
) -> Result<Curve> {
    let updates = test.updates();
    let order = probe_order(test, session, data, updates)?;
    let momentum = session.optimizer().momentum();
    let mut points = Vec::new();
    let mut stopped = None;
    let mut costs = Vec::new();
    let mut waves = Waves::new(session, rates.len());
    while stopped.is_none() && points.len() < rates.len() {
        let wave = &rates[points.len()..][..waves.size().min(rates.len() - points.len())];
        let mut copies = session.replicate(wave.len()).await?;
        let schedules: Vec<Schedule> =
            wave.iter().map(|&lr| Schedule::constant(lr, updates + 1, session.optimizer())).collect();
        let run = Run { schedules: &schedules, order: &order, beta: test.beta, stop: Stop::NotFinite };
        let (cancel, done) = (told.cancel, points.len());
        let mut tell = told.during(|now| (done + wave.len() * now.step / now.steps, Vec::new()));
        let control = Control { progress: tell.as_mut().map(|t| t as _), cancel };
        let Outcome { histories, cost } = copies.run(data, &run, control).await?;
        drop(tell);
        waves.learn(wave.len(), cost.wall);
        costs.push(cost);
        for (&lr, history) in wave.iter().zip(&histories) {
            match (history.steps.get(updates), history.stopped) {
                (Some(m), None) => points.push(point(points.len(), lr, momentum, m)),
                // The curve ends before the first rate that blew up.
                (_, reason) => {
                    stopped = Some((points.len(), reason.map_or(StopReason::LossNotFinite, |r| r.1)));
                    break;
                }
            }
        }
        told.tell(points.len(), points.iter().skip(done).map(measured).collect());
    }
    smooth(&mut points, test.beta);
    Ok(Curve::new(points, stopped, total(&costs)))
}

/// How many copies are trained at once: 8 at first, then more for as long as that makes a copy cheaper.
pub(super) struct Waves {
    size: usize,
    most: usize,
    /// Time of a copy in the cheapest wave so far.
    best: Option<Duration>,
}

impl Waves {
    pub fn new(session: &Session, rates: usize) -> Self {
        let most = session.most_replicas().min(rates.max(1));
        Self { size: most.min(8), most, best: None }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    pub fn learn(&mut self, copies: usize, wall: Duration) {
        let each = wall / copies.max(1) as u32;
        // The first wave also pays for what is made once; it says nothing against a larger one.
        if self.best.is_none_or(|best| each < best.mul_f64(0.9)) {
            self.size = (4 * self.size).min(self.most);
        }
        self.best = Some(self.best.map_or(each, |best| best.min(each)));
    }
}

/// What several runs cost together.
pub(super) fn total(costs: &[Cost]) -> Cost {
    let sum = |f: fn(&Cost) -> Duration| costs.iter().map(f).sum::<Duration>();
    let runs = costs.len().max(1) as u32;
    Cost {
        dispatches_per_step: costs.first().map_or(0, |c| c.dispatches_per_step),
        submits: costs.iter().map(|c| c.submits).sum(),
        waits: costs.iter().map(|c| c.waits).sum(),
        paced: costs.iter().map(|c| c.paced).sum(),
        step: sum(|c| c.step) / runs,
        encode_per_dispatch: sum(|c| c.encode_per_dispatch) / runs,
        wall: sum(|c| c.wall),
    }
}

/// The exponentially weighted average over the points, for the rules that want it: the device smoothed over all steps.
pub(super) fn smooth(points: &mut [Point], beta: f64) {
    let losses: Vec<f64> = points.iter().map(|p| p.loss).collect();
    let smoothed = super::ewa(&losses, beta);
    for (i, point) in points.iter_mut().enumerate() {
        point.smoothed = smoothed.get(i).copied().unwrap_or(f64::NAN);
    }
}
