//! A plan: the flat list of dispatches that one training step is. Pure data, printable, no GPU type.

mod emit;
mod place;
mod print;
mod tuning;

pub use emit::Profile;
pub(crate) use emit::{
    Base, Call, Emit, GradSlot, Operand, TensorId, Tile, Value, check_turns, flat_groups, sliced,
};
pub(crate) use place::place;
pub use tuning::{ClassTuning, DeviceClass, ShapeClass, Tiling, Tuning};

use crate::kernel::Kernel;
use crate::layout::{Arena, Role, View};
use crate::shader::Loads;

/// One kernel launch, the same in every step.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The entry point.
    pub kernel: Kernel,
    /// The fused activation's code (`ACT` in the shaders), 0 for none; of an optimizer, whether there are parameter groups
    /// (`GROUPS`).
    pub(crate) act: u32,
    /// How its operands are read.
    pub(crate) loads: Loads,
    /// The kernel's `Dims`, word by word.
    pub(crate) dims: Vec<u32>,
    /// What is bound, in the order of the kernel table.
    pub views: Vec<View>,
    /// What must first be copied to the textures that mirror it.
    pub refresh: Vec<View>,
    /// Workgroups in x, y, z.
    pub groups: [u32; 3],
    /// The layer, its shapes, what was fused.
    pub note: String,
    /// Arithmetic of one launch: a multiply-add counts as two.
    pub flops: u64,
    /// Bytes that one launch must at least read and write: each tensor once, the dataset left out.
    pub bytes: u64,
}

impl Dispatch {
    /// Does the kernel gather its batch from the dataset?
    pub(crate) fn reads_inputs(&self) -> bool {
        self.views.iter().any(|v| v.role == Role::Inputs)
    }
}

/// A parameter's place.
#[derive(Clone, Debug)]
pub(crate) struct ParamSlot {
    pub name: String,
    pub shape: Vec<usize>,
    pub slot: usize,
}

/// A model, a loss and an optimizer, compiled: what to run each step, and the memory that it needs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One training step: forward, loss, backward, tick, update. With accumulation, its last micro-batch.
    pub step: Vec<Dispatch>,
    /// How many of a step's launches are its forward pass and its loss.
    pub forward: usize,
    /// How many are these and its backward pass.
    pub backward: usize,
    /// Micro-batches of a step.
    pub accumulate: usize,
    /// What follows the backward pass of each micro-batch but the last: its gradient and its loss are added to the step's so
    /// far. Empty without accumulation.
    pub carry: Vec<Dispatch>,
    /// Tensors whose norms a step leaves in the history; 0 where they are not asked for.
    pub(crate) layers: usize,
    /// Which of a step's launches is its tick.
    pub(crate) tick: usize,
    /// After the last step: files the last gradient norm.
    pub flush: Dispatch,
    /// One batch of an evaluation: forward with running statistics and without dropout, loss, tick.
    pub eval: Vec<Dispatch>,
    /// Rows of a batch.
    pub batch: usize,
    /// Copies of the model that are trained side by side.
    pub replicas: usize,
    /// How operands are read.
    pub profile: Profile,
    pub(crate) params: Vec<ParamSlot>,
    pub(crate) param_arena: Arena,
    /// Names and places of the running statistics.
    pub(crate) buffers: Vec<ParamSlot>,
    pub(crate) buffer_arena: Arena,
    pub(crate) blocks: Vec<[u32; 4]>,
    pub(crate) optimizer_slots: usize,
    /// Words of each buffer whose size the plan alone decides.
    pub(crate) sizes: Vec<(Role, usize)>,
    /// Elements of a sample, outputs of the model.
    pub(crate) features: usize,
    pub(crate) outputs: usize,
    /// The model's output in the evaluation list: (replicas, batch, outputs), and words from one replica to the next.
    pub(crate) output_view: View,
    pub(crate) output_stride: usize,
    pub(crate) grads: Vec<Option<GradSlot>>,
    /// "1x8x8 -> 10, cross_entropy, SGD momentum 0.9, batch 64"
    pub(crate) summary: String,
}

impl Plan {
    /// Learned numbers in one copy of the model.
    pub fn parameters(&self) -> usize {
        self.param_arena.slots.iter().map(|s| s.len).sum()
    }

    /// Launches of a whole step, all its micro-batches together.
    pub fn launches(&self) -> usize {
        (self.accumulate - 1) * (self.backward + self.carry.len()) + self.step.len()
    }

    /// What a step sums over all its launches.
    pub(crate) fn sum(&self, of: fn(&Dispatch) -> u64) -> u64 {
        let sum = |list: &[Dispatch]| list.iter().map(of).sum::<u64>();
        (self.accumulate - 1) as u64 * (sum(&self.step[..self.backward]) + sum(&self.carry)) + sum(&self.step)
    }

    /// Bytes of each role's buffer, replicas included; the dataset and the run's own tables are not in it.
    pub fn memory(&self) -> Vec<(Role, u64)> {
        self.sizes.iter().map(|&(role, words)| (role, 4 * words as u64)).collect()
    }

    /// The buffers whose mirror some dispatch reads or writes.
    pub(crate) fn mirrors(&self) -> Vec<Role> {
        let mirrored = |d: &Dispatch| -> Vec<Role> {
            let bound = d.kernel.entry().bound(d.loads, &d.views);
            bound.filter(|b| b.2.through_mirror(d.loads)).map(|b| b.3.role).collect()
        };
        let mut roles: Vec<Role> =
            self.step.iter().chain(&self.carry).chain(&self.eval).flat_map(mirrored).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }
}
