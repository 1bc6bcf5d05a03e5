//! A classifier's last layer and its loss in one launch, where a tile holds all classes.

use super::{Layer, Linear, LossTensors, base, weights};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, Tile, Value, check_turns};
use std::mem::offset_of;

dims! {
    Dims {
        b: u32, i: u32, k: u32, rx: u32, rz: u32, rr: u32, rp: u32, row: u32, samples: u32, has_bias: u32, x0: u32,
        w0: u32, bias0: u32, out0: u32,
    }
}

/// Appends the launch; `None` where the layer is not made for it. Rows of the gradient start at vectors of four.
pub(crate) fn emit(cx: &mut Emit, layer: &Layer<'_>, op: &Linear) -> Result<Option<LossTensors>> {
    if !op.takes_rows(cx, layer) || op.out > Tile::BROADCAST.0 {
        return Ok(None);
    }
    let inputs = layer.input_len(0);
    check_turns("linear", inputs as u64)?;
    let row = op.out.next_multiple_of(4);
    let dz = cx.tensor_of_rows(row);
    let rows = cx.tensor(2 * cx.batch);
    let at = |param: usize| (cx.params.slots[param].offset / 4) as u32;
    let dims = Dims {
        b: cx.batch as u32,
        i: inputs as u32,
        k: op.out as u32,
        rx: cx.stride(layer.inputs[0]),
        rz: cx.stride(Value::Tensor(dz)),
        rr: cx.stride(Value::Tensor(rows)),
        rp: cx.param_stride(),
        row: row as u32,
        samples: (cx.batch * cx.accumulate) as u32,
        has_bias: u32::from(op.bias),
        w0: at(layer.params[0]),
        bias0: at(layer.params[layer.params.len() - 1]),
        ..Dims::default()
    };
    let kernel = Kernel::LinearCrossEntropy;
    cx.call(Call {
        kernel,
        act: 0,
        dims: dims.words(),
        operands: vec![
            Operand::State,
            Operand::Order,
            layer.inputs[0].into(),
            weights(kernel, layer)[0],
            Operand::Targets,
            Operand::Tensor(dz),
            Operand::Tensor(rows),
        ],
        bases: vec![base(offset_of!(Dims, x0), 2), base(offset_of!(Dims, out0), 5)],
        groups: Tile::BROADCAST.groups("linear", op.out, cx.batch, cx.replicas)?,
        note: format!("{} + cross_entropy, and its gradient", layer.label),
        flops: op.flops(cx, layer) + 5 * (cx.batch * op.out) as u64,
    });
    Ok(Some(LossTensors { dz, rows }))
}
