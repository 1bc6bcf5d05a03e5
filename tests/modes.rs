//! The other questions: probes, copies, forward passes, and the modes, seeds and short runs that are made of them. Each
//! must give the bits of the plain runs that it stands for, and leave the session as it was.

use crate::common::{
    assert_close, bits, block, classes, fill, regression, rows_in_turn, session, train, weights,
};
use crate::determinism::everything;
use rangefinder::data::order::batch_order;
use rangefinder::{
    Adam, Control, Dataset, Error, GoodRates, Graph, History, Inputs, Linear, Loss, Measured, Mode, Op,
    Optimizer, Options, Outcome, Progress, RangeTest, Report, Run, Schedule, Sequential, Session, Sgd,
    Spacing, Stop, StopReason, Targets, Verification, Verify, digits, finder,
};
use std::sync::atomic::{AtomicBool, Ordering};

const BATCH: usize = 32;

/// Batch norm, dropout and Adam, after a few steps: everything that a copy or a restore could forget.
fn in_training(options: Options) -> Session {
    let mut session = session(&everything(), Loss::CrossEntropy, Adam::w(0.01), options);
    train(&mut session, &digits(), &[0.01; 4]);
    session
}

fn options() -> Options {
    Options::batch(BATCH).seed(9)
}

/// One schedule for all replicas or one for each, and the same of orders; to the end unless a loss is not finite.
fn run(session: &mut Session, data: &Dataset, schedules: &[Schedule], order: &[u32]) -> Vec<History> {
    let run = Run { schedules, order, beta: 0.98, stop: Stop::NotFinite };
    block(session.run(data, &run, Control::default())).unwrap().histories
}

fn probe(
    session: &mut Session,
    schedule: &Schedule,
    order: &[u32],
    period: usize,
) -> rangefinder::Result<Outcome> {
    let run = Run { schedules: std::slice::from_ref(schedule), order, beta: 0.98, stop: Stop::NotFinite };
    block(session.probe(&digits(), &run, period, Control::default()))
}

fn measure(session: &mut Session, steps: usize, order: &[u32]) -> Outcome {
    let schedules = [Schedule::constant(0.0, steps, session.optimizer())];
    let run = Run { schedules: &schedules, order, beta: 0.98, stop: Stop::NotFinite };
    block(session.measure(&digits(), &run, Control::default())).unwrap()
}

fn fingerprint(session: &Session) -> u64 {
    block(session.fingerprint()).unwrap()
}

/// All but the average, which goes on from probe to probe.
fn unsmoothed(steps: &[Measured]) -> Vec<Measured> {
    steps.iter().map(|m| Measured { smoothed: 0.0, ..*m }).collect()
}

/// Rates that differ from step to step.
fn growing(steps: usize, optimizer: &Optimizer) -> Schedule {
    Schedule::rates((0..steps).map(|t| 0.003 * 1.3f64.powi(t as i32)).collect(), optimizer)
}

#[test]
fn each_probe_is_a_fresh_run() {
    let data = digits();
    // Ten steps are not whole probes of three: the last is cut short.
    for (period, options) in [(1, options()), (3, options()), (3, options().clip(0.5)), (99, options())] {
        let mut session = in_training(options);
        let before = fingerprint(&session);
        let snapshot = block(session.snapshot()).unwrap();
        let schedule = growing(10, session.optimizer());
        let order = batch_order(data.len(), BATCH, 10, 3).unwrap();
        let probed = probe(&mut session, &schedule, &order, period).unwrap().histories.remove(0);
        assert_eq!(fingerprint(&session), before, "period {period}");
        assert_eq!(session.steps_done(), 4);
        assert_eq!((probed.steps.len(), probed.stopped), (10, None));

        for first in (0..10).step_by(period) {
            let last = (first + period).min(10);
            session.restore(&snapshot);
            let part = Schedule::rates(schedule.lr[first..last].to_vec(), session.optimizer());
            let alone = run(&mut session, &data, &[part], &order[first * BATCH..last * BATCH]).remove(0);
            assert_eq!(
                unsmoothed(&probed.steps[first..last]),
                unsmoothed(&alone.steps),
                "steps {first} to {last}"
            );
        }
    }
}

