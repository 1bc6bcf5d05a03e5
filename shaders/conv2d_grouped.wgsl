// 2-D convolution in groups of channels, each of which sees its own part of the input; one channel a group is a depthwise
// convolution. Few products share an operand, so that each output is summed by itself.
//   conv2d_grouped     y[b,o,oh,ow]  = act(bias[o] + sum_{c,kh,kw} w[o,c,kh,kw] x[b,g(o) C/G + c, oh*sh-ph+kh*dh, ow*sw-pw+kw*dw])
//   conv2d_dx_grouped  dx[b,c,h,w] (+)= act'(x) * sum of w dy over the outputs that saw the pixel
//   conv2d_dw_grouped  dw[s][o,c,kh,kw] = sum over the images of slice s and all oh,ow;  dbias[s][o] likewise
// with G groups and g(o) = o / (O / G), the group of an output channel; c counts within it.
// Launch: conv2d_grouped, conv2d_dx_grouped: one invocation a pixel of a plane, 64 to a workgroup in x; y the plane, image by
// image; z the replica. conv2d_dw_grouped: one workgroup of 64 a weight: x over (c,kh,kw), y over o, z = replica * slices +
// slice; its invocations share the rows of y, and add up in a fixed tree.
// Edges: taps that fall on padding, or between strides, are left out.
#import activation
#import pick
#import reduce
#import conv2d_dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;      // (B, O, OH, OW)
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;     // (B, C, H, W)
@group(0) @binding(9) var<storage, read_write> dw: array<f32>;     // (slices, replicas, O, C / G, KH, KW)
@group(0) @binding(10) var<storage, read_write> dbias: array<f32>; // (slices, replicas, O)
// 3 x (B, C, H, W), 4 w (O, C / G, KH, KW) and, from bias0, bias (O), 7 dy (B, O, OH, OW): by at
#import at

@compute @workgroup_size(64)
fn conv2d_grouped(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let here = wid.x * 64u + lid.x;
    if here >= dims.oh * dims.ow {
        return;
    }
    let height = dims.h;
    let width = dims.w;
    let kernel_h = dims.kh;
    let kernel_w = dims.kw;
    let down = i32(dims.dh);
    let right = i32(dims.dw);
    let b = wid.y / dims.o;
    let o = wid.y % dims.o;
    let channels = dims.c / dims.groups;
    let top = i32(here / dims.ow * dims.sh) - i32(dims.ph);
    let left = i32(here % dims.ow * dims.sw) - i32(dims.pw);
    var plane = 4u * dims.x0 + r * dims.rx + (b * dims.c + o / (dims.o / dims.groups) * channels) * height * width;
    var k = 4u * dims.w0 + r * dims.rp + o * channels * kernel_h * kernel_w;
    var v = 0.0;
    for (var c = 0u; c < channels; c++) {
        for (var kh = 0u; kh < kernel_h; kh++) {
            let h = u32(top + i32(kh) * down); // a negative is a large unsigned
            for (var kw = 0u; kw < kernel_w; kw++) {
                let w = u32(left + i32(kw) * right);
                if h < height && w < width {
                    v += w_at(k) * x_at(plane + h * width + w);
                }
                k += 1u;
            }
        }
        plane += height * width;
    }
    if dims.has_bias == 1u {
        v += w_at(4u * dims.bias0 + r * dims.rp + o);
    }
    y[r * dims.ry + wid.y * dims.oh * dims.ow + here] = apply(v);
}

@compute @workgroup_size(64)
fn conv2d_dx_grouped(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let here = wid.x * 64u + lid.x;
    if here >= dims.h * dims.w {
        return;
    }
    let height = dims.oh;
    let width = dims.ow;
    let kernel_h = dims.kh;
    let kernel_w = dims.kw;
    let down = dims.sh;
    let right = dims.sw;
    let b = wid.y / dims.c;
    let c = wid.y % dims.c;
    let channels = dims.c / dims.groups;
    let outputs = dims.o / dims.groups;
    let first = c / channels * outputs; // o of the group
    let h = here / dims.w + dims.ph;
    let w = here % dims.w + dims.pw;
    let taps = kernel_h * kernel_w;
    var plane = 4u * dims.dy0 + r * dims.ry + (b * dims.o + first) * height * width;
    var tap = 4u * dims.w0 + r * dims.rp + (first * channels + c % channels) * taps;
    var v = 0.0;
    for (var o = 0u; o < outputs; o++) {
        var k = tap;
        for (var kh = 0u; kh < kernel_h; kh++) {
            let h_tap = h - kh * dims.dh; // less than nothing: a large unsigned
            let oh = h_tap / down;
            for (var kw = 0u; kw < kernel_w; kw++) {
                let w_tap = w - kw * dims.dw;
                let ow = w_tap / right;
                let exact = oh * down == h_tap && ow * right == w_tap;
                if exact && oh < height && ow < width {
                    v += w_at(k) * dy_at(plane + oh * width + ow);
                }
                k += 1u;
            }
        }
        plane += height * width;
        tap += channels * taps;
    }
    let at = wid.y * dims.h * dims.w + here;
    if ACT != 0u {
        v *= slope_at(x_at(4u * dims.x0 + r * dims.rx + at));
    }
    if dims.accumulate == 1u {
        v += dx[r * dims.rx + at];
    }
    dx[r * dims.rx + at] = v;
}

@compute @workgroup_size(64)
fn conv2d_dw_grouped(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z / dims.slices;
    let slice = wid.z % dims.slices;
    let o = wid.y;
    let height = dims.oh;
    let width = dims.ow;
    let channels = dims.c / dims.groups;
    let c = o / (dims.o / dims.groups) * channels + wid.x / (dims.kh * dims.kw); // of x
    let top = i32(wid.x / dims.kw % dims.kh * dims.dh) - i32(dims.ph);
    let left = i32(wid.x % dims.kw * dims.dw) - i32(dims.pw);
    let height_x = dims.h;
    let width_x = dims.w;
    let right = dims.sw;
    let begin = slice * dims.slice_b;
    let rows = (min(begin + dims.slice_b, dims.b) - begin) * height;
    var v = 0.0;
    var sum = 0.0;
    for (var row = lid.x; row < rows; row += 64u) {
        let b = begin + row / height;
        let oh = row % height;
        let h = u32(i32(oh * dims.sh) + top); // a negative is a large unsigned
        let at_y = 4u * dims.dy0 + r * dims.ry + ((b * dims.o + o) * height + oh) * width;
        let at_x = 4u * dims.x0 + r * dims.rx + ((b * dims.c + c) * height_x + h) * width_x;
        for (var ow = 0u; ow < width; ow++) {
            let d = dy_at(at_y + ow);
            let w = u32(i32(ow * right) + left);
            sum += d;
            if h < height_x && w < width_x {
                v += d * x_at(at_x + w);
            }
        }
    }
    let total = workgroup_total(lid.x, v);
    let out = slice * dims.replicas + r;
    if lid.x == 0u {
        dw[out * dims.rdw + o * channels * dims.kh * dims.kw + wid.x] = total;
    }
    if wid.x == 0u && dims.has_bias == 1u {
        let offset = workgroup_total(lid.x, sum);
        if lid.x == 0u {
            dbias[out * dims.rdb + o] = offset;
        }
    }
}
