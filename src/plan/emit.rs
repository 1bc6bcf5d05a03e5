//! What an op sees while a plan is made: virtual tensors, slots, and a list to append launches to.

use super::{Dispatch, Tuning};
use crate::error::{Error, Result};
use crate::kernel::{Access, Kernel};
use crate::layout::{Arena, Role, View, padded};
use crate::shader::Loads;

/// Turns that all loops of one invocation may take together. Mesa's CPU driver before version 25 ends an
/// invocation's loops silently after 65,535 turns; some are left for the outer loops.
const MAX_TURNS: u64 = 60_000;
/// Workgroups in one dimension of a grid, WebGPU's limit.
const MAX_GROUPS: usize = 65_535;
/// Words of the largest tensor that its maker puts straight into its mirror: of a larger one a copy costs less than texel by texel.
const MOST_STORED: usize = 1 << 17;

/// Which kernels a plan uses for its matrix products, and how operands are read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Profile {
    /// 8 x 8 outputs in the registers of each invocation, storage buffers, no optional feature: runs everywhere.
    #[default]
    Portable,
    /// 32 x 32 or 64 x 64 outputs to a workgroup of 8 x 8, both operands in slices through workgroup memory, no optional
    /// feature: runs everywhere, made for GPUs. Weight gradients are cut into more slices, to give all of a GPU work.
    Tiled,
    /// 16 x 32 outputs to a subgroup of 8 lanes with the left operand broadcast, storage buffers.
    Broadcast,
    /// As `Broadcast`, with operands read through textures that mirror the buffers: for Mesa's CPU driver.
    Mirrored,
}

/// How the sum of a weight gradient may be cut into slices.
struct Cut {
    /// Workgroups that keep the device busy.
    groups: usize,
    /// Slices of one gradient: the update reads them all.
    most: usize,
    /// Terms of a slice: fewer are not worth a workgroup.
    least: usize,
}

impl Profile {
    fn cut(self, groups: usize) -> Cut {
        match self {
            Self::Tiled => Cut { groups, most: 32, least: 32 },
            Self::Portable => Cut { groups, most: 16, least: 1 },
            Self::Broadcast | Self::Mirrored => Cut { groups, most: 16, least: 512 },
        }
    }
}

/// A value of the plan: an activation, a gradient, a saved statistic.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct TensorId(pub usize);

/// A layer's input or output: the dataset itself (gathered while it is read) or a tensor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    Data,
    Tensor(TensorId),
}

/// What a kernel's binding will be bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operand {
    Tensor(TensorId),
    /// Dataset inputs.
    Inputs,
    /// Dataset labels or values.
    Targets,
    Order,
    State,
    Schedule,
    History,
    Norms,
    Blocks,
    /// Parameter by index.
    Param(usize),
    /// Its gradient, all slices.
    Grad(usize),
    /// Running statistics by index.
    Buffer(usize),
    AllParams,
    /// All parameters, of which the kernel touches those from the first to the last of these: a layer's.
    Params(usize, usize),
    AllGrads,
    AllMoments,
    /// All moments, of which it touches these parameters'.
    Moments(usize, usize),
}

impl From<Value> for Operand {
    fn from(value: Value) -> Self {
        match value {
            Value::Data => Self::Inputs,
            Value::Tensor(t) => Self::Tensor(t),
        }
    }
}

/// A launch as an op describes it.
pub(crate) struct Call {
    pub kernel: Kernel,
    pub act: u32,
    pub dims: Vec<u32>,
    pub operands: Vec<Operand>,
    /// Where `dims` want to know at which place an operand starts in what it is bound to.
    pub bases: Vec<Base>,
    pub groups: [u32; 3],
    pub note: String,
    pub flops: u64,
}

/// `dims[word]` is the start of operand `operand`, counted in `unit` words.
#[derive(Clone, Copy)]
pub(crate) struct Base {
    pub word: usize,
    pub operand: usize,
    pub unit: usize,
}

pub(crate) struct Tensor {
    pub len: usize,
    /// Words from one row of the batch to the next, where it is not the shape that says so.
    pub row: Option<usize>,
}

/// Where a parameter's gradient is: (slices, replicas, len).
#[derive(Clone, Debug)]
pub(crate) struct GradSlot {
    pub offset: usize,
    /// All that make up the gradient; with accumulation the last is what earlier micro-batches left.
    pub slices: usize,
    /// Those that a backward pass writes.
    pub written: usize,
    pub len: usize,
}

