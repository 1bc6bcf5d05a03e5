//! The five activations as launches of their own: behind an op that cannot apply them, or read by another activation.

use super::{Oracle, TOLERANCE, TRANSCENDENTAL, check_op_within};
use crate::common::fill;
use crate::reference;
use rangefinder::{Activation, Op};

/// The engine's activation, and the oracle's.
pub const PAIRS: [(Activation, reference::activation::Activation); 5] = [
    (Activation::Relu, reference::activation::Activation::Relu),
    (Activation::Tanh, reference::activation::Activation::Tanh),
    (Activation::Sigmoid, reference::activation::Activation::Sigmoid),
    (Activation::Gelu, reference::activation::Activation::Gelu),
    (Activation::Silu, reference::activation::Activation::Silu),
];

/// The oracle.
pub fn oracle(act: reference::activation::Activation) -> Oracle {
    Oracle::pure(move |x| act.forward(x), move |dy, x| act.dx(dy, x))
}

/// All but relu are made of exp.
pub fn tolerance(act: Activation) -> f64 {
    if act == Activation::Relu { TOLERANCE } else { TRANSCENDENTAL }
}

/// Two in a row: an activation neither applies another nor its slope.
#[test]
fn behind_each_other() {
    for (i, (act, oracle_of)) in PAIRS.into_iter().enumerate() {
        let (above, above_oracle) = PAIRS[(i + 1) % 5];
        let x = fill(7 * 13, 1, 4.0);
        let both = oracle(oracle_of).then(oracle(above_oracle));
        let name = format!("{} then {}", act.name(), above.name());
        let kernels = check_op_within(TRANSCENDENTAL, &name, (&x, &[13]), &both, |graph, node| {
            let first = graph.activation(act, node).unwrap();
            graph.activation(above, first).unwrap()
        });
        assert!(kernels.contains(&"activation"), "{name}: {kernels:?}");
    }
}

/// A pool cannot apply them.
#[test]
fn alone_behind_a_pool() {
    for (act, oracle_of) in PAIRS {
        let shape = super::max_pool::plain(2, [2, 3, 5], [1, 1]);
        let x = fill(shape.x_len(), 1, 4.0);
        let both = super::max_pool::oracle(shape).then(oracle(oracle_of));
        let kernels = check_op_within(tolerance(act), act.name(), (&x, &[2, 3, 5]), &both, |graph, node| {
            let pooled = graph.add(super::max_pool::layer(&shape), &[node]).unwrap();
            graph.add(Op::Activation(act), &[pooled]).unwrap()
        });
        assert!(kernels.contains(&"activation"), "{}: {kernels:?}", act.name());
    }
}

/// Far out nothing overflows: exp(-x) is infinite in f32 beyond 88.
#[test]
fn large_inputs_stay_finite() {
    let x = [-200.0, -90.0, -20.0, -1e-3, 0.0, 1e-3, 20.0, 90.0, 200.0];
    for (act, oracle_of) in PAIRS {
        let shape = super::max_pool::plain(1, [1, 3, 3], [1, 1]);
        let both = super::max_pool::oracle(shape).then(oracle(oracle_of));
        check_op_within(tolerance(act), act.name(), (&x, &[1, 3, 3]), &both, |graph, node| {
            let pooled = graph.add(super::max_pool::layer(&shape), &[node]).unwrap();
            graph.add(Op::Activation(act), &[pooled]).unwrap()
        });
    }
}
