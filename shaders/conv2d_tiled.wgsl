// 2-D convolution for GPUs, by tiles in workgroup memory, as an implicit matrix product: conv2d.wgsl's formulas.
//   conv2d_tiled, conv2d_dx_tiled, conv2d_dw_tiled
//   conv2d_pool_tiled     conv2d_tiled, and behind it the largest of each window of 2 x 2 pixels and which of its corners that is
//   conv2d_dw_pool_tiled  conv2d_dw_tiled of such a y: dy is that of each window's largest pixel
// Launch: 32 x 32 outputs a workgroup (8 x 8 invocations, 4 x 4 each). conv2d_tiled, conv2d_pool_tiled, conv2d_dx_tiled: x over
// pixels of all images, y over channels, z the replica. conv2d_dw_tiled, conv2d_dw_pool_tiled: x over (c,kh,kw), y over o, z = replica * slices + slice. The four
// columns of an invocation are eight apart, so that neighbours load and store side by side; where y is pooled, they are a window.
// Edges: any shape. Taps that fall on padding, or between strides, count as zero, as do terms past the end; rows and columns
// past the end are read clamped and not stored. What depends on a pixel or on a weight alone is worked out before the loop;
// the terms of a slice are counted on in mixed radix, without a division.
#import state
#import activation
#import residual
#import tile4
#import tile32
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
@group(0) @binding(12) var<storage, read> argmax: array<u32>;      // arg read back
#import source

// A coordinate so far off the image that no tap comes back.
const OUTSIDE = vec4<i32>(-0x40000000);

fn w4(i: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(w[i.x], w[i.y], w[i.z], w[i.w]);
}

fn dy4(i: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(dy[i.x], dy[i.y], dy[i.z], dy[i.w]);
}

// Elements of a value where they count, else zero. Index 0 is always there to be read.
fn source4_where(r: u32, i: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    return select(vec4<f32>(), source4(r, select(vec4<u32>(), i, valid)), valid);
}

fn dy4_where(i: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    return select(vec4<f32>(), dy4(select(vec4<u32>(), i, valid)), valid);
}

fn within(v: vec4<i32>, limit: u32) -> vec4<bool> {
    return bitcast<vec4<u32>>(v) < vec4<u32>(limit); // a negative is a large unsigned
}

// Term k as three digits: (channel, row, column) of a tap, or (image, row, column) of a pixel. `radix` is (rows, columns).
fn digits(k: u32, radix: vec2<u32>) -> vec3<u32> {
    return vec3<u32>(k / (radix.x * radix.y), k / radix.y % radix.x, k % radix.y);
}

fn plus(a: vec3<u32>, b: vec3<u32>, radix: vec2<u32>) -> vec3<u32> {
    var d = a + b;
    if d.z >= radix.y {
        d.z -= radix.y;
        d.y += 1u;
    }
    if d.y >= radix.x {
        d.y -= radix.x;
        d.x += 1u;
    }
    return d;
}

// Four pixels, eight apart, of a (B, plane) grid.
struct Pixels {
    image: vec4<u32>,
    h: vec4<i32>,
    w: vec4<i32>,
    inside: vec4<bool>,
}

fn pixels(first: u32, height: u32, width: u32) -> Pixels {
    let p = first + 8u * LANES;
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

// Four windows: where each starts, also as an index into channel 0, which may lie before the image.
struct Windows {
    at: vec4<u32>,
    h: vec4<i32>,
    w: vec4<i32>,
}

// Of x, under four pixels of y.
fn windows(r: u32, p: Pixels) -> Windows {
    let size = dims.c * dims.h * dims.w;
    let images = vec4<u32>(
        source_row(r, p.image.x, size), source_row(r, p.image.y, size),
        source_row(r, p.image.z, size), source_row(r, p.image.w, size)
    );
    let h = p.h * i32(dims.sh) - i32(dims.ph);
    let w = p.w * i32(dims.sw) - i32(dims.pw);
    return Windows(images + bitcast<vec4<u32>>(h * i32(dims.w) + w), select(OUTSIDE, h, p.inside), w);
}

// What tap d = (c, kh, kw) sees in four windows.
fn x_term(r: u32, v: Windows, d: vec3<u32>) -> vec4<f32> {
    let down = d.y * dims.dh;
    let right = d.z * dims.dw;
    let valid = within(v.h + i32(down), dims.h) & within(v.w + i32(right), dims.w) & vec4<bool>(d.x < dims.c);
    return source4_where(r, v.at + (d.x * dims.h + down) * dims.w + right, valid);
}

fn x_taps(r: u32, v: Windows, d: vec3<u32>, one: vec3<u32>, radix: vec2<u32>) -> mat4x4<f32> {
    let d1 = plus(d, one, radix);
    let d2 = plus(d1, one, radix);
    let d3 = plus(d2, one, radix);
    return mat4x4<f32>(x_term(r, v, d), x_term(r, v, d1), x_term(r, v, d2), x_term(r, v, d3));
}

// Weight k of four filters that start at `rows`.
fn w_term(rows: vec4<u32>, k: u32, count: u32) -> vec4<f32> {
    if k >= count {
        return vec4<f32>();
    }
    return w4(rows + k);
}

fn w_taps(rows: vec4<u32>, k: u32, count: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        w_term(rows, k, count), w_term(rows, k + 1u, count), w_term(rows, k + 2u, count), w_term(rows, k + 3u, count)
    );
}

