//! The GPU: the only place that knows wgpu. A plan goes in, histories come out.

mod adapter;
mod ahead;
mod heard;
mod profile;
mod program;
mod run;
mod scope;
mod signal;
mod workers;

pub use adapter::{Adapter, adapters};
pub(crate) use program::{Buffers, List, Program};
pub(crate) use run::{Between, Finished, Pace};

use crate::error::{Error, Result};
use crate::kernel::{Access, Kernel};
use crate::layout::MIRROR_ROW;
use crate::plan::{Profile, Tuning};
use crate::shader::{Loads, assemble};
use ahead::Ahead;
use heard::Heard;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use workers::Workers;

/// A device, ours or the application's. Cheap to clone; clones share pipelines.
#[derive(Clone)]
pub struct Gpu {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    adapter: Adapter,
    /// Where a device of our own came from, and the threads that came with it.
    opened: Option<(wgpu::Adapter, Workers)>,
    ahead: Mutex<Ahead>,
    /// Measured, where it was.
    tuning: Mutex<Option<Tuning>>,
    pipelines: Mutex<HashMap<PipelineKey, Arc<Pipeline>>>,
    modules: Mutex<HashMap<(&'static str, Loads), wgpu::ShaderModule>>,
    /// What our own handlers heard; an adopted device keeps the application's.
    heard: Arc<Heard>,
    made: [AtomicU64; 3],
}

/// What a pipeline is specialised for: entry point, how operands are read, fused activation, where its input comes from.
pub(crate) type PipelineKey = (Kernel, Loads, u32, u32);

pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// How many objects a device was asked for so far: nothing may be added while a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Compute pipelines.
    pub pipelines: u64,
    /// Buffers.
    pub buffers: u64,
    /// Bind groups.
    pub bind_groups: u64,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({})", self.inner.adapter)
    }
}

impl Gpu {
    /// Opens a device of its own: the adapter that `RANGEFINDER_ADAPTER` names (by a part of its name, or by its
    /// index in `rangefinder info`), else a discrete GPU, an integrated one, or a CPU driver, in this order.
    ///
    /// On Mesa's CPU driver idle cores compile kernels for it: drop it before the process ends, which waits for what they have in
    /// hand. On Linux, as many threads of that driver as there are cores are bound to one each while they would wait beside idle ones;
    /// those of an adopted device, and the application's own, never are.
    ///
    /// # Errors
    /// No adapter, none of that name, or one that gives no device.
    pub async fn new() -> Result<Self> {
        Self::open(adapter::Power::High).await
    }

