//! Every op on the device against its `f64` oracle: forward and every gradient, through the public API alone.
//!
//! The [`Harness`] shows all that goes in and out of an op. Its dataset is the identity, so that a bias-free linear layer
//! in front hands out its own weights: they are the op's input x, and their gradient is dx. A second such layer, all
//! zeros, is added to the op's output: it changes nothing, and its gradient is the dy that arrives. With the mean squared
//! error `dy = 2 (y - target) / elements`, so that dy also tells the y of the training pass.

mod activation;
mod add;
mod avg_pool;
mod batch_norm;
mod conv2d;
mod cross_entropy;
mod dropout;
mod finite_difference;
mod fusion;
mod gather;
mod linear;
mod linear_cross_entropy;
mod max_pool;
mod mean_squared_error;
mod pooling;
mod reshape;
mod residual;

use crate::common::{
    assert_close, block, fill, gpu, regression, session, set_weights, train, weights, widened,
};
use crate::reference;
use rangefinder::{Dataset, Graph, Linear, Loss, NodeId, Op, Options, Profile, Session, Sgd, Tuning};

/// How far the device may be from the oracle, relative to the root mean square of the tensor: sums of a few hundred
/// f32 products round to some 1e-6 of that.
const TOLERANCE: f64 = 1e-5;

/// Where tanh, exp or log are taken: Mesa's CPU driver computes tanh to 1.4e-5.
const TRANSCENDENTAL: f64 = 1e-4;

/// Gradient of the input and of each parameter.
struct Gradients {
    dx: Vec<f64>,
    params: Vec<Vec<f64>>,
}

type Forward = Box<dyn Fn(&[f64]) -> Vec<f64>>;
type Backward = Box<dyn Fn(&[f64], &[f64]) -> Gradients>;

/// What an op should compute.
struct Oracle {
    params: Vec<Vec<f32>>,
    /// y of x.
    forward: Forward,
    /// The gradients of (dy, x).
    backward: Backward,
}

impl Oracle {
    /// An op without parameters.
    fn pure(
        forward: impl Fn(&[f64]) -> Vec<f64> + 'static,
        dx: impl Fn(&[f64], &[f64]) -> Vec<f64> + 'static,
    ) -> Self {
        Self {
            params: vec![],
            forward: Box::new(forward),
            backward: Box::new(move |dy, x| Gradients { dx: dx(dy, x), params: vec![] }),
        }
    }

    /// Nothing.
    fn identity() -> Self {
        Self::pure(|x| x.to_vec(), |dy, _| dy.to_vec())
    }

    /// This op plus another one of the same value.
    fn plus(self, other: Self) -> Self {
        Self {
            params: [self.params, other.params].concat(),
            forward: Box::new(move |x| reference::add::forward(&(self.forward)(x), &(other.forward)(x))),
            backward: Box::new(move |dy, x| {
                let left = (self.backward)(&reference::add::dleft(dy), x);
                let right = (other.backward)(&reference::add::dright(dy), x);
                Gradients {
                    dx: reference::add::forward(&left.dx, &right.dx),
                    params: [left.params, right.params].concat(),
                }
            }),
        }
    }

    /// This op, and `next` behind it.
    fn then(self, next: Self) -> Self {
        let params = [self.params, next.params].concat();
        let inner = std::rc::Rc::new(self.forward);
        let first = inner.clone();
        let (back, next_forward, next_back) = (self.backward, next.forward, next.backward);
        Self {
            params,
            forward: Box::new(move |x| next_forward(&first(x))),
            backward: Box::new(move |dy, x| {
                let above = next_back(dy, &inner(x));
                let below = back(&above.dx, x);
                Gradients { dx: below.dx, params: [below.params, above.params].concat() }
            }),
        }
    }
}

/// What a step shows of the op.
struct Seen {
    y: Vec<f64>,
    dy: Vec<f64>,
    dx: Vec<f64>,
    params: Vec<Vec<f64>>,
    loss: f64,
    grad_norm: f64,
}

/// An op between two layers that show what goes in and out of it.
struct Harness {
    session: Session,
    data: Dataset,
    targets: Vec<f32>,
    batch: usize,
}

