//! Every kernel of the models' steps against the device's own ceilings: the roofline model (Williams, Waterman, Patterson, 2009).

use super::{Ceiling, KernelRow, Results, Settings, Stat, kernels, steps};
use crate::device::Gpu;
use crate::error::{Error, Result};
use std::fmt;

/// One launch of a model's step, and how far it is from what this device was seen to do in the same run.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
pub struct Profiled {
    /// "mlp", "cnn".
    pub model: String,
    /// The entry point.
    pub kernel: String,
    /// The layer, its shapes, what was fused.
    pub layer: String,
    /// Microseconds on the device.
    pub us: Stat,
    /// Share of the time that the step's kernels take one by one, 0 to 1.
    pub share: f64,
    /// Billions of operations a second.
    pub gflops: f64,
    /// Billions of bytes a second, of those that must be moved.
    pub gbps: f64,
    /// Operations a byte: where the kernel stands under the roof.
    pub intensity: f64,
    /// Share of the fastest product's operations a second.
    pub of_gflops: f64,
    /// Share of the largest copy's bytes a second.
    pub of_gbps: f64,
    /// Share of the roof above it: of whichever ceiling binds. Above 1 where data stays in caches that the copy leaves.
    pub of_roof: f64,
}

/// The kernels of the steps under their roof. `{profile}` is a table.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
pub struct Profile {
    /// What the device was seen to do.
    pub ceiling: Ceiling,
    /// Launch by launch, model by model.
    pub kernels: Vec<Profiled>,
}

/// Measures the ceilings (the largest matrix product and the largest update) and then every kernel of the models' steps,
/// in one run.
///
/// # Errors
/// The device has no timestamps or failed, nothing fits it, the data does not fit the models, or the filter names no model's step.
pub async fn profile(gpu: &Gpu, settings: &Settings, progress: &mut dyn FnMut(&str)) -> Result<Results> {
    if !gpu.adapter().timestamps {
        let detail = format!("{} has no timestamps; kernels can't be timed one by one", gpu.adapter().name);
        return Err(Error::Device { detail });
    }
    let images = settings.images()?;
    let mut results = Results::of(gpu, settings.quick, images.name());
    let wanted = |model: &&steps::Model| settings.wants_of(model, &model.step(), gpu);
    let models: Vec<&steps::Model> = steps::MODELS.iter().filter(wanted).collect();
    if models.is_empty() {
        let filter = settings.filter.as_deref().unwrap_or_default();
        let detail = format!(
            "`{filter}` is in no profiled step's name; there are mlp step, cnn step and resnet9 step"
        );
        return Err(Error::argument("filter", detail));
    }
    for case in kernels::ceilings(gpu.adapter()) {
        progress(&case.name);
        let rows = kernels::measure(gpu, &case, settings.effort()).await;
        let rows = results.fitting(&case.name, rows)?;
        results.kernels.extend(rows.into_iter().flatten());
    }
    results.ceiling = Ceiling::of(&results.kernels);
    for model in models {
        progress(&model.step());
        let row = steps::step(gpu, model, &model.images(&images)?, settings.effort()).await;
        let row = results.fitting(&model.step(), row)?;
        results.steps.extend(row);
    }
    if results.profile().is_none() {
        let each = results.left_out.iter().map(|out| format!("{}: {}", out.workload, out.error));
        let detail = format!("too small to profile; {}", each.collect::<Vec<_>>().join("; "));
        return Err(Error::Device { detail });
    }
    Ok(results)
}

impl Results {
    /// The steps' kernels under the ceilings. `None` without ceilings, or without a step whose kernels were timed.
    pub fn profile(&self) -> Option<Profile> {
        let ceiling = self.ceiling.clone()?;
        let rows = self.steps.iter().flat_map(|step| {
            let total = 1e3 * step.device_ms();
            let ceiling = &ceiling;
            step.kernels.iter().map(move |row| profiled(&step.model, row, total, ceiling))
        });
        let kernels: Vec<Profiled> = rows.collect();
        (!kernels.is_empty()).then_some(Profile { ceiling, kernels })
    }
}

