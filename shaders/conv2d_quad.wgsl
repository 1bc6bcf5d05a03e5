// 3 x 3 convolution of stride 1 on conv2d_broadcast's devices: conv2d.wgsl's formulas, by quads of 2 x 2 pixels.
//   conv2d_quad, conv2d_dx_quad, conv2d_dw_quad
//   conv2d_pool_quad  the largest of each quad, and which of its corners that is: a max-pool of 2 x 2 behind the activation
// Needs an even OH and OW, dilation 1, and a padding of 2 at most. A lane holds two quads of 16 channels. A quad's nine taps see
// 4 x 4 pixels: their 4 rows are 8 loads for 36 multiply-adds a channel, and nine taps an accumulator stay in registers.
// Launch: one subgroup a workgroup. conv2d_quad, conv2d_pool_quad, conv2d_dx_quad: x over 16 quads of all images, y over
// 16 channels, z the replica; conv2d_dw_quad: x over 8 channels of x, y over 16 of y, z = replica * slices + slice.
// Edges: quads and channels past the end are computed from clamped loads and not stored: every lane must take part.
#import state
#import activation
#import residual
#import broadcast
#import winners
#import pick
#import load
#import conv2d_dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
// 3 x (B, C, H, W), 4 w (O, C, 3, 3) and, from bias0, bias (O), 7 dy (B, O, OH, OW): by load
@group(0) @binding(6) var<storage, read_write> y: array<vec2<f32>>;  // (B, O, OH, OW)
@group(0) @binding(8) var<storage, read_write> dx: array<vec2<f32>>; // (B, C, H, W)
@group(0) @binding(9) var<storage, read_write> dw: array<f32>;       // (slices, replicas, O, C, 3, 3)
@group(0) @binding(10) var<storage, read_write> dbias: array<f32>;   // (slices, replicas, O)
@group(0) @binding(11) var<storage, read_write> arg: array<u32>;     // (B, ceil(O / 4), OH / 2, OW / 2), a byte a channel
@group(0) @binding(13) var<storage, read_write> pooled: array<f32>;  // (B, O, OH / 2, OW / 2)
#import source4
#import quads

// From word i of the parameters on.
fn taps_at(i: u32) -> Taps {
    let v = i >> 2u;
    let two = (i & 2u) == 2u;
    let odd = (i & 1u) == 1u;
    let p = w4(v);
    let q = w4(v + 1u);
    let r = w4(v + 2u);
    let a = select(p, vec4<f32>(p.zw, q.xy), two);
    let b = select(q, vec4<f32>(q.zw, r.xy), two);
    let c = select(r.xy, r.zw, two);
    return Taps(
        select(a, vec4<f32>(a.yzw, b.x), odd), select(b, vec4<f32>(b.yzw, c.x), odd), select(c.x, c.y, odd)
    );
}

fn reversed(t: Taps) -> Taps {
    return Taps(vec4<f32>(t.c, t.b.wzy), vec4<f32>(t.b.x, t.a.wzy), t.a.x);
}

fn dy_row(i: i32, inside: vec4<u32>) -> vec4<f32> {
    let vector = i >> 2u;
    let lo = bitcast<vec4<u32>>(dy4(u32(max(vector, 0))));
    let hi = bitcast<vec4<u32>>(dy4(u32(vector + 1)));
    return bitcast<vec4<f32>>(shifted(lo, hi, u32(i)) & inside);
}

fn dy_patch(p: Spots, plane: u32) -> Patch {
    let at = p.at + i32(plane);
    return Patch(dy_row(at.x, p.in0), dy_row(at.y, p.in1), dy_row(at.z, p.in2), dy_row(at.w, p.in3));
}

// A quad's sum, on by nine taps of one channel.
fn quad_add(sum: vec4<f32>, t: Taps, p: Patch) -> vec4<f32> {
    var v = sum + t.a.x * vec4<f32>(p.r0.xy, p.r1.xy);
    v += t.a.y * vec4<f32>(p.r0.yz, p.r1.yz);
    v += t.a.z * vec4<f32>(p.r0.zw, p.r1.zw);
    v += t.a.w * vec4<f32>(p.r1.xy, p.r2.xy);
    v += t.b.x * vec4<f32>(p.r1.yz, p.r2.yz);
    v += t.b.y * vec4<f32>(p.r1.zw, p.r2.zw);
    v += t.b.z * vec4<f32>(p.r2.xy, p.r3.xy);
    v += t.b.w * vec4<f32>(p.r2.yz, p.r3.yz);
    v += t.c * vec4<f32>(p.r2.zw, p.r3.zw);
    return v;
}

