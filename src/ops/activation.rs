//! Activations: fused into the layer before where that can be, else a launch of their own.

use super::{Backward, Forward, Layer};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, Value, flat_groups};

/// A function of each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(z, 0); slope 0 at 0.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + exp(-z)).
    Sigmoid,
    /// z Phi(z), the exact form (Hendrycks & Gimpel, arXiv:1606.08415), not its tanh approximation.
    Gelu,
    /// z sigmoid(z), also called swish (Elfwing et al., arXiv:1702.03118).
    Silu,
}

dims! { Dims { count: u32, rx: u32, accumulate: u32 } }

impl Activation {
    /// `ACT` in `shaders/shared/activation.wgsl`.
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Relu => 1,
            Self::Tanh => 2,
            Self::Sigmoid => 3,
            Self::Gelu => 4,
            Self::Silu => 5,
        }
    }

    /// The field's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
        }
    }

    /// Is the slope a function of the result alone? Then the input need not be kept, and the two can be fused.
    pub(crate) fn fusable(self) -> bool {
        matches!(self, Self::Relu | Self::Tanh | Self::Sigmoid)
    }
}

fn call(act: Activation, kernel: Kernel, cx: &Emit, layer: &Layer<'_>, accumulate: bool) -> Result<Call> {
    let count = cx.batch * layer.len();
    let dims =
        Dims { count: count as u32, rx: cx.stride(layer.inputs[0]), accumulate: u32::from(accumulate) };
    Ok(Call {
        kernel,
        act: act.code(),
        dims: dims.words(),
        operands: vec![layer.inputs[0].into()],
        bases: vec![],
        groups: flat_groups(act.name(), count, cx.replicas)?,
        note: layer.label.to_owned(),
        flops: count as u64,
    })
}

pub(super) fn forward(act: Activation, cx: &mut Emit, layer: &Layer<'_>) -> Result<Forward> {
    let y = cx.tensor(cx.batch * layer.len());
    let mut call = call(act, Kernel::Activation, cx, layer, false)?;
    call.operands.push(Operand::from(Value::Tensor(y)));
    cx.call(call);
    Ok(Forward { y, saved: None })
}

pub(super) fn backward(act: Activation, cx: &mut Emit, layer: &Layer<'_>, io: &Backward<'_>) -> Result<()> {
    let Some(grad) = io.dx[0] else { return Ok(()) };
    let mut call = call(act, Kernel::ActivationDx, cx, layer, grad.accumulate)?;
    call.operands.extend([Operand::Tensor(io.dy), Operand::Tensor(grad.tensor)]);
    cx.call(call);
    Ok(())
}
