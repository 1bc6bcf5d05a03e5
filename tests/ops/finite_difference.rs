//! A second opinion on the gradients of a whole network, which no oracle had a hand in: move the weights, see the loss.

use crate::common::{block, classes, fill, session, train, weights};
use crate::golden::labels;
use rangefinder::{
    Activation, AvgPool, Dataset, Graph, Loss, MaxPool, Op, Options, Sequential, Session, Sgd, Tensor,
};

fn loss(session: &mut Session, data: &Dataset) -> f64 {
    train(session, data, &[0.0]).histories[0].steps[0].loss
}

/// The loss's slope where `tensor` moves by `length` along `direction`, a unit vector, and back.
fn slope(session: &mut Session, data: &Dataset, tensor: &Tensor, direction: &[f32], length: f32) -> f64 {
    let mut at = |step: f32| {
        let data_at = tensor.data.iter().zip(direction).map(|(w, d)| w + step * d).collect();
        session.set_weights(0, &[Tensor { data: data_at, ..tensor.clone() }]).unwrap();
        loss(session, data)
    };
    let slope = (at(length) - at(-length)) / (2.0 * f64::from(length));
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

/// A network with every kind of layer. Two of its biases have no effect, since batch normalisation takes them off again.
fn network(act: Activation, pool: Op) -> Graph {
    let chain = Sequential::image(2, 8, 8).conv2d(5, 3).batch_norm().activation(act).layer(pool.clone());
    let chain = chain.residual(|f| f.conv2d(5, 3).activation(act)).layer(pool).flatten().dropout(0.0);
    let chain = chain.linear(7).batch_norm().activation(Activation::Tanh).linear(6);
    chain.activation(Activation::Gelu).linear(4).build().unwrap()
}

const IDLE: [&str; 2] = ["conv2d1.bias", "linear11.bias"];

/// `tolerance` is relative to the norm of the tensor's gradient.
#[track_caller]
fn check(model: &Graph, length: f32, tolerance: f64) {
    let mut session = session(model, Loss::CrossEntropy, Sgd::plain(), Options::batch(16).gradients(true));
    let data = classes(&[2, 8, 8], fill(16 * 128, 1, 1.0), labels(16, 2, 4), 4);
    loss(&mut session, &data);
    let gradients = block(session.gradients(0)).unwrap();
    for (tensor, gradient) in weights(&session).iter().zip(&gradients) {
        let size = norm(&gradient.data);
        assert_eq!(size < 1e-5, IDLE.contains(&&*tensor.name), "{}: a gradient of {size}", tensor.name);
        if IDLE.contains(&&*tensor.name) {
            continue;
        }
        for direction in [unit(&gradient.data), unit(&fill(gradient.data.len(), 9, 1.0))] {
            let expected: f64 = gradient.data.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
            let found = slope(&mut session, &data, tensor, &direction, length);
            let off = (found - expected).abs() / size;
            assert!(
                off < tolerance,
                "{}: the loss says {found}, the gradient {expected} ({off:.1e} off)",
                tensor.name
            );
        }
    }
}

/// The loss of about 1.5 is exact to some 2e-7, a slope then to 2e-7 / 1e-2 = 2e-5; the smallest gradient's norm is
/// about 0.02. The rest is the third derivative, and how coarse a driver's exp and tanh are: SwiftShader's cost as much again.
#[test]
fn of_a_smooth_network() {
    let tolerance = if cfg!(target_arch = "wasm32") { 1e-2 } else { 5e-3 };
    check(&network(Activation::Tanh, Op::AvgPool(AvgPool::new(2))), 1e-2, tolerance);
}

/// Relu and max-pool have kinks. A move that crosses some is off by about its length; a shorter one drowns in rounding.
#[test]
fn of_a_network_with_kinks() {
    check(&network(Activation::Relu, Op::MaxPool(MaxPool::new(2))), 1e-3, 0.05);
}
