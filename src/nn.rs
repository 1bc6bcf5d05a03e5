//! Models as a chain of layers.

use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::init::Init;
use crate::ops::{Activation, AvgPool, BatchNorm, Conv2d, Dropout, Linear, MaxPool, Op};

/// A chain of layers, built by calling one method a layer. The first layer that does not fit is reported by
/// [`build`](Self::build), with its number and the shapes.
///
/// ```
/// use rangefinder::Sequential;
///
/// let model = Sequential::image(1, 8, 8).conv2d(16, 3).relu().max_pool(2).flatten().linear(10).build()?;
/// assert_eq!(model.shape(model.output()), [10]);
/// # Ok::<(), rangefinder::Error>(())
/// ```
#[derive(Debug)]
pub struct Sequential {
    graph: Result<Graph>,
}

impl Sequential {
    /// A model of flat samples.
    pub fn features(features: usize) -> Self {
        Self { graph: Graph::new(&[features]) }
    }

    /// A model of images.
    pub fn image(channels: usize, height: usize, width: usize) -> Self {
        Self { graph: Graph::new(&[channels, height, width]) }
    }

    /// A model of samples of any shape, as a dataset gives it.
    pub fn samples(shape: &[usize]) -> Self {
        Self { graph: Graph::new(shape) }
    }

    /// Any layer with one input.
    pub fn layer(mut self, op: Op) -> Self {
        if let Ok(graph) = &mut self.graph {
            let end = graph.output();
            if let Err(error) = graph.add(op, &[end]) {
                self.graph = Err(error);
            }
        }
        self
    }

    /// Fully connected, with a bias.
    pub fn linear(self, out: usize) -> Self {
        self.layer(Op::Linear(Linear::new(out)))
    }

    /// Convolution of stride 1 with a square kernel, padded by half of it: an odd kernel keeps the image's size.
    /// For anything else, [`layer`](Self::layer) with a [`Conv2d`].
    pub fn conv2d(self, out: usize, kernel: usize) -> Self {
        self.layer(Op::Conv2d(Conv2d::new(out, kernel).padding(kernel / 2)))
    }

    /// Convolution of each channel by itself: stride 1, square kernel, padded by half of it.
    pub fn depthwise_conv2d(self, kernel: usize) -> Self {
        let channels = self.graph.as_ref().map_or(1, |graph| graph.shape(graph.output())[0]);
        self.layer(Op::Conv2d(Conv2d::new(channels, kernel).padding(kernel / 2).groups(channels)))
    }

    /// Largest of square windows side by side.
    pub fn max_pool(self, kernel: usize) -> Self {
        self.layer(Op::MaxPool(MaxPool::new(kernel)))
    }

    /// Mean of square windows side by side.
    pub fn avg_pool(self, kernel: usize) -> Self {
        self.layer(Op::AvgPool(AvgPool::new(kernel)))
    }

    /// All axes into one.
    pub fn flatten(self) -> Self {
        self.layer(Op::Flatten)
    }

    /// The same elements under another shape.
    pub fn reshape(self, shape: &[usize]) -> Self {
        self.layer(Op::Reshape(shape.to_vec()))
    }

    /// max(z, 0).
    pub fn relu(self) -> Self {
        self.layer(Op::Activation(Activation::Relu))
    }

    /// Any activation.
    pub fn activation(self, act: Activation) -> Self {
        self.layer(Op::Activation(act))
    }

    /// Batch normalisation with PyTorch's defaults.
    pub fn batch_norm(self) -> Self {
        self.layer(Op::BatchNorm(BatchNorm::default()))
    }

    /// Dropout with probability `p`.
    pub fn dropout(self, p: f32) -> Self {
        self.layer(Op::Dropout(Dropout { p }))
    }

    /// The layer before learns at this multiple of the run's rate; 0 freezes it. See [`Graph::multiply_rate`].
    pub fn rate(self, multiplier: f64) -> Self {
        self.last_layer(multiplier, Graph::multiply_rate)
    }

    /// The layer before decays by this multiple of the run's weight decay. See [`Graph::multiply_decay`].
    pub fn decay(self, multiplier: f64) -> Self {
        self.last_layer(multiplier, Graph::multiply_decay)
    }

    fn last_layer(mut self, multiplier: f64, set: fn(&mut Graph, &str, f64) -> Result<()>) -> Self {
        if let Ok(graph) = &mut self.graph {
            let prefix = graph.layer_name(graph.output());
            if let Err(error) = set(graph, &prefix, multiplier) {
                self.graph = Err(error);
            }
        }
        self
    }

    /// `x + f(x)`, where `f` is a chain that keeps the shape.
    pub fn residual(mut self, f: impl FnOnce(Self) -> Self) -> Self {
        let start = self.graph.as_ref().map(Graph::output).ok();
        self = f(self);
        self.join(start)
    }

    fn join(mut self, start: Option<NodeId>) -> Self {
        if let (Ok(graph), Some(start)) = (&mut self.graph, start) {
            let end = graph.output();
            if let Err(error) = graph.add(Op::Add, &[end, start]) {
                self.graph = Err(error);
            }
        }
        self
    }

    /// How the weights start; default [`Init::Torch`].
    pub fn init(mut self, init: Init) -> Self {
        if let Ok(graph) = &mut self.graph {
            graph.set_init(init);
        }
        self
    }

    /// The model.
    ///
    /// # Errors
    /// The first layer that did not fit.
    pub fn build(self) -> Result<Graph> {
        self.graph
    }
}
