//! The norms of each parameter's gradient, update and weights, against f64 over what is read back before and after a step.

use crate::common::{block, gpu, regression, rows_in_turn, session, train};
use crate::determinism::everything;
use crate::golden::fill;
use rangefinder::{
    Activation, Adam, Control, Graph, History, Loss, Mode, Norms, Optimizer, Options, Part, Point, RangeTest,
    Report, Run, Schedule, Sequential, Session, Sgd, Stop, StopReason, Tensor, compile, digits,
};

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

fn of(tensor: &Tensor) -> f64 {
    norm(tensor.data.iter().map(|v| f64::from(*v)))
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    norm(a.data.iter().zip(&b.data).map(|(a, b)| f64::from(*a) - f64::from(*b)))
}

#[track_caller]
fn near(found: f64, expected: f64, slack: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-5 * expected + slack, "{what}: {found}, not {expected}");
}

/// One step at a time, with everything read back between.
fn check(session: &mut Session, data: &rangefinder::Dataset, rates: [f64; 2], what: &str) {
    let rows = session.options().effective_batch();
    for step in 0..4 {
        let before = [0, 1].map(|r| block(session.weights(r)).unwrap());
        let order = rows_in_turn(data, rows, step..step + 1);
        let schedules = rates.map(|lr| Schedule::constant(lr, 1, session.optimizer()));
        let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
        let histories = block(session.run(data, &run, Control::default())).unwrap().histories;
        for (r, history) in histories.iter().enumerate() {
            let after = block(session.weights(r)).unwrap();
            let gradients = block(session.gradients(r)).unwrap();
            assert_eq!((history.layers.len(), history.layers[0].len()), (1, after.len()), "{what}");
            for (i, norms) in history.layers[0].iter().enumerate() {
                let what = format!("{what}, step {step}, replica {r}: {}", after[i].name);
                let weights = of(&before[r][i]);
                near(norms.gradient, of(&gradients[i]), 0.0, &format!("{what}: gradient"));
                near(norms.weights, weights, 0.0, &format!("{what}: weights"));
                // What the weights lose to rounding, they lose on the way from `before` to `after`.
                let moved = difference(&after[i], &before[r][i]);
                let update = norms.update.expect("the step was made");
                near(update, moved, 1e-7 * weights, &format!("{what}: update"));
                assert!(update > 0.0, "{what}");
            }
        }
    }
}

#[test]
fn norms_are_those_of_what_is_read_back() {
    let decayed = Adam { weight_decay: 0.1, ..Adam::default() };
    for profile in gpu().profiles() {
        for (optimizer, clip) in [
            (Optimizer::from(Sgd::plain()), None),
            (Sgd::momentum(0.9).weight_decay(0.1).into(), Some(0.01)),
            (Sgd::nesterov(0.9).weight_decay(0.1).into(), None),
            (decayed.into(), None),
            (Adam::w(0.5).into(), Some(0.01)),
        ] {
            let options = Options {
                clip,
                ..Options::batch(32).replicas(2).layers(true).gradients(true).profile(profile)
            };
            let mut session = session(&everything(), Loss::CrossEntropy, optimizer, options.seed(4));
            check(&mut session, &digits(), [0.02, 0.1], &format!("{profile:?}, {optimizer}"));
        }
    }
}

/// The update is that of the parameter's group, the gradient that of the whole step; and a tensor of more than 64 blocks.
#[test]
fn groups_and_micro_batches_are_measured_as_they_are() {
    let layers = Sequential::features(130).linear(67).rate(0.25).activation(Activation::Tanh);
    let mut graph = layers.linear(2).rate(3.0).build().unwrap();
    graph.multiply_decay("bias", 0.0).unwrap();
    let data = regression(&[130], fill(60 * 130, 1, 1.0), fill(120, 2, 1.0), 2);
    for profile in gpu().profiles() {
        for optimizer in [Sgd::momentum(0.9).weight_decay(0.1).into(), Optimizer::from(Adam::w(0.5))] {
            let options =
                Options::batch(5).accumulate(3).replicas(2).layers(true).gradients(true).profile(profile);
            let mut session = session(&graph, Loss::MeanSquaredError, optimizer, options);
            check(&mut session, &data, [0.02, 0.05], &format!("{profile:?}, {optimizer}"));
        }
    }
}

/// Two launches more, and only where they are asked for.
#[test]
fn a_plan_without_them_has_none() {
    let plan = |options| compile(&everything(), Loss::CrossEntropy, &Sgd::plain().into(), &options).unwrap();
    let (plain, layers) = (plan(Options::batch(8).gradients(true)), plan(Options::batch(8).layers(true)));
    assert_eq!(layers.step.len(), plain.step.len() + 2);
    let names = |plan: &rangefinder::Plan| plan.step.iter().map(|d| d.kernel.name()).collect::<Vec<_>>();
    assert!(!names(&plain).contains(&"sgd_norms") && names(&layers).contains(&"sgd_norms"));
    let mut session = session(&everything(), Loss::CrossEntropy, Sgd::plain(), Options::batch(8));
    assert!(train(&mut session, &digits(), &[0.1]).histories[0].layers.is_empty());
}

/// Sweeps in the modes that can have them.
pub fn sweeps() -> [RangeTest; 3] {
    [(Mode::Sweep, 1), (Mode::SameBatch, 1), (Mode::Sweep, 3)].map(|(mode, seeds)| RangeTest {
        steps: 40,
        from: 1e-5,
        to: 1e3,
        mode,
        seeds,
        ..RangeTest::default()
    })
}

