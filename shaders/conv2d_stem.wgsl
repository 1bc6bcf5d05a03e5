// Weight gradient of a 3 x 3 convolution of stride 1 that has few input channels, on conv2d_broadcast's devices.
//   conv2d_dw_stem       conv2d.wgsl's conv2d_dw
//   conv2d_dw_pool_stem  the same of a pooled y: dy is that of each quad's largest pixel, arg which of its corners that is
// Needs what conv2d_quad needs. There the lanes share the channels of x; here, where there are few, the quads of a row.
// Launch: one subgroup a workgroup, x over channels of x, y over 16 of y, z = replica * slices + slice.
// Edges: quads past the end count as zero, channels past the end are computed from clamped loads and not stored.
#import state
#import pick
#import load
#import conv2d_dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
// 3 x (B, C, H, W), 7 dy (B, O, OH, OW) or (B, O, OH / 2, OW / 2), 12 argmax, which is arg read back: by load
@group(0) @binding(9) var<storage, read_write> dw: array<f32>;     // (slices, replicas, O, C, 3, 3)
@group(0) @binding(10) var<storage, read_write> dbias: array<f32>; // (slices, replicas, O)
#import source4
#import quads

// The same quad of 16 channels.
struct Channels {
    d0: vec4<f32>,
    d1: vec4<f32>,
    d2: vec4<f32>,
    d3: vec4<f32>,
    d4: vec4<f32>,
    d5: vec4<f32>,
    d6: vec4<f32>,
    d7: vec4<f32>,
    d8: vec4<f32>,
    d9: vec4<f32>,
    d10: vec4<f32>,
    d11: vec4<f32>,
    d12: vec4<f32>,
    d13: vec4<f32>,
    d14: vec4<f32>,
    d15: vec4<f32>,
}

fn channels_add(t: ptr<function, Filters>, d: Channels, p: Patch) {
    (*t).t0 = taps_add((*t).t0, d.d0, p);
    (*t).t1 = taps_add((*t).t1, d.d1, p);
    (*t).t2 = taps_add((*t).t2, d.d2, p);
    (*t).t3 = taps_add((*t).t3, d.d3, p);
    (*t).t4 = taps_add((*t).t4, d.d4, p);
    (*t).t5 = taps_add((*t).t5, d.d5, p);
    (*t).t6 = taps_add((*t).t6, d.d6, p);
    (*t).t7 = taps_add((*t).t7, d.d7, p);
    (*t).t8 = taps_add((*t).t8, d.d8, p);
    (*t).t9 = taps_add((*t).t9, d.d9, p);
    (*t).t10 = taps_add((*t).t10, d.d10, p);
    (*t).t11 = taps_add((*t).t11, d.d11, p);
    (*t).t12 = taps_add((*t).t12, d.d12, p);
    (*t).t13 = taps_add((*t).t13, d.d13, p);
    (*t).t14 = taps_add((*t).t14, d.d14, p);
    (*t).t15 = taps_add((*t).t15, d.d15, p);
}

// The bias gradient of 16 channels.
struct Sums {
    s0: vec4<f32>,
    s1: vec4<f32>,
    s2: vec4<f32>,
    s3: vec4<f32>,
}

fn sum4(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
    let m = transpose(mat4x4<f32>(a, b, c, d));
    return (m[0] + m[1]) + (m[2] + m[3]);
}

fn sums_add(s: ptr<function, Sums>, d: Channels) {
    (*s).s0 += sum4(d.d0, d.d1, d.d2, d.d3);
    (*s).s1 += sum4(d.d4, d.d5, d.d6, d.d7);
    (*s).s2 += sum4(d.d8, d.d9, d.d10, d.d11);
    (*s).s3 += sum4(d.d12, d.d13, d.d14, d.d15);
}

// The quad of a plane of y whose upper left pixel is element i, an even one.
fn dense(i: u32, width: u32) -> vec4<f32> {
    return vec4<f32>(dy_pair(i), dy_pair(i + width));
}

// The gradient of a window, word i of dy, at the corner that byte b of `corners` names.
fn pooled(i: u32, corners: u32, b: u32) -> vec4<f32> {
    let v = pick(bitcast<vec4<u32>>(dy4(i >> 2u)), i);
    let corner = (corners >> (8u * b)) & 0xffu;
    return bitcast<vec4<f32>>(select(vec4<u32>(), vec4<u32>(v), vec4<u32>(corner) == vec4<u32>(0u, 1u, 2u, 3u)));
}

