//! The oracle: every op, loss and optimizer of the engine once more, as plain `f64` loops on the host.
//!
//! Nothing here is fast and nothing is shared with the engine: each file states its formula in the order in which
//! one would write it on paper, forward and every gradient, with PyTorch's semantics and row-major layouts. The tests
//! under `tests/ops` compare the GPU with these functions. The functions themselves are checked twice: in each file
//! against central differences ([`finite_difference`]), and in `tests/golden` against numbers from PyTorch.
//!
//! Dimension letters: B batch, I in, O out, C channels, H W, K kernel; a gradient is `d` + the name of what it is the
//! gradient of, and `dy` is the gradient that arrives from above.

pub mod activation;
pub mod add;
pub mod avg_pool;
pub mod batch_norm;
pub mod conv2d;
pub mod cross_entropy;
pub mod dropout;
pub mod finite_difference;
pub mod linear;
pub mod max_pool;
pub mod mean_squared_error;
pub mod optim;