fn profiled(model: &str, row: &KernelRow, total: f64, ceiling: &Ceiling) -> Profiled {
    let of = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
    Profiled {
        model: model.into(),
        kernel: row.kernel.clone(),
        layer: row.layer.clone(),
        us: row.us,
        share: of(row.us.median, total),
        gflops: row.gflops(),
        gbps: row.gbps(),
        intensity: of(row.flops as f64, row.bytes as f64),
        of_gflops: of(row.gflops(), ceiling.gflops),
        of_gbps: of(row.gbps(), ceiling.gbps),
        of_roof: of(ceiling.floor_us(row), row.us.median),
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::table::{percent, short};
        for run in self.kernels.chunk_by(|a, b| a.model == b.model) {
            let title = format!("{} step", run.first().map_or("", |row| &row.model));
            writeln!(
                f,
                "\n{title:<44} {:<24} {:>8} {:>6} {:>8} {:>7} {:>7} {:>8} {:>8} {:>8}",
                "kernel", "us", "share", "GFLOP/s", "GB/s", "flop/B", "of gemm", "of copy", "of roof"
            )?;
            for row in run {
                let layer: String = row.layer.chars().take(44).collect();
                writeln!(
                    f,
                    "{layer:<44} {:<24} {:>8} {:>6} {:>8} {:>7} {:>7} {:>8} {:>8} {:>8}",
                    row.kernel,
                    short(row.us.median),
                    percent(row.share),
                    short(row.gflops),
                    short(row.gbps),
                    short(row.intensity),
                    percent(row.of_gflops),
                    percent(row.of_gbps),
                    percent(row.of_roof),
                )?;
            }
        }
        let Ceiling { gflops, gflops_by, gbps, gbps_by } = &self.ceiling;
        writeln!(f, "\nceilings of this run: gemm {} GFLOP/s ({gflops_by})", short(*gflops))?;
        writeln!(f, "                      copy {} GB/s ({gbps_by})", short(*gbps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::StepRow;

    fn row(kernel: &str, flops: u64, bytes: u64, us: f64) -> KernelRow {
        KernelRow { kernel: kernel.into(), flops, bytes, us: Stat::of(vec![us]), ..Default::default() }
    }

    /// 10 GFLOP/s and 10 GB/s: the roof bends at one operation a byte.
    fn results() -> Results {
        let kernels = vec![row("linear", 10_000_000, 100, 1000.0), row("sgd", 0, 100_000_000, 10_000.0)];
        let step = vec![row("a", 1_000_000, 100_000, 300.0), row("b", 1_000, 1_000_000, 100.0)];
        let step = StepRow { model: "mlp".into(), kernels: step, ..Default::default() };
        Results { ceiling: Ceiling::of(&kernels), kernels, steps: vec![step], ..Default::default() }
    }

    #[test]
    fn kernels_stand_under_the_ceiling_that_binds_them() {
        let profile = results().profile().unwrap();
        let [a, b] = &profile.kernels[..] else { panic!("two kernels") };
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        // a: 3.33 GFLOP/s at 10 flop/byte, under the products' 10.
        near(a.share, 0.75);
        near(a.intensity, 10.0);
        near(a.of_gflops, 1.0 / 3.0);
        near(a.of_roof, 1.0 / 3.0);
        // b: 10 GB/s at 0.001 flop/byte, on the copy's line.
        near(b.share, 0.25);
        near(b.of_gbps, 1.0);
        near(b.of_roof, 1.0);
        let text = profile.to_string();
        assert!(
            text.contains("mlp step") && text.contains("33 %") && text.contains("copy 10.0 GB/s"),
            "{text}"
        );
    }

    #[test]
    fn without_ceilings_there_is_no_roof() {
        assert_eq!(Results { ceiling: None, ..results() }.profile(), None);
        assert_eq!(Results { steps: Vec::new(), ..results() }.profile(), None);
    }
}
