//! Batch normalisation (Ioffe & Szegedy, arXiv:1502.03167), after a linear layer (1-D) or a convolution (2-D).

use super::window::{base, even};
use super::{Backward, Fill, Forward, Layer, ParamSpec, dims_text};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, TensorId, Value, check_turns, flat_groups};
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
        b: u32, c: u32, s: u32, w: u32, eps: f32, momentum: f32, rx: u32, ry: u32, rs: u32, rp: u32, rb: u32,
        rdg: u32, rdb: u32, accumulate: u32, shift: u32, x0: u32, dy0: u32, residual0: u32,
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

    /// Can it pool what it stores in windows of 2 x 2?
    pub(super) fn pools(&self, shape: &[usize]) -> bool {
        shape.len() == 3 && even(shape)
    }

    fn dims(&self, cx: &Emit, layer: &Layer<'_>, stored: TensorId) -> Dims {
        Dims {
            b: cx.batch as u32,
            c: layer.shape[0] as u32,
            s: (layer.len() / layer.shape[0]) as u32,
            w: layer.shape.last().map_or(1, |&w| w as u32),
            eps: self.eps,
            momentum: self.momentum,
            rx: cx.stride(layer.inputs[0]),
            ry: cx.stride(Value::Tensor(stored)),
            rp: cx.param_stride(),
            rb: cx.buffers.stride as u32,
            shift: share(layer).ilog2(),
            ..Dims::default()
        }
    }

    /// Each of a workgroup's 64 invocations walks its share of a channel this often, the sums included.
    fn check(&self, cx: &Emit, layer: &Layer<'_>) -> Result<()> {
        let positions = layer.len() / layer.shape[0];
        let images = cx.batch.div_ceil(64 / share(layer));
        check_turns("batch_norm", 3 * (images * (1 + positions.div_ceil(share(layer)))) as u64 + 24)
    }

    pub(super) fn forward(&self, cx: &mut Emit, layer: &Layer<'_>) -> Result<Forward> {
        self.check(cx, layer)?;
        let (x, count) = (layer.inputs[0], cx.batch * layer.stored_len());
        let y = cx.tensor(count);
        let [gamma, beta] = [0, 1].map(|i| Operand::Param(layer.params[i]));
        let running = Operand::Buffer(layer.buffers[0]);
        let pool = layer.epilogue.pool;
        let mut call = Call {
            kernel: if pool { Kernel::BatchNormPoolEval } else { Kernel::BatchNormEval },
            act: layer.epilogue.code(),
            dims: vec![],
            operands: vec![x.into(), gamma, beta, Operand::Tensor(y), running],
            bases: vec![base(offset_of!(Dims, x0), 0)],
            groups: flat_groups("batch_norm", count, cx.replicas)?,
            note: layer.note(),
            flops: 4 * (cx.batch * layer.len()) as u64,
        };
        let mut dims = self.dims(cx, layer, y);
        let mut saved = None;
        if cx.training {
            let statistics = cx.tensor(2 * layer.shape[0]);
            saved = Some(statistics);
            dims.rs = cx.stride(Value::Tensor(statistics));
            call.kernel = if pool { Kernel::BatchNormPool } else { Kernel::BatchNorm };
            call.bases = vec![base(offset_of!(Dims, x0), 1)];
            let [y, statistics] = [y, statistics].map(Operand::Tensor);
            call.operands = vec![Operand::State, x.into(), gamma, beta, y, statistics, running];
            call.groups = [layer.shape[0] as u32, 1, cx.replicas as u32];
            call.flops *= 2;
        }
        if !pool {
            call.bases.push(base(offset_of!(Dims, residual0), call.operands.len()));
            call.operands.push(layer.residual(layer.inputs[0].into()));
        }
        call.dims = dims.words();
        cx.call(call);
        Ok(Forward { y, saved })
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
            ..self.dims(cx, layer, io.dy)
        };
        cx.call(Call {
            kernel: if layer.epilogue.pool { Kernel::BatchNormPoolDx } else { Kernel::BatchNormDx },
            act: grad.act_code() + layer.epilogue.own_code(),
            dims: dims.words(),
            operands: vec![
                layer.inputs[0].into(),
                Operand::Param(layer.params[0]),
                Operand::Param(layer.params[1]),
                Operand::Tensor(saved),
                Operand::Tensor(io.dy),
                Operand::Tensor(grad.tensor),
                Operand::Grad(layer.params[0]),
                Operand::Grad(layer.params[1]),
            ],
            bases: vec![base(offset_of!(Dims, x0), 0), base(offset_of!(Dims, dy0), 4)],
            groups: [layer.shape[0] as u32, 1, cx.replicas as u32],
            note: grad.note(&format!("{}{}", layer.label, layer.epilogue.undone())),
            flops: 10 * (cx.batch * layer.len()) as u64,
        });
        Ok(())
    }
}

/// Invocations of a channel's workgroup that share an image: the others walk further images at the same time.
fn share(layer: &Layer<'_>) -> usize {
    (layer.stored_len() / layer.shape[0]).next_power_of_two().min(64)
}
