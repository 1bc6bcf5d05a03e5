//! The same adapter, plan and seed give the same bits, however the work is cut and whatever runs beside it.

use crate::common::{bits, block, rows_in_turn, session, train, weights};
use rangefinder::{
    Control, Graph, History, Loss, Options, Run, Schedule, Sequential, Session, Sgd, Stop, digits,
};

/// Every kind of layer that keeps something: parameters, running statistics, random masks.
pub fn everything() -> Graph {
    let features = Sequential::image(1, 8, 8).conv2d(4, 3).batch_norm().relu().max_pool(2).dropout(0.2);
    features.flatten().linear(17).batch_norm().relu().dropout(0.3).linear(10).build().unwrap()
}

fn fresh(seed: u64) -> Session {
    session(&everything(), Loss::CrossEntropy, Sgd::momentum(0.9), Options::batch(32).seed(seed))
}

/// 15 steps at growing rates.
fn rates() -> Vec<f64> {
    (0..15).map(|t| 0.01 * 1.2f64.powi(t)).collect()
}

/// Everything a run leaves behind, for comparison to the bit.
fn left(session: &Session) -> (Vec<Vec<u32>>, Vec<Vec<u32>>, u64) {
    let statistics = block(session.statistics(0)).unwrap();
    (bits(&weights(session)), bits(&statistics), block(session.fingerprint()).unwrap())
}

#[test]
fn two_sessions_of_one_seed_agree() {
    let run = |seed| {
        let mut session = fresh(seed);
        let history = train(&mut session, &digits(), &rates()).histories.remove(0);
        (history, left(&session))
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn one_session_repeats_itself() {
    let mut session = fresh(3);
    train(&mut session, &digits(), &rates());
    let snapshot = block(session.snapshot()).unwrap();
    let mut again = || {
        session.restore(&snapshot);
        let history = train(&mut session, &digits(), &rates()).histories.remove(0);
        (history, left(&session))
    };
    assert_eq!(again(), again());
}

/// A submit holds as many steps as fit 40 ms; a slow callback makes that one or two.
#[test]
fn the_cut_into_submits_changes_nothing() {
    let run = |pause: u64| {
        let mut session = fresh(3);
        let data = digits();
        let order = rows_in_turn(&data, 32, 0..60);
        let schedules = [Schedule::constant(0.02, 60, session.optimizer())];
        let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
        let mut wait = |_| std::thread::sleep(std::time::Duration::from_millis(pause));
        let control = Control { progress: Some(&mut wait), cancel: None };
        let outcome = block(session.run(&data, &run, control)).unwrap();
        (outcome.cost.submits, outcome.histories, left(&session))
    };
    let (few, many) = (run(0), run(60));
    assert!(many.0 > few.0, "the callback must change the cut: {} and {} submits", few.0, many.0);
    assert_eq!((few.1, few.2), (many.1, many.2));
}

/// The rates of each of three replicas.
fn three() -> [Vec<f64>; 3] {
    [0.001, 0.02, 0.3].map(|lr| (0..12).map(|t| lr * 1.1f64.powi(t)).collect())
}

fn alone(rates: &[f64]) -> (History, Vec<Vec<u32>>, Vec<Vec<u32>>) {
    let mut session = fresh(5);
    let history = train(&mut session, &digits(), rates).histories.remove(0);
    let statistics = block(session.statistics(0)).unwrap();
    (history, bits(&weights(&session)), bits(&statistics))
}

#[test]
fn replicas_give_the_bits_of_separate_runs() {
    let options = Options::batch(32).seed(5).replicas(3);
    let mut session = session(&everything(), Loss::CrossEntropy, Sgd::momentum(0.9), options);
    let data = digits();
    let order = rows_in_turn(&data, 32, 0..12);
    let schedules = three().map(|lr| Schedule::rates(lr, session.optimizer()));
    let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
    let outcome = block(session.run(&data, &run, Control::default())).unwrap();
    let evaluations = block(session.evaluate(&data)).unwrap();
    for (replica, rates) in three().iter().enumerate() {
        let (history, weights, statistics) = alone(rates);
        assert_eq!(outcome.histories[replica], history, "history of replica {replica}");
        let found = [block(session.weights(replica)), block(session.statistics(replica))];
        let found = found.map(|tensors| bits(&tensors.unwrap()));
        assert_eq!(found, [weights, statistics], "weights of replica {replica}");
    }
    assert_ne!(evaluations[0].loss, evaluations[2].loss, "three rates make three models");
}

/// One replica that runs into NaN must not touch the others.
#[test]
fn a_replica_that_diverges_leaves_the_others_alone() {
    let options = Options::batch(32).seed(5).replicas(3);
    let mut session = session(&everything(), Loss::CrossEntropy, Sgd::momentum(0.9), options);
    let data = digits();
    let order = rows_in_turn(&data, 32, 0..12);
    let [first, _, third] = three();
    let schedules = [first, vec![3e38; 12], third].map(|lr| Schedule::rates(lr, session.optimizer()));
    let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
    let outcome = block(session.run(&data, &run, Control::default())).unwrap();
    assert!(outcome.histories[1].stopped.is_some(), "3e38 is too large a rate");
    for replica in [0, 2] {
        let (history, weights, _) = alone(&three()[replica]);
        assert_eq!(outcome.histories[replica], history, "history of replica {replica}");
        assert_eq!(bits(&block(session.weights(replica)).unwrap()), weights, "weights of {replica}");
    }
}

#[test]
fn reading_and_evaluating_change_nothing() {
    let mut session = fresh(3);
    let data = digits();
    train(&mut session, &data, &rates());
    let before = left(&session);
    let evaluation = block(session.evaluate(&data)).unwrap();
    let outputs = block(session.predict(&data, 0)).unwrap();
    block(session.gradients(0)).unwrap();
    assert_eq!(block(session.evaluate(&data)).unwrap(), evaluation);
    assert_eq!(block(session.predict(&data, 0)).unwrap(), outputs);
    assert_eq!(outputs.len(), 10 * data.len());
    assert_eq!(left(&session), before);

    // And the training goes on as if nobody had looked.
    let mut unwatched = fresh(3);
    train(&mut unwatched, &data, &rates());
    let [watched, unwatched] =
        [&mut session, &mut unwatched].map(|s| train(s, &data, &rates()).histories.remove(0));
    assert_eq!(watched, unwatched);
}
