// Batch normalisation (Ioffe & Szegedy 2015) over (B, S) for each channel; S = H * W, or 1 after a linear layer.
//   batch_norm       mean, var over the batch (var biased);  y = act(gamma (x - mean) / sqrt(var + eps) + beta)
//                    saved = (mean, 1 / sqrt(var + eps));  running += momentum * (batch's - running), var unbiased
//   batch_norm_eval  the same y from the running mean and variance
//   batch_norm_dx    dgamma = sum dy xhat;  dbeta = sum dy;
//                    dx (+)= act'(x) * gamma * rstd * (dy - dbeta / n - xhat dgamma / n),  n = B * S
// Launch: batch_norm, batch_norm_dx: one workgroup of 64 a channel; batch_norm_eval: flat; z the replica.
// The sums are a fixed tree over 64 partial sums, each over every so many positions of every so many images. Once a run has stopped, the running
// statistics are left alone; the step that stops it still moves them, since its forward pass comes first.
#import state
#import activation
#import flat
#import pick
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
    shift: u32, // 1 << shift invocations share an image, 64 >> shift images are walked at a time
    x0: u32,    // first word of each tensor in what it is read from
    dy0: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;              // (C)
@group(0) @binding(6) var<storage, read_write> y: array<f32>;            // (B, C, S)
@group(0) @binding(8) var<storage, read> beta: array<f32>;               // (C)
@group(0) @binding(9) var<storage, read_write> saved: array<vec2<f32>>;  // (C): mean, rstd
@group(0) @binding(10) var<storage, read_write> running: array<vec2<f32>>; // (C): mean, variance
@group(0) @binding(11) var<storage, read> stats: array<vec2<f32>>;       // saved or running, read
@group(0) @binding(12) var<storage, read_write> dx: array<f32>;          // (B, C, S)
@group(0) @binding(13) var<storage, read_write> dgamma: array<f32>;      // (C)
@group(0) @binding(14) var<storage, read_write> dbeta: array<f32>;       // (C)
// 3 x (B, C, S), 7 dy (B, C, S): by at
#import at

// An invocation's share of a channel: every `images`-th image from `image` on, of each every `share`-th position from `first` on.
struct Walk {
    image: u32,
    images: u32,
    first: u32,
    share: u32,
    batch: u32,
    positions: u32,
    plane: u32, // of the channel in image 0
    size: u32,  // of an image
}

fn walk(r: u32, c: u32, i: u32) -> Walk {
    let share = 1u << dims.shift;
    return Walk(
        i >> dims.shift, 64u >> dims.shift, i & (share - 1u), share, dims.b, dims.s, r * dims.rx + c * dims.s,
        dims.c * dims.s
    );
}

@compute @workgroup_size(64)
fn batch_norm(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let c = wid.x;
    let n = f32(dims.b * dims.s);
    let x0 = dims.x0;
    let k = walk(r, c, lid.x);
    var sum = 0.0;
    for (var b = k.image; b < k.batch; b += k.images) {
        let plane = x0 + k.plane + b * k.size;
        for (var p = k.first; p < k.positions; p += k.share) {
            sum += x_at(plane + p);
        }
    }
    let mean = workgroup_total(lid.x, sum) / n;
    // A second pass over x, not E[x^2] - E[x]^2: the difference of two large numbers has no digits left.
    var squares = 0.0;
    for (var b = k.image; b < k.batch; b += k.images) {
        let plane = x0 + k.plane + b * k.size;
        for (var p = k.first; p < k.positions; p += k.share) {
            let d = x_at(plane + p) - mean;
            squares += d * d;
        }
    }
    let variance = workgroup_total(lid.x, squares) / n;
    let rstd = 1.0 / sqrt(variance + dims.eps);
    let scale = gamma[r * dims.rp + c] * rstd;
    let shift = beta[r * dims.rp + c] - mean * scale;
    for (var b = k.image; b < k.batch; b += k.images) {
        let plane = k.plane + b * k.size;
        for (var p = k.first; p < k.positions; p += k.share) {
            y[plane + p] = apply(x_at(x0 + plane + p) * scale + shift);
        }
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
    y[r * dims.rx + e] = apply((x_at(dims.x0 + r * dims.rx + e) - stat.x) * scale + beta[r * dims.rp + c]);
}

@compute @workgroup_size(64)
fn batch_norm_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let c = wid.x;
    let stat = stats[r * dims.rs / 2u + c];
    let x0 = dims.x0;
    let dy0 = dims.dy0;
    let k = walk(r, c, lid.x);
    var sums = vec2<f32>(); // dgamma, dbeta
    for (var b = k.image; b < k.batch; b += k.images) {
        let plane = k.plane + b * k.size;
        for (var p = k.first; p < k.positions; p += k.share) {
            sums += dy_at(dy0 + plane + p) * vec2<f32>((x_at(x0 + plane + p) - stat.x) * stat.y, 1.0);
        }
    }
    let total = workgroup_sum(lid.x, vec4<f32>(sums, 0.0, 0.0)).xy;
    let mean = total / f32(dims.b * dims.s);
    let scale = gamma[r * dims.rp + c] * stat.y;
    let accumulate = dims.accumulate == 1u;
    for (var b = k.image; b < k.batch; b += k.images) {
        let plane = k.plane + b * k.size;
        for (var p = k.first; p < k.positions; p += k.share) {
            let at = plane + p;
            let v_x = x_at(x0 + at);
            var v = scale * (dy_at(dy0 + at) - mean.y - (v_x - stat.x) * stat.y * mean.x);
            if ACT != 0u {
                v *= slope_at(v_x);
            }
            if accumulate {
                v += dx[at];
            }
            dx[at] = v;
        }
    }
    if lid.x == 0u {
        dgamma[r * dims.rdg + c] = total.x;
        dbeta[r * dims.rdb + c] = total.y;
    }
}
