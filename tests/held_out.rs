//! The held-out loss inside a run: the bits of an evaluation at the weights of that moment, and no bit of the run itself.

use crate::common::{bits, block, own_gpu, rows_in_turn, session, train, weights};
use crate::determinism::everything;
use rangefinder::{
    Adam, Control, Dataset, Error, Evaluation, Gpu, HeldOut, History, Loss, Made, Mode, Options, RangeTest,
    Report, Run, Schedule, Session, Sgd, Stop, digits, models,
};
use std::sync::atomic::{AtomicBool, Ordering};

const BATCH: usize = 32;

/// What is trained on, and 75 samples that are not: three batches, the last not full.
fn data() -> (Dataset, Dataset) {
    let (train, rest) = digits().split(0.2, 1).unwrap();
    (train, rest.subset(&(0..75).collect::<Vec<_>>()).unwrap().with_scaling(0.1, 0.02).unwrap())
}

/// Batch norm, dropout and Adam, after a few steps.
fn in_training(replicas: usize) -> Session {
    let options = Options::batch(BATCH).seed(9).replicas(replicas);
    let mut session = session(&everything(), Loss::CrossEntropy, Adam::w(0.01), options);
    train(&mut session, &digits(), &[0.01; 4]);
    session
}

fn rates(steps: usize) -> Vec<f64> {
    (0..steps).map(|t| 0.003 * 1.25f64.powi(t as i32)).collect()
}

fn run(
    session: &mut Session,
    data: &Dataset,
    rates: &[Vec<f64>],
    held_out: Option<HeldOut<'_>>,
) -> Vec<History> {
    let order = rows_in_turn(data, BATCH, 0..rates[0].len());
    let schedules: Vec<_> = rates.iter().map(|lr| Schedule::rates(lr.clone(), session.optimizer())).collect();
    let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
    let outcome = match held_out {
        Some(held_out) => block(session.run_held_out(data, &run, held_out, Control::default())),
        None => block(session.run(data, &run, Control::default())),
    };
    outcome.unwrap().histories
}

/// Everything that a run leaves behind.
fn left(session: &Session) -> (u64, Vec<Vec<u32>>, usize) {
    (block(session.fingerprint()).unwrap(), bits(&weights(session)), session.steps_done())
}

#[test]
fn it_is_the_evaluation_at_the_weights_of_that_moment() {
    let (data, held) = data();
    for every in [1, 4, 99] {
        let mut watched = in_training(1);
        let history = run(&mut watched, &data, &[rates(12)], Some(HeldOut { data: &held, every })).remove(0);
        let wanted: Vec<(usize, Evaluation)> = (0..12)
            .step_by(every)
            .map(|step| {
                let mut replayed = in_training(1);
                if step > 0 {
                    run(&mut replayed, &data, &[rates(step)], None);
                }
                (step, block(replayed.evaluate(&held)).unwrap()[0])
            })
            .collect();
        assert_eq!(history.held_out, wanted, "every {every}");
        assert!(wanted.windows(2).all(|w| w[0].1 != w[1].1), "the weights move: {wanted:?}");
    }
}

#[test]
fn a_run_does_not_feel_it() {
    let (data, held) = data();
    let mut plain = in_training(1);
    let mut watched = in_training(1);
    for round in 0..2 {
        let mut history =
            run(&mut watched, &data, &[rates(15)], Some(HeldOut { data: &held, every: 2 })).remove(0);
        assert_eq!(history.held_out.len(), 8, "round {round}");
        history.held_out.clear();
        assert_eq!(history, run(&mut plain, &data, &[rates(15)], None)[0], "round {round}");
        assert_eq!(left(&watched), left(&plain), "round {round}");
    }
}

/// Each replica's own, also of one whose neighbour has long blown up.
#[test]
fn replicas_have_their_own() {
    let (data, held) = data();
    let each = [rates(10), vec![3e38; 10], rates(10).iter().map(|lr| lr / 3.0).collect()];
    let held_out = HeldOut { data: &held, every: 3 };
    let together = run(&mut in_training(3), &data, &each, Some(held_out));
    assert!(together[1].stopped.is_some() && together[1].held_out.len() < 4, "{:?}", together[1]);
    for (history, rates) in together.iter().zip(&each) {
        let alone = run(&mut in_training(1), &data, std::slice::from_ref(rates), Some(held_out));
        // As texts: a loss that is NaN is not equal to itself.
        assert_eq!(format!("{history:?}"), format!("{:?}", alone[0]));
    }
}

fn find(test: &RangeTest, session: &mut Session, every: Option<usize>) -> Report {
    let (data, held) = data();
    let report = match every {
        Some(every) => {
            let held_out = HeldOut { data: &held, every };
            block(test.run_held_out(session, &data, held_out, Control::default()))
        }
        None => block(test.run(session, &data)),
    };
    report.unwrap()
}

