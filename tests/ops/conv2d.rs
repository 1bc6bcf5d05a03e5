//! Convolutions with every stride, padding and dilation, on images down to one pixel.

use super::{Gradients, Oracle, check_op};
use crate::common::{fill, widened};
use crate::reference;
use rangefinder::{Conv2d, Loss, Op, Options, Sequential, Sgd, compile};

/// The layer of the engine that the oracle's shape describes.
pub fn layer(shape: &reference::conv2d::Conv2d, bias: bool) -> Op {
    Op::Conv2d(conv(shape, bias))
}

fn conv(shape: &reference::conv2d::Conv2d, bias: bool) -> Conv2d {
    Conv2d {
        out: shape.o,
        kernel: [shape.kh, shape.kw],
        stride: shape.stride,
        padding: shape.padding,
        dilation: shape.dilation,
        groups: 1,
        bias,
    }
}

/// The oracle of a layer with seeded weights.
pub fn oracle(shape: reference::conv2d::Conv2d, bias: bool) -> Oracle {
    let scale = 1.0 / ((shape.c * shape.kh * shape.kw) as f32).sqrt();
    let mut params = vec![fill(shape.w_len(), 2, scale)];
    if bias {
        params.push(fill(shape.o, 3, 1.0));
    }
    let weight = widened(&params[0]);
    let offset = if bias { widened(&params[1]) } else { vec![0.0; shape.o] };
    let w = weight.clone();
    let backward = move |dy: &[f64], x: &[f64]| {
        let mut params = vec![shape.dw(dy, x)];
        if bias {
            params.push(shape.db(dy));
        }
        Gradients { dx: shape.dx(dy, &w), params }
    };
    let forward = move |x: &[f64]| shape.forward(x, &weight, &offset);
    Oracle { params, forward: Box::new(forward), backward: Box::new(backward) }
}

/// A convolution of stride 1 without padding.
pub const fn plain(
    b: usize,
    [c, h, w]: [usize; 3],
    o: usize,
    [kh, kw]: [usize; 2],
) -> reference::conv2d::Conv2d {
    reference::conv2d::Conv2d { b, c, h, w, o, kh, kw, stride: [1, 1], padding: [0, 0], dilation: [1, 1] }
}

#[track_caller]
fn check_with(shape: reference::conv2d::Conv2d, bias: bool) {
    let x = fill(shape.x_len(), 1, 1.0);
    check_op(
        &format!("{shape:?}"),
        (&x, &[shape.c, shape.h, shape.w]),
        &oracle(shape, bias),
        |graph, node| graph.add(layer(&shape, bias), &[node]).unwrap(),
    );
}

#[track_caller]
fn check(shape: reference::conv2d::Conv2d) {
    check_with(shape, true);
}

#[test]
fn one_pixel() {
    check(plain(1, [1, 1, 1], 1, [1, 1]));
    check(plain(7, [3, 1, 1], 5, [1, 1]));
    check(reference::conv2d::Conv2d { padding: [1, 1], ..plain(2, [1, 1, 1], 3, [3, 3]) });
}

#[test]
fn channels_past_the_tiles() {
    check(reference::conv2d::Conv2d { padding: [1, 1], ..plain(2, [17, 5, 7], 9, [3, 3]) });
    check(plain(3, [1, 5, 7], 65, [3, 3]));
    check(plain(1, [65, 3, 3], 17, [1, 1]));
}

#[test]
fn padding() {
    let image = plain(2, [3, 5, 7], 4, [3, 3]);
    check(image);
    check(reference::conv2d::Conv2d { padding: [1, 1], ..image });
    check(reference::conv2d::Conv2d { padding: [2, 2], ..image });
    check(reference::conv2d::Conv2d { padding: [2, 2], ..plain(2, [3, 9, 9], 2, [5, 5]) });
}

#[test]
fn strides_that_leave_pixels_over() {
    let image = plain(2, [3, 9, 9], 4, [3, 3]);
    check(reference::conv2d::Conv2d { stride: [2, 2], padding: [1, 1], ..image });
    check(reference::conv2d::Conv2d { stride: [3, 3], ..image });
    check(reference::conv2d::Conv2d { stride: [2, 2], ..plain(3, [1, 8, 6], 2, [1, 1]) });
}

