//! Would tiny networks gain from many steps in one launch? `cargo bench --bench tiny [-- --quick]` trains two of them with the
//! engine's plan and with kernels of this bench alone, which run 20 steps a launch: by one workgroup a replica in workgroup
//! memory (`tiny/workgroup.wgsl`), and, for 2-16-2 on devices with subgroups of 8 lanes, in registers (`tiny/lanes.wgsl`).
//! Milliseconds a step, the least of several runs of 100 (of one, where that takes seconds), and how far the losses are apart.
//! NOTES.md says what came of it.

use rangefinder::data::order::batch_order;
use rangefinder::{
    Control, Dataset, Gpu, Inputs, Loss, Optimizer, Options, Run, Schedule, Sequential, Session, Sgd, Stop,
    Targets, digits, moons,
};
use std::error::Error;
use std::time::Instant;
use wgpu::{BufferUsages as Usage, TextureUsages};

const STEPS: usize = 100;
/// Of one launch of the bench's kernels.
const AT_ONCE: usize = 20;
const RATE: f64 = 0.05;
/// Seconds after which no further run begins.
const ENOUGH: f64 = 2.0;

/// A network I-H-C, and what it is trained on.
struct Task {
    data: Dataset,
    hidden: usize,
    batch: usize,
    replicas: usize,
    /// Runs of which the least counts.
    runs: usize,
}

/// Seconds of `STEPS` steps, and each replica's losses.
type Trained = (f64, Vec<f32>);

impl Task {
    fn sizes(&self) -> [usize; 4] {
        [self.data.features(), self.hidden, self.data.classes().unwrap_or(1), self.batch]
    }

    async fn session(&self, gpu: &Gpu) -> rangefinder::Result<Session> {
        let [_, hidden, classes, batch] = self.sizes();
        let input = Sequential::samples(self.data.shape()).flatten();
        let model = input.linear(hidden).relu().linear(classes).build()?;
        let options = Options::batch(batch).replicas(self.replicas);
        Session::compile(gpu, &model, Loss::CrossEntropy, Sgd::momentum(0.9), options).await
    }

    async fn plan(&self, session: &mut Session, order: &[u32]) -> rangefinder::Result<Trained> {
        let schedules = [Schedule::constant(RATE, STEPS, &Optimizer::from(Sgd::momentum(0.9)))];
        let run = Run { schedules: &schedules, order, beta: 0.98, stop: Stop::NotFinite };
        let start = session.snapshot().await?;
        let (mut least, mut losses) = (f64::INFINITY, Vec::new());
        let begin = Instant::now();
        for _ in 0..self.runs {
            session.restore(&start);
            let now = Instant::now();
            let outcome = session.run(&self.data, &run, Control::default()).await?;
            least = least.min(now.elapsed().as_secs_f64());
            losses = outcome.histories.iter().flat_map(|h| &h.steps).map(|s| s.loss as f32).collect();
            if begin.elapsed().as_secs_f64() > ENOUGH {
                break;
            }
        }
        session.restore(&start);
        Ok((least, losses))
    }

    /// Each sample of each batch as texels: its numbers, then its label.
    fn samples(&self, order: &[u32]) -> Vec<f32> {
        let [features, ..] = self.sizes();
        let (scale, shift) = (self.data.scale(), self.data.shift());
        let value = |i: usize| match self.data.inputs() {
            Inputs::F32(values) => values[i],
            Inputs::U8(bytes) => f32::from(bytes[i]) * scale + shift,
        };
        let Targets::Classes { labels, .. } = self.data.targets() else { return Vec::new() };
        let mut texels = Vec::new();
        for row in order.iter().map(|&row| row as usize) {
            texels.extend((0..features).map(|i| value(row * features + i)));
            texels.resize(texels.len().next_multiple_of(4), 0.0);
            texels.extend([labels[row] as f32, 0.0, 0.0, 0.0]);
        }
        texels
    }

