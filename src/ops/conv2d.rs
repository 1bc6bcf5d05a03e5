//! 2-D convolution: weights of shape (out, in / groups, height, width) as in PyTorch.

mod kernels;

use super::unpool::unpool;
use super::window::{Window, even};
use super::{Backward, Fill, Forward, Grad, Layer, ParamSpec, base, image, weights};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, Profile, TensorId, Value, check_turns, sliced};
use kernels::{Family, Pass};
use std::mem::offset_of;

/// 2-D convolution over (channels, height, width). Pairs are (height, width).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Channels out.
    pub out: usize,
    /// Kernel size.
    pub kernel: [usize; 2],
    /// Step between windows; default 1.
    pub stride: [usize; 2],
    /// Zeros around the image; default 0.
    pub padding: [usize; 2],
    /// Step between taps of one window; default 1.
    pub dilation: [usize; 2],
    /// Groups of channels that see nothing of each other; default 1. As many as channels in: a depthwise convolution.
    pub groups: usize,
    /// Add a bias; default true.
    pub bias: bool,
}

dims! {
    Dims {
        b: u32, c: u32, h: u32, w: u32, o: u32, oh: u32, ow: u32, kh: u32, kw: u32, sh: u32, sw: u32, ph: u32,
        pw: u32, dh: u32, dw: u32, slices: u32, slice_b: u32, rx: u32, ry: u32, rp: u32, rdw: u32, rdb: u32,
        accumulate: u32, has_bias: u32, replicas: u32, x0: u32, w0: u32, bias0: u32, dy0: u32,
        ra: u32, arg0: u32, groups: u32,
    }
}

impl Conv2d {
    /// `out` channels with a square kernel; stride 1, no padding, with a bias.
    pub fn new(out: usize, kernel: usize) -> Self {
        Self {
            out,
            kernel: [kernel; 2],
            stride: [1; 2],
            padding: [0; 2],
            dilation: [1; 2],
            groups: 1,
            bias: true,
        }
    }

    /// The same step in both axes.
    pub fn stride(mut self, stride: usize) -> Self {
        self.stride = [stride; 2];
        self
    }

    /// The same padding on all sides.
    pub fn padding(mut self, padding: usize) -> Self {
        self.padding = [padding; 2];
        self
    }

    /// The same dilation in both axes.
    pub fn dilation(mut self, dilation: usize) -> Self {
        self.dilation = [dilation; 2];
        self
    }

    /// In groups of channels.
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Without a bias: batch normalisation behind it makes it idle.
    pub fn without_bias(mut self) -> Self {
        self.bias = false;
        self
    }

    fn window(&self) -> Window {
        Window { kernel: self.kernel, stride: self.stride, padding: self.padding, dilation: self.dilation }
    }