/// What a test finds from the middle of a training, and the hash of the session after it.
pub fn found(test: RangeTest) -> (Report, u64) {
    let options = Options::batch(32).seed(9);
    let mut session = session(&everything(), Loss::CrossEntropy, Adam::w(0.01), options);
    train(&mut session, &digits(), &[0.01; 4]);
    let report = block(test.run(&mut session, &digits())).unwrap();
    assert!(report.restored());
    (report, block(session.fingerprint()).unwrap())
}

/// The sweep has the bits that it has without, and the session is as it was.
#[test]
fn a_sweep_is_the_same_with_them() {
    for plain in sweeps() {
        let RangeTest { mode, seeds, .. } = plain;
        let ((with, after), (without, expected)) = (found(RangeTest { layers: true, ..plain }), found(plain));
        // All but the norms of the whole gradient: where the update is made with the gradient, they are summed in another order.
        let bare = |points: &[Point]| -> Vec<Point> {
            points.iter().map(|p| Point { grad_norm: None, ..*p }).collect()
        };
        assert_eq!((bare(&with.points), with.stopped), (bare(&without.points), without.stopped), "{mode:?}");
        for (with, without) in with.points.iter().zip(&without.points) {
            assert_eq!(with.grad_norm.is_some(), without.grad_norm.is_some());
            near(with.grad_norm.unwrap_or(0.0), without.grad_norm.unwrap_or(0.0), 0.0, "the whole gradient");
        }
        assert_eq!(after, expected);
        assert_eq!(without.layers, None);
        let layers = with.layers.unwrap();
        assert_eq!(layers.names[..2], ["conv2d1.weight", "conv2d1.bias"]);
        assert!(layers.rows.len() >= with.points.len());
        // Together they are the norm of the whole gradient (of the mean curve only about).
        for (row, point) in layers.rows.iter().zip(&with.points).filter(|_| seeds == 1) {
            let Some(grad_norm) = point.grad_norm else { continue };
            near(norm(row.iter().map(|n| n.gradient)), grad_norm, 0.0, "the whole gradient");
        }
        // The rate grows from step to step, and the update with it.
        let ratio = |step: usize| layers.rows[step][0].ratio().unwrap();
        assert!(ratio(20) > 100.0 * ratio(0), "{} and {}", ratio(0), ratio(20));
    }
}

/// Without relu no unit can die: the loss, then the weights leave f32.
fn explosive() -> Graph {
    Sequential::image(1, 8, 8).flatten().linear(16).linear(16).linear(10).build().unwrap()
}

#[test]
fn the_first_that_is_not_finite_is_named() {
    let options = Options::batch(32).layers(true).gradients(true);
    let mut session = session(&explosive(), Loss::CrossEntropy, Sgd::plain(), options);
    let mut rates = vec![1e-3; 3];
    rates.extend([1e20; 30]);
    let History { steps, stopped, layers, .. } = train(&mut session, &digits(), &rates).histories.remove(0);
    assert_eq!(stopped, Some((4, StopReason::LossNotFinite)));
    assert_eq!((steps.len(), layers.len()), (5, 5));
    let finite = |n: &Norms| n.gradient.is_finite() && n.weights.is_finite();
    assert!(layers[..4].iter().flatten().all(finite), "{layers:?}");
    assert!(layers[..4].iter().flatten().all(|n| n.update.is_some()));
    // The step that ended the run made no update; its gradients are those that can be read.
    let gradients = block(session.gradients(0)).unwrap();
    for (norms, gradient) in layers[4].iter().zip(&gradients) {
        assert_eq!(norms.update, None, "{}", gradient.name);
        // Beyond 1.8e19 a number is finite and its square is not.
        let small = gradient.data.iter().all(|v| v.abs() < 1e18);
        assert_eq!(norms.gradient.is_finite(), small, "{}", gradient.name);
    }
    assert!(!layers[4].iter().all(finite));

    let test = RangeTest {
        from: 1e-3,
        to: 1e25,
        steps: 60,
        stop: Stop::NotFinite,
        layers: true,
        ..RangeTest::default()
    };
    let mut other = self::session(&explosive(), Loss::CrossEntropy, Sgd::plain(), Options::batch(32));
    let report = block(test.run(&mut other, &digits())).unwrap();
    let layers = report.layers.unwrap();
    let first = layers.first.expect("1e25 is too large a rate");
    assert!(first.step <= report.stopped.unwrap().0, "{first:?}");
    assert!(layers.rows[..first.step].iter().flatten().all(finite));
    let named = layers.names.iter().position(|name| *name == first.names[0]).unwrap();
    let norms = layers.rows[first.step][named];
    let value = if first.of == Part::Weights { norms.weights } else { norms.gradient };
    assert!(!value.is_finite(), "{first:?}: {norms:?}");
}

#[test]
fn other_modes_refuse() {
    for mode in [Mode::Restart, Mode::Frozen, Mode::Replicas] {
        let test = RangeTest { mode, layers: true, ..RangeTest::default() };
        let mut session = session(&everything(), Loss::CrossEntropy, Sgd::plain(), Options::batch(8));
        let error = block(test.run(&mut session, &digits())).unwrap_err().to_string();
        assert!(error.starts_with(&format!("layers: {} has no", mode.name())), "{error}");
    }
}
