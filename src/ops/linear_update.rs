//! The weight gradient of a fully connected layer and the optimizer's step in one launch, behind the tick.

use super::update::rule;
use super::{Layer, Linear, Update, base};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, TensorId, Tile, Value};
use std::mem::offset_of;

dims! {
    Dims {
        b: u32, i: u32, o: u32, rx: u32, ry: u32, rp: u32, replicas: u32, has_bias: u32, x0: u32, dy0: u32,
        w0: u32, bias0: u32, norm0: u32, plane: u32, beta2: f32, eps: f32, nesterov: u32, decoupled: u32, w_rate: f32,
        w_decay: f32, bias_rate: f32, bias_decay: f32,
    }
}

pub(super) fn emit(
    cx: &mut Emit,
    layer: &Layer<'_>,
    op: &Linear,
    (kernel, tile): (Kernel, Tile),
    dy: TensorId,
    update: &Update<'_>,
) -> Result<()> {
    let inputs = layer.input_len(0);
    let (weight, bias) = (layer.params[0], layer.params[layer.params.len() - 1]);
    let at = |param: usize| (cx.params.slots[param].offset / 4) as u32;
    let [w_rate, w_decay] = update.multipliers[0];
    let [bias_rate, bias_decay] = update.multipliers[layer.params.len() - 1];
    let rule = rule(update.optimizer);
    let dims = Dims {
        b: cx.batch as u32,
        i: inputs as u32,
        o: op.out as u32,
        rx: cx.stride(layer.inputs[0]),
        ry: cx.stride(Value::Tensor(dy)),
        rp: cx.param_stride(),
        replicas: cx.replicas as u32,
        has_bias: u32::from(op.bias),
        w0: at(weight),
        bias0: at(bias),
        norm0: cx.norm_parts as u32,
        plane: (cx.replicas * cx.params.stride / 4) as u32,
        beta2: rule.beta2,
        eps: rule.eps,
        nesterov: rule.nesterov,
        decoupled: rule.decoupled,
        w_rate,
        w_decay,
        bias_rate,
        bias_decay,
        ..Dims::default()
    };
    let flops = (6 + 6 * update.optimizer.slots())
        * layer.params.iter().map(|&p| cx.params.slots[p].len).sum::<usize>();
    let call = Call {
        kernel,
        act: 0,
        dims: dims.words(),
        operands: vec![
            Operand::State,
            Operand::Order,
            layer.inputs[0].into(),
            Operand::Tensor(dy),
            Operand::Params(weight, bias),
            Operand::Moments(weight, bias),
            Operand::Norms,
            Operand::Params(weight, bias),
            Operand::Moments(weight, bias),
        ],
        bases: vec![base(offset_of!(Dims, x0), 2), base(offset_of!(Dims, dy0), 3)],
        groups: tile.groups("linear", inputs, op.out, cx.replicas)?,
        note: format!("{} + {}", layer.label, update.optimizer),
        flops: op.flops(cx, layer) + flops as u64,
    };
    cx.norm_parts += tile.count(inputs, op.out);
    layer.params.iter().for_each(|&p| cx.updated[p] = true);
    cx.updates.push(call);
    Ok(())
}
