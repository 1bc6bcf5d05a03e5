// How an update reads parameters and moments as they were, and writes them, eight at a time: in storage buffers. See eights_texture.
@group(0) @binding(5) var<storage, read_write> params: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> moments: array<vec4<f32>>;

fn params_at(i: u32) -> mat2x4<f32> {
    return mat2x4<f32>(params[2u * i], params[2u * i + 1u]);
}

fn moments_at(i: u32) -> mat2x4<f32> {
    return mat2x4<f32>(moments[2u * i], moments[2u * i + 1u]);
}

fn params_put(i: u32, v: mat2x4<f32>) {
    params[2u * i] = v[0];
    params[2u * i + 1u] = v[1];
}

fn moments_put(i: u32, v: mat2x4<f32>) {
    moments[2u * i] = v[0];
    moments[2u * i + 1u] = v[1];
}
