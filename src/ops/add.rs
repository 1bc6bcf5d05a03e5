//! Sum of two values of one shape: the residual connection (He et al., arXiv:1512.03385).

use super::{Backward, Forward, Grad, Layer, dims_text};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, TensorId, Value, flat_groups};

dims! { Dims { count: u32, rx: u32, accumulate: u32 } }

pub(super) fn shape(inputs: &[&[usize]]) -> Result<Vec<usize>> {
    let [a, b] = inputs else {
        return Err(Error::shape("add", format!("takes two inputs, got {}", inputs.len())));
    };
    if a != b {
        return Err(Error::shape(
            "add",
            format!("both inputs must have one shape; they are {} and {}", dims_text(a), dims_text(b)),
        ));
    }
    Ok(a.to_vec())
}

fn dims(cx: &Emit, layer: &Layer<'_>, y: Value, accumulate: bool) -> Dims {
    Dims { count: (cx.batch * layer.len()) as u32, rx: cx.stride(y), accumulate: u32::from(accumulate) }
}

pub(super) fn forward(cx: &mut Emit, layer: &Layer<'_>) -> Result<Forward> {
    let count = cx.batch * layer.len();
    let y = cx.tensor(count);
    cx.call(Call {
        kernel: Kernel::Add,
        act: layer.epilogue.code(),
        dims: dims(cx, layer, Value::Tensor(y), false).words(),
        operands: vec![layer.inputs[0].into(), layer.inputs[1].into(), Operand::Tensor(y)],
        bases: vec![],
        groups: flat_groups("add", count, cx.replicas)?,
        note: layer.note(),
        flops: count as u64,
    });
    Ok(Forward { y, saved: None })
}

pub(super) fn backward(cx: &mut Emit, layer: &Layer<'_>, io: &Backward<'_>) -> Result<()> {
    for (&input, grad) in layer.inputs.iter().zip(io.dx) {
        if let Some(grad) = grad {
            copy(cx, layer, input, io.dy, grad, layer.label)?;
        }
    }
    Ok(())
}

/// The same for what another layer's kernel added to its output.
pub(crate) fn residual_gradient(cx: &mut Emit, layer: &Layer<'_>, dy: TensorId, grad: &Grad) -> Result<()> {
    let Some(value) = layer.residual else { return Ok(()) };
    copy(cx, layer, value, dy, grad, &format!("{}, what was added", layer.label))
}

fn copy(
    cx: &mut Emit,
    layer: &Layer<'_>,
    value: Value,
    dy: TensorId,
    grad: &Grad,
    label: &str,
) -> Result<()> {
    let count = cx.batch * layer.len();
    cx.call(Call {
        kernel: Kernel::AddDx,
        act: grad.act_code(),
        dims: dims(cx, layer, Value::Tensor(dy), grad.accumulate).words(),
        operands: vec![grad.slope_at(value, dy), Operand::Tensor(dy), Operand::Tensor(grad.tensor)],
        bases: vec![],
        groups: flat_groups("add", count, cx.replicas)?,
        note: grad.note(label),
        flops: count as u64,
    });
    Ok(())
}
