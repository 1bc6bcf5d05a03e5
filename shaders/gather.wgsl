// The batch of this step as an activation, for a model whose first layer does not gather by itself.
//   gather  y[b,e] = raw[order[step, b], e] * scale + shift
// Launch: one invocation an element, flat; z the replica.
#import state
#import flat

struct Dims {
    b: u32,
    features: u32,
    rx: u32, // unused: a dataset has no replicas
    ry: u32, // words from one replica to the next: y
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> x: array<u32>;       // the dataset
@group(0) @binding(4) var<storage, read_write> y: array<f32>; // (B, features)
#import source

@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    if e >= dims.b * dims.features {
        return;
    }
    let row = source_row(wid.z, e / dims.features, dims.features);
    y[wid.z * dims.ry + e] = source(wid.z, row + e % dims.features);
}
