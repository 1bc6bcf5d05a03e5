//! PyTorch as an independent witness: what it computes, as literals in [`values`], and how to compute the same here.
//!
//! `make.py` beside this file writes `values.rs` with PyTorch in float64. Weights, data and incoming gradients are not
//! stored: [`fill`] and [`labels`] make them, bit for bit the same in Rust and in Python. There are three kinds:
//!
//! - single ops at odd shapes, forward and every gradient, as a [`Summary`] of each tensor;
//! - optimizers over given gradients, as the weights at the end ([`Trajectory`]);
//! - trainings of three small networks, as the loss of each of [`STEPS`] steps and a summary of what is left in the
//!   weights ([`Model`], [`Run`]).
//!
//! `agreement.rs` shows that the `f64` oracles of `tests/reference` give these numbers, the trainings included
//! ([`replay`]), so that a GPU test may take either as the truth. In float32 PyTorch's own losses and gradient norms
//! stay within 5e-7 of these (relative) for all 20 steps and its weights within 4e-7, with the same rows correct.

#[cfg(test)]
mod agreement;
pub mod replay;
#[rustfmt::skip]
pub mod values;

use crate::reference::optim::Optimizer;

/// How far, relatively, a `f32` engine's loss may be from a golden one: some 50 times PyTorch's own rounding, and a
/// tenth of what the least of the wrong optimizers costs in ten steps (`agreement.rs` tries them).
pub const LOSS_TOLERANCE: f64 = 1e-5;
/// Steps of a training run.
pub const STEPS: usize = 20;
/// Rows of a batch of a training run.
pub const BATCH: usize = 16;
/// Rows of the data of a training run.
pub const SAMPLES: usize = 64;
/// The seed of a training run's inputs, filled with scale 1.
pub const INPUT_SEED: u32 = 100;
/// The seed of a training run's labels.
pub const LABEL_SEED: u32 = 101;

/// A 32-bit hash of an index and a seed: a line modulo 2^32, then two rounds of xorshift-multiply.
pub fn hash(index: usize, seed: u32) -> u32 {
    let mut h = (index as u32).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503));
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// `len` numbers in `[-scale, scale)`: `((hash >> 8) / 2^24 * 2 - 1) * scale`. All but the product is exact in `f32`,
/// so that every language rounds alike.
pub fn fill(len: usize, seed: u32, scale: f32) -> Vec<f32> {
    let unit = |index| (hash(index, seed) >> 8) as f32 / 16_777_216.0 * 2.0 - 1.0;
    (0..len).map(|index| unit(index) * scale).collect()
}

/// `len` labels: `hash % classes`.
pub fn labels(len: usize, seed: u32, classes: u32) -> Vec<u32> {
    (0..len).map(|index| hash(index, seed) % classes).collect()
}

/// The rows of the data that make the batch of a step, in order: the data once through in four steps, and again.
pub fn batch_rows(step: usize) -> Vec<usize> {
    (0..BATCH).map(|row| (step * BATCH + row) % SAMPLES).collect()
}

/// What is kept of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Elements.
    pub len: usize,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
    /// The elements at 0, a third, two thirds and the whole of `len - 1` (rounded down): a transposed tensor has the
    /// same sums, but not these.
    pub picks: [f64; 4],
}

impl Summary {
    /// The summary of `values`.
    pub fn of(values: &[f64]) -> Summary {
        let last = values.len() - 1;
        Summary {
            len: values.len(),
            sum: values.iter().sum(),
            squares: values.iter().map(|x| x * x).sum(),
            picks: [0, last / 3, 2 * last / 3, last].map(|i| values[i]),
        }
    }

    /// Panics unless `values` have this summary. `tolerance` is relative to the tensor's size: to the root mean
    /// square for an element, to `len` times that for the sum.
    #[track_caller]
    pub fn assert_matches(&self, values: &[f64], tolerance: f64, what: &str) {
        let found = Summary::of(values);
        assert_eq!(found.len, self.len, "{what}: elements");
        let size = (self.squares / self.len as f64).sqrt();
        let close = |found: f64, expected: f64, size: f64, part: &str| {
            let off = (found - expected).abs();
            // Not `off > allowed`, which a NaN would pass.
            assert!(off <= tolerance * size, "{what}: {part} is {found}, not {expected}");
        };
        close(found.squares, self.squares, self.squares, "the sum of squares");
        close(found.sum, self.sum, size * self.len as f64, "the sum");
        for (found, expected) in found.picks.into_iter().zip(self.picks) {
            close(found, expected, size.max(expected.abs()), "an element");
        }
    }
}

/// Ten steps of an optimizer over five weights: `fill(5, 40, 1.0)` at first, gradient `fill(5, 41 + step, 1.0)`.
#[derive(Clone, Copy, Debug)]
pub struct Trajectory {
    /// The optimizer of the first step.
    pub optimizer: Optimizer,
    /// The global norm to which each step's gradients are clipped before it.
    pub max_norm: Option<f64>,
    /// What the learning rate is multiplied by after each step.
    pub growth: f64,
    /// The weights after the last step.
    pub end: [f64; 5],
}

/// A small network with its data and its runs.
///
/// The data are `fill(SAMPLES * inputs, INPUT_SEED, 1.0)` and `labels(SAMPLES, LABEL_SEED, classes)`; step `s` trains
/// on [`batch_rows`]`(s)` with the mean cross-entropy.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// The shape of one row of the data.
    pub input: &'static [usize],
    /// Classes.
    pub classes: u32,
    /// The parameters, in the order of the layers, weight before bias.
    pub tensors: &'static [Tensor],
    /// The trainings.
    pub runs: &'static [Run],
}

impl Model {
    /// Elements of one row of the data.
    pub fn row_len(&self) -> usize {
        self.input.iter().product()
    }

    /// The data, `[SAMPLES, input...]`.
    pub fn inputs(&self) -> Vec<f32> {
        fill(SAMPLES * self.row_len(), INPUT_SEED, 1.0)
    }

    /// The labels of the data.
    pub fn labels(&self) -> Vec<u32> {
        labels(SAMPLES, LABEL_SEED, self.classes)
    }
}

/// A parameter before the first step.
#[derive(Clone, Copy, Debug)]
pub struct Tensor {
    /// Its name: the layer's and `weight` or `bias` (for a normalisation, gamma or beta).
    pub name: &'static str,
    /// Its shape in PyTorch's layout.
    pub shape: &'static [usize],
    /// What is in it.
    pub init: Init,
}

impl Tensor {
    /// Its elements, row-major.
    pub fn values(&self) -> Vec<f32> {
        let len = self.shape.iter().product();
        match self.init {
            Init::Fill { seed, scale } => fill(len, seed, scale),
            Init::Constant(value) => vec![value; len],
        }
    }
}

/// How a parameter is made.
#[derive(Clone, Copy, Debug)]
pub enum Init {
    /// By [`fill`].
    Fill {
        /// The seed.
        seed: u32,
        /// The scale.
        scale: f32,
    },
    /// All elements alike.
    Constant(f32),
}

/// One training.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The optimizer, with one learning rate throughout.
    pub optimizer: Optimizer,
    /// The mean loss of each step's batch, before its update.
    pub losses: [f64; STEPS],
    /// The rows of each step's batch that the network has right, before its update.
    pub correct: [u32; STEPS],
    /// The norm of all gradients of each step as one vector.
    pub gradient_norms: [f64; STEPS],
    /// The parameters after the last step, in the order of [`Model::tensors`].
    pub weights: &'static [Summary],
    /// Running mean and variance of each batch normalisation after the last step.
    pub buffers: &'static [Summary],
}
