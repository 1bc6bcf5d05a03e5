//! The same adapter, plan and seed give the same bits, however the work is cut and whatever runs beside it.

use crate::common::{bits, block, fill, gpu, regression, rows_in_turn, session, train, weights};
use rangefinder::{
    Activation, Adam, Control, Dataset, Graph, History, Loss, Optimizer, Options, Run, Schedule, Sequential,
    Session, Sgd, Stop, digits,
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
        let mut wait = |_| crate::common::pause(pause);
        let control = Control { progress: Some(&mut wait), cancel: None };
        let outcome = block(session.run(&data, &run, control)).unwrap();
        (outcome.cost.submits, outcome.histories, left(&session))
    };
    let (few, many) = (run(0), run(60));
    assert!(many.0 > few.0, "the callback must change the cut: {} and {} submits", few.0, many.0);
    assert_eq!((few.1, few.2), (many.1, many.2));
}

/// A model with what it needs to be trained.
struct Setup {
    model: Graph,
    loss: Loss,
    optimizer: Optimizer,
    options: Options,
    data: Dataset,
}

impl Setup {
    fn everything() -> Self {
        Self {
            model: everything(),
            loss: Loss::CrossEntropy,
            optimizer: Sgd::momentum(0.9).into(),
            options: Options::batch(32).seed(5),
            // Five batches, the last not full: each replica is evaluated on all of them.
            data: digits().subset(&(0..150).collect::<Vec<_>>()).unwrap(),
        }
    }

    /// The layers and kernels that [`everything`] has not, two micro-batches a step.
    fn the_rest() -> Self {
        let features = Sequential::image(2, 8, 8).avg_pool(2).conv2d(4, 3).activation(Activation::Gelu);
        let features = features.residual(|f| f.conv2d(4, 3).activation(Activation::Tanh));
        let features =
            features.residual(|f| f.conv2d(4, 3).batch_norm().activation(Activation::Silu)).avg_pool(2);
        Self {
            model: features.flatten().linear(64).build().unwrap(),
            loss: Loss::MeanSquaredError,
            optimizer: Adam::w(0.01).into(),
            // Eleven rows are six slices of two, the last half empty: behind it, for rows of 64, stands the next replica.
            options: Options::batch(11).accumulate(2).seed(5).clip(0.5).gradients(true),
            data: regression(&[2, 8, 8], fill(33 * 128, 1, 1.0), fill(33 * 64, 2, 1.0), 64),
        }
    }

    /// Three replicas at these rates, or one.
    fn run(&self, rates: &[Vec<f64>]) -> (Session, Vec<History>) {
        let options = self.options.replicas(rates.len());
        let mut session = session(&self.model, self.loss, self.optimizer, options);
        let order = rows_in_turn(&self.data, self.options.effective_batch(), 0..rates[0].len());
        let schedules: Vec<_> = rates.iter().map(|lr| Schedule::rates(lr.clone(), &self.optimizer)).collect();
        let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
        let outcome = block(session.run(&self.data, &run, Control::default())).unwrap();
        (session, outcome.histories)
    }
}

/// Both models under every profile that the device runs.
fn setups() -> Vec<Setup> {
    let under = |profile| {
        [Setup::everything(), Setup::the_rest()]
            .map(|setup| Setup { options: setup.options.profile(profile), ..setup })
    };
    gpu().profiles().into_iter().flat_map(under).collect()
}

/// The rates of each of three replicas.
fn three() -> [Vec<f64>; 3] {
    [0.001, 0.02, 0.3].map(|lr| (0..12).map(|t| lr * 1.1f64.powi(t)).collect())
}

/// Everything that can be read of a replica, to the bit.
fn all(session: &mut Session, replica: usize, data: &Dataset) -> Vec<Vec<u32>> {
    let mut tensors = vec![block(session.weights(replica)), block(session.statistics(replica))];
    if session.options().gradients {
        tensors.push(block(session.gradients(replica)));
    }
    let mut all: Vec<_> = tensors.iter().flat_map(|t| bits(t.as_ref().unwrap())).collect();
    all.push(block(session.predict(data, replica)).unwrap().iter().map(|v| v.to_bits()).collect());
    let evaluation = block(session.evaluate(data)).unwrap()[replica];
    all.push(vec![(evaluation.loss as f32).to_bits()]);
    all
}

#[test]
fn replicas_give_the_bits_of_separate_runs() {
    for setup in setups() {
        let (mut together, histories) = setup.run(&three());
        for (replica, rates) in three().into_iter().enumerate() {
            let (mut alone, history) = setup.run(&[rates]);
            assert_eq!(histories[replica], history[0], "history of replica {replica}");
            let found = all(&mut together, replica, &setup.data);
            assert_eq!(found, all(&mut alone, 0, &setup.data), "replica {replica}");
        }
        let evaluations = block(together.evaluate(&setup.data)).unwrap();
        assert_ne!(evaluations[0].loss, evaluations[2].loss, "three rates make three models");
    }
}

/// One replica that runs into NaN must not touch the others, under no profile: some kernels read past their rows. Three
/// steps are enough: the second has NaN in everything that the replica holds.
#[test]
fn a_replica_that_diverges_leaves_the_others_alone() {
    for setup in setups() {
        let [first, _, third] = three().map(|rates| rates[..3].to_vec());
        let (together, histories) = setup.run(&[first.clone(), vec![3e38; 3], third.clone()]);
        assert!(histories[1].stopped.is_some(), "3e38 is too large a rate");
        for (replica, rates) in [(0, first), (2, third)] {
            let (alone, history) = setup.run(&[rates]);
            assert_eq!(histories[replica], history[0], "history of replica {replica}");
            let left = |session: &Session, replica| {
                let mut tensors = vec![block(session.weights(replica)).unwrap()];
                if session.options().gradients {
                    tensors.push(block(session.gradients(replica)).unwrap());
                }
                tensors.iter().map(|t| bits(t)).collect::<Vec<_>>()
            };
            assert_eq!(left(&together, replica), left(&alone, 0), "replica {replica}");
        }
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
