//! Mean of each window: overlapping, padded, uneven.

use super::{Oracle, check_op};
use crate::common::fill;
use crate::reference;
use rangefinder::{AvgPool, Op};

/// The layer of the engine that the oracle's shape describes.
pub fn layer(shape: &reference::avg_pool::AvgPool) -> Op {
    Op::AvgPool(AvgPool { kernel: shape.kernel, stride: shape.stride, padding: shape.padding })
}

/// The oracle.
pub fn oracle(shape: reference::avg_pool::AvgPool) -> Oracle {
    Oracle::pure(move |x| shape.forward(x), move |dy, _| shape.dx(dy))
}

/// Windows side by side.
pub const fn plain(b: usize, [c, h, w]: [usize; 3], kernel: [usize; 2]) -> reference::avg_pool::AvgPool {
    reference::avg_pool::AvgPool { b, c, h, w, kernel, stride: kernel, padding: [0, 0] }
}

#[track_caller]
fn check(shape: reference::avg_pool::AvgPool) {
    let x = fill(shape.x_len(), 1, 1.0);
    check_op(&format!("{shape:?}"), (&x, &[shape.c, shape.h, shape.w]), &oracle(shape), |graph, node| {
        graph.add(layer(&shape), &[node]).unwrap()
    });
}

#[test]
fn side_by_side() {
    check(plain(1, [1, 1, 1], [1, 1]));
    check(plain(2, [3, 4, 6], [2, 2]));
    check(plain(3, [5, 5, 7], [2, 2])); // a row and a column are left over
    check(plain(2, [17, 8, 8], [8, 8])); // all of the image
}

#[test]
fn overlapping_and_padded() {
    let image = plain(2, [3, 5, 7], [3, 3]);
    check(reference::avg_pool::AvgPool { stride: [1, 1], ..image });
    check(reference::avg_pool::AvgPool { stride: [2, 2], padding: [1, 1], ..image });
    check(reference::avg_pool::AvgPool { kernel: [3, 2], stride: [2, 1], padding: [1, 1], ..image });
}
