// Where a layer's input comes from. The importer declares dims.b, dims.rx, state, order and x: array<u32>.
// SOURCE: 0 an activation; 1 a dataset of f32; 2 a dataset of u8, four to a word. A dataset's row is gathered
// through the batch order, so no copy of the batch is ever made.
override SOURCE: u32 = 0u;

// Index of the first element of row b of this step's batch.
fn source_row(r: u32, b: u32, features: u32) -> u32 {
    if SOURCE == 0u {
        return r * dims.rx + b * features;
    }
    let row = order[state[r].order_base + state[r].batch * dims.b + b];
    return select(row, 0u, row == NO_ROW) * features;
}

fn source(r: u32, i: u32) -> f32 {
    if SOURCE == 2u {
        let byte = (x[i >> 2u] >> (8u * (i & 3u))) & 0xffu;
        return f32(byte) * state[r].scale + state[r].shift;
    }
    let v = bitcast<f32>(x[i]);
    if SOURCE == 1u {
        return v * state[r].scale + state[r].shift;
    }
    return v;
}

fn source4(r: u32, i: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(source(r, i.x), source(r, i.y), source(r, i.z), source(r, i.w));
}