#[test]
fn a_probe_that_ends_early_leaves_no_trace() {
    let mut session = in_training(options());
    let before = fingerprint(&session);
    let order = rows_in_turn(&digits(), BATCH, 0..400);

    let huge = Schedule::constant(3e38, 400, session.optimizer());
    let outcome = probe(&mut session, &huge, &order, 7).unwrap();
    let (step, reason) = outcome.histories[0].stopped.expect("3e38 is too large a rate");
    assert_eq!((fingerprint(&session), reason), (before, StopReason::LossNotFinite));
    assert!(step < 7, "{step}");

    let small = [Schedule::constant(0.01, 400, session.optimizer())];
    let cancel = AtomicBool::new(false);
    let mut progress = |_| cancel.store(true, Ordering::Relaxed);
    let control = Control { progress: Some(&mut progress), cancel: Some(&cancel) };
    let run = Run { schedules: &small, order: &order, beta: 0.98, stop: Stop::NotFinite };
    let error = block(session.probe(&digits(), &run, 7, control)).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert_eq!(fingerprint(&session), before);

    let error = probe(&mut session, &small[0], &order, 0).unwrap_err().to_string();
    assert_eq!(error, "probe: 0 steps; it must be at least 1");
    assert_eq!(fingerprint(&session), before);
}

/// Everything that can be read of a replica, to the bit.
fn all(session: &Session, replica: usize) -> Vec<Vec<u32>> {
    let (weights, statistics) = (block(session.weights(replica)), block(session.statistics(replica)));
    [weights, statistics].into_iter().flat_map(|tensors| bits(&tensors.unwrap())).collect()
}

#[test]
fn a_copy_goes_on_like_the_original() {
    let data = digits();
    for options in [options(), options().clip(0.5)] {
        let mut original = in_training(options);
        let mut copies = block(original.replicate(3)).unwrap();
        assert_eq!(copies.steps_done(), 4);
        let evaluation = block(original.evaluate(&data)).unwrap()[0];
        assert_eq!(block(copies.evaluate(&data)).unwrap(), [evaluation; 3]);

        let schedules = [growing(8, original.optimizer())];
        let order = batch_order(data.len(), BATCH, 8, 3).unwrap();
        let history = run(&mut original, &data, &schedules, &order).remove(0);
        assert_eq!(run(&mut copies, &data, &schedules, &order), vec![history; 3]);
        for replica in 0..3 {
            assert_eq!(all(&copies, replica), all(&original, 0), "replica {replica}");
        }
        let error = block(copies.replicate(2)).err().expect("three replicas").to_string();
        assert_eq!(error, "replicas: a session of 3 can't be copied; copy one with a single replica");
    }
}

#[test]
fn replicas_follow_their_own_orders() {
    let data = digits();
    let mut together = block(in_training(options()).replicate(3)).unwrap();
    let schedules = [growing(8, together.optimizer())];
    let orders = [3, 4, 5].map(|seed| batch_order(data.len(), BATCH, 8, seed).unwrap());
    let histories = run(&mut together, &data, &schedules, &orders.concat());
    assert_ne!(histories[0], histories[1]);
    for (replica, order) in orders.iter().enumerate() {
        let mut alone = in_training(options());
        assert_eq!(histories[replica], run(&mut alone, &data, &schedules, order)[0], "replica {replica}");
        assert_eq!(all(&together, replica), all(&alone, 0), "replica {replica}");
    }
}

/// Also with the norms of an earlier run still about, finite or not: a forward pass has no gradient.
#[test]
fn a_measurement_is_the_loss_of_a_run() {
    for options in [options(), options().clip(0.5)] {
        let mut session = in_training(options);
        let (before, statistics) = (weights(&session), block(session.statistics(0)).unwrap());
        let snapshot = block(session.snapshot()).unwrap();
        let order = batch_order(digits().len(), BATCH, 3, 8).unwrap();
        let measured = measure(&mut session, 3, &order);
        assert_eq!(measured.cost.dispatches_per_step, session.plan().forward + 1);
        assert_eq!(weights(&session), before);
        assert_ne!(block(session.statistics(0)).unwrap(), statistics, "batch norm saw batches");
        let History { steps, stopped, .. } = &measured.histories[0];
        assert_eq!((steps.len(), *stopped), (3, None));
        assert!(steps.iter().all(|m| m.grad_norm.is_none()), "{steps:?}");

        // The optimizer's state is as it was: with the statistics back, so is the fingerprint.
        session.restore(&snapshot);
        let schedules = [Schedule::constant(0.01, 1, session.optimizer())];
        let first = run(&mut session, &digits(), &schedules, &order[..BATCH])[0].steps[0];
        assert_eq!((steps[0].loss, steps[0].accuracy), (first.loss, first.accuracy));

        session.restore(&snapshot);
        let schedules = [Schedule::constant(3e38, 8, session.optimizer())];
        let blown =
            run(&mut session, &digits(), &schedules, &batch_order(digits().len(), BATCH, 8, 8).unwrap());
        assert!(blown[0].stopped.is_some());
        session.restore(&snapshot);
        let again = measure(&mut session, 3, &order).histories.remove(0);
        assert_eq!(&again, &measured.histories[0], "after a run that blew up");
    }
}

