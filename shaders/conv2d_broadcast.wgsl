// 2-D convolution for devices where workgroup memory is slow and a subgroup has 8 lanes: conv2d.wgsl's formulas.
//   conv2d_broadcast, conv2d_dx_broadcast, conv2d_dw_broadcast
// Needs OH * OW and H * W to be multiples of four. Launch: 16 x 32 outputs a workgroup of one subgroup:
// conv2d_broadcast, conv2d_dx_broadcast: x over pixels of all images, y over channels, z the replica; conv2d_dw_broadcast: x
// over (c,kh,kw), y over o, z = replica * slices + slice.
// Edges: rows and columns past the end are computed from clamped loads and not stored: every lane must take part.
#import state
#import activation
#import residual
#import broadcast
#import pick
#import load
#import conv2d_dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
// 3 x (B, C, H, W), 4 w (O, C, KH, KW) and, from bias0, bias (O), 7 dy (B, O, OH, OW): by load
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;  // (B, O, OH, OW)
@group(0) @binding(8) var<storage, read_write> dx: array<vec4<f32>>; // (B, C, H, W)
@group(0) @binding(9) var<storage, read_write> dw: array<f32>;       // (slices, replicas, O, C, KH, KW)
@group(0) @binding(10) var<storage, read_write> dbias: array<f32>;   // (slices, replicas, O)
#import source4

const LANES = vec4<u32>(0u, 1u, 2u, 3u);

fn w_at(i: u32) -> f32 {
    return bitcast<f32>(pick(bitcast<vec4<u32>>(w4(i >> 2u)), i));
}

// Four elements of dy where they count, else zero: `vector` and `part` of each, split outside the loop over channels,
// whose planes are whole vectors.
fn dy_parts(vector: vec4<u32>, part: vec4<u32>, valid: vec4<bool>) -> vec4<f32> {
    let v = vec4<u32>(
        pick(bitcast<vec4<u32>>(dy4(vector.x)), part.x), pick(bitcast<vec4<u32>>(dy4(vector.y)), part.y),
        pick(bitcast<vec4<u32>>(dy4(vector.z)), part.z), pick(bitcast<vec4<u32>>(dy4(vector.w)), part.w)
    );
    return select(vec4<f32>(), bitcast<vec4<f32>>(v), valid);
}

// Four elements where they count, else zero. `safe` is always there to be read.
fn source_where(s: vec2<f32>, i: vec4<u32>, safe: u32, valid: vec4<bool>) -> vec4<f32> {
    let at = select(vec4<u32>(safe), i, valid);
    let v = vec4<f32>(source1(s, at.x), source1(s, at.y), source1(s, at.z), source1(s, at.w));
    return select(vec4<f32>(), v, valid);
}

// The same `plane` elements further on, for channel c of x; `at` is in channel 0, and valid or safe. A dataset's bytes are
// taken one by one: it has few channels.
fn source_parts(s: vec2<f32>, at: vec4<u32>, plane: u32, valid: vec4<bool>) -> vec4<f32> {
    if SOURCE != 0u {
        return source_where(s, at + plane, at.x, valid);
    }
    let vector = (at >> vec4<u32>(2u)) + (plane >> 2u);
    let v = vec4<u32>(
        pick(x4(vector.x), at.x), pick(x4(vector.y), at.y), pick(x4(vector.z), at.z), pick(x4(vector.w), at.w)
    );
    return select(vec4<f32>(), bitcast<vec4<f32>>(v), valid);
}

fn within(v: vec4<i32>, limit: u32) -> vec4<bool> {
    return bitcast<vec4<u32>>(v) < vec4<u32>(limit); // a negative is a large unsigned
}

// The four pixels that start at `first`, a multiple of four, of images of width `width`: all in one image.
struct Pixels {
    image: u32,
    h: vec4<i32>,
    w: vec4<i32>,
}

fn pixels(first: u32, plane: u32, width: u32) -> Pixels {
    let at = first % plane + LANES;
    return Pixels(first / plane, vec4<i32>(at / width), vec4<i32>(at % width));
}

