//! Which kernels compute the matrix products, and in tiles of which size.

use crate::kernel::Kernel::{self, *};
use crate::plan::{Profile, Tile};

/// The three products of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pass {
    Forward,
    InputGradient,
    WeightGradient,
}

/// A layer's kernels by family, in the order of [`Pass`].
pub(super) struct Kernels {
    registers: [Kernel; 3],
    broadcast: [Kernel; 3],
    tiled: [Kernel; 3],
}

pub(super) const LINEAR: Kernels = Kernels {
    registers: [Linear, LinearDx, LinearDw],
    broadcast: [LinearBroadcast, LinearDxBroadcast, LinearDwBroadcast],
    tiled: [LinearTiled, LinearDxTiled, LinearDwTiled],
};

impl Kernels {
    /// The kernel of a pass and its tile. `fours`: does the layer's shape come in fours, as the broadcast kernels need it?
    /// Where not, those profiles fall back to the portable kernels.
    pub fn of(&self, pass: Pass, profile: Profile, fours: bool) -> (Kernel, Tile) {
        let (family, tile) = match profile {
            Profile::Tiled => (&self.tiled, Tile::WORKGROUP),
            Profile::Broadcast | Profile::Mirrored if fours => (&self.broadcast, Tile::BROADCAST),
            Profile::Portable | Profile::Broadcast | Profile::Mirrored => (&self.registers, Tile::REGISTERS),
        };
        (family[pass as usize], tile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slip in the tables would launch another pass's kernel.
    #[test]
    fn each_pass_has_its_own_kernel_in_every_family() {
        for (layer, kernels) in [("linear", LINEAR)] {
            for (family, suffix) in
                [(kernels.registers, ""), (kernels.broadcast, "_broadcast"), (kernels.tiled, "_tiled")]
            {
                let names = ["", "_dx", "_dw"].map(|pass| format!("{layer}{pass}{suffix}"));
                assert_eq!(family.map(Kernel::name).as_slice(), names);
            }
        }
    }

    #[test]
    fn shapes_that_do_not_come_in_fours_fall_back() {
        let linear = |profile, fours| LINEAR.of(Pass::Forward, profile, fours).0;
        assert_eq!(linear(Profile::Mirrored, false), Linear);
        assert_eq!(linear(Profile::Mirrored, true), LinearBroadcast);
        assert_eq!(linear(Profile::Portable, true), Linear);
        assert_eq!(linear(Profile::Tiled, false), LinearTiled);
    }
}
