//! One integration-test binary, one shared device.

mod common;
mod determinism;
mod golden;
mod golden_runs;
mod ops;
mod optimizers;
mod overhead;
mod reference;
mod restore;