@compute @workgroup_size(8)
fn conv2d_broadcast(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z;
    let row = wid.y * 16u; // o
    let col = wid.x * 32u + 4u * lane; // pixel of y
    let plane = dims.oh * dims.ow;
    let count = dims.b * plane;
    let p = pixels(min(col, count - 4u), plane, dims.ow);
    let size = dims.c * dims.h * dims.w;
    let base = source_row(r, p.image, size);
    let filter_size = dims.c * dims.kh * dims.kw;
    let w0 = 4u * dims.w0 + r * dims.rp;
    let w_lo = w0 + min(row + lane, dims.o - 1u) * filter_size;
    let w_hi = w0 + min(row + 8u + lane, dims.o - 1u) * filter_size;
    let s = scaling(r);
    let channels = dims.c;
    let plane_x = dims.h * dims.w;
    let taps = dims.kh * dims.kw;
    var t: Rows;
    for (var kh = 0u; kh < dims.kh; kh++) {
        let h = p.h * i32(dims.sh) + i32(kh * dims.dh) - i32(dims.ph);
        for (var kw = 0u; kw < dims.kw; kw++) {
            let w = p.w * i32(dims.sw) + i32(kw * dims.dw) - i32(dims.pw);
            let valid = within(h, dims.h) & within(w, dims.w);
            let at = select(vec4<u32>(base), base + bitcast<vec4<u32>>(h * i32(dims.w) + w), valid);
            var k = kh * dims.kw + kw;
            for (var c = 0u; c < channels; c++) {
                rows_add(&t, w_at(w_lo + k), w_at(w_hi + k), source_parts(s, at, c * plane_x, valid));
                k += taps;
            }
        }
    }
    if col >= count {
        return;
    }
    let out = (r * dims.ry + p.image * dims.o * plane + row * plane + col % plane) >> 2u;
    let rows = min(16u, dims.o - row);
    let bias0 = 4u * dims.bias0 + r * dims.rp + row;
    let has_bias = dims.has_bias == 1u;
    for (var i = 0u; i < rows; i++) {
        var v = rows_row(&t, i);
        if has_bias {
            v += w_at(bias0 + i);
        }
        let to = out + i * (plane >> 2u);
        y[to] = apply4(add_residual4(v, 4u * to + LANES));
    }
}

@compute @workgroup_size(8)
fn conv2d_dx_broadcast(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z;
    let row = wid.y * 16u; // c
    let col = wid.x * 32u + 4u * lane; // pixel of dx
    let plane = dims.h * dims.w;
    let count = dims.b * plane;
    let p = pixels(min(col, count - 4u), plane, dims.w);
    let out_plane = dims.oh * dims.ow;
    let base = 4u * dims.dy0 + r * dims.ry + p.image * dims.o * out_plane;
    let taps = dims.kh * dims.kw;
    let w0 = 4u * dims.w0 + r * dims.rp;
    let w_lo = w0 + min(row + lane, dims.c - 1u) * taps;
    let w_hi = w0 + min(row + 8u + lane, dims.c - 1u) * taps;
    let channels = dims.o;
    let filter_size = dims.c * taps;
    var t: Rows;
    for (var kh = 0u; kh < dims.kh; kh++) {
        let h = p.h + i32(dims.ph) - i32(kh * dims.dh);
        let oh = h / i32(dims.sh);
        for (var kw = 0u; kw < dims.kw; kw++) {
            let w = p.w + i32(dims.pw) - i32(kw * dims.dw);
            let ow = w / i32(dims.sw);
            let exact = (oh * i32(dims.sh) == h) & (ow * i32(dims.sw) == w);
            let valid = exact & within(h, dims.oh * dims.sh) & within(w, dims.ow * dims.sw);
            let at = select(vec4<u32>(base), base + bitcast<vec4<u32>>(oh * i32(dims.ow) + ow), valid);
            var k = kh * dims.kw + kw;
            var vector = at >> vec4<u32>(2u);
            for (var o = 0u; o < channels; o++) {
                rows_add(&t, w_at(w_lo + k), w_at(w_hi + k), dy_parts(vector, at, valid));
                k += filter_size;
                vector += vec4<u32>(out_plane >> 2u);
            }
        }
    }
    if col >= count {
        return;
    }
    let out = (r * dims.rx + p.image * dims.c * plane + row * plane + col % plane) >> 2u;
    let rows = min(16u, dims.c - row);
    let x0 = dims.x0;
    let accumulate = dims.accumulate == 1u;
    for (var i = 0u; i < rows; i++) {
        let at = out + i * (plane >> 2u);
        var v = rows_row(&t, i);
        if ACT != 0u {
            v *= slope4_at(bitcast<vec4<f32>>(x4(x0 + at)));
        }
        if accumulate {
            v += dx[at];
        }
        dx[at] = v;
    }
}

