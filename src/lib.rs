//! A learning-rate finder that runs whole on the GPU.
//!
//! Rangefinder trains small neural networks with handwritten WGSL kernels on [wgpu](https://docs.rs/wgpu), and finds their
//! learning rate: a whole range test is encoded, submitted and read back once, and the model is put back bit for bit.
//!
//! ```no_run
//! use rangefinder::{Control, Gpu, Loss, Options, RangeTest, Sequential, Session, Sgd, digits};
//!
//! # pollster::block_on(async {
//! let gpu = Gpu::new().await?;
//! let (train, held_out) = digits().split(0.2, 0)?;
//! let model = Sequential::image(1, 8, 8).conv2d(16, 3).relu().max_pool(2).flatten().linear(10).build()?;
//! let optimizer = Sgd::momentum(0.9);
//! let mut session = Session::compile(&gpu, &model, Loss::CrossEntropy, optimizer, Options::batch(64)).await?;
//! let report = RangeTest::default().run(&mut session, &train).await?;
//! match &report.suggestion {
//!     Ok(found) => println!("{:.1e} ({:.1e} to {:.1e}): {}", found.lr, found.low, found.high, found.reason),
//!     Err(refusal) => println!("no suggestion: {}", refusal.reason),
//! }
//! // Nine short trainings around it, side by side: slower, and better.
//! if let Some(good) = report.verify(&session, &train, &held_out, Control::default()).await?.and_then(|v| v.good) {
//!     println!("{:.1e} for a constant rate, {:.1e} as a one-cycle peak", good.lr(), good.one_cycle_peak());
//! }
//! # Ok::<(), rangefinder::Error>(())
//! # }).unwrap();
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bench;
#[cfg(feature = "cli")]
pub mod cli;
mod compile;
pub mod data;
mod device;
mod error;
pub mod finder;
mod graph;
mod init;
mod kernel;
mod layout;
pub mod models;
mod nn;
mod ops;
mod optim;
mod plan;
mod schedule;
mod session;
mod shader;
mod train;
#[cfg(all(feature = "web", target_arch = "wasm32"))]
mod wasm;

pub use compile::{Options, compile};
pub use data::{Dataset, Inputs, Targets, cifar10, digits, mnist, moons, spirals};
pub use device::{Adapter, Gpu, Made, adapters};
pub use error::{Error, Result};
pub use finder::{
    Choice, Curvature, CurvatureTest, GoodRates, GridReport, GridSearch, HeldOutPoint, Layers, Line, Member,
    Mode, NotFinite, Part, Point, RangeTest, Refusal, Report, Rules, Smith, Spacing, Suggestion, Vary,
    Verification, Verified, Verify,
};
pub use graph::{Graph, NodeId, Parameter};
pub use init::Init;
pub use kernel::Kernel;
pub use layout::{Role, View};
pub use nn::Sequential;
pub use ops::{Activation, AvgPool, BatchNorm, Conv2d, Dropout, Linear, Loss, MaxPool, Op};
pub use optim::{Adam, Optimizer, Sgd};
pub use plan::{ClassTuning, DeviceClass, Dispatch, Plan, Profile, ShapeClass, Tiling, Tuning};
pub use schedule::Schedule;
pub use session::{
    Control, Cost, Evaluation, HeldOut, History, KernelTime, Measured, Norms, Outcome, Progress, Run,
    Session, Snapshot, Stop, StopReason, Tensor,
};
pub use train::Training;
