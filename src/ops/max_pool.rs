//! Largest element of each window; padding never wins.

use super::window::{PoolDims, Window, base};
use super::{Backward, Forward, Layer, image};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::plan::{Call, Emit, Operand, Value};
use std::mem::offset_of;

/// Largest element of each window; padding never wins. Pairs are (height, width).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// Window size.
    pub kernel: [usize; 2],
    /// Step between windows; default the window size.
    pub stride: [usize; 2],
    /// Padding around the image, at most half of the window; default 0.
    pub padding: [usize; 2],
}

impl MaxPool {
    /// Square windows side by side.
    pub fn new(kernel: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [kernel; 2], padding: [0; 2] }
    }

    /// The same step in both axes.
    pub fn stride(mut self, stride: usize) -> Self {
        self.stride = [stride; 2];
        self
    }

    /// The same padding on all sides.
    pub fn padding(mut self, padding: usize) -> Self {
        self.padding = [padding; 2];
        self
    }

    fn window(&self) -> Window {
        Window { kernel: self.kernel, stride: self.stride, padding: self.padding, dilation: [1; 2] }
    }

    pub(super) fn shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        let [c, ..] = image("max_pool", input)?;
        self.window().check_pool("max_pool")?;
        let [oh, ow] = self.window().positions("max_pool", input)?;
        Ok(vec![c, oh, ow])
    }

    fn dims(&self, cx: &Emit, layer: &Layer<'_>, ry: u32) -> PoolDims {
        let dims = self.window().pool_dims(layer.input_shapes[0], layer.shape);
        PoolDims { rx: cx.stride(layer.inputs[0]), ry, ..dims }
    }

    /// 2 x 2 side by side, without padding: what a convolution can apply to what it stores.
    pub(super) fn is_halving(&self) -> bool {
        (self.kernel, self.stride, self.padding) == ([2; 2], [2; 2], [0; 2])
    }

    /// Does each pixel lie in one window at most? Then a window's gradient can be written by itself.
    fn disjoint(&self) -> bool {
        self.padding == [0; 2] && (0..2).all(|axis| self.stride[axis] >= self.kernel[axis])
    }

    fn flops(&self, cx: &Emit, layer: &Layer<'_>) -> u64 {
        (cx.batch * layer.len()) as u64 * (self.kernel[0] * self.kernel[1]) as u64
    }

    pub(super) fn forward(&self, cx: &mut Emit, layer: &Layer<'_>) -> Result<Forward> {
        let y = cx.tensor(cx.batch * layer.len());
        let saved = cx.tensor(cx.batch * layer.len());
        let mut dims = self.dims(cx, layer, cx.stride(Value::Tensor(y)));
        let [c, h, w] = image("max_pool", layer.shape)?;
        let groups = Window::pool_groups("max_pool", &mut dims, [cx.batch * c, h * w, cx.replicas])?;
        cx.call(Call {
            kernel: Kernel::MaxPool,
            act: layer.epilogue.code(),
            dims: dims.words(),
            operands: vec![layer.inputs[0].into(), Operand::Tensor(y), Operand::Tensor(saved)],
            bases: vec![base(offset_of!(PoolDims, x0), 0)],
            groups,
            note: layer.note(),
            flops: self.flops(cx, layer),
        });
        Ok(Forward { y, saved: Some(saved) })
    }

    pub(super) fn backward(&self, cx: &mut Emit, layer: &Layer<'_>, io: &Backward<'_>) -> Result<()> {
        let Some(grad) = io.dx[0] else { return Ok(()) };
        let Some(saved) = io.saved else { unreachable!("max_pool saves where each maximum stood") };
        let [c, h, w] = image("max_pool", layer.input_shapes[0])?;
        // What the slope is taken at: where windows are disjoint, the maximum itself, a fraction of x.
        let (kernel, pixels, x) = match self.disjoint() {
            true => (Kernel::MaxPoolDxDisjoint, layer.shape[1] * layer.shape[2], Operand::Tensor(io.y)),
            false => (Kernel::MaxPoolDx, h * w, layer.inputs[0].into()),
        };
        let mut dims = PoolDims {
            accumulate: u32::from(grad.accumulate),
            ..self.dims(cx, layer, cx.stride(Value::Tensor(io.dy)))
        };
        let groups = Window::pool_groups("max_pool", &mut dims, [cx.batch * c, pixels, cx.replicas])?;
        cx.call(Call {
            kernel,
            act: grad.act_code(),
            dims: dims.words(),
            operands: vec![
                grad.slope_at(x, io.dy),
                Operand::Tensor(io.dy),
                Operand::Tensor(saved),
                Operand::Tensor(grad.tensor),
            ],
            bases: [
                (offset_of!(PoolDims, x0), 0),
                (offset_of!(PoolDims, dy0), 1),
                (offset_of!(PoolDims, arg0), 2),
            ]
            .map(|(offset, operand)| base(offset, operand))
            .to_vec(),
            groups,
            note: grad.note(layer.label),
            flops: self.flops(cx, layer),
        });
        Ok(())
    }
}
