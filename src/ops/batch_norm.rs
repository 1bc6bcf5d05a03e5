//! Batch normalisation (Ioffe & Szegedy, arXiv:1502.03167), after a linear layer (1-D) or a convolution (2-D).

use super::window::base;
use super::{Backward, Fill, Forward, Layer, ParamSpec, dims_text};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, Value, check_turns, flat_groups};
use std::mem::offset_of;

/// Batch normalisation over the batch and all positions of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm {
    /// Added to the variance; default 1e-5.
    pub eps: f32,
    /// Share of each batch in the running statistics; default 0.1.
    pub momentum: f32,
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1 }
    }
}

dims! {
    Dims {
        b: u32, c: u32, s: u32, eps: f32, momentum: f32, rx: u32, rs: u32, rp: u32, rb: u32, rdg: u32, rdb: u32,
        accumulate: u32, shift: u32, x0: u32, dy0: u32,
    }
}

impl BatchNorm {
    pub(super) fn shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        match input {
            [_] | [_, _, _] => Ok(input.to_vec()),
            _ => Err(Error::shape(
                "batch_norm",
                format!("needs features or (channels, height, width); its input is {}", dims_text(input)),
            )),
        }
    }

    pub(super) fn params(&self, input: &[usize]) -> Vec<ParamSpec> {
        let spec = |name, fill| ParamSpec { name, shape: vec![input[0]], fill };
        vec![spec("weight", Fill::Ones), spec("bias", Fill::Zeros)]
    }

    fn dims(&self, cx: &Emit, layer: &Layer<'_>) -> Dims {
        Dims {
            b: cx.batch as u32,
            c: layer.shape[0] as u32,
            s: (layer.len() / layer.shape[0]) as u32,
            eps: self.eps,
            momentum: self.momentum,
            rx: cx.stride(layer.inputs[0]),
            rp: cx.param_stride(),
            rb: cx.buffers.stride as u32,
            shift: share(layer).ilog2(),
            ..Dims::default()
        }
    }

    /// Each of a workgroup's 64 invocations walks its share of a channel this often, the tree included.
    fn check(&self, cx: &Emit, layer: &Layer<'_>) -> Result<()> {
        let positions = layer.len() / layer.shape[0];
        let images = cx.batch.div_ceil(64 / share(layer));
        check_turns("batch_norm", 3 * (images * (1 + positions.div_ceil(share(layer)))) as u64 + 24)
    }

    pub(super) fn forward(&self, cx: &mut Emit, layer: &Layer<'_>) -> Result<Forward> {
        self.check(cx, layer)?;
        let (x, count) = (layer.inputs[0], cx.batch * layer.len());
        let y = cx.tensor(count);
        let [gamma, beta] = [0, 1].map(|i| Operand::Param(layer.params[i]));
        let running = Operand::Buffer(layer.buffers[0]);
        let mut call = Call {
            kernel: Kernel::BatchNormEval,
            act: layer.act_code(),
            dims: self.dims(cx, layer).words(),
            operands: vec![x.into(), gamma, beta, Operand::Tensor(y), running],
            bases: vec![base(offset_of!(Dims, x0), 0)],
            groups: flat_groups("batch_norm", count, cx.replicas)?,
            note: layer.note(),
            flops: 4 * count as u64,
        };
        if !cx.training {
            cx.call(call);
            return Ok(Forward { y, saved: None });
        }
        let saved = cx.tensor(2 * layer.shape[0]);
        call.kernel = Kernel::BatchNorm;
        call.bases = vec![base(offset_of!(Dims, x0), 1)];
        call.dims = Dims { rs: cx.stride(Value::Tensor(saved)), ..self.dims(cx, layer) }.words();
        call.operands =
            vec![Operand::State, x.into(), gamma, beta, Operand::Tensor(y), Operand::Tensor(saved), running];
        call.groups = [layer.shape[0] as u32, 1, cx.replicas as u32];
        call.flops *= 2;
        cx.call(call);
        Ok(Forward { y, saved: Some(saved) })
    }

    pub(super) fn backward(&self, cx: &mut Emit, layer: &Layer<'_>, io: &Backward<'_>) -> Result<()> {
        let (Some(grad), Some(saved)) = (io.dx[0], io.saved) else {
            unreachable!("batch_norm's input is a tensor, and its training pass saves the statistics")
        };
        let dims = Dims {
            rs: cx.stride(Value::Tensor(saved)),
            rdg: cx.grad(layer.params[0], 1),
            rdb: cx.grad(layer.params[1], 1),
            accumulate: u32::from(grad.accumulate),
            ..self.dims(cx, layer)
        };
        cx.call(Call {
            kernel: Kernel::BatchNormDx,
            act: grad.act_code(),
            dims: dims.words(),
            operands: vec![
                layer.inputs[0].into(),
                Operand::Param(layer.params[0]),
                Operand::Tensor(saved),
                Operand::Tensor(io.dy),
                Operand::Tensor(grad.tensor),
                Operand::Grad(layer.params[0]),
                Operand::Grad(layer.params[1]),
            ],
            bases: vec![base(offset_of!(Dims, x0), 0), base(offset_of!(Dims, dy0), 3)],
            groups: [layer.shape[0] as u32, 1, cx.replicas as u32],
            note: grad.note(layer.label),
            flops: 10 * (cx.batch * layer.len()) as u64,
        });
        Ok(())
    }
}

/// Invocations of a channel's workgroup that share an image: the others walk further images at the same time.
fn share(layer: &Layer<'_>) -> usize {
    (layer.len() / layer.shape[0]).next_power_of_two().min(64)
}
