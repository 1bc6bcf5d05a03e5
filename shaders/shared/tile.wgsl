// An 8 x 8 tile of a matrix product in registers: column j holds rows 0-3 in lo, 4-7 in hi. 16 loads feed 64
// multiply-adds. Named vectors, not an array: an indexed array goes to memory on several drivers.
struct Tile {
    lo0: vec4<f32>, hi0: vec4<f32>,
    lo1: vec4<f32>, hi1: vec4<f32>,
    lo2: vec4<f32>, hi2: vec4<f32>,
    lo3: vec4<f32>, hi3: vec4<f32>,
    lo4: vec4<f32>, hi4: vec4<f32>,
    lo5: vec4<f32>, hi5: vec4<f32>,
    lo6: vec4<f32>, hi6: vec4<f32>,
    lo7: vec4<f32>, hi7: vec4<f32>,
}

struct Column {
    lo: vec4<f32>,
    hi: vec4<f32>,
}

const LANES = vec4<u32>(0u, 1u, 2u, 3u);

// t += a b^T for one k: a is 8 rows, b 8 columns.
fn tile_add(t: ptr<function, Tile>, a_lo: vec4<f32>, a_hi: vec4<f32>, b_lo: vec4<f32>, b_hi: vec4<f32>) {
    (*t).lo0 += a_lo * b_lo.x;
    (*t).hi0 += a_hi * b_lo.x;
    (*t).lo1 += a_lo * b_lo.y;
    (*t).hi1 += a_hi * b_lo.y;
    (*t).lo2 += a_lo * b_lo.z;
    (*t).hi2 += a_hi * b_lo.z;
    (*t).lo3 += a_lo * b_lo.w;
    (*t).hi3 += a_hi * b_lo.w;
    (*t).lo4 += a_lo * b_hi.x;
    (*t).hi4 += a_hi * b_hi.x;
    (*t).lo5 += a_lo * b_hi.y;
    (*t).hi5 += a_hi * b_hi.y;
    (*t).lo6 += a_lo * b_hi.z;
    (*t).hi6 += a_hi * b_hi.z;
    (*t).lo7 += a_lo * b_hi.w;
    (*t).hi7 += a_hi * b_hi.w;
}

// Column j. By selects: a switch costs a CPU driver a branch a case.
fn tile_column(t: ptr<function, Tile>, j: u32) -> Column {
    let b0 = (j & 1u) == 1u;
    let b1 = (j & 2u) == 2u;
    let lo0 = select((*t).lo0, (*t).lo1, b0);
    let lo1 = select((*t).lo2, (*t).lo3, b0);
    let lo2 = select((*t).lo4, (*t).lo5, b0);
    let lo3 = select((*t).lo6, (*t).lo7, b0);
    let hi0 = select((*t).hi0, (*t).hi1, b0);
    let hi1 = select((*t).hi2, (*t).hi3, b0);
    let hi2 = select((*t).hi4, (*t).hi5, b0);
    let hi3 = select((*t).hi6, (*t).hi7, b0);
    let lo = select(select(lo0, lo1, b1), select(lo2, lo3, b1), j >= 4u);
    let hi = select(select(hi0, hi1, b1), select(hi2, hi3, b1), j >= 4u);
    return Column(lo, hi);
}

// Row i of a column, i < 8.
fn column_row(c: Column, i: u32) -> f32 {
    let v = select(c.lo, c.hi, i >= 4u);
    return select(select(v.x, v.y, (i & 1u) == 1u), select(v.z, v.w, (i & 1u) == 1u), (i & 2u) == 2u);
}
