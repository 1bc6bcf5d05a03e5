// A 32 x 32 tile of a matrix product by 8 x 8 invocations, 4 x 4 outputs each. Both operands pass through workgroup memory in
// slices 32 terms deep: the left's rows and the right's columns lie there in vectors of four, so that a term costs an
// invocation 2 loads and 16 multiply-adds. The importer's kernels bring the slices:
//     a = ..., b = ... of the first slice
//     for every slice { stage_a, stage_b, barrier; a = ..., b = ... of the next; tile32_add; barrier }
// The next slice is fetched before this one is multiplied: its loads are under way meanwhile. Needs tile4.
const DEPTH = 32u;

// Term 4 p + j of vector q is at 72 j + 9 p + q. By nines: a stride of eight vectors would put the eight invocations that
// store side by side into one bank.
var<workgroup> sh_a: array<vec4<f32>, 288>;
var<workgroup> sh_b: array<vec4<f32>, 288>;

// The part of a slice that an invocation brings: terms k to k + 3 of vector q, a column of a matrix each.
struct Share {
    k: u32,
    q: u32,
    at: u32,
}

// Neighbours bring neighbouring terms: where the terms of a row lie side by side.
fn share_by_terms(lane: u32) -> Share {
    return Share(4u * (lane & 7u), lane >> 3u, 9u * (lane & 7u) + (lane >> 3u));
}

// Neighbours bring neighbouring rows, or columns: where those lie side by side.
fn share_by_rows(lane: u32) -> Share {
    return Share(4u * (lane >> 3u), lane & 7u, 9u * (lane >> 3u) + (lane & 7u));
}

fn stage_a(at: u32, terms: mat4x4<f32>) {
    sh_a[at] = terms[0];
    sh_a[at + 72u] = terms[1];
    sh_a[at + 144u] = terms[2];
    sh_a[at + 216u] = terms[3];
}

fn stage_b(at: u32, terms: mat4x4<f32>) {
    sh_b[at] = terms[0];
    sh_b[at + 72u] = terms[1];
    sh_b[at + 144u] = terms[2];
    sh_b[at + 216u] = terms[3];
}

// Rows 4 lid.y + i of the left operand by vector lid.x of the right's columns.
alias Tile32 = Block;

// t += a b^T over the staged slice, of which the first `terms` count. Those up to a multiple of four must be staged: zeros.
fn tile32_add(t: ptr<function, Tile32>, lid: vec3<u32>, terms: u32) {
    let end = 9u * ((min(terms, DEPTH) + 3u) / 4u);
    for (var p = 0u; p < end; p += 9u) {
        block_term(t, sh_a[p + lid.y], sh_b[p + lid.x]);
        block_term(t, sh_a[p + 72u + lid.y], sh_b[p + 72u + lid.x]);
        block_term(t, sh_a[p + 144u + lid.y], sh_b[p + 144u + lid.x]);
        block_term(t, sh_a[p + 216u + lid.y], sh_b[p + 216u + lid.x]);
    }
}

fn tile32_row(t: ptr<function, Tile32>, i: u32) -> vec4<f32> {
    return block_row(t, i);
}

// The left operand's sums over all terms, from each invocation's sum of what it brought: vector q of the rows to invocation
// q < 8, in a fixed order. Behind the barrier that closes the loop; every invocation must call it.
fn tile32_sums(at: u32, lane: u32, brought: vec4<f32>) -> vec4<f32> {
    sh_a[at] = brought;
    workgroupBarrier();
    var sum = vec4<f32>();
    for (var p = lane & 7u; p < 72u; p += 9u) {
        sum += sh_a[p];
    }
    return sum;
}
