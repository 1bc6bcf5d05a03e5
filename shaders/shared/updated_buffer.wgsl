// How what updates parameters and moments reads them as they were: from the buffers that it writes. See updated_texture.
fn params_at(i: u32) -> vec4<f32> {
    return params[i];
}

fn moments_at(i: u32) -> vec4<f32> {
    return moments[i];
}
