// Batch normalisation (Ioffe & Szegedy 2015) over (B, S) for each channel; S = H * W, or 1 after a linear layer.
//   batch_norm       mean, var over the batch (var biased);  y = act(gamma (x - mean) / sqrt(var + eps) + beta)
//                    saved = (mean, 1 / sqrt(var + eps));  running += momentum * (batch's - running), var unbiased
//   batch_norm_eval  the same y from the running mean and variance
//   batch_norm_dx    dgamma = sum dy xhat;  dbeta = sum dy;
//                    dx (+)= act'(x) * gamma * rstd * (dy - dbeta / n - xhat dgamma / n),  n = B * S
// Launch: batch_norm, batch_norm_dx: one workgroup of 64 a channel; batch_norm_eval: flat; z the replica.
// The sums are a fixed tree over 64 strided partial sums. Once a run has stopped, the running
// statistics are left alone; the step that stops it still moves them, since its forward pass comes first.
#import state
#import activation
#import flat
#import reduce

struct Dims {
    b: u32,
    c: u32,
    s: u32,
    eps: f32,
    momentum: f32,
    rx: u32,       // words from one replica to the next: x, y and their gradients
    rs: u32,       // saved
    rp: u32,       // params
    rb: u32,       // running
    rdg: u32,      // dgamma
    rdb: u32,      // dbeta
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> x: array<f32>;                  // (B, C, S)
@group(0) @binding(3) var<storage, read> gamma: array<f32>;              // (C)
@group(0) @binding(4) var<storage, read> beta: array<f32>;               // (C)
@group(0) @binding(5) var<storage, read_write> y: array<f32>;            // (B, C, S)
@group(0) @binding(6) var<storage, read_write> saved: array<vec2<f32>>;  // (C): mean, rstd
@group(0) @binding(7) var<storage, read_write> running: array<vec2<f32>>; // (C): mean, variance
@group(0) @binding(8) var<storage, read> stats: array<vec2<f32>>;        // saved or running, read
@group(0) @binding(9) var<storage, read> dy: array<f32>;                 // (B, C, S)
@group(0) @binding(10) var<storage, read_write> dx: array<f32>;          // (B, C, S)
@group(0) @binding(11) var<storage, read_write> dgamma: array<f32>;      // (C)
@group(0) @binding(12) var<storage, read_write> dbeta: array<f32>;       // (C)

// Where the i-th of a channel's B * S elements is.
fn element(r: u32, c: u32, i: u32) -> u32 {
    return r * dims.rx + (i / dims.s * dims.c + c) * dims.s + i % dims.s;
}

@compute @workgroup_size(64)
fn batch_norm(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let c = wid.x;
    let count = dims.b * dims.s;
    let n = f32(count);
    var sum = 0.0;
    for (var i = lid.x; i < count; i += 64u) {
        sum += x[element(r, c, i)];
    }
    let mean = workgroup_total(lid.x, sum) / n;
    // A second pass over x, not E[x^2] - E[x]^2: the difference of two large numbers has no digits left.
    var squares = 0.0;
    for (var i = lid.x; i < count; i += 64u) {
        let d = x[element(r, c, i)] - mean;
        squares += d * d;
    }
    let variance = workgroup_total(lid.x, squares) / n;
    let rstd = 1.0 / sqrt(variance + dims.eps);
    let scale = gamma[r * dims.rp + c] * rstd;
    let shift = beta[r * dims.rp + c] - mean * scale;
    for (var i = lid.x; i < count; i += 64u) {
        let at = element(r, c, i);
        y[at] = apply(x[at] * scale + shift);
    }
    if lid.x == 0u {
        saved[r * dims.rs / 2u + c] = vec2<f32>(mean, rstd);
        if state[r].running == 1u {
            let at = r * dims.rb / 2u + c;
            let unbiased = variance * n / max(n - 1.0, 1.0);
            running[at] += dims.momentum * (vec2<f32>(mean, unbiased) - running[at]);
        }
    }
}

@compute @workgroup_size(64)
fn batch_norm_eval(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let e = flat(wid, lid);
    if e >= dims.b * dims.c * dims.s {
        return;
    }
    let c = e / dims.s % dims.c;
    let stat = stats[r * dims.rb / 2u + c];
    let scale = gamma[r * dims.rp + c] / sqrt(stat.y + dims.eps);
    y[r * dims.rx + e] = apply((x[r * dims.rx + e] - stat.x) * scale + beta[r * dims.rp + c]);
}

@compute @workgroup_size(64)
fn batch_norm_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let c = wid.x;
    let count = dims.b * dims.s;
    let stat = stats[r * dims.rs / 2u + c];
    var sums = vec2<f32>(); // dgamma, dbeta
    for (var i = lid.x; i < count; i += 64u) {
        let at = element(r, c, i);
        sums += dy[at] * vec2<f32>((x[at] - stat.x) * stat.y, 1.0);
    }
    let total = workgroup_sum(lid.x, vec4<f32>(sums, 0.0, 0.0)).xy;
    let mean = total / f32(count);
    let scale = gamma[r * dims.rp + c] * stat.y;
    for (var i = lid.x; i < count; i += 64u) {
        let at = element(r, c, i);
        let xhat = (x[at] - stat.x) * stat.y;
        var v = scale * (dy[at] - mean.y - xhat * mean.x);
        if ACT != 0u {
            v *= slope_at(x[at]);
        }
        if dims.accumulate == 1u {
            v += dx[at];
        }
        dx[at] = v;
    }
    if lid.x == 0u {
        dgamma[r * dims.rdg + c] = total.x;
        dbeta[r * dims.rdb + c] = total.y;
    }
}
