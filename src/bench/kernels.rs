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
use crate::session::{KernelTime, Run, Session, Stop};
use std::time::Duration;

/// A model in which one layer is what is measured.
pub(super) struct Case {
    pub name: String,
    model: Result<Graph>,
    input: Vec<usize>,
    outputs: usize,
    batch: usize,
    /// Start of the layer's label in the plan: its forward and backward kernels are the rows.
    layer: &'static str,
}

/// `(m, k) x (k, n)` forward, with its two gradients: the second of two linear layers, as the first has no input
/// gradient.
fn matmul(m: usize, k: usize, n: usize) -> Case {
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
fn conv2d(channels: usize, side: usize, out: usize) -> Case {
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
    let (side, weights) = if adapter.is_cpu() { (1024, 2048) } else { (2048, 4096) };
    [matmul(side, side, side), update(weights)]
}

/// What is measured on a device.
pub(super) fn cases(adapter: &Adapter) -> Vec<Case> {
    let mut cases = vec![matmul(256, 256, 256), matmul(512, 512, 512)];
    if !adapter.is_cpu() {
        cases.push(matmul(1024, 1024, 1024));
    }
    let [product, update] = ceilings(adapter);
    cases.push(product);
    cases.extend([matmul(64, 784, 256), matmul(64, 256, 128), matmul(64, 128, 10)]);
    cases.extend([conv2d(1, 28, 32), conv2d(32, 14, 64)]);
    cases.push(update);
    cases
}

/// One row for each kernel of the case's layer.
pub(super) async fn measure(gpu: &Gpu, case: &Case, effort: Effort) -> Result<Vec<KernelRow>> {
    let model = match &case.model {
        Ok(model) => model,
        Err(error) => return Err(Error::shape(case.name.clone(), error.to_string())),
    };
    let data = data::batch(&case.input, case.batch, case.outputs)?;
    let options = Options::batch(case.batch);
    let mut session = Session::compile(gpu, model, Loss::CrossEntropy, Sgd::momentum(0.9), options).await?;
    let mut rows = profile(&mut session, &data, &case.name, effort).await?;
    rows.retain(|row| row.layer.starts_with(case.layer));
    Ok(rows)
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
