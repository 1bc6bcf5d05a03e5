//! Sums of two values, and with them every gradient that is added to what another reader left.

use super::{Oracle, TRANSCENDENTAL, batch_norm, check_op, check_op_within, conv2d, linear, max_pool};
use crate::common::fill;
use crate::reference;
use rangefinder::{Activation, BatchNorm, Dropout, Graph, Linear, NodeId, Op};

/// `x + f(x)`.
fn residual(f: Oracle) -> Oracle {
    f.plus(Oracle::identity())
}

/// The op on `node`, plus `node`: the op's gradient comes second and is accumulated.
fn around(graph: &mut Graph, node: NodeId, op: Op) -> NodeId {
    let y = graph.add(op, &[node]).unwrap();
    graph.add(Op::Add, &[y, node]).unwrap()
}

#[test]
fn of_a_value_and_itself() {
    let twice = |x: &[f64]| reference::add::forward(x, x);
    let oracle = Oracle::pure(twice, move |dy, _| twice(dy));
    for (b, i) in [(1, 1), (7, 13), (3, 65)] {
        let x = fill(b * i, 1, 1.0);
        let add = |graph: &mut Graph, node| graph.add(Op::Add, &[node, node]).unwrap();
        check_op(&format!("x + x of {b}x{i}"), (&x, &[i]), &oracle, add);
    }
}

#[test]
fn around_a_linear_layer() {
    let x = fill(7 * 13, 1, 1.0);
    check_op("x + linear(x)", (&x, &[13]), &residual(linear::oracle(7, 13, 13, true)), |graph, node| {
        around(graph, node, Op::Linear(Linear::new(13)))
    });
}

#[test]
fn around_a_convolution() {
    let shape = reference::conv2d::Conv2d { padding: [1, 1], ..conv2d::plain(2, [3, 5, 7], 3, [3, 3]) };
    let x = fill(shape.x_len(), 1, 1.0);
    let oracle = residual(conv2d::oracle(shape, true));
    check_op("x + conv2d(x)", (&x, &[3, 5, 7]), &oracle, |graph, node| {
        around(graph, node, conv2d::layer(&shape, true))
    });
}

#[test]
fn around_a_pool() {
    let shape = reference::max_pool::MaxPool {
        stride: [1, 1],
        padding: [1, 1],
        ..max_pool::plain(2, [3, 5, 7], [3, 3])
    };
    let x = fill(shape.x_len(), 1, 1.0);
    check_op("x + max_pool(x)", (&x, &[3, 5, 7]), &residual(max_pool::oracle(shape)), |graph, node| {
        around(graph, node, max_pool::layer(&shape))
    });
    let shape = reference::avg_pool::AvgPool {
        stride: [1, 1],
        padding: [1, 1],
        ..super::avg_pool::plain(2, [3, 5, 7], [3, 3])
    };
    let oracle = residual(super::avg_pool::oracle(shape));
    check_op("x + avg_pool(x)", (&x, &[3, 5, 7]), &oracle, |graph, node| {
        around(graph, node, super::avg_pool::layer(&shape))
    });
}

#[test]
fn around_an_activation() {
    let x = fill(7 * 13, 1, 3.0);
    for (act, oracle) in super::activation::PAIRS {
        let oracle = residual(super::activation::oracle(oracle));
        check_op_within(
            TRANSCENDENTAL,
            &format!("x + {}(x)", act.name()),
            (&x, &[13]),
            &oracle,
            |graph, node| around(graph, node, Op::Activation(act)),
        );
    }
}

/// Dropout that keeps all, so that the oracle needs no mask.
#[test]
fn around_dropout() {
    let x = fill(7 * 13, 1, 1.0);
    let oracle = residual(Oracle::identity());
    check_op("x + dropout(x)", (&x, &[13]), &oracle, |graph, node| {
        around(graph, node, Op::Dropout(Dropout { p: 0.0 }))
    });
}

#[test]
fn around_batch_normalisation() {
    let norm = reference::batch_norm::BatchNorm::new(3, 5, 7);
    let x = fill(norm.x_len(), 1, 1.0);
    let oracle = residual(batch_norm::oracle(norm));
    batch_norm::check_training("x + batch_norm(x)", (&x, &[5, 1, 7]), &oracle, |graph, node| {
        around(graph, node, Op::BatchNorm(BatchNorm::default()))
    });
}

/// A value read three times, one reader behind another: relu(fc(x)) + fc(x) + x, where fc(x) may not be overwritten.
#[test]
fn a_bare_value_that_an_activation_also_reads() {
    let relu = super::activation::oracle(reference::activation::Activation::Relu);
    let oracle = residual(linear::oracle(7, 13, 13, true).then(residual(relu)));
    let x = fill(7 * 13, 1, 1.0);
    let kernels = check_op("x + z + relu(z)", (&x, &[13]), &oracle, |graph, node| {
        let z = graph.add(Op::Linear(Linear::new(13)), &[node]).unwrap();
        let inner = around(graph, z, Op::Activation(Activation::Relu));
        graph.add(Op::Add, &[inner, node]).unwrap()
    });
    assert!(kernels.contains(&"activation"), "relu(z) must not be fused, z is read: {kernels:?}");
}