    /// As [`new`](Self::new), but an integrated GPU before a discrete one.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn low_power() -> Result<Self> {
        Self::open(adapter::Power::Low).await
    }

    async fn open(power: adapter::Power) -> Result<Self> {
        let wanted = std::env::var("RANGEFINDER_ADAPTER").ok().filter(|v| !v.is_empty());
        let (found, adapter) = adapter::choose(wanted.as_deref(), power).await?;
        let before = workers::threads();
        let (device, queue) = adapter::open(&found).await?;
        let gpu = Self::with(device, queue, adapter, Some((found, Workers::since(&before))));
        let heard = gpu.inner.heard.clone();
        gpu.inner.device.set_device_lost_callback(move |reason, text| {
            // Natively, dropping the last handle also "loses" the device; that is nobody's error. In a browser a page did it.
            if reason != wgpu::DeviceLostReason::Destroyed || cfg!(target_family = "wasm") {
                heard.lose(if text.is_empty() { "no reason was given" } else { &text });
            }
        });
        let heard = gpu.inner.heard.clone();
        gpu.inner.device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| heard.note(&e.to_string())));
        Ok(gpu)
    }

    /// Waits until the device is lost, and says why. Does not keep it open, and never ends for an application's own device;
    /// natively, a loss shows only while something runs on it.
    pub fn lost(&self) -> impl Future<Output = String> + use<> {
        let heard = self.inner.heard.clone();
        async move { heard.lost().await }
    }

    /// The browser's own `GPUDevice`.
    #[cfg(all(feature = "web", target_arch = "wasm32"))]
    pub(crate) fn web_device(&self) -> wasm_bindgen::JsValue {
        self.inner.device.as_webgpu().map_or(wasm_bindgen::JsValue::NULL, |device| device.clone().into())
    }

    /// Works on an application's device, with whatever limits and features it has: the defaults and none suffice.
    /// The application's error and device-lost handlers stay in place.
    pub fn adopt(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let adapter = Adapter::describe(&device.adapter_info(), 0, &device.limits(), device.features());
        Self::with(device, queue, adapter, None)
    }

    fn with(
        device: wgpu::Device,
        queue: wgpu::Queue,
        adapter: Adapter,
        opened: Option<(wgpu::Adapter, Workers)>,
    ) -> Self {
        let inner = Inner {
            device,
            queue,
            adapter,
            opened,
            ahead: Mutex::default(),
            tuning: Mutex::default(),
            pipelines: Mutex::default(),
            modules: Mutex::default(),
            heard: Arc::default(),
            made: Default::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The adapter behind the device.
    pub fn adapter(&self) -> &Adapter {
        &self.inner.adapter
    }

    /// The kernels that the device can run, the most suitable last. A CPU driver pays for each word that it loads from a
    /// storage buffer or from workgroup memory, and nearly nothing for a texel: there operands are best mirrored in textures.
    /// Anything else is taken for a GPU, also what a browser does not name.
    pub fn profiles(&self) -> Vec<Profile> {
        if !self.adapter().is_cpu() {
            return vec![Profile::Portable, Profile::Tiled];
        }
        let info = self.inner.device.adapter_info();
        let features = self.inner.device.features();
        let lanes = info.subgroup_min_size == 8 && info.subgroup_max_size == 8;
        let mut profiles = vec![Profile::Tiled, Profile::Portable];
        if lanes && features.contains(wgpu::Features::SUBGROUP) {
            profiles.push(Profile::Broadcast);
            if features.contains(adapter::MIRRORING) {
                profiles.push(Profile::Mirrored);
            }
        }
        profiles
    }

    /// The tuning asked for, or the device's.
    pub(crate) fn choose(&self, wanted: Option<Tuning>) -> Result<Tuning> {
        let able = self.profiles();
        match wanted {
            Some(Tuning { profile, .. }) if !able.contains(&profile) => {
                let detail = format!("{profile:?} does not run on {}; it runs {able:?}", self.adapter());
                Err(Error::argument("profile", detail))
            }
            wanted => Ok(wanted.unwrap_or_else(|| self.tuning())),
        }
    }

    /// Which kernels sessions on this device use where their options name none: those of the [table](Tuning::for_device) for
    /// its class, until [`tune`](Self::tune) says otherwise.
    pub fn tuning(&self) -> Tuning {
        let tuned = *self.inner.tuning.lock().unwrap_or_else(PoisonError::into_inner);
        tuned.unwrap_or_else(|| self.untuned())
    }

    /// The table's row for the device's class, where the device can run it.
    pub(crate) fn untuned(&self) -> Tuning {
        let best = self.profiles().last().copied().unwrap_or_default();
        let listed = Tuning::for_device(self.adapter().class());
        if listed.profile == best { listed } else { Tuning::of(best) }
    }

    /// Sessions that are compiled on this device from now on use these kernels, where their options name none.
    ///
    /// # Errors
    /// The device cannot run the profile, or the profile has no such tiles.
    pub fn tune(&self, tuning: Tuning) -> Result<()> {
        self.choose(Some(tuning))?;
        tuning.check()?;
        *self.inner.tuning.lock().unwrap_or_else(PoisonError::into_inner) = Some(tuning);
        Ok(())
    }

    /// Objects made so far, by every session on this device.
    pub fn made(&self) -> Made {
        let [pipelines, buffers, bind_groups] =
            [0, 1, 2].map(|i: usize| self.inner.made[i].load(Ordering::Relaxed));
        Made { pipelines, buffers, bind_groups }
    }
}

impl Inner {
    /// An error that the device reported by itself since it was opened.
    pub fn check(&self) -> Result<()> {
        self.heard.check()
    }

    /// While work is submitted: see [`Workers`]. Threads that compile take cores too, but not for long.
    pub fn settle(&self) {
        let compiling = || self.ahead.lock().unwrap_or_else(PoisonError::into_inner).is_busy();
        if let Some((_, workers)) = &self.opened
            && !compiling()
        {
            workers.settle();
        }
    }

    /// A buffer of `bytes` (at least one binding's worth), or which limit forbids it. Errors of the device itself go to
    /// the scope around the call.
    pub fn buffer(&self, what: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        let limits = self.device.limits();
        let storage = usage.contains(wgpu::BufferUsages::STORAGE);
        let binding = if storage { limits.max_storage_buffer_binding_size } else { u64::MAX };
        let limit = limits.max_buffer_size.min(binding);
        if bytes > limit {
            return Err(Error::Limit {
                what: format!("buffer {what} (bytes)"),
                needed: bytes,
                limit,
                hint: "use a smaller batch, model or dataset, fewer steps or fewer replicas".into(),
            });
        }
        self.made[1].fetch_add(1, Ordering::Relaxed);
        Ok(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size: bytes.max(256).next_multiple_of(256),
            usage,
            mapped_at_creation: false,
        }))
    }

    /// A texture that mirrors a buffer of `bytes`: 1024 texels of 16 bytes a row, and four that nobody reads.
    pub fn mirror(&self, what: &str, bytes: u64) -> Result<wgpu::Texture> {
        let rows = bytes.div_ceil(4 * MIRROR_ROW as u64);
        let limit = u64::from(self.device.limits().max_texture_dimension_2d);
        if rows > limit {
            return Err(Error::Limit {
                what: format!("mirror of {what} (rows of a texture)"),
                needed: rows,
                limit,
                hint: "use a smaller batch, model or dataset, or the portable profile".into(),
            });
        }
        // Mesa's CPU driver compiles a kernel again where a texture's height is a power of two and the last one's was not: so
        // that a few replicas more do not cost a second of compiling, all are.
        let height = rows.max(1).next_power_of_two().min(limit) as u32;
        // A cache line more than a power of two from row to row: a matrix whose rows are 2 or 4 KiB would else have the 32 rows
        // that a tile reads side by side in one or two of a cache's sets.
        let width = MIRROR_ROW as u32 / 4 + 4;
        self.made[1].fetch_add(1, Ordering::Relaxed);
        Ok(self.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(what),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba32Uint,
            usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        }))
    }

    pub fn bind_group(&self, descriptor: &wgpu::BindGroupDescriptor<'_>) -> wgpu::BindGroup {
        self.made[2].fetch_add(1, Ordering::Relaxed);
        self.device.create_bind_group(descriptor)
    }

    fn module(&self, file: &'static str, loads: Loads) -> wgpu::ShaderModule {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(file),
                source: wgpu::ShaderSource::Wgsl(assemble(file, loads).into()),
            })
        };
        modules.entry((file, loads)).or_insert_with(make).clone()
    }

    /// The pipeline of a key, made on first use.
    pub fn pipeline(&self, key: PipelineKey) -> Arc<Pipeline> {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.entry(key).or_insert_with(|| Arc::new(self.make_pipeline(key))).clone()
    }

    /// The launches that are the first of a pipeline which is not made yet.
    pub fn first<T>(&self, launches: impl Iterator<Item = (PipelineKey, T)>) -> Vec<(PipelineKey, T)> {
        let pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = HashSet::new();
        launches.filter(|(key, _)| !pipelines.contains_key(key) && seen.insert(*key)).collect()
    }

    /// Has kernels compiled by idle cores, where the driver waits with it for their first launch: see [`Ahead`].
    pub fn compile_ahead(&self, first: Vec<(PipelineKey, Vec<u32>)>) {
        if let Some((from, _)) = &self.opened {
            let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            ahead.compile(from, &self.adapter, first);
        }
    }

    fn make_pipeline(&self, (kernel, loads, act, source): PipelineKey) -> Pipeline {
        self.made[0].fetch_add(1, Ordering::Relaxed);
        let entry = kernel.entry();
        let slot = |binding: u32, access: Access| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: binding_type(access, loads),
            count: None,
        };
        let none: Vec<()> = vec![(); entry.bindings.len()];
        let bound = entry.bound(loads, &none).map(|(binding, _, access, ())| slot(binding, access));
        let slots: Vec<_> = std::iter::once(slot(0, Access::Uniform)).chain(bound).collect();
        let layout = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(entry.name),
            entries: &slots,
        });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(entry.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let mut constants = Vec::new();
        if act != 0 {
            constants.push((entry.constant(), f64::from(act)));
        }
        if source != 0 {
            constants.push(("SOURCE", f64::from(source)));
        }
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry.name),
            layout: Some(&pipeline_layout),
            module: &self.module(entry.file, loads),
            entry_point: Some(entry.name),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Pipeline { pipeline, layout }
    }
}

fn binding_type(access: Access, loads: Loads) -> wgpu::BindingType {
    let ty = match access {
        _ if access.through_mirror(loads) => {
            return wgpu::BindingType::StorageTexture {
                access: match access.writes() {
                    true => wgpu::StorageTextureAccess::WriteOnly,
                    false => wgpu::StorageTextureAccess::ReadOnly,
                },
                format: wgpu::TextureFormat::Rgba32Uint,
                view_dimension: wgpu::TextureViewDimension::D2,
            };
        }
        Access::Uniform => wgpu::BufferBindingType::Uniform,
        Access::Write | Access::Store => wgpu::BufferBindingType::Storage { read_only: false },
        Access::Read | Access::Load | Access::Mirror => wgpu::BufferBindingType::Storage { read_only: true },
    };
    wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None }
}
