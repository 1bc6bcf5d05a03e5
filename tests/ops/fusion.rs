//! Activations that the layer before applies, and whose slope every kind of reader applies in its own backward kernel.

use super::activation::{PAIRS, oracle as activation, tolerance};
use super::{Oracle, avg_pool, batch_norm, check_op_within, conv2d, linear, max_pool};
use crate::common::{assert_close, block, fill, regression, session, set_weights, train, widened};
use crate::reference;
use rangefinder::{BatchNorm, Dropout, Graph, Linear, Loss, NodeId, Op, Options, Sequential, Sgd};

/// Of the image that passes between maker and reader.
const IMAGE: [usize; 3] = [3, 4, 5];
const LEN: usize = 60;
const BATCH: usize = 7;

const CONV: reference::conv2d::Conv2d =
    reference::conv2d::Conv2d { padding: [1, 1], ..conv2d::plain(BATCH, IMAGE, 3, [3, 3]) };
const NORM: reference::batch_norm::BatchNorm = reference::batch_norm::BatchNorm::new(BATCH, 3, 20);
const MAX: reference::max_pool::MaxPool =
    reference::max_pool::MaxPool { stride: [1, 1], ..max_pool::plain(BATCH, IMAGE, [2, 3]) };
const AVG: reference::avg_pool::AvgPool =
    reference::avg_pool::AvgPool { stride: [1, 1], ..avg_pool::plain(BATCH, IMAGE, [2, 3]) };

type Build = fn(&mut Graph, NodeId) -> NodeId;

fn flat(graph: &mut Graph, node: NodeId) -> NodeId {
    graph.add(Op::Flatten, &[node]).unwrap()
}

fn twice() -> Oracle {
    let double = |v: &[f64]| reference::add::forward(v, v);
    Oracle::pure(double, move |dy, _| double(dy))
}

/// Layers that can apply an activation.
fn makers() -> Vec<(&'static str, Oracle, Build)> {
    vec![
        ("linear", linear::oracle(BATCH, LEN, LEN, true), |graph, node| {
            let node = flat(graph, node);
            graph.add(Op::Linear(Linear::new(LEN)), &[node]).unwrap()
        }),
        ("conv2d", conv2d::oracle(CONV, true), |graph, node| {
            graph.add(conv2d::layer(&CONV, true), &[node]).unwrap()
        }),
        ("batch_norm", batch_norm::oracle(NORM), |graph, node| {
            graph.add(Op::BatchNorm(BatchNorm::default()), &[node]).unwrap()
        }),
        ("add", twice(), |graph, node| graph.add(Op::Add, &[node, node]).unwrap()),
    ]
}

/// Layers that read it: all that have a gradient.
fn readers() -> Vec<(&'static str, Oracle, Build)> {
    vec![
        ("linear", linear::oracle(BATCH, LEN, 5, true), |graph, node| {
            let node = flat(graph, node);
            graph.add(Op::Linear(Linear::new(5)), &[node]).unwrap()
        }),
        ("conv2d", conv2d::oracle(CONV, true), |graph, node| {
            graph.add(conv2d::layer(&CONV, true), &[node]).unwrap()
        }),
        ("batch_norm", batch_norm::oracle(NORM), |graph, node| {
            graph.add(Op::BatchNorm(BatchNorm::default()), &[node]).unwrap()
        }),
        ("add", twice(), |graph, node| graph.add(Op::Add, &[node, node]).unwrap()),
        ("max_pool", max_pool::oracle(MAX), |graph, node| graph.add(max_pool::layer(&MAX), &[node]).unwrap()),
        ("avg_pool", avg_pool::oracle(AVG), |graph, node| graph.add(avg_pool::layer(&AVG), &[node]).unwrap()),
        ("dropout", Oracle::identity(), |graph, node| {
            graph.add(Op::Dropout(Dropout { p: 0.0 }), &[node]).unwrap()
        }),
    ]
}

/// maker, activation, reader. The three fusable activations launch nothing; gelu and silu do behind most makers.
#[track_caller]
fn check(maker: usize, act: usize, reader: usize) {
    let (below, first, make) = makers().swap_remove(maker);
    let (above, last, read) = readers().swap_remove(reader);
    let (act, act_oracle) = PAIRS[act];
    let what = format!("{below}, {}, {above}", act.name());
    let oracle = first.then(activation(act_oracle)).then(last);
    let x = fill(BATCH * LEN, 11, 1.0);
    let build = |graph: &mut Graph, node| {
        let z = make(graph, node);
        let y = graph.activation(act, z).unwrap();
        let y = graph.add(Op::Reshape(IMAGE.to_vec()), &[y]).unwrap();
        read(graph, y)
    };
    let kernels = if [below, above].contains(&"batch_norm") {
        batch_norm::check_training_within(10.0 * tolerance(act), &what, (&x, &IMAGE), &oracle, build)
    } else {
        check_op_within(tolerance(act), &what, (&x, &IMAGE), &oracle, build)
    };
    // Batch normalisation applies any, since it knows the value before.
    let fusable = matches!(act.name(), "relu" | "tanh" | "sigmoid") || below == "batch_norm";
    assert_eq!(kernels.contains(&"activation"), !fusable, "{what}: {kernels:?}");
}

