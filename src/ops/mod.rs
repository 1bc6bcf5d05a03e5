//! The operations: one file each, holding its shape rule, its forward and its backward launches.

mod accumulate;
mod activation;
mod add;
mod avg_pool;
mod batch_norm;
mod conv2d;
mod cross_entropy;
mod dropout;
mod gather;
mod layers;
mod linear;
mod linear_cross_entropy;
mod linear_update;
mod max_pool;
mod mean_squared_error;
mod product;
mod tick;
mod unpool;
mod update;
mod window;

pub use activation::Activation;
pub use avg_pool::AvgPool;
pub use batch_norm::BatchNorm;
pub use conv2d::Conv2d;
pub use dropout::Dropout;
pub use linear::Linear;
pub use max_pool::MaxPool;

pub(crate) use accumulate::accumulate;
pub(crate) use add::residual_gradient;
pub(crate) use gather::gather;
pub(crate) use layers::layer_norms;
pub(crate) use tick::{End, Norm, tick};
pub(crate) use update::{grad_norm, updates};

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::optim::Optimizer;
use crate::plan::{Base, Emit, Operand, Profile, TensorId, Value};

/// A layer of a model. Shapes are those of one sample: the batch is the run's business.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// The dataset's samples.
    Input,
    /// Fully connected.
    Linear(Linear),
    /// 2-D convolution.
    Conv2d(Conv2d),
    /// Largest of each window.
    MaxPool(MaxPool),
    /// Mean of each window.
    AvgPool(AvgPool),
    /// All axes into one. Costs nothing.
    Flatten,
    /// The same elements under another shape. Costs nothing.
    Reshape(Vec<usize>),
    /// A function of each element.
    Activation(Activation),
    /// Sum of two values: the residual connection.
    Add,
    /// Batch normalisation, 1-D or 2-D.
    BatchNorm(BatchNorm),
    /// Random zeros while training.
    Dropout(Dropout),
}

/// What a model is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Softmax cross-entropy of logits against integer labels; mean over the batch.
    CrossEntropy,
    /// Squared error against values; mean over all elements.
    MeanSquaredError,
}

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fill {
    /// A weight: from the graph's initialisation, which wants to know the fans.
    Weight {
        fan_in: usize,
        fan_out: usize,
    },
    Zeros,
    Ones,
}

/// A parameter that an op needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParamSpec {
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub fill: Fill,
}

/// A node as its op sees it while the plan is made.
pub(crate) struct Layer<'a> {
    /// "conv2d #2 16x8x8 -> 32x8x8": heads the note of each launch.
    pub label: &'a str,
    /// Index of the node: keys dropout.
    pub index: u32,
    pub inputs: &'a [Value],
    /// Shape of each input, of one sample.
    pub input_shapes: &'a [&'a [usize]],
    pub shape: &'a [usize],
    /// Its parameters and its running statistics, as indices into the arenas.
    pub params: &'a [usize],
    pub buffers: &'a [usize],
    /// What its forward launch does beside.
    pub epilogue: Epilogue,
    /// The value that the epilogue adds.
    pub residual: Option<Value>,
}

/// What a layer's own kernel does to its output before it is stored, in this order.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(crate) struct Epilogue {
    /// An activation whose slope the layer's own backward kernel applies, because it can compute what it is taken at once more.
    pub own: Option<Activation>,
    /// The node whose value is added: the residual connection.
    pub residual: Option<usize>,
    /// An activation whose slope is applied by whoever makes the gradient of the output: see [`Grad::act`].
    pub act: Option<Activation>,
    /// A max-pool of 2 x 2. What is left, and the gradient that comes back, is a quarter of the layer's shape.
    pub pool: bool,
}

impl Epilogue {
    /// `ACT` in the shaders: a hexadecimal digit each for the activation at the end, the layer's own, and whether a value is added.
    pub fn code(&self) -> u32 {
        code(self.act) + self.own_code() + (u32::from(self.residual.is_some()) << 8)
    }

    /// What of it a backward kernel undoes that also applies the slope of the activation below.
    pub fn own_code(&self) -> u32 {
        code(self.own) << 4
    }

    /// ", behind relu + max_pool": what the layer's own backward kernel undoes.
    pub fn undone(&self) -> String {
        let pool = self.pool.then_some("max_pool");
        let all: Vec<_> = self.own.map(Activation::name).into_iter().chain(pool).collect();
        if all.is_empty() { String::new() } else { format!(", behind {}", all.join(" + ")) }
    }

