// A fully connected layer's operands on their way to workgroup memory, a block of 4 x 4 at a time: along, where the terms of a
// sum lie side by side, and across, where rows or columns do. Terms past the end are zeros, for what stands there may be
// another replica's NaN. The importer declares dims, and imports tile4, load, source4 and quad.

// Terms k to k + 3 of four rows of x that start at `rows`.
fn x_along(s: vec2<f32>, rows: vec4<u32>, k: u32) -> mat4x4<f32> {
    if k >= dims.i {
        return mat4x4<f32>();
    }
    let there = k + LANES < vec4<u32>(dims.i);
    let zero = vec4<f32>();
    return transpose(mat4x4<f32>(
        select(zero, source_quad(s, rows.x + k), there), select(zero, source_quad(s, rows.y + k), there),
        select(zero, source_quad(s, rows.z + k), there), select(zero, source_quad(s, rows.w + k), there)
    ));
}

fn w_along(rows: vec4<u32>, k: u32) -> mat4x4<f32> {
    if k >= dims.i {
        return mat4x4<f32>();
    }
    let there = k + LANES < vec4<u32>(dims.i);
    let zero = vec4<f32>();
    return transpose(mat4x4<f32>(
        select(zero, w_quad(rows.x + k), there), select(zero, w_quad(rows.y + k), there),
        select(zero, w_quad(rows.z + k), there), select(zero, w_quad(rows.w + k), there)
    ));
}

fn dy_along(rows: vec4<u32>, k: u32) -> mat4x4<f32> {
    if k >= dims.o {
        return mat4x4<f32>();
    }
    let there = k + LANES < vec4<u32>(dims.o);
    let zero = vec4<f32>();
    return transpose(mat4x4<f32>(
        select(zero, dy_quad(rows.x + k), there), select(zero, dy_quad(rows.y + k), there),
        select(zero, dy_quad(rows.z + k), there), select(zero, dy_quad(rows.w + k), there)
    ));
}

// Row k of w, k < O, from column `at` on.
fn w_term(at: u32, k: u32) -> vec4<f32> {
    if k >= dims.o {
        return vec4<f32>();
    }
    return w_quad(at + k * dims.i);
}

fn w_across(at: u32, k: u32) -> mat4x4<f32> {
    return mat4x4<f32>(w_term(at, k), w_term(at, k + 1u), w_term(at, k + 2u), w_term(at, k + 3u));
}

// Row b of dy, b < end, from column `at` on.
fn dy_term(at: u32, b: u32, end: u32) -> vec4<f32> {
    if b >= end {
        return vec4<f32>();
    }
    return dy_quad(at + b * dims.o);
}

fn dy_across(at: u32, b: u32, end: u32) -> mat4x4<f32> {
    return mat4x4<f32>(dy_term(at, b, end), dy_term(at, b + 1u, end), dy_term(at, b + 2u, end), dy_term(at, b + 3u, end));
}

fn x_term(r: u32, s: vec2<f32>, col: u32, b: u32, end: u32) -> vec4<f32> {
    if b >= end {
        return vec4<f32>();
    }
    return source_quad(s, source_row(r, b, dims.i) + col);
}

fn x_across(r: u32, s: vec2<f32>, col: u32, b: u32, end: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        x_term(r, s, col, b, end), x_term(r, s, col, b + 1u, end),
        x_term(r, s, col, b + 2u, end), x_term(r, s, col, b + 3u, end)
    );
}

// The first of four columns, or of the last four that start at a multiple of four.
fn clamped(col: u32, width: u32) -> u32 {
    return min(col, (width - 1u) & ~3u);
}
