//! Dropout: how much it keeps, and that forward and backward keep the same.

use super::Harness;
use crate::common::{assert_close, fill, widened};
use crate::reference;
use rangefinder::{Dropout, Graph, NodeId, Op, Profile};

const P: f32 = 0.3;

fn add(graph: &mut Graph, node: NodeId) -> NodeId {
    graph.add(Op::Dropout(Dropout { p: P }), &[node]).unwrap()
}

/// 1 where y is not zero.
fn mask(y: &[f64]) -> Vec<f64> {
    // y is read back from a gradient (see the harness): a zero has a rounding error.
    y.iter().map(|y| f64::from(u8::from(y.abs() > 1e-3))).collect()
}

/// Far from zero, so that a zero is a dropped element.
fn inputs(len: usize) -> Vec<f32> {
    fill(len, 1, 1.0).iter().map(|v| v + 2.0).collect()
}

#[test]
fn forward_and_backward_drop_the_same() {
    for (b, i) in [(1, 129), (7, 13), (65, 65)] {
        let x = inputs(b * i);
        let mut harness = Harness::new(&x, &[i], &[], Profile::default(), add);
        for step in 0..3 {
            let seen = harness.step();
            let kept = mask(&seen.y);
            assert!(kept.contains(&0.0) && kept.contains(&1.0), "{b}x{i}, step {step}: {kept:?}");
            let y = reference::dropout::forward(&widened(&x), &kept, f64::from(P));
            let dx = reference::dropout::dx(&seen.dy, &kept, f64::from(P));
            assert_close(&seen.y, &y, 1e-5, "y");
            assert_close(&seen.dx, &dx, 1e-6, "dx");
        }
    }
}

/// Of 64 * 129 elements 30 % are dropped, to five standard deviations.
#[test]
fn the_share_is_the_one_asked_for() {
    let (b, i) = (64, 129);
    let mut harness = Harness::new(&inputs(b * i), &[i], &[], Profile::default(), add);
    let n = (b * i) as f64;
    let dropped = n - mask(&harness.step().y).iter().sum::<f64>();
    let (p, allowed) = (f64::from(P), 5.0 * (0.3f64 * 0.7 / n).sqrt());
    assert!((dropped / n - p).abs() < allowed, "{dropped} of {n} dropped, not {p} of them");
}

#[test]
fn another_step_drops_others_and_another_run_the_same() {
    let x = inputs(7 * 13);
    let masks = || {
        let mut harness = Harness::new(&x, &[13], &[], Profile::default(), add);
        [0; 3].map(|_| mask(&harness.step().y))
    };
    let first = masks();
    assert_ne!(first[0], first[1]);
    assert_ne!(first[1], first[2]);
    assert_eq!(masks(), first);
}

/// Two dropouts of one model draw from different streams.
#[test]
fn another_layer_drops_others() {
    let x = inputs(7 * 13);
    let mut harness = Harness::new(&x, &[13], &[], Profile::default(), |graph, node| {
        let first = add(graph, node);
        let second = add(graph, node);
        graph.add(Op::Add, &[first, second]).unwrap()
    });
    // Were both masks one, each sum would be 0 or 2 x / (1 - p), never x / (1 - p).
    let y = harness.step().y;
    let once = |(y, x): (&f64, &f32)| (y / f64::from(*x) - 1.0 / 0.7).abs() < 1e-3;
    assert!(y.iter().zip(&x).any(once), "{y:?}");
}

#[test]
fn evaluated_it_does_nothing() {
    let x = inputs(7 * 13);
    let mut harness = Harness::new(&x, &[13], &[], Profile::default(), add);
    harness.step();
    assert_eq!(harness.evaluated(), widened(&x));
}
