// Fully connected layer for devices where workgroup memory is slow and a subgroup has 8 lanes: linear.wgsl's formulas.
//   linear_broadcast, linear_dx_broadcast, linear_dw_broadcast   I is a multiple of four; O too, or dy's rows start at vectors of
//                                                                four, with zeros behind the outputs
//   linear_wide, linear_dx_wide                                  the same
//   linear_ragged, linear_dx_ragged, linear_dw_ragged            I is; O is any number, such as ten classes
// Launch: 16 x 32 outputs, of wide ones 16 x 64, a workgroup of one subgroup: x over rows, y over columns, z the replica; of dw x
// over columns, y over rows, z replica * slices + slice.
// Edges: rows and columns past the end are computed from clamped loads and not stored: every lane must take part. In ragged
// ones dy's terms past the end of a row are the next row's, or padding, which may be another replica's NaN: they are replaced
// by zeros.
#import state
#import activation
#import residual
#import broadcast
#import pick
#import load
#import store
#import linear_dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
// 3 x (B, I), 4 w (O, I) and, from bias0, bias (O), 7 dy (B, O): by load; 6 y (B, O), 8 dx (B, I): by store
@group(0) @binding(11) var<storage, read_write> y_words: array<f32>;   // (B, O), where rows do not start at vectors
@group(0) @binding(9) var<storage, read_write> dw: array<vec4<f32>>;   // (slices, replicas, O, I)
@group(0) @binding(10) var<storage, read_write> dbias: array<f32>;     // (slices, replicas, O)
#import source4
#import quad
#import weight_gradient
#import products

const LANES = vec4<u32>(0u, 1u, 2u, 3u);

// The bias of columns col to col + 3. A parameter starts at a vector, and is followed by padding.
fn bias4(r: u32, col: u32) -> vec4<f32> {
    if dims.has_bias == 0u {
        return vec4<f32>();
    }
    return w4(dims.bias0 + ((r * dims.rp + col) >> 2u));
}

fn outputs(wid: vec3<u32>, lane: u32, wide: bool) {
    let r = wid.z;
    let row = wid.x * 16u;
    let col = (wid.y * 8u + lane) * select(4u, 8u, wide);
    let last = dims.o - 4u;
    var t: Rows;
    var u: Rows;
    products(&t, &u, wide, r, lane, row, min(col, last) + LANES, min(col + 4u, last) + LANES);
    if col >= dims.o {
        return;
    }
    let bias = bias4(r, col);
    let bias_next = bias4(r, min(col + 4u, last));
    let both = col < last;
    let out = (r * dims.ry + row * dims.o + col) >> 2u;
    let step = dims.o >> 2u;
    let rows = min(16u, dims.b - row);
    let out0 = dims.out0;
    for (var i = 0u; i < rows; i++) {
        let to = out + i * step;
        store_y(out0 + to, apply4(add_residual4(rows_row(&t, i) + bias, 4u * to + LANES)));
        if wide {
            if both {
                store_y(out0 + to + 1u, apply4(add_residual4(rows_row(&u, i) + bias_next, 4u * to + 4u + LANES)));
            }
        }
    }
}

@compute @workgroup_size(8)
fn linear_broadcast(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    outputs(wid, lane, false);
}

@compute @workgroup_size(8)
fn linear_wide(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    outputs(wid, lane, true);
}

@compute @workgroup_size(8)
fn linear_ragged(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z;
    let row = wid.x * 16u;
    let col = wid.y * 32u + 4u * lane;
    let cols = min(col + LANES, vec4<u32>(dims.o - 1u));
    var t: Rows;
    var none: Rows;
    products(&t, &none, false, r, lane, row, cols, cols);
    if col >= dims.o {
        return;
    }
    let bias = bias4(r, col);
    let out = r * dims.ry + row * dims.o + col;
    let rows = min(16u, dims.b - row);
    for (var i = 0u; i < rows; i++) {
        let at = out + i * dims.o;
        let v = apply4(add_residual4(rows_row(&t, i) + bias, at + LANES));
        y_words[at] = v.x;
        if col + 1u < dims.o {
            y_words[at + 1u] = v.y;
        }
        if col + 2u < dims.o {
            y_words[at + 2u] = v.z;
        }
        if col + 3u < dims.o {
            y_words[at + 3u] = v.w;
        }
    }
}

// Terms k to k + 3 of the row of dy that starts at `row`.
fn dy_terms(row: u32, k: u32, ragged: bool) -> vec4<f32> {
    if ragged {
        return select(vec4<f32>(), dy_quad(row + k), k + LANES < vec4<u32>(dims.o));
    }
    return dy4((row + k) >> 2u);
}