/// Collects the launches of one list (a training step, or an evaluation).
pub(crate) struct Emit {
    pub batch: usize,
    /// Micro-batches of a step; 1 in an evaluation.
    pub accumulate: usize,
    pub replicas: usize,
    pub tuning: Tuning,
    /// Training: batch statistics, dropout, and a backward pass to follow.
    pub training: bool,
    pub tensors: Vec<Tensor>,
    pub calls: Vec<Call>,
    pub params: Arena,
    pub buffers: Arena,
    pub grads: Vec<Option<GradSlot>>,
    pub grad_words: usize,
    /// Partial sums of the squared gradient, of one replica.
    pub norm_parts: usize,
    /// Launches that make gradients and update their parameters at once, to come behind the tick.
    pub updates: Vec<Call>,
    /// The parameters that they update.
    pub updated: Vec<bool>,
    /// Rows of `blocks`: one for each 64 words of parameters, then the parameter groups, then where each tensor's blocks are.
    pub block_rows: usize,
    /// Some parameters have a rate or decay of their own.
    pub grouped: bool,
    pub optimizer_slots: usize,
}

impl Emit {
    /// How operands are read.
    pub fn profile(&self) -> Profile {
        self.tuning.profile
    }

    /// A new tensor of `len` words a replica.
    pub fn tensor(&mut self, len: usize) -> TensorId {
        self.tensors.push(Tensor { len, row: None });
        TensorId(self.tensors.len() - 1)
    }

    /// A new tensor of the batch's rows, `row` words apart.
    pub fn tensor_of_rows(&mut self, row: usize) -> TensorId {
        self.tensors.push(Tensor { len: self.batch * row, row: Some(row) });
        TensorId(self.tensors.len() - 1)
    }

    /// Words from one row of a tensor to the next, of which `len` count.
    pub fn row(&self, tensor: TensorId, len: usize) -> usize {
        self.tensors[tensor.0].row.unwrap_or(len)
    }

    /// Words from one replica of a value to the next.
    pub fn stride(&self, value: Value) -> u32 {
        match value {
            Value::Data => 0,
            Value::Tensor(t) => padded(self.tensors[t.0].len) as u32,
        }
    }

    /// Words from one replica of the parameters to the next.
    pub fn param_stride(&self) -> u32 {
        self.params.stride as u32
    }

    /// Reserves the gradient of a parameter, which is written in so many slices; returns the words of one slice.
    pub fn grad(&mut self, param: usize, written: usize) -> u32 {
        let len = padded(self.params.slots[param].len);
        let slices = written + usize::from(self.accumulate > 1);
        self.grads[param] = Some(GradSlot { offset: self.grad_words, slices, written, len });
        self.grad_words += slices * self.replicas * len;
        len as u32
    }

    /// Into how many slices to cut a weight gradient's sum over `units` (rows or images), each of `turns` loop turns and
    /// about as many terms, so that its `tiles` make `groups` workgroups; and how many units make a slice. See [`Cut`].
    pub fn slices(
        &self,
        op: &str,
        groups: usize,
        tiles: usize,
        units: usize,
        turns: u64,
    ) -> Result<(usize, usize)> {
        slices(&self.profile().cut(groups), op, tiles, units, turns)
    }

    /// Appends a launch.
    pub fn call(&mut self, call: Call) {
        debug_assert_eq!(call.operands.len(), call.kernel.entry().bindings.len(), "{}", call.kernel.name());
        self.calls.push(call);
    }

