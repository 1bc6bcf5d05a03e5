// Batch normalisation (Ioffe & Szegedy 2015) over (B, S) for each channel; S = H * W, or 1 after a linear layer.
//   batch_norm       mean, var over the batch (var biased);  z = gamma (x - mean) / sqrt(var + eps) + beta
//                    y = act(own(z) + residual);  saved = (mean, 1 / sqrt(var + eps))
//                    running += momentum * (batch's - running), var unbiased
//   batch_norm_eval  the same y from the running mean and variance
//   batch_norm_dx    dz = dy own'(z);  dgamma = sum dz xhat;  dbeta = sum dz;
//                    dx (+)= act'(x) * gamma * rstd * (dz - dbeta / n - xhat dgamma / n),  n = B * S
//   batch_norm_pool, batch_norm_pool_eval, batch_norm_pool_dx
//                    the same with a max-pool of 2 x 2 behind own, and no residual: y and dy are (B, C, H / 2, W / 2); a
//                    window's dy is that of its largest z, of equals the first, and all other dz are zero
// own is ACT's second digit, act its first: in dx that of the layer below. Nothing is kept of own and of the pool: z is a
// multiply-add away from x, which the gradient reads anyway.
// Launch: one workgroup of 64 a channel; the eval ones flat over y; z the replica. Pools: even H and W.
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
    w: u32,
    eps: f32,
    momentum: f32,
    rx: u32,       // words from one replica to the next: x and dx
    ry: u32,       // y, dy and residual
    rs: u32,       // saved
    rp: u32,       // params
    rb: u32,       // running
    rdg: u32,      // dgamma
    rdb: u32,      // dbeta
    accumulate: u32,
    shift: u32, // 1 << shift invocations share an image, 64 >> shift images are walked at a time
    x0: u32,    // first word of each tensor in what it is read from
    dy0: u32,
    residual0: u32,
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
// 3 x (B, C, S), 7 dy (B, C, S), 15 residual (B, C, S): by at
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

// The same over y where it is pooled: a position is a window.
fn walk_windows(r: u32, c: u32, i: u32) -> Walk {
    let k = walk(r, c, i);
    let windows = k.positions >> 2u;
    return Walk(k.image, k.images, k.first, k.share, k.batch, windows, r * dims.ry + c * windows, dims.c * windows);
}

// z = x scale + shift
struct Affine {
    scale: f32,
    shift: f32,
}

fn affine(r: u32, c: u32, mean: f32, rstd: f32) -> Affine {
    let scale = gamma[r * dims.rp + c] * rstd;
    return Affine(scale, beta[r * dims.rp + c] - mean * scale);
}

// The batch's statistics of a channel, kept and taken into the running ones. Every invocation of the workgroup must call it.
fn statistics(r: u32, c: u32, i: u32, k: Walk) -> Affine {
    let n = f32(dims.b * dims.s);
    let x0 = dims.x0;
    var sum = 0.0;
    for (var b = k.image; b < k.batch; b += k.images) {
        let plane = x0 + k.plane + b * k.size;
        for (var p = k.first; p < k.positions; p += k.share) {
            sum += x_at(plane + p);
        }
    }
    let mean = workgroup_total(i, sum) / n;
    // A second pass over x, not E[x^2] - E[x]^2: the difference of two large numbers has no digits left.
    var squares = 0.0;
    for (var b = k.image; b < k.batch; b += k.images) {
        let plane = x0 + k.plane + b * k.size;
        for (var p = k.first; p < k.positions; p += k.share) {
            let d = x_at(plane + p) - mean;
            squares += d * d;
        }
    }
    let variance = workgroup_total(i, squares) / n;
    let rstd = 1.0 / sqrt(variance + dims.eps);
    if i == 0u {
        saved[r * dims.rs / 2u + c] = vec2<f32>(mean, rstd);
        if state[r].running == 1u {
            let at = r * dims.rb / 2u + c;
            let unbiased = variance * n / max(n - 1.0, 1.0);
            running[at] += dims.momentum * (vec2<f32>(mean, unbiased) - running[at]);
        }
    }
    return affine(r, c, mean, rstd);
}

