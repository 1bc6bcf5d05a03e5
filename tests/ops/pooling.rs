//! Max-pools of 2 x 2 that the convolution or the batch normalisation before them applies, with an activation between or without:
//! where they are applied, and where they must not be.

use super::activation::{PAIRS, oracle as activation, tolerance};
use super::{batch_norm, check_op_within, conv2d, gather, linear, loss_of, max_pool};
use crate::common::{assert_close, block, fill, session, set_weights, widened};
use crate::reference::batch_norm::BatchNorm;
use crate::reference::conv2d::Conv2d;
use rangefinder::{Graph, Loss, MaxPool, NodeId, Op, Options, Profile, Sequential, Sgd, compile};

/// The kernels of a model's step under a profile.
fn kernels(model: Sequential, profile: Profile) -> Vec<&'static str> {
    let model = model.flatten().linear(3).build().unwrap();
    let options = Options::batch(4).profile(profile);
    let plan = compile(&model, Loss::CrossEntropy, &Sgd::plain().into(), &options).unwrap();
    plan.step.iter().map(|d| d.kernel.name()).collect()
}

const PROFILES: [Profile; 4] = [Profile::Portable, Profile::Tiled, Profile::Broadcast, Profile::Mirrored];

/// conv2d, act, max_pool of 2 x 2 against the oracle under every profile.
#[track_caller]
fn check(conv: Conv2d, act: Option<usize>, bias: bool) {
    let (oh, ow) = (conv.out_h(), conv.out_w());
    let pool = max_pool::plain(conv.b, [conv.o, oh, ow], [2, 2]);
    let mut oracle = conv2d::oracle(conv, bias);
    if let Some(act) = act {
        oracle = oracle.then(activation(PAIRS[act].1));
    }
    let oracle = oracle.then(max_pool::oracle(pool));
    let tolerance = act.map_or(super::TOLERANCE, |act| tolerance(PAIRS[act].0));
    let x = fill(conv.x_len(), 1, 1.0);
    let what = format!("{conv:?}, {:?}, pooled", act.map(|a| PAIRS[a].0));
    check_op_within(tolerance, &what, (&x, &[conv.c, conv.h, conv.w]), &oracle, |graph, node| {
        let mut y = graph.add(conv2d::layer(&conv, bias), &[node]).unwrap();
        if let Some(act) = act {
            y = graph.activation(PAIRS[act].0, y).unwrap();
        }
        graph.add(max_pool::layer(&pool), &[y]).unwrap()
    });
}

const SAME: Conv2d = Conv2d { padding: [1, 1], ..conv2d::plain(3, [5, 6, 8], 7, [3, 3]) };

#[test]
fn behind_each_activation() {
    check(SAME, None, true);
    for act in 0..5 {
        check(SAME, Some(act), true);
    }
    check(SAME, Some(0), false);
}

/// Channels past every tile and in no fours, windows past every tile, other kernels, strides and paddings.
#[test]
fn of_many_shapes() {
    check(Conv2d { padding: [1, 1], ..conv2d::plain(2, [1, 10, 18], 33, [3, 3]) }, Some(0), true);
    check(Conv2d { padding: [1, 1], ..conv2d::plain(5, [17, 2, 2], 1, [3, 3]) }, Some(0), true);
    check(Conv2d { padding: [2, 2], ..conv2d::plain(1, [3, 6, 4], 18, [5, 5]) }, Some(0), true);
    check(Conv2d { stride: [2, 2], ..conv2d::plain(2, [2, 9, 13], 4, [3, 3]) }, Some(1), true);
    check(conv2d::plain(9, [2, 2, 2], 65, [1, 1]), Some(0), true);
    check(conv2d::plain(2, [3, 6, 6], 5, [3, 3]), None, true);
}

