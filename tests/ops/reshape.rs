//! Flatten and reshape: the same elements in the same order, without a launch.

use super::{Oracle, check_op, conv2d, linear};
use crate::common::fill;
use rangefinder::{Linear, Op};

#[test]
fn views_cost_no_launch() {
    let x = fill(3 * 24, 1, 1.0);
    let identity = || Oracle::pure(|x| x.to_vec(), |dy, _| dy.to_vec());
    let bare = check_op("nothing", (&x, &[24]), &identity(), |_, node| node);
    let views = check_op("views", (&x, &[24]), &identity(), |graph, node| {
        let image = graph.add(Op::Reshape(vec![2, 3, 4]), &[node]).unwrap();
        let flat = graph.add(Op::Flatten, &[image]).unwrap();
        graph.add(Op::Reshape(vec![4, 6]), &[flat]).unwrap()
    });
    assert_eq!(views, bare);
}

/// (out, height, width) of a convolution, flattened for a linear layer, and back into an image.
#[test]
fn between_layers_that_need_them() {
    let first = conv2d::plain(2, [1, 4, 5], 3, [3, 3]); // 3x2x3
    let second = conv2d::plain(2, [2, 2, 3], 1, [2, 2]);
    let oracle =
        conv2d::oracle(first, true).then(linear::oracle(2, 18, 12, true)).then(conv2d::oracle(second, true));
    let x = fill(first.x_len(), 1, 1.0);
    check_op("conv2d, flatten, linear, reshape, conv2d", (&x, &[1, 4, 5]), &oracle, |graph, node| {
        let mut add = |op, node| graph.add(op, &[node]).unwrap();
        let image = add(conv2d::layer(&first, true), node);
        let flat = add(Op::Flatten, image);
        let wide = add(Op::Linear(Linear::new(12)), flat);
        let image = add(Op::Reshape(vec![2, 2, 3]), wide);
        add(conv2d::layer(&second, true), image)
    });
}
