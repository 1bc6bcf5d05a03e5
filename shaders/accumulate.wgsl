// Gradient accumulation: carries the gradient of a step's micro-batches so far into the next.
//   carried = sum over the slices that the backward pass wrote + carried     (the first of a step forgets the old one)
// The carried sum is one slice more of each parameter's gradient, the last: whoever sums the slices (the update, the norm)
// gets the gradient of the whole step. A loss is already divided by all rows of a step, so nothing is scaled here.
// blocks as in update. Launch: workgroups of 64, each invocation dims.turns vectors of four words, 64 apart; on in y past
// 65,535 workgroups; z the replica.
#import state

struct Dims {
    count: u32, // vec4s in one replica's params
    replicas: u32,
    batches: u32, // micro-batches of a step
    turns: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(3) var<storage, read_write> grads: array<vec4<f32>>; // by parameter: (slices, replicas, len)
// 2 blocks, and grads as they were: by carried
#import carried

@compute @workgroup_size(64)
fn accumulate(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    if state[r].running == 0u {
        return;
    }
    // The tick that counts this micro-batch comes after.
    let first = state[r].batch % dims.batches == 0u;
    let replicas = dims.replicas; // taken once: a CPU driver loads a uniform anew each time
    let start = (wid.y * 65535u + wid.x) * 64u * dims.turns + lid.x;
    let end = min(start + 64u * dims.turns - lid.x, dims.count);
    for (var e = start; e < end; e += 64u) {
        let block = block_at(e >> 4u);
        if block.z == 0u {
            continue;
        }
        let at = block.x + r * block.y + (e & 15u);
        let slice = replicas * block.y;
        let last = at + (block.z - 1u) * slice;
        var g = grads_at(at);
        for (var s = at + slice; s < last; s += slice) {
            g += grads_at(s);
        }
        if !first {
            g += grads_at(last);
        }
        grads[last] = g;
    }
}
