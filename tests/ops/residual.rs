//! Sums that the layer before them adds up, `act(own(batch_norm(x)) + other)` or `act(product(x) + other)`: against the oracles and
//! against the same layers apart, where they are fused, and where they must not be.

use super::activation::{PAIRS, oracle as activation, tolerance};
use super::batch_norm::{check_evaluated, check_training_within, oracle as normalised};
use super::{Harness, Oracle, TOLERANCE, check_kernels, check_op, conv2d, linear};
use crate::common::{assert_close, fill, gpu};
use crate::reference;
use rangefinder::{BatchNorm, ClassTuning, Graph, Linear, NodeId, Op, Profile, Sequential, Tiling, Tuning};

const IMAGE: [usize; 3] = [3, 4, 5];
const LEN: usize = 60;
const BATCH: usize = 7;

const CONV: reference::conv2d::Conv2d =
    reference::conv2d::Conv2d { padding: [1, 1], ..conv2d::plain(BATCH, IMAGE, 3, [3, 3]) };
const NORM: reference::batch_norm::BatchNorm = reference::batch_norm::BatchNorm::new(BATCH, 3, 20);

fn conv() -> Oracle {
    conv2d::oracle(CONV, false)
}

fn add_conv(graph: &mut Graph, node: NodeId) -> NodeId {
    graph.add(conv2d::layer(&CONV, false), &[node]).unwrap()
}

fn add_norm(graph: &mut Graph, node: NodeId) -> NodeId {
    graph.add(Op::BatchNorm(BatchNorm::default()), &[node]).unwrap()
}

/// An activation by its place in `PAIRS`, or none.
fn act(which: Option<usize>) -> Oracle {
    which.map_or_else(Oracle::identity, |act| activation(PAIRS[act].1))
}

fn add_act(which: Option<usize>, graph: &mut Graph, node: NodeId) -> NodeId {
    which.map_or(node, |act| graph.activation(PAIRS[act].0, node).unwrap())
}

/// The sum of two values, in either order.
fn sum(graph: &mut Graph, a: NodeId, b: NodeId, swapped: bool) -> NodeId {
    graph.add(Op::Add, &if swapped { [b, a] } else { [a, b] }).unwrap()
}

/// Sums that are launches of their own.
fn adds(kernels: &[&str]) -> usize {
    kernels.iter().filter(|k| **k == "add").count()
}

/// Gradients of sums that are.
fn copies(kernels: &[&str]) -> usize {
    kernels.iter().filter(|k| **k == "add_dx").count()
}

fn within(acts: &[Option<usize>]) -> f64 {
    acts.iter().flatten().map(|&a| tolerance(PAIRS[a].0)).fold(super::TOLERANCE, f64::max) * 10.0
}

/// `outer(own(bn(conv(h))) + h)`, where `h = below(conv(x))`: h takes the sum's gradient over, but where a slope lies below.
fn block(
    below: Option<usize>,
    own: Option<usize>,
    outer: Option<usize>,
    swapped: bool,
) -> (Oracle, impl Fn(&mut Graph, NodeId) -> NodeId) {
    let inner = conv().then(normalised(NORM)).then(act(own)).plus(Oracle::identity());
    let oracle = conv().then(act(below)).then(inner).then(act(outer)).then(conv());
    (oracle, move |graph: &mut Graph, node| {
        let h = add_conv(graph, node);
        let h = add_act(below, graph, h);
        let z = add_conv(graph, h);
        let z = add_norm(graph, z);
        let z = add_act(own, graph, z);
        let y = sum(graph, z, h, swapped);
        let y = add_act(outer, graph, y);
        add_conv(graph, y)
    })
}

