// 2-D max-pooling; padding counts as minus infinity, the first maximum of a window wins (as in PyTorch).
//   max_pool     y[b,c,oh,ow] = max over the window of x;  arg[b,c,oh,ow] = its place h * W + w in the plane
//   max_pool_dx  dx[b,c,h,w] (+)= act'(x) * sum of dy over the windows whose maximum stands at (h, w)
// Launch: one invocation an element of y (max_pool) or of dx, flat; z the replica. The gradient gathers, so
// overlapping windows need no atomics.
#import activation
#import flat

struct Dims {
    planes: u32, // B * C
    h: u32,
    w: u32,
    oh: u32,
    ow: u32,
    kh: u32,
    kw: u32,
    sh: u32,
    sw: u32,
    ph: u32,
    pw: u32,
    rx: u32, // words from one replica to the next: x and dx
    ry: u32, // y, dy and arg
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // (B, C, H, W)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;   // (B, C, OH, OW)
@group(0) @binding(3) var<storage, read_write> arg: array<u32>; // (B, C, OH, OW)
@group(0) @binding(4) var<storage, read> dy: array<f32>;        // (B, C, OH, OW)
@group(0) @binding(5) var<storage, read> argmax: array<u32>;    // arg, read back
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;  // (B, C, H, W)

@compute @workgroup_size(64)
fn max_pool(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    let size = dims.oh * dims.ow;
    if e >= dims.planes * size {
        return;
    }
    let plane = wid.z * dims.rx + e / size * dims.h * dims.w;
    let h0 = i32(e % size / dims.ow * dims.sh) - i32(dims.ph);
    let w0 = i32(e % dims.ow * dims.sw) - i32(dims.pw);
    var best = 0.0;
    var found = false;
    var at = 0u;
    for (var h = max(h0, 0); h < min(h0 + i32(dims.kh), i32(dims.h)); h++) {
        for (var w = max(w0, 0); w < min(w0 + i32(dims.kw), i32(dims.w)); w++) {
            let here = u32(h) * dims.w + u32(w);
            let v = x[plane + here];
            if !found || v > best {
                found = true;
                best = v;
                at = here;
            }
        }
    }
    y[wid.z * dims.ry + e] = apply(best);
    arg[wid.z * dims.ry + e] = at;
}

@compute @workgroup_size(64)
fn max_pool_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    let size = dims.h * dims.w;
    if e >= dims.planes * size {
        return;
    }
    let here = e % size;
    let h = here / dims.w + dims.ph; // in padded coordinates
    let w = here % dims.w + dims.pw;
    let oh0 = select((h - dims.kh) / dims.sh + 1u, 0u, h < dims.kh); // first window that reaches h
    let ow0 = select((w - dims.kw) / dims.sw + 1u, 0u, w < dims.kw);
    let plane = wid.z * dims.ry + e / size * dims.oh * dims.ow;
    var v = 0.0;
    for (var oh = oh0; oh < min(h / dims.sh + 1u, dims.oh); oh++) {
        for (var ow = ow0; ow < min(w / dims.sw + 1u, dims.ow); ow++) {
            let at = plane + oh * dims.ow + ow;
            if argmax[at] == here {
                v += dy[at];
            }
        }
    }
    let at = wid.z * dims.rx + e;
    if ACT != 0u {
        v *= slope_at(x[at]);
    }
    if dims.accumulate == 1u {
        v += dx[at];
    }
    dx[at] = v;
}
