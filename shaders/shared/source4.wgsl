// Where a layer's input comes from, four elements at a time. The importer declares dims.b, dims.x0, dims.rx, state and
// order, and imports load and pick. SOURCE as in source. Indices count vectors of four elements where not said otherwise.
override SOURCE: u32 = 0u;

// Index of the first vector of row b of the run's batch `batch`; `vectors` make a row.
fn source4_row_of(r: u32, batch: u32, b: u32, vectors: u32) -> u32 {
    if SOURCE == 0u {
        return dims.x0 + ((r * dims.rx) >> 2u) + b * vectors;
    }
    let row = order[state[r].order_base + batch * dims.b + b];
    return select(row, 0u, row == NO_ROW) * vectors;
}

// The same of this step's batch.
fn source4_row(r: u32, b: u32, vectors: u32) -> u32 {
    return source4_row_of(r, state[r].batch, b, vectors);
}

// Index of the first element of row b, of any number of elements: a row of a dataset need not start at a multiple of four.
fn source_row(r: u32, b: u32, features: u32) -> u32 {
    if SOURCE == 0u {
        return 4u * dims.x0 + r * dims.rx + b * features;
    }
    let row = order[state[r].order_base + state[r].batch * dims.b + b];
    return select(row, 0u, row == NO_ROW) * features;
}

// What a dataset's numbers are scaled with. Taken once, outside the loops: a CPU driver loads a uniform anew each time.
fn scaling(r: u32) -> vec2<f32> {
    return vec2<f32>(state[r].scale, state[r].shift);
}

fn source4(s: vec2<f32>, i: u32) -> vec4<f32> {
    if SOURCE == 2u {
        let word = pick(x4(i >> 2u), i);
        let bytes = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu);
        return vec4<f32>(bytes) * s.x + s.y;
    }
    let v = bitcast<vec4<f32>>(x4(i));
    if SOURCE == 1u {
        return v * s.x + s.y;
    }
    return v;
}

// One element, by its index in elements.
fn source1(s: vec2<f32>, i: u32) -> f32 {
    if SOURCE == 2u {
        let word = pick(x4(i >> 4u), i >> 2u);
        return f32((word >> (8u * (i & 3u))) & 0xffu) * s.x + s.y;
    }
    let v = bitcast<f32>(pick(x4(i >> 2u), i));
    if SOURCE == 1u {
        return v * s.x + s.y;
    }
    return v;
}