// The same for 16 channels of two quads: what is broadcast serves both. Lane l brings the taps of channel l in lo, of channel
// l + 8 in hi, and the patches of its own quads.
fn pair_add(t: ptr<function, Rows>, u: ptr<function, Rows>, lo: Taps, hi: Taps, a: Patch, b: Patch) {
    let w0 = Taps(subgroupBroadcast(lo.a, 0u), subgroupBroadcast(lo.b, 0u), subgroupBroadcast(lo.c, 0u));
    (*t).r0 = quad_add((*t).r0, w0, a);
    (*u).r0 = quad_add((*u).r0, w0, b);
    let w1 = Taps(subgroupBroadcast(lo.a, 1u), subgroupBroadcast(lo.b, 1u), subgroupBroadcast(lo.c, 1u));
    (*t).r1 = quad_add((*t).r1, w1, a);
    (*u).r1 = quad_add((*u).r1, w1, b);
    let w2 = Taps(subgroupBroadcast(lo.a, 2u), subgroupBroadcast(lo.b, 2u), subgroupBroadcast(lo.c, 2u));
    (*t).r2 = quad_add((*t).r2, w2, a);
    (*u).r2 = quad_add((*u).r2, w2, b);
    let w3 = Taps(subgroupBroadcast(lo.a, 3u), subgroupBroadcast(lo.b, 3u), subgroupBroadcast(lo.c, 3u));
    (*t).r3 = quad_add((*t).r3, w3, a);
    (*u).r3 = quad_add((*u).r3, w3, b);
    let w4 = Taps(subgroupBroadcast(lo.a, 4u), subgroupBroadcast(lo.b, 4u), subgroupBroadcast(lo.c, 4u));
    (*t).r4 = quad_add((*t).r4, w4, a);
    (*u).r4 = quad_add((*u).r4, w4, b);
    let w5 = Taps(subgroupBroadcast(lo.a, 5u), subgroupBroadcast(lo.b, 5u), subgroupBroadcast(lo.c, 5u));
    (*t).r5 = quad_add((*t).r5, w5, a);
    (*u).r5 = quad_add((*u).r5, w5, b);
    let w6 = Taps(subgroupBroadcast(lo.a, 6u), subgroupBroadcast(lo.b, 6u), subgroupBroadcast(lo.c, 6u));
    (*t).r6 = quad_add((*t).r6, w6, a);
    (*u).r6 = quad_add((*u).r6, w6, b);
    let w7 = Taps(subgroupBroadcast(lo.a, 7u), subgroupBroadcast(lo.b, 7u), subgroupBroadcast(lo.c, 7u));
    (*t).r7 = quad_add((*t).r7, w7, a);
    (*u).r7 = quad_add((*u).r7, w7, b);
    let w8 = Taps(subgroupBroadcast(hi.a, 0u), subgroupBroadcast(hi.b, 0u), subgroupBroadcast(hi.c, 0u));
    (*t).r8 = quad_add((*t).r8, w8, a);
    (*u).r8 = quad_add((*u).r8, w8, b);
    let w9 = Taps(subgroupBroadcast(hi.a, 1u), subgroupBroadcast(hi.b, 1u), subgroupBroadcast(hi.c, 1u));
    (*t).r9 = quad_add((*t).r9, w9, a);
    (*u).r9 = quad_add((*u).r9, w9, b);
    let w10 = Taps(subgroupBroadcast(hi.a, 2u), subgroupBroadcast(hi.b, 2u), subgroupBroadcast(hi.c, 2u));
    (*t).r10 = quad_add((*t).r10, w10, a);
    (*u).r10 = quad_add((*u).r10, w10, b);
    let w11 = Taps(subgroupBroadcast(hi.a, 3u), subgroupBroadcast(hi.b, 3u), subgroupBroadcast(hi.c, 3u));
    (*t).r11 = quad_add((*t).r11, w11, a);
    (*u).r11 = quad_add((*u).r11, w11, b);
    let w12 = Taps(subgroupBroadcast(hi.a, 4u), subgroupBroadcast(hi.b, 4u), subgroupBroadcast(hi.c, 4u));
    (*t).r12 = quad_add((*t).r12, w12, a);
    (*u).r12 = quad_add((*u).r12, w12, b);
    let w13 = Taps(subgroupBroadcast(hi.a, 5u), subgroupBroadcast(hi.b, 5u), subgroupBroadcast(hi.c, 5u));
    (*t).r13 = quad_add((*t).r13, w13, a);
    (*u).r13 = quad_add((*u).r13, w13, b);
    let w14 = Taps(subgroupBroadcast(hi.a, 6u), subgroupBroadcast(hi.b, 6u), subgroupBroadcast(hi.c, 6u));
    (*t).r14 = quad_add((*t).r14, w14, a);
    (*u).r14 = quad_add((*u).r14, w14, b);
    let w15 = Taps(subgroupBroadcast(hi.a, 7u), subgroupBroadcast(hi.b, 7u), subgroupBroadcast(hi.c, 7u));
    (*t).r15 = quad_add((*t).r15, w15, a);
    (*u).r15 = quad_add((*u).r15, w15, b);
}

