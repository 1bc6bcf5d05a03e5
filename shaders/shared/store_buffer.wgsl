// How the outputs of a matrix product are stored, four words at a time: into storage buffers. See store_texture.
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;  // (B, O)
@group(0) @binding(8) var<storage, read_write> dx: array<vec4<f32>>; // (B, I)
@group(0) @binding(13) var<storage, read_write> dz: array<vec4<f32>>; // (B, row)

fn store_y(i: u32, v: vec4<f32>) {
    y[i] = v;
}

fn store_dx(i: u32, v: vec4<f32>) {
    dx[i] = v;
}

fn store_dz(i: u32, v: vec4<f32>) {
    dz[i] = v;
}

// What another reader of x has left.
fn dx_before(i: u32) -> vec4<f32> {
    return dx[i];
}