/// A row or a column that no window covers.
#[test]
fn odd_sides_are_pooled_apart() {
    let odd = [
        Conv2d { padding: [1, 1], ..conv2d::plain(2, [3, 5, 8], 4, [3, 3]) },
        Conv2d { padding: [1, 1], ..conv2d::plain(2, [3, 6, 7], 4, [3, 3]) },
    ];
    for conv in odd {
        check(conv, Some(0), true);
        for profile in PROFILES {
            let image = Sequential::image(conv.c, conv.h, conv.w);
            let found = kernels(image.conv2d(4, 3).relu().max_pool(2), profile);
            assert!(found.contains(&"max_pool"), "{profile:?}: {found:?}");
        }
    }
}

#[test]
fn one_launch_forward_and_none_of_the_pool_alone() {
    for profile in PROFILES {
        let image = || Sequential::image(1, 8, 8);
        for model in [image().conv2d(4, 3).relu().max_pool(2), image().conv2d(4, 3).max_pool(2)] {
            let found = kernels(model, profile);
            assert!(found[0].starts_with("conv2d_pool"), "{profile:?}: {found:?}");
            assert!(!found.iter().any(|k| k.starts_with("max_pool")), "{profile:?}: {found:?}");
        }
    }
}

/// Other windows, another reader of what lies between, an activation that nobody applies.
#[test]
fn what_is_not_fused() {
    let other = |pool: MaxPool| Sequential::image(3, 8, 8).conv2d(4, 3).relu().layer(Op::MaxPool(pool));
    for profile in PROFILES {
        let mut models = vec![
            other(MaxPool::new(3)),
            other(MaxPool::new(2).stride(1)),
            other(MaxPool::new(2).padding(1)),
            Sequential::image(3, 7, 8).batch_norm().max_pool(2),
            Sequential::image(3, 8, 8).batch_norm().max_pool(4),
            Sequential::image(3, 8, 8).batch_norm().activation(rangefinder::Activation::Silu).max_pool(2),
            Sequential::image(3, 8, 8).residual(|f| f.batch_norm()).relu().max_pool(2),
            Sequential::image(3, 8, 8).conv2d(4, 3).activation(rangefinder::Activation::Gelu).max_pool(2),
            Sequential::image(4, 8, 8).relu().max_pool(2),
        ];
        if matches!(profile, Profile::Broadcast | Profile::Mirrored) {
            models.push(Sequential::image(3, 8, 8).conv2d(4, 5).relu().max_pool(2));
        }
        for model in models {
            let found = kernels(model, profile);
            assert!(found.contains(&"max_pool"), "{profile:?}: {found:?}");
        }
    }
}

/// batch_norm, act, max_pool of 2 x 2 against the oracles under every profile, training and evaluated.
#[track_caller]
fn check_normalised(b: usize, shape: [usize; 3], act: Option<usize>) {
    let norm = BatchNorm::new(b, shape[0], shape[1] * shape[2]);
    let pool = max_pool::plain(b, shape, [2, 2]);
    let between = || act.map_or_else(super::Oracle::identity, |act| activation(PAIRS[act].1));
    let what = format!("batch_norm of {b}x{shape:?}, {:?}, pooled", act.map(|a| PAIRS[a].0));
    let build = |graph: &mut Graph, node: NodeId| {
        let mut y = graph.add(Op::BatchNorm(rangefinder::BatchNorm::default()), &[node]).unwrap();
        if let Some(act) = act {
            y = graph.activation(PAIRS[act].0, y).unwrap();
        }
        graph.add(max_pool::layer(&pool), &[y]).unwrap()
    };
    let tolerance = 10.0 * act.map_or(super::TOLERANCE, |act| tolerance(PAIRS[act].0));
    let x = fill(norm.x_len(), 1, 1.0);
    let oracle = batch_norm::oracle(norm).then(between()).then(max_pool::oracle(pool));
    let kernels = batch_norm::check_training_within(tolerance, &what, (&x, &shape), &oracle, build);
    let grows = act.is_none_or(|act| act < 3);
    assert_eq!(kernels.contains(&"batch_norm_pool"), grows, "{what}: {kernels:?}");
    assert_eq!(kernels.contains(&"max_pool"), !grows, "{what}: {kernels:?}");
    let behind = between().then(max_pool::oracle(pool));
    batch_norm::check_evaluated(tolerance, &what, norm, &shape, |_, z| (behind.forward)(z), build);
}

