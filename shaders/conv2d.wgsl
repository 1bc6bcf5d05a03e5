// 2-D convolution (cross-correlation, as every framework's), as an implicit matrix product: no im2col is stored.
//   conv2d     y[b,o,oh,ow]  = act(bias[o] + residual[b,o,oh,ow]
//               + sum_{c,kh,kw} w[o,c,kh,kw] x[b,c,oh*sh-ph+kh*dh, ow*sw-pw+kw*dw])
//   conv2d_dx  dx[b,c,h,w] (+)= act'(x) * sum_{o,kh,kw} w[o,c,kh,kw] dy[b,o,(h+ph-kh*dh)/sh, (w+pw-kw*dw)/sw]
//   conv2d_dw  dw[s][o,c,kh,kw] = sum over the images of slice s and all oh,ow;  dbias[s][o] likewise
//   conv2d_pool  conv2d without a residual, and behind it the largest of each window of 2 x 2 pixels and which of its corners that is
// Launch: 64 x 64 outputs a workgroup (8 x 8 invocations, 8 x 8 each). conv2d, conv2d_pool, conv2d_dx: x over pixels of
// all images, y over channels, z the replica. conv2d_dw: x over (c,kh,kw), y over o, z = replica * slices + slice.
// Edges: taps that fall on padding, or between strides, count as zero. The decode of a pixel stands outside the loop
// over channels; the loop over taps outside of that, so that the inner loop is loads and multiply-adds only.
#import state
#import activation
#import residual
#import tile
#import winners
#import conv2d_dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> x: array<u32>;     // (B, C, H, W), f32 bits or a dataset
@group(0) @binding(4) var<storage, read> w: array<f32>;     // (O, C, KH, KW)
@group(0) @binding(5) var<storage, read> bias: array<f32>;  // (O)
@group(0) @binding(6) var<storage, read_write> y: array<f32>;      // (B, O, OH, OW)
@group(0) @binding(7) var<storage, read> dy: array<f32>;           // (B, O, OH, OW)
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;     // (B, C, H, W)
@group(0) @binding(9) var<storage, read_write> dw: array<f32>;     // (slices, replicas, O, C, KH, KW)
@group(0) @binding(10) var<storage, read_write> dbias: array<f32>; // (slices, replicas, O)
@group(0) @binding(11) var<storage, read_write> arg: array<u32>;   // (B, ceil(O / 4), OH / 2, OW / 2), a byte a channel
#import source

fn w4(i: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(w[i.x], w[i.y], w[i.z], w[i.w]);
}

fn dy4(i: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(dy[i.x], dy[i.y], dy[i.z], dy[i.w]);
}

// Element i of a value where it counts, else zero. Index 0 is always there to be read.
fn source4_where(r: u32, i: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    return select(vec4<f32>(), source4(r, select(vec4<u32>(), i, valid)), valid);
}

fn dy4_where(i: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    return select(vec4<f32>(), dy4(select(vec4<u32>(), i, valid)), valid);
}

// Four pixels of a (B, plane) grid.
struct Pixels {
    base: vec4<u32>, // first element of the pixel's image
    h: vec4<i32>,
    w: vec4<i32>,
    inside: vec4<bool>,
}

fn pixels(first: u32, height: u32, width: u32) -> Pixels {
    let p = first + LANES;
    let plane = height * width;
    let at = p % plane;
    return Pixels(
        min(p / plane, vec4<u32>(dims.b - 1u)), vec4<i32>(at / width), vec4<i32>(at % width),
        p < vec4<u32>(dims.b * plane)
    );
}

// The four pixels of a window of 2 x 2, of a grid whose planes have an even height and width.
fn corners(window: u32, height: u32, width: u32) -> Pixels {
    let across = width / 2u;
    let windows = across * (height / 2u);
    let at = window % windows;
    return Pixels(
        vec4<u32>(min(window / windows, dims.b - 1u)), vec4<i32>(0, 0, 1, 1) + i32(2u * (at / across)),
        vec4<i32>(0, 1, 0, 1) + i32(2u * (at % across)), vec4<bool>(window < dims.b * windows)
    );
}