#[test]
fn around_a_normalised_convolution() {
    let x = fill(BATCH * LEN, 1, 1.0);
    let none = None;
    let cases = [
        (none, none, none),
        (none, Some(0), none),
        (none, none, Some(0)),
        (Some(0), Some(0), none),
        (Some(1), Some(2), Some(1)),
        (none, Some(3), Some(0)),
        (Some(0), Some(4), Some(2)),
        (none, Some(0), Some(3)), // gelu of a sum is nobody's
    ];
    for (i, (below, own, outer)) in cases.into_iter().enumerate() {
        let (oracle, build) = block(below, own, outer, i % 2 == 1);
        let what = format!("residual, below {below:?}, own {own:?}, outer {outer:?}");
        let tolerance = within(&[below, own, outer]);
        let kernels = check_training_within(tolerance, &what, (&x, &IMAGE), &oracle, build);
        assert_eq!(adds(&kernels), 0, "{what}: {kernels:?}");
        assert_eq!(kernels.contains(&"activation"), outer == Some(3), "{what}: {kernels:?}");
        // With a slope below, h's gradient is not that of the sum.
        assert_eq!(copies(&kernels), usize::from(below.is_some()), "{what}: {kernels:?}");
    }
}

/// What is added is what is normalised: the gradient of the one is added to that of the other.
#[test]
fn around_the_normalisation_alone() {
    let x = fill(BATCH * LEN, 1, 1.0);
    for own in [None, Some(0)] {
        let oracle = normalised(NORM).then(act(own)).plus(Oracle::identity());
        let what = format!("x + {own:?}(batch_norm(x))");
        let build = |graph: &mut Graph, node| {
            let z = add_norm(graph, node);
            let z = add_act(own, graph, z);
            sum(graph, z, node, false)
        };
        let kernels = check_training_within(within(&[own]), &what, (&x, &IMAGE), &oracle, build);
        assert_eq!((adds(&kernels), copies(&kernels)), (0, 1), "{kernels:?}");
        let behind = |x: &[f64], z: &[f64]| reference::add::forward(x, &(act(own).forward)(z));
        check_evaluated(within(&[own]), &what, NORM, &IMAGE, behind, build);
    }
}

/// Two normalised branches: the second adds up.
#[test]
fn of_two_branches() {
    let x = fill(BATCH * LEN, 1, 1.0);
    let branch = |own| conv().then(normalised(NORM)).then(act(own));
    for swapped in [false, true] {
        let oracle = branch(Some(0)).plus(branch(Some(1))).then(act(Some(0))).then(conv());
        let build = |graph: &mut Graph, node| {
            let [a, b] = [0, 1].map(|own| {
                let z = add_conv(graph, node);
                let z = add_norm(graph, z);
                add_act(Some(own), graph, z)
            });
            let y = sum(graph, a, b, swapped);
            let y = add_act(Some(0), graph, y);
            add_conv(graph, y)
        };
        let kernels = check_training_within(within(&[Some(1)]), "two branches", (&x, &IMAGE), &oracle, build);
        assert_eq!(adds(&kernels), 0, "{kernels:?}");
        assert_eq!(copies(&kernels), 0, "{kernels:?}");
    }
}

/// Blocks behind each other: one sum's gradient goes through the next.
#[test]
fn blocks_behind_each_other() {
    let x = fill(BATCH * LEN, 1, 1.0);
    let block = || conv().then(normalised(NORM)).then(act(Some(0))).plus(Oracle::identity());
    let oracle = conv().then(block()).then(block()).then(block()).then(conv());
    let build = |graph: &mut Graph, node| {
        let mut h = add_conv(graph, node);
        for swapped in [false, true, false] {
            let z = add_conv(graph, h);
            let z = add_norm(graph, z);
            let z = add_act(Some(0), graph, z);
            h = sum(graph, z, h, swapped);
        }
        add_conv(graph, h)
    };
    let kernels = check_training_within(3.0 * within(&[None]), "three blocks", (&x, &IMAGE), &oracle, build);
    assert_eq!(adds(&kernels), 0, "{kernels:?}");
    assert_eq!(copies(&kernels), 0, "{kernels:?}");
}

