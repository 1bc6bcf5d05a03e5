//! One integration-test binary, one shared device. `make test-web` runs the same in a browser, but for what needs files or
//! processes.

#![cfg_attr(target_arch = "wasm32", feature(custom_test_frameworks, test), test_runner(browser::collect))]

mod accumulation;
mod adopt;
#[cfg(not(target_arch = "wasm32"))]
mod architecture;
#[cfg(target_arch = "wasm32")]
mod browser;
#[cfg(not(target_arch = "wasm32"))]
mod cli;
mod common;
mod curvature;
#[cfg(not(target_arch = "wasm32"))]
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
mod predict;
mod reference;
mod restore;
mod updates;