fn images4(r: u32, b: vec4<u32>) -> vec4<u32> {
    let size = dims.c * dims.h * dims.w;
    return vec4<u32>(
        source_row(r, b.x, size), source_row(r, b.y, size), source_row(r, b.z, size), source_row(r, b.w, size)
    );
}

fn within(v: vec4<i32>, limit: u32) -> vec4<bool> {
    return bitcast<vec4<u32>>(v) < vec4<u32>(limit); // a negative is a large unsigned
}

// The input pixels under tap (kh, kw) of four output pixels: index in channel 0.
struct Taps {
    at: vec4<u32>,
    valid: vec4<bool>,
}

fn taps(p: Pixels, kh: u32, kw: u32) -> Taps {
    let h = p.h * i32(dims.sh) - i32(dims.ph) + i32(kh * dims.dh);
    let w = p.w * i32(dims.sw) - i32(dims.pw) + i32(kw * dims.dw);
    let valid = p.inside & within(h, dims.h) & within(w, dims.w);
    return Taps(p.base + bitcast<vec4<u32>>(h * i32(dims.w) + w), valid);
}

// Eight channels from `row` on of eight pixels of y, without the bias.
fn products(r: u32, row: u32, lo: Pixels, hi: Pixels) -> Tile {
    var p_lo = lo;
    var p_hi = hi;
    p_lo.base = images4(r, p_lo.base);
    p_hi.base = images4(r, p_hi.base);
    let filter_size = dims.c * dims.kh * dims.kw;
    let w_lo = r * dims.rp + min(row + LANES, vec4<u32>(dims.o - 1u)) * filter_size;
    let w_hi = r * dims.rp + min(row + 4u + LANES, vec4<u32>(dims.o - 1u)) * filter_size;
    var t: Tile;
    for (var kh = 0u; kh < dims.kh; kh++) {
        for (var kw = 0u; kw < dims.kw; kw++) {
            let t_lo = taps(p_lo, kh, kw);
            let t_hi = taps(p_hi, kh, kw);
            for (var c = 0u; c < dims.c; c++) {
                let k = (c * dims.kh + kh) * dims.kw + kw;
                let plane = c * dims.h * dims.w;
                tile_add(
                    &t, w4(w_lo + k), w4(w_hi + k),
                    source4_where(r, t_lo.at + plane, t_lo.valid), source4_where(r, t_hi.at + plane, t_hi.valid)
                );
            }
        }
    }
    return t;
}

@compute @workgroup_size(8, 8)
fn conv2d(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let row = (wid.y * 8u + lid.y) * 8u; // o
    let col = (wid.x * 8u + lid.x) * 8u; // pixel of y
    let count = dims.b * dims.oh * dims.ow;
    if row >= dims.o || col >= count {
        return;
    }
    var t = products(r, row, pixels(col, dims.oh, dims.ow), pixels(col + 4u, dims.oh, dims.ow));
    let rows = min(8u, dims.o - row);
    let plane = dims.oh * dims.ow;
    for (var j = 0u; j < min(8u, count - col); j++) {
        let c = tile_column(&t, j);
        let at = r * dims.ry + (col + j) / plane * dims.o * plane + (col + j) % plane;
        for (var i = 0u; i < rows; i++) {
            var v = column_row(c, i);
            if dims.has_bias == 1u {
                v += bias[r * dims.rp + row + i];
            }
            y[at + (row + i) * plane] = apply(add_residual(v, at + (row + i) * plane));
        }
    }
}

// The largest of a window's pixels in channels o to o + 3, to window `at` of image b.
fn store_window(r: u32, b: u32, at: u32, o: u32, p0: vec4<f32>, p1: vec4<f32>, p2: vec4<f32>, p3: vec4<f32>) {
    if o >= dims.o {
        return;
    }
    var offset = vec4<f32>();
    if dims.has_bias == 1u {
        let i = r * dims.rp + min(o + LANES, vec4<u32>(dims.o - 1u));
        offset = vec4<f32>(bias[i.x], bias[i.y], bias[i.z], bias[i.w]);
    }
    let best = winners(apply4(p0 + offset), apply4(p1 + offset), apply4(p2 + offset), apply4(p3 + offset));
    let windows = dims.oh * dims.ow / 4u;
    let to = r * dims.ry + (b * dims.o + o) * windows + at;
    for (var i = 0u; i < min(4u, dims.o - o); i++) {
        y[to + i * windows] = best.value[i];
    }
    arg[r * dims.ra + (b * ((dims.o + 3u) / 4u) + o / 4u) * windows + at] = best.arg;
}