fn corners_at(i: u32) -> u32 {
    return pick(argmax4(i >> 2u), i);
}

// Over the lanes, in a fixed tree.
fn over_lanes(v: vec4<f32>) -> vec4<f32> {
    var sum = v;
    sum += subgroupShuffleXor(sum, 1u);
    sum += subgroupShuffleXor(sum, 2u);
    sum += subgroupShuffleXor(sum, 4u);
    return sum;
}

fn store(wid: vec3<u32>, lane: u32, row: u32, t: ptr<function, Filters>, s: ptr<function, Sums>) {
    let r = wid.z / dims.slices;
    let out = wid.z % dims.slices * dims.replicas + r;
    let filter_size = dims.c * 9u;
    let first = out * dims.rdw + row * filter_size + wid.x * 9u;
    let rows = min(16u, dims.o - row);
    for (var i = 0u; i < rows; i++) {
        let v = filters_row(t, i);
        let a = over_lanes(v.a);
        let b = over_lanes(v.b);
        let c = over_lanes(vec4<f32>(v.c));
        if lane == 0u {
            let to = first + i * filter_size;
            dw[to] = a.x;
            dw[to + 1u] = a.y;
            dw[to + 2u] = a.z;
            dw[to + 3u] = a.w;
            dw[to + 4u] = b.x;
            dw[to + 5u] = b.y;
            dw[to + 6u] = b.z;
            dw[to + 7u] = b.w;
            dw[to + 8u] = c.x;
        }
    }
    if wid.x == 0u && dims.has_bias == 1u {
        let s0 = over_lanes((*s).s0);
        let s1 = over_lanes((*s).s1);
        let s2 = over_lanes((*s).s2);
        let s3 = over_lanes((*s).s3);
        for (var i = 0u; i < rows; i++) {
            let four = select(select(s0, s1, (i & 4u) == 4u), select(s2, s3, (i & 4u) == 4u), i >= 8u);
            if lane == 0u {
                dbias[out * dims.rdb + row + i] = bitcast<f32>(pick(bitcast<vec4<u32>>(four), i));
            }
        }
    }
}

@compute @workgroup_size(8)
fn conv2d_dw_stem(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z / dims.slices;
    let slice = wid.z % dims.slices;
    let row = wid.y * 16u; // o
    let width = dims.ow;
    let height = dims.oh;
    let plane = width * height;
    let width_x = dims.w;
    let height_x = dims.h;
    let plane_x = wid.x * width_x * height_x;
    let size_x = dims.c * width_x * height_x;
    let top = -i32(dims.ph);
    let left = -i32(dims.pw);
    let channels = dims.o;
    let last = channels - 1u;
    let dy0 = 4u * dims.dy0 + r * dims.ry;
    let s = scaling(r);
    let end = min((slice + 1u) * dims.slice_b, dims.b);
    var t: Filters;
    var sums: Sums;
    for (var b = slice * dims.slice_b; b < end; b++) {
        let base = source_row(r, b, size_x);
        let image = dy0 + b * channels * plane;
        for (var h = 0u; h < height; h += 2u) {
            for (var first = 0u; first < width; first += 16u) {
                let w = first + 2u * lane;
                let there = select(0u, 1u, w < width);
                let at = image + h * width + min(w, width - 2u);
                let zero = vec4<f32>(f32(there));
                var d: Channels;
                d.d0 = zero * dense(at + row * plane, width);
                d.d1 = zero * dense(at + min(row + 1u, last) * plane, width);
                d.d2 = zero * dense(at + min(row + 2u, last) * plane, width);
                d.d3 = zero * dense(at + min(row + 3u, last) * plane, width);
                d.d4 = zero * dense(at + min(row + 4u, last) * plane, width);
                d.d5 = zero * dense(at + min(row + 5u, last) * plane, width);
                d.d6 = zero * dense(at + min(row + 6u, last) * plane, width);
                d.d7 = zero * dense(at + min(row + 7u, last) * plane, width);
                d.d8 = zero * dense(at + min(row + 8u, last) * plane, width);
                d.d9 = zero * dense(at + min(row + 9u, last) * plane, width);
                d.d10 = zero * dense(at + min(row + 10u, last) * plane, width);
                d.d11 = zero * dense(at + min(row + 11u, last) * plane, width);
                d.d12 = zero * dense(at + min(row + 12u, last) * plane, width);
                d.d13 = zero * dense(at + min(row + 13u, last) * plane, width);
                d.d14 = zero * dense(at + min(row + 14u, last) * plane, width);
                d.d15 = zero * dense(at + min(row + 15u, last) * plane, width);
                sums_add(&sums, d);
                let p = spots(base, i32(h) + top, i32(w) + left, height_x, width_x);
                channels_add(&t, d, x_patch(s, p, plane_x));
            }
        }
    }
    store(wid, lane, row, &t, &sums);
}

