//! What a benchmark found, as data.

use crate::device::Gpu;
use crate::error::{Error, Result};

/// A measurement over its repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct Stat {
    /// The middle one: what is quoted.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many there were.
    pub repeats: usize,
}

impl Stat {
    /// Of some samples; of none, zeros.
    pub fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |i: usize| samples.get(i).copied().unwrap_or(0.0);
        let repeats = samples.len();
        Self { median: at(repeats / 2), min: at(0), max: at(repeats.saturating_sub(1)), repeats }
    }
}

/// The device that was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct Device {
    /// Name by its driver.
    pub name: String,
    /// "discrete GPU", "integrated GPU", "virtual GPU", "CPU", "other".
    pub kind: String,
    /// "Vulkan", "Metal", "Dx12".
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
}

/// One kernel of one workload.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct KernelRow {
    /// "matmul 256x256x256", "cnn step".
    pub workload: String,
    /// The entry point.
    pub kernel: String,
    /// The layer, its shapes, what was fused.
    pub layer: String,
    /// Microseconds on the device, launch by launch.
    pub us: Stat,
    /// Arithmetic: a multiply-add counts as two.
    pub flops: u64,
    /// Bytes that it must at least read and write.
    pub bytes: u64,
}

impl KernelRow {
    /// Billions of operations a second.
    pub fn gflops(&self) -> f64 {
        per_second(self.flops, self.us.median)
    }

    /// Billions of bytes a second, of those that must be moved.
    pub fn gbps(&self) -> f64 {
        per_second(self.bytes, self.us.median)
    }
}

/// Billions a second of something that took so many microseconds.
fn per_second(count: u64, us: f64) -> f64 {
    if us > 0.0 { count as f64 / us / 1e3 } else { 0.0 }
}

/// The most that this device was seen to do in this run. Not what its maker promises: a kernel near it is as good as
/// the best of ours.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct Ceiling {
    /// Billions of operations a second.
    pub gflops: f64,
    /// Which kernel reached it.
    pub gflops_by: String,
    /// Billions of bytes a second, past the caches.
    pub gbps: f64,
    /// Which kernel reached it.
    pub gbps_by: String,
}

/// Bytes that are more than caches hold on most devices.
const PAST_CACHES: u64 = 64 << 20;

impl Ceiling {
    /// The fastest repeats of the fastest rows: a busy machine lowers no ceiling. `None` without a row that moves enough memory
    /// to tell.
    pub fn of(rows: &[KernelRow]) -> Option<Self> {
        let best = |f: fn(&KernelRow) -> f64, rows: &mut dyn Iterator<Item = &KernelRow>| {
            let row = rows.max_by(|a, b| f(a).total_cmp(&f(b)))?;
            Some((f(row), format!("{}, {}", row.kernel, row.workload)))
        };
        let (gflops, gflops_by) = best(|r| per_second(r.flops, r.us.min), &mut rows.iter())?;
        let large = &mut rows.iter().filter(|r| r.bytes >= PAST_CACHES);
        let (gbps, gbps_by) = best(|r| per_second(r.bytes, r.us.min), large)?;
        Some(Self { gflops, gflops_by, gbps, gbps_by })
    }

    /// The microseconds that a kernel needs at the ceiling that binds it: its floor in the roofline model (Williams,
    /// Waterman, Patterson, 2009).
    pub fn floor_us(&self, row: &KernelRow) -> f64 {
        let at = |count: u64, peak: f64| if peak > 0.0 { count as f64 / peak / 1e3 } else { 0.0 };
        at(row.flops, self.gflops).max(at(row.bytes, self.gbps))
    }

    /// Sum of the floors over the sum of the times: 1 is the roofline. Small kernels can exceed it, as their data
    /// stays in caches.
    pub fn share(&self, rows: &[KernelRow]) -> f64 {
        let time: f64 = rows.iter().map(|r| r.us.median).sum();
        let floor: f64 = rows.iter().map(|r| self.floor_us(r)).sum();
        if time > 0.0 { floor / time } else { 0.0 }
    }
}

/// A training step of one of the models.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct StepRow {
    /// "mlp", "cnn".
    pub model: String,
    /// Name of the dataset.
    pub data: String,
    /// Rows of a batch.
    pub batch: usize,
    /// Learned numbers.
    pub parameters: usize,
    /// Kernel launches in one step.
    pub dispatches: usize,
    /// Milliseconds a step, wall-clock, over runs of 100 steps.
    pub ms: Stat,
    /// Microseconds of the host to record one dispatch.
    pub encode_us: Stat,
    /// Every launch of the step, timed in a pass of its own; empty without timestamps.
    pub kernels: Vec<KernelRow>,
}

impl StepRow {
    /// Wall-clock microseconds a dispatch.
    pub fn us_per_dispatch(&self) -> f64 {
        1e3 * self.ms.median / self.dispatches.max(1) as f64
    }

    /// Milliseconds that the kernels of a step take one by one. Passes of their own cost more than places in a shared
    /// one, so this can exceed [`ms`](Self::ms).
    pub fn device_ms(&self) -> f64 {
        self.kernels.iter().map(|k| k.us.median).sum::<f64>() / 1e3
    }
}

