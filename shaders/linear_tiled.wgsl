// Fully connected layer for GPUs, by tiles in workgroup memory: linear.wgsl's formulas.
//   linear_tiled, linear_dx_tiled, linear_dw_tiled
// Launch: 32 x 32 outputs a workgroup (8 x 8 invocations, 4 x 4 each): x over columns, y over rows, z the replica
// (linear_dw_tiled: replica * slices + slice). The four columns of an invocation are eight apart where w is read along its
// rows, so that neighbours store side by side, and adjacent where w or x is read across.
// Edges: any B, I, O. Rows and columns past the end are read clamped and not stored; terms past the end are zeros on both
// sides, for what stands there may be another replica's NaN. dx accumulates where dims.accumulate is 1.
#import state
#import activation
#import residual
#import pick
#import load
#import tile4
#import tile32
#import linear_dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
// 3 x (B, I), 4 w (O, I) and, from bias0, bias (O), 7 dy (B, O): by load
@group(0) @binding(6) var<storage, read_write> y: array<f32>;      // (B, O)
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;     // (B, I)
@group(0) @binding(9) var<storage, read_write> dw: array<f32>;     // (slices, replicas, O, I)
@group(0) @binding(10) var<storage, read_write> dbias: array<f32>; // (slices, replicas, O)
#import source4
#import quad
#import linear_operands

@compute @workgroup_size(8, 8)
fn linear_tiled(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_id) lid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = wid.z;
    let share = share_by_terms(lane);
    let rows = min(wid.y * 32u + 4u * share.q + LANES, vec4<u32>(dims.b - 1u));
    let x0 = vec4<u32>(
        source_row(r, rows.x, dims.i), source_row(r, rows.y, dims.i),
        source_row(r, rows.z, dims.i), source_row(r, rows.w, dims.i)
    );
    let w0 = 4u * dims.w0 + r * dims.rp + min(wid.x * 32u + share.q + 8u * LANES, vec4<u32>(dims.o - 1u)) * dims.i;
    let s = scaling(r);
    var t: Tile32;
    var a = x_along(s, x0, share.k);
    var b = w_along(w0, share.k);
    for (var k = 0u; k < dims.i; k += DEPTH) {
        stage_a(share.at, a);
        stage_b(share.at, b);
        workgroupBarrier();
        a = x_along(s, x0, k + DEPTH + share.k);
        b = w_along(w0, k + DEPTH + share.k);
        tile32_add(&t, lid, dims.i - k);
        workgroupBarrier();
    }
    for (var j = 0u; j < 4u; j++) {
        let o = wid.x * 32u + lid.x + 8u * j;
        if o >= dims.o {
            break;
        }
        var offset = 0.0;
        if dims.has_bias == 1u {
            let at = 4u * dims.bias0 + r * dims.rp + o;
            offset = bitcast<f32>(pick(bitcast<vec4<u32>>(w4(at >> 2u)), at));
        }
        for (var i = 0u; i < 4u; i++) {
            let row = wid.y * 32u + 4u * lid.y + i;
            if row < dims.b {
                let at = r * dims.ry + row * dims.o + o;
                y[at] = apply(add_residual(tile32_row(&t, i)[j] + offset, at));
            }
        }
    }
}

@compute @workgroup_size(8, 8)
fn linear_dx_tiled(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_id) lid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = wid.z;
    let share_a = share_by_terms(lane);
    let rows = min(wid.y * 32u + 4u * share_a.q + LANES, vec4<u32>(dims.b - 1u));
    let dy0 = 4u * dims.dy0 + r * dims.ry + rows * dims.o;
    let share_b = share_by_rows(lane);
    let w0 = 4u * dims.w0 + r * dims.rp + clamped(wid.x * 32u + 4u * share_b.q, dims.i);
    var t: Tile32;
    var a = dy_along(dy0, share_a.k);
    var b = w_across(w0, share_b.k);
    for (var k = 0u; k < dims.o; k += DEPTH) {
        stage_a(share_a.at, a);
        stage_b(share_b.at, b);
        workgroupBarrier();
        a = dy_along(dy0, k + DEPTH + share_a.k);
        b = w_across(w0, k + DEPTH + share_b.k);
        tile32_add(&t, lid, dims.o - k);
        workgroupBarrier();
    }
    let col = wid.x * 32u + 4u * lid.x;
    for (var i = 0u; i < 4u; i++) {
        let row = wid.y * 32u + 4u * lid.y + i;
        if row >= dims.b || col >= dims.i {
            break;
        }
        let at = r * dims.rx + row * dims.i + col;
        var v = tile32_row(&t, i);
        if ACT != 0u {
            v *= slope4_at(bitcast<vec4<f32>>(x_quad(4u * dims.x0 + at)));
        }
        for (var j = 0u; j < min(4u, dims.i - col); j++) {
            var sum = v[j];
            if dims.accumulate == 1u {
                sum += dx[at + j];
            }
            dx[at + j] = sum;
        }
    }
}

@compute @workgroup_size(8, 8)
fn linear_dw_tiled(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_id) lid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = wid.z / dims.slices;
    let slice = wid.z % dims.slices;
    let begin = slice * dims.slice_b;
    let end = min(begin + dims.slice_b, dims.b);
    let share = share_by_rows(lane);
    let dy0 = 4u * dims.dy0 + r * dims.ry + clamped(wid.y * 32u + 4u * share.q, dims.o);
    let x0 = clamped(wid.x * 32u + 4u * share.q, dims.i);
    let s = scaling(r);
    var t: Tile32;
    var sum: vec4<f32>; // the bias gradient comes nearly free: its terms pass by anyway
    var a = dy_across(dy0, begin + share.k, end);
    var b = x_across(r, s, x0, begin + share.k, end);
    for (var k = begin; k < end; k += DEPTH) {
        stage_a(share.at, a);
        stage_b(share.at, b);
        sum += share_sum(a);
        workgroupBarrier();
        a = dy_across(dy0, k + DEPTH + share.k, end);
        b = x_across(r, s, x0, k + DEPTH + share.k, end);
        tile32_add(&t, lid, end - k);
        workgroupBarrier();
    }
    let out = slice * dims.replicas + r;
    let col = wid.x * 32u + 4u * lid.x;
    for (var i = 0u; i < 4u; i++) {
        let row = wid.y * 32u + 4u * lid.y + i;
        if row >= dims.o || col >= dims.i {
            break;
        }
        let v = tile32_row(&t, i);
        for (var j = 0u; j < min(4u, dims.i - col); j++) {
            dw[out * dims.rdw + row * dims.i + col + j] = v[j];
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
