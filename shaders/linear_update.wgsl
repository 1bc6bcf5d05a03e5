// A fully connected layer's weight gradient and the optimizer's step as one launch: the gradient never leaves the registers.
//   g = dw (O, I) and dbias (O) of linear_broadcast;  p, m, v as in update, by shared/optimizer.wgsl
//   norms[norm0 + workgroup] = sum of g^2, before clipping and decay: added to those that update leaves
//   linear_sgd_broadcast, linear_adam_broadcast   I and O are multiples of four
//   linear_sgd_ragged, linear_adam_ragged         I is; O is any number, such as ten classes
// Launched after the tick, which has decided that the update is made and counted the batch: x is the batch before. Nothing is
// written once the run has stopped.
// Launch: 16 x 32 weights a workgroup of one subgroup: x over I, y over O, z the replica. A row's biases go with column 0.
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
// 3 x (B, I), 7 dy (B, O): by load; params and moments as they were: by updated
@group(0) @binding(5) var<storage, read_write> params: array<vec4<f32>>;  // (replicas, arena)
@group(0) @binding(6) var<storage, read_write> moments: array<vec4<f32>>; // (slots, replicas, arena)
@group(0) @binding(8) var<storage, read_write> norms: array<f32>;         // (partial sums, replicas)
#import updated
#import source4
#import quad
#import weight_gradient
#import optimizer

const LANES = vec4<u32>(0u, 1u, 2u, 3u);

// A vector of parameters and its moments as they were.
struct Old {
    p: vec4<f32>,
    m: vec4<f32>,
    v: vec4<f32>,
}

fn old_at(adam: bool, at: u32, plane: u32) -> Old {
    if adam {
        return Old(params_at(at), moments_at(at), moments_at(plane + at));
    }
    return Old(params_at(at), moments_at(at), vec4<f32>());
}

// Steps the vector at `at`; k is what its rate and decay are multiplied by.
fn step_at(rule: Rule, adam: bool, k: vec2<f32>, at: u32, plane: u32, g: vec4<f32>, old: Old) {
    if adam {
        let stepped = adam_step(rule, k, old.p, g, old.m, old.v);
        moments[at] = stepped.m;
        moments[plane + at] = stepped.v;
        params[at] = (old.p - stepped.decayed) - stepped.by;
    } else {
        let stepped = sgd_step(rule, k, old.p, g, old.m);
        moments[at] = stepped.m;
        params[at] = old.p - stepped.by;
    }
}

fn gradient_step(wid: vec3<u32>, groups: vec3<u32>, lane: u32, adam: bool, ragged: bool) {
    let r = wid.z;
    if state[r].running == 0u {
        return;
    }
    let row = wid.y * 16u; // o
    let col = wid.x * 32u + 4u * lane; // i
    var t: Rows;
    let sums = weight_gradient(&t, r, lane, row, col, state[r].batch - 1u, 0u, dims.b, ragged);

    let rule = rule_of(r);
    let plane = dims.plane; // taken once: a CPU driver loads a uniform anew each time
    let base = (r * dims.rp) >> 2u;
    var squares = 0.0;
    if col < dims.i {
        let k = vec2<f32>(dims.w_rate, dims.w_decay);
        let width = dims.i >> 2u;
        let first = base + dims.w0 + row * width + (col >> 2u);
        let rows = min(16u, dims.o - row);
        // Four rows are read before the first is written: what they wait for is on its way together.
        for (var i = 0u; i < rows; i += 4u) {
            let g = rows_four(&t, i >> 2u);
            let at = first + min(vec4<u32>(i) + LANES, vec4<u32>(rows - 1u)) * width;
            let o0 = old_at(adam, at.x, plane);
            let o1 = old_at(adam, at.y, plane);
            let o2 = old_at(adam, at.z, plane);
            let o3 = old_at(adam, at.w, plane);
            squares += dot(g[0], g[0]);
            step_at(rule, adam, k, at.x, plane, g[0], o0);
            if i + 1u < rows {
                squares += dot(g[1], g[1]);
                step_at(rule, adam, k, at.y, plane, g[1], o1);
            }
            if i + 2u < rows {
                squares += dot(g[2], g[2]);
                step_at(rule, adam, k, at.z, plane, g[2], o2);
            }
            if i + 3u < rows {
                squares += dot(g[3], g[3]);
                step_at(rule, adam, k, at.w, plane, g[3], o3);
            }
        }
    }
    // Of the four lanes that hold the same sums, the first takes lo and the second hi.
    let at = row + 4u * (lane >> 2u) + 8u * (lane & 1u);
    if wid.x == 0u && dims.has_bias == 1u && (lane & 2u) == 0u && at < dims.o {
        let k = vec2<f32>(dims.bias_rate, dims.bias_decay);
        let g = select(vec4<f32>(), select(sums.lo, sums.hi, (lane & 1u) == 1u), at + LANES < vec4<u32>(dims.o));
        squares += dot(g, g);
        let to = base + dims.bias0 + (at >> 2u);
        step_at(rule, adam, k, to, plane, g, old_at(adam, to, plane));
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
