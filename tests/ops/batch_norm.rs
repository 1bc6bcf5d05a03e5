//! Batch normalisation after a linear layer and after a convolution: training, running statistics, evaluation.

use super::{Gradients, Harness, Oracle, TOLERANCE, compare};
use crate::common::{assert_close, block, fill, gpu, widened};
use crate::reference;
use crate::reference::batch_norm::Running;
use rangefinder::{BatchNorm, Graph, NodeId, Op, Profile};

/// Statistics divide by a standard deviation and take a mean off: one digit more is lost than in a sum.
const STATISTICS: f64 = 3e-5;

/// The oracle in training mode, with seeded scale and shift.
pub fn oracle(norm: reference::batch_norm::BatchNorm) -> Oracle {
    let params: Vec<Vec<f32>> = vec![fill(norm.c, 2, 1.0), fill(norm.c, 3, 1.0)];
    let (gamma, beta) = (widened(&params[0]), widened(&params[1]));
    let g = gamma.clone();
    Oracle {
        params,
        forward: Box::new(move |x| norm.forward(x, &gamma, &beta).y),
        backward: Box::new(move |dy, x| Gradients {
            dx: norm.dx(dy, x, &g),
            params: vec![norm.dgamma(dy, x), norm.dbeta(dy)],
        }),
    }
}

/// Compares a training step alone: evaluated, batch normalisation does something else.
#[track_caller]
pub fn check_training_within(
    tolerance: f64,
    what: &str,
    (x, shape): (&[f32], &[usize]),
    oracle: &Oracle,
    build: impl Fn(&mut Graph, NodeId) -> NodeId,
) -> Vec<&'static str> {
    let mut kernels = Vec::new();
    for profile in gpu().profiles() {
        let mut harness = Harness::new(x, shape, &oracle.params, profile, &build);
        let what = format!("{what}, {profile:?}");
        compare(&harness.step(), x, &harness.targets, oracle, tolerance, &what);
        kernels.push(harness.kernels());
    }
    kernels.swap_remove(0)
}

/// [`check_training_within`] the usual tolerance of statistics.
#[track_caller]
pub fn check_training(
    what: &str,
    input: (&[f32], &[usize]),
    oracle: &Oracle,
    build: impl Fn(&mut Graph, NodeId) -> NodeId,
) -> Vec<&'static str> {
    check_training_within(STATISTICS, what, input, oracle, build)
}

fn add(graph: &mut Graph, node: NodeId) -> NodeId {
    graph.add(Op::BatchNorm(BatchNorm::default()), &[node]).unwrap()
}

#[track_caller]
fn check(b: usize, shape: &[usize]) {
    let s = shape[1..].iter().product();
    let norm = reference::batch_norm::BatchNorm::new(b, shape[0], s);
    let x = fill(norm.x_len(), 1, 1.0);
    check_training(&format!("batch_norm of {b}x{shape:?}"), (&x, shape), &oracle(norm), add);
}

#[test]
fn after_a_linear_layer() {
    check(5, &[1]);
    check(17, &[7]);
    check(65, &[65]);
    check(131, &[3]);
}

#[test]
fn after_a_convolution() {
    check(1, &[1, 5, 7]);
    check(7, &[3, 1, 1]);
    check(3, &[17, 5, 7]);
    check(2, &[2, 9, 9]);
}

/// One value a channel has no variance: the output is beta, and no gradient comes through.
#[test]
fn a_channel_of_one_value() {
    let norm = reference::batch_norm::BatchNorm::new(1, 3, 1);
    let x = fill(3, 1, 1.0);
    check_training("batch_norm of one row", (&x, &[3]), &oracle(norm), add);
}

/// A mean a thousand times the deviation: E[x^2] - E[x]^2 would have no digit left. Each x is itself only 1e-4 exact.
#[test]
fn a_large_mean() {
    let norm = reference::batch_norm::BatchNorm::new(17, 3, 1);
    let x: Vec<f32> = fill(norm.x_len(), 1, 1.0).iter().map(|v| v + 1000.0).collect();
    let oracle = oracle(norm);
    let mut harness = Harness::new(&x, &[3], &oracle.params, Profile::default(), add);
    let y = (oracle.forward)(&widened(&x));
    assert_close(&harness.step().y, &y, 1e-3, "y");
}