@compute @workgroup_size(8)
fn conv2d_dw_pool_stem(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z / dims.slices;
    let slice = wid.z % dims.slices;
    let row = wid.y * 16u; // o
    let width = dims.ow;
    let height = dims.oh;
    let plane = (width * height) >> 2u;
    let width_x = dims.w;
    let height_x = dims.h;
    let plane_x = wid.x * width_x * height_x;
    let size_x = dims.c * width_x * height_x;
    let top = -i32(dims.ph);
    let left = -i32(dims.pw);
    let channels = dims.o;
    let last = channels - 1u;
    let fours = (channels + 3u) >> 2u;
    let dy0 = 4u * dims.dy0 + r * dims.ry;
    let arg0 = 4u * dims.arg0 + r * dims.ra;
    let s = scaling(r);
    let end = min((slice + 1u) * dims.slice_b, dims.b);
    var t: Filters;
    var sums: Sums;
    for (var b = slice * dims.slice_b; b < end; b++) {
        let base = source_row(r, b, size_x);
        let image = dy0 + b * channels * plane;
        let image_arg = arg0 + b * fours * plane;
        for (var h = 0u; h < height; h += 2u) {
            for (var first = 0u; first < width; first += 16u) {
                let w = first + 2u * lane;
                let here = (h * (width >> 1u) + min(w, width - 2u)) >> 1u;
                let at = image + here;
                let at_arg = image_arg + here;
                // A quad past the end has no such corner.
                let none = select(0x04040404u, 0u, w < width);
                let group = row >> 2u;
                let a0 = corners_at(at_arg + group * plane) | none;
                let a1 = corners_at(at_arg + min(group + 1u, fours - 1u) * plane) | none;
                let a2 = corners_at(at_arg + min(group + 2u, fours - 1u) * plane) | none;
                let a3 = corners_at(at_arg + min(group + 3u, fours - 1u) * plane) | none;
                var d: Channels;
                d.d0 = pooled(at + row * plane, a0, 0u);
                d.d1 = pooled(at + min(row + 1u, last) * plane, a0, 1u);
                d.d2 = pooled(at + min(row + 2u, last) * plane, a0, 2u);
                d.d3 = pooled(at + min(row + 3u, last) * plane, a0, 3u);
                d.d4 = pooled(at + min(row + 4u, last) * plane, a1, 0u);
                d.d5 = pooled(at + min(row + 5u, last) * plane, a1, 1u);
                d.d6 = pooled(at + min(row + 6u, last) * plane, a1, 2u);
                d.d7 = pooled(at + min(row + 7u, last) * plane, a1, 3u);
                d.d8 = pooled(at + min(row + 8u, last) * plane, a2, 0u);
                d.d9 = pooled(at + min(row + 9u, last) * plane, a2, 1u);
                d.d10 = pooled(at + min(row + 10u, last) * plane, a2, 2u);
                d.d11 = pooled(at + min(row + 11u, last) * plane, a2, 3u);
                d.d12 = pooled(at + min(row + 12u, last) * plane, a3, 0u);
                d.d13 = pooled(at + min(row + 13u, last) * plane, a3, 1u);
                d.d14 = pooled(at + min(row + 14u, last) * plane, a3, 2u);
                d.d15 = pooled(at + min(row + 15u, last) * plane, a3, 3u);
                sums_add(&sums, d);
                let p = spots(base, i32(h) + top, i32(w) + left, height_x, width_x);
                channels_add(&t, d, x_patch(s, p, plane_x));
            }
        }
    }
    store(wid, lane, row, &t, &sums);
}
