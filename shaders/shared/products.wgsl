// A 16 x 32 tile of x w^T, the matrix product of a fully connected layer, by one subgroup of 8 lanes. The importer imports broadcast,
// load and source4, and declares dims.i, b, w0 and rp.

// 16 rows of x by the four columns that start at each of cols: rows of w.
fn products(r: u32, lane: u32, row: u32, cols: vec4<u32>) -> Rows {
    let depth = dims.i >> 2u;
    let x_lo = source4_row(r, min(row + lane, dims.b - 1u), depth);
    let x_hi = source4_row(r, min(row + 8u + lane, dims.b - 1u), depth);
    let at = dims.w0 + ((r * dims.rp) >> 2u) + cols * depth;
    let s = scaling(r);
    var t: Rows;
    for (var k = 0u; k < depth; k++) {
        let lo = source4(s, x_lo + k);
        let hi = source4(s, x_hi + k);
        let b = mat4x4<f32>(w4(at.x + k), w4(at.y + k), w4(at.z + k), w4(at.w + k));
        rows_add4(&t, lo, hi, transpose(b));
    }
    return t;
}