// A vector of dx: times the slope at x, onto what is there.
fn finish_dx(at: u32, sum: vec4<f32>, x0: u32, out0: u32, accumulate: bool) {
    var v = sum;
    if ACT != 0u {
        v *= slope4_at(bitcast<vec4<f32>>(x4(x0 + at)));
    }
    if accumulate {
        v += dx_before(at);
    }
    store_dx(out0 + at, v);
}

fn input_gradient(wid: vec3<u32>, lane: u32, ragged: bool, wide: bool) {
    let r = wid.z;
    let row = wid.x * 16u;
    let col = (wid.y * 8u + lane) * select(4u, 8u, wide);
    let last = dims.o - 1u;
    let dy0 = 4u * dims.dy0 + r * dims.ry;
    let terms = select((dims.o + 3u) & ~3u, dims.o, ragged);
    let dy_lo = dy0 + min(row + lane, dims.b - 1u) * terms;
    let dy_hi = dy0 + min(row + 8u + lane, dims.b - 1u) * terms;
    let width = dims.i >> 2u;
    let both = col + 4u < dims.i;
    let next = select(0u, 1u, both);
    var w_k = dims.w0 + ((r * dims.rp + min(col, dims.i - 4u)) >> 2u);
    let w_last = w_k + last * width;
    var t: Rows;
    var u: Rows;
    for (var k = 0u; k <= last; k += 4u) {
        let lo = dy_terms(dy_lo, k, ragged);
        let hi = dy_terms(dy_hi, k, ragged);
        let at = vec4<u32>(w_k, min(w_k + vec3<u32>(width, 2u * width, 3u * width), vec3<u32>(w_last)));
        rows_add4(&t, lo, hi, mat4x4<f32>(w4(at.x), w4(at.y), w4(at.z), w4(at.w)));
        if wide {
            let beside = at + next;
            rows_add4(&u, lo, hi, mat4x4<f32>(w4(beside.x), w4(beside.y), w4(beside.z), w4(beside.w)));
        }
        w_k += 4u * width;
    }
    if col >= dims.i {
        return;
    }
    let out = (r * dims.rx + row * dims.i + col) >> 2u;
    let rows = min(16u, dims.b - row);
    let x0 = dims.x0;
    let out0 = dims.out0;
    let accumulate = dims.accumulate == 1u;
    for (var i = 0u; i < rows; i++) {
        let at = out + i * width;
        finish_dx(at, rows_row(&t, i), x0, out0, accumulate);
        if wide {
            if both {
                finish_dx(at + 1u, rows_row(&u, i), x0, out0, accumulate);
            }
        }
    }
}

@compute @workgroup_size(8)
fn linear_dx_broadcast(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    input_gradient(wid, lane, false, false);
}

@compute @workgroup_size(8)
fn linear_dx_wide(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    input_gradient(wid, lane, false, true);
}

@compute @workgroup_size(8)
fn linear_dx_ragged(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    input_gradient(wid, lane, true, false);
}

// One slice of the batch's terms of the weight gradient, and of the bias gradient.
fn gradient_slice(wid: vec3<u32>, lane: u32, ragged: bool) {
    let r = wid.z / dims.slices;
    let slice = wid.z % dims.slices;
    let row = wid.y * 16u; // o
    let col = wid.x * 32u + 4u * lane; // i
    let end = min((slice + 1u) * dims.slice_b, dims.b);
    var t: Rows;
    var none: Rows;
    let sums = weight_gradient(&t, &none, false, r, lane, row, col, state[r].batch, slice * dims.slice_b, end, ragged);
    let out = slice * dims.replicas + r;
    if col < dims.i {
        let width = dims.i >> 2u;
        let first = (out * dims.rdw + row * dims.i + col) >> 2u;
        let rows = min(16u, dims.o - row);
        for (var i = 0u; i < rows; i += 4u) {
            let v = rows_four(&t, i >> 2u);
            dw[first + i * width] = v[0];
            if i + 1u < rows {
                dw[first + (i + 1u) * width] = v[1];
            }
            if i + 2u < rows {
                dw[first + (i + 2u) * width] = v[2];
            }
            if i + 3u < rows {
                dw[first + (i + 3u) * width] = v[3];
            }
        }
    }
    if wid.x == 0u && dims.has_bias == 1u {
        let at = row + lane;
        if at < dims.o {
            dbias[out * dims.rdb + at] = sums.lo[lane & 3u];
        }
        if at + 8u < dims.o {
            dbias[out * dims.rdb + at + 8u] = sums.hi[lane & 3u];
        }
    }
}

@compute @workgroup_size(8)
fn linear_dw_broadcast(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    gradient_slice(wid, lane, false);
}

@compute @workgroup_size(8)
fn linear_dw_ragged(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    gradient_slice(wid, lane, true);
}
