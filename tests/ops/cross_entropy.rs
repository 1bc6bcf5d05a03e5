//! Softmax cross-entropy: loss, gradient and accuracy of given logits.

use super::{TOLERANCE, TRANSCENDENTAL, one_hot_rows, source, transposed};
use crate::common::{assert_close, block, classes, fill, session, set_weights, train, widened};
use crate::golden::labels;
use crate::reference::cross_entropy::CrossEntropy;
use rangefinder::{Graph, Loss, Options, Sgd};

/// A model whose outputs are its weights, for one step: logits in, dlogits out.
#[track_caller]
fn check_logits(b: usize, k: usize, logits: &[f32], labels: Vec<u32>, tolerance: f64) {
    let what = format!("cross_entropy of {b}x{k}");
    let mut graph = Graph::new(&[b]).unwrap();
    source(&mut graph, k);
    let mut session = session(&graph, Loss::CrossEntropy, Sgd::plain(), Options::batch(b).gradients(true));
    set_weights(&mut session, &[transposed(logits, k)]);
    let data = classes(&[b], one_hot_rows(b), labels.clone(), k);

    let step = train(&mut session, &data, &[0.0]).histories[0].steps[0];
    let (oracle, logits) = (CrossEntropy { b, k }, widened(logits));
    let right = oracle.correct(&logits, &labels).iter().filter(|right| **right).count();
    let loss = oracle.mean(&logits, &labels);
    assert!((step.loss - loss).abs() <= tolerance * loss.max(1.0), "{what}: {} is not {loss}", step.loss);
    assert_eq!((step.accuracy.unwrap() * b as f64).round() as usize, right, "{what}: rows right");
    let found = widened(&transposed(&block(session.gradients(0)).unwrap()[0].data, b));
    assert_close(&found, &oracle.dlogits(&logits, &labels), tolerance, &format!("{what}: dlogits"));

    let evaluation = block(session.evaluate(&data)).unwrap()[0];
    assert_close(&[evaluation.loss], &[step.loss], 1e-6, &format!("{what}: loss evaluated"));
    assert_eq!(evaluation.accuracy, step.accuracy, "{what}: accuracy evaluated");
}

#[test]
fn random_logits() {
    for (b, k) in [(1, 2), (7, 10), (65, 3), (3, 65), (16, 129)] {
        check_logits(b, k, &fill(b * k, 1, 5.0), labels(b, 2, k as u32), TRANSCENDENTAL);
    }
}

/// One class: the loss is 0 and so is the gradient.
#[test]
fn one_class() {
    check_logits(5, 1, &fill(5, 1, 5.0), vec![0; 5], TOLERANCE);
}

/// Of equals the first is the answer.
#[test]
fn equal_logits() {
    check_logits(4, 5, &[7.0; 20], vec![0, 1, 4, 0], TRANSCENDENTAL);
}

/// Without the shift by the largest, exp overflows.
#[test]
fn huge_logits_stay_finite() {
    let logits = [1e4, -1e4, 0.0, 1e4, -1e4, 0.0, 88.0, 89.0, 90.0];
    check_logits(3, 3, &logits, vec![0, 1, 2], TRANSCENDENTAL);
}