// A quad of a (B, plane) grid of an even height and width: its image, its place among the image's quads, its upper left pixel.
struct Quad {
    image: u32,
    at: u32,
    h: u32,
    w: u32,
}

fn quad(q: u32, height: u32, width: u32) -> Quad {
    let across = width >> 1u;
    let quads = (height >> 1u) * across;
    let at = q % quads;
    return Quad(q / quads, at, 2u * (at / across), 2u * (at % across));
}

// Two quads of 16 channels.
struct Pair {
    a: Rows,
    b: Rows,
}

// Channels row to row + 15 of two quads of y, without the bias.
fn pair_of_y(r: u32, row: u32, a: Quad, b: Quad, lane: u32) -> Pair {
    let filter_size = dims.c * 9u;
    let w0 = 4u * dims.w0 + r * dims.rp;
    var w_lo = w0 + min(row + lane, dims.o - 1u) * filter_size;
    var w_hi = w0 + min(row + 8u + lane, dims.o - 1u) * filter_size;
    let s = scaling(r);
    let channels = dims.c;
    let plane = dims.h * dims.w;
    let spots_a = spots_of_x(r, a);
    let spots_b = spots_of_x(r, b);
    var t: Rows;
    var u: Rows;
    for (var c = 0u; c < channels; c++) {
        let at = c * plane;
        pair_add(&t, &u, taps_at(w_lo), taps_at(w_hi), x_patch(s, spots_a, at), x_patch(s, spots_b, at));
        w_lo += 9u;
        w_hi += 9u;
    }
    return Pair(t, u);
}

// What a quad of y sees of x.
fn spots_of_x(r: u32, q: Quad) -> Spots {
    let base = source_row(r, q.image, dims.c * dims.h * dims.w);
    return spots(base, i32(q.h) - i32(dims.ph), i32(q.w) - i32(dims.pw), dims.h, dims.w);
}

// The bias of channels first to first + 3.
fn bias4(r: u32, first: u32) -> vec4<f32> {
    if dims.has_bias == 0u {
        return vec4<f32>();
    }
    return w4(dims.bias0 + ((r * dims.rp + first) >> 2u));
}

fn store_quad(t: ptr<function, Rows>, r: u32, row: u32, q: Quad) {
    let width = dims.ow;
    let plane = dims.oh * width;
    let out = (r * dims.ry + (q.image * dims.o + row) * plane + q.h * width + q.w) >> 1u;
    let rows = min(16u, dims.o - row);
    for (var i = 0u; i < rows; i++) {
        let bias = bias4(r, row + (i & 12u));
        let to = out + i * (plane >> 1u);
        let product = rows_row(t, i) + bitcast<f32>(pick(bitcast<vec4<u32>>(bias), i));
        let v = apply4(add_residual4(product, 2u * to + vec4<u32>(0u, 1u, width, width + 1u)));
        y[to] = v.xy;
        y[to + (width >> 1u)] = v.zw;
    }
}

@compute @workgroup_size(8)
fn conv2d_quad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z;
    let row = wid.y * 16u; // o
    let count = dims.b * ((dims.oh * dims.ow) >> 2u);
    let at = wid.x * 16u + lane;
    let a = quad(min(at, count - 1u), dims.oh, dims.ow);
    let b = quad(min(at + 8u, count - 1u), dims.oh, dims.ow);
    let pair = pair_of_y(r, row, a, b, lane);
    var t = pair.a;
    var u = pair.b;
    if at < count {
        store_quad(&t, r, row, a);
    }
    if at + 8u < count {
        store_quad(&u, r, row, b);
    }
}