/// `act(f(x) + f(x))` by two layers of the same weights, read by a third: the second adds the first.
#[track_caller]
fn check_product(
    what: &str,
    (x, shape): (&[f32], &[usize]),
    f: impl Fn() -> Oracle,
    (op, outputs): (Op, usize),
    tuning: Option<Tuning>,
) {
    let batch = x.len() / shape.iter().product::<usize>();
    for outer in [None, Some(0)] {
        let reader = linear::oracle(batch, outputs, 3, true);
        let oracle = f().plus(f()).then(act(outer)).then(reader);
        let build = |graph: &mut Graph, node: NodeId| {
            let [a, b] = [0, 1].map(|_| graph.add(op.clone(), &[node]).unwrap());
            let y = sum(graph, a, b, outer.is_some());
            let y = add_act(outer, graph, y);
            let y = graph.add(Op::Flatten, &[y]).unwrap();
            graph.add(Op::Linear(Linear::new(3)), &[y]).unwrap()
        };
        let kernels = match tuning {
            None => check_op(what, (x, shape), &oracle, build),
            Some(tuning) => check_kernels(TOLERANCE, what, (x, shape), &oracle, tuning, build).kernels(),
        };
        assert_eq!(adds(&kernels), 0, "{what}: {kernels:?}");
    }
}

/// Every family of kernels: any shape, quads of pixels, pixels in fours, one tap.
#[test]
fn behind_convolutions() {
    let same =
        |b, image, o| reference::conv2d::Conv2d { padding: [1, 1], ..conv2d::plain(b, image, o, [3, 3]) };
    let shapes = [
        same(7, [3, 5, 7], 5),
        same(3, [5, 6, 8], 18),
        same(2, [9, 10, 18], 33),
        reference::conv2d::Conv2d { padding: [2, 2], ..conv2d::plain(2, [3, 4, 6], 19, [5, 5]) },
        reference::conv2d::Conv2d { stride: [2, 2], ..conv2d::plain(2, [2, 9, 13], 4, [3, 3]) },
        conv2d::plain(3, [4, 2, 6], 20, [1, 1]),
        conv2d::plain(1, [1, 1, 1], 1, [1, 1]),
    ];
    for (i, conv) in shapes.into_iter().enumerate() {
        let bias = i % 2 == 0;
        let x = fill(conv.x_len(), 1, 1.0);
        let outputs = conv.o * conv.out_h() * conv.out_w();
        let op = (conv2d::layer(&conv, bias), outputs);
        let shape = [conv.c, conv.h, conv.w];
        check_product(&format!("{conv:?}"), (&x, &shape), || conv2d::oracle(conv, bias), op, None);
    }
}

/// Every kernel: any shape, inputs and outputs in fours, inputs alone, tiles of 64.
#[test]
fn behind_linear_layers() {
    let large = ClassTuning { products: Tiling::Tile64, gradients: Tiling::Tile64, groups: 128 };
    let large = Tuning { linear: [large; 4], ..Tuning::of(Profile::Tiled) };
    for (b, i, o, bias) in [(7, 13, 33, true), (70, 12, 36, false), (5, 12, 10, true), (33, 64, 68, true)] {
        let x = fill(b * i, 1, 1.0);
        for tuning in [None, Some(large)] {
            let what = format!("linear {b}x{i} to {o}, {tuning:?}");
            let op = (Op::Linear(Linear { out: o, bias }), o);
            check_product(&what, (&x, &[i]), || linear::oracle(b, i, o, bias), op, tuning);
        }
    }
}

/// A reshape between two layers keeps them apart and launches nothing: the same to a few roundings, under every profile.
#[test]
fn fused_and_apart_agree() {
    let shape = [3, 8, 6];
    let x = fill(BATCH * 144, 1, 1.0);
    let params: Vec<Vec<f32>> = vec![fill(3, 2, 1.0), fill(3, 3, 1.0), fill(3, 4, 1.0), fill(3, 5, 1.0)];
    let run = |apart: bool, profile: rangefinder::Profile| {
        let build = |graph: &mut Graph, node: NodeId| {
            let keep = |graph: &mut Graph, node: NodeId| match apart {
                true => graph.add(Op::Reshape(graph.shape(node).to_vec()), &[node]).unwrap(),
                false => node,
            };
            let z = add_norm(graph, node);
            let z = keep(graph, z);
            let z = add_act(Some(0), graph, z);
            let z = keep(graph, z);
            let y = sum(graph, z, node, false);
            let y = add_norm(graph, y);
            let y = keep(graph, y);
            let y = add_act(Some(0), graph, y);
            let y = keep(graph, y);
            graph.add(Op::MaxPool(rangefinder::MaxPool::new(2)), &[y]).unwrap()
        };
        let mut harness = Harness::new(&x, &shape, &params, profile, build);
        let seen = harness.step();
        (seen, harness.evaluated(), harness.kernels())
    };
    for profile in gpu().profiles() {
        let (fused, fused_eval, kernels) = run(false, profile);
        let (apart, apart_eval, more) = run(true, profile);
        assert!(kernels.contains(&"batch_norm_pool") && !more.contains(&"batch_norm_pool"), "{more:?}");
        assert!(kernels.len() + 4 <= more.len(), "{profile:?}: {kernels:?} {more:?}");
        let close = |found: &[f64], expected: &[f64], what: &str| {
            assert_close(found, expected, 3e-6, &format!("{what}, {profile:?}"));
        };
        close(&fused.y, &apart.y, "y");
        close(&fused.dx, &apart.dx, "dx");
        close(&fused_eval, &apart_eval, "y evaluated");
        fused.params.iter().zip(&apart.params).for_each(|(f, a)| close(f, a, "parameters"));
    }
}