// A tile of y, without the bias: `share_b` brings the pixels of `columns`.
fn products(wid: vec3<u32>, lid: vec3<u32>, lane: u32, share_b: Share, columns: Pixels) -> Tile32 {
    let r = wid.z;
    let count = dims.c * dims.kh * dims.kw;
    let share_a = share_by_terms(lane);
    let filters = r * dims.rp + min(wid.y * 32u + 4u * share_a.q + LANES, vec4<u32>(dims.o - 1u)) * count;
    let views = windows(r, columns);
    let radix = vec2<u32>(dims.kh, dims.kw);
    let one = digits(1u, radix);
    let skip = digits(DEPTH, radix);
    var d = digits(share_b.k, radix);
    var t: Tile32;
    var a = w_taps(filters, share_a.k, count);
    var b = x_taps(r, views, d, one, radix);
    for (var k = 0u; k < count; k += DEPTH) {
        stage_a(share_a.at, a);
        stage_b(share_b.at, b);
        workgroupBarrier();
        d = plus(d, skip, radix);
        a = w_taps(filters, k + DEPTH + share_a.k, count);
        b = x_taps(r, views, d, one, radix);
        tile32_add(&t, lid, count - k);
        workgroupBarrier();
    }
    return t;
}

@compute @workgroup_size(8, 8)
fn conv2d_tiled(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_id) lid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = wid.z;
    let share = share_by_rows(lane);
    var t = products(wid, lid, lane, share, pixels(wid.x * 32u + share.q, dims.oh, dims.ow));
    let plane = dims.oh * dims.ow;
    for (var j = 0u; j < 4u; j++) {
        let p = wid.x * 32u + lid.x + 8u * j;
        if p >= dims.b * plane {
            break;
        }
        let at = r * dims.ry + p / plane * dims.o * plane + p % plane;
        for (var i = 0u; i < 4u; i++) {
            let o = wid.y * 32u + 4u * lid.y + i;
            if o >= dims.o {
                break;
            }
            var v = tile32_row(&t, i)[j];
            if dims.has_bias == 1u {
                v += bias[r * dims.rp + o];
            }
            y[at + o * plane] = apply(add_residual(v, at + o * plane));
        }
    }
}

@compute @workgroup_size(8, 8)
fn conv2d_pool_tiled(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_id) lid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = wid.z;
    let share = share_by_rows(lane);
    let t = products(wid, lid, lane, share, corners(wid.x * 8u + share.q, dims.oh, dims.ow));
    let window = wid.x * 8u + lid.x;
    let o = wid.y * 32u + 4u * lid.y;
    let plane = dims.oh * dims.ow / 4u;
    if window >= dims.b * plane || o >= dims.o {
        return;
    }
    var offset = vec4<f32>();
    if dims.has_bias == 1u {
        let i = r * dims.rp + min(o + LANES, vec4<u32>(dims.o - 1u));
        offset = vec4<f32>(bias[i.x], bias[i.y], bias[i.z], bias[i.w]);
    }
    let p = transpose(mat4x4<f32>(t.r0, t.r1, t.r2, t.r3)); // a column a pixel
    let best = winners(apply4(p[0] + offset), apply4(p[1] + offset), apply4(p[2] + offset), apply4(p[3] + offset));
    let b = window / plane;
    let at = window % plane;
    for (var i = 0u; i < min(4u, dims.o - o); i++) {
        y[r * dims.ry + (b * dims.o + o + i) * plane + at] = best.value[i];
    }
    arg[r * dims.ra + (b * ((dims.o + 3u) / 4u) + o / 4u) * plane + at] = best.arg;
}

