//! The golden trainings once more, on the oracles of `tests/reference`: in `f64`, but with every number in the open,
//! where `values.rs` has summaries.

use super::{BATCH, Model, STEPS, batch_rows};
use crate::reference::activation::Activation;
use crate::reference::batch_norm::{BatchNorm, Running};
use crate::reference::conv2d::Conv2d;
use crate::reference::cross_entropy::CrossEntropy;
use crate::reference::linear::Linear;
use crate::reference::max_pool::MaxPool;
use crate::reference::optim::{Optimizer, State};

/// One layer of a network, with its shape at the golden batch size. Flattening changes no number and is not a layer.
#[derive(Clone, Copy, Debug)]
pub enum Layer {
    /// Weight and bias.
    Linear(Linear),
    /// Weight and bias.
    Conv2d(Conv2d),
    /// Gamma and beta, in training mode.
    BatchNorm(BatchNorm),
    /// No parameter.
    Activation(Activation),
    /// No parameter.
    MaxPool(MaxPool),
}

impl Layer {
    /// How many of the network's parameters are this layer's.
    fn parameters(&self) -> usize {
        match self {
            Layer::Linear(_) | Layer::Conv2d(_) | Layer::BatchNorm(_) => 2,
            Layer::Activation(_) | Layer::MaxPool(_) => 0,
        }
    }

    /// The output.
    fn forward(&self, x: &[f64], w: &[Vec<f64>]) -> Vec<f64> {
        match self {
            Layer::Linear(linear) => linear.forward(x, &w[0], &w[1]),
            Layer::Conv2d(conv) => conv.forward(x, &w[0], &w[1]),
            Layer::BatchNorm(norm) => norm.forward(x, &w[0], &w[1]).y,
            Layer::Activation(activation) => activation.forward(x),
            Layer::MaxPool(pool) => pool.forward(x),
        }
    }

    /// The gradient of the input, and those of the parameters.
    fn backward(&self, dy: &[f64], x: &[f64], w: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
        match self {
            Layer::Linear(linear) => (linear.dx(dy, &w[0]), vec![linear.dw(dy, x), linear.db(dy)]),
            Layer::Conv2d(conv) => (conv.dx(dy, &w[0]), vec![conv.dw(dy, x), conv.db(dy)]),
            Layer::BatchNorm(norm) => (norm.dx(dy, x, &w[0]), vec![norm.dgamma(dy, x), norm.dbeta(dy)]),
            Layer::Activation(activation) => (activation.dx(dy, x), vec![]),
            Layer::MaxPool(pool) => (pool.dx(dy, x), vec![]),
        }
    }
}

/// The layers of `values::MLP`: 20-32-16-5 with relu.
pub fn mlp() -> Vec<Layer> {
    vec![linear(20, 32), RELU, linear(32, 16), RELU, linear(16, 5)]
}

/// The layers of `values::CNN`: (3x3 convolution, relu, 2x2 max-pool) twice, then linear.
pub fn cnn() -> Vec<Layer> {
    vec![conv2d(1, 8, 6), RELU, max_pool(6, 8), conv2d(6, 4, 8), RELU, max_pool(8, 4), linear(32, 10)]
}

/// The layers of `values::CNN_BATCH_NORM`: the same with batch normalisation between convolution and relu.
pub fn cnn_batch_norm() -> Vec<Layer> {
    let mut layers = cnn();
    layers.insert(4, Layer::BatchNorm(BatchNorm::new(BATCH, 8, 4 * 4)));
    layers.insert(1, Layer::BatchNorm(BatchNorm::new(BATCH, 6, 8 * 8)));
    layers
}

const RELU: Layer = Layer::Activation(Activation::Relu);

fn linear(i: usize, o: usize) -> Layer {
    Layer::Linear(Linear { b: BATCH, i, o })
}

/// A 3x3 convolution that keeps the size of a square image.
fn conv2d(c: usize, size: usize, o: usize) -> Layer {
    let (stride, padding, dilation) = ([1, 1], [1, 1], [1, 1]);
    Layer::Conv2d(Conv2d { b: BATCH, c, h: size, w: size, o, kh: 3, kw: 3, stride, padding, dilation })
}

/// A 2x2 max pooling that halves the size of a square image.
fn max_pool(c: usize, size: usize) -> Layer {
    let (kernel, stride, padding) = ([2, 2], [2, 2], [0, 0]);
    Layer::MaxPool(MaxPool { b: BATCH, c, h: size, w: size, kernel, stride, padding })
}

