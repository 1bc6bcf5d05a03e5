//! `y = x w^T + bias` at shapes on both sides of the tile edges: 64 a workgroup, 8 an invocation; or 32, 4, and slices
//! of 32 terms; or 64, 8, and slices of 16.

use super::{Gradients, Oracle, TOLERANCE, check_kernels, check_op};
use crate::common::{fill, widened};
use crate::reference;
use rangefinder::{ClassTuning, Graph, Linear, Op, Profile, Tiling, Tuning};

/// The oracle of a layer with seeded weights.
pub fn oracle(b: usize, i: usize, o: usize, bias: bool) -> Oracle {
    let layer = reference::linear::Linear { b, i, o };
    let scale = 1.0 / (i as f32).sqrt();
    let mut params = vec![fill(o * i, 2, scale)];
    if bias {
        params.push(fill(o, 3, 1.0));
    }
    let weight = widened(&params[0]);
    let offset = if bias { widened(&params[1]) } else { vec![0.0; o] };
    let w = weight.clone();
    let backward = move |dy: &[f64], x: &[f64]| {
        let mut params = vec![layer.dw(dy, x)];
        if bias {
            params.push(layer.db(dy));
        }
        Gradients { dx: layer.dx(dy, &w), params }
    };
    let forward = move |x: &[f64]| layer.forward(x, &weight, &offset);
    Oracle { params, forward: Box::new(forward), backward: Box::new(backward) }
}

#[track_caller]
fn check(b: usize, i: usize, o: usize, bias: bool) {
    let x = fill(b * i, 1, 1.0);
    let oracle = oracle(b, i, o, bias);
    let what = format!("linear {b}x{i} to {o}");
    let build = |graph: &mut Graph, node| graph.add(Op::Linear(Linear { out: o, bias }), &[node]).unwrap();
    check_op(&what, (&x, &[i]), &oracle, build);
    // The large tiles, which only large shapes get by themselves.
    let large = ClassTuning { products: Tiling::Tile64, gradients: Tiling::Tile64, groups: 128 };
    let tuning = Tuning { linear: [large; 4], ..Tuning::of(Profile::Tiled) };
    let harness = check_kernels(TOLERANCE, &format!("{what}, 64 x 64"), (&x, &[i]), &oracle, tuning, build);
    assert_eq!(harness.kernels()[1], "linear_tiled64");
}

#[test]
fn single_elements() {
    check(1, 1, 1, true);
    check(1, 7, 1, true);
    check(1, 1, 7, true);
    check(7, 1, 1, true);
}

#[test]
fn inside_a_tile() {
    check(7, 5, 3, true);
    check(16, 8, 8, true);
    check(9, 17, 9, true);
}

#[test]
fn at_the_edge_of_a_tile() {
    check(64, 64, 64, true);
}

#[test]
fn one_past_the_edge_of_a_tile() {
    check(65, 65, 65, true);
    check(1, 129, 65, true);
    check(65, 1, 129, true);
}

/// Enough columns for tiles of 64, the last of which has an odd number of vectors.
#[test]
fn around_two_hundred_and_fifty_six_columns() {
    check(17, 256, 256, true);
    check(16, 260, 264, true);
    check(3, 264, 260, false);
}

/// Workgroup memory's tiles of 32, and rows that start at each of the four places in a vector.
#[test]
fn around_thirty_two() {
    check(32, 32, 32, true);
    check(31, 33, 34, true);
    check(34, 31, 33, false);
    check(33, 35, 31, true);
}

/// Outputs that do not come in fours behind inputs that do: the broadcast kernels' ragged form.
#[test]
fn ragged_outputs() {
    check(33, 36, 10, true);
    check(5, 4, 1, true);
    check(17, 8, 3, false);
    check(70, 132, 35, true);
}

#[test]
fn many_slices_of_a_long_batch() {
    check(131, 3, 2, true);
}

#[test]
fn without_a_bias() {
    check(7, 65, 5, false);
    check(3, 4, 8, false);
}

/// Features in fours: what the broadcast kernels take. Rows and columns past their 16 x 32 tiles, and sliced sums.
#[test]
fn in_fours() {
    check(1, 4, 4, true);
    check(7, 12, 20, false);
    check(17, 36, 33 + 3, true);
    check(65, 132, 68, true);
}
