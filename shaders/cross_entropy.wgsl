// Softmax cross-entropy from logits, forward and backward in one pass.
//   loss[b] = log(sum_k exp(z[b,k] - m)) + m - z[b,label],  m = max_k z[b,k]
//   dz[b,k] = (exp(z[b,k] - m) / sum - [k == label]) / samples
//   rows[b] = (loss, 1 right | 0 wrong | -1 no such row);  right: the first largest logit is the label
// Launch: one invocation a row, flat; z the replica. A row whose order entry is NO_ROW gets no gradient.
#import state
#import flat

struct Dims {
    b: u32,
    k: u32,   // classes
    rz: u32,  // words from one replica to the next: z and dz
    rr: u32,  // rows
    samples: u32,  // rows that the loss is the mean of: B, times the micro-batches of a step
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> labels: array<u32>;           // (samples)
@group(0) @binding(4) var<storage, read> z: array<f32>;                // (B, K)
@group(0) @binding(5) var<storage, read_write> dz: array<f32>;         // (B, K)
@group(0) @binding(6) var<storage, read_write> rows: array<vec2<f32>>; // (B)

@compute @workgroup_size(64)
fn cross_entropy(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let b = flat(wid, lid);
    if b >= dims.b {
        return;
    }
    let base = r * dims.rz + b * dims.k;
    let sample = order[state[r].order_base + state[r].batch * dims.b + b];
    if sample == NO_ROW {
        for (var k = 0u; k < dims.k; k++) {
            dz[base + k] = 0.0;
        }
        rows[r * dims.rr / 2u + b] = vec2<f32>(0.0, -1.0);
        return;
    }
    let label = labels[sample];
    var m = z[base];
    var first = 0u;
    for (var k = 1u; k < dims.k; k++) {
        if z[base + k] > m {
            m = z[base + k];
            first = k;
        }
    }
    var sum = 0.0;
    for (var k = 0u; k < dims.k; k++) {
        sum += exp(z[base + k] - m);
    }
    let scale = 1.0 / f32(dims.samples);
    for (var k = 0u; k < dims.k; k++) {
        let p = exp(z[base + k] - m) / sum;
        dz[base + k] = (p - select(0.0, 1.0, k == label)) * scale;
    }
    rows[r * dims.rr / 2u + b] = vec2<f32>(log(sum) + m - z[base + label], select(0.0, 1.0, first == label));
}