// own(z), and behind it what else there is, at element `at` of y.
fn finished(z: f32, at: u32) -> f32 {
    var v = own(z);
    if (ACT & 0x100u) != 0u {
        v += residual_at(dims.residual0 + at);
    }
    return apply(v);
}

@compute @workgroup_size(64)
fn batch_norm(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let k = walk(wid.z, wid.x, lid.x);
    let z = statistics(wid.z, wid.x, lid.x, k);
    for (var b = k.image; b < k.batch; b += k.images) {
        let plane = k.plane + b * k.size;
        for (var p = k.first; p < k.positions; p += k.share) {
            let at = plane + p;
            y[at] = finished(x_at(dims.x0 + at) * z.scale + z.shift, at);
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
    let at = r * dims.rx + e;
    y[at] = finished((x_at(dims.x0 + at) - stat.x) * scale + beta[r * dims.rp + c], at);
}

@compute @workgroup_size(64)
fn batch_norm_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let c = wid.x;
    let stat = stats[r * dims.rs / 2u + c];
    let z = affine(r, c, stat.x, stat.y);
    let x0 = dims.x0;
    let dy0 = dims.dy0;
    let k = walk(r, c, lid.x);
    var sums = vec2<f32>(); // dgamma, dbeta
    for (var b = k.image; b < k.batch; b += k.images) {
        let plane = k.plane + b * k.size;
        for (var p = k.first; p < k.positions; p += k.share) {
            let v_x = x_at(x0 + plane + p);
            let dz = dy_at(dy0 + plane + p) * own_slope(v_x * z.scale + z.shift);
            sums += dz * vec2<f32>((v_x - stat.x) * stat.y, 1.0);
        }
    }
    let total = workgroup_sum2(lid.x, sums);
    let mean = total / f32(dims.b * dims.s);
    for (var b = k.image; b < k.batch; b += k.images) {
        let plane = k.plane + b * k.size;
        for (var p = k.first; p < k.positions; p += k.share) {
            let at = plane + p;
            let v_x = x_at(x0 + at);
            let dz = dy_at(dy0 + at) * own_slope(v_x * z.scale + z.shift);
            store_dx(at, v_x, z.scale * (dz - mean.y - (v_x - stat.x) * stat.y * mean.x));
        }
    }
    store_sums(r, c, lid.x, total);
}

fn store_dx(at: u32, v_x: f32, gradient: f32) {
    var v = gradient;
    if (ACT & 15u) != 0u {
        v *= slope_at(v_x);
    }
    if dims.accumulate == 1u {
        v += dx[at];
    }
    dx[at] = v;
}

fn store_sums(r: u32, c: u32, i: u32, total: vec2<f32>) {
    if i == 0u {
        dgamma[r * dims.rdg + c] = total.x;
        dbeta[r * dims.rdb + c] = total.y;
    }
}

// The pixels of a window, row by row, from its first.
fn window(at: u32) -> vec4<u32> {
    return at + vec4<u32>(0u, 1u, dims.w, dims.w + 1u);
}

fn window_x(at: vec4<u32>) -> vec4<f32> {
    let x = dims.x0 + at;
    return vec4<f32>(x_at(x.x), x_at(x.y), x_at(x.z), x_at(x.w));
}

// The largest of a window.
fn largest(z: vec4<f32>) -> f32 {
    var best = z.x;
    best = select(best, z.y, z.y > best);
    best = select(best, z.z, z.z > best);
    return select(best, z.w, z.w > best);
}

// 1 where it stands: of equals the first.
fn won(z: vec4<f32>) -> vec4<f32> {
    let equal = z == vec4<f32>(largest(z));
    return select(
        vec4<f32>(), vec4<f32>(1.0), vec4<bool>(
            equal.x, equal.y && !equal.x, equal.z && !equal.x && !equal.y, equal.w && !equal.x && !equal.y && !equal.z
        )
    );
}

// First pixels of an invocation's windows in a plane, in turn, without a division each.
struct Corner {
    at: u32, // of the window's first pixel in the plane
    column: u32,
}

fn corner(window: u32) -> Corner {
    let columns = dims.w >> 1u;
    let row = window / columns;
    let column = window - row * columns;
    return Corner(2u * (row * dims.w + column), column);
}

// `stride` windows on.
fn next(now: Corner, stride: Corner) -> Corner {
    let columns = dims.w >> 1u;
    let column = now.column + stride.column;
    let over = column >= columns;
    let at = now.at + stride.at;
    // Past the end of a row of windows: its columns back, and two rows of pixels on.
    return Corner(select(at, at + dims.w, over), select(column, column - columns, over));
}

@compute @workgroup_size(64)
fn batch_norm_pool(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let k = walk(wid.z, wid.x, lid.x);
    let z = statistics(wid.z, wid.x, lid.x, k);
    let q = walk_windows(wid.z, wid.x, lid.x);
    let first = corner(q.first);
    let stride = corner(q.share);
    for (var b = q.image; b < q.batch; b += q.images) {
        let plane = k.plane + b * k.size;
        let out = q.plane + b * q.size;
        var now = first;
        for (var p = q.first; p < q.positions; p += q.share) {
            y[out + p] = own(largest(window_x(window(plane + now.at)) * z.scale + z.shift));
            now = next(now, stride);
        }
    }
}

@compute @workgroup_size(64)
fn batch_norm_pool_eval(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let e = flat(wid, lid);
    let windows = dims.s >> 2u;
    if e >= dims.b * dims.c * windows {
        return;
    }
    let plane = e / windows;
    let c = plane % dims.c;
    let stat = stats[r * dims.rb / 2u + c];
    let scale = gamma[r * dims.rp + c] / sqrt(stat.y + dims.eps);
    let v_x = window_x(window(r * dims.rx + plane * dims.s + corner(e - plane * windows).at));
    y[r * dims.ry + e] = own(largest((v_x - stat.x) * scale + beta[r * dims.rp + c]));
}

@compute @workgroup_size(64)
fn batch_norm_pool_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let c = wid.x;
    let stat = stats[r * dims.rs / 2u + c];
    let z = affine(r, c, stat.x, stat.y);
    let k = walk(r, c, lid.x);
    let q = walk_windows(r, c, lid.x);
    let first = corner(q.first);
    let stride = corner(q.share);
    var sums = vec2<f32>(); // dgamma, dbeta
    for (var b = q.image; b < q.batch; b += q.images) {
        let plane = k.plane + b * k.size;
        let pooled = dims.dy0 + q.plane + b * q.size;
        var now = first;
        for (var p = q.first; p < q.positions; p += q.share) {
            let v_x = window_x(window(plane + now.at));
            let v_z = v_x * z.scale + z.shift;
            let dz = dy_at(pooled + p) * own_slope(largest(v_z));
            sums += dz * vec2<f32>((dot(won(v_z), v_x) - stat.x) * stat.y, 1.0);
            now = next(now, stride);
        }
    }
    let total = workgroup_sum2(lid.x, sums);
    let mean = total / f32(dims.b * dims.s);
    for (var b = q.image; b < q.batch; b += q.images) {
        let plane = k.plane + b * k.size;
        let pooled = dims.dy0 + q.plane + b * q.size;
        var now = first;
        for (var p = q.first; p < q.positions; p += q.share) {
            let at = window(plane + now.at);
            let v_x = window_x(at);
            let v_z = v_x * z.scale + z.shift;
            let dz = dy_at(pooled + p) * own_slope(largest(v_z)) * won(v_z);
            let v = z.scale * (dz - mean.y - (v_x - stat.x) * stat.y * mean.x);
            store_dx(at.x, v_x.x, v.x);
            store_dx(at.y, v_x.y, v.y);
            store_dx(at.z, v_x.z, v.z);
            store_dx(at.w, v_x.w, v.w);
            now = next(now, stride);
        }
    }
    store_sums(r, c, lid.x, total);
}
