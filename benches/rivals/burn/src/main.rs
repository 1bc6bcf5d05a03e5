//! Range tests with burn's wgpu backend, on the adapter that wgpu prefers: the tightest loop of somebody who uses burn, which has
//! no finder of its own. The rate is an argument of the optimizer's step; the data is resident. Prints a line of JSON, as
//! common.py does, for each model and way.
//!
//! Each model in two ways: the loss read in every step (as finders do, to smooth it and to stop), and all losses read once. On a CPU
//! driver burn's kernels take a second a step, so there a sweep has fewer steps: each row says how many.

mod data;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLoss;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, DeviceKind, Tensor};
use data::Batch;
use serde_json::{Value, json};
use std::error::Error;
use std::time::{Duration, Instant};

// The settings of common.py.
const STEPS: usize = 100;
const START: f64 = 1e-7;
const END: f64 = 10.0;
const MOMENTUM: f64 = 0.9;

/// Of a sweep: what would take longer has fewer steps.
const PATIENCE: Duration = Duration::from_secs(10);

/// Convolutions of 3 x 3, each with relu and a max-pool of 2 x 2; behind them linear layers, with relu between.
#[derive(Module, Debug)]
struct Net {
    convs: Vec<Conv2d>,
    pool: MaxPool2d,
    linears: Vec<Linear>,
}

impl Net {
    fn new(channels: &[usize], features: &[usize], device: &Device) -> Self {
        let conv = |c: &[usize]| {
            let config = Conv2dConfig::new([c[0], c[1]], [3, 3]);
            config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
        };
        Self {
            convs: channels.windows(2).map(conv).collect(),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            linears: features.windows(2).map(|f| LinearConfig::new(f[0], f[1]).init(device)).collect(),
        }
    }

    /// Logits (B, classes) of images (B, C, H, W).
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let pooled = self.convs.iter().fold(images, |x, conv| self.pool.forward(relu(conv.forward(x))));
        let first = self.linears[0].forward(pooled.flatten(1, 3));
        self.linears[1..].iter().fold(first, |x, linear| linear.forward(relu(x)))
    }
}

/// A training at these rates from the model's weights, which stay as they are: burn's modules are values.
fn sweep(model: &Net, rates: &[f64], batches: &[Batch], read: bool, device: &Device) -> Vec<f32> {
    let mut model = model.clone();
    let momentum = MomentumConfig::new().with_momentum(MOMENTUM).with_dampening(0.0);
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let criterion = CrossEntropyLoss::new(None, device);
    let (mut losses, mut kept) = (Vec::new(), Vec::new());
    for (&rate, batch) in rates.iter().zip(batches.iter().cycle()) {
        let loss = criterion.forward(model.forward(batch.images.clone()), batch.labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        match read {
            true => losses.push(loss.into_scalar::<f32>()),
            false => kept.push(loss.inner()),
        }
        model = optimizer.step(rate, model, gradients);
    }
    if !read {
        losses = Tensor::cat(kept, 0).into_data().try_to_vec().expect("losses are f32");
    }
    device.sync().expect("the device did what it was asked"); // the last update is part of the work
    losses
}

/// Learns the first batch by heart, both ways; returns the seconds of the first, in which burn tunes its kernels, and of a step
/// after that. A wrong rival would prove nothing.
fn check(model: &Net, batches: &[Batch], device: &Device) -> Result<[f64; 2], String> {
    const RATES: [f64; 10] = [0.05; 10];
    let start = Instant::now();
    let a = sweep(model, &RATES, &batches[..1], true, device);
    let first = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let b = sweep(model, &RATES, &batches[..1], false, device);
    let step = start.elapsed().as_secs_f64() / RATES.len() as f64;
    if a.iter().zip(&b).any(|(a, b)| (a - b).abs() > 1e-3 * a) {
        return Err(format!("losses read in each step {a:?} are not those read last {b:?}"));
    }
    if (a[0] - 10_f32.ln()).abs() > 0.3 || a[RATES.len() - 1] > 0.8 * a[0] {
        return Err(format!("should begin at about 2.3 and fall: {a:?}"));
    }
    Ok([first, step])
}

/// Milliseconds of a whole sweep, as common.py measures: once for warmth, then again and again.
fn measure(quick: bool, mut sweep: impl FnMut()) -> Value {
    let (seconds, least, most) = if quick { (0.3, 2, 5) } else { (3.0, 5, 31) };
    sweep();
    let start = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < least || (samples.len() < most && start.elapsed().as_secs_f64() < seconds) {
        let begin = Instant::now();
        sweep();
        samples.push(1e3 * begin.elapsed().as_secs_f64());
    }
    samples.sort_by(f64::total_cmp);
    let (n, half) = (samples.len(), samples.len() / 2);
    let median = (samples[half] + samples[(n - 1) / 2]) / 2.0;
    json!({"median": median, "min": samples[0], "max": samples[n - 1], "repeats": n})
}

/// The version of burn that Cargo.lock has.
fn version() -> &'static str {
    let lock = include_str!("../Cargo.lock");
    lock.split_once("name = \"burn\"\nversion = \"")
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or("?")
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::var_os("RIVALS_QUICK").is_some();
    let most = if quick { 20 } else { STEPS };
    let device = Device::wgpu(DeviceKind::DefaultDevice).autodiff();
    let adapter = device.identity().map_or_else(|| "unknown".into(), |identity| identity.name);
    let (data, batches) = data::batches(most, &device)?;
    let mlp = Net::new(&[], &[784, 256, 128, 10], &device);
    let cnn = Net::new(&[1, 32, 64], &[3136, 128, 10], &device);
    for (kind, model) in [("mlp", mlp), ("cnn", cnn)] {
        let [first, step] = check(&model, &batches, &device).map_err(|e| format!("{kind}: {e}"))?;
        eprintln!("burn, {kind} of {} parameters: the first 10 steps took {first:.1} s", model.num_params());
        let steps = ((PATIENCE.as_secs_f64() / step) as usize).clamp(most.min(10), most);
        let rate = |i| START * (END / START).powf(i as f64 / (steps - 1) as f64);
        let rates: Vec<f64> = (0..steps).map(rate).collect();
        for (what, read) in [("burn loop, loss read each step", true), ("burn loop, loss read once", false)] {
            let ms = measure(quick, || drop(sweep(&model, &rates, &batches, read, &device)));
            let median = ms["median"].as_f64().unwrap_or_default();
            eprintln!("{what}, {kind} on {adapter}: {median:.1} ms, {steps} steps");
            let row = json!({
                "name": what, "model": kind, "device": adapter, "steps": steps, "range_test_ms": ms,
                "first_ms": 1e3 * first, "data": data, "versions": {"burn": version()},
            });
            println!("{row}");
        }
    }
    Ok(())
}
