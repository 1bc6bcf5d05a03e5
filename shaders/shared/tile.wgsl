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

fn tile_column(t: ptr<function, Tile>, j: u32) -> Column {
    switch j {
        case 0u: { return Column((*t).lo0, (*t).hi0); }
        case 1u: { return Column((*t).lo1, (*t).hi1); }
        case 2u: { return Column((*t).lo2, (*t).hi2); }
        case 3u: { return Column((*t).lo3, (*t).hi3); }
        case 4u: { return Column((*t).lo4, (*t).hi4); }
        case 5u: { return Column((*t).lo5, (*t).hi5); }
        case 6u: { return Column((*t).lo6, (*t).hi6); }
        default: { return Column((*t).lo7, (*t).hi7); }
    }
}

// Row i of a column, i < 8.
fn column_row(c: Column, i: u32) -> f32 {
    return select(c.hi[i & 3u], c.lo[i & 3u], i < 4u);
}