    /// The operand's place, given where each tensor was put.
    pub fn view(&self, operand: Operand, places: &[(usize, usize)]) -> View {
        let whole = |role, len| View { role, offset: 0, len };
        let per_run = |role| whole(role, 0); // sized when a run or a dataset is known
        match operand {
            Operand::Tensor(TensorId(t)) => {
                let (colour, offset) = places[t];
                let len = (self.replicas - 1) * padded(self.tensors[t].len) + self.tensors[t].len;
                View { role: Role::Acts(colour), offset, len }
            }
            Operand::Param(p) => self.params.view(Role::Params, p, self.replicas),
            Operand::Buffer(b) => self.buffers.view(Role::Buffers, b, self.replicas),
            Operand::Grad(p) => match &self.grads[p] {
                Some(g) => {
                    View { role: Role::Grads, offset: g.offset, len: g.written * self.replicas * g.len }
                }
                None => unreachable!("a gradient is reserved before it is bound"),
            },
            Operand::AllParams | Operand::Params(..) => {
                whole(Role::Params, self.replicas * self.params.stride)
            }
            Operand::AllGrads => whole(Role::Grads, self.grad_words),
            Operand::AllMoments | Operand::Moments(..) => {
                whole(Role::Moments, self.optimizer_slots * self.replicas * self.params.stride)
            }
            Operand::Norms => whole(Role::Norms, padded(self.replicas * self.norm_parts)),
            Operand::Blocks => whole(Role::Blocks, 4 * self.block_rows),
            Operand::Inputs => per_run(Role::Inputs),
            Operand::Targets => per_run(Role::Targets),
            Operand::Order => per_run(Role::Order),
            Operand::State => per_run(Role::State),
            Operand::Schedule => per_run(Role::Schedule),
            Operand::History => per_run(Role::History),
        }
    }

    /// Words of an operand that a launch must read or write.
    fn traffic(&self, operand: Operand, view: &View) -> usize {
        match operand {
            Operand::State | Operand::Order | Operand::Inputs | Operand::Targets => 0,
            Operand::Params(first, last) => self.words(first, last),
            Operand::Moments(first, last) => self.optimizer_slots * self.words(first, last),
            _ => view.len,
        }
    }

    /// Words of some parameters, of all replicas.
    fn words(&self, first: usize, last: usize) -> usize {
        self.replicas * self.params.slots[first..=last].iter().map(|s| s.len).sum::<usize>()
    }

    /// The parameters whose numbers, gradients or moments a launch touches in an operand that holds all of them.
    fn touched(&self, operand: Operand) -> std::ops::Range<usize> {
        match operand {
            Operand::Params(first, last) | Operand::Moments(first, last) => first..last + 1,
            _ => 0..self.params.slots.len(),
        }
    }

    /// Which tensors their makers put straight into their mirrors: those that one launch makes and all others load. A large one
    /// is better copied: see benches/NOTES.md.
    fn stored(&self) -> Vec<bool> {
        let uses = self.calls.iter().flat_map(|c| c.operands.iter().zip(c.kernel.entry().bindings));
        let mut uses_of = vec![[0; 3]; self.tensors.len()]; // stores, loads, others
        for (operand, binding) in uses {
            if let Operand::Tensor(TensorId(t)) = operand {
                let kind = match binding.2 {
                    Access::Store => 0,
                    Access::Load => 1,
                    _ => 2,
                };
                uses_of[*t][kind] += 1;
            }
        }
        let small = |t: &Tensor| self.replicas * t.len <= MOST_STORED;
        let of = uses_of.iter().zip(&self.tensors);
        of.map(|(&[stores, loads, others], t)| stores == 1 && loads > 0 && others == 0 && small(t)).collect()
    }

    fn dispatch(&self, call: &Call, places: &[(usize, usize)], stored: &[bool]) -> Dispatch {
        let entry = call.kernel.entry();
        let outputs = call.operands.iter().zip(entry.bindings).filter(|(_, b)| b.2 == Access::Store);
        let mut outputs =
            outputs.map(|(o, _)| matches!(o, Operand::Tensor(TensorId(t)) if stored[*t])).peekable();
        let loads = match self.profile() {
            Profile::Mirrored if outputs.peek().is_some() && outputs.all(|o| o) => Loads::Stored,
            Profile::Mirrored => Loads::Texture,
            Profile::Portable | Profile::Tiled | Profile::Broadcast => Loads::Buffer,
        };
        let views: Vec<View> = call.operands.iter().map(|&o| self.view(o, places)).collect();
        let mut dims = call.dims.clone();
        // A buffer's binding starts at the tensor; a mirror has no offset.
        for base in call.bases.iter().filter(|b| entry.bindings[b.operand].2.through_mirror(loads)) {
            dims[base.word] = (views[base.operand].offset / base.unit) as u32;
        }
        // What stands in for something else is bound twice and read once.
        let bound: Vec<_> = call.operands.iter().zip(entry.bindings.iter().map(|b| b.2.writes())).collect();
        let once = bound.iter().zip(&views).enumerate().filter(|(i, (b, _))| !bound[..*i].contains(b));
        let words: usize = once.map(|(_, (&(&o, _), v))| self.traffic(o, v)).sum();
        Dispatch {
            kernel: call.kernel,
            act: call.act,
            loads,
            dims,
            views,
            refresh: Vec::new(),
            groups: call.groups,
            note: call.note.clone(),
            flops: call.flops * self.replicas as u64,
            bytes: 4 * words as u64,
        }
    }