    /// " + relu + max_pool".
    fn note(&self) -> String {
        let [own, act] = [self.own, self.act].map(|act| act.map(Activation::name));
        let all = [own, self.residual.map(|_| "add"), act, self.pool.then_some("max_pool")];
        all.into_iter().flatten().map(|name| format!(" + {name}")).collect()
    }
}

fn code(act: Option<Activation>) -> u32 {
    act.map_or(0, Activation::code)
}

impl Layer<'_> {
    /// The label, and what was fused into the launch.
    pub fn note(&self) -> String {
        format!("{}{}", self.label, self.epilogue.note())
    }

    /// What is added to the output. Where nothing is something else stands in: bound, never read.
    pub fn residual(&self, stand_in: Operand) -> Operand {
        self.residual.map_or(stand_in, Operand::from)
    }

    /// Elements of one sample of input `i`.
    pub fn input_len(&self, i: usize) -> usize {
        self.input_shapes[i].iter().product()
    }

    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Elements of one sample of what is stored.
    pub fn stored_len(&self) -> usize {
        if self.epilogue.pool { self.len() / 4 } else { self.len() }
    }
}

/// The weight and the bias of a matrix product's layer as operands: apart, or for kernels that may read them through a mirror
/// as the whole arena, where `dims` say where the two start. Without a bias the weight stands in for it: bound, never read.
fn weights(kernel: Kernel, layer: &Layer<'_>) -> Vec<Operand> {
    let weight = layer.params[0];
    match layer.params.get(1) {
        bias if kernel.entry().has_choice() => {
            vec![Operand::Params(weight, bias.copied().unwrap_or(weight))]
        }
        bias => vec![Operand::Param(weight), Operand::Param(bias.copied().unwrap_or(weight))],
    }
}

/// `dims` hold the start of an operand, in vectors of four, at this byte offset.
fn base(offset: usize, operand: usize) -> Base {
    Base { word: offset / 4, operand, unit: 4 }
}

/// What a forward launch leaves behind.
pub(crate) struct Forward {
    pub y: TensorId,
    /// Kept for the backward pass: where each maximum stood, a batch's statistics.
    pub saved: Option<TensorId>,
}

/// Where a backward launch puts the gradient of one input.
#[derive(Clone, Copy)]
pub(crate) struct Grad {
    pub tensor: TensorId,
    /// Add to what another use of the value left there.
    pub accumulate: bool,
    /// The activation fused into the layer below: its slope is applied here, so that it costs no launch of its own.
    pub act: Option<Activation>,
}

impl Grad {
    pub fn act_code(&self) -> u32 {
        code(self.act)
    }

    /// Where the slope is taken: at `x`, the value whose gradient this is. Where there is none `dy` stands in: bound, never read.
    pub fn slope_at(&self, x: impl Into<Operand>, dy: TensorId) -> Operand {
        self.act.map_or(Operand::Tensor(dy), |_| x.into())
    }

    pub fn note(&self, label: &str) -> String {
        match self.act {
            Some(act) => format!("{label}, through {}", act.name()),
            None => label.to_owned(),
        }
    }
}

/// What a backward pass has to go on.
pub(crate) struct Backward<'a> {
    pub dy: TensorId,
    /// What the forward pass made.
    pub y: TensorId,
    pub saved: Option<TensorId>,
    /// For each input, where its gradient goes; `None` where nobody needs it.
    pub dx: &'a [Option<Grad>],
    /// Where nobody needs the gradients of the parameters themselves: the update that the launch which makes them may make too.
    pub update: Option<&'a Update<'a>>,
}

/// What the optimizer does to a layer's parameters.
pub(crate) struct Update<'a> {
    pub optimizer: &'a Optimizer,
    /// Of each: what the rate and the decay are multiplied by.
    pub multipliers: Vec<[f32; 2]>,
}

