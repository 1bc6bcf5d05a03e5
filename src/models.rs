//! The models that the command, the examples and the bench bring along.

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::nn::Sequential;
use crate::ops::{Conv2d, MaxPool, Op, dims_text};

/// Three fully connected layers: hidden widths 256 and 128 for large samples (784-256-128-10 on MNIST), 128 and 64 for
/// images of 8 x 8, 64 and 32 for points.
///
/// # Errors
/// An empty shape or no class.
pub fn mlp(shape: &[usize], classes: usize) -> Result<Graph> {
    let [first, second] = match shape.iter().product() {
        0..16 => [64, 32],
        16..256 => [128, 64],
        _ => [256, 128],
    };
    let input = Sequential::samples(shape).flatten();
    input.linear(first).relu().linear(second).relu().linear(classes).build()
}

/// Two convolutions of 3 x 3 with max-pooling and two fully connected layers: 32 and 64 channels and 128 features for
/// images of 28 x 28 and more, 16, 32 and 64 for smaller ones.
///
/// # Errors
/// Samples that are not images of at least 4 x 4.
pub fn cnn(shape: &[usize], classes: usize) -> Result<Graph> {
    let (h, w) = match *shape {
        [_, h, w] if h >= 4 && w >= 4 => (h, w),
        _ => {
            let detail =
                format!("needs images of at least 4x4; the samples are {}: use mlp", dims_text(shape));
            return Err(Error::shape("cnn", detail));
        }
    };
    let [first, second, hidden] = if h.min(w) >= 16 { [32, 64, 128] } else { [16, 32, 64] };
    let image = Sequential::samples(shape);
    let features = image.conv2d(first, 3).relu().max_pool(2).conv2d(second, 3).relu().max_pool(2);
    features.flatten().linear(hidden).relu().linear(classes).build()
}

/// ResNet-9 (Page, "How to Train Your ResNet", 2018): eight convolutions of 3 x 3 with batch normalisation and relu, from 64 to 512
/// channels, three max-pools of 2 x 2, two residual blocks, the maximum over what is left of the image, one linear layer.
///
/// # Errors
/// Samples that are not images of at least 8 x 8.
pub fn resnet9(shape: &[usize], classes: usize) -> Result<Graph> {
    let left = match *shape {
        [_, h, w] if h >= 8 && w >= 8 => [h / 8, w / 8],
        _ => {
            let detail =
                format!("needs images of at least 8x8; the samples are {}: use mlp", dims_text(shape));
            return Err(Error::shape("resnet9", detail));
        }
    };
    let conv = |model: Sequential, out: usize| {
        model.layer(Op::Conv2d(Conv2d::new(out, 3).padding(1).without_bias())).batch_norm().relu()
    };
    let twice = |model: Sequential, out| model.residual(|f| conv(conv(f, out), out));
    let model = conv(conv(Sequential::samples(shape), 64), 128).max_pool(2);
    let model = conv(twice(model, 128), 256).max_pool(2);
    let model = twice(conv(model, 512).max_pool(2), 512);
    let rest = MaxPool { kernel: left, stride: left, padding: [0; 2] };
    model.layer(Op::MaxPool(rest)).flatten().linear(classes).build()
}
