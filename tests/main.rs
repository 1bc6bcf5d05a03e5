//! One integration-test binary, one shared device.

mod accumulation;
mod adopt;
mod architecture;
mod cli;
mod common;
mod curvature;
mod datasets;
mod determinism;
mod divergence;
mod golden;
mod golden_runs;
mod grid;
mod held_out;
mod layers;
mod modes;
mod ops;
mod optimizers;
mod overhead;
mod plans;
mod reference;
mod restore;
