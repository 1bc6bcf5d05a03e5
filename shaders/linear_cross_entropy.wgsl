// A classifier's last layer and its loss as one launch, for training: linear's z never leaves the registers.
//   z = x w^T + bias;  loss[b], dz[b,k] and rows[b] as in cross_entropy
// Rows of dz start at vectors of four, with zeros behind the classes.
// Launch: 16 rows of the batch by all classes, at most 32, a workgroup of one subgroup: y over rows, z the replica.
// Edges: rows past the end are computed from clamped loads and not stored; classes past the end count for nothing. A batch that is
// trained on has all its rows.
#import state
#import broadcast
#import pick
#import load
#import store

struct Dims {
    b: u32,
    i: u32,
    k: u32,  // classes
    rx: u32, // words from one replica to the next: x
    rz: u32, // dz
    rr: u32, // rows
    rp: u32, // params
    row: u32, // words from one row of dz to the next
    samples: u32, // rows that the loss is the mean of: B, times the micro-batches of a step
    has_bias: u32,
    x0: u32, // first vector of four of each tensor in what it is read from, or stored in; 0 where a binding starts at its tensor
    w0: u32,
    bias0: u32,
    out0: u32, // of dz
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> state: array<State, MAX_REPLICAS>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;           // (samples)
@group(0) @binding(9) var<storage, read_write> rows: array<vec2<f32>>; // (B)
// 3 x (B, I), 4 w (K, I) and, from bias0, bias (K): by load; 13 dz (B, row): by store
#import source4
#import products

const LANES = vec4<u32>(0u, 1u, 2u, 3u);
const LEAST = -3.4e38;

// Over all lanes, in a fixed order.
fn lanes_max(v: f32) -> f32 {
    var most = v;
    most = max(most, subgroupShuffleXor(most, 1u));
    most = max(most, subgroupShuffleXor(most, 2u));
    return max(most, subgroupShuffleXor(most, 4u));
}

fn lanes_min(v: u32) -> u32 {
    var least = v;
    least = min(least, subgroupShuffleXor(least, 1u));
    least = min(least, subgroupShuffleXor(least, 2u));
    return min(least, subgroupShuffleXor(least, 4u));
}

fn lanes_sum(v: vec2<f32>) -> vec2<f32> {
    var sum = v;
    sum += subgroupShuffleXor(sum, 1u);
    sum += subgroupShuffleXor(sum, 2u);
    return sum + subgroupShuffleXor(sum, 4u);
}

// Of row b, clamped.
fn label_of(r: u32, b: u32) -> u32 {
    return labels[order[state[r].order_base + state[r].batch * dims.b + min(b, dims.b - 1u)]];
}

@compute @workgroup_size(8)
fn linear_cross_entropy(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = wid.z;
    let row = wid.y * 16u;
    let classes = 4u * lane + LANES;
    let there = classes < vec4<u32>(dims.k);
    let cols = min(classes, vec4<u32>(dims.k - 1u));
    var t: Rows;
    var none: Rows;
    products(&t, &none, false, r, lane, row, cols, cols);
    var offset = vec4<f32>();
    if dims.has_bias == 1u && there.x {
        offset = w4(dims.bias0 + ((r * dims.rp + 4u * lane) >> 2u)); // a parameter starts at a vector, and is followed by padding
    }
    let label_lo = label_of(r, row + lane);
    let label_hi = label_of(r, row + 8u + lane);
    let scale = 1.0 / f32(dims.samples);
    let width = dims.row >> 2u;
    let out = dims.out0 + ((r * dims.rz) >> 2u) + row * width + lane;
    let count = min(16u, dims.b - row);
    // Of rows `lane` and 8 + lane.
    var lo = vec2<f32>();
    var hi = vec2<f32>();
    for (var i = 0u; i < count; i++) {
        let label = subgroupShuffle(select(label_lo, label_hi, i >= 8u), i & 7u);
        let z = select(vec4<f32>(LEAST), rows_row(&t, i) + offset, there);
        let m = lanes_max(max(max(z.x, z.y), max(z.z, z.w)));
        let e = select(vec4<f32>(), exp(z - m), there);
        let hit = classes == vec4<u32>(label);
        let at_label = select(vec4<f32>(), z, hit);
        let sums = lanes_sum(vec2<f32>((e.x + e.y) + (e.z + e.w), (at_label.x + at_label.y) + (at_label.z + at_label.w)));
        let largest = select(vec4<u32>(NO_ROW), classes, z == vec4<f32>(m));
        let first = lanes_min(min(min(largest.x, largest.y), min(largest.z, largest.w)));
        let dz = (e / sums.x - select(vec4<f32>(), vec4<f32>(1.0), hit)) * scale;
        let result = vec2<f32>(log(sums.x) + m - sums.y, select(0.0, 1.0, first == label));
        let mine = lane == (i & 7u);
        lo = select(lo, result, mine && i < 8u);
        hi = select(hi, result, mine && i >= 8u);
        if lane < width {
            store_dz(out + i * width, dz);
        }
    }
    let to = r * dims.rr / 2u + row + lane;
    if lane < count {
        rows[to] = lo;
    }
    if lane + 8u < count {
        rows[to + 8u] = hi;
    }
}
