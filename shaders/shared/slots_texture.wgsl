// How the gradients are read, and the table of where they are: from textures that mirror the buffers, 1024 texels wide. See
// slots_buffer.
@group(0) @binding(2) var blocks: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(3) var grads: texture_storage_2d<rgba32uint, read>;

fn block_at(i: u32) -> vec4<u32> {
    return textureLoad(blocks, vec2<u32>(i & 1023u, i >> 10u));
}

fn grads_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(grads, vec2<u32>(i & 1023u, i >> 10u)));
}