#[test]
fn dilation() {
    let image = plain(2, [3, 9, 9], 4, [3, 3]);
    check(reference::conv2d::Conv2d { dilation: [2, 2], ..image });
    check(reference::conv2d::Conv2d { dilation: [2, 2], stride: [2, 2], padding: [2, 2], ..image });
}

#[test]
fn both_axes_different() {
    let uneven = plain(3, [2, 7, 5], 3, [3, 1]);
    check(reference::conv2d::Conv2d { stride: [1, 2], padding: [2, 0], ..uneven });
    check(reference::conv2d::Conv2d {
        stride: [3, 1],
        padding: [0, 2],
        dilation: [1, 2],
        ..plain(2, [2, 9, 6], 3, [2, 4])
    });
}

/// Workgroup memory's tiles: 32 pixels, 32 channels, slices of 32 terms, of which a window of 35 has more than one.
#[test]
fn around_thirty_two() {
    check(plain(2, [1, 8, 9], 33, [5, 7]));
    check(plain(1, [4, 6, 10], 31, [3, 3]));
    check(reference::conv2d::Conv2d { stride: [2, 3], padding: [1, 0], ..plain(3, [33, 4, 5], 2, [2, 2]) });
}

#[test]
fn without_a_bias() {
    check_with(reference::conv2d::Conv2d { padding: [1, 1], ..plain(2, [3, 5, 7], 4, [3, 3]) }, false);
}

#[test]
fn many_images_in_slices() {
    check(reference::conv2d::Conv2d { padding: [1, 1], ..plain(17, [1, 5, 5], 3, [3, 3]) });
}

/// Planes in fours: what the broadcast kernels take. Channels and pixels past their 16 x 32 tiles.
#[test]
fn planes_in_fours() {
    let image = plain(3, [5, 8, 6], 7, [3, 3]);
    check(reference::conv2d::Conv2d { padding: [1, 1], ..image });
    check(reference::conv2d::Conv2d { stride: [2, 2], padding: [1, 2], ..plain(2, [3, 8, 8], 17, [3, 5]) });
    check(reference::conv2d::Conv2d {
        dilation: [2, 1],
        padding: [2, 0],
        ..plain(5, [17, 4, 4], 33, [3, 1])
    });
    check_with(plain(2, [4, 2, 2], 4, [1, 1]), false);
}

/// 3 x 3 taps over even sides, which Mesa's CPU driver gets by quads of pixels: few channels and many, past their 8 quads and 16
/// channels, and every padding.
#[test]
fn quads() {
    let image = plain(3, [6, 8, 10], 18, [3, 3]);
    for padding in [[0, 0], [1, 1], [2, 2], [0, 1], [2, 1]] {
        check(reference::conv2d::Conv2d { padding, ..image });
    }
    check(reference::conv2d::Conv2d { padding: [1, 1], ..plain(2, [1, 6, 34], 17, [3, 3]) });
    check(reference::conv2d::Conv2d { padding: [1, 1], ..plain(5, [9, 2, 2], 3, [3, 3]) });
    check(plain(1, [3, 4, 4], 1, [3, 3]));
    check_with(reference::conv2d::Conv2d { padding: [2, 2], ..plain(2, [4, 6, 4], 5, [3, 3]) }, false);
}

/// Channels first to first + some of a batch of images with `all` channels.
fn part(values: &[f64], batch: usize, all: usize, first: usize, some: usize) -> Vec<f64> {
    let plane = values.len() / (batch * all);
    let image = |b: usize| values[(b * all + first) * plane..][..some * plane].iter().copied();
    (0..batch).flat_map(image).collect()
}

/// The parts side by side again.
fn joined(parts: &[Vec<f64>], batch: usize) -> Vec<f64> {
    let image = |b: usize| parts.iter().flat_map(move |p| p.chunks(p.len() / batch).nth(b).unwrap().to_vec());
    (0..batch).flat_map(image).collect()
}

