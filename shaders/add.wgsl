// Sum of two values of one shape: the residual connection.
//   add     y[e] = act(a[e] + b[e])
//   add_dx  dx[e] (+)= act'(x[e]) * dy[e]      once for each of the two inputs; act is that of the layer below
// Launch: one invocation an element, flat; z the replica.
#import activation
#import flat

struct Dims {
    count: u32,
    rx: u32, // words from one replica to the next: all values have one shape
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> a: array<f32>;        // (count)
@group(0) @binding(2) var<storage, read> b: array<f32>;        // (count)
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // (count)
@group(0) @binding(4) var<storage, read> x: array<f32>;        // a or b
@group(0) @binding(5) var<storage, read> dy: array<f32>;       // (count)
@group(0) @binding(6) var<storage, read_write> dx: array<f32>; // (count)

@compute @workgroup_size(64)
fn add(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    if e >= dims.count {
        return;
    }
    let at = wid.z * dims.rx + e;
    y[at] = apply(a[at] + b[at]);
}

@compute @workgroup_size(64)
fn add_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    if e >= dims.count {
        return;
    }
    let at = wid.z * dims.rx + e;
    var v = dy[at];
    if ACT != 0u {
        v *= slope_at(x[at]);
    }
    if dims.accumulate == 1u {
        v += dx[at];
    }
    dx[at] = v;
}
