//! A second opinion on the gradients of a whole network, which no oracle had a hand in: move the weights, see the loss.

use crate::common::{block, classes, fill, session, train, weights};
use crate::golden::labels;
use rangefinder::{Dataset, Loss, Options, Sequential, Session, Sgd, Tensor};

/// Length of a move. The loss of about 2 is exact to some 2e-7, so that a slope is exact to 2e-7 / 1e-3 = 2e-4; kinks of
/// relu and max-pool that the move crosses cost more the longer it is.
const STEP: f32 = 1e-3;
/// Relative to the norm of the tensor's gradient.
const TOLERANCE: f64 = 0.01;

fn loss(session: &mut Session, data: &Dataset) -> f64 {
    train(session, data, &[0.0]).histories[0].steps[0].loss
}

/// The loss's slope where `tensor` moves along `direction`, a unit vector.
fn slope(session: &mut Session, data: &Dataset, tensor: &Tensor, direction: &[f32]) -> f64 {
    let mut at = |step: f32| {
        let data_at = tensor.data.iter().zip(direction).map(|(w, d)| w + step * d).collect();
        session.set_weights(0, &[Tensor { data: data_at, ..tensor.clone() }]).unwrap();
        loss(session, data)
    };
    let slope = (at(STEP) - at(-STEP)) / (2.0 * f64::from(STEP));
    session.set_weights(0, std::slice::from_ref(tensor)).unwrap();
    slope
}

fn norm(v: &[f32]) -> f64 {
    v.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
}

fn unit(v: &[f32]) -> Vec<f32> {
    let norm = norm(v) as f32;
    v.iter().map(|v| v / norm).collect()
}

#[test]
fn the_loss_of_a_cnn_moves_as_its_gradient_says() {
    let chain = Sequential::image(2, 8, 8).conv2d(5, 3).batch_norm().relu().max_pool(2);
    let chain = chain.residual(|f| f.conv2d(5, 3).relu()).avg_pool(2).flatten().dropout(0.0);
    let model =
        chain.linear(7).batch_norm().activation(rangefinder::Activation::Tanh).linear(4).build().unwrap();
    let mut session = session(&model, Loss::CrossEntropy, Sgd::plain(), Options::batch(16));
    let data = classes(&[2, 8, 8], fill(16 * 128, 1, 1.0), labels(16, 2, 4), 4);

    loss(&mut session, &data);
    let gradients = block(session.gradients(0)).unwrap();
    for (tensor, gradient) in weights(&session).iter().zip(&gradients) {
        let size = norm(&gradient.data);
        if tensor.name == "conv2d1.bias" || tensor.name == "linear11.bias" {
            // Batch normalisation behind it takes the bias off again.
            assert!(size < 1e-5, "{}: a gradient of {size}", tensor.name);
            continue;
        }
        for direction in [unit(&gradient.data), unit(&fill(gradient.data.len(), 9, 1.0))] {
            let expected: f64 = gradient.data.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
            let found = slope(&mut session, &data, tensor, &direction);
            let off = (found - expected).abs() / size;
            assert!(off < TOLERANCE, "{}: the loss says {found}, the gradient {expected}", tensor.name);
        }
    }
}
