// How what watches the optimizer reads its slots, which it does not write: from textures that mirror the buffers, 1024 texels
// wide. See watched_buffer.
@group(0) @binding(2) var blocks: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(3) var grads: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(4) var params: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(5) var moments: texture_storage_2d<rgba32uint, read>;

fn block_at(i: u32) -> vec4<u32> {
    return textureLoad(blocks, vec2<u32>(i & 1023u, i >> 10u));
}

fn grads_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(grads, vec2<u32>(i & 1023u, i >> 10u)));
}

fn params_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(params, vec2<u32>(i & 1023u, i >> 10u)));
}

fn moments_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(moments, vec2<u32>(i & 1023u, i >> 10u)));
}
