//! What a device does with the engine: kernels, training steps and whole range tests, timed.
//!
//! [`run`] returns [`Results`], which are data: print them, [compare](Results::compare) them with an earlier run, or
//! (with the `cli` feature) write them as JSON. `rangefinder bench` and `cargo bench` are both thin over this module.
//!
//! Kernels are timed by timestamps on the device. Steps and range tests are wall-clock times, with every pipeline
//! warm. Where the device has no timestamps there are no kernel rows, and [`Results::notes`] says so.

mod compare;
mod data;
mod expect;
mod kernels;
mod profile;
mod results;
mod steps;
mod table;
mod tune;

pub use compare::{Comparison, Ratio};
pub use expect::{Expected, Verdict, expected};
pub use profile::{Profile, Profiled, profile};
pub use results::{Ceiling, Device, KernelRow, LeftOut, RangeRow, Results, Stat, StepRow};
pub use tune::{Candidate, Tuned, tune};

use crate::data::Dataset;
use crate::device::Gpu;
use crate::error::{Error, Result};
use std::time::Duration;
use web_time::Instant;

/// Rows of a batch in the steps and range tests.
pub const BATCH: usize = 64;

/// What to measure, and for how long.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A tenth of the time, and range tests of 20 steps: for a look, not for a record.
    pub quick: bool,
    /// Only workloads whose name contains this ("matmul", "conv2d", "mlp step", "cnn range test"); default all.
    pub filter: Option<String>,
    /// Images of 28 x 28 for the steps and range tests; default synthetic ones, so that nothing is downloaded.
    pub data: Option<Dataset>,
}

impl Settings {
    fn wants(&self, workload: &str) -> bool {
        self.filter.as_deref().is_none_or(|f| workload.contains(f))
    }

    /// Is a workload of a model measured? A model that takes seconds a step on a CPU only where it is asked for by name.
    fn wants_of(&self, model: &steps::Model, workload: &str, gpu: &Gpu) -> bool {
        let named = self.filter.as_deref().is_some_and(|f| f.contains(model.name));
        self.wants(workload) && (!model.large || named || !gpu.adapter().is_cpu())
    }

    /// What the steps and range tests of grey models train on.
    fn images(&self) -> Result<Dataset> {
        match &self.data {
            Some(data) => Ok(data.clone()),
            None => data::images(100 * BATCH, steps::GREY),
        }
    }

    /// Time that one workload's repeats may take, and how many there are at least and at most.
    fn effort(&self) -> Effort {
        match self.quick {
            true => Effort { time: Duration::from_millis(200), least: 2, most: 5, sweep: 20 },
            false => Effort { time: Duration::from_secs(2), least: 5, most: 31, sweep: 100 },
        }
    }
}

/// How often to repeat.
#[derive(Clone, Copy)]
struct Effort {
    time: Duration,
    least: usize,
    most: usize,
    /// Steps of a range test.
    sweep: usize,
}

impl Effort {
    /// Repeats of something that took this long once. What takes far too long is measured fewer times than asked for.
    fn repeats(self, once: Duration) -> usize {
        let fits = |time: Duration| (time.as_secs_f64() / once.as_secs_f64().max(1e-6)) as usize;
        fits(self.time).clamp(self.least, self.most).min(fits(5 * self.time)).max(1)
    }
}

/// The time that `f` takes, in milliseconds, beside its result.
async fn timed<T>(f: impl Future<Output = Result<T>>) -> Result<(T, f64)> {
    let start = Instant::now();
    let value = f.await?;
    Ok((value, 1e3 * start.elapsed().as_secs_f64()))
}

/// Measures kernels, steps and range tests on a device, and calls `progress` with the name of each before it starts. What does
/// not fit the device is left out, and said to be.
///
/// # Errors
/// The device failed, or the data does not fit the models.
pub async fn run(gpu: &Gpu, settings: &Settings, progress: &mut dyn FnMut(&str)) -> Result<Results> {
    let images = settings.images()?;
    let mut results = Results::of(gpu, settings.quick, images.name());
    if gpu.adapter().timestamps {
        for case in kernels::cases(gpu.adapter()).iter().filter(|c| settings.wants(&c.name)) {
            progress(&case.name);
            let rows = kernels::measure(gpu, case, settings.effort()).await;
            let rows = results.fitting(&case.name, rows)?;
            results.kernels.extend(rows.into_iter().flatten());
        }
        results.ceiling = Ceiling::of(&results.kernels);
    } else {
        results.notes.push("no timestamps on this device: kernels are not timed one by one".into());
    }
    for model in &steps::MODELS {
        let names = [model.step(), format!("{} range test", model.name)];
        let wanted = |name: &String| settings.wants_of(model, name, gpu);
        if !names.iter().any(wanted) {
            continue;
        }
        let images = model.images(&images)?;
        let [step, range_test] = &names;
        if wanted(step) {
            progress(step);
            let row = steps::step(gpu, model, &images, settings.effort()).await;
            let row = results.fitting(step, row)?;
            results.steps.extend(row);
        }
        if wanted(range_test) {
            progress(range_test);
            let row = steps::range_test(gpu, model, &images, settings.effort()).await;
            let row = results.fitting(range_test, row)?;
            results.range_tests.extend(row);
        }
    }
    for copies in steps::REPLICAS {
        let name = format!("{} step", copies.0);
        if settings.wants(&name) {
            progress(&name);
            let row = steps::replicas(gpu, copies, settings.effort()).await;
            let row = results.fitting(&name, row)?;
            results.steps.extend(row);
        }
    }
    match &settings.filter {
        Some(filter) if results.is_empty() => {
            let detail =
                format!("`{filter}` is in no workload's name (or this device can't time kernels); there are");
            let names = "matmul MxKxN, conv2d BxCxHxW->O, update, mlp, cnn, resnet9 with step or range test, and \
                digits mlp x1 and x64 with step";
            Err(Error::argument("filter", format!("{detail} {names}")))
        }
        _ => Ok(results),
    }
}