    /// The finished list.
    pub fn dispatches(&self, places: &[(usize, usize)]) -> Vec<Dispatch> {
        let stored = self.stored();
        let mut list: Vec<Dispatch> = self.calls.iter().map(|c| self.dispatch(c, places, &stored)).collect();
        self.refresh(&mut list);
        list
    }

    /// Decides before which launch each mirror is brought up to date: at the latest the first that reads a value after it was
    /// written. What another layer's update writes leaves a layer's own parameters as they were.
    fn refresh(&self, list: &mut [Dispatch]) {
        // What was mirrored, and the parameters in it that were written since.
        let mut fresh: Vec<(View, Vec<usize>)> = Vec::new();
        for (i, call) in self.calls.iter().enumerate() {
            let Dispatch { kernel, loads, ref views, .. } = list[i];
            let operands = kernel.entry().bound(loads, &call.operands);
            let bound: Vec<(Access, View, Operand)> =
                kernel.entry().bound(loads, views).zip(operands).map(|(b, o)| (b.2, *b.3, *o.3)).collect();
            for (access, view, operand) in &bound {
                let mirrored = access.through_mirror(loads) && !access.writes();
                let touched = self.touched(*operand);
                let is_fresh =
                    fresh.iter().any(|(f, stale)| f == view && !stale.iter().any(|p| touched.contains(p)));
                // Blocks and the dataset never change: they were mirrored when they were written.
                if mirrored && !matches!(view.role, Role::Blocks | Role::Inputs) && !is_fresh {
                    fresh.retain(|(f, _)| f != view);
                    fresh.push((*view, Vec::new()));
                    let at = if self.accumulate == 1 { earlier(list, i, view) } else { i };
                    list[at].refresh.push(*view);
                }
            }
            for (access, view, operand) in bound.iter().filter(|b| b.0.writes()) {
                match operand {
                    Operand::Params(..) | Operand::Moments(..) => {
                        let stale = fresh.iter_mut().filter(|(f, _)| f.overlaps(view));
                        stale.for_each(|(_, stale)| stale.extend(self.touched(*operand)));
                    }
                    _ => fresh.retain(|(f, _)| !f.overlaps(view)),
                }
                if access.through_mirror(loads) {
                    fresh.push((*view, Vec::new()));
                }
            }
        }
    }
}

/// The latest launch up to the `i`-th before which something is copied anyway and the view is as it is before the `i`-th. Each
/// place where something is copied ends a pass. (Micro-batches share launches, not all of which belong to each.)
fn earlier(list: &[Dispatch], i: usize, view: &View) -> usize {
    let writes =
        |d: &Dispatch| d.kernel.entry().bound(d.loads, &d.views).any(|b| b.2.writes() && b.3.overlaps(view));
    let first = list[..i].iter().rposition(writes).map_or(0, |at| at + 1);
    (first..=i).rev().find(|&at| !list[at].refresh.is_empty()).unwrap_or(i)
}

/// Grid of a flat kernel over `count` invocations, 64 to a workgroup; on in y where x is full.
pub(crate) fn flat_groups(op: &str, count: usize, replicas: usize) -> Result<[u32; 3]> {
    let groups = count.div_ceil(64);
    grid(op, [groups.min(MAX_GROUPS), groups.div_ceil(MAX_GROUPS), replicas])
}

/// Outputs of one workgroup of a matrix product: (columns, rows).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tile(pub usize, pub usize);

impl Tile {
    /// `shaders/shared/tile.wgsl`
    pub const REGISTERS: Self = Self(64, 64);
    /// `shaders/shared/tile32.wgsl`
    pub const WORKGROUP: Self = Self(32, 32);
    /// `shaders/shared/tile64.wgsl`
    pub const WORKGROUP64: Self = Self(64, 64);
    /// `shaders/shared/broadcast.wgsl`
    pub const BROADCAST: Self = Self(32, 16);
    /// Two of those side by side.
    pub const WIDE: Self = Self(64, 16);