fn range_test(mode: Mode) -> RangeTest {
    RangeTest { mode, steps: 20, from: 1e-6, to: 1e1, ..RangeTest::default() }
}

fn find(test: &RangeTest, session: &mut Session, data: &Dataset) -> Report {
    let report = block(test.run(session, data)).unwrap();
    assert!(report.restored(), "{:?}", test.mode);
    report
}

#[test]
fn a_restart_is_updates_at_one_rate_and_then_the_loss() {
    let data = digits();
    for updates in [1, 3] {
        let mut session = in_training(options());
        let snapshot = block(session.snapshot()).unwrap();
        let test = RangeTest { probe: Some(updates), steps: 9, ..range_test(Mode::Restart) };
        let report = find(&test, &mut session, &data);
        let rates = finder::grid(test.from, test.to, 9, Spacing::Exponential).unwrap();
        let order = batch_order(data.len(), BATCH, updates + 1, 9).unwrap();
        assert_eq!(report.points.len(), 9);
        for (point, &lr) in report.points.iter().zip(&rates) {
            session.restore(&snapshot);
            let schedules = [Schedule::constant(lr, updates + 1, session.optimizer())];
            let alone = run(&mut session, &data, &schedules, &order)[0].steps[updates];
            assert_eq!((point.lr, point.loss, point.accuracy), (lr, alone.loss, alone.accuracy));
        }
    }
}

/// Up to rates that blow up, and with more rates than copies fit a wave (the first is of 8).
#[test]
fn replicas_are_restarts_side_by_side() {
    for (updates, steps, to) in [(1, 21, 1e1), (3, 45, 1e38)] {
        let mut session = in_training(options());
        let test = RangeTest { probe: Some(updates), steps, to, ..range_test(Mode::Restart) };
        let restart = find(&test, &mut session, &digits());
        let replicas = find(&RangeTest { mode: Mode::Replicas, ..test }, &mut session, &digits());
        assert!(restart.points.len() > 8, "{} points to {to}", restart.points.len());
        assert_eq!(restart.points, replicas.points);
        assert_eq!(restart.stopped, replicas.stopped);
        assert_eq!(restart.stopped.is_some(), to > 1e30);
        assert_eq!(restart.suggestion, replicas.suggestion);
    }
}

#[test]
fn a_rate_of_nothing_leaves_the_loss() {
    let model =
        Sequential::image(1, 8, 8).conv2d(4, 3).batch_norm().relu().flatten().linear(10).build().unwrap();
    let mut session = session(&model, Loss::CrossEntropy, Sgd::momentum(0.9), options());
    let order = batch_order(digits().len(), BATCH, 3, 9).unwrap();
    let last = measure(&mut session, 1, &order[2 * BATCH..]).histories[0].steps[0].loss;
    for mode in [Mode::Restart, Mode::Replicas] {
        let test = RangeTest { probe: Some(2), from: 1e-30, to: 1e-25, steps: 6, ..range_test(mode) };
        let report = find(&test, &mut session, &digits());
        assert_eq!(report.points.iter().map(|p| p.loss).collect::<Vec<_>>(), [last; 6], "{mode:?}");
        assert!(report.suggestion.unwrap_err().reason.contains("at every rate"));
    }
}

/// Least squares on twelve rows, all of them in each batch: the loss along any line is a parabola.
struct Quadratic {
    inputs: Vec<f32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
}

const ROWS: usize = 12;
const WIDTH: usize = 4;

impl Quadratic {
    fn new() -> Self {
        Self { inputs: fill(ROWS * WIDTH, 1, 1.0), targets: fill(ROWS, 2, 1.0), weights: fill(WIDTH, 3, 1.0) }
    }

    fn session(&self, optimizer: impl Into<Optimizer>) -> Session {
        let layer = Linear { bias: false, ..Linear::new(1) };
        let model = Sequential::features(WIDTH).layer(Op::Linear(layer)).build().unwrap();
        let mut session = session(&model, Loss::MeanSquaredError, optimizer, Options::batch(ROWS));
        crate::common::set_weights(&mut session, std::slice::from_ref(&self.weights));
        session
    }

