//! Whole steps and whole range tests of the models that the crate brings along.

use super::{BATCH, Effort, RangeRow, Stat, StepRow, data, kernels, timed};
use crate::compile::Options;
use crate::data::order::batch_order;
use crate::data::{Dataset, digits};
use crate::device::Gpu;
use crate::error::Result;
use crate::finder::RangeTest;
use crate::graph::Graph;
use crate::models;
use crate::nn::Sequential;
use crate::ops::Loss;
use crate::optim::Sgd;
use crate::plan::Tuning;
use crate::schedule::Schedule;
use crate::session::{Control, Cost, Run, Session, Stop};
use std::time::Duration;

/// One of the models that the crate brings along, as it is measured.
pub(super) struct Model {
    pub name: &'static str,
    build: fn(&[usize], usize) -> Result<Graph>,
    batch: usize,
    /// Images that it is made for.
    shape: [usize; 3],
    /// Seconds a step on a CPU: measured there only where it is asked for by name.
    pub large: bool,
}

pub(super) const MODELS: [Model; 3] = [
    Model { name: "mlp", build: models::mlp, batch: BATCH, shape: GREY, large: false },
    Model { name: "cnn", build: models::cnn, batch: BATCH, shape: GREY, large: false },
    Model { name: "resnet9", build: models::resnet9, batch: 128, shape: [3, 32, 32], large: true },
];

impl Model {
    /// The name of its step as a workload.
    pub fn step(&self) -> String {
        format!("{} step", self.name)
    }

    /// What it trains on: `grey` images, if it is made for those.
    pub fn images(&self, grey: &Dataset) -> Result<Dataset> {
        if self.shape == GREY { Ok(grey.clone()) } else { data::images(10 * BATCH, self.shape) }
    }
}

/// MNIST's.
pub(super) const GREY: [usize; 3] = [1, 28, 28];

/// Steps in a timed run, where the device is fast enough for so many.
const STEPS: usize = 100;

async fn session(gpu: &Gpu, model: &Model, data: &Dataset) -> Result<Session> {
    let graph = (model.build)(data.shape(), data.classes().unwrap_or(1))?;
    Session::compile(gpu, &graph, Loss::CrossEntropy, Sgd::momentum(0.9), Options::batch(model.batch)).await
}

/// Seconds of a step of the MLP with these kernels: the least of a few short runs.
pub(super) async fn quick_step(gpu: &Gpu, data: &Dataset, tuning: Tuning) -> Result<f64> {
    let graph = models::mlp(data.shape(), data.classes().unwrap_or(1))?;
    let options = Options::batch(BATCH).tuning(tuning);
    let mut session = Session::compile(gpu, &graph, Loss::CrossEntropy, Sgd::momentum(0.9), options).await?;
    let once = train(&mut session, data, 2).await?.wall; // drivers compile kernels on first use
    let again = train(&mut session, data, 2).await?.wall;
    let steps = (0.1 / again.min(once).as_secs_f64().max(1e-6)) as usize;
    let steps = steps.clamp(4, STEPS);
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        // Of the whole run: a few landings close together say nothing of a step.
        least = least.min(train(&mut session, data, steps).await?.wall.as_secs_f64());
    }
    Ok(least / steps as f64)
}

/// A run of `steps` steps at a modest rate.
async fn train(session: &mut Session, data: &Dataset, steps: usize) -> Result<Cost> {
    let order = batch_order(data.len(), session.options().batch, steps, 0)?;
    let schedules = [Schedule::constant(0.01, steps, session.optimizer())];
    let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
    Ok(session.run(data, &run, Control::default()).await?.cost)
}

/// Copies of the smallest model, side by side: one and many.
pub(super) const REPLICAS: [(&str, usize); 2] = [("digits mlp x1", 1), ("digits mlp x64", 64)];