@compute @workgroup_size(8, 8)
fn conv2d_pool(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let row = (wid.y * 8u + lid.y) * 8u; // o
    let window = (wid.x * 8u + lid.x) * 2u; // of y, and the next one
    let windows = dims.oh * dims.ow / 4u;
    if row >= dims.o || window >= dims.b * windows {
        return;
    }
    let t = products(r, row, corners(window, dims.oh, dims.ow), corners(window + 1u, dims.oh, dims.ow));
    // The tile's quarters, two of channels by two windows, by one call: what is inlined is compiled as often as it is called.
    for (var quarter = 0u; quarter < 4u; quarter++) {
        let upper = (quarter & 1u) == 0u;
        let at = window + (quarter >> 1u);
        if at >= dims.b * windows {
            break;
        }
        let first = quarter < 2u;
        store_window(
            r, at / windows, at % windows, row + 4u * (quarter & 1u),
            select(select(t.hi4, t.lo4, upper), select(t.hi0, t.lo0, upper), first),
            select(select(t.hi5, t.lo5, upper), select(t.hi1, t.lo1, upper), first),
            select(select(t.hi6, t.lo6, upper), select(t.hi2, t.lo2, upper), first),
            select(select(t.hi7, t.lo7, upper), select(t.hi3, t.lo3, upper), first)
        );
    }
}

// The output pixels that saw an input pixel through tap (kh, kw).
fn taps_back(p: Pixels, r: u32, kh: u32, kw: u32) -> Taps {
    let h = p.h + i32(dims.ph) - i32(kh * dims.dh);
    let w = p.w + i32(dims.pw) - i32(kw * dims.dw);
    let oh = h / i32(dims.sh);
    let ow = w / i32(dims.sw);
    let exact = (oh * i32(dims.sh) == h) & (ow * i32(dims.sw) == w);
    let valid = p.inside & exact & within(h, dims.oh * dims.sh) & within(w, dims.ow * dims.sw);
    return Taps(r * dims.ry + p.base * dims.o * dims.oh * dims.ow + bitcast<vec4<u32>>(oh * i32(dims.ow) + ow), valid);
}

@compute @workgroup_size(8, 8)
fn conv2d_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let row = (wid.y * 8u + lid.y) * 8u; // c
    let col = (wid.x * 8u + lid.x) * 8u; // pixel of dx
    let count = dims.b * dims.h * dims.w;
    if row >= dims.c || col >= count {
        return;
    }
    let p_lo = pixels(col, dims.h, dims.w);
    let p_hi = pixels(col + 4u, dims.h, dims.w);
    let taps_count = dims.kh * dims.kw;
    let w_lo = r * dims.rp + min(row + LANES, vec4<u32>(dims.c - 1u)) * taps_count;
    let w_hi = r * dims.rp + min(row + 4u + LANES, vec4<u32>(dims.c - 1u)) * taps_count;
    var t: Tile;
    for (var kh = 0u; kh < dims.kh; kh++) {
        for (var kw = 0u; kw < dims.kw; kw++) {
            let t_lo = taps_back(p_lo, r, kh, kw);
            let t_hi = taps_back(p_hi, r, kh, kw);
            for (var o = 0u; o < dims.o; o++) {
                let k = o * dims.c * taps_count + kh * dims.kw + kw;
                let plane = o * dims.oh * dims.ow;
                tile_add(
                    &t, w4(w_lo + k), w4(w_hi + k),
                    dy4_where(t_lo.at + plane, t_lo.valid), dy4_where(t_hi.at + plane, t_hi.valid)
                );
            }
        }
    }
    let rows = min(8u, dims.c - row);
    let plane = dims.h * dims.w;
    for (var j = 0u; j < min(8u, count - col); j++) {
        let c = tile_column(&t, j);
        let base = r * dims.rx + (col + j) / plane * dims.c * plane + (col + j) % plane;
        for (var i = 0u; i < rows; i++) {
            let at = base + (row + i) * plane;
            var v = column_row(c, i);
            if ACT != 0u {
                v *= slope_at(bitcast<f32>(x[at]));
            }
            if dims.accumulate == 1u {
                v += dx[at];
            }
            dx[at] = v;
        }
    }
}