fn store_pooled(t: ptr<function, Rows>, r: u32, row: u32, q: Quad) {
    let quads = (dims.oh * dims.ow) >> 2u;
    let channels = dims.o;
    var to = r * dims.ry + (q.image * channels + row) * quads + q.at;
    var to_arg = r * dims.ra + (q.image * ((channels + 3u) >> 2u) + (row >> 2u)) * quads + q.at;
    for (var o = row; o < min(row + 16u, channels); o += 4u) {
        let m = transpose(rows_four(t, (o - row) >> 2u)); // a column a pixel
        let bias = bias4(r, o);
        let best = winners(apply4(m[0] + bias), apply4(m[1] + bias), apply4(m[2] + bias), apply4(m[3] + bias));
        pooled[to] = best.value.x;
        if o + 1u < channels {
            pooled[to + quads] = best.value.y;
        }
        if o + 2u < channels {
            pooled[to + 2u * quads] = best.value.z;
        }
        if o + 3u < channels {
            pooled[to + 3u * quads] = best.value.w;
        }
        arg[to_arg] = best.arg;
        to += 4u * quads;
        to_arg += quads;
    }
}

@compute @workgroup_size(8)
fn conv2d_pool_quad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z;
    let row = wid.y * 16u; // o
    let count = dims.b * ((dims.oh * dims.ow) >> 2u);
    let at = wid.x * 16u + lane;
    let a = quad(min(at, count - 1u), dims.oh, dims.ow);
    let b = quad(min(at + 8u, count - 1u), dims.oh, dims.ow);
    let pair = pair_of_y(r, row, a, b, lane);
    var t = pair.a;
    var u = pair.b;
    if at < count {
        store_pooled(&t, r, row, a);
    }
    if at + 8u < count {
        store_pooled(&u, r, row, b);
    }
}

// Two elements of x, as the slope wants them: from element i on, an even one.
fn x_pair(i: u32) -> vec2<f32> {
    let v = bitcast<vec4<f32>>(x4(i >> 2u));
    return select(v.xy, v.zw, (i & 2u) == 2u);
}

// What a quad of dx sees of dy. The last tap comes first: it saw the quad from the upper left.
fn spots_of_dy(r: u32, q: Quad) -> Spots {
    let base = 4u * dims.dy0 + r * dims.ry + q.image * dims.o * dims.oh * dims.ow;
    return spots(base, i32(q.h + dims.ph) - 2, i32(q.w + dims.pw) - 2, dims.oh, dims.ow);
}

fn store_dx(t: ptr<function, Rows>, r: u32, row: u32, q: Quad) {
    let width = dims.w;
    let plane = dims.h * width;
    let out = r * dims.rx + (q.image * dims.c + row) * plane + q.h * width + q.w;
    let rows = min(16u, dims.c - row);
    let x0 = 4u * dims.x0;
    let accumulate = dims.accumulate == 1u;
    for (var i = 0u; i < rows; i++) {
        var v = rows_row(t, i);
        let upper = out + i * plane;
        let lower = upper + width;
        if ACT != 0u {
            v *= slope4_at(vec4<f32>(x_pair(x0 + upper), x_pair(x0 + lower)));
        }
        if accumulate {
            v += vec4<f32>(dx[upper >> 1u], dx[lower >> 1u]);
        }
        dx[upper >> 1u] = v.xy;
        dx[lower >> 1u] = v.zw;
    }
}

@compute @workgroup_size(8)
fn conv2d_dx_quad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z;
    let row = wid.y * 16u; // c
    let count = dims.b * ((dims.h * dims.w) >> 2u);
    let at = wid.x * 16u + lane;
    let a = quad(min(at, count - 1u), dims.h, dims.w);
    let b = quad(min(at + 8u, count - 1u), dims.h, dims.w);
    let filter_size = dims.c * 9u;
    let w0 = 4u * dims.w0 + r * dims.rp;
    var w_lo = w0 + min(row + lane, dims.c - 1u) * 9u;
    var w_hi = w0 + min(row + 8u + lane, dims.c - 1u) * 9u;
    let channels = dims.o;
    let plane = dims.oh * dims.ow;
    let spots_a = spots_of_dy(r, a);
    let spots_b = spots_of_dy(r, b);
    var t: Rows;
    var u: Rows;
    for (var o = 0u; o < channels; o++) {
        let from_plane = o * plane;
        let lo = reversed(taps_at(w_lo));
        let hi = reversed(taps_at(w_hi));
        pair_add(&t, &u, lo, hi, dy_patch(spots_a, from_plane), dy_patch(spots_b, from_plane));
        w_lo += filter_size;
        w_hi += filter_size;
    }
    if at < count {
        store_dx(&t, r, row, a);
    }
    if at + 8u < count {
        store_dx(&u, r, row, b);
    }
}

