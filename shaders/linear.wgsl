// Fully connected layer.
//   linear     y[b,o]  = act(sum_i x[b,i] w[o,i] + bias[o] + residual[b,o])
//   linear_dx  dx[b,i] (+)= act'(x[b,i]) * sum_o dy[b,o] w[o,i]      act is that of the layer below
//   linear_dw  dw[s][o,i] = sum_b dy[b,o] x[b,i] over the rows b of slice s;  dbias[s][o] = sum_b dy[b,o]
// Launch: 64 x 64 outputs a workgroup (8 x 8 invocations, 8 x 8 each): x over columns, y over rows, z the replica
// (linear_dw: z = replica * slices + slice).
// Without a bias or a residual that term is missing.
// Edges: loads are clamped to the last row or column, stores are guarded. dx accumulates where dims.accumulate is 1.
#import state
#import activation
#import residual
#import tile
#import linear_dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> x: array<u32>;     // (B, I), f32 bits or a dataset
@group(0) @binding(4) var<storage, read> w: array<f32>;     // (O, I)
@group(0) @binding(5) var<storage, read> bias: array<f32>;  // (O)
@group(0) @binding(6) var<storage, read_write> y: array<f32>;      // (B, O)
@group(0) @binding(7) var<storage, read> dy: array<f32>;           // (B, O)
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;     // (B, I)
@group(0) @binding(9) var<storage, read_write> dw: array<f32>;     // (slices, replicas, O, I)
@group(0) @binding(10) var<storage, read_write> dbias: array<f32>; // (slices, replicas, O)
#import source

fn w4(i: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(w[i.x], w[i.y], w[i.z], w[i.w]);
}

fn dy4(i: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(dy[i.x], dy[i.y], dy[i.z], dy[i.w]);
}

fn rows4(r: u32, b: vec4<u32>) -> vec4<u32> {
    return vec4<u32>(
        source_row(r, b.x, dims.i), source_row(r, b.y, dims.i), source_row(r, b.z, dims.i), source_row(r, b.w, dims.i)
    );
}

@compute @workgroup_size(8, 8)
fn linear(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let row = (wid.y * 8u + lid.y) * 8u;
    let col = (wid.x * 8u + lid.x) * 8u;
    if row >= dims.b || col >= dims.o {
        return;
    }
    let x_lo = rows4(r, min(row + LANES, vec4<u32>(dims.b - 1u)));
    let x_hi = rows4(r, min(row + 4u + LANES, vec4<u32>(dims.b - 1u)));
    let w_lo = r * dims.rp + min(col + LANES, vec4<u32>(dims.o - 1u)) * dims.i;
    let w_hi = r * dims.rp + min(col + 4u + LANES, vec4<u32>(dims.o - 1u)) * dims.i;
    var t: Tile;
    for (var k = 0u; k < dims.i; k++) {
        tile_add(&t, source4(r, x_lo + k), source4(r, x_hi + k), w4(w_lo + k), w4(w_hi + k));
    }
    let rows = min(8u, dims.b - row);
    for (var j = 0u; j < min(8u, dims.o - col); j++) {
        let c = tile_column(&t, j);
        var offset = 0.0;
        if dims.has_bias == 1u {
            offset = bias[r * dims.rp + col + j];
        }
        for (var i = 0u; i < rows; i++) {
            let at = r * dims.ry + (row + i) * dims.o + col + j;
            y[at] = apply(add_residual(column_row(c, i) + offset, at));
        }
    }
}

@compute @workgroup_size(8, 8)
fn linear_dx(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    let row = (wid.y * 8u + lid.y) * 8u;
    let col = (wid.x * 8u + lid.x) * 8u;
    if row >= dims.b || col >= dims.i {
        return;
    }
    let dy_lo = r * dims.ry + min(row + LANES, vec4<u32>(dims.b - 1u)) * dims.o;
    let dy_hi = r * dims.ry + min(row + 4u + LANES, vec4<u32>(dims.b - 1u)) * dims.o;
    let w_lo = r * dims.rp + min(col + LANES, vec4<u32>(dims.i - 1u));
    let w_hi = r * dims.rp + min(col + 4u + LANES, vec4<u32>(dims.i - 1u));
    var t: Tile;
    for (var k = 0u; k < dims.o; k++) {
        tile_add(&t, dy4(dy_lo + k), dy4(dy_hi + k), w4(w_lo + k * dims.i), w4(w_hi + k * dims.i));
    }
    let rows = min(8u, dims.b - row);
    for (var j = 0u; j < min(8u, dims.i - col); j++) {
        let c = tile_column(&t, j);
        for (var i = 0u; i < rows; i++) {
            let at = r * dims.rx + (row + i) * dims.i + col + j;
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

@compute @workgroup_size(8, 8)
fn linear_dw(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z / dims.slices;
    let slice = wid.z % dims.slices;
    let row = (wid.y * 8u + lid.y) * 8u; // o
    let col = (wid.x * 8u + lid.x) * 8u; // i
    if row >= dims.o || col >= dims.i {
        return;
    }
    let dy_lo = r * dims.ry + min(row + LANES, vec4<u32>(dims.o - 1u));
    let dy_hi = r * dims.ry + min(row + 4u + LANES, vec4<u32>(dims.o - 1u));
    let x_lo = min(col + LANES, vec4<u32>(dims.i - 1u));
    let x_hi = min(col + 4u + LANES, vec4<u32>(dims.i - 1u));
    var t: Tile;
    var sum: Column; // the bias gradient comes free: its terms pass through the registers anyway
    for (var k = slice * dims.slice_b; k < min((slice + 1u) * dims.slice_b, dims.b); k++) {
        let base = source_row(r, k, dims.i);
        let a_lo = dy4(dy_lo + k * dims.o);
        let a_hi = dy4(dy_hi + k * dims.o);
        tile_add(&t, a_lo, a_hi, source4(r, base + x_lo), source4(r, base + x_hi));
        sum.lo += a_lo;
        sum.hi += a_hi;
    }
    let rows = min(8u, dims.o - row);
    let out = slice * dims.replicas + r;
    for (var j = 0u; j < min(8u, dims.i - col); j++) {
        let c = tile_column(&t, j);
        for (var i = 0u; i < rows; i++) {
            dw[out * dims.rdw + (row + i) * dims.i + col + j] = column_row(c, i);
        }
    }
    if col == 0u && dims.has_bias == 1u {
        for (var i = 0u; i < rows; i++) {
            dbias[out * dims.rdb + row + i] = column_row(sum, i);
        }
    }
}