// The pixels of y that saw four pixels of x through tap 0: quotient and remainder by the stride. Another tap is as many
// quotients before, where the remainders agree.
struct Seen {
    at: vec4<u32>, // in channel 0 of dy, may lie outside
    h: vec4<i32>,
    w: vec4<i32>,
    rest_h: vec4<u32>,
    rest_w: vec4<u32>,
}

fn seen(r: u32, p: Pixels) -> Seen {
    let h = vec4<u32>(p.h) + dims.ph;
    let w = vec4<u32>(p.w) + dims.pw;
    let oh = vec4<i32>(h / dims.sh);
    let ow = vec4<i32>(w / dims.sw);
    let image = r * dims.ry + p.image * dims.o * dims.oh * dims.ow;
    return Seen(
        image + bitcast<vec4<u32>>(oh * i32(dims.ow) + ow), select(OUTSIDE, oh, p.inside), ow, h % dims.sh, w % dims.sw
    );
}

// Through tap d = (o, kh, kw).
fn dy_term(v: Seen, d: vec3<u32>) -> vec4<f32> {
    let down = d.y * dims.dh;
    let right = d.z * dims.dw;
    let up = down / dims.sh;
    let left = right / dims.sw;
    let exact = (v.rest_h == vec4<u32>(down % dims.sh)) & (v.rest_w == vec4<u32>(right % dims.sw));
    let inside = within(v.h - i32(up), dims.oh) & within(v.w - i32(left), dims.ow);
    let at = v.at + (d.x * dims.oh - up) * dims.ow - left;
    return dy4_where(at, exact & inside & vec4<bool>(d.x < dims.o));
}

fn dy_taps(v: Seen, d: vec3<u32>, one: vec3<u32>, radix: vec2<u32>) -> mat4x4<f32> {
    let d1 = plus(d, one, radix);
    let d2 = plus(d1, one, radix);
    let d3 = plus(d2, one, radix);
    return mat4x4<f32>(dy_term(v, d), dy_term(v, d1), dy_term(v, d2), dy_term(v, d3));
}

// Tap d = (o, kh, kw) of four input channels, whose taps in filter 0 start at `rows`.
fn w_back(rows: vec4<u32>, d: vec3<u32>) -> vec4<f32> {
    if d.x >= dims.o {
        return vec4<f32>();
    }
    return w4(rows + ((d.x * dims.c * dims.kh + d.y) * dims.kw + d.z));
}

fn w_taps_back(rows: vec4<u32>, d: vec3<u32>, one: vec3<u32>, radix: vec2<u32>) -> mat4x4<f32> {
    let d1 = plus(d, one, radix);
    let d2 = plus(d1, one, radix);
    let d3 = plus(d2, one, radix);
    return mat4x4<f32>(w_back(rows, d), w_back(rows, d1), w_back(rows, d2), w_back(rows, d3));
}