#[test]
fn behind_batch_normalisation() {
    check_normalised(3, [5, 6, 8], None);
    for act in 0..5 {
        check_normalised(3, [5, 6, 8], Some(act));
    }
}

/// One window, windows in no power of two, more of them than invocations in rows that are longer, shorter and as long, images that
/// share a workgroup.
#[test]
fn of_many_normalised_shapes() {
    check_normalised(7, [3, 2, 2], Some(0));
    check_normalised(131, [1, 2, 6], Some(0));
    check_normalised(1, [2, 34, 6], Some(0));
    check_normalised(2, [17, 4, 146], Some(1));
    check_normalised(3, [2, 10, 26], None);
    check_normalised(2, [3, 16, 128], Some(0));
}

/// Of equals the first: a channel of one value, whose windows are ties throughout.
#[test]
fn of_equal_pixels() {
    let (norm, shape) = (BatchNorm::new(2, 3, 16), [3, 4, 4]);
    let x: Vec<f32> = (0..norm.x_len()).map(|i| [0.5, -1.0, 2.0][i / 16 % 3]).collect();
    let pool = max_pool::plain(2, shape, [2, 2]);
    let oracle = batch_norm::oracle(norm).then(max_pool::oracle(pool));
    // Without a variance 1 / sqrt(eps) makes a rounding of the mean visible, and the gradient 300 times as large.
    batch_norm::check_training_within(1e-3, "equal pixels", (&x, &shape), &oracle, |graph, node| {
        let y = graph.add(Op::BatchNorm(rangefinder::BatchNorm::default()), &[node]).unwrap();
        graph.add(max_pool::layer(&pool), &[y]).unwrap()
    });
}

/// As a first layer, whose input nobody wants the gradient of: the weight gradient from the pooled one, over bytes and floats.
#[test]
fn of_the_dataset() {
    for (profile, bytes) in gather::cases() {
        for (shape, o) in [([1, 6, 20], 18), ([3, 4, 6], 5), ([6, 4, 4], 3)] {
            let data = gather::dataset(&shape, bytes);
            let what = format!("conv2d of {shape:?} pooled, bytes: {bytes}, {profile:?}");
            let conv = Conv2d { padding: [1, 1], ..conv2d::plain(5, shape, o, [3, 3]) };
            let pool = max_pool::plain(5, [o, shape[1], shape[2]], [2, 2]);
            let features = o * shape[1] * shape[2] / 4;
            let image = Sequential::image(shape[0], shape[1], shape[2]);
            let model = image.layer(conv2d::layer(&conv, true)).relu().max_pool(2).flatten().linear(2);
            let model = model.build().unwrap();
            let options = Options::batch(5).profile(profile).gradients(true);
            let mut session = session(&model, Loss::MeanSquaredError, Sgd::plain(), options);
            let oracle = conv2d::oracle(conv, true).then(activation(PAIRS[0].1)).then(max_pool::oracle(pool));
            let oracle = oracle.then(linear::oracle(5, features, 2, true));
            set_weights(&mut session, &oracle.params);

            let (x, targets) = gather::batch(&data);
            let (loss, dy) = loss_of(&(oracle.forward)(&x), &targets);
            let found = gather::step_on(&mut session, &data, &gather::BATCH);
            assert_close(&[found], &[loss], super::TOLERANCE, &what);
            let expected = (oracle.backward)(&dy, &x);
            for (found, expected) in block(session.gradients(0)).unwrap().iter().zip(&expected.params) {
                let what = format!("{what}: {}", found.name);
                assert_close(&widened(&found.data), expected, super::TOLERANCE, &what);
            }
        }
    }
}
