// 2-D average pooling; padding counts as zeros that are counted (PyTorch's count_include_pad = True).
//   avg_pool     y[b,c,oh,ow] = sum over the window of x / (KH * KW)
//   avg_pool_dx  dx[b,c,h,w] (+)= act'(x) * sum of dy over the windows that hold (h, w) / (KH * KW)
// Launch: one invocation an element of y (avg_pool) or of dx, flat; z the replica.
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
    ry: u32, // y and dy
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // (B, C, H, W)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // (B, C, OH, OW)
@group(0) @binding(3) var<storage, read> dy: array<f32>;       // (B, C, OH, OW)
@group(0) @binding(4) var<storage, read_write> dx: array<f32>; // (B, C, H, W)

@compute @workgroup_size(64)
fn avg_pool(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    let size = dims.oh * dims.ow;
    if e >= dims.planes * size {
        return;
    }
    let plane = wid.z * dims.rx + e / size * dims.h * dims.w;
    let h0 = i32(e % size / dims.ow * dims.sh) - i32(dims.ph);
    let w0 = i32(e % dims.ow * dims.sw) - i32(dims.pw);
    var sum = 0.0;
    for (var h = max(h0, 0); h < min(h0 + i32(dims.kh), i32(dims.h)); h++) {
        for (var w = max(w0, 0); w < min(w0 + i32(dims.kw), i32(dims.w)); w++) {
            sum += x[plane + u32(h) * dims.w + u32(w)];
        }
    }
    y[wid.z * dims.ry + e] = apply(sum / f32(dims.kh * dims.kw));
}

@compute @workgroup_size(64)
fn avg_pool_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let e = flat(wid, lid);
    let size = dims.h * dims.w;
    if e >= dims.planes * size {
        return;
    }
    let h = e % size / dims.w + dims.ph; // in padded coordinates
    let w = e % dims.w + dims.pw;
    let oh0 = select((h - dims.kh) / dims.sh + 1u, 0u, h < dims.kh); // first window that reaches h
    let ow0 = select((w - dims.kw) / dims.sw + 1u, 0u, w < dims.kw);
    let plane = wid.z * dims.ry + e / size * dims.oh * dims.ow;
    var v = 0.0;
    for (var oh = oh0; oh < min(h / dims.sh + 1u, dims.oh); oh++) {
        for (var ow = ow0; ow < min(w / dims.sw + 1u, dims.ow); ow++) {
            v += dy[plane + oh * dims.ow + ow];
        }
    }
    v = v / f32(dims.kh * dims.kw);
    let at = wid.z * dims.rx + e;
    if ACT != 0u {
        v *= slope_at(x[at]);
    }
    if dims.accumulate == 1u {
        v += dx[at];
    }
    dx[at] = v;
}