    /// The same steps by a kernel of this bench, from the weights `params` of one replica.
    fn at_once(
        &self,
        device: &Device,
        kernel: &Kernel,
        params: &[f32],
        samples: &[f32],
    ) -> Result<Trained, Box<dyn Error>> {
        let Device { device, queue } = device;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: wgpu::ShaderSource::Wgsl(kernel.text.into()),
        });
        let [i, h, c, b] = self.sizes().map(|size| size as f64);
        let constants = [("I", i), ("H", h), ("C", c), ("B", b), ("STEPS", AT_ONCE as f64), ("LR", RATE)];
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: if kernel.any_shape { &constants } else { &constants[3..] },
                ..Default::default()
            },
            cache: None,
        });
        let buffer = |bytes: usize, usage| {
            let size = bytes as u64;
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let start: Vec<f32> = params.repeat(self.replicas);
        let history_bytes = 4 * STEPS * self.replicas;
        let buffers =
            [4 * start.len(), 4 * start.len(), history_bytes, 4 * self.replicas].map(|n| buffer(n, usage));
        let copy = buffer(history_bytes, Usage::MAP_READ | Usage::COPY_DST);
        let samples = texture(device, queue, samples);
        let mut entries: Vec<_> = (0..)
            .zip(&buffers)
            .map(|(binding, b)| wgpu::BindGroupEntry { binding, resource: b.as_entire_binding() })
            .collect();
        entries.push(wgpu::BindGroupEntry {
            binding: 4,
            resource: wgpu::BindingResource::TextureView(&samples),
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let [params, moments, history, clock] = &buffers;
        let (mut least, mut losses) = (f64::INFINITY, Vec::new());
        let begin = Instant::now();
        for _ in 0..self.runs {
            queue.write_buffer(params, 0, bytemuck::cast_slice(&start));
            let now = Instant::now();
            let mut encoder = device.create_command_encoder(&Default::default());
            encoder.clear_buffer(moments, 0, None);
            encoder.clear_buffer(clock, 0, None);
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            (0..STEPS / AT_ONCE).for_each(|_| pass.dispatch_workgroups(1, 1, self.replicas as u32));
            drop(pass);
            encoder.copy_buffer_to_buffer(history, 0, &copy, 0, None);
            queue.submit([encoder.finish()]);
            copy.map_async(wgpu::MapMode::Read, .., |_| {});
            device.poll(wgpu::PollType::wait_indefinitely())?;
            least = least.min(now.elapsed().as_secs_f64());
            losses = bytemuck::pod_collect_to_vec(&copy.get_mapped_range(..)?);
            copy.unmap();
            if begin.elapsed().as_secs_f64() > ENOUGH {
                break;
            }
        }
        Ok((least, losses))
    }
}

struct Kernel {
    name: &'static str,
    text: &'static str,
    any_shape: bool,
}

const KERNELS: [Kernel; 2] = [
    Kernel { name: "workgroup", text: include_str!("tiny/workgroup.wgsl"), any_shape: true },
    Kernel { name: "lanes", text: include_str!("tiny/lanes.wgsl"), any_shape: false },
];

/// A device for the bench's kernels, on the engine's adapter.
struct Device {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Device {
    /// And whether its subgroups have 8 lanes.
    async fn new(gpu: &Gpu) -> Result<(Self, bool), Box<dyn Error>> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let mut adapters = instance.enumerate_adapters(wgpu::Backends::PRIMARY).await;
        let adapter = adapters.swap_remove(gpu.adapter().index);
        let (info, has) = (adapter.get_info(), adapter.limits());
        let required_features = adapter.features() & wgpu::Features::SUBGROUP;
        let lanes =
            !required_features.is_empty() && info.subgroup_min_size == 8 && info.subgroup_max_size == 8;
        let required_limits = wgpu::Limits {
            max_compute_workgroup_storage_size: has.max_compute_workgroup_storage_size.min(32 << 10),
            ..wgpu::Limits::default()
        };
        let descriptor = wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
        let (device, queue) = adapter.request_device(&descriptor).await?;
        Ok((Self { device, queue }, lanes))
    }
}

fn texture(device: &wgpu::Device, queue: &wgpu::Queue, words: &[f32]) -> wgpu::TextureView {
    let height = words.len().div_ceil(4096);
    let mut words = words.to_vec();
    words.resize(4096 * height, 0.0);
    let size = wgpu::Extent3d { width: 1024, height: height as u32, depth_or_array_layers: 1 };
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("samples"),
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba32Float,
        usage: TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST,
        view_formats: &[],
    });
    let layout =
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(16 << 10), rows_per_image: None };
    queue.write_texture(texture.as_image_copy(), bytemuck::cast_slice(&words), layout, size);
    texture.create_view(&Default::default())
}

async fn bench(runs: usize) -> Result<(), Box<dyn Error>> {
    let gpu = Gpu::new().await?;
    let (device, lanes) = Device::new(&gpu).await?;
    println!(
        "{}, ms a step: the plan; 20 steps a launch, times faster, largest difference of a loss",
        gpu.adapter()
    );
    let points = moons(400, 0.1, 0)?;
    for (data, hidden) in [(points, 16), (digits(), 32)] {
        for (batch, replicas) in [(16, 1), (64, 1), (16, 64), (64, 64)] {
            let task = Task { data: data.clone(), hidden, batch, replicas, runs };
            let [i, h, c, b] = task.sizes();
            let order = batch_order(data.len(), batch, STEPS, 0)?;
            let mut session = task.session(&gpu).await?;
            let params: Vec<f32> = session.weights(0).await?.into_iter().flat_map(|t| t.data).collect();
            let (plan, wanted) = task.plan(&mut session, &order).await?;
            let samples = task.samples(&order);
            print!("{:<22} plan {:8.4}", format!("{i}-{h}-{c} b{b} x{replicas}"), 1e3 * plan / STEPS as f64);
            for kernel in KERNELS.iter().filter(|k| k.any_shape || (lanes && [i, h, c] == [2, 16, 2])) {
                let (time, losses) = task.at_once(&device, kernel, &params, &samples)?;
                let differences = losses.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
                let apart = differences.max_by(f32::total_cmp).unwrap_or(f32::NAN); // a NaN is the largest

                let (ms, ratio) = (1e3 * time / STEPS as f64, plan / time);
                print!("   {} {ms:8.4} {ratio:6.1}x {apart:.0e}", kernel.name);
                if losses.len() != wanted.len() || apart.is_nan() || apart > 1e-3 {
                    return Err(format!("the losses of {} are not the plan's", kernel.name).into());
                }
            }
            println!();
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|arg| arg == "--quick");
    pollster::block_on(bench(if quick { 3 } else { 15 }))
}
