//! Grids: every setting's curve has the bits of a range test of its own, and the session does not feel any of them.

use crate::common::{bits, block, session, train, weights};
use crate::determinism::everything;
use rangefinder::{
    Adam, Control, Error, GridReport, GridSearch, HeldOut, Loss, Mode, Optimizer, Options, RangeTest, Report,
    Session, Sgd, Vary, digits,
};
use std::sync::atomic::AtomicBool;

const BATCH: usize = 32;

fn fresh(optimizer: impl Into<Optimizer>, batch: usize) -> Session {
    session(&everything(), Loss::CrossEntropy, optimizer, Options::batch(batch).seed(9))
}

fn test() -> RangeTest {
    RangeTest { steps: 40, from: 1e-5, to: 1e2, ..RangeTest::default() }
}

fn search(session: &Session, test: RangeTest, vary: Vary) -> GridReport {
    let before = block(session.fingerprint()).unwrap();
    let found = block(GridSearch { test, vary }.run(session, &digits(), None, Control::default())).unwrap();
    assert_eq!(block(session.fingerprint()).unwrap(), before);
    assert!(found.members.iter().all(|m| m.report.restored()));
    found
}

#[track_caller]
fn assert_same(found: &Report, alone: &Report, name: &str) {
    assert!(found.points.len() > 10, "{name}: {} points", found.points.len());
    assert_eq!(found.points, alone.points, "{name}");
    assert_eq!(
        (&found.suggestion, &found.rules, &found.smith, found.stopped, found.epochs),
        (&alone.suggestion, &alone.rules, &alone.smith, alone.stopped, alone.epochs),
        "{name}"
    );
}

/// Fresh sessions that differ in one setting have the same weights.
#[test]
fn a_setting_has_the_bits_of_a_session_of_its_own() {
    let momenta = |make: fn(f64) -> Optimizer| -> Vec<Optimizer> { [0.0, 0.9, 0.99].map(make).to_vec() };
    let decay = |make: fn(f64) -> Optimizer| -> Vec<Optimizer> { [0.0, 1e-3, 0.1].map(make).to_vec() };
    let cases = [
        (Vary::Momentum(vec![0.0, 0.9, 0.99]), momenta(|m| Sgd::momentum(m).into())),
        (Vary::Momentum(vec![0.0, 0.9, 0.99]), momenta(|m| Sgd::nesterov(m).into())),
        (Vary::Momentum(vec![0.0, 0.9, 0.99]), momenta(|beta1| Adam { beta1, ..Adam::default() }.into())),
        (Vary::WeightDecay(vec![0.0, 1e-3, 0.1]), decay(|w| Sgd::momentum(0.9).weight_decay(w).into())),
        (Vary::WeightDecay(vec![0.0, 1e-3, 0.1]), decay(|w| Adam::w(w).into())),
    ];
    for (vary, optimizers) in cases {
        let found = search(&fresh(optimizers[1], BATCH), test(), vary);
        assert_eq!(found.members.len(), 3);
        for (member, optimizer) in found.members.iter().zip(optimizers) {
            assert_eq!(member.optimizer, optimizer);
            let alone = block(test().run(&mut fresh(optimizer, BATCH), &digits())).unwrap();
            assert_same(&member.report, &alone, &optimizer.to_string());
        }
        assert_ne!(found.members[0].report.points, found.members[1].report.points);
    }
}

#[test]
fn batch_sizes_have_the_bits_of_sessions_of_their_own() {
    let optimizer = Sgd::momentum(0.9);
    let found = search(&fresh(optimizer, BATCH), test(), Vary::Batch(vec![8, 32, 300]));
    for (member, batch) in found.members.iter().zip([8, 32, 300]) {
        assert_eq!((member.batch, member.name.as_str()), (batch, batch.to_string().as_str()));
        let alone = block(test().run(&mut fresh(optimizer, batch), &digits())).unwrap();
        assert_same(&member.report, &alone, &member.name);
    }
}

#[test]
fn optimizers_have_the_bits_of_sessions_of_their_own() {
    let optimizers: Vec<Optimizer> =
        vec![Sgd::plain().into(), Sgd::nesterov(0.9).into(), Adam::w(0.01).into()];
    let found = search(&fresh(Sgd::momentum(0.9), BATCH), test(), Vary::Optimizer(optimizers.clone()));
    for (member, optimizer) in found.members.iter().zip(optimizers) {
        let alone = block(test().run(&mut fresh(optimizer, BATCH), &digits())).unwrap();
        assert_same(&member.report, &alone, &member.name);
    }
}