    pub(super) fn shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        let [channels, ..] = image("conv2d", input)?;
        if self.out == 0 {
            return Err(Error::shape("conv2d", "0 channels out; it needs at least 1"));
        }
        let divides = |n: usize| self.groups > 0 && n.is_multiple_of(self.groups);
        if !divides(channels) || !divides(self.out) {
            let detail = format!(
                "{} groups do not divide {channels} channels in and {} out evenly",
                self.groups, self.out
            );
            return Err(Error::shape("conv2d", detail));
        }
        let [oh, ow] = self.window().positions("conv2d", input)?;
        Ok(vec![self.out, oh, ow])
    }

    fn family(&self, cx: &Emit, layer: &Layer<'_>) -> Family {
        Family::of(self, cx.profile(), layer.input_shapes[0], layer.shape)
    }

    /// Can its forward kernel read the dataset?
    pub(super) fn gathers(&self) -> bool {
        self.groups == 1
    }

    /// Can its forward kernel add another value?
    pub(super) fn adds(&self) -> bool {
        self.groups == 1
    }

    /// Can it pool what it stores, from `input` to `shape`, in windows of 2 x 2?
    pub(super) fn pools(&self, profile: Profile, input: &[usize], shape: &[usize]) -> bool {
        even(shape) && Family::of(self, profile, input, shape).kernel(Pass::PooledForward).is_some()
    }

    pub(super) fn params(&self, input: &[usize]) -> Vec<ParamSpec> {
        let [kh, kw] = self.kernel;
        let channels = input[0] / self.groups;
        let fill = Fill::Weight { fan_in: channels * kh * kw, fan_out: self.out * kh * kw };
        let mut params = vec![ParamSpec { name: "weight", shape: vec![self.out, channels, kh, kw], fill }];
        if self.bias {
            params.push(ParamSpec { name: "bias", shape: vec![self.out], fill: Fill::Zeros });
        }
        params
    }

    fn dims(&self, cx: &Emit, layer: &Layer<'_>, ry: u32) -> Dims {
        let pair = |p: [usize; 2]| p.map(|v| v as u32);
        let ([kh, kw], [sh, sw]) = (pair(self.kernel), pair(self.stride));
        let ([ph, pw], [dh, dw]) = (pair(self.padding), pair(self.dilation));
        let input = layer.input_shapes[0];
        Dims {
            b: cx.batch as u32,
            c: input[0] as u32,
            h: input[1] as u32,
            w: input[2] as u32,
            o: self.out as u32,
            oh: layer.shape[1] as u32,
            ow: layer.shape[2] as u32,
            kh,
            kw,
            sh,
            sw,
            ph,
            pw,
            dh,
            dw,
            slices: 1,
            rx: cx.stride(layer.inputs[0]),
            ry,
            rp: cx.param_stride(),
            has_bias: u32::from(self.bias),
            groups: self.groups as u32,
            replicas: cx.replicas as u32,
            w0: (cx.params.slots[layer.params[0]].offset / 4) as u32,
            bias0: (cx.params.slots[layer.params[layer.params.len() - 1]].offset / 4) as u32,
            ..Dims::default()
        }
    }

    /// Weights of one output channel: the terms of one output's sum.
    fn filter_len(&self, layer: &Layer<'_>) -> usize {
        layer.input_shapes[0][0] / self.groups * self.kernel[0] * self.kernel[1]
    }

    fn flops(&self, cx: &Emit, layer: &Layer<'_>) -> u64 {
        // In 64 bits: a browser's 32 are too few for a large one.
        2 * (cx.batch * layer.len()) as u64 * self.filter_len(layer) as u64
    }

    pub(super) fn forward(&self, cx: &mut Emit, layer: &Layer<'_>) -> Result<Forward> {
        check_turns("conv2d", self.filter_len(layer) as u64)?;
        let pooled = layer.epilogue.pool;
        let pass = if pooled { Pass::PooledForward } else { Pass::Forward };
        let y = cx.tensor(cx.batch * layer.stored_len());
        // Which corner of each window won: a byte a channel.
        let windows = layer.shape[1] * layer.shape[2] / 4;
        let saved = pooled.then(|| cx.tensor(cx.batch * self.out.div_ceil(4) * windows));
        let mut dims = self.dims(cx, layer, cx.stride(Value::Tensor(y)));
        let family = self.family(cx, layer);
        let kernel = chosen(family, pass);
        let mut operands = self.source(layer);
        let x = operands.len() - 1;
        operands.extend(weights(kernel, layer));
        operands.push(Operand::Tensor(y));
        if let Some(arg) = saved {
            dims.ra = cx.stride(Value::Tensor(arg));
            operands.push(Operand::Tensor(arg));
        } else if self.adds() {
            operands.push(layer.residual(Operand::Order));
        }
        let planes = [cx.batch, self.out, layer.shape[1] * layer.shape[2]];
        cx.call(Call {
            kernel,
            act: layer.epilogue.code(),
            dims: dims.words(),
            operands,
            bases: vec![base(offset_of!(Dims, x0), x)],
            groups: family.groups(pass, planes, cx.replicas)?,
            note: layer.note(),
            flops: self.flops(cx, layer),
        });
        Ok(Forward { y, saved })
    }

    /// What its kernels read the input by, the input last: where the dataset may be the input, also which rows of it.
    fn source(&self, layer: &Layer<'_>) -> Vec<Operand> {
        let batch = [Operand::State, Operand::Order].into_iter().filter(|_| self.gathers());
        batch.chain([layer.inputs[0].into()]).collect()
    }

    pub(super) fn backward(&self, cx: &mut Emit, layer: &Layer<'_>, io: &Backward<'_>) -> Result<()> {
        let mut dy = io.dy;
        let mut arg = io.saved;
        let pooled = self.family(cx, layer).kernel(Pass::PooledWeightGradient);
        if let Some(corners) = arg.filter(|_| io.dx[0].is_some() || pooled.is_none()) {
            dy = unpool(cx, layer, dy, corners)?;
            arg = None;
        }
        self.weight_gradient(cx, layer, dy, arg)?;
        match io.dx[0] {
            Some(grad) => self.input_gradient(cx, layer, dy, grad),
            None => Ok(()),
        }
    }

    /// `arg` where `dy` is the gradient of the pooled output.
    fn weight_gradient(
        &self,
        cx: &mut Emit,
        layer: &Layer<'_>,
        dy: TensorId,
        arg: Option<TensorId>,
    ) -> Result<()> {
        let filter = self.filter_len(layer);
        let pass = if arg.is_some() { Pass::PooledWeightGradient } else { Pass::WeightGradient };
        let family = self.family(cx, layer);
        let tile = family.tile(pass);
        let tiles = tile.count(filter, self.out);
        let turns = 1 + layer.shape[1] * (1 + layer.shape[2]); // of the loops over oh and ow, an image
        let (slices, slice_b) =
            cx.slices("conv2d", cx.tuning.conv2d_groups, tiles, cx.batch, turns as u64)?;
        let weight = layer.params[0];
        let bias = *layer.params.last().unwrap_or(&weight);
        let rdw = cx.grad(weight, slices);
        let rdb = if self.bias { cx.grad(bias, slices) } else { rdw };
        let dims = Dims {
            slices: slices as u32,
            slice_b: slice_b as u32,
            rdw,
            rdb,
            ra: arg.map_or(0, |arg| cx.stride(Value::Tensor(arg))),
            ..self.dims(cx, layer, cx.stride(Value::Tensor(dy)))
        };
        let mut operands = self.source(layer);
        let x = operands.len() - 1;
        operands.extend([
            Operand::Tensor(dy),
            Operand::Grad(weight),
            // Without a bias something else is bound that this launch does not use: two writable bindings may not overlap.
            if self.bias { Operand::Grad(bias) } else { Operand::Norms },
        ]);
        let mut bases = vec![base(offset_of!(Dims, x0), x), base(offset_of!(Dims, dy0), x + 1)];
        if let Some(arg) = arg {
            operands.push(Operand::Tensor(arg));
            bases.push(base(offset_of!(Dims, arg0), x + 4));
        }
        let label =
            if arg.is_some() { format!("{}, through max_pool", layer.label) } else { layer.label.into() };
        cx.call(Call {
            kernel: chosen(family, pass),
            act: 0,
            dims: dims.words(),
            operands,
            bases,
            groups: tile.groups("conv2d", filter, self.out, slices * cx.replicas)?,
            note: sliced(&label, slices),
            flops: self.flops(cx, layer),
        });
        Ok(())
    }

    fn input_gradient(&self, cx: &mut Emit, layer: &Layer<'_>, dy: TensorId, grad: Grad) -> Result<()> {
        check_turns("conv2d", (self.out / self.groups * self.kernel[0] * self.kernel[1]) as u64)?;
        let [c, h, w] = image("conv2d", layer.input_shapes[0])?;
        let planes = [cx.batch, c, h * w];
        let family = self.family(cx, layer);
        let kernel = chosen(family, Pass::InputGradient);
        let dims = Dims {
            accumulate: u32::from(grad.accumulate),
            ..self.dims(cx, layer, cx.stride(Value::Tensor(dy)))
        };
        cx.call(Call {
            kernel,
            act: grad.act_code(),
            dims: dims.words(),
            operands: vec![
                grad.slope_at(layer.inputs[0], dy),
                weights(kernel, layer)[0],
                Operand::Tensor(dy),
                Operand::Tensor(grad.tensor),
            ],
            bases: vec![base(offset_of!(Dims, x0), 0), base(offset_of!(Dims, dy0), 2)],
            groups: family.groups(Pass::InputGradient, planes, cx.replicas)?,
            note: grad.note(layer.label),
            flops: self.flops(cx, layer),
        });
        Ok(())
    }
}

/// A family's kernel for a pass that is known to have one.
fn chosen(family: Family, pass: Pass) -> Kernel {
    let Some(kernel) = family.kernel(pass) else { unreachable!("{family:?} has no {pass:?}") };
    kernel
}
