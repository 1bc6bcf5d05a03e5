// A 4 x 4 block of outputs in an invocation's registers: what the tiles in workgroup memory are made of.
const LANES = vec4<u32>(0u, 1u, 2u, 3u);

// Four rows of the left operand by a vector of the right's columns. Named vectors, not an array: an indexed array
// goes to memory on several drivers.
struct Block {
    r0: vec4<f32>,
    r1: vec4<f32>,
    r2: vec4<f32>,
    r3: vec4<f32>,
}

// t += a b^T for one term.
fn block_term(t: ptr<function, Block>, a: vec4<f32>, b: vec4<f32>) {
    (*t).r0 += a.x * b;
    (*t).r1 += a.y * b;
    (*t).r2 += a.z * b;
    (*t).r3 += a.w * b;
}

// Row i. By selects, as in tile.
fn block_row(t: ptr<function, Block>, i: u32) -> vec4<f32> {
    let odd = (i & 1u) == 1u;
    return select(select((*t).r0, (*t).r1, odd), select((*t).r2, (*t).r3, odd), i >= 2u);
}

// The four terms of a share added up.
fn share_sum(terms: mat4x4<f32>) -> vec4<f32> {
    return (terms[0] + terms[1]) + (terms[2] + terms[3]);
}