// Four filter elements over the output pixels of an image, one after the other: the input pixels under them.
struct Walk {
    h: vec4<i32>,
    w: vec4<i32>,
    ow: u32,
    w_first: vec4<i32>, // at the start of a row
    plane: vec4<u32>,   // of each element's channel
    height: u32,
    width: u32,
    out_width: u32,
    down: i32,
    right: i32,
}

// The input under the walk's place, and one pixel on.
fn source_under(s: vec2<f32>, walk: ptr<function, Walk>, base: u32) -> vec4<f32> {
    let h = (*walk).h;
    let w = (*walk).w;
    let at = base + (*walk).plane + bitcast<vec4<u32>>(h * i32((*walk).width) + w);
    let v = source_where(s, at, base, within(h, (*walk).height) & within(w, (*walk).width));
    let ow = (*walk).ow + 1u;
    let wrap = ow == (*walk).out_width;
    (*walk).w = select(w + (*walk).right, (*walk).w_first, wrap);
    (*walk).h = select(h, h + (*walk).down, wrap);
    (*walk).ow = select(ow, 0u, wrap);
    return v;
}

@compute @workgroup_size(8)
fn conv2d_dw_broadcast(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z / dims.slices;
    let slice = wid.z % dims.slices;
    let row = wid.y * 16u; // o
    let col = wid.x * 32u + 4u * lane; // (c, kh, kw)
    let taps = dims.kh * dims.kw;
    let count = dims.c * taps;
    let e = min(col + LANES, vec4<u32>(count - 1u));
    let plane_x = e / taps * dims.h * dims.w;
    let h_e = vec4<i32>(e % taps / dims.kw * dims.dh) - i32(dims.ph);
    let w_e = vec4<i32>(e % dims.kw * dims.dw) - i32(dims.pw);
    let depth = (dims.oh * dims.ow) >> 2u;
    let dy0 = dims.dy0 + ((r * dims.ry) >> 2u);
    let dy_lo = dy0 + min(row + lane, dims.o - 1u) * depth;
    let dy_hi = dy0 + min(row + 8u + lane, dims.o - 1u) * depth;
    let s = scaling(r);
    var walk = Walk(h_e, w_e, 0u, w_e, plane_x, dims.h, dims.w, dims.ow, i32(dims.sh), i32(dims.sw));
    let image = dims.o * depth;
    let end = min((slice + 1u) * dims.slice_b, dims.b);
    var t: Rows;
    var sum_lo = vec4<f32>();
    var sum_hi = vec4<f32>();
    for (var b = slice * dims.slice_b; b < end; b++) {
        let base = source_row(r, b, dims.c * dims.h * dims.w);
        walk.h = h_e;
        walk.w = w_e;
        walk.ow = 0u;
        for (var p = 0u; p < depth; p++) {
            let lo = dy4(dy_lo + b * image + p);
            let hi = dy4(dy_hi + b * image + p);
            sum_lo += lo;
            sum_hi += hi;
            let p0 = source_under(s, &walk, base);
            let p1 = source_under(s, &walk, base);
            let p2 = source_under(s, &walk, base);
            let p3 = source_under(s, &walk, base);
            rows_add4(&t, lo, hi, mat4x4<f32>(p0, p1, p2, p3));
        }
    }
    let out = slice * dims.replicas + r;
    let first = out * dims.rdw + row * count + col;
    let rows = min(16u, dims.o - row);
    for (var i = 0u; i < rows; i++) {
        let v = rows_row(&t, i);
        for (var j = 0u; j < 4u; j++) {
            if col + j < count {
                dw[first + i * count + j] = v[j];
            }
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