impl Op {
    /// The field's name of the layer, as in error messages and plans.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Linear(_) => "linear",
            Self::Conv2d(_) => "conv2d",
            Self::MaxPool(_) => "max_pool",
            Self::AvgPool(_) => "avg_pool",
            Self::Flatten => "flatten",
            Self::Reshape(_) => "reshape",
            Self::Activation(act) => act.name(),
            Self::Add => "add",
            Self::BatchNorm(_) => "batch_norm",
            Self::Dropout(_) => "dropout",
        }
    }

    /// Shape of one sample of the output, or why the inputs do not fit.
    pub(crate) fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match self {
            Self::Input => Ok(inputs[0].to_vec()),
            Self::Linear(op) => op.shape(inputs[0]),
            Self::Conv2d(op) => op.shape(inputs[0]),
            Self::MaxPool(op) => op.shape(inputs[0]),
            Self::AvgPool(op) => op.shape(inputs[0]),
            Self::Flatten => Ok(vec![inputs[0].iter().product()]),
            Self::Reshape(shape) => reshape(inputs[0], shape),
            Self::Activation(_) => Ok(inputs[0].to_vec()),
            Self::Add => add::shape(inputs),
            Self::BatchNorm(op) => op.shape(inputs[0]),
            Self::Dropout(op) => op.shape(inputs[0]),
        }
    }

    /// The parameters that the op needs for this input, in the order in which they are stored.
    pub(crate) fn params(&self, input: &[usize]) -> Vec<ParamSpec> {
        match self {
            Self::Linear(op) => op.params(input),
            Self::Conv2d(op) => op.params(input),
            Self::BatchNorm(op) => op.params(input),
            _ => Vec::new(),
        }
    }

    /// Words of running statistics, if the op keeps any.
    pub(crate) fn buffer_len(&self, input: &[usize]) -> Option<usize> {
        match self {
            Self::BatchNorm(_) => Some(2 * input[0]),
            _ => None,
        }
    }

    /// Appends the forward launch.
    pub(crate) fn forward(&self, cx: &mut Emit, layer: &Layer<'_>) -> Result<Forward> {
        match self {
            Self::Linear(op) => op.forward(cx, layer),
            Self::Conv2d(op) => op.forward(cx, layer),
            Self::MaxPool(op) => op.forward(cx, layer),
            Self::AvgPool(op) => op.forward(cx, layer),
            Self::Activation(act) => activation::forward(*act, cx, layer),
            Self::Add => add::forward(cx, layer),
            Self::BatchNorm(op) => op.forward(cx, layer),
            Self::Dropout(op) => op.forward(cx, layer),
            Self::Input | Self::Flatten | Self::Reshape(_) => {
                unreachable!("{} launches nothing", self.name())
            }
        }
    }

    /// Appends the launches that turn `dy` into gradients of the inputs and of the parameters.
    pub(crate) fn backward(&self, cx: &mut Emit, layer: &Layer<'_>, io: &Backward<'_>) -> Result<()> {
        match self {
            Self::Linear(op) => op.backward(cx, layer, io),
            Self::Conv2d(op) => op.backward(cx, layer, io),
            Self::MaxPool(op) => op.backward(cx, layer, io),
            Self::AvgPool(op) => op.backward(cx, layer, io),
            Self::Activation(act) => activation::backward(*act, cx, layer, io),
            Self::Add => add::backward(cx, layer, io),
            Self::BatchNorm(op) => op.backward(cx, layer, io),
            Self::Dropout(op) => op.backward(cx, layer, io),
            Self::Input | Self::Flatten | Self::Reshape(_) => {
                unreachable!("{} launches nothing", self.name())
            }
        }
    }

    /// Can an activation that follows be applied by this op's own kernel?
    pub(crate) fn fuses_activation(&self) -> bool {
        matches!(self, Self::Linear(_) | Self::Conv2d(_) | Self::Add | Self::BatchNorm(_))
    }

    /// Can a max-pool that follows, perhaps behind an activation, be applied by this op's own kernel?
    pub(crate) fn fuses_pool(&self, pool: &Self, profile: Profile, input: &[usize], shape: &[usize]) -> bool {
        let Self::MaxPool(pool) = pool else { return false };
        match self {
            Self::Conv2d(conv) => pool.is_halving() && conv.pools(profile, input, shape),
            Self::BatchNorm(norm) => pool.is_halving() && norm.pools(shape),
            _ => false,
        }
    }

    /// Can its own kernel add another value to the output?
    pub(crate) fn fuses_residual(&self) -> bool {
        match self {
            Self::Linear(_) | Self::BatchNorm(_) => true,
            Self::Conv2d(conv) => conv.adds(),
            _ => false,
        }
    }

    /// Does its backward kernel know the value before an activation that follows, and so apply the slope by itself, whoever
    /// reads the activation?
    pub(crate) fn owns_slope(&self) -> bool {
        matches!(self, Self::BatchNorm(_))
    }

    /// Does the op's backward kernel apply the slope of the activation below?
    pub(crate) fn applies_slope(&self) -> bool {
        !matches!(self, Self::Input | Self::Activation(_)) && !self.is_view()
    }

    /// Is the output the input's elements, untouched?
    pub(crate) fn is_view(&self) -> bool {
        matches!(self, Self::Flatten | Self::Reshape(_))
    }

    /// Can the op's forward kernel gather the batch from the dataset by itself?
    pub(crate) fn gathers(&self) -> bool {
        match self {
            Self::Linear(_) => true,
            Self::Conv2d(conv) => conv.gathers(),
            _ => false,
        }
    }
}

