//! What a step costs beside arithmetic: launches, waits, objects, the host's time.

use crate::common::{block, own_gpu, train};
use rangefinder::{
    Dataset, Gpu, Inputs, Loss, Optimizer, Options, Plan, Profile, RangeTest, Session, Sgd, Targets, compile,
    digits, models,
};
use std::time::Duration;

fn plan(model: rangefinder::Result<rangefinder::Graph>) -> Plan {
    let optimizer: Optimizer = Sgd::momentum(0.9).into();
    compile(&model.unwrap(), Loss::CrossEntropy, &optimizer, &Options::batch(64)).unwrap()
}

/// 784-256-128-10: three layers forward, loss, three weight and two input gradients, tick, update.
#[test]
fn launches_of_an_mlp() {
    let plan = plan(models::mlp(&[1, 28, 28], 10));
    assert_eq!(plan.parameters(), 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10);
    assert!(plan.step.len() <= 13, "{} launches\n{plan}", plan.step.len());
}

/// 32 and 64 channels of 3 x 3 with pools, 128 features.
#[test]
fn launches_of_a_cnn() {
    let plan = plan(models::cnn(&[1, 28, 28], 10));
    let convolutions = 32 * 9 + 32 + 64 * 32 * 9 + 64;
    assert_eq!(plan.parameters(), convolutions + 64 * 49 * 128 + 128 + 128 * 10 + 10);
    assert!(plan.step.len() <= 16, "{} launches\n{plan}", plan.step.len());
}

/// Eight convolutions without a bias, as many normalisations, one linear layer.
#[test]
fn launches_of_a_resnet9() {
    let plan = plan(models::resnet9(&[3, 32, 32], 10));
    let products = 3 * 64 + 64 * 128 + 2 * 128 * 128 + 128 * 256 + 256 * 512 + 2 * 512 * 512;
    assert_eq!(plan.parameters(), 9 * products + 2 * (64 + 3 * 128 + 256 + 3 * 512) + 512 * 10 + 10);
    assert!(plan.step.len() <= 47, "{} launches\n{plan}", plan.step.len());
}

fn mlp_on(gpu: &Gpu) -> Session {
    let model = models::mlp(&[1, 8, 8], 10).unwrap();
    block(Session::compile(gpu, &model, Loss::CrossEntropy, Sgd::momentum(0.9), Options::batch(32))).unwrap()
}

/// The objects are counted for the whole device: this test has one of its own.
#[test]
fn nothing_is_made_after_the_first_run() {
    let gpu = own_gpu();
    let mut session = mlp_on(&gpu);
    let data = digits();
    let first = train(&mut session, &data, &[0.01; 100]).cost;
    // Counted where the host stands still, not assumed: with one submit in flight, each of them would be such a wait.
    assert!(first.waits <= 1, "{first:?}");
    assert!(first.paced < first.submits, "{first:?}");
    assert_eq!(first.dispatches_per_step, session.plan().step.len());
    let made = gpu.made();
    assert!(made.pipelines > 0 && made.buffers > 0 && made.bind_groups > 0, "{made:?}");

    let second = train(&mut session, &data, &[0.01; 100]).cost;
    train(&mut session, &data, &[0.01; 37]);
    assert_eq!(gpu.made(), made, "a second run makes nothing");
    assert!(second.waits <= 1, "{second:?}");
}

/// Every object is there before the first step of a run: the callback, called when steps have ended, sees them all.
#[test]
fn nothing_is_made_during_a_run() {
    let gpu = own_gpu();
    let mut session = mlp_on(&gpu);
    let mut seen = Vec::new();
    let mut progress = |_| seen.push(gpu.made());
    let control = rangefinder::Control { progress: Some(&mut progress), cancel: None };
    let test = RangeTest {
        verify_restore: false,
        stop: rangefinder::Stop::NotFinite,
        to: 0.1,
        ..RangeTest::default()
    };
    let report = block(test.run_with(&mut session, &digits(), control)).unwrap();
    assert_eq!(report.points.len(), 100);
    assert!(report.cost.waits <= 1 && report.cost.submits > 3, "{:?}", report.cost);
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|made| *made == gpu.made()), "{seen:?}, then {:?}", gpu.made());
}

/// Held-out data or not, the host waits for one read-back.
#[test]
fn held_out_data_costs_no_wait() {
    let (report, _) = crate::held_out::watched(&own_gpu());
    assert!(report.cost.waits <= 1, "{:?}", report.cost);
}

/// Nor do the norms of its layers.
#[test]
fn layers_cost_no_wait() {
    for plain in crate::layers::sweeps() {
        let (report, _) = crate::layers::found(RangeTest { layers: true, ..plain });
        assert!(report.cost.waits <= 1, "{:?}", report.cost);
    }
}

/// Warmed up, a session finds all kernels of steps and evaluations made, also with micro-batches.
#[test]
fn a_warm_session_makes_no_kernel() {
    let gpu = own_gpu();
    let data = digits();
    let model = models::mlp(&[1, 8, 8], 10).unwrap();
    for options in [Options::batch(32), Options { accumulate: 2, ..Options::batch(16) }] {
        let compile = Session::compile(&gpu, &model, Loss::CrossEntropy, Sgd::momentum(0.9), options);
        let mut session = block(compile).unwrap();
        let before = gpu.made().pipelines;
        block(session.warm_up(&data)).unwrap();
        let pipelines = gpu.made().pipelines;
        assert!(pipelines > before, "accumulation has kernels of its own");
        train(&mut session, &data, &[0.01; 2]);
        block(session.evaluate(&data)).unwrap();
        assert_eq!(gpu.made().pipelines, pipelines, "{} micro-batches", options.accumulate);
    }
}

/// A second session of the same layers finds its pipelines made.
#[test]
fn sessions_share_pipelines() {
    let gpu = own_gpu();
    train(&mut mlp_on(&gpu), &digits(), &[0.01; 2]);
    let pipelines = gpu.made().pipelines;
    train(&mut mlp_on(&gpu), &digits(), &[0.01; 2]);
    assert_eq!(gpu.made().pipelines, pipelines);
}

/// Of several runs the fastest: other tests run beside this one.
#[test]
fn recording_a_launch_is_cheap() {
    let gpu = own_gpu();
    let mut session = mlp_on(&gpu);
    let encode = |_| train(&mut session, &digits(), &[0.01; 100]).cost.encode_per_dispatch;
    let fastest = (0..5).map(encode).min().unwrap();
    assert!(fastest < Duration::from_micros(5), "{fastest:?} a launch");
}

/// A dataset is copied to the device once, also for evaluations and further runs.
#[test]
fn a_dataset_is_copied_once() {
    let gpu = own_gpu();
    let mut session = mlp_on(&gpu);
    let data = digits();
    train(&mut session, &data, &[0.01; 2]);
    block(session.evaluate(&data)).unwrap();
    let buffers = gpu.made().buffers;
    train(&mut session, &data.clone(), &[0.01; 2]);
    block(session.evaluate(&data.clone())).unwrap();
    assert_eq!(gpu.made().buffers, buffers, "a clone is the same dataset");
    let targets = Targets::Classes { labels: vec![0; 32], classes: 10 };
    let other = Dataset::new("other", [1, 8, 8], Inputs::U8(vec![1; 32 * 64]), targets).unwrap();
    train(&mut session, &other, &[0.01]);
    // Inputs and targets of another one, and a texture where its inputs are mirrored.
    let mirrors = u64::from(session.plan().profile == Profile::Mirrored);
    assert_eq!(gpu.made().buffers, buffers + 2 + mirrors);
}
