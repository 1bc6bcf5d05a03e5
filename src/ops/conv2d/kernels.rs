//! Which kernels compute a convolution, and in tiles of which size.

use super::Conv2d;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::ops::window::even;
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
    /// 16 x 32 outputs to a subgroup of 8 lanes where there is one tap: channels and planes in fours.
    Pointwise,
    /// 32 x 32 outputs through workgroup memory: any shape.
    Tiled,
    /// Each output by itself: for channels in groups, where few products share an operand.
    Grouped,
}

/// Input channels that leave most of eight lanes idle.
const FEW_CHANNELS: usize = 4;

impl Family {
    /// For a layer from `input` to `output` (channels, height, width).
    pub fn of(conv: &Conv2d, profile: Profile, input: &[usize], output: &[usize]) -> Self {
        let small_window = conv.kernel == [3; 2] && conv.stride == [1; 2] && conv.dilation == [1; 2];
        let quads = small_window && conv.padding.iter().all(|&p| p <= 2) && even(output);
        let fours = [input, output].iter().all(|shape| (shape[1] * shape[2]).is_multiple_of(4));
        let one_tap = conv.kernel == [1; 2] && conv.stride == [1; 2] && conv.padding == [0; 2];
        let pointwise = one_tap && fours && [input, output].iter().all(|shape| shape[0].is_multiple_of(4));
        match profile {
            _ if conv.groups > 1 => Self::Grouped,
            Profile::Tiled => Self::Tiled,
            Profile::Broadcast | Profile::Mirrored if quads && input[0] <= FEW_CHANNELS => Self::Stem,
            Profile::Broadcast | Profile::Mirrored if quads => Self::Quad,
            Profile::Broadcast | Profile::Mirrored if pointwise => Self::Pointwise,
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
            (Self::Pointwise, Forward) => Kernel::Conv2dPointwise,
            (Self::Pointwise, InputGradient) => Kernel::Conv2dDxPointwise,
            (Self::Pointwise, WeightGradient) => Kernel::Conv2dDwPointwise,
            (Self::Grouped, Forward) => Kernel::Conv2dGrouped,
            (Self::Grouped, InputGradient) => Kernel::Conv2dDxGrouped,
            (Self::Grouped, WeightGradient) => Kernel::Conv2dDwGrouped,
            (Self::Broadcast | Self::Pointwise | Self::Grouped, PooledForward) => return None,
            (Self::Registers | Self::Broadcast | Self::Quad, PooledWeightGradient) => return None,
            (Self::Pointwise | Self::Grouped, PooledWeightGradient) => return None,
        })
    }

    /// Outputs of one workgroup: pixels of all images, or weights of one filter, by channels out.
    pub fn tile(self, pass: Pass) -> Tile {
        let weights = matches!(pass, Pass::WeightGradient | Pass::PooledWeightGradient);
        match self {
            Self::Registers => Tile::REGISTERS,
            Self::Tiled => Tile::WORKGROUP,
            Self::Quad if weights => Tile(8 * 9, 16),
            Self::Stem if weights => Tile(9, 16),
            Self::Grouped if weights => Tile(1, 1),
            Self::Grouped => Tile(64, 1), // pixels of one plane, by planes
            Self::Quad | Self::Stem => Tile(16 * 4, 16),
            Self::Broadcast | Self::Pointwise => Tile::BROADCAST,
        }
    }

    /// Grid over `channels` planes of `pixels` each in every image.
    pub fn groups(
        self,
        pass: Pass,
        [images, channels, pixels]: [usize; 3],
        replicas: usize,
    ) -> Result<[u32; 3]> {
        let (columns, rows) = match self {
            Self::Grouped => (pixels, images * channels),
            _ => (images * pixels, channels),
        };
        self.tile(pass).groups("conv2d", columns, rows, replicas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: [Family; 7] = [
        Family::Registers,
        Family::Broadcast,
        Family::Quad,
        Family::Stem,
        Family::Pointwise,
        Family::Tiled,
        Family::Grouped,
    ];

    /// A slip in the table would launch another pass's kernel.
    #[test]
    fn each_pass_has_its_own_kernel_in_every_family() {
        for family in FAMILIES {
            let suffix = match family {
                Family::Registers => "",
                Family::Broadcast => "_broadcast",
                Family::Quad | Family::Stem => "_quad",
                Family::Tiled => "_tiled",
                Family::Pointwise => "_pointwise",
                Family::Grouped => "_grouped",
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
        assert_eq!(family(Conv2d::new(8, 1), Profile::Mirrored, [32, 14, 14]), Family::Pointwise);
        assert_eq!(family(Conv2d::new(8, 1), Profile::Mirrored, [3, 14, 14]), Family::Broadcast);
        assert_eq!(family(same.clone(), Profile::Portable, [32, 14, 14]), Family::Registers);
        assert_eq!(family(same.clone(), Profile::Tiled, [32, 7, 7]), Family::Tiled);
        assert_eq!(family(same.groups(8), Profile::Tiled, [8, 7, 7]), Family::Grouped);
    }
}
