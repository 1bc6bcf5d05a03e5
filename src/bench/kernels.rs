//! Kernels one by one: matrix products and convolutions as the layers of small models, and the optimizer as the
//! largest copy that the engine makes.

use super::{BATCH, Effort, KernelRow, Stat, data, timed};
use crate::compile::Options;
use crate::data::Dataset;
use crate::device::{Adapter, Gpu};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::nn::Sequential;
use crate::ops::{Conv2d, Loss, Op};
use crate::optim::Sgd;
use crate::plan::Dispatch;
use crate::schedule::Schedule;
use crate::session::{Control, KernelTime, Run, Session, Stop};
use std::time::Duration;

/// A model in which one layer is what is measured.
pub(super) struct Case {
    pub name: String,
    model: Result<Graph>,
    input: Vec<usize>,
    outputs: usize,
    pub batch: usize,
    /// Start of the layer's label in the plan: its forward and backward kernels are the rows.
    pub layer: &'static str,
}

/// `(m, k) x (k, n)` forward, with its two gradients: the second of two linear layers, as the first has no input
/// gradient.
pub(super) fn matmul(m: usize, k: usize, n: usize) -> Case {
    Case {
        name: format!("matmul {m}x{k}x{n}"),
        model: Sequential::features(1).linear(k).linear(n).build(),
        input: vec![1],
        outputs: n,
        batch: m,
        layer: "linear 2:",
    }
}

/// A 3 x 3 convolution that keeps the image's size, behind one of 1 x 1 so that it has an input gradient.
pub(super) fn conv2d(channels: usize, side: usize, out: usize) -> Case {
    let input = Sequential::image(1, side, side).conv2d(channels, 1);
    let conv = input.layer(Op::Conv2d(Conv2d::new(out, 3).padding(1)));
    Case {
        name: format!("conv2d {BATCH}x{channels}x{side}x{side}->{out}"),
        model: conv.avg_pool(side).flatten().build(),
        input: vec![1, side, side],
        outputs: out,
        batch: BATCH,
        layer: "conv2d 2:",
    }
}

/// SGD with momentum over side x side weights: reads three arrays and writes two.
fn update(side: usize) -> Case {
    Case {
        name: format!("update of {:.1} M", (side * side) as f64 / 1e6),
        model: Sequential::features(side).linear(side).build(),
        input: vec![side],
        outputs: side,
        batch: 1,
        layer: "SGD",
    }
}

/// What shows how fast a device can be: the largest product, and the largest update, which moves more than it computes.
/// Larger on GPUs, which the common sizes do not fill.
pub(super) fn ceilings(adapter: &Adapter) -> [Case; 2] {
    let (side, weights) = if adapter.is_cpu() { (1024, 2048) } else { (4096, 4096) };
    [matmul(side, side, side), update(weights)]
}

/// What is measured on a device: larger sizes on GPUs, which the common ones do not fill.
pub(super) fn cases(adapter: &Adapter) -> Vec<Case> {
    let mut cases = vec![matmul(256, 256, 256), matmul(512, 512, 512)];
    if !adapter.is_cpu() {
        cases.extend([matmul(1024, 1024, 1024), matmul(2048, 2048, 2048)]);
    }
    let [product, update] = ceilings(adapter);
    cases.push(product);
    cases.extend([matmul(64, 784, 256), matmul(64, 256, 128), matmul(64, 128, 10)]);
    cases.extend([conv2d(1, 28, 32), conv2d(32, 14, 64)]);
    cases.push(update);
    cases
}

impl Case {
    pub fn graph(&self) -> Result<&Graph> {
        self.model.as_ref().map_err(|error| Error::shape(self.name.clone(), error.to_string()))
    }

    async fn session(&self, gpu: &Gpu, options: Options) -> Result<(Session, Dataset)> {
        let optimizer = Sgd::momentum(0.9);
        let session = Session::compile(gpu, self.graph()?, Loss::CrossEntropy, optimizer, options).await?;
        Ok((session, data::batch(&self.input, self.batch, self.outputs)?))
    }
}

/// One row for each kernel of the case's layer.
pub(super) async fn measure(gpu: &Gpu, case: &Case, effort: Effort) -> Result<Vec<KernelRow>> {
    let (mut session, data) = case.session(gpu, Options::batch(case.batch).gradients(true)).await?;
    let mut rows = profile(&mut session, &data, &case.name, effort).await?;
    rows.retain(|row| row.layer.starts_with(case.layer));
    Ok(rows)
}