/// (rows, columns) to (columns, rows).
fn transposed<T: Copy>(values: &[T], columns: usize) -> Vec<T> {
    let rows = values.len() / columns;
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

/// The identity matrix: row b of the dataset picks column b of a weight.
fn one_hot_rows(n: usize) -> Vec<f32> {
    (0..n * n).map(|i| f32::from(u8::from(i / n == i % n))).collect()
}

/// A layer that hands out its weights, one row a sample.
fn source(graph: &mut Graph, len: usize) -> NodeId {
    let input = graph.input();
    graph.add(Op::Linear(Linear { out: len, bias: false }), &[input]).unwrap()
}

impl Harness {
    /// `build` adds the op behind a node of `shape`; `x` is (batch, shape).
    fn new(
        x: &[f32],
        shape: &[usize],
        params: &[Vec<f32>],
        kernels: impl Into<Tuning>,
        build: impl FnOnce(&mut Graph, NodeId) -> NodeId,
    ) -> Self {
        let len: usize = shape.iter().product();
        let batch = x.len() / len;
        let mut graph = Graph::new(&[batch]).unwrap();
        let mut node = source(&mut graph, len);
        if shape.len() > 1 {
            node = graph.add(Op::Reshape(shape.to_vec()), &[node]).unwrap();
        }
        let y = build(&mut graph, node);
        let flat = graph.add(Op::Flatten, &[y]).unwrap();
        let outputs = graph.shape(flat)[0];
        let witness = source(&mut graph, outputs);
        graph.add(Op::Add, &[flat, witness]).unwrap();

        let targets = fill(batch * outputs, 50, 1.0);
        let data = regression(&[batch], one_hot_rows(batch), targets.clone(), outputs);
        let mut session = session(
            &graph,
            Loss::MeanSquaredError,
            Sgd::plain(),
            Options::batch(batch).tuning(kernels.into()).gradients(true),
        );
        let mut values = vec![transposed(x, len)];
        values.extend_from_slice(params);
        values.push(vec![0.0; outputs * batch]);
        set_weights(&mut session, &values);
        Self { session, data, targets, batch }
    }

    /// One step that moves nothing.
    fn step(&mut self) -> Seen {
        let outcome = train(&mut self.session, &self.data, &[0.0]);
        let mut gradients: Vec<Vec<f64>> =
            block(self.session.gradients(0)).unwrap().iter().map(|t| widened(&t.data)).collect();
        let dy = transposed(&gradients.pop().unwrap(), self.batch);
        let dx = transposed(&gradients.remove(0), self.batch);
        let half = dy.len() as f64 / 2.0;
        let y = dy.iter().zip(&self.targets).map(|(dy, t)| dy * half + f64::from(*t)).collect();
        let step = outcome.histories[0].steps[0];
        Seen { y, dy, dx, params: gradients, loss: step.loss, grad_norm: step.grad_norm.unwrap() }
    }

    /// y as an evaluation computes it.
    fn evaluated(&mut self) -> Vec<f64> {
        widened(&block(self.session.predict(&self.data, 0)).unwrap())
    }

    /// The kernels of a step.
    fn kernels(&self) -> Vec<&'static str> {
        self.session.plan().step.iter().map(|d| d.kernel.name()).collect()
    }
}

/// The mean squared error of `y` and its gradient.
fn loss_of(y: &[f64], targets: &[f32]) -> (f64, Vec<f64>) {
    let n = y.len() as f64;
    let off: Vec<f64> = y.iter().zip(targets).map(|(y, t)| y - f64::from(*t)).collect();
    (off.iter().map(|o| o * o).sum::<f64>() / n, off.iter().map(|o| 2.0 * o / n).collect())
}

