// Mean squared error over all elements (PyTorch's reduction = "mean"), forward and backward in one pass.
//   loss[b] = sum_k (z[b,k] - target[b,k])^2 / K
//   dz[b,k] = 2 (z[b,k] - target[b,k]) / (samples K)
//   rows[b] = (loss, 0 | -1 no such row)
// Launch: one invocation a row, flat; z the replica. A row whose order entry is NO_ROW gets no gradient.
#import state
#import flat

struct Dims {
    b: u32,
    k: u32,  // outputs
    rz: u32, // words from one replica to the next: z and dz
    rr: u32, // rows
    samples: u32, // rows that the loss is the mean of: B, times the micro-batches of a step
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;           // (samples, K)
@group(0) @binding(4) var<storage, read> z: array<f32>;                // (B, K)
@group(0) @binding(5) var<storage, read_write> dz: array<f32>;         // (B, K)
@group(0) @binding(6) var<storage, read_write> rows: array<vec2<f32>>; // (B)

@compute @workgroup_size(64)
fn mean_squared_error(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let b = flat(wid, lid);
    if b >= dims.b {
        return;
    }
    let base = r * dims.rz + b * dims.k;
    let sample = order[state[r].order_base + state[r].batch * dims.b + b];
    let there = sample != NO_ROW;
    var sum = 0.0;
    for (var k = 0u; k < dims.k; k++) {
        let d = select(0.0, z[base + k] - values[select(0u, sample, there) * dims.k + k], there);
        sum += d * d;
        dz[base + k] = 2.0 * d / f32(dims.samples * dims.k);
    }
    rows[r * dims.rr / 2u + b] = vec2<f32>(sum / f32(dims.k), select(-1.0, 0.0, there));
}
