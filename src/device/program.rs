//! A plan bound to a device: buffers by role, one bind group a dispatch.

use super::run::MOST_STEPS;
use super::{Gpu, Pipeline, PipelineKey, signal::Signal};
use crate::data::{Dataset, Inputs, Targets};
use crate::error::{Error, Result};
use crate::layout::{Hyper, MAX_REPLICAS, MIRROR_ROW, Record, Role, State, View};
use crate::plan::{Dispatch, Plan};
use std::collections::HashMap;
use std::sync::Arc;
use wgpu::BufferUsages as Usage;

/// Bytes between the `Dims` of two dispatches: the alignment of a uniform binding.
const DIMS_STRIDE: u64 = 256;

/// The lists of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum List {
    /// A step, or its last micro-batch.
    Step,
    /// A micro-batch that another one follows.
    Micro,
    /// The forward pass, the loss and the tick of a step: measures, and moves nothing.
    Forward,
    /// The same of a micro-batch that another one follows.
    MicroForward,
    Flush,
    Eval,
    /// As `Eval`, inside a run: with an order, states, a schedule and a history apart from the run's own.
    Inside,
}

impl List {
    /// What the micro-batches of a step run that come before this one.
    pub fn earlier(self) -> Option<Self> {
        match self {
            Self::Step => Some(Self::Micro),
            Self::Forward => Some(Self::MicroForward),
            Self::Micro | Self::MicroForward | Self::Flush | Self::Eval | Self::Inside => None,
        }
    }
}

/// A dispatch with everything it needs.
pub(super) struct Launch {
    pub pipeline: Arc<Pipeline>,
    pub group: wgpu::BindGroup,
    pub groups: [u32; 3],
    /// Copied before the launch: each ends the pass that is open.
    pub refresh: Vec<Refresh>,
}

/// A copy of some rows of a buffer to the texture that mirrors it.
pub(super) struct Refresh {
    buffer: wgpu::Buffer,
    mirror: wgpu::Texture,
    first_row: u32,
    rows: u32,
}

impl Refresh {
    fn of(view: &View, buffer: &wgpu::Buffer, mirror: &wgpu::Texture) -> Self {
        let rows = view.len.div_ceil(MIRROR_ROW) as u32;
        let first_row = (view.offset / MIRROR_ROW) as u32;
        Self { buffer: buffer.clone(), mirror: mirror.clone(), first_row, rows }
    }

    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let row = 4 * MIRROR_ROW as u32;
        let layout = wgpu::TexelCopyBufferLayout {
            offset: u64::from(self.first_row) * u64::from(row),
            bytes_per_row: Some(row),
            rows_per_image: None,
        };
        let from = wgpu::TexelCopyBufferInfo { buffer: &self.buffer, layout };
        let origin = wgpu::Origin3d { x: 0, y: self.first_row, z: 0 };
        let to = wgpu::TexelCopyTextureInfo { origin, ..self.mirror.as_image_copy() };
        let size = wgpu::Extent3d { width: row / 16, height: self.rows, depth_or_array_layers: 1 };
        encoder.copy_buffer_to_texture(from, to, size);
    }
}

#[derive(Clone)]
struct Uploaded {
    inputs: wgpu::Buffer,
    targets: wgpu::Buffer,
    /// Of the inputs, where a kernel reads them through one.
    mirror: Option<wgpu::Texture>,
    /// `SOURCE` in the shaders.
    source: u32,
}

/// What a training run changes, in device memory: a snapshot, or the place to restore it to.
pub(crate) struct Buffers {
    pub params: wgpu::Buffer,
    pub moments: wgpu::Buffer,
    pub buffers: wgpu::Buffer,
}

impl Buffers {
    pub fn each(&self) -> [&wgpu::Buffer; 3] {
        [&self.params, &self.moments, &self.buffers]
    }
}

/// Where the outputs of several steps are brought together, for the host to read at once.
pub(crate) struct Collector(wgpu::Buffer);

pub(crate) struct Program {
    pub gpu: Gpu,
    pub plan: Arc<Plan>,
    buffers: HashMap<Role, wgpu::Buffer>,
    /// The tables of the evaluations inside a run.
    inside: HashMap<Role, wgpu::Buffer>,
    /// Textures that mirror buffers, where the plan reads through them.
    mirrors: HashMap<Role, wgpu::Texture>,
    dims: wgpu::Buffer,
    datasets: HashMap<u64, Uploaded>,
    /// Launches by list and dataset; dropped when a buffer that they bind is replaced.
    bound: HashMap<(List, u64), Arc<Vec<Launch>>>,
    pub(super) staging: Staging,
}

