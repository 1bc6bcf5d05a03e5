//! A classifier's last layer and its loss in one launch, against the oracles of the two.

use super::{TRANSCENDENTAL, one_hot_rows, source, transposed};
use crate::common::{
    assert_close, block, classes, fill, gpu, rows_in_turn, session, set_weights, train, widened,
};
use crate::golden::labels;
use crate::reference::{cross_entropy::CrossEntropy, linear::Linear};
use rangefinder::{Control, Graph, Linear as Layer, Loss, Op, Options, Profile, Run, Schedule, Sgd, Stop};

/// A layer of `k` classes behind one that hands out its weights: the batch's rows of `x`, and their gradient.
fn model(b: usize, i: usize, k: usize, bias: bool) -> Graph {
    let mut graph = Graph::new(&[b]).unwrap();
    let x = source(&mut graph, i);
    graph.add(Op::Linear(Layer { out: k, bias }), &[x]).unwrap();
    graph
}

fn profiles() -> Vec<Profile> {
    let made_for = [Profile::Broadcast, Profile::Mirrored];
    gpu().profiles().into_iter().filter(|profile| made_for.contains(profile)).collect()
}

#[track_caller]
fn check(b: usize, i: usize, k: usize, bias: bool, scale: f32) {
    let (layer, loss) = (Linear { b, i, o: k }, CrossEntropy { b, k });
    let (x, w) = (fill(b * i, 1, 1.0), fill(k * i, 2, scale));
    let offset = fill(k, 3, if bias { scale } else { 0.0 });
    let labels = labels(b, 4, k as u32);
    let (wide_x, wide_w) = (widened(&x), widened(&w));
    let logits = layer.forward(&wide_x, &wide_w, &widened(&offset));
    let dz = loss.dlogits(&logits, &labels);
    for profile in profiles() {
        let what = format!("{b}x{i} to {k} classes, {profile:?}");
        let options = Options::batch(b).gradients(true).profile(profile);
        let mut session = session(&model(b, i, k, bias), Loss::CrossEntropy, Sgd::plain(), options);
        assert_eq!(session.plan().step[1].kernel.name(), "linear_cross_entropy", "{what}");
        let mut values = vec![transposed(&x, i), w.clone()];
        values.extend(bias.then(|| offset.clone()));
        set_weights(&mut session, &values);
        let data = classes(&[b], one_hot_rows(b), labels.clone(), k);
        let step = train(&mut session, &data, &[0.0]).histories[0].steps[0];
        assert_close(&[step.loss], &[loss.mean(&logits, &labels)], TRANSCENDENTAL, &format!("{what}: loss"));
        let right = loss.correct(&logits, &labels).iter().filter(|right| **right).count();
        assert_eq!((step.accuracy.unwrap() * b as f64).round() as usize, right, "{what}: rows right");
        let found = block(session.gradients(0)).unwrap();
        let found: Vec<_> = found.iter().map(|t| widened(&t.data)).collect();
        let dx = transposed(&layer.dx(&dz, &wide_w), i);
        let expected = [Some(dx), Some(layer.dw(&dz, &wide_x)), bias.then(|| layer.db(&dz))];
        for (part, (found, expected)) in found.iter().zip(expected.iter().flatten()).enumerate() {
            assert_close(found, expected, TRANSCENDENTAL, &format!("{what}: gradient {part}"));
        }
    }
}

#[test]
fn any_number_of_classes_to_a_tile() {
    for k in [2, 3, 4, 5, 10, 16, 29, 31, 32] {
        check(17, 12, k, k != 5, 1.0);
    }
}

#[test]
fn any_number_of_rows() {
    for b in [1, 7, 15, 16, 33, 64] {
        check(b, 20, 10, true, 1.0);
    }
}

/// Without the shift by the largest, exp overflows.
#[test]
fn huge_logits_stay_finite() {
    check(8, 4, 6, true, 1e4);
}

/// Of equals the first is the answer.
#[test]
fn equal_logits() {
    for profile in profiles() {
        let options = Options::batch(4).gradients(true).profile(profile);
        let mut session = session(&model(4, 8, 5, true), Loss::CrossEntropy, Sgd::plain(), options);
        set_weights(&mut session, &[fill(32, 1, 1.0), vec![0.0; 40], vec![7.0; 5]]);
        let data = classes(&[4], one_hot_rows(4), vec![0, 1, 4, 0], 5);
        let step = train(&mut session, &data, &[0.0]).histories[0].steps[0];
        assert_eq!(step.accuracy, Some(0.5));
        assert_close(&[step.loss], &[5f64.ln()], TRANSCENDENTAL, "loss");
    }
}

/// Another replica whose weights are not finite, which lies behind the last class's, touches nothing.
#[test]
fn replicas_do_not_meet() {
    for profile in profiles() {
        let run = |rates: &[f64]| {
            let options = Options::batch(8).replicas(rates.len()).profile(profile);
            let mut session = session(&model(8, 8, 5, false), Loss::CrossEntropy, Sgd::plain(), options);
            let data = classes(&[8], one_hot_rows(8), labels(8, 4, 5), 5);
            let order = rows_in_turn(&data, 8, 0..4);
            let schedules: Vec<_> =
                rates.iter().map(|&rate| Schedule::constant(rate, 4, session.optimizer())).collect();
            let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
            let histories = block(session.run(&data, &run, Control::default())).unwrap().histories;
            histories[0].steps.iter().map(|m| m.loss.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(run(&[0.1]), run(&[0.1, 1e38]), "{profile:?}");
    }
}
