// A 64 x 64 tile of a matrix product by 8 x 8 invocations, 8 x 8 outputs each, as four blocks of 4 x 4. As tile32, in slices 16
// terms deep: a term costs an invocation 4 loads from workgroup memory and 64 multiply-adds. Needs tile4.
const DEPTH = 16u;

// Term 4 p + j of vector q is at 68 j + 17 p + q: by seventeens, for the banks.
var<workgroup> sh_a: array<vec4<f32>, 272>;
var<workgroup> sh_b: array<vec4<f32>, 272>;

// The part of a slice that an invocation brings: terms k to k + 3 of vector q, a column of a matrix each.
struct Share {
    k: u32,
    q: u32,
    at: u32,
}

// Neighbours bring neighbouring terms: where the terms of a row lie side by side.
fn share_by_terms(lane: u32) -> Share {
    return Share(4u * (lane & 3u), lane >> 2u, 17u * (lane & 3u) + (lane >> 2u));
}

// Neighbours bring neighbouring rows, or columns: where those lie side by side.
fn share_by_rows(lane: u32) -> Share {
    return Share(4u * (lane >> 4u), lane & 15u, 17u * (lane >> 4u) + (lane & 15u));
}

fn stage_a(at: u32, terms: mat4x4<f32>) {
    sh_a[at] = terms[0];
    sh_a[at + 68u] = terms[1];
    sh_a[at + 136u] = terms[2];
    sh_a[at + 204u] = terms[3];
}

fn stage_b(at: u32, terms: mat4x4<f32>) {
    sh_b[at] = terms[0];
    sh_b[at + 68u] = terms[1];
    sh_b[at + 136u] = terms[2];
    sh_b[at + 204u] = terms[3];
}

// Block ij is rows 32 i + 4 lid.y + 0..3 of the left operand by vector 8 j + lid.x of the right's columns: the four are apart,
// so that neighbours read neighbouring vectors.
struct Tile64 {
    b00: Block,
    b01: Block,
    b10: Block,
    b11: Block,
}

// t += a b^T over the staged slice, of which the first `terms` count. Those up to a multiple of four must be staged: zeros.
fn tile64_add(t: ptr<function, Tile64>, lid: vec3<u32>, terms: u32) {
    var b00 = (*t).b00;
    var b01 = (*t).b01;
    var b10 = (*t).b10;
    var b11 = (*t).b11;
    let end = 17u * ((min(terms, DEPTH) + 3u) / 4u);
    for (var p = 0u; p < end; p += 17u) {
        for (var j = 0u; j < 272u; j += 68u) {
            let a0 = sh_a[p + j + lid.y];
            let a1 = sh_a[p + j + lid.y + 8u];
            let c0 = sh_b[p + j + lid.x];
            let c1 = sh_b[p + j + lid.x + 8u];
            block_term(&b00, a0, c0);
            block_term(&b01, a0, c1);
            block_term(&b10, a1, c0);
            block_term(&b11, a1, c1);
        }
    }
    *t = Tile64(b00, b01, b10, b11);
}

// The left operand's sums over all terms, from each invocation's sum of what it brought by rows: vector q of the rows to
// invocation q < 16, in a fixed order. Behind the barrier that closes the loop; every invocation must call it.
fn tile64_sums(at: u32, lane: u32, brought: vec4<f32>) -> vec4<f32> {
    sh_a[at] = brought;
    workgroupBarrier();
    let q = lane & 15u;
    return ((sh_a[q] + sh_a[q + 17u]) + (sh_a[q + 34u] + sh_a[q + 51u]));
}