/// Where results are copied to, to be mapped.
pub(super) struct Staging {
    /// A slot for each submit in flight: the states of all replicas, and behind them the records of the submit's steps.
    pub states: Vec<wgpu::Buffer>,
    pub history: Option<wgpu::Buffer>,
    pub evaluations: Option<wgpu::Buffer>,
}

/// States that may be on their way to the host at one time: submits in flight.
pub(super) const IN_FLIGHT: usize = 3;

impl Program {
    /// Allocates what the plan alone decides, and writes its tables.
    pub async fn new(gpu: &Gpu, plan: Plan) -> Result<Self> {
        let inner = &gpu.inner;
        let make = || {
            let mut buffers = HashMap::new();
            for &(role, words) in &plan.sizes {
                let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
                buffers.insert(role, inner.buffer(&role.to_string(), 4 * words as u64, usage)?);
            }
            let states = (MAX_REPLICAS * size_of::<State>()) as u64;
            let usage = Usage::STORAGE | Usage::UNIFORM | Usage::COPY_SRC | Usage::COPY_DST;
            buffers.insert(Role::State, inner.buffer("state", states, usage)?);
            let dims = inner.buffer(
                "dims",
                DIMS_STRIDE * all(&plan).count() as u64,
                Usage::UNIFORM | Usage::COPY_DST,
            )?;
            let mut mirrors = HashMap::new();
            for role in plan.mirrors().into_iter().filter(|role| *role != Role::Inputs) {
                mirrors.insert(role, inner.mirror(&role.to_string(), buffers[&role].size())?);
            }
            Ok((buffers, mirrors, dims))
        };
        let (buffers, mirrors, dims) = inner.scoped(make).await?;
        inner.queue.write_buffer(&buffers[&Role::Blocks], 0, bytemuck::cast_slice(&plan.blocks));
        if let Some(mirror) = mirrors.get(&Role::Blocks) {
            let words = buffers[&Role::Blocks].size() as usize / 4;
            let view = View { role: Role::Blocks, offset: 0, len: words };
            let mut encoder = inner.device.create_command_encoder(&Default::default());
            Refresh::of(&view, &buffers[&Role::Blocks], mirror).record(&mut encoder);
            inner.queue.submit([encoder.finish()]);
        }
        for (i, dispatch) in all(&plan).enumerate() {
            inner.queue.write_buffer(&dims, DIMS_STRIDE * i as u64, bytemuck::cast_slice(&dispatch.dims));
        }
        Ok(Self {
            gpu: gpu.clone(),
            plan: Arc::new(plan),
            buffers,
            inside: HashMap::new(),
            mirrors,
            dims,
            datasets: HashMap::new(),
            bound: HashMap::new(),
            staging: Staging { states: Vec::new(), history: None, evaluations: None },
        })
    }

    pub fn buffer(&self, role: Role) -> &wgpu::Buffer {
        &self.buffers[&role]
    }

    /// Copies the dataset to the device, once: bytes stay bytes.
    pub async fn upload(&mut self, data: &Dataset) -> Result<()> {
        if self.datasets.contains_key(&data.id()) {
            return Ok(());
        }
        let inner = self.gpu.inner.clone();
        let (inputs, source): (&[u8], u32) = match data.inputs() {
            Inputs::F32(values) => (bytemuck::cast_slice(values), 1),
            Inputs::U8(bytes) => (bytes, 2),
        };
        let targets: &[u8] = match data.targets() {
            Targets::Classes { labels, .. } => bytemuck::cast_slice(labels),
            Targets::Values { values, .. } => bytemuck::cast_slice(values),
        };
        let usage = Usage::STORAGE | Usage::COPY_DST;
        let mirrored = self.plan.mirrors().contains(&Role::Inputs);
        let rows = (inputs.len() as u64).next_multiple_of(4 * MIRROR_ROW as u64); // whole rows can be mirrored
        let make = || {
            Ok(Uploaded {
                inputs: inner.buffer("inputs", rows, usage | Usage::COPY_SRC)?,
                targets: inner.buffer("targets", targets.len() as u64, usage)?,
                mirror: mirrored.then(|| inner.mirror("inputs", rows)).transpose()?,
                source,
            })
        };
        let uploaded = inner.scoped(make).await?;
        write_padded(&inner.queue, &uploaded.inputs, inputs);
        write_padded(&inner.queue, &uploaded.targets, targets);
        if let Some(mirror) = &uploaded.mirror {
            let view = View { role: Role::Inputs, offset: 0, len: rows as usize / 4 };
            let mut encoder = inner.device.create_command_encoder(&Default::default());
            Refresh::of(&view, &uploaded.inputs, mirror).record(&mut encoder);
            inner.queue.submit([encoder.finish()]);
        }
        self.datasets.insert(data.id(), uploaded);
        Ok(())
    }

