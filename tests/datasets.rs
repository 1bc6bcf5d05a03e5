//! A dataset or a setting that does not fit: the message names the thing and the way out, on one line.

use crate::common::{block, classes, regression, session, train};
use rangefinder::{
    Control, Dataset, Error, Loss, Options, RangeTest, Run, Schedule, Sequential, Session, Sgd, Stop,
    Training, digits,
};

fn classifier() -> Session {
    let model = Sequential::features(4).linear(3).build().unwrap();
    session(&model, Loss::CrossEntropy, Sgd::plain(), Options::batch(4))
}

fn regressor() -> Session {
    let model = Sequential::features(4).linear(3).build().unwrap();
    session(&model, Loss::MeanSquaredError, Sgd::plain(), Options::batch(4))
}

fn three_classes() -> Dataset {
    classes(&[4], vec![0.5; 32], vec![0, 1, 2, 0, 1, 2, 0, 1], 3)
}

#[track_caller]
fn assert_message<T>(result: Result<T, Error>, expected: &str) {
    let message = result.err().expect("must be refused").to_string();
    assert_eq!(message, expected);
    assert!(!message.contains('\n'));
}

/// Every way into a session checks the dataset.
#[track_caller]
fn assert_refused(session: &mut Session, data: &Dataset, expected: &str) {
    let before = block(session.fingerprint()).unwrap();
    assert_message(block(session.upload(data)), expected);
    assert_message(block(session.evaluate(data)), expected);
    assert_message(block(session.predict(data, 0)), expected);
    assert_message(block(RangeTest::default().run(session, data)), expected);
    let train = Training::one_cycle(1, 0.1);
    assert_message(block(train.run(session, data, Control::default())), expected);
    assert_eq!(block(session.fingerprint()).unwrap(), before, "a refused dataset changes nothing");
}

#[test]
fn samples_of_another_shape() {
    let data = classes(&[5], vec![0.5; 40], vec![0; 8], 3);
    assert_refused(&mut classifier(), &data, "test data: samples are 5, the model takes 4");
    assert_refused(&mut classifier(), &digits(), "digits: samples are 1x8x8, the model takes 4");
}

#[test]
fn more_classes_than_outputs() {
    let data = classes(&[4], vec![0.5; 32], vec![0; 8], 4);
    let expected = "test data: has 4 classes, the model 3 outputs: give it at least as many";
    assert_refused(&mut classifier(), &data, expected);
}

/// Fewer classes than outputs are fine.
#[test]
fn fewer_classes_than_outputs() {
    let data = classes(&[4], vec![0.5; 32], vec![0, 1, 0, 1, 0, 1, 0, 1], 2);
    assert_eq!(train(&mut classifier(), &data, &[0.1]).histories[0].steps.len(), 1);
}

#[test]
fn classes_and_values_mixed_up() {
    let values = regression(&[4], vec![0.5; 32], vec![0.0; 24], 3);
    let expected = "test data: has values to predict; train it with the mean squared error";
    assert_refused(&mut classifier(), &values, expected);
    let expected = "test data: has class labels; train it with cross-entropy";
    assert_refused(&mut regressor(), &three_classes(), expected);
    let narrow = regression(&[4], vec![0.5; 32], vec![0.0; 16], 2);
    assert_refused(&mut regressor(), &narrow, "test data: has 2 values a sample, the model 3 outputs");
}

#[test]
fn a_batch_larger_than_the_dataset() {
    let small = three_classes().subset(&[0, 1, 2]).unwrap();
    let expected = "batch: 4 is larger than the dataset (3 samples); use --batch 3 or less";
    assert_message(block(RangeTest::default().run(&mut classifier(), &small)), expected);
    let training = Training::one_cycle(1, 0.1);
    assert_message(block(training.run(&mut classifier(), &small, Control::default())), expected);
    // An evaluation fills the batch up.
    assert!(block(classifier().evaluate(&small)).unwrap()[0].loss.is_finite());
}

