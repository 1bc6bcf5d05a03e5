//! One integration-test binary, one shared device.

mod common;
mod golden;
mod golden_runs;
mod ops;
mod reference;
