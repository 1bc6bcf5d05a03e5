//! What lies where in the flat buffers: roles, aligned slots, and the structs that host and shaders share.

use bytemuck::{Pod, Zeroable};

/// Replicas that fit one uniform buffer of states (16 KiB, the smallest limit WebGPU allows).
pub const MAX_REPLICAS: usize = 128;
/// Slots start at multiples of 64 words: 256 bytes, WebGPU's alignment of a binding's offset.
pub const ALIGN: usize = 64;

/// Words in a row of a texture that mirrors a buffer: 1024 texels of four. A view that is mirrored starts a row.
pub const MIRROR_ROW: usize = 4096;

/// `words` rounded up to whole 64-word blocks.
pub(crate) fn padded(words: usize) -> usize {
    words.div_ceil(ALIGN) * ALIGN
}

/// A buffer's role fixes what it holds and how kernels may touch it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Every parameter: (replicas, arena).
    Params,
    /// The optimizer's slots, each laid out as `Params`.
    Moments,
    /// What a model carries that is not learned: running statistics, (replicas, arena).
    Buffers,
    /// Gradients by split-K slice: for each parameter (slices, replicas, len).
    Grads,
    /// Activations and their gradients, of one colour: no dispatch reads and writes one colour.
    Acts(usize),
    /// The dataset's inputs.
    Inputs,
    /// The dataset's labels or values.
    Targets,
    /// Which rows make up each batch of the run.
    Order,
    /// Hyperparameters of each step: (replicas, steps).
    Schedule,
    /// Where the run is: one struct a replica.
    State,
    /// What each step measured: (replicas, steps); then, where they are asked for, its norms: (replicas, steps, tensors).
    History,
    /// Partial sums of the squared gradient: (partial sums, replicas).
    Norms,
    /// Where each 64-word block of `Params` has its gradient.
    Blocks,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Acts(colour) => write!(f, "acts{colour}"),
            other => f.write_str(&format!("{other:?}").to_lowercase()),
        }
    }
}

/// A piece of a buffer, in words of four bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// The buffer.
    pub role: Role,
    /// First word, a multiple of 64.
    pub offset: usize,
    /// Words, over all replicas.
    pub len: usize,
}

impl View {
    /// Do the two share a word?
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.role == other.role
            && self.offset < other.offset + other.len
            && other.offset < self.offset + self.len
    }
}

/// Named slots of one replica's share of a flat buffer, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena {
    pub slots: Vec<Slot>,
    /// Words of one replica, padding included.
    pub stride: usize,
}

/// One tensor of an [`Arena`].
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub offset: usize,
    pub len: usize,
}

impl Arena {
    pub fn push(&mut self, len: usize) -> usize {
        self.slots.push(Slot { offset: self.stride, len });
        self.stride += padded(len);
        self.slots.len() - 1
    }

    /// The slot as a binding that reaches over all replicas.
    pub fn view(&self, role: Role, slot: usize, replicas: usize) -> View {
        let Slot { offset, len } = self.slots[slot];
        View { role, offset, len: (replicas - 1) * self.stride + len }
    }
}

/// Twin of `struct State` in `shaders/shared/state.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(crate) struct State {
    pub step: u32,
    pub steps: u32,
    pub running: u32,
    pub stop_reason: u32,
    pub stop_step: u32,
    pub order_base: u32,
    pub schedule_base: u32,
    pub rng_step: u32,
    pub seed: u32,
    pub scale: f32,
    pub shift: f32,
    pub beta: f32,
    pub ewa: f32,
    pub best: f32,
    pub first: f32,
    pub lowest: f32,
    pub noise: f32,
    pub last: f32,
    pub stop_rule: u32,
    pub stop_factor: f32,
    pub max_norm: f32,
    pub lr: f32,
    pub momentum: f32,
    pub weight_decay: f32,
    pub correction1: f32,
    pub correction2: f32,
    pub clip: f32,
    pub period: u32,
    pub batch: u32,
    pub pad: [u32; 3],
}

/// Twin of `struct Hyper` in `shaders/tick.wgsl`: what update `t` uses.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(crate) struct Hyper {
    pub lr: f32,
    pub momentum: f32,
    pub weight_decay: f32,
    pub correction1: f32,
    pub correction2: f32,
    pub ewa_correction: f32,
    pub pad: [f32; 2],
}

/// Twin of `struct Record` in `shaders/tick.wgsl`: what step `t` measured.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(crate) struct Record {
    pub lr: f32,
    pub loss: f32,
    pub smoothed: f32,
    pub accuracy: f32,
    pub grad_norm: f32,
    pub momentum: f32,
    pub flags: u32,
    pub count: u32,
}

impl Record {
    /// Set on every step that ran.
    pub const RAN: u32 = 1;
}

/// Declares the `#[repr(C)]` twin of a shader's `struct Dims`, and its field names for the test that compares them.
macro_rules! dims {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
        pub(crate) struct $name { $(pub $field: $ty),* }

        impl $name {
            #[cfg(test)]
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

            pub fn words(&self) -> Vec<u32> {
                bytemuck::cast_slice(std::slice::from_ref(self)).to_vec()
            }
        }
    };
}
pub(crate) use dims;