// Lane l brings the quad of channel l in lo, of channel l + 8 in hi.
fn filters_add(t: ptr<function, Filters>, lo: vec4<f32>, hi: vec4<f32>, p: Patch) {
    (*t).t0 = taps_add((*t).t0, subgroupBroadcast(lo, 0u), p);
    (*t).t1 = taps_add((*t).t1, subgroupBroadcast(lo, 1u), p);
    (*t).t2 = taps_add((*t).t2, subgroupBroadcast(lo, 2u), p);
    (*t).t3 = taps_add((*t).t3, subgroupBroadcast(lo, 3u), p);
    (*t).t4 = taps_add((*t).t4, subgroupBroadcast(lo, 4u), p);
    (*t).t5 = taps_add((*t).t5, subgroupBroadcast(lo, 5u), p);
    (*t).t6 = taps_add((*t).t6, subgroupBroadcast(lo, 6u), p);
    (*t).t7 = taps_add((*t).t7, subgroupBroadcast(lo, 7u), p);
    (*t).t8 = taps_add((*t).t8, subgroupBroadcast(hi, 0u), p);
    (*t).t9 = taps_add((*t).t9, subgroupBroadcast(hi, 1u), p);
    (*t).t10 = taps_add((*t).t10, subgroupBroadcast(hi, 2u), p);
    (*t).t11 = taps_add((*t).t11, subgroupBroadcast(hi, 3u), p);
    (*t).t12 = taps_add((*t).t12, subgroupBroadcast(hi, 4u), p);
    (*t).t13 = taps_add((*t).t13, subgroupBroadcast(hi, 5u), p);
    (*t).t14 = taps_add((*t).t14, subgroupBroadcast(hi, 6u), p);
    (*t).t15 = taps_add((*t).t15, subgroupBroadcast(hi, 7u), p);
}

@compute @workgroup_size(8)
fn conv2d_dw_quad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z / dims.slices;
    let slice = wid.z % dims.slices;
    let row = wid.y * 16u; // o
    let c = wid.x * 8u + lane;
    let width = dims.ow;
    let height = dims.oh;
    let plane = width * height;
    let width_x = dims.w;
    let height_x = dims.h;
    let plane_x = min(c, dims.c - 1u) * width_x * height_x;
    let size_x = dims.c * width_x * height_x;
    let top = -i32(dims.ph);
    let left = -i32(dims.pw);
    let dy0 = 4u * dims.dy0 + r * dims.ry;
    let dy_lo = dy0 + min(row + lane, dims.o - 1u) * plane;
    let dy_hi = dy0 + min(row + 8u + lane, dims.o - 1u) * plane;
    let size_y = dims.o * plane;
    let s = scaling(r);
    let end = min((slice + 1u) * dims.slice_b, dims.b);
    var t: Filters;
    var sum_lo = vec4<f32>();
    var sum_hi = vec4<f32>();
    for (var b = slice * dims.slice_b; b < end; b++) {
        let base = source_row(r, b, size_x);
        var at = b * size_y;
        for (var h = 0u; h < height; h += 2u) {
            for (var w = 0u; w < width; w += 2u) {
                let lo = vec4<f32>(dy_pair(dy_lo + at), dy_pair(dy_lo + at + width));
                let hi = vec4<f32>(dy_pair(dy_hi + at), dy_pair(dy_hi + at + width));
                sum_lo += lo;
                sum_hi += hi;
                let p = spots(base, i32(h) + top, i32(w) + left, height_x, width_x);
                filters_add(&t, lo, hi, x_patch(s, p, plane_x));
                at += 2u;
            }
            at += width;
        }
    }
    let out = slice * dims.replicas + r;
    if c < dims.c {
        let filter_size = dims.c * 9u;
        let first = out * dims.rdw + row * filter_size + c * 9u;
        let rows = min(16u, dims.o - row);
        for (var i = 0u; i < rows; i++) {
            let v = filters_row(&t, i);
            let to = first + i * filter_size;
            dw[to] = v.a.x;
            dw[to + 1u] = v.a.y;
            dw[to + 2u] = v.a.z;
            dw[to + 3u] = v.a.w;
            dw[to + 4u] = v.b.x;
            dw[to + 5u] = v.b.y;
            dw[to + 6u] = v.b.z;
            dw[to + 7u] = v.b.w;
            dw[to + 8u] = v.c;
        }
    }
    if wid.x == 0u && dims.has_bias == 1u {
        if row + lane < dims.o {
            dbias[out * dims.rdb + row + lane] = sum_lo.x + sum_lo.y + sum_lo.z + sum_lo.w;
        }
        if row + 8u + lane < dims.o {
            dbias[out * dims.rdb + row + 8u + lane] = sum_hi.x + sum_hi.y + sum_hi.z + sum_hi.w;
        }
    }
}
