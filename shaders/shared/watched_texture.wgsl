// How what watches the optimizer reads parameters and moments, which it does not write: from textures that mirror the buffers, 1024 texels
// wide. See watched_buffer.
@group(0) @binding(4) var params: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(5) var moments: texture_storage_2d<rgba32uint, read>;

fn params_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(params, vec2<u32>(i & 1023u, i >> 10u)));
}

fn moments_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(moments, vec2<u32>(i & 1023u, i >> 10u)));
}
