// A tile of x w^T, the matrix product of a fully connected layer, by one subgroup of 8 lanes: 16 x 32; or, wide, twice that, the
// other columns in another. The importer imports broadcast, load and source4, and declares dims.i, b, w0 and rp.

// Four terms from vector k of the rows of w at each of `at`, a row a term.
fn w_terms(at: vec4<u32>, k: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(w4(at.x + k), w4(at.y + k), w4(at.z + k), w4(at.w + k)));
}

// Adds to t 16 rows of x by the columns `cols`, rows of w; and, where the tile is wide, to u those by `next`.
fn products(
    t: ptr<function, Rows>, u: ptr<function, Rows>, wide: bool, r: u32, lane: u32, row: u32, cols: vec4<u32>, next: vec4<u32>
) {
    let depth = dims.i >> 2u;
    let x_lo = source4_row(r, min(row + lane, dims.b - 1u), depth);
    let x_hi = source4_row(r, min(row + 8u + lane, dims.b - 1u), depth);
    let first = dims.w0 + ((r * dims.rp) >> 2u);
    let at = first + cols * depth;
    let at_next = first + next * depth;
    let s = scaling(r);
    for (var k = 0u; k < depth; k++) {
        let lo = source4(s, x_lo + k);
        let hi = source4(s, x_hi + k);
        rows_add4(t, lo, hi, w_terms(at, k));
        if wide {
            rows_add4(u, lo, hi, w_terms(at_next, k));
        }
    }
}