    fn data(&self) -> Dataset {
        regression(&[WIDTH], self.inputs.clone(), self.targets.clone(), 1)
    }

    /// `x'v` for each row.
    fn products(&self, v: &[f64]) -> Vec<f64> {
        let row = |x: &[f32]| x.iter().zip(v).map(|(x, v)| f64::from(*x) * v).sum();
        self.inputs.chunks(WIDTH).map(row).collect()
    }

    fn residuals(&self) -> Vec<f64> {
        let weights: Vec<f64> = self.weights.iter().map(|w| f64::from(*w)).collect();
        self.products(&weights).iter().zip(&self.targets).map(|(z, y)| z - f64::from(*y)).collect()
    }

    fn gradient(&self) -> Vec<f64> {
        let residuals = self.residuals();
        let along = |k: usize| {
            let products = self.inputs.chunks(WIDTH).zip(&residuals).map(|(x, r)| f64::from(x[k]) * r);
            2.0 / ROWS as f64 * products.sum::<f64>()
        };
        (0..WIDTH).map(along).collect()
    }

    /// `u'Hu`.
    fn curvature(&self, u: &[f64]) -> f64 {
        2.0 / ROWS as f64 * self.products(u).iter().map(|p| p * p).sum::<f64>()
    }
}

#[test]
fn the_frozen_line_of_a_quadratic() {
    let quadratic = Quadratic::new();
    let gradient = quadratic.gradient();
    let sign: Vec<f64> = gradient.iter().map(|g| g / (g.abs() + 1e-8)).collect();
    for (optimizer, update) in [(Optimizer::from(Sgd::plain()), &gradient), (Adam::default().into(), &sign)] {
        let mut session = quadratic.session(optimizer);
        let before = weights(&session);
        let test = RangeTest { mode: Mode::Frozen, from: 1e-3, to: 1e2, steps: 101, ..RangeTest::default() };
        let report = find(&test, &mut session, &quadratic.data());
        let line = report.line.expect("the frozen mode's own");
        let initial = quadratic.residuals().iter().map(|r| r * r).sum::<f64>() / ROWS as f64;
        let slope: f64 = gradient.iter().zip(update).map(|(g, u)| g * u).sum();
        let curvature = quadratic.curvature(update);

        assert_close(&[line.initial, line.slope], &[initial, slope], 1e-4, "the start");
        assert_close(&[line.curvature.unwrap()], &[curvature], 0.01, "curvature");
        for p in &report.points {
            let parabola = initial - p.lr * slope + 0.5 * curvature * p.lr * p.lr;
            assert_close(&[p.loss], &[parabola], 1e-4, "the line");
        }
        let step = grid_step(&test);
        let best = slope / curvature;
        let near = |found: Option<f64>, wanted: f64, name: &str| {
            let off = (found.unwrap_or_else(|| panic!("no {name}")) / wanted).ln().abs();
            assert!(off <= step.ln(), "{name}: {found:?}, not {wanted} ({optimizer})");
        };
        near(line.argmin, best, "argmin");
        near(line.rises, 2.0 * best, "rises");
        near(line.armijo, 2.0 * best * (1.0 - 1e-4), "armijo");
        assert!(line.rises > Some(2.0 * best) && line.armijo < Some(2.0 * best), "{line:?}");

        assert_eq!(weights(&session), before);
        assert_eq!(report.cost.dispatches_per_step, session.plan().forward + 1);
        assert!(report.points.iter().all(|p| p.grad_norm.is_none()));
    }
}

/// From a rate of the grid to the next.
fn grid_step(test: &RangeTest) -> f64 {
    (test.to / test.from).powf(1.0 / (test.steps - 1) as f64)
}

