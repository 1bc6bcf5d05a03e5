//! The oracles of `tests/reference` against PyTorch's numbers.

use super::replay::{Layer, cnn, cnn_batch_norm, mlp, train, widened};
use super::values::{
    ACTIVATION, AVG_POOL, BATCH_NORM, CNN, CNN_BATCH_NORM, CONV2D, CROSS_ENTROPY, FILL, LABELS, LINEAR,
    MAX_POOL, MEAN_SQUARED_ERROR, MLP, TRAJECTORIES,
};
use super::{LOSS_TOLERANCE, Model, Run, Summary, Trajectory, fill, labels};
use crate::reference::batch_norm::Running;
use crate::reference::optim::{Adam, Decay, Optimizer, Sgd, State, clip_factor, clipped, global_norm};

/// Both sides compute in `f64`; only the order of the sums differs.
const TOLERANCE: f64 = 1e-12;

/// The operand of a witness: input 1, weight 2, bias 3, incoming gradient 4 (see `make.py`).
fn operand(len: usize, seed: u32) -> Vec<f64> {
    widened(&fill(len, seed, 1.0))
}

#[track_caller]
fn assert_all<const N: usize>(
    expected: [Summary; N],
    found: [(&str, Vec<f64>); N],
    shape: &dyn std::fmt::Debug,
) {
    for (expected, (name, values)) in expected.iter().zip(found) {
        expected.assert_matches(&values, TOLERANCE, &format!("{name} of {shape:?}"));
    }
}

#[track_caller]
fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= TOLERANCE * expected.abs(), "{what}: {found}, not {expected}");
}

#[test]
fn python_and_rust_fill_alike() {
    assert_eq!(fill(8, 7, 0.3), FILL);
    assert_eq!(labels(16, 101, 10), LABELS);
}

#[test]
#[should_panic(expected = "the sum of squares is NaN")]
fn a_summary_matches_no_nan() {
    Summary::of(&[1.0, 2.0]).assert_matches(&[1.0, f64::NAN], 1.0, "x");
}

#[test]
fn linear_agrees() {
    for (layer, expected) in LINEAR {
        let (x, w) = (operand(layer.b * layer.i, 1), operand(layer.o * layer.i, 2));
        let (bias, dy) = (operand(layer.o, 3), operand(layer.b * layer.o, 4));
        let found = [
            ("y", layer.forward(&x, &w, &bias)),
            ("dx", layer.dx(&dy, &w)),
            ("dw", layer.dw(&dy, &x)),
            ("db", layer.db(&dy)),
        ];
        assert_all(expected, found, &layer);
    }
}

#[test]
fn conv2d_agrees() {
    for (conv, expected) in CONV2D {
        let (x, w) = (operand(conv.x_len(), 1), operand(conv.w_len(), 2));
        let (bias, dy) = (operand(conv.o, 3), operand(conv.y_len(), 4));
        let found = [
            ("y", conv.forward(&x, &w, &bias)),
            ("dx", conv.dx(&dy, &w)),
            ("dw", conv.dw(&dy, &x)),
            ("db", conv.db(&dy)),
        ];
        assert_all(expected, found, &conv);
    }
}

#[test]
fn max_pool_agrees_with_and_without_ties() {
    for (index, (pool, expected)) in MAX_POOL.into_iter().enumerate() {
        let distinct = operand(pool.x_len(), 1);
        let tied: Vec<f64> = distinct.iter().map(|x| (2.0 * x).floor()).collect();
        let x = if index % 2 == 0 { distinct } else { tied };
        let dy = operand(pool.y_len(), 4);
        assert_all(expected, [("y", pool.forward(&x)), ("dx", pool.dx(&dy, &x))], &pool);
    }
}

#[test]
fn avg_pool_agrees() {
    for (pool, expected) in AVG_POOL {
        let (x, dy) = (operand(pool.x_len(), 1), operand(pool.y_len(), 4));
        assert_all(expected, [("y", pool.forward(&x)), ("dx", pool.dx(&dy))], &pool);
    }
}

#[test]
fn activations_agree() {
    let (x, dy) = (widened(&fill(37, 1, 6.0)), operand(37, 4));
    for (activation, expected) in ACTIVATION {
        assert_all(expected, [("y", activation.forward(&x)), ("dx", activation.dx(&dy, &x))], &activation);
    }
}

#[test]
fn batch_norm_agrees() {
    for (norm, expected) in BATCH_NORM {
        let (x, next) = (operand(norm.x_len(), 1), widened(&fill(norm.x_len(), 5, 2.0)));
        let (gamma, beta, dy) = (operand(norm.c, 2), operand(norm.c, 3), operand(norm.x_len(), 4));
        let first = norm.forward(&x, &gamma, &beta);
        let running = norm.update_running(&Running::new(norm.c), &first);
        let running = norm.update_running(&running, &norm.forward(&next, &gamma, &beta));
        let found = [
            ("y", first.y),
            ("dx", norm.dx(&dy, &x, &gamma)),
            ("dgamma", norm.dgamma(&dy, &x)),
            ("dbeta", norm.dbeta(&dy)),
            ("the running mean", running.mean.clone()),
            ("the running variance", running.var.clone()),
            ("y in evaluation mode", norm.forward_eval(&x, &gamma, &beta, &running)),
        ];
        assert_all(expected, found, &norm);
    }
}

