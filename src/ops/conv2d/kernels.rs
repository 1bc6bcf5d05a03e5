//! Which kernels compute a convolution, and in tiles of which size.

use super::Conv2d;
use crate::kernel::Kernel;
use crate::plan::{Profile, Tile};

/// The products of a layer. A pooled one has a max-pool of 2 x 2 fused into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pass {
    Forward,
    PooledForward,
    InputGradient,
    WeightGradient,
    /// From the gradient of the pooled output, without one at the layer's own size.
    PooledWeightGradient,
}

/// Kernels that go together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    /// 8 x 8 outputs an invocation: any shape.
    Registers,
    /// 16 x 32 outputs to a subgroup of 8 lanes: planes in fours.
    Broadcast,
    /// 3 x 3 taps, stride 1, over quads of 2 x 2 pixels: even sides.
    Quad,
    /// The same with so few input channels that the weight gradient is shared out by pixels.
    Stem,
    /// 32 x 32 outputs through workgroup memory: any shape.
    Tiled,
}

/// Input channels that leave most of eight lanes idle.
const FEW_CHANNELS: usize = 4;

impl Family {
    /// For a layer from `input` to `output` (channels, height, width).
    pub fn of(conv: &Conv2d, profile: Profile, input: &[usize], output: &[usize]) -> Self {
        let small_window = conv.kernel == [3; 2] && conv.stride == [1; 2] && conv.dilation == [1; 2];
        let quads = small_window && conv.padding.iter().all(|&p| p <= 2) && even(output);
        let fours = [input, output].iter().all(|shape| (shape[1] * shape[2]).is_multiple_of(4));
        match profile {
            Profile::Tiled => Self::Tiled,
            Profile::Broadcast | Profile::Mirrored if quads && input[0] <= FEW_CHANNELS => Self::Stem,
            Profile::Broadcast | Profile::Mirrored if quads => Self::Quad,
            Profile::Broadcast | Profile::Mirrored if fours => Self::Broadcast,
            Profile::Portable | Profile::Broadcast | Profile::Mirrored => Self::Registers,
        }
    }

    /// The kernel of a pass; none where the family does not fuse the pool.
    pub fn kernel(self, pass: Pass) -> Option<Kernel> {
        use Pass::*;
        Some(match (self, pass) {
            (Self::Registers, Forward) => Kernel::Conv2d,
            (Self::Registers, PooledForward) => Kernel::Conv2dPool,
            (Self::Registers, InputGradient) => Kernel::Conv2dDx,
            (Self::Registers, WeightGradient) => Kernel::Conv2dDw,
            (Self::Broadcast, Forward) => Kernel::Conv2dBroadcast,
            (Self::Broadcast, InputGradient) => Kernel::Conv2dDxBroadcast,
            (Self::Broadcast, WeightGradient) => Kernel::Conv2dDwBroadcast,
            (Self::Quad | Self::Stem, Forward) => Kernel::Conv2dQuad,
            (Self::Quad | Self::Stem, PooledForward) => Kernel::Conv2dPoolQuad,
            (Self::Quad | Self::Stem, InputGradient) => Kernel::Conv2dDxQuad,
            (Self::Quad, WeightGradient) => Kernel::Conv2dDwQuad,
            (Self::Stem, WeightGradient) => Kernel::Conv2dDwStem,
            (Self::Stem, PooledWeightGradient) => Kernel::Conv2dDwPoolStem,
            (Self::Tiled, Forward) => Kernel::Conv2dTiled,
            (Self::Tiled, PooledForward) => Kernel::Conv2dPoolTiled,
            (Self::Tiled, InputGradient) => Kernel::Conv2dDxTiled,
            (Self::Tiled, WeightGradient) => Kernel::Conv2dDwTiled,
            (Self::Tiled, PooledWeightGradient) => Kernel::Conv2dDwPoolTiled,
            (Self::Broadcast, PooledForward) => return None,
            (Self::Registers | Self::Broadcast | Self::Quad, PooledWeightGradient) => return None,
        })
    }

    /// Outputs of one workgroup: pixels, or weights of one filter, by channels out.
    pub fn tile(self, pass: Pass) -> Tile {
        match (self, pass) {
            (Self::Registers, _) => Tile::REGISTERS,
            (Self::Tiled, _) => Tile::WORKGROUP,
            (Self::Quad, Pass::WeightGradient | Pass::PooledWeightGradient) => Tile(8 * 9, 16),
            (Self::Stem, Pass::WeightGradient | Pass::PooledWeightGradient) => Tile(9, 16),
            (Self::Broadcast | Self::Quad | Self::Stem, _) => Tile::BROADCAST,
        }
    }
}

/// Do windows of 2 x 2 cover the plane?
pub(super) fn even(shape: &[usize]) -> bool {
    shape[1].is_multiple_of(2) && shape[2].is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: [Family; 5] =
        [Family::Registers, Family::Broadcast, Family::Quad, Family::Stem, Family::Tiled];

    /// A slip in the table would launch another pass's kernel.
    #[test]
    fn each_pass_has_its_own_kernel_in_every_family() {
        for family in FAMILIES {
            let suffix = match family {
                Family::Registers => "",
                Family::Broadcast => "_broadcast",
                Family::Quad | Family::Stem => "_quad",
                Family::Tiled => "_tiled",
            };
            for (pass, stem) in [
                (Pass::Forward, "conv2d"),
                (Pass::PooledForward, "conv2d_pool"),
                (Pass::InputGradient, "conv2d_dx"),
                (Pass::WeightGradient, "conv2d_dw"),
                (Pass::PooledWeightGradient, "conv2d_dw_pool"),
            ] {
                let dw = stem.starts_with("conv2d_dw");
                let suffix = if family == Family::Stem && dw { "_stem" } else { suffix };
                let kernel = family.kernel(pass).map(Kernel::name);
                let optional = matches!(pass, Pass::PooledForward | Pass::PooledWeightGradient);
                assert!(kernel.is_some() || optional, "{family:?} {pass:?}");
                assert!(
                    kernel.is_none_or(|k| k == format!("{stem}{suffix}")),
                    "{family:?} {pass:?}: {kernel:?}"
                );
            }
        }
    }

    #[test]
    fn shapes_choose_their_family() {
        let family = |conv: Conv2d, profile, input: [usize; 3]| {
            let output = conv.shape(&input).unwrap();
            Family::of(&conv, profile, &input, &output)
        };
        let same = Conv2d::new(8, 3).padding(1);
        assert_eq!(family(same.clone(), Profile::Mirrored, [32, 14, 14]), Family::Quad);
        assert_eq!(family(same.clone(), Profile::Mirrored, [3, 14, 14]), Family::Stem);
        assert_eq!(family(same.clone(), Profile::Mirrored, [32, 7, 8]), Family::Broadcast);
        assert_eq!(family(same.clone(), Profile::Mirrored, [32, 7, 7]), Family::Registers);
        assert_eq!(family(same.clone().stride(2), Profile::Broadcast, [32, 16, 16]), Family::Broadcast);
        assert_eq!(family(Conv2d::new(8, 5), Profile::Mirrored, [32, 14, 14]), Family::Broadcast);
        assert_eq!(family(same.clone(), Profile::Portable, [32, 14, 14]), Family::Registers);
        assert_eq!(family(same, Profile::Tiled, [32, 7, 7]), Family::Tiled);
    }
}
