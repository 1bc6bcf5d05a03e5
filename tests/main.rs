//! One integration-test binary, one shared device.

mod cli;
mod golden;
mod reference;