#[test]
fn cross_entropy_agrees() {
    for (loss, mean, correct, expected) in CROSS_ENTROPY {
        let logits = widened(&fill(loss.b * loss.k, 1, 5.0));
        let targets = labels(loss.b, 2, loss.k as u32);
        assert_close(loss.mean(&logits, &targets), mean, "the mean");
        assert_eq!(loss.correct(&logits, &targets).iter().filter(|right| **right).count(), correct);
        let found = [
            ("the rows' losses", loss.row_losses(&logits, &targets)),
            ("dlogits", loss.dlogits(&logits, &targets)),
        ];
        assert_all(expected, found, &loss);
    }
}

#[test]
fn mean_squared_error_agrees() {
    for (loss, mean, expected) in MEAN_SQUARED_ERROR {
        let (prediction, target) = (operand(loss.b * loss.d, 1), operand(loss.b * loss.d, 2));
        assert_close(loss.mean(&prediction, &target), mean, "the mean");
        let found = [
            ("the rows' losses", loss.row_losses(&prediction, &target)),
            ("dprediction", loss.dprediction(&prediction, &target)),
        ];
        assert_all(expected, found, &loss);
    }
}

/// The weights at the end of a trajectory.
fn followed(trajectory: &Trajectory) -> Vec<f64> {
    let mut w = operand(5, 40);
    let mut state = State::new(5);
    let mut optimizer = trajectory.optimizer;
    for step in 0..10 {
        let g = operand(5, 41 + step);
        let g = trajectory.max_norm.map_or(g.clone(), |max_norm| clipped(&g, max_norm));
        optimizer.step(&mut w, &g, &mut state);
        optimizer = optimizer.with_lr(optimizer.lr() * trajectory.growth);
    }
    w
}

#[test]
fn optimizers_agree() {
    for trajectory in &TRAJECTORIES {
        for (found, expected) in followed(trajectory).into_iter().zip(trajectory.end) {
            assert_close(found, expected, &format!("{trajectory:?}"));
        }
    }
}

#[test]
fn the_clipped_trajectories_clip_some_steps_and_not_others() {
    let factors: Vec<f64> =
        (0..10).map(|step| clip_factor(global_norm(&operand(5, 41 + step)), 1.3)).collect();
    assert!(factors.iter().any(|factor| *factor < 0.9));
    assert!(factors.contains(&1.0));
}

#[track_caller]
fn assert_replays(model: &Model, layers: fn() -> Vec<Layer>, run: &Run) {
    let (steps, training) = train(model, layers(), run.optimizer);
    for (step, found) in steps.iter().enumerate() {
        assert_close(found.loss, run.losses[step], &format!("loss of step {step} with {:?}", run.optimizer));
        let norm = global_norm(&found.gradients.concat());
        assert_close(norm, run.gradient_norms[step], &format!("gradient norm of step {step}"));
        assert_eq!(found.correct, run.correct[step], "rows correct in step {step}");
    }
    assert_eq!((training.weights.len(), training.running.len() * 2), (run.weights.len(), run.buffers.len()));
    for ((tensor, expected), found) in model.tensors.iter().zip(run.weights).zip(&training.weights) {
        expected.assert_matches(found, TOLERANCE, tensor.name);
    }
    let buffers = training.running.iter().flat_map(|running| [&running.mean, &running.var]);
    for (expected, found) in run.buffers.iter().zip(buffers) {
        expected.assert_matches(found, TOLERANCE, "running statistics");
    }
}

#[test]
fn the_mlp_replays() {
    for run in MLP.runs {
        assert_replays(&MLP, mlp, run);
    }
}

#[test]
fn the_cnn_replays() {
    for run in CNN.runs {
        assert_replays(&CNN, cnn, run);
    }
}

#[test]
fn the_cnn_with_batch_norm_replays() {
    for run in CNN_BATCH_NORM.runs {
        assert_replays(&CNN_BATCH_NORM, cnn_batch_norm, run);
    }
}

/// The optimizer with one of its options taken away: every way to forget something that a run should notice.
fn forgetful(optimizer: Optimizer) -> Vec<Optimizer> {
    match optimizer {
        Optimizer::Sgd(sgd) => vec![
            Optimizer::Sgd(Sgd { momentum: 0.0, ..sgd }),
            Optimizer::Sgd(Sgd { nesterov: !sgd.nesterov, ..sgd }),
            Optimizer::Sgd(Sgd { weight_decay: 0.001 - sgd.weight_decay, ..sgd }),
        ],
        Optimizer::Adam(adam) => vec![
            Optimizer::Adam(Adam { beta2: 0.99, ..adam }),
            Optimizer::Adam(Adam { weight_decay: 0.01, decay: Decay::L2, ..adam }),
            Optimizer::Adam(Adam { weight_decay: 0.01 - adam.weight_decay, decay: Decay::Decoupled, ..adam }),
        ],
    }
}

/// A GPU test compares the losses of ten steps. A wrong optimizer must stand out from the tolerance in them.
#[test]
fn ten_losses_tell_the_optimizers_apart() {
    for run in MLP.runs {
        for wrong in forgetful(run.optimizer) {
            let (steps, _) = train(&MLP, mlp(), wrong);
            let off = |step: usize| (steps[step].loss / run.losses[step] - 1.0).abs();
            let worst = (0..10).map(off).fold(0.0, f64::max);
            assert!(
                worst > 10.0 * LOSS_TOLERANCE,
                "{wrong:?} passes for {:?}: off by {worst}",
                run.optimizer
            );
        }
    }
}