/// Compares what a step showed with the oracle: y, loss, dy, dx, every parameter's gradient and the norm of them all.
#[track_caller]
fn compare(seen: &Seen, x: &[f32], targets: &[f32], oracle: &Oracle, tolerance: f64, what: &str) {
    let x = widened(x);
    let y = (oracle.forward)(&x);
    let (loss, dy) = loss_of(&y, targets);
    let expected = (oracle.backward)(&dy, &x);
    assert_close(&seen.y, &y, tolerance, &format!("{what}: y"));
    assert_close(&[seen.loss], &[loss], tolerance, &format!("{what}: loss"));
    assert_close(&seen.dy, &dy, tolerance, &format!("{what}: dy"));
    assert_close(&seen.dx, &expected.dx, tolerance, &format!("{what}: dx"));
    assert_eq!(seen.params.len(), expected.params.len(), "{what}: parameters");
    for (i, (found, expected)) in seen.params.iter().zip(&expected.params).enumerate() {
        assert_close(found, expected, tolerance, &format!("{what}: gradient of parameter {i}"));
    }
    let all = [dy, expected.dx, expected.params.concat()].concat();
    let norm = all.iter().map(|g| g * g).sum::<f64>().sqrt();
    assert_close(&[seen.grad_norm], &[norm], tolerance, &format!("{what}: norm of the gradient"));
}

/// Compares an op with its oracle under one choice of kernels.
#[track_caller]
fn check_kernels(
    tolerance: f64,
    what: &str,
    (x, shape): (&[f32], &[usize]),
    oracle: &Oracle,
    kernels: Tuning,
    build: impl Fn(&mut Graph, NodeId) -> NodeId,
) -> Harness {
    let mut harness = Harness::new(x, shape, &oracle.params, kernels, &build);
    let seen = harness.step();
    compare(&seen, x, &harness.targets, oracle, tolerance, what);
    let y = (oracle.forward)(&widened(x));
    assert_close(&harness.evaluated(), &y, tolerance, &format!("{what}: y evaluated"));
    harness
}

/// Compares an op that does the same while training and while evaluated with its oracle, under every profile that the device
/// runs; returns the kernels of the portable one.
#[track_caller]
fn check_op_within(
    tolerance: f64,
    what: &str,
    (x, shape): (&[f32], &[usize]),
    oracle: &Oracle,
    build: impl Fn(&mut Graph, NodeId) -> NodeId,
) -> Vec<&'static str> {
    let mut portable = Vec::new();
    for profile in gpu().profiles() {
        let what = if profile == Profile::Portable { what.into() } else { format!("{what}, {profile:?}") };
        let harness = check_kernels(tolerance, &what, (x, shape), oracle, profile.into(), &build);
        if profile == Profile::Portable {
            portable = harness.kernels();
        }
    }
    portable
}

/// [`check_op_within`] the usual tolerance.
#[track_caller]
fn check_op(
    what: &str,
    input: (&[f32], &[usize]),
    oracle: &Oracle,
    build: impl Fn(&mut Graph, NodeId) -> NodeId,
) -> Vec<&'static str> {
    check_op_within(TOLERANCE, what, input, oracle, build)
}

/// The harness itself: with no op at all, y is x and dx is dy.
#[test]
fn the_harness_shows_what_goes_in() {
    let x = fill(3 * 7, 1, 1.0);
    let identity = Oracle::pure(|x| x.to_vec(), |dy, _| dy.to_vec());
    check_op("nothing", (&x, &[7]), &identity, |_, node| node);
}

/// And sees a wrong gradient.
#[test]
#[should_panic(expected = "dx: element 0")]
fn the_harness_sees_a_wrong_gradient() {
    let x = fill(3 * 7, 1, 1.0);
    let wrong = Oracle::pure(|x| x.to_vec(), |dy, _| dy.iter().map(|d| 1.001 * d).collect());
    check_op("nothing", (&x, &[7]), &wrong, |_, node| node);
}

/// Weights do not move at rate 0, so that one harness can be stepped often.
#[test]
fn a_step_at_rate_zero_moves_nothing() {
    let x = fill(10, 1, 1.0);
    let mut harness = Harness::new(&x, &[5], &[], Profile::default(), |_, node| node);
    let before = crate::common::bits(&weights(&harness.session));
    harness.step();
    assert_eq!(crate::common::bits(&weights(&harness.session)), before);
}
