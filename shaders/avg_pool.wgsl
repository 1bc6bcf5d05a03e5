// 2-D average pooling; padding counts as zeros that are counted (PyTorch's count_include_pad = True).
//   avg_pool     y[b,c,oh,ow] = sum over the window of x / (KH * KW)
//   avg_pool_dx  dx[b,c,h,w] (+)= act'(x) * sum of dy over the windows that hold (h, w) / (KH * KW)
// Launch: one invocation an element of a plane of y (avg_pool) or of dx, 64 to a workgroup in x; y the plane, image by
// image, or a workgroup's share of small ones; z the replica.
#import activation
#import pick
#import pool_dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;   // (B, C, OH, OW)
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;  // (B, C, H, W)
// 3 x (B, C, H, W), 7 dy (B, C, OH, OW): by at
#import at

@compute @workgroup_size(64)
fn avg_pool(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let p = place(wid, lid);
    let here = p.pixel;
    if here >= dims.oh * dims.ow || p.plane >= dims.planes {
        return;
    }
    let oh = here / dims.ow;
    let ow = here - oh * dims.ow;
    let h0 = i32(oh * dims.sh) - i32(dims.ph);
    let w0 = i32(ow * dims.sw) - i32(dims.pw);
    let width = dims.w;
    let h1 = min(h0 + i32(dims.kh), i32(dims.h));
    let w1 = min(w0 + i32(dims.kw), i32(width));
    let plane = dims.x0 + wid.z * dims.rx + p.plane * dims.h * width;
    let e = p.plane * dims.oh * dims.ow + here;
    var sum = 0.0;
    for (var h = max(h0, 0); h < h1; h++) {
        for (var w = max(w0, 0); w < w1; w++) {
            sum += x_at(plane + u32(h) * width + u32(w));
        }
    }
    y[wid.z * dims.ry + e] = apply(sum / f32(dims.kh * dims.kw));
}

@compute @workgroup_size(64)
fn avg_pool_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let p = place(wid, lid);
    let here = p.pixel;
    if here >= dims.h * dims.w || p.plane >= dims.planes {
        return;
    }
    let row = here / dims.w;
    let h = row + dims.ph; // in padded coordinates
    let w = here - row * dims.w + dims.pw;
    let oh0 = select((h - dims.kh) / dims.sh + 1u, 0u, h < dims.kh); // first window that reaches h
    let ow0 = select((w - dims.kw) / dims.sw + 1u, 0u, w < dims.kw);
    let plane = wid.z * dims.ry + p.plane * dims.oh * dims.ow;
    var v = 0.0;
    for (var oh = oh0; oh < min(h / dims.sh + 1u, dims.oh); oh++) {
        for (var ow = ow0; ow < min(w / dims.sw + 1u, dims.ow); ow++) {
            v += dy_at(dims.dy0 + plane + oh * dims.ow + ow);
        }
    }
    v = v / f32(dims.kh * dims.kw);
    let at = wid.z * dims.rx + p.plane * dims.h * dims.w + here;
    if ACT != 0u {
        v *= slope_at(x_at(dims.x0 + at));
    }
    if dims.accumulate == 1u {
        v += dx[at];
    }
    dx[at] = v;
}