#[test]
fn seeds_are_separate_sweeps() {
    let mut session = in_training(options());
    for (mode, stop, to) in [
        (Mode::Sweep, Stop::NotFinite, 1e-1),
        (Mode::SameBatch, Stop::Rise(0.9), 1e3),
        (Mode::Sweep, Stop::NotFinite, 1e38),
    ] {
        let one = RangeTest { stop, to, steps: 30, seed: Some(5), ..range_test(mode) };
        let report = find(&RangeTest { seeds: 3, ..one }, &mut session, &digits());
        let sweeps = [5, 6, 7].map(|s| find(&RangeTest { seed: Some(s), ..one }, &mut session, &digits()));
        assert!(sweeps.iter().all(|s| s.spread.is_empty()), "one seed has no spread");
        assert_ne!(sweeps[0].points, sweeps[1].points);

        let shortest = sweeps.iter().min_by_key(|s| s.points.len()).unwrap();
        assert_eq!(report.points.len(), shortest.points.len(), "{mode:?} to {to}");
        assert_eq!(report.spread.len(), report.points.len());
        assert_eq!(report.stopped, shortest.stopped);
        for (i, (point, spread)) in report.points.iter().zip(&report.spread).enumerate() {
            let losses = [0, 1, 2].map(|s| sweeps[s].points[i].loss);
            assert_close(&[point.loss], &[losses.iter().sum::<f64>() / 3.0], 1e-14, "mean");
            let (low, high) = (
                losses.iter().copied().fold(f64::MAX, f64::min),
                losses.iter().copied().fold(f64::MIN, f64::max),
            );
            assert_eq!((point.lr, *spread), (shortest.points[i].lr, (low, high)));
        }
    }
}

#[test]
fn momentum_falls_while_the_rate_rises() {
    let data = digits();
    let mut session = session(&everything(), Loss::CrossEntropy, Sgd::momentum(0.9), options());
    let plain = RangeTest { stop: Stop::NotFinite, to: 1e-1, ..range_test(Mode::Sweep) };
    let report = find(&RangeTest { cyclical_momentum: Some((0.95, 0.85)), ..plain }, &mut session, &data);
    let momentum: Vec<f64> = report.points.iter().map(|p| p.momentum).collect();
    assert_eq!((momentum[0], momentum.len()), (0.95, 20));
    assert_close(&momentum[19..], &[0.85], 1e-12, "the last");
    assert!(momentum.windows(2).all(|w| w[0] > w[1]), "{momentum:?}");

    // The device used it: a run with this schedule gives these losses.
    let lr: Vec<f64> = report.points.iter().map(|p| p.lr).collect();
    let schedule = Schedule { momentum, ..Schedule::rates(lr, session.optimizer()) };
    let order = batch_order(data.len(), BATCH, 20, 9).unwrap();
    assert_ne!(report.points, find(&plain, &mut session, &data).points);
    let alone = run(&mut session, &data, &[schedule], &order).remove(0);
    let losses = |steps: &mut dyn Iterator<Item = f64>| steps.collect::<Vec<_>>();
    assert_eq!(
        losses(&mut report.points.iter().map(|p| p.loss)),
        losses(&mut alone.steps.iter().map(|m| m.loss))
    );
}

/// A mode's test with one seed and, where it can have them, two; with two updates at each rate, where it has any.
fn variants(mode: Mode) -> Vec<RangeTest> {
    let probe = mode.probes().then_some(2);
    let seeds = if mode.moves() { 1..=2 } else { 1..=1 };
    seeds.map(|seeds| RangeTest { seeds, probe, to: 1e3, ..range_test(mode) }).collect()
}

#[test]
fn every_mode_leaves_no_trace_and_repeats_itself() {
    let mut session = in_training(options());
    let before = fingerprint(&session);
    for mode in Mode::ALL {
        for test in variants(mode) {
            let (first, second) =
                (find(&test, &mut session, &digits()), find(&test, &mut session, &digits()));
            assert!(first.points.len() > 10, "{mode:?}: {} points", first.points.len());
            assert_eq!(first.points, second.points, "{mode:?}");
            assert_eq!((first.suggestion, first.line), (second.suggestion, second.line), "{mode:?}");
            assert_eq!((fingerprint(&session), session.steps_done()), (before, 4), "{mode:?}");
        }
    }
    let mut undisturbed = in_training(options());
    let [a, b] =
        [&mut session, &mut undisturbed].map(|s| train(s, &digits(), &[0.01; 5]).histories.remove(0));
    assert_eq!(a, b, "the training behind them");
}