// Four filter elements (c, kh, kw): what to add to an output pixel to get the input pixel.
struct Elements {
    plane: vec4<u32>,
    h: vec4<i32>,
    w: vec4<i32>,
    inside: vec4<bool>,
}

fn elements(first: u32, count: u32) -> Elements {
    let e = min(first + LANES, vec4<u32>(count - 1u));
    let taps_count = dims.kh * dims.kw;
    let tap = e % taps_count;
    return Elements(
        e / taps_count * dims.h * dims.w,
        vec4<i32>(tap / dims.kw * dims.dh) - i32(dims.ph), vec4<i32>(tap % dims.kw * dims.dw) - i32(dims.pw),
        first + LANES < vec4<u32>(count)
    );
}

@compute @workgroup_size(8, 8)
fn conv2d_dw(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z / dims.slices;
    let slice = wid.z % dims.slices;
    let row = (wid.y * 8u + lid.y) * 8u; // o
    let col = (wid.x * 8u + lid.x) * 8u; // (c, kh, kw)
    let count = dims.c * dims.kh * dims.kw;
    if row >= dims.o || col >= count {
        return;
    }
    let e_lo = elements(col, count);
    let e_hi = elements(col + 4u, count);
    let plane = dims.oh * dims.ow;
    let dy_lo = r * dims.ry + min(row + LANES, vec4<u32>(dims.o - 1u)) * plane;
    let dy_hi = r * dims.ry + min(row + 4u + LANES, vec4<u32>(dims.o - 1u)) * plane;
    var t: Tile;
    var sum: Column;
    for (var b = slice * dims.slice_b; b < min((slice + 1u) * dims.slice_b, dims.b); b++) {
        let base = source_row(r, b, dims.c * dims.h * dims.w);
        for (var oh = 0u; oh < dims.oh; oh++) {
            let h_lo = e_lo.h + i32(oh * dims.sh);
            let h_hi = e_hi.h + i32(oh * dims.sh);
            let row_lo = base + e_lo.plane + bitcast<vec4<u32>>(h_lo * i32(dims.w));
            let row_hi = base + e_hi.plane + bitcast<vec4<u32>>(h_hi * i32(dims.w));
            let valid_lo = e_lo.inside & within(h_lo, dims.h);
            let valid_hi = e_hi.inside & within(h_hi, dims.h);
            for (var ow = 0u; ow < dims.ow; ow++) {
                let at = b * dims.o * plane + oh * dims.ow + ow;
                let a_lo = dy4(dy_lo + at);
                let a_hi = dy4(dy_hi + at);
                let c_lo = e_lo.w + i32(ow * dims.sw);
                let c_hi = e_hi.w + i32(ow * dims.sw);
                tile_add(
                    &t, a_lo, a_hi,
                    source4_where(r, row_lo + bitcast<vec4<u32>>(c_lo), valid_lo & within(c_lo, dims.w)),
                    source4_where(r, row_hi + bitcast<vec4<u32>>(c_hi), valid_hi & within(c_hi, dims.w))
                );
                sum.lo += a_lo;
                sum.hi += a_hi;
            }
        }
    }
    let rows = min(8u, dims.o - row);
    let out = slice * dims.replicas + r;
    for (var j = 0u; j < min(8u, count - col); j++) {
        let c = tile_column(&t, j);
        for (var i = 0u; i < rows; i++) {
            dw[out * dims.rdw + (row + i) * count + col + j] = column_row(c, i);
        }
    }
    if col == 0u && dims.has_bias == 1u {
        for (var i = 0u; i < rows; i++) {
            dbias[out * dims.rdb + row + i] = column_row(sum, i);
        }
    }
}