/// From the middle of a training, each in its own session: side by side and one after the other are the same bits, and the
/// setting that the session has is its own range test.
#[test]
fn in_the_middle_of_training_state_goes_along() {
    for optimizer in [Optimizer::from(Sgd::momentum(0.9)), Adam::default().into()] {
        let mut session = fresh(optimizer, BATCH);
        train(&mut session, &digits(), &[0.01; 7]);
        let alone = block(test().run(&mut session, &digits())).unwrap();
        let momenta = search(&session, test(), Vary::Momentum(vec![0.5, 0.9]));
        assert_same(&momenta.members[1].report, &alone, "side by side");
        let batches = search(&session, test(), Vary::Batch(vec![64, BATCH]));
        assert_same(&batches.members[1].report, &alone, "one after the other");
        // Another mode has no copies to share.
        let restart = RangeTest { mode: Mode::Restart, probe: Some(2), ..test() };
        let alone = block(restart.run(&mut session, &digits())).unwrap();
        let momenta = search(&session, restart, Vary::Momentum(vec![0.9, 0.5]));
        assert_same(&momenta.members[0].report, &alone, "restart");
        assert_ne!(momenta.members[1].report.points, alone.points);
    }
}

#[test]
fn the_weights_are_the_sessions_and_not_the_seeds() {
    let mut session = fresh(Sgd::momentum(0.9), BATCH);
    train(&mut session, &digits(), &[0.05; 40]);
    let (held, _) = digits().split(0.9, 1).unwrap();
    let own = block(session.evaluate(&held)).unwrap()[0].loss;
    for vary in [
        Vary::Momentum(vec![0.5, 0.9]),
        Vary::Batch(vec![16, 64]),
        Vary::Optimizer(vec![Sgd::plain().into(), Adam::default().into()]),
    ] {
        let held_out = Some(HeldOut { data: &held, every: 10 });
        let search = GridSearch { test: test(), vary };
        let found = block(search.run(&session, &digits(), held_out, Control::default())).unwrap();
        for member in &found.members {
            let first = member.report.held_out[0].loss;
            assert!((first / own - 1.0).abs() < 1e-5, "{}: {first}, the session's {own}", member.name);
        }
    }
}

/// A model that learns has a choice, and the choice is one of those that fall.
#[test]
fn a_choice_is_made_where_there_is_one() {
    let model = rangefinder::models::mlp(&[1, 8, 8], 10).unwrap();
    let session = session(&model, Loss::CrossEntropy, Sgd::momentum(0.9), Options::batch(64));
    let found = search(&session, RangeTest::default(), Vary::Momentum(vec![0.5, 0.9, 0.95]));
    let choice = found.choice.expect("the digits are learned");
    let member = &found.members[choice.member];
    assert!(member.report.suggestion.is_ok() && choice.reason.contains("smoothed loss"), "{choice:?}");
    let lowest = member.lowest.unwrap();
    assert!(lowest.loss < 0.5 * lowest.start && (1e-3..10.0).contains(&lowest.lr), "{lowest:?}");
    assert_eq!(member.diverged().is_some(), member.report.stopped.is_some());

    let flat = RangeTest { to: 1e-6, ..RangeTest::default() };
    assert_eq!(search(&session, flat, Vary::Momentum(vec![0.5, 0.9])).choice, None);
}

#[test]
fn what_cannot_be_is_refused_and_a_cancel_is_heard() {
    let session = fresh(Sgd::momentum(0.9), BATCH);
    let before = bits(&weights(&session));
    let run = |test, vary, cancel: Option<&AtomicBool>| {
        let control = Control { progress: None, cancel };
        block(GridSearch { test, vary }.run(&session, &digits(), None, control)).unwrap_err()
    };
    let refused = |test, vary| run(test, vary, None).to_string();
    assert_eq!(refused(test(), Vary::Momentum(vec![1.0])), "grid: momentum 1 is not from 0 to below 1");
    assert_eq!(refused(test(), Vary::Batch(vec![])), "grid: batch has 0 values; give 1 to 6");
    let cyclical = RangeTest { cyclical_momentum: Some((0.95, 0.85)), ..test() };
    assert!(
        refused(cyclical, Vary::Momentum(vec![0.9])).starts_with("grid: momentum is what the test varies")
    );
    let large = refused(test(), Vary::Batch(vec![4096]));
    assert!(large.starts_with("batch: 4096 is larger than the dataset (1797 samples)"), "{large}");
    assert!(refused(RangeTest { steps: 1, ..test() }, Vary::Momentum(vec![0.9])).starts_with("steps: 1"));
    let cancel = AtomicBool::new(true);
    for vary in [Vary::Momentum(vec![0.9]), Vary::Batch(vec![16])] {
        assert!(matches!(run(test(), vary, Some(&cancel)), Error::Cancelled));
    }
    assert_eq!(bits(&weights(&session)), before);
}
