//! Inverted dropout (Srivastava et al., JMLR 15, 2014) with counter-based random numbers: no mask is stored.

use super::{Backward, Forward, Layer};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, Value, flat_groups};

/// Zeroes each element with probability `p` while training, and scales the rest by 1 / (1 - p).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Probability of a zero, from 0 to below 1.
    pub p: f32,
}

dims! { Dims { count: u32, rx: u32, layer: u32, p: f32, accumulate: u32 } }

impl Dropout {
    pub(super) fn shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        if !(0.0..1.0).contains(&self.p) {
            return Err(Error::shape("dropout", format!("p is {}; it must be from 0 to below 1", self.p)));
        }
        Ok(input.to_vec())
    }

    fn dims(&self, cx: &Emit, layer: &Layer<'_>, y: Value, accumulate: bool) -> Dims {
        Dims {
            count: (cx.batch * layer.len()) as u32,
            rx: cx.stride(y),
            layer: layer.index,
            p: self.p,
            accumulate: u32::from(accumulate),
        }
    }

    pub(super) fn forward(&self, cx: &mut Emit, layer: &Layer<'_>) -> Result<Forward> {
        let count = cx.batch * layer.len();
        let y = cx.tensor(count);
        cx.call(Call {
            kernel: Kernel::Dropout,
            act: 0,
            dims: self.dims(cx, layer, Value::Tensor(y), false).words(),
            operands: vec![Operand::State, layer.inputs[0].into(), Operand::Tensor(y)],
            bases: vec![],
            groups: flat_groups("dropout", count, cx.replicas)?,
            note: layer.note(),
            flops: count as u64,
        });
        Ok(Forward { y, saved: None })
    }

    pub(super) fn backward(&self, cx: &mut Emit, layer: &Layer<'_>, io: &Backward<'_>) -> Result<()> {
        let Some(grad) = io.dx[0] else { return Ok(()) };
        let count = cx.batch * layer.len();
        cx.call(Call {
            kernel: Kernel::DropoutDx,
            act: grad.act_code(),
            dims: self.dims(cx, layer, Value::Tensor(io.dy), grad.accumulate).words(),
            operands: vec![
                Operand::State,
                grad.slope_at(layer.inputs[0], io.dy),
                Operand::Tensor(io.dy),
                Operand::Tensor(grad.tensor),
            ],
            bases: vec![],
            groups: flat_groups("dropout", count, cx.replicas)?,
            note: grad.note(layer.label),
            flops: count as u64,
        });
        Ok(())
    }
}
