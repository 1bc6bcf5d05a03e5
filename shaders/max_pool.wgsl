// 2-D max-pooling; padding counts as minus infinity, the first maximum of a window wins (as in PyTorch).
//   max_pool     y[b,c,oh,ow] = max over the window of x;  arg[b,c,oh,ow] = its place h * W + w in the plane
//   max_pool_dx  dx[b,c,h,w] (+)= act'(x) * sum of dy over the windows whose maximum stands at (h, w)
// Launch: one invocation an element of a plane of y (max_pool) or of dx, 64 to a workgroup in x; y the plane, image by
// image, or a workgroup's share of small ones; z the replica. The gradient gathers, so overlapping windows need no atomics;
// max_pool_dx_disjoint, for windows that do not overlap and no padding, has one invocation an element of y write its window, and
// the last ones what is left over.
#import activation
#import pick
#import pool_dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;   // (B, C, OH, OW)
@group(0) @binding(2) var<storage, read_write> arg: array<u32>; // (B, C, OH, OW)
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;  // (B, C, H, W)
// 3 x (B, C, H, W), in max_pool_dx_disjoint y, which is x where the maximum stood, 5 argmax, which is arg read back, 7 dy
// (B, C, OH, OW): by at
#import at

@compute @workgroup_size(64)
fn max_pool(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
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
    var best = 0.0;
    var found = false;
    var at = 0u;
    for (var h = max(h0, 0); h < h1; h++) {
        for (var w = max(w0, 0); w < w1; w++) {
            let pixel = u32(h) * width + u32(w);
            let v = x_at(plane + pixel);
            if !found || v > best {
                found = true;
                best = v;
                at = pixel;
            }
        }
    }
    y[wid.z * dims.ry + e] = apply(best);
    arg[wid.z * dims.ry + e] = at;
}

@compute @workgroup_size(64)
fn max_pool_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
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
            let at = plane + oh * dims.ow + ow;
            if argmax_at(dims.arg0 + at) == here {
                v += dy_at(dims.dy0 + at);
            }
        }
    }
    let at = wid.z * dims.rx + p.plane * dims.h * dims.w + here;
    if ACT != 0u {
        v *= slope_at(x_at(dims.x0 + at));
    }
    if dims.accumulate == 1u {
        v += dx[at];
    }
    dx[at] = v;
}

@compute @workgroup_size(64)
fn max_pool_dx_disjoint(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let p = place(wid, lid);
    let here = p.pixel;
    if here >= dims.oh * dims.ow || p.plane >= dims.planes {
        return;
    }
    let oh = here / dims.ow;
    let ow = here - oh * dims.ow;
    let e = wid.z * dims.ry + p.plane * dims.oh * dims.ow + here;
    let plane = wid.z * dims.rx + p.plane * dims.h * dims.w;
    let winner = argmax_at(dims.arg0 + e);
    var v = dy_at(dims.dy0 + e);
    if ACT != 0u {
        v *= slope_at(x_at(dims.x0 + e));
    }
    if dims.accumulate == 1u {
        dx[plane + winner] += v;
        return;
    }
    let width = dims.w;
    let h1 = select((oh + 1u) * dims.sh, dims.h, oh + 1u == dims.oh);
    let w1 = select((ow + 1u) * dims.sw, dims.w, ow + 1u == dims.ow);
    for (var h = oh * dims.sh; h < h1; h++) {
        for (var w = ow * dims.sw; w < w1; w++) {
            let pixel = h * width + w;
            dx[plane + pixel] = select(0.0, v, pixel == winner);
        }
    }
}
