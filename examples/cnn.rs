//! Finds the learning rate of a small CNN, trains with it under a one-cycle schedule, and prints the test accuracy.
//!
//! `cargo run --release --example cnn` uses the embedded digits; `-- mnist:DIR` reads MNIST's IDX files from DIR.

mod common;

use rangefinder::models;

fn main() -> std::process::ExitCode {
    common::main(models::cnn)
}
