// The optimizer's step over every parameter at once, and the sum of squares of the gradient.
//   g = sum over slices of grads                            (in slice order: the same bits every time)
//   sgd, adam  p -= what shared/optimizer.wgsl makes of p, g and moments
//   grad_norm  only the sums of squares, for a run that clips
//   norms[norm0 + workgroup] = sum over its parameters of g^2, before clipping and decay
// Nothing is written once the run has stopped.
// blocks[i] says where the gradient of the i-th 64 words of params is: (its first vec4, vec4s in a slice, slices, group).
// Where there are parameter groups (GROUPS 1), lr and wd are multiples: those in blocks[group], (rate, decay); 0: both 1.
// The padding between parameters is zero in params, grads and moments, and each formula keeps it so.
// Launch: workgroups of 64, each invocation dims.turns vectors of four words, 64 apart; on in y past 65,535 workgroups; z
// the replica. A CPU driver takes many turns: there a workgroup with a barrier costs as much as its arithmetic.
#import state
#import reduce

struct Dims {
    count: u32,    // vec4s in one replica's params
    start: u32,    // the first of them that this launch updates
    end: u32,      // and the one behind the last
    replicas: u32,
    plane: u32,    // vec4s in one of the optimizer's slots, all replicas
    norm0: u32,    // the launch's first partial sum in norms
    beta2: f32,
    eps: f32,
    nesterov: u32,
    decoupled: u32,
    turns: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(4) var<storage, read_write> params: array<vec4<f32>>;  // (replicas, count)
@group(0) @binding(5) var<storage, read_write> moments: array<vec4<f32>>; // (slots, replicas, count)
@group(0) @binding(6) var<storage, read_write> norms: array<f32>;         // (partial sums, replicas)
// 2 blocks, 3 grads: by slots; params and moments as they were: by updated
#import slots
#import updated
#import optimizer
#import gradient

// First of an invocation's vectors; the others are 64, 128, ... further on.
fn first(wid: vec3<u32>, lid: vec3<u32>) -> u32 {
    return dims.start + (wid.y * 65535u + wid.x) * 64u * dims.turns + lid.x;
}

fn file_norm(wid: vec3<u32>, i: u32, squares: f32) {
    let sum = workgroup_total(i, squares);
    if i == 0u {
        norms[(dims.norm0 + wid.y * 65535u + wid.x) * dims.replicas + wid.z] = sum;
    }
}

@compute @workgroup_size(64)
fn sgd(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    if state[r].running == 0u {
        return;
    }
    let rule = rule_of(r);
    let replicas = dims.replicas; // taken once: a CPU driver loads a uniform anew each time
    let base = r * dims.count;
    let end = min(first(wid, lid) + 64u * dims.turns, dims.end);
    var squares = 0.0;
    for (var e = first(wid, lid); e < end; e += 64u) {
        let raw = gradient(r, replicas, e);
        squares += dot(raw, raw);
        let at = base + e;
        let p = params_at(at);
        let stepped = sgd_step(rule, multipliers(e), p, raw, moments_at(at));
        moments[at] = stepped.m;
        params[at] = p - stepped.by;
    }
    file_norm(wid, lid.x, squares);
}

@compute @workgroup_size(64)
fn adam(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    if state[r].running == 0u {
        return;
    }
    let rule = rule_of(r);
    let plane = dims.plane;
    let replicas = dims.replicas; // taken once: a CPU driver loads a uniform anew each time
    let base = r * dims.count;
    let end = min(first(wid, lid) + 64u * dims.turns, dims.end);
    var squares = 0.0;
    for (var e = first(wid, lid); e < end; e += 64u) {
        let raw = gradient(r, replicas, e);
        squares += dot(raw, raw);
        let at = base + e;
        let p = params_at(at);
        let stepped = adam_step(rule, multipliers(e), p, raw, moments_at(at), moments_at(plane + at));
        moments[at] = stepped.m;
        moments[plane + at] = stepped.v;
        params[at] = (p - stepped.decayed) - stepped.by;
    }
    file_norm(wid, lid.x, squares);
}

@compute @workgroup_size(64)
fn grad_norm(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let replicas = dims.replicas; // taken once: a CPU driver loads a uniform anew each time
    let end = min(first(wid, lid) + 64u * dims.turns, dims.end);
    var squares = 0.0;
    for (var e = first(wid, lid); e < end; e += 64u) {
        let raw = gradient(wid.z, replicas, e);
        squares += dot(raw, raw);
    }
    file_norm(wid, lid.x, squares);
}
