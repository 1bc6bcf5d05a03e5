//! The gradient of a max-pool that its convolution applied, at the convolution's own size.

use super::{Layer, base};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, TensorId, Tile, Value};
use std::mem::offset_of;

dims! { Dims { c: u32, h: u32, w: u32, rx: u32, ry: u32, ra: u32, dy0: u32, arg0: u32 } }

/// Each window's gradient at the corner that won, and zeros.
pub(super) fn unpool(cx: &mut Emit, layer: &Layer<'_>, dy: TensorId, arg: TensorId) -> Result<TensorId> {
    let [c, h, w] = [layer.shape[0], layer.shape[1] / 2, layer.shape[2] / 2];
    let dx = cx.tensor(cx.batch * layer.len());
    let dims = Dims {
        c: c as u32,
        h: h as u32,
        w: w as u32,
        rx: cx.stride(Value::Tensor(dx)),
        ry: cx.stride(Value::Tensor(dy)),
        ra: cx.stride(Value::Tensor(arg)),
        ..Dims::default()
    };
    cx.call(Call {
        kernel: Kernel::Unpool,
        act: 0,
        dims: dims.words(),
        operands: [dy, arg, dx].map(Operand::Tensor).to_vec(),
        bases: vec![base(offset_of!(Dims, dy0), 0), base(offset_of!(Dims, arg0), 1)],
        groups: Tile(64, 1).groups("unpool", h * w, cx.batch * c.div_ceil(4), cx.replicas)?,
        note: format!("{}, through max_pool", layer.label),
        flops: (cx.batch * layer.len()) as u64,
    });
    Ok(dx)
}