/// Where a bare value is read twice, or the layer is not the last before the sum.
#[test]
fn what_is_not_fused() {
    let twice = |graph: &mut Graph, node| {
        let z = add_norm(graph, node);
        graph.add(Op::Add, &[z, z]).unwrap()
    };
    let read_again = |graph: &mut Graph, node| {
        let z = add_norm(graph, node);
        let y = add_act(Some(0), graph, z);
        sum(graph, z, y, false)
    };
    let read_behind_a_view = |graph: &mut Graph, node| {
        let z = add_norm(graph, node);
        let view = graph.add(Op::Reshape(IMAGE.to_vec()), &[z]).unwrap();
        let y = sum(graph, view, node, false);
        sum(graph, y, z, false)
    };
    let made_later = |graph: &mut Graph, node| {
        let z = add_norm(graph, node);
        let other = graph.add(Op::Dropout(rangefinder::Dropout { p: 0.0 }), &[node]).unwrap();
        sum(graph, z, other, false)
    };
    let n = || normalised(NORM);
    let doubled = || Oracle::pure(|x| reference::add::forward(x, x), |dy, _| reference::add::forward(dy, dy));
    type Build = fn(&mut Graph, NodeId) -> NodeId;
    let cases: [(&str, Oracle, Build, usize); 4] = [
        ("twice", n().then(doubled()), twice, 1),
        ("read again", n().then(act(Some(0)).plus(Oracle::identity())), read_again, 1),
        ("read behind a view", n().then(doubled()).plus(Oracle::identity()), read_behind_a_view, 2),
        ("made later", n().plus(Oracle::identity()), made_later, 1),
    ];
    let x = fill(BATCH * LEN, 1, 1.0);
    for (what, oracle, build, apart) in cases {
        let kernels = check_training_within(within(&[None]), what, (&x, &IMAGE), &oracle, build);
        assert_eq!(adds(&kernels), apart, "{what}: {kernels:?}");
    }
}

/// What stands behind a layer in the printed plan.
#[test]
fn the_plan_says_what_was_fused() {
    let chain = |f: Sequential| f.conv2d(4, 3).batch_norm().relu();
    let model = chain(Sequential::image(4, 8, 8)).residual(chain).residual(|f| f.conv2d(4, 3).batch_norm());
    let model = chain(model.relu()).max_pool(2).flatten().linear(3).build().unwrap();
    let options = rangefinder::Options::batch(4);
    let sgd = rangefinder::Sgd::plain().into();
    let plan = rangefinder::compile(&model, rangefinder::Loss::CrossEntropy, &sgd, &options).unwrap();
    let notes: Vec<_> = plan.step.iter().filter(|d| d.kernel.name().starts_with("batch_norm")).collect();
    let notes: Vec<_> =
        notes.iter().map(|d| d.note.split("4x8x8").last().unwrap().trim_start_matches(", ")).collect();
    let expected = ["+ relu", "+ relu + add", "+ add + relu", "+ relu + max_pool"];
    assert_eq!(notes.iter().take(4).map(|n| n.trim()).collect::<Vec<_>>(), expected);
    assert_eq!(notes[4..], ["behind relu + max_pool", "", "behind relu", "behind relu"]);
}
