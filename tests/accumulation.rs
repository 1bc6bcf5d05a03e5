//! Gradient accumulation: a step of several micro-batches is a step of one large batch, but for what looks at a batch as a
//! whole (batch normalisation, dropout).

use crate::common::{
    assert_close, bits, block, classes, fill, gpu, regression, rows_in_turn, session, set_weights, train,
    weights, widened,
};
use crate::determinism::everything;
use crate::golden::labels;
use rangefinder::{
    Adam, Control, Dataset, Error, Graph, GridSearch, HeldOut, History, Loss, Measured, Mode, Optimizer,
    Options, RangeTest, Report, Run, Schedule, Sequential, Session, Sgd, Stop, StopReason, Vary, compile,
};
use std::sync::atomic::{AtomicBool, Ordering};

const ROWS: usize = 192;

/// Images whose rows, features and classes are no multiples of anything.
fn data() -> Dataset {
    classes(&[1, 8, 8], fill(ROWS * 64, 7, 1.0), labels(ROWS, 8, 5), 5)
}

/// Layers that know nothing of the other rows of a batch.
fn row_by_row() -> Graph {
    let features = Sequential::image(1, 8, 8).conv2d(4, 3).relu().max_pool(2).flatten();
    features.linear(17).relu().linear(5).build().unwrap()
}

fn of(optimizer: impl Into<Optimizer>, options: Options) -> Session {
    session(&row_by_row(), Loss::CrossEntropy, optimizer, options.seed(3))
}

type Column = fn(&Measured) -> f64;

fn assert_alike(found: &History, expected: &History, tolerance: f64, what: &str) {
    assert_eq!(found.stopped, expected.stopped, "{what}");
    let column =
        |h: &History, f: fn(&rangefinder::Measured) -> f64| h.steps.iter().map(f).collect::<Vec<_>>();
    let columns: [(&str, Column); 4] = [
        ("loss", |m| m.loss),
        ("smoothed", |m| m.smoothed),
        ("accuracy", |m| m.accuracy.unwrap()),
        ("norm", |m| m.grad_norm.unwrap()),
    ];
    for (name, f) in columns {
        assert_close(&column(found, f), &column(expected, f), tolerance, &format!("{what}: {name}"));
    }
}

#[test]
fn four_times_16_is_64() {
    for profile in gpu().profiles() {
        for (optimizer, clip) in [
            (Optimizer::from(Sgd::nesterov(0.9).weight_decay(1e-3)), None),
            (Sgd::momentum(0.9).into(), Some(0.05)),
            (Adam::w(0.01).into(), None),
        ] {
            let what = format!("{profile:?}, {optimizer}, clip {clip:?}");
            let run = |options: Options| {
                let mut session = of(optimizer, Options { clip, ..options.profile(profile).gradients(true) });
                let history = train(&mut session, &data(), &[0.01; 8]).histories.remove(0);
                (block(session.gradients(0)).unwrap(), weights(&session), history)
            };
            let (whole, parts) = (run(Options::batch(64)), run(Options::batch(16).accumulate(4)));
            assert_alike(&parts.2, &whole.2, 1e-5, &what);
            // Adam divides by the root of what may be nearly zero: there the last digits of a gradient are a weight's first.
            let tolerance = if matches!(optimizer, Optimizer::Adam(_)) { 1e-4 } else { 1e-5 };
            for (p, w) in parts.1.iter().zip(&whole.1).chain(parts.0.iter().zip(&whole.0)) {
                assert_close(&widened(&p.data), &widened(&w.data), tolerance, &format!("{what}: {}", p.name));
            }
        }
    }
}

/// The mean is over all elements of a step here too, whatever the number of micro-batches.
#[test]
fn three_times_7_is_21_of_values() {
    let model = Sequential::features(6).linear(9).relu().linear(3).build().unwrap();
    let data = regression(&[6], fill(42 * 6, 1, 1.0), fill(42 * 3, 2, 1.0), 3);
    let run = |options: Options| {
        let mut session = session(&model, Loss::MeanSquaredError, Sgd::momentum(0.9), options);
        let history = train(&mut session, &data, &[0.05; 6]).histories.remove(0);
        let losses: Vec<f64> = history.steps.iter().map(|m| m.loss).collect();
        (losses, weights(&session))
    };
    let (whole, parts) = (run(Options::batch(21)), run(Options::batch(7).accumulate(3)));
    assert_close(&parts.0, &whole.0, 1e-5, "losses");
    for (p, w) in parts.1.iter().zip(&whole.1) {
        assert_close(&widened(&p.data), &widened(&w.data), 1e-5, &p.name);
    }
}