/// Wall time of a step of some replicas of an MLP 64-32-10 on the embedded digits.
pub(super) async fn replicas(gpu: &Gpu, (name, count): (&str, usize), effort: Effort) -> Result<StepRow> {
    let data = digits();
    let model = Sequential::image(1, 8, 8).flatten().linear(32).relu().linear(10).build()?;
    let options = Options::batch(BATCH).replicas(count);
    let session = Session::compile(gpu, &model, Loss::CrossEntropy, Sgd::momentum(0.9), options).await?;
    measured(session, name, &data, effort).await
}

/// Wall time of a training step, and where the device spends it.
pub(super) async fn step(gpu: &Gpu, model: &Model, data: &Dataset, effort: Effort) -> Result<StepRow> {
    measured(session(gpu, model, data).await?, model.name, data, effort).await
}

async fn measured(mut session: Session, model: &str, data: &Dataset, effort: Effort) -> Result<StepRow> {
    train(&mut session, data, 4).await?; // drivers compile kernels on first use
    let few = train(&mut session, data, 8).await?;
    let fits = effort.time.as_secs_f64() / few.step.as_secs_f64().max(1e-6);
    let steps = (fits as usize).clamp(8, STEPS);
    let mut costs = Vec::new();
    for _ in 0..effort.repeats(few.step * steps as u32) {
        costs.push(train(&mut session, data, steps).await?);
    }
    let kernels = match session.gpu().adapter().timestamps {
        true => kernels::profile(&mut session, data, &format!("{model} step"), effort).await?,
        false => Vec::new(),
    };
    let stat = |f: fn(&Cost) -> Duration, scale: f64| {
        Stat::of(costs.iter().map(|c| scale * f(c).as_secs_f64()).collect())
    };
    Ok(StepRow {
        model: model.into(),
        data: data.name().into(),
        batch: session.options().batch,
        parameters: session.plan().parameters(),
        dispatches: session.plan().launches(),
        ms: stat(|c| c.step, 1e3),
        encode_us: stat(|c| c.encode_per_dispatch, 1e6),
        kernels,
    })
}

/// Wall time of a whole range test: steps from 1e-7 to 10, or to the first number that is not finite, with the snapshot before it, the restore
/// behind it, and the two hashes that prove it.
pub(super) async fn range_test(gpu: &Gpu, model: &Model, data: &Dataset, effort: Effort) -> Result<RangeRow> {
    let test = RangeTest { steps: effort.sweep, stop: Stop::NotFinite, ..RangeTest::default() };
    let cold = async {
        let mut session = session(gpu, model, data).await?;
        test.run(&mut session, data).await?;
        Ok(session)
    };
    let (mut session, first_ms) = timed(cold).await?;
    let (mut report, ms) = timed(test.run(&mut session, data)).await?;
    let (mut walls, mut costs) = (vec![ms], vec![report.cost]);
    for _ in 1..effort.repeats(Duration::from_secs_f64(ms / 1e3)) {
        let (again, ms) = timed(test.run(&mut session, data)).await?;
        walls.push(ms);
        costs.push(again.cost);
        report = again;
    }
    let cost = report.cost;
    let ran = report.stopped.map_or(test.steps, |(step, _)| step + 1);
    let dispatches = cost.dispatches_per_step * ran;
    let host = |c: &Cost| 1e3 * c.encode_per_dispatch.as_secs_f64() * dispatches as f64;
    Ok(RangeRow {
        model: model.name.into(),
        data: data.name().into(),
        steps: test.steps,
        ran,
        stopped: report.stopped.map(|(_, reason)| reason.to_string()),
        restored: report.restored(),
        wall_ms: Stat::of(walls),
        sweep_ms: Stat::of(costs.iter().map(|c| 1e3 * c.wall.as_secs_f64()).collect()),
        host_ms: Stat::of(costs.iter().map(host).collect()),
        first_ms,
        dispatches,
        submits: cost.submits,
        waits: cost.waits,
    })
}