/// (mean, variance) of each channel.
fn statistics(harness: &Harness) -> (Vec<f64>, Vec<f64>) {
    let running = widened(&block(harness.session.statistics(0)).unwrap()[0].data);
    running.chunks(2).map(|pair| (pair[0], pair[1])).unzip()
}

/// A step, which moves the running statistics, then y evaluated by them: what `behind` makes of (x, normalised x).
#[track_caller]
pub fn check_evaluated(
    tolerance: f64,
    what: &str,
    norm: reference::batch_norm::BatchNorm,
    shape: &[usize],
    behind: impl Fn(&[f64], &[f64]) -> Vec<f64>,
    build: impl Fn(&mut Graph, NodeId) -> NodeId,
) {
    let x = fill(norm.x_len(), 1, 2.0);
    let params = oracle(norm).params;
    let [gamma, beta] = [0, 1].map(|i| widened(&params[i]));
    for profile in gpu().profiles() {
        let mut harness = Harness::new(&x, shape, &params, profile, &build);
        harness.step();
        let (mean, var) = statistics(&harness);
        let x = widened(&x);
        let expected = behind(&x, &norm.forward_eval(&x, &gamma, &beta, &Running { mean, var }));
        assert_close(&harness.evaluated(), &expected, tolerance, &format!("{what}, evaluated, {profile:?}"));
    }
}

#[test]
fn running_statistics_and_their_use() {
    for (b, shape) in [(7, &[5][..]), (3, &[2, 3, 5])] {
        let norm = reference::batch_norm::BatchNorm::new(b, shape[0], shape[1..].iter().product());
        let x = fill(norm.x_len(), 1, 2.0);
        let oracle = oracle(norm);
        let [gamma, beta] = [0, 1].map(|i| widened(&oracle.params[i]));
        let mut harness = Harness::new(&x, shape, &oracle.params, Profile::default(), add);

        let mut running = Running::new(norm.c);
        assert_eq!(statistics(&harness), (running.mean.clone(), running.var.clone()), "at the start");
        for step in 1..=5 {
            harness.step();
            running = norm.update_running(&running, &norm.forward(&widened(&x), &gamma, &beta));
            let (mean, variance) = statistics(&harness);
            assert_close(&mean, &running.mean, TOLERANCE, &format!("running mean after {step}"));
            assert_close(&variance, &running.var, TOLERANCE, &format!("running variance after {step}"));
        }

        let before = block(harness.session.fingerprint()).unwrap();
        let expected = norm.forward_eval(&widened(&x), &gamma, &beta, &running);
        assert_close(&harness.evaluated(), &expected, TOLERANCE, "y evaluated");
        assert_eq!(block(harness.session.fingerprint()).unwrap(), before, "an evaluation changes nothing");
    }
}

/// Other constants than PyTorch's.
#[test]
fn eps_and_momentum_are_used() {
    let norm = reference::batch_norm::BatchNorm {
        eps: 0.5,
        momentum: 0.75,
        ..reference::batch_norm::BatchNorm::new(7, 3, 1)
    };
    let x = fill(norm.x_len(), 1, 1.0);
    let oracle = oracle(norm);
    let build = |graph: &mut Graph, node| {
        graph.add(Op::BatchNorm(BatchNorm { eps: 0.5, momentum: 0.75 }), &[node]).unwrap()
    };
    let mut harness = Harness::new(&x, &[3], &oracle.params, Profile::default(), build);
    compare(&harness.step(), &x, &harness.targets, &oracle, STATISTICS, "eps 0.5");
    let [gamma, beta] = [0, 1].map(|i| widened(&oracle.params[i]));
    let expected = norm.update_running(&Running::new(3), &norm.forward(&widened(&x), &gamma, &beta));
    assert_close(&statistics(&harness).0, &expected.mean, TOLERANCE, "running mean");
    assert_close(&statistics(&harness).1, &expected.var, TOLERANCE, "running variance");
}
