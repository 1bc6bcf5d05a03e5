//! Sliding windows over an image: what convolutions and pools have in common.

use super::dims_text;
use crate::error::{Error, Result};
use crate::layout::dims;
use crate::plan::{Base, Tile};

dims! {
    /// Dims of `max_pool.wgsl` and of `avg_pool.wgsl`.
    PoolDims {
        h: u32, w: u32, oh: u32, ow: u32, kh: u32, kw: u32, sh: u32, sw: u32, ph: u32, pw: u32,
        rx: u32, ry: u32, accumulate: u32, x0: u32, dy0: u32, arg0: u32, planes: u32, shift: u32,
    }
}

/// `PoolDims` hold the first word of an operand at this byte offset.
pub(super) fn base(offset: usize, operand: usize) -> Base {
    Base { word: offset / 4, operand, unit: 1 }
}

/// Do windows of 2 x 2 cover the plane?
pub(super) fn even(shape: &[usize]) -> bool {
    shape[1].is_multiple_of(2) && shape[2].is_multiple_of(2)
}

/// A window's geometry, (height, width) each.
pub(super) struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
}

impl Window {
    /// Positions in height and width, or why there are none.
    pub fn positions(&self, op: &str, input: &[usize]) -> Result<[usize; 2]> {
        let size = [input[input.len() - 2], input[input.len() - 1]];
        let refuse = |detail: String| Err(Error::shape(op, detail));
        if self.kernel.contains(&0) || self.stride.contains(&0) || self.dilation.contains(&0) {
            return refuse("kernel, stride and dilation must be at least 1".into());
        }
        let mut out = [0; 2];
        for axis in 0..2 {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let padded = size[axis] + 2 * self.padding[axis];
            if reach > padded {
                return refuse(format!(
                    "a kernel of {} (dilation {}) does not fit its input {} with padding {}",
                    dims_text(&self.kernel),
                    dims_text(&self.dilation),
                    dims_text(input),
                    dims_text(&self.padding)
                ));
            }
            out[axis] = (padded - reach) / self.stride[axis] + 1;
        }
        Ok(out)
    }

    /// A pool's window must hold at least one pixel wherever it stands.
    pub fn check_pool(&self, op: &str) -> Result<()> {
        if (0..2).any(|a| 2 * self.padding[a] > self.kernel[a]) {
            return Err(Error::shape(
                op,
                format!(
                    "padding {} is more than half of the kernel {}",
                    dims_text(&self.padding),
                    dims_text(&self.kernel)
                ),
            ));
        }
        Ok(())
    }

    /// Grid over the pixels of every plane, and what `dims` say of it: small planes share a workgroup.
    pub fn pool_groups(
        op: &str,
        dims: &mut PoolDims,
        [planes, pixels, replicas]: [usize; 3],
    ) -> Result<[u32; 3]> {
        let share = pixels.next_power_of_two().min(64);
        dims.planes = planes as u32;
        dims.shift = share.ilog2();
        Tile(64, 64 / share).groups(op, pixels, planes, replicas)
    }

    /// Dims of a pool from `input` to `output` (channels, height, width).
    pub fn pool_dims(&self, input: &[usize], output: &[usize]) -> PoolDims {
        let [kh, kw] = self.kernel.map(|v| v as u32);
        let [sh, sw] = self.stride.map(|v| v as u32);
        let [ph, pw] = self.padding.map(|v| v as u32);
        PoolDims {
            h: input[1] as u32,
            w: input[2] as u32,
            oh: output[1] as u32,
            ow: output[2] as u32,
            kh,
            kw,
            sh,
            sw,
            ph,
            pw,
            ..PoolDims::default()
        }
    }
}