    /// Drops a dataset, and the launches that read it.
    pub fn forget(&mut self, data: u64) {
        self.datasets.remove(&data);
        self.bound.retain(|key, _| key.1 != data);
    }

    /// Makes room for a run's own tables. Replacing one drops the launches that bind it.
    async fn reserve(&mut self, role: Role, bytes: usize) -> Result<()> {
        if let Some(buffer) = self.larger(self.buffers.get(&role), role, bytes).await? {
            self.buffers.insert(role, buffer);
            self.bound.clear();
        }
        Ok(())
    }

    /// A buffer of so many bytes, where `old` has no room for them.
    async fn larger(
        &self,
        old: Option<&wgpu::Buffer>,
        role: Role,
        bytes: usize,
    ) -> Result<Option<wgpu::Buffer>> {
        if old.is_some_and(|b| b.size() >= bytes as u64) {
            return Ok(None);
        }
        let inner = &self.gpu.inner;
        let state = if role == Role::State { Usage::UNIFORM } else { Usage::empty() };
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST | state;
        inner.scoped(|| inner.buffer(&role.to_string(), bytes as u64, usage)).await.map(Some)
    }

    /// Writes a run's tables and makes every launch of it: nothing is made or written after this.
    pub async fn prepare(
        &mut self,
        list: List,
        data: &Dataset,
        order: &[u32],
        schedule: &[Hyper],
        states: &[State],
    ) -> Result<()> {
        self.upload(data).await?;
        // Behind the records the norms of each tensor, four numbers, in whole records.
        let norms = (schedule.len() * 16 * self.plan.layers).next_multiple_of(size_of::<Record>());
        let history = schedule.len() * size_of::<Record>() + norms;
        self.reserve(Role::Order, size_of_val(order)).await?;
        self.reserve(Role::Schedule, size_of_val(schedule)).await?;
        self.reserve(Role::History, history).await?;
        self.bind(list, data.id()).await?;
        if let Some(earlier) = list.earlier().filter(|_| self.plan.accumulate > 1) {
            self.bind(earlier, data.id()).await?;
        }
        if list == List::Step {
            self.bind(List::Flush, data.id()).await?;
        }
        let inner = self.gpu.inner.clone();
        let usage = Usage::MAP_READ | Usage::COPY_DST;
        if self.staging.history.as_ref().is_none_or(|b| b.size() < history as u64) {
            self.staging.history =
                Some(inner.scoped(|| inner.buffer("history copy", history as u64, usage)).await?);
        }
        let records = (schedule.len() / states.len()).min(MOST_STEPS) * size_of::<Record>();
        let slot = (states.len() * (size_of::<State>() + records)) as u64;
        if self.staging.states.first().is_none_or(|b| b.size() < slot) {
            let make = || (0..IN_FLIGHT).map(|_| inner.buffer("state copy", slot, usage)).collect();
            self.staging.states = inner.scoped(make).await?;
        }
        inner.queue.write_buffer(self.buffer(Role::Order), 0, bytemuck::cast_slice(order));
        inner.queue.write_buffer(self.buffer(Role::Schedule), 0, bytemuck::cast_slice(schedule));
        inner.queue.write_buffer(self.buffer(Role::State), 0, bytemuck::cast_slice(states));
        Ok(())
    }

