//! Which kernels compute a fully connected layer's matrix products, and in tiles of which size.

use crate::error::Result;
use crate::kernel::Kernel::{self, *};
use crate::optim::Optimizer;
use crate::plan::{Emit, Tile, Tiling};

/// The three products of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pass {
    Forward,
    InputGradient,
    WeightGradient,
}

/// How a layer's rows lie in vectors of four.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fours {
    /// Each starts at a vector.
    All,
    /// The inputs' do, the outputs' not.
    Inputs,
    /// Some inputs' do not.
    None,
}

/// Kernels that go together, in the order of [`Pass`].
type Family = [Kernel; 3];

const REGISTERS: Family = [Linear, LinearDx, LinearDw];
const BROADCAST: Family = [LinearBroadcast, LinearDxBroadcast, LinearDwBroadcast];
/// As `BROADCAST`, for outputs that do not come in fours.
const RAGGED: Family = [LinearRagged, LinearDxRagged, LinearDwRagged];
/// For many columns, which make enough workgroups of twice the width: a tenth faster, and twice as long to compile.
const WIDE: [Kernel; 2] = [LinearWide, LinearDxWide];
const WIDE_FROM: usize = 256;
const TILED: Family = [LinearTiled, LinearDxTiled, LinearDwTiled];
const TILED64: Family = [LinearTiled64, LinearDxTiled64, LinearDwTiled64];

/// The kernel of a pass whose result has so many columns, and its tile. Shapes that the broadcast kernels do not take fall back to
/// the portable ones.
pub(super) fn kernel(pass: Pass, tiling: Tiling, fours: Fours, columns: usize) -> (Kernel, Tile) {
    if let (Tiling::Broadcast, Fours::All, WIDE_FROM..) = (tiling, fours, columns)
        && let Some(&wide) = WIDE.get(pass as usize)
    {
        return (wide, Tile::WIDE);
    }
    let (family, tile) = match (tiling, fours) {
        (Tiling::Broadcast, Fours::All) => (BROADCAST, Tile::BROADCAST),
        (Tiling::Broadcast, Fours::Inputs) => (RAGGED, Tile::BROADCAST),
        (Tiling::Registers, _) | (Tiling::Broadcast, Fours::None) => (REGISTERS, Tile::REGISTERS),
        (Tiling::Tile32, _) => (TILED, Tile::WORKGROUP),
        (Tiling::Tile64, _) => (TILED64, Tile::WORKGROUP64),
    };
    (family[pass as usize], tile)
}

/// Grid over a forward pass's or an input gradient's `columns` and the rows of the batch. On a CPU x is over the rows: each of the
/// driver's threads takes workgroups that follow one another, and so a part of the weights that stays in its core's cache from one
/// tile to the next.
pub(super) fn groups(kernel: Kernel, tile: Tile, columns: usize, cx: &Emit) -> Result<[u32; 3]> {
    let [x, y, z] = tile.groups("linear", columns, cx.batch, cx.replicas)?;
    let cpu = [BROADCAST, RAGGED].concat().contains(&kernel) || WIDE.contains(&kernel);
    Ok(if cpu { [y, x, z] } else { [x, y, z] })
}

/// The kernel that makes a weight gradient and the optimizer's step at once, and its tile, where there is one for so many inputs.
pub(super) fn with_update(kernel: Kernel, optimizer: &Optimizer, inputs: usize) -> Option<(Kernel, Tile)> {
    let both = match (kernel, optimizer) {
        (LinearDwBroadcast, Optimizer::Sgd(_)) => LinearSgdBroadcast,
        (LinearDwBroadcast, Optimizer::Adam(_)) => LinearAdamBroadcast,
        (LinearDwRagged, Optimizer::Sgd(_)) => LinearSgdRagged,
        (LinearDwRagged, Optimizer::Adam(_)) => LinearAdamRagged,
        _ => return None,
    };
    inputs.is_multiple_of(8).then_some((both, Tile::WIDE))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slip in the tables would launch another pass's kernel.
    #[test]
    fn each_pass_has_its_own_kernel_in_every_family() {
        let families = [
            (REGISTERS, ""),
            (BROADCAST, "_broadcast"),
            (RAGGED, "_ragged"),
            (TILED, "_tiled"),
            (TILED64, "_tiled64"),
        ];
        for (family, suffix) in families {
            let names = ["", "_dx", "_dw"].map(|pass| format!("linear{pass}{suffix}"));
            assert_eq!(family.map(Kernel::name).as_slice(), names);
        }
        assert_eq!(WIDE.map(Kernel::name), ["linear_wide", "linear_dx_wide"]);
    }

    #[test]
    fn shapes_that_do_not_come_in_fours_fall_back() {
        let linear = |tiling, fours| kernel(Pass::Forward, tiling, fours, 255).0;
        assert_eq!(linear(Tiling::Broadcast, Fours::None), Linear);
        assert_eq!(linear(Tiling::Broadcast, Fours::Inputs), LinearRagged);
        assert_eq!(linear(Tiling::Broadcast, Fours::All), LinearBroadcast);
        assert_eq!(linear(Tiling::Registers, Fours::All), Linear);
        assert_eq!(linear(Tiling::Tile32, Fours::None), LinearTiled);
        let many = |pass, fours| kernel(pass, Tiling::Broadcast, fours, 256).0;
        assert_eq!(many(Pass::InputGradient, Fours::All), LinearDxWide);
        assert_eq!(many(Pass::InputGradient, Fours::Inputs), LinearDxRagged);
        assert_eq!(many(Pass::WeightGradient, Fours::All), LinearDwBroadcast);
        assert_eq!(
            kernel(Pass::WeightGradient, Tiling::Tile64, Fours::All, 256),
            (LinearDwTiled64, Tile::WORKGROUP64)
        );
    }
}
