//! What every test on a device needs: the one shared device, and short ways to build, run and compare.

use rangefinder::{
    Control, Dataset, Gpu, Graph, Inputs, Loss, Optimizer, Options, Outcome, Run, Schedule, Session, Stop,
    Targets, Tensor,
};
use std::future::Future;
use std::sync::OnceLock;

pub use crate::golden::fill;
pub use crate::golden::replay::widened;

/// How to get an adapter where there is none.
const NO_ADAPTER: &str = "these tests need a Vulkan, Metal or DX12 adapter; on Debian and Ubuntu \
    `apt install mesa-vulkan-drivers` installs one that runs on the CPU";

/// The device that all tests share.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(own_gpu)
}

/// A device of the test's own, where what other tests do beside it would be counted.
pub fn own_gpu() -> Gpu {
    block(Gpu::new()).unwrap_or_else(|e| panic!("{e}\n{NO_ADAPTER}"))
}

/// The result of a future.
#[cfg(not(target_arch = "wasm32"))]
pub fn block<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}

#[cfg(target_arch = "wasm32")]
pub use crate::browser::block;

/// Stands still: a page has no sleep.
pub fn pause(milliseconds: u64) {
    let start = web_time::Instant::now();
    while start.elapsed().as_millis() < u128::from(milliseconds) {}
}

/// A session on the shared device.
#[track_caller]
pub fn session(graph: &Graph, loss: Loss, optimizer: impl Into<Optimizer>, options: Options) -> Session {
    block(Session::compile(gpu(), graph, loss, optimizer, options)).unwrap()
}

/// A dataset of classes.
#[track_caller]
pub fn classes(shape: &[usize], inputs: Vec<f32>, labels: Vec<u32>, classes: usize) -> Dataset {
    Dataset::new("test data", shape, Inputs::F32(inputs), Targets::Classes { labels, classes }).unwrap()
}

/// A dataset of values.
#[track_caller]
pub fn regression(shape: &[usize], inputs: Vec<f32>, values: Vec<f32>, width: usize) -> Dataset {
    Dataset::new("test data", shape, Inputs::F32(inputs), Targets::Values { values, width }).unwrap()
}

/// A run at these rates, to its end unless a loss is not finite. Step t reads the next `batch` rows of the dataset,
/// from the start again after the last.
#[track_caller]
pub fn train(session: &mut Session, data: &Dataset, rates: &[f64]) -> Outcome {
    let first = session.steps_done();
    let order = rows_in_turn(data, session.options().effective_batch(), first..first + rates.len());
    let schedules = [Schedule::rates(rates.to_vec(), session.optimizer())];
    let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
    block(session.run(data, &run, Control::default())).unwrap()
}

/// The rows of these steps, the dataset round and round.
pub fn rows_in_turn(data: &Dataset, batch: usize, steps: std::ops::Range<usize>) -> Vec<u32> {
    (steps.start * batch..steps.end * batch).map(|i| (i % data.len()) as u32).collect()
}

/// All weights of replica 0.
#[track_caller]
pub fn weights(session: &Session) -> Vec<Tensor> {
    block(session.weights(0)).unwrap()
}

/// Overwrites the parameters of replica 0, in order.
#[track_caller]
pub fn set_weights(session: &mut Session, values: &[Vec<f32>]) {
    let mut tensors = weights(session);
    assert_eq!(tensors.len(), values.len(), "parameters of the model");
    for (tensor, values) in tensors.iter_mut().zip(values) {
        assert_eq!(tensor.data.len(), values.len(), "{}", tensor.name);
        tensor.data.clone_from(values);
    }
    session.set_weights(0, &tensors).unwrap();
}

/// The bits of tensors: `==` on floats takes 0 for -0 and no NaN for itself.
pub fn bits(tensors: &[Tensor]) -> Vec<Vec<u32>> {
    tensors.iter().map(|t| t.data.iter().map(|v| v.to_bits()).collect()).collect()
}

/// Panics unless each element is within `tolerance` of the expected one, relative to the tensor's root mean square
/// (or to the element itself, where that is larger).
#[track_caller]
pub fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: elements");
    let size = (expected.iter().map(|x| x * x).sum::<f64>() / expected.len() as f64).sqrt();
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let allowed = tolerance * size.max(e.abs());
        // Not `off > allowed`, which a NaN would pass.
        assert!((f - e).abs() <= allowed, "{what}: element {i} is {f}, not {e} (RMS {size:.3e})");
    }
}
