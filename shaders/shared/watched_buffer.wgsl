// How what watches the optimizer reads parameters and moments, which it does not write: from storage buffers. See watched_texture.
@group(0) @binding(4) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> moments: array<vec4<f32>>;

fn params_at(i: u32) -> vec4<f32> {
    return params[i];
}

fn moments_at(i: u32) -> vec4<f32> {
    return moments[i];
}