/// Microseconds of the case's layer's kernels of these names, whatever their family, and of the optimizer if it is named;
/// without timestamps, of a whole step.
pub(super) async fn time(
    gpu: &Gpu,
    case: &Case,
    options: Options,
    names: &[&str],
    effort: Effort,
) -> Result<f64> {
    let (mut session, data) = case.session(gpu, options).await?;
    if !gpu.adapter().timestamps {
        return Ok(1e6 * whole(&mut session, &data).await?);
    }
    let rows = profile(&mut session, &data, &case.name, effort).await?;
    let counts = |row: &&KernelRow| {
        let stem =
            row.kernel.rsplit_once('_').filter(|s| FAMILIES.contains(&s.1)).map_or(&*row.kernel, |s| s.0);
        names.contains(&stem) && (row.layer.starts_with(case.layer) || stem == "sgd")
    };
    Ok(rows.iter().filter(counts).map(|row| row.us.min).sum())
}

/// What the names of a kernel's families end in.
const FAMILIES: [&str; 8] =
    ["broadcast", "ragged", "tiled", "tiled64", "quad", "stem", "pointwise", "grouped"];

/// Seconds of a step of a session on one batch.
async fn whole(session: &mut Session, data: &Dataset) -> Result<f64> {
    const STEPS: usize = 12;
    let order: Vec<u32> = (0..STEPS).flat_map(|_| 0..session.options().batch as u32).collect();
    let schedules = [Schedule::constant(1e-8, STEPS, session.optimizer())];
    let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
    session.run(data, &run, Control::default()).await?; // drivers compile kernels on first use
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        least = least.min(session.run(data, &run, Control::default()).await?.cost.wall.as_secs_f64());
    }
    Ok(least / STEPS as f64)
}

/// Every kernel of a session's step, timed again and again.
pub(super) async fn profile(
    session: &mut Session,
    data: &Dataset,
    workload: &str,
    effort: Effort,
) -> Result<Vec<KernelRow>> {
    once(session, data).await?; // drivers compile kernels on first use
    let (first, ms) = timed(once(session, data)).await?;
    let mut samples: Vec<Vec<KernelTime>> = vec![first];
    for _ in 1..effort.repeats(Duration::from_secs_f64(ms / 1e3)) {
        samples.push(once(session, data).await?);
    }
    let row = |(i, dispatch): (usize, &Dispatch)| KernelRow {
        workload: workload.into(),
        kernel: dispatch.kernel.name().into(),
        layer: dispatch.note.clone(),
        us: Stat::of(samples.iter().map(|s| 1e6 * s[i].time.as_secs_f64()).collect()),
        flops: dispatch.flops,
        bytes: dispatch.bytes,
    };
    Ok(session.plan().step.iter().enumerate().map(row).collect())
}

/// One step with every kernel timed. Its rate is too small to matter.
async fn once(session: &mut Session, data: &Dataset) -> Result<Vec<KernelTime>> {
    let batch = session.options().batch as u32;
    let order: Vec<u32> = (0..batch).collect();
    let schedules = [Schedule::constant(1e-8, 1, session.optimizer())];
    let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
    session.profile(data, &run).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Options, compile};

    fn kernels(case: &Case) -> Vec<&'static str> {
        let options = Options::batch(case.batch);
        let optimizer = Sgd::momentum(0.9).into();
        let plan = compile(case.model.as_ref().unwrap(), Loss::CrossEntropy, &optimizer, &options).unwrap();
        plan.step.iter().filter(|d| d.note.starts_with(case.layer)).map(|d| d.kernel.name()).collect()
    }

    #[test]
    fn a_layer_has_its_forward_and_both_gradients() {
        for (case, stem) in [(matmul(3, 5, 7), "linear"), (conv2d(2, 4, 3), "conv2d")] {
            let kernels = kernels(&case);
            assert_eq!(kernels[0], stem);
            for gradient in ["dw", "dx"] {
                assert!(kernels.iter().any(|k| k.starts_with(&format!("{stem}_{gradient}"))), "{kernels:?}");
            }
        }
        assert_eq!(kernels(&update(8)), ["sgd"]);
    }

    #[test]
    fn an_update_reads_and_writes_its_parameters() {
        let case = update(64);
        let optimizer = Sgd::momentum(0.9).into();
        let model = case.model.as_ref().unwrap();
        let plan = compile(model, Loss::CrossEntropy, &optimizer, &Options::batch(1)).unwrap();
        let sgd = plan.step.last().unwrap();
        let arena = 4 * (64 * 64 + 64) as u64;
        assert!(sgd.bytes >= 5 * arena, "{} of {}", sgd.bytes, 5 * arena);
    }
}
