// How the optimizer reads its slots: from textures that mirror the buffers, 1024 texels wide. It writes the buffers. See
// slots_buffer.
@group(0) @binding(2) var blocks: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(3) var grads: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(7) var params_mirror: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(8) var moments_mirror: texture_storage_2d<rgba32uint, read>;

fn block_at(i: u32) -> vec4<u32> {
    return textureLoad(blocks, vec2<u32>(i & 1023u, i >> 10u));
}

fn grads_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(grads, vec2<u32>(i & 1023u, i >> 10u)));
}

fn params_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(params_mirror, vec2<u32>(i & 1023u, i >> 10u)));
}

fn moments_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(moments_mirror, vec2<u32>(i & 1023u, i >> 10u)));
}
