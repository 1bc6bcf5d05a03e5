// What a step's update does to each parameter tensor: the norms of its gradient, of its update and of its weights.
//   sgd_norms, adam_norms  parts[i] = over the i-th 64 words of params, the sums of (g^2, update^2, p^2, 0)
//   layer_norms  history[step, tensor] = the roots of the sums of parts over the tensor's blocks
// g is before clipping and decay, p before the update; the update is what shared/optimizer.wgsl takes off p, decay included.
// Launched after the tick and before the update, which makes the same step of the same numbers. A step that makes none, since
// the run has stopped, has -1 for it.
// blocks as in update; from row dims.first on, for each tensor: (its first block, its blocks, 0, 0).
// Launch: sgd_norms, adam_norms: one invocation for 64 words, flat; layer_norms: one workgroup of 64 a tensor; z the replica.
#import state
#import flat
#import reduce

struct Dims {
    blocks: u32, // of 64 words, in one replica's params
    replicas: u32,
    plane: u32,  // vec4s in one of the optimizer's slots, all replicas
    rp: u32,     // words from one replica to the next: parts
    beta2: f32,
    eps: f32,
    nesterov: u32,
    decoupled: u32,
    first: u32,
    tensors: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(6) var<storage, read_write> parts: array<vec4<f32>>; // (blocks)
@group(0) @binding(7) var<storage, read> sums: array<vec4<f32>>;        // parts, read
@group(0) @binding(8) var<storage, read_write> history: array<vec4<f32>>; // after its records: (replicas, steps, tensors)
// 2 blocks, 3 grads: by slots; 4 params, 5 moments: by watched
#import slots
#import watched
#import optimizer
#import gradient

@compute @workgroup_size(64)
fn sgd_norms(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let i = flat(wid, lid);
    if i >= dims.blocks {
        return;
    }
    let rule = rule_of(r);
    let replicas = dims.replicas; // taken once: a CPU driver loads a uniform anew each time
    let base = r * dims.blocks * 16u;
    var total = vec4<f32>();
    for (var e = 16u * i; e < 16u * i + 16u; e++) {
        let raw = gradient(r, replicas, e);
        let p = params_at(base + e);
        let by = sgd_step(rule, multipliers(e), p, raw, moments_at(base + e)).by;
        total += vec4<f32>(dot(raw, raw), dot(by, by), dot(p, p), 0.0);
    }
    parts[((r * dims.rp) >> 2u) + i] = total;
}

@compute @workgroup_size(64)
fn adam_norms(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let i = flat(wid, lid);
    if i >= dims.blocks {
        return;
    }
    let rule = rule_of(r);
    let plane = dims.plane;
    let replicas = dims.replicas; // taken once: a CPU driver loads a uniform anew each time
    let base = r * dims.blocks * 16u;
    var total = vec4<f32>();
    for (var e = 16u * i; e < 16u * i + 16u; e++) {
        let raw = gradient(r, replicas, e);
        let at = base + e;
        let p = params_at(at);
        let stepped = adam_step(rule, multipliers(e), p, raw, moments_at(at), moments_at(plane + at));
        let by = stepped.decayed + stepped.by;
        total += vec4<f32>(dot(raw, raw), dot(by, by), dot(p, p), 0.0);
    }
    parts[((r * dims.rp) >> 2u) + i] = total;
}

@compute @workgroup_size(64)
fn layer_norms(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let span = block_at(dims.first + wid.x);
    var total = vec4<f32>();
    for (var i = span.x + lid.x; i < span.x + span.y; i += 64u) {
        total += sums[((r * dims.rp) >> 2u) + i];
    }
    let norms = sqrt(workgroup_sum(lid.x, total));
    if lid.x != 0u {
        return;
    }
    // The tick has counted the step, unless it stopped the run there.
    let step = state[r].step - state[r].running;
    let records = 2u * dims.replicas * state[r].steps; // each of two vectors
    let row = records + (state[r].schedule_base + step) * dims.tensors + wid.x;
    history[row] = vec4<f32>(norms.x, select(-1.0, norms.y, state[r].running == 1u), norms.z, 0.0);
}