    /// Writes the tables of the evaluations inside a run, one state a replica with the batches of all of them as its steps,
    /// and makes their launches. To be called after `prepare`, which may drop them.
    pub async fn prepare_inside(&mut self, data: &Dataset, order: &[u32], states: &[State]) -> Result<()> {
        self.upload(data).await?;
        let rows: usize = states.iter().map(|s| s.steps as usize).sum();
        for (role, bytes) in [
            (Role::Order, size_of_val(order)),
            (Role::State, MAX_REPLICAS * size_of::<State>()), // a uniform of that size
            (Role::Schedule, rows * size_of::<Hyper>()), // never written: all zero, as an evaluation wants it
            (Role::History, rows * size_of::<Record>()),
        ] {
            if let Some(buffer) = self.larger(self.inside.get(&role), role, bytes).await? {
                self.inside.insert(role, buffer);
                self.bound.retain(|key, _| key.0 != List::Inside);
            }
        }
        self.bind(List::Inside, data.id()).await?;
        let inner = self.gpu.inner.clone();
        let bytes = (rows * size_of::<Record>()) as u64;
        if self.staging.evaluations.as_ref().is_none_or(|b| b.size() < bytes) {
            let usage = Usage::MAP_READ | Usage::COPY_DST;
            self.staging.evaluations =
                Some(inner.scoped(|| inner.buffer("evaluations copy", bytes, usage)).await?);
        }
        inner.queue.write_buffer(&self.inside[&Role::Order], 0, bytemuck::cast_slice(order));
        inner.queue.write_buffer(&self.inside[&Role::State], 0, bytemuck::cast_slice(states));
        Ok(())
    }

    /// What the evaluations inside a run measured, and where it is copied to.
    pub(super) fn evaluations(&self) -> Option<(&wgpu::Buffer, &wgpu::Buffer)> {
        self.inside.get(&Role::History).zip(self.staging.evaluations.as_ref())
    }

    /// The launches of a list over a dataset.
    pub(super) fn launches(&self, list: List, data: u64) -> Arc<Vec<Launch>> {
        self.bound.get(&(list, data)).cloned().unwrap_or_default()
    }

    /// The dispatches of a list, with their place in the plan.
    fn dispatches(&self, list: List) -> impl Iterator<Item = (usize, &Dispatch)> {
        let Plan { step, forward, backward, tick, eval, .. } = &*self.plan;
        let carry = step.len() + 1 + eval.len();
        let belongs = move |i: usize| match list {
            List::Step => i < step.len(),
            List::Micro => i < *backward || i >= carry,
            List::Forward => i < *forward || i == *tick,
            List::MicroForward => i < *forward || i > carry, // of what is carried only the loss
            List::Flush => i == step.len(),
            List::Eval | List::Inside => i > step.len() && i < carry,
        };
        all(&self.plan).enumerate().filter(move |(i, _)| belongs(*i))
    }

    /// Makes the kernels that a list over a dataset still needs. One after the other: a browser compiles a kernel when it is made,
    /// and can draw its page only in between.
    pub async fn compile(&self, list: List, data: u64) -> Result<()> {
        let inner = &self.gpu.inner;
        let uploaded = &self.datasets[&data];
        let key = |(_, d): (usize, &Dispatch)| (pipeline_key(d, uploaded), d.dims.clone());
        let first = inner.first(self.dispatches(list).map(key));
        for (key, _) in &first {
            inner.scoped(|| Ok(inner.pipeline(*key))).await?;
        }
        inner.compile_ahead(first);
        Ok(())
    }

    async fn bind(&mut self, list: List, data: u64) -> Result<()> {
        if self.bound.contains_key(&(list, data)) {
            return Ok(());
        }
        self.compile(list, data).await?;
        let uploaded = &self.datasets[&data];
        // A copy may stand before a launch of this list for the sake of others: of a forward pass, for an update.
        let read = |view: &View| self.dispatches(list).any(|(_, d)| d.views.contains(view));
        let launch = |(i, d): (usize, &Dispatch)| self.launch(list, d, i, uploaded, &read);
        let launches = self.gpu.inner.scoped(|| Ok(self.dispatches(list).map(launch).collect())).await?;
        self.bound.insert((list, data), Arc::new(launches));
        Ok(())
    }