@compute @workgroup_size(8, 8)
fn conv2d_dx_tiled(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_id) lid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = wid.z;
    let count = dims.o * dims.kh * dims.kw;
    let share = share_by_rows(lane);
    let channels = min(wid.y * 32u + 4u * share.q + LANES, vec4<u32>(dims.c - 1u));
    let filters = r * dims.rp + channels * dims.kh * dims.kw;
    let views = seen(r, pixels(wid.x * 32u + share.q, dims.h, dims.w));
    let radix = vec2<u32>(dims.kh, dims.kw);
    let one = digits(1u, radix);
    let skip = digits(DEPTH, radix);
    var d = digits(share.k, radix);
    var t: Tile32;
    var a = w_taps_back(filters, d, one, radix);
    var b = dy_taps(views, d, one, radix);
    for (var k = 0u; k < count; k += DEPTH) {
        stage_a(share.at, a);
        stage_b(share.at, b);
        workgroupBarrier();
        d = plus(d, skip, radix);
        a = w_taps_back(filters, d, one, radix);
        b = dy_taps(views, d, one, radix);
        tile32_add(&t, lid, count - k);
        workgroupBarrier();
    }
    let plane = dims.h * dims.w;
    for (var j = 0u; j < 4u; j++) {
        let p = wid.x * 32u + lid.x + 8u * j;
        if p >= dims.b * plane {
            break;
        }
        let base = r * dims.rx + p / plane * dims.c * plane + p % plane;
        for (var i = 0u; i < 4u; i++) {
            let c = wid.y * 32u + 4u * lid.y + i;
            if c >= dims.c {
                break;
            }
            let at = base + c * plane;
            var v = tile32_row(&t, i)[j];
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

// Pixel d = (b, oh, ow), b < end, of four planes of dy that start at `planes`.
fn dy_pixel(planes: vec4<u32>, d: vec3<u32>, end: u32) -> vec4<f32> {
    if d.x >= end {
        return vec4<f32>();
    }
    return dy4(planes + ((d.x * dims.o * dims.oh + d.y) * dims.ow + d.z));
}

// What four weights multiply there: `v` is their windows at pixel 0.
fn x_pixel(r: u32, v: Windows, d: vec3<u32>, end: u32) -> vec4<f32> {
    if d.x >= end {
        return vec4<f32>();
    }
    let down = d.y * dims.sh;
    let right = d.z * dims.sw;
    let valid = within(v.h + i32(down), dims.h) & within(v.w + i32(right), dims.w);
    let image = source_row(r, d.x, dims.c * dims.h * dims.w);
    return source4_where(r, v.at + (image + down * dims.w + right), valid);
}

fn dy_pixels(planes: vec4<u32>, d: vec3<u32>, end: u32, one: vec3<u32>, radix: vec2<u32>) -> mat4x4<f32> {
    let d1 = plus(d, one, radix);
    let d2 = plus(d1, one, radix);
    let d3 = plus(d2, one, radix);
    return mat4x4<f32>(
        dy_pixel(planes, d, end), dy_pixel(planes, d1, end), dy_pixel(planes, d2, end), dy_pixel(planes, d3, end)
    );
}

fn x_pixels(r: u32, v: Windows, d: vec3<u32>, end: u32, one: vec3<u32>, radix: vec2<u32>) -> mat4x4<f32> {
    let d1 = plus(d, one, radix);
    let d2 = plus(d1, one, radix);
    let d3 = plus(d2, one, radix);
    return mat4x4<f32>(
        x_pixel(r, v, d, end), x_pixel(r, v, d1, end), x_pixel(r, v, d2, end), x_pixel(r, v, d3, end)
    );
}

// Where the tile of a weight gradient lies.
struct Weights {
    planes: vec4<u32>, // of dy, which the share brings
    views: Windows,    // what four weights multiply at pixel 0
}

// `plane` is that of dy.
fn weights(r: u32, wid: vec3<u32>, share: Share, plane: u32) -> Weights {
    let planes = r * dims.ry + min(wid.y * 32u + 4u * share.q + LANES, vec4<u32>(dims.o - 1u)) * plane;
    let count = dims.c * dims.kh * dims.kw;
    let e = min(wid.x * 32u + share.q + 8u * LANES, vec4<u32>(count - 1u)); // (c, kh, kw)
    let h = vec4<i32>(e / dims.kw % dims.kh * dims.dh) - i32(dims.ph);
    let w = vec4<i32>(e % dims.kw * dims.dw) - i32(dims.pw);
    let first = e / (dims.kh * dims.kw) * dims.h * dims.w;
    return Weights(planes, Windows(first + bitcast<vec4<u32>>(h * i32(dims.w) + w), h, w));
}

// `sum` is what the invocation brought of dy. Every invocation must call it.
fn store_weights(wid: vec3<u32>, lid: vec3<u32>, lane: u32, share: Share, t: ptr<function, Tile32>, sum: vec4<f32>) {
    let count = dims.c * dims.kh * dims.kw;
    let out = wid.z % dims.slices * dims.replicas + wid.z / dims.slices;
    for (var j = 0u; j < 4u; j++) {
        let col = wid.x * 32u + lid.x + 8u * j;
        if col >= count {
            break;
        }
        for (var i = 0u; i < 4u; i++) {
            let o = wid.y * 32u + 4u * lid.y + i;
            if o < dims.o {
                dw[out * dims.rdw + o * count + col] = tile32_row(t, i)[j];
            }
        }
    }
    if wid.x == 0u && dims.has_bias == 1u {
        let sums = tile32_sums(share.at, lane, sum);
        let o = wid.y * 32u + 4u * lane;
        if lane < 8u && o < dims.o {
            for (var j = 0u; j < min(4u, dims.o - o); j++) {
                dbias[out * dims.rdb + o + j] = sums[j];
            }
        }
    }
}

@compute @workgroup_size(8, 8)
fn conv2d_dw_tiled(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_id) lid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = wid.z / dims.slices;
    let begin = wid.z % dims.slices * dims.slice_b;
    let end = min(begin + dims.slice_b, dims.b);
    let share = share_by_terms(lane);
    let tile = weights(r, wid, share, dims.oh * dims.ow);
    let radix = vec2<u32>(dims.oh, dims.ow);
    let one = digits(1u, radix);
    let skip = digits(DEPTH, radix);
    var d = digits(share.k, radix);
    d.x += begin;
    var t: Tile32;
    var sum: vec4<f32>; // the bias gradient comes nearly free: its terms pass by anyway
    var a = dy_pixels(tile.planes, d, end, one, radix);
    var b = x_pixels(r, tile.views, d, end, one, radix);
    let depth = (end - begin) * dims.oh * dims.ow;
    for (var k = 0u; k < depth; k += DEPTH) {
        stage_a(share.at, a);
        stage_b(share.at, b);
        sum += share_sum(a);
        workgroupBarrier();
        d = plus(d, skip, radix);
        a = dy_pixels(tile.planes, d, end, one, radix);
        b = x_pixels(r, tile.views, d, end, one, radix);
        tile32_add(&t, lid, depth - k);
        workgroupBarrier();
    }
    store_weights(wid, lid, lane, share, &t, sum);
}

// Pixel d = (b, oh, ow), b < end, of four planes of a pooled dy: zero but at the corners that won, which word `group` of each
// window's arg names.
fn dy_corner(planes: vec4<u32>, group: u32, d: vec3<u32>, end: u32) -> vec4<f32> {
    if d.x >= end {
        return vec4<f32>();
    }
    let plane = dims.oh * dims.ow / 4u;
    let window = (d.y / 2u) * (dims.ow / 2u) + d.z / 2u;
    let word = argmax[group + d.x * ((dims.o + 3u) / 4u) * plane + window];
    let corners = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu);
    let won = corners == vec4<u32>(2u * (d.y & 1u) + (d.z & 1u));
    return select(vec4<f32>(), dy4(planes + (d.x * dims.o * plane + window)), won);
}