/// A step of two micro-batches sees what two steps at rate zero see: each batch with its own statistics and its own dropout.
#[test]
fn each_micro_batch_is_normalised_and_dropped_out_by_itself() {
    let run = |options: Options, steps: usize| {
        let mut session = session(&everything(), Loss::CrossEntropy, Sgd::plain(), options.seed(3));
        // The same rows in both halves: what differs is dropout.
        let order: Vec<u32> = (0..2).flat_map(|_| 0..16).collect();
        let schedules = [Schedule::constant(0.0, steps, session.optimizer())];
        let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
        let history = block(session.run(&data(), &run, Control::default())).unwrap().histories.remove(0);
        let losses: Vec<f64> = history.steps.iter().map(|m| m.loss).collect();
        (losses, bits(&block(session.statistics(0)).unwrap()), session.steps_done())
    };
    let (apart, together) = (run(Options::batch(16), 2), run(Options::batch(16).accumulate(2), 1));
    assert!((apart.0[0] - apart.0[1]).abs() > 1e-4, "other elements are dropped: {:?}", apart.0);
    assert_close(&together.0, &[(apart.0[0] + apart.0[1]) / 2.0], 1e-6, "loss");
    assert_eq!(together.1, apart.1, "running statistics");
    assert_eq!((together.2, apart.2), (1, 2), "steps");
}

fn everything_left(session: &Session) -> (Vec<Vec<u32>>, Vec<Vec<u32>>, u64) {
    let statistics = block(session.statistics(0)).unwrap();
    (bits(&weights(session)), bits(&statistics), block(session.fingerprint()).unwrap())
}

/// In one run, in two, and however the submits cut the micro-batches.
#[test]
fn runs_repeat_bit_for_bit() {
    let run = |lengths: &[usize], pause: u64| {
        let options = Options::batch(8).accumulate(5).seed(3);
        let mut session = session(&everything(), Loss::CrossEntropy, Adam::w(0.01), options);
        let mut wait = |_| crate::common::pause(pause);
        let (mut first, mut submits) = (0, 0);
        for &steps in lengths {
            let order = rows_in_turn(&data(), 40, first..first + steps);
            let schedules = [Schedule::constant(0.01, steps, session.optimizer())];
            let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
            let control = Control { progress: Some(&mut wait), cancel: None };
            submits += block(session.run(&data(), &run, control)).unwrap().cost.submits;
            first += steps;
        }
        (submits, everything_left(&session))
    };
    let (once, twice, cut) = (run(&[12], 0), run(&[5, 7], 0), run(&[12], 60));
    assert_eq!(once.1, twice.1);
    assert_eq!(once.1, cut.1);
    assert!(cut.0 > 12, "a submit does not end with a step: {} for 12 steps", cut.0);
}

/// A cancel falls between two micro-batches: what counts are the steps that were made.
#[test]
fn a_cancelled_run_ends_with_its_last_whole_step() {
    let options = Options::batch(4).accumulate(16);
    let mut session = of(Sgd::momentum(0.9), options);
    let cancel = AtomicBool::new(false);
    let mut progress = |now: rangefinder::Progress| cancel.store(now.step >= 1, Ordering::Relaxed);
    let order = rows_in_turn(&data(), 64, 0..200);
    let schedules = [Schedule::constant(0.01, 200, session.optimizer())];
    let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
    let control = Control { progress: Some(&mut progress), cancel: Some(&cancel) };
    let error = block(session.run(&data(), &run, control)).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    let steps = session.steps_done();
    assert!((1..200).contains(&steps), "{steps}");
    let mut again = of(Sgd::momentum(0.9), options);
    train(&mut again, &data(), &vec![0.01; steps]);
    assert_eq!(everything_left(&session), everything_left(&again));
    // And it goes on from there: nothing of the micro-batches after that step is left.
    train(&mut session, &data(), &[0.01; 3]);
    train(&mut again, &data(), &[0.01; 3]);
    assert_eq!(everything_left(&session), everything_left(&again));
}

/// One row of the first micro-batch is enough: the step does not happen.
#[test]
fn a_loss_that_is_not_finite_in_any_micro_batch_ends_the_run() {
    let model = Sequential::features(1).linear(1).build().unwrap();
    let options = Options::batch(2).accumulate(3);
    for row in 0..6 {
        let mut session = session(&model, Loss::MeanSquaredError, Sgd::plain(), options);
        set_weights(&mut session, &[vec![1.0], vec![0.0]]);
        let mut values = vec![0.5; 12];
        values[6 + row] = 1e30; // its square is beyond f32
        let data = regression(&[1], fill(12, 1, 1.0), values, 1);
        let history = train(&mut session, &data, &[0.1; 5]).histories.remove(0);
        assert_eq!(history.stopped, Some((1, StopReason::LossNotFinite)), "row {row}");
        assert_eq!((history.steps.len(), session.steps_done()), (2, 1), "row {row}");
        assert!(weights(&session).iter().all(|t| t.data[0].is_finite()), "row {row}");
    }
}