/// `groups` convolutions of `each` side by side.
fn check_groups(each: reference::conv2d::Conv2d, groups: usize, bias: bool) {
    let (b, c, o) = (each.b, groups * each.c, groups * each.o);
    let mut params = vec![fill(groups * each.w_len(), 2, 0.5)];
    if bias {
        params.push(fill(o, 3, 1.0));
    }
    let w = widened(&params[0]);
    let offset = if bias { widened(&params[1]) } else { vec![0.0; o] };
    let weights = w.clone();
    let group_of = move |g: usize| weights[g * each.w_len()..][..each.w_len()].to_vec();
    let group = group_of.clone();
    let forward = move |x: &[f64]| {
        let y = |g: usize| {
            each.forward(&part(x, b, c, g * each.c, each.c), &group(g), &offset[g * each.o..][..each.o])
        };
        joined(&(0..groups).map(y).collect::<Vec<_>>(), b)
    };
    let backward = move |dy: &[f64], x: &[f64]| {
        let xs = |g: usize| part(x, b, c, g * each.c, each.c);
        let dys = |g: usize| part(dy, b, o, g * each.o, each.o);
        let dx: Vec<_> = (0..groups).map(|g| each.dx(&dys(g), &group_of(g))).collect();
        let mut params = vec![(0..groups).flat_map(|g| each.dw(&dys(g), &xs(g))).collect()];
        if bias {
            params.push((0..groups).flat_map(|g| each.db(&dys(g))).collect());
        }
        Gradients { dx: joined(&dx, b), params }
    };
    let oracle = Oracle { params, forward: Box::new(forward), backward: Box::new(backward) };
    let x = fill(b * c * each.h * each.w, 1, 1.0);
    let op = Conv2d { out: o, groups, ..conv(&each, bias) };
    let kernels =
        check_op(&format!("{groups} x {each:?}"), (&x, &[c, each.h, each.w]), &oracle, |graph, node| {
            graph.add(Op::Conv2d(op.clone()), &[node]).unwrap()
        });
    for kernel in ["conv2d_grouped", "conv2d_dx_grouped", "conv2d_dw_grouped"] {
        assert!(kernels.contains(&kernel), "{kernels:?}");
    }
}

#[test]
fn depthwise() {
    check_groups(reference::conv2d::Conv2d { padding: [1, 1], ..plain(3, [1, 7, 5], 1, [3, 3]) }, 6, true);
    check_groups(reference::conv2d::Conv2d { stride: [2, 1], ..plain(2, [1, 9, 8], 2, [3, 5]) }, 5, true);
    check_groups(plain(2, [1, 9, 9], 1, [1, 1]), 2, false);
    check_groups(reference::conv2d::Conv2d { padding: [1, 1], ..plain(70, [1, 2, 2], 1, [3, 3]) }, 3, true);
}

#[test]
fn in_groups() {
    check_groups(plain(2, [3, 6, 5], 2, [3, 3]), 4, true);
    check_groups(
        reference::conv2d::Conv2d { dilation: [2, 1], padding: [2, 0], ..plain(3, [2, 6, 7], 5, [3, 2]) },
        2,
        true,
    );
}

/// As a model's first layer: the batch is copied before it.
#[test]
fn depthwise_on_the_dataset() {
    let model = Sequential::image(3, 6, 6).depthwise_conv2d(3).relu().max_pool(2).flatten().linear(2);
    let plan = compile(&model.build().unwrap(), Loss::CrossEntropy, &Sgd::plain().into(), &Options::batch(4));
    let plan = plan.unwrap();
    let kernels: Vec<_> = plan.step.iter().map(|d| d.kernel.name()).collect();
    assert_eq!(kernels[..3], ["gather", "conv2d_grouped", "max_pool"]);
}

#[test]
fn groups_divide_the_channels() {
    for (c, out, groups) in [(4, 6, 4), (6, 4, 4), (4, 4, 0)] {
        let model = Sequential::image(c, 5, 5).layer(Op::Conv2d(Conv2d::new(out, 3).groups(groups))).build();
        let error = model.unwrap_err().to_string();
        assert!(
            error.contains(&format!("{groups} groups do not divide {c} channels in and {out} out")),
            "{error}"
        );
    }
}

/// One tap: a matrix product over channels. In fours and not, past the 16 x 32 tiles.
#[test]
fn pointwise() {
    check(plain(3, [8, 2, 6], 20, [1, 1]));
    check(plain(1, [36, 4, 5], 4, [1, 1]));
    check_with(plain(5, [4, 2, 2], 8, [1, 1]), false);
    check(plain(2, [6, 2, 2], 8, [1, 1]));
    check(reference::conv2d::Conv2d { padding: [1, 1], ..plain(2, [4, 2, 2], 8, [1, 1]) });
}