    /// `read` tells what any launch of the list reads.
    fn launch(
        &self,
        list: List,
        dispatch: &Dispatch,
        index: usize,
        data: &Uploaded,
        read: &dyn Fn(&View) -> bool,
    ) -> Launch {
        let inner = &self.gpu.inner;
        let pipeline = inner.pipeline(pipeline_key(dispatch, data));
        let dims = wgpu::BufferBinding {
            buffer: &self.dims,
            offset: DIMS_STRIDE * index as u64,
            size: wgpu::BufferSize::new(DIMS_STRIDE),
        };
        let bound: Vec<_> = dispatch.kernel.entry().bound(dispatch.loads, &dispatch.views).collect();
        let mirrors: Vec<Option<wgpu::TextureView>> = bound
            .iter()
            .map(|b| {
                b.2.through_mirror(dispatch.loads)
                    .then(|| self.mirror(b.3.role, data).create_view(&Default::default()))
            })
            .collect();
        let dims = wgpu::BindingResource::Buffer(dims);
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: dims }];
        for (&(binding, _, _, view), mirror) in bound.iter().zip(&mirrors) {
            let resource = match mirror {
                Some(mirror) => wgpu::BindingResource::TextureView(mirror),
                None => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: self.bindable(list, view.role, data),
                    offset: 4 * view.offset as u64,
                    // In whole vectors of four, as some kernels read; the padding is there. None: the whole buffer.
                    size: wgpu::BufferSize::new(4 * view.len.next_multiple_of(4) as u64),
                }),
            };
            entries.push(wgpu::BindGroupEntry { binding, resource });
        }
        let group = inner.bind_group(&wgpu::BindGroupDescriptor {
            label: Some(dispatch.kernel.name()),
            layout: &pipeline.layout,
            entries: &entries,
        });
        let refresh = |view: &View| Refresh::of(view, &self.buffers[&view.role], &self.mirrors[&view.role]);
        let refresh = dispatch.refresh.iter().filter(|view| read(view)).map(refresh).collect();
        Launch { pipeline, group, groups: dispatch.groups, refresh }
    }

    fn bindable<'a>(&'a self, list: List, role: Role, data: &'a Uploaded) -> &'a wgpu::Buffer {
        match role {
            Role::Inputs => &data.inputs,
            Role::Targets => &data.targets,
            role => self.inside.get(&role).filter(|_| list == List::Inside).unwrap_or(&self.buffers[&role]),
        }
    }

    /// The texture that mirrors a buffer; there is one for each that the plan reads through a mirror.
    fn mirror<'a>(&'a self, role: Role, data: &'a Uploaded) -> &'a wgpu::Texture {
        match (role, &data.mirror) {
            (Role::Inputs, Some(mirror)) => mirror,
            (role, _) => &self.mirrors[&role],
        }
    }

    /// Copies what a run changes into buffers of its own.
    pub async fn snapshot(&self) -> Result<Buffers> {
        let inner = &self.gpu.inner;
        let usage = Usage::COPY_SRC | Usage::COPY_DST;
        let make = || {
            let twin = |role: Role| inner.buffer("snapshot", self.buffer(role).size(), usage);
            Ok(Buffers {
                params: twin(Role::Params)?,
                moments: twin(Role::Moments)?,
                buffers: twin(Role::Buffers)?,
            })
        };
        let buffers = inner.scoped(make).await?;
        self.copy(self.live(), buffers.each());
        Ok(buffers)
    }

    /// Fills every replica with the only one of `other`, which is of the same model: its parameters, its running statistics
    /// and, if it has the same optimizer, its `moments`. Datasets are shared.
    pub fn adopt(&mut self, other: &Self, moments: bool) {
        let mirrors = |program: &Self| program.plan.mirrors().contains(&Role::Inputs);
        if mirrors(self) == mirrors(other) {
            self.datasets.clone_from(&other.datasets);
        }
        let mut encoder = self.gpu.inner.device.create_command_encoder(&Default::default());
        let plan = &self.plan;
        let slots = if moments { plan.optimizer_slots as u64 } else { 0 };
        for (role, stride, slots) in [
            (Role::Params, plan.param_arena.stride, 1),
            (Role::Moments, plan.param_arena.stride, slots),
            (Role::Buffers, plan.buffer_arena.stride, 1),
        ] {
            let bytes = 4 * stride as u64;
            for slot in (0..slots).filter(|_| bytes > 0) {
                for replica in 0..plan.replicas as u64 {
                    let to = (slot * plan.replicas as u64 + replica) * bytes;
                    encoder.copy_buffer_to_buffer(
                        other.buffer(role),
                        slot * bytes,
                        self.buffer(role),
                        to,
                        bytes,
                    );
                }
            }
        }
        self.gpu.inner.queue.submit([encoder.finish()]);
    }

    /// Records the copies of a snapshot back.
    pub(super) fn record_restore(&self, snapshot: &Buffers, encoder: &mut wgpu::CommandEncoder) {
        for (from, to) in snapshot.each().into_iter().zip(self.live()) {
            encoder.copy_buffer_to_buffer(from, 0, to, 0, from.size());
        }
    }

    /// Copies a snapshot back. Never waits, and never fails on a live device: fit for a `Drop`.
    pub fn restore(&self, snapshot: &Buffers) {
        self.copy(snapshot.each(), self.live());
    }

    fn live(&self) -> [&wgpu::Buffer; 3] {
        [Role::Params, Role::Moments, Role::Buffers].map(|role| self.buffer(role))
    }

    fn copy(&self, from: [&wgpu::Buffer; 3], to: [&wgpu::Buffer; 3]) {
        let mut encoder = self.gpu.inner.device.create_command_encoder(&Default::default());
        for (from, to) in from.into_iter().zip(to) {
            encoder.copy_buffer_to_buffer(from, 0, to, 0, from.size());
        }
        self.gpu.inner.queue.submit([encoder.finish()]);
    }

    /// Room for what a view holds after each of so many steps.
    pub async fn collector(&self, view: &View, steps: usize) -> Result<Collector> {
        let inner = &self.gpu.inner;
        let bytes = 4 * (view.len * steps) as u64;
        let make = || inner.buffer("outputs", bytes, Usage::MAP_READ | Usage::COPY_DST);
        inner.scoped(make).await.map(Collector)
    }

    /// Records the copy of what step `step` left in a view.
    pub(super) fn record_collect(
        &self,
        view: &View,
        into: &Collector,
        step: usize,
        encoder: &mut wgpu::CommandEncoder,
    ) {
        let (from, bytes) = (4 * view.offset as u64, 4 * view.len as u64);
        encoder.copy_buffer_to_buffer(self.buffer(view.role), from, &into.0, step as u64 * bytes, bytes);
    }

    /// What has been collected: (steps, words of the view), and no more of use behind them.
    pub async fn collected(&self, collector: &Collector) -> Result<Vec<f32>> {
        let signal = Signal::map(&collector.0);
        self.gpu.inner.wait(None, &signal).await?;
        mapped(&collector.0)
    }

    /// The contents of a buffer.
    pub async fn read(&self, role: Role) -> Result<Vec<u32>> {
        let inner = &self.gpu.inner;
        let buffer = self.buffer(role);
        let staging =
            inner.scoped(|| inner.buffer("copy", buffer.size(), Usage::MAP_READ | Usage::COPY_DST)).await?;
        let mut encoder = inner.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        let submission = inner.queue.submit([encoder.finish()]);
        let signal = Signal::map(&staging);
        inner.wait(Some(submission), &signal).await?;
        mapped(&staging)
    }

    /// Overwrites part of a buffer, from word `offset`.
    pub fn write(&self, role: Role, offset: usize, words: &[f32]) {
        let queue = &self.gpu.inner.queue;
        queue.write_buffer(self.buffer(role), 4 * offset as u64, bytemuck::cast_slice(words));
    }
}