/// Every mode measures the curve of the effective batch, and puts the model back.
#[test]
fn modes_measure_the_effective_batch() {
    for mode in Mode::ALL {
        let seeds = if mode == Mode::SameBatch { 2 } else { 1 };
        let test = RangeTest {
            from: 1e-3,
            to: 0.1,
            steps: 12,
            probe: mode.probes().then_some(3),
            stop: Stop::NotFinite,
            mode,
            seeds,
            ..RangeTest::default()
        };
        let find = |options| -> Report {
            let report = block(test.run(&mut of(Sgd::momentum(0.9), options), &data())).unwrap();
            assert!(report.restored(), "{mode:?}");
            report
        };
        let (whole, parts) = (find(Options::batch(48)), find(Options::batch(12).accumulate(4)));
        let losses = |r: &Report| r.points.iter().map(|p| p.loss).collect::<Vec<_>>();
        assert_close(&losses(&parts), &losses(&whole), 1e-5, mode.name());
        assert_eq!(parts.epochs, whole.epochs, "{mode:?}");
        assert!(parts.cost.dispatches_per_step > whole.cost.dispatches_per_step, "{mode:?}");
    }
}

#[test]
fn an_evaluation_has_no_micro_batches() {
    let (mut whole, mut parts) =
        (of(Sgd::plain(), Options::batch(16)), of(Sgd::plain(), Options::batch(16).accumulate(4)));
    let data = data().subset(&(0..100).collect::<Vec<_>>()).unwrap();
    assert_eq!(block(whole.evaluate(&data)).unwrap(), block(parts.evaluate(&data)).unwrap());
    assert_eq!(block(whole.predict(&data, 0)).unwrap(), block(parts.predict(&data, 0)).unwrap());
}

/// The evaluations stand between steps, not between micro-batches; and the copies of a grid accumulate too.
#[test]
fn held_out_losses_and_grids_go_by_steps() {
    let (train, held_out) = data().split(0.25, 1).unwrap();
    let test = RangeTest { from: 1e-3, to: 0.1, steps: 12, stop: Stop::NotFinite, ..RangeTest::default() };
    let find = |options: Options| {
        let mut session = of(Sgd::momentum(0.9), options);
        let held_out = HeldOut { data: &held_out, every: 5 };
        let report = block(test.run_held_out(&mut session, &train, held_out, Control::default())).unwrap();
        let plain = block(test.run(&mut session, &train)).unwrap();
        assert_eq!(report.points, plain.points, "the evaluations change nothing");
        let search = GridSearch { test, vary: Vary::Momentum(vec![0.5, 0.9]) };
        let grid = block(search.run(&session, &train, None, Control::default())).unwrap();
        assert_eq!(grid.members[1].report.points, plain.points, "a grid's curve is a sweep's");
        report.held_out.iter().map(|p| (p.step as f64, p.loss)).unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let (whole, parts) = (find(Options::batch(48)), find(Options::batch(12).accumulate(4)));
    assert_eq!(whole.0, [0.0, 5.0, 10.0]);
    assert_eq!(parts.0, whole.0);
    assert_close(&parts.1, &whole.1, 1e-5, "held-out losses");
}

#[test]
fn launches_are_counted_over_all_micro_batches() {
    let plan = |n| {
        let options = Options::batch(8).accumulate(n);
        compile(&row_by_row(), Loss::CrossEntropy, &Sgd::plain().into(), &options).unwrap()
    };
    let (one, three) = (plan(1), plan(3));
    assert_eq!(one.launches(), one.step.len());
    assert!(one.carry.is_empty() && three.carry.len() == 2);
    assert_eq!(three.step.len(), one.step.len());
    // The last micro-batch ends with tick and update, the others with what carries them on.
    assert_eq!(three.launches(), 2 * (one.step.len() - 2 + 2) + one.step.len());
}

#[test]
fn impossible_numbers_are_refused() {
    let refused = |batch, n| {
        let options = Options::batch(batch).accumulate(n);
        let plan = compile(&row_by_row(), Loss::CrossEntropy, &Sgd::plain().into(), &options);
        plan.unwrap_err().to_string()
    };
    for (batch, n) in [(16, 0), (16, 1 << 21), (1, usize::MAX)] {
        let error = refused(batch, n);
        assert!(error.starts_with(&format!("accumulate: {n} micro-batches of {batch}")), "{error}");
    }
    let mut session = of(Sgd::plain(), Options::batch(4).accumulate(3));
    let schedules = [Schedule::constant(0.1, 2, session.optimizer())];
    let run = Run { schedules: &schedules, order: &[0; 8], beta: 0.98, stop: Stop::NotFinite };
    let error = block(session.run(&data(), &run, Control::default())).unwrap_err().to_string();
    assert_eq!(error, "order: 8 rows for 2 steps of 12");
}
