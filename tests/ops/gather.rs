//! How a batch comes out of the dataset: by row number, repeated or in any order, bytes or floats, scaled and shifted.

use super::{TOLERANCE, conv2d, linear, loss_of};
use crate::common::{assert_close, block, fill, gpu, session, set_weights, widened};
use crate::reference;
use rangefinder::{
    BatchNorm, Control, Dataset, Inputs, Loss, MaxPool, Op, Options, Profile, Run, Schedule, Sequential,
    Session, Sgd, Stop, Targets,
};

const ROWS: usize = 11;

/// Eleven samples with two targets each.
pub fn dataset(shape: &[usize], bytes: bool) -> Dataset {
    let len = ROWS * shape.iter().product::<usize>();
    let inputs = if bytes {
        Inputs::U8((0..len).map(|i| crate::golden::hash(i, 7) as u8).collect())
    } else {
        Inputs::F32(fill(len, 7, 100.0))
    };
    let targets = Targets::Values { values: fill(ROWS * 2, 8, 1.0), width: 2 };
    Dataset::new("rows", shape, inputs, targets).unwrap().with_scaling(0.01, -0.5).unwrap()
}

/// What the model sees of a row, and its targets.
fn row(data: &Dataset, row: usize) -> (Vec<f64>, Vec<f32>) {
    let raw: Vec<f64> = match data.inputs() {
        Inputs::U8(bytes) => bytes.iter().map(|&b| f64::from(b)).collect(),
        Inputs::F32(values) => widened(values),
    };
    let Targets::Values { values, .. } = data.targets() else { panic!("no classes here") };
    let seen = raw[row * data.features()..][..data.features()].iter();
    let seen = seen.map(|v| v * f64::from(data.scale()) + f64::from(data.shift()));
    (seen.collect(), values[2 * row..2 * row + 2].to_vec())
}

/// One step at rate 0 on these rows: its loss.
pub fn step_on(session: &mut Session, data: &Dataset, rows: &[u32]) -> f64 {
    let schedules = [Schedule::constant(0.0, 1, session.optimizer())];
    let run = Run { schedules: &schedules, order: rows, beta: 0.5, stop: Stop::NotFinite };
    block(session.run(data, &run, Control::default())).unwrap().histories[0].steps[0].loss
}

/// A shuffled batch with a row twice.
pub const BATCH: [u32; 5] = [10, 0, 7, 7, 3];

/// Floats and bytes, under every profile that the device runs.
pub fn cases() -> Vec<(Profile, bool)> {
    gpu().profiles().into_iter().flat_map(|profile| [(profile, false), (profile, true)]).collect()
}

pub fn batch(data: &Dataset) -> (Vec<f64>, Vec<f32>) {
    let rows = BATCH.map(|r| row(data, r as usize));
    (rows.iter().flat_map(|r| r.0.clone()).collect(), rows.iter().flat_map(|r| r.1.clone()).collect())
}

#[test]
fn inside_a_linear_layer() {
    for (profile, bytes) in cases() {
        for features in [1, 13, 36, 67] {
            let data = dataset(&[features], bytes);
            let what = format!("linear on {features} features, bytes: {bytes}, {profile:?}");
            let model = Sequential::features(features).linear(2).build().unwrap();
            let mut session = session(
                &model,
                Loss::MeanSquaredError,
                Sgd::plain(),
                Options::batch(5).profile(profile).gradients(true),
            );
            let oracle = linear::oracle(5, features, 2, true);
            set_weights(&mut session, &oracle.params);

            let (x, targets) = batch(&data);
            let (loss, dy) = loss_of(&(oracle.forward)(&x), &targets);
            assert_close(&[step_on(&mut session, &data, &BATCH)], &[loss], TOLERANCE, &what);
            let expected = (oracle.backward)(&dy, &x);
            for (found, expected) in block(session.gradients(0)).unwrap().iter().zip(&expected.params) {
                assert_close(&widened(&found.data), expected, TOLERANCE, &format!("{what}: {}", found.name));
            }
            let kernels: Vec<_> = session.plan().step.iter().map(|d| d.kernel.name()).collect();
            assert!(!kernels.contains(&"gather"), "{what}: {kernels:?}");
        }
    }
}