impl Loss {
    /// The field's name of the loss.
    pub fn name(self) -> &'static str {
        match self {
            Self::CrossEntropy => "cross_entropy",
            Self::MeanSquaredError => "mean_squared_error",
        }
    }

    /// Appends the launch that is the model's last layer and the loss, where there is one.
    pub(crate) fn emit_with(self, cx: &mut Emit, layer: &Layer<'_>, op: &Op) -> Result<Option<LossTensors>> {
        match (self, op) {
            (Self::CrossEntropy, Op::Linear(op)) if layer.epilogue == Epilogue::default() => {
                linear_cross_entropy::emit(cx, layer, op)
            }
            _ => Ok(None),
        }
    }

    /// Appends the launch that turns the model's output into rows of losses and the output's gradient.
    pub(crate) fn emit(self, cx: &mut Emit, z: TensorId, outputs: usize) -> Result<LossTensors> {
        match self {
            Self::CrossEntropy => cross_entropy::emit(cx, z, outputs),
            Self::MeanSquaredError => mean_squared_error::emit(cx, z, outputs),
        }
    }
}

/// What a loss leaves behind.
pub(crate) struct LossTensors {
    /// Gradient of the mean loss with respect to the model's output.
    pub dz: TensorId,
    /// Per row: the loss, and whether the row was classified rightly.
    pub rows: TensorId,
}

/// "1x28x28".
pub(crate) fn dims_text(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

fn reshape(input: &[usize], shape: &[usize]) -> Result<Vec<usize>> {
    if shape.is_empty() || input.iter().product::<usize>() != shape.iter().product::<usize>() {
        let detail = format!("{} has other elements than its input {}", dims_text(shape), dims_text(input));
        return Err(Error::shape("reshape", detail));
    }
    Ok(shape.to_vec())
}

/// The three axes of an image, or an error that says how to get them.
fn image(op: &str, input: &[usize]) -> Result<[usize; 3]> {
    match *input {
        [c, h, w] => Ok([c, h, w]),
        _ => Err(Error::shape(
            op,
            format!("needs an image (channels, height, width); its input is {}", dims_text(input)),
        )),
    }
}

#[cfg(test)]
pub(crate) fn dims_of_every_file() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        ("accumulate", accumulate::Dims::FIELDS),
        ("activation", activation::Dims::FIELDS),
        ("add", add::Dims::FIELDS),
        ("avg_pool", window::PoolDims::FIELDS),
        ("batch_norm", batch_norm::Dims::FIELDS),
        ("conv2d", conv2d::Dims::FIELDS),
        ("conv2d_broadcast", conv2d::Dims::FIELDS),
        ("conv2d_grouped", conv2d::Dims::FIELDS),
        ("conv2d_pointwise", conv2d::Dims::FIELDS),
        ("conv2d_quad", conv2d::Dims::FIELDS),
        ("conv2d_stem", conv2d::Dims::FIELDS),
        ("conv2d_tiled", conv2d::Dims::FIELDS),
        ("cross_entropy", cross_entropy::Dims::FIELDS),
        ("dropout", dropout::Dims::FIELDS),
        ("gather", gather::Dims::FIELDS),
        ("layers", layers::Dims::FIELDS),
        ("linear", linear::Dims::FIELDS),
        ("linear_broadcast", linear::Dims::FIELDS),
        ("linear_cross_entropy", linear_cross_entropy::Dims::FIELDS),
        ("linear_tiled", linear::Dims::FIELDS),
        ("linear_tiled64", linear::Dims::FIELDS),
        ("linear_update", linear_update::Dims::FIELDS),
        ("max_pool", window::PoolDims::FIELDS),
        ("mean_squared_error", mean_squared_error::Dims::FIELDS),
        ("tick", tick::Dims::FIELDS),
        ("unpool", unpool::Dims::FIELDS),
        ("update", update::Dims::FIELDS),
    ]
}
