//! Kernels compiled on other devices, ahead of their first launch.
//!
//! Mesa's CPU driver compiles a kernel where it is launched first, on the one thread of the device's queue: some seconds for the
//! dozen of a step, and the other cores stand idle. So devices of their own compile the kernels from the last to the first
//! meanwhile, by launches without a workgroup. The driver keeps on disk what it has compiled, and the device that works finds it
//! there: they meet in the middle. Where it may not keep it, nothing is gained, and nothing but idle cores' time is lost.

use super::adapter;
use super::{Adapter, Gpu, Inner, PipelineKey, binding_type};
use crate::error::{Error, Result};
use crate::kernel::Access;
use crate::layout::{MAX_REPLICAS, State};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use wgpu::BufferUsages as Usage;

/// Fewer kernels than these are not worth a device.
const FEWEST: usize = 4;
/// Devices beside the one that works: the kernels are soon shared out.
const MOST_DEVICES: usize = 3;

/// Threads that compile; dropped, it waits for what each has in hand, since a process must not end in the middle of it.
#[derive(Default)]
pub(super) struct Ahead {
    threads: Vec<JoinHandle<()>>,
    /// Of each call, how many kernels nobody has taken yet.
    left: Vec<Arc<AtomicUsize>>,
}

impl Ahead {
    /// Has the kernels of `launches`, each with its dims, compiled from the last to the first.
    pub fn compile(
        &mut self,
        from: &wgpu::Adapter,
        adapter: &Adapter,
        launches: Vec<(PipelineKey, Vec<u32>)>,
    ) {
        if launches.len() < FEWEST || !adapter.driver.starts_with("llvmpipe") {
            return;
        }
        self.threads.retain(|thread| !thread.is_finished());
        self.left.retain(|left| left.load(Ordering::Relaxed) > 0);
        let idle = std::thread::available_parallelism().map_or(1, usize::from) - 1;
        let room = idle.min(MOST_DEVICES).saturating_sub(self.threads.len());
        let left = Arc::new(AtomicUsize::new(launches.len()));
        let launches: Arc<[_]> = launches.into();
        for _ in 0..room {
            let (from, adapter, launches, left) =
                (from.clone(), adapter.clone(), launches.clone(), left.clone());
            let thread = std::thread::Builder::new().name("compile ahead".into());
            self.threads.extend(thread.spawn(move || work(&from, adapter, &launches, &left)));
        }
        self.left.push(left);
    }

    /// Is one still at work?
    pub fn is_busy(&self) -> bool {
        self.threads.iter().any(|thread| !thread.is_finished())
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.left.iter().for_each(|left| left.store(0, Ordering::Relaxed));
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// Compiles what is left until nothing is, on a device of its own.
fn work(from: &wgpu::Adapter, adapter: Adapter, launches: &[(PipelineKey, Vec<u32>)], left: &AtomicUsize) {
    // Natively a device is there at once.
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok((device, queue))) = pin!(adapter::open(from)).poll(&mut context) else { return };
    device.on_uncaptured_error(Arc::new(|_| {})); // whatever it is, the device that works will say it
    let gpu = Gpu::with(device, queue, adapter, None);
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    while let Ok(after) = take() {
        let (key, dims) = &launches[after - 1];
        if launch_none(&gpu.inner, *key, dims).is_err() {
            return;
        }
    }
}

/// Launches no workgroup of a kernel, and waits until the driver has come to it.
fn launch_none(inner: &Inner, key: PipelineKey, words: &[u32]) -> Result<()> {
    let (kernel, loads, ..) = key;
    let pipeline = inner.pipeline(key);
    let bytes = (MAX_REPLICAS * size_of::<State>()) as u64; // the largest that a kernel has as a uniform
    let dims = inner.buffer("dims", 4 * words.len() as u64, Usage::UNIFORM | Usage::COPY_DST)?;
    // The driver compiles for the values of some of them.
    inner.queue.write_buffer(&dims, 0, bytemuck::cast_slice(words));
    let read = inner.buffer("read", bytes, Usage::STORAGE | Usage::UNIFORM)?;
    let write = inner.buffer("written", bytes, Usage::STORAGE)?;
    let [mirror, stored] =
        [inner.mirror("read", 1)?, inner.mirror("stored", 1)?].map(|m| m.create_view(&Default::default()));
    let none = vec![(); kernel.entry().bindings.len()];
    let bound = kernel.entry().bound(loads, &none).map(|b| (b.0, b.2));
    let entry = |(binding, access): (u32, Access)| wgpu::BindGroupEntry {
        binding,
        resource: match binding_type(access, loads) {
            wgpu::BindingType::StorageTexture { .. } if access.writes() => {
                wgpu::BindingResource::TextureView(&stored)
            }
            wgpu::BindingType::StorageTexture { .. } => wgpu::BindingResource::TextureView(&mirror),
            _ if binding == 0 => dims.as_entire_binding(),
            _ if access.writes() => write.as_entire_binding(),
            _ => read.as_entire_binding(),
        },
    };
    let group = inner.bind_group(&wgpu::BindGroupDescriptor {
        label: Some(kernel.name()),
        layout: &pipeline.layout,
        entries: &std::iter::once((0, Access::Uniform)).chain(bound).map(entry).collect::<Vec<_>>(),
    });
    let mut encoder = inner.device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(&pipeline.pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups(0, 0, 0);
    drop(pass);
    let submission = inner.queue.submit([encoder.finish()]);
    let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
    inner.device.poll(wait).map(drop).map_err(|e| Error::Device { detail: e.to_string() })
}