/// What progress tells, call by call, is the report's curve: nothing missing, nothing twice.
#[test]
fn progress_tells_the_curve_of_every_mode() {
    let mut session = in_training(options());
    for mode in Mode::ALL {
        for test in variants(mode) {
            let (mut told, mut last) = (Vec::new(), 0);
            let mut progress = |now: Progress| {
                assert!(last <= now.step && now.step <= now.steps, "{mode:?}: {last}, {}", now.step);
                assert_eq!((now.steps, now.new.len()), (test.steps, 1), "{mode:?}");
                last = now.step;
                told.extend_from_slice(&now.new[0]);
            };
            let control = Control { progress: Some(&mut progress), cancel: None };
            let report = block(test.run_with(&mut session, &digits(), control)).unwrap();
            let points = &report.points;
            // The step whose loss ended the run is told, and is no point.
            assert!(told.len() == points.len() || told.len() == points.len() + 1, "{mode:?}: {}", told.len());
            for (told, point) in told.iter().zip(points) {
                assert_eq!((told.lr, told.loss), (point.lr, point.loss), "{mode:?}");
                assert_eq!(told.accuracy, point.accuracy, "{mode:?}");
                assert!((told.smoothed - point.smoothed).abs() < 1e-4 * point.smoothed.abs(), "{mode:?}");
            }
        }
    }
}

#[test]
fn a_dataset_that_was_forgotten_is_copied_again() {
    let mut session = in_training(options());
    let data = digits().subset(&(0..64).collect::<Vec<_>>()).unwrap();
    let first = block(session.predict(&data, 0)).unwrap();
    session.forget(&data);
    assert_eq!(block(session.predict(&data, 0)).unwrap(), first);
}

#[test]
fn every_mode_restores_after_a_cancel() {
    let mut session = in_training(options());
    let before = fingerprint(&session);
    for mode in Mode::ALL {
        let cancel = AtomicBool::new(false);
        let mut progress = |_| cancel.store(true, Ordering::Relaxed);
        let control = Control { progress: Some(&mut progress), cancel: Some(&cancel) };
        let test = RangeTest { steps: 100, ..range_test(mode) };
        let error = block(test.run_with(&mut session, &digits(), control)).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{mode:?}: {error}");
        assert_eq!(fingerprint(&session), before, "{mode:?}");
    }
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let mut session = in_training(options());
    let before = fingerprint(&session);
    let [sweep, restart] = [Mode::Sweep, Mode::Restart].map(range_test);
    let cyclical_momentum = Some((0.95, 1.0));
    for (test, start) in [
        (RangeTest { probe: Some(0), ..restart }, "probe: 0 updates show nothing"),
        (RangeTest { probe: Some(50_000), ..restart }, "probe: 50000 updates at 20 rates are too many"),
        (RangeTest { seeds: 0, ..sweep }, "seeds: 0 batch orders give no curve"),
        (
            RangeTest { seeds: 100_000, ..sweep },
            "seeds: 100000 copies side by side; the device has room for ",
        ),
        (RangeTest { cyclical_momentum, ..sweep }, "cyclical momentum: from 0.95 to 1; both"),
        (RangeTest { beta: 1.0, ..sweep }, "beta: 1 is not a smoothing coefficient"),
        (RangeTest { stop: Stop::Rise(f64::NAN), ..sweep }, "stop: rise takes a number above 0, not NaN"),
        (RangeTest { stop: Stop::Best(1.0), ..sweep }, "stop: best takes a number above 1, not 1"),
    ] {
        let error = block(test.run(&mut session, &digits())).unwrap_err().to_string();
        assert!(error.starts_with(start), "{error}");
    }
    assert_eq!(fingerprint(&session), before);
    let falling = RangeTest { cyclical_momentum: Some((0.95, 0.85)), ..sweep };
    let error = falling.check_optimizer(&Sgd::plain().into()).unwrap_err().to_string();
    assert_eq!(error, "cyclical momentum: SGD has no momentum; take one that has");
    sweep.check_optimizer(&Sgd::plain().into()).unwrap();
    let mut copies = block(session.replicate(2)).unwrap();
    let error = block(restart.run(&mut copies, &digits())).unwrap_err().to_string();
    assert_eq!(error, "replicas: a session of 2; a range test makes its own copies of one");
}

/// Settings that are for some modes alone: each other mode refuses them, and names the modes that take them.
#[test]
fn settings_of_other_modes_are_refused() {
    let momentum = Some((0.95, 0.85));
    for mode in Mode::ALL {
        let test = range_test(mode);
        let (name, moves) = (mode.name(), "use sweep or same-batch");
        let refusals = [
            (RangeTest { probe: Some(2), ..test }, None, mode.probes(), "probe", "use restart or replicas"),
            (RangeTest { seeds: 2, ..test }, None, mode.moves(), "seeds", moves),
            (RangeTest { layers: true, ..test }, None, mode.moves(), "layers", moves),
            (
                RangeTest { cyclical_momentum: momentum, ..test },
                None,
                mode.moves(),
                "cyclical momentum",
                moves,
            ),
            (test, Some(4), mode.moves(), "held out every", moves),
        ];
        for (test, every, takes, setting, instead) in refusals {
            match test.check(every) {
                Ok(()) => assert!(takes, "{name} ignores {setting}"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(!takes, "{error}");
                    assert!(
                        error.starts_with(&format!("{setting}: {name} has ")) || every.is_some(),
                        "{error}"
                    );
                    assert!(error.ends_with(instead), "{error}");
                }
            }
        }
        test.check(None).unwrap();
    }
}

