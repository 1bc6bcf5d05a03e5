//! PyTorch's golden trainings on the device: losses, rows right and gradient norms of 20 steps, and what is left in
//! the weights and in the running statistics.

use crate::common::{block, classes, gpu, session, set_weights, train, weights, widened};
use crate::golden::values::{CNN, CNN_BATCH_NORM, MLP, MLP_GROUPS};
use crate::golden::{BATCH, LOSS_TOLERANCE, Model, Run, STEPS, Summary, replay};
use crate::reference::optim::{Decay, Optimizer as Reference, global_norm};
use rangefinder::{Adam, Graph, Loss, Optimizer, Options, Profile, Sequential, Sgd};

/// Of weights after 20 steps, relative to the root mean square of the tensor: rounding feeds back through the training.
const WEIGHT_TOLERANCE: f64 = 5e-5;

/// The engine's optimizer, and its rate.
pub fn engine(optimizer: &Reference) -> (Optimizer, f64) {
    match *optimizer {
        Reference::Sgd(o) => {
            let sgd = Sgd { momentum: o.momentum, nesterov: o.nesterov, weight_decay: o.weight_decay };
            (sgd.into(), o.lr)
        }
        Reference::Adam(o) => {
            let adam = Adam {
                beta1: o.beta1,
                beta2: o.beta2,
                eps: o.eps,
                weight_decay: o.weight_decay,
                decoupled: o.decay == Decay::Decoupled,
            };
            (adam.into(), o.lr)
        }
    }
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let off = (found / expected - 1.0).abs();
    assert!(off <= tolerance, "{what}: {found}, not {expected} ({off:.1e} off)");
}

#[track_caller]
fn assert_run(model: &Model, graph: &Graph, run: &Run) {
    for profile in gpu().profiles() {
        assert_run_under(profile, model, graph, run);
    }
}

#[track_caller]
fn assert_run_under(profile: Profile, model: &Model, graph: &Graph, run: &Run) {
    let (optimizer, lr) = engine(&run.optimizer);
    let mut session = session(graph, Loss::CrossEntropy, optimizer, Options::batch(BATCH).profile(profile));
    let optimizer = format!("{optimizer}, {profile:?}");
    let starts: Vec<_> = model.tensors.iter().map(|t| t.values()).collect();
    set_weights(&mut session, &starts);
    let data = classes(model.input, model.inputs(), model.labels(), model.classes as usize);

    let outcome = train(&mut session, &data, &[lr; STEPS]);
    let history = &outcome.histories[0];
    assert_eq!((history.steps.len(), history.stopped), (STEPS, None), "{optimizer}");
    for (t, step) in history.steps.iter().enumerate() {
        close(step.loss, run.losses[t], LOSS_TOLERANCE, &format!("{optimizer}: loss of step {t}"));
        let norm = step.grad_norm.expect("every step made an update");
        let what = format!("{optimizer}: gradient norm of step {t}");
        close(norm, run.gradient_norms[t], 10.0 * LOSS_TOLERANCE, &what);
        let right = step.accuracy.unwrap() * BATCH as f64;
        assert_eq!(right, f64::from(run.correct[t]), "{optimizer}: rows right in step {t}");
    }
    // Batch normalisation takes the bias before it off again: its gradient is rounding, and Adam makes a full step of
    // that. No two machines agree on where the bias and the mean behind it go.
    let noise = matches!(run.optimizer, Reference::Adam(_)) && !run.buffers.is_empty();
    for (tensor, expected) in weights(&session).iter().zip(run.weights) {
        if noise && tensor.name.starts_with("conv2d") && tensor.name.ends_with("bias") {
            continue;
        }
        let what = format!("{optimizer}: {}", tensor.name);
        expected.assert_matches(&widened(&tensor.data), WEIGHT_TOLERANCE, &what);
    }
    let statistics = block(session.statistics(0)).unwrap();
    assert_eq!(2 * statistics.len(), run.buffers.len(), "{optimizer}: running statistics");
    for (tensor, expected) in statistics.iter().zip(run.buffers.chunks(2)) {
        let (mean, variance): (Vec<f64>, Vec<f64>) =
            widened(&tensor.data).chunks(2).map(|pair| (pair[0], pair[1])).unzip();
        let check = |expected: &Summary, found: &[f64], what: &str| {
            expected.assert_matches(found, WEIGHT_TOLERANCE, &format!("{optimizer}: {} {what}", tensor.name));
        };
        if !noise {
            check(&expected[0], &mean, "mean");
        }
        check(&expected[1], &variance, "variance");
    }
}

#[track_caller]
fn assert_runs(model: &Model, graph: &Graph) {
    for run in model.runs {
        assert_run(model, graph, run);
    }
}

#[test]
fn an_mlp_trains_as_in_pytorch() {
    let graph = Sequential::features(20).linear(32).relu().linear(16).relu().linear(5).build().unwrap();
    assert_runs(&MLP, &graph);
}

/// Each group at its own multiple of the rate and of the decay.
#[test]
fn parameter_groups_train_as_in_pytorch() {
    let first = Sequential::features(20).linear(32).rate(0.1).relu().linear(16).relu();
    let mut graph = first.linear(5).rate(2.0).build().unwrap();
    graph.multiply_decay("bias", 0.0).unwrap();
    let rates: Vec<f64> = graph.parameters().iter().map(|p| p.rate).collect();
    assert_eq!(rates, [0.1, 0.1, 1.0, 1.0, 2.0, 2.0]);
    assert_runs(&MLP_GROUPS, &graph);
}

#[test]
fn a_cnn_trains_as_in_pytorch() {
    let features = Sequential::image(1, 8, 8).conv2d(6, 3).relu().max_pool(2).conv2d(8, 3).relu().max_pool(2);
    assert_runs(&CNN, &features.flatten().linear(10).build().unwrap());
}

fn cnn_with_batch_norm() -> Graph {
    let first = Sequential::image(1, 8, 8).conv2d(6, 3).batch_norm().relu().max_pool(2);
    let features = first.conv2d(8, 3).batch_norm().relu().max_pool(2);
    features.flatten().linear(10).build().unwrap()
}

#[test]
fn a_cnn_with_batch_norm_trains_as_in_pytorch() {
    assert_runs(&CNN_BATCH_NORM, &cnn_with_batch_norm());
}

/// The optimizers for which there is no golden run with batch normalisation, against the oracle's training.
#[test]
fn batch_norm_trains_as_in_the_oracle_under_every_optimizer() {
    for run in CNN.runs {
        let (steps, training) = replay::train(&CNN_BATCH_NORM, replay::cnn_batch_norm(), run.optimizer);
        let weights: Vec<_> = training.weights.iter().map(|w| Summary::of(w)).collect();
        let buffers: Vec<_> =
            training.running.iter().flat_map(|r| [Summary::of(&r.mean), Summary::of(&r.var)]).collect();
        let column = |f: fn(&replay::Step) -> f64| std::array::from_fn(|t| f(&steps[t]));
        let expected = Run {
            optimizer: run.optimizer,
            losses: column(|s| s.loss),
            correct: std::array::from_fn(|t| steps[t].correct),
            gradient_norms: column(|s| global_norm(&s.gradients.concat())),
            weights: weights.leak(),
            buffers: buffers.leak(),
        };
        assert_run(&CNN_BATCH_NORM, &cnn_with_batch_norm(), &expected);
    }
}