#[test]
fn inside_a_convolution() {
    for (profile, bytes) in cases() {
        let data = dataset(&[3, 5, 7], bytes);
        let what = format!("conv2d, bytes: {bytes}, {profile:?}");
        let conv = reference::conv2d::Conv2d {
            padding: [1, 1],
            stride: [2, 2],
            ..conv2d::plain(5, [3, 5, 7], 2, [3, 3])
        };
        let features = 2 * conv.out_h() * conv.out_w();
        let model =
            Sequential::image(3, 5, 7).layer(conv2d::layer(&conv, true)).flatten().linear(2).build().unwrap();
        let mut session = session(
            &model,
            Loss::MeanSquaredError,
            Sgd::plain(),
            Options::batch(5).profile(profile).gradients(true),
        );
        let oracle = conv2d::oracle(conv, true).then(linear::oracle(5, features, 2, true));
        set_weights(&mut session, &oracle.params);

        let (x, targets) = batch(&data);
        let (loss, dy) = loss_of(&(oracle.forward)(&x), &targets);
        assert_close(&[step_on(&mut session, &data, &BATCH)], &[loss], TOLERANCE, &what);
        let expected = (oracle.backward)(&dy, &x);
        for (found, expected) in block(session.gradients(0)).unwrap().iter().zip(&expected.params) {
            assert_close(&widened(&found.data), expected, TOLERANCE, &format!("{what}: {}", found.name));
        }
    }
}

/// Other first layers, and two layers of which one gathers by itself, get a copy of the batch.
#[test]
fn into_a_copy() {
    for (profile, bytes) in cases() {
        let data = dataset(&[1, 4, 6], bytes);
        let pool = super::max_pool::plain(5, [1, 4, 6], [2, 2]);
        let model = Sequential::image(1, 4, 6)
            .layer(Op::MaxPool(MaxPool::new(2)))
            .flatten()
            .linear(2)
            .build()
            .unwrap();
        let mut session = session(
            &model,
            Loss::MeanSquaredError,
            Sgd::plain(),
            Options::batch(5).profile(profile).gradients(true),
        );
        let oracle = super::max_pool::oracle(pool).then(linear::oracle(5, 6, 2, true));
        set_weights(&mut session, &oracle.params);
        let (x, targets) = batch(&data);
        let (loss, dy) = loss_of(&(oracle.forward)(&x), &targets);
        assert_close(&[step_on(&mut session, &data, &BATCH)], &[loss], TOLERANCE, "loss");
        let expected = (oracle.backward)(&dy, &x);
        for (found, expected) in block(session.gradients(0)).unwrap().iter().zip(&expected.params) {
            assert_close(&widened(&found.data), expected, TOLERANCE, &found.name);
        }
        assert_eq!(session.plan().step[0].kernel.name(), "gather");
    }
}

/// Batch normalisation on the dataset itself: its parameters have gradients, the dataset needs none.
#[test]
fn into_batch_normalisation() {
    for profile in gpu().profiles() {
        let data = dataset(&[3], false);
        let model =
            Sequential::features(3).layer(Op::BatchNorm(BatchNorm::default())).linear(2).build().unwrap();
        let mut session = session(
            &model,
            Loss::MeanSquaredError,
            Sgd::plain(),
            Options::batch(5).profile(profile).gradients(true),
        );
        let norm = reference::batch_norm::BatchNorm::new(5, 3, 1);
        let oracle = super::batch_norm::oracle(norm).then(linear::oracle(5, 3, 2, true));
        set_weights(&mut session, &oracle.params);
        let (x, targets) = batch(&data);
        let (loss, dy) = loss_of(&(oracle.forward)(&x), &targets);
        assert_close(&[step_on(&mut session, &data, &BATCH)], &[loss], TOLERANCE, "loss");
        let expected = (oracle.backward)(&dy, &x);
        for (found, expected) in block(session.gradients(0)).unwrap().iter().zip(&expected.params) {
            assert_close(&widened(&found.data), expected, TOLERANCE, &found.name);
        }
    }
}

/// Eleven rows in batches of four: the last batch is one row short, and no row is counted twice.
#[test]
fn a_last_batch_that_is_not_full() {
    for (profile, bytes) in cases() {
        let data = dataset(&[13], bytes);
        let model = Sequential::features(13).linear(2).build().unwrap();
        let mut session =
            session(&model, Loss::MeanSquaredError, Sgd::plain(), Options::batch(4).profile(profile));
        let oracle = linear::oracle(ROWS, 13, 2, true);
        set_weights(&mut session, &oracle.params);
        let rows: Vec<_> = (0..ROWS).map(|r| row(&data, r)).collect();
        let x: Vec<f64> = rows.iter().flat_map(|r| r.0.clone()).collect();
        let targets: Vec<f32> = rows.iter().flat_map(|r| r.1.clone()).collect();
        let y = (oracle.forward)(&x);
        let found = widened(&block(session.predict(&data, 0)).unwrap());
        assert_close(&found, &y, TOLERANCE, "predictions");
        let evaluation = block(session.evaluate(&data)).unwrap()[0];
        assert_close(&[evaluation.loss], &[loss_of(&y, &targets).0], TOLERANCE, "loss");
    }
}
