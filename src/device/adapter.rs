//! Which GPU: what is there, and what is taken.

use crate::error::{Error, Result};
use crate::plan::DeviceClass;
use std::fmt;

/// A GPU, or a CPU driver that acts as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Place in the list; `RANGEFINDER_ADAPTER` takes it.
    pub index: usize,
    /// Name by its driver.
    pub name: String,
    /// "Vulkan", "Metal", "Dx12", "BrowserWebGpu".
    pub backend: String,
    /// "discrete GPU", "integrated GPU", "virtual GPU", "CPU", "other".
    pub kind: &'static str,
    /// Driver and its version.
    pub driver: String,
    /// Largest buffer that one kernel can bind, in bytes.
    pub max_binding: u64,
    /// Largest buffer, in bytes.
    pub max_buffer: u64,
    /// Can kernels be timed on the device?
    pub timestamps: bool,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.kind, self.backend)
    }
}

impl Adapter {
    pub(super) fn describe(
        info: &wgpu::AdapterInfo,
        index: usize,
        limits: &wgpu::Limits,
        features: wgpu::Features,
    ) -> Self {
        Self {
            index,
            name: info.name.clone(),
            backend: format!("{:?}", info.backend),
            kind: match info.device_type {
                wgpu::DeviceType::DiscreteGpu => "discrete GPU",
                wgpu::DeviceType::IntegratedGpu => "integrated GPU",
                wgpu::DeviceType::VirtualGpu => "virtual GPU",
                wgpu::DeviceType::Cpu => "CPU",
                wgpu::DeviceType::Other => "other",
            },
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            max_binding: limits.max_storage_buffer_binding_size,
            max_buffer: limits.max_buffer_size,
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        }
    }

    /// Is it a software driver?
    pub fn is_cpu(&self) -> bool {
        self.kind == "CPU"
    }

    /// What it is taken for until it is measured.
    pub fn class(&self) -> DeviceClass {
        match (&*self.backend, self.kind) {
            (_, "CPU") => DeviceClass::Cpu,
            ("BrowserWebGpu", _) => DeviceClass::Browser,
            ("Metal", "integrated GPU") => DeviceClass::Apple,
            (_, "discrete GPU") => DeviceClass::Discrete,
            _ => DeviceClass::Integrated,
        }
    }

    /// Lower is better.
    fn rank(&self, power: Power) -> usize {
        let kinds = match power {
            Power::High => ["discrete GPU", "integrated GPU", "virtual GPU", "other", "CPU"],
            Power::Low => ["integrated GPU", "discrete GPU", "virtual GPU", "other", "CPU"],
        };
        kinds.iter().position(|kind| *kind == self.kind).unwrap_or(usize::MAX)
    }
}

/// Which GPU, where there are two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    Low,
    High,
}

const NONE: &str = if cfg!(target_arch = "wasm32") {
    "the browser offers none; turn on hardware acceleration in its settings, or try another browser"
} else {
    "none found; install a Vulkan driver (Debian, Ubuntu: mesa-vulkan-drivers has one for the CPU)"
};

async fn all(power: Power) -> Vec<(wgpu::Adapter, Adapter)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    // Only the first-class backends: OpenGL compute is slow to come and rarely right.
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    // A browser does not list adapters: it chooses one.
    let found = if cfg!(target_arch = "wasm32") {
        let power_preference = match power {
            Power::Low => wgpu::PowerPreference::LowPower,
            Power::High => wgpu::PowerPreference::HighPerformance,
        };
        let options = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
        instance.request_adapter(&options).await.into_iter().collect()
    } else {
        instance.enumerate_adapters(wgpu::Backends::PRIMARY).await
    };
    let describe = |(index, a): (usize, wgpu::Adapter)| {
        let described = Adapter::describe(&a.get_info(), index, &a.limits(), a.features());
        (a, described)
    };
    found.into_iter().enumerate().map(describe).collect()
}

/// Every adapter of this machine, in the order in which `RANGEFINDER_ADAPTER` counts them.
pub async fn adapters() -> Vec<Adapter> {
    all(Power::High).await.into_iter().map(|a| a.1).collect()
}

/// The adapter asked for, or the best.
pub(super) async fn choose(wanted: Option<&str>, power: Power) -> Result<(wgpu::Adapter, Adapter)> {
    let mut found = all(power).await;
    if found.is_empty() {
        return Err(Error::NoAdapter { detail: NONE.into() });
    }
    let names: Vec<_> = found.iter().map(|a| format!("{}: {}", a.1.index, a.1)).collect();
    if let Some(wanted) = wanted {
        let matches = |a: &Adapter| match wanted.parse::<usize>() {
            Ok(index) => a.index == index,
            Err(_) => a.name.to_lowercase().contains(&wanted.to_lowercase()),
        };
        found.retain(|a| matches(&a.1));
        if found.is_empty() {
            let detail = format!("RANGEFINDER_ADAPTER={wanted} matches none of {}", names.join("; "));
            return Err(Error::NoAdapter { detail });
        }
    }
    found.sort_by_key(|a| a.1.rank(power));
    let chosen = found.swap_remove(0);
    if chosen.1.is_cpu() && wanted.is_none() {
        tracing::warn!("no GPU found; running on the CPU driver {}", chosen.1.name);
    }
    Ok(chosen)
}

/// What mirrored operands need: subgroups, and integer textures that kernels may read as storage; and words of 64 bits, two
/// numbers each, for those kernels' stores.
pub(super) const MIRRORING: wgpu::Features = wgpu::Features::SUBGROUP
    .union(wgpu::Features::TEXTURE_ADAPTER_SPECIFIC_FORMAT_FEATURES)
    .union(wgpu::Features::SHADER_INT64);

/// A device with WebGPU's default limits, but buffers and textures as large as the adapter allows.
pub(super) async fn open(adapter: &wgpu::Adapter) -> Result<(wgpu::Device, wgpu::Queue)> {
    let has = adapter.limits();
    let mut wanted = wgpu::Features::TIMESTAMP_QUERY;
    if adapter.get_info().device_type == wgpu::DeviceType::Cpu {
        wanted |= MIRRORING;
    }
    let required_limits = wgpu::Limits {
        max_buffer_size: has.max_buffer_size,
        max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
        max_texture_dimension_2d: has.max_texture_dimension_2d,
        ..wgpu::Limits::default()
    };
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("rangefinder"),
        required_features: adapter.features() & wanted,
        required_limits,
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    };
    let refused = |e: wgpu::RequestDeviceError| Error::NoAdapter {
        detail: format!(
            "{} gives no device: {e}; choose another with RANGEFINDER_ADAPTER",
            adapter.get_info().name
        ),
    };
    adapter.request_device(&descriptor).await.map_err(refused)
}
