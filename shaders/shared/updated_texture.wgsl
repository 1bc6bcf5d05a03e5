// How what updates parameters and moments reads them as they were: from textures that mirror the buffers that it writes, 1024
// texels wide. See updated_buffer.
@group(0) @binding(13) var params_mirror: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(14) var moments_mirror: texture_storage_2d<rgba32uint, read>;

fn params_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(params_mirror, vec2<u32>(i & 1023u, i >> 10u)));
}

fn moments_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(moments_mirror, vec2<u32>(i & 1023u, i >> 10u)));
}
