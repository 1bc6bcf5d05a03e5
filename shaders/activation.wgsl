// An activation that could not be fused into the kernel before it.
//   activation     y[e] = act(x[e])
//   activation_dx  dx[e] (+)= dy[e] * act'(x[e])       the derivative is taken at x, so gelu and silu are exact
// Launch: one invocation an element, flat; z the replica.
#import activation
#import flat

struct Dims {
    count: u32,
    rx: u32, // words from one replica to the next: all four values have one shape
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // (count)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // (count)
@group(0) @binding(3) var<storage, read> dy: array<f32>;       // (count)
@group(0) @binding(4) var<storage, read_write> dx: array<f32>; // (count)

@compute @workgroup_size(64)
fn activation(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    if e >= dims.count {
        return;
    }
    y[wid.z * dims.rx + e] = apply(x[wid.z * dims.rx + e]);
}

@compute @workgroup_size(64)
fn activation_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    if e >= dims.count {
        return;
    }
    let at = wid.z * dims.rx + e;
    var v = dy[at] * slope_of(ACT & 15u, x[at]);
    if dims.accumulate == 1u {
        v += dx[at];
    }
    dx[at] = v;
}
