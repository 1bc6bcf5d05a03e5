//! One integration-test binary, one shared device.

mod golden;
mod reference;
