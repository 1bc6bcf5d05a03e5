//! A range test leaves no trace: not in the weights, the optimizer, the running statistics, or the random numbers.

use crate::common::{bits, block, session, train, weights};
use crate::determinism::everything;
use rangefinder::{
    Adam, Control, Error, History, Loss, Mode, Optimizer, Options, RangeTest, Report, Session, Sgd, Stop,
    Tensor, digits,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

fn optimizers() -> [Optimizer; 4] {
    let decayed = Adam { weight_decay: 0.01, ..Adam::default() };
    [
        Sgd::momentum(0.9).into(),
        Sgd::nesterov(0.9).weight_decay(1e-4).into(),
        decayed.into(),
        Adam::w(0.01).into(),
    ]
}

fn fresh(optimizer: Optimizer) -> Session {
    session(&everything(), Loss::CrossEntropy, optimizer, Options::batch(32).seed(9))
}

/// Short, but up to rates at which the model breaks.
fn range_test() -> RangeTest {
    RangeTest { steps: 40, from: 1e-5, to: 1e3, ..RangeTest::default() }
}

fn find(session: &mut Session) -> Report {
    let report = block(range_test().run(session, &digits())).unwrap();
    let (before, after) = report.fingerprints.expect("asked for by default");
    assert_eq!(before, after);
    assert!(report.restored());
    report
}

/// Twelve more steps: their history, and the bits that they end in.
fn go_on(session: &mut Session) -> (History, Vec<Vec<u32>>, Vec<Vec<u32>>, usize) {
    let history = train(session, &digits(), &[0.01; 12]).histories.remove(0);
    let statistics = block(session.statistics(0)).unwrap();
    (history, bits(&weights(session)), bits(&statistics), session.steps_done())
}

/// What a training after `steps` steps and `disturb` gives, and what it gives undisturbed, must be the same bits.
#[track_caller]
fn assert_no_trace(optimizer: Optimizer, steps: usize, disturb: impl FnOnce(&mut Session)) {
    let mut plain = fresh(optimizer);
    let mut disturbed = fresh(optimizer);
    if steps > 0 {
        for session in [&mut plain, &mut disturbed] {
            train(session, &digits(), &vec![0.01; steps]);
        }
    }
    let before = block(disturbed.fingerprint()).unwrap();
    disturb(&mut disturbed);
    assert_eq!(block(disturbed.fingerprint()).unwrap(), before, "{optimizer}: the fingerprint");
    assert_eq!(disturbed.steps_done(), steps, "{optimizer}: steps done");
    assert_eq!(go_on(&mut disturbed), go_on(&mut plain), "{optimizer}: the training behind it");
}

#[test]
fn find_then_train_is_train() {
    for optimizer in optimizers() {
        assert_no_trace(optimizer, 0, |session| drop(find(session)));
    }
}

#[test]
fn find_in_the_middle_of_a_training() {
    for optimizer in optimizers() {
        assert_no_trace(optimizer, 7, |session| drop(find(session)));
    }
}

#[test]
fn every_mode_and_stop_rule() {
    for mode in [Mode::Sweep, Mode::SameBatch] {
        for stop in [Stop::NotFinite, Stop::Best(4.0), Stop::Rise(0.9)] {
            assert_no_trace(Adam::default().into(), 3, |session| {
                let test = RangeTest { mode, stop, ..range_test() };
                assert!(block(test.run(session, &digits())).unwrap().restored(), "{mode:?} {stop:?}");
            });
        }
    }
}

#[test]
fn a_sweep_that_ends_in_nan() {
    for optimizer in optimizers() {
        assert_no_trace(optimizer, 3, |session| {
            let test = RangeTest { to: 3e38, steps: 20, stop: Stop::NotFinite, ..RangeTest::default() };
            let report = block(test.run(session, &digits())).unwrap();
            assert!(report.stopped.is_some() && report.restored(), "{optimizer}: {:?}", report.stopped);
        });
    }
}

#[test]
fn two_finds_draw_the_same_curve() {
    for optimizer in optimizers() {
        let mut session = fresh(optimizer);
        let (first, second) = (find(&mut session), find(&mut session));
        assert!(first.points.len() > 10, "{optimizer}: {} points", first.points.len());
        assert_eq!(first.points, second.points, "{optimizer}");
        assert_eq!(first.suggestion, second.suggestion, "{optimizer}");
        assert_eq!(first.fingerprints, second.fingerprints, "{optimizer}");
    }
}

/// From the middle of a training: its own steps are counted and its own losses compared, whatever was before.
#[test]
fn in_the_middle_of_training_it_begins_anew() {
    for stop in [Stop::Rise(0.9), Stop::Best(4.0)] {
        for optimizer in optimizers() {
            let mut session = fresh(optimizer);
            let trained = train(&mut session, &digits(), &[0.01; 60]);
            let start = trained.histories[0].steps[0].loss;
            let test = RangeTest { stop, from: 1e-7, ..range_test() };
            let mut again = || block(test.run(&mut session, &digits())).unwrap();
            let (first, second) = (again(), again());
            assert!(first.restored(), "{optimizer}");
            assert_eq!((&first.points, first.stopped), (&second.points, second.stopped), "{optimizer}");
            assert_eq!(first.fingerprints, second.fingerprints, "{optimizer}");
            assert!(first.points.iter().enumerate().all(|(i, p)| p.step == i));
            // Corrected for its own first step, not for the sixty before: the average of one loss is that loss.
            let point = first.points[0];
            assert!((point.smoothed / point.loss - 1.0).abs() < 1e-5, "{optimizer}: {point:?}");
            assert!(point.loss < 0.8 * start, "{optimizer} has learned: {start} to {}", point.loss);
            // 4 times a best of 0, or an average over the training's losses, would end it at once; it ends where it diverges.
            let (step, _) = first.stopped.expect("a rate of 1000 is too large");
            assert!((15..40).contains(&step), "{optimizer}, {stop:?}: stopped at {step}");
        }
    }
}

/// Weights that come from elsewhere, a checkpoint, give the curve of the session that they were trained in.
#[test]
fn weights_from_a_checkpoint_give_the_same_curve() {
    let model = rangefinder::models::mlp(&[1, 8, 8], 10).unwrap();
    let fresh = || session(&model, Loss::CrossEntropy, Sgd::plain(), Options::batch(32).seed(9));
    let mut trained = fresh();
    train(&mut trained, &digits(), &[0.1; 50]);
    let mut loaded = fresh();
    let untrained = find(&mut loaded).points;
    loaded.set_weights(0, &weights(&trained)).unwrap();
    let found = find(&mut loaded);
    assert_eq!(found.points, find(&mut trained).points);
    assert_ne!(found.points, untrained);
    assert_eq!((loaded.steps_done(), trained.steps_done()), (0, 50));
}

/// The range test moved the weights, or a restore would be no feat.
#[test]
fn a_snapshot_is_put_back_bit_for_bit() {
    for optimizer in optimizers() {
        let mut session = fresh(optimizer);
        train(&mut session, &digits(), &[0.01; 3]);
        let snapshot = block(session.snapshot()).unwrap();
        let before = block(session.fingerprint()).unwrap();
        train(&mut session, &digits(), &[0.01; 3]);
        assert_ne!(block(session.fingerprint()).unwrap(), before, "{optimizer}");
        session.restore(&snapshot);
        assert_eq!(block(session.fingerprint()).unwrap(), before, "{optimizer}");
    }
}

#[test]
fn after_a_cancel() {
    for optimizer in optimizers() {
        assert_no_trace(optimizer, 3, |session| {
            let cancel = AtomicBool::new(false);
            let mut told = 0;
            let mut progress = |_| {
                told += 1;
                cancel.store(true, Ordering::Relaxed);
            };
            let control = Control { progress: Some(&mut progress), cancel: Some(&cancel) };
            let test = RangeTest { steps: 400, ..range_test() };
            let error = block(test.run_with(session, &digits(), control)).unwrap_err();
            assert!(matches!(error, Error::Cancelled), "{error}");
            assert!(told > 0, "the callback was never called");
        });
    }
}

#[test]
#[cfg_attr(target_arch = "wasm32", ignore = "a panic ends a page's module")]
fn after_a_panic_in_the_callback() {
    for optimizer in optimizers() {
        assert_no_trace(optimizer, 3, |session| {
            let mut progress = |_| std::panic::resume_unwind(Box::new("the callback's own"));
            let control = Control { progress: Some(&mut progress), cancel: None };
            let (test, data) = (range_test(), digits());
            let future = test.run_with(session, &data, control);
            let caught = catch_unwind(AssertUnwindSafe(|| block(future)));
            let payload = caught.expect_err("the panic goes through");
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"the callback's own"));
        });
    }
}

