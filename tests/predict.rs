//! A model's outputs for a whole dataset: those of each batch alone, whatever is read back at once.

use crate::common::{assert_close, block, fill, own_gpu, regression, session, set_weights, train};
use crate::determinism::everything;
use rangefinder::{Dataset, Loss, Options, Sequential, Session, Sgd, digits};

const BATCH: usize = 32;

fn bits(session: &mut Session, data: &Dataset, replica: usize) -> Vec<u32> {
    block(session.predict(data, replica)).unwrap().iter().map(|v| v.to_bits()).collect()
}

#[test]
fn a_dataset_has_the_bits_of_its_batches_one_by_one() {
    let data = digits();
    let rows: Vec<usize> = (0..data.len()).collect();
    let options = Options::batch(BATCH).replicas(2);
    let mut two = session(&everything(), Loss::CrossEntropy, Sgd::momentum(0.9), options);
    train(&mut two, &data, &[0.01; 5]);
    for replica in 0..2 {
        let batches = rows.chunks(BATCH).map(|rows| data.subset(rows).unwrap());
        let alone: Vec<u32> = batches.flat_map(|batch| bits(&mut two, &batch, replica)).collect();
        assert_eq!(alone.len(), 10 * data.len());
        assert_eq!(bits(&mut two, &data, replica), alone, "replica {replica}");
    }
}

/// 40 MB of outputs, which are read back in three parts: `y = x w + b`.
#[test]
fn more_outputs_than_are_read_back_at_once() {
    let (samples, outputs) = (2500, 4096);
    let x = fill(samples, 1, 1.0);
    let data = regression(&[1], x.clone(), vec![0.0; samples * outputs], outputs);
    let model = Sequential::features(1).linear(outputs).build().unwrap();
    let mut session = session(&model, Loss::MeanSquaredError, Sgd::plain(), Options::batch(64));
    let (w, b) = (fill(outputs, 2, 1.0), fill(outputs, 3, 1.0));
    set_weights(&mut session, &[w.clone(), b.clone()]);
    let found = block(session.predict(&data, 0)).unwrap();
    assert_eq!(found.len(), samples * outputs);
    for (row, x) in found.chunks(outputs).zip(&x) {
        let expected: Vec<f64> = w.iter().zip(&b).map(|(w, b)| f64::from(x * w + b)).collect();
        let row: Vec<f64> = row.iter().map(|y| f64::from(*y)).collect();
        assert_close(&row, &expected, 1e-6, "outputs");
    }
}

/// A loss that is not finite ends a run, but no prediction.
#[test]
fn a_sample_without_a_loss_spoils_no_other() {
    let (samples, wrong) = (50, 21);
    let mut x = fill(samples * 3, 1, 1.0);
    let sound = regression(&[3], x.clone(), vec![0.0; samples], 1);
    x[3 * wrong] = 1e30;
    let data = regression(&[3], x, vec![0.0; samples], 1);
    let model = Sequential::features(3).linear(1).build().unwrap();
    let mut session = session(&model, Loss::MeanSquaredError, Sgd::plain(), Options::batch(4));
    let (found, expected) = (bits(&mut session, &data, 0), bits(&mut session, &sound, 0));
    for (sample, (found, expected)) in found.iter().zip(&expected).enumerate() {
        match sample == wrong {
            true => assert!(f32::from_bits(*found).abs() > 1e20),
            false => assert_eq!(found, expected, "sample {sample}"),
        }
    }
    assert_eq!(block(session.evaluate(&data)).unwrap()[0].loss, f64::INFINITY);
}

/// One buffer, whatever the number of batches: outputs stay on the device until all are there.
#[test]
fn outputs_are_read_back_once() {
    let gpu = own_gpu();
    let (model, options) = (everything(), Options::batch(8));
    let compiled = Session::compile(&gpu, &model, Loss::CrossEntropy, Sgd::plain(), options);
    let mut session = block(compiled).unwrap();
    let data = digits();
    let outputs = bits(&mut session, &data, 0);
    let buffers = gpu.made().buffers;
    assert_eq!(bits(&mut session, &data, 0), outputs);
    assert_eq!(gpu.made().buffers, buffers + 1);
}
