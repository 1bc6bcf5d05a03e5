//! Which tiles matrix products are cut into, shape by shape: the table for each class of device, before anything was measured.

use super::Profile;
use crate::error::{Error, Result};
use std::fmt;

/// How a matrix product is cut into tiles, and where its operands wait.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Tiling {
    /// 8 x 8 outputs in the registers of each of 64 invocations.
    Registers,
    /// 16 x 32 outputs to a subgroup of 8 lanes, the left operand broadcast; `Registers` where a shape does not come in fours.
    Broadcast,
    /// 32 x 32 outputs to 64 invocations, through workgroup memory.
    Tile32,
    /// 64 x 64 outputs to 64 invocations, through workgroup memory. Convolutions use `Tile32` instead.
    Tile64,
}

/// How large a fully connected layer's matrix product is, by its outputs: (rows, columns) of the batch's activations, or of
/// the weight for its gradient. Replicas do not count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ShapeClass {
    /// At most 16 rows or columns: the last layer of a classifier.
    Narrow,
    /// At most 64 Ki outputs: a hidden layer at a batch of 64.
    Small,
    /// At most 512 Ki outputs.
    Medium,
    /// More: 1024 x 1024.
    Large,
}

impl ShapeClass {
    /// Every class, in the order in which [`Tuning::linear`] holds them.
    pub const ALL: [Self; 4] = [Self::Narrow, Self::Small, Self::Medium, Self::Large];

    /// "narrow", "small", "medium", "large".
    pub fn name(self) -> &'static str {
        match self {
            Self::Narrow => "narrow",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }

    /// The class of a product of so many outputs.
    pub fn of(rows: usize, columns: usize) -> Self {
        match rows.saturating_mul(columns) {
            _ if rows.min(columns) <= 16 => Self::Narrow,
            0..=0x1_0000 => Self::Small,
            0x1_0001..=0x8_0000 => Self::Medium,
            _ => Self::Large,
        }
    }
}

/// What one class of shapes is computed with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct ClassTuning {
    /// Tiles of the forward pass and of the input's gradient.
    pub products: Tiling,
    /// Tiles of the weight's gradient.
    pub gradients: Tiling,
    /// Workgroups that a weight gradient is cut into, by slices of its sum (split-K) where its tiles alone are fewer.
    pub groups: usize,
}

/// Which kernels a plan uses for which shapes. [`Tuning::of`] is a profile's, [`Tuning::for_device`] a class of devices';
/// [`bench::tune`](fn@crate::bench::tune) measures one. A plan follows from it alone: the same tuning, the same plan.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tuning {
    /// How operands are read, and what everything beside matrix products runs as.
    pub profile: Profile,
    /// Fully connected layers, by class.
    pub linear: [ClassTuning; 4],
    /// Workgroups that a convolution's weight gradient is cut into.
    pub conv2d_groups: usize,
}

/// What a device is taken for until it is measured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DeviceClass {
    /// A card of its own.
    Discrete,
    /// Shares its memory with the CPU; also virtual GPUs and what does not say.
    Integrated,
    /// Apple's, through Metal.
    Apple,
    /// A CPU driver whose subgroups have 8 lanes and whose kernels may read textures as storage: Mesa's.
    Cpu,
    /// Behind a browser, which says little of it.
    Browser,
}

impl fmt::Display for DeviceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete GPUs",
            Self::Integrated => "integrated GPUs",
            Self::Apple => "Apple's GPUs",
            Self::Cpu => "CPU drivers",
            Self::Browser => "browsers",
        })
    }
}

const fn every(tiling: Tiling, groups: usize) -> [ClassTuning; 4] {
    [ClassTuning { products: tiling, gradients: tiling, groups }; 4]
}

/// 32 x 32 tiles, and 64 x 64 where there are enough of them: the outputs of `Large` make 128 and more. Half the reads of a
/// product's operands, but a fourth of its workgroups, and below some 64 those count for more (tfjs, meganeura and tensai
/// choose so; 32 x 32 is also llama.cpp's best for all GPUs, gpu.cpp's 64 x 64 by 64 invocations its best for 4096 x 4096).
const fn tiled(groups: usize) -> [ClassTuning; 4] {
    let small = ClassTuning { products: Tiling::Tile32, gradients: Tiling::Tile32, groups };
    let large = ClassTuning { products: Tiling::Tile64, gradients: Tiling::Tile64, groups };
    [small, small, small, large]
}

/// The table. Nothing in it was measured on a GPU by us: the groups are about twice the cores of what a class has most of.
///
/// Apple's GPUs get 32 x 32 tiles for large shapes too. Figures of others, as shares of the chip's peak: 4 x 4 outputs an
/// invocation through workgroup memory (tfjs's design) 35 %, 4 x 4 in registers alone 33 % (both FL33TW00D's wgpu-mm, on one M1);
/// 8 x 8 an invocation through workgroup memory 24 % (gpu.cpp, M1 Max). The caches there do make workgroup memory dispensable
/// (jax-js is without: over 7 TFLOP/s on an M4 Max), but for tiles of 4 x 4 that load vectors along a row. [`Tiling::Registers`] is
/// not such a kernel: 8 x 8 outputs from words, not vectors, and 64 x 64 a workgroup, so four for all of the MLP's first layer.
const DEVICES: [(DeviceClass, Tuning); 5] = [
    (DeviceClass::Discrete, Tuning { profile: Profile::Tiled, linear: tiled(128), conv2d_groups: 128 }),
    (DeviceClass::Integrated, Tuning { profile: Profile::Tiled, linear: tiled(64), conv2d_groups: 64 }),
    (
        DeviceClass::Apple,
        Tuning { profile: Profile::Tiled, linear: every(Tiling::Tile32, 64), conv2d_groups: 64 },
    ),
    (
        DeviceClass::Cpu,
        Tuning { profile: Profile::Mirrored, linear: every(Tiling::Broadcast, 8), conv2d_groups: 8 },
    ),
    (DeviceClass::Browser, Tuning { profile: Profile::Tiled, linear: tiled(64), conv2d_groups: 64 }),
];