/// Curve, suggestion and the model afterwards are the same bits with and without; in the sweep it is measured where it says.
#[test]
fn a_range_test_keeps_its_bits_and_restores_the_model() {
    for mode in [Mode::Sweep, Mode::SameBatch] {
        for seeds in [1, 3] {
            let test = RangeTest { mode, seeds, steps: 40, from: 1e-5, to: 1e2, ..RangeTest::default() };
            let mut session = in_training(1);
            let before = left(&session);
            let plain = find(&test, &mut session, None);
            let watched = find(&test, &mut session, Some(3));
            assert_eq!(left(&session), before, "{mode:?}");
            assert!(watched.restored() && plain.held_out.is_empty());
            assert_eq!(watched.points, plain.points, "{mode:?}");
            assert_eq!(
                (&watched.suggestion, watched.stopped, &watched.spread),
                (&plain.suggestion, plain.stopped, &plain.spread)
            );
            let at: Vec<usize> = watched.held_out.iter().map(|p| p.step).collect();
            let wanted: Vec<usize> = (0..watched.points.len()).step_by(3).collect();
            assert_eq!(at, wanted, "{mode:?}, {seeds} seeds, {:?}", watched.stopped);
            for held_out in &watched.held_out {
                assert_eq!(held_out.lr, watched.points[held_out.step].lr);
                assert!(held_out.accuracy.is_some_and(|a| (0.0..=1.0).contains(&a)), "{held_out:?}");
            }
        }
    }
}

/// The first one is of the model as it is, whatever the sweep then does.
#[test]
fn the_first_is_the_models_own() {
    let (_, held) = data();
    let mut session = in_training(1);
    let own = block(session.evaluate(&held)).unwrap()[0];
    let report = find(&RangeTest { steps: 20, ..RangeTest::default() }, &mut session, Some(50));
    let [first] = report.held_out[..] else { panic!("{:?}", report.held_out) };
    assert_eq!((first.step, first.loss, first.accuracy), (0, own.loss, own.accuracy));
}

#[test]
fn a_cancel_on_the_way_restores_the_model() {
    let (data, held) = data();
    let mut session = in_training(1);
    let before = left(&session);
    let cancel = AtomicBool::new(false);
    let mut progress = |_| cancel.store(true, Ordering::Relaxed);
    let control = Control { progress: Some(&mut progress), cancel: Some(&cancel) };
    let test = RangeTest { steps: 400, ..RangeTest::default() };
    let held_out = HeldOut { data: &held, every: 1 };
    let error = block(test.run_held_out(&mut session, &data, held_out, control)).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert_eq!(left(&session), before);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let (data, held) = data();
    let mut session = in_training(1);
    let mut refused = |mode, held: &Dataset, every| {
        let test = RangeTest { mode, ..RangeTest::default() };
        let held_out = HeldOut { data: held, every };
        let error = block(test.run_held_out(&mut session, &data, held_out, Control::default()));
        error.unwrap_err().to_string()
    };
    assert_eq!(refused(Mode::Sweep, &held, 0), "held out every: 0 steps; it must be at least 1");
    assert!(refused(Mode::Restart, &held, 1).starts_with("held out every: restart starts each rate"));
    let other = rangefinder::moons(50, 0.1, 0).unwrap();
    let error = refused(Mode::Sweep, &other, 1);
    assert!(error.ends_with("samples are 2, the model takes 1x8x8"), "{error}");
}

/// A sweep of the digits' MLP with held-out data, and what the device had made each time that it told its progress.
pub fn watched(gpu: &Gpu) -> (Report, Vec<Made>) {
    let (data, held) = data();
    let model = models::mlp(&[1, 8, 8], 10).unwrap();
    let options = Options::batch(BATCH);
    let mut session =
        block(Session::compile(gpu, &model, Loss::CrossEntropy, Sgd::momentum(0.9), options)).unwrap();
    let test = RangeTest { verify_restore: false, to: 0.1, stop: Stop::NotFinite, ..RangeTest::default() };
    let mut seen = Vec::new();
    let mut progress = |_| seen.push(gpu.made());
    let control = Control { progress: Some(&mut progress), cancel: None };
    let held_out = HeldOut { data: &held, every: 2 };
    let report = block(test.run_held_out(&mut session, &data, held_out, control)).unwrap();
    (report, seen)
}

/// Nothing is made while it runs.
#[test]
fn it_makes_nothing_twice() {
    let gpu = own_gpu();
    let (report, seen) = watched(&gpu);
    assert_eq!(report.held_out.len(), 50);
    assert!(!seen.is_empty() && seen.iter().all(|made| *made == gpu.made()), "{seen:?}, {:?}", gpu.made());
}