    /// Grid over `columns` x `rows` outputs, `z` layers.
    pub fn groups(self, op: &str, columns: usize, rows: usize, z: usize) -> Result<[u32; 3]> {
        grid(op, [columns.div_ceil(self.0), rows.div_ceil(self.1), z])
    }

    /// Workgroups of one layer.
    pub fn count(self, columns: usize, rows: usize) -> usize {
        columns.div_ceil(self.0) * rows.div_ceil(self.1)
    }
}

fn grid(op: &str, groups: [usize; 3]) -> Result<[u32; 3]> {
    match groups.iter().max() {
        Some(&most) if most > MAX_GROUPS => Err(Error::Limit {
            what: format!("{op}: workgroups in one dimension"),
            needed: most as u64,
            limit: MAX_GROUPS as u64,
            hint: "use a smaller batch, layer or number of replicas".into(),
        }),
        _ => Ok(groups.map(|g| g as u32)),
    }
}

/// Enough slices to keep the device busy and every loop below the turns it may take. It never depends on the number of
/// replicas, so that a replica gets the bits of a run of its own.
fn slices(cut: &Cut, op: &str, tiles: usize, units: usize, turns: u64) -> Result<(usize, usize)> {
    let most = (MAX_TURNS / turns.max(1)) as usize; // units that one slice may hold
    if most == 0 {
        return Err(turns_error(op, turns));
    }
    let worth = units.saturating_mul(turns as usize) / cut.least;
    let wanted = cut.groups.div_ceil(tiles).min(cut.most).min(worth);
    let wanted = wanted.max(units.div_ceil(most)).clamp(1, units);
    let size = units.div_ceil(wanted);
    Ok((units.div_ceil(size), size))
}

/// "conv2d 1: ..., 4 slices", for the note of a weight gradient.
pub(crate) fn sliced(label: &str, slices: usize) -> String {
    if slices > 1 { format!("{label}, {slices} slices") } else { label.to_owned() }
}

/// Refuses a loop of more turns than every driver is known to take.
pub(crate) fn check_turns(op: &str, turns: u64) -> Result<()> {
    if turns > MAX_TURNS { Err(turns_error(op, turns)) } else { Ok(()) }
}

fn turns_error(op: &str, turns: u64) -> Error {
    Error::Limit {
        what: format!("{op}: terms in one sum"),
        needed: turns,
        limit: MAX_TURNS,
        hint: "use fewer inputs a unit or a smaller image".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_every_unit_once() {
        for cut in [Profile::Portable.cut(8), Profile::Tiled.cut(128)] {
            for tiles in [1, 3, 9, 100] {
                for units in [1, 2, 7, 64, 1000] {
                    for turns in [1, 49, 784, 59_000] {
                        let (count, size) = slices(&cut, "test", tiles, units, turns).unwrap();
                        assert!(
                            count * size >= units && (count - 1) * size < units,
                            "{tiles} {units} {turns}"
                        );
                        assert!(size as u64 * turns <= MAX_TURNS);
                    }
                }
            }
            assert!(slices(&cut, "test", 1, 1, MAX_TURNS + 1).is_err());
        }
    }

    #[test]
    fn a_gpu_gets_more_slices_where_each_has_enough_terms() {
        let count = |profile: Profile, tiles, units, turns| {
            let groups = Tuning::of(profile).conv2d_groups;
            slices(&profile.cut(groups), "test", tiles, units, turns).unwrap().0
        };
        assert_eq!(count(Profile::Portable, 4, 512, 1), 2);
        assert_eq!(count(Profile::Tiled, 4, 512, 1), 16); // of 32 rows
        assert_eq!(count(Profile::Tiled, 4, 64, 50), 32);
        assert_eq!(count(Profile::Tiled, 4, 10, 1), 1);
        assert_eq!(count(Profile::Tiled, 200, 512, 1), 1);
    }

    #[test]
    fn grids_wrap_and_are_refused_past_the_limit() {
        assert_eq!(flat_groups("test", 64 * 65_535, 2).unwrap(), [65_535, 1, 2]);
        assert_eq!(flat_groups("test", 64 * 65_535 + 1, 2).unwrap(), [65_535, 2, 2]);
        assert!(Tile::REGISTERS.groups("test", 64 * 65_536, 1, 1).is_err());
    }
}