/// Digits to train on and digits held out.
fn halves() -> (Dataset, Dataset) {
    let all = digits();
    let (Inputs::U8(pixels), Targets::Classes { labels, .. }) = (all.inputs(), all.targets()) else {
        unreachable!("the digits are bytes and classes")
    };
    let half = |rows: std::ops::Range<usize>| {
        let inputs = pixels[64 * rows.start..64 * rows.end].iter().map(|p| f32::from(*p) / 16.0).collect();
        classes(&[1, 8, 8], inputs, labels[rows].to_vec(), 10)
    };
    (half(0..1000), half(1000..1500))
}

#[test]
fn verifying_runs_are_separate_trainings() {
    let (data, held_out) = halves();
    let session = in_training(options());
    let before = fingerprint(&session);
    let verify = Verify { rates: 5, decades: 1.0, steps: 12, ..Verify::default() };
    let found = block(verify.run(&session, &data, &held_out, 0.01, Control::default())).unwrap();
    assert_eq!(fingerprint(&session), before, "the session is not touched");
    let rates: Vec<f64> = found.runs.iter().map(|r| r.lr).collect();
    let wanted = [-1.0, -0.5, 0.0, 0.5, 1.0].map(|decades| 0.01 * 10f64.powf(decades));
    assert_close(&rates, &wanted, 1e-6, "rates");
    assert_eq!(found.tolerance, verify.tolerance);
    assert_eq!(
        (found.steps, found.initial),
        (12, block(in_training(options()).evaluate(&held_out)).unwrap()[0].loss)
    );

    let order = batch_order(data.len(), BATCH, 12, 9).unwrap();
    for verified in &found.runs {
        let mut alone = in_training(options());
        let schedules = [Schedule::constant(verified.lr, 12, alone.optimizer())];
        run(&mut alone, &data, &schedules, &order);
        let evaluation = block(alone.evaluate(&held_out)).unwrap()[0];
        assert_eq!((verified.loss, verified.accuracy), (Some(evaluation.loss), evaluation.accuracy));
    }
    // Good is what lacks a twentieth of the best fall at most, here counted from a guess among ten classes.
    let best = found.runs.iter().filter_map(|r| r.loss).fold(f64::INFINITY, f64::min);
    let start = if best < found.constant { found.constant.min(found.initial) } else { found.initial };
    let enough = |loss: f64| start - loss >= 0.95 * (start - best) * (1.0 - 1e-12);
    assert!(found.runs.iter().all(|r| r.good == r.loss.is_some_and(enough)), "{found:?}");
    let good: Vec<f64> = found.runs.iter().filter(|r| r.good).map(|r| r.lr).collect();
    let GoodRates { low, high } = found.good.expect("0.01 trains the digits");
    // The rates end where the lines from the outermost good runs to their neighbours cross what is enough.
    let enough = start - 0.95 * (start - best);
    let at = |i: usize| (found.runs[i].lr, found.runs[i].loss.unwrap());
    let end = |rate: f64, beyond: fn(usize) -> Option<usize>| {
        let i = found.runs.iter().position(|r| r.lr == rate).unwrap();
        match beyond(i).filter(|&next| next < found.runs.len()) {
            Some(next) => on_the_line(enough, at(i), at(next)),
            None => rate,
        }
    };
    let ends = [end(good[0], |i| i.checked_sub(1)), end(*good.last().unwrap(), |i| Some(i + 1))];
    assert_close(&[low, high], &ends, 1e-9, "ends of the good rates");
    let (lr, peak) = (found.lr().unwrap(), found.one_cycle_peak().unwrap());
    assert!(low <= lr && lr <= peak && peak <= high, "{found:?}");
}