impl Tuning {
    /// The profile's own kernels for every shape.
    pub fn of(profile: Profile) -> Self {
        let listed = DEVICES.iter().map(|row| row.1).find(|t| t.profile == profile);
        listed.unwrap_or(Self { profile, linear: every(profile.into(), 8), conv2d_groups: 8 })
    }

    /// The table's row for a class of devices.
    pub fn for_device(class: DeviceClass) -> Self {
        let row = DEVICES.iter().find(|row| row.0 == class);
        row.map_or_else(|| Self::of(Profile::default()), |row| row.1)
    }

    /// What a product of so many outputs is computed with.
    pub(crate) fn choice(&self, rows: usize, columns: usize) -> ClassTuning {
        self.linear[ShapeClass::of(rows, columns) as usize]
    }

    /// Do the profile's operands go with these tiles, and is there a workgroup for each sum?
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |detail: String| Err(Error::argument("tuning", detail));
        for (class, choice) in ShapeClass::ALL.iter().zip(&self.linear) {
            for tiling in [choice.products, choice.gradients] {
                if !self.profile.tilings().contains(&tiling) {
                    let able = self.profile.tilings();
                    let (profile, class) = (self.profile, class.name());
                    return wrong(format!("{profile:?} has no {tiling:?} ({class}); it has {able:?}"));
                }
            }
        }
        let groups = self.linear.iter().map(|c| c.groups).chain([self.conv2d_groups]);
        match groups.into_iter().find(|g| !(1..=65_535).contains(g)) {
            Some(groups) => wrong(format!("{groups} workgroups are not from 1 to 65535")),
            None => Ok(()),
        }
    }
}

impl Profile {
    /// The tiles that go with its operands.
    pub(crate) fn tilings(self) -> &'static [Tiling] {
        match self {
            Self::Portable | Self::Tiled => &[Tiling::Registers, Tiling::Tile32, Tiling::Tile64],
            Self::Broadcast | Self::Mirrored => &[Tiling::Registers, Tiling::Broadcast],
        }
    }
}

impl From<Profile> for Tuning {
    fn from(profile: Profile) -> Self {
        Self::of(profile)
    }
}

impl From<Profile> for Tiling {
    /// The profile's own.
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Portable => Self::Registers,
            Profile::Tiled => Self::Tile32,
            Profile::Broadcast | Profile::Mirrored => Self::Broadcast,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_can_run() {
        for (class, tuning) in DEVICES {
            tuning.check().unwrap_or_else(|e| panic!("{class:?}: {e}"));
            assert_eq!(Tuning::for_device(class), tuning);
        }
        for profile in [Profile::Portable, Profile::Tiled, Profile::Broadcast, Profile::Mirrored] {
            assert_eq!(Tuning::of(profile).profile, profile);
            Tuning::of(profile).check().unwrap();
        }
    }

    #[test]
    fn a_profile_stands_for_its_kernels_and_not_for_one_vendor() {
        assert_eq!(Tuning::of(Profile::Tiled), Tuning::for_device(DeviceClass::Discrete));
        let apple = Tuning::for_device(DeviceClass::Apple);
        assert!(apple.linear.iter().all(|class| class.products == Tiling::Tile32), "{apple:?}");
        assert!(Tuning::of(Profile::Portable).linear.iter().all(|class| class.products == Tiling::Registers));
    }

    #[test]
    fn classes_go_by_outputs() {
        let class = |rows, columns| ShapeClass::of(rows, columns);
        assert_eq!(class(64, 10), ShapeClass::Narrow);
        assert_eq!(class(1, 100_000), ShapeClass::Narrow);
        assert_eq!(class(64, 1024), ShapeClass::Small);
        assert_eq!(class(64, 1025), ShapeClass::Medium);
        assert_eq!(class(512, 1024), ShapeClass::Medium);
        assert_eq!(class(1024, 1024), ShapeClass::Large);
        assert_eq!(class(usize::MAX, usize::MAX), ShapeClass::Large);
        assert_eq!(ShapeClass::ALL.map(|class| class as usize), [0, 1, 2, 3]);
    }

    #[test]
    fn a_tuning_that_no_kernel_has_is_refused() {
        let mut tuning = Tuning::of(Profile::Mirrored);
        tuning.linear[3].products = Tiling::Tile64;
        let text = tuning.check().unwrap_err().to_string();
        assert!(text.contains("Mirrored has no Tile64 (large)"), "{text}");
        let none = Tuning { conv2d_groups: 0, ..Tuning::of(Profile::Tiled) };
        assert!(none.check().unwrap_err().to_string().contains("0 workgroups"));
    }
}
