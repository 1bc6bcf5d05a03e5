//! Fully connected layer: `y = x w^T + bias`, w of shape (out, in) as in PyTorch.

use super::product::{self, Fours, Pass};
use super::{Backward, Fill, Forward, Layer, ParamSpec, base, dims_text, linear_update, weights};
use crate::error::{Error, Result};
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, Tiling, Value, check_turns, sliced};
use std::mem::offset_of;

/// Fully connected layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// Features out.
    pub out: usize,
    /// Add a bias; default true.
    pub bias: bool,
}

dims! {
    Dims {
        b: u32, i: u32, o: u32, rx: u32, ry: u32, rp: u32, rdw: u32, rdb: u32, slices: u32, slice_b: u32,
        accumulate: u32, has_bias: u32, replicas: u32, x0: u32, w0: u32, bias0: u32, dy0: u32,
        out0: u32,
    }
}

impl Linear {
    /// `out` features, with a bias.
    pub fn new(out: usize) -> Self {
        Self { out, bias: true }
    }

    pub(super) fn shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        match input {
            _ if self.out == 0 => Err(Error::shape("linear", "0 features out; it needs at least 1")),
            [_] => Ok(vec![self.out]),
            _ => Err(Error::shape(
                "linear",
                format!("needs a flat input; its input is {}: put flatten() before it", dims_text(input)),
            )),
        }
    }

    pub(super) fn params(&self, input: &[usize]) -> Vec<ParamSpec> {
        let fill = Fill::Weight { fan_in: input[0], fan_out: self.out };
        let mut params = vec![ParamSpec { name: "weight", shape: vec![self.out, input[0]], fill }];
        if self.bias {
            params.push(ParamSpec { name: "bias", shape: vec![self.out], fill: Fill::Zeros });
        }
        params
    }

    fn dims(&self, cx: &Emit, layer: &Layer<'_>, ry: u32) -> Dims {
        Dims {
            b: cx.batch as u32,
            i: layer.input_len(0) as u32,
            o: self.out as u32,
            rx: cx.stride(layer.inputs[0]),
            ry,
            rp: cx.param_stride(),
            slices: 1,
            has_bias: u32::from(self.bias),
            replicas: cx.replicas as u32,
            w0: (cx.params.slots[layer.params[0]].offset / 4) as u32,
            bias0: (cx.params.slots[layer.params[layer.params.len() - 1]].offset / 4) as u32,
            ..Dims::default()
        }
    }

    /// How its rows lie in vectors of four, where those of its outputs, or of their gradient, are `row` words apart.
    fn fours(&self, layer: &Layer<'_>, row: usize) -> Fours {
        match (layer.input_len(0).is_multiple_of(4), row.is_multiple_of(4)) {
            (true, true) => Fours::All,
            (true, false) => Fours::Inputs,
            (false, _) => Fours::None,
        }
    }

    /// Do all kernels of the layer take a gradient whose rows are of any length in vectors of four?
    pub(super) fn takes_rows(&self, cx: &Emit, layer: &Layer<'_>) -> bool {
        let inputs = layer.input_len(0);
        let tilings = [
            cx.tuning.choice(cx.batch, self.out).products,
            cx.tuning.choice(cx.batch, inputs).products,
            cx.tuning.choice(self.out, inputs).gradients,
        ];
        inputs.is_multiple_of(4) && tilings.iter().all(|tiling| *tiling == Tiling::Broadcast)
    }

    pub(super) fn flops(&self, cx: &Emit, layer: &Layer<'_>) -> u64 {
        2 * (cx.batch * layer.input_len(0)) as u64 * self.out as u64
    }

    pub(super) fn forward(&self, cx: &mut Emit, layer: &Layer<'_>) -> Result<Forward> {
        check_turns("linear", layer.input_len(0) as u64)?;
        let y = cx.tensor(cx.batch * self.out);
        let dims = self.dims(cx, layer, cx.stride(Value::Tensor(y)));
        let tiling = cx.tuning.choice(cx.batch, self.out).products;
        let (kernel, tile) = product::kernel(Pass::Forward, tiling, self.fours(layer, self.out), self.out);
        let mut operands = vec![Operand::State, Operand::Order, layer.inputs[0].into()];
        operands.extend(weights(kernel, layer));
        let output = operands.len();
        operands.extend([Operand::Tensor(y), layer.residual(Operand::Order)]);
        cx.call(Call {
            kernel,
            act: layer.epilogue.code(),
            dims: dims.words(),
            operands,
            bases: vec![base(offset_of!(Dims, x0), 2), base(offset_of!(Dims, out0), output)],
            groups: product::groups(kernel, tile, self.out, cx)?,
            note: layer.note(),
            flops: self.flops(cx, layer),
        });
        Ok(Forward { y, saved: None })
    }

    pub(super) fn backward(&self, cx: &mut Emit, layer: &Layer<'_>, io: &Backward<'_>) -> Result<()> {
        self.weight_gradient(cx, layer, io)?;
        self.input_gradient(cx, layer, io)
    }

    fn weight_gradient(&self, cx: &mut Emit, layer: &Layer<'_>, io: &Backward<'_>) -> Result<()> {
        let inputs = layer.input_len(0);
        let row = cx.row(io.dy, self.out);
        let choice = cx.tuning.choice(self.out, inputs);
        let (kernel, tile) =
            product::kernel(Pass::WeightGradient, choice.gradients, self.fours(layer, row), inputs);
        let tiles = tile.count(inputs, self.out);
        let (slices, slice_b) = cx.slices("linear", choice.groups, tiles, cx.batch, 1)?;
        if let Some(update) = io.update.filter(|_| slices == 1)
            && let Some(both) = product::with_update(kernel, update.optimizer, inputs)
        {
            return linear_update::emit(cx, layer, self, both, io.dy, update);
        }
        let weight = layer.params[0];
        let bias = *layer.params.last().unwrap_or(&weight);
        let rdw = cx.grad(weight, slices);
        let rdb = if self.bias { cx.grad(bias, slices) } else { rdw };
        let dims = Dims {
            slices: slices as u32,
            slice_b: slice_b as u32,
            rdw,
            rdb,
            ..self.dims(cx, layer, cx.stride(Value::Tensor(io.dy)))
        };
        cx.call(Call {
            kernel,
            act: 0,
            dims: dims.words(),
            operands: vec![
                Operand::State,
                Operand::Order,
                layer.inputs[0].into(),
                Operand::Tensor(io.dy),
                Operand::Grad(weight),
                // Without a bias something else is bound that this launch does not use: two writable bindings may not overlap.
                if self.bias { Operand::Grad(bias) } else { Operand::Norms },
            ],
            bases: vec![base(offset_of!(Dims, x0), 2), base(offset_of!(Dims, dy0), 3)],
            groups: tile.groups("linear", inputs, self.out, slices * cx.replicas)?,
            note: sliced(layer.label, slices),
            flops: self.flops(cx, layer),
        });
        Ok(())
    }

    fn input_gradient(&self, cx: &mut Emit, layer: &Layer<'_>, io: &Backward<'_>) -> Result<()> {
        let Some(grad) = io.dx[0] else { return Ok(()) };
        check_turns("linear", self.out as u64)?;
        let row = cx.row(io.dy, self.out);
        let tiling = cx.tuning.choice(cx.batch, layer.input_len(0)).products;
        let (kernel, tile) =
            product::kernel(Pass::InputGradient, tiling, self.fours(layer, row), layer.input_len(0));
        let dims = Dims {
            accumulate: u32::from(grad.accumulate),
            ..self.dims(cx, layer, cx.stride(Value::Tensor(io.dy)))
        };
        cx.call(Call {
            kernel,
            act: grad.act_code(),
            dims: dims.words(),
            operands: vec![
                grad.slope_at(layer.inputs[0], io.dy),
                weights(kernel, layer)[0],
                Operand::Tensor(io.dy),
                Operand::Tensor(grad.tensor),
            ],
            bases: vec![
                base(offset_of!(Dims, x0), 0),
                base(offset_of!(Dims, dy0), 2),
                base(offset_of!(Dims, out0), 3),
            ],
            groups: product::groups(kernel, tile, layer.input_len(0), cx)?,
            note: grad.note(layer.label),
            flops: self.flops(cx, layer),
        });
        Ok(())
    }
}
