//! The batch of a step as a tensor, for a model whose first layer does not gather by itself.

use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, TensorId, Value, flat_groups};

dims! { Dims { b: u32, features: u32, rx: u32, ry: u32 } }

pub(crate) fn gather(cx: &mut Emit, features: usize) -> Result<TensorId> {
    let count = cx.batch * features;
    let y = cx.tensor(count);
    let dims = Dims { b: cx.batch as u32, features: features as u32, rx: 0, ry: cx.stride(Value::Tensor(y)) };
    cx.call(Call {
        kernel: Kernel::Gather,
        act: 0,
        dims: dims.words(),
        operands: vec![Operand::State, Operand::Order, Operand::Inputs, Operand::Tensor(y)],
        bases: vec![],
        groups: flat_groups("gather", count, cx.replicas)?,
        note: "the batch".into(),
        flops: 0,
    });
    Ok(y)
}