fn find(test: RangeTest) -> Result<rangefinder::Report, Error> {
    let mut session = classifier();
    let before = block(session.fingerprint()).unwrap();
    let result = block(test.run(&mut session, &three_classes()));
    assert_eq!(block(session.fingerprint()).unwrap(), before);
    result
}

#[test]
fn a_range_test_without_a_range() {
    let test = RangeTest::default();
    for (name, test) in [
        ("steps", RangeTest { steps: 0, ..test }),
        ("steps", RangeTest { steps: 1, ..test }),
        ("steps", RangeTest { steps: usize::MAX, ..test }),
        ("from", RangeTest { from: 0.0, ..test }),
        ("from", RangeTest { from: -1e-3, ..test }),
        ("from", RangeTest { from: f64::NAN, ..test }),
        ("to", RangeTest { to: f64::INFINITY, ..test }),
        ("to", RangeTest { to: 3.5e38, ..test }),
        ("from", RangeTest { from: 1e-39, ..test }),
        ("from", RangeTest { from: 1.0, to: 1.0, ..test }),
        ("from", RangeTest { from: 1.0, to: 0.1, ..test }),
    ] {
        let error = find(test).err().unwrap_or_else(|| panic!("{test:?} must be refused"));
        let Error::Argument { name: found, .. } = &error else { panic!("{test:?}: {error}") };
        assert_eq!(found, name, "{test:?}: {error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    let swapped = find(RangeTest { from: 1.0, to: 0.1, ..test });
    assert_message(swapped, "from: 1 is not below to = 0.1; swap or widen them");
}

#[test]
fn a_run_that_does_not_fit_its_session() {
    let (mut session, data) = (classifier(), three_classes());
    let one = [Schedule::constant(0.1, 2, session.optimizer())];
    let mut run = |schedules: &[Schedule], order: &[u32], beta: f64| {
        let run = Run { schedules, order, beta, stop: Stop::NotFinite };
        block(session.run(&data, &run, Control::default()))
    };
    assert_message(run(&[], &[0; 8], 0.9), "schedules: 0 for 1 replicas; give one, or one for each");
    assert_message(run(&one, &[0; 7], 0.9), "order: 7 rows for 2 steps of 4");
    assert_message(run(&one, &[8; 8], 0.9), "order: row 8 of a dataset of 8 samples");
    let expected = "beta: 1 is not a smoothing coefficient; it must be from 0 to below 1";
    assert_message(run(&one, &[0; 8], 1.0), expected);
    let none = [Schedule { lr: vec![], ..one[0].clone() }];
    assert_message(run(&none, &[], 0.9), "steps: 0 steps; a run needs at least 1");
    let wrong = [Schedule { lr: vec![0.1, -0.1], ..one[0].clone() }];
    assert_message(run(&wrong, &[0; 8], 0.9), "lr: -0.1 at step 1; it must be 0 or more");
    assert_eq!(run(&one, &[0; 8], 0.9).unwrap().histories[0].steps.len(), 2);
}

#[test]
fn no_such_replica() {
    let mut session = classifier();
    let expected = "replica: 1 of 1, counted from 0";
    assert_message(block(session.weights(1)), expected);
    assert_message(block(session.statistics(1)), expected);
    assert_message(block(session.gradients(1)), expected);
    assert_message(block(session.predict(&three_classes(), 1)), expected);
}

#[test]
fn options_out_of_range() {
    let model = Sequential::features(4).linear(3).build().unwrap();
    let compile = |options| {
        block(Session::compile(crate::common::gpu(), &model, Loss::CrossEntropy, Sgd::plain(), options))
    };
    assert_message(compile(Options::batch(0)), "batch: 0 is not from 1 to 1048576");
    assert_message(compile(Options::batch(1).replicas(0)), "replicas: 0 is not from 1 to 128");
    assert_message(compile(Options::batch(1).replicas(129)), "replicas: 129 is not from 1 to 128");
    let expected = "clip: 0 is no norm to clip to; it must be above 0";
    assert_message(compile(Options::batch(1).clip(0.0)), expected);
}