fn dy_corners(planes: vec4<u32>, group: u32, d: vec3<u32>, end: u32, one: vec3<u32>, radix: vec2<u32>) -> mat4x4<f32> {
    let d1 = plus(d, one, radix);
    let d2 = plus(d1, one, radix);
    let d3 = plus(d2, one, radix);
    return mat4x4<f32>(
        dy_corner(planes, group, d, end), dy_corner(planes, group, d1, end), dy_corner(planes, group, d2, end),
        dy_corner(planes, group, d3, end)
    );
}

@compute @workgroup_size(8, 8)
fn conv2d_dw_pool_tiled(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_id) lid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = wid.z / dims.slices;
    let begin = wid.z % dims.slices * dims.slice_b;
    let end = min(begin + dims.slice_b, dims.b);
    let share = share_by_terms(lane);
    let plane = dims.oh * dims.ow / 4u;
    let tile = weights(r, wid, share, plane);
    let group = r * dims.ra + min(wid.y * 8u + share.q, (dims.o - 1u) / 4u) * plane;
    let radix = vec2<u32>(dims.oh, dims.ow);
    let one = digits(1u, radix);
    let skip = digits(DEPTH, radix);
    var d = digits(share.k, radix);
    d.x += begin;
    var t: Tile32;
    var sum: vec4<f32>;
    var a = dy_corners(tile.planes, group, d, end, one, radix);
    var b = x_pixels(r, tile.views, d, end, one, radix);
    let depth = (end - begin) * dims.oh * dims.ow;
    for (var k = 0u; k < depth; k += DEPTH) {
        stage_a(share.at, a);
        stage_b(share.at, b);
        sum += share_sum(a);
        workgroupBarrier();
        d = plus(d, skip, radix);
        a = dy_corners(tile.planes, group, d, end, one, radix);
        b = x_pixels(r, tile.views, d, end, one, radix);
        tile32_add(&t, lid, depth - k);
        workgroupBarrier();
    }
    store_weights(wid, lid, lane, share, &t, sum);
}