/// Every reader with every activation, each time behind another maker.
#[test]
fn every_reader_applies_every_slope() {
    for reader in 0..7 {
        for act in 0..5 {
            check((reader + act) % 4, act, reader);
        }
    }
}

/// Every maker with every activation.
#[test]
fn every_maker_applies_every_activation() {
    for maker in 0..4 {
        for act in 0..5 {
            check(maker, act, (maker + act) % 2);
        }
    }
}

/// Two readers, the second of which adds to the slope-scaled gradient of the first.
#[test]
fn read_twice() {
    let relu = PAIRS[0];
    let x = fill(BATCH * LEN, 12, 1.0);
    let fc = || linear::oracle(BATCH, LEN, LEN, true);
    let first = fc().then(activation(relu.1));
    // relu(fc(x)) + fc'(relu(fc(x)))
    let residual = fc().plus(Oracle::identity());
    let kernels = check_op_within(
        super::TOLERANCE,
        "relu read twice",
        (&x, &[LEN]),
        &first.then(residual),
        |graph, node| {
            let z = graph.add(Op::Linear(Linear::new(LEN)), &[node]).unwrap();
            let h = graph.activation(relu.0, z).unwrap();
            let y = graph.add(Op::Linear(Linear::new(LEN)), &[h]).unwrap();
            graph.add(Op::Add, &[y, h]).unwrap()
        },
    );
    assert!(!kernels.contains(&"activation"), "{kernels:?}");
}

/// As the last layer: the loss knows no slope, so the activation stays a launch of its own.
#[test]
fn as_the_last_layer() {
    for (act, act_oracle) in PAIRS {
        let model = Sequential::features(5).linear(3).activation(act).flatten().build().unwrap();
        let mut session =
            session(&model, Loss::MeanSquaredError, Sgd::plain(), Options::batch(7).gradients(true));
        let oracle = linear::oracle(7, 5, 3, true).then(activation(act_oracle));
        set_weights(&mut session, &oracle.params);
        let (x, targets) = (fill(35, 1, 1.0), fill(21, 2, 1.0));
        let data = regression(&[5], x.clone(), targets.clone(), 3);
        let step = train(&mut session, &data, &[0.0]).histories[0].steps[0];

        let (y, tolerance) = ((oracle.forward)(&widened(&x)), tolerance(act));
        let (loss, dy) = super::loss_of(&y, &targets);
        assert_close(&[step.loss], &[loss], tolerance, act.name());
        assert_close(&widened(&block(session.predict(&data, 0)).unwrap()), &y, tolerance, act.name());
        let expected = (oracle.backward)(&dy, &widened(&x));
        for (found, expected) in block(session.gradients(0)).unwrap().iter().zip(&expected.params) {
            assert_close(
                &widened(&found.data),
                expected,
                tolerance,
                &format!("{}: {}", act.name(), found.name),
            );
        }
    }
}

/// The same where another layer, of which nothing comes, reads the activation too.
#[test]
fn as_the_last_layer_beside_a_dead_end() {
    let (act, act_oracle) = PAIRS[1];
    let mut graph = Graph::new(&[5]).unwrap();
    let input = graph.input();
    let z = graph.add(Op::Linear(Linear::new(3)), &[input]).unwrap();
    let y = graph.activation(act, z).unwrap();
    graph.add(Op::Linear(Linear::new(2)), &[y]).unwrap();
    graph.add(Op::Flatten, &[y]).unwrap();
    let mut session =
        session(&graph, Loss::MeanSquaredError, Sgd::plain(), Options::batch(7).gradients(true));
    let oracle = linear::oracle(7, 5, 3, true).then(activation(act_oracle));
    let dead = [vec![1.0; 6], vec![1.0; 2]];
    set_weights(&mut session, &[&oracle.params[..], &dead].concat());
    let (x, targets) = (fill(35, 1, 1.0), fill(21, 2, 1.0));
    train(&mut session, &regression(&[5], x.clone(), targets.clone(), 3), &[0.0]);

    let (_, dy) = super::loss_of(&(oracle.forward)(&widened(&x)), &targets);
    let mut expected = (oracle.backward)(&dy, &widened(&x)).params;
    expected.extend([vec![0.0; 6], vec![0.0; 2]]);
    for (found, expected) in block(session.gradients(0)).unwrap().iter().zip(&expected) {
        assert_close(&widened(&found.data), expected, tolerance(act), &found.name);
    }
}