/// The rate at which the line through two (rate, loss), over the logarithm of the rate, has this loss.
fn on_the_line(loss: f64, (rate, a): (f64, f64), (other, b): (f64, f64)) -> f64 {
    (rate.ln() + (other.ln() - rate.ln()) * (loss - a) / (b - a)).exp()
}

/// A model that starts to learn at once, without noise from dropout.
fn mlp() -> Graph {
    Sequential::image(1, 8, 8).flatten().linear(16).relu().linear(10).build().unwrap()
}

#[test]
fn rates_far_off_are_told_honestly() {
    let (data, held_out) = halves();
    let session = session(&mlp(), Loss::CrossEntropy, Sgd::momentum(0.9), options());
    let verify = |lr, decades, rates| {
        let verify = Verify { steps: 12, decades, rates, ..Verify::default() };
        block(verify.run(&session, &data, &held_out, lr, Control::default())).unwrap()
    };
    let good = |tried: &Verification| -> Vec<usize> {
        (0..tried.runs.len()).filter(|&i| tried.runs[i].good).collect()
    };
    let small = verify(1e-9, 1.0, 5);
    assert!(small.runs.iter().all(|r| !r.good || r.loss < Some(small.initial)), "{small:?}");
    assert_eq!(small.good.is_none(), good(&small).is_empty(), "{small:?}");
    let wide = verify(1e-9, 8.0, 5);
    assert_eq!(good(&wide), [4], "a rate of 0.1 is in reach: {wide:?}");
    assert_eq!(wide.good.unwrap().high, wide.runs[4].lr);
    let lr = wide.lr().unwrap();
    assert!(wide.runs[3].lr < lr && lr <= wide.runs[4].lr, "{wide:?}");

    let wild = verify(0.1, 37.0, 3);
    assert!(wild.runs[0].loss.is_some() && wild.runs[2].loss.is_none(), "{wild:?}");
    assert_eq!(wild.runs[2].accuracy, None);
    assert_eq!(good(&wild), [1]);
    assert_eq!(wild.good.unwrap().high, wild.runs[1].lr, "no line leads to a run that blew up");
    let lr = wild.lr().unwrap();
    assert!(wild.runs[0].lr < lr && lr <= wild.runs[1].lr, "{wild:?}");
    assert_eq!(wild.runs[1].loss, verify(0.1, 0.0, 2).runs[0].loss, "the others are as if alone");
    assert_eq!(verify(1e37, 0.5, 2).good, None);
}

/// A batch whose loss overflows ends every run there: what is left is half a training, not a result.
#[test]
fn a_run_that_was_stopped_has_no_loss() {
    let mut targets = fill(64, 2, 1.0);
    targets[..32].iter_mut().for_each(|t| *t = 1e30);
    let data = regression(&[4], fill(256, 1, 1.0), targets, 1);
    let held_out = regression(&[4], fill(256, 1, 1.0), fill(64, 2, 1.0), 1);
    let model = Sequential::features(4).linear(1).build().unwrap();
    let session = session(&model, Loss::MeanSquaredError, Sgd::plain(), Options::batch(8));
    let found = block(Verify::default().run(&session, &data, &held_out, 0.1, Control::default())).unwrap();
    assert!(found.runs.iter().all(|r| r.loss.is_none()), "{found:?}");
    assert_eq!(found.good, None);
}

#[test]
fn nothing_can_be_verified_around_no_rate() {
    let (data, held_out) = halves();
    let session = session(&mlp(), Loss::CrossEntropy, Sgd::plain(), options());
    let good = Verify { steps: 2, ..Verify::default() };
    let none = [0.0, -1.0, f64::NAN, f64::INFINITY].map(|lr| (lr, good));
    let few = [Verify { steps: 0, ..good }, Verify { rates: 1, ..good }].map(|verify| (0.1, verify));
    for (lr, verify) in none.into_iter().chain(few) {
        let error = block(verify.run(&session, &data, &held_out, lr, Control::default())).unwrap_err();
        assert!(
            error.to_string().starts_with("verify: ") && error.to_string().contains("at least 2 rates"),
            "{error}"
        );
    }
    for tolerance in [-0.1, 1.0, f64::NAN] {
        let verify = Verify { tolerance, ..good };
        let error = block(verify.run(&session, &data, &held_out, 0.1, Control::default())).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("verify: a tolerance of {tolerance}; it is")),
            "{error}"
        );
    }
    let cancel = AtomicBool::new(true);
    let control = Control { progress: None, cancel: Some(&cancel) };
    let error = block(good.run(&session, &data, &held_out, 0.1, control)).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
}