/// A network in training.
pub struct Training {
    layers: Vec<Layer>,
    /// The parameters, in the order of [`Model::tensors`].
    pub weights: Vec<Vec<f64>>,
    /// What the optimizer remembers of each parameter.
    pub states: Vec<State>,
    /// The running statistics of each batch normalisation.
    pub running: Vec<Running>,
}

/// What one step gives.
pub struct Step {
    /// The mean loss of the batch, before the update.
    pub loss: f64,
    /// The rows of the batch that the network has right, before the update.
    pub correct: u32,
    /// The gradients, in the order of [`Model::tensors`].
    pub gradients: Vec<Vec<f64>>,
}

impl Training {
    /// The network before its first step.
    pub fn new(model: &Model, layers: Vec<Layer>) -> Training {
        let weights: Vec<Vec<f64>> = model.tensors.iter().map(|tensor| widened(&tensor.values())).collect();
        let states = weights.iter().map(|w| State::new(w.len())).collect();
        let running = layers.iter().filter_map(initial_statistics).collect();
        Training { layers, weights, states, running }
    }

    /// Forward, backward and one update on one batch.
    pub fn step(&mut self, optimizer: Optimizer, x: &[f64], labels: &[u32]) -> Step {
        let inputs = self.forward(x);
        let logits = &inputs[self.layers.len()];
        let head = CrossEntropy { b: labels.len(), k: logits.len() / labels.len() };
        let loss = head.mean(logits, labels);
        let correct = head.correct(logits, labels).into_iter().filter(|&right| right).count() as u32;
        let gradients = self.backward(head.dlogits(logits, labels), &inputs);
        self.update_statistics(&inputs);
        for ((w, g), state) in self.weights.iter_mut().zip(&gradients).zip(&mut self.states) {
            optimizer.step(w, g, state);
        }
        Step { loss, correct, gradients }
    }

    /// The input of every layer, and last the logits.
    fn forward(&self, x: &[f64]) -> Vec<Vec<f64>> {
        let mut inputs = vec![x.to_vec()];
        for (index, layer) in self.layers.iter().enumerate() {
            inputs.push(layer.forward(&inputs[index], self.weights_of(index)));
        }
        inputs
    }

    /// The gradients of all parameters.
    fn backward(&self, dlogits: Vec<f64>, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut dy = dlogits;
        let mut gradients = Vec::new();
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (dx, mut of_layer) = layer.backward(&dy, &inputs[index], self.weights_of(index));
            of_layer.append(&mut gradients);
            gradients = of_layer;
            dy = dx;
        }
        gradients
    }

    /// Blends the statistics of this batch into the running ones.
    fn update_statistics(&mut self, inputs: &[Vec<f64>]) {
        let mut updated = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            if let Layer::BatchNorm(norm) = layer {
                let w = self.weights_of(index);
                let forward = norm.forward(&inputs[index], &w[0], &w[1]);
                updated.push(norm.update_running(&self.running[updated.len()], &forward));
            }
        }
        self.running = updated;
    }

    /// The parameters of one layer.
    fn weights_of(&self, index: usize) -> &[Vec<f64>] {
        let first: usize = self.layers[..index].iter().map(Layer::parameters).sum();
        &self.weights[first..first + self.layers[index].parameters()]
    }
}

/// All [`STEPS`] steps of a training on its golden batches, and the network after them.
pub fn train(model: &Model, layers: Vec<Layer>, optimizer: Optimizer) -> (Vec<Step>, Training) {
    let mut training = Training::new(model, layers);
    let inputs = widened(&model.inputs());
    let labels = model.labels();
    let mut steps = Vec::new();
    for step in 0..STEPS {
        let rows = batch_rows(step);
        let x: Vec<f64> =
            rows.iter().flat_map(|row| row_of(&inputs, *row, model.row_len())).copied().collect();
        let targets: Vec<u32> = rows.iter().map(|row| labels[*row]).collect();
        steps.push(training.step(optimizer, &x, &targets));
    }
    (steps, training)
}

/// The running statistics of a batch normalisation before the first step; nothing for another layer.
fn initial_statistics(layer: &Layer) -> Option<Running> {
    match layer {
        Layer::BatchNorm(norm) => Some(Running::new(norm.c)),
        _ => None,
    }
}

fn row_of(inputs: &[f64], row: usize, len: usize) -> &[f64] {
    &inputs[row * len..(row + 1) * len]
}

/// The same numbers in `f64`.
pub fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