/// A whole range test of one of the models.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct RangeRow {
    /// "mlp", "cnn".
    pub model: String,
    /// Name of the dataset.
    pub data: String,
    /// Steps in the grid of rates.
    pub steps: usize,
    /// Steps that ran: fewer where the loss ceased to be finite.
    pub ran: usize,
    /// Why it ended early.
    pub stopped: Option<String>,
    /// Was the model as before, by its hashes?
    pub restored: bool,
    /// Milliseconds from the call to the suggestion: hashes, snapshot, sweep, restore, rules.
    pub wall_ms: Stat,
    /// Milliseconds from the first submit to the last result.
    pub sweep_ms: Stat,
    /// Milliseconds of the host to record the steps that ran.
    pub host_ms: Stat,
    /// Milliseconds of the very first range test, from the model on: compiling, uploading, cold pipelines.
    pub first_ms: f64,
    /// Kernel launches of the steps that ran.
    pub dispatches: usize,
    /// Command buffers handed to the device in the sweep.
    pub submits: usize,
    /// Times that the sweep waited for a device that had nothing left to do.
    pub waits: usize,
}

/// A workload that was not measured: the device has too little of something for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct LeftOut {
    /// "resnet9 step".
    pub workload: String,
    /// What there is too little of, and how much it needs.
    pub error: String,
}

/// All that a benchmark found. `{results}` is a table.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct Results {
    /// This crate's version.
    pub version: String,
    /// Was it a quick look?
    pub quick: bool,
    /// What was measured.
    pub device: Device,
    /// The images of the steps and range tests.
    pub data: String,
    /// Ceilings, from the kernel rows; `None` where there are none.
    pub ceiling: Option<Ceiling>,
    /// Matrix products, convolutions, the optimizer.
    pub kernels: Vec<KernelRow>,
    /// Steps.
    pub steps: Vec<StepRow>,
    /// Range tests.
    pub range_tests: Vec<RangeRow>,
    /// What does not fit the device.
    #[cfg_attr(feature = "cli", serde(default))]
    pub left_out: Vec<LeftOut>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Results {
    /// Was nothing found to measure?
    pub(super) fn is_empty(&self) -> bool {
        let Self { kernels, steps, range_tests, left_out, .. } = self;
        kernels.is_empty() && steps.is_empty() && range_tests.is_empty() && left_out.is_empty()
    }

    /// What a workload measured. Nothing, and a row that says so, where it does not fit the device: others may.
    pub(super) fn fitting<T>(&mut self, workload: &str, measured: Result<T>) -> Result<Option<T>> {
        let error = match measured {
            Ok(found) => return Ok(Some(found)),
            Err(Error::Limit { what, needed, limit, .. }) => {
                format!("{what}: needs {needed}, the device allows {limit}")
            }
            Err(Error::OutOfMemory { detail }) => format!("out of GPU memory: {detail}"),
            Err(error) => return Err(error),
        };
        self.left_out.push(LeftOut { workload: workload.into(), error });
        Ok(None)
    }

    pub(super) fn of(gpu: &Gpu, quick: bool, data: &str) -> Self {
        let adapter = gpu.adapter();
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            quick,
            device: Device {
                name: adapter.name.clone(),
                kind: adapter.kind.into(),
                backend: adapter.backend.clone(),
                driver: adapter.driver.clone(),
            },
            data: data.into(),
            ..Self::default()
        }
    }

    /// The step of a model.
    pub fn step(&self, model: &str) -> Option<&StepRow> {
        self.steps.iter().find(|s| s.model == model)
    }

    /// Milliseconds of the device in a range test: the steps that ran, kernel by kernel. `None` without timestamps.
    pub fn device_ms(&self, test: &RangeRow) -> Option<f64> {
        let step = self.step(&test.model).filter(|s| !s.kernels.is_empty())?;
        Some(step.device_ms() * test.ran as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(flops: u64, bytes: u64, us: f64) -> KernelRow {
        KernelRow { flops, bytes, us: Stat::of(vec![us]), ..Default::default() }
    }

    #[test]
    fn a_stat_is_the_middle_and_the_ends() {
        let stat = Stat::of(vec![3.0, 1.0, 2.0]);
        assert_eq!((stat.median, stat.min, stat.max, stat.repeats), (2.0, 1.0, 3.0, 3));
        assert_eq!(Stat::of(Vec::new()).repeats, 0);
    }

    #[test]
    fn the_ceiling_that_binds_makes_the_floor() {
        // 10 GFLOP/s, and 100 MB in 10 ms: 10 GB/s.
        let rows = [row(10_000_000, 100, 1000.0), row(0, 100_000_000, 10_000.0)];
        let ceiling = Ceiling::of(&rows).unwrap();
        assert!((ceiling.gflops - 10.0).abs() < 1e-9 && (ceiling.gbps - 10.0).abs() < 1e-9);
        assert!((ceiling.floor_us(&row(1_000_000, 10, 0.0)) - 100.0).abs() < 1e-9);
        assert!((ceiling.floor_us(&row(1_000, 10_000_000, 0.0)) - 1000.0).abs() < 1e-9);
        assert!((ceiling.share(&rows) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_ceiling_is_the_best_that_was_seen() {
        let us = Stat::of(vec![10_000.0, 40_000.0, 50_000.0]);
        let copy = KernelRow { us, ..row(50_000_000, 100_000_000, 0.0) };
        let ceiling = Ceiling::of(&[copy]).unwrap();
        assert!((ceiling.gbps - 10.0).abs() < 1e-9 && (ceiling.gflops - 5.0).abs() < 1e-9);
    }

    #[test]
    fn small_copies_set_no_ceiling() {
        assert_eq!(Ceiling::of(&[row(1000, 1000, 1.0)]), None);
        assert_eq!(Ceiling::of(&[]), None);
    }
}