/// Every dispatch of a plan, in the order of their dims.
fn all(plan: &Plan) -> impl Iterator<Item = &Dispatch> {
    plan.step.iter().chain([&plan.flush]).chain(&plan.eval).chain(&plan.carry)
}

fn pipeline_key(dispatch: &Dispatch, data: &Uploaded) -> PipelineKey {
    let source = if dispatch.reads_inputs() { data.source } else { 0 };
    (dispatch.kernel, dispatch.loads, dispatch.act, source)
}

/// Writes bytes whose number need not be a multiple of four.
fn write_padded(queue: &wgpu::Queue, buffer: &wgpu::Buffer, bytes: &[u8]) {
    let whole = bytes.len() / 4 * 4;
    queue.write_buffer(buffer, 0, &bytes[..whole]);
    if whole < bytes.len() {
        let mut last = [0; 4];
        last[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
        queue.write_buffer(buffer, whole as u64, &last);
    }
}

/// The words of a mapped buffer, which is unmapped.
pub(super) fn mapped<T: bytemuck::Pod>(buffer: &wgpu::Buffer) -> Result<Vec<T>> {
    let unreadable =
        |e: wgpu::MapRangeError| Error::Device { detail: format!("a result could not be read: {e}") };
    let view = buffer.get_mapped_range(..).map_err(unreadable)?;
    let words = bytemuck::pod_collect_to_vec(&view[..view.len() / size_of::<T>() * size_of::<T>()]);
    drop(view);
    buffer.unmap();
    Ok(words)
}