#[test]
fn after_an_error() {
    assert_no_trace(Sgd::momentum(0.9).into(), 3, |session| {
        let other = rangefinder::moons(200, 0.1, 0).unwrap(); // refused by the run, behind the snapshot
        let error = block(range_test().run(session, &other)).unwrap_err().to_string();
        assert!(error.ends_with("samples are 2, the model takes 1x8x8"), "{error}");
    });
}

/// A cancel from before the start runs nothing at all.
#[test]
fn cancelled_before_the_start() {
    assert_no_trace(Sgd::momentum(0.9).into(), 3, |session| {
        let cancel = AtomicBool::new(true);
        let control = Control { progress: None, cancel: Some(&cancel) };
        let error = block(range_test().run_with(session, &digits(), control)).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
    });
}

#[test]
fn weights_are_written_all_or_none() {
    let mut session = fresh(Sgd::plain().into());
    let before = block(session.fingerprint()).unwrap();
    let good = weights(&session).remove(0);
    let good = Tensor { data: vec![0.5; good.data.len()], ..good };
    let unknown = Tensor { name: "conv9.weight".into(), ..good.clone() };
    let error = session.set_weights(0, &[good.clone(), unknown]).unwrap_err().to_string();
    assert!(
        error.starts_with("conv9.weight: the model has no such parameter; it has conv2d1.weight, "),
        "{error}"
    );
    let short = Tensor { data: vec![0.5; 3], ..good.clone() };
    let error = session.set_weights(0, &[good.clone(), short]).unwrap_err().to_string();
    assert_eq!(error, "conv2d1.weight: 3 values for shape 4x1x3x3");
    let error = session.set_weights(1, std::slice::from_ref(&good)).unwrap_err().to_string();
    assert_eq!(error, "replica: 1 of 1, counted from 0");
    assert_eq!(block(session.fingerprint()).unwrap(), before, "nothing was written");

    session.set_weights(0, std::slice::from_ref(&good)).unwrap();
    assert_eq!(weights(&session)[0], good);
}
