// A fully connected layer's weight gradient and the optimizer's step as one launch: the gradient never leaves the registers.
//   g = dw (O, I) and dbias (O) of linear_broadcast;  p, m, v as in update, by shared/optimizer.wgsl
//   norms[norm0 + workgroup] = sum of g^2, before clipping and decay: added to those that update leaves
//   linear_sgd_broadcast, linear_adam_broadcast   I is a multiple of eight, O of four
//   linear_sgd_ragged, linear_adam_ragged         I is; O is any number, such as ten classes
// Launched after the tick, which has decided that the update is made and counted the batch: x is the batch before. Nothing is
// written once the run has stopped.
// Launch: 16 x 64 weights a workgroup of one subgroup: x over I, y over O, z the replica. A row's biases go with column 0.
// Edges: as in linear_broadcast. The padding behind a bias stays zero.
#import state
#import broadcast
#import pick
#import load

struct Dims {
    b: u32,
    i: u32,
    o: u32,
    rx: u32, // words from one replica to the next: x
    ry: u32, // dy
    rp: u32, // params
    replicas: u32,
    has_bias: u32,
    x0: u32, // first vector of four of each tensor in what it is read from; 0 where a binding starts at its tensor
    dy0: u32,
    w0: u32, // first vector in params, and in a slot of moments
    bias0: u32,
    norm0: u32,
    plane: u32, // vec4s in one of the optimizer's slots, all replicas
    beta2: f32,
    eps: f32,
    nesterov: u32,
    decoupled: u32,
    w_rate: f32, // what the rate and the decay are multiplied by
    w_decay: f32,
    bias_rate: f32,
    bias_decay: f32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
// 3 x (B, I), 7 dy (B, O): by load; 5 params (replicas, arena), 6 moments (slots, replicas, arena): by eights
@group(0) @binding(8) var<storage, read_write> norms: array<f32>; // (partial sums, replicas)
#import eights
#import source4
#import quad
#import weight_gradient
#import optimizer

const LANES = vec4<u32>(0u, 1u, 2u, 3u);

// Steps the eight weights at `at`; k is what their rate and decay are multiplied by.
fn step_at(rule: Rule, adam: bool, k: vec2<f32>, at: u32, plane: u32, g: mat2x4<f32>) {
    let p = params_at(at);
    let m = moments_at(at);
    if adam {
        let v = moments_at(plane + at);
        let a = adam_step(rule, k, p[0], g[0], m[0], v[0]);
        let b = adam_step(rule, k, p[1], g[1], m[1], v[1]);
        moments_put(at, mat2x4<f32>(a.m, b.m));
        moments_put(plane + at, mat2x4<f32>(a.v, b.v));
        params_put(at, mat2x4<f32>((p[0] - a.decayed) - a.by, (p[1] - b.decayed) - b.by));
    } else {
        let a = sgd_step(rule, k, p[0], g[0], m[0]);
        let b = sgd_step(rule, k, p[1], g[1], m[1]);
        moments_put(at, mat2x4<f32>(a.m, b.m));
        params_put(at, mat2x4<f32>(p[0] - a.by, p[1] - b.by));
    }
}

fn squares_of(g: mat2x4<f32>) -> f32 {
    return dot(g[0], g[0]) + dot(g[1], g[1]);
}

fn gradient_step(wid: vec3<u32>, groups: vec3<u32>, lane: u32, adam: bool, ragged: bool) {
    let r = wid.z;
    if state[r].running == 0u {
        return;
    }
    let row = wid.y * 16u; // o
    let col = wid.x * 64u + 8u * lane; // i
    var t: Rows;
    var u: Rows;
    let sums = weight_gradient(&t, &u, true, r, lane, row, col, state[r].batch - 1u, 0u, dims.b, ragged);

    let rule = rule_of(r);
    let plane = dims.plane >> 1u; // taken once: a CPU driver loads a uniform anew each time
    let base = (r * dims.rp) >> 3u;
    var squares = 0.0;
    if col < dims.i {
        let k = vec2<f32>(dims.w_rate, dims.w_decay);
        let width = dims.i >> 3u;
        let first = base + (dims.w0 >> 1u) + row * width + (col >> 3u);
        let rows = min(16u, dims.o - row);
        for (var i = 0u; i < rows; i += 2u) {
            let a = rows_two(&t, i);
            let b = rows_two(&u, i);
            let g = mat2x4<f32>(a[0], b[0]);
            squares += squares_of(g);
            step_at(rule, adam, k, first + i * width, plane, g);
            if i + 1u < rows {
                let h = mat2x4<f32>(a[1], b[1]);
                squares += squares_of(h);
                step_at(rule, adam, k, first + (i + 1u) * width, plane, h);
            }
        }
    }
    // The first lane takes the first eight of the sums over dy, of which its four lanes hold half; the second the others.
    let own = select(sums.lo, sums.hi, lane == 1u);
    let others = select(subgroupShuffleXor(sums.lo, 4u), subgroupShuffleXor(sums.hi, 4u), lane == 1u);
    let at = row + 8u * lane;
    if wid.x == 0u && dims.has_bias == 1u && lane < 2u && at < dims.o {
        let k = vec2<f32>(dims.bias_rate, dims.bias_decay);
        let there = at + LANES < vec4<u32>(dims.o);
        let there2 = at + 4u + LANES < vec4<u32>(dims.o);
        let g = mat2x4<f32>(select(vec4<f32>(), own, there), select(vec4<f32>(), others, there2));
        squares += squares_of(g);
        step_at(rule, adam, k, base + ((dims.bias0 + (at >> 2u)) >> 1u), plane, g);
    }
    // In a fixed tree.
    squares += subgroupShuffleXor(squares, 1u);
    squares += subgroupShuffleXor(squares, 2u);
    squares += subgroupShuffleXor(squares, 4u);
    if lane == 0u {
        norms[(dims.norm0 + wid.y * groups.x + wid.x) * dims.replicas + r] = squares;
    }
}

@compute @workgroup_size(8)
fn linear_sgd_broadcast(
    @builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32
) {
    gradient_step(wid, groups, lane, false, false);
}

@compute @workgroup_size(8)
fn linear_adam_broadcast(
    @builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32
) {
    gradient_step(wid, groups, lane, true, false);
}

@compute @workgroup_size(8)
fn linear_sgd_ragged(
    @builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32
) {
    gradient_step(wid, groups, lane, false, true);
}

@compute @workgroup_size(8)
fn linear_adam_ragged(
    @builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32
) {
    gradient_step(wid, groups, lane, true, true);
}
