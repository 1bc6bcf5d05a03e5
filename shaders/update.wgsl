// The optimizer's step over every parameter at once, and the sum of squares of the gradient.
//   g = clip * sum over slices of grads                                   (in slice order: the same bits every time)
//   sgd   g += wd p;  m = mu m + g;  p -= lr (nesterov ? g + mu m : m)     (PyTorch's order of operations)
//   adam  g += wd p, or p -= lr wd p first where decoupled (AdamW);  m = b1 m + (1 - b1) g;
//         v = b2 v + (1 - b2) g^2;  p -= lr / c1 * m / (sqrt(v / c2) + eps)
//   grad_norm  only the sums of squares, for a run that clips
//   norms[workgroup] = sum over its parameters of g^2, before clipping and decay
// lr, mu or b1, wd, c1 and c2 are this step's, put into state by tick. Nothing is written once the run has stopped.
// blocks[i] says where the gradient of the i-th 64 words of params is: (its first vec4, vec4s in a slice, slices, 0).
// The padding between parameters is zero in params, grads and moments, and each formula keeps it so.
// Launch: one invocation four words (a vec4), 64 to a workgroup, flat; z the replica.
#import state
#import flat
#import reduce

struct Dims {
    count: u32,    // vec4s in one replica's params
    replicas: u32,
    plane: u32,    // vec4s in one of the optimizer's slots, all replicas
    rn: u32,       // words from one replica to the next: norms
    beta2: f32,
    eps: f32,
    nesterov: u32,
    decoupled: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> blocks: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> grads: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> params: array<vec4<f32>>;  // (replicas, count)
@group(0) @binding(5) var<storage, read_write> moments: array<vec4<f32>>; // (slots, replicas, count)
@group(0) @binding(6) var<storage, read_write> norms: array<f32>;         // (replicas, workgroups)

fn gradient(r: u32, e: u32) -> vec4<f32> {
    let block = blocks[e >> 4u];
    var g = vec4<f32>();
    for (var s = 0u; s < block.z; s++) {
        g += grads[block.x + (s * dims.replicas + r) * block.y + (e & 15u)];
    }
    return g;
}

fn file_norm(wid: vec3<u32>, i: u32, g: vec4<f32>) {
    let sum = workgroup_sum(i, vec4<f32>(dot(g, g))).x;
    if i == 0u {
        norms[wid.z * dims.rn + wid.y * 65535u + wid.x] = sum;
    }
}

@compute @workgroup_size(64)
fn sgd(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    if state[r].running == 0u {
        return;
    }
    let e = flat(wid, lid);
    var raw = vec4<f32>();
    if e < dims.count {
        raw = gradient(r, e);
        let at = r * dims.count + e;
        let p = params[at];
        let g = state[r].clip * raw + state[r].weight_decay * p;
        let m = state[r].momentum * moments[at] + g;
        moments[at] = m;
        params[at] = p - state[r].lr * select(m, g + state[r].momentum * m, dims.nesterov == 1u);
    }
    file_norm(wid, lid.x, raw);
}

@compute @workgroup_size(64)
fn adam(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    if state[r].running == 0u {
        return;
    }
    let e = flat(wid, lid);
    var raw = vec4<f32>();
    if e < dims.count {
        raw = gradient(r, e);
        let at = r * dims.count + e;
        let lr = state[r].lr;
        let beta1 = state[r].momentum;
        var p = params[at];
        var g = state[r].clip * raw;
        if dims.decoupled == 1u {
            p -= lr * state[r].weight_decay * p;
        } else {
            g += state[r].weight_decay * p;
        }
        let m = beta1 * moments[at] + (1.0 - beta1) * g;
        let v = dims.beta2 * moments[dims.plane + at] + (1.0 - dims.beta2) * g * g;
        moments[at] = m;
        moments[dims.plane + at] = v;
        params[at] = p - lr / state[r].correction1 * m / (sqrt(v) / sqrt(state[r].correction2) + dims.eps);
    }
    file_norm(wid, lid.x, raw);
}

@compute @workgroup_size(64)
fn grad_norm(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    var raw = vec4<f32>();
    if e < dims.count {
        raw = gradient(wid.z, e);
    }
    file_norm(wid, lid.x, raw);
}
