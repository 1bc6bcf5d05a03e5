// Inverted dropout: each element is zeroed with probability p, the rest scaled by 1 / (1 - p).
//   dropout     y[e] = x[e] * keep(e) / (1 - p)
//   dropout_dx  dx[e] (+)= act'(x[e]) * dy[e] * keep(e) / (1 - p)
// keep is drawn anew from (seed, step, layer, element) in both: no mask is stored, and a replayed step draws the same.
// Launch: one invocation an element, flat; z the replica.
#import state
#import activation
#import flat
#import random

struct Dims {
    count: u32,
    rx: u32, // words from one replica to the next: all four values have one shape
    layer: u32,
    p: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> x: array<f32>;        // (count)
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // (count)
@group(0) @binding(4) var<storage, read> dy: array<f32>;       // (count)
@group(0) @binding(5) var<storage, read_write> dx: array<f32>; // (count)

fn keep(r: u32, e: u32) -> f32 {
    let u = random(state[r].seed, state[r].rng_step, dims.layer, e);
    return select(1.0 / (1.0 - dims.p), 0.0, u < dims.p);
}

@compute @workgroup_size(64)
fn dropout(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    if e >= dims.count {
        return;
    }
    y[wid.z * dims.rx + e] = x[wid.z * dims.rx + e] * keep(wid.z, e);
}

@compute @workgroup_size(64)
fn dropout_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    if e >= dims.count {
        return;
    }
    let at = wid.z * dims.rx + e;
    var v = dy[at] * keep(wid.z, e);
    if ACT != 0u {
        v *= slope_at(x[at]);
    }
    if dims.accumulate == 1u {
        v += dx[at];
    }
    dx[at] = v;
}
