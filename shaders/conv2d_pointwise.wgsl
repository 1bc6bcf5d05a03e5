// Convolution by one tap, stride 1 and no padding, on conv2d_broadcast's devices: a matrix product over channels, in which no
// pixel is looked for.
//   conv2d_pointwise     y[b,o,p]  = act(bias[o] + sum_c w[o,c] x[b,c,p] + residual[b,o,p])
//   conv2d_dx_pointwise  dx[b,c,p] (+)= act'(x) * sum_o w[o,c] dy[b,o,p]
//   conv2d_dw_pointwise  dw[s][o,c] = sum over the images of slice s and all p of dy[b,o,p] x[b,c,p];  dbias[s][o] likewise
// Needs C, O and S = H W to be multiples of four. Launch: 16 x 32 outputs a workgroup of one subgroup: conv2d_pointwise,
// conv2d_dx_pointwise: x over pixels of all images, y over channels, z the replica; conv2d_dw_pointwise: x over c, y over o,
// z = replica * slices + slice.
// Edges: rows and columns past the end are computed from clamped loads and not stored: every lane must take part.
#import state
#import activation
#import residual
#import broadcast
#import pick
#import load
#import conv2d_dims

const LANES = vec4<u32>(0u, 1u, 2u, 3u);

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
// 3 x (B, C, S), 4 w (O, C) and, from bias0, bias (O), 7 dy (B, O, S): by load
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;  // (B, O, S)
@group(0) @binding(8) var<storage, read_write> dx: array<vec4<f32>>; // (B, C, S)
@group(0) @binding(9) var<storage, read_write> dw: array<vec4<f32>>; // (slices, replicas, O, C)
@group(0) @binding(10) var<storage, read_write> dbias: array<f32>;   // (slices, replicas, O)
#import source4

@compute @workgroup_size(8)
fn conv2d_pointwise(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z;
    let row = wid.y * 16u; // o
    let plane = (dims.h * dims.w) >> 2u; // in vectors, as all below
    let count = dims.b * plane;
    let col = wid.x * 8u + lane;
    let here = min(col, count - 1u);
    let image = here / plane;
    let pixel = here % plane;
    let depth = dims.c >> 2u;
    let w0 = dims.w0 + ((r * dims.rp) >> 2u);
    let w_lo = w0 + min(row + lane, dims.o - 1u) * depth;
    let w_hi = w0 + min(row + 8u + lane, dims.o - 1u) * depth;
    let s = scaling(r);
    var at = source4_row(r, image, dims.c * plane) + pixel;
    var t: Rows;
    for (var k = 0u; k < depth; k++) {
        let lo = w4(w_lo + k);
        let hi = w4(w_hi + k);
        rows_add4(&t, lo, hi, mat4x4<f32>(
            source4(s, at), source4(s, at + plane), source4(s, at + 2u * plane), source4(s, at + 3u * plane)
        ));
        at += 4u * plane;
    }
    if col >= count {
        return;
    }
    let out = ((r * dims.ry) >> 2u) + (image * dims.o + row) * plane + pixel;
    let rows = min(16u, dims.o - row);
    let bias0 = dims.bias0 + ((r * dims.rp + row) >> 2u);
    let has_bias = dims.has_bias == 1u;
    for (var i = 0u; i < rows; i++) {
        var v = rows_row(&t, i);
        if has_bias {
            v += bitcast<f32>(pick(bitcast<vec4<u32>>(w4(bias0 + (i >> 2u))), i));
        }
        let to = out + i * plane;
        y[to] = apply4(add_residual4(v, 4u * to + LANES));
    }
}

@compute @workgroup_size(8)
fn conv2d_dx_pointwise(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z;
    let row = wid.y * 16u; // c
    let plane = (dims.h * dims.w) >> 2u;
    let count = dims.b * plane;
    let col = wid.x * 8u + lane;
    let here = min(col, count - 1u);
    let image = here / plane;
    let pixel = here % plane;
    let width = dims.c >> 2u;
    let j = lane & 3u;
    let w0 = dims.w0 + ((r * dims.rp) >> 2u) + j * width;
    let w_lo = w0 + min((row >> 2u) + (lane >> 2u), width - 1u);
    let w_hi = w0 + min((row >> 2u) + 2u + (lane >> 2u), width - 1u);
    let channels = dims.o;
    var at = dims.dy0 + ((r * dims.ry) >> 2u) + image * channels * plane + pixel;
    var t: Rows;
    for (var o = 0u; o < channels; o += 4u) {
        let lo = w4(w_lo + o * width);
        let hi = w4(w_hi + o * width);
        rows_add4_transposed(&t, lo, hi, mat4x4<f32>(
            dy4(at), dy4(at + plane), dy4(at + 2u * plane), dy4(at + 3u * plane)
        ));
        at += 4u * plane;
    }
    if col >= count {
        return;
    }
    let out = ((r * dims.rx) >> 2u) + (image * dims.c + row) * plane + pixel;
    let rows = min(16u, dims.c - row);
    let x0 = dims.x0;
    let accumulate = dims.accumulate == 1u;
    for (var i = 0u; i < rows; i++) {
        let to = out + i * plane;
        var v = rows_row(&t, i);
        if ACT != 0u {
            v *= slope4_at(bitcast<vec4<f32>>(x4(x0 + to)));
        }
        if accumulate {
            v += dx[to];
        }
        dx[to] = v;
    }
}

@compute @workgroup_size(8)
fn conv2d_dw_pointwise(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z / dims.slices;
    let slice = wid.z % dims.slices;
    let row = wid.y * 16u; // o
    let col = wid.x * 32u + 4u * lane; // c
    let plane = (dims.h * dims.w) >> 2u;
    let size_x = dims.c * plane;
    let size_y = dims.o * plane;
    let dy0 = dims.dy0 + ((r * dims.ry) >> 2u);
    let dy_lo = dy0 + min(row + lane, dims.o - 1u) * plane;
    let dy_hi = dy0 + min(row + 8u + lane, dims.o - 1u) * plane;
    let first_x = min(col, dims.c - 4u) * plane;
    let s = scaling(r);
    let end = min((slice + 1u) * dims.slice_b, dims.b);
    var t: Rows;
    var sum_lo = vec4<f32>();
    var sum_hi = vec4<f32>();
    for (var b = slice * dims.slice_b; b < end; b++) {
        let x0 = source4_row(r, b, size_x) + first_x;
        for (var p = 0u; p < plane; p++) {
            let lo = dy4(dy_lo + b * size_y + p);
            let hi = dy4(dy_hi + b * size_y + p);
            sum_lo += lo;
            sum_hi += hi;
            rows_add4(&t, lo, hi, transpose(mat4x4<f32>(
                source4(s, x0 + p), source4(s, x0 + plane + p), source4(s, x0 + 2u * plane + p),
                source4(s, x0 + 3u * plane + p)
            )));
        }
    }
    let out = slice * dims.replicas + r;
    let rows = min(16u, dims.o - row);
    if col < dims.c {
        let width = dims.c >> 2u;
        let first = ((out * dims.rdw + col) >> 2u) + row * width;
        for (var i = 0u; i < rows; i++) {
            dw[first + i * width] = rows_row(&t, i);
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
