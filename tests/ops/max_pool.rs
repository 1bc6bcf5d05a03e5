//! Largest of each window: overlapping, padded, uneven, with ties.

use super::{Oracle, check_op};
use crate::common::fill;
use crate::reference;
use rangefinder::{MaxPool, Op};

/// The layer of the engine that the oracle's shape describes.
pub fn layer(shape: &reference::max_pool::MaxPool) -> Op {
    Op::MaxPool(MaxPool { kernel: shape.kernel, stride: shape.stride, padding: shape.padding })
}

/// The oracle.
pub fn oracle(shape: reference::max_pool::MaxPool) -> Oracle {
    Oracle::pure(move |x| shape.forward(x), move |dy, x| shape.dx(dy, x))
}

/// Windows side by side.
pub const fn plain(b: usize, [c, h, w]: [usize; 3], kernel: [usize; 2]) -> reference::max_pool::MaxPool {
    reference::max_pool::MaxPool { b, c, h, w, kernel, stride: kernel, padding: [0, 0] }
}

#[track_caller]
fn check_values(shape: reference::max_pool::MaxPool, x: &[f32]) {
    check_op(&format!("{shape:?}"), (x, &[shape.c, shape.h, shape.w]), &oracle(shape), |graph, node| {
        graph.add(layer(&shape), &[node]).unwrap()
    });
}

#[track_caller]
fn check(shape: reference::max_pool::MaxPool) {
    check_values(shape, &fill(shape.x_len(), 1, 1.0));
}

#[test]
fn side_by_side() {
    check(plain(1, [1, 1, 1], [1, 1]));
    check(plain(2, [3, 4, 6], [2, 2]));
    check(plain(3, [5, 5, 7], [2, 2])); // a row and a column are left over
    check(plain(1, [2, 9, 9], [3, 2]));
}

#[test]
fn overlapping_and_padded() {
    let image = plain(2, [3, 5, 7], [3, 3]);
    check(reference::max_pool::MaxPool { stride: [1, 1], ..image });
    check(reference::max_pool::MaxPool { stride: [2, 2], padding: [1, 1], ..image });
    check(reference::max_pool::MaxPool { kernel: [3, 2], stride: [2, 1], padding: [1, 1], ..image });
}

/// All values negative: padding must not win with a zero.
#[test]
fn padding_never_wins() {
    let shape =
        reference::max_pool::MaxPool { stride: [2, 2], padding: [1, 1], ..plain(2, [2, 5, 5], [3, 3]) };
    let x: Vec<f32> = fill(shape.x_len(), 1, 1.0).iter().map(|v| v - 2.0).collect();
    check_values(shape, &x);
}

/// The first of equals takes the gradient, as in PyTorch.
#[test]
fn ties() {
    let shape = reference::max_pool::MaxPool { stride: [1, 1], ..plain(2, [3, 5, 7], [3, 3]) };
    let x: Vec<f32> = fill(shape.x_len(), 1, 2.0).iter().map(|v| v.floor()).collect();
    check_values(shape, &x);
    check_values(shape, &vec![1.0; shape.x_len()]);
}
